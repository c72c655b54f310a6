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
	for (i = 0; i <= nr; i++)
		buffer->opaque[1 + i] = pages[i];
	for (i = 0; i < nr; i++) {
		buffer->iov[i].iov_base = user_tx_page(port_front(port)->user, pages[i]);
		buffer->iov[i].iov_len = len < PAGE ? len : PAGE;
		len -= buffer->iov[i].iov_len;
	}
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

/* The buffer's pages, number of them and list page as pages_get() gave them. */
static int buffer_pages(const struct xenmsg_buffer *buffer, uint16_t *pages, unsigned int *nr)
{
	unsigned int i;

	*nr = buffer->opaque[0];
	if (!*nr || *nr > XENMSG_SEGMENTS_MAX - 1)
		return -EINVAL;
	for (i = 0; i <= *nr; i++)
		pages[i] = (uint16_t)buffer->opaque[1 + i];
	return 0;
}

/* Pages from @used on are not needed, nor is the list page if the rest fits the slot. */
static void put_rest(struct front_port *port, unsigned int used, unsigned int nr,
		     const uint16_t *pages)
{
	struct vmsg *v = port_front(port)->v;

	if (used == nr)
		return;
	vmsg_tx_pages_put(v, port->engine, nr - used, pages + used);
	if (used <= VMSGIF_SEGS_MAX && pages[nr] != NO_PAGE)
		vmsg_tx_pages_put(v, port->engine, 1, pages + nr);
}

/* Any number of pages, alone. */
static __attribute__((__noinline__)) int send_any(struct front_port *port, uint32_t addr,
						  uint32_t number, struct xenmsg_buffer *buffer,
						  unsigned int flags, uint64_t *seq)
{
	struct vmsgif_segment segs[XENMSG_SEGMENTS_MAX];
	struct vmsg_send send = { .addr = addr, .port = number, .form = VMSG_PAGES, .segs = segs };
	uint16_t pages[XENMSG_SEGMENTS_MAX + 1];
	unsigned int i, nr;
	int r;

	r = buffer_pages(buffer, pages, &nr);
	if (r || buffer->nr < 1 || (unsigned int)buffer->nr > nr)
		return -EINVAL;
	send.nr_segs = (unsigned int)buffer->nr;
	for (i = 0; i < send.nr_segs; i++) {
		if (!buffer->iov[i].iov_len || buffer->iov[i].iov_len > PAGE ||
		    buffer->iov[i].iov_base != user_tx_page(port_front(port)->user, pages[i]))
			return -EINVAL;
		segs[i] = (struct vmsgif_segment){
			.ref = pages[i],
			.len = (uint16_t)buffer->iov[i].iov_len,
		};
		send.len += segs[i].len;
	}
	send.list_page = pages[nr];
	r = send_post(port, &send, flags, NULL, 0, seq);
	send_leave(port_front(port), r != 0);
	if (!r) {
		put_rest(port, send.nr_segs, nr, pages);
		buffer->opaque[0] = 0;
	}
	return r;
}

/* Whether the buffer has one page and what it says of it is right: it, and its memory. */
static bool one_page(const struct front_port *port, const struct xenmsg_buffer *buffer)
{
	const struct iovec *iov = buffer->iov;

	return buffer->nr == 1 && buffer->opaque[0] == 1 && iov->iov_len - 1 < PAGE &&
	       iov->iov_base && iov->iov_base == vmsg_tx_page_of(port->engine, buffer->opaque[1]) &&
	       !batch_has(port, buffer->opaque[1]);
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
	uint16_t pages[XENMSG_SEGMENTS_MAX + 1];
	unsigned int nr;

	if (buffer_pages(buffer, pages, &nr))
		return;
	buffer->opaque[0] = 0;
	pages_put(port, nr, pages);
}
