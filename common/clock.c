// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
#include "common/clock.h"

#include <time.h>

uint64_t clock_now_ns(void)
{
	struct timespec now;

	/* Cannot fail: the clock exists and the pointer is good. */
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}
