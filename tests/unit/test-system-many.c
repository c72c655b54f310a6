// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The whole system over the simulated Xen: a thousand domains, of which ten do
 * something. Times are printed; what is required are counts, which are the same
 * on every machine: what the broker asks of xenstored for each domain, how much
 * of a guest's quota its device takes, and that idle devices are no work.
 */
#include "tests/unit/backend-guest.h"
#include "tests/unit/system-load.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__)
#define MANY 200u
#else
#define MANY 1000u
#endif
#define ACTIVE 10u
#define SPAN   20000u /* us */

/* Of a device: requests to xenstored to make it; nodes that a guest comes to own. */
#define REQUESTS_MAX 60u
#define OWNED_MAX    40u

#define CONFIG          \
	"[daemon]\n"    \
	"pools = no\n"  \
	"[devices]\n"   \
	"domains = *\n" \
	"[allow all]\n" \
	"from = *\n"    \
	"to = *\n"

static struct world w;
static struct load load;
static struct guest idle[MANY];

/* Two for each domain, and what the simulation has of its own. */
static void allow_files(void)
{
	struct rlimit files;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max < 8 * MANY ? files.rlim_max : 8 * MANY;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
}

static void begin(unsigned int nr_idle)
{
	allow_files();
	world_init(&w, 1, CONFIG);
	sim_config()->gntalloc_pages = 65536;
	load_init(&load, &w);
	sim_config()->xs_cost = 0;
	sim_config()->count_cpu = true;
	/* To look through the whole store at each node that a guest makes takes too long here. */
	sim_config()->xs_nodes = 0;
	for (unsigned int i = 0; i < nr_idle; i++) {
		char name[24];

		(void)snprintf(name, sizeof(name), "idle%u", i);
		guest_init(&idle[i], NULL, name);
	}
}

static uint64_t requests(void)
{
	const struct sim_counts *counts = sim_counts(w.process);
	uint64_t n = 0;

	for (unsigned int call = SIM_CALL_XS_READ; call <= SIM_CALL_XS_QUERY; call++)
		if (call != SIM_CALL_XS_CHECK_WATCH)
			n += counts->calls[call];
	return n;
}

static void settle(void)
{
	(void)sim_run(NULL, NULL, 0, 0);
}

static void connect_idle(unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		guest_prepare(&idle[i], 0);
		guest_put_nodes(&idle[i]);
		guest_state(&idle[i], 3);
	}
	settle();
	for (unsigned int i = 0; i < nr; i++) {
		ck_assert_int_eq(guest_backend_state(&idle[i]), 4);
		guest_state(&idle[i], 4);
	}
	settle();
}

/* ------------------------------------------------------------------------- start */

struct start {
	uint64_t requests, cpu, own; /* own: without the simulated calls */
};

static struct start start(void)
{
	uint64_t cpu = load_cpu_ns();
	struct start s;

	ck_assert_int_eq(world_broker_start(&w), 0);
	settle();
	s.cpu = load_cpu_ns() - cpu;
	s.own = s.cpu - sim_counts(w.process)->cpu;
	s.requests = requests();
	return s;
}

static void print_start(const char *what, unsigned int nr, struct start s)
{
	printf("figure: %s %u devices: %llu requests to xenstored, %.1f each; %.3f s, and %.3f s with "
	       "the simulated calls\n",
	       what, nr, (unsigned long long)s.requests, (double)s.requests / nr,
	       (double)s.own / 1e9, (double)s.cpu / 1e9);
}

/* Makes the devices of all domains; and, the next time, takes them over, connected. */
static void start_twice(unsigned int nr, struct start out[2])
{
	begin(nr);
	out[0] = start();
	print_start("makes", nr, out[0]);
	connect_idle(nr);
	ck_assert_uint_eq(w.broker->route.nr_peers, nr);
	world_broker_kill(&w);
	out[1] = start();
	print_start("takes over", nr, out[1]);
	ck_assert_uint_eq(w.broker->route.nr_peers, nr);
	/* All are alike, and to count them takes long. */
	for (unsigned int i = 0; i < nr; i += 100)
		ck_assert_uint_le(sim_xs_owned_nodes(idle[i].domid), OWNED_MAX);
}

START_TEST(starts_with_many)
{
	struct start few[2], many[2];

	start_twice(MANY / 10, few);
	world_drop(&w);
	start_twice(MANY, many);
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_uint_le(many[i].requests, MANY * REQUESTS_MAX);
		/* Each is as much work however many there are. */
		ck_assert_uint_le(many[i].requests, 10 * few[i].requests);
	}
	world_drop(&w);
}
END_TEST

/* -------------------------------------------------------------------------- idle */

struct work {
	struct sim_counts counts;
	uint64_t turns, steps, messages, cpu;
};

/* Nine send to one as fast as they can, among so many. */
static struct work work_among(unsigned int nr_idle)
{
	struct load_result r;
	struct work work;
	struct vm *to;

	begin(nr_idle);
	(void)start();
	connect_idle(nr_idle);
	to = load_receiver_new(&load, "receiver");
	for (unsigned int i = 0; i < ACTIVE - 1; i++) {
		char name[24];

		(void)snprintf(name, sizeof(name), "sender%u", i);
		load_flow(load_sender_new(&load, name, 1000), to, 0);
		load.senders[i].measured = true;
	}
	settle();
	load_run(&load, SPAN);
	work.counts = *sim_counts(w.process);
	work.turns = w.broker->turns;
	r = load_measure(&load, SPAN, ACTIVE - 1);
	work.turns = w.broker->turns - work.turns;
	for (unsigned int i = 0; i < SIM_CALL_N; i++)
		work.counts.calls[i] = sim_counts(w.process)->calls[i] - work.counts.calls[i];
	work.steps = load.steps;
	work.messages = r.messages;
	work.cpu = load.cpu;
	printf("figure: %u active among %u: %llu messages, %llu turns, %llu steps, %llu calls; "
	       "%.1f ms with the simulation\n",
	       ACTIVE, nr_idle + ACTIVE, (unsigned long long)work.messages,
	       (unsigned long long)work.turns, (unsigned long long)work.steps,
	       (unsigned long long)work.counts.calls[SIM_CALL_ANY], (double)work.cpu / 1e6);
	world_drop(&w);
	return work;
}

static uint64_t calls(const struct work *work, enum sim_call call)
{
	return work->counts.calls[call];
}

START_TEST(idle_ones_are_no_work)
{
	struct work alone = work_among(0), among = work_among(MANY - ACTIVE);

	ck_assert_uint_eq(among.messages, alone.messages);
	ck_assert_uint_eq(among.turns, alone.turns);
	ck_assert_uint_eq(among.steps, alone.steps);
	ck_assert_uint_eq(calls(&among, SIM_CALL_NOTIFY), calls(&alone, SIM_CALL_NOTIFY));
	ck_assert_uint_eq(calls(&among, SIM_CALL_COPY), calls(&alone, SIM_CALL_COPY));
	/* An event more or less at the edges of the measurement. */
	ck_assert_uint_le(calls(&among, SIM_CALL_ANY) * 100, calls(&alone, SIM_CALL_ANY) * 101);
	for (unsigned int i = SIM_CALL_XS_OPEN; i < SIM_CALL_N; i++)
		ck_assert_uint_eq(calls(&among, (enum sim_call)i), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("system-many");
	TCase *tcase = tcase_create("many");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 300);
	tcase_add_test(tcase, starts_with_many);
	tcase_add_test(tcase, idle_ones_are_no_work);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
