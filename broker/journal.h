/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Log lines as entries of the systemd journal.
 *
 * Lines say what they are about as NAME=VALUE or NAME="VALUE" (common/log.h).
 * The journal gets each of these words as a field of its own besides, XENMSG_NAME,
 * so that `journalctl XENMSG_DOMAIN=3` or XENMSG_RULE=... finds them.
 */
#ifndef XENMSG_BROKER_JOURNAL_H
#define XENMSG_BROKER_JOURNAL_H

#include "common/log.h"

/* Fields of one line; more of its words stay in the text only. */
#define JOURNAL_FIELDS	  8
#define JOURNAL_FIELD_MAX (LOG_RULE_MAX + 160)

/* The words of @line as "XENMSG_NAME=VALUE": how many there are. */
unsigned int journal_fields(const char *line, char fields[JOURNAL_FIELDS][JOURNAL_FIELD_MAX]);

/* The sink for log_init(), where log_stderr_is_journal(). */
void journal_sink(void *data, int prio, const char *line);

#endif
