/* SPDX-License-Identifier: GPL-2.0-or-later */
/* BIND and UNBIND that wait: for slots, and for room for names. */
#include "tests/unit/core-port.h"

static const char long_name[] = "a-name-that-is-longer-than-what-fits-in-a-slot";

#define LONG_LEN ((unsigned int)sizeof(long_name) - 1)

/* The ring is filled with POOL_ACKs, which stay unanswered: @keep slots are free. */
static void fill_ring(struct vmsgif_tx_request *reqs, unsigned int keep)
{
	for (unsigned int i = keep; i < 64; i++) {
		struct vmsgif_rx_response rsp = cbed_rx_event(VMSGIF_RX_POOL_DEL, CBED_PEER);

		rsp.u.pool.type = VMSGIF_POOL_MAP;
		cbed_tell(&bed, rsp);
		reqs[i] = cbed_expect(&bed, VMSGIF_OP_POOL_ACK);
	}
}

START_TEST(no_slot)
{
	struct vmsgif_tx_request reqs[64];
	struct vmsg_port *port, *other;
	struct vmsg_send send = { .addr = CBED_PEER, .port = 1, .data = "" };

	start(4);
	port = cbed_bound_port(&bed, 9, SIZE);
	other = cbed_port(&bed, SIZE);
	cbed_deliver(&bed, 9, 1, "", 0);
	cbed_expect_event(&bed, CBED_READABLE);
	fill_ring(reqs, 0);
	/* BIND, CREDIT and a SEND wait for a slot each. */
	ck_assert_int_eq(bind(other, 10), 0);
	cbed_expect_msg(&bed, port, 1, "", 0);
	cbed_publish(&bed);
	ck_assert_int_eq(vmsg_send(bed.v, port, &send, NULL), -EAGAIN);
	cbed_expect_none(&bed);
	cbed_answered(&bed, &reqs[0], 0);
	reqs[0] = expect_bind(10);
	cbed_expect_none(&bed);
	cbed_answered(&bed, &reqs[0], 0);
	expect_done(10, 0);
	reqs[0] = cbed_expect(&bed, VMSGIF_OP_CREDIT);
	ck_assert_uint_eq(reqs[0].port, 9);
	cbed_expect_none(&bed);
	cbed_no_event(&bed);
	cbed_answered(&bed, &reqs[1], 0);
	ck_assert_ptr_eq(cbed_expect_event(&bed, CBED_WRITABLE).port, port);
	ck_assert_int_eq(vmsg_send(bed.v, port, &send, NULL), 0);
	cbed_port_free(&bed, port);
	cbed_port_free(&bed, other);
}
END_TEST

/* UNBIND leaves the last slots to what the broker answers at once. */
START_TEST(unbind_waits)
{
	struct vmsgif_tx_request reqs[64];
	struct vmsg_port *port;

	start(4);
	port = cbed_bound_port(&bed, 9, SIZE);
	fill_ring(reqs, 8);
	ck_assert_int_eq(vmsg_unbind(bed.v, port, 5), 0);
	cbed_publish(&bed);
	cbed_expect_none(&bed);
	cbed_answered(&bed, &reqs[20], 0);
	reqs[20] = expect_unbind(9);
	cbed_answered(&bed, &reqs[20], 0);
	expect_done(5, 0);
	cbed_port_free(&bed, port);
}
END_TEST

/* There is room for 32 long names; short ones need none. */
START_TEST(names_wait)
{
	struct vmsgif_tx_request reqs[33];
	struct vmsg_port *ports[35];
	char name[VMSGIF_NAME_MAX];

	start(35);
	for (uint32_t i = 0; i < 34; i++) {
		ports[i] = cbed_port(&bed, SIZE);
		ck_assert_int_eq(
			vmsg_bind(bed.v, ports[i], i + 1, long_name, LONG_LEN - i % 5, i + 1), 0);
	}
	ports[34] = cbed_port(&bed, SIZE);
	ck_assert_int_eq(vmsg_bind(bed.v, ports[34], 35, "x", 1, 35), 0);
	cbed_publish(&bed);
	for (uint32_t i = 0; i < 33; i++) {
		reqs[i] = expect_bind(i < 32 ? i + 1 : 35);
		cbed_payload(&bed, &reqs[i], name);
		ck_assert_uint_eq(reqs[i].len, i < 32 ? LONG_LEN - i % 5 : 1);
		ck_assert_mem_eq(name, i < 32 ? long_name : "x", reqs[i].len);
	}
	cbed_expect_none(&bed);
	cbed_answered(&bed, &reqs[17], 0);
	expect_done(18, 0);
	reqs[17] = expect_bind(33);
	cbed_payload(&bed, &reqs[17], name);
	ck_assert_mem_eq(name, long_name, LONG_LEN - 32 % 5);
	cbed_expect_none(&bed);
	cbed_answered(&bed, &reqs[3], 0);
	expect_done(4, 0);
	expect_bind(34);
	/* After a restart READY waits for the last BIND. */
	cbed_forget_events(&bed);
	restart();
	for (uint32_t i = 0; i < 33; i++)
		reqs[i] = cbed_expect(&bed, VMSGIF_OP_BIND);
	cbed_expect_none(&bed);
	cbed_answered(&bed, &reqs[0], 0);
	cbed_expect(&bed, VMSGIF_OP_BIND);
	cbed_expect_none(&bed);
	for (unsigned int i = 1; i < 33; i++)
		if (reqs[i].nr_segs) {
			cbed_answered(&bed, &reqs[i], 0);
			break;
		}
	cbed_expect(&bed, VMSGIF_OP_BIND);
	cbed_expect(&bed, VMSGIF_OP_READY);
	for (unsigned int i = 0; i < 35; i++)
		cbed_port_free(&bed, ports[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-port-wait");
	TCase *tc = tcase_create("port-wait");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, no_slot);
	tcase_add_test(tc, unbind_waits);
	tcase_add_test(tc, names_wait);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
