// SPDX-License-Identifier: GPL-2.0-or-later
/* Metrics into a file. See ctl-metrics.h. */
#include "broker/ctl-metrics.h"

#include "broker/ctl-bus.h"
#include "common/cleanup.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* So that an alert can tell a daemon that is down from a file that nobody writes any more. */
#define DOWN "# HELP xenmsg_up Whether the broker answers.\n# TYPE xenmsg_up gauge\nxenmsg_up 0\n"

static int put_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = write(fd, text, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		left -= (size_t)n;
	}
	return 0;
}

/* Through a file beside it whose name the exporter passes over, as it does not end in .prom. */
static int replace(const char *path, const char *text)
{
	char beside[PATH_MAX];
	_cleanup_(closep) int fd = -1;
	int r;

	if (snprintf(beside, sizeof(beside), "%s.XXXXXX", path) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	fd = mkstemp(beside);
	if (fd < 0)
		return -errno;
	r = put_all(fd, text);
	if (r == 0 && (fchmod(fd, 0644) < 0 || rename(beside, path) < 0))
		r = -errno;
	if (r < 0)
		(void)unlink(beside);
	return r;
}

static int put(const char *path, const char *text)
{
	int r = path ? replace(path, text) : put_all(STDOUT_FILENO, text);

	if (r < 0)
		fprintf(stderr, "xenmsgctl: %s: %s\n", path ? path : "standard output",
			strerror(-r));
	return r;
}

int ctl_metrics(const char *control, const char *path)
{
	const char *text = DOWN;
	sd_bus_message *reply = NULL;
	int r, written;

	r = ctl_call(control, "metrics", &reply, "Metrics", "");
	if (r >= 0)
		r = sd_bus_message_read(reply, "s", &text);
	written = r >= 0 || path ? put(path, text) : 0;
	sd_bus_message_unref(reply);
	return r < 0 || written < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
