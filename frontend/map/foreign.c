// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * See foreign.h.
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
#include "foreign.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xen/io/vmsgif.h>

static size_t bytes(const struct foreign *f)
{
	return (size_t)f->nr_pages * VMSGIF_PAGE_SIZE;
}

/* Why gntdev could not be opened: the process is at a limit, or may not. */
static int not_opened(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM ? -ENOMEM : -EACCES;
}

/* Why it did not map. For a bad reference it says EINVAL, but not only for that. */
static int not_mapped(int error)
{
	return error == ENOMEM ? -ENOMEM : -EFAULT;
}

static int read_directory(xengnttab_handle *gnttab, uint32_t domid, uint32_t ref,
			  uint32_t refs[VMSGIF_POOL_PAGES_MAX])
{
	void *page = xengnttab_map_grant_ref(gnttab, domid, ref, PROT_READ);

	if (!page)
		return not_mapped(errno);
	memcpy(refs, page, VMSGIF_POOL_PAGES_MAX * sizeof(*refs));
	xengnttab_unmap(gnttab, page, 1);
	return 0;
}

int foreign_map(struct foreign *f, struct xentoollog_logger *logger, uint32_t domid, uint32_t ref,
		uint32_t nr_pages)
{
	uint32_t *refs;
	int r;

	if (!nr_pages || nr_pages > VMSGIF_POOL_PAGES_MAX)
		return -EFAULT;
	refs = malloc(VMSGIF_POOL_PAGES_MAX * sizeof(*refs));
	if (!refs)
		return -ENOMEM;
	*f = (struct foreign){ .nr_pages = nr_pages };
	f->gnttab = xengnttab_open(logger, 0);
	if (!f->gnttab) {
		r = not_opened(errno);
		free(refs);
		return r;
	}
	r = read_directory(f->gnttab, domid, ref, refs);
	if (!r) {
		f->va = xengnttab_map_domain_grant_refs(f->gnttab, f->nr_pages, domid, refs,
							PROT_READ);
		r = f->va ? 0 : not_mapped(errno);
	}
	/* Where gntdev allows it, a child's copy would hold the pages for as long as it lives. */
	if (!r)
		madvise(f->va, bytes(f), MADV_DONTFORK);
	free(refs);
	if (r) {
		xengnttab_close(f->gnttab);
		f->gnttab = NULL;
	}
	return r;
}

void foreign_unmap(struct foreign *f)
{
	if (f->gnttab) {
		xengnttab_unmap(f->gnttab, f->va, f->nr_pages);
		xengnttab_close(f->gnttab);
	} else if (f->va) {
		munmap(f->va, bytes(f));
	}
	*f = (struct foreign){ 0 };
}

void foreign_detach(struct foreign *f)
{
	void *copy;

	if (!f->gnttab)
		return;
	copy = mmap(NULL, bytes(f), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/*
	 * Without memory the foreign pages stay until the messages are released:
	 * a zombie domain for a while is better than a fault or lost messages.
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

static void say_nothing(struct xentoollog_logger *logger, xentoollog_level level, int err,
			const char *context, const char *format, va_list args)
{
}

static void no_progress(struct xentoollog_logger *logger, const char *context,
			const char *doing_what, int percent, unsigned long done,
			unsigned long total)
{
}

void quiet_logger(struct xentoollog_logger *logger)
{
	*logger = (struct xentoollog_logger){ .vmessage = say_nothing, .progress = no_progress };
}
