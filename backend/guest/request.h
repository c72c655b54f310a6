/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From guest bytes to validated types. These are pure functions: bytes in, a
 * request or the reason why not out. No library calls, no allocation, no state,
 * so that a fuzzer can have them. The bytes must be a private copy already.
 */
#ifndef XENMSG_BACKEND_GUEST_REQUEST_H
#define XENMSG_BACKEND_GUEST_REQUEST_H

#include "common/macros.h"
#include "common/xen-compat.h"

#include <xen/io/vmsgif.h>

/* Where a request's payload is. */
enum request_form {
	REQUEST_NONE,	  /* no payload, or a kind without */
	REQUEST_INLINE,	  /* len bytes in data */
	REQUEST_SEGS,	  /* nr_segs segments in segs */
	REQUEST_INDIRECT, /* nr_segs segments in the page list_ref, not read yet */
	REQUEST_MAP,	  /* at map_offset of the sender's pool map_id */
};

/*
 * A request that keeps the rules of <xen/io/vmsgif.h>. Fields that its kind
 * does not use are 0, and so is what its form does not use of the union. Indexes
 * into pools are checked against the protocol's limit only, since the pool's size
 * is not known here.
 */
struct request {
	uint8_t op;
	uint8_t form; /* enum request_form */
	uint16_t id;
	uint32_t addr;
	uint32_t port;
	uint32_t src_port;
	uint64_t seq;
	uint32_t len;
	uint16_t nr_segs;
	uint16_t each; /* SEND: of a batch */
	bool lazy;
	bool pooled; /* refs are indexes into the TX pool */
	union {
		uint8_t data[VMSGIF_INLINE_MAX];
		struct vmsgif_segment segs[VMSGIF_SEGS_MAX];
		uint32_t list_ref;
		struct {
			uint16_t map_id;
			uint16_t map_more; /* RELEASE, too */
			uint32_t map_offset;
		};
		struct vmsgif_pool pool;
	};
	/* Not of SENDs. */
	uint64_t credit;
	uint32_t max_len;
	bool cancel;
};

/* How bad it is; see "three severities" in the README. */
enum verdict {
	VERDICT_OK,
	VERDICT_REFUSE,	 /* well-formed, cannot be: answer with a status */
	VERDICT_HOSTILE, /* contradicts the header: close the device */
};

struct reject {
	int status;	    /* VMSGIF_E*, for VERDICT_REFUSE */
	const char *reason; /* static text that names the rule */
};

/* @slots: of the ring, which bounds ids; @max_message: bytes. */
enum verdict request_parse(const struct vmsgif_tx_request *slot, unsigned int slots,
			   uint32_t max_message, struct request *req, struct reject *why);

/* The list of an indirect request, a private copy of nr_segs segments. */
enum verdict request_check_segments(const struct vmsgif_segment *segs, unsigned int nr,
				    uint32_t len, bool pooled, struct reject *why);

/* A name: VERDICT_REFUSE with VMSGIF_EINVAL if it is none. @service: '@' is allowed. */
enum verdict request_check_name(const char *name, uint32_t len, bool service, struct reject *why);

/* A posted page. */
struct rx_page {
	uint16_t id;
	bool pooled;
	uint32_t ref;
};

/* Posted pages whose ids and references follow each other; more than one are pooled. */
struct rx_run {
	struct rx_page first;
	uint32_t nr; /* slots, from 1 */
};

/*
 * A pool's directory, a private copy of one page: @nr references without
 * repetition, 0 behind them. @scratch: @nr entries, overwritten.
 */
enum verdict directory_check(const uint32_t *refs, unsigned int nr, uint32_t *scratch,
			     struct reject *why);

/* ------------------------------------------------------- once for each message */

/* The 64-bit word @i of a slot. */
static inline uint64_t request_word_(const void *slot, size_t i)
{
	uint64_t word;

	memcpy(&word, (const uint8_t *)slot + i * sizeof(word), sizeof(word));
	return word;
}

/*
 * The short way for what most requests are, SENDs of one segment in one page: true if it
 * is one and keeps the rules, and *req is what request_parse() would make of it. False:
 * another one has to look.
 */
static inline bool request_parse_simple(const struct vmsgif_tx_request *slot, unsigned int slots,
					uint32_t max_message, struct request *req)
{
	const struct vmsgif_segment *seg = &slot->u.seg[0];
	bool pooled = slot->flags & VMSGIF_TXF_POOL;

	if (slot->op != VMSGIF_OP_SEND || slot->nr_segs != 1 || slot->each != 0 ||
	    (uint32_t)seg->offset + seg->len > VMSGIF_PAGE_SIZE ||
	    (slot->flags & ~(VMSGIF_TXF_POOL | VMSGIF_TXF_LAZY)) || slot->id >= slots ||
	    slot->addr == 0 || slot->port == 0 || slot->seq == 0 || slot->len > max_message ||
	    seg->len != slot->len || seg->len == 0 ||
	    (pooled && seg->ref >= VMSGIF_POOL_PAGES_MAX) ||
	    (request_word_(slot, 5) | request_word_(slot, 6) | request_word_(slot, 7)) != 0)
		return false;
	*req = (struct request){
		.op = VMSGIF_OP_SEND,
		.form = REQUEST_SEGS,
		.id = slot->id,
		.addr = slot->addr,
		.port = slot->port,
		.src_port = slot->src_port,
		.seq = slot->seq,
		.len = slot->len,
		.nr_segs = 1,
		.lazy = slot->flags & VMSGIF_TXF_LAZY,
		.pooled = pooled,
		.segs = { *seg },
	};
	return true;
}

/* The same for all SENDs whose segments are in the slot, batches, too. */
bool request_parse_segs(const struct vmsgif_tx_request *slot, unsigned int slots,
			uint32_t max_message, struct request *req);

/* The same for SENDs whose payload is in the slot. */
bool request_parse_tiny(const struct vmsgif_tx_request *slot, unsigned int slots,
			uint32_t max_message, struct request *req);

/* What is wrong, where something is. */
void rx_request_explain(const struct vmsgif_rx_request *slot, unsigned int slots, uint32_t behind,
			struct reject *why);

/* Whether a request is for one page, or else for a run that may be. */
static inline bool rx_run_valid_(const struct vmsgif_rx_request *slot, uint32_t behind)
{
	return LIKELY(slot->more == 0) ||
	       ((slot->flags & VMSGIF_RXF_POOL) && slot->more <= behind &&
		slot->ref <= UINT32_MAX - slot->more);
}

/* VERDICT_OK or VERDICT_HOSTILE. @behind: slots that are published and follow this one. */
static inline enum verdict rx_request_parse(const struct vmsgif_rx_request *slot,
					    unsigned int slots, uint32_t behind, struct rx_run *run,
					    struct reject *why)
{
	uint64_t reserved = request_word_(slot, 1) | request_word_(slot, 2) |
			    request_word_(slot, 3) | request_word_(slot, 4) |
			    request_word_(slot, 5) | request_word_(slot, 6) |
			    request_word_(slot, 7);

	if (UNLIKELY((uint32_t)slot->id + slot->more >= slots || (slot->flags & ~VMSGIF_RXF_POOL) ||
		     reserved != 0 || !rx_run_valid_(slot, behind))) {
		rx_request_explain(slot, slots, behind, why);
		return VERDICT_HOSTILE;
	}
	run->first = (struct rx_page){
		.id = slot->id,
		.pooled = slot->flags & VMSGIF_RXF_POOL,
		.ref = slot->ref,
	};
	run->nr = 1u + slot->more;
	return VERDICT_OK;
}

#endif
