// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libxenevtchn: one handle for all ports, one event source.
 */
#include "backend/chan.h"

#include "backend/backend.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <xenevtchn.h>

/* Ports taken in per wake-up; each is masked, so no port comes twice. */
#define EVENTS_PER_TURN 64

struct chans {
	xenevtchn_handle *handle;
	sd_event *event;
	sd_event_source *source;
	void (*begin)(void *priv);
	chan_event_fn fn;
	void (*end)(void *priv);
	void *priv;
	struct backend_stats *stats;
	struct chan **by_port;
	uint32_t ports; /* entries of by_port */
};

static struct chan *find(const struct chans *all, int port)
{
	/* An unbound port's event may still be in the driver's ring. */
	return port >= 0 && (uint32_t)port < all->ports ? all->by_port[port] : NULL;
}

/* Reading may block although the descriptor was readable once (xenevtchn.h). */
static bool readable(const struct chans *all)
{
	struct pollfd fd = { .fd = xenevtchn_fd(all->handle), .events = POLLIN };

	return poll(&fd, 1, 0) == 1 && (fd.revents & POLLIN);
}

static int on_events(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct chans *all = userdata;

	all->begin(all->priv);
	/* The loop said that the first one is there. */
	for (unsigned int i = 0; i < EVENTS_PER_TURN && (i == 0 || readable(all)); i++) {
		int port = xenevtchn_pending(all->handle);
		struct chan *chan = find(all, port);

		if (port < 0)
			break;
		if (!chan)
			continue;
		all->stats->events++;
		chan->masked = true;
		all->fn(all->priv, chan);
	}
	all->end(all->priv);
	return 0;
}

int chans_new(struct chans **out, sd_event *event, void (*begin)(void *priv), chan_event_fn fn,
	      void (*end)(void *priv), void *priv, struct backend_stats *stats)
{
	struct chans *all = calloc(1, sizeof(*all));
	int r;

	if (!all)
		return -ENOMEM;
	all->event = event;
	all->begin = begin;
	all->fn = fn;
	all->end = end;
	all->priv = priv;
	all->stats = stats;
	all->handle = xenevtchn_open(NULL, 0);
	if (!all->handle) {
		r = errno ? -errno : -ENODEV;
		free(all);
		return r;
	}
	r = sd_event_add_io(event, &all->source, xenevtchn_fd(all->handle), EPOLLIN, on_events,
			    all);
	if (r < 0) {
		chans_free(all);
		return r;
	}
	(void)sd_event_source_set_description(all->source, "event channels");
	(void)sd_event_source_set_priority(all->source, BACKEND_EVENTS_PRIORITY);
	*out = all;
	return 0;
}

void chans_free(struct chans *all)
{
	if (!all)
		return;
	sd_event_source_disable_unref(all->source);
	(void)xenevtchn_close(all->handle);
	free(all->by_port);
	free(all);
}

static int make_room(struct chans *all, uint32_t port)
{
	uint32_t ports = all->ports ? all->ports : 64;
	struct chan **grown;

	if (port < all->ports)
		return 0;
	while (ports <= port)
		ports *= 2;
	grown = realloc(all->by_port, ports * sizeof(struct chan *));
	if (!grown)
		return -ENOMEM;
	memset(grown + all->ports, 0, (ports - all->ports) * sizeof(struct chan *));
	all->by_port = grown;
	all->ports = ports;
	return 0;
}

int chan_bind(struct chan *chan, struct chans *all, uint16_t domid, uint32_t remote, void *priv)
{
	int port = xenevtchn_bind_interdomain(all->handle, domid, remote);
	int r;

	if (port < 0)
		return errno ? -errno : -EINVAL;
	r = make_room(all, (uint32_t)port);
	if (r < 0) {
		(void)xenevtchn_unbind(all->handle, (evtchn_port_t)port);
		return r;
	}
	*chan = (struct chan){ .all = all, .port = (uint32_t)port, .priv = priv };
	spurious_init(&chan->spurious);
	all->by_port[port] = chan;
	return 0;
}

void chan_unbind(struct chan *chan)
{
	if (!chan->port)
		return;
	spurious_deinit(&chan->spurious);
	chan->all->by_port[chan->port] = NULL;
	(void)xenevtchn_unbind(chan->all->handle, chan->port);
	*chan = (struct chan){ 0 };
}

static void unmask(struct chan *chan)
{
	chan->masked = false;
	(void)xenevtchn_unmask(chan->all->handle, chan->port);
}

static int on_late(sd_event_source *source, uint64_t usec, void *userdata)
{
	unmask(userdata);
	return 0;
}

void chan_unmask(struct chan *chan, bool spurious)
{
	if (!chan->port || !chan->masked)
		return;
	if (!spurious || !spurious_delay(&chan->spurious, chan->all->event, on_late, chan))
		unmask(chan);
}

void chan_notify(struct chan *chan)
{
	if (!chan->port)
		return;
	chan->all->stats->notifications++;
	/* It fails if the other end is gone, which xenstore tells in its time. */
	(void)xenevtchn_notify(chan->all->handle, chan->port);
}
