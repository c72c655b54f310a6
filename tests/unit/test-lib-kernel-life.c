// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libxenmsg over the kernel's driver: what begins and ends. Who has the device,
 * ports whose end takes its time, a device that goes and comes back.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "tests/sim/sim.h"
#include "tests/unit/fake-kernel.h"
#include "xenmsg.h"

#define PEER 0x10007u

static struct sim_process *others;
static struct xenmsg *x;

static void setup(void)
{
	domid_t guest;

	sim_init(1);
	guest = sim_domain_new("guest", SIM_PVH);
	others = sim_process_new(guest, "others");
	sim_enter(sim_process_new(guest, "app"));
	fake_init();
	ck_assert_int_eq(xenmsg_open(&x, NULL), 0);
}

static void teardown(void)
{
	xenmsg_close(x);
	x = NULL;
	ck_assert_uint_eq(fake_open_files(), 0);
	fake_fini();
	sim_fini();
}

static void reopen(void)
{
	xenmsg_close(x);
	x = NULL;
	ck_assert_uint_eq(fake_open_files(), 0);
	ck_assert_int_eq(xenmsg_open(&x, NULL), 0);
}

static struct xenmsg_port *bound(uint32_t number)
{
	struct xenmsg_port *port;

	ck_assert_int_eq(xenmsg_port_open(x, number, NULL, &port), 0);
	return port;
}

static bool readable(void)
{
	struct pollfd p = { .fd = xenmsg_fd(x), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static unsigned int unbinds(void)
{
	return fake.calls[FAKE_CALL(XENMSG_IOC_UNBIND)];
}

/* --------------------------------------------------------------- who has it */

/* A frontend in userspace has the device: nothing else is tried. */
START_TEST(owned_by_userspace)
{
	struct xenmsg *other;

	fake.error[FAKE_CALL(XENMSG_IOC_INFO)] = -EBUSY;
	ck_assert_int_eq(xenmsg_open(&other, NULL), -EBUSY);
	fake.open_error = -EBUSY;
	ck_assert_int_eq(xenmsg_open(&other, NULL), -EBUSY);
	ck_assert_uint_eq(fake_open_files(), 1);
}
END_TEST

/* ----------------------------------------------------------- ends of ports */

/* Closing the device gives the numbers of its ports back. */
START_TEST(numbers_are_free)
{
	bound(5);
	bound(6);
	bound(0);
	reopen();
	ck_assert_uint_eq(unbinds(), 2);
	bound(5);
	bound(6);
	/* Also if the broker takes its time: all are asked for before one is waited for. */
	fake.slow_unbinds = 1;
	reopen();
	ck_assert_uint_eq(unbinds(), 2 + 4);
	bound(5);
	bound(6);
}
END_TEST

/* A broker that does not answer keeps no one for ever. */
START_TEST(goodbye_ends)
{
	uint64_t begin = sim_now();
	struct xenmsg_port *port;

	bound(5);
	fake.slow_unbinds = 1000;
	reopen();
	ck_assert_uint_le(sim_now() - begin, 2 * SIM_NSEC_PER_SEC);
	fake.slow_unbinds = 0;
	ck_assert_int_eq(xenmsg_port_open(x, 5, NULL, &port), -EADDRINUSE);
	fake_left();
	bound(5);
}
END_TEST

/* The number of a port whose end is under way is waited for. */
START_TEST(number_comes_back)
{
	struct xenmsg_port *port = bound(5);

	fake.slow_unbinds = 2;
	xenmsg_port_close(port);
	ck_assert_uint_eq(fake_open_files(), 2);
	bound(6); /* others do not wait */
	ck_assert_uint_eq(fake.slow_unbinds, 1);
	port = bound(5);
	ck_assert_uint_eq(fake.slow_unbinds, 0);
	xenmsg_port_close(port);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_uint_eq(fake_open_files(), 2);
}
END_TEST

START_TEST(number_does_not_come_back)
{
	struct xenmsg_port *port = bound(5);

	fake.slow_unbinds = 1000;
	xenmsg_port_close(port);
	ck_assert_int_eq(xenmsg_port_open(x, 5, NULL, &port), -ETIMEDOUT);
	ck_assert_uint_eq(fake_open_files(), 2);
	/* Its end is noticed without being asked for. */
	fake.slow_unbinds = 0;
	fake_wake(fake_port(5));
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_uint_eq(fake_open_files(), 1);
	bound(5);
}
END_TEST

/* ---------------------------------------------------------------- events */

/* To publish what is lazy fetches events: they are told, and not slept upon. */
START_TEST(event_before_a_wait)
{
	const struct xenmsg_uapi_event up = {
		.type = XENMSG_EV_PEER_UP,
		.addr = PEER,
		.name_len = 3,
		.name = "bob",
	};
	struct xenmsg_port *port = bound(0);
	uint64_t begin = sim_now();
	struct xenmsg_event e;
	int timeout;

	for (timeout = 0; timeout <= 1000; timeout += 1000) {
		ck_assert_int_eq(xenmsg_send(port, PEER, 7, "x", 1, XENMSG_LAZY, NULL), 0);
		fake_event(&fake.files[0], &up);
		ck_assert_int_eq(xenmsg_wait(x, timeout), 1);
		ck_assert_int_eq(xenmsg_event(x, &e), 0);
		ck_assert_int_eq(e.type, XENMSG_PEER_UP);
	}
	ck_assert_uint_lt(sim_now() - begin, 500 * SIM_NSEC_PER_MSEC);
}
END_TEST

/* --------------------------------------------------------- loss and return */

/* A program that opens a port for each job, and waits for nothing else. */
START_TEST(opens_when_back)
{
	struct xenmsg_port *port;

	fake_gone();
	ck_assert_int_eq(xenmsg_dispatch(x), -EHOSTDOWN);
	ck_assert_int_eq(xenmsg_port_open(x, 0, NULL, &port), -EHOSTDOWN);
	ck_assert_int_eq(xenmsg_port_open(x, 5, NULL, &port), -EHOSTDOWN);
	fake_back(0x20005);
	bound(0);
	bound(5);
	/* What was seen meanwhile is told. */
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_uint_eq(xenmsg_address(x), 0x20005);
}
END_TEST

START_TEST(unbound_hears_of_it)
{
	struct xenmsg_port *port = bound(0);
	struct xenmsg_msg *msg;

	fake_gone();
	ck_assert_int_eq(xenmsg_recv(port, &msg, 0), -EHOSTDOWN);
	ck_assert_int_eq(xenmsg_recv(port, &msg, -1), -EHOSTDOWN);
	fake_back(0x20005);
	ck_assert_int_eq(xenmsg_recv(port, &msg, 0), -EAGAIN);
}
END_TEST

static bool lose(void *arg)
{
	bool *done = arg;

	if (*done)
		return false;
	*done = true;
	fake_gone();
	return true;
}

static bool answer_add(void *arg)
{
	unsigned int *answered = arg;

	if (*answered == fake.calls[FAKE_CALL(XENMSG_IOC_POOL_ADD)])
		return false;
	++*answered;
	fake_pool_answer(fake_port(5), fake.files[1].pools[1].nr_pages ? 1 : 0, 0);
	return true;
}

/* Pools are not as they were. */
START_TEST(pools_are_gone)
{
	struct xenmsg_port *port = bound(5);
	struct xenmsg_pool *pool, *other;
	unsigned int answered = 0;
	void *data;

	sim_actor_new(others, answer_add, &answered);
	ck_assert_int_eq(xenmsg_pool_open(port, PEER, 7, 8192, &pool, 1000), 0);
	ck_assert_int_eq(xenmsg_pool_get(pool, 10, &data, 0), 0);
	fake_gone();
	fake_back(0x20005);
	/* Before and after that was heard of. */
	ck_assert_int_eq(xenmsg_pool_send(pool, data, 10, 0, NULL), -EHOSTDOWN);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_int_eq(xenmsg_pool_send(pool, data, 10, 0, NULL), -EHOSTDOWN);
	ck_assert_int_eq(xenmsg_pool_get(pool, 10, &data, 0), -EHOSTDOWN);
	ck_assert_int_eq(xenmsg_pool_open(port, PEER, 7, 8192, &other, 1000), 0);
	xenmsg_pool_close(pool);
	ck_assert_uint_eq(fake.files[1].pools[0].nr_pages, 0);
	ck_assert_int_eq(xenmsg_pool_get(other, 10, &data, 0), 0);
	ck_assert_int_eq(xenmsg_pool_send(other, data, 10, 0, NULL), 0);
}
END_TEST

START_TEST(gone_while_a_pool_is_opened)
{
	struct xenmsg_port *port = bound(5);
	struct xenmsg_pool *pool;
	bool done = false;

	sim_actor_new(others, lose, &done);
	ck_assert_int_eq(xenmsg_pool_open(port, PEER, 7, 8192, &pool, -1), -EHOSTDOWN);
	ck_assert_int_eq(xenmsg_pool_open(port, PEER, 7, 8192, &pool, -1), -EHOSTDOWN);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lib-kernel-life");
	TCase *tcase = tcase_create("life");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, owned_by_userspace);
	tcase_add_test(tcase, numbers_are_free);
	tcase_add_test(tcase, goodbye_ends);
	tcase_add_test(tcase, number_comes_back);
	tcase_add_test(tcase, number_does_not_come_back);
	tcase_add_test(tcase, event_before_a_wait);
	tcase_add_test(tcase, opens_when_back);
	tcase_add_test(tcase, unbound_hears_of_it);
	tcase_add_test(tcase, pools_are_gone);
	tcase_add_test(tcase, gone_while_a_pool_is_opened);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
