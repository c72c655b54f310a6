// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs of messages in map mode on their way in: one response, as many messages, each
 * released by itself.
 */
#define PAGES 40u
#include "tests/unit/core-foreign.h"

#define LEN 5000u

/* A run of @nr messages that begins at @offset. */
static struct vmsgif_rx_response run_of(uint32_t offset, uint32_t len, unsigned int nr)
{
	struct vmsgif_rx_response rsp;

	seq += nr - 1;
	rsp = map_msg(7, offset, len);
	rsp.u.map.more = (uint16_t)(nr - 1);
	return rsp;
}

static void nothing_more(void)
{
	ck_assert_ptr_null(vmsg_recv(bed.v, port, &(struct vmsg_info){ 0 }));
}

/* The first one goes the way with all checks, the second one the short way. */
START_TEST(messages_of_a_run)
{
	unsigned int readable = 0;

	pool(7);
	cbed_tell(&bed, run_of(4096, LEN, 3));
	cbed_tell(&bed, run_of(100, LEN, 2));
	for (uint64_t i = 0; i < 3; i++)
		release(recv_number(4096 + (uint32_t)i * 8192, LEN, i + 1));
	release(recv_number(100, LEN, 4));
	release(recv_number(100 + 8192, LEN, 5));
	nothing_more();
	ck_assert_uint_eq(cbed_stats(&bed).rx_messages, 5);
	ck_assert_uint_eq(cbed_stats(&bed).rx_bytes, 5 * LEN);
	while (bed.nr_events)
		readable += cbed_expect_event(&bed, CBED_READABLE).port == port;
	/* Once, as nothing was received between. */
	ck_assert_uint_eq(readable, 1);
}
END_TEST

/* Each takes a descriptor of credit, whatever its length; all of the credit is of use. */
START_TEST(credit_of_runs)
{
	unsigned int all = 131072 / 64;

	pool(7);
	for (unsigned int i = 0; i < all; i += 32) {
		cbed_tell(&bed, run_of(0, 4096, 32));
		ck_assert_ptr_null(vmsg_broken(bed.v));
	}
	for (unsigned int i = 0; i < all; i++)
		recv_number(i % 32 * 4096, 4096, i + 1);
	nothing_more();
	cbed_tell(&bed, run_of(0, 4096, 1));
	ck_assert_str_eq(vmsg_broken(bed.v), "message over the credit of its port");
}
END_TEST

/* The short way takes no run that does not fit in whole. */
START_TEST(run_over_the_credit)
{
	unsigned int all = 131072 / 64;

	pool(7);
	for (unsigned int i = 0; i < all - 32; i += 32)
		cbed_tell(&bed, run_of(0, 4096, 32));
	cbed_tell(&bed, run_of(0, 4096, 31));
	cbed_tell(&bed, run_of(0, 4096, 2));
	ck_assert_str_eq(vmsg_broken(bed.v), "message over the credit of its port");
}
END_TEST

/* With the last message in the pool, and one byte behind it; by either way. */
START_TEST(run_beyond_the_pool)
{
	pool(7);
	if (_i)
		cbed_tell(&bed, run_of(0, 4096, 1));
	cbed_tell(&bed, run_of(20 * 4096, 4096, 20));
	ck_assert_ptr_null(vmsg_broken(bed.v));
	cbed_tell(&bed, run_of(20 * 4096 + 1, 4096, 20));
	ck_assert_str_eq(vmsg_broken(bed.v), "map-mode message outside of a mapped pool");
}
END_TEST

/* After a restart of the broker: what is held stays so, what is not is released again. */
START_TEST(repeated_run)
{
	struct vmsgif_rx_response rsp;
	struct vmsg_msg *msgs[4];

	pool(7);
	rsp = run_of(0, LEN, 4);
	cbed_tell(&bed, rsp);
	for (uint64_t i = 0; i < 4; i++)
		msgs[i] = recv_number((uint32_t)i * 8192, LEN, i + 1);
	release(msgs[1]);
	expect_release(2);
	release(msgs[3]);
	expect_release(4);
	cbed_tell(&bed, rsp);
	expect_release(2);
	expect_release(4);
	cbed_expect_none(&bed);
	nothing_more();
	ck_assert_uint_eq(cbed_stats(&bed).rx_repeated, 4);
	release(msgs[0]);
	release(msgs[2]);
	expect_release(1);
	expect_release(3);
	/* Nothing is held: the pool can go. */
	cbed_forget_events(&bed);
	tell(VMSGIF_RX_POOL_DEL, 7);
	expect_unmap(0, false);
}
END_TEST

/* Of a run that is in part new only what is comes in. */
START_TEST(run_repeated_in_part)
{
	struct vmsgif_rx_response rsp;

	pool(7);
	cbed_tell(&bed, run_of(0, LEN, 2));
	release(recv_number(0, LEN, 1));
	release(recv_number(8192, LEN, 2));
	expect_release(1);
	expect_release(2);
	rsp = run_of(0, LEN, 2);
	rsp.u.map.more = 3;
	cbed_tell(&bed, rsp);
	expect_releases(2, 1);
	recv_number(2 * 8192, LEN, 3);
	recv_number(3 * 8192, LEN, 4);
	nothing_more();
}
END_TEST

/* A pool that is let go of waits for all messages of a run. */
START_TEST(pool_is_held_by_each)
{
	struct vmsg_msg *msgs[3];

	pool(7);
	cbed_tell(&bed, run_of(0, LEN, 3));
	for (uint64_t i = 0; i < 3; i++)
		msgs[i] = recv_number((uint32_t)i * 8192, LEN, i + 1);
	cbed_forget_events(&bed);
	tell(VMSGIF_RX_POOL_DEL, 7);
	for (uint64_t i = 0; i < 3; i++) {
		cbed_no_event(&bed);
		release(msgs[i]);
		expect_release(i + 1);
	}
	expect_unmap(0, false);
	expect_ack(CBED_PEER, 7, VMSGIF_ECONNREFUSED);
}
END_TEST

/* Messages that were never received are released with their port. */
START_TEST(port_goes_with_a_run)
{
	struct vmsgif_tx_request req;

	pool(7);
	cbed_tell(&bed, run_of(0, LEN, 3));
	cbed_forget_events(&bed);
	ck_assert_int_eq(vmsg_unbind(bed.v, port, 1), 0);
	cbed_publish(&bed);
	expect_releases(3, 2);
	req = cbed_expect(&bed, VMSGIF_OP_UNBIND);
	/* One that was under way. */
	cbed_tell(&bed, run_of(0, LEN, 2));
	expect_releases(5, 1);
	cbed_answered(&bed, &req, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-maps");
	TCase *tc = tcase_create("maps");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, messages_of_a_run);
	tcase_add_test(tc, credit_of_runs);
	tcase_add_test(tc, run_over_the_credit);
	tcase_add_loop_test(tc, run_beyond_the_pool, 0, 2);
	tcase_add_test(tc, repeated_run);
	tcase_add_test(tc, run_repeated_in_part);
	tcase_add_test(tc, pool_is_held_by_each);
	tcase_add_test(tc, port_goes_with_a_run);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
