/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Slots, ids and indexes that no frontend puts into its rings: each costs the device. */
#include "tests/xen/hostile.h"

static int reserved_bits(struct raw *raw)
{
	raw_request(raw, VMSGIF_OP_READY)->each = 1;
	return raw_last_answer(raw);
}

static int reserved_flag(struct raw *raw)
{
	raw_request(raw, VMSGIF_OP_READY)->flags = 0x80;
	return raw_last_answer(raw);
}

static int unknown_kind(struct raw *raw)
{
	raw_request(raw, VMSGIF_OP_MAX + 1);
	return raw_last_answer(raw);
}

static int ring_overrun(struct raw *raw)
{
	raw->tx.req_prod_pvt += VMSGIF_RING_SLOTS(0) + 1;
	return raw_last_answer(raw);
}

/* Have the broker look at the pages: it wants one for each name that it tells. */
static int use_pages(struct raw *raw)
{
	struct vmsgif_tx_request *req;
	int i, status = 0;

	raw_request(raw, VMSGIF_OP_READY);
	for (i = 0; i < 16 && status != CLOSED; i++) {
		req = raw_request(raw, VMSGIF_OP_RESOLVE);
		req->flags = VMSGIF_TXF_INLINE;
		req->addr = (uint32_t)raw_read_number(raw, raw->backend, "address");
		status = raw_last_answer(raw);
	}
	if (status != CLOSED && raw_wait_state(raw, XenbusStateClosing, XenbusStateClosed) > 0)
		status = CLOSED;
	return status;
}

static int rx_ring_overrun(struct raw *raw)
{
	raw->rx.req_prod_pvt += VMSGIF_RING_SLOTS(0) + 1;
	return use_pages(raw);
}

static int id_beyond(struct raw *raw)
{
	raw_request(raw, VMSGIF_OP_READY)->id = VMSGIF_RING_SLOTS(0);
	return raw_last_answer(raw);
}

static int rx_reserved_bits(struct raw *raw)
{
	raw_post_good_pages(raw, 16);
	RING_GET_REQUEST(&raw->rx, 2)->reserved[55] = 1;
	return use_pages(raw);
}

/* The third page begins a run of @more. */
static int bad_run(struct raw *raw, uint8_t flags, uint8_t more)
{
	struct vmsgif_rx_request *req;

	raw_post_good_pages(raw, 16);
	req = RING_GET_REQUEST(&raw->rx, 2);
	req->flags = flags;
	req->more = more;
	return use_pages(raw);
}

static int run_without_pool(struct raw *raw)
{
	return bad_run(raw, 0, 1);
}

static int run_not_published(struct raw *raw)
{
	return bad_run(raw, VMSGIF_RXF_POOL, 14);
}

static int run_of_too_many(struct raw *raw)
{
	return bad_run(raw, VMSGIF_RXF_POOL, UINT8_MAX);
}

/* Its pages are the fourth and fifth as well; the one behind has an id of theirs. */
static int run_id_reuse(struct raw *raw)
{
	raw_post_good_pages(raw, 16);
	RING_GET_REQUEST(&raw->rx, 2)->flags = VMSGIF_RXF_POOL;
	RING_GET_REQUEST(&raw->rx, 2)->more = 2;
	RING_GET_REQUEST(&raw->rx, 5)->id = RING_GET_REQUEST(&raw->rx, 4)->id;
	return use_pages(raw);
}

/* Both are consumed before the first is answered. */
static int id_reuse(struct raw *raw)
{
	struct vmsgif_tx_request *req;

	raw_get_ready(raw);
	req = raw_send_request(raw, 100);
	raw_send_request(raw, 100)->id = req->id;
	return raw_last_answer(raw);
}

const struct hostile_case hostile_rings[] = {
	{ "reserved-bits", reserved_bits, CLOSED },
	{ "reserved-flag", reserved_flag, CLOSED },
	{ "unknown-kind", unknown_kind, CLOSED },
	{ "ring-overrun", ring_overrun, CLOSED },
	{ "rx-ring-overrun", rx_ring_overrun, CLOSED },
	{ "id-beyond", id_beyond, CLOSED },
	{ "id-reuse", id_reuse, CLOSED },
	{ "rx-reserved-bits", rx_reserved_bits, CLOSED },
	{ "run-without-pool", run_without_pool, CLOSED },
	{ "run-not-published", run_not_published, CLOSED },
	{ "run-of-too-many", run_of_too_many, CLOSED },
	{ "run-id-reuse", run_id_reuse, CLOSED },
	{ NULL, NULL, 0 },
};
