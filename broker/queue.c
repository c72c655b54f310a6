// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Deficit round robin over senders, round robin over a sender's flows. See
 * queue.h for the model.
 */
#include "broker/queue.h"

#include "broker/account.h"
#include "broker/message.h"
#include "broker/peer.h"
#include "broker/pools.h"
#include "broker/route.h"

#include "common/macros.h"

void queue_init(struct queue *queue)
{
	*queue = (struct queue){ 0 };
	list_init(&queue->active);
}

/* Of the senders that wait there; enough of them for the largest share. */
static unsigned int weight_of(const struct queue *queue)
{
	const struct pair *pair;
	unsigned int weight = 0;

	list_for_each_entry(pair, &queue->active, active) {
		weight += pair->src->account->limits->weight;
		if (weight >= LIMITS_WEIGHT_MAX)
			return LIMITS_WEIGHT_MAX;
	}
	return weight;
}

void queue_begin_round(struct queue *queue, uint64_t round, int64_t unit)
{
	if (queue->round == round)
		return;
	queue->round = round;
	/* Nothing is saved up; what was taken in advance is paid back. */
	queue->share = MIN_OF(queue->share, (int64_t)0) + unit * weight_of(queue);
}

static struct message *flow_head(const struct flow *flow)
{
	return list_first_entry(&flow->queued, struct message, link);
}

/*
 * The pair takes part in the turns again, if it does not. Who comes without
 * anything saved up may send at once, as if its turn had just begun.
 */
static void pair_activate(struct pair *pair)
{
	if (!list_empty(&pair->active))
		return;
	if (!pair->deficit)
		pair->deficit = pair->quantum;
	list_add_tail(&pair->dst->queue.active, &pair->active);
	peer_wake(pair->dst);
}

/* Without runnable flows it does not; and without messages it has nothing saved up. */
static inline void pair_settle(struct pair *pair)
{
	if (!list_empty(&pair->runnable))
		return;
	list_del(&pair->active);
	if (!pair->queued)
		pair->deficit = 0;
}

static void flow_run(struct flow *flow)
{
	list_move_tail(&flow->pair->runnable, &flow->run);
	pair_activate(flow->pair);
}

void queue_push(struct message *m)
{
	struct flow *flow = m->flow;
	struct pair *pair = flow->pair;
	bool first = list_empty(&flow->queued);

	m->state = pair->draining ? MESSAGE_PARKED : MESSAGE_QUEUED;
	list_add_tail(&flow->queued, &m->link);
	pair->queued++;
	m->src->account->queued++;
	pair->dst->queue.messages++;
	pair->dst->queue.bytes += message_bytes(m);
	/* An orphan gets its turn with its port. */
	if (first && flow->port)
		flow_run(flow);
}

/* Off the flow's queue, wherever it stands there. */
static inline void unlink_message(struct message *m)
{
	struct flow *flow = m->flow;
	struct pair *pair = flow->pair;

	list_del(&m->link);
	pair->queued--;
	m->src->account->queued--;
	pair->dst->queue.messages--;
	pair->dst->queue.bytes -= message_bytes(m);
	if (list_empty(&flow->queued))
		list_del(&flow->run);
}

/*
 * The flow's next message exceeds the credit, or another one's at the same port
 * did before: the port waits for that one.
 */
static void starve(struct flow *flow, uint64_t cost)
{
	struct port *port = flow->port;

	if (!port->need)
		port->need = port->used + cost;
	list_move_tail(&port->starved, &flow->run);
	pair_settle(flow->pair);
}

/* Does the port take its next message, whose turn it is? */
static bool port_takes(const struct port *port, uint64_t cost)
{
	return !port->need && port->credit - port->used >= cost;
}

/* Its next message is in map mode and may not be handed over yet, or not while the pair drains. */
static bool waits(const struct message *m, const struct pair *pair, unsigned int max_maps)
{
	if (m->state == MESSAGE_PARKED)
		return true;
	return message_is_map(m) && (pair->held >= max_maps || !pool_usable(m->u.map.pool));
}

struct message *queue_next(struct peer *dst, unsigned int max_maps)
{
	struct list *active = &dst->queue.active;

	while (!list_empty(active)) {
		struct pair *pair = list_first_entry(active, struct pair, active);
		struct flow *flow = list_first_entry(&pair->runnable, struct flow, run);
		struct message *m = flow_head(flow);
		uint64_t credit = message_credit(m), cost = queue_cost(message_bytes(m));

		if (UNLIKELY(waits(m, pair, max_maps))) {
			list_move_tail(&pair->waiting, &flow->run);
			pair_settle(pair);
			continue;
		}
		if (pair->deficit < cost && !flow->port->need) {
			if (active->next != active->prev) {
				pair->deficit += pair->quantum;
				list_move_tail(active, &pair->active);
				continue;
			}
			/* Alone, there are no turns to take. */
			pair->deficit = cost;
		}
		if (LIKELY(port_takes(flow->port, credit)))
			return m;
		starve(flow, credit);
	}
	return NULL;
}

void queue_take(struct message *m)
{
	struct flow *flow = m->flow;
	struct pair *pair = flow->pair;
	struct queue *queue = &pair->dst->queue;
	uint64_t cost = queue_cost(message_bytes(m));

	m->state = MESSAGE_MOVING;
	flow->port->used += message_credit(m);
	pair->deficit -= cost;
	/* A small message is as much work as a page. */
	queue->share -= (int64_t)MAX_OF(cost, (uint64_t)QUEUE_QUANTUM);
	pair->held += message_is_map(m);
	unlink_message(m);
	if (list_empty(&flow->queued))
		pair_settle(pair);
	else if (pair->runnable.next != pair->runnable.prev)
		list_move_tail(&pair->runnable, &flow->run);
}

void queue_refund(struct message *m)
{
	struct port *port = m->flow->port;
	uint64_t cost = message_credit(m);

	port->used -= cost;
	if (port->need)
		port->need -= cost;
	queue_credit(port);
}

void queue_remove(struct message *m)
{
	struct flow *flow = m->flow;

	unlink_message(m);
	pair_settle(flow->pair);
	/* The pair, or the port, may have waited for this very message. */
	queue_wake_pair(flow->pair);
	if (flow->port && flow->port->need) {
		flow->port->need = 1;
		queue_credit(flow->port);
	}
}

void queue_credit(struct port *port)
{
	struct flow *first;

	if (!port->need || port->credit < port->need)
		return;
	port->need = 0;
	if (list_empty(&port->starved))
		return;
	/* The one that the port waited for goes first, the others as their turns come. */
	first = list_first_entry(&port->starved, struct flow, run);
	list_del(&first->run);
	list_add_head(&first->pair->runnable, &first->run);
	pair_activate(first->pair);
	list_del(&first->pair->active);
	list_add_head(&first->pair->dst->queue.active, &first->pair->active);
	while (!list_empty(&port->starved))
		flow_run(list_first_entry(&port->starved, struct flow, run));
}

void queue_wake_pair(struct pair *pair)
{
	while (!list_empty(&pair->waiting))
		flow_run(list_first_entry(&pair->waiting, struct flow, run));
}

void queue_wake_flow(struct flow *flow)
{
	if (!list_empty(&flow->queued))
		flow_run(flow);
}
