// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The state machine with one frontend: connecting, closing, violations,
 * restarts of either side, limits on who changes its state all the time.
 */
#include "tests/unit/backend-guest.h"

#include <check.h>
#include <stdlib.h>

static struct bed bed;
static struct guest alice;

static void setup(void)
{
	bed_init(&bed);
}

static void teardown(void)
{
	bed_fini(&bed);
}

START_TEST(connects)
{
	guest_init(&alice, &bed, "alice");
	bed_start(&bed);
	ck_assert_int_eq(guest_backend_state(&alice), 2);
	ck_assert_str_eq(bed_calls(&bed), "");
	guest_prepare(&alice, GUEST_ORDER);
	guest_put_nodes(&alice);
	guest_state(&alice, 3);
	ck_assert_int_eq(guest_backend_state(&alice), 4);
	ck_assert_str_eq(bed_calls(&bed), "");
	guest_state(&alice, 4);
	ck_assert_str_eq(bed_calls(&bed), "up:1 ");
	ck_assert_uint_eq(device_domid(guest_dev(&alice)), alice.domid);
	ck_assert_str_eq(device_name(guest_dev(&alice)), "alice");
	ck_assert_str_eq(device_state_name(guest_dev(&alice)), "connected");
	ck_assert_uint_eq(device_ring_slots(guest_dev(&alice)), 256);
	guest_fini(&alice);
	ck_assert_str_eq(bed_calls(&bed), "down:1 gone:1 ");
}
END_TEST

static Suite *otherend_suite(void)
{
	Suite *s = suite_create("backend-otherend");
	TCase *t = tcase_create("otherend");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, connects);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(otherend_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
