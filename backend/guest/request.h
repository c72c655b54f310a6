/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From guest bytes to validated types. These are pure functions: bytes in, a
 * request or the reason why not out. No library calls, no allocation, no state,
 * so that a fuzzer can have them. The bytes must be a private copy already.
 */
#ifndef XENMSG_BACKEND_GUEST_REQUEST_H
#define XENMSG_BACKEND_GUEST_REQUEST_H

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
 * does not use are 0. Indexes into pools are checked against the protocol's
 * limit only, since the pool's size is not known here.
 */
struct request {
	uint8_t op;
	uint16_t id;
	bool lazy;
	bool cancel;
	bool pooled; /* refs are indexes into the TX pool */
	enum request_form form;
	uint32_t addr;
	uint32_t port;
	uint32_t src_port;
	uint32_t max_len;
	uint64_t seq;
	uint64_t credit;
	uint32_t len;
	uint16_t nr_segs;
	uint32_t list_ref;
	uint16_t map_id;
	uint32_t map_offset;
	struct vmsgif_pool pool;
	union {
		uint8_t data[VMSGIF_INLINE_MAX];
		struct vmsgif_segment segs[VMSGIF_SEGS_MAX];
	};
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
enum verdict rx_request_parse(const struct vmsgif_rx_request *slot, unsigned int slots,
			      struct rx_page *page, struct reject *why);

/*
 * A pool's directory, a private copy of one page: @nr references without
 * repetition, 0 behind them. @scratch: @nr entries, overwritten.
 */
enum verdict directory_check(const uint32_t *refs, unsigned int nr, uint32_t *scratch,
			     struct reject *why);

#endif
