// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Ports.
 *
 * Closing one gives its number back, and drops what was received. What was sent
 * goes on, may fail, and is waited for by xenmsg_flush(): so the file is kept
 * until all is answered. When it is closed, the driver deletes its pools.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

/* How long a close waits for the port's number to be free again. */
#define CLOSE_MS 1000

static int bind_port(struct kport *port, const struct xenmsg_bind *bind)
{
	struct kernel *k = kport_kernel(port);
	struct xenmsg_uapi_bind b = {
		.port = port->base.number,
		/* With less than asked for, senders wait earlier: no reason to refuse. */
		.buffer = bind->buffer < k->buffer_max ? bind->buffer : k->buffer_max,
	};

	if (bind->service) {
		b.name_len = (uint32_t)strlen(bind->service);
		memcpy(b.name, bind->service, b.name_len);
	}
	return kernel_ask(port->file.fd, XENMSG_IOC_BIND, &b, &b.timeout, k->base.timeout);
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
	list_init(&port->heap);
	list_init(&port->pools);
	list_init(&port->foreign);
	krecv_init(port, buffer);
	return port;
}

int kernel_port_open(struct xenmsg *x, uint32_t number, const struct xenmsg_bind *bind,
		     struct xenmsg_port **out)
{
	struct kernel *k = kernel_of(x);
	struct kport *port;
	int r;

	if (k->gone)
		return -EHOSTDOWN;
	port = new_port(k, number, bind->buffer);
	if (!port)
		return -ENOMEM;
	list_add_tail(&k->ports, &port->link);
	r = kfile_open(k, &port->file, port);
	if (!r && number)
		r = bind_port(port, bind);
	if (r) {
		kport_free(port);
		return r;
	}
	*out = &port->base;
	kernel_leave(k);
	return 0;
}

/* Everything of it that the application could see. */
static void drop(struct kport *port)
{
	struct kpool *pool, *next;

	krecv_fini(port);
	kforeign_drop(port);
	kbuffers_free(port);
	list_for_each_entry_safe(pool, next, &port->pools, link)
		kpool_free(pool);
}

void kport_free(struct kport *port)
{
	drop(port);
	kfile_close(kport_kernel(port), &port->file);
	list_del(&port->link);
	free(port);
}

void kernel_port_close(struct xenmsg_port *base)
{
	struct kport *port = kport_of(base);
	struct kernel *k = kport_kernel(port);
	struct xenmsg_uapi_unbind u = { 0 };

	/* The owners of pools are told by the UNBIND that they are not mapped any more. */
	drop(port);
	port->closing = true;
	if (base->number)
		kernel_ask(port->file.fd, XENMSG_IOC_UNBIND, &u, &u.timeout, CLOSE_MS);
	k->closing = true;
	kernel_closing(k);
	kernel_leave(k);
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
	if (r == -ETIMEDOUT)
		return false;
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
	if (!kport_answered(port)) {
		port->draining = true;
		kfile_watch(kport_kernel(port), &port->file);
		return false;
	}
	kevent_fetch(kport_kernel(port), &port->file);
	kport_free(port);
	return true;
}

void kernel_closing(struct kernel *k)
{
	struct kport *port, *next;
	bool done = true;

	list_for_each_entry_safe(port, next, &k->ports, link)
		done &= port_closing(port);
	k->closing = !done;
}
