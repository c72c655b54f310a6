// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the broker asks of a connected device: requests, responses, notifications;
 * what it asks of posted pages is in posted.c. All of it does nothing on a device that is not up or frozen.
 */
#include "backend/internal.h"

#include "common/macros.h"

#include <stdarg.h>
#include <stdio.h>

void device_init(struct device *dev, struct backend *b, const struct bus *bus, uint16_t domid)
{
	dev->b = b;
	dev->bus = bus;
	dev->domid = domid;
	list_init(&dev->link);
	list_init(&dev->work);
	b->stats.devices++;
}

void device_deinit(struct device *dev)
{
	if (dev->known)
		dev->b->ops->gone(dev->b->priv, dev);
	connect_undo(dev);
	sd_event_source_disable_unref(dev->timer);
	list_del(&dev->work);
	list_del(&dev->link);
	dev->b->stats.devices--;
}

void device_come_up(struct device *dev)
{
	device_enter(dev, PHASE_UP);
	dev->announced = true;
	dev->known = true;
	dev->b->ops->up(dev->b->priv, dev);
	/* Whatever was posted meanwhile has had its event. */
	device_event(dev);
}

uint16_t device_domid(const struct device *dev)
{
	return dev->domid;
}

uint32_t device_address(const struct device *dev)
{
	return dev->addr;
}

const char *device_name(const struct device *dev)
{
	return dev->name;
}

const char *device_subject(const struct device *dev)
{
	return dev->subject ? dev->subject : dev->name;
}

const char *device_label(const struct device *dev)
{
	if (dev->label)
		return dev->label;
	return dev->name[0] ? dev->name : "(no name)";
}

bool device_is_up(const struct device *dev)
{
	return device_live(dev);
}

const char *device_state_name(const struct device *dev)
{
	if (dev->frozen)
		return "failed";
	switch (dev->phase) {
	case PHASE_WAITING:
		return dev->addr ? "awaited" : "waiting";
	case PHASE_CONNECTING:
		return "connecting";
	case PHASE_UP:
		return "connected";
	case PHASE_CLOSING:
		return "closing";
	default:
		return "closed";
	}
}

unsigned int device_ring_slots(const struct device *dev)
{
	return dev->c.tx.slots;
}

void device_set_priv(struct device *dev, void *priv)
{
	dev->priv = priv;
}

void *device_priv(const struct device *dev)
{
	return dev->priv;
}

void device_fail(struct device *dev, const char *fmt, ...)
{
	va_list args;

	if (dev->frozen || dev->phase == PHASE_CLOSING || dev->phase == PHASE_CLOSED)
		return;
	dev->frozen = true;
	dev->live = false;
	va_start(args, fmt);
	(void)vsnprintf(dev->failure, sizeof(dev->failure), fmt, args);
	va_end(args);
	/* The words are ours, and say which rule it was. */
	log_limited(dev->b->log, clock_now_ns(), dev->domid, dev->failure, LOG_WARNING,
		    "%s: device closed", device_label(dev));
	device_schedule(dev);
}

void device_event(struct device *dev)
{
	if (dev->c.alive_map && !ring_frontend_alive(dev->c.alive_map)) {
		dev->c.died = true;
		device_schedule(dev);
	} else if (device_live(dev))
		dev->b->ops->kick(dev->b->priv, dev);
	else if (!dev->frozen)
		dev->bus->unmask(dev, true);
}

/* The request is well-formed, and cannot be done as it is. */
static void refuse(struct device *dev, const struct request *req, const struct reject *why)
{
	log_limited(dev->b->log, clock_now_ns(), dev->domid, why->reason, LOG_NOTICE,
		    "%s: request refused: kind=%u port=%u len=%u status=%d", device_label(dev),
		    req->op, req->port, req->len, why->status);
	device_complete(dev, req->id, req->op, why->status, 0, 0);
}

/* What is in dev->slot and no simple SEND: true if it is the broker's to handle. */
static bool accept(struct device *dev, struct request *req, const struct vmsgif_segment **segs,
		   const char **name)
{
	struct reject why;
	enum verdict v =
		request_parse(&dev->slot, dev->c.tx.slots, dev->b->limits.max_message, req, &why);

	if (v == VERDICT_HOSTILE) {
		device_fail(dev, "TX request: %s", why.reason);
		return false;
	}
	if (!id_take(dev->c.tx_ids, req->id)) {
		device_fail(dev, "TX request: id %u is in use", req->id);
		return false;
	}
	if (v == VERDICT_OK)
		v = fetch_segments(dev, req, segs, &why);
	if (v == VERDICT_OK)
		v = fetch_name(dev, req, *segs, name, &why);
	if (v == VERDICT_OK)
		return true;
	refuse(dev, req, &why);
	return false;
}

static NOINLINE bool look_again(struct device *dev)
{
	if (ring_look(&dev->c.tx) < 0) {
		device_fail(dev, "TX ring: request index out of range");
		return false;
	}
	return ring_unconsumed(&dev->c.tx) > 0;
}

/* Is there a request? The frontend's index is read when those are used up that it told of. */
static inline bool has_request(struct device *dev)
{
	return device_live(dev) && (ring_unconsumed(&dev->c.tx) > 0 || look_again(dev));
}

static NOINLINE int next_request(struct device *dev, struct request *req,
				 const struct vmsgif_segment **segs, const char **name)
{
	*segs = NULL;
	*name = NULL;
	while (has_request(dev)) {
		ring_take(&dev->c.tx, &dev->slot);
		if (accept(dev, req, segs, name))
			return 1;
	}
	return 0;
}

/* A slot that was taken and is no simple SEND, or one whose id is in use. */
static NOINLINE int this_request(struct device *dev, struct request *req,
				 const struct vmsgif_segment **segs, const char **name)
{
	const struct vmsgif_tx_request *slot = &dev->slot;
	bool tiny = slot->flags & VMSGIF_TXF_INLINE;
	unsigned int slots = dev->c.tx.slots;
	uint32_t max_message = dev->b->limits.max_message;

	*segs = tiny ? NULL : req->segs;
	*name = NULL;
	if ((tiny ? request_parse_tiny(slot, slots, max_message, req) :
		    request_parse_segs(slot, slots, max_message, req)) &&
	    id_take(dev->c.tx_ids, req->id))
		return 1;
	return accept(dev, req, segs, name) ? 1 : next_request(dev, req, segs, name);
}

/* Simple SENDs are done with here, without anything that only others need. */
int device_next_request(struct device *dev, struct request *req, const struct vmsgif_segment **segs,
			const char **name)
{
	struct ring *tx = &dev->c.tx;

	*segs = NULL;
	*name = NULL;
	if (UNLIKELY(!has_request(dev)))
		return 0;
	ring_take(tx, &dev->slot);
	if (UNLIKELY(
		    !request_parse_simple(&dev->slot, tx->slots, dev->b->limits.max_message, req) ||
		    !id_take(dev->c.tx_ids, req->id)))
		return this_request(dev, req, segs, name);
	*segs = req->segs;
	return 1;
}

static bool moved(const struct ring *ring)
{
	return ring_peek(ring) != ring->req_cons;
}

bool device_waiting(struct device *dev, bool pages)
{
	uint32_t rx;

	if (!device_live(dev))
		return false;
	if (moved(&dev->c.tx))
		return true;
	if (!pages || !moved(&dev->c.rx))
		return false;
	/* Messages may wait for credit, and pages be left over meanwhile. */
	rx = ring_peek(&dev->c.rx);
	if (rx == dev->c.rx_told)
		return false;
	dev->c.rx_told = rx;
	return true;
}

bool device_arm(struct device *dev)
{
	uint32_t rx_now;
	bool spurious;
	int r;

	if (!device_live(dev))
		return false;
	r = ring_arm(&dev->c.tx);
	if (r < 0)
		device_fail(dev, "TX ring: request index out of range");
	if (r != 0)
		return r > 0;
	rx_now = ring_peek(&dev->c.rx);
	spurious = dev->c.tx.req_cons == dev->c.tx_at_arm && rx_now == dev->c.rx_at_arm;
	dev->c.tx_at_arm = dev->c.tx.req_cons;
	dev->c.rx_at_arm = rx_now;
	dev->bus->unmask(dev, spurious);
	return false;
}

void device_log_bug(const struct device *dev, const char *what, uint16_t id)
{
	log_write(dev->b->log, LOG_ERR, "domain=%u bug: answer to no %s, id %u", dev->domid, what,
		  id);
}

void device_complete(struct device *dev, uint16_t id, uint8_t op, int status, uint32_t addr,
		     uint32_t port)
{
	struct connection *c = &dev->c;

	if (UNLIKELY(!device_live(dev)))
		return;
	/* A frontend may ask to be woken for the last answers only; a failure is news at once. */
	if (UNLIKELY(status < 0))
		c->notify_due = true;
	if (UNLIKELY(!id_give(c->tx_ids, id) || !ring_answer(&c->tx, op, id, status, addr, port)))
		device_log_bug(dev, "request", id);
}

void device_publish_tx(struct device *dev, bool lazy)
{
	if (device_live(dev))
		dev->c.notify_due |= ring_publish(&dev->c.tx, lazy);
}

void device_publish_rx(struct device *dev, bool lazy)
{
	if (device_live(dev))
		dev->c.notify_due |= ring_publish(&dev->c.rx, lazy);
}

bool device_notify(struct device *dev, bool force)
{
	struct connection *c = &dev->c;

	if (!device_live(dev))
		return false;
	if (!c->notify_due && !(force && (c->tx.lazy_due || c->rx.lazy_due)))
		return c->tx.lazy_due || c->rx.lazy_due;
	c->notify_due = false;
	c->tx.lazy_due = false;
	c->rx.lazy_due = false;
	dev->bus->notify(dev);
	return false;
}
