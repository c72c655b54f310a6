// SPDX-License-Identifier: GPL-2.0-only
/*
 * Endpoints: the ports of open files.
 *
 * Closing one takes several steps, each of which may have to wait for the
 * broker: a BIND under way is answered, pools are deleted, the UNBIND is
 * posted and answered, and the endpoint's own messages are. Nobody waits for
 * all that; the endpoint outlives its file until it is over, and whoever serves
 * the device makes the next step.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "front.h"

#define BUFFER_DEFAULT ((2u << 20) + 128)
#define BUFFER_MAX     (1u << 30) /* that the engine takes */

/* The calling process's share is charged. */
static int enter(struct vmsg_front *front, struct endpoint *ep)
{
	struct front_user *user = user_get(front);

	if (!user)
		return -ENOMEM;
	if (!share_take(front, user, SHARE_FILES, 1)) {
		user_put(user);
		return -EUSERS;
	}
	ep->user = user;
	list_add_tail(&ep->link, &front->endpoints);
	front->nr_endpoints++;
	return 0;
}

struct endpoint *endpoint_open(struct vmsg_front *front)
{
	struct endpoint *ep = kzalloc(sizeof(*ep), GFP_KERNEL_ACCOUNT);
	int r;

	if (!ep)
		return ERR_PTR(-ENOMEM);
	ep->front = front;
	init_waitqueue_head(&ep->wq);
	INIT_LIST_HEAD(&ep->members);
	INIT_LIST_HEAD(&ep->foreign);
	mutex_init(&ep->send_lock);
	mutex_init(&ep->recv_lock);
	xa_init_flags(&ep->held, XA_FLAGS_ALLOC1);
	ep->events = kvcalloc(EP_EVENTS, sizeof(*ep->events), GFP_KERNEL_ACCOUNT);
	r = -ENOMEM;
	if (ep->events) {
		front_lock(front);
		r = enter(front, ep);
		mutex_unlock(&front->lock);
	}
	if (!r)
		return ep;
	kvfree(ep->events);
	kfree(ep);
	return ERR_PTR(r);
}

static void set_unbound(struct endpoint *ep)
{
	ep->state = EP_UNBOUND;
	share_put(ep->front, ep->user, SHARE_PORTS, 1);
}

static void put_memory(struct endpoint *ep)
{
	vfree(ep->memory);
	share_put(ep->front, ep->user, SHARE_MEMORY, PFN_UP(ep->memory_size));
	ep->memory = NULL;
	ep->memory_size = 0;
}

static void endpoint_free(struct endpoint *ep)
{
	struct vmsg_front *front = ep->front;

	call_end(&ep->call);
	list_del(&ep->link);
	front->nr_endpoints--;
	recv_free(ep);
	send_free(ep);
	put_memory(ep);
	share_put(front, ep->user, SHARE_FILES, 1);
	user_put(ep->user);
	kvfree(ep->port);
	kvfree(ep->events);
	kfree(ep);
}

int endpoint_ready(struct endpoint *ep)
{
	struct vmsg_front *front = ep->front;

	if (!front->v)
		return -ENODEV;
	if (ep->port)
		return 0;
	ep->port = kvzalloc(vmsg_port_size(), GFP_KERNEL_ACCOUNT);
	if (!ep->port)
		return -ENOMEM;
	vmsg_port_init(front->v, ep->port, NULL, 0, ep);
	return 0;
}

/* -------------------------------------------------------------------- bind */

struct bind_arg {
	u32 port;
	const u8 *name;
	u32 name_len;
};

static int start_bind(struct endpoint *ep, void *arg, u64 cookie)
{
	const struct bind_arg *a = arg;

	return vmsg_bind(ep->front->v, ep->port, a->port, (const char *)a->name, a->name_len,
			 cookie);
}

/* The engine's endpoint with this memory takes the place of the one that there was. */
static void set_memory(struct endpoint *ep, void *memory, u32 size)
{
	struct vmsg *v = ep->front->v;

	vmsg_port_fini(v, ep->port);
	if (ep->memory != memory)
		put_memory(ep);
	ep->memory = memory;
	ep->memory_size = size;
	vmsg_port_init(v, ep->port, memory, size, ep);
	/* Who waits for room is not known to the engine any more. */
	send_try_again(ep);
}

/* With the lock, which is released meanwhile. */
static int give_memory(struct endpoint *ep, u32 size)
{
	struct vmsg_front *front = ep->front;
	void *memory;

	if (ep->nr_sent || ep->nr_pools)
		return -EBUSY;
	if (ep->memory_size == size) {
		set_memory(ep, ep->memory, size);
		return 0;
	}
	set_memory(ep, NULL, 0);
	if (!share_take(front, ep->user, SHARE_MEMORY, PFN_UP(size)))
		return -ENOBUFS;
	mutex_unlock(&front->lock);
	memory = __vmalloc(size, GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
	front_lock(front);
	if (memory && !ep->nr_sent) {
		set_memory(ep, memory, size);
		return 0;
	}
	vfree(memory);
	share_put(front, ep->user, SHARE_MEMORY, PFN_UP(size));
	return memory ? -EBUSY : -ENOMEM;
}

static int start_unbind(struct endpoint *ep, void *arg, u64 cookie)
{
	return vmsg_unbind(ep->front->v, ep->port, cookie);
}

/* Whether the BIND under way is for the same port: a signal ended the wait for it. */
static bool binding(const struct endpoint *ep, const struct bind_arg *a)
{
	return ep->state == EP_BINDING && ep->call.cookie && vmsg_port_number(ep->port) == a->port;
}

/* Begins it; what a signal ended the wait for is gone on with. */
static int bind(struct endpoint *ep, struct bind_arg *a, u32 size, long *left)
{
	int r = endpoint_ready(ep);

	if (!r && binding(ep, a))
		return call_resume(ep, &ep->call, left);
	if (!r && ep->state != EP_UNBOUND)
		r = -EINVAL;
	if (!r && !share_take(ep->front, ep->user, SHARE_PORTS, 1))
		r = -ENOSPC;
	if (r)
		return r;
	ep->state = EP_BINDING;
	ep->port_lost = 0;
	r = give_memory(ep, size);
	return r ? r : call_run(ep, &ep->call, start_bind, a, left, true);
}

/* A thread that binds or unbinds may hold it for long. */
static int lock_port(struct endpoint *ep, long left)
{
	return mutex_lock_interruptible(&ep->recv_lock) ? front_interrupted(left) : 0;
}

static int bind_port(struct endpoint *ep, struct bind_arg *a, u32 size, s32 timeout)
{
	long left = front_jiffies(timeout);
	int r = lock_port(ep, left);

	if (r)
		return r;
	front_lock(ep->front);
	r = bind(ep, a, size, &left);
	/* After a wait in vain the BIND is still under way. */
	if (!r)
		ep->state = EP_BOUND;
	else if (ep->state == EP_BINDING && !ep->call.cookie)
		set_unbound(ep);
	front_unlock(ep->front);
	mutex_unlock(&ep->recv_lock);
	return r;
}

long endpoint_bind(struct endpoint *ep, struct xenmsg_uapi_bind __user *arg)
{
	struct xenmsg_uapi_bind b;
	struct bind_arg a;
	u64 size;

	if (copy_from_user(&b, arg, sizeof(b)))
		return -EFAULT;
	if (b.reserved || !b.port || b.name_len > VMSGIF_NAME_MAX)
		return -EINVAL;
	size = b.buffer ? b.buffer : BUFFER_DEFAULT;
	if (size > min(READ_ONCE(front_buffer_max), BUFFER_MAX))
		return -ENOBUFS;
	a = (struct bind_arg){ .port = b.port, .name = b.name, .name_len = b.name_len };
	return bind_port(ep, &a, ALIGN((u32)size, 64), b.timeout);
}

static int unbind(struct endpoint *ep, long *left)
{
	if (ep->state == EP_UNBINDING && ep->call.cookie)
		return call_resume(ep, &ep->call, left);
	if (ep->state != EP_BOUND)
		return -EINVAL;
	recv_drop(ep);
	foreign_drop(ep);
	ep->state = EP_UNBINDING;
	ep_wake(ep); /* who sleeps for a message */
	return call_run(ep, &ep->call, start_unbind, NULL, left, true);
}

long endpoint_unbind(struct endpoint *ep, struct xenmsg_uapi_unbind __user *arg)
{
	struct xenmsg_uapi_unbind u;
	long left;
	int r;

	if (copy_from_user(&u, arg, sizeof(u)))
		return -EFAULT;
	if (u.reserved)
		return -EINVAL;
	left = front_jiffies(u.timeout);
	r = lock_port(ep, left);
	if (r)
		return r;
	front_lock(ep->front);
	r = unbind(ep, &left);
	if (ep->state == EP_UNBINDING && !ep->call.cookie)
		set_unbound(ep);
	front_unlock(ep->front);
	mutex_unlock(&ep->recv_lock);
	return r;
}

/* ------------------------------------------------------------------- close */

static void close_unbind(struct endpoint *ep)
{
	struct call *call = &ep->call;
	int r;

	if (call->cookie) {
		if (!call->done)
			return;
		call_end(call);
		/* A BIND that came through is to be undone. */
		if (ep->state == EP_BINDING && !call->answer.status)
			ep->state = EP_BOUND;
		else
			set_unbound(ep);
	}
	if (ep->state != EP_BOUND)
		return;
	call_begin(ep->front, call, ep);
	r = vmsg_unbind(ep->front->v, ep->port, call->cookie);
	if (!r) {
		ep->state = EP_UNBINDING;
		return;
	}
	call_end(call);
	/* -EAGAIN: next time. Anything else says that it is not bound. */
	if (r != -EAGAIN)
		set_unbound(ep);
}

/* True: it is gone. */
static bool close_step(struct endpoint *ep)
{
	struct vmsg_front *front = ep->front;

	if (ep->port) {
		/* Who maps a pool may take its time; the port's number is free before that. */
		bool pools_gone = pools_close_step(ep);

		while (ep->state != EP_UNBOUND) {
			enum endpoint_state before = ep->state;

			close_unbind(ep);
			/* The answer may have come from within. */
			if (ep->state == before && !(ep->call.cookie && ep->call.done))
				return false;
		}
		if (ep->nr_sent)
			vmsg_drained(front->v, ep->port); /* have its answers wake us */
		if (ep->nr_sent || !pools_gone)
			return false;
		area_free(ep);
		vmsg_port_fini(front->v, ep->port);
	}
	front->nr_closing--;
	endpoint_free(ep);
	return true;
}

void endpoints_step(struct vmsg_front *front)
{
	struct endpoint *ep, *next;

	list_for_each_entry_safe(ep, next, &front->endpoints, link) {
		if (ep->closed)
			close_step(ep);
		else if (ep->nr_pools)
			pools_close_step(ep);
	}
}

void endpoint_close(struct endpoint *ep)
{
	struct vmsg_front *front = ep->front;

	front_lock(front);
	recv_drop(ep);
	foreign_drop(ep);
	names_drop(ep);
	ep->closed = true;
	front->nr_closing++;
	front_service(front, true);
	front_unlock(front);
}
