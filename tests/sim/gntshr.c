// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libxengnttab, sharing half, over Linux's gntalloc (drivers/xen/gntalloc.c,
 * tools/libs/gnttab/linux.c).
 *
 * Pages are zeroed, name one domain for life, and live as long as their
 * mapping: closing the handle does not end the sharing.
 */
#include <xengnttab.h>

#include "internal.h"

#include <sys/mman.h>

xengntshr_handle *xengntshr_open(struct xentoollog_logger *logger, unsigned int open_flags)
{
	struct sim_process *process = sim_call_open(SIM_CALL_GNTSHR_OPEN);
	xengntshr_handle *xgs;

	(void)logger;
	(void)open_flags;
	if (!process)
		return NULL;
	xgs = sim_alloc(1, sizeof(*xgs));
	xgs->fd = sim_fd_new();
	sim_handle_init(&xgs->h, process, HANDLE_GNTSHR);
	if (!sim_call_end(process)) {
		sim_gnt_handle_free(xgs);
		return NULL;
	}
	return xgs;
}

int xengntshr_close(xengntshr_handle *xgs)
{
	if (xgs)
		sim_gnt_handle_free(xgs);
	return 0;
}

int xengntshr_fd(xengntshr_handle *xgs)
{
	return xgs->fd;
}

/* Grant one page for each entry of @share; undoes everything on failure. */
static int grant_pages(struct domain *dom, struct mapping *share, uint32_t pfn, domid_t to,
		       uint32_t *refs)
{
	unsigned int i;
	uint32_t gref;

	for (i = 0; i < share->count; i++) {
		gref = sim_gnt_access(dom, pfn + i, to, !share->writable);
		if (gref == SIM_NO_GREF)
			break;
		dom->grants[gref].shared = true;
		share->pages[i] = (struct map_page){ .dom = dom, .gref = gref, .pfn = pfn + i };
		refs[i] = gref;
	}
	if (i == share->count)
		return 0;

	for (gref = i; gref < share->count; gref++)
		sim_mem_release(dom, pfn + gref);
	while (i--)
		sim_gnt_try_end(dom, share->pages[i].gref);
	return -ENOSPC;
}

static struct mapping *do_share(xengntshr_handle *xgs, uint32_t domid, int count, uint32_t *refs,
				bool writable)
{
	struct domain *dom = xgs->h.process->dom;
	struct mapping *share;
	uint32_t pfn;
	int r = 0;

	if (count <= 0)
		r = -EINVAL;
	else if (dom->gntalloc_used + (unsigned int)count > sim_world->config.gntalloc_pages)
		r = -ENOSPC;
	else
		r = sim_mem_alloc(dom, (unsigned int)count, &pfn);
	if (r) {
		errno = -r;
		return NULL;
	}
	share = sim_mapping_new(xgs, (unsigned int)count, writable);
	r = grant_pages(dom, share, pfn, (domid_t)domid, refs);
	if (r) {
		share->mapper = NULL;
		sim_mapping_free(share);
		errno = -r;
		return NULL;
	}
	dom->gntalloc_used += (unsigned int)count;
	sim_vma_map(share->addr, share->pages, share->count, PROT_READ | PROT_WRITE);
	list_add_tail(&xgs->h.process->shares, &share->link);
	return share;
}

static void free_share(struct mapping *share)
{
	sim_share_give_back(share);
	sim_mapping_free(share);
}

void *xengntshr_share_pages(xengntshr_handle *xgs, uint32_t domid, int count, uint32_t *refs,
			    int writable)
{
	struct mapping *share;
	void *addr = NULL;

	if (!sim_call_begin(xgs->h.process, SIM_CALL_SHARE))
		return NULL;
	share = do_share(xgs, domid, count, refs, writable);
	if (share) {
		addr = share->addr;
		sim_store_mapped(xgs->h.process);
	}
	return sim_call_end(xgs->h.process) ? addr : NULL;
}

void *xengntshr_share_page_notify(xengntshr_handle *xgs, uint32_t domid, uint32_t *ref,
				  int writable, uint32_t notify_offset, evtchn_port_t notify_port)
{
	struct mapping *share;
	void *addr = NULL;

	if (!sim_call_begin(xgs->h.process, SIM_CALL_SHARE))
		return NULL;
	share = do_share(xgs, domid, 1, ref, writable);
	if (share && notify_port != UINT32_MAX &&
	    !sim_evtchn_get(xgs->h.process->dom, notify_port)) {
		free_share(share);
		share = NULL;
		errno = EINVAL;
	}
	if (share) {
		addr = share->addr;
		share->notify_byte = notify_offset < SIM_PAGE_SIZE;
		share->notify_offset = notify_offset;
		share->notify_event = notify_port != UINT32_MAX;
		share->notify_port = notify_port;
		sim_store_mapped(xgs->h.process);
	}
	return sim_call_end(xgs->h.process) ? addr : NULL;
}

/*
 * The real call is munmap(), which could take away part of an area; no program
 * should, so it is a failure here.
 */
static int do_unshare(xengntshr_handle *xgs, void *start, uint32_t count)
{
	struct mapping *share = sim_mapping_find(&xgs->h.process->shares, start, 1);

	if (!share || share->addr != start || share->count != count) {
		if (sim_handle_alive(&xgs->h))
			sim_die("unshare of %u pages at %p, which were not shared so", count,
				start);
		errno = EINVAL;
		return -1;
	}
	free_share(share);
	return 0;
}

int xengntshr_unshare(xengntshr_handle *xgs, void *start_address, uint32_t count)
{
	int r;

	if (!sim_call_begin(xgs->h.process, SIM_CALL_UNSHARE)) {
		r = errno;
		if (!sim_handle_alive(&xgs->h))
			do_unshare(xgs, start_address, count);
		errno = r;
		return -1;
	}
	r = do_unshare(xgs, start_address, count);
	return sim_call_end(xgs->h.process) ? r : -1;
}
