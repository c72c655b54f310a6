/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Event channels of all devices.
 *
 * The driver masks a port when it reports its event, until it is unmasked
 * again: so an event is taken in, its device is served, and the port opened.
 * A guest that sends events without work behind them (Linux's backends call
 * them spurious, drivers/xen/events/events_base.c) uses up a budget, and then
 * finds its port opened late. Nobody else waits for it.
 */
#ifndef XENMSG_BACKEND_CHAN_H
#define XENMSG_BACKEND_CHAN_H

#include "backend/spurious.h"

#include <stdbool.h>
#include <stdint.h>

struct chans;
struct backend_stats;

/* One device's port. Embedded; zeroed is unbound. */
struct chan {
	struct chans *all;
	uint32_t port; /* 0: unbound */
	bool masked;
	struct spurious spurious; /* opens the port later */
	void *priv;
};

/* An event came for @chan, which stays masked until chan_unmask(). */
typedef void (*chan_event_fn)(void *priv, struct chan *chan);

/*
 * @priv goes to @fn. @loop gets the timers of ports that are opened late; it and @stats, which is
 * counted into, outlive the channels.
 */
int chans_new(struct chans **out, struct loop *loop, chan_event_fn fn, void *priv,
	      struct backend_stats *stats);
/* All are unbound. */
void chans_free(struct chans *all);

/* Readable when events are there. */
int chans_fd(const struct chans *all);
/* Takes in those that are there, or some of them; each port is masked then. */
void chans_take(struct chans *all);

/*
 * Binds to the port that @domid offers. The port is pending from the begin
 * (xen/common/event_channel.c:evtchn_bind_interdomain()), so no earlier event
 * is lost. 0 or a negative errno.
 */
int chan_bind(struct chan *chan, struct chans *all, uint16_t domid, uint32_t remote, void *priv);
void chan_unbind(struct chan *chan);

/* Opens the port again if it is masked. @spurious: there was no work. */
void chan_unmask(struct chan *chan, bool spurious);

void chan_notify(struct chan *chan);

#endif
