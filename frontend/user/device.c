// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Opening and closing the device; see user.h.
 *
 * The order matters once: the lock comes before anything that another owner
 * would notice, and goes last.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "device.h"

#define SYSFS_DEVICE "/sys/bus/xen/devices/vmsg-0"

static struct user *new_user(const struct user_params *params)
{
	struct user *user = calloc(1, sizeof(*user));

	if (!user)
		return NULL;
	user->params = *params;
	mappool_ops(&user->params.ops);
	user->lock_fd = user->epoll_fd = user->timer_fd = -1;
	quiet_logger(&user->quiet);
	return user;
}

static int open_handles(struct user *user)
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
	return events_open(user);
}

/* -ENOENT of a step: not there yet. -EAGAIN: broker and frontend crossed. */
static int wait_for_device(struct user *user, uint64_t deadline)
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

static int wait_connected(struct user *user, uint64_t deadline)
{
	int r;

	for (;;) {
		r = connect_step(user);
		if (user->phase == USER_CONNECTED)
			return 0;
		if (user->phase == USER_GONE)
			return r ? r : -EHOSTDOWN;
		if (r)
			return r;
		if (clock_now_ns() >= deadline)
			return -ETIMEDOUT;
		events_sleep(user, deadline);
	}
}

int user_open(struct user **out, const struct user_params *params, int timeout)
{
	uint64_t deadline = user_deadline(timeout);
	struct user *user;
	int r;

	if (params->ring_order > VMSGIF_MAX_RING_ORDER || !params->tx_pages || !params->rx_pages ||
	    params->tx_pages > VMSGIF_POOL_PAGES_MAX || params->rx_pages > VMSGIF_POOL_PAGES_MAX)
		return -EINVAL;
	user = new_user(params);
	if (!user)
		return -ENOMEM;
	r = open_handles(user);
	if (!r)
		r = wait_for_device(user, deadline);
	if (!r)
		r = wait_connected(user, deadline);
	if (r) {
		user_close(user);
		return r;
	}
	*out = user;
	return 0;
}

void user_disconnect(struct user *user)
{
	connect_end(user);
}

void user_close(struct user *user)
{
	if (!user)
		return;
	user_disconnect(user);
	mappool_free_all(user);
	channel_free(user);
	events_close(user);
	if (user->gntshr)
		xengntshr_close(user->gntshr);
	if (user->evtchn)
		xenevtchn_close(user->evtchn);
	store_close(&user->store);
	if (user->lock_fd >= 0)
		close(user->lock_fd);
	free(user->reason);
	free(user);
}

struct vmsg *user_vmsg(const struct user *user)
{
	return user->v;
}

void *user_priv(const struct vmsg *v)
{
	const struct user *user = vmsg_priv(v);

	return user->params.priv;
}

int user_gone(const struct user *user)
{
	return user->phase == USER_GONE ? -EHOSTDOWN : 0;
}

const char *user_reason(const struct user *user)
{
	if (user->phase != USER_GONE)
		return NULL;
	return user->reason ? user->reason : "closed";
}

void *user_tx_page(const struct user *user, unsigned int page)
{
	return (char *)user->tx.pages.va + (size_t)page * VMSGIF_PAGE_SIZE;
}

uint64_t user_events(const struct user *user)
{
	return user->events;
}

uint32_t user_backend_id(const struct user *user)
{
	return user->store.backend_id;
}
