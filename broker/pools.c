// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pools. See pools.h for the model.
 */
#include "broker/pools.h"

#include "broker/broker.h"
#include "broker/peer.h"
#include "broker/send.h"
#include "broker/zombies.h"

#include <stdlib.h>

/* ------------------------------------------------- TX and RX: with the broker */

/*
 * Registering a pool maps or unmaps up to a thousand pages: one in a turn, and
 * so many a second for each domain. Requests behind it may rely on it, so the
 * device's others wait with it.
 */
static bool pool_op_allowed(struct peer *peer, bool mapping)
{
	struct broker *broker = peer->broker;

	if (mapping && broker->pool_ops)
		return false;
	if (!token_bucket_take(&peer->pool_tokens, broker_now(broker), 1))
		return false;
	broker->pool_ops += mapping;
	return true;
}

/* ------------------------------------------------------------------ MAP pools */

static void free_pool(struct map_pool *pool)
{
	event_cancel(pool->owner, &pool->to_owner);
	if (pool->receiver)
		event_cancel(pool->receiver, &pool->to_receiver);
	list_del(&pool->in_receiver);
	pool->owner->pools[pool->id] = NULL;
	free(pool);
}

static void answer_owner(struct map_pool *pool, int status)
{
	struct message *tx = pool->tx;

	pool->tx = NULL;
	if (tx)
		slot_answer(tx, status);
}

/* The receiver has it no more, or never had. Messages that are still queued cannot go. */
static void leave(struct map_pool *pool, int status)
{
	struct flow *flow = flow_find(pool->owner, pool->receiver->addr, pool->port);
	struct message *m, *tmp;

	if (flow) {
		list_for_each_entry_safe(m, tmp, &flow->queued, link)
			if (message_is_map(m) && m->u.map.pool == pool)
				send_fail(m, VMSGIF_EFAULT);
		list_for_each_entry(m, &flow->held, link)
			if (m->u.map.pool == pool)
				m->u.map.pool = NULL;
	}
	if (pool->tx) {
		answer_owner(pool, status);
		free_pool(pool);
		return;
	}
	event_cancel(pool->receiver, &pool->to_receiver);
	list_del(&pool->in_receiver);
	pool->receiver = NULL;
	pool->messages = 0;
	pool->state = POOL_GONE;
	event_post(pool->owner, &pool->to_owner, EVENT_POOL_GONE, pool->addr);
}

/* Have the receiver unmap it; @status is the answer to the owner's request then. */
static void dismiss(struct map_pool *pool, int status)
{
	pool->state = POOL_LEAVING;
	pool->status = status;
	pool->told = false;
	event_cancel(pool->receiver, &pool->to_receiver);
	event_post(pool->receiver, &pool->to_receiver, EVENT_POOL_DEL, pool->owner->addr);
}

/* Does the policy let @owner share pages with that port, if any, of @receiver? */
static bool allowed(struct peer *owner, struct peer *receiver, const struct port *port,
		    uint32_t number, struct decision *decision)
{
	struct broker *broker = owner->broker;

	policy_decide(&broker->config->policy, peer_subject(owner), peer_name(receiver), number,
		      port ? port_service(port) : NULL, !port && !receiver->ready, decision);
	return broker->config->limits.feature_map && (decision->modes & MODE_MAP);
}

/* 0 if @owner can share pages with that port of @receiver. */
static int may_share(struct peer *owner, struct peer *receiver, uint32_t number)
{
	struct port *port = port_find(receiver, number);
	struct decision decision;

	if (!allowed(owner, receiver, port, number, &decision)) {
		send_log_refused(owner, receiver, number, "map", &decision);
		return VMSGIF_EACCES;
	}
	if (receiver->ready && (!port || port->unbind))
		return VMSGIF_ECONNREFUSED;
	return VMSGIF_OKAY;
}

static void offer(struct map_pool *pool)
{
	int status = may_share(pool->owner, pool->receiver, pool->port);
	struct pair *pair;

	if (status == VMSGIF_OKAY) {
		pair = pair_get(pool->owner, pool->receiver);
		if (!pair)
			status = VMSGIF_ENOBUFS;
	}
	if (status != VMSGIF_OKAY) {
		leave(pool, status);
		return;
	}
	pair->known = true;
	pool->state = POOL_OFFERED;
	pool->told = false;
	event_post(pool->receiver, &pool->to_receiver, EVENT_POOL_ADD, pool->owner->addr);
}

static int add_map(struct peer *owner, const struct request *req)
{
	const struct vmsgif_pool *wanted = &req->pool;
	struct peer *receiver = route_peer(&owner->broker->route, req->addr);
	struct map_pool *pool;
	struct message *tx;
	int status;

	if (!receiver)
		return send_unknown(owner, req->addr, req->port, "map");
	status = may_share(owner, receiver, req->port);
	if (status != VMSGIF_OKAY)
		return status;
	if (owner->pools[wanted->id])
		return VMSGIF_EADDRINUSE;
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return VMSGIF_ENOBUFS;
	tx = slot_take(owner, req);
	if (!tx) {
		free(pool);
		return 1; /* answered */
	}
	tx->state = MESSAGE_WAITING;
	pool->owner = owner;
	pool->receiver = receiver;
	pool->addr = req->addr;
	pool->port = req->port;
	pool->src_port = req->src_port;
	pool->ref = wanted->ref;
	pool->nr_pages = wanted->nr_pages;
	pool->id = wanted->id;
	pool->tx = tx;
	list_init(&pool->in_receiver);
	event_init(&pool->to_receiver);
	event_init(&pool->to_owner);
	list_add_tail(&receiver->pools_in, &pool->in_receiver);
	owner->pools[wanted->id] = pool;
	pool->state = POOL_PARKED;
	if (receiver->ready)
		offer(pool);
	return 1;
}

/* Returns a status, or 1 if it is answered otherwise. */
static int del_map(struct peer *owner, const struct request *req)
{
	struct map_pool *pool = owner->pools[req->pool.id];
	struct message *tx;

	if (!pool || pool->tx || pool->messages)
		return VMSGIF_EINVAL;
	if (pool->state == POOL_GONE) {
		free_pool(pool);
		return VMSGIF_OKAY;
	}
	tx = slot_take(owner, req);
	if (!tx)
		return 1;
	tx->state = MESSAGE_WAITING;
	pool->tx = tx;
	pool->status = VMSGIF_OKAY;
	if (pool->state == POOL_MAPPED)
		dismiss(pool, VMSGIF_OKAY);
	return 1;
}

/* A TX or RX pool. */
static int add_own(struct peer *peer, const struct vmsgif_pool *pool)
{
	unsigned int used = device_pool_pages(peer->dev, VMSGIF_POOL_TX) +
			    device_pool_pages(peer->dev, VMSGIF_POOL_RX);
	struct excess excess;

	if (!account_admit_pool(peer->account, used, pool->nr_pages, &excess)) {
		send_log_excess(peer, NULL, 0, &excess);
		return VMSGIF_EDQUOT;
	}
	return device_pool_add(peer->dev, pool);
}

bool pool_add(struct peer *peer, const struct request *req)
{
	bool map = req->pool.type == VMSGIF_POOL_MAP;
	int status;

	if (!pool_op_allowed(peer, !map))
		return false;
	status = map ? add_map(peer, req) : add_own(peer, &req->pool);
	if (status <= 0)
		peer_answer(peer, req, status);
	return true;
}

bool pool_del(struct peer *peer, const struct request *req)
{
	bool map = req->pool.type == VMSGIF_POOL_MAP;
	int status;

	if (!pool_op_allowed(peer, !map))
		return false;
	if (map)
		status = del_map(peer, req);
	else if (req->pool.type == VMSGIF_POOL_TX && peer->pooled)
		status = VMSGIF_EINVAL;
	else
		status = device_pool_del(peer->dev, req->pool.type);
	if (status <= 0)
		peer_answer(peer, req, status);
	return true;
}

/* What a guest says goes to another one: only what the header knows. */
static int known_status(int status)
{
	switch (status) {
	case VMSGIF_EFAULT:
	case VMSGIF_EACCES:
	case VMSGIF_EINVAL:
	case VMSGIF_ENOBUFS:
	case VMSGIF_EDQUOT:
	case VMSGIF_ECONNREFUSED:
		return status;
	default:
		return VMSGIF_EFAULT;
	}
}

void pool_ack(struct peer *peer, const struct request *req)
{
	struct peer *owner = route_peer(&peer->broker->route, req->addr);
	struct map_pool *pool = owner ? owner->pools[req->pool.id] : NULL;
	int status = req->pool.status;
	struct pair *pair;

	peer_answer(peer, req, VMSGIF_OKAY);
	/* It may be gone in the meantime, as may its owner; nothing is to be done then. */
	if (!pool || pool->receiver != peer || pool->state == POOL_PARKED ||
	    (pool->state == POOL_OFFERED && !pool->told))
		return;
	if (status) {
		leave(pool, pool->state == POOL_LEAVING ? pool->status : known_status(status));
		return;
	}
	if (pool->state == POOL_LEAVING && pool->told) {
		leave(pool, pool->status);
		return;
	}
	if (pool->state != POOL_OFFERED)
		return;
	/* Port and policy may have changed since it was offered. */
	status = may_share(owner, peer, pool->port);
	if (status != VMSGIF_OKAY) {
		dismiss(pool, status);
		return;
	}
	pool->state = POOL_MAPPED;
	answer_owner(pool, VMSGIF_OKAY);
	pair = pair_find(owner, peer);
	if (pair)
		queue_wake_pair(pair);
}

int pool_check(struct peer *src, const struct request *req, struct map_pool **out)
{
	struct map_pool *pool;

	if (req->map_id >= VMSGIF_MAP_POOLS_MAX)
		return VMSGIF_EINVAL;
	pool = src->pools[req->map_id];
	if (!pool || pool->addr != req->addr || pool->port != req->port ||
	    pool->src_port != req->src_port || pool->state > POOL_MAPPED)
		return VMSGIF_EFAULT;
	if (req->map_offset + req->map_more * VMSGIF_RUN_STEP(req->len) + req->len >
	    (uint64_t)pool->nr_pages * VMSGIF_PAGE_SIZE)
		return VMSGIF_EFAULT;
	*out = pool;
	return VMSGIF_OKAY;
}

/* ------------------------------------------------------------------- events */

void pool_fill(const struct map_pool *pool, struct vmsgif_rx_response *rsp)
{
	rsp->u.pool.id = pool->id;
	rsp->u.pool.type = VMSGIF_POOL_MAP;
	if (rsp->type != VMSGIF_RX_POOL_ADD)
		return;
	rsp->port = pool->port;
	rsp->src_port = pool->src_port;
	rsp->u.pool.ref = pool->ref;
	rsp->u.pool.nr_pages = pool->nr_pages;
}

void pool_told(struct map_pool *pool, enum event_kind kind)
{
	if (kind == EVENT_POOL_GONE)
		free_pool(pool);
	else
		pool->told = true;
}

void pools_ready(struct peer *receiver)
{
	struct map_pool *pool, *tmp;

	list_for_each_entry_safe(pool, tmp, &receiver->pools_in, in_receiver)
		if (pool->state == POOL_PARKED)
			offer(pool);
}

void pools_unbind(struct peer *receiver, uint32_t port)
{
	struct map_pool *pool, *tmp;

	list_for_each_entry_safe(pool, tmp, &receiver->pools_in, in_receiver) {
		if (pool->port != port)
			continue;
		if (pool->state == POOL_MAPPED)
			dismiss(pool, VMSGIF_OKAY);
		else if (pool->state == POOL_OFFERED && !pool->told)
			leave(pool, VMSGIF_ECONNREFUSED);
		/* What it is mapping now is dismissed when it says so. */
	}
}

void pools_decide_anew(struct peer *receiver)
{
	struct map_pool *pool, *tmp;
	struct decision decision;

	list_for_each_entry_safe(pool, tmp, &receiver->pools_in, in_receiver) {
		if (allowed(pool->owner, receiver, port_find(receiver, pool->port), pool->port,
			    &decision))
			continue;
		if (pool->state == POOL_MAPPED)
			dismiss(pool, VMSGIF_OKAY);
		else if (pool->state == POOL_OFFERED && !pool->told)
			leave(pool, VMSGIF_EACCES);
		/* Others are asked about once more: when they are offered, or acknowledged. */
	}
}

void pools_down(struct peer *peer)
{
	struct map_pool *pool, *tmp;

	for (unsigned int i = 0; i < VMSGIF_MAP_POOLS_MAX; i++) {
		if (!peer->pools[i])
			continue;
		zombies_add(peer->pools[i]);
		free_pool(peer->pools[i]);
	}
	zombies_drop(peer);
	list_for_each_entry_safe(pool, tmp, &peer->pools_in, in_receiver) {
		bool leaving = pool->state == POOL_LEAVING;

		/* PEER_DOWN tells the owner of what it does not wait for. */
		answer_owner(pool, leaving ? pool->status : VMSGIF_EHOSTDOWN);
		free_pool(pool);
	}
}
