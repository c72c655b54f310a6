/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Shadows of TX requests: taking, posting, queueing and giving back.
 *
 * A request that may wait long (class WAIT) leaves VMSGIF_TX_RESERVE shadows to
 * those that the broker answers at once. SENDs and RESOLVEs that cannot go out
 * yet stand in one queue; none overtakes another, as the numbers of SENDs rise
 * on the ring over all flows.
 */
#ifndef XENMSG_CORE_TX_H
#define XENMSG_CORE_TX_H

#include "frontend/core/ring.h"

/* An empty request of kind @op; there is a free shadow. */
struct vmsg_shadow *vmsg_tx_get(struct vmsg *v, unsigned int op);
void vmsg_tx_put(struct vmsg *v, struct vmsg_shadow *s);
/* Whether a request of the engine's own may be posted now. */
static inline bool vmsg_tx_room_control(const struct vmsg *v)
{
	return v->free != NULL;
}
/* The same for a RELEASE, of which there can be many. */
static inline bool vmsg_tx_room_release(const struct vmsg *v)
{
	return vmsg_nr_free(v) > VMSG_KEEP;
}
/* The same for one that may wait. */
bool vmsg_tx_room_wait(const struct vmsg *v);
/* Whether a caller may have a shadow for a request that may wait. */
static inline bool vmsg_tx_room_caller(const struct vmsg *v)
{
	return v->nr_wait < v->max_call && v->free;
}

/*
 * Posts a RELEASE, or has the one before be about that message, too: false. There is a free
 * shadow.
 */
bool vmsg_tx_release(struct vmsg *v, uint32_t addr, uint32_t number, uint64_t seq);
/* Posts @s, with its pages named as the present broker knows them. */
void vmsg_tx_post(struct vmsg *v, struct vmsg_shadow *s);
/* A POSTED request was answered, or will never be. */
void vmsg_tx_answered(struct vmsg *v, struct vmsg_shadow *s);
/* Puts a SEND or RESOLVE at the end of the queue. */
void vmsg_tx_queue(struct vmsg *v, struct vmsg_shadow *s);
/* Posts it, or queues it as long as it has to wait. */
void vmsg_tx_submit(struct vmsg *v, struct vmsg_shadow *s);
/* Posts what can be from the queue. */
void vmsg_tx_pump(struct vmsg *v);
/* Puts all POSTED SENDs and RESOLVEs back in the queue, which is then in order. */
void vmsg_tx_requeue(struct vmsg *v);
/*
 * The broker is away: gives back the shadows of all but SENDs and RESOLVEs, whose
 * owners know what to ask again. RELEASEs are kept for the next broker, or not.
 */
void vmsg_tx_drop(struct vmsg *v, bool releases);
/* Posts the RELEASEs that were kept. */
void vmsg_tx_repost_releases(struct vmsg *v);

/*
 * Whether the own pool that SEND @s may name was announced to this broker. That
 * the receiver has mapped it is the broker's to wait for.
 */
static inline bool vmsg_own_announced(const struct vmsg *v, const struct vmsg_shadow *s)
{
	return !s->tag.mapped || !(v->own_due >> s->req.u.map.id & 1);
}

/*
 * Whether what was posted since the last event is worth one, lazy or not: half of what
 * can be under way, in requests or in pages. The broker works on that while the other half is
 * posted, and places in senders' windows come back by RELEASEs while there are others. If
 * it were all, each end would wait for the other.
 */
static inline bool vmsg_tx_many(const struct vmsg *v)
{
	return 2 * (v->tx.prod - v->told) >= v->window ||
	       2 * (v->told_pages - v->nr_tx_free) >= (int)v->params.nr_tx_pages;
}

/* The broker knows of the requests before @prod, or is about to. */
static inline void vmsg_tx_told(struct vmsg *v, uint32_t prod)
{
	v->told = prod;
	v->told_pages = v->nr_tx_free;
}

/*
 * Publishes the TX ring, instead of vmsg_publish(): whether that has something to
 * do all the same, as an event is due or there is other work. @urgent: what was
 * posted is.
 */
static inline bool vmsg_tx_push(struct vmsg *v, bool urgent)
{
	v->due |= vmsg_ring_push_tx(v);
	if (vmsg_likely(!v->todo && (!v->due || (!urgent && v->put_off && !vmsg_tx_many(v)))))
		return false;
	v->urgent |= urgent;
	return true;
}

static inline uint16_t vmsg_tx_id(const struct vmsg_shadow *s)
{
	return s->req.id;
}

#endif /* XENMSG_CORE_TX_H */
