// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
/*
 * A socket takes the place of an earlier one in one step: who connects meanwhile
 * finds the old one, which refuses, or the new one, but never none. So a daemon
 * that ends for its successor can leave it there.
 */
#include "common/listen.h"

#include "common/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define BACKLOG 256

int listen_at(const char *path, int type, mode_t mode)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = -1;
	int n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s.new", path);

	if (n < 0 || (size_t)n >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	(void)unlink(addr.sun_path);
	/* Until it listens, nobody gets in whatever its mode is. */
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	if (chmod(addr.sun_path, mode) < 0 || listen(fd, BACKLOG) < 0 ||
	    rename(addr.sun_path, path) < 0) {
		int error = errno;

		(void)unlink(addr.sun_path);
		return -error;
	}
	return steal_fd(&fd);
}
