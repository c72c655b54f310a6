/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of the transfer: two guests with memory in pools and outside, a batch,
 * and a message from one to the other.
 */
#ifndef COPY_BED_H
#define COPY_BED_H

#include "tests/unit/backend-guest.h"

#include <check.h>

#define POOL	256u
#define PAGES	257u
#define MESSAGE VMSGIF_MESSAGE_MAX

/* One guest's memory: a pool's worth of pages, granted both ways. */
struct memory {
	struct guest g;
	uint8_t *pool; /* POOL pages */
	uint32_t refs[POOL];
	uint8_t *loose; /* PAGES pages outside of pools */
	uint32_t loose_refs[PAGES];
};

static struct bed bed;
static struct memory alice, bob; /* alice sends, bob receives */
static struct copy_batch *batch;

static inline struct device *dev(const struct memory *m)
{
	return guest_dev(&m->g);
}

static inline void add_pool(struct memory *m, uint16_t type)
{
	struct vmsgif_pool pool = { .type = type, .nr_pages = POOL };
	void *pages;

	pool.ref = guest_pool(&m->g, POOL, type == VMSGIF_POOL_TX, &pages, m->refs);
	ck_assert_int_eq(device_pool_add(dev(m), &pool), 0);
	m->pool = pages;
}

static inline void add_loose(struct memory *m, bool readonly)
{
	uint32_t pfn = sim_page_alloc(m->g.domid, PAGES);

	m->loose = sim_page(m->g.domid, pfn);
	for (unsigned int i = 0; i < PAGES; i++)
		m->loose_refs[i] = sim_grant(m->g.domid, pfn + i, 0, readonly);
}

static inline void setup(void)
{
	bed_init(&bed);
	bed_start(&bed);
	guest_up(&alice.g, &bed, "alice");
	guest_up(&bob.g, &bed, "bob");
	add_pool(&alice, VMSGIF_POOL_TX);
	add_pool(&bob, VMSGIF_POOL_RX);
	add_loose(&alice, true);
	add_loose(&bob, false);
	ck_assert_int_eq(copy_batch_new(&batch, bed.b), 0);
}

static inline void teardown(void)
{
	copy_batch_free(batch);
	guest_fini(&alice.g);
	guest_fini(&bob.g);
	bed_fini(&bed);
}

/* A message under way: what is sent, and where it has to arrive. */
struct message {
	struct vmsgif_segment segs[VMSGIF_INDIRECT_MAX];
	unsigned int nr;
	bool pooled;
	struct rx_page pages[VMSGIF_INDIRECT_MAX];
	unsigned int nr_pages;
	uint32_t len;
	uint8_t *to;
	uint8_t bytes[MESSAGE];
};

/* Cuts @len bytes of alice's memory from @start into segments of at most @cut bytes. */
static inline void take_source(struct message *m, bool pooled, uint32_t start, uint32_t len,
			       uint32_t cut)
{
	uint8_t *from = pooled ? alice.pool : alice.loose;

	m->nr = 0;
	m->pooled = pooled;
	m->len = len;
	for (uint32_t i = 0; i < len; i++)
		from[start + i] = (uint8_t)sim_random();
	memcpy(m->bytes, from + start, len);
	for (uint32_t at = start; at < start + len;) {
		uint32_t page = at / 4096, room = 4096 - at % 4096, n = start + len - at;

		n = n < room ? n : room;
		n = n < cut ? n : cut;
		m->segs[m->nr++] = (struct vmsgif_segment){ pooled ? page : alice.loose_refs[page],
							    at % 4096, (uint16_t)n };
		at += n;
	}
}

/* Pages of bob's for all of it, his @first one and on; other bytes are in them yet. */
static inline void take_pages(struct message *m, bool pooled, unsigned int first)
{
	m->nr_pages = (m->len + 4095) / 4096;
	m->to = (pooled ? bob.pool : bob.loose) + first * 4096ul;
	memset(m->to, 0xee, m->nr_pages * 4096ul);
	for (unsigned int i = 0; i < m->nr_pages; i++)
		m->pages[i] = (struct rx_page){
			.id = (uint16_t)i,
			.pooled = pooled,
			.ref = pooled ? first + i : bob.loose_refs[first + i],
		};
}

/* From alice to bob. What is there at once has to be right. */
static inline int add(const struct message *m, unsigned int tag)
{
	int r = copy_batch_add(batch, tag, dev(&alice), m->segs, m->nr, m->pooled, dev(&bob),
			       m->pages, m->nr_pages);

	if (r != COPY_DONE)
		return r;
	if (m->to)
		ck_assert_mem_eq(m->to, m->bytes, m->nr ? m->len : 0);
	return 0;
}

static inline void expect_arrived(const struct message *m)
{
	ck_assert_mem_eq(m->to, m->bytes, m->len);
	/* Not a byte more. */
	for (uint32_t i = m->len; i < m->nr_pages * 4096; i++)
		ck_assert_uint_eq(m->to[i], 0xee);
}

#endif
