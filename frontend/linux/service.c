// SPDX-License-Identifier: GPL-2.0-only
/*
 * Turning the engine's crank: taking in what the broker published, publishing
 * what was posted, and noting down what the engine says on the way.
 *
 * Whoever holds the lock may do it: the interrupt's thread, a process that
 * sends or receives, the timer for lazy messages. Each leaves the rings armed,
 * so that an event comes for whatever comes next.
 */
#include <linux/sched/signal.h>
#include <xen/events.h>

#include "front.h"

/* Responses taken in at a time, and times before the lock is given to others. */
#define BUDGET 64
#define ROUNDS 16

void front_lock(struct vmsg_front *front)
{
	mutex_lock(&front->lock);
}

static void publish(struct vmsg_front *front, bool force)
{
	front->notify |= vmsg_publish(front->v, force);
}

/* True: there is more, and no event will say so. */
static bool turn(struct vmsg_front *front, bool force)
{
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		if (vmsg_poll(front->v, BUDGET))
			continue;
		publish(front, force);
		if (!vmsg_arm(front->v))
			return false;
	}
	publish(front, force);
	return true;
}

void front_service(struct vmsg_front *front, bool force)
{
	if (front->phase == FRONT_CONNECTED) {
		/* Whoever wants the lock meanwhile comes first. */
		if (turn(front, force))
			queue_work(system_unbound_wq, &front->lazy_work);
		if (vmsg_broken(front->v))
			front_broken(front);
	}
	if (front->nr_closing) {
		endpoints_step(front);
		names_step(front);
	}
}

void front_unlock(struct vmsg_front *front)
{
	bool notify;
	u32 taken;
	int irq;

	if (front->v && front->phase == FRONT_CONNECTED) {
		taken = vmsg_taken(front->v);
		publish(front, false);
		/* It may take in what comes meanwhile, and then does not ask for the next event. */
		if (vmsg_taken(front->v) != taken)
			queue_work(system_unbound_wq, &front->lazy_work);
		channel_set_timer(front);
	}
	notify = front->notify && front->evtchn;
	irq = front->irq;
	front->notify = false;
	/* The channel may close as soon as the lock is free; then nobody needs the event. */
	if (notify)
		notify_remote_via_irq(irq);
	mutex_unlock(&front->lock);
}

long front_jiffies(s32 timeout)
{
	return timeout < 0 ? MAX_SCHEDULE_TIMEOUT : (long)msecs_to_jiffies(timeout);
}

/*
 * A call is begun anew after a signal only if it has all the time that there is:
 * with some of it used up it could go on for ever.
 */
int front_interrupted(long jiffies_left)
{
	return jiffies_left == MAX_SCHEDULE_TIMEOUT ? -ERESTARTSYS : -EINTR;
}

int front_sleep(struct endpoint *ep, long *jiffies_left)
{
	struct vmsg_front *front = ep->front;
	u32 seen = ep->progress;
	long r;

	front_service(front, true);
	/* Also where there always is progress, and so never a sleep. */
	if (signal_pending(current))
		return front_interrupted(*jiffies_left);
	/* Whatever is waited for may have come with that. */
	if (ep->progress != seen)
		return 0;
	if (*jiffies_left <= 0)
		return -ETIMEDOUT;
	front_unlock(front);
	r = wait_event_interruptible_timeout(ep->wq, READ_ONCE(ep->progress) != seen,
					     *jiffies_left);
	front_lock(front);
	if (r < 0)
		return front_interrupted(*jiffies_left);
	*jiffies_left = r;
	return r ? 0 : -ETIMEDOUT;
}

void front_wake_all(struct vmsg_front *front)
{
	struct endpoint *ep;

	list_for_each_entry(ep, &front->endpoints, link)
		ep_wake(ep);
}

int front_usable(const struct vmsg_front *front)
{
	if (front->taken && !front->dev)
		return -EBUSY;
	if (!front->v)
		return -ENODEV;
	return front->phase == FRONT_ABSENT || front->phase == FRONT_CLOSED ? -EHOSTDOWN : 0;
}

/*
 * From ERESTARTSYS on, numbers are between parts of this kernel, and a system
 * call that returns one means something by it; as do those of a call that was
 * not answered.
 */
int front_status(int status)
{
	if (status > 0 || status <= -ERESTARTSYS || status == -EINTR || status == -EAGAIN ||
	    status == -ETIMEDOUT)
		return -EIO;
	return status;
}

/* ------------------------------------------------------------------- calls */

void call_begin(struct vmsg_front *front, struct call *call, struct endpoint *ep)
{
	call->ep = ep;
	call->cookie = ++front->cookie;
	call->done = false;
	list_add_tail(&call->link, &front->calls);
}

void call_end(struct call *call)
{
	if (call->cookie)
		list_del(&call->link);
	call->cookie = 0;
}

int call_start(struct endpoint *ep, struct call *call, call_start_fn start, void *arg, long *left)
{
	int r;

	call_begin(ep->front, call, ep);
	while ((r = start(ep, arg, call->cookie)) == -EAGAIN) {
		r = front_sleep(ep, left);
		if (r)
			break;
	}
	if (r)
		call_end(call);
	return r;
}

int call_run(struct endpoint *ep, struct call *call, call_start_fn start, void *arg, long *left,
	     bool keep)
{
	int r;

	r = call_start(ep, call, start, arg, left);
	if (r)
		return r;
	while (!r && !call->done)
		r = front_sleep(ep, left);
	if (call->done)
		r = call->answer.status;
	while (!r && call->name && !call->named)
		r = front_usable(ep->front) ?: front_sleep(ep, left);
	if (!keep || call->done)
		call_end(call);
	return r;
}

int call_resume(struct endpoint *ep, struct call *call, long *left)
{
	int r = 0;

	while (!r && !call->done)
		r = front_sleep(ep, left);
	if (!call->done)
		return r;
	call_end(call);
	return call->answer.status;
}

/* --------------------------------------------------------------- callbacks */

static struct vmsg_front *front_of(const struct vmsg *v)
{
	return vmsg_priv(v);
}

static void send_done(struct vmsg *v, struct vmsg_port *port, u64 cookie, int status)
{
	sent_answered(front_of(v), cookie, front_status(status));
}

static void readable(struct vmsg *v, struct vmsg_port *port)
{
	struct endpoint *ep = vmsg_port_priv(port);

	ep->readable = true;
	ep_wake(ep);
}

static void writable(struct vmsg *v, struct vmsg_port *port)
{
	struct endpoint *ep = port ? vmsg_port_priv(port) : NULL;
	struct call *call;

	if (ep) {
		ep->stuck = false;
		ep_wake(ep);
		return;
	}
	list_for_each_entry(call, &front_of(v)->calls, link)
		if (call->ep)
			ep_wake(call->ep);
}

static void control_done(struct vmsg *v, u64 cookie, const struct vmsg_answer *answer)
{
	struct call *call;

	list_for_each_entry(call, &front_of(v)->calls, link) {
		if (call->cookie != cookie)
			continue;
		call->answer = *answer;
		call->answer.status = front_status(answer->status);
		call->done = true;
		if (call->ep)
			ep_wake(call->ep);
		else
			names_forgotten(front_of(v), call);
		return;
	}
}

static void peer_up(struct vmsg *v, u32 addr, const char *name, unsigned int len)
{
	names_peer_up(front_of(v), addr, name, len);
}

static void resolved(struct vmsg *v, u32 addr, const char *name, unsigned int len)
{
	struct call *call;

	list_for_each_entry(call, &front_of(v)->calls, link) {
		if (!call->name || call->addr != addr)
			continue;
		memcpy(call->name, name, len);
		call->name_len = len;
		call->named = true;
		ep_wake(call->ep);
	}
}

static void peer_down(struct vmsg *v, u32 addr)
{
	const struct ep_event event = { .type = XENMSG_EV_PEER_DOWN, .addr = addr };
	struct vmsg_front *front = front_of(v);
	struct endpoint *ep;

	list_for_each_entry(ep, &front->endpoints, link) {
		bool dealt = event_knows_peer(ep, addr);

		if (names_peer_down(ep, addr) || dealt)
			event_post(ep, &event);
	}
}

static void own_pool_gone(struct vmsg *v, unsigned int id)
{
	pool_gone(front_of(v), id);
}

static void lost(struct vmsg *v, struct vmsg_port *port, int status)
{
	struct endpoint *ep = vmsg_port_priv(port);

	ep->port_lost = front_status(status);
	ep_wake(ep);
}

const struct vmsg_ops front_ops = {
	.send_done = send_done,
	.readable = readable,
	.writable = writable,
	.control_done = control_done,
	.peer_up = peer_up,
	.resolved = resolved,
	.peer_down = peer_down,
	.pool_map = foreign_map,
	.pool_unmap = foreign_unmap,
	.pool_free = foreign_free,
	.pool_gone = own_pool_gone,
	.lost = lost,
};
