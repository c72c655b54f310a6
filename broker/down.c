// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The end of a peer: what its frontend, its partners and those who wait for it
 * are owed.
 *
 *   messages from it    vanish: its ring is gone, and who got one keeps it
 *   messages to it      complete with VMSGIF_EHOSTDOWN, map-mode ones that it
 *                       held too
 *   pools               of it: the receivers unmap them on PEER_DOWN; shared
 *                       with it: free
 *   who waits for it    gets VMSGIF_EHOSTUNREACH
 *   PEER_DOWN           to everybody who had a message of it or got one through
 *                       to it, and to its subscribers
 *
 * Who dealt with whom under an earlier broker is not known. So of one that lived
 * then, all are told that lived then and may know of it, whether they come back
 * before its death or after.
 *
 * Since nothing is half-way between turns, PEER_DOWN comes after the last
 * message of it in every receiver's ring.
 */
#include "broker/down.h"

#include "broker/broker.h"
#include "broker/lookup.h"
#include "broker/peer.h"
#include "broker/pools.h"

#include <stdlib.h>

/* As a sender: its slots, whatever they wait for. */
static void drop_requests(struct peer *peer)
{
	for (unsigned int i = 0; i < peer->nr_slots; i++) {
		struct message *m = &peer->slots[i];

		switch (m->state) {
		case MESSAGE_NONE:
			continue;
		case MESSAGE_QUEUED:
		case MESSAGE_PARKED:
			queue_remove(m);
			m->flow->open--;
			break;
		case MESSAGE_HELD:
			held_remove(m);
			m->flow->open--;
			break;
		default:
			list_del(&m->link);
			break;
		}
		slot_free(m);
	}
}

static void fail_messages(struct flow *flow)
{
	struct message *m, *tmp;

	list_for_each_entry_safe(m, tmp, &flow->queued, link) {
		queue_remove(m);
		flow->open--;
		m->src->count.failed++;
		m->src->broker->failed++;
		slot_answer(m, VMSGIF_EHOSTDOWN);
	}
	list_for_each_entry_safe(m, tmp, &flow->held, link) {
		held_remove(m);
		flow->open--;
		m->src->count.failed++;
		m->src->broker->failed++;
		slot_answer(m, VMSGIF_EHOSTDOWN);
	}
}

/* As a receiver: its ports, and the flows to them. */
static void drop_ports(struct peer *peer)
{
	struct flow *flow, *next_flow;
	struct port *port, *next_port;

	for (unsigned int i = 0; i < ROUTE_BUCKETS; i++) {
		list_for_each_entry_safe(port, next_port, &peer->ports[i], hash) {
			list_for_each_entry(flow, &port->flows, in_port)
				fail_messages(flow);
			port_destroy(port);
		}
	}
	list_for_each_entry_safe(flow, next_flow, &peer->orphans, in_port) {
		fail_messages(flow);
		flow_free(flow);
	}
}

/* One that the other end has seen something of becomes its PEER_DOWN. */
static void tell_partner(struct pair *pair, struct peer *other, bool known, uint32_t addr)
{
	if (!known || other->addr == addr || other->told_down == addr) {
		pair_free(pair);
		return;
	}
	other->told_down = addr;
	pair_detach(pair);
	event_post(other, &pair->down, EVENT_PAIR_DOWN, addr);
}

static void tell_partners(struct peer *peer)
{
	struct pair *pair, *tmp;

	list_for_each_entry_safe(pair, tmp, &peer->senders, in_dst)
		tell_partner(pair, pair->src, pair->known, peer->addr);
	for (unsigned int i = 0; i < ROUTE_BUCKETS; i++)
		list_for_each_entry_safe(pair, tmp, &peer->pairs[i], hash)
			tell_partner(pair, pair->dst, pair->known, peer->addr);
}

/* A dead one of an earlier broker's time, for those who appear later. */
struct obituary {
	struct list link;
	uint32_t addr;
	char name[];
};

static void tell_survivor(struct peer *other, uint32_t addr, const char *name)
{
	struct pair *pair;

	if (!other->survivor || other->addr == addr || other->told_down == addr ||
	    (*name && !lookup_may_know(other, name)))
		return;
	pair = calloc(1, sizeof(*pair));
	if (!pair)
		return;
	event_init(&pair->down);
	other->told_down = addr;
	event_post(other, &pair->down, EVENT_PAIR_DOWN, addr);
}

static void tell_survivors(struct peer *peer)
{
	struct broker *broker = peer->broker;
	size_t size = strlen(peer_name(peer)) + 1;
	struct obituary *obituary;
	struct peer *other;

	if (!peer->survivor || broker->closing)
		return;
	list_for_each_entry(other, &broker->route.peers, in_route)
		tell_survivor(other, peer->addr, peer_name(peer));
	obituary = malloc(sizeof(*obituary) + size);
	if (!obituary)
		return;
	list_init(&obituary->link);
	obituary->addr = peer->addr;
	memcpy(obituary->name, peer_name(peer), size);
	list_add_tail(&broker->obituaries, &obituary->link);
}

void down_tell_survivor(struct peer *peer)
{
	struct obituary *obituary;

	list_for_each_entry(obituary, &peer->broker->obituaries, link)
		tell_survivor(peer, obituary->addr, obituary->name);
}

void down_forget(struct broker *broker)
{
	struct obituary *obituary, *tmp;

	list_for_each_entry_safe(obituary, tmp, &broker->obituaries, link) {
		list_del(&obituary->link);
		free(obituary);
	}
}

void peer_down(struct peer *peer)
{
	struct broker *broker = peer->broker;

	log_write(broker->log, broker->closing ? LOG_DEBUG : LOG_INFO,
		  "domain=%u addr=%#x: %s is gone", device_domid(peer->dev), peer->addr,
		  peer->label);
	peer->ready = false;
	drop_requests(peer);
	drop_ports(peer);
	pools_down(peer);
	if (VMSGIF_ADDR_DOMID(peer->addr) & VMSGIF_ADDR_LOCAL)
		counters_add(&broker->local_gone, &peer->count);
	flows_free(peer);
	tell_partners(peer);
	lookup_down(peer);
	tell_survivors(peer);
	events_drop(peer);
	route_remove(&broker->route, peer);
	device_set_priv(peer->dev, NULL);
	peer_free(peer);
}
