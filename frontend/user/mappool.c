// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Pools of other domains, mapped here for map mode.
 *
 * The directory is mapped, copied, and unmapped: what the owner writes there
 * afterwards means nothing. Then all its pages are mapped read-only in a row.
 * libxengnttab maps all or nothing, so one bad reference refuses the pool.
 *
 * Detaching. When the owner dies while messages in its pool are still held, the
 * foreign pages have to go (else the domain stays a zombie), and the reader must
 * not notice. So the pages are copied to anonymous memory, and mremap() moves
 * that over the old range in one step. xengnttab_unmap() will not do: it begins
 * with munmap(), and whatever thread maps something next (libxenstore has one)
 * may get the hole. On the other hand it alone offers IOCTL_GNTDEV_UNMAP_GRANT_REF.
 * What the kernel does (drivers/xen/gntdev.c):
 *
 *   PV    mremap() unmaps the old range; the MMU notifier, gntdev_invalidate(),
 *         undoes the grants of it there and then.
 *   PVH   gntdev_vma_close() only drops one of two references to the mapping;
 *         the other belongs to the file, and the grants go with the last one.
 *
 * Closing the file drops that other reference (gntdev_release()), which
 * libxengnttab can do: each pool is mapped through a file of its own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "device.h"

static size_t bytes(const struct foreign *f)
{
	return (size_t)f->nr_pages * VMSGIF_PAGE_SIZE;
}

static int read_directory(xengnttab_handle *gnttab, uint32_t domid, uint32_t ref,
			  uint32_t refs[VMSGIF_POOL_PAGES_MAX])
{
	void *page = xengnttab_map_grant_ref(gnttab, domid, ref, PROT_READ);

	if (!page)
		return -EFAULT;
	memcpy(refs, page, VMSGIF_POOL_PAGES_MAX * sizeof(*refs));
	xengnttab_unmap(gnttab, page, 1);
	return 0;
}

static int map_pool(struct user *user, struct foreign *f, uint32_t domid, uint32_t ref)
{
	uint32_t *refs = malloc(VMSGIF_POOL_PAGES_MAX * sizeof(*refs));
	int r;

	if (!refs)
		return -ENOBUFS;
	f->gnttab = xengnttab_open(&user->quiet, 0);
	if (!f->gnttab) {
		free(refs);
		return -ENOBUFS;
	}
	r = read_directory(f->gnttab, domid, ref, refs);
	if (!r) {
		f->va = xengnttab_map_domain_grant_refs(f->gnttab, f->nr_pages, domid, refs,
							PROT_READ);
		r = f->va ? 0 : -EFAULT;
	}
	free(refs);
	if (r) {
		xengnttab_close(f->gnttab);
		f->gnttab = NULL;
	}
	return r;
}

static void pool_map(struct vmsg *v, struct vmsg_port *port, unsigned int slot, uint32_t addr,
		     uint32_t ref, uint32_t nr_pages)
{
	struct user *user = vmsg_priv(v);
	struct foreign *f = &user->foreign[slot];
	int r = -ENOBUFS;

	if (nr_pages && nr_pages <= VMSGIF_POOL_PAGES_MAX && !f->va) {
		*f = (struct foreign){ .nr_pages = nr_pages };
		r = map_pool(user, f, VMSGIF_ADDR_DOMID(addr), ref);
	}
	vmsg_pool_mapped(v, slot, r, f->va);
}

static void unmap(struct foreign *f)
{
	if (f->gnttab) {
		xengnttab_unmap(f->gnttab, f->va, f->nr_pages);
		xengnttab_close(f->gnttab);
	} else if (f->va) {
		munmap(f->va, bytes(f));
	}
	*f = (struct foreign){ 0 };
}

static void detach(struct foreign *f)
{
	void *copy =
		mmap(NULL, bytes(f), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	/*
	 * Without memory the foreign pages stay until pool_free: a zombie domain
	 * for a while is better than a fault or lost messages.
	 */
	if (copy == MAP_FAILED)
		return;
	memcpy(copy, f->va, bytes(f));
	if (mprotect(copy, bytes(f), PROT_READ) ||
	    mremap(copy, bytes(f), bytes(f), MREMAP_MAYMOVE | MREMAP_FIXED, f->va) != f->va) {
		munmap(copy, bytes(f));
		return;
	}
	xengnttab_close(f->gnttab);
	f->gnttab = NULL;
}

static void pool_unmap(struct vmsg *v, unsigned int slot, bool keep)
{
	struct user *user = vmsg_priv(v);

	if (keep)
		detach(&user->foreign[slot]);
	else
		unmap(&user->foreign[slot]);
}

static void pool_release(struct vmsg *v, unsigned int slot)
{
	struct user *user = vmsg_priv(v);

	unmap(&user->foreign[slot]);
}

void mappool_ops(struct vmsg_ops *ops)
{
	ops->pool_map = pool_map;
	ops->pool_unmap = pool_unmap;
	ops->pool_free = pool_release;
}

void mappool_free_all(struct user *user)
{
	unsigned int i;

	for (i = 0; i < USER_MAP_SLOTS; i++)
		unmap(&user->foreign[i]);
}
