// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The whole system over the simulated Xen: what arrives, what does not and why.
 */
#include "tests/unit/system.h"
#include "tests/unit/system-traffic.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/grant_table.h>

#define RULES                                 \
	"[devices]\n"                         \
	"domains = alice bob mallory long*\n" \
	"[allow a-b]\n"                       \
	"from = alice\n"                      \
	"to = bob carol long*\n"              \
	"ports = 1-100 echo none\n"           \
	"modes = copy map\n"                  \
	"[allow b-a]\n"                       \
	"from = bob\n"                        \
	"to = alice\n"                        \
	"modes = copy\n"

static struct world w;
static struct vm *alice, *bob, *mallory;
static struct xenmsg_options options = XENMSG_OPTIONS_INIT;

static void begin(const char *settings)
{
	char config[2048];

	(void)snprintf(config, sizeof(config), "[daemon]\n%s\n%s", settings, RULES);
	world_init(&w, 1, config);
	w.waits = true;
	alice = vm_new(&w, "alice", SIM_PV);
	bob = vm_new(&w, "bob", SIM_PVH);
	mallory = vm_new(&w, "mallory", SIM_PV);
	ck_assert_int_eq(world_broker_start(&w), 0);
	ck_assert_int_eq(vm_open(alice, &options), 0);
	ck_assert_int_eq(vm_open(bob, &options), 0);
}

static void end(void)
{
	world_fini(&w);
}

static uint64_t messages(enum way way)
{
	return w.broker->total.messages[way];
}

/* ------------------------------------------------------------------ delivery */

static const size_t sizes[] = { 0,
				1,
				31,
				32,
				33,
				4095,
				4096,
				4097,
				8192,
				16384,
				20481,
				1000000,
				XENMSG_MESSAGE_MAX - 1,
				XENMSG_MESSAGE_MAX };
#define NR_SIZES (sizeof(sizes) / sizeof(sizes[0]))

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

/* Nobody is told of it at once, but soon. */
START_TEST(lazy_alone)
{
	struct xenmsg_port *out, *in;
	uint64_t sent;

	begin("");
	out = vm_bind(alice, 5, NULL);
	in = vm_bind(bob, 7, NULL);
	for (unsigned int i = 0; i < 3; i++) {
		vm_enter(alice);
		ck_assert_int_eq(
			xenmsg_send(out, xenmsg_address(bob->x), 7, "x", 1, XENMSG_LAZY, NULL), 0);
		sent = sim_now();
		xenmsg_release(vm_receive(bob, in));
		ck_assert_uint_le(sim_now() - sent, 3 * VMSGIF_LAZY_NS);
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

/* ------------------------------------------------------------------ map mode */

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

/* -------------------------------------------------------------- notification */

/* What is lazy is there after a millisecond, and wakes nobody before. */
START_TEST(lazy_messages_take_their_time)
{
	struct xenmsg_port *out, *in;
	uint64_t start;

	begin("");
	out = vm_bind(alice, 5, NULL);
	in = vm_bind(bob, 7, NULL);
	world_run(&w, 100);
	start = sim_now();
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_send(out, xenmsg_address(bob->x), 7, "", 0, XENMSG_LAZY, NULL), 0);
	vm_expect(bob, in, 0, 0);
	ck_assert_uint_ge(sim_now(), start + VMSGIF_LAZY_NS / 2);
	ck_assert_uint_le(sim_now(), start + 3 * VMSGIF_LAZY_NS);

	world_run(&w, 100);
	start = sim_now();
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_send(out, xenmsg_address(bob->x), 7, "", 0, 0, NULL), 0);
	vm_expect(bob, in, 0, 0);
	ck_assert_uint_lt(sim_now(), start + VMSGIF_LAZY_NS / 2);
	end();
}
END_TEST

/* Lazy ones go with the next that is not, in the order in which they were sent. */
START_TEST(lazy_messages_go_with_an_urgent_one)
{
	struct xenmsg_port *out, *in;
	uint64_t start, events;

	begin("");
	out = vm_bind(alice, 5, NULL);
	in = vm_bind(bob, 7, NULL);
	world_run(&w, 100);
	start = sim_now();
	events = sim_counts(alice->process)->calls[SIM_CALL_NOTIFY];
	vm_enter(alice);
	for (unsigned int i = 0; i < 20; i++) {
		char data = (char)i;

		ck_assert_int_eq(xenmsg_send(out, xenmsg_address(bob->x), 7, &data, 1,
					     i == 19 ? 0 : XENMSG_LAZY, NULL),
				 0);
	}
	ck_assert_uint_eq(sim_counts(alice->process)->calls[SIM_CALL_NOTIFY], events + 1);
	for (unsigned int i = 0; i < 20; i++) {
		struct xenmsg_msg *msg = vm_receive(bob, in);
		char data;

		ck_assert_uint_eq(xenmsg_copy(msg, 0, &data, 1), 1);
		ck_assert_int_eq(data, (char)i);
		xenmsg_release(msg);
	}
	ck_assert_uint_lt(sim_now(), start + VMSGIF_LAZY_NS / 2);
	end();
}
END_TEST

/* A receiver whose lazy messages are flushed by its own wait sees them, too. */
START_TEST(flush_sends_what_is_lazy)
{
	struct xenmsg_port *out, *in;
	uint64_t start;

	begin("");
	out = vm_bind(alice, 5, NULL);
	in = vm_bind(bob, 7, NULL);
	world_run(&w, 100);
	start = sim_now();
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_send(out, xenmsg_address(bob->x), 7, "abc", 3, XENMSG_LAZY, NULL),
			 0);
	ck_assert_int_eq(xenmsg_flush(alice->x, VM_TIMEOUT), 0);
	ck_assert_uint_le(sim_now(), start + 3 * VMSGIF_LAZY_NS);
	ck_assert_uint_eq(xenmsg_msg_len(vm_receive(bob, in)), 3);
	end();
}
END_TEST

/* --------------------------------------------------------------------- names */

START_TEST(services_are_found)
{
	struct xenmsg_port *in, *out, *second;
	struct xenmsg_bind bind = { .size = sizeof(bind), .service = "echo" };
	uint32_t addr, number;

	begin("");
	out = vm_bind(alice, 0, NULL);
	in = vm_bind(bob, 4711, "echo");
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_resolve(alice->x, "echo@bob", &addr, &number, VM_TIMEOUT), 0);
	ck_assert_uint_eq(addr, xenmsg_address(bob->x));
	ck_assert_uint_eq(number, 4711);
	/* The rule allows the service, but not the port's number. */
	ck_assert_int_eq(vm_send(alice, out, addr, number, 99, 1), 0);
	vm_expect(bob, in, 99, 1);

	vm_enter(alice);
	ck_assert_int_eq(xenmsg_resolve(alice->x, "none@bob", &addr, &number, VM_TIMEOUT),
			 -EHOSTUNREACH);
	ck_assert_int_eq(xenmsg_resolve(alice->x, "other@bob", &addr, &number, VM_TIMEOUT),
			 -EACCES);
	vm_enter(bob);
	ck_assert_int_eq(xenmsg_port_open(bob->x, 12, &bind, &second), -EADDRINUSE);
	xenmsg_port_close(in);
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_resolve(alice->x, "echo@bob", &addr, &number, VM_TIMEOUT),
			 -EHOSTUNREACH);
	(void)vm_bind(bob, 12, "echo");
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_resolve(alice->x, "echo@bob", &addr, &number, VM_TIMEOUT), 0);
	ck_assert_uint_eq(number, 12);
	end();
}
END_TEST

START_TEST(names_are_told_to_who_may_know)
{
	char name[XENMSG_NAME_MAX + 1];
	uint32_t addr;

	begin("");
	ck_assert_int_eq(vm_open(mallory, NULL), 0);
	ck_assert_uint_eq(vm_find(alice, "bob"), xenmsg_address(bob->x));
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_name(alice->x, xenmsg_address(bob->x), name, VM_TIMEOUT), 0);
	ck_assert_str_eq(name, "bob");
	/* Who may send to it hears that it is not there; others hear the same in any case. */
	ck_assert_int_eq(xenmsg_resolve(alice->x, "carol", &addr, NULL, VM_TIMEOUT), -EHOSTUNREACH);
	ck_assert_int_eq(xenmsg_resolve(alice->x, "mallory", &addr, NULL, VM_TIMEOUT), -EACCES);
	ck_assert_int_eq(xenmsg_resolve(alice->x, "nobody", &addr, NULL, VM_TIMEOUT), -EACCES);
	world_log_clear(&w);
	vm_enter(mallory);
	ck_assert_int_eq(xenmsg_resolve(mallory->x, "bob", &addr, NULL, VM_TIMEOUT), -EACCES);
	ck_assert(world_logged(&w, "rule=\"default\""));
	ck_assert(world_logged(&w, "name=bob"));
	ck_assert_int_eq(xenmsg_resolve(mallory->x, "carol", &addr, NULL, VM_TIMEOUT), -EACCES);
	ck_assert_int_eq(xenmsg_name(mallory->x, xenmsg_address(bob->x), name, VM_TIMEOUT),
			 -EACCES);
	end();
}
END_TEST

START_TEST(peers_are_told_of)
{
	struct xenmsg_event event;
	uint32_t addr;

	begin("");
	vm_enter(alice);
	addr = xenmsg_address(bob->x);
	ck_assert_int_eq(xenmsg_subscribe(alice->x, "bob"), 0);
	event = vm_event(alice, XENMSG_PEER_UP);
	ck_assert_uint_eq(event.addr, addr);
	ck_assert_str_eq(event.name, "bob");
	ck_assert_int_eq(xenmsg_subscribe(alice->x, "mallory"), -EACCES);

	vm_close(bob);
	event = vm_event(alice, XENMSG_PEER_DOWN);
	ck_assert_uint_eq(event.addr, addr);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
	event = vm_event(alice, XENMSG_PEER_UP);
	ck_assert_uint_eq(event.addr, xenmsg_address(bob->x));
	ck_assert_uint_ne(event.addr, addr);

	ck_assert_int_eq(xenmsg_unsubscribe(alice->x, "bob"), 0);
	vm_close(bob);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
	vm_enter(alice);
	while (xenmsg_wait(alice->x, 100) > 0)
		;
	while (!xenmsg_event(alice->x, &event))
		ck_assert_int_ne(event.type, XENMSG_PEER_UP);
	end();
}
END_TEST

/* A domain's name may have 128 bytes; with pools, and without. */
START_TEST(long_names)
{
	char name[XENMSG_NAME_MAX + 1] = "";
	char other[XENMSG_NAME_MAX + 1] = "";
	struct xenmsg_event event;
	struct vm *vm;
	uint32_t addr;

	begin(_i ? "max-pool-pages = 0" : "");
	memset(name, 'n', XENMSG_NAME_MAX);
	memcpy(name, "long", 4);
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_subscribe(alice->x, name), 0);
	vm = vm_new(&w, name, SIM_PV);
	ck_assert_int_eq(vm_open(vm, &options), 0);
	event = vm_event(alice, XENMSG_PEER_UP);
	ck_assert_str_eq(event.name, name);
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_resolve(alice->x, name, &addr, NULL, VM_TIMEOUT), 0);
	ck_assert_uint_eq(addr, event.addr);
	ck_assert_int_eq(xenmsg_name(alice->x, addr, other, VM_TIMEOUT), 0);
	ck_assert_str_eq(other, name);
	end();
}
END_TEST

/* ------------------------------------------------------------------ refusals */

static void refused(struct vm *vm, struct xenmsg_port *port, uint32_t addr, uint32_t number,
		    size_t len, int status)
{
	struct xenmsg_event event;

	ck_assert_int_eq(vm_send(vm, port, addr, number, len, 1), 0);
	ck_assert_int_eq(vm_flush(vm), status);
	event = vm_event(vm, XENMSG_SEND_FAILED);
	ck_assert_int_eq(event.status, status);
	ck_assert_uint_eq(event.addr, addr);
	ck_assert_uint_eq(event.number, number);
	ck_assert_ptr_eq(event.port, port);
}

START_TEST(refusals_have_their_reasons)
{
	struct xenmsg_bind small = { .size = sizeof(small), .buffer = 4096 + 64 };
	struct xenmsg_port *out, *in, *bad;
	uint32_t addr;

	begin("max-message = 131072");
	ck_assert_int_eq(vm_open(mallory, NULL), 0);
	out = vm_bind(alice, 5, NULL);
	bad = vm_bind(mallory, 5, NULL);
	vm_enter(bob);
	ck_assert_int_eq(xenmsg_port_open(bob->x, 7, &small, &in), 0);
	addr = xenmsg_address(bob->x);

	refused(alice, out, addr, 8, 10, -ECONNREFUSED);
	refused(alice, out, addr, 8, 10000, -ECONNREFUSED);
	world_log_clear(&w);
	refused(alice, out, addr, 101, 10, -EACCES);
	ck_assert(world_logged(&w, "rule=\"default\""));
	ck_assert(world_logged(&w, "from=alice"));
	ck_assert(world_logged(&w, "to=bob"));
	ck_assert(world_logged(&w, "port=101"));
	refused(alice, out, addr, 7, 65537, -EMSGSIZE);
	ck_assert_int_eq(vm_send(alice, out, addr, 7, 131073, 1), -EMSGSIZE);
	ck_assert_int_eq(vm_send(alice, out, addr, 7, 4096, 1), 0);
	vm_expect(bob, in, 4096, 1);

	/* To who may not talk to them, all look alike. */
	world_log_clear(&w);
	refused(mallory, bad, addr, 7, 10, -EACCES);
	ck_assert(world_logged(&w, "from=mallory"));
	ck_assert(world_logged(&w, "port=7"));
	refused(mallory, bad, addr, 8, 10, -EACCES);
	refused(mallory, bad, 0x12340002, 7, 10, -EACCES);
	refused(mallory, bad, 0x12340bcd, 7, 10, -EACCES);
	/* Nor to itself, without a rule. */
	refused(mallory, bad, xenmsg_address(mallory->x), 5, 10, -EACCES);
	/* An address of nobody. */
	refused(alice, out, 0x12340bcd, 7, 10, -EACCES);
	ck_assert_int_eq(vm_send(alice, out, addr, 7, 100, 2), 0);
	vm_expect(bob, in, 100, 2);
	end();
}
END_TEST

START_TEST(only_wanted_domains_get_a_device)
{
	struct vm *eve;

	begin("");
	eve = vm_new(&w, "eve", SIM_PVH);
	options.timeout = 50;
	ck_assert_int_eq(vm_open(eve, &options), -ENODEV);
	/* A name may come later. */
	sim_xs_put("/local/domain/4/name", "mallory");
	ck_assert_int_eq(vm_open(eve, &options), 0);
	end();
}
END_TEST

START_TEST(ports_close_and_open_anew)
{
	struct xenmsg_port *out, *in;
	struct xenmsg_msg *msg;
	uint32_t addr;

	begin("");
	out = vm_bind(alice, 5, NULL);
	addr = xenmsg_address(bob->x);
	for (unsigned int i = 0; i < 10; i++) {
		in = vm_bind(bob, 7, NULL);
		ck_assert_int_eq(vm_send(alice, out, addr, 7, 5000, i), 0);
		ck_assert_int_eq(vm_send(alice, out, addr, 7, 6000, i), 0);
		if (i % 2)
			vm_expect(bob, in, 5000, i);
		msg = vm_receive(bob, in);
		ck_assert_uint_gt(xenmsg_msg_len(msg), 0);
		/* With messages held, and messages never asked for. */
		vm_enter(bob);
		xenmsg_port_close(in);
		ck_assert_int_eq(vm_flush(alice), 0);
	}
	refused(alice, out, addr, 7, 10, -ECONNREFUSED);
	end();
}
END_TEST

/* Two frontends of a guest: the second one is told. */
START_TEST(device_has_one_owner)
{
	struct vm second;
	struct xenmsg *x;

	begin("");
	second = *alice;
	options.lock = second.lock;
	second.process = sim_process_new(alice->domid, "second");
	vm_enter(&second);
	ck_assert_int_eq(xenmsg_open(&x, &options), -EBUSY);
	sim_process_free(second.process);
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

static void add_delivery(Suite *suite)
{
	TCase *tcase = tcase_create("delivery");

	tcase_add_loop_test(tcase, sizes_arrive, 0, 6);
	tcase_add_test(tcase, source_is_told);
	tcase_add_test(tcase, lazy_alone);
	tcase_add_loop_test(tcase, gathered_buffers_arrive, 0, 2);
	tcase_add_loop_test(tcase, both_directions_at_once, 0, 2);
	tcase_add_test(tcase, held_and_released_in_any_order);
	tcase_add_test(tcase, failed_copies_cost_no_pages);
	tcase_add_test(tcase, full_port_stalls_alone);
	tcase_add_loop_test(tcase, works_under_silo, 0, 2);
	tcase_add_loop_test(tcase, small_devices_work, 0, 2);
	tcase_add_test(tcase, mapped_messages_arrive);
	tcase_add_test(tcase, map_mode_needs_a_rule);
	tcase_add_test(tcase, map_mode_can_be_switched_off);
	tcase_add_test(tcase, mapped_messages_are_capped);
	tcase_add_test(tcase, lazy_messages_take_their_time);
	tcase_add_test(tcase, lazy_messages_go_with_an_urgent_one);
	tcase_add_test(tcase, flush_sends_what_is_lazy);
	suite_add_tcase(suite, tcase);
}

static void add_names(Suite *suite)
{
	TCase *tcase = tcase_create("names");

	tcase_add_test(tcase, services_are_found);
	tcase_add_test(tcase, names_are_told_to_who_may_know);
	tcase_add_test(tcase, peers_are_told_of);
	tcase_add_loop_test(tcase, long_names, 0, 2);
	tcase_add_test(tcase, refusals_have_their_reasons);
	tcase_add_test(tcase, only_wanted_domains_get_a_device);
	tcase_add_test(tcase, ports_close_and_open_anew);
	tcase_add_test(tcase, device_has_one_owner);
	suite_add_tcase(suite, tcase);
}

int main(void)
{
	Suite *suite = suite_create("system-basic");
	SRunner *runner = srunner_create(suite);
	int failed;

	add_delivery(suite);
	add_names(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
