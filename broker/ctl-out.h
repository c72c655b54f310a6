/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How xenmsgctl's tables and its JSON are written: all to standard output. */
#ifndef XENMSG_BROKER_CTL_OUT_H
#define XENMSG_BROKER_CTL_OUT_H

#include "broker/ctl-status.h"

/* A column of @width characters, after a space, with thousands apart. */
void ctl_number(uint64_t value, int width);
/* A domain's name, or "-" if it has none. */
const char *ctl_name(const char *name);

/* In quotes. */
void ctl_json_string(const char *s);
/* An object; its end is indented by @indent, what is in it two more. */
void ctl_json_counters(const struct ctl_counters *counters, const char *indent);

#endif
