// SPDX-License-Identifier: GPL-2.0-or-later
/* Map mode through the library: room in a pool, its life, and who holds what. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/lib/room.h"
#include "tests/unit/system-traffic.h"
#include "tests/unit/system.h"

static const char config[] = "[devices]\n"
			     "domains = alice bob mallory\n"
			     "[allow map]\n"
			     "from = alice\n"
			     "to = bob\n"
			     "modes = copy map\n"
			     "[allow copy]\n"
			     "from = *\n"
			     "to = *\n"
			     "modes = copy\n";

static struct world w;
static struct vm *alice, *bob;
static struct xenmsg_port *from, *to;
static uint32_t addr;

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
	vm_enter(alice);
}

static void teardown(void)
{
	sim_enter(NULL);
	world_fini(&w);
}

static struct xenmsg_pool *open_pool(size_t bytes)
{
	struct xenmsg_pool *pool;

	vm_enter(alice);
	ck_assert_int_eq(xenmsg_pool_open(from, addr, 7, bytes, &pool, 1000), 0);
	return pool;
}

/* Room for @len bytes, all of them @c. */
static char *get(struct xenmsg_pool *pool, size_t len, char c)
{
	void *data;

	ck_assert_int_eq(xenmsg_pool_get(pool, len, &data, XENMSG_NONBLOCK), 0);
	memset(data, c, len);
	return data;
}

static void send_all(struct xenmsg_pool *pool, char *data, size_t len)
{
	ck_assert_int_eq(xenmsg_pool_send(pool, data, len, 0, NULL), 0);
}

static struct xenmsg_msg *receive(size_t len, char c)
{
	struct xenmsg_msg *msg = vm_receive(bob, to);
	struct iovec iov;

	ck_assert_uint_eq(xenmsg_msg_len(msg), len);
	ck_assert_int_eq(xenmsg_msg_is_mapped(msg), 1);
	ck_assert_int_eq(xenmsg_msg_iov(msg, &iov, 1), 1);
	ck_assert_int_eq(((char *)iov.iov_base)[0], c);
	ck_assert_int_eq(((char *)iov.iov_base)[len - 1], c);
	return msg;
}

static void release(struct xenmsg_msg *msg)
{
	vm_enter(bob);
	xenmsg_release(msg);
	world_run(&w, 1);
	vm_enter(alice);
}

/* --------------------------------------------------------------------- room */

START_TEST(room)
{
	struct xenmsg_pool *pool = open_pool(4 * 4096);
	char *a, *b, *c;
	void *data;

	ck_assert_int_eq(xenmsg_pool_get(pool, 0, &data, XENMSG_NONBLOCK), -EINVAL);
	ck_assert_int_eq(xenmsg_pool_get(pool, 5 * 4096, &data, XENMSG_NONBLOCK), -EMSGSIZE);
	a = get(pool, 1, 'a');
	b = get(pool, 4097, 'b');
	c = get(pool, 4096, 'c');
	ck_assert_int_eq(b - a, 4096);
	ck_assert_int_eq(c - b, 8192);
	ck_assert_int_eq(xenmsg_pool_get(pool, 1, &data, XENMSG_NONBLOCK), -EAGAIN);
	/* Two pages that are not in a row. */
	xenmsg_pool_put(pool, a);
	xenmsg_pool_put(pool, c);
	ck_assert_int_eq(xenmsg_pool_get(pool, 8192, &data, XENMSG_NONBLOCK), -EAGAIN);
	xenmsg_pool_put(pool, b);
	ck_assert_ptr_eq(get(pool, 4 * 4096, 'd'), a);
}
END_TEST

#define PAGES 150u /* several words of them */

/* Whether @n pages in a row are free. */
static bool fits(const bool taken[PAGES], unsigned int n)
{
	for (unsigned int i = 0, run = 0; i < PAGES; i++) {
		run = taken[i] ? 0 : run + 1;
		if (run == n)
			return true;
	}
	return false;
}

/* Against what is known of each page. */
START_TEST(rooms_at_random)
{
	unsigned int len[PAGES] = { 0 };
	bool taken[PAGES] = { false };
	struct rooms rooms;

	ck_assert_int_eq(rooms_init(&rooms, 0), -EINVAL);
	ck_assert_int_eq(rooms_init(&rooms, ROOM_PAGES_MAX + 1), -EINVAL);
	ck_assert_int_eq(rooms_init(&rooms, PAGES), 0);
	for (unsigned int round = 0; round < 20000; round++) {
		unsigned int n = 1 + (unsigned int)sim_random_below(round % 3 ? 4 : PAGES);
		unsigned int at = (unsigned int)sim_random_below(PAGES);
		int first;

		if (len[at]) {
			room_put(&rooms, at);
			memset(taken + at, 0, len[at] * sizeof(taken[0]));
			len[at] = 0;
			continue;
		}
		first = room_get(&rooms, n * 4096 - sim_random_below(4096));
		ck_assert_int_eq(first >= 0, fits(taken, n));
		if (first < 0)
			continue;
		ck_assert_uint_le((unsigned int)first + n, PAGES);
		for (unsigned int i = (unsigned int)first; i < (unsigned int)first + n; i++) {
			ck_assert(!taken[i]);
			taken[i] = true;
		}
		len[first] = n;
	}
	rooms_fini(&rooms);
}
END_TEST

START_TEST(nonsense)
{
	struct xenmsg_pool *pool = open_pool(4 * 4096), *other;
	char *a = get(pool, 5000, 'a');

	ck_assert_int_eq(xenmsg_pool_send(pool, a - 1, 10, 0, NULL), -EINVAL);
	ck_assert_int_eq(xenmsg_pool_send(pool, a, 0, 0, NULL), -EINVAL);
	ck_assert_int_eq(xenmsg_pool_send(pool, a, 8193, 0, NULL), -EINVAL);
	ck_assert_int_eq(xenmsg_pool_send(pool, a + 8192, 1, 0, NULL), -EINVAL);
	ck_assert_int_eq(xenmsg_pool_send(pool, a + 4 * 4096, 1, 0, NULL), -EINVAL);
	ck_assert_int_eq(xenmsg_pool_send(pool, a, XENMSG_MESSAGE_MAX + 1, 0, NULL), -EMSGSIZE);
	xenmsg_pool_put(pool, a + 8192);
	xenmsg_pool_put(pool, NULL);
	send_all(pool, a, 5000);
	/* It is on its way: neither to be sent again nor to be given back. */
	ck_assert_int_eq(xenmsg_pool_send(pool, a, 5000, 0, NULL), -EINVAL);
	xenmsg_pool_put(pool, a);
	release(receive(5000, 'a'));
	ck_assert_int_eq(xenmsg_pool_open(from, addr, 7, 0, &other, 1000), -EINVAL);
	ck_assert_int_eq(xenmsg_pool_open(from, addr, 7, SIZE_MAX, &other, 1000), -EINVAL);
	ck_assert_int_eq(xenmsg_pool_open(from, 0x18000, 7, 4096, &other, 1000), -EHOSTUNREACH);
	ck_assert_int_eq(xenmsg_pool_open(from, addr, 7, 1024 * 4096, &other, 1000), -ENOSPC);
	xenmsg_pool_close(NULL);
}
END_TEST

/* Room comes back at release, wherever in the room the message lay; who waits is woken. */
START_TEST(room_comes_back)
{
	struct xenmsg_pool *pool = open_pool(2 * 4096);
	struct xenmsg_msg *msg;
	struct pollfd p;
	void *data;
	char *a;

	a = get(pool, 8192, 'a');
	send_all(pool, a + 100, 5000);
	ck_assert_int_eq(xenmsg_pool_get(pool, 1, &data, XENMSG_NONBLOCK), -EAGAIN);
	sim_actor_stall(alice->actor, true);
	xenmsg_dispatch(alice->x);
	p = (struct pollfd){ .fd = xenmsg_fd(alice->x), .events = POLLIN };
	msg = receive(5000, 'a');
	vm_enter(alice);
	ck_assert_int_eq(poll(&p, 1, 10), 0);
	vm_enter(bob);
	xenmsg_release(msg);
	vm_enter(alice);
	ck_assert_int_eq(poll(&p, 1, 1000), 1);
	xenmsg_dispatch(alice->x);
	ck_assert_ptr_eq(get(pool, 8192, 'b'), a);
	sim_actor_stall(alice->actor, false);
}
END_TEST

static bool release_later(void *arg)
{
	struct xenmsg_msg **msg = arg;

	if (!*msg)
		return false;
	xenmsg_release(*msg);
	*msg = NULL;
	return true;
}

START_TEST(get_waits)
{
	static struct xenmsg_msg *msg;
	struct xenmsg_pool *pool = open_pool(4096);
	void *data;

	send_all(pool, get(pool, 4096, 'a'), 4096);
	msg = receive(4096, 'a');
	sim_actor_new(bob->process, release_later, &msg);
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_pool_get(pool, 4096, &data, 0), 0);
	ck_assert_ptr_null(msg);
}
END_TEST

/* --------------------------------------------------------------------- life */

START_TEST(refused_pairs)
{
	struct xenmsg_pool *pool;
	struct xenmsg_port *unbound;
	uint32_t back = vm_find(bob, "alice");

	vm_enter(bob);
	ck_assert_int_eq(xenmsg_pool_open(to, back, 5, 4096, &pool, 1000), -EACCES);
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_pool_open(from, addr, 99, 4096, &pool, 1000), -ECONNREFUSED);
	ck_assert_int_eq(xenmsg_port_open(alice->x, 0, NULL, &unbound), 0);
	ck_assert_int_eq(xenmsg_pool_open(unbound, addr, 7, 4096, &pool, 1000), -EINVAL);
	world_run(&w, 1);
}
END_TEST

/* What the sender is told when it is the receiver's process that cannot. */
START_TEST(receiver_cannot_map)
{
	static const struct {
		enum sim_call call;
		unsigned int nth;
		int error, told;
	} cases[] = {
		{ SIM_CALL_GNTTAB_OPEN, 1, EACCES, -EACCES },
		{ SIM_CALL_GNTTAB_OPEN, 1, ENOENT, -EACCES },
		{ SIM_CALL_GNTTAB_OPEN, 1, EMFILE, -ENOBUFS },
		{ SIM_CALL_GNTTAB_OPEN, 1, ENFILE, -ENOBUFS },
		{ SIM_CALL_GNTTAB_OPEN, 1, ENOMEM, -ENOBUFS },
		{ SIM_CALL_MAP, 1, EINVAL, -EFAULT },
		{ SIM_CALL_MAP, 2, EINVAL, -EFAULT },
		{ SIM_CALL_MAP, 1, ENOMEM, -ENOBUFS },
		{ SIM_CALL_MAP, 2, ENOMEM, -ENOBUFS },
	};
	struct xenmsg_pool *pool;
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sim_fail_nth(bob->process, cases[i].call, cases[i].nth, cases[i].error);
		ck_assert_int_eq(xenmsg_pool_open(from, addr, 7, 4096, &pool, 1000), cases[i].told);
	}
	pool = open_pool(4096);
	send_all(pool, get(pool, 10, 'a'), 10);
	release(receive(10, 'a'));
}
END_TEST

START_TEST(closes_when_nothing_is_held)
{
	struct xenmsg_pool *pool = open_pool(16 * 4096);
	unsigned int granted = sim_grants(alice->domid);
	struct xenmsg_msg *msg;
	struct xenmsg_event e;
	uint64_t seq;

	ck_assert_int_eq(xenmsg_pool_send(pool, get(pool, 100, 'a'), 100, XENMSG_CONFIRM, &seq), 0);
	msg = receive(100, 'a');
	vm_enter(alice);
	xenmsg_pool_close(pool);
	world_run(&w, 10);
	ck_assert_uint_eq(sim_grants(alice->domid), granted);
	ck_assert_int_eq(xenmsg_event(alice->x, &e), -EAGAIN);
	release(msg);
	world_run(&w, 10);
	e = vm_event(alice, XENMSG_SENT);
	ck_assert_uint_eq(e.seq, seq);
	ck_assert_int_eq(e.status, 0);
	ck_assert_uint_eq(sim_grants(alice->domid), granted - 17);
	/* Its id is free again. */
	pool = open_pool(16 * 4096);
	send_all(pool, get(pool, 100, 'b'), 100);
	release(receive(100, 'b'));
}
END_TEST

/* A port closes its pools; messages in them go on. */
START_TEST(port_closes_first)
{
	struct xenmsg_pool *pool = open_pool(4 * 4096);
	unsigned int granted = sim_grants(alice->domid);
	struct xenmsg_msg *msg;

	send_all(pool, get(pool, 4000, 'a'), 4000);
	xenmsg_port_close(from);
	msg = receive(4000, 'a');
	release(msg);
	world_run(&w, 10);
	ck_assert_uint_eq(sim_grants(alice->domid), granted - 5);
	vm_enter(alice);
	from = vm_bind(alice, 5, NULL);
	pool = open_pool(4096);
	send_all(pool, get(pool, 40, 'b'), 40);
	release(receive(40, 'b'));
}
END_TEST

START_TEST(receiver_lets_go)
{
	struct xenmsg_pool *pool = open_pool(4 * 4096);
	char *a = get(pool, 100, 'a');
	struct xenmsg_event e;
	void *data;

	send_all(pool, get(pool, 4000, 'x'), 4000);
	xenmsg_release(receive(4000, 'x'));
	vm_enter(bob);
	xenmsg_port_close(to);
	world_run(&w, 10);
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_pool_send(pool, a, 100, 0, NULL), -EHOSTDOWN);
	ck_assert_int_eq(xenmsg_pool_get(pool, 100, &data, 0), -EHOSTDOWN);
	memset(a, 'y', 100); /* still there */
	xenmsg_pool_close(pool);
	while (!xenmsg_event(alice->x, &e))
		ck_assert_int_ne(e.type, XENMSG_SEND_FAILED);
}
END_TEST

START_TEST(many_pools)
{
	struct xenmsg_pool *pools[64], *pool;
	unsigned int i;

	for (i = 0; i < 64; i++) {
		pools[i] = open_pool(4096);
		world_run(&w, 200); /* the broker's rate */
	}
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_pool_open(from, addr, 7, 4096, &pool, 1000), -ENOBUFS);
	for (i = 0; i < 64; i++) {
		send_all(pools[i], get(pools[i], 10, (char)i), 10);
		release(receive(10, (char)i));
	}
	for (i = 0; i < 64; i += 2)
		xenmsg_pool_close(pools[i]);
	world_run(&w, 5000);
	send_all(pools[33], get(pools[33], 10, 'z'), 10);
	release(receive(10, 'z'));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lib-pool");
	TCase *tcase = tcase_create("pool");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, room);
	tcase_add_test(tcase, rooms_at_random);
	tcase_add_test(tcase, nonsense);
	tcase_add_test(tcase, room_comes_back);
	tcase_add_test(tcase, get_waits);
	tcase_add_test(tcase, refused_pairs);
	tcase_add_test(tcase, receiver_cannot_map);
	tcase_add_test(tcase, closes_when_nothing_is_held);
	tcase_add_test(tcase, port_closes_first);
	tcase_add_test(tcase, receiver_lets_go);
	tcase_add_test(tcase, many_pools);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
