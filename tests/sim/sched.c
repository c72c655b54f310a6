// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The scheduler: which program takes its next turn.
 *
 * An actor that did nothing in its turn is idle until something may have
 * changed: another one did something, or time has moved.  Among those that
 * are not idle the seed chooses.  When all are idle, time goes on to the next
 * timer.
 */
#include <stdlib.h>

#include "internal.h"

struct sim_actor {
	struct list link;
	struct sim_process *process;
	sim_step_fn step;
	void *arg;
	bool idle;
	bool stalled;
	bool running; /* on the stack: it is in a step that waits */
	bool freed;
};

static struct list actors = { &actors, &actors };

/* The waits under way, the innermost first, on the stack. */
struct waiter {
	const struct waiter *outer;
	const struct sim_process *process;
};

static const struct waiter *waiters;

void sim_sched_fini(void)
{
	struct sim_actor *actor, *next;

	waiters = NULL;
	list_for_each_safe(actor, next, &actors, link) {
		list_del(&actor->link);
		free(actor);
	}
}

struct sim_actor *sim_actor_new(struct sim_process *process, sim_step_fn step, void *arg)
{
	struct sim_actor *actor = sim_alloc(1, sizeof(*actor));

	actor->process = process;
	actor->step = step;
	actor->arg = arg;
	list_add_tail(&actors, &actor->link);
	return actor;
}

/* An actor in the middle of its step is freed at the end of that. */
void sim_actor_free(struct sim_actor *actor)
{
	if (!actor)
		return;
	actor->freed = true;
	if (actor->running)
		return;
	list_del(&actor->link);
	free(actor);
}

void sim_actor_stall(struct sim_actor *actor, bool stalled)
{
	actor->stalled = stalled;
	actor->idle = false;
}

void sim_sched_forget(const struct sim_process *process)
{
	struct sim_actor *actor, *next;

	list_for_each_safe(actor, next, &actors, link)
		if (actor->process == process)
			sim_actor_free(actor);
}

static void wake_all(void)
{
	struct sim_actor *actor;

	list_for_each(actor, &actors, link)
		actor->idle = false;
}

bool sim_step(struct sim_actor *actor)
{
	struct sim_process *previous = sim_world->current;
	bool did;

	sim_world->current = actor->process;
	actor->running = true;
	did = actor->step(actor->arg);
	actor->running = false;
	/* The process may have been freed meanwhile, but then so was the actor. */
	sim_world->current = previous;
	if (did)
		wake_all();
	else
		actor->idle = true;
	if (actor->freed)
		sim_actor_free(actor);
	return did;
}

/* A program in the middle of a wait runs nothing else. */
static bool process_waits(const struct sim_process *process)
{
	const struct sim_actor *actor;
	const struct waiter *waiter;

	if (!process)
		return false;
	for (waiter = waiters; waiter; waiter = waiter->outer)
		if (waiter->process == process)
			return true;
	list_for_each(actor, &actors, link)
		if (actor->running && actor->process == process)
			return true;
	return false;
}

static bool can_run(const struct sim_actor *actor)
{
	return !actor->idle && !actor->stalled && !actor->running && !actor->freed &&
	       !(actor->process && actor->process->dom && actor->process->dom->paused) &&
	       !process_waits(actor->process);
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

static void advance_to(uint64_t when)
{
	sim_advance(when > sim_now() ? when - sim_now() : 0);
	wake_all();
}

/* One step of somebody; or else time moves, at most to @deadline. */
static bool step_or_advance(uint64_t deadline, bool *stepped)
{
	struct sim_actor *actor = choose();
	uint64_t next;

	*stepped = actor;
	if (actor) {
		sim_advance(sim_world->config.step_cost);
		sim_step(actor);
		return true;
	}
	next = sim_next_timer();
	if (deadline < next)
		next = deadline;
	if (next == SIM_NO_TIMER)
		return false;
	advance_to(next);
	return true;
}

/*
 * A program waits (poll() and the like), at most until @deadline: let the
 * others go on for a moment.  False: nothing will ever happen.
 */
bool sim_sched_wait(uint64_t deadline)
{
	struct waiter self = { .outer = waiters, .process = sim_world->current };
	bool stepped, more;

	waiters = &self;
	more = step_or_advance(deadline, &stepped);
	waiters = self.outer;
	return more;
}

enum sim_end sim_run(sim_pred_fn done, void *arg, uint64_t max_steps, uint64_t max_ns)
{
	uint64_t end = max_ns ? sim_now() + max_ns : SIM_NO_TIMER;
	uint64_t steps = 0;
	bool stepped;

	wake_all();
	for (;;) {
		if (done && done(arg))
			return SIM_END_DONE;
		if (max_steps && steps >= max_steps)
			sim_die("not done after %llu steps", (unsigned long long)steps);
		if (sim_now() > end)
			sim_die("not done after %llu ms of virtual time",
				(unsigned long long)(max_ns / SIM_NSEC_PER_MSEC));
		if (!step_or_advance(SIM_NO_TIMER, &stepped))
			return SIM_END_IDLE;
		steps += stepped;
	}
}
