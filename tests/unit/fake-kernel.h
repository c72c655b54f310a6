/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel's driver for tests of libxenmsg: it takes the place of
 * frontend/lib/kernel/sys.c in a program that uses anything declared here.
 *
 * Model. It knows files and nothing behind them: a test says what comes in, and
 * looks at what was sent. It is as strict as the driver where that refuses
 * something (pages of an area that are the driver's, more events than it keeps,
 * flags that do not exist), and it reports a file's edges as the kernel does:
 * once, when something happens. What depends on somebody who may take his time
 * (the broker's answer to an UNBIND) comes at once unless the test says
 * otherwise. Its files are eventfds, so poll() and epoll are the real ones.
 */
#ifndef FAKE_KERNEL_H
#define FAKE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uapi/linux/xenmsg.h"

#define FAKE_FILES   16
#define FAKE_QUEUE   1024
#define FAKE_EVENTS  256
#define FAKE_SENT    2048
#define FAKE_STATES  64
#define FAKE_POOLS   8
#define FAKE_FOREIGN 64
#define FAKE_CALLS   16

struct fake_msg {
	struct xenmsg_uapi_rx rx;
	char *bytes; /* NULL: mapped */
};

struct fake_memory {
	unsigned int nr_pages; /* 0: none */
	int memfd;
	char *va; /* the driver's own view of it */
};

struct fake_pool_state {
	bool await; /* POOL_ADD is not answered, or the process has not heard of it */
	bool told;  /* the second of these */
	bool gone;  /* the receiver let go of it */
};

enum fake_foreign {
	FAKE_FOREIGN_NONE,
	FAKE_FOREIGN_ASKED, /* the process is to map it */
	FAKE_FOREIGN_MAPPED,
	FAKE_FOREIGN_LEAVING, /* the process is to say that it has unmapped it */
};

struct fake_file {
	int fd; /* -1: not open */
	bool registered;
	uint32_t watched;
	void *watcher;
	struct xenmsg_uapi_bind bind; /* port 0: not bound */
	bool unbinding;
	struct fake_msg queue[FAKE_QUEUE];
	unsigned int first_msg, nr_msgs;
	struct xenmsg_uapi_event events[FAKE_EVENTS];
	unsigned int first_event, nr_events;
	uint64_t lost;
	/* Those that belong to a thing are state of that thing, and not lost. */
	struct xenmsg_uapi_event states[FAKE_STATES];
	unsigned int nr_states;
	enum fake_foreign foreign[FAKE_FOREIGN]; /* by slot */
	bool stuck;
	unsigned int unanswered;
	int failure;
	struct fake_memory area;
	bool area_busy[1024];
	struct fake_memory pools[FAKE_POOLS];
	struct xenmsg_uapi_pool_add added[FAKE_POOLS];
	struct fake_pool_state pool_state[FAKE_POOLS];
	uint32_t handles[FAKE_QUEUE]; /* of mapped messages in the process' hands */
	unsigned int nr_handles;
};

/* A message as it was sent. */
struct fake_sent {
	struct fake_file *file;
	struct xenmsg_uapi_tx tx;
	char *bytes;
	bool answered;
};

struct fake {
	/* What calls are to say. */
	int open_error;
	int error[FAKE_CALLS]; /* by the ioctl's number - 0xa0: of the next one */
	int interrupts;	       /* so many calls end with -EINTR first */
	int mmap_error;
	struct xenmsg_uapi_info info;
	struct xenmsg_uapi_resolve resolve; /* addr and port of any name */
	char name[XENMSG_UAPI_NAME_MAX];    /* of any address */
	bool no_room;			    /* for messages */
	unsigned int area_limit;	    /* pages that can be had */
	unsigned int held_max;		    /* mapped messages in a process' hands */
	unsigned int slow_unbinds; /* the so-manieth call that waits for UNBIND sees its end */
	bool gone;
	/* What there was. */
	struct fake_file files[FAKE_FILES]; /* the first one is the device's */
	struct fake_sent sent[FAKE_SENT];
	unsigned int nr_sent;
	uint64_t seq; /* of the last message of the last one */
	unsigned int calls[FAKE_CALLS];
	unsigned int waits; /* calls of epoll_wait() */
	struct xenmsg_uapi_subscribe subscribe;
	struct xenmsg_uapi_pool_mapped mapped[FAKE_POOLS];
	unsigned int nr_mapped;
	unsigned int nr_deleted;      /* pools */
	uint32_t leaving[FAKE_FILES]; /* ports whose files were closed while they were bound */
	unsigned int nr_leaving;
	bool published; /* a call that publishes what is lazy was made */
};
extern struct fake fake;

#define FAKE_CALL(request) (_IOC_NR(request) - 0xa0)

/* A new one: connected, with address 0x10005, nothing open. */
void fake_init(void);
/* Frees what is left. */
void fake_fini(void);
/* The open file that is bound to @port; the test fails if there is none. */
struct fake_file *fake_port(uint32_t port);
unsigned int fake_open_files(void);
/* A message of @len bytes, all of them @c. */
void fake_deliver(struct fake_file *file, uint32_t addr, size_t len, char c);
/* A message in foreign pool @slot. */
void fake_deliver_mapped(struct fake_file *file, uint32_t slot, uint64_t offset, uint32_t len,
			 uint32_t handle);
void fake_event(struct fake_file *file, const struct xenmsg_uapi_event *event);
/* Message @i of those that were sent is answered. */
void fake_answer(unsigned int i, int status);
/* POOL_ADD of pool @id is. */
void fake_pool_answer(struct fake_file *file, uint32_t id, int status);
/* The receiver lets go of pool @id. */
void fake_pool_gone(struct fake_file *file, uint32_t id);
/* The numbers of ports that were bound when their files were closed are free. */
void fake_left(void);
/* There is room for messages again. */
void fake_room(void);
/* The device goes (everything under way fails), or comes back as @addr. */
void fake_gone(void);
void fake_back(uint32_t addr);

/* An edge, if anybody watches for what is there. */
void fake_wake(struct fake_file *file);

#endif /* FAKE_KERNEL_H */
