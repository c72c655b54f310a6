// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The transfer: payload from pages of one guest into pages of another.
 *
 * Between pools, which are mapped in a row, a message is cut into as few pieces as
 * there can be: where what is next on one side is not what follows in its pool. A
 * piece is a memcpy, done at once. Any other message is cut into pieces that lie in
 * one page on both sides. Where both pages are mapped, these are memcpys, too. All
 * others are gathered as grant-copy operations, by references on both sides: a page of a pool has
 * one too, and a mapping of gntdev cannot be a local operand. Memory shared
 * with a process of this domain is mapped, has no reference, and can be one.
 *
 * What Linux and Xen do with a batch (drivers/xen/gntdev.c:gntdev_copy(),
 * xen/common/grant_table.c:gnttab_copy()), and what follows:
 *  - one operation out of bounds fails the whole call, and operations before it
 *    may say "okay" without having been done: so bounds are checked before, and
 *    after a failed call nothing is believed; each message is tried by itself;
 *  - each operation has its own status: a message is good if all of its
 *    operations are. Copying again what was copied does no harm, because the
 *    receiver is not told of its pages before;
 *  - neighbours that share a page are cheaper, since Xen keeps the last page of
 *    either side mapped: messages are put in the order of their first page, and
 *    within a message the pieces are neighbours by themselves.
 */
#include "backend/internal.h"

#include "common/macros.h"

#include <errno.h>
#include <stdlib.h>

#define MESSAGE_PAGES (VMSGIF_MESSAGE_MAX / VMSGIF_PAGE_SIZE)

/*
 * Pieces of one message: a boundary of a segment or of a page of either side begins each.
 * A segment of n bytes, wherever it begins, is in n / 4096 pages and two more at most.
 */
#define PIECES_MAX (2 * VMSGIF_INDIRECT_MAX + MESSAGE_PAGES + MESSAGE_PAGES)
_Static_assert(PIECES_MAX <= GRANT_COPY_MAX, "any message fits into an empty batch");

/* The operations of one message, in a row. */
struct message {
	uint16_t tag;
	uint16_t first;
	uint16_t nr;
	uint16_t src_domid;
	uint32_t src_ref;
};

struct copy_batch {
	struct backend *b;
	unsigned int nr_ops;
	unsigned int nr_messages;
	struct grant_copy_op ops[GRANT_COPY_MAX];    /* as gathered */
	struct grant_copy_op sorted[GRANT_COPY_MAX]; /* as done */
	struct message messages[GRANT_COPY_MAX];
	bool failed; /* some status is not 0 */
	int status[COPY_TAGS];
};

/* Walks the segments of a message. */
struct cursor {
	struct device *src;
	const struct vmsgif_segment *segs;
	bool pooled;
	unsigned int seg;
	uint16_t done; /* of this segment */
	struct device *dst;
	const struct rx_page *pages;
	uint32_t at; /* in the destination, from its begin */
};

int copy_batch_new(struct copy_batch **out, struct backend *b)
{
	struct copy_batch *batch = calloc(1, sizeof(*batch));

	if (!batch)
		return -ENOMEM;
	batch->b = b;
	*out = batch;
	return 0;
}

void copy_batch_free(struct copy_batch *batch)
{
	free(batch);
}

void copy_batch_reset(struct copy_batch *batch)
{
	batch->nr_ops = 0;
	batch->nr_messages = 0;
	if (batch->failed)
		memset(batch->status, 0, sizeof(batch->status));
	batch->failed = false;
}

int copy_batch_status(const struct copy_batch *batch, unsigned int tag)
{
	return batch->status[tag];
}

/* Both sides are there, and no list is longer than any can be. */
static inline bool in_bounds(const struct device *src, unsigned int nr, const struct device *dst,
			     unsigned int nr_pages)
{
	return device_live(src) && device_live(dst) && nr <= VMSGIF_INDIRECT_MAX &&
	       nr_pages <= MESSAGE_PAGES;
}

/*
 * Every index is within its pool, everything else within its page, and the pages hold the
 * message. @pieces: it has no more.
 */
static bool usable(struct device *src, const struct vmsgif_segment *segs, unsigned int nr,
		   bool pooled, struct device *dst, const struct rx_page *pages,
		   unsigned int nr_pages, unsigned int *pieces)
{
	struct place page;
	uint32_t len = 0;

	if (!in_bounds(src, nr, dst, nr_pages))
		return false;
	*pieces = nr_pages;
	for (unsigned int i = 0; i < nr; i++) {
		if (segs[i].len == 0 || !place_find_segment(src, pooled, &segs[i], &page))
			return false;
		len += segs[i].len;
		*pieces += ((uint32_t)segs[i].offset + segs[i].len - 1) / VMSGIF_PAGE_SIZE + 1;
	}
	if (len > nr_pages * VMSGIF_PAGE_SIZE)
		return false;
	for (unsigned int i = 0; i < nr_pages; i++) {
		if (!place_find(dst, VMSGIF_POOL_RX, pages[i].pooled, pages[i].ref, &page))
			return false;
	}
	return true;
}

/*
 * Often at most a page. A compiler that knows it would copy by "rep movs" in place, eight
 * bytes at a time; the library knows better, so the compiler is not to know.
 */
static inline void copy_bytes(uint8_t *to, const uint8_t *from, size_t len)
{
	__asm__("" : "+r"(len));
	memcpy(to, from, len);
}

/* Does the piece at the cursor and moves on: by memcpy, or into @op, which is then used. */
static bool next_piece(struct cursor *c, struct copy_batch *batch, struct grant_copy_op *op)
{
	const struct vmsgif_segment *seg = &c->segs[c->seg];
	const struct rx_page *page = &c->pages[c->at / VMSGIF_PAGE_SIZE];
	uint32_t dst_offset = c->at % VMSGIF_PAGE_SIZE;
	uint32_t src_at = (uint32_t)seg->offset + c->done;
	uint32_t src_offset = src_at % VMSGIF_PAGE_SIZE;
	uint32_t room = VMSGIF_PAGE_SIZE - MAX_OF(dst_offset, src_offset);
	uint32_t len = MIN_OF((uint32_t)seg->len - c->done, room);
	struct place from, to;

	/* usable() found both. Only in a pool there is a page behind a segment's first. */
	(void)place_find(c->src, VMSGIF_POOL_TX, c->pooled, seg->ref + src_at / VMSGIF_PAGE_SIZE,
			 &from);
	(void)place_find(c->dst, VMSGIF_POOL_RX, page->pooled, page->ref, &to);
	c->at += len;
	c->done = (uint16_t)(c->done + len);
	if (c->done == seg->len) {
		c->seg++;
		c->done = 0;
	}
	if (from.addr && to.addr) {
		copy_bytes(to.addr + dst_offset, from.addr + src_offset, len);
		batch->b->stats.memcpys++;
		batch->b->stats.copied_bytes += len;
		return false;
	}
	*op = (struct grant_copy_op){ .len = (uint16_t)len };
	place_copy_from(op, c->src, &from, (uint16_t)src_offset);
	place_copy_to(op, c->dst, &to, (uint16_t)dst_offset);
	return true;
}

/* The usual: one piece, from a pool into a page of a pool. */
static inline int copy_one(struct copy_batch *batch, const struct device *src,
			   const struct vmsgif_segment *seg, const struct device *dst,
			   const struct rx_page *page)
{
	const struct pool *from = &src->c.pools[VMSGIF_POOL_TX - 1];
	const struct pool *to = &dst->c.pools[VMSGIF_POOL_RX - 1];

	if (UNLIKELY(!device_live(src) || !device_live(dst) || !pool_holds(from, seg) ||
		     page->ref >= to->nr_pages || seg->len == 0 || seg->len > VMSGIF_PAGE_SIZE))
		return VMSGIF_EFAULT;
	batch->b->stats.memcpys++;
	batch->b->stats.copied_bytes += seg->len;
	copy_bytes(pool_page(to, page->ref), pool_page(from, 0) + pool_offset(seg), seg->len);
	return COPY_DONE;
}

/* Pages of a pool that follow each other. */
struct stretch {
	uint32_t ref;
	uint32_t nr;
};

/*
 * Sums up @pages as stretches of @pool. Their number; 0: some page is in no pool; or
 * VMSGIF_EFAULT: some index is outside of it.
 */
static int stretches_of(const struct pool *pool, const struct rx_page *pages, unsigned int nr_pages,
			struct stretch stretches[MESSAGE_PAGES])
{
	const struct rx_page *page = pages, *end = pages + nr_pages;
	int nr = 0;

	while (page != end) {
		const struct rx_page *first = page;
		uint32_t ref = first->ref, next = ref;

		do {
			if (UNLIKELY(!page->pooled))
				return 0;
			page++;
			next++;
		} while (page != end && page->ref == next);
		stretches[nr].ref = ref;
		stretches[nr++].nr = (uint32_t)(page - first);
		if (UNLIKELY((uint64_t)ref + (uint64_t)(page - first) > pool->nr_pages))
			return VMSGIF_EFAULT;
	}
	return nr;
}

/* The segments are in the pool @from, and have no more than @room bytes. */
static bool segments_usable(const struct pool *from, const struct vmsgif_segment *segs,
			    unsigned int nr, uint32_t room)
{
	uint32_t len = 0;

	for (unsigned int i = 0; i < nr; i++) {
		if (UNLIKELY(segs[i].len == 0 || !pool_holds(from, &segs[i])))
			return false;
		len += segs[i].len;
	}
	return len <= room;
}

/* Copies usable segments from one pool to usable pages of another. */
static void copy_stretches(struct backend_stats *stats, const struct pool *from,
			   const struct vmsgif_segment *segs, unsigned int nr,
			   const struct pool *to, const struct stretch *next)
{
	uint8_t *target = NULL;
	uint32_t room = 0; /* at target */

	for (const struct vmsgif_segment *seg = segs, *end = segs + nr; seg != end; seg++) {
		const uint8_t *source = pool_page(from, 0) + pool_offset(seg);
		uint32_t left = seg->len;

		stats->copied_bytes += left;
		do {
			uint32_t len;

			if (room == 0) {
				/* NOLINTNEXTLINE(clang-analyzer-core.*): the stretches hold all of it. */
				target = pool_page(to, next->ref);
				room = next++->nr * VMSGIF_PAGE_SIZE;
			}
			len = MIN_OF(left, room);
			copy_bytes(target, source, len);
			stats->memcpys++;
			target += len;
			room -= len;
			source += len;
			left -= len;
		} while (left > 0);
	}
}

/*
 * Any number of pieces, from a pool into pages of a pool. COPY_DONE, VMSGIF_EFAULT, or 0: some
 * page is in no pool, nothing was done.
 */
static NOINLINE int copy_pooled(struct copy_batch *batch, const struct device *src,
				const struct vmsgif_segment *segs, unsigned int nr,
				const struct device *dst, const struct rx_page *pages,
				unsigned int nr_pages)
{
	const struct pool *from = &src->c.pools[VMSGIF_POOL_TX - 1];
	const struct pool *to = &dst->c.pools[VMSGIF_POOL_RX - 1];
	struct stretch stretches[MESSAGE_PAGES];
	int r;

	if (!in_bounds(src, nr, dst, nr_pages))
		return VMSGIF_EFAULT;
	r = stretches_of(to, pages, nr_pages, stretches);
	if (r <= 0)
		return r;
	if (!segments_usable(from, segs, nr, nr_pages * VMSGIF_PAGE_SIZE))
		return VMSGIF_EFAULT;
	copy_stretches(&batch->b->stats, from, segs, nr, to, stretches);
	return COPY_DONE;
}

/* Any number of pieces, by whatever way. */
static NOINLINE int add_any(struct copy_batch *batch, unsigned int tag, struct device *src,
			    const struct vmsgif_segment *segs, unsigned int nr, bool pooled,
			    struct device *dst, const struct rx_page *pages, unsigned int nr_pages)
{
	struct cursor c = { .src = src, .segs = segs, .pooled = pooled, .dst = dst, .pages = pages };
	unsigned int first = batch->nr_ops, pieces;

	if (!usable(src, segs, nr, pooled, dst, pages, nr_pages, &pieces))
		return VMSGIF_EFAULT;
	if (pieces > GRANT_COPY_MAX - batch->nr_ops)
		return -ENOSPC;
	while (c.seg < nr) {
		if (next_piece(&c, batch, &batch->ops[batch->nr_ops]))
			batch->nr_ops++;
	}
	if (batch->nr_ops == first)
		return 0;
	batch->messages[batch->nr_messages++] = (struct message){
		.tag = (uint16_t)tag,
		.first = (uint16_t)first,
		.nr = (uint16_t)(batch->nr_ops - first),
		.src_domid = src->domid,
		.src_ref = batch->ops[first].src.ref,
	};
	return 0;
}

int copy_batch_add(struct copy_batch *batch, unsigned int tag, struct device *src,
		   const struct vmsgif_segment *segs, unsigned int nr, bool pooled,
		   struct device *dst, const struct rx_page *pages, unsigned int nr_pages)
{
	int r;

	if (LIKELY(nr == 1 && nr_pages == 1 && pooled && pages->pooled))
		return copy_one(batch, src, segs, dst, pages);
	if (tag >= COPY_TAGS)
		return -EINVAL;
	r = pooled ? copy_pooled(batch, src, segs, nr, dst, pages, nr_pages) : 0;
	return r ? r : add_any(batch, tag, src, segs, nr, pooled, dst, pages, nr_pages);
}

static int by_first_page(const void *left, const void *right)
{
	const struct message *a = left, *b = right;

	if (a->src_domid != b->src_domid)
		return a->src_domid < b->src_domid ? -1 : 1;
	if (a->src_ref != b->src_ref)
		return a->src_ref < b->src_ref ? -1 : 1;
	return a->first < b->first ? -1 : 1;
}

/* Lays the operations out in the order of their messages; @first then means that order. */
static void arrange(struct copy_batch *batch)
{
	unsigned int at = 0;

	qsort(batch->messages, batch->nr_messages, sizeof(batch->messages[0]), by_first_page);
	for (unsigned int i = 0; i < batch->nr_messages; i++) {
		struct message *m = &batch->messages[i];

		memcpy(&batch->sorted[at], &batch->ops[m->first], m->nr * sizeof(batch->sorted[0]));
		m->first = (uint16_t)at;
		at += m->nr;
	}
}

static void settle(struct copy_batch *batch, const struct message *m, bool known)
{
	for (unsigned int i = 0; i < m->nr; i++) {
		if (known && batch->sorted[m->first + i].ok)
			continue;
		batch->status[m->tag] = VMSGIF_EFAULT;
		batch->failed = true;
	}
}

void copy_batch_run(struct copy_batch *batch)
{
	struct grants *grants = batch->b->grants;
	bool known;

	if (batch->nr_ops == 0)
		return;
	arrange(batch);
	known = grants_copy(grants, batch->sorted, batch->nr_ops) == 0;
	for (unsigned int i = 0; i < batch->nr_messages; i++) {
		struct message *m = &batch->messages[i];
		bool again = known || grants_copy(grants, &batch->sorted[m->first], m->nr) == 0;

		settle(batch, m, again);
	}
	batch->nr_ops = 0;
	batch->nr_messages = 0;
}

int device_write_page(struct device *dev, const struct rx_page *page, const void *from,
		      uint16_t len)
{
	struct place to;

	if (!device_live(dev) || len == 0 || len > VMSGIF_PAGE_SIZE ||
	    !place_find(dev, VMSGIF_POOL_RX, page->pooled, page->ref, &to) ||
	    !place_write(dev, &to, from, len))
		return VMSGIF_EFAULT;
	return 0;
}
