// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libxenevtchn over Linux's evtchn driver (drivers/xen/evtchn.c).
 *
 * An event masks its port and puts it in the handle's ring, once; reading
 * takes it out, unmasking lets the next event in.  Unbinding does not take a
 * port out of the ring: a program may read a port it has unbound already.
 */
#include <stdlib.h>
#include <string.h>

#include <xenevtchn.h>

#include "internal.h"

static struct domain *dom_of(xenevtchn_handle *xce)
{
	return xce->h.process->dom;
}

/* The port if it belongs to this handle (find_evtchn()). */
static struct port *own_port(xenevtchn_handle *xce, uint32_t port)
{
	struct port *p = sim_port_find(dom_of(xce), port);

	return p && p->handle == xce ? p : NULL;
}

void sim_evtchn_deliver(xenevtchn_handle *xce, uint32_t port)
{
	if (xce->ring_len == xce->ring_size) {
		xce->ring_size = xce->ring_size ? xce->ring_size * 2 : 16;
		xce->ring = sim_realloc(xce->ring, xce->ring_size, sizeof(*xce->ring));
	}
	xce->ring[xce->ring_len++] = port;
	sim_fd_signal(xce->fd, true);
}

/* A reference that keeps a port open for an unmap notification (evtchn_get()). */
bool sim_evtchn_get(struct domain *dom, uint32_t port)
{
	struct port *p = sim_port_find(dom, port);

	if (!p)
		return false;
	p->notify_refs++;
	return true;
}

void sim_evtchn_put(struct domain *dom, uint32_t port)
{
	struct port *p = &dom->ports[port];

	if (!--p->notify_refs && !p->handle)
		sim_port_close(dom, port);
}

static void release_port(struct domain *dom, uint32_t port)
{
	struct port *p = &dom->ports[port];

	p->handle = NULL;
	if (!p->notify_refs)
		sim_port_close(dom, port);
}

/* The kernel closes the file: its ports go. */
void sim_evtchn_kill(xenevtchn_handle *xce)
{
	struct domain *dom = dom_of(xce);
	uint32_t port;

	for (port = 0; dom && port < SIM_DOMAIN_PORTS; port++)
		if (own_port(xce, port))
			release_port(dom, port);
	xce->ring_len = 0;
	sim_fd_signal(xce->fd, false);
}

/* The domain stops: its ports stay as they are, nobody serves them. */
void sim_evtchn_stop(xenevtchn_handle *xce)
{
	struct domain *dom = dom_of(xce);
	uint32_t port;

	for (port = 0; port < SIM_DOMAIN_PORTS; port++)
		if (own_port(xce, port))
			dom->ports[port].handle = NULL;
	xce->ring_len = 0;
	sim_fd_signal(xce->fd, false);
}

void sim_evtchn_free(xenevtchn_handle *xce)
{
	if (sim_handle_alive(&xce->h))
		sim_evtchn_kill(xce);
	sim_handle_fini(&xce->h);
	sim_fd_free(xce->fd);
	free(xce->ring);
	free(xce);
}

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger, unsigned int flags)
{
	struct sim_process *process = sim_call_open(SIM_CALL_EVTCHN_OPEN);
	xenevtchn_handle *xce;

	(void)logger;
	(void)flags;
	if (!process)
		return NULL;
	xce = sim_alloc(1, sizeof(*xce));
	xce->fd = sim_fd_new();
	sim_fd_read_by(xce->fd, xce);
	xce->restricted = -1;
	sim_handle_init(&xce->h, process, HANDLE_EVTCHN);
	if (!sim_call_end(process)) {
		sim_evtchn_free(xce);
		return NULL;
	}
	return xce;
}

int xenevtchn_close(xenevtchn_handle *xce)
{
	if (xce)
		sim_evtchn_free(xce);
	return 0;
}

int xenevtchn_fd(xenevtchn_handle *xce)
{
	return xce->fd;
}

int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
	int r = 0;

	if (!sim_call_begin(xce->h.process, SIM_CALL_NOTIFY))
		return -1;
	if (own_port(xce, port)) {
		sim_port_send(dom_of(xce), port);
	} else {
		errno = ENOTCONN;
		r = -1;
	}
	return sim_call_end(xce->h.process) ? r : -1;
}

static int attach(xenevtchn_handle *xce, int port)
{
	if (port < 0) {
		errno = -port;
		return -1;
	}
	dom_of(xce)->ports[port].handle = xce;
	dom_of(xce)->ports[port].enabled = true;
	return port;
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *xce, uint32_t domid)
{
	int port;

	if (!sim_call_begin(xce->h.process, SIM_CALL_BIND))
		return -1;
	port = xce->restricted >= 0 ? -EACCES : sim_port_unbound(dom_of(xce), (domid_t)domid);
	port = attach(xce, port);
	return sim_call_end(xce->h.process) ? port : -1;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *xce, uint32_t domid,
						     evtchn_port_t remote_port)
{
	int port;

	if (!sim_call_begin(xce->h.process, SIM_CALL_BIND))
		return -1;
	if (xce->restricted >= 0 && (uint32_t)xce->restricted != domid)
		port = -EACCES;
	else
		port = sim_port_bind(dom_of(xce), (domid_t)domid, remote_port);
	port = attach(xce, port);
	/* Events sent while the remote port was unbound are lost; this one is not. */
	if (port >= 0)
		sim_port_pending(dom_of(xce), (uint32_t)port);
	return sim_call_end(xce->h.process) ? port : -1;
}

/* No virtual interrupts here. */
xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *xce, unsigned int virq)
{
	(void)xce;
	(void)virq;
	errno = ENOSYS;
	return -1;
}

int xenevtchn_unbind(xenevtchn_handle *xce, evtchn_port_t port)
{
	int r = 0;

	if (!sim_call_begin(xce->h.process, SIM_CALL_UNBIND))
		return -1;
	if (own_port(xce, port)) {
		release_port(dom_of(xce), port);
	} else {
		errno = ENOTCONN;
		r = -1;
	}
	return sim_call_end(xce->h.process) ? r : -1;
}

/* Those that are there, up to @max; 0 with errno if there are none. */
static size_t take(xenevtchn_handle *xce, uint32_t *ports, size_t max)
{
	size_t n = xce->ring_len < max ? xce->ring_len : max;

	if (!n) {
		errno = EAGAIN;
		return 0;
	}
	memcpy(ports, xce->ring, n * sizeof(*ports));
	xce->ring_len -= n;
	memmove(xce->ring, xce->ring + n, xce->ring_len * sizeof(*ports));
	sim_fd_signal(xce->fd, xce->ring_len > 0);
	return n;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *xce)
{
	uint32_t port;
	size_t n;

	if (!sim_call_begin(xce->h.process, SIM_CALL_PENDING))
		return -1;
	n = take(xce, &port, 1);
	return sim_call_end(xce->h.process) && n ? (int)port : -1;
}

/* What a program reads from xenevtchn_fd() itself (evtchn_read()). */
ssize_t sim_evtchn_read(xenevtchn_handle *xce, void *buf, size_t count)
{
	size_t n;

	if (!sim_call_begin(xce->h.process, SIM_CALL_PENDING))
		return -1;
	n = take(xce, buf, count / sizeof(uint32_t));
	return sim_call_end(xce->h.process) && n ? (ssize_t)(n * sizeof(uint32_t)) : -1;
}

/* The driver ignores ports it does not know. */
int xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port)
{
	struct port *p;

	if (!sim_call_begin(xce->h.process, SIM_CALL_UNMASK))
		return -1;
	p = own_port(xce, port);
	if (p && !p->enabled) {
		p->enabled = true;
		if (p->pending)
			sim_port_pending(dom_of(xce), port);
	}
	return sim_call_end(xce->h.process) ? 0 : -1;
}

int xenevtchn_restrict(xenevtchn_handle *xce, domid_t domid)
{
	if (!sim_handle_alive(&xce->h) || xce->restricted >= 0) {
		errno = sim_handle_alive(&xce->h) ? EACCES : SIM_DEAD_ERRNO;
		return -1;
	}
	xce->restricted = domid;
	return 0;
}
