// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Virtual time: the clocks and timer file descriptors of the whole program,
 * libsystemd included (a definition in the executable comes before libc's).
 *
 * A timerfd is an eventfd to which an expiry adds one; reading it gives the
 * same eight bytes.  Time stands still unless sim_advance() moves it, and on
 * its way stops at each expiry in turn.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

/* Monotonic time at the start; 0 would mean "not set" to many a program. */
#define BOOT_NS (1000 * SIM_NSEC_PER_SEC)
/* 2024-01-01 00:00 UTC at BOOT_NS. */
#define EPOCH_NS (UINT64_C(1704067200) * SIM_NSEC_PER_SEC - BOOT_NS)

struct timer {
	struct list link;
	int fd;
	clockid_t clock;
	const struct sim_process *process; /* NULL: the test's own */
	bool dead;
	uint64_t due; /* on the monotonic clock; SIM_NO_TIMER: not armed */
	uint64_t interval;
};

static uint64_t now;
static struct list timers = { &timers, &timers };

void sim_time_init(void)
{
	now = BOOT_NS;
}

static void timer_free(struct timer *timer)
{
	list_del(&timer->link);
	free(timer);
}

void sim_time_fini(void)
{
	struct timer *timer, *next;

	list_for_each_safe(timer, next, &timers, link)
		timer_free(timer);
}

static struct timer *timer_find(int fd)
{
	struct timer *timer;

	list_for_each(timer, &timers, link)
		if (timer->fd == fd)
			return timer;
	return NULL;
}

/* The descriptor was closed. */
void sim_timer_forget(int fd)
{
	struct timer *timer = timer_find(fd);

	if (timer)
		timer_free(timer);
}

/* The timers of a dead process never fire; their descriptors stay open. */
void sim_timer_kill(const struct sim_process *process)
{
	struct timer *timer;

	list_for_each(timer, &timers, link)
		if (timer->process == process) {
			timer->dead = true;
			timer->process = NULL;
			timer->due = SIM_NO_TIMER;
		}
}

unsigned int sim_timer_armed(const struct sim_process *process)
{
	struct timer *timer;
	unsigned int count = 0;

	list_for_each(timer, &timers, link)
		count += timer->process == process && timer->due != SIM_NO_TIMER;
	return count;
}

uint64_t sim_now(void)
{
	return now;
}

static struct timer *first_timer(void)
{
	struct timer *timer, *first = NULL;

	list_for_each(timer, &timers, link)
		if (timer->due != SIM_NO_TIMER && (!first || timer->due < first->due))
			first = timer;
	return first;
}

uint64_t sim_next_timer(void)
{
	struct timer *timer = first_timer();

	return timer ? timer->due : SIM_NO_TIMER;
}

static void add_expiries(struct timer *timer, uint64_t count)
{
	if (write(timer->fd, &count, sizeof(count)) != sizeof(count))
		sim_die("timer descriptor %d is not writable: %s", timer->fd, strerror(errno));
}

/* The timer is due now or was in the past. */
static void expire(struct timer *timer)
{
	uint64_t count = 1;

	if (timer->interval) {
		count += (now - timer->due) / timer->interval;
		timer->due += count * timer->interval;
	} else {
		timer->due = SIM_NO_TIMER;
	}
	add_expiries(timer, count);
}

void sim_advance(uint64_t ns)
{
	uint64_t target = now + ns, next;
	struct timer *timer;

	for (;;) {
		timer = first_timer();
		next = timer ? timer->due : SIM_NO_TIMER;
		if (sim_world->reclaim_at && sim_world->reclaim_at < next)
			next = sim_world->reclaim_at;
		if (next > target)
			break;
		if (next > now)
			now = next;
		if (next == sim_world->reclaim_at)
			sim_gnt_reclaim(sim_world->config.deferred_per_sec);
		else
			expire(timer);
	}
	now = target;
}

static bool is_virtual(clockid_t clock, uint64_t *offset)
{
	switch (clock) {
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		*offset = 0;
		return true;
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_TAI:
		*offset = EPOCH_NS;
		return true;
	}
	return false;
}

static struct timespec to_timespec(uint64_t ns)
{
	return (struct timespec){
		.tv_sec = (time_t)(ns / SIM_NSEC_PER_SEC),
		.tv_nsec = (long)(ns % SIM_NSEC_PER_SEC),
	};
}

/* What no timer can reach is never. */
static uint64_t to_ns(const struct timespec *ts)
{
	if ((uint64_t)ts->tv_sec > UINT64_MAX / SIM_NSEC_PER_SEC / 2)
		return SIM_NO_TIMER / 2;
	return (uint64_t)ts->tv_sec * SIM_NSEC_PER_SEC + (uint64_t)ts->tv_nsec;
}

/* The functions of the file in which Check measures how long a test takes. */
int srunner_fork_status(void *) __attribute__((weak));
void srunner_run_tagged(void *) __attribute__((weak));
void check_waitpid_and_exit(int) __attribute__((weak));

/*
 * Check takes its tests' times, of which it can only report those below
 * 36 minutes, in the middle of a world; they shall be real.
 */
static bool asked_by_check(const void *caller)
{
	uintptr_t addr = (uintptr_t)caller;

	return srunner_run_tagged && addr > (uintptr_t)srunner_fork_status &&
	       addr < (uintptr_t)check_waitpid_and_exit;
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	uint64_t offset;

	if (!sim_world || !is_virtual(clock, &offset) ||
	    asked_by_check(__builtin_return_address(0)))
		return (int)syscall(SYS_clock_gettime, clock, ts);
	*ts = to_timespec(now + offset);
	return 0;
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	struct timespec ts;

	(void)tz;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *out)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (out)
		*out = ts.tv_sec;
	return ts.tv_sec;
}

static bool bad_timespec(const struct timespec *ts)
{
	return ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec >= 1000000000;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *req, struct timespec *rem)
{
	uint64_t offset, ns;

	if (!sim_world || !is_virtual(clock, &offset)) {
		ns = (uint64_t)syscall(SYS_clock_nanosleep, clock, flags, req, rem);
		return ns ? errno : 0;
	}
	if (bad_timespec(req))
		return EINVAL;
	ns = to_ns(req);
	if (flags & TIMER_ABSTIME)
		ns = ns > now + offset ? ns - now - offset : 0;
	return sim_sched_sleep(ns);
}

int nanosleep(const struct timespec *req, struct timespec *rem)
{
	int err = clock_nanosleep(CLOCK_MONOTONIC, 0, req, rem);

	errno = err;
	return err ? -1 : 0;
}

int usleep(useconds_t usec)
{
	struct timespec ts = to_timespec(usec * SIM_NSEC_PER_USEC);

	return nanosleep(&ts, NULL);
}

unsigned int sleep(unsigned int seconds)
{
	struct timespec ts = { .tv_sec = (time_t)seconds };

	return nanosleep(&ts, NULL) ? seconds : 0;
}

int timerfd_create(int clock, int flags)
{
	struct timer *timer;
	uint64_t offset;
	int fd;

	if (!sim_world)
		return (int)syscall(SYS_timerfd_create, clock, flags);
	if (!is_virtual(clock, &offset) || (flags & ~(TFD_CLOEXEC | TFD_NONBLOCK))) {
		errno = EINVAL;
		return -1;
	}
	/* Never blocking: nothing could end the wait. */
	fd = eventfd(0, EFD_NONBLOCK | (flags & TFD_CLOEXEC ? EFD_CLOEXEC : 0));
	if (fd < 0)
		return -1;
	timer = sim_alloc(1, sizeof(*timer));
	timer->fd = fd;
	timer->clock = clock;
	timer->process = sim_world->current;
	timer->dead = sim_world->current && sim_process_dead(sim_world->current);
	timer->due = SIM_NO_TIMER;
	list_add_tail(&timers, &timer->link);
	return fd;
}

static struct itimerspec remaining(const struct timer *timer)
{
	struct itimerspec its = { .it_interval = to_timespec(timer->interval) };

	if (timer->due != SIM_NO_TIMER)
		its.it_value = to_timespec(timer->due > now ? timer->due - now : 1);
	return its;
}

int timerfd_gettime(int fd, struct itimerspec *its)
{
	struct timer *timer = timer_find(fd);

	if (!sim_world)
		return (int)syscall(SYS_timerfd_gettime, fd, its);
	if (!timer) {
		errno = EINVAL;
		return -1;
	}
	*its = remaining(timer);
	return 0;
}

static void set_timer(struct timer *timer, int flags, const struct itimerspec *its)
{
	uint64_t value = to_ns(&its->it_value), offset = 0, unread;

	/* As the kernel does, setting forgets expiries not read yet. */
	while (read(timer->fd, &unread, sizeof(unread)) > 0)
		;
	timer->due = SIM_NO_TIMER;
	timer->interval = to_ns(&its->it_interval);
	if (!value || timer->dead)
		return;
	is_virtual(timer->clock, &offset);
	if (flags & TFD_TIMER_ABSTIME)
		timer->due = value > offset ? value - offset : 0;
	else
		timer->due = now + value;
	if (timer->due <= now)
		expire(timer);
}

int timerfd_settime(int fd, int flags, const struct itimerspec *new_value,
		    struct itimerspec *old_value)
{
	struct timer *timer = timer_find(fd);

	if (!sim_world)
		return (int)syscall(SYS_timerfd_settime, fd, flags, new_value, old_value);
	if (!timer || bad_timespec(&new_value->it_value) || bad_timespec(&new_value->it_interval)) {
		errno = EINVAL;
		return -1;
	}
	if (old_value)
		*old_value = remaining(timer);
	set_timer(timer, flags, new_value);
	return 0;
}
