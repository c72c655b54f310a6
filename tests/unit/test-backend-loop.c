// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The event loop: events beside sd-event, what sd-event has to do first, and that
 * it hears of what is new for it.
 */
#include "backend/loop.h"

#include "backend/timer.h"
#include "common/clock.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct loop loop;
static sd_event *event;
static sd_event_source *deferred, *timer;
static int events, other;
/* What was done, a letter each. */
static char did[32];
static unsigned int nr_did;
static void (*on_serve)(void);

static void note(char what)
{
	ck_assert_uint_lt(nr_did, sizeof(did) - 1);
	did[nr_did++] = what;
}

static void signal_fd(int fd)
{
	uint64_t one = 1;

	ck_assert_int_eq(write(fd, &one, sizeof(one)), sizeof(one));
}

static void clear_fd(int fd)
{
	uint64_t value;

	ck_assert_int_eq(read(fd, &value, sizeof(value)), sizeof(value));
}

static void serve(void *priv)
{
	ck_assert_ptr_eq(priv, &loop);
	clear_fd(events);
	note('e');
	if (on_serve)
		on_serve();
}

static int on_other(sd_event_source *source, int fd, uint32_t revents, void *priv)
{
	clear_fd(fd);
	note('o');
	return 0;
}

static int on_deferred(sd_event_source *source, void *priv)
{
	note('d');
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *priv)
{
	note('t');
	return 0;
}

static void setup(void)
{
	nr_did = 0;
	memset(did, 0, sizeof(did));
	on_serve = NULL;
	events = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	other = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ck_assert_int_ge(sd_event_new(&event), 0);
	ck_assert_int_ge(sd_event_add_io(event, NULL, other, EPOLLIN, on_other, NULL), 0);
	ck_assert_int_ge(sd_event_add_defer(event, &deferred, on_deferred, NULL), 0);
	ck_assert_int_ge(sd_event_source_set_enabled(deferred, SD_EVENT_OFF), 0);
	ck_assert_int_eq(loop_open(&loop, event, events, serve, &loop), 0);
}

static void teardown(void)
{
	loop_close(&loop);
	loop_close(&loop);
	timer = sd_event_source_disable_unref(timer);
	deferred = sd_event_source_disable_unref(deferred);
	event = sd_event_unref(event);
	close(events);
	close(other);
}

START_TEST(nothing_to_do)
{
	ck_assert_int_eq(loop_run(&loop, 0), 0);
	ck_assert_int_eq(loop_run(&loop, 1), 0);
	ck_assert_str_eq(did, "");
}
END_TEST

START_TEST(one_at_a_time)
{
	signal_fd(events);
	ck_assert_int_eq(loop_run(&loop, 0), 1);
	ck_assert_str_eq(did, "e");
	signal_fd(other);
	ck_assert_int_eq(loop_run(&loop, 0), 1);
	ck_assert_str_eq(did, "eo");
	ck_assert_int_eq(loop_run(&loop, 0), 0);
}
END_TEST

/* Who is known to be dead is handed nothing any more. */
START_TEST(sd_event_comes_first)
{
	signal_fd(events);
	signal_fd(other);
	ck_assert_int_eq(loop_run(&loop, _i), 1);
	ck_assert_str_eq(did, "o");
	ck_assert_int_eq(loop_run(&loop, 0), 1);
	ck_assert_str_eq(did, "oe");
}
END_TEST

static bool more;

/* An event on whose heels the next one comes. */
static void at_once(void)
{
	if (more)
		signal_fd(events);
	more = false;
}

/* What comes while others are served is not lost. */
START_TEST(one_after_the_other)
{
	more = true;
	on_serve = at_once;
	signal_fd(events);
	ck_assert_int_eq(loop_run(&loop, 0), 1);
	ck_assert_int_eq(loop_run(&loop, 0), 1);
	ck_assert_int_eq(loop_run(&loop, 0), 0);
	ck_assert_str_eq(did, "ee");
}
END_TEST

/* Another event, and something for sd-event at the third. */
static void again(void)
{
	if (nr_did < 3) {
		signal_fd(events);
		return;
	}
	signal_fd(other);
}

START_TEST(events_keep_it)
{
	on_serve = again;
	signal_fd(events);
	ck_assert_int_eq(loop_run(&loop, -1), 1);
	ck_assert_str_eq(did, "eeeo");
}
END_TEST

static void defer(void)
{
	ck_assert_int_ge(sd_event_source_set_enabled(deferred, SD_EVENT_ONESHOT), 0);
	loop.due = true;
}

START_TEST(hears_of_what_is_deferred)
{
	on_serve = defer;
	signal_fd(events);
	ck_assert_int_eq(loop_run(&loop, -1), 1);
	ck_assert_str_eq(did, "ed");
	/* And waits again, with what was due over. */
	on_serve = again;
	signal_fd(events);
	ck_assert_int_eq(loop_run(&loop, -1), 1);
	ck_assert_str_eq(did, "edeo");
}
END_TEST

static void set_timer(void)
{
	ck_assert_int_ge(timer_set(&loop, &timer, clock_now_ns() + NS_PER_MS, on_timer, NULL), 0);
}

/* Made the first time, set again the second. */
START_TEST(hears_of_a_timer)
{
	on_serve = set_timer;
	for (unsigned int round = 0; round < 2; round++) {
		signal_fd(events);
		while (nr_did < 2 * (round + 1))
			ck_assert_int_ge(loop_run(&loop, -1), 0);
	}
	ck_assert_str_eq(did, "etet");
}
END_TEST

static void end(void)
{
	ck_assert_int_ge(sd_event_exit(event, 7), 0);
	loop.due = true;
}

START_TEST(ends)
{
	int code = 0;

	on_serve = end;
	signal_fd(events);
	for (unsigned int i = 0; sd_event_get_state(event) != SD_EVENT_FINISHED; i++) {
		ck_assert_int_ge(loop_run(&loop, -1), 0);
		ck_assert_uint_lt(i, 3);
	}
	ck_assert_int_ge(sd_event_get_exit_code(event, &code), 0);
	ck_assert_int_eq(code, 7);
}
END_TEST

/* What is always on keeps it from waiting, and from events: it has to take them in. */
START_TEST(does_not_wait)
{
	ck_assert_int_ge(sd_event_source_set_enabled(deferred, SD_EVENT_ON), 0);
	signal_fd(events);
	ck_assert_int_eq(loop_run(&loop, -1), 1);
	ck_assert_int_eq(loop_run(&loop, -1), 1);
	ck_assert_str_eq(did, "dd");
}
END_TEST

START_TEST(says_what_failed)
{
	int fd = loop.epoll_fd;

	loop.epoll_fd = -1;
	ck_assert_int_eq(loop_run(&loop, -1), -EBADF);
	/* sd-event is where it was. */
	loop.epoll_fd = fd;
	signal_fd(other);
	ck_assert_int_eq(loop_run(&loop, -1), 1);
	ck_assert_str_eq(did, "o");
}
END_TEST

START_TEST(cannot_be_opened)
{
	struct loop another = { 0 };

	ck_assert_int_eq(loop_open(&another, event, -1, serve, NULL), -EBADF);
	ck_assert_ptr_null(another.event);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("backend loop");
	TCase *t = tcase_create("loop");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, nothing_to_do);
	tcase_add_test(t, one_at_a_time);
	tcase_add_loop_test(t, sd_event_comes_first, -1, 1);
	tcase_add_test(t, one_after_the_other);
	tcase_add_test(t, events_keep_it);
	tcase_add_test(t, hears_of_what_is_deferred);
	tcase_add_test(t, hears_of_a_timer);
	tcase_add_test(t, ends);
	tcase_add_test(t, does_not_wait);
	tcase_add_test(t, says_what_failed);
	tcase_add_test(t, cannot_be_opened);
	suite_add_tcase(s, t);

	runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
