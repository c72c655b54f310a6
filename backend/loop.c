// SPDX-License-Identifier: GPL-2.0-or-later
/* See loop.h. */
#include "backend/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

enum source {
	SOURCE_EVENTS,
	SOURCE_SD_EVENT,
	SOURCES,
};

static int add(const struct loop *loop, int fd, enum source source)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = source };

	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int loop_open(struct loop *loop, sd_event *event, int fd, void (*serve)(void *priv), void *priv)
{
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC), r;

	if (epoll_fd < 0)
		return -errno;
	*loop = (struct loop){
		.event = sd_event_ref(event),
		.epoll_fd = epoll_fd,
		.serve = serve,
		.priv = priv,
	};
	r = add(loop, fd, SOURCE_EVENTS);
	if (r == 0)
		r = add(loop, sd_event_get_fd(event), SOURCE_SD_EVENT);
	if (r < 0)
		loop_close(loop);
	return r;
}

void loop_close(struct loop *loop)
{
	if (!loop->event)
		return;
	close(loop->epoll_fd);
	sd_event_unref(loop->event);
	*loop = (struct loop){ 0 };
}

/*
 * Until sd-event has something to do; or, with a @timeout, the first events were served. Whether
 * anything of that came.
 */
static int wait_and_serve(struct loop *loop, int timeout)
{
	struct epoll_event ready[SOURCES];
	bool served = false;
	int n;

	loop->due = false;
	do {
		n = epoll_wait(loop->epoll_fd, ready, SOURCES, timeout);
		if (n < 0)
			return errno == EINTR ? served : -errno;
		for (int i = 0; i < n; i++) {
			if (ready[i].data.u32 == SOURCE_SD_EVENT)
				return 1;
		}
		if (n > 0) {
			loop->serve(loop->priv);
			served = true;
		}
	} while (timeout < 0 && !loop->due);
	return served;
}

int loop_run(struct loop *loop, int timeout)
{
	int served = 0, r = sd_event_prepare(loop->event);

	if (r == 0) {
		served = wait_and_serve(loop, timeout);
		/* In any case: it has been prepared. */
		r = sd_event_wait(loop->event, 0);
		if (served < 0)
			return served;
	}
	if (r > 0)
		r = sd_event_dispatch(loop->event);
	return r < 0 ? r : r > 0 || served;
}
