/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration: an INI file, read whole into a struct config or refused
 * with file, line and reason. packaging/xenmsgd.conf documents it.
 */
#ifndef XENMSG_BROKER_CONFIG_H
#define XENMSG_BROKER_CONFIG_H

#include "backend/backend.h"
#include "broker/policy.h"

#include <stdio.h>

#define CONFIG_PATH "/etc/xenmsg/xenmsgd.conf"

struct config {
	struct backend_limits limits;
	unsigned int max_ports;		/* bound at a time, per domain */
	unsigned int max_subscriptions; /* per domain */
	struct pattern *devices;	/* domains that get a device */
	struct policy policy;
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

/* 0; -EINVAL, -ENOMEM or what opening the file gave, with *error filled in. */
int config_load(struct config **out, const char *path, struct config_error *error);
/* The same from a stream; @name is for errors. */
int config_read(struct config **out, FILE *stream, const char *name, struct config_error *error);

#endif
