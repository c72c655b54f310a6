// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pages of devices, whatever they are reached by. See struct place in bus.h.
 *
 * A page of a guest's pool has an address and a grant, any other page of a
 * guest a grant alone, a page of a process in this domain an address alone.
 * What is at an address can change at any time: it is read once.
 */
#include "backend/internal.h"

bool place_find(const struct device *dev, uint16_t type, bool pooled, uint32_t ref,
		struct place *place)
{
	const struct pool *pool = &dev->c.pools[type - 1];

	if (!pooled)
		return dev->bus->page(dev, ref, place);
	if (ref >= pool->nr_pages)
		return false;
	*place = (struct place){
		.addr = pool_page(pool, ref),
		.ref = pool->refs[ref],
		.granted = dev->bus->granted,
	};
	return true;
}

bool place_find_segment(const struct device *dev, bool pooled, const struct vmsgif_segment *seg,
			struct place *place)
{
	if (pooled ? !pool_holds(&dev->c.pools[VMSGIF_POOL_TX - 1], seg) :
		     (uint32_t)seg->offset + seg->len > VMSGIF_PAGE_SIZE)
		return false;
	return place_find(dev, VMSGIF_POOL_TX, pooled, seg->ref, place);
}

static struct grant_page grant_of(const struct device *dev, const struct place *place,
				  uint16_t offset)
{
	return (struct grant_page){ .ref = place->ref, .domid = dev->domid, .offset = offset };
}

void place_copy_from(struct grant_copy_op *op, const struct device *dev, const struct place *place,
		     uint16_t offset)
{
	if (place->granted)
		op->src = grant_of(dev, place, offset);
	else
		op->from = place->addr + offset;
}

void place_copy_to(struct grant_copy_op *op, const struct device *dev, const struct place *place,
		   uint16_t offset)
{
	if (place->granted)
		op->dst = grant_of(dev, place, offset);
	else
		op->to = place->addr + offset;
}

bool place_read(struct device *dev, const struct place *place, void *buf, uint16_t len)
{
	if (!place->addr)
		return grants_read(dev->b->grants, grant_of(dev, place, 0), buf, len) == 0;
	memcpy(buf, place->addr, len);
	return true;
}

bool place_write(struct device *dev, const struct place *place, const void *buf, uint16_t len)
{
	if (!place->addr)
		return grants_write(dev->b->grants, grant_of(dev, place, 0), buf, len) == 0;
	memcpy(place->addr, buf, len);
	return true;
}
