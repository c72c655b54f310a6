/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of the broker as it goes over the control socket; see control.h. */
#ifndef XENMSG_BROKER_SNAPSHOT_H
#define XENMSG_BROKER_SNAPSHOT_H

#include <systemd/sd-bus.h>

struct broker;

/* Append the answer to Status. -errno. */
int snapshot_append(sd_bus_message *reply, struct broker *broker);

#endif
