/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages in map mode that go in the SEND of the one before them, and RELEASEs that go in
 * the one before.
 */
#define PAGES 40u
#include "tests/unit/core-foreign.h"

#define LEN 5000u
#define ID  2u

static uint64_t number; /* of the last one sent */

/* An own pool, too. */
static void start(void)
{
	struct vmsgif_tx_request req;

	setup();
	ck_assert_int_eq(vmsg_pool_add(bed.v, port, ID, CBED_PEER, CBED_PORT, 815, 1024, 1), 0);
	cbed_publish(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_POOL_ADD);
	cbed_answered(&bed, &req, 0);
	cbed_forget_events(&bed);
}

static struct vmsg_send message(uint32_t offset, uint32_t len)
{
	return (struct vmsg_send){
		.addr = CBED_PEER,
		.port = CBED_PORT,
		.len = len,
		.form = VMSG_MAP,
		.map_id = ID,
		.map_offset = offset,
		.lazy = true,
		.quiet = true,
		.open = true,
		.cookie = 7,
	};
}

static void post(struct vmsg_send send)
{
	ck_assert_int_eq(vmsg_send(bed.v, port, &send, &number), 0);
	vmsg_publish(bed.v, false);
}

static bool join(struct vmsg_send send)
{
	uint64_t before = number, cookie = 0;
	bool joined = vmsg_join(bed.v, port, &send, &cookie, &number);

	ck_assert_uint_eq(number, before + joined);
	ck_assert_uint_eq(cookie, joined ? 7 : 0);
	vmsg_publish(bed.v, false);
	return joined;
}

static struct vmsgif_tx_request expect_run(uint32_t offset, uint32_t len, unsigned int nr)
{
	struct vmsgif_tx_request req;

	vmsg_publish(bed.v, true);
	req = cbed_expect(&bed, VMSGIF_OP_SEND);
	ck_assert_uint_eq(req.flags, VMSGIF_TXF_MAP | VMSGIF_TXF_LAZY);
	ck_assert_uint_eq(req.len, len);
	ck_assert_uint_eq(req.seq, number);
	ck_assert_uint_eq(req.u.map.id, ID);
	ck_assert_uint_eq(req.u.map.offset, offset);
	ck_assert_uint_eq(req.u.map.more, nr - 1);
	cbed_expect_none(&bed);
	return req;
}

START_TEST(messages_join)
{
	struct vmsgif_tx_request req;

	post(message(100, LEN));
	for (unsigned int i = 1; i < VMSGIF_RUN_MESSAGES; i++) {
		cbed_expect_none(&bed);
		ck_assert(join(message(100 + i * 8192, LEN)));
	}
	/* It is full, and published at once. */
	cbed_publish(&bed);
	ck_assert(!join(message(100 + VMSGIF_RUN_MESSAGES * 8192, LEN)));
	req = expect_run(100, LEN, VMSGIF_RUN_MESSAGES);
	ck_assert_uint_eq(cbed_stats(&bed).tx_mapped, VMSGIF_RUN_MESSAGES);
	ck_assert_uint_eq(cbed_stats(&bed).tx_bytes, (uint64_t)VMSGIF_RUN_MESSAGES * LEN);
	cbed_answered(&bed, &req, 0);
	ck_assert_uint_eq(cbed_expect_event(&bed, CBED_SEND_DONE).cookie, 7);
	cbed_no_event(&bed);
	/* One SEND held the pool. */
	ck_assert_int_eq(vmsg_pool_del(bed.v, ID, 2), 0);
}
END_TEST

/* The length, the place, the pool and its end, urgent and awaited ones. */
START_TEST(others_do_not)
{
	struct vmsg_send send = message(1023 * 4096, 4096);

	post(send);
	send.map_offset += 4096;
	ck_assert(!join(send));
	expect_run(1023 * 4096, 4096, 1);
	post(message(0, LEN));
	ck_assert(!join(message(8192, LEN + 1)));
	ck_assert(!join(message(8191, LEN)));
	ck_assert(!join(message(12288, LEN)));
	send = message(8192, LEN);
	send.map_id++;
	ck_assert(!join(send));
	send = message(8192, LEN);
	send.lazy = false;
	ck_assert(!join(send));
	send = message(8192, LEN);
	send.quiet = false;
	ck_assert(!join(send));
	send = message(8192, LEN);
	send.port++;
	ck_assert(!join(send));
	ck_assert(join(message(8192, LEN)));
	expect_run(0, LEN, 2);
	/* Nothing is open now. */
	ck_assert(!join(message(2 * 8192, LEN)));
}
END_TEST

/* A run is sent again as it was. */
START_TEST(run_over_restart)
{
	struct vmsgif_tx_request req;

	post(message(0, LEN));
	ck_assert(join(message(8192, LEN)));
	cbed_down(&bed);
	ck_assert(!join(message(2 * 8192, LEN)));
	cbed_connect(&bed);
	cbed_answer_all(&bed, 0);
	cbed_expect(&bed, VMSGIF_OP_BIND);
	req = cbed_expect(&bed, VMSGIF_OP_POOL_ADD);
	cbed_answered(&bed, &req, 0);
	cbed_expect(&bed, VMSGIF_OP_READY);
	expect_run(0, LEN, 2);
}
END_TEST

static void hold(struct vmsg_msg **msgs, unsigned int nr)
{
	pool(7);
	for (unsigned int i = 0; i < nr; i++)
		msgs[i] = held(7, i * 4096, 10);
	cbed_forget_events(&bed);
	vmsg_publish(bed.v, true);
}

static void release_lazily(struct vmsg_msg *msg)
{
	vmsg_release(bed.v, port, msg);
	vmsg_publish(bed.v, false);
}

START_TEST(releases_join)
{
	struct vmsg_msg *msgs[3];

	hold(msgs, 3);
	for (unsigned int i = 0; i < 3; i++) {
		release_lazily(msgs[i]);
		cbed_expect_none(&bed);
		ck_assert(vmsg_put_off(bed.v));
	}
	expect_releases(3, 2);
	cbed_expect_none(&bed);
}
END_TEST

/* One behind the other, without a gap. */
START_TEST(releases_out_of_order)
{
	struct vmsg_msg *msgs[4];

	hold(msgs, 4);
	release_lazily(msgs[2]);
	release_lazily(msgs[3]);
	release_lazily(msgs[0]);
	vmsg_publish(bed.v, true);
	expect_releases(4, 1);
	expect_releases(1, 0);
	release_lazily(msgs[1]);
	expect_releases(2, 0);
	cbed_expect_none(&bed);
}
END_TEST

/* A SEND behind it closes it, and so do as many requests as half of the window. */
START_TEST(releases_closed)
{
	struct vmsg_msg *msgs[4];

	hold(msgs, 4);
	release_lazily(msgs[0]);
	post(message(0, LEN));
	release_lazily(msgs[1]);
	ck_assert_uint_eq(cbed_expect(&bed, VMSGIF_OP_RELEASE).u.map.more, 0);
	cbed_expect(&bed, VMSGIF_OP_SEND);
	cbed_expect_none(&bed);
	release_lazily(msgs[2]);
	ck_assert_uint_eq(cbed_expect(&bed, VMSGIF_OP_RELEASE).u.map.more, 1);
	release_lazily(msgs[3]);
	cbed_expect_none(&bed);
	ck_assert(vmsg_put_off(bed.v));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-run");
	TCase *tc = tcase_create("run");

	tcase_add_checked_fixture(tc, start, teardown);
	tcase_add_test(tc, messages_join);
	tcase_add_test(tc, others_do_not);
	tcase_add_test(tc, run_over_restart);
	tcase_add_test(tc, releases_join);
	tcase_add_test(tc, releases_out_of_order);
	tcase_add_test(tc, releases_closed);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
