/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may send what to whom, who may offer what, and how much of it.
 *
 * Model. A policy is what the configuration says, in its order:
 *
 *   rules    allow or deny: senders and receivers by globs over domain names or
 *            by label, ports by number, range or service, the modes and rates
 *            that are allowed. The first rule whose sender, receiver and port
 *            match decides; without one the answer is no, in the name of the
 *            rule "default"
 *   offers   which domains may bind which service names. Without any, every
 *            domain may offer every name (in its own domain: name@domain)
 *   limits   weight, quotas and rates of all that a domain sends; the first
 *            section that matches the domain holds, as a whole
 *
 * A policy is made once and then only read, but for its counters. A domain
 * without a name that complies with the protocol has the name "", which only
 * "*" matches.
 */
#ifndef XENMSG_BROKER_POLICY_H
#define XENMSG_BROKER_POLICY_H

#include "broker/pattern.h"
#include "broker/ports.h"
#include "broker/stats.h"
#include "common/list.h"

#include <stdbool.h>
#include <stdint.h>

#define POLICY_DEFAULT	  "default"
#define POLICY_NO_OFFER	  "offers" /* in whose name a service is refused */
#define LIMITS_WEIGHT_MAX 64u

enum {
	MODE_COPY = 1, /* inline too */
	MODE_MAP = 2,
};

/* A second's worth, and what may come at once. 0: not limited. */
struct rates {
	uint64_t messages;
	uint64_t messages_burst;
	uint64_t bytes; /* of payload */
	uint64_t bytes_burst;
};

struct rule {
	struct list link;
	struct place place; /* of the configuration, for messages */
	bool deny;
	struct pattern *from;
	struct pattern *to;
	struct port_range *ports;
	unsigned int modes;	  /* 0 if it denies */
	struct rates rates;	  /* of each sending domain, in all its flows under this rule */
	uint64_t refused;	  /* requests that this rule refused, by itself or for their mode */
	uint64_t over_rate;	  /* messages beyond its rates */
	struct traffic delivered; /* messages of the flows that it allowed */
	char name[SECTION_NAME_MAX + 1];
};

struct offer {
	struct list link;
	struct place place;
	struct pattern *domains;
	struct pattern *services;
	char name[SECTION_NAME_MAX + 1];
};

struct limits {
	struct list link;
	struct place place;
	struct pattern *domains;
	unsigned int weight;	 /* share of what a receiver takes in, against other senders */
	unsigned int max_queued; /* messages in all queues; UINT_MAX here and below: not limited */
	unsigned int max_maps;	 /* map-mode messages sent and not completed */
	unsigned int pool_pages; /* of TX and RX pools together */
	struct rates rates;
	uint64_t refused;
	char name[SECTION_NAME_MAX + 1]; /* "": nobody's, the default */
};

struct policy {
	struct list rules;
	struct list labels;
	struct list offers;
	struct list limits;
	struct file_name *files; /* that places refer to */
	uint64_t default_refused;
	uint64_t offers_refused;
};

/* What the policy says of a flow. */
struct decision {
	struct rule *rule;  /* NULL: the default */
	unsigned int modes; /* allowed ones; 0: denied */
	/* The port's service is not known yet and may decide otherwise; modes are the possible. */
	bool open;
};

void policy_init(struct policy *policy);
void policy_deinit(struct policy *policy);

/* @path, to be referred to by places. NULL: no memory. */
const char *policy_file(struct policy *policy, const char *path);
/* At the end of its list, without anything in it but name, place and defaults. NULL: no memory. */
struct rule *policy_add_rule(struct policy *policy, const char *name, const struct place *place);
struct label *policy_add_label(struct policy *policy, const char *name, const struct place *place);
struct offer *policy_add_offer(struct policy *policy, const char *name, const struct place *place);
struct limits *policy_add_limits(struct policy *policy, const char *name,
				 const struct place *place);
/* Look up all labels, when everything is added. As pattern_resolve(). */
int policy_resolve(struct policy *policy, const char **name, struct place *place);
/* One word. 0, or -EINVAL and *why. */
int modes_add(unsigned int *modes, const char *word, const char **why);
/* The words for them. */
const char *modes_text(unsigned int modes);

/* Does it name sender and receiver? */
bool rule_is_for(const struct rule *rule, const char *from, const char *to);
struct rule *policy_rule(const struct policy *policy, const char *name);

/*
 * May @from send to @port of @to, where @service is bound? @service is NULL if
 * the port has no service name. @unbound: the port may be bound with one later.
 */
void policy_decide(const struct policy *policy, const char *from, const char *to, uint32_t port,
		   const char *service, bool unbound, struct decision *out);
/*
 * Is there any port of @to to which @from may send? *why, if not NULL and the
 * answer is no: the first rule that denies one, or none.
 */
bool policy_may_talk(const struct policy *policy, const char *from, const char *to,
		     struct decision *why);
/* The same where nobody has bound @service: might @from send to it if somebody had? */
bool policy_may_name(const struct policy *policy, const char *from, const char *to,
		     const char *service, struct decision *why);
/* May @domain bind a port by the name of @service? *offer, if not NULL: what says so, or NULL. */
bool policy_may_offer(const struct policy *policy, const char *domain, const char *service,
		      const struct offer **offer);
/* What holds for @domain; *@none if nothing does, which is never counted in. */
struct limits *policy_limits(const struct policy *policy, const char *domain, struct limits *none);
void limits_init(struct limits *limits);

static inline bool rates_any(const struct rates *rates)
{
	return rates->messages || rates->bytes;
}

/* The name for logs: "default" where there is no rule. */
const char *decision_rule(const struct decision *decision);
/* Count a refusal. */
void policy_refused(struct policy *policy, const struct decision *decision);

#endif
