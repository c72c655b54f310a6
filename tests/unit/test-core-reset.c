/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The phases of a connection, interrupted in each, and what the next broker
 * hears: nothing twice that was answered, and everything that was not.
 */
#include "tests/unit/core-bed.h"

#include <string.h>

static struct cbed bed;
static struct vmsg_port *port;
static uint8_t bytes[16384];

static void setup(void)
{
	cbed_defaults(&bed);
	cbed_fill(bytes, sizeof(bytes), 1);
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

static struct vmsgif_tx_request expect_device_pool(unsigned int type)
{
	struct vmsgif_tx_request req = cbed_expect(&bed, VMSGIF_OP_POOL_ADD);

	ck_assert_uint_eq(req.u.pool.type, type);
	ck_assert_uint_eq(req.u.pool.id, 0);
	ck_assert_uint_eq(req.u.pool.ref, type == VMSGIF_POOL_TX ? 5 : 6);
	ck_assert_uint_eq(req.u.pool.nr_pages, type == VMSGIF_POOL_TX ? 32 : 64);
	return req;
}

/* ----------------------------------------------------------- the device's pools */

/* All else waits for both answers. */
static void pools(int tx_status, int rx_status)
{
	struct vmsgif_tx_request tx, rx;

	cbed_connect(&bed);
	tx = expect_device_pool(VMSGIF_POOL_TX);
	rx = expect_device_pool(VMSGIF_POOL_RX);
	cbed_expect_none(&bed);
	cbed_answered(&bed, &rx, rx_status);
	cbed_expect_none(&bed);
	ck_assert_uint_eq(cbed_rx_posted(&bed), 0);
	cbed_answered(&bed, &tx, tx_status);
	cbed_expect(&bed, VMSGIF_OP_READY);
	ck_assert_uint_eq(cbed_rx_posted(&bed), 64);
}

/* The broker may refuse either; the pages are named by their grants then. */
START_TEST(pools_refused)
{
	cbed_init(&bed);
	port = cbed_port(&bed, 0);
	for (unsigned int i = 0; i < 4; i++) {
		struct vmsgif_rx_request *rx;
		struct vmsgif_tx_request req;

		pools(i & 1 ? VMSGIF_EFAULT : 0, i & 2 ? VMSGIF_EFAULT : 0);
		rx = &((struct vmsgif_rx_sring *)bed.rx_ring)->ring[0].req;
		ck_assert_uint_eq(rx->flags, i & 2 ? 0 : VMSGIF_RXF_POOL);
		ck_assert(i & 2 ? rx->ref >= 20000 : rx->ref < 64);
		ck_assert_int_eq(cbed_send_pages(&bed, port, bytes, 100, 1), 0);
		cbed_publish(&bed);
		req = cbed_expect(&bed, VMSGIF_OP_SEND);
		ck_assert_uint_eq(req.flags, i & 1 ? 0 : VMSGIF_TXF_POOL);
		cbed_payload(&bed, &req, bytes + 8192);
		ck_assert_mem_eq(bytes + 8192, bytes, 100);
		cbed_answered(&bed, &req, 0);
		expect_sent(1, 0);
		cbed_down(&bed);
	}
	cbed_port_free(&bed, port);
}
END_TEST

START_TEST(pools_not_asked_for)
{
	/* One that is larger than the broker takes, one that the device does not have. */
	for (unsigned int i = 0; i < 4; i++) {
		cbed_defaults(&bed);
		bed.features.max_pool_pages = i == 1 ? 63 : i == 2 ? 31 : 64;
		if (i == 3)
			bed.params.tx_directory = VMSG_NO_GREF;
		cbed_init(&bed);
		cbed_connect(&bed);
		if (i == 0 || i == 1)
			expect_device_pool(VMSGIF_POOL_TX);
		if (i == 0 || i == 3)
			expect_device_pool(VMSGIF_POOL_RX);
		if (i == 2)
			cbed_expect(&bed, VMSGIF_OP_READY);
		cbed_expect_none(&bed);
		if (i < 3)
			cbed_deinit(&bed);
	}
}
END_TEST

START_TEST(reset_in_pools)
{
	struct vmsgif_tx_request req;

	cbed_init(&bed);
	port = cbed_port(&bed, 4096);
	ck_assert_int_eq(vmsg_bind(bed.v, port, 9, NULL, 0, 3), 0);
	ck_assert_int_eq(cbed_send(&bed, port, "x", 1, 4), 0);
	/* With no answer, with one, with both unseen. */
	for (unsigned int answers = 0; answers < 3; answers++) {
		cbed_connect(&bed);
		for (unsigned int i = 0; i < 2; i++) {
			req = cbed_expect(&bed, VMSGIF_OP_POOL_ADD);
			if (i < answers)
				cbed_answer(&bed, &req, 0);
		}
		cbed_tx_publish(&bed);
		cbed_expect_none(&bed);
		if (answers < 2)
			cbed_poll(&bed);
		cbed_down(&bed);
		cbed_no_event(&bed);
	}
	cbed_up(&bed);
	ck_assert_uint_eq(cbed_expect_event(&bed, CBED_CONTROL_DONE).cookie, 3);
	expect_sent(4, 0);
	cbed_no_event(&bed);
	ck_assert_uint_eq(cbed_stats(&bed).tx_resubmitted, 0);
	ck_assert_uint_eq(cbed_stats(&bed).resets, 3);
	cbed_expect_pages(&bed, 0);
	cbed_port_free(&bed, port);
}
END_TEST

/* ------------------------------------------------------------- BINDs and READY */

START_TEST(reset_with_bind_unanswered)
{
	struct vmsgif_tx_request req;

	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_port(&bed, 4096);
	ck_assert_int_eq(vmsg_bind(bed.v, port, 9, "service", 7, 3), 0);
	cbed_publish(&bed);
	for (unsigned int i = 0; i < 3; i++) {
		req = cbed_expect(&bed, VMSGIF_OP_BIND);
		ck_assert_uint_eq(req.port, 9);
		ck_assert_uint_eq(req.len, 7);
		ck_assert_uint_eq(req.credit, 4096 - i * 128);
		/* What came in meanwhile has its room. */
		cbed_deliver(&bed, 9, i + 1, "x", 1);
		cbed_expect_event(&bed, i ? CBED_NONE : CBED_READABLE);
		cbed_down(&bed);
		cbed_no_event(&bed);
		ck_assert(!vmsg_is_ready(bed.v));
		cbed_connect(&bed);
		cbed_answer_all(&bed, 0);
	}
	req = cbed_expect(&bed, VMSGIF_OP_BIND);
	cbed_expect(&bed, VMSGIF_OP_READY);
	cbed_answered(&bed, &req, 0);
	ck_assert_uint_eq(cbed_expect_event(&bed, CBED_CONTROL_DONE).cookie, 3);
	for (unsigned int i = 0; i < 3; i++)
		cbed_expect_msg(&bed, port, i + 1, "x", 1);
	cbed_port_free(&bed, port);
}
END_TEST

/* An answer that is published, but not seen, counts. */
START_TEST(answers_on_the_last_stretch)
{
	struct vmsgif_tx_request req;

	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_port(&bed, 4096);
	ck_assert_int_eq(vmsg_bind(bed.v, port, 9, NULL, 0, 3), 0);
	ck_assert_int_eq(cbed_send(&bed, port, "x", 1, 4), 0);
	ck_assert_int_eq(cbed_send(&bed, port, "y", 1, 5), 0);
	cbed_publish(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_SEND);
	cbed_answer(&bed, &req, 0);
	cbed_expect(&bed, VMSGIF_OP_SEND);
	req = cbed_expect(&bed, VMSGIF_OP_BIND);
	cbed_answer(&bed, &req, 0);
	cbed_rx(&bed, cbed_msg(9, 7, "m", 1));
	cbed_tx_publish(&bed);
	cbed_rx_publish(&bed);
	cbed_down(&bed);
	cbed_expect_event(&bed, CBED_READABLE); /* messages come before answers */
	expect_sent(4, 0);
	cbed_expect_event(&bed, CBED_CONTROL_DONE);
	cbed_no_event(&bed);
	cbed_up(&bed);
	expect_sent(5, 0);
	cbed_no_event(&bed);
	ck_assert_uint_eq(cbed_stats(&bed).tx_resubmitted, 1);
	/* Submitted again by its sender, it is not delivered again. */
	cbed_deliver(&bed, 9, 7, "m", 1);
	cbed_no_event(&bed);
	ck_assert_uint_eq(cbed_stats(&bed).rx_repeated, 1);
	cbed_expect_msg(&bed, port, 7, "m", 1);
	cbed_expect_pages(&bed, 0);
	cbed_port_free(&bed, port);
}
END_TEST

/* Both rings start as ring.h says, whatever was there. */
START_TEST(fresh_rings)
{
	cbed_init(&bed);
	cbed_up(&bed);
	for (unsigned int i = 0; i < 2; i++) {
		const uint32_t head[4] = { 0, 1, 0, 1 }; /* req_prod, req_event, rsp_ the same */
		uint8_t *ring[] = { bed.tx_ring, bed.rx_ring };

		vmsg_disconnected(bed.v);
		memset(ring[0], 0x5a, bed.ring_bytes);
		memset(ring[1], 0x5a, bed.ring_bytes);
		vmsg_ring_init(bed.v, ring[0], ring[1]);
		ck_assert_mem_eq(ring[i], head, sizeof(head));
		for (size_t at = sizeof(head); at < bed.ring_bytes; at++)
			ck_assert_uint_eq(ring[i][at], 0);
	}
}
END_TEST

/* Without fresh rings there is no connection. */
START_TEST(stale_rings)
{
	cbed_init(&bed);
	cbed_up(&bed);
	cbed_down(&bed);
	vmsg_connected(bed.v, &bed.features);
	ck_assert(!vmsg_is_connected(bed.v));
	ck_assert(!cbed_publish(&bed));
	cbed_expect_none(&bed);
}
END_TEST

/* CREDIT is not said before the BIND that starts its count is answered. */
START_TEST(credit_waits_for_bind)
{
	struct vmsgif_tx_request req;

	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_bound_port(&bed, 9, 4096);
	cbed_deliver(&bed, 9, 1, bytes, 2000);
	cbed_down(&bed);
	cbed_connect(&bed);
	cbed_answer_all(&bed, 0);
	req = cbed_expect(&bed, VMSGIF_OP_BIND);
	ck_assert_uint_eq(req.credit, 4096 - VMSGIF_MSG_COST(2000));
	cbed_expect(&bed, VMSGIF_OP_READY);
	cbed_expect_event(&bed, CBED_READABLE);
	cbed_expect_msg(&bed, port, 1, bytes, 2000);
	cbed_publish(&bed);
	cbed_expect_none(&bed);
	cbed_answered(&bed, &req, 0);
	req = cbed_expect(&bed, VMSGIF_OP_CREDIT);
	ck_assert_uint_eq(req.credit, 4096);
	cbed_port_free(&bed, port);
}
END_TEST

/* New rings are the end of the connection before. */
START_TEST(rings_while_connected)
{
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_port(&bed, 0);
	ck_assert_int_eq(cbed_send(&bed, port, "x", 1, 4), 0);
	cbed_publish(&bed);
	vmsg_ring_init(bed.v, bed.tx_ring, bed.rx_ring);
	ck_assert(!vmsg_is_connected(bed.v));
	cbed_up(&bed);
	expect_sent(4, 0);
	ck_assert_uint_eq(cbed_stats(&bed).tx_resubmitted, 1);
	cbed_expect_pages(&bed, 0);
	cbed_port_free(&bed, port);
}
END_TEST

/* The ring is full of SENDs and BINDs when READY is due. */
START_TEST(ready_waits_for_a_slot)
{
	struct vmsg_port *ports[16], *senders[2];
	struct vmsgif_tx_request reqs[16];

	bed.params.max_ports = 16;
	cbed_init(&bed);
	for (uint32_t i = 0; i < 16; i++) {
		ports[i] = cbed_port(&bed, 4096);
		ck_assert_int_eq(vmsg_bind(bed.v, ports[i], i + 1, NULL, 0, 100 + i), 0);
	}
	for (uint32_t i = 0; i < 2; i++) {
		struct vmsg_send send = { .port = 1, .data = "" };

		senders[i] = cbed_port(&bed, 0);
		for (unsigned int nr = 0; nr < 24; nr++) {
			send.addr = CBED_PEER + i * 4 + nr / 8;
			ck_assert_int_eq(vmsg_send(bed.v, senders[i], &send, NULL), 0);
		}
	}
	cbed_connect(&bed);
	/* For the device's pools there is always room. */
	cbed_answer_all(&bed, 0);
	for (unsigned int i = 0; i < 16; i++)
		reqs[i] = cbed_expect(&bed, VMSGIF_OP_BIND);
	cbed_expect_none(&bed);
	ck_assert(!vmsg_is_ready(bed.v));
	cbed_answered(&bed, &reqs[11], 0);
	cbed_expect(&bed, VMSGIF_OP_READY);
	for (unsigned int i = 0; i < 48; i++)
		ck_assert_uint_eq(cbed_expect(&bed, VMSGIF_OP_SEND).seq, 1000 + i);
	for (unsigned int i = 0; i < 16; i++)
		cbed_port_free(&bed, ports[i]);
	cbed_port_free(&bed, senders[0]);
	cbed_port_free(&bed, senders[1]);
}
END_TEST

/* ------------------------------------------------------------------ own pools */

/* A map-mode SEND does not go out before its pool was announced, even if all else did. */
START_TEST(pool_waits_for_a_slot)
{
	static struct vmsg_port *ports[58];
	static struct vmsgif_tx_request reqs[58];
	struct vmsg_send send = {
		.addr = CBED_PEER,
		.port = CBED_PORT,
		.len = 1,
		.form = VMSG_MAP,
		.map_id = 2,
	};

	bed.params.max_ports = 58;
	cbed_init(&bed);
	cbed_up(&bed);
	for (uint32_t i = 0; i < 58; i++)
		ports[i] = cbed_bound_port(&bed, i + 1, 4096);
	ck_assert_int_eq(vmsg_pool_add(bed.v, ports[0], 2, CBED_PEER, CBED_PORT, 3, 1, 5), 0);
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	ck_assert_int_eq(cbed_expect_event(&bed, CBED_CONTROL_DONE).status, 0);
	cbed_down(&bed);
	cbed_connect(&bed);
	cbed_answer_all(&bed, 0);
	for (unsigned int i = 0; i < 58; i++)
		reqs[i] = cbed_expect(&bed, VMSGIF_OP_BIND);
	reqs[0] = cbed_expect(&bed, VMSGIF_OP_READY);
	cbed_expect_none(&bed);
	ck_assert_int_eq(vmsg_send(bed.v, ports[0], &send, NULL), 0);
	cbed_publish(&bed);
	cbed_expect_none(&bed);
	/* It needs one beyond those that are kept for BINDs and the like. */
	for (unsigned int i = 1; i < 6; i++) {
		cbed_expect_none(&bed);
		cbed_answered(&bed, &reqs[i], 0);
	}
	ck_assert_uint_eq(cbed_expect(&bed, VMSGIF_OP_POOL_ADD).u.pool.id, 2);
	ck_assert_uint_eq(cbed_expect(&bed, VMSGIF_OP_SEND).u.map.id, 2);
	cbed_expect_none(&bed);
	for (unsigned int i = 0; i < 58; i++)
		cbed_port_free(&bed, ports[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-reset");
	TCase *tc = tcase_create("reset");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, pools_refused);
	tcase_add_test(tc, pools_not_asked_for);
	tcase_add_test(tc, reset_in_pools);
	tcase_add_test(tc, reset_with_bind_unanswered);
	tcase_add_test(tc, answers_on_the_last_stretch);
	tcase_add_test(tc, fresh_rings);
	tcase_add_test(tc, stale_rings);
	tcase_add_test(tc, credit_waits_for_bind);
	tcase_add_test(tc, rings_while_connected);
	tcase_add_test(tc, ready_waits_for_a_slot);
	tcase_add_test(tc, pool_waits_for_a_slot);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
