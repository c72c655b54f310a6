/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The same work for every way between two guests.
 *
 * A process in each of two guests, the source and the sink, does one list of
 * works over one set of links (connections, channels or pairs of ports) of one
 * path. A path is a struct bench_path: how to open links, send and receive. What
 * is done with them is the same code for all (lib-bench-work.c).
 *
 * Of each payload the sender writes, and the receiver reads and compares, 8 bytes
 * at the start of each 4 KiB: the message's number. Nothing else of it is touched
 * but by the path itself. So a message that came short, late or twice is noticed,
 * and no path pays for more than it does.
 */
#ifndef XENMSG_BENCH_H
#define XENMSG_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define BENCH_LINKS_MAX	 16
#define BENCH_WORKS_MAX	 64
#define BENCH_PIECES_MAX 257
#define BENCH_BYTES_MAX	 (1u << 20)
#define BENCH_STRIDE	 4096u
#define BENCH_REPEATS	 3

enum bench_kind { BENCH_ONEWAY, BENCH_ECHO };

struct bench_work {
	uint32_t id;
	enum bench_kind kind;
	bool map;
	bool in_place;
	bool batch;
	bool exact; /* just that count of messages, once, and no time taken */
	uint32_t bytes;
	uint32_t window; /* echo: messages under way per link */
	uint64_t count;	 /* messages per repeat, over all links; see lib-bench-work.c */
};

/* A received message, readable until given back by done(). */
struct bench_got {
	struct iovec iov[BENCH_PIECES_MAX];
	int nr;
	void *msg; /* the path's */
};

struct bench;

/*
 * Errors end the program: bench_die(). A call with @block returns when it is
 * done; without, it returns false if it cannot be done now.
 */
struct bench_path {
	void (*open)(struct bench *b);
	/* Before each work; NULL: nothing to do. */
	void (*begin)(struct bench *b, const struct bench_work *w);
	bool (*send)(struct bench *b, unsigned int link, const struct bench_work *w, uint64_t seq,
		     bool block);
	bool (*recv)(struct bench *b, unsigned int link, struct bench_got *got, bool block);
	void (*done)(struct bench *b, struct bench_got *got);
	/* Until something may have changed; @room: or there is room to send. */
	void (*wait)(struct bench *b, bool room);
	/* Until all that was sent has arrived; NULL: nobody can tell. */
	void (*flush)(struct bench *b);
	void (*close)(struct bench *b);
};

extern const struct bench_path bench_ours, bench_vchan, bench_tcp;

struct bench {
	const struct bench_path *path;
	bool source;
	unsigned int links;
	unsigned int repeat_ms; /* at least, of what is counted */
	const char *peer;	/* ours: its name; tcp: its address (source) */
	unsigned int domid;	/* vchan: the other end's */
	const char *channel;	/* vchan: prefix in xenstore; NULL at the source: the sink's */
	bool server;		/* vchan: creates the channels */
	/* The payload that messages are sent from; a length prefix fits before it. */
	char *payload;
	void *state; /* the path's */
};

void __attribute__((noreturn, format(printf, 1, 2))) bench_die(const char *format, ...);
uint64_t bench_ns(void);
void *bench_alloc(size_t size);

/* Writes the number into a payload that is one piece, of 8 bytes or more. */
static inline void bench_mark(void *payload, uint32_t bytes, uint64_t seq)
{
	uint32_t at = 0;

	do
		__builtin_memcpy((char *)payload + at, &seq, sizeof(seq));
	while (__builtin_expect((at += BENCH_STRIDE) < bytes, 0));
}

/* Messages in a stream of bytes: each has its length before it. */
#define BENCH_PREFIX	   sizeof(uint32_t)
#define BENCH_STREAM_BYTES (BENCH_BYTES_MAX + (64u << 10))

struct bench_stream {
	char *buffer;	 /* BENCH_STREAM_BYTES */
	size_t from, to; /* of what was read and not handed out */
};

void bench_stream_init(struct bench_stream *s);
/* Moves what there is of a message to the front, to read more of it. */
void bench_stream_make_room(struct bench_stream *s);

/* The next message, if it is there as a whole. */
static inline bool bench_stream_next(struct bench_stream *s, struct bench_got *got)
{
	size_t there = s->to - s->from;
	char *at = s->buffer + s->from;
	uint32_t len;

	if (there < BENCH_PREFIX)
		return false;
	__builtin_memcpy(&len, at, BENCH_PREFIX);
	if (there < BENCH_PREFIX + len)
		return false;
	got->iov[0] = (struct iovec){ at + BENCH_PREFIX, len };
	got->nr = 1;
	s->from += BENCH_PREFIX + len;
	return true;
}

void bench_run(struct bench *b, struct bench_work *works, unsigned int nr);

#endif
