// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Batches of messages in place: short ones are copied, the others bring their
 * pages along; for the applications they are what they would be alone.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "tests/unit/system-pair.h"

#define NR(array) (sizeof(array) / sizeof((array)[0]))

/* Four together at least. */
START_TEST(in_place)
{
	pair_contents(pair_lens[(size_t)_i % PAIR_LENS], pair_configs[(size_t)_i / PAIR_LENS],
		      pair_lazy_in_place, 150);
}
END_TEST

/* Whatever comes later, on any way, comes later: short ones and those that bring their pages along. */
START_TEST(order_in_place)
{
	static const size_t all[] = { 64, 64, 64, 64, 64, 64, 72, 63,	64,   64,  64,
				      64, 64, 8,  8,  8,  8,  8,  4096, 4096, 4096 };
	size_t more = _i / 2 ? 3000 : 0;
	unsigned int n = 0;
	uint64_t seq;

	pair_begin(pair_configs[_i % 2], 1);
	ck_assert_int_eq(pair_lazy_in_place(more + 64, n++), 0);
	ck_assert_int_eq(pair_lazy_in_place(more + 64, n++), 0);
	ck_assert_int_eq(pair_lazy(more + 64, n++), 0); /* copied */
	ck_assert_int_eq(pair_lazy(more + 64, n++), 0);
	ck_assert_int_eq(pair_lazy_in_place(more + 64, n++), 0);
	ck_assert_int_eq(pair_lazy_in_place(more + 64, n++), 0);
	ck_assert_int_eq(pair_lazy_in_place(more + 72, n++), 0);
	ck_assert_int_eq(pair_lazy_in_place(more + 63, n++), 0);
	ck_assert_int_eq(pair_send_in_place(7, more + 64, n++, 0, NULL), 0); /* not lazy */
	ck_assert_int_eq(pair_lazy_in_place(more + 64, n++), 0);
	ck_assert_int_eq(pair_send_in_place(7, more + 64, n++, XENMSG_LAZY, &seq), 0);
	ck_assert_int_eq(pair_lazy_in_place(more + 64, n++), 0);
	ck_assert_int_eq(pair_send_in_place(7, more + 64, n++, XENMSG_LAZY | XENMSG_CONFIRM, NULL),
			 0);
	/* More than a SEND's. */
	for (unsigned int i = 0; i < 5; i++)
		ck_assert_int_eq(pair_lazy_in_place(more + 8, n++), 0);
	/* Those that fill their pages. */
	ck_assert_int_eq(pair_lazy(4096, n++), 0);
	ck_assert_int_eq(pair_lazy_in_place(4096, n++), 0);
	ck_assert_int_eq(pair_lazy(4096, n++), 0);
	ck_assert_uint_eq(n, NR(all));
	ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), 0);
	for (unsigned int i = 0; i < n; i++)
		pair_expect(all[i] == 4096 ? 4096 : more + all[i], i);
	pair_end();
}
END_TEST

/* A buffer is its application's until it is sent: once, and as it was handed out. */
START_TEST(given_away)
{
	struct xenmsg_buffer buffer, copy;
	struct xenmsg_event event;

	pair_begin(pair_configs[0], 1);
	vm_enter(pair.alice);
	for (unsigned int i = 0; i < 12; i++) {
		ck_assert_int_eq(xenmsg_buffer_get(pair.from, 4096, &buffer, 0), 0);
		copy = buffer;
		copy.iov[0].iov_base = (char *)copy.iov[0].iov_base + 8;
		ck_assert_int_eq(xenmsg_buffer_send(pair.from, pair.addr, 7, &copy, XENMSG_LAZY,
						    NULL),
				 -EINVAL);
		copy = buffer;
		copy.iov[0].iov_len = 4104;
		ck_assert_int_eq(xenmsg_buffer_send(pair.from, pair.addr, 7, &copy, XENMSG_LAZY,
						    NULL),
				 -EINVAL);
		copy = buffer;
		copy.opaque[1] = 100000;
		ck_assert_int_eq(xenmsg_buffer_send(pair.from, pair.addr, 7, &copy, XENMSG_LAZY,
						    NULL),
				 -EINVAL);
		ck_assert_int_eq(xenmsg_buffer_send(pair.from, 0, 7, &buffer, XENMSG_LAZY, NULL),
				 -EINVAL);
		copy = buffer;
		ck_assert_int_eq(
			pair_send_buffer(&buffer, 7, 4096 - 8 * (i / 6), i, XENMSG_LAZY, NULL), 0);
		xenmsg_buffer_put(pair.from, &buffer); /* harmless */
		ck_assert_int_eq(xenmsg_buffer_send(pair.from, pair.addr, 7, &buffer, XENMSG_LAZY,
						    NULL),
				 -EINVAL);
		copy.iov[0].iov_len = 4096 - 8 * (i / 6);
		ck_assert_int_eq(xenmsg_buffer_send(pair.from, pair.addr, 7, &copy, XENMSG_LAZY,
						    NULL),
				 -EINVAL);
		ck_assert_int_eq(xenmsg_buffer_send(pair.from, pair.addr, 7, &copy, 0, NULL),
				 -EINVAL);
		xenmsg_buffer_put(pair.from, &copy); /* harmless, too: it is in the batch */
	}
	ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), 0);
	ck_assert_int_eq(xenmsg_event(pair.alice->x, &event), -EAGAIN);
	for (unsigned int i = 0; i < 12; i++)
		pair_expect(4096 - 8 * (i / 6), i);
	pair_end();
}
END_TEST

/* Nor is the page of a batch's list the application's: it is in use once. */
START_TEST(list_page)
{
	struct xenmsg_buffer list, *pages = calloc(1024, sizeof(*pages));
	unsigned int nr = 0;

	pair_begin(pair_configs[0], 1);
	ck_assert_ptr_nonnull(pages);
	vm_enter(pair.alice);
	/* The last one that is free is the list's. */
	while (!xenmsg_buffer_get(pair.from, 4096, &pages[nr], XENMSG_NONBLOCK))
		ck_assert_uint_lt(++nr, 1024);
	list = pages[nr - 1];
	while (nr)
		xenmsg_buffer_put(pair.from, &pages[--nr]);
	for (unsigned int i = 0; i < 5; i++)
		ck_assert_int_eq(pair_send_in_place(7, 4096, i, XENMSG_LAZY, NULL), 0);
	list.iov[0].iov_len = 8;
	ck_assert_int_eq(xenmsg_buffer_send(pair.from, pair.addr, 7, &list, XENMSG_LAZY, NULL),
			 -EINVAL);
	while (!xenmsg_buffer_get(pair.from, 4096, &pages[nr], XENMSG_NONBLOCK)) {
		ck_assert_ptr_ne(pages[nr].iov[0].iov_base, list.iov[0].iov_base);
		ck_assert_uint_lt(++nr, 1024);
	}
	ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), 0);
	for (unsigned int i = 0; i < 5; i++)
		pair_expect(4096, i);
	free(pages);
	pair_end();
}
END_TEST

/* Who finds no page sends off those that are in batches, or there never would be any. */
START_TEST(no_pages)
{
	struct xenmsg_buffer *buffers = calloc(1024, sizeof(*buffers));
	unsigned int nr = 0;

	pair_begin(pair_configs[0], 1);
	ck_assert_ptr_nonnull(buffers);
	vm_enter(pair.alice);
	while (!xenmsg_buffer_get(pair.from, 4096, &buffers[nr], XENMSG_NONBLOCK))
		ck_assert_uint_lt(++nr, 1024);
	for (unsigned int i = 0; i < 2; i++)
		ck_assert_int_eq(pair_send_buffer(&buffers[i], 7, 4096, i, XENMSG_LAZY, NULL), 0);
	ck_assert_int_eq(pair_lazy_in_place(8, 0), -EAGAIN);
	pair_expect(4096, 0);
	pair_expect(4096, 1);
	vm_enter(pair.alice);
	ck_assert_int_eq(pair_send_buffer(&buffers[2], 7, 4096, 2, XENMSG_LAZY, NULL), 0);
	for (unsigned int i = 3; i < 8; i++)
		ck_assert_int_eq(pair_send_in_place(7, 4096, i, XENMSG_LAZY, NULL), 0);
	ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), 0);
	for (unsigned int i = 2; i < 8; i++)
		pair_expect(4096, i);
	free(buffers);
	pair_end();
}
END_TEST

/* Those that are in another port's batch are left to it, but not for ever. */
START_TEST(others_pages)
{
	struct xenmsg_buffer *buffers = calloc(1024, sizeof(*buffers));
	struct xenmsg_buffer buffer;
	struct xenmsg_port *other;
	struct xenmsg_msg *msg;
	unsigned int nr = 0, tries;

	pair_begin(pair_configs[0], 1);
	ck_assert_ptr_nonnull(buffers);
	other = vm_bind(pair.alice, 6, NULL);
	vm_enter(pair.alice);
	while (!xenmsg_buffer_get(pair.from, 4096, &buffers[nr], XENMSG_NONBLOCK))
		ck_assert_uint_lt(++nr, 1024);
	ck_assert_int_eq(pair_send_buffer(&buffers[0], 7, 4096, 0, XENMSG_LAZY, NULL), 0);
	ck_assert_int_eq(xenmsg_buffer_get(other, 4096, &buffer, XENMSG_NONBLOCK), -EAGAIN);
	vm_enter(pair.bob);
	ck_assert_int_eq(xenmsg_recv(pair.to, &msg, 1), -ETIMEDOUT);
	/* It goes on. */
	vm_enter(pair.alice);
	ck_assert_int_eq(pair_send_buffer(&buffers[1], 7, 4096, 1, XENMSG_LAZY, NULL), 0);
	for (tries = 0; tries < 300; tries++)
		ck_assert_int_eq(xenmsg_buffer_get(other, 4096, &buffer, XENMSG_NONBLOCK), -EAGAIN);
	pair_expect(4096, 0);
	pair_expect(4096, 1);
	vm_enter(pair.alice);
	ck_assert_int_eq(xenmsg_buffer_get(other, 4096, &buffer, XENMSG_NONBLOCK), 0);
	xenmsg_buffer_put(other, &buffer);
	/* Whoever waits has it leave at once. */
	vm_enter(pair.alice);
	while (!xenmsg_buffer_get(pair.from, 4096, &buffers[nr], XENMSG_NONBLOCK))
		ck_assert_uint_lt(++nr, 1024);
	ck_assert_int_eq(pair_send_buffer(&buffers[2], 7, 4096, 2, XENMSG_LAZY, NULL), 0);
	ck_assert_int_eq(xenmsg_buffer_get(other, 4096, &buffer, 0), 0);
	xenmsg_buffer_put(other, &buffer);
	pair_expect(4096, 2);
	free(buffers);
	pair_end();
}
END_TEST

/* Of any kind to two ports, copied and in place, and nobody waits. */
START_TEST(mixed)
{
	static const unsigned int kinds[] = { XENMSG_LAZY, XENMSG_LAZY,
					      XENMSG_LAZY, XENMSG_LAZY,
					      XENMSG_LAZY, XENMSG_LAZY,
					      0,	   XENMSG_LAZY | XENMSG_CONFIRM };
	static size_t sizes[2][4000];
	struct xenmsg_port *ports[2];
	unsigned int sent[2] = { 0 }, got[2] = { 0 }, refused = 0;
	size_t len = 64;
	bool copy = false;

	pair_begin(pair_configs[_i % 2], 1 + (uint64_t)_i);
	ports[0] = pair.to;
	ports[1] = vm_bind(pair.bob, 8, NULL);
	while (got[0] + got[1] < 4000) {
		unsigned int k = (unsigned int)sim_random_below(2);
		uint64_t seq;
		struct xenmsg_msg *msg;

		if (sim_random_below(4) == 0)
			len = sim_random_below(2) ? pair_lens[sim_random_below(PAIR_LENS)] :
						    1 + sim_random_below(4096);
		if (sim_random_below(4) == 0)
			copy = sim_random_below(2);
		if (sent[0] + sent[1] < 4000) {
			unsigned int flags = kinds[sim_random_below(NR(kinds))] | XENMSG_NONBLOCK;
			int r = (copy ? pair_send : pair_send_in_place)(
				7 + k, len, sent[k], flags, sim_random_below(20) ? NULL : &seq);

			ck_assert(r == 0 || r == -EAGAIN);
			if (r == 0)
				sizes[k][sent[k]++] = len;
			else
				refused++;
		} else {
			vm_enter(pair.alice);
			ck_assert_int_eq(xenmsg_dispatch(pair.alice->x), 0);
		}
		if (sim_random_below(50))
			continue;
		world_run(&pair.w, 1);
		vm_enter(pair.alice);
		ck_assert_int_eq(xenmsg_dispatch(pair.alice->x), 0);
		vm_enter(pair.bob);
		for (k = 0; k < 2; k++) {
			while (!xenmsg_recv(ports[k], &msg, 0)) {
				ck_assert_uint_lt(got[k], sent[k]);
				ck_assert(traffic_is(msg, sizes[k][got[k]], got[k]));
				got[k]++;
				xenmsg_release(msg);
			}
		}
	}
	ck_assert_uint_gt(refused, 0);
	pair_end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lib-batch-place");
	TCase *tcase = tcase_create("in place");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, in_place, 0, 2 * PAIR_LENS);
	tcase_add_loop_test(tcase, order_in_place, 0, 4);
	tcase_add_test(tcase, given_away);
	tcase_add_test(tcase, list_page);
	tcase_add_test(tcase, no_pages);
	tcase_add_test(tcase, others_pages);
	tcase_add_loop_test(tcase, mixed, 0, 6);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
