// SPDX-License-Identifier: GPL-2.0-or-later
/* `xenmsg ping` and `xenmsg peers`: who is there, and whether there is a broker. */
#include <check.h>
#include <stdlib.h>

#include "tests/unit/cli-bed.h"

/* --------------------------------------------------------------------- ping */

START_TEST(pings)
{
	struct command listener;

	start_listener(&listener, "listen 7 --echo -q -c 12");
	ck_assert_int_eq(run_command(alice, cmd_ping, "ping bob -c 3 -i 0.1"), STATUS_OK);
	ck_printed("56 bytes from bob (0x");
	ck_printed("3 sent, 3 received, 0 lost\nround trip min/avg/max ");
	ck_assert_int_eq(run_command(alice, cmd_ping, "ping bob:7 -c 4 -i 0 -s 70000 --json"),
			 STATUS_OK);
	ck_printed("\"size\": 70000, \"sent\": 4, \"received\": 4, \"min_us\": ");
	ck_assert_int_eq(run_command(alice, cmd_ping, "ping bob -c 5 -i 0 -s 0 -q"), STATUS_OK);
	ck_assert_int_eq(finish_command(&listener), STATUS_OK);
}
END_TEST

START_TEST(pings_into_the_void)
{
	struct command listener;

	ck_assert_int_eq(run_command(alice, cmd_ping, "ping nobody -c 1"), STATUS_REFUSED);
	start_listener(&listener, "listen 12 -c 1 -q");
	ck_assert_int_eq(run_command(alice, cmd_ping, "ping bob -c 1"), STATUS_FAILED);
	ck_printed("nobody listens on that port (ECONNREFUSED)");
	/* It does not echo. */
	ck_assert_int_eq(run_command(alice, cmd_ping, "ping bob:12 -c 1 -W 0.5"), STATUS_FAILED);
	ck_printed("1 sent, 0 received, 1 lost");
	ck_assert_int_eq(finish_command(&listener), STATUS_OK);
	ck_assert_int_eq(run_command(mallory, cmd_ping, "ping bob -c 1"), STATUS_REFUSED);
	ck_printed("refused by the host's policy (EACCES)");
}
END_TEST

/* -------------------------------------------------------------------- peers */

START_TEST(peers)
{
	struct command listener, watcher;

	start_listener(&listener, "listen 7 --service echo --echo");
	ck_assert_int_eq(run_command(alice, cmd_peers, "peers bob echo@bob --json"), STATUS_OK);
	ck_printed("{\"name\": \"alice\", \"state\": \"self\", \"address\": \"0x");
	ck_printed("{\"name\": \"bob\", \"state\": \"up\", \"address\": \"0x");
	ck_printed("\"port\": 7}");
	start(&watcher, alice, cmd_peers, "peers --watch bob");
	sim_run(printed, (void *)(uintptr_t) "bob                      up", 0, 0);
	sim_process_kill(listener.process);
	sim_process_free(listener.process);
	free(listener.words);
	/* Who comes next finds the device as it was left, and that is the end of the other one. */
	start(&listener, bob, cmd_listen, "listen 8 --json");
	sim_run(printed, (void *)(uintptr_t) "bob                      down", 0, 0);
	sim_process_kill(watcher.process);
	sim_process_free(watcher.process);
	free(watcher.words);
	sim_process_kill(listener.process);
	sim_process_free(listener.process);
	free(listener.words);
}
END_TEST

START_TEST(no_broker)
{
	world_run(&w, 1);
	world_broker_kill(&w);
	ck_assert_int_eq(run_command(alice, cmd_peers, "peers"), STATUS_DEVICE);
	ck_printed("the broker does not answer");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cli-peers");
	TCase *tcase = tcase_create("peers");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, pings);
	tcase_add_test(tcase, pings_into_the_void);
	tcase_add_test(tcase, peers);
	tcase_add_test(tcase, no_broker);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
