/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * TX pages. Each is free, with the caller, or in one message that is not answered.
 *
 * The free ones are bits of a map, of which the lowest are taken first. So the pages of a
 * message mostly follow each other, and one segment names them: a run. A message that
 * would have more segments than a slot has room for if each page were one of its own has
 * a page for a list besides: for runs that are many, and for a broker without the TX
 * pool, which knows pages one by one.
 *
 * The pages of a message that did become a list are chained through their marks, in
 * private memory, for the list itself is in sight of the broker. Pages that the caller
 * keeps are marked as such: each, or the list for all.
 */
#ifndef XENMSG_CORE_PAGES_H
#define XENMSG_CORE_PAGES_H

#include "frontend/core/state.h"

/* What stands in tag.nr_segs, in place of the segments, if there is a page for a list. */
#define VMSG_SEGS_LISTED (VMSGIF_SEGS_MAX + 1)

/* Makes the pages of @send those of @s, whose request says so. 0 or -EINVAL: they stay the caller's. */
int vmsg_pages_take_message(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_send *send);
/*
 * Makes the pages of @send those of @s, too, behind the ones that it has; neither has a list,
 * or keeps its pages. False: there is no room, or they are not the caller's; they stay as they are.
 */
bool vmsg_pages_take_more(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_send *send);
/* How many pages @nr segments go over. */
uint32_t vmsg_segs_pages(const struct vmsgif_segment *segs, unsigned int nr);
/* The pages of @s are free, or the caller's again. */
void vmsg_pages_put_message(struct vmsg *v, struct vmsg_shadow *s);
/* The same for one segment. */
void vmsg_pages_put_run(struct vmsg *v, const struct vmsgif_segment *seg);
/* Undoes vmsg_pages_take() for the first @nr segments. -EINVAL. */
int vmsg_pages_give_back(struct vmsg *v, const struct vmsg_send *send, unsigned int nr);
/* As vmsg_pages_take(), for what may be a run. */
bool vmsg_pages_take_run(struct vmsg *v, const struct vmsgif_segment *seg, uint16_t mark);
/* How many pages @seg goes over. */
static inline uint32_t vmsg_seg_pages(const struct vmsgif_segment *seg)
{
	return ((uint32_t)seg->offset + seg->len + VMSGIF_PAGE_SIZE - 1) / VMSGIF_PAGE_SIZE;
}

/* granted.c */
/* Posts the request of @s, which has pages, to a broker without the TX pool. */
void vmsg_granted_post(struct vmsg *v, struct vmsg_shadow *s);
/* Its list, written for such a broker, is to be one for a broker with the pool. */
void vmsg_granted_undo(struct vmsg *v, struct vmsg_shadow *s);

/* The page is free. */
static inline void vmsg_pages_free(struct vmsg *v, unsigned int page)
{
	unsigned int word = page / VMSG_MAP_BITS;

	v->t.tx_mark[page] = VMSG_PAGE_FREE;
	v->t.tx_map[word] |= (uint64_t)1 << page % VMSG_MAP_BITS;
	if (word < v->tx_low)
		v->tx_low = (uint16_t)word;
	v->nr_tx_free++;
}

/* The lowest free page, of which there is one; it is marked. */
static inline unsigned int vmsg_pages_take_free(struct vmsg *v, uint16_t mark)
{
	uint64_t *word = &v->t.tx_map[v->tx_low];
	unsigned int page;

	while (vmsg_unlikely(!*word))
		word++;
	v->tx_low = (uint16_t)(word - v->t.tx_map);
	page = v->tx_low * VMSG_MAP_BITS + (unsigned int)__builtin_ctzll(*word);
	*word &= *word - 1;
	v->nr_tx_free--;
	v->t.tx_mark[page] = mark;
	return page;
}

static inline void vmsg_pages_put(struct vmsg *v, unsigned int page)
{
	if (vmsg_unlikely(v->t.tx_mark[page] == VMSG_PAGE_KEPT))
		v->t.tx_mark[page] = VMSG_PAGE_CALLER;
	else
		vmsg_pages_free(v, page);
}

/* Whether @page is the caller's to give away. */
static inline bool vmsg_pages_callers(const struct vmsg *v, uint32_t page)
{
	return page < v->params.nr_tx_pages && v->t.tx_mark[page] == VMSG_PAGE_CALLER;
}

/* How the pages of a message of @send are marked. */
static inline uint16_t vmsg_pages_mark(const struct vmsg_send *send)
{
	return send->keep ? VMSG_PAGE_KEPT : VMSG_PAGE_END;
}

/* Whether segment @seg may go; its pages then are the engine's. One that is named twice may not. */
static inline bool vmsg_pages_take(struct vmsg *v, const struct vmsgif_segment *seg, uint16_t mark)
{
	if (vmsg_unlikely((uint32_t)seg->offset + seg->len > VMSGIF_PAGE_SIZE))
		return vmsg_pages_take_run(v, seg, mark);
	if (!vmsg_pages_callers(v, seg->ref) || !seg->len)
		return false;
	v->t.tx_mark[seg->ref] = mark;
	return true;
}

/*
 * As many segments as a slot has room for, to the request of @s. What is to stand in
 * tag.nr_segs, or -EINVAL.
 */
static inline int vmsg_pages_take_few(struct vmsg *v, struct vmsg_shadow *s,
				      const struct vmsg_send *send)
{
	uint32_t len = 0, pages = 0;
	unsigned int i;

	for (i = 0; i < send->nr_segs; i++) {
		if (!vmsg_pages_take(v, &send->segs[i], vmsg_pages_mark(send)))
			return vmsg_pages_give_back(v, send, i);
		s->req.u.seg[i] = send->segs[i];
		len += send->segs[i].len;
		pages += vmsg_seg_pages(&send->segs[i]);
	}
	if (vmsg_unlikely(len != send->len))
		return vmsg_pages_give_back(v, send, i);
	if (vmsg_likely(pages <= VMSGIF_SEGS_MAX))
		return (int)i;
	if (vmsg_unlikely(!vmsg_pages_callers(v, send->list_page)))
		return vmsg_pages_give_back(v, send, i);
	v->t.tx_mark[send->list_page] = VMSG_PAGE_END;
	s->list = send->list_page;
	return VMSG_SEGS_LISTED;
}

#endif /* XENMSG_CORE_PAGES_H */
