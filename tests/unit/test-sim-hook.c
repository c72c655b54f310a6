// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The simulated Xen: what happens at a given call, or between two accesses to
 * shared memory.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#include "tests/sim/sim.h"

static domid_t guest;
static struct sim_process *broker, *front;
static xengnttab_handle *xgt;
static xengntshr_handle *xgs;
static uint32_t refs[2];
static uint8_t *shared_area, *mapped_area;
/* The same, for accesses that shall be made one by one. */
static volatile uint8_t *shared, *mapped;

static void setup(void)
{
	sim_init(9);
	guest = sim_domain_new("guest", SIM_PVH);
	broker = sim_process_new(0, "broker");
	front = sim_process_new(guest, "front");
	sim_enter(front);
	xgs = xengntshr_open(NULL, 0);
	shared_area = xengntshr_share_pages(xgs, 0, 2, refs, 1);
	sim_enter(broker);
	xgt = xengnttab_open(NULL, 0);
	mapped_area = xengnttab_map_domain_grant_refs(xgt, 2, guest, refs, PROT_READ | PROT_WRITE);
	ck_assert_ptr_nonnull(mapped_area);
	shared = shared_area;
	mapped = mapped_area;
}

static void teardown(void)
{
	xengnttab_unmap(xgt, mapped_area, 2);
	xengnttab_close(xgt);
	xengntshr_unshare(xgs, shared_area, 2);
	xengntshr_close(xgs);
	sim_assert_clean();
	sim_fini();
}

/* Die in the middle of a copy, at each byte. */
START_TEST(kill_at_store)
{
	int i;

	if (!sim_kill_at_store(broker, (unsigned int)_i + 1))
		return;
	for (i = 0; i < 8; i++)
		mapped[100 + i] = (uint8_t)(0xa0 + i);
	ck_assert_int_eq(sim_process_dead(broker), _i < 8);
	for (i = 0; i < 8; i++) {
		ck_assert_uint_eq(mapped[100 + i], 0xa0 + i);
		ck_assert_uint_eq(shared[100 + i], i < _i ? 0xa0 + i : 0);
	}
	/* Loads do not count; and it can be called off. */
	sim_kill_at_store(front, 1);
	i = shared[100];
	sim_kill_at_store(front, 0);
	shared[0] = (uint8_t)i;
	ck_assert(!sim_process_dead(front));
}
END_TEST

/* The same with a copy of many bytes an instruction, over a page boundary. */
START_TEST(kill_in_memcpy)
{
	static uint8_t data[SIM_PAGE_SIZE];
	unsigned int n = (unsigned int)_i * 37 + 1, done;

	memset(data, 0x5a, sizeof(data));
	if (!sim_kill_at_store(broker, n))
		return;
	memcpy(mapped_area + 2000, data, sizeof(data));
	ck_assert_mem_eq(mapped_area + 2000, data, sizeof(data));
	for (done = 0; done < sizeof(data) && shared[2000 + done]; done++)
		;
	if (sim_process_dead(broker))
		ck_assert_uint_lt(done, sizeof(data));
	else
		ck_assert_uint_eq(done, sizeof(data));
	sim_kill_at_store(broker, 0);
}
END_TEST

static void flip(void *arg)
{
	uint8_t *page = sim_gref_page(guest, refs[0]);

	page[0] ^= 1;
	(*(unsigned int *)arg)++;
}

/* A peer that changes a byte between two looks at it. */
START_TEST(double_fetch)
{
	unsigned int flips = 0;
	uint8_t first, second;

	if (!sim_at_access(broker, SIM_ACCESSES, 2, flip, &flips))
		return;
	first = mapped[0];
	second = mapped[0];
	ck_assert_uint_eq(first, 0);
	ck_assert_uint_eq(second, 1);
	ck_assert_uint_eq(flips, 1);
	/* Stores count too, in memory that is mapped meanwhile as well. */
	ck_assert(sim_at_access(front, SIM_ACCESSES, 3, flip, &flips));
	first = shared[0];
	shared[1] = first;
	ck_assert_uint_eq(shared[0], 0);
	ck_assert_uint_eq(flips, 2);
}
END_TEST

START_TEST(access_to_new_mappings)
{
	uint32_t pfn = sim_page_alloc(guest, 1), gref = sim_grant(guest, pfn, 0, true);
	unsigned int flips = 0;
	uint8_t *p;

	if (!sim_at_access(broker, SIM_ACCESSES, 2, flip, &flips))
		return;
	p = xengnttab_map_grant_ref(xgt, guest, gref, PROT_READ);
	ck_assert_uint_eq(*(volatile uint8_t *)p, 0);
	ck_assert_uint_eq(flips, 0);
	ck_assert_uint_eq(*(volatile uint8_t *)p, 0);
	ck_assert_uint_eq(flips, 1);
	xengnttab_unmap(xgt, p, 1);
	sim_revoke(guest, gref);
}
END_TEST

static void destroy_guest(void *arg)
{
	(void)arg;
	sim_domain_destroy(guest);
}

START_TEST(guest_dies_at_a_call)
{
	enum sim_when when = _i ? SIM_AFTER : SIM_BEFORE;
	uint32_t pfn = sim_page_alloc(guest, 1), gref = sim_grant(guest, pfn, 0, true);
	xengnttab_grant_copy_segment_t seg = {
		.source.foreign = { .ref = gref, .domid = guest },
		.len = 4,
		.flags = GNTCOPY_source_gref,
	};
	char buf[4];

	memcpy(sim_page(guest, pfn), "data", 4);
	seg.dest.virt = buf;
	sim_at_call(broker, SIM_CALL_COPY, 2, when, destroy_guest, NULL);
	ck_assert_int_eq(xengnttab_grant_copy(xgt, 1, &seg), 0);
	ck_assert_int_eq(sim_domain_state(guest), SIM_DOMAIN_RUNNING);
	/* The call itself succeeds, with a status as at that moment. */
	ck_assert_int_eq(xengnttab_grant_copy(xgt, 1, &seg), 0);
	ck_assert_int_eq(seg.status, when == SIM_BEFORE ? GNTST_bad_page : GNTST_okay);
	ck_assert_int_eq(sim_domain_state(guest), SIM_DOMAIN_DYING);
	ck_assert(sim_process_dead(front));
}
END_TEST

static unsigned int nested;

/* A hook may call, and have a hook of its own. */
static void call_again(void *arg)
{
	nested++;
	if (nested < 3)
		sim_at_call(NULL, SIM_CALL_EVTCHN_OPEN, 1, SIM_AFTER, call_again, arg);
	sim_enter(front);
	xenevtchn_close(xenevtchn_open(NULL, 0));
	sim_enter(broker);
}

START_TEST(hooks_nest)
{
	xenevtchn_handle *xce;

	sim_at_call(NULL, SIM_CALL_ANY, 1, SIM_AFTER, call_again, NULL);
	sim_at_call(front, SIM_CALL_ANY, 100, SIM_AFTER, call_again, NULL);
	xce = xenevtchn_open(NULL, 0);
	ck_assert_ptr_nonnull(xce);
	ck_assert_uint_eq(nested, 3);
	xenevtchn_close(xce);
}
END_TEST

static void kill_broker(void *arg)
{
	(void)arg;
	sim_process_kill(broker);
}

START_TEST(hook_may_kill_the_caller)
{
	sim_at_call(NULL, SIM_CALL_ANY, 1, _i ? SIM_AFTER : SIM_BEFORE, kill_broker, NULL);
	ck_assert_ptr_null(xenevtchn_open(NULL, 0));
	ck_assert_int_eq(errno, SIM_DEAD_ERRNO);
}
END_TEST

static Suite *hook_suite(void)
{
	Suite *s = suite_create("sim-hook");
	TCase *t = tcase_create("hook");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, kill_at_store, 0, 10);
	tcase_add_loop_test(t, kill_in_memcpy, 0, 20);
	tcase_add_test(t, double_fetch);
	tcase_add_test(t, access_to_new_mappings);
	tcase_add_loop_test(t, guest_dies_at_a_call, 0, 2);
	tcase_add_test(t, hooks_nest);
	tcase_add_loop_test(t, hook_may_kill_the_caller, 0, 2);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(hook_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
