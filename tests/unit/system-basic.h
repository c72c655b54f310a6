/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For the basic tests of the system over the simulated Xen: alice and bob, who may
 * send to one another, mallory, who may not, and a broker that waits in its event
 * loop, as the daemon does.
 */
#ifndef SYSTEM_BASIC_H
#define SYSTEM_BASIC_H

#include "tests/unit/system.h"
#include "tests/unit/system-traffic.h"

#include <check.h>
#include <stdio.h>

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

static inline void begin(const char *settings)
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

static inline void end(void)
{
	world_fini(&w);
}

/* Messages that the broker passed on that way. */
static inline uint64_t messages(enum way way)
{
	return w.broker->total.messages[way];
}

/* Lengths on both sides of what makes messages go in another way. */
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

#endif
