// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libxenmsg over the kernel's driver: receiving, and the buffers that messages are
 * in until they are released.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "tests/unit/kernel-bed.h"

/* Many messages, one call. */
START_TEST(batches)
{
	struct xenmsg_msg *msgs[64];
	unsigned int i;

	for (i = 0; i < 64; i++)
		fake_deliver(file, PEER, 100 + i, (char)i);
	for (i = 0; i < 64; i++) {
		msgs[i] = receive(100 + i, (char)i);
		ck_assert_uint_eq(xenmsg_msg_seq(msgs[i]), i + 1);
		ck_assert_uint_eq(xenmsg_msg_addr(msgs[i]), PEER);
		ck_assert_uint_eq(xenmsg_msg_port(msgs[i]), 5);
		ck_assert_int_eq(xenmsg_msg_is_mapped(msgs[i]), 0);
	}
	ck_assert_uint_eq(calls(XENMSG_IOC_RECV), 1);
	for (i = 0; i < 64; i++) {
		char last;

		ck_assert_uint_eq(xenmsg_copy(msgs[i], 99 + i, &last, 5), 1);
		ck_assert_int_eq(last, (char)i);
		ck_assert_uint_eq(xenmsg_copy(msgs[i], 100 + i, &last, 5), 0);
		xenmsg_release(msgs[i]);
	}
	fake_deliver(file, PEER, 0, 0);
	xenmsg_release(receive(0, 0));
}
END_TEST

/* A buffer whose messages are all released is used again: the same memory. */
START_TEST(buffer_again)
{
	const void *first = NULL;
	struct xenmsg_msg *msg;
	struct iovec iov;
	unsigned int i;

	for (i = 0; i < 300; i++) {
		fake_deliver(file, PEER, 20000, 'a');
		msg = receive(20000, 'a');
		xenmsg_msg_iov(msg, &iov, 1);
		if (!first)
			first = iov.iov_base;
		ck_assert_ptr_eq(iov.iov_base, first);
		xenmsg_release(msg);
	}
}
END_TEST

/* A message that is held does not stop the others, nor is it touched. */
START_TEST(held_message)
{
	struct xenmsg_msg *held[3];
	unsigned int i, j;

	for (j = 0; j < 3; j++) {
		fake_deliver(file, PEER, 1000, (char)('A' + j));
		held[j] = receive(1000, (char)('A' + j));
		for (i = 0; i < 500; i++) {
			fake_deliver(file, PEER, 30000, 'x');
			xenmsg_release(receive(30000, 'x'));
		}
	}
	for (j = 0; j < 3; j++) {
		char c[1000];

		ck_assert_uint_eq(xenmsg_copy(held[j], 0, c, sizeof(c)), 1000);
		ck_assert_int_eq(c[0], (char)('A' + j));
		ck_assert_int_eq(c[999], (char)('A' + j));
		xenmsg_release(held[j]);
	}
}
END_TEST

/* Always the last few are held: buffers go round, they do not become more and more. */
START_TEST(buffers_go_round)
{
	const void *seen[12] = { NULL };
	struct xenmsg_msg *held[5] = { NULL };
	unsigned int i, j;
	struct iovec iov;

	for (i = 0; i < 500; i++) {
		xenmsg_release(held[i % 5]);
		fake_deliver(file, PEER, 30000, (char)i);
		held[i % 5] = receive(30000, (char)i);
		xenmsg_msg_iov(held[i % 5], &iov, 1);
		for (j = 0; j < 12 && seen[j] && seen[j] != iov.iov_base; j++)
			;
		ck_assert_uint_lt(j, 12);
		if (j < 12)
			seen[j] = iov.iov_base;
	}
}
END_TEST

START_TEST(long_messages)
{
	struct xenmsg_msg *small, *large;
	unsigned int i;

	for (i = 0; i < 10; i++) {
		fake_deliver(file, PEER, 100, 's');
		fake_deliver(file, PEER, XENMSG_MESSAGE_MAX, 'l');
		small = receive(100, 's');
		large = receive(XENMSG_MESSAGE_MAX, 'l');
		if (i % 2)
			xenmsg_release(small);
		xenmsg_release(large);
		if (i % 2 == 0)
			xenmsg_release(small);
	}
}
END_TEST

/* What is held is bounded; then a release goes on, and the descriptor says so. */
START_TEST(bounded)
{
	struct xenmsg_msg *held[64], *msg;
	unsigned int i, n = 0;

	for (i = 0; i < 64; i++)
		fake_deliver(file, PEER, 60000, (char)i);
	while (!xenmsg_recv(port, &msg, 0))
		held[n++] = msg;
	/* 2 MiB and a little. */
	ck_assert_uint_ge(n, 32);
	ck_assert_uint_le(n, 36);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert(!readable());
	ck_assert_int_eq(xenmsg_recv(port, &msg, 10), -ETIMEDOUT);
	xenmsg_release(held[3]);
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	xenmsg_release(receive(60000, (char)n));
	for (i = 0; i < n; i++) {
		char c;

		if (i == 3)
			continue;
		ck_assert_uint_eq(xenmsg_copy(held[i], 59999, &c, 1), 1);
		ck_assert_int_eq(c, (char)i);
		xenmsg_release(held[i]);
	}
	for (i = n + 1; i < 64; i++)
		xenmsg_release(receive(60000, (char)i));
	ck_assert_int_eq(nothing(), -EAGAIN);
}
END_TEST

/* Many small messages that are held fill buffers, instead of one each. */
START_TEST(small_ones_held)
{
	struct xenmsg_msg *held[800];
	unsigned int i;

	for (i = 0; i < 800; i++) {
		fake_deliver(file, PEER, 10, (char)i);
		held[i] = receive(10, (char)i);
	}
	for (i = 0; i < 800; i++) {
		char c;

		ck_assert_uint_eq(xenmsg_copy(held[i], 0, &c, 1), 1);
		ck_assert_int_eq(c, (char)i);
		xenmsg_release(held[i]);
	}
}
END_TEST

static bool deliver_later(void *arg)
{
	unsigned int *left = arg;

	if (!*left)
		return false;
	if (!--*left)
		fake_deliver(file, PEER, 3, 'd');
	return true;
}

START_TEST(waits)
{
	struct xenmsg_msg *msg;
	uint64_t begin = sim_now();
	unsigned int left = 3;

	ck_assert_int_eq(xenmsg_recv(port, &msg, 100), -ETIMEDOUT);
	ck_assert_uint_ge(sim_now() - begin, 100 * SIM_NSEC_PER_MSEC);
	ck_assert_int_eq(xenmsg_wait(x, 100), 0);
	sim_actor_new(others, deliver_later, &left);
	ck_assert_int_eq(xenmsg_recv(port, &msg, -1), 0);
	xenmsg_release(msg);
	/* Who waited has had it: nothing to be told. */
	ck_assert(!readable());
	left = 3;
	ck_assert_int_eq(xenmsg_wait(x, -1), 1);
	xenmsg_release(receive(3, 'd'));
	fake.error[FAKE_CALL(XENMSG_IOC_RECV)] = -EIO;
	ck_assert_int_eq(xenmsg_recv(port, &msg, 100), -EIO);
}
END_TEST

START_TEST(unbound_receives_nothing)
{
	struct xenmsg_port *unbound;
	struct xenmsg_msg *msg;

	ck_assert_int_eq(xenmsg_port_open(x, 0, NULL, &unbound), 0);
	ck_assert_int_eq(xenmsg_recv(unbound, &msg, 0), -EAGAIN);
	ck_assert_int_eq(xenmsg_recv(unbound, &msg, 10), -ETIMEDOUT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lib-kernel-recv");
	TCase *tcase = tcase_create("recv");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup_port, teardown);
	tcase_add_test(tcase, batches);
	tcase_add_test(tcase, buffer_again);
	tcase_add_test(tcase, held_message);
	tcase_add_test(tcase, buffers_go_round);
	tcase_add_test(tcase, long_messages);
	tcase_add_test(tcase, bounded);
	tcase_add_test(tcase, small_ones_held);
	tcase_add_test(tcase, waits);
	tcase_add_test(tcase, unbound_receives_nothing);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
