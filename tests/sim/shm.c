// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory that a program shares with others without Xen: mappings of its own
 * descriptors. Nothing is simulated, but they are noted down, because a killed
 * program may write there no more while its functions run on.
 *
 * mmap() and munmap() are defined here for the whole program. Mappings are
 * unmapped as they were made, as a whole.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

struct own {
	struct list link;
	void *addr;
	size_t len;
};

/* That somebody calls it makes the linker take this file out of the archive. */
void sim_shm_init(void)
{
}

static bool is_memory_of_domain(int fd)
{
	struct domain *dom;

	list_for_each(dom, &sim_world->domains, link)
		if (dom->memfd == fd)
			return true;
	return false;
}

static void forget(void *addr)
{
	struct sim_process *process;
	struct own *own, *next;

	list_for_each(process, &sim_world->processes, link) {
		list_for_each_safe(own, next, &process->own, link) {
			if (own->addr != addr)
				continue;
			list_del(&own->link);
			free(own);
		}
	}
}

static void note(struct sim_process *process, void *addr, size_t len)
{
	struct own *own = sim_alloc(1, sizeof(*own));

	own->addr = addr;
	own->len = len;
	list_add_tail(&process->own, &own->link);
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	void *at = (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);

	if (sim_world && sim_world->current && at != MAP_FAILED && (flags & MAP_SHARED) &&
	    fd >= 0 && sim_world->current->state == PROCESS_ALIVE && !is_memory_of_domain(fd))
		note(sim_world->current, at, len);
	return at;
}

int munmap(void *addr, size_t len)
{
	if (sim_world)
		forget(addr);
	return (int)syscall(SYS_munmap, addr, len);
}

/* mremap() put what was at @from in the place of what was at @to. */
void sim_shm_moved(void *from, void *to)
{
	struct sim_process *process;
	struct own *own;

	forget(to);
	list_for_each(process, &sim_world->processes, link)
		list_for_each(own, &process->own, link)
			if (own->addr == from)
				own->addr = to;
}

/* From now on they are copies that nobody else sees. */
void sim_shm_private(struct sim_process *process)
{
	struct own *own;
	void *copy;

	list_for_each(own, &process->own, link) {
		copy = (void *)syscall(SYS_mmap, NULL, own->len, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (copy == MAP_FAILED)
			sim_die("no memory for a dead process");
		memcpy(copy, own->addr, own->len);
		if ((void *)syscall(SYS_mremap, copy, own->len, own->len,
				    MREMAP_MAYMOVE | MREMAP_FIXED, own->addr) != own->addr)
			sim_die("memory of a dead process cannot be replaced");
	}
}

/* Those that a program does not unmap itself are the test's to see to. */
void sim_shm_forget(struct sim_process *process)
{
	struct own *own, *next;

	list_for_each_safe(own, next, &process->own, link) {
		list_del(&own->link);
		free(own);
	}
}

unsigned int sim_shm_count(const struct sim_process *process)
{
	const struct own *own;
	unsigned int n = 0;

	list_for_each(own, &process->own, link)
		n++;
	return n;
}
