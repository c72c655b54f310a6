// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The whole system over the simulated Xen: messages in map mode, and where it is not
 * to be had.
 */
#include "tests/unit/system-basic.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

START_TEST(mapped_messages_arrive)
{
	struct xenmsg_port *out, *in;
	struct xenmsg_pool *pool;
	struct xenmsg_msg *msg;
	uint64_t copied;
	void *room;

	begin("");
	out = vm_bind(alice, 5, NULL);
	in = vm_bind(bob, 7, NULL);
	/* Only directories of pools were. */
	copied = world_stats(&w).copied_bytes;
	vm_enter(alice);
	ck_assert_int_eq(
		xenmsg_pool_open(out, xenmsg_address(bob->x), 7, 1u << 20, &pool, VM_TIMEOUT), 0);
	for (unsigned int i = 1; i < NR_SIZES; i++) {
		/* Where it begins in its page does not matter. */
		size_t before = i % 3 && sizes[i] < 1000000 ? i * 11 : 0;

		vm_enter(alice);
		ck_assert_int_eq(xenmsg_pool_get(pool, sizes[i] + before, &room, 0), 0);
		room = (char *)room + before;
		traffic_fill(room, sizes[i], i);
		ck_assert_int_eq(xenmsg_pool_send(pool, room, sizes[i], 0, NULL), 0);
		msg = vm_receive(bob, in);
		ck_assert(xenmsg_msg_is_mapped(msg));
		ck_assert(traffic_is(msg, sizes[i], i));
		/* It is not answered before it is released. */
		vm_enter(alice);
		ck_assert_int_eq(xenmsg_flush(alice->x, 20), -ETIMEDOUT);
		vm_enter(bob);
		xenmsg_release(msg);
		ck_assert_int_eq(vm_flush(alice), 0);
	}
	ck_assert_uint_eq(messages(WAY_MAP), NR_SIZES - 1);
	ck_assert_uint_eq(world_stats(&w).copied_bytes, copied);
	xenmsg_pool_close(pool);
	ck_assert_int_eq(vm_flush(alice), 0);
	world_run(&w, 10);
	ck_assert_uint_eq(sim_counts(bob->process)->pages_mapped,
			  sim_counts(bob->process)->pages_unmapped);
	end();
}
END_TEST

START_TEST(map_mode_needs_a_rule)
{
	struct xenmsg_port *out, *in;
	struct xenmsg_pool *pool;

	begin("");
	out = vm_bind(bob, 5, NULL);
	in = vm_bind(alice, 7, NULL);
	vm_enter(bob);
	ck_assert_int_eq(xenmsg_pool_open(out, xenmsg_address(alice->x), 7, 1u << 16, &pool,
					  VM_TIMEOUT),
			 -EACCES);
	ck_assert(world_logged(&w, "b-a"));
	/* It goes on with copies. */
	ck_assert_int_eq(vm_send(bob, out, xenmsg_address(alice->x), 7, 5000, 1), 0);
	vm_expect(alice, in, 5000, 1);
	end();
}
END_TEST

START_TEST(map_mode_can_be_switched_off)
{
	struct xenmsg_port *out;
	struct xenmsg_pool *pool;

	begin("map = no");
	out = vm_bind(alice, 5, NULL);
	(void)vm_bind(bob, 7, NULL);
	vm_enter(alice);
	ck_assert_int_ne(
		xenmsg_pool_open(out, xenmsg_address(bob->x), 7, 1u << 16, &pool, VM_TIMEOUT), 0);
	end();
}
END_TEST

/* At most max-maps messages are with the receiver; more wait, in order. */
START_TEST(mapped_messages_are_capped)
{
	struct xenmsg_port *out, *in;
	struct xenmsg_pool *pool;
	struct xenmsg_msg *msg[4], *none;
	void *room;

	begin("max-maps = 4");
	out = vm_bind(alice, 5, NULL);
	in = vm_bind(bob, 7, NULL);
	vm_enter(alice);
	ck_assert_int_eq(
		xenmsg_pool_open(out, xenmsg_address(bob->x), 7, 1u << 16, &pool, VM_TIMEOUT), 0);
	for (unsigned int i = 0; i < 6; i++) {
		ck_assert_int_eq(xenmsg_pool_get(pool, 100, &room, 0), 0);
		traffic_fill(room, 100, i);
		ck_assert_int_eq(xenmsg_pool_send(pool, room, 100, 0, NULL), 0);
	}
	for (unsigned int i = 0; i < 4; i++) {
		msg[i] = vm_receive(bob, in);
		ck_assert(traffic_is(msg[i], 100, i));
	}
	ck_assert_int_eq(xenmsg_recv(in, &none, 20), -ETIMEDOUT);
	xenmsg_release(msg[2]);
	xenmsg_release(msg[0]);
	vm_expect(bob, in, 100, 4);
	vm_expect(bob, in, 100, 5);
	xenmsg_release(msg[1]);
	xenmsg_release(msg[3]);
	ck_assert_int_eq(vm_flush(alice), 0);
	end();
}
END_TEST

/* No domU may map what another one granted: copy mode is all there is, and works. */
START_TEST(works_under_silo)
{
	struct xenmsg_port *out, *in;
	struct xenmsg_pool *pool;

	begin(_i ? "pools = no" : "");
	sim_config()->silo = true;
	out = vm_bind(alice, 5, NULL);
	in = vm_bind(bob, 7, NULL);
	for (unsigned int i = 0; i < NR_SIZES; i++) {
		ck_assert_int_eq(vm_send(alice, out, xenmsg_address(bob->x), 7, sizes[i], i), 0);
		vm_expect(bob, in, sizes[i], i);
	}
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_pool_open(out, xenmsg_address(bob->x), 7, 1u << 16, &pool,
					  VM_TIMEOUT),
			 -EFAULT);
	ck_assert_int_eq(vm_flush(alice), 0);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("system-basic-map");
	TCase *tcase = tcase_create("map");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, works_under_silo, 0, 2);
	tcase_add_test(tcase, mapped_messages_arrive);
	tcase_add_test(tcase, map_mode_needs_a_rule);
	tcase_add_test(tcase, map_mode_can_be_switched_off);
	tcase_add_test(tcase, mapped_messages_are_capped);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
