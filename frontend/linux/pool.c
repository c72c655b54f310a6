// SPDX-License-Identifier: GPL-2.0-only
/*
 * Map mode, the sender's end: own pools, pages that are granted to the
 * receiver's domain and mapped by the process that writes messages into them.
 * Pages that the receiver still has when the pool goes are freed when it lets
 * go of them. See foreign.c for the other end.
 */
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "front.h"

#define POOLS_PER_FILE 8

struct own_pool {
	struct endpoint *ep;
	struct granted pages, directory;
	u32 addr;
	u32 port;
	domid_t domid; /* that it is granted to */
	unsigned int id;
	unsigned int nr_sent;
	unsigned int charged; /* pages, also for the directory */
	bool making;	      /* it has no pages yet */
	bool added;	      /* the engine knows it */
	bool asked;	      /* POOL_DEL is under way */
	bool closing;	      /* nobody waits for that: it goes on its own */
	bool gone;	      /* the receiver let go of it */
	bool tell;	      /* the process is to be told so */
	bool await;	      /* it is to be told the answer to POOL_ADD */
	struct call call;
};

struct own_pool *pool_of(const struct endpoint *ep, unsigned int id)
{
	struct own_pool *pool;

	if (id >= VMSGIF_MAP_POOLS_MAX)
		return NULL;
	pool = ep->front->own[array_index_nospec(id, VMSGIF_MAP_POOLS_MAX)];
	return pool && pool->ep == ep && !pool->closing && !pool->making ? pool : NULL;
}

void pool_sent(struct own_pool *pool)
{
	pool->nr_sent++;
}

void pool_answered(struct own_pool *pool)
{
	pool->nr_sent--;
}

void pool_gone(struct vmsg_front *front, unsigned int id)
{
	struct own_pool *pool = front->own[id];

	if (!pool)
		return;
	pool->gone = true;
	pool->tell = true;
	ep_wake(pool->ep);
}

/* ---------------------------------------------------------------- own pools */

/* With its pages, of which those that are busy go later. */
static void pool_free(struct own_pool *pool)
{
	struct endpoint *ep = pool->ep;
	struct vmsg_front *front = ep->front;

	call_end(&pool->call);
	front->own[pool->id] = NULL;
	ep->nr_pools--;
	if (pool->closing)
		front->nr_closing--;
	granted_free(front, &pool->directory);
	granted_free(front, &pool->pages);
	front->pool_pages -= pool->charged;
	share_put(front, ep->user, SHARE_POOLS, 1);
	share_put(front, ep->user, SHARE_POOL_PAGES, pool->charged);
	share_put(front, ep->user, SHARE_MEMORY, pool->charged);
	kfree(pool);
}

/* Whoever serves the device makes the next step. */
static void pool_close(struct own_pool *pool)
{
	pool->closing = true;
	pool->ep->front->nr_closing++;
}

static int find_id(const struct vmsg_front *front)
{
	unsigned int id;

	for (id = 0; id < VMSGIF_MAP_POOLS_MAX; id++)
		if (!front->own[id])
			return id;
	return -ENOBUFS;
}

/* Whether @ep may have one more with @pages pages; then it is charged for it. */
static bool charge(struct endpoint *ep, unsigned int pages)
{
	struct vmsg_front *front = ep->front;
	struct front_user *user = ep->user;

	if (ep->nr_pools >= POOLS_PER_FILE || front->pool_pages + pages > front_pool_pages ||
	    !share_left(front, user, SHARE_POOLS, 1) ||
	    !share_left(front, user, SHARE_POOL_PAGES, pages) ||
	    !share_left(front, user, SHARE_MEMORY, pages))
		return false;
	front->pool_pages += pages;
	share_take(front, user, SHARE_POOLS, 1);
	share_take(front, user, SHARE_POOL_PAGES, pages);
	share_take(front, user, SHARE_MEMORY, pages);
	return true;
}

/* With the lock. Its place and what it is charged for; there are no pages yet. */
static int pool_new(struct endpoint *ep, const struct xenmsg_uapi_pool_add *a,
		    struct own_pool **out)
{
	struct vmsg_front *front = ep->front;
	struct own_pool *pool;
	int id, r;

	r = front_usable(front);
	if (!r && ep->state != EP_BOUND)
		r = -EINVAL;
	if (r)
		return r;
	id = find_id(front);
	if (id < 0)
		return id;
	pool = kzalloc(sizeof(*pool), GFP_KERNEL_ACCOUNT);
	if (!pool)
		return -ENOMEM;
	if (!charge(ep, a->nr_pages + 1)) {
		kfree(pool);
		return -ENOBUFS;
	}
	pool->charged = a->nr_pages + 1;
	pool->making = true;
	pool->ep = ep;
	pool->id = id;
	pool->addr = a->addr;
	pool->port = a->port;
	/* Programs of the broker's domain are that domain to Xen. */
	pool->domid = VMSGIF_ADDR_DOMID(a->addr) & VMSGIF_ADDR_LOCAL ? front->dev->otherend_id :
								       VMSGIF_ADDR_DOMID(a->addr);
	front->own[id] = pool;
	ep->nr_pools++;
	*out = pool;
	return 0;
}

/* Without the lock, as that takes a while. */
static int pool_fill(struct own_pool *pool, unsigned int nr_pages)
{
	if (granted_alloc(&pool->pages, nr_pages, true, false) ||
	    granted_alloc(&pool->directory, 1, true, false) ||
	    granted_grant(&pool->pages, pool->domid) ||
	    granted_grant(&pool->directory, pool->domid))
		return -ENOMEM;
	memcpy(pool->directory.va[0], pool->pages.refs, nr_pages * sizeof(*pool->pages.refs));
	return 0;
}

static int start_add(struct endpoint *ep, void *arg, u64 cookie)
{
	const struct own_pool *pool = arg;

	return vmsg_pool_add(ep->front->v, ep->port, pool->id, pool->addr, pool->port,
			     pool->directory.refs[0], pool->pages.nr, cookie);
}

static int add_and_wait(struct endpoint *ep, struct own_pool *pool, long *left)
{
	int r = call_run(ep, &pool->call, start_add, pool, left, true);

	pool->added = !r || pool->call.cookie;
	if (r && pool->added)
		pool_close(pool); /* after a wait in vain */
	return r;
}

static int add(struct endpoint *ep, struct own_pool *pool, long *left)
{
	int r = call_start(ep, &pool->call, start_add, pool, left);

	pool->added = pool->await = !r;
	return r;
}

/* With the lock, which is released meanwhile. */
static int make_pool(struct endpoint *ep, const struct xenmsg_uapi_pool_add *a,
		     struct own_pool **out)
{
	struct vmsg_front *front = ep->front;
	long left = front_jiffies(a->timeout);
	struct own_pool *pool;
	int r = pool_new(ep, a, &pool);

	if (r)
		return r;
	mutex_unlock(&front->lock);
	r = pool_fill(pool, a->nr_pages);
	front_lock(front);
	pool->making = false;
	/* Another thread may have unbound the port. */
	if (!r && ep->state != EP_BOUND)
		r = -EINVAL;
	if (!r)
		r = a->flags & XENMSG_POOL_NOWAIT ? add(ep, pool, &left) :
						    add_and_wait(ep, pool, &left);
	if (r && !pool->added)
		pool_free(pool);
	*out = pool;
	return r;
}

long pool_add(struct endpoint *ep, struct xenmsg_uapi_pool_add __user *arg)
{
	struct xenmsg_uapi_pool_add a;
	struct own_pool *pool;
	int r;

	if (copy_from_user(&a, arg, sizeof(a)))
		return -EFAULT;
	if (!a.nr_pages || a.nr_pages > VMSGIF_POOL_PAGES_MAX || !a.addr || !a.port ||
	    a.flags & ~XENMSG_POOL_NOWAIT)
		return -EINVAL;
	if (!(VMSGIF_ADDR_DOMID(a.addr) & VMSGIF_ADDR_LOCAL) &&
	    VMSGIF_ADDR_DOMID(a.addr) >= DOMID_FIRST_RESERVED)
		return -EACCES;
	front_lock(ep->front);
	r = make_pool(ep, &a, &pool);
	if (!r) {
		a.id = pool->id;
		a.offset = XENMSG_MMAP_POOL(a.id);
	}
	front_unlock(ep->front);
	if (r)
		return r;
	return copy_to_user(arg, &a, sizeof(a)) ? -EFAULT : 0;
}

static int start_del(struct endpoint *ep, void *arg, u64 cookie)
{
	const struct own_pool *pool = arg;

	return vmsg_pool_del(ep->front->v, pool->id, cookie);
}

long pool_del(struct endpoint *ep, struct xenmsg_uapi_pool_del __user *arg)
{
	struct xenmsg_uapi_pool_del d;
	struct own_pool *pool;
	long left;
	int r = 0;

	if (copy_from_user(&d, arg, sizeof(d)))
		return -EFAULT;
	left = front_jiffies(d.timeout);
	front_lock(ep->front);
	pool = pool_of(ep, d.id);
	if (pool && pool->await) {
		/* Not added yet: it goes when that is answered. */
		pool_close(pool);
		front_service(ep->front, true);
		r = -ETIMEDOUT;
	} else if (!pool || pool->call.cookie) {
		r = -EINVAL;
	} else if (pool->nr_sent) {
		r = -EBUSY;
	}
	if (!r) {
		pool->asked = true;
		r = call_run(ep, &pool->call, start_del, pool, &left, true);
		/* Still under way, or the engine knows it no more. */
		if (pool->call.cookie)
			pool_close(pool);
		else
			pool_free(pool);
	}
	front_unlock(ep->front);
	return r;
}

/* True: it is gone. */
static bool close_step(struct own_pool *pool)
{
	struct vmsg_front *front = pool->ep->front;
	struct call *call = &pool->call;
	int r;

	if (pool->nr_sent) {
		vmsg_drained(front->v, pool->ep->port);
		return false;
	}
	if (call->cookie && !call->done)
		return false;
	if (call->cookie) {
		call_end(call);
		/* An answered POOL_DEL, or a POOL_ADD that failed. */
		if (pool->asked || call->answer.status)
			pool->added = false;
	}
	if (pool->added) {
		call_begin(front, call, pool->ep);
		r = vmsg_pool_del(front->v, pool->id, call->cookie);
		pool->asked = !r;
		if (!r)
			return call->done && close_step(pool);
		call_end(call);
		if (r == -EAGAIN || r == -EBUSY)
			return false;
	}
	pool_free(pool);
	return true;
}

bool pools_close_step(struct endpoint *ep)
{
	struct own_pool *pool;
	unsigned int id;

	for (id = 0; id < VMSGIF_MAP_POOLS_MAX && ep->nr_pools; id++) {
		pool = ep->front->own[id];
		if (pool && pool->ep == ep && (ep->closed || pool->closing))
			close_step(pool);
	}
	return !ep->nr_pools;
}

int pool_mmap(struct endpoint *ep, unsigned int id, struct vm_area_struct *vma)
{
	struct own_pool *pool;
	int r = -EINVAL;

	/* Nothing here waits for a process, and the pages must not go meanwhile. */
	front_lock(ep->front);
	pool = pool_of(ep, id);
	if (pool)
		r = vm_map_pages_zero(vma, pool->pages.pages, pool->pages.nr);
	mutex_unlock(&ep->front->lock);
	return r;
}

/* ------------------------------------------------------------------- events */

static bool is_answered(const struct own_pool *pool)
{
	return pool->await && pool->call.done;
}

bool pools_pending(const struct endpoint *ep)
{
	const struct own_pool *pool;
	unsigned int i;

	for (i = 0; i < VMSGIF_MAP_POOLS_MAX && ep->nr_pools; i++) {
		pool = pool_of(ep, i);
		if (pool && (pool->tell || is_answered(pool)))
			return true;
	}
	return false;
}

static bool take_own(struct own_pool *pool, struct xenmsg_uapi_event *event)
{
	if (!pool || (!pool->tell && !is_answered(pool)))
		return false;
	event->slot = pool->id;
	event->addr = pool->addr;
	if (is_answered(pool)) {
		pool->await = false;
		call_end(&pool->call);
		event->type = XENMSG_EV_POOL_ADDED;
		event->status = pool->call.answer.status;
		if (event->status)
			pool_free(pool);
	} else {
		pool->tell = false;
		event->type = XENMSG_EV_POOL_GONE;
	}
	return true;
}

bool pools_take_event(struct endpoint *ep, struct xenmsg_uapi_event *event)
{
	unsigned int i;

	for (i = 0; i < VMSGIF_MAP_POOLS_MAX && ep->nr_pools; i++)
		if (take_own(pool_of(ep, i), event))
			return true;
	return false;
}
