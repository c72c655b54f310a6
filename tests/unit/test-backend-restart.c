// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Another broker takes over: who comes back under the old address, who does
 * not, and what is swept.
 */
#include "tests/unit/backend-guest.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct bed bed;
static struct guest alice, bob;
static uint32_t alice_addr, bob_addr;

static void setup(void)
{
	bed_init(&bed);
	bed_start(&bed);
	guest_up(&alice, &bed, "alice");
	guest_up(&bob, &bed, "bob");
	alice_addr = device_address(guest_dev(&alice));
	bob_addr = device_address(guest_dev(&bob));
	ck_assert_uint_ne(VMSGIF_ADDR_GEN(alice_addr), VMSGIF_ADDR_GEN(bob_addr));
}

static void teardown(void)
{
	guest_fini(&alice);
	guest_fini(&bob);
	bed_fini(&bed);
}

/* Three ways for a broker to go. */
enum { STOPPED, KILLED, WAYS };

static void go(int way)
{
	if (way == KILLED)
		bed_kill(&bed);
	else
		bed_stop(&bed, false);
	ck_assert_uint_eq(sim_mapped_pages(alice.domid), 0);
	ck_assert_str_eq(bed_calls(&bed), "");
	ck_assert_int_eq(guest_backend_state(&alice), 4);
	ck_assert_ptr_nonnull(guest_backend(&alice, "instance"));
}

START_TEST(same_instances_come_back)
{
	char epoch[32];

	(void)snprintf(epoch, sizeof(epoch), "%s", guest_backend(&alice, "epoch"));
	go(_i);
	bed_start(&bed);
	ck_assert_str_eq(bed_calls(&bed), "awaited:1 awaited:2 ");
	ck_assert_str_eq(device_state_name(guest_dev(&alice)), "awaited");
	ck_assert_uint_eq(device_address(guest_dev(&alice)), alice_addr);
	ck_assert(!device_is_up(guest_dev(&alice)));
	ck_assert_int_eq(guest_backend_state(&alice), 2);
	ck_assert_str_ne(guest_backend(&alice, "epoch"), epoch);
	/* The state that the frontend left means nothing yet. */
	guest_state(&alice, 4);
	ck_assert_int_eq(guest_backend_state(&alice), 2);
	guest_reset_rings(&alice);
	guest_connect(&alice);
	ck_assert_str_eq(bed_calls(&bed), "up:1 ");
	ck_assert_uint_eq(device_address(guest_dev(&alice)), alice_addr);
	ck_assert_uint_eq(device_address(guest_dev(&bob)), bob_addr);
	ck_assert_str_eq(device_state_name(guest_dev(&bob)), "awaited");
}
END_TEST

/* Each broker may go before anybody has come back. */
START_TEST(restart_after_restart)
{
	for (int i = 0; i < 3; i++) {
		bed_stop(&bed, false);
		bed_start(&bed);
		ck_assert_str_eq(bed_calls(&bed), "awaited:1 awaited:2 ");
	}
	guest_reset_rings(&alice);
	guest_put_nodes(&alice);
	guest_state(&alice, 3);
	bed_kill(&bed);
	bed_start(&bed);
	ck_assert_str_eq(bed_calls(&bed), "awaited:1 awaited:2 ");
	/* The nodes of the epoch before do not count. */
	ck_assert_int_eq(guest_backend_state(&alice), 2);
	guest_connect(&alice);
	ck_assert_uint_eq(device_address(guest_dev(&alice)), alice_addr);
	ck_assert_str_eq(bed_calls(&bed), "up:1 ");
}
END_TEST

/* What cannot be read at the take-over is read later, and costs nobody its address. */
START_TEST(nodes_that_cannot_be_read_now)
{
	for (unsigned int n = 1; n < 30; n++) {
		bed_stop(&bed, false);
		ck_assert_int_eq(bed_try_start(&bed), 0);
		sim_fail_nth(bed.process, SIM_CALL_XS_READ, n, ENOSPC);
		bed_run(&bed);
		bed_wait(&bed, 3 * SIM_NSEC_PER_SEC);
		sim_fail_reset();
		ck_assert_uint_eq(device_address(guest_dev(&alice)), alice_addr);
		ck_assert_uint_eq(device_address(guest_dev(&bob)), bob_addr);
		ck_assert_ptr_null(strstr(bed_calls(&bed), "down"));
	}
	guest_reset_rings(&alice);
	guest_connect(&alice);
	ck_assert_uint_eq(device_address(guest_dev(&alice)), alice_addr);
}
END_TEST

START_TEST(another_instance_is_another_peer)
{
	go(_i);
	bed_start(&bed);
	(void)bed_calls(&bed);
	alice.instance ^= 2;
	guest_reset_rings(&alice);
	guest_put_nodes(&alice);
	guest_state(&alice, 3);
	ck_assert_str_eq(bed_calls(&bed), "down:1 ");
	ck_assert_uint_eq(bed.last_down, alice_addr);
	guest_state(&alice, 4);
	ck_assert_str_eq(bed_calls(&bed), "up:1 ");
	ck_assert_uint_ne(device_address(guest_dev(&alice)), alice_addr);
	ck_assert_uint_ne(device_address(guest_dev(&alice)), 0);
}
END_TEST

/* Who closed while there was no broker does not come back; the broker hears of it. */
START_TEST(closed_meanwhile)
{
	static const int states[] = { 1, 2, 5, 6 };
	static const int answers[] = { 2, 2, 5, 2 };

	bed_stop(&bed, false);
	guest_put(&alice, "state", "%d", states[_i]);
	bed_start(&bed);
	ck_assert_str_eq(bed_calls(&bed), "awaited:1 down:1 awaited:2 ");
	ck_assert_uint_eq(bed.last_down, alice_addr);
	ck_assert_int_eq(guest_backend_state(&alice), answers[_i]);
	ck_assert_ptr_null(guest_backend(&alice, "address"));
	if (answers[_i] == 5) {
		guest_state(&alice, 6);
		ck_assert_int_eq(guest_backend_state(&alice), 6);
		guest_state(&alice, 1);
	}
	guest_reset_rings(&alice);
	guest_connect(&alice);
	ck_assert_uint_ne(device_address(guest_dev(&alice)), alice_addr);
}
END_TEST

START_TEST(awaited_one_closes)
{
	bed_stop(&bed, false);
	bed_start(&bed);
	(void)bed_calls(&bed);
	guest_state(&alice, _i);
	ck_assert_str_eq(bed_calls(&bed), "down:1 ");
	ck_assert_uint_eq(bed.last_down, alice_addr);
	ck_assert_ptr_null(guest_backend(&alice, "address"));
	ck_assert_int_eq(guest_backend_state(&alice), _i == 1 ? 2 : _i);
}
END_TEST

START_TEST(awaited_one_writes_garbage)
{
	bed_stop(&bed, false);
	bed_start(&bed);
	(void)bed_calls(&bed);
	guest_put_nodes(&alice);
	guest_put(&alice, "instance", "me");
	guest_state(&alice, 3);
	ck_assert_str_eq(bed_calls(&bed), "down:1 ");
	ck_assert_int_eq(guest_backend_state(&alice), 5);
}
END_TEST

START_TEST(garbage_meanwhile)
{
	bed_stop(&bed, false);
	guest_put(&alice, "state", "x");
	bed_start(&bed);
	ck_assert_str_eq(bed_calls(&bed), "awaited:1 down:1 awaited:2 ");
	ck_assert_int_eq(guest_backend_state(&alice), 5);
	ck_assert(bed_logged(&bed, "node state is not a number"));
}
END_TEST

START_TEST(domain_dies_meanwhile)
{
	bed_stop(&bed, false);
	sim_domain_destroy(alice.domid);
	bed_start(&bed);
	/* The others may have dealt with it. */
	ck_assert_str_eq(bed_calls(&bed), "awaited:2 awaited:1 down:1 gone:1 ");
	ck_assert_uint_eq(bed.last_down, alice_addr);
	ck_assert(!sim_xs_exists("/local/domain/0/backend/vmsg/1"));
	/* Only once. */
	bed_stop(&bed, false);
	bed_start(&bed);
	ck_assert_str_eq(bed_calls(&bed), "awaited:2 ");
}
END_TEST

START_TEST(domid_is_taken_meanwhile)
{
	struct guest carol;

	bed_stop(&bed, false);
	sim_domain_destroy(alice.domid);
	memset(&carol, 0, sizeof(carol));
	carol.bed = &bed;
	carol.domid = sim_domain_new_at(alice.domid, "carol", SIM_PV);
	bed_start(&bed);
	ck_assert_str_eq(bed_calls(&bed), "awaited:1 down:1 awaited:2 ");
	ck_assert_int_eq(guest_backend_state(&carol), 2);
	ck_assert_ptr_null(guest_backend(&carol, "address"));
	sim_domain_destroy(carol.domid);
	bed_run(&bed);
}
END_TEST

START_TEST(device_is_not_wanted_any_more)
{
	bed_stop(&bed, false);
	bed.unwanted = "alice";
	bed_start(&bed);
	ck_assert_str_eq(bed_calls(&bed), "awaited:2 awaited:1 down:1 gone:1 ");
	ck_assert(!sim_xs_exists("/local/domain/0/backend/vmsg/1"));
	ck_assert(!sim_xs_exists("/local/domain/1/device/vmsg"));
	/* It is wanted again. */
	bed.unwanted = NULL;
	bed_stop(&bed, false);
	bed_start(&bed);
	ck_assert_str_eq(bed_calls(&bed), "awaited:2 ");
	ck_assert_int_eq(guest_backend_state(&alice), 2);
}
END_TEST

START_TEST(removed_for_good)
{
	bed_stop(&bed, true);
	ck_assert_str_eq(bed_calls(&bed), "");
	ck_assert(!sim_xs_exists("/local/domain/0/backend/vmsg/1"));
	ck_assert(!sim_xs_exists("/local/domain/0/backend/vmsg/2"));
	ck_assert(!sim_xs_exists("/local/domain/2/device/vmsg"));
	bed_start(&bed);
	ck_assert_str_eq(bed_calls(&bed), "");
	guest_reset_rings(&alice);
	guest_connect(&alice);
	ck_assert_uint_ne(device_address(guest_dev(&alice)), alice_addr);
}
END_TEST

/* What a broker wrote, and something broke. */
START_TEST(own_nodes_are_broken)
{
	static const char *const broken[][2] = {
		{ "address", "x" },  { "address", "65535" }, { "address", "65538" },
		{ "instance", "0" }, { "instance", "-" },
	};
	char path[64];

	bed_stop(&bed, false);
	(void)snprintf(path, sizeof(path), "/local/domain/0/backend/vmsg/1/0/%s", broken[_i][0]);
	sim_xs_put(path, broken[_i][1]);
	sim_xs_put("/local/domain/0/backend/vmsg/junk/0/state", "4");
	sim_xs_put("/local/domain/0/backend/vmsg/32752/0/state", "4");
	sim_xs_put("/local/domain/0/backend/vmsg/77/0/state", "4");
	bed_start(&bed);
	ck_assert_str_eq(bed_calls(&bed), "awaited:2 ");
	ck_assert_int_eq(guest_backend_state(&alice), 2);
	ck_assert(!sim_xs_exists("/local/domain/0/backend/vmsg/77"));
	guest_reset_rings(&alice);
	guest_connect(&alice);
	ck_assert_uint_ne(device_address(guest_dev(&alice)), alice_addr);
}
END_TEST

START_TEST(half_of_the_nodes)
{
	bed_stop(&bed, false);
	if (_i)
		sim_xs_rm("/local/domain/0/backend/vmsg/1");
	else
		sim_xs_rm("/local/domain/1/device/vmsg/0/state");
	bed_start(&bed);
	ck_assert_str_eq(bed_calls(&bed), _i ? "awaited:2 " : "awaited:1 down:1 awaited:2 ");
	ck_assert_int_eq(guest_backend_state(&alice), 2);
	ck_assert_str_eq(sim_xs_get("/local/domain/1/device/vmsg/0/state"), "1");
}
END_TEST

/* The counter goes on, wraps, and survives garbage. */
START_TEST(generations)
{
	static const char *const nodes[] = { "41", "65534", "65535", "0", "x", "123456789" };
	static const unsigned int expected[] = { 42, 65535, 1, 0, 0, 0 };
	unsigned int generation;

	bed_stop(&bed, true);
	sim_xs_put("/local/domain/0/xenmsg/generation", nodes[_i]);
	bed_start(&bed);
	guest_reset_rings(&alice);
	guest_connect(&alice);
	generation = VMSGIF_ADDR_GEN(device_address(guest_dev(&alice)));
	ck_assert_uint_ne(generation, 0);
	if (expected[_i])
		ck_assert_uint_eq(generation, expected[_i]);
	guest_reset_rings(&bob);
	guest_connect(&bob);
	ck_assert_uint_eq(VMSGIF_ADDR_GEN(device_address(guest_dev(&bob))),
			  generation == 65535 ? 1 : generation + 1);
	ck_assert_uint_eq((unsigned int)atoi(sim_xs_get("/local/domain/0/xenmsg/generation")),
			  VMSGIF_ADDR_GEN(device_address(guest_dev(&bob))));
}
END_TEST

/* Killed at every call of a start, a new one still takes over. */
START_TEST(killed_while_starting)
{
	for (unsigned int n = 1; n < 70; n++) {
		bed_kill(&bed);
		sim_kill_at(bed.process, n, n % 2 ? SIM_BEFORE : SIM_AFTER);
		if (bed_try_start(&bed) == 0)
			bed_run(&bed);
		if (!sim_process_dead(bed.process))
			break;
	}
	bed_kill(&bed);
	(void)bed_calls(&bed);
	bed_start(&bed);
	ck_assert_str_eq(bed_calls(&bed), "awaited:1 awaited:2 ");
	guest_reset_rings(&alice);
	guest_connect(&alice);
	ck_assert_uint_eq(device_address(guest_dev(&alice)), alice_addr);
}
END_TEST

/* Killed at every call while a new instance connects: an address is never used twice. */
START_TEST(killed_while_connecting)
{
	uint32_t last = 0;

	for (unsigned int n = 1; n < 60; n++) {
		bed_kill(&bed);
		bed_start(&bed);
		alice.instance += 2;
		guest_reset_rings(&alice);
		guest_put_nodes(&alice);
		sim_kill_at(bed.process, n, n % 2 ? SIM_BEFORE : SIM_AFTER);
		guest_state(&alice, 3);
		if (!sim_process_dead(bed.process))
			guest_state(&alice, 4);
		if (!sim_process_dead(bed.process) && device_is_up(guest_dev(&alice))) {
			ck_assert_uint_ne(device_address(guest_dev(&alice)), last);
			last = device_address(guest_dev(&alice));
		}
	}
	ck_assert_uint_ne(last, 0);
	sim_fail_reset();
	bed_kill(&bed);
	bed_start(&bed);
}
END_TEST

static Suite *restart_suite(void)
{
	Suite *s = suite_create("backend-restart");
	TCase *t = tcase_create("restart");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, same_instances_come_back, 0, WAYS);
	tcase_add_test(t, restart_after_restart);
	tcase_add_test(t, nodes_that_cannot_be_read_now);
	tcase_add_loop_test(t, another_instance_is_another_peer, 0, WAYS);
	tcase_add_loop_test(t, closed_meanwhile, 0, 4);
	tcase_add_loop_test(t, awaited_one_closes, 5, 7);
	tcase_add_loop_test(t, awaited_one_closes, 1, 2);
	tcase_add_test(t, awaited_one_writes_garbage);
	tcase_add_test(t, garbage_meanwhile);
	tcase_add_test(t, domain_dies_meanwhile);
	tcase_add_test(t, domid_is_taken_meanwhile);
	tcase_add_test(t, device_is_not_wanted_any_more);
	tcase_add_test(t, removed_for_good);
	tcase_add_loop_test(t, own_nodes_are_broken, 0, 5);
	tcase_add_loop_test(t, half_of_the_nodes, 0, 2);
	tcase_add_loop_test(t, generations, 0, 6);
	tcase_add_test(t, killed_while_starting);
	tcase_add_test(t, killed_while_connecting);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(restart_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
