/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From BIND to UNBIND: what is refused, and ports that a new broker does not take. */
#include "tests/unit/core-port.h"

#include <string.h>

/* -------------------------------------------------------------- arguments */

START_TEST(bad_arguments)
{
	struct vmsg_port *port, *other;
	char name[VMSGIF_NAME_MAX + 1];

	start(1);
	port = cbed_port(&bed, SIZE);
	other = cbed_port(&bed, SIZE);
	memset(name, 'a', sizeof(name));
	ck_assert_int_eq(bind(port, 0), -EINVAL);
	ck_assert_int_eq(vmsg_bind(bed.v, port, 9, name, VMSGIF_NAME_MAX + 1, 1), -EINVAL);
	ck_assert_int_eq(vmsg_bind(bed.v, port, 9, "a b", 3, 1), -EINVAL);
	ck_assert_int_eq(vmsg_bind(bed.v, port, 9, "a@b", 3, 1), -EINVAL);
	ck_assert_int_eq(vmsg_unbind(bed.v, port, 1), -EINVAL);
	ck_assert_uint_eq(vmsg_port_number(port), 0);
	ck_assert_int_eq(vmsg_bind(bed.v, port, 9, name, VMSGIF_NAME_MAX, 1), 0);
	ck_assert_uint_eq(vmsg_port_number(port), 9);
	ck_assert_int_eq(bind(port, 10), -EINVAL);
	ck_assert_int_eq(bind(other, 10), -ENOSPC);
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	expect_done(1, 0);
	ck_assert_int_eq(bind(port, 10), -EINVAL);
	ck_assert_int_eq(vmsg_unbind(bed.v, port, 2), 0);
	ck_assert_int_eq(vmsg_unbind(bed.v, port, 3), -EINVAL);
	ck_assert_int_eq(bind(port, 10), -EINVAL);
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	expect_done(2, 0);
	ck_assert_int_eq(bind(other, 10), 0);
	vmsg_shutdown(bed.v, -ECANCELED);
	expect_done(10, -ECANCELED);
	ck_assert_int_eq(bind(port, 11), -EHOSTDOWN);
	cbed_port_free(&bed, port);
	cbed_port_free(&bed, other);
}
END_TEST

/* Many ports, few buckets: all are found, and leave in any order. */
START_TEST(many_ports)
{
	struct vmsg_port *ports[64], *twice;

	start(64);
	twice = cbed_port(&bed, SIZE);
	for (uint32_t i = 0; i < 64; i++) {
		ports[i] = cbed_bound_port(&bed, 1000 + i * 17, SIZE);
		ck_assert_int_eq(bind(twice, 1000 + i / 2 * 17), i < 63 ? -EADDRINUSE : -ENOSPC);
	}
	for (uint32_t i = 0; i < 64; i++) {
		cbed_deliver(&bed, 1000 + i * 17, i + 1, "x", 1);
		ck_assert_ptr_eq(cbed_expect_event(&bed, CBED_READABLE).port, ports[i]);
	}
	for (uint32_t i = 0; i < 64; i++) {
		uint32_t which = i * 37 % 64;
		struct vmsgif_tx_request req;

		ck_assert_int_eq(vmsg_unbind(bed.v, ports[which], i), 0);
		cbed_publish(&bed);
		req = expect_unbind(1000 + which * 17);
		cbed_answered(&bed, &req, 0);
		expect_done(i, 0);
		cbed_port_free(&bed, ports[which]);
	}
	cbed_tell(&bed, cbed_msg(1000, 65, "x", 1));
	cbed_expect_broken(&bed, "message to a port that is not bound");
	cbed_port_free(&bed, twice);
}
END_TEST

/* ----------------------------------------------------------------- refused */

START_TEST(refused)
{
	struct vmsgif_tx_request req;
	struct vmsg_port *port;

	start(4);
	port = cbed_port(&bed, SIZE);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_int_eq(bind(port, 9 + i), 0);
		cbed_publish(&bed);
		req = expect_bind(9 + i);
		cbed_answered(&bed, &req, VMSGIF_EADDRINUSE);
		expect_done(9 + i, VMSGIF_EADDRINUSE);
		ck_assert_uint_eq(vmsg_port_number(port), 0);
	}
	cbed_no_event(&bed);
	cbed_port_free(&bed, port);
}
END_TEST

START_TEST(messages_and_refused)
{
	struct vmsgif_tx_request req;
	struct vmsg_port *port;

	start(4);
	port = cbed_port(&bed, SIZE);
	ck_assert_int_eq(bind(port, 9), 0);
	cbed_publish(&bed);
	req = expect_bind(9);
	cbed_deliver(&bed, 9, 1, "x", 1);
	cbed_expect_event(&bed, CBED_READABLE);
	cbed_answered(&bed, &req, VMSGIF_EADDRINUSE);
	expect_done(9, -EHOSTDOWN);
	cbed_expect_broken_once(&bed, "messages to a port that was not bound", 0);
	ck_assert_uint_eq(vmsg_port_number(port), 0);
	cbed_port_free(&bed, port);
}
END_TEST

/* A message may overtake the answer to its port's BIND. */
START_TEST(message_before_the_answer)
{
	struct vmsgif_tx_request req;
	struct vmsg_port *port;

	start(4);
	port = cbed_port(&bed, SIZE);
	ck_assert_int_eq(bind(port, 9), 0);
	cbed_publish(&bed);
	req = expect_bind(9);
	cbed_deliver(&bed, 9, 1, "x", 1);
	cbed_expect_event(&bed, CBED_READABLE);
	cbed_expect_msg(&bed, port, 1, "x", 1);
	cbed_answered(&bed, &req, 0);
	expect_done(9, 0);
	cbed_no_event(&bed);
	cbed_port_free(&bed, port);
}
END_TEST

/* A new broker does not bind it again: what came in stays, and nothing comes any more. */
static void lose(struct vmsg_port **port)
{
	struct vmsgif_tx_request req;

	start(4);
	*port = cbed_bound_port(&bed, 9, SIZE);
	cbed_deliver(&bed, 9, 1, "x", 1);
	cbed_expect_event(&bed, CBED_READABLE);
	restart();
	req = expect_bind(9);
	ck_assert_uint_eq(req.credit, SIZE - 128);
	cbed_answered(&bed, &req, VMSGIF_EACCES);
	cbed_answer_all(&bed, 0);
}

START_TEST(lost)
{
	struct cbed_event event;
	struct vmsg_port *port, *other;

	lose(&port);
	event = cbed_expect_event(&bed, CBED_LOST);
	ck_assert_ptr_eq(event.port, port);
	ck_assert_int_eq(event.status, VMSGIF_EACCES);
	cbed_no_event(&bed);
	/* It is not asked for again, neither by itself nor by others. */
	restart();
	cbed_answer_all(&bed, 1u << VMSGIF_OP_BIND);
	cbed_no_event(&bed);
	other = cbed_port(&bed, SIZE);
	ck_assert_int_eq(bind(other, 9), -EADDRINUSE);
	cbed_expect_msg(&bed, port, 1, "x", 1);
	cbed_publish(&bed);
	cbed_expect_none(&bed); /* no CREDIT */
	ck_assert_int_eq(vmsg_unbind(bed.v, port, 5), 0);
	expect_done(5, 0);
	ck_assert_int_eq(bind(other, 9), 0);
	cbed_port_free(&bed, port);
	cbed_port_free(&bed, other);
}
END_TEST

START_TEST(message_to_a_lost_port)
{
	struct vmsg_port *port;

	for (uint64_t seq = 1; seq < 3; seq++) {
		lose(&port);
		cbed_expect_event(&bed, CBED_LOST);
		cbed_tell(&bed, cbed_msg(9, seq, "y", 1));
		cbed_no_event(&bed);
		cbed_expect_broken_once(&bed, "message over the credit of its port", 0);
		cbed_port_free(&bed, port);
		if (seq == 1)
			cbed_deinit(&bed);
	}
}
END_TEST

/* Who does not want to know gets to know of it by vmsg_unbind() alone. */
START_TEST(lost_without_callback)
{
	struct vmsgif_tx_request req;
	struct vmsg_port *port;

	cbed_defaults(&bed);
	bed.no_lost = true;
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_bound_port(&bed, 9, SIZE);
	restart();
	req = expect_bind(9);
	cbed_answered(&bed, &req, VMSGIF_EACCES);
	cbed_no_event(&bed);
	ck_assert_int_eq(vmsg_unbind(bed.v, port, 5), 0);
	expect_done(5, 0);
	cbed_port_free(&bed, port);
}
END_TEST

/* ------------------------------------------------------------------ unbind */

START_TEST(unbind_while_binding)
{
	static const int statuses[] = { 0, VMSGIF_EADDRINUSE };
	struct vmsgif_tx_request req;
	struct vmsg_port *port;

	start(4);
	port = cbed_port(&bed, SIZE);
	/* BIND is not even posted: nobody has to be told. */
	ck_assert_int_eq(bind(port, 9), 0);
	ck_assert_int_eq(vmsg_unbind(bed.v, port, 5), 0);
	expect_done(9, -ECANCELED);
	expect_done(5, 0);
	cbed_publish(&bed);
	cbed_expect_none(&bed);
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_int_eq(bind(port, 9), 0);
		cbed_publish(&bed);
		req = expect_bind(9);
		ck_assert_int_eq(vmsg_unbind(bed.v, port, 5), 0);
		expect_done(9, -ECANCELED);
		cbed_publish(&bed);
		cbed_expect_none(&bed);
		cbed_answered(&bed, &req, statuses[i]);
		if (!statuses[i]) {
			req = expect_unbind(9);
			cbed_no_event(&bed);
			cbed_answered(&bed, &req, 0);
		}
		expect_done(5, 0);
		cbed_no_event(&bed);
		cbed_expect_none(&bed);
	}
	cbed_port_free(&bed, port);
}
END_TEST

/* Whose work is taken off the list leaves that of others there. */
START_TEST(unbind_among_others)
{
	struct vmsg_port *ports[4];

	for (unsigned int gone = 0; gone < 4; gone++) {
		start(4);
		for (uint32_t i = 0; i < 4; i++) {
			ports[i] = cbed_port(&bed, SIZE);
			ck_assert_int_eq(bind(ports[i], i + 1), 0);
		}
		ck_assert_int_eq(vmsg_unbind(bed.v, ports[gone], 5), 0);
		expect_done(gone + 1, -ECANCELED);
		expect_done(5, 0);
		cbed_publish(&bed);
		for (uint32_t i = 0; i < 4; i++)
			if (i != gone)
				expect_bind(i + 1);
		cbed_expect_none(&bed);
		for (unsigned int i = 0; i < 4; i++)
			cbed_port_free(&bed, ports[i]);
		if (gone < 3)
			cbed_deinit(&bed);
	}
}
END_TEST

/* Messages to a port that is being unbound are dropped, whatever their form. */
START_TEST(messages_while_unbinding)
{
	static uint8_t bytes[8192];
	struct vmsgif_tx_request req;
	struct vmsgif_rx_response map = cbed_msg(9, 5, bytes, 0);
	struct vmsg_port *port;

	start(4);
	port = cbed_bound_port(&bed, 9, 65536);
	cbed_deliver(&bed, 9, 1, bytes, 10);
	cbed_deliver(&bed, 9, 2, bytes, 8192);
	cbed_expect_event(&bed, CBED_READABLE);
	ck_assert_int_eq(vmsg_unbind(bed.v, port, 5), 0);
	cbed_publish(&bed);
	req = expect_unbind(9);
	cbed_deliver(&bed, 9, 3, bytes, 10);
	cbed_deliver(&bed, 9, 4, bytes, 8192);
	map.flags = VMSGIF_RXF_MAP;
	map.len = 1;
	cbed_tell(&bed, map);
	vmsg_publish(bed.v, true);
	ck_assert_uint_eq(cbed_expect(&bed, VMSGIF_OP_RELEASE).seq, 5);
	ck_assert_ptr_null(cbed_recv(&bed, port, &(struct vmsg_info){ 0 }));
	ck_assert_uint_eq(cbed_stats(&bed).rx_messages, 2);
	cbed_no_event(&bed);
	cbed_expect_pages(&bed, 0);
	cbed_answered(&bed, &req, 0);
	expect_done(5, 0);
	/* Another binding has all of the memory. */
	ck_assert_int_eq(bind(port, 10), 0);
	cbed_publish(&bed);
	ck_assert_uint_eq(expect_bind(10).credit, 65536);
	cbed_port_free(&bed, port);
}
END_TEST

START_TEST(restart_while_unbinding)
{
	struct vmsg_port *port;

	start(4);
	port = cbed_bound_port(&bed, 9, SIZE);
	ck_assert_int_eq(vmsg_unbind(bed.v, port, 5), 0);
	cbed_publish(&bed);
	expect_unbind(9);
	cbed_down(&bed);
	expect_done(5, 0);
	cbed_no_event(&bed);
	ck_assert_uint_eq(vmsg_port_number(port), 0);
	cbed_connect(&bed);
	cbed_answer_all(&bed, 0);
	cbed_expect(&bed, VMSGIF_OP_READY);
	cbed_expect_none(&bed);
	cbed_port_free(&bed, port);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-port");
	TCase *tc = tcase_create("port");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, bad_arguments);
	tcase_add_test(tc, many_ports);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, messages_and_refused);
	tcase_add_test(tc, message_before_the_answer);
	tcase_add_test(tc, lost);
	tcase_add_test(tc, message_to_a_lost_port);
	tcase_add_test(tc, lost_without_callback);
	tcase_add_test(tc, unbind_while_binding);
	tcase_add_test(tc, unbind_among_others);
	tcase_add_test(tc, messages_while_unbinding);
	tcase_add_test(tc, restart_while_unbinding);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
