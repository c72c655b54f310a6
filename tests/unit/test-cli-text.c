// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is said to `xenmsg` and by it: command lines and destinations that it
 * takes or refuses, bytes as JSON.
 */
#include <check.h>
#include <stdlib.h>

#include "tests/unit/cli-bed.h"

START_TEST(usage)
{
	static const struct {
		int (*run)(int argc, char **argv);
		const char *line;
		int status;
	} cases[] = {
		{ cmd_listen, "listen", STATUS_USAGE },
		{ cmd_listen, "listen 0", STATUS_USAGE },
		{ cmd_listen, "listen 4294967296", STATUS_USAGE },
		{ cmd_listen, "listen 1 2", STATUS_USAGE },
		{ cmd_listen, "listen -c 0 1", STATUS_USAGE },
		{ cmd_listen, "listen --what 1", STATUS_USAGE },
		{ cmd_listen, "listen --help", STATUS_OK },
		{ cmd_send, "send", STATUS_USAGE },
		{ cmd_send, "send bob: x", STATUS_USAGE },
		{ cmd_send, "send a b c", STATUS_USAGE },
		{ cmd_send, "send bob -m x y", STATUS_USAGE },
		{ cmd_send, "send --chunk 0 bob x", STATUS_USAGE },
		{ cmd_send, "send --chunk 2M bob x", STATUS_USAGE },
		{ cmd_send, "send --timeout 0 bob x", STATUS_USAGE },
		{ cmd_send, "send --help", STATUS_OK },
		{ cmd_ping, "ping", STATUS_USAGE },
		{ cmd_ping, "ping -i 1.2345 bob", STATUS_USAGE },
		{ cmd_ping, "ping -W 0 bob", STATUS_USAGE },
		{ cmd_ping, "ping -s 2M bob", STATUS_USAGE },
		{ cmd_ping, "ping -c x bob", STATUS_USAGE },
		{ cmd_ping, "ping --help", STATUS_OK },
		{ cmd_peers, "peers --watch", STATUS_USAGE },
		{ cmd_peers, "peers --what", STATUS_USAGE },
		{ cmd_peers, "peers --help", STATUS_OK },
	};

	ck_assert_int_eq(run_command(alice, cases[_i].run, cases[_i].line), cases[_i].status);
}
END_TEST

START_TEST(destinations)
{
	struct dest d;

	ck_assert(dest_parse("bob", 9, &d));
	ck_assert_str_eq(d.name, "bob");
	ck_assert_uint_eq(d.port, 9);
	ck_assert(dest_parse("bob:17", 9, &d));
	ck_assert_uint_eq(d.port, 17);
	ck_assert(dest_parse("0x20003:5", 9, &d));
	ck_assert_str_eq(d.name, "");
	ck_assert_uint_eq(d.addr, 0x20003);
	ck_assert(dest_parse("clock@bob", 9, &d));
	ck_assert_uint_eq(d.port, 0);
	ck_assert(!dest_parse("clock@bob:3", 9, &d));
	ck_assert(!dest_parse("", 9, &d));
	ck_assert(!dest_parse(":3", 9, &d));
	ck_assert(!dest_parse("bob:0", 9, &d));
	ck_assert(!dest_parse("bob:03", 9, &d));
	ck_assert(!dest_parse("bob", 0, &d));
	/* No number: then it is a name. */
	ck_assert(dest_parse("0xyz", 9, &d));
	ck_assert_str_eq(d.name, "0xyz");
}
END_TEST

static void ck_json(const char *bytes, size_t len, const char *json)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	json_bytes(f, bytes, len);
	(void)fclose(f);
	ck_assert_str_eq(text, json);
	free(text);
}

START_TEST(json)
{
	ck_json("", 0, "\"\"");
	ck_json("a\"b\\c\n", 6, "\"a\\\"b\\\\c\\u000a\"");
	ck_json("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9,
		"\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
	ck_json("\xff", 1, "{\"base64\": \"/w==\"}");
	ck_json("\xc3", 1, "{\"base64\": \"ww==\"}");
	ck_json("\xc0\x80", 2, "{\"base64\": \"wIA=\"}");
	ck_json("\xed\xa0\x80", 3, "{\"base64\": \"7aCA\"}");
	ck_json("\xf5xyz", 4, "{\"base64\": \"9Xh5eg==\"}");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cli-text");
	TCase *lines = tcase_create("lines"), *text = tcase_create("text");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(lines, setup, teardown);
	tcase_set_timeout(lines, 60);
	tcase_add_loop_test(lines, usage, 0, 24);
	suite_add_tcase(suite, lines);
	tcase_add_test(text, destinations);
	tcase_add_test(text, json);
	suite_add_tcase(suite, text);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
