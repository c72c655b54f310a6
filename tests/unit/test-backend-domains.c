// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Domains that come, are renamed, die in every state of their device; failures
 * of xenstore and of the hypervisor's list; the budget of mapped pages.
 */
#include "tests/unit/backend-guest.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <xen/sched.h>

static struct bed bed;
static struct guest alice;

static void setup(void)
{
	bed_init(&bed);
	bed_start(&bed);
}

static void teardown(void)
{
	bed_fini(&bed);
}

START_TEST(hot_plug)
{
	guest_init(&alice, &bed, "alice");
	ck_assert_int_eq(guest_backend_state(&alice), 0);
	bed_run(&bed);
	ck_assert_int_eq(guest_backend_state(&alice), 2);
	ck_assert_str_eq(bed_calls(&bed), "");
	guest_fini(&alice);
	/* The broker never heard of it. */
	ck_assert_str_eq(bed_calls(&bed), "");
	ck_assert(!sim_xs_exists("/local/domain/0/backend/vmsg/1"));
}
END_TEST

START_TEST(many_domains)
{
	struct backend_stats stats;

	for (unsigned int i = 0; i < 150; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "g%u", i);
		(void)sim_domain_new(name, SIM_PVH);
	}
	bed_run(&bed);
	backend_stats_get(bed.b, &stats);
	ck_assert_uint_eq(stats.devices, 150);
	for (domid_t d = 1; d <= 150; d++)
		sim_domain_destroy(d);
	bed_run(&bed);
	backend_stats_get(bed.b, &stats);
	ck_assert_uint_eq(stats.devices, 0);
}
END_TEST

/* Every state the device can be in when its domain goes. */
enum { FRESH, WRITTEN, CONNECTING, UP, WITH_POOLS, FAILED, CLOSING, CLOSED, STATES };

static void bring_to(int state)
{
	struct vmsgif_pool pool = { .type = VMSGIF_POOL_TX, .nr_pages = 4 };
	void *pages;

	guest_prepare(&alice, GUEST_ORDER);
	if (state >= WRITTEN)
		guest_put_nodes(&alice);
	if (state == WRITTEN)
		guest_put(&alice, "state", "3");
	if (state >= CONNECTING)
		guest_state(&alice, 3);
	if (state >= UP)
		guest_state(&alice, 4);
	if (state == WITH_POOLS) {
		pool.ref = guest_pool(&alice, 4, true, &pages, NULL);
		ck_assert_int_eq(device_pool_add(guest_dev(&alice), &pool), 0);
	}
	if (state == FAILED)
		device_fail(guest_dev(&alice), "test");
	if (state == CLOSING)
		guest_state(&alice, 5);
	if (state == CLOSED)
		guest_state(&alice, 6);
}

START_TEST(dies)
{
	const char *calls;

	guest_init(&alice, &bed, "alice");
	bed_run(&bed);
	bring_to(_i);
	sim_domain_destroy(alice.domid);
	/* One more event of it may be on its way. */
	guest_kick(&alice);
	ck_assert_int_eq(sim_domain_state(alice.domid), SIM_DOMAIN_GONE);
	ck_assert(!sim_xs_exists("/local/domain/0/backend/vmsg/1"));
	ck_assert(!sim_xs_exists("/local/domain/1"));
	calls = bed_calls(&bed);
	if (_i <= CONNECTING)
		ck_assert_str_eq(calls, "");
	else
		ck_assert_str_eq(calls, "up:1 down:1 gone:1 ");
	guest_fini(&alice);
}
END_TEST

/* The toolstack takes the nodes first; the domain is still there for a while. */
START_TEST(nodes_go_first)
{
	guest_init(&alice, &bed, "alice");
	bed_run(&bed);
	bring_to(_i);
	sim_xs_rm("/local/domain/1");
	bed_run(&bed);
	ck_assert_uint_eq(sim_mapped_pages(alice.domid), 0);
	ck_assert(!sim_xs_exists("/local/domain/0/backend/vmsg/1"));
	/* Nothing is made again, whatever happens to other domains. */
	sim_xs_spurious();
	bed_run(&bed);
	(void)sim_domain_new("bob", SIM_PV);
	bed_run(&bed);
	ck_assert(!sim_xs_exists("/local/domain/1"));
	ck_assert(!sim_xs_exists("/local/domain/0/backend/vmsg/1"));
	sim_domain_destroy(2);
	guest_fini(&alice);
	ck_assert(strstr(bed_calls(&bed), "gone:2") == NULL);
}
END_TEST

/* The nodes go between the look at the state and the look at the others. */
START_TEST(nodes_go_while_it_connects)
{
	guest_init(&alice, &bed, "alice");
	bed_run(&bed);
	guest_prepare(&alice, GUEST_ORDER);
	guest_put_nodes(&alice);
	guest_rm(&alice, "instance");
	guest_put(&alice, "state", "3");
	/* As if everything else were gone by then as well. */
	sim_fail_nth(bed.process, SIM_CALL_XS_READ, 5, ENOENT);
	bed_run(&bed);
	ck_assert(!bed_logged(&bed, "protocol"));
	ck_assert(!sim_xs_exists("/local/domain/0/backend/vmsg/1"));
	guest_fini(&alice);
}
END_TEST

START_TEST(dies_while_a_copy_is_prepared)
{
	struct copy_batch *batch;
	struct vmsgif_segment seg = { 0, 0, 64 };
	struct rx_page page = { 0 };
	struct guest bob;
	uint32_t ref;

	guest_up(&alice, &bed, "alice");
	guest_up(&bob, &bed, "bob");
	ck_assert_int_eq(copy_batch_new(&batch, bed.b), 0);
	(void)guest_page(&alice, true, &seg.ref);
	(void)guest_page(&bob, false, &ref);
	page.ref = ref;
	ck_assert_int_eq(copy_batch_add(batch, 0, guest_dev(&alice), &seg, 1, false,
					guest_dev(&bob), &page, 1),
			 0);
	sim_domain_destroy(_i ? bob.domid : alice.domid);
	/* Whatever Xen says; nothing crashes, and nothing keeps it from going. */
	copy_batch_run(batch);
	copy_batch_free(batch);
	bed_run(&bed);
	ck_assert_int_eq(sim_domain_state(_i ? bob.domid : alice.domid), SIM_DOMAIN_GONE);
	guest_fini(&alice);
	guest_fini(&bob);
}
END_TEST

/* A domain that shut down is not gone: it may be saved, resumed, or inspected. */
START_TEST(shutdown_is_no_death)
{
	guest_up(&alice, &bed, "alice");
	sim_domain_shutdown(alice.domid, SHUTDOWN_suspend);
	bed_run(&bed);
	ck_assert_str_eq(bed_calls(&bed), "");
	ck_assert(device_is_up(guest_dev(&alice)));
	guest_fini(&alice);
	ck_assert_str_eq(bed_calls(&bed), "down:1 gone:1 ");
}
END_TEST

/* Between two looks one domain went and another one took its number. */
START_TEST(domid_is_reused)
{
	guest_up(&alice, &bed, "alice");
	bed_stop(&bed, false);
	bed_start(&bed);
	(void)bed_calls(&bed);
	/* The broker sleeps; only then it hears of both. */
	sim_domain_destroy(1);
	ck_assert_uint_eq(sim_domain_new_at(1, "carol", SIM_PVH), 1);
	bed_run(&bed);
	ck_assert_str_eq(bed_calls(&bed), "down:1 gone:1 ");
	ck_assert_str_eq(sim_xs_get("/local/domain/0/backend/vmsg/1/0/state"), "2");
	ck_assert_str_eq(sim_xs_get("/local/domain/1/device/vmsg/0/state"), "1");
	guest_fini(&alice);
}
END_TEST

START_TEST(not_wanted)
{
	bed.unwanted = "alice";
	guest_init(&alice, &bed, "alice");
	bed_run(&bed);
	ck_assert(!sim_xs_exists("/local/domain/0/backend/vmsg/1"));
	ck_assert(!sim_xs_exists("/local/domain/1/device/vmsg"));
	/* It gets another name, as an incoming domain does. */
	sim_xs_put("/local/domain/1/name", "bob");
	bed_run(&bed);
	ck_assert_int_eq(guest_backend_state(&alice), 2);
	guest_prepare(&alice, GUEST_ORDER);
	guest_connect(&alice);
	ck_assert_str_eq(device_name(guest_dev(&alice)), "bob");
	(void)bed_calls(&bed);
	sim_xs_put("/local/domain/1/name", "carol");
	bed_run(&bed);
	ck_assert(device_is_up(guest_dev(&alice)));
	ck_assert_str_eq(bed_calls(&bed), "renamed:1 ");
	ck_assert_str_eq(device_name(guest_dev(&alice)), "carol");
	/* The same again is none; nor is none, of a domain that goes. */
	sim_xs_put("/local/domain/1/name", "carol");
	bed_run(&bed);
	sim_xs_rm("/local/domain/1/name");
	bed_run(&bed);
	ck_assert_str_eq(bed_calls(&bed), "");
	/* There, it had none. */
	sim_xs_put("/local/domain/1/name", "alice");
	bed_run(&bed);
	ck_assert_str_eq(bed_calls(&bed), "down:1 gone:1 ");
	ck_assert(!sim_xs_exists("/local/domain/0/backend/vmsg/1"));
	sim_xs_put("/local/domain/1/name", "bob");
	bed_run(&bed);
	ck_assert_int_eq(guest_backend_state(&alice), 2);
	guest_fini(&alice);
}
END_TEST

START_TEST(names_that_do_not_comply)
{
	static const char *const names[] = { "a b", "service@alice", "", "\xc3\xa4" };
	char text[200];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	guest_init(&alice, &bed, _i < 4 ? names[_i] : text);
	bed_run(&bed);
	guest_prepare(&alice, GUEST_ORDER);
	guest_connect(&alice);
	ck_assert_str_eq(device_name(guest_dev(&alice)), "");
	device_fail(guest_dev(&alice), "test");
	ck_assert(bed_logged(&bed, "rule=\"test\" (no name): device closed"));
	guest_fini(&alice);
}
END_TEST

START_TEST(name_comes_late)
{
	guest_init(&alice, &bed, "alice");
	sim_xs_rm("/local/domain/1/name");
	bed_run(&bed);
	ck_assert_int_eq(guest_backend_state(&alice), 0);
	sim_xs_put("/local/domain/1/name", "alice");
	bed_run(&bed);
	ck_assert_int_eq(guest_backend_state(&alice), 2);
	guest_fini(&alice);
}
END_TEST

/* Conflicts of transactions are tried again, and do not last for ever. */
START_TEST(transaction_conflicts)
{
	sim_xs_conflict((unsigned int)_i);
	guest_init(&alice, &bed, "alice");
	bed_run(&bed);
	bed_wait(&bed, 5 * SIM_NSEC_PER_SEC);
	ck_assert_int_eq(guest_backend_state(&alice), 2);
	guest_prepare(&alice, GUEST_ORDER);
	guest_put_nodes(&alice);
	sim_xs_conflict((unsigned int)_i);
	guest_state(&alice, 3);
	bed_wait(&bed, 5 * SIM_NSEC_PER_SEC);
	guest_connect(&alice);
	sim_xs_conflict((unsigned int)_i);
	guest_state(&alice, 5);
	bed_wait(&bed, 5 * SIM_NSEC_PER_SEC);
	ck_assert_int_eq(guest_backend_state(&alice), 5);
	sim_xs_conflict((unsigned int)_i);
	sim_domain_destroy(alice.domid);
	bed_run(&bed);
	sim_fail_reset();
	bed_wait(&bed, 2 * SIM_NSEC_PER_SEC);
	guest_fini(&alice);
}
END_TEST

/* Any one call fails for a passing reason: in the end all is as it should be. */
static const enum sim_call fallible[] = {
	SIM_CALL_XS_READ,  SIM_CALL_XS_WRITE,	  SIM_CALL_XS_MKDIR, SIM_CALL_XS_SET_PERMS,
	SIM_CALL_XS_START, SIM_CALL_XS_END,	  SIM_CALL_XS_WATCH, SIM_CALL_XC_GETINFO,
	SIM_CALL_XS_RM,	   SIM_CALL_XS_DIRECTORY,
};
#define NR_FALLIBLE 10

START_TEST(passing_failures)
{
	for (unsigned int n = 1; n < 30; n++) {
		guest_init(&alice, &bed, "alice");
		sim_fail_nth(bed.process, fallible[_i], n, ENOSPC);
		bed_run(&bed);
		bed_wait(&bed, 3 * SIM_NSEC_PER_SEC);
		ck_assert_int_eq(guest_backend_state(&alice), 2);
		guest_prepare(&alice, 0);
		guest_put_nodes(&alice);
		guest_state(&alice, 3);
		bed_wait(&bed, 3 * SIM_NSEC_PER_SEC);
		/* A node that could not be read may have cost the connection, not more. */
		if (guest_backend_state(&alice) == 4) {
			guest_state(&alice, 4);
			bed_wait(&bed, 3 * SIM_NSEC_PER_SEC);
			ck_assert(device_is_up(guest_dev(&alice)));
		}
		sim_fail_reset();
		guest_fini(&alice);
		(void)bed_calls(&bed);
	}
	ck_assert_int_eq(sd_event_get_state(bed.event), SD_EVENT_INITIAL);
}
END_TEST

/* What cannot be removed now is removed later, and nobody is told twice. */
START_TEST(removal_fails)
{
	guest_up(&alice, &bed, "alice");
	for (unsigned int n = 1; n <= 3; n++)
		sim_fail_nth(bed.process, _i ? SIM_CALL_XS_RM : SIM_CALL_XS_START, n, EBUSY);
	sim_domain_destroy(alice.domid);
	bed_run(&bed);
	ck_assert(sim_xs_exists("/local/domain/0/backend/vmsg/1"));
	bed_wait(&bed, 2 * SIM_NSEC_PER_SEC);
	ck_assert(!sim_xs_exists("/local/domain/0/backend/vmsg/1"));
	ck_assert_str_eq(bed_calls(&bed), "down:1 gone:1 ");
	guest_fini(&alice);
}
END_TEST

/* The connection to xenstored is lost: the loop ends with an error. */
START_TEST(xenstored_is_lost)
{
	static const int errors[] = { EBADF, EPIPE, EIO, ENOTCONN, ECONNRESET };
	int code;

	guest_up(&alice, &bed, "alice");
	sim_fail_nth(bed.process, SIM_CALL_XS_READ, 1, errors[_i]);
	guest_state(&alice, 4);
	ck_assert_int_eq(sd_event_get_state(bed.event), SD_EVENT_FINISHED);
	ck_assert_int_eq(sd_event_get_exit_code(bed.event, &code), 0);
	ck_assert_int_eq(code, -ENOTCONN);
	bed_stop(&bed, false);
	guest_fini(&alice);
}
END_TEST

START_TEST(watches_are_lost)
{
	guest_up(&alice, &bed, "alice");
	/* What the library says when its reader has ended. */
	sim_fail_nth(bed.process, SIM_CALL_XS_CHECK_WATCH, 1, EINVAL);
	guest_put(&alice, "state", "4");
	bed_run(&bed);
	ck_assert_int_eq(sd_event_get_state(bed.event), SD_EVENT_FINISHED);
	bed_stop(&bed, false);
	guest_fini(&alice);
}
END_TEST

START_TEST(start_fails)
{
	static const enum sim_call opens[] = { SIM_CALL_GNTTAB_OPEN, SIM_CALL_EVTCHN_OPEN,
					       SIM_CALL_XC_OPEN, SIM_CALL_XS_OPEN,
					       SIM_CALL_XS_WATCH };

	bed_stop(&bed, false);
	for (unsigned int n = 1; n <= (opens[_i] == SIM_CALL_XS_WATCH ? 2 : 1); n++) {
		sim_fail_nth(bed.process, opens[_i], n, EPERM);
		ck_assert_int_eq(bed_try_start(&bed), -EPERM);
	}
	bed_start(&bed);
}
END_TEST

static Suite *domains_suite(void)
{
	Suite *s = suite_create("backend-domains");
	TCase *t = tcase_create("domains");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, hot_plug);
	tcase_add_test(t, many_domains);
	tcase_add_loop_test(t, dies, 0, STATES);
	tcase_add_loop_test(t, nodes_go_first, 0, STATES);
	tcase_add_test(t, nodes_go_while_it_connects);
	tcase_add_loop_test(t, dies_while_a_copy_is_prepared, 0, 2);
	tcase_add_test(t, shutdown_is_no_death);
	tcase_add_test(t, domid_is_reused);
	tcase_add_test(t, not_wanted);
	tcase_add_loop_test(t, names_that_do_not_comply, 0, 5);
	tcase_add_test(t, name_comes_late);
	tcase_add_loop_test(t, transaction_conflicts, 1, 4);
	tcase_add_loop_test(t, transaction_conflicts, 70, 71);
	tcase_add_loop_test(t, passing_failures, 0, NR_FALLIBLE);
	tcase_add_loop_test(t, removal_fails, 0, 2);
	tcase_add_loop_test(t, xenstored_is_lost, 0, 5);
	tcase_add_test(t, watches_are_lost);
	tcase_add_loop_test(t, start_fails, 0, 5);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(domains_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
