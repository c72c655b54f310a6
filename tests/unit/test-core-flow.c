/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the engine remembers of flows: the window of each that it sends, and the
 * last number of each that comes in, when there are more than it has room for.
 */
#include "tests/unit/core-bed.h"

#include <string.h>

static struct cbed bed;
static struct vmsg_port *port;

static void setup(void)
{
	cbed_defaults(&bed);
	bed.params.max_flows = 4;
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_bound_port(&bed, 9, 65536);
	cbed_forget_events(&bed);
}

static void teardown(void)
{
	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
}

/* ----------------------------------------------------------------- windows */

static int send(uint32_t addr, uint32_t to)
{
	struct vmsg_send send = { .addr = addr, .port = to, .data = "" };

	return vmsg_send(bed.v, port, &send, NULL);
}

/* Flows come and go by thousands; that of a SEND that is not answered stays. */
START_TEST(many_destinations)
{
	struct vmsgif_tx_request old[3], req;

	for (unsigned int i = 0; i < 3; i++) {
		ck_assert_int_eq(send(CBED_PEER + i, CBED_PORT), 0);
		cbed_publish(&bed);
		old[i] = cbed_expect(&bed, VMSGIF_OP_SEND);
	}
	for (uint32_t i = 0; i < 3000; i++) {
		ck_assert_int_eq(send(CBED_PEER + i % 7, 1000 + i), 0);
		cbed_publish(&bed);
		req = cbed_expect(&bed, VMSGIF_OP_SEND);
		ck_assert_uint_eq(req.addr, CBED_PEER + i % 7);
		ck_assert_uint_eq(req.port, 1000 + i);
		cbed_answered(&bed, &req, 0);
	}
	/* Seven more of each fit, as one is under way still. */
	for (uint32_t i = 0; i < 3; i++) {
		for (unsigned int nr = 1; nr < 8; nr++)
			ck_assert_int_eq(send(CBED_PEER + i, CBED_PORT), 0);
		ck_assert_int_eq(send(CBED_PEER + i, CBED_PORT), -EAGAIN);
		cbed_publish(&bed);
		for (unsigned int nr = 1; nr < 8; nr++) {
			req = cbed_expect(&bed, VMSGIF_OP_SEND);
			cbed_answered(&bed, &req, 0);
		}
		cbed_answered(&bed, &old[i], 0);
	}
	ck_assert_uint_eq(vmsg_unanswered(port), 0);
}
END_TEST

/* ------------------------------------------------------------ repeated numbers */

/* Whether message @seq of @addr is taken for a new one. */
static bool is_new(uint32_t addr, uint64_t seq)
{
	struct vmsgif_rx_response rsp = cbed_msg(9, seq, "x", 1);
	uint64_t repeated = cbed_stats(&bed).rx_repeated;
	struct vmsg_info info;
	struct vmsg_msg *msg;

	rsp.addr = addr;
	cbed_tell(&bed, rsp);
	msg = vmsg_recv(bed.v, port, &info);
	cbed_forget_events(&bed);
	ck_assert_uint_eq(cbed_stats(&bed).rx_repeated, repeated + !msg);
	if (!msg)
		return false;
	ck_assert_uint_eq(info.addr, addr);
	ck_assert_uint_eq(info.seq, seq);
	vmsg_release(bed.v, port, msg);
	return true;
}

START_TEST(repeats)
{
	ck_assert(is_new(1, 100));
	ck_assert(!is_new(1, 100));
	ck_assert(!is_new(1, 99));
	ck_assert(!is_new(1, 1));
	ck_assert(is_new(1, 101));
	ck_assert(is_new(1, UINT64_MAX));
	ck_assert(!is_new(1, UINT64_MAX));
	/* Others have their own numbers. */
	ck_assert(is_new(2, 1));
	ck_assert(!is_new(2, 1));
}
END_TEST

START_TEST(repeats_over_a_restart)
{
	ck_assert(is_new(1, 100));
	ck_assert(is_new(2, 7));
	cbed_down(&bed);
	cbed_up(&bed);
	ck_assert(!is_new(1, 100));
	ck_assert(is_new(1, 101));
	ck_assert(!is_new(2, 7));
	/* A new instance of ours is another destination. */
	vmsg_shutdown(bed.v, 0);
	cbed_up(&bed);
	ck_assert(is_new(1, 101));
}
END_TEST

/* The dead are forgotten, and nobody else. */
START_TEST(peer_down)
{
	struct vmsg_port *other = cbed_bound_port(&bed, 10, 4096);

	ck_assert(is_new(1, 5));
	ck_assert(is_new(2, 5));
	cbed_deliver(&bed, 10, 5, "x", 1); /* from CBED_PEER */
	cbed_forget_events(&bed);
	cbed_tell(&bed, cbed_rx_event(VMSGIF_RX_PEER_DOWN, 1));
	ck_assert_uint_eq(cbed_expect_event(&bed, CBED_PEER_DOWN).addr, 1);
	ck_assert(!is_new(2, 5));
	ck_assert(is_new(1, 5));
	cbed_deliver(&bed, 10, 5, "x", 1);
	ck_assert_uint_eq(cbed_stats(&bed).rx_repeated, 2);
	ck_assert_uint_eq(cbed_stats(&bed).flows_forgotten, 0);
	cbed_port_free(&bed, other);
}
END_TEST

/* What is used stays, what was not for long gives way. */
START_TEST(too_many_flows)
{
	for (uint32_t addr = 1; addr <= 4; addr++)
		ck_assert(is_new(addr, 5));
	ck_assert_uint_eq(cbed_stats(&bed).flows_forgotten, 0);
	/* All were used alike: the first one goes. */
	ck_assert(is_new(5, 5));
	ck_assert_uint_eq(cbed_stats(&bed).flows_forgotten, 1);
	for (uint32_t addr = 6; addr < 100; addr++) {
		ck_assert(!is_new(2, 5));
		ck_assert(is_new(addr, 5));
		ck_assert(!is_new(addr, 5));
	}
	ck_assert(!is_new(2, 5));
	ck_assert_uint_eq(cbed_stats(&bed).flows_forgotten, 95);
	/* The price. */
	ck_assert(is_new(1, 5));
	ck_assert(is_new(3, 5));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-flow");
	TCase *tc = tcase_create("flow");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, many_destinations);
	tcase_add_test(tc, repeats);
	tcase_add_test(tc, repeats_over_a_restart);
	tcase_add_test(tc, peer_down);
	tcase_add_test(tc, too_many_flows);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
