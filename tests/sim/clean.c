// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The end of a test: what has been left behind, and by whom.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "xs.h"

static const char *handle_name(enum handle_type type)
{
	static const char *const names[] = {
		[HANDLE_GNTTAB] = "xengnttab",
		[HANDLE_GNTSHR] = "xengntshr",
		[HANDLE_EVTCHN] = "xenevtchn",
		[HANDLE_XS] = "xs",
		[HANDLE_XC] = "xc",
	};

	return names[type];
}

static void check_process(FILE *out, const struct sim_process *process)
{
	const struct handle *h;
	const struct mapping *map;
	unsigned int timers = sim_timer_armed(process);

	if (process->state != PROCESS_ALIVE)
		return;
	list_for_each(h, &process->handles, link)
		fprintf(out, "process %s (d%u): %s handle open\n", process->name, process->domid,
			handle_name(h->type));
	list_for_each(map, &process->maps, link)
		fprintf(out, "process %s (d%u): %u pages mapped at %p (d%u gref %u ...)\n",
			process->name, process->domid, map->count, (void *)map->addr,
			map->pages[0].dom->id, map->pages[0].gref);
	list_for_each(map, &process->shares, link)
		fprintf(out, "process %s (d%u): %u pages shared at %p (gref %u ...)\n",
			process->name, process->domid, map->count, (void *)map->addr,
			map->pages[0].gref);
	if (sim_shm_count(process))
		fprintf(out, "process %s (d%u): %u mappings of descriptors of its own\n",
			process->name, process->domid, sim_shm_count(process));
	if (timers)
		fprintf(out, "process %s (d%u): %u timers armed\n", process->name, process->domid,
			timers);
}

static void check_grants(FILE *out, const struct domain *dom)
{
	const struct grant *grant;
	uint32_t gref;

	for (gref = 0; gref < dom->nr_grants; gref++) {
		grant = &dom->grants[gref];
		if (grant->active)
			fprintf(out, "d%u: gref %u active (page %u to d%u, %u mappings%s)\n",
				dom->id, gref, grant->pfn, grant->to, grant->maps,
				grant->deferred ? ", given up by its owner" : "");
	}
}

static void check_domain(FILE *out, const struct domain *dom)
{
	const struct port *p;
	uint32_t port;

	if (dom->state == SIM_DOMAIN_DYING) {
		fprintf(out, "d%u (%s): zombie, %u pages mapped by others\n", dom->id, dom->name,
			dom->mapped_pages);
		return;
	}
	/* What a stopped guest holds goes with its destruction. */
	if (dom->state == SIM_DOMAIN_SHUTDOWN)
		return;
	check_grants(out, dom);
	for (port = 0; port < SIM_DOMAIN_PORTS; port++) {
		p = &dom->ports[port];
		if (p->state != SIM_PORT_FREE)
			fprintf(out, "d%u: port %u %s (remote d%u)\n", dom->id, port,
				p->state == SIM_PORT_BOUND ? "bound" : "unbound", p->remote_domid);
	}
}

static void check_conns(FILE *out)
{
	const struct xs_handle *xs;
	const struct xs_watch *watch;
	const struct xs_txn *txn;

	list_for_each(xs, &sim_xs_conns, conn) {
		list_for_each(watch, &xs->watches, link)
			fprintf(out, "process %s (d%u): watch on %s (%s)\n", xs->h.process->name,
				xs->domid, watch->path, watch->token);
		list_for_each(txn, &xs->txns, link)
			fprintf(out, "process %s (d%u): transaction %u open\n", xs->h.process->name,
				xs->domid, txn->id);
	}
}

/* The topmost node of each subtree that should not be there. */
static void check_nodes(FILE *out, const struct xs_node *node)
{
	const struct xs_node *child;
	char *path;

	if (!sim_xs_is_base(node)) {
		path = sim_xs_node_path(node);
		fprintf(out, "xenstore: %s = \"%s\"\n", path, node->value);
		free(path);
		return;
	}
	list_for_each(child, &node->children, link)
		check_nodes(out, child);
}

char *sim_leaks(void)
{
	const struct sim_process *process;
	const struct domain *dom;
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		sim_die("out of memory");
	sim_gnt_reclaim(UINT32_MAX);
	list_for_each(process, &sim_world->processes, link)
		check_process(out, process);
	list_for_each(dom, &sim_world->domains, link)
		check_domain(out, dom);
	check_conns(out);
	check_nodes(out, sim_xs_root);
	fclose(out);
	if (len)
		return text;
	free(text);
	return NULL;
}

void sim_assert_clean(void)
{
	char *leaks = sim_leaks();

	if (leaks)
		sim_die("left behind:\n%s", leaks);
}
