// SPDX-License-Identifier: GPL-2.0-or-later
/* The sections [daemon] and [devices]. */
#include "broker/config-parse.h"

#include "common/macros.h"
#include "common/num.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* ------------------------------------------------------------------ [daemon] */

enum kind {
	KIND_UINT,
	KIND_BOOL,
	KIND_POOLS,
};

struct key {
	const char *name;
	enum kind kind;
	size_t offset; /* in struct config */
	uint32_t min;
	uint32_t max;
	bool at_once; /* a reload can change it */
};

/* Ranges of what is announced to frontends are those of xenstore-schema/nodes.def. */
#define LIMIT(field) offsetof(struct config, limits.field)
enum { KEY_POOL_PAGES, KEY_POOLS }; /* the ones that exclude each other */
static const struct key daemon_keys[] = {
	[KEY_POOL_PAGES] = { "max-pool-pages", KIND_UINT, LIMIT(max_pool_pages), 0,
			     VMSGIF_POOL_PAGES_MAX, false },
	[KEY_POOLS] = { "pools", KIND_POOLS, LIMIT(max_pool_pages), 0, 0, false },
	{ "max-ring-order", KIND_UINT, LIMIT(max_ring_order), 0, VMSGIF_MAX_RING_ORDER, false },
	{ "flow-window", KIND_UINT, LIMIT(flow_window), 1, 256, false },
	{ "max-message", KIND_UINT, LIMIT(max_message), VMSGIF_INLINE_MAX, VMSGIF_MESSAGE_MAX,
	  false },
	{ "max-maps", KIND_UINT, LIMIT(max_maps), 0, 256, false },
	{ "map", KIND_BOOL, LIMIT(feature_map), 0, 0, false },
	{ "map-budget", KIND_UINT, LIMIT(map_budget), 64, 1u << 20, false },
	{ "max-ports", KIND_UINT, offsetof(struct config, max_ports), 1, 65536, true },
	{ "max-subscriptions", KIND_UINT, offsetof(struct config, max_subscriptions), 0, 65536,
	  true },
	{ "busy-poll", KIND_UINT, offsetof(struct config, busy_poll), 0, 65536, true },
};
_Static_assert(ARRAY_LEN(daemon_keys) <= 32, "struct parser.seen_daemon has a bit for each");

static int daemon_key(struct parser *p, const char *name, const char *value)
{
	const struct key *key = daemon_keys;
	const struct key *end = key + ARRAY_LEN(daemon_keys);
	uint32_t bit;
	void *field;
	bool yes;

	while (key < end && strcmp(key->name, name))
		key++;
	if (key == end)
		return parse_fail(p, &p->place, -EINVAL, "[daemon] has no key '%s'", name);
	bit = 1u << (key - daemon_keys);
	if (p->seen_daemon & bit)
		return parse_fail(p, &p->place, -EINVAL, "'%s' is set a second time", name);
	p->seen_daemon |= bit;

	field = (char *)p->config + key->offset;
	if (key->kind == KIND_UINT) {
		uint32_t number;

		if (num_parse_u32(value, strlen(value), key->min, key->max, &number))
			return parse_fail(p, &p->place, -EINVAL, "'%s' is %u to %u, not '%s'", name,
					  key->min, key->max, value);
		*(unsigned int *)field = number;
		return 0;
	}
	yes = !strcmp(value, "yes");
	if (!yes && strcmp(value, "no") != 0)
		return parse_fail(p, &p->place, -EINVAL, "'%s' is yes or no, not '%s'", name,
				  value);
	if (key->kind == KIND_BOOL)
		*(bool *)field = yes;
	else if (!yes)
		*(unsigned int *)field = 0;
	return 0;
}

/* Which of the two would count must not depend on their order. */
static int daemon_end(struct parser *p)
{
	uint32_t both = 1u << KEY_POOL_PAGES | 1u << KEY_POOLS;

	if ((p->seen_daemon & both) == both)
		return parse_fail(p, &p->place, -EINVAL,
				  "'pools' and 'max-pool-pages' say the same thing; "
				  "one of them is enough");
	return 0;
}

const char *config_keep_fixed(struct config *config, const struct config *running, char *names,
			      size_t size)
{
	size_t at = 0;

	*names = '\0';
	for (unsigned int i = 0; i < ARRAY_LEN(daemon_keys); i++) {
		const struct key *key = &daemon_keys[i];
		size_t width = key->kind == KIND_BOOL ? sizeof(bool) : sizeof(unsigned int);
		void *field = (char *)config + key->offset;
		const void *now = (const char *)running + key->offset;

		if (key->at_once || !memcmp(field, now, width))
			continue;
		memcpy(field, now, width);
		if (at < size)
			at += (size_t)snprintf(names + at, size - at, "%s%s", at ? ", " : "",
					       key->name);
	}
	return at ? names : NULL;
}

/* ----------------------------------------------------------------- [devices] */

static int devices_key(struct parser *p, const char *name, const char *value)
{
	if (strcmp(name, "domains") != 0)
		return parse_fail(p, &p->place, -EINVAL, "[devices] has no key '%s'", name);
	return parse_domains(p, name, value, false, &p->config->devices);
}

const struct section config_daemon_sections[] = {
	{ .name = "daemon", .main_only = true, .key = daemon_key, .end = daemon_end },
	{ .name = "devices", .main_only = true, .key = devices_key },
	{ 0 },
};
