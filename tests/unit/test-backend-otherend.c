// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The state machine with one frontend: connecting, closing, violations.
 */
#include "tests/unit/backend-guest.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct bed bed;
static struct guest alice;

static void setup(void)
{
	bed_init(&bed);
	guest_init(&alice, &bed, "alice");
	bed_start(&bed);
	guest_prepare(&alice, GUEST_ORDER);
}

static void teardown(void)
{
	guest_fini(&alice);
	bed_fini(&bed);
}

static void expect_closed(const char *reason)
{
	const char *error = guest_backend(&alice, "error");

	ck_assert_int_eq(guest_backend_state(&alice), 5);
	ck_assert_ptr_nonnull(error);
	ck_assert_msg(strstr(error, reason) != NULL, "%s, not %s", error, reason);
	ck_assert(bed_logged(&bed, reason));
	ck_assert_ptr_null(guest_backend(&alice, "address"));
	ck_assert_ptr_null(guest_backend(&alice, "instance"));
	ck_assert_uint_eq(sim_mapped_pages(alice.domid), 0);
}

static void expect_node(const char *node, const char *value)
{
	const char *is = guest_backend(&alice, node);

	ck_assert_msg(is && strcmp(is, value) == 0, "%s is %s, not %s", node, is ? is : "absent",
		      value);
}

START_TEST(features)
{
	ck_assert_int_eq(guest_backend_state(&alice), 2);
	expect_node("frontend", "/local/domain/1/device/vmsg/0");
	expect_node("frontend-id", "1");
	expect_node("online", "1");
	expect_node("version", "1");
	expect_node("max-ring-order", "5");
	expect_node("flow-window", "32");
	expect_node("max-message", "1048576");
	expect_node("max-pool-pages", "256");
	expect_node("max-maps", "64");
	expect_node("feature-map", "1");
	ck_assert_ptr_nonnull(guest_backend(&alice, "epoch"));
	ck_assert_ptr_null(guest_backend(&alice, "address"));
	ck_assert_ptr_null(guest_backend(&alice, "error"));
	ck_assert_str_eq(sim_xs_get("/local/domain/1/device/vmsg/0/backend"),
			 "/local/domain/0/backend/vmsg/1/0");
	ck_assert_str_eq(sim_xs_get("/local/domain/1/device/vmsg/0/backend-id"), "0");
	ck_assert_str_eq(sim_xs_get("/local/domain/1/device/vmsg/0/state"), "1");
	/* The guest writes its half, and reads the other one. */
	ck_assert_int_eq(sim_xs_put_as(1, "/local/domain/1/device/vmsg/0/x", "1"), 0);
	ck_assert_int_eq(sim_xs_put_as(1, "/local/domain/0/backend/vmsg/1/0/state", "1"), -EACCES);
}
END_TEST

START_TEST(connects)
{
	const char *generation;
	char text[16];

	guest_put_nodes(&alice);
	guest_state(&alice, 3);
	ck_assert_int_eq(guest_backend_state(&alice), 4);
	ck_assert_str_eq(bed_calls(&bed), "");
	guest_state(&alice, 4);
	ck_assert_str_eq(bed_calls(&bed), "up:1 ");
	ck_assert_uint_eq(bed.kicks, 1);
	ck_assert_uint_eq(device_domid(guest_dev(&alice)), alice.domid);
	ck_assert_str_eq(device_name(guest_dev(&alice)), "alice");
	ck_assert_str_eq(device_state_name(guest_dev(&alice)), "connected");
	ck_assert_uint_eq(device_ring_slots(guest_dev(&alice)), 256);
	(void)snprintf(text, sizeof(text), "%u", device_address(guest_dev(&alice)));
	expect_node("address", text);
	ck_assert_uint_eq(VMSGIF_ADDR_DOMID(device_address(guest_dev(&alice))), 1);
	generation = sim_xs_get("/local/domain/0/xenmsg/generation");
	ck_assert_int_eq(atoi(generation), VMSGIF_ADDR_GEN(device_address(guest_dev(&alice))));
	/* Nobody else reads the counter. */
	guest_state(&alice, 4);
	ck_assert_str_eq(bed_calls(&bed), "");
}
END_TEST

/* Nothing is consumed before both say Connected. */
START_TEST(silent_before_connected)
{
	struct vmsgif_tx_request slot = { .op = VMSGIF_OP_READY };

	guest_tx(&alice, &slot);
	guest_put_nodes(&alice);
	guest_state(&alice, 3);
	guest_kick(&alice);
	guest_kick(&alice);
	ck_assert_uint_eq(bed.kicks, 0);
	guest_state(&alice, 4);
	ck_assert_uint_eq(bed.kicks, 1);
}
END_TEST

START_TEST(every_ring_order)
{
	struct guest bob;

	guest_init(&bob, &bed, "bob");
	bed_run(&bed);
	guest_prepare(&bob, (unsigned int)_i);
	guest_connect(&bob);
	ck_assert_uint_eq(device_ring_slots(guest_dev(&bob)), 32u << _i);
	ck_assert_uint_eq(sim_mapped_pages(bob.domid), 2u << _i);
	guest_fini(&bob);
}
END_TEST

START_TEST(frontend_closes)
{
	uint32_t addr;

	guest_connect(&alice);
	addr = device_address(guest_dev(&alice));
	(void)bed_calls(&bed);
	guest_state(&alice, 5);
	ck_assert_str_eq(bed_calls(&bed), "down:1 ");
	ck_assert_uint_eq(bed.last_down, addr);
	ck_assert_int_eq(guest_backend_state(&alice), 5);
	ck_assert_str_eq(device_state_name(guest_dev(&alice)), "closing");
	ck_assert_uint_eq(sim_mapped_pages(alice.domid), 0);
	ck_assert_ptr_null(guest_backend(&alice, "address"));
	ck_assert_ptr_null(guest_backend(&alice, "error"));
	guest_state(&alice, 6);
	ck_assert_int_eq(guest_backend_state(&alice), 6);
	ck_assert_str_eq(device_state_name(guest_dev(&alice)), "closed");
	guest_state(&alice, 6);
	ck_assert_int_eq(guest_backend_state(&alice), 6);
	/* It comes back, as somebody else. */
	guest_state(&alice, 1);
	ck_assert_int_eq(guest_backend_state(&alice), 2);
	ck_assert_str_eq(device_state_name(guest_dev(&alice)), "waiting");
	guest_reset_rings(&alice);
	guest_connect(&alice);
	ck_assert_str_eq(bed_calls(&bed), "up:1 ");
	ck_assert_uint_ne(device_address(guest_dev(&alice)), addr);
}
END_TEST

START_TEST(closes_without_closing)
{
	guest_connect(&alice);
	guest_state(&alice, 6);
	ck_assert_int_eq(guest_backend_state(&alice), 6);
	ck_assert_str_eq(bed_calls(&bed), "up:1 down:1 ");
	guest_state(&alice, 1);
	ck_assert_int_eq(guest_backend_state(&alice), 2);
}
END_TEST

/* A driver that was killed starts anew, from whatever state it left. */
START_TEST(starts_anew)
{
	char epoch[32];

	(void)snprintf(epoch, sizeof(epoch), "%s", guest_backend(&alice, "epoch"));
	guest_put_nodes(&alice);
	guest_state(&alice, 3);
	if (_i)
		guest_state(&alice, 4);
	guest_state(&alice, 1);
	ck_assert_str_eq(bed_calls(&bed), _i ? "up:1 down:1 " : "");
	ck_assert_int_eq(guest_backend_state(&alice), 2);
	ck_assert_str_ne(guest_backend(&alice, "epoch"), epoch);
	ck_assert_uint_eq(sim_mapped_pages(alice.domid), 0);
	guest_reset_rings(&alice);
	guest_connect(&alice);
	ck_assert_str_eq(bed_calls(&bed), "up:1 ");
}
END_TEST

START_TEST(closes_before_it_is_up)
{
	guest_put_nodes(&alice);
	guest_state(&alice, 3);
	guest_state(&alice, 5 + _i);
	ck_assert_int_eq(guest_backend_state(&alice), 5 + _i);
	ck_assert_str_eq(bed_calls(&bed), "");
	ck_assert_uint_eq(sim_mapped_pages(alice.domid), 0);
}
END_TEST

START_TEST(closes_while_waiting)
{
	guest_state(&alice, 5 + _i);
	ck_assert_int_eq(guest_backend_state(&alice), 5 + _i);
	guest_state(&alice, 1);
	ck_assert_int_eq(guest_backend_state(&alice), 2);
	ck_assert_str_eq(bed_calls(&bed), "");
}
END_TEST

START_TEST(another_epoch_is_ignored)
{
	guest_put_nodes(&alice);
	guest_put(&alice, "epoch", "77");
	guest_rm(&alice, "event-channel");
	guest_state(&alice, 3);
	ck_assert_int_eq(guest_backend_state(&alice), 2);
	ck_assert_ptr_null(guest_backend(&alice, "error"));
	guest_put_nodes(&alice);
	guest_state(&alice, 3);
	ck_assert_int_eq(guest_backend_state(&alice), 4);
}
END_TEST

/* Each node a frontend writes, with what is no number, with what is none, without. */
static const char *const frontend_nodes[] = { "version",       "epoch",		"instance",
					      "ring-order",    "tx-ring-ref-0", "tx-ring-ref-7",
					      "rx-ring-ref-0", "rx-ring-ref-7", "event-channel" };
#define NR_NODES 9

static void expect_garbage(const char *node)
{
	char reason[64];

	(void)snprintf(reason, sizeof(reason), "node %s ", node);
	guest_state(&alice, 3);
	expect_closed(reason);
	ck_assert_str_eq(bed_calls(&bed), "");
	/* It may try again. */
	guest_state(&alice, 6);
	guest_state(&alice, 1);
	ck_assert_int_eq(guest_backend_state(&alice), 2);
	guest_connect(&alice);
	ck_assert_ptr_null(guest_backend(&alice, "error"));
}

START_TEST(garbage_in_nodes)
{
	static const char *const garbage[] = { "",    "%n%n%s",
					       "-1",  "18446744073709551616",
					       "0x1", "../../../0/xenmsg" };

	guest_put_nodes(&alice);
	guest_put(&alice, frontend_nodes[_i % NR_NODES], "%s", garbage[_i / NR_NODES]);
	expect_garbage(frontend_nodes[_i % NR_NODES]);
}
END_TEST

START_TEST(long_garbage_in_nodes)
{
	guest_put_nodes(&alice);
	guest_put(&alice, frontend_nodes[_i], "%01500d", 1);
	expect_garbage(frontend_nodes[_i]);
}
END_TEST

START_TEST(absent_nodes)
{
	guest_put_nodes(&alice);
	guest_rm(&alice, frontend_nodes[_i]);
	expect_garbage(frontend_nodes[_i]);
}
END_TEST

START_TEST(ring_order_above_the_limit)
{
	guest_put_nodes(&alice);
	guest_put(&alice, "ring-order", "6");
	guest_state(&alice, 3);
	expect_closed("ring-order is out of range");
}
END_TEST

START_TEST(garbage_in_state)
{
	static const char *const garbage[] = { "0", "7", "8", "x", "", "4 " };

	guest_connect(&alice);
	(void)bed_calls(&bed);
	guest_put(&alice, "state", "%s", garbage[_i]);
	bed_run(&bed);
	ck_assert_str_eq(bed_calls(&bed), "down:1 ");
	expect_closed("node state ");
	/* Once. */
	guest_put(&alice, "state", "%s", "more");
	bed_run(&bed);
	ck_assert(!bed_logged(&bed, "suppressed"));
	guest_state(&alice, 6);
	ck_assert_int_eq(guest_backend_state(&alice), 6);
}
END_TEST

START_TEST(states_that_cannot_follow)
{
	guest_connect(&alice);
	guest_state(&alice, 2 + _i);
	expect_closed(_i ? "state 3 of a connected frontend" : "state 2 of a connected frontend");
	ck_assert_str_eq(bed_calls(&bed), "up:1 down:1 ");
	/* What it says before it has closed changes nothing. */
	guest_state(&alice, 4);
	guest_state(&alice, 3);
	guest_state(&alice, 5);
	ck_assert_int_eq(guest_backend_state(&alice), 5);
	guest_state(&alice, 6);
	ck_assert_int_eq(guest_backend_state(&alice), 6);
	expect_node("error",
		    _i ? "state 3 of a connected frontend" : "state 2 of a connected frontend");
}
END_TEST

START_TEST(bad_references)
{
	static const char *const node[] = { "tx-ring-ref-3", "rx-ring-ref-0" };

	guest_put_nodes(&alice);
	guest_put(&alice, node[_i], "%u", 31999);
	guest_state(&alice, 3);
	expect_closed(_i ? "RX ring cannot be mapped" : "TX ring cannot be mapped");
	ck_assert_str_eq(bed_calls(&bed), "");
}
END_TEST

START_TEST(read_only_ring)
{
	uint32_t ref;

	(void)guest_page(&alice, true, &ref);
	guest_put_nodes(&alice);
	guest_put(&alice, "rx-ring-ref-1", "%u", ref);
	guest_state(&alice, 3);
	expect_closed("RX ring cannot be mapped");
}
END_TEST

START_TEST(bad_event_channel)
{
	guest_put_nodes(&alice);
	guest_put(&alice, "event-channel", "999");
	guest_state(&alice, 3);
	expect_closed("event channel 999 cannot be bound");
}
END_TEST

/* A page for alive-ref, with the byte set; its node is written. */
static uint8_t *alive_page(void)
{
	uint32_t ref;
	uint8_t *byte = guest_page(&alice, true, &ref);

	*byte = 1;
	guest_put_nodes(&alice);
	guest_put(&alice, "alive-ref", "%u", ref);
	return byte;
}

/* The frontend is a process that dies: before it says Connected, and after. */
START_TEST(frontend_dies)
{
	volatile uint8_t *byte = alive_page();

	guest_state(&alice, 3);
	ck_assert_int_eq(guest_backend_state(&alice), 4);
	if (_i)
		guest_state(&alice, 4);
	/* The port is opened again by the broker, or by the backend before there is one. */
	for (unsigned int i = 0; i < 2; i++) {
		if (_i)
			(void)device_arm(guest_dev(&alice));
		if (!i)
			guest_kick(&alice);
	}
	ck_assert_int_eq(guest_backend_state(&alice), 4);
	ck_assert_str_eq(bed_calls(&bed), _i ? "up:1 " : "");
	*byte = 0;
	guest_kick(&alice);
	ck_assert_str_eq(bed_calls(&bed), _i ? "down:1 " : "");
	ck_assert_int_eq(guest_backend_state(&alice), 5);
	ck_assert(bed_logged(&bed, "alice: the frontend has died"));
	/* It was no violation. */
	ck_assert_ptr_null(guest_backend(&alice, "error"));
	ck_assert_ptr_null(guest_backend(&alice, "address"));
	ck_assert_uint_eq(sim_mapped_pages(alice.domid), 0);
	/* Its successor, who has no such page, goes through all states. */
	guest_state(&alice, 5);
	ck_assert_int_eq(guest_backend_state(&alice), 5);
	guest_state(&alice, 6);
	ck_assert_int_eq(guest_backend_state(&alice), 6);
	guest_state(&alice, 1);
	ck_assert_int_eq(guest_backend_state(&alice), 2);
	alice.instance++;
	guest_reset_rings(&alice);
	guest_connect(&alice);
}
END_TEST

/* Dead when the rings are mapped: nothing comes but the event of the binding. */
START_TEST(frontend_dies_early)
{
	*alive_page() = 0;
	guest_state(&alice, 3);
	ck_assert_int_eq(guest_backend_state(&alice), 5);
	ck_assert_str_eq(bed_calls(&bed), "");
	ck_assert_uint_eq(sim_mapped_pages(alice.domid), 0);
}
END_TEST

START_TEST(bad_alive_ref)
{
	guest_put_nodes(&alice);
	guest_put(&alice, "alive-ref", "%s", _i ? "31999" : "alive");
	guest_state(&alice, 3);
	expect_closed(_i ? "page of alive-ref cannot be mapped" : "node alive-ref is not a number");
}
END_TEST

START_TEST(broker_fails_it_in_any_phase)
{
	guest_connect(&alice);
	if (_i == 1)
		guest_state(&alice, 1);
	(void)bed_calls(&bed);
	device_fail(guest_dev(&alice), "reason %d", _i);
	bed_run(&bed);
	expect_closed(_i ? "reason 1" : "reason 0");
	ck_assert_str_eq(bed_calls(&bed), _i == 1 ? "" : "down:1 ");
	device_fail(guest_dev(&alice), "once more");
	bed_run(&bed);
	ck_assert(!bed_logged(&bed, "once more"));
}
END_TEST

/* From inside up(), and by kick(), the loop still tells it later. */
static void fail_it(struct bed *b, struct device *dev)
{
	device_fail(dev, "in a callback");
	ck_assert_ptr_null(strstr(b->calls, "down"));
}

START_TEST(fails_in_callbacks)
{
	if (_i)
		bed.on_up = fail_it;
	else
		bed.on_kick = fail_it;
	guest_put_nodes(&alice);
	guest_state(&alice, 3);
	guest_state(&alice, 4);
	ck_assert_str_eq(bed_calls(&bed), "up:1 down:1 ");
	expect_closed("in a callback");
}
END_TEST

static Suite *otherend_suite(void)
{
	Suite *s = suite_create("backend-otherend");
	TCase *t = tcase_create("otherend");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, features);
	tcase_add_test(t, connects);
	tcase_add_test(t, silent_before_connected);
	tcase_add_loop_test(t, every_ring_order, 0, VMSGIF_MAX_RING_ORDER + 1);
	tcase_add_test(t, frontend_closes);
	tcase_add_test(t, closes_without_closing);
	tcase_add_loop_test(t, starts_anew, 0, 2);
	tcase_add_loop_test(t, closes_before_it_is_up, 0, 2);
	tcase_add_loop_test(t, closes_while_waiting, 0, 2);
	tcase_add_test(t, another_epoch_is_ignored);
	tcase_add_loop_test(t, garbage_in_nodes, 0, 6 * NR_NODES);
	tcase_add_loop_test(t, long_garbage_in_nodes, 0, NR_NODES);
	tcase_add_loop_test(t, absent_nodes, 0, NR_NODES);
	tcase_add_test(t, ring_order_above_the_limit);
	tcase_add_loop_test(t, garbage_in_state, 0, 6);
	tcase_add_loop_test(t, states_that_cannot_follow, 0, 2);
	tcase_add_loop_test(t, bad_references, 0, 2);
	tcase_add_test(t, read_only_ring);
	tcase_add_loop_test(t, frontend_dies, 0, 2);
	tcase_add_test(t, frontend_dies_early);
	tcase_add_loop_test(t, bad_alive_ref, 0, 2);
	tcase_add_test(t, bad_event_channel);
	tcase_add_loop_test(t, broker_fails_it_in_any_phase, 0, 2);
	tcase_add_loop_test(t, fails_in_callbacks, 0, 2);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(otherend_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
