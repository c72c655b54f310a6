/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * vmsg_send(), the hot way in. A SEND takes a shadow, a place in its port's
 * share and in its flow's window, and its pages; then it is posted, or queued
 * if the device is not ready or others are queued.
 */
#include "frontend/core/flow.h"
#include "frontend/core/pages.h"
#include "frontend/core/tx.h"
#include "frontend/core/wait.h"

/* @len bytes, at most 32; the rest of the 32 becomes 0. */
static inline void copy_inline(uint8_t *to, const void *from, uint32_t len)
{
	const uint8_t *bytes = from;

	__builtin_memset(to, 0, VMSGIF_INLINE_MAX);
	if (len >= 16) {
		__builtin_memcpy(to, bytes, 16);
		__builtin_memcpy(to + len - 16, bytes + len - 16, 16);
	} else if (len >= 8) {
		__builtin_memcpy(to, bytes, 8);
		__builtin_memcpy(to + len - 8, bytes + len - 8, 8);
	} else if (len >= 4) {
		__builtin_memcpy(to, bytes, 4);
		__builtin_memcpy(to + len - 4, bytes + len - 4, 4);
	} else {
		while (len--)
			to[len] = bytes[len];
	}
}

static int take_mapped(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_port *port,
		       const struct vmsg_send *send)
{
	struct vmsg_own_pool *pool;

	if (send->map_id >= VMSGIF_MAP_POOLS_MAX)
		return -EINVAL;
	pool = &v->t.own[send->map_id];
	if ((pool->state != VMSG_OWN_ON && pool->state != VMSG_OWN_AGAIN) || pool->owner != port ||
	    pool->src_port != port->number || pool->addr != send->addr || pool->port != send->port)
		return -EINVAL;
	if (!send->len ||
	    (uint64_t)send->map_offset + send->len > (uint64_t)pool->nr_pages * VMSGIF_PAGE_SIZE)
		return -EINVAL;
	pool->sends++;
	s->req.flags |= VMSGIF_TXF_MAP;
	s->req.u.map.id = (uint16_t)send->map_id;
	s->req.u.map.offset = send->map_offset;
	return 0;
}

/* The payload of all forms but inline. */
static int take_payload(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_port *port,
			const struct vmsg_send *send)
{
	__builtin_memset(&s->req.u, 0, sizeof(s->req.u));
	if (send->form == VMSG_PAGES)
		return vmsg_pages_take_message(v, s, send);
	if (send->form == VMSG_MAP)
		return take_mapped(v, s, port, send);
	return -EINVAL;
}

static int refuse(struct vmsg *v, struct vmsg_port *port, const struct vmsg_send *send)
{
	if (v->down)
		return -EHOSTDOWN;
	if (!send->addr || !send->port)
		return -EINVAL;
	if (send->len > v->features.max_message)
		return -EMSGSIZE;
	if (port->unanswered >= v->share)
		return vmsg_wait(v, port, VMSG_WAIT_SHARE);
	return vmsg_wait(v, port, VMSG_WAIT_SLOTS);
}

static inline void count(struct vmsg *v, const struct vmsg_send *send)
{
	v->stats.tx_messages++;
	v->stats.tx_bytes += send->len;
	if (vmsg_likely(send->form == VMSG_INLINE))
		v->stats.tx_inline++;
	else if (send->form == VMSG_MAP)
		v->stats.tx_mapped++;
	else if (v->tx_pool)
		v->stats.tx_pooled++;
	else
		v->stats.tx_granted++;
}

int vmsg_send(struct vmsg *v, struct vmsg_port *port, const struct vmsg_send *send, uint64_t *seq)
{
	struct vmsg_window *window = port->window;
	struct vmsg_shadow *s;

	if (vmsg_unlikely(v->down || !send->addr || !send->port ||
			  send->len > v->features.max_message || !vmsg_tx_room_caller(v) ||
			  port->unanswered >= v->share))
		return refuse(v, port, send);
	if (vmsg_unlikely(!window || window->entry.key != vmsg_key(send->addr, send->port)))
		port->window = window = vmsg_window_get(v, send->addr, send->port);
	if (vmsg_unlikely(window->count >= v->window))
		return vmsg_wait_window(v, port, window);

	s = &v->t.shadows[v->t.free[v->nr_free - 1]];
	s->op = s->req.op = VMSGIF_OP_SEND;
	s->req.flags = send->lazy ? VMSGIF_TXF_LAZY : 0;
	s->nr_segs = s->req.nr_segs = 0;
	if (vmsg_likely(send->form == VMSG_INLINE)) {
		if (vmsg_unlikely(send->len > VMSGIF_INLINE_MAX))
			return -EINVAL;
		s->req.flags |= VMSGIF_TXF_INLINE;
		copy_inline(s->req.u.data, send->data, send->len);
	} else {
		int error = take_payload(v, s, port, send);

		if (vmsg_unlikely(error))
			return error;
	}
	v->nr_free--;
	v->nr_wait++;
	window->count++;
	port->unanswered++;
	s->again = false;
	s->quiet = send->quiet || !send->cookie;
	s->cookie = send->cookie;
	s->port = port;
	s->window = window;
	s->order = s->req.seq = ++v->seq;
	s->req.addr = send->addr;
	s->req.port = send->port;
	s->req.src_port = port->number;
	s->req.len = send->len;
	if (seq)
		*seq = s->order;
	count(v, send);
	if (vmsg_likely(v->phase == VMSG_RUN && !v->nr_queue && vmsg_own_announced(v, s)))
		vmsg_tx_post_send(v, s);
	else
		vmsg_tx_queue(v, s);
	return 0;
}

unsigned int vmsg_unanswered(const struct vmsg_port *port)
{
	return port->unanswered;
}

bool vmsg_drained(struct vmsg *v, struct vmsg_port *port)
{
	if (!port->unanswered)
		return true;
	vmsg_wait(v, port, VMSG_WAIT_DRAIN);
	return false;
}
