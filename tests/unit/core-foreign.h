/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests about pools of other domains: a device with a bound port, a peer
 * that shares pools with it, and messages in there.
 */
#ifndef TESTS_UNIT_CORE_FOREIGN_H
#define TESTS_UNIT_CORE_FOREIGN_H

#include "tests/unit/core-bed.h"

#include <string.h>

#ifndef PAGES
#define PAGES 2u
#endif
#define REF    4711u
#define OTHER  (CBED_PEER + 1)
#define HELD_A 16u /* offsets of messages */
#define HELD_B 5000u

static struct cbed bed;
static struct vmsg_port *port;
static uint8_t memory[PAGES * VMSGIF_PAGE_SIZE];
static uint64_t seq;

static inline void setup(void)
{
	cbed_defaults(&bed);
	bed.map_va = memory;
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_bound_port(&bed, 9, 131072);
	cbed_fill(memory, sizeof(memory), 3);
	cbed_forget_events(&bed);
	seq = 0;
}

static inline void teardown(void)
{
	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
}

static inline struct vmsgif_rx_response pool_event(unsigned int type, uint32_t addr,
						   unsigned int id)
{
	struct vmsgif_rx_response rsp = cbed_rx_event(type, addr);

	rsp.u.pool.id = (uint16_t)id;
	rsp.u.pool.type = VMSGIF_POOL_MAP;
	if (type == VMSGIF_RX_POOL_ADD) {
		rsp.port = 9;
		rsp.src_port = 5;
		rsp.u.pool.ref = REF;
		rsp.u.pool.nr_pages = PAGES;
	}
	return rsp;
}

static inline void tell(unsigned int type, unsigned int id)
{
	cbed_tell(&bed, pool_event(type, CBED_PEER, id));
}

/* The next request is a POOL_ACK. It is answered. */
static inline void expect_ack(uint32_t addr, unsigned int id, int status)
{
	struct vmsgif_tx_request req = cbed_expect(&bed, VMSGIF_OP_POOL_ACK);

	ck_assert_uint_eq(req.addr, addr);
	ck_assert_uint_eq(req.u.pool.type, VMSGIF_POOL_MAP);
	ck_assert_uint_eq(req.u.pool.id, id);
	ck_assert_int_eq(req.u.pool.status, status);
	cbed_answered(&bed, &req, 0);
}

/* The OS layer is asked to map, and not answered yet. Returns the slot. */
static inline unsigned int expect_map(void)
{
	struct cbed_event event = cbed_expect_event(&bed, CBED_POOL_MAP);

	ck_assert_uint_eq(event.addr, CBED_PEER);
	ck_assert_uint_eq(event.ref, REF);
	ck_assert_uint_eq(event.nr_pages, PAGES);
	return event.slot;
}

static inline void expect_unmap(unsigned int slot, bool detach)
{
	struct cbed_event event = cbed_expect_event(&bed, CBED_POOL_UNMAP);

	ck_assert_uint_eq(event.slot, slot);
	ck_assert_int_eq(event.detach, detach);
}

static inline void mapped(unsigned int slot, int status)
{
	vmsg_pool_mapped(bed.v, slot, status, memory);
	cbed_publish(&bed);
}

/* A pool of the peer, mapped. */
static inline unsigned int pool(unsigned int id)
{
	unsigned int slot;

	tell(VMSGIF_RX_POOL_ADD, id);
	slot = expect_map();
	cbed_expect_none(&bed);
	mapped(slot, 0);
	expect_ack(CBED_PEER, id, 0);
	cbed_no_event(&bed);
	return slot;
}

static inline struct vmsgif_rx_response map_msg(unsigned int id, uint32_t offset, uint32_t len)
{
	struct vmsgif_rx_response rsp = cbed_msg(9, ++seq, memory, 0);

	rsp.flags = VMSGIF_RXF_MAP;
	rsp.len = len;
	rsp.u.map.id = (uint16_t)id;
	rsp.u.map.offset = offset;
	return rsp;
}

/* The next message, number @number of the flow; 0: any. */
static inline struct vmsg_msg *recv_number(uint32_t offset, uint32_t len, uint64_t number)
{
	struct vmsg_info info;
	struct vmsg_msg *msg = vmsg_recv(bed.v, port, &info);
	uint8_t copy[sizeof(memory)];

	ck_assert_ptr_nonnull(msg);
	ck_assert(!number || info.seq == number);
	ck_assert(info.mapped);
	ck_assert_uint_eq(info.len, len);
	ck_assert_uint_eq(cbed_gather(&bed, port, msg, copy), 1);
	ck_assert_mem_eq(copy, memory + offset, len);
	return msg;
}

static inline struct vmsg_msg *recv_map(uint32_t offset, uint32_t len)
{
	return recv_number(offset, len, 0);
}

/* A message in the pool that the application holds. */
static inline struct vmsg_msg *held(unsigned int id, uint32_t offset, uint32_t len)
{
	cbed_tell(&bed, map_msg(id, offset, len));
	ck_assert_ptr_eq(cbed_expect_event(&bed, CBED_READABLE).port, port);
	return recv_map(offset, len);
}

static inline void release(struct vmsg_msg *msg)
{
	vmsg_release(bed.v, port, msg);
	vmsg_publish(bed.v, true);
}

/* It, and @more before it, in a RELEASE that may be held back. */
static inline void expect_releases(uint64_t number, unsigned int more)
{
	struct vmsgif_tx_request req;

	vmsg_publish(bed.v, true);
	req = cbed_expect(&bed, VMSGIF_OP_RELEASE);
	ck_assert_uint_eq(req.u.map.more, more);

	ck_assert_uint_eq(req.addr, CBED_PEER);
	ck_assert_uint_eq(req.port, 9);
	ck_assert_uint_eq(req.seq, number);
	cbed_answered(&bed, &req, 0);
}

static inline void expect_release(uint64_t number)
{
	expect_releases(number, 0);
}

/* An event that is answered with a POOL_ACK and nothing else. */
static inline void refused(struct vmsgif_rx_response rsp, int status)
{
	cbed_tell(&bed, rsp);
	expect_ack(rsp.addr, rsp.u.pool.id, status);
	cbed_no_event(&bed);
}

static inline void peer_down(uint32_t addr)
{
	cbed_tell(&bed, cbed_rx_event(VMSGIF_RX_PEER_DOWN, addr));
}

#endif
