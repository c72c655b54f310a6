// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Draining. See drain.h for the model.
 *
 * Who is drained is noted in the domain's account. What follows from it for two
 * domains stands in their pair, so that it costs a message one load.
 */
#include "broker/drain.h"

#include "broker/broker.h"
#include "broker/peer.h"

#include <errno.h>
#include <string.h>

bool drain_holds(const struct peer *peer)
{
	return peer->broker->draining || peer->account->draining;
}

static bool is_meant(const struct peer *peer, const char *who)
{
	return !strcmp(who, DRAIN_ALL) || peer_is(peer, who);
}

/* What waited may go, and what comes next does not wait. */
static void resume(struct pair *pair)
{
	struct flow *flow;
	struct message *m;

	list_for_each_entry(flow, &pair->src->all_flows, in_src) {
		if (flow->pair != pair)
			continue;
		list_for_each_entry(m, &flow->queued, link)
			m->state = MESSAGE_QUEUED;
	}
	queue_wake_pair(pair);
}

static void apply(struct broker *broker)
{
	struct peer *dst;
	struct pair *pair;

	list_for_each_entry(dst, &broker->route.peers, in_route) {
		list_for_each_entry(pair, &dst->senders, in_dst) {
			bool before = pair->draining;

			pair->draining = drain_holds(pair->src) || drain_holds(dst);
			if (before && !pair->draining)
				resume(pair);
		}
	}
}

int drain_set(struct broker *broker, const char *who, bool on)
{
	bool all = !strcmp(who, DRAIN_ALL), found = all, changed = false;
	struct account *account;
	struct peer *peer;

	list_for_each_entry(peer, &broker->route.peers, in_route) {
		if (!is_meant(peer, who))
			continue;
		found = true;
		changed |= drain_holds(peer) != on;
		/* All are drained by the broker's flag, and by that alone. */
		if (!all)
			peer->account->draining = on;
	}
	if (!found)
		return -ENOENT;
	if (all) {
		changed |= broker->draining != on;
		broker->draining = on;
		list_for_each_entry(account, &broker->accounts, link)
			account->draining &= on;
	}
	apply(broker);
	if (changed)
		log_write(broker->log, LOG_NOTICE, "drain domain=%s: %s", who,
			  on ? "new messages wait" : "undone");
	return 0;
}

/* Of @flow, those that came before. */
static unsigned int left_in(const struct flow *flow)
{
	unsigned int left = flow->open;
	const struct message *m;

	list_for_each_entry(m, &flow->queued, link)
		left -= m->state == MESSAGE_PARKED;
	return left;
}

uint64_t drain_left(const struct broker *broker, const char *who)
{
	const struct peer *src;
	const struct flow *flow;
	uint64_t left = 0;

	list_for_each_entry(src, &broker->route.peers, in_route)
		list_for_each_entry(flow, &src->all_flows, in_src)
			if (is_meant(src, who) || is_meant(flow->pair->dst, who))
				left += left_in(flow);
	return left;
}
