// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The device: opening, closing, waiting; and the table of the transport. See
 * front.h for the model.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "front.h"

/* Ports and pools that are being closed make their next step when something came in. */
static void background(struct front *f)
{
	struct front_port *port, *next_port;
	struct front_pool *pool, *next_pool;

	if (!f->nr_closing)
		return;
	list_for_each_entry_safe(pool, next_pool, &f->pools, link)
		pool_close_step(pool);
	list_for_each_entry_safe(port, next_port, &f->ports, link)
		port_close_step(port);
	user_publish(f->user, false);
}

int front_await(struct front *f, uint64_t deadline)
{
	uint64_t before = f->progress;
	bool any;

	batches_end(f);
	if (user_gone(f->user))
		return -EHOSTDOWN;
	/* To publish may be to take in, too, and what is waited for may be among that. */
	user_publish(f->user, true);
	any = f->progress != before;
	if (any)
		user_publish(f->user, false);
	else
		any = user_wait(f->user, deadline);
	background(f);
	return any || !user_expired(f->user, deadline) ? 0 : -ETIMEDOUT;
}

void front_arm(struct front *f)
{
	if (!user_arm(f->user))
		return;
	/* Mostly answers that nobody waits for: cheaper to take in than to report. */
	user_poll(f->user);
	if (user_arm(f->user))
		front_note(f);
}

static int open_fds(struct front *f)
{
	struct epoll_event event = { .events = EPOLLIN };
	int r = notice_open(&f->notice);

	if (r)
		return r;
	f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (f->epoll_fd < 0 || epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, f->notice.fd, &event) ||
	    epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, user_fd(f->user), &event))
		return -errno;
	return 0;
}

static struct front *new_front(const struct xenmsg_options *options)
{
	struct front *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->base.ops = &front_transport;
	f->base.timeout = options->timeout;
	list_init(&f->ports);
	list_init(&f->pools);
	list_init(&f->calls);
	list_init(&f->batches);
	f->epoll_fd = -1;
	f->notice = (struct notice)NOTICE_NULL;
	sent_init(f);
	return f;
}

static void front_close(struct xenmsg *x)
{
	struct front *f = front_of(x);
	struct front_port *port, *next_port;
	struct front_pool *pool, *next_pool;

	/* The engine refers to ports and pools until it is gone. */
	if (f->user)
		user_disconnect(f->user);
	list_for_each_entry_safe(pool, next_pool, &f->pools, link)
		pool_destroy(pool);
	list_for_each_entry_safe(port, next_port, &f->ports, link)
		port_free(port);
	if (f->user)
		user_close(f->user);
	if (f->epoll_fd >= 0)
		close(f->epoll_fd);
	notice_close(&f->notice);
	free(f);
}

int front_open_on(const struct user_bus *bus, struct xenmsg **out,
		  const struct xenmsg_options *options)
{
	struct front *f = new_front(options);
	struct user_params params = {
		.priv = f,
		.bus = bus,
		.lock = options->lock,
		.socket = options->socket,
		.ring_order = options->ring_order,
		.tx_pages = options->tx_pages,
		.rx_pages = options->rx_pages,
	};
	struct user *user;
	int r;

	if (!f)
		return -ENOMEM;
	front_callbacks(&params);
	r = user_open(&user, &params, options->timeout);
	if (!r) {
		f->user = user;
		f->v = user_vmsg(user);
		r = open_fds(f);
	}
	if (r) {
		front_close(&f->base);
		return r;
	}
	*out = &f->base;
	return 0;
}

static int front_open(struct xenmsg **out, const struct xenmsg_options *options)
{
	return front_open_on(NULL, out, options);
}

static int front_fd(struct xenmsg *x)
{
	struct front *f = front_of(x);

	/* From now on whatever takes things in has to ask for the next event, too. */
	f->notice.polled = true;
	user_polled(f->user);
	front_leave(f);
	return f->epoll_fd;
}

static int front_dispatch(struct xenmsg *x)
{
	struct front *f = front_of(x);

	batches_end(f);
	user_dispatch(f->user);
	if (!list_empty(&f->batches)) {
		/* There may be room now. */
		batches_end(f);
		user_publish(f->user, true);
	}
	background(f);
	notice_told(&f->notice);
	front_leave(f);
	return user_gone(f->user);
}

static int front_wait(struct xenmsg *x, int timeout)
{
	struct front *f = front_of(x);
	int r = 0;

	batches_end(f);
	if (!f->notice.unreported)
		r = front_await(f, user_deadline(timeout));
	else
		user_publish(f->user, true);
	notice_told(&f->notice);
	front_leave(f);
	if (r == -ETIMEDOUT)
		return 0;
	return r ? r : 1;
}

static uint32_t front_address(const struct xenmsg *x)
{
	return vmsg_address(front_of(x)->v);
}

static const char *front_reason(const struct xenmsg *x)
{
	return user_reason(front_of(x)->user);
}

/* Whether all that was sent is answered; if not, from now on the answers wake us. */
static bool all_answered(struct front *f)
{
	struct front_port *port;
	bool all = true;

	list_for_each_entry(port, &f->ports, link)
		all &= vmsg_drained(f->v, port->engine);
	return all;
}

static int front_flush(struct xenmsg *x, int timeout)
{
	struct front *f = front_of(x);
	uint64_t deadline = user_deadline(timeout);
	int r = 0;

	batches_end(f);
	user_publish(f->user, true);
	while (!r && (!all_answered(f) || !list_empty(&f->batches)))
		r = front_await(f, deadline);
	if (!r) {
		r = f->failure;
		f->failure = 0;
	}
	front_leave(f);
	return r;
}

static int front_event(struct xenmsg *x, struct xenmsg_event *event)
{
	return event_next(&x->events, event);
}

static void front_stats(const struct xenmsg *x, struct xenmsg_stats *stats)
{
	const struct front *f = front_of(x);
	struct vmsg_stats v;

	vmsg_stats_get(f->v, &v);
	*stats = (struct xenmsg_stats){
		.tx_messages = v.tx_messages,
		.tx_bytes = v.tx_bytes,
		.tx_failed = v.tx_failed,
		.tx_resubmitted = v.tx_resubmitted,
		.tx_inline = v.tx_inline,
		.tx_pooled = v.tx_pooled,
		.tx_granted = v.tx_granted,
		.tx_mapped = v.tx_mapped,
		.rx_messages = v.rx_messages,
		.rx_bytes = v.rx_bytes,
		.rx_repeated = v.rx_repeated,
		.rx_copied_out = v.rx_copied_out,
		.events_sent = v.events,
		.events_received = user_events(f->user),
		.resets = v.resets,
	};
}

const struct transport_ops front_transport = {
	.open = front_open,
	.close = front_close,
	.fd = front_fd,
	.dispatch = front_dispatch,
	.wait = front_wait,
	.reason = front_reason,
	.address = front_address,
	.flush = front_flush,
	.resolve = front_resolve,
	.name = front_name,
	.subscribe = front_subscribe,
	.port_open = front_port_open,
	.port_close = front_port_close,
	.send = front_send,
	.sendv = front_sendv,
	.buffer_get = front_buffer_get,
	.buffer_send = front_buffer_send,
	.buffer_put = front_buffer_put,
	.recv = front_recv,
	.msg_iov = front_msg_iov,
	.copy = front_copy,
	.release = front_release,
	.pool_open = front_pool_open,
	.pool_close = front_pool_close,
	.pool_get = front_pool_get,
	.pool_put = front_pool_put,
	.pool_send = front_pool_send,
	.event = front_event,
	.stats = front_stats,
};
