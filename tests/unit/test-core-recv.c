/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages on their way in: inline, in pages held and copied out, the memory of
 * a port around its end, credit, repeats, and what a faulty broker can send.
 */
#include "tests/unit/core-bed.h"

#include <stdlib.h>
#include <string.h>

#define SIZE 16384u

static struct cbed bed;
static struct vmsg_port *port;
static uint8_t bytes[VMSGIF_MESSAGE_MAX];

static void setup(void)
{
	cbed_defaults(&bed);
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_bound_port(&bed, 9, SIZE);
	cbed_fill(bytes, sizeof(bytes), 1);
	cbed_forget_events(&bed);
}

static void teardown(void)
{
	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
}

START_TEST(every_form)
{
	static const uint32_t lens[] = { 0,   1,    31,	  32,	33,   255,  256,
					 257, 4095, 4096, 4097, 8191, 8192, 12000 };
	uint64_t seq = 0;

	for (unsigned int round = 0; round < 20; round++) {
		for (unsigned int i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
			cbed_deliver(&bed, 9, ++seq, bytes + i, lens[i]);
			ck_assert_ptr_eq(cbed_expect_event(&bed, CBED_READABLE).port, port);
			cbed_expect_msg(&bed, port, seq, bytes + i, lens[i]);
			ck_assert_ptr_null(cbed_recv(&bed, port, &(struct vmsg_info){ 0 }));
			cbed_publish(&bed);
			cbed_answer_all(&bed, 0);
			ck_assert_uint_eq(cbed_rx_pages(&bed), 64);
		}
	}
	ck_assert_uint_eq(cbed_stats(&bed).rx_messages, seq);
	ck_assert_uint_eq(cbed_stats(&bed).rx_copied_out, 20 * 3);
	ck_assert_ptr_null(vmsg_broken(bed.v));
}
END_TEST

/* Receives the next message, which has number @seq, and keeps it. */
static struct vmsg_msg *hold(uint64_t seq)
{
	struct vmsg_info info;
	struct vmsg_msg *msg = vmsg_recv(bed.v, port, &info);

	ck_assert_ptr_nonnull(msg);
	ck_assert_uint_eq(info.seq, seq);
	return msg;
}

static void check(const struct vmsg_msg *msg, uint32_t at, uint32_t len, unsigned int pieces)
{
	static uint8_t copy[65536];

	ck_assert_uint_eq(cbed_gather(&bed, port, msg, copy), pieces);
	ck_assert_mem_eq(copy, bytes + at, len);
}

/* A port with much memory, for which no CREDIT comes in between. */
static void large_port(void)
{
	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
	cbed_defaults(&bed);
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_bound_port(&bed, 9, 1 << 20);
}

/*
 * Half of the 64 pages can be held. Beyond that messages are copied out, so that
 * the broker has pages whatever the application does.
 */
START_TEST(held_pages)
{
	struct vmsg_msg *msgs[30];

	large_port();
	for (unsigned int i = 0; i < 30; i++) {
		cbed_deliver(&bed, 9, i + 1, bytes + i, 8192);
		msgs[i] = hold(i + 1);
		ck_assert_uint_eq(cbed_rx_pages(&bed), i < 16 ? 62 - 2 * i : 32);
		ck_assert_uint_eq(cbed_stats(&bed).rx_copied_out, i < 16 ? 0 : i - 15);
	}
	for (unsigned int i = 0; i < 30; i++)
		check(msgs[i], i, 8192, i < 16 ? 2 : 1);
	/* One that is released makes room for one, of up to two pages. */
	vmsg_release(bed.v, port, msgs[5]);
	cbed_deliver(&bed, 9, 31, bytes, 8193);
	ck_assert_uint_eq(cbed_stats(&bed).rx_copied_out, 15);
	ck_assert_uint_eq(cbed_rx_pages(&bed), 34);
	cbed_deliver(&bed, 9, 32, bytes, 8000);
	ck_assert_uint_eq(cbed_stats(&bed).rx_copied_out, 15);
	ck_assert_uint_eq(cbed_rx_pages(&bed), 32);
	cbed_expect_msg(&bed, port, 31, bytes, 8193);
	cbed_expect_msg(&bed, port, 32, bytes, 8000);
	for (unsigned int i = 30; i--;)
		if (i != 5)
			vmsg_release(bed.v, port, msgs[i]);
	cbed_publish(&bed);
	cbed_expect_pages(&bed, 0);
}
END_TEST

/* The same with messages of a page each, most of which come in by the short way. */
START_TEST(held_single_pages)
{
	struct vmsg_msg *msgs[40];

	large_port();
	for (unsigned int i = 0; i < 40; i++) {
		cbed_deliver(&bed, 9, i + 1, bytes + i, 4000);
		msgs[i] = hold(i + 1);
		ck_assert_uint_eq(cbed_rx_pages(&bed), i < 32 ? 63 - i : 32);
		ck_assert_uint_eq(cbed_stats(&bed).rx_copied_out, i < 32 ? 0 : i - 31);
	}
	for (unsigned int i = 0; i < 40; i++) {
		check(msgs[i], i, 4000, 1);
		vmsg_release(bed.v, port, msgs[i]);
	}
	cbed_publish(&bed);
	cbed_expect_pages(&bed, 0);
}
END_TEST

/* Room comes back in the order of arrival, whatever the order of release and the form. */
START_TEST(released_in_any_order)
{
	static const uint32_t lens[] = { 1984, 200, 32, 1000, 0, 256, 4096, 1 };
	struct vmsgif_tx_request req;
	struct vmsg_msg *msgs[8];
	uint32_t sum = 0;

	for (unsigned int i = 0; i < 8; i++) {
		cbed_deliver(&bed, 9, i + 1, bytes + i, lens[i]);
		msgs[i] = hold(i + 1);
		sum += VMSGIF_MSG_COST(lens[i]);
	}
	for (unsigned int i = 8; --i;) {
		vmsg_release(bed.v, port, msgs[i]);
		vmsg_release(bed.v, port, msgs[i]); /* once is enough */
		cbed_publish(&bed);
		cbed_expect_none(&bed);
	}
	vmsg_release(bed.v, port, msgs[0]);
	cbed_publish(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_CREDIT);
	ck_assert_uint_eq(req.credit, SIZE + sum);
	cbed_expect_pages(&bed, 0);
}
END_TEST

/* When nothing is there, what comes next is at the begin of the memory again. */
START_TEST(begins_anew)
{
	struct vmsg_msg *first, *second, *third;

	cbed_deliver(&bed, 9, 1, bytes, 100);
	first = hold(1);
	cbed_deliver(&bed, 9, 2, bytes, 100);
	second = hold(2);
	ck_assert_ptr_ne(first, second);
	vmsg_release(bed.v, port, first);
	cbed_deliver(&bed, 9, 3, bytes, 100);
	third = hold(3);
	ck_assert(third != first && third != second);
	vmsg_release(bed.v, port, third);
	vmsg_release(bed.v, port, second);
	cbed_deliver(&bed, 9, 4, bytes + 4, 100);
	ck_assert_ptr_eq(hold(4), first);
	check(first, 4, 100, 1);
}
END_TEST

/* Receives small message @seq, behind @msg, which goes: the memory's begin is not free with it. */
static struct vmsg_msg *held_behind(struct vmsg_msg *msg, uint64_t seq)
{
	struct vmsgif_tx_request req;
	struct vmsg_msg *keep;

	cbed_deliver(&bed, 9, seq, bytes, 20);
	keep = hold(seq);
	vmsg_release(bed.v, port, msg);
	cbed_publish(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_CREDIT);
	cbed_answered(&bed, &req, 0);
	return keep;
}

/* Payload that is copied goes around the end of the memory, in two pieces. */
START_TEST(around_the_end)
{
	const uint32_t rest = SIZE - 2 * (VMSGIF_MSG_COST(10000) + VMSGIF_MSG_COST(20)) % SIZE;
	struct vmsg_msg *msg, *keep;

	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
	cbed_defaults(&bed);
	bed.params.nr_rx_pages = 8; /* nothing is held */
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_bound_port(&bed, 9, SIZE);
	cbed_deliver(&bed, 9, 1, bytes, 10000);
	msg = hold(1);
	check(msg, 0, 10000, 1);
	keep = held_behind(msg, 2);
	cbed_deliver(&bed, 9, 3, bytes + 1, 10000);
	msg = hold(3);
	check(msg, 1, 10000, 2);
	/* The memory's end is that of the payload, too. */
	vmsg_release(bed.v, port, keep);
	(void)held_behind(msg, 4);
	cbed_deliver(&bed, 9, 5, bytes + 2, rest - 64);
	msg = hold(5);
	check(msg, 2, rest - 64, 1);
	cbed_expect_pages(&bed, 0);
}
END_TEST

/* Messages to several ports in one batch: each is told once. */
START_TEST(two_ports)
{
	struct vmsg_port *other = cbed_bound_port(&bed, 10, SIZE);

	for (unsigned int i = 0; i < 6; i++)
		cbed_rx(&bed, cbed_msg(9 + (i & 1), 1 + i, bytes + i, 20));
	cbed_rx_publish(&bed);
	cbed_poll(&bed);
	ck_assert_ptr_eq(cbed_expect_event(&bed, CBED_READABLE).port, port);
	ck_assert_ptr_eq(cbed_expect_event(&bed, CBED_READABLE).port, other);
	cbed_no_event(&bed);
	for (unsigned int i = 0; i < 6; i++)
		cbed_expect_msg(&bed, i & 1 ? other : port, 1 + i, bytes + i, 20);
	cbed_port_free(&bed, other);
}
END_TEST

/* Repeats take their room, and are skipped, in front of others and behind. */
START_TEST(repeats_in_between)
{
	static const uint64_t numbers[] = { 5, 5, 6, 3, 6, 7, 7 };

	for (unsigned int i = 0; i < 7; i++)
		cbed_deliver(&bed, 9, numbers[i], bytes, 20);
	for (uint64_t seq = 5; seq < 8; seq++)
		cbed_expect_msg(&bed, port, seq, bytes, 20);
	ck_assert_ptr_null(cbed_recv(&bed, port, &(struct vmsg_info){ 0 }));
	ck_assert_uint_eq(cbed_stats(&bed).rx_repeated, 4);
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	/* In pages: these are posted again at once. */
	cbed_deliver(&bed, 9, 8, bytes, 5000);
	cbed_deliver(&bed, 9, 8, bytes, 5000);
	ck_assert_uint_eq(cbed_rx_pages(&bed), 62);
	cbed_expect_msg(&bed, port, 8, bytes, 5000);
	ck_assert_ptr_null(cbed_recv(&bed, port, &(struct vmsg_info){ 0 }));
	ck_assert_uint_eq(cbed_stats(&bed).rx_repeated, 5);
	ck_assert_uint_eq(cbed_stats(&bed).rx_copied_out, 0);
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	cbed_expect_pages(&bed, 0);
	/* All of the memory is free again, and the broker knows. */
	for (unsigned int i = 0; i < SIZE / 128; i++)
		cbed_deliver(&bed, 9, 100 + i, bytes, 64);
	ck_assert_ptr_null(vmsg_broken(bed.v));
}
END_TEST

/* A message that is held over a restart is not touched by it. */
START_TEST(held_over_a_restart)
{
	struct vmsg_msg *msgs[3];
	static const uint32_t lens[] = { 20, 200, 6000 };

	for (unsigned int i = 0; i < 3; i++) {
		cbed_deliver(&bed, 9, i + 1, bytes + i, lens[i]);
		msgs[i] = hold(i + 1);
	}
	cbed_down(&bed);
	cbed_up(&bed);
	cbed_expect_pages(&bed, 2);
	cbed_deliver(&bed, 9, 4, bytes, 100);
	for (unsigned int i = 0; i < 3; i++)
		check(msgs[i], i, lens[i], i == 2 ? 2 : 1);
	/* Pages that are given back while there is no broker go to the next one. */
	cbed_down(&bed);
	for (unsigned int i = 0; i < 3; i++)
		vmsg_release(bed.v, port, msgs[i]);
	cbed_up(&bed);
	cbed_expect_pages(&bed, 0);
	cbed_expect_msg(&bed, port, 4, bytes, 100);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-recv");
	TCase *tc = tcase_create("recv");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, every_form);
	tcase_add_test(tc, held_pages);
	tcase_add_test(tc, held_single_pages);
	tcase_add_test(tc, released_in_any_order);
	tcase_add_test(tc, begins_anew);
	tcase_add_test(tc, around_the_end);
	tcase_add_test(tc, two_ports);
	tcase_add_test(tc, repeats_in_between);
	tcase_add_test(tc, held_over_a_restart);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
