// SPDX-License-Identifier: GPL-2.0-or-later
/* One directory against nodes.def. See store-dir.h. */
#include "broker/store-dir.h"

#include "common/log.h"
#include "common/macros.h"
#include "common/num.h"

#include <xen/io/vmsgif.h>
#include <xen/io/xenbus.h>

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Pages of a ring, at most. */
#define REFS (1u << VMSGIF_MAX_RING_ORDER)

enum type { UINT, BOOL, PATH, TEXT };

#define NONE UINT64_MAX

static const struct def {
	enum store_side side;
	const char *name;
	enum type type;
	uint64_t min;
	uint64_t max;
	uint64_t def; /* NONE: it has to be there, when it means something */
} defs[] = {
#define VMSG_NODE(side, symbol, name, type, min, max, def, writer, text) \
	{ STORE_##side, name, type, min, max, def },
#include "xenstore-schema/nodes.def"
};
#define DEFS ARRAY_LEN(defs)
_Static_assert(DEFS <= STORE_DIR_DEFS, "a bit for each line of the schema");

/* What is made together with the directories; the rest comes with a connection. */
static const char *const provisioned[] = { "frontend", "frontend-id", "online",
					   "state",    "backend",     "backend-id" };

/* ---------------------------------------------------------------------- saying */

void store_problem(struct store_check *check, const char *path, const char *name, const char *fmt,
		   ...)
{
	char safe[96];
	va_list args;

	log_escape(safe, sizeof(safe), name ? name : "", name ? strlen(name) : 0);
	fprintf(check->out, "%s%s%s: ", path, name ? "/" : "", safe);
	va_start(args, fmt);
	vfprintf(check->out, fmt, args);
	va_end(args);
	fputc('\n', check->out);
	check->problems++;
}

bool store_dir_may_say(struct store_dir *dir)
{
	if (dir->said++ < STORE_DIR_LINES)
		return true;
	dir->check->problems++;
	return false;
}

void store_dir_end(const struct store_dir *dir)
{
	if (dir->said > STORE_DIR_LINES)
		fprintf(dir->check->out, "%s: %u more\n", dir->path, dir->said - STORE_DIR_LINES);
}

/* ---------------------------------------------------------------------- values */

/* The line for @name; *index, if that is a prefix's. NULL: there is none. */
static const struct def *find(enum store_side side, const char *name, uint32_t *index)
{
	for (size_t i = 0; i < DEFS; i++) {
		size_t len = strlen(defs[i].name);

		if (defs[i].side != side)
			continue;
		if (!strcmp(defs[i].name, name))
			return defs[i].name[len - 1] == '-' ? NULL : &defs[i];
		if (defs[i].name[len - 1] == '-' && !strncmp(defs[i].name, name, len) &&
		    num_parse_u32(name + len, strlen(name + len), 0, REFS - 1, index) == 0)
			return &defs[i];
	}
	return NULL;
}

/* NULL: it is good. Else what it should be. */
static const char *wrong(const struct def *def, const char *value, size_t len)
{
	uint64_t n;
	int r = 0;

	switch (def->type) {
	case UINT:
		r = num_parse_u64(value, len, def->min, def->max, &n);
		return r == -ERANGE ? "out of range" : r < 0 ? "not a number" : NULL;
	case BOOL:
		return len == 1 && (*value == '0' || *value == '1') ? NULL : "neither 0 nor 1";
	case PATH:
		if (len < def->min || len > def->max || *value != '/')
			return "not an absolute path";
		return memchr(value, '\0', len) ? "not an absolute path" : NULL;
	case TEXT:
		return len <= def->max ? NULL : "too long";
	}
	return NULL;
}

/* Names of the schema are short. */
static void below(char path[STORE_PATH_MAX], const char *dir, const char *name)
{
	(void)snprintf(path, STORE_PATH_MAX, "%s/%s", dir, name);
}

/* The value of a node, or what keeps it from being read: it may have gone meanwhile. */
static int read_value(const struct store_dir *dir, const char *name, char value[STORE_VALUE_MAX])
{
	char path[STORE_PATH_MAX];

	below(path, dir->path, name);
	return store_read(dir->check->store, path, value, STORE_VALUE_MAX);
}

static void check_value(struct store_dir *dir, const char *name, const struct def *def)
{
	char value[STORE_VALUE_MAX], safe[96];
	int len = read_value(dir, name, value);
	const char *why;

	if (len == -E2BIG && store_dir_may_say(dir))
		store_problem(dir->check, dir->path, name, "is longer than %d bytes",
			      STORE_VALUE_MAX);
	if (len < 0)
		return;
	why = wrong(def, value, (size_t)len);
	if (!why || !store_dir_may_say(dir))
		return;
	log_escape(safe, sizeof(safe), value, (size_t)len);
	if (def->type == UINT)
		store_problem(dir->check, dir->path, name, "\"%s\" is %s: %" PRIu64 " to %" PRIu64,
			      safe, why, def->min, def->max);
	else
		store_problem(dir->check, dir->path, name, "\"%s\" is %s", safe, why);
}

void store_dir_expect(struct store_dir *dir, const char *name, const char *wanted)
{
	char value[STORE_VALUE_MAX], safe[96];
	int len = read_value(dir, name, value);

	if (len < 0 || ((size_t)len == strlen(wanted) && !memcmp(value, wanted, (size_t)len)) ||
	    !store_dir_may_say(dir))
		return;
	log_escape(safe, sizeof(safe), value, (size_t)len);
	store_problem(dir->check, dir->path, name, "\"%s\" should be \"%s\"", safe, wanted);
}

uint64_t store_dir_number(const struct store_dir *dir, const char *name)
{
	char value[STORE_VALUE_MAX];
	int len = read_value(dir, name, value);
	uint64_t n = 0;

	return len >= 0 && num_parse_u64(value, (size_t)len, 0, UINT64_MAX, &n) == 0 ? n : 0;
}

/* ----------------------------------------------------------------- permissions */

/* May others than this domain, the owner, write there? */
static bool may_write(const char *perms)
{
	if (perms[0] == 'w' || perms[0] == 'b' || perms[1] != '0' || (perms[2] && perms[2] != ','))
		return true;
	return strstr(perms, ",w") || strstr(perms, ",b");
}

static void check_perms(struct store_dir *dir, const char *name)
{
	char path[STORE_PATH_MAX], perms[64];

	if (name)
		below(path, dir->path, name);
	else
		(void)snprintf(path, sizeof(path), "%s", dir->path);
	if (store_permissions(dir->check->store, path, perms, sizeof(perms)) < 0)
		return;
	if (dir->perms ? !strcmp(perms, dir->perms) : !may_write(perms))
		return;
	if (!store_dir_may_say(dir))
		return;
	if (dir->perms)
		store_problem(dir->check, dir->path, name, "permissions are %s, should be %s",
			      perms, dir->perms);
	else
		store_problem(dir->check, dir->path, name, "permissions are %s: others may write",
			      perms);
}

/* ----------------------------------------------------------------- directories */

/* @path is of @dir, or of a node in it. */
static void unknown(struct store_dir *dir, const char *path, const char *name)
{
	if (store_dir_may_say(dir))
		store_problem(dir->check, path, name, "is no node of the schema");
}

struct leaf {
	struct store_dir *dir;
	char path[STORE_PATH_MAX];
};

static int below_leaf(void *priv, const char *name)
{
	struct leaf *leaf = priv;

	unknown(leaf->dir, leaf->path, name);
	return 0;
}

/* Nodes of the schema have none below them. */
static int check_leaf(struct store_dir *dir, const char *name)
{
	struct leaf leaf = { .dir = dir };

	below(leaf.path, dir->path, name);
	return store_list(dir->check->store, leaf.path, below_leaf, &leaf);
}

static int on_child(void *priv, const char *name)
{
	struct store_dir *dir = priv;
	uint32_t index = 0;
	const struct def *def = find(dir->side, name, &index);

	if (!def && dir->side == STORE_HOST && !strcmp(name, "local"))
		return 0;
	if (!def) {
		unknown(dir, dir->path, name);
		return 0;
	}
	dir->seen[def - defs] = true;
	dir->refs[def - defs] |= 1u << index;
	check_value(dir, name, def);
	check_perms(dir, name);
	return check_leaf(dir, name);
}

/* Does it have to be there now? */
static bool required(const struct store_dir *dir, const struct def *def)
{
	if (def->side != dir->side || def->def != NONE || def->type == TEXT)
		return false;
	if (dir->side == STORE_HOST || dir->side == STORE_LOCAL)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(provisioned); i++)
		if (!strcmp(def->name, provisioned[i]))
			return true;
	if (dir->side == STORE_BACKEND)
		return dir->state > XenbusStateInitialising;
	return dir->state == XenbusStateInitialised || dir->state == XenbusStateConnected;
}

static void missing(struct store_dir *dir)
{
	for (size_t i = 0; i < DEFS; i++) {
		size_t len = strlen(defs[i].name);
		unsigned int pages = 1u << dir->ring_order;
		char name[32];

		if (!required(dir, &defs[i]))
			continue;
		if (defs[i].name[len - 1] != '-') {
			if (!dir->seen[i] && store_dir_may_say(dir))
				store_problem(dir->check, dir->path, defs[i].name, "is missing");
			continue;
		}
		for (unsigned int page = 0; page < pages; page++) {
			if ((dir->refs[i] & 1u << page) || !store_dir_may_say(dir))
				continue;
			(void)snprintf(name, sizeof(name), "%s%u", defs[i].name, page);
			store_problem(dir->check, dir->path, name, "is missing");
		}
	}
}

int store_dir_check(struct store_dir *dir)
{
	int r;

	dir->state = store_dir_number(dir, "state");
	dir->ring_order = store_dir_number(dir, "ring-order");
	/* That is said; the first page there is in any case. */
	if (dir->ring_order > VMSGIF_MAX_RING_ORDER)
		dir->ring_order = 0;
	check_perms(dir, NULL);
	r = store_list(dir->check->store, dir->path, on_child, dir);
	if (r < 0)
		return r;
	missing(dir);
	return 0;
}
