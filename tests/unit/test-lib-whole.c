// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Batches that a port receives whole: as one message, which says how long those in
 * it are. The userspace frontend; test-lib-kernel-batch has the kernel's driver.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/system-traffic.h"
#include "tests/unit/system.h"

#define RULES           \
	"[devices]\n"   \
	"domains = *\n" \
	"[allow all]\n" \
	"from = *\n"    \
	"to = *\n"

static struct world w;
static struct vm *alice, *bob;
static struct xenmsg_port *from, *to;
static uint32_t addr;

static void setup(void)
{
	const struct xenmsg_bind bind = { .size = sizeof(bind), .batches = 1 };

	world_init(&w, 1, RULES);
	alice = vm_new(&w, "alice", SIM_PV);
	bob = vm_new(&w, "bob", SIM_PVH);
	ck_assert_int_eq(world_broker_start(&w), 0);
	ck_assert_int_eq(vm_open(alice, NULL), 0);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
	from = vm_bind(alice, 5, NULL);
	vm_enter(bob);
	ck_assert_int_eq(xenmsg_port_open(bob->x, 7, &bind, &to), 0);
	addr = vm_find(alice, "bob");
	world_run(&w, 10);
}

static void teardown(void)
{
	sim_enter(NULL);
	world_fini(&w);
}

static void send_one(size_t len, uint64_t key, unsigned int flags)
{
	char data[8192];

	vm_enter(alice);
	traffic_fill(data, len, key);
	ck_assert_int_eq(xenmsg_send(from, addr, 7, data, len, flags, NULL), 0);
}

static struct xenmsg_msg *receive(void)
{
	struct xenmsg_msg *msg;

	vm_enter(alice);
	ck_assert_int_eq(xenmsg_flush(alice->x, 100), 0);
	vm_enter(bob);
	ck_assert_int_eq(xenmsg_recv(to, &msg, 100), 0);
	return msg;
}

/* Messages of @len bytes in @msg, with the keys from @key on. */
static void expect(const struct xenmsg_msg *msg, size_t len, uint64_t key, unsigned int nr)
{
	char got[4096], data[4096];

	ck_assert_uint_eq(xenmsg_msg_len(msg), nr * len);
	for (unsigned int i = 0; i < nr; i++) {
		traffic_fill(data, len, key + i);
		ck_assert_uint_eq(xenmsg_copy(msg, i * len, got, len), len);
		ck_assert_mem_eq(got, data, len);
	}
}

static const size_t lens[] = { 8, 64, 104, 1000, 4096 };
#define NR_LENS ((int)(sizeof(lens) / sizeof(lens[0])))

/* Its pieces are the whole payload, and its number is the last one's. */
START_TEST(whole)
{
	size_t len = lens[_i], bytes = 0;
	unsigned int nr = 65536 / len < 256 ? (unsigned int)(65536 / len) : 256;
	struct xenmsg_msg *msg;
	struct iovec iov[32];
	uint64_t first;
	int n;

	send_one(3, 0, 0);
	msg = receive();
	first = xenmsg_msg_seq(msg);
	ck_assert_uint_eq(xenmsg_msg_each(msg), 0);
	xenmsg_release(msg);
	for (unsigned int i = 0; i < nr; i++)
		send_one(len, i, XENMSG_LAZY);
	msg = receive();
	ck_assert_uint_eq(xenmsg_msg_each(msg), len);
	ck_assert_uint_eq(xenmsg_msg_seq(msg), first + nr);
	ck_assert_uint_eq(xenmsg_msg_addr(msg), xenmsg_address(alice->x));
	ck_assert_uint_eq(xenmsg_msg_port(msg), 5);
	expect(msg, len, 0, nr);
	n = xenmsg_msg_iov(msg, iov, 32);
	ck_assert_int_le(n, 16);
	for (int i = 0; i < n; i++)
		bytes += iov[i].iov_len;
	ck_assert_uint_eq(bytes, nr * len);
	xenmsg_release(msg);
}
END_TEST

/* What came alone says so, also with a handle that a batch had before. */
START_TEST(alone)
{
	struct xenmsg_msg *msg;

	for (int round = 0; round < 3; round++) {
		send_one(64, 1, XENMSG_LAZY);
		send_one(64, 2, XENMSG_LAZY);
		msg = receive();
		ck_assert_uint_eq(xenmsg_msg_each(msg), 64);
		expect(msg, 64, 1, 2);
		xenmsg_release(msg);
		send_one(64, 3, XENMSG_LAZY);
		msg = receive();
		ck_assert_uint_eq(xenmsg_msg_each(msg), 0);
		expect(msg, 64, 3, 1);
		xenmsg_release(msg);
	}
}
END_TEST

/* Held ones keep their room, and are released in any order. */
START_TEST(held)
{
	struct xenmsg_msg *msgs[8];

	for (unsigned int i = 0; i < 8; i++) {
		for (unsigned int j = 0; j < 4; j++)
			send_one(1024, 4 * i + j, XENMSG_LAZY);
		msgs[i] = receive();
	}
	for (unsigned int i = 0; i < 8; i++) {
		unsigned int which = (5 * i + 3) % 8;

		expect(msgs[which], 1024, 4 * which, 4);
		xenmsg_release(msgs[which]);
	}
}
END_TEST

/* An older program's bind has no such field; no other value is taken. */
START_TEST(arguments)
{
	struct xenmsg_bind bind = { .size = sizeof(bind), .batches = 2 };
	struct xenmsg_port *port;

	vm_enter(bob);
	ck_assert_int_eq(xenmsg_port_open(bob->x, 8, &bind, &port), -EINVAL);
	bind.size = offsetof(struct xenmsg_bind, batches);
	ck_assert_int_eq(xenmsg_port_open(bob->x, 8, &bind, &port), 0);
	xenmsg_port_close(port);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lib-whole");
	TCase *tc = tcase_create("whole");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, whole, 0, NR_LENS);
	tcase_add_test(tc, alone);
	tcase_add_test(tc, held);
	tcase_add_test(tc, arguments);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
