/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration: INI files, read whole into a struct config or refused
 * with file, line and reason. packaging/xenmsgd.conf documents it.
 *
 * There is a main file, and beside it a folder policy.d, whose files *.conf are
 * read after it in the order of the bytes of their names. Those hold policy;
 * what the daemon is and who gets a device stands in the main file alone.
 */
#ifndef XENMSG_BROKER_CONFIG_H
#define XENMSG_BROKER_CONFIG_H

#include "backend/backend.h"
#include "broker/policy.h"

#include <stdio.h>

#define CONFIG_PATH   "/etc/xenmsg/xenmsgd.conf"
#define CONFIG_POLICY "policy.d"

struct config {
	struct backend_limits limits;
	unsigned int max_ports;		/* bound at a time, per domain */
	unsigned int max_subscriptions; /* per domain */
	unsigned int busy_poll;		/* looks in vain before sleeping; 0: none */
	struct pattern *devices;	/* domains that get a device */
	struct policy policy;
	char *path; /* of the main file; NULL: it was none */
};

/* Where a configuration is wrong, and how. Line 0: the file as a whole. */
struct config_error {
	char file[256];
	unsigned int line;
	char reason[256];
};

/* The defaults: no devices, no rules. NULL: no memory. */
struct config *config_new(void);
void config_free(struct config *config);

/* 0; -EINVAL, -ENOMEM or what opening a file gave, with *error filled in. */
int config_load(struct config **out, const char *path, struct config_error *error);
/* A main file alone, from a stream; @name is for errors. */
int config_read(struct config **out, FILE *stream, const char *name, struct config_error *error);
/* "FILE:LINE: REASON", or without the line. */
void config_error_text(const struct config_error *error, char *out, size_t size);

/*
 * What a daemon cannot change while it runs, because guests were told: have in
 * @config what @running has. Returns the names of keys that differed, or NULL.
 */
const char *config_keep_fixed(struct config *config, const struct config *running, char *names,
			      size_t size);

#endif
