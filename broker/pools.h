/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pools: the TX and RX pools that a device registers here, and the MAP pools
 * that one domain shares with a port of another one.
 *
 * Model. Of a MAP pool the broker knows id, size and both ends, and passes on
 * what they say to each other:
 *
 *   PARKED    the receiver has not said READY yet
 *   OFFERED   POOL_ADD is, or will be, in its RX ring; its POOL_ACK answers the
 *             owner's POOL_ADD
 *   MAPPED    messages may name it
 *   LEAVING   POOL_DEL is, or will be, there; its POOL_ACK answers the owner's
 *             POOL_DEL, or is passed on as POOL_GONE
 *   GONE      the owner is to be told so
 *
 * It is freed when nobody is to be told anything more about it.
 */
#ifndef XENMSG_BROKER_POOLS_H
#define XENMSG_BROKER_POOLS_H

#include "broker/event.h"
#include "broker/message.h"

struct peer;

enum pool_state {
	POOL_PARKED,
	POOL_OFFERED,
	POOL_MAPPED,
	POOL_LEAVING,
	POOL_GONE,
};

struct map_pool {
	struct list in_receiver; /* receiver->pools_in, until GONE */
	struct peer *owner;
	struct peer *receiver; /* NULL when GONE */
	uint32_t port;	       /* the receiver's */
	uint32_t src_port;
	uint32_t ref;
	uint32_t nr_pages;
	uint16_t id;
	enum pool_state state;
	bool told;	       /* the event of the state is in the receiver's ring */
	unsigned int messages; /* queued or held ones that name it */
	uint32_t addr;	       /* of the receiver, for POOL_GONE */
	struct message *tx;    /* the owner's request that waits, or NULL */
	int status;	       /* its answer when the receiver has let go */
	struct event to_receiver;
	struct event to_owner;
};

static inline bool pool_usable(const struct map_pool *pool)
{
	return pool->state == POOL_MAPPED;
}

/*
 * May a SEND to @addr, @port from @src_port name bytes @offset to @offset + @len
 * of the pool? 0 or a status; then *out is the pool, perhaps not mapped yet.
 */
int pool_check(struct peer *src, const struct request *req, struct map_pool **out);

/* Served at once, or false: the request has to wait, for tokens or the next turn. */
bool pool_add(struct peer *peer, const struct request *req);
bool pool_del(struct peer *peer, const struct request *req);
void pool_ack(struct peer *peer, const struct request *req);

/* Details of an event about it. */
void pool_fill(const struct map_pool *pool, struct vmsgif_rx_response *rsp);
void pool_told(struct map_pool *pool, enum event_kind kind);

/* @receiver said READY: offer what was parked. */
void pools_ready(struct peer *receiver);
/* @receiver unbinds @port: pools shared with that are to go. */
void pools_unbind(struct peer *receiver, uint32_t port);
/* The policy has changed: what it forbids now is to go. */
void pools_decide_anew(struct peer *receiver);
/* @peer dies, as an owner and as a receiver. */
void pools_down(struct peer *peer);

#endif
