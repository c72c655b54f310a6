// SPDX-License-Identifier: LGPL-2.1-or-later
/* See notice.h. */
#include "notice.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int notice_open(struct notice *notice)
{
	notice->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return notice->fd < 0 ? -errno : 0;
}

void notice_close(struct notice *notice)
{
	if (notice->fd >= 0)
		close(notice->fd);
	*notice = (struct notice)NOTICE_NULL;
}

static void set(struct notice *notice, bool on)
{
	uint64_t value = 1;
	ssize_t n;

	if (on == notice->signalled)
		return;
	n = on ? write(notice->fd, &value, sizeof(value)) : read(notice->fd, &value, sizeof(value));
	if (n == sizeof(value))
		notice->signalled = on;
}

void notice_told(struct notice *notice)
{
	notice->unreported = false;
	set(notice, false);
}

void notice_signal(struct notice *notice)
{
	set(notice, true);
}
