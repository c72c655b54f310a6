// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Map mode, the receiver's side: pools of others that the driver asks to be
 * mapped for a port. It knows each by a number of its own, "slot".
 *
 * The driver waits for the answer, and the owner with it; so it is given
 * whatever happens. A process that may not use gntdev says so, and the sender
 * goes on with copies.
 */
#include <stdlib.h>
#include <xen/io/vmsgif.h>

#include "kernel.h"

struct kforeign {
	struct list link; /* port->foreign */
	uint32_t slot;
	struct foreign map;
};

static struct kforeign *find(const struct kport *port, uint32_t slot)
{
	struct kforeign *f;

	list_for_each_entry(f, &port->foreign, link)
		if (f->slot == slot)
			return f;
	return NULL;
}

static void forget(struct kforeign *f)
{
	foreign_unmap(&f->map);
	list_del(&f->link);
	free(f);
}

/* Who grants what somebody at @addr shares: programs of domain 0 have addresses of their own. */
static uint32_t domid_of(uint32_t addr)
{
	return VMSGIF_ADDR_DOMID(addr) & VMSGIF_ADDR_LOCAL ? 0 : VMSGIF_ADDR_DOMID(addr);
}

static int map(struct kport *port, const struct xenmsg_uapi_event *event)
{
	struct kforeign *f;
	int r;

	if (port->closing)
		return -ECONNREFUSED;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	r = foreign_map(&f->map, &kport_kernel(port)->quiet, domid_of(event->addr), event->ref,
			event->nr_pages);
	if (r) {
		free(f);
		return r;
	}
	f->slot = event->slot;
	list_init(&f->link);
	list_add_tail(&port->foreign, &f->link);
	return 0;
}

void kforeign_map(struct kport *port, const struct xenmsg_uapi_event *event)
{
	struct xenmsg_uapi_pool_mapped m = { .slot = event->slot, .status = map(port, event) };
	int r;

	r = sys_ioctl(port->file.fd, XENMSG_IOC_POOL_MAPPED, &m);
	if (r < 0 && !m.status)
		forget(find(port, event->slot));
}

void kforeign_unmap(struct kport *port, uint32_t slot, bool held)
{
	struct xenmsg_uapi_pool_mapped m = { .slot = slot, .status = -ECONNREFUSED };
	struct kforeign *f = find(port, slot);

	if (held) {
		if (f)
			foreign_detach(&f->map);
		return;
	}
	if (f)
		forget(f);
	sys_ioctl(port->file.fd, XENMSG_IOC_POOL_MAPPED, &m);
}

void kforeign_free(struct kport *port, uint32_t slot)
{
	struct kforeign *f = find(port, slot);

	if (f)
		forget(f);
}

const char *kforeign_at(const struct kport *port, uint32_t slot, uint64_t offset, uint32_t len)
{
	const struct kforeign *f = find(port, slot);
	uint64_t bytes = f ? (uint64_t)f->map.nr_pages * VMSGIF_PAGE_SIZE : 0;

	return offset < bytes && len <= bytes - offset ? (char *)f->map.va + offset : NULL;
}

void kforeign_drop(struct kport *port)
{
	struct kforeign *f, *next;

	list_for_each_entry_safe(f, next, &port->foreign, link)
		forget(f);
}
