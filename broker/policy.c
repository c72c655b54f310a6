// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rules and how they match. See policy.h for the model.
 *
 * Nothing here runs per message: a decision is taken when a flow begins and
 * kept in it. So lists are plain and searched from the begin.
 */
#include "broker/policy.h"

#include "common/num.h"

#include <xen/io/vmsgif.h>

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

struct pattern {
	struct pattern *next;
	char glob[];
};

struct port_range {
	struct port_range *next;
	uint32_t first;
	uint32_t last;
	char service[]; /* not "": this service, and no numbers */
};

void policy_init(struct policy *policy)
{
	list_init(&policy->rules);
	policy->default_refused = 0;
}

void policy_deinit(struct policy *policy)
{
	struct rule *rule, *tmp;

	list_for_each_entry_safe(rule, tmp, &policy->rules, link) {
		list_del(&rule->link);
		pattern_free(rule->from);
		pattern_free(rule->to);
		ports_free(rule->ports);
		free(rule);
	}
}

struct rule *policy_add(struct policy *policy, const char *name, unsigned int line)
{
	struct rule *rule = calloc(1, sizeof(*rule));

	if (!rule)
		return NULL;
	strncpy(rule->name, name, sizeof(rule->name) - 1);
	rule->line = line;
	list_init(&rule->link);
	list_add_tail(&policy->rules, &rule->link);
	return rule;
}

/* ---------------------------------------------------------------- parsing */

static bool name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

int pattern_add(struct pattern **list, const char *word, const char **why)
{
	struct pattern *pattern;
	size_t len = strlen(word);

	for (const char *c = word; *c; c++) {
		if (!name_char(*c) && !strchr("*?[]!^", *c)) {
			*why = "is not a pattern for domain names: it has characters that no "
			       "name has";
			return -EINVAL;
		}
	}
	if (len > VMSGIF_NAME_MAX) {
		*why = "is longer than any domain name";
		return -EINVAL;
	}
	pattern = malloc(sizeof(*pattern) + len + 1);
	if (!pattern)
		return -ENOMEM;
	memcpy(pattern->glob, word, len + 1);
	pattern->next = *list;
	*list = pattern;
	return 0;
}

void pattern_free(struct pattern *list)
{
	while (list) {
		struct pattern *next = list->next;

		free(list);
		list = next;
	}
}

bool pattern_match(const struct pattern *list, const char *name)
{
	for (; list; list = list->next)
		if (!fnmatch(list->glob, name, 0))
			return true;
	return false;
}

static int ports_put(struct port_range **list, uint32_t first, uint32_t last, const char *service)
{
	size_t len = strlen(service);
	struct port_range *range = malloc(sizeof(*range) + len + 1);

	if (!range)
		return -ENOMEM;
	range->first = first;
	range->last = last;
	memcpy(range->service, service, len + 1);
	range->next = *list;
	*list = range;
	return 0;
}

/* Digits, or digits-digits: a range. 1: it is none, and so perhaps a service. */
static int ports_add_range(struct port_range **list, const char *word, const char **why)
{
	size_t digits = strspn(word, "0123456789");
	const char *rest = word + digits;
	uint32_t first, last;

	if (!digits || (*rest && *rest != '-') || rest[strspn(rest, "-0123456789")])
		return 1;
	if (num_parse_u32(word, digits, 1, UINT32_MAX, &first)) {
		*why = "is not a port: ports are 1 to 4294967295, without leading zeros";
		return -EINVAL;
	}
	last = first;
	if (*rest && num_parse_u32(rest + 1, strlen(rest + 1), first, UINT32_MAX, &last)) {
		*why = "is not a range of ports: FIRST-LAST, FIRST not above LAST";
		return -EINVAL;
	}
	return ports_put(list, first, last, "");
}

int ports_add(struct port_range **list, const char *word, const char **why)
{
	int r;

	if (!strcmp(word, "*"))
		return ports_put(list, 0, UINT32_MAX, "");
	r = ports_add_range(list, word, why);
	if (r <= 0)
		return r;
	for (const char *c = word; *c; c++) {
		if (!name_char(*c)) {
			*why = "is neither a port, nor a range, nor the name of a service";
			return -EINVAL;
		}
	}
	if (strlen(word) > VMSGIF_NAME_MAX) {
		*why = "is longer than any service name";
		return -EINVAL;
	}
	return ports_put(list, 1, 0, word);
}

void ports_free(struct port_range *list)
{
	while (list) {
		struct port_range *next = list->next;

		free(list);
		list = next;
	}
}

int modes_add(unsigned int *modes, const char *word, const char **why)
{
	if (!strcmp(word, "copy")) {
		*modes |= MODE_COPY;
	} else if (!strcmp(word, "map")) {
		*modes |= MODE_MAP;
	} else {
		*why = "is not a mode: copy or map";
		return -EINVAL;
	}
	return 0;
}

/* --------------------------------------------------------------- deciding */

static bool rule_is_for(const struct rule *rule, const char *from, const char *to)
{
	return pattern_match(rule->from, from) && pattern_match(rule->to, to);
}

/* By number or by the service bound there; *by_service: some service would match. */
static bool ports_match(const struct port_range *list, uint32_t port, const char *service,
			bool *by_service)
{
	for (; list; list = list->next) {
		if (port >= list->first && port <= list->last)
			return true;
		if (!list->service[0])
			continue;
		*by_service = true;
		if (service && !strcmp(service, list->service))
			return true;
	}
	return false;
}

void policy_decide(struct policy *policy, const char *from, const char *to, uint32_t port,
		   const char *service, bool unbound, struct decision *out)
{
	struct rule *rule;

	*out = (struct decision){ 0 };
	list_for_each_entry(rule, &policy->rules, link) {
		bool by_service = false;

		if (!rule_is_for(rule, from, to))
			continue;
		if (ports_match(rule->ports, port, service, &by_service)) {
			if (!out->rule)
				out->rule = rule;
			out->modes |= rule->modes;
			return;
		}
		if (unbound && by_service) {
			if (!out->rule)
				out->rule = rule;
			out->modes |= rule->modes;
			out->open = true;
		}
	}
}

bool policy_may_talk(const struct policy *policy, const char *from, const char *to)
{
	struct rule *rule;

	list_for_each_entry(rule, &policy->rules, link)
		if (rule_is_for(rule, from, to))
			return true;
	return false;
}

bool policy_may_name(const struct policy *policy, const char *from, const char *to,
		     const char *service)
{
	struct rule *rule;

	list_for_each_entry(rule, &policy->rules, link) {
		const struct port_range *range;

		if (!rule_is_for(rule, from, to))
			continue;
		/* A rule for numbers says nothing of a service that nobody has bound. */
		for (range = rule->ports; range; range = range->next)
			if (!strcmp(service, range->service) ||
			    (!range->first && range->last == UINT32_MAX))
				return true;
	}
	return false;
}

const char *decision_rule(const struct decision *decision)
{
	return decision->rule ? decision->rule->name : POLICY_DEFAULT;
}

void policy_refused(struct policy *policy, const struct decision *decision)
{
	if (decision->rule)
		decision->rule->refused++;
	else
		policy->default_refused++;
}
