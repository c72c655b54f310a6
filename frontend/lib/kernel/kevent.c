// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the driver tells of files, noted down for the application.
 *
 * Every message from a room carries a cookie that names the room, and asks to
 * be confirmed: the application may write there again when it is answered. It
 * hears of that only if it asked as well, or if the message failed.
 */
#include <string.h>

#include "kernel.h"

#define BATCH 16

static struct xenmsg_event *new_event(struct kernel *k, enum xenmsg_event_type type)
{
	return event_new(&k->base.events, type);
}

/* A port that is being closed is nothing to the application any more. */
static struct xenmsg_port *told_port(struct kport *port)
{
	return port->closing ? NULL : &port->base;
}

static void room_is_back(struct kport *port, uint64_t cookie)
{
	struct kpool *pool;

	if (cookie & COOKIE_AREA) {
		/* No pages: a port that is being closed. */
		room_put(&port->area, COOKIE_HEAD(cookie));
	} else if (cookie & COOKIE_POOL) {
		pool = kpool_find(port, COOKIE_POOL_ID(cookie));
		if (!pool)
			return;
		room_put(&pool->rooms, COOKIE_HEAD(cookie));
		pool->nr_sent--;
	}
}

static void report(struct kernel *k, struct kport *port, const struct xenmsg_uapi_event *e,
		   uint64_t seq)
{
	bool confirm = e->cookie & COOKIE_CONFIRM;
	struct xenmsg_event *event;

	event = new_event(k, confirm ? XENMSG_SENT : XENMSG_SEND_FAILED);
	if (!event)
		return;
	event->status = e->status;
	event->addr = e->addr;
	event->number = e->port;
	event->seq = seq;
	event->port = told_port(port);
}

static void answered(struct kernel *k, struct kport *port, const struct xenmsg_uapi_event *e)
{
	unsigned int i = e->cookie & COOKIE_BATCH ? COOKIE_HEAD(e->cookie) : 1;

	room_is_back(port, e->cookie);
	if (!e->status && !(e->cookie & COOKIE_CONFIRM))
		return;
	while (i--)
		report(k, port, e, e->seq - i);
}

void kevent_failed(struct kport *port, const struct xenmsg_uapi_tx *tx, int status)
{
	struct kernel *k = kport_kernel(port);
	const struct xenmsg_uapi_event event = {
		.status = status,
		.addr = tx->addr,
		.port = tx->port,
		.cookie = tx->cookie,
	};
	unsigned int i = tx->cookie & COOKIE_BATCH ? COOKIE_HEAD(tx->cookie) : 1;

	if (!k->failure)
		k->failure = status;
	kernel_note(k);
	/* They have no numbers. */
	while (i--)
		report(k, port, &event, 0);
}

static void peer_up(struct kernel *k, const struct xenmsg_uapi_event *e)
{
	struct xenmsg_event *event = new_event(k, XENMSG_PEER_UP);

	if (!event || e->name_len > XENMSG_NAME_MAX)
		return;
	event->addr = e->addr;
	memcpy(event->name, e->name, e->name_len);
}

/* Each file tells that dealt with it. An address does not come again. */
static void peer_down(struct kernel *k, uint32_t addr)
{
	struct xenmsg_event *event;
	unsigned int i;

	for (i = 0; i < KERNEL_DEAD; i++)
		if (k->dead[i] == addr)
			return;
	k->dead[k->nr_dead++ % KERNEL_DEAD] = addr;
	event = new_event(k, XENMSG_PEER_DOWN);
	if (event)
		event->addr = addr;
}

/* Every file tells; the device's is enough. The first one is no change. */
static void new_address(struct kernel *k, const struct kport *port, uint32_t addr)
{
	struct xenmsg_event *event;

	if (port || addr == k->addr)
		return;
	k->addr = addr;
	event = new_event(k, XENMSG_ADDRESS);
	if (event)
		event->addr = addr;
}

static void port_lost(struct kernel *k, struct kport *port, int status)
{
	struct xenmsg_event *event;

	if (port->closing)
		return;
	event = new_event(k, XENMSG_PORT_LOST);
	if (!event)
		return;
	event->port = &port->base;
	event->status = status;
}

static void lost(struct kernel *k, struct kport *port, uint64_t count)
{
	struct xenmsg_event *event = new_event(k, XENMSG_LOST);

	if (event)
		event->count = count;
	else
		k->base.events.lost += count - 1; /* it was counted as one */
	if (port)
		port->lost = true;
}

static void handle_pool(struct kport *port, const struct xenmsg_uapi_event *e)
{
	struct kpool *pool;

	switch (e->type) {
	case XENMSG_EV_POOL_MAP:
		kforeign_map(port, e);
		break;
	case XENMSG_EV_POOL_UNMAP:
		kforeign_unmap(port, e->slot, e->status == -EBUSY);
		break;
	case XENMSG_EV_POOL_FREE:
		kforeign_free(port, e->slot);
		break;
	case XENMSG_EV_POOL_GONE:
		pool = kpool_find(port, e->slot);
		if (pool)
			pool->gone = true;
		break;
	case XENMSG_EV_POOL_ADDED:
		pool = kpool_find(port, e->slot);
		if (pool && pool->opening) {
			pool->opening = false;
			pool->status = e->status;
		}
		break;
	default: /* of a later version */
		break;
	}
}

/* What the device's file has no part in comes from the files of ports alone. */
static void handle(struct kernel *k, struct kport *port, const struct xenmsg_uapi_event *e)
{
	kernel_note(k);
	switch (e->type) {
	case XENMSG_EV_PEER_UP:
		peer_up(k, e);
		break;
	case XENMSG_EV_PEER_DOWN:
		peer_down(k, e->addr);
		break;
	case XENMSG_EV_ADDRESS:
		new_address(k, port, e->addr);
		break;
	case XENMSG_EV_LOST:
		lost(k, port, e->seq);
		break;
	case XENMSG_EV_SENT:
	case XENMSG_EV_FAILED:
		if (port)
			answered(k, port, e);
		break;
	case XENMSG_EV_PORT_LOST:
		if (port)
			port_lost(k, port, e->status);
		break;
	default:
		if (port)
			handle_pool(port, e);
		break;
	}
}

bool kevent_fetch(struct kernel *k, struct kfile *file)
{
	struct xenmsg_uapi_event events[BATCH];
	struct xenmsg_uapi_events arg = { .events = kernel_u64(events), .nr = BATCH };
	struct kport *port = file->port;
	bool any = false;
	int i, n;

	if (port) {
		port->look = true;
		port->unfetched = 0;
	}

	/* Until there are none: the next edge comes with the next event. */
	do {
		n = sys_ioctl(file->fd, XENMSG_IOC_EVENTS, &arg);
		any |= n > 0;
		for (i = 0; i < n; i++)
			handle(k, port, &events[i]);
	} while (n > 0 || n == -EINTR);
	return any;
}
