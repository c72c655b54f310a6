// SPDX-License-Identifier: GPL-2.0-or-later
/* The whole system over the simulated Xen: when lazy messages arrive. */
#include "tests/unit/system-basic.h"

#include <check.h>
#include <stdlib.h>

/* Nobody is told of it at once, but soon. */
START_TEST(lazy_alone)
{
	struct xenmsg_port *out, *in;
	uint64_t sent;

	begin("");
	out = vm_bind(alice, 5, NULL);
	in = vm_bind(bob, 7, NULL);
	for (unsigned int i = 0; i < 3; i++) {
		vm_enter(alice);
		ck_assert_int_eq(
			xenmsg_send(out, xenmsg_address(bob->x), 7, "x", 1, XENMSG_LAZY, NULL), 0);
		sent = sim_now();
		xenmsg_release(vm_receive(bob, in));
		ck_assert_uint_le(sim_now() - sent, 3 * VMSGIF_LAZY_NS);
	}
	end();
}
END_TEST

/* What is lazy is there after a millisecond, and wakes nobody before. */
START_TEST(lazy_messages_take_their_time)
{
	struct xenmsg_port *out, *in;
	uint64_t start;

	begin("");
	out = vm_bind(alice, 5, NULL);
	in = vm_bind(bob, 7, NULL);
	world_run(&w, 100);
	start = sim_now();
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_send(out, xenmsg_address(bob->x), 7, "", 0, XENMSG_LAZY, NULL), 0);
	vm_expect(bob, in, 0, 0);
	ck_assert_uint_ge(sim_now(), start + VMSGIF_LAZY_NS / 2);
	ck_assert_uint_le(sim_now(), start + 3 * VMSGIF_LAZY_NS);

	world_run(&w, 100);
	start = sim_now();
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_send(out, xenmsg_address(bob->x), 7, "", 0, 0, NULL), 0);
	vm_expect(bob, in, 0, 0);
	ck_assert_uint_lt(sim_now(), start + VMSGIF_LAZY_NS / 2);
	end();
}
END_TEST

/* Lazy ones go with the next that is not, in the order in which they were sent. */
START_TEST(lazy_messages_go_with_an_urgent_one)
{
	struct xenmsg_port *out, *in;
	uint64_t start, events;

	begin("");
	out = vm_bind(alice, 5, NULL);
	in = vm_bind(bob, 7, NULL);
	world_run(&w, 100);
	start = sim_now();
	events = sim_counts(alice->process)->calls[SIM_CALL_NOTIFY];
	vm_enter(alice);
	for (unsigned int i = 0; i < 20; i++) {
		char data = (char)i;

		ck_assert_int_eq(xenmsg_send(out, xenmsg_address(bob->x), 7, &data, 1,
					     i == 19 ? 0 : XENMSG_LAZY, NULL),
				 0);
	}
	ck_assert_uint_eq(sim_counts(alice->process)->calls[SIM_CALL_NOTIFY], events + 1);
	for (unsigned int i = 0; i < 20; i++) {
		struct xenmsg_msg *msg = vm_receive(bob, in);
		char data;

		ck_assert_uint_eq(xenmsg_copy(msg, 0, &data, 1), 1);
		ck_assert_int_eq(data, (char)i);
		xenmsg_release(msg);
	}
	ck_assert_uint_lt(sim_now(), start + VMSGIF_LAZY_NS / 2);
	end();
}
END_TEST

/* A receiver whose lazy messages are flushed by its own wait sees them, too. */
START_TEST(flush_sends_what_is_lazy)
{
	struct xenmsg_port *out, *in;
	uint64_t start;

	begin("");
	out = vm_bind(alice, 5, NULL);
	in = vm_bind(bob, 7, NULL);
	world_run(&w, 100);
	start = sim_now();
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_send(out, xenmsg_address(bob->x), 7, "abc", 3, XENMSG_LAZY, NULL),
			 0);
	ck_assert_int_eq(xenmsg_flush(alice->x, VM_TIMEOUT), 0);
	ck_assert_uint_le(sim_now(), start + 3 * VMSGIF_LAZY_NS);
	ck_assert_uint_eq(xenmsg_msg_len(vm_receive(bob, in)), 3);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("system-basic-lazy");
	TCase *tcase = tcase_create("lazy");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, lazy_alone);
	tcase_add_test(tcase, lazy_messages_take_their_time);
	tcase_add_test(tcase, lazy_messages_go_with_an_urgent_one);
	tcase_add_test(tcase, flush_sends_what_is_lazy);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
