// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The device: opening, closing, waiting; and the table of the transport. See
 * kernel.h for the model.
 */
#include <stdlib.h>

#include "kernel.h"

/* 0; TRANSPORT_ABSENT: this kernel has no such driver. */
static int open_file(struct kernel *k)
{
	int r = kfile_open(k, &k->file, NULL);

	return r == -ENOENT || r == -ENODEV || r == -ENXIO ? TRANSPORT_ABSENT : r;
}

static int wait_connected(struct kernel *k, int timeout)
{
	struct xenmsg_uapi_info info = { 0 };
	int r;

	r = kernel_ask(k->file.fd, XENMSG_IOC_INFO, &info, &info.timeout, timeout);
	if (r == -ENOTTY || (!r && info.version != XENMSG_UAPI_VERSION))
		return -EPROTONOSUPPORT;
	if (r)
		return r;
	if (!(info.flags & XENMSG_INFO_CONNECTED))
		return info.flags & XENMSG_INFO_DEVICE ? -ETIMEDOUT : -ENODEV;
	k->addr = info.addr;
	k->area_pages = info.area_pages;
	k->buffer_max = info.buffer_max;
	k->max_message = info.max_message;
	return 0;
}

static void kernel_close(struct xenmsg *x)
{
	struct kernel *k = kernel_of(x);

	kports_free(k);
	kfile_close(k, &k->file);
	kfiles_close(k);
	free(k);
}

static struct kernel *new_kernel(const struct xenmsg_options *options)
{
	struct kernel *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->base.ops = &kernel_transport;
	k->base.timeout = options->timeout;
	k->file.fd = k->epoll_fd = k->app_fd = k->batches.timer_fd = -1;
	k->notice = (struct notice)NOTICE_NULL;
	list_init(&k->ports);
	list_init(&k->batches.all);
	quiet_logger(&k->quiet);
	return k;
}

static int kernel_open(struct xenmsg **out, const struct xenmsg_options *options)
{
	struct kernel *k = new_kernel(options);
	int r;

	if (!k)
		return -ENOMEM;
	r = kfiles_open(k);
	if (!r)
		r = open_file(k);
	if (!r)
		r = wait_connected(k, options->timeout);
	if (r) {
		kernel_close(&k->base);
		return r;
	}
	*out = &k->base;
	return 0;
}

static int kernel_fd(struct xenmsg *x)
{
	struct kernel *k = kernel_of(x);

	if (!k->notice.polled) {
		k->notice.polled = true;
		kbatches_polled(k);
	}
	kernel_leave(k);
	return k->app_fd;
}

static int kernel_dispatch(struct xenmsg *x)
{
	struct kernel *k = kernel_of(x);

	kernel_serve(k);
	notice_told(&k->notice);
	return k->gone ? -EHOSTDOWN : 0;
}

static int kernel_wait(struct xenmsg *x, int timeout)
{
	struct kernel *k = kernel_of(x);
	bool any = true;

	if (k->notice.unreported)
		kernel_serve(k);
	else
		any = kernel_await(k, kernel_deadline(timeout)) != -ETIMEDOUT;
	/* Also what came up after the sleep is told by this. */
	any |= k->notice.unreported;
	notice_told(&k->notice);
	return k->gone ? -EHOSTDOWN : any;
}

static const char *kernel_reason(const struct xenmsg *x)
{
	return kernel_of(x)->gone ? "the kernel's driver has no device any more" : NULL;
}

static uint32_t kernel_address(const struct xenmsg *x)
{
	return kernel_of(x)->addr;
}

/* Watch for the end of what is not answered. True: all is. */
static bool all_answered(struct kernel *k)
{
	struct kport *port;
	bool all = true;

	list_for_each_entry(port, &k->ports, link) {
		if (kport_answered(port))
			continue;
		all = false;
		port->draining = true;
		kfile_watch(k, &port->file);
	}
	return all;
}

static int kernel_flush(struct xenmsg *x, int timeout)
{
	struct kernel *k = kernel_of(x);
	uint64_t deadline = kernel_deadline(timeout);
	struct kport *port;
	int r = 0;

	kbatches_end(k);
	while (r >= 0 && (!all_answered(k) || !list_empty(&k->batches.all)))
		r = kernel_await(k, deadline);
	list_for_each_entry(port, &k->ports, link) {
		/* One that closes watches for it on its own. */
		port->draining = port->closing;
		kfile_watch(k, &port->file);
	}
	kernel_serve(k);
	if (r >= 0) {
		r = k->failure;
		k->failure = 0;
	}
	kernel_leave(k);
	return r;
}

static int kernel_event(struct xenmsg *x, struct xenmsg_event *event)
{
	struct kernel *k = kernel_of(x);
	int r = event_next(&x->events, event);

	if (r != -EAGAIN)
		return r;
	/* Nothing else looks for them in an application that only sends. */
	kernel_serve(k);
	kernel_leave(k);
	return event_next(&x->events, event);
}

static void kernel_stats(const struct xenmsg *x, struct xenmsg_stats *stats)
{
	struct xenmsg_uapi_stats s;

	if (sys_ioctl(kernel_of(x)->file.fd, XENMSG_IOC_STATS, &s) < 0)
		return;
	*stats = (struct xenmsg_stats){
		.tx_messages = s.tx_messages,
		.tx_bytes = s.tx_bytes,
		.tx_failed = s.tx_failed,
		.tx_resubmitted = s.tx_resubmitted,
		.tx_inline = s.tx_inline,
		.tx_pooled = s.tx_pooled,
		.tx_granted = s.tx_granted,
		.tx_mapped = s.tx_mapped,
		.rx_messages = s.rx_messages,
		.rx_bytes = s.rx_bytes,
		.rx_repeated = s.rx_repeated,
		.rx_copied_out = s.rx_copied_out,
		.events_sent = s.events_sent,
		.events_received = s.events_received,
		.resets = s.resets,
	};
}

const struct transport_ops kernel_transport = {
	.returns = true,
	.open = kernel_open,
	.close = kernel_close,
	.fd = kernel_fd,
	.dispatch = kernel_dispatch,
	.wait = kernel_wait,
	.reason = kernel_reason,
	.address = kernel_address,
	.flush = kernel_flush,
	.resolve = kernel_resolve,
	.name = kernel_name,
	.subscribe = kernel_subscribe,
	.port_open = kernel_port_open,
	.port_close = kernel_port_close,
	.send = kernel_send,
	.sendv = kernel_sendv,
	.buffer_get = kernel_buffer_get,
	.buffer_send = kernel_buffer_send,
	.buffer_put = kernel_buffer_put,
	.recv = kernel_recv,
	.msg_iov = kernel_msg_iov,
	.copy = kernel_copy,
	.release = kernel_release,
	.pool_open = kernel_pool_open,
	.pool_close = kernel_pool_close,
	.pool_get = kernel_pool_get,
	.pool_put = kernel_pool_put,
	.pool_send = kernel_pool_send,
	.event = kernel_event,
	.stats = kernel_stats,
};
