// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libxenmsg over the kernel's driver: system calls and wake-ups that are not
 * made, and what the driver would lose if others were not.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"
#include "tests/unit/fake-kernel.h"
#include "xenmsg.h"

#define PAGE 4096u
#define PEER 0x10007u

static struct sim_process *others;
static struct xenmsg *x;
static struct xenmsg_port *port;
static struct fake_file *file;

static void setup(void)
{
	domid_t guest;

	sim_init(1);
	guest = sim_domain_new("guest", SIM_PVH);
	others = sim_process_new(guest, "others");
	sim_enter(sim_process_new(guest, "app"));
	fake_init();
	ck_assert_int_eq(xenmsg_open(&x, NULL), 0);
	ck_assert_int_eq(xenmsg_port_open(x, 5, NULL, &port), 0);
	file = fake_port(5);
}

static void teardown(void)
{
	xenmsg_close(x);
	ck_assert_uint_eq(fake_open_files(), 0);
	fake_fini();
	sim_fini();
}

static bool readable(void)
{
	struct pollfd p = { .fd = xenmsg_fd(x), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static unsigned int calls(unsigned long request)
{
	return fake.calls[FAKE_CALL(request)];
}

static int send_one(unsigned int flags)
{
	return xenmsg_send(port, PEER, 7, "x", 1, flags, NULL);
}

static bool answer_add(void *arg)
{
	unsigned int *answered = arg;

	if (*answered == calls(XENMSG_IOC_POOL_ADD))
		return false;
	fake_pool_answer(file, (*answered)++, 0); /* pools get the lowest numbers */
	return true;
}

/*
 * A program that does nothing but send from a pool with much room: what comes
 * back is fetched before the driver loses it.
 */
START_TEST(only_sends)
{
	unsigned int answered = 0, i;
	struct xenmsg_pool *pool;
	struct xenmsg_event e;
	void *data;

	sim_actor_new(others, answer_add, &answered);
	ck_assert_int_eq(xenmsg_pool_open(port, PEER, 7, 600 * PAGE, &pool, 1000), 0);
	for (i = 0; i < 1500; i++) {
		ck_assert_int_eq(xenmsg_pool_get(pool, 10, &data, XENMSG_NONBLOCK), 0);
		ck_assert_int_eq(xenmsg_pool_send(pool, data, 10, 0, NULL), 0);
		fake_answer(i, 0);
	}
	ck_assert_int_eq(xenmsg_event(x, &e), -EAGAIN);
	ck_assert_int_eq(xenmsg_pool_get(pool, 600 * PAGE, &data, XENMSG_NONBLOCK), 0);
}
END_TEST

/* A pool that closes notices its last answer also if that was fetched on this way. */
START_TEST(closing_among_sends)
{
	struct xenmsg_pool *pools[2];
	unsigned int answered = 0, i;
	void *data;

	sim_actor_new(others, answer_add, &answered);
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(xenmsg_pool_open(port, PEER, 7, PAGE, &pools[i], 1000), 0);
	ck_assert_int_eq(xenmsg_pool_get(pools[0], 10, &data, XENMSG_NONBLOCK), 0);
	ck_assert_int_eq(xenmsg_pool_send(pools[0], data, 10, 0, NULL), 0);
	xenmsg_pool_close(pools[0]);
	fake_answer(0, 0);
	for (i = 0; i < 200; i++)
		ck_assert_int_eq(send_one(0), 0);
	ck_assert_uint_eq(file->nr_events, 0);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_uint_eq(fake.nr_deleted, 1);
}
END_TEST

/* Who has no such rooms pays nothing for that. */
START_TEST(plain_sends)
{
	unsigned int i;

	for (i = 0; i < 1500; i++) {
		ck_assert_int_eq(send_one(0), 0);
		fake_answer(i, 0);
	}
	ck_assert_uint_eq(calls(XENMSG_IOC_SEND), 1500);
	ck_assert_uint_eq(calls(XENMSG_IOC_EVENTS), 0);
	ck_assert_uint_eq(fake.waits, 0);
}
END_TEST

/* What the driver published already is not published once more. */
START_TEST(lazy_once)
{
	ck_assert_int_eq(send_one(XENMSG_LAZY), 0);
	fake.no_room = true;
	ck_assert_int_eq(send_one(XENMSG_NONBLOCK), -EAGAIN);
	ck_assert(fake.published);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_uint_eq(calls(XENMSG_IOC_EVENTS), 0);
	fake_room();
	ck_assert_int_eq(send_one(XENMSG_LAZY), 0);
	ck_assert_int_eq(xenmsg_flush(x, 10), -ETIMEDOUT);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_uint_eq(calls(XENMSG_IOC_EVENTS), 0);
}
END_TEST

/* Ordinary memory in a row is one piece. */
START_TEST(one_piece)
{
	struct xenmsg_buffer b;
	int i;

	fake.area_limit = 0;
	ck_assert_int_eq(xenmsg_buffer_get(port, 100000, &b, 0), 0);
	for (i = 0; i < b.nr; i++)
		memset(b.iov[i].iov_base, 'a' + i, b.iov[i].iov_len);
	ck_assert_int_eq(xenmsg_buffer_send(port, PEER, 7, &b, 0, NULL), 0);
	ck_assert_uint_eq(fake.sent[0].tx.flags, 0);
	ck_assert_uint_eq(fake.sent[0].tx.len, 100000);
	for (i = 0; i < b.nr; i++)
		ck_assert_int_eq(fake.sent[0].bytes[i * (int)PAGE], 'a' + i);
	/* One with a hole is not. */
	ck_assert_int_eq(xenmsg_buffer_get(port, 8192, &b, 0), 0);
	b.iov[0].iov_len = 1;
	memset(b.iov[0].iov_base, 'x', 1);
	memset(b.iov[1].iov_base, 'y', PAGE);
	ck_assert_int_eq(xenmsg_buffer_send(port, PEER, 7, &b, 0, NULL), 0);
	ck_assert_uint_eq(fake.sent[1].tx.flags, XENMSG_TX_IOV);
	ck_assert_uint_eq(fake.sent[1].tx.len, PAGE + 1);
	ck_assert_mem_eq(fake.sent[1].bytes, "xyy", 3);
}
END_TEST

/* With too much held, a release tells the application only if it made room. */
START_TEST(releases_without_room)
{
	enum { MAX = 80 };
	struct xenmsg_msg *held[MAX], *msg;
	unsigned int n = 0, i;

	for (i = 0; i < MAX; i++)
		fake_deliver(file, PEER, 30000, 'a');
	while (n < MAX && !xenmsg_recv(port, &msg, 0))
		held[n++] = msg;
	ck_assert_uint_lt(n, MAX);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert(!readable());
	/* Two are in each buffer. */
	xenmsg_release(held[0]);
	ck_assert(!readable());
	xenmsg_release(held[1]);
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_int_eq(xenmsg_recv(port, &msg, 0), 0);
	xenmsg_release(msg);
	for (i = 2; i < n; i++)
		xenmsg_release(held[i]);
	for (i = n + 1; i < MAX; i++) {
		ck_assert_int_eq(xenmsg_recv(port, &msg, 0), 0);
		xenmsg_release(msg);
	}
	ck_assert_int_eq(xenmsg_recv(port, &msg, 0), -EAGAIN);
}
END_TEST

/* Ends of other ports and pools are not asked for at each wake-up. */
START_TEST(closing_costs_nothing)
{
	struct xenmsg_port *other;
	unsigned int flushes, i;
	struct xenmsg_msg *msg;

	ck_assert_int_eq(xenmsg_port_open(x, 6, NULL, &other), 0);
	ck_assert_int_eq(xenmsg_send(other, PEER, 7, "x", 1, 0, NULL), 0);
	xenmsg_port_close(other);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	flushes = calls(XENMSG_IOC_FLUSH);
	for (i = 0; i < 50; i++) {
		fake_deliver(file, PEER, 10, 'a');
		ck_assert_int_eq(xenmsg_dispatch(x), 0);
		ck_assert_int_eq(xenmsg_recv(port, &msg, 0), 0);
		xenmsg_release(msg);
	}
	ck_assert_uint_eq(calls(XENMSG_IOC_FLUSH), flushes);
	ck_assert_uint_eq(fake_open_files(), 3);
	fake_answer(0, 0);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_uint_eq(fake_open_files(), 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lib-kernel-cost");
	TCase *tcase = tcase_create("cost");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, only_sends);
	tcase_add_test(tcase, closing_among_sends);
	tcase_add_test(tcase, plain_sends);
	tcase_add_test(tcase, lazy_once);
	tcase_add_test(tcase, one_piece);
	tcase_add_test(tcase, releases_without_room);
	tcase_add_test(tcase, closing_costs_nothing);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
