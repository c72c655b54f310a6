// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Limits of local clients: how many there are of a user, how often they connect,
 * pages, and bells that are too many or that nobody reads.
 */
#include "backend/spurious.h"
#include "tests/unit/local-bed.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

static struct raw many[200];

static void close_many(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		raw_close(&many[i]);
	bed_run(&bed);
}

START_TEST(clients_of_a_user)
{
	for (unsigned int i = 0; i < 64; i++)
		up(&many[i]);
	raw_connect(&a, path);
	hello(&a);
	expect_end(&a, LOCAL_REFUSED, -EUSERS, "of this user");
	raw_close(&a);
	raw_close(&many[10]);
	bed_run(&bed);
	up(&a);
	/* Slots go round. */
	ck_assert_uint_eq(VMSGIF_ADDR_DOMID(a.welcome.addr), LOCAL(64));
	close_many(64);
}
END_TEST

START_TEST(silent_connections_of_a_user)
{
	for (unsigned int i = 0; i < 64; i++)
		raw_connect(&many[i], path);
	bed_run(&bed);
	raw_connect(&a, path);
	expect_end(&a, LOCAL_REFUSED, -EAGAIN, "say nothing");
	hello(&many[5]);
	up(&b);
	close_many(64);
}
END_TEST

START_TEST(connects_too_often)
{
	unsigned int i;

	for (i = 0; i < 256; i++) {
		up(&a);
		raw_close(&a);
		bed_run(&bed);
		(void)bed_calls(&bed);
	}
	raw_connect(&a, path);
	expect_end(&a, LOCAL_REFUSED, -EAGAIN, "too often");
	raw_close(&a);
	bed_wait(&bed, SIM_NSEC_PER_SEC / 16);
	up(&a);
}
END_TEST

START_TEST(pages_of_a_user)
{
	struct local_hello h;
	unsigned int n = 0;

	for (;; n++) {
		raw_connect(&many[n], path);
		h = raw_hello(&many[n]);
		h.tx_pages = h.rx_pages = 1024;
		h.ring_order = 4;
		ck_assert(raw_send(&many[n], &h, sizeof(h), -1));
		bed_run(&bed);
		if (bed_logged(&bed, "too many pages"))
			break;
		raw_welcome(&many[n]);
	}
	expect_end(&many[n], LOCAL_REFUSED, -ENOSPC, "of this user have too many pages");
	ck_assert_uint_eq(n, 48 * 1024 / (2048 + 32 + 2));
	close_many(n + 1);
	up(&a);
}
END_TEST

START_TEST(storm_of_bells)
{
	up(&a);
	bed.kicks = 0;
	/* Nothing arms the device: it is not looked at again before that. */
	for (unsigned int i = 0; i < 100; i++)
		kick(&a);
	ck_assert_uint_eq(bed.kicks, 1);
	(void)device_arm(dev_of(&a));
	bed_run(&bed);
	ck_assert_uint_eq(bed.kicks, 2);
}
END_TEST

static void arm(struct bed *unused, struct device *dev)
{
	(void)device_arm(dev);
}

/* Bells without requests have a budget; beyond it they are heard late. */
START_TEST(spurious_bells)
{
	up(&a);
	bed.on_kick = arm;
	bed.kicks = 0;
	/* When it is not listened to, its socket fills up. */
	for (unsigned int i = 0; i < 2000; i++) {
		(void)raw_say(&a, LOCAL_BELL);
		bed_run(&bed);
	}
	ck_assert_uint_le(bed.kicks, CHAN_SPURIOUS_BURST + 16);
	bed_wait(&bed, SIM_NSEC_PER_SEC);
	ck_assert(device_is_up(dev_of(&a)));
	bed.kicks = 0;
	kick(&a);
	ck_assert_uint_eq(bed.kicks, 1);
}
END_TEST

/* A client that does not read its bells is none of anybody's problem. */
START_TEST(bells_nobody_reads)
{
	struct vmsgif_tx_request req = { .op = VMSGIF_OP_READY };
	struct vmsgif_tx_response rsp;
	const struct vmsgif_segment *segs;
	struct request got;
	const char *name;

	up(&a);
	for (unsigned int i = 0; i < 2000; i++) {
		req.id = (uint16_t)(i % 32);
		raw_tx(&a, &req);
		kick(&a);
		ck_assert_int_eq(device_next_request(dev_of(&a), &got, &segs, &name), 1);
		device_complete(dev_of(&a), got.id, got.op, 0, 0, 0);
		device_publish_tx(dev_of(&a), false);
		(void)device_notify(dev_of(&a), true);
		(void)device_arm(dev_of(&a));
		ck_assert(raw_tx_rsp(&a, &rsp));
	}
	ck_assert(device_is_up(dev_of(&a)));
	ck_assert_uint_gt(raw_bells(&a), 10);
}
END_TEST

static Suite *limits_suite(void)
{
	Suite *s = suite_create("backend-local-limits");
	TCase *t = tcase_create("limits");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, clients_of_a_user);
	tcase_add_test(t, silent_connections_of_a_user);
	tcase_add_test(t, connects_too_often);
	tcase_add_test(t, pages_of_a_user);
	tcase_add_test(t, storm_of_bells);
	tcase_add_test(t, spurious_bells);
	tcase_add_test(t, bells_nobody_reads);
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
