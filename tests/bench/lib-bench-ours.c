// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages of xenmsg, by its library alone: the same for both frontends.
 *
 * A link is a port of each end, both of the same number. "buffer" copies from an
 * application's buffer, by xenmsg_send() or into a room of a map pool. "in place"
 * writes into the pages that the library hands out. "batch" leaves the library out
 * for sending (batch.h). What was received is read in place in all of them; what came
 * as a batch is received as one, and its messages are found in it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "batch.h"
#include "bench.h"
#include "xenmsg.h"

#define FIRST_PORT 700
#define GREETINGS  400 /* in 20 seconds */
#define PIECES	   17  /* of a batch at most, which has up to 64 KiB */
/* Of a port: so that it is not the credit for messages of 1 MiB that ends a stream. */
#define BUFFER (16u << 20)
/* The largest; so many messages follow each other in one, and the next ones are in the next. */
#define POOL_BYTES (4u << 20)
/* Of long messages; others need one, and so has each of several pairs, but for longer ones. */
#define POOLS	     8u
#define POOLS_KERNEL 4u /* where the kernel drives the device: it maps no eight for one user */
#define POOL_MESSAGE (64u << 10)
/* The most that can be received into: README.md compares that with libvchan's rings. */
#define RX_PAGES 1024u
/* No more than the other end has posted of those, so that nothing is left for an extra turn. */
#define TX_PAGES 896u

/* A batch of which messages are left, or a message. */
struct run {
	struct xenmsg_msg *msg; /* NULL: none */
	const char *at;
	uint32_t left, each; /* bytes of the piece; of a message, if those in it are left */
	struct iovec pieces[PIECES];
	int nr, piece;
};

enum way { WAY_BUFFER, WAY_IN_PLACE, WAY_MAPPED, WAY_BATCHED };

struct ours {
	struct xenmsg *x;
	uint32_t peer;
	struct xenmsg_port *ports[BENCH_LINKS_MAX];
	struct xenmsg_pool *pools[BENCH_LINKS_MAX][POOLS];
	unsigned int nr_pools; /* that a link's messages are in by turns */
	struct xenmsg_buffer buffer;
	struct batch *batch; /* to the first port */
	/* The work under way, and how its messages are sent; what is said beside it is one. */
	const struct bench_work *work;
	enum way way;
	unsigned int flags;
	struct run runs[BENCH_LINKS_MAX];
};

static void check(const char *what, int r)
{
	if (r)
		bench_die("%s: %s", what, strerror(-r));
}

/*
 * Until both ends have all their ports: whoever is known by its name need not have opened any yet,
 * and what it has not opened refuses.
 */
static void greet(struct ours *o, unsigned int link)
{
	unsigned int tries = GREETINGS;
	struct xenmsg_msg *msg;
	int r;

	do {
		check("greeting", xenmsg_send(o->ports[link], o->peer, FIRST_PORT + link, &link,
					      sizeof(link), 0, NULL));
		r = xenmsg_flush(o->x, 5000);
	} while (r == -ECONNREFUSED && --tries && !usleep(50000));
	check("greeting", r);
	check("being greeted", xenmsg_recv(o->ports[link], &msg, 5000));
	xenmsg_release(msg);
}

static void ours_open(struct bench *b)
{
	/* In the kernel's driver it is memory that is there. */
	const struct xenmsg_bind whole = {
		.size = sizeof(whole),
		.buffer = b->links == 1 ? BUFFER : 0,
		.batches = 1,
	};
	struct xenmsg_options options = XENMSG_OPTIONS_INIT;
	struct ours *o = bench_alloc(sizeof(*o));
	int r;

	b->state = o;
	options.tx_pages = TX_PAGES;
	options.rx_pages = RX_PAGES;
	check("opening the device", xenmsg_open(&o->x, &options));
	for (unsigned int i = 0; i < b->links; i++)
		check("opening a port",
		      xenmsg_port_open(o->x, FIRST_PORT + i, &whole, &o->ports[i]));
	while ((r = xenmsg_resolve(o->x, b->peer, &o->peer, NULL, 5000)) == -EHOSTUNREACH)
		usleep(50000);
	check(b->peer, r);
	greet(o, b->links - 1);
}

static inline int send_buffer(struct bench *b, unsigned int i, const struct bench_work *w,
			      uint64_t seq, unsigned int flags)
{
	struct ours *o = b->state;

	bench_mark(b->payload, w->bytes, seq);
	return xenmsg_send(o->ports[i], o->peer, FIRST_PORT + i, b->payload, w->bytes, flags, NULL);
}

static __attribute__((noinline)) int send_in_place(struct bench *b, unsigned int i,
						   const struct bench_work *w, uint64_t seq,
						   unsigned int flags)
{
	struct ours *o = b->state;
	struct xenmsg_port *port = o->ports[i];
	struct iovec *iov = o->buffer.iov, *end;
	int r = xenmsg_buffer_get(port, w->bytes, &o->buffer, flags);

	if (__builtin_expect(r, 0))
		return r;
	end = iov + o->buffer.nr;
	do
		bench_mark(iov->iov_base, (uint32_t)iov->iov_len, seq);
	while (++iov != end);
	r = xenmsg_buffer_send(port, o->peer, FIRST_PORT + i, &o->buffer, flags, NULL);
	if (__builtin_expect(r, 0))
		xenmsg_buffer_put(port, &o->buffer);
	return r;
}

static __attribute__((noinline)) int send_mapped(struct bench *b, unsigned int i,
						 const struct bench_work *w, uint64_t seq,
						 unsigned int flags)
{
	struct ours *o = b->state;
	struct xenmsg_pool *pool = o->pools[i][seq * w->bytes / POOL_BYTES % o->nr_pools];
	void *room;
	int r = xenmsg_pool_get(pool, w->bytes, &room, flags);

	if (r)
		return r;
	if (w->in_place) {
		bench_mark(room, w->bytes, seq);
	} else {
		bench_mark(b->payload, w->bytes, seq);
		memcpy(room, b->payload, w->bytes);
	}
	r = xenmsg_pool_send(pool, room, w->bytes, flags, NULL);
	if (r)
		xenmsg_pool_put(pool, room);
	return r;
}

static void ours_begin(struct bench *b, const struct bench_work *w)
{
	struct ours *o = b->state;

	o->work = w;
	o->way = w->batch    ? WAY_BATCHED :
		 w->map	     ? WAY_MAPPED :
		 w->in_place ? WAY_IN_PLACE :
			       WAY_BUFFER;
	/* Nobody waits for one of several alone; who waits for an answer sends them off by that. */
	o->flags = w->kind == BENCH_ONEWAY || w->window > 1 ? XENMSG_LAZY : 0;
	if (w->batch && b->source && !o->batch)
		o->batch = bench_batch_new(o->peer, FIRST_PORT);
	o->nr_pools = 1;
	if (w->bytes > POOL_MESSAGE || (w->bytes == POOL_MESSAGE && b->links == 1))
		o->nr_pools = xenmsg_may_return(o->x) ? POOLS_KERNEL : POOLS;
	for (unsigned int i = 0; i < b->links * o->nr_pools && w->map; i++) {
		unsigned int link = i / o->nr_pools;
		struct xenmsg_pool **pool = &o->pools[link][i % o->nr_pools];

		if (!*pool)
			check("opening a pool",
			      xenmsg_pool_open(o->ports[link], o->peer, FIRST_PORT + link,
					       POOL_BYTES, pool, 5000));
	}
}

static bool ours_send(struct bench *b, unsigned int i, const struct bench_work *w, uint64_t seq,
		      bool block)
{
	struct ours *o = b->state;
	unsigned int flags = (w == o->work ? o->flags : 0) | (block ? 0 : XENMSG_NONBLOCK);
	enum way way = w == o->work ? o->way : WAY_BUFFER;
	int r = 0;

	if (way == WAY_BUFFER)
		r = send_buffer(b, i, w, seq, flags);
	else if (way == WAY_IN_PLACE)
		r = send_in_place(b, i, w, seq, flags);
	else if (way == WAY_MAPPED)
		r = send_mapped(b, i, w, seq, flags);
	else
		bench_batch_send(o->batch, w->bytes, seq);
	if (!r)
		return true;
	if (r != -EAGAIN || block)
		check("sending", r);
	return false;
}

/* The next message of a batch; it may begin in one page and end in the next. */
static void ours_next(struct run *run, struct bench_got *got)
{
	uint32_t left = run->each, n;

	for (got->nr = 0; left; left -= n) {
		if (!run->left) {
			run->at = run->pieces[run->piece].iov_base;
			run->left = (uint32_t)run->pieces[run->piece++].iov_len;
		}
		n = left < run->left ? left : run->left;
		got->iov[got->nr++] = (struct iovec){ (void *)(uintptr_t)run->at, n };
		run->at += n;
		run->left -= n;
	}
	got->msg = run->left || run->piece < run->nr ? NULL : run->msg;
	if (got->msg)
		run->msg = NULL;
}

static __attribute__((noinline)) bool more(struct bench *b, unsigned int i, struct bench_got *got,
					   bool block)
{
	struct ours *o = b->state;
	struct run *run = &o->runs[i];
	struct xenmsg_msg *msg;
	int r;

	if (o->batch)
		bench_batch_flush(o->batch);
	r = xenmsg_recv(o->ports[i], &msg, block ? -1 : 0);
	if (r == -EAGAIN && !block)
		return false;
	check("receiving", r);
	run->each = xenmsg_msg_each(msg);
	if (!run->each) {
		got->msg = msg;
		got->nr = xenmsg_msg_iov(msg, got->iov, BENCH_PIECES_MAX);
		return true;
	}
	run->msg = msg;
	run->nr = xenmsg_msg_iov(msg, run->pieces, PIECES);
	run->piece = 0;
	run->left = 0;
	ours_next(run, got);
	return true;
}

static bool ours_recv(struct bench *b, unsigned int i, struct bench_got *got, bool block)
{
	struct run *run = &((struct ours *)b->state)->runs[i];

	if (!run->msg)
		return more(b, i, got, block);
	if (run->left < run->each) {
		ours_next(run, got);
		return true;
	}
	got->iov[0] = (struct iovec){ (void *)(uintptr_t)run->at, run->each };
	got->nr = 1;
	run->at += run->each;
	run->left -= run->each;
	got->msg = NULL;
	if (!run->left && run->piece == run->nr) {
		got->msg = run->msg;
		run->msg = NULL;
	}
	return true;
}

static void ours_done(struct bench *b, struct bench_got *got)
{
	if (got->msg)
		xenmsg_release(got->msg);
}

static void ours_wait(struct bench *b, bool room)
{
	struct ours *o = b->state;
	int r = xenmsg_wait(o->x, -1);

	check("waiting", r < 0 ? r : 0);
}

/* Failures of what was sent would be silent otherwise. */
static void ours_flush(struct bench *b)
{
	struct ours *o = b->state;

	check("flushing", xenmsg_flush(o->x, 5000));
}

/* The other end may be gone before it could say that it has got the last word. */
static void ours_close(struct bench *b)
{
	struct ours *o = b->state;

	(void)xenmsg_flush(o->x, 5000);
	xenmsg_close(o->x);
}

const struct bench_path bench_ours = {
	.open = ours_open,
	.begin = ours_begin,
	.send = ours_send,
	.recv = ours_recv,
	.done = ours_done,
	.wait = ours_wait,
	.flush = ours_flush,
	.close = ours_close,
};
