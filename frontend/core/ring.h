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

/* Writes the last one anew, which is not published. */
static inline void vmsg_ring_put_again(struct vmsg *v, const struct vmsgif_tx_request *request)
{
	v->tx.prod--;
	vmsg_ring_put_tx(v, request);
}

/* The words of the next one, all of which are to be written. */
static inline uint64_t *vmsg_tx_slot(struct vmsg *v)
{
	return (uint64_t *)(void *)&vmsg_tx_sring(v)->ring[v->tx.prod++ & v->mask];
}

/*
 * For loops over responses: what they need of a ring, in registers. Nothing
 * else may look at the ring between open and close.
 */
struct vmsg_cursor {
	uint64_t (*slots)[8]; /* each as words */
	uint32_t mask, cons, prod, seen;
};

static inline struct vmsg_cursor vmsg_cursor_open(const struct vmsg *v,
						  const struct vmsg_ring *ring, void *slots)
{
	return (struct vmsg_cursor){
		.slots = slots,
		.mask = v->mask,
		.cons = ring->cons,
		.prod = ring->prod,
		.seen = ring->seen,
	};
}

static inline void vmsg_cursor_close(struct vmsg_ring *ring, const struct vmsg_cursor *c)
{
	ring->cons = c->cons;
	ring->prod = c->prod;
}

static inline struct vmsg_cursor vmsg_tx_open(const struct vmsg *v)
{
	return vmsg_cursor_open(v, &v->tx, vmsg_tx_sring(v)->ring);
}

static inline struct vmsg_cursor vmsg_rx_open(const struct vmsg *v)
{
	return vmsg_cursor_open(v, &v->rx, vmsg_rx_sring(v)->ring);
}

/* The words of a TX response; those that are reserved are or-ed together. */
struct vmsg_tx_words {
	uint64_t head;	/* op, reserved0, id, status */
	uint64_t place; /* addr, port */
	uint64_t reserved;
};

/* The next response, each word read once; there is one (cons != seen), and it is to be taken. */
static inline struct vmsg_tx_words vmsg_tx_peek(const struct vmsg_cursor *c)
{
	const volatile uint64_t *slot = c->slots[c->cons & c->mask];
	struct vmsg_tx_words words;

	words.head = slot[0];
	words.place = slot[1];
	words.reserved = slot[2];
	words.reserved |= slot[3];
	words.reserved |= slot[4];
	words.reserved |= slot[5];
	words.reserved |= slot[6];
	words.reserved |= slot[7];
	return words;
}

/* The words of an RX response before its data. */
struct vmsg_rx_words {
	uint64_t head;	/* type, flags, id, addr */
	uint64_t ports; /* port, src_port */
	uint64_t seq;
	uint64_t size; /* len, used, each */
};

/* The begin of the next response; it is to be taken then. */
static inline struct vmsg_rx_words vmsg_rx_peek(const struct vmsg_cursor *c)
{
	const volatile uint64_t *slot = c->slots[c->cons & c->mask];
	struct vmsg_rx_words words;

	words.head = slot[0];
	words.ports = slot[1];
	words.seq = slot[2];
	words.size = slot[3];
	return words;
}

/* The first word of its rest: where it is, in map mode. */
static inline uint64_t vmsg_rx_place(const struct vmsg_cursor *c)
{
	const volatile uint64_t *slot = c->slots[c->cons & c->mask];

	return slot[4];
}

/* Its rest, which is copied to @data. */
static inline void vmsg_rx_data(struct vmsg_cursor *c, uint8_t data[VMSGIF_INLINE_MAX])
{
	__builtin_memcpy(data, &c->slots[c->cons++ & c->mask][4], VMSGIF_INLINE_MAX);
	vmsg_copied(data);
}

/*
 * Writes an RX request for @nr pages, into the slot of the first; the caller knows that
 * there is room, not around the ring's end. Returns its id, the slot's index.
 */
static inline uint32_t vmsg_rx_put(struct vmsg_cursor *c, uint32_t flags, uint32_t ref, uint32_t nr)
{
	uint32_t id = c->prod & c->mask;
	uint64_t *slot = c->slots[id];

	c->prod += nr;
	slot[0] = id | flags << 16 | (nr - 1) << 24 | (uint64_t)ref << 32;
	__builtin_memset(slot + 1, 0, 7 * sizeof(*slot));
	return id;
}

/* Requests that are posted and not answered. */
static inline uint32_t vmsg_ring_unanswered(const struct vmsg_ring *ring)
{
	return ring->prod - ring->cons;
}

/* Whether the index @event lies in what was published, from @old on. */
static inline bool vmsg_ring_asked(uint32_t event, uint32_t old, uint32_t now)
{
	return now - event < now - old;
}

/* Publishes the TX ring. Returns whether the other end asked for an event. */
static inline bool vmsg_ring_push_tx(struct vmsg *v)
{
	uint32_t old = v->tx.pushed;
	uint32_t now = v->tx.prod;

	xen_wmb(); /* slots before indexes */
	v->tx.pushed = now;
	v->open = NULL;
	WRITE_ONCE(vmsg_tx_sring(v)->req_prod, now);
	xen_mb(); /* indexes before the look at what the other end asks for */
	return vmsg_ring_asked(READ_ONCE(vmsg_tx_sring(v)->req_event), old, now);
}

void vmsg_ring_start(struct vmsg *v, void *tx, void *rx);
/* Reads both rsp_prod, TX first. Returns whether there are responses; breaks the device on nonsense. */
bool vmsg_ring_look(struct vmsg *v);
/*
 * Publishes both rings, TX before the index @tx. Returns for which of them the other end
 * asked for an event.
 */
#define VMSG_ASKED_TX 1u
#define VMSG_ASKED_RX 2u
unsigned int vmsg_ring_push(struct vmsg *v, uint32_t tx);
/*
 * Asks for an event on the next RX response, and on the TX response after
 * @skip more. Returns whether responses are there already.
 */
bool vmsg_ring_arm(struct vmsg *v, uint32_t skip);

#endif /* XENMSG_CORE_RING_H */
