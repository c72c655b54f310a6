/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may send what to whom.
 *
 * Model. A policy is a list of rules in the order of the configuration. A rule
 * names senders and receivers by patterns over domain names, ports by number,
 * range or service name, and the modes that it allows. The first rule whose
 * sender, receiver and port match decides; without one the answer is no, in the
 * name of the rule "default". A policy is made once and then only read, but for
 * its counters.
 *
 * A domain without a name that complies with the protocol has the name "",
 * which only "*" matches.
 */
#ifndef XENMSG_BROKER_POLICY_H
#define XENMSG_BROKER_POLICY_H

#include "common/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICY_RULE_NAME_MAX 40
#define POLICY_DEFAULT	     "default"

enum {
	MODE_COPY = 1, /* inline too */
	MODE_MAP = 2,
};

struct pattern;
struct port_range;

struct rule {
	struct list link;
	char name[POLICY_RULE_NAME_MAX + 1];
	unsigned int line; /* of the configuration, for messages */
	struct pattern *from;
	struct pattern *to;
	struct port_range *ports;
	unsigned int modes;
	uint64_t refused; /* requests that this rule refused for their mode */
};

struct policy {
	struct list rules;
	uint64_t default_refused;
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

/* A rule without patterns, ports and modes, at the end of the list. NULL: no memory. */
struct rule *policy_add(struct policy *policy, const char *name, unsigned int line);

/* Text of a configuration, one word each. 0, -EINVAL (*why: what is wrong), -ENOMEM. */
int pattern_add(struct pattern **list, const char *word, const char **why);
int ports_add(struct port_range **list, const char *word, const char **why);
int modes_add(unsigned int *modes, const char *word, const char **why);
bool pattern_match(const struct pattern *list, const char *name);
void pattern_free(struct pattern *list);
void ports_free(struct port_range *list);

/*
 * May @from send to @port of @to, where @service is bound? @service is NULL if
 * the port has no service name. @unbound: the port may be bound with one later.
 */
void policy_decide(struct policy *policy, const char *from, const char *to, uint32_t port,
		   const char *service, bool unbound, struct decision *out);
/* Is there any port of @to to which @from may send? */
bool policy_may_talk(const struct policy *policy, const char *from, const char *to);
/* The same where nobody has bound @service: might @from send to it if somebody had? */
bool policy_may_name(const struct policy *policy, const char *from, const char *to,
		     const char *service);

/* The name for logs: "default" where there is no rule. */
const char *decision_rule(const struct decision *decision);
/* Count a refusal. */
void policy_refused(struct policy *policy, const struct decision *decision);

#endif
