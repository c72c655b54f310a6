// SPDX-License-Identifier: LGPL-2.1-or-later
/* Opening and closing the device, on whatever bus; see user.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "device.h"

static struct user *new_user(const struct user_params *params)
{
	struct user *user = calloc(1, sizeof(*user));

	if (!user)
		return NULL;
	user->params = *params;
	user->bus = params->bus ? params->bus : &user_xen_bus;
	mappool_ops(&user->params.ops);
	user->lock_fd = user->epoll_fd = user->timer_fd = user->local.fd = -1;
	quiet_logger(&user->quiet);
	return user;
}

void connect_gone(struct user *user, const char *why)
{
	if (user->phase == USER_GONE)
		return;
	user->phase = USER_GONE;
	user->reason = why ? strdup(why) : NULL;
	if (user->v)
		vmsg_shutdown(user->v, -EHOSTDOWN);
}

void connect_up(struct user *user, const struct vmsg_features *features)
{
	uint32_t before = vmsg_address(user->v);

	user->phase = USER_CONNECTED;
	vmsg_connected(user->v, features);
	if (features->addr != before && user->params.address)
		user->params.address(user->params.priv, features->addr);
	user_publish(user, true);
}

static int wait_connected(struct user *user, uint64_t deadline)
{
	int r;

	for (;;) {
		r = user->bus->step(user);
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
	r = events_open(user);
	if (!r)
		r = user->bus->open(user);
	if (!r)
		r = user->bus->begin(user, deadline);
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
	user->bus->end(user);
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
	user->bus->close(user);
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

int user_domid_of(const struct user *user, uint32_t addr)
{
	if (!(VMSGIF_ADDR_DOMID(addr) & VMSGIF_ADDR_LOCAL))
		return VMSGIF_ADDR_DOMID(addr);
	return user->bus == &user_local_bus ? -EACCES : (int)user->store.backend_id;
}
