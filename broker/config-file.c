// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One file of INI text: lines, sections, words. See config-parse.h.
 *
 * libinih splits lines into section, name and value, and allows a value to go
 * on in indented lines, which arrive here as the same name once more. It tells
 * its handler neither line numbers nor that a section begins, and cuts long
 * lines and names in silence. So it reads through next_line(), which counts,
 * refuses what would be cut, and opens and closes sections itself.
 */
#include "broker/config-parse.h"

#include "common/macros.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <string.h>

_Static_assert(INI_MAX_LINE <= sizeof(((struct words *)NULL)->text), "a value is part of a line");

/* ------------------------------------------------------------- errors, words */

int parse_fail(struct parser *p, const struct place *place, int result, const char *fmt, ...)
{
	va_list args;

	if (p->result)
		return p->result;
	p->result = result;
	p->error->line = place->line;
	va_start(args, fmt);
	vsnprintf(p->error->reason, sizeof(p->error->reason), fmt, args);
	va_end(args);
	return result;
}

int parse_no_memory(struct parser *p)
{
	return parse_fail(p, &p->place, -ENOMEM, "out of memory");
}

int parse_bad_word(struct parser *p, const char *name, const char *word, int result,
		   const char *why)
{
	if (result == -ENOMEM)
		return parse_no_memory(p);
	return parse_fail(p, &p->place, result, "'%s': '%s' %s", name, word, why);
}

const char *words_next(struct words *words)
{
	return strtok_r(NULL, " \t,", &words->save);
}

const char *words_first(struct words *words, const char *value)
{
	snprintf(words->text, sizeof(words->text), "%s", value);
	return strtok_r(words->text, " \t,", &words->save);
}

int parse_domains(struct parser *p, const char *name, const char *value, bool users,
		  struct pattern **list)
{
	struct words words = { 0 };

	for (const char *w = words_first(&words, value); w; w = words_next(&words)) {
		const char *why;
		int r = users ? pattern_add_subject(list, w, &p->place, &why) :
				pattern_add(list, w, &p->place, &why);

		if (r < 0)
			return parse_bad_word(p, name, w, r, why);
	}
	return 0;
}

/* ------------------------------------------------------------------ sections */

static int section_end(struct parser *p)
{
	const struct section *section = p->section;

	p->section = NULL;
	return section && section->end ? section->end(p) : 0;
}

static const struct section *section_find(const char *name)
{
	static const struct section *const kinds[] = { config_daemon_sections,
						       config_policy_sections };

	for (unsigned int i = 0; i < ARRAY_LEN(kinds); i++)
		for (const struct section *s = kinds[i]; s->name; s++)
			if (!strcmp(s->name, name))
				return s;
	return NULL;
}

/* @text begins with '['. */
static int section_begin(struct parser *p, const char *text)
{
	const struct section *section;
	char header[INI_MAX_LINE];
	const char *end = strchr(text, ']');
	char *title;

	if (section_end(p) < 0)
		return p->result;
	if (!end)
		return parse_fail(p, &p->place, -EINVAL, "a section ends with ']'");
	snprintf(header, sizeof(header), "%.*s", (int)(end - text - 1), text + 1);
	title = header + strcspn(header, " \t");
	if (*title)
		*title++ = '\0';
	title += strspn(title, " \t");

	section = section_find(header);
	if (!section || (*title && !section->titled))
		return parse_fail(
			p, &p->place, -EINVAL,
			"no such section: [daemon], [devices], [label NAME], [allow NAME], "
			"[deny NAME], [offer NAME] or [limits NAME]");
	if (section->main_only && p->fragment)
		return parse_fail(p, &p->place, -EINVAL,
				  "[%s] is for the main file, not for one of policy.d", header);
	p->begin = p->place;
	p->seen = 0;
	p->section = section;
	return section->begin ? section->begin(p, title) : 0;
}

/* --------------------------------------------------------------- the library */

/* Like fgets(): ini_parse_stream() reads lines with it. */
static char *next_line(char *buf, int size, void *priv)
{
	struct parser *p = priv;
	const char *text;
	size_t len;

	if (p->result || !fgets(buf, size, p->stream))
		return NULL;
	p->place.line++;
	len = strlen(buf);
	if (len && buf[len - 1] != '\n' && !feof(p->stream)) {
		parse_fail(p, &p->place, -EINVAL,
			   "longer than %d bytes, or with a NUL; a list can go on in an indented "
			   "line",
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
	if (!*value)
		return !parse_fail(p, &p->place, -EINVAL, "'%s' has no value", name);
	if (!p->section)
		return !parse_fail(p, &p->place, -EINVAL, "'%s' is in no section", name);
	return !p->section->key(p, name, value);
}

int parse_file(struct config *config, FILE *stream, const char *name, bool fragment,
	       struct config_error *error)
{
	struct parser p = {
		.stream = stream, .config = config, .error = error, .fragment = fragment
	};
	int r;

	*error = (struct config_error){ 0 };
	snprintf(error->file, sizeof(error->file), "%s", name);
	p.place.file = policy_file(&config->policy, name);
	if (!p.place.file)
		return parse_no_memory(&p);
	r = ini_parse_stream(next_line, &p, handle, &p);
	if (!p.result && ferror(stream))
		parse_fail(&p, &(struct place){ name, 0 }, -EIO, "cannot be read");
	/* A line that the library could not split does not stop it: that one was first. */
	if (r > 0 && (!p.result || (unsigned int)r < error->line)) {
		p.result = 0;
		parse_fail(&p, &(struct place){ name, (unsigned int)r }, -EINVAL,
			   "neither a section nor NAME = VALUE");
	}
	if (!p.result)
		section_end(&p);
	return p.result;
}
