// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * File descriptors of library handles: eventfds that are readable while the
 * handle has something queued.
 *
 * close() is defined here for the whole program, so that a timerfd's end is
 * seen, and that a program that closes a descriptor of a handle is found out.
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

static uint8_t *states;
static size_t nr_states;

int sim_fd_new(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	size_t need;

	if (fd < 0)
		sim_die("no file descriptor: %s", strerror(errno));
	if ((size_t)fd >= nr_states) {
		need = (size_t)fd + 64;
		states = sim_realloc(states, need, 1);
		memset(states + nr_states, FD_OTHER, need - nr_states);
		nr_states = need;
	}
	states[fd] = FD_QUIET;
	return fd;
}

void sim_fd_signal(int fd, bool readable)
{
	uint64_t value = 1;
	ssize_t n;

	if (readable == (states[fd] == FD_READABLE))
		return;
	if (readable)
		n = write(fd, &value, sizeof(value));
	else
		n = read(fd, &value, sizeof(value));
	/* A program that reads the descriptor itself breaks the real library too. */
	if (n != sizeof(value))
		sim_die("descriptor %d of a library handle was read by the program", fd);
	states[fd] = readable ? FD_READABLE : FD_QUIET;
}

void sim_fd_free(int fd)
{
	states[fd] = FD_OTHER;
	close(fd);
}

int close(int fd)
{
	if (sim_world && fd >= 0) {
		if ((size_t)fd < nr_states && states[fd] != FD_OTHER)
			sim_die("close(%d): it belongs to a library handle", fd);
		sim_timer_forget(fd);
	}
	return (int)syscall(SYS_close, fd);
}
