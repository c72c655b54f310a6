/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of own pools survives a restart of the broker, and what is said of them in the end. */
#include "tests/unit/core-own.h"

/* Connects anew; the port is bound, and what else was asked for is left. */
static void restart(void)
{
	struct vmsgif_tx_request req;

	cbed_down(&bed);
	cbed_connect(&bed);
	for (unsigned int i = 0; i < 2; i++) {
		req = cbed_expect(&bed, VMSGIF_OP_POOL_ADD);
		ck_assert_uint_ne(req.u.pool.type, VMSGIF_POOL_MAP);
		cbed_answer(&bed, &req, 0);
	}
	cbed_tx_publish(&bed);
	cbed_poll(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_BIND);
	cbed_answered(&bed, &req, 0);
}

static void expect_ready(void)
{
	struct vmsgif_tx_request req = cbed_expect(&bed, VMSGIF_OP_READY);

	cbed_answered(&bed, &req, 0);
}

START_TEST(announced_again)
{
	struct vmsgif_tx_request add1, sent;

	pool(1);
	ck_assert_int_eq(send(1, 3, 5), 0);
	restart();
	add1 = expect_add(1);
	expect_ready();
	/* The SEND need not wait for the answer, nor do new ones. */
	sent = expect_send(1, 3);
	ck_assert_int_eq(send(1, 4, 5), 0);
	cbed_publish(&bed);
	expect_send(1, 4);
	cbed_answered(&bed, &sent, 0);
	expect_sent(7, 0);
	cbed_answered(&bed, &add1, 0);
	cbed_no_event(&bed); /* nobody asked */
	ck_assert_int_eq(send(1, 5, 1), 0);
}
END_TEST

/* The receiver did not come back, say. */
START_TEST(refused_again)
{
	struct vmsgif_tx_request add1, sent;

	pool(1);
	ck_assert_int_eq(send(1, 3, 5), 0);
	restart();
	add1 = expect_add(1);
	expect_ready();
	sent = expect_send(1, 3);
	cbed_answered(&bed, &add1, VMSGIF_EHOSTUNREACH);
	cbed_no_event(&bed);
	ck_assert_int_eq(send(1, 0, 1), -EINVAL);
	/* Whether the first broker had delivered it, this one does not know. */
	cbed_answered(&bed, &sent, VMSGIF_EFAULT);
	expect_sent(7, VMSGIF_EHOSTDOWN);
	expect_gone(1);
	pool(1);
}
END_TEST

/* The SEND that is out is answered by the broker, and only then the pool is gone. */
START_TEST(refused_with_sends_queued)
{
	struct vmsgif_tx_request req, add1;

	pool(1);
	pool(2);
	cbed_down(&bed);
	ck_assert_int_eq(send(1, 3, 5), 0);
	ck_assert_int_eq(send(2, 4, 5), 0);
	ck_assert_int_eq(vmsg_resolve_addr(bed.v, 5, 50), 0);
	ck_assert_int_eq(cbed_send(&bed, port, "x", 1, 8), 0);
	/* All are of one flow, of which only one SEND may be under way. */
	bed.features.flow_window = 1;
	cbed_connect(&bed);
	cbed_answer_all(&bed, 0);
	req = cbed_expect(&bed, VMSGIF_OP_BIND);
	cbed_answered(&bed, &req, 0);
	add1 = expect_add(1);
	expect_add(2);
	expect_ready();
	req = expect_send(1, 3);
	cbed_expect_none(&bed);
	tell_gone(CBED_PEER, 2); /* whose POOL_ADD will say so */
	cbed_answered(&bed, &add1, VMSGIF_ECONNREFUSED);
	cbed_no_event(&bed);
	cbed_answered(&bed, &req, VMSGIF_ECONNREFUSED);
	expect_sent(7, VMSGIF_ECONNREFUSED);
	expect_gone(1);
	expect_send(2, 4);
	cbed_expect(&bed, VMSGIF_OP_RESOLVE);
}
END_TEST

/* SENDs that are still queued when the pool is refused never go out. Others do. */
START_TEST(gone_with_sends_queued)
{
	struct vmsgif_tx_request req;
	struct vmsgif_tx_request add_req[2];

	pool(1);
	pool(2);
	cbed_down(&bed);
	bed.features.flow_window = 1;
	ck_assert_int_eq(cbed_send(&bed, port, "x", 1, 8), 0);
	ck_assert_int_eq(send(1, 3, 5), 0);
	ck_assert_int_eq(send(2, 4, 5), 0);
	ck_assert_int_eq(vmsg_resolve_addr(bed.v, 5, 50), 0);
	ck_assert_int_eq(cbed_send(&bed, port, "y", 1, 9), 0);
	cbed_connect(&bed);
	cbed_answer_all(&bed, 0);
	req = cbed_expect(&bed, VMSGIF_OP_BIND);
	cbed_answered(&bed, &req, 0);
	for (unsigned int i = 0; i < 2; i++)
		add_req[i] = expect_add(i + 1);
	expect_ready();
	req = cbed_expect(&bed, VMSGIF_OP_SEND);
	ck_assert_uint_eq(req.flags, VMSGIF_TXF_INLINE);
	cbed_expect_none(&bed); /* the window is used up */
	cbed_answered(&bed, &add_req[0], VMSGIF_EHOSTDOWN);
	expect_sent(7, VMSGIF_EHOSTDOWN); /* the queued one, which nobody else saw */
	expect_gone(1);
	cbed_no_event(&bed);
	cbed_answered(&bed, &add_req[1], 0);
	cbed_answered(&bed, &req, 0);
	expect_sent(8, 0);
	req = expect_send(2, 4);
	cbed_expect(&bed, VMSGIF_OP_RESOLVE);
	cbed_expect_none(&bed);
	cbed_answered(&bed, &req, 0);
	expect_sent(7, 0);
	req = cbed_expect(&bed, VMSGIF_OP_SEND);
	ck_assert_uint_eq(req.u.data[0], 'y');
}
END_TEST

/* An answer that the broker did not give is given by the next one. */
START_TEST(adding_over_a_restart)
{
	struct vmsgif_tx_request req;

	ck_assert_int_eq(add(1), 0);
	cbed_publish(&bed);
	expect_add(1);
	restart();
	req = expect_add(1);
	cbed_no_event(&bed);
	cbed_answered(&bed, &req, 0);
	expect_done(101, 0);
	cbed_no_event(&bed);
}
END_TEST

START_TEST(deleting_over_restarts)
{
	struct vmsgif_tx_request req;

	pool(1);
	ck_assert_int_eq(del(1), 0);
	cbed_publish(&bed);
	expect_del(1);
	/* The receiver has it mapped, so it is told, twice. */
	for (unsigned int i = 0; i < 2; i++) {
		restart();
		expect_add(1);
		cbed_no_event(&bed);
	}
	restart();
	req = expect_add(1);
	expect_ready();
	cbed_answered(&bed, &req, 0);
	req = expect_del(1);
	cbed_answered(&bed, &req, 0);
	expect_done(201, 0);
	cbed_no_event(&bed);
	pool(1);
}
END_TEST

/* Deleted while it is announced again, which fails: it is not there, as was wanted. */
START_TEST(deleted_and_refused)
{
	struct vmsgif_tx_request req;

	pool(1);
	restart();
	req = expect_add(1);
	ck_assert_int_eq(del(1), 0);
	cbed_answered(&bed, &req, VMSGIF_EHOSTUNREACH);
	expect_done(201, 0);
	cbed_no_event(&bed);
	ck_assert_int_eq(del(1), -EINVAL);
}
END_TEST

/* In the end each pool is spoken of once, as suits its state. */
START_TEST(shutdown_in_every_state)
{
	struct vmsgif_tx_request req;

	for (unsigned int id = 1; id <= 6; id++)
		if (id != 2)
			pool(id);
	ck_assert_int_eq(del(3), 0);
	restart();
	req = expect_add(1);
	cbed_answered(&bed, &req, 0); /* on again; the others are not yet */
	ck_assert_int_eq(add(2), 0);
	ck_assert_int_eq(del(4), 0);
	ck_assert_int_eq(send(1, 0, 1), 0);
	tell_gone(CBED_PEER, 1);
	cbed_no_event(&bed);
	vmsg_shutdown(bed.v, -ECANCELED);
	expect_sent(7, -ECANCELED);
	expect_gone(1);
	expect_done(102, -ECANCELED);
	expect_done(203, 0);
	expect_done(204, 0);
	expect_gone(5);
	expect_gone(6);
	cbed_no_event(&bed);
	cbed_up(&bed);
	for (unsigned int id = 1; id <= 6; id++)
		pool(id);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-own-restart");
	TCase *tc = tcase_create("own-restart");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, announced_again);
	tcase_add_test(tc, refused_again);
	tcase_add_test(tc, refused_with_sends_queued);
	tcase_add_test(tc, gone_with_sends_queued);
	tcase_add_test(tc, adding_over_a_restart);
	tcase_add_test(tc, deleting_over_restarts);
	tcase_add_test(tc, deleted_and_refused);
	tcase_add_test(tc, shutdown_in_every_state);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
