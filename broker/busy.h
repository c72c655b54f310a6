/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Busy polling. A wake-up costs as much as a hundred messages, in Xen and in the
 * kernels of both sides. So after a turn the rings of all that took part in it are
 * looked at for a while, and only then are their frontends asked for events.
 *
 * It is bounded: by busy-poll looks at rings in a row without finding anything, and
 * by BUSY_TURNS turns before the rest of the event loop gets a round. It is off
 * where it does not help: after looks in vain, only every BUSY_RETRY-th chance is
 * taken until one finds something.
 */
#ifndef XENMSG_BROKER_BUSY_H
#define XENMSG_BROKER_BUSY_H

#include <stdbool.h>
#include <stdint.h>

struct broker;
struct peer;

#define BUSY_TURNS 32u
/* Failures in a row after which it is taken not to help. */
#define BUSY_PATIENCE 8u
#define BUSY_RETRY    16u

struct busy {
	bool on;	     /* for the devices that take part in this turn */
	unsigned int vain;   /* times in a row that nothing was found, up to BUSY_PATIENCE */
	unsigned int chance; /* times that it was off since */
	uint64_t found;
	uint64_t missed;
};

/* Before a turn. */
void busy_begin(struct broker *broker);
/* @peer takes part in this turn. False: it is not looked at, so ask it for an event. */
bool busy_watch(struct peer *peer);
/*
 * Looks. True: some are kicked now, have a turn. False: there was nothing, and all
 * are asked for events.
 */
bool busy_look(struct broker *broker);

#endif
