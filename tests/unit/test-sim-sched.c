// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The simulated Xen: the scheduler and waits.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

#include "tests/sim/sim.h"

/* Two programs that play ping-pong over an event channel. */
struct player {
	struct sim_process *process;
	struct sim_actor *actor;
	xenevtchn_handle *xce;
	evtchn_port_t port;
	unsigned int hits;
	unsigned int max;
};

static struct player a, b;
static domid_t guest;
static char history[4096];
static uint64_t last_hit; /* when */

static bool turn(void *arg)
{
	struct player *p = arg;
	int port = xenevtchn_pending(p->xce);
	size_t len = strlen(history);

	ck_assert_ptr_eq(sim_current(), p->process);
	if (port < 0)
		return false;
	xenevtchn_unmask(p->xce, (evtchn_port_t)port);
	p->hits++;
	last_hit = sim_now();
	if (len + 1 < sizeof(history))
		history[len] = p == &a ? 'a' : 'b';
	if (p->hits < p->max)
		xenevtchn_notify(p->xce, p->port);
	return true;
}

static void make_player(struct player *p, domid_t domid, const char *name)
{
	*p = (struct player){ .process = sim_process_new(domid, name), .max = 10 };
	sim_enter(p->process);
	p->xce = xenevtchn_open(NULL, 0);
	sim_enter(NULL);
	p->actor = sim_actor_new(p->process, turn, p);
}

static void build(uint64_t seed)
{
	memset(history, 0, sizeof(history));
	sim_init(seed);
	guest = sim_domain_new("guest", SIM_PV);
	make_player(&a, 0, "a");
	make_player(&b, guest, "b");
	b.port = (evtchn_port_t)xenevtchn_bind_unbound_port(b.xce, 0);
	a.port = (evtchn_port_t)xenevtchn_bind_interdomain(a.xce, guest, b.port);
}

static void setup(void)
{
	build(8);
}

static void teardown(void)
{
	xenevtchn_close(a.xce);
	xenevtchn_close(b.xce);
	sim_assert_clean();
	sim_fini();
}

static bool has_hits(void *arg)
{
	return a.hits >= *(unsigned int *)arg;
}

START_TEST(runs_until_idle)
{
	uint64_t start = sim_now();

	ck_assert_int_eq(sim_run(NULL, NULL, 1000, 0), SIM_END_IDLE);
	ck_assert_uint_eq(a.hits, 10);
	ck_assert_uint_eq(b.hits, 9);
	/* Turns take time. */
	ck_assert_uint_gt(sim_now(), start);
}
END_TEST

START_TEST(runs_until_done)
{
	unsigned int n = 5;

	ck_assert_int_eq(sim_run(has_hits, &n, 1000, SIM_NSEC_PER_SEC), SIM_END_DONE);
	ck_assert_uint_eq(a.hits, 5);
}
END_TEST

START_TEST(stalled_and_paused)
{
	sim_actor_stall(b.actor, true);
	ck_assert_int_eq(sim_run(NULL, NULL, 1000, 0), SIM_END_IDLE);
	ck_assert_uint_eq(a.hits, 1);
	sim_actor_stall(b.actor, false);
	sim_domain_pause(guest);
	ck_assert_int_eq(sim_run(NULL, NULL, 1000, 0), SIM_END_IDLE);
	ck_assert_uint_eq(b.hits, 0);
	sim_domain_unpause(guest);
	ck_assert_int_eq(sim_run(NULL, NULL, 1000, 0), SIM_END_IDLE);
	ck_assert_uint_eq(a.hits, 10);
}
END_TEST

START_TEST(dead_actor_leaves)
{
	sim_kill_at(b.process, 3, SIM_AFTER);
	ck_assert_int_eq(sim_run(NULL, NULL, 1000, 0), SIM_END_IDLE);
	ck_assert(sim_process_dead(b.process));
	ck_assert_uint_le(a.hits, 2);
}
END_TEST

/* Several players whose order of turns is free. */
static unsigned int credit[4];

static bool spend(void *arg)
{
	unsigned int i = (unsigned int)(uintptr_t)arg;
	size_t len = strlen(history);

	if (!credit[i])
		return false;
	credit[i]--;
	history[len] = (char)('0' + i);
	return true;
}

static void free_for_all(uint64_t seed, char *out)
{
	unsigned int i;

	sim_init(seed);
	memset(history, 0, sizeof(history));
	for (i = 0; i < 4; i++) {
		credit[i] = 20;
		sim_actor_new(NULL, spend, (void *)(uintptr_t)i);
	}
	ck_assert_int_eq(sim_run(NULL, NULL, 1000, 0), SIM_END_IDLE);
	strcpy(out, history);
	sim_fini();
}

START_TEST(seed_decides)
{
	char first[128], second[128], third[128];

	xenevtchn_close(a.xce);
	xenevtchn_close(b.xce);
	sim_fini();
	free_for_all(1, first);
	free_for_all(1, second);
	free_for_all(2, third);
	ck_assert_uint_eq(strlen(first), 80);
	ck_assert_str_eq(first, second);
	ck_assert_str_ne(first, third);
	build(8);
}
END_TEST

static int timer;
static unsigned int ticks;

static bool tick(void *arg)
{
	uint64_t count;

	(void)arg;
	if (read(timer, &count, sizeof(count)) < 0)
		return false;
	ticks += (unsigned int)count;
	return true;
}

static void start_timer(uint64_t seconds, uint64_t interval)
{
	struct itimerspec its = { .it_value.tv_sec = (time_t)seconds,
				  .it_interval.tv_sec = (time_t)interval };

	timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	timerfd_settime(timer, 0, &its, NULL);
}

START_TEST(time_moves_when_all_are_idle)
{
	uint64_t start = sim_now();

	start_timer(3600, 0);
	sim_actor_new(NULL, tick, NULL);
	ck_assert_int_eq(sim_run(NULL, NULL, 1000, 0), SIM_END_IDLE);
	ck_assert_uint_eq(ticks, 1);
	ck_assert_uint_ge(sim_now(), start + 3600 * SIM_NSEC_PER_SEC);
	ck_assert_uint_eq(a.hits, 10);
	close(timer);
}
END_TEST

/* Whatever the test did before it waits. */
START_TEST(waits_wake_the_idle)
{
	ck_assert_int_eq(xenevtchn_notify(b.xce, b.port), 0);
	sim_run(NULL, NULL, 1000, 0);
	a.max = b.max = 20;
	ck_assert_int_eq(xenevtchn_notify(b.xce, b.port), 0);
	start_timer(2, 0);
	ck_assert_int_eq(poll(NULL, 0, 1000), 0);
	ck_assert_uint_ge(a.hits, 19);
	ck_assert_uint_lt(last_hit, sim_now() - SIM_NSEC_PER_SEC / 2);
}
END_TEST

/* A library call that blocks: the others go on meanwhile. */
START_TEST(waits_run_the_others)
{
	struct sim_process *process = sim_process_new(guest, "waiter");
	struct sim_process *waker = sim_process_new(0, "waker");
	xenevtchn_handle *xce, *wx;
	struct pollfd p = { .events = POLLIN };
	struct epoll_event event = { .events = EPOLLIN };
	int port, remote, epfd;

	sim_enter(waker);
	wx = xenevtchn_open(NULL, 0);
	sim_enter(process);
	xce = xenevtchn_open(NULL, 0);
	port = xenevtchn_bind_unbound_port(xce, 0);
	remote = xenevtchn_bind_interdomain(wx, guest, (evtchn_port_t)port);
	p.fd = xenevtchn_fd(xce);
	start_timer(2, 0);
	sim_actor_new(NULL, tick, NULL);
	ck_assert_int_eq(poll(&p, 1, 1000), 0);
	ck_assert_uint_eq(a.hits, 10);
	ck_assert_uint_eq(ticks, 0);
	ck_assert_int_eq(poll(&p, 1, 1500), 0);
	ck_assert_uint_eq(ticks, 1);
	ck_assert_ptr_eq(sim_current(), process);

	epfd = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(epfd, EPOLL_CTL_ADD, p.fd, &event);
	ck_assert_int_eq(epoll_wait(epfd, &event, 1, 100), 0);
	xenevtchn_notify(wx, (evtchn_port_t)remote);
	ck_assert_int_eq(epoll_wait(epfd, &event, 1, -1), 1);
	ck_assert_int_eq(poll(&p, 1, -1), 1);
	close(epfd);
	close(timer);
	xenevtchn_close(wx);
	xenevtchn_close(xce);
}
END_TEST

/* An actor that frees itself and an actor that waits in its turn. */
static bool suicide(void *arg)
{
	(*(unsigned int *)arg)++;
	sim_process_kill(sim_current());
	return true;
}

static bool waiting(void *arg)
{
	unsigned int *count = arg;

	if (*count)
		return false;
	(*count)++;
	ck_assert_int_eq(poll(NULL, 0, 50), 0);
	return true;
}

START_TEST(actors_come_and_go)
{
	unsigned int deaths = 0, waits = 0;
	struct sim_process *process = sim_process_new(guest, "lemming");
	struct sim_actor *actor;

	sim_actor_new(process, suicide, &deaths);
	sim_actor_new(NULL, waiting, &waits);
	actor = sim_actor_new(NULL, spend, (void *)0);
	credit[0] = 2;
	ck_assert(sim_step(actor));
	ck_assert(sim_step(actor));
	ck_assert(!sim_step(actor));
	sim_actor_free(actor);
	ck_assert_int_eq(sim_run(NULL, NULL, 1000, 0), SIM_END_IDLE);
	ck_assert_uint_eq(deaths, 1);
	ck_assert_uint_eq(waits, 1);
	ck_assert_uint_eq(a.hits, 10);
}
END_TEST

/* Two programs that block: each waits for the other in the middle of main(). */
static bool blocking_main(void *arg)
{
	struct player *p = arg;
	struct pollfd fd = { .fd = xenevtchn_fd(p->xce), .events = POLLIN };
	int port;

	if (!p->max)
		return false;
	while (p->hits < p->max) {
		if (poll(&fd, 1, -1) < 0)
			return false;
		ck_assert_ptr_eq(sim_current(), p->process);
		port = xenevtchn_pending(p->xce);
		ck_assert_int_gt(port, 0);
		xenevtchn_unmask(p->xce, (evtchn_port_t)port);
		p->hits++;
		xenevtchn_notify(p->xce, p->port);
	}
	p->max = 0;
	return true;
}

static void make_blocking(struct player *p)
{
	sim_actor_free(p->actor);
	p->actor = sim_actor_new(p->process, blocking_main, p);
}

START_TEST(programs_may_block)
{
	make_blocking(&a);
	make_blocking(&b);
	ck_assert_int_eq(sim_run(NULL, NULL, 1000, 0), SIM_END_IDLE);
	ck_assert_uint_eq(a.hits, 10);
	ck_assert_uint_eq(b.hits, 10);
}
END_TEST

START_TEST(killed_while_blocked)
{
	struct sim_process *process = b.process;

	b.max = 5;
	make_blocking(&a);
	make_blocking(&b);
	ck_assert_int_eq(sim_run(NULL, NULL, 1000, 0), SIM_END_IDLE);
	ck_assert_uint_eq(b.hits, 5);
	/* Player a waits still; its wait fails, and it ends. */
	sim_process_kill(a.process);
	sim_process_kill(process);
	ck_assert_int_eq(sim_run(NULL, NULL, 1000, 0), SIM_END_IDLE);
	xenevtchn_close(a.xce);
	sim_process_free(a.process);
	a.xce = NULL;
}
END_TEST

START_TEST(freed_while_blocked)
{
	make_blocking(&a);
	sim_actor_stall(b.actor, true);
	ck_assert_int_eq(sim_run(NULL, NULL, 1000, 0), SIM_END_IDLE);
	ck_assert_uint_eq(a.hits, 1);
	sim_process_free(a.process);
	a.xce = NULL;
}
END_TEST

static bool sleeper(void *arg)
{
	unsigned int *naps = arg;

	if (*naps % 2)
		poll(NULL, 0, 1000);
	else
		usleep(1000000);
	(*naps)++;
	return true;
}

START_TEST(runs_for_a_while)
{
	unsigned int naps = 0;
	uint64_t start = sim_now();

	sim_actor_new(NULL, sleeper, &naps);
	sim_run_for(10 * SIM_NSEC_PER_SEC + SIM_NSEC_PER_MSEC);
	ck_assert_uint_eq(naps, 10);
	ck_assert_uint_eq(a.hits, 10);
	ck_assert_uint_ge(sim_now(), start + 10 * SIM_NSEC_PER_SEC);
	ck_assert_uint_lt(sim_now(), start + 11 * SIM_NSEC_PER_SEC);
}
END_TEST

START_TEST(leaks_are_named)
{
	char *leaks = sim_leaks();

	ck_assert_ptr_nonnull(leaks);
	ck_assert_ptr_nonnull(strstr(leaks, "process a (d0): xenevtchn handle open"));
	ck_assert_ptr_nonnull(strstr(leaks, "bound (remote d0)"));
	ck_assert_ptr_nonnull(strstr(leaks, "bound (remote d1)"));
	free(leaks);
}
END_TEST

static Suite *sched_suite(void)
{
	Suite *s = suite_create("sim-sched");
	TCase *t = tcase_create("sched");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, runs_until_idle);
	tcase_add_test(t, runs_until_done);
	tcase_add_test(t, stalled_and_paused);
	tcase_add_test(t, dead_actor_leaves);
	tcase_add_test(t, seed_decides);
	tcase_add_test(t, time_moves_when_all_are_idle);
	tcase_add_test(t, waits_wake_the_idle);
	tcase_add_test(t, waits_run_the_others);
	tcase_add_test(t, actors_come_and_go);
	tcase_add_test(t, programs_may_block);
	tcase_add_test(t, killed_while_blocked);
	tcase_add_test(t, freed_while_blocked);
	tcase_add_test(t, runs_for_a_while);
	tcase_add_test(t, leaks_are_named);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(sched_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
