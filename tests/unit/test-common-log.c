// SPDX-License-Identifier: GPL-2.0-or-later
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#define MINUTE (60 * NS_PER_S)

/* A sink that counts, and keeps the last two lines. */
struct heard {
	unsigned int count;
	int prio;
	char before[LOG_LINE_MAX];
	char last[LOG_LINE_MAX];
};

static struct heard heard;
static struct log *log_;

static void hear(void *data, int prio, const char *line)
{
	struct heard *h = data;

	h->count++;
	h->prio = prio;
	memcpy(h->before, h->last, sizeof(h->before));
	ck_assert_uint_lt(strlen(line), sizeof(h->last));
	memcpy(h->last, line, strlen(line) + 1);
	errno = EBADMSG; /* a sink may spoil it */
}

static void setup(void)
{
	memset(&heard, 0, sizeof(heard));
	log_ = malloc(sizeof(*log_));
	ck_assert_ptr_nonnull(log_);
	log_init(log_, hear, &heard, LOG_INFO);
}

static void teardown(void)
{
	free(log_);
}

START_TEST(passes_lines_by_priority)
{
	errno = ENOENT;
	log_write(log_, LOG_WARNING, "port=%u: %m", 17u);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_str_eq(heard.last, "port=17: No such file or directory");
	ck_assert_int_eq(heard.prio, LOG_WARNING);
	log_write(log_, LOG_INFO, "told");
	ck_assert_uint_eq(heard.count, 2);
	log_write(log_, LOG_DEBUG, "not told");
	ck_assert_uint_eq(heard.count, 2);
	log_limited(log_, 0, 1, "rule", LOG_DEBUG, "not told");
	ck_assert_uint_eq(heard.count, 2);
}
END_TEST

START_TEST(a_line_is_one_line)
{
	log_write(log_, LOG_INFO, "a\nb\tc\033[1md\177e\r");
	ck_assert_str_eq(heard.last, "a?b?c?[1md?e?");
	log_write(log_, LOG_INFO, "%s", "");
	ck_assert_str_eq(heard.last, "");
}
END_TEST

START_TEST(cuts_long_lines)
{
	char text[2 * LOG_LINE_MAX];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_write(log_, LOG_INFO, "%s", text);
	ck_assert_uint_eq(strlen(heard.last), LOG_LINE_MAX - 1);
	ck_assert_str_eq(heard.last + LOG_LINE_MAX - 5, "x...");
	text[LOG_LINE_MAX - 1] = '\0';
	log_write(log_, LOG_INFO, "%s", text);
	ck_assert_str_eq(heard.last, text);
	log_limited(log_, 0, 1, "rule", LOG_INFO, "%s", text);
	ck_assert_uint_eq(strlen(heard.last), LOG_LINE_MAX - 1);
	ck_assert_str_eq(heard.last + LOG_LINE_MAX - 5, "x...");
}
END_TEST

START_TEST(limits_each_pair)
{
	errno = EACCES;
	for (int i = 0; i < 3 * LOG_LIMIT_BURST; i++) {
		log_limited(log_, MINUTE, 3, "deny", LOG_WARNING, "port=%d: %m", i);
		ck_assert_int_eq(errno, EACCES);
	}
	ck_assert_uint_eq(heard.count, LOG_LIMIT_BURST);
	ck_assert_str_eq(heard.last, "domain=3 rule=\"deny\" port=9: Permission denied");
	/* Neither another domain nor another rule pays for it. */
	log_limited(log_, MINUTE, 4, "deny", LOG_WARNING, "first");
	ck_assert_str_eq(heard.last, "domain=4 rule=\"deny\" first");
	log_limited(log_, MINUTE, 3, "quota", LOG_WARNING, "first");
	ck_assert_str_eq(heard.last, "domain=3 rule=\"quota\" first");
	ck_assert_uint_eq(heard.count, LOG_LIMIT_BURST + 2);
}
END_TEST

START_TEST(tells_how_many_were_suppressed)
{
	for (int i = 0; i < LOG_LIMIT_BURST + 5; i++)
		log_limited(log_, MINUTE, 3, "deny", LOG_WARNING, "no %d", i);
	ck_assert_uint_eq(heard.count, LOG_LIMIT_BURST);
	/* A minute brings LOG_LIMIT_PER_MINUTE lines; one of them, so many seconds. */
	log_limited(log_, MINUTE + MINUTE / LOG_LIMIT_PER_MINUTE - 1, 3, "deny", LOG_WARNING, "x");
	ck_assert_uint_eq(heard.count, LOG_LIMIT_BURST);
	log_limited(log_, MINUTE + MINUTE / LOG_LIMIT_PER_MINUTE, 3, "deny", LOG_NOTICE, "again");
	ck_assert_uint_eq(heard.count, LOG_LIMIT_BURST + 2);
	ck_assert_str_eq(heard.before, "domain=3 rule=\"deny\" 6 lines suppressed");
	ck_assert_str_eq(heard.last, "domain=3 rule=\"deny\" again");
	/* Told once. */
	log_flush(log_);
	ck_assert_uint_eq(heard.count, LOG_LIMIT_BURST + 2);
}
END_TEST

START_TEST(flush_tells_the_rest)
{
	for (int i = 0; i < LOG_LIMIT_BURST + 2; i++)
		log_limited(log_, 0, 9, "flood", LOG_ERR, "no %d", i);
	log_flush(log_);
	ck_assert_str_eq(heard.last, "domain=9 rule=\"flood\" 2 lines suppressed");
	ck_assert_int_eq(heard.prio, LOG_ERR);
	ck_assert_uint_eq(heard.count, LOG_LIMIT_BURST + 1);
	log_flush(log_);
	ck_assert_uint_eq(heard.count, LOG_LIMIT_BURST + 1);
}
END_TEST

/* Many pairs at once are no way to log more than the table and the shared bucket allow. */
START_TEST(many_pairs_are_bounded)
{
	unsigned int first;

	for (int round = 0; round < LOG_LIMIT_BURST + 1; round++) {
		for (uint32_t domid = 0; domid < 10 * LOG_LIMIT_PAIRS; domid++)
			log_limited(log_, MINUTE, domid, "flood", LOG_ERR, "no");
	}
	first = heard.count;
	ck_assert_uint_ge(first, LOG_LIMIT_BURST * LOG_LIMIT_PAIRS / 2);
	ck_assert_uint_le(first, LOG_LIMIT_BURST * (LOG_LIMIT_PAIRS + 1));
	for (uint32_t domid = 0; domid < 10 * LOG_LIMIT_PAIRS; domid++)
		log_limited(log_, MINUTE, domid, "flood", LOG_ERR, "no");
	ck_assert_uint_eq(heard.count, first);
	log_flush(log_);
	ck_assert_ptr_nonnull(strstr(heard.last, "suppressed, of domains and rules beyond"));

	/* Once all was quiet, old pairs make room, and tell what they held back. */
	log_limited(log_, 0, 5, "old", LOG_ERR, "one");
	heard.count = 0;
	for (uint32_t domid = 0; domid < LOG_LIMIT_PAIRS; domid++)
		log_limited(log_, 100 * MINUTE, 50000 + domid, "new", LOG_ERR, "no");
	ck_assert_uint_ge(heard.count, LOG_LIMIT_PAIRS / 2);
}
END_TEST

START_TEST(pairs_that_give_way_tell_their_count)
{
	unsigned int told = 0;

	for (uint32_t domid = 0; domid < LOG_LIMIT_PAIRS; domid++) {
		for (int i = 0; i < LOG_LIMIT_BURST + 1; i++)
			log_limited(log_, 0, domid, "old", LOG_ERR, "no");
	}
	heard.count = 0;
	for (uint32_t domid = 0; domid < 100 * LOG_LIMIT_PAIRS; domid++) {
		log_limited(log_, 100 * MINUTE, 50000 + domid, "new", LOG_ERR, "no");
		told += strstr(heard.before, "rule=\"old\" 1 lines suppressed") != NULL;
	}
	ck_assert_uint_ge(told, LOG_LIMIT_PAIRS / 2);
}
END_TEST

START_TEST(long_rules_are_cut)
{
	char rule[2 * LOG_RULE_MAX];

	memset(rule, 'r', sizeof(rule) - 1);
	rule[sizeof(rule) - 1] = '\0';
	for (int i = 0; i < LOG_LIMIT_BURST + 1; i++)
		log_limited(log_, 0, 1, rule, LOG_ERR, "no");
	ck_assert_uint_eq(heard.count, LOG_LIMIT_BURST);
	ck_assert_ptr_nonnull(strstr(heard.last, rule));
}
END_TEST

static void escapes(size_t size, const void *bytes, size_t len, const char *expected)
{
	/* Of the exact size, so that the sanitizer sees a byte too many. */
	char *dst = malloc(size);

	ck_assert_ptr_nonnull(dst);
	ck_assert_uint_eq(log_escape(dst, size, bytes, len), strlen(expected));
	ck_assert_str_eq(dst, expected);
	free(dst);
}

START_TEST(escapes_guest_text)
{
	escapes(64, "plain text~", 11, "plain text~");
	escapes(64, "", 0, "");
	escapes(64, "a\nb\0c\xff", 6, "a\\x0ab\\x00c\\xff");
	escapes(64, "\"\\\177", 3, "\\x22\\x5c\\x7f");
	escapes(64, "%s%n", 4, "%s%n");
}
END_TEST

START_TEST(escapes_within_the_space)
{
	escapes(5, "abcd", 4, "abcd");
	escapes(5, "abcde", 5, "a...");
	escapes(5, "\n", 1, "\\x0a");
	escapes(5, "\nx", 2, "...");
	escapes(4, "\n", 1, "...");
	escapes(8, "ab\n\n", 4, "ab...");
	escapes(9, "a\n\n", 3, "a\\x0a...");
	escapes(4, "abc", 3, "abc");
	escapes(4, "abcd", 4, "...");
	escapes(3, "abcd", 4, "ab");
	escapes(1, "abcd", 4, "");
	ck_assert_uint_eq(log_escape(NULL, 0, "abcd", 4), 0);
}
END_TEST

/* Runs the default sink with standard error in a pipe, and gives what it wrote. */
static void capture(char *text, size_t size, const char *stream)
{
	struct log *log = malloc(sizeof(*log));
	char name[64];
	struct stat st;
	int pipe_fds[2];
	int saved;
	ssize_t n;

	ck_assert_ptr_nonnull(log);
	ck_assert_int_eq(pipe(pipe_fds), 0);
	saved = dup(STDERR_FILENO);
	ck_assert_int_ge(dup2(pipe_fds[1], STDERR_FILENO), 0);
	ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
	if (!stream) {
		(void)snprintf(name, sizeof(name), "%ju:%ju", (uintmax_t)st.st_dev,
			       (uintmax_t)st.st_ino);
		stream = name;
	}
	ck_assert_int_eq(setenv("JOURNAL_STREAM", stream, 1), 0);
	log_init(log, NULL, NULL, LOG_INFO);
	log_write(log, LOG_WARNING, "first");
	log_write(log, LOG_INFO, "second");
	ck_assert_int_ge(dup2(saved, STDERR_FILENO), 0);
	close(saved);
	close(pipe_fds[1]);
	n = read(pipe_fds[0], text, size - 1);
	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	close(pipe_fds[0]);
	free(log);
}

START_TEST(writes_to_stderr)
{
	char text[256];

	capture(text, sizeof(text), "1:1");
	ck_assert_str_eq(text, "first\nsecond\n");
	/* The journal wants the priority, and only it. */
	capture(text, sizeof(text), NULL);
	ck_assert_str_eq(text, "<4>first\n<6>second\n");
	ck_assert_int_eq(unsetenv("JOURNAL_STREAM"), 0);
}
END_TEST

START_TEST(survives_a_closed_stderr)
{
	struct log *log = malloc(sizeof(*log));
	int saved = dup(STDERR_FILENO);

	ck_assert_ptr_nonnull(log);
	close(STDERR_FILENO);
	log_init(log, NULL, NULL, LOG_INFO);
	errno = 0;
	log_write(log, LOG_INFO, "lost");
	ck_assert_int_eq(errno, 0);
	ck_assert_int_ge(dup2(saved, STDERR_FILENO), 0);
	close(saved);
	free(log);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("common-log");
	TCase *tcase = tcase_create("log");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, passes_lines_by_priority);
	tcase_add_test(tcase, a_line_is_one_line);
	tcase_add_test(tcase, cuts_long_lines);
	tcase_add_test(tcase, limits_each_pair);
	tcase_add_test(tcase, tells_how_many_were_suppressed);
	tcase_add_test(tcase, flush_tells_the_rest);
	tcase_add_test(tcase, many_pairs_are_bounded);
	tcase_add_test(tcase, pairs_that_give_way_tell_their_count);
	tcase_add_test(tcase, long_rules_are_cut);
	tcase_add_test(tcase, escapes_guest_text);
	tcase_add_test(tcase, escapes_within_the_space);
	tcase_add_test(tcase, writes_to_stderr);
	tcase_add_test(tcase, survives_a_closed_stderr);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
