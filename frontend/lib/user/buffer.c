// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Pages of the driver, taken for a message, and in the hands of the application.
 *
 * A struct xenmsg_buffer holds the pages' numbers in opaque[]: how many pieces there
 * are, then of each its first page and how many follow, then that of a page for a list.
 * The application can write to all of this: it is checked as far as a mistake would hit
 * others than itself, and the engine refuses pages that are not with the caller.
 */
#include <errno.h>
#include <string.h>

#include "front.h"
#include "frontend/core/quick.h"

#define PAGE VMSGIF_PAGE_SIZE
/* What is no longer and goes in a batch is copied there: that costs less than a page does. */
#define COPY_MAX (PAGE / 2)
/* So often a port finds too few pages before it has others' batches posted. */
#define TRIES_MAX 256u

/* There were too few. */
static __attribute__((__noinline__)) int wait_for_pages(struct front_port *port, unsigned int nr,
							unsigned int flags)
{
	struct front *f = port_front(port);
	int r;

	/*
	 * Some may be in batches. Other ports' are better filled first: they have room for more,
	 * and leave when somebody waits. Who only tries again and again does not wait for that.
	 */
	if ((flags & XENMSG_NONBLOCK) && ++port->tries < TRIES_MAX) {
		(void)batch_end(port);
	} else {
		port->tries = 0;
		batches_end(f);
	}
	do {
		r = make_room(f, flags);
		if (r)
			break;
		r = vmsg_tx_pages_wait(f->v, port->engine, nr);
	} while (r == -EAGAIN);
	send_leave(f, r != 0);
	return r;
}

int pages_get(struct front_port *port, size_t len, unsigned int flags, struct pages *pages)
{
	struct vmsg *v = port_front(port)->v;
	unsigned int nr = (unsigned int)((len + PAGE - 1) / PAGE);
	bool list = nr > VMSGIF_SEGS_MAX;
	int r;

	r = vmsg_tx_pages_wait(v, port->engine, nr + list);
	if (UNLIKELY(r == -EAGAIN))
		r = wait_for_pages(port, nr + list, flags);
	if (r)
		return r;
	pages->list = NO_PAGE;
	pages->nr_runs = 0;
	while (nr) {
		struct page_run *run = &pages->runs[pages->nr_runs++];

		run->nr = (uint16_t)vmsg_tx_run_get(v, port->engine, nr, &run->first);
		nr -= run->nr;
	}
	if (list)
		(void)vmsg_tx_run_get(v, port->engine, 1, &pages->list);
	return 0;
}

void pages_put(struct front_port *port, const struct pages *pages)
{
	struct vmsg *v = port_front(port)->v;
	unsigned int i;

	for (i = 0; i < pages->nr_runs; i++)
		vmsg_tx_run_put(v, pages->runs[i].first, pages->runs[i].nr);
	if (pages->list != NO_PAGE)
		vmsg_tx_run_put(v, pages->list, 1);
}

/* A piece in opaque[]. */
static inline uint32_t packed(struct page_run run)
{
	return run.first | (uint32_t)run.nr << 16;
}

static inline struct page_run unpacked(uint32_t word)
{
	return (struct page_run){ (uint16_t)word, (uint16_t)(word >> 16) };
}

/* Any number of pages, or none is free. */
static __attribute__((__noinline__)) int get_any(struct front_port *port, size_t len,
						 struct xenmsg_buffer *buffer, unsigned int flags)
{
	struct pages pages;
	unsigned int i;
	int r;

	r = pages_get(port, len, flags, &pages);
	if (r)
		return r;
	buffer->nr = (int)pages.nr_runs;
	buffer->opaque[0] = pages.nr_runs;
	for (i = 0; i < pages.nr_runs; i++) {
		const struct page_run *run = &pages.runs[i];

		buffer->opaque[1 + i] = packed(*run);
		buffer->iov[i].iov_base = vmsg_tx_page_of(port->engine, run->first);
		buffer->iov[i].iov_len = MIN_OF(len, (size_t)run->nr * PAGE);
		len -= buffer->iov[i].iov_len;
	}
	buffer->opaque[1 + i] = pages.list;
	return 0;
}

int front_buffer_get(struct xenmsg_port *base, size_t len, struct xenmsg_buffer *buffer,
		     unsigned int flags)
{
	struct front_port *port = port_of(base);
	uint16_t page;
	void *memory;

	if (len > PAGE)
		return get_any(port, len, buffer, flags);
	memory = vmsg_tx_page_take(port->engine, &page);
	if (UNLIKELY(!memory))
		return get_any(port, len, buffer, flags);
	buffer->iov[0] = (struct iovec){ memory, len };
	buffer->nr = 1;
	buffer->opaque[0] = 1;
	buffer->opaque[1] = packed((struct page_run){ page, 1 });
	buffer->opaque[2] = NO_PAGE;
	return 0;
}

/* The memory of page @page if it is the application's, in no batch; else NULL. */
static inline void *memory_of(const struct front_port *port, uint32_t page)
{
	void *memory = vmsg_tx_page_of(port->engine, page);

	return LIKELY(memory && !batch_has(port, page)) ? memory : NULL;
}

/* Those of them that are the application's. */
static void put_run(struct front_port *port, struct page_run run)
{
	uint32_t page;

	for (page = run.first; page < (uint32_t)run.first + run.nr; page++)
		if (memory_of(port, page))
			vmsg_tx_page_put(port->engine, page);
}

/* Whether @iov begins with page @page, which is the application's, and has @max bytes at most. */
static inline bool is_piece(const struct front_port *port, uint32_t page, const struct iovec *iov,
			    size_t max)
{
	return iov->iov_len - 1 < max && iov->iov_base && iov->iov_base == memory_of(port, page);
}

/* The same for a piece of @run; none of its pages is in a batch. */
static bool is_run(const struct front_port *port, struct page_run run, const struct iovec *iov)
{
	const bool *batched = port_front(port)->batched;

	return run.nr && run.nr <= VMSG_RUN_PAGES && run.first + run.nr <= VMSGIF_POOL_PAGES_MAX &&
	       is_piece(port, run.first, iov, (size_t)run.nr * PAGE) &&
	       !memchr(batched + run.first, 1, run.nr); /* true is 1 */
}

/* Pages of a message that was sent that are not part of it: @nr_segs pieces and @used pages are. */
static void put_unused(struct front_port *port, const struct xenmsg_buffer *buffer,
		       const struct vmsg_send *send, unsigned int used)
{
	unsigned int i, nr = buffer->opaque[0];

	for (i = 0; i < nr; i++) {
		struct page_run run = unpacked(buffer->opaque[1 + i]);

		if (i < send->nr_segs) {
			unsigned int there = (send->segs[i].len + PAGE - 1) / PAGE;

			run.first = (uint16_t)(run.first + there);
			run.nr = (uint16_t)(run.nr - there);
		}
		put_run(port, run);
	}
	if (used <= VMSGIF_SEGS_MAX && memory_of(port, send->list_page))
		vmsg_tx_page_put(port->engine, send->list_page);
}

/* Any number of pages, alone. */
static __attribute__((__noinline__)) int send_any(struct front_port *port, uint32_t addr,
						  uint32_t number, struct xenmsg_buffer *buffer,
						  unsigned int flags, uint64_t *seq)
{
	struct vmsgif_segment segs[XENMSG_SEGMENTS_MAX];
	struct vmsg_send send = { .addr = addr, .port = number, .form = VMSG_PAGES, .segs = segs };
	unsigned int i, nr = buffer->opaque[0], pages = 0, used = 0;
	int r;

	if (!nr || nr > XENMSG_SEGMENTS_MAX - 1 || buffer->nr < 1 || (unsigned int)buffer->nr > nr)
		return -EINVAL;
	send.nr_segs = (unsigned int)buffer->nr;
	for (i = 0; i < send.nr_segs; i++) {
		const struct iovec *iov = &buffer->iov[i];
		struct page_run run = unpacked(buffer->opaque[1 + i]);

		if (UNLIKELY(!is_run(port, run, iov)))
			return -EINVAL;
		segs[i] =
			(struct vmsgif_segment){ .ref = run.first, .len = (uint16_t)iov->iov_len };
		send.len += segs[i].len;
		pages += run.nr;
		used += (segs[i].len + PAGE - 1) / PAGE;
	}
	send.list_page = (uint16_t)buffer->opaque[1 + nr];
	if (used > VMSGIF_SEGS_MAX && !memory_of(port, send.list_page))
		return -EINVAL;
	r = send_post(port, &send, flags, NULL, 0, seq);
	send_leave(port_front(port), r != 0);
	if (!r) {
		if (UNLIKELY(send.nr_segs != nr || pages != used))
			put_unused(port, buffer, &send, used);
		buffer->opaque[0] = 0;
	}
	return r;
}

/* Whether the buffer has one page and what it says of it is right: it, and its memory. */
static inline __attribute__((__always_inline__)) bool one_page(const struct front_port *port,
							       const struct xenmsg_buffer *buffer)
{
	struct page_run run = unpacked(buffer->opaque[1]);

	return buffer->nr == 1 && buffer->opaque[0] == 1 && run.nr == 1 &&
	       is_piece(port, run.first, buffer->iov, PAGE);
}

/* As batch_send(). */
static __attribute__((__noinline__)) int begin_batch(struct front_port *port, uint32_t addr,
						     uint32_t number,
						     const struct xenmsg_buffer *buffer,
						     unsigned int flags)
{
	const struct given given = {
		.addr = addr,
		.number = number,
		.iov = buffer->iov,
		.nr = 1,
		.flags = flags,
		.len = buffer->iov[0].iov_len,
	};
	bool copy = given.len <= COPY_MAX, ends = port->batch.each;
	uint16_t page = unpacked(buffer->opaque[1]).first;
	int r;

	r = batch_send(port, &given, copy ? NO_PAGE : page, NULL);
	if (r > 0 && copy)
		vmsg_tx_page_put(port->engine, page);
	/* Unless all it did was to begin one, there is something to publish. */
	if (r && (ends || !port->batch.each))
		send_leave(port_front(port), r < 0);
	return r;
}

/* What is not just one page more of the batch there is. */
static __attribute__((__noinline__)) int send_other(struct xenmsg_port *base, uint32_t addr,
						    uint32_t number, struct xenmsg_buffer *buffer,
						    unsigned int flags, uint64_t *seq)
{
	struct front_port *port = port_of(base);
	const struct iovec *iov = buffer->iov;
	int r = 0;

	if ((flags & XENMSG_LAZY) && !seq && one_page(port, buffer)) {
		r = iov->iov_len <= COPY_MAX &&
		    batch_add(port, addr, number, iov->iov_base, iov->iov_len, flags, NULL);
		if (r)
			vmsg_tx_page_put(port->engine, unpacked(buffer->opaque[1]).first);
		else
			r = begin_batch(port, addr, number, buffer, flags);
	}
	if (!r)
		return send_any(port, addr, number, buffer, flags, seq);
	if (r < 0)
		return r;
	buffer->opaque[0] = 0;
	return 0;
}

int front_buffer_send(struct xenmsg_port *base, uint32_t addr, uint32_t number,
		      struct xenmsg_buffer *buffer, unsigned int flags, uint64_t *seq)
{
	struct front_port *port = port_of(base);

	if (UNLIKELY(!batch_takes(&port->batch, addr, number, buffer->iov[0].iov_len, flags, seq) ||
		     !port->batch.pages_fit || !one_page(port, buffer)))
		return send_other(base, addr, number, buffer, flags, seq);
	batch_add_page(port, unpacked(buffer->opaque[1]).first);
	buffer->opaque[0] = 0;
	return 0;
}

void front_buffer_put(struct xenmsg_port *base, struct xenmsg_buffer *buffer)
{
	struct front_port *port = port_of(base);
	unsigned int i, nr = buffer->opaque[0];

	if (!nr || nr > XENMSG_SEGMENTS_MAX - 1)
		return;
	for (i = 0; i < nr; i++)
		put_run(port, unpacked(buffer->opaque[1 + i]));
	put_run(port, (struct page_run){ (uint16_t)buffer->opaque[1 + nr], 1 });
	buffer->opaque[0] = 0;
}
