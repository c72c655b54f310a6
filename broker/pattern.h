/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists of names in a configuration: globs, and labels for sets of domains.
 *
 * A label is written @NAME. It may be used before it is defined, and in another
 * file; so a list is made of words first, and its labels are looked up once all
 * is read. A label is made of globs alone, so there are no circles.
 *
 * What is matched is a subject: a domain's name or, for a program of the
 * broker's own domain, NAME:UID. A glob alone matches all programs of that
 * domain; GLOB:USER those of one user, and GLOB:* all of them and no guest.
 */
#ifndef XENMSG_BROKER_PATTERN_H
#define XENMSG_BROKER_PATTERN_H

#include "common/list.h"

#include <xen/io/vmsgif.h>

#include <stdbool.h>
#include <stddef.h>

/* Of sections: rules, labels, offers, limits. */
#define SECTION_NAME_MAX 40

/* Where something is said; @file lives as long as the policy. */
struct place {
	const char *file; /* NULL: not in a file */
	unsigned int line;
};

struct pattern;

struct label {
	struct list link; /* of the policy's */
	struct place place;
	struct pattern *domains;
	char name[SECTION_NAME_MAX + 1];
};

/*
 * Append one word. 0, -EINVAL (*why: what is wrong with it), -ENOMEM.
 * Globs are as for fnmatch(): * ? [a-z] [!a-z].
 */
int pattern_add(struct pattern **list, const char *word, const struct place *place,
		const char **why);
/* The same, and GLOB:USER, where USER is the name or number of a user here, or *. */
int pattern_add_subject(struct pattern **list, const char *word, const struct place *place,
			const char **why);
/* Globs alone. */
int pattern_add_glob(struct pattern **list, const char *word, const char **why);
void pattern_free(struct pattern *list);

/* Look up the labels of @list. 0; -ENOENT: *name at *place is none of @labels. */
int pattern_resolve(struct pattern *list, const struct list *labels, const char **name,
		    struct place *place);
/* All labels are resolved. An empty list matches nothing. */
bool pattern_match(const struct pattern *list, const char *subject);
/* The words, separated by spaces; cut, and ending in "...", if they do not fit. */
void pattern_text(const struct pattern *list, char *out, size_t size);

/* NULL, or why @word is no glob over names of domains and services. */
const char *pattern_check_glob(const char *word);

/* NAME:UID; and an own domain without a name has only UIDs, as ":0". */
#define SUBJECT_MAX (VMSGIF_NAME_MAX + 1 + 10)

/* The subject that @word, NAME or NAME:USER, means. 0, or -EINVAL and *why. */
int subject_parse(const char *word, char subject[SUBJECT_MAX + 1], const char **why);

#endif
