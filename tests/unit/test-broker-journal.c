// SPDX-License-Identifier: GPL-2.0-or-later
/* The fields of the journal's entries. */
#include "broker/journal.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char fields[JOURNAL_FIELDS][JOURNAL_FIELD_MAX];

START_TEST(words_become_fields)
{
	unsigned int nr = journal_fields("domain=3 rule=\"a to b\" refused from=alice(3) to=bob(4) "
					 "port=17 mode=copy: the policy does not allow it",
					 fields);

	ck_assert_uint_eq(nr, 6);
	ck_assert_str_eq(fields[0], "XENMSG_DOMAIN=3");
	ck_assert_str_eq(fields[1], "XENMSG_RULE=a to b");
	ck_assert_str_eq(fields[2], "XENMSG_FROM=alice(3)");
	ck_assert_str_eq(fields[3], "XENMSG_TO=bob(4)");
	ck_assert_str_eq(fields[4], "XENMSG_PORT=17");
	ck_assert_str_eq(fields[5], "XENMSG_MODE=copy");
}
END_TEST

START_TEST(other_words_do_not)
{
	ck_assert_uint_eq(journal_fields("", fields), 0);
	ck_assert_uint_eq(journal_fields("  xenmsgd is ready ", fields), 0);
	ck_assert_uint_eq(journal_fields("=x a =b 1=2 A=b a_b=c", fields), 0);
	ck_assert_uint_eq(journal_fields("averyveryverylongname=1", fields), 0);
}
END_TEST

START_TEST(values_may_be_odd)
{
	ck_assert_uint_eq(journal_fields("a= b=\"\" c=: d=\"open e=1", fields), 4);
	ck_assert_str_eq(fields[0], "XENMSG_A=");
	ck_assert_str_eq(fields[1], "XENMSG_B=");
	ck_assert_str_eq(fields[2], "XENMSG_C=");
	ck_assert_str_eq(fields[3], "XENMSG_D=open e=1");
}
END_TEST

/* As many as there is room for, and each as long as there is. */
START_TEST(bounds)
{
	char line[LOG_LINE_MAX] = "";
	unsigned int i;

	for (i = 0; i < JOURNAL_FIELDS + 3; i++)
		strcat(line, "a=1 ");
	ck_assert_uint_eq(journal_fields(line, fields), JOURNAL_FIELDS);

	memset(line, 'x', sizeof(line) - 1);
	memcpy(line, "a=", 2);
	line[sizeof(line) - 1] = '\0';
	ck_assert_uint_eq(journal_fields(line, fields), 1);
	ck_assert_uint_eq(strlen(fields[0]), JOURNAL_FIELD_MAX - 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("broker-journal");
	TCase *tcase = tcase_create("fields");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, words_become_fields);
	tcase_add_test(tcase, other_words_do_not);
	tcase_add_test(tcase, values_may_be_odd);
	tcase_add_test(tcase, bounds);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
