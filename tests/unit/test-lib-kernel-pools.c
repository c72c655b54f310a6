// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libxenmsg over the kernel's driver: own pools. Room in them, and what comes
 * back of it; a receiver that refuses a pool or lets go of it; their end.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/kernel-pages.h"

START_TEST(rooms)
{
	struct xenmsg_pool *pool = open_pool(4);
	struct xenmsg_event e;
	uint64_t seq;
	void *data;
	char *a, *b;

	ck_assert_int_eq(xenmsg_pool_get(pool, 4 * PAGE + 1, &data, 0), -EMSGSIZE);
	a = get(pool, 5000, 'a');
	b = get(pool, 8000, 'b');
	ck_assert_int_eq(b - a, 2 * PAGE);
	ck_assert_int_eq(xenmsg_pool_get(pool, 1, &data, XENMSG_NONBLOCK), -EAGAIN);
	ck_assert_int_eq(xenmsg_pool_send(pool, a + 100, 9000, 0, NULL), -EINVAL);
	ck_assert_int_eq(xenmsg_pool_send(pool, a + 100, 4000, 0, &seq), 0);
	ck_assert_uint_eq(last_sent()->tx.data, 100);
	ck_assert_uint_eq(last_sent()->tx.nr, 0);
	ck_assert_uint_eq(last_sent()->tx.addr, PEER);
	ck_assert_uint_eq(last_sent()->tx.port, 7);
	ck_assert_uint_eq(last_sent()->tx.flags, XENMSG_TX_POOL | XENMSG_TX_CONFIRM);
	ck_assert_int_eq(last_sent()->bytes[3999], 'a');
	/* Sent: neither again, nor back. */
	ck_assert_int_eq(xenmsg_pool_send(pool, a, 5000, 0, NULL), -EINVAL);
	xenmsg_pool_put(pool, a);
	ck_assert_int_eq(xenmsg_pool_get(pool, 1, &data, XENMSG_NONBLOCK), -EAGAIN);
	/* What was not sent can be given back. */
	xenmsg_pool_put(pool, b + 4096);
	ck_assert_ptr_eq(get(pool, 8000, 'b'), b);
	/* The answer wakes who waits for room, and is nobody's event. */
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert(!readable());
	fake_answer(0, 0);
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_ptr_eq(get(pool, 8192, 'c'), a);
	ck_assert_int_eq(xenmsg_event(x, &e), -EAGAIN);
	/* Unless it was asked for, or is a failure. */
	ck_assert_int_eq(xenmsg_pool_send(pool, a, 10, XENMSG_CONFIRM, &seq), 0);
	ck_assert_int_eq(xenmsg_pool_send(pool, b, 10, 0, NULL), 0);
	fake_answer(1, 0);
	fake_answer(2, -ECONNREFUSED);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_SENT);
	ck_assert_uint_eq(e.seq, seq);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_SEND_FAILED);
	ck_assert_int_eq(e.status, -ECONNREFUSED);
	ck_assert_ptr_eq(get(pool, 4 * PAGE, 'd'), a);
}
END_TEST

static bool answer_first(void *arg)
{
	if (!fake.nr_sent || fake.sent[0].answered)
		return false;
	fake_answer(0, 0);
	return true;
}

START_TEST(get_waits)
{
	struct xenmsg_pool *pool = open_pool(1);
	char *a = get(pool, PAGE, 'a');
	void *data;

	ck_assert_int_eq(xenmsg_pool_send(pool, a, PAGE, 0, NULL), 0);
	sim_actor_new(others, answer_first, NULL);
	ck_assert_int_eq(xenmsg_pool_get(pool, PAGE, &data, 0), 0);
	ck_assert_ptr_eq(data, a);
}
END_TEST

/* The driver keeps 256 events. What got lost with them does not keep its room for ever. */
START_TEST(answers_are_lost)
{
	struct xenmsg_pool *pool = open_pool(300);
	struct xenmsg_event e;
	unsigned int i;
	void *data;

	for (i = 0; i < 300; i++)
		ck_assert_int_eq(xenmsg_pool_send(pool, get(pool, 10, 'a'), 10, 0, NULL), 0);
	for (i = 0; i < 299; i++)
		fake_answer(i, 0);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_LOST);
	/* 256 are back for sure; of the others it is not known which are. */
	ck_assert_int_eq(xenmsg_pool_get(pool, 257 * PAGE, &data, XENMSG_NONBLOCK), -EAGAIN);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	fake_answer(299, 0);
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_int_eq(xenmsg_pool_get(pool, 300 * PAGE, &data, XENMSG_NONBLOCK), 0);
}
END_TEST

START_TEST(refused_pool)
{
	struct xenmsg_pool *pool;
	unsigned int answered = 0;

	/* Nobody answers: it is given up, and the driver may delete it. */
	ck_assert_int_eq(xenmsg_pool_open(port, PEER, 7, PAGE, &pool, 10), -ETIMEDOUT);
	ck_assert_uint_eq(fake.nr_deleted, 1);
	answered = 1;
	sim_actor_new(others, answer_adds, &answered);
	pool_status = -EACCES;
	ck_assert_int_eq(xenmsg_pool_open(port, PEER, 7, PAGE, &pool, 10), -EACCES);
	pool_status = 0;
	fake.mmap_error = -ENOMEM;
	ck_assert_int_eq(xenmsg_pool_open(port, PEER, 7, PAGE, &pool, 10), -ENOMEM);
	ck_assert_uint_eq(fake.nr_deleted, 2);
	fake.error[FAKE_CALL(XENMSG_IOC_POOL_ADD)] = -EACCES;
	ck_assert_int_eq(xenmsg_pool_open(port, PEER, 7, PAGE, &pool, 10), -EACCES);
}
END_TEST

/* A pool that is closed goes when its messages are answered. */
START_TEST(pool_closes)
{
	struct xenmsg_pool *pool = open_pool(4), *other;

	ck_assert_int_eq(xenmsg_pool_send(pool, get(pool, 10, 'a'), 10, 0, NULL), 0);
	ck_assert_int_eq(xenmsg_pool_send(pool, get(pool, 10, 'b'), 10, 0, NULL), 0);
	xenmsg_pool_close(pool);
	ck_assert_uint_eq(fake.nr_deleted, 0);
	fake_answer(1, 0);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_uint_eq(fake.nr_deleted, 0);
	fake_answer(0, 0);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_uint_eq(fake.nr_deleted, 1);
	other = open_pool(2);
	xenmsg_pool_close(other);
	ck_assert_uint_eq(fake.nr_deleted, 2);
}
END_TEST

START_TEST(receiver_lets_go)
{
	struct xenmsg_uapi_event gone = { .type = XENMSG_EV_POOL_GONE, .slot = 1 };
	struct xenmsg_pool *pool = open_pool(4);
	char *a = get(pool, 10, 'a');
	void *data;

	/* Not ours. */
	fake_event(file, &gone);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	get(pool, 10, 'b');
	fake_pool_gone(file, 0);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_int_eq(xenmsg_pool_send(pool, a, 10, 0, NULL), -EHOSTDOWN);
	ck_assert_int_eq(xenmsg_pool_get(pool, 10, &data, 0), -EHOSTDOWN);
	memset(a, 'y', 10); /* still there */
	xenmsg_pool_close(pool);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lib-kernel-pools");
	TCase *tcase = tcase_create("pools");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup_port, teardown);
	tcase_add_test(tcase, rooms);
	tcase_add_test(tcase, get_waits);
	tcase_add_test(tcase, answers_are_lost);
	tcase_add_test(tcase, refused_pool);
	tcase_add_test(tcase, pool_closes);
	tcase_add_test(tcase, receiver_lets_go);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
