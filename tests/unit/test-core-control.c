/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RESOLVE and SUBSCRIBE: names, answers, failures, what waits, and what a
 * restart or a shutdown makes of them.
 */
#include "tests/unit/core-bed.h"

#include <ctype.h>
#include <string.h>

static struct cbed bed;
static char name[VMSGIF_NAME_MAX + 1];

static void setup(void)
{
	cbed_defaults(&bed);
	cbed_init(&bed);
	cbed_up(&bed);
	memset(name, 'n', sizeof(name));
}

static void teardown(void)
{
	cbed_deinit(&bed);
}

static int resolve(const char *what, uint64_t cookie)
{
	return vmsg_resolve_name(bed.v, what, (unsigned int)strlen(what), cookie);
}

static int subscribe(const char *what, uint64_t cookie)
{
	return vmsg_subscribe(bed.v, what, (unsigned int)strlen(what), false, cookie);
}

static int cancel(const char *what, uint64_t cookie)
{
	return vmsg_subscribe(bed.v, what, (unsigned int)strlen(what), true, cookie);
}

static struct vmsgif_tx_request expect(unsigned int op, const char *what)
{
	struct vmsgif_tx_request req = cbed_expect(&bed, op);
	char payload[VMSGIF_NAME_MAX];

	ck_assert_uint_eq(req.len, strlen(what));
	cbed_payload(&bed, &req, payload);
	ck_assert_mem_eq(payload, what, req.len);
	return req;
}

static struct vmsgif_tx_request expect_subscribe(const char *what, bool cancelled)
{
	struct vmsgif_tx_request req = expect(VMSGIF_OP_SUBSCRIBE, what);

	ck_assert_uint_eq(req.flags & VMSGIF_TXF_CANCEL, cancelled ? VMSGIF_TXF_CANCEL : 0);
	return req;
}

static void expect_done(uint64_t cookie, int status)
{
	struct cbed_event event = cbed_expect_event(&bed, CBED_CONTROL_DONE);

	ck_assert_uint_eq(event.cookie, cookie);
	ck_assert_int_eq(event.status, status);
	ck_assert_uint_eq(event.addr, 0);
	ck_assert_uint_eq(event.dst_port, 0);
}

/* ----------------------------------------------------------------- resolve */

START_TEST(names)
{
	static const char *const bad[] = { "",	    "@",   "@b",  "a@",	  "a@@b",
					   "a@b@c", "a b", "a/b", "a@b c" };
	static const char *const good[] = { "a", "a@b", "A.b_c-9@Z.y_x-0", "...", "-@_" };

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(resolve(bad[i], 1), -EINVAL);
	for (unsigned int i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert_int_eq(resolve(good[i], 1), 0);
		cbed_publish(&bed);
		expect(VMSGIF_OP_RESOLVE, good[i]);
	}
	ck_assert_int_eq(vmsg_resolve_name(bed.v, name, VMSGIF_NAME_MAX + 1, 1), -EINVAL);
	ck_assert_int_eq(vmsg_resolve_name(bed.v, name, VMSGIF_NAME_MAX, 1), 0);
	ck_assert_int_eq(vmsg_resolve_addr(bed.v, 0, 1), -EINVAL);
	/* A domain has no '@'. */
	ck_assert_int_eq(subscribe("a@b", 1), -EINVAL);
	ck_assert_int_eq(subscribe("", 1), -EINVAL);
	ck_assert_int_eq(vmsg_subscribe(bed.v, name, VMSGIF_NAME_MAX + 1, false, 1), -EINVAL);
	ck_assert_int_eq(cancel("a", 1), -EINVAL);
	cbed_publish(&bed);
	ck_assert_uint_eq(cbed_expect(&bed, VMSGIF_OP_RESOLVE).len, VMSGIF_NAME_MAX);
	cbed_expect_none(&bed);
}
END_TEST

START_TEST(every_byte)
{
	for (int c = 0; c < 256; c++) {
		bool good = c < 128 && (isalnum(c) || strchr("._-", c)) && c;
		char byte = (char)c;

		ck_assert_int_eq(vmsg_resolve_name(bed.v, &byte, 1, 1), good ? 0 : -EINVAL);
		cbed_publish(&bed);
		cbed_answer_all(&bed, 0);
	}
}
END_TEST

START_TEST(answers)
{
	struct vmsgif_tx_request req;
	struct vmsgif_tx_response rsp;
	struct cbed_event event;

	ck_assert_int_eq(resolve("service@domain", 11), 0);
	ck_assert_int_eq(vmsg_resolve_addr(bed.v, CBED_PEER, 12), 0);
	cbed_publish(&bed);
	req = expect(VMSGIF_OP_RESOLVE, "service@domain");
	rsp = cbed_response(&req, 0);
	rsp.addr = CBED_PEER;
	rsp.port = 99;
	cbed_answer_raw(&bed, &rsp);
	req = cbed_expect(&bed, VMSGIF_OP_RESOLVE);
	ck_assert_uint_eq(req.addr, CBED_PEER);
	cbed_answered(&bed, &req, VMSGIF_EHOSTUNREACH);
	event = cbed_expect_event(&bed, CBED_CONTROL_DONE);
	ck_assert_uint_eq(event.cookie, 11);
	ck_assert_int_eq(event.status, 0);
	ck_assert_uint_eq(event.addr, CBED_PEER);
	ck_assert_uint_eq(event.dst_port, 99);
	expect_done(12, VMSGIF_EHOSTUNREACH);
	cbed_no_event(&bed);
}
END_TEST

/* Of the 32 cells for long names 8 are kept for BINDs. */
START_TEST(long_names_wait)
{
	struct vmsgif_tx_request reqs[24];

	for (unsigned int i = 0; i < 24; i++) {
		ck_assert_int_eq(vmsg_resolve_name(bed.v, name, 33 + i, i), 0);
		cbed_publish(&bed);
		reqs[i] = cbed_expect(&bed, VMSGIF_OP_RESOLVE);
		ck_assert_uint_eq(reqs[i].len, 33 + i);
	}
	ck_assert_int_eq(vmsg_resolve_name(bed.v, name, 33, 100), -EAGAIN);
	ck_assert_int_eq(vmsg_resolve_name(bed.v, name, 32, 101), 0);
	/* A subscription is noted, and posted when there is room. */
	ck_assert_int_eq(vmsg_subscribe(bed.v, name, 40, false, 102), 0);
	cbed_publish(&bed);
	ck_assert_uint_eq(cbed_expect(&bed, VMSGIF_OP_RESOLVE).len, 32);
	cbed_expect_none(&bed);
	cbed_answered(&bed, &reqs[9], VMSGIF_EACCES);
	expect_done(9, VMSGIF_EACCES);
	ck_assert_ptr_null(cbed_expect_event(&bed, CBED_WRITABLE).port);
	reqs[9] = cbed_expect(&bed, VMSGIF_OP_SUBSCRIBE);
	ck_assert_uint_eq(reqs[9].len, 40);
	ck_assert_int_eq(vmsg_resolve_name(bed.v, name, 33, 100), -EAGAIN);
	cbed_answered(&bed, &reqs[9], 0);
	expect_done(102, 0);
	ck_assert_ptr_null(cbed_expect_event(&bed, CBED_WRITABLE).port);
	ck_assert_int_eq(vmsg_resolve_name(bed.v, name, 33, 100), 0);
}
END_TEST

/* --------------------------------------------------------------- subscribe */

START_TEST(subscriptions)
{
	struct vmsgif_tx_request req;

	ck_assert_int_eq(subscribe("one", 1), 0);
	ck_assert_int_eq(subscribe("two", 2), 0);
	ck_assert_int_eq(subscribe("three", 3), 0);
	ck_assert_int_eq(subscribe("four", 4), -ENOSPC);
	/* As long as it is asked about, another question waits. */
	ck_assert_int_eq(subscribe("one", 5), -EAGAIN);
	ck_assert_int_eq(cancel("one", 5), -EAGAIN);
	cbed_publish(&bed);
	req = expect_subscribe("one", false);
	expect_subscribe("two", false);
	cbed_answered(&bed, &req, 0);
	expect_done(1, 0);
	ck_assert_ptr_null(cbed_expect_event(&bed, CBED_WRITABLE).port);
	/* Once more is no more than once. */
	ck_assert_int_eq(subscribe("one", 6), 0);
	cbed_publish(&bed);
	req = expect_subscribe("three", false);
	/* One that is refused is none. */
	cbed_answered(&bed, &req, VMSGIF_EACCES);
	expect_done(3, VMSGIF_EACCES);
	ck_assert_int_eq(cancel("three", 7), -EINVAL);
	req = expect_subscribe("one", false);
	cbed_answered(&bed, &req, 0);
	expect_done(6, 0);
	ck_assert_int_eq(cancel("one", 8), 0);
	ck_assert_int_eq(cancel("one", 9), -EAGAIN);
	cbed_publish(&bed);
	req = expect_subscribe("one", true);
	cbed_answered(&bed, &req, 0);
	expect_done(8, 0);
	cbed_expect_event(&bed, CBED_WRITABLE);
	ck_assert_int_eq(cancel("one", 9), -EINVAL);
	ck_assert_int_eq(subscribe("four", 4), 0);
	ck_assert_int_eq(subscribe("five", 5), 0);
	ck_assert_int_eq(subscribe("six", 6), -ENOSPC);
}
END_TEST

/* ----------------------------------------------------------------- restart */

/* Connects anew; the next broker knows the device's pools, and nothing else. */
static void restart(void)
{
	cbed_down(&bed);
	cbed_connect(&bed);
	cbed_answer_all(&bed, 0);
}

START_TEST(subscriptions_over_restarts)
{
	struct vmsgif_tx_request req;

	ck_assert_int_eq(subscribe("one", 1), 0);
	ck_assert_int_eq(subscribe("two", 2), 0);
	cbed_publish(&bed);
	req = expect_subscribe("one", false);
	cbed_answered(&bed, &req, 0);
	expect_done(1, 0);
	/* What is not answered is asked again, and answered once. */
	restart();
	cbed_no_event(&bed);
	req = expect_subscribe("one", false);
	cbed_answered(&bed, &req, 0);
	cbed_no_event(&bed);
	req = expect_subscribe("two", false);
	cbed_expect(&bed, VMSGIF_OP_READY);
	cbed_answered(&bed, &req, 0);
	expect_done(2, 0);
	/* A cancellation is done with the broker. */
	ck_assert_int_eq(cancel("two", 3), 0);
	cbed_publish(&bed);
	expect_subscribe("two", true);
	restart();
	expect_done(3, 0);
	req = expect_subscribe("one", false);
	cbed_expect(&bed, VMSGIF_OP_READY);
	cbed_expect_none(&bed);
	/* A new broker may refuse what the one before allowed. */
	cbed_answered(&bed, &req, VMSGIF_EACCES);
	cbed_no_event(&bed);
	restart();
	cbed_no_event(&bed);
	cbed_expect(&bed, VMSGIF_OP_READY);
	cbed_expect_none(&bed);
	ck_assert_int_eq(cancel("one", 4), -EINVAL);
	ck_assert_int_eq(cancel("two", 4), -EINVAL);
	ck_assert_int_eq(subscribe("two", 5), 0);
}
END_TEST

/* Without a broker nobody has to be told that a subscription ends. */
START_TEST(cancelled_while_disconnected)
{
	struct vmsgif_tx_request req;

	ck_assert_int_eq(subscribe("one", 1), 0);
	cbed_publish(&bed);
	req = expect_subscribe("one", false);
	cbed_answered(&bed, &req, 0);
	expect_done(1, 0);
	cbed_down(&bed);
	ck_assert_int_eq(cancel("one", 2), 0);
	cbed_connect(&bed);
	cbed_answer_all(&bed, 0);
	req = expect_subscribe("one", true);
	cbed_answered(&bed, &req, 0);
	expect_done(2, 0);
}
END_TEST

/* RESOLVEs keep their place among the SENDs. */
START_TEST(resolves_over_a_restart)
{
	struct vmsg_port *port = cbed_port(&bed, 0);
	struct vmsgif_tx_request reqs[5];
	static const unsigned int ops[] = { VMSGIF_OP_RESOLVE, VMSGIF_OP_SEND, VMSGIF_OP_RESOLVE,
					    VMSGIF_OP_SEND, VMSGIF_OP_RESOLVE };

	name[40] = '\0';
	ck_assert_int_eq(resolve("a", 10), 0);
	ck_assert_int_eq(cbed_send(&bed, port, "x", 1, 11), 0);
	ck_assert_int_eq(resolve(name, 12), 0);
	cbed_publish(&bed);
	cbed_down(&bed);
	ck_assert_int_eq(cbed_send(&bed, port, "y", 1, 13), 0);
	ck_assert_int_eq(vmsg_resolve_addr(bed.v, 14, 14), 0);
	cbed_connect(&bed);
	cbed_answer_all(&bed, 0);
	cbed_expect(&bed, VMSGIF_OP_READY);
	for (unsigned int i = 0; i < 5; i++)
		reqs[i] = cbed_expect(&bed, ops[i]);
	ck_assert_uint_eq(reqs[0].u.data[0], 'a');
	ck_assert_uint_eq(reqs[1].u.data[0], 'x');
	ck_assert_uint_eq(reqs[2].len, 40);
	ck_assert_uint_eq(reqs[3].u.data[0], 'y');
	ck_assert_uint_eq(reqs[4].addr, 14);
	cbed_expect_none(&bed);
	ck_assert_uint_eq(cbed_stats(&bed).tx_resubmitted, 1); /* of SENDs */
	for (unsigned int i = 5; i--;) {
		cbed_answered(&bed, &reqs[i], 0);
		ck_assert_uint_eq(cbed_event(&bed).cookie, 10 + i);
	}
	cbed_port_free(&bed, port);
}
END_TEST

START_TEST(shutdown_ends_all)
{
	unsigned int seen = 0;

	ck_assert_int_eq(subscribe("one", 1), 0);
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	expect_done(1, 0);
	ck_assert_int_eq(subscribe("two", 2), 0);
	ck_assert_int_eq(resolve("three", 3), 0);
	name[50] = '\0';
	ck_assert_int_eq(resolve(name, 4), 0);
	ck_assert_int_eq(cancel("one", 5), 0);
	ck_assert_int_eq(subscribe("two", 6), -EAGAIN);
	cbed_publish(&bed);
	vmsg_shutdown(bed.v, -ECANCELED);
	/* The two RESOLVEs, in any order. */
	for (unsigned int i = 0; i < 2; i++) {
		struct cbed_event event = cbed_expect_event(&bed, CBED_CONTROL_DONE);

		ck_assert_int_eq(event.status, -ECANCELED);
		seen |= 1u << event.cookie;
	}
	ck_assert_uint_eq(seen, 1u << 3 | 1u << 4);
	expect_done(5, 0);
	expect_done(2, -ECANCELED);
	ck_assert_ptr_null(cbed_expect_event(&bed, CBED_WRITABLE).port);
	cbed_no_event(&bed);
	ck_assert_int_eq(resolve("x", 1), -EHOSTDOWN);
	ck_assert_int_eq(vmsg_resolve_addr(bed.v, 1, 1), -EHOSTDOWN);
	ck_assert_int_eq(subscribe("x", 1), -EHOSTDOWN);
	/* Fresh rings are needed. */
	vmsg_connected(bed.v, &bed.features);
	ck_assert(!vmsg_is_connected(bed.v));
	cbed_up(&bed);
	for (unsigned int i = 0; i < 24; i++) /* all cells are there */
		ck_assert_int_eq(resolve(name, i), 0);
}
END_TEST

/* A subscription that stands outlives also that; it is what a new instance asks first. */
START_TEST(subscription_over_a_shutdown)
{
	ck_assert_int_eq(subscribe("one", 1), 0);
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	expect_done(1, 0);
	vmsg_shutdown(bed.v, -ECANCELED);
	cbed_no_event(&bed);
	restart();
	expect_subscribe("one", false);
	cbed_expect(&bed, VMSGIF_OP_READY);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-control");
	TCase *tc = tcase_create("control");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, names);
	tcase_add_test(tc, every_byte);
	tcase_add_test(tc, answers);
	tcase_add_test(tc, long_names_wait);
	tcase_add_test(tc, subscriptions);
	tcase_add_test(tc, subscriptions_over_restarts);
	tcase_add_test(tc, cancelled_while_disconnected);
	tcase_add_test(tc, resolves_over_a_restart);
	tcase_add_test(tc, shutdown_ends_all);
	tcase_add_test(tc, subscription_over_a_shutdown);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
