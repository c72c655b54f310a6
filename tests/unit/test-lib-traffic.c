// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The program of the real-Xen scenarios, tests/xen/traffic.c, at both ends of a
 * broker over the simulated Xen: the whole mix in both directions, by copy with
 * and without pools and by map, and with brokers that are killed on the way.
 */
#include <check.h>

#include "tests/unit/system.h"

/* Each guest its own lock file: here they are all one machine. */
static int open_in_guest(struct xenmsg **out, const struct xenmsg_options *options);
#define xenmsg_open open_in_guest
int traffic_main(int argc, char **argv);
#define main traffic_main
#include "tests/xen/traffic.c" // NOLINT(bugprone-suspicious-include)
#undef main
#undef xenmsg_open

#define ALLOW                   \
	"[devices]\n"           \
	"domains = alice bob\n" \
	"[allow both]\n"        \
	"from = alice bob\n"    \
	"to = alice bob\n"      \
	"modes = copy map\n"

static struct world w;

static int open_in_guest(struct xenmsg **out, const struct xenmsg_options *options)
{
	struct xenmsg_options o = *options;
	char lock[80];

	(void)snprintf(lock, sizeof(lock), "%s/%u", w.dir, sim_process_domid(sim_current()));
	o.lock = lock;
	return xenmsg_open(out, &o);
}

struct program {
	char *argv[16];
	int argc;
	struct sim_process *process;
	bool ended;
};

/* A program is one turn of an actor, in which it waits a lot. */
static bool program_step(void *arg)
{
	struct program *p = arg;

	if (p->ended)
		return false;
	optind = 0;
	ck_assert_int_eq(traffic_main(p->argc, p->argv), 0);
	p->ended = true;
	return true;
}

static void program_start(struct program *p, domid_t domid, const char *peer, const char *mode,
			  const char *count, const char *max)
{
	const char *args[] = { "traffic", "--mode", mode,      "--count", count,
			       "--max",	  max,	    "--ports", "2",	  peer };
	size_t i;

	*p = (struct program){ .argc = sizeof(args) / sizeof(args[0]) };
	for (i = 0; i < sizeof(args) / sizeof(args[0]); i++)
		p->argv[i] = strdup(args[i]);
	p->process = sim_process_new(domid, "traffic");
	sim_actor_new(p->process, program_step, p);
}

static void program_free(struct program *p)
{
	int i;

	sim_process_free(p->process);
	for (i = 0; i < p->argc; i++)
		free(p->argv[i]);
}

static struct program programs[2];

static bool both_ended(void *arg)
{
	return programs[0].ended && programs[1].ended;
}

static bool both_or_broker_ended(void *arg)
{
	return both_ended(arg) || world_broker_ended(&w);
}

static void begin(const char *config, uint64_t seed)
{
	world_init(&w, seed, config);
	vm_new(&w, "alice", SIM_PV);
	vm_new(&w, "bob", SIM_PVH);
	ck_assert_int_eq(world_broker_start(&w), 0);
}

static void begin_traffic(const char *mode, const char *count, const char *max)
{
	program_start(&programs[0], w.vms[0].domid, "bob", mode, count, max);
	program_start(&programs[1], w.vms[1].domid, "alice", mode, count, max);
}

static void end(void)
{
	program_free(&programs[0]);
	program_free(&programs[1]);
	world_fini(&w);
}

static void pass(const char *config, const char *mode, const char *count, const char *max)
{
	begin(config, 7);
	begin_traffic(mode, count, max);
	sim_run(both_ended, NULL, 0, 0);
	end();
}

START_TEST(copy_mode)
{
	pass("[daemon]\nmax-pool-pages = 288\n" ALLOW, "copy", "800", "1048576");
}
END_TEST

START_TEST(copy_mode_without_pools)
{
	pass("[daemon]\nmax-pool-pages = 0\n" ALLOW, "copy", "400", "1048576");
}
END_TEST

START_TEST(map_mode)
{
	pass("[daemon]\nmax-pool-pages = 288\n" ALLOW, "map", "800", "1048576");
}
END_TEST

/* Kill the broker again and again; the seed says when. */
static void pass_with_kills(const char *mode, uint64_t seed)
{
	begin("[daemon]\nmax-pool-pages = 288\n" ALLOW, seed);
	begin_traffic(mode, "150", "65536");
	while (!both_ended(NULL)) {
		sim_kill_at(w.process, 50 + (unsigned int)sim_random_below(500), SIM_AFTER);
		sim_run(both_or_broker_ended, NULL, 0, 0);
		if (both_ended(NULL))
			break;
		world_broker_reap(&w);
		ck_assert_int_eq(world_broker_start(&w), 0);
	}
	end();
}

START_TEST(copy_mode_with_kills)
{
	pass_with_kills("copy", (uint64_t)_i + 1);
}
END_TEST

START_TEST(map_mode_with_kills)
{
	pass_with_kills("map", (uint64_t)_i + 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lib-traffic");
	TCase *tcase = tcase_create("traffic");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, copy_mode);
	tcase_add_test(tcase, copy_mode_without_pools);
	tcase_add_test(tcase, map_mode);
	tcase_add_loop_test(tcase, copy_mode_with_kills, 0, 20);
	tcase_add_loop_test(tcase, map_mode_with_kills, 0, 20);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
