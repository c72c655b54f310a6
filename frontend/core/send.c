/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * vmsg_send(), the hot way in. A SEND takes a shadow, a place in its port's
 * share and in its flow's window, and its pages; then it is posted, or queued
 * if the device is not ready or others are queued.
 */
#include "frontend/core/flow.h"
#include "frontend/core/join.h"
#include "frontend/core/pages.h"
#include "frontend/core/pool.h"
#include "frontend/core/send.h"
#include "frontend/core/tx.h"
#include "frontend/core/wait.h"

static int take_mapped(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_port *port,
		       const struct vmsg_send *send)
{
	if (!vmsg_own_has(v, port, send))
		return -EINVAL;
	v->t.own[send->map_id].sends++;
	v->stats.tx_mapped++;
	s->req.flags |= VMSGIF_TXF_MAP;
	s->req.u.map.id = (uint16_t)send->map_id;
	s->req.u.map.offset = send->map_offset;
	return 0;
}

/* What may be a batch, if it is said to be one. */
static inline bool batch_valid(const struct vmsg_send *send)
{
	return !send->each || (send->form == VMSG_PAGES && vmsg_batch_valid(send->len, send->each));
}

/* Counts the SEND @s in and fills in its destination. */
static inline void take_shadow(struct vmsg *v, struct vmsg_shadow *s, struct vmsg_port *port,
			       struct vmsg_window *window, const struct vmsg_send *send,
			       union vmsg_tag tag)
{
	/* The numbers of all messages but the last of a batch. */
	v->seq += VMSGIF_BATCH_COUNT(send->len, send->each) - 1;
	vmsg_send_count(v, s, port, window, send->cookie, tag);
	s->req.op = VMSGIF_OP_SEND;
	__builtin_memcpy(&s->req.addr, &send->addr, sizeof(send->addr) + sizeof(send->port));
	s->req.src_port = port->number;
	s->req.seq = v->seq;
	s->req.len = send->len;
	s->req.each = send->each;
	v->stats.tx_bytes += send->len;
}

static inline void take_inline(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_send *send)
{
	s->req.flags = VMSGIF_TXF_INLINE | (send->lazy ? VMSGIF_TXF_LAZY : 0);
	s->req.nr_segs = 0;
	vmsg_copy_inline(s->req.u.data, send->data, send->len);
	v->stats.tx_inline++;
}

/* The payload of all other forms. */
static int take_payload(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_port *port,
			const struct vmsg_send *send)
{
	int error;

	if (send->len > v->features.max_message)
		return -EMSGSIZE;
	if (send->form == VMSG_INLINE || !batch_valid(send))
		return -EINVAL;
	s->req.flags = send->lazy ? VMSGIF_TXF_LAZY : 0;
	s->req.nr_segs = 0;
	__builtin_memset(&s->req.u, 0, sizeof(s->req.u));
	if (send->form == VMSG_MAP) {
		s->tag.mapped = true;
		return take_mapped(v, s, port, send);
	}
	error = vmsg_pages_take_message(v, s, send);
	if (!error)
		*(v->tx_pool ? &v->stats.tx_pooled : &v->stats.tx_granted) +=
			VMSGIF_BATCH_COUNT(send->len, send->each);
	return error;
}

static int refuse(struct vmsg *v, struct vmsg_port *port)
{
	if (v->down)
		return -EHOSTDOWN;
	if (port->unanswered >= v->share)
		return vmsg_wait(v, port, VMSG_WAIT_SHARE);
	return vmsg_wait(v, port, VMSG_WAIT_SLOTS);
}

/* Any SEND, with all checks. */
static __attribute__((__noinline__)) int send_any(struct vmsg *v, struct vmsg_port *port,
						  const struct vmsg_send *send)
{
	struct vmsg_shadow *s = v->free;
	struct vmsg_window *window;
	int error = 0;

	if (!vmsg_tx_room_caller(v) || port->unanswered >= v->share)
		return refuse(v, port);
	if (!send->addr || !send->port)
		return -EINVAL;
	window = port->window;
	if (!window || window->entry.key != vmsg_key(send->addr, send->port))
		port->window = window = vmsg_window_get(v, send->addr, send->port);
	if (window->count >= v->window)
		return vmsg_wait_window(v, port, window);
	if (send->form == VMSG_INLINE && send->len <= v->inline_max && !send->each)
		take_inline(v, s, send);
	else
		error = take_payload(v, s, port, send);
	if (error) {
		s->tag.word = 0;
		return error;
	}
	s->tag.op = VMSGIF_OP_SEND;
	s->tag.quiet = send->quiet;
	take_shadow(v, s, port, window, send, s->tag);
	if (v->phase == VMSG_RUN && !v->nr_queue && vmsg_own_announced(v, s)) {
		vmsg_tx_post(v, s);
		vmsg_join_begin(v, s, send);
	} else {
		vmsg_tx_queue(v, s);
	}
	return 0;
}

/* The end of the short ways: @s has its payload, and there is nothing before it. */
static inline int send_now(struct vmsg *v, struct vmsg_shadow *s, struct vmsg_port *port,
			   struct vmsg_window *window, const struct vmsg_send *send,
			   union vmsg_tag tag)
{
	tag.op = VMSGIF_OP_SEND;
	tag.state = VMSG_SHADOW_POSTED;
	take_shadow(v, s, port, window, send, tag);
	vmsg_ring_put_tx(v, &s->req);
	v->nr_quiet += tag.quiet;
	v->urgent |= !send->lazy;
	return 0;
}

/* The short way of a few pages that are in the pool. */
static __attribute__((__noinline__)) int send_few(struct vmsg *v, struct vmsg_port *port,
						  const struct vmsg_send *send)
{
	struct vmsg_shadow *s = v->free;
	int nr;

	s->req.flags = VMSGIF_TXF_POOL | (send->lazy ? VMSGIF_TXF_LAZY : 0);
	s->req.nr_segs = (uint16_t)send->nr_segs;
	__builtin_memset(&s->req.u, 0, sizeof(s->req.u));
	nr = vmsg_pages_take_few(v, s, send);
	if (vmsg_unlikely(nr < 0))
		return nr;
	v->stats.tx_pooled += VMSGIF_BATCH_COUNT(send->len, send->each);
	send_now(v, s, port, port->window, send,
		 (union vmsg_tag){ .quiet = send->quiet, .nr_segs = (uint16_t)nr });
	vmsg_join_begin(v, s, send);
	return 0;
}

/* The short way in map mode; all own pools are announced. */
static __attribute__((__noinline__)) int send_mapped(struct vmsg *v, struct vmsg_port *port,
						     const struct vmsg_send *send)
{
	struct vmsg_shadow *s = v->free;
	int error;

	s->req.flags = send->lazy ? VMSGIF_TXF_LAZY : 0;
	s->req.nr_segs = 0;
	__builtin_memset(&s->req.u, 0, sizeof(s->req.u));
	error = take_mapped(v, s, port, send);
	if (vmsg_unlikely(error))
		return error;
	send_now(v, s, port, port->window, send,
		 (union vmsg_tag){ .quiet = send->quiet, .mapped = true });
	vmsg_join_begin(v, s, send);
	return 0;
}

int vmsg_send(struct vmsg *v, struct vmsg_port *port, const struct vmsg_send *send, uint64_t *seq)
{
	struct vmsg_window *window = port->window;
	struct vmsg_shadow *s = v->free;

	/* The number that it will have, if it is taken. */
	if (seq)
		*seq = v->seq + VMSGIF_BATCH_COUNT(send->len, send->each);
	/* The short ways are for the flow that was the port's last one, too. */
	if (vmsg_unlikely(!v->send_now || !vmsg_tx_room_caller(v) || port->unanswered >= v->share ||
			  !window || window->entry.key != vmsg_key(send->addr, send->port) ||
			  window->count >= v->window))
		return send_any(v, port, send);
	if (send->form == VMSG_INLINE && send->len <= v->inline_max && !send->each) {
		take_inline(v, s, send);
		return send_now(v, s, port, window, send, (union vmsg_tag){ .quiet = send->quiet });
	}
	if (send->form == VMSG_PAGES && send->nr_segs - 1 < VMSGIF_SEGS_MAX && v->tx_pool &&
	    send->len <= v->features.max_message && batch_valid(send))
		return send_few(v, port, send);
	if (send->form == VMSG_MAP && !v->own_due && send->len <= v->features.max_message)
		return send_mapped(v, port, send);
	return send_any(v, port, send);
}

uint32_t vmsg_batch_bytes(const struct vmsg *v)
{
	return v->features.max_message < VMSGIF_BATCH_BYTES ? v->features.max_message :
							      VMSGIF_BATCH_BYTES;
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
