// SPDX-License-Identifier: GPL-2.0-only
/*
 * The TX area of a file: pages of the device's TX pool that the process writes
 * messages into, and that stay its own, whatever is sent from them. The engine
 * knows them as pages in the hands of its caller.
 *
 * The file's mappings hold the file, so the area outlives them. It is mapped as
 * page frames: what could keep hold of a page beyond its mapping - a pipe, direct
 * I/O - cannot have it, since it is another process's payload that will be there.
 */
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "front.h"

static int make(struct endpoint *ep, unsigned int nr)
{
	struct vmsg_front *front = ep->front;
	unsigned int i;
	int r;

	r = front_usable(front);
	if (!r)
		r = endpoint_ready(ep);
	if (!r && ep->area)
		r = -EINVAL;
	/* Whatever areas there are, the longest message can be sent. */
	if (!r && (front->area_pages + nr > share_of_pages(front) ||
		   !share_left(front, ep->user, SHARE_AREA_PAGES, nr)))
		r = -ENOBUFS;
	if (r)
		return r;
	ep->area = kvcalloc(nr, sizeof(*ep->area), GFP_KERNEL_ACCOUNT);
	ep->area_busy = bitmap_zalloc(nr, GFP_KERNEL_ACCOUNT);
	r = ep->area && ep->area_busy ? vmsg_tx_pages_get(front->v, ep->port, nr, ep->area) :
					-ENOMEM;
	if (r) {
		kvfree(ep->area);
		bitmap_free(ep->area_busy);
		ep->area = NULL;
		return r == -EAGAIN ? -ENOBUFS : r;
	}
	/* Others may have sent from them. */
	for (i = 0; i < nr; i++)
		clear_page(front->tx.va[ep->area[i]]);
	ep->area_pages = nr;
	front->area_pages += nr;
	share_take(front, ep->user, SHARE_AREA_PAGES, nr);
	return 0;
}

long area_make(struct endpoint *ep, struct xenmsg_uapi_area __user *arg)
{
	struct xenmsg_uapi_area a;
	int r;

	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (!a.nr_pages || a.reserved)
		return -EINVAL;
	if (a.nr_pages > READ_ONCE(front_area_max))
		return -ENOBUFS;
	front_lock(ep->front);
	r = make(ep, a.nr_pages);
	front_unlock(ep->front);
	return r;
}

void area_free(struct endpoint *ep)
{
	struct vmsg_front *front = ep->front;

	if (!ep->area)
		return;
	vmsg_tx_pages_put(front->v, ep->port, ep->area_pages, ep->area);
	front->area_pages -= ep->area_pages;
	share_put(front, ep->user, SHARE_AREA_PAGES, ep->area_pages);
	kvfree(ep->area);
	bitmap_free(ep->area_busy);
	ep->area = NULL;
	ep->area_pages = 0;
}

/* The pages of the area; they are its until the file is closed. */
static struct page **area_get(struct endpoint *ep, unsigned int *nr)
{
	struct vmsg_front *front = ep->front;
	struct page **pages = ERR_PTR(-EINVAL);
	unsigned int i;

	front_lock(front);
	*nr = ep->area_pages;
	if (*nr)
		pages = kvcalloc(*nr, sizeof(*pages), GFP_KERNEL) ?: ERR_PTR(-ENOMEM);
	for (i = 0; !IS_ERR(pages) && i < *nr; i++)
		pages[i] = front->tx.pages[ep->area[i]];
	mutex_unlock(&front->lock);
	return pages;
}

int area_mmap(struct endpoint *ep, struct vm_area_struct *vma)
{
	unsigned int i, nr;
	struct page **pages = area_get(ep, &nr);
	int r = 0;

	if (IS_ERR(pages))
		return PTR_ERR(pages);
	if (vma_pages(vma) > nr)
		r = -ENXIO;
	for (i = 0; !r && i < vma_pages(vma); i++)
		r = remap_pfn_range(vma, vma->vm_start + i * PAGE_SIZE, page_to_pfn(pages[i]),
				    PAGE_SIZE, vma->vm_page_prot);
	kvfree(pages);
	return r;
}

int area_segments(struct endpoint *ep, u64 offset, u32 len, struct vmsgif_segment *segs,
		  unsigned int *nr)
{
	u64 size = (u64)ep->area_pages * PAGE_SIZE;
	unsigned int page, first = offset / PAGE_SIZE;
	u32 at = offset % PAGE_SIZE, n;

	if (offset >= size || len > size - offset || len > VMSGIF_MESSAGE_MAX)
		return -EINVAL;
	first = array_index_nospec(first, ep->area_pages);
	for (page = first; len; page++, len -= n, at = 0) {
		n = min_t(u32, len, PAGE_SIZE - at);
		if (test_bit(page, ep->area_busy))
			return -EBUSY;
		segs[page - first] = (struct vmsgif_segment){
			.ref = ep->area[page],
			.offset = at,
			.len = n,
		};
	}
	*nr = page - first;
	return 0;
}
