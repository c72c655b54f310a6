/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole system for tests: a broker in domain 0 and guests with libxenmsg, all
 * of them the real programs' objects, over the simulated Xen.
 *
 * Model. The broker is a process with an actor that runs its event loop. A
 * guest is a domain; its frontend is a process of it that opened the device,
 * with an actor of its own that dispatches whenever the library's descriptor is
 * readable. So a test may call the library on behalf of any guest, also where
 * that waits: the broker and the other guests go on meanwhile.
 *
 *	world_init(&w, seed, config);
 *	alice = vm_new(&w, "alice", SIM_PV);
 *	world_broker_start(&w);
 *	vm_open(alice, NULL);
 *	...
 *	world_fini(&w);
 *
 * XENMSG_LOG=1 in the environment shows the broker's log on stderr.
 */
#ifndef SYSTEM_H
#define SYSTEM_H

#include "broker/broker.h"
#include "common/log.h"
#include "tests/sim/sim.h"
#include "xenmsg.h"

#define WORLD_VMS   14
#define WORLD_LINES (256u * 1024)

struct world;

/* A guest, and its frontend. */
struct vm {
	struct world *world;
	char name[136];
	domid_t domid;
	bool local; /* a program of domain 0 */
	bool destroyed;
	/* The frontend; NULL: there is none. */
	struct xenmsg *x;
	struct sim_process *process;
	struct sim_actor *actor;
	/* A program of the test's own. */
	sim_step_fn turn;
	void *arg;
	bool busy; /* in the middle of a turn */
	char lock[192];
	const char *socket; /* where it looks for a broker in its own domain */
};

struct world {
	char *config;
	char dir[64];	  /* for the guests' lock files */
	char socket[80];  /* of the broker */
	char nowhere[80]; /* nothing is there */
	bool local;	  /* brokers listen */
	struct log log;
	char *lines;
	size_t lines_len;
	/* The broker; NULL: there is none. */
	struct broker *broker;
	struct sim_process *process;
	struct sim_actor *actor;
	sd_event *event;
	/*
	 * It waits in its event loop, as the daemon does; else it comes back from there, so that
	 * a turn of its is as long as a guest's.
	 */
	bool waits;
	bool serving;	      /* in the middle of broker_run() */
	int stop_fd;	      /* it ends when that is readable */
	unsigned int brokers; /* started so far */
	/* If not 0: sim_kill_at() and sim_kill_at_store() for those started from now on. */
	unsigned int kill_at;
	enum sim_when kill_when;
	unsigned int kill_store;
	/* Starts it anew when it ended, as the service manager of domain 0. */
	struct sim_actor *keeper;
	uint64_t keeper_delay;

	struct vm vms[WORLD_VMS];
	unsigned int nr_vms;
};

/* @config: what a configuration file holds. */
void world_init(struct world *w, uint64_t seed, const char *config);
/*
 * The end: frontends are closed, guests destroyed, the broker stops for good
 * (one is started if there is none, to clean up). Nothing may be left then.
 */
void world_fini(struct world *w);
/* The end of a world of which nothing more is to be learnt: it is thrown away as it is. */
void world_drop(struct world *w);

/* --------------------------------------------------------------- the broker */

/* Start one; its actor does the rest. 0, or why it did not start. */
int world_broker_start(struct world *w);
/* SIGKILL. */
void world_broker_kill(struct world *w);
/* It stops as for an upgrade: frontends are to wait for the next one. */
void world_broker_stop(struct world *w);
/* It was killed by sim_kill_at() and the like, or gave up by itself. */
bool world_broker_ended(const struct world *w);
/* Takes an ended one away: afterwards it can be started anew. */
void world_broker_reap(struct world *w);
/* From now on somebody starts a new one @ms after the last has ended. */
void world_broker_keep(struct world *w, unsigned int ms);
/* Does the log hold this text? */
bool world_logged(const struct world *w, const char *text);
/* Forget what was logged so far. */
void world_log_clear(struct world *w);
struct backend_stats world_stats(const struct world *w);

/* --------------------------------------------------------------- the guests */

struct vm *vm_new(struct world *w, const char *name, enum sim_domain_type type);
/*
 * A program of domain 0, which finds the broker by its socket. Brokers that are
 * started from now on have one. It is opened, closed and killed as a guest's
 * frontend is. @name is for the test; others know it as "Domain-0".
 */
struct vm *vm_new_local(struct world *w, const char *name);
/* Start a frontend: xenmsg_open(). @options may be NULL. What it returns. */
int vm_open(struct vm *vm, const struct xenmsg_options *options);
/*
 * Start a process in the guest whose turns are @turn; it is to open the device
 * itself, as vm->x, with vm->lock. If it is not in the middle of a turn, the
 * calls below end it as any other frontend.
 */
void vm_start(struct vm *vm, sim_step_fn turn, void *arg);
/* The frontend says goodbye and ends. */
void vm_close(struct vm *vm);
/* SIGKILL for the frontend. */
void vm_kill(struct vm *vm);
/* Take away one that a kill at some call ended. Does nothing else. */
void vm_reap(struct vm *vm);
/* The frontend was ended by sim_kill_at() or with its domain. */
bool vm_ended(const struct vm *vm);
/* `xl destroy` of the domain, if nobody did it yet. */
void vm_destroy(struct vm *vm);
/* A new domain of the same name takes its place. */
void vm_renew(struct vm *vm, enum sim_domain_type type);
/* Make the frontend's process the current one, for calls that open or wait. */
void vm_enter(struct vm *vm);

/* Run until nobody has anything to do, or @ms have passed. */
void world_run(struct world *w, unsigned int ms);

#endif
