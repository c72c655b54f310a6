// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The sections of the policy: [label], [allow], [deny], [offer], [limits].
 * packaging/xenmsgd.conf says what their keys mean.
 */
#include "broker/config-parse.h"

#include "common/macros.h"
#include "common/num.h"
#include "common/token-bucket.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* -------------------------------------------------------------------- values */

static int add_globs(struct parser *p, const char *name, const char *value, struct pattern **list)
{
	struct words words = { 0 };

	for (const char *w = words_first(&words, value); w; w = words_next(&words)) {
		const char *why;
		int r = pattern_add_glob(list, w, &why);

		if (r < 0)
			return parse_bad_word(p, name, w, r, why);
	}
	return 0;
}

static int add_ports(struct parser *p, const char *name, const char *value,
		     struct port_range **list)
{
	struct words words = { 0 };

	for (const char *w = words_first(&words, value); w; w = words_next(&words)) {
		const char *why = "";
		int r = ports_add(list, w, &why);

		if (r < 0)
			return parse_bad_word(p, name, w, r, why);
	}
	return 0;
}

static int add_modes(struct parser *p, const char *name, const char *value, unsigned int *modes)
{
	struct words words = { 0 };

	for (const char *w = words_first(&words, value); w; w = words_next(&words)) {
		const char *why = "";
		int r = modes_add(modes, w, &why);

		if (r < 0)
			return parse_bad_word(p, name, w, r, why);
	}
	return 0;
}

/* A number that may be there once in its section. */
static int set_number(struct parser *p, const char *name, const char *value, unsigned int index,
		      uint64_t min, uint64_t max, uint64_t *out)
{
	if (p->seen & 1u << index)
		return parse_fail(p, &p->place, -EINVAL, "'%s' is set a second time", name);
	p->seen |= 1u << index;
	if (num_parse_u64(value, strlen(value), min, max, out))
		return parse_fail(p, &p->place, -EINVAL,
				  "'%s' is %" PRIu64 " to %" PRIu64 ", not '%s'", name, min, max,
				  value);
	return 0;
}

#define RATE_MAX UINT64_C(1000000000000)

/* 1: @name is none of these keys. Their indexes in p->seen begin at 0. */
static int rates_key(struct parser *p, const char *name, const char *value, struct rates *rates)
{
	const struct {
		const char *name;
		uint64_t *field;
		uint64_t max;
	} keys[] = {
		{ "messages-per-second", &rates->messages, RATE_MAX },
		{ "messages-burst", &rates->messages_burst, TOKEN_BUCKET_BURST_MAX },
		{ "bytes-per-second", &rates->bytes, RATE_MAX },
		{ "bytes-burst", &rates->bytes_burst, TOKEN_BUCKET_BURST_MAX },
	};

	for (unsigned int i = 0; i < ARRAY_LEN(keys); i++)
		if (!strcmp(name, keys[i].name))
			return set_number(p, name, value, i, 1, keys[i].max, keys[i].field);
	return 1;
}
#define RATES_KEYS 4

/* A burst is a second's worth unless it is said. */
static int rates_end(struct parser *p, struct rates *rates)
{
	if (rates->messages_burst && !rates->messages)
		return parse_fail(p, &p->begin, -EINVAL,
				  "'messages-burst' without 'messages-per-second'");
	if (rates->bytes_burst && !rates->bytes)
		return parse_fail(p, &p->begin, -EINVAL,
				  "'bytes-burst' without 'bytes-per-second'");
	if (!rates->messages_burst)
		rates->messages_burst = MIN_OF(rates->messages, TOKEN_BUCKET_BURST_MAX);
	if (!rates->bytes_burst)
		rates->bytes_burst = MIN_OF(rates->bytes, TOKEN_BUCKET_BURST_MAX);
	return 0;
}

static int check_title(struct parser *p, const char *title)
{
	const char *kind = p->section->name;

	if (!*title || strlen(title) > SECTION_NAME_MAX)
		return parse_fail(p, &p->place, -EINVAL,
				  "[%s NAME] has a name of 1 to %d characters", kind,
				  SECTION_NAME_MAX);
	for (const char *c = title; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == '"' || *c == '\\')
			return parse_fail(p, &p->place, -EINVAL,
					  "the name of [%s NAME] is one word, without quotes",
					  kind);
	return 0;
}

static int already_there(struct parser *p, const char *title, const struct place *place)
{
	return parse_fail(p, &p->place, -EINVAL, "'%s' is already there, in %s:%u", title,
			  place->file, place->line);
}

static int no_key(struct parser *p, const char *title, const char *name)
{
	return parse_fail(p, &p->place, -EINVAL, "[%s %s] has no key '%s'", p->section->name, title,
			  name);
}

static int missing(struct parser *p, const char *kind, const char *title, const char *name)
{
	return parse_fail(p, &p->begin, -EINVAL, "[%s %s] does not say '%s'", kind, title, name);
}

/* ------------------------------------------------------------------- [label] */

static int label_begin(struct parser *p, const char *title)
{
	struct label *label;

	if (check_title(p, title) < 0)
		return p->result;
	if (pattern_check_glob(title) || strpbrk(title, "*?[]!^"))
		return parse_fail(p, &p->place, -EINVAL,
				  "the name of a label is made of A-Z a-z 0-9 . _ -");
	list_for_each_entry(label, &p->config->policy.labels, link)
		if (!strcmp(label->name, title))
			return already_there(p, title, &label->place);
	p->label = policy_add_label(&p->config->policy, title, &p->place);
	return p->label ? 0 : parse_no_memory(p);
}

static int label_key(struct parser *p, const char *name, const char *value)
{
	if (strcmp(name, "domains") != 0)
		return no_key(p, p->label->name, name);
	return add_globs(p, name, value, &p->label->domains);
}

static int label_end(struct parser *p)
{
	return p->label->domains ? 0 : missing(p, "label", p->label->name, "domains");
}

/* ----------------------------------------------------------- [allow], [deny] */

static int rule_begin(struct parser *p, const char *title)
{
	struct policy *policy = &p->config->policy;
	struct rule *rule;

	if (check_title(p, title) < 0)
		return p->result;
	if (!strcmp(title, POLICY_DEFAULT) || !strcmp(title, POLICY_NO_OFFER))
		return parse_fail(p, &p->place, -EINVAL,
				  "'%s' is the name of what no section allows", title);
	rule = policy_rule(policy, title);
	if (rule)
		return already_there(p, title, &rule->place);
	p->rule = policy_add_rule(policy, title, &p->place);
	if (!p->rule)
		return parse_no_memory(p);
	p->rule->deny = !strcmp(p->section->name, "deny");
	return 0;
}

static int rule_key(struct parser *p, const char *name, const char *value)
{
	struct rule *rule = p->rule;
	int r;

	if (!strcmp(name, "from"))
		return parse_domains(p, name, value, true, &rule->from);
	if (!strcmp(name, "to"))
		return parse_domains(p, name, value, false, &rule->to);
	if (!strcmp(name, "ports"))
		return add_ports(p, name, value, &rule->ports);
	if (rule->deny)
		return no_key(p, rule->name, name);
	if (!strcmp(name, "modes"))
		return add_modes(p, name, value, &rule->modes);
	r = rates_key(p, name, value, &rule->rates);
	return r > 0 ? no_key(p, rule->name, name) : r;
}

/* A rule is whole: what it does not say is any port, and copy. */
static int rule_end(struct parser *p)
{
	struct rule *rule = p->rule;
	const char *why;

	if (!rule->from || !rule->to)
		return missing(p, rule->deny ? "deny" : "allow", rule->name,
			       rule->from ? "to" : "from");
	if (!rule->ports && ports_add(&rule->ports, "*", &why) < 0)
		return parse_no_memory(p);
	if (!rule->modes && !rule->deny)
		rule->modes = MODE_COPY;
	return rates_end(p, &rule->rates);
}

/* ------------------------------------------------------------------- [offer] */

static int offer_begin(struct parser *p, const char *title)
{
	struct offer *offer;

	if (check_title(p, title) < 0)
		return p->result;
	list_for_each_entry(offer, &p->config->policy.offers, link)
		if (!strcmp(offer->name, title))
			return already_there(p, title, &offer->place);
	p->offer = policy_add_offer(&p->config->policy, title, &p->place);
	return p->offer ? 0 : parse_no_memory(p);
}

static int offer_key(struct parser *p, const char *name, const char *value)
{
	if (!strcmp(name, "domains"))
		return parse_domains(p, name, value, true, &p->offer->domains);
	if (!strcmp(name, "services"))
		return add_globs(p, name, value, &p->offer->services);
	return no_key(p, p->offer->name, name);
}

static int offer_end(struct parser *p)
{
	struct offer *offer = p->offer;

	if (offer->domains && offer->services)
		return 0;
	return missing(p, "offer", offer->name, offer->domains ? "services" : "domains");
}

/* ------------------------------------------------------------------ [limits] */

static int limits_begin(struct parser *p, const char *title)
{
	struct limits *limits;

	if (check_title(p, title) < 0)
		return p->result;
	list_for_each_entry(limits, &p->config->policy.limits, link)
		if (!strcmp(limits->name, title))
			return already_there(p, title, &limits->place);
	p->limits = policy_add_limits(&p->config->policy, title, &p->place);
	return p->limits ? 0 : parse_no_memory(p);
}

static int limits_key(struct parser *p, const char *name, const char *value)
{
	struct limits *limits = p->limits;
	const struct {
		const char *name;
		unsigned int *field;
		unsigned int min;
		unsigned int max;
	} keys[] = {
		{ "weight", &limits->weight, 1, LIMITS_WEIGHT_MAX },
		{ "queued-messages", &limits->max_queued, 1, 65536 },
		{ "outstanding-maps", &limits->max_maps, 0, 65536 },
		{ "pool-pages", &limits->pool_pages, 0, 2 * VMSGIF_POOL_PAGES_MAX },
	};
	uint64_t number = 0;
	int r;

	if (!strcmp(name, "domains"))
		return parse_domains(p, name, value, true, &limits->domains);
	for (unsigned int i = 0; i < ARRAY_LEN(keys); i++) {
		if (strcmp(name, keys[i].name) != 0)
			continue;
		r = set_number(p, name, value, RATES_KEYS + i, keys[i].min, keys[i].max, &number);
		if (r == 0)
			*keys[i].field = (unsigned int)number;
		return r;
	}
	r = rates_key(p, name, value, &limits->rates);
	return r > 0 ? no_key(p, limits->name, name) : r;
}

static int limits_end(struct parser *p)
{
	struct limits *limits = p->limits;

	if (!limits->domains)
		return missing(p, "limits", limits->name, "domains");
	return rates_end(p, &limits->rates);
}

const struct section config_policy_sections[] = {
	{ "label", true, false, label_begin, label_key, label_end },
	{ "allow", true, false, rule_begin, rule_key, rule_end },
	{ "deny", true, false, rule_begin, rule_key, rule_end },
	{ "offer", true, false, offer_begin, offer_key, offer_end },
	{ "limits", true, false, limits_begin, limits_key, limits_end },
	{ 0 },
};
