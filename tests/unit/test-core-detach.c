/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Foreign pools that end: told to be unmapped while messages in them are held,
 * their owner dead, their port unbound; and messages outside of any.
 */
#include "tests/unit/core-foreign.h"

/* ---------------------------------------------------------------- draining */

START_TEST(del_while_held)
{
	unsigned int slot = pool(7);
	struct vmsg_msg *a = held(7, HELD_A, 10);
	struct vmsg_msg *b = held(7, HELD_B, 10);

	tell(VMSGIF_RX_POOL_DEL, 7);
	tell(VMSGIF_RX_POOL_DEL, 7); /* asked twice, done once */
	release(a);
	expect_release(1);
	cbed_no_event(&bed);
	release(b);
	expect_unmap(slot, false);
	expect_release(2);
	expect_ack(CBED_PEER, 7, VMSGIF_ECONNREFUSED);
	cbed_no_event(&bed);
	cbed_expect_none(&bed);
	ck_assert_uint_eq(pool(7), slot);
}
END_TEST

/* A new broker does not know that it was to be unmapped. */
START_TEST(added_again_while_draining)
{
	unsigned int slot = pool(7);
	struct vmsg_msg *msg = held(7, HELD_A, 10);

	tell(VMSGIF_RX_POOL_DEL, 7);
	cbed_down(&bed);
	cbed_up(&bed);
	tell(VMSGIF_RX_POOL_ADD, 7);
	expect_ack(CBED_PEER, 7, 0);
	release(msg);
	expect_release(1);
	release(held(7, HELD_B, 3));
	expect_release(2);
	tell(VMSGIF_RX_POOL_DEL, 7);
	expect_unmap(slot, false);
	expect_ack(CBED_PEER, 7, VMSGIF_ECONNREFUSED);
}
END_TEST

/* Drained for a broker that is gone: unmapped, and nobody is told. */
START_TEST(drained_too_late)
{
	struct vmsgif_tx_request req;
	unsigned int slot = pool(7);
	struct vmsg_msg *msg = held(7, HELD_A, 10);

	tell(VMSGIF_RX_POOL_DEL, 7);
	cbed_down(&bed);
	release(msg);
	expect_unmap(slot, false);
	cbed_connect(&bed);
	cbed_answer_all(&bed, 0); /* the device's pools */
	req = cbed_expect(&bed, VMSGIF_OP_BIND);
	cbed_answered(&bed, &req, 0);
	expect_release(1);
	req = cbed_expect(&bed, VMSGIF_OP_READY);
	cbed_answered(&bed, &req, 0);
	cbed_expect_none(&bed);
	ck_assert_uint_eq(pool(8), slot);
}
END_TEST

START_TEST(del_while_mapping)
{
	for (unsigned int i = 0; i < 2; i++) {
		unsigned int slot;

		tell(VMSGIF_RX_POOL_ADD, 7);
		slot = expect_map();
		tell(VMSGIF_RX_POOL_DEL, 7);
		cbed_no_event(&bed);
		cbed_expect_none(&bed);
		/* What cannot be mapped is not unmapped. */
		mapped(slot, i ? -ENOMEM : 0);
		if (!i)
			expect_unmap(slot, false);
		cbed_no_event(&bed);
		expect_ack(CBED_PEER, 7, VMSGIF_ECONNREFUSED);
	}
	pool(7);
}
END_TEST

/* The owner is told, and the slot used again, when it is unmapped, not when that is asked for. */
START_TEST(unmapped_later)
{
	unsigned int slot = pool(7);

	bed.pool_unmap_later = true;
	tell(VMSGIF_RX_POOL_DEL, 7);
	expect_unmap(slot, false);
	cbed_expect_none(&bed);
	ck_assert_uint_ne(pool(8), slot);
	/* As if its port had been unbound, and the broker now asks for what is under way. */
	tell(VMSGIF_RX_POOL_DEL, 7);
	cbed_no_event(&bed);
	cbed_expect_none(&bed);
	vmsg_pool_unmapped(bed.v, slot);
	cbed_publish(&bed);
	expect_ack(CBED_PEER, 7, VMSGIF_ECONNREFUSED);
	/* Once is enough. */
	vmsg_pool_unmapped(bed.v, slot);
	cbed_publish(&bed);
	cbed_expect_none(&bed);
	ck_assert_uint_eq(pool(9), slot);
}
END_TEST

/* Nobody is told who is not there any more, nor does a new broker have to wait. */
START_TEST(unmapped_too_late)
{
	unsigned int slot = pool(7), dead = pool(8);

	bed.pool_unmap_later = true;
	tell(VMSGIF_RX_POOL_DEL, 7);
	expect_unmap(slot, false);
	cbed_down(&bed);
	cbed_up(&bed);
	/* That and another one of the same number. */
	ck_assert_uint_eq(pool(7), 2);
	peer_down(CBED_PEER);
	expect_unmap(dead, false);
	expect_unmap(2, false);
	cbed_expect_event(&bed, CBED_PEER_DOWN);
	refused(pool_event(VMSGIF_RX_POOL_ADD, CBED_PEER, 7), VMSGIF_ENOBUFS);
	for (unsigned int i = 0; i < 3; i++)
		vmsg_pool_unmapped(bed.v, i);
	cbed_publish(&bed);
	cbed_expect_none(&bed);
	ck_assert_uint_eq(pool(7), 0);
}
END_TEST

/* ------------------------------------------------------------ owners, ports */

START_TEST(owner_dies)
{
	unsigned int slot = pool(7);
	unsigned int idle = pool(8);
	struct vmsg_msg *a = held(7, HELD_A, 10);
	struct vmsg_msg *b = held(7, HELD_B, 10);

	peer_down(OTHER);
	ck_assert_uint_eq(cbed_expect_event(&bed, CBED_PEER_DOWN).addr, OTHER);
	cbed_no_event(&bed);
	peer_down(CBED_PEER);
	expect_unmap(slot, true);
	expect_unmap(idle, false);
	ck_assert_uint_eq(cbed_expect_event(&bed, CBED_PEER_DOWN).addr, CBED_PEER);
	/* The slot is not used as long as a message is held there; nor is the pool known. */
	ck_assert_uint_eq(pool(9), idle);
	refused(pool_event(VMSGIF_RX_POOL_DEL, CBED_PEER, 7), VMSGIF_ECONNREFUSED);
	peer_down(CBED_PEER);
	expect_unmap(idle, false);
	cbed_expect_event(&bed, CBED_PEER_DOWN);
	release(a);
	cbed_no_event(&bed);
	release(b);
	ck_assert_uint_eq(cbed_expect_event(&bed, CBED_POOL_FREE).slot, slot);
	/* A dead owner gets no RELEASE. */
	cbed_expect_none(&bed);
	ck_assert_uint_eq(pool(7), slot);
}
END_TEST

START_TEST(owner_dies_while_draining)
{
	unsigned int slot = pool(7);
	struct vmsg_msg *msg = held(7, HELD_A, 10);

	tell(VMSGIF_RX_POOL_DEL, 7);
	peer_down(CBED_PEER);
	expect_unmap(slot, true);
	cbed_expect_event(&bed, CBED_PEER_DOWN);
	release(msg);
	cbed_expect_event(&bed, CBED_POOL_FREE);
	cbed_expect_none(&bed);
}
END_TEST

START_TEST(owner_dies_while_mapping)
{
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int slot;

		tell(VMSGIF_RX_POOL_ADD, 7);
		slot = expect_map();
		if (i & 1)
			tell(VMSGIF_RX_POOL_DEL, 7);
		peer_down(CBED_PEER);
		cbed_expect_event(&bed, CBED_PEER_DOWN);
		mapped(slot, i & 2 ? -EFAULT : 0);
		if (!(i & 2))
			expect_unmap(slot, false);
		cbed_no_event(&bed);
		cbed_expect_none(&bed);
	}
	pool(7);
}
END_TEST

/* In one batch: the POOL_ACK that is due is not posted any more. */
START_TEST(owner_dies_before_the_ack)
{
	unsigned int slot = pool(7);

	cbed_rx(&bed, pool_event(VMSGIF_RX_POOL_DEL, CBED_PEER, 7));
	cbed_tell(&bed, cbed_rx_event(VMSGIF_RX_PEER_DOWN, CBED_PEER));
	expect_unmap(slot, false);
	cbed_expect_event(&bed, CBED_PEER_DOWN);
	cbed_no_event(&bed);
	cbed_expect_none(&bed);
	ck_assert_uint_eq(pool(7), slot);
}
END_TEST

/* As a new instance, the device's peers took it for dead. */
START_TEST(new_address)
{
	unsigned int slot = pool(7);
	struct vmsg_msg *msg = held(7, HELD_A, 10);

	cbed_down(&bed);
	bed.features.addr = CBED_ADDR + 0x10000;
	cbed_up(&bed);
	expect_unmap(slot, true);
	release(msg);
	cbed_expect_event(&bed, CBED_POOL_FREE);
	cbed_expect_none(&bed);
}
END_TEST

START_TEST(port_is_unbound)
{
	struct vmsgif_tx_request req;
	unsigned int slot = pool(7);
	unsigned int mapping;

	held(7, HELD_A, 10);
	tell(VMSGIF_RX_POOL_ADD, 8);
	mapping = expect_map();
	ck_assert_int_eq(vmsg_unbind(bed.v, port, 1), 0);
	cbed_publish(&bed);
	expect_release(1);
	req = cbed_expect(&bed, VMSGIF_OP_UNBIND);
	cbed_no_event(&bed);
	cbed_answered(&bed, &req, 0);
	expect_unmap(slot, false);
	ck_assert_uint_eq(cbed_expect_event(&bed, CBED_CONTROL_DONE).cookie, 1);
	expect_ack(CBED_PEER, 7, VMSGIF_ECONNREFUSED);
	mapped(mapping, 0);
	expect_unmap(mapping, false);
	expect_ack(CBED_PEER, 8, VMSGIF_ECONNREFUSED);
	refused(pool_event(VMSGIF_RX_POOL_ADD, CBED_PEER, 7), VMSGIF_ECONNREFUSED);
}
END_TEST

/* UNBIND comes after the RELEASEs, which wait for slots. */
START_TEST(unbound_without_slots)
{
	struct vmsgif_tx_request reqs[56], req;

	pool(7);
	held(7, HELD_A, 10);
	held(7, HELD_B, 10);
	for (unsigned int i = 0; i < 56; i++) {
		cbed_tell(&bed, pool_event(VMSGIF_RX_POOL_DEL, OTHER, i));
		reqs[i] = cbed_expect(&bed, VMSGIF_OP_POOL_ACK);
	}
	ck_assert_int_eq(vmsg_unbind(bed.v, port, 1), 0);
	cbed_publish(&bed);
	cbed_expect_none(&bed);
	for (uint64_t number = 1; number <= 2; number++) {
		cbed_answered(&bed, &reqs[number], 0);
		vmsg_publish(bed.v, true);
		req = cbed_expect(&bed, VMSGIF_OP_RELEASE);
		ck_assert_uint_eq(req.seq, number);
		cbed_expect_none(&bed);
	}
	cbed_answered(&bed, &req, 0);
	req = cbed_expect(&bed, VMSGIF_OP_UNBIND);
	cbed_no_event(&bed);
	cbed_answered(&bed, &req, 0);
	cbed_expect_event(&bed, CBED_POOL_UNMAP);
	ck_assert_uint_eq(cbed_expect_event(&bed, CBED_CONTROL_DONE).cookie, 1);
}
END_TEST

/* RELEASEs that never came to be posted leave no trace in the port's memory. */
START_TEST(unbound_with_releases_due)
{
	struct vmsg_msg *msg;
	struct vmsgif_tx_request req;

	pool(7);
	msg = held(7, HELD_A, 10);
	held(7, HELD_B, 10);
	for (unsigned int i = 0; i < 56; i++) {
		cbed_tell(&bed, pool_event(VMSGIF_RX_POOL_DEL, OTHER, i));
		cbed_expect(&bed, VMSGIF_OP_POOL_ACK);
	}
	release(msg);
	ck_assert_int_eq(vmsg_unbind(bed.v, port, 1), 0);
	cbed_publish(&bed);
	cbed_expect_none(&bed);
	cbed_down(&bed);
	expect_unmap(0, false);
	ck_assert_uint_eq(cbed_expect_event(&bed, CBED_CONTROL_DONE).cookie, 1);
	ck_assert_int_eq(vmsg_bind(bed.v, port, 9, NULL, 0, 2), 0);
	cbed_connect(&bed);
	cbed_answer_all(&bed, 0);
	req = cbed_expect(&bed, VMSGIF_OP_BIND);
	ck_assert_uint_eq(req.credit, 131072);
	cbed_expect(&bed, VMSGIF_OP_READY);
	cbed_expect_none(&bed);
}
END_TEST

/* ------------------------------------------------- messages that are in no pool */

static void breaks(struct vmsgif_rx_response rsp, const char *reason)
{
	uint64_t messages = cbed_stats(&bed).rx_messages;

	cbed_tell(&bed, rsp);
	/* Everything is unmapped, and nobody sees the message. */
	for (unsigned int slot = 0; slot < 2; slot++)
		expect_unmap(slot, false);
	cbed_no_event(&bed);
	ck_assert_uint_eq(cbed_stats(&bed).rx_messages, messages);
	ck_assert_ptr_null(cbed_recv(&bed, port, &(struct vmsg_info){ 0 }));
	cbed_expect_broken_once(&bed, reason, 0);
}

/* Two pools: 7, which is used already, or not, and 8. */
static void two_pools(int used)
{
	pool(7);
	pool(8);
	if (used) {
		release(held(7, HELD_A, 1));
		expect_release(seq);
	}
}

START_TEST(outside_of_a_pool)
{
	static const struct {
		unsigned int id;
		uint32_t offset, len;
	} bad[] = {
		{ 6, 0, 1 },
		{ 0xffff, 0, 1 },
		{ 7, 0, 8193 },
		{ 7, 8192, 1 },
		{ 7, 8191, 2 },
		{ 7, UINT32_MAX, 1 },
		{ 7, UINT32_MAX, 2 }, /* also if it does not overflow */
		{ 7, 1u << 31, 65536 },
		{ 8, 1, 8192 },
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		two_pools(_i);
		breaks(map_msg(bad[i].id, bad[i].offset, bad[i].len),
		       "map-mode message outside of a mapped pool");
	}
	/* That of another owner. */
	two_pools(_i);
	{
		struct vmsgif_rx_response rsp = map_msg(7, 0, 1);

		rsp.addr = OTHER;
		breaks(rsp, "map-mode message outside of a mapped pool");
	}
}
END_TEST

START_TEST(bad_map_messages)
{
	for (unsigned int i = 0; i < 6; i++) {
		struct vmsgif_rx_response rsp;

		two_pools(_i);
		rsp = map_msg(7, 0, 1);
		if (i == 0)
			rsp.len = 0;
		else if (i == 1)
			rsp.used = 1;
		else if (i == 2)
			rsp.each = 1;
		else if (i == 3)
			rsp.u.map.more = VMSGIF_RUN_MESSAGES;
		else if (i == 4)
			rsp.u.map.more = (uint16_t)rsp.seq;
		else
			rsp.u.map = (struct vmsgif_map){ .id = 7, .more = 1, .offset = UINT32_MAX };
		breaks(rsp, "bad map-mode message");
	}
}
END_TEST

/* A pool is for one port. */
START_TEST(in_the_pool_of_another_port)
{
	struct vmsg_port *other = cbed_bound_port(&bed, 10, 4096);
	struct vmsgif_rx_response rsp;

	two_pools(0);
	rsp = map_msg(7, 0, 1);
	rsp.port = 10;
	breaks(rsp, "map-mode message outside of a mapped pool");
	ck_assert_ptr_null(cbed_recv(&bed, other, &(struct vmsg_info){ 0 }));
	cbed_port_free(&bed, other);
}
END_TEST

/* Before POOL_ACK, and after POOL_DEL. */
START_TEST(in_a_pool_that_is_not_mapped)
{
	unsigned int slot;

	tell(VMSGIF_RX_POOL_ADD, 7);
	slot = expect_map();
	cbed_tell(&bed, map_msg(7, 0, 1));
	cbed_no_event(&bed);
	cbed_expect_broken_once(&bed, "map-mode message outside of a mapped pool", 0);
	/* Mapped after all, when nobody wants it. */
	mapped(slot, 0);
	expect_unmap(slot, false);
	cbed_expect_none(&bed);
	/* While it drains. */
	slot = pool(7);
	held(7, HELD_A, 10);
	tell(VMSGIF_RX_POOL_DEL, 7);
	cbed_tell(&bed, map_msg(7, 0, 1));
	expect_unmap(slot, true);
	cbed_no_event(&bed);
	cbed_expect_broken_once(&bed, "map-mode message outside of a mapped pool", 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-detach");
	TCase *tc = tcase_create("detach");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, del_while_held);
	tcase_add_test(tc, added_again_while_draining);
	tcase_add_test(tc, drained_too_late);
	tcase_add_test(tc, del_while_mapping);
	tcase_add_test(tc, unmapped_later);
	tcase_add_test(tc, unmapped_too_late);
	tcase_add_test(tc, owner_dies);
	tcase_add_test(tc, owner_dies_while_draining);
	tcase_add_test(tc, owner_dies_while_mapping);
	tcase_add_test(tc, owner_dies_before_the_ack);
	tcase_add_test(tc, new_address);
	tcase_add_test(tc, port_is_unbound);
	tcase_add_test(tc, unbound_without_slots);
	tcase_add_test(tc, unbound_with_releases_due);
	tcase_add_loop_test(tc, outside_of_a_pool, 0, 2);
	tcase_add_loop_test(tc, bad_map_messages, 0, 2);
	tcase_add_test(tc, in_the_pool_of_another_port);
	tcase_add_test(tc, in_a_pool_that_is_not_mapped);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
