/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One-shot timers of the event loop, in the nanoseconds of common/clock.h. */
#ifndef XENMSG_BACKEND_TIMER_H
#define XENMSG_BACKEND_TIMER_H

#include "backend/loop.h"

#include <stdint.h>

/*
 * Sets *@source, which is made when it is NULL, to go off once at @when_ns. The
 * caller unrefs it. 0 or a negative errno.
 */
int timer_set(struct loop *loop, sd_event_source **source, uint64_t when_ns,
	      sd_event_time_handler_t fn, void *priv);

#endif
