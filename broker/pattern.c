// SPDX-License-Identifier: GPL-2.0-or-later
/* Lists of globs and labels. See pattern.h. */
#include "broker/pattern.h"

#include "common/num.h"

#include <errno.h>
#include <fnmatch.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pattern {
	struct pattern *next;
	struct place place;
	const struct label *label; /* of a word "@name", once it is resolved */
	char user[11]; /* of a word "GLOB:USER": its number, or "*"; "": there is none */
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

/* Of a user's name or number, in decimal. NULL, or what is wrong. */
static const char *find_user(const char *user, char number[11])
{
	const struct passwd *entry;
	uint32_t uid;

	if (num_parse_u32(user, strlen(user), 0, UINT32_MAX - 1, &uid) < 0) {
		entry = getpwnam(user);
		if (!entry)
			return "names no user of this domain behind the ':'";
		uid = entry->pw_uid;
	}
	snprintf(number, 11, "%u", uid);
	return NULL;
}

int subject_parse(const char *word, char subject[SUBJECT_MAX + 1], const char **why)
{
	const char *colon = strchr(word, ':');
	size_t len = colon ? (size_t)(colon - word) : strlen(word);
	char number[11] = "";

	*why = "is longer than any name";
	if (len > VMSGIF_NAME_MAX)
		return -EINVAL;
	memcpy(subject, word, len);
	subject[len] = '\0';
	*why = strpbrk(subject, "*?[]!^") ? "is a pattern: a single one is asked for" :
					    pattern_check_glob(subject);
	if (!*why && colon)
		*why = find_user(colon + 1, number);
	if (*why)
		return -EINVAL;
	if (colon)
		snprintf(subject + len, SUBJECT_MAX + 1 - len, ":%s", number);
	return 0;
}

/* @user: as in struct pattern. */
static int append(struct pattern **list, const char *word, const char *user,
		  const struct place *place)
{
	size_t size = strlen(word) + 1;
	struct pattern *pattern = malloc(sizeof(*pattern) + size);

	if (!pattern)
		return -ENOMEM;
	while (*list)
		list = &(*list)->next;
	*pattern = (struct pattern){ .place = place ? *place : (struct place){ 0 } };
	snprintf(pattern->user, sizeof(pattern->user), "%s", user);
	memcpy(pattern->word, word, size);
	*list = pattern;
	return 0;
}

int pattern_add(struct pattern **list, const char *word, const struct place *place,
		const char **why)
{
	*why = *word == '@' ? check_label(word + 1) : pattern_check_glob(word);
	return *why ? -EINVAL : append(list, word, "", place);
}

int pattern_add_subject(struct pattern **list, const char *word, const struct place *place,
			const char **why)
{
	const char *colon = strchr(word, ':');
	char glob[VMSGIF_NAME_MAX + 1], user[11] = "*";

	if (!colon || *word == '@')
		return pattern_add(list, word, place, why);
	*why = "is longer than any name";
	if ((size_t)(colon - word) > VMSGIF_NAME_MAX)
		return -EINVAL;
	memcpy(glob, word, (size_t)(colon - word));
	glob[colon - word] = '\0';
	*why = pattern_check_glob(glob);
	if (!*why && strcmp(colon + 1, "*") != 0)
		*why = find_user(colon + 1, user);
	if (*why)
		return -EINVAL;
	return append(list, word, user, place);
}

int pattern_add_glob(struct pattern **list, const char *word, const char **why)
{
	*why = *word == '@' ? "is a label, and only globs can be here" : pattern_check_glob(word);
	return *why ? -EINVAL : append(list, word, "", NULL);
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

/* @user: NULL for a guest. */
static bool match(const struct pattern *list, const char *name, const char *user)
{
	for (; list; list = list->next) {
		char glob[VMSGIF_NAME_MAX + 1];

		if (list->label) {
			if (match(list->label->domains, name, user))
				return true;
			continue;
		}
		if (*list->user && (!user || (*list->user != '*' && strcmp(list->user, user) != 0)))
			continue;
		snprintf(glob, sizeof(glob), "%.*s", (int)strcspn(list->word, ":"), list->word);
		if (!fnmatch(glob, name, 0))
			return true;
	}
	return false;
}

bool pattern_match(const struct pattern *list, const char *subject)
{
	const char *colon = strchr(subject, ':');
	char name[VMSGIF_NAME_MAX + 1];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(subject, ":"), subject);
	return match(list, name, colon ? colon + 1 : NULL);
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
