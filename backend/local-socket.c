// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The socket in the file system by which local clients find the broker.
 *
 * It takes the place of an earlier one in one step: a client that reconnects
 * meanwhile finds the old one, which refuses, or the new one, but never none. So
 * a broker that ends for its successor leaves it there.
 */
#include "backend/backend.h"
#include "common/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define BACKLOG 256

int backend_local_socket(const char *path, mode_t mode)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = -1;
	int n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s.new", path);

	if (n < 0 || (size_t)n >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
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
