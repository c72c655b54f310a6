/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenmsgctl's way to the daemon. */
#ifndef XENMSG_BROKER_CTL_BUS_H
#define XENMSG_BROKER_CTL_BUS_H

#include <systemd/sd-bus.h>

/*
 * Call @method of the daemon at the socket @path, with @types and what they
 * name, as for sd_bus_message_append(). The reply is the caller's. -errno: it
 * has been said on standard error, as something about @what.
 */
int ctl_call(const char *path, const char *what, sd_bus_message **reply, const char *method,
	     const char *types, ...);

#endif
