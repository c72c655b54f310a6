// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Pages of the driver, taken for a message, and in the hands of the application.
 *
 * A struct xenmsg_buffer holds the pages' numbers in opaque[]: how many there
 * are, then each of them, then that of the page for their list. The application
 * can write to all of this: it is checked as far as a mistake would hit others
 * than itself, and the engine refuses pages that are not with the caller.
 */
#include <errno.h>
#include <string.h>

#include "front.h"
#include "frontend/core/quick.h"

#define PAGE VMSGIF_PAGE_SIZE
/* What is no longer and goes in a batch is copied there: that costs less than a page does. */
#define COPY_MAX (PAGE / 2)

/* There were too few. */
static __attribute__((__noinline__)) int wait_for_pages(struct front_port *port, unsigned int nr,
							uint16_t *pages, unsigned int flags)
{
	struct front *f = port_front(port);
	int r;

	/* Some may be in batches. */
	batches_end(f);
	do {
		r = make_room(f, flags);
		if (r)
			break;
		r = vmsg_tx_pages_get(f->v, port->engine, nr, pages);
	} while (r == -EAGAIN);
	send_leave(f, r != 0);
	return r;
}

int pages_get(struct front_port *port, size_t len, unsigned int flags, uint16_t *pages,
	      unsigned int *nr)
{
	unsigned int all;
	int r;

	*nr = (unsigned int)((len + PAGE - 1) / PAGE);
	all = *nr + (*nr > VMSGIF_SEGS_MAX);
	r = vmsg_tx_pages_get(port_front(port)->v, port->engine, all, pages);
	if (UNLIKELY(r == -EAGAIN))
		r = wait_for_pages(port, all, pages, flags);
	if (!r && all == *nr)
		pages[all] = NO_PAGE;
	return r;
}

void pages_put(struct front_port *port, unsigned int nr, const uint16_t *pages)
{
	vmsg_tx_pages_put(port_front(port)->v, port->engine, nr + (pages[nr] != NO_PAGE), pages);
}

/* Any number of pages, or none is free. */
static __attribute__((__noinline__)) int get_any(struct front_port *port, size_t len,
						 struct xenmsg_buffer *buffer, unsigned int flags)
{
	uint16_t pages[XENMSG_SEGMENTS_MAX + 1];
	unsigned int i, nr;
	int r;

	r = pages_get(port, len, flags, pages, &nr);
	if (r)
		return r;
	buffer->nr = (int)nr;
	buffer->opaque[0] = nr;
	for (i = 0; i < nr; i++) {
		buffer->opaque[1 + i] = pages[i];
		buffer->iov[i].iov_base = vmsg_tx_page_of(port->engine, pages[i]);
		buffer->iov[i].iov_len = len < PAGE ? len : PAGE;
		len -= buffer->iov[i].iov_len;
	}
	buffer->opaque[1 + nr] = pages[nr];
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
	buffer->opaque[1] = page;
	buffer->opaque[2] = NO_PAGE;
	return 0;
}

/* The memory of page @page if it is the application's, in no batch; else NULL. */
static inline void *memory_of(const struct front_port *port, uint32_t page)
{
	void *memory = vmsg_tx_page_of(port->engine, page);

	return LIKELY(memory && !batch_has(port, page)) ? memory : NULL;
}

/* Pages from @used on are not needed, nor is the list page if the rest fits the slot. */
static __attribute__((__noinline__)) void put_rest(struct front_port *port, unsigned int used,
						   const struct xenmsg_buffer *buffer)
{
	unsigned int i, nr = buffer->opaque[0];

	for (i = used; i < nr + (used <= VMSGIF_SEGS_MAX); i++)
		if (memory_of(port, buffer->opaque[1 + i]))
			vmsg_tx_page_put(port->engine, buffer->opaque[1 + i]);
}

/* Whether @iov is in page @page, which is the application's, from its begin on. */
static inline bool is_page(const struct front_port *port, uint32_t page, const struct iovec *iov)
{
	return iov->iov_len - 1 < PAGE && iov->iov_base && iov->iov_base == memory_of(port, page);
}

/* Any number of pages, alone. */
static __attribute__((__noinline__)) int send_any(struct front_port *port, uint32_t addr,
						  uint32_t number, struct xenmsg_buffer *buffer,
						  unsigned int flags, uint64_t *seq)
{
	struct vmsgif_segment segs[XENMSG_SEGMENTS_MAX];
	struct vmsg_send send = { .addr = addr, .port = number, .form = VMSG_PAGES, .segs = segs };
	unsigned int i, nr = buffer->opaque[0];
	int r;

	if (!nr || nr > XENMSG_SEGMENTS_MAX - 1 || buffer->nr < 1 || (unsigned int)buffer->nr > nr)
		return -EINVAL;
	send.nr_segs = (unsigned int)buffer->nr;
	for (i = 0; i < send.nr_segs; i++) {
		const struct iovec *iov = &buffer->iov[i];
		uint32_t page = buffer->opaque[1 + i];

		if (UNLIKELY(!is_page(port, page, iov)))
			return -EINVAL;
		segs[i] = (struct vmsgif_segment){ .ref = page, .len = (uint16_t)iov->iov_len };
		send.len += (uint32_t)iov->iov_len;
	}
	if (send.nr_segs > VMSGIF_SEGS_MAX && !memory_of(port, buffer->opaque[1 + nr]))
		return -EINVAL;
	send.list_page = (uint16_t)buffer->opaque[1 + nr];
	r = send_post(port, &send, flags, NULL, 0, seq);
	send_leave(port_front(port), r != 0);
	if (!r) {
		if (UNLIKELY(send.nr_segs != nr))
			put_rest(port, send.nr_segs, buffer);
		buffer->opaque[0] = 0;
	}
	return r;
}

/* Whether the buffer has one page and what it says of it is right: it, and its memory. */
static bool one_page(const struct front_port *port, const struct xenmsg_buffer *buffer)
{
	return buffer->nr == 1 && buffer->opaque[0] == 1 &&
	       is_page(port, buffer->opaque[1], buffer->iov);
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
	int r;

	r = batch_send(port, &given, copy ? NO_PAGE : (uint16_t)buffer->opaque[1], NULL);
	if (r > 0 && copy)
		vmsg_tx_page_put(port->engine, buffer->opaque[1]);
	/* Unless all it did was to begin one, there is something to publish. */
	if (r && (ends || !port->batch.each))
		send_leave(port_front(port), r < 0);
	return r;
}

/* With the batch there is, as most do. */
static inline bool join_batch(struct front_port *port, uint32_t addr, uint32_t number,
			      const struct xenmsg_buffer *buffer, unsigned int flags)
{
	const struct iovec *iov = buffer->iov;

	if (iov->iov_len > COPY_MAX)
		return batch_add_page(port, addr, number, (uint16_t)buffer->opaque[1], iov->iov_len,
				      flags, NULL);
	if (!batch_add(port, addr, number, iov->iov_base, iov->iov_len, flags, NULL))
		return false;
	vmsg_tx_page_put(port->engine, buffer->opaque[1]);
	return true;
}

int front_buffer_send(struct xenmsg_port *base, uint32_t addr, uint32_t number,
		      struct xenmsg_buffer *buffer, unsigned int flags, uint64_t *seq)
{
	struct front_port *port = port_of(base);
	int r = 0;

	if ((flags & XENMSG_LAZY) && !seq && one_page(port, buffer))
		r = join_batch(port, addr, number, buffer, flags) ?
			    1 :
			    begin_batch(port, addr, number, buffer, flags);
	if (!r)
		return send_any(port, addr, number, buffer, flags, seq);
	if (r < 0)
		return r;
	buffer->opaque[0] = 0;
	return 0;
}

void front_buffer_put(struct xenmsg_port *base, struct xenmsg_buffer *buffer)
{
	struct front_port *port = port_of(base);
	unsigned int i, nr = buffer->opaque[0];

	if (nr > XENMSG_SEGMENTS_MAX - 1)
		return;
	/* And the list's, if it has one. */
	for (i = 0; nr && i <= nr; i++)
		if (memory_of(port, buffer->opaque[1 + i]))
			vmsg_tx_page_put(port->engine, buffer->opaque[1 + i]);
	buffer->opaque[0] = 0;
}
