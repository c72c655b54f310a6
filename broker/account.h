/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a domain has used up of what the policy grants it.
 *
 * Model. A domain has one account, for as long as it has a device: a new
 * connection of its frontend is no new account, or reconnecting would fill its
 * buckets. So has each user of the broker's own domain, for all programs of
 * theirs, until the buckets are full. In it are
 *
 *   quotas   what it has queued and shared now, against its [limits NAME]
 *   meter    token buckets for all that it sends, by the rates there
 *   charges  one meter more for each rule with rates that names it as a sender,
 *            for all its flows under that rule
 *
 * A message is admitted by all of them or charged to none. Charges are made
 * with the account, so that nothing is allocated, and nothing can fail for
 * that, when a flow begins.
 */
#ifndef XENMSG_BROKER_ACCOUNT_H
#define XENMSG_BROKER_ACCOUNT_H

#include "broker/policy.h"
#include "common/list.h"
#include "common/token-bucket.h"

struct broker;
struct config;

struct meter {
	struct rates rates;
	struct token_bucket messages;
	struct token_bucket bytes;
};

struct charge {
	struct rule *rule;
	struct meter meter;
};

struct account {
	struct list link; /* broker->accounts */
	struct limits *limits;
	bool limited;  /* they are to be looked at for each message */
	bool draining; /* see drain.h */
	struct meter meter;
	struct charge *charges; /* nr_charges; NULL: none */
	unsigned int nr_charges;
	unsigned int queued; /* messages in all queues */
	unsigned int maps;   /* map-mode messages sent and not completed */
	struct charge *next; /* while a reload is prepared */
	unsigned int nr_next;
	uint16_t domid;	    /* VMSGIF_ADDR_LOCAL: of a user here */
	unsigned int peers; /* addresses that use it */
	char subject[SUBJECT_MAX + 1];
};

/* Why a message was not admitted. */
struct excess {
	const char *key;	     /* of the configuration */
	const struct limits *limits; /* where it stands, or in */
	const struct rule *rule;
};

/*
 * That of domain @domid, or of the user here, who is called @subject; it is made if
 * there is none. For one more address, until account_put(). NULL: no memory.
 */
struct account *account_get(struct broker *broker, uint16_t domid, const char *subject);
/* NULL is fine. */
void account_put(struct account *account);
/* The domain is gone, and its addresses are. */
void account_drop(struct broker *broker, uint16_t domid);
void accounts_free(struct broker *broker);

/* The meter for flows of the domain under @rule, which may be NULL. NULL: it has no rates. */
struct charge *account_charge(const struct account *account, const struct rule *rule);

/*
 * May @count messages of @len bytes in all, in map mode or not, be queued at @now_ns,
 * as one? Charges it, or counts that not and fills in *excess. @charge is its flow's, or NULL.
 */
bool account_admit(struct account *account, struct charge *charge, uint64_t now_ns, uint32_t len,
		   unsigned int count, bool map, struct excess *excess);
/* The same for a pool of @nr pages besides the @used that the domain has. */
bool account_admit_pool(struct account *account, unsigned int used, unsigned int nr,
			struct excess *excess);

/*
 * A new policy: accounts_prepare() may fail, and then nothing has changed;
 * accounts_commit() makes it hold. Buckets whose rates stay keep what is in
 * them. Flows must ask account_charge() again before accounts_finish().
 */
int accounts_prepare(struct broker *broker, const struct policy *policy);
void accounts_commit(struct broker *broker, const struct policy *policy);
void accounts_finish(struct broker *broker);

#endif
