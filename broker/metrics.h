/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is counted, as text for Prometheus (its exposition format, version 0.0.4).
 *
 * Three kinds of series: of the whole, of each domain, and of what the policy says
 * by section of the configuration, which is what flows are classed by: the rule
 * that allows them, and the way in which their messages travel. Guests can make
 * as many flows as they like, but no series:
 *
 *   domain=, domid=   METRICS_DOMAINS guests, those with the lowest domids; the
 *                     others are one series, "other". Processes of this domain are
 *                     one too: "local"
 *   section=          METRICS_SECTIONS rules, and as many [limits], the first of the
 *                     configuration; the others are "other rules", "other limits"
 *
 * Counters of a domain begin with its address, those of a section with a reload;
 * Prometheus knows what that means. Those of "other" domains fall when one of them
 * goes.
 */
#ifndef XENMSG_BROKER_METRICS_H
#define XENMSG_BROKER_METRICS_H

#include <stdio.h>

#define METRICS_DOMAINS	 256u
#define METRICS_SECTIONS 64u

struct broker;

/* Write all of it. 0, or -ENOMEM and nothing was written; errors of @out are @out's. */
int metrics_write(FILE *out, struct broker *broker);

#endif
