/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a domain is to be told besides messages.
 *
 * Model. An event is no queue entry but the state of the thing it is about: a
 * pair of domains, a subscription, a pool, a look-up. It is embedded there, is
 * pending or not, and takes no memory of its own; so pending events are bounded
 * by what the domain itself asked for or had delivered, and a newer state
 * replaces an older one that was not told yet. Pending events of a domain are
 * told in the order in which they came up, ahead of messages, with any posted
 * page.
 */
#ifndef XENMSG_BROKER_EVENT_H
#define XENMSG_BROKER_EVENT_H

#include "common/list.h"

#include <xen/io/vmsgif.h>

#include <stdbool.h>

struct peer;

enum event_kind {
	EVENT_PEER_UP,	 /* in a subscription */
	EVENT_PEER_DOWN, /* in a subscription */
	EVENT_PAIR_DOWN, /* PEER_DOWN in what is left of a pair */
	EVENT_POOL_ADD,	 /* in a pool, to the receiver */
	EVENT_POOL_DEL,	 /* in a pool, to the receiver */
	EVENT_POOL_GONE, /* in a pool, to the owner */
	EVENT_RESOLVED,	 /* in a look-up */
};

struct event {
	struct list link; /* in peer->events; alone when not pending */
	enum event_kind kind;
	uint32_t addr; /* whom it is about */
};

/* Pending ones that a device may let pile up, before it is closed for that. */
#define EVENTS_MAX 4096u

static inline void event_init(struct event *event)
{
	list_init(&event->link);
}

static inline bool event_pending(const struct event *event)
{
	return !list_empty(&event->link);
}

/* Make @event, not pending, pending at @to. */
void event_post(struct peer *to, struct event *event, enum event_kind kind, uint32_t addr);
/* It is not to be told any more. Harmless if it was not pending. */
void event_cancel(struct peer *to, struct event *event);
/* The next pending event of @to, taken off; NULL: none. event_delivered() must follow. */
struct event *event_take(struct peer *to);
/* The response that tells it, but for id; *name: text to go with it, or NULL. */
void event_fill(const struct event *event, struct vmsgif_rx_response *rsp, const char **name);
/* It is in the ring: let the thing that it is about go on. */
void event_delivered(struct peer *to, struct event *event);
/* @to dies: forget all that is pending there, and free what existed for it alone. */
void events_drop(struct peer *to);

#endif
