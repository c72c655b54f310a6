// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mremap() onto a mapping of grants: how a program puts memory of its own in
 * the place of another domain's, at the same address.
 *
 * The area is the program's then.  The grants go at once where the kernel is
 * PV (drivers/xen/gntdev.c:gntdev_invalidate()); elsewhere the file has a
 * reference to them (gntdev_vma_close()), and they go when it is closed.
 */
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

static struct mapping *mapping_at(const void *addr, size_t len)
{
	struct sim_process *process;
	struct mapping *map;

	list_for_each(process, &sim_world->processes, link) {
		map = sim_mapping_find(&process->maps, addr, len);
		if (map)
			return map;
	}
	return NULL;
}

static void displaced(struct mapping *map)
{
	map->addr = NULL;
	map->private = true;
	if (!map->handle || !map->mapper || map->mapper->type == SIM_PV)
		sim_mapping_free(map);
}

void *mremap(void *old, size_t old_size, size_t new_size, int flags, ...)
{
	struct mapping *map = NULL;
	void *target = NULL, *addr;
	va_list args;

	if (flags & MREMAP_FIXED) {
		va_start(args, flags);
		target = va_arg(args, void *);
		va_end(args);
	}
	if (sim_world && target)
		map = mapping_at(target, new_size);
	if (map && (map->addr != target || (size_t)map->count * SIM_PAGE_SIZE != new_size))
		sim_die("mremap() onto a part of a mapping");
	addr = (void *)syscall(SYS_mremap, old, old_size, new_size, flags, target);
	if (map && addr != MAP_FAILED)
		displaced(map);
	if (sim_world && target && addr != MAP_FAILED)
		sim_shm_moved(old, target);
	return addr;
}
