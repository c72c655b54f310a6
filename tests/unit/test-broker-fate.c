// SPDX-License-Identifier: GPL-2.0-or-later
/* What the broker can learn of a domain that dies, from the backend. */
#include "tests/unit/backend-guest.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <xengnttab.h>

static struct bed bed;
static struct guest alice;

static void setup(void)
{
	bed_init(&bed);
	bed_start(&bed);
	guest_up(&alice, &bed, "alice");
}

static void teardown(void)
{
	bed_fini(&bed);
}

START_TEST(alive_and_gone)
{
	ck_assert_int_eq(backend_domain_fate(bed.b, alice.domid), DOMAIN_ALIVE);
	ck_assert_int_eq(backend_domain_fate(bed.b, 17), DOMAIN_GONE);
	guest_fini(&alice);
	ck_assert_int_eq(backend_domain_fate(bed.b, alice.domid), DOMAIN_GONE);
}
END_TEST

/* Somebody has a page of it mapped. */
START_TEST(dying)
{
	domid_t bob = sim_domain_new("bob", SIM_PVH), domid = alice.domid;
	struct sim_process *receiver = sim_process_new(bob, "receiver");
	xengnttab_handle *xgt;
	uint32_t ref;
	void *page;

	ref = sim_grant(domid, sim_page_alloc(domid, 1), bob, true);
	sim_enter(receiver);
	xgt = xengnttab_open(NULL, 0);
	ck_assert_ptr_nonnull(xgt);
	page = xengnttab_map_grant_ref(xgt, domid, ref, PROT_READ);
	ck_assert_ptr_nonnull(page);
	sim_enter(bed.process);
	sim_domain_destroy(domid);
	bed_run(&bed);
	ck_assert_int_eq(backend_domain_fate(bed.b, domid), DOMAIN_DYING);
	sim_enter(receiver);
	xengnttab_unmap(xgt, page, 1);
	xengnttab_close(xgt);
	sim_enter(bed.process);
	ck_assert_int_eq(backend_domain_fate(bed.b, domid), DOMAIN_GONE);
	sim_process_free(receiver);
	sim_domain_destroy(bob);
	guest_fini(&alice);
}
END_TEST

/* Who cannot be asked says nothing that would end a report too early. */
START_TEST(no_answer)
{
	sim_fail_nth(bed.process, SIM_CALL_XC_GETINFO, 1, EPERM);
	ck_assert_int_eq(backend_domain_fate(bed.b, alice.domid), DOMAIN_DYING);
	ck_assert_int_eq(backend_domain_fate(bed.b, alice.domid), DOMAIN_ALIVE);
	guest_fini(&alice);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("broker-fate");
	TCase *t = tcase_create("fate");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, alive_and_gone);
	tcase_add_test(t, dying);
	tcase_add_test(t, no_answer);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
