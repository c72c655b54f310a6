/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TX responses and ring indexes that only a faulty broker writes. Each breaks
 * the device once, for its own reason, and a new instance starts from scratch.
 */
#include "tests/unit/core-bed.h"

#include <string.h>

static struct cbed bed;
static struct vmsg_port *port;

static void setup(void)
{
	cbed_defaults(&bed);
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_port(&bed, 0);
}

static void teardown(void)
{
	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
}

/* A SEND of a page, published; its cookie is 7. */
static struct vmsgif_tx_request sent(void)
{
	uint8_t bytes[100];

	cbed_fill(bytes, sizeof(bytes), 1);
	ck_assert_int_eq(cbed_send_pages(&bed, port, bytes, sizeof(bytes), 7), 0);
	cbed_publish(&bed);
	return cbed_expect(&bed, VMSGIF_OP_SEND);
}

static void expect_done(uint64_t cookie, int status)
{
	struct cbed_event event = cbed_expect_event(&bed, CBED_SEND_DONE);

	ck_assert_ptr_eq(event.port, port);
	ck_assert_uint_eq(event.cookie, cookie);
	ck_assert_int_eq(event.status, status);
}

/* The SEND that is answered so completes as everything does on a broken device. */
static void answer_breaks(const struct vmsgif_tx_response *rsp, const char *reason)
{
	cbed_answer_raw(&bed, rsp);
	cbed_tx_publish(&bed);
	cbed_poll(&bed);
	expect_done(7, -EHOSTDOWN);
	cbed_no_event(&bed);
	ck_assert_uint_eq(vmsg_unanswered(port), 0);
	cbed_expect_broken_once(&bed, reason, 0);
}

START_TEST(id_that_is_none)
{
	static const uint16_t ids[] = { 64, 65, 128, 0x8000, 0xffff };

	for (unsigned int i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct vmsgif_tx_request req = sent();
		struct vmsgif_tx_response rsp = cbed_response(&req, 0);

		rsp.id = ids[i];
		answer_breaks(&rsp, "TX response with an id that is none");
	}
}
END_TEST

START_TEST(id_that_is_free)
{
	/* Of a request that was answered before, and of one that never was. */
	for (unsigned int i = 0; i < 2; i++) {
		struct vmsgif_tx_request before = sent();
		struct vmsgif_tx_request req = sent();
		struct vmsgif_tx_response rsp;

		cbed_answered(&bed, &before, 0);
		expect_done(7, 0);
		rsp = cbed_response(i ? &req : &before, 0);
		if (i)
			rsp.id = 63;
		answer_breaks(&rsp, "TX response to no request");
	}
}
END_TEST

START_TEST(doubled)
{
	struct vmsgif_tx_request req = sent();

	sent();
	cbed_answer(&bed, &req, 0);
	cbed_answer(&bed, &req, 0);
	cbed_tx_publish(&bed);
	cbed_poll(&bed);
	expect_done(7, 0);
	expect_done(7, -EHOSTDOWN);
	cbed_no_event(&bed);
	cbed_expect_broken_once(&bed, "TX response to no request", 0);
}
END_TEST

/* What waits for the connection has an id, but is not posted. */
START_TEST(request_that_is_queued)
{
	struct vmsgif_tx_request pool;
	struct vmsgif_tx_response rsp;

	cbed_down(&bed);
	cbed_connect(&bed);
	pool = cbed_expect(&bed, VMSGIF_OP_POOL_ADD);
	cbed_expect(&bed, VMSGIF_OP_POOL_ADD);
	ck_assert_int_eq(cbed_send(&bed, port, "x", 1, 7), 0);
	cbed_publish(&bed);
	cbed_expect_none(&bed);
	rsp = cbed_response(&pool, 0);
	rsp.op = VMSGIF_OP_SEND;
	rsp.id = 2;
	answer_breaks(&rsp, "TX response to no request");
}
END_TEST

START_TEST(another_op)
{
	for (unsigned int op = 0; op <= VMSGIF_OP_MAX + 1; op++) {
		struct vmsgif_tx_request req;
		struct vmsgif_tx_response rsp;

		if (op == VMSGIF_OP_SEND)
			continue;
		req = sent();
		rsp = cbed_response(&req, 0);
		rsp.op = (uint8_t)op;
		answer_breaks(&rsp, "TX response of another kind than the request");
	}
}
END_TEST

START_TEST(positive_status)
{
	static const int32_t statuses[] = { 1, 111, INT32_MAX };

	for (unsigned int i = 0; i < 3; i++) {
		struct vmsgif_tx_request req = sent();
		struct vmsgif_tx_response rsp = cbed_response(&req, statuses[i]);

		answer_breaks(&rsp, "bad TX response");
	}
}
END_TEST

START_TEST(reserved_parts)
{
	for (unsigned int i = 0; i <= sizeof(((struct vmsgif_tx_response *)0)->reserved); i++) {
		struct vmsgif_tx_request req = sent();
		struct vmsgif_tx_response rsp = cbed_response(&req, 0);

		if (i)
			rsp.reserved[i - 1] = 0x80;
		else
			rsp.reserved0 = 1;
		answer_breaks(&rsp, "bad TX response");
	}
}
END_TEST

START_TEST(address_of_a_send)
{
	for (unsigned int i = 0; i < 4; i++) {
		struct vmsgif_tx_request req = sent();
		struct vmsgif_tx_response rsp = cbed_response(&req, i & 2 ? VMSGIF_EACCES : 0);

		if (i & 1)
			rsp.addr = 1;
		else
			rsp.port = 1;
		answer_breaks(&rsp, "TX response with an address");
	}
}
END_TEST

/* Control requests are checked as SENDs are, and end with -EHOSTDOWN. */
START_TEST(address_of_a_subscribe)
{
	struct vmsgif_tx_request req;
	struct vmsgif_tx_response rsp;
	struct cbed_event event;

	ck_assert_int_eq(vmsg_subscribe(bed.v, "peer", 4, false, 5), 0);
	cbed_publish(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_SUBSCRIBE);
	rsp = cbed_response(&req, 0);
	rsp.addr = CBED_PEER;
	cbed_answer_raw(&bed, &rsp);
	cbed_tx_publish(&bed);
	cbed_poll(&bed);
	event = cbed_expect_event(&bed, CBED_CONTROL_DONE);
	ck_assert_uint_eq(event.cookie, 5);
	ck_assert_int_eq(event.status, -EHOSTDOWN);
	cbed_no_event(&bed);
	cbed_expect_broken_once(&bed, "TX response with an address", 0);
}
END_TEST

/* What else was under way when it broke, posted or not, ends as well. */
START_TEST(everything_ends)
{
	static const uint64_t cookies[] = { 7, 11, 12, 13, 14 };
	struct vmsg_port *bound = cbed_port(&bed, 4096);
	struct vmsgif_tx_request req = sent();
	struct vmsgif_tx_response rsp = cbed_response(&req, 1);
	unsigned int seen = 0;
	struct cbed_event event;

	ck_assert_int_eq(vmsg_bind(bed.v, bound, 9, NULL, 0, 11), 0);
	cbed_publish(&bed);
	ck_assert_int_eq(vmsg_subscribe(bed.v, "peer", 4, false, 12), 0);
	ck_assert_int_eq(vmsg_resolve_name(bed.v, "x@peer", 6, 13), 0);
	ck_assert_int_eq(vmsg_pool_add(bed.v, bound, 5, CBED_PEER, 1, 2, 3, 14), 0);
	cbed_answer_raw(&bed, &rsp);
	cbed_tx_publish(&bed);
	cbed_poll(&bed);
	while ((event = cbed_event(&bed)).kind != CBED_NONE) {
		ck_assert_int_eq(event.status, -EHOSTDOWN);
		for (unsigned int i = 0; i < 5; i++)
			if (event.cookie == cookies[i])
				seen ^= 1u << i;
	}
	ck_assert_uint_eq(seen, 0x1f); /* each once */
	cbed_expect_broken_once(&bed, "bad TX response", 0);
	/* The port and the pool's id are free again. */
	ck_assert_int_eq(vmsg_bind(bed.v, bound, 10, NULL, 0, 1), 0);
	ck_assert_int_eq(vmsg_pool_add(bed.v, bound, 5, CBED_PEER, 1, 2, 3, 2), 0);
	cbed_port_free(&bed, bound);
}
END_TEST

/* Indexes: more than was asked for, also by going backwards. */
START_TEST(index_overrun)
{
	static const char *const reasons[] = { "more TX responses than requests",
					       "more RX responses than requests" };
	static const uint32_t off[] = { 1, 64, 1u << 31, UINT32_MAX };

	for (unsigned int ring = 0; ring < 2; ring++) {
		for (unsigned int i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
			sent();
			if (ring) {
				/* From all that is posted; from where it is, backwards. */
				if (i < 3)
					bed.rx_prod += cbed_rx_posted(&bed);
				bed.rx_prod += off[i];
				cbed_rx_publish(&bed);
			} else {
				bed.tx_prod += off[i] + (i < 3);
				cbed_tx_publish(&bed);
			}
			cbed_poll(&bed);
			expect_done(7, -EHOSTDOWN);
			cbed_no_event(&bed);
			cbed_expect_broken_once(&bed, reasons[ring], 0);
		}
	}
}
END_TEST

/* An overrun beside good responses: nothing of the batch is taken. */
START_TEST(overrun_beside_good_ones)
{
	struct vmsgif_tx_request req = sent();

	cbed_answer(&bed, &req, 0);
	cbed_tx_publish(&bed);
	bed.rx_prod += 65;
	cbed_rx_publish(&bed);
	cbed_poll(&bed);
	expect_done(7, -EHOSTDOWN);
	cbed_expect_broken_once(&bed, "more RX responses than requests", 0);
}
END_TEST

/* The last stretch before a reset is not trusted either. */
START_TEST(while_it_disconnects)
{
	struct vmsgif_tx_request req = sent();
	struct vmsgif_tx_response rsp = cbed_response(&req, 0);

	rsp.addr = 1;
	cbed_answer_raw(&bed, &rsp);
	cbed_tx_publish(&bed);
	cbed_down(&bed);
	expect_done(7, -EHOSTDOWN);
	cbed_no_event(&bed);
	/* A second end of the same connection is none. */
	cbed_down(&bed);
	cbed_expect_broken_once(&bed, "TX response with an address", 0);
}
END_TEST

/* Responses after the connection are nobody's. */
START_TEST(while_disconnected)
{
	struct vmsgif_tx_request req = sent();

	cbed_down(&bed);
	cbed_answer(&bed, &req, 0);
	cbed_tx_publish(&bed);
	bed.rx_prod += 1000;
	cbed_rx_publish(&bed);
	cbed_poll(&bed);
	ck_assert(!vmsg_arm(bed.v));
	cbed_no_event(&bed);
	ck_assert_ptr_null(vmsg_broken(bed.v));
	ck_assert_uint_eq(vmsg_unanswered(port), 1);
	/* The new broker's answer is the one that counts. */
	cbed_up(&bed);
	expect_done(7, 0);
	ck_assert_uint_eq(cbed_stats(&bed).tx_resubmitted, 1);
	cbed_expect_pages(&bed, 0);
}
END_TEST

/* A bad response behind good ones: those count, and what comes after it does not. */
START_TEST(in_the_middle)
{
	struct vmsgif_tx_request req[3];
	struct vmsgif_tx_response rsp;

	for (unsigned int i = 0; i < 3; i++)
		ck_assert_int_eq(cbed_send(&bed, port, "x", 1, i + 1), 0);
	cbed_publish(&bed);
	for (unsigned int i = 0; i < 3; i++)
		req[i] = cbed_expect(&bed, VMSGIF_OP_SEND);
	cbed_answer(&bed, &req[0], 0);
	rsp = cbed_response(&req[1], 0);
	rsp.reserved0 = 1;
	cbed_answer_raw(&bed, &rsp);
	cbed_answer(&bed, &req[2], 0);
	cbed_tx_publish(&bed);
	cbed_poll(&bed);
	expect_done(1, 0);
	expect_done(2, -EHOSTDOWN);
	expect_done(3, -EHOSTDOWN);
	cbed_no_event(&bed);
	ck_assert_uint_eq(cbed_stats(&bed).tx_failed, 2);
	cbed_expect_broken_once(&bed, "bad TX response", 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-answers");
	TCase *tc = tcase_create("answers");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, id_that_is_none);
	tcase_add_test(tc, id_that_is_free);
	tcase_add_test(tc, doubled);
	tcase_add_test(tc, request_that_is_queued);
	tcase_add_test(tc, another_op);
	tcase_add_test(tc, positive_status);
	tcase_add_test(tc, reserved_parts);
	tcase_add_test(tc, address_of_a_send);
	tcase_add_test(tc, address_of_a_subscribe);
	tcase_add_test(tc, everything_ends);
	tcase_add_test(tc, index_overrun);
	tcase_add_test(tc, overrun_beside_good_ones);
	tcase_add_test(tc, while_it_disconnects);
	tcase_add_test(tc, while_disconnected);
	tcase_add_test(tc, in_the_middle);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
