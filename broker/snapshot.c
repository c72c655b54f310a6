// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Puts together what the broker counts. See snapshot.h.
 *
 * Counters are a dictionary, so that a newer daemon can have more of them than
 * an older program knows.
 */
#include "broker/snapshot.h"

#include "broker/broker.h"
#include "broker/drain.h"
#include "broker/peer.h"
#include "broker/pools.h"
#include "broker/zombies.h"

#include "common/clock.h"

/* After the first error nothing more is appended. */
struct out {
	sd_bus_message *m;
	int r;
	unsigned int rows; /* see take_row() */
};

/* As for sd_bus_message_append(). */
static void put(struct out *o, const char *types, ...)
{
	va_list args;

	if (o->r < 0)
		return;
	va_start(args, types);
	o->r = sd_bus_message_appendv(o->m, types, args);
	va_end(args);
}

static void count(struct out *o, const char *name, uint64_t value)
{
	put(o, "{st}", name, value);
}

/* Is there room for one more row? Counted in either case. */
static bool take_row(struct out *o)
{
	return o->rows++ < SNAPSHOT_ROWS;
}

/* The end of an answer with rows: were some left out? */
static void put_more(struct out *o)
{
	put(o, "b", (int)(o->rows > SNAPSHOT_ROWS));
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

static void append_fields(struct out *o, const struct peer *peer)
{
	const char *state = drain_holds(peer) ? "draining" : "ready";

	put(o, "quss", device_domid(peer->dev), peer->addr, peer_name(peer),
	    peer->ready ? state : device_state_name(peer->dev));
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
}

static void append_refused(struct out *o, const char *before, const char *name, const char *after,
			   uint64_t value)
{
	char text[SECTION_NAME_MAX + 32];

	snprintf(text, sizeof(text), "%s%s%s", before, name, after);
	put(o, "(st)", text, value);
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

int snapshot_status(sd_bus_message *reply, struct broker *broker, const char *domain)
{
	struct out o = { .m = reply };
	struct peer *peer;

	put(&o, "s", XENMSG_VERSION);
	append_total(&o, broker);
	open_container(&o, 'a', "(qussa{st})");
	list_for_each_entry(peer, &broker->route.peers, in_route) {
		open_container(&o, 'r', "qussa{st}");
		append_fields(&o, peer);
		close_container(&o);
	}
	close_container(&o);
	append_rules(&o, &broker->config->policy);
	return o.r;
}

/* --------------------------------------------------------------------- domains */

static void append_labels(struct out *o, const struct policy *policy, const char *name)
{
	const struct label *label;

	open_container(o, 'a', "s");
	list_for_each_entry(label, &policy->labels, link)
		if (pattern_match(label->domains, name))
			put(o, "s", label->name);
	close_container(o);
}

static void append_port(struct out *o, const struct port *port)
{
	const char *service = port_service(port);

	if (take_row(o))
		put(o, "(usutub)", port->number, service ? service : "", port->max_len,
		    port->credit - port->used, port->held, (int)(port->unbind != NULL));
}

static void append_ports(struct out *o, const struct peer *peer)
{
	const struct port *port;

	open_container(o, 'a', "(usutub)");
	for (unsigned int i = 0; i < ROUTE_BUCKETS; i++)
		list_for_each_entry(port, &peer->ports[i], hash)
			append_port(o, port);
	close_container(o);
}

int snapshot_domains(sd_bus_message *reply, struct broker *broker, const char *domain)
{
	struct out o = { .m = reply };
	const struct peer *peer;

	open_container(&o, 'a', "(qussa{st}asa(usutub))");
	list_for_each_entry(peer, &broker->route.peers, in_route) {
		open_container(&o, 'r', "qussa{st}asa(usutub)");
		append_fields(&o, peer);
		append_labels(&o, &broker->config->policy, peer_name(peer));
		append_ports(&o, peer);
		close_container(&o);
	}
	close_container(&o);
	put_more(&o);
	return o.r;
}

/* ----------------------------------------------------------------------- pools */

static const char *const pool_states[] = {
	[POOL_PARKED] = "parked",
	[POOL_OFFERED] = "offered",
	[POOL_MAPPED] = "mapped",
	[POOL_LEAVING] = "leaving",
};

static void append_pools(struct out *o, const struct peer *owner)
{
	for (unsigned int i = 0; i < VMSGIF_MAP_POOLS_MAX; i++) {
		const struct map_pool *pool = owner->pools[i];

		if (pool && pool->state != POOL_GONE && take_row(o))
			put(o, "(usquususut)", owner->addr, peer_name(owner), pool->id,
			    pool->nr_pages, pool->addr, peer_name(pool->receiver), pool->port,
			    pool_states[pool->state], pool->messages, UINT64_C(0));
	}
}

static void append_zombies(struct out *o, struct broker *broker)
{
	const struct zombie *zombie;

	zombies_prune(broker);
	list_for_each_entry(zombie, &broker->zombies, link)
		if (take_row(o))
			put(o, "(usquususut)", zombie->addr, zombie->name, zombie->id,
			    zombie->nr_pages, zombie->receiver->addr, peer_name(zombie->receiver),
			    zombie->port, "dead", 0u,
			    (broker_now(broker) - zombie->since_ns) / NS_PER_US);
}

int snapshot_pools(sd_bus_message *reply, struct broker *broker, const char *domain)
{
	struct out o = { .m = reply };
	const struct peer *peer;

	open_container(&o, 'a', "(usquususut)");
	append_zombies(&o, broker);
	list_for_each_entry(peer, &broker->route.peers, in_route)
		append_pools(&o, peer);
	close_container(&o);
	put_more(&o);
	return o.r;
}

/* ----------------------------------------------------------------------- flows */

static void append_flow(struct out *o, const struct flow *flow)
{
	const struct peer *src = flow->pair->src, *dst = flow->pair->dst;
	const char *service = flow->port ? port_service(flow->port) : NULL;
	const struct decision *decision = &flow->decision;
	unsigned int queued = 0, held = 0;
	const struct message *m;
	uint64_t bytes = 0;

	list_for_each_entry(m, &flow->queued, link) {
		queued++;
		bytes += message_bytes(m);
	}
	list_for_each_entry(m, &flow->held, link)
		held++;
	put(o, "(usususssutuutt)", src->addr, peer_name(src), dst->addr, peer_name(dst),
	    flow->number, service ? service : "", decision_rule(decision),
	    modes_text(decision->modes), queued, bytes, flow->open, held, flow->messages,
	    flow->bytes);
}

static void append_flows(struct out *o, const struct peer *src, const char *domain)
{
	bool all = !*domain || peer_is(src, domain);
	const struct flow *flow;

	list_for_each_entry(flow, &src->all_flows, in_src)
		if ((all || peer_is(flow->pair->dst, domain)) && take_row(o))
			append_flow(o, flow);
}

int snapshot_flows(sd_bus_message *reply, struct broker *broker, const char *domain)
{
	struct out o = { .m = reply };
	const struct peer *peer;

	open_container(&o, 'a', "(usususssutuutt)");
	list_for_each_entry(peer, &broker->route.peers, in_route)
		append_flows(&o, peer, domain);
	close_container(&o);
	put_more(&o);
	return o.r;
}
