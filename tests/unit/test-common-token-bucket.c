// SPDX-License-Identifier: GPL-2.0-or-later
#include <check.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/token-bucket.h"

#define START UINT64_C(1000000)

START_TEST(starts_full_and_empties)
{
	struct token_bucket bucket;

	token_bucket_init(&bucket, 1, 3, START);
	ck_assert(token_bucket_full(&bucket, START));
	ck_assert(!token_bucket_take(&bucket, START, 4));
	ck_assert(token_bucket_take(&bucket, START, 0));
	ck_assert(token_bucket_take(&bucket, START, 2));
	ck_assert(!token_bucket_full(&bucket, START));
	ck_assert(!token_bucket_take(&bucket, START, 2));
	ck_assert(token_bucket_take(&bucket, START, 1));
	ck_assert(!token_bucket_take(&bucket, START, 1));
	ck_assert(token_bucket_take(&bucket, START, 0));
}
END_TEST

START_TEST(refills_to_the_nanosecond)
{
	struct token_bucket bucket;

	token_bucket_init(&bucket, 3, 1, 0);
	ck_assert(token_bucket_take(&bucket, 0, 1));
	/* A third of a second is 333,333,333.3 ns. */
	ck_assert_uint_eq(token_bucket_wait_ns(&bucket, 0, 1), 333333334);
	ck_assert(!token_bucket_take(&bucket, 333333333, 1));
	ck_assert_uint_eq(token_bucket_wait_ns(&bucket, 333333333, 1), 1);
	ck_assert(token_bucket_take(&bucket, 333333334, 1));
}
END_TEST

/* Asking often loses no fraction: the tokens of a second are those of the rate. */
START_TEST(keeps_fractions)
{
	struct token_bucket bucket;
	uint64_t taken = 0;

	token_bucket_init(&bucket, 7, 1, 0);
	ck_assert(token_bucket_take(&bucket, 0, 1));
	for (uint64_t now = 0; now <= 10 * NS_PER_S; now += 12347)
		taken += token_bucket_take(&bucket, now, 1);
	ck_assert_uint_ge(taken, 69);
	ck_assert_uint_le(taken, 70);
}
END_TEST

/* Acts that are larger than a burst: now and then, and at the rate on average. */
START_TEST(owes_what_is_larger)
{
	struct token_bucket bucket;
	uint64_t spent = 0;

	token_bucket_init(&bucket, 1000, 10, 0);
	ck_assert(token_bucket_ready(&bucket, 0, 10));
	ck_assert(token_bucket_ready(&bucket, 0, 2500));
	token_bucket_spend(&bucket, 2500);
	/* 2490 are owed; then it has to be full again for as many. */
	ck_assert(!token_bucket_ready(&bucket, 2490 * NS_PER_MS, 1));
	ck_assert(token_bucket_ready(&bucket, 2491 * NS_PER_MS, 1));
	ck_assert(!token_bucket_ready(&bucket, 2499 * NS_PER_MS, 2500));
	ck_assert(token_bucket_ready(&bucket, 2500 * NS_PER_MS, 2500));
	token_bucket_init(&bucket, 1000, 10, 0);
	for (uint64_t now = 0; now < 1000 * NS_PER_S; now += 777 * NS_PER_US) {
		uint64_t n = 1 + now % 97;

		if (!token_bucket_ready(&bucket, now, n))
			continue;
		token_bucket_spend(&bucket, n);
		spent += n;
	}
	ck_assert_uint_ge(spent, 990000);
	ck_assert_uint_le(spent, 1000000 + 10 + 97);
}
END_TEST

/* Owed to the fraction of a nanosecond, whatever the rate. */
START_TEST(owes_exactly)
{
	struct token_bucket bucket;

	token_bucket_init(&bucket, 7, 1, 0);
	token_bucket_spend(&bucket, 3);
	/* 2 are owed and 1 is wanted: three sevenths of a second. */
	ck_assert(!token_bucket_ready(&bucket, 428571428, 1));
	ck_assert(token_bucket_ready(&bucket, 428571429, 1));
	token_bucket_init(&bucket, UINT64_C(3000000000), 1, 0);
	token_bucket_spend(&bucket, UINT64_C(9000000001));
	ck_assert(!token_bucket_ready(&bucket, 3 * NS_PER_S - 1, 1));
	ck_assert(token_bucket_ready(&bucket, 3 * NS_PER_S + 1, 1));
	token_bucket_init(&bucket, 0, 5, 0);
	token_bucket_spend(&bucket, 9);
	ck_assert(!token_bucket_ready(&bucket, 1000 * NS_PER_S, 1));
}
END_TEST

START_TEST(never_exceeds_the_burst)
{
	struct token_bucket bucket;

	token_bucket_init(&bucket, 1000, 5, 0);
	ck_assert(token_bucket_take(&bucket, 0, 5));
	ck_assert(token_bucket_full(&bucket, 3600 * NS_PER_S));
	ck_assert(!token_bucket_take(&bucket, 3600 * NS_PER_S, 6));
	ck_assert(token_bucket_take(&bucket, 3600 * NS_PER_S, 5));
	ck_assert(!token_bucket_take(&bucket, 3600 * NS_PER_S, 1));
}
END_TEST

START_TEST(gives_back)
{
	struct token_bucket bucket;

	token_bucket_init(&bucket, 1, 4, 0);
	ck_assert(token_bucket_take(&bucket, 0, 4));
	token_bucket_give(&bucket, 2);
	ck_assert(!token_bucket_take(&bucket, 0, 3));
	ck_assert(token_bucket_take(&bucket, 0, 2));
	token_bucket_give(&bucket, UINT64_MAX);
	ck_assert(token_bucket_full(&bucket, 0));
	ck_assert(!token_bucket_take(&bucket, 0, 5));
}
END_TEST

START_TEST(waits)
{
	struct token_bucket bucket;

	token_bucket_init(&bucket, 2, 4, 0);
	ck_assert_uint_eq(token_bucket_wait_ns(&bucket, 0, 4), 0);
	ck_assert_uint_eq(token_bucket_wait_ns(&bucket, 0, 5), UINT64_MAX);
	ck_assert(token_bucket_take(&bucket, 0, 4));
	ck_assert_uint_eq(token_bucket_wait_ns(&bucket, 0, 0), 0);
	ck_assert_uint_eq(token_bucket_wait_ns(&bucket, 0, 3), 3 * NS_PER_S / 2);
	ck_assert_uint_eq(token_bucket_wait_ns(&bucket, NS_PER_S, 3), NS_PER_S / 2);

	token_bucket_init(&bucket, 0, 1, 0);
	ck_assert_uint_eq(token_bucket_wait_ns(&bucket, 0, 1), 0);
	ck_assert(token_bucket_take(&bucket, 0, 1));
	ck_assert_uint_eq(token_bucket_wait_ns(&bucket, NS_PER_S, 1), UINT64_MAX);
	ck_assert(!token_bucket_take(&bucket, UINT64_MAX, 1));
}
END_TEST

START_TEST(time_going_back_brings_nothing)
{
	struct token_bucket bucket;

	token_bucket_init(&bucket, 1, 2, 10 * NS_PER_S);
	ck_assert(token_bucket_take(&bucket, 10 * NS_PER_S, 2));
	ck_assert(!token_bucket_take(&bucket, 9 * NS_PER_S, 1));
	ck_assert_uint_eq(token_bucket_wait_ns(&bucket, 9 * NS_PER_S, 1), 2 * NS_PER_S);
	ck_assert(!token_bucket_take(&bucket, 10 * NS_PER_S, 1));
	ck_assert(token_bucket_take(&bucket, 11 * NS_PER_S, 1));
}
END_TEST

/* The ends of every range, where products could overflow. */
START_TEST(extremes)
{
	struct token_bucket bucket;

	token_bucket_init(&bucket, UINT64_MAX, UINT64_MAX, 0);
	ck_assert(!token_bucket_take(&bucket, 0, TOKEN_BUCKET_BURST_MAX + 1));
	ck_assert(token_bucket_take(&bucket, 0, TOKEN_BUCKET_BURST_MAX));
	ck_assert(!token_bucket_take(&bucket, 0, 1));
	ck_assert_uint_eq(token_bucket_wait_ns(&bucket, 0, 1), 1);
	ck_assert(token_bucket_take(&bucket, 1, TOKEN_BUCKET_BURST_MAX));
	ck_assert(token_bucket_take(&bucket, UINT64_MAX, TOKEN_BUCKET_BURST_MAX));

	token_bucket_init(&bucket, 1, TOKEN_BUCKET_BURST_MAX, 0);
	ck_assert(token_bucket_take(&bucket, 0, TOKEN_BUCKET_BURST_MAX));
	ck_assert_uint_eq(token_bucket_wait_ns(&bucket, 0, TOKEN_BUCKET_BURST_MAX),
			  TOKEN_BUCKET_BURST_MAX * NS_PER_S);
	ck_assert(token_bucket_full(&bucket, UINT64_MAX));

	token_bucket_init(&bucket, 1, 0, 0);
	ck_assert(token_bucket_full(&bucket, 0));
	ck_assert(!token_bucket_take(&bucket, UINT64_MAX, 1));
}
END_TEST

START_TEST(the_clock_runs)
{
	uint64_t before = clock_now_ns();
	uint64_t now;

	ck_assert_uint_gt(before, 0);
	do
		now = clock_now_ns();
	while (now == before);
	ck_assert_uint_gt(now, before);
	ck_assert_uint_lt(now - before, 60 * NS_PER_S);
	ck_assert_uint_eq(NS_PER_S, 1000 * NS_PER_MS);
	ck_assert_uint_eq(NS_PER_MS, 1000 * NS_PER_US);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("common-token-bucket");
	TCase *tcase = tcase_create("token-bucket");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, starts_full_and_empties);
	tcase_add_test(tcase, refills_to_the_nanosecond);
	tcase_add_test(tcase, keeps_fractions);
	tcase_add_test(tcase, owes_what_is_larger);
	tcase_add_test(tcase, owes_exactly);
	tcase_add_test(tcase, never_exceeds_the_burst);
	tcase_add_test(tcase, gives_back);
	tcase_add_test(tcase, waits);
	tcase_add_test(tcase, time_going_back_brings_nothing);
	tcase_add_test(tcase, extremes);
	tcase_add_test(tcase, the_clock_runs);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
