// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The device: opening, closing, waiting; see front.h for the model.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "front.h"

/* Ports and pools that are being closed make their next step when something came in. */
static void background(struct xenmsg *x)
{
	struct xenmsg_port *port, *next_port;
	struct xenmsg_pool *pool, *next_pool;

	if (!x->nr_closing)
		return;
	list_for_each_entry_safe(pool, next_pool, &x->pools, link)
		pool_close_step(pool);
	list_for_each_entry_safe(port, next_port, &x->ports, link)
		port_close_step(port);
	user_publish(x->user, false);
}

int lib_wait(struct xenmsg *x, uint64_t deadline)
{
	uint64_t before = x->progress;
	bool any;

	if (user_gone(x->user))
		return -EHOSTDOWN;
	/* To publish may be to take in, too, and what is waited for may be among that. */
	user_publish(x->user, true);
	any = x->progress != before || user_wait(x->user, deadline);
	background(x);
	return any || !user_expired(x->user, deadline) ? 0 : -ETIMEDOUT;
}

/* Make the application's descriptor readable, or not any more. */
static void signal_fd(struct xenmsg *x, bool on)
{
	uint64_t value = 1;
	ssize_t n;

	if (on == x->signalled)
		return;
	n = on ? write(x->event_fd, &value, sizeof(value)) :
		 read(x->event_fd, &value, sizeof(value));
	if (n == sizeof(value))
		x->signalled = on;
}

void lib_leave(struct xenmsg *x)
{
	if (LIKELY(!x->polled))
		return;
	if (user_arm(x->user)) {
		/* Mostly answers that nobody waits for: cheaper to take in than to report. */
		user_poll(x->user);
		if (user_arm(x->user))
			lib_note(x);
	}
	if (x->unreported)
		signal_fd(x, true);
}

static int open_fds(struct xenmsg *x)
{
	struct epoll_event event = { .events = EPOLLIN };

	x->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	x->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (x->event_fd < 0 || x->epoll_fd < 0 ||
	    epoll_ctl(x->epoll_fd, EPOLL_CTL_ADD, x->event_fd, &event) ||
	    epoll_ctl(x->epoll_fd, EPOLL_CTL_ADD, user_fd(x->user), &event))
		return -errno;
	return 0;
}

/* Fields that the caller's library did not know keep their defaults. */
static struct xenmsg_options merge_options(const struct xenmsg_options *options)
{
	struct xenmsg_options o = XENMSG_OPTIONS_INIT;

	if (options)
		memcpy(&o, options, options->size < sizeof(o) ? options->size : sizeof(o));
	if (o.ring_order == XENMSG_DEFAULT)
		o.ring_order = 4;
	if (o.tx_pages == XENMSG_DEFAULT)
		o.tx_pages = 288;
	if (o.rx_pages == XENMSG_DEFAULT)
		o.rx_pages = 288;
	return o;
}

static struct xenmsg *new_xenmsg(void)
{
	struct xenmsg *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	list_init(&x->ports);
	list_init(&x->pools);
	list_init(&x->calls);
	x->event_fd = x->epoll_fd = -1;
	sent_init(x);
	return x;
}

int xenmsg_open(struct xenmsg **out, const struct xenmsg_options *options)
{
	struct xenmsg_options o = merge_options(options);
	struct user_params params = { 0 };
	struct xenmsg *x = new_xenmsg();
	struct user *user;
	int r;

	if (!x)
		return -ENOMEM;
	x->timeout = o.timeout;
	lib_callbacks(&params);
	params.priv = x;
	params.lock = o.lock;
	params.ring_order = o.ring_order;
	params.tx_pages = o.tx_pages;
	params.rx_pages = o.rx_pages;
	r = user_open(&user, &params, o.timeout);
	if (!r) {
		x->user = user;
		x->v = user_vmsg(user);
		r = open_fds(x);
	}
	if (r) {
		xenmsg_close(x);
		return r;
	}
	*out = x;
	return 0;
}

void xenmsg_close(struct xenmsg *x)
{
	struct xenmsg_port *port, *next_port;
	struct xenmsg_pool *pool, *next_pool;

	if (!x)
		return;
	/* The engine refers to ports and pools until it is gone. */
	if (x->user)
		user_disconnect(x->user);
	list_for_each_entry_safe(pool, next_pool, &x->pools, link)
		pool_destroy(pool);
	list_for_each_entry_safe(port, next_port, &x->ports, link)
		port_free(port);
	if (x->user)
		user_close(x->user);
	if (x->epoll_fd >= 0)
		close(x->epoll_fd);
	if (x->event_fd >= 0)
		close(x->event_fd);
	free(x);
}

int xenmsg_fd(struct xenmsg *x)
{
	/* From now on whatever takes things in has to ask for the next event, too. */
	x->polled = true;
	lib_leave(x);
	return x->epoll_fd;
}

int xenmsg_dispatch(struct xenmsg *x)
{
	user_dispatch(x->user);
	background(x);
	x->unreported = false;
	signal_fd(x, false);
	lib_leave(x);
	return user_gone(x->user);
}

int xenmsg_wait(struct xenmsg *x, int timeout)
{
	int r = 0;

	if (!x->unreported)
		r = lib_wait(x, user_deadline(timeout));
	else
		user_publish(x->user, true);
	x->unreported = false;
	signal_fd(x, false);
	lib_leave(x);
	if (r == -ETIMEDOUT)
		return 0;
	return r ? r : 1;
}

uint32_t xenmsg_address(const struct xenmsg *x)
{
	return vmsg_address(x->v);
}

const char *xenmsg_reason(const struct xenmsg *x)
{
	return user_reason(x->user);
}

/* From now on answers to what was sent wake us. */
static void await_answers(struct xenmsg *x)
{
	struct xenmsg_port *port;

	list_for_each_entry(port, &x->ports, link)
		if (port->nr_sent)
			vmsg_drained(x->v, port->engine);
}

int xenmsg_flush(struct xenmsg *x, int timeout)
{
	uint64_t deadline = user_deadline(timeout);
	int r = 0;

	user_publish(x->user, true);
	while (!r && x->nr_sent) {
		await_answers(x);
		r = lib_wait(x, deadline);
	}
	if (!r) {
		r = x->failure;
		x->failure = 0;
	}
	lib_leave(x);
	return r;
}

int xenmsg_event(struct xenmsg *x, struct xenmsg_event *event)
{
	return event_next(&x->events, event);
}

void xenmsg_stats(const struct xenmsg *x, struct xenmsg_stats *stats, size_t size)
{
	struct vmsg_stats v;
	struct xenmsg_stats all;

	vmsg_stats_get(x->v, &v);
	all = (struct xenmsg_stats){
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
		.events_received = user_events(x->user),
		.resets = v.resets,
	};
	memset(stats, 0, size);
	memcpy(stats, &all, size < sizeof(all) ? size : sizeof(all));
}
