// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Life of a peer, and of the slots of its requests. See peer.h and message.h.
 */
#include "broker/peer.h"

#include "broker/broker.h"
#include "broker/lookup.h"
#include "broker/pools.h"

#include "common/macros.h"
#include "common/num.h"

#include <stdlib.h>

static struct list *table_new(void)
{
	struct list *table = malloc(ROUTE_BUCKETS * sizeof(*table));

	for (unsigned int i = 0; table && i < ROUTE_BUCKETS; i++)
		list_init(&table[i]);
	return table;
}

static void init_lists(struct peer *peer)
{
	struct list *lists[] = {
		&peer->in_route, &peer->in_name,   &peer->kicked,    &peer->busy,
		&peer->tx_dirty, &peer->rx_dirty,  &peer->touched,   &peer->lazy,
		&peer->orphans,	 &peer->all_flows, &peer->senders,   &peer->pools_in,
		&peer->events,	 &peer->subs,	   &peer->resolvers, &peer->watched,
	};

	for (unsigned int i = 0; i < ARRAY_LEN(lists); i++)
		list_init(lists[i]);
}

void peer_set_label(struct peer *peer)
{
	const char *name = device_name(peer->dev);
	uint16_t domid = device_domid(peer->dev);

	/* Processes of this domain share its name: which one is it? */
	if (domid & VMSGIF_ADDR_LOCAL)
		snprintf(peer->label, sizeof(peer->label), "%s", device_label(peer->dev));
	else
		snprintf(peer->label, sizeof(peer->label), "%s(%u)", *name ? name : "?", domid);
}

struct peer *peer_new(struct broker *broker, struct device *dev, uint32_t addr)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return NULL;
	peer->broker = broker;
	peer->dev = dev;
	peer->addr = addr;
	init_lists(peer);
	queue_init(&peer->queue);
	token_bucket_init(&peer->pool_tokens, POOL_RATE, POOL_BURST, broker_now(broker));
	peer_set_label(peer);
	peer->flows = table_new();
	peer->pairs = table_new();
	peer->ports = table_new();
	peer->account = account_get(broker, device_domid(dev), device_subject(dev));
	if (!peer->flows || !peer->pairs || !peer->ports || !peer->account) {
		peer_free(peer);
		return NULL;
	}
	return peer;
}

void peer_free(struct peer *peer)
{
	struct list *turn[] = { &peer->kicked,	&peer->busy, &peer->tx_dirty, &peer->rx_dirty,
				&peer->touched, &peer->lazy, &peer->watched };

	for (unsigned int i = 0; i < ARRAY_LEN(turn); i++)
		list_del(turn[i]);
	account_put(peer->account);
	free(peer->slots);
	free(peer->flows);
	free(peer->pairs);
	free(peer->ports);
	free(peer);
}

int peer_up(struct peer *peer)
{
	unsigned int slots = device_ring_slots(peer->dev);

	peer->slots = calloc(slots, sizeof(*peer->slots));
	if (!peer->slots)
		return -ENOMEM;
	peer->nr_slots = slots;
	peer->admitted = peer->survivor ? slots : 0;
	for (unsigned int i = 0; i < slots; i++) {
		list_init(&peer->slots[i].link);
		peer->slots[i].src = peer;
		peer->slots[i].id = (uint16_t)i;
	}
	peer->up = true;
	return 0;
}

bool peer_is(const struct peer *peer, const char *who)
{
	uint16_t domid;

	if (num_parse_u16(who, strlen(who), 0, UINT16_MAX, &domid) == 0)
		return domid == VMSGIF_ADDR_DOMID(peer->addr);
	return *who && !strcmp(peer_name(peer), who);
}

unsigned int peer_held(const struct peer *peer)
{
	const struct pair *pair;
	unsigned int held = 0;

	list_for_each_entry(pair, &peer->senders, in_dst)
		held += pair->held;
	return held;
}

/* --------------------------------------------------------------- the turn */

void peer_wake(struct peer *peer)
{
	if (!peer->ready || !list_empty(&peer->busy))
		return;
	list_add_tail(&peer->broker->busy, &peer->busy);
	broker_schedule(peer->broker);
}

void peer_mark_tx(struct peer *peer)
{
	list_add_tail(&peer->broker->tx_dirty, &peer->tx_dirty);
	broker_schedule(peer->broker);
}

void peer_mark_rx(struct peer *peer)
{
	list_add_tail(&peer->broker->rx_dirty, &peer->rx_dirty);
	peer->rx_urgent = false;
}

void peer_complete(struct peer *peer, uint16_t id, uint8_t op, int status, uint32_t addr,
		   uint32_t port)
{
	if (UNLIKELY(peer->broker->closing))
		return;
	device_complete(peer->dev, id, op, status, addr, port);
	peer_dirty_tx(peer);
}

void peer_answer(struct peer *peer, const struct request *req, int status)
{
	peer_complete(peer, req->id, req->op, status, 0, 0);
}

/* ------------------------------------------------------------------ slots */

void slot_drop(struct message *m)
{
	struct peer *peer = m->src;

	switch (m->op) {
	case VMSGIF_OP_SEND:
		if (m->nr_segs > VMSGIF_SEGS_MAX)
			broker_list_put(peer->broker, m->u.list);
		if (message_is_map(m)) {
			peer->account->maps--;
			if (m->u.map.pool)
				m->u.map.pool->messages--;
		}
		break;
	case VMSGIF_OP_RESOLVE:
		lookup_free(peer, m->u.lookup);
		break;
	case VMSGIF_OP_RELEASE:
		/* It waits for the end of the turn only, in the slots that are kept for such. */
		peer->waiting++;
		break;
	default:
		break;
	}
	m->nr_segs = 0;
}

void slot_answer(struct message *m, int status)
{
	peer_complete(m->src, m->id, m->op, status, 0, 0);
	slot_free(m);
}

void slot_answer_late(struct message *m, int status)
{
	m->state = MESSAGE_ANSWERED;
	m->status = status;
	list_move_tail(&m->src->broker->late, &m->link);
	broker_schedule(m->src->broker);
}
