/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Own pools: added, used, deleted, and gone on the receiver's side. */
#include "tests/unit/core-own.h"

/* -------------------------------------------------------------------- life */

START_TEST(add_send_del)
{
	struct vmsgif_tx_request req;

	pool(63);
	/* What was sent before leaves nothing in the request. */
	ck_assert_int_eq(cbed_send_pages(&bed, port, "abc", 3, 0), 0);
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	ck_assert_int_eq(send(63, 0, BYTES), 0);
	ck_assert_int_eq(send(63, BYTES - 1, 1), 0);
	cbed_publish(&bed);
	req = expect_send(63, 0);
	cbed_answered(&bed, &req, 0);
	expect_sent(7, 0);
	ck_assert_int_eq(del(63), -EBUSY);
	req = expect_send(63, BYTES - 1);
	cbed_answered(&bed, &req, VMSGIF_ENOBUFS);
	expect_sent(7, VMSGIF_ENOBUFS);
	ck_assert_uint_eq(cbed_stats(&bed).tx_mapped, 2);
	ck_assert_int_eq(del(63), 0);
	ck_assert_int_eq(del(63), -EBUSY);
	ck_assert_int_eq(send(63, 0, 1), -EINVAL);
	ck_assert_int_eq(add(63), -EADDRINUSE);
	cbed_publish(&bed);
	req = expect_del(63);
	/* Its status does not matter, but is passed on. */
	cbed_answered(&bed, &req, VMSGIF_EINVAL);
	expect_done(263, VMSGIF_EINVAL);
	cbed_no_event(&bed);
	pool(63);
}
END_TEST

START_TEST(bad_arguments)
{
	struct vmsg_port *unbound = cbed_port(&bed, 4096);

	ck_assert_int_eq(add(VMSGIF_MAP_POOLS_MAX), -EINVAL);
	ck_assert_int_eq(vmsg_pool_add(bed.v, port, 0, 0, 1, REF, 1, 1), -EINVAL);
	ck_assert_int_eq(vmsg_pool_add(bed.v, port, 0, 1, 0, REF, 1, 1), -EINVAL);
	ck_assert_int_eq(vmsg_pool_add(bed.v, port, 0, 1, 1, REF, 0, 1), -EINVAL);
	ck_assert_int_eq(vmsg_pool_add(bed.v, port, 0, 1, 1, REF, 1025, 1), -EINVAL);
	ck_assert_int_eq(vmsg_pool_add(bed.v, unbound, 0, 1, 1, REF, 1, 1), -EINVAL);
	ck_assert_int_eq(del(VMSGIF_MAP_POOLS_MAX), -EINVAL);
	ck_assert_int_eq(del(0), -EINVAL);
	ck_assert_int_eq(vmsg_pool_add(bed.v, port, 1, 1, 1, REF, 1024, 101), 0);
	ck_assert_int_eq(add(0), 0);
	ck_assert_int_eq(add(0), -EADDRINUSE);
	ck_assert_int_eq(del(0), -EBUSY);
	cbed_publish(&bed);
	expect_add(0);
	ck_assert_uint_eq(cbed_expect(&bed, VMSGIF_OP_POOL_ADD).u.pool.nr_pages, 1024);
	cbed_expect_none(&bed);
	vmsg_shutdown(bed.v, -ECANCELED);
	expect_done(100, -ECANCELED);
	expect_done(101, -ECANCELED);
	ck_assert_uint_eq(vmsg_address(bed.v), 0);
	ck_assert_int_eq(add(1), -EHOSTDOWN);
	ck_assert_int_eq(del(0), -EHOSTDOWN);
	cbed_port_free(&bed, unbound);
}
END_TEST

START_TEST(bad_sends)
{
	struct vmsg_port *other = cbed_bound_port(&bed, 10, 4096);
	struct vmsg_send s;

	ck_assert_int_eq(add(1), 0);
	ck_assert_int_eq(send(1, 0, 1), -EINVAL); /* not yet */
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	expect_done(101, 0);
	/* At first, and with the flow known. */
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_int_eq(send(0, 0, 1), -EINVAL);
		ck_assert_int_eq(send(64, 0, 1), -EINVAL);
		ck_assert_int_eq(send(1, 0, 0), -EINVAL);
		ck_assert_int_eq(send(1, 0, BYTES + 1), -EINVAL);
		ck_assert_int_eq(send(1, BYTES, 1), -EINVAL);
		ck_assert_int_eq(send(1, UINT32_MAX, 1), -EINVAL);
		ck_assert_int_eq(send(1, 0, 65537), -EMSGSIZE);
		s = in_pool(1, 0, 1);
		ck_assert_int_eq(vmsg_send(bed.v, other, &s, NULL), -EINVAL);
		s.addr = OTHER;
		ck_assert_int_eq(vmsg_send(bed.v, port, &s, NULL), -EINVAL);
		s = in_pool(1, 0, 1);
		s.port++;
		ck_assert_int_eq(vmsg_send(bed.v, port, &s, NULL), -EINVAL);
		ck_assert_int_eq(send(1, 0, 1), 0);
	}
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	expect_sent(7, 0);
	expect_sent(7, 0);
	cbed_no_event(&bed);
	ck_assert_uint_eq(cbed_stats(&bed).tx_messages, 2);
	cbed_port_free(&bed, other);
}
END_TEST

/* Under another number the port is not the one that the receiver knows. */
START_TEST(port_bound_elsewhere)
{
	struct vmsgif_tx_request req;

	pool(1);
	ck_assert_int_eq(vmsg_unbind(bed.v, port, 1), 0);
	cbed_publish(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_UNBIND);
	cbed_answered(&bed, &req, 0);
	expect_done(1, 0);
	ck_assert_int_eq(send(1, 0, 1), -EINVAL);
	ck_assert_int_eq(vmsg_bind(bed.v, port, 10, NULL, 0, 2), 0);
	cbed_publish(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_BIND);
	cbed_answered(&bed, &req, 0);
	expect_done(2, 0);
	ck_assert_int_eq(send(1, 0, 1), -EINVAL);
	cbed_expect_none(&bed);
}
END_TEST

/* The pools of a port that is no more take no SENDs, and can be deleted. */
START_TEST(owner_is_no_more)
{
	struct vmsg_port *other = cbed_bound_port(&bed, 10, 4096);
	struct vmsg_send s = in_pool(1, 0, 1);
	struct vmsgif_tx_request req;

	pool(2);
	ck_assert_int_eq(vmsg_pool_add(bed.v, other, 1, CBED_PEER, CBED_PORT, REF, 1, 101), 0);
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	expect_done(101, 0);
	ck_assert_int_eq(vmsg_send(bed.v, other, &s, NULL), 0);
	cbed_publish(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_SEND);
	vmsg_port_fini(bed.v, other);
	ck_assert_int_eq(del(1), -EBUSY);
	cbed_answered(&bed, &req, 0);
	cbed_no_event(&bed);
	ck_assert_int_eq(vmsg_send(bed.v, port, &s, NULL), -EINVAL);
	ck_assert_int_eq(del(1), 0);
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	expect_done(201, 0);
	ck_assert_int_eq(send(2, 0, 1), 0); /* that of another port */
	cbed_port_free(&bed, other);
}
END_TEST

START_TEST(refused)
{
	struct vmsgif_tx_request req;

	ck_assert_int_eq(add(1), 0);
	cbed_publish(&bed);
	req = expect_add(1);
	cbed_answered(&bed, &req, VMSGIF_EACCES);
	expect_done(101, VMSGIF_EACCES);
	ck_assert_int_eq(del(1), -EINVAL);
	pool(1);
}
END_TEST

/* As many as leave half of the ring to others, of which each keeps a place. */
START_TEST(too_many)
{
	struct vmsgif_tx_request req;
	unsigned int nr = 0;

	for (unsigned int id = 0; id < 24; id++)
		pool(id);
	ck_assert_int_eq(add(24), -ENOSPC);
	for (uint32_t flow = 0; flow < 6; flow++) {
		struct vmsg_send s = { .addr = CBED_PEER + flow, .port = 1, .data = "" };

		while (!vmsg_send(bed.v, port, &s, NULL))
			nr++;
	}
	ck_assert_uint_eq(nr, 24);
	ck_assert_int_eq(vmsg_resolve_addr(bed.v, 1, 1), -EAGAIN);
	/* One that is deleted gives its place to others. */
	ck_assert_int_eq(del(3), 0);
	cbed_publish(&bed);
	for (nr = 0; nr < 24; nr++)
		cbed_expect(&bed, VMSGIF_OP_SEND);
	req = expect_del(3);
	cbed_answered(&bed, &req, 0);
	expect_done(203, 0);
	ck_assert_ptr_null(cbed_expect_event(&bed, CBED_WRITABLE).port);
	ck_assert_int_eq(vmsg_resolve_addr(bed.v, 1, 1), 0);
}
END_TEST

/* -------------------------------------------------------------------- gone */

START_TEST(receiver_lets_go)
{
	struct vmsgif_tx_request req;

	pool(1);
	pool(2);
	ck_assert_int_eq(send(1, 0, 1), 0);
	cbed_publish(&bed);
	req = expect_send(1, 0);
	/* Of others, of none, of numbers that are none: nothing happens. */
	tell_gone(OTHER, 1);
	tell_gone(CBED_PEER, 3);
	tell_gone(CBED_PEER, 64);
	tell_gone(CBED_PEER, 0xffff);
	cbed_no_event(&bed);
	ck_assert_ptr_null(vmsg_broken(bed.v));
	/* The pages are the peer's to read until the SEND is answered. */
	tell_gone(CBED_PEER, 1);
	cbed_no_event(&bed);
	ck_assert_int_eq(send(1, 0, 1), -EINVAL);
	ck_assert_int_eq(del(1), -EBUSY);
	ck_assert_int_eq(add(1), -EADDRINUSE);
	tell_gone(CBED_PEER, 1);
	cbed_answered(&bed, &req, VMSGIF_ECONNREFUSED);
	expect_sent(7, VMSGIF_ECONNREFUSED);
	expect_gone(1);
	tell_gone(CBED_PEER, 1);
	cbed_no_event(&bed);
	pool(1);
	/* Without SENDs it is at once. */
	tell_gone(CBED_PEER, 2);
	expect_gone(2);
}
END_TEST

START_TEST(receiver_dies)
{
	pool(1);
	pool(5);
	ck_assert_int_eq(vmsg_pool_add(bed.v, port, 6, OTHER, 1, REF, 1, 106), 0);
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	expect_done(106, 0);
	cbed_tell(&bed, cbed_rx_event(VMSGIF_RX_PEER_DOWN, CBED_PEER));
	cbed_expect_event(&bed, CBED_PEER_DOWN);
	expect_gone(1);
	expect_gone(5);
	cbed_no_event(&bed);
	ck_assert_int_eq(del(6), 0);
}
END_TEST

/* What is asked for says so itself. */
START_TEST(gone_while_asked)
{
	struct vmsgif_tx_request req;

	ck_assert_int_eq(add(1), 0);
	cbed_publish(&bed);
	req = expect_add(1);
	tell_gone(CBED_PEER, 1);
	cbed_no_event(&bed);
	cbed_answered(&bed, &req, VMSGIF_EHOSTDOWN);
	expect_done(101, VMSGIF_EHOSTDOWN);
	pool(1);
	ck_assert_int_eq(del(1), 0);
	cbed_publish(&bed);
	req = expect_del(1);
	tell_gone(CBED_PEER, 1);
	cbed_no_event(&bed);
	cbed_answered(&bed, &req, 0);
	expect_done(201, 0);
	cbed_no_event(&bed);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-own");
	TCase *tc = tcase_create("own");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, add_send_del);
	tcase_add_test(tc, bad_arguments);
	tcase_add_test(tc, bad_sends);
	tcase_add_test(tc, port_bound_elsewhere);
	tcase_add_test(tc, owner_is_no_more);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, too_many);
	tcase_add_test(tc, receiver_lets_go);
	tcase_add_test(tc, receiver_dies);
	tcase_add_test(tc, gone_while_asked);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
