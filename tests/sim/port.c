// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Event channels, the hypervisor's side (xen/common/event_channel.c).
 *
 * A port of a dead or unbinding peer falls back to unbound, for the same
 * domid, without an event; so a restarted backend can bind it again, and
 * binding makes the binder's new port pending.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/*
 * Where a domain's ports begin.  Different for neighbours, so that a program
 * that confuses its port with its peer's is soon found out.
 */
static uint32_t first_port(const struct domain *dom)
{
	return 8 + 16 * (dom->id % 8u);
}

void sim_port_init(struct domain *dom)
{
	dom->ports = sim_alloc(SIM_DOMAIN_PORTS, sizeof(*dom->ports));
}

/* NULL if the port is not in use. */
struct port *sim_port_find(struct domain *dom, uint32_t port)
{
	if (port >= SIM_DOMAIN_PORTS || dom->ports[port].state == SIM_PORT_FREE)
		return NULL;
	return &dom->ports[port];
}

static int port_alloc(struct domain *dom)
{
	uint32_t port;

	if (dom->id && dom->nr_ports >= sim_world->config.evtchns)
		return -ENOSPC;
	for (port = first_port(dom); port < SIM_DOMAIN_PORTS; port++)
		if (dom->ports[port].state == SIM_PORT_FREE)
			break;
	if (port == SIM_DOMAIN_PORTS)
		return -ENOSPC;
	memset(&dom->ports[port], 0, sizeof(dom->ports[port]));
	dom->nr_ports++;
	return (int)port;
}

static bool silo_denies(const struct domain *dom, domid_t remote)
{
	return sim_world->config.silo && dom->id && remote && remote != dom->id;
}

/* EVTCHNOP_alloc_unbound: the port, or -errno. */
int sim_port_unbound(struct domain *dom, domid_t remote)
{
	int port;

	if (remote == DOMID_SELF)
		remote = dom->id;
	if (silo_denies(dom, remote))
		return -EPERM;
	port = port_alloc(dom);
	if (port < 0)
		return port;
	dom->ports[port].state = SIM_PORT_UNBOUND;
	dom->ports[port].remote_domid = remote;
	return port;
}

/*
 * EVTCHNOP_bind_interdomain: the new local port, or -errno.  The caller makes
 * it pending once it can deliver.
 */
int sim_port_bind(struct domain *dom, domid_t remote_domid, uint32_t remote_port)
{
	struct domain *remote;
	struct port *theirs;
	int port;

	if (remote_domid == DOMID_SELF)
		remote_domid = dom->id;
	remote = sim_dom_find(remote_domid);
	if (!remote)
		return -ESRCH;
	theirs = sim_port_find(remote, remote_port);
	if (!theirs || theirs->state != SIM_PORT_UNBOUND || theirs->remote_domid != dom->id)
		return -EINVAL;
	if (silo_denies(dom, remote_domid))
		return -EPERM;
	port = port_alloc(dom);
	if (port < 0)
		return port;

	theirs->state = SIM_PORT_BOUND;
	theirs->remote = dom;
	theirs->remote_port = (uint32_t)port;
	dom->ports[port].state = SIM_PORT_BOUND;
	dom->ports[port].remote_domid = remote_domid;
	dom->ports[port].remote = remote;
	dom->ports[port].remote_port = remote_port;
	return port;
}

/* An event for this port; while it is masked, it waits. */
void sim_port_pending(struct domain *dom, uint32_t port)
{
	struct port *p = &dom->ports[port];

	p->pending = true;
	if (p->handle && p->enabled) {
		p->pending = false;
		p->enabled = false;
		sim_evtchn_deliver(p->handle, port);
	}
}

/* EVTCHNOP_send.  Without a peer the event is lost, which is no error. */
int sim_port_send(struct domain *dom, uint32_t port)
{
	struct port *p = sim_port_find(dom, port);

	if (!p)
		return -EINVAL;
	p->sent++;
	if (p->state == SIM_PORT_BOUND) {
		p->remote->ports[p->remote_port].received++;
		sim_port_pending(p->remote, p->remote_port);
	}
	return 0;
}

void sim_port_close(struct domain *dom, uint32_t port)
{
	struct port *p = &dom->ports[port];
	struct port *theirs;

	if (p->state == SIM_PORT_BOUND) {
		theirs = &p->remote->ports[p->remote_port];
		theirs->state = SIM_PORT_UNBOUND;
		theirs->remote = NULL;
	}
	p->state = SIM_PORT_FREE;
	dom->nr_ports--;
}

/* The domain dies: no port of it can be bound any more. */
void sim_port_close_all(struct domain *dom)
{
	uint32_t port;

	for (port = 0; port < SIM_DOMAIN_PORTS; port++)
		if (dom->ports[port].state != SIM_PORT_FREE)
			sim_port_close(dom, port);
}

uint64_t sim_port_sent(domid_t domid, uint32_t port)
{
	return port < SIM_DOMAIN_PORTS ? sim_dom_get(domid)->ports[port].sent : 0;
}

uint64_t sim_port_received(domid_t domid, uint32_t port)
{
	return port < SIM_DOMAIN_PORTS ? sim_dom_get(domid)->ports[port].received : 0;
}

enum sim_port_state sim_port_state(domid_t domid, uint32_t port)
{
	struct port *p = sim_port_find(sim_dom_get(domid), port);

	return p ? p->state : SIM_PORT_FREE;
}

void sim_port_raise(domid_t domid, uint32_t port)
{
	struct domain *dom = sim_dom_get(domid);

	if (!sim_port_find(dom, port))
		sim_die("domain %u has no port %u", domid, port);
	dom->ports[port].received++;
	sim_port_pending(dom, port);
}
