// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One shared ring from its back end, over memory of the test's own.
 */
#include "backend/guest/ring.h"

#include <check.h>
#include <stdlib.h>

#define SLOTS 32u

static uint64_t memory[VMSGIF_PAGE_SIZE / sizeof(uint64_t)];
static struct vmsgif_tx_sring *const page = (struct vmsgif_tx_sring *)(void *)memory;
static struct ring ring;

/* Indexes wrap early, in one of the runs. */
static void start_at(uint32_t index)
{
	memset(memory, 0, sizeof(memory));
	ring_attach(&ring, memory, 0);
	page->req_prod = page->rsp_prod = index;
	page->rsp_event = index + 1;
	ring.req_cons = ring.req_seen = ring.rsp_prod = ring.rsp_shared = index;
}

static void post(unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++, page->req_prod++)
		page->ring[page->req_prod % SLOTS].req.seq = page->req_prod;
}

static void answer(unsigned int nr)
{
	struct vmsgif_tx_response rsp = { .op = 1 };

	for (unsigned int i = 0; i < nr; i++) {
		rsp.id = (uint16_t)ring.rsp_prod;
		ck_assert(ring_respond(&ring, &rsp, 1));
	}
}

static void setup(void)
{
	start_at(0);
}

START_TEST(attaches_empty)
{
	ck_assert_uint_eq(ring.slots, SLOTS);
	ck_assert_uint_eq(ring_unconsumed(&ring), 0);
	ck_assert_int_eq(ring_look(&ring), 0);
	ck_assert_uint_eq(ring_unconsumed(&ring), 0);
}
END_TEST

START_TEST(slots_are_copied_in_order)
{
	static const uint32_t starts[] = { 0, UINT32_MAX - 40 };
	struct vmsgif_tx_request req;

	start_at(starts[_i]);
	for (uint32_t round = 0; round < 10; round++) {
		uint32_t at = ring.req_cons;

		post(SLOTS);
		ck_assert_int_eq(ring_look(&ring), 0);
		ck_assert_uint_eq(ring_unconsumed(&ring), SLOTS);
		for (uint32_t i = 0; i < SLOTS; i++) {
			ring_take(&ring, &req);
			ck_assert_uint_eq(req.seq, at + i);
			/* What the frontend writes later is not seen. */
			page->ring[(at + i) % SLOTS].req.seq = 0;
		}
		answer(SLOTS);
		ck_assert(ring_publish(&ring, false));
		ck_assert_uint_eq(page->rsp_prod, at + SLOTS);
		page->rsp_event = at + SLOTS + 1;
	}
}
END_TEST

START_TEST(index_too_far)
{
	page->req_prod = SLOTS + 1;
	ck_assert_int_eq(ring_look(&ring), -EPROTO);
	page->req_prod = UINT32_MAX;
	ck_assert_int_eq(ring_look(&ring), -EPROTO);
	page->req_prod = SLOTS;
	ck_assert_int_eq(ring_look(&ring), 0);
}
END_TEST

START_TEST(index_that_goes_back)
{
	struct vmsgif_tx_request req;

	post(5);
	ck_assert_int_eq(ring_look(&ring), 0);
	ring_take(&ring, &req);
	page->req_prod = 4;
	ck_assert_int_eq(ring_look(&ring), -EPROTO);
	ck_assert_int_eq(ring_arm(&ring), -EPROTO);
}
END_TEST

/* Responses that were not published give no slots back. */
START_TEST(unpublished_responses_do_not_count)
{
	struct vmsgif_tx_request req;

	post(SLOTS);
	ck_assert_int_eq(ring_look(&ring), 0);
	for (unsigned int i = 0; i < SLOTS; i++)
		ring_take(&ring, &req);
	answer(SLOTS);
	post(1);
	ck_assert_int_eq(ring_look(&ring), -EPROTO);
	(void)ring_publish(&ring, false);
	ck_assert_int_eq(ring_look(&ring), 0);
}
END_TEST

START_TEST(no_answer_without_request)
{
	struct vmsgif_tx_response rsp = { .op = 1 };

	ck_assert(!ring_respond(&ring, &rsp, 1));
	ck_assert(!ring_publish(&ring, false));
}
END_TEST

START_TEST(responses_are_written_whole)
{
	struct vmsgif_tx_request req;
	const struct vmsgif_tx_response rsp = { .op = 9, .id = 1, .status = -5 };

	post(1);
	memset(&page->ring[0], 0xaa, sizeof(page->ring[0]));
	ck_assert_int_eq(ring_look(&ring), 0);
	ring_take(&ring, &req);
	ck_assert(ring_respond(&ring, &rsp, 1));
	ck_assert_mem_eq(&page->ring[0], &rsp, sizeof(rsp));
	ck_assert_uint_eq(page->rsp_prod, 0);
}
END_TEST

START_TEST(arming)
{
	struct vmsgif_tx_request req;

	page->req_event = 99;
	ck_assert_int_eq(ring_arm(&ring), 0);
	ck_assert_uint_eq(page->req_event, 1);
	post(2);
	ck_assert_int_eq(ring_arm(&ring), 1);
	ck_assert_uint_eq(page->req_event, 1);
	ring_take(&ring, &req);
	ck_assert_int_eq(ring_arm(&ring), 1);
	ring_take(&ring, &req);
	ck_assert_int_eq(ring_arm(&ring), 0);
	ck_assert_uint_eq(page->req_event, 3);
	ck_assert_uint_eq(ring_peek(&ring), 2);
}
END_TEST

static void consume(unsigned int nr)
{
	struct vmsgif_tx_request req;

	post(nr);
	ck_assert_int_eq(ring_look(&ring), 0);
	while (ring_unconsumed(&ring) > 0)
		ring_take(&ring, &req);
}

START_TEST(events_when_asked_for)
{
	consume(4);
	answer(1);
	ck_assert(ring_publish(&ring, false)); /* rsp_event is 1 */
	answer(1);
	ck_assert(!ring_publish(&ring, false)); /* it was not asked for again */
	page->rsp_event = 4;
	answer(1);
	ck_assert(!ring_publish(&ring, false)); /* not yet */
	answer(1);
	ck_assert(ring_publish(&ring, false));
}
END_TEST

START_TEST(lazy_events_are_remembered)
{
	consume(4);
	answer(1);
	ck_assert(!ring_publish(&ring, true));
	ck_assert(ring.lazy_due);
	ck_assert_uint_eq(page->rsp_prod, 1);
	answer(1);
	ck_assert(!ring_publish(&ring, true));
	ck_assert(ring.lazy_due);
	/* Nothing new is no decision. */
	ck_assert(!ring_publish(&ring, false));
	answer(1);
	ck_assert(ring_publish(&ring, false));
	ck_assert(!ring.lazy_due);
	answer(1);
	ck_assert(!ring_publish(&ring, false));
}
END_TEST

START_TEST(lazy_without_demand)
{
	page->rsp_event = 100;
	consume(1);
	answer(1);
	ck_assert(!ring_publish(&ring, true));
	ck_assert(!ring.lazy_due);
}
END_TEST

static Suite *ring_suite(void)
{
	Suite *s = suite_create("backend-ring");
	TCase *t = tcase_create("ring");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, attaches_empty);
	tcase_add_loop_test(t, slots_are_copied_in_order, 0, 2);
	tcase_add_test(t, index_too_far);
	tcase_add_test(t, index_that_goes_back);
	tcase_add_test(t, unpublished_responses_do_not_count);
	tcase_add_test(t, no_answer_without_request);
	tcase_add_test(t, responses_are_written_whole);
	tcase_add_test(t, arming);
	tcase_add_test(t, events_when_asked_for);
	tcase_add_test(t, lazy_events_are_remembered);
	tcase_add_test(t, lazy_without_demand);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(ring_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
