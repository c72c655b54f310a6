// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libxenstore.
 *
 * Its reader thread queues watch events without bound (tools/libs/store/xs.c:
 * read_message()), so the queue is emptied before anything is done about them:
 * callers only note what has to be looked at. A queue that refills as fast as
 * it is emptied is left for the next turn after a while.
 *
 * The same thread says nothing to a poller when the connection breaks
 * (read_thread() closes the socket and wakes only who waits inside the
 * library). Hence a second, idle connection, whose hang-up tells. Where
 * xenstored is not reached by a socket (a stub domain) there is none, and no
 * restart of it either.
 */
#include "backend/xs.h"

#include "common/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <xenstore.h>

/* Watch events taken in per turn of the loop. */
#define EVENTS_PER_TURN 1024
/* Only who may write what we read or write can make a transaction fail. */
#define ATTEMPTS 64
/* xenstored's socket (tools/libs/store/xs.c:xs_daemon_socket()). */
#define SOCKET_PATH "/run/xenstored/socket"

struct store {
	struct xs_handle *handle;
	sd_event *event;
	sd_event_source *source;
	sd_event_source *more;	/* goes on with a queue that was not emptied */
	sd_event_source *alive; /* the second connection */
	xs_transaction_t transaction;
	store_watch_fn fn;
	void *priv;
	bool lost;
};

/* Errors that mean the connection, not the request. */
static bool is_lost(int error)
{
	switch (error) {
	case EBADF: /* what libxenstore says once it closed its socket */
	case EPIPE:
	case ECONNRESET:
	case ENOTCONN:
	case EIO:
		return true;
	default:
		return false;
	}
}

static void set_lost(struct store *s)
{
	if (s->lost)
		return;
	s->lost = true;
	(void)sd_event_exit(s->event, -ENOTCONN);
}

/* The negative errno of a failed call. */
static int failed(struct store *s)
{
	int error = errno ? errno : EIO;

	if (is_lost(error))
		set_lost(s);
	return -error;
}

/* 0, or false: there are no more events. */
static bool take_event(struct store *s)
{
	_cleanup_(freep) char **event = NULL;

	errno = 0;
	event = xs_check_watch(s->handle);
	if (!event) {
		/* EINVAL: the reader thread has ended (read_watch_internal()). */
		if (errno != EAGAIN && errno != EINTR && errno != ENOMEM)
			set_lost(s);
		return false;
	}
	s->fn(s->priv, event[XS_WATCH_TOKEN]);
	return true;
}

static int drain(struct store *s)
{
	unsigned int taken = 0;

	while (taken < EVENTS_PER_TURN && take_event(s))
		taken++;
	return sd_event_source_set_enabled(s->more, taken == EVENTS_PER_TURN ? SD_EVENT_ONESHOT :
									       SD_EVENT_OFF);
}

static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	return drain(userdata);
}

static int on_more(sd_event_source *source, void *userdata)
{
	return drain(userdata);
}

static int on_hangup(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	set_lost(userdata);
	return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

static int watch_connection(struct store *s)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = SOCKET_PATH };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return 0;
	r = sd_event_add_io(s->event, &s->alive, fd, EPOLLRDHUP, on_hangup, s);
	if (r < 0)
		return r;
	(void)sd_event_source_set_io_fd_own(s->alive, true);
	(void)steal_fd(&fd);
	return 0;
}

static int add_sources(struct store *s)
{
	int r = sd_event_add_io(s->event, &s->source, xs_fileno(s->handle), EPOLLIN, on_readable,
				s);

	if (r < 0)
		return r;
	r = sd_event_add_defer(s->event, &s->more, on_more, s);
	if (r < 0)
		return r;
	r = sd_event_source_set_enabled(s->more, SD_EVENT_OFF);
	if (r < 0)
		return r;
	(void)sd_event_source_set_description(s->source, "xenstore");
	return watch_connection(s);
}

int store_new(struct store **out, sd_event *event, store_watch_fn fn, void *priv)
{
	struct store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->event = event;
	s->fn = fn;
	s->priv = priv;
	s->transaction = XBT_NULL;
	s->handle = xs_open(0);
	r = s->handle ? add_sources(s) : -errno;
	if (r < 0) {
		store_free(s);
		return r;
	}
	*out = s;
	return 0;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	sd_event_source_disable_unref(s->alive);
	sd_event_source_disable_unref(s->more);
	sd_event_source_disable_unref(s->source);
	xs_close(s->handle);
	free(s);
}

int store_read(struct store *s, const char *path, char *text, size_t size)
{
	unsigned int len = 0;
	_cleanup_(freep) char *value = xs_read(s->handle, s->transaction, path, &len);

	if (!value)
		return failed(s);
	if (len > size)
		return -E2BIG;
	memcpy(text, value, len);
	return (int)len;
}

int store_exists(struct store *s, const char *path)
{
	char none;
	int r = store_read(s, path, &none, 0);

	if (r == -ENOENT)
		return 0;
	return r >= 0 || r == -E2BIG ? 1 : r;
}

int store_write(struct store *s, const char *path, const char *value)
{
	if (!xs_write(s->handle, s->transaction, path, value, (unsigned int)strlen(value)))
		return failed(s);
	return 0;
}

int store_write_u64(struct store *s, const char *path, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%ju", (uintmax_t)value);
	return store_write(s, path, text);
}

int store_mkdir(struct store *s, const char *path, uint16_t owner, uint16_t reader)
{
	struct xs_permissions perms[2] = {
		{ .id = owner, .perms = XS_PERM_NONE },
		{ .id = reader, .perms = XS_PERM_READ },
	};

	if (!xs_mkdir(s->handle, s->transaction, path) ||
	    !xs_set_permissions(s->handle, s->transaction, path, perms, owner == reader ? 1 : 2))
		return failed(s);
	return 0;
}

int store_permissions(struct store *s, const char *path, char *text, size_t size)
{
	unsigned int nr = 0;
	_cleanup_(freep) struct xs_permissions *perms =
		xs_get_permissions(s->handle, s->transaction, path, &nr);
	size_t at = 0;

	if (!perms)
		return failed(s);
	for (unsigned int i = 0; i < nr && at < size; i++) {
		char letter = "nrwb"[perms[i].perms & (XS_PERM_READ | XS_PERM_WRITE)];

		at += (size_t)snprintf(text + at, size - at, "%s%c%u", i ? "," : "", letter,
				       perms[i].id);
	}
	return 0;
}

int store_remove(struct store *s, const char *path)
{
	int r;

	if (xs_rm(s->handle, s->transaction, path))
		return 0;
	r = failed(s);
	return r == -ENOENT ? 0 : r;
}

int store_list(struct store *s, const char *path, int (*fn)(void *priv, const char *name),
	       void *priv)
{
	unsigned int nr = 0;
	_cleanup_(freep) char **names = xs_directory(s->handle, s->transaction, path, &nr);
	int r = 0;

	if (!names) {
		r = failed(s);
		return r == -ENOENT ? 0 : r;
	}
	for (unsigned int i = 0; i < nr && r >= 0; i++)
		r = fn(priv, names[i]);
	return r < 0 ? r : 0;
}

static int attempt(struct store *s, int (*fn)(void *priv), void *priv)
{
	int r;

	s->transaction = xs_transaction_start(s->handle);
	if (s->transaction == XBT_NULL)
		return failed(s);
	r = fn(priv);
	if (r < 0) {
		(void)xs_transaction_end(s->handle, s->transaction, true);
	} else if (!xs_transaction_end(s->handle, s->transaction, false)) {
		r = failed(s);
	}
	s->transaction = XBT_NULL;
	return r < 0 ? r : 0;
}

int store_transaction(struct store *s, int (*fn)(void *priv), void *priv)
{
	int r = -EAGAIN;

	for (unsigned int i = 0; i < ATTEMPTS && r == -EAGAIN; i++)
		r = attempt(s, fn, priv);
	return r;
}

int store_watch(struct store *s, const char *path, const char *token)
{
	return xs_watch(s->handle, path, token) ? 0 : failed(s);
}

void store_unwatch(struct store *s, const char *path, const char *token)
{
	if (!xs_unwatch(s->handle, path, token))
		(void)failed(s);
}
