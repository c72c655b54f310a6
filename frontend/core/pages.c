/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* TX pages: who has them; see pages.h. */
#include "frontend/core/pages.h"

#include "frontend/core/marks.h"
#include "frontend/core/wait.h"

/* ----------------------------------------------------------- with the caller */

/* Whether @nr pages are free. 0; -EAGAIN: the port waits for them; or -EMSGSIZE. */
static int ready(struct vmsg *v, struct vmsg_port *port, unsigned int nr)
{
	if (vmsg_likely(nr <= v->nr_tx_free))
		return 0;
	/* The last page is for names. */
	if (nr > v->params.nr_tx_pages - 1)
		return -EMSGSIZE;
	return vmsg_wait_pages(v, port, nr);
}

int vmsg_tx_pages_get(struct vmsg *v, struct vmsg_port *port, unsigned int nr, uint16_t *pages)
{
	int error = ready(v, port, nr);
	unsigned int i;

	if (error)
		return error;
	for (i = 0; i < nr; i++)
		pages[i] = (uint16_t)vmsg_pages_take_free(v, VMSG_PAGE_CALLER);
	return 0;
}

/* Where runs of @nr free pages begin in a word of the map; @nr is 2, 4 or 8. */
static inline uint64_t run_begins(uint64_t word, unsigned int nr)
{
	_Static_assert(VMSG_RUN_PAGES == 8, "the longest is of 8");
	word &= word >> 1;
	if (nr >= 4)
		word &= word >> 2;
	if (nr == 8)
		word &= word >> 4;
	return word;
}

/* The first page of the lowest run of @nr, or the lowest page if there is none. */
static unsigned int run_find(struct vmsg *v, unsigned int nr)
{
	unsigned int words = (v->params.nr_tx_pages + VMSG_MAP_BITS - 1) / VMSG_MAP_BITS;
	const uint64_t *map = v->t.tx_map;
	unsigned int word;

	while (!map[v->tx_low])
		v->tx_low++;
	for (word = v->tx_low; word < words; word++) {
		uint64_t begins = run_begins(map[word], nr);

		if (begins)
			return word * VMSG_MAP_BITS + (unsigned int)__builtin_ctzll(begins);
	}
	return v->tx_low * VMSG_MAP_BITS + (unsigned int)__builtin_ctzll(map[v->tx_low]);
}

/* The bits of @nr pages, less than a word has, from @first on, as far as they are in its word. */
static uint64_t bits_of(unsigned int first, unsigned int nr)
{
	return (((uint64_t)1 << nr) - 1) << first % VMSG_MAP_BITS;
}

/* Takes free pages from @first on, which is one: up to @max that are in its word of the map. */
static unsigned int run_take(struct vmsg *v, unsigned int first, unsigned int max)
{
	uint64_t *word = &v->t.tx_map[first / VMSG_MAP_BITS];
	uint64_t rest = ~(*word >> first % VMSG_MAP_BITS);
	unsigned int nr = rest ? (unsigned int)__builtin_ctzll(rest) : VMSG_MAP_BITS;

	if (nr > max)
		nr = max;
	*word &= ~bits_of(first, nr);
	vmsg_marks_set(v->t.tx_mark + first, nr, VMSG_PAGE_CALLER, 0);
	v->nr_tx_free = (uint16_t)(v->nr_tx_free - nr);
	return nr;
}

/* As vmsg_pages_free(), of several pages, less than a word has bits. */
static void run_free(struct vmsg *v, unsigned int first, unsigned int nr)
{
	unsigned int word = first / VMSG_MAP_BITS, in_word = VMSG_MAP_BITS - first % VMSG_MAP_BITS;

	vmsg_marks_set(v->t.tx_mark + first, nr, VMSG_PAGE_FREE, 0);
	v->t.tx_map[word] |= bits_of(first, nr);
	if (vmsg_unlikely(nr > in_word))
		v->t.tx_map[word + 1] |= ((uint64_t)1 << (nr - in_word)) - 1;
	if (word < v->tx_low)
		v->tx_low = (uint16_t)word;
	v->nr_tx_free = (uint16_t)(v->nr_tx_free + nr);
}

/* The highest free page, of which there is one. */
static unsigned int last_find(const struct vmsg *v)
{
	unsigned int word = (v->params.nr_tx_pages - 1) / VMSG_MAP_BITS;

	while (!v->t.tx_map[word])
		word--;
	return word * VMSG_MAP_BITS + VMSG_MAP_BITS - 1 -
	       (unsigned int)__builtin_clzll(v->t.tx_map[word]);
}

unsigned int vmsg_tx_run_get(struct vmsg *v, struct vmsg_port *port, unsigned int max,
			     uint16_t *first)
{
	unsigned int nr = VMSG_RUN_PAGES;

	if (ready(v, port, 1))
		return 0;
	while (nr > max)
		nr /= 2;
	/* One that is to be alone, as a list is, cuts no run. */
	*first = (uint16_t)(nr == 1 ? last_find(v) : run_find(v, nr));
	return run_take(v, *first, max < VMSG_RUN_PAGES ? max : VMSG_RUN_PAGES);
}

int vmsg_tx_pages_wait(struct vmsg *v, struct vmsg_port *port, unsigned int nr)
{
	return ready(v, port, nr);
}

void vmsg_tx_run_put(struct vmsg *v, unsigned int first, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (vmsg_pages_callers(v, first + i))
			vmsg_pages_free(v, first + i);
	v->todo |= v->on_free;
}

void vmsg_tx_pages_put(struct vmsg *v, struct vmsg_port *port, unsigned int nr,
		       const uint16_t *pages)
{
	unsigned int i;

	(void)port;
	for (i = 0; i < nr; i++)
		vmsg_tx_run_put(v, pages[i], 1);
}

/* --------------------------------------------------------------- of messages */

bool vmsg_pages_take_run(struct vmsg *v, const struct vmsgif_segment *seg, uint16_t mark)
{
	uint32_t nr = vmsg_seg_pages(seg);

	if (!seg->len || seg->len > VMSGIF_SEG_MAX || seg->offset >= VMSGIF_PAGE_SIZE ||
	    seg->ref >= v->params.nr_tx_pages || nr > v->params.nr_tx_pages - seg->ref ||
	    !vmsg_marks_are(v->t.tx_mark + seg->ref, nr, VMSG_PAGE_CALLER, 0))
		return false;
	vmsg_marks_set(v->t.tx_mark + seg->ref, nr, mark, 0);
	return true;
}

int vmsg_pages_give_back(struct vmsg *v, const struct vmsg_send *send, unsigned int nr)
{
	while (nr--) {
		const struct vmsgif_segment *seg = &send->segs[nr];

		vmsg_marks_set(v->t.tx_mark + seg->ref, vmsg_seg_pages(seg), VMSG_PAGE_CALLER, 0);
	}
	return -EINVAL;
}

void vmsg_pages_put_run(struct vmsg *v, const struct vmsgif_segment *seg)
{
	uint32_t nr = vmsg_seg_pages(seg);

	/* All of a message's pages are kept, or none. */
	if (vmsg_likely(v->t.tx_mark[seg->ref] != VMSG_PAGE_KEPT))
		run_free(v, seg->ref, nr);
	else
		vmsg_marks_set(v->t.tx_mark + seg->ref, nr, VMSG_PAGE_CALLER, 0);
}

/* Whether @next goes on where @seg ends, and one segment can be both. */
static bool goes_on(const struct vmsgif_segment *seg, const struct vmsgif_segment *next)
{
	uint32_t end = (uint32_t)seg->offset + seg->len;

	return !next->offset && end % VMSGIF_PAGE_SIZE == 0 &&
	       next->ref == seg->ref + end / VMSGIF_PAGE_SIZE &&
	       (uint32_t)seg->len + next->len <= VMSGIF_SEG_MAX;
}

/*
 * Takes any number of segments, which are written to @list: neighbours as one. How many
 * these are, or -EINVAL.
 */
static int take_many(struct vmsg *v, const struct vmsg_send *send, struct vmsgif_segment *list)
{
	const struct vmsgif_segment *seg = send->segs;
	uint32_t len = 0, pages = 0;
	unsigned int i, nr = 0;

	for (i = 0; i < send->nr_segs; i++, seg++) {
		if (!vmsg_pages_take(v, seg, VMSG_PAGE_END))
			return vmsg_pages_give_back(v, send, i);
		len += seg->len;
		pages += vmsg_seg_pages(seg);
		if (nr && goes_on(&list[nr - 1], seg))
			list[nr - 1].len = (uint16_t)(list[nr - 1].len + seg->len);
		else
			list[nr++] = *seg;
	}
	if (len != send->len || pages > VMSGIF_INDIRECT_MAX)
		return vmsg_pages_give_back(v, send, i);
	return (int)nr;
}

/* Marks the pages of all segments as kept, or chains them. */
static void mark_all(struct vmsg *v, const struct vmsg_send *send, bool chain)
{
	uint16_t *link = NULL;
	unsigned int i;
	uint32_t n;

	for (i = 0; i < send->nr_segs; i++) {
		const struct vmsgif_segment *seg = &send->segs[i];

		for (n = 0; n < vmsg_seg_pages(seg); n++) {
			if (link && chain)
				*link = (uint16_t)(seg->ref + n);
			link = &v->t.tx_mark[seg->ref + n];
			*link = chain ? VMSG_PAGE_END : VMSG_PAGE_KEPT;
		}
	}
}

/* More segments than a slot has room for, as long as they are not put together. */
static int take_list(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_send *send)
{
	struct vmsgif_segment *list;
	int nr;

	if (send->nr_segs > VMSGIF_INDIRECT_MAX || !vmsg_pages_callers(v, send->list_page))
		return -EINVAL;
	/* Nor is it one of the segments'. */
	v->t.tx_mark[send->list_page] = vmsg_pages_mark(send);
	list = v->params.tx_pages[send->list_page];
	nr = take_many(v, send, list);
	if (nr < 0) {
		v->t.tx_mark[send->list_page] = VMSG_PAGE_CALLER;
		return nr;
	}
	s->list = send->list_page;
	s->req.nr_segs = (uint16_t)nr;
	if (nr <= (int)VMSGIF_SEGS_MAX) {
		memcpy(s->req.u.seg, list, (size_t)nr * sizeof(*list));
		if (send->keep)
			mark_all(v, send, false);
		return 0;
	}
	mark_all(v, send, true);
	s->first = (uint16_t)send->segs[0].ref;
	s->req.flags |= VMSGIF_TXF_INDIRECT;
	s->req.u.indirect.ref = send->list_page;
	return 0;
}

int vmsg_pages_take_message(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_send *send)
{
	int nr;

	if (!send->nr_segs)
		return -EINVAL;
	s->req.flags |= VMSGIF_TXF_POOL;
	if (send->nr_segs > VMSGIF_SEGS_MAX) {
		s->tag.nr_segs = VMSG_SEGS_LISTED;
		return take_list(v, s, send);
	}
	s->req.nr_segs = (uint16_t)send->nr_segs;
	nr = vmsg_pages_take_few(v, s, send);
	if (nr < 0)
		return nr;
	s->tag.nr_segs = (uint16_t)nr;
	return 0;
}

uint32_t vmsg_segs_pages(const struct vmsgif_segment *segs, unsigned int nr)
{
	uint32_t pages = 0;

	while (nr--)
		pages += vmsg_seg_pages(&segs[nr]);
	return pages;
}

bool vmsg_pages_take_more(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_send *send)
{
	struct vmsgif_segment *segs = s->req.u.seg;
	unsigned int i, nr = s->req.nr_segs;
	uint32_t len = 0;

	/* Not more pages than segments: a broker without the TX pool needs as many. */
	if (send->nr_segs > VMSGIF_SEGS_MAX - 1 ||
	    vmsg_segs_pages(segs, nr) + vmsg_segs_pages(send->segs, send->nr_segs) >
		    VMSGIF_SEGS_MAX)
		return false;
	for (i = 0; i < send->nr_segs; i++) {
		if (!vmsg_pages_take(v, &send->segs[i], VMSG_PAGE_END))
			break;
		len += send->segs[i].len;
	}
	if (i != send->nr_segs || len != send->len) {
		vmsg_pages_give_back(v, send, i);
		return false;
	}
	for (i = 0; i < send->nr_segs; i++) {
		if (goes_on(&segs[nr - 1], &send->segs[i]))
			segs[nr - 1].len = (uint16_t)(segs[nr - 1].len + send->segs[i].len);
		else
			segs[nr++] = send->segs[i];
	}
	s->req.nr_segs = s->tag.nr_segs = (uint16_t)nr;
	return true;
}

/* The pages of a list. */
static void put_chain(struct vmsg *v, unsigned int page, bool keep)
{
	unsigned int next;

	for (; page != VMSG_PAGE_END; page = next) {
		next = v->t.tx_mark[page];
		v->t.tx_mark[page] = keep ? VMSG_PAGE_KEPT : VMSG_PAGE_END;
		vmsg_pages_put(v, page);
	}
}

void vmsg_pages_put_message(struct vmsg *v, struct vmsg_shadow *s)
{
	unsigned int i;

	if (s->req.flags & VMSGIF_TXF_INDIRECT)
		put_chain(v, s->first, v->t.tx_mark[s->list] == VMSG_PAGE_KEPT);
	else
		for (i = 0; i < s->req.nr_segs; i++)
			vmsg_pages_put_run(v, &s->req.u.seg[i]);
	if (s->tag.nr_segs == VMSG_SEGS_LISTED)
		vmsg_pages_free(v, s->list);
}
