/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random schedules against a model: three devices with three ports each over the
 * broker of core-broker.h, what they may do, and what became of each message.
 * test-core-schedule.c says what has to hold.
 */
#ifndef TESTS_UNIT_CORE_SCHEDULE_H
#define TESTS_UNIT_CORE_SCHEDULE_H

#include "frontend/core/core.h"
#include "tests/unit/core-broker.h"

#define DEVS	  BROKER_DEVS
#define PORTS	  3u
#define PORT_BASE 100u
#define MESSAGES  20000u
#define HELD	  6u
#define PORT_SIZE 65536u
#define POOL_SIZE (BROKER_POOL_PAGES * 4096u)
#define FOREIGN	  6u

enum { NEVER = 1 }; /* no status */

struct sent {
	unsigned int dev, dst_dev, dst_port;
	uint64_t seq;
	uint32_t len;
	uint16_t each;	     /* a batch */
	struct sent *joined; /* the next one in the same SEND */
	int status;
	unsigned int received;
	int pool; /* -1: none */
	unsigned int page;
	unsigned int taint; /* of the destination port, when it was sent */
};

struct wport {
	struct vmsg_port *port;
	void *memory;
	enum { UNBOUND, BINDING, BOUND, UNBINDING } state;
	unsigned int taint; /* counts what may lose messages that were handed over */
	struct vmsg_msg *held[HELD];
	uint64_t last[DEVS]; /* last number received, by device */
};

struct wpool {
	enum { NONE, ADDING, ON, DELETING } state;
	int fd;
	unsigned int busy; /* pages that SENDs name */
	unsigned int port, dst_dev, dst_port;
	uint32_t addr;
	unsigned int page; /* of the last message, and its place */
	uint32_t offset, len;
};

struct wdev {
	struct vmsg *v;
	struct vmsg_params params;
	struct wport ports[PORTS];
	struct wpool pools[BROKER_POOLS];
	struct {
		void *va;
		bool mapped, detached, leaving;
	} foreign[FOREIGN];
	bool attach; /* wants to connect */
};

struct schedule {
	struct broker b;
	struct wdev dev[DEVS];
	struct sent sent[MESSAGES];
	unsigned int nr_sent, answered, received, joined;
	uint64_t rng;
	unsigned int order;
};

extern struct schedule schedule;

static inline unsigned int rnd(unsigned int n)
{
	schedule.rng = schedule.rng * 6364136223846793005u + 1442695040888963407u;
	return (unsigned int)((schedule.rng >> 33) % n);
}

static inline void fill(uint8_t *to, uint32_t len, unsigned int msg)
{
	for (uint32_t i = 0; i < len; i++)
		to[i] = (uint8_t)((msg * 2654435761u + i * 40503u) >> 9);
}

/* The upper half says which request an answer is for, the lower one of which port or pool. */
enum { COOKIE_BIND = 1, COOKIE_UNBIND, COOKIE_ADD, COOKIE_DEL, COOKIE_OTHER };

static inline uint64_t cookie_of(unsigned int kind, unsigned int what)
{
	return (uint64_t)kind << 32 | what;
}

/* What the devices call back: the model follows. */
extern const struct vmsg_ops schedule_ops;

void schedule_dev_init(unsigned int i);
void schedule_dev_deinit(unsigned int i);
/* Fresh memory for an own pool: what a dead receiver may still map is not used again. */
void schedule_new_pool_memory(unsigned int dev, unsigned int id);
void schedule_publish(struct wdev *d);
void schedule_poll_dev(struct wdev *d, unsigned int budget);
/* Some of what is to be unmapped is. */
void schedule_unmap(struct wdev *d);
/* The device connects, as the same instance or a new one. */
void schedule_attach(unsigned int i);
/* A turn of the broker, which may die in it. */
void schedule_turn(void);

/* Sends a message, or a few that may be joined, in any form to any port. */
void schedule_send(unsigned int i);
/* Takes a message and checks it; false: there is none, or no place to hold it. */
bool schedule_recv(unsigned int i, unsigned int p, bool release);
/* Releases a message that is held, if there is one at the place that is tried. */
void schedule_release(unsigned int i, unsigned int p);
void schedule_unbind(unsigned int i, unsigned int p);
/* Does any of that, or what else there is, to any device. */
void schedule_step(void);

#endif
