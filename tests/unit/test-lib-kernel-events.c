// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libxenmsg over the kernel's driver: the descriptor that wakes a program, and
 * what it is told of its messages, of peers and of ports.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "tests/unit/kernel-bed.h"

START_TEST(descriptor)
{
	struct xenmsg_port *other;
	struct xenmsg_msg *msg;

	ck_assert_int_eq(xenmsg_port_open(x, 8, NULL, &other), 0);
	ck_assert(!readable());
	fake_deliver(file, PEER, 10, 'a');
	ck_assert(readable());
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	/* It tells of what is new. */
	ck_assert(!readable());
	xenmsg_release(receive(10, 'a'));
	ck_assert_int_eq(nothing(), -EAGAIN);
	/* What another call than dispatch saw is not forgotten. */
	fake_deliver(fake_port(8), PEER, 10, 'b');
	ck_assert_int_eq(nothing(), -EAGAIN);
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert(!readable());
	ck_assert_int_eq(xenmsg_recv(other, &msg, 0), 0);
	xenmsg_release(msg);
	fake_deliver(fake_port(8), PEER, 10, 'b');
	ck_assert_int_eq(nothing(), -EAGAIN);
	ck_assert_int_eq(xenmsg_wait(x, -1), 1);
	ck_assert(!readable());
}
END_TEST

/* Messages alone cost no call for events. */
START_TEST(no_vain_calls)
{
	unsigned int i;

	for (i = 0; i < 50; i++) {
		fake_deliver(file, PEER, 10, 'a');
		ck_assert_int_eq(xenmsg_dispatch(x), 0);
		xenmsg_release(receive(10, 'a'));
	}
	ck_assert_uint_eq(calls(XENMSG_IOC_EVENTS), 0);
	ck_assert_uint_eq(calls(XENMSG_IOC_RECV), 50);
	ck_assert_uint_eq(fake.waits, 50);
}
END_TEST

START_TEST(events_of_sends)
{
	struct xenmsg_event e;
	unsigned int flushes;
	uint64_t seq[3];

	ck_assert_int_eq(xenmsg_event(x, &e), -EAGAIN);
	ck_assert_int_eq(xenmsg_send(port, PEER, 8, "a", 1, 0, &seq[0]), 0);
	ck_assert_int_eq(xenmsg_send(port, PEER, 9, "b", 1, 0, &seq[1]), 0);
	ck_assert_int_eq(xenmsg_send(port, PEER, 7, "c", 1, XENMSG_CONFIRM, &seq[2]), 0);
	ck_assert_int_eq(xenmsg_flush(x, 10), -ETIMEDOUT);
	fake_answer(0, -ECONNREFUSED);
	fake_answer(1, 0);
	fake_answer(2, 0);
	ck_assert_int_eq(xenmsg_flush(x, 10), -ECONNREFUSED);
	flushes = calls(XENMSG_IOC_FLUSH);
	ck_assert_int_eq(xenmsg_flush(x, 10), 0);
	ck_assert_uint_eq(calls(XENMSG_IOC_FLUSH), flushes); /* nothing was sent */
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_SEND_FAILED);
	ck_assert_int_eq(e.status, -ECONNREFUSED);
	ck_assert_ptr_eq(e.port, port);
	ck_assert_uint_eq(e.addr, PEER);
	ck_assert_uint_eq(e.number, 8);
	ck_assert_uint_eq(e.seq, seq[0]);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_SENT);
	ck_assert_int_eq(e.status, 0);
	ck_assert_uint_eq(e.seq, seq[2]);
	ck_assert_int_eq(xenmsg_event(x, &e), -EAGAIN);
}
END_TEST

START_TEST(events_of_peers)
{
	struct xenmsg_uapi_event up = {
		.type = XENMSG_EV_PEER_UP,
		.addr = PEER,
		.name_len = 3,
		.name = "bob",
	};
	struct xenmsg_uapi_event down = { .type = XENMSG_EV_PEER_DOWN, .addr = PEER };
	struct xenmsg_uapi_event some = { .type = XENMSG_EV_LOST };
	struct xenmsg_uapi_event lost = { .type = XENMSG_EV_PORT_LOST, .status = -EADDRINUSE };
	struct xenmsg_event e;

	fake_event(&fake.files[0], &up);
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_PEER_UP);
	ck_assert_uint_eq(e.addr, PEER);
	ck_assert_str_eq(e.name, "bob");
	/* Two files tell, the application hears of it once. */
	fake_event(&fake.files[0], &down);
	fake_event(file, &down);
	down.addr++;
	fake_event(file, &down);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_PEER_DOWN);
	ck_assert_uint_eq(e.addr, PEER);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_uint_eq(e.addr, PEER + 1);
	ck_assert_int_eq(xenmsg_event(x, &e), -EAGAIN);
	some.seq = 7;
	fake_event(file, &some);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_LOST);
	ck_assert_uint_eq(e.count, 7);
	fake_event(file, &lost);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_PORT_LOST);
	ck_assert_int_eq(e.status, -EADDRINUSE);
	ck_assert_ptr_eq(e.port, port);
}
END_TEST

START_TEST(events_are_lost)
{
	struct xenmsg_event e;
	unsigned int i;

	for (i = 0; i < 300; i++) {
		ck_assert_int_eq(send_bytes("x", 0), 0);
		fake_answer(i, -ECONNREFUSED);
	}
	ck_assert_int_eq(xenmsg_flush(x, 10), -ECONNREFUSED);
	for (i = 0; i < 256; i++) {
		ck_assert_int_eq(xenmsg_event(x, &e), 0);
		ck_assert_int_eq(e.type, XENMSG_SEND_FAILED);
	}
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_LOST);
	ck_assert_uint_eq(e.count, 44);
	ck_assert_int_eq(xenmsg_event(x, &e), -EAGAIN);
	/* Those that the application did not fetch count in the same way. */
	for (i = 300; i < 310; i++) {
		ck_assert_int_eq(send_bytes("x", 0), 0);
		fake_answer(i, -ECONNREFUSED);
	}
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_SEND_FAILED);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lib-kernel-events");
	TCase *tcase = tcase_create("events");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup_port, teardown);
	tcase_add_test(tcase, descriptor);
	tcase_add_test(tcase, no_vain_calls);
	tcase_add_test(tcase, events_of_sends);
	tcase_add_test(tcase, events_of_peers);
	tcase_add_test(tcase, events_are_lost);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
