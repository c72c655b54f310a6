// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the engine tells, noted down for the function of the API that is being
 * called. These run inside of engine calls and make none themselves.
 */
#include <string.h>

#include "front.h"

static struct xenmsg_event *new_event(struct xenmsg *x, enum xenmsg_event_type type)
{
	x->progress++;
	lib_note(x);
	return event_new(&x->events, type);
}

static void report_sent(struct xenmsg *x, const struct sent *sent, int status)
{
	struct xenmsg_event *event;

	if (status && !x->failure)
		x->failure = status;
	if (!status && !sent->confirm)
		return;
	event = new_event(x, sent->confirm ? XENMSG_SENT : XENMSG_SEND_FAILED);
	if (!event)
		return;
	event->status = status;
	event->addr = sent->addr;
	event->number = sent->number;
	event->seq = sent->seq;
	/* A port that is being closed is nothing to the application any more. */
	if (sent->port->state == PORT_OPEN)
		event->port = sent->port;
}

static void send_done(struct vmsg *v, struct vmsg_port *port, uint64_t cookie, int status)
{
	struct xenmsg *x = user_priv(v);
	unsigned int i = (unsigned int)cookie - 1;
	struct sent *sent = &x->sent[i];

	report_sent(x, sent, status);
	sent->port->nr_sent--;
	if (sent->pool) {
		sent->pool->nr_sent--;
		pool_put_room(sent->pool, sent->head);
	}
	sent->port = NULL;
	sent->next = x->free_sent;
	x->free_sent = (uint16_t)i;
	x->nr_sent--;
	x->progress++;
}

static void readable(struct vmsg *v, struct vmsg_port *port)
{
	struct xenmsg *x = user_priv(v);

	x->progress++;
	if (vmsg_port_priv(port) != x->receiving)
		lib_note(x);
}

static void writable(struct vmsg *v, struct vmsg_port *port)
{
	struct xenmsg *x = user_priv(v);

	x->progress++;
	lib_note(x);
}

static void control_done(struct vmsg *v, uint64_t cookie, const struct vmsg_answer *answer)
{
	struct xenmsg *x = user_priv(v);
	struct call *call;

	x->progress++;
	list_for_each_entry(call, &x->calls, link) {
		if (call->cookie != cookie)
			continue;
		call->answer = *answer;
		call->done = true;
		break;
	}
}

static void copy_name(char *to, const char *name, unsigned int len)
{
	len = len > XENMSG_NAME_MAX ? XENMSG_NAME_MAX : len;
	memcpy(to, name, len);
	to[len] = '\0';
}

static void peer_up(struct vmsg *v, uint32_t addr, const char *name, unsigned int len)
{
	struct xenmsg_event *event = new_event(user_priv(v), XENMSG_PEER_UP);

	if (!event)
		return;
	event->addr = addr;
	copy_name(event->name, name, len);
}

static void resolved(struct vmsg *v, uint32_t addr, const char *name, unsigned int len)
{
	struct xenmsg *x = user_priv(v);
	struct call *call;

	x->progress++;
	list_for_each_entry(call, &x->calls, link) {
		if (!call->name || call->addr != addr)
			continue;
		copy_name(call->name, name, len);
		call->named = true;
	}
}

static void peer_down(struct vmsg *v, uint32_t addr)
{
	struct xenmsg_event *event = new_event(user_priv(v), XENMSG_PEER_DOWN);

	if (event)
		event->addr = addr;
}

static void pool_gone(struct vmsg *v, unsigned int id)
{
	struct xenmsg *x = user_priv(v);
	struct xenmsg_pool *pool;

	x->progress++;
	list_for_each_entry(pool, &x->pools, link)
		if (pool->id == id)
			pool->gone = true;
}

static void lost(struct vmsg *v, struct vmsg_port *port, int status)
{
	struct xenmsg_port *ours = vmsg_port_priv(port);
	struct xenmsg_event *event;

	if (ours->state != PORT_OPEN)
		return;
	event = new_event(ours->x, XENMSG_PORT_LOST);
	if (!event)
		return;
	event->port = ours;
	event->status = status;
}

static void address(void *priv, uint32_t addr)
{
	struct xenmsg *x = priv;
	struct xenmsg_event *event;

	/* The first one is no change. */
	if (!x->user)
		return;
	event = new_event(x, XENMSG_ADDRESS);
	if (event)
		event->addr = addr;
}

void lib_callbacks(struct user_params *params)
{
	params->ops.send_done = send_done;
	params->ops.readable = readable;
	params->ops.writable = writable;
	params->ops.control_done = control_done;
	params->ops.peer_up = peer_up;
	params->ops.resolved = resolved;
	params->ops.peer_down = peer_down;
	params->ops.pool_gone = pool_gone;
	params->ops.lost = lost;
	params->address = address;
}
