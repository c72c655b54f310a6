// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The one file, with its header, that touches shared ring memory.
 *
 * Indexes: req_prod is bounded by what the frontend can know of, the published
 * responses: whoever posts more than a ring's worth beyond them overwrites
 * slots that it has not got back (xen/include/public/io/ring.h,
 * RING_REQUEST_PROD_OVERFLOW, which uses the private index and is laxer). That
 * also bounds what one turn can consume, however fast the frontend produces.
 */
#include "backend/guest/ring.h"

#if defined(__clang__)
/* Here, and nowhere else, __guest comes off. */
#pragma clang diagnostic ignored "-Wnoderef"
#endif

_Static_assert(sizeof(union vmsgif_tx_sring_entry) == RING_SLOT_BYTES, "TX slot");
_Static_assert(sizeof(union vmsgif_rx_sring_entry) == RING_SLOT_BYTES, "RX slot");
_Static_assert(offsetof(struct vmsgif_tx_sring, req_prod) ==
		       offsetof(struct vmsgif_rx_sring, req_prod),
	       "one layout for both rings");
_Static_assert(offsetof(struct vmsgif_tx_sring, req_event) ==
		       offsetof(struct vmsgif_rx_sring, req_event),
	       "one layout for both rings");
_Static_assert(offsetof(struct vmsgif_tx_sring, rsp_prod) ==
		       offsetof(struct vmsgif_rx_sring, rsp_prod),
	       "one layout for both rings");
_Static_assert(offsetof(struct vmsgif_tx_sring, rsp_event) ==
		       offsetof(struct vmsgif_rx_sring, rsp_event),
	       "one layout for both rings");

void ring_attach(struct ring *ring, void *shared, unsigned int order)
{
	*ring = (struct ring){
		.sring = (struct vmsgif_tx_sring __guest *)shared,
		.slots = VMSGIF_RING_SLOTS(order),
	};
}

int ring_look(struct ring *ring)
{
	uint32_t prod = READ_ONCE(ring_shared_(ring)->req_prod);

	/* Both distances wrap to something huge when the index went back. */
	if (prod - ring->req_seen > ring->slots || prod - ring->rsp_shared > ring->slots)
		return -EPROTO;
	ring->req_seen = prod;
	xen_rmb(); /* the slots are read after the index that covers them */
	return 0;
}

uint32_t ring_peek(const struct ring *ring)
{
	return READ_ONCE(ring_shared_(ring)->req_prod);
}

int ring_arm(struct ring *ring)
{
	int r = ring_look(ring);

	if (r < 0 || ring_unconsumed(ring) > 0)
		return r < 0 ? r : 1;
	WRITE_ONCE(ring_shared_(ring)->req_event, ring->req_cons + 1);
	xen_mb(); /* as RING_FINAL_CHECK_FOR_REQUESTS: the frontend sees it, or we its request */
	r = ring_look(ring);
	if (r < 0)
		return r;
	return ring_unconsumed(ring) > 0;
}

bool ring_publish(struct ring *ring, bool lazy)
{
	struct vmsgif_tx_sring *shared = ring_shared_(ring);
	uint32_t old = ring->rsp_shared;
	bool due;

	if (ring->rsp_prod == old)
		return false;
	xen_wmb(); /* the frontend sees the responses before the index */
	WRITE_ONCE(shared->rsp_prod, ring->rsp_prod);
	ring->rsp_shared = ring->rsp_prod;
	xen_mb(); /* as RING_PUSH_RESPONSES_AND_CHECK_NOTIFY: it re-arms, or we see its rsp_event */
	due = ring->rsp_prod - READ_ONCE(shared->rsp_event) < ring->rsp_prod - old;
	due |= ring->lazy_due;
	ring->lazy_due = due && lazy;
	return due && !lazy;
}

bool ring_frontend_alive(const void *page)
{
	return READ_ONCE(*(const uint8_t *)page) != 0;
}
