/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What evil-backend writes into the rings: TX answers, messages, events. */
#include "tests/xen/evil.h"

#include <string.h>

#define BEYOND_HALF 0x80000000u

/* --------------------------------------------------------------- TX answers */

/* The answer to the first SEND, with nothing wrong about it. */
static struct vmsgif_tx_response *answer(struct evil *e)
{
	return evil_answer(e, VMSGIF_OP_SEND, e->sends[0]);
}

static void tx_id_beyond(struct evil *e)
{
	answer(e)->id = UINT16_MAX;
}

static void tx_no_request(struct evil *e)
{
	/* Low ids are used first, and nobody has as many under way. */
	answer(e)->id = (uint16_t)(RING_SIZE(&e->tx) - 1);
}

static void tx_twice(struct evil *e)
{
	answer(e);
	answer(e);
}

static void tx_other_kind(struct evil *e)
{
	answer(e)->op = VMSGIF_OP_UNBIND;
}

static void tx_unknown_kind(struct evil *e)
{
	answer(e)->op = UINT8_MAX;
}

static void tx_positive_status(struct evil *e)
{
	answer(e)->status = 1;
}

static void tx_reserved(struct evil *e)
{
	answer(e)->reserved0 = 1;
}

static void tx_reserved_end(struct evil *e)
{
	answer(e)->reserved[47] = 0x80;
}

static void tx_address(struct evil *e)
{
	answer(e)->addr = EVIL_PEER;
}

static void tx_port(struct evil *e)
{
	answer(e)->port = 1;
}

static void tx_overrun(struct evil *e)
{
	e->tx.rsp_prod_pvt = e->tx.sring->req_prod + 1;
}

static void tx_far_overrun(struct evil *e)
{
	e->tx.rsp_prod_pvt += BEYOND_HALF;
}

static void tx_backwards(struct evil *e)
{
	e->tx.rsp_prod_pvt--;
}

/* No violation: -512 and beyond mean something to a kernel that returns from a system call. */
static void tx_odd_status(struct evil *e)
{
	evil_answer(e, VMSGIF_OP_SEND, e->sends[0])->status = INT32_MIN;
	evil_answer(e, VMSGIF_OP_SEND, e->sends[1])->status = -512;
	evil_answer(e, VMSGIF_OP_SEND, e->sends[2]);
	evil_answer(e, VMSGIF_OP_SEND, e->sends[3]);
	e->nr_sends = 0;
}

/* --------------------------------------------------------- RX: the ring, messages */

static void rx_overrun(struct evil *e)
{
	e->rx.rsp_prod_pvt = e->rx.sring->req_prod + 1;
}

static void rx_backwards(struct evil *e)
{
	e->rx.rsp_prod_pvt--;
}

static void both_overrun(struct evil *e)
{
	rx_overrun(e);
	tx_overrun(e);
}

static void rx_wrong_id(struct evil *e)
{
	evil_message(e, 5)->id++;
}

static void rx_id_beyond(struct evil *e)
{
	evil_message(e, 5)->id = UINT16_MAX;
}

static void rx_unbound_port(struct evil *e)
{
	evil_message(e, 5)->port++;
}

static void rx_no_address(struct evil *e)
{
	evil_message(e, 5)->addr = 0;
}

static void rx_no_number(struct evil *e)
{
	evil_message(e, 5)->seq = 0;
}

/* A message in pages. */
static struct vmsgif_rx_response *page_of(struct evil *e, uint32_t len, uint16_t used,
					  uint8_t flags)
{
	struct vmsgif_rx_response *rsp = evil_message(e, len);

	rsp->used = used;
	rsp->flags = flags;
	return rsp;
}

static void rx_too_long(struct evil *e)
{
	page_of(e, e->max_len + 1, VMSGIF_PAGE_SIZE, 0);
}

static void rx_huge(struct evil *e)
{
	page_of(e, UINT32_MAX, VMSGIF_PAGE_SIZE, 0);
}

static void rx_over_credit(struct evil *e)
{
	uint64_t left;

	for (left = e->credit; left >= VMSGIF_PAGE_SIZE; left -= VMSGIF_PAGE_SIZE)
		page_of(e, VMSGIF_PAGE_SIZE - 64, VMSGIF_PAGE_SIZE - 64, 0);
	page_of(e, VMSGIF_PAGE_SIZE - 64, VMSGIF_PAGE_SIZE - 64, 0);
}

static void rx_used_beyond(struct evil *e)
{
	page_of(e, 5000, 5000, 0);
	evil_rx(e, 0); /* its other page */
}

/* What is in the last page, not in the first one. */
static void rx_used_last(struct evil *e)
{
	page_of(e, 5000, 904, 0);
	evil_rx(e, 0);
}

static void rx_used_short(struct evil *e)
{
	page_of(e, 100, 50, 0);
}

static void rx_used_long(struct evil *e)
{
	page_of(e, 100, 200, 0);
}

static void rx_cut(struct evil *e)
{
	page_of(e, 8192, VMSGIF_PAGE_SIZE, 0);
}

static void rx_all_flags(struct evil *e)
{
	evil_message(e, 5)->flags = UINT8_MAX;
}

static void rx_inline_long(struct evil *e)
{
	evil_message(e, VMSGIF_INLINE_MAX + 1);
}

static void rx_inline_used(struct evil *e)
{
	evil_message(e, 5)->used = 5;
}

static void rx_reserved(struct evil *e)
{
	evil_message(e, 5)->each = 1;
}

static void rx_no_pool(struct evil *e)
{
	evil_message(e, 100)->flags = VMSGIF_RXF_MAP;
}

static void rx_mapped_used(struct evil *e)
{
	page_of(e, 100, 100, VMSGIF_RXF_MAP);
}

/* ---------------------------------------------------------------- RX: events */

static void name_in(struct vmsgif_rx_response *rsp, const char *name)
{
	rsp->flags = VMSGIF_RXF_INLINE;
	rsp->len = (uint32_t)strlen(name);
	memcpy(rsp->u.data, name, rsp->len);
}

static void ev_bad_name(struct evil *e)
{
	name_in(evil_rx(e, VMSGIF_RX_PEER_UP), "../alice%n");
}

/* What is in the page that it names is zero. */
static void ev_empty_page(struct evil *e)
{
	struct vmsgif_rx_response *rsp = evil_rx(e, VMSGIF_RX_RESOLVED);

	rsp->len = rsp->used = 10;
}

static void ev_long_name(struct evil *e)
{
	struct vmsgif_rx_response *rsp = evil_rx(e, VMSGIF_RX_RESOLVED);

	rsp->len = rsp->used = VMSGIF_NAME_MAX + 1;
}

static void ev_huge_name(struct evil *e)
{
	struct vmsgif_rx_response *rsp = evil_rx(e, VMSGIF_RX_PEER_UP);

	rsp->len = UINT32_MAX;
	rsp->used = UINT16_MAX;
}

static void ev_unknown(struct evil *e)
{
	evil_rx(e, UINT8_MAX);
}

static void ev_nothing(struct evil *e)
{
	evil_rx(e, 0);
}

static void ev_no_address(struct evil *e)
{
	evil_rx(e, VMSGIF_RX_PEER_DOWN)->addr = 0;
}

static void ev_payload(struct evil *e)
{
	name_in(evil_rx(e, VMSGIF_RX_PEER_DOWN), "alice");
}

static void pool_event(struct evil *e, uint8_t type, uint16_t pool_type, uint16_t id,
		       uint32_t nr_pages)
{
	struct vmsgif_rx_response *rsp = evil_rx(e, type);

	rsp->port = e->bound;
	rsp->u.pool.type = pool_type;
	rsp->u.pool.id = id;
	rsp->u.pool.nr_pages = nr_pages;
	rsp->u.pool.ref = UINT32_MAX;
}

/* None of these is a violation, as strange as they are. */
static void ev_strange(struct evil *e)
{
	pool_event(e, VMSGIF_RX_POOL_ADD, VMSGIF_POOL_TX, 1, 1);
	pool_event(e, VMSGIF_RX_POOL_ADD, VMSGIF_POOL_MAP, UINT16_MAX, 1);
	pool_event(e, VMSGIF_RX_POOL_ADD, VMSGIF_POOL_MAP, 2, 0);
	pool_event(e, VMSGIF_RX_POOL_ADD, VMSGIF_POOL_MAP, 2, UINT32_MAX);
	/* The process is told of this one, and does not look. */
	pool_event(e, VMSGIF_RX_POOL_ADD, VMSGIF_POOL_MAP, 3, VMSGIF_POOL_PAGES_MAX);
	pool_event(e, VMSGIF_RX_POOL_ADD, VMSGIF_POOL_MAP, 3, 1);
	pool_event(e, VMSGIF_RX_POOL_DEL, VMSGIF_POOL_MAP, 4, 1);
	pool_event(e, VMSGIF_RX_POOL_GONE, VMSGIF_POOL_MAP, 5, 1);
	pool_event(e, VMSGIF_RX_POOL_GONE, VMSGIF_POOL_MAP, UINT16_MAX, 1);
	name_in(evil_rx(e, VMSGIF_RX_PEER_UP), "nobody");
	name_in(evil_rx(e, VMSGIF_RX_RESOLVED), "");
	evil_rx(e, VMSGIF_RX_PEER_DOWN);
	evil_rx(e, VMSGIF_RX_BAD_PAGE)->addr = 0;
}

/* -------------------------------------------------------------------- cases */

/* clang-format off */
const struct evil_case evil_ring_cases[] = {
	{ .name = "tx-id-beyond", .outcome = "broken", .run = tx_id_beyond, .reason = "TX response with an id that is none" },
	{ .name = "tx-no-request", .outcome = "broken", .run = tx_no_request, .reason = "TX response to no request" },
	{ .name = "tx-twice", .outcome = "broken", .run = tx_twice, .reason = "TX response to no request" },
	{ .name = "tx-other-kind", .outcome = "broken", .run = tx_other_kind, .reason = "TX response of another kind than the request" },
	{ .name = "tx-unknown-kind", .outcome = "broken", .run = tx_unknown_kind, .reason = "TX response of another kind than the request" },
	{ .name = "tx-positive-status", .outcome = "broken", .run = tx_positive_status, .reason = "bad TX response" },
	{ .name = "tx-reserved", .outcome = "broken", .run = tx_reserved, .reason = "bad TX response" },
	{ .name = "tx-reserved-end", .outcome = "broken", .run = tx_reserved_end, .reason = "bad TX response" },
	{ .name = "tx-address", .outcome = "broken", .run = tx_address, .reason = "TX response with an address" },
	{ .name = "tx-port", .outcome = "broken", .run = tx_port, .reason = "TX response with an address" },
	{ .name = "tx-overrun", .outcome = "broken", .run = tx_overrun, .reason = "more TX responses than requests" },
	{ .name = "tx-far-overrun", .outcome = "broken", .run = tx_far_overrun, .reason = "more TX responses than requests" },
	{ .name = "tx-backwards", .outcome = "broken", .run = tx_backwards, .reason = "more TX responses than requests" },
	{ .name = "rx-overrun", .outcome = "broken", .run = rx_overrun, .reason = "more RX responses than requests" },
	{ .name = "rx-backwards", .outcome = "broken", .run = rx_backwards, .reason = "more RX responses than requests" },
	{ .name = "both-overrun", .outcome = "broken", .run = both_overrun, .reason = "more TX responses than requests" },
	{ .name = "rx-wrong-id", .outcome = "broken", .run = rx_wrong_id, .reason = "RX response out of order" },
	{ .name = "rx-id-beyond", .outcome = "broken", .run = rx_id_beyond, .reason = "RX response out of order" },
	{ .name = "rx-unbound-port", .outcome = "broken", .run = rx_unbound_port, .reason = "message to a port that is not bound" },
	{ .name = "rx-no-address", .outcome = "broken", .run = rx_no_address, .reason = "message without an address or a number" },
	{ .name = "rx-no-number", .outcome = "broken", .run = rx_no_number, .reason = "message without an address or a number" },
	{ .name = "rx-too-long", .outcome = "broken", .run = rx_too_long, .reason = "message longer than its port takes" },
	{ .name = "rx-huge", .outcome = "broken", .run = rx_huge, .reason = "message longer than its port takes" },
	{ .name = "rx-over-credit", .outcome = "broken", .run = rx_over_credit, .reason = "message over the credit of its port" },
	{ .name = "rx-used-beyond", .outcome = "broken", .run = rx_used_beyond, .reason = "bad page of a message" },
	{ .name = "rx-used-short", .outcome = "broken", .run = rx_used_short, .reason = "bad page of a message" },
	{ .name = "rx-used-long", .outcome = "broken", .run = rx_used_long, .reason = "bad page of a message" },
	{ .name = "rx-used-last", .outcome = "broken", .run = rx_used_last, .reason = "bad page of a message" },
	{ .name = "rx-cut", .outcome = "broken", .run = rx_cut, .reason = "message cut" },
	{ .name = "rx-all-flags", .outcome = "broken", .run = rx_all_flags, .reason = "bad page of a message" },
	{ .name = "rx-inline-long", .outcome = "broken", .run = rx_inline_long, .reason = "bad inline message" },
	{ .name = "rx-inline-used", .outcome = "broken", .run = rx_inline_used, .reason = "bad inline message" },
	{ .name = "rx-reserved", .outcome = "broken", .run = rx_reserved, .reason = "bad inline message" },
	{ .name = "rx-no-pool", .outcome = "broken", .run = rx_no_pool, .reason = "map-mode message outside of a mapped pool" },
	{ .name = "rx-mapped-used", .outcome = "broken", .run = rx_mapped_used, .reason = "bad map-mode message" },
	{ .name = "ev-bad-name", .outcome = "broken", .run = ev_bad_name, .reason = "event with a name that is none" },
	{ .name = "ev-empty-page", .outcome = "broken", .run = ev_empty_page, .reason = "event with a name that is none" },
	{ .name = "ev-long-name", .outcome = "broken", .run = ev_long_name, .reason = "bad event with a name" },
	{ .name = "ev-huge-name", .outcome = "broken", .run = ev_huge_name, .reason = "bad event with a name" },
	{ .name = "ev-unknown", .outcome = "broken", .run = ev_unknown, .reason = "RX response of an unknown kind" },
	{ .name = "ev-nothing", .outcome = "broken", .run = ev_nothing, .reason = "RX response of an unknown kind" },
	{ .name = "ev-no-address", .outcome = "broken", .run = ev_no_address, .reason = "bad RX response" },
	{ .name = "ev-payload", .outcome = "broken", .run = ev_payload, .reason = "bad RX response" },
	{ .name = "ev-strange", .outcome = "lives", .run = ev_strange },
	{ .name = "tx-odd-status", .outcome = "odd", .run = tx_odd_status },
};
/* clang-format on */

const unsigned int evil_nr_ring_cases = sizeof(evil_ring_cases) / sizeof(evil_ring_cases[0]);
