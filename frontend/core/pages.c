/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* TX pages: who has them; see pages.h. */
#include "frontend/core/pages.h"

#include "frontend/core/wait.h"

static inline void put(struct vmsg *v, unsigned int page)
{
	v->t.tx_mark[page] = VMSG_PAGE_FREE;
	v->t.tx_free[v->nr_tx_free++] = (uint16_t)page;
}

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
			put(v, pages[i]);
	v->todo |= v->on_free;
}

/* Whether @page is the caller's to give away. */
static inline bool callers(const struct vmsg *v, uint32_t page)
{
	return page < v->params.nr_tx_pages && v->t.tx_mark[page] == VMSG_PAGE_CALLER;
}

/* Undoes what take() marked, for the first @nr segments. */
static int give_back(struct vmsg *v, const struct vmsg_send *send, unsigned int nr)
{
	while (nr--)
		v->t.tx_mark[send->segs[nr].ref] = VMSG_PAGE_CALLER;
	return -EINVAL;
}

/* Checks the segments and chains their pages; a page that is named twice is not the caller's then. */
static int take(struct vmsg *v, const struct vmsg_send *send)
{
	uint16_t *link = NULL;
	uint32_t len = 0;
	unsigned int i;

	for (i = 0; i < send->nr_segs; i++) {
		const struct vmsgif_segment *seg = &send->segs[i];

		if (!callers(v, seg->ref) || !seg->len ||
		    (uint32_t)seg->offset + seg->len > VMSGIF_PAGE_SIZE)
			return give_back(v, send, i);
		if (link)
			*link = (uint16_t)seg->ref;
		link = &v->t.tx_mark[seg->ref];
		*link = VMSG_PAGE_END;
		len += seg->len;
	}
	return len == send->len ? 0 : give_back(v, send, i);
}

/* More segments than a slot has room for: they stand in a page of their own. */
static int take_list(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_send *send)
{
	struct vmsgif_segment *list;
	unsigned int i;
	int error;

	if (send->nr_segs > VMSGIF_INDIRECT_MAX || !callers(v, send->list_page))
		return -EINVAL;
	v->t.tx_mark[send->list_page] = VMSG_PAGE_END; /* nor is it one of the segments' */
	error = take(v, send);
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
	int error;

	if (!send->nr_segs)
		return -EINVAL;
	s->req.flags |= v->tx_pool;
	if (send->nr_segs > VMSGIF_SEGS_MAX) {
		error = take_list(v, s, send);
	} else {
		error = take(v, send);
		memcpy(s->req.u.seg, send->segs, send->nr_segs * sizeof(s->req.u.seg[0]));
	}
	s->tag.nr_segs = s->req.nr_segs = (uint16_t)send->nr_segs;
	return error;
}

void vmsg_pages_put_message(struct vmsg *v, struct vmsg_shadow *s)
{
	unsigned int page, i;

	if (!(s->req.flags & VMSGIF_TXF_INDIRECT)) {
		for (i = 0; i < s->tag.nr_segs; i++)
			put(v, s->req.u.seg[i].ref);
		return;
	}
	put(v, s->req.u.indirect.ref);
	for (page = s->first; page != VMSG_PAGE_END; page = i) {
		i = v->t.tx_mark[page];
		put(v, page);
	}
}
