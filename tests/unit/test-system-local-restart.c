// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Programs of domain 0 as endpoints: restarts of the broker. Who comes back is who
 * he was, with all that he had; who does not come back in time is dead.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/system-local.h"

static const unsigned int downtimes[] = { 0, 5, 100, 3000 };

/* Under traffic each way: nothing lost, doubled or out of order. */
static void restart_under_traffic(struct vm *a, struct vm *b, bool kill, unsigned int ms)
{
	struct xenmsg_port *at_a = vm_bind(a, 31, NULL), *at_b = vm_bind(b, 32, NULL);
	uint32_t addr_a = addr_of(a), addr_b = addr_of(b);
	uint64_t sent = 0, received = 0;
	struct xenmsg_event e;

	for (unsigned int round = 0; round < 6; round++) {
		for (unsigned int i = 0; i < 20; i++, sent++) {
			size_t len = 1 + (size_t)(sent * 977 % 9000);

			ck_assert_int_eq(vm_send(a, at_a, addr_b, 32, len, sent), 0);
			ck_assert_int_eq(vm_send(b, at_b, addr_a, 31, len, sent), 0);
			if (i == 7 + round) {
				if (kill)
					world_broker_kill(&w);
				else
					world_broker_stop(&w);
				world_run(&w, ms);
				ck_assert_int_eq(world_broker_start(&w), 0);
			}
		}
		for (; received < sent; received++) {
			size_t len = 1 + (size_t)(received * 977 % 9000);

			vm_expect(b, at_b, len, received);
			vm_expect(a, at_a, len, received);
		}
		ck_assert_int_eq(vm_flush(a), 0);
		ck_assert_int_eq(vm_flush(b), 0);
	}
	ck_assert_uint_eq(addr_of(a), addr_a);
	ck_assert_uint_eq(addr_of(b), addr_b);
	/* Nobody was told of anybody's death. */
	ck_assert_int_eq(xenmsg_event(a->x, &e), -EAGAIN);
	ck_assert_int_eq(xenmsg_event(b->x, &e), -EAGAIN);
}

START_TEST(restarts)
{
	restart_under_traffic(agent, _i & 4 ? other : alice, _i & 8, downtimes[_i & 3]);
}
END_TEST

/* What is held in place, or being written, stays where it is. */
START_TEST(restart_with_messages_in_hand)
{
	struct xenmsg_port *from = vm_bind(alice, 5, NULL), *to = vm_bind(agent, 7, NULL);
	struct xenmsg_port *back = vm_bind(alice, 8, NULL);
	struct xenmsg_buffer buffer;
	struct xenmsg_msg *msg;
	struct iovec iov[4];

	ck_assert_int_eq(vm_send(alice, from, addr_of(agent), 7, 8000, 1), 0);
	msg = vm_receive(agent, to);
	ck_assert_int_ge(xenmsg_msg_iov(msg, iov, 4), 1);
	vm_enter(agent);
	ck_assert_int_eq(xenmsg_buffer_get(to, 5000, &buffer, 0), 0);
	ck_assert_int_eq(buffer.nr, 1);
	memset(buffer.iov[0].iov_base, 'a', 4096);
	world_broker_kill(&w);
	world_run(&w, 50);
	ck_assert_int_eq(world_broker_start(&w), 0);
	world_run(&w, 1000);
	ck_assert(traffic_is(msg, 8000, 1));
	vm_enter(agent);
	memset((char *)buffer.iov[0].iov_base + 4096, 'b', 904);
	ck_assert_int_eq(xenmsg_buffer_send(to, addr_of(alice), 8, &buffer, 0, NULL), 0);
	xenmsg_release(msg);
	msg = vm_receive(alice, back);
	ck_assert_uint_eq(xenmsg_msg_len(msg), 5000);
	ck_assert_int_eq(xenmsg_msg_iov(msg, iov, 4), 1);
	ck_assert_int_eq(((char *)iov[0].iov_base)[4095], 'a');
	ck_assert_int_eq(((char *)iov[0].iov_base)[4096], 'b');
	xenmsg_release(msg);
}
END_TEST

/* Who does not come back in time is dead, and who comes too late is somebody else. */
START_TEST(comes_back_too_late)
{
	struct xenmsg_port *from = vm_bind(alice, 5, NULL);
	uint32_t addr = addr_of(agent);
	struct xenmsg_event e;

	(void)vm_bind(agent, 7, NULL);
	ck_assert_int_eq(vm_send(alice, from, addr, 7, 10, 1), 0);
	ck_assert_int_eq(vm_flush(alice), 0);
	sim_actor_stall(agent->actor, true);
	world_broker_kill(&w);
	ck_assert_int_eq(world_broker_start(&w), 0);
	/* This waits for it. */
	ck_assert_int_eq(vm_send(alice, from, addr, 7, 10, 2), 0);
	world_run(&w, 9000);
	ck_assert_int_eq(xenmsg_event(alice->x, &e), -EAGAIN);
	world_run(&w, 2000);
	ck_assert_int_eq(vm_flush(alice), -EHOSTDOWN);
	e = vm_event(alice, XENMSG_PEER_DOWN);
	ck_assert_uint_eq(e.addr, addr);
	sim_actor_stall(agent->actor, false);
	e = vm_event(agent, XENMSG_ADDRESS);
	ck_assert_uint_ne(e.addr, addr);
	ck_assert_uint_eq(e.addr, addr_of(agent));
	exchange(agent, alice);
}
END_TEST

/* It died with the broker. */
START_TEST(dies_while_nobody_looks)
{
	struct xenmsg_port *from = vm_bind(alice, 5, NULL);
	uint32_t addr = addr_of(agent);
	struct xenmsg_event e;

	(void)vm_bind(agent, 7, NULL);
	ck_assert_int_eq(vm_send(alice, from, addr, 7, 10, 1), 0);
	ck_assert_int_eq(vm_flush(alice), 0);
	world_broker_kill(&w);
	vm_kill(agent);
	ck_assert_int_eq(world_broker_start(&w), 0);
	ck_assert_int_eq(vm_send(alice, from, addr, 7, 10, 2), 0);
	world_run(&w, 11000);
	ck_assert_int_eq(vm_flush(alice), -EHOSTDOWN);
	e = vm_event(alice, XENMSG_PEER_DOWN);
	ck_assert_uint_eq(e.addr, addr);
}
END_TEST

/* Whose service it is, a restart does not change; nor who is meant by the name. */
START_TEST(names_survive)
{
	struct xenmsg_bind bind = { .size = sizeof(bind), .service = "log" };
	struct xenmsg_port *port;
	uint32_t addr, number;
	char name[XENMSG_NAME_MAX + 1];

	(void)vm_bind(agent, 7, "log");
	(void)vm_bind(other, 8, "clock");
	for (unsigned int round = 0; round < 3; round++) {
		vm_enter(alice);
		ck_assert_int_eq(xenmsg_resolve(alice->x, "log@Domain-0", &addr, &number, 1000), 0);
		ck_assert_uint_eq(addr, addr_of(agent));
		ck_assert_uint_eq(number, 7);
		ck_assert_int_eq(xenmsg_resolve(alice->x, "clock@Domain-0", &addr, &number, 1000),
				 0);
		ck_assert_uint_eq(addr, addr_of(other));
		ck_assert_int_eq(xenmsg_resolve(alice->x, "none@Domain-0", &addr, &number, 1000),
				 -EHOSTUNREACH);
		ck_assert_int_eq(xenmsg_name(alice->x, addr_of(agent), name, 1000), 0);
		ck_assert_str_eq(name, "Domain-0");
		world_broker_kill(&w);
		ck_assert_int_eq(world_broker_start(&w), 0);
	}
	world_run(&w, 500);
	ck_assert_uint_eq(vm_find(alice, "Domain-0"), addr_of(other));
	vm_enter(other);
	ck_assert_int_eq(xenmsg_port_open(other->x, 9, &bind, &port), -EADDRINUSE);
	/* When it is gone, it is free again. */
	vm_kill(agent);
	world_run(&w, 10);
	vm_enter(other);
	ck_assert_int_eq(xenmsg_port_open(other->x, 9, &bind, &port), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("system-local-restart");
	TCase *tcase = tcase_create("restart");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, restarts, 0, 16);
	tcase_add_test(tcase, restart_with_messages_in_hand);
	tcase_add_test(tcase, comes_back_too_late);
	tcase_add_test(tcase, dies_while_nobody_looks);
	tcase_add_test(tcase, names_survive);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
