/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lazy batches that go in the SEND of the one before them, and when they do not. */
#include "frontend/core/quick.h"
#include "tests/unit/core-bed.h"

#include <stdlib.h>
#include <string.h>

#define EACH   64u
#define MEMORY 65536u
#define CALL   2048u /* bytes of a batch, unless the test says otherwise */
#define LAST   7u    /* cookie of the last one posted alone, at first */

static struct cbed bed;
static struct vmsg_port *port;
static unsigned int free_pages;
static uint8_t bytes[2 * VMSGIF_BATCH_BYTES];
static uint8_t out[VMSGIF_BATCH_BYTES];
static uint32_t at;   /* bytes of these that were sent */
static uint64_t seq;  /* of the last message */
static uint64_t told; /* the cookie that vmsg_join() told */
static uint16_t pages[VMSGIF_SEGS_MAX + 1];

static void setup(void)
{
	cbed_defaults(&bed);
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_port(&bed, MEMORY);
	cbed_fill(bytes, sizeof(bytes), 1);
	cbed_forget_events(&bed);
	free_pages = vmsg_tx_pages_free(bed.v);
	at = 0;
}

static void teardown(void)
{
	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
}

static struct vmsg_send batch(uint32_t len)
{
	return (struct vmsg_send){
		.addr = CBED_PEER,
		.port = CBED_PORT,
		.len = len,
		.each = EACH,
		.form = VMSG_PAGES,
		.lazy = true,
		.quiet = true,
		.open = true,
		.cookie = LAST,
	};
}

/* Takes pages for @send and fills them with what comes next. */
static void with_pages(struct vmsg_send *send, struct vmsgif_segment *segs)
{
	unsigned int nr = (send->len + VMSGIF_PAGE_SIZE - 1) / VMSGIF_PAGE_SIZE;

	ck_assert_uint_le(nr, VMSGIF_SEGS_MAX);
	ck_assert_int_eq(vmsg_tx_pages_get(bed.v, port, nr, pages), 0);
	for (unsigned int i = 0; i < nr; i++) {
		uint32_t left = send->len - i * VMSGIF_PAGE_SIZE;

		segs[i] = (struct vmsgif_segment){
			.ref = pages[i],
			.len = (uint16_t)(left < VMSGIF_PAGE_SIZE ? left : VMSGIF_PAGE_SIZE),
		};
		memcpy(bed.tx_pages[pages[i]], bytes + at + i * VMSGIF_PAGE_SIZE, segs[i].len);
	}
	send->segs = segs;
	send->nr_segs = nr;
}

/* As a SEND of its own. */
static void post(struct vmsg_send send)
{
	struct vmsgif_segment segs[VMSGIF_SEGS_MAX];

	with_pages(&send, segs);
	ck_assert_int_eq(vmsg_send(bed.v, port, &send, &seq), 0);
	at += send.len;
}

static bool join_by(struct vmsg_port *from, struct vmsg_send send)
{
	struct vmsgif_segment segs[VMSGIF_SEGS_MAX];
	uint64_t before = seq;

	with_pages(&send, segs);
	send.cookie = 99; /* means nothing */
	if (vmsg_join(bed.v, from, &send, &told, &seq)) {
		ck_assert_uint_eq(seq, before + VMSGIF_BATCH_COUNT(send.len, send.each));
		at += send.len;
		return true;
	}
	ck_assert_uint_eq(seq, before);
	/* They are still the caller's. */
	for (unsigned int i = 0; i < send.nr_segs; i++)
		ck_assert(vmsg_pages_callers(bed.v, pages[i]));
	vmsg_tx_pages_put(bed.v, from, send.nr_segs, pages);
	return false;
}

static bool join(struct vmsg_send send)
{
	return join_by(port, send);
}

/* It is of @len bytes up to the last one sent, in @nr segments. */
static struct vmsgif_tx_request check(struct vmsgif_tx_request req, uint32_t len, unsigned int nr)
{
	ck_assert_uint_eq(req.len, len);
	ck_assert_uint_eq(req.nr_segs, nr);
	ck_assert_uint_eq(req.each, EACH);
	ck_assert_uint_eq(req.seq, seq);
	ck_assert(req.flags & VMSGIF_TXF_LAZY);
	ck_assert_uint_eq(req.addr, CBED_PEER);
	ck_assert_uint_eq(req.port, CBED_PORT);
	cbed_payload(&bed, &req, out);
	ck_assert_mem_eq(out, bytes + at - len, len);
	return req;
}

static struct vmsgif_tx_request expect(uint32_t len, unsigned int nr)
{
	return check(cbed_expect(&bed, VMSGIF_OP_SEND), len, nr);
}

static void answer(const struct vmsgif_tx_request *req, uint64_t cookie, int status)
{
	struct cbed_event event;

	cbed_answered(&bed, req, status);
	event = cbed_expect_event(&bed, CBED_SEND_DONE);
	ck_assert_uint_eq(event.cookie, cookie);
	ck_assert_int_eq(event.status, status);
}

static void nothing_left(void)
{
	cbed_expect_none(&bed);
	cbed_no_event(&bed);
	ck_assert_uint_eq(vmsg_unanswered(port), 0);
	ck_assert_uint_eq(vmsg_tx_pages_free(bed.v), free_pages);
}

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

/* -------------------------------------------------------------------- publishing */

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
	tcase_add_test(tc, held_back);
	tcase_add_test(tc, not_open);
	tcase_add_test(tc, behind_others);
	tcase_add_loop_test(tc, closed, 0, (int)(sizeof(closers) / sizeof(closers[0])));
	tcase_add_test(tc, window_full);
	tcase_add_test(tc, answered_too_early);
	tcase_add_test(tc, failed);
	tcase_add_test(tc, resubmitted);
	tcase_add_test(tc, without_pool);
	tcase_add_test(tc, queued);
	tcase_add_test(tc, shut_down);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
