/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The RX ring: pages are posted, come back with messages or empty, and are
 * posted again. The broker consumes them in the order in which they were
 * posted and answers each once, so a response must carry the id of the slot
 * that it stands in.
 */
#ifndef XENMSG_CORE_RX_H
#define XENMSG_CORE_RX_H

#include "frontend/core/marks.h"
#include "frontend/core/ring.h"

/* Whether a mark is that of a page that begins a row. */
static inline bool vmsg_rx_is_row(unsigned int mark)
{
	return (mark & ~VMSG_ROW_PAGES) == VMSG_PAGE_ROW;
}

/* Writes the request for page @page; there is room. */
static inline void vmsg_rx_post(const struct vmsg *v, struct vmsg_cursor *c, unsigned int page)
{
	uint32_t id = vmsg_rx_put(c, v->rx_pool, v->rx_pool ? page : v->params.rx_grefs[page], 1);

	v->t.rx_at[id] = (uint16_t)page;
}

/*
 * Takes the pages of a message in pages, which are held, and chains them. They are the
 * @nr posted ones from the next response on, which is the only one of them that was written.
 */
static inline void vmsg_rx_chain(struct vmsg *v, struct vmsg_cursor *c, uint32_t nr)
{
	uint32_t at = c->cons & c->mask, last = c->cons + nr - 1;
	const uint16_t *pages = v->t.rx_at;
	uint16_t *mark = v->t.rx_mark;
	unsigned int page = pages[at];

	c->cons += nr;
	v->rx_held += nr;
	/* Mostly they are a row. */
	if (vmsg_likely(at + nr <= c->mask + 1 && vmsg_marks_are(pages + at, nr, page, 1))) {
		mark[page] = (uint16_t)(VMSG_PAGE_ROW | nr);
		return;
	}
	for (at = c->cons - nr; at != last; page = mark[page])
		mark[page] = pages[++at & c->mask];
	mark[page] = VMSG_PAGE_END;
}

/*
 * The hot part of vmsg_rx_take(): messages of the port and flow that were the last
 * ones, as long as there is nothing unusual about them. Returns how many responses they
 * were, at most @budget.
 */
unsigned int vmsg_rx_run(struct vmsg *v, unsigned int budget);
/*
 * Takes the responses that were seen, at most @budget or one message more.
 * Returns what is left of the budget; 0 also if the device broke.
 */
unsigned int vmsg_rx_take(struct vmsg *v, unsigned int budget);

/* rx-pages.c */
/* The page is free: it is posted with the next ones that are. */
void vmsg_rx_give(struct vmsg *v, unsigned int page);
/* Posts a page alone, or has it free if there is no room. */
void vmsg_rx_post_again(struct vmsg *v, unsigned int page);
/* Posts the pages of a message that the application held again, or has them free. */
void vmsg_rx_put_pages(struct vmsg *v, unsigned int first);
/* The same, in line if it is one page and there is room for it. */
static inline void vmsg_rx_put_held(struct vmsg *v, unsigned int page)
{
	struct vmsg_cursor c;

	if (vmsg_unlikely(v->t.rx_mark[page] != (VMSG_PAGE_ROW | 1) || !v->rx_on ||
			  vmsg_ring_unanswered(&v->rx) > v->mask)) {
		vmsg_rx_put_pages(v, page);
		return;
	}
	c = vmsg_rx_open(v);
	v->t.rx_mark[page] = VMSG_PAGE_FREE;
	vmsg_rx_post(v, &c, page);
	vmsg_cursor_close(&v->rx, &c);
	v->rx_held--;
}

/* Posts free pages as far as there is room. */
void vmsg_rx_pump(struct vmsg *v);
/* Whether pages are free that the largest message may need. */
static inline bool vmsg_rx_short(const struct vmsg *v)
{
	return v->nr_rx_free && v->rx_on && vmsg_ring_unanswered(&v->rx) < v->rx_enough;
}
/* The ring is void: the pages posted there are free. */
void vmsg_rx_reclaim(struct vmsg *v);

#endif /* XENMSG_CORE_RX_H */
