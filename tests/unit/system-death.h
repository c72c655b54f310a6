/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of the system in which somebody goes away in the middle of
 * everything: alice, bob and carol, who send and receive, and what has to hold
 * for those who are left.
 */
#ifndef SYSTEM_DEATH_H
#define SYSTEM_DEATH_H

#include "tests/unit/system-traffic.h"

#include <check.h>
#include <stdio.h>

#define RULES                      \
	"[devices]\n"              \
	"domains = *\n"            \
	"[allow all]\n"            \
	"from = alice bob carol\n" \
	"to = alice bob carol\n"   \
	"modes = copy map\n"

static struct world w;
static struct vm *alice, *bob, *carol;
static struct xenmsg_port *out, *in, *third;
static uint32_t bob_addr;

/* Alice, who sends, and bob, who receives at port 7; carol, who minds her own business. */
static inline void begin(const char *settings, uint64_t seed)
{
	char config[1024];

	(void)snprintf(config, sizeof(config), "[daemon]\n%s\n%s", settings, RULES);
	world_init(&w, seed, config);
	alice = vm_new(&w, "alice", SIM_PV);
	bob = vm_new(&w, "bob", SIM_PVH);
	carol = vm_new(&w, "carol", SIM_PV);
	ck_assert_int_eq(world_broker_start(&w), 0);
	ck_assert_int_eq(vm_open(alice, NULL), 0);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
	ck_assert_int_eq(vm_open(carol, NULL), 0);
	out = vm_bind(alice, 5, NULL);
	in = vm_bind(bob, 7, NULL);
	third = vm_bind(carol, 3, NULL);
	bob_addr = xenmsg_address(bob->x);
}

static inline void end(void)
{
	world_fini(&w);
}

/* Those who live are served. */
static inline void still_works(struct vm *from, struct xenmsg_port *port)
{
	ck_assert_int_eq(vm_send(from, port, xenmsg_address(carol->x), 3, 50000, 77), 0);
	vm_expect(carol, third, 50000, 77);
	ck_assert_int_eq(vm_flush(from), 0);
}

/* All events of @vm that are there; fails the test for those of other types and addresses. */
static inline unsigned int count_events(struct vm *vm, enum xenmsg_event_type type, uint32_t addr,
					enum xenmsg_event_type other)
{
	struct xenmsg_event event;
	unsigned int n = 0;

	while (!xenmsg_event(vm->x, &event)) {
		ck_assert_msg(event.type == type || event.type == other, "event %d", event.type);
		ck_assert_uint_eq(event.addr, addr);
		n += event.type == type;
	}
	return n;
}

/* A pool of alice's for bob, NULL in copy mode. */
static inline struct xenmsg_pool *open_pool(bool map)
{
	struct xenmsg_pool *pool = NULL;

	vm_enter(alice);
	if (map)
		ck_assert_int_eq(xenmsg_pool_open(out, bob_addr, 7, 256 * 1024, &pool, VM_TIMEOUT),
				 0);
	return pool;
}

/* @len bytes of alice's to bob: in the pool, or by a plain send if that is NULL. */
static inline int send_either(struct xenmsg_pool *pool, size_t len, uint64_t key,
			      unsigned int flags)
{
	static char data[65536];
	void *room;
	int r;

	vm_enter(alice);
	if (!pool) {
		traffic_fill(data, len, key);
		return xenmsg_send(out, bob_addr, 7, data, len, flags, NULL);
	}
	r = xenmsg_pool_get(pool, len, &room, flags);
	if (r)
		return r;
	traffic_fill(room, len, key);
	r = xenmsg_pool_send(pool, room, len, flags, NULL);
	if (r)
		xenmsg_pool_put(pool, room);
	return r;
}

#endif
