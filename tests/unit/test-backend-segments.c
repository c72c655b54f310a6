// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Segments that go on into the pages that follow in the pool: names and messages in
 * them, from and to pages of every kind, cut anyhow.
 */
#include "tests/unit/backend-guest.h"

#include <check.h>
#include <stdlib.h>

#define POOL  64u
#define LOOSE 32u
#define BYTES (20 * 4096u)
#define TAG   3u

/* Pages in pools of a side, and some outside of them. */
struct side {
	struct guest g;
	uint8_t *pool;
	uint8_t *loose;
	uint32_t refs[LOOSE];
};

static struct bed bed;
static struct side alice, bob; /* alice sends, bob receives */
static struct copy_batch *batch;

/* A message: where it is, where it goes to, and what it is. */
static struct vmsgif_segment segs[VMSGIF_INDIRECT_MAX];
static struct rx_page pages[VMSGIF_MESSAGE_MAX / VMSGIF_PAGE_SIZE];
static uint8_t bytes[BYTES];
static unsigned int nr, nr_pages;
static uint32_t len;

static struct device *dev(const struct side *s)
{
	return guest_dev(&s->g);
}

static void side_up(struct side *s, const char *name, uint16_t type)
{
	struct vmsgif_pool pool = { .type = type, .nr_pages = POOL };
	bool readonly = type == VMSGIF_POOL_TX;
	uint32_t pfn;
	void *at;

	guest_up(&s->g, &bed, name);
	pool.ref = guest_pool(&s->g, POOL, readonly, &at, NULL);
	ck_assert_int_eq(device_pool_add(dev(s), &pool), 0);
	s->pool = at;
	pfn = sim_page_alloc(s->g.domid, LOOSE);
	s->loose = sim_page(s->g.domid, pfn);
	for (unsigned int i = 0; i < LOOSE; i++)
		s->refs[i] = sim_grant(s->g.domid, pfn + i, 0, readonly);
}

static void setup(void)
{
	bed_init(&bed);
	bed_start(&bed);
	side_up(&alice, "alice", VMSGIF_POOL_TX);
	side_up(&bob, "bob", VMSGIF_POOL_RX);
	for (uint32_t i = 0; i < POOL * 4096; i++)
		alice.pool[i] = (uint8_t)sim_random();
	for (uint32_t i = 0; i < LOOSE * 4096; i++)
		alice.loose[i] = (uint8_t)sim_random();
	ck_assert_int_eq(copy_batch_new(&batch, bed.b), 0);
	nr = nr_pages = 0;
	len = 0;
}

static void teardown(void)
{
	copy_batch_free(batch);
	guest_fini(&alice.g);
	guest_fini(&bob.g);
	bed_fini(&bed);
}

/* The next bytes of the message are these of the pool, or of one page of the others. */
static void from(bool pooled, uint32_t page, uint32_t offset, uint32_t n)
{
	const uint8_t *at = (pooled ? alice.pool : alice.loose) + page * 4096ul + offset;

	segs[nr++] = (struct vmsgif_segment){ pooled ? page : alice.refs[page], (uint16_t)offset,
					      (uint16_t)n };
	memcpy(bytes + len, at, n);
	len += n;
}

static void to(bool pooled, uint32_t page)
{
	memset((pooled ? bob.pool : bob.loose) + page * 4096ul, 0xee, 4096);
	pages[nr_pages] =
		(struct rx_page){ (uint16_t)nr_pages, pooled, pooled ? page : bob.refs[page] };
	nr_pages++;
}

/* As many pages as it needs, in a row from @page on. */
static void to_row(bool pooled, uint32_t page)
{
	nr_pages = 0;
	while (nr_pages * 4096 < len)
		to(pooled, page + nr_pages);
}

static int add(bool pooled)
{
	return copy_batch_add(batch, TAG, dev(&alice), segs, nr, pooled, dev(&bob), pages,
			      nr_pages);
}

static const uint8_t *page_at(const struct rx_page *page)
{
	uint32_t i = page->ref;

	if (page->pooled)
		return bob.pool + i * 4096ul;
	for (i = 0; bob.refs[i] != page->ref; i++)
		ck_assert_uint_lt(i, LOOSE);
	return bob.loose + i * 4096ul;
}

/* No byte of these was written. */
static void expect_untouched(const uint8_t *at, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (at[i] != 0xee)
			ck_abort_msg("byte %zu of %zu is written", i, size);
}

/* All of it is there, and not a byte more. */
static void expect_arrived(void)
{
	for (unsigned int i = 0; i < nr_pages; i++) {
		const uint8_t *at = page_at(&pages[i]);
		uint32_t rest = len - i * 4096, n = rest < 4096 ? rest : 4096;

		ck_assert_mem_eq(at, bytes + i * 4096ul, n);
		expect_untouched(at + n, 4096 - n);
	}
}

static void copy(bool pooled, int expected)
{
	ck_assert_int_eq(add(pooled), expected);
	if (expected == 0) {
		copy_batch_run(batch);
		ck_assert_int_eq(copy_batch_status(batch, TAG), 0);
	}
	expect_arrived();
	copy_batch_reset(batch);
}

static struct backend_stats stats(void)
{
	struct backend_stats s;

	backend_stats_get(bed.b, &s);
	return s;
}

/* What follows each other on both sides is one piece. */
START_TEST(as_few_pieces_as_can_be)
{
	uint64_t before = stats().memcpys;

	from(true, 3, 0, VMSGIF_SEG_MAX);
	to_row(true, 40);
	copy(true, COPY_DONE);
	ck_assert_uint_eq(stats().memcpys, before + 1);
	/* One more where the segment ends, and one where the pages of the receiver leave off. */
	from(true, 20, 4095, 5000);
	nr_pages = 0;
	for (uint32_t i = 0; i < 10; i++)
		to(true, i < 3 ? i : 30 + i);
	copy(true, COPY_DONE);
	ck_assert_uint_eq(stats().memcpys, before + 1 + 3);
	/* The receiver's follow each other downwards: so they do not. The first segment ends with one. */
	nr_pages = 0;
	for (uint32_t i = 0; i < 10; i++)
		to(true, 20 - i);
	copy(true, COPY_DONE);
	ck_assert_uint_eq(stats().memcpys, before + 1 + 3 + 10);
}
END_TEST

/* Two pages of the sender in one of the receiver, and one byte of each. */
START_TEST(one_page_from_two)
{
	from(true, POOL - 2, 4095, 2);
	to_row(true, POOL - 1);
	copy(true, COPY_DONE);
	to_row(false, 3);
	copy(true, 0);
	nr = len = 0;
	from(true, 7, 4000, 4096);
	to_row(true, 0);
	copy(true, COPY_DONE);
}
END_TEST

/* To pages by grant: an operation for each page of either side, with the reference of each. */
START_TEST(to_granted_pages)
{
	uint64_t before = stats().copy_ops;

	from(true, 5, 100, 3 * 4096);
	to_row(false, 9);
	copy(true, 0);
	ck_assert_uint_eq(stats().copy_ops, before + 6);
	nr = len = 0;
	from(true, 5, 0, VMSGIF_SEG_MAX);
	to_row(false, 9);
	copy(true, 0);
	ck_assert_uint_eq(stats().copy_ops, before + 6 + 8);
}
END_TEST

/* The other way round there are no runs: what leaves its page is refused. */
START_TEST(from_granted_pages)
{
	from(false, 5, 0, 4096);
	from(false, 6, 1, 4095);
	to_row(true, 9);
	copy(false, 0);
	segs[1].offset = 2;
	ck_assert_int_eq(add(false), VMSGIF_EFAULT);
	segs[1].offset = UINT16_MAX;
	segs[1].len = UINT16_MAX;
	ck_assert_int_eq(add(false), VMSGIF_EFAULT);
}
END_TEST

/* No byte beyond the pool that there is, whatever is left of that of the protocol. */
START_TEST(beyond_the_pool)
{
	static const struct vmsgif_segment bad[] = {
		{ POOL - 1, 4095, 2 },
		{ POOL - 8, 1, VMSGIF_SEG_MAX },
		{ POOL - 7, 0, VMSGIF_SEG_MAX },
		{ POOL, 0, 1 },
		{ UINT32_MAX, 0, 4097 },
		{ UINT32_MAX, 4095, 2 },
		{ UINT32_MAX - 7, 0, VMSGIF_SEG_MAX },
		{ 1u << 20, 0, 4096 },
		{ 0, 0, 0 },
	};
	bool last = _i & 1, loose = _i & 2, one = _i & 4;

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		nr = len = 0;
		if (!one)
			from(true, 0, 0, 4096);
		if (!one && !last)
			from(true, 1, 0, 4096);
		len += bad[i].len;
		segs[last || one ? nr : nr - 1] = bad[i];
		nr += last || one;
		to_row(!loose, 0);
		ck_assert_int_eq(add(true), VMSGIF_EFAULT);
		/* Nothing of it was done. */
		expect_untouched(loose ? bob.loose : bob.pool, nr_pages * 4096ul);
	}
	nr = len = 0;
	from(true, POOL - 8, 0, VMSGIF_SEG_MAX);
	to_row(!loose, 0);
	copy(true, loose ? 0 : COPY_DONE);
}
END_TEST

/* A page of the receiver is beyond its pool, in the middle of what follows each other. */
START_TEST(beyond_the_pool_of_the_receiver)
{
	from(true, 0, 0, 3 * 4096);
	to(true, POOL - 2);
	to(true, POOL - 1);
	pages[nr_pages++] = (struct rx_page){ 2, true, POOL };
	ck_assert_int_eq(add(true), VMSGIF_EFAULT);
	ck_assert_uint_eq(bob.pool[(POOL - 2) * 4096], 0xee);
	pages[0].ref = UINT32_MAX;
	pages[1].ref = 0;
	pages[2].ref = 1;
	ck_assert_int_eq(add(true), VMSGIF_EFAULT);
	/* More bytes than the pages have. */
	nr_pages = 0;
	to(true, 4);
	ck_assert_int_eq(add(true), VMSGIF_EFAULT);
	ck_assert_uint_eq(bob.pool[4 * 4096], 0xee);
	from(true, 8, 4095, 4097);
	segs[0] = segs[1];
	nr = 1;
	ck_assert_int_eq(add(true), VMSGIF_EFAULT);
	pages[0].pooled = false;
	pages[0].ref = bob.refs[0];
	ck_assert_int_eq(add(true), VMSGIF_EFAULT);
}
END_TEST

/* As many operations as one message can be: the batch has room for them. */
START_TEST(most_pieces)
{
	uint64_t before = stats().copy_ops;

	for (uint32_t i = 0; i < VMSGIF_INDIRECT_MAX; i++)
		segs[nr++] = (struct vmsgif_segment){ i % (POOL - 2), 4095, 4080 };
	len = nr * 4080;
	while (nr_pages < (len + 4095) / 4096) {
		pages[nr_pages] =
			(struct rx_page){ (uint16_t)nr_pages, false, bob.refs[nr_pages % LOOSE] };
		nr_pages++;
	}
	ck_assert_int_eq(add(true), 0);
	ck_assert_int_eq(add(true), 0);
	copy_batch_run(batch);
	ck_assert_int_eq(copy_batch_status(batch, TAG), 0);
	/* Each segment is in two pages, and crosses one of the receiver's, but for the first. */
	ck_assert_uint_gt(stats().copy_ops - before, 2 * 3 * 250);
	copy_batch_reset(batch);
	while (add(true) == 0)
		;
	ck_assert_int_eq(add(true), -ENOSPC);
	copy_batch_run(batch);
	ck_assert_int_eq(add(true), 0);
}
END_TEST

/* Anything, to anywhere. */
START_TEST(random_cuts)
{
	for (unsigned int round = 0; round < 400; round++) {
		bool pooled = sim_random_below(4), all = pooled;
		uint32_t want = 1 + (uint32_t)sim_random_below(sim_random_below(2) ? BYTES : 9000);
		uint32_t next = (uint32_t)sim_random_below(POOL);
		uint32_t kinds = (uint32_t)sim_random_below(3);
		bool used[2][POOL] = { { false } };

		nr = len = nr_pages = 0;
		while (len < want && nr < 100) {
			uint32_t page = (uint32_t)sim_random_below(pooled ? POOL : LOOSE);
			uint32_t offset = (uint32_t)sim_random_below(4096);
			uint32_t room = pooled ? (POOL - page) * 4096 - offset : 4096 - offset;
			uint32_t n = 1 + (uint32_t)sim_random_below(VMSGIF_SEG_MAX);

			n = n < room ? n : room;
			from(pooled, page, offset, n < want - len ? n : want - len);
		}
		/* Mostly in a row; each once. */
		while (nr_pages * 4096 < len) {
			bool in_pool = kinds == 0 || (kinds == 1 && sim_random_below(4));
			unsigned int most = in_pool ? POOL : LOOSE;

			next = sim_random_below(5) ? next + 1 : (uint32_t)sim_random_below(POOL);
			while (used[in_pool][next % most])
				next++;
			used[in_pool][next % most] = true;
			to(in_pool, next % most);
			all &= in_pool;
		}
		copy(pooled, all ? COPY_DONE : 0);
	}
}
END_TEST

/* ---------------------------------------------------------------------- requests */

static const struct vmsgif_segment *taken;
static const char *name;
static struct request req;

static int next(void)
{
	return device_next_request(dev(&alice), &req, &taken, &name);
}

static void expect_status(uint16_t id, int status)
{
	struct vmsgif_tx_response rsp = { 0 };

	ck_assert_int_eq(next(), 0);
	device_publish_tx(dev(&alice), false);
	ck_assert(guest_tx_rsp(&alice.g, &rsp));
	ck_assert_uint_eq(rsp.id, id);
	ck_assert_int_eq(rsp.status, status);
	ck_assert(device_is_up(dev(&alice)));
}

START_TEST(name_over_a_page)
{
	struct vmsgif_tx_request slot = {
		.op = VMSGIF_OP_RESOLVE,
		.flags = VMSGIF_TXF_POOL,
		.len = 8,
		.nr_segs = 1,
		.u.seg[0] = { 11, 4093, 8 },
	};

	memcpy(alice.pool + 11 * 4096 + 4093, "echo@bob", 8);
	guest_tx(&alice.g, &slot);
	ck_assert_int_eq(next(), 1);
	ck_assert_str_eq(name, "echo@bob");
	/* In parts, the second over a page. */
	slot.id = 1;
	slot.nr_segs = 2;
	slot.u.seg[0].len = 3;
	slot.u.seg[1] = (struct vmsgif_segment){ 20, 4095, 5 };
	memcpy(alice.pool + 20 * 4096 + 4095, "2@bob", 5);
	guest_tx(&alice.g, &slot);
	ck_assert_int_eq(next(), 1);
	ck_assert_str_eq(name, "ech2@bob");
	/* Over the end of the pool. */
	slot.id = 2;
	slot.u.seg[1].ref = POOL - 1;
	guest_tx(&alice.g, &slot);
	expect_status(2, VMSGIF_EFAULT);
	/* By reference it leaves its page. */
	slot.flags = 0;
	slot.u.seg[0].ref = slot.u.seg[1].ref = alice.refs[0];
	guest_tx(&alice.g, &slot);
	expect_status(2, VMSGIF_EFAULT);
}
END_TEST

/* In the slot, and in a list; all four segments are there for who copies them. */
START_TEST(messages_in_runs)
{
	struct vmsgif_tx_request slot = {
		.op = VMSGIF_OP_SEND,
		.flags = VMSGIF_TXF_POOL,
		.addr = 1,
		.port = 1,
		.seq = 100,
		.len = 2 * VMSGIF_SEG_MAX,
		.nr_segs = 2,
		.each = 1024,
		.u.seg = { { 1, 9, VMSGIF_SEG_MAX }, { 30, 4095, VMSGIF_SEG_MAX } },
	};
	struct vmsgif_segment *list = (void *)(alice.pool + 50 * 4096);

	guest_tx(&alice.g, &slot);
	ck_assert_int_eq(next(), 1);
	ck_assert_uint_eq(req.each, 1024);
	ck_assert_mem_eq(taken, slot.u.seg, sizeof(slot.u.seg));
	for (uint32_t i = 0; i < 5; i++)
		list[i] = (struct vmsgif_segment){ i, 4095, VMSGIF_SEG_MAX };
	slot.id = 1;
	slot.flags |= VMSGIF_TXF_INDIRECT;
	slot.nr_segs = 5;
	slot.each = 0;
	slot.len = 5 * VMSGIF_SEG_MAX;
	memset(&slot.u, 0, sizeof(slot.u));
	slot.u.indirect.ref = 50;
	guest_tx(&alice.g, &slot);
	ck_assert_int_eq(next(), 1);
	ck_assert_mem_eq(taken, list, 5 * sizeof(*list));
	list[4].ref = VMSGIF_POOL_PAGES_MAX - 8;
	slot.id = 2;
	guest_tx(&alice.g, &slot);
	expect_status(2, VMSGIF_EFAULT);
	/* That of the first is in use. */
	slot.id = 0;
	guest_tx(&alice.g, &slot);
	ck_assert_int_eq(next(), 0);
	ck_assert(!device_is_up(dev(&alice)));
}
END_TEST

static Suite *segments_suite(void)
{
	Suite *s = suite_create("backend-segments");
	TCase *t = tcase_create("segments");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, as_few_pieces_as_can_be);
	tcase_add_test(t, one_page_from_two);
	tcase_add_test(t, to_granted_pages);
	tcase_add_test(t, from_granted_pages);
	tcase_add_loop_test(t, beyond_the_pool, 0, 8);
	tcase_add_test(t, beyond_the_pool_of_the_receiver);
	tcase_add_test(t, most_pieces);
	tcase_add_test(t, random_cuts);
	tcase_add_test(t, name_over_a_page);
	tcase_add_test(t, messages_in_runs);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(segments_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
