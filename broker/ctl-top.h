/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenmsgctl top: what each domain sends and receives now, from two looks at its counters. */
#ifndef XENMSG_BROKER_CTL_TOP_H
#define XENMSG_BROKER_CTL_TOP_H

#include <stdbool.h>

/*
 * Every @interval seconds, @count times (UINT_MAX: for ever): a table, on a terminal
 * in the place of the last one, or a line of JSON. Returns an exit status; what went
 * wrong is on standard error.
 */
int ctl_top(const char *control, unsigned int interval, unsigned int count, bool json);

#endif
