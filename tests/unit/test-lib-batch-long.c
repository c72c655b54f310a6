// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Batches of more pages than a slot has room for: the longest ones, and where they
 * end earlier, as there are no pages, or somebody takes no more.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/system-pair.h"

#define NR(array) (sizeof(array) / sizeof((array)[0]))

/* SENDs of alice's that were taken in and answered. */
static uint64_t sends(void)
{
	return pair_slots() / 2;
}

struct longest {
	size_t len;
	bool in_place;
	unsigned int nr; /* so many are the longest batch */
};

static const struct longest longest[] = {
	{ 1024, false, 64 }, { 1024, true, 64 }, { 1000, false, 65 }, { 1000, true, 65 },
	{ 264, false, 248 }, { 256, true, 256 }, { 4096, false, 16 }, { 4096, true, 16 },
	{ 2056, true, 16 },  { 3000, true, 16 }, { 3000, false, 21 }, { 4088, false, 16 },
};

/* As many messages as go in one SEND do, from every first page on; the next one does not. */
START_TEST(longest_ones)
{
	const struct longest *l = &longest[(size_t)_i % NR(longest)];
	int (*send)(size_t len, uint64_t key) = l->in_place ? pair_lazy_in_place : pair_lazy;
	unsigned int more, n = 0;

	pair_begin(pair_configs[(size_t)_i / NR(longest)], 1);
	for (more = 0; more < 2; more++) {
		uint64_t before = sends();

		for (unsigned int i = 0; i < l->nr + more; i++)
			ck_assert_int_eq(send(l->len, n + i), 0);
		ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), 0);
		ck_assert_uint_eq(sends() - before, 1 + more);
		for (unsigned int i = 0; i < l->nr + more; i++)
			pair_expect(l->len, n++);
	}
	pair_end();
}
END_TEST

/* All pages that are free, taken by somebody and given back: how many. */
static unsigned int free_pages(void)
{
	struct xenmsg_buffer *buffers = calloc(1024, sizeof(*buffers));
	unsigned int nr = 0, i;

	ck_assert_ptr_nonnull(buffers);
	vm_enter(pair.alice);
	while (!xenmsg_buffer_get(pair.from, 4096, &buffers[nr], XENMSG_NONBLOCK))
		ck_assert_uint_lt(++nr, 1024);
	for (i = 0; i < nr; i++)
		xenmsg_buffer_put(pair.from, &buffers[i]);
	free(buffers);
	return nr;
}

/* No page of theirs is lost, nor their lists', whether they arrive or not. */
START_TEST(pages_come_back)
{
	int (*send)(uint32_t number, size_t len, uint64_t key, unsigned int flags, uint64_t *seq) =
		_i ? pair_send_in_place : pair_send;
	unsigned int before;

	pair_begin(pair_configs[0], 1);
	before = free_pages();
	for (unsigned int nr = 1; nr <= 18; nr++) {
		for (unsigned int i = 0; i < nr; i++)
			ck_assert_int_eq(send(7, 4096, i, XENMSG_LAZY, NULL), 0);
		ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), 0);
		for (unsigned int i = 0; i < nr; i++)
			pair_expect(4096, i);
		vm_enter(pair.alice);
		(void)xenmsg_dispatch(pair.alice->x);
		ck_assert_uint_eq(free_pages(), before);
		for (unsigned int i = 0; i < nr; i++)
			ck_assert_int_eq(send(99, 4096, i, XENMSG_LAZY, NULL), 0);
		ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), -ECONNREFUSED);
		ck_assert_uint_eq(free_pages(), before);
	}
	pair_end();
}
END_TEST

static const struct {
	unsigned int left, messages, slots;
} few[] = {
	{ 1, 1, 1 },   { 4, 4, 1 },   { 5, 5, 2 },   { 6, 5, 1 },   { 7, 6, 1 },
	{ 16, 15, 1 }, { 17, 16, 1 }, { 18, 17, 2 }, { 22, 21, 3 }, { 23, 21, 2 },
};

/*
 * With few pages a batch ends where there is no other one, or none for its list; it is
 * sent all the same.
 */
START_TEST(few_pages)
{
	int (*send)(size_t len, uint64_t key) = (size_t)_i / NR(few) ? pair_lazy_in_place :
								       pair_lazy;
	unsigned int left = few[(size_t)_i % NR(few)].left, nr, n = 0;
	struct xenmsg_buffer *buffers = calloc(1024, sizeof(*buffers));
	uint64_t before;

	ck_assert_ptr_nonnull(buffers);
	pair_begin(pair_configs[0], 1);
	nr = free_pages() - left;
	for (unsigned int i = 0; i < nr; i++)
		ck_assert_int_eq(xenmsg_buffer_get(pair.from, 4096, &buffers[i], 0), 0);
	before = sends();
	while (!send(4096, n))
		n++;
	ck_assert_uint_eq(n, few[(size_t)_i % NR(few)].messages);
	ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), 0);
	ck_assert_uint_eq(sends() - before, few[(size_t)_i % NR(few)].slots);
	for (unsigned int i = 0; i < n; i++)
		pair_expect(4096, i);
	vm_enter(pair.alice);
	(void)xenmsg_dispatch(pair.alice->x);
	ck_assert_uint_eq(free_pages(), left);
	for (unsigned int i = 0; i < nr; i++)
		xenmsg_buffer_put(pair.from, &buffers[i]);
	free(buffers);
	pair_end();
}
END_TEST

/* A batch that is as long as it can be, but cannot be posted, has its sender wait, not try for ever. */
START_TEST(no_room_for_it)
{
	struct xenmsg_buffer *buffers = calloc(1024, sizeof(*buffers));
	unsigned int nr = 0, n = 0, left = 4 + (unsigned int)_i;

	ck_assert_ptr_nonnull(buffers);
	pair_begin(pair_configs[0], 1);
	vm_enter(pair.alice);
	/* The flow's window is full. */
	while (!pair_send(7, 4096, n, XENMSG_NONBLOCK, NULL))
		n++;
	while (!xenmsg_buffer_get(pair.from, 4096, &buffers[nr], XENMSG_NONBLOCK))
		ck_assert_uint_lt(++nr, 1024);
	for (unsigned int i = 0; i < left; i++)
		xenmsg_buffer_put(pair.from, &buffers[--nr]);
	while (!pair_send(7, 4096, n, XENMSG_LAZY | XENMSG_NONBLOCK, NULL))
		n++;
	ck_assert_int_eq(pair_send(7, 4096, n, XENMSG_LAZY | XENMSG_NONBLOCK, NULL), -EAGAIN);
	while (nr)
		xenmsg_buffer_put(pair.from, &buffers[--nr]);
	free(buffers);
	ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), 0);
	for (unsigned int i = 0; i < n; i++)
		pair_expect(4096, i);
	pair_end();
}
END_TEST

/* No more than the broker takes. */
START_TEST(short_messages_only)
{
	uint64_t before;

	pair_begin("[daemon]\nmax-message = 20480\n" PAIR_RULES, 1);
	before = sends();
	for (unsigned int i = 0; i < 11; i++)
		ck_assert_int_eq(pair_lazy(4096, i), 0);
	ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), 0);
	ck_assert_uint_eq(sends() - before, 3);
	for (unsigned int i = 0; i < 11; i++)
		pair_expect(4096, i);
	pair_end();
}
END_TEST

/*
 * One that waits for room, and then for a broker that takes less: its messages fail, and
 * its pages are free. Those before it may have been delivered, for all that one knows.
 */
START_TEST(refused_late)
{
	unsigned int before, gone = 0, refused = 0;
	struct xenmsg_event event;

	pair_begin("[daemon]\nflow-window = 1\n" PAIR_RULES, 1);
	before = free_pages();
	for (unsigned int i = 0; i < 16 + 8; i++)
		ck_assert_int_eq(pair_lazy(4096, i), 0);
	world_broker_kill(&pair.w);
	free(pair.w.config);
	pair.w.config = strdup("[daemon]\nmax-message = 16384\n" PAIR_RULES);
	ck_assert_int_eq(world_broker_start(&pair.w), 0);
	for (unsigned int i = 0; i < 20; i++) {
		world_run(&pair.w, 1);
		vm_enter(pair.bob);
		ck_assert_int_eq(xenmsg_dispatch(pair.bob->x), 0);
		vm_enter(pair.alice);
		ck_assert_int_eq(xenmsg_dispatch(pair.alice->x), 0);
	}
	ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), -EMSGSIZE);
	while (!xenmsg_event(pair.alice->x, &event)) {
		gone += event.type == XENMSG_SEND_FAILED && event.status == -EHOSTDOWN;
		refused += event.type == XENMSG_SEND_FAILED && event.status == -EMSGSIZE;
	}
	ck_assert_uint_eq(gone, 16);
	ck_assert_uint_eq(refused, 8);
	ck_assert_uint_eq(free_pages(), before);
	pair_end();
}
END_TEST

/* The smallest port and the fewest pages that there are take the longest batch. */
START_TEST(smallest_receiver)
{
	struct xenmsg_bind bind = { .size = sizeof(bind), .buffer = 1 };
	struct xenmsg_options options = XENMSG_OPTIONS_INIT;
	struct vm *carol;
	struct xenmsg_port *to;
	struct xenmsg_msg *msg;

	pair_begin(pair_configs[0], 1);
	options.rx_pages = 1;
	options.ring_order = 0;
	carol = vm_new(&pair.w, "carol", SIM_PVH);
	ck_assert_int_eq(vm_open(carol, &options), 0);
	vm_enter(carol);
	ck_assert_int_eq(xenmsg_port_open(carol->x, 7, &bind, &to), 0);
	pair.addr = vm_find(pair.alice, "carol");
	for (unsigned int round = 0; round < 5; round++) {
		for (unsigned int i = 0; i < 16; i++)
			ck_assert_int_eq(pair_lazy(4096, i), 0);
		ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), 0);
		vm_enter(carol);
		for (unsigned int i = 0; i < 16; i++) {
			ck_assert_int_eq(xenmsg_recv(to, &msg, 100), 0);
			ck_assert(traffic_is(msg, 4096, i));
			xenmsg_release(msg);
		}
	}
	pair_end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lib-batch-long");
	TCase *tcase = tcase_create("long");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, longest_ones, 0, 2 * NR(longest));
	tcase_add_loop_test(tcase, pages_come_back, 0, 2);
	tcase_add_loop_test(tcase, few_pages, 0, 2 * NR(few));
	tcase_add_loop_test(tcase, no_room_for_it, 0, 4);
	tcase_add_test(tcase, short_messages_only);
	tcase_add_test(tcase, refused_late);
	tcase_add_test(tcase, smallest_receiver);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
