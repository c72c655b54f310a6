// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Programs of domain 0 as endpoints: the library over the broker's socket, with
 * guests and with each other, in copy mode and map mode; where it finds the
 * broker, and who dies.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/system-local.h"

static const char no_pools[] = "[daemon]\n"
			       "max-pool-pages = 0\n"
			       "[devices]\n"
			       "domains = alice\n"
			       "[allow all]\n"
			       "from = *\n"
			       "to = *\n"
			       "modes = copy\n";

START_TEST(talks)
{
	struct xenmsg_stats s;

	exchange(agent, alice);
	exchange(agent, other);
	xenmsg_stats(agent->x, &s, sizeof(s));
	ck_assert_uint_gt(s.tx_pooled, 0);
	ck_assert_uint_gt(world_stats(&w).memcpys, 0);
}
END_TEST

START_TEST(talks_without_pools)
{
	struct xenmsg_stats s;

	exchange(agent, alice);
	exchange(agent, other);
	xenmsg_stats(agent->x, &s, sizeof(s));
	ck_assert_uint_eq(s.tx_pooled, 0);
	ck_assert_uint_gt(s.tx_granted, 0);
	/* One end of these is memory of this domain. */
	ck_assert_uint_gt(world_stats(&w).copy_ops, 0);
}
END_TEST

static void setup_no_pools(void)
{
	setup_with(no_pools);
}

/* No lock: as many as like. */
START_TEST(every_program_has_an_address)
{
	ck_assert_uint_ne(addr_of(agent), addr_of(other));
	ck_assert_uint_eq(addr_of(agent) & 0xffff, 0x8000);
	ck_assert_uint_eq(addr_of(other) & 0xffff, 0x8001);
	/* Ports are each one's own. */
	(void)vm_bind(agent, 7, NULL);
	(void)vm_bind(other, 7, NULL);
}
END_TEST

START_TEST(policy_holds)
{
	struct vm *bob = vm_new(&w, "bob", SIM_PVH);
	struct xenmsg_port *from = vm_bind(agent, 5, NULL);
	uint32_t addr;

	ck_assert_int_eq(vm_open(bob, NULL), 0);
	(void)vm_bind(bob, 7, NULL);
	vm_enter(agent);
	ck_assert_int_eq(xenmsg_resolve(agent->x, "bob", &addr, NULL, 1000), -EACCES);
	ck_assert_int_eq(vm_send(agent, from, addr_of(bob), 7, 10, 1), 0);
	ck_assert_int_eq(vm_flush(agent), -EACCES);
	ck_assert(world_logged(&w, "from=Domain-0[pid"));
}
END_TEST

/* --------------------------------------------------------------- map mode */

static void share(struct vm *from, struct vm *to)
{
	struct xenmsg_port *out = vm_bind(from, 41, NULL), *in = vm_bind(to, 42, NULL);
	struct xenmsg_pool *pool;
	struct xenmsg_msg *msg;
	void *room;

	vm_enter(from);
	ck_assert_int_eq(xenmsg_pool_open(out, addr_of(to), 42, 100000, &pool, 1000), 0);
	ck_assert_int_eq(xenmsg_pool_get(pool, 50000, &room, 0), 0);
	traffic_fill(room, 50000, 9);
	ck_assert_int_eq(xenmsg_pool_send(pool, room, 50000, 0, NULL), 0);
	msg = vm_receive(to, in);
	ck_assert(xenmsg_msg_is_mapped(msg));
	ck_assert(traffic_is(msg, 50000, 9));
	/* It is the same memory. */
	traffic_fill(room, 50000, 10);
	ck_assert(traffic_is(msg, 50000, 10));
	vm_enter(to);
	xenmsg_release(msg);
	ck_assert_int_eq(vm_flush(from), 0);
}

START_TEST(maps)
{
	share(agent, alice);
	share(alice, agent);
}
END_TEST

/* A domain grants itself nothing: these go on with copies. */
START_TEST(no_maps_within_the_domain)
{
	struct xenmsg_port *out = vm_bind(agent, 41, NULL);
	struct xenmsg_pool *pool;

	(void)vm_bind(other, 42, NULL);
	vm_enter(agent);
	ck_assert_int_eq(xenmsg_pool_open(out, addr_of(other), 42, 100000, &pool, 1000), -EACCES);
	exchange(agent, other);
}
END_TEST

/* The sender dies while messages of it are held: they stay, nothing of it is mapped. */
START_TEST(a_sharer_dies)
{
	struct vm *from = _i ? agent : alice, *to = _i ? alice : agent;
	struct xenmsg_port *out = vm_bind(from, 41, NULL), *in = vm_bind(to, 42, NULL);
	struct xenmsg_pool *pool;
	struct xenmsg_msg *msg;
	void *room;

	vm_enter(from);
	ck_assert_int_eq(xenmsg_pool_open(out, addr_of(to), 42, 8192, &pool, 1000), 0);
	ck_assert_int_eq(xenmsg_pool_get(pool, 5000, &room, 0), 0);
	traffic_fill(room, 5000, 9);
	ck_assert_int_eq(xenmsg_pool_send(pool, room, 5000, 0, NULL), 0);
	msg = vm_receive(to, in);
	vm_kill(from);
	(void)vm_event(to, XENMSG_PEER_DOWN);
	ck_assert(traffic_is(msg, 5000, 9));
	vm_enter(to);
	xenmsg_release(msg);
}
END_TEST

/* ------------------------------------------------------------- where it is */

START_TEST(no_broker_here)
{
	struct vm *bob = vm_new(&w, "bob", SIM_PV);
	struct xenmsg_options o = XENMSG_OPTIONS_INIT;

	/* Nothing is there: a guest, which has its own way. */
	ck_assert_int_eq(access(w.nowhere, F_OK), -1);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
	ck_assert_uint_eq(addr_of(bob) & 0xffff, bob->domid);
	vm_close(bob);

	/* There was one: it may come back. */
	vm_close(agent);
	world_broker_kill(&w);
	o.timeout = 300;
	ck_assert_int_eq(vm_open(agent, &o), -ETIMEDOUT);
	ck_assert_int_eq(world_broker_start(&w), 0);
	ck_assert_int_eq(vm_open(agent, &o), 0);
}
END_TEST

static bool broker_late(void *arg)
{
	if (w.process)
		return false;
	ck_assert_int_eq(world_broker_start(arg), 0);
	return true;
}

START_TEST(broker_comes_late)
{
	vm_close(agent);
	world_broker_kill(&w);
	sim_actor_new(NULL, broker_late, &w);
	ck_assert_int_eq(vm_open(agent, NULL), 0);
}
END_TEST

START_TEST(socket_may_be_forbidden)
{
	if (geteuid() == 0)
		return; /* root may do anything */
	vm_close(agent);
	ck_assert_int_eq(chmod(w.socket, 0), 0);
	ck_assert_int_eq(vm_open(agent, NULL), -EACCES);
}
END_TEST

START_TEST(too_many)
{
	static struct xenmsg *x[64];
	struct xenmsg_options o = XENMSG_OPTIONS_INIT;
	unsigned int n = 0;
	int r;

	o.socket = w.socket;
	o.tx_pages = o.rx_pages = 16;
	vm_enter(agent);
	while ((r = xenmsg_open(&x[n], &o)) == 0)
		n++;
	ck_assert_int_eq(r, -EUSERS);
	ck_assert_uint_eq(n, 62);
	while (n)
		xenmsg_close(x[--n]);
	vm_enter(agent);
	ck_assert_int_eq(xenmsg_open(&x[0], &o), 0);
	xenmsg_close(x[0]);
}
END_TEST

/* ------------------------------------------------------------------ deaths */

START_TEST(a_program_dies)
{
	struct xenmsg_port *from = vm_bind(alice, 5, NULL);
	struct xenmsg_bind bind = { .size = sizeof(bind), .buffer = 65536 + 64 };
	struct xenmsg_port *to;
	uint32_t addr = addr_of(agent);
	struct xenmsg_event e;

	vm_enter(agent);
	ck_assert_int_eq(xenmsg_port_open(agent->x, 7, &bind, &to), 0);
	/* Some arrive, the others wait for credit. */
	for (unsigned int i = 0; i < 30; i++)
		ck_assert_int_eq(vm_send(alice, from, addr, 7, 4000, i), 0);
	world_run(&w, 10);
	vm_kill(agent);
	ck_assert_int_eq(vm_flush(alice), -EHOSTDOWN);
	do
		ck_assert_int_eq(xenmsg_event(alice->x, &e), 0);
	while (e.type == XENMSG_SEND_FAILED && e.status == -EHOSTDOWN);
	ck_assert_int_eq(e.type, XENMSG_PEER_DOWN);
	ck_assert_uint_eq(e.addr, addr);
	ck_assert_int_eq(vm_send(alice, from, addr, 7, 10, 0), 0);
	ck_assert_int_eq(vm_flush(alice), -EHOSTUNREACH);
	ck_assert_int_eq(vm_open(agent, NULL), 0);
	ck_assert_uint_ne(addr_of(agent), addr);
	exchange(agent, alice);
}
END_TEST

START_TEST(a_guest_dies)
{
	struct xenmsg_port *from = vm_bind(agent, 5, NULL);
	struct xenmsg_event e;
	uint32_t addr = addr_of(alice);

	(void)vm_bind(alice, 7, NULL);
	ck_assert_int_eq(vm_send(agent, from, addr, 7, 4000, 1), 0);
	ck_assert_int_eq(vm_flush(agent), 0);
	vm_destroy(alice);
	e = vm_event(agent, XENMSG_PEER_DOWN);
	ck_assert_uint_eq(e.addr, addr);
}
END_TEST

/* The broker's side of @vm's device. */
static struct device *device_of(const struct vm *vm)
{
	return route_peer(&w.broker->route, addr_of(vm))->dev;
}

START_TEST(closed_by_the_broker)
{
	struct xenmsg_port *port = vm_bind(agent, 5, NULL);
	struct xenmsg_msg *msg;

	device_fail(device_of(agent), "for the sake of a test");
	vm_enter(agent);
	ck_assert_int_eq(xenmsg_recv(port, &msg, 1000), -EHOSTDOWN);
	ck_assert_str_eq(xenmsg_reason(agent->x), "for the sake of a test");
	ck_assert_int_eq(xenmsg_may_return(agent->x), 0);
	ck_assert_int_eq(xenmsg_send(port, addr_of(alice), 5, "x", 1, 0, NULL), -EHOSTDOWN);
	/* That is for good: it does not try again. */
	world_run(&w, 1000);
	ck_assert_int_eq(xenmsg_dispatch(agent->x), -EHOSTDOWN);
	exchange(other, alice);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("system-local");
	TCase *t = tcase_create("local"), *pools = tcase_create("without pools");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, talks);
	tcase_add_test(t, every_program_has_an_address);
	tcase_add_test(t, policy_holds);
	tcase_add_test(t, maps);
	tcase_add_test(t, no_maps_within_the_domain);
	tcase_add_loop_test(t, a_sharer_dies, 0, 2);
	tcase_add_test(t, no_broker_here);
	tcase_add_test(t, broker_comes_late);
	tcase_add_test(t, socket_may_be_forbidden);
	tcase_add_test(t, too_many);
	tcase_add_test(t, a_program_dies);
	tcase_add_test(t, a_guest_dies);
	tcase_add_test(t, closed_by_the_broker);
	suite_add_tcase(suite, t);
	tcase_add_checked_fixture(pools, setup_no_pools, teardown);
	tcase_add_test(pools, talks_without_pools);
	suite_add_tcase(suite, pools);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
