/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One directory of xenstore against its lines of nodes.def, for store-check.h.
 */
#ifndef XENMSG_BROKER_STORE_DIR_H
#define XENMSG_BROKER_STORE_DIR_H

#include "backend/xs.h"

#include <stdio.h>

/* Lines of nodes.def, at most. */
#define STORE_DIR_DEFS 64

/* Longest path of a directory. */
#define STORE_DIR_PATH_MAX 128
/* Problems of a directory that are said; of more, the number is. */
#define STORE_DIR_LINES 32u

/* Where problems go, and how many there are. */
struct store_check {
	struct store *store;
	FILE *out;
	int problems;
};

/* As in nodes.def. */
enum store_side {
	STORE_BACKEND,
	STORE_FRONTEND,
	STORE_HOST,
	STORE_LOCAL,
};

struct store_dir {
	struct store_check *check;
	enum store_side side;
	char path[STORE_DIR_PATH_MAX];
	const char *perms;   /* of it and of all that is in it; NULL: only this domain writes */
	unsigned int said;   /* problems */
	uint64_t state;	     /* 0: none that can be read */
	uint64_t ring_order; /* of a frontend */
	bool seen[STORE_DIR_DEFS];
	uint32_t refs[STORE_DIR_DEFS]; /* which indices of a prefix */
};

/*
 * Say that something is wrong with node @name of @path, or if that is NULL with
 * @path itself. @name may be a guest's, what @fmt makes may not.
 */
void store_problem(struct store_check *check, const char *path, const char *name, const char *fmt,
		   ...) __attribute__((format(printf, 4, 5)));

/*
 * Check what is in @dir, whose first four members are filled in, the others 0.
 * -errno: it cannot be read. More may be said about it then, and store_dir_end()
 * has to follow.
 */
int store_dir_check(struct store_dir *dir);
/* If node @name is there it should say @wanted. */
void store_dir_expect(struct store_dir *dir, const char *name, const char *wanted);
/* A number; 0 if there is none, which store_dir_check() speaks of. */
uint64_t store_dir_number(const struct store_dir *dir, const char *name);
/* Is there room for one more problem of @dir? It is counted in either case. */
bool store_dir_may_say(struct store_dir *dir);
/* Say how many there was no room for. */
void store_dir_end(const struct store_dir *dir);

#endif
