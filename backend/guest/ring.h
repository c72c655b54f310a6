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

/* Copies the next request out. There is one. */
void ring_take(struct ring *ring, void *slot);

/* Ask for an event at the next request. True: there is one meanwhile; -EPROTO as above. */
int ring_arm(struct ring *ring);

/*
 * Writes the next response; it takes the place of a consumed request. False:
 * every consumed request is answered already.
 */
bool ring_respond(struct ring *ring, const void *slot);

/*
 * Shows the responses to the frontend. True: it wants an event now. @lazy: an
 * event that is due is only remembered, and joins the next decision.
 */
bool ring_publish(struct ring *ring, bool lazy);

/* @page: mapped, of the frontend's alive-ref. False: it has died. */
bool ring_frontend_alive(const void *page);

#endif
