/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of evil-process share. */
#ifndef XEN_TEST_EVIL_PROCESS_H
#define XEN_TEST_EVIL_PROCESS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "include/uapi/linux/xenmsg.h"

#define EVIL_PAGE  4096u
#define EVIL_USER  1000 /* and group; victims are one more */
#define EVIL_SINK  3000 /* ports of the other guest that take little, */
#define EVIL_SINKS 10
#define EVIL_TINY  3010 /* and as many that take less */
#define EVIL_NONE  3999 /* nobody is bound there */

struct evil {
	uint32_t peer, own; /* addresses */
	int fault_fd;	    /* userfaultfd, as root has it */
	int ask[2], answer[2];
};

/* Says "ok" or what was not as it should be, line by line. */
struct evil_case {
	const char *name; /* NULL: the end */
	bool (*run)(const struct evil *e);
};

extern const struct evil_case evil_arguments[], evil_races[], evil_hogs[];

int64_t now_ms(void);
const char *error_name(int error);
bool expect_at(const char *what, int got, int expected, int line);
/* Whether @call fails with errno @expected; 0: it succeeds. */
#define EXPECT(call, expected) expect_at(#call, call, expected, __LINE__)
/* 0 or errno; a driver that returns what is neither is caught here. */
int evil_call(int fd, unsigned long request, void *arg);
int evil_open(void);

/* Simple requests; all return 0 or errno. */
int evil_bind(int fd, uint32_t port, int timeout);
int evil_unbind(int fd, int timeout);
int evil_send(int fd, uint32_t addr, uint32_t port, const void *data, uint32_t len, unsigned flags,
	      int timeout);
/* One message; *@got: how it came. */
int evil_recv(int fd, struct xenmsg_uapi_rx *got, void *buffer, size_t len, int timeout);
int evil_event(int fd, struct xenmsg_uapi_event *event, int timeout);
/* Skips others; ETIME: not among those that came. */
int evil_event_of(int fd, uint32_t type, struct xenmsg_uapi_event *event, int timeout);
int evil_resolve(int fd, const char *name, int timeout);
int evil_subscribe(int fd, const char *name, unsigned flags, int timeout);
int evil_area(int fd, unsigned nr_pages);
int evil_pool_add(int fd, uint32_t addr, uint32_t port, unsigned nr_pages, int timeout,
		  uint32_t *id);

/* What is enough for everybody else. */
enum { VICTIM_SEND, VICTIM_LARGE, VICTIM_BIND, VICTIM_NAME, VICTIM_AREA, VICTIM_POOL };
int evil_victim(unsigned int what);

/* An exit status. */
int evil_fuzz(uint32_t peer, uint32_t own, int ms);

#endif
