// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The bus in the broker's own domain: a socket and memory that is shared with the
 * broker. The protocol is in common/local.h.
 *
 *   phase            waits for
 *   --------------   ----------------------------------------------------
 *   USER_START       a broker to connect to; tries again and again
 *   USER_OFFERED     WELCOME, having said HELLO
 *   USER_CONNECTED   bells; CLOSED: the end; the connection's end: a new broker
 *   USER_GONE        -
 *
 * Memory. Each connection brings memory of its own. Addresses in it are in the
 * hands of the engine and of the application, which may hold messages in place or
 * be writing one. So with a new broker the contents of the old memory are copied
 * into the new one, which then takes its place at the same addresses, in one step
 * that other threads do not notice. The layout never changes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/local.h"
#include "device.h"

#define SOURCE_SOCKET 1
/* Between attempts to reach a broker: twice as long each time. */
#define BACKOFF_MIN (10 * NS_PER_MS)
#define BACKOFF_MAX (250 * NS_PER_MS)

/* ------------------------------------------------------------- connection */

static void hang_up(struct user *user)
{
	if (user->local.fd >= 0)
		close(user->local.fd);
	user->local.fd = -1;
}

static void try_later(struct user *user)
{
	uint64_t ns = user->local.backoff;

	user->local.backoff = ns * 2 < BACKOFF_MAX ? ns * 2 : BACKOFF_MAX;
	events_retry(user, ns);
}

/* Connected, or on the way to it: a broker is there. */
static int dial(struct user *user)
{
	const char *path = user->params.socket ? user->params.socket : LOCAL_SOCKET;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = -1;
	size_t len = strlen(path);
	int r;

	if (len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, len);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	r = events_add(user, fd, EPOLLIN, SOURCE_SOCKET);
	if (!r)
		user->local.fd = steal_fd(&fd);
	return r;
}

static bool say(struct user *user, const void *packet, size_t len)
{
	return send(user->local.fd, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

static int say_hello(struct user *user)
{
	const struct local_hello hello = {
		.type = LOCAL_HELLO,
		.version = LOCAL_VERSION,
		.instance = user->instance,
		.ring_order = user->v ? user->ring_order : user->params.ring_order,
		.tx_pages = user->params.tx_pages,
		.rx_pages = user->params.rx_pages,
	};

	if (!say(user, &hello, sizeof(hello)))
		return -EAGAIN;
	user->phase = USER_OFFERED;
	return 0;
}

/* The broker is gone; another one will come. */
static void lost(struct user *user)
{
	hang_up(user);
	if (user->phase == USER_CONNECTED) {
		user->local.backoff = BACKOFF_MIN;
		vmsg_disconnected(user->v);
	}
	user->phase = USER_START;
	try_later(user);
}

/* ----------------------------------------------------------------- memory */

/* The pages of @fd, of as many bytes as there ought to be. */
static int map_memory(int fd, size_t bytes, char **out)
{
	struct stat st;
	void *memory;

	if (fstat(fd, &st) || st.st_size < 0 || (size_t)st.st_size < bytes)
		return -EPROTO;
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	*out = memory;
	return 0;
}

/* Puts the memory of @fd in the place of what there is, with the same contents. */
static int move_memory(struct user *user, int fd)
{
	struct user_local *local = &user->local;
	char *memory;
	int r;

	r = map_memory(fd, local->bytes, &memory);
	if (r)
		return r;
	memcpy(memory, local->memory, local->bytes);
	if (mremap(memory, local->bytes, local->bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
		   local->memory) == local->memory)
		return 0;
	r = -errno;
	munmap(memory, local->bytes);
	return r;
}

static int first_memory(struct user *user, int fd, unsigned int order)
{
	const struct local_layout layout =
		local_layout(order, user->params.tx_pages, user->params.rx_pages);
	struct user_local *local = &user->local;
	int r;

	local->bytes = (size_t)layout.nr_pages * VMSGIF_PAGE_SIZE;
	local->next = 1;
	r = map_memory(fd, local->bytes, &local->memory);
	return r ? r : channel_new(user, order);
}

static int local_prepare(struct user *user)
{
	return 0;
}

static void local_unprepare(struct user *user)
{
}

/* The pages are asked for in the order of the layout. */
static int local_share(struct user *user, unsigned int nr, bool writable, struct shared *out)
{
	struct user_local *local = &user->local;
	unsigned int i;

	if (nr > local->bytes / VMSGIF_PAGE_SIZE - (local->next - 1))
		return -ENOSPC;
	*out = (struct shared){
		.va = local->memory + (size_t)(local->next - 1) * VMSGIF_PAGE_SIZE,
		.nr = nr,
		.refs = calloc(nr, sizeof(*out->refs)),
	};
	if (!out->refs) {
		out->va = NULL;
		return -ENOMEM;
	}
	for (i = 0; i < nr; i++)
		out->refs[i] = local->next++;
	return 0;
}

/* The memory goes as a whole. */
static void local_unshare(struct user *user, struct shared *shared)
{
	free(shared->refs);
	*shared = (struct shared){ 0 };
}

/* ---------------------------------------------------------------- packets */

static int connected(struct user *user, const struct local_welcome *welcome)
{
	const struct local_word start = { .type = LOCAL_START };
	const struct vmsg_features features = {
		.addr = welcome->addr,
		.flow_window = welcome->flow_window,
		.max_message = welcome->max_message,
		.max_pool_pages = welcome->max_pool_pages,
		.max_maps = welcome->max_maps,
		.map = welcome->feature_map,
	};

	/* Until it hears START, the broker does not look at the rings. */
	vmsg_ring_init(user->v, user->tx_ring.va, user->rx_ring.va);
	if (!say(user, &start, sizeof(start)))
		return -EIO;
	user->local.backoff = BACKOFF_MIN;
	connect_up(user, &features);
	return 0;
}

static int welcomed(struct user *user, const struct local_welcome *welcome, ssize_t len, int memory)
{
	int r;

	if (len != sizeof(*welcome) || welcome->version != LOCAL_VERSION || !welcome->addr ||
	    memory < 0 || user->phase != USER_OFFERED ||
	    welcome->ring_order > user->params.ring_order)
		return -EPROTO;
	if (!user->v) {
		r = first_memory(user, memory, welcome->ring_order);
	} else if (welcome->ring_order != user->ring_order) {
		connect_gone(user, "the new broker takes smaller rings only");
		return -EPROTO;
	} else {
		r = move_memory(user, memory);
	}
	return r ? r : connected(user, welcome);
}

/* REFUSED, or CLOSED. */
static int ended(struct user *user, const struct local_end *end, ssize_t len)
{
	char reason[LOCAL_REASON_MAX + 1] = "";
	size_t head = offsetof(struct local_end, reason);

	if (len < (ssize_t)head)
		return -EPROTO;
	if (end->type == LOCAL_REFUSED && end->status == -EAGAIN) {
		lost(user);
		return 0;
	}
	memcpy(reason, end->reason, (size_t)len - head);
	hang_up(user);
	connect_gone(user, *reason ? reason : "closed by the broker");
	if (end->type == LOCAL_REFUSED)
		user->local.refusal = end->status;
	return user->local.refusal ? user->local.refusal : -EHOSTDOWN;
}

union packet {
	uint32_t type;
	struct local_welcome welcome;
	struct local_end end;
};

/* The next packet; 0: the end of the connection. *@fd: what came with it, or -1. */
static ssize_t receive(struct user *user, union packet *packet, int *fd)
{
	struct iovec iov = { .iov_base = packet, .iov_len = sizeof(*packet) };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg;
	ssize_t n = recvmsg(user->local.fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*fd = -1;
	if (n < 0)
		return -errno;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(cmsg), sizeof(int));
	return n;
}

static int take_packet(struct user *user, const union packet *packet, ssize_t n, int fd)
{
	if (n < (ssize_t)sizeof(packet->type))
		return -EPROTO;
	switch (packet->type) {
	case LOCAL_WELCOME:
		return welcomed(user, &packet->welcome, n, fd);
	case LOCAL_REFUSED:
	case LOCAL_CLOSED:
		return ended(user, &packet->end, n);
	case LOCAL_BELL:
		user->events++;
		return 0;
	default:
		return -EPROTO;
	}
}

/* 1: one was taken in, and more may be there; 0: none. */
static int take_next(struct user *user)
{
	_cleanup_(closep) int fd = -1;
	union packet packet;
	ssize_t n = receive(user, &packet, &fd);
	int r;

	switch (n) {
	case -EAGAIN:
	case -EINTR:
		return 0;
	case -ECONNRESET:
		/* It did not read all of ours; what it said before is still there. */
		return 1;
	case 0:
		lost(user);
		return 0;
	default:
		break;
	}
	if (n < 0) {
		lost(user);
		return 0;
	}
	r = take_packet(user, &packet, n, fd);
	if (r == -EPROTO)
		connect_gone(user, "the broker says what makes no sense");
	/* Another bell, if there is one, wakes us again. */
	return r ? r : packet.type != LOCAL_BELL;
}

/* ------------------------------------------------------------------- life */

static bool is_away(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED || r == -EAGAIN;
}

static int local_open(struct user *user)
{
	int r;

	user->local.backoff = BACKOFF_MIN;
	r = dial(user);
	/* The socket of a broker that is being started anew is there, and refuses. */
	return is_away(r) && r != -ENOENT ? 0 : r;
}

static void local_close(struct user *user)
{
	hang_up(user);
	if (user->local.memory)
		munmap(user->local.memory, user->local.bytes);
}

static int local_begin(struct user *user, uint64_t deadline)
{
	if (getrandom(&user->instance, sizeof(user->instance), 0) != sizeof(user->instance))
		return -EIO;
	user->instance += !user->instance;
	user->phase = USER_START;
	return 0;
}

static int local_step(struct user *user)
{
	int r = 0;

	/* Perhaps noticed in the middle of a sleep, and to be told to the one who opens. */
	if (user->phase == USER_GONE)
		return user->local.refusal;
	if (user->phase == USER_START) {
		if (user->local.fd < 0)
			r = dial(user);
		if (!r)
			r = say_hello(user);
		if (is_away(r)) {
			hang_up(user);
			try_later(user);
			return 0;
		}
		if (r)
			return r;
	}
	do
		r = user->phase == USER_OFFERED || user->phase == USER_CONNECTED ? take_next(user) :
										   0;
	while (r > 0);
	if (r) {
		hang_up(user);
		if (user->phase != USER_GONE)
			user->phase = USER_START;
	}
	return r;
}

/* The connection's end is all that the broker needs to hear. */
static void local_end(struct user *user)
{
	if (user->phase == USER_CONNECTED || user->phase == USER_OFFERED ||
	    user->phase == USER_START)
		connect_gone(user, NULL);
	hang_up(user);
}

static void local_notify(struct user *user)
{
	const struct local_word bell = { .type = LOCAL_BELL };

	/* A socket that is full has bells in it already; one that is broken shows when it is read. */
	if (user->local.fd >= 0)
		(void)say(user, &bell, sizeof(bell));
}

static void local_take(struct user *user, unsigned int source)
{
	events_step(user);
}

const struct user_bus user_local_bus = {
	.open = local_open,
	.close = local_close,
	.begin = local_begin,
	.step = local_step,
	.end = local_end,
	.abandon = hang_up,
	.prepare = local_prepare,
	.unprepare = local_unprepare,
	.share = local_share,
	.unshare = local_unshare,
	.notify = local_notify,
	.take = local_take,
};
