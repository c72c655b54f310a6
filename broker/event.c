// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pending events of a peer. See event.h for the model.
 *
 * The one place that knows in what each kind is embedded.
 */
#include "broker/event.h"

#include "broker/broker.h"
#include "broker/lookup.h"
#include "broker/peer.h"
#include "broker/pools.h"
#include "broker/zombies.h"

#include <stdlib.h>

void event_post(struct peer *to, struct event *event, enum event_kind kind, uint32_t addr)
{
	event->kind = kind;
	event->addr = addr;
	list_add_tail(&to->events, &event->link);
	to->nr_events++;
	peer_wake(to);
	if (to->nr_events == EVENTS_MAX)
		device_fail(to->dev, "%u events are pending: no RX pages are posted for them",
			    EVENTS_MAX);
}

void event_cancel(struct peer *to, struct event *event)
{
	if (!event_pending(event))
		return;
	list_del(&event->link);
	to->nr_events--;
}

struct event *event_take(struct peer *to)
{
	struct event *event;

	if (list_empty(&to->events))
		return NULL;
	event = list_first_entry(&to->events, struct event, link);
	event_cancel(to, event);
	return event;
}

static struct map_pool *pool_of(const struct event *event, enum event_kind kind)
{
	return kind == EVENT_POOL_GONE ? CONTAINER_OF(event, struct map_pool, to_owner) :
					 CONTAINER_OF(event, struct map_pool, to_receiver);
}

void event_fill(const struct event *event, struct vmsgif_rx_response *rsp, const char **name)
{
	*name = NULL;
	rsp->addr = event->addr;
	switch (event->kind) {
	case EVENT_PEER_UP:
		rsp->type = VMSGIF_RX_PEER_UP;
		*name = CONTAINER_OF(event, struct subscription, up)->name->text;
		break;
	case EVENT_PEER_DOWN:
	case EVENT_PAIR_DOWN:
		rsp->type = VMSGIF_RX_PEER_DOWN;
		break;
	case EVENT_POOL_ADD:
		rsp->type = VMSGIF_RX_POOL_ADD;
		pool_fill(pool_of(event, event->kind), rsp);
		break;
	case EVENT_POOL_DEL:
		rsp->type = VMSGIF_RX_POOL_DEL;
		pool_fill(pool_of(event, event->kind), rsp);
		break;
	case EVENT_POOL_GONE:
		rsp->type = VMSGIF_RX_POOL_GONE;
		pool_fill(pool_of(event, event->kind), rsp);
		break;
	case EVENT_RESOLVED:
		rsp->type = VMSGIF_RX_RESOLVED;
		*name = CONTAINER_OF(event, struct lookup, event)->name->text;
		break;
	}
}

void event_delivered(struct peer *to, struct event *event)
{
	struct broker *broker = to->broker;

	switch (event->kind) {
	case EVENT_PEER_UP:
		break;
	case EVENT_PEER_DOWN:
		zombies_told(to, event->addr);
		break;
	case EVENT_PAIR_DOWN:
		zombies_told(to, event->addr);
		free(CONTAINER_OF(event, struct pair, down));
		break;
	case EVENT_POOL_ADD:
	case EVENT_POOL_DEL:
	case EVENT_POOL_GONE:
		pool_told(pool_of(event, event->kind), event->kind);
		break;
	case EVENT_RESOLVED:
		list_add_tail(&broker->mover.told,
			      &CONTAINER_OF(event, struct lookup, event)->message->link);
		break;
	}
}

void events_drop(struct peer *to)
{
	struct event *event;

	while ((event = event_take(to))) {
		if (event->kind == EVENT_PAIR_DOWN)
			free(CONTAINER_OF(event, struct pair, down));
		/* The others go with the pool, the subscription or the request. */
	}
}
