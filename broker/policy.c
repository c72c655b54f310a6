// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a policy consists of, and how it decides. See policy.h for the model.
 *
 * Nothing here runs per message: a decision is taken when a flow begins and
 * kept in it. So lists are plain and searched from the begin.
 */
#include "broker/policy.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct file_name {
	struct file_name *next;
	char path[];
};

/* ----------------------------------------------------------------- making one */

void policy_init(struct policy *policy)
{
	*policy = (struct policy){ 0 };
	list_init(&policy->rules);
	list_init(&policy->labels);
	list_init(&policy->offers);
	list_init(&policy->limits);
}

static void free_rules(struct policy *policy)
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

static void free_others(struct policy *policy)
{
	struct label *label, *next_label;
	struct offer *offer, *next_offer;
	struct limits *limits, *next_limits;

	list_for_each_entry_safe(label, next_label, &policy->labels, link) {
		list_del(&label->link);
		pattern_free(label->domains);
		free(label);
	}
	list_for_each_entry_safe(offer, next_offer, &policy->offers, link) {
		list_del(&offer->link);
		pattern_free(offer->domains);
		pattern_free(offer->services);
		free(offer);
	}
	list_for_each_entry_safe(limits, next_limits, &policy->limits, link) {
		list_del(&limits->link);
		pattern_free(limits->domains);
		free(limits);
	}
}

void policy_deinit(struct policy *policy)
{
	free_rules(policy);
	free_others(policy);
	while (policy->files) {
		struct file_name *next = policy->files->next;

		free(policy->files);
		policy->files = next;
	}
}

const char *policy_file(struct policy *policy, const char *path)
{
	size_t size = strlen(path) + 1;
	struct file_name *file = malloc(sizeof(*file) + size);

	if (!file)
		return NULL;
	memcpy(file->path, path, size);
	file->next = policy->files;
	policy->files = file;
	return file->path;
}

/* Its fields of these names, and at the end of @list. */
#define ADD(object, policy_list, section_name, section_place)                               \
	do {                                                                                \
		strncpy((object)->name, section_name, sizeof((object)->name) - 1);          \
		(object)->place = (section_place) ? *(section_place) : (struct place){ 0 }; \
		list_init(&(object)->link);                                                 \
		list_add_tail(policy_list, &(object)->link);                                \
	} while (0)

struct rule *policy_add_rule(struct policy *policy, const char *name, const struct place *place)
{
	struct rule *rule = calloc(1, sizeof(*rule));

	if (rule)
		ADD(rule, &policy->rules, name, place);
	return rule;
}

struct label *policy_add_label(struct policy *policy, const char *name, const struct place *place)
{
	struct label *label = calloc(1, sizeof(*label));

	if (label)
		ADD(label, &policy->labels, name, place);
	return label;
}

struct offer *policy_add_offer(struct policy *policy, const char *name, const struct place *place)
{
	struct offer *offer = calloc(1, sizeof(*offer));

	if (offer)
		ADD(offer, &policy->offers, name, place);
	return offer;
}

void limits_init(struct limits *limits)
{
	*limits = (struct limits){
		.weight = 1,
		.max_queued = UINT_MAX,
		.max_maps = UINT_MAX,
		.pool_pages = UINT_MAX,
	};
	list_init(&limits->link);
}

struct limits *policy_add_limits(struct policy *policy, const char *name, const struct place *place)
{
	struct limits *limits = malloc(sizeof(*limits));

	if (!limits)
		return NULL;
	limits_init(limits);
	ADD(limits, &policy->limits, name, place);
	return limits;
}

int policy_resolve(struct policy *policy, const char **name, struct place *place)
{
	struct rule *rule;
	struct offer *offer;
	struct limits *limits;
	int r = 0;

	list_for_each_entry(rule, &policy->rules, link) {
		r = pattern_resolve(rule->from, &policy->labels, name, place);
		if (r == 0)
			r = pattern_resolve(rule->to, &policy->labels, name, place);
		if (r < 0)
			return r;
	}
	list_for_each_entry(offer, &policy->offers, link) {
		r = pattern_resolve(offer->domains, &policy->labels, name, place);
		if (r < 0)
			return r;
	}
	list_for_each_entry(limits, &policy->limits, link) {
		r = pattern_resolve(limits->domains, &policy->labels, name, place);
		if (r < 0)
			return r;
	}
	return r;
}

int modes_add(unsigned int *modes, const char *word, const char **why)
{
	if (!strcmp(word, "copy")) {
		*modes |= MODE_COPY;
	} else if (!strcmp(word, "map")) {
		*modes |= MODE_MAP;
	} else {
		*why = strcmp(word, "pools") != 0 ?
			       "is not a mode: copy or map" :
			       "is not a mode of a rule: pools for copying are a domain's, see "
			       "'pool-pages' in [limits NAME]; map mode is 'map'";
		return -EINVAL;
	}
	return 0;
}

const char *modes_text(unsigned int modes)
{
	static const char *const texts[] = {
		[0] = "",
		[MODE_COPY] = "copy",
		[MODE_MAP] = "map",
		[MODE_COPY | MODE_MAP] = "copy map",
	};

	return texts[modes & (MODE_COPY | MODE_MAP)];
}

/* --------------------------------------------------------------- deciding */

bool rule_is_for(const struct rule *rule, const char *from, const char *to)
{
	return pattern_match(rule->from, from) && pattern_match(rule->to, to);
}

struct rule *policy_rule(const struct policy *policy, const char *name)
{
	struct rule *rule;

	list_for_each_entry(rule, &policy->rules, link)
		if (!strcmp(rule->name, name))
			return rule;
	return NULL;
}

/* It may turn out to be the one: what it allows is possible, in its name if it is the first. */
static void may_be(struct decision *out, struct rule *rule)
{
	if (!out->rule || (!out->modes && rule->modes))
		out->rule = rule;
	out->modes |= rule->modes;
}

void policy_decide(const struct policy *policy, const char *from, const char *to, uint32_t port,
		   const char *service, bool unbound, struct decision *out)
{
	struct rule *rule;

	*out = (struct decision){ 0 };
	list_for_each_entry(rule, &policy->rules, link) {
		bool by_service = false;

		if (!rule_is_for(rule, from, to))
			continue;
		if (ports_match(rule->ports, port, service, &by_service)) {
			may_be(out, rule);
			return;
		}
		if (unbound && by_service) {
			may_be(out, rule);
			out->open = true;
		}
	}
}

/* Do the rules before @last for this pair, all of which deny, leave nothing of @range? */
static bool all_denied(const struct policy *policy, const struct rule *last, const char *from,
		       const char *to, const struct port_range *range)
{
	uint64_t next = range->first ? range->first : 1, begin;
	struct rule *rule;

	do {
		begin = next;
		list_for_each_entry(rule, &policy->rules, link) {
			if (rule == last)
				break;
			if (!rule_is_for(rule, from, to))
				continue;
			if (range->service[0] && ports_have_glob(rule->ports, range->service))
				return true;
			next = ports_after(rule->ports, next);
		}
	} while (next != begin);
	return !range->service[0] && next > range->last;
}

bool policy_may_talk(const struct policy *policy, const char *from, const char *to,
		     struct decision *why)
{
	struct decision found = { 0 };
	struct rule *rule;

	list_for_each_entry(rule, &policy->rules, link) {
		const struct port_range *range;

		if (!rule_is_for(rule, from, to))
			continue;
		if (rule->deny) {
			found.rule = found.rule ? found.rule : rule;
			continue;
		}
		for (range = rule->ports; range; range = range->next)
			if (!all_denied(policy, rule, from, to, range))
				return true;
	}
	if (why)
		*why = found;
	return false;
}

bool policy_may_name(const struct policy *policy, const char *from, const char *to,
		     const char *service, struct decision *why)
{
	struct rule *rule;

	*why = (struct decision){ 0 };
	list_for_each_entry(rule, &policy->rules, link) {
		if (!rule_is_for(rule, from, to) || !ports_match_service(rule->ports, service))
			continue;
		why->rule = rule;
		return !rule->deny;
	}
	return false;
}

bool policy_may_offer(const struct policy *policy, const char *domain, const char *service,
		      const struct offer **out)
{
	struct offer *offer;

	if (out)
		*out = NULL;
	list_for_each_entry(offer, &policy->offers, link) {
		if (!pattern_match(offer->domains, domain) ||
		    !pattern_match(offer->services, service))
			continue;
		if (out)
			*out = offer;
		return true;
	}
	return list_empty(&policy->offers);
}

struct limits *policy_limits(const struct policy *policy, const char *domain, struct limits *none)
{
	struct limits *limits;

	list_for_each_entry(limits, &policy->limits, link)
		if (pattern_match(limits->domains, domain))
			return limits;
	return none;
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
