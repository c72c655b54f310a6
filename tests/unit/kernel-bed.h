/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of libxenmsg over the kernel's driver: a program, a port of it with
 * its driver's side, and others beside it.
 */
#ifndef KERNEL_BED_H
#define KERNEL_BED_H

#include <check.h>
#include <poll.h>
#include <string.h>

#include "tests/sim/sim.h"
#include "tests/unit/fake-kernel.h"
#include "xenmsg.h"

#define PEER 0x10007u

static struct sim_process *process, *others;
static struct xenmsg *x;
static struct xenmsg_port *port;
static struct fake_file *file;

static inline void setup(void)
{
	domid_t guest;

	sim_init(1);
	guest = sim_domain_new("guest", SIM_PVH);
	process = sim_process_new(guest, "app");
	others = sim_process_new(guest, "others");
	sim_enter(process);
	fake_init();
}

static inline void teardown(void)
{
	xenmsg_close(x);
	x = NULL;
	ck_assert_uint_eq(fake_open_files(), 0);
	fake_fini();
	sim_fini();
}

/* Port 5, with its driver's side. */
static inline void setup_port(void)
{
	setup();
	ck_assert_int_eq(xenmsg_open(&x, NULL), 0);
	ck_assert_int_eq(xenmsg_port_open(x, 5, NULL, &port), 0);
	file = fake_port(5);
}

static inline unsigned int calls(unsigned long request)
{
	return fake.calls[FAKE_CALL(request)];
}

static inline bool readable(void)
{
	struct pollfd p = { .fd = xenmsg_fd(x), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static inline int send_bytes(const char *text, unsigned int flags)
{
	return xenmsg_send(port, PEER, 7, text, strlen(text), flags, NULL);
}

static inline struct xenmsg_msg *receive(size_t len, char c)
{
	struct xenmsg_msg *msg;
	struct iovec iov;

	ck_assert_int_eq(xenmsg_recv(port, &msg, 0), 0);
	ck_assert_uint_eq(xenmsg_msg_len(msg), len);
	ck_assert_int_eq(xenmsg_msg_iov(msg, &iov, 1), len ? 1 : 0);
	if (len) {
		ck_assert_uint_eq(iov.iov_len, len);
		ck_assert_int_eq(((char *)iov.iov_base)[0], c);
		ck_assert_int_eq(((char *)iov.iov_base)[len - 1], c);
	}
	return msg;
}

static inline int nothing(void)
{
	struct xenmsg_msg *msg;

	return xenmsg_recv(port, &msg, 0);
}

#endif
