/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lines that dom0's hub and a guest's agent exchange over the guest's
 * console.
 *
 * The console carries kernel messages too, so every line of ours starts with
 * a byte that no kernel message holds (MARK), and ends with a newline.  The
 * text in between is readable in the console log; control bytes and the
 * backslash are written as a backslash and two hex digits, so any bytes can
 * pass.
 *
 *	to the guest:	run ID ARG\00ARG\00...    sig ID NUMBER    hey 0
 *	from the guest:	hello 0    out ID TEXT    err ID TEXT    exit ID STATUS
 */
#ifndef XEN_TEST_FRAME_H
#define XEN_TEST_FRAME_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MARK '\x1e'
/* Bytes of output in one line: small enough to keep the console lively. */
#define CHUNK 1024
/* Longest line, a command with all its arguments included. */
#define LINE_MAX_BYTES 65536

/* Writes all of it to a blocking descriptor; false if the other side is gone. */
static inline bool write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

/* Sends one line; data is escaped.  The line goes out in a single write(). */
static inline bool send_frame(int fd, const char *kind, unsigned long id, const void *data,
			      size_t len)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *in = data;
	char *line = malloc(3 * len + 64);
	size_t n;
	bool ok;

	if (!line)
		return false;
	n = (size_t)sprintf(line, "%c%s %lu ", MARK, kind, id);
	for (size_t i = 0; i < len; i++) {
		if (in[i] >= 0x20 && in[i] != 0x7f && in[i] != '\\') {
			line[n++] = (char)in[i];
			continue;
		}
		line[n++] = '\\';
		line[n++] = hex[in[i] >> 4];
		line[n++] = hex[in[i] & 15];
	}
	line[n++] = '\n';
	ok = write_all(fd, line, n);
	free(line);
	return ok;
}

static inline int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return 0;
}

/* Undoes the escapes in place; returns the length. */
static inline size_t unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in; in++) {
		if (in[0] == '\\' && in[1] && in[2]) {
			*out++ = (char)(hex_value(in[1]) << 4 | hex_value(in[2]));
			in += 2;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
	return (size_t)(out - text);
}

/* A line under construction, from a descriptor that gives any pieces. */
struct line_buffer {
	char text[LINE_MAX_BYTES];
	size_t len;
};

/* A parsed line; text points into the buffer and has len bytes. */
struct frame {
	char kind[8];
	unsigned long id;
	char *text;
	size_t len;
};

/* True if the line holds a frame.  What precedes the mark is not ours. */
static inline bool parse_frame(char *line, struct frame *frame)
{
	char *mark = strchr(line, MARK);
	int used = 0;

	if (!mark || sscanf(mark + 1, "%7s %lu%n", frame->kind, &frame->id, &used) < 2)
		return false;
	frame->text = mark + 1 + used;
	if (*frame->text == ' ')
		frame->text++;
	frame->len = unescape(frame->text);
	return true;
}

/* Adds bytes to the buffer and calls handle() once per complete line. */
static inline void feed_lines(struct line_buffer *buffer, const char *data, size_t len,
			      void (*handle)(char *line, void *arg), void *arg)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] != '\n' && buffer->len < sizeof(buffer->text) - 1) {
			buffer->text[buffer->len++] = data[i];
			continue;
		}
		buffer->text[buffer->len] = '\0';
		buffer->len = 0;
		handle(buffer->text, arg);
	}
}

#endif
