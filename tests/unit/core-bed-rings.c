/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The other end of the rings: takes requests, checks them, writes responses; see core-bed.h. */
#include "tests/unit/core-bed.h"

#include "frontend/core/state.h"
#include "tests/unit/core-segments.h"

#include <string.h>

static struct vmsgif_tx_sring *tx_ring(const struct cbed *bed)
{
	return bed->tx_ring;
}

static struct vmsgif_rx_sring *rx_ring(const struct cbed *bed)
{
	return bed->rx_ring;
}

static unsigned int slots(const struct cbed *bed)
{
	return VMSGIF_RING_SLOTS(bed->params.ring_order);
}

static bool is_zero(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	while (len--)
		if (*p++)
			return false;
	return true;
}

/* ----------------------------------------------------------------------- TX */

/* What vmsgif.h demands of the parts that a request does not use. */
static void check_request(const struct cbed *bed, const struct vmsgif_tx_request *req)
{
	const uint8_t *u = (const uint8_t *)&req->u;
	size_t used = 0;

	ck_assert_uint_ge(req->op, 1);
	ck_assert_uint_le(req->op, VMSGIF_OP_MAX);
	ck_assert_uint_lt(req->id, slots(bed));
	ck_assert(req->op == VMSGIF_OP_SEND || !req->each);
	ck_assert(vmsg_batch_valid(req->len, req->each));
	ck_assert_uint_eq(req->flags & ~VMSGIF_TXF_ALL, 0);
	if (req->flags & VMSGIF_TXF_INLINE)
		used = req->len;
	else if (req->flags & VMSGIF_TXF_INDIRECT)
		used = sizeof(req->u.indirect);
	else if ((req->flags & VMSGIF_TXF_MAP) || req->op == VMSGIF_OP_RELEASE)
		used = sizeof(req->u.map);
	else if (req->op >= VMSGIF_OP_POOL_ADD && req->op <= VMSGIF_OP_POOL_ACK)
		used = sizeof(req->u.pool);
	else
		used = req->nr_segs * sizeof(req->u.seg[0]);
	ck_assert_uint_le(used, sizeof(req->u));
	ck_assert(is_zero(u + used, sizeof(req->u) - used));
	if (req->flags & (VMSGIF_TXF_INLINE | VMSGIF_TXF_MAP))
		ck_assert_uint_eq(req->nr_segs, 0);
	if (!req->nr_segs)
		ck_assert_uint_eq(req->flags & VMSGIF_TXF_POOL, 0);
}

bool cbed_next(struct cbed *bed, struct vmsgif_tx_request *req)
{
	if (bed->tx_cons == tx_ring(bed)->req_prod)
		return false;
	*req = tx_ring(bed)->ring[bed->tx_cons++ & (slots(bed) - 1)].req;
	ck_assert_uint_le(tx_ring(bed)->req_prod - bed->tx_prod, slots(bed));
	check_request(bed, req);
	return true;
}

struct vmsgif_tx_request cbed_expect(struct cbed *bed, unsigned int op)
{
	struct vmsgif_tx_request req = { .op = 0 };

	ck_assert_msg(cbed_next(bed, &req), "no request, op %u expected", op);
	ck_assert_uint_eq(req.op, op);
	return req;
}

void cbed_expect_none(struct cbed *bed)
{
	struct vmsgif_tx_request req = { .op = 0 };

	ck_assert_msg(!cbed_next(bed, &req), "request of op %u", req.op);
}

struct vmsgif_tx_response cbed_response(const struct vmsgif_tx_request *req, int status)
{
	return (struct vmsgif_tx_response){ .op = req->op, .id = req->id, .status = status };
}

void cbed_answer_raw(struct cbed *bed, const struct vmsgif_tx_response *rsp)
{
	tx_ring(bed)->ring[bed->tx_prod++ & (slots(bed) - 1)].rsp = *rsp;
}

void cbed_tx_publish(struct cbed *bed)
{
	tx_ring(bed)->rsp_prod = bed->tx_prod;
}

void cbed_answer(struct cbed *bed, const struct vmsgif_tx_request *req, int status)
{
	struct vmsgif_tx_response rsp = cbed_response(req, status);

	cbed_answer_raw(bed, &rsp);
}

void cbed_answered(struct cbed *bed, const struct vmsgif_tx_request *req, int status)
{
	cbed_answer(bed, req, status);
	cbed_tx_publish(bed);
	cbed_poll(bed);
}

void cbed_answer_all(struct cbed *bed, unsigned int keep)
{
	struct vmsgif_tx_request req;

	while (cbed_next(bed, &req))
		if (!(keep & 1u << req.op))
			cbed_answer(bed, &req, 0);
	cbed_tx_publish(bed);
	cbed_poll(bed);
}

void *cbed_tx_page(struct cbed *bed, const struct vmsgif_tx_request *req, uint32_t ref)
{
	if (!(req->flags & VMSGIF_TXF_POOL)) {
		ck_assert_uint_ge(ref, 10000);
		ref -= 10000;
	}
	ck_assert_uint_lt(ref, bed->params.nr_tx_pages);
	return bed->tx_pages[ref];
}

struct request_pages {
	struct cbed *bed;
	const struct vmsgif_tx_request *req;
};

static const uint8_t *request_page(void *arg, uint32_t ref)
{
	const struct request_pages *pages = arg;

	return cbed_tx_page(pages->bed, pages->req, ref);
}

void cbed_payload(struct cbed *bed, const struct vmsgif_tx_request *req, void *out)
{
	struct request_pages pages = { bed, req };
	const struct vmsgif_segment *segs = req->u.seg;

	if (req->flags & VMSGIF_TXF_INLINE) {
		memcpy(out, req->u.data, req->len);
		return;
	}
	if (req->flags & VMSGIF_TXF_INDIRECT)
		segs = cbed_tx_page(bed, req, req->u.indirect.ref);
	ck_assert_uint_eq(segments_read(segs, req->nr_segs, req->flags & VMSGIF_TXF_POOL,
					request_page, &pages, out),
			  req->len);
}

/* ----------------------------------------------------------------------- RX */

unsigned int cbed_rx_posted(const struct cbed *bed)
{
	return rx_ring(bed)->req_prod - bed->rx_prod;
}

unsigned int cbed_rx_pages(const struct cbed *bed)
{
	return cbed_rx_posted(bed) + bed->v->nr_rx_free;
}

void cbed_rx_look(struct cbed *bed)
{
	uint32_t mask = slots(bed) - 1;

	while (bed->rx_cons != rx_ring(bed)->req_prod) {
		struct vmsgif_rx_request req = rx_ring(bed)->ring[bed->rx_cons & mask].req;
		unsigned int nr = req.more + 1u;

		ck_assert_uint_eq(req.flags & ~VMSGIF_RXF_POOL, 0);
		ck_assert(is_zero(req.reserved, sizeof(req.reserved)));
		ck_assert(req.more == 0 || req.flags == VMSGIF_RXF_POOL);
		ck_assert_uint_le(nr, rx_ring(bed)->req_prod - bed->rx_cons);
		/* Slots are answered in order, so the index is an id that is not in use. */
		ck_assert_uint_eq(req.id, bed->rx_cons & mask);
		ck_assert_uint_le(req.id + nr, slots(bed));
		req.more = 0;
		for (; nr > 0; nr--, req.id++, req.ref++)
			bed->posted[bed->rx_cons++ & mask] = req;
		bed->rx_requests++;
	}
}

static const struct vmsgif_rx_request *rx_next(struct cbed *bed)
{
	cbed_rx_look(bed);
	ck_assert_uint_gt(cbed_rx_posted(bed), 0);
	return &bed->posted[bed->rx_prod & (slots(bed) - 1)];
}

void *cbed_rx_page(struct cbed *bed)
{
	const struct vmsgif_rx_request *req = rx_next(bed);
	uint32_t page = req->ref;

	if (!(req->flags & VMSGIF_RXF_POOL)) {
		ck_assert_uint_ge(page, 20000);
		page -= 20000;
	}
	ck_assert_uint_lt(page, bed->params.nr_rx_pages);
	return bed->rx_pages[page];
}

void cbed_rx_raw(struct cbed *bed, const struct vmsgif_rx_response *rsp)
{
	cbed_rx_look(bed);
	rx_ring(bed)->ring[bed->rx_prod++ & (slots(bed) - 1)].rsp = *rsp;
}

void cbed_rx(struct cbed *bed, struct vmsgif_rx_response rsp)
{
	rsp.id = rx_next(bed)->id;
	cbed_rx_raw(bed, &rsp);
}

void cbed_rx_rest(struct cbed *bed)
{
	struct vmsgif_rx_response rubbish;

	(void)rx_next(bed);
	memset(&rubbish, 0xa5, sizeof(rubbish));
	cbed_rx_raw(bed, &rubbish);
}

struct vmsgif_rx_response cbed_rx_event(unsigned int type, uint32_t addr)
{
	return (struct vmsgif_rx_response){ .type = (uint8_t)type, .addr = addr };
}

void cbed_tell(struct cbed *bed, struct vmsgif_rx_response rsp)
{
	cbed_rx(bed, rsp);
	cbed_rx_publish(bed);
	cbed_poll(bed);
}

void cbed_rx_publish(struct cbed *bed)
{
	rx_ring(bed)->rsp_prod = bed->rx_prod;
}

struct vmsgif_rx_response cbed_msg(uint32_t port, uint64_t seq, const void *data, uint32_t len)
{
	struct vmsgif_rx_response rsp = {
		.type = VMSGIF_RX_MESSAGE,
		.flags = VMSGIF_RXF_INLINE,
		.addr = CBED_PEER,
		.port = port,
		.src_port = 5,
		.seq = seq,
		.len = len,
	};

	if (len <= VMSGIF_INLINE_MAX)
		memcpy(rsp.u.data, data, len);
	return rsp;
}

void cbed_deliver(struct cbed *bed, uint32_t port, uint64_t seq, const void *data, uint32_t len)
{
	struct vmsgif_rx_response rsp = cbed_msg(port, seq, data, len);
	uint32_t at = 0;

	if (len <= VMSGIF_INLINE_MAX) {
		cbed_rx(bed, rsp);
	} else {
		rsp.flags = 0;
		rsp.used = (uint16_t)(len < VMSGIF_PAGE_SIZE ? len : VMSGIF_PAGE_SIZE);
		for (; at < len; at += VMSGIF_PAGE_SIZE) {
			uint32_t used = len - at < VMSGIF_PAGE_SIZE ? len - at : VMSGIF_PAGE_SIZE;

			memcpy(cbed_rx_page(bed), (const uint8_t *)data + at, used);
			if (at == 0)
				cbed_rx(bed, rsp);
			else
				cbed_rx_rest(bed);
		}
	}
	cbed_rx_publish(bed);
	cbed_poll(bed);
}
