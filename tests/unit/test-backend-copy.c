// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The transfer: every way to copy gives the same bytes, and a message fails as
 * a whole and alone.
 */
#include "tests/unit/backend-guest.h"

#include <check.h>
#include <stdlib.h>
#include <xen/grant_table.h>

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

static struct device *dev(const struct memory *m)
{
	return guest_dev(&m->g);
}

static void add_pool(struct memory *m, uint16_t type)
{
	struct vmsgif_pool pool = { .type = type, .nr_pages = POOL };
	void *pages;

	pool.ref = guest_pool(&m->g, POOL, type == VMSGIF_POOL_TX, &pages, m->refs);
	ck_assert_int_eq(device_pool_add(dev(m), &pool), 0);
	m->pool = pages;
}

static void add_loose(struct memory *m, bool readonly)
{
	uint32_t pfn = sim_page_alloc(m->g.domid, PAGES);

	m->loose = sim_page(m->g.domid, pfn);
	for (unsigned int i = 0; i < PAGES; i++)
		m->loose_refs[i] = sim_grant(m->g.domid, pfn + i, 0, readonly);
}

static void setup(void)
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

static void teardown(void)
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
static void take_source(struct message *m, bool pooled, uint32_t start, uint32_t len, uint32_t cut)
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

static void take_pages(struct message *m, bool pooled, unsigned int first)
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

static int add(const struct message *m, unsigned int tag)
{
	int r = copy_batch_add(batch, tag, dev(&alice), m->segs, m->nr, m->pooled, dev(&bob),
			       m->pages, m->nr_pages);

	if (r != COPY_DONE)
		return r;
	if (m->to)
		ck_assert_mem_eq(m->to, m->bytes, m->nr ? m->len : 0);
	return 0;
}

static void expect_arrived(const struct message *m)
{
	ck_assert_mem_eq(m->to, m->bytes, m->len);
	/* Not a byte more. */
	for (uint32_t i = m->len; i < m->nr_pages * 4096; i++)
		ck_assert_uint_eq(m->to[i], 0xee);
}

static struct message message, other;

/* Four ways: from pool or not, into pool or not. */
START_TEST(every_size_every_way)
{
	static const uint32_t lens[] = { 1, 31, 32, 33, 4095, 4096, 4097, 8192, 10000, 65536 };
	bool from_pool = _i & 1, to_pool = _i & 2;
	struct backend_stats before, after;

	backend_stats_get(bed.b, &before);
	for (unsigned int i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		for (uint32_t start = 0; start < 4096; start += 1365) {
			copy_batch_reset(batch);
			take_source(&message, from_pool, start, lens[i], 4096);
			take_pages(&message, to_pool, 3);
			ck_assert_int_eq(add(&message, 7), 0);
			copy_batch_run(batch);
			ck_assert_int_eq(copy_batch_status(batch, 7), 0);
			expect_arrived(&message);
		}
	}
	backend_stats_get(bed.b, &after);
	if (from_pool && to_pool) {
		ck_assert_uint_eq(after.hypercalls, before.hypercalls);
		ck_assert_uint_gt(after.memcpys, before.memcpys);
	} else {
		ck_assert_uint_gt(after.copy_ops, before.copy_ops);
		ck_assert_uint_eq(after.memcpys, before.memcpys);
	}
	ck_assert_uint_gt(after.copied_bytes, before.copied_bytes);
}
END_TEST

START_TEST(no_bytes)
{
	copy_batch_reset(batch);
	message.nr = message.nr_pages = 0;
	message.pooled = true;
	ck_assert_int_eq(add(&message, 0), 0);
	copy_batch_run(batch);
	ck_assert_int_eq(copy_batch_status(batch, 0), 0);
}
END_TEST

START_TEST(the_largest)
{
	bool from_pool = _i & 1, to_pool = _i & 2;

	/* From a pool of 256 pages it must start at a page's begin. */
	take_source(&message, from_pool, from_pool ? 0 : 1, MESSAGE, 4096);
	ck_assert_uint_eq(message.nr, from_pool ? 256 : 257);
	take_pages(&message, to_pool, 0);
	ck_assert_int_eq(add(&message, 0), 0);
	copy_batch_run(batch);
	ck_assert_int_eq(copy_batch_status(batch, 0), 0);
	expect_arrived(&message);
}
END_TEST

START_TEST(small_segments)
{
	/* Two page ends in between cut a segment each. */
	take_source(&message, _i & 1, 4010, 256 * 20, 20);
	ck_assert_uint_eq(message.nr, 257);
	take_pages(&message, _i & 2, 9);
	ck_assert_int_eq(add(&message, 255), 0);
	copy_batch_run(batch);
	ck_assert_int_eq(copy_batch_status(batch, 255), 0);
	expect_arrived(&message);
}
END_TEST

/* Pages of both kinds in one message. */
START_TEST(mixed_pages)
{
	take_source(&message, true, 100, 4096 * 3, 4096);
	take_pages(&message, false, 5);
	message.pages[1].pooled = true;
	message.pages[1].ref = 77;
	ck_assert_int_eq(add(&message, 0), 0);
	copy_batch_run(batch);
	ck_assert_int_eq(copy_batch_status(batch, 0), 0);
	ck_assert_mem_eq(message.to, message.bytes, 4096);
	ck_assert_mem_eq(bob.pool + 77 * 4096, message.bytes + 4096, 4096);
	ck_assert_mem_eq(message.to + 8192, message.bytes + 8192, 4096);
}
END_TEST

START_TEST(to_oneself)
{
	struct vmsgif_segment seg = { 0, 10, 100 };
	uint32_t ref;
	uint8_t *to = guest_page(&alice.g, false, &ref);
	struct rx_page page = { .ref = ref };

	memset(alice.pool + 10, 0x5a, 100);
	ck_assert_int_eq(
		copy_batch_add(batch, 0, dev(&alice), &seg, 1, true, dev(&alice), &page, 1), 0);
	copy_batch_run(batch);
	ck_assert_int_eq(copy_batch_status(batch, 0), 0);
	ck_assert_mem_eq(to, alice.pool + 10, 100);
}
END_TEST

/* Indexes outside of the pool, and what the broker should not have asked for. */
START_TEST(not_usable)
{
	take_source(&message, true, 0, 8192, 4096);
	take_pages(&message, true, 0);
	message.segs[1].ref = POOL;
	ck_assert_int_eq(add(&message, 0), VMSGIF_EFAULT);
	message.segs[1].ref = 1;
	message.pages[1].ref = POOL;
	ck_assert_int_eq(add(&message, 0), VMSGIF_EFAULT);
	/* Nothing of it was done. */
	ck_assert_uint_eq(message.to[0], 0xee);
	message.pages[1].ref = 1;
	message.segs[1].ref = POOL - 1;
	message.segs[1].offset = 1;
	ck_assert_int_eq(add(&message, 0), VMSGIF_EFAULT);
	message.segs[1].ref = 1;
	message.segs[1].offset = 0;
	message.segs[1].len = 0;
	ck_assert_int_eq(add(&message, 0), VMSGIF_EFAULT);
	message.segs[1].len = 4096;
	message.nr_pages = 1;
	ck_assert_int_eq(add(&message, 0), VMSGIF_EFAULT);
	message.nr_pages = 2;
	ck_assert_int_eq(add(&message, COPY_TAGS), -EINVAL);
	message.nr = VMSGIF_INDIRECT_MAX + 1;
	ck_assert_int_eq(add(&message, 0), VMSGIF_EFAULT);
	message.nr = 2;
	ck_assert_int_eq(add(&message, 0), 0);
	/* Of a TX pool as destination there is none. */
	ck_assert_int_eq(device_pool_del(dev(&bob), VMSGIF_POOL_RX), 0);
	ck_assert_int_eq(add(&message, 0), VMSGIF_EFAULT);
	device_fail(dev(&bob), "test");
	message.pages[0].pooled = message.pages[1].pooled = false;
	ck_assert_int_eq(add(&message, 0), VMSGIF_EFAULT);
}
END_TEST

/* The other messages of the batch are not touched by one that fails. */
static void expect_only_other_arrives(void)
{
	copy_batch_run(batch);
	ck_assert_int_eq(copy_batch_status(batch, 1), VMSGIF_EFAULT);
	ck_assert_int_eq(copy_batch_status(batch, 2), 0);
	ck_assert_int_eq(copy_batch_status(batch, 3), 0);
	expect_arrived(&other);
}

static void add_three(void)
{
	static struct message third;

	take_source(&other, false, 4096 * 20 + 50, 10000, 4096);
	take_pages(&other, false, 20);
	take_source(&third, true, 4096 * 30 + 50, 10000, 4096);
	take_pages(&third, true, 30);
	ck_assert_int_eq(add(&message, 1), 0);
	ck_assert_int_eq(add(&other, 2), 0);
	ck_assert_int_eq(add(&third, 3), 0);
}

START_TEST(bad_source)
{
	take_source(&message, false, 0, 12000, 4096);
	take_pages(&message, _i, 3);
	message.segs[_i].ref = 31000;
	add_three();
	expect_only_other_arrives();
}
END_TEST

START_TEST(revoked_source)
{
	take_source(&message, false, 0, 12000, 4096);
	take_pages(&message, false, 3);
	add_three();
	ck_assert_int_eq(sim_revoke(alice.g.domid, alice.loose_refs[2]), 0);
	expect_only_other_arrives();
}
END_TEST

START_TEST(read_only_destination)
{
	uint32_t pfn = sim_page_alloc(bob.g.domid, 1);

	take_source(&message, false, 0, 12000, 4096);
	take_pages(&message, false, 3);
	message.pages[1].ref = sim_grant(bob.g.domid, pfn, 0, true);
	add_three();
	expect_only_other_arrives();
}
END_TEST

/* A page of the TX pool, posted by its reference, is read-only as well. */
START_TEST(own_tx_page_as_destination)
{
	struct vmsgif_segment seg = { 0, 0, 100 };
	struct rx_page page = { .ref = alice.refs[5] };
	uint8_t before[100];

	memcpy(before, alice.pool + 5 * 4096, 100);
	ck_assert_int_eq(
		copy_batch_add(batch, 0, dev(&alice), &seg, 1, true, dev(&alice), &page, 1), 0);
	copy_batch_run(batch);
	ck_assert_int_eq(copy_batch_status(batch, 0), VMSGIF_EFAULT);
	ck_assert_mem_eq(alice.pool + 5 * 4096, before, 100);
}
END_TEST

START_TEST(granted_to_somebody_else)
{
	uint32_t pfn = sim_page_alloc(alice.g.domid, 1);

	take_source(&message, false, 0, 100, 4096);
	take_pages(&message, true, 3);
	message.segs[0].ref = sim_grant(alice.g.domid, pfn, bob.g.domid, false);
	add_three();
	expect_only_other_arrives();
}
END_TEST

START_TEST(page_that_is_gone)
{
	take_source(&message, false, 0, 12000, 4096);
	take_pages(&message, false, 3);
	add_three();
	/* An operation in the middle says so, like one of a page under paging. */
	sim_fail_copy_op(3, GNTST_bad_page);
	copy_batch_run(batch);
	ck_assert_int_eq(copy_batch_status(batch, 1), VMSGIF_EFAULT);
	ck_assert_int_eq(copy_batch_status(batch, 2), 0);
	expect_arrived(&other);
}
END_TEST

START_TEST(source_dies_before_the_run)
{
	take_source(&message, false, 0, 12000, 4096);
	take_pages(&message, false, 3);
	add_three();
	sim_domain_destroy(alice.g.domid);
	copy_batch_run(batch);
	/* It is dying, so the mapped one is still done, and the others may be either. */
	ck_assert_int_eq(copy_batch_status(batch, 3), 0);
	bed_run(&bed);
	ck_assert_int_eq(sim_domain_state(alice.g.domid), SIM_DOMAIN_GONE);
}
END_TEST

/* The call fails: nothing it said counts, each message is tried by itself. */
START_TEST(call_fails)
{
	take_source(&message, false, 0, 4096 * 15, 4096);
	take_pages(&message, false, 40);
	add_three();
	sim_fail_nth(bed.process, SIM_CALL_COPY, 1, ENOMEM);
	copy_batch_run(batch);
	ck_assert_int_eq(copy_batch_status(batch, 1), 0);
	ck_assert_int_eq(copy_batch_status(batch, 2), 0);
	expect_arrived(&message);
	expect_arrived(&other);
}
END_TEST

START_TEST(call_fails_again)
{
	take_source(&message, false, 0, 4096 * 15, 4096);
	take_pages(&message, false, 40);
	add_three();
	sim_fail_nth(bed.process, SIM_CALL_COPY, 1, ENOMEM);
	sim_fail_nth(bed.process, SIM_CALL_COPY, 2, EINVAL);
	expect_only_other_arrives();
}
END_TEST

START_TEST(batches_fill_up)
{
	unsigned int tag = 0;
	int r = 0;

	take_source(&message, false, 1, MESSAGE - 4096, 4096);
	take_pages(&message, false, 0);
	while (r == 0)
		r = add(&message, tag++);
	ck_assert_int_eq(r, -ENOSPC);
	ck_assert_uint_ge(tag, 4);
	copy_batch_run(batch);
	for (unsigned int i = 0; i + 1 < tag; i++)
		ck_assert_int_eq(copy_batch_status(batch, i), 0);
	/* After a run there is room. */
	ck_assert_int_eq(add(&message, tag), 0);
	copy_batch_run(batch);
	ck_assert_int_eq(copy_batch_status(batch, tag), 0);
	expect_arrived(&message);
}
END_TEST

/* Small messages that share their sender's pages: neighbours in the batch. */
START_TEST(many_messages_one_call)
{
	struct backend_stats before, after;
	struct rx_page page = { 0 };
	struct vmsgif_segment seg = { 0, 0, 64 };

	for (uint32_t i = 0; i < POOL * 4096; i++)
		alice.loose[i] = (uint8_t)(i / 64 + i);
	backend_stats_get(bed.b, &before);
	for (unsigned int tag = 0; tag < COPY_TAGS; tag++) {
		seg.ref = alice.loose_refs[tag % 5];
		seg.offset = (uint16_t)(tag / 5 * 64);
		page.ref = bob.loose_refs[tag];
		ck_assert_int_eq(copy_batch_add(batch, tag, dev(&alice), &seg, 1, false, dev(&bob),
						&page, 1),
				 0);
	}
	copy_batch_run(batch);
	backend_stats_get(bed.b, &after);
	ck_assert_uint_eq(after.copy_ops - before.copy_ops, COPY_TAGS);
	ck_assert_uint_eq(after.hypercalls - before.hypercalls, COPY_TAGS / 16);
	for (unsigned int tag = 0; tag < COPY_TAGS; tag++) {
		ck_assert_int_eq(copy_batch_status(batch, tag), 0);
		ck_assert_mem_eq(bob.loose + tag * 4096ul,
				 alice.loose + (tag % 5) * 4096ul + tag / 5 * 64, 64);
	}
}
END_TEST

/* A directory means nothing once it was read. */
START_TEST(directory_changes_later)
{
	struct vmsgif_pool pool = { .type = VMSGIF_POOL_RX, .nr_pages = 2 };
	uint8_t *pages;
	void *at;

	ck_assert_int_eq(device_pool_del(dev(&bob), VMSGIF_POOL_RX), 0);
	pool.ref = guest_pool(&bob.g, 2, false, &at, NULL);
	ck_assert_int_eq(device_pool_add(dev(&bob), &pool), 0);
	memset(sim_gref_page(bob.g.domid, pool.ref), 0xff, 4096);
	pages = at;
	for (int from_pool = 0; from_pool < 2; from_pool++) {
		take_source(&message, from_pool, 0, 8192, 4096);
		message.nr_pages = 2;
		message.pages[0] = (struct rx_page){ .pooled = true, .ref = 0 };
		message.pages[1] = (struct rx_page){ .pooled = true, .ref = 1 };
		ck_assert_int_eq(add(&message, 0), 0);
		copy_batch_run(batch);
		ck_assert_int_eq(copy_batch_status(batch, 0), 0);
		ck_assert_mem_eq(pages, message.bytes, 8192);
	}
}
END_TEST

/* The broker's own words, into a page of the pool and into one outside. */
START_TEST(own_words)
{
	static const char text[] = "forty bytes that are of the broker's own";
	struct rx_page pooled = { .pooled = true, .ref = 3 };
	struct rx_page loose = { .ref = bob.loose_refs[5] };
	uint8_t byte = bob.loose[5 * 4096 + sizeof(text)];

	ck_assert_int_eq(device_write_page(dev(&bob), &pooled, text, sizeof(text)), 0);
	ck_assert_mem_eq(bob.pool + 3 * 4096, text, sizeof(text));
	ck_assert_int_eq(device_write_page(dev(&bob), &loose, text, sizeof(text)), 0);
	ck_assert_mem_eq(bob.loose + 5 * 4096, text, sizeof(text));
	ck_assert_uint_eq(bob.loose[5 * 4096 + sizeof(text)], byte);

	pooled.ref = POOL;
	ck_assert_int_eq(device_write_page(dev(&bob), &pooled, text, 40), VMSGIF_EFAULT);
	loose.ref = 30000;
	ck_assert_int_eq(device_write_page(dev(&bob), &loose, text, 40), VMSGIF_EFAULT);
	/* Pages for sending are read-only, in the pool and outside. */
	loose.ref = alice.loose_refs[0];
	pooled.ref = 0;
	ck_assert_int_eq(device_write_page(dev(&alice), &loose, text, 40), VMSGIF_EFAULT);
	ck_assert_int_eq(device_write_page(dev(&alice), &pooled, text, 40), VMSGIF_EFAULT);
	ck_assert_int_eq(device_write_page(dev(&bob), &pooled, text, 0), VMSGIF_EFAULT);
	ck_assert_int_eq(device_write_page(dev(&bob), &pooled, text, 4097), VMSGIF_EFAULT);
	device_fail(dev(&bob), "a test");
	ck_assert_int_eq(device_write_page(dev(&bob), &pooled, text, 40), VMSGIF_EFAULT);
}
END_TEST

static Suite *copy_suite(void)
{
	Suite *s = suite_create("backend-copy");
	TCase *t = tcase_create("copy");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, every_size_every_way, 0, 4);
	tcase_add_test(t, no_bytes);
	tcase_add_test(t, own_words);
	tcase_add_loop_test(t, the_largest, 0, 4);
	tcase_add_loop_test(t, small_segments, 0, 4);
	tcase_add_test(t, mixed_pages);
	tcase_add_test(t, to_oneself);
	tcase_add_test(t, not_usable);
	tcase_add_loop_test(t, bad_source, 0, 3);
	tcase_add_test(t, revoked_source);
	tcase_add_test(t, read_only_destination);
	tcase_add_test(t, own_tx_page_as_destination);
	tcase_add_test(t, granted_to_somebody_else);
	tcase_add_test(t, page_that_is_gone);
	tcase_add_test(t, source_dies_before_the_run);
	tcase_add_test(t, call_fails);
	tcase_add_test(t, call_fails_again);
	tcase_add_test(t, batches_fill_up);
	tcase_add_test(t, many_messages_one_call);
	tcase_add_test(t, directory_changes_later);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(copy_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
