// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The works themselves, over any path.
 *
 * Each is done twice: shortly, with as many messages as the plan says, to learn
 * what one takes, and then with the number that whoever measures has found fit.
 * Both times one stream of messages goes without a pause: some that warm up,
 * BENCH_REPEATS times what is counted, and some more, so that the last of the
 * counted ones are not special. Who receives what is counted, in a one-way work
 * the sink and in an echo the source, takes the time between the last message
 * before a repeat and its last one, and prints at the end
 *
 *	R ID REPEAT MESSAGES NANOSECONDS
 *
 * A repeat is long enough for what is at its begin and its end to be lost in it,
 * the different levels of rings and buffers of 1 MiB above all: bench.repeat_ms, and more
 * if less than REPEAT_BYTES for each link would go through them, up to three times that,
 * or twelve times for several links.
 *
 * A stream from rest to rest would be no better, though its repeats agree: the machine's
 * clock goes on while all wait, as TCP does at an end (delayed acknowledgements), and
 * that would count as instructions.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

#define REPEAT_BYTES (8u << 20)
#define REPEAT_MIN   16u

/* Of one work: how far it is, seen by who receives. */
struct progress {
	const struct bench_work *w;
	bool measures;	      /* the other end does not */
	uint64_t total, next; /* messages in all; the number that ends a repeat */
	uint64_t received, since;
	unsigned int repeat;
	uint64_t expected[BENCH_LINKS_MAX]; /* of each link, the next number */
	uint64_t times[BENCH_REPEATS];
};

void bench_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("bench: FAILED: ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	exit(1);
}

uint64_t bench_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void *bench_alloc(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		bench_die("no memory");
	return p;
}

static uint64_t warm_up(const struct bench_work *w)
{
	return w->count / 4 + 1;
}

static void progress_init(struct progress *p, const struct bench_work *w)
{
	memset(p, 0, sizeof(*p));
	p->w = w;
	if (w->exact) {
		p->next = UINT64_MAX;
		p->total = w->count;
		return;
	}
	p->next = warm_up(w);
	p->total = p->next + BENCH_REPEATS * w->count + w->count / 4;
}

/* For tests/profile/tcg-plugin.c, which counts between two of them. */
static void mark_for_profile(void)
{
#ifdef __x86_64__
	__asm__ volatile("nopl 0x676d7378(%%rax)" ::: "memory");
#endif
}

/* At the end of the warm-up, and of a repeat. */
static void progress_mark(struct progress *p)
{
	uint64_t now = bench_ns();

	if (p->measures && (!p->repeat || p->repeat == BENCH_REPEATS))
		mark_for_profile();

	if (p->repeat)
		p->times[p->repeat - 1] = now - p->since;
	p->since = now;
	p->next = p->repeat++ < BENCH_REPEATS ? p->next + p->w->count : UINT64_MAX;
}

static void progress_print(const struct progress *p)
{
	for (unsigned int i = 0; i < BENCH_REPEATS; i++)
		printf("R %u %u %" PRIu64 " %" PRIu64 "\n", p->w->id, i, p->w->count, p->times[i]);
}

/* That the message is whole, and the one that is due; or says what is wrong, and ends. */
static __attribute__((noinline)) void verify_marks(const struct bench_got *got,
						   const struct bench_work *w, uint64_t seq)
{
	uint32_t at = 0, mark = 0;

	for (int i = 0; i < got->nr; i++) {
		const char *piece = got->iov[i].iov_base;
		uint32_t len = (uint32_t)got->iov[i].iov_len;

		for (; mark < at + len; mark += BENCH_STRIDE) {
			uint64_t found;

			if (mark + sizeof(found) > at + len)
				bench_die("work %u: a mark in two pieces", w->id);
			memcpy(&found, piece + (mark - at), sizeof(found));
			if (found != seq)
				bench_die("work %u: message %" PRIu64 " instead of %" PRIu64
					  " at byte %u",
					  w->id, found, seq, mark);
		}
		at += len;
	}
	if (at != w->bytes)
		bench_die("work %u: %u bytes instead of %u", w->id, at, w->bytes);
}

/* The same, in few instructions if there is one mark: they count for all paths. */
static inline void verify(const struct bench_got *got, const struct bench_work *w, uint64_t seq)
{
	uint64_t found;

	if (got->nr == 1 && got->iov[0].iov_len == w->bytes && w->bytes <= BENCH_STRIDE) {
		memcpy(&found, got->iov[0].iov_base, sizeof(found));
		if (found == seq)
			return;
	}
	verify_marks(got, w, seq);
}

static bool take(struct bench *b, struct progress *p, unsigned int link, bool block)
{
	static struct bench_got got;

	if (!b->path->recv(b, link, &got, block))
		return false;
	verify(&got, p->w, p->expected[link]++);
	b->path->done(b, &got);
	if (++p->received == p->next)
		progress_mark(p);
	return true;
}

/* ------------------------------------------------------------------- works */

static void oneway_source(struct bench *b, struct progress *p)
{
	uint64_t sent[BENCH_LINKS_MAX] = { 0 }, all = 0;

	while (all < p->total && b->links == 1)
		b->path->send(b, 0, p->w, all++, true);
	while (all < p->total) {
		uint64_t before = all;

		for (unsigned int i = 0; i < b->links && all < p->total; i++)
			if (b->path->send(b, i, p->w, sent[i], false))
				sent[i]++, all++;
		if (all == before)
			b->path->wait(b, true);
	}
}

static void oneway_sink(struct bench *b, struct progress *p)
{
	while (p->received < p->total && b->links == 1)
		take(b, p, 0, true);
	while (p->received < p->total) {
		uint64_t before = p->received;

		for (unsigned int i = 0; i < b->links; i++)
			while (take(b, p, i, false))
				;
		if (p->received == before)
			b->path->wait(b, false);
	}
}

/* Keeps the window full; takes all answers that are there before it sends again. */
static void echo_source(struct bench *b, struct progress *p)
{
	uint64_t sent[BENCH_LINKS_MAX] = { 0 }, all = 0;

	while (p->received < p->total) {
		uint64_t before = p->received;

		for (unsigned int i = 0; i < b->links; i++)
			while (all < p->total && sent[i] - p->expected[i] < p->w->window &&
			       b->path->send(b, i, p->w, sent[i], false))
				sent[i]++, all++;
		if (b->links == 1 && p->expected[0] < sent[0])
			take(b, p, 0, true);
		for (unsigned int i = 0; i < b->links; i++)
			while (p->expected[i] < sent[i] && take(b, p, i, false))
				;
		if (p->received == before)
			b->path->wait(b, false);
	}
}

static void echo_sink(struct bench *b, struct progress *p)
{
	while (p->received < p->total) {
		uint64_t before = p->received;

		for (unsigned int i = 0; i < b->links; i++)
			while (p->received < p->total && take(b, p, i, b->links == 1))
				b->path->send(b, i, p->w, p->expected[i] - 1, true);
		if (p->received == before)
			b->path->wait(b, false);
	}
}

static uint64_t median(const uint64_t times[BENCH_REPEATS])
{
	uint64_t a = times[0], b = times[1], c = times[2];

	return a < b ? (b < c ? b : (a < c ? c : a)) : (a < c ? a : (b < c ? c : b));
}

static uint64_t enough(const struct bench *b, const struct progress *p)
{
	const struct bench_work *w = p->w;
	uint64_t one = median(p->times) / w->count + 1, ns = b->repeat_ms * UINT64_C(1000000);
	uint64_t most = (b->links > 1 ? 12 : 3) * ns / one;
	uint64_t n = ns / one, bytes = (uint64_t)b->links * REPEAT_BYTES / w->bytes;

	if (w->kind == BENCH_ONEWAY && n < bytes)
		n = bytes < most ? bytes : most;
	return n > REPEAT_MIN ? n : REPEAT_MIN;
}

/* Who measures is ready, and tells the other how many messages are counted. */
static void meet(struct bench *b, struct bench_work *w)
{
	struct bench_work hello = { .id = w->id, .bytes = sizeof(w->count) };
	static struct bench_got got;

	if (b->source == (w->kind == BENCH_ECHO)) {
		b->path->send(b, 0, &hello, w->count, true);
		return;
	}
	b->path->recv(b, 0, &got, true);
	if (got.nr != 1 || got.iov[0].iov_len != sizeof(w->count))
		bench_die("work %u: no number of messages", w->id);
	memcpy(&w->count, got.iov[0].iov_base, sizeof(w->count));
	b->path->done(b, &got);
}

/* A word from one end to the other. */
static void say(struct bench *b, bool speaker)
{
	struct bench_work word = { .bytes = 8 };
	static struct bench_got got;

	if (speaker) {
		b->path->send(b, 0, &word, 0, true);
		return;
	}
	b->path->recv(b, 0, &got, true);
	b->path->done(b, &got);
}

static void once(struct bench *b, struct bench_work *w, struct progress *p)
{
	static void (*const does[2][2])(struct bench *, struct progress *) = {
		[BENCH_ONEWAY] = { oneway_sink, oneway_source },
		[BENCH_ECHO] = { echo_sink, echo_source },
	};

	meet(b, w);
	progress_init(p, w);
	p->measures = b->source == (w->kind == BENCH_ECHO);
	does[w->kind][b->source](b, p);
	/* What comes next could overtake, on another link, what is under way. */
	if (w->kind == BENCH_ONEWAY)
		say(b, !b->source);
}

/*
 * The source knows that all has arrived, and the sink that it does, before either
 * of them closes anything.
 */
static void part(struct bench *b)
{
	say(b, !b->source);
	if (b->source && b->path->flush)
		b->path->flush(b);
	say(b, b->source);
}

void bench_run(struct bench *b, struct bench_work *works, unsigned int nr)
{
	struct progress p;

	for (unsigned int i = 0; i < nr; i++) {
		struct bench_work *w = &works[i];
		bool measures = b->source == (w->kind == BENCH_ECHO);

		if (b->path->begin)
			b->path->begin(b, w);
		once(b, w, &p);
		if (w->exact)
			continue;
		if (measures)
			w->count = enough(b, &p);
		once(b, w, &p);
		if (measures)
			progress_print(&p);
	}
	part(b);
}
