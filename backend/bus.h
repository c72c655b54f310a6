/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between the device of a guest and that of a process in this
 * domain: by what its pages are reached, by what events travel, and who says
 * that it comes and goes. Everything else is the same code.
 *
 *   xenbus       grants, event channels, xenstore (otherend, connect)
 *   local bus    a socket and shared memory (local)
 */
#ifndef XENMSG_BACKEND_BUS_H
#define XENMSG_BACKEND_BUS_H

#include <stdbool.h>
#include <stdint.h>

struct device;

/*
 * One page of a device. With an address, it is read and written there. If it
 * is granted, a copy whose other end has no address goes by the grants of both.
 */
struct place {
	uint8_t *addr; /* NULL: by its grant alone */
	uint32_t ref;
	bool granted;
};

struct bus {
	/* Pages have grants: the hypervisor can copy them without an address. */
	bool granted;

	/* From the loop, after device_schedule(): go on with its life, close it if it failed. */
	void (*run)(struct device *dev);
	/* Let go of rings and events. Its pools are gone already. */
	void (*detach)(struct device *dev);

	/*
	 * The pages of a pool, in a row. -ENOSPC: no room for so many more; another
	 * errno: some reference is bad. (@refs is only read.)
	 */
	int (*map)(struct device *dev, uint32_t *refs, unsigned int nr, bool writable, void **addr);
	void (*unmap)(struct device *dev, void *addr, unsigned int nr);
	/* The page @ref, which is in no pool. False: there is none. */
	bool (*page)(const struct device *dev, uint32_t ref, struct place *place);

	/* Events are wanted again. @spurious: the last one had no work behind it. */
	void (*unmask)(struct device *dev, bool spurious);
	/* Send one. */
	void (*notify)(struct device *dev);
};

extern const struct bus xenbus;

#endif
