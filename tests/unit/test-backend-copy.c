// SPDX-License-Identifier: GPL-2.0-or-later
/* The transfer: every way to copy gives the same bytes, by one call or many. */
#include "tests/unit/copy-bed.h"

#include <check.h>
#include <stdlib.h>

static struct message message;

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

int main(void)
{
	Suite *suite = suite_create("backend-copy");
	TCase *tcase = tcase_create("copy");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, every_size_every_way, 0, 4);
	tcase_add_test(tcase, no_bytes);
	tcase_add_test(tcase, own_words);
	tcase_add_loop_test(tcase, the_largest, 0, 4);
	tcase_add_loop_test(tcase, small_segments, 0, 4);
	tcase_add_test(tcase, mixed_pages);
	tcase_add_test(tcase, to_oneself);
	tcase_add_test(tcase, batches_fill_up);
	tcase_add_test(tcase, many_messages_one_call);
	tcase_add_test(tcase, directory_changes_later);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
