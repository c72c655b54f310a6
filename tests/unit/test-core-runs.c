/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages that follow each other are posted by one request, in whole groups: at the start,
 * when a message gives its pages back, when it is copied out, after a reset. What the
 * requests may say at all is checked by the bed, cbed_rx_look().
 */
#include "tests/unit/core-bed.h"

#include <string.h>

#define SIZE  524288u
#define GROUP 8u

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

/* The page of the @i-th request from now on. */
static unsigned int posted(unsigned int i)
{
	return bed.posted[(bed.rx_prod + i) & (VMSGIF_RING_SLOTS(bed.params.ring_order) - 1)].ref;
}

/* What is posted is in the order of the pages' numbers, from @first on. */
static void expect_order(unsigned int first)
{
	unsigned int nr = bed.params.nr_rx_pages;

	ck_assert_uint_eq(cbed_rx_pages(&bed), nr);
	for (unsigned int i = 0; i < cbed_rx_posted(&bed); i++)
		ck_assert_uint_eq(posted(i), (first + i) % nr);
}

/* How many rows are posted. */
static unsigned int rows(void)
{
	unsigned int nr = 1;

	for (unsigned int i = 1; i < cbed_rx_posted(&bed); i++)
		nr += posted(i) != posted(i - 1) + 1;
	return nr;
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

/* As many as the ring has slots. */
START_TEST(many)
{
	bed.params.ring_order = 4;
	bed.params.nr_rx_pages = 600;
	start();
	ck_assert_uint_eq(requests(), 512 / 64);
	ck_assert_uint_eq(cbed_rx_posted(&bed), 512);
	for (unsigned int i = 0; i < 512; i++)
		ck_assert_uint_eq(posted(i), i);
	/* Behind those come the others, some at a time. */
	for (unsigned int i = 0; i < 2; i++) {
		vmsg_release(bed.v, port, hold(4096 * GROUP));
		ck_assert_uint_eq(requests(), 0);
	}
	vmsg_release(bed.v, port, hold(4096 * GROUP));
	ck_assert_uint_eq(requests(), 1);
	ck_assert_uint_eq(cbed_rx_posted(&bed), 512);
	ck_assert_uint_eq(posted(511), 512 + 3 * GROUP - 1);
}
END_TEST

/* Some are always kept back, so that what is given back out of order goes on in order. */
START_TEST(kept_back)
{
	struct vmsg_msg *msgs[4];

	bed.params.ring_order = 5;
	bed.params.nr_rx_pages = 1024;
	start();
	ck_assert_uint_eq(cbed_rx_posted(&bed), 960);
	for (unsigned int i = 0; i < 200; i++) {
		for (unsigned int n = 0; n < 4; n++)
			msgs[n] = hold(4096 * GROUP);
		for (unsigned int n = 4; n--;)
			vmsg_release(bed.v, port, msgs[n]);
		(void)requests();
		ck_assert_uint_ge(cbed_rx_posted(&bed), 960 - 32);
		ck_assert_uint_le(rows(), 2);
	}
	cbed_expect_pages(&bed, 0);
}
END_TEST

/* References of grants do not follow each other, whatever they look like. */
START_TEST(without_a_pool)
{
	struct vmsg_msg *msg;

	bed.params.rx_directory = VMSG_NO_GREF;
	start();
	ck_assert_uint_eq(requests(), 64);
	msg = hold(4096 * GROUP);
	vmsg_release(bed.v, port, msg);
	ck_assert_uint_eq(requests(), GROUP);
}
END_TEST

/* A group is posted when the last page of it is given back, and others stay in order. */
START_TEST(given_back)
{
	struct vmsg_msg *msg;

	bed.params.nr_rx_pages = 61;
	/* So there are enough without those of a group that is not whole. */
	bed.features.max_message = 32768;
	start();
	ck_assert_uint_eq(requests(), 1);
	ck_assert_uint_eq(cbed_rx_posted(&bed), 56);
	for (unsigned int i = 0; i < 10; i++) {
		unsigned int before = 5 * i / GROUP, after = 5 * (i + 1) / GROUP;

		msg = hold(20000);
		ck_assert_uint_eq(vmsg_rx_pages_held(bed.v), 5);
		ck_assert_uint_eq(requests(), 0);
		vmsg_release(bed.v, port, msg);
		ck_assert_uint_eq(requests(), after - before);
		ck_assert_uint_eq(posted(0), 5 * (i + 1));
		ck_assert_uint_le(rows(), 2);
	}
	cbed_expect_pages(&bed, 0);
}
END_TEST

/* With too few pages to hold any, and to have some wait. */
START_TEST(copied_out)
{
	bed.params.nr_rx_pages = 9;
	start();
	ck_assert_uint_eq(requests(), 2);
	expect_order(0);
	for (unsigned int i = 0; i < 100; i++) {
		++seq;
		cbed_deliver(&bed, 9, seq, bytes, 13000);
		ck_assert_uint_eq(vmsg_rx_pages_held(bed.v), 0);
		cbed_expect_msg(&bed, port, seq, bytes, 13000);
		(void)requests();
		ck_assert_uint_eq(cbed_rx_posted(&bed), 9);
		expect_order(4 * (i + 1));
	}
	ck_assert_uint_eq(cbed_stats(&bed).rx_copied_out, 100);
}
END_TEST

/* Whatever order messages are released in: larger ones make rows of what they tore. */
START_TEST(out_of_order)
{
	struct vmsg_msg *msgs[16];
	unsigned int torn;

	bed.features.max_message = 32768;
	start();
	(void)requests();
	for (unsigned int i = 0; i < 16; i++)
		msgs[i] = hold(1000);
	/* Those of one page are posted one by one. */
	for (unsigned int i = 0; i < 16; i++)
		vmsg_release(bed.v, port, msgs[i * 7 % 16]);
	ck_assert_uint_eq(requests(), 16);
	torn = rows();
	ck_assert_uint_gt(torn, 10);
	for (unsigned int round = 0; round < 3; round++) {
		/* All 64 pages, and 4 more; in an order of their own. */
		for (unsigned int i = 0; i < 17; i += 2) {
			msgs[0] = hold(16000);
			msgs[1] = hold(16000);
			vmsg_release(bed.v, port, msgs[1]);
			vmsg_release(bed.v, port, msgs[0]);
			(void)requests();
		}
	}
	ck_assert_uint_le(rows(), 64 / GROUP);
	for (unsigned int i = 0; i + 1 < cbed_rx_posted(&bed); i++)
		ck_assert(posted(i) % GROUP == GROUP - 1 || posted(i + 1) == posted(i) + 1);
	cbed_expect_pages(&bed, 0);
}
END_TEST

/* What waits for its group is posted when the largest message would not come in without. */
START_TEST(not_enough)
{
	struct vmsg_msg *one, *msgs[16];
	unsigned int nr;

	start();
	(void)requests();
	/* It has 16 pages, and events have 4. */
	one = hold(1000);
	msgs[0] = hold(4096 * 6);
	vmsg_release(bed.v, port, msgs[0]);
	ck_assert_uint_eq(requests(), 0);
	ck_assert_uint_eq(cbed_rx_posted(&bed), 64 - 7);
	for (nr = 0; nr < 10; nr++)
		msgs[nr] = hold(4096 * 3);
	ck_assert_uint_eq(cbed_rx_posted(&bed), 64 - 7 - 30);
	/* As many as can be are held: others are copied out, and their pages wait, too. */
	for (unsigned int i = 0; i < 20; i++) {
		++seq;
		cbed_deliver(&bed, 9, seq, bytes, 4096 * 3);
		cbed_expect_msg(&bed, port, seq, bytes, 4096 * 3);
		(void)requests();
		ck_assert_uint_ge(cbed_rx_posted(&bed), 20);
		ck_assert_uint_eq(cbed_rx_pages(&bed), 33);
	}
	++seq;
	cbed_deliver(&bed, 9, seq, bytes, 65536);
	cbed_expect_msg(&bed, port, seq, bytes, 65536);
	(void)requests();
	ck_assert_uint_ge(cbed_rx_posted(&bed), 20);
	while (nr--)
		vmsg_release(bed.v, port, msgs[nr]);
	vmsg_release(bed.v, port, one);
	(void)requests();
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
	ck_assert_uint_eq(requests(), 3);
	ck_assert_uint_eq(cbed_rx_posted(&bed), 64);
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
	/* The largest message would not fit: others take their place. */
	msg = hold(4096 * 13);
	ck_assert_uint_gt(requests(), 0);
	ck_assert_uint_gt(cbed_rx_posted(&bed), 32 - GROUP);
	vmsg_release(bed.v, port, msg);
	ck_assert_uint_eq(vmsg_rx_pages_held(bed.v), 0);
	(void)requests();
	for (unsigned int i = 0; i < 40; i++) {
		++seq;
		cbed_deliver(&bed, 9, seq, bytes, 20000);
		cbed_expect_msg(&bed, port, seq, bytes, 20000);
		(void)requests();
		ck_assert_uint_gt(cbed_rx_posted(&bed), 32 - GROUP);
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
	/* One that is held is a hole: the others of its group wait. */
	vmsg_release(bed.v, port, hold(4096 * 3));
	kept = hold(1000);
	(void)requests();
	cbed_down(&bed);
	cbed_up(&bed);
	ck_assert_uint_eq(requests(), 1);
	ck_assert_uint_eq(cbed_rx_posted(&bed), 64 - GROUP);
	ck_assert_uint_eq(cbed_rx_pages(&bed), 63);
	ck_assert_uint_eq(posted(0), GROUP);
	vmsg_release(bed.v, port, kept);
	ck_assert_uint_eq(requests(), 1);
	ck_assert_uint_eq(posted(64 - GROUP), 3);
	cbed_expect_pages(&bed, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-runs");
	TCase *tc = tcase_create("runs");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, at_the_start);
	tcase_add_test(tc, many);
	tcase_add_test(tc, kept_back);
	tcase_add_test(tc, without_a_pool);
	tcase_add_test(tc, given_back);
	tcase_add_test(tc, copied_out);
	tcase_add_test(tc, out_of_order);
	tcase_add_test(tc, not_enough);
	tcase_add_test(tc, events);
	tcase_add_test(tc, no_room);
	tcase_add_test(tc, after_a_reset);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
