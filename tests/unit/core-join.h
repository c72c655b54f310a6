/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests about SENDs that are open: a device with a port, and batches to send from it. */
#ifndef TESTS_UNIT_CORE_JOIN_H
#define TESTS_UNIT_CORE_JOIN_H

#include "frontend/core/quick.h"
#include "tests/unit/core-bed.h"

#include <stdlib.h>
#include <string.h>

#define EACH   64u
#define MEMORY 65536u
#define CALL   2048u /* bytes of a batch, unless the test says otherwise */
#define LAST   7u    /* cookie of the last one posted alone, at first */

static struct cbed bed;
static struct vmsg_port *port;
static unsigned int free_pages;
static uint8_t bytes[2 * VMSGIF_BATCH_BYTES];
static uint8_t out[VMSGIF_BATCH_BYTES];
static uint32_t at;   /* bytes of these that were sent */
static uint64_t seq;  /* of the last message */
static uint64_t told; /* the cookie that vmsg_join() told */
static uint16_t pages[VMSGIF_SEGS_MAX + 1];

static inline void setup(void)
{
	cbed_defaults(&bed);
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_port(&bed, MEMORY);
	cbed_fill(bytes, sizeof(bytes), 1);
	cbed_forget_events(&bed);
	free_pages = vmsg_tx_pages_free(bed.v);
	at = 0;
}

static inline void teardown(void)
{
	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
}

static inline struct vmsg_send batch(uint32_t len)
{
	return (struct vmsg_send){
		.addr = CBED_PEER,
		.port = CBED_PORT,
		.len = len,
		.each = EACH,
		.form = VMSG_PAGES,
		.lazy = true,
		.quiet = true,
		.open = true,
		.cookie = LAST,
	};
}

/* Takes pages for @send and fills them with what comes next. */
static inline void with_pages(struct vmsg_send *send, struct vmsgif_segment *segs)
{
	unsigned int nr = (send->len + VMSGIF_PAGE_SIZE - 1) / VMSGIF_PAGE_SIZE;

	ck_assert_uint_le(nr, VMSGIF_SEGS_MAX);
	ck_assert_int_eq(vmsg_tx_pages_get(bed.v, port, nr, pages), 0);
	for (unsigned int i = 0; i < nr; i++) {
		uint32_t left = send->len - i * VMSGIF_PAGE_SIZE;

		segs[i] = (struct vmsgif_segment){
			.ref = pages[i],
			.len = (uint16_t)(left < VMSGIF_PAGE_SIZE ? left : VMSGIF_PAGE_SIZE),
		};
		memcpy(bed.tx_pages[pages[i]], bytes + at + i * VMSGIF_PAGE_SIZE, segs[i].len);
	}
	send->segs = segs;
	send->nr_segs = nr;
}

/* As a SEND of its own. */
static inline void post(struct vmsg_send send)
{
	struct vmsgif_segment segs[VMSGIF_SEGS_MAX];

	with_pages(&send, segs);
	ck_assert_int_eq(vmsg_send(bed.v, port, &send, &seq), 0);
	at += send.len;
}

static inline bool join_by(struct vmsg_port *from, struct vmsg_send send)
{
	struct vmsgif_segment segs[VMSGIF_SEGS_MAX];
	uint64_t before = seq;

	with_pages(&send, segs);
	send.cookie = 99; /* means nothing */
	if (vmsg_join(bed.v, from, &send, &told, &seq)) {
		ck_assert_uint_eq(seq, before + VMSGIF_BATCH_COUNT(send.len, send.each));
		at += send.len;
		return true;
	}
	ck_assert_uint_eq(seq, before);
	/* They are still the caller's. */
	for (unsigned int i = 0; i < send.nr_segs; i++)
		ck_assert(vmsg_pages_callers(bed.v, pages[i]));
	vmsg_tx_pages_put(bed.v, from, send.nr_segs, pages);
	return false;
}

static inline bool join(struct vmsg_send send)
{
	return join_by(port, send);
}

/* It is of @len bytes up to the last one sent, in @nr segments. */
static inline struct vmsgif_tx_request check(struct vmsgif_tx_request req, uint32_t len,
					     unsigned int nr)
{
	ck_assert_uint_eq(req.len, len);
	ck_assert_uint_eq(req.nr_segs, nr);
	ck_assert_uint_eq(req.each, EACH);
	ck_assert_uint_eq(req.seq, seq);
	ck_assert(req.flags & VMSGIF_TXF_LAZY);
	ck_assert_uint_eq(req.addr, CBED_PEER);
	ck_assert_uint_eq(req.port, CBED_PORT);
	cbed_payload(&bed, &req, out);
	ck_assert_mem_eq(out, bytes + at - len, len);
	return req;
}

static inline struct vmsgif_tx_request expect(uint32_t len, unsigned int nr)
{
	return check(cbed_expect(&bed, VMSGIF_OP_SEND), len, nr);
}

static inline void answer(const struct vmsgif_tx_request *req, uint64_t cookie, int status)
{
	struct cbed_event event;

	cbed_answered(&bed, req, status);
	event = cbed_expect_event(&bed, CBED_SEND_DONE);
	ck_assert_uint_eq(event.cookie, cookie);
	ck_assert_int_eq(event.status, status);
}

static inline void nothing_left(void)
{
	cbed_expect_none(&bed);
	cbed_no_event(&bed);
	ck_assert_uint_eq(vmsg_unanswered(port), 0);
	ck_assert_uint_eq(vmsg_tx_pages_free(bed.v), free_pages);
}

#endif
