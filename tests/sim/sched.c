// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The scheduler: which program takes its next turn.
 *
 * An actor that did nothing in its turn is idle until something may have
 * changed: another one did something, or time has moved.  Among those that
 * are not idle the seed chooses.  When all are idle, time goes on to the next
 * timer.
 *
 * An actor has a stack of its own.  When it waits (poll() and the like) its
 * turn ends there, and its next one looks again.  The test itself, which has no turns, runs the actors while it waits.
 */
#include <stdlib.h>

#include "internal.h"

/* A killed program must come to its end within so many turns. */
#define UNWIND_TURNS 100000

struct sim_actor {
	struct list link;
	struct sim_process *process;
	struct sim_process *entered; /* sim_current() in the middle of a turn */
	sim_step_fn step;
	void *arg;
	struct sim_coro *coro;
	bool did;
	bool idle;
	bool stalled;
	bool waiting; /* in the middle of its step */
	bool freed;   /* its process is dead, or it was removed */
	uint64_t deadline;
};

static struct list actors = { &actors, &actors };

/* Whose turn it is; NULL: the test itself. */
static struct sim_actor *running;

/* The process on whose behalf the test waits. */
static const struct sim_process *test_waits;

static void destroy(struct sim_actor *actor)
{
	list_del(&actor->link);
	sim_coro_free(actor->coro);
	free(actor);
}

void sim_sched_fini(void)
{
	struct sim_actor *actor, *next;

	running = NULL;
	test_waits = NULL;
	list_for_each_safe(actor, next, &actors, link)
		destroy(actor);
}

static void live(void *arg)
{
	struct sim_actor *actor = arg;

	for (;;) {
		actor->did = actor->step(actor->arg);
		actor->waiting = false;
		sim_coro_yield(actor->coro);
	}
}

struct sim_actor *sim_actor_new(struct sim_process *process, sim_step_fn step, void *arg)
{
	struct sim_actor *actor = sim_alloc(1, sizeof(*actor));

	if (process && sim_process_dead(process))
		sim_die("an actor of a dead process");
	actor->process = process;
	actor->step = step;
	actor->arg = arg;
	actor->coro = sim_coro_new(live, actor);
	list_add_tail(&actors, &actor->link);
	return actor;
}

/* One in the middle of its step goes on to the end of that, and then. */
void sim_actor_free(struct sim_actor *actor)
{
	if (!actor)
		return;
	actor->freed = true;
	actor->idle = false;
	if (actor != running && !actor->waiting)
		destroy(actor);
}

void sim_actor_stall(struct sim_actor *actor, bool stalled)
{
	actor->stalled = stalled;
	actor->idle = false;
}

static void wake_all(void)
{
	struct sim_actor *actor;

	list_for_each(actor, &actors, link)
		actor->idle = false;
}

/* The process died: what its actors are in the middle of fails, and ends. */
void sim_sched_forget(const struct sim_process *process)
{
	struct sim_actor *actor, *next;

	list_for_each_safe(actor, next, &actors, link)
		if (actor->process == process)
			sim_actor_free(actor);
	/* Others may notice. */
	wake_all();
}

bool sim_step(struct sim_actor *actor)
{
	struct sim_process *previous = sim_world->current;
	bool did;

	if (running)
		sim_die("an actor runs the scheduler");
	sim_world->current = actor->waiting ? actor->entered : actor->process;
	running = actor;
	actor->did = false;
	sim_coro_resume(actor->coro);
	running = NULL;
	actor->entered = sim_world->current;
	sim_world->current = previous;

	did = actor->did;
	if (did)
		wake_all();
	else
		actor->idle = true;
	if (actor->freed && !actor->waiting)
		destroy(actor);
	return did;
}

static struct sim_actor *waiting_actor(const struct sim_process *process)
{
	struct sim_actor *actor;

	list_for_each(actor, &actors, link)
		if (actor->process == process && actor->waiting)
			return actor;
	return NULL;
}

/* The process is about to be freed: what it is in the middle of must end. */
void sim_sched_unwind(const struct sim_process *process)
{
	struct sim_actor *actor;
	unsigned int turns = 0;

	while ((actor = waiting_actor(process))) {
		if (turns++ == UNWIND_TURNS)
			sim_die("process %s is dead, but does not end", process->name);
		sim_step(actor);
	}
}

/* A program in the middle of a wait does nothing else. */
static bool process_waits(const struct sim_actor *self)
{
	const struct sim_actor *actor;

	if (!self->process)
		return false;
	if (self->process == test_waits)
		return true;
	list_for_each(actor, &actors, link)
		if (actor != self && actor->waiting && actor->process == self->process)
			return true;
	return false;
}

static bool is_stopped(const struct sim_actor *actor)
{
	if (actor->freed)
		return false;
	return actor->stalled ||
	       (actor->process && actor->process->dom && actor->process->dom->paused);
}

static bool can_run(const struct sim_actor *actor)
{
	return !actor->idle && !is_stopped(actor) && !process_waits(actor);
}

static struct sim_actor *choose(void)
{
	struct sim_actor *actor;
	uint64_t count = 0, n;

	list_for_each(actor, &actors, link)
		count += can_run(actor);
	if (!count)
		return NULL;
	n = sim_rng_below(&sim_world->sched_rng, count);
	list_for_each(actor, &actors, link)
		if (can_run(actor) && !n--)
			return actor;
	return NULL;
}

/* When something happens by time alone. */
static uint64_t next_event(void)
{
	struct sim_actor *actor;
	uint64_t next = sim_next_timer();

	list_for_each(actor, &actors, link)
		if (actor->waiting && !is_stopped(actor) && actor->deadline < next)
			next = actor->deadline;
	return next;
}

static void advance_to(uint64_t when)
{
	sim_advance(when > sim_now() ? when - sim_now() : 0);
	wake_all();
}

/* One step of somebody; or else time moves, at most to @deadline. */
static bool step_or_advance(uint64_t deadline)
{
	struct sim_actor *actor = choose();
	uint64_t next;

	if (actor) {
		sim_advance(sim_world->config.step_cost);
		sim_step(actor);
		return true;
	}
	next = next_event();
	if (deadline < next)
		next = deadline;
	if (next == SIM_NO_TIMER)
		return false;
	advance_to(next);
	return true;
}

/*
 * The running program waits, at most until @deadline: let the others go on for
 * a moment.  @first: this wait has just begun.  False: nothing will ever happen.
 */
bool sim_sched_wait(uint64_t deadline, bool first)
{
	struct sim_actor *actor = running;
	bool more;

	if (actor) {
		/* Before it came to wait it did something. */
		actor->did = first;
		actor->waiting = true;
		actor->deadline = deadline;
		sim_coro_yield(actor->coro);
		return true;
	}
	/* So did the test. */
	if (first)
		wake_all();
	test_waits = sim_world->current;
	more = step_or_advance(deadline);
	test_waits = NULL;
	return more;
}

/*
 * The running program sleeps.  While an actor does, others have their turns;
 * when the test does, nothing but time goes on.  0, or EINTR in a killed one.
 */
int sim_sched_sleep(uint64_t ns)
{
	uint64_t deadline = sim_now() + ns;
	bool first = true;

	if (!running) {
		sim_advance(ns);
		return 0;
	}
	while (sim_now() < deadline) {
		if (running->process && sim_process_dead(running->process))
			return EINTR;
		sim_sched_wait(deadline, first);
		first = false;
	}
	return 0;
}

enum sim_end sim_run(sim_pred_fn done, void *arg, uint64_t max_steps, uint64_t max_ns)
{
	uint64_t end = max_ns ? sim_now() + max_ns : SIM_NO_TIMER;
	uint64_t steps = 0;

	wake_all();
	for (;;) {
		if (done && done(arg))
			return SIM_END_DONE;
		if (max_steps && steps++ >= max_steps)
			sim_die("not done after %llu steps", (unsigned long long)max_steps);
		if (sim_now() > end)
			sim_die("not done after %llu ms of virtual time",
				(unsigned long long)(max_ns / SIM_NSEC_PER_MSEC));
		if (!step_or_advance(SIM_NO_TIMER))
			return SIM_END_IDLE;
	}
}

void sim_run_for(uint64_t ns)
{
	uint64_t end = sim_now() + ns;

	wake_all();
	while (sim_now() < end)
		step_or_advance(end);
}
