/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event loop: sd-event, and beside it the descriptor of the event channels.
 *
 * A round of sd-event's costs as much as all else that the daemon does for a
 * message alone. So it is only taken when something of sd-event's is ready, or
 * was changed: events are waited for here, together with sd-event's own
 * descriptor (sd_event_get_fd()). What sd-event has to do comes first.
 */
#ifndef XENMSG_BACKEND_LOOP_H
#define XENMSG_BACKEND_LOOP_H

#include <stdbool.h>
#include <systemd/sd-event.h>

/* Embedded; zeroed needs no close. */
struct loop {
	sd_event *event;
	int epoll_fd;
	/*
	 * A timer was set or a deferred source turned on, which sd-event looks at before it
	 * sleeps: whoever does that while events are served says so here.
	 */
	bool due;
	void (*serve)(void *priv);
	void *priv;
};

/*
 * @serve is called when @fd is readable, as long as it is: by its edge, what comes in the middle
 * of a read() would be lost, as the driver of event channels wakes nobody while its ring has
 * something (drivers/xen/evtchn.c:evtchn_interrupt()). 0 or a negative errno.
 */
int loop_open(struct loop *loop, sd_event *event, int fd, void (*serve)(void *priv), void *priv);
void loop_close(struct loop *loop);

/*
 * As sd_event_run(): waits up to @timeout ms (-1: for ever) for something to do, and does it.
 * With -1, it does not come back for each event. Positive, 0 (there was nothing), or a negative
 * errno.
 */
int loop_run(struct loop *loop, int timeout);

#endif
