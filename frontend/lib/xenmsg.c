// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The functions for the device, names, events and statistics; see transport.h
 * for the model.
 */
#include <errno.h>
#include <string.h>

#include "common/macros.h"
#include "transport.h"

/* In order of preference. */
static const struct transport_ops *const transports[] = { &kernel_transport, &local_transport,
							  &front_transport };

/*
 * Nobody asks a receiver before messages are sent as a batch: with so many pages its
 * ports take the longest one, see frontend/core/reset.c.
 */
#define RX_PAGES_MIN 24
_Static_assert((RX_PAGES_MIN - RX_PAGES_MIN / 16 - VMSGIF_RX_RESERVE) * VMSGIF_PAGE_SIZE >=
		       VMSGIF_BATCH_BYTES,
	       "fewer are too few for a batch");

/* Fields that the caller's library did not know keep their defaults. */
static struct xenmsg_options merge_options(const struct xenmsg_options *options)
{
	struct xenmsg_options o = XENMSG_OPTIONS_INIT;

	if (options)
		memcpy(&o, options, options->size < sizeof(o) ? options->size : sizeof(o));
	if (o.tx_pages == XENMSG_DEFAULT)
		o.tx_pages = 272;
	if (o.rx_pages == XENMSG_DEFAULT)
		o.rx_pages = 336;
	if (o.rx_pages < RX_PAGES_MIN)
		o.rx_pages = RX_PAGES_MIN;
	/* So that all of them can be posted. */
	if (o.ring_order == XENMSG_DEFAULT)
		o.ring_order = o.rx_pages > VMSGIF_RING_SLOTS(4) ? 5 : 4;
	return o;
}

int xenmsg_open(struct xenmsg **out, const struct xenmsg_options *options)
{
	struct xenmsg_options o = merge_options(options);
	int r = TRANSPORT_ABSENT;
	size_t i;

	for (i = 0; i < ARRAY_LEN(transports) && r == TRANSPORT_ABSENT; i++)
		r = transports[i]->open(out, &o);
	return r == TRANSPORT_ABSENT ? -ENODEV : r;
}

void xenmsg_close(struct xenmsg *x)
{
	if (x)
		x->ops->close(x);
}

int xenmsg_fd(struct xenmsg *x)
{
	return x->ops->fd(x);
}

int xenmsg_dispatch(struct xenmsg *x)
{
	return x->ops->dispatch(x);
}

int xenmsg_wait(struct xenmsg *x, int timeout)
{
	return x->ops->wait(x, timeout);
}

const char *xenmsg_reason(const struct xenmsg *x)
{
	return x->ops->reason(x);
}

int xenmsg_may_return(const struct xenmsg *x)
{
	return x->ops->returns;
}

uint32_t xenmsg_address(const struct xenmsg *x)
{
	return x->ops->address(x);
}

int xenmsg_flush(struct xenmsg *x, int timeout)
{
	return x->ops->flush(x, timeout);
}

/* ------------------------------------------------------------------ names */

int xenmsg_resolve(struct xenmsg *x, const char *name, uint32_t *addr, uint32_t *port, int timeout)
{
	size_t len = name_length(name);
	uint32_t unwanted;

	if (!len)
		return -EINVAL;
	return x->ops->resolve(x, name, len, addr, port ? port : &unwanted, timeout);
}

int xenmsg_name(struct xenmsg *x, uint32_t addr, char name[XENMSG_NAME_MAX + 1], int timeout)
{
	name[0] = '\0';
	return x->ops->name(x, addr, name, timeout);
}

static int subscribe(struct xenmsg *x, const char *name, bool cancel)
{
	size_t len = name_length(name);

	return len ? x->ops->subscribe(x, name, len, cancel) : -EINVAL;
}

int xenmsg_subscribe(struct xenmsg *x, const char *name)
{
	return subscribe(x, name, false);
}

int xenmsg_unsubscribe(struct xenmsg *x, const char *name)
{
	return subscribe(x, name, true);
}

/* ----------------------------------------------------- events, statistics */

int xenmsg_event(struct xenmsg *x, struct xenmsg_event *event)
{
	return x->ops->event(x, event);
}

void xenmsg_stats(const struct xenmsg *x, struct xenmsg_stats *stats, size_t size)
{
	struct xenmsg_stats all = { 0 };

	x->ops->stats(x, &all);
	memset(stats, 0, size);
	memcpy(stats, &all, size < sizeof(all) ? size : sizeof(all));
}
