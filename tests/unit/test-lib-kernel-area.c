// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libxenmsg over the kernel's driver: buffers. In the TX area, and beside it where
 * that has no room; some that the program has spoilt; a child, who has none of it.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/kernel-pages.h"

static void fill(const struct xenmsg_buffer *b, char c)
{
	int i;

	for (i = 0; i < b->nr; i++)
		memset(b->iov[i].iov_base, c, b->iov[i].iov_len);
}

static void get_buffer(size_t len, struct xenmsg_buffer *b, char c)
{
	ck_assert_int_eq(xenmsg_buffer_get(port, len, b, 0), 0);
	ck_assert_int_eq(b->nr, (int)((len + PAGE - 1) / PAGE));
	fill(b, c);
}

static int send_buffer(struct xenmsg_buffer *b)
{
	return xenmsg_buffer_send(port, PEER, 7, b, 0, NULL);
}

/* What was sent last: @len bytes, all of them @c, in this way. */
static void check_last(size_t len, char c, unsigned int where)
{
	const struct fake_sent *sent = last_sent();

	ck_assert_uint_eq(sent->tx.len, len);
	ck_assert_int_eq(sent->bytes[0], c);
	ck_assert_int_eq(sent->bytes[len - 1], c);
	ck_assert_uint_eq(sent->tx.flags & (XENMSG_TX_AREA | XENMSG_TX_IOV), where);
}

START_TEST(area)
{
	struct xenmsg_buffer b[4], copy;
	struct xenmsg_event e;
	unsigned int i;

	for (i = 0; i < 3; i++)
		get_buffer(80000, &b[i], (char)('a' + i));
	copy = b[0];
	/* 60 of 64 pages: the next one is memory of ours, and copied. */
	get_buffer(80000, &b[3], 'd');
	for (i = 0; i < 4; i++) {
		ck_assert_int_eq(send_buffer(&b[i]), 0);
		check_last(80000, (char)('a' + i), i < 3 ? XENMSG_TX_AREA : 0);
		ck_assert_int_eq(send_buffer(&b[i]), -EINVAL);
	}
	/* Pages come back when the driver says so, and not before. */
	ck_assert_int_eq(send_buffer(&copy), -EINVAL);
	xenmsg_buffer_put(port, &copy);
	get_buffer(80000, &b[0], 'e');
	ck_assert_int_eq(send_buffer(&b[0]), 0);
	check_last(80000, 'e', 0);
	fake_answer(1, 0);
	get_buffer(80000, &b[0], 'f');
	ck_assert_int_eq(send_buffer(&b[0]), 0);
	check_last(80000, 'f', XENMSG_TX_AREA);
	/* Nobody asked to be told. */
	ck_assert_int_eq(xenmsg_event(x, &e), -EAGAIN);
	fake_answer(0, -EHOSTUNREACH);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_SEND_FAILED);
	ck_assert_int_eq(e.status, -EHOSTUNREACH);
	ck_assert_uint_eq(e.seq, 1);
	ck_assert_uint_eq(fake.calls[FAKE_CALL(XENMSG_IOC_AREA)], 1);
}
END_TEST

START_TEST(confirmed_from_area)
{
	struct xenmsg_buffer b;
	struct xenmsg_event e;
	uint64_t seq;

	get_buffer(10000, &b, 'a');
	ck_assert_int_eq(xenmsg_buffer_send(port, PEER, 7, &b, XENMSG_CONFIRM, &seq), 0);
	fake_answer(0, 0);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_SENT);
	ck_assert_uint_eq(e.seq, seq);
}
END_TEST

/* The many times the area's pages: all come back, sent, copied or put. */
START_TEST(area_goes_round)
{
	struct xenmsg_buffer b;
	unsigned int i;

	for (i = 0; i < 200; i++) {
		get_buffer(100000, &b, (char)i);
		if (i % 4 == 1) {
			xenmsg_buffer_put(port, &b);
			xenmsg_buffer_put(port, &b); /* harmless */
			continue;
		}
		if (i % 4 == 2)
			b.nr = 3;
		if (i % 4 == 3)
			b.iov[2].iov_len = 1; /* not in a row any more */
		ck_assert_int_eq(send_buffer(&b), 0);
		check_last(i % 4 == 2 ? 3 * PAGE :
			   i % 4 == 3 ? 100000 - 4095 :
					100000,
			   (char)i, i % 4 == 3 ? XENMSG_TX_IOV : XENMSG_TX_AREA);
		fake_answer(fake.nr_sent - 1, 0);
	}
}
END_TEST

START_TEST(less_area)
{
	struct xenmsg_buffer b;

	fake.area_limit = 20;
	get_buffer(16 * PAGE, &b, 'a'); /* 64, 32, 16 */
	ck_assert_uint_eq(file->area.nr_pages, 16);
	ck_assert_int_eq(send_buffer(&b), 0);
	check_last(16 * PAGE, 'a', XENMSG_TX_AREA);
	get_buffer(17 * PAGE, &b, 'b');
	ck_assert_int_eq(send_buffer(&b), 0);
	check_last(17 * PAGE, 'b', 0);
}
END_TEST

START_TEST(no_area)
{
	struct xenmsg_buffer b, large;
	unsigned int calls;

	fake.area_limit = 0;
	get_buffer(5000, &b, 'a');
	calls = fake.calls[FAKE_CALL(XENMSG_IOC_AREA)];
	ck_assert_int_eq(send_buffer(&b), 0);
	check_last(5000, 'a', 0);
	get_buffer(XENMSG_MESSAGE_MAX, &large, 'l');
	ck_assert_int_eq(send_buffer(&large), 0);
	check_last(XENMSG_MESSAGE_MAX, 'l', 0);
	get_buffer(40, &b, 's');
	ck_assert_int_eq(send_buffer(&b), 0);
	check_last(40, 's', 0);
	ck_assert_uint_eq(fake.calls[FAKE_CALL(XENMSG_IOC_AREA)], calls); /* not again */
	/* One that nobody sends goes with its port. */
	get_buffer(5000, &b, 'b');
}
END_TEST

START_TEST(area_cannot_be_mapped)
{
	struct xenmsg_buffer b;

	fake.mmap_error = -ENOMEM;
	get_buffer(5000, &b, 'a');
	ck_assert_int_eq(send_buffer(&b), 0);
	check_last(5000, 'a', 0);
}
END_TEST

START_TEST(spoilt_buffers)
{
	struct xenmsg_buffer b, bad;
	unsigned int kind;

	for (kind = 0; kind < 2; kind++) {
		get_buffer(kind ? 300000 : 10000, &b, 'a');
		bad = b;
		bad.nr = 0;
		ck_assert_int_eq(send_buffer(&bad), -EINVAL);
		bad.nr = b.nr + 1;
		ck_assert_int_eq(send_buffer(&bad), -EINVAL);
		bad = b;
		bad.iov[1].iov_len = 4097;
		ck_assert_int_eq(send_buffer(&bad), -EINVAL);
		bad.iov[1].iov_len = 0;
		ck_assert_int_eq(send_buffer(&bad), -EINVAL);
		bad = b;
		bad.iov[0].iov_base = &bad;
		ck_assert_int_eq(send_buffer(&bad), -EINVAL);
		bad = b;
		bad.opaque[0] = 100000;
		ck_assert_int_eq(send_buffer(&bad), -EINVAL);
		xenmsg_buffer_put(port, &bad);
		bad = b;
		bad.opaque[2] += 1;
		ck_assert_int_eq(send_buffer(&bad), -EINVAL);
		bad.opaque[2] = 100000;
		ck_assert_int_eq(send_buffer(&bad), -EINVAL);
		ck_assert_int_eq(send_buffer(&b), 0);
	}
}
END_TEST

/* Without room a buffer stays the caller's. */
START_TEST(buffer_without_room)
{
	struct xenmsg_buffer b;

	get_buffer(10000, &b, 'a');
	fake.no_room = true;
	ck_assert_int_eq(xenmsg_buffer_send(port, PEER, 7, &b, XENMSG_NONBLOCK, NULL), -EAGAIN);
	fake_room();
	ck_assert_int_eq(send_buffer(&b), 0);
	check_last(10000, 'a', XENMSG_TX_AREA);
}
END_TEST

/* A child that lives on must not keep the driver's file, nor its pages. */
START_TEST(not_for_children)
{
	struct xenmsg_pool *pool = open_pool(1);
	struct xenmsg_buffer b;
	char here = 'h';

	ck_assert(in_child(&here));
	ck_assert(!in_child(get(pool, 1, 'p')));
	get_buffer(10000, &b, 'a');
	ck_assert(!in_child(b.iov[2].iov_base));
	xenmsg_buffer_put(port, &b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lib-kernel-area");
	TCase *tcase = tcase_create("area");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup_port, teardown);
	tcase_add_test(tcase, area);
	tcase_add_test(tcase, confirmed_from_area);
	tcase_add_test(tcase, area_goes_round);
	tcase_add_test(tcase, less_area);
	tcase_add_test(tcase, no_area);
	tcase_add_test(tcase, area_cannot_be_mapped);
	tcase_add_test(tcase, spoilt_buffers);
	tcase_add_test(tcase, buffer_without_room);
	tcase_add_test(tcase, not_for_children);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
