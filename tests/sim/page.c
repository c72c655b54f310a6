// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The memory of a domain: a sparse memfd with one window on all of it, from
 * which mappings in programs are cut, and the state of each page.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

#define MEMORY_SIZE ((size_t)SIM_DOMAIN_PAGES * SIM_PAGE_SIZE)

void sim_mem_init(struct domain *dom)
{
	/* The window is no program's. */
	struct sim_process *previous = sim_enter(NULL);

	dom->memfd = memfd_create("sim-domain", MFD_CLOEXEC);
	if (dom->memfd < 0 || ftruncate(dom->memfd, (off_t)MEMORY_SIZE))
		sim_die("no memory for domain %u", dom->id);
	dom->mem = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
			dom->memfd, 0);
	if (dom->mem == MAP_FAILED)
		sim_die("no address space for domain %u", dom->id);
	sim_enter(previous);
	dom->pages = sim_alloc(SIM_DOMAIN_PAGES, sizeof(*dom->pages));
}

void sim_mem_fini(struct domain *dom)
{
	munmap(dom->mem, MEMORY_SIZE);
	close(dom->memfd);
	free(dom->pages);
}

/* First fit, so that freed pages are soon used again: stale uses show. */
int sim_mem_alloc(struct domain *dom, unsigned int count, uint32_t *pfn)
{
	uint32_t i, run = 0;

	/* Page 0 stays free: a forgotten page number is no page. */
	for (i = 1; i < SIM_DOMAIN_PAGES && run < count; i++)
		run = dom->pages[i].used ? 0 : run + 1;
	if (run < count)
		return -ENOMEM;

	*pfn = i - count;
	for (i = *pfn; i < *pfn + count; i++) {
		dom->pages[i].used = true;
		dom->pages[i].gone = false;
	}
	memset(sim_mem_bytes(dom, *pfn), 0, (size_t)count * SIM_PAGE_SIZE);
	return 0;
}

void sim_mem_release(struct domain *dom, uint32_t pfn)
{
	dom->pages[pfn].used = false;
}

uint8_t *sim_mem_bytes(struct domain *dom, uint32_t pfn)
{
	return dom->mem + (size_t)pfn * SIM_PAGE_SIZE;
}

/*
 * Whether the hypervisor can get at the frame.  A foreign mapping keeps it,
 * also in a dying domain; everything else of that one is freed at once.
 */
bool sim_mem_present(const struct domain *dom, uint32_t pfn)
{
	const struct page *page = &dom->pages[pfn];

	if (page->maps)
		return true;
	return page->used && !page->gone && dom->state != SIM_DOMAIN_DYING;
}

static void check_page(const struct domain *dom, uint32_t pfn)
{
	if (pfn >= SIM_DOMAIN_PAGES || !dom->pages[pfn].used)
		sim_die("domain %u has no page %u", dom->id, pfn);
}

uint32_t sim_page_alloc(domid_t domid, unsigned int count)
{
	uint32_t pfn;

	if (sim_mem_alloc(sim_dom_get(domid), count, &pfn))
		sim_die("domain %u has no %u free pages", domid, count);
	return pfn;
}

void sim_page_free(domid_t domid, uint32_t pfn, unsigned int count)
{
	struct domain *dom = sim_dom_get(domid);
	uint32_t i, gref;

	for (i = pfn; i < pfn + count; i++) {
		check_page(dom, i);
		for (gref = 0; gref < dom->nr_grants; gref++)
			if (dom->grants[gref].active && dom->grants[gref].pfn == i)
				sim_die("page %u of domain %u is granted (gref %u)", i, domid,
					gref);
		sim_mem_release(dom, i);
	}
}

void *sim_page(domid_t domid, uint32_t pfn)
{
	struct domain *dom = sim_dom_get(domid);

	check_page(dom, pfn);
	return sim_mem_bytes(dom, pfn);
}

void sim_page_gone(domid_t domid, uint32_t pfn)
{
	struct domain *dom = sim_dom_get(domid);

	check_page(dom, pfn);
	dom->pages[pfn].gone = true;
}

unsigned int sim_mapped_pages(domid_t domid)
{
	return sim_dom_get(domid)->mapped_pages;
}
