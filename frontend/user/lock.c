// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Who owns the device in this guest: whoever holds this lock.
 *
 * flock() goes with the process, however it ends. The file stays: removing it
 * would let two processes lock two files of the same name. The kernel's driver
 * takes no such lock; that it has the device can be seen in sysfs, and that a
 * process has it the driver sees in xenstore.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device.h"

#define LOCK_DIR "/run/lock"
#define LOCK	 LOCK_DIR "/xenmsg-vmsg0.lock"

static int open_lock(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? -errno : fd;
}

int lock_take(const char *path)
{
	int fd, r;

	fd = open_lock(path ? path : LOCK);
	if (fd == -ENOENT && !path) {
		/* A guest so small that nobody made it. */
		mkdir("/run", 0755);
		mkdir(LOCK_DIR, 0755);
		fd = open_lock(LOCK);
	}
	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		r = errno == EWOULDBLOCK ? -EBUSY : -errno;
		close(fd);
		return r;
	}
	return fd;
}

int lock_driver(const char *device)
{
	char path[128];
	int n = snprintf(path, sizeof(path), "%s/driver", device);

	if (n < 0 || (size_t)n >= sizeof(path))
		return -EINVAL;
	return access(path, F_OK) ? 0 : -EBUSY;
}
