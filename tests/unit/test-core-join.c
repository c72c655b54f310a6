/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lazy batches that go in the SEND of the one before them, and when they do not. */
#include "tests/unit/core-join.h"

/* ------------------------------------------------------------------- what is joined */

/* Four pages make a SEND: one place in the window, one answer. By both ways of vmsg_send(). */
START_TEST(joined)
{
	for (unsigned int i = 0; i < 3; i++) {
		struct vmsgif_tx_request req;

		post(batch(CALL));
		for (unsigned int k = 0; k < 3; k++) {
			ck_assert(join(batch(CALL)));
			ck_assert_uint_eq(told, LAST);
		}
		ck_assert(!join(batch(CALL)));
		ck_assert_uint_eq(vmsg_unanswered(port), 1);
		ck_assert_uint_eq(vmsg_tx_pages_free(bed.v), free_pages - 4);
		/* It is full, so there is nothing to hold it back for. */
		cbed_publish(&bed);
		req = expect(4 * CALL, 4);
		answer(&req, LAST, 0);
		nothing_left();
	}
	ck_assert_uint_eq(cbed_stats(&bed).tx_messages, 3 * 4 * CALL / EACH);
	ck_assert_uint_eq(cbed_stats(&bed).tx_pooled, 3 * 4 * CALL / EACH);
	ck_assert_uint_eq(cbed_stats(&bed).tx_bytes, 3 * 4 * CALL);
}
END_TEST

/* What follows in the pool is one segment, if nothing is left free between. */
START_TEST(neighbours)
{
	struct vmsgif_tx_request req;

	post(batch(VMSGIF_PAGE_SIZE));
	ck_assert(join(batch(VMSGIF_PAGE_SIZE)));
	ck_assert(join(batch(VMSGIF_PAGE_SIZE - EACH)));
	ck_assert(join(batch(EACH * 2)));
	cbed_publish(&bed);
	req = expect(3 * VMSGIF_PAGE_SIZE + EACH, 2);
	answer(&req, LAST, 0);
	nothing_left();
	post(batch(2 * VMSGIF_PAGE_SIZE));
	ck_assert(!join(batch(3 * VMSGIF_PAGE_SIZE)));
	ck_assert(join(batch(2 * VMSGIF_PAGE_SIZE)));
	cbed_publish(&bed);
	req = expect(4 * VMSGIF_PAGE_SIZE, 2);
	answer(&req, LAST, 0);
	nothing_left();
}
END_TEST

/* The last message of a batch may be shorter: then it is the last one of all. */
START_TEST(short_last)
{
	struct vmsgif_tx_request req;

	post(batch(CALL));
	ck_assert(join(batch(CALL - 8)));
	ck_assert(!join(batch(CALL)));
	cbed_publish(&bed);
	req = expect(2 * CALL - 8, 2);
	answer(&req, LAST, 0);
	post(batch(CALL - 8));
	ck_assert(!join(batch(CALL)));
	cbed_publish(&bed);
	req = expect(CALL - 8, 1);
	answer(&req, LAST, 0);
	nothing_left();
}
END_TEST

/* As many messages and bytes as a batch may have. */
START_TEST(limits)
{
	struct vmsg_send send = batch(VMSGIF_PAGE_SIZE / 2);

	send.each = 16;
	post(send);
	ck_assert(join(send));
	ck_assert(!join(send));
	cbed_publish(&bed);
	ck_assert_uint_eq(cbed_expect(&bed, VMSGIF_OP_SEND).len, VMSGIF_PAGE_SIZE);
	/* Less than a call, but more than a message would fit. */
	send.len -= 16;
	post(send);
	ck_assert(join(send));
	ck_assert(!join(send));
	cbed_publish(&bed);
	cbed_expect_none(&bed);
	send.len = 32;
	ck_assert(join(send));
	cbed_publish(&bed);
	ck_assert_uint_eq(cbed_expect(&bed, VMSGIF_OP_SEND).len, VMSGIF_PAGE_SIZE);
	cbed_down(&bed);
	bed.features.max_message = 2 * CALL + EACH;
	cbed_up(&bed);
	cbed_answer_all(&bed, 0);
	post(batch(CALL));
	ck_assert(join(batch(CALL)));
	ck_assert(!join(batch(2 * EACH)));
	vmsg_publish(bed.v, true);
	(void)expect(2 * CALL, 2);
}
END_TEST

/* --------------------------------------------------------------- what is not joined */

enum {
	ADDR,
	PORT,
	LENGTH,
	SINGLE,
	URGENT,
	CONFIRMED,
	KEPT,
	OTHERS,
};

static struct vmsg_send other(unsigned int what)
{
	struct vmsg_send send = batch(CALL);

	send.addr += what == ADDR;
	send.port += what == PORT;
	if (what == LENGTH)
		send.each /= 2;
	if (what == SINGLE)
		send.each = 0;
	send.lazy = what != URGENT;
	send.quiet = what != CONFIRMED;
	send.keep = what == KEPT;
	return send;
}

/* Neither is it joined, nor is what comes behind it. */
START_TEST(others)
{
	unsigned int kept;
	uint16_t page;

	post(batch(CALL));
	ck_assert(!join(other((unsigned int)_i)));
	ck_assert(join(batch(CALL)));
	post(other((unsigned int)_i));
	page = pages[0];
	ck_assert(!join(batch(CALL)));
	vmsg_publish(bed.v, true);
	at -= CALL;
	seq -= VMSGIF_BATCH_COUNT(CALL, other((unsigned int)_i).each);
	(void)expect(2 * CALL, 2);
	ck_assert_uint_eq(cbed_expect(&bed, VMSGIF_OP_SEND).len, CALL);
	cbed_expect_none(&bed);
	bed.tx_cons -= 2;
	cbed_answer_all(&bed, 0);
	kept = vmsg_pages_callers(bed.v, page);
	ck_assert_uint_eq(kept, _i == KEPT);
	vmsg_tx_pages_put(bed.v, port, kept, &page);
	ck_assert_uint_eq(vmsg_tx_pages_free(bed.v), free_pages);
}
END_TEST

/* By another port, the same one under another number, or one in its place. */
START_TEST(other_port)
{
	struct vmsg_port *second = cbed_port(&bed, 0);
	struct vmsgif_tx_request req;

	post(batch(CALL));
	ck_assert(!join_by(second, batch(CALL)));
	vmsg_port_fini(bed.v, port);
	vmsg_port_init(bed.v, port, vmsg_port_priv(port), MEMORY, vmsg_port_priv(port));
	ck_assert(!join(batch(CALL)));
	vmsg_publish(bed.v, true);
	req = expect(CALL, 1);
	cbed_answered(&bed, &req, 0);
	cbed_no_event(&bed);
	post(batch(CALL));
	ck_assert_int_eq(vmsg_bind(bed.v, port, 9, NULL, 0, 1), 0);
	ck_assert(!join(batch(CALL)));
	cbed_publish(&bed);
	ck_assert_uint_eq(expect(CALL, 1).src_port, 0);
	cbed_port_free(&bed, second);
}
END_TEST

/* Pages that are not the caller's, or not as many bytes as are said; nothing changes. */
START_TEST(bad_pages)
{
	struct vmsg_send send = batch(CALL);
	struct vmsgif_segment segs[VMSGIF_SEGS_MAX];
	struct vmsgif_tx_request req;

	post(batch(CALL));
	send.segs = segs;
	ck_assert(!vmsg_join(bed.v, port, &send, &told, NULL));
	send.nr_segs = 1;
	segs[0] = (struct vmsgif_segment){ .ref = pages[0], .len = CALL };
	ck_assert(!vmsg_join(bed.v, port, &send, &told, NULL));
	with_pages(&send, segs);
	segs[0].len -= 8;
	ck_assert(!vmsg_join(bed.v, port, &send, &told, NULL));
	segs[1] = segs[0];
	segs[0].len = segs[1].len = CALL / 2;
	send.nr_segs = 2;
	ck_assert(!vmsg_join(bed.v, port, &send, &told, NULL));
	segs[0].len = CALL;
	send.nr_segs = 1;
	ck_assert(vmsg_join(bed.v, port, &send, &told, &seq));
	at += CALL;
	vmsg_publish(bed.v, true);
	req = expect(2 * CALL, 2);
	answer(&req, LAST, 0);
	nothing_left();
}
END_TEST

/* --------------------------------------------------------------- failures, resets */

/* A failure is one of all its messages. */
START_TEST(failed)
{
	struct vmsg_send send = batch(CALL);
	struct vmsgif_tx_request req;
	struct cbed_event event;

	post(send);
	ck_assert(join(send));
	vmsg_publish(bed.v, true);
	req = expect(2 * CALL, 2);
	answer(&req, LAST, VMSGIF_EDQUOT);
	send.cookie = 0;
	post(send);
	ck_assert(join(send));
	ck_assert_uint_eq(told, 0);
	vmsg_publish(bed.v, true);
	req = expect(2 * CALL, 2);
	cbed_answered(&bed, &req, VMSGIF_EDQUOT);
	event = cbed_expect_event(&bed, CBED_SEND_FAILED);
	ck_assert_uint_eq(event.cookie, seq);
	ck_assert_uint_eq(event.len, 2 * CALL / EACH);
	nothing_left();
}
END_TEST

/* Connects again, as far as to the first SEND. */
static struct vmsgif_tx_request up(void)
{
	struct vmsgif_tx_request req;

	cbed_connect(&bed);
	for (unsigned int i = 0; i < 100; i++) {
		while (cbed_next(&bed, &req)) {
			if (req.op == VMSGIF_OP_SEND)
				return req;
			cbed_answer(&bed, &req, 0);
		}
		cbed_tx_publish(&bed);
		cbed_poll(&bed);
	}
	ck_abort_msg("no SEND");
	return req;
}

static struct vmsgif_tx_request again(uint32_t len, unsigned int nr)
{
	struct vmsgif_tx_request req;

	cbed_down(&bed);
	ck_assert(!vmsg_put_off(bed.v));
	ck_assert_ptr_null(bed.v->open);
	ck_assert(!join(batch(EACH * 2)));
	req = check(up(), len, nr);
	ck_assert(!join(batch(EACH * 2)));
	return req;
}

/* With all that was joined, whether it was published or not, and with the TX pool or without. */
START_TEST(resubmitted)
{
	struct vmsgif_tx_request req;

	for (unsigned int i = 0; i < 2; i++) {
		post(batch(CALL));
		ck_assert(join(batch(VMSGIF_PAGE_SIZE)));
		ck_assert(join(batch(VMSGIF_PAGE_SIZE)));
		vmsg_publish(bed.v, i);
		if (i)
			(void)expect(2 * VMSGIF_PAGE_SIZE + CALL, 2);
		(void)again(2 * VMSGIF_PAGE_SIZE + CALL, 2);
		bed.features.max_pool_pages = 1;
		(void)again(2 * VMSGIF_PAGE_SIZE + CALL, 3);
		bed.features.max_pool_pages = 1024;
		req = again(2 * VMSGIF_PAGE_SIZE + CALL, 2);
		answer(&req, LAST, 0);
		nothing_left();
	}
}
END_TEST

START_TEST(without_pool)
{
	cbed_down(&bed);
	bed.features.max_pool_pages = 1;
	cbed_up(&bed);
	for (unsigned int i = 0; i < 2; i++) {
		post(batch(CALL));
		ck_assert(!join(batch(CALL)));
		cbed_publish(&bed);
		(void)expect(CALL, 1);
	}
}
END_TEST

/* What is queued is not open. */
START_TEST(queued)
{
	cbed_down(&bed);
	post(batch(CALL));
	ck_assert(!join(batch(CALL)));
	(void)check(up(), CALL, 1);
	ck_assert(!join(batch(CALL)));
}
END_TEST

START_TEST(shut_down)
{
	post(batch(CALL));
	ck_assert(join(batch(CALL)));
	vmsg_shutdown(bed.v, -EHOSTDOWN);
	ck_assert_int_eq(cbed_expect_event(&bed, CBED_SEND_DONE).status, -EHOSTDOWN);
	ck_assert(!vmsg_put_off(bed.v));
	ck_assert(!join(batch(CALL)));
	nothing_left();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-join");
	TCase *tc = tcase_create("join");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, joined);
	tcase_add_test(tc, neighbours);
	tcase_add_test(tc, short_last);
	tcase_add_test(tc, limits);
	tcase_add_loop_test(tc, others, 0, OTHERS);
	tcase_add_test(tc, other_port);
	tcase_add_test(tc, bad_pages);
	tcase_add_test(tc, failed);
	tcase_add_test(tc, resubmitted);
	tcase_add_test(tc, without_pool);
	tcase_add_test(tc, queued);
	tcase_add_test(tc, shut_down);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
