/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * TX pages. Each is free, with the caller, or in one message that is not
 * answered; the pages of a message with a list are chained through their
 * marks, in private memory, for the list itself is in sight of the broker. Those
 * that the caller keeps are marked as such: each, or the list for all.
 */
#ifndef XENMSG_CORE_PAGES_H
#define XENMSG_CORE_PAGES_H

#include "frontend/core/state.h"

/* Makes the pages of @send those of @s, whose request says so. 0 or -EINVAL: they stay the caller's. */
int vmsg_pages_take_message(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_send *send);
static inline void vmsg_pages_put(struct vmsg *v, unsigned int page)
{
	if (vmsg_unlikely(v->t.tx_mark[page] == VMSG_PAGE_KEPT)) {
		v->t.tx_mark[page] = VMSG_PAGE_CALLER;
		return;
	}
	v->t.tx_mark[page] = VMSG_PAGE_FREE;
	v->t.tx_free[v->nr_tx_free++] = (uint16_t)page;
}

/* Whether @page is the caller's to give away. */
static inline bool vmsg_pages_callers(const struct vmsg *v, uint32_t page)
{
	return page < v->params.nr_tx_pages && v->t.tx_mark[page] == VMSG_PAGE_CALLER;
}

/* How the page of a message that has no list of @send is marked. */
static inline uint16_t vmsg_pages_mark(const struct vmsg_send *send)
{
	return send->keep ? VMSG_PAGE_KEPT : VMSG_PAGE_END;
}

/* Whether segment @seg may go; its page then is the engine's. One that is named twice may not. */
static inline bool vmsg_pages_take(struct vmsg *v, const struct vmsgif_segment *seg, uint16_t mark)
{
	if (!vmsg_pages_callers(v, seg->ref) || !seg->len ||
	    (uint32_t)seg->offset + seg->len > VMSGIF_PAGE_SIZE)
		return false;
	v->t.tx_mark[seg->ref] = mark;
	return true;
}

/* Undoes that for the first @nr segments. */
static inline int vmsg_pages_give_back(struct vmsg *v, const struct vmsg_send *send,
				       unsigned int nr)
{
	while (nr--)
		v->t.tx_mark[send->segs[nr].ref] = VMSG_PAGE_CALLER;
	return -EINVAL;
}

/* As many segments as a slot has room for: to the request of @s. */
static inline int vmsg_pages_take_few(struct vmsg *v, struct vmsg_shadow *s,
				      const struct vmsg_send *send)
{
	uint32_t len = 0;
	unsigned int i;

	for (i = 0; i < send->nr_segs; i++) {
		if (!vmsg_pages_take(v, &send->segs[i], vmsg_pages_mark(send)))
			return vmsg_pages_give_back(v, send, i);
		s->req.u.seg[i] = send->segs[i];
		len += send->segs[i].len;
	}
	return vmsg_likely(len == send->len) ? 0 : vmsg_pages_give_back(v, send, i);
}

/* The pages of @s are free. */
void vmsg_pages_put_message(struct vmsg *v, struct vmsg_shadow *s);

#endif /* XENMSG_CORE_PAGES_H */
