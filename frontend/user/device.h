/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the userspace frontend share; see user.h for the model. */
#ifndef XENMSG_USER_DEVICE_H
#define XENMSG_USER_DEVICE_H

#include <xenevtchn.h>
#include <xengnttab.h>
#include <xentoollog.h>

#include "bus.h"
#include "frontend/map/foreign.h"
#include "store.h"
#include "user.h"

/* Foreign pools mapped at a time; 1024 pages each at most. */
#define USER_MAP_SLOTS 64

/* Pages that another one may see, in a row, and their references. */
struct shared {
	void *va; /* NULL: none */
	unsigned int nr;
	uint32_t *refs;
};

/* Pages of a pool, and the page that lists them. */
struct user_pool {
	struct shared pages;
	struct shared directory;
};

enum user_phase {
	USER_FINDING,	/* at open: there is no device yet */
	USER_CLOSING,	/* at open: saying Closing for a dead owner */
	USER_CLOSED,	/* at open: said Closed for it */
	USER_START,	/* Initialising; waiting for InitWait */
	USER_OFFERED,	/* Initialised; waiting for Connected */
	USER_CONNECTED, /* Connected */
	USER_GONE,	/* closed for good */
};

/* The local bus; see local.c. */
struct user_local {
	int fd;		  /* the connection; -1: there is none */
	char *memory;	  /* NULL: not yet */
	size_t bytes;	  /* of it */
	uint32_t next;	  /* page to share next, until all are */
	int refusal;	  /* why it was not taken; 0: it was */
	uint64_t backoff; /* ns to the next attempt to connect */
};

struct user {
	struct user_params params;
	const struct user_bus *bus;
	int lock_fd;
	struct store store;
	struct user_local local;

	enum user_phase phase;
	uint64_t epoch; /* echoed last, by us or by a dead owner; 0: none */
	uint64_t instance;
	bool retry;   /* the last step failed, or is to be tried again */
	char *reason; /* USER_GONE: why; NULL: no memory for it */

	xengntshr_handle *gntshr;
	xenevtchn_handle *evtchn;
	evtchn_port_t port;
	bool bound; /* port is */

	/* Made at the first InitWait, when the broker's limits are known. */
	struct vmsg *v;
	unsigned int ring_order;
	struct shared tx_ring, rx_ring;
	struct shared alive; /* tells the broker of our death */
	struct user_pool tx, rx;
	void **tx_pages, **rx_pages;

	int epoll_fd, timer_fd;
	uint64_t timer;	 /* when timer_fd fires; UINT64_MAX: it does not */
	bool polled;	 /* by the application, together with others */
	bool lazy;	 /* something is; the timer is set for it if that is so */
	bool overdue;	 /* the timer has fired, and what is lazy is to go now */
	uint64_t now;	 /* time of the last look at the clock: after a wait that had a limit */
	uint64_t events; /* received */

	struct foreign foreign[USER_MAP_SLOTS];
	struct xentoollog_logger quiet;
};

/* device.c */
/* The device is gone for good; @why may be NULL and is copied. */
void connect_gone(struct user *user, const char *why);
/* The broker consumes the rings from now on. */
void connect_up(struct user *user, const struct vmsg_features *features);

/* pages.c: pages granted by gntalloc */
int shared_new(struct user *user, uint32_t domid, unsigned int nr, bool writable,
	       struct shared *out);
/* A page whose first byte is 1 until it goes; then @port gets an event. */
int shared_alive(struct user *user, uint32_t domid, evtchn_port_t port, struct shared *out);
void shared_free(struct user *user, struct shared *shared);
/* A pool for the broker, by way of the bus. */
int pool_new(struct user *user, unsigned int nr, bool writable, struct user_pool *pool);
void pool_free(struct user *user, struct user_pool *pool);

/* channel.c: what the rings need, once */
int channel_new(struct user *user, unsigned int max_order);
void channel_free(struct user *user);

/* connect.c: the life of a device on the xenbus */
/* Decide where to start from what the last owner left. */
int connect_begin(struct user *user);
/* As user_bus.step and user_bus.end. */
int connect_step(struct user *user);
void connect_end(struct user *user);

/* mappool.c */
void mappool_ops(struct vmsg_ops *ops);
void mappool_free_all(struct user *user);

/* events.c */
int events_open(struct user *user);
void events_close(struct user *user);
/* A descriptor to sleep on: bus->take(@source), from 1 on, when it is readable. */
int events_add(struct user *user, int fd, uint32_t events, unsigned int source);
/* Have a step now. If it fails, another one follows after a while. */
void events_step(struct user *user);
/* Have one in @ns. */
void events_retry(struct user *user, uint64_t ns);
/* Sleep until the file descriptors say something, or @deadline. */
bool events_sleep(struct user *user, uint64_t deadline);

/* lock.c */
/* A file descriptor that holds the lock, -EBUSY, or another error. */
int lock_take(const char *path);
/* The kernel's driver has the device whose folder in sysfs is @device: -EBUSY; else 0. */
int lock_driver(const char *device);

#endif /* XENMSG_USER_DEVICE_H */
