// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The whole system over the simulated Xen: random schedules of messages between
 * two or three guests, in which brokers and frontends die and come back, ports
 * stall, and the simulated Xen and xenstore are as unhelpful as the real ones
 * may be. What has to hold is in system-model.h.
 *
 * XENMSG_SEED=n runs that one schedule, XENMSG_SEEDS=n so many of them;
 * XENMSG_LOG=1 tells what happens, XENMSG_STOP=1 stops at a failure, for a debugger.
 */
#include "tests/unit/system-app.h"

#include "tests/mix.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/grant_table.h>

#define MESSAGES  200
#define GUESTS	  3
#define MAX_STEPS 2000000
#define MAX_TIME  (100 * SIM_NSEC_PER_SEC)

#ifdef __SANITIZE_ADDRESS__
#define SEEDS 200
#else
#define SEEDS 1000
#endif

struct run {
	struct world w;
	struct model model;
	struct app apps[GUESTS];
	unsigned int nr_apps;
	unsigned int restart_in[GUESTS]; /* ticks; 0: not due */
	unsigned int broker_start_in;
	unsigned int broker_go_on_in;
	unsigned int chaos_in;
	unsigned int chaos_left;
	bool flushing;
	struct sim_actor *clock;
};

static struct run run;

static unsigned int below(unsigned int n)
{
	return (unsigned int)sim_random_below(n);
}

static bool chance(unsigned int percent)
{
	return below(100) < percent;
}

static void trace(const char *what, unsigned int a, unsigned int b)
{
	if (getenv("XENMSG_LOG"))
		(void)fprintf(stderr, "%9.6f test: %s %u %u\n", (double)sim_now() / 1e9, what, a,
			      b);
}

/* ---------------------------------------------------------------------- set-up */

static void make_config(char *config, size_t size)
{
	static const unsigned int windows[] = { 1, 2, 8, 32, 32 }, maps[] = { 1, 3, 64, 64 };

	(void)snprintf(config, size,
		       "[daemon]\n"
		       "flow-window = %u\n"
		       "max-maps = %u\n"
		       "pools = %s\n"
		       "[devices]\n"
		       "domains = *\n"
		       "[allow all]\n"
		       "from = *\n"
		       "to = *\n"
		       "modes = copy map\n",
		       windows[below(5)], maps[below(4)], chance(70) ? "yes" : "no");
}

/* Returns how long a message may be. */
static uint32_t make_options(struct xenmsg_options *options)
{
	*options = (struct xenmsg_options)XENMSG_OPTIONS_INIT;
	if (chance(30))
		return XENMSG_MESSAGE_MAX;
	options->ring_order = 1 + below(5);
	options->tx_pages = 20 + below(80);
	options->rx_pages = 24 + below(100);
	return 60000;
}

/* The first of some messages that can go together, or the next one of them. */
static void make_run(struct message_test *m, const struct message_test *first, uint32_t max)
{
	if (first) {
		*m = *first;
		m->key = sim_random();
	} else if (max >= 8) {
		m->len = 8 * (1 + below(chance(70) ? 32 : 512));
		m->len = m->len < max ? m->len : max & ~7u;
		m->map = m->confirm = false;
		m->run = true;
		m->unnumbered = chance(80);
	}
}

static void make_plan(uint32_t max)
{
	static const uint32_t edges[] = { 0, 1, 31, 32, 33, 4095, 4096, 4097 };
	const struct mix mix = { .max = max };
	unsigned int together = 0;

	for (unsigned int i = 0; i < MESSAGES; i++) {
		struct message_test *m = &run.model.messages[i];
		unsigned int from = below(run.nr_apps);

		m->from = run.apps[from].vm;
		m->to = run.apps[(from + 1 + below(run.nr_apps - 1)) % run.nr_apps].vm;
		m->src_port = MODEL_PORT(below(MODEL_PORTS));
		m->number = MODEL_PORT(below(MODEL_PORTS));
		m->key = sim_random();
		m->len = mix_usual_len(&mix, sim_random());
		if (chance(20))
			m->len = edges[below(8)];
		else if (chance(2))
			m->len = max;
		m->map = m->len && m->len <= APP_POOL_BYTES && chance(40);
		m->confirm = chance(80);
		if (together || chance(5))
			make_run(m, together ? m - 1 : NULL, max);
		together = together ? together - 1 : m->run ? below(40) : 0;
	}
	run.model.nr_messages = MESSAGES;
}

/* Time moves on in small steps, or whoever waits for long would skip over all others. */
static bool clock_turn(void *arg)
{
	(void)poll(NULL, 0, 1);
	return true;
}

/* Mostly a guest; or a program of domain 0, which goes by that one's name. */
static struct vm *some_vm(const char *name, bool local)
{
	if (!local)
		return vm_new(&run.w, name, chance(50) ? SIM_PV : SIM_PVH);
	sim_xs_put("/local/domain/0/name", name);
	return vm_new_local(&run.w, name);
}

static void set_up(uint64_t seed)
{
	static const char *const names[] = { "alice", "bob", "carol" };
	uint32_t max = XENMSG_MESSAGE_MAX;
	char config[512];

	memset(&run, 0, sizeof(run));
	world_init(&run.w, seed, "");
	run.w.waits = seed % 2;
	make_config(config, sizeof(config));
	free(run.w.config);
	run.w.config = strdup(config);
	sim_config()->silo = chance(5);
	sim_config()->gntalloc_pages = 65536;
	run.nr_apps = 2 + below(2);
	for (unsigned int i = 0; i < run.nr_apps; i++) {
		struct vm *vm = some_vm(names[i], i == 0 && chance(50));
		struct xenmsg_options options;
		uint32_t most = make_options(&options);

		max = most < max ? most : max;
		app_init(&run.apps[i], &run.model, vm, &options);
		run.apps[i].maps_fail = sim_config()->silo;
		run.restart_in[i] = 1 + below(20);
	}
	make_plan(max);
	ck_assert_int_eq(world_broker_start(&run.w), 0);
	world_broker_keep(&run.w, below(10));
	run.clock = sim_actor_new(NULL, clock_turn, NULL);
	run.chaos_left = 1 + below(20);
	run.chaos_in = 1 + below(400);
}

/* ----------------------------------------------------------------------- chaos */

static bool broker_lives(void)
{
	return run.w.process && !world_broker_ended(&run.w);
}

static enum sim_when when(void)
{
	return chance(50) ? SIM_BEFORE : SIM_AFTER;
}

/* Often a near one; each takes a while. */
static unsigned int some_store(void)
{
	return 1 + below(2u << below(11));
}

static void disturb_broker(void)
{
	unsigned int n;

	if (!broker_lives())
		return;
	switch (below(4)) {
	case 0:
		n = 1 + below(60);
		trace("broker is killed at call", n, 0);
		sim_kill_at(run.w.process, n, when());
		break;
	case 1:
		n = some_store();
		trace("broker is killed at store", n, 0);
		(void)sim_kill_at_store(run.w.process, n);
		break;
	case 2:
		trace("broker stops", 0, 0);
		world_broker_stop(&run.w);
		run.broker_start_in = 1 + below(100);
		run.broker_go_on_in = 0;
		break;
	default:
		trace("broker hangs", 0, 0);
		sim_actor_stall(run.w.actor, true);
		run.broker_go_on_in = 1 + below(100);
		break;
	}
}

static void end_app(unsigned int i)
{
	trace("frontend has ended", i, 0);
	app_ended(&run.apps[i]);
	run.restart_in[i] = 1 + below(200);
}

static void disturb_frontend(void)
{
	unsigned int i = below(run.nr_apps), n;
	struct app *app = &run.apps[i];

	if (!app->vm->process || vm_ended(app->vm))
		return;
	switch (below(5)) {
	case 0:
		trace("frontend is killed", i, 0);
		if (app->life)
			app->life->ended = true;
		vm_kill(app->vm);
		end_app(i);
		break;
	case 1:
		n = 1 + below(60);
		trace("frontend is killed at call", i, n);
		sim_kill_at(app->vm->process, n, when());
		break;
	case 2:
		n = some_store();
		trace("frontend is killed at store", i, n);
		(void)sim_kill_at_store(app->vm->process, n);
		break;
	case 3:
		if (app->vm->local)
			break;
		trace("domain is destroyed", i, 0);
		if (app->life)
			app->life->ended = true;
		vm_destroy(app->vm);
		end_app(i);
		vm_renew(app->vm, chance(50) ? SIM_PV : SIM_PVH);
		break;
	default:
		trace("frontend quits", i, 0);
		if (app->life)
			app->life->ended = true;
		app->quit = true;
		break;
	}
}

/* The connection to xenstore, or just a call. */
static void fail_xenstore(void)
{
	static const enum sim_call calls[] = { SIM_CALL_XS_READ,  SIM_CALL_XS_WRITE,
					       SIM_CALL_XS_RM,	  SIM_CALL_XS_MKDIR,
					       SIM_CALL_XS_START, SIM_CALL_XS_END,
					       SIM_CALL_XS_WATCH };
	enum sim_call call = calls[below(7)];
	int error = chance(50) ? ENOMEM : EIO;

	trace("xenstore fails", call, (unsigned int)error);
	if (broker_lives())
		sim_fail_nth(run.w.process, call, 1 + below(6), error);
}

static void disturb_xen(void)
{
	switch (below(5)) {
	case 4:
		fail_xenstore();
		break;
	case 0:
		trace("conflicts", 0, 0);
		sim_xs_conflict(1 + below(4));
		break;
	case 1:
		trace("spurious watches", 0, 0);
		sim_xs_spurious();
		break;
	case 2:
		trace("a copy fails", 0, 0);
		run.model.copies_fail = true;
		sim_fail_copy_op(1 + below(30), GNTST_bad_page);
		break;
	default:
		trace("a call of copies fails", 0, 0);
		run.model.copies_fail = true;
		if (broker_lives())
			sim_fail_nth(run.w.process, SIM_CALL_COPY, 1 + below(3), ENOMEM);
		break;
	}
}

static void stall_port(void)
{
	unsigned int i = below(run.nr_apps), port = below(MODEL_PORTS);

	trace("port stalls", i, port);
	run.apps[i].ports[port].stalled_until = sim_now() + below(30) * SIM_NSEC_PER_MSEC;
}

static void disturb(void)
{
	switch (below(10)) {
	case 0:
	case 1:
	case 2:
		disturb_broker();
		break;
	case 3:
	case 4:
		disturb_frontend();
		break;
	case 5:
	case 6:
		disturb_xen();
		break;
	default:
		stall_port();
		break;
	}
}

/* ------------------------------------------------------------------- the course */

static bool due(unsigned int *in)
{
	return *in && !--*in;
}

static void tend_apps(void)
{
	for (unsigned int i = 0; i < run.nr_apps; i++) {
		struct app *app = &run.apps[i];

		if (vm_ended(app->vm)) {
			if (app->life)
				app->life->ended = true;
			vm_reap(app->vm);
			end_app(i);
		} else if (app->vm->process && app_has_quit(app)) {
			vm_close(app->vm);
			end_app(i);
		}
		if (due(&run.restart_in[i])) {
			trace("frontend starts", i, 0);
			app_start(app);
		}
	}
}

static void tend_broker(void)
{
	if (due(&run.broker_start_in) && !run.w.process)
		(void)world_broker_start(&run.w);
	if (due(&run.broker_go_on_in) && run.w.actor && broker_lives())
		sim_actor_stall(run.w.actor, false);
}

static bool all_quiet(void)
{
	if (run.chaos_left || run.broker_start_in || run.broker_go_on_in)
		return false;
	for (unsigned int i = 0; i < run.nr_apps; i++)
		if (!run.apps[i].life || run.apps[i].quit || run.apps[i].flush)
			return false;
	for (unsigned int i = 0; i < run.nr_apps; i++)
		for (unsigned int j = 0; j < MODEL_PORTS; j++)
			if (!run.apps[i].ports[j].port)
				return false;
	return true;
}

/* Everything is sent and answered; then all is flushed; then all is received. */
static bool finished(void)
{
	if (!all_quiet() || model_unsent(&run.model, NULL) || model_unanswered(&run.model))
		return false;
	if (!run.flushing) {
		for (unsigned int i = 0; i < run.nr_apps; i++)
			run.apps[i].flush = true;
		run.flushing = true;
		return false;
	}
	return !model_missing(&run.model);
}

/* Nobody dies in the end by what was set up before. */
static void calm_down(void)
{
	sim_fail_reset();
	for (unsigned int i = 0; i < run.nr_apps; i++)
		run.apps[i].calm = true;
}

static bool tick(void *arg)
{
	static unsigned int ticks;

	tend_apps();
	tend_broker();
	if (run.chaos_left && !--run.chaos_in) {
		disturb();
		if (!--run.chaos_left)
			calm_down();
		run.chaos_in = 1 + below(400);
	}
	return ++ticks % 8 == 0 && finished();
}

static void on_die(const char *message)
{
	model_fail("well", "%s (unsent %u, unanswered %u, missing %u, flushing %d)", message,
		   model_unsent(&run.model, NULL), model_unanswered(&run.model),
		   model_missing(&run.model), run.flushing);
}

START_TEST(schedule)
{
	sim_on_die(on_die);
	set_up((uint64_t)_i);
	(void)sim_run(tick, NULL, MAX_STEPS, MAX_TIME);
	trace("the end", run.model.delivered, run.model.refused);
	sim_actor_free(run.clock);
	/* Those who are left hear of it while others still close. */
	for (unsigned int i = 0; i < run.model.nr_lives; i++)
		run.model.lives[i].ended = true;
	world_fini(&run.w);
	sim_on_die(NULL);
}
END_TEST

int main(void)
{
	const char *one = getenv("XENMSG_SEED"), *many = getenv("XENMSG_SEEDS");
	Suite *suite = suite_create("system-random");
	TCase *tcase = tcase_create("random");
	int first = one ? atoi(one) : 0, n = one ? 1 : many ? atoi(many) : SEEDS, failed;
	SRunner *runner;

	/* Clearing a ring is 65,536 steps if a death is being waited for at a store. */
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, schedule, first, first + n);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
