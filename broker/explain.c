// SPDX-License-Identifier: GPL-2.0-or-later
/* The policy's decisions in words. See explain.h. */
#include "broker/explain.h"

#include "common/num.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

/* ------------------------------------------------------------------- questions */

int question_init(struct question *q, const char *from, const char *to, const char *port,
		  const char **why)
{
	const char *const names[] = { to, port };

	*q = (struct question){ .from = from, .to = to };
	if (subject_parse(from, q->subject, why) < 0)
		return -EINVAL;
	for (unsigned int i = 0; i < 2; i++) {
		*why = strpbrk(names[i], "*?[]!^") ? "is a pattern: a single one is asked for" :
						     pattern_check_glob(names[i]);
		if (*why)
			return -EINVAL;
	}
	if (num_parse_u32(port, strlen(port), 1, UINT32_MAX, &q->port) == 0)
		return 0;
	if (!*port || port[strspn(port, "0123456789")] == '\0') {
		*why = "is neither a port, 1 to 4294967295, nor the name of a service";
		return -EINVAL;
	}
	q->port = 0;
	memcpy(q->service, port, strlen(port) + 1);
	return 0;
}

/* --------------------------------------------------------------------- answers */

static bool ports_fit(const struct rule *rule, const struct question *q, bool *by_service)
{
	if (!q->port)
		return ports_match_service(rule->ports, q->service);
	return ports_match(rule->ports, q->port, *q->service ? q->service : NULL, by_service);
}

/* Does @rule decide? Says so, or why not. */
static bool consider(FILE *out, const struct rule *rule, const struct question *q)
{
	bool by_service = false;
	char text[512];
	const char *key;

	fprintf(out, "  [%s %s] in %s:%u ", rule->deny ? "deny" : "allow", rule->name,
		rule->place.file ? rule->place.file : "?", rule->place.line);
	if (!pattern_match(rule->from, q->subject)) {
		key = "from";
		pattern_text(rule->from, text, sizeof(text));
	} else if (!pattern_match(rule->to, q->to)) {
		key = "to";
		pattern_text(rule->to, text, sizeof(text));
	} else if (!ports_fit(rule, q, &by_service)) {
		key = "ports";
		ports_text(rule->ports, text, sizeof(text));
	} else {
		fprintf(out, "matches\n");
		return true;
	}
	fprintf(out, "does not match%s: %s = %s\n",
		by_service && !q->live ? ", unless it is the port of a service there" : "", key,
		text);
	return false;
}

static void print_rates(FILE *out, const struct rates *rates, const char *before)
{
	if (rates->messages)
		fprintf(out, "%s%" PRIu64 " messages/s (burst %" PRIu64 ")", before,
			rates->messages, rates->messages_burst);
	if (rates->bytes)
		fprintf(out, "%s%" PRIu64 " bytes/s (burst %" PRIu64 ")",
			rates->messages ? ", " : before, rates->bytes, rates->bytes_burst);
}

static void print_allowed(FILE *out, const struct config *config, const struct rule *rule,
			  const struct question *q)
{
	bool no_map = (rule->modes & MODE_MAP) && !config->limits.feature_map;

	fprintf(out, "allowed by [allow %s]\n  modes:%s%s%s\n", rule->name,
		rule->modes & MODE_COPY ? " copy" : "", rule->modes & MODE_MAP ? " map" : "",
		no_map ? " (but [daemon] has map = no)" : "");
	if (rates_any(&rule->rates)) {
		fprintf(out, "  rates of %s under this rule:", q->from);
		print_rates(out, &rule->rates, " ");
		fputc('\n', out);
	}
}

static void print_quota(FILE *out, const char *name, unsigned int value)
{
	if (value != UINT_MAX)
		fprintf(out, ", %s %u", name, value);
}

static void print_limits(FILE *out, const struct config *config, const struct question *q)
{
	const char *domain = q->from;
	struct limits none, *limits;

	limits_init(&none);
	limits = policy_limits(&config->policy, q->subject, &none);
	if (limits == &none) {
		fprintf(out, "  limits of %s: none, weight 1\n", domain);
		return;
	}
	fprintf(out, "  limits of %s: [limits %s] in %s:%u: weight %u", domain, limits->name,
		limits->place.file, limits->place.line, limits->weight);
	print_quota(out, "queued-messages", limits->max_queued);
	print_quota(out, "outstanding-maps", limits->max_maps);
	print_quota(out, "pool-pages", limits->pool_pages);
	print_rates(out, &limits->rates, ", ");
	fputc('\n', out);
}

static void print_offer(FILE *out, const struct config *config, const struct question *q)
{
	const struct offer *offer;

	if (!policy_may_offer(&config->policy, q->to, q->service, &offer))
		fprintf(out, "  %s may not offer %s: no [offer NAME] says so\n", q->to, q->service);
	else if (offer)
		fprintf(out, "  %s may offer %s by [offer %s] in %s:%u\n", q->to, q->service,
			offer->name, offer->place.file, offer->place.line);
	else
		fprintf(out, "  %s may offer %s: every domain may, there is no [offer NAME]\n",
			q->to, q->service);
}

static void print_device(FILE *out, const struct config *config, const char *domain)
{
	if (!pattern_match(config->devices, domain))
		fprintf(out, "  %s gets no device: [devices] does not name it\n", domain);
}

static void print_question(FILE *out, const struct question *q)
{
	fprintf(out, "%s -> %s, ", q->from, q->to);
	if (!q->port)
		fprintf(out, "service %s%s\n", q->service,
			q->live ? ", which nobody has bound" : "");
	else if (*q->service)
		fprintf(out, "port %" PRIu32 ", which is service %s\n", q->port, q->service);
	else
		fprintf(out, "port %" PRIu32 "%s\n", q->port,
			q->live ? ", which is no service" : "");
}

void explain(FILE *out, const struct config *config, const struct question *q)
{
	const struct rule *rule, *found = NULL;

	print_question(out, q);
	list_for_each_entry(rule, &config->policy.rules, link) {
		if (consider(out, rule, q)) {
			found = rule;
			break;
		}
	}
	if (!found)
		fprintf(out, "refused by \"%s\": no rule allows it\n", POLICY_DEFAULT);
	else if (found->deny)
		fprintf(out, "refused by [deny %s]\n", found->name);
	else
		print_allowed(out, config, found, q);
	print_limits(out, config, q);
	if (*q->service)
		print_offer(out, config, q);
	/* Programs of the own domain need none. */
	if (!strchr(q->subject, ':'))
		print_device(out, config, q->from);
	print_device(out, config, q->to);
}

static unsigned int count(const struct list *list)
{
	unsigned int n = 0;

	for (const struct list *l = list->next; l != list; l = l->next)
		n++;
	return n;
}

void explain_size(FILE *out, const struct config *config)
{
	const struct policy *policy = &config->policy;

	fprintf(out, "%u rules, %u labels, %u offers, %u limits", count(&policy->rules),
		count(&policy->labels), count(&policy->offers), count(&policy->limits));
}
