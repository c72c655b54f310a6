// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a connection runs over, made once and kept through restarts of the
 * broker: two rings, the pages for sending and receiving, what the bus needs
 * besides (xenbus.c, local.c), and the engine.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"

/* What one process can need; together they take about 100 KiB. */
#define MAX_PORTS	  64
#define MAX_FLOWS	  1024
#define MAX_SUBSCRIPTIONS 64
#define COPY_OUT	  256

static int list_pages(const struct shared *shared, void ***out)
{
	void **list = calloc(shared->nr, sizeof(*list));
	unsigned int i;

	if (!list)
		return -ENOMEM;
	for (i = 0; i < shared->nr; i++)
		list[i] = (char *)shared->va + (size_t)i * VMSGIF_PAGE_SIZE;
	*out = list;
	return 0;
}

static int share_all(struct user *user)
{
	unsigned int ring = 1u << user->ring_order;
	int r;

	r = user->bus->share(user, ring, true, &user->tx_ring);
	if (!r)
		r = user->bus->share(user, ring, true, &user->rx_ring);
	if (!r)
		r = pool_new(user, user->params.tx_pages, false, &user->tx);
	if (!r)
		r = pool_new(user, user->params.rx_pages, true, &user->rx);
	if (!r)
		r = list_pages(&user->tx.pages, &user->tx_pages);
	if (!r)
		r = list_pages(&user->rx.pages, &user->rx_pages);
	return r;
}

static int engine_new(struct user *user)
{
	const struct vmsg_params params = {
		.ops = &user->params.ops,
		.priv = user,
		.ring_order = user->ring_order,
		.nr_tx_pages = user->params.tx_pages,
		.tx_pages = user->tx_pages,
		.tx_grefs = user->tx.pages.refs,
		.tx_directory = user_pool_directory(&user->tx),
		.nr_rx_pages = user->params.rx_pages,
		.rx_pages = user->rx_pages,
		.rx_grefs = user->rx.pages.refs,
		.rx_directory = user_pool_directory(&user->rx),
		.max_ports = MAX_PORTS,
		.max_flows = MAX_FLOWS,
		.max_pools = USER_MAP_SLOTS,
		.max_subscriptions = MAX_SUBSCRIPTIONS,
		.copy_out = COPY_OUT,
		.seq_start = 1,
	};
	size_t size = (vmsg_size(&params) + 63) & ~(size_t)63;
	void *memory = size ? aligned_alloc(64, size) : NULL;

	if (!memory)
		return size ? -ENOMEM : -EINVAL;
	memset(memory, 0, size);
	user->v = vmsg_init(memory, &params);
	if (!user->v) {
		free(memory);
		return -EINVAL;
	}
	return 0;
}

int channel_new(struct user *user, unsigned int max_order)
{
	int r;

	user->ring_order = user->params.ring_order < max_order ? user->params.ring_order :
								 max_order;
	r = user->bus->prepare(user);
	if (!r)
		r = share_all(user);
	return r ? r : engine_new(user);
}

void channel_free(struct user *user)
{
	free(user->v);
	user->v = NULL;
	free(user->tx_pages);
	free(user->rx_pages);
	pool_free(user, &user->rx);
	pool_free(user, &user->tx);
	user->bus->unshare(user, &user->rx_ring);
	user->bus->unshare(user, &user->tx_ring);
	user->bus->unprepare(user);
}
