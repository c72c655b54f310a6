/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the broker keeps of a request that it has not answered yet.
 *
 * A device has one struct message per slot of its TX ring, indexed by the id of
 * the request, made when it connects. So nothing is allocated per message, a
 * domain can never have more waiting than its ring has slots, and an id that is
 * used twice is seen at once. Payload stays with the sender, except inline
 * bytes; the list of an indirect request is kept in a buffer of the broker's,
 * charged to the sender by the slot it hangs from.
 */
#ifndef XENMSG_BROKER_MESSAGE_H
#define XENMSG_BROKER_MESSAGE_H

#include "backend/backend.h"
#include "common/list.h"

struct flow;
struct lookup;
struct map_pool;
struct peer;
struct port;

enum message_state {
	MESSAGE_NONE,	  /* no such request */
	MESSAGE_QUEUED,	  /* a SEND in its flow's queue */
	MESSAGE_PARKED,	  /* the same, which came while its pair was draining */
	MESSAGE_MOVING,	  /* taken from there, to be settled in this turn */
	MESSAGE_HELD,	  /* a map-mode SEND that the receiver has not released */
	MESSAGE_WAITING,  /* a control request that waits for another domain */
	MESSAGE_ANSWERED, /* its answer waits for the end of the turn */
};

/* What each message is looked at for comes first: 64 bytes. */
struct message {
	struct list link; /* where its state says */
	struct peer *src;
	union {
		struct flow *flow; /* SEND */
		struct port *port; /* UNBIND */
	};
	uint8_t op;
	uint8_t form; /* enum request_form */
	uint16_t id;
	/* These are in the order of struct request: they are copied as words. */
	uint32_t src_port;
	uint64_t seq;
	uint32_t len;
	uint16_t nr_segs; /* above VMSGIF_SEGS_MAX: in u.list */
	uint16_t each;	  /* of a batch; see VMSGIF_BATCH_COUNT() */
	bool lazy;
	bool pooled;
	uint8_t last_page; /* SEND: takes so many of its receiver's RX ring, and one more */
	uint8_t state;
	union {
		uint32_t since; /* SEND: when it was read, in us */
		int status;	/* MESSAGE_ANSWERED */
	};
	union {
		uint8_t data[VMSGIF_INLINE_MAX];
		struct vmsgif_segment segs[VMSGIF_SEGS_MAX];
		struct vmsgif_segment *list;
		struct {
			struct map_pool *pool; /* NULL once it is gone */
			uint32_t offset;
			uint32_t unreleased; /* HELD: a bit for each message, the last one's first */
			uint16_t id;
			uint16_t more;
		} map;
		struct lookup *lookup; /* RESOLVE, or NULL */
	} u;
};

/* A message's segments, wherever they are. */
static inline const struct vmsgif_segment *message_segs(const struct message *m)
{
	return m->nr_segs > VMSGIF_SEGS_MAX ? m->u.list : m->u.segs;
}

_Static_assert(offsetof(struct message, u) == 64, "one cache line");

/* RX pages that it takes at its receiver. */
static inline unsigned int message_pages(const struct message *m)
{
	return m->last_page + 1u;
}

static inline bool message_is_map(const struct message *m)
{
	return m->form == REQUEST_MAP;
}

/* Messages that it is, for who sent and who receives it. */
static inline unsigned int message_count(const struct message *m)
{
	return UNLIKELY(message_is_map(m)) ? m->u.map.more + 1u :
					     VMSGIF_BATCH_COUNT(m->len, m->each);
}

/* Bytes of all of them. */
static inline uint32_t message_bytes(const struct message *m)
{
	return UNLIKELY(message_is_map(m)) ? m->len * (m->u.map.more + 1u) : m->len;
}

/* What they take of their port's credit. */
static inline uint64_t message_credit(const struct message *m)
{
	return UNLIKELY(message_is_map(m)) ? VMSGIF_MSG_COST(0) * (m->u.map.more + 1u) :
					     VMSGIF_MSG_COST(m->len);
}

#endif
