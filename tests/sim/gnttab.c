// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libxengnttab, mapping half, over Linux's gntdev (drivers/xen/gntdev.c,
 * tools/libs/gnttab/linux.c).
 */
#include <stdlib.h>
#include <sys/mman.h>

#include <xengnttab.h>

#include "internal.h"

xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger, unsigned int open_flags)
{
	struct sim_process *process = sim_call_open(SIM_CALL_GNTTAB_OPEN);
	xengnttab_handle *xgt;

	(void)logger;
	(void)open_flags;
	if (!process)
		return NULL;
	xgt = sim_alloc(1, sizeof(*xgt));
	xgt->fd = sim_fd_new();
	sim_handle_init(&xgt->h, process, HANDLE_GNTTAB);
	if (!sim_call_end(process)) {
		sim_gnt_handle_free(xgt);
		return NULL;
	}
	return xgt;
}

/*
 * Mappings made with the handle stay, as they do when a file is closed; but not
 * those that have lost their area (mremap.c).
 */
void sim_gnt_handle_free(xengnttab_handle *xgt)
{
	struct sim_process *process = xgt->h.process;
	struct mapping *map, *next;

	list_for_each_safe(map, next, &process->maps, link) {
		if (map->handle == xgt)
			map->handle = NULL;
		if (!map->handle && !map->addr)
			sim_mapping_free(map);
	}
	list_for_each(map, &process->shares, link)
		if (map->handle == xgt)
			map->handle = NULL;
	sim_handle_fini(&xgt->h);
	sim_fd_free(xgt->fd);
	free(xgt);
}

int xengnttab_close(xengnttab_handle *xgt)
{
	if (xgt)
		sim_gnt_handle_free(xgt);
	return 0;
}

int xengnttab_fd(xengnttab_handle *xgt)
{
	return xgt->fd;
}

/* On Linux the limit is a module parameter; the library call does nothing. */
int xengnttab_set_max_grants(xengnttab_handle *xgt, uint32_t nr_grants)
{
	(void)xgt;
	(void)nr_grants;
	return 0;
}

/* The library takes offsets beyond the page for "none". */
static int set_notify(struct mapping *map, uint32_t offset, evtchn_port_t port)
{
	bool byte = offset < SIM_PAGE_SIZE;

	if (byte && !map->writable)
		return -EINVAL;
	if (port != UINT32_MAX && !sim_evtchn_get(map->mapper, port))
		return -EINVAL;
	map->notify_byte = byte;
	map->notify_offset = offset;
	map->notify_event = port != UINT32_MAX;
	map->notify_port = port;
	return 0;
}

/*
 * All or nothing: one bad reference fails the call with EINVAL, and nothing
 * says which one it was.
 */
static void *do_map(xengnttab_handle *xgt, uint32_t count, const uint32_t *domids,
		    unsigned int stride, const uint32_t *refs, int prot, struct mapping **out)
{
	struct domain *mapper = xgt->h.process->dom;
	bool write = prot & PROT_WRITE;
	struct mapping *map;
	uint32_t i;

	if (!count || count > sim_world->config.map_pages_max) {
		errno = EINVAL;
		return NULL;
	}
	map = sim_mapping_new(xgt, count, write);
	for (i = 0; i < count; i++)
		if (sim_gnt_map(mapper, (domid_t)domids[i * stride], refs[i], write,
				&map->pages[i]) != GNTST_okay)
			break;
	if (i < count) {
		map->count = i;
		sim_mapping_give_back(map);
		map->count = count;
		sim_mapping_free(map);
		errno = EINVAL;
		return NULL;
	}
	sim_vma_map(map->addr, map->pages, count, prot);
	list_add_tail(&xgt->h.process->maps, &map->link);
	xgt->h.process->counts.pages_mapped += count;
	sim_world->counts.pages_mapped += count;
	*out = map;
	return map->addr;
}

static void *map_call(xengnttab_handle *xgt, uint32_t count, const uint32_t *domids,
		      unsigned int stride, const uint32_t *refs, int prot, uint32_t notify_offset,
		      evtchn_port_t notify_port)
{
	struct mapping *map;
	void *addr;
	int r;

	if (!sim_call_begin(xgt->h.process, SIM_CALL_MAP))
		return NULL;
	addr = do_map(xgt, count, domids, stride, refs, prot, &map);
	if (addr) {
		r = set_notify(map, notify_offset, notify_port);
		if (r) {
			sim_mapping_free(map);
			addr = NULL;
			errno = -r;
		} else {
			sim_store_mapped(xgt->h.process);
		}
	}
	return sim_call_end(xgt->h.process) ? addr : NULL;
}

void *xengnttab_map_grant_ref(xengnttab_handle *xgt, uint32_t domid, uint32_t ref, int prot)
{
	return map_call(xgt, 1, &domid, 0, &ref, prot, UINT32_MAX, UINT32_MAX);
}

void *xengnttab_map_grant_refs(xengnttab_handle *xgt, uint32_t count, uint32_t *domids,
			       uint32_t *refs, int prot)
{
	return map_call(xgt, count, domids, 1, refs, prot, UINT32_MAX, UINT32_MAX);
}

void *xengnttab_map_domain_grant_refs(xengnttab_handle *xgt, uint32_t count, uint32_t domid,
				      uint32_t *refs, int prot)
{
	return map_call(xgt, count, &domid, 0, refs, prot, UINT32_MAX, UINT32_MAX);
}

void *xengnttab_map_grant_ref_notify(xengnttab_handle *xgt, uint32_t domid, uint32_t ref, int prot,
				     uint32_t notify_offset, evtchn_port_t notify_port)
{
	return map_call(xgt, 1, &domid, 0, &ref, prot, notify_offset, notify_port);
}

/*
 * gntdev finds the mapping by its address and compares the count: only a whole
 * mapping can be undone.  With another handle than it was made with, the pages
 * go, but the call fails.
 */
static int do_unmap(xengnttab_handle *xgt, void *start, uint32_t count)
{
	struct sim_process *process = xgt->h.process;
	struct mapping *map = NULL;
	bool mine;

	if (start)
		map = sim_mapping_find(&process->maps, start, 1);
	if (!map || map->addr != start || map->count != count) {
		errno = EINVAL;
		return -1;
	}
	mine = map->handle == xgt;
	process->counts.pages_unmapped += count;
	sim_world->counts.pages_unmapped += count;
	sim_mapping_free(map);
	if (!mine) {
		errno = ENOENT;
		return -1;
	}
	return 0;
}

int xengnttab_unmap(xengnttab_handle *xgt, void *start_address, uint32_t count)
{
	struct mapping *map;
	int r;

	if (!sim_call_begin(xgt->h.process, SIM_CALL_UNMAP)) {
		/* The private copy of a dead process goes without an effect. */
		map = sim_handle_alive(&xgt->h) ?
			      NULL :
			      sim_mapping_find(&xgt->h.process->maps, start_address, 1);
		if (map)
			sim_mapping_free(map);
		errno = map ? SIM_DEAD_ERRNO : errno;
		return -1;
	}
	r = do_unmap(xgt, start_address, count);
	return sim_call_end(xgt->h.process) ? r : -1;
}
