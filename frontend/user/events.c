// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Waking up: one epoll descriptor over what the bus has to say (the event
 * channel and xenstore's watches, or a socket) and a timer.
 *
 * Nothing here happens per message. The clock, which is a system call in a PV
 * guest, is read when a wait has a limit and when the timer for what is lazy is
 * set; an event costs its read and its unmask, and the broker sends one only when it was asked to (vmsg_arm()), which
 * we do when there is nothing left to take in. So the port is unmasked at once:
 * no second event comes before the next arm.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/macros.h"
#include "device.h"

/*
 * Responses taken in at a time, one for each page received: to take in more before
 * the application has released some would mean to copy them out.
 */
#define BUDGET 32
/* When a step fails in the middle of connecting, try again after this. */
#define RETRY_NS (100 * NS_PER_MS)

/* The timer, and what the bus adds. */
#define SOURCE_TIMER 0
#define SOURCES	     3

int events_add(struct user *user, int fd, uint32_t events, unsigned int source)
{
	struct epoll_event event = { .events = events, .data.u32 = source };

	return epoll_ctl(user->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

int events_open(struct user *user)
{
	user->timer = UINT64_MAX;
	user->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (user->epoll_fd < 0)
		return -errno;
	user->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (user->timer_fd < 0)
		return -errno;
	return events_add(user, user->timer_fd, EPOLLIN, SOURCE_TIMER);
}

void events_close(struct user *user)
{
	if (user->timer_fd >= 0)
		close(user->timer_fd);
	if (user->epoll_fd >= 0)
		close(user->epoll_fd);
	user->timer_fd = user->epoll_fd = -1;
}

int user_fd(const struct user *user)
{
	return user->epoll_fd;
}

uint64_t user_deadline(int ms)
{
	if (ms <= 0)
		return ms ? UINT64_MAX : 0;
	return clock_now_ns() + (uint64_t)ms * NS_PER_MS;
}

bool user_expired(const struct user *user, uint64_t deadline)
{
	return user->now >= deadline;
}

/* Fire at @when, which is earlier than the timer is set for. */
static __attribute__((__noinline__)) void timer_advance(struct user *user, uint64_t when)
{
	struct itimerspec its = {
		.it_value = { .tv_sec = (time_t)(when / NS_PER_S),
			      .tv_nsec = (long)(when % NS_PER_S) },
	};

	if (!timerfd_settime(user->timer_fd, TFD_TIMER_ABSTIME, &its, NULL))
		user->timer = when;
}

/* Fire at @when at the latest. One that is set already for earlier does, too. */
static inline void timer_set(struct user *user, uint64_t when)
{
	if (UNLIKELY(when < user->timer))
		timer_advance(user, when);
}

/* Only who polls sees it: every wait of ours is behind a user_publish(force). */
static void lazy_timer_set(struct user *user)
{
	if (user->lazy && user->polled)
		timer_set(user, clock_now_ns() + VMSGIF_LAZY_NS);
}

void user_lazy(struct user *user)
{
	if (LIKELY(user->lazy))
		return;
	user->lazy = true;
	lazy_timer_set(user);
}

void user_polled(struct user *user)
{
	if (user->polled)
		return;
	user->polled = true;
	lazy_timer_set(user);
}

void user_publish(struct user *user, bool force)
{
	if (vmsg_publish(user->v, force || user->overdue))
		user->bus->notify(user);
	user->overdue = false;
	if (vmsg_put_off(user->v))
		user_lazy(user);
}

/* The other end broke the protocol: the engine has stopped, the device is closed. */
static void broken(struct user *user)
{
	connect_gone(user, vmsg_broken(user->v));
	user->bus->abandon(user);
}

void user_poll(struct user *user)
{
	if (user->phase != USER_CONNECTED)
		return;
	vmsg_poll(user->v, BUDGET);
	if (vmsg_broken(user->v))
		broken(user);
}

bool user_arm(struct user *user)
{
	return user->phase == USER_CONNECTED && vmsg_arm(user->v);
}

void events_retry(struct user *user, uint64_t ns)
{
	user->retry = true;
	timer_set(user, clock_now_ns() + ns);
}

void events_step(struct user *user)
{
	user->retry = false;
	if (user->bus->step(user) && user->phase != USER_GONE)
		events_retry(user, RETRY_NS);
}

static void take_timer(struct user *user)
{
	uint64_t count;

	/* Somebody may have read it before us; the timer is over in any case. */
	if (read(user->timer_fd, &count, sizeof(count)) < 0 && errno == EAGAIN)
		return;
	user->timer = UINT64_MAX;
	user->overdue = user->lazy;
	user->lazy = false;
	if (user->retry)
		events_step(user);
}

static int wait_fds(struct user *user, struct epoll_event events[SOURCES], uint64_t deadline)
{
	uint64_t now;
	int ms = -1;

	if (!deadline) {
		ms = 0;
	} else if (deadline != UINT64_MAX) {
		now = clock_now_ns();
		ms = now >= deadline ? 0 : (int)((deadline - now + NS_PER_MS - 1) / NS_PER_MS);
	}
	return epoll_wait(user->epoll_fd, events, SOURCES, ms);
}

bool events_sleep(struct user *user, uint64_t deadline)
{
	struct epoll_event events[SOURCES];
	int i, n;

	n = wait_fds(user, events, deadline);
	if (n < 0 && errno != EINTR)
		connect_gone(user, "cannot wait for events");
	if (deadline != UINT64_MAX)
		user->now = clock_now_ns();
	for (i = 0; i < n; i++) {
		if (events[i].data.u32 == SOURCE_TIMER)
			take_timer(user);
		else
			user->bus->take(user, events[i].data.u32);
	}
	return n > 0;
}

bool user_dispatch(struct user *user)
{
	bool any = events_sleep(user, 0);

	user_poll(user);
	user_publish(user, true);
	return any;
}

bool user_wait(struct user *user, uint64_t deadline)
{
	bool any = user_arm(user) || events_sleep(user, deadline);

	user_poll(user);
	user_publish(user, false);
	return any;
}
