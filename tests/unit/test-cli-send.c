// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `xenmsg send` and `xenmsg listen`: messages, files and pipes from one guest to
 * another, and either end that goes away.
 */
#include <check.h>
#include <stdlib.h>

#include "tests/unit/cli-bed.h"

/* ----------------------------------------------------------------- messages */

START_TEST(a_message)
{
	struct command listener;

	start_listener(&listener, "listen 11 -c 2");
	ck_assert_int_eq(run_command(alice, cmd_send, "send bob:11 -m hello"), STATUS_OK);
	ck_assert_int_eq(run_command(alice, cmd_send, "send bob:11 --json --message \"\n\""),
			 STATUS_OK);
	ck_assert_int_eq(finish_command(&listener), STATUS_OK);
	ck_printed(":0: 5 bytes \"hello\"\n");
	ck_printed("\"\\x22\\x0a\\x22\"");
	ck_printed("{\"to\": \"bob:11\"");
}
END_TEST

START_TEST(a_message_in_json)
{
	struct command listener;

	start_listener(&listener, "listen 11 --service words --json -c 1");
	ck_assert_int_eq(run_command(alice, cmd_send, "send words@bob -m hello"), STATUS_OK);
	ck_assert_int_eq(finish_command(&listener), STATUS_OK);
	ck_printed("\", \"address\": \"0x");
	ck_printed("\"bytes\": 5, \"mode\": \"copy\", \"data\": \"hello\"}\n");
}
END_TEST

/* -------------------------------------------------------------------- files */

static char byte_at(size_t i)
{
	return (char)(i * 7 + i / 4096);
}

static void write_input(size_t size)
{
	FILE *f = fopen(in_path, "w");

	ck_assert_ptr_nonnull(f);
	for (size_t i = 0; i < size; i++)
		(void)putc(byte_at(i), f);
	ck_assert_int_eq(fclose(f), 0);
}

static void check_output(size_t size)
{
	FILE *f = fopen(out_path, "r");
	size_t i = 0;

	ck_assert_ptr_nonnull(f);
	while (i < size && getc(f) == (byte_at(i) & 0xff))
		i++;
	ck_assert_uint_eq(i, size);
	ck_assert_int_eq(getc(f), EOF);
	(void)fclose(f);
	ck_assert_int_eq(unlink(out_path), 0);
}

static void file_crosses(size_t size, const char *options)
{
	char line[256];
	struct command listener;

	write_input(size);
	(void)snprintf(line, sizeof(line), "listen 9 -o %s", out_path);
	start_listener(&listener, line);
	(void)snprintf(line, sizeof(line), "send %s bob %s", options, in_path);
	ck_assert_int_eq(run_command(alice, cmd_send, line), STATUS_OK);
	ck_assert_int_eq(finish_command(&listener), STATUS_OK);
	check_output(size);
}

START_TEST(files)
{
	static const size_t sizes[] = { 0, 1, 4096, 65536, 300001 };

	file_crosses(sizes[_i], "");
	ck_printed("by copy");
}
END_TEST

START_TEST(files_by_map)
{
	static const size_t sizes[] = { 0, 1, 4096, 65536, 2000001 };

	file_crosses(sizes[_i], "--map --progress");
	ck_printed("by map");
	ck_printed("/s");
}
END_TEST

START_TEST(files_otherwise)
{
	static const char *const options[] = { "--chunk 1M --json", "--chunk 33 --lazy",
					       "--map --chunk 1M", "--no-reply --chunk 5K" };

	file_crosses(_i == 1 ? 20000 : 2500000, options[_i]);
	if (_i == 0)
		ck_printed("\"ok\": true, \"mode\": \"copy\", \"bytes\": 2500000, \"messages\": ");
}
END_TEST

/* A pipe that says more now and then, until its end. */
static int feed_fd;

static bool feed(void *arg)
{
	static unsigned int n;
	char bytes[1000];
	size_t i;

	if (feed_fd < 0)
		return false;
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = byte_at(n * sizeof(bytes) + i);
	ck_assert_int_eq(write(feed_fd, bytes, sizeof(bytes)), sizeof(bytes));
	if (++n == 50) {
		(void)close(feed_fd);
		feed_fd = -1;
	}
	return true;
}

START_TEST(a_pipe)
{
	struct command listener;
	char line[256];
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	if (fds[0] != STDIN_FILENO) {
		ck_assert_int_eq(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
		(void)close(fds[0]);
	}
	feed_fd = fds[1];
	sim_actor_new(NULL, feed, NULL);
	(void)snprintf(line, sizeof(line), "listen 9 -o %s --json", out_path);
	start_listener(&listener, line);
	ck_assert_int_eq(run_command(alice, cmd_send, "send bob -"), STATUS_OK);
	ck_assert_int_eq(finish_command(&listener), STATUS_OK);
	check_output(50000);
	ck_printed("\"file\": \"standard input\", \"ok\": true, \"bytes\": 50000");
}
END_TEST

START_TEST(a_file_that_cannot_be_stored)
{
	struct command listener;
	char line[256];

	write_input(100000);
	start_listener(&listener, "listen 9 -o /nowhere/at/all");
	(void)snprintf(line, sizeof(line), "send bob:9 %s", in_path);
	ck_assert_int_eq(run_command(alice, cmd_send, line), STATUS_FAILED);
	ck_printed("the receiver could not take");
	sim_process_kill(listener.process);
	sim_process_free(listener.process);
	free(listener.words);
}
END_TEST

/* The sender dies: nothing is left of the file, and the listener says so. */
START_TEST(a_file_that_breaks_off)
{
	struct command listener, sender;
	char line[256], part[100];

	write_input(3000000);
	(void)snprintf(line, sizeof(line), "listen 9 -o %s", out_path);
	start_listener(&listener, line);
	(void)snprintf(line, sizeof(line), "send bob:9 --chunk 100 %s", in_path);
	start(&sender, alice, cmd_send, line);
	(void)snprintf(part, sizeof(part), "%s.part", out_path);
	while (access(part, F_OK))
		sim_run_for(100000);
	sim_domain_destroy(alice->domid);
	alice->destroyed = true;
	ck_assert_int_eq(finish_command(&listener), STATUS_FAILED);
	ck_assert_int_ne(access(part, F_OK), 0);
	ck_assert_int_ne(access(out_path, F_OK), 0);
	ck_printed("the peer went down");
	sim_process_free(sender.process);
	free(sender.words);
}
END_TEST

static bool stored(void *arg)
{
	return access(out_path, F_OK) == 0;
}

/* The receiver stores the file, says so, and ends, all before the sender looks. */
START_TEST(a_receiver_that_is_gone_at_once)
{
	struct command listener, sender;
	char line[256];

	write_input(50000);
	(void)snprintf(line, sizeof(line), "listen 9 -o %s", out_path);
	start_listener(&listener, line);
	(void)snprintf(line, sizeof(line), "send bob:9 %s%s", _i ? "--map " : "", in_path);
	start(&sender, alice, cmd_send, line);
	sim_run(stored, NULL, 0, 0);
	sim_actor_stall(sender.actor, true);
	ck_assert_int_eq(finish_command(&listener), STATUS_OK);
	sim_run_for(10000000);
	ck_assert(!sender.ended);
	sim_actor_stall(sender.actor, false);
	ck_assert_int_eq(finish_command(&sender), STATUS_OK);
	check_output(50000);
}
END_TEST

START_TEST(a_receiver_that_dies)
{
	struct command listener, sender;
	char line[256];

	write_input(3000000);
	start_listener(&listener, "listen 9");
	(void)snprintf(line, sizeof(line), "send bob:9 --chunk 50 %s", in_path);
	start(&sender, alice, cmd_send, line);
	sim_run_for(1000000);
	sim_domain_destroy(bob->domid);
	bob->destroyed = true;
	ck_assert_int_eq(finish_command(&sender), STATUS_FAILED);
	ck_printed("the peer went down");
	sim_process_free(listener.process);
	free(listener.words);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cli-send");
	TCase *tcase = tcase_create("send");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_message);
	tcase_add_test(tcase, a_message_in_json);
	tcase_add_loop_test(tcase, files, 0, 5);
	tcase_add_loop_test(tcase, files_by_map, 0, 5);
	tcase_add_loop_test(tcase, files_otherwise, 0, 4);
	tcase_add_test(tcase, a_pipe);
	tcase_add_test(tcase, a_file_that_cannot_be_stored);
	tcase_add_test(tcase, a_file_that_breaks_off);
	tcase_add_loop_test(tcase, a_receiver_that_is_gone_at_once, 0, 2);
	tcase_add_test(tcase, a_receiver_that_dies);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
