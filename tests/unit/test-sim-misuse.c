// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The simulated Xen: failures of the simulation itself.
 */
#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

#include "tests/sim/sim.h"

static xenevtchn_handle *xce;

static void build(void)
{
	sim_init(8);
	sim_enter(sim_process_new(0, "program"));
	xce = xenevtchn_open(NULL, 0);
}

static int death_pipe;

static void on_death(const char *message)
{
	_exit(write(death_pipe, message, strlen(message)) < 0);
}

/* Runs @fn in a world of a child, which must die of a failure that says @message. */
static void expect_death(void (*fn)(void), const char *message)
{
	char text[4096] = "";
	int fds[2];
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		death_pipe = fds[1];
		build();
		sim_on_die(on_death);
		fn();
		_exit(0);
	}
	close(fds[1]);
	while (read(fds[0], text + strlen(text), sizeof(text) - strlen(text) - 1) > 0)
		;
	close(fds[0]);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_msg(strstr(text, message), "\"%s\" instead of \"%s\"", text, message);
	ck_assert_ptr_nonnull(strstr(text, "(seed 8)"));
}

static bool spin(void *arg)
{
	(void)arg;
	return true;
}

static bool reenter(void *arg)
{
	(void)arg;
	sim_run(NULL, NULL, 100, 0);
	return false;
}

static bool nap(void *arg)
{
	(void)arg;
	usleep(1000000);
	return true;
}

static void exhaust(void)
{
	sim_actor_new(NULL, spin, NULL);
	sim_run(NULL, NULL, 100, 0);
}

static void too_long(void)
{
	sim_actor_new(NULL, nap, NULL);
	sim_run(NULL, NULL, 0, 10 * SIM_NSEC_PER_SEC);
}

static void wait_for_ever(void)
{
	poll(NULL, 0, -1);
}

static void close_handle_fd(void)
{
	close(xenevtchn_fd(xce));
}

static void open_without_process(void)
{
	sim_enter(NULL);
	xs_open(0);
}

static void second_world(void)
{
	sim_init(1);
}

static void actor_that_runs_actors(void)
{
	sim_actor_new(NULL, reenter, NULL);
	sim_run(NULL, NULL, 100, 0);
}

static void partial_unshare(void)
{
	xengntshr_handle *xgs = xengntshr_open(NULL, 0);
	uint32_t refs[2];

	xengntshr_unshare(xgs, xengntshr_share_pages(xgs, 0, 2, refs, 1), 1);
}

static void free_granted_page(void)
{
	uint32_t pfn = sim_page_alloc(0, 1);

	sim_grant(0, pfn, 0, false);
	sim_page_free(0, pfn, 1);
}

static void no_such_domain(void)
{
	sim_page_alloc(77, 1);
}

static const struct {
	void (*fn)(void);
	const char *message;
} misuses[] = {
	{ exhaust, "not done after 100 steps" },
	{ too_long, "not done" },
	{ wait_for_ever, "waits for ever" },
	{ close_handle_fd, "belongs to a library handle" },
	{ open_without_process, "without a current process" },
	{ sim_assert_clean, "left behind" },
	{ second_world, "world that was not finished" },
	{ actor_that_runs_actors, "an actor runs the scheduler" },
	{ partial_unshare, "which were not shared so" },
	{ free_granted_page, "is granted" },
	{ no_such_domain, "no domain 77" },
};

START_TEST(misuse_is_fatal)
{
	expect_death(misuses[_i].fn, misuses[_i].message);
}
END_TEST

static Suite *misuse_suite(void)
{
	Suite *s = suite_create("sim-misuse");
	TCase *t = tcase_create("misuse");

	tcase_add_loop_test(t, misuse_is_fatal, 0, sizeof(misuses) / sizeof(misuses[0]));
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(misuse_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
