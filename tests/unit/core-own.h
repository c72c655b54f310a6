/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests about own pools: a device with a bound port, and pools shared with a peer from there. */
#ifndef TESTS_UNIT_CORE_OWN_H
#define TESTS_UNIT_CORE_OWN_H

#include "tests/unit/core-bed.h"

#define REF   815u
#define PAGES 2u
#define BYTES (PAGES * VMSGIF_PAGE_SIZE)
#define OTHER (CBED_PEER + 1)

static struct cbed bed;
static struct vmsg_port *port;

static inline void setup(void)
{
	cbed_defaults(&bed);
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_bound_port(&bed, 9, 4096);
	cbed_forget_events(&bed);
}

static inline void teardown(void)
{
	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
}

static inline int add(unsigned int id)
{
	return vmsg_pool_add(bed.v, port, id, CBED_PEER, CBED_PORT, REF, PAGES, 100 + id);
}

static inline int del(unsigned int id)
{
	return vmsg_pool_del(bed.v, id, 200 + id);
}

static inline struct vmsgif_tx_request expect_add(unsigned int id)
{
	struct vmsgif_tx_request req = cbed_expect(&bed, VMSGIF_OP_POOL_ADD);

	ck_assert_uint_eq(req.addr, CBED_PEER);
	ck_assert_uint_eq(req.port, CBED_PORT);
	ck_assert_uint_eq(req.src_port, 9);
	ck_assert_uint_eq(req.u.pool.type, VMSGIF_POOL_MAP);
	ck_assert_uint_eq(req.u.pool.id, id);
	ck_assert_uint_eq(req.u.pool.ref, REF);
	ck_assert_uint_eq(req.u.pool.nr_pages, PAGES);
	return req;
}

static inline struct vmsgif_tx_request expect_del(unsigned int id)
{
	struct vmsgif_tx_request req = cbed_expect(&bed, VMSGIF_OP_POOL_DEL);

	ck_assert_uint_eq(req.u.pool.type, VMSGIF_POOL_MAP);
	ck_assert_uint_eq(req.u.pool.id, id);
	return req;
}

static inline void expect_done(uint64_t cookie, int status)
{
	struct cbed_event event = cbed_expect_event(&bed, CBED_CONTROL_DONE);

	ck_assert_uint_eq(event.cookie, cookie);
	ck_assert_int_eq(event.status, status);
}

static inline void expect_sent(uint64_t cookie, int status)
{
	struct cbed_event event = cbed_expect_event(&bed, CBED_SEND_DONE);

	ck_assert_uint_eq(event.cookie, cookie);
	ck_assert_int_eq(event.status, status);
}

static inline void expect_gone(unsigned int id)
{
	ck_assert_uint_eq(cbed_expect_event(&bed, CBED_POOL_GONE).slot, id);
}

/* A pool that can be used. */
static inline void pool(unsigned int id)
{
	struct vmsgif_tx_request req;

	ck_assert_int_eq(add(id), 0);
	cbed_publish(&bed);
	req = expect_add(id);
	cbed_answered(&bed, &req, 0);
	expect_done(100 + id, 0);
}

static inline struct vmsg_send in_pool(unsigned int id, uint32_t offset, uint32_t len)
{
	return (struct vmsg_send){
		.addr = CBED_PEER,
		.port = CBED_PORT,
		.len = len,
		.form = VMSG_MAP,
		.map_id = id,
		.map_offset = offset,
		.cookie = 7,
	};
}

static inline int send(unsigned int id, uint32_t offset, uint32_t len)
{
	struct vmsg_send s = in_pool(id, offset, len);

	return vmsg_send(bed.v, port, &s, NULL);
}

static inline struct vmsgif_tx_request expect_send(unsigned int id, uint32_t offset)
{
	struct vmsgif_tx_request req = cbed_expect(&bed, VMSGIF_OP_SEND);

	ck_assert_uint_eq(req.flags, VMSGIF_TXF_MAP);
	ck_assert_uint_eq(req.u.map.id, id);
	ck_assert_uint_eq(req.u.map.offset, offset);
	return req;
}

static inline void tell_gone(uint32_t addr, unsigned int id)
{
	struct vmsgif_rx_response rsp = cbed_rx_event(VMSGIF_RX_POOL_GONE, addr);

	rsp.u.pool.id = (uint16_t)id;
	cbed_tell(&bed, rsp);
}

#endif
