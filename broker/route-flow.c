// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ports, pairs and flows. See route.h for the model.
 *
 * The tables belong to peers and hash what guests choose with the broker's
 * secret, so that no guest can make another one's look-ups long; how long it
 * makes its own is bounded by its ports and flows.
 */
#include "broker/route.h"

#include "broker/broker.h"
#include "broker/drain.h"
#include "broker/peer.h"

#include <stdlib.h>

static struct list *bucket(const struct peer *peer, struct list *table, uint64_t key)
{
	key *= peer->broker->route.seed;
	key ^= key >> 29;
	key *= peer->broker->route.seed;
	return &table[(key >> 40) & (ROUTE_BUCKETS - 1)];
}

static uint64_t flow_key(uint32_t addr, uint32_t number)
{
	return (uint64_t)addr << 32 | number;
}

/* ----------------------------------------------------------------- ports */

struct port *port_find(const struct peer *peer, uint32_t number)
{
	struct port *port;

	list_for_each_entry(port, bucket(peer, peer->ports, number), hash)
		if (port->number == number)
			return port;
	return NULL;
}

/* Services belong to a name, which processes of the broker's domain share. */
struct port *port_find_service(const struct peer *peer, const char *service)
{
	struct port *port;

	list_for_each_entry(port, route_services(&peer->broker->route, service), in_service)
		if ((port->peer == peer || (peer->name && port->peer->name == peer->name)) &&
		    port_service(port) && !strcmp(port->service, service))
			return port;
	return NULL;
}

struct port *port_new(struct peer *peer, uint32_t number, const char *service)
{
	struct port *port = calloc(1, sizeof(*port));

	if (!port)
		return NULL;
	if (service) {
		port->service = strdup(service);
		if (!port->service) {
			free(port);
			return NULL;
		}
	}
	port->peer = peer;
	port->number = number;
	list_init(&port->hash);
	list_init(&port->in_service);
	list_init(&port->flows);
	list_init(&port->starved);
	list_add_tail(bucket(peer, peer->ports, number), &port->hash);
	if (service)
		list_add_tail(route_services(&peer->broker->route, service), &port->in_service);
	peer->nr_ports++;
	return port;
}

void port_destroy(struct port *port)
{
	struct flow *flow, *tmp;

	list_for_each_entry_safe(flow, tmp, &port->flows, in_port)
		flow_free(flow);
	list_del(&port->hash);
	list_del(&port->in_service);
	port->peer->nr_ports--;
	free(port->service);
	free(port);
}

/* ----------------------------------------------------------------- pairs */

struct pair *pair_find(const struct peer *src, const struct peer *dst)
{
	struct pair *pair;

	list_for_each_entry(pair, bucket(src, src->pairs, dst->addr), hash)
		if (pair->dst == dst)
			return pair;
	return NULL;
}

struct pair *pair_get(struct peer *src, struct peer *dst)
{
	struct pair *pair = pair_find(src, dst);

	if (pair)
		return pair;
	pair = calloc(1, sizeof(*pair));
	if (!pair)
		return NULL;
	pair->src = src;
	pair->dst = dst;
	pair->draining = drain_holds(src) || drain_holds(dst);
	pair->quantum = queue_quantum(src->account->limits->weight);
	list_init(&pair->hash);
	list_init(&pair->in_dst);
	list_init(&pair->active);
	list_init(&pair->runnable);
	list_init(&pair->waiting);
	event_init(&pair->down);
	list_add_tail(bucket(src, src->pairs, dst->addr), &pair->hash);
	list_add_tail(&dst->senders, &pair->in_dst);
	return pair;
}

void pair_detach(struct pair *pair)
{
	list_del(&pair->hash);
	list_del(&pair->in_dst);
	list_del(&pair->active);
	pair->src = NULL;
	pair->dst = NULL;
}

void pair_free(struct pair *pair)
{
	pair_detach(pair);
	free(pair);
}

/* ----------------------------------------------------------------- flows */

struct flow *flow_find(const struct peer *src, uint32_t addr, uint32_t number)
{
	struct flow *flow;

	list_for_each_entry(flow, bucket(src, src->flows, flow_key(addr, number)), hash)
		if (flow->addr == addr && flow->number == number)
			return flow;
	return NULL;
}

/*
 * Make room: a flow without messages is only a remembered decision. Those with
 * messages are passed over and go to the end, so that the search is short; there
 * are fewer of them than FLOWS_MAX, for a domain has no more slots.
 */
static void flow_evict(struct peer *src)
{
	for (unsigned int i = 0; i < FLOWS_MAX; i++) {
		struct flow *flow = list_first_entry(&src->all_flows, struct flow, in_src);

		if (!flow->open) {
			flow_free(flow);
			return;
		}
		list_move_tail(&src->all_flows, &flow->in_src);
	}
}

struct flow *flow_new(struct peer *src, struct peer *dst, struct port *port, uint32_t number,
		      const struct decision *decision)
{
	struct flow *flow = calloc(1, sizeof(*flow));

	if (!flow)
		return NULL;
	flow->pair = pair_get(src, dst);
	if (!flow->pair) {
		free(flow);
		return NULL;
	}
	if (src->nr_flows >= FLOWS_MAX)
		flow_evict(src);
	flow->port = port;
	flow->addr = dst->addr;
	flow->number = number;
	flow->decision = *decision;
	flow->charge = account_charge(src->account, decision->rule);
	list_init(&flow->hash);
	list_init(&flow->in_src);
	list_init(&flow->in_port);
	list_init(&flow->run);
	list_init(&flow->queued);
	list_init(&flow->held);
	list_add_tail(bucket(src, src->flows, flow_key(flow->addr, number)), &flow->hash);
	list_add_tail(&src->all_flows, &flow->in_src);
	list_add_tail(port ? &port->flows : &dst->orphans, &flow->in_port);
	src->nr_flows++;
	return flow;
}

void flow_attach(struct flow *flow, struct port *port)
{
	flow->port = port;
	list_move_tail(&port->flows, &flow->in_port);
}

void flow_free(struct flow *flow)
{
	struct peer *src = flow->pair->src;

	if (src->last_flow == flow)
		src->last_flow = NULL;
	list_del(&flow->hash);
	list_del(&flow->in_src);
	list_del(&flow->in_port);
	list_del(&flow->run);
	src->nr_flows--;
	free(flow);
}

void flows_free(struct peer *src)
{
	struct flow *flow, *tmp;

	list_for_each_entry_safe(flow, tmp, &src->all_flows, in_src)
		flow_free(flow);
}
