// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The whole system over the simulated Xen: brokers that die and come back at any
 * moment. Nothing is lost, nothing comes twice, nothing out of order. Not between
 * guests, and not between a guest and a program of domain 0.
 */
#include "tests/unit/system-flows.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

static struct flows f;
static enum flows_local local;

static void alice_is_local(void)
{
	local = FLOWS_ALICE_IS_LOCAL;
}

static void bob_is_local(void)
{
	local = FLOWS_BOB_IS_LOCAL;
}

static void begin(const char *settings, uint64_t seed)
{
	flows_init(&f, local, settings, seed);
}

static void connect_all(void)
{
	ck_assert_int_eq(world_broker_start(&f.w), 0);
	flows_open(&f);
}

static const char *settings_of(unsigned int i)
{
	return i % 2 ? "pools = no" : "";
}

/* --------------------------------------------------------------------- deaths */

/* At its n-th call from an idle moment on. */
START_TEST(killed_at_a_call)
{
	unsigned int n = (unsigned int)_i / 2 + 1;

	begin(settings_of(n), n);
	world_broker_keep(&f.w, n % 7);
	connect_all();
	sim_kill_at(f.w.process, n, _i % 2 ? SIM_AFTER : SIM_BEFORE);
	flows_exchange(&f);
	ck_assert_uint_eq(f.w.brokers, 2);
	world_fini(&f.w);
}
END_TEST

/* Just before it writes to memory that it shares with others. */
START_TEST(killed_at_a_store)
{
	unsigned int n = 1 + (unsigned int)_i * 17;

	begin(settings_of((unsigned int)_i), n);
	world_broker_keep(&f.w, 1);
	connect_all();
	if (sim_kill_at_store(f.w.process, n)) {
		flows_exchange(&f);
		ck_assert_uint_eq(f.w.brokers, 2);
	}
	world_fini(&f.w);
}
END_TEST

/* The next one has not done much when it dies as well; and the one after that. */
START_TEST(killed_again_and_again)
{
	unsigned int n = (unsigned int)_i + 1, brokers = 0, rounds = 0;

	begin(settings_of(n), n);
	world_broker_keep(&f.w, 2);
	connect_all();
	while (!flows_done(&f) && rounds++ < 3000) {
		if (f.w.process && f.w.brokers != brokers && brokers < 12) {
			brokers = f.w.brokers;
			sim_kill_at(f.w.process, n * (1 + brokers % 3),
				    brokers % 2 ? SIM_AFTER : SIM_BEFORE);
		}
		(void)flows_round(&f);
		if (rounds < 20)
			world_run(&f.w, 1);
		else
			break;
	}
	world_run(&f.w, 500);
	sim_fail_reset();
	flows_exchange(&f);
	ck_assert_uint_gt(f.w.brokers, 1);
	world_fini(&f.w);
}
END_TEST

/* While the frontends connect for the first time. */
START_TEST(killed_while_frontends_connect)
{
	unsigned int n = (unsigned int)_i + 1;

	begin(settings_of(n), n);
	world_broker_keep(&f.w, 1);
	ck_assert_int_eq(world_broker_start(&f.w), 0);
	sim_kill_at(f.w.process, n, n % 2 ? SIM_AFTER : SIM_BEFORE);
	flows_open(&f);
	flows_exchange(&f);
	world_fini(&f.w);
}
END_TEST

/* While it starts, before anybody is there, and with frontends that wait for it. */
START_TEST(killed_while_it_starts)
{
	unsigned int n = (unsigned int)_i / 2 + 1;
	struct sim_process *process;

	begin(settings_of(n), n);
	connect_all();
	for (unsigned int i = 0; i < 10; i++)
		for (unsigned int j = 0; j < 3; j++)
			(void)flows_send(&f, &f.flow[j]);
	if (n % 3)
		world_broker_kill(&f.w);
	else
		world_broker_stop(&f.w);
	world_run(&f.w, 10);
	/* The calls of world_broker_start() itself. */
	f.w.kill_at = n;
	f.w.kill_when = _i % 2 ? SIM_AFTER : SIM_BEFORE;
	(void)world_broker_start(&f.w);
	process = f.w.process;
	world_run(&f.w, 50);
	f.w.kill_at = 0;
	if (world_broker_ended(&f.w)) {
		world_broker_reap(&f.w);
		ck_assert_int_eq(world_broker_start(&f.w), 0);
	} else {
		ck_assert_ptr_eq(process, f.w.process);
	}
	sim_fail_reset();
	flows_exchange(&f);
	world_fini(&f.w);
}
END_TEST

/* It stops as for an upgrade, many times, in the middle of traffic. */
START_TEST(restarted_cleanly)
{
	begin(settings_of((unsigned int)_i), (uint64_t)_i);
	connect_all();
	for (unsigned int round = 0; round < 10; round++) {
		for (unsigned int i = 0; i < 3; i++) {
			if (f.flow[i].sent < f.count)
				(void)flows_send(&f, &f.flow[i]);
			if (f.flow[i].sent < f.count)
				(void)flows_send(&f, &f.flow[i]);
			if (round % 3 == 2)
				(void)flows_receive(&f, &f.flow[i]);
		}
		/* Sometimes it gets to see nothing of it, sometimes half. */
		if (round % 2)
			sim_run(NULL, NULL, 0, 0);
		world_broker_stop(&f.w);
		world_run(&f.w, round % 4 ? 5 : 0);
		ck_assert_int_eq(world_broker_start(&f.w), 0);
		if (round % 3)
			world_run(&f.w, 5);
	}
	flows_exchange(&f);
	world_fini(&f.w);
}
END_TEST

/* Addresses stay, and what was subscribed and bound is so again. */
START_TEST(addresses_and_names_stay)
{
	struct xenmsg_event event;
	uint32_t addr, number, alices, bobs;

	begin("", 1);
	connect_all();
	alices = xenmsg_address(f.alice->x);
	bobs = xenmsg_address(f.bob->x);
	(void)vm_bind(f.bob, 77, "echo");
	vm_enter(f.alice);
	ck_assert_int_eq(xenmsg_subscribe(f.alice->x, "bob"), 0);
	event = vm_event(f.alice, XENMSG_PEER_UP);
	for (unsigned int round = 0; round < 3; round++) {
		if (round % 2)
			world_broker_kill(&f.w);
		else
			world_broker_stop(&f.w);
		ck_assert_int_eq(world_broker_start(&f.w), 0);
		/* A look-up waits for who is to come back. */
		vm_enter(f.alice);
		ck_assert_int_eq(xenmsg_resolve(f.alice->x, "echo@bob", &addr, &number, VM_TIMEOUT),
				 0);
		ck_assert_uint_eq(addr, bobs);
		ck_assert_uint_eq(number, 77);
		ck_assert_uint_eq(xenmsg_address(f.alice->x), alices);
		ck_assert_uint_eq(xenmsg_address(f.bob->x), bobs);
	}
	world_run(&f.w, 100);
	/* It may be told again, but not of anything else. */
	while (!xenmsg_event(f.alice->x, &event)) {
		ck_assert_int_eq(event.type, XENMSG_PEER_UP);
		ck_assert_uint_eq(event.addr, bobs);
	}
	vm_close(f.bob);
	event = vm_event(f.alice, XENMSG_PEER_DOWN);
	ck_assert_uint_eq(event.addr, bobs);
	world_fini(&f.w);
}
END_TEST

/* Who does not come back is dead, for those who have something under way to it. */
START_TEST(who_does_not_come_back_is_dead)
{
	struct xenmsg_event event;
	uint32_t bobs;

	begin("", 1);
	connect_all();
	bobs = xenmsg_address(f.bob->x);
	ck_assert_int_eq(vm_send(f.alice, f.flow[0].out, bobs, 7, 9000, 1), 0);
	world_run(&f.w, 5);
	world_broker_kill(&f.w);
	for (unsigned int i = 0; i < 5; i++)
		ck_assert_int_eq(vm_send(f.alice, f.flow[0].out, bobs, 7, 9000, 1), 0);
	vm_enter(f.alice);
	ck_assert_int_eq(xenmsg_subscribe(f.alice->x, "bob") == -ETIMEDOUT, 1);
	vm_kill(f.bob);
	ck_assert_int_eq(world_broker_start(&f.w), 0);
	if (_i == 0)
		ck_assert_int_eq(vm_open(f.bob, NULL), 0);
	else
		vm_destroy(f.bob);
	vm_enter(f.alice);
	ck_assert_int_lt(vm_flush(f.alice), 0);
	while (!xenmsg_event(f.alice->x, &event)) {
		if (event.type == XENMSG_PEER_UP)
			continue;
		ck_assert_uint_eq(event.addr, bobs);
	}
	world_fini(&f.w);
}
END_TEST

/* xenstored is replaced, over and over. */
START_TEST(spurious_watches_are_nothing)
{
	begin(settings_of((unsigned int)_i), 1);
	connect_all();
	for (unsigned int i = 0; i < 30; i++) {
		for (unsigned int j = 0; j < 3; j++) {
			if (f.flow[j].sent < f.count)
				(void)flows_send(&f, &f.flow[j]);
			(void)flows_receive(&f, &f.flow[j]);
		}
		sim_xs_spurious();
		world_run(&f.w, 1);
		sim_xs_spurious();
	}
	flows_exchange(&f);
	ck_assert_uint_eq(f.w.brokers, 1);
	world_fini(&f.w);
}
END_TEST

/* Transactions that conflict, in the middle of connecting. */
START_TEST(conflicts_are_tried_again)
{
	begin("", 1);
	sim_xs_conflict((unsigned int)_i);
	connect_all();
	sim_xs_conflict((unsigned int)_i);
	world_broker_kill(&f.w);
	ck_assert_int_eq(world_broker_start(&f.w), 0);
	flows_exchange(&f);
	world_fini(&f.w);
}
END_TEST

/* The same with programs of domain 0, as far as there is anything different about them. */
static TCase *local_case(const char *name, void (*with)(void))
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, with, NULL);
	tcase_add_loop_test(tcase, killed_at_a_call, 0, 24);
	tcase_add_loop_test(tcase, killed_at_a_store, 0, 20);
	tcase_add_loop_test(tcase, killed_again_and_again, 0, 25);
	tcase_add_loop_test(tcase, killed_while_frontends_connect, 0, 40);
	tcase_add_loop_test(tcase, killed_while_it_starts, 0, 50);
	tcase_add_loop_test(tcase, restarted_cleanly, 0, 6);
	tcase_add_test(tcase, addresses_and_names_stay);
	tcase_add_loop_test(tcase, conflicts_are_tried_again, 0, 10);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("system-broker");
	TCase *tcase = tcase_create("broker");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, killed_at_a_call, 0, 80);
	tcase_add_loop_test(tcase, killed_at_a_store, 0, 60);
	tcase_add_loop_test(tcase, killed_again_and_again, 0, 40);
	tcase_add_loop_test(tcase, killed_while_frontends_connect, 0, 80);
	tcase_add_loop_test(tcase, killed_while_it_starts, 0, 80);
	tcase_add_loop_test(tcase, restarted_cleanly, 0, 6);
	tcase_add_test(tcase, addresses_and_names_stay);
	tcase_add_loop_test(tcase, who_does_not_come_back_is_dead, 0, 2);
	tcase_add_loop_test(tcase, spurious_watches_are_nothing, 0, 2);
	tcase_add_loop_test(tcase, conflicts_are_tried_again, 0, 10);
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, local_case("alice in domain 0", alice_is_local));
	suite_add_tcase(suite, local_case("bob in domain 0", bob_is_local));
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
