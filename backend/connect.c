// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From what the frontend wrote to a connection: rings mapped, channel bound,
 * address settled.
 *
 * The nodes are read without a transaction: each is checked for itself, and a
 * frontend that changes them meanwhile gets rings that are not what it thinks.
 */
#include "backend/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int connect_fetch(void *priv, const char *name, char text[NODE_VALUE_MAX])
{
	struct device *dev = priv;
	char path[DEVICE_PATH_MAX + 32];

	(void)snprintf(path, sizeof(path), "%s/%s", dev->frontend_path, name);
	return store_read(dev->b->store, path, text, NODE_VALUE_MAX);
}

void connect_undo(struct device *dev)
{
	pools_drop(dev);
	dev->bus->detach(dev);
	memset(&dev->c, 0, sizeof(dev->c));
}

static int map(struct device *dev, const char *which, uint32_t *refs, unsigned int nr,
	       bool writable, void **addr)
{
	int r = grants_map(dev->b->grants, dev->domid, refs, nr, writable, addr);

	if (r < 0)
		device_fail(dev, "%s cannot be mapped: %s", which, strerror(-r));
	return r;
}

/* Maps and binds. A negative errno: the device has failed, nothing is left. */
static int attach(struct device *dev, struct frontend_nodes *nodes)
{
	struct connection *c = &dev->c;
	int r;

	c->ring_pages = 1u << nodes->ring_order;
	r = map(dev, "TX ring", nodes->tx_ring_ref, c->ring_pages, true, &c->tx_map);
	if (r == 0)
		r = map(dev, "RX ring", nodes->rx_ring_ref, c->ring_pages, true, &c->rx_map);
	if (r == 0 && nodes->alive_ref != 0)
		r = map(dev, "page of alive-ref", &nodes->alive_ref, 1, false, &c->alive_map);
	if (r == 0) {
		r = chan_bind(&c->chan, dev->b->chans, dev->domid, nodes->evtchn, dev);
		if (r < 0)
			device_fail(dev, "event channel %u cannot be bound: %s", nodes->evtchn,
				    strerror(-r));
	}
	if (r < 0) {
		connect_undo(dev);
		return r;
	}
	ring_attach(&c->tx, c->tx_map, nodes->ring_order);
	ring_attach(&c->rx, c->rx_map, nodes->ring_order);
	return 0;
}

/*
 * Makes sure that dev->addr is the address of @instance. The address of
 * another instance that was awaited dies. 1, 0 (not now), or xenstore's error.
 */
static int settle_address(struct device *dev, uint64_t instance)
{
	uint64_t now = clock_now_ns();
	uint16_t generation;
	int r;

	if (dev->addr != 0 && dev->instance == instance)
		return 1;
	if (!token_bucket_take(&dev->generations, now, 1)) {
		otherend_later(dev, token_bucket_wait_ns(&dev->generations, now, 1));
		return 0;
	}
	otherend_end(dev);
	r = address_next(dev->b, &generation);
	if (r < 0)
		return r;
	dev->addr = VMSGIF_ADDR(generation, dev->domid);
	dev->instance = instance;
	return 1;
}

int connect_try(struct device *dev)
{
	struct frontend_nodes nodes;
	struct node_reject why;
	int r = nodes_read_connect(connect_fetch, dev, dev->epoch, dev->b->limits.max_ring_order,
				   &nodes, &why);

	/* Who removes a domain removes its nodes first (libxl): that is no violation. */
	if (r == -EPROTO && why.absent && store_exists(dev->b->store, dev->frontend_path) == 0)
		return -ENOENT;
	if (r == -EPROTO)
		device_fail(dev, "node %s %s", why.node, why.reason);
	if (r <= 0)
		return r;
	r = settle_address(dev, nodes.instance);
	if (r <= 0)
		return r;
	return attach(dev, &nodes) < 0 ? -EPROTO : 1;
}
