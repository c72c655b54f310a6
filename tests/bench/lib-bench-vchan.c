// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libvchan: a channel of two rings of 1 MiB for each link, used as a stream of
 * messages with their length in four bytes before them.
 *
 * Length and payload leave with one libxenvchan_send(), or as a stream if they do
 * not fit into the ring. The receiver reads what is there, as much as its buffer
 * takes, and finds the messages in it: for small messages that is half of what
 * reading each length and then each payload would cost.
 *
 * Who creates the channels is the server, in its own part of xenstore or, in
 * dom0 (the relay), where the option --channel says.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <libxenvchan.h>

#include "bench.h"

#define RING   (1u << 20)
#define WHOLE  (RING / 2)
#define PREFIX BENCH_PREFIX

struct vchans {
	struct libxenvchan *links[BENCH_LINKS_MAX];
	struct bench_stream streams[BENCH_LINKS_MAX];
};

static void vchan_open(struct bench *b)
{
	struct vchans *v = bench_alloc(sizeof(*v));

	b->state = v;
	for (unsigned int i = 0; i < b->links; i++) {
		char path[128];

		(void)snprintf(path, sizeof(path), "%s-%u", b->channel, i);
		if (b->server)
			v->links[i] =
				libxenvchan_server_init(NULL, (int)b->domid, path, RING, RING);
		else
			while (!(v->links[i] = libxenvchan_client_init(NULL, (int)b->domid, path)))
				usleep(100000);
		if (!v->links[i])
			bench_die("no channel %s", path);
		bench_stream_init(&v->streams[i]);
	}
}

static bool vchan_send(struct bench *b, unsigned int i, const struct bench_work *w, uint64_t seq,
		       bool block)
{
	struct libxenvchan *c = ((struct vchans *)b->state)->links[i];
	int len = (int)(PREFIX + w->bytes), r;

	bench_mark(b->payload, w->bytes, seq);
	memcpy(b->payload - PREFIX, &w->bytes, PREFIX);
	c->blocking = block || w->bytes > WHOLE;
	if (w->bytes > WHOLE)
		r = libxenvchan_write(c, b->payload - PREFIX, (size_t)len);
	else
		r = libxenvchan_send(c, b->payload - PREFIX, (size_t)len);
	if (!r && !block)
		return false;
	if (r != len)
		bench_die("channel %u: sending %d bytes: %d", i, len, r);
	return true;
}

static bool __attribute__((noinline))
read_more(struct vchans *v, unsigned int i, struct bench_got *got, bool block)
{
	struct bench_stream *s = &v->streams[i];

	do {
		int r;

		bench_stream_make_room(s);
		v->links[i]->blocking = block;
		r = libxenvchan_read(v->links[i], s->buffer + s->to, BENCH_STREAM_BYTES - s->to);
		if (!r && !block)
			return false;
		if (r <= 0)
			bench_die("channel %u has gone", i);
		s->to += (size_t)r;
	} while (!bench_stream_next(s, got));
	return true;
}

static bool vchan_recv(struct bench *b, unsigned int i, struct bench_got *got, bool block)
{
	struct vchans *v = b->state;

	return bench_stream_next(&v->streams[i], got) || read_more(v, i, got, block);
}

static void vchan_done(struct bench *b, struct bench_got *got)
{
}

static void vchan_wait(struct bench *b, bool room)
{
	struct vchans *v = b->state;
	struct pollfd fds[BENCH_LINKS_MAX];

	for (unsigned int i = 0; i < b->links; i++)
		fds[i] = (struct pollfd){ libxenvchan_fd_for_select(v->links[i]), POLLIN, 0 };
	if (poll(fds, b->links, -1) < 0)
		bench_die("poll");
	for (unsigned int i = 0; i < b->links; i++)
		if (fds[i].revents && libxenvchan_wait(v->links[i]) < 0)
			bench_die("channel %u has gone", i);
}

static void vchan_close(struct bench *b)
{
	struct vchans *v = b->state;

	for (unsigned int i = 0; i < b->links; i++)
		libxenvchan_close(v->links[i]);
}

const struct bench_path bench_vchan = {
	.open = vchan_open,
	.send = vchan_send,
	.recv = vchan_recv,
	.done = vchan_done,
	.wait = vchan_wait,
	.close = vchan_close,
};
