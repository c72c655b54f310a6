// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The simulated Xen: virtual time, also through libsystemd's event loop.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/sim.h"

#define SEC SIM_NSEC_PER_SEC

static void setup(void)
{
	sim_init(6);
}

static void teardown(void)
{
	sim_assert_clean();
	sim_fini();
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	ck_assert_int_eq(clock_gettime(clock, &ts), 0);
	return (uint64_t)ts.tv_sec * SEC + (uint64_t)ts.tv_nsec;
}

START_TEST(clocks_stand_still)
{
	uint64_t mono = clock_ns(CLOCK_MONOTONIC), real = clock_ns(CLOCK_REALTIME);
	struct timeval tv;

	ck_assert_uint_eq(mono, sim_now());
	ck_assert_uint_eq(clock_ns(CLOCK_MONOTONIC), mono);
	sim_advance(1500000000);
	ck_assert_uint_eq(clock_ns(CLOCK_MONOTONIC), mono + 1500000000);
	ck_assert_uint_eq(clock_ns(CLOCK_BOOTTIME), mono + 1500000000);
	ck_assert_uint_eq(clock_ns(CLOCK_REALTIME), real + 1500000000);
	gettimeofday(&tv, NULL);
	ck_assert_uint_eq((uint64_t)tv.tv_sec, (real + 1500000000) / SEC);
	ck_assert_int_eq(time(NULL), tv.tv_sec);
	ck_assert_int_eq(tv.tv_usec, 500000);
	/* Processor time is real. */
	ck_assert_uint_gt(clock_ns(CLOCK_PROCESS_CPUTIME_ID), 0);
}
END_TEST

START_TEST(sleeping_takes_virtual_time)
{
	struct timespec ts = { .tv_sec = 3600 };
	uint64_t start = sim_now();

	usleep(5000);
	ck_assert_uint_eq(sim_now(), start + 5 * SIM_NSEC_PER_MSEC);
	ck_assert_int_eq(nanosleep(&ts, NULL), 0);
	ck_assert_uint_eq(sleep(1), 0);
	ck_assert_uint_eq(sim_now(), start + 5 * SIM_NSEC_PER_MSEC + 3601 * SEC);
	ts.tv_nsec = 1000000000;
	ck_assert_int_eq(nanosleep(&ts, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += 7;
	start = sim_now();
	ck_assert_int_eq(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL), 0);
	ck_assert_uint_eq(sim_now(), start + 7 * SEC);
}
END_TEST

static uint64_t expiries(int fd)
{
	uint64_t count = 0;

	if (read(fd, &count, sizeof(count)) < 0)
		ck_assert_int_eq(errno, EAGAIN);
	return count;
}

static void arm(int fd, int flags, uint64_t ns, uint64_t interval)
{
	struct itimerspec its = {
		.it_value = { (time_t)(ns / SEC), (long)(ns % SEC) },
		.it_interval = { (time_t)(interval / SEC), (long)(interval % SEC) },
	};

	ck_assert_int_eq(timerfd_settime(fd, flags, &its, NULL), 0);
}

START_TEST(timers)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct itimerspec its;

	ck_assert_uint_eq(sim_next_timer(), SIM_NO_TIMER);
	arm(fd, 0, 2 * SEC, 0);
	ck_assert_uint_eq(sim_next_timer(), sim_now() + 2 * SEC);
	ck_assert_int_eq(timerfd_gettime(fd, &its), 0);
	ck_assert_int_eq(its.it_value.tv_sec, 2);
	sim_advance(2 * SEC - 1);
	ck_assert_uint_eq(expiries(fd), 0);
	sim_advance(1);
	ck_assert_uint_eq(expiries(fd), 1);
	ck_assert_uint_eq(expiries(fd), 0);
	ck_assert_uint_eq(sim_next_timer(), SIM_NO_TIMER);

	/* Periodic. */
	arm(fd, 0, SEC, SEC / 2);
	sim_advance(3 * SEC);
	ck_assert_uint_eq(expiries(fd), 5);
	/* Setting it anew forgets what was not read. */
	sim_advance(SEC);
	arm(fd, 0, 0, 0);
	ck_assert_uint_eq(expiries(fd), 0);
	sim_advance(9 * SEC);
	ck_assert_uint_eq(expiries(fd), 0);

	/* The past is due at once. */
	arm(fd, TFD_TIMER_ABSTIME, 1, 0);
	ck_assert_uint_eq(expiries(fd), 1);
	arm(fd, TFD_TIMER_ABSTIME, sim_now() + SEC, 0);
	sim_advance(SEC);
	ck_assert_uint_eq(expiries(fd), 1);
	close(fd);

	fd = timerfd_create(CLOCK_REALTIME, 0);
	arm(fd, TFD_TIMER_ABSTIME, clock_ns(CLOCK_REALTIME) + SEC, 0);
	sim_advance(SEC - 1);
	ck_assert_uint_eq(expiries(fd), 0);
	sim_advance(1);
	ck_assert_uint_eq(expiries(fd), 1);
	arm(fd, 0, SEC, 0);
	close(fd);
	/* A closed timer is no timer, whoever gets the number next. */
	ck_assert_uint_eq(sim_next_timer(), SIM_NO_TIMER);
	fd = timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0);
	ck_assert_int_eq(fd, -1);
}
END_TEST

START_TEST(timers_fire_in_order)
{
	int a = timerfd_create(CLOCK_MONOTONIC, 0), b = timerfd_create(CLOCK_MONOTONIC, 0);
	struct pollfd p[2] = { { a, POLLIN, 0 }, { b, POLLIN, 0 } };
	uint64_t start = sim_now();

	arm(a, 0, 3 * SEC, 0);
	arm(b, 0, 2 * SEC, 0);
	/* A wait that nobody can end but time. */
	ck_assert_int_eq(poll(p, 2, -1), 1);
	ck_assert_int_eq(p[1].revents, POLLIN);
	ck_assert_uint_eq(sim_now(), start + 2 * SEC);
	ck_assert_int_eq(poll(p, 1, 500), 0);
	ck_assert_uint_eq(sim_now(), start + 2 * SEC + SEC / 2);
	ck_assert_int_eq(poll(p, 1, 5000), 1);
	ck_assert_uint_eq(sim_now(), start + 3 * SEC);
	close(a);
	close(b);
}
END_TEST

static unsigned int fired;
static uint64_t fired_at;

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	uint64_t interval = *(uint64_t *)userdata;

	fired++;
	fired_at = sim_now();
	if (!interval)
		return 0;
	ck_assert_int_eq(sd_event_source_set_time(source, usec + interval), 0);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

/* A daemon's turn: all that is ready now. */
static unsigned int turns(sd_event *event)
{
	unsigned int n = 0;

	while (sd_event_run(event, 0) > 0)
		n++;
	return n;
}

START_TEST(sd_event_timer)
{
	sd_event *event;
	sd_event_source *source;
	uint64_t interval = 1000000, start = sim_now(), usec;

	ck_assert_int_eq(sd_event_new(&event), 0);
	ck_assert_int_ge(sd_event_now(event, CLOCK_MONOTONIC, &usec), 0);
	ck_assert_uint_eq(usec, start / 1000);
	ck_assert_int_ge(sd_event_add_time(event, &source, CLOCK_MONOTONIC, usec + 2000000, 1,
					   on_timer, &interval),
			 0);
	ck_assert_uint_eq(turns(event), 0);
	ck_assert_uint_ne(sim_next_timer(), SIM_NO_TIMER);
	sim_advance(1999999 * SIM_NSEC_PER_USEC);
	ck_assert_uint_eq(turns(event), 0);
	/* The accuracy is a microsecond. */
	sim_advance(2 * SIM_NSEC_PER_USEC);
	ck_assert_uint_eq(turns(event), 1);
	ck_assert_uint_eq(fired, 1);
	sim_advance(SEC);
	ck_assert_uint_eq(turns(event), 1);
	sim_advance(SEC);
	ck_assert_uint_eq(turns(event), 1);
	ck_assert_uint_eq(fired, 3);

	/* Its blocking wait takes virtual time too. */
	start = sim_now();
	ck_assert_int_eq(sd_event_run(event, UINT64_MAX), 1);
	ck_assert_uint_eq(fired, 4);
	ck_assert_uint_gt(sim_now(), start + SEC / 2);
	ck_assert_uint_lt(sim_now(), start + 2 * SEC);

	sd_event_source_unref(source);
	sd_event_unref(event);
	ck_assert_uint_eq(sim_next_timer(), SIM_NO_TIMER);
}
END_TEST

static bool daemon_main(void *arg)
{
	static bool ended;

	if (ended)
		return false;
	ck_assert_int_eq(sd_event_loop(arg), 7);
	ended = true;
	return true;
}

static int on_last_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)usec;
	fired++;
	if (fired < 5)
		return sd_event_source_set_time_relative(source, 1000000) < 0 ||
		       sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) < 0;
	return sd_event_exit(userdata, 7);
}

/* A whole daemon, which blocks in its event loop. */
START_TEST(sd_event_loop_of_an_actor)
{
	struct sim_process *process = sim_process_new(0, "daemon");
	uint64_t start = sim_now();
	sd_event *event;

	sim_enter(process);
	ck_assert_int_eq(sd_event_new(&event), 0);
	ck_assert_int_ge(sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, 1000000, 1,
						    on_last_timer, event),
			 0);
	sim_enter(NULL);
	sim_actor_new(process, daemon_main, event);
	ck_assert_int_eq(sim_run(NULL, NULL, 1000, 0), SIM_END_IDLE);
	ck_assert_uint_eq(fired, 5);
	ck_assert_uint_ge(sim_now(), start + 5 * SEC);
	ck_assert_uint_lt(sim_now(), start + 6 * SEC);
	sd_event_unref(event);
}
END_TEST

START_TEST(random_is_seeded)
{
	uint8_t first[32], second[32];
	uint64_t test = sim_random();

	ck_assert_int_eq(getrandom(first, sizeof(first), 0), sizeof(first));
	sim_fini();
	sim_init(6);
	/* The streams are independent. */
	ck_assert_int_eq(getrandom(second, sizeof(second), 0), sizeof(second));
	ck_assert_mem_eq(first, second, sizeof(first));
	ck_assert_uint_eq(sim_random(), test);
	sim_fini();
	sim_init(7);
	ck_assert_int_eq(getrandom(second, sizeof(second), 0), sizeof(second));
	ck_assert_mem_ne(first, second, sizeof(first));
	ck_assert_uint_lt(sim_random_below(10), 10);
	ck_assert_uint_eq(sim_seed(), 7);
}
END_TEST

/* Without a world everything is real. */
START_TEST(no_world)
{
	uint8_t bytes[8] = { 0 };
	uint64_t a;
	int fd;

	sim_fini();
	a = clock_ns(CLOCK_MONOTONIC);
	usleep(1000);
	ck_assert_uint_ge(clock_ns(CLOCK_MONOTONIC), a + 1000000);
	ck_assert_int_eq(getrandom(bytes, sizeof(bytes), 0), sizeof(bytes));
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	arm(fd, 0, 1000000, 0);
	ck_assert_uint_eq(expiries(fd), 1);
	ck_assert_int_eq(poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, 1), 0);
	close(fd);
	sim_init(6);
}
END_TEST

static Suite *time_suite(void)
{
	Suite *s = suite_create("sim-time");
	TCase *t = tcase_create("time");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, clocks_stand_still);
	tcase_add_test(t, sleeping_takes_virtual_time);
	tcase_add_test(t, timers);
	tcase_add_test(t, timers_fire_in_order);
	tcase_add_test(t, sd_event_timer);
	tcase_add_test(t, sd_event_loop_of_an_actor);
	tcase_add_test(t, random_is_seeded);
	tcase_add_test(t, no_world);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(time_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
