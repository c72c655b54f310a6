// SPDX-License-Identifier: GPL-2.0-or-later
/* Lists of ports. See ports.h. */
#include "broker/ports.h"

#include "broker/pattern.h"
#include "common/num.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int append(struct port_range **list, uint32_t first, uint32_t last, const char *service)
{
	size_t size = strlen(service) + 1;
	struct port_range *range = malloc(sizeof(*range) + size);

	if (!range)
		return -ENOMEM;
	while (*list)
		list = &(*list)->next;
	range->next = NULL;
	range->first = first;
	range->last = last;
	memcpy(range->service, service, size);
	*list = range;
	return 0;
}

/* Digits, or digits-digits: a range. 1: it is none, and so perhaps a service. */
static int add_range(struct port_range **list, const char *word, const char **why)
{
	size_t digits = strspn(word, "0123456789");
	const char *rest = word + digits;
	uint32_t first, last;

	if (!digits || (*rest && *rest != '-') || rest[strspn(rest, "-0123456789")])
		return 1;
	if (num_parse_u32(word, digits, 1, UINT32_MAX, &first)) {
		*why = "is not a port: ports are 1 to 4294967295, without leading zeros";
		return -EINVAL;
	}
	last = first;
	if (*rest && num_parse_u32(rest + 1, strlen(rest + 1), first, UINT32_MAX, &last)) {
		*why = "is not a range of ports: FIRST-LAST, FIRST not above LAST";
		return -EINVAL;
	}
	return append(list, first, last, "");
}

int ports_add(struct port_range **list, const char *word, const char **why)
{
	int r;

	if (!strcmp(word, "*"))
		return append(list, 0, UINT32_MAX, "");
	r = add_range(list, word, why);
	if (r <= 0)
		return r;
	if (pattern_check_glob(word)) {
		*why = "is neither a port, nor a range, nor a name or pattern of services";
		return -EINVAL;
	}
	return append(list, 1, 0, word);
}

void ports_free(struct port_range *list)
{
	while (list) {
		struct port_range *next = list->next;

		free(list);
		list = next;
	}
}

bool ports_match(const struct port_range *list, uint32_t port, const char *service,
		 bool *by_service)
{
	for (; list; list = list->next) {
		if (port >= list->first && port <= list->last)
			return true;
		if (!list->service[0])
			continue;
		*by_service = true;
		if (service && !fnmatch(list->service, service, 0))
			return true;
	}
	return false;
}

bool ports_match_service(const struct port_range *list, const char *service)
{
	for (; list; list = list->next)
		if (ports_range_is_all(list) ||
		    (list->service[0] && !fnmatch(list->service, service, 0)))
			return true;
	return false;
}

uint64_t ports_after(const struct port_range *list, uint64_t port)
{
	const struct port_range *range = list;

	while (range) {
		if (port >= range->first && port <= range->last) {
			port = (uint64_t)range->last + 1;
			range = list;
		} else {
			range = range->next;
		}
	}
	return port;
}

bool ports_have_glob(const struct port_range *list, const char *glob)
{
	for (; list; list = list->next)
		if (ports_range_is_all(list) || (list->service[0] && !strcmp(list->service, glob)))
			return true;
	return false;
}

void ports_text(const struct port_range *list, char *out, size_t size)
{
	size_t at = 0;

	*out = '\0';
	for (; list; list = list->next) {
		const char *space = at ? " " : "";
		int len;

		if (ports_range_is_all(list))
			len = snprintf(out + at, size - at, "%s*", space);
		else if (list->service[0])
			len = snprintf(out + at, size - at, "%s%s", space, list->service);
		else if (list->first == list->last)
			len = snprintf(out + at, size - at, "%s%" PRIu32, space, list->first);
		else
			len = snprintf(out + at, size - at, "%s%" PRIu32 "-%" PRIu32, space,
				       list->first, list->last);
		if ((size_t)len >= size - at) {
			if (size > 4)
				memcpy(out + size - 4, "...", 4);
			return;
		}
		at += (size_t)len;
	}
}
