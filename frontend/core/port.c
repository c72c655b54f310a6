/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * From BIND to UNBIND, and CREDIT.
 *
 * A bound port stays bound while the broker is away: the next one hears its
 * BIND before READY. An UNBIND ends with its answer or with the broker,
 * whichever comes first: what a next broker does not hear of is not bound. The
 * RELEASEs that are lost so are not missed: the SENDs, submitted again, find
 * nobody bound (-ECONNREFUSED), or a new binding, which knows their numbers
 * and releases them again.
 */
#include "frontend/core/port.h"

#include "frontend/core/msg.h"
#include "frontend/core/name.h"
#include "frontend/core/pool.h"
#include "frontend/core/tx.h"
#include "frontend/core/wait.h"

static struct vmsg_port **bucket(const struct vmsg *v, uint32_t number)
{
	return &v->t.ports[number * 0x9e3779b1u >> (32 - v->port_bits)];
}

struct vmsg_port *vmsg_port_find(const struct vmsg *v, uint32_t number)
{
	struct vmsg_port *port = *bucket(v, number);

	while (port && port->number != number)
		port = port->hash_next;
	return port;
}

static void control_done(struct vmsg *v, uint64_t cookie, int status)
{
	struct vmsg_answer answer = { .status = status };

	v->params.ops->control_done(v, cookie, &answer);
}

/* --------------------------------------------------------------- work list */

static void work_append(struct vmsg *v, struct vmsg_port *port)
{
	port->flags |= VMSG_PORT_LISTED;
	port->work_next = NULL;
	if (v->work_last)
		v->work_last->work_next = port;
	else
		v->work_first = port;
	v->work_last = port;
	v->nr_work++;
	v->todo |= VMSG_TODO_PORTS;
}

static struct vmsg_port *work_pop(struct vmsg *v)
{
	struct vmsg_port *port = v->work_first;

	v->work_first = port->work_next;
	if (!v->work_first)
		v->work_last = NULL;
	v->nr_work--;
	port->flags &= (uint8_t)~VMSG_PORT_LISTED;
	return port;
}

void vmsg_port_work(struct vmsg *v, struct vmsg_port *port, unsigned int flags)
{
	if (flags & ~port->flags & VMSG_PORT_BIND)
		v->nr_bind++;
	port->flags |= (uint8_t)flags;
	if (!(port->flags & VMSG_PORT_LISTED))
		work_append(v, port);
}

/* Takes @port off the list, which is walked for it: ports are not unbound often. */
static void work_remove(struct vmsg *v, struct vmsg_port *port)
{
	unsigned int i;

	if (!(port->flags & VMSG_PORT_LISTED))
		return;
	for (i = v->nr_work; i; i--) {
		struct vmsg_port *first = work_pop(v);

		if (first != port)
			work_append(v, first);
	}
}

/* Forgets work and state that concern one broker. */
static void clear_flags(struct vmsg *v, struct vmsg_port *port)
{
	if (port->flags & VMSG_PORT_BIND)
		v->nr_bind--;
	if (port->flags & VMSG_PORT_BEHIND)
		v->nr_behind--;
	port->flags &= VMSG_PORT_LISTED;
}

/* ----------------------------------------------------------------- posting */

static void post_bind(struct vmsg *v, struct vmsg_port *port)
{
	struct vmsg_shadow *s = vmsg_tx_get(v, VMSGIF_OP_BIND);

	v->nr_bind--;
	port->flags &= (uint8_t)~VMSG_PORT_BIND;
	port->flags |= VMSG_PORT_ASKED;
	port->max_len = port->size - VMSG_LINE;
	if (port->max_len > v->max_len)
		port->max_len = v->max_len;
	port->slack = port->size - vmsg_msg_cost(port->max_len);
	port->plenty = port->size - port->slack;
	if (port->plenty < port->size / 2)
		port->plenty = port->size / 2;
	port->said = port->left = port->size - port->used;
	port->unsaid = 0;
	s->port = port;
	s->req.port = port->number;
	s->req.max_len = port->max_len;
	s->req.credit = port->said;
	vmsg_name_set(v, s, port->name, port->name_len);
	vmsg_tx_post(v, s);
}

static void post_credit(struct vmsg *v, struct vmsg_port *port)
{
	struct vmsg_shadow *s = vmsg_tx_get(v, VMSGIF_OP_CREDIT);

	port->flags &= (uint8_t)~VMSG_PORT_CREDIT;
	port->flags |= VMSG_PORT_CREDIT_BUSY;
	port->said += port->unsaid;
	port->left += port->unsaid;
	port->unsaid = 0;
	s->port = port;
	s->req.port = port->number;
	s->req.credit = port->said;
	vmsg_tx_post(v, s);
}

static void post_unbind(struct vmsg *v, struct vmsg_port *port)
{
	struct vmsg_shadow *s = vmsg_tx_get(v, VMSGIF_OP_UNBIND);

	port->flags &= (uint8_t)~VMSG_PORT_UNBIND;
	s->port = port;
	s->req.port = port->number;
	vmsg_tx_post(v, s);
}

/* Does what there are shadows for. */
static void serve(struct vmsg *v, struct vmsg_port *port, bool binds_only)
{
	if ((port->flags & VMSG_PORT_BIND) && vmsg_tx_room_control(v) &&
	    vmsg_name_room(v, port->name_len, 0))
		post_bind(v, port);
	if (binds_only)
		return;
	while (port->nr_release && vmsg_tx_room_release(v))
		vmsg_msg_post_release(v, port);
	if ((port->flags & VMSG_PORT_CREDIT) && vmsg_tx_room_control(v))
		post_credit(v, port);
	if ((port->flags & VMSG_PORT_UNBIND) && !port->nr_release && vmsg_tx_room_wait(v))
		post_unbind(v, port);
}

void vmsg_port_pump(struct vmsg *v, bool binds_only)
{
	unsigned int i;

	for (i = v->nr_work; i; i--) {
		struct vmsg_port *port = work_pop(v);

		serve(v, port, binds_only);
		if (port->nr_release ||
		    (port->flags & (VMSG_PORT_BIND | VMSG_PORT_CREDIT | VMSG_PORT_UNBIND)))
			vmsg_port_work(v, port, 0);
	}
	if (!v->nr_work)
		v->todo &= ~VMSG_TODO_PORTS;
}

/* ---------------------------------------------------------- bind and unbind */

int vmsg_bind(struct vmsg *v, struct vmsg_port *port, uint32_t number, const char *name,
	      unsigned int name_len, uint64_t cookie)
{
	struct vmsg_port **link = bucket(v, number);

	if (v->down)
		return -EHOSTDOWN;
	if (!number || port->state != VMSG_PORT_UNBOUND)
		return -EINVAL;
	if (name_len && !vmsg_name_valid(name, name_len, false))
		return -EINVAL;
	if (port->size < 2 * VMSG_LINE || v->nr_ports == v->params.max_ports)
		return -ENOSPC;
	if (vmsg_port_find(v, number))
		return -EADDRINUSE;
	v->nr_ports++;
	port->hash_next = *link;
	*link = port;
	port->number = number;
	port->state = VMSG_PORT_BINDING;
	port->bind_cookie = cookie;
	port->name_len = name_len;
	if (name_len)
		memcpy(port->name, name, name_len);
	vmsg_port_work(v, port, VMSG_PORT_BIND);
	return 0;
}

/* No message may come before the next BIND. */
static void no_credit(struct vmsg_port *port)
{
	port->unsaid += port->left;
	port->left = 0;
}

/* The port is not bound any more, and everything that came in is forgotten. */
static void end_binding(struct vmsg *v, struct vmsg_port *port)
{
	struct vmsg_port **link = bucket(v, port->number);

	vmsg_msg_drop_all(v, port);
	vmsg_msg_forget_releases(v, port);
	while (*link != port)
		link = &(*link)->hash_next;
	*link = port->hash_next;
	v->nr_ports--;
	if (v->rx_port == port)
		v->rx_port = NULL;
	vmsg_foreign_unbound(v, port->number);
	clear_flags(v, port);
	work_remove(v, port);
	no_credit(port);
	port->state = VMSG_PORT_UNBOUND;
	port->number = 0;
	port->flow = NULL;
}

void vmsg_port_unbound(struct vmsg *v, struct vmsg_port *port)
{
	end_binding(v, port);
	control_done(v, port->unbind_cookie, 0);
}

int vmsg_unbind(struct vmsg *v, struct vmsg_port *port, uint64_t cookie)
{
	unsigned int state = port->state;

	if (state == VMSG_PORT_UNBOUND || state == VMSG_PORT_UNBINDING)
		return -EINVAL;
	port->unbind_cookie = cookie;
	if (state == VMSG_PORT_BINDING)
		control_done(v, port->bind_cookie, -ECANCELED);
	if (port->flags & (VMSG_PORT_ASKED | VMSG_PORT_LIVE)) {
		port->state = VMSG_PORT_UNBINDING;
		vmsg_msg_drop_all(v, port);
		if (port->flags & VMSG_PORT_LIVE)
			vmsg_port_work(v, port, VMSG_PORT_UNBIND);
		return 0;
	}
	/* No broker knows of it. */
	vmsg_port_unbound(v, port);
	return 0;
}

/* A BIND was refused: the first one, one after a restart, or one that is not wanted any more. */
static void refused(struct vmsg *v, struct vmsg_port *port, int status)
{
	unsigned int state = port->state;

	if (port->left != port->said) {
		vmsg_break(v, "messages to a port that was not bound");
		return;
	}
	if (state == VMSG_PORT_BOUND) {
		port->state = VMSG_PORT_LOST;
		no_credit(port);
		if (v->params.ops->lost)
			v->params.ops->lost(v, port, status);
		return;
	}
	if (state == VMSG_PORT_UNBINDING) {
		vmsg_port_unbound(v, port);
		return;
	}
	end_binding(v, port);
	control_done(v, port->bind_cookie, status);
}

void vmsg_port_bound(struct vmsg *v, struct vmsg_port *port, int status)
{
	port->flags &= (uint8_t)~VMSG_PORT_ASKED;
	if (status) {
		refused(v, port, status);
		return;
	}
	port->flags |= VMSG_PORT_LIVE;
	if (port->state == VMSG_PORT_BINDING) {
		port->state = VMSG_PORT_BOUND;
		control_done(v, port->bind_cookie, 0);
	} else if (port->state == VMSG_PORT_UNBINDING) {
		vmsg_port_work(v, port, VMSG_PORT_UNBIND);
	}
	vmsg_msg_check_credit(v, port);
}

void vmsg_port_credited(struct vmsg *v, struct vmsg_port *port)
{
	port->flags &= (uint8_t)~VMSG_PORT_CREDIT_BUSY;
	if (!(port->flags & VMSG_PORT_BEHIND))
		return;
	port->flags ^= VMSG_PORT_BEHIND;
	v->nr_behind--;
	vmsg_msg_check_credit(v, port);
}

/* ------------------------------------------------------------------- reset */

static void reset(struct vmsg *v, struct vmsg_port *port)
{
	clear_flags(v, port);
	no_credit(port);
	if (port->state == VMSG_PORT_UNBINDING)
		vmsg_port_unbound(v, port);
	else if (port->state != VMSG_PORT_LOST)
		vmsg_port_work(v, port, VMSG_PORT_BIND);
}

void vmsg_port_reset_all(struct vmsg *v)
{
	struct vmsg_port *port, *next;
	unsigned int i;

	for (i = 0; i < 1u << v->port_bits; i++) {
		for (port = v->t.ports[i]; port; port = next) {
			next = port->hash_next;
			reset(v, port);
		}
	}
}

void vmsg_port_shutdown_all(struct vmsg *v, int status)
{
	struct vmsg_port *port, *next;
	unsigned int i;

	vmsg_port_reset_all(v);
	for (i = 0; i < 1u << v->port_bits; i++) {
		for (port = v->t.ports[i]; port; port = next) {
			next = port->hash_next;
			vmsg_msg_forget_releases(v, port);
			if (port->state != VMSG_PORT_BINDING)
				continue;
			end_binding(v, port);
			control_done(v, port->bind_cookie, status);
		}
	}
}
