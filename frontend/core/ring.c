/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Indexes and events of the shared rings; the slots are in ring.h. The
 * semantics are those of ring.h of Xen, the macros are not used as they read
 * back indexes that the other end can write.
 */
#include "frontend/core/ring.h"

static void ring_reset(struct vmsg_ring *ring, void *shared)
{
	memset(ring, 0, sizeof(*ring));
	ring->shared = (void __guest *)(uintptr_t)shared;
}

void vmsg_ring_start(struct vmsg *v, void *tx, void *rx)
{
	size_t bytes = (size_t)VMSGIF_RING_BYTES(v->params.ring_order);

	memset(tx, 0, bytes);
	memset(rx, 0, bytes);
	ring_reset(&v->tx, tx);
	ring_reset(&v->rx, rx);
	WRITE_ONCE(vmsg_tx_sring(v)->req_event, 1);
	WRITE_ONCE(vmsg_tx_sring(v)->rsp_event, 1);
	WRITE_ONCE(vmsg_rx_sring(v)->req_event, 1);
	WRITE_ONCE(vmsg_rx_sring(v)->rsp_event, 1);
	xen_wmb();
}

bool vmsg_ring_look(struct vmsg *v)
{
	uint32_t tx, rx;

	/*
	 * Effects are published before answers: what was on the RX ring before
	 * the TX answers seen here must be seen as well, so TX is read first,
	 * and consumed last.
	 */
	tx = READ_ONCE(vmsg_tx_sring(v)->rsp_prod);
	xen_rmb();
	rx = READ_ONCE(vmsg_rx_sring(v)->rsp_prod);
	xen_rmb();
	if (vmsg_unlikely(tx - v->tx.cons > v->tx.pushed - v->tx.cons))
		return vmsg_break(v, "more TX responses than requests");
	if (vmsg_unlikely(rx - v->rx.cons > v->rx.pushed - v->rx.cons))
		return vmsg_break(v, "more RX responses than requests");
	v->tx.seen = tx;
	v->rx.seen = rx;
	return tx != v->tx.cons || rx != v->rx.cons;
}

unsigned int vmsg_ring_push(struct vmsg *v, uint32_t tx)
{
	uint32_t old_tx = v->tx.pushed;
	uint32_t old_rx = v->rx.pushed;
	unsigned int which = 0;

	xen_wmb(); /* slots before indexes */
	v->tx.pushed = tx;
	v->rx.pushed = v->rx.prod;
	WRITE_ONCE(vmsg_tx_sring(v)->req_prod, tx);
	WRITE_ONCE(vmsg_rx_sring(v)->req_prod, v->rx.prod);
	xen_mb(); /* indexes before the look at what the other end asks for */
	if (vmsg_ring_asked(READ_ONCE(vmsg_tx_sring(v)->req_event), old_tx, tx))
		which |= VMSG_ASKED_TX;
	if (vmsg_ring_asked(READ_ONCE(vmsg_rx_sring(v)->req_event), old_rx, v->rx.prod))
		which |= VMSG_ASKED_RX;
	return which;
}

bool vmsg_ring_arm(struct vmsg *v, uint32_t skip)
{
	WRITE_ONCE(vmsg_tx_sring(v)->rsp_event, v->tx.cons + 1 + skip);
	WRITE_ONCE(vmsg_rx_sring(v)->rsp_event, v->rx.cons + 1);
	xen_mb(); /* before the look at what was published meanwhile */
	return READ_ONCE(vmsg_tx_sring(v)->rsp_prod) != v->tx.cons ||
	       READ_ONCE(vmsg_rx_sring(v)->rsp_prod) != v->rx.cons;
}
