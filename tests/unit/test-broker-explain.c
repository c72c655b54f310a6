// SPDX-License-Identifier: GPL-2.0-or-later
/* A configuration's decisions in words, without a daemon; and the command that shows them. */
#include "broker/explain.h"

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char text[] = "[daemon]\n"
			   "map = no\n"
			   "[devices]\n"
			   "domains = @web bob\n"
			   "[label web]\n"
			   "domains = web-*\n"
			   "[allow log]\n"
			   "from = @web mallory\n"
			   "to = bob\n"
			   "ports = log log-* 30\n"
			   "modes = copy map\n"
			   "bytes-per-second = 1000\n"
			   "bytes-burst = 4096\n"
			   "[deny mallory]\n"
			   "from = mallory\n"
			   "to = *\n"
			   "[allow all]\n"
			   "from = *\n"
			   "to = bob\n"
			   "ports = 1-29 100-200\n"
			   "[offer log]\n"
			   "domains = bob\n"
			   "services = log\n"
			   "[limits web]\n"
			   "domains = @web\n"
			   "weight = 3\n"
			   "outstanding-maps = 0\n"
			   "messages-per-second = 10\n";

static void check_answer(const char *from, const char *to, const char *port, const char *expected)
{
	FILE *in = fmemopen((void *)(uintptr_t)text, strlen(text), "r"), *out;
	struct config_error error;
	struct config *config;
	struct question q;
	const char *why;
	char *answer;
	size_t size;

	ck_assert_int_eq(config_read(&config, in, "f", &error), 0);
	fclose(in);
	ck_assert_int_eq(question_init(&q, from, to, port, &why), 0);
	out = open_memstream(&answer, &size);
	explain(out, config, &q);
	fclose(out);
	ck_assert_str_eq(answer, expected);
	free(answer);
	config_free(config);
}

START_TEST(answers)
{
	check_answer("web-1", "bob", "30",
		     "web-1 -> bob, port 30\n"
		     "  [allow log] in f:7 matches\n"
		     "allowed by [allow log]\n"
		     "  modes: copy map (but [daemon] has map = no)\n"
		     "  rates of web-1 under this rule: 1000 bytes/s (burst 4096)\n"
		     "  limits of web-1: [limits web] in f:24: weight 3, outstanding-maps 0, "
		     "10 messages/s (burst 10)\n");
	check_answer("web-1", "bob", "150",
		     "web-1 -> bob, port 150\n"
		     "  [allow log] in f:7 does not match, unless it is the port of a service "
		     "there: ports = log log-* 30\n"
		     "  [deny mallory] in f:14 does not match: from = mallory\n"
		     "  [allow all] in f:17 matches\n"
		     "allowed by [allow all]\n"
		     "  modes: copy\n"
		     "  limits of web-1: [limits web] in f:24: weight 3, outstanding-maps 0, "
		     "10 messages/s (burst 10)\n");
	check_answer("mallory", "bob", "31",
		     "mallory -> bob, port 31\n"
		     "  [allow log] in f:7 does not match, unless it is the port of a service "
		     "there: ports = log log-* 30\n"
		     "  [deny mallory] in f:14 matches\n"
		     "refused by [deny mallory]\n"
		     "  limits of mallory: none, weight 1\n"
		     "  mallory gets no device: [devices] does not name it\n");
	check_answer("web-1", "carol", "log-1",
		     "web-1 -> carol, service log-1\n"
		     "  [allow log] in f:7 does not match: to = bob\n"
		     "  [deny mallory] in f:14 does not match: from = mallory\n"
		     "  [allow all] in f:17 does not match: to = bob\n"
		     "refused by \"default\": no rule allows it\n"
		     "  limits of web-1: [limits web] in f:24: weight 3, outstanding-maps 0, "
		     "10 messages/s (burst 10)\n"
		     "  carol may not offer log-1: no [offer NAME] says so\n"
		     "  carol gets no device: [devices] does not name it\n");
	check_answer("bob", "bob", "log",
		     "bob -> bob, service log\n"
		     "  [allow log] in f:7 does not match: from = @web mallory\n"
		     "  [deny mallory] in f:14 does not match: from = mallory\n"
		     "  [allow all] in f:17 does not match: ports = 1-29 100-200\n"
		     "refused by \"default\": no rule allows it\n"
		     "  limits of bob: none, weight 1\n"
		     "  bob may offer log by [offer log] in f:21\n");
}
END_TEST

START_TEST(questions)
{
	struct question q;
	const char *why;
	char name[200];

	ck_assert_int_eq(question_init(&q, "a", "b", "4294967295", &why), 0);
	ck_assert_uint_eq(q.port, 4294967295u);
	ck_assert_int_eq(question_init(&q, "a", "b", "7up", &why), 0);
	ck_assert_uint_eq(q.port, 0);
	ck_assert_str_eq(q.service, "7up");
	ck_assert_int_eq(question_init(&q, "a", "b", "0", &why), -EINVAL);
	ck_assert_int_eq(question_init(&q, "a", "b", "007", &why), -EINVAL);
	ck_assert_int_eq(question_init(&q, "a", "b", "4294967296", &why), -EINVAL);
	ck_assert_int_eq(question_init(&q, "a", "b", "", &why), -EINVAL);
	ck_assert_int_eq(question_init(&q, "a*", "b", "1", &why), -EINVAL);
	ck_assert_int_eq(question_init(&q, "a", "@b", "1", &why), -EINVAL);
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(question_init(&q, "a", "b", name, &why), -EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "longer"));
}
END_TEST

/* ----------------------------------------------------------------- the command */

static char folder[64];

static void file_setup(void)
{
	char path[96];
	FILE *f;

	snprintf(folder, sizeof(folder), "/tmp/test-broker-explain-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/xenmsgd.conf", folder);
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
}

static void file_teardown(void)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/xenmsgd.conf", folder);
	unlink(path);
	rmdir(folder);
}

/* Its exit status; *out has what it printed on both outputs. The command is beside the tests. */
static int ctl(const char *arguments, char *out, size_t size)
{
	char self[PATH_MAX] = "", command[2 * PATH_MAX];
	size_t len;
	FILE *pipe;

	ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	*strrchr(self, '/') = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(command, sizeof(command), "%s/bin/xenmsgctl %s 2>&1", self, arguments);
	pipe = popen(command, "r"); // NOLINT(cert-env33-c): a command of our own
	ck_assert_ptr_nonnull(pipe);
	len = fread(out, 1, size - 1, pipe);
	out[len] = '\0';
	return WEXITSTATUS(pclose(pipe));
}

static bool no_command(void)
{
	char out[4096];

	return ctl("--version", out, sizeof(out)) == 127;
}

START_TEST(command_check)
{
	char out[4096], arguments[256];
	FILE *f;

	if (no_command())
		return;
	snprintf(arguments, sizeof(arguments), "policy check %s", folder);
	ck_assert_int_eq(ctl(arguments, out, sizeof(out)), 0);
	ck_assert_ptr_nonnull(strstr(out, "good: 3 rules, 1 labels, 1 offers, 1 limits\n"));
	snprintf(arguments, sizeof(arguments), "%s/xenmsgd.conf", folder);
	f = fopen(arguments, "a");
	fputs("wait = 5\n", f);
	fclose(f);
	snprintf(arguments, sizeof(arguments), "policy check %s/xenmsgd.conf", folder);
	ck_assert_int_eq(ctl(arguments, out, sizeof(out)), 1);
	ck_assert_ptr_nonnull(strstr(out, "xenmsgd.conf:29: [limits web] has no key 'wait'\n"));
	ck_assert_int_eq(ctl("policy check /nowhere", out, sizeof(out)), 1);
	ck_assert_ptr_nonnull(strstr(out, "/nowhere: No such file"));
	ck_assert_int_eq(ctl("policy check", out, sizeof(out)), 1);
	ck_assert_ptr_nonnull(strstr(out, "usage:"));
}
END_TEST

START_TEST(command_explain)
{
	char out[4096], arguments[256];

	if (no_command())
		return;
	snprintf(arguments, sizeof(arguments), "policy explain web-1 bob 30 %s", folder);
	ck_assert_int_eq(ctl(arguments, out, sizeof(out)), 0);
	ck_assert_ptr_nonnull(strstr(out, "allowed by [allow log]\n"));
	snprintf(arguments, sizeof(arguments), "policy explain web-1 bob 0 %s", folder);
	ck_assert_int_eq(ctl(arguments, out, sizeof(out)), 1);
	ck_assert_ptr_nonnull(strstr(out, "neither a port"));
	ck_assert_int_eq(ctl("--control /nowhere reload", out, sizeof(out)), 1);
	ck_assert_ptr_nonnull(strstr(out, "does xenmsgd run?"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("broker-explain");
	TCase *t = tcase_create("explain");
	SRunner *runner;
	int failed;

	tcase_add_test(t, answers);
	tcase_add_test(t, questions);
	suite_add_tcase(s, t);
	t = tcase_create("command");
	tcase_add_checked_fixture(t, file_setup, file_teardown);
	tcase_add_test(t, command_check);
	tcase_add_test(t, command_explain);
	suite_add_tcase(s, t);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
