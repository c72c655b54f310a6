// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device on the bus: XenbusState as <xen/io/vmsgif.h> draws it.
 *
 * Whatever the nodes say when we come, we begin by saying Initialising: the
 * broker takes that as the end of whoever drove the device before. InitWait
 * with an epoch that was not echoed yet is a new broker, in every phase but
 * FRONT_CLOSED, and answered with an offer.
 *
 * A domain that is saved closes its device first, so that the broker lets go of
 * everything, and nothing is half-way; the restored one opens it as a new
 * instance. There the toolstack does not make the device's nodes, the broker
 * does, perhaps later than Linux looks for them: then, and after a suspend that
 * was called off, of which drivers are not told, revive() begins anew.
 *
 * A process can drive the device instead (frontend/user). If it does when we
 * come, we leave it alone; who opens /dev/xenmsg is told so, or has us look again.
 */
#include <linux/delay.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "front.h"

/* How long the broker may take to follow when we close. */
#define CLOSE_MS     1000
#define REVIVE_DELAY HZ

static struct vmsg_front *the_front;

/* --------------------------------------------------------------- the nodes */

static int put_state(struct xenbus_device *dev, struct xenbus_transaction xbt,
		     enum xenbus_state state)
{
	int r = xenbus_printf(xbt, dev->nodename, "state", "%d", state);

	/* xenbus_switch_state() writes nothing if it thinks that we are there already. */
	if (!r)
		dev->state = state;
	return r;
}

static int read_epoch(struct xenbus_device *dev, struct xenbus_transaction xbt, u64 *epoch)
{
	int r = xenbus_scanf(xbt, dev->otherend, "epoch", "%llu", epoch);

	return r == 1 ? 0 : r < 0 ? r : -EPROTO;
}

static int put_refs(struct xenbus_device *dev, struct xenbus_transaction xbt, const char *prefix,
		    const struct granted *ring)
{
	char node[24];
	unsigned int i;
	int r = 0;

	for (i = 0; i < ring->nr && !r; i++) {
		snprintf(node, sizeof(node), "%s%u", prefix, i);
		r = xenbus_printf(xbt, dev->nodename, node, "%u", ring->refs[i]);
	}
	return r;
}

static int put_offer(struct vmsg_front *front, struct xenbus_transaction xbt, u64 epoch)
{
	struct xenbus_device *dev = front->dev;
	const struct {
		const char *node;
		u64 value;
	} nodes[] = {
		{ "version", VMSGIF_VERSION },
		{ "epoch", epoch },
		{ "instance", front->instance },
		{ "ring-order", front->ring_order },
		{ "event-channel", front->evtchn },
		/* A kernel does not die alone; a process that was here before may have left one. */
		{ "alive-ref", 0 },
	};
	unsigned int i;
	u64 now;
	int r;

	/* Reading it here makes the transaction fail if it changes meanwhile. */
	r = read_epoch(dev, xbt, &now);
	if (!r && now != epoch)
		r = -ESTALE;
	for (i = 0; i < ARRAY_SIZE(nodes) && !r; i++)
		r = xenbus_printf(xbt, dev->nodename, nodes[i].node, "%llu", nodes[i].value);
	if (!r)
		r = put_refs(dev, xbt, "tx-ring-ref-", &front->tx_ring);
	if (!r)
		r = put_refs(dev, xbt, "rx-ring-ref-", &front->rx_ring);
	return r ? r : put_state(dev, xbt, XenbusStateInitialised);
}

static int write_offer(struct vmsg_front *front, u64 epoch)
{
	struct xenbus_transaction xbt;
	int r;

	do {
		r = xenbus_transaction_start(&xbt);
		if (r)
			return r;
		r = put_offer(front, xbt, epoch);
		if (r) {
			xenbus_transaction_end(xbt, 1);
			return r;
		}
		r = xenbus_transaction_end(xbt, 0);
	} while (r == -EAGAIN);
	return r;
}

/* -------------------------------------------------------------- transitions */

/* Everything under way fails. The device is still open towards the broker. */
static void go_down(struct vmsg_front *front)
{
	if (front->phase == FRONT_CLOSED || front->phase == FRONT_ABSENT)
		return;
	/* What is in the rings was answered with success: it has arrived. */
	if (front->phase == FRONT_CONNECTED && !vmsg_broken(front->v))
		vmsg_disconnected(front->v);
	front->phase = FRONT_CLOSED;
	if (front->v)
		vmsg_shutdown(front->v, -EHOSTDOWN);
	names_down(front);
	endpoints_step(front);
	front_wake_all(front);
}

void front_broken(struct vmsg_front *front)
{
	if (front->phase == FRONT_CLOSED)
		return;
	go_down(front);
	xenbus_dev_fatal(front->dev, -EPROTO, "the backend broke the protocol: %s",
			 vmsg_broken(front->v));
}

static int offer(struct vmsg_front *front, u64 epoch)
{
	struct xenbus_device *dev = front->dev;
	unsigned int max_order = xenbus_read_unsigned(dev->otherend, "max-ring-order", 0);
	unsigned int max_pool = xenbus_read_unsigned(dev->otherend, "max-pool-pages", 384);
	int r;

	if (xenbus_read_unsigned(dev->otherend, "version", 0) < VMSGIF_VERSION)
		return -EPROTONOSUPPORT;
	r = front->v ? 0 : channel_make(front, max_order, max_pool);
	if (r)
		return r;
	if (max_order < front->ring_order || dev->otherend_id != front->tx_ring.domid)
		return -ENXIO;
	r = channel_open(front);
	if (r)
		return r;
	if (front->phase == FRONT_CONNECTED) {
		vmsg_disconnected(front->v);
		if (vmsg_broken(front->v)) {
			/* By the old broker's last words; everything under way has failed. */
			front_broken(front);
			return 0;
		}
	}
	/* Until the broker sees Initialised, nobody else looks at the rings. */
	vmsg_ring_init(front->v, front->tx_ring.va[0], front->rx_ring.va[0]);
	front->phase = FRONT_START;
	r = write_offer(front, epoch);
	if (r)
		return r == -ESTALE ? 0 : r;
	front->epoch = epoch;
	front->phase = FRONT_OFFERED;
	return 0;
}

static int connected(struct vmsg_front *front)
{
	struct xenbus_device *dev = front->dev;
	struct vmsg_features *f = &front->features;
	u32 before = vmsg_address(front->v);
	struct endpoint *ep;
	int r;

	*f = (struct vmsg_features){
		.addr = xenbus_read_unsigned(dev->otherend, "address", 0),
		.flow_window =
			xenbus_read_unsigned(dev->otherend, "flow-window", VMSGIF_FLOW_WINDOW),
		.max_message =
			xenbus_read_unsigned(dev->otherend, "max-message", VMSGIF_MESSAGE_MAX),
		.max_pool_pages = xenbus_read_unsigned(dev->otherend, "max-pool-pages", 384),
		.max_maps = xenbus_read_unsigned(dev->otherend, "max-maps", 64),
		.map = xenbus_read_unsigned(dev->otherend, "feature-map", 0),
	};
	if (!f->addr)
		return -EPROTO;
	/* The memory of files is laid out for the longest message that there is. */
	f->max_message = min(f->max_message, VMSGIF_MESSAGE_MAX);
	r = put_state(dev, XBT_NIL, XenbusStateConnected);
	if (r)
		return r;
	front->phase = FRONT_CONNECTED;
	vmsg_connected(front->v, f);
	if (f->addr != before)
		list_for_each_entry(ep, &front->endpoints, link)
			ep->new_addr = f->addr;
	front_service(front, true);
	front_wake_all(front);
	return 0;
}

static void close_device(struct vmsg_front *front)
{
	front_lock(front);
	go_down(front);
	mutex_unlock(&front->lock);
	channel_close(front);
}

/* With the lock. What the state of the backend asks of us now. */
static int step(struct vmsg_front *front, enum xenbus_state state)
{
	u64 epoch;
	int r;

	if (front->phase == FRONT_CLOSED ||
	    (state != XenbusStateInitWait && state != XenbusStateConnected))
		return 0;
	r = read_epoch(front->dev, XBT_NIL, &epoch);
	if (r)
		return r;
	if (state == XenbusStateInitWait)
		return front->phase == FRONT_START || epoch != front->epoch ? offer(front, epoch) :
									      0;
	if (front->phase == FRONT_OFFERED && epoch == front->epoch)
		return connected(front);
	return 0;
}

static void otherend_changed(struct xenbus_device *dev, enum xenbus_state state)
{
	struct vmsg_front *front = dev_get_drvdata(&dev->dev);
	int r;

	front_lock(front);
	r = step(front, state);
	front_unlock(front);
	if (r == -ENOENT)
		return; /* its nodes are being removed */
	/*
	 * That is where our last life left it: the broker has not seen yet that
	 * we begin anew, or is not there to see it.
	 */
	if (!r && dev->state == XenbusStateInitialising &&
	    (state == XenbusStateClosing || state == XenbusStateClosed))
		return;
	if (r)
		xenbus_dev_fatal(dev, r, "cannot connect");
	if (r || state == XenbusStateClosing ||
	    (state == XenbusStateClosed && dev->state != XenbusStateClosed)) {
		close_device(front);
		xenbus_frontend_closed(dev);
	}
}

/* Begins a new life of the device. */
static int start(struct vmsg_front *front)
{
	front->instance = get_random_u64() | 1;
	front->epoch = 0;
	front->phase = FRONT_START;
	return put_state(front->dev, XBT_NIL, XenbusStateInitialising);
}

/* --------------------------------------------------------------- the driver */

/* A process that dies is noticed by the broker, which does not stay Connected. */
static bool in_use(struct xenbus_device *dev)
{
	enum xenbus_state state = xenbus_read_driver_state(dev->nodename);

	return (state == XenbusStateInitialised || state == XenbusStateConnected) &&
	       xenbus_read_driver_state(dev->otherend) == XenbusStateConnected;
}

/* With the lock. @dev is driven by a process; NULL: none is. */
static void set_taken(struct vmsg_front *front, struct xenbus_device *dev)
{
	if (dev)
		get_device(&dev->dev);
	if (front->taken)
		put_device(&front->taken->dev);
	front->taken = dev;
}

static int attach(struct vmsg_front *front, struct xenbus_device *dev)
{
	int r;

	front->dev = dev;
	dev_set_drvdata(&dev->dev, front);
	/* Unplugged while suspended: the grant table may be a new one. */
	if (front->suspended && front->v)
		channel_grant_again(front);
	front->suspended = false;
	r = start(front);
	if (r) {
		front->dev = NULL;
		front->phase = FRONT_ABSENT;
	}
	return r;
}

static int probe(struct xenbus_device *dev, const struct xenbus_device_id *id)
{
	struct vmsg_front *front = the_front;
	bool taken = in_use(dev);
	int r = -EBUSY;

	if (taken)
		dev_err(&dev->dev, "in use by a frontend in userspace, until that process ends\n");
	front_lock(front);
	if (!front->dev) {
		set_taken(front, taken ? dev : NULL);
		if (!taken)
			r = attach(front, dev);
	}
	mutex_unlock(&front->lock);
	return r;
}

int front_bus_claim(struct vmsg_front *front)
{
	struct xenbus_device *dev;
	bool busy;

	front_lock(front);
	dev = front->taken;
	if (dev)
		get_device(&dev->dev);
	mutex_unlock(&front->lock);
	if (!dev)
		return 0;
	/* Against somebody who binds it by hand. */
	device_lock(&dev->dev);
	busy = dev->otherend && in_use(dev);
	device_unlock(&dev->dev);
	if (!busy && device_attach(&dev->dev) <= 0) {
		/* Unplugged meanwhile; else it is for probe() to say. */
		front_lock(front);
		if (front->taken == dev && !device_is_registered(&dev->dev))
			set_taken(front, NULL);
		mutex_unlock(&front->lock);
	}
	put_device(&dev->dev);
	return busy ? -EBUSY : 0;
}

/* Waits a little for the broker to let go of the rings: till then it may put messages there. */
static void await_broker(const struct xenbus_device *dev)
{
	enum xenbus_state state;
	unsigned int ms;

	for (ms = 0; ms < CLOSE_MS; ms += 2) {
		state = xenbus_read_driver_state(dev->otherend);
		if (state != XenbusStateInitialised && state != XenbusStateConnected)
			break;
		msleep(2);
	}
}

/* Closes the device, with the broker if that listens. */
static void say_goodbye(struct vmsg_front *front, struct xenbus_device *dev)
{
	bool open = dev->state != XenbusStateClosed && !put_state(dev, XBT_NIL, XenbusStateClosing);

	if (open)
		await_broker(dev);
	close_device(front);
	if (open)
		put_state(dev, XBT_NIL, XenbusStateClosed);
}

static void remove(struct xenbus_device *dev)
{
	struct vmsg_front *front = dev_get_drvdata(&dev->dev);

	say_goodbye(front, dev);
	front_lock(front);
	front->dev = NULL;
	front->phase = FRONT_ABSENT;
	front_wake_all(front);
	mutex_unlock(&front->lock);
}

static int suspend(struct xenbus_device *dev)
{
	struct vmsg_front *front = dev_get_drvdata(&dev->dev);

	say_goodbye(front, dev);
	front_lock(front);
	front->suspended = true;
	mutex_unlock(&front->lock);
	queue_delayed_work(system_freezable_wq, &front->revive, REVIVE_DELAY);
	return 0;
}

static int resume(struct xenbus_device *dev)
{
	struct vmsg_front *front = dev_get_drvdata(&dev->dev);
	int r;

	front_lock(front);
	front->suspended = false;
	if (front->v)
		channel_grant_again(front);
	r = start(front);
	mutex_unlock(&front->lock);
	return r;
}

/* Nobody resumed the device. Probing it anew does. */
static void revive(struct work_struct *work)
{
	struct vmsg_front *front = container_of(to_delayed_work(work), struct vmsg_front, revive);
	struct xenbus_device *dev = NULL;

	front_lock(front);
	if (front->suspended && front->dev) {
		dev = front->dev;
		get_device(&dev->dev);
	}
	mutex_unlock(&front->lock);
	if (!dev)
		return;
	if (!xenbus_exists(XBT_NIL, dev->nodename, "backend"))
		queue_delayed_work(system_freezable_wq, &front->revive, REVIVE_DELAY);
	else if (device_reprobe(&dev->dev))
		dev_warn(&dev->dev, "cannot begin anew after a suspend\n");
	put_device(&dev->dev);
}

static const struct xenbus_device_id ids[] = { { "vmsg" }, { "" } };

static struct xenbus_driver driver = {
	.name = FRONT_NAME,
	.ids = ids,
	.probe = probe,
	.remove = remove,
	.suspend = suspend,
	.resume = resume,
	.otherend_changed = otherend_changed,
	.not_essential = true,
};

int front_bus_register(struct vmsg_front *front)
{
	INIT_DELAYED_WORK(&front->revive, revive);
	the_front = front;
	return xenbus_register_frontend(&driver);
}

void front_bus_unregister(void)
{
	xenbus_unregister_driver(&driver);
	/* From here on nobody is told of a suspend, and the work finds no device. */
	cancel_delayed_work_sync(&the_front->revive);
	set_taken(the_front, NULL);
}
