/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who waits for what with vmsg_send(): windows, shares, slots, TX pages, and a connection. */
#include "tests/unit/core-send.h"

/* Sends until it is refused. */
static unsigned int send_all(struct vmsg_port *from, uint32_t addr)
{
	struct vmsg_send send = { .addr = addr, .port = CBED_PORT, .data = "" };
	unsigned int nr = 0;
	int error;

	while (!(error = vmsg_send(bed.v, from, &send, NULL)))
		nr++;
	ck_assert_int_eq(error, -EAGAIN);
	return nr;
}

START_TEST(window)
{
	struct vmsgif_tx_request req;

	/* Eight of a flow; others do not mind. */
	ck_assert_uint_eq(send_all(port, CBED_PEER), 8);
	ck_assert_uint_eq(send_all(port, CBED_PEER), 0);
	cbed_publish(&bed);
	cbed_no_event(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_SEND);
	cbed_answered(&bed, &req, 0);
	ck_assert_ptr_eq(cbed_expect_event(&bed, CBED_WRITABLE).port, port);
	ck_assert_uint_eq(send_all(port, CBED_PEER), 1);
	/* Who waits for two windows is told about any. */
	ck_assert_uint_eq(send_all(port, CBED_PEER + 1), 8);
	ck_assert_uint_eq(vmsg_unanswered(port), 16);
	cbed_publish(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_SEND);
	cbed_answered(&bed, &req, 0);
	cbed_expect_event(&bed, CBED_WRITABLE);
	cbed_answer_all(&bed, 0);
	cbed_no_event(&bed);
}
END_TEST

START_TEST(window_waits_for_its_flow)
{
	struct vmsgif_tx_request req[16];

	ck_assert_uint_eq(send_all(port, CBED_PEER), 8);
	ck_assert_int_eq(cbed_send(&bed, port, "", 0, 0), -EAGAIN);
	{
		struct vmsg_send send = { .addr = CBED_PEER + 1, .port = 1, .data = "" };

		ck_assert_int_eq(vmsg_send(bed.v, port, &send, NULL), 0);
	}
	cbed_publish(&bed);
	for (unsigned int i = 0; i < 9; i++)
		req[i] = cbed_expect(&bed, VMSGIF_OP_SEND);
	cbed_answered(&bed, &req[8], 0);
	cbed_no_event(&bed);
	cbed_answered(&bed, &req[3], 0);
	cbed_expect_event(&bed, CBED_WRITABLE);
}
END_TEST

START_TEST(share_and_slots)
{
	struct vmsg_port *other = cbed_port(&bed, 0);
	struct vmsg_port *third = cbed_port(&bed, 0);
	struct vmsgif_tx_request req;
	unsigned int nr = 0;

	/* 64 slots, 48 of which may wait, and half of them for one port. */
	for (uint32_t i = 0; i < 3; i++)
		nr += send_all(port, CBED_PEER + i);
	ck_assert_uint_eq(nr, 24);
	nr = 0;
	for (uint32_t i = 3; i < 6; i++)
		nr += send_all(other, CBED_PEER + i);
	ck_assert_uint_eq(nr, 24);
	ck_assert_uint_eq(send_all(third, CBED_PEER + 9), 0);
	ck_assert_int_eq(vmsg_resolve_addr(bed.v, 5, 1), -EAGAIN);
	cbed_publish(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_SEND);
	cbed_answered(&bed, &req, 0);
	ck_assert_ptr_null(cbed_expect_event(&bed, CBED_WRITABLE).port);
	ck_assert_ptr_eq(cbed_expect_event(&bed, CBED_WRITABLE).port, port);
	ck_assert_ptr_eq(cbed_expect_event(&bed, CBED_WRITABLE).port, other);
	ck_assert_ptr_eq(cbed_expect_event(&bed, CBED_WRITABLE).port, third);
	cbed_no_event(&bed);
	ck_assert_uint_eq(send_all(third, CBED_PEER + 9), 1);
	cbed_answer_all(&bed, 0);
	ck_assert_ptr_eq(cbed_expect_event(&bed, CBED_WRITABLE).port, third);
	cbed_no_event(&bed);
	cbed_port_free(&bed, other);
	cbed_port_free(&bed, third);
}
END_TEST

/* Who has used up its share is not woken for the sake of others. */
START_TEST(share_waits_for_its_port)
{
	struct vmsg_port *other = cbed_port(&bed, 0);
	struct vmsgif_tx_request first, req = { .op = 0 };

	for (uint32_t i = 0; i < 24; i++) {
		struct vmsg_send send = { .addr = CBED_PEER + i / 8, .port = 1, .data = "" };

		ck_assert_int_eq(vmsg_send(bed.v, port, &send, NULL), 0);
	}
	ck_assert_uint_eq(send_all(port, CBED_PEER + 9), 0);
	ck_assert_uint_eq(send_all(other, CBED_PEER + 9), 8);
	vmsg_port_fini(bed.v, other); /* it does not wait */
	cbed_publish(&bed);
	first = cbed_expect(&bed, VMSGIF_OP_SEND);
	for (unsigned int i = 1; i < 32; i++)
		req = cbed_expect(&bed, VMSGIF_OP_SEND);
	ck_assert_uint_eq(req.addr, CBED_PEER + 9);
	cbed_answered(&bed, &req, 0);
	cbed_answer_all(&bed, 0);
	cbed_no_event(&bed);
	cbed_answered(&bed, &first, 0);
	ck_assert_ptr_eq(cbed_expect_event(&bed, CBED_WRITABLE).port, port);
	cbed_port_free(&bed, other);
}
END_TEST

START_TEST(pages_are_waited_for)
{
	struct vmsg_port *other = cbed_port(&bed, 0);
	uint16_t pages[31];

	ck_assert_int_eq(vmsg_tx_pages_get(bed.v, port, 31, pages), 0);
	ck_assert_int_eq(vmsg_tx_pages_get(bed.v, other, 9, pages), -EAGAIN);
	ck_assert_int_eq(vmsg_tx_pages_get(bed.v, other, 5, pages), -EAGAIN);
	ck_assert_int_eq(vmsg_tx_pages_get(bed.v, other, 7, pages), -EAGAIN);
	vmsg_tx_pages_put(bed.v, port, 4, pages);
	cbed_publish(&bed);
	cbed_poll(&bed);
	cbed_no_event(&bed);
	vmsg_tx_pages_put(bed.v, port, 1, pages + 4);
	cbed_poll(&bed);
	ck_assert_ptr_eq(cbed_expect_event(&bed, CBED_WRITABLE).port, other);
	vmsg_tx_pages_put(bed.v, port, 26, pages + 5);
	cbed_poll(&bed);
	cbed_no_event(&bed);
	cbed_port_free(&bed, other);
}
END_TEST

START_TEST(drained)
{
	ck_assert(vmsg_drained(bed.v, port));
	ck_assert_uint_eq(send_all(port, CBED_PEER), 8);
	ck_assert(!vmsg_drained(bed.v, port));
	cbed_publish(&bed);
	for (unsigned int i = 0; i < 8; i++) {
		struct vmsgif_tx_request req = cbed_expect(&bed, VMSGIF_OP_SEND);

		if (i == 1)
			ck_assert(!vmsg_drained(bed.v, port));
		cbed_answered(&bed, &req, 0);
		if (i == 0 || i == 7)
			cbed_expect_event(&bed, CBED_WRITABLE);
		cbed_no_event(&bed);
	}
	ck_assert(vmsg_drained(bed.v, port));
}
END_TEST

/* Ports leave the list of those who wait at its begin, in the middle and at its end. */
START_TEST(who_waits_can_go)
{
	struct vmsg_port *p[3];

	ck_assert_int_eq(vmsg_tx_pages_get(bed.v, port, 31, (uint16_t[31]){ 0 }), 0);
	for (unsigned int gone = 0; gone < 3; gone++) {
		for (unsigned int i = 0; i < 3; i++) {
			p[i] = cbed_port(&bed, 0);
			ck_assert_int_eq(vmsg_tx_pages_get(bed.v, p[i], 1, NULL), -EAGAIN);
		}
		cbed_port_free(&bed, p[gone]);
		vmsg_tx_pages_put(bed.v, port, 1, (uint16_t[]){ 3 });
		cbed_poll(&bed);
		for (unsigned int i = 0; i < 3; i++)
			if (i != gone)
				ck_assert_ptr_eq(cbed_expect_event(&bed, CBED_WRITABLE).port, p[i]);
		cbed_no_event(&bed);
		ck_assert_int_eq(vmsg_tx_pages_get(bed.v, port, 1, (uint16_t[1]){ 0 }), 0);
		for (unsigned int i = 0; i < 3; i++)
			if (i != gone)
				cbed_port_free(&bed, p[i]);
	}
}
END_TEST

START_TEST(while_disconnected)
{
	struct vmsgif_tx_request req;

	cbed_down(&bed);
	ck_assert_uint_eq(send_all(port, CBED_PEER), 8);
	ck_assert_int_eq(cbed_send_pages(&bed, port, bytes, 100, 0), -EAGAIN);
	cbed_connect(&bed);
	for (unsigned int i = 0; i < 2; i++)
		cbed_answer_all(&bed, 1 << VMSGIF_OP_READY | 1 << VMSGIF_OP_SEND);
	/* READY and the SENDs were posted together. */
	ck_assert(!vmsg_is_ready(bed.v));
	ck_assert(!cbed_next(&bed, &req));
	cbed_down(&bed);
	cbed_connect(&bed);
	for (unsigned int i = 0; i < 2; i++) {
		req = cbed_expect(&bed, VMSGIF_OP_POOL_ADD);
		cbed_answer(&bed, &req, 0);
	}
	cbed_tx_publish(&bed);
	cbed_poll(&bed);
	cbed_expect(&bed, VMSGIF_OP_READY);
	for (unsigned int i = 0; i < 8; i++) {
		req = cbed_expect(&bed, VMSGIF_OP_SEND);
		ck_assert_uint_eq(req.seq, 1000 + i);
	}
	cbed_expect_none(&bed);
	ck_assert_uint_eq(cbed_stats(&bed).tx_resubmitted, 8);
	ck_assert_uint_eq(cbed_stats(&bed).resets, 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-send-wait");
	TCase *tc = tcase_create("send-wait");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, window);
	tcase_add_test(tc, window_waits_for_its_flow);
	tcase_add_test(tc, share_and_slots);
	tcase_add_test(tc, share_waits_for_its_port);
	tcase_add_test(tc, pages_are_waited_for);
	tcase_add_test(tc, drained);
	tcase_add_test(tc, who_waits_can_go);
	tcase_add_test(tc, while_disconnected);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
