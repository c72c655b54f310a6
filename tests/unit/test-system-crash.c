// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The whole system over the simulated Xen: the broker is killed at every step
 * there is. A step is a call into Xen or xenstore, where it dies before or after
 * the call had its effect, or a store of its own to memory that it shares with
 * guests. After each death another broker takes over; then no message is lost,
 * none comes twice or out of order, and at the end nothing is left behind.
 *
 * Nothing is left to luck: up to its death a run is always the same. So the n-th
 * run of a phase dies at the phase's n-th step, and a phase is through when a
 * run outlives it. Phases are what happens from one idle moment to the next:
 *
 *	start    it makes the devices of two domains
 *	connect  two frontends connect, bind ports and open a pool
 *	mover    messages by copy and by map, their answers and releases
 *	reset    it takes over from a killed one, in the middle of all that
 *	again    it takes over from one that was killed while it did so
 *	rebind   the ports and the pool are closed, and made anew
 *	close    one frontend says goodbye, the other one's domain is destroyed
 *
 * with and without pools, between guests, and with either of the two in domain 0.
 *
 * XENMSG_POINT=TEST:STEP runs one of them, as it is printed for a failure, and
 * XENMSG_POINT=TEST all of that test.
 * Under sanitizers, where a run takes long, it is one step in SAMPLE.
 */
#include "tests/unit/system-flows.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define SAMPLE 37u
#else
#define SAMPLE 1u
#endif

/* Least number of steps, if none are left out. */
#define POINTS_MIN 10000u
/*
 * A phase's steps are dealt out to so many tests, unless most are left out.
 * Those of the mover always, as they are many: each test has a round of messages
 * to itself, and the last one the rest.
 */
#define HANDS 16u
/* A call in the middle of taking over. */
#define MIDWAY 50u

enum phase { START, CONNECT, MOVER, RESET, AGAIN, REBIND, CLOSE, PHASES };
static const char *const phases[] = { "start", "connect", "mover", "reset",
				      "again", "rebind",  "close" };

enum kind { BEFORE_CALL, AFTER_CALL, STORE, KINDS };
static const char *const kinds[] = { "before a call", "after a call", "at a store" };

#define PARTIES 3u /* enum flows_local */
#define POOLS	2u
#define TESTS	(PHASES * KINDS * PARTIES * POOLS * HANDS)

/* One test: the steps of a phase, or every HANDS-th of them. */
struct course {
	enum phase phase;
	enum kind kind;
	enum flows_local local;
	bool pools;
	unsigned int hand;
};

/* Shared with the processes in which Check runs tests. */
static struct tally {
	unsigned int points[TESTS]; /* deaths */
	unsigned int at[TESTS];	    /* the step that is under way; 0: none is */
} * tally;

static struct flows f;

static struct course course_of(unsigned int test)
{
	struct course c = { .hand = test % HANDS };

	test /= HANDS;
	c.pools = test % POOLS;
	test /= POOLS;
	c.local = (enum flows_local)(test % PARTIES);
	test /= PARTIES;
	c.kind = (enum kind)(test % KINDS);
	c.phase = (enum phase)(test / KINDS);
	return c;
}

/* ---------------------------------------------------------------------- a run */

static void begin(const struct course *c)
{
	/* In the slot, just not, in two pages, in one. */
	static const size_t lens[] = { 20, 33, 4097, 1, 350, 31, 270 };
	/* That a page is copied store by store is seen enough between guests. */
	static const size_t short_lens[] = { 20, 33, 270, 1, 350, 31, 90 };
	bool words = c->pools && c->local != FLOWS_GUESTS;

	flows_init(&f, c->local, c->pools ? "" : "pools = no", 1 + c->local * POOLS + c->pools);
	f.count = HANDS - 1;
	f.lens = words ? short_lens : lens;
	f.nr_lens = sizeof(lens) / sizeof(lens[0]);
	f.pool_bytes = 16384;
	f.options.ring_order = 1;
	f.options.tx_pages = 24;
	f.options.rx_pages = 24;
}

static void start(void)
{
	ck_assert_int_eq(world_broker_start(&f.w), 0);
	world_run(&f.w, 5);
}

/* The broker that lives now is to die at its @n-th step from now; the next one lives. */
static void arm(enum kind kind, unsigned int n)
{
	if (kind == STORE)
		(void)sim_kill_at_store(f.w.process, n);
	else
		sim_kill_at(f.w.process, n, kind == AFTER_CALL ? SIM_AFTER : SIM_BEFORE);
	world_broker_keep(&f.w, 1);
}

/* The same for one that is started. */
static void start_armed(enum kind kind, unsigned int n)
{
	if (kind == STORE)
		f.w.kill_store = n;
	else
		f.w.kill_at = n;
	f.w.kill_when = kind == AFTER_CALL ? SIM_AFTER : SIM_BEFORE;
	(void)world_broker_start(&f.w);
	f.w.kill_store = 0;
	f.w.kill_at = 0;
	world_broker_keep(&f.w, 1);
}

/* Some of everything is under way: queued, delivered, held, released. */
static void leave_things_open(void)
{
	for (unsigned int i = 0; i < 3; i++) {
		(void)flows_round(&f);
		world_run(&f.w, 1);
	}
	(void)flows_send(&f, &f.flow[0]);
	(void)flows_send(&f, &f.flow[1]);
}

static void die_midway(void)
{
	f.w.kill_at = MIDWAY;
	f.w.kill_when = SIM_BEFORE;
	(void)world_broker_start(&f.w);
	f.w.kill_at = 0;
	world_run(&f.w, 20);
	world_broker_reap(&f.w);
}

static void close_both(void)
{
	vm_close(f.alice);
	if (f.bob->local)
		vm_kill(f.bob);
	else
		vm_destroy(f.bob);
	world_run(&f.w, 20);
}

/* One round of messages, or all that are left. */
static void move(const struct course *c, unsigned int n)
{
	for (unsigned int i = 0; i < c->hand; i++) {
		(void)flows_round(&f);
		world_run(&f.w, 1);
	}
	arm(c->kind, n);
	if (c->hand == HANDS - 1)
		flows_exchange(&f);
	else
		(void)flows_round(&f);
	world_run(&f.w, 1);
}

static void take_over(const struct course *c, unsigned int n)
{
	leave_things_open();
	world_broker_kill(&f.w);
	if (c->phase == AGAIN)
		die_midway();
	start_armed(c->kind, n);
	world_run(&f.w, 20);
}

/* From the idle moment before the phase to the one after it. */
static void run_phase(const struct course *c, unsigned int n)
{
	if (c->phase == START) {
		start_armed(c->kind, n);
		world_run(&f.w, 5);
		return;
	}
	start();
	if (c->phase == CONNECT)
		arm(c->kind, n);
	flows_open(&f);
	if (c->phase == MOVER) {
		move(c, n);
	} else if (c->phase == RESET || c->phase == AGAIN) {
		take_over(c, n);
	} else if (c->phase == REBIND) {
		flows_exchange(&f);
		arm(c->kind, n);
		flows_reopen(&f);
	} else if (c->phase == CLOSE) {
		flows_exchange(&f);
		arm(c->kind, n);
		close_both();
	}
}

/* Returns whether the broker died: if not, the phase has less than @n steps. */
static bool run(const struct course *c, unsigned int n)
{
	unsigned int unharmed = c->phase == AGAIN ? 3 : c->phase == RESET ? 2 : 1;
	bool died;

	begin(c);
	run_phase(c, n);
	died = f.w.brokers > unharmed || !f.w.process || world_broker_ended(&f.w);
	sim_fail_reset();
	if (c->phase == START)
		flows_open(&f);
	if (c->phase != CLOSE)
		flows_exchange(&f);
	ck_assert_uint_eq(f.w.brokers, unharmed + died);
	world_fini(&f.w);
	return died;
}

START_TEST(killed)
{
	unsigned int test = (unsigned int)_i, n = 1, every = SAMPLE;
	struct course c = course_of(test);

	if (c.phase != MOVER && SAMPLE > 1 && c.hand)
		return;
	if (c.phase != MOVER && SAMPLE == 1) {
		n += c.hand;
		every = HANDS;
	}
	for (;; n += every) {
		tally->at[test] = n;
		if (!run(&c, n))
			break;
		tally->points[test]++;
	}
	tally->at[test] = 0;
}
END_TEST

/* One step of one test. */
static unsigned int only_test, only_step;

START_TEST(killed_once)
{
	struct course c = course_of(only_test);

	tally->at[only_test] = only_step;
	tally->points[only_test] = run(&c, only_step);
	tally->at[only_test] = 0;
}
END_TEST

/* ------------------------------------------------------------------- the sums */

static unsigned int print_phase(enum phase phase)
{
	unsigned int n[KINDS] = { 0 }, sum = 0;

	for (unsigned int i = 0; i < TESTS; i++) {
		struct course c = course_of(i);

		if (c.phase == phase)
			n[c.kind] += tally->points[i];
	}
	printf("figure: killed in %-8s", phases[phase]);
	for (unsigned int i = 0; i < KINDS; i++) {
		printf("%6u %s,", n[i], kinds[i]);
		sum += n[i];
	}
	printf("%6u in all\n", sum);
	return sum;
}

static unsigned int print_all(void)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < TESTS; i++) {
		struct course c = course_of(i);

		if (tally->at[i])
			printf("failed: %s, %s, party %d, pools %d: XENMSG_POINT=%u:%u\n",
			       phases[c.phase], kinds[c.kind], (int)c.local, c.pools, i,
			       tally->at[i]);
	}
	for (unsigned int phase = 0; phase < PHASES; phase++)
		sum += print_phase((enum phase)phase);
	printf("figure: killed at %u steps; every %u. step of each phase\n", sum, SAMPLE);
	return sum;
}

int main(void)
{
	const char *point = getenv("XENMSG_POINT");
	Suite *suite = suite_create("system-crash");
	TCase *tcase = tcase_create("crash");
	SRunner *runner;
	int failed;

	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (tally == MAP_FAILED)
		return EXIT_FAILURE;
	if (point) {
		int n = sscanf(point, "%u:%u", &only_test, &only_step);

		if (n < 1 || only_test >= TESTS)
			return EXIT_FAILURE;
		if (n == 2)
			tcase_add_test(tcase, killed_once);
		else
			tcase_add_loop_test(tcase, killed, (int)only_test, (int)only_test + 1);
	} else {
		tcase_add_loop_test(tcase, killed, 0, TESTS);
	}
	tcase_set_timeout(tcase, 300);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	if (print_all() < POINTS_MIN && !failed && SAMPLE == 1 && !point) {
		printf("failed: these are less than %u steps\n", POINTS_MIN);
		failed = 1;
	}
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
