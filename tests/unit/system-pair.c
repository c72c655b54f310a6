// SPDX-License-Identifier: GPL-2.0-or-later
/* A pair of guests, one of which sends to the other; see system-pair.h. */
#include "tests/unit/system-pair.h"

#include <check.h>
#include <stdio.h>

#include "tests/unit/system-device.h"

const char *const pair_configs[2] = { PAIR_RULES, "[daemon]\npools = no\n" PAIR_RULES };

const size_t pair_lens[PAIR_LENS] = { 8, 16, 64, 104, 1000, 1024, 2048, 3000, 4096 };

struct pair_test pair;

void pair_begin(const char *config, uint64_t seed)
{
	world_init(&pair.w, seed, config);
	pair.w.waits = true;
	pair.alice = vm_new(&pair.w, "alice", SIM_PV);
	pair.bob = vm_new(&pair.w, "bob", SIM_PVH);
	ck_assert_int_eq(world_broker_start(&pair.w), 0);
	ck_assert_int_eq(vm_open(pair.alice, NULL), 0);
	ck_assert_int_eq(vm_open(pair.bob, NULL), 0);
	pair.from = vm_bind(pair.alice, 5, NULL);
	pair.to = vm_bind(pair.bob, 7, NULL);
	pair.addr = vm_find(pair.alice, "bob");
	sim_actor_stall(pair.alice->actor, true);
	sim_actor_stall(pair.bob->actor, true);
	world_run(&pair.w, 10);
}

void pair_end(void)
{
	sim_enter(NULL);
	world_fini(&pair.w);
}

int pair_send(uint32_t number, size_t len, uint64_t key, unsigned int flags, uint64_t *seq)
{
	static char data[8192];

	vm_enter(pair.alice);
	traffic_fill(data, len, key);
	return xenmsg_send(pair.from, pair.addr, number, data, len, flags, seq);
}

int pair_lazy(size_t len, uint64_t key)
{
	return pair_send(7, len, key, XENMSG_LAZY | XENMSG_NONBLOCK, NULL);
}

int pair_send_buffer(struct xenmsg_buffer *buffer, uint32_t number, size_t len, uint64_t key,
		     unsigned int flags, uint64_t *seq)
{
	ck_assert_int_eq(buffer->nr, 1);
	traffic_fill(buffer->iov[0].iov_base, len, key);
	buffer->iov[0].iov_len = len;
	return xenmsg_buffer_send(pair.from, pair.addr, number, buffer, flags, seq);
}

int pair_send_in_place(uint32_t number, size_t len, uint64_t key, unsigned int flags, uint64_t *seq)
{
	struct xenmsg_buffer buffer;
	int r;

	vm_enter(pair.alice);
	r = xenmsg_buffer_get(pair.from, len, &buffer, flags);
	if (r)
		return r;
	r = pair_send_buffer(&buffer, number, len, key, flags, seq);
	if (r)
		xenmsg_buffer_put(pair.from, &buffer);
	return r;
}

int pair_lazy_in_place(size_t len, uint64_t key)
{
	return pair_send_in_place(7, len, key, XENMSG_LAZY | XENMSG_NONBLOCK, NULL);
}

struct xenmsg_msg *pair_receive(void)
{
	struct xenmsg_msg *msg;

	vm_enter(pair.bob);
	ck_assert_int_eq(xenmsg_recv(pair.to, &msg, 100), 0);
	ck_assert_uint_eq(xenmsg_msg_addr(msg), xenmsg_address(pair.alice->x));
	ck_assert_uint_eq(xenmsg_msg_port(msg), 5);
	ck_assert(!xenmsg_msg_is_mapped(msg));
	return msg;
}

void pair_expect(size_t len, uint64_t key)
{
	struct xenmsg_msg *msg = pair_receive();

	ck_assert_uint_eq(xenmsg_msg_len(msg), len);
	ck_assert(traffic_is(msg, len, key));
	xenmsg_release(msg);
}

uint64_t pair_slots(void)
{
	struct peer *peer = route_peer(&pair.w.broker->route, xenmsg_address(pair.alice->x));

	return device_slots(peer->dev);
}

void pair_contents(size_t len, const char *config, int (*send)(size_t len, uint64_t key),
		   unsigned int most)
{
	uint64_t seq = 0, before, used;
	struct xenmsg_msg *msg;
	unsigned int i, n = 0;

	pair_begin(config, 1);
	before = pair_slots();
	while (n < 200) {
		for (i = n; i < 200; i++)
			if (send(len, i))
				break;
		ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), 0);
		for (; n < i; n++) {
			msg = pair_receive();
			ck_assert_uint_eq(xenmsg_msg_len(msg), len);
			ck_assert(!n || xenmsg_msg_seq(msg) == seq + 1);
			seq = xenmsg_msg_seq(msg);
			ck_assert(traffic_is(msg, len, n));
			xenmsg_release(msg);
		}
	}
	used = pair_slots() - before;
	printf("figure: %zu bytes: 200 messages took %llu slots\n", len, (unsigned long long)used);
	ck_assert_uint_lt(used, most);
	pair_end();
}
