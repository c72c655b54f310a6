// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs of posted pages: one request for many, beside requests for one, and what
 * closes the device. The slots that are not written have rubbish in all of this.
 */
#include "tests/unit/backend-guest.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define SLOTS VMSGIF_RING_SLOTS(GUEST_ORDER)
#define POOL  64u

static struct bed bed;
static struct guest alice, bob;
static struct device *dev; /* bob's, who receives */

static void setup(void)
{
	bed_init(&bed);
	bed_start(&bed);
	guest_up(&alice, &bed, "alice");
	guest_up(&bob, &bed, "bob");
	dev = guest_dev(&bob);
	(void)bed_calls(&bed);
}

static void teardown(void)
{
	guest_fini(&alice);
	guest_fini(&bob);
	bed_fini(&bed);
}

static void expect_page(const struct rx_page *page, unsigned int id, uint32_t ref, bool pooled)
{
	ck_assert_uint_eq(page->id, id);
	ck_assert_uint_eq(page->ref, ref);
	ck_assert_uint_eq(page->pooled, pooled);
}

/* The next @nr pages are answered as one message. */
static void answer(const struct rx_page *pages, unsigned int nr)
{
	struct vmsgif_rx_response rsp = {
		.type = VMSGIF_RX_MESSAGE,
		.id = pages->id,
		.len = nr * 4096,
		.used = 4096,
	};
	struct vmsgif_rx_response got;

	device_rx_respond_run(dev, &rsp, pages, nr);
	ck_assert(!guest_rx_rsp(&bob, &got));
	device_publish_rx(dev, false);
	ck_assert(guest_rx_rsp(&bob, &got));
	ck_assert_mem_eq(&got, &rsp, sizeof(rsp));
	while (--nr)
		ck_assert(guest_rx_rsp(&bob, &got));
	ck_assert(!guest_rx_rsp(&bob, &got));
}

START_TEST(one_run)
{
	struct rx_page page;

	guest_rx_run(&bob, 7, 1000, 1);
	ck_assert_uint_eq(device_rx_posted(dev, 1), 1);
	ck_assert_uint_eq(device_rx_posted(dev, 3), 2);
	page = device_rx_take(dev);
	expect_page(&page, 7, 1000, true);
	answer(&page, 1);
	page = device_rx_take(dev);
	expect_page(&page, 8, 1001, true);
	answer(&page, 1);
	ck_assert_uint_eq(device_rx_posted(dev, 1), 0);
}
END_TEST

/* All slots at once, and again: as long as a run can be. */
START_TEST(whole_ring)
{
	struct rx_page pages[SLOTS];

	for (unsigned int round = 0; round < 3; round++) {
		guest_rx_run(&bob, 0, UINT32_MAX - 255, 255);
		ck_assert_uint_eq(device_rx_posted(dev, 1), 1);
		ck_assert_uint_eq(device_rx_posted(dev, SLOTS + 1), SLOTS);
		device_rx_take_run(dev, pages, SLOTS);
		for (unsigned int i = 0; i < SLOTS; i++)
			expect_page(&pages[i], i, UINT32_MAX - 255 + i, true);
		answer(pages, SLOTS);
	}
	ck_assert(device_is_up(dev));
}
END_TEST

/* Runs and single pages by turns, taken in parts that have nothing to do with either. */
START_TEST(mixed)
{
	struct rx_page posted[SLOTS], pages[SLOTS];
	unsigned int base = 0;

	for (unsigned int round = 0; round < 200; round++) {
		unsigned int nr = 0, taken = 0;

		/* The ids are those of no slot: the ring's end is anywhere in a run. */
		while (nr < SLOTS - 40) {
			unsigned int more = (unsigned int)sim_random_below(3) *
					    (unsigned int)sim_random_below(17);
			bool pooled = more || sim_random_below(2);

			for (unsigned int i = 0; i <= more; i++)
				posted[nr + i] =
					(struct rx_page){ (uint16_t)(nr + i), pooled, base + i };
			if (more)
				guest_rx_run(&bob, (uint16_t)nr, base, (uint8_t)more);
			else
				guest_rx(&bob, (uint16_t)nr, base, pooled);
			nr += more + 1;
			base += 1000;
		}
		while (taken < nr) {
			unsigned int want = 1 + (unsigned int)sim_random_below(nr - taken);

			ck_assert_uint_eq(device_rx_posted(dev, want), want);
			device_rx_take_run(dev, pages, want);
			for (unsigned int i = 0; i < want; i++)
				expect_page(&pages[i], posted[taken + i].id, posted[taken + i].ref,
					    posted[taken + i].pooled);
			answer(pages, want);
			taken += want;
		}
		ck_assert_uint_eq(device_rx_posted(dev, 1), 0);
	}
	ck_assert(device_is_up(dev));
}
END_TEST

/* Messages whose pages are parts of runs, single pages of the pool, and pages outside of it. */
START_TEST(filled)
{
	struct vmsgif_pool pool = { .nr_pages = POOL };
	struct vmsgif_segment segs[9];
	struct copy_batch *batch;
	struct rx_page pages[9];
	uint8_t *from, *to, *loose;
	uint32_t ref;

	pool.type = VMSGIF_POOL_TX;
	pool.ref = guest_pool(&alice, POOL, true, (void **)&from, NULL);
	ck_assert_int_eq(device_pool_add(guest_dev(&alice), &pool), 0);
	pool.type = VMSGIF_POOL_RX;
	pool.ref = guest_pool(&bob, POOL, false, (void **)&to, NULL);
	ck_assert_int_eq(device_pool_add(dev, &pool), 0);
	loose = guest_page(&bob, false, &ref);
	for (unsigned int i = 0; i < 9 * 4096; i++)
		from[i] = (uint8_t)sim_random();
	for (unsigned int i = 0; i < 9; i++)
		segs[i] = (struct vmsgif_segment){ i, 0, 4096 };
	ck_assert_int_eq(copy_batch_new(&batch, bed.b), 0);
	guest_rx_run(&bob, 10, 20, 4); /* 20 to 24 */
	guest_rx(&bob, 9, 3, true);
	guest_rx(&bob, 8, ref, false);
	guest_rx_run(&bob, 0, POOL - 2, 2); /* the last two, and one beyond the pool */
	/* Three pages of the first run. */
	ck_assert_uint_eq(device_rx_posted(dev, 3), 3);
	device_rx_take_run(dev, pages, 3);
	ck_assert_int_eq(copy_batch_add(batch, 0, guest_dev(&alice), segs, 3, true, dev, pages, 3),
			 COPY_DONE);
	ck_assert_mem_eq(to + 20 * 4096, from, 3 * 4096);
	answer(pages, 3);
	/* Its rest, the two that are alone, and the begin of the other run. */
	ck_assert_uint_eq(device_rx_posted(dev, 6), 6);
	device_rx_take_run(dev, pages, 6);
	ck_assert_int_eq(
		copy_batch_add(batch, 0, guest_dev(&alice), segs + 3, 6, true, dev, pages, 6), 0);
	copy_batch_run(batch);
	ck_assert_int_eq(copy_batch_status(batch, 0), 0);
	ck_assert_mem_eq(to + 23 * 4096, from + 3 * 4096, 2 * 4096);
	ck_assert_mem_eq(to + 3 * 4096, from + 5 * 4096, 4096);
	ck_assert_mem_eq(loose, from + 6 * 4096, 4096);
	ck_assert_mem_eq(to + (POOL - 2) * 4096, from + 7 * 4096, 2 * 4096);
	answer(pages, 6);
	copy_batch_reset(batch);
	/* A page beyond the pool is as bad in a run as alone: the copy fails, and no more. */
	ck_assert_uint_eq(device_rx_posted(dev, 2), 1);
	device_rx_take_run(dev, pages, 1);
	expect_page(pages, 2, POOL, true);
	ck_assert_int_eq(copy_batch_add(batch, 0, guest_dev(&alice), segs, 1, true, dev, pages, 1),
			 VMSGIF_EFAULT);
	answer(pages, 1);
	ck_assert(device_is_up(dev));
	copy_batch_free(batch);
}
END_TEST

/* ------------------------------------------------------------------- violations */

static void expect_closed(const char *reason)
{
	const char *error;

	ck_assert_uint_eq(device_rx_posted(dev, SLOTS), 0);
	ck_assert(!device_is_up(dev));
	bed_run(&bed);
	ck_assert_int_eq(guest_backend_state(&bob), 5);
	error = guest_backend(&bob, "error");
	ck_assert_ptr_nonnull(error);
	ck_assert_msg(strstr(error, reason) != NULL, "%s, not %s", error, reason);
	ck_assert(device_is_up(guest_dev(&alice)));
}

START_TEST(not_of_the_pool)
{
	guest_rx_put(&bob, &(struct vmsgif_rx_request){ .id = 3, .more = 1, .ref = 9 });
	bob.rx->req_prod = bob.rx_prod;
	expect_closed("RX request: run of posted pages that are not of the pool");
}
END_TEST

START_TEST(ids_beyond_the_ring)
{
	guest_rx_run(&bob, SLOTS - 3, 0, 2);
	ck_assert_uint_eq(device_rx_posted(dev, SLOTS), 3);
	guest_rx_run(&bob, SLOTS - 13, 0, 13);
	expect_closed("RX request: id of a posted page is not below the number of slots");
}
END_TEST

START_TEST(references_around_the_end)
{
	guest_rx_run(&bob, 0, UINT32_MAX - 3, 3);
	ck_assert_uint_eq(device_rx_posted(dev, SLOTS), 4);
	guest_rx_run(&bob, 4, UINT32_MAX - 3, 4);
	expect_closed("RX request: run of posted pages goes beyond the last index");
}
END_TEST

/* What is not published with its begin is no part of a run, though it follows at once. */
START_TEST(not_published)
{
	struct vmsgif_rx_request req = {
		.flags = VMSGIF_RXF_POOL,
		.more = (uint8_t)(_i + 1),
		.ref = 9,
	};

	guest_rx(&bob, 200, 1, false);
	guest_rx_put(&bob, &req);
	bob.rx->req_prod = bob.rx_prod - 1;
	expect_closed("RX request: run of posted pages goes beyond what is published");
}
END_TEST

/* The first, the last, one in the middle; posted alone or in a run. */
START_TEST(id_in_use)
{
	static const uint16_t ids[] = { 10, 13, 20 };
	char reason[64];

	if (_i & 1)
		guest_rx_run(&bob, ids[_i / 2], 500, 3);
	else
		guest_rx(&bob, ids[_i / 2], 500, false);
	ck_assert_uint_eq(device_rx_posted(dev, 1), 1);
	guest_rx_run(&bob, 10, 100, 10);
	snprintf(reason, sizeof(reason), "RX request: id %u is in use", ids[_i / 2]);
	expect_closed(reason);
}
END_TEST

/* Those of a run are in use one by one, until each is answered. */
START_TEST(ids_of_a_run)
{
	struct rx_page pages[3];

	guest_rx_run(&bob, 10, 100, 5);
	ck_assert_uint_eq(device_rx_posted(dev, 6), 6);
	device_rx_take_run(dev, pages, 3);
	answer(pages, 3);
	guest_rx_run(&bob, 10, 100, 2);
	ck_assert_uint_eq(device_rx_posted(dev, 6), 6);
	guest_rx(&bob, 15, 100, true);
	expect_closed("RX request: id 15 is in use");
}
END_TEST

static Suite *runs_suite(void)
{
	Suite *s = suite_create("backend-runs");
	TCase *t = tcase_create("runs");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, one_run);
	tcase_add_test(t, whole_ring);
	tcase_add_test(t, mixed);
	tcase_add_test(t, filled);
	tcase_add_test(t, not_of_the_pool);
	tcase_add_test(t, ids_beyond_the_ring);
	tcase_add_test(t, references_around_the_end);
	tcase_add_loop_test(t, not_published, 0, 3);
	tcase_add_loop_test(t, id_in_use, 0, 6);
	tcase_add_test(t, ids_of_a_run);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(runs_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
