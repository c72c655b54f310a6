/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lazy batches that are held back so that others can be joined to them, and what ends that. */
#include "tests/unit/core-join.h"

/* Also where there is an event to be sent, and where there is none. */
START_TEST(held_back)
{
	struct vmsgif_tx_sring *ring = bed.tx_ring;

	ring->req_event = ring->req_prod + 1;
	post(batch(CALL));
	ck_assert(!cbed_publish(&bed));
	cbed_expect_none(&bed);
	ck_assert(vmsg_put_off(bed.v));
	ck_assert(join(batch(CALL)));
	ck_assert(!cbed_publish(&bed));
	cbed_expect_none(&bed);
	ck_assert(vmsg_put_off(bed.v));
	ck_assert(vmsg_publish(bed.v, true));
	(void)expect(2 * CALL, 2);
	ck_assert(!vmsg_put_off(bed.v));
	ck_assert(!join(batch(CALL)));
	post(batch(CALL));
	ck_assert(!cbed_publish(&bed));
	ck_assert(vmsg_put_off(bed.v));
	ck_assert(!vmsg_publish(bed.v, true));
	(void)expect(CALL, 1);
	ck_assert(!vmsg_put_off(bed.v));
}
END_TEST

/* One that is not said to be open is not held back. */
START_TEST(not_open)
{
	struct vmsg_send send = batch(CALL);

	send.open = false;
	post(send);
	ck_assert(!join(batch(CALL)));
	cbed_publish(&bed);
	(void)expect(CALL, 1);
	post(batch(CALL));
	ck_assert(join(send));
	ck_assert(!join(batch(CALL)));
	cbed_publish(&bed);
	(void)expect(2 * CALL, 2);
}
END_TEST

/* What was posted before it is not. */
START_TEST(behind_others)
{
	struct vmsg_send single = batch(CALL);

	single.each = 0;
	post(single);
	post(batch(CALL));
	cbed_publish(&bed);
	ck_assert_uint_eq(cbed_expect(&bed, VMSGIF_OP_SEND).each, 0);
	cbed_expect_none(&bed);
	vmsg_publish(bed.v, true);
	(void)expect(CALL, 1);
	/* What is urgent takes it along. */
	single.lazy = false;
	post(single);
	post(batch(CALL));
	cbed_publish(&bed);
	ck_assert_uint_eq(cbed_expect(&bed, VMSGIF_OP_SEND).each, 0);
	(void)expect(CALL, 1);
}
END_TEST

static void post_behind(void)
{
	ck_assert_int_eq(vmsg_resolve_name(bed.v, "peer", 4, 5), 0);
}

static void post_lazy(void)
{
	struct vmsg_send send = batch(1);

	send.form = VMSG_INLINE;
	send.data = "x";
	send.each = 0;
	ck_assert_int_eq(vmsg_send(bed.v, port, &send, NULL), 0);
}

/* The same by the short way, which publishes. */
static void post_quick(void)
{
	(void)vmsg_send_quick(port, CBED_PEER, CBED_PORT, "x", 1, true, NULL);
	ck_assert_ptr_null(bed.v->open);
}

/* What is waited for may be its answer. */
static void wait_drain(void)
{
	ck_assert(!vmsg_drained(bed.v, port));
}

static void wait_pages(void)
{
	uint16_t all[64];

	ck_assert_int_eq(vmsg_tx_pages_get(bed.v, port, free_pages, all), -EAGAIN);
}

static void wait_control(void)
{
	ck_assert_int_eq(vmsg_subscribe(bed.v, "other", 5, false, 5), 0);
	/* The same name is asked about. */
	ck_assert_int_eq(vmsg_subscribe(bed.v, "other", 5, true, 5), -EAGAIN);
}

static void publish_urgent(void)
{
	struct vmsg_send send = batch(CALL);

	send.lazy = false;
	send.each = 0;
	post(send);
	at -= CALL;
	seq--;
}

static void (*const closers[])(void) = {
	post_behind, post_lazy, post_quick, wait_drain, wait_pages, wait_control, publish_urgent,
};

START_TEST(closed)
{
	post(batch(CALL));
	ck_assert(join(batch(CALL)));
	cbed_publish(&bed);
	cbed_expect_none(&bed);
	closers[_i]();
	ck_assert(!join(batch(CALL)));
	cbed_publish(&bed);
	(void)expect(2 * CALL, 2);
	/* And what was posted behind it. */
	ck_assert_uint_eq(bed.v->tx.pushed, bed.v->tx.prod);
}
END_TEST

/* The share, the window and the slots wait likewise. */
START_TEST(window_full)
{
	for (unsigned int i = 0; i < bed.features.flow_window; i++) {
		struct vmsg_send send = batch(CALL);

		post(send);
		ck_assert(join(batch(CALL)));
		/* By now they are worth an event, and the last ones are not again. */
		if (i == bed.features.flow_window / 2)
			cbed_publish(&bed);
	}
	cbed_publish(&bed);
	for (unsigned int i = 0; i + 1 < bed.features.flow_window; i++)
		(void)cbed_expect(&bed, VMSGIF_OP_SEND);
	cbed_expect_none(&bed);
	ck_assert_int_eq(cbed_send(&bed, port, "x", 1, 1), -EAGAIN);
	cbed_publish(&bed);
	(void)expect(2 * CALL, 2);
}
END_TEST

/* An answer to one that is held back is none to a request. */
START_TEST(answered_too_early)
{
	struct vmsgif_tx_request req = { .op = VMSGIF_OP_SEND };

	post(batch(CALL));
	cbed_publish(&bed);
	req.id = (uint16_t)(bed.v->open - bed.v->t.shadows);
	cbed_answer(&bed, &req, 0);
	cbed_tx_publish(&bed);
	while (vmsg_poll(bed.v, 1000))
		;
	cbed_expect_broken_once(&bed, "more TX responses than requests", 0);
	nothing_left();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-open");
	TCase *tc = tcase_create("open");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, held_back);
	tcase_add_test(tc, not_open);
	tcase_add_test(tc, behind_others);
	tcase_add_loop_test(tc, closed, 0, (int)(sizeof(closers) / sizeof(closers[0])));
	tcase_add_test(tc, window_full);
	tcase_add_test(tc, answered_too_early);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
