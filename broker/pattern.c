// SPDX-License-Identifier: GPL-2.0-or-later
/* Lists of globs and labels. See pattern.h. */
#include "broker/pattern.h"

#include <xen/io/vmsgif.h>

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pattern {
	struct pattern *next;
	struct place place;
	const struct label *label; /* of a word "@name", once it is resolved */
	char word[];
};

static bool name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

const char *pattern_check_glob(const char *word)
{
	for (const char *c = word; *c; c++)
		if (!name_char(*c) && !strchr("*?[]!^", *c))
			return "is not a pattern for names: it has characters that no name has";
	if (strlen(word) > VMSGIF_NAME_MAX)
		return "is longer than any name";
	return NULL;
}

static const char *check_label(const char *name)
{
	if (!*name || strlen(name) > SECTION_NAME_MAX)
		return "is not a label: '@' and the name of a [label NAME]";
	for (const char *c = name; *c; c++)
		if (!name_char(*c))
			return "is not a label: it has characters that no label has";
	return NULL;
}

static int append(struct pattern **list, const char *word, const struct place *place)
{
	size_t size = strlen(word) + 1;
	struct pattern *pattern = malloc(sizeof(*pattern) + size);

	if (!pattern)
		return -ENOMEM;
	while (*list)
		list = &(*list)->next;
	pattern->next = NULL;
	pattern->place = place ? *place : (struct place){ 0 };
	pattern->label = NULL;
	memcpy(pattern->word, word, size);
	*list = pattern;
	return 0;
}

int pattern_add(struct pattern **list, const char *word, const struct place *place,
		const char **why)
{
	*why = *word == '@' ? check_label(word + 1) : pattern_check_glob(word);
	return *why ? -EINVAL : append(list, word, place);
}

int pattern_add_glob(struct pattern **list, const char *word, const char **why)
{
	*why = *word == '@' ? "is a label, and only globs can be here" : pattern_check_glob(word);
	return *why ? -EINVAL : append(list, word, NULL);
}

void pattern_free(struct pattern *list)
{
	while (list) {
		struct pattern *next = list->next;

		free(list);
		list = next;
	}
}

static const struct label *find(const struct list *labels, const char *name)
{
	const struct label *label;

	list_for_each_entry(label, labels, link)
		if (!strcmp(label->name, name))
			return label;
	return NULL;
}

int pattern_resolve(struct pattern *list, const struct list *labels, const char **name,
		    struct place *place)
{
	for (; list; list = list->next) {
		if (*list->word != '@')
			continue;
		list->label = find(labels, list->word + 1);
		if (!list->label) {
			*name = list->word;
			*place = list->place;
			return -ENOENT;
		}
	}
	return 0;
}

bool pattern_match(const struct pattern *list, const char *name)
{
	for (; list; list = list->next) {
		if (list->label ? pattern_match(list->label->domains, name) :
				  !fnmatch(list->word, name, 0))
			return true;
	}
	return false;
}

void pattern_text(const struct pattern *list, char *out, size_t size)
{
	size_t at = 0;

	*out = '\0';
	for (; list; list = list->next) {
		int len = snprintf(out + at, size - at, "%s%s", at ? " " : "", list->word);

		if ((size_t)len >= size - at) {
			if (size > 4)
				memcpy(out + size - 4, "...", 4);
			return;
		}
		at += (size_t)len;
	}
}
