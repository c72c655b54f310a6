// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Grant tables: the owner's side as Linux keeps it (drivers/xen/grant-table.c:
 * free list, deferred end of busy grants), the user's side as the hypervisor
 * judges it (xen/common/grant_table.c: the order of checks and statuses).
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* GNTTAB_NR_RESERVED_ENTRIES: the toolstack's */
#define FIRST_GREF 8u
/* v1 entries in a frame; tables grow by frames */
#define FRAME_ENTRIES (SIM_PAGE_SIZE / sizeof(grant_entry_v1_t))

static bool grow(struct domain *dom)
{
	uint32_t first = dom->nr_grants, i;

	if (first + FRAME_ENTRIES > sim_world->config.grant_entries)
		return false;

	dom->nr_grants += FRAME_ENTRIES;
	dom->grants = sim_realloc(dom->grants, dom->nr_grants, sizeof(*dom->grants));
	memset(dom->grants + first, 0, FRAME_ENTRIES * sizeof(*dom->grants));
	if (!first)
		first = FIRST_GREF;
	for (i = first; i < dom->nr_grants; i++)
		dom->grants[i].next_free = i + 1;
	dom->grants[dom->nr_grants - 1].next_free = dom->free_head;
	dom->free_head = first;
	return true;
}

void sim_gnt_init(struct domain *dom)
{
	dom->free_head = SIM_NO_GREF;
	grow(dom);
}

void sim_gnt_fini(struct domain *dom)
{
	free(dom->grants);
	free(dom->deferred);
}

uint32_t sim_gnt_access(struct domain *dom, uint32_t pfn, domid_t to, bool readonly)
{
	struct grant *grant;
	uint32_t gref;

	if (dom->free_head == SIM_NO_GREF && !grow(dom))
		return SIM_NO_GREF;

	gref = dom->free_head;
	grant = &dom->grants[gref];
	dom->free_head = grant->next_free;
	*grant = (struct grant){ .active = true, .readonly = readonly, .to = to, .pfn = pfn };
	return gref;
}

/* NULL if there is no active grant of that number. */
struct grant *sim_gnt_find(struct domain *dom, uint32_t gref)
{
	if (gref >= dom->nr_grants || !dom->grants[gref].active)
		return NULL;
	return &dom->grants[gref];
}

/* The last one freed is the first one used again. */
static void put_free(struct domain *dom, uint32_t gref)
{
	dom->grants[gref].active = false;
	dom->grants[gref].next_free = dom->free_head;
	dom->free_head = gref;
}

/* False: somebody maps it, nothing has changed. */
bool sim_gnt_try_end(struct domain *dom, uint32_t gref)
{
	struct grant *grant = &dom->grants[gref];

	if (grant->maps)
		return false;
	if (grant->shared)
		sim_mem_release(dom, grant->pfn);
	put_free(dom, gref);
	return true;
}

/*
 * gnttab_end_foreign_access(): a busy grant stays as it is, usable by the
 * domain it names, and is tried again once a second.
 */
void sim_gnt_end(struct domain *dom, uint32_t gref)
{
	if (sim_gnt_try_end(dom, gref))
		return;

	dom->grants[gref].deferred = true;
	dom->deferred = sim_realloc(dom->deferred, dom->nr_deferred + 1, sizeof(*dom->deferred));
	dom->deferred[dom->nr_deferred++] = gref;
	if (!sim_world->reclaim_at)
		sim_world->reclaim_at = sim_now() + SIM_NSEC_PER_SEC;
}

static void reclaim_domain(struct domain *dom, unsigned int max)
{
	unsigned int tries = dom->nr_deferred < max ? dom->nr_deferred : max;
	uint32_t gref;

	while (tries--) {
		gref = dom->deferred[0];
		dom->nr_deferred--;
		memmove(dom->deferred, dom->deferred + 1,
			dom->nr_deferred * sizeof(*dom->deferred));
		if (!sim_gnt_try_end(dom, gref))
			dom->deferred[dom->nr_deferred++] = gref;
	}
}

/* Try up to @max of each domain; those still busy go to the end of the queue. */
void sim_gnt_reclaim(unsigned int max)
{
	struct domain *dom;

	sim_world->reclaim_at = 0;
	list_for_each(dom, &sim_world->domains, link) {
		reclaim_domain(dom, max);
		if (dom->nr_deferred)
			sim_world->reclaim_at = sim_now() + SIM_NSEC_PER_SEC;
	}
}

/*
 * May @caller use this grant?  The checks and their order are those of
 * map_grant_ref(), acquire_grant_for_copy() and _set_status_v1().
 */
int16_t sim_gnt_check(struct domain *caller, domid_t domid, uint32_t gref, bool write,
		      struct map_page *page)
{
	struct domain *dom = sim_dom_find(domid);
	struct grant *grant;

	if (!dom)
		return GNTST_bad_domain;
	/* The rule of xsm=silo: guests talk to dom0 only. */
	if (sim_world->config.silo && caller->id && domid && caller != dom)
		return GNTST_permission_denied;
	if (gref >= dom->nr_grants)
		return GNTST_bad_gntref;
	grant = &dom->grants[gref];
	if (!grant->active || grant->to != caller->id || (write && grant->readonly))
		return GNTST_general_error;
	if (!sim_mem_present(dom, grant->pfn))
		return GNTST_bad_page;
	*page = (struct map_page){ .dom = dom, .gref = gref, .pfn = grant->pfn };
	return GNTST_okay;
}

/* A PV program's page table entry takes a handle besides the kernel's. */
static unsigned int handles_per_page(const struct domain *mapper)
{
	return mapper->type == SIM_PV ? 2 : 1;
}

int16_t sim_gnt_map(struct domain *mapper, domid_t domid, uint32_t gref, bool write,
		    struct map_page *page)
{
	unsigned int handles = handles_per_page(mapper);
	int16_t status;

	if (sim_dom_find(domid) && mapper->handles + handles > sim_world->config.maptrack_handles)
		return GNTST_no_space;
	status = sim_gnt_check(mapper, domid, gref, write, page);
	if (status != GNTST_okay)
		return status;

	mapper->handles += handles;
	page->dom->grants[gref].maps++;
	if (!page->dom->pages[page->pfn].maps++)
		page->dom->mapped_pages++;
	return GNTST_okay;
}

/* May free the page's domain, if it was a zombie because of this mapping. */
void sim_gnt_unmap(struct domain *mapper, const struct map_page *page)
{
	struct domain *dom = page->dom;

	mapper->handles -= handles_per_page(mapper);
	dom->grants[page->gref].maps--;
	if (!--dom->pages[page->pfn].maps) {
		dom->mapped_pages--;
		sim_dom_unpinned(dom);
	}
}

uint32_t sim_grant(domid_t domid, uint32_t pfn, domid_t to, bool readonly)
{
	sim_page(domid, pfn); /* dies if there is no such page */
	return sim_gnt_access(sim_dom_get(domid), pfn, to, readonly);
}

int sim_revoke(domid_t domid, uint32_t gref)
{
	struct domain *dom = sim_dom_get(domid);

	if (!sim_gnt_find(dom, gref))
		return -EINVAL;
	return sim_gnt_try_end(dom, gref) ? 0 : -EBUSY;
}

void *sim_gref_page(domid_t domid, uint32_t gref)
{
	struct domain *dom = sim_dom_get(domid);
	struct grant *grant = sim_gnt_find(dom, gref);

	return grant ? sim_mem_bytes(dom, grant->pfn) : NULL;
}

unsigned int sim_gref_maps(domid_t domid, uint32_t gref)
{
	struct grant *grant = sim_gnt_find(sim_dom_get(domid), gref);

	return grant ? grant->maps : 0;
}

unsigned int sim_grants(domid_t domid)
{
	struct domain *dom = sim_dom_get(domid);
	unsigned int count = 0;
	uint32_t gref;

	for (gref = 0; gref < dom->nr_grants; gref++)
		count += dom->grants[gref].active;
	return count;
}
