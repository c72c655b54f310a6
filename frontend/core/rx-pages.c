/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * RX pages, free and posted; see rx.h.
 *
 * Pages that follow each other in the ring are best a row, as they are in memory: one
 * request posts it, one copy fills it, and a message in it is one piece. But messages are
 * released in any order, and if pages were posted as they come, what was torn once would
 * stay so. So those of messages are free first, bits of a map, and are posted by groups of
 * VMSG_RUN_PAGES that are free as a whole, each time from where the last ones ended, as far
 * as the ring has room. Some at a time, as that makes longer rows. What is left of others,
 * some pages for each message that is held, waits for the rest of its group; unless the
 * largest message could not come in otherwise.
 * A page alone, of an event or a short message, is posted again where it was.
 */
#include "frontend/core/marks.h"
#include "frontend/core/rx.h"

/*
 * Posts @nr pages from @first on, for which there is room: by one request, not around the
 * end of the ring. Of a word of the map they are fewer than a request can post.
 */
static void post_row(struct vmsg *v, struct vmsg_cursor *c, unsigned int first, uint32_t nr)
{
	while (nr) {
		uint32_t to_end = c->mask + 1 - (c->prod & c->mask);
		uint32_t n = !v->rx_pool ? 1 : nr < to_end ? nr : to_end;

		vmsg_marks_set(v->t.rx_at + (c->prod & c->mask), n, first, 1);
		vmsg_rx_put(c, v->rx_pool, v->rx_pool ? first : v->params.rx_grefs[first], n);
		first += n;
		nr -= n;
	}
}

void vmsg_rx_give(struct vmsg *v, unsigned int page)
{
	v->t.rx_mark[page] = VMSG_PAGE_FREE;
	v->t.rx_map[page / VMSG_MAP_BITS] |= (uint64_t)1 << page % VMSG_MAP_BITS;
	v->rx_whole |= (uint16_t)(1u << page / VMSG_MAP_BITS);
	v->nr_rx_free++;
	v->todo |= VMSG_TODO_RX;
}

void vmsg_rx_post_again(struct vmsg *v, unsigned int page)
{
	struct vmsg_cursor c;

	if (vmsg_unlikely(!v->rx_on || vmsg_ring_unanswered(&v->rx) > v->mask)) {
		vmsg_rx_give(v, page);
		return;
	}
	c = vmsg_rx_open(v);
	vmsg_rx_post(v, &c, page);
	vmsg_cursor_close(&v->rx, &c);
}

/* The lowest @nr bits, up to all. */
static uint64_t low_bits(uint32_t nr)
{
	return nr < VMSG_MAP_BITS ? ((uint64_t)1 << nr) - 1 : UINT64_MAX;
}

/* The pages of a row, of which the first one is marked, are free: as vmsg_rx_give(). */
static void give_row(struct vmsg *v, unsigned int first, uint32_t nr)
{
	unsigned int word = first / VMSG_MAP_BITS, bit = first % VMSG_MAP_BITS;
	uint64_t bits = UINT64_MAX << bit;

	v->t.rx_mark[first] = VMSG_PAGE_FREE;
	v->nr_rx_free = (uint16_t)(v->nr_rx_free + nr);
	for (nr += bit; nr > VMSG_MAP_BITS; nr -= VMSG_MAP_BITS) {
		v->t.rx_map[word] |= bits;
		v->rx_whole |= (uint16_t)(1u << word++);
		bits = UINT64_MAX;
	}
	v->t.rx_map[word] |= bits & low_bits(nr);
	v->rx_whole |= (uint16_t)(1u << word);
}

void vmsg_rx_put_pages(struct vmsg *v, unsigned int first)
{
	unsigned int mark = v->t.rx_mark[first], page, next;

	if (vmsg_likely(vmsg_rx_is_row(mark))) {
		v->rx_held -= mark & VMSG_ROW_PAGES;
		give_row(v, first, mark & VMSG_ROW_PAGES);
	} else {
		for (page = first; page != VMSG_PAGE_END; page = next) {
			next = v->t.rx_mark[page];
			vmsg_rx_give(v, page);
			v->rx_held--;
		}
	}
	if (v->rx_on && (vmsg_ring_unanswered(&v->rx) < v->rx_due || vmsg_rx_short(v)))
		vmsg_rx_pump(v);
}

/* How many pages are free in a row from the first bit on, which is one. */
static uint32_t row_of(uint64_t word)
{
	return ~word ? (uint32_t)__builtin_ctzll(~word) : VMSG_MAP_BITS;
}

/* The first page of each of its groups that is free as a whole. */
static uint64_t whole_groups(uint64_t word)
{
	word &= word >> 1;
	word &= word >> 2;
	word &= word >> 4;
	return word & UINT64_MAX / 0xff;
}

/* Posts @nr free pages from @first on; the next ones are to be those behind them. */
static void post_free(struct vmsg *v, struct vmsg_cursor *c, unsigned int first, uint32_t nr)
{
	v->t.rx_map[first / VMSG_MAP_BITS] &= ~(low_bits(nr) << first % VMSG_MAP_BITS);
	v->nr_rx_free = (uint16_t)(v->nr_rx_free - nr);
	v->rx_next = (uint16_t)(first + nr < v->params.nr_rx_pages ? first + nr : 0);
	post_row(v, c, first, nr);
}

/* Posts those of word @i of the map that are in @mask, at most @max: in whole groups, or any. */
static uint32_t post_word(struct vmsg *v, struct vmsg_cursor *c, unsigned int i, uint64_t mask,
			  uint32_t max, uint32_t unit)
{
	uint32_t left = max;

	for (;;) {
		uint64_t word = v->t.rx_map[i], whole = whole_groups(word);
		uint64_t begins = (unit == 1 ? word : whole) & mask;
		unsigned int first;
		uint32_t nr;

		if (!whole)
			v->rx_whole &= (uint16_t) ~(1u << i);
		if (!begins || left < unit)
			return max - left;
		first = (unsigned int)__builtin_ctzll(begins);
		nr = row_of(word >> first);
		nr = (nr < left ? nr : left) & ~(unit - 1);
		post_free(v, c, i * VMSG_MAP_BITS + first, nr);
		left -= nr;
	}
}

/* Of the map. */
static unsigned int words_of(const struct vmsg *v)
{
	return (v->params.nr_rx_pages + VMSG_MAP_BITS - 1) / VMSG_MAP_BITS;
}

/*
 * Posts free pages, in units of @unit, until there are @enough: first those behind the last
 * ones, to the end of the map and then from its begin on.
 */
static void post_units(struct vmsg *v, struct vmsg_cursor *c, uint32_t unit, uint32_t enough)
{
	unsigned int begin = v->rx_next / VMSG_MAP_BITS;
	uint64_t behind = UINT64_MAX << v->rx_next % VMSG_MAP_BITS;
	uint64_t words = unit == 1 ? low_bits(words_of(v)) : v->rx_whole;
	uint32_t posted = c->prod - c->cons, i;

	/* Twice, so that those before @begin come after the others. */
	words |= words << VMSG_RX_WORDS;
	words &= low_bits(VMSG_RX_WORDS + 1) << begin;
	for (; words && posted + unit <= enough; words &= words - 1) {
		i = (uint32_t)__builtin_ctzll(words);
		posted += post_word(v, c, i % VMSG_RX_WORDS,
				    i == begin		       ? behind :
				    i == begin + VMSG_RX_WORDS ? ~behind :
								 UINT64_MAX,
				    enough - posted, unit);
	}
}

void vmsg_rx_pump(struct vmsg *v)
{
	struct vmsg_cursor c = vmsg_rx_open(v);

	v->todo &= ~VMSG_TODO_RX;
	post_units(v, &c, VMSG_RUN_PAGES, v->rx_most);
	if (vmsg_unlikely(c.prod - c.cons < v->rx_enough && v->nr_rx_free))
		post_units(v, &c, 1, v->rx_enough);
	vmsg_cursor_close(&v->rx, &c);
}

void vmsg_rx_reclaim(struct vmsg *v)
{
	unsigned int page, mark;

	v->rx_on = false;
	v->nr_rejects = 0;
	/* All that are in no message are free, those that are in the map already once more. */
	v->nr_rx_free = 0;
	v->rx_next = 0;
	for (page = 0; page < v->params.nr_rx_pages; page++) {
		mark = v->t.rx_mark[page];
		if (mark == VMSG_PAGE_FREE)
			vmsg_rx_give(v, page);
		else if (vmsg_rx_is_row(mark))
			page += (mark & VMSG_ROW_PAGES) - 1;
	}
}
