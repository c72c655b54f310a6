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

struct endpoint *endpoint_open(struct vmsg_front *front)
{
	struct endpoint *ep = kzalloc(sizeof(*ep), GFP_KERNEL_ACCOUNT);

	if (!ep)
		return NULL;
	ep->events = kvcalloc(EP_EVENTS, sizeof(*ep->events), GFP_KERNEL_ACCOUNT);
	if (!ep->events) {
		kfree(ep);
		return NULL;
	}
	ep->front = front;
	init_waitqueue_head(&ep->wq);
	INIT_LIST_HEAD(&ep->members);
	INIT_LIST_HEAD(&ep->foreign);
	mutex_init(&ep->send_lock);
	mutex_init(&ep->recv_lock);
	xa_init_flags(&ep->held, XA_FLAGS_ALLOC1);
	front_lock(front);
	list_add_tail(&ep->link, &front->endpoints);
	front->nr_endpoints++;
	mutex_unlock(&front->lock);
	return ep;
}

static void endpoint_free(struct endpoint *ep)
{
	struct vmsg_front *front = ep->front;

	call_end(&ep->call);
	list_del(&ep->link);
	front->nr_endpoints--;
	recv_free(ep);
	send_free(ep);
	kvfree(ep->port);
	vfree(ep->memory);
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

/*
 * The engine's endpoint with memory takes the place of the one without, which
 * must not be in use any more.
 */
static int give_memory(struct endpoint *ep, void *memory, u32 size)
{
	struct vmsg *v = ep->front->v;

	if (ep->nr_sent || ep->nr_pools)
		return -EBUSY;
	vmsg_port_fini(v, ep->port);
	vfree(ep->memory);
	ep->memory = memory;
	ep->memory_size = size;
	vmsg_port_init(v, ep->port, memory, size, ep);
	return 0;
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

static int bind(struct endpoint *ep, struct bind_arg *a, void **memory, u32 size, s32 timeout)
{
	int r = endpoint_ready(ep);

	if (!r && binding(ep, a)) {
		r = call_resume(ep, &ep->call, timeout);
		goto out;
	}
	if (!r && ep->state != EP_UNBOUND)
		r = -EINVAL;
	if (!r)
		r = give_memory(ep, *memory, size);
	if (r)
		return r;
	*memory = NULL;
	ep->state = EP_BINDING;
	ep->port_lost = 0;
	r = call_run(ep, &ep->call, start_bind, a, timeout, true);
out:
	/* After a wait in vain the BIND is still under way. */
	if (!r)
		ep->state = EP_BOUND;
	else if (!ep->call.cookie)
		ep->state = EP_UNBOUND;
	return r;
}

/* A thread that binds or unbinds may hold it for long. */
static int lock_port(struct endpoint *ep, s32 timeout)
{
	return mutex_lock_interruptible(&ep->recv_lock) ?
		       front_interrupted(front_jiffies(timeout)) :
		       0;
}

long endpoint_bind(struct endpoint *ep, struct xenmsg_uapi_bind __user *arg)
{
	struct xenmsg_uapi_bind b;
	struct bind_arg a;
	void *memory;
	u64 size;
	int r;

	if (copy_from_user(&b, arg, sizeof(b)))
		return -EFAULT;
	if (b.reserved || !b.port || b.name_len > VMSGIF_NAME_MAX)
		return -EINVAL;
	size = b.buffer ? b.buffer : BUFFER_DEFAULT;
	if (size > READ_ONCE(front_buffer_max))
		return -ENOBUFS;
	size = ALIGN(size, 64);
	memory = __vmalloc(size, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!memory)
		return -ENOMEM;
	a = (struct bind_arg){ .port = b.port, .name = b.name, .name_len = b.name_len };
	r = lock_port(ep, b.timeout);
	if (!r) {
		front_lock(ep->front);
		r = bind(ep, &a, &memory, (u32)size, b.timeout);
		front_unlock(ep->front);
		mutex_unlock(&ep->recv_lock);
	}
	vfree(memory);
	return r;
}

long endpoint_unbind(struct endpoint *ep, struct xenmsg_uapi_unbind __user *arg)
{
	struct xenmsg_uapi_unbind u;
	int r;

	if (copy_from_user(&u, arg, sizeof(u)))
		return -EFAULT;
	if (u.reserved)
		return -EINVAL;
	r = lock_port(ep, u.timeout);
	if (r)
		return r;
	r = -EINVAL;
	front_lock(ep->front);
	if (ep->state == EP_BOUND) {
		recv_drop(ep);
		foreign_drop(ep);
		ep->state = EP_UNBINDING;
		ep_wake(ep); /* who sleeps for a message */
		r = call_run(ep, &ep->call, start_unbind, NULL, u.timeout, true);
		if (!ep->call.cookie)
			ep->state = EP_UNBOUND;
	} else if (ep->state == EP_UNBINDING && ep->call.cookie) {
		r = call_resume(ep, &ep->call, u.timeout);
		if (!ep->call.cookie)
			ep->state = EP_UNBOUND;
	}
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
			ep->state = EP_UNBOUND;
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
		ep->state = EP_UNBOUND;
}

/* True: it is gone. */
static bool close_step(struct endpoint *ep)
{
	struct vmsg_front *front = ep->front;

	if (ep->port) {
		if (!pools_close_step(ep))
			return false;
		while (ep->state != EP_UNBOUND) {
			enum endpoint_state before = ep->state;

			close_unbind(ep);
			/* The answer may have come from within. */
			if (ep->state == before && !(ep->call.cookie && ep->call.done))
				return false;
		}
		if (ep->nr_sent) {
			vmsg_drained(front->v, ep->port); /* have its answers wake us */
			return false;
		}
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
