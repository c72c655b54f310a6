// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a connection runs over: rings, pages, the engine, and the event channel.
 *
 * All but the event channel is made once and kept, through restarts of the
 * broker as well as through an unplugged device or a restored domain: pages
 * keep their grant references, which a new grant table is told again. The event
 * channel lasts as long as the device is open: when the broker dies, our port
 * falls back to "unbound, for the backend's domain", which its successor can
 * bind (xen/common/event_channel.c:evtchn_close()).
 */
#include <linux/interrupt.h>
#include <linux/slab.h>
#include <xen/events.h>

#include "front.h"

/* Messages up to this size are copied out of RX pages at once. */
#define COPY_OUT 256

static irqreturn_t channel_irq(int irq, void *priv)
{
	struct vmsg_front *front = priv;
	bool spurious, broken;

	front_lock(front);
	front->events_received++;
	front_service(front, false);
	spurious = !front->v || vmsg_taken(front->v) == front->taken_in;
	broken = front->phase != FRONT_CONNECTED && front->v && vmsg_broken(front->v);
	if (front->v)
		front->taken_in = vmsg_taken(front->v);
	front_unlock(front);
	/* Without EOI no more come: a broken backend has no claim to our time. */
	if (!broken)
		xen_irq_lateeoi(irq, spurious ? XEN_EOI_FLAG_SPURIOUS : 0);
	return IRQ_HANDLED;
}

/* -------------------------------------------------------------- lazy timer */

static void lazy_work(struct work_struct *work)
{
	struct vmsg_front *front = container_of(work, struct vmsg_front, lazy_work);

	front_lock(front);
	front_service(front, true);
	front_unlock(front);
}

static enum hrtimer_restart lazy_timer(struct hrtimer *timer)
{
	struct vmsg_front *front = container_of(timer, struct vmsg_front, lazy);

	queue_work(system_highpri_wq, &front->lazy_work);
	return HRTIMER_NORESTART;
}

void channel_set_timer(struct vmsg_front *front)
{
	if (vmsg_put_off(front->v) && !hrtimer_active(&front->lazy))
		hrtimer_start(&front->lazy, ns_to_ktime(VMSGIF_LAZY_NS), HRTIMER_MODE_REL);
}

void channel_init(struct vmsg_front *front)
{
	INIT_WORK(&front->lazy_work, lazy_work);
	hrtimer_init(&front->lazy, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	front->lazy.function = lazy_timer;
}

/* -------------------------------------------------------------- what is kept */

static int engine_make(struct vmsg_front *front)
{
	const struct vmsg_params params = {
		.ops = &front_ops,
		.priv = front,
		.ring_order = front->ring_order,
		.nr_tx_pages = front->tx.nr,
		.tx_pages = front->tx.va,
		.tx_grefs = front->tx.refs,
		.tx_directory = front->directories.refs[0],
		.nr_rx_pages = front->rx.nr,
		.rx_pages = front->rx.va,
		.rx_grefs = front->rx.refs,
		.rx_directory = front->directories.refs[1],
		.max_ports = FRONT_PORTS,
		.max_flows = FRONT_FLOWS,
		.max_pools = FRONT_FOREIGN,
		.max_subscriptions = FRONT_SUBS,
		.copy_out = COPY_OUT,
		.seq_start = 1,
	};
	void *memory = kvzalloc(vmsg_size(&params), GFP_KERNEL);

	if (!memory)
		return -ENOMEM;
	front->v = vmsg_init(memory, &params);
	if (front->v)
		return 0;
	kvfree(memory);
	return -EINVAL;
}

static int alloc_all(struct vmsg_front *front, unsigned int tx, unsigned int rx)
{
	unsigned int ring = 1u << front->ring_order;
	int r;

	r = granted_alloc(&front->tx_ring, ring, false, true);
	if (!r)
		r = granted_alloc(&front->rx_ring, ring, false, true);
	if (!r)
		r = granted_alloc(&front->tx, tx, true, false);
	if (!r)
		r = granted_alloc(&front->rx, rx, false, false);
	if (!r)
		r = granted_alloc(&front->directories, 2, true, false);
	return r;
}

static int grant_all(struct vmsg_front *front)
{
	domid_t domid = front->dev->otherend_id;
	int r;

	r = granted_grant(&front->tx_ring, domid);
	if (!r)
		r = granted_grant(&front->rx_ring, domid);
	if (!r)
		r = granted_grant(&front->tx, domid);
	if (!r)
		r = granted_grant(&front->rx, domid);
	if (!r)
		r = granted_grant(&front->directories, domid);
	return r;
}

int channel_make(struct vmsg_front *front, unsigned int max_order, unsigned int max_pool)
{
	unsigned int tx = front_tx_pages, rx = front_rx_pages;
	int r;

	/* A pool that the broker takes is better than a large one. */
	if (max_pool >= 32) {
		tx = min(tx, max_pool);
		rx = min(rx, max_pool);
	}
	/* So that all of them can be posted. */
	front->ring_order = min(max_order, rx > VMSGIF_RING_SLOTS(4) ? 5u : 4u);
	front->features.max_message = VMSGIF_MESSAGE_MAX; /* until the broker says */
	r = alloc_all(front, tx, rx);
	if (!r)
		r = grant_all(front);
	if (!r) {
		memcpy(front->directories.va[0], front->tx.refs, tx * sizeof(*front->tx.refs));
		memcpy(front->directories.va[1], front->rx.refs, rx * sizeof(*front->rx.refs));
		r = engine_make(front);
	}
	if (r)
		channel_unmake(front);
	return r;
}

void channel_unmake(struct vmsg_front *front)
{
	kvfree(front->v);
	front->v = NULL;
	granted_free(front, &front->directories);
	granted_free(front, &front->rx);
	granted_free(front, &front->tx);
	granted_free(front, &front->rx_ring);
	granted_free(front, &front->tx_ring);
}

void channel_grant_again(struct vmsg_front *front)
{
	granted_again(&front->tx_ring);
	granted_again(&front->rx_ring);
	granted_again(&front->tx);
	granted_again(&front->rx);
	granted_again(&front->directories);
}

/* ------------------------------------------------------------ event channel */

/*
 * Closes a channel that has an interrupt without a handler, with which
 * unbind_from_irqhandler() is not content. The second argument is there from
 * Linux 6.7 on.
 */
static void unbind_bare(evtchn_port_t evtchn)
{
	int (*old)(evtchn_port_t) = (void *)evtchn_make_refcounted;
	int (*new)(evtchn_port_t, bool) = (void *)evtchn_make_refcounted;
	int r = _Generic(&evtchn_make_refcounted, typeof(old)
			 : old(evtchn), typeof(new)
			 : new (evtchn, false));

	if (!r)
		evtchn_put(evtchn);
}

int channel_open(struct vmsg_front *front)
{
	evtchn_port_t evtchn;
	int r;

	if (front->evtchn)
		return 0;
	r = xenbus_alloc_evtchn(front->dev, &evtchn);
	if (r)
		return r;
	r = bind_evtchn_to_irq_lateeoi(evtchn);
	if (r < 0) {
		xenbus_free_evtchn(front->dev, evtchn);
		return r;
	}
	front->irq = r;
	r = request_threaded_irq(front->irq, NULL, channel_irq, IRQF_ONESHOT, FRONT_NAME, front);
	if (r) {
		unbind_bare(evtchn);
		return r;
	}
	front->evtchn = evtchn;
	front->taken_in = 0;
	return 0;
}

void channel_close(struct vmsg_front *front)
{
	int irq;

	front_lock(front);
	irq = front->evtchn ? front->irq : 0;
	front->evtchn = 0;
	mutex_unlock(&front->lock);
	if (irq)
		unbind_from_irqhandler(irq, front);
	hrtimer_cancel(&front->lazy);
	cancel_work_sync(&front->lazy_work);
}
