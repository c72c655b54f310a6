// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The listening socket, and connections until they have said HELLO. See local.h.
 */
#include "backend/local.h"

#include "backend/internal.h"
#include "common/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

/* After accept() failed for want of descriptors or memory. */
#define DEAF_NS (100 * NS_PER_MS)

struct greeter {
	struct list link;
	struct local *local;
	struct local_user *user;
	struct ucred cred;
	int fd;
	sd_event_source *source;
	uint64_t deadline;
};

/* ---------------------------------------------------------------- packets */

bool local_send(int socket, const void *packet, size_t len, int fd)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)packet, .iov_len = len };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (fd >= 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	}
	return sendmsg(socket, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

void local_send_end(int socket, enum local_type type, int status, const char *reason)
{
	struct local_end end = { .type = type, .status = status };
	size_t len = strnlen(reason, sizeof(end.reason));

	memcpy(end.reason, reason, len);
	(void)local_send(socket, &end, offsetof(struct local_end, reason) + len, -1);
}

/* ------------------------------------------------------------------ users */

static bool user_is_forgotten(struct local_user *user)
{
	return !user->greeters && !user->clients &&
	       token_bucket_full(&user->connects, clock_now_ns());
}

static void user_free(struct local *l, struct local_user *user)
{
	list_del(&user->link);
	l->nr_users--;
	free(user);
}

struct local_user *local_user_get(struct local *l, uid_t uid)
{
	struct local_user *user, *next;

	list_for_each_entry_safe(user, next, &l->users, link) {
		if (user->uid == uid)
			return user;
		if (user_is_forgotten(user))
			user_free(l, user);
	}
	user = l->nr_users < LOCAL_USERS ? calloc(1, sizeof(*user)) : NULL;
	if (!user)
		return NULL;
	user->uid = uid;
	token_bucket_init(&user->connects, LOCAL_CONNECT_RATE, LOCAL_CONNECT_BURST, clock_now_ns());
	list_init(&user->link);
	list_add_tail(&l->users, &user->link);
	l->nr_users++;
	return user;
}

/* --------------------------------------------------------------- greeters */

/* Its descriptor goes with it, unless that was taken. */
static void greeter_free(struct greeter *g)
{
	list_del(&g->link);
	g->local->nr_greeters--;
	g->user->greeters--;
	sd_event_source_disable_unref(g->source);
	if (g->fd >= 0)
		close(g->fd);
	free(g);
}

static void refuse(struct local *l, int fd, const struct ucred *cred, int status, const char *why)
{
	local_send_end(fd, LOCAL_REFUSED, status, why);
	log_limited(l->b->log, clock_now_ns(), OWN_DOMID, why, LOG_NOTICE,
		    "local client refused: pid=%d uid=%u status=%d", (int)cred->pid,
		    (unsigned int)cred->uid, status);
}

/* What is wrong with a HELLO; NULL: nothing. */
static const char *check_hello(const struct local_hello *hello, size_t len)
{
	if (len != sizeof(*hello) || hello->type != LOCAL_HELLO)
		return "first packet is no HELLO";
	if (hello->version < LOCAL_VERSION)
		return "HELLO: version is not spoken any more";
	if (hello->instance == 0 || hello->reserved != 0)
		return "HELLO: instance is 0, or a reserved field is not";
	if (hello->ring_order > VMSGIF_MAX_RING_ORDER)
		return "HELLO: ring order out of range";
	if (hello->tx_pages - 1 >= VMSGIF_POOL_PAGES_MAX ||
	    hello->rx_pages - 1 >= VMSGIF_POOL_PAGES_MAX)
		return "HELLO: number of pages out of range";
	return NULL;
}

/* The client of an earlier broker that this is, or NULL. */
static struct local_client *find_awaited(struct local *l, uint64_t instance, uid_t uid)
{
	struct local_client *c;

	list_for_each_entry(c, &l->clients, dev.link) {
		if (c->fd < 0 && c->dev.instance == instance && c->user->uid == uid)
			return c;
	}
	return NULL;
}

/*
 * Slots are used in turn: with generations that rise, an address comes back only
 * after as many connects as there are pairs of both.
 */
static int free_slot(struct local *l)
{
	for (unsigned int i = 0; i < LOCAL_CLIENTS; i++) {
		unsigned int slot = (l->next_slot + i) % LOCAL_CLIENTS;

		if (!l->by_slot[slot])
			return (int)slot;
	}
	return -1;
}

static struct local_client *new_client(struct local *l, struct local_user *user, int *status,
				       const char **why)
{
	int slot = free_slot(l);
	struct local_client *c;

	*status = -EUSERS;
	if (user->clients >= LOCAL_USER_CLIENTS) {
		*why = "too many local clients of this user";
		return NULL;
	}
	if (slot < 0) {
		*why = "too many local clients";
		return NULL;
	}
	*status = -ENOMEM;
	*why = "no memory for a local client";
	c = local_client_new(l, (unsigned int)slot, user);
	if (c)
		l->next_slot = ((unsigned int)slot + 1) % LOCAL_CLIENTS;
	return c;
}

static void take_hello(struct greeter *g, const struct local_hello *hello, size_t len)
{
	const char *why = check_hello(hello, len);
	struct local *l = g->local;
	struct local_client *c = NULL;
	bool awaited = false;
	int status = -EPROTO;

	if (!why) {
		c = find_awaited(l, hello->instance, g->cred.uid);
		awaited = c != NULL;
		if (!c)
			c = new_client(l, g->user, &status, &why);
	}
	if (c) {
		/* The descriptor gets another handler. */
		g->source = sd_event_source_disable_unref(g->source);
		status = local_client_welcome(c, g->fd, hello, &g->cred, &why);
		if (status == 0)
			(void)steal_fd(&g->fd);
		else if (!awaited)
			local_client_free(c);
	}
	if (status < 0)
		refuse(l, g->fd, &g->cred, status, why);
	greeter_free(g);
}

static int on_greeter(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	union {
		struct local_hello hello;
		char bytes[LOCAL_PACKET_MAX];
	} packet;
	struct greeter *g = userdata;
	/* Without room for control messages: descriptors that come along are never ours. */
	ssize_t n = recv(fd, &packet, sizeof(packet), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		greeter_free(g);
	else
		take_hello(g, &packet.hello, (size_t)n);
	return 0;
}

/* Whether one more connection is taken; else why not, which may change. */
static const char *too_many(struct local *l, struct local_user *user)
{
	if (!user)
		return "too many users with local clients";
	if (l->nr_greeters >= LOCAL_GREETERS || user->greeters >= LOCAL_USER_GREETERS)
		return "too many local connections that say nothing";
	if (!token_bucket_take(&user->connects, clock_now_ns(), 1))
		return "local clients of this user connect too often";
	return NULL;
}

static void greet(struct local *l, int accepted)
{
	_cleanup_(closep) int fd = accepted;
	struct local_user *user;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	const char *why;
	struct greeter *g;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return;
	user = local_user_get(l, cred.uid);
	why = too_many(l, user);
	if (why) {
		refuse(l, fd, &cred, -EAGAIN, why);
		return;
	}
	g = calloc(1, sizeof(*g));
	if (!g)
		return;
	g->local = l;
	g->user = user;
	g->cred = cred;
	g->fd = steal_fd(&fd);
	g->deadline = clock_now_ns() + LOCAL_HANDSHAKE_NS;
	list_init(&g->link);
	list_add_tail(&l->greeters, &g->link);
	l->nr_greeters++;
	user->greeters++;
	if (sd_event_add_io(l->b->loop.event, &g->source, g->fd, EPOLLIN, on_greeter, g) < 0) {
		greeter_free(g);
		return;
	}
	local_timer_at(l, g->deadline);
}

/* --------------------------------------------------------------- listening */

static void listen_on(struct local *l)
{
	if (l->source)
		(void)sd_event_source_set_enabled(
			l->source, l->taken_over && !l->deaf_until ? SD_EVENT_ON : SD_EVENT_OFF);
}

static int on_listener(sd_event_source *source, int listener, uint32_t revents, void *userdata)
{
	struct local *l = userdata;
	int fd;

	for (unsigned int i = 0; i < LOCAL_ACCEPTS; i++) {
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			greet(l, fd);
			continue;
		}
		if (errno == EAGAIN)
			break;
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		log_limited(l->b->log, clock_now_ns(), OWN_DOMID, "accept", LOG_ERR,
			    "local clients cannot connect: %s", strerror(errno));
		l->deaf_until = clock_now_ns() + DEAF_NS;
		listen_on(l);
		local_timer_at(l, l->deaf_until);
		break;
	}
	return 0;
}

int backend_local_listen(struct backend *b, int fd)
{
	struct local *l = b->local;
	int type = 0, listens = 0, r;
	socklen_t len = sizeof(type);

	if (l->fd >= 0)
		return -EALREADY;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0)
		return -errno;
	if (type != SOCK_SEQPACKET || !listens)
		return -EINVAL;
	/* Whoever made it, say the service manager: accept() must not wait. */
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		return -errno;
	r = sd_event_add_io(b->loop.event, &l->source, fd, EPOLLIN, on_listener, l);
	if (r < 0)
		return r;
	(void)sd_event_source_set_description(l->source, "local clients");
	l->fd = fd;
	listen_on(l);
	return 0;
}

/* ------------------------------------------------------------------- time */

/* Ends what is overdue; when to look again. */
static uint64_t expire(struct local *l, uint64_t now)
{
	uint64_t next = UINT64_MAX;
	struct local_client *c, *next_c;
	struct greeter *g, *next_g;

	if (l->deaf_until && now >= l->deaf_until) {
		l->deaf_until = 0;
		listen_on(l);
	}
	if (l->deaf_until)
		next = l->deaf_until;
	list_for_each_entry_safe(g, next_g, &l->greeters, link) {
		if (now < g->deadline) {
			next = g->deadline < next ? g->deadline : next;
			continue;
		}
		refuse(l, g->fd, &g->cred, -ETIMEDOUT, "HELLO did not come in time");
		greeter_free(g);
	}
	list_for_each_entry_safe(c, next_c, &l->clients, dev.link) {
		if (now < c->deadline) {
			next = c->deadline < next ? c->deadline : next;
			continue;
		}
		c->deadline = UINT64_MAX;
		if (c->fd >= 0)
			device_fail(&c->dev, "START did not come in time");
		else
			local_client_end(c);
	}
	return next;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct local *l = userdata;
	uint64_t next;

	l->timer_at = UINT64_MAX;
	next = expire(l, clock_now_ns());
	if (next != UINT64_MAX)
		local_timer_at(l, next);
	return 0;
}

void local_timer_at(struct local *l, uint64_t when)
{
	if (l->timer_at <= when)
		return;
	if (timer_set(&l->b->loop, &l->timer, when, on_timer, l) >= 0)
		l->timer_at = when;
}

/* ---------------------------------------------------------------- begin, end */

int local_new(struct local **out, struct backend *b)
{
	struct local *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->b = b;
	l->fd = -1;
	l->timer_at = UINT64_MAX;
	list_init(&l->users);
	list_init(&l->greeters);
	list_init(&l->clients);
	*out = l;
	return 0;
}

int local_scan(struct backend *b)
{
	struct local *l = b->local;
	int r;

	if (!l->taken_over) {
		r = local_store_take_over(l);
		if (r < 0)
			return r;
		l->taken_over = true;
		listen_on(l);
	}
	return local_store_sweep(l);
}

void local_free(struct local *l, bool remove)
{
	struct local_client *c, *next_c;
	struct greeter *g, *next_g;

	if (!l)
		return;
	list_for_each_entry_safe(g, next_g, &l->greeters, link)
		greeter_free(g);
	list_for_each_entry_safe(c, next_c, &l->clients, dev.link) {
		if (remove) {
			if (c->fd >= 0)
				local_send_end(c->fd, LOCAL_CLOSED, 0, "the broker stops for good");
			local_store_remove(l, c->slot);
		}
		c->dev.known = false;
		local_client_free(c);
	}
	while (!list_empty(&l->users))
		user_free(l, list_first_entry(&l->users, struct local_user, link));
	sd_event_source_disable_unref(l->timer);
	sd_event_source_disable_unref(l->source);
	if (l->fd >= 0)
		close(l->fd);
	free(l);
}
