// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who changes its state all the time pays for it alone.
 */
#include "tests/unit/backend-guest.h"

#include <check.h>
#include <stdlib.h>

static struct bed bed;
static struct guest alice;

static void setup(void)
{
	bed_init(&bed);
	guest_init(&alice, &bed, "alice");
	bed_start(&bed);
	guest_prepare(&alice, GUEST_ORDER);
}

static void teardown(void)
{
	guest_fini(&alice);
	bed_fini(&bed);
}

/* New addresses: 16 at once, then one a second. */
START_TEST(reconnects_are_limited)
{
	unsigned int connected = 0;

	for (unsigned int i = 0; i < 40; i++) {
		guest_reset_rings(&alice);
		guest_put_nodes(&alice);
		guest_state(&alice, 3);
		connected += guest_backend_state(&alice) == 4;
		guest_state(&alice, 1);
	}
	ck_assert_uint_eq(connected, 16);
	ck_assert_int_eq(guest_backend_state(&alice), 2);
	guest_put_nodes(&alice);
	guest_state(&alice, 3);
	ck_assert_int_eq(guest_backend_state(&alice), 2);
	bed_wait(&bed, 2 * SIM_NSEC_PER_SEC);
	ck_assert_int_eq(guest_backend_state(&alice), 4);
	guest_state(&alice, 1);
	bed_wait(&bed, 3 * SIM_NSEC_PER_SEC);
	guest_connect(&alice);
}
END_TEST

START_TEST(looks_are_limited)
{
	uint64_t before = sim_counts(bed.process)->calls[SIM_CALL_XS_READ];
	uint64_t after;

	for (unsigned int i = 0; i < 1000; i++)
		guest_state(&alice, 1 + (int)(i % 6));
	after = sim_counts(bed.process)->calls[SIM_CALL_XS_READ];
	ck_assert_uint_le(after - before, 600);
	/* It is looked at in the end. */
	guest_state(&alice, 6);
	bed_wait(&bed, 2 * SIM_NSEC_PER_SEC);
	guest_state(&alice, 1);
	bed_wait(&bed, 2 * SIM_NSEC_PER_SEC);
	ck_assert_int_eq(guest_backend_state(&alice), 2);
}
END_TEST

START_TEST(watch_flood)
{
	struct guest bob;
	uint64_t before, after;

	guest_up(&bob, &bed, "bob");
	before = sim_counts(bed.process)->calls[SIM_CALL_XS_READ];
	/* A burst is read once, however long it is. */
	for (unsigned int i = 0; i < 50000; i++)
		guest_put(&alice, "state", "1");
	bed_run(&bed);
	after = sim_counts(bed.process)->calls[SIM_CALL_XS_READ];
	ck_assert_uint_le(after - before, 100);
	ck_assert(bed_logged(&bed, "domain=1 rule=\"watch-events\""));
	/* It is not heard for a while; the other one is. */
	guest_put(&alice, "state", "5");
	guest_state(&bob, 5);
	ck_assert_int_eq(guest_backend_state(&bob), 5);
	ck_assert_int_eq(guest_backend_state(&alice), 2);
	bed_wait(&bed, 1100 * SIM_NSEC_PER_MSEC);
	ck_assert_int_eq(guest_backend_state(&alice), 5);
	guest_state(&alice, 6);
	ck_assert_int_eq(guest_backend_state(&alice), 6);
	guest_fini(&bob);
}
END_TEST

START_TEST(spurious_watches)
{
	guest_connect(&alice);
	(void)bed_calls(&bed);
	for (unsigned int i = 0; i < 20; i++) {
		sim_xs_spurious();
		bed_run(&bed);
	}
	ck_assert_str_eq(bed_calls(&bed), "");
	ck_assert(device_is_up(guest_dev(&alice)));
	ck_assert_int_eq(guest_backend_state(&alice), 4);
}
END_TEST

static Suite *limits_suite(void)
{
	Suite *s = suite_create("backend-limits");
	TCase *t = tcase_create("limits");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, reconnects_are_limited);
	tcase_add_test(t, looks_are_limited);
	tcase_add_test(t, watch_flood);
	tcase_add_test(t, spurious_watches);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(limits_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
