// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Puts together what the broker counts. See snapshot.h.
 *
 * Counters are a dictionary, so that a newer daemon can have more of them than
 * an older program knows.
 */
#include "broker/snapshot.h"

#include "broker/broker.h"
#include "broker/peer.h"

/* After the first error nothing more is appended. */
struct out {
	sd_bus_message *m;
	int r;
};

static void count(struct out *o, const char *name, uint64_t value)
{
	if (o->r >= 0)
		o->r = sd_bus_message_append(o->m, "{st}", name, value);
}

static void open_container(struct out *o, char type, const char *contents)
{
	if (o->r >= 0)
		o->r = sd_bus_message_open_container(o->m, type, contents);
}

static void close_container(struct out *o)
{
	if (o->r >= 0)
		o->r = sd_bus_message_close_container(o->m);
}

static const char *const way_names[WAYS] = {
	[WAY_INLINE] = "inline",
	[WAY_POOLED] = "pooled",
	[WAY_COPY] = "grant-copy",
	[WAY_MAP] = "map",
};

static void append_traffic(struct out *o, const char *prefix, const struct traffic *t)
{
	uint64_t messages = 0, bytes = 0;
	char name[64];

	for (unsigned int way = 0; way < WAYS; way++) {
		snprintf(name, sizeof(name), "%s-%s-messages", prefix, way_names[way]);
		count(o, name, t->messages[way]);
		snprintf(name, sizeof(name), "%s-%s-bytes", prefix, way_names[way]);
		count(o, name, t->bytes[way]);
		messages += t->messages[way];
		bytes += t->bytes[way];
	}
	snprintf(name, sizeof(name), "%s-messages", prefix);
	count(o, name, messages);
	snprintf(name, sizeof(name), "%s-bytes", prefix);
	count(o, name, bytes);
}

/* "waited-below-N": of less than N us, and of no less than N/2; "waited-longer": of more. */
static void append_waits(struct out *o, const struct waits *w)
{
	char name[32];

	count(o, "waited-us", w->sum_us);
	for (unsigned int i = 0; i < WAITS - 1; i++) {
		snprintf(name, sizeof(name), "waited-below-%u", 1u << i);
		count(o, name, w->n[i]);
	}
	count(o, "waited-longer", w->n[WAITS - 1]);
}

static void append_total(struct out *o, const struct broker *broker)
{
	struct backend_stats stats = { 0 };

	backend_stats_get(broker->backend, &stats);
	open_container(o, 'a', "{st}");
	append_traffic(o, "delivered", &broker->total);
	count(o, "refused", broker->refused);
	count(o, "failed", broker->failed);
	count(o, "turns", broker->turns);
	count(o, "addresses", broker->route.nr_peers);
	count(o, "devices", stats.devices);
	count(o, "mapped-pages", stats.mapped_pages);
	count(o, "hypercalls", stats.hypercalls);
	count(o, "grant-copy-operations", stats.copy_ops);
	count(o, "memcpys", stats.memcpys);
	count(o, "copied-bytes", stats.copied_bytes);
	count(o, "notifications", stats.notifications);
	count(o, "events", stats.events);
	close_container(o);
}

static uint64_t pools_of(const struct peer *peer)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < VMSGIF_MAP_POOLS_MAX; i++)
		n += peer->pools[i] != NULL;
	return n;
}

static void append_domain(struct out *o, const struct peer *peer)
{
	open_container(o, 'r', "qussa{st}");
	if (o->r >= 0)
		o->r = sd_bus_message_append(o->m, "quss", device_domid(peer->dev), peer->addr,
					     peer_name(peer),
					     peer->ready ? "ready" : device_state_name(peer->dev));
	open_container(o, 'a', "{st}");
	append_traffic(o, "sent", &peer->count.sent);
	append_traffic(o, "received", &peer->count.received);
	append_waits(o, &peer->count.waits);
	count(o, "refused", peer->count.refused);
	count(o, "failed", peer->count.failed);
	count(o, "events", peer->count.events);
	count(o, "unanswered", peer->waiting);
	count(o, "queued", peer->queue.messages);
	count(o, "queued-bytes", peer->queue.bytes);
	count(o, "held", peer_held(peer));
	count(o, "weight", peer->account->limits->weight);
	count(o, "domain-queued", peer->account->queued);
	count(o, "domain-maps", peer->account->maps);
	count(o, "ports", peer->nr_ports);
	count(o, "flows", peer->nr_flows);
	count(o, "subscriptions", peer->nr_subs);
	count(o, "map-pools", pools_of(peer));
	count(o, "tx-pool-pages", device_pool_pages(peer->dev, VMSGIF_POOL_TX));
	count(o, "rx-pool-pages", device_pool_pages(peer->dev, VMSGIF_POOL_RX));
	count(o, "ring-slots", peer->nr_slots);
	close_container(o);
	close_container(o);
}

static void append_refused(struct out *o, const char *before, const char *name, const char *after,
			   uint64_t value)
{
	char text[SECTION_NAME_MAX + 32];

	snprintf(text, sizeof(text), "%s%s%s", before, name, after);
	if (o->r >= 0)
		o->r = sd_bus_message_append(o->m, "(st)", text, value);
}

static void append_rules(struct out *o, const struct policy *policy)
{
	struct limits *limits;
	struct rule *rule;

	open_container(o, 'a', "(st)");
	list_for_each_entry(rule, &policy->rules, link) {
		append_refused(o, "", rule->name, "", rule->refused);
		if (rates_any(&rule->rates))
			append_refused(o, "", rule->name, ", rates", rule->over_rate);
	}
	list_for_each_entry(limits, &policy->limits, link)
		append_refused(o, "limits ", limits->name, "", limits->refused);
	if (!list_empty(&policy->offers))
		append_refused(o, "", POLICY_NO_OFFER, "", policy->offers_refused);
	append_refused(o, "", POLICY_DEFAULT, "", policy->default_refused);
	close_container(o);
}

int snapshot_append(sd_bus_message *reply, struct broker *broker)
{
	struct out o = { .m = reply };
	struct peer *peer;

	o.r = sd_bus_message_append(reply, "s", XENMSG_VERSION);
	append_total(&o, broker);
	open_container(&o, 'a', "(qussa{st})");
	list_for_each_entry(peer, &broker->route.peers, in_route)
		append_domain(&o, peer);
	close_container(&o);
	append_rules(&o, &broker->config->policy);
	return o.r;
}
