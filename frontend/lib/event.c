// SPDX-License-Identifier: LGPL-2.1-or-later
/* See event.h. */
#include "event.h"

#include <errno.h>

struct xenmsg_event *event_new(struct event_ring *ring, enum xenmsg_event_type type)
{
	struct xenmsg_event *event;

	if (ring->nr == EVENTS_MAX || ring->lost) {
		ring->lost++;
		return NULL;
	}
	event = &ring->events[(ring->head + ring->nr++) % EVENTS_MAX];
	*event = (struct xenmsg_event){ .type = type };
	return event;
}

void event_forget(struct event_ring *ring, const struct xenmsg_port *port)
{
	unsigned int i;

	for (i = 0; i < ring->nr; i++) {
		struct xenmsg_event *event = &ring->events[(ring->head + i) % EVENTS_MAX];

		if (event->port == port)
			event->port = NULL;
	}
}

int event_next(struct event_ring *ring, struct xenmsg_event *event)
{
	if (ring->nr) {
		*event = ring->events[ring->head];
		ring->head = (ring->head + 1) % EVENTS_MAX;
		ring->nr--;
		return 0;
	}
	if (!ring->lost)
		return -EAGAIN;
	*event = (struct xenmsg_event){ .type = XENMSG_LOST, .count = ring->lost };
	ring->lost = 0;
	return 0;
}
