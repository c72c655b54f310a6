/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events for the application: a ring of fixed size.
 *
 * An application that never asks for them loses the newest, and is told how
 * many when it has fetched those before: the order stays right. All zeros is an
 * empty ring.
 */
#ifndef XENMSG_EVENT_H
#define XENMSG_EVENT_H

#include "xenmsg.h"

#define EVENTS_MAX 256

struct event_ring {
	struct xenmsg_event events[EVENTS_MAX];
	unsigned int head, nr;
	uint64_t lost;
};

/* The next free event, zeroed, with its type set; NULL: no room, counted as lost. */
struct xenmsg_event *event_new(struct event_ring *ring, enum xenmsg_event_type type);
/* @port is being closed: events name it no more. */
void event_forget(struct event_ring *ring, const struct xenmsg_port *port);
/* The oldest: 0, or -EAGAIN. */
int event_next(struct event_ring *ring, struct xenmsg_event *event);

#endif /* XENMSG_EVENT_H */
