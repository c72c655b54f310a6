// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The device of a guest: pages by grants, events by an event channel. Its life
 * is in otherend.c.
 */
#include "backend/internal.h"

#include <errno.h>

static void xenbus_detach(struct device *dev)
{
	struct grants *grants = dev->b->grants;
	struct connection *c = &dev->c;

	chan_unbind(&c->chan);
	if (c->tx_map)
		grants_unmap(grants, c->tx_map, c->ring_pages);
	if (c->rx_map)
		grants_unmap(grants, c->rx_map, c->ring_pages);
	if (c->alive_map)
		grants_unmap(grants, c->alive_map, 1);
}

static int xenbus_map(struct device *dev, uint32_t *refs, unsigned int nr, bool writable,
		      void **addr)
{
	if (!grants_have_room(dev->b->grants, nr))
		return -ENOSPC;
	return grants_map(dev->b->grants, dev->domid, refs, nr, writable, addr);
}

static void xenbus_unmap(struct device *dev, void *addr, unsigned int nr)
{
	grants_unmap(dev->b->grants, addr, nr);
}

/* Whether the guest granted it shows when it is used. */
static bool xenbus_page(const struct device *dev, uint32_t ref, struct place *place)
{
	*place = (struct place){ .ref = ref, .granted = true };
	return true;
}

static void xenbus_unmask(struct device *dev, bool spurious)
{
	chan_unmask(&dev->c.chan, spurious);
}

static void xenbus_notify(struct device *dev)
{
	chan_notify(&dev->c.chan);
}

const struct bus xenbus = {
	.granted = true,
	.run = otherend_run,
	.detach = xenbus_detach,
	.map = xenbus_map,
	.unmap = xenbus_unmap,
	.page = xenbus_page,
	.unmask = xenbus_unmask,
	.notify = xenbus_notify,
};
