// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Watching the files, sleeping, and the application's descriptor.
 *
 * The application's descriptor is an epoll over that of the files, and over the
 * notice's for what other calls than xenmsg_dispatch() and xenmsg_wait() saw:
 * the edges that these calls took are gone. POLLOUT is only watched for where
 * something waits for it, as it comes with every wake-up of a file.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/clock.h"
#include "kernel.h"

#define EDGES	     32 /* taken at a time */
#define ALWAYS	     (EPOLLIN | EPOLLPRI | EPOLLET)
#define NO_TIME_LEFT 0

static uint32_t wanted(const struct kernel *k, const struct kfile *file)
{
	const struct kport *port = file->port;
	bool out = port ? port->stuck || port->draining : k->gone;

	return ALWAYS | (out ? EPOLLOUT : 0);
}

void kfile_watch(struct kernel *k, struct kfile *file)
{
	struct epoll_event event = { .events = wanted(k, file), .data.ptr = file };

	if (event.events == file->watched)
		return;
	/* This reports what is the case now, too, so nothing is missed in between. */
	if (!sys_epoll_ctl(k->epoll_fd, EPOLL_CTL_MOD, file->fd, &event))
		file->watched = event.events;
}

int kfile_open(struct kernel *k, struct kfile *file, struct kport *port)
{
	struct epoll_event event = { .data.ptr = file };
	int r;

	file->port = port;
	file->fd = sys_open();
	if (file->fd < 0)
		return file->fd;
	event.events = file->watched = wanted(k, file);
	r = sys_epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, file->fd, &event);
	if (r) {
		sys_close(file->fd);
		file->fd = -1;
	}
	return r;
}

void kfile_close(struct kernel *k, struct kfile *file)
{
	if (file->fd < 0)
		return;
	/* A mapping may keep the file alive for longer than its descriptor. */
	sys_epoll_ctl(k->epoll_fd, EPOLL_CTL_DEL, file->fd, NULL);
	sys_close(file->fd);
	file->fd = -1;
}

int kfile_mmap(const struct kfile *file, uint64_t offset, unsigned int nr_pages, void **out)
{
	size_t bytes = (size_t)nr_pages * KERNEL_PAGE;
	int r = sys_mmap(file->fd, offset, bytes, out);

	/* A mapping keeps the file open, with its port and pools: a child's would, after us. */
	if (!r)
		madvise(*out, bytes, MADV_DONTFORK);
	return r;
}

int kfiles_open(struct kernel *k)
{
	struct epoll_event event = { .events = EPOLLIN };
	int r = notice_open(&k->notice);

	if (r)
		return r;
	k->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	k->app_fd = epoll_create1(EPOLL_CLOEXEC);
	if (k->epoll_fd < 0 || k->app_fd < 0 ||
	    epoll_ctl(k->app_fd, EPOLL_CTL_ADD, k->notice.fd, &event) ||
	    epoll_ctl(k->app_fd, EPOLL_CTL_ADD, k->epoll_fd, &event))
		return -errno;
	return kbatches_open(k);
}

void kfiles_close(struct kernel *k)
{
	kbatches_close(k);
	if (k->app_fd >= 0)
		close(k->app_fd);
	if (k->epoll_fd >= 0)
		close(k->epoll_fd);
	notice_close(&k->notice);
}

/* -------------------------------------------------------------------- time */

uint64_t kernel_deadline(int ms)
{
	if (ms <= 0)
		return ms ? UINT64_MAX : NO_TIME_LEFT;
	return clock_now_ns() + (uint64_t)ms * NS_PER_MS;
}

int kernel_left(uint64_t deadline)
{
	uint64_t now, ms;

	if (deadline == UINT64_MAX)
		return -1;
	if (deadline == NO_TIME_LEFT)
		return 0;
	now = clock_now_ns();
	if (now >= deadline)
		return 0;
	ms = (deadline - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

/* ------------------------------------------------------------------- edges */

static void device_edge(struct kernel *k, uint32_t events)
{
	bool gone = events & (EPOLLERR | EPOLLHUP);

	if (gone != k->gone)
		kernel_note(k);
	k->gone = gone;
	/* That it is back shows in nothing else. */
	kfile_watch(k, &k->file);
}

static void port_edge(struct kernel *k, struct kport *port, uint32_t events)
{
	port->look = true;
	if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) && !port->closing) {
		port->rx.readable = true;
		if (port != k->receiving)
			kernel_note(k);
	}
	if ((events & EPOLLOUT) && port->stuck) {
		port->stuck = false;
		kernel_note(k);
		kfile_watch(k, &port->file);
	}
}

static int take_edges(struct kernel *k, int timeout)
{
	struct epoll_event events[EDGES];
	struct kfile *file;
	int i, n;

	n = sys_epoll_wait(k->epoll_fd, events, EDGES, timeout);
	for (i = 0; i < n; i++) {
		if (events[i].data.ptr == &k->batches) {
			kbatches_timer(k);
			continue;
		}
		file = events[i].data.ptr;
		if (file->port)
			port_edge(k, file->port, events[i].events);
		else
			device_edge(k, events[i].events);
		if (events[i].events & EPOLLPRI)
			kevent_fetch(k, file);
	}
	/* Not before: it may close the files of the others. */
	if (k->closing)
		kernel_closing(k);
	return n;
}

/*
 * The timer of the driver would do it, but a wait is no time to be lazy. To ask
 * for events in vain publishes. True: there were some before.
 */
bool kernel_publish(struct kernel *k)
{
	bool any;

	kbatches_end(k);
	any = k->lazy && kevent_fetch(k, &k->file);
	k->lazy = false;
	return any;
}

int kernel_await(struct kernel *k, uint64_t deadline)
{
	bool any = kernel_publish(k);
	int n;

	n = take_edges(k, any ? 0 : kernel_left(deadline));
	if (n || any)
		return n > 0 ? n : any;
	return kernel_left(deadline) ? 0 : -ETIMEDOUT;
}

void kernel_serve(struct kernel *k)
{
	kernel_publish(k);
	while (take_edges(k, 0) == EDGES)
		;
}
