// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The simulated Xen: grant copy, with the traps of gntdev.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xengnttab.h>

#include "tests/sim/sim.h"

static domid_t a, b;
static struct sim_process *broker;
static xengnttab_handle *xgt;
static uint32_t src_pfn, dst_pfn, src, dst;
static uint8_t *src_page, *dst_page;

static void setup(void)
{
	sim_init(2);
	a = sim_domain_new("a", SIM_PV);
	b = sim_domain_new("b", SIM_PVH);
	broker = sim_process_new(0, "broker");
	sim_enter(broker);
	xgt = xengnttab_open(NULL, 0);
	src_pfn = sim_page_alloc(a, 1);
	dst_pfn = sim_page_alloc(b, 1);
	src = sim_grant(a, src_pfn, 0, true);
	dst = sim_grant(b, dst_pfn, 0, false);
	src_page = sim_page(a, src_pfn);
	dst_page = sim_page(b, dst_pfn);
	strcpy((char *)src_page, "payload");
}

static void teardown(void)
{
	xengnttab_close(xgt);
	if (sim_domain_state(a) == SIM_DOMAIN_RUNNING)
		sim_revoke(a, src);
	sim_revoke(b, dst);
	sim_assert_clean();
	sim_fini();
}

static xengnttab_grant_copy_segment_t segment(uint16_t src_off, uint16_t dst_off, uint16_t len)
{
	return (xengnttab_grant_copy_segment_t){
		.source.foreign = { .ref = src, .offset = src_off, .domid = a },
		.dest.foreign = { .ref = dst, .offset = dst_off, .domid = b },
		.len = len,
		.flags = GNTCOPY_source_gref | GNTCOPY_dest_gref,
		.status = 77,
	};
}

static int copy_status(xengnttab_grant_copy_segment_t seg)
{
	ck_assert_int_eq(xengnttab_grant_copy(xgt, 1, &seg), 0);
	return seg.status;
}

START_TEST(copies_between_guests)
{
	xengnttab_grant_copy_segment_t seg = segment(3, 100, 4);

	ck_assert_int_eq(copy_status(seg), GNTST_okay);
	ck_assert_mem_eq(dst_page + 100, "load", 4);
	ck_assert_uint_eq(dst_page[104], 0);
	ck_assert_uint_eq(sim_counts(broker)->calls[SIM_CALL_COPY], 1);
	ck_assert_uint_eq(sim_counts(broker)->copy_ops, 1);
	ck_assert_uint_eq(sim_counts(broker)->copy_bytes, 4);
}
END_TEST

START_TEST(statuses)
{
	xengnttab_grant_copy_segment_t seg;
	domid_t other = sim_domain_new("other", SIM_PV);
	uint32_t wrong = sim_grant(a, src_pfn, other, false);

	seg = segment(0, 0, 8);
	seg.source.foreign.domid = 99;
	ck_assert_int_eq(copy_status(seg), GNTST_bad_domain);
	/* Both domains come before the grants. */
	seg = segment(0, 0, 8);
	seg.source.foreign.ref = 512;
	seg.dest.foreign.domid = 99;
	ck_assert_int_eq(copy_status(seg), GNTST_bad_domain);
	seg = segment(0, 0, 8);
	seg.source.foreign.ref = 512;
	ck_assert_int_eq(copy_status(seg), GNTST_bad_gntref);
	seg.source.foreign.ref = 511;
	ck_assert_int_eq(copy_status(seg), GNTST_general_error);
	seg.source.foreign.ref = wrong;
	ck_assert_int_eq(copy_status(seg), GNTST_general_error);
	/* A read-only grant is no destination. */
	seg = segment(0, 0, 8);
	seg.dest.foreign.ref = src;
	seg.dest.foreign.domid = a;
	ck_assert_int_eq(copy_status(seg), GNTST_general_error);
	sim_page_gone(a, src_pfn);
	ck_assert_int_eq(copy_status(segment(0, 0, 8)), GNTST_bad_page);
	ck_assert_uint_eq(dst_page[0], 0);
	sim_revoke(a, wrong);
}
END_TEST

START_TEST(empty_segment_is_okay)
{
	xengnttab_grant_copy_segment_t seg = segment(0, 0, 0);

	seg.source.foreign.ref = 4000000;
	ck_assert_int_eq(copy_status(seg), GNTST_okay);
	ck_assert_uint_eq(sim_counts(broker)->copy_ops, 0);
	ck_assert_uint_eq(sim_counts(broker)->copy_hypercalls, 0);
}
END_TEST

/* The kernel hands over 16 operations at a time; an error keeps the rest. */
START_TEST(bad_bounds_spoil_the_batch)
{
	xengnttab_grant_copy_segment_t segs[21];
	unsigned int i;

	for (i = 0; i < 21; i++)
		segs[i] = segment(0, (uint16_t)(i * 8), 8);
	segs[20].source.foreign.offset = 4090;
	errno = 0;
	ck_assert_int_eq(xengnttab_grant_copy(xgt, 21, segs), -1);
	ck_assert_int_eq(errno, EINVAL);
	for (i = 0; i < 20; i++)
		ck_assert_int_eq(segs[i].status, GNTST_okay);
	ck_assert_int_eq(segs[20].status, 77);
	ck_assert_mem_eq(dst_page + 15 * 8, "payload", 8);
	for (i = 16 * 8; i < 4096; i++)
		ck_assert_uint_eq(dst_page[i], 0);
	ck_assert_uint_eq(sim_counts(broker)->copy_hypercalls, 1);

	segs[0] = segment(0, 4089, 8);
	ck_assert_int_eq(xengnttab_grant_copy(xgt, 1, segs), -1);
	segs[0] = segment(0, 4088, 8);
	ck_assert_int_eq(xengnttab_grant_copy(xgt, 1, segs), 0);
}
END_TEST

START_TEST(batches_of_sixteen)
{
	xengnttab_grant_copy_segment_t segs[40];
	unsigned int i;

	for (i = 0; i < 40; i++)
		segs[i] = segment(0, (uint16_t)(i * 8), 8);
	segs[17].dest.foreign.ref = 300;
	ck_assert_int_eq(xengnttab_grant_copy(xgt, 40, segs), 0);
	for (i = 0; i < 40; i++)
		ck_assert_int_eq(segs[i].status, i == 17 ? GNTST_general_error : GNTST_okay);
	ck_assert_uint_eq(sim_counts(broker)->copy_hypercalls, 3);
	ck_assert_uint_eq(sim_counts(broker)->copy_ops, 40);
}
END_TEST

START_TEST(local_side_may_cross_pages)
{
	xengnttab_grant_copy_segment_t seg = segment(0, 0, 4096);
	uint8_t *local = aligned_alloc(4096, 8192);
	unsigned int i;

	for (i = 0; i < 8192; i++)
		local[i] = (uint8_t)(i * 7);
	seg.flags = GNTCOPY_dest_gref;
	seg.source.virt = local + 100;
	ck_assert_int_eq(copy_status(seg), GNTST_okay);
	ck_assert_mem_eq(dst_page, local + 100, 4096);
	ck_assert_uint_eq(sim_counts(broker)->copy_ops, 2);

	seg = segment(0, 0, 8);
	seg.flags = GNTCOPY_source_gref;
	seg.dest.virt = local;
	ck_assert_int_eq(copy_status(seg), GNTST_okay);
	ck_assert_str_eq((char *)local, "payload");

	seg.flags = 0;
	seg.source.virt = local + 4096;
	ck_assert_int_eq(xengnttab_grant_copy(xgt, 1, &seg), -1);
	ck_assert_int_eq(errno, EINVAL);
	free(local);
}
END_TEST

START_TEST(local_side_is_no_mapping)
{
	xengnttab_grant_copy_segment_t seg = segment(0, 0, 8);
	uint8_t *p = xengnttab_map_grant_ref(xgt, b, dst, PROT_READ | PROT_WRITE);

	seg.flags = GNTCOPY_source_gref;
	seg.dest.virt = p;
	ck_assert_int_eq(xengnttab_grant_copy(xgt, 1, &seg), -1);
	ck_assert_int_eq(errno, EFAULT);
	xengnttab_unmap(xgt, p, 1);
}
END_TEST

START_TEST(dying_sender_gives_a_status)
{
	uint8_t *p;

	p = xengnttab_map_grant_ref(xgt, a, src, PROT_READ);
	sim_domain_destroy(a);
	ck_assert_int_eq(sim_domain_state(a), SIM_DOMAIN_DYING);
	/* The mapped page is still there, but not to be copied. */
	ck_assert_int_eq(copy_status(segment(0, 0, 8)), GNTST_bad_domain);
	ck_assert_str_eq((char *)p, "payload");
	xengnttab_unmap(xgt, p, 1);
	ck_assert_int_eq(sim_domain_state(a), SIM_DOMAIN_GONE);
	ck_assert_int_eq(copy_status(segment(0, 0, 8)), GNTST_bad_domain);
}
END_TEST

START_TEST(unmapped_pages_of_a_zombie_are_gone)
{
	uint32_t pfn = sim_page_alloc(a, 1), pinned = sim_grant(a, pfn, 0, true);
	uint8_t *p = xengnttab_map_grant_ref(xgt, a, pinned, PROT_READ);

	sim_domain_destroy(a);
	ck_assert_int_eq(copy_status(segment(0, 0, 8)), GNTST_bad_page);
	ck_assert_ptr_null(xengnttab_map_grant_ref(xgt, a, src, PROT_READ));
	xengnttab_unmap(xgt, p, 1);
}
END_TEST

START_TEST(injected_failures)
{
	xengnttab_grant_copy_segment_t segs[3];
	uint64_t then = sim_now();
	unsigned int i;

	for (i = 0; i < 3; i++)
		segs[i] = segment(0, (uint16_t)(i * 8), 8);
	sim_fail_copy_op(2, GNTST_general_error);
	ck_assert_int_eq(xengnttab_grant_copy(xgt, 3, segs), 0);
	ck_assert_int_eq(segs[0].status, GNTST_okay);
	ck_assert_int_eq(segs[1].status, GNTST_general_error);
	ck_assert_int_eq(segs[2].status, GNTST_okay);
	ck_assert_uint_eq(dst_page[8], 0);

	sim_fail_copy_eagain(1);
	ck_assert_int_eq(copy_status(segment(0, 0, 8)), GNTST_bad_page);
	ck_assert_uint_gt(sim_now() - then, 30 * SIM_NSEC_PER_SEC);

	sim_fail_nth(NULL, SIM_CALL_COPY, 1, ENOMEM);
	segs[0].status = 77;
	ck_assert_int_eq(xengnttab_grant_copy(xgt, 1, segs), -1);
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_int_eq(segs[0].status, 77);
}
END_TEST

START_TEST(copy_is_brokered_under_silo)
{
	sim_config()->silo = true;
	ck_assert_int_eq(copy_status(segment(0, 0, 8)), GNTST_okay);
}
END_TEST

static Suite *copy_suite(void)
{
	Suite *s = suite_create("sim-copy");
	TCase *t = tcase_create("copy");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, copies_between_guests);
	tcase_add_test(t, statuses);
	tcase_add_test(t, empty_segment_is_okay);
	tcase_add_test(t, bad_bounds_spoil_the_batch);
	tcase_add_test(t, batches_of_sixteen);
	tcase_add_test(t, local_side_may_cross_pages);
	tcase_add_test(t, local_side_is_no_mapping);
	tcase_add_test(t, dying_sender_gives_a_status);
	tcase_add_test(t, unmapped_pages_of_a_zombie_are_gone);
	tcase_add_test(t, injected_failures);
	tcase_add_test(t, copy_is_brokered_under_silo);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(copy_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
