// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What wakes whom: the application's descriptor, events that are asked for and
 * those that are not, lazy messages, and how many calls all that costs.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "tests/unit/system-traffic.h"
#include "tests/unit/system.h"

static const char config[] = "[devices]\n"
			     "domains = alice bob\n"
			     "[allow all]\n"
			     "from = *\n"
			     "to = *\n"
			     "modes = copy map\n";

static struct world w;
static struct vm *alice, *bob;
static struct xenmsg_port *from, *to;
static uint32_t addr;

/* The applications' event loops are the tests': the vms' actors do not dispatch. */
static void setup(void)
{
	world_init(&w, 1, config);
	alice = vm_new(&w, "alice", SIM_PV);
	bob = vm_new(&w, "bob", SIM_PVH);
	ck_assert_int_eq(world_broker_start(&w), 0);
	ck_assert_int_eq(vm_open(alice, NULL), 0);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
	from = vm_bind(alice, 5, NULL);
	to = vm_bind(bob, 7, NULL);
	addr = vm_find(alice, "bob");
	sim_actor_stall(alice->actor, true);
	sim_actor_stall(bob->actor, true);
	world_run(&w, 10);
	xenmsg_dispatch(alice->x);
	xenmsg_dispatch(bob->x);
	vm_enter(alice);
}

static void teardown(void)
{
	sim_enter(NULL);
	world_fini(&w);
}

static bool readable(struct vm *vm, int timeout)
{
	struct pollfd p = { .fd = xenmsg_fd(vm->x), .events = POLLIN };

	vm_enter(vm);
	return poll(&p, 1, timeout) == 1;
}

static uint64_t calls(const struct vm *vm, enum sim_call call)
{
	return sim_counts(vm->process)->calls[call];
}

/* -------------------------------------------------------------- descriptor */

START_TEST(descriptor_tells_of_messages)
{
	struct xenmsg_msg *msg;
	int i;

	for (i = 0; i < 5; i++) {
		ck_assert(!readable(bob, 0));
		ck_assert_int_eq(vm_send(alice, from, addr, 7, 50, 1), 0);
		ck_assert_int_eq(vm_send(alice, from, addr, 7, 50, 2), 0);
		ck_assert(readable(bob, 100));
		ck_assert_int_eq(xenmsg_dispatch(bob->x), 0);
		while (!xenmsg_recv(to, &msg, 0))
			xenmsg_release(msg);
	}
	ck_assert(!readable(bob, 100));
}
END_TEST

/* What another call than dispatch takes in is not forgotten. */
START_TEST(descriptor_tells_of_what_others_took_in)
{
	struct xenmsg_port *other = vm_bind(bob, 8, NULL);
	struct xenmsg_msg *msg;

	xenmsg_dispatch(bob->x);
	ck_assert(!readable(bob, 0));
	ck_assert_int_eq(vm_send(alice, from, addr, 8, 50, 1), 0);
	world_run(&w, 1);
	vm_enter(bob);
	ck_assert_int_eq(xenmsg_recv(to, &msg, 0), -EAGAIN);
	ck_assert(readable(bob, 0));
	ck_assert_int_eq(xenmsg_dispatch(bob->x), 0);
	ck_assert_int_eq(xenmsg_recv(other, &msg, 0), 0);
	xenmsg_release(msg);
	ck_assert(!readable(bob, 10));
	/* The same for xenmsg_wait(). */
	ck_assert_int_eq(vm_send(alice, from, addr, 8, 50, 1), 0);
	world_run(&w, 1);
	vm_enter(bob);
	ck_assert_int_eq(xenmsg_recv(to, &msg, 0), -EAGAIN);
	ck_assert_int_eq(xenmsg_wait(bob->x, 0), 1);
	ck_assert_int_eq(xenmsg_recv(other, &msg, 0), 0);
	xenmsg_release(msg);
}
END_TEST

/* That a message arrived wakes nobody who did not ask. */
START_TEST(answers_wake_who_asked)
{
	struct xenmsg_event e;

	ck_assert_int_eq(vm_send(alice, from, addr, 7, 50, 1), 0);
	ck_assert(!readable(alice, 50));
	ck_assert_int_eq(xenmsg_send(from, addr, 7, "x", 1, XENMSG_CONFIRM, NULL), 0);
	ck_assert(readable(alice, 50));
	ck_assert_int_eq(xenmsg_dispatch(alice->x), 0);
	ck_assert_int_eq(xenmsg_event(alice->x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_SENT);
}
END_TEST

/* -------------------------------------------------------------------- costs */

static unsigned int received;

/* A receiver that is always there: it takes what it finds, without a wait. */
static bool take_all(void *arg)
{
	struct xenmsg_msg *msg;
	bool any = false;

	while (!xenmsg_recv(to, &msg, 0)) {
		received++;
		any = true;
		xenmsg_release(msg);
	}
	return any;
}

/* A thousand messages do not take a thousand calls into the kernel, on either side. */
START_TEST(many_messages_few_calls)
{
	uint64_t before, notified, map;
	int i;

	sim_actor_new(bob->process, take_all, NULL);
	vm_enter(alice);
	before = calls(alice, SIM_CALL_ANY);
	notified = calls(alice, SIM_CALL_NOTIFY);
	map = calls(bob, SIM_CALL_ANY);
	for (i = 0; i < 1000; i++)
		ck_assert_int_eq(xenmsg_send(from, addr, 7, "0123456789", 10, 0, NULL), 0);
	ck_assert_int_eq(xenmsg_flush(alice->x, 1000), 0);
	world_run(&w, 1);
	ck_assert_uint_eq(received, 1000);
	ck_assert_uint_lt(calls(alice, SIM_CALL_NOTIFY) - notified, 250);
	ck_assert_uint_lt(calls(alice, SIM_CALL_ANY) - before, 800);
	ck_assert_uint_lt(calls(bob, SIM_CALL_ANY) - map, 300);
}
END_TEST

/* A request and its answer: one event sent and one received at each end. */
START_TEST(round_trip_of_two_events)
{
	struct xenmsg_msg *msg;
	uint64_t sent[2], got[2];
	int i;

	for (i = 0; i < 4; i++) {
		sent[0] = calls(alice, SIM_CALL_NOTIFY);
		sent[1] = calls(bob, SIM_CALL_NOTIFY);
		got[0] = calls(alice, SIM_CALL_PENDING);
		got[1] = calls(bob, SIM_CALL_PENDING);
		ck_assert_int_eq(vm_send(alice, from, addr, 7, 64, 1), 0);
		xenmsg_release(vm_receive(bob, to));
		ck_assert_int_eq(vm_send(bob, to, xenmsg_address(alice->x), 5, 64, 2), 0);
		msg = vm_receive(alice, from);
		xenmsg_release(msg);
	}
	ck_assert_uint_eq(calls(alice, SIM_CALL_NOTIFY) - sent[0], 1);
	ck_assert_uint_eq(calls(bob, SIM_CALL_NOTIFY) - sent[1], 1);
	ck_assert_uint_eq(calls(alice, SIM_CALL_PENDING) - got[0], 1);
	ck_assert_uint_eq(calls(bob, SIM_CALL_PENDING) - got[1], 1);
}
END_TEST

/* --------------------------------------------------------------------- lazy */

/* An application that only has the descriptor sends what is lazy a millisecond later. */
START_TEST(lazy_by_the_descriptor)
{
	struct xenmsg_msg *msg;
	uint64_t begin = sim_now();

	ck_assert_int_eq(xenmsg_send(from, addr, 7, "lazy", 4, XENMSG_LAZY, NULL), 0);
	ck_assert(readable(alice, 100));
	ck_assert_uint_ge(sim_now() - begin, SIM_NSEC_PER_MSEC);
	ck_assert_uint_le(sim_now() - begin, 2 * SIM_NSEC_PER_MSEC);
	ck_assert_int_eq(xenmsg_dispatch(alice->x), 0);
	vm_enter(bob);
	ck_assert_int_eq(xenmsg_recv(to, &msg, 100), 0);
	xenmsg_release(msg);
	ck_assert(!readable(alice, 10));
}
END_TEST

START_TEST(lazy_ones_fill_the_window)
{
	int i;

	sim_actor_new(bob->process, take_all, NULL);
	vm_enter(alice);
	for (i = 0; i < 200; i++)
		ck_assert_int_eq(xenmsg_send(from, addr, 7, "lazy", 4, XENMSG_LAZY, NULL), 0);
	ck_assert_int_eq(xenmsg_flush(alice->x, 1000), 0);
	world_run(&w, 5);
	ck_assert_uint_eq(received, 200);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lib-wake");
	TCase *tcase = tcase_create("wake");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, descriptor_tells_of_messages);
	tcase_add_test(tcase, descriptor_tells_of_what_others_took_in);
	tcase_add_test(tcase, answers_wake_who_asked);
	tcase_add_test(tcase, many_messages_few_calls);
	tcase_add_test(tcase, round_trip_of_two_events);
	tcase_add_test(tcase, lazy_by_the_descriptor);
	tcase_add_test(tcase, lazy_ones_fill_the_window);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
