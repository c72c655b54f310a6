// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
#include "common/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/macros.h"

/* A pair may be in any of so many places that follow the one its hash names. */
#define PROBES 8

#define SECONDS_PER_MINUTE 60

/*
 * systemd names the device and inode of its stream, so that a process which inherited the
 * variable, but not the stream, can tell (see sd-daemon(3) and systemd.exec(5)).
 */
bool log_stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char mine[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	(void)snprintf(mine, sizeof(mine), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, mine) == 0;
}

void log_stderr(void *data, int prio, const char *line)
{
	char text[LOG_LINE_MAX + 8];
	int len;

	if (log_stderr_is_journal())
		len = snprintf(text, sizeof(text), "<%d>%s\n", prio, line);
	else
		len = snprintf(text, sizeof(text), "%s\n", line);
	if (len < 0)
		return;
	/* A line that standard error does not take has nowhere else to go. */
	if (write(STDERR_FILENO, text, MIN_OF((size_t)len, sizeof(text) - 1)) < 0)
		return;
}

void log_init(struct log *log, log_sink_fn sink, void *data, int max_prio)
{
	memset(log, 0, sizeof(*log));
	log->sink = sink ? sink : log_stderr;
	log->sink_data = data;
	log->max_prio = max_prio;
}

/* Ends a text that was cut in dots, and takes out what would start a line or move a cursor. */
static void tidy(char *line, size_t size, int len)
{
	if (len >= 0 && (size_t)len >= size)
		memcpy(line + size - sizeof("..."), "...", sizeof("..."));
	for (char *c = line; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	}
}

void log_write_va(struct log *log, int prio, const char *format, va_list args)
{
	int saved_errno = errno;
	char line[LOG_LINE_MAX];
	int len;

	if (prio > log->max_prio)
		return;
	line[0] = '\0';
	len = vsnprintf(line, sizeof(line), format, args);
	tidy(line, sizeof(line), len);
	log->sink(log->sink_data, prio, line);
	errno = saved_errno;
}

void log_write(struct log *log, int prio, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_write_va(log, prio, format, args);
	va_end(args);
}

/* FNV-1a, over the domain and the rule's name as kept. */
static uint32_t pair_hash(uint32_t domid, const char *rule)
{
	uint32_t hash = UINT32_C(2166136261) ^ domid;

	hash *= UINT32_C(16777619);
	for (const char *c = rule; *c; c++) {
		hash ^= (unsigned char)*c;
		hash *= UINT32_C(16777619);
	}
	return hash;
}

static void tell_suppressed(struct log *log, struct log_limit *limit)
{
	uint64_t count = limit->suppressed;

	if (count == 0)
		return;
	limit->suppressed = 0;
	if (limit == &log->others)
		log_write(log, limit->prio,
			  "%ju lines suppressed, of domains and rules beyond the first %d",
			  (uintmax_t)count, LOG_LIMIT_PAIRS);
	else
		log_write(log, limit->prio, "domain=%u rule=\"%s\" %ju lines suppressed",
			  limit->domid, limit->rule, (uintmax_t)count);
}

/* Tokens are sixtieths of a line, because lines are counted per minute. */
static void limit_init(struct log_limit *limit, uint64_t now_ns)
{
	*limit = (struct log_limit){ .used = true };
	token_bucket_init(&limit->bucket, LOG_LIMIT_PER_MINUTE,
			  (uint64_t)LOG_LIMIT_BURST * SECONDS_PER_MINUTE, now_ns);
}

/*
 * Finds the pair, or makes room for it.  Only a pair whose bucket is full again gives way:
 * forgetting it changes nothing, so that many pairs are no way around the limit.
 */
static struct log_limit *limit_find(struct log *log, uint64_t now_ns, uint32_t domid,
				    const char *rule)
{
	uint32_t at = pair_hash(domid, rule);
	struct log_limit *room = NULL;

	for (uint32_t i = 0; i < PROBES; i++) {
		struct log_limit *limit = &log->pairs[(at + i) % LOG_LIMIT_PAIRS];

		if (limit->used && limit->domid == domid && strcmp(limit->rule, rule) == 0)
			return limit;
		if (!room && (!limit->used || token_bucket_full(&limit->bucket, now_ns)))
			room = limit;
	}
	if (!room) {
		if (!log->others.used)
			limit_init(&log->others, now_ns);
		return &log->others;
	}
	tell_suppressed(log, room);
	limit_init(room, now_ns);
	room->domid = domid;
	memcpy(room->rule, rule, strlen(rule) + 1);
	return room;
}

void log_limited(struct log *log, uint64_t now_ns, uint32_t domid, const char *rule, int prio,
		 const char *format, ...)
{
	int saved_errno = errno;
	char text[LOG_LINE_MAX];
	char key[LOG_RULE_MAX];
	struct log_limit *limit;
	va_list args;

	/* What nobody reads uses up nobody's share. */
	if (prio > log->max_prio)
		return;
	(void)snprintf(key, sizeof(key), "%s", rule);
	limit = limit_find(log, now_ns, domid, key);
	limit->prio = prio;
	if (!token_bucket_take(&limit->bucket, now_ns, SECONDS_PER_MINUTE)) {
		limit->suppressed++;
		errno = saved_errno;
		return;
	}
	tell_suppressed(log, limit);
	errno = saved_errno; /* the text may say %m */
	text[0] = '\0';
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_write(log, prio, "domain=%u rule=\"%s\" %s", domid, rule, text);
	errno = saved_errno;
}

void log_flush(struct log *log)
{
	for (size_t i = 0; i < ARRAY_LEN(log->pairs); i++)
		tell_suppressed(log, &log->pairs[i]);
	tell_suppressed(log, &log->others);
}

size_t log_escape(char *dst, size_t size, const void *bytes, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *src = bytes;
	size_t used = 0;
	size_t safe = 0; /* where "..." would still fit behind */

	if (size == 0)
		return 0;
	for (size_t i = 0; i < len; i++) {
		bool plain = src[i] >= ' ' && src[i] <= '~' && src[i] != '"' && src[i] != '\\';
		size_t need = plain ? 1 : 4;

		if (used + sizeof("...") <= size)
			safe = used;
		if (need >= size - used) {
			if (size >= sizeof("...")) {
				memcpy(dst + safe, "...", sizeof("..."));
				return safe + 3;
			}
			break;
		}
		if (plain) {
			dst[used++] = (char)src[i];
		} else {
			dst[used++] = '\\';
			dst[used++] = 'x';
			dst[used++] = hex[src[i] >> 4];
			dst[used++] = hex[src[i] & 15];
		}
	}
	dst[used] = '\0';
	return used;
}
