/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests about vmsg_send(): a device with a port that is not bound. */
#ifndef TESTS_UNIT_CORE_SEND_H
#define TESTS_UNIT_CORE_SEND_H

#include "tests/unit/core-bed.h"

static struct cbed bed;
static struct vmsg_port *port;
static uint8_t bytes[VMSGIF_MESSAGE_MAX];

static inline void setup(void)
{
	cbed_defaults(&bed);
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_port(&bed, 0);
	cbed_fill(bytes, sizeof(bytes), 1);
}

static inline void teardown(void)
{
	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
}

#endif
