// SPDX-License-Identifier: GPL-2.0-or-later
/* Who is meant: destinations as given, and names of those who write to us. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define RESOLVE_MS 5000
#define NAME_MS	   1000
#define NAMES	   64

static bool parse_address(const char *text, uint32_t *addr)
{
	unsigned long value;
	char *end;

	if (text[2] == '\0' || text[strspn(text + 2, "0123456789abcdefABCDEF") + 2])
		return false;
	errno = 0;
	value = strtoul(text, &end, 16);
	*addr = (uint32_t)value;
	return !errno && value && value <= UINT32_MAX;
}

bool dest_parse(const char *text, uint32_t port, struct dest *dest)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);
	bool service = memchr(text, '@', len);

	*dest = (struct dest){ .port = port };
	if (!len || len > XENMSG_NAME_MAX || strlen(text) >= sizeof(dest->text))
		return false;
	memcpy(dest->text, text, strlen(text));
	memcpy(dest->name, text, len);
	if (service)
		dest->port = 0;
	if (colon && (service || !cli_number(colon + 1, 1, UINT32_MAX, &dest->port)))
		return false;
	if (!strncmp(dest->name, "0x", 2) && parse_address(dest->name, &dest->addr))
		dest->name[0] = '\0';
	return service || dest->port;
}

int dest_resolve(struct cli *cli, struct dest *dest)
{
	uint32_t port;
	int r;

	if (!dest->name[0])
		return 0;
	r = xenmsg_resolve(cli->x, dest->name, &dest->addr, &port, RESOLVE_MS);
	if (!r && port)
		dest->port = port;
	return r;
}

/* Addresses are never used again while anybody remembers, so there is no need to forget. */
struct peer_names {
	unsigned int next;
	struct {
		uint32_t addr;
		char name[XENMSG_NAME_MAX + 1];
	} peers[NAMES];
};

struct peer_names *peer_names_new(void)
{
	return calloc(1, sizeof(struct peer_names));
}

void peer_names_free(struct peer_names *names)
{
	free(names);
}

const char *peer_name(struct cli *cli, struct peer_names *names, uint32_t addr)
{
	unsigned int i;

	for (i = 0; i < NAMES; i++)
		if (names->peers[i].addr == addr)
			return names->peers[i].name;
	i = names->next++ % NAMES;
	names->peers[i].addr = addr;
	if (xenmsg_name(cli->x, addr, names->peers[i].name, NAME_MS) || !names->peers[i].name[0])
		snprintf(names->peers[i].name, sizeof(names->peers[i].name), "0x%08x", addr);
	return names->peers[i].name;
}
