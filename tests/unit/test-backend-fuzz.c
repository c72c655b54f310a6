// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A smoke test of the fuzz target, for machines without a fuzzer: random
 * inputs, mostly zeros and small numbers, or hardly anything would get past
 * the reserved fields.
 */
#include <check.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz-request.c" /* NOLINT(bugprone-suspicious-include) */

#define INPUTS 50000
#define LARGE  4200

START_TEST(random_inputs)
{
	uint8_t data[LARGE];

	srandom((unsigned int)_i);
	for (unsigned int i = 0; i < INPUTS; i++) {
		size_t size = (size_t)random() % (i % 100 ? 80 : sizeof(data));

		for (size_t j = 0; j < size; j++)
			data[j] = random() % 4 ? 0 : (uint8_t)(random() % (i % 2 ? 12 : 256));
		ck_assert_int_eq(LLVMFuzzerTestOneInput(data, size), 0);
	}
}
END_TEST

static Suite *fuzz_suite(void)
{
	Suite *s = suite_create("backend-fuzz");
	TCase *t = tcase_create("fuzz");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, random_inputs, 1, 5);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(fuzz_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
