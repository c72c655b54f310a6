/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of programs of domain 0 as endpoints: agent and other, two of them,
 * and alice, a guest; all may send to one another.
 */
#ifndef SYSTEM_LOCAL_H
#define SYSTEM_LOCAL_H

#include "tests/unit/system-traffic.h"
#include "tests/unit/system.h"

#include <check.h>

static const char config[] = "[devices]\n"
			     "domains = alice bob\n"
			     "[allow all]\n"
			     "from = alice Domain-0\n"
			     "to = alice Domain-0\n"
			     "modes = copy map\n";

static struct world w;
static struct vm *alice, *agent, *other;

static inline void setup_with(const char *text)
{
	world_init(&w, 1, text);
	alice = vm_new(&w, "alice", SIM_PV);
	agent = vm_new_local(&w, "agent");
	other = vm_new_local(&w, "other");
	ck_assert_int_eq(world_broker_start(&w), 0);
	ck_assert_int_eq(vm_open(alice, NULL), 0);
	ck_assert_int_eq(vm_open(agent, NULL), 0);
	ck_assert_int_eq(vm_open(other, NULL), 0);
}

static inline void setup(void)
{
	setup_with(config);
}

static inline void teardown(void)
{
	sim_enter(NULL);
	world_fini(&w);
}

static inline uint32_t addr_of(const struct vm *vm)
{
	return xenmsg_address(vm->x);
}

/* Messages of all kinds of sizes, both ways. */
static inline void exchange(struct vm *a, struct vm *b)
{
	static const size_t sizes[] = { 0, 1, 32, 33, 4096, 4097, 70000, XENMSG_MESSAGE_MAX };
	struct xenmsg_port *at_a = vm_bind(a, 21, NULL), *at_b = vm_bind(b, 22, NULL);

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		ck_assert_int_eq(vm_send(a, at_a, addr_of(b), 22, sizes[i], i), 0);
		vm_expect(b, at_b, sizes[i], i);
		ck_assert_int_eq(vm_send(b, at_b, addr_of(a), 21, sizes[i], i + 100), 0);
		vm_expect(a, at_a, sizes[i], i + 100);
	}
	ck_assert_int_eq(vm_flush(a), 0);
	ck_assert_int_eq(vm_flush(b), 0);
	vm_enter(a);
	xenmsg_port_close(at_a);
	vm_enter(b);
	xenmsg_port_close(at_b);
}

#endif
