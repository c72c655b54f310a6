// SPDX-License-Identifier: GPL-2.0-or-later
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

struct thing {
	int *freed;
};

static void thing_free(struct thing *thing)
{
	(*thing->freed)++;
}

static void number_drop(int number)
{
	ck_assert_int_eq(number, 7);
}

DEFINE_CLEANUP(struct thing *, thing_free);
DEFINE_CLEANUP_VALUE(int, number_drop, -1);

START_TEST(cleans_up_once)
{
	int freed = 0;
	struct thing thing = { .freed = &freed };

	{
		_cleanup_(thing_freep) struct thing *held = &thing;
		_cleanup_(thing_freep) struct thing *none = NULL;
		_cleanup_(number_dropp) int number = 7;
		_cleanup_(number_dropp) int unset = -1;

		ck_assert_ptr_eq(held, &thing);
		ck_assert_ptr_null(none);
		ck_assert_int_eq(number, 7);
		ck_assert_int_eq(unset, -1);
		ck_assert_int_eq(freed, 0);
	}
	ck_assert_int_eq(freed, 1);
}
END_TEST

START_TEST(what_was_stolen_stays)
{
	int freed = 0;
	struct thing thing = { .freed = &freed };
	struct thing *taken;

	{
		_cleanup_(thing_freep) struct thing *held = &thing;

		taken = steal_ptr(&held);
		ck_assert_ptr_null(held);
	}
	ck_assert_int_eq(freed, 0);
	ck_assert_ptr_eq(taken, &thing);
}
END_TEST

START_TEST(memory_and_files)
{
	int closed;
	int kept;

	{
		_cleanup_(freep) char *text = strdup("text");
		_cleanup_(freep) char *none = NULL;
		_cleanup_(closep) int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		_cleanup_(closep) int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
		_cleanup_(closep) int unset = -1;
		_cleanup_(fclosep) FILE *file = fopen("/dev/null", "re");
		_cleanup_(fclosep) FILE *unopened = NULL;

		ck_assert_ptr_nonnull(text);
		ck_assert_ptr_null(none);
		ck_assert_ptr_nonnull(file);
		ck_assert_ptr_null(unopened);
		ck_assert_int_ge(fd, 0);
		ck_assert_int_ge(other, 0);
		ck_assert_int_eq(unset, -1);
		closed = fd;
		kept = steal_fd(&other);
		ck_assert_int_eq(other, -1);
	}
	ck_assert_int_eq(fcntl(closed, F_GETFD), -1);
	ck_assert_int_ge(fcntl(kept, F_GETFD), 0);
	close(kept);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("common-cleanup");
	TCase *tcase = tcase_create("cleanup");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, cleans_up_once);
	tcase_add_test(tcase, what_was_stolen_stays);
	tcase_add_test(tcase, memory_and_files);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
