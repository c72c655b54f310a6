/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which rule decides about a flow, and why not the ones before it: in words,
 * for xenmsgctl policy explain.
 */
#ifndef XENMSG_BROKER_EXPLAIN_H
#define XENMSG_BROKER_EXPLAIN_H

#include "broker/config.h"

#include <stdint.h>
#include <stdio.h>

struct question {
	const char *from;	       /* as asked for: a domain's name, or NAME:USER */
	char subject[SUBJECT_MAX + 1]; /* that is who */
	const char *to;
	uint32_t port;			   /* 0: not known, nobody has bound the service */
	char service[VMSGIF_NAME_MAX + 1]; /* "": none is bound there, or not known */
	bool live;			   /* who has bound what is known */
};

/* @port is a number or the name of a service. 0, or -EINVAL and *why. */
int question_init(struct question *q, const char *from, const char *to, const char *port,
		  const char **why);

void explain(FILE *out, const struct config *config, const struct question *q);
/* What a configuration consists of, in a line. */
void explain_size(FILE *out, const struct config *config);

#endif
