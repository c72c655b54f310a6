/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One address: a domain's device in one life of its frontend, as a sender and
 * as a receiver.
 *
 * A peer exists from when the backend tells of the address (awaited or up)
 * until it says that the address is dead. Messages for it wait until it has
 * said READY.
 */
#ifndef XENMSG_BROKER_PEER_H
#define XENMSG_BROKER_PEER_H

#include "backend/backend.h"
#include "broker/account.h"
#include "broker/message.h"
#include "broker/queue.h"
#include "broker/route.h"
#include "broker/stats.h"
#include "common/macros.h"
#include "common/token-bucket.h"

struct broker;

struct subscription {
	struct list in_peer; /* peer->subs */
	struct list in_name; /* name->subs */
	struct peer *peer;
	struct name *name;
	struct event up; /* its addr stays that of the last PEER_UP */
	struct event down;
};

/* A request that could not be served in its turn; the device's others wait behind it. */
struct stalled {
	bool valid;
	bool has_name;
	struct request req;
	char name[VMSGIF_NAME_MAX + 1];
};

struct peer {
	struct broker *broker;
	struct device *dev;
	uint32_t addr;
	bool up;       /* connected: has rings */
	bool ready;    /* said READY */
	bool survivor; /* lived under an earlier broker */
	struct list in_route;
	struct name *name; /* or NULL */
	struct list in_name;

	/* What the turn knows; each list is the broker's. */
	struct list kicked;   /* may have requests */
	struct list busy;     /* may be given something */
	struct list tx_dirty; /* has answers not published */
	struct list rx_dirty; /* has RX responses not published */
	struct list touched;  /* published: an event may be due */
	struct list lazy;     /* a lazy event is due */
	struct list watched;  /* looked at instead of waiting for its events */
	bool pressed;	      /* it sent an event: what is lazy goes, too, at either end */
	bool rx_urgent;	      /* not all RX responses are lazy */

	/* As a sender. */
	struct account *account; /* its domain's */
	/* SENDs that it may have brought from an earlier broker, who has admitted them. */
	unsigned int admitted;
	struct message *slots; /* nr_slots, by id; while up */
	unsigned int nr_slots;
	unsigned int waiting; /* requests that may wait, unanswered */
	uint64_t last_seq;
	struct flow *last_flow; /* of the last SEND: mostly that of the next one too */
	struct list *flows;	/* ROUTE_BUCKETS */
	struct list all_flows;
	unsigned int nr_flows;
	struct list *pairs; /* ROUTE_BUCKETS, to each receiver */
	struct map_pool *pools[VMSGIF_MAP_POOLS_MAX];
	unsigned int pooled; /* unanswered SENDs that name the TX pool */
	struct token_bucket pool_tokens;
	struct stalled stalled;

	/* As a receiver. */
	struct list *ports; /* ROUTE_BUCKETS */
	unsigned int nr_ports;
	struct list orphans; /* flows to ports not bound yet */
	struct list senders; /* pairs */
	struct queue queue;
	struct list pools_in;  /* map pools offered to it */
	struct list resolvers; /* look-ups that wait for it: messages of others */
	struct list events;
	unsigned int nr_events;
	struct list subs;
	unsigned int nr_subs;
	uint32_t told_down; /* this dead address is in its events already */

	struct counters count;
	char label[VMSGIF_NAME_MAX + 16]; /* for logs: name(domid) */
};

/* NULL: no memory. */
struct peer *peer_new(struct broker *broker, struct device *dev, uint32_t addr);
/* By what the device is called now. */
void peer_set_label(struct peer *peer);
/* It is in no table and on no list any more, and has no messages. */
void peer_free(struct peer *peer);
/* It connected: makes the slots. -ENOMEM. */
int peer_up(struct peer *peer);

/* The name that policy knows it by, perhaps "". */
static inline const char *peer_name(const struct peer *peer)
{
	return peer->name ? peer->name->text : "";
}

/* Who it is when it asks for something; see pattern.h. */
static inline const char *peer_subject(const struct peer *peer)
{
	return peer->account->subject;
}

/* Is it meant by @who? As for xl, a number is a domid, and else it is a name. */
bool peer_is(const struct peer *peer, const char *who);
/* Messages that it got in map mode and has not released. */
unsigned int peer_held(const struct peer *peer);

/* There may be something to deliver to it: let the turn look. */
void peer_wake(struct peer *peer);
/*
 * Messages wait there, and not for their turn: it has to take in what is lazy, too,
 * and make room.
 */
static inline bool peer_is_starved(const struct peer *peer)
{
	return peer->queue.messages && list_empty(&peer->busy);
}
/* The first answer, or RX response, that is not published. */
void peer_mark_tx(struct peer *peer);
void peer_mark_rx(struct peer *peer);

/* Answers were written. */
static inline void peer_dirty_tx(struct peer *peer)
{
	if (UNLIKELY(list_empty(&peer->tx_dirty)))
		peer_mark_tx(peer);
}

/* RX responses were written. */
static inline void peer_dirty_rx(struct peer *peer, bool lazy)
{
	if (UNLIKELY(list_empty(&peer->rx_dirty)))
		peer_mark_rx(peer);
	peer->rx_urgent |= !lazy;
}

/* Write an answer to the TX ring. */
void peer_complete(struct peer *peer, uint16_t id, uint8_t op, int status, uint32_t addr,
		   uint32_t port);
/* Answer a request for which no slot was taken. */
void peer_answer(struct peer *peer, const struct request *req, int status);

/*
 * Take the slot of @req for as long as it is unanswered; the caller sets state.
 * NULL: over the limit of requests that may wait, answered with VMSGIF_ENOBUFS.
 */
static inline struct message *slot_take(struct peer *peer, const struct request *req)
{
	struct message *m = &peer->slots[req->id];

	if (UNLIKELY(peer->waiting + VMSGIF_TX_RESERVE >= peer->nr_slots)) {
		peer_answer(peer, req, VMSGIF_ENOBUFS);
		return NULL;
	}
	peer->waiting++;
	m->op = req->op;
	m->form = req->form;
	m->nr_segs = 0;
	return m;
}

/* Let go of what hangs from it: not of SENDs whose payload is in the slot or in few segments. */
void slot_drop(struct message *m);

/* Free the slot without an answer. */
static inline void slot_free(struct message *m)
{
	if (UNLIKELY(m->op != VMSGIF_OP_SEND || m->nr_segs > VMSGIF_SEGS_MAX || message_is_map(m)))
		slot_drop(m);
	m->src->pooled -= m->pooled;
	m->src->waiting--;
	m->pooled = false;
	m->state = MESSAGE_NONE;
}

/* Answer it, and free the slot. It is on no list any more. */
void slot_answer(struct message *m, int status);
/* Answer it at the end of the turn. */
void slot_answer_late(struct message *m, int status);

#endif
