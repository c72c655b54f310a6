// SPDX-License-Identifier: GPL-2.0-or-later
/* Accounts of domains. See account.h. */
#include "broker/account.h"

#include "broker/broker.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -------------------------------------------------------------------- meters */

static void bucket_set(struct token_bucket *bucket, uint64_t rate, uint64_t burst, uint64_t now_ns)
{
	if (bucket->rate != rate || bucket->burst != burst)
		token_bucket_init(bucket, rate, burst, now_ns);
}

static void meter_set(struct meter *meter, const struct rates *rates, uint64_t now_ns)
{
	meter->rates = *rates;
	bucket_set(&meter->messages, rates->messages, rates->messages_burst, now_ns);
	bucket_set(&meter->bytes, rates->bytes, rates->bytes_burst, now_ns);
}

/* NULL, or the key whose rate @count messages of @len bytes in all exceed. */
static const char *meter_check(struct meter *meter, uint64_t now_ns, uint32_t len,
			       unsigned int count)
{
	if (meter->rates.messages && !token_bucket_ready(&meter->messages, now_ns, count))
		return "messages-per-second";
	if (meter->rates.bytes && !token_bucket_ready(&meter->bytes, now_ns, len))
		return "bytes-per-second";
	return NULL;
}

static void meter_spend(struct meter *meter, uint32_t len, unsigned int count)
{
	if (meter->rates.messages)
		token_bucket_spend(&meter->messages, count);
	if (meter->rates.bytes)
		token_bucket_spend(&meter->bytes, len);
}

static bool meter_full(struct meter *meter, uint64_t now_ns)
{
	return (!meter->rates.messages || token_bucket_full(&meter->messages, now_ns)) &&
	       (!meter->rates.bytes || token_bucket_full(&meter->bytes, now_ns));
}

/* ------------------------------------------------------------------- charges */

static bool is_charged(const struct account *account, const struct rule *rule)
{
	return rates_any(&rule->rates) && pattern_match(rule->from, account->subject);
}

static const struct charge *charge_named(const struct account *account, const char *name)
{
	for (unsigned int i = 0; i < account->nr_charges; i++)
		if (!strcmp(account->charges[i].rule->name, name))
			return &account->charges[i];
	return NULL;
}

/* Into account->next. A rule of the same name goes on with what is in its buckets. */
static int charges_make(struct account *account, const struct policy *policy, uint64_t now_ns)
{
	unsigned int nr = 0;
	struct rule *rule;

	list_for_each_entry(rule, &policy->rules, link)
		nr += is_charged(account, rule);
	account->nr_next = nr;
	account->next = NULL;
	if (!nr)
		return 0;
	account->next = calloc(nr, sizeof(*account->next));
	if (!account->next)
		return -ENOMEM;
	nr = 0;
	list_for_each_entry(rule, &policy->rules, link) {
		const struct charge *old = charge_named(account, rule->name);
		struct charge *charge;

		if (!is_charged(account, rule))
			continue;
		charge = &account->next[nr++];
		if (old)
			charge->meter = old->meter;
		charge->rule = rule;
		meter_set(&charge->meter, &rule->rates, now_ns);
	}
	return 0;
}

/* What is in use and what is prepared change places. */
static void charges_swap(struct account *account)
{
	struct charge *charges = account->charges;
	unsigned int nr = account->nr_charges;

	account->charges = account->next;
	account->nr_charges = account->nr_next;
	account->next = charges;
	account->nr_next = nr;
}

static void charges_forget(struct account *account)
{
	free(account->next);
	account->next = NULL;
	account->nr_next = 0;
}

struct charge *account_charge(const struct account *account, const struct rule *rule)
{
	for (unsigned int i = 0; i < account->nr_charges; i++)
		if (account->charges[i].rule == rule)
			return &account->charges[i];
	return NULL;
}

/* ------------------------------------------------------------------ accounts */

static void set_limits(struct broker *broker, struct account *account, const struct policy *policy)
{
	struct limits *limits = policy_limits(policy, account->subject, &broker->no_limits);

	account->limits = limits;
	meter_set(&account->meter, &limits->rates, broker_now(broker));
	account->limited = rates_any(&limits->rates) || limits->max_queued != UINT_MAX ||
			   limits->max_maps != UINT_MAX;
}

static void account_free(struct account *account)
{
	charges_forget(account);
	list_del(&account->link);
	free(account->charges);
	free(account);
}

static uint16_t key_of(uint16_t domid)
{
	return domid & VMSGIF_ADDR_LOCAL ? VMSGIF_ADDR_LOCAL : domid;
}

static struct account *find(struct broker *broker, uint16_t domid, const char *subject)
{
	struct account *account;

	list_for_each_entry(account, &broker->accounts, link)
		if (account->domid == key_of(domid) &&
		    (account->domid != VMSGIF_ADDR_LOCAL || !strcmp(account->subject, subject)))
			return account;
	return NULL;
}

/* A new one would be no better off. */
static bool is_forgotten(struct account *account, uint64_t now_ns)
{
	if (account->peers || account->queued || account->maps ||
	    !meter_full(&account->meter, now_ns))
		return false;
	for (unsigned int i = 0; i < account->nr_charges; i++)
		if (!meter_full(&account->charges[i].meter, now_ns))
			return false;
	return true;
}

/* Users come and go without a word. */
static void forget_users(struct broker *broker)
{
	struct account *account, *tmp;

	list_for_each_entry_safe(account, tmp, &broker->accounts, link)
		if (account->domid == VMSGIF_ADDR_LOCAL &&
		    is_forgotten(account, broker_now(broker)))
			account_free(account);
}

static struct account *make(struct broker *broker, uint16_t domid, const char *subject)
{
	const struct policy *policy = &broker->config->policy;
	struct account *account = calloc(1, sizeof(*account));

	if (!account)
		return NULL;
	snprintf(account->subject, sizeof(account->subject), "%s", subject);
	account->domid = key_of(domid);
	list_init(&account->link);
	if (charges_make(account, policy, broker_now(broker)) < 0) {
		account_free(account);
		return NULL;
	}
	charges_swap(account);
	set_limits(broker, account, policy);
	list_add_tail(&broker->accounts, &account->link);
	return account;
}

struct account *account_get(struct broker *broker, uint16_t domid, const char *subject)
{
	struct account *account = find(broker, domid, subject);

	if (account && strcmp(account->subject, subject) != 0) {
		account_free(account);
		account = NULL;
	}
	if (!account) {
		forget_users(broker);
		account = make(broker, domid, subject);
	}
	if (account)
		account->peers++;
	return account;
}

void account_put(struct account *account)
{
	if (account)
		account->peers--;
}

void account_drop(struct broker *broker, uint16_t domid)
{
	struct account *account = domid & VMSGIF_ADDR_LOCAL ? NULL : find(broker, domid, "");

	if (account)
		account_free(account);
}

void accounts_free(struct broker *broker)
{
	struct account *account, *tmp;

	list_for_each_entry_safe(account, tmp, &broker->accounts, link)
		account_free(account);
}

/* -------------------------------------------------------------------- asking */

static const char *check_limits(struct account *account, uint64_t now_ns, uint32_t len,
				unsigned int count, bool map)
{
	const struct limits *limits = account->limits;

	if (account->queued >= limits->max_queued)
		return "queued-messages";
	if (map && account->maps >= limits->max_maps)
		return "outstanding-maps";
	return meter_check(&account->meter, now_ns, len, count);
}

bool account_admit(struct account *account, struct charge *charge, uint64_t now_ns, uint32_t len,
		   unsigned int count, bool map, struct excess *excess)
{
	*excess = (struct excess){ 0 };
	if (account->limited) {
		excess->key = check_limits(account, now_ns, len, count, map);
		if (excess->key) {
			account->limits->refused++;
			excess->limits = account->limits;
			return false;
		}
	}
	if (charge) {
		excess->key = meter_check(&charge->meter, now_ns, len, count);
		if (excess->key) {
			charge->rule->over_rate++;
			excess->rule = charge->rule;
			return false;
		}
		meter_spend(&charge->meter, len, count);
	}
	if (account->limited)
		meter_spend(&account->meter, len, count);
	return true;
}

bool account_admit_pool(struct account *account, unsigned int used, unsigned int nr,
			struct excess *excess)
{
	struct limits *limits = account->limits;

	if (limits->pool_pages == UINT_MAX ||
	    (used <= limits->pool_pages && nr <= limits->pool_pages - used))
		return true;
	limits->refused++;
	*excess = (struct excess){ .key = "pool-pages", .limits = limits };
	return false;
}

/* -------------------------------------------------------------------- reload */

int accounts_prepare(struct broker *broker, const struct policy *policy)
{
	struct account *account;

	list_for_each_entry(account, &broker->accounts, link) {
		if (charges_make(account, policy, broker_now(broker)) < 0) {
			accounts_finish(broker);
			return -ENOMEM;
		}
	}
	return 0;
}

void accounts_commit(struct broker *broker, const struct policy *policy)
{
	struct account *account;

	list_for_each_entry(account, &broker->accounts, link) {
		charges_swap(account);
		set_limits(broker, account, policy);
	}
}

void accounts_finish(struct broker *broker)
{
	struct account *account;

	list_for_each_entry(account, &broker->accounts, link)
		charges_forget(account);
}
