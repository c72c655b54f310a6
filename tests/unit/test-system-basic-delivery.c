// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The whole system over the simulated Xen: messages of all sizes arrive, copied, in
 * both directions, with small rings, and past ports that are full.
 */
#include "tests/unit/system-basic.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xen/grant_table.h>

static void exchange_sizes(struct vm *from, struct vm *to)
{
	struct xenmsg_port *out = vm_bind(from, 5, NULL), *in = vm_bind(to, 7, NULL);
	uint32_t addr = vm_find(from, to->name);
	uint64_t key = 0;

	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < NR_SIZES; i++) {
			ck_assert_int_eq(vm_send(from, out, addr, 7, sizes[i], ++key), 0);
			vm_expect(to, in, sizes[i], key);
		}
		ck_assert_int_eq(vm_flush(from), 0);
	}
}

/* Every size, by memory that both sides have mapped, and by the hypervisor. */
START_TEST(sizes_arrive)
{
	static const char *const settings[] = { "", "pools = no", "max-pool-pages = 300" };
	unsigned int inlined = 0;

	/* Then there is a TX pool, but none for RX. */
	if (_i / 2 == 2)
		options.rx_pages = 301;
	begin(settings[_i / 2]);
	if (_i % 2)
		exchange_sizes(bob, alice);
	else
		exchange_sizes(alice, bob);
	for (unsigned int i = 0; i < NR_SIZES; i++)
		inlined += sizes[i] <= XENMSG_INLINE_MAX;
	ck_assert_uint_eq(messages(WAY_INLINE), 3 * inlined);
	ck_assert_uint_eq(messages(_i / 2 ? WAY_COPY : WAY_POOLED), 3 * (NR_SIZES - inlined));
	end();
}
END_TEST

START_TEST(source_is_told)
{
	struct xenmsg_port *out, *in;
	struct xenmsg_msg *msg;
	uint64_t seq, last = 0;

	begin("");
	out = vm_bind(alice, 5, NULL);
	in = vm_bind(bob, 7, NULL);
	for (unsigned int i = 0; i < 3; i++) {
		vm_enter(alice);
		ck_assert_int_eq(xenmsg_send(out, xenmsg_address(bob->x), 7, "x", 1, 0, &seq), 0);
		ck_assert_uint_gt(seq, last);
		last = seq;
		msg = vm_receive(bob, in);
		ck_assert_uint_eq(xenmsg_msg_addr(msg), xenmsg_address(alice->x));
		ck_assert_uint_eq(xenmsg_msg_port(msg), 5);
		ck_assert_uint_eq(xenmsg_msg_seq(msg), seq);
		ck_assert(!xenmsg_msg_is_mapped(msg));
		xenmsg_release(msg);
	}
	end();
}
END_TEST

/* Pieces that begin and end anywhere in their pages. */
START_TEST(gathered_buffers_arrive)
{
	static struct xenmsg_buffer buffer;
	static char data[XENMSG_MESSAGE_MAX];
	struct xenmsg_port *out, *in;

	begin(_i ? "pools = no" : "");
	out = vm_bind(alice, 5, NULL);
	in = vm_bind(bob, 7, NULL);
	for (size_t len = 1, key = 1; len <= XENMSG_MESSAGE_MAX; len = len * 5 + 3, key++) {
		size_t at = 0;

		vm_enter(alice);
		ck_assert_int_eq(xenmsg_buffer_get(out, len, &buffer, 0), 0);
		for (int i = 0; i < buffer.nr; i++)
			buffer.iov[i].iov_len -= (size_t)i * 7 % buffer.iov[i].iov_len;
		traffic_fill(data, len, key);
		for (int i = 0; i < buffer.nr; i++) {
			memcpy(buffer.iov[i].iov_base, data + at, buffer.iov[i].iov_len);
			at += buffer.iov[i].iov_len;
		}
		ck_assert_int_eq(
			xenmsg_buffer_send(out, xenmsg_address(bob->x), 7, &buffer, 0, NULL), 0);
		vm_expect(bob, in, at, key);
	}
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_buffer_get(out, 10000, &buffer, 0), 0);
	xenmsg_buffer_put(out, &buffer);
	ck_assert_int_eq(vm_flush(alice), 0);
	end();
}
END_TEST

/* Several under way at a time, in both directions, and more than fit at once. */
START_TEST(both_directions_at_once)
{
	static char data[70000];
	struct vm *vm[2];
	struct xenmsg_port *port[2];
	unsigned int sent[2] = { 0 }, got[2] = { 0 };
	struct xenmsg_msg *msg;
	bool moved;
	int r;

	begin(_i ? "pools = no" : "");
	vm[0] = alice;
	vm[1] = bob;
	port[0] = vm_bind(alice, 5, NULL);
	port[1] = vm_bind(bob, 5, NULL);
	do {
		moved = false;
		for (unsigned int i = 0; i < 2; i++) {
			vm_enter(vm[i]);
			while (sent[i] < 300) {
				traffic_fill(data, sent[i] * 233, sent[i]);
				r = xenmsg_send(port[i], xenmsg_address(vm[!i]->x), 5, data,
						sent[i] * 233, XENMSG_NONBLOCK, NULL);
				if (r == -EAGAIN)
					break;
				ck_assert_int_eq(r, 0);
				sent[i]++;
				moved = true;
			}
		}
		world_run(&w, 1);
		for (unsigned int i = 0; i < 2; i++) {
			vm_enter(vm[i]);
			while (!xenmsg_recv(port[i], &msg, 0)) {
				ck_assert(traffic_is(msg, got[i] * 233, got[i]));
				xenmsg_release(msg);
				got[i]++;
				moved = true;
			}
		}
	} while (moved);
	ck_assert_uint_eq(got[0], 300);
	ck_assert_uint_eq(got[1], 300);
	end();
}
END_TEST

/* Messages may be released in any order, and the port's memory comes back. */
START_TEST(held_and_released_in_any_order)
{
	struct xenmsg_port *out, *in;
	struct xenmsg_msg *msg[24];
	unsigned int i, round;

	begin("");
	out = vm_bind(alice, 5, NULL);
	in = vm_bind(bob, 7, NULL);
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 24; i++)
			ck_assert_int_eq(
				vm_send(alice, out, xenmsg_address(bob->x), 7, 1 + i * 2000, i), 0);
		for (i = 0; i < 24; i++)
			msg[i] = vm_receive(bob, in);
		for (i = 0; i < 24; i++)
			ck_assert(traffic_is(msg[i], 1 + i * 2000, i));
		for (i = 0; i < 24; i++)
			xenmsg_release(msg[(i * 7 + round) % 24]);
	}
	ck_assert_int_eq(vm_flush(alice), 0);
	end();
}
END_TEST

/* Senders whose pages are bad do not wear out the receiver's. */
START_TEST(failed_copies_cost_no_pages)
{
	struct xenmsg_port *out, *in;

	begin("pools = no");
	out = vm_bind(alice, 5, NULL);
	in = vm_bind(bob, 7, NULL);
	for (unsigned int i = 0; i < 20; i++) {
		/* The first operation is for the list of pages. */
		sim_fail_copy_op(2 + i, GNTST_bad_page);
		ck_assert_int_eq(vm_send(alice, out, xenmsg_address(bob->x), 7, 500000, i), 0);
		ck_assert_int_eq(vm_flush(alice), -EFAULT);
		(void)vm_event(alice, XENMSG_SEND_FAILED);
	}
	ck_assert_int_eq(vm_send(alice, out, xenmsg_address(bob->x), 7, XENMSG_MESSAGE_MAX, 1), 0);
	vm_expect(bob, in, XENMSG_MESSAGE_MAX, 1);
	end();
}
END_TEST

/* A port that nobody reads from stalls its own flow, and no other. */
START_TEST(full_port_stalls_alone)
{
	struct xenmsg_bind small = { .size = sizeof(small), .buffer = 65536 + 64 };
	struct xenmsg_port *out, *in, *other;
	unsigned int n = 0;

	begin("");
	out = vm_bind(alice, 0, NULL);
	other = vm_bind(bob, 8, NULL);
	vm_enter(bob);
	ck_assert_int_eq(xenmsg_port_open(bob->x, 7, &small, &in), 0);
	vm_enter(alice);
	while (!xenmsg_send(out, xenmsg_address(bob->x), 7, sizes, 100, XENMSG_NONBLOCK, NULL)) {
		n++;
		world_run(&w, 1);
	}
	ck_assert_uint_gt(n, (65536 + 64) / 192);
	ck_assert_int_eq(xenmsg_flush(alice->x, 50), -ETIMEDOUT);
	ck_assert_int_eq(vm_send(alice, out, xenmsg_address(bob->x), 8, 5000, 9), 0);
	vm_expect(bob, other, 5000, 9);
	while (n--) {
		struct xenmsg_msg *msg = vm_receive(bob, in);

		ck_assert_uint_eq(xenmsg_msg_len(msg), 100);
		xenmsg_release(msg);
	}
	ck_assert_int_eq(vm_flush(alice), 0);
	end();
}
END_TEST

/* Small rings and few pages. */
START_TEST(small_devices_work)
{
	struct xenmsg_port *out, *in;

	options.ring_order = 0;
	options.tx_pages = 5;
	options.rx_pages = 8;
	begin(_i ? "pools = no" : "");
	out = vm_bind(alice, 5, NULL);
	in = vm_bind(bob, 7, NULL);
	for (unsigned int i = 0; i < 100; i++) {
		size_t len = i * 163;

		ck_assert_int_eq(vm_send(alice, out, xenmsg_address(bob->x), 7, len, i), 0);
		vm_expect(bob, in, len, i);
	}
	ck_assert_int_eq(vm_send(alice, out, xenmsg_address(bob->x), 7, 20000, 1), -EMSGSIZE);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("system-basic-delivery");
	TCase *tcase = tcase_create("delivery");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, sizes_arrive, 0, 6);
	tcase_add_test(tcase, source_is_told);
	tcase_add_loop_test(tcase, gathered_buffers_arrive, 0, 2);
	tcase_add_loop_test(tcase, both_directions_at_once, 0, 2);
	tcase_add_test(tcase, held_and_released_in_any_order);
	tcase_add_test(tcase, failed_copies_cost_no_pages);
	tcase_add_test(tcase, full_port_stalls_alone);
	tcase_add_loop_test(tcase, small_devices_work, 0, 2);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
