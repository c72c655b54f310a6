// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The whole system over the simulated Xen: processes that end or are killed while
 * their domain lives on, and those that open its device next.
 */
#include "tests/unit/system-death.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

static void end_frontend(struct vm *vm, int how)
{
	if (how)
		vm_kill(vm);
	else
		vm_close(vm);
}

/* The receiver's process ends; another one of the guest opens the device. */
START_TEST(receiving_frontend_restarts)
{
	struct xenmsg_event event;
	uint32_t addr, old = 0;

	begin("", 1);
	for (unsigned int round = 0; round < 5; round++) {
		addr = xenmsg_address(bob->x);
		ck_assert_uint_ne(addr, old);
		old = addr;
		ck_assert_int_eq(vm_send(alice, out, addr, 7, 9000, round), 0);
		vm_expect(bob, in, 9000, round);
		ck_assert_int_eq(vm_flush(alice), 0);
		end_frontend(bob, _i);
		ck_assert_int_eq(vm_send(alice, out, addr, 7, 9000, 0), 0);
		ck_assert_int_eq(vm_open(bob, NULL), 0);
		in = vm_bind(bob, 7, NULL);
		vm_enter(alice);
		ck_assert_int_lt(vm_flush(alice), 0);
		/* The old address is dead for ever. */
		ck_assert_int_eq(vm_send(alice, out, addr, 7, 10, 0), 0);
		ck_assert_int_eq(vm_flush(alice), -EHOSTUNREACH);
		while (!xenmsg_event(alice->x, &event))
			ck_assert_uint_eq(event.addr, addr);
	}
	end();
}
END_TEST

/* The receiver's process is killed and has no successor: the sender hears of it all the same. */
START_TEST(receiving_frontend_dies)
{
	struct xenmsg_pool *pool;

	begin("", 1);
	pool = open_pool(_i);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_int_eq(send_either(pool, 9000, i, 0), 0);
	world_run(&w, 10);
	vm_kill(bob);
	world_run(&w, 10);
	ck_assert(world_logged(&w, "bob: the frontend has died"));
	ck_assert_uint_eq(count_events(alice, XENMSG_PEER_DOWN, bob_addr, XENMSG_SEND_FAILED), 1);
	ck_assert_int_eq(vm_flush(alice), _i ? -EHOSTDOWN : 0);
	ck_assert_int_eq(vm_send(alice, out, bob_addr, 7, 10, 0), 0);
	ck_assert_int_eq(vm_flush(alice), -EHOSTUNREACH);
	/* Nothing of the dead process is mapped. */
	ck_assert_uint_eq(sim_mapped_pages(bob->domid), 0);
	still_works(alice, out);
	end();
}
END_TEST

/* The sender's process ends; its successor's messages are not taken for its own. */
START_TEST(sending_frontend_restarts)
{
	uint32_t addr, old = 0;

	begin("", 1);
	for (unsigned int round = 0; round < 5; round++) {
		struct xenmsg_msg *msg;
		struct xenmsg_pool *pool;

		addr = xenmsg_address(alice->x);
		ck_assert_uint_ne(addr, old);
		old = addr;
		pool = open_pool(round % 2);
		/* Its numbers begin anew each time. */
		for (unsigned int i = 0; i < 3 + round; i++) {
			ck_assert_int_eq(send_either(pool, 3000, i, 0), 0);
			msg = vm_receive(bob, in);
			ck_assert(traffic_is(msg, 3000, i));
			ck_assert_uint_eq(xenmsg_msg_addr(msg), addr);
			xenmsg_release(msg);
		}
		ck_assert_int_eq(send_either(pool, 3000, 99, 0), 0);
		end_frontend(alice, _i);
		ck_assert_int_eq(vm_open(alice, NULL), 0);
		out = vm_bind(alice, 5, NULL);
		world_run(&w, 100);
		vm_enter(bob);
		while (!xenmsg_recv(in, &msg, 0)) {
			ck_assert(traffic_is(msg, 3000, 99));
			ck_assert_uint_eq(xenmsg_msg_addr(msg), addr);
			xenmsg_release(msg);
		}
		ck_assert_uint_eq(count_events(bob, XENMSG_PEER_DOWN, addr, XENMSG_PEER_DOWN), 1);
	}
	/* A kernel ends 10 a second of the grants that were busy when their process died. */
	world_run(&w, 1000000);
	ck_assert_uint_eq(sim_grants(alice->domid), sim_grants(carol->domid));
	end();
}
END_TEST

/* The process is killed at each of its calls while it opens; the next one opens. */
START_TEST(frontend_killed_while_it_opens)
{
	struct xenmsg_options options = XENMSG_OPTIONS_INIT;
	unsigned int n = (unsigned int)_i / 2 + 1;
	struct sim_process *victim;
	int r;

	begin("", n);
	ck_assert_int_eq(vm_send(alice, out, bob_addr, 7, 9000, 1), 0);
	vm_close(bob);
	options.lock = bob->lock;
	victim = sim_process_new(bob->domid, "victim");
	sim_enter(victim);
	sim_kill_at(victim, n, _i % 2 ? SIM_AFTER : SIM_BEFORE);
	r = xenmsg_open(&bob->x, &options);
	sim_fail_reset();
	if (!r)
		xenmsg_close(bob->x);
	bob->x = NULL;
	sim_enter(NULL);
	sim_process_free(victim);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
	in = vm_bind(bob, 7, NULL);
	ck_assert_int_lt(vm_flush(alice), 1);
	ck_assert_int_eq(vm_send(alice, out, xenmsg_address(bob->x), 7, 9000, 2), 0);
	vm_expect(bob, in, 9000, 2);
	still_works(bob, in);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("system-death-frontends");
	TCase *tcase = tcase_create("frontends");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, receiving_frontend_restarts, 0, 2);
	tcase_add_loop_test(tcase, receiving_frontend_dies, 0, 2);
	tcase_add_loop_test(tcase, sending_frontend_restarts, 0, 2);
	tcase_add_loop_test(tcase, frontend_killed_while_it_opens, 0, 2 * 50);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
