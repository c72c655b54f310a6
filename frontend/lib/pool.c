// SPDX-License-Identifier: LGPL-2.1-or-later
/* The functions for map mode; see transport.h for the model. */
#include <errno.h>
#include <xen/io/vmsgif.h>

#include "transport.h"

int xenmsg_pool_open(struct xenmsg_port *port, uint32_t addr, uint32_t number, size_t bytes,
		     struct xenmsg_pool **out, int timeout)
{
	/* The protocol ties a pool to a port that is bound. */
	if (!bytes || bytes > VMSGIF_POOL_PAGES_MAX * VMSGIF_PAGE_SIZE || !port->number)
		return -EINVAL;
	return port->x->ops->pool_open(port, addr, number, bytes, out, timeout);
}

void xenmsg_pool_close(struct xenmsg_pool *pool)
{
	if (pool)
		pool->x->ops->pool_close(pool);
}

int xenmsg_pool_get(struct xenmsg_pool *pool, size_t len, void **data, unsigned flags)
{
	return len ? pool->x->ops->pool_get(pool, len, data, flags) : -EINVAL;
}

void xenmsg_pool_put(struct xenmsg_pool *pool, void *data)
{
	pool->x->ops->pool_put(pool, data);
}

int xenmsg_pool_send(struct xenmsg_pool *pool, void *data, size_t len, unsigned flags,
		     uint64_t *seq)
{
	if (!len || len > XENMSG_MESSAGE_MAX)
		return len ? -EMSGSIZE : -EINVAL;
	return pool->x->ops->pool_send(pool, data, len, flags, seq);
}
