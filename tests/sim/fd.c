// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * File descriptors of library handles: eventfds that are readable while the
 * handle has something queued.
 *
 * close() is defined here for the whole program, so that a timerfd's end is
 * seen, and that a program that closes a descriptor of a handle is found out;
 * read(), as that of event channels can be read.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

enum fd_state {
	FD_OTHER,
	FD_QUIET,
	FD_READABLE,
};

struct fd {
	enum fd_state state;
	struct xenevtchn_handle *evtchn;
};

static struct fd *fds;
static size_t nr_fds;

/* What a program built with fortification calls. */
ssize_t __read_chk(int fd, void *buf, size_t count, size_t size);

static struct fd *own(int fd)
{
	return fd >= 0 && (size_t)fd < nr_fds && fds[fd].state != FD_OTHER ? &fds[fd] : NULL;
}

int sim_fd_new(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	size_t need;

	if (fd < 0)
		sim_die("no file descriptor: %s", strerror(errno));
	if ((size_t)fd >= nr_fds) {
		need = (size_t)fd + 64;
		fds = sim_realloc(fds, need, sizeof(*fds));
		memset(fds + nr_fds, 0, (need - nr_fds) * sizeof(*fds));
		nr_fds = need;
	}
	fds[fd] = (struct fd){ .state = FD_QUIET };
	return fd;
}

void sim_fd_read_by(int fd, struct xenevtchn_handle *xce)
{
	fds[fd].evtchn = xce;
}

static ssize_t raw_read(int fd, void *buf, size_t count)
{
	return (ssize_t)syscall(SYS_read, fd, buf, count);
}

void sim_fd_signal(int fd, bool readable)
{
	uint64_t value = 1;
	ssize_t n;

	if (readable == (fds[fd].state == FD_READABLE))
		return;
	if (readable)
		n = write(fd, &value, sizeof(value));
	else
		n = raw_read(fd, &value, sizeof(value));
	/* A program that reads the descriptor itself breaks the real library too. */
	if (n != sizeof(value))
		sim_die("descriptor %d of a library handle was read by the program", fd);
	fds[fd].state = readable ? FD_READABLE : FD_QUIET;
}

void sim_fd_free(int fd)
{
	fds[fd].state = FD_OTHER;
	close(fd);
}

ssize_t read(int fd, void *buf, size_t count)
{
	struct fd *f = own(fd);

	return f && f->evtchn ? sim_evtchn_read(f->evtchn, buf, count) : raw_read(fd, buf, count);
}

ssize_t __read_chk(int fd, void *buf, size_t count, size_t size)
{
	(void)size;
	return read(fd, buf, count);
}

int close(int fd)
{
	if (sim_world && fd >= 0) {
		if (own(fd))
			sim_die("close(%d): it belongs to a library handle", fd);
		sim_timer_forget(fd);
	}
	return (int)syscall(SYS_close, fd);
}
