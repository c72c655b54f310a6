/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* TX pages: who has them; see pages.h. */
#include "frontend/core/pages.h"

#include "frontend/core/wait.h"

int vmsg_tx_pages_get(struct vmsg *v, struct vmsg_port *port, unsigned int nr, uint16_t *pages)
{
	unsigned int i;

	if (nr > v->nr_tx_free) {
		/* The last page is for names. */
		if (nr > v->params.nr_tx_pages - 1)
			return -EMSGSIZE;
		return vmsg_wait_pages(v, port, nr);
	}
	for (i = 0; i < nr; i++) {
		pages[i] = v->t.tx_free[--v->nr_tx_free];
		v->t.tx_mark[pages[i]] = VMSG_PAGE_CALLER;
	}
	return 0;
}

void vmsg_tx_pages_put(struct vmsg *v, struct vmsg_port *port, unsigned int nr,
		       const uint16_t *pages)
{
	unsigned int i;

	(void)port;
	for (i = 0; i < nr; i++)
		if (pages[i] < v->params.nr_tx_pages && v->t.tx_mark[pages[i]] == VMSG_PAGE_CALLER)
			vmsg_pages_put(v, pages[i]);
	v->todo |= v->on_free;
}

/* Any number; their pages are chained. */
static int take_many(struct vmsg *v, const struct vmsg_send *send)
{
	uint16_t *link = NULL;
	uint32_t len = 0;
	unsigned int i;

	for (i = 0; i < send->nr_segs; i++) {
		if (!vmsg_pages_take(v, &send->segs[i], VMSG_PAGE_END))
			return vmsg_pages_give_back(v, send, i);
		if (link)
			*link = (uint16_t)send->segs[i].ref;
		link = &v->t.tx_mark[send->segs[i].ref];
		len += send->segs[i].len;
	}
	return len == send->len ? 0 : vmsg_pages_give_back(v, send, i);
}

/* More segments than a slot has room for: they stand in a page of their own. */
static int take_list(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_send *send)
{
	struct vmsgif_segment *list;
	unsigned int i;
	int error;

	if (send->nr_segs > VMSGIF_INDIRECT_MAX || !vmsg_pages_callers(v, send->list_page))
		return -EINVAL;
	/* Nor is it one of the segments'. */
	v->t.tx_mark[send->list_page] = vmsg_pages_mark(send);
	error = take_many(v, send);
	if (error) {
		v->t.tx_mark[send->list_page] = VMSG_PAGE_CALLER;
		return error;
	}
	list = v->params.tx_pages[send->list_page];
	memcpy(list, send->segs, send->nr_segs * sizeof(*list));
	if (!v->tx_pool)
		for (i = 0; i < send->nr_segs; i++)
			list[i].ref = v->params.tx_grefs[list[i].ref];
	s->first = (uint16_t)send->segs[0].ref;
	s->req.flags |= VMSGIF_TXF_INDIRECT;
	s->req.u.indirect.ref = send->list_page;
	return 0;
}

int vmsg_pages_take_message(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_send *send)
{
	if (!send->nr_segs)
		return -EINVAL;
	s->req.flags |= v->tx_pool;
	s->tag.nr_segs = s->req.nr_segs = (uint16_t)send->nr_segs;
	if (vmsg_likely(send->nr_segs <= VMSGIF_SEGS_MAX))
		return vmsg_pages_take_few(v, s, send);
	return take_list(v, s, send);
}

void vmsg_pages_put_message(struct vmsg *v, struct vmsg_shadow *s)
{
	unsigned int list = s->req.u.indirect.ref;
	unsigned int page, i;
	bool keep;

	if (!(s->req.flags & VMSGIF_TXF_INDIRECT)) {
		for (i = 0; i < s->tag.nr_segs; i++)
			vmsg_pages_put(v, s->req.u.seg[i].ref);
		return;
	}
	keep = v->t.tx_mark[list] == VMSG_PAGE_KEPT;
	v->t.tx_mark[list] = VMSG_PAGE_END;
	vmsg_pages_put(v, list);
	for (page = s->first; page != VMSG_PAGE_END; page = i) {
		i = v->t.tx_mark[page];
		v->t.tx_mark[page] = keep ? VMSG_PAGE_KEPT : VMSG_PAGE_END;
		vmsg_pages_put(v, page);
	}
}
