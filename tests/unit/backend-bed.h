/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A test's broker: a backend in domain 0 of the simulated Xen, whose callbacks
 * are written down.
 */
#ifndef BACKEND_BED_H
#define BACKEND_BED_H

#include "backend/backend.h"
#include "common/log.h"
#include "tests/sim/sim.h"

#define BED_DOMIDS 65536

struct bed {
	struct sim_process *process;
	sd_event *event;
	struct log log;
	struct backend *b;
	struct backend_limits limits;
	struct device *dev[BED_DOMIDS]; /* from awaited or up to gone */
	const char *unwanted;		/* the name of a domain without a device */
	unsigned int kicks;
	char calls[4096]; /* "awaited:3 up:3 down:3 gone:3 " by domid */
	unsigned int kicked, kicking;
	char lines[65536];
	uint32_t last_down;
	/* What the next kick does; NULL: nothing. */
	void (*on_kick)(struct bed *bed, struct device *dev);
	void (*on_up)(struct bed *bed, struct device *dev);
};

/* The world, a process, limits; no backend yet. */
void bed_init(struct bed *bed);
void bed_init_seed(struct bed *bed, uint64_t seed);
/* The backend starts, and everything there is to do is done. */
void bed_start(struct bed *bed);
/* The backend alone: backend_new()'s result. */
int bed_try_start(struct bed *bed);
/* backend_free(); the process stays. */
void bed_stop(struct bed *bed, bool remove);
/* The process is killed and another one takes its place; no backend. */
void bed_kill(struct bed *bed);
/* The end: nothing may be left. */
void bed_fini(struct bed *bed);

/* Runs the loop until it has nothing to do. */
void bed_run(struct bed *bed);
/* Time passes, from timer to timer. */
void bed_wait(struct bed *bed, uint64_t ns);

/* The callbacks since the last call of this. */
const char *bed_calls(struct bed *bed);
bool bed_logged(const struct bed *bed, const char *text);

#endif
