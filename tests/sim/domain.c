// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Domains: how they come, stop and go.
 *
 * A destroyed domain stays, dying, while foreign mappings pin its pages
 * (xen/common/domain.c:domain_kill(), the last put_page() ends it).
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

struct domain *sim_dom_find(domid_t domid)
{
	return domid < SIM_DOMIDS ? sim_world->by_domid[domid] : NULL;
}

struct domain *sim_dom_get(domid_t domid)
{
	struct domain *dom = sim_dom_find(domid);

	if (!dom)
		sim_die("no domain %u", domid);
	return dom;
}

/* In order of domid, as the hypervisor lists them. */
static void dom_insert(struct domain *dom)
{
	struct domain *other;

	list_for_each(other, &sim_world->domains, link)
		if (other->id > dom->id)
			break;
	/* Before @other, which is the head itself when dom comes last. */
	list_add_tail(&other->link, &dom->link);
	sim_world->by_domid[dom->id] = dom;
}

domid_t sim_domain_new_at(domid_t domid, const char *name, enum sim_domain_type type)
{
	struct domain *dom;
	uint64_t half;

	if (domid >= SIM_DOMIDS)
		sim_die("domid %u is not for domains", domid);
	if (sim_dom_find(domid))
		sim_die("domain %u exists", domid);

	dom = sim_alloc(1, sizeof(*dom));
	dom->id = domid;
	dom->instance = ++sim_world->next_instance;
	dom->name = sim_strdup(name);
	dom->type = type;
	dom->state = SIM_DOMAIN_RUNNING;
	if (domid) {
		half = sim_rng_next(&sim_world->os_rng);
		memcpy(dom->uuid, &half, 8);
		half = dom->instance;
		memcpy(dom->uuid + 8, &half, 8);
	}
	list_init(&dom->orphans);
	sim_mem_init(dom);
	sim_gnt_init(dom);
	sim_port_init(dom);
	dom_insert(dom);
	if (domid >= sim_world->next_domid)
		sim_world->next_domid = (domid_t)(domid + 1);

	sim_xs_domain_add(dom);
	return domid;
}

domid_t sim_domain_new(const char *name, enum sim_domain_type type)
{
	return sim_domain_new_at(sim_world->next_domid, name, type);
}

enum sim_domain_state sim_domain_state(domid_t domid)
{
	struct domain *dom = sim_dom_find(domid);

	return dom ? dom->state : SIM_DOMAIN_GONE;
}

const uint8_t *sim_domain_uuid(domid_t domid)
{
	struct domain *dom = sim_dom_find(domid);

	return dom ? dom->uuid : NULL;
}

void sim_domain_pause(domid_t domid)
{
	sim_dom_get(domid)->paused = true;
}

void sim_domain_unpause(domid_t domid)
{
	sim_dom_get(domid)->paused = false;
}

static void stop_processes(struct domain *dom)
{
	struct sim_process *process;

	list_for_each(process, &sim_world->processes, link)
		if (process->dom == dom)
			sim_process_stop(process);
}

void sim_domain_shutdown(domid_t domid, unsigned int reason)
{
	struct domain *dom = sim_dom_get(domid);

	if (dom->state != SIM_DOMAIN_RUNNING)
		sim_die("shutdown of domain %u, which does not run", domid);
	dom->state = SIM_DOMAIN_SHUTDOWN;
	dom->shut_down = true;
	dom->shutdown_reason = reason;
	stop_processes(dom);
	sim_xs_event("@releaseDomain");
}

/* The mappings of processes that stopped with the domain. */
void sim_dom_free_orphans(struct domain *dom)
{
	struct mapping *map, *next;

	list_for_each_safe(map, next, &dom->orphans, link)
		sim_mapping_free(map);
}

void sim_domain_destroy(domid_t domid)
{
	struct domain *dom = sim_dom_get(domid);
	bool was_running = dom->state == SIM_DOMAIN_RUNNING;

	if (dom->state == SIM_DOMAIN_DYING)
		sim_die("domain %u is dying already", domid);

	/* libxl takes the xenstore nodes away before it kills the domain. */
	sim_xs_domain_rm(dom);

	dom->state = SIM_DOMAIN_DYING;
	dom->busy = true;
	if (was_running)
		stop_processes(dom);
	sim_dom_free_orphans(dom);
	sim_port_close_all(dom);
	dom->nr_deferred = 0;
	sim_xs_domain_gone(dom);
	sim_xs_event("@releaseDomain");
	dom->busy = false;
	sim_dom_unpinned(dom);
}

void sim_dom_unpinned(struct domain *dom)
{
	if (dom->state == SIM_DOMAIN_DYING && !dom->mapped_pages && !dom->busy)
		sim_dom_free(dom);
}

void sim_dom_free(struct domain *dom)
{
	struct sim_process *process;

	list_for_each(process, &sim_world->processes, link)
		if (process->dom == dom)
			process->dom = NULL;
	sim_mem_fini(dom);
	sim_gnt_fini(dom);
	free(dom->ports);
	free(dom->name);
	list_del(&dom->link);
	sim_world->by_domid[dom->id] = NULL;
	free(dom);
}
