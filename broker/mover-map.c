// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Map-mode messages that a receiver holds: handed over, not released.
 *
 * They hang from their flow, since RELEASE names source, port and numbers, which
 * is a flow and places in it. Receivers mostly release in the order of
 * arrival, and at most "max-maps" are held, so the list is searched from its
 * begin. A number may be released again and again: so each message of a run has a bit.
 */
#include "broker/mover.h"

#include "broker/bind.h"
#include "broker/broker.h"
#include "broker/peer.h"
#include "broker/pools.h"

/* As many bits as a run with @more messages behind the first one has messages. */
static uint32_t run_bits(unsigned int more)
{
	_Static_assert(VMSGIF_RUN_MESSAGES == 32, "a bit for each message");
	return UINT32_MAX >> (31 - more);
}

void held_add(struct message *m)
{
	struct flow *flow = m->flow;

	m->state = MESSAGE_HELD;
	m->u.map.unreleased = run_bits(m->u.map.more);
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

/* Takes the numbers from @first to @last off those that @m has unreleased. */
static void take_numbers(struct message *m, uint64_t first, uint64_t last)
{
	uint64_t begin = m->seq - m->u.map.more;

	if (last < begin || first > m->seq)
		return;
	if (first < begin)
		first = begin;
	if (last > m->seq)
		last = m->seq;
	m->u.map.unreleased &= ~(run_bits((unsigned int)(last - first)) << (m->seq - last));
}

void held_release(struct peer *receiver, uint32_t addr, uint32_t number, uint64_t seq,
		  unsigned int more)
{
	struct broker *broker = receiver->broker;
	struct peer *src = route_peer(&broker->route, addr);
	struct flow *flow = src ? flow_find(src, receiver->addr, number) : NULL;
	struct message *m, *tmp;

	if (!flow)
		return;
	list_for_each_entry_safe(m, tmp, &flow->held, link) {
		/* They are in the order of their numbers. */
		if (m->seq - m->u.map.more > seq)
			return;
		take_numbers(m, seq - more, seq);
		if (m->u.map.unreleased)
			continue;
		held_remove(m);
		m->state = MESSAGE_MOVING;
		list_add_tail(&broker->mover.done, &m->link);
	}
}
