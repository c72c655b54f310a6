/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slots of every kind that keep the rules, for tests that break one rule at a
 * time, and what is expected of request_parse() then.
 */
#ifndef BACKEND_SLOTS_H
#define BACKEND_SLOTS_H

#include "backend/guest/request.h"

#include <check.h>

#define SLOTS 64
#define MAX   (2 * VMSGIF_BATCH_BYTES)

static struct vmsgif_tx_request slot;
static struct request req;
static struct reject why;

static inline enum verdict parse(void)
{
	return request_parse(&slot, SLOTS, MAX, &req, &why);
}

static inline void ok(void)
{
	ck_assert_msg(parse() == VERDICT_OK, "%s", why.reason);
}

static inline void refused(int status)
{
	ck_assert_int_eq(parse(), VERDICT_REFUSE);
	ck_assert_int_eq(why.status, status);
	ck_assert_ptr_nonnull(why.reason);
	/* What is needed to answer it is there. */
	ck_assert_uint_eq(req.op, slot.op);
	ck_assert_uint_eq(req.id, slot.id);
}

static inline void hostile(void)
{
	ck_assert_int_eq(parse(), VERDICT_HOSTILE);
	ck_assert_ptr_nonnull(why.reason);
}

__attribute__((unused)) static const struct vmsgif_tx_request send_inline = {
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

__attribute__((unused)) static const struct vmsgif_tx_request send_segs = {
	.op = VMSGIF_OP_SEND,
	.id = 4,
	.addr = 0x10002,
	.port = 7,
	.seq = 12,
	.len = 4096 + 10,
	.nr_segs = 2,
	.u.seg = { { 8, 0, 4096 }, { 9, 4086, 10 } },
};

__attribute__((unused)) static const struct vmsgif_tx_request send_indirect = {
	.op = VMSGIF_OP_SEND,
	.flags = VMSGIF_TXF_INDIRECT | VMSGIF_TXF_LAZY,
	.addr = 0x10002,
	.port = 7,
	.seq = 13,
	.len = 20000,
	.nr_segs = 5,
	.u.indirect.ref = 44,
};

__attribute__((unused)) static const struct vmsgif_tx_request send_map = {
	.op = VMSGIF_OP_SEND,
	.flags = VMSGIF_TXF_MAP,
	.addr = 0x10002,
	.port = 7,
	.seq = 14,
	.len = 5000,
	.u.map = { 63, 0, 100 },
};

__attribute__((unused)) static const struct vmsgif_tx_request bind_service = {
	.op = VMSGIF_OP_BIND,
	.flags = VMSGIF_TXF_INLINE,
	.port = 7,
	.max_len = MAX,
	.credit = 1u << 20,
	.len = 4,
	.u.data = "echo",
};

__attribute__((unused)) static const struct vmsgif_tx_request subscribe = {
	.op = VMSGIF_OP_SUBSCRIBE,
	.flags = VMSGIF_TXF_INLINE,
	.len = 3,
	.u.data = "bob",
};

__attribute__((unused)) static const struct vmsgif_tx_request resolve_name = {
	.op = VMSGIF_OP_RESOLVE,
	.flags = VMSGIF_TXF_INLINE,
	.len = 8,
	.u.data = "echo@bob",
};

__attribute__((unused)) static const struct vmsgif_tx_request resolve_addr = {
	.op = VMSGIF_OP_RESOLVE,
	.addr = 0x10002,
};

__attribute__((unused)) static const struct vmsgif_tx_request pool_tx = {
	.op = VMSGIF_OP_POOL_ADD,
	.u.pool = { .ref = 5, .type = VMSGIF_POOL_TX, .nr_pages = 1024 },
};

__attribute__((unused)) static const struct vmsgif_tx_request pool_map = {
	.op = VMSGIF_OP_POOL_ADD,
	.addr = 0x10002,
	.port = 7,
	.src_port = 8,
	.u.pool = { .ref = 5, .id = 63, .type = VMSGIF_POOL_MAP, .nr_pages = 1 },
};

__attribute__((unused)) static const struct vmsgif_tx_request pool_del = {
	.op = VMSGIF_OP_POOL_DEL,
	.u.pool = { .id = 1, .type = VMSGIF_POOL_MAP },
};

__attribute__((unused)) static const struct vmsgif_tx_request pool_ack = {
	.op = VMSGIF_OP_POOL_ACK,
	.addr = 0x10002,
	.u.pool = { .id = 1, .type = VMSGIF_POOL_MAP, .status = VMSGIF_EFAULT },
};

__attribute__((unused)) static const struct vmsgif_tx_request release = {
	.op = VMSGIF_OP_RELEASE,
	.addr = 0x10002,
	.port = 7,
	.seq = 99,
};

__attribute__((unused)) static const struct vmsgif_tx_request unbind = { .op = VMSGIF_OP_UNBIND,
									 .port = 7 };
__attribute__((unused)) static const struct vmsgif_tx_request credit = {
	.op = VMSGIF_OP_CREDIT,
	.port = 7,
	.credit = UINT64_MAX,
};
__attribute__((unused)) static const struct vmsgif_tx_request ready = { .op = VMSGIF_OP_READY };

#endif
