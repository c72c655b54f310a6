/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The short ways: vmsg_send_quick(), its answers, and what a release leaves unpublished. */
#include "frontend/core/quick.h"
#include "tests/unit/core-bed.h"

#include <string.h>

static struct cbed bed;
static struct vmsg_port *port;
static uint8_t bytes[VMSGIF_MESSAGE_MAX];
static uint8_t out[VMSGIF_MESSAGE_MAX];

static struct vmsgif_tx_sring *tx(void)
{
	return bed.tx_ring;
}

static enum vmsg_quick quick(uint32_t len, bool lazy)
{
	return vmsg_send_quick(port, CBED_PEER, CBED_PORT, bytes, len, lazy, NULL);
}

/* The next request is a message of @len bytes; it stands in the ring, published. */
static struct vmsgif_tx_request sent(uint32_t len)
{
	struct vmsgif_tx_request req = cbed_expect(&bed, VMSGIF_OP_SEND);

	ck_assert_uint_eq(req.addr, CBED_PEER);
	ck_assert_uint_eq(req.port, CBED_PORT);
	ck_assert_uint_eq(req.src_port, 9);
	ck_assert_uint_eq(req.len, len);
	cbed_payload(&bed, &req, out);
	ck_assert_mem_eq(out, bytes, len);
	return req;
}

static void answered(const struct vmsgif_tx_request *req)
{
	cbed_answered(&bed, req, 0);
}

/* The first message to a flow goes the long way. */
static void first(void)
{
	struct vmsgif_tx_request req;

	ck_assert_int_eq(quick(1, false), VMSG_QUICK_NOT);
	ck_assert_int_eq(cbed_send(&bed, port, bytes, 1, 0), 0);
	cbed_publish(&bed);
	req = sent(1);
	answered(&req);
	/* The broker wants to hear of the next one. */
	tx()->req_event = tx()->req_prod + 1;
}

static void start(void)
{
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_bound_port(&bed, 9, 16384);
	cbed_forget_events(&bed);
	first();
}

static void setup(void)
{
	cbed_fill(bytes, sizeof(bytes), 1);
	cbed_defaults(&bed);
	start();
}

static void teardown(void)
{
	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
}

/* ----------------------------------------------------------------- sending */

START_TEST(every_length)
{
	static const uint32_t lens[] = { 0,  1,	 2,  3,	 4,  5,	 7,   8,    9,	 15,
					 16, 17, 31, 32, 33, 64, 255, 4095, 4096 };
	unsigned int n = sizeof(lens) / sizeof(lens[0]);
	uint64_t total = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct vmsgif_tx_request req;
		uint64_t seq = 0;

		ck_assert_int_ne(vmsg_send_quick(port, CBED_PEER, CBED_PORT, bytes, lens[i], i & 1,
						 &seq),
				 VMSG_QUICK_NOT);
		ck_assert_uint_eq(vmsg_unanswered(port), 1);
		req = sent(lens[i]);
		ck_assert_uint_eq(req.seq, seq);
		ck_assert_uint_eq(req.flags, (lens[i] <= VMSGIF_INLINE_MAX ? VMSGIF_TXF_INLINE :
									     VMSGIF_TXF_POOL) |
						     (i & 1 ? VMSGIF_TXF_LAZY : 0));
		answered(&req);
		ck_assert_uint_eq(vmsg_unanswered(port), 0);
		total += lens[i];
	}
	ck_assert_uint_eq(cbed_stats(&bed).tx_messages, n + 1);
	ck_assert_uint_eq(cbed_stats(&bed).tx_bytes, total + 1);
	ck_assert_int_eq(quick(4097, false), VMSG_QUICK_NOT);
	cbed_no_event(&bed);
	cbed_expect_pages(&bed, 0);
}
END_TEST

START_TEST(other_flows)
{
	ck_assert_int_eq(vmsg_send_quick(port, CBED_PEER + 1, CBED_PORT, "x", 1, false, NULL),
			 VMSG_QUICK_NOT);
	ck_assert_int_eq(vmsg_send_quick(port, CBED_PEER, CBED_PORT + 1, "x", 1, false, NULL),
			 VMSG_QUICK_NOT);
	cbed_expect_none(&bed);
}
END_TEST

START_TEST(no_room_in_the_window)
{
	struct vmsgif_tx_request req;

	for (unsigned int i = 0; i < bed.features.flow_window; i++)
		ck_assert_int_ne(quick(100, false), VMSG_QUICK_NOT);
	ck_assert_int_eq(quick(100, false), VMSG_QUICK_NOT);
	for (unsigned int i = 0; i < bed.features.flow_window; i++) {
		req = sent(100);
		answered(&req);
	}
	ck_assert_int_ne(quick(100, false), VMSG_QUICK_NOT);
}
END_TEST

START_TEST(no_pages)
{
	uint16_t pages[31];

	ck_assert_int_eq(vmsg_tx_pages_get(bed.v, port, 31, pages), 0);
	ck_assert_int_eq(quick(33, false), VMSG_QUICK_NOT);
	ck_assert_int_ne(quick(32, false), VMSG_QUICK_NOT);
	vmsg_tx_pages_put(bed.v, port, 31, pages);
	ck_assert_int_ne(quick(33, false), VMSG_QUICK_NOT);
}
END_TEST

/* @n messages that go the long way, few per flow. */
static void send(struct vmsg_port *from, unsigned int n, uint32_t number)
{
	for (unsigned int i = 0; i < n; i++) {
		struct vmsg_send send = {
			.addr = CBED_PEER + 1 + i / 6,
			.port = number,
			.data = "",
		};

		ck_assert_int_eq(vmsg_send(bed.v, from, &send, NULL), 0);
	}
}

START_TEST(no_slots)
{
	struct vmsg_port *second = cbed_port(&bed, 0), *third = cbed_port(&bed, 0);
	const uint32_t addr = CBED_PEER + 4;

	/* The port has its share. */
	send(port, 23, 1);
	ck_assert_int_ne(vmsg_send_quick(port, addr, 1, "", 0, true, NULL), VMSG_QUICK_NOT);
	ck_assert_int_eq(vmsg_send_quick(port, addr, 1, "", 0, true, NULL), VMSG_QUICK_NOT);
	ck_assert_uint_eq(vmsg_unanswered(port), 24);
	/* And then there are no more. */
	send(second, 22, 2);
	send(third, 1, 3);
	ck_assert_int_ne(vmsg_send_quick(third, CBED_PEER + 1, 3, "", 0, true, NULL),
			 VMSG_QUICK_NOT);
	ck_assert_int_eq(vmsg_send_quick(third, CBED_PEER + 1, 3, "", 0, true, NULL),
			 VMSG_QUICK_NOT);
	ck_assert_uint_eq(vmsg_unanswered(third), 2);
	cbed_port_free(&bed, second);
	cbed_port_free(&bed, third);
}
END_TEST

/* A broker that has no pool, and one that takes less than a page. */
START_TEST(less_capable)
{
	cbed_down(&bed);
	ck_assert_int_eq(quick(1, false), VMSG_QUICK_NOT);
	bed.features.max_pool_pages = 0;
	cbed_up(&bed);
	ck_assert_int_ne(quick(32, false), VMSG_QUICK_NOT);
	ck_assert_int_eq(quick(33, false), VMSG_QUICK_NOT);
	cbed_down(&bed);
	bed.features.max_pool_pages = 1024;
	bed.features.max_message = 100;
	cbed_up(&bed);
	ck_assert_int_ne(quick(100, false), VMSG_QUICK_NOT);
	ck_assert_int_eq(quick(101, false), VMSG_QUICK_NOT);
}
END_TEST

/* What was sent so is submitted again as everything is. */
START_TEST(again)
{
	ck_assert_int_ne(quick(20, false), VMSG_QUICK_NOT);
	ck_assert_int_ne(quick(2000, true), VMSG_QUICK_NOT);
	cbed_down(&bed);
	cbed_connect(&bed);
	while (!vmsg_is_ready(bed.v))
		cbed_answer_all(&bed, 1u << VMSGIF_OP_SEND);
	ck_assert_uint_eq(cbed_stats(&bed).tx_resubmitted, 2);
	/* They are the last ones in the ring. */
	for (unsigned int i = 0; i < 2; i++) {
		struct vmsgif_tx_request req = tx()->ring[tx()->req_prod - 2 + i].req;

		ck_assert_uint_eq(req.seq, 1001 + i);
		ck_assert_uint_eq(req.len, i ? 2000 : 20);
		cbed_payload(&bed, &req, out);
		ck_assert_mem_eq(out, bytes, req.len);
	}
}
END_TEST

/* ------------------------------------------------------------------ events */

START_TEST(urgent)
{
	ck_assert_int_eq(quick(1, false), VMSG_QUICK_PUBLISH);
	ck_assert(cbed_publish(&bed));
	/* The broker did not ask again. */
	ck_assert_int_eq(quick(1, false), VMSG_QUICK_DONE);
	ck_assert(!cbed_publish(&bed));
}
END_TEST

START_TEST(lazy)
{
	ck_assert_int_eq(quick(1, true), VMSG_QUICK_PUBLISH);
	ck_assert(!cbed_publish(&bed));
	ck_assert(vmsg_put_off(bed.v));
	/* Which the caller knows by now. */
	ck_assert_int_eq(quick(1, true), VMSG_QUICK_DONE);
	/* The event that was put off joins this one. */
	ck_assert_int_eq(quick(1, false), VMSG_QUICK_PUBLISH);
	ck_assert(cbed_publish(&bed));
	ck_assert(!vmsg_put_off(bed.v));
}
END_TEST

START_TEST(other_work)
{
	ck_assert_int_eq(vmsg_subscribe(bed.v, "peer", 4, false, 5), 0);
	tx()->req_event = tx()->req_prod + 100;
	ck_assert_int_eq(quick(1, true), VMSG_QUICK_PUBLISH);
	cbed_publish(&bed);
	sent(1);
	cbed_expect(&bed, VMSGIF_OP_SUBSCRIBE);
}
END_TEST

/* ----------------------------------------------------------------- answers */

START_TEST(failures)
{
	struct vmsgif_tx_request req;
	struct cbed_event event;

	quick(100, false);
	req = sent(100);
	cbed_answered(&bed, &req, VMSGIF_EDQUOT);
	event = cbed_expect_event(&bed, CBED_SEND_FAILED);
	ck_assert_ptr_eq(event.port, port);
	ck_assert_int_eq(event.status, VMSGIF_EDQUOT);
	ck_assert_uint_eq(event.cookie, req.seq);
	ck_assert_uint_eq(event.addr, CBED_PEER);
	ck_assert_uint_eq(event.dst_port, CBED_PORT);
	/* One with a cookie has its own call. */
	ck_assert_int_eq(cbed_send(&bed, port, bytes, 1, 7), 0);
	cbed_publish(&bed);
	req = sent(1);
	cbed_answered(&bed, &req, VMSGIF_EDQUOT);
	ck_assert_uint_eq(cbed_expect_event(&bed, CBED_SEND_DONE).cookie, 7);
	cbed_no_event(&bed);
	ck_assert_uint_eq(cbed_stats(&bed).tx_failed, 2);
}
END_TEST

START_TEST(nobody_to_tell)
{
	struct vmsgif_tx_request req;

	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
	cbed_defaults(&bed);
	bed.no_lost = true;
	start();
	quick(1, false);
	req = sent(1);
	cbed_answered(&bed, &req, VMSGIF_EDQUOT);
	cbed_no_event(&bed);
}
END_TEST

/* All kinds in one run of answers. */
START_TEST(mixed)
{
	struct vmsgif_tx_request req;
	uint64_t order[] = { 0, 0, 0, 11, 12 };

	quick(5, false);
	quick(500, false);
	ck_assert_int_eq(cbed_send_pages(&bed, port, bytes, 12000, 0), 0);
	ck_assert_int_eq(cbed_send_pages(&bed, port, bytes, 5000, order[3]), 0);
	ck_assert_int_eq(cbed_send_pages(&bed, port, bytes, 20000, order[4]), 0);
	cbed_publish(&bed);
	for (unsigned int i = 0; i < 5; i++) {
		req = cbed_expect(&bed, VMSGIF_OP_SEND);
		cbed_answer(&bed, &req, 0);
	}
	cbed_tx_publish(&bed);
	/* A budget that ends in the middle of it. */
	ck_assert(vmsg_poll(bed.v, 3));
	ck_assert_uint_eq(vmsg_unanswered(port), 2);
	cbed_poll(&bed);
	ck_assert_uint_eq(vmsg_unanswered(port), 0);
	for (unsigned int i = 3; i < 5; i++)
		ck_assert_uint_eq(cbed_expect_event(&bed, CBED_SEND_DONE).cookie, order[i]);
	cbed_expect_pages(&bed, 0);
}
END_TEST

/* ---------------------------------------------------------------- releases */

/* A message that has come to port 10, and is taken in without anything being published. */
static struct vmsg_msg *hold(struct vmsg_port *from, uint64_t seq, uint32_t len)
{
	struct vmsgif_rx_response rsp = cbed_msg(10, seq, bytes, len);
	struct vmsg_info info;
	struct vmsg_msg *msg;

	memcpy(cbed_rx_page(&bed), bytes, len);
	rsp.flags = 0;
	rsp.used = (uint16_t)len;
	cbed_rx(&bed, rsp);
	cbed_rx_publish(&bed);
	vmsg_poll(bed.v, 10);
	msg = vmsg_recv(bed.v, from, &info);
	ck_assert_ptr_nonnull(msg);
	return msg;
}

/* Where the payload is, if it is in one piece. */
START_TEST(in_one_piece)
{
	static const uint32_t lens[] = { 0, 1, 32, 33, 256, 257, 4096, 4097 };
	struct vmsg_msg *held = NULL;
	unsigned int pieces = 0;

	for (uint64_t seq = 1; seq <= 400; seq++) {
		uint32_t len = lens[seq % (sizeof(lens) / sizeof(lens[0]))];
		struct vmsg_info info;
		struct vmsg_msg *msg;

		cbed_deliver(&bed, 9, seq, bytes, len);
		cbed_expect_event(&bed, CBED_READABLE);
		msg = vmsg_recv(bed.v, port, &info);
		ck_assert_ptr_nonnull(msg);
		ck_assert_uint_eq(cbed_gather(&bed, port, msg, out) == 1, info.data != NULL);
		if (info.data)
			ck_assert_mem_eq(info.data, bytes, len);
		else
			pieces += len && len <= 256; /* around the end of the memory */
		/* Without one that is held, that would begin anew each time. */
		if (held)
			vmsg_release(bed.v, port, held);
		held = msg;
		cbed_publish(&bed);
		cbed_answer_all(&bed, 0);
	}
	ck_assert_uint_gt(pieces, 0);
}
END_TEST

START_TEST(pages_may_wait)
{
	struct vmsg_port *large = cbed_bound_port(&bed, 10, 1 << 20);
	unsigned int n = 0;

	/* What is copied out has its page posted when it comes in. */
	ck_assert(!vmsg_release(bed.v, large, hold(large, 1, 200)));
	cbed_publish(&bed);
	while (!vmsg_release(bed.v, large, hold(large, 2 + n, 300)))
		n++;
	ck_assert_uint_eq(n, VMSG_RX_UNSAID - 1);
	ck_assert_uint_eq(cbed_rx_posted(&bed), 64 - n - 1);
	cbed_publish(&bed);
	ck_assert_uint_eq(cbed_rx_posted(&bed), 64);
	cbed_port_free(&bed, large);
}
END_TEST

/* Not if the largest message could not come in: it has 16 pages, and events have 4 of 24. */
START_TEST(pages_may_not_wait)
{
	struct vmsg_msg *msgs[4];
	struct vmsg_port *large;

	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
	cbed_defaults(&bed);
	bed.params.nr_rx_pages = 24;
	start();
	large = cbed_bound_port(&bed, 10, 1 << 20);
	for (unsigned int i = 0; i < 4; i++)
		msgs[i] = hold(large, 1 + i, 300);
	cbed_publish(&bed);
	ck_assert_uint_eq(vmsg_rx_pages_held(bed.v), 4);
	ck_assert(!vmsg_release(bed.v, large, msgs[0]));
	/* It is in the hands of the broker again, who does not know. */
	msgs[0] = hold(large, 5, 300);
	ck_assert_uint_eq(vmsg_rx_pages_held(bed.v), 4);
	ck_assert(vmsg_release(bed.v, large, msgs[1]));
	cbed_publish(&bed);
	ck_assert(!vmsg_release(bed.v, large, msgs[2]));
	cbed_port_free(&bed, large);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-quick");
	TCase *tc = tcase_create("quick");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, every_length);
	tcase_add_test(tc, other_flows);
	tcase_add_test(tc, no_room_in_the_window);
	tcase_add_test(tc, no_pages);
	tcase_add_test(tc, no_slots);
	tcase_add_test(tc, less_capable);
	tcase_add_test(tc, again);
	tcase_add_test(tc, urgent);
	tcase_add_test(tc, lazy);
	tcase_add_test(tc, other_work);
	tcase_add_test(tc, failures);
	tcase_add_test(tc, nobody_to_tell);
	tcase_add_test(tc, mixed);
	tcase_add_test(tc, in_one_piece);
	tcase_add_test(tc, pages_may_wait);
	tcase_add_test(tc, pages_may_not_wait);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
