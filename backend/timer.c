// SPDX-License-Identifier: GPL-2.0-or-later
/* See timer.h. */
#include "backend/timer.h"

#include "common/clock.h"

#include <time.h>

/* The loop's default, 250 ms, is for timers that nobody waits for. */
#define ACCURACY_US 1

int timer_set(struct loop *loop, sd_event_source **source, uint64_t when_ns,
	      sd_event_time_handler_t fn, void *priv)
{
	/* Rounded up: a timer that goes off too early would only be set again. */
	uint64_t usec = when_ns / NS_PER_US + (when_ns % NS_PER_US != 0);
	int r;

	loop->due = true;
	if (!*source)
		return sd_event_add_time(loop->event, source, CLOCK_MONOTONIC, usec, ACCURACY_US,
					 fn, priv);
	r = sd_event_source_set_time(*source, usec);
	if (r < 0)
		return r;
	return sd_event_source_set_enabled(*source, SD_EVENT_ONESHOT);
}
