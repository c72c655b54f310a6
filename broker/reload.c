// SPDX-License-Identifier: GPL-2.0-or-later
/* From one configuration to another. See reload.h. */
#include "broker/reload.h"

#include "broker/broker.h"
#include "broker/explain.h"
#include "broker/lookup.h"
#include "broker/peer.h"
#include "broker/pools.h"
#include "broker/send.h"

#include <errno.h>
#include <stdlib.h>

static void reload_flows(struct peer *src)
{
	struct flow *flow, *tmp;

	list_for_each_entry_safe(flow, tmp, &src->all_flows, in_src) {
		if (flow->open)
			send_decide_anew(flow);
		else
			flow_free(flow);
	}
}

static void reload_weight(struct peer *src)
{
	struct pair *pair;

	for (unsigned int i = 0; i < ROUTE_BUCKETS; i++)
		list_for_each_entry(pair, &src->pairs[i], hash)
			pair->quantum = queue_quantum(src->account->limits->weight);
}

static void reload_ports(struct peer *peer)
{
	const struct policy *policy = &peer->broker->config->policy;
	struct port *port;

	for (unsigned int i = 0; i < ROUTE_BUCKETS; i++)
		list_for_each_entry(port, &peer->ports[i], hash)
			port->revoked =
				port->service &&
				!policy_may_offer(policy, peer_subject(peer), port->service, NULL);
}

/* By broker->config; accounts are prepared for it. */
static void decide_anew(struct broker *broker)
{
	struct peer *peer;

	accounts_commit(broker, &broker->config->policy);
	/* Flows are decided by the names of services. */
	list_for_each_entry(peer, &broker->route.peers, in_route)
		reload_ports(peer);
	list_for_each_entry(peer, &broker->route.peers, in_route) {
		reload_flows(peer);
		reload_weight(peer);
		pools_decide_anew(peer);
		lookup_decide_anew(peer);
	}
	accounts_finish(broker);
}

int broker_reconfigure(struct broker *broker, struct config *config)
{
	struct config *old = broker->config;

	if (accounts_prepare(broker, &config->policy) < 0)
		return -ENOMEM;
	broker->config = config;
	decide_anew(broker);
	/* Those without an address are asked about when they come up. */
	backend_reconsider(broker->backend);
	config_free(old);
	return 0;
}

int broker_rename(struct broker *broker, struct peer *peer)
{
	const char *subject = device_subject(peer->dev);
	char before[sizeof(peer->label)];
	struct name *old = peer->name;
	int r;

	memcpy(before, peer->label, sizeof(before));
	r = route_rename(&broker->route, peer, device_name(peer->dev));
	if (r < 0)
		return r;
	peer_set_label(peer);
	snprintf(peer->account->subject, sizeof(peer->account->subject), "%s", subject);
	lookup_renamed(peer, old);
	r = accounts_prepare(broker, &broker->config->policy);
	if (r < 0)
		return r;
	decide_anew(broker);
	log_write(broker->log, LOG_NOTICE, "domain=%u addr=%#x: %s is called %s now",
		  device_domid(peer->dev), peer->addr, before, peer->label);
	return 0;
}

static void tell(const struct config *config, const char *fixed, char *text, size_t size)
{
	FILE *out;

	/* The stream adds a NUL only where it has room. */
	text[size - 1] = '\0';
	out = fmemopen(text, size - 1, "w");
	if (!out)
		return;
	fprintf(out, "%s: ", config->path);
	explain_size(out, config);
	if (fixed)
		fprintf(out, "; not before the daemon starts again: %s", fixed);
	fclose(out);
}

int broker_reload(struct broker *broker, char *text, size_t size)
{
	const char *path = broker->config->path, *fixed;
	struct config *config = NULL;
	struct config_error error;
	char names[256];
	int r = -ENOENT;

	snprintf(text, size, "the configuration is not from a file");
	if (path) {
		r = config_load(&config, path, &error);
		if (r < 0)
			config_error_text(&error, text, size);
	}
	if (r < 0) {
		log_write(broker->log, LOG_ERR, "reload: %s; nothing has changed", text);
		return r;
	}
	fixed = config_keep_fixed(config, broker->config, names, sizeof(names));
	r = broker_reconfigure(broker, config);
	if (r < 0) {
		config_free(config);
		snprintf(text, size, "out of memory");
		log_write(broker->log, LOG_ERR, "reload: %s; nothing has changed", text);
		return r;
	}
	tell(config, fixed, text, size);
	log_write(broker->log, LOG_NOTICE, "reload: %s", text);
	return 0;
}
