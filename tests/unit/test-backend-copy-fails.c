// SPDX-License-Identifier: GPL-2.0-or-later
/* The transfer: a message that fails does so as a whole and alone. */
#include "tests/unit/copy-bed.h"

#include <check.h>
#include <stdlib.h>
#include <xen/grant_table.h>

static struct message message, other;

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

int main(void)
{
	Suite *suite = suite_create("backend-copy-fails");
	TCase *tcase = tcase_create("fails");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, not_usable);
	tcase_add_loop_test(tcase, bad_source, 0, 3);
	tcase_add_test(tcase, revoked_source);
	tcase_add_test(tcase, read_only_destination);
	tcase_add_test(tcase, own_tx_page_as_destination);
	tcase_add_test(tcase, granted_to_somebody_else);
	tcase_add_test(tcase, page_that_is_gone);
	tcase_add_test(tcase, source_dies_before_the_run);
	tcase_add_test(tcase, call_fails);
	tcase_add_test(tcase, call_fails_again);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
