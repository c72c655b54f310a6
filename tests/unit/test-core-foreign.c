/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pools of other domains: mapped, refused, and announced again by the next
 * broker.
 */
#include "tests/unit/core-foreign.h"

/* ----------------------------------------------------------------- mapping */

START_TEST(add_use_del)
{
	unsigned int slot = pool(7);

	release(held(7, HELD_A, 100));
	expect_release(1);
	/* All of it, and its last byte. */
	release(held(7, 0, sizeof(memory)));
	expect_release(2);
	release(held(7, sizeof(memory) - 1, 1));
	expect_release(3);
	tell(VMSGIF_RX_POOL_DEL, 7);
	expect_unmap(slot, false);
	expect_ack(CBED_PEER, 7, VMSGIF_ECONNREFUSED);
	cbed_no_event(&bed);
	/* The slot is free. */
	ck_assert_uint_eq(pool(8), slot);
	cbed_expect_pages(&bed, 0);
}
END_TEST

START_TEST(mapped_at_once)
{
	bed.pool_map_at_once = true;
	tell(VMSGIF_RX_POOL_ADD, 7);
	expect_map();
	expect_ack(CBED_PEER, 7, 0);
	release(held(7, HELD_B, 10));
	expect_release(1);
}
END_TEST

START_TEST(cannot_be_mapped)
{
	/* Positive ones do not exist, and say nothing to a peer. */
	static const int statuses[][2] = {
		{ -ENOMEM, VMSGIF_ENOBUFS },
		{ -ENOBUFS, VMSGIF_ENOBUFS },
		{ -EACCES, VMSGIF_EACCES },
		{ -EPERM, VMSGIF_EACCES },
		{ -ECONNREFUSED, VMSGIF_ECONNREFUSED },
		{ -EINVAL, VMSGIF_EFAULT },
		{ -EFAULT, VMSGIF_EFAULT },
		{ -EHOSTDOWN, VMSGIF_EFAULT },
		{ 1, VMSGIF_EFAULT },
	};

	for (unsigned int i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		unsigned int slot;

		tell(VMSGIF_RX_POOL_ADD, 7);
		slot = expect_map();
		mapped(slot, statuses[i][0]);
		expect_ack(CBED_PEER, 7, statuses[i][1]);
		cbed_no_event(&bed);
		/* A late answer is nobody's. */
		mapped(slot, 0);
		cbed_expect_none(&bed);
	}
	pool(7);
}
END_TEST

/* ----------------------------------------------------------------- refused */

START_TEST(bad_pools)
{
	struct vmsgif_rx_response good = pool_event(VMSGIF_RX_POOL_ADD, CBED_PEER, 7);
	struct vmsgif_rx_response rsp;

	rsp = good;
	rsp.u.pool.type = VMSGIF_POOL_TX;
	refused(rsp, VMSGIF_EINVAL);
	rsp = good;
	rsp.u.pool.id = VMSGIF_MAP_POOLS_MAX;
	refused(rsp, VMSGIF_EINVAL);
	rsp = good;
	rsp.u.pool.nr_pages = 0;
	refused(rsp, VMSGIF_EINVAL);
	rsp.u.pool.nr_pages = VMSGIF_POOL_PAGES_MAX + 1;
	refused(rsp, VMSGIF_EINVAL);
	rsp = good;
	rsp.u.pool.status = 1;
	refused(rsp, VMSGIF_EINVAL);
	rsp = good;
	rsp.port = 10; /* not bound */
	refused(rsp, VMSGIF_ECONNREFUSED);
	ck_assert_ptr_null(vmsg_broken(bed.v));
	cbed_expect_pages(&bed, 0);
}
END_TEST

START_TEST(too_many_pools)
{
	for (unsigned int id = 0; id < 3; id++)
		pool(id);
	refused(pool_event(VMSGIF_RX_POOL_ADD, CBED_PEER, 3), VMSGIF_ENOBUFS);
	tell(VMSGIF_RX_POOL_DEL, 1);
	expect_unmap(1, false);
	expect_ack(CBED_PEER, 1, VMSGIF_ECONNREFUSED);
	ck_assert_uint_eq(pool(3), 1);
}
END_TEST

START_TEST(del_of_unknown)
{
	unsigned int slot = pool(7);

	refused(pool_event(VMSGIF_RX_POOL_DEL, CBED_PEER, 8), VMSGIF_ECONNREFUSED);
	refused(pool_event(VMSGIF_RX_POOL_DEL, OTHER, 7), VMSGIF_ECONNREFUSED);
	refused(pool_event(VMSGIF_RX_POOL_DEL, CBED_PEER, 0xffff), VMSGIF_ECONNREFUSED);
	/* That of somebody else with the same id is still there. */
	tell(VMSGIF_RX_POOL_DEL, 7);
	expect_unmap(slot, false);
	expect_ack(CBED_PEER, 7, VMSGIF_ECONNREFUSED);
	refused(pool_event(VMSGIF_RX_POOL_DEL, CBED_PEER, 7), VMSGIF_ECONNREFUSED);
}
END_TEST

/* Each refused one keeps its page until that is said, so there are never more than pages. */
START_TEST(refused_without_end)
{
	struct vmsgif_tx_request req;
	unsigned int told = 0, acked = 0;

	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < 40; i++, told++)
			cbed_rx(&bed, pool_event(VMSGIF_RX_POOL_DEL, OTHER, told));
		cbed_rx_publish(&bed);
		cbed_poll(&bed);
		while (cbed_next(&bed, &req)) {
			ck_assert_uint_eq(req.op, VMSGIF_OP_POOL_ACK);
			ck_assert_uint_eq(req.u.pool.id, acked++);
			cbed_answered(&bed, &req, 0);
		}
		ck_assert_uint_eq(acked, told);
		cbed_expect_pages(&bed, 0);
	}
}
END_TEST

/* POOL_ACKs wait for slots if there are none. */
START_TEST(acks_wait)
{
	struct vmsgif_tx_request req[64];
	unsigned int nr;

	/* The ring is full of POOL_ACKs, */
	for (unsigned int i = 0; i < 64; i++)
		cbed_rx(&bed, pool_event(VMSGIF_RX_POOL_DEL, OTHER, i));
	cbed_rx_publish(&bed);
	cbed_poll(&bed);
	for (nr = 0; nr < 64; nr++)
		req[nr] = cbed_expect(&bed, VMSGIF_OP_POOL_ACK);
	/* and so there is none for that of a pool, nor for another refused one. */
	tell(VMSGIF_RX_POOL_ADD, 7);
	tell(VMSGIF_RX_POOL_DEL, 33);
	mapped(expect_map(), 0);
	cbed_expect_none(&bed);
	ck_assert_uint_eq(cbed_rx_pages(&bed), 63);
	cbed_answered(&bed, &req[5], 0);
	req[5] = cbed_expect(&bed, VMSGIF_OP_POOL_ACK);
	ck_assert_uint_eq(req[5].u.pool.id, 7);
	ck_assert_int_eq(req[5].u.pool.status, 0);
	cbed_expect_none(&bed);
	cbed_answered(&bed, &req[6], 0);
	expect_ack(CBED_PEER, 33, VMSGIF_ECONNREFUSED);
	cbed_expect_pages(&bed, 0);
}
END_TEST

/* ------------------------------------------------------------------- again */

START_TEST(added_again)
{
	unsigned int slot = pool(7);
	struct vmsg_msg *msg = held(7, HELD_A, 50);

	/* The same one stays mapped, and its message stays held. */
	cbed_down(&bed);
	cbed_up(&bed);
	cbed_expect_none(&bed);
	tell(VMSGIF_RX_POOL_ADD, 7);
	expect_ack(CBED_PEER, 7, 0);
	cbed_no_event(&bed);
	/* So with the same broker. */
	tell(VMSGIF_RX_POOL_ADD, 7);
	expect_ack(CBED_PEER, 7, 0);
	release(msg);
	expect_release(1);
	tell(VMSGIF_RX_POOL_DEL, 7);
	expect_unmap(slot, false);
	expect_ack(CBED_PEER, 7, VMSGIF_ECONNREFUSED);
}
END_TEST

START_TEST(another_in_its_place)
{
	struct vmsgif_rx_response good = pool_event(VMSGIF_RX_POOL_ADD, CBED_PEER, 7);
	struct vmsgif_rx_response rsp;

	pool(7);
	rsp = good;
	rsp.u.pool.ref++;
	refused(rsp, VMSGIF_EADDRINUSE);
	rsp = good;
	rsp.u.pool.nr_pages--;
	refused(rsp, VMSGIF_EADDRINUSE);
	rsp = good;
	rsp.port = 10;
	refused(rsp, VMSGIF_EADDRINUSE);
	release(held(7, HELD_B, 9));
	expect_release(1);
}
END_TEST

START_TEST(added_again_while_mapping)
{
	unsigned int slot;

	tell(VMSGIF_RX_POOL_ADD, 7);
	slot = expect_map();
	cbed_down(&bed);
	cbed_up(&bed);
	cbed_expect_none(&bed);
	tell(VMSGIF_RX_POOL_ADD, 7);
	cbed_expect_none(&bed);
	cbed_no_event(&bed);
	mapped(slot, 0);
	expect_ack(CBED_PEER, 7, 0);
	cbed_expect_none(&bed);
}
END_TEST

/* Mapped, or not, for a broker that is gone: the next one gets to know when it asks. */
START_TEST(mapped_too_late)
{
	unsigned int slot;

	for (unsigned int i = 0; i < 2; i++) {
		tell(VMSGIF_RX_POOL_ADD, 7);
		slot = expect_map();
		cbed_down(&bed);
		mapped(slot, i ? 0 : -ENOMEM);
		cbed_up(&bed);
		cbed_expect_none(&bed);
		cbed_no_event(&bed);
	}
	tell(VMSGIF_RX_POOL_ADD, 7);
	expect_ack(CBED_PEER, 7, 0);
	cbed_no_event(&bed);
}
END_TEST

/* POOL_ACKs that are not posted are owed to the broker that waits for them, and to no other. */
START_TEST(ack_not_posted)
{
	unsigned int slot = pool(7);

	/* Not published yet: the broker goes before it can take anything. */
	cbed_rx(&bed, pool_event(VMSGIF_RX_POOL_DEL, CBED_PEER, 7));
	cbed_rx_publish(&bed);
	cbed_down(&bed);
	expect_unmap(slot, false);
	cbed_up(&bed);
	cbed_expect_none(&bed);
	cbed_no_event(&bed);
	/* The slot can be used. */
	ck_assert_uint_eq(pool(7), slot);
	/* A refused one is not mentioned either, and its page is back. */
	cbed_rx(&bed, pool_event(VMSGIF_RX_POOL_DEL, CBED_PEER, 8));
	cbed_rx_publish(&bed);
	cbed_down(&bed);
	cbed_up(&bed);
	cbed_expect_none(&bed);
	cbed_expect_pages(&bed, 0);
}
END_TEST

/* What waits for a slot when the broker goes is not said to the next one, which did not ask. */
START_TEST(ack_without_slot)
{
	unsigned int slot;

	for (unsigned int i = 0; i < 64; i++)
		cbed_rx(&bed, pool_event(VMSGIF_RX_POOL_DEL, OTHER, i));
	cbed_rx_publish(&bed);
	cbed_poll(&bed);
	for (unsigned int i = 0; i < 64; i++)
		cbed_expect(&bed, VMSGIF_OP_POOL_ACK);
	tell(VMSGIF_RX_POOL_ADD, 7);
	slot = expect_map();
	mapped(slot, 0);
	cbed_expect_none(&bed);
	cbed_down(&bed);
	cbed_connect(&bed);
	cbed_answer_all(&bed, 0);
	cbed_expect(&bed, VMSGIF_OP_BIND);
	cbed_expect(&bed, VMSGIF_OP_READY);
	cbed_expect_none(&bed);
	tell(VMSGIF_RX_POOL_ADD, 7);
	expect_ack(CBED_PEER, 7, 0);
	cbed_no_event(&bed);
}
END_TEST

/* Deleted and added before the POOL_ACK is out: it has another slot then. */
START_TEST(replaced_in_one_batch)
{
	unsigned int slot = pool(7);

	release(held(7, HELD_A, 10));
	expect_release(1);
	bed.pool_map_at_once = true;
	cbed_rx(&bed, pool_event(VMSGIF_RX_POOL_DEL, CBED_PEER, 7));
	cbed_rx(&bed, pool_event(VMSGIF_RX_POOL_ADD, CBED_PEER, 7));
	cbed_tell(&bed, map_msg(7, HELD_B, 10));
	expect_unmap(slot, false);
	ck_assert_uint_ne(expect_map(), slot);
	cbed_expect_event(&bed, CBED_READABLE);
	expect_ack(CBED_PEER, 7, VMSGIF_ECONNREFUSED);
	expect_ack(CBED_PEER, 7, 0);
	release(recv_map(HELD_B, 10));
	expect_release(2);
	ck_assert_ptr_null(vmsg_broken(bed.v));
}
END_TEST

/* ----------------------------------------------------------------- repeats */

static void repeat(uint64_t number)
{
	struct vmsgif_rx_response rsp = map_msg(7, HELD_A, 10);

	rsp.seq = number;
	cbed_tell(&bed, rsp);
	cbed_no_event(&bed);
}

/* A repeat of what is held is nothing; of what is not held any more, it is released again. */
START_TEST(repeats)
{
	struct vmsg_msg *first, *second;

	pool(7);
	first = held(7, HELD_A, 10);
	second = held(7, HELD_B, 10);
	cbed_tell(&bed, map_msg(7, 0, 10));
	cbed_expect_event(&bed, CBED_READABLE);
	for (uint64_t number = 1; number <= 3; number++)
		repeat(number);
	cbed_expect_none(&bed);
	ck_assert_uint_eq(cbed_stats(&bed).rx_repeated, 3);
	release(second);
	expect_release(2);
	repeat(2);
	expect_release(2);
	repeat(1);
	repeat(3);
	cbed_expect_none(&bed);
	release(first);
	expect_release(1);
	repeat(1);
	expect_release(1);
	release(recv_map(0, 10));
	expect_release(3);
	repeat(3);
	expect_release(3);
	ck_assert_ptr_null(cbed_recv(&bed, port, &(struct vmsg_info){ 0 }));
	/* Nothing is held: the pool can go. */
	tell(VMSGIF_RX_POOL_DEL, 7);
	expect_unmap(0, false);
}
END_TEST

/* RELEASEs that a broker did not answer are said to each one that follows, before READY. */
START_TEST(releases_over_restarts)
{
	struct vmsgif_tx_request req;
	struct vmsg_msg *msg;

	pool(7);
	release(held(7, HELD_A, 10));
	expect_release(1);
	release(held(7, HELD_A, 10));
	msg = held(7, HELD_B, 10);
	for (unsigned int i = 0; i < 3; i++) {
		cbed_down(&bed);
		if (!i)
			release(msg);
		cbed_connect(&bed);
		cbed_answer_all(&bed, 0);
		req = cbed_expect(&bed, VMSGIF_OP_BIND);
		cbed_answered(&bed, &req, 0);
		/* In any order. */
		req = cbed_expect(&bed, VMSGIF_OP_RELEASE);
		ck_assert(req.seq == 2 || req.seq == 3);
		ck_assert_uint_eq(cbed_expect(&bed, VMSGIF_OP_RELEASE).seq, 5 - req.seq);
		cbed_expect(&bed, VMSGIF_OP_READY);
		cbed_expect_none(&bed);
	}
	cbed_answered(&bed, &req, 0);
	/* Only the device's end takes them away. */
	vmsg_shutdown(bed.v, 0);
	cbed_connect(&bed);
	cbed_answer_all(&bed, 0);
	cbed_expect(&bed, VMSGIF_OP_BIND);
	cbed_expect(&bed, VMSGIF_OP_READY);
	cbed_expect_none(&bed);
}
END_TEST

/* Half of the window may be released before the sender has to know. */
START_TEST(releases_are_lazy)
{
	struct vmsgif_tx_sring *ring = bed.tx_ring;
	struct vmsg_msg *msgs[12];

	pool(7);
	for (unsigned int i = 0; i < 12; i++) {
		cbed_tell(&bed, map_msg(7, i, 10));
		msgs[i] = recv_map(i, 10);
	}
	vmsg_publish(bed.v, true);
	for (unsigned int i = 0; i < 12; i++) {
		if (i % 4 == 0)
			ring->req_event = ring->req_prod + 1;
		vmsg_release(bed.v, port, msgs[i]);
		ck_assert_int_eq(cbed_publish(&bed), i % 4 == 3);
		ck_assert(vmsg_put_off(bed.v) == (i % 4 != 3));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-foreign");
	TCase *tc = tcase_create("foreign");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, add_use_del);
	tcase_add_test(tc, mapped_at_once);
	tcase_add_test(tc, cannot_be_mapped);
	tcase_add_test(tc, bad_pools);
	tcase_add_test(tc, too_many_pools);
	tcase_add_test(tc, del_of_unknown);
	tcase_add_test(tc, refused_without_end);
	tcase_add_test(tc, acks_wait);
	tcase_add_test(tc, added_again);
	tcase_add_test(tc, another_in_its_place);
	tcase_add_test(tc, added_again_while_mapping);
	tcase_add_test(tc, mapped_too_late);
	tcase_add_test(tc, ack_not_posted);
	tcase_add_test(tc, ack_without_slot);
	tcase_add_test(tc, replaced_in_one_batch);
	tcase_add_test(tc, repeats);
	tcase_add_test(tc, releases_over_restarts);
	tcase_add_test(tc, releases_are_lazy);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
