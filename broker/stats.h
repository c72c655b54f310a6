/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is counted per domain, per rule and for the whole broker. Counters only
 * rise; a domain's begin with its address, a rule's with a reload.
 */
#ifndef XENMSG_BROKER_STATS_H
#define XENMSG_BROKER_STATS_H

#include <stdint.h>

/* How the payload of a delivered message travelled. */
enum way {
	WAY_INLINE, /* in the slot */
	WAY_POOLED, /* memcpy between mapped pools */
	WAY_COPY,   /* grant copy by the hypervisor */
	WAY_MAP,    /* not at all: the receiver has the sender's pool mapped */
	WAYS
};

struct traffic {
	uint64_t messages[WAYS];
	uint64_t bytes[WAYS];
};

/*
 * How long delivered messages were here: from when the daemon woke up and read the
 * request to when the receiver could see it. By powers of two: n[i] are those of less
 * than 2^i us, and of no less than half of that; the last are all the others.
 */
#define WAITS 22u

struct waits {
	uint64_t sum_us;
	uint64_t n[WAITS];
};

struct counters {
	struct waits waits;	 /* of delivered messages, by their sender */
	struct traffic sent;	 /* delivered messages, by their sender */
	struct traffic received; /* and by their receiver */
	uint64_t refused;	 /* SENDs answered with a status before they were queued */
	uint64_t failed;	 /* queued messages that completed with a status */
	uint64_t events;	 /* RX events published */
};

static inline void traffic_add(struct traffic *to, const struct traffic *t)
{
	for (unsigned int way = 0; way < WAYS; way++) {
		to->messages[way] += t->messages[way];
		to->bytes[way] += t->bytes[way];
	}
}

static inline void counters_add(struct counters *to, const struct counters *c)
{
	traffic_add(&to->sent, &c->sent);
	traffic_add(&to->received, &c->received);
	to->refused += c->refused;
	to->failed += c->failed;
	to->events += c->events;
}

/* @messages that were here for @us each. */
static inline void waits_count(struct waits *w, uint32_t us, uint64_t messages)
{
	unsigned int i = us ? 32u - (unsigned int)__builtin_clz(us) : 0;

	w->sum_us += us * messages;
	w->n[i < WAITS ? i : WAITS - 1] += messages;
}

#endif
