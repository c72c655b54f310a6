// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * TCP: a connection for each link, used as a stream of messages with their length
 * in four bytes before them.
 *
 * Length and payload leave with one send(). The receiver reads what is there, as
 * much as its buffer takes, and finds the messages in it, as whoever receives from
 * a socket would. One-way streams may be put together by the kernel (Nagle);
 * answers are sent at once.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define PORT   7000
#define PREFIX BENCH_PREFIX

struct connection {
	int fd;
	struct bench_stream stream;
};

struct tcp {
	struct connection links[BENCH_LINKS_MAX];
};

static void listen_for_all(struct bench *b, struct tcp *t)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, BENCH_LINKS_MAX))
		bench_die("listening: %s", strerror(errno));
	for (unsigned int i = 0; i < b->links; i++)
		t->links[i].fd = accept(fd, NULL, NULL);
	close(fd);
}

static int connect_to(const char *address)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
		bench_die("%s is no address", address);
	for (int tries = 0; tries < 100; tries++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (fd >= 0 && !connect(fd, (struct sockaddr *)&to, sizeof(to)))
			return fd;
		close(fd);
		usleep(100000);
	}
	bench_die("connecting to %s: %s", address, strerror(errno));
}

static void tcp_open(struct bench *b)
{
	struct tcp *t = bench_alloc(sizeof(*t));

	b->state = t;
	if (!b->source)
		listen_for_all(b, t);
	for (unsigned int i = 0; i < b->links; i++) {
		if (b->source)
			t->links[i].fd = connect_to(b->peer);
		if (t->links[i].fd < 0)
			bench_die("connection %u: %s", i, strerror(errno));
		bench_stream_init(&t->links[i].stream);
	}
}

static void tcp_begin(struct bench *b, const struct bench_work *w)
{
	struct tcp *t = b->state;
	int no_delay = w->kind == BENCH_ECHO;

	for (unsigned int i = 0; i < b->links; i++)
		setsockopt(t->links[i].fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, sizeof(no_delay));
}

static bool tcp_send(struct bench *b, unsigned int i, const struct bench_work *w, uint64_t seq,
		     bool block)
{
	struct connection *c = &((struct tcp *)b->state)->links[i];
	size_t len = PREFIX + w->bytes, at = 0;

	bench_mark(b->payload, w->bytes, seq);
	memcpy(b->payload - PREFIX, &w->bytes, PREFIX);
	while (at < len) {
		/* What is begun has to be ended. */
		ssize_t r = send(c->fd, b->payload - PREFIX + at, len - at,
				 block || at ? 0 : MSG_DONTWAIT);

		if (r < 0 && errno == EAGAIN)
			return false;
		if (r < 0)
			bench_die("sending: %s", strerror(errno));
		at += (size_t)r;
	}
	return true;
}

static bool __attribute__((noinline))
read_more(struct connection *c, struct bench_got *got, bool block)
{
	struct bench_stream *s = &c->stream;

	do {
		ssize_t r;

		bench_stream_make_room(s);
		r = recv(c->fd, s->buffer + s->to, BENCH_STREAM_BYTES - s->to,
			 block ? 0 : MSG_DONTWAIT);
		if (r < 0 && errno == EAGAIN)
			return false;
		if (r <= 0)
			bench_die("receiving: %s", r ? strerror(errno) : "connection closed");
		s->to += (size_t)r;
	} while (!bench_stream_next(s, got));
	return true;
}

static bool tcp_recv(struct bench *b, unsigned int i, struct bench_got *got, bool block)
{
	struct connection *c = &((struct tcp *)b->state)->links[i];

	return bench_stream_next(&c->stream, got) || read_more(c, got, block);
}

static void tcp_done(struct bench *b, struct bench_got *got)
{
}

static void tcp_wait(struct bench *b, bool room)
{
	struct tcp *t = b->state;
	struct pollfd fds[BENCH_LINKS_MAX];

	for (unsigned int i = 0; i < b->links; i++)
		fds[i] = (struct pollfd){ t->links[i].fd, room ? POLLIN | POLLOUT : POLLIN, 0 };
	if (poll(fds, b->links, -1) < 0)
		bench_die("poll: %s", strerror(errno));
}

static void tcp_close(struct bench *b)
{
	struct tcp *t = b->state;

	for (unsigned int i = 0; i < b->links; i++)
		close(t->links[i].fd);
}

const struct bench_path bench_tcp = {
	.open = tcp_open,
	.begin = tcp_begin,
	.send = tcp_send,
	.recv = tcp_recv,
	.done = tcp_done,
	.wait = tcp_wait,
	.close = tcp_close,
};
