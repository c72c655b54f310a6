// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The state machine of one device: see "Connect, close, broker restart" in
 * <xen/io/vmsgif.h>, and the phases in device.h.
 *
 * It is driven by levels, not by edges. A watch, a timer or a violation only
 * makes it run; a run reads the frontend's state and acts on what it finds in
 * this phase. So events may come late, twice or for nothing (a live update of
 * xenstored fires every watch), and a frontend that toggles its state costs
 * one run for as many events as there were meanwhile. Likewise our own nodes:
 * publish() writes all that this phase wants to be there, in one transaction,
 * and is simply done again if it failed.
 *
 * A guest pays for its changes of state itself: looks at its state, new
 * generations and watch events have budgets per device, and what is beyond
 * them waits for a timer. A look may mean to connect or to close, which takes
 * xenstored a while, and all others wait with us: after the first few of them a
 * device is left alone for some times as long as each took.
 */
#include "backend/internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <xen/io/xenbus.h>

/* After an error of xenstore that is not the connection's end. */
#define RETRY_NS NS_PER_S
/* How long a device is deaf whose watch fired more often than it may. */
#define DEAF_NS NS_PER_S
/* Looks that may come at once: to connect, to close and to connect again. */
#define LOOKS_AT_ONCE 8
/* Later ones take at most a twentieth of our time. */
#define LOOK_REST 19

/* ------------------------------------------------------------- our nodes */

static int put(struct device *dev, const char *name, uint64_t value)
{
	char path[DEVICE_PATH_MAX + 32];

	(void)snprintf(path, sizeof(path), "%s/%s", dev->backend_path, name);
	return store_write_u64(dev->b->store, path, value);
}

static int drop(struct device *dev, const char *name)
{
	char path[DEVICE_PATH_MAX + 32];

	(void)snprintf(path, sizeof(path), "%s/%s", dev->backend_path, name);
	return store_remove(dev->b->store, path);
}

static int put_features(struct device *dev)
{
	const struct backend_limits *limits = &dev->b->limits;
	const struct {
		const char *name;
		uint64_t value;
	} nodes[] = {
		{ "online", 1 },
		{ "version", VMSGIF_VERSION },
		{ "epoch", dev->epoch },
		{ "max-ring-order", limits->max_ring_order },
		{ "flow-window", limits->flow_window },
		{ "max-message", limits->max_message },
		{ "max-pool-pages", limits->max_pool_pages },
		{ "max-maps", limits->max_maps },
		{ "feature-map", limits->feature_map },
	};
	int r = 0;

	for (unsigned int i = 0; i < sizeof(nodes) / sizeof(nodes[0]) && r == 0; i++)
		r = put(dev, nodes[i].name, nodes[i].value);
	return r;
}

static int put_address(struct device *dev)
{
	int r;

	if (dev->addr == 0) {
		r = drop(dev, "address");
		return r < 0 ? r : drop(dev, "instance");
	}
	r = put(dev, "address", dev->addr);
	return r < 0 ? r : put(dev, "instance", dev->instance);
}

static int put_error(struct device *dev)
{
	char path[DEVICE_PATH_MAX + 32];

	if (!dev->failure[0])
		return 0;
	(void)snprintf(path, sizeof(path), "%s/error", dev->backend_path);
	return store_write(dev->b->store, path, dev->failure);
}

static enum xenbus_state state_of(enum phase phase)
{
	switch (phase) {
	case PHASE_WAITING:
		return XenbusStateInitWait;
	case PHASE_CONNECTING:
	case PHASE_UP:
		return XenbusStateConnected;
	case PHASE_CLOSING:
		return XenbusStateClosing;
	default:
		return XenbusStateClosed;
	}
}

static int publish_all(void *priv)
{
	struct device *dev = priv;
	int r = put_address(dev);

	if (r == 0 && dev->phase == PHASE_WAITING)
		r = put_features(dev);
	/* The reason of a failure stays to be read until the device works again. */
	if (r == 0 && dev->phase == PHASE_CONNECTING)
		r = drop(dev, "error");
	if (r == 0 && (dev->phase == PHASE_CLOSING || dev->phase == PHASE_CLOSED))
		r = put_error(dev);
	return r == 0 ? put(dev, "state", state_of(dev->phase)) : r;
}

static void store_failed(struct device *dev, int error)
{
	log_limited(dev->b->log, clock_now_ns(), dev->domid, "xenstore", LOG_ERR,
		    "%s: xenstore: %s, trying again", device_label(dev), strerror(-error));
	otherend_later(dev, RETRY_NS);
}

static void publish(struct device *dev)
{
	int r = store_transaction(dev->b->store, publish_all, dev);

	dev->unpublished = r < 0;
	if (r < 0)
		store_failed(dev, r);
}

/* ---------------------------------------------------------------- timing */

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct device *dev = userdata;

	dev->timer_at = 0;
	dev->look = true;
	device_schedule(dev);
	return 0;
}

void otherend_later(struct device *dev, uint64_t ns)
{
	uint64_t at = clock_now_ns() + ns;

	if (dev->timer_at != 0 && dev->timer_at <= at)
		return;
	if (timer_set(&dev->b->loop, &dev->timer, at, on_timer, dev) >= 0)
		dev->timer_at = at;
}

static bool watch(struct device *dev)
{
	char path[DEVICE_PATH_MAX + 32];
	uint64_t now = clock_now_ns();
	int r;

	if (dev->watching)
		return true;
	if (now < dev->deaf_until) {
		otherend_later(dev, dev->deaf_until - now);
		return false;
	}
	(void)snprintf(path, sizeof(path), "%s/state", dev->frontend_path);
	r = store_watch(dev->b->store, path, dev->token);
	dev->watching = r == 0;
	if (r < 0)
		store_failed(dev, r);
	return dev->watching;
}

static void unwatch(struct device *dev)
{
	char path[DEVICE_PATH_MAX + 32];

	if (!dev->watching)
		return;
	(void)snprintf(path, sizeof(path), "%s/state", dev->frontend_path);
	store_unwatch(dev->b->store, path, dev->token);
	dev->watching = false;
}

void otherend_poke(struct device *dev)
{
	dev->look = true;
	device_schedule(dev);
	if (!dev->watching || token_bucket_take(&dev->watch_events, clock_now_ns(), 1))
		return;
	/* A new watch fires at once, so nothing is missed in between. */
	unwatch(dev);
	log_limited(dev->b->log, clock_now_ns(), dev->domid, "watch-events", LOG_WARNING,
		    "%s: changes its state too often", device_label(dev));
	dev->deaf_until = clock_now_ns() + DEAF_NS;
	otherend_later(dev, DEAF_NS);
}

/* ----------------------------------------------------------- transitions */

void otherend_end(struct device *dev)
{
	uint32_t addr = dev->addr;
	bool announced = dev->announced;

	dev->addr = 0;
	dev->instance = 0;
	dev->announced = false;
	/* Frozen in all but name: the broker hears of it before anything is unmapped. */
	if (dev->phase == PHASE_UP)
		device_enter(dev, PHASE_CONNECTING);
	if (announced)
		dev->b->ops->down(dev->b->priv, dev, addr);
	connect_undo(dev);
}

/* Offers a connection: a fresh epoch, so that nothing written before counts. */
static void offer(struct device *dev)
{
	device_enter(dev, PHASE_WAITING);
	dev->frozen = false;
	dev->failure[0] = '\0';
	if (getrandom(&dev->epoch, sizeof(dev->epoch), 0) != (ssize_t)sizeof(dev->epoch) ||
	    dev->epoch == 0)
		dev->epoch = clock_now_ns() | 1;
	publish(dev);
}

static void close_to(struct device *dev, enum phase phase)
{
	otherend_end(dev);
	device_enter(dev, phase);
	dev->frozen = false;
	publish(dev);
}

static void connect_now(struct device *dev)
{
	int r = connect_try(dev);

	if (r == -ENOENT) {
		devices_remove(dev, true);
	} else if (r == -EPROTO) {
		close_to(dev, PHASE_CLOSING);
	} else if (r < 0) {
		store_failed(dev, r);
	} else if (r == 1) {
		device_enter(dev, PHASE_CONNECTING);
		publish(dev);
	}
}

/* The frontend's state while there is no connection: @was is the one before. */
static void look_waiting(struct device *dev, int was, int state)
{
	if (state == XenbusStateInitialised) {
		connect_now(dev);
		return;
	}
	if (state == XenbusStateConnected || state == XenbusStateInitWait || state == was)
		return;
	/* It was closed, by itself or by its end: who was awaited does not come back. */
	if (state == XenbusStateInitialising && dev->addr != 0) {
		otherend_end(dev);
		publish(dev);
	}
	if (state == XenbusStateClosing)
		close_to(dev, PHASE_CLOSING);
	if (state == XenbusStateClosed)
		close_to(dev, PHASE_CLOSED);
}

static void look_connected(struct device *dev, int state)
{
	switch (state) {
	case XenbusStateInitialising:
		otherend_end(dev);
		offer(dev);
		break;
	case XenbusStateConnected:
		if (dev->phase == PHASE_CONNECTING)
			device_come_up(dev);
		break;
	case XenbusStateClosing:
		close_to(dev, PHASE_CLOSING);
		break;
	case XenbusStateClosed:
		close_to(dev, PHASE_CLOSED);
		break;
	default:
		if (dev->phase == PHASE_CONNECTING && state == XenbusStateInitialised)
			break;
		device_fail(dev, "state %d of a connected frontend", state);
		break;
	}
}

static void look_closed(struct device *dev, int state)
{
	if (state == XenbusStateInitialising)
		offer(dev);
	else if (state == XenbusStateClosed && dev->phase == PHASE_CLOSING)
		close_to(dev, PHASE_CLOSED);
}

static void act(struct device *dev, int state)
{
	int was = dev->otherstate;

	dev->otherstate = state;
	switch (dev->phase) {
	case PHASE_WAITING:
		look_waiting(dev, was, state);
		break;
	case PHASE_CONNECTING:
	case PHASE_UP:
		look_connected(dev, state);
		break;
	default:
		look_closed(dev, state);
		break;
	}
}

/* 0, or so long this device is not to be looked at. */
static uint64_t look_wait_ns(struct device *dev, uint64_t now)
{
	unsigned int many = DEVICE_LOOKS_BURST - LOOKS_AT_ONCE;
	uint64_t wait = token_bucket_wait_ns(&dev->looks, now, 1);

	if (wait || !token_bucket_wait_ns(&dev->looks, now, many) || dev->dom->rest_until <= now)
		return wait;
	return dev->dom->rest_until - now;
}

static void look(struct device *dev)
{
	struct domain *dom = dev->dom;
	struct node_reject why;
	uint64_t now = clock_now_ns(), wait = look_wait_ns(dev, now);
	int state;

	if (wait) {
		otherend_later(dev, wait);
		return;
	}
	(void)token_bucket_take(&dev->looks, now, 1);
	dev->look = false;
	state = nodes_read_state(connect_fetch, dev, &why);
	if (state == -ENOENT)
		devices_remove(dev, true);
	else if (state == -EPROTO)
		device_fail(dev, "node %s %s", why.node, why.reason);
	else if (state < 0)
		store_failed(dev, state);
	else
		act(dev, state);
	/* The device may be gone by now. */
	dom->rest_until = clock_now_ns() + LOOK_REST * (clock_now_ns() - now);
}

void otherend_begin(struct device *dev, uint32_t addr, uint64_t instance)
{
	uint64_t now = clock_now_ns();

	token_bucket_init(&dev->generations, DEVICE_GENERATIONS_RATE, DEVICE_GENERATIONS_BURST,
			  now);
	token_bucket_init(&dev->looks, DEVICE_LOOKS_RATE, DEVICE_LOOKS_BURST, now);
	token_bucket_init(&dev->watch_events, DEVICE_WATCH_RATE, DEVICE_WATCH_BURST, now);
	dev->addr = addr;
	dev->instance = instance;
	if (addr != 0) {
		dev->announced = true;
		dev->known = true;
		dev->b->ops->awaited(dev->b->priv, dev);
	}
	offer(dev);
	(void)watch(dev);
}

/* As if it had said Closing. A successor finds that and says so itself. */
static void bury(struct device *dev)
{
	log_write(dev->b->log, LOG_INFO, "domain=%u %s: the frontend has died", dev->domid,
		  device_label(dev));
	close_to(dev, PHASE_CLOSING);
}

void otherend_run(struct device *dev)
{
	if (dev->frozen)
		close_to(dev, PHASE_CLOSING);
	if (dev->c.died)
		bury(dev);
	if (dev->unpublished)
		publish(dev);
	if (dev->look && watch(dev))
		look(dev);
}
