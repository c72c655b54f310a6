// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * TX and RX pools: their life, what is refused, and the budget of mapped pages
 * that they share.
 */
#include "tests/unit/backend-guest.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

static struct bed bed;
static struct guest alice, bob;

static void setup(void)
{
	bed_init(&bed);
	bed_start(&bed);
	guest_up(&alice, &bed, "alice");
	guest_up(&bob, &bed, "bob");
}

static void teardown(void)
{
	guest_fini(&alice);
	guest_fini(&bob);
	bed_fini(&bed);
}

/* A good one, its directory and pages included. */
static struct vmsgif_pool pool_of(struct guest *g, uint16_t type, uint32_t nr)
{
	void *pages;

	return (struct vmsgif_pool){
		.type = type,
		.nr_pages = nr,
		.ref = guest_pool(g, nr, false, &pages, NULL),
	};
}

static int add(struct guest *g, const struct vmsgif_pool *pool)
{
	return device_pool_add(guest_dev(g), pool);
}

static unsigned int mapped(void)
{
	struct backend_stats stats;

	backend_stats_get(bed.b, &stats);
	return stats.mapped_pages;
}

/* What rings take. */
#define RINGS (2 * 2 * 8)

START_TEST(life)
{
	struct vmsgif_pool tx = pool_of(&alice, VMSGIF_POOL_TX, 5);
	struct vmsgif_pool rx = pool_of(&alice, VMSGIF_POOL_RX, 7);

	ck_assert_uint_eq(device_pool_pages(guest_dev(&alice), VMSGIF_POOL_TX), 0);
	ck_assert_int_eq(add(&alice, &tx), 0);
	ck_assert_int_eq(add(&alice, &rx), 0);
	ck_assert_int_eq(add(&alice, &rx), VMSGIF_EADDRINUSE);
	ck_assert_uint_eq(device_pool_pages(guest_dev(&alice), VMSGIF_POOL_TX), 5);
	ck_assert_uint_eq(device_pool_pages(guest_dev(&alice), VMSGIF_POOL_RX), 7);
	ck_assert_uint_eq(device_pool_pages(guest_dev(&bob), VMSGIF_POOL_RX), 0);
	ck_assert_uint_eq(mapped(), RINGS + 12);
	ck_assert_int_eq(device_pool_del(guest_dev(&alice), VMSGIF_POOL_RX), 0);
	ck_assert_uint_eq(mapped(), RINGS + 5);
	ck_assert_int_eq(device_pool_del(guest_dev(&alice), VMSGIF_POOL_RX), VMSGIF_EINVAL);
	ck_assert_int_eq(add(&alice, &rx), 0);
	/* A closed device keeps nothing. */
	guest_state(&alice, 5);
	ck_assert_uint_eq(mapped(), RINGS / 2);
	ck_assert_int_eq(add(&alice, &rx), VMSGIF_EINVAL);
}
END_TEST

/* Pools to map are the broker's matter. */
START_TEST(of_no_such_type)
{
	struct vmsgif_pool pool = pool_of(&bob, VMSGIF_POOL_MAP, 1);

	ck_assert_int_eq(add(&bob, &pool), VMSGIF_EINVAL);
	ck_assert_int_eq(device_pool_del(guest_dev(&bob), VMSGIF_POOL_MAP), VMSGIF_EINVAL);
	ck_assert_uint_eq(device_pool_pages(guest_dev(&bob), VMSGIF_POOL_MAP), 0);
	ck_assert_uint_eq(device_pool_pages(guest_dev(&bob), 0), 0);
}
END_TEST

START_TEST(bad_directories)
{
	struct vmsgif_pool pool = pool_of(&bob, VMSGIF_POOL_RX, 4);
	uint32_t *directory = sim_gref_page(bob.domid, pool.ref);
	struct vmsgif_pool none = pool;
	void *pages;

	none.ref = 32000;
	ck_assert_int_eq(add(&bob, &none), VMSGIF_EFAULT);
	ck_assert(bed_logged(&bed, "domain=2 rule=\"directory cannot be read\""));
	directory[4] = 9;
	ck_assert_int_eq(add(&bob, &pool), VMSGIF_EINVAL);
	directory[4] = 0;
	directory[3] = directory[0];
	ck_assert_int_eq(add(&bob, &pool), VMSGIF_EINVAL);
	ck_assert(bed_logged(&bed, "domain=2 rule=\"directory names a page twice\""));
	directory[3] = 31999;
	ck_assert_int_eq(add(&bob, &pool), VMSGIF_EFAULT);
	/* Pages that cannot be written are no RX pool. */
	pool.ref = guest_pool(&bob, 4, true, &pages, NULL);
	ck_assert_int_eq(add(&bob, &pool), VMSGIF_EFAULT);
	ck_assert_uint_eq(device_pool_pages(guest_dev(&bob), VMSGIF_POOL_RX), 0);
	pool.type = VMSGIF_POOL_TX;
	ck_assert_int_eq(add(&bob, &pool), 0);
}
END_TEST

/* Both guests connect anew, to a broker with these limits. */
static void restart_with(unsigned int budget, unsigned int max_pool)
{
	bed_stop(&bed, false);
	bed.limits.map_budget = budget;
	bed.limits.max_pool_pages = max_pool;
	bed_start(&bed);
	guest_reset_rings(&alice);
	guest_reset_rings(&bob);
	guest_connect(&alice);
	guest_connect(&bob);
}

START_TEST(budget)
{
	struct vmsgif_pool tx, rx;

	restart_with(RINGS + 68, 256);
	tx = pool_of(&alice, VMSGIF_POOL_TX, 60);
	rx = pool_of(&bob, VMSGIF_POOL_RX, 9);
	ck_assert_int_eq(add(&alice, &tx), 0);
	ck_assert_int_eq(add(&bob, &rx), VMSGIF_ENOBUFS);
	ck_assert(bed_logged(&bed, "domain=2 rule=\"no room to map a pool\""));
	rx.nr_pages = 8;
	((uint32_t *)sim_gref_page(bob.domid, rx.ref))[8] = 0;
	ck_assert_int_eq(add(&bob, &rx), 0);
	ck_assert_uint_eq(mapped(), RINGS + 68);
	/* Rings are mapped in any case; pools are not, beyond the budget. */
	guest_state(&bob, 1);
	ck_assert_int_eq(device_pool_del(guest_dev(&alice), VMSGIF_POOL_TX), 0);
	tx = pool_of(&alice, VMSGIF_POOL_TX, RINGS / 2 + 68);
	ck_assert_int_eq(add(&alice, &tx), 0);
	guest_reset_rings(&bob);
	guest_connect(&bob);
	ck_assert_uint_eq(mapped(), RINGS + RINGS / 2 + 68);
	rx = pool_of(&bob, VMSGIF_POOL_RX, 1);
	ck_assert_int_eq(add(&bob, &rx), VMSGIF_ENOBUFS);
}
END_TEST

START_TEST(limit)
{
	struct vmsgif_pool tx;

	restart_with(4096, 3);
	ck_assert_str_eq(guest_backend(&alice, "max-pool-pages"), "3");
	tx = pool_of(&alice, VMSGIF_POOL_TX, 4);
	ck_assert_int_eq(add(&alice, &tx), VMSGIF_ENOBUFS);
	ck_assert(bed_logged(&bed, "domain=1 rule=\"pool above max-pool-pages\""));
	tx = pool_of(&alice, VMSGIF_POOL_TX, 3);
	ck_assert_int_eq(add(&alice, &tx), 0);
}
END_TEST

START_TEST(refused_by_configuration)
{
	struct vmsgif_pool tx;

	restart_with(4096, 0);
	ck_assert_str_eq(guest_backend(&alice, "max-pool-pages"), "0");
	tx = pool_of(&alice, VMSGIF_POOL_TX, 1);
	ck_assert_int_eq(add(&alice, &tx), VMSGIF_ENOBUFS);
}
END_TEST

/* Xen has no room left, or the call fails: the device lives on without. */
START_TEST(xen_has_no_room)
{
	struct vmsgif_pool tx = pool_of(&alice, VMSGIF_POOL_TX, 1);

	sim_config()->maptrack_handles = RINGS;
	ck_assert_int_eq(add(&alice, &tx), VMSGIF_EFAULT);
	sim_config()->maptrack_handles = 1000;
	sim_fail_nth(bed.process, SIM_CALL_MAP, 1, ENOMEM);
	ck_assert_int_eq(add(&alice, &tx), VMSGIF_EFAULT);
	ck_assert_int_eq(add(&alice, &tx), 0);
	ck_assert(device_is_up(guest_dev(&alice)));
}
END_TEST

static Suite *pools_suite(void)
{
	Suite *s = suite_create("backend-pools");
	TCase *t = tcase_create("pools");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, life);
	tcase_add_test(t, of_no_such_type);
	tcase_add_test(t, bad_directories);
	tcase_add_test(t, budget);
	tcase_add_test(t, limit);
	tcase_add_test(t, refused_by_configuration);
	tcase_add_test(t, xen_has_no_room);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(pools_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
