// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From queues to rings. See mover.h for the model.
 */
#include "broker/mover.h"

#include "broker/broker.h"
#include "broker/peer.h"

#include "common/macros.h"

void mover_init(struct mover *mover)
{
	mover->batch = NULL;
	mover->nr_items = 0;
	mover->nr_pages = 0;
	mover->taken = 0;
	mover->bytes = 0;
	mover->copies = false;
	mover->bad = false;
	list_init(&mover->done);
	list_init(&mover->told);
}

/* ------------------------------------------------------------------ gathering */

/* The next @n posted pages of @dst, whose number is known to suffice. */
static inline struct delivery *item_new(struct mover *mover, struct peer *dst, unsigned int n)
{
	struct delivery *item = &mover->items[mover->nr_items++];
	struct rx_page *page = &mover->pages[mover->nr_pages];

	item->dst = dst;
	item->message = NULL;
	item->event = NULL;
	item->first = (uint16_t)mover->nr_pages;
	item->nr_pages = (uint16_t)n;
	item->gathered = false;
	item->status = VMSGIF_OKAY;
	mover->nr_pages += n;
	if (LIKELY(n == 1))
		*page = device_rx_take(dst->dev);
	else
		device_rx_take_run(dst->dev, page, n);
	return item;
}

/* Returns false if the batch has no room for @n pages more. */
static bool has_room(const struct mover *mover, unsigned int n)
{
	return mover->nr_items < MOVER_ITEMS && mover->nr_pages + n <= MOVER_PAGES;
}

/* Add the copies of @item, the last one, to the batch, or do them; -ENOSPC: it has to be run before. */
static inline int add_copies(struct mover *mover, struct delivery *item, const struct message *m,
			     struct peer *dst, const struct rx_page *pages)
{
	int r = copy_batch_add(mover->batch, mover->nr_items - 1, m->src->dev, message_segs(m),
			       m->nr_segs, m->pooled, dst->dev, pages, message_pages(m));

	item->way = LIKELY(r == COPY_DONE) ? WAY_POOLED : WAY_COPY;
	if (LIKELY(r == COPY_DONE))
		return 0;
	if (r == -ENOSPC)
		return r;
	item->gathered = r == 0;
	item->status = r;
	mover->copies |= item->gathered;
	mover->bad |= r != 0;
	return 0;
}

/* The batch is full in the middle of an item: settle the others, and begin anew with it. */
static NOINLINE void begin_anew(struct broker *broker, struct delivery *item)
{
	struct mover *mover = &broker->mover;
	struct delivery keep = *item;

	mover->nr_items--;
	mover->nr_pages -= item->nr_pages;
	mover_flush(broker);
	memmove(mover->pages, &mover->pages[keep.first], keep.nr_pages * sizeof(mover->pages[0]));
	keep.first = 0;
	mover->items[0] = keep;
	mover->nr_items = 1;
	mover->nr_pages = keep.nr_pages;
	/* An empty batch has room for any one message. */
	if (add_copies(mover, mover->items, keep.message, keep.dst, mover->pages) < 0) {
		mover->items[0].status = VMSGIF_EFAULT;
		mover->bad = true;
	}
}

static inline void gather_message(struct broker *broker, struct peer *dst, struct message *m)
{
	struct mover *mover = &broker->mover;
	const struct rx_page *pages = &mover->pages[mover->nr_pages];
	struct delivery *item = item_new(mover, dst, message_pages(m));

	queue_take(m);
	mover->taken++;
	mover->bytes += message_bytes(m);
	item->message = m;
	if (UNLIKELY(m->form == REQUEST_INLINE)) {
		item->way = WAY_INLINE;
	} else if (UNLIKELY(message_is_map(m))) {
		item->way = WAY_MAP;
	} else {
		if (UNLIKELY(add_copies(mover, item, m, dst, pages) < 0))
			begin_anew(broker, item);
	}
}

static NOINLINE enum gathered gather_events(struct broker *broker, struct peer *dst)
{
	struct mover *mover = &broker->mover;
	struct delivery *item;

	while (!list_empty(&dst->events)) {
		if (!device_rx_posted(dst->dev, 1))
			return GATHER_ALL;
		if (!has_room(mover, 1))
			return GATHER_FULL;
		item = item_new(mover, dst, 1);
		item->event = event_take(dst);
	}
	return GATHER_MORE;
}

enum gathered mover_gather(struct broker *broker, struct peer *dst, unsigned int max)
{
	unsigned int max_maps = broker->config->limits.max_maps;
	struct mover *mover = &broker->mover;
	struct message *m;

	if (!list_empty(&dst->events)) {
		enum gathered r = gather_events(broker, dst);

		if (r != GATHER_MORE)
			return r;
	}
	while ((m = queue_next(dst, max_maps))) {
		unsigned int n = message_pages(m);
		/* A message that needs all of the ring's pages may have the reserve. */
		unsigned int need = MIN_OF(n + VMSGIF_RX_RESERVE, dst->nr_slots);

		if (UNLIKELY(max ? mover->taken >= max : dst->queue.share <= 0))
			return GATHER_MORE;
		if (UNLIKELY(device_rx_posted(dst->dev, need) < need))
			return GATHER_ALL;
		if (UNLIKELY(!has_room(mover, n)))
			return GATHER_FULL;
		gather_message(broker, dst, m);
	}
	return GATHER_ALL;
}
