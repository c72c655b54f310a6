/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The short way of a message to the flow that was the port's last one, if there
 * is nothing in its way; send.c knows what to do about anything else. In a
 * header to be inlined, as to hand its many arguments on costs as much as half
 * of what it does.
 */
#ifndef XENMSG_CORE_QUICK_H
#define XENMSG_CORE_QUICK_H

#include "frontend/core/pages.h"
#include "frontend/core/ring.h"
#include "frontend/core/send.h"
#include "frontend/core/tx.h"

/* What became of it. */
enum vmsg_quick {
	VMSG_QUICK_NOT,	    /* nothing: it is not that simple, vmsg_send() has to be asked */
	VMSG_QUICK_DONE,    /* it is published, and that was all */
	VMSG_QUICK_PUBLISH, /* the same, and vmsg_publish() has something to do */
};

/* The words of a SEND; see struct vmsgif_tx_request. */
struct vmsg_quick_words {
	uint64_t head; /* op, flags, id, addr */
	uint64_t ports;
	uint64_t seq;
	uint64_t size; /* len, nr_segs */
};

/* One page, whose segment is @segment: to the ring, and to the shadow. */
static inline void vmsg_quick_page(struct vmsg *v, struct vmsg_shadow *s,
				   const struct vmsg_quick_words *w, uint64_t segment)
{
	uint64_t *slot = vmsg_tx_slot(v);
	uint64_t *req = (uint64_t *)(void *)&s->req;

	slot[0] = req[0] = w->head;
	slot[1] = req[1] = w->ports;
	slot[2] = req[2] = w->seq;
	slot[3] = req[3] = w->size;
	slot[4] = req[4] = segment;
	__builtin_memset(slot + 5, 0, 3 * sizeof(*slot));
	__builtin_memset(req + 5, 0, 3 * sizeof(*req));
}

static inline void vmsg_quick_inline(struct vmsg *v, struct vmsg_shadow *s,
				     const struct vmsg_quick_words *w, const void *data,
				     uint32_t len)
{
	uint64_t *req = (uint64_t *)(void *)&s->req;

	req[0] = w->head;
	req[1] = w->ports;
	req[2] = w->seq;
	req[3] = w->size;
	vmsg_copy_inline(s->req.u.data, data, len);
	vmsg_ring_put_tx(v, &s->req);
}

/*
 * Sends @len bytes at @data, quiet and without a cookie, in the slot or in a page
 * that is free, and publishes it.
 */
static inline enum vmsg_quick vmsg_send_quick(struct vmsg_port *port, uint32_t addr,
					      uint32_t number, const void *data, size_t len,
					      bool lazy, uint64_t *seq)
{
	struct vmsg_window *window = port->window;
	struct vmsg *v = port->device;
	struct vmsg_shadow *s = v->free;
	union vmsg_tag tag = { .op = VMSGIF_OP_SEND, .state = VMSG_SHADOW_POSTED, .quiet = true };
	struct vmsg_quick_words w;

	if (vmsg_unlikely(!v->send_now || !vmsg_tx_room_caller(v) || port->unanswered >= v->share ||
			  !window || window->entry.key != vmsg_key(addr, number) ||
			  window->count >= v->window))
		return VMSG_QUICK_NOT;
	w.head = VMSGIF_OP_SEND | (uint64_t)s->req.id << 16 | (uint64_t)addr << 32;
	if (lazy)
		w.head |= VMSGIF_TXF_LAZY << 8;
	w.ports = number | (uint64_t)port->number << 32;
	w.seq = v->seq + 1;
	w.size = (uint32_t)len;
	if (len <= v->inline_max) {
		w.head |= VMSGIF_TXF_INLINE << 8;
		vmsg_quick_inline(v, s, &w, data, (uint32_t)len);
		v->stats.tx_inline++;
	} else if (len <= v->quick_max && v->nr_tx_free) {
		uint32_t page = vmsg_pages_take_free(v, VMSG_PAGE_END);

		w.head |= VMSGIF_TXF_POOL << 8;
		w.size |= (uint64_t)1 << 32;
		vmsg_quick_page(v, s, &w, page | (uint64_t)len << 48);
		memcpy(v->params.tx_pages[page], data, len);
		tag.nr_segs = 1;
		v->stats.tx_pooled++;
	} else {
		return VMSG_QUICK_NOT;
	}
	vmsg_send_count(v, s, port, window, 0, tag);
	v->stats.tx_bytes += len;
	v->nr_quiet++;
	if (seq)
		*seq = w.seq;
	return vmsg_likely(!vmsg_tx_push(v, !lazy)) ? VMSG_QUICK_DONE : VMSG_QUICK_PUBLISH;
}

/* A free page becomes the caller's, as by vmsg_tx_pages_get(): its memory. NULL: there is none. */
static inline void *vmsg_tx_page_take(const struct vmsg_port *port, uint16_t *page)
{
	struct vmsg *v = port->device;

	if (vmsg_unlikely(!v->nr_tx_free))
		return NULL;
	*page = (uint16_t)vmsg_pages_take_free(v, VMSG_PAGE_CALLER);
	return v->params.tx_pages[*page];
}

/* The memory of a page that is the caller's; NULL: it is not. */
static inline void *vmsg_tx_page_of(const struct vmsg_port *port, uint32_t page)
{
	const struct vmsg *v = port->device;

	return vmsg_likely(vmsg_pages_callers(v, page)) ? v->params.tx_pages[page] : NULL;
}

/* It is free again: as vmsg_tx_pages_put(), of one that is the caller's. */
static inline void vmsg_tx_page_put(const struct vmsg_port *port, uint32_t page)
{
	struct vmsg *v = port->device;

	vmsg_pages_put(v, page);
	v->todo |= v->on_free;
}

#endif /* XENMSG_CORE_QUICK_H */
