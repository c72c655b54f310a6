/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Payloads of tests: what they hold follows from a key. */
#ifndef SYSTEM_TRAFFIC_H
#define SYSTEM_TRAFFIC_H

#include "xenmsg.h"

#include <stdbool.h>

void traffic_fill(void *data, size_t len, uint64_t key);
/* Does @msg hold what traffic_fill() wrote, in whatever pieces? */
bool traffic_is(const struct xenmsg_msg *msg, size_t len, uint64_t key);

#endif
