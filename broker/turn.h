/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One turn of the broker; see broker.h for what that is. */
#ifndef XENMSG_BROKER_TURN_H
#define XENMSG_BROKER_TURN_H

#include <stdbool.h>

struct broker;

/* Returns whether there is more to do. */
bool turn_run(struct broker *broker);

#endif
