// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Ports.
 *
 * Closing one gives its number back, and drops what was received. What was sent
 * goes on, may fail, and is waited for by xenmsg_flush(): so the file is kept
 * until all is answered. When it is closed, the driver deletes its pools.
 *
 * That the number is free is only waited for for a while. As long as it is not,
 * the file is kept, too, for whoever wants to bind the number again.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

/* How long a close waits for the port's number to be free again. */
#define CLOSE_MS 1000

/* Unbind it, or go on waiting for that. False: it is still under way. */
static bool unbind(struct kport *port, int ms)
{
	struct xenmsg_uapi_unbind u = { 0 };
	int r;

	r = kernel_ask(port->file.fd, XENMSG_IOC_UNBIND, &u, &u.timeout, ms);
	/* All other errors say that it is not bound. */
	port->unbinding = r == -ETIMEDOUT;
	return !port->unbinding;
}

/* Wait for ports that have number @number until now. */
static bool await_number(struct kernel *k, uint32_t number, uint64_t deadline)
{
	struct kport *port;

	list_for_each_entry(port, &k->ports, link)
		if (port->unbinding && port->base.number == number &&
		    !unbind(port, kernel_left(deadline)))
			return false;
	return true;
}

static int bind_port(struct kport *port, const struct xenmsg_bind *bind)
{
	struct kernel *k = kport_kernel(port);
	uint64_t deadline = kernel_deadline(k->base.timeout);
	struct xenmsg_uapi_bind b = {
		.port = port->base.number,
		/* With less than asked for, senders wait earlier: no reason to refuse. */
		.buffer = bind->buffer < k->buffer_max ? bind->buffer : k->buffer_max,
	};

	if (bind->service) {
		b.name_len = (uint32_t)strlen(bind->service);
		memcpy(b.name, bind->service, b.name_len);
	}
	if (!await_number(k, port->base.number, deadline))
		return -ETIMEDOUT;
	return kernel_ask(port->file.fd, XENMSG_IOC_BIND, &b, &b.timeout, kernel_left(deadline));
}

static struct kport *new_port(struct kernel *k, uint32_t number, size_t buffer)
{
	struct kport *port = calloc(1, sizeof(*port));

	if (!port)
		return NULL;
	port->base.x = &k->base;
	port->base.number = number;
	port->file.fd = -1;
	list_init(&port->link);
	list_init(&port->batch.link);
	list_init(&port->heap);
	list_init(&port->pools);
	list_init(&port->foreign);
	krecv_init(port, buffer);
	return port;
}

/* Everything of it that the application could see. */
static void drop(struct kport *port)
{
	struct kpool *pool, *next;

	krecv_fini(port);
	kbatch_free(port);
	kforeign_drop(port);
	kbuffers_free(port);
	list_for_each_entry_safe(pool, next, &port->pools, link)
		kpool_free(pool);
}

/* Its file and memory. */
static void kport_free(struct kport *port)
{
	drop(port);
	kfile_close(kport_kernel(port), &port->file);
	list_del(&port->link);
	free(port);
}

static int open_port(struct kernel *k, uint32_t number, const struct xenmsg_bind *bind,
		     struct kport **out)
{
	struct kport *port = new_port(k, number, bind->buffer);
	int r;

	if (!port)
		return -ENOMEM;
	list_add_tail(&k->ports, &port->link);
	r = kfile_open(k, &port->file, port);
	if (!r && number)
		r = bind_port(port, bind);
	if (r)
		kport_free(port);
	else
		*out = port;
	return r;
}

int kernel_port_open(struct xenmsg *x, uint32_t number, const struct xenmsg_bind *bind,
		     struct xenmsg_port **out)
{
	struct kernel *k = kernel_of(x);
	struct kport *port;
	int r;

	/* Perhaps it is back, and nobody has looked since. */
	if (k->gone)
		kernel_serve(k);
	r = k->gone ? -EHOSTDOWN : open_port(k, number, bind, &port);
	if (!r)
		*out = &port->base;
	kernel_leave(k);
	return r;
}

void kernel_port_close(struct xenmsg_port *base)
{
	struct kport *port = kport_of(base);
	struct kernel *k = kport_kernel(port);
	uint64_t deadline;

	deadline = kernel_deadline(CLOSE_MS);
	while (kbatch_end(port) && kernel_await(k, deadline) >= 0)
		;
	kbatch_drop(port, -EHOSTDOWN);
	/* The owners of pools are told by the UNBIND that they are not mapped any more. */
	drop(port);
	port->closing = true;
	if (base->number)
		unbind(port, CLOSE_MS);
	port->look = true;
	k->closing = true;
	kernel_closing(k);
	kernel_leave(k);
}

void kports_free(struct kernel *k)
{
	uint64_t deadline = kernel_deadline(CLOSE_MS);
	struct kport *port, *next;

	/*
	 * To close a file does not wait for the end of its port, so whoever opens
	 * the device next would find the number taken; and a forked child may hold
	 * the file for longer. All are asked for before one is waited for.
	 */
	list_for_each_entry(port, &k->ports, link) {
		drop(port);
		if (port->base.number && !port->closing)
			unbind(port, 0);
	}
	list_for_each_entry_safe(port, next, &k->ports, link) {
		if (port->unbinding)
			unbind(port, kernel_left(deadline));
		kport_free(port);
	}
}

bool kport_answered(struct kport *port)
{
	struct kernel *k = kport_kernel(port);
	struct xenmsg_uapi_flush f = { .timeout = 0 };
	int r;

	if (!port->sent)
		return true;
	do
		r = sys_ioctl(port->file.fd, XENMSG_IOC_FLUSH, &f);
	while (r == -EINTR);
	if (r == -ETIMEDOUT) {
		/* To wait publishes. */
		k->lazy = false;
		return false;
	}
	port->sent = false;
	if (!k->failure)
		k->failure = r ? r : f.status;
	return true;
}

bool kport_recover(struct kport *port)
{
	struct kernel *k = kport_kernel(port);
	struct kpool *pool;

	if (!port->lost || !kport_answered(port))
		return false;
	/* Those that were not lost are about the rooms as they are now. */
	port->lost = false;
	kevent_fetch(k, &port->file);
	rooms_put_busy(&port->area);
	list_for_each_entry(pool, &port->pools, link) {
		rooms_put_busy(&pool->rooms);
		pool->nr_sent = 0;
	}
	return true;
}

/* True: there is nothing left to do. */
static bool port_closing(struct kport *port)
{
	struct kpool *pool, *next;
	bool done = true;

	kport_recover(port);
	list_for_each_entry_safe(pool, next, &port->pools, link)
		if (pool->closing)
			done &= kpool_close_step(pool);
	if (!port->closing)
		return done;
	if ((port->unbinding && !unbind(port, 0)) || !kport_answered(port)) {
		port->draining = true;
		kfile_watch(kport_kernel(port), &port->file);
		return false;
	}
	kevent_fetch(kport_kernel(port), &port->file);
	kport_free(port);
	return true;
}

/* Whether it, or a pool of it, is being closed. */
static bool ends(const struct kport *port)
{
	const struct kpool *pool;

	list_for_each_entry(pool, &port->pools, link)
		if (pool->closing)
			return true;
	return port->closing;
}

void kernel_closing(struct kernel *k)
{
	struct kport *port, *next;
	bool done = true;

	list_for_each_entry_safe(port, next, &k->ports, link) {
		if (!ends(port))
			continue;
		if (port->look) {
			port->look = false;
			done &= port_closing(port);
		} else {
			done = false;
		}
	}
	k->closing = !done;
}
