// SPDX-License-Identifier: GPL-2.0-only
/*
 * Map mode, the receiver's end: foreign pools.
 *
 * It is the process that maps them, through /dev/xen/gntdev. In a PV domain
 * nobody else could: the hypervisor itself writes the page tables' entries for
 * foreign pages, at addresses that gntdev arranges for. In a PVH domain this
 * driver could map them and pass the pages on, but one way that works
 * everywhere is better than two; and gntdev takes care of processes that die,
 * fork or unmap in pieces. So map mode is for processes that may open gntdev;
 * for others the sender is told so before the first message, and copies.
 *
 * The owner's grants are free when the process says that it has unmapped them,
 * and the engine waits for that as for its mapping them. A process that does not
 * say so keeps the owner's pages in use, as it may by holding messages, until
 * its port is unbound or its file closed.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "front.h"

#define FOREIGN_PER_FILE (FRONT_FOREIGN / 2)

/*
 * One mapping of a foreign pool. The engine knows it by a slot, the process by a
 * handle: of a detached one the slot may be used again before the process
 * fetches the end.
 */
struct foreign {
	struct list_head link; /* ep->foreign */
	struct endpoint *ep;
	unsigned int slot;
	u32 handle;
	u32 addr, ref, nr_pages;
	bool asked;   /* the engine waits for vmsg_pool_mapped() */
	bool leaving; /* it waits for vmsg_pool_unmapped() */
	bool map;     /* XENMSG_EV_POOL_MAP to be fetched */
	bool unmap;   /* XENMSG_EV_POOL_UNMAP to be fetched */
	bool detach;  /* with -EBUSY */
	bool free;    /* XENMSG_EV_POOL_FREE to be fetched, the end */
};

static void foreign_end(struct vmsg_front *front, struct foreign *f)
{
	if (front->foreign[f->slot] == f)
		front->foreign[f->slot] = NULL;
	xa_erase(&front->foreign_handles, f->handle);
	list_del(&f->link);
	f->ep->nr_foreign--;
	share_put(front, f->ep->user, SHARE_FOREIGN, 1);
	kfree(f);
}

static struct foreign *foreign_new(struct endpoint *ep, unsigned int slot)
{
	struct vmsg_front *front = ep->front;
	struct foreign *f;

	/* Who does not fetch its events, or is not there any more, gets no more of them. */
	if (ep->closed || (ep->state != EP_BOUND && ep->state != EP_BINDING) ||
	    ep->nr_foreign >= FOREIGN_PER_FILE)
		return NULL;
	f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	if (!f)
		return NULL;
	if (xa_alloc(&front->foreign_handles, &f->handle, f, XA_LIMIT(1, U16_MAX), GFP_KERNEL)) {
		kfree(f);
		return NULL;
	}
	if (!share_take(front, ep->user, SHARE_FOREIGN, 1)) {
		xa_erase(&front->foreign_handles, f->handle);
		kfree(f);
		return NULL;
	}
	f->ep = ep;
	f->slot = slot;
	front->foreign[slot] = f;
	list_add_tail(&f->link, &ep->foreign);
	ep->nr_foreign++;
	return f;
}

void foreign_map(struct vmsg *v, struct vmsg_port *port, unsigned int slot, u32 addr, u32 ref,
		 u32 nr_pages)
{
	struct endpoint *ep = vmsg_port_priv(port);
	struct foreign *f = NULL;

	if (nr_pages && nr_pages <= VMSGIF_POOL_PAGES_MAX)
		f = foreign_new(ep, slot);
	if (!f) {
		vmsg_pool_mapped(v, slot, -ENOMEM, NULL);
		return;
	}
	f->addr = addr;
	f->ref = ref;
	f->nr_pages = nr_pages;
	f->asked = true;
	f->map = true;
	ep_wake(ep);
}

void foreign_unmap(struct vmsg *v, unsigned int slot, bool detach)
{
	struct vmsg_front *front = vmsg_priv(v);
	struct foreign *f = front->foreign[slot];

	if (!f) {
		/* Whoever had it mapped has closed its port. */
		if (!detach)
			vmsg_pool_unmapped(v, slot);
		return;
	}
	f->unmap = true;
	f->detach = detach;
	f->leaving = !detach;
	ep_wake(f->ep);
}

void foreign_free(struct vmsg *v, unsigned int slot)
{
	struct vmsg_front *front = vmsg_priv(v);
	struct foreign *f = front->foreign[slot];

	if (!f)
		return;
	f->free = true;
	front->foreign[slot] = NULL;
	ep_wake(f->ep);
}

static struct foreign *foreign_of(struct endpoint *ep, u32 handle)
{
	struct foreign *f = xa_load(&ep->front->foreign_handles, handle);

	return f && f->ep == ep ? f : NULL;
}

/* A process that has no gntdev, or may not use it: the sender can go on with copies. */
static int mapped_status(int status)
{
	switch (status) {
	case -EPERM:
	case -ENOENT:
	case -ENODEV:
	case -ENXIO:
		return -EACCES;
	default:
		return status;
	}
}

/* The process has done what it was asked to do, or cannot. */
static int answered(struct vmsg_front *front, struct foreign *f, int status)
{
	unsigned int slot = f->slot;

	if (f->asked && !f->map) {
		f->asked = false;
		vmsg_pool_mapped(front->v, slot, mapped_status(status), FOREIGN_VA(f->handle));
		if (status)
			foreign_end(front, f);
		return 0;
	}
	if (!f->leaving || f->unmap || !status)
		return -EINVAL;
	foreign_end(front, f);
	vmsg_pool_unmapped(front->v, slot);
	return 0;
}

long pool_mapped(struct endpoint *ep, struct xenmsg_uapi_pool_mapped __user *arg)
{
	struct vmsg_front *front = ep->front;
	struct xenmsg_uapi_pool_mapped m;
	struct foreign *f;
	int r = -EINVAL;

	if (copy_from_user(&m, arg, sizeof(m)))
		return -EFAULT;
	if (m.status > 0)
		return -EINVAL;
	front_lock(front);
	f = foreign_of(ep, m.slot);
	if (f)
		r = answered(front, f, m.status);
	front_unlock(front);
	return r;
}

void foreign_drop(struct endpoint *ep)
{
	struct foreign *f, *next;

	list_for_each_entry_safe(f, next, &ep->foreign, link) {
		unsigned int slot = f->slot;
		bool asked = f->asked, leaving = f->leaving;

		foreign_end(ep->front, f);
		if (asked)
			vmsg_pool_mapped(ep->front->v, slot, -ECONNREFUSED, NULL);
		else if (leaving)
			vmsg_pool_unmapped(ep->front->v, slot);
	}
}

/* ------------------------------------------------------------------- events */

static bool pending(const struct foreign *f)
{
	return f->map || f->unmap || f->free;
}

bool foreign_pending(const struct endpoint *ep)
{
	const struct foreign *f;

	list_for_each_entry(f, &ep->foreign, link)
		if (pending(f))
			return true;
	return false;
}

/* In the order in which they come up for one pool. */
static void take(struct foreign *f, struct xenmsg_uapi_event *event)
{
	event->slot = f->handle;
	event->addr = f->addr;
	if (f->map) {
		f->map = false;
		event->type = XENMSG_EV_POOL_MAP;
		event->ref = f->ref;
		event->nr_pages = f->nr_pages;
	} else if (f->unmap) {
		f->unmap = false;
		event->type = XENMSG_EV_POOL_UNMAP;
		event->status = f->detach ? -EBUSY : 0;
	} else {
		event->type = XENMSG_EV_POOL_FREE;
		foreign_end(f->ep->front, f);
	}
}

bool foreign_take_event(struct endpoint *ep, struct xenmsg_uapi_event *event)
{
	struct foreign *f;

	list_for_each_entry(f, &ep->foreign, link) {
		if (!pending(f))
			continue;
		take(f, event);
		return true;
	}
	return false;
}
