// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Validation of slots, lists, names and directories: each rule of vmsgif.h,
 * kept and broken.
 */
#include "backend/guest/request.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define SLOTS 64
#define MAX   65536

static struct vmsgif_tx_request slot;
static struct request req;
static struct reject why;

static enum verdict parse(void)
{
	return request_parse(&slot, SLOTS, MAX, &req, &why);
}

static void ok(void)
{
	ck_assert_msg(parse() == VERDICT_OK, "%s", why.reason);
}

static void refused(int status)
{
	ck_assert_int_eq(parse(), VERDICT_REFUSE);
	ck_assert_int_eq(why.status, status);
	ck_assert_ptr_nonnull(why.reason);
	/* What is needed to answer it is there. */
	ck_assert_uint_eq(req.op, slot.op);
	ck_assert_uint_eq(req.id, slot.id);
}

static void hostile(void)
{
	ck_assert_int_eq(parse(), VERDICT_HOSTILE);
	ck_assert_ptr_nonnull(why.reason);
}

static const struct vmsgif_tx_request send_inline = {
	.op = VMSGIF_OP_SEND,
	.flags = VMSGIF_TXF_INLINE,
	.id = 3,
	.addr = 0x10002,
	.port = 7,
	.src_port = 9,
	.seq = 11,
	.len = 5,
	.u.data = "hello",
};

static const struct vmsgif_tx_request send_segs = {
	.op = VMSGIF_OP_SEND,
	.id = 4,
	.addr = 0x10002,
	.port = 7,
	.seq = 12,
	.len = 4096 + 10,
	.nr_segs = 2,
	.u.seg = { { 8, 0, 4096 }, { 9, 4086, 10 } },
};

static const struct vmsgif_tx_request send_indirect = {
	.op = VMSGIF_OP_SEND,
	.flags = VMSGIF_TXF_INDIRECT | VMSGIF_TXF_LAZY,
	.addr = 0x10002,
	.port = 7,
	.seq = 13,
	.len = 20000,
	.nr_segs = 5,
	.u.indirect.ref = 44,
};

static const struct vmsgif_tx_request send_map = {
	.op = VMSGIF_OP_SEND,
	.flags = VMSGIF_TXF_MAP,
	.addr = 0x10002,
	.port = 7,
	.seq = 14,
	.len = 5000,
	.u.map = { 63, 0, 100 },
};

static const struct vmsgif_tx_request bind_service = {
	.op = VMSGIF_OP_BIND,
	.flags = VMSGIF_TXF_INLINE,
	.port = 7,
	.max_len = MAX,
	.credit = 1u << 20,
	.len = 4,
	.u.data = "echo",
};

static const struct vmsgif_tx_request subscribe = {
	.op = VMSGIF_OP_SUBSCRIBE,
	.flags = VMSGIF_TXF_INLINE,
	.len = 3,
	.u.data = "bob",
};

static const struct vmsgif_tx_request resolve_name = {
	.op = VMSGIF_OP_RESOLVE,
	.flags = VMSGIF_TXF_INLINE,
	.len = 8,
	.u.data = "echo@bob",
};

static const struct vmsgif_tx_request resolve_addr = {
	.op = VMSGIF_OP_RESOLVE,
	.addr = 0x10002,
};

static const struct vmsgif_tx_request pool_tx = {
	.op = VMSGIF_OP_POOL_ADD,
	.u.pool = { .ref = 5, .type = VMSGIF_POOL_TX, .nr_pages = 1024 },
};

static const struct vmsgif_tx_request pool_map = {
	.op = VMSGIF_OP_POOL_ADD,
	.addr = 0x10002,
	.port = 7,
	.src_port = 8,
	.u.pool = { .ref = 5, .id = 63, .type = VMSGIF_POOL_MAP, .nr_pages = 1 },
};

static const struct vmsgif_tx_request pool_del = {
	.op = VMSGIF_OP_POOL_DEL,
	.u.pool = { .id = 1, .type = VMSGIF_POOL_MAP },
};

static const struct vmsgif_tx_request pool_ack = {
	.op = VMSGIF_OP_POOL_ACK,
	.addr = 0x10002,
	.u.pool = { .id = 1, .type = VMSGIF_POOL_MAP, .status = VMSGIF_EFAULT },
};

static const struct vmsgif_tx_request release = {
	.op = VMSGIF_OP_RELEASE,
	.addr = 0x10002,
	.port = 7,
	.seq = 99,
};

static const struct vmsgif_tx_request unbind = { .op = VMSGIF_OP_UNBIND, .port = 7 };
static const struct vmsgif_tx_request credit = {
	.op = VMSGIF_OP_CREDIT,
	.port = 7,
	.credit = UINT64_MAX,
};
static const struct vmsgif_tx_request ready = { .op = VMSGIF_OP_READY };

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

	slot = *base;
	slot.reserved = 1;
	hostile();
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

START_TEST(flags_that_contradict)
{
	static const uint8_t bad[] = {
		VMSGIF_TXF_INLINE | VMSGIF_TXF_INDIRECT,
		VMSGIF_TXF_INLINE | VMSGIF_TXF_MAP,
		VMSGIF_TXF_INDIRECT | VMSGIF_TXF_MAP,
		VMSGIF_TXF_INLINE | VMSGIF_TXF_INDIRECT | VMSGIF_TXF_MAP,
		VMSGIF_TXF_INLINE | VMSGIF_TXF_POOL,
		VMSGIF_TXF_MAP | VMSGIF_TXF_POOL,
		VMSGIF_TXF_CANCEL,
	};

	for (unsigned int i = 0; i < sizeof(bad); i++) {
		slot = send_inline;
		slot.flags = bad[i];
		hostile();
	}
	/* Those of SEND alone. */
	slot = bind_service;
	slot.flags |= VMSGIF_TXF_LAZY;
	hostile();
	slot = bind_service;
	slot.flags = VMSGIF_TXF_MAP;
	hostile();
	slot = resolve_name;
	slot.flags |= VMSGIF_TXF_CANCEL;
	hostile();
}
END_TEST

START_TEST(inline_payload)
{
	slot = send_inline;
	slot.len = 0;
	memset(slot.u.data, 0, sizeof(slot.u.data));
	ok();
	ck_assert_int_eq(req.form, REQUEST_INLINE);
	slot.len = VMSGIF_INLINE_MAX;
	memset(slot.u.data, 0xff, sizeof(slot.u.data));
	ok();
	slot.len = VMSGIF_INLINE_MAX - 1;
	hostile();
	slot.len = VMSGIF_INLINE_MAX + 1;
	refused(VMSGIF_EINVAL);
	slot.nr_segs = 1;
	hostile();
}
END_TEST

START_TEST(segments)
{
	slot = send_segs;
	slot.nr_segs = 1;
	hostile(); /* the second is reserved then */
	slot = send_segs;
	slot.len--;
	refused(VMSGIF_EINVAL);
	slot = send_segs;
	slot.u.seg[1].len = 0;
	refused(VMSGIF_EINVAL);
	slot = send_segs;
	slot.u.seg[1].offset++;
	refused(VMSGIF_EINVAL);
	slot = send_segs;
	slot.u.seg[0].offset = UINT16_MAX;
	slot.u.seg[0].len = UINT16_MAX;
	refused(VMSGIF_EINVAL);
	slot = send_segs;
	slot.nr_segs = 5;
	refused(VMSGIF_EINVAL);
	slot.nr_segs = UINT16_MAX;
	refused(VMSGIF_EINVAL);
	slot = send_segs;
	slot.nr_segs = 0;
	hostile();
	memset(&slot.u, 0, sizeof(slot.u));
	refused(VMSGIF_EINVAL);
	slot.len = 0;
	refused(VMSGIF_EINVAL);
	slot = send_segs;
	slot.flags = VMSGIF_TXF_POOL;
	slot.u.seg[1].ref = VMSGIF_POOL_PAGES_MAX - 1;
	ok();
	slot.u.seg[1].ref = VMSGIF_POOL_PAGES_MAX;
	refused(VMSGIF_EFAULT);
	slot.flags = 0;
	ok();
}
END_TEST

START_TEST(indirect_payload)
{
	slot = send_indirect;
	slot.nr_segs = 4;
	refused(VMSGIF_EINVAL);
	slot.nr_segs = 257;
	ok();
	slot.nr_segs = 258;
	refused(VMSGIF_EINVAL);
	slot = send_indirect;
	slot.u.seg[0].offset = 1;
	hostile();
	slot = send_indirect;
	slot.flags |= VMSGIF_TXF_POOL;
	slot.u.indirect.ref = VMSGIF_POOL_PAGES_MAX - 1;
	ok();
	ck_assert(req.pooled);
	slot.u.indirect.ref = VMSGIF_POOL_PAGES_MAX;
	refused(VMSGIF_EFAULT);
}
END_TEST

START_TEST(map_payload)
{
	slot = send_map;
	slot.len = 0;
	refused(VMSGIF_EINVAL);
	slot = send_map;
	slot.u.map.id = VMSGIF_MAP_POOLS_MAX;
	refused(VMSGIF_EINVAL);
	slot = send_map;
	slot.u.map.offset = VMSGIF_POOL_PAGES_MAX * VMSGIF_PAGE_SIZE - slot.len;
	ok();
	slot.u.map.offset++;
	refused(VMSGIF_EFAULT);
	slot.u.map.offset = UINT32_MAX;
	refused(VMSGIF_EFAULT);
	slot = send_map;
	slot.u.map.reserved = 1;
	hostile();
	slot = send_map;
	slot.nr_segs = 1;
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
	slot.reserved = 1;
	hostile();
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

START_TEST(payload_names)
{
	slot = send_indirect;
	slot.op = VMSGIF_OP_SUBSCRIBE;
	slot.flags = VMSGIF_TXF_INDIRECT;
	slot.addr = slot.port = 0;
	slot.seq = 0;
	slot.len = VMSGIF_NAME_MAX;
	ok();
	slot.len++;
	refused(VMSGIF_EINVAL);
	slot = subscribe;
	slot.len = 0;
	memset(&slot.u, 0, sizeof(slot.u));
	refused(VMSGIF_EINVAL);
	slot = resolve_name;
	slot.addr = 1;
	refused(VMSGIF_EINVAL);
	slot = resolve_addr;
	slot.addr = 0;
	refused(VMSGIF_EINVAL);
	slot = resolve_addr;
	slot.flags = VMSGIF_TXF_INLINE;
	ok();
	ck_assert_int_eq(req.form, REQUEST_NONE);
	slot.flags = VMSGIF_TXF_POOL;
	refused(VMSGIF_EINVAL);
	slot = resolve_addr;
	slot.nr_segs = 1;
	refused(VMSGIF_EINVAL);
	/* A name without a payload's description. */
	slot = (struct vmsgif_tx_request){ .op = VMSGIF_OP_RESOLVE, .len = 3 };
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

START_TEST(lists)
{
	static struct vmsgif_segment segs[VMSGIF_INDIRECT_MAX];
	unsigned int nr = VMSGIF_INDIRECT_MAX;

	for (unsigned int i = 0; i < nr; i++)
		segs[i] = (struct vmsgif_segment){ i, 0, 4096 };
	segs[0] = (struct vmsgif_segment){ 0, 1, 4095 };
	segs[nr - 1].len = 1;
	ck_assert_int_eq(request_check_segments(segs, nr, VMSGIF_MESSAGE_MAX, true, &why),
			 VERDICT_OK);
	ck_assert_int_eq(request_check_segments(segs, nr + 1, VMSGIF_MESSAGE_MAX, true, &why),
			 VERDICT_REFUSE);
	ck_assert_int_eq(request_check_segments(segs, 0, 0, true, &why), VERDICT_REFUSE);
	segs[200].ref = VMSGIF_POOL_PAGES_MAX;
	ck_assert_int_eq(request_check_segments(segs, nr, VMSGIF_MESSAGE_MAX, false, &why),
			 VERDICT_OK);
	ck_assert_int_eq(request_check_segments(segs, nr, VMSGIF_MESSAGE_MAX, true, &why),
			 VERDICT_REFUSE);
	ck_assert_int_eq(why.status, VMSGIF_EFAULT);
	segs[nr - 1].len = 0;
	ck_assert_int_eq(request_check_segments(segs, nr, VMSGIF_MESSAGE_MAX, false, &why),
			 VERDICT_REFUSE);
}
END_TEST

static enum verdict name(const char *text, bool service)
{
	return request_check_name(text, (uint32_t)strlen(text), service, &why);
}

START_TEST(names)
{
	char text[VMSGIF_NAME_MAX + 2];

	ck_assert_int_eq(name("AZaz09._-", false), VERDICT_OK);
	ck_assert_int_eq(name("echo@bob", true), VERDICT_OK);
	ck_assert_int_eq(name("echo@bob", false), VERDICT_REFUSE);
	ck_assert_int_eq(name("bob", true), VERDICT_OK);
	ck_assert_int_eq(name("a@b@c", true), VERDICT_REFUSE);
	ck_assert_int_eq(name("@b", true), VERDICT_REFUSE);
	ck_assert_int_eq(name("a@", true), VERDICT_REFUSE);
	ck_assert_int_eq(name("@", true), VERDICT_REFUSE);
	ck_assert_int_eq(name("", true), VERDICT_REFUSE);
	for (int c = 0; c < 256; c++) {
		bool good_one = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				(c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';

		text[0] = (char)c;
		ck_assert_int_eq(request_check_name(text, 1, false, &why),
				 good_one ? VERDICT_OK : VERDICT_REFUSE);
	}
	memset(text, 'x', sizeof(text));
	ck_assert_int_eq(request_check_name(text, VMSGIF_NAME_MAX, false, &why), VERDICT_OK);
	ck_assert_int_eq(request_check_name(text, VMSGIF_NAME_MAX + 1, false, &why),
			 VERDICT_REFUSE);
	ck_assert_int_eq(why.status, VMSGIF_EINVAL);
}
END_TEST

START_TEST(posted_pages)
{
	struct vmsgif_rx_request rx = { .id = SLOTS - 1, .flags = VMSGIF_RXF_POOL, .ref = 77 };
	struct rx_page page;

	ck_assert_int_eq(rx_request_parse(&rx, SLOTS, &page, &why), VERDICT_OK);
	ck_assert_uint_eq(page.id, SLOTS - 1);
	ck_assert(page.pooled);
	ck_assert_uint_eq(page.ref, 77);
	rx.flags = 0;
	ck_assert_int_eq(rx_request_parse(&rx, SLOTS, &page, &why), VERDICT_OK);
	ck_assert(!page.pooled);
	rx.id = SLOTS;
	ck_assert_int_eq(rx_request_parse(&rx, SLOTS, &page, &why), VERDICT_HOSTILE);
	rx.id = 0;
	rx.flags = VMSGIF_RXF_MORE;
	ck_assert_int_eq(rx_request_parse(&rx, SLOTS, &page, &why), VERDICT_HOSTILE);
	rx.flags = 0;
	rx.reserved0 = 1;
	ck_assert_int_eq(rx_request_parse(&rx, SLOTS, &page, &why), VERDICT_HOSTILE);
	rx.reserved0 = 0;
	for (unsigned int i = 0; i < sizeof(rx.reserved); i++) {
		rx.reserved[i] = 0x80;
		ck_assert_int_eq(rx_request_parse(&rx, SLOTS, &page, &why), VERDICT_HOSTILE);
		rx.reserved[i] = 0;
	}
}
END_TEST

static uint32_t refs[VMSGIF_POOL_PAGES_MAX], scratch[VMSGIF_POOL_PAGES_MAX];

static enum verdict directory(unsigned int nr)
{
	return directory_check(refs, nr, scratch, &why);
}

START_TEST(directories)
{
	unsigned int nr = (unsigned int)_i;

	memset(refs, 0, sizeof(refs));
	/* Neither ascending nor descending. */
	for (unsigned int i = 0; i < nr; i++)
		refs[i] = (i * 2654435761u) | 1;
	ck_assert_int_eq(directory(nr), VERDICT_OK);
	for (unsigned int i = 1; i < nr; i++)
		ck_assert_uint_lt(scratch[i - 1], scratch[i]);
	if (nr < VMSGIF_POOL_PAGES_MAX) {
		refs[nr] = 1;
		ck_assert_int_eq(directory(nr), VERDICT_REFUSE);
		refs[nr] = 0;
	}
	if (nr > 1) {
		refs[nr - 1] = refs[nr / 2 - 1];
		ck_assert_int_eq(directory(nr), VERDICT_REFUSE);
		ck_assert_int_eq(why.status, VMSGIF_EINVAL);
	}
}
END_TEST

START_TEST(directory_bounds)
{
	memset(refs, 0, sizeof(refs));
	ck_assert_int_eq(directory(0), VERDICT_REFUSE);
	ck_assert_int_eq(directory(VMSGIF_POOL_PAGES_MAX + 1), VERDICT_REFUSE);
	/* The last one of the page counts too. */
	refs[VMSGIF_POOL_PAGES_MAX - 1] = 1;
	ck_assert_int_eq(directory(1), VERDICT_REFUSE);
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
	tcase_add_test(t, kinds_and_ids);
	tcase_add_test(t, flags_that_contradict);
	tcase_add_test(t, inline_payload);
	tcase_add_test(t, segments);
	tcase_add_test(t, indirect_payload);
	tcase_add_test(t, map_payload);
	tcase_add_test(t, send_limits);
	tcase_add_test(t, ports);
	tcase_add_test(t, payload_names);
	tcase_add_test(t, pools);
	tcase_add_test(t, lists);
	tcase_add_test(t, names);
	tcase_add_test(t, posted_pages);
	tcase_add_loop_test(t, directories, 1, 20);
	tcase_add_loop_test(t, directories, 1020, 1025);
	tcase_add_test(t, directory_bounds);
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
