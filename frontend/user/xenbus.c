// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The bus of a guest: xenstore, grants, an event channel. The state machine is
 * in connect.c.
 *
 * The order of opening matters once: the lock comes before anything that another
 * owner would notice, and goes last.
 *
 * The event channel stays valid through restarts of the broker: when that dies,
 * our port falls back to "unbound, for the backend's domain", which its successor
 * can bind (xen/common/event_channel.c:evtchn_close()).
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/clock.h"
#include "device.h"

#define SYSFS_DEVICE "/sys/bus/xen/devices/vmsg-0"

enum { SOURCE_EVTCHN = 1, SOURCE_STORE };

static int xen_open(struct user *user)
{
	int r;

	user->lock_fd = lock_take(user->params.lock);
	if (user->lock_fd < 0)
		return user->lock_fd;
	r = lock_driver(SYSFS_DEVICE);
	if (r)
		return r;
	r = store_open(&user->store);
	if (r)
		return r;
	user->evtchn = xenevtchn_open(&user->quiet, 0);
	if (!user->evtchn)
		return -errno;
	user->gntshr = xengntshr_open(&user->quiet, 0);
	if (!user->gntshr)
		return -errno;
	/*
	 * By its edge, which saves the kernel a look for each event. The driver wakes nobody while
	 * its ring has something (drivers/xen/evtchn.c:evtchn_interrupt()), but there is never more
	 * than one: this handle binds one port, once, which stays masked until it was read.
	 */
	r = events_add(user, xenevtchn_fd(user->evtchn), EPOLLIN | EPOLLET, SOURCE_EVTCHN);
	return r ? r : events_add(user, store_fd(&user->store), EPOLLIN, SOURCE_STORE);
}

static void xen_close(struct user *user)
{
	if (user->evtchn)
		xenevtchn_close(user->evtchn);
	store_close(&user->store);
	if (user->lock_fd >= 0)
		close(user->lock_fd);
}

/* -ENOENT of a step: not there yet. -EAGAIN: broker and frontend crossed. */
static int xen_begin(struct user *user, uint64_t deadline)
{
	int r;

	while ((r = store_find_device(&user->store)) == -ENOENT) {
		events_sleep(user, deadline);
		if (user->phase == USER_GONE)
			return -EHOSTDOWN;
		if (clock_now_ns() >= deadline)
			return -ENODEV;
	}
	return r ? r : connect_begin(user);
}

static void xen_abandon(struct user *user)
{
	store_put_state(&user->store, XenbusStateClosed);
}

/* The channel, and the page that tells the broker of our death. */
static int xen_prepare(struct user *user)
{
	xenevtchn_port_or_error_t port;

	port = xenevtchn_bind_unbound_port(user->evtchn, user->store.backend_id);
	if (port < 0)
		return -errno;
	user->port = (evtchn_port_t)port;
	user->bound = true;
	return shared_alive(user, user->store.backend_id, user->port, &user->alive);
}

static void xen_unprepare(struct user *user)
{
	shared_free(user, &user->alive);
	if (user->bound)
		xenevtchn_unbind(user->evtchn, user->port);
	user->bound = false;
}

static int xen_share(struct user *user, unsigned int nr, bool writable, struct shared *out)
{
	return shared_new(user, user->store.backend_id, nr, writable, out);
}

static void xen_notify(struct user *user)
{
	xenevtchn_notify(user->evtchn, user->port);
}

static void take_event(struct user *user)
{
	xenevtchn_port_or_error_t port = xenevtchn_pending(user->evtchn);

	if (port < 0)
		return;
	user->events++;
	xenevtchn_unmask(user->evtchn, (evtchn_port_t)port);
}

static void take_store(struct user *user)
{
	int r = store_take_events(&user->store);

	if (r < 0)
		connect_gone(user, "the connection to xenstore is lost");
	else
		events_step(user);
}

static void xen_take(struct user *user, unsigned int source)
{
	if (source == SOURCE_EVTCHN)
		take_event(user);
	else
		take_store(user);
}

const struct user_bus user_xen_bus = {
	.open = xen_open,
	.close = xen_close,
	.begin = xen_begin,
	.step = connect_step,
	.end = connect_end,
	.abandon = xen_abandon,
	.prepare = xen_prepare,
	.unprepare = xen_unprepare,
	.share = xen_share,
	.unshare = shared_free,
	.notify = xen_notify,
	.take = xen_take,
};
