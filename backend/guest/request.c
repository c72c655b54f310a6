// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Validation of slots and lists.
 *
 * Each kind of request uses some fields of the slot; all others are reserved.
 * So validation of a slot has three steps: what is reserved for this kind is 0
 * (else the peer speaks another protocol: hostile), then the values of the used
 * fields make sense (else this one request is refused with a status), then they
 * are copied into the validated type. A refusal never depends on bytes whose
 * meaning the refused field decides.
 *
 * Of several faults the hostile one counts: a device with a corrupt ring must
 * not live on because its garbage happened to be too long as well.
 */
#include "backend/guest/request.h"

/* Fields beyond op, flags, id and payload that a kind uses. */
enum {
	USES_ADDR = 1 << 0,
	USES_PORT = 1 << 1,
	USES_WORD = 1 << 2, /* src_port or max_len */
	USES_QUAD = 1 << 3, /* seq or credit */
	USES_PAYLOAD = 1 << 4,
	USES_POOL = 1 << 5,
};

struct kind {
	uint8_t uses;
	uint8_t flags;
};

#define NAME_FLAGS (VMSGIF_TXF_INLINE | VMSGIF_TXF_INDIRECT | VMSGIF_TXF_POOL)

static const struct kind kinds[VMSGIF_OP_MAX + 1] = {
	[VMSGIF_OP_SEND] = { USES_ADDR | USES_PORT | USES_WORD | USES_QUAD | USES_PAYLOAD,
			     NAME_FLAGS | VMSGIF_TXF_LAZY | VMSGIF_TXF_MAP },
	[VMSGIF_OP_RELEASE] = { USES_ADDR | USES_PORT | USES_QUAD, 0 },
	[VMSGIF_OP_BIND] = { USES_PORT | USES_WORD | USES_QUAD | USES_PAYLOAD, NAME_FLAGS },
	[VMSGIF_OP_UNBIND] = { USES_PORT, 0 },
	[VMSGIF_OP_CREDIT] = { USES_PORT | USES_QUAD, 0 },
	[VMSGIF_OP_RESOLVE] = { USES_ADDR | USES_PAYLOAD, NAME_FLAGS },
	[VMSGIF_OP_SUBSCRIBE] = { USES_PAYLOAD, NAME_FLAGS | VMSGIF_TXF_CANCEL },
	[VMSGIF_OP_POOL_ADD] = { USES_ADDR | USES_PORT | USES_WORD | USES_POOL, 0 },
	[VMSGIF_OP_POOL_DEL] = { USES_POOL, 0 },
	[VMSGIF_OP_POOL_ACK] = { USES_ADDR | USES_POOL, 0 },
	[VMSGIF_OP_READY] = { 0, 0 },
};

static enum verdict refuse(struct reject *why, int status, const char *reason)
{
	*why = (struct reject){ .status = status, .reason = reason };
	return VERDICT_REFUSE;
}

static enum verdict hostile(struct reject *why, const char *reason)
{
	*why = (struct reject){ .status = VMSGIF_EINVAL, .reason = reason };
	return VERDICT_HOSTILE;
}

/*
 * The bytes of the slot's union from @from on are 0. A mask that begins with
 * @from zeros is a part of one that begins with as many as there can be.
 */
static bool rest_is_zero(const struct vmsgif_tx_request *slot, size_t from)
{
	static const struct {
		uint64_t none[sizeof(slot->u) / 8];
		uint64_t all[sizeof(slot->u) / 8];
	} masks = { .all = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX } };
	const uint8_t *mask = (const uint8_t *)&masks + sizeof(masks.none) - from;
	uint64_t all = 0, word, used;

	for (size_t i = 0; i < sizeof(slot->u); i += sizeof(word)) {
		memcpy(&word, &slot->u.data[i], sizeof(word));
		memcpy(&used, &mask[i], sizeof(used));
		all |= word & used;
	}
	return all == 0;
}

/* At most one form, and the pool only where there are references. */
static bool form_flags_agree(uint8_t flags)
{
	switch (flags & (VMSGIF_TXF_INLINE | VMSGIF_TXF_INDIRECT | VMSGIF_TXF_MAP)) {
	case 0:
	case VMSGIF_TXF_INDIRECT:
		return true;
	case VMSGIF_TXF_INLINE:
	case VMSGIF_TXF_MAP:
		return !(flags & VMSGIF_TXF_POOL);
	default:
		return false;
	}
}

/*
 * How much of the union the payload's form uses; what is behind it is 0. With
 * counts out of range nothing is known of the union: all of it counts as used,
 * and the counts are refused later.
 */
static size_t payload_bytes(const struct vmsgif_tx_request *slot)
{
	if (slot->flags & VMSGIF_TXF_INLINE)
		return slot->len < VMSGIF_INLINE_MAX ? slot->len : VMSGIF_INLINE_MAX;
	if (slot->flags & VMSGIF_TXF_INDIRECT)
		return sizeof(slot->u.indirect);
	if (slot->flags & VMSGIF_TXF_MAP)
		return sizeof(slot->u.map);
	if (slot->nr_segs > VMSGIF_SEGS_MAX)
		return sizeof(slot->u);
	return slot->nr_segs * sizeof(slot->u.seg[0]);
}

static enum verdict check_payload_reserved(const struct vmsgif_tx_request *slot, struct reject *why)
{
	if (!form_flags_agree(slot->flags))
		return hostile(why, "flags contradict each other");
	if ((slot->flags & (VMSGIF_TXF_INLINE | VMSGIF_TXF_MAP)) && slot->nr_segs != 0)
		return hostile(why, "nr_segs is not 0 where there are no segments");
	if (!rest_is_zero(slot, payload_bytes(slot)))
		return hostile(why, "bytes behind the payload's description are not 0");
	return VERDICT_OK;
}

static enum verdict check_pool_reserved(const struct vmsgif_tx_request *slot, struct reject *why)
{
	const struct vmsgif_pool *pool = &slot->u.pool;

	if (!rest_is_zero(slot, sizeof(*pool)))
		return hostile(why, "bytes behind the pool's description are not 0");
	if (slot->op != VMSGIF_OP_POOL_ADD && (pool->ref != 0 || pool->nr_pages != 0))
		return hostile(why, "directory of a pool where there is none");
	if (slot->op != VMSGIF_OP_POOL_ACK && pool->status != 0)
		return hostile(why, "status of a pool in a request without");
	if (pool->type != VMSGIF_POOL_TX && pool->type != VMSGIF_POOL_RX)
		return VERDICT_OK;
	if (pool->id != 0)
		return hostile(why, "id of a TX or RX pool is not 0");
	if (slot->op == VMSGIF_OP_POOL_ADD && (slot->addr | slot->port | slot->src_port) != 0)
		return hostile(why, "receiver of a TX or RX pool");
	return VERDICT_OK;
}

/* First step: whatever this kind does not use is 0. */
static enum verdict check_reserved(const struct vmsgif_tx_request *slot, unsigned int slots,
				   struct reject *why)
{
	const struct kind *kind;

	if (slot->op == 0 || slot->op > VMSGIF_OP_MAX)
		return hostile(why, "unknown kind of request");
	kind = &kinds[slot->op];
	if (slot->id >= slots)
		return hostile(why, "request id is not below the number of slots");
	if (slot->flags & ~kind->flags)
		return hostile(why, "unknown flags");
	if (slot->each != 0 && slot->op != VMSGIF_OP_SEND)
		return hostile(why, "batch of what is no message");
	if ((!(kind->uses & USES_ADDR) && slot->addr != 0) ||
	    (!(kind->uses & USES_PORT) && slot->port != 0) ||
	    (!(kind->uses & USES_WORD) && slot->src_port != 0) ||
	    (!(kind->uses & USES_QUAD) && slot->seq != 0))
		return hostile(why, "field that the request does not use is not 0");
	if (kind->uses & USES_PAYLOAD)
		return check_payload_reserved(slot, why);
	if (slot->len != 0 || slot->nr_segs != 0)
		return hostile(why, "payload of a request without");
	if (kind->uses & USES_POOL)
		return check_pool_reserved(slot, why);
	if (!rest_is_zero(slot, slot->op == VMSGIF_OP_RELEASE ? sizeof(slot->u.map) : 0))
		return hostile(why, "payload of a request without");
	return VERDICT_OK;
}

#define POOL_BYTES_MAX	 ((uint64_t)VMSGIF_POOL_PAGES_MAX * VMSGIF_PAGE_SIZE)
#define IS_POWER_OF_2(n) (((n) & ((n)-1)) == 0)

/*
 * All segments keep the rules and have @len bytes in all. Each limit is a power of 2, so
 * values are below it if the bits of all of them together are.
 */
static inline bool segments_valid(const struct vmsgif_segment *segs, unsigned int nr, uint32_t len,
				  bool pooled)
{
	uint32_t index = pooled ? UINT32_MAX : 0; /* a page by reference is by itself */
	uint32_t begins = 0, lasts = 0, sum = 0;
	uint64_t ends = 0;

	_Static_assert(IS_POWER_OF_2(VMSGIF_PAGE_SIZE) && IS_POWER_OF_2(VMSGIF_SEG_MAX) &&
			       IS_POWER_OF_2(VMSGIF_POOL_PAGES_MAX),
		       "bits tell");
	for (unsigned int i = 0; i < nr; i++) {
		uint32_t last = segs[i].len - 1u; /* of none: UINT32_MAX */

		begins |= segs[i].offset;
		lasts |= last;
		ends |= (uint64_t)(segs[i].ref & index) * VMSGIF_PAGE_SIZE + segs[i].offset + last;
		sum += segs[i].len;
	}
	return sum == len && begins < VMSGIF_PAGE_SIZE && lasts < VMSGIF_SEG_MAX &&
	       ends < (pooled ? POOL_BYTES_MAX : VMSGIF_PAGE_SIZE);
}

/* What is wrong, where something is. */
static NOINLINE enum verdict explain_segments(const struct vmsgif_segment *segs, unsigned int nr,
					      bool pooled, struct reject *why)
{
	for (unsigned int i = 0; i < nr; i++) {
		uint32_t end = (uint32_t)segs[i].offset + segs[i].len;

		if (segs[i].len == 0)
			return refuse(why, VMSGIF_EINVAL, "segment of length 0");
		if (!pooled && end > VMSGIF_PAGE_SIZE)
			return refuse(why, VMSGIF_EFAULT, "segment leaves its page");
		if (segs[i].offset >= VMSGIF_PAGE_SIZE)
			return refuse(why, VMSGIF_EFAULT, "segment begins behind its page");
		if (segs[i].len > VMSGIF_SEG_MAX)
			return refuse(why, VMSGIF_EFAULT, "segment of more than 32768 bytes");
		if (pooled && (uint64_t)segs[i].ref * VMSGIF_PAGE_SIZE + end > POOL_BYTES_MAX)
			return refuse(why, VMSGIF_EFAULT, "segment beyond every pool");
	}
	return refuse(why, VMSGIF_EINVAL, "segments do not add up to the length");
}

enum verdict request_check_segments(const struct vmsgif_segment *segs, unsigned int nr,
				    uint32_t len, bool pooled, struct reject *why)
{
	if (nr == 0 || nr > VMSGIF_INDIRECT_MAX)
		return refuse(why, VMSGIF_EINVAL, "number of segments out of range");
	if (LIKELY(segments_valid(segs, nr, len, pooled)))
		return VERDICT_OK;
	return explain_segments(segs, nr, pooled, why);
}

static enum verdict check_map(const struct vmsgif_tx_request *slot, struct reject *why)
{
	const struct vmsgif_map *map = &slot->u.map;

	if (slot->len == 0)
		return refuse(why, VMSGIF_EINVAL, "map-mode message of length 0");
	if (map->id >= VMSGIF_MAP_POOLS_MAX)
		return refuse(why, VMSGIF_EINVAL, "id of a map pool out of range");
	if (map->more >= VMSGIF_RUN_MESSAGES)
		return refuse(why, VMSGIF_EINVAL, "run of more than 32 messages");
	if (map->offset + map->more * VMSGIF_RUN_STEP(slot->len) + slot->len > POOL_BYTES_MAX)
		return refuse(why, VMSGIF_EFAULT, "message beyond every map pool");
	return VERDICT_OK;
}

static enum verdict parse_release(const struct vmsgif_tx_request *slot, struct request *req,
				  struct reject *why)
{
	req->seq = slot->seq;
	req->map_more = slot->u.map.more;
	if (slot->u.map.id != 0 || slot->u.map.offset != 0)
		return hostile(why, "place of a RELEASE");
	if (slot->u.map.more != 0 && slot->seq <= slot->u.map.more)
		return refuse(why, VMSGIF_EINVAL, "numbers of messages before the first one");
	return VERDICT_OK;
}

static enum verdict check_indirect(const struct vmsgif_tx_request *slot, struct reject *why)
{
	if (slot->nr_segs <= VMSGIF_SEGS_MAX || slot->nr_segs > VMSGIF_INDIRECT_MAX)
		return refuse(why, VMSGIF_EINVAL, "number of indirect segments out of range");
	if ((slot->flags & VMSGIF_TXF_POOL) && slot->u.indirect.ref >= VMSGIF_POOL_PAGES_MAX)
		return refuse(why, VMSGIF_EFAULT, "list beyond every pool");
	return VERDICT_OK;
}

/* Second step for payload: one of the forms, within its limits. */
static enum verdict parse_payload(const struct vmsgif_tx_request *slot, struct request *req,
				  struct reject *why)
{
	enum verdict v = VERDICT_OK;

	req->len = slot->len;
	req->nr_segs = slot->nr_segs;
	req->pooled = slot->flags & VMSGIF_TXF_POOL;
	if (slot->flags & VMSGIF_TXF_INLINE) {
		if (slot->len > VMSGIF_INLINE_MAX)
			return refuse(why, VMSGIF_EINVAL, "inline payload of more than 32 bytes");
		req->form = REQUEST_INLINE;
		memcpy(req->data, slot->u.data, sizeof(req->data));
	} else if (slot->flags & VMSGIF_TXF_INDIRECT) {
		v = check_indirect(slot, why);
		req->form = REQUEST_INDIRECT;
		req->list_ref = slot->u.indirect.ref;
	} else if (slot->flags & VMSGIF_TXF_MAP) {
		v = check_map(slot, why);
		req->form = REQUEST_MAP;
		req->map_id = slot->u.map.id;
		req->map_more = slot->u.map.more;
		req->map_offset = slot->u.map.offset;
	} else {
		if (slot->nr_segs > VMSGIF_SEGS_MAX)
			return refuse(why, VMSGIF_EINVAL, "number of segments out of range");
		v = request_check_segments(slot->u.seg, slot->nr_segs, slot->len, req->pooled, why);
		req->form = REQUEST_SEGS;
		memcpy(req->segs, slot->u.seg, sizeof(req->segs));
	}
	return v;
}

/* No payload at all: the flags and fields that would describe some are 0. */
static bool has_payload(const struct vmsgif_tx_request *slot)
{
	return slot->len != 0 || slot->nr_segs != 0 ||
	       (slot->flags & (VMSGIF_TXF_INDIRECT | VMSGIF_TXF_POOL));
}

static enum verdict parse_name(const struct vmsgif_tx_request *slot, struct request *req,
			       struct reject *why)
{
	if (slot->len > VMSGIF_NAME_MAX)
		return refuse(why, VMSGIF_EINVAL, "name of more than 128 bytes");
	return parse_payload(slot, req, why);
}

/* @slot->each is not 0. The count is held against its limit without a division. */
static inline bool batch_valid(const struct vmsgif_tx_request *slot)
{
	return slot->nr_segs != 0 && slot->each % VMSGIF_BATCH_ALIGN == 0 &&
	       slot->each < slot->len && slot->len <= VMSGIF_BATCH_BYTES &&
	       slot->len <= slot->each * VMSGIF_BATCH_MESSAGES;
}

static enum verdict parse_send(const struct vmsgif_tx_request *slot, uint32_t max_message,
			       struct request *req, struct reject *why)
{
	if (slot->addr == 0 || slot->port == 0)
		return refuse(why, VMSGIF_EINVAL, "destination 0");
	if (slot->seq == 0)
		return refuse(why, VMSGIF_EINVAL, "sequence number 0");
	if (slot->len > max_message)
		return refuse(why, VMSGIF_EMSGSIZE, "message of more than max-message bytes");
	if (slot->each != 0 && !batch_valid(slot))
		return refuse(why, VMSGIF_EINVAL, "not a batch of messages in segments");
	req->src_port = slot->src_port;
	req->seq = slot->seq;
	req->each = slot->each;
	req->lazy = slot->flags & VMSGIF_TXF_LAZY;
	return parse_payload(slot, req, why);
}

static enum verdict parse_bind(const struct vmsgif_tx_request *slot, uint32_t max_message,
			       struct request *req, struct reject *why)
{
	if (slot->port == 0)
		return refuse(why, VMSGIF_EINVAL, "port 0");
	if (slot->max_len > max_message)
		return refuse(why, VMSGIF_EMSGSIZE, "max_len of more than max-message bytes");
	req->max_len = slot->max_len;
	req->credit = slot->credit;
	return has_payload(slot) ? parse_name(slot, req, why) : VERDICT_OK;
}

static enum verdict parse_resolve(const struct vmsgif_tx_request *slot, struct request *req,
				  struct reject *why)
{
	if (has_payload(slot) == (slot->addr != 0))
		return refuse(why, VMSGIF_EINVAL, "not either a name or an address");
	return slot->addr != 0 ? VERDICT_OK : parse_name(slot, req, why);
}

static enum verdict parse_subscribe(const struct vmsgif_tx_request *slot, struct request *req,
				    struct reject *why)
{
	if (!has_payload(slot))
		return refuse(why, VMSGIF_EINVAL, "no name");
	req->cancel = slot->flags & VMSGIF_TXF_CANCEL;
	return parse_name(slot, req, why);
}

static enum verdict parse_pool(const struct vmsgif_tx_request *slot, struct request *req,
			       struct reject *why)
{
	const struct vmsgif_pool *pool = &slot->u.pool;

	req->src_port = slot->src_port;
	req->pool = *pool;
	if (pool->type < VMSGIF_POOL_TX || pool->type > VMSGIF_POOL_MAP)
		return refuse(why, VMSGIF_EINVAL, "unknown type of pool");
	if (pool->id >= VMSGIF_MAP_POOLS_MAX)
		return refuse(why, VMSGIF_EINVAL, "id of a map pool out of range");
	if (slot->op == VMSGIF_OP_POOL_ACK) {
		if (pool->type != VMSGIF_POOL_MAP || slot->addr == 0)
			return refuse(why, VMSGIF_EINVAL, "not a map pool of somebody else");
		if (pool->status > 0)
			return refuse(why, VMSGIF_EINVAL, "status above 0");
		return VERDICT_OK;
	}
	if (slot->op == VMSGIF_OP_POOL_DEL)
		return VERDICT_OK;
	if (pool->nr_pages == 0 || pool->nr_pages > VMSGIF_POOL_PAGES_MAX)
		return refuse(why, VMSGIF_EINVAL, "number of pages of a pool out of range");
	if (pool->type == VMSGIF_POOL_MAP &&
	    (slot->addr == 0 || slot->port == 0 || slot->src_port == 0))
		return refuse(why, VMSGIF_EINVAL, "map pool without receiver or port");
	return VERDICT_OK;
}

static enum verdict parse_port(const struct vmsgif_tx_request *slot, struct request *req,
			       struct reject *why)
{
	req->credit = slot->credit;
	if (slot->port == 0)
		return refuse(why, VMSGIF_EINVAL, "port 0");
	return VERDICT_OK;
}

/* The begin of a SEND keeps the rules that are the same for all forms. */
static inline bool send_valid(const struct vmsgif_tx_request *slot, unsigned int slots,
			      uint32_t max_message)
{
	return slot->op == VMSGIF_OP_SEND && slot->id < slots && slot->addr != 0 &&
	       slot->port != 0 && slot->seq != 0 && slot->len <= max_message;
}

/* What all forms of it have; the rest is 0. */
static inline struct request send_of(const struct vmsgif_tx_request *slot, enum request_form form)
{
	return (struct request){
		.op = VMSGIF_OP_SEND,
		.form = form,
		.id = slot->id,
		.addr = slot->addr,
		.port = slot->port,
		.src_port = slot->src_port,
		.seq = slot->seq,
		.len = slot->len,
		.nr_segs = slot->nr_segs,
		.each = slot->each,
		.lazy = slot->flags & VMSGIF_TXF_LAZY,
		.pooled = slot->flags & VMSGIF_TXF_POOL,
	};
}

bool request_parse_segs(const struct vmsgif_tx_request *slot, unsigned int slots,
			uint32_t max_message, struct request *req)
{
	bool pooled = slot->flags & VMSGIF_TXF_POOL;

	if (!send_valid(slot, slots, max_message) ||
	    (slot->flags & ~(VMSGIF_TXF_POOL | VMSGIF_TXF_LAZY)) || slot->nr_segs == 0 ||
	    slot->nr_segs > VMSGIF_SEGS_MAX || (slot->each != 0 && !batch_valid(slot)) ||
	    !segments_valid(slot->u.seg, slot->nr_segs, slot->len, pooled) ||
	    !rest_is_zero(slot, slot->nr_segs * sizeof(slot->u.seg[0])))
		return false;
	*req = send_of(slot, REQUEST_SEGS);
	memcpy(req->segs, slot->u.seg, sizeof(req->segs));
	return true;
}

bool request_parse_tiny(const struct vmsgif_tx_request *slot, unsigned int slots,
			uint32_t max_message, struct request *req)
{
	if (!send_valid(slot, slots, max_message) ||
	    (slot->flags & ~VMSGIF_TXF_LAZY) != VMSGIF_TXF_INLINE || slot->nr_segs != 0 ||
	    slot->each != 0 || slot->len > VMSGIF_INLINE_MAX || !rest_is_zero(slot, slot->len))
		return false;
	*req = send_of(slot, REQUEST_INLINE);
	memcpy(req->data, slot->u.data, sizeof(req->data));
	return true;
}

enum verdict request_parse(const struct vmsgif_tx_request *slot, unsigned int slots,
			   uint32_t max_message, struct request *req, struct reject *why)
{
	enum verdict v = check_reserved(slot, slots, why);

	memset(req, 0, sizeof(*req));
	if (v != VERDICT_OK)
		return v;
	req->op = slot->op;
	req->id = slot->id;
	req->addr = slot->addr;
	req->port = slot->port;
	switch (slot->op) {
	case VMSGIF_OP_SEND:
		return parse_send(slot, max_message, req, why);
	case VMSGIF_OP_RELEASE:
		return parse_release(slot, req, why);
	case VMSGIF_OP_BIND:
		return parse_bind(slot, max_message, req, why);
	case VMSGIF_OP_UNBIND:
	case VMSGIF_OP_CREDIT:
		return parse_port(slot, req, why);
	case VMSGIF_OP_RESOLVE:
		return parse_resolve(slot, req, why);
	case VMSGIF_OP_SUBSCRIBE:
		return parse_subscribe(slot, req, why);
	case VMSGIF_OP_READY:
		return VERDICT_OK;
	default:
		return parse_pool(slot, req, why);
	}
}
