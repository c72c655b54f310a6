/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages that follow each other are posted by one request: at the start, when a
 * message gives its pages back, when it is copied out, after a reset. What the
 * requests may say at all is checked by the bed, cbed_rx_look().
 */
#include "tests/unit/core-bed.h"

#include <string.h>

#define SIZE 262144u

static struct cbed bed;
static struct vmsg_port *port;
static uint8_t bytes[SIZE];
static uint64_t seq;

static void setup(void)
{
	cbed_fill(bytes, sizeof(bytes), 1);
	cbed_defaults(&bed);
	seq = 0;
}

static void start(void)
{
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_bound_port(&bed, 9, SIZE);
}

static void teardown(void)
{
	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
}

/* Requests that came since the last call of this. */
static unsigned int requests(void)
{
	unsigned int nr;

	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	cbed_rx_look(&bed);
	nr = bed.rx_requests;
	bed.rx_requests = 0;
	return nr;
}

/* All pages are posted, in the order of their numbers, from @first on. */
static void expect_order(unsigned int first)
{
	unsigned int nr = bed.params.nr_rx_pages;

	ck_assert_uint_eq(cbed_rx_posted(&bed), nr);
	for (unsigned int i = 0; i < nr; i++)
		ck_assert_uint_eq(bed.posted[(bed.rx_prod + i) & (VMSGIF_RING_SLOTS(1) - 1)].ref,
				  (first + i) % nr);
}

static struct vmsg_msg *hold(uint32_t len)
{
	struct vmsg_info info;
	struct vmsg_msg *msg;

	++seq;
	cbed_deliver(&bed, 9, seq, bytes, len);
	msg = vmsg_recv(bed.v, port, &info);
	ck_assert_ptr_nonnull(msg);
	ck_assert_uint_eq(info.seq, seq);
	return msg;
}

START_TEST(at_the_start)
{
	start();
	ck_assert_uint_eq(requests(), 1);
	expect_order(0);
}
END_TEST

/* An octet says how many more there are. */
START_TEST(longest)
{
	bed.params.ring_order = 4;
	bed.params.nr_rx_pages = 600;
	start();
	ck_assert_uint_eq(requests(), 2);
	ck_assert_uint_eq(cbed_rx_posted(&bed), 512);
	for (unsigned int i = 0; i < 512; i++)
		ck_assert_uint_eq(bed.posted[i].ref, i);
}
END_TEST

/* References of grants do not follow each other, whatever they look like. */
START_TEST(without_a_pool)
{
	struct vmsg_msg *msg;

	bed.params.rx_directory = VMSG_NO_GREF;
	start();
	ck_assert_uint_eq(requests(), 64);
	msg = hold(20000);
	vmsg_release(bed.v, port, msg);
	ck_assert_uint_eq(requests(), 5);
}
END_TEST

START_TEST(given_back)
{
	struct vmsg_msg *msg;

	bed.params.nr_rx_pages = 61;
	start();
	(void)requests();
	for (unsigned int i = 0; i < 200; i++) {
		/* Not around the ring's end, nor from the last page to the first one. */
		bool at_end = (61 + 5 * i) % 64 > 64 - 5, around = 5 * i % 61 > 61 - 5;

		msg = hold(20000);
		ck_assert_uint_eq(vmsg_rx_pages_held(bed.v), 5);
		ck_assert_uint_eq(requests(), 0);
		vmsg_release(bed.v, port, msg);
		ck_assert_uint_eq(requests(), 1u + at_end + around);
		expect_order(5 * (i + 1));
	}
	cbed_expect_pages(&bed, 0);
}
END_TEST

/* With too few pages to hold any. */
START_TEST(copied_out)
{
	bed.params.nr_rx_pages = 9;
	start();
	ck_assert_uint_eq(requests(), 1);
	for (unsigned int i = 0; i < 100; i++) {
		bool at_end = (9 + 4 * i) % 64 > 64 - 4, around = 4 * i % 9 > 9 - 4;

		++seq;
		cbed_deliver(&bed, 9, seq, bytes, 13000);
		ck_assert_uint_eq(vmsg_rx_pages_held(bed.v), 0);
		cbed_expect_msg(&bed, port, seq, bytes, 13000);
		ck_assert_uint_eq(requests(), 1u + at_end + around);
		expect_order(4 * (i + 1));
	}
	ck_assert_uint_eq(cbed_stats(&bed).rx_copied_out, 100);
}
END_TEST

/* Messages of one page come back one by one; what is of several then is no run everywhere. */
START_TEST(out_of_order)
{
	struct vmsg_msg *a, *b;

	start();
	(void)requests();
	a = hold(1000); /* page 0 */
	b = hold(1000); /* page 1 */
	vmsg_release(bed.v, port, b);
	vmsg_release(bed.v, port, a);
	ck_assert_uint_eq(requests(), 2);
	for (unsigned int page = 2; page < 62; page += 2)
		vmsg_release(bed.v, port, hold(8000));
	ck_assert_uint_eq(requests(), 30);
	a = hold(16000); /* pages 62, 63, 1, 0 */
	vmsg_release(bed.v, port, a);
	ck_assert_uint_eq(requests(), 3);
	cbed_expect_pages(&bed, 0);
}
END_TEST

/* Events give their pages one by one; each is posted as soon as it can be. */
START_TEST(events)
{
	start();
	(void)requests();
	for (unsigned int i = 0; i < 70; i++)
		cbed_tell(&bed, cbed_rx_event(VMSGIF_RX_BAD_PAGE, 0));
	ck_assert_uint_eq(requests(), 70);
	for (unsigned int i = 0; i < 3; i++)
		cbed_rx(&bed, cbed_rx_event(VMSGIF_RX_BAD_PAGE, 0));
	cbed_rx_publish(&bed);
	cbed_poll(&bed);
	/* Last in, first out. */
	ck_assert_uint_eq(requests(), 3);
	cbed_expect_pages(&bed, 0);
}
END_TEST

/* More pages than slots: what there is no room for is posted later, with what it follows. */
START_TEST(no_room)
{
	struct vmsg_msg *msg;

	bed.params.ring_order = 0;
	bed.params.nr_rx_pages = 64;
	bed.features.max_message = 65536;
	start();
	ck_assert_uint_eq(requests(), 1);
	ck_assert_uint_eq(cbed_rx_posted(&bed), 32);
	msg = hold(4096 * 10);
	/* Others took their place at once. */
	cbed_tell(&bed, cbed_rx_event(VMSGIF_RX_BAD_PAGE, 0));
	ck_assert_uint_eq(cbed_rx_posted(&bed), 32);
	(void)requests();
	vmsg_release(bed.v, port, msg);
	ck_assert_uint_eq(vmsg_rx_pages_held(bed.v), 0);
	ck_assert_uint_eq(requests(), 0);
	for (unsigned int i = 0; i < 40; i++) {
		++seq;
		cbed_deliver(&bed, 9, seq, bytes, 20000);
		cbed_expect_msg(&bed, port, seq, bytes, 20000);
		(void)requests();
		ck_assert_uint_eq(cbed_rx_posted(&bed), 32);
	}
	cbed_expect_pages(&bed, 0);
	/* In order again, with those that were not posted. */
	cbed_down(&bed);
	cbed_up(&bed);
	ck_assert_uint_eq(requests(), 1);
	for (unsigned int i = 0; i < 32; i++)
		ck_assert_uint_eq(bed.posted[i].ref, i);
}
END_TEST

/* Whatever the order was. */
START_TEST(after_a_reset)
{
	struct vmsg_msg *kept;

	start();
	for (unsigned int i = 0; i < 5; i++) {
		struct vmsg_msg *a = hold(1000), *b = hold(5000), *c = hold(1000);

		vmsg_release(bed.v, port, b);
		vmsg_release(bed.v, port, c);
		vmsg_release(bed.v, port, a);
		cbed_tell(&bed, cbed_rx_event(VMSGIF_RX_BAD_PAGE, 0));
		(void)requests();
		cbed_down(&bed);
		cbed_up(&bed);
		ck_assert_uint_eq(requests(), 1);
		expect_order(0);
	}
	/* One that is held is a hole. */
	vmsg_release(bed.v, port, hold(4096 * 3));
	kept = hold(1000);
	(void)requests();
	cbed_down(&bed);
	cbed_up(&bed);
	ck_assert_uint_eq(requests(), 2);
	ck_assert_uint_eq(bed.posted[2].ref, 2);
	ck_assert_uint_eq(bed.posted[3].ref, 4);
	vmsg_release(bed.v, port, kept);
	ck_assert_uint_eq(requests(), 1);
	cbed_expect_pages(&bed, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-runs");
	TCase *tc = tcase_create("runs");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, at_the_start);
	tcase_add_test(tc, longest);
	tcase_add_test(tc, without_a_pool);
	tcase_add_test(tc, given_back);
	tcase_add_test(tc, copied_out);
	tcase_add_test(tc, out_of_order);
	tcase_add_test(tc, events);
	tcase_add_test(tc, no_room);
	tcase_add_test(tc, after_a_reset);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
