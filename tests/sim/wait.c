// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Waiting for file descriptors: poll() and epoll_wait() of the whole program.
 *
 * In a world a wait never blocks the only thread there is.  While nothing is
 * ready, the other programs take their turns and time moves, up to the
 * timeout.
 */
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

/* What a program built with fortification calls. */
int __poll_chk(struct pollfd *fds, nfds_t nfds, int timeout, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t nfds, const struct timespec *timeout,
		const sigset_t *mask, size_t size);

/* That somebody calls it makes the linker take this file out of the archive. */
void sim_wait_init(void)
{
}

static int raw_poll(struct pollfd *fds, nfds_t nfds, const struct timespec *timeout)
{
	struct timespec ts = { 0 };

	if (timeout)
		ts = *timeout;
	return (int)syscall(SYS_ppoll, fds, nfds, timeout ? &ts : NULL, NULL, 0);
}

/* True: look again; false: time is up.  A killed program is not waited for. */
static bool wait_a_moment(uint64_t deadline, bool first, const char *what)
{
	if (sim_now() >= deadline)
		return false;
	if (!sim_sched_wait(deadline, first))
		sim_die("%s waits for ever: nobody has anything to do", what);
	return true;
}

static bool killed(void)
{
	if (!sim_world->current || !sim_process_dead(sim_world->current))
		return false;
	errno = SIM_DEAD_ERRNO;
	return true;
}

static uint64_t deadline_of(int64_t timeout_ns)
{
	return timeout_ns < 0 ? SIM_NO_TIMER : sim_now() + (uint64_t)timeout_ns;
}

static int wait_poll(struct pollfd *fds, nfds_t nfds, int64_t timeout_ns)
{
	const struct timespec zero = { 0 };
	uint64_t deadline = deadline_of(timeout_ns);
	bool first = true, more;
	int n;

	do {
		n = raw_poll(fds, nfds, &zero);
		if (n)
			return n;
		if (timeout_ns && killed())
			return -1;
		more = timeout_ns && wait_a_moment(deadline, first, "poll()");
		first = false;
	} while (more);
	return 0;
}

static int64_t msec_to_ns(int msec)
{
	return msec < 0 ? -1 : (int64_t)msec * (int64_t)SIM_NSEC_PER_MSEC;
}

static int64_t timespec_to_ns(const struct timespec *ts)
{
	return ts ? (int64_t)ts->tv_sec * (int64_t)SIM_NSEC_PER_SEC + ts->tv_nsec : -1;
}

int poll(struct pollfd *fds, nfds_t nfds, int timeout)
{
	struct timespec ts = { .tv_sec = timeout / 1000, .tv_nsec = timeout % 1000 * 1000000L };

	if (!sim_world)
		return raw_poll(fds, nfds, timeout < 0 ? NULL : &ts);
	return wait_poll(fds, nfds, msec_to_ns(timeout));
}

/* No signals in a world. */
int ppoll(struct pollfd *fds, nfds_t nfds, const struct timespec *timeout, const sigset_t *mask)
{
	struct timespec ts;

	if (!sim_world) {
		if (timeout)
			ts = *timeout;
		return (int)syscall(SYS_ppoll, fds, nfds, timeout ? &ts : NULL, mask, _NSIG / 8);
	}
	return wait_poll(fds, nfds, timespec_to_ns(timeout));
}

int __poll_chk(struct pollfd *fds, nfds_t nfds, int timeout, size_t size)
{
	(void)size;
	return poll(fds, nfds, timeout);
}

int __ppoll_chk(struct pollfd *fds, nfds_t nfds, const struct timespec *timeout,
		const sigset_t *mask, size_t size)
{
	(void)size;
	return ppoll(fds, nfds, timeout, mask);
}

static int raw_epoll(int epfd, struct epoll_event *events, int max, int timeout)
{
	return (int)syscall(SYS_epoll_pwait, epfd, events, max, timeout, NULL, 0);
}

static int wait_epoll(int epfd, struct epoll_event *events, int max, int64_t timeout_ns)
{
	uint64_t deadline = deadline_of(timeout_ns);
	bool first = true, more;
	int n;

	do {
		n = raw_epoll(epfd, events, max, 0);
		if (n)
			return n;
		if (timeout_ns && killed())
			return -1;
		more = timeout_ns && wait_a_moment(deadline, first, "epoll_wait()");
		first = false;
	} while (more);
	return 0;
}

int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
	if (!sim_world)
		return raw_epoll(epfd, events, max, timeout);
	return wait_epoll(epfd, events, max, msec_to_ns(timeout));
}

int epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout, const sigset_t *mask)
{
	if (!sim_world)
		return (int)syscall(SYS_epoll_pwait, epfd, events, max, timeout, mask, _NSIG / 8);
	return wait_epoll(epfd, events, max, msec_to_ns(timeout));
}

int epoll_pwait2(int epfd, struct epoll_event *events, int max, const struct timespec *timeout,
		 const sigset_t *mask)
{
	if (!sim_world)
		return (int)syscall(SYS_epoll_pwait2, epfd, events, max, timeout, mask, _NSIG / 8);
	return wait_epoll(epfd, events, max, timespec_to_ns(timeout));
}
