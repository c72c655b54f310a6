/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages of another domain, mapped into this process for map mode.
 *
 * Whoever drives the device - the userspace frontend, or the library over the
 * kernel's driver - is told of a pool by a grant reference to its directory,
 * and keeps one struct foreign per pool. All zeros is one that is not in use.
 */
#ifndef XENMSG_FOREIGN_H
#define XENMSG_FOREIGN_H

#include <stdint.h>
#include <xengnttab.h>
#include <xentoollog.h>

/*
 * It has a gntdev file of its own, because closing the file is how its mapping
 * is given back when the address range itself lives on; see foreign.c.
 */
struct foreign {
	xengnttab_handle *gnttab; /* NULL: detached, or not in use */
	void *va;		  /* NULL: not in use */
	unsigned int nr_pages;
};

/*
 * Map, read-only and in a row, @nr_pages pages (1 to VMSGIF_POOL_PAGES_MAX) of
 * domain @domid that are listed in the page that it granted as @ref. -EACCES:
 * the process may not open gntdev, or there is none; -ENOMEM, also for too many
 * open files; -EFAULT: some reference is bad.
 */
int foreign_map(struct foreign *f, struct xentoollog_logger *logger, uint32_t domid, uint32_t ref,
		uint32_t nr_pages);
/* Put private copies at the same place: nothing of the other domain is mapped afterwards. */
void foreign_detach(struct foreign *f);
/* Unmap it, detached or not; does nothing for one that is not in use. */
void foreign_unmap(struct foreign *f);

/*
 * A logger that says nothing. Xen's libraries tell failures on stderr. Peers
 * can cause some here (a pool that cannot be mapped), and callers get them all
 * as errors.
 */
void quiet_logger(struct xentoollog_logger *logger);

#endif /* XENMSG_FOREIGN_H */
