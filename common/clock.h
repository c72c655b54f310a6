/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The one place that reads the clock.  Everything else is given the time, so that tests own it. */
#ifndef XENMSG_COMMON_CLOCK_H
#define XENMSG_COMMON_CLOCK_H

#include <stdint.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

/* Nanoseconds of CLOCK_MONOTONIC: never goes back, stands still while the machine sleeps. */
uint64_t clock_now_ns(void);

#endif
