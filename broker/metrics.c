// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Metrics. See metrics.h for the model.
 *
 * All series of a metric have to stand together, so what is said of domains and
 * sections is first gathered into rows, of one value for each metric.
 */
#include "broker/metrics.h"

#include "broker/broker.h"
#include "broker/peer.h"
#include "broker/zombies.h"

#include "common/macros.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct metric {
	const char *name; /* without "xenmsg_"; counters end in "_total" */
	const char *help;
};

static void family(FILE *out, const struct metric *metric)
{
	size_t len = strlen(metric->name);
	bool counter = len > 6 && !strcmp(metric->name + len - 6, "_total");

	fprintf(out, "# HELP xenmsg_%s %s\n# TYPE xenmsg_%s %s\n", metric->name, metric->help,
		metric->name, counter ? "counter" : "gauge");
}

/* A label's value, after what stands before it. */
static void label(FILE *out, const char *before, const char *value)
{
	fprintf(out, "%s=\"", before);
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", out);
		else if (*value == '"' || *value == '\\')
			fprintf(out, "\\%c", *value);
		else
			fputc(*value, out);
	}
	fputc('"', out);
}

static const char *const way_labels[WAYS] = {
	[WAY_INLINE] = "inline",
	[WAY_POOLED] = "pooled",
	[WAY_COPY] = "grant-copy",
	[WAY_MAP] = "map",
};

static uint64_t sum(const uint64_t by_way[WAYS])
{
	uint64_t all = 0;

	for (unsigned int way = 0; way < WAYS; way++)
		all += by_way[way];
	return all;
}

/* ------------------------------------------------------------------- the whole */

static void single(FILE *out, const char *name, const char *help, uint64_t value)
{
	family(out, &(struct metric){ name, help });
	fprintf(out, "xenmsg_%s %" PRIu64 "\n", name, value);
}

static void by_way(FILE *out, const char *name, const char *help, const uint64_t values[WAYS])
{
	family(out, &(struct metric){ name, help });
	for (unsigned int way = 0; way < WAYS; way++)
		fprintf(out, "xenmsg_%s{way=\"%s\"} %" PRIu64 "\n", name, way_labels[way],
			values[way]);
}

static uint64_t zombie_pages(struct broker *broker)
{
	const struct zombie *zombie;
	uint64_t pages = 0;

	zombies_prune(broker);
	list_for_each_entry(zombie, &broker->zombies, link)
		pages += zombie->nr_pages;
	return pages;
}

static void write_whole(FILE *out, struct broker *broker)
{
	struct backend_stats stats = { 0 };

	backend_stats_get(broker->backend, &stats);
	single(out, "up", "Whether the broker answers.", 1);
	family(out, &(struct metric){ "build_info", "Version of the broker." });
	fprintf(out, "xenmsg_build_info{version=\"%s\"} 1\n", XENMSG_VERSION);
	by_way(out, "delivered_messages_total", "Messages delivered.", broker->total.messages);
	by_way(out, "delivered_bytes_total", "Payload delivered.", broker->total.bytes);
	single(out, "refused_messages_total", "Messages refused before they were queued.",
	       broker->refused);
	single(out, "failed_messages_total", "Queued messages that failed.", broker->failed);
	single(out, "turns_total", "Rounds of work.", broker->turns);
	single(out, "busy_polls_found_total", "Busy polls that found work.",
	       broker->busy_poll.found);
	single(out, "busy_polls_missed_total", "Busy polls in vain.", broker->busy_poll.missed);
	single(out, "hypercalls_total", "Hypercalls for grants.", stats.hypercalls);
	single(out, "grant_copies_total", "Operations of grant copies.", stats.copy_ops);
	single(out, "memcpys_total", "Copies between mapped pools.", stats.memcpys);
	single(out, "copied_bytes_total", "Bytes copied, by either way.", stats.copied_bytes);
	single(out, "notifications_total", "Events sent to domains.", stats.notifications);
	single(out, "events_received_total", "Events received from domains.", stats.events);
	single(out, "devices", "Devices of domains.", stats.devices);
	single(out, "addresses", "Devices with an address.", broker->route.nr_peers);
	single(out, "mapped_bytes", "Memory of domains mapped by the broker.",
	       (uint64_t)stats.mapped_pages * VMSGIF_PAGE_SIZE);
	single(out, "zombie_bytes", "Memory of dead domains that receivers may still have mapped.",
	       zombie_pages(broker) * VMSGIF_PAGE_SIZE);
}

/* --------------------------------------------------------------------- domains */

enum domain_value {
	SENT_MESSAGES,
	SENT_BYTES,
	RECEIVED_MESSAGES,
	RECEIVED_BYTES,
	REFUSED,
	FAILED,
	EVENTS,
	READY,
	QUEUED_MESSAGES,
	QUEUED_BYTES,
	UNANSWERED,
	HELD,
	PORTS,
	FLOWS,
	DOMAIN_VALUES
};

static const struct metric domain_metrics[DOMAIN_VALUES] = {
	[SENT_MESSAGES] = { "domain_sent_messages_total", "Messages of it that were delivered." },
	[SENT_BYTES] = { "domain_sent_bytes_total", "Payload of it that was delivered." },
	[RECEIVED_MESSAGES] = { "domain_received_messages_total", "Messages delivered to it." },
	[RECEIVED_BYTES] = { "domain_received_bytes_total", "Payload delivered to it." },
	[REFUSED] = { "domain_refused_messages_total",
		      "Messages of it refused before they were queued." },
	[FAILED] = { "domain_failed_messages_total", "Queued messages of it that failed." },
	[EVENTS] = { "domain_events_total", "What it was told besides messages." },
	[READY] = { "domain_ready", "Frontends that can be sent to: 0 or 1, or local processes." },
	[QUEUED_MESSAGES] = { "domain_queued_messages", "Messages that wait for it." },
	[QUEUED_BYTES] = { "domain_queued_bytes", "Payload that waits for it." },
	[UNANSWERED] = { "domain_unanswered_requests", "Requests of it that wait." },
	[HELD] = { "domain_held_messages", "SENDs in map mode that it has not released." },
	[PORTS] = { "domain_ports", "Ports bound." },
	[FLOWS] = { "domain_flows", "Flows that it sends in." },
};

struct domain_row {
	const char *name;
	char domid[8];
	uint64_t values[DOMAIN_VALUES];
};

static void add_counters(struct domain_row *row, const struct counters *count)
{
	row->values[SENT_MESSAGES] += sum(count->sent.messages);
	row->values[SENT_BYTES] += sum(count->sent.bytes);
	row->values[RECEIVED_MESSAGES] += sum(count->received.messages);
	row->values[RECEIVED_BYTES] += sum(count->received.bytes);
	row->values[REFUSED] += count->refused;
	row->values[FAILED] += count->failed;
	row->values[EVENTS] += count->events;
}

static void add_peer(struct domain_row *row, const struct peer *peer)
{
	add_counters(row, &peer->count);
	row->values[READY] += peer->ready;
	row->values[QUEUED_MESSAGES] += peer->queue.messages;
	row->values[QUEUED_BYTES] += peer->queue.bytes;
	row->values[UNANSWERED] += peer->waiting;
	row->values[HELD] += peer_held(peer);
	row->values[PORTS] += peer->nr_ports;
	row->values[FLOWS] += peer->nr_flows;
}

/* In the order of domids, so that a new domain takes no other one's place. Returns the rows. */
static unsigned int gather_guests(struct domain_row *rows, const struct broker *broker)
{
	unsigned int nr = 0;

	for (unsigned int domid = 0; domid < VMSGIF_ADDR_LOCAL; domid++) {
		const struct peer *peer = broker->route.by_domid[domid];
		struct domain_row *row = &rows[nr];

		if (!peer)
			continue;
		if (nr < METRICS_DOMAINS) {
			row->name = peer_name(peer);
			snprintf(row->domid, sizeof(row->domid), "%u", domid);
			nr++;
		} else {
			row->name = "other";
			snprintf(row->domid, sizeof(row->domid), "other");
		}
		add_peer(row, peer);
	}
	return nr + (rows[nr].name != NULL);
}

static void gather_local(struct domain_row *row, const struct broker *broker)
{
	const struct peer *peer;

	row->name = "local";
	snprintf(row->domid, sizeof(row->domid), "0");
	add_counters(row, &broker->local_gone);
	list_for_each_entry(peer, &broker->route.peers, in_route)
		if (VMSGIF_ADDR_DOMID(peer->addr) & VMSGIF_ADDR_LOCAL)
			add_peer(row, peer);
}

static void write_domains(FILE *out, const struct domain_row *rows, unsigned int nr)
{
	for (unsigned int i = 0; i < DOMAIN_VALUES; i++) {
		family(out, &domain_metrics[i]);
		for (unsigned int row = 0; row < nr; row++) {
			fprintf(out, "xenmsg_%s", domain_metrics[i].name);
			label(out, "{domain", rows[row].name);
			label(out, ",domid", rows[row].domid);
			fprintf(out, "} %" PRIu64 "\n", rows[row].values[i]);
		}
	}
}

/* -------------------------------------------------------------------- sections */

struct section_row {
	char section[SECTION_NAME_MAX + 16];
	bool allows;
	struct traffic delivered;
	uint64_t refused;
	uint64_t over_rate;
};

struct table {
	struct domain_row domains[METRICS_DOMAINS + 2]; /* "other", "local" */
	unsigned int nr_domains;
	/* Rules and [limits], each with its "other", then "offers" and "default". */
	struct section_row sections[2 * (METRICS_SECTIONS + 1) + 2];
	unsigned int nr_sections;
};

/* The row of the section that is number @at, from 0, of its kind: maybe the last, of others. */
static struct section_row *section_row(struct table *table, unsigned int at, const char *kind,
				       const char *name)
{
	struct section_row *row;

	if (at > METRICS_SECTIONS)
		return &table->sections[table->nr_sections - 1];
	row = &table->sections[table->nr_sections++];
	snprintf(row->section, sizeof(row->section), "%s%s%s", kind, *name ? " " : "", name);
	return row;
}

/* No section is called "other": names begin with their kind. */
static void gather_sections(struct table *table, const struct policy *policy)
{
	const struct limits *limits;
	const struct rule *rule;
	struct section_row *row;
	unsigned int nr = 0;

	list_for_each_entry(rule, &policy->rules, link) {
		row = nr < METRICS_SECTIONS ?
			      section_row(table, nr, rule->deny ? "deny" : "allow", rule->name) :
			      section_row(table, nr, "other", "rules");
		row->allows |= !rule->deny;
		traffic_add(&row->delivered, &rule->delivered);
		row->refused += rule->refused;
		row->over_rate += rule->over_rate;
		nr++;
	}
	nr = 0;
	list_for_each_entry(limits, &policy->limits, link) {
		row = nr < METRICS_SECTIONS ? section_row(table, nr, "limits", limits->name) :
					      section_row(table, nr, "other", "limits");
		row->over_rate += limits->refused;
		nr++;
	}
	section_row(table, 0, POLICY_NO_OFFER, "")->refused = policy->offers_refused;
	section_row(table, 0, POLICY_DEFAULT, "")->refused = policy->default_refused;
}

static void write_delivered(FILE *out, const struct table *table, const struct metric *metric,
			    bool bytes)
{
	family(out, metric);
	for (unsigned int i = 0; i < table->nr_sections; i++) {
		const struct section_row *row = &table->sections[i];

		for (unsigned int way = 0; row->allows && way < WAYS; way++) {
			fprintf(out, "xenmsg_%s", metric->name);
			label(out, "{section", row->section);
			label(out, ",way", way_labels[way]);
			fprintf(out, "} %" PRIu64 "\n",
				(bytes ? row->delivered.bytes : row->delivered.messages)[way]);
		}
	}
}

static void write_refused(FILE *out, const struct table *table, const struct metric *metric,
			  bool over_rate)
{
	family(out, metric);
	for (unsigned int i = 0; i < table->nr_sections; i++) {
		const struct section_row *row = &table->sections[i];

		fprintf(out, "xenmsg_%s", metric->name);
		label(out, "{section", row->section);
		fprintf(out, "} %" PRIu64 "\n", over_rate ? row->over_rate : row->refused);
	}
}

static void write_sections(FILE *out, const struct table *table)
{
	static const struct metric messages = { "policy_delivered_messages_total",
						"Messages delivered under a rule." };
	static const struct metric bytes = { "policy_delivered_bytes_total",
					     "Payload delivered under a rule." };
	static const struct metric refused = { "policy_refused_total",
					       "Requests that the policy does not allow." };
	static const struct metric over = { "policy_over_limit_total",
					    "Requests beyond a rate or quota." };

	write_delivered(out, table, &messages, false);
	write_delivered(out, table, &bytes, true);
	write_refused(out, table, &refused, false);
	write_refused(out, table, &over, true);
}

int metrics_write(FILE *out, struct broker *broker)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return -ENOMEM;
	table->nr_domains = gather_guests(table->domains, broker);
	gather_local(&table->domains[table->nr_domains++], broker);
	gather_sections(table, &broker->config->policy);
	write_whole(out, broker);
	write_domains(out, table->domains, table->nr_domains);
	write_sections(out, table);
	free(table);
	return 0;
}
