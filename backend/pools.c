// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * TX and RX pools of a device: pages that are mapped once and then copied to
 * and from with no hypercall.
 *
 * The two tables are never searched across: pages of the TX pool are mapped
 * read-only. Each page's grant reference is kept, because a copy whose other
 * end is not mapped goes through the hypervisor on both ends: gntdev cannot
 * pin its own mappings (drivers/xen/gntdev.c:gntdev_get_page()).
 */
#include "backend/internal.h"

#include "common/cleanup.h"

#include <errno.h>
#include <stdlib.h>

/* The directory's copy, and room for its check. */
struct directory {
	uint32_t refs[VMSGIF_POOL_PAGES_MAX];
	uint32_t scratch[VMSGIF_POOL_PAGES_MAX];
};

static struct pool *pool_of(struct device *dev, uint16_t type)
{
	return type == VMSGIF_POOL_TX || type == VMSGIF_POOL_RX ? &dev->c.pools[type - 1] : NULL;
}

static int refused(struct device *dev, int status, const char *reason, uint32_t nr_pages)
{
	log_limited(dev->b->log, clock_now_ns(), dev->domid, reason, LOG_NOTICE,
		    "%s: pool of %u pages refused", device_label(dev), nr_pages);
	return status;
}

/* Fetches and checks the directory: 0 or a status. */
static int read_directory(struct device *dev, const struct vmsgif_pool *req,
			  struct directory *directory)
{
	struct reject why;
	struct place page;

	if (!dev->bus->page(dev, req->ref, &page) ||
	    !place_read(dev, &page, directory->refs, VMSGIF_PAGE_SIZE))
		return refused(dev, VMSGIF_EFAULT, "directory cannot be read", req->nr_pages);
	if (directory_check(directory->refs, req->nr_pages, directory->scratch, &why) != VERDICT_OK)
		return refused(dev, why.status, why.reason, req->nr_pages);
	return 0;
}

int device_pool_add(struct device *dev, const struct vmsgif_pool *pool)
{
	_cleanup_(freep) struct directory *directory = NULL;
	struct pool *own = pool_of(dev, pool->type);
	uint32_t *refs;
	int status, r;

	if (!device_live(dev) || !own)
		return VMSGIF_EINVAL;
	if (own->addr)
		return refused(dev, VMSGIF_EADDRINUSE, "there is a pool already", pool->nr_pages);
	if (pool->nr_pages > dev->b->limits.max_pool_pages)
		return refused(dev, VMSGIF_ENOBUFS, "pool above max-pool-pages", pool->nr_pages);
	directory = malloc(sizeof(*directory));
	if (!directory)
		return VMSGIF_ENOBUFS;
	status = read_directory(dev, pool, directory);
	if (status != 0)
		return status;
	refs = malloc(pool->nr_pages * sizeof(*refs));
	if (!refs)
		return VMSGIF_ENOBUFS;
	memcpy(refs, directory->refs, pool->nr_pages * sizeof(*refs));
	r = dev->bus->map(dev, refs, pool->nr_pages, pool->type == VMSGIF_POOL_RX, &own->addr);
	if (r < 0) {
		free(refs);
		if (r == -ENOSPC)
			return refused(dev, VMSGIF_ENOBUFS, "no room to map a pool",
				       pool->nr_pages);
		return refused(dev, VMSGIF_EFAULT, "page of a pool cannot be mapped",
			       pool->nr_pages);
	}
	own->refs = refs;
	own->nr_pages = pool->nr_pages;
	return 0;
}

static void drop(struct device *dev, struct pool *pool)
{
	if (!pool->addr)
		return;
	dev->bus->unmap(dev, pool->addr, pool->nr_pages);
	free(pool->refs);
	*pool = (struct pool){ 0 };
}

int device_pool_del(struct device *dev, uint16_t type)
{
	struct pool *pool = pool_of(dev, type);

	if (!device_live(dev) || !pool || !pool->addr)
		return VMSGIF_EINVAL;
	drop(dev, pool);
	return 0;
}

unsigned int device_pool_pages(const struct device *dev, uint16_t type)
{
	return type == VMSGIF_POOL_TX || type == VMSGIF_POOL_RX ? dev->c.pools[type - 1].nr_pages :
								  0;
}

void pools_drop(struct device *dev)
{
	drop(dev, &dev->c.pools[VMSGIF_POOL_TX - 1]);
	drop(dev, &dev->c.pools[VMSGIF_POOL_RX - 1]);
}
