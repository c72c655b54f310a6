/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the reading of a configuration.
 *
 *   config.c          which files, and what they have to say together
 *   config-file.c     one file: lines, sections, words
 *   config-daemon.c   the sections [daemon] and [devices]
 *   config-policy.c   those of the policy
 */
#ifndef XENMSG_BROKER_CONFIG_PARSE_H
#define XENMSG_BROKER_CONFIG_PARSE_H

#include "broker/config.h"

struct parser;

/* A kind of section. All functions return 0, or parse_fail()'s error. */
struct section {
	const char *name;
	bool titled;	/* [allow NAME] */
	bool main_only; /* not in a file of policy.d */
	int (*begin)(struct parser *p, const char *title);
	int (*key)(struct parser *p, const char *name, const char *value);
	int (*end)(struct parser *p);
};

struct parser {
	FILE *stream;
	struct config *config;
	struct config_error *error;
	struct place place; /* of the line that was read last */
	bool fragment;	    /* a file of policy.d */
	const struct section *section;
	struct place begin; /* of the section */
	union {		    /* that the section fills in */
		struct label *label;
		struct rule *rule;
		struct offer *offer;
		struct limits *limits;
	};
	uint32_t seen;	      /* keys of the section that may be there once, by index */
	uint32_t seen_daemon; /* the same of all [daemon] sections of the file */
	bool named;	      /* libinih takes an indented line for more of the key above */
	int result;	      /* 0, or the first error: nothing is read after it */
};

/* Ended by one without a name. */
extern const struct section config_daemon_sections[];
extern const struct section config_policy_sections[];

/* Read all of @stream, called @name, into @config. 0, or an error with *error filled in. */
int parse_file(struct config *config, FILE *stream, const char *name, bool fragment,
	       struct config_error *error);

/* The first error counts. Returns that of the parser. */
int parse_fail(struct parser *p, const struct place *place, int result, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
int parse_no_memory(struct parser *p);
/* Word @word of key @name was refused with @result, for @why. */
int parse_bad_word(struct parser *p, const char *name, const char *word, int result,
		   const char *why);

/* The words of a value, separated by spaces, tabs and commas. */
struct words {
	char *save;
	char text[1024];
};
/* The first one, and each next one; NULL: no more. They live as long as *words. */
const char *words_first(struct words *words, const char *value);
const char *words_next(struct words *words);

/*
 * Value of key @name: domains, by glob and by label, to the end of @list.
 * @users: users of the broker's own domain may be named, too.
 */
int parse_domains(struct parser *p, const char *name, const char *value, bool users,
		  struct pattern **list);

#endif
