// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages in a stream, for the paths that carry bytes.
 *
 * A message is handed out where it was read to. Only what there is of the last,
 * incomplete one is moved, to the front of the buffer.
 */
#include <string.h>

#include "bench.h"

void bench_stream_init(struct bench_stream *s)
{
	*s = (struct bench_stream){ .buffer = bench_alloc(BENCH_STREAM_BYTES) };
}

void bench_stream_make_room(struct bench_stream *s)
{
	size_t there = s->to - s->from;
	uint32_t len = 0;

	if (there >= BENCH_PREFIX)
		memcpy(&len, s->buffer + s->from, BENCH_PREFIX);
	if (len > BENCH_BYTES_MAX)
		bench_die("a message of %u bytes", len);
	if (s->from)
		memmove(s->buffer, s->buffer + s->from, there);
	s->from = 0;
	s->to = there;
}
