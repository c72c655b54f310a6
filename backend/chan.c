// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libxenevtchn: one handle for all ports.
 */
#include "backend/chan.h"

#include "backend/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xenevtchn.h>

/* Read at once. */
#define EVENTS_AT_ONCE 64

struct chans {
	xenevtchn_handle *handle;
	struct loop *loop;
	chan_event_fn fn;
	void *priv;
	struct backend_stats *stats;
	struct chan **by_port;
	uint32_t ports; /* entries of by_port */
};

static struct chan *find(const struct chans *all, evtchn_port_t port)
{
	/* An unbound port's event may still be in the driver's ring. */
	return port < all->ports ? all->by_port[port] : NULL;
}

/*
 * As xenevtchn_pending() does (tools/libs/evtchn/linux.c), but for all that are there: with it, to
 * know that there are no more takes another system call.
 */
static unsigned int read_ports(const struct chans *all, evtchn_port_t ports[EVENTS_AT_ONCE])
{
	ssize_t n = read(xenevtchn_fd(all->handle), ports, EVENTS_AT_ONCE * sizeof(*ports));

	return n < 0 ? 0 : (unsigned int)n / sizeof(*ports);
}

void chans_take(struct chans *all)
{
	evtchn_port_t ports[EVENTS_AT_ONCE];
	unsigned int n;

	n = read_ports(all, ports);
	for (unsigned int i = 0; i < n; i++) {
		struct chan *chan = find(all, ports[i]);

		if (!chan)
			continue;
		all->stats->events++;
		chan->masked = true;
		all->fn(all->priv, chan);
	}
}

int chans_new(struct chans **out, struct loop *loop, chan_event_fn fn, void *priv,
	      struct backend_stats *stats)
{
	struct chans *all = calloc(1, sizeof(*all));
	int fd;

	if (!all)
		return -ENOMEM;
	all->loop = loop;
	all->fn = fn;
	all->priv = priv;
	all->stats = stats;
	all->handle = xenevtchn_open(NULL, 0);
	if (!all->handle) {
		int r = errno ? -errno : -ENODEV;

		free(all);
		return r;
	}
	fd = xenevtchn_fd(all->handle);
	/* Reading may block although the descriptor was readable once (xenevtchn.h). */
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0) {
		int r = -errno;

		chans_free(all);
		return r;
	}
	*out = all;
	return 0;
}

void chans_free(struct chans *all)
{
	if (!all)
		return;
	(void)xenevtchn_close(all->handle);
	free(all->by_port);
	free(all);
}

int chans_fd(const struct chans *all)
{
	return xenevtchn_fd(all->handle);
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
	if (!spurious || !spurious_delay(&chan->spurious, chan->all->loop, on_late, chan))
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
