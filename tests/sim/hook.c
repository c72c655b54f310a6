// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the test does at a given call of a program: anything that could happen
 * elsewhere in the system at that moment.
 */
#include <stdlib.h>

#include "internal.h"

struct hook {
	struct list link;
	const struct sim_process *process; /* NULL: any */
	enum sim_call call;
	unsigned int n; /* calls to go; 0: the call is under way */
	enum sim_when when;
	void (*fn)(void *arg);
	void *arg;
};

static struct list hooks = { &hooks, &hooks };

void sim_at_call(struct sim_process *process, enum sim_call call, unsigned int n,
		 enum sim_when when, void (*fn)(void *arg), void *arg)
{
	struct hook *hook;

	if (!n)
		sim_die("sim_at_call(): calls count from 1");
	hook = sim_alloc(1, sizeof(*hook));
	hook->process = process;
	hook->call = call;
	hook->n = n;
	hook->when = when;
	hook->fn = fn;
	hook->arg = arg;
	list_add_tail(&hooks, &hook->link);
}

static bool counts(const struct hook *hook, const struct sim_process *process, enum sim_call call)
{
	return hook->n && (!hook->process || hook->process == process) &&
	       (hook->call == SIM_CALL_ANY || hook->call == call);
}

static void run(struct hook *hook)
{
	list_del(&hook->link);
	hook->fn(hook->arg);
	free(hook);
}

/* A hook that is due; it may add others, so look anew after each. */
static struct hook *due(const struct sim_process *process, enum sim_when when)
{
	struct hook *hook;

	list_for_each(hook, &hooks, link)
		if (!hook->n && hook->when == when && hook->process == process)
			return hook;
	return NULL;
}

void sim_hooks_before(struct sim_process *process, enum sim_call call)
{
	struct hook *hook;

	list_for_each(hook, &hooks, link)
		if (counts(hook, process, call) && !--hook->n)
			hook->process = process;
	while ((hook = due(process, SIM_BEFORE)))
		run(hook);
}

void sim_hooks_after(struct sim_process *process)
{
	struct hook *hook;

	while ((hook = due(process, SIM_AFTER)))
		run(hook);
}

/* Those that name this process; NULL: all. */
void sim_hooks_forget(const struct sim_process *process)
{
	struct hook *hook, *next;

	list_for_each_safe(hook, next, &hooks, link)
		if (!process || hook->process == process) {
			list_del(&hook->link);
			free(hook);
		}
}
