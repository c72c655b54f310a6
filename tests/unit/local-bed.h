/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of the backend's local clients: a broker that listens to a socket, two
 * clients by hand, and what these say to come up.
 */
#ifndef LOCAL_BED_H
#define LOCAL_BED_H

#include "common/listen.h"
#include "tests/unit/backend-bed.h"
#include "tests/unit/local-raw.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOCAL(slot)	      (0x8000u + (slot))
#define SLOT_NODE(slot, name) "/local/domain/0/xenmsg/local/" slot "/" name

static struct bed bed;
static char dir[32], path[48];
static struct raw a, b;

static inline void listen_here(void)
{
	int fd = listen_at(path, SOCK_SEQPACKET, 0660);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(backend_local_listen(bed.b, fd), 0);
	bed_run(&bed);
}

static inline void setup(void)
{
	bed_init(&bed);
	strcpy(dir, "/tmp/xenmsg-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/local", dir);
	bed_start(&bed);
	listen_here();
	a.fd = b.fd = a.memory = b.memory = -1;
}

static inline void teardown(void)
{
	raw_close(&a);
	raw_close(&b);
	bed_run(&bed);
	bed_fini(&bed);
	(void)unlink(path);
	(void)rmdir(dir);
}

static inline void hello(struct raw *r)
{
	const struct local_hello h = raw_hello(r);

	ck_assert(raw_send(r, &h, sizeof(h), -1));
	bed_run(&bed);
}

static inline void start(struct raw *r)
{
	ck_assert(raw_say(r, LOCAL_START));
	bed_run(&bed);
}

static inline void up(struct raw *r)
{
	raw_connect(r, path);
	hello(r);
	raw_welcome(r);
	start(r);
}

static inline struct device *dev_of(const struct raw *r)
{
	return bed.dev[VMSGIF_ADDR_DOMID(r->welcome.addr)];
}

static inline void kick(struct raw *r)
{
	ck_assert(raw_say(r, LOCAL_BELL));
	bed_run(&bed);
}

static inline void expect_end(struct raw *r, enum local_type type, int status, const char *text)
{
	const char *reason;
	char byte = 0;

	bed_run(&bed);
	ck_assert_int_eq(raw_end(r, type, &reason), status);
	ck_assert_msg(strstr(reason, text) != NULL, "the reason is: %s", reason);
	ck_assert_int_eq(raw_recv(r, &byte, 1, NULL), 0);
}

#endif
