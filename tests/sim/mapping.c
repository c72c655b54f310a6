// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Areas of a program that show pages of a domain: mapped grants (gntdev) and
 * shared pages (gntalloc).
 *
 * An area outlives the library handle it was made with, as a mapping outlives
 * its file descriptor; munmap() or the end of the process ends it.
 */
#include <stdlib.h>

#include "internal.h"

/* Reserves the address space; the caller fills in the pages and maps them. */
struct mapping *sim_mapping_new(struct xengntdev_handle *handle, unsigned int count, bool writable)
{
	struct mapping *map;

	map = sim_alloc(1, sizeof(*map) + count * sizeof(map->pages[0]));
	map->handle = handle;
	map->mapper = handle->h.process->dom;
	map->addr = sim_vma_reserve(count);
	map->count = count;
	map->writable = writable;
	list_init(&map->link);
	return map;
}

/* The area of @list that has any of @len bytes (at least 1) from @addr. */
struct mapping *sim_mapping_find(struct list *list, const void *addr, size_t len)
{
	struct mapping *map;
	uintptr_t from = (uintptr_t)addr, start;

	list_for_each(map, list, link) {
		start = (uintptr_t)map->addr;
		if (from < start + (size_t)map->count * SIM_PAGE_SIZE && start < from + len)
			return map;
	}
	return NULL;
}

static void clear_byte(struct mapping *map)
{
	struct map_page *page = &map->pages[map->notify_offset / SIM_PAGE_SIZE];

	sim_mem_bytes(page->dom, page->pfn)[map->notify_offset % SIM_PAGE_SIZE] = 0;
}

static void send_event(struct mapping *map, struct domain *dom)
{
	map->notify_event = false;
	sim_port_send(dom, map->notify_port);
	sim_evtchn_put(dom, map->notify_port);
}

/* Unmap grants, with the unmap notification. */
void sim_mapping_give_back(struct mapping *map)
{
	struct domain *mapper = map->mapper;
	unsigned int i;

	if (!mapper)
		return;
	map->mapper = NULL;
	if (map->notify_byte)
		clear_byte(map);
	for (i = 0; i < map->count; i++)
		sim_gnt_unmap(mapper, &map->pages[i]);
	if (map->notify_event)
		send_event(map, mapper);
}

/* End sharing, with the notification (gntalloc.c:__del_gref()). */
void sim_share_give_back(struct mapping *share)
{
	struct domain *dom = share->mapper;
	unsigned int i;

	if (!dom)
		return;
	share->mapper = NULL;
	if (share->notify_byte)
		clear_byte(share);
	if (share->notify_event)
		send_event(share, dom);
	for (i = 0; i < share->count; i++)
		sim_gnt_end(dom, share->pages[i].gref);
	dom->gntalloc_used -= share->count;
}

void sim_mapping_private(struct mapping *map)
{
	if (!map->private)
		sim_vma_private(map->addr, map->count);
	map->private = true;
}

/*
 * The hypervisor's part of a mapping stays with the domain; what is left is
 * the program's private copy.
 */
void sim_mapping_orphan(struct mapping *map)
{
	struct mapping *orphan;
	unsigned int i;

	if (!map->mapper)
		return;
	orphan = sim_alloc(1, sizeof(*orphan) + map->count * sizeof(orphan->pages[0]));
	orphan->mapper = map->mapper;
	orphan->count = map->count;
	for (i = 0; i < map->count; i++)
		orphan->pages[i] = map->pages[i];
	list_add_tail(&map->mapper->orphans, &orphan->link);
	map->mapper = NULL;
}

/* For shared pages the caller has ended the sharing. */
void sim_mapping_free(struct mapping *map)
{
	sim_mapping_give_back(map);
	if (map->addr)
		sim_vma_release(map->addr, map->count);
	list_del(&map->link);
	free(map);
}
