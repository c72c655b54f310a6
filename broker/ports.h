/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists of ports in a rule: numbers, ranges, and names or globs of services.
 *
 * "*" is every port, with a service or without. A service matches where it is
 * bound, by whatever number.
 */
#ifndef XENMSG_BROKER_PORTS_H
#define XENMSG_BROKER_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct port_range {
	struct port_range *next;
	uint32_t first; /* 0 to UINT32_MAX: every port */
	uint32_t last;
	char service[]; /* not "": this glob, and no numbers */
};

/* Append one word. 0, -EINVAL (*why: what is wrong with it), -ENOMEM. */
int ports_add(struct port_range **list, const char *word, const char **why);
void ports_free(struct port_range *list);

static inline bool ports_range_is_all(const struct port_range *range)
{
	return !range->first && range->last == UINT32_MAX;
}

/*
 * By number, or by the service that is bound there (NULL: none). *by_service is
 * set if some service would match.
 */
bool ports_match(const struct port_range *list, uint32_t port, const char *service,
		 bool *by_service);
/* Of a service that nobody has bound: numbers say nothing of it. */
bool ports_match_service(const struct port_range *list, const char *service);
/* The lowest number from @port on that is in none of the ranges; services are not looked at. */
uint64_t ports_after(const struct port_range *list, uint64_t port);
/* Is this very glob of services there, or "*"? */
bool ports_have_glob(const struct port_range *list, const char *glob);
/* The words, separated by spaces; cut, and ending in "...", if they do not fit. */
void ports_text(const struct port_range *list, char *out, size_t size);

#endif
