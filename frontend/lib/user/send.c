// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Sending.
 *
 * What is simple, and of no interest any more once it is sent, the engine does in
 * one go (vmsg_send_quick()).
 *
 * A message that fits goes into the slot. Others take pages of the driver; they
 * are filled after the engine has taken the message and before it is published,
 * so that nothing is copied for a message that there is no room for.
 */
#include <errno.h>

#include "front.h"
#include "frontend/core/quick.h"
#include "frontend/lib/iov.h"

#define PAGE	 VMSGIF_PAGE_SIZE
#define NO_ENTRY UINT16_MAX

void sent_init(struct front *f)
{
	unsigned int i;

	for (i = 0; i < SENT_MAX; i++)
		f->sent[i].next = (uint16_t)(i + 1);
	f->sent[SENT_MAX - 1].next = NO_ENTRY;
	f->free_sent = 0;
}

/* One try of a message whose answer is of interest. The entry is taken only if it is, too. */
static int post_noted(struct front_port *port, struct vmsg_send *send, unsigned int flags,
		      struct front_pool *pool, uint16_t head, uint64_t *number)
{
	struct front *f = port_front(port);
	uint16_t i = f->free_sent;
	struct sent *sent;
	int r;

	/* As many messages are unanswered as can be. */
	if (i == NO_ENTRY)
		return -EAGAIN;
	sent = &f->sent[i];
	send->cookie = i + 1u;
	r = vmsg_send(f->v, port->engine, send, number);
	if (r)
		return r;
	f->free_sent = sent->next;
	*sent = (struct sent){
		.pool = pool,
		.seq = *number,
		.addr = send->addr,
		.number = send->port,
		.head = head,
		.confirm = flags & XENMSG_CONFIRM,
	};
	return 0;
}

/* One try. */
static int post(struct front_port *port, struct vmsg_send *send, unsigned int flags,
		struct front_pool *pool, uint16_t head, uint64_t *seq)
{
	uint64_t number;
	int r;

	if (pool || !send->quiet)
		r = post_noted(port, send, flags, pool, head, &number);
	else
		r = vmsg_send(port_front(port)->v, port->engine, send, &number);
	if (!r && seq)
		*seq = number;
	return r;
}

int make_room(struct front *f, unsigned int flags)
{
	uint64_t before = f->progress;

	user_poll(f->user);
	if (f->progress != before)
		return 0;
	if (flags & XENMSG_NONBLOCK)
		return user_gone(f->user) ? -EHOSTDOWN : -EAGAIN;
	return front_await(f, UINT64_MAX);
}

int send_post(struct front_port *port, struct vmsg_send *send, unsigned int flags,
	      struct front_pool *pool, uint16_t head, uint64_t *seq)
{
	int r;

	/*
	 * That it arrived wakes nobody who did not ask: the answer is taken in
	 * with what comes next. Failures wake us, for the broker sees to that.
	 */
	send->quiet = !(flags & XENMSG_CONFIRM);
	send->lazy = flags & XENMSG_LAZY;
	for (;;) {
		r = batches_end_to(port_front(port), send->addr, send->port);
		if (!r)
			r = post(port, send, flags, pool, head, seq);
		if (r != -EAGAIN)
			return r;
		r = make_room(port_front(port), flags);
		if (r)
			return r;
	}
}

bool send_join(struct front_port *port, struct vmsg_send *send, uint64_t *seq)
{
	struct front *f = port_front(port);
	uint64_t cookie, number;
	struct sent *sent;

	send->quiet = true;
	send->lazy = true;
	/* What is in a batch comes before it. */
	if (batches_end_to(f, send->addr, send->port) ||
	    !vmsg_join(f->v, port->engine, send, &cookie, &number))
		return false;
	sent = &f->sent[cookie - 1];
	sent->seq = number;
	sent->more++;
	if (seq)
		*seq = number;
	return true;
}

void send_leave(struct front *f, bool stuck)
{
	/* Without room, what is lazy has to go, or there never will be. */
	user_publish(f->user, stuck);
	front_leave(f);
}

static int send_inline(struct front_port *port, const struct given *given, uint64_t *seq)
{
	struct source source = { given->iov, given->iov + given->nr, 0 };
	char data[XENMSG_INLINE_MAX];
	struct vmsg_send send = {
		.addr = given->addr,
		.port = given->number,
		.len = (uint32_t)given->len,
		.form = VMSG_INLINE,
		.data = data,
	};

	iov_gather(&source, data, given->len);
	return send_post(port, &send, given->flags, NULL, 0, seq);
}

static int send_pages(struct front_port *port, const struct given *given, uint64_t *seq)
{
	struct vmsgif_segment segs[XENMSG_SEGMENTS_MAX];
	struct pages pages;
	struct source source = { given->iov, given->iov + given->nr, 0 };
	struct vmsg_send send = {
		.addr = given->addr,
		.port = given->number,
		.len = (uint32_t)given->len,
		.form = VMSG_PAGES,
		.segs = segs,
	};
	size_t rest = given->len;
	unsigned int i;
	int r;

	r = pages_get(port, rest, given->flags, &pages);
	if (r)
		return r;
	for (i = 0; i < pages.nr_runs; i++) {
		size_t room = (size_t)pages.runs[i].nr * PAGE;

		segs[i] = (struct vmsgif_segment){
			.ref = pages.runs[i].first,
			.len = (uint16_t)(rest < room ? rest : room),
		};
		rest -= segs[i].len;
	}
	send.nr_segs = pages.nr_runs;
	send.list_page = pages.list;
	r = send_post(port, &send, given->flags, NULL, 0, seq);
	if (r) {
		pages_put(port, &pages);
		return r;
	}
	for (i = 0; i < pages.nr_runs; i++)
		iov_gather(&source, user_tx_page(port_front(port)->user, pages.runs[i].first),
			   segs[i].len);
	return 0;
}

int front_sendv(struct xenmsg_port *base, const struct given *given, uint64_t *seq)
{
	struct front_port *port = port_of(base);
	bool ends = port->batch.each;
	int r = batch_send(port, given, NO_PAGE, seq);

	/* If all it did was to begin one, there is nothing to publish. */
	if (r > 0 && !ends && port->batch.each)
		return 0;
	if (r)
		r = r < 0 ? r : 0;
	else if (given->len <= XENMSG_INLINE_MAX)
		r = send_inline(port, given, seq);
	else
		r = send_pages(port, given, seq);
	send_leave(port_front(port), r != 0);
	return r;
}

static __attribute__((__noinline__)) int send_any(struct xenmsg_port *base, uint32_t addr,
						  uint32_t number, const void *data, size_t len,
						  unsigned int flags, uint64_t *seq)
{
	struct iovec iov;
	const struct given given = given_one(&iov, addr, number, data, len, flags);

	return front_sendv(base, &given, seq);
}

/* What does not just go behind the last one of a batch. */
static __attribute__((__noinline__)) int send_other(struct xenmsg_port *base, uint32_t addr,
						    uint32_t number, const void *data, size_t len,
						    unsigned int flags, uint64_t *seq)
{
	struct front_port *port = port_of(base);
	bool lazy = flags & XENMSG_LAZY;
	enum vmsg_quick quick;

	if (batch_add(port, addr, number, data, len, flags, seq))
		return 0;
	if (UNLIKELY((flags & XENMSG_CONFIRM) || (lazy && !seq) ||
		     !list_empty(&port_front(port)->batches)))
		return send_any(base, addr, number, data, len, flags, seq);
	quick = vmsg_send_quick(port->engine, addr, number, data, len, lazy, seq);
	if (UNLIKELY(quick == VMSG_QUICK_NOT))
		return send_any(base, addr, number, data, len, flags, seq);
	if (UNLIKELY(quick == VMSG_QUICK_PUBLISH))
		send_leave(port_front(port), false);
	return 0;
}

int front_send(struct xenmsg_port *base, uint32_t addr, uint32_t number, const void *data,
	       size_t len, unsigned int flags, uint64_t *seq)
{
	if (batch_add_here(port_of(base), addr, number, data, len, flags, seq))
		return 0;
	return send_other(base, addr, number, data, len, flags, seq);
}
