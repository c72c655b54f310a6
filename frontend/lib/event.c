// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Events for the application: a ring of fixed size.
 *
 * An application that never asks for them loses the newest, and is told how
 * many when it has fetched those before: the order stays right.
 */
#include <errno.h>

#include "frontend/lib/user/front.h"

struct xenmsg_event *event_new(struct xenmsg *x, enum xenmsg_event_type type)
{
	struct xenmsg_event *event;

	x->progress++;
	lib_note(x);
	if (x->nr_events == LIB_EVENTS || x->events_lost) {
		x->events_lost++;
		return NULL;
	}
	event = &x->events[(x->event_head + x->nr_events++) % LIB_EVENTS];
	*event = (struct xenmsg_event){ .type = type };
	return event;
}

int xenmsg_event(struct xenmsg *x, struct xenmsg_event *event)
{
	if (x->nr_events) {
		*event = x->events[x->event_head];
		x->event_head = (x->event_head + 1) % LIB_EVENTS;
		x->nr_events--;
		return 0;
	}
	if (!x->events_lost)
		return -EAGAIN;
	*event = (struct xenmsg_event){ .type = XENMSG_LOST, .count = x->events_lost };
	x->events_lost = 0;
	return 0;
}
