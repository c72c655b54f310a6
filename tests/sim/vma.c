// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Areas of address space that programs get.
 *
 * Each area lies between two inaccessible pages, so that running off its end
 * faults.  A released area stays reserved and inaccessible for a while, so
 * that a stale pointer faults and never meets the next mapping.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "internal.h"

#define QUARANTINE 2048u

struct area {
	uint8_t *base;
	size_t len;
};

static struct area quarantine[QUARANTINE];
static unsigned int quarantine_next;

static size_t bytes(unsigned int pages)
{
	return (size_t)pages * SIM_PAGE_SIZE;
}

uint8_t *sim_vma_reserve(unsigned int pages)
{
	uint8_t *base;

	base = mmap(NULL, bytes(pages + 2), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
	if (base == MAP_FAILED)
		sim_die("no address space for a mapping of %u pages", pages);
	return base + SIM_PAGE_SIZE;
}

static void map_fixed(uint8_t *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (mmap(addr, len, prot, flags | MAP_FIXED, fd, offset) != addr)
		sim_die("cannot map %zu bytes: %s", len, strerror(errno));
}

/* Pages that follow each other in one domain's memory take one mmap(). */
void sim_vma_map(uint8_t *addr, const struct map_page *pages, unsigned int count, int prot)
{
	unsigned int i, run;

	for (i = 0; i < count; i += run) {
		run = 1;
		while (i + run < count && pages[i + run].dom == pages[i].dom &&
		       pages[i + run].pfn == pages[i].pfn + run)
			run++;
		map_fixed(addr + bytes(i), bytes(run), prot, MAP_SHARED, pages[i].dom->memfd,
			  (off_t)pages[i].pfn * SIM_PAGE_SIZE);
	}
}

void sim_vma_private(uint8_t *addr, unsigned int pages)
{
	uint8_t *copy = sim_alloc(pages, SIM_PAGE_SIZE);

	memcpy(copy, addr, bytes(pages));
	map_fixed(addr, bytes(pages), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(addr, copy, bytes(pages));
	free(copy);
}

void sim_vma_release(uint8_t *addr, unsigned int pages)
{
	struct area *slot = &quarantine[quarantine_next++ % QUARANTINE];

	map_fixed(addr, bytes(pages), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		  0);
	if (slot->base)
		munmap(slot->base, slot->len);
	slot->base = addr - SIM_PAGE_SIZE;
	slot->len = bytes(pages + 2);
}

void sim_vma_fini(void)
{
	unsigned int i;

	for (i = 0; i < QUARANTINE; i++)
		if (quarantine[i].base)
			munmap(quarantine[i].base, quarantine[i].len);
	memset(quarantine, 0, sizeof(quarantine));
	quarantine_next = 0;
}
