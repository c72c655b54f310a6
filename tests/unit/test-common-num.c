// SPDX-License-Identifier: GPL-2.0-or-later
#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/macros.h"
#include "common/num.h"

#define UNTOUCHED 0x5a5a

static const struct good {
	const char *text;
	uint64_t value;
} good[] = {
	{ "0", 0 },
	{ "1", 1 },
	{ "9", 9 },
	{ "10", 10 },
	{ "65535", 65535 },
	{ "4294967296", UINT64_C(4294967296) },
	{ "18446744073709551615", UINT64_MAX },
};

START_TEST(takes_numbers)
{
	const struct good *test = &good[_i];
	uint64_t value = UNTOUCHED;

	ck_assert_int_eq(num_parse_u64(test->text, strlen(test->text), 0, UINT64_MAX, &value), 0);
	ck_assert_uint_eq(value, test->value);
	/* Exactly in its range, and just outside of it. */
	value = UNTOUCHED;
	ck_assert_int_eq(
		num_parse_u64(test->text, strlen(test->text), test->value, test->value, &value), 0);
	ck_assert_uint_eq(value, test->value);
	value = UNTOUCHED;
	if (test->value > 0)
		ck_assert_int_eq(num_parse_u64(test->text, strlen(test->text), 0, test->value - 1,
					       &value),
				 -ERANGE);
	if (test->value < UINT64_MAX)
		ck_assert_int_eq(num_parse_u64(test->text, strlen(test->text), test->value + 1,
					       UINT64_MAX, &value),
				 -ERANGE);
	ck_assert_uint_eq(value, UNTOUCHED);
}
END_TEST

static const struct bad {
	const char *text;
	size_t len;
	int error;
} bad[] = {
	{ "", 0, -EINVAL },
	{ "00", 2, -EINVAL },
	{ "01", 2, -EINVAL },
	{ "+1", 2, -EINVAL },
	{ "-1", 2, -EINVAL },
	{ " 1", 2, -EINVAL },
	{ "1 ", 2, -EINVAL },
	{ "1\n", 2, -EINVAL },
	{ "1\0", 2, -EINVAL },
	{ "\0", 1, -EINVAL },
	{ "1a", 2, -EINVAL },
	{ "0x1", 3, -EINVAL },
	{ "1.0", 3, -EINVAL },
	{ "1e3", 3, -EINVAL },
	{ "/", 1, -EINVAL },
	{ ":", 1, -EINVAL },
	{ "\xff", 1, -EINVAL },
	{ "18446744073709551616", 20, -ERANGE },
	{ "18446744073709551620", 20, -ERANGE },
	{ "99999999999999999999", 20, -ERANGE },
	{ "100000000000000000000000000000000000000", 39, -ERANGE },
	{ "10000000000000000000000000000000000000x", 39, -EINVAL },
};

START_TEST(refuses_all_else)
{
	const struct bad *test = &bad[_i];
	uint64_t value = UNTOUCHED;

	ck_assert_int_eq(num_parse_u64(test->text, test->len, 0, UINT64_MAX, &value), test->error);
	ck_assert_uint_eq(value, UNTOUCHED);
}
END_TEST

/* The text is the bytes that are given, not what a terminator ends. */
START_TEST(reads_no_further)
{
	char *exact = malloc(2);
	uint64_t value;

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, "12", 2);
	ck_assert_int_eq(num_parse_u64(exact, 2, 0, 99, &value), 0);
	ck_assert_uint_eq(value, 12);
	ck_assert_int_eq(num_parse_u64("345", 2, 0, 99, &value), 0);
	ck_assert_uint_eq(value, 34);
	free(exact);
}
END_TEST

START_TEST(narrower_types)
{
	uint32_t u32 = UNTOUCHED;
	uint16_t u16 = UNTOUCHED;

	ck_assert_int_eq(num_parse_u32("4294967296", 10, 0, UINT32_MAX, &u32), -ERANGE);
	ck_assert_int_eq(num_parse_u32("x", 1, 0, UINT32_MAX, &u32), -EINVAL);
	ck_assert_uint_eq(u32, UNTOUCHED);
	ck_assert_int_eq(num_parse_u32("4294967295", 10, 0, UINT32_MAX, &u32), 0);
	ck_assert_uint_eq(u32, UINT32_MAX);

	ck_assert_int_eq(num_parse_u16("65536", 5, 0, UINT16_MAX, &u16), -ERANGE);
	ck_assert_int_eq(num_parse_u16("9", 1, 10, 20, &u16), -ERANGE);
	ck_assert_int_eq(num_parse_u16("", 0, 0, UINT16_MAX, &u16), -EINVAL);
	ck_assert_uint_eq(u16, UNTOUCHED);
	ck_assert_int_eq(num_parse_u16("65535", 5, 0, UINT16_MAX, &u16), 0);
	ck_assert_uint_eq(u16, UINT16_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("common-num");
	TCase *tcase = tcase_create("num");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, takes_numbers, 0, ARRAY_LEN(good));
	tcase_add_loop_test(tcase, refuses_all_else, 0, ARRAY_LEN(bad));
	tcase_add_test(tcase, reads_no_further);
	tcase_add_test(tcase, narrower_types);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
