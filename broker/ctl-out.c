// SPDX-License-Identifier: GPL-2.0-or-later
/* Numbers and strings. See ctl-out.h. */
#include "broker/ctl-out.h"

#include <inttypes.h>
#include <stdio.h>

/* With thousands apart, so that long ones can be read: 1 234 567. */
static const char *grouped(char *buf, size_t size, uint64_t value)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, value);
	size_t at = 0;

	for (int i = 0; i < len && at + 2 < size; i++) {
		if (i && (len - i) % 3 == 0)
			buf[at++] = ' ';
		buf[at++] = digits[i];
	}
	buf[at] = '\0';
	return buf;
}

void ctl_number(uint64_t value, int width)
{
	char buf[40];

	printf(" %*s", width, grouped(buf, sizeof(buf), value));
}

const char *ctl_name(const char *name)
{
	return *name ? name : "-";
}

void ctl_json_string(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < ' ')
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

void ctl_json_counters(const struct ctl_counters *counters, const char *indent)
{
	putchar('{');
	for (size_t i = 0; i < counters->nr; i++) {
		printf("%s\n%s  ", i ? "," : "", indent);
		ctl_json_string(counters->list[i].name);
		printf(": %" PRIu64, counters->list[i].value);
	}
	printf("\n%s}", indent);
}
