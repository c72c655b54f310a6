// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is noted down of local clients: who comes back to the next broker and who
 * does not, nodes that no broker wrote, and XenStore when it fails.
 */
#include "tests/unit/local-bed.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void resume(struct raw *r, uint64_t instance)
{
	raw_connect(r, path);
	r->instance = instance;
	hello(r);
	raw_welcome(r);
}

START_TEST(comes_back)
{
	uint32_t addr;
	uint64_t instance;

	up(&a);
	addr = a.welcome.addr;
	instance = a.instance;
	if (_i)
		bed_kill(&bed);
	else
		bed_stop(&bed, false);
	ck_assert(sim_xs_exists(SLOT_NODE("0", "address")));
	(void)bed_calls(&bed);
	bed_start(&bed);
	listen_here();
	ck_assert_str_eq(bed_calls(&bed), "awaited:32768 ");
	ck_assert_str_eq(device_state_name(bed.dev[LOCAL(0)]), "awaited");
	raw_close(&a);
	up(&b);
	ck_assert_str_eq(bed_calls(&bed), "up:32769 ");
	resume(&a, instance);
	ck_assert_uint_eq(a.welcome.addr, addr);
	ck_assert_str_eq(bed_calls(&bed), "");
	start(&a);
	ck_assert_str_eq(bed_calls(&bed), "up:32768 ");
	/* It is there now: nobody else can be it. */
	bed_wait(&bed, 20 * SIM_NSEC_PER_SEC);
	ck_assert(device_is_up(dev_of(&a)));
	raw_close(&b);
	resume(&b, instance);
	ck_assert_uint_ne(b.welcome.addr, addr);
	ck_assert(device_is_up(dev_of(&a)));
}
END_TEST

START_TEST(does_not_come_back)
{
	up(&a);
	bed_kill(&bed);
	raw_close(&a);
	bed_start(&bed);
	ck_assert_str_eq(bed_calls(&bed), "up:32768 awaited:32768 ");
	bed_wait(&bed, 9 * SIM_NSEC_PER_SEC);
	ck_assert_str_eq(bed_calls(&bed), "");
	bed_wait(&bed, 2 * SIM_NSEC_PER_SEC);
	ck_assert_str_eq(bed_calls(&bed), "down:32768 gone:32768 ");
	ck_assert(!sim_xs_exists(SLOT_NODE("0", "address")));
}
END_TEST

/* Another user, or another instance, is another client. */
START_TEST(comes_back_as_somebody_else)
{
	uint32_t addr;
	uint64_t instance;
	char other[16];

	up(&a);
	addr = a.welcome.addr;
	instance = a.instance;
	bed_kill(&bed);
	(void)snprintf(other, sizeof(other), "%u", (unsigned int)getuid() + 1);
	if (_i)
		sim_xs_put(SLOT_NODE("0", "uid"), other);
	else
		instance ^= 1;
	bed_start(&bed);
	listen_here();
	(void)bed_calls(&bed);
	raw_close(&a);
	resume(&a, instance);
	start(&a);
	ck_assert_uint_ne(a.welcome.addr, addr);
	ck_assert_str_eq(bed_calls(&bed), "up:32769 ");
	bed_wait(&bed, 11 * SIM_NSEC_PER_SEC);
	ck_assert_str_eq(bed_calls(&bed), "down:32768 gone:32768 ");
	ck_assert_uint_eq(bed.last_down, addr);
}
END_TEST

/* Nodes that no broker wrote. */
START_TEST(garbage_in_xenstore)
{
	sim_xs_put(SLOT_NODE("7", "address"), "12");
	sim_xs_put(SLOT_NODE("8", "address"), "98312");
	sim_xs_put(SLOT_NODE("8", "instance"), "x");
	sim_xs_put(SLOT_NODE("8", "uid"), "0");
	sim_xs_put(SLOT_NODE("9", "address"), "98313");
	sim_xs_put(SLOT_NODE("9", "instance"), "5");
	sim_xs_put(SLOT_NODE("9", "uid"), "0");
	sim_xs_put(SLOT_NODE("1024", "address"), "98313");
	sim_xs_put(SLOT_NODE("x", "address"), "98313");
	bed_stop(&bed, false);
	bed_start(&bed);
	ck_assert_str_eq(bed_calls(&bed), "awaited:32777 ");
	ck_assert(!sim_xs_exists(SLOT_NODE("7", "address")));
	ck_assert(!sim_xs_exists(SLOT_NODE("8", "address")));
}
END_TEST

/* The last one connected is the last one awaited, whatever the slots. */
START_TEST(order_survives)
{
	sim_xs_put("/local/domain/0/xenmsg/generation", "3");
	sim_xs_put(SLOT_NODE("5", "address"), "98309");
	sim_xs_put(SLOT_NODE("5", "instance"), "5");
	sim_xs_put(SLOT_NODE("5", "uid"), "0");
	sim_xs_put(SLOT_NODE("900", "address"), "4294935428"); /* generation 65535 */
	sim_xs_put(SLOT_NODE("900", "instance"), "5");
	sim_xs_put(SLOT_NODE("900", "uid"), "0");
	sim_xs_put(SLOT_NODE("2", "address"), "163842");
	sim_xs_put(SLOT_NODE("2", "instance"), "5");
	sim_xs_put(SLOT_NODE("2", "uid"), "0");
	bed_kill(&bed);
	bed_start(&bed);
	listen_here();
	ck_assert_str_eq(bed_calls(&bed), "awaited:33668 awaited:32773 awaited:32770 ");
	up(&a);
	ck_assert_uint_eq(VMSGIF_ADDR_DOMID(a.welcome.addr), LOCAL(3));
}
END_TEST

START_TEST(the_broker_stops_for_good)
{
	up(&a);
	bed_stop(&bed, true);
	ck_assert(!sim_xs_exists(SLOT_NODE("0", "address")));
	expect_end(&a, LOCAL_CLOSED, 0, "for good");
	bed_start(&bed);
}
END_TEST

START_TEST(xenstore_fails)
{
	raw_connect(&a, path);
	bed_run(&bed);
	sim_fail_nth(bed.process, _i ? SIM_CALL_XS_END : SIM_CALL_XS_WRITE, 1, ENOSPC);
	hello(&a);
	expect_end(&a, LOCAL_REFUSED, -EAGAIN, "noted down");
	raw_close(&a);
	up(&a);
	sim_fail_nth(bed.process, SIM_CALL_XS_RM, 1, ENOSPC);
	raw_close(&a);
	bed_run(&bed);
	bed_wait(&bed, 3 * SIM_NSEC_PER_SEC);
	ck_assert(!sim_xs_exists(SLOT_NODE("0", "address")));
	ck_assert(!sim_xs_exists(SLOT_NODE("1", "address")));
}
END_TEST

static Suite *restart_suite(void)
{
	Suite *s = suite_create("backend-local-restart");
	TCase *t = tcase_create("restart");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, comes_back, 0, 2);
	tcase_add_test(t, does_not_come_back);
	tcase_add_loop_test(t, comes_back_as_somebody_else, 0, 2);
	tcase_add_test(t, garbage_in_xenstore);
	tcase_add_test(t, order_survives);
	tcase_add_test(t, the_broker_stops_for_good);
	tcase_add_loop_test(t, xenstore_fails, 0, 2);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(restart_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
