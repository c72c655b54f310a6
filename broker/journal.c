// SPDX-License-Identifier: GPL-2.0-or-later
/* Where in our source a line comes from says nothing to those who read the journal. */
#define SD_JOURNAL_SUPPRESS_LOCATION

#include "broker/journal.h"

#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#define PREFIX "XENMSG_"
/* Of a word's name; all that the daemon writes are shorter. */
#define NAME_MAX_LEN 16

/* Bytes of the name that @word begins with, if "=" follows; else 0. */
static size_t name_of(const char *word)
{
	size_t len = strspn(word, "abcdefghijklmnopqrstuvwxyz");

	return len <= NAME_MAX_LEN && word[len] == '=' ? len : 0;
}

/* The value that follows "=", without its quotes or the line's punctuation. */
static size_t value_of(const char **value)
{
	size_t len;

	if (**value == '"') {
		(*value)++;
		return strcspn(*value, "\"");
	}
	len = strcspn(*value, " ");
	while (len && strchr(":,", (*value)[len - 1]))
		len--;
	return len;
}

static void put_field(char field[JOURNAL_FIELD_MAX], const char *name, size_t name_len,
		      const char *value, size_t value_len)
{
	char *at = field + sizeof(PREFIX) - 1;

	memcpy(field, PREFIX, sizeof(PREFIX) - 1);
	for (size_t i = 0; i < name_len; i++)
		*at++ = (char)(name[i] - 'a' + 'A');
	(void)snprintf(at, JOURNAL_FIELD_MAX - (size_t)(at - field), "=%.*s", (int)value_len,
		       value);
}

unsigned int journal_fields(const char *line, char fields[JOURNAL_FIELDS][JOURNAL_FIELD_MAX])
{
	unsigned int nr = 0;

	while (*line && nr < JOURNAL_FIELDS) {
		size_t name_len = name_of(line), len;
		const char *value = line + name_len + 1;

		if (!name_len) {
			line += strcspn(line, " ");
		} else {
			len = value_of(&value);
			put_field(fields[nr++], line, name_len, value, len);
			line = value + len;
			line += strcspn(line, " ");
		}
		line += strspn(line, " ");
	}
	return nr;
}

static struct iovec field_iov(char *field)
{
	return (struct iovec){ .iov_base = field, .iov_len = strlen(field) };
}

void journal_sink(void *data, int prio, const char *line)
{
	char fields[JOURNAL_FIELDS][JOURNAL_FIELD_MAX], message[LOG_LINE_MAX + 16], priority[16];
	struct iovec iov[JOURNAL_FIELDS + 2];
	unsigned int nr = journal_fields(line, fields), i;

	(void)snprintf(message, sizeof(message), "MESSAGE=%s", line);
	(void)snprintf(priority, sizeof(priority), "PRIORITY=%d", prio);
	iov[0] = field_iov(message);
	iov[1] = field_iov(priority);
	for (i = 0; i < nr; i++)
		iov[i + 2] = field_iov(fields[i]);
	if (sd_journal_sendv(iov, (int)nr + 2) < 0)
		log_stderr(data, prio, line);
}
