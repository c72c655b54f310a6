// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The whole system over the simulated Xen: domains that are destroyed in the
 * middle of everything, the receiver's or the sender's, with a broker or without.
 */
#include "tests/unit/system-death.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void nothing_left_of(const struct vm *vm)
{
	char path[64];

	ck_assert_int_eq(sim_domain_state(vm->domid), SIM_DOMAIN_GONE);
	(void)snprintf(path, sizeof(path), "/local/domain/0/backend/vmsg/%u", vm->domid);
	ck_assert_msg(!sim_xs_exists(path), "%s is left", path);
}

/* ------------------------------------------------------- the receiver's domain */

static void destroy(void *arg)
{
	sim_domain_destroy(((struct vm *)arg)->domid);
}

/* Sends until bob is gone; whatever was refused or failed was so for his death. */
static void send_until_dead(struct xenmsg_pool *pool)
{
	struct xenmsg_msg *msg;
	unsigned int i;
	int r = 0;

	for (i = 0; i < 40 && !r; i++) {
		r = send_either(pool, 1 + i % 7 * 5000, i, XENMSG_NONBLOCK);
		if (r == -EAGAIN) {
			r = 0;
			world_run(&w, 1);
		}
		if (!sim_process_dead(bob->process) && !xenmsg_recv(in, &msg, 0)) {
			if (!sim_process_dead(bob->process))
				xenmsg_release(msg);
		}
	}
	ck_assert_msg(r == 0 || r == -EHOSTDOWN, "send: %d", r);
}

/* Bob is destroyed at the broker's n-th call, in the middle of a stream to him. */
START_TEST(receiver_destroyed)
{
	bool map = _i % 3 == 1;
	unsigned int n = (unsigned int)_i / 3 * 2 + 1;
	struct xenmsg_pool *pool;

	begin(_i % 3 == 2 ? "pools = no" : "", n);
	pool = open_pool(map);
	/* Who never dealt with him would not be told. */
	ck_assert_int_eq(vm_send(alice, out, bob_addr, 7, 1, 0), 0);
	vm_expect(bob, in, 1, 0);
	sim_at_call(w.process, SIM_CALL_ANY, n, n % 4 == 1 ? SIM_BEFORE : SIM_AFTER, destroy, bob);
	send_until_dead(pool);
	sim_fail_reset();
	vm_destroy(bob);
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_flush(alice->x, VM_TIMEOUT) == -ETIMEDOUT, 0);
	/* What is sent to him now is refused. */
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_send(out, bob_addr, 7, "", 0, 0, NULL), 0);
	ck_assert_int_eq(vm_flush(alice), -EHOSTUNREACH);
	world_run(&w, 1000);
	ck_assert_uint_eq(count_events(alice, XENMSG_PEER_DOWN, bob_addr, XENMSG_SEND_FAILED), 1);
	nothing_left_of(bob);
	still_works(alice, out);
	end();
}
END_TEST

/* Every message that he had not taken fails, with the right status, and once. */
START_TEST(receiver_destroyed_with_messages_waiting)
{
	static const char data[3000];
	struct xenmsg_pool *pool;
	struct xenmsg_event event;
	unsigned int i, n = 0, failed = 0;
	struct xenmsg_bind small = { .size = sizeof(small), .buffer = 4096 };
	struct xenmsg_port *full;

	begin("", 1);
	pool = open_pool(_i);
	vm_enter(bob);
	ck_assert_int_eq(xenmsg_port_open(bob->x, 8, &small, &full), 0);
	vm_enter(alice);
	/* Mapped ones are answered at release; of the others, those that there is no credit for. */
	for (i = 0; _i && i < 5; i++)
		ck_assert_int_eq(send_either(pool, 100, i, 0), 0);
	for (i = 0; i < 30; i++)
		ck_assert_int_eq(
			xenmsg_send(out, bob_addr, 8, data, sizeof(data), XENMSG_CONFIRM, NULL), 0);
	world_run(&w, 5);
	vm_destroy(bob);
	vm_enter(alice);
	ck_assert_int_eq(vm_flush(alice), -EHOSTDOWN);
	world_run(&w, 5);
	while (!xenmsg_event(alice->x, &event)) {
		if (event.type == XENMSG_PEER_DOWN)
			continue;
		if (event.type == XENMSG_SEND_FAILED)
			ck_assert_uint_eq(event.number, 7);
		ck_assert_uint_eq(event.addr, bob_addr);
		n++;
		if (!event.status)
			continue;
		ck_assert_int_eq(event.status, -EHOSTDOWN);
		failed++;
	}
	ck_assert_uint_eq(n, _i ? 35 : 30);
	/* The least there is, 64 KiB + 64, holds 21 messages of 64 + 3008. */
	ck_assert_uint_eq(failed, (_i ? 35u : 30u) - 21);
	world_run(&w, 1000);
	nothing_left_of(bob);
	still_works(alice, out);
	end();
}
END_TEST

/* --------------------------------------------------------- the sender's domain */

/* With the sender, some of what it sent may be gone; what is there is in order. */
static void take_rising(struct xenmsg_msg *msg, uint64_t *last)
{
	uint64_t seq = xenmsg_msg_seq(msg);

	ck_assert_uint_gt(seq, *last);
	ck_assert(traffic_is(msg, 1 + (seq - 1) % 7 * 5000, seq - 1));
	*last = seq;
	xenmsg_release(msg);
}

/* Alice goes in the middle of a stream; bob hears of it after the last message that he got. */
START_TEST(sender_destroyed)
{
	bool map = _i % 3 == 1;
	unsigned int n = (unsigned int)_i / 3 * 2 + 1, i;
	uint64_t last = 0;
	uint32_t alice_addr;
	struct xenmsg_pool *pool;
	struct xenmsg_msg *msg;
	struct xenmsg_port *back;
	struct xenmsg_event event;

	begin(_i % 3 == 2 ? "pools = no" : "", n);
	alice_addr = xenmsg_address(alice->x);
	pool = open_pool(map);
	/* So that he knows of her in any case. */
	back = vm_bind(bob, 9, NULL);
	ck_assert_int_eq(vm_send(bob, back, alice_addr, 5, 1, 0), 0);
	ck_assert_int_eq(vm_flush(bob), 0);
	sim_at_call(w.process, SIM_CALL_ANY, n, n % 4 == 1 ? SIM_BEFORE : SIM_AFTER, destroy,
		    alice);
	for (i = 0; i < 40 && !sim_process_dead(alice->process); i++) {
		int r = send_either(pool, 1 + i % 7 * 5000, i, XENMSG_NONBLOCK);

		ck_assert(r == 0 || r == -EAGAIN || sim_process_dead(alice->process));
		if (r == -EAGAIN) {
			i--;
			world_run(&w, 1);
		}
		vm_enter(bob);
		if (i > 5 && !xenmsg_recv(in, &msg, 0))
			take_rising(msg, &last);
	}
	sim_fail_reset();
	vm_destroy(alice);
	world_run(&w, 100);
	vm_enter(bob);
	event = vm_event(bob, XENMSG_PEER_DOWN);
	ck_assert_uint_eq(event.addr, alice_addr);
	ck_assert_int_eq(xenmsg_event(bob->x, &event), -EAGAIN);
	/* Held messages do not keep her domain, and are there as they were. */
	nothing_left_of(alice);
	while (!xenmsg_recv(in, &msg, 0))
		take_rising(msg, &last);
	ck_assert_uint_le(last, i);
	still_works(bob, back);
	end();
}
END_TEST

/* Mapped messages in the hands of the application outlive their sender. */
START_TEST(held_messages_outlive_their_sender)
{
	struct xenmsg_pool *pool;
	struct xenmsg_msg *msg[8];

	begin("", 1);
	pool = open_pool(true);
	for (unsigned int i = 0; i < 8; i++)
		ck_assert_int_eq(send_either(pool, 20000, i, 0), 0);
	for (unsigned int i = 0; i < 4; i++)
		msg[i] = vm_receive(bob, in);
	ck_assert_uint_gt(sim_mapped_pages(alice->domid), 0);
	if (_i) {
		vm_kill(alice);
		ck_assert_int_eq(vm_open(alice, NULL), 0);
	} else {
		vm_destroy(alice);
	}
	vm_event(bob, XENMSG_PEER_DOWN);
	/* Busy grants end later, 10 a second. */
	world_run(&w, _i ? 100000 : 100);
	if (_i)
		ck_assert_uint_eq(sim_grants(alice->domid), sim_grants(carol->domid));
	else
		nothing_left_of(alice);
	for (unsigned int i = 4; i < 8; i++)
		msg[i] = vm_receive(bob, in);
	for (unsigned int i = 0; i < 8; i++)
		ck_assert(traffic_is(msg[i], 20000, i));
	for (unsigned int i = 0; i < 8; i++)
		xenmsg_release(msg[i * 3 % 8]);
	still_works(bob, in);
	end();
}
END_TEST

/* The domain stays for as long as the receiver does not run; then it goes. */
START_TEST(stopped_receiver_keeps_a_zombie)
{
	struct xenmsg_pool *pool;
	struct xenmsg_msg *msg;

	begin("", 1);
	pool = open_pool(true);
	ck_assert_int_eq(send_either(pool, 20000, 1, 0), 0);
	msg = vm_receive(bob, in);
	sim_domain_pause(bob->domid);
	vm_destroy(alice);
	world_run(&w, 1000);
	ck_assert_int_eq(sim_domain_state(alice->domid), SIM_DOMAIN_DYING);
	still_works(carol, third);
	sim_domain_unpause(bob->domid);
	world_run(&w, 1000);
	nothing_left_of(alice);
	ck_assert(traffic_is(msg, 20000, 1));
	vm_enter(bob);
	xenmsg_release(msg);
	end();
}
END_TEST

/* ------------------------------------------------------------ the broker is away */

/* A guest is destroyed while the broker is stopped: it goes once the broker goes on. */
START_TEST(destroyed_while_the_broker_is_stopped)
{
	struct vm *victim;

	begin("", 1);
	victim = _i % 2 ? alice : bob;
	for (unsigned int i = 0; i < 10; i++)
		ck_assert_int_eq(send_either(NULL, 9000, i, 0), 0);
	sim_actor_stall(w.actor, true);
	for (unsigned int i = 0; i < 10; i++)
		ck_assert_int_eq(send_either(NULL, 9000, i, 0), 0);
	vm_destroy(victim);
	world_run(&w, 1000);
	ck_assert_int_eq(sim_domain_state(victim->domid), SIM_DOMAIN_DYING);
	sim_actor_stall(w.actor, false);
	world_run(&w, 1000);
	nothing_left_of(victim);
	if (victim == bob)
		ck_assert_int_lt(vm_flush(alice), 0);
	if (victim == alice)
		still_works(bob, in);
	else
		still_works(alice, out);
	end();
}
END_TEST

/* A guest is destroyed while there is no broker: the next one cleans up and tells. */
START_TEST(destroyed_while_there_is_no_broker)
{
	struct vm *victim, *other;
	uint32_t addr;

	begin("", 1);
	victim = _i % 2 ? alice : bob;
	other = _i % 2 ? bob : alice;
	addr = xenmsg_address(victim->x);
	for (unsigned int i = 0; i < 10; i++)
		ck_assert_int_eq(send_either(NULL, 9000, i, 0), 0);
	world_run(&w, 10);
	if (_i / 2)
		world_broker_kill(&w);
	else
		world_broker_stop(&w);
	for (unsigned int i = 0; i < 10; i++)
		ck_assert_int_eq(send_either(NULL, 9000, i, 0), 0);
	vm_destroy(victim);
	ck_assert_int_eq(world_broker_start(&w), 0);
	world_run(&w, 1000);
	nothing_left_of(victim);
	/*
	 * The next broker does not know who dealt with whom. Those who have
	 * something under way hear of it.
	 */
	if (other == alice) {
		ck_assert_int_ne(vm_flush(alice), 0);
		ck_assert_uint_gt(count_events(alice, XENMSG_SEND_FAILED, addr, XENMSG_PEER_DOWN),
				  0);
	}
	still_works(other, other == alice ? out : in);
	end();
}
END_TEST

/* A new domain takes the place of the old one under its domid. */
START_TEST(domid_is_used_again)
{
	struct xenmsg_port *port;
	struct vm *eve;
	uint32_t addr;
	domid_t domid;

	begin("", 1);
	domid = bob->domid;
	ck_assert_int_eq(send_either(NULL, 9000, 1, 0), 0);
	if (_i)
		world_broker_stop(&w);
	vm_destroy(bob);
	if (!_i)
		world_run(&w, 1000);
	ck_assert_int_eq(send_either(NULL, 9000, 1, 0), 0);
	eve = bob;
	eve->destroyed = false;
	ck_assert_uint_eq(sim_domain_new_at(domid, "bob", SIM_PV), domid);
	if (_i)
		ck_assert_int_eq(world_broker_start(&w), 0);
	ck_assert_int_eq(vm_open(eve, NULL), 0);
	port = vm_bind(eve, 7, NULL);
	addr = xenmsg_address(eve->x);
	ck_assert_uint_ne(addr, bob_addr);
	ck_assert_int_lt(vm_flush(alice), 0);
	ck_assert_int_eq(vm_send(alice, out, bob_addr, 7, 10, 1), 0);
	ck_assert_int_eq(vm_flush(alice), -EHOSTUNREACH);
	ck_assert_int_eq(vm_send(alice, out, addr, 7, 10, 2), 0);
	vm_expect(eve, port, 10, 2);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("system-death-domains");
	TCase *tcase = tcase_create("domains");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, receiver_destroyed, 0, 3 * 30);
	tcase_add_loop_test(tcase, receiver_destroyed_with_messages_waiting, 0, 2);
	tcase_add_loop_test(tcase, sender_destroyed, 0, 3 * 30);
	tcase_add_loop_test(tcase, held_messages_outlive_their_sender, 0, 2);
	tcase_add_test(tcase, stopped_receiver_keeps_a_zombie);
	tcase_add_loop_test(tcase, destroyed_while_the_broker_is_stopped, 0, 2);
	tcase_add_loop_test(tcase, destroyed_while_there_is_no_broker, 0, 4);
	tcase_add_loop_test(tcase, domid_is_used_again, 0, 2);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
