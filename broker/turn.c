// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One turn. See broker.h for the model.
 */
#include "broker/turn.h"

#include "broker/bind.h"
#include "broker/broker.h"
#include "broker/lookup.h"
#include "broker/peer.h"
#include "broker/pools.h"
#include "broker/send.h"

#include "common/clock.h"
#include "common/macros.h"

/* ------------------------------------------------------------------ consuming */

/* Anything but a SEND. Returns false if it cannot be served now; then it is kept for later. */
static bool serve(struct peer *peer, const struct request *req, const char *name)
{
	switch (req->op) {
	case VMSGIF_OP_RELEASE:
		release_serve(peer, req);
		return true;
	case VMSGIF_OP_BIND:
		bind_serve(peer, req, name);
		return true;
	case VMSGIF_OP_UNBIND:
		unbind_serve(peer, req);
		return true;
	case VMSGIF_OP_CREDIT:
		credit_serve(peer, req);
		return true;
	case VMSGIF_OP_RESOLVE:
		lookup_resolve(peer, req, name);
		return true;
	case VMSGIF_OP_SUBSCRIBE:
		lookup_subscribe(peer, req, name);
		return true;
	case VMSGIF_OP_POOL_ADD:
		return pool_add(peer, req);
	case VMSGIF_OP_POOL_DEL:
		return pool_del(peer, req);
	case VMSGIF_OP_POOL_ACK:
		pool_ack(peer, req);
		return true;
	case VMSGIF_OP_READY:
		ready_serve(peer, req);
		return true;
	default:
		peer_answer(peer, req, VMSGIF_EINVAL);
		return true;
	}
}

/* What waited since an earlier turn comes before anything new. */
static bool serve_stalled(struct peer *peer)
{
	struct stalled *s = &peer->stalled;

	if (!s->valid)
		return true;
	if (!serve(peer, &s->req, NULL))
		return false;
	s->valid = false;
	return true;
}

/*
 * The device waits with all its requests: for the next turn, or for tokens.
 * Only pool requests do that; they have neither segments nor names.
 */
static void stall(struct peer *peer)
{
	struct broker *broker = peer->broker;
	uint64_t ns = token_bucket_wait_ns(&peer->pool_tokens, broker_now(broker), 1);

	if (!ns)
		return;
	list_move_tail(&broker->stalled, &peer->kicked);
	broker_wake_stalled_in(broker, ns);
}

enum consumed {
	CONSUMED_ALL,
	CONSUMED_SHARE,
	CONSUMED_STALLED,
};

/* Up to @max requests of @peer; *max is what is left. */
static enum consumed consume_device(struct peer *peer, unsigned int *max)
{
	const struct vmsgif_segment *segs;
	struct request req;
	const char *name;

	if (UNLIKELY(!serve_stalled(peer)))
		return CONSUMED_STALLED;
	/* The backend answers what it refuses by itself. */
	peer_dirty_tx(peer);
	while (*max) {
		int r = device_next_request(peer->dev, &req, &segs, &name);

		if (UNLIKELY(r <= 0) && (busy_watch(peer) || !device_arm(peer->dev)))
			return CONSUMED_ALL;
		/* A look in vain counts too: whoever races with it gets no more than its share. */
		(*max)--;
		if (UNLIKELY(r <= 0))
			continue;
		if (UNLIKELY(peer->slots[req.id].state != MESSAGE_NONE)) {
			device_fail(peer->dev, "request id %u is in use by an unanswered request",
				    req.id);
			return CONSUMED_ALL;
		}
		if (LIKELY(req.op == VMSGIF_OP_SEND)) {
			send_serve(peer, &req, segs);
		} else if (UNLIKELY(!serve(peer, &req, name))) {
			peer->stalled.valid = true;
			peer->stalled.req = req;
			return CONSUMED_STALLED;
		}
	}
	return CONSUMED_SHARE;
}

static void consume(struct broker *broker)
{
	unsigned int all = TURN_REQUESTS_ALL;
	struct list turn;

	list_init(&turn);
	list_splice_tail(&turn, &broker->kicked);
	while (all && !list_empty(&turn)) {
		struct peer *peer = list_first_entry(&turn, struct peer, kicked);
		unsigned int weight = peer->account->limits->weight;
		unsigned int share = MIN_OF(TURN_REQUESTS * weight, all);

		all -= share;
		list_move_tail(&broker->kicked, &peer->kicked);
		switch (consume_device(peer, &share)) {
		case CONSUMED_ALL:
			peer->pressed = false;
			list_del(&peer->kicked);
			break;
		case CONSUMED_STALLED:
			stall(peer);
			break;
		case CONSUMED_SHARE:
			break;
		}
		all += share;
		/* It may have posted pages. */
		if (!list_empty(&peer->events) || !list_empty(&peer->queue.active))
			peer_wake(peer);
	}
	/* Who did not get a turn is first in the next one. */
	list_splice_head(&broker->kicked, &turn);
}

/* ------------------------------------------------------------------ delivering */

/* It is up to the receiver now. If it was not told of what it got, as that was lazy, it is. */
static void tell_starved(struct broker *broker, struct peer *peer)
{
	if (!peer_is_starved(peer))
		return;
	if (!list_empty(&peer->lazy))
		list_move_tail(&broker->touched, &peer->touched);
	(void)busy_watch(peer);
}

/* A share for each receiver. Returns whether some have to wait for the next, and none got anything. */
static bool deliver_round(struct broker *broker)
{
	struct mover *mover = &broker->mover;
	bool again = false;
	unsigned int max;
	struct list turn;

	broker->rounds++;
	mover->taken = 0;
	list_init(&turn);
	list_splice_tail(&turn, &broker->busy);
	/* Alone, there are no turns to take. */
	max = turn.next == turn.prev ? TURN_MESSAGES : 0;
	while (!list_empty(&turn) && mover->bytes < TURN_BYTES) {
		struct peer *peer = list_first_entry(&turn, struct peer, busy);

		list_move_tail(&broker->busy, &peer->busy);
		queue_begin_round(&peer->queue, broker->rounds, TURN_SHARE);
		switch (mover_gather(broker, peer, max)) {
		case GATHER_ALL:
			list_del(&peer->busy);
			tell_starved(broker, peer);
			break;
		case GATHER_MORE:
			again = true;
			break;
		case GATHER_FULL:
			list_move_tail(&turn, &peer->busy);
			mover_flush(broker);
			break;
		}
	}
	list_splice_head(&broker->busy, &turn);
	return again && !mover->taken;
}

static void deliver(struct broker *broker)
{
	broker->mover.bytes = 0;
	/* Who took a large message in advance pays back more than a share. */
	while (deliver_round(broker))
		;
	mover_flush(broker);
}

/* ------------------------------------------------------------------ the end */

/* RELEASEs and UNBINDs, now that what they stand for is published. */
static void answer_late(struct broker *broker)
{
	while (!list_empty(&broker->late)) {
		struct message *m = list_first_entry(&broker->late, struct message, link);
		struct port *port = m->op == VMSGIF_OP_UNBIND ? m->port : NULL;

		list_del(&m->link);
		slot_answer(m, m->status);
		if (port)
			port_destroy(port);
	}
	mover_publish_tx(broker);
}

static void notify(struct broker *broker)
{
	bool lazy = false;

	while (!list_empty(&broker->touched)) {
		struct peer *peer = list_first_entry(&broker->touched, struct peer, touched);

		list_del(&peer->touched);
		/* Its answer is likely to be next. */
		(void)busy_watch(peer);
		if (device_notify(peer->dev, peer_is_starved(peer))) {
			list_move_tail(&broker->lazy, &peer->lazy);
			lazy = true;
		} else {
			list_del(&peer->lazy);
		}
	}
	if (lazy)
		broker_flush_lazy_in(broker, VMSGIF_LAZY_NS);
}

bool turn_run(struct broker *broker)
{
	broker->turns++;
	broker->now = clock_now_ns();
	broker->turn_us = (uint32_t)(broker->now / NS_PER_US);
	broker->pool_ops = 0;
	busy_begin(broker);
	consume(broker);
	deliver(broker);
	answer_late(broker);
	notify(broker);
	broker->now = 0;
	return !list_empty(&broker->kicked) || !list_empty(&broker->busy) ||
	       !list_empty(&broker->tx_dirty);
}
