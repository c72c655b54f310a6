// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The whole system over the simulated Xen: brokers that die and come back at any
 * moment. Nothing is lost, nothing comes twice, nothing out of order. Not between
 * guests, and not between a guest and a program of domain 0.
 */
#include "tests/unit/system-traffic.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULES                \
	"[devices]\n"        \
	"domains = *\n"      \
	"[allow all]\n"      \
	"from = alice bob\n" \
	"to = alice bob\n"   \
	"modes = copy map\n"

#define COUNT 24 /* messages of each flow */

struct flow_test {
	struct vm *from, *to;
	struct xenmsg_port *out, *in;
	struct xenmsg_pool *pool;
	uint32_t number;
	uint64_t key;
	unsigned int sent, answered, received;
	uint64_t first; /* sequence number of the first */
	struct xenmsg_msg *held;
};

static struct world w;
static struct vm *alice, *bob;
/* Alice to bob by copy and by map, bob to alice by copy. */
static struct flow_test flows[3];

enum who { GUESTS, ALICE_IS_LOCAL, BOB_IS_LOCAL };
static enum who who;

static void alice_is_local(void)
{
	who = ALICE_IS_LOCAL;
}

static void bob_is_local(void)
{
	who = BOB_IS_LOCAL;
}

static struct vm *new_vm(const char *name, enum sim_domain_type type, bool local)
{
	if (!local)
		return vm_new(&w, name, type);
	/* Programs of domain 0 go by its name. */
	sim_xs_put("/local/domain/0/name", name);
	return vm_new_local(&w, name);
}

static void begin(const char *settings, uint64_t seed)
{
	char config[1024];

	(void)snprintf(config, sizeof(config), "[daemon]\n%s\n%s", settings, RULES);
	world_init(&w, seed, config);
	alice = new_vm("alice", SIM_PV, who == ALICE_IS_LOCAL);
	bob = new_vm("bob", SIM_PVH, who == BOB_IS_LOCAL);
}

static void make_flow(struct flow_test *flow, struct vm *from, struct vm *to, uint32_t number,
		      bool map)
{
	*flow = (struct flow_test){ .from = from, .to = to, .number = number };
	flow->key = number * 1000;
	flow->in = vm_bind(to, number, NULL);
	flow->out = vm_bind(from, number + 100, NULL);
	vm_enter(from);
	if (map)
		ck_assert_int_eq(xenmsg_pool_open(flow->out, xenmsg_address(to->x), number,
						  128 * 1024, &flow->pool, VM_TIMEOUT),
				 0);
}

static void make_flows(void)
{
	make_flow(&flows[0], alice, bob, 7, false);
	make_flow(&flows[1], alice, bob, 8, true);
	make_flow(&flows[2], bob, alice, 9, false);
	world_run(&w, 10);
}

static void connect_all(void)
{
	ck_assert_int_eq(world_broker_start(&w), 0);
	ck_assert_int_eq(vm_open(alice, NULL), 0);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
	make_flows();
}

static size_t len_of(unsigned int i)
{
	static const size_t lens[] = { 1, 20, 33, 3000, 4096, 5000, 17000 };

	return lens[i % (sizeof(lens) / sizeof(lens[0]))];
}

/* ------------------------------------------------------------------- traffic */

static bool send_next(struct flow_test *flow)
{
	static char data[20000];
	size_t len = len_of(flow->sent);
	unsigned int flags = XENMSG_NONBLOCK | XENMSG_CONFIRM;
	uint64_t seq;
	void *room;
	int r;

	vm_enter(flow->from);
	if (flow->sent % 5 == 4)
		flags |= XENMSG_LAZY;
	if (flow->pool) {
		r = xenmsg_pool_get(flow->pool, len, &room, XENMSG_NONBLOCK);
		if (r == 0) {
			traffic_fill(room, len, flow->key + flow->sent);
			r = xenmsg_pool_send(flow->pool, room, len, flags, &seq);
			if (r)
				xenmsg_pool_put(flow->pool, room);
		}
	} else {
		traffic_fill(data, len, flow->key + flow->sent);
		r = xenmsg_send(flow->out, xenmsg_address(flow->to->x), flow->number, data, len,
				flags, &seq);
		/* The own address is 0 while there is no connection. */
		if (r == -EINVAL && !xenmsg_address(flow->to->x))
			r = -EAGAIN;
	}
	if (r == -EAGAIN)
		return false;
	ck_assert_int_eq(r, 0);
	flow->sent++;
	return true;
}

/* Some are held for a while. */
static bool receive_next(struct flow_test *flow)
{
	struct xenmsg_msg *msg;
	int r;

	vm_enter(flow->to);
	r = xenmsg_recv(flow->in, &msg, 0);
	if (r == -EAGAIN)
		return false;
	ck_assert_int_eq(r, 0);
	ck_assert_msg(traffic_is(msg, len_of(flow->received), flow->key + flow->received),
		      "flow %u: message %u is not what it should be", flow->number, flow->received);
	ck_assert(!xenmsg_msg_is_mapped(msg) == !flow->pool);
	flow->received++;
	if (flow->received % 3 == 0) {
		xenmsg_release(msg);
	} else {
		xenmsg_release(flow->held);
		flow->held = msg;
	}
	return true;
}

static bool take_answers(struct vm *vm)
{
	struct xenmsg_event event;
	bool any = false;

	vm_enter(vm);
	while (!xenmsg_event(vm->x, &event)) {
		ck_assert_msg(event.type == XENMSG_SENT, "event %d", event.type);
		ck_assert_int_eq(event.status, 0);
		for (unsigned int i = 0; i < 3; i++)
			if (flows[i].out == event.port)
				flows[i].answered++;
		any = true;
	}
	return any;
}

static bool done(void)
{
	for (unsigned int i = 0; i < 3; i++)
		if (flows[i].answered < COUNT || flows[i].received < COUNT)
			return false;
	return true;
}

/* All messages of all flows, whatever the broker does meanwhile. */
static void exchange(void)
{
	unsigned int idle = 0;

	while (!done()) {
		bool any = false;

		for (unsigned int i = 0; i < 3; i++) {
			if (flows[i].sent < COUNT)
				any |= send_next(&flows[i]);
			any |= receive_next(&flows[i]);
			if (flows[i].received == COUNT && flows[i].held) {
				vm_enter(flows[i].to);
				xenmsg_release(flows[i].held);
				flows[i].held = NULL;
			}
		}
		any |= take_answers(alice);
		any |= take_answers(bob);
		idle = any ? 0 : idle + 1;
		ck_assert_msg(idle < 3000, "nothing happens any more: %u/%u/%u %u/%u/%u %u/%u/%u",
			      flows[0].sent, flows[0].received, flows[0].answered, flows[1].sent,
			      flows[1].received, flows[1].answered, flows[2].sent,
			      flows[2].received, flows[2].answered);
		world_run(&w, 1);
	}
	world_run(&w, 100);
	for (unsigned int i = 0; i < 3; i++) {
		ck_assert_uint_eq(flows[i].received, COUNT);
		ck_assert(!receive_next(&flows[i]));
	}
	ck_assert(!take_answers(alice));
	ck_assert(!take_answers(bob));
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
	world_broker_keep(&w, n % 7);
	connect_all();
	sim_kill_at(w.process, n, _i % 2 ? SIM_AFTER : SIM_BEFORE);
	exchange();
	ck_assert_uint_eq(w.brokers, 2);
	world_fini(&w);
}
END_TEST

/* Just before it writes to memory that it shares with others. */
START_TEST(killed_at_a_store)
{
	unsigned int n = 1 + (unsigned int)_i * 29;

	begin(settings_of((unsigned int)_i), n);
	world_broker_keep(&w, 1);
	connect_all();
	if (sim_kill_at_store(w.process, n)) {
		exchange();
		ck_assert_uint_eq(w.brokers, 2);
	}
	world_fini(&w);
}
END_TEST

/* The next one has not done much when it dies as well; and the one after that. */
START_TEST(killed_again_and_again)
{
	unsigned int n = (unsigned int)_i + 1, brokers = 0, rounds = 0;

	begin(settings_of(n), n);
	world_broker_keep(&w, 2);
	connect_all();
	while (!done() && rounds++ < 3000) {
		if (w.process && w.brokers != brokers && brokers < 12) {
			brokers = w.brokers;
			sim_kill_at(w.process, n * (1 + brokers % 3),
				    brokers % 2 ? SIM_AFTER : SIM_BEFORE);
		}
		for (unsigned int i = 0; i < 3; i++) {
			if (flows[i].sent < COUNT)
				(void)send_next(&flows[i]);
			(void)receive_next(&flows[i]);
		}
		(void)take_answers(alice);
		(void)take_answers(bob);
		if (rounds < 20)
			world_run(&w, 1);
		else
			break;
	}
	world_run(&w, 500);
	sim_fail_reset();
	exchange();
	ck_assert_uint_gt(w.brokers, 1);
	world_fini(&w);
}
END_TEST

/* While the frontends connect for the first time. */
START_TEST(killed_while_frontends_connect)
{
	unsigned int n = (unsigned int)_i + 1;

	begin(settings_of(n), n);
	world_broker_keep(&w, 1);
	ck_assert_int_eq(world_broker_start(&w), 0);
	sim_kill_at(w.process, n, n % 2 ? SIM_AFTER : SIM_BEFORE);
	ck_assert_int_eq(vm_open(alice, NULL), 0);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
	make_flows();
	exchange();
	world_fini(&w);
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
			(void)send_next(&flows[j]);
	if (n % 3)
		world_broker_kill(&w);
	else
		world_broker_stop(&w);
	world_run(&w, 10);
	/* The calls of world_broker_start() itself. */
	w.kill_at = n;
	w.kill_when = _i % 2 ? SIM_AFTER : SIM_BEFORE;
	(void)world_broker_start(&w);
	process = w.process;
	world_run(&w, 50);
	w.kill_at = 0;
	if (world_broker_ended(&w)) {
		world_broker_reap(&w);
		ck_assert_int_eq(world_broker_start(&w), 0);
	} else {
		ck_assert_ptr_eq(process, w.process);
	}
	sim_fail_reset();
	exchange();
	world_fini(&w);
}
END_TEST

/* It stops as for an upgrade, many times, in the middle of traffic. */
START_TEST(restarted_cleanly)
{
	begin(settings_of((unsigned int)_i), (uint64_t)_i);
	connect_all();
	for (unsigned int round = 0; round < 10; round++) {
		for (unsigned int i = 0; i < 3; i++) {
			if (flows[i].sent < COUNT)
				(void)send_next(&flows[i]);
			if (flows[i].sent < COUNT)
				(void)send_next(&flows[i]);
			if (round % 3 == 2)
				(void)receive_next(&flows[i]);
		}
		/* Sometimes it gets to see nothing of it, sometimes half. */
		if (round % 2)
			sim_run(NULL, NULL, 0, 0);
		world_broker_stop(&w);
		world_run(&w, round % 4 ? 5 : 0);
		ck_assert_int_eq(world_broker_start(&w), 0);
		if (round % 3)
			world_run(&w, 5);
	}
	exchange();
	world_fini(&w);
}
END_TEST

/* Addresses stay, and what was subscribed and bound is so again. */
START_TEST(addresses_and_names_stay)
{
	struct xenmsg_event event;
	uint32_t addr, number, alices, bobs;

	begin("", 1);
	connect_all();
	alices = xenmsg_address(alice->x);
	bobs = xenmsg_address(bob->x);
	(void)vm_bind(bob, 77, "echo");
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_subscribe(alice->x, "bob"), 0);
	event = vm_event(alice, XENMSG_PEER_UP);
	for (unsigned int round = 0; round < 3; round++) {
		if (round % 2)
			world_broker_kill(&w);
		else
			world_broker_stop(&w);
		ck_assert_int_eq(world_broker_start(&w), 0);
		/* A look-up waits for who is to come back. */
		vm_enter(alice);
		ck_assert_int_eq(xenmsg_resolve(alice->x, "echo@bob", &addr, &number, VM_TIMEOUT),
				 0);
		ck_assert_uint_eq(addr, bobs);
		ck_assert_uint_eq(number, 77);
		ck_assert_uint_eq(xenmsg_address(alice->x), alices);
		ck_assert_uint_eq(xenmsg_address(bob->x), bobs);
	}
	world_run(&w, 100);
	/* It may be told again, but not of anything else. */
	while (!xenmsg_event(alice->x, &event)) {
		ck_assert_int_eq(event.type, XENMSG_PEER_UP);
		ck_assert_uint_eq(event.addr, bobs);
	}
	vm_close(bob);
	event = vm_event(alice, XENMSG_PEER_DOWN);
	ck_assert_uint_eq(event.addr, bobs);
	world_fini(&w);
}
END_TEST

/* Who does not come back is dead, for those who have something under way to it. */
START_TEST(who_does_not_come_back_is_dead)
{
	struct xenmsg_event event;
	uint32_t bobs;

	begin("", 1);
	connect_all();
	bobs = xenmsg_address(bob->x);
	ck_assert_int_eq(vm_send(alice, flows[0].out, bobs, 7, 9000, 1), 0);
	world_run(&w, 5);
	world_broker_kill(&w);
	for (unsigned int i = 0; i < 5; i++)
		ck_assert_int_eq(vm_send(alice, flows[0].out, bobs, 7, 9000, 1), 0);
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_subscribe(alice->x, "bob") == -ETIMEDOUT, 1);
	vm_kill(bob);
	ck_assert_int_eq(world_broker_start(&w), 0);
	if (_i == 0)
		ck_assert_int_eq(vm_open(bob, NULL), 0);
	else
		vm_destroy(bob);
	vm_enter(alice);
	ck_assert_int_lt(vm_flush(alice), 0);
	while (!xenmsg_event(alice->x, &event)) {
		if (event.type == XENMSG_PEER_UP)
			continue;
		ck_assert_uint_eq(event.addr, bobs);
	}
	world_fini(&w);
}
END_TEST

/* xenstored is replaced, over and over. */
START_TEST(spurious_watches_are_nothing)
{
	begin(settings_of((unsigned int)_i), 1);
	connect_all();
	for (unsigned int i = 0; i < 30; i++) {
		for (unsigned int j = 0; j < 3; j++) {
			if (flows[j].sent < COUNT)
				(void)send_next(&flows[j]);
			(void)receive_next(&flows[j]);
		}
		sim_xs_spurious();
		world_run(&w, 1);
		sim_xs_spurious();
	}
	exchange();
	ck_assert_uint_eq(w.brokers, 1);
	world_fini(&w);
}
END_TEST

/* Transactions that conflict, in the middle of connecting. */
START_TEST(conflicts_are_tried_again)
{
	begin("", 1);
	sim_xs_conflict((unsigned int)_i);
	connect_all();
	sim_xs_conflict((unsigned int)_i);
	world_broker_kill(&w);
	ck_assert_int_eq(world_broker_start(&w), 0);
	exchange();
	world_fini(&w);
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
