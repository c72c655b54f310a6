/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SENDs over restarts of the broker: in the form, the order and the number that
 * each one takes, from whichever address, and what their failures mean then.
 */
#include "tests/unit/core-bed.h"

#include <string.h>

static struct cbed bed;
static struct vmsg_port *port;
static uint8_t bytes[16384], list[40000], out[40000];

static void setup(void)
{
	cbed_defaults(&bed);
	cbed_fill(bytes, sizeof(bytes), 1);
	cbed_fill(list, sizeof(list), 2);
}

static void teardown(void)
{
	cbed_deinit(&bed);
}

static void expect_sent(uint64_t cookie, int status)
{
	struct cbed_event event = cbed_expect_event(&bed, CBED_SEND_DONE);

	ck_assert_uint_eq(event.cookie, cookie);
	ck_assert_int_eq(event.status, status);
}

/* Messages in pages and with a list go to each broker as it knows the pages. */
START_TEST(pages_over_restarts)
{
	struct vmsgif_tx_request req;

	cbed_init(&bed);
	port = cbed_port(&bed, 0);
	for (unsigned int i = 0; i < 5; i++) {
		bool pool = i != 1 && i != 2;

		bed.features.max_pool_pages = pool ? 1024 : 0;
		cbed_connect(&bed);
		if (pool)
			cbed_answer_all(&bed, 0);
		req = cbed_expect(&bed, VMSGIF_OP_READY);
		cbed_answered(&bed, &req, 0);
		if (!i) {
			ck_assert_int_eq(cbed_send_pages(&bed, port, bytes, 9000, 1), 0);
			ck_assert_int_eq(cbed_send_pages(&bed, port, bytes + 1, 16300, 2), 0);
			ck_assert_int_eq(cbed_send_pages(&bed, port, list, sizeof(list), 3), 0);
			cbed_publish(&bed);
		}
		for (unsigned int j = 0; j < 3; j++) {
			static const uint32_t lens[] = { 9000, 16300, sizeof(list) };

			req = cbed_expect(&bed, VMSGIF_OP_SEND);
			ck_assert_uint_eq(req.flags & VMSGIF_TXF_POOL, pool ? VMSGIF_TXF_POOL : 0);
			ck_assert_uint_eq(req.len, lens[j]);
			cbed_payload(&bed, &req, out);
			ck_assert_mem_eq(out, j == 2 ? list : bytes + j, lens[j]);
		}
		if (i < 4)
			cbed_down(&bed);
	}
	cbed_port_free(&bed, port);
}
END_TEST

/* Before the first broker all that the protocol allows may be sent. */
START_TEST(sent_before_the_first)
{
	struct vmsgif_tx_request req;

	cbed_init(&bed);
	port = cbed_port(&bed, 0);
	ck_assert_int_eq(cbed_send_pages(&bed, port, list, sizeof(list), 1), 0);
	ck_assert_int_eq(cbed_send(&bed, port, bytes, 32, 2), 0);
	cbed_connect(&bed);
	cbed_answer_all(&bed, 0);
	cbed_expect(&bed, VMSGIF_OP_READY);
	req = cbed_expect(&bed, VMSGIF_OP_SEND);
	cbed_payload(&bed, &req, out);
	ck_assert_mem_eq(out, list, sizeof(list));
	ck_assert_uint_eq(cbed_expect(&bed, VMSGIF_OP_SEND).len, 32);
	ck_assert_uint_eq(cbed_stats(&bed).tx_resubmitted, 0);
	cbed_port_free(&bed, port);
}
END_TEST

/* What one broker limits another does not. */
START_TEST(limits_of_each_broker)
{
	cbed_init(&bed);
	port = cbed_port(&bed, 0);
	bed.features.max_message = 10;
	cbed_up(&bed);
	ck_assert_int_eq(cbed_send(&bed, port, bytes, 11, 1), -EMSGSIZE);
	cbed_down(&bed);
	bed.features.max_message = 65536;
	cbed_up(&bed);
	ck_assert_int_eq(cbed_send(&bed, port, bytes, 11, 1), 0);
	ck_assert_int_eq(cbed_send(&bed, port, bytes, 32, 1), 0);
	cbed_port_free(&bed, port);
}
END_TEST

/* A new broker may allow fewer SENDs of a flow than are under way. */
START_TEST(smaller_window)
{
	static const unsigned int windows[] = { 3, 1, 0, 100 };

	cbed_init(&bed);
	port = cbed_port(&bed, 0);
	cbed_up(&bed);
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int allowed = windows[i] > 8 ? 8 : windows[i] ? windows[i] : 1;
		struct vmsgif_tx_request req, first;
		unsigned int nr = 0;

		for (unsigned int j = 0; j < 8; j++)
			ck_assert_int_eq(cbed_send(&bed, port, "x", 1, j + 1), 0);
		cbed_publish(&bed);
		cbed_down(&bed);
		bed.features.flow_window = windows[i];
		cbed_connect(&bed);
		cbed_answer_all(&bed, 0);
		first = cbed_expect(&bed, VMSGIF_OP_READY);
		while (cbed_next(&bed, &req))
			if (++nr == 1)
				first = req;
		ck_assert_uint_eq(nr, allowed);
		if (allowed < 8)
			ck_assert_int_eq(cbed_send(&bed, port, "x", 1, 9), -EAGAIN);
		/* One answer, one more. */
		cbed_answered(&bed, &first, 0);
		expect_sent(1, 0);
		ck_assert_int_eq(cbed_next(&bed, &req), allowed < 8);
		cbed_down(&bed);
		bed.features.flow_window = 8;
		cbed_up(&bed);
		if (allowed < 8) /* seven are fewer than eight now */
			ck_assert_ptr_eq(cbed_expect_event(&bed, CBED_WRITABLE).port, port);
		for (unsigned int j = 1; j < 8; j++)
			expect_sent(j + 1, 0);
		cbed_no_event(&bed);
	}
	cbed_port_free(&bed, port);
}
END_TEST

/* What is queued is not overtaken, also not by SENDs of flows that could go on. */
START_TEST(queue_is_not_overtaken)
{
	struct vmsg_send other = { .addr = CBED_PEER + 1, .port = 1, .data = "" };
	struct vmsgif_tx_request req;
	uint64_t seq = 1000;

	cbed_init(&bed);
	port = cbed_port(&bed, 0);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_int_eq(cbed_send(&bed, port, "x", 1, 0), 0);
	bed.features.flow_window = 1;
	cbed_connect(&bed);
	cbed_answer_all(&bed, 0);
	cbed_expect(&bed, VMSGIF_OP_READY);
	req = cbed_expect(&bed, VMSGIF_OP_SEND);
	ck_assert_int_eq(vmsg_send(bed.v, port, &other, NULL), 0);
	other.addr++;
	ck_assert_int_eq(vmsg_send(bed.v, port, &other, NULL), 0);
	ck_assert_int_eq(vmsg_resolve_addr(bed.v, 5, 6), 0);
	cbed_publish(&bed);
	for (; seq < 1002; seq++) {
		ck_assert_uint_eq(req.seq, seq);
		cbed_expect_none(&bed);
		cbed_answered(&bed, &req, 0);
		req = cbed_expect(&bed, VMSGIF_OP_SEND);
	}
	ck_assert_uint_eq(req.seq, seq);
	cbed_expect(&bed, VMSGIF_OP_SEND);
	cbed_expect(&bed, VMSGIF_OP_SEND);
	cbed_expect(&bed, VMSGIF_OP_RESOLVE);
	/* With nothing queued it goes out at once again. */
	other.addr++;
	ck_assert_int_eq(vmsg_send(bed.v, port, &other, NULL), 0);
	cbed_publish(&bed);
	cbed_expect(&bed, VMSGIF_OP_SEND);
	cbed_port_free(&bed, port);
}
END_TEST

/*
 * As a new instance the device is somebody else: what was under way may have
 * arrived or not, what never was goes out from the new address.
 */
START_TEST(new_address)
{
	struct vmsgif_tx_request req;

	cbed_init(&bed);
	port = cbed_port(&bed, 0);
	cbed_up(&bed);
	ck_assert_int_eq(cbed_send(&bed, port, "x", 1, 1), 0);
	ck_assert_int_eq(cbed_send_pages(&bed, port, bytes, 9000, 2), 0);
	ck_assert_int_eq(vmsg_resolve_addr(bed.v, 5, 3), 0);
	cbed_publish(&bed);
	cbed_down(&bed);
	ck_assert_int_eq(cbed_send(&bed, port, "z", 1, 4), 0);
	bed.features.addr += 0x10000;
	cbed_connect(&bed);
	ck_assert_uint_eq(vmsg_address(bed.v), CBED_ADDR + 0x10000);
	expect_sent(1, -EHOSTDOWN);
	expect_sent(2, -EHOSTDOWN);
	cbed_no_event(&bed);
	cbed_answer_all(&bed, 0);
	req = cbed_expect(&bed, VMSGIF_OP_READY);
	cbed_answered(&bed, &req, 0);
	req = cbed_expect(&bed, VMSGIF_OP_RESOLVE);
	cbed_answered(&bed, &req, 0);
	ck_assert_uint_eq(cbed_expect_event(&bed, CBED_CONTROL_DONE).cookie, 3);
	req = cbed_expect(&bed, VMSGIF_OP_SEND);
	ck_assert_uint_eq(req.u.data[0], 'z');
	cbed_answered(&bed, &req, 0);
	expect_sent(4, 0);
	ck_assert_uint_eq(cbed_stats(&bed).tx_resubmitted, 0);
	cbed_expect_pages(&bed, 0);
	cbed_port_free(&bed, port);
}
END_TEST

/* What a broker says of a SEND that another one had before is not all there is to know. */
START_TEST(failures_after_a_restart)
{
	static const int statuses[][2] = {
		{ VMSGIF_OKAY, 0 },
		{ VMSGIF_ECONNREFUSED, VMSGIF_ECONNREFUSED },
		{ VMSGIF_EHOSTDOWN, VMSGIF_EHOSTDOWN },
		{ VMSGIF_EACCES, VMSGIF_EHOSTDOWN },
		{ VMSGIF_EHOSTUNREACH, VMSGIF_EHOSTDOWN },
	};
	struct vmsgif_tx_request req;

	cbed_init(&bed);
	port = cbed_port(&bed, 0);
	cbed_up(&bed);
	for (unsigned int i = 0; i < 5; i++)
		ck_assert_int_eq(cbed_send(&bed, port, "x", 1, i + 1), 0);
	cbed_publish(&bed);
	cbed_down(&bed);
	cbed_connect(&bed);
	cbed_answer_all(&bed, 0);
	cbed_expect(&bed, VMSGIF_OP_READY);
	for (unsigned int i = 0; i < 5; i++) {
		req = cbed_expect(&bed, VMSGIF_OP_SEND);
		cbed_answered(&bed, &req, statuses[i][0]);
		expect_sent(i + 1, statuses[i][1]);
	}
	/* For a new one it is. */
	ck_assert_int_eq(cbed_send(&bed, port, "x", 1, 9), 0);
	cbed_publish(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_SEND);
	cbed_answered(&bed, &req, VMSGIF_EACCES);
	expect_sent(9, VMSGIF_EACCES);
	cbed_port_free(&bed, port);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-restart");
	TCase *tc = tcase_create("restart");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, pages_over_restarts);
	tcase_add_test(tc, sent_before_the_first);
	tcase_add_test(tc, limits_of_each_broker);
	tcase_add_test(tc, smaller_window);
	tcase_add_test(tc, queue_is_not_overtaken);
	tcase_add_test(tc, new_address);
	tcase_add_test(tc, failures_after_a_restart);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
