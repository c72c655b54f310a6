// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Map-mode messages that a receiver holds: handed over, not released.
 *
 * They hang from their flow, since RELEASE names source, port and number, which
 * is a flow and a place in it. Receivers mostly release in the order of
 * arrival, and at most "max-maps" are held, so the list is searched from its
 * begin.
 */
#include "broker/mover.h"

#include "broker/bind.h"
#include "broker/broker.h"
#include "broker/peer.h"
#include "broker/pools.h"

void held_add(struct message *m)
{
	struct flow *flow = m->flow;

	m->state = MESSAGE_HELD;
	list_add_tail(&flow->held, &m->link);
	flow->port->held++;
}

void held_remove(struct message *m)
{
	struct flow *flow = m->flow;

	list_del(&m->link);
	flow->pair->held--;
	flow->port->held--;
	if (m->u.map.pool) {
		m->u.map.pool->messages--;
		m->u.map.pool = NULL;
	}
	queue_wake_pair(flow->pair);
	unbind_check(flow->port);
}

void held_release(struct peer *receiver, uint32_t addr, uint32_t number, uint64_t seq)
{
	struct broker *broker = receiver->broker;
	struct peer *src = route_peer(&broker->route, addr);
	struct flow *flow = src ? flow_find(src, receiver->addr, number) : NULL;
	struct message *m;

	if (!flow)
		return;
	list_for_each_entry(m, &flow->held, link) {
		if (m->seq != seq)
			continue;
		held_remove(m);
		m->state = MESSAGE_MOVING;
		list_add_tail(&broker->mover.done, &m->link);
		return;
	}
}
