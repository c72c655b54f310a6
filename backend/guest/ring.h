/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One shared ring, seen from its back end.
 *
 * Of the shared page only the two indexes that the frontend writes are read,
 * each once per call into a local, and believed only after a check against
 * private ones. Slots are copied out whole and written whole. TX and RX rings
 * have the same layout, so one type does for both.
 */
#ifndef XENMSG_BACKEND_GUEST_RING_H
#define XENMSG_BACKEND_GUEST_RING_H

#include "common/macros.h"
#include "common/xen-compat.h"

#include <xen/io/vmsgif.h>

#define RING_SLOT_BYTES 64u

struct ring {
	struct vmsgif_tx_sring __guest *sring; /* NULL: not attached */
	uint32_t slots;
	uint32_t req_cons;   /* consumed */
	uint32_t req_seen;   /* the frontend's index, checked, as last read */
	uint32_t rsp_prod;   /* written */
	uint32_t rsp_shared; /* published */
	/* An event would have been due for what a lazy publication made visible. */
	bool lazy_due;
};

/* @shared: the mapped pages, freshly initialised by the frontend. */
void ring_attach(struct ring *ring, void *shared, unsigned int order);

/*
 * Reads the frontend's index anew. 0, or -EPROTO: it cannot be, since it goes
 * back or passes slots whose responses were not published.
 */
int ring_look(struct ring *ring);

/* Requests that ring_look() saw and that are not consumed. */
static inline uint32_t ring_unconsumed(const struct ring *ring)
{
	return ring->req_seen - ring->req_cons;
}

/* The frontend's index unchecked, only to tell whether it moved. */
uint32_t ring_peek(const struct ring *ring);

/* Ask for an event at the next request. True: there is one meanwhile; -EPROTO as above. */
int ring_arm(struct ring *ring);

/*
 * Shows the responses to the frontend. True: it wants an event now. @lazy: an
 * event that is due is only remembered, and joins the next decision.
 */
bool ring_publish(struct ring *ring, bool lazy);

/* @page: mapped, of the frontend's alive-ref. False: it has died. */
bool ring_frontend_alive(const void *page);

/* ------------------------------------------------------- once for each message */

#if defined(__clang__)
/* Here and in ring.c, and nowhere else, __guest comes off. */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wnoderef"
#endif

/* Not for callers. */
static inline struct vmsgif_tx_sring *ring_shared_(const struct ring *ring)
{
	return (struct vmsgif_tx_sring *)ring->sring;
}

static inline void *ring_slot_(const struct ring *ring, uint32_t index)
{
	return &ring_shared_(ring)->ring[index & (ring->slots - 1)];
}

/* Copies the next request out, into RING_SLOT_BYTES. There is one. */
static inline void ring_take(struct ring *ring, void *slot)
{
	memcpy(slot, ring_slot_(ring, ring->req_cons), RING_SLOT_BYTES);
	/* To the compiler, from here on the copy is what it is: it cannot read the page again. */
	__asm__ volatile("" : "+m"(*(uint8_t(*)[RING_SLOT_BYTES])slot) : : "memory");
	ring->req_cons++;
}

/* Consumes @nr requests more, whose slots mean nothing; there are so many. */
static inline void ring_skip(struct ring *ring, uint32_t nr)
{
	ring->req_cons += nr;
}

/*
 * Writes the next response, RING_SLOT_BYTES, which answers the next @nr consumed
 * requests and takes the place of the first. False: there are not so many to answer.
 */
static inline bool ring_respond(struct ring *ring, const void *slot, uint32_t nr)
{
	if (UNLIKELY(ring->req_cons - ring->rsp_prod < nr))
		return false;
	memcpy(ring_slot_(ring, ring->rsp_prod), slot, RING_SLOT_BYTES);
	ring->rsp_prod += nr;
	return true;
}

/* The same on a TX ring, written in place. */
static inline bool ring_answer(struct ring *ring, uint8_t op, uint16_t id, int32_t status,
			       uint32_t addr, uint32_t port)
{
	struct vmsgif_tx_response *slot = ring_slot_(ring, ring->rsp_prod);

	if (UNLIKELY(ring->rsp_prod == ring->req_cons))
		return false;
	*slot = (struct vmsgif_tx_response){
		.op = op,
		.id = id,
		.status = status,
		.addr = addr,
		.port = port,
	};
	ring->rsp_prod++;
	return true;
}

#if defined(__clang__)
#pragma clang diagnostic pop
#endif

#endif
