// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From INI text to struct config.
 *
 * libinih splits lines into section, name and value, and allows a value to go
 * on in indented lines, which arrive here as the same name once more. It tells
 * its handler neither line numbers nor that a section begins, and cuts long
 * lines and names in silence. So it reads through next_line(), which counts,
 * refuses what would be cut, and opens and closes sections itself.
 */
#include "broker/config.h"

#include "common/macros.h"
#include "common/num.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum section {
	SECTION_NONE,
	SECTION_DAEMON,
	SECTION_DEVICES,
	SECTION_ALLOW,
};

struct parser {
	FILE *stream;
	struct config *config;
	struct config_error *error;
	unsigned int line;
	enum section section;
	unsigned int section_line;
	struct rule *rule; /* of an open "allow" section */
	uint32_t seen;	   /* keys of [daemon] that were there, by index */
	bool named;	   /* libinih takes an indented line for more of the key above */
	int result;	   /* 0, or the first error: nothing is read after it */
};

static int fail(struct parser *p, unsigned int line, int result, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int fail(struct parser *p, unsigned int line, int result, const char *fmt, ...)
{
	va_list args;

	if (p->result)
		return p->result;
	p->result = result;
	p->error->line = line;
	va_start(args, fmt);
	vsnprintf(p->error->reason, sizeof(p->error->reason), fmt, args);
	va_end(args);
	return result;
}

/* ------------------------------------------------------------ [daemon] */

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
};

/* Ranges of what is announced to frontends are those of xenstore-schema/nodes.def. */
#define LIMIT(field) offsetof(struct config, limits.field)
enum { KEY_POOL_PAGES, KEY_POOLS }; /* the ones that exclude each other */
static const struct key daemon_keys[] = {
	[KEY_POOL_PAGES] = { "max-pool-pages", KIND_UINT, LIMIT(max_pool_pages), 0,
			     VMSGIF_POOL_PAGES_MAX },
	[KEY_POOLS] = { "pools", KIND_POOLS, LIMIT(max_pool_pages), 0, 0 },
	{ "max-ring-order", KIND_UINT, LIMIT(max_ring_order), 0, VMSGIF_MAX_RING_ORDER },
	{ "flow-window", KIND_UINT, LIMIT(flow_window), 1, 256 },
	{ "max-message", KIND_UINT, LIMIT(max_message), VMSGIF_INLINE_MAX, VMSGIF_MESSAGE_MAX },
	{ "max-maps", KIND_UINT, LIMIT(max_maps), 0, 256 },
	{ "map", KIND_BOOL, LIMIT(feature_map), 0, 0 },
	{ "map-budget", KIND_UINT, LIMIT(map_budget), 64, 1u << 20 },
	{ "max-ports", KIND_UINT, offsetof(struct config, max_ports), 1, 65536 },
	{ "max-subscriptions", KIND_UINT, offsetof(struct config, max_subscriptions), 0, 65536 },
};
_Static_assert(ARRAY_LEN(daemon_keys) <= 32, "struct parser.seen has a bit for each");

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
		return fail(p, p->line, -EINVAL, "[daemon] has no key '%s'", name);
	bit = 1u << (key - daemon_keys);
	if (p->seen & bit)
		return fail(p, p->line, -EINVAL, "'%s' is set a second time", name);
	p->seen |= bit;

	field = (char *)p->config + key->offset;
	if (key->kind == KIND_UINT) {
		uint32_t number;

		if (num_parse_u32(value, strlen(value), key->min, key->max, &number))
			return fail(p, p->line, -EINVAL, "'%s' is %u to %u, not '%s'", name,
				    key->min, key->max, value);
		*(unsigned int *)field = number;
		return 0;
	}
	yes = !strcmp(value, "yes");
	if (!yes && strcmp(value, "no") != 0)
		return fail(p, p->line, -EINVAL, "'%s' is yes or no, not '%s'", name, value);
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

	if ((p->seen & both) == both)
		return fail(p, p->line, -EINVAL,
			    "'pools' and 'max-pool-pages' say the same thing; "
			    "one of them is enough");
	return 0;
}

/* --------------------------------------------------------------- lists */

/* Calls @add for each word of @value. */
#define FOR_WORDS(p, name, value, add, target)                                           \
	({                                                                               \
		char words_[INI_MAX_LINE];                                               \
		char *save_ = NULL;                                                      \
		snprintf(words_, sizeof(words_), "%s", value);                           \
		for (char *w_ = strtok_r(words_, " \t,", &save_); w_ && !(p)->result;    \
		     w_ = strtok_r(NULL, " \t,", &save_)) {                              \
			const char *why_ = "";                                           \
			int r_ = add(target, w_, &why_);                                 \
			if (r_ == -ENOMEM)                                               \
				fail(p, (p)->line, r_, "out of memory");                 \
			else if (r_ < 0)                                                 \
				fail(p, (p)->line, r_, "'%s': '%s' %s", name, w_, why_); \
		}                                                                        \
		(p)->result;                                                             \
	})

static int devices_key(struct parser *p, const char *name, const char *value)
{
	if (strcmp(name, "domains") != 0)
		return fail(p, p->line, -EINVAL, "[devices] has no key '%s'", name);
	return FOR_WORDS(p, name, value, pattern_add, &p->config->devices);
}

static int allow_key(struct parser *p, const char *name, const char *value)
{
	struct rule *rule = p->rule;

	if (!strcmp(name, "from"))
		return FOR_WORDS(p, name, value, pattern_add, &rule->from);
	if (!strcmp(name, "to"))
		return FOR_WORDS(p, name, value, pattern_add, &rule->to);
	if (!strcmp(name, "ports"))
		return FOR_WORDS(p, name, value, ports_add, &rule->ports);
	if (!strcmp(name, "modes"))
		return FOR_WORDS(p, name, value, modes_add, &rule->modes);
	return fail(p, p->line, -EINVAL, "[allow %s] has no key '%s'", rule->name, name);
}

/* A rule is whole: what it does not say is any port, and copy. */
static int allow_end(struct parser *p)
{
	struct rule *rule = p->rule;
	const char *why;
	int r = 0;

	if (!rule->from || !rule->to)
		return fail(p, p->section_line, -EINVAL, "[allow %s] does not say '%s'", rule->name,
			    rule->from ? "to" : "from");
	if (!rule->ports)
		r = ports_add(&rule->ports, "*", &why);
	if (!rule->modes)
		rule->modes = MODE_COPY;
	return r < 0 ? fail(p, p->section_line, r, "out of memory") : 0;
}

/* ------------------------------------------------------------ sections */

static int section_end(struct parser *p)
{
	enum section section = p->section;

	p->section = SECTION_NONE;
	if (section == SECTION_DAEMON)
		return daemon_end(p);
	if (section == SECTION_ALLOW)
		return allow_end(p);
	return 0;
}

static int allow_begin(struct parser *p, const char *name)
{
	struct rule *rule;

	if (!*name || strlen(name) > POLICY_RULE_NAME_MAX)
		return fail(p, p->line, -EINVAL, "a rule has a name of 1 to %d characters",
			    POLICY_RULE_NAME_MAX);
	for (const char *c = name; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == '"' || *c == '\\')
			return fail(p, p->line, -EINVAL,
				    "the name of a rule is one word, without quotes");
	if (!strcmp(name, POLICY_DEFAULT))
		return fail(p, p->line, -EINVAL, "'%s' is the name of what no rule allows",
			    POLICY_DEFAULT);
	list_for_each_entry(rule, &p->config->policy.rules, link)
		if (!strcmp(rule->name, name))
			return fail(p, p->line, -EINVAL, "rule '%s' is already there, in line %u",
				    name, rule->line);
	p->rule = policy_add(&p->config->policy, name, p->line);
	if (!p->rule)
		return fail(p, p->line, -ENOMEM, "out of memory");
	p->section = SECTION_ALLOW;
	return 0;
}

/* @text begins with '['. */
static int section_begin(struct parser *p, const char *text)
{
	char header[INI_MAX_LINE];
	const char *end = strchr(text, ']');
	char *name, *arg;

	if (section_end(p) < 0)
		return p->result;
	if (!end)
		return fail(p, p->line, -EINVAL, "a section ends with ']'");
	snprintf(header, sizeof(header), "%.*s", (int)(end - text - 1), text + 1);
	name = header;
	arg = name + strcspn(name, " \t");
	if (*arg)
		*arg++ = '\0';
	arg += strspn(arg, " \t");

	p->section_line = p->line;
	if (!strcmp(name, "allow"))
		return allow_begin(p, arg);
	if (!*arg && !strcmp(name, "daemon"))
		p->section = SECTION_DAEMON;
	else if (!*arg && !strcmp(name, "devices"))
		p->section = SECTION_DEVICES;
	else
		return fail(p, p->line, -EINVAL,
			    "no such section: [daemon], [devices] or [allow NAME]");
	return 0;
}

/* ---------------------------------------------------------- the library */

/* Like fgets(): ini_parse_stream() reads lines with it. */
static char *next_line(char *buf, int size, void *priv)
{
	struct parser *p = priv;
	const char *text;
	size_t len;

	if (p->result || !fgets(buf, size, p->stream))
		return NULL;
	p->line++;
	len = strlen(buf);
	if (len && buf[len - 1] != '\n' && !feof(p->stream)) {
		fail(p, p->line, -EINVAL,
		     "longer than %d bytes, or with a NUL; a list can go on in an indented line",
		     size - 2);
		return NULL;
	}
	text = buf + strspn(buf, " \t");
	if (*text == '[' && (text == buf || !p->named)) {
		p->named = false;
		if (section_begin(p, text) < 0)
			return NULL;
	}
	return buf;
}

static int handle(void *priv, const char *section, const char *name, const char *value)
{
	struct parser *p = priv;

	if (p->result)
		return 0;
	p->named = true;
	if (!*value) {
		fail(p, p->line, -EINVAL, "'%s' has no value", name);
		return 0;
	}
	switch (p->section) {
	case SECTION_DAEMON:
		return !daemon_key(p, name, value);
	case SECTION_DEVICES:
		return !devices_key(p, name, value);
	case SECTION_ALLOW:
		return !allow_key(p, name, value);
	default:
		return !fail(p, p->line, -EINVAL, "'%s' is in no section", name);
	}
}

struct config *config_new(void)
{
	struct config *config = calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	policy_init(&config->policy);
	config->limits = (struct backend_limits){
		.max_ring_order = VMSGIF_MAX_RING_ORDER,
		.flow_window = VMSGIF_FLOW_WINDOW,
		.max_message = VMSGIF_MESSAGE_MAX,
		.max_pool_pages = 384,
		.max_maps = 64,
		.feature_map = true,
		/* Two of Xen's 262144 map-track handles a page where dom0 is PV. */
		.map_budget = 65536,
	};
	config->max_ports = 1024;
	config->max_subscriptions = 256;
	return config;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	pattern_free(config->devices);
	policy_deinit(&config->policy);
	free(config);
}

int config_read(struct config **out, FILE *stream, const char *name, struct config_error *error)
{
	struct parser p = { .stream = stream, .error = error, .config = config_new() };
	int r;

	*error = (struct config_error){ 0 };
	snprintf(error->file, sizeof(error->file), "%s", name);
	if (!p.config)
		return fail(&p, 0, -ENOMEM, "out of memory");
	r = ini_parse_stream(next_line, &p, handle, &p);
	if (!p.result && ferror(stream))
		fail(&p, 0, -EIO, "cannot be read");
	/* A line that the library could not split does not stop it: that one was first. */
	if (r > 0 && (!p.result || (unsigned int)r < error->line)) {
		p.result = 0;
		fail(&p, (unsigned int)r, -EINVAL, "neither a section nor NAME = VALUE");
	}
	if (!p.result)
		section_end(&p);
	if (p.result) {
		config_free(p.config);
		return p.result;
	}
	*out = p.config;
	return 0;
}

int config_load(struct config **out, const char *path, struct config_error *error)
{
	FILE *stream = fopen(path, "re");
	int r;

	if (!stream) {
		r = -errno;
		*error = (struct config_error){ 0 };
		snprintf(error->file, sizeof(error->file), "%s", path);
		snprintf(error->reason, sizeof(error->reason), "%s", strerror(-r));
		return r;
	}
	r = config_read(out, stream, path, error);
	fclose(stream);
	return r;
}
