/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Three flows between two programs, for tests in which the broker dies: alice to
 * bob by copy and by map, bob to alice by copy. Each message is checked when it
 * is received, each has to be answered with 0, and all come once and in order,
 * whatever the broker does meanwhile.
 *
 * The broker dies at any moment, also while the flows are being made: nothing
 * here expects one to be there, but somebody has to start the next one
 * (world_broker_keep()).
 */
#ifndef SYSTEM_FLOWS_H
#define SYSTEM_FLOWS_H

#include "tests/unit/system-traffic.h"

#define FLOWS 3

/* Who of the two is a program of domain 0. */
enum flows_local { FLOWS_GUESTS, FLOWS_ALICE_IS_LOCAL, FLOWS_BOB_IS_LOCAL };

struct flow_test {
	struct vm *from, *to;
	struct xenmsg_port *out, *in;
	struct xenmsg_pool *pool; /* by map; or NULL */
	uint32_t number;
	uint64_t key;
	unsigned int sent, answered, received;
	struct xenmsg_msg *held;
};

struct flows {
	struct world w;
	struct vm *alice, *bob;
	struct flow_test flow[FLOWS];
	/* What the test may change between flows_init() and flows_open(). */
	unsigned int count; /* messages of each flow */
	const size_t *lens; /* of the messages, in turns */
	unsigned int nr_lens;
	size_t pool_bytes;
	struct xenmsg_options options;
};

/* A world with both; no broker, no frontends. @settings: of the section [daemon]. */
void flows_init(struct flows *f, enum flows_local local, const char *settings, uint64_t seed);
/* Both frontends, the ports and the pool. */
void flows_open(struct flows *f);
/* Closes ports and pool, and makes them anew; the flows begin again. */
void flows_reopen(struct flows *f);
/* The next message of the flow; false: not now. */
bool flows_send(struct flows *f, struct flow_test *flow);
/* Takes a message, and checks it; false: there is none. Some are held for a while. */
bool flows_receive(struct flows *f, struct flow_test *flow);
/* Takes the answers of all flows that @vm sends. */
bool flows_answers(struct flows *f, struct vm *vm);
/* Is everything received and answered? */
bool flows_done(const struct flows *f);
/* One message of each flow that has one, and whatever there is to receive: did anything happen? */
bool flows_round(struct flows *f);
/* All that is left, until it is received and answered; and then nothing more comes. */
void flows_exchange(struct flows *f);

#endif
