/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state of the broker as it goes over the control socket; see control.h. */
#ifndef XENMSG_BROKER_SNAPSHOT_H
#define XENMSG_BROKER_SNAPSHOT_H

#include <systemd/sd-bus.h>

struct broker;

/* Flows, ports or pools in an answer, at most: the daemon does nothing else meanwhile. */
#define SNAPSHOT_ROWS 4096u

/* Append the answer to the method of that name; only Flows asks for a @domain. -errno. */
typedef int (*snapshot_fn)(sd_bus_message *reply, struct broker *broker, const char *domain);

int snapshot_status(sd_bus_message *reply, struct broker *broker, const char *domain);
int snapshot_domains(sd_bus_message *reply, struct broker *broker, const char *domain);
int snapshot_pools(sd_bus_message *reply, struct broker *broker, const char *domain);
int snapshot_flows(sd_bus_message *reply, struct broker *broker, const char *domain);

#endif
