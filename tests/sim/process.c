// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Processes and how they end.
 *
 * Two ways: killed, then the guest's kernel cleans up behind the program; or
 * stopped together with the domain, then nobody does, and what the program
 * held stays with the domain until that is destroyed.  Either way the program
 * keeps private copies of its mappings and can do no more harm.
 */
#include <stdlib.h>

#include "internal.h"

void sim_handle_init(struct handle *h, struct sim_process *process, enum handle_type type)
{
	h->process = process;
	h->type = type;
	list_add_tail(&process->handles, &h->link);
}

void sim_handle_fini(struct handle *h)
{
	list_del(&h->link);
}

bool sim_handle_alive(const struct handle *h)
{
	return h->process->state == PROCESS_ALIVE;
}

struct sim_process *sim_process_new(domid_t domid, const char *name)
{
	struct sim_process *process = sim_alloc(1, sizeof(*process));

	process->dom = sim_dom_get(domid);
	if (process->dom->state != SIM_DOMAIN_RUNNING)
		sim_die("a process in domain %u, which does not run", domid);
	process->domid = domid;
	process->name = sim_strdup(name);
	list_init(&process->handles);
	list_init(&process->maps);
	list_init(&process->shares);
	list_init(&process->own);
	list_add_tail(&sim_world->processes, &process->link);
	return process;
}

struct sim_process *sim_enter(struct sim_process *process)
{
	struct sim_process *previous = sim_world->current;

	sim_world->current = process;
	return previous;
}

struct sim_process *sim_current(void)
{
	return sim_world->current;
}

domid_t sim_process_domid(const struct sim_process *process)
{
	return process->domid;
}

bool sim_process_dead(const struct sim_process *process)
{
	return process->state != PROCESS_ALIVE;
}

static void make_mappings_private(struct sim_process *process)
{
	struct mapping *map;

	list_for_each(map, &process->maps, link)
		sim_mapping_private(map);
	list_for_each(map, &process->shares, link)
		sim_mapping_private(map);
	sim_shm_private(process);
}

static void forget(struct sim_process *process)
{
	process->kill_n = 0;
	process->kill_after = false;
	sim_store_forget(process);
	sim_fault_forget(process);
	sim_hooks_forget(process);
	sim_timer_kill(process);
	sim_sched_forget(process);
}

/*
 * The order is the kernel's: first the address space goes, with the last
 * words of its mappings, then the files.  An unmap notification thus finds
 * its event channel still open.
 */
void sim_process_kill(struct sim_process *process)
{
	struct mapping *map;
	struct handle *h;

	if (process->state != PROCESS_ALIVE)
		return;
	forget(process);
	make_mappings_private(process);
	process->state = PROCESS_KILLED;

	list_for_each(map, &process->maps, link)
		sim_mapping_give_back(map);
	list_for_each(map, &process->shares, link)
		sim_share_give_back(map);
	list_for_each(h, &process->handles, link) {
		if (h->type == HANDLE_EVTCHN)
			sim_evtchn_kill((struct xenevtchn_handle *)h);
		else if (h->type == HANDLE_XS)
			sim_xs_handle_kill((struct xs_handle *)h);
	}
}

/* The domain stopped running, with this process in it. */
void sim_process_stop(struct sim_process *process)
{
	struct mapping *map;
	struct handle *h;

	if (process->state != PROCESS_ALIVE)
		return;
	forget(process);
	make_mappings_private(process);
	process->state = PROCESS_STOPPED;

	list_for_each(map, &process->maps, link)
		sim_mapping_orphan(map);
	list_for_each(map, &process->shares, link)
		map->mapper = NULL;
	list_for_each(h, &process->handles, link)
		if (h->type == HANDLE_EVTCHN)
			sim_evtchn_stop((struct xenevtchn_handle *)h);
}

static void free_handle(struct handle *h)
{
	switch (h->type) {
	case HANDLE_GNTTAB:
	case HANDLE_GNTSHR:
		sim_gnt_handle_free((struct xengntdev_handle *)h);
		break;
	case HANDLE_EVTCHN:
		sim_evtchn_free((struct xenevtchn_handle *)h);
		break;
	case HANDLE_XS:
		sim_xs_handle_free((struct xs_handle *)h);
		break;
	case HANDLE_XC:
		sim_handle_fini(h);
		free(h);
		break;
	}
}

void sim_process_free(struct sim_process *process)
{
	struct mapping *map, *next;
	struct handle *h, *next_h;

	if (!process)
		return;
	sim_process_kill(process);
	sim_sched_unwind(process);
	list_for_each_safe(map, next, &process->maps, link)
		sim_mapping_free(map);
	list_for_each_safe(map, next, &process->shares, link)
		sim_mapping_free(map);
	list_for_each_safe(h, next_h, &process->handles, link)
		free_handle(h);
	sim_shm_forget(process);
	if (sim_world->current == process)
		sim_world->current = NULL;
	list_del(&process->link);
	free(process->name);
	free(process);
}
