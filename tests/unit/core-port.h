/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests about BIND and UNBIND: a device, and what its ports ask for. */
#ifndef TESTS_UNIT_CORE_PORT_H
#define TESTS_UNIT_CORE_PORT_H

#include "tests/unit/core-bed.h"

#define SIZE 4096u

static struct cbed bed;

static inline void start(unsigned int max_ports)
{
	cbed_defaults(&bed);
	bed.params.max_ports = max_ports;
	cbed_init(&bed);
	cbed_up(&bed);
}

static inline void teardown(void)
{
	cbed_deinit(&bed);
}

static inline int bind(struct vmsg_port *port, uint32_t number)
{
	return vmsg_bind(bed.v, port, number, NULL, 0, number);
}

static inline void expect_done(uint64_t cookie, int status)
{
	struct cbed_event event = cbed_expect_event(&bed, CBED_CONTROL_DONE);

	ck_assert_uint_eq(event.cookie, cookie);
	ck_assert_int_eq(event.status, status);
}

static inline struct vmsgif_tx_request expect_bind(uint32_t number)
{
	struct vmsgif_tx_request req = cbed_expect(&bed, VMSGIF_OP_BIND);

	ck_assert_uint_eq(req.port, number);
	return req;
}

static inline struct vmsgif_tx_request expect_unbind(uint32_t number)
{
	struct vmsgif_tx_request req = cbed_expect(&bed, VMSGIF_OP_UNBIND);

	ck_assert_uint_eq(req.port, number);
	return req;
}

/* A new broker, that knows the device's pools and has not been told more. */
static inline void restart(void)
{
	cbed_down(&bed);
	cbed_connect(&bed);
	cbed_answer_all(&bed, 0);
}

#endif
