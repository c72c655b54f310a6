// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The simulated Xen: mapping and sharing grants.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#include "tests/sim/sim.h"

static domid_t guest;
static struct sim_process *broker, *front;
static xengnttab_handle *xgt;
static xengntshr_handle *xgs;

static void setup(void)
{
	sim_init(1);
	guest = sim_domain_new("guest", SIM_PVH);
	broker = sim_process_new(0, "broker");
	front = sim_process_new(guest, "front");
	sim_enter(broker);
	xgt = xengnttab_open(NULL, 0);
	sim_enter(front);
	xgs = xengntshr_open(NULL, 0);
	sim_enter(NULL);
}

static void teardown(void)
{
	xengnttab_close(xgt);
	xengntshr_close(xgs);
	sim_assert_clean();
	sim_fini();
}

/* What the access does to a process: 0, or the signal that kills it. */
static int signal_of(volatile uint8_t *p, bool write)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		/* Plain death, without a sanitizer's report. */
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		if (write)
			*p = 1;
		else
			(void)*p;
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

START_TEST(map_shows_the_page)
{
	uint32_t pfn = sim_page_alloc(guest, 1);
	uint32_t gref = sim_grant(guest, pfn, 0, false);
	uint8_t *p;

	ck_assert_uint_eq(gref, 8);
	strcpy(sim_page(guest, pfn), "hello");
	p = xengnttab_map_grant_ref(xgt, guest, gref, PROT_READ | PROT_WRITE);
	ck_assert_ptr_nonnull(p);
	ck_assert_str_eq((char *)p, "hello");
	p[0] = 'j';
	ck_assert_str_eq(sim_page(guest, pfn), "jello");
	ck_assert_uint_eq(sim_gref_maps(guest, gref), 1);
	ck_assert_uint_eq(sim_mapped_pages(guest), 1);
	ck_assert_int_eq(sim_revoke(guest, gref), -EBUSY);
	ck_assert_int_eq(xengnttab_unmap(xgt, p, 1), 0);
	ck_assert_int_eq(signal_of(p, false), SIGSEGV);
	ck_assert_int_eq(sim_revoke(guest, gref), 0);
	ck_assert_int_eq(sim_revoke(guest, gref), -EINVAL);
	ck_assert_ptr_null(sim_gref_page(guest, gref));
	sim_page_free(guest, pfn, 1);
}
END_TEST

START_TEST(readonly_faults_on_write)
{
	uint32_t pfn = sim_page_alloc(guest, 1);
	uint32_t ro = sim_grant(guest, pfn, 0, true);
	uint8_t *p;

	ck_assert_ptr_null(xengnttab_map_grant_ref(xgt, guest, ro, PROT_READ | PROT_WRITE));
	ck_assert_int_eq(errno, EINVAL);
	p = xengnttab_map_grant_ref(xgt, guest, ro, PROT_READ);
	ck_assert_ptr_nonnull(p);
	ck_assert_int_eq(signal_of(p, false), 0);
	ck_assert_int_eq(signal_of(p, true), SIGSEGV);
	/* Beyond both ends there is nothing. */
	ck_assert_int_eq(signal_of(p - 1, false), SIGSEGV);
	ck_assert_int_eq(signal_of(p + SIM_PAGE_SIZE, false), SIGSEGV);
	xengnttab_unmap(xgt, p, 1);
	sim_revoke(guest, ro);
}
END_TEST

START_TEST(map_is_all_or_nothing)
{
	uint32_t pfn = sim_page_alloc(guest, 3), refs[4], domids[3];
	unsigned int i;
	uint8_t *p;

	/* Scattered on purpose. */
	for (i = 0; i < 3; i++)
		refs[i] = sim_grant(guest, pfn + 2 - i, 0, false);
	refs[3] = 700;
	for (i = 0; i < 3; i++)
		*(uint8_t *)sim_page(guest, pfn + i) = (uint8_t)(i + 1);

	ck_assert_ptr_null(xengnttab_map_domain_grant_refs(xgt, 4, guest, refs, PROT_READ));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_uint_eq(sim_mapped_pages(guest), 0);

	p = xengnttab_map_domain_grant_refs(xgt, 3, guest, refs, PROT_READ);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(p[0], 3);
	ck_assert_uint_eq(p[SIM_PAGE_SIZE], 2);
	ck_assert_uint_eq(p[2 * SIM_PAGE_SIZE], 1);
	/* Only the whole can be unmapped. */
	ck_assert_int_eq(xengnttab_unmap(xgt, p, 2), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(xengnttab_unmap(xgt, p + SIM_PAGE_SIZE, 2), -1);
	ck_assert_int_eq(xengnttab_unmap(xgt, NULL, 3), -1);
	ck_assert_int_eq(xengnttab_unmap(xgt, p, 3), 0);
	ck_assert_int_eq(xengnttab_unmap(xgt, p, 3), -1);

	for (i = 0; i < 3; i++)
		domids[i] = guest;
	p = xengnttab_map_grant_refs(xgt, 3, domids, refs, PROT_READ);
	ck_assert_ptr_nonnull(p);
	xengnttab_unmap(xgt, p, 3);
	domids[2] = 99;
	ck_assert_ptr_null(xengnttab_map_grant_refs(xgt, 3, domids, refs, PROT_READ));
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(sim_revoke(guest, refs[i]), 0);
}
END_TEST

START_TEST(grant_names_one_domain)
{
	domid_t other = sim_domain_new("other", SIM_PV);
	uint32_t pfn = sim_page_alloc(guest, 1);
	uint32_t gref = sim_grant(guest, pfn, other, false);

	ck_assert_ptr_null(xengnttab_map_grant_ref(xgt, guest, gref, PROT_READ));
	ck_assert_ptr_null(xengnttab_map_grant_ref(xgt, 77, gref, PROT_READ));
	sim_revoke(guest, gref);
}
END_TEST

START_TEST(grefs_are_reused_last_first)
{
	uint32_t pfn = sim_page_alloc(guest, 1), a, b, c;

	a = sim_grant(guest, pfn, 0, false);
	b = sim_grant(guest, pfn, 0, false);
	c = sim_grant(guest, pfn, 0, false);
	ck_assert_uint_eq(a, 8);
	ck_assert_uint_eq(c, 10);
	sim_revoke(guest, a);
	sim_revoke(guest, b);
	ck_assert_uint_eq(sim_grant(guest, pfn, 0, false), b);
	ck_assert_uint_eq(sim_grant(guest, pfn, 0, false), a);
	ck_assert_uint_eq(sim_grant(guest, pfn, 0, false), 11);
	ck_assert_uint_eq(sim_grants(guest), 4);
	for (a = 8; a < 12; a++)
		sim_revoke(guest, a);
}
END_TEST

START_TEST(table_is_finite)
{
	uint32_t pfn = sim_page_alloc(guest, 1), gref, last = 0, count = 0;

	sim_config()->grant_entries = 1024;
	while ((gref = sim_grant(guest, pfn, 0, true)) != SIM_NO_GREF) {
		last = gref;
		count++;
	}
	ck_assert_uint_eq(last, 1023);
	ck_assert_uint_eq(count, 1024 - 8);
	for (gref = 8; gref < 1024; gref++)
		ck_assert_int_eq(sim_revoke(guest, gref), 0);
}
END_TEST

START_TEST(maptrack_is_finite)
{
	uint32_t pfn = sim_page_alloc(guest, 3), refs[3];
	unsigned int i;
	uint8_t *p;

	for (i = 0; i < 3; i++)
		refs[i] = sim_grant(guest, pfn + i, 0, false);
	/* The mapper is PV: two handles a page. */
	sim_config()->maptrack_handles = 5;
	ck_assert_ptr_null(xengnttab_map_domain_grant_refs(xgt, 3, guest, refs, PROT_READ));
	p = xengnttab_map_domain_grant_refs(xgt, 2, guest, refs, PROT_READ);
	ck_assert_ptr_nonnull(p);
	ck_assert_ptr_null(xengnttab_map_grant_ref(xgt, guest, refs[2], PROT_READ));
	xengnttab_unmap(xgt, p, 2);
	sim_config()->map_pages_max = 2;
	ck_assert_ptr_null(xengnttab_map_domain_grant_refs(xgt, 3, guest, refs, PROT_READ));
	for (i = 0; i < 3; i++)
		sim_revoke(guest, refs[i]);
}
END_TEST

START_TEST(share_gives_zeroed_pages)
{
	uint32_t refs[2];
	uint8_t *p, *q;

	p = xengntshr_share_pages(xgs, 0, 2, refs, 1);
	ck_assert_ptr_nonnull(p);
	memset(p, 0xaa, 2 * SIM_PAGE_SIZE);
	q = xengnttab_map_domain_grant_refs(xgt, 2, guest, refs, PROT_READ | PROT_WRITE);
	ck_assert_uint_eq(q[SIM_PAGE_SIZE], 0xaa);
	xengnttab_unmap(xgt, q, 2);
	ck_assert_int_eq(xengntshr_unshare(xgs, p, 2), 0);
	ck_assert_int_eq(signal_of(p, true), SIGSEGV);

	p = xengntshr_share_pages(xgs, 0, 2, refs, 0);
	ck_assert_uint_eq(p[0], 0);
	ck_assert_uint_eq(p[2 * SIM_PAGE_SIZE - 1], 0);
	/* Granted read-only, though the owner writes. */
	p[0] = 1;
	ck_assert_ptr_null(xengnttab_map_grant_ref(xgt, guest, refs[0], PROT_READ | PROT_WRITE));
	q = xengnttab_map_grant_ref(xgt, guest, refs[0], PROT_READ);
	ck_assert_uint_eq(q[0], 1);
	xengnttab_unmap(xgt, q, 1);
	xengntshr_unshare(xgs, p, 2);
}
END_TEST

START_TEST(gntalloc_is_limited_per_domain)
{
	uint32_t refs[1024];
	uint8_t *p, *q;
	xengntshr_handle *second;

	p = xengntshr_share_pages(xgs, 0, 1000, refs, 1);
	ck_assert_ptr_nonnull(p);
	sim_enter(front);
	second = xengntshr_open(NULL, 0);
	ck_assert_ptr_null(xengntshr_share_pages(second, 0, 25, refs + 1000, 1));
	ck_assert_int_eq(errno, ENOSPC);
	q = xengntshr_share_pages(second, 0, 24, refs + 1000, 1);
	ck_assert_ptr_nonnull(q);
	xengntshr_unshare(second, q, 24);
	xengntshr_close(second);
	xengntshr_unshare(xgs, p, 1000);
	ck_assert_ptr_null(xengntshr_share_pages(xgs, 0, 0, refs, 1));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(sharing_outlives_its_handle)
{
	uint32_t ref;
	uint8_t *p;

	p = xengntshr_share_pages(xgs, 0, 1, &ref, 1);
	xengntshr_close(xgs);
	p[0] = 3;
	ck_assert_uint_eq(*(uint8_t *)sim_gref_page(guest, ref), 3);
	sim_enter(front);
	xgs = xengntshr_open(NULL, 0);
	ck_assert_int_eq(xengntshr_unshare(xgs, p, 1), 0);
	ck_assert_ptr_null(sim_gref_page(guest, ref));
}
END_TEST

START_TEST(busy_share_is_deferred)
{
	uint32_t refs[12];
	uint8_t *p, *q;
	unsigned int i;

	p = xengntshr_share_pages(xgs, 0, 12, refs, 1);
	strcpy((char *)p, "still here");
	q = xengnttab_map_domain_grant_refs(xgt, 12, guest, refs, PROT_READ);
	xengntshr_unshare(xgs, p, 12);
	ck_assert_str_eq((char *)q, "still here");
	ck_assert_uint_eq(sim_grants(guest), 12);
	sim_advance(5 * SIM_NSEC_PER_SEC);
	ck_assert_uint_eq(sim_grants(guest), 12);
	xengnttab_unmap(xgt, q, 12);
	/* Ten a second. */
	ck_assert_uint_eq(sim_grants(guest), 12);
	sim_advance(SIM_NSEC_PER_SEC);
	ck_assert_uint_eq(sim_grants(guest), 2);
	sim_advance(SIM_NSEC_PER_SEC);
	ck_assert_uint_eq(sim_grants(guest), 0);
	for (i = 0; i < 12; i++)
		ck_assert_ptr_null(sim_gref_page(guest, refs[i]));
}
END_TEST

START_TEST(unmap_notifies)
{
	xenevtchn_handle *bx, *fx;
	uint32_t pfn = sim_page_alloc(guest, 1), gref = sim_grant(guest, pfn, 0, false);
	uint32_t ro = sim_grant(guest, pfn, 0, true);
	uint8_t *page = sim_page(guest, pfn), *p;
	int theirs, ours;

	sim_enter(front);
	fx = xenevtchn_open(NULL, 0);
	theirs = xenevtchn_bind_unbound_port(fx, 0);
	sim_enter(broker);
	bx = xenevtchn_open(NULL, 0);
	ours = xenevtchn_bind_interdomain(bx, guest, (evtchn_port_t)theirs);
	ck_assert_int_gt(ours, 0);

	ck_assert_ptr_null(
		xengnttab_map_grant_ref_notify(xgt, guest, ro, PROT_READ, 5, UINT32_MAX));
	ck_assert_ptr_null(
		xengnttab_map_grant_ref_notify(xgt, guest, gref, PROT_READ | PROT_WRITE, 5, 999));
	p = xengnttab_map_grant_ref_notify(xgt, guest, gref, PROT_READ | PROT_WRITE, 5,
					   (evtchn_port_t)ours);
	ck_assert_ptr_nonnull(p);
	memset(page, 0x55, 8);

	/* The notification keeps the port open. */
	ck_assert_int_eq(xenevtchn_unbind(bx, (evtchn_port_t)ours), 0);
	ck_assert_int_eq(sim_port_state(0, (uint32_t)ours), SIM_PORT_BOUND);
	ck_assert_int_eq(xengnttab_unmap(xgt, p, 1), 0);
	ck_assert_uint_eq(page[4], 0x55);
	ck_assert_uint_eq(page[5], 0);
	ck_assert_uint_eq(page[6], 0x55);
	ck_assert_int_eq(sim_port_state(0, (uint32_t)ours), SIM_PORT_FREE);
	ck_assert_int_eq(xenevtchn_pending(fx), theirs);
	ck_assert_int_eq(xenevtchn_pending(fx), -1);
	xenevtchn_close(fx);
	xenevtchn_close(bx);
	sim_revoke(guest, gref);
	sim_revoke(guest, ro);
}
END_TEST

START_TEST(unshare_notifies)
{
	xenevtchn_handle *bx, *fx;
	uint32_t ref;
	uint8_t *p, *q;
	int theirs, ours;

	sim_enter(front);
	fx = xenevtchn_open(NULL, 0);
	theirs = xenevtchn_bind_unbound_port(fx, 0);
	sim_enter(broker);
	bx = xenevtchn_open(NULL, 0);
	ours = xenevtchn_bind_interdomain(bx, guest, (evtchn_port_t)theirs);
	ck_assert_int_eq(xenevtchn_pending(bx), ours);
	xenevtchn_unmask(bx, (evtchn_port_t)ours);

	p = xengntshr_share_page_notify(xgs, 0, &ref, 1, 7, (evtchn_port_t)theirs);
	ck_assert_ptr_nonnull(p);
	p[7] = 1;
	q = xengnttab_map_grant_ref(xgt, guest, ref, PROT_READ);
	xengntshr_unshare(xgs, p, 1);
	ck_assert_uint_eq(q[7], 0);
	ck_assert_int_eq(xenevtchn_pending(bx), ours);
	xengnttab_unmap(xgt, q, 1);
	xenevtchn_close(fx);
	xenevtchn_close(bx);
}
END_TEST

START_TEST(mapping_outlives_its_handle)
{
	uint32_t pfn = sim_page_alloc(guest, 1), gref = sim_grant(guest, pfn, 0, false);
	uint8_t *p = xengnttab_map_grant_ref(xgt, guest, gref, PROT_READ | PROT_WRITE);
	char *leaks;

	xengnttab_close(xgt);
	p[0] = 9;
	ck_assert_uint_eq(*(uint8_t *)sim_page(guest, pfn), 9);
	leaks = sim_leaks();
	ck_assert_ptr_nonnull(leaks);
	ck_assert_ptr_nonnull(strstr(leaks, "process broker (d0): 1 pages mapped"));
	free(leaks);
	sim_enter(broker);
	xgt = xengnttab_open(NULL, 0);
	/* Gone, but not by the handle that made it. */
	ck_assert_int_eq(xengnttab_unmap(xgt, p, 1), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(sim_revoke(guest, gref), 0);
}
END_TEST

/* A program puts memory of its own in the place of a mapping: _i: on PV. */
START_TEST(mapping_is_replaced)
{
	domid_t other = sim_domain_new("other", _i ? SIM_PV : SIM_PVH);
	struct sim_process *mapper = sim_process_new(other, "mapper");
	uint32_t refs[3];
	uint8_t *shared, *p, *copy;
	xengnttab_handle *h;

	shared = xengntshr_share_pages(xgs, other, 3, refs, 0);
	strcpy((char *)shared + 2 * SIM_PAGE_SIZE, "theirs");
	sim_enter(mapper);
	h = xengnttab_open(NULL, 0);
	p = xengnttab_map_domain_grant_refs(h, 3, guest, refs, PROT_READ);
	ck_assert_str_eq((char *)p + 2 * SIM_PAGE_SIZE, "theirs");
	copy = mmap(NULL, 3 * SIM_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	strcpy((char *)copy + 2 * SIM_PAGE_SIZE, "mine");
	ck_assert_ptr_eq(mremap(copy, 3 * SIM_PAGE_SIZE, 3 * SIM_PAGE_SIZE,
				MREMAP_MAYMOVE | MREMAP_FIXED, p),
			 p);
	ck_assert_str_eq((char *)p + 2 * SIM_PAGE_SIZE, "mine");
	ck_assert_uint_eq(sim_gref_maps(guest, refs[2]), _i ? 0 : 1);
	xengnttab_close(h);
	ck_assert_uint_eq(sim_gref_maps(guest, refs[2]), 0);
	ck_assert_str_eq((char *)p + 2 * SIM_PAGE_SIZE, "mine");
	munmap(p, 3 * SIM_PAGE_SIZE);
	xengntshr_unshare(xgs, shared, 3);
}
END_TEST

START_TEST(silo_denies_guest_to_guest)
{
	domid_t other = sim_domain_new("other", SIM_PVH);
	struct sim_process *process = sim_process_new(other, "peer");
	uint32_t pfn = sim_page_alloc(guest, 1), direct = sim_grant(guest, pfn, other, false);
	uint32_t brokered = sim_grant(guest, pfn, 0, false);
	xengnttab_handle *peer;
	uint8_t *p;

	sim_config()->silo = true;
	sim_enter(process);
	peer = xengnttab_open(NULL, 0);
	ck_assert_ptr_null(xengnttab_map_grant_ref(peer, guest, direct, PROT_READ));
	sim_config()->silo = false;
	p = xengnttab_map_grant_ref(peer, guest, direct, PROT_READ);
	ck_assert_ptr_nonnull(p);
	xengnttab_unmap(peer, p, 1);
	sim_config()->silo = true;
	p = xengnttab_map_grant_ref(xgt, guest, brokered, PROT_READ);
	ck_assert_ptr_nonnull(p);
	xengnttab_unmap(xgt, p, 1);
	xengnttab_close(peer);
	sim_revoke(guest, direct);
	sim_revoke(guest, brokered);
}
END_TEST

static Suite *grant_suite(void)
{
	Suite *s = suite_create("sim-grant");
	TCase *t = tcase_create("grant");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, map_shows_the_page);
	tcase_add_test(t, readonly_faults_on_write);
	tcase_add_test(t, map_is_all_or_nothing);
	tcase_add_test(t, grant_names_one_domain);
	tcase_add_test(t, grefs_are_reused_last_first);
	tcase_add_test(t, table_is_finite);
	tcase_add_test(t, maptrack_is_finite);
	tcase_add_test(t, share_gives_zeroed_pages);
	tcase_add_test(t, gntalloc_is_limited_per_domain);
	tcase_add_test(t, sharing_outlives_its_handle);
	tcase_add_test(t, busy_share_is_deferred);
	tcase_add_test(t, unmap_notifies);
	tcase_add_test(t, unshare_notifies);
	tcase_add_test(t, mapping_outlives_its_handle);
	tcase_add_loop_test(t, mapping_is_replaced, 0, 2);
	tcase_add_test(t, silo_denies_guest_to_guest);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(grant_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
