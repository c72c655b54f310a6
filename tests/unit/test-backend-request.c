// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Validation of slots: each rule of vmsgif.h, kept and broken. Those of
 * payload are in test-backend-payload.c.
 */
#include "tests/mix.h"
#include "tests/unit/backend-slots.h"

#include <stdlib.h>

static const struct vmsgif_tx_request *const good[] = {
	&send_inline,  &send_segs,    &send_indirect, &send_map, &bind_service, &subscribe,
	&resolve_name, &resolve_addr, &pool_tx,	      &pool_map, &pool_del,	&pool_ack,
	&release,      &unbind,	      &credit,	      &ready,
};
#define NR_GOOD (int)(sizeof(good) / sizeof(good[0]))

START_TEST(good_ones_pass)
{
	slot = *good[_i];
	ok();
	ck_assert_uint_eq(req.op, slot.op);
	ck_assert_uint_eq(req.id, slot.id);
	ck_assert_uint_eq(req.addr, slot.addr);
	ck_assert_uint_eq(req.port, slot.port);
	ck_assert_uint_eq(req.len, slot.len);
}
END_TEST

START_TEST(fields_arrive)
{
	slot = send_inline;
	ok();
	ck_assert_int_eq(req.form, REQUEST_INLINE);
	ck_assert_uint_eq(req.seq, 11);
	ck_assert_uint_eq(req.src_port, 9);
	ck_assert(!req.lazy);
	ck_assert_mem_eq(req.data, "hello", 5);

	slot = send_segs;
	slot.flags = VMSGIF_TXF_POOL;
	ok();
	ck_assert_int_eq(req.form, REQUEST_SEGS);
	ck_assert(req.pooled);
	ck_assert_uint_eq(req.nr_segs, 2);
	ck_assert_mem_eq(req.segs, slot.u.seg, sizeof(req.segs));

	slot = send_indirect;
	ok();
	ck_assert_int_eq(req.form, REQUEST_INDIRECT);
	ck_assert(req.lazy && !req.pooled);
	ck_assert_uint_eq(req.list_ref, 44);
	ck_assert_uint_eq(req.nr_segs, 5);

	slot = send_map;
	ok();
	ck_assert_int_eq(req.form, REQUEST_MAP);
	ck_assert_uint_eq(req.map_id, 63);
	ck_assert_uint_eq(req.map_offset, 100);

	slot = bind_service;
	ok();
	ck_assert_uint_eq(req.max_len, MAX);
	ck_assert_uint_eq(req.credit, 1u << 20);
	ck_assert_uint_eq(req.src_port, 0);
	ck_assert_uint_eq(req.seq, 0);

	slot = subscribe;
	slot.flags |= VMSGIF_TXF_CANCEL;
	ok();
	ck_assert(req.cancel);

	slot = pool_map;
	ok();
	ck_assert_uint_eq(req.src_port, 8);
	ck_assert_mem_eq(&req.pool, &slot.u.pool, sizeof(req.pool));

	slot = release;
	ok();
	ck_assert_uint_eq(req.seq, 99);
	ck_assert_int_eq(req.form, REQUEST_NONE);
}
END_TEST

/* Fields of the slot that a kind does not use, one at a time. */
static bool uses_port(uint8_t op)
{
	return op == VMSGIF_OP_SEND || op == VMSGIF_OP_RELEASE || op == VMSGIF_OP_BIND ||
	       op == VMSGIF_OP_UNBIND || op == VMSGIF_OP_CREDIT;
}

START_TEST(reserved_fields)
{
	const struct vmsgif_tx_request *base = good[_i];
	uint8_t op = base->op;
	bool map_add = op == VMSGIF_OP_POOL_ADD && base->u.pool.type == VMSGIF_POOL_MAP;

	if (op != VMSGIF_OP_SEND) {
		slot = *base;
		slot.each = 8;
		hostile();
	}
	slot = *base;
	slot.id = SLOTS;
	hostile();
	for (unsigned int bit = 6; bit < 8; bit++) {
		slot = *base;
		slot.flags |= (uint8_t)(1 << bit);
		hostile();
	}
	if (op != VMSGIF_OP_SEND && op != VMSGIF_OP_RELEASE && op != VMSGIF_OP_RESOLVE &&
	    op != VMSGIF_OP_POOL_ACK && !map_add) {
		slot = *base;
		slot.addr = 1;
		hostile();
	}
	if (!uses_port(op) && !map_add) {
		slot = *base;
		slot.port = 1;
		hostile();
	}
	if (op != VMSGIF_OP_SEND && op != VMSGIF_OP_BIND && !map_add) {
		slot = *base;
		slot.src_port = 1;
		hostile();
	}
	if (op != VMSGIF_OP_SEND && op != VMSGIF_OP_RELEASE && op != VMSGIF_OP_BIND &&
	    op != VMSGIF_OP_CREDIT) {
		slot = *base;
		slot.seq = 1;
		hostile();
	}
	/* The last octet belongs to the payload of no good one here. */
	slot = *base;
	slot.u.data[VMSGIF_INLINE_MAX - 1] = 1;
	hostile();
}
END_TEST

START_TEST(reserved_payload)
{
	static const struct vmsgif_tx_request *const bare[] = { &release,  &unbind,  &credit,
								&ready,	   &pool_tx, &pool_map,
								&pool_del, &pool_ack };

	for (unsigned int i = 0; i < sizeof(bare) / sizeof(bare[0]); i++) {
		slot = *bare[i];
		slot.len = 1;
		hostile();
		slot = *bare[i];
		slot.nr_segs = 1;
		hostile();
		for (unsigned int flag = 0; flag < 8; flag++) {
			slot = *bare[i];
			slot.flags = (uint8_t)(1 << flag);
			hostile();
		}
	}
	slot = ready;
	slot.u.data[0] = 1;
	hostile();
	slot = release;
	slot.u.map.id = 1;
	hostile();
	slot = release;
	slot.u.map.offset = 1;
	hostile();
	slot = release;
	slot.u.data[sizeof(slot.u.map)] = 1;
	hostile();
}
END_TEST

/* The numbers of messages begin with 1. */
START_TEST(release_of_several)
{
	slot = release;
	slot.seq = 8;
	slot.u.map.more = 7;
	ok();
	ck_assert_uint_eq(req.seq, 8);
	ck_assert_uint_eq(req.map_more, 7);
	slot.u.map.more = 8;
	refused(VMSGIF_EINVAL);
	slot.seq = UINT64_MAX;
	slot.u.map.more = UINT16_MAX;
	ok();
}
END_TEST

START_TEST(kinds_and_ids)
{
	slot = ready;
	slot.op = 0;
	hostile();
	slot.op = VMSGIF_OP_MAX + 1;
	hostile();
	slot.op = 255;
	hostile();
	slot = ready;
	slot.id = SLOTS - 1;
	ok();
	slot.id = UINT16_MAX;
	hostile();
}
END_TEST

START_TEST(send_limits)
{
	slot = send_indirect;
	slot.len = MAX;
	ok();
	slot.len = MAX + 1;
	refused(VMSGIF_EMSGSIZE);
	slot.len = UINT32_MAX;
	refused(VMSGIF_EMSGSIZE);
	slot = send_inline;
	slot.addr = 0;
	refused(VMSGIF_EINVAL);
	slot = send_inline;
	slot.port = 0;
	refused(VMSGIF_EINVAL);
	slot = send_inline;
	slot.seq = 0;
	refused(VMSGIF_EINVAL);
	/* Garbage that is too long as well is garbage. */
	slot = send_segs;
	slot.len = UINT32_MAX;
	slot.flags |= 0x80;
	hostile();
}
END_TEST

/* A batch: @len bytes in whole pages, messages of @each bytes. */
static void make_batch(uint32_t len, uint16_t each)
{
	if (len > VMSGIF_SEGS_MAX * VMSGIF_PAGE_SIZE) {
		slot = send_indirect;
		slot.len = len;
		slot.each = each;
		slot.nr_segs = (uint16_t)((len + VMSGIF_PAGE_SIZE - 1) / VMSGIF_PAGE_SIZE);
		return;
	}
	slot = send_segs;
	memset(&slot.u, 0, sizeof(slot.u));
	slot.len = len;
	slot.each = each;
	slot.nr_segs = 0;
	while (len) {
		struct vmsgif_segment *seg = &slot.u.seg[slot.nr_segs++];

		seg->ref = slot.nr_segs;
		seg->len = (uint16_t)(len < VMSGIF_PAGE_SIZE ? len : VMSGIF_PAGE_SIZE);
		len -= seg->len;
	}
}

START_TEST(batches)
{
	static const struct {
		uint32_t len;
		uint16_t each;
	} bad[] = {
		{ 64, 64 },
		{ 64, 72 },
		{ 64, 12 },
		{ 64, 1 },
		{ 257 * 8, 8 },
		{ 2049, 8 },
		/* Those with a list. */
		{ 20480, 20480 },
		{ 20480, 20488 },
		{ 20480, 1020 },
		{ 20480, 1 },
		{ 257 * 128, 128 },
		{ VMSGIF_BATCH_BYTES, 248 },
		{ VMSGIF_BATCH_BYTES + 1, 4096 },
		{ VMSGIF_BATCH_BYTES + 8, 4096 },
		{ MAX, 4096 },
		{ MAX, 32768 },
	};

	make_batch(16, 8);
	ck_assert(request_parse_segs(&slot, SLOTS, MAX, &req));
	ck_assert_int_eq(parse(), VERDICT_OK);
	ck_assert_uint_eq(req.each, 8);
	ck_assert_uint_eq(req.form, REQUEST_SEGS);
	make_batch(16384, 64);
	ck_assert_int_eq(parse(), VERDICT_OK);
	ck_assert_uint_eq(req.form, REQUEST_SEGS);
	make_batch(16384 + 8, 4096);
	ck_assert_int_eq(parse(), VERDICT_OK);
	ck_assert_uint_eq(req.form, REQUEST_INDIRECT);
	ck_assert_uint_eq(req.nr_segs, 5);
	ck_assert_uint_eq(req.each, 4096);
	make_batch(VMSGIF_BATCH_BYTES, 256);
	ck_assert_int_eq(parse(), VERDICT_OK);
	ck_assert_uint_eq(req.nr_segs, 16);
	ck_assert_uint_eq(req.each, 256);
	/* The last one is shorter. */
	make_batch(VMSGIF_BATCH_BYTES - 1, 4096);
	ck_assert_int_eq(parse(), VERDICT_OK);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		make_batch(bad[i].len, bad[i].each);
		refused(VMSGIF_EINVAL);
		ck_assert(!request_parse_segs(&slot, SLOTS, MAX, &req));
	}
	/* As any list, of more segments than a slot has room for. */
	make_batch(VMSGIF_BATCH_BYTES, 4096);
	slot.nr_segs = VMSGIF_SEGS_MAX;
	refused(VMSGIF_EINVAL);
	slot.nr_segs = VMSGIF_INDIRECT_MAX + 1;
	refused(VMSGIF_EINVAL);
	/* In segments only. */
	slot = send_inline;
	slot.each = 8;
	refused(VMSGIF_EINVAL);
	slot = send_map;
	slot.each = 8;
	refused(VMSGIF_EINVAL);
}
END_TEST

START_TEST(ports)
{
	slot = bind_service;
	slot.port = 0;
	refused(VMSGIF_EINVAL);
	slot = bind_service;
	slot.max_len = MAX + 1;
	refused(VMSGIF_EMSGSIZE);
	slot = bind_service;
	slot.len = 0;
	hostile(); /* bytes behind the length */
	memset(&slot.u, 0, sizeof(slot.u));
	ok();
	ck_assert_int_eq(req.form, REQUEST_NONE);
	slot.flags = 0;
	ok();
	ck_assert_int_eq(req.form, REQUEST_NONE);
	slot = unbind;
	slot.port = 0;
	refused(VMSGIF_EINVAL);
	slot = credit;
	slot.port = 0;
	refused(VMSGIF_EINVAL);
}
END_TEST

START_TEST(pools)
{
	slot = pool_tx;
	slot.u.pool.type = 0;
	refused(VMSGIF_EINVAL);
	slot.u.pool.type = 4;
	refused(VMSGIF_EINVAL);
	slot = pool_tx;
	slot.u.pool.type = VMSGIF_POOL_RX;
	ok();
	slot.u.pool.nr_pages = 0;
	refused(VMSGIF_EINVAL);
	slot.u.pool.nr_pages = 1025;
	refused(VMSGIF_EINVAL);
	slot = pool_tx;
	slot.u.pool.id = 1;
	hostile();
	slot = pool_tx;
	slot.addr = 1;
	hostile();
	slot = pool_tx;
	slot.u.pool.status = -1;
	hostile();
	slot = pool_map;
	slot.u.pool.id = 64;
	refused(VMSGIF_EINVAL);
	slot = pool_map;
	slot.addr = 0;
	refused(VMSGIF_EINVAL);
	slot = pool_map;
	slot.port = 0;
	refused(VMSGIF_EINVAL);
	slot = pool_map;
	slot.src_port = 0;
	refused(VMSGIF_EINVAL);
	slot = pool_del;
	slot.u.pool.ref = 1;
	hostile();
	slot = pool_del;
	slot.u.pool.nr_pages = 1;
	hostile();
	slot = pool_del;
	slot.u.pool = (struct vmsgif_pool){ .type = VMSGIF_POOL_RX };
	ok();
	slot.u.pool.id = 1;
	hostile();
	slot = pool_ack;
	slot.addr = 0;
	refused(VMSGIF_EINVAL);
	slot = pool_ack;
	slot.u.pool.status = 1;
	refused(VMSGIF_EINVAL);
	slot = pool_ack;
	slot.u.pool.type = VMSGIF_POOL_TX;
	slot.u.pool.id = 0;
	refused(VMSGIF_EINVAL);
}
END_TEST

static const struct vmsgif_tx_request send_simple = {
	.op = VMSGIF_OP_SEND,
	.flags = VMSGIF_TXF_POOL,
	.id = 4,
	.addr = 0x10002,
	.port = 7,
	.src_port = 8,
	.seq = 12,
	.len = 10,
	.nr_segs = 1,
	.u.seg = { { 9, 4086, 10 } },
};

static const struct vmsgif_tx_request send_batch = {
	.op = VMSGIF_OP_SEND,
	.flags = VMSGIF_TXF_POOL,
	.id = 5,
	.addr = 0x10002,
	.port = 7,
	.seq = 1000,
	.len = 64000,
	.nr_segs = 2,
	.each = 1024,
	.u.seg = { { 9, 4000, 32768 }, { 100, 8, 31232 } },
};

/* @v and req are what the long way makes of the slot: @quick, if it is one, is the same. */
static void expect_same(bool is_one, enum verdict v, const struct request *quick)
{
	if (is_one && (v != VERDICT_OK ||
		       memcmp(quick, &req, offsetof(struct request, cancel) + sizeof(req.cancel))))
		ck_abort_msg("a short way sees something else");
}

/* Returns whether a short way is one for this slot; it has to be what the long way is. */
static bool ways_agree(void)
{
	struct request by_simple, by_segs, by_tiny;
	bool simple = request_parse_simple(&slot, SLOTS, MAX, &by_simple);
	bool segs = request_parse_segs(&slot, SLOTS, MAX, &by_segs);
	bool tiny = request_parse_tiny(&slot, SLOTS, MAX, &by_tiny);
	enum verdict v = parse();

	expect_same(simple, v, &by_simple);
	expect_same(segs, v, &by_segs);
	expect_same(tiny, v, &by_tiny);
	if (v == VERDICT_OK && req.op == VMSGIF_OP_SEND) {
		ck_assert_int_eq(segs, req.form == REQUEST_SEGS);
		ck_assert_int_eq(simple, segs && req.nr_segs == 1 && !req.each &&
						 req.segs[0].offset + req.segs[0].len <= 4096);
		ck_assert_int_eq(tiny, req.form == REQUEST_INLINE);
	}
	return simple || segs || tiny;
}

static uint8_t *slot_byte(uint64_t at)
{
	return (uint8_t *)&slot + at % sizeof(slot);
}

/* Any byte changed to anything, and any two that sit together or are drawn. */
START_TEST(the_short_ways_agree)
{
	static const struct vmsgif_tx_request *const shorts[] = { &send_simple, &send_inline,
								  &send_batch, &send_segs };
	unsigned int simple = 0;

	for (unsigned int i = 0; i < 4 * sizeof(slot) * 256; i++) {
		slot = *shorts[i / 256 % 4];
		*slot_byte(i / 1024) = (uint8_t)i;
		simple += ways_agree();
	}
	for (uint64_t i = 0; i < 300000; i++) {
		uint64_t r = mix_hash(i);

		slot = i % 2 ? *shorts[r >> 48 & 3] : *good[r >> 32 & (i % 4 ? NR_GOOD - 1 : 0)];
		*slot_byte(r) = (uint8_t)(r >> 8);
		*slot_byte(i % 3 ? r + 1 : r >> 16) = (uint8_t)(r >> 24);
		simple += ways_agree();
	}
	/* Ports, addresses, numbers: much may be anything. */
	ck_assert_uint_gt(simple, 10000);
	for (int i = 0; i < NR_GOOD; i++) {
		slot = *good[i];
		ck_assert_int_eq(ways_agree(), good[i] == &send_inline || good[i] == &send_segs);
	}
}
END_TEST

static Suite *request_suite(void)
{
	Suite *s = suite_create("backend-request");
	TCase *t = tcase_create("request");

	tcase_add_loop_test(t, good_ones_pass, 0, NR_GOOD);
	tcase_add_loop_test(t, reserved_fields, 0, NR_GOOD);
	tcase_add_test(t, fields_arrive);
	tcase_add_test(t, reserved_payload);
	tcase_add_test(t, release_of_several);
	tcase_add_test(t, batches);
	tcase_add_test(t, kinds_and_ids);
	tcase_add_test(t, send_limits);
	tcase_add_test(t, ports);
	tcase_add_test(t, pools);
	tcase_add_test(t, the_short_ways_agree);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(request_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
