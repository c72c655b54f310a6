/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is what stands in xenstore of vmsg devices what xenstore-schema says?
 *
 * Each node is held against its line of nodes.def: unknown ones, missing ones,
 * types and ranges; owners and permissions, and what is left of domains that are
 * not there. Both halves of a device are looked at in one transaction, so that a
 * guest that connects meanwhile is seen before or after. A daemon need not run,
 * and one that does is not disturbed: nothing is written.
 *
 * What guests wrote is hostile: of each name and value a bounded piece is said,
 * escaped, and of each directory a bounded number of problems.
 */
#ifndef XENMSG_BROKER_STORE_CHECK_H
#define XENMSG_BROKER_STORE_CHECK_H

#include <stdio.h>

struct store;

/*
 * Writes a line for each problem to @out: "NODE: what is wrong with it". Returns
 * how many there are; or -errno: xenstore cannot be read, or something in it
 * changes all the time (-EAGAIN).
 */
int store_check(struct store *store, FILE *out);

#endif
