/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events: which requests send one at once, which wait for company or until they
 * are forced, and which responses one is asked for.
 */
#include "frontend/core/state.h"
#include "tests/unit/core-bed.h"

#include <string.h>

static struct cbed bed;
static struct vmsg_port *port;

static struct vmsgif_tx_sring *tx(void)
{
	return bed.tx_ring;
}

static struct vmsgif_rx_sring *rx(void)
{
	return bed.rx_ring;
}

static void setup(void)
{
	cbed_defaults(&bed);
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_bound_port(&bed, 9, 4096);
	cbed_forget_events(&bed);
	/* Whatever is put off is sent now, and the broker wants to hear of the next TX request. */
	vmsg_publish(bed.v, true);
	tx()->req_event = tx()->req_prod + 1;
	rx()->req_event = rx()->req_prod - 1;
}

static void teardown(void)
{
	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
}

static void send(bool lazy, bool quiet)
{
	struct vmsg_send s = {
		.addr = CBED_PEER,
		.port = CBED_PORT,
		.data = "",
		.lazy = lazy,
		.quiet = quiet,
	};

	ck_assert_int_eq(vmsg_send(bed.v, port, &s, NULL), 0);
}

/* Lazy and quiet, of @nr pages in as many segments. */
static void send_pages(unsigned int nr)
{
	struct vmsgif_segment segs[VMSGIF_SEGS_MAX];
	uint16_t pages[VMSGIF_SEGS_MAX];
	struct vmsg_send s = {
		.addr = CBED_PEER,
		.port = CBED_PORT,
		.form = VMSG_PAGES,
		.segs = segs,
		.nr_segs = nr,
		.len = nr * VMSGIF_PAGE_SIZE,
		.lazy = true,
		.quiet = true,
	};

	ck_assert_int_eq(vmsg_tx_pages_get(bed.v, port, nr, pages), 0);
	for (unsigned int i = 0; i < nr; i++)
		segs[i] = (struct vmsgif_segment){ .ref = pages[i], .len = VMSGIF_PAGE_SIZE };
	ck_assert_int_eq(vmsg_send(bed.v, port, &s, NULL), 0);
}

static void answer_next(void)
{
	struct vmsgif_tx_request req = cbed_expect(&bed, VMSGIF_OP_SEND);

	cbed_answered(&bed, &req, 0);
}

#define WINDOW 8 /* of a flow, as the bed's broker has it */
/* More than there can be: none. */
#define NO_ANSWER (VMSGIF_RING_SLOTS(1) + 1)

/* Which response the device asks for an event for: the n-th from here on. */
static uint32_t asked_tx(void)
{
	ck_assert(!vmsg_arm(bed.v));
	return tx()->rsp_event - bed.tx_prod;
}

/* ----------------------------------------------------------------- sending */

START_TEST(urgent)
{
	uint64_t events = cbed_stats(&bed).events;

	send(false, false);
	ck_assert(cbed_publish(&bed));
	ck_assert_uint_eq(cbed_stats(&bed).events, events + 1);
	/* The broker is awake, and did not ask again. */
	send(false, false);
	ck_assert(!cbed_publish(&bed));
	/* Nothing was published. */
	tx()->req_event = tx()->req_prod + 1;
	ck_assert(!cbed_publish(&bed));
	send(false, false);
	ck_assert(cbed_publish(&bed));
	ck_assert(!vmsg_put_off(bed.v));
}
END_TEST

START_TEST(lazy_until_forced)
{
	send(true, false);
	ck_assert(!cbed_publish(&bed));
	cbed_expect(&bed, VMSGIF_OP_SEND); /* it is published, though */
	ck_assert(vmsg_put_off(bed.v));
	send(true, false);
	ck_assert(!cbed_publish(&bed));
	ck_assert(vmsg_put_off(bed.v));
	ck_assert(vmsg_publish(bed.v, true));
	ck_assert(!vmsg_put_off(bed.v));
	ck_assert(!vmsg_publish(bed.v, true));
}
END_TEST

START_TEST(lazy_in_company)
{
	send(true, false);
	ck_assert(!cbed_publish(&bed));
	/* The broker did not ask for an event for this one, but for the one before. */
	send(false, false);
	ck_assert(cbed_publish(&bed));
	ck_assert(!vmsg_put_off(bed.v));
	tx()->req_event = tx()->req_prod + 1;
	send(true, false);
	ck_assert(vmsg_publish(bed.v, true));
	/* What the broker did not ask for is not due at all. */
	send(true, false);
	ck_assert(!vmsg_publish(bed.v, true));
	ck_assert(!vmsg_put_off(bed.v));
}
END_TEST

/* The broker can begin while the second half of the window is posted. */
START_TEST(lazy_by_half_a_window)
{
	for (int again = 0; again < 3; again++) {
		for (int i = 1; i < WINDOW / 2; i++) {
			send(true, true);
			ck_assert(!cbed_publish(&bed));
			ck_assert(vmsg_put_off(bed.v));
		}
		send(true, true);
		ck_assert(cbed_publish(&bed));
		ck_assert(!vmsg_put_off(bed.v));
		for (int i = 0; i < WINDOW / 2; i++)
			answer_next();
		tx()->req_event = tx()->req_prod + 1;
	}
}
END_TEST

/* Pages may run short before the window does. */
START_TEST(lazy_by_half_of_the_pages)
{
	const unsigned int half = bed.params.nr_tx_pages / 2, each = VMSGIF_SEGS_MAX;

	bed.v->window = 2 * WINDOW;
	for (int again = 0; again < 3; again++) {
		for (unsigned int posted = each; posted <= half; posted += each) {
			send_pages(each);
			ck_assert_int_eq(cbed_publish(&bed), posted == half);
		}
		for (unsigned int posted = 0; posted < half; posted += each)
			answer_next();
		tx()->req_event = tx()->req_prod + 1;
	}
}
END_TEST

/* What the broker takes in without having asked is none of its business then. */
START_TEST(lazy_to_a_busy_broker)
{
	tx()->req_event = tx()->req_prod;
	for (int i = 0; i < WINDOW; i++) {
		send(true, true);
		ck_assert(!cbed_publish(&bed));
		ck_assert(!vmsg_put_off(bed.v));
	}
	for (int i = 0; i < WINDOW; i++)
		answer_next();
	/* It sleeps now. */
	tx()->req_event = tx()->req_prod + 1;
	send(true, true);
	ck_assert(!cbed_publish(&bed));
	ck_assert(vmsg_put_off(bed.v));
}
END_TEST

/* A broker that asks for RX pages is short of them. */
START_TEST(pages_for_the_broker)
{
	rx()->req_event = rx()->req_prod + 1;
	cbed_rx(&bed, cbed_rx_event(VMSGIF_RX_BAD_PAGE, 0));
	cbed_rx_publish(&bed);
	ck_assert(!vmsg_poll(bed.v, 1000));
	ck_assert(cbed_publish(&bed));
	cbed_rx(&bed, cbed_rx_event(VMSGIF_RX_BAD_PAGE, 0));
	cbed_rx_publish(&bed);
	ck_assert(!vmsg_poll(bed.v, 1000));
	ck_assert(!cbed_publish(&bed));
}
END_TEST

/* ------------------------------------------------------------------ asking */

START_TEST(next_answer)
{
	send(false, false);
	cbed_publish(&bed);
	ck_assert_uint_eq(asked_tx(), 1);
	ck_assert_uint_eq(rx()->rsp_event, bed.rx_prod + 1);
	/* What is there already needs no event. */
	cbed_rx(&bed, cbed_rx_event(VMSGIF_RX_BAD_PAGE, 0));
	cbed_rx_publish(&bed);
	ck_assert(vmsg_arm(bed.v));
	ck_assert(!vmsg_armed(bed.v));
	cbed_poll(&bed);
	ck_assert(!vmsg_armed(bed.v));
	ck_assert(!vmsg_arm(bed.v));
	ck_assert(vmsg_armed(bed.v));
	ck_assert_uint_eq(rx()->rsp_event, bed.rx_prod + 1);
}
END_TEST

/* Nobody waits for the answers to quiet SENDs, until somebody does. */
START_TEST(behind_quiet_sends)
{
	send(false, true);
	send(false, true);
	cbed_publish(&bed);
	ck_assert_uint_eq(asked_tx(), NO_ANSWER);
	/* Those that follow are not waited for either. */
	send(false, true);
	cbed_publish(&bed);
	ck_assert(vmsg_armed(bed.v));
	answer_next();
	ck_assert(!vmsg_armed(bed.v));
	ck_assert_uint_eq(asked_tx(), NO_ANSWER);
	/* One that is not quiet is waited for: it may be answered first. */
	send(false, false);
	cbed_publish(&bed);
	ck_assert_uint_eq(tx()->rsp_event, bed.tx_prod + 1);
	ck_assert(vmsg_armed(bed.v));
	ck_assert_uint_eq(asked_tx(), 1);
}
END_TEST

START_TEST(drain_of_quiet_sends)
{
	send(false, true);
	send(false, true);
	cbed_publish(&bed);
	ck_assert_uint_eq(asked_tx(), NO_ANSWER);
	ck_assert(!vmsg_drained(bed.v, port));
	/* The event is asked for anew. */
	cbed_publish(&bed);
	ck_assert_uint_eq(tx()->rsp_event, bed.tx_prod + 1);
	answer_next();
	cbed_no_event(&bed);
	answer_next();
	ck_assert_ptr_eq(cbed_expect_event(&bed, CBED_WRITABLE).port, port);
}
END_TEST

/* The same, and the answers came before that. */
START_TEST(drain_of_answered_sends)
{
	struct vmsgif_tx_request req;

	send(false, true);
	cbed_publish(&bed);
	ck_assert_uint_eq(asked_tx(), NO_ANSWER);
	req = cbed_expect(&bed, VMSGIF_OP_SEND);
	cbed_answer(&bed, &req, 0);
	cbed_tx_publish(&bed);
	ck_assert(!vmsg_drained(bed.v, port));
	cbed_no_event(&bed);
	cbed_publish(&bed);
	ck_assert_ptr_eq(cbed_expect_event(&bed, CBED_WRITABLE).port, port);
	ck_assert(vmsg_drained(bed.v, port));
}
END_TEST

/* Quiet SENDs have all slots, and a request of the device waits for one. */
START_TEST(control_behind_quiet_sends)
{
	struct vmsg_port *other = cbed_port(&bed, 0);

	for (uint32_t i = 0; i < 48; i++) {
		struct vmsg_send s = {
			.addr = CBED_PEER + i / 8,
			.port = 1,
			.data = "",
			.quiet = true,
		};

		ck_assert_int_eq(vmsg_send(bed.v, i < 24 ? port : other, &s, NULL), 0);
	}
	cbed_publish(&bed);
	ck_assert_uint_eq(asked_tx(), NO_ANSWER);
	ck_assert_int_eq(vmsg_resolve_addr(bed.v, 1, 1), -EAGAIN);
	cbed_publish(&bed);
	ck_assert_uint_eq(tx()->rsp_event, bed.tx_prod + 1);
	ck_assert_uint_eq(asked_tx(), 1);
	answer_next();
	ck_assert_ptr_null(cbed_expect_event(&bed, CBED_WRITABLE).port);
	ck_assert_uint_eq(asked_tx(), NO_ANSWER);
	cbed_port_free(&bed, other);
}
END_TEST

/* Nor for that to CREDIT, unless the port has more to say. */
START_TEST(behind_credit)
{
	static uint8_t bytes[2048];
	struct vmsgif_tx_request req;

	for (uint64_t seq = 1; seq <= 2; seq++) {
		cbed_deliver(&bed, 9, seq, bytes, 1400);
		cbed_expect_event(&bed, CBED_READABLE);
		cbed_expect_msg(&bed, port, seq, bytes, 1400);
		cbed_publish(&bed);
		if (seq == 1)
			ck_assert_uint_eq(asked_tx(), NO_ANSWER);
	}
	/* Who takes in messages arms when done with them. */
	ck_assert(!vmsg_arm(bed.v));
	ck_assert_uint_eq(tx()->rsp_event, bed.tx_prod + 1);
	ck_assert_uint_eq(asked_tx(), 1);
	req = cbed_expect(&bed, VMSGIF_OP_CREDIT);
	cbed_answered(&bed, &req, 0);
	cbed_expect(&bed, VMSGIF_OP_CREDIT);
	ck_assert_uint_eq(asked_tx(), NO_ANSWER);
}
END_TEST

/* A SEND that is waited for may be answered after CREDIT, which still nobody waits for. */
START_TEST(send_behind_credit)
{
	static uint8_t bytes[2048];

	cbed_deliver(&bed, 9, 1, bytes, 1400);
	cbed_expect_event(&bed, CBED_READABLE);
	cbed_expect_msg(&bed, port, 1, bytes, 1400);
	send(false, false);
	cbed_publish(&bed);
	ck_assert_uint_eq(asked_tx(), 2);
	ck_assert(vmsg_armed(bed.v));
	/* Until there is more credit to say. */
	cbed_deliver(&bed, 9, 2, bytes, 1400);
	cbed_expect_event(&bed, CBED_READABLE);
	ck_assert_uint_eq(asked_tx(), 2);
	cbed_expect_msg(&bed, port, 2, bytes, 1400);
	cbed_publish(&bed);
	ck_assert_uint_eq(tx()->rsp_event, bed.tx_prod + 1);
	ck_assert(vmsg_armed(bed.v));
}
END_TEST

/* ----------------------------------------------------------------- budgets */

START_TEST(budget)
{
	for (unsigned int i = 0; i < 5; i++)
		send(false, false);
	cbed_publish(&bed);
	for (unsigned int i = 0; i < 5; i++) {
		struct vmsgif_tx_request req = cbed_expect(&bed, VMSGIF_OP_SEND);

		cbed_answer(&bed, &req, 0);
		cbed_rx(&bed, cbed_msg(9, i + 1, "x", 1));
	}
	cbed_tx_publish(&bed);
	cbed_rx_publish(&bed);
	/* Messages come first: 2, 2, 1 and an answer, then answers. */
	for (unsigned int i = 1; i <= 5; i++) {
		ck_assert(vmsg_poll(bed.v, 2));
		ck_assert_uint_eq(cbed_stats(&bed).rx_messages, 2 * i < 5 ? 2 * i : 5);
		ck_assert_uint_eq(vmsg_unanswered(port), 2 * i < 5 ? 5 : 10 - 2 * i);
	}
	ck_assert(!vmsg_poll(bed.v, 2));
	ck_assert(!vmsg_poll(bed.v, 2));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-notify");
	TCase *tc = tcase_create("notify");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, urgent);
	tcase_add_test(tc, lazy_until_forced);
	tcase_add_test(tc, lazy_in_company);
	tcase_add_test(tc, lazy_by_half_a_window);
	tcase_add_test(tc, lazy_by_half_of_the_pages);
	tcase_add_test(tc, lazy_to_a_busy_broker);
	tcase_add_test(tc, pages_for_the_broker);
	tcase_add_test(tc, next_answer);
	tcase_add_test(tc, behind_quiet_sends);
	tcase_add_test(tc, drain_of_quiet_sends);
	tcase_add_test(tc, drain_of_answered_sends);
	tcase_add_test(tc, control_behind_quiet_sends);
	tcase_add_test(tc, behind_credit);
	tcase_add_test(tc, send_behind_credit);
	tcase_add_test(tc, budget);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
