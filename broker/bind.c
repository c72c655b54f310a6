// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ports. See bind.h, and <xen/io/vmsgif.h> for what each request means.
 */
#include "broker/bind.h"

#include "broker/broker.h"
#include "broker/lookup.h"
#include "broker/peer.h"
#include "broker/pools.h"
#include "broker/send.h"

/* Who may have which service name is policy; a port without one is everybody's own affair. */
static int refuse_offer(struct peer *peer, const struct request *req, const char *service)
{
	struct broker *broker = peer->broker;

	broker->config->policy.offers_refused++;
	log_limited(broker->log, broker_now(broker), device_domid(peer->dev), POLICY_NO_OFFER,
		    LOG_NOTICE, "refused domain=%s port=%u service=%s: no [offer NAME] allows it",
		    peer->label, req->port, service);
	return VMSGIF_EACCES;
}

static int bind_port(struct peer *peer, const struct request *req, const char *service)
{
	const struct config *config = peer->broker->config;
	struct port *port;

	if (service && strchr(service, '@'))
		return VMSGIF_EINVAL;
	if (req->max_len > config->limits.max_message)
		return VMSGIF_EINVAL;
	if (service && !policy_may_offer(&config->policy, peer_subject(peer), service, NULL))
		return refuse_offer(peer, req, service);
	if (port_find(peer, req->port))
		return VMSGIF_EADDRINUSE;
	if (service && port_find_service(peer, service))
		return VMSGIF_EADDRINUSE;
	if (peer->nr_ports >= config->max_ports) {
		log_limited(peer->broker->log, broker_now(peer->broker), device_domid(peer->dev),
			    "max-ports", LOG_NOTICE, "refused domain=%s port=%u", peer->label,
			    req->port);
		return VMSGIF_ENOBUFS;
	}
	port = port_new(peer, req->port, service);
	if (!port)
		return VMSGIF_ENOBUFS;
	port->credit = req->credit;
	port->max_len = req->max_len;
	send_attach(port);
	return VMSGIF_OKAY;
}

void bind_serve(struct peer *peer, const struct request *req, const char *service)
{
	peer_answer(peer, req, bind_port(peer, req, service));
}

void unbind_check(struct port *port)
{
	if (port->unbind && port->unbind->state == MESSAGE_WAITING && !port->held)
		slot_answer_late(port->unbind, VMSGIF_OKAY);
}

void unbind_serve(struct peer *peer, const struct request *req)
{
	struct port *port = port_find(peer, req->port);
	struct flow *flow, *next;
	struct message *m, *tmp;

	if (!port || port->unbind) {
		peer_answer(peer, req, VMSGIF_EINVAL);
		return;
	}
	m = slot_take(peer, req);
	if (!m)
		return;
	m->state = MESSAGE_WAITING;
	m->port = port;
	port->unbind = m;
	list_for_each_entry_safe(flow, next, &port->flows, in_port)
		list_for_each_entry_safe(m, tmp, &flow->queued, link)
			send_fail(m, VMSGIF_ECONNREFUSED);
	pools_unbind(peer, port->number);
	unbind_check(port);
}

void credit_serve(struct peer *peer, const struct request *req)
{
	struct port *port = port_find(peer, req->port);

	if (!port) {
		peer_answer(peer, req, VMSGIF_EINVAL);
		return;
	}
	if (req->credit > port->credit) {
		port->credit = req->credit;
		queue_credit(port);
	}
	peer_answer(peer, req, VMSGIF_OKAY);
}

/* Whatever was released completes before this is answered. */
void release_serve(struct peer *peer, const struct request *req)
{
	struct message *m = &peer->slots[req->id];

	held_release(peer, req->addr, req->port, req->seq, req->map_more);
	m->op = req->op;
	m->nr_segs = 0;
	slot_answer_late(m, VMSGIF_OKAY);
}

void ready_serve(struct peer *peer, const struct request *req)
{
	peer_answer(peer, req, VMSGIF_OKAY);
	if (peer->ready)
		return;
	peer->ready = true;
	send_drop_orphans(peer);
	pools_ready(peer);
	lookup_ready(peer);
	peer_wake(peer);
}
