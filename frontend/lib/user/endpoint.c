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

/* How long a close waits for the port's number to be free again. */
#define CLOSE_MS 1000

struct bind_arg {
	struct front_port *port;
	const char *service;
	unsigned int len;
};

static int start_bind(struct front *f, void *arg, uint64_t cookie)
{
	const struct bind_arg *a = arg;

	return vmsg_bind(f->v, a->port->engine, a->port->base.number, a->service, a->len, cookie);
}

/* Whether a port with this number is still being closed. */
static bool is_closing(const struct front *f, uint32_t number)
{
	const struct front_port *port;

	list_for_each_entry(port, &f->ports, link)
		if (port->base.number == number &&
		    (port->state == PORT_UNBIND || port->state == PORT_UNBINDING))
			return true;
	return false;
}

static int bind_port(struct front_port *port, const char *service)
{
	struct bind_arg arg = { .port = port, .service = service };
	struct front *f = port_front(port);
	uint64_t deadline = user_deadline(f->base.timeout);
	int r = 0;

	if (service)
		arg.len = (unsigned int)strlen(service);
	while (!r && is_closing(f, port->base.number))
		r = front_await(f, deadline);
	return r ? r : call_run(f, &port->call, start_bind, &arg, deadline, true);
}

static struct front_port *new_port(struct front *f, uint32_t number, size_t buffer)
{
	struct front_port *port = calloc(1, sizeof(*port));

	if (!port)
		return NULL;
	port->base.x = &f->base;
	port->base.number = number;
	port->engine = aligned_alloc(64, (vmsg_port_size() + 63) & ~(size_t)63);
	if (number)
		port->memory = aligned_alloc(64, buffer);
	list_init(&port->link);
	list_init(&port->batch.link);
	list_add_tail(&f->ports, &port->link);
	if (!port->engine || (number && !port->memory)) {
		port_free(port);
		return NULL;
	}
	vmsg_port_init(f->v, port->engine, port->memory, number ? buffer : 0, port);
	return port;
}

void port_free(struct front_port *port)
{
	call_end(&port->call);
	list_del(&port->link);
	list_del(&port->batch.link);
	msgs_free(port);
	free(port->engine);
	free(port->memory);
	free(port);
}

int front_port_open(struct xenmsg *x, uint32_t number, const struct xenmsg_bind *bind,
		    struct xenmsg_port **out)
{
	struct front *f = front_of(x);
	struct front_port *port;
	int r = 0;

	if (user_gone(f->user))
		return -EHOSTDOWN;
	port = new_port(f, number, (bind->buffer + 63) & ~(size_t)63);
	if (!port)
		return -ENOMEM;
	if (number)
		r = bind_port(port, bind->service);
	if (r) {
		port->state = PORT_BINDING;
		front_port_close(&port->base);
		return r;
	}
	port->state = PORT_OPEN;
	*out = &port->base;
	return 0;
}

/* The engine's part of it is over. */
static void finish(struct front_port *port)
{
	struct front *f = port_front(port);

	vmsg_port_fini(f->v, port->engine);
	f->nr_closing--;
	port_free(port);
}

static void unbind(struct front_port *port)
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
	call_begin(port_front(port), call);
	r = vmsg_unbind(port_front(port)->v, port->engine, call->cookie);
	if (!r) {
		port->state = PORT_UNBINDING;
		return;
	}
	call_end(call);
	/* -EAGAIN: next time. Anything else says that it is not bound. */
	if (r != -EAGAIN)
		port->state = PORT_DRAINING;
}

static bool has_pools(const struct front_port *port)
{
	const struct front_pool *pool;

	list_for_each_entry(pool, &port_front(port)->pools, link)
		if (pool_port(pool) == port)
			return true;
	return false;
}

void port_close_step(struct front_port *port)
{
	if (port->state == PORT_UNBIND)
		unbind(port);
	if (port->state == PORT_UNBINDING && port->call.done) {
		call_end(&port->call);
		port->state = PORT_DRAINING;
	}
	/* If there are messages to be answered, that wakes us. */
	if (vmsg_drained(port_front(port)->v, port->engine) && port->state == PORT_DRAINING &&
	    !has_pools(port))
		finish(port);
}

void front_port_close(struct xenmsg_port *base)
{
	struct front_port *port = port_of(base);
	struct front *f = port_front(port);
	uint32_t number = base->number;
	struct front_pool *pool, *next;
	uint64_t deadline;

	deadline = user_deadline(CLOSE_MS);
	while (batch_end(port) && !front_await(f, deadline))
		;
	batch_drop(port, -EHOSTDOWN);
	list_for_each_entry_safe(pool, next, &f->pools, link)
		if (pool_port(pool) == port)
			front_pool_close(&pool->base);
	/* What never was bound, or failed to be, has nothing to unbind. */
	if (port->state == PORT_OPEN)
		port->state = number ? PORT_UNBIND : PORT_DRAINING;
	else
		port->state = port->call.cookie ? PORT_UNBIND : PORT_DRAINING;
	f->nr_closing++;
	port_close_step(port);
	user_publish(f->user, true);
	deadline = user_deadline(CLOSE_MS);
	while (number && is_closing(f, number) && !front_await(f, deadline))
		;
	front_leave(f);
}
