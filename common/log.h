/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Log lines, and a limit on how many a guest can cause.
 *
 * A line is one thing that happened.  It names what it is about in the form `domain=3 port=17
 * rule="a-to-b"`, then says it in words.  There is no global log: a `struct log` is passed
 * around, and its sink decides where lines go (standard error, a test's buffer).
 *
 * Whatever a guest can provoke goes through log_limited(): each pair of domain and rule has its
 * own bucket of lines, so that a noisy guest silences neither the others nor itself about
 * something else.  Lines held back are counted, and the count is told.  Text that came from a
 * guest goes through log_escape() first.
 */
#ifndef XENMSG_COMMON_LOG_H
#define XENMSG_COMMON_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <syslog.h> /* the priorities: LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG, ... */

#include "common/token-bucket.h"

/* The longest line, with its terminator; longer ones are cut and end in "...". */
#define LOG_LINE_MAX 1024
/* Each pair of domain and rule may log so many lines at once, and so many per minute. */
#define LOG_LIMIT_BURST	     10
#define LOG_LIMIT_PER_MINUTE 10
/* Pairs told apart.  Beyond that, new pairs share one bucket until an old one was quiet. */
#define LOG_LIMIT_PAIRS 256
#define LOG_RULE_MAX	64

/*
 * Takes one line: `prio` is a syslog priority, `line` has no newline, no control characters and
 * is valid during the call only.
 */
typedef void (*log_sink_fn)(void *data, int prio, const char *line);

/* How often one domain was told off for one rule.  Private to log.c. */
struct log_limit {
	struct token_bucket bucket;
	uint64_t suppressed;
	uint32_t domid;
	int prio;
	bool used;
	char rule[LOG_RULE_MAX];
};

struct log {
	log_sink_fn sink;
	void *sink_data;
	int max_prio;
	struct log_limit pairs[LOG_LIMIT_PAIRS];
	struct log_limit others;
};

/*
 * Makes a log that passes lines of priority `max_prio` (for example LOG_INFO) and more important
 * ones to `sink`.  NULL is log_stderr().  `data` is handed to the sink and stays the caller's.
 * There is nothing to deinitialise; call log_flush() at the end, to tell of lines held back.
 */
void log_init(struct log *log, log_sink_fn sink, void *data, int max_prio);

/*
 * The sink that writes to standard error, one write per line; with the priority in front as
 * `<N>` if standard error is the journal's (JOURNAL_STREAM says so), which reads it from there.
 */
void log_stderr(void *data, int prio, const char *line);
/* Whether standard error is the journal's. */
bool log_stderr_is_journal(void);

/* Writes a line.  Control characters in it become '?'; errno is preserved. */
void log_write(struct log *log, int prio, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void log_write_va(struct log *log, int prio, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

/*
 * Writes `domain=<domid> rule="<rule>" <text>`, unless this domain already had its lines for
 * this rule.  `now_ns` is the monotonic time.  `rule` names a rule, limit or check; it is a
 * string of the broker's or of its configuration, never a guest's, and told apart by its first
 * LOG_RULE_MAX - 1 bytes.  Before the first line that passes again, a line says how many did not.
 */
void log_limited(struct log *log, uint64_t now_ns, uint32_t domid, const char *rule, int prio,
		 const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Tells, once, how many lines were held back and not told yet.  For a slow timer and the end. */
void log_flush(struct log *log);

/*
 * Writes `len` bytes that a guest chose as printable ASCII into `dst` of `size` bytes: others,
 * '"' and '\' become \xNN.  What does not fit is cut, never within an escape, and ends in "..."
 * (if `size` has room for it).  Always terminated unless `size` is 0.  Returns the length of the
 * result without the terminator.
 */
size_t log_escape(char *dst, size_t size, const void *bytes, size_t len);

#endif
