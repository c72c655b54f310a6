/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The shared rings. ring.[ch] are the only code that dereferences them.
 *
 * Requests are written to slots that the other end does not look at before they
 * are published. Of responses each byte is read once, and only the copy is
 * looked at. Indexes are kept in private memory; of the shared ones, only
 * rsp_prod and req_event are read, each once per look.
 */
#ifndef XENMSG_CORE_RING_H
#define XENMSG_CORE_RING_H

#include "frontend/core/state.h"

/* The compiler neither reads @copy's source again nor before. */
#define vmsg_copied(copy) __asm__ volatile("" : : "r"(copy) : "memory")

static inline struct vmsgif_tx_sring *vmsg_tx_sring(const struct vmsg *v)
{
	return (struct vmsgif_tx_sring *)(uintptr_t)v->tx.shared;
}

static inline struct vmsgif_rx_sring *vmsg_rx_sring(const struct vmsg *v)
{
	return (struct vmsgif_rx_sring *)(uintptr_t)v->rx.shared;
}

/* There is room: unanswered requests have shadows, of which there are as many as slots. */
static inline void vmsg_ring_put_tx(struct vmsg *v, const struct vmsgif_tx_request *request)
{
	struct vmsgif_tx_sring *sring = vmsg_tx_sring(v);

	__builtin_memcpy(&sring->ring[v->tx.prod++ & v->mask].req, request, sizeof(*request));
}

/* There is room: the caller compares prod and cons. The id is the slot's index. */
static inline void vmsg_ring_put_rx(struct vmsg *v, unsigned int flags, uint32_t ref)
{
	struct vmsgif_rx_sring *sring = vmsg_rx_sring(v);
	uint32_t id = v->rx.prod++ & v->mask;
	struct vmsgif_rx_request *request = &sring->ring[id].req;

	__builtin_memset(request, 0, sizeof(*request));
	request->id = (uint16_t)id;
	request->flags = (uint8_t)flags;
	request->ref = ref;
}

/* The words of a TX response; those that are reserved are or-ed together. */
struct vmsg_tx_words {
	uint64_t head;	/* op, reserved0, id, status */
	uint64_t place; /* addr, port */
	uint64_t reserved;
};

/* The next response, each word read once; the caller has compared cons and seen. */
static inline struct vmsg_tx_words vmsg_ring_take_tx(struct vmsg *v)
{
	struct vmsgif_tx_sring *sring = vmsg_tx_sring(v);
	const volatile uint64_t *slot =
		(const volatile uint64_t *)(volatile void *)&sring->ring[v->tx.cons++ & v->mask];
	struct vmsg_tx_words words;

	words.head = slot[0];
	words.place = slot[1];
	words.reserved = slot[2] | slot[3] | slot[4] | slot[5] | slot[6] | slot[7];
	return words;
}

/* The words of an RX response before its data. */
struct vmsg_rx_words {
	uint64_t head;	/* type, flags, id, addr */
	uint64_t ports; /* port, src_port */
	uint64_t seq;
	uint64_t size; /* len, used, reserved */
};

/* The begin of the next response; it is to be taken then. */
static inline struct vmsg_rx_words vmsg_ring_peek_rx(const struct vmsg *v)
{
	struct vmsgif_rx_sring *sring = vmsg_rx_sring(v);
	const volatile uint64_t *slot =
		(const volatile uint64_t *)(volatile void *)&sring->ring[v->rx.cons & v->mask];
	struct vmsg_rx_words words;

	words.head = slot[0];
	words.ports = slot[1];
	words.seq = slot[2];
	words.size = slot[3];
	return words;
}

/* Its rest, which is copied to @data. */
static inline void vmsg_ring_take_rx(struct vmsg *v, uint8_t data[VMSGIF_INLINE_MAX])
{
	struct vmsgif_rx_sring *sring = vmsg_rx_sring(v);

	__builtin_memcpy(data, sring->ring[v->rx.cons++ & v->mask].rsp.u.data, VMSGIF_INLINE_MAX);
	vmsg_copied(data);
}

/* Requests that are posted and not answered. */
static inline uint32_t vmsg_ring_unanswered(const struct vmsg_ring *ring)
{
	return ring->prod - ring->cons;
}

void vmsg_ring_start(struct vmsg *v, void *tx, void *rx);
/* Reads both rsp_prod, TX first. Returns whether there are responses; breaks the device on nonsense. */
bool vmsg_ring_look(struct vmsg *v);
/*
 * Publishes both rings. @tx, @rx: whether the other end asked for an event for
 * something in there.
 */
void vmsg_ring_push(struct vmsg *v, bool *tx, bool *rx);
/*
 * Asks for an event on the next RX response, and on the TX response after
 * @skip more. Returns whether responses are there already.
 */
bool vmsg_ring_arm(struct vmsg *v, uint32_t skip);

#endif /* XENMSG_CORE_RING_H */
