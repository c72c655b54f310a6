// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The XenbusState machine of the frontend, as <xen/io/vmsgif.h> draws it.
 *
 *   own state            phase           waits for the backend to say
 *   ------------------   -------------   ------------------------------------
 *   Closing (5)          USER_CLOSING    Closing or Closed
 *   Closed (6)           USER_CLOSED     Closed
 *   Initialising (1)     USER_START      InitWait
 *   Initialised (3)      USER_OFFERED    Connected, with the epoch we echoed
 *   Connected (4)        USER_CONNECTED  Closing or Closed: the end
 *   Closed (6)           USER_GONE       -
 *
 * The first two are for what a dead owner of the device left behind: it is
 * closed properly, so that its peers hear of its death before we are there.
 * In every phase but the last, InitWait with an epoch that was not echoed yet
 * is a new broker, and answered with an offer at once.
 *
 * Watches may fire for nothing and for several changes at a time: each step
 * reads what there is now. The state is read before the epoch; a broker sets
 * InitWait together with a fresh epoch, so "Connected, our epoch" cannot be
 * made of two brokers.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/clock.h"
#include "device.h"

/* How long the broker may take to follow when we close. */
#define CLOSE_NS (1 * NS_PER_S)

/* The backend closed the device; tell why if it says so. */
static void closed_by_backend(struct user *user)
{
	char *text = store_error(&user->store);

	connect_gone(user, text && *text ? text : "closed by the broker");
	free(text);
	store_put_state(&user->store, XenbusStateClosed);
}

static int put_state(struct user *user, enum xenbus_state state, enum user_phase phase)
{
	int r = store_put_state(&user->store, state);

	if (!r)
		user->phase = phase;
	return r;
}

int connect_begin(struct user *user)
{
	uint64_t state;

	if (getrandom(&user->instance, sizeof(user->instance), 0) != sizeof(user->instance))
		return -EIO;
	user->instance += !user->instance;
	/* Not there, or nonsense that another program wrote: start over. */
	if (store_get(&user->store, FRONTEND_STATE, &state))
		state = XenbusStateConnected;
	if (store_get(&user->store, FRONTEND_EPOCH, &user->epoch))
		user->epoch = 0;
	switch (state) {
	case XenbusStateInitialising:
	case XenbusStateInitWait:
		return put_state(user, XenbusStateInitialising, USER_START);
	case XenbusStateClosed:
		user->phase = USER_CLOSED;
		return 0;
	default:
		return put_state(user, XenbusStateClosing, USER_CLOSING);
	}
}

/* Version and limits of a broker that is in InitWait; the channel the first time. */
static int prepare(struct user *user)
{
	uint64_t version, max_order;
	int r;

	r = store_get(&user->store, BACKEND_VERSION, &version);
	if (!r)
		r = store_get(&user->store, BACKEND_MAX_RING_ORDER, &max_order);
	if (r)
		return r;
	if (!user->v)
		return channel_new(user, (unsigned int)max_order);
	if (max_order < user->ring_order) {
		connect_gone(user, "the new broker takes smaller rings only");
		return -EPROTO;
	}
	return 0;
}

static int offer(struct user *user, uint64_t epoch)
{
	struct store_offer o = { .epoch = epoch, .instance = user->instance };
	int r;

	r = prepare(user);
	if (r)
		return r;
	if (user->phase == USER_CONNECTED)
		vmsg_disconnected(user->v);
	/* Until the broker sees our Initialised, nobody else looks at the rings. */
	vmsg_ring_init(user->v, user->tx_ring.va, user->rx_ring.va);
	user->phase = USER_START;
	o.ring_order = user->ring_order;
	o.tx_refs = user->tx_ring.refs;
	o.rx_refs = user->rx_ring.refs;
	o.evtchn = user->port;
	o.alive_ref = user->alive.refs[0];
	r = store_put_offer(&user->store, &o);
	if (r)
		return r == -EAGAIN ? 0 : r; /* it changed its mind; a watch will tell */
	user->epoch = epoch;
	user->phase = USER_OFFERED;
	return 0;
}

static int read_features(struct user *user, struct vmsg_features *features)
{
	const struct {
		enum store_node node;
		unsigned int *value;
	} numbers[] = {
		{ BACKEND_ADDRESS, &features->addr },
		{ BACKEND_FLOW_WINDOW, &features->flow_window },
		{ BACKEND_MAX_MESSAGE, &features->max_message },
		{ BACKEND_MAX_POOL_PAGES, &features->max_pool_pages },
		{ BACKEND_MAX_MAPS, &features->max_maps },
	};
	uint64_t value;
	unsigned int i;
	int r;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		r = store_get(&user->store, numbers[i].node, &value);
		if (r)
			return r;
		*numbers[i].value = (unsigned int)value;
	}
	r = store_get(&user->store, BACKEND_FEATURE_MAP, &value);
	features->map = !r && value;
	if (!r && !features->addr)
		r = -EPROTO;
	return r;
}

static int connected(struct user *user)
{
	struct vmsg_features features = { 0 };
	int r;

	r = read_features(user, &features);
	if (!r)
		r = put_state(user, XenbusStateConnected, USER_CONNECTED);
	if (!r)
		connect_up(user, &features);
	return r;
}

/* What to do about backend state @state, in this phase. */
static int act(struct user *user, enum xenbus_state state, uint64_t epoch)
{
	bool closing = state == XenbusStateClosing || state == XenbusStateClosed;

	switch (user->phase) {
	case USER_CLOSING:
		/* One that is not connected yet has nothing to close. */
		if (state == XenbusStateConnected || state == XenbusStateInitialised)
			return 0;
		return put_state(user, XenbusStateClosed, USER_CLOSED);
	case USER_CLOSED:
		if (state == XenbusStateConnected || state == XenbusStateClosing)
			return 0;
		return put_state(user, XenbusStateInitialising, USER_START);
	case USER_START:
		return state == XenbusStateInitWait ? offer(user, epoch) : 0;
	case USER_OFFERED:
		if (state == XenbusStateConnected && epoch == user->epoch)
			return connected(user);
		break;
	case USER_CONNECTED:
		break;
	case USER_FINDING:
	case USER_GONE:
		return 0;
	}
	if (closing)
		closed_by_backend(user);
	return 0;
}

static int step(struct user *user)
{
	uint64_t state, epoch = 0;
	int r;

	if (user->phase == USER_FINDING || user->phase == USER_GONE)
		return 0;
	r = store_get(&user->store, BACKEND_STATE, &state);
	if (!r && (state == XenbusStateInitWait || state == XenbusStateConnected))
		r = store_get(&user->store, BACKEND_EPOCH, &epoch);
	if (r == -ENOENT) {
		if (user->phase >= USER_OFFERED)
			connect_gone(user, "the device was removed");
		return 0;
	}
	if (r)
		return r;
	if (state == XenbusStateInitWait && epoch != user->epoch)
		return offer(user, epoch);
	return act(user, (enum xenbus_state)state, epoch);
}

int connect_step(struct user *user)
{
	enum user_phase before;
	int r;

	do {
		before = user->phase;
		r = step(user);
	} while (!r && user->phase != before);
	return r;
}

/* Wait until the backend is in @state or beyond, or nothing is to be expected. */
static void await(struct user *user, enum xenbus_state state, uint64_t deadline)
{
	uint64_t now;

	do {
		if (store_get(&user->store, BACKEND_STATE, &now) || now >= state ||
		    now == XenbusStateInitWait)
			return;
	} while (clock_now_ns() < deadline && events_sleep(user, deadline));
}

void connect_end(struct user *user)
{
	uint64_t deadline = clock_now_ns() + CLOSE_NS;

	if (user->phase != USER_CONNECTED && user->phase != USER_OFFERED)
		return;
	/* From here on a watch only wakes us. */
	connect_gone(user, NULL);
	if (store_put_state(&user->store, XenbusStateClosing))
		return;
	await(user, XenbusStateClosing, deadline);
	if (store_put_state(&user->store, XenbusStateClosed))
		return;
	await(user, XenbusStateClosed, deadline);
}
