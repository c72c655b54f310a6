// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the engine tells, noted down for the function of the transport that is
 * being called. These run inside of engine calls and make none themselves.
 */
#include <string.h>

#include "front.h"

static struct xenmsg_event *new_event(struct front *f, enum xenmsg_event_type type)
{
	f->progress++;
	front_note(f);
	return event_new(&f->base.events, type);
}

/* How a message ended that was sent from @port. */
static void report_one(struct front_port *port, enum xenmsg_event_type type,
		       const struct vmsg_failure *end, uint64_t seq)
{
	struct xenmsg_event *event = new_event(port_front(port), type);

	if (!event)
		return;
	event->status = end->status;
	event->addr = end->addr;
	event->number = end->port;
	event->seq = seq;
	/* A port that is being closed is nothing to the application any more. */
	if (port->state == PORT_OPEN)
		event->port = &port->base;
}

static void report(struct front_port *port, enum xenmsg_event_type type,
		   const struct vmsg_failure *end)
{
	struct front *f = port_front(port);
	unsigned int i;

	if (end->status && !f->failure)
		f->failure = end->status;
	for (i = end->count; i--;)
		report_one(port, type, end, end->seq ? end->seq - i : 0);
}

void front_failed(struct front_port *port, const struct vmsg_failure *failure)
{
	report(port, XENMSG_SEND_FAILED, failure);
}

static void send_failed(struct vmsg *v, struct vmsg_port *port, const struct vmsg_failure *failure)
{
	report(vmsg_port_priv(port), XENMSG_SEND_FAILED, failure);
}

static void send_done(struct vmsg *v, struct vmsg_port *port, uint64_t cookie, int status)
{
	struct front *f = user_priv(v);
	unsigned int i = (unsigned int)cookie - 1;
	struct sent *sent = &f->sent[i];
	const struct vmsg_failure end = {
		.status = status,
		.addr = sent->addr,
		.port = sent->number,
		.seq = sent->seq,
		.count = sent->more + 1u,
	};

	if (status || sent->confirm)
		report(vmsg_port_priv(port), sent->confirm ? XENMSG_SENT : XENMSG_SEND_FAILED,
		       &end);
	if (sent->pool) {
		sent->pool->nr_sent--;
		room_put_run(&sent->pool->rooms, sent->head, sent->more);
	}
	sent->next = f->free_sent;
	f->free_sent = (uint16_t)i;
	f->progress++;
}

static void readable(struct vmsg *v, struct vmsg_port *port)
{
	struct front *f = user_priv(v);

	f->progress++;
	if (vmsg_port_priv(port) != f->receiving)
		front_note(f);
}

static void writable(struct vmsg *v, struct vmsg_port *port)
{
	struct front *f = user_priv(v);

	f->progress++;
	front_note(f);
}

static void control_done(struct vmsg *v, uint64_t cookie, const struct vmsg_answer *answer)
{
	struct front *f = user_priv(v);
	struct call *call;

	f->progress++;
	list_for_each_entry(call, &f->calls, link) {
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
	struct front *f = user_priv(v);
	struct call *call;

	f->progress++;
	list_for_each_entry(call, &f->calls, link) {
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
	struct front *f = user_priv(v);
	struct front_pool *pool;

	f->progress++;
	list_for_each_entry(pool, &f->pools, link)
		if (pool->id == id)
			pool->gone = true;
}

static void lost(struct vmsg *v, struct vmsg_port *port, int status)
{
	struct front_port *ours = vmsg_port_priv(port);
	struct xenmsg_event *event;

	if (ours->state != PORT_OPEN)
		return;
	event = new_event(port_front(ours), XENMSG_PORT_LOST);
	if (!event)
		return;
	event->port = &ours->base;
	event->status = status;
}

static void address(void *priv, uint32_t addr)
{
	struct front *f = priv;
	struct xenmsg_event *event;

	/* The first one is no change. */
	if (!f->user)
		return;
	event = new_event(f, XENMSG_ADDRESS);
	if (event)
		event->addr = addr;
}

void front_callbacks(struct user_params *params)
{
	params->ops.send_done = send_done;
	params->ops.send_failed = send_failed;
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
