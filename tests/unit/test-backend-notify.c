// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Posted pages, and events in both directions: when one is sent, asked for, and
 * held back.
 */
#include "tests/unit/backend-guest.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct bed bed;
static struct guest alice, bob;
static struct device *dev;

static struct request req;
static const struct vmsgif_segment *segs;
static const char *name;

static void setup(void)
{
	bed_init(&bed);
	bed_start(&bed);
	guest_up(&alice, &bed, "alice");
	guest_up(&bob, &bed, "bob");
	dev = guest_dev(&alice);
	(void)guest_events(&alice);
}

static void teardown(void)
{
	guest_fini(&alice);
	guest_fini(&bob);
	bed_fini(&bed);
}

static int next(void)
{
	return device_next_request(dev, &req, &segs, &name);
}

static const struct vmsgif_tx_request ready = { .op = VMSGIF_OP_READY };

START_TEST(pages_are_taken_in_order)
{
	struct vmsgif_rx_response rsp = { .type = VMSGIF_RX_MESSAGE, .used = 5 };
	struct vmsgif_rx_response got;

	for (uint16_t round = 0; round < 3; round++) {
		for (uint16_t i = 0; i < 256; i++)
			guest_rx(&alice, (uint16_t)(255 - i), 1000u + i, i % 2);
		ck_assert_uint_eq(device_rx_posted(dev, 3), 3);
		ck_assert_uint_eq(device_rx_posted(dev, 1000), 256);
		for (uint16_t i = 0; i < 256; i++) {
			struct rx_page page = device_rx_take(dev);

			ck_assert_uint_eq(page.id, 255 - i);
			ck_assert_uint_eq(page.ref, 1000u + i);
			ck_assert_uint_eq(page.pooled, i % 2);
			rsp.id = page.id;
			device_rx_respond(dev, &rsp);
		}
		ck_assert_uint_eq(device_rx_posted(dev, 1), 0);
		ck_assert_uint_eq(device_rx_take(dev).ref, 0);
		ck_assert(!guest_rx_rsp(&alice, &got));
		device_publish_rx(dev, false);
		for (uint16_t i = 0; i < 256; i++) {
			ck_assert(guest_rx_rsp(&alice, &got));
			rsp.id = (uint16_t)(255 - i);
			ck_assert_mem_eq(&got, &rsp, sizeof(rsp));
		}
	}
}
END_TEST

/* One response is written for all pages of a message; the slots of the others stay as they are. */
START_TEST(pages_answered_together)
{
	static const unsigned int parts[] = { 1, 7, 200, 48 };
	struct vmsgif_rx_response rsp = { .type = VMSGIF_RX_MESSAGE, .used = 4096 };
	struct vmsgif_rx_response got;
	struct rx_page pages[256];

	/* Three times, and one page to begin with: the ring's end is in the middle of a part. */
	guest_rx(&alice, 0, 1, false);
	ck_assert_uint_eq(device_rx_posted(dev, 1), 1);
	(void)device_rx_take(dev);
	device_rx_respond(dev, &rsp);
	device_publish_rx(dev, false);
	ck_assert(guest_rx_rsp(&alice, &got));
	for (uint16_t round = 0; round < 3; round++) {
		uint16_t at = 0;

		for (uint16_t i = 0; i < 256; i++)
			guest_rx(&alice, (uint16_t)(255 - i), 1000u + i, i % 2);
		ck_assert_uint_eq(device_rx_posted(dev, 256), 256);
		for (unsigned int k = 0; k < 4; k++) {
			device_rx_take_run(dev, pages, parts[k]);
			for (unsigned int i = 0; i < parts[k]; i++, at++) {
				ck_assert_uint_eq(pages[i].id, 255 - at);
				ck_assert_uint_eq(pages[i].ref, 1000u + at);
				ck_assert_uint_eq(pages[i].pooled, at % 2);
			}
			rsp.id = pages[0].id;
			rsp.seq = k + 1;
			device_rx_respond_run(dev, &rsp, pages, parts[k]);
		}
		ck_assert_uint_eq(device_rx_posted(dev, 1), 0);
		ck_assert(!guest_rx_rsp(&alice, &got));
		device_publish_rx(dev, false);
		at = 0;
		for (unsigned int k = 0; k < 4; k++) {
			for (unsigned int i = 0; i < parts[k]; i++, at++) {
				struct vmsgif_rx_request posted = {
					.id = (uint16_t)(255 - at),
					.flags = at % 2 ? VMSGIF_RXF_POOL : 0,
					.ref = 1000u + at,
				};

				ck_assert(guest_rx_rsp(&alice, &got));
				rsp.id = (uint16_t)(255 - at);
				rsp.seq = k + 1;
				if (i == 0)
					ck_assert_mem_eq(&got, &rsp, sizeof(rsp));
				else
					ck_assert_mem_eq(&got, &posted, sizeof(posted));
			}
		}
		ck_assert(!guest_rx_rsp(&alice, &got));
	}
}
END_TEST

/* Answers that answer nothing are the broker's fault, and do no harm. */
START_TEST(answers_to_nothing)
{
	struct vmsgif_rx_response rsp = { .id = UINT16_MAX };
	struct rx_page pages[3];

	device_complete(dev, 1, VMSGIF_OP_SEND, 0, 0, 0);
	device_complete(dev, UINT16_MAX, VMSGIF_OP_SEND, 0, 0, 0);
	device_rx_respond(dev, &rsp);
	ck_assert(bed_logged(&bed, "bug: answer to no request, id 1"));
	ck_assert(bed_logged(&bed, "bug: answer to no page, id 65535"));
	device_publish_tx(dev, false);
	ck_assert_uint_eq(alice.tx->rsp_prod, 0);
	/* All pages of a message, or none. */
	guest_rx(&alice, 4, 9, false);
	guest_rx(&alice, 5, 9, false);
	ck_assert_uint_eq(device_rx_posted(dev, 2), 2);
	memset(pages, 0xff, sizeof(pages));
	device_rx_take_run(dev, pages, 3);
	ck_assert_uint_eq(pages[0].ref, 0);
	ck_assert_uint_eq(pages[2].ref, 0);
	device_rx_take_run(dev, pages, 2);
	pages[2].id = 7;
	rsp.id = 4;
	device_rx_respond_run(dev, &rsp, pages, 3);
	ck_assert(bed_logged(&bed, "bug: answer to no page, id 7"));
	device_publish_rx(dev, false);
	ck_assert_uint_eq(alice.rx->rsp_prod, 0);
}
END_TEST

START_TEST(kicks_and_arming)
{
	unsigned int kicks = bed.kicks, kicked = bed.kicked;

	/* The port is masked until the broker has nothing more to do. */
	ck_assert(!device_waiting(dev, false));
	guest_tx(&alice, &ready);
	ck_assert(device_waiting(dev, false));
	guest_kick(&alice);
	guest_kick(&alice);
	guest_kick(&alice);
	ck_assert_uint_eq(bed.kicks, ++kicks);
	ck_assert_uint_eq(bed.kicked, kicked + 1);
	ck_assert(device_arm(dev));
	ck_assert_int_eq(next(), 1);
	ck_assert(!device_waiting(dev, false));
	ck_assert(!device_arm(dev));
	/* The event that was held back. */
	bed_run(&bed);
	ck_assert_uint_eq(bed.kicks, kicks + 1);
	ck_assert(!device_arm(dev));
	ck_assert_uint_eq(alice.tx->req_event, 2);
	guest_kick(&alice);
	ck_assert_uint_eq(bed.kicks, kicks + 2);
}
END_TEST

START_TEST(short_of_pages_asks_for_an_event)
{
	ck_assert_uint_eq(device_rx_posted(dev, 2), 0);
	ck_assert_uint_eq(alice.rx->req_event, 1);
	ck_assert(!device_waiting(dev, true));
	guest_rx(&alice, 0, 1, false);
	ck_assert(device_waiting(dev, true));
	ck_assert(!device_waiting(dev, true));
	ck_assert(!device_waiting(dev, false));
	ck_assert_uint_eq(device_rx_posted(dev, 2), 1);
	ck_assert_uint_eq(alice.rx->req_event, 2);
	guest_rx(&alice, 1, 1, false);
	guest_rx(&alice, 2, 1, false);
	ck_assert_uint_eq(device_rx_posted(dev, 2), 2);
	ck_assert_uint_eq(alice.rx->req_event, 2);
}
END_TEST

static void only_arm(struct bed *b, struct device *d)
{
	(void)device_arm(d);
}

START_TEST(event_storm)
{
	struct backend_stats before, after;
	unsigned int kicks;

	bed.on_kick = only_arm;
	(void)device_arm(dev);
	bed_run(&bed);
	/* Events with work behind them are never late. */
	kicks = bed.kicks;
	for (unsigned int i = 0; i < 1000; i++) {
		struct vmsgif_tx_request slot = ready;

		slot.id = (uint16_t)(i % 256);
		guest_tx(&alice, &slot);
		guest_kick(&alice);
		ck_assert_uint_eq(bed.kicks, kicks + i + 1);
		while (next() == 1)
			device_complete(dev, req.id, req.op, 0, 0, 0);
		device_publish_tx(dev, false);
		(void)device_arm(dev);
	}
	/* Without, they are, once the budget is used up. */
	backend_stats_get(bed.b, &before);
	for (unsigned int i = 0; i < 5000; i++)
		guest_kick(&alice);
	backend_stats_get(bed.b, &after);
	ck_assert_uint_le(after.events - before.events, 300);
	bed_wait(&bed, 20 * SIM_NSEC_PER_MSEC);
	/* The other one does not notice. */
	kicks = bed.kicks;
	(void)device_arm(guest_dev(&bob));
	guest_kick(&bob);
	ck_assert_uint_gt(bed.kicks, kicks);
	/* And when the storm is over, all is as before. */
	bed_wait(&bed, SIM_NSEC_PER_SEC);
	kicks = bed.kicks;
	guest_kick(&alice);
	ck_assert_uint_eq(bed.kicks, kicks + 1);
}
END_TEST

/* More than are read in one go. */
START_TEST(many_at_once)
{
	static struct guest many[100];
	unsigned int kicks;

	for (unsigned int i = 0; i < 100; i++) {
		char guest[16];

		(void)snprintf(guest, sizeof(guest), "many%u", i);
		guest_up(&many[i], &bed, guest);
	}
	for (unsigned int i = 0; i < 100; i++) {
		(void)device_arm(guest_dev(&many[i]));
		bed_run(&bed);
		(void)device_arm(guest_dev(&many[i]));
	}
	kicks = bed.kicks;
	for (unsigned int i = 0; i < 100; i++)
		ck_assert_int_eq(xenevtchn_notify(many[i].xce, many[i].port), 0);
	bed_run(&bed);
	ck_assert_uint_eq(bed.kicks, kicks + 100);
	for (unsigned int i = 0; i < 100; i++)
		guest_fini(&many[i]);
}
END_TEST

static void end_it(struct bed *b, struct device *d)
{
	device_fail(d, "it is enough");
}

/* What is to be done then does not wait for the next event. */
START_TEST(an_event_that_ends_it)
{
	bed.on_kick = end_it;
	ck_assert_int_eq(xenevtchn_notify(alice.xce, alice.port), 0);
	while (strcmp(device_state_name(dev), "closing") != 0)
		ck_assert_int_eq(backend_loop(bed.b, -1), 1);
}
END_TEST

static void answer_one(uint16_t id, bool lazy)
{
	struct vmsgif_tx_request slot = ready;

	slot.id = id;
	guest_tx(&alice, &slot);
	ck_assert_int_eq(next(), 1);
	device_complete(dev, id, req.op, 0, 0, 0);
	device_publish_tx(dev, lazy);
}

START_TEST(notifications)
{
	struct vmsgif_rx_response rsp = { .type = VMSGIF_RX_BAD_PAGE };
	struct vmsgif_tx_response got;

	ck_assert(!device_notify(dev, true));
	ck_assert_uint_eq(guest_events(&alice), 0);
	/* Urgent. */
	answer_one(0, false);
	ck_assert(!device_notify(dev, false));
	ck_assert_uint_eq(guest_events(&alice), 1);
	ck_assert(!device_notify(dev, true));
	ck_assert_uint_eq(guest_events(&alice), 0);
	/* Not asked for. */
	answer_one(1, false);
	ck_assert(!device_notify(dev, true));
	ck_assert_uint_eq(guest_events(&alice), 0);
	while (guest_tx_rsp(&alice, &got))
		;
	/* Lazy: stays due until forced. */
	answer_one(2, true);
	ck_assert(device_notify(dev, false));
	ck_assert(device_notify(dev, false));
	ck_assert_uint_eq(guest_events(&alice), 0);
	ck_assert(!device_notify(dev, true));
	ck_assert_uint_eq(guest_events(&alice), 1);
	while (guest_tx_rsp(&alice, &got))
		;
	/* Lazy, and an urgent one on the other ring takes it along: one event. */
	answer_one(3, true);
	guest_rx(&alice, 0, 1, false);
	ck_assert_uint_eq(device_rx_posted(dev, 1), 1);
	rsp.id = device_rx_take(dev).id;
	device_rx_respond(dev, &rsp);
	device_publish_rx(dev, false);
	ck_assert(!device_notify(dev, false));
	ck_assert_uint_eq(guest_events(&alice), 1);
	ck_assert(!device_notify(dev, true));
	ck_assert_uint_eq(guest_events(&alice), 0);
}
END_TEST

START_TEST(statistics)
{
	struct backend_stats stats;

	answer_one(0, false);
	(void)device_notify(dev, false);
	backend_stats_get(bed.b, &stats);
	ck_assert_uint_eq(stats.devices, 2);
	ck_assert_uint_eq(stats.mapped_pages, 2 * 2 * 8);
	ck_assert_uint_eq(stats.notifications, 1);
	ck_assert_uint_ge(stats.events, 2);
	ck_assert_uint_ge(stats.hypercalls, 4);
	device_set_priv(dev, &stats);
	ck_assert_ptr_eq(device_priv(dev), &stats);
	ck_assert_ptr_null(device_priv(guest_dev(&bob)));
}
END_TEST

static Suite *notify_suite(void)
{
	Suite *s = suite_create("backend-notify");
	TCase *t = tcase_create("notify");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, pages_are_taken_in_order);
	tcase_add_test(t, pages_answered_together);
	tcase_add_test(t, answers_to_nothing);
	tcase_add_test(t, kicks_and_arming);
	tcase_add_test(t, short_of_pages_asks_for_an_event);
	tcase_add_test(t, event_storm);
	tcase_add_test(t, many_at_once);
	tcase_add_test(t, an_event_that_ends_it);
	tcase_add_test(t, notifications);
	tcase_add_test(t, statistics);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(notify_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
