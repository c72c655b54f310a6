// SPDX-License-Identifier: LGPL-2.1-or-later
/* See sys.h. */
/* Pools are mapped at offsets beyond 4 GiB. */
/* NOLINTNEXTLINE(bugprone-reserved-identifier): the C library's own switch. */
#define _FILE_OFFSET_BITS 64
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == sizeof(uint64_t), "offsets are not cut off");

int sys_open(void)
{
	int fd = open("/dev/xenmsg", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void sys_close(int fd)
{
	close(fd);
}

int sys_ioctl(int fd, unsigned long request, void *arg)
{
	int r = ioctl(fd, request, arg);

	return r < 0 ? -errno : r;
}

int sys_mmap(int fd, uint64_t offset, size_t bytes, void **out)
{
	void *va = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);

	if (va == MAP_FAILED)
		return -errno;
	*out = va;
	return 0;
}

int sys_epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
	return epoll_ctl(epoll_fd, op, fd, event) ? -errno : 0;
}

int sys_epoll_wait(int epoll_fd, struct epoll_event *events, int max, int timeout)
{
	int n = epoll_wait(epoll_fd, events, max, timeout);

	return n < 0 ? -errno : n;
}
