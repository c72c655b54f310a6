/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An application for random tests, as a program of its own in a guest: it opens
 * the device, binds two ports, sends what the plan says from either, receives,
 * holds messages for a while and gives them back in any order, and reports all
 * to the model. One thing a turn, chosen at random.
 *
 * It relies on xenmsg_fd() alone to tell it when to try again.
 */
#ifndef SYSTEM_APP_H
#define SYSTEM_APP_H

#include "tests/unit/system-model.h"

/* ms; everything that is waited for comes within this, or never. */
#define APP_PATIENCE   60000
#define APP_POOLS      4
#define APP_HELD       12
#define APP_POOL_BYTES (32u * 4096)

struct app_pool {
	struct xenmsg_pool *pool; /* NULL: free */
	struct life *dst;
	uint32_t number;
	unsigned int from;   /* index of the own port */
	unsigned int closed; /* of the other's port, when it was opened */
};

struct app_port {
	struct xenmsg_port *port; /* NULL: closed */
	unsigned int open_in;	  /* turns, if it is closed */
	bool may_have;		  /* messages may be there */
	bool may_send;		  /* there may be room */
	uint64_t stalled_until;
	unsigned int next; /* message of the plan */
};

struct app {
	struct model *model;
	struct vm *vm;
	struct xenmsg_options options;
	struct life *life; /* NULL: not ready */
	struct app_port ports[MODEL_PORTS];
	bool may_have_events;
	struct xenmsg_msg *held[APP_HELD];
	unsigned int held_at[APP_HELD]; /* index of the port */
	unsigned int nr_held;
	struct app_pool pools[APP_POOLS];
	bool quit;	/* say goodbye, and end */
	bool flush;	/* wait for all answers, once */
	bool calm;	/* no more closing of ports */
	bool maps_fail; /* pools may be refused */
};

void app_init(struct app *app, struct model *model, struct vm *vm,
	      const struct xenmsg_options *options);
/* Start it, in a process of its own. */
void app_start(struct app *app);
/* Its process ended in whatever way: forget what it had. What it sent next goes on. */
void app_ended(struct app *app);
/* True in so many of a hundred cases. */
static inline bool app_chance(unsigned int percent)
{
	return sim_random_below(100) < percent;
}
/* In the middle of a call, mostly. */
bool app_dead(const struct app *app);
/* Sends what the plan says next from its port @i. False: there is nothing, or no room. */
bool app_send(struct app *app, unsigned int i);
/* Has it said goodbye? */
bool app_has_quit(const struct app *app);
/* The life of @vm that others can reach, NULL: none. */
struct life *app_life_of(struct model *model, const struct vm *vm);

#endif
