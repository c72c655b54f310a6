/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The queue of one destination domain: which message comes next.
 *
 * Model. Senders take turns by deficit round robin, measured by queue_cost(),
 * which is bytes, so that each gets a share of what the receiver takes in by its
 * weight, whatever the sizes; the flows of one sender take turns by message. Only
 * what can be delivered takes part: a flow whose next message exceeds the
 * credit of its port waits there; one that waits for a release or a pool, or
 * until a domain is in service again (see drain.h), waits in its pair. The port
 * as a whole waits then, for the message whose turn it was: small messages of
 * others must not use up for ever the credit that a large one needs.
 *
 * When there is more to do than a turn can hold, receivers take turns as well:
 * each gets a share by the weights of the senders that wait there, so that what
 * a sender gets through does not depend on who shares its receiver.
 *
 * Nothing is allocated here: messages are linked through their slots, of which
 * each sender has a fixed number.
 */
#ifndef XENMSG_BROKER_QUEUE_H
#define XENMSG_BROKER_QUEUE_H

#include "common/list.h"
#include "common/macros.h"

#include <xen/io/vmsgif.h>

#include <stdint.h>

struct flow;
struct message;
struct pair;
struct peer;
struct port;

struct queue {
	struct list active; /* pairs with a runnable flow, the next in turn first */
	unsigned int messages;
	uint64_t bytes; /* of payload that they stand for */
	int64_t share; /* of this turn: what the receiver may still take; less than 0: of the next */
	uint64_t round; /* in which it got that */
};

/* What a turn of a sender of weight 1 adds to what it may send: one message of a page. */
#define QUEUE_QUANTUM (64u + 4096u)

/* Of a sender of this weight. */
static inline uint64_t queue_quantum(unsigned int weight)
{
	return (uint64_t)QUEUE_QUANTUM * weight;
}

/*
 * By what senders take turns: the bytes that a message of @len bytes costs, but at
 * least those of a quarter of a page. Handling one is work, whatever is in it, and a
 * flood of tiny ones would have others wait for that.
 */
static inline uint64_t queue_cost(uint32_t len)
{
	return MAX_OF(VMSGIF_MSG_COST(len), (uint64_t)QUEUE_QUANTUM / 4);
}

void queue_init(struct queue *queue);
/* Append @m, whose fields are filled in, to its flow. */
void queue_push(struct message *m);
/* Its share of @round: @unit bytes for each unit of weight. Once per round. */
void queue_begin_round(struct queue *queue, uint64_t round, int64_t unit);
/*
 * Whose turn is it? The message stays where it is until queue_take(), so that
 * asking again gives the same one. NULL: nothing can be delivered.
 */
struct message *queue_next(struct peer *dst, unsigned int max_maps);
/*
 * It goes: charges the port's credit and the sender's turn, and counts it as held if it is in
 * map mode. @m is what queue_next() gave.
 */
void queue_take(struct message *m);
/* Take out a queued message for another reason: it failed, or its sender died. */
void queue_remove(struct message *m);
/* The credit of @port has risen. */
void queue_credit(struct port *port);
/* A message of @pair was released, or a pool of it mapped. */
void queue_wake_pair(struct pair *pair);
/* The orphan @flow got its port. */
void queue_wake_flow(struct flow *flow);
/* A taken message was not delivered after all: its credit is there again. */
void queue_refund(struct message *m);

#endif
