/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moves messages from queues into receivers' rings.
 *
 * Model. mover_gather() takes what a receiver can be given: pending events and
 * the messages whose turn it is, each with the posted pages that it needs, and
 * adds their copies to one batch. mover_flush() does the batch and settles all:
 * what is visible to a domain never runs ahead of what another one has to see
 * before (see "Order" in <xen/io/vmsgif.h>):
 *
 *   1. failures of SENDs, on TX rings
 *   2. messages and events, on RX rings
 *   3. completions with 0, on TX rings
 *
 * and the answers to RELEASE and UNBIND come after that, at the end of the turn.
 */
#ifndef XENMSG_BROKER_MOVER_H
#define XENMSG_BROKER_MOVER_H

#include "backend/backend.h"
#include "broker/stats.h"
#include "common/list.h"

struct broker;
struct event;
struct message;
struct peer;
struct port;

/* In a batch: messages and events, and pages. A message has up to 256 pages. */
#define MOVER_ITEMS COPY_TAGS
#define MOVER_PAGES 1024u

/* One message or event on its way, with its pages. Its index is its tag. */
struct delivery {
	struct peer *dst;
	struct message *message; /* or NULL */
	struct event *event;	 /* or NULL */
	uint16_t first;		 /* of mover.pages */
	uint16_t nr_pages;
	bool gathered; /* the batch has a status for it */
	int status;
	enum way way;
};

struct mover {
	struct copy_batch *batch;
	struct delivery items[MOVER_ITEMS];
	unsigned int nr_items;
	struct rx_page pages[MOVER_PAGES];
	unsigned int nr_pages;
	unsigned int taken; /* messages, in this round */
	uint64_t bytes;	    /* of payload taken in this turn */
	bool copies;	    /* the batch is not empty */
	bool bad;	    /* some item has a status that is not 0 */
	struct list done;   /* released map-mode messages, to complete with 0 */
	struct list told;   /* look-ups whose RESOLVED is in the ring, likewise */
};

enum gathered {
	GATHER_ALL,  /* the receiver can take no more: nothing left, no pages, no credit */
	GATHER_MORE, /* its share of the turn is used up */
	GATHER_FULL, /* the batch is: flush it and go on */
};

void mover_init(struct mover *mover);
/* Take messages for @dst: up to @max, or if that is 0, as much as its queue's share is. */
enum gathered mover_gather(struct broker *broker, struct peer *dst, unsigned int max);
/* Do, publish and complete all that was gathered, and what was released. */
void mover_flush(struct broker *broker);
/* Publish TX responses of all peers that have some. */
void mover_publish_tx(struct broker *broker);

/* RELEASE by @receiver of message @seq of @addr to its port @number, and of @more before it. */
void held_release(struct peer *receiver, uint32_t addr, uint32_t number, uint64_t seq,
		  unsigned int more);
/* @m was handed over in map mode and is held from now on. */
void held_add(struct message *m);
/* It is held no more: its sender died, or it is to be answered by the caller. */
void held_remove(struct message *m);

#endif
