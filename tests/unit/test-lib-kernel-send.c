// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libxenmsg over the kernel's driver: sending, waiting for room, publishing what
 * is lazy, and flushing.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "tests/unit/kernel-bed.h"

START_TEST(sends)
{
	char a[3] = "abc", many[2000];
	struct iovec iov[2000] = { { a, 1 }, { NULL, 0 }, { a + 1, 2 } };
	unsigned int i;
	uint64_t seq;

	ck_assert_int_eq(xenmsg_send(port, PEER, 7, "hello", 5, 0, &seq), 0);
	ck_assert_uint_eq(seq, 1);
	ck_assert_str_eq(fake.sent[0].bytes, "hello");
	ck_assert_uint_eq(fake.sent[0].tx.addr, PEER);
	ck_assert_uint_eq(fake.sent[0].tx.port, 7);
	ck_assert_uint_eq(fake.sent[0].tx.flags, 0);
	ck_assert_int_eq(xenmsg_sendv(port, PEER, 7, iov, 3, XENMSG_LAZY | XENMSG_CONFIRM, &seq),
			 0);
	ck_assert_str_eq(fake.sent[1].bytes, "abc");
	ck_assert_uint_eq(fake.sent[1].tx.flags,
			  XENMSG_TX_LAZY | XENMSG_TX_CONFIRM | XENMSG_TX_IOV);
	ck_assert_int_eq(xenmsg_sendv(port, PEER, 7, NULL, 0, 0, NULL), 0);
	ck_assert_uint_eq(fake.sent[2].tx.len, 0);
	/* More pieces than the kernel takes. */
	for (i = 0; i < 2000; i++) {
		many[i] = (char)i;
		iov[i] = (struct iovec){ &many[i], 1 };
	}
	ck_assert_int_eq(xenmsg_sendv(port, PEER, 7, iov, 2000, 0, NULL), 0);
	ck_assert_mem_eq(fake.sent[3].bytes, many, 2000);
	ck_assert_int_eq(xenmsg_send(port, 0, 7, "x", 1, 0, NULL), -EINVAL);
	fake.interrupts = 2;
	ck_assert_int_eq(send_bytes("again", 0), 0);
	ck_assert_str_eq(fake.sent[4].bytes, "again");
}
END_TEST

START_TEST(no_room)
{
	ck_assert(!readable());
	fake.no_room = true;
	ck_assert_int_eq(send_bytes("x", XENMSG_NONBLOCK), -EAGAIN);
	ck_assert(!readable());
	fake_room();
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_int_eq(send_bytes("x", XENMSG_NONBLOCK), 0);
	/* Seen by another call, it is told all the same. */
	fake.no_room = true;
	ck_assert_int_eq(send_bytes("x", XENMSG_NONBLOCK), -EAGAIN);
	fake_room();
	ck_assert_int_eq(nothing(), -EAGAIN);
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	/* That there is room wakes nobody who does not want it. */
	ck_assert(!readable());
	fake_answer(0, 0);
	ck_assert(!readable());
}
END_TEST

static bool make_room(void *arg)
{
	if (!fake.no_room)
		return false;
	/* A message for somebody else comes first. */
	if (!file->nr_msgs)
		fake_deliver(file, PEER, 1, 'm');
	else
		fake_room();
	return true;
}

START_TEST(waits_for_room)
{
	sim_actor_new(others, make_room, NULL);
	fake.no_room = true;
	ck_assert_int_eq(send_bytes("x", 0), 0);
	ck_assert_uint_eq(fake.nr_sent, 1);
	/* What came up meanwhile is not forgotten. */
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	xenmsg_release(receive(1, 'm'));
}
END_TEST

/* Lazy messages are published by what the header says. */
START_TEST(lazy)
{
	ck_assert_int_eq(send_bytes("x", XENMSG_LAZY), 0);
	ck_assert(!fake.published);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert(fake.published);
	fake.published = false;
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert(!fake.published); /* at no cost if there are none */
	ck_assert_int_eq(send_bytes("x", XENMSG_LAZY), 0);
	ck_assert_int_eq(xenmsg_wait(x, 1), 0);
	ck_assert(fake.published);
	fake.published = false;
	ck_assert_int_eq(send_bytes("x", XENMSG_LAZY), 0);
	ck_assert_int_eq(nothing(), -EAGAIN);
	ck_assert(fake.published);
}
END_TEST

/* A flush of several ports: all are waited for, the first failure is told. */
START_TEST(flush_of_all)
{
	struct xenmsg_port *other;

	ck_assert_int_eq(xenmsg_port_open(x, 8, NULL, &other), 0);
	ck_assert_int_eq(send_bytes("a", 0), 0);
	ck_assert_int_eq(xenmsg_send(other, PEER, 7, "b", 1, 0, NULL), 0);
	fake_answer(1, -EACCES);
	ck_assert_int_eq(xenmsg_flush(x, 10), -ETIMEDOUT);
	fake_answer(0, -EDQUOT);
	ck_assert_int_eq(xenmsg_flush(x, 10), -EACCES);
	ck_assert_int_eq(xenmsg_flush(x, 10), 0);
}
END_TEST

static bool answer_later(void *arg)
{
	unsigned int *left = arg;

	if (!*left || --*left)
		return *left;
	fake_answer(0, 0);
	return true;
}

START_TEST(flush_waits)
{
	unsigned int left = 4;
	uint64_t begin = sim_now();

	ck_assert_int_eq(send_bytes("a", 0), 0);
	sim_actor_new(others, answer_later, &left);
	ck_assert_int_eq(xenmsg_flush(x, 10000), 0);
	ck_assert_uint_lt(sim_now() - begin, 100 * SIM_NSEC_PER_MSEC);
	/* Once it is over, an answer wakes nobody again. */
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_int_eq(send_bytes("a", 0), 0);
	fake_answer(1, 0);
	ck_assert(!readable());
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lib-kernel-send");
	TCase *tcase = tcase_create("send");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup_port, teardown);
	tcase_add_test(tcase, sends);
	tcase_add_test(tcase, no_room);
	tcase_add_test(tcase, waits_for_room);
	tcase_add_test(tcase, lazy);
	tcase_add_test(tcase, flush_of_all);
	tcase_add_test(tcase, flush_waits);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
