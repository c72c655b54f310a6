// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Ports.
 *
 * Closing one takes several steps, each of which may have to wait for the
 * broker: the BIND is answered, the UNBIND is posted, it is answered, and the
 * port's own messages are. The application is not kept waiting for all that; a
 * port being closed stays on the device's list until it is over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "front.h"

#define BUFFER_DEFAULT ((2u << 20) + 128)
/* How long a close waits for the port's number to be free again. */
#define CLOSE_MS 1000

struct bind_arg {
	struct xenmsg_port *port;
	const char *service;
	unsigned int len;
};

static int start_bind(struct xenmsg *x, void *arg, uint64_t cookie)
{
	const struct bind_arg *a = arg;

	return vmsg_bind(x->v, a->port->engine, a->port->number, a->service, a->len, cookie);
}

/* Whether a port with this number is still being closed. */
static bool is_closing(const struct xenmsg *x, uint32_t number)
{
	const struct xenmsg_port *port;

	list_for_each_entry(port, &x->ports, link)
		if (port->number == number &&
		    (port->state == PORT_UNBIND || port->state == PORT_UNBINDING))
			return true;
	return false;
}

static int bind_port(struct xenmsg_port *port, const char *service)
{
	struct bind_arg arg = { .port = port, .service = service };
	struct xenmsg *x = port->x;
	uint64_t deadline = user_deadline(x->timeout);
	int r = 0;

	if (service) {
		arg.len = (unsigned int)strnlen(service, XENMSG_NAME_MAX + 1);
		if (!arg.len || arg.len > XENMSG_NAME_MAX)
			return -EINVAL;
	}
	while (!r && is_closing(x, port->number))
		r = lib_wait(x, deadline);
	return r ? r : call_run(x, &port->call, start_bind, &arg, deadline, true);
}

static struct xenmsg_port *new_port(struct xenmsg *x, uint32_t number, size_t buffer)
{
	struct xenmsg_port *port = calloc(1, sizeof(*port));

	if (!port)
		return NULL;
	port->x = x;
	port->number = number;
	port->engine = aligned_alloc(64, (vmsg_port_size() + 63) & ~(size_t)63);
	if (number)
		port->memory = aligned_alloc(64, buffer);
	list_init(&port->link);
	list_add_tail(&x->ports, &port->link);
	if (!port->engine || (number && !port->memory)) {
		port_free(port);
		return NULL;
	}
	vmsg_port_init(x->v, port->engine, port->memory, number ? buffer : 0, port);
	return port;
}

void port_free(struct xenmsg_port *port)
{
	call_end(&port->call);
	list_del(&port->link);
	msgs_free(port);
	free(port->engine);
	free(port->memory);
	free(port);
}

int xenmsg_port_open(struct xenmsg *x, uint32_t number, const struct xenmsg_bind *bind,
		     struct xenmsg_port **out)
{
	struct xenmsg_bind b = { 0 };
	struct xenmsg_port *port;
	size_t buffer;
	int r = 0;

	if (bind)
		memcpy(&b, bind, bind->size < sizeof(b) ? bind->size : sizeof(b));
	if (!number && b.service)
		return -EINVAL;
	if (user_gone(x->user))
		return -EHOSTDOWN;
	buffer = b.buffer ? (b.buffer + 63) & ~(size_t)63 : BUFFER_DEFAULT;
	port = new_port(x, number, buffer);
	if (!port)
		return -ENOMEM;
	if (number)
		r = bind_port(port, b.service);
	if (r) {
		port->state = PORT_BINDING;
		xenmsg_port_close(port);
		return r;
	}
	port->state = PORT_OPEN;
	*out = port;
	return 0;
}

/* The engine's part of it is over. */
static void finish(struct xenmsg_port *port)
{
	struct xenmsg *x = port->x;

	vmsg_port_fini(x->v, port->engine);
	x->nr_closing--;
	port_free(port);
}

static void unbind(struct xenmsg_port *port)
{
	struct call *call = &port->call;
	int r;

	if (call->cookie) {
		if (!call->done)
			return; /* BIND is under way */
		call_end(call);
		port->state = call->answer.status ? PORT_DRAINING : PORT_UNBIND;
		if (port->state == PORT_DRAINING)
			return;
	}
	call_begin(port->x, call);
	r = vmsg_unbind(port->x->v, port->engine, call->cookie);
	if (!r) {
		port->state = PORT_UNBINDING;
		return;
	}
	call_end(call);
	/* -EAGAIN: next time. Anything else says that it is not bound. */
	if (r != -EAGAIN)
		port->state = PORT_DRAINING;
}

static bool has_pools(const struct xenmsg_port *port)
{
	const struct xenmsg_pool *pool;

	list_for_each_entry(pool, &port->x->pools, link)
		if (pool->port == port)
			return true;
	return false;
}

void port_close_step(struct xenmsg_port *port)
{
	if (port->state == PORT_UNBIND)
		unbind(port);
	if (port->state == PORT_UNBINDING && port->call.done) {
		call_end(&port->call);
		port->state = PORT_DRAINING;
	}
	if (port->nr_sent)
		vmsg_drained(port->x->v, port->engine); /* to be woken by the answers */
	else if (port->state == PORT_DRAINING && !has_pools(port))
		finish(port);
}

void xenmsg_port_close(struct xenmsg_port *port)
{
	struct xenmsg_pool *pool, *next;
	struct xenmsg *x;
	uint64_t deadline;
	uint32_t number;

	if (!port)
		return;
	x = port->x;
	number = port->number;
	list_for_each_entry_safe(pool, next, &x->pools, link)
		if (pool->port == port)
			xenmsg_pool_close(pool);
	/* What never was bound, or failed to be, has nothing to unbind. */
	if (port->state == PORT_OPEN)
		port->state = number ? PORT_UNBIND : PORT_DRAINING;
	else
		port->state = port->call.cookie ? PORT_UNBIND : PORT_DRAINING;
	x->nr_closing++;
	port_close_step(port);
	user_publish(x->user, true);
	deadline = user_deadline(CLOSE_MS);
	while (number && is_closing(x, number) && !lib_wait(x, deadline))
		;
	lib_leave(x);
}

uint32_t xenmsg_port_number(const struct xenmsg_port *port)
{
	return port->number;
}
