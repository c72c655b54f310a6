// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events for the process that has the file.
 *
 * Those that belong to a thing - a subscription, a foreign pool, the own
 * address - are state of that thing and never lost. The others are in a ring of
 * the endpoint. A message whose answer was asked for keeps a place there from
 * the start, since its sender writes to its pages again only when told; there
 * are no more of these than places. Of others that find no place only the number
 * is kept.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "front.h"

bool event_room(const struct endpoint *ep)
{
	return ep->nr_events + ep->nr_confirm < EP_EVENTS;
}

void event_post(struct endpoint *ep, const struct ep_event *event)
{
	if (ep->closed)
		return;
	if (event_room(ep))
		ep->events[(ep->event_head + ep->nr_events++) % EP_EVENTS] = *event;
	else
		ep->events_lost++;
	ep_wake(ep);
}

void event_keep(struct endpoint *ep)
{
	ep->nr_confirm++;
}

void event_give_up(struct endpoint *ep)
{
	ep->nr_confirm--;
}

void event_confirm(struct endpoint *ep, const struct ep_event *event)
{
	ep->nr_confirm--;
	event_post(ep, event);
}

void event_peer(struct endpoint *ep, u32 addr)
{
	unsigned int i;

	/* Beyond that it is told of everybody: better once too often. */
	if (ep->nr_peers > EP_PEERS)
		return;
	for (i = 0; i < ep->nr_peers; i++)
		if (ep->peers[i] == addr)
			return;
	if (ep->nr_peers < EP_PEERS)
		ep->peers[ep->nr_peers] = addr;
	ep->nr_peers++;
}

/* A dead one is forgotten: its address does not come again. */
bool event_knows_peer(struct endpoint *ep, u32 addr)
{
	unsigned int i;

	if (ep->nr_peers > EP_PEERS)
		return true;
	for (i = 0; i < ep->nr_peers; i++) {
		if (ep->peers[i] != addr)
			continue;
		ep->peers[i] = ep->peers[--ep->nr_peers];
		return true;
	}
	return false;
}

bool event_pending(struct endpoint *ep)
{
	return ep->nr_events || ep->events_lost || ep->new_addr || ep->port_lost ||
	       names_pending(ep) || foreign_pending(ep) || pools_pending(ep);
}

/* The next one; false: there is none. */
static bool take(struct endpoint *ep, struct xenmsg_uapi_event *out)
{
	const struct ep_event *event;

	memset(out, 0, sizeof(*out));
	if (ep->nr_events) {
		event = &ep->events[ep->event_head];
		out->type = event->type;
		out->status = event->status;
		out->addr = event->addr;
		out->port = event->port;
		out->seq = event->seq;
		out->cookie = event->cookie;
		ep->event_head = (ep->event_head + 1) % EP_EVENTS;
		ep->nr_events--;
		/* Who waits to send one that is to be confirmed. */
		if (ep->stuck)
			send_try_again(ep);
	} else if (ep->events_lost) {
		out->type = XENMSG_EV_LOST;
		out->seq = ep->events_lost;
		ep->events_lost = 0;
	} else if (ep->new_addr) {
		out->type = XENMSG_EV_ADDRESS;
		out->addr = ep->new_addr;
		ep->new_addr = 0;
	} else if (ep->port_lost) {
		out->type = XENMSG_EV_PORT_LOST;
		out->status = ep->port_lost;
		ep->port_lost = 0;
	} else {
		return names_take_event(ep, out) || foreign_take_event(ep, out) ||
		       pools_take_event(ep, out);
	}
	return true;
}

static int wait_for_event(struct endpoint *ep, s32 timeout)
{
	long left = front_jiffies(timeout);
	int r = 0;

	front_service(ep->front, timeout != 0);
	while (!r && !event_pending(ep))
		r = front_sleep(ep, &left);
	return r == -ETIMEDOUT && !timeout ? -EAGAIN : r;
}

long event_fetch(struct endpoint *ep, struct xenmsg_uapi_events __user *arg, bool nonblock)
{
	struct xenmsg_uapi_event event;
	struct xenmsg_uapi_events e;
	u8 __user *to;
	long n = 0;
	bool any;
	int r;

	if (copy_from_user(&e, arg, sizeof(e)))
		return -EFAULT;
	if (!e.nr)
		return -EINVAL;
	to = u64_to_user_ptr(e.events);
	front_lock(ep->front);
	r = wait_for_event(ep, nonblock ? 0 : e.timeout);
	front_unlock(ep->front);
	if (r)
		return r;
	while (n < min_t(u32, e.nr, XENMSG_UAPI_BATCH)) {
		/* Before the event is taken: with a bad address it would be lost. */
		if (clear_user(to + n * sizeof(event), sizeof(event)))
			return n ? n : -EFAULT;
		front_lock(ep->front);
		any = take(ep, &event);
		mutex_unlock(&ep->front->lock);
		if (!any)
			break;
		if (copy_to_user(to + n * sizeof(event), &event, sizeof(event)))
			return n ? n : -EFAULT;
		n++;
	}
	return n;
}
