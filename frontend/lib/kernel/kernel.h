/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The transport over the kernel's driver: what its files share.
 *
 * Model. The driver (frontend/linux) has the device, and does for each of its
 * open files what the engine does for a port. So a port is a file, and one more
 * file is for what belongs to no port: names, subscriptions, statistics. What
 * this transport adds is what the API promises beyond a file: many messages per
 * call and their payload in place (krecv.c), pages to write into (kbuffer.c),
 * rooms in pools (kpool.c), mapping the pools of others (kforeign.c), and one
 * descriptor over all files (kfiles.c).
 *
 * No call into the driver waits for another domain's application, as that may
 * wait for us: to map its pool, say. Where the API waits, it is a loop of: try,
 * without waiting, and sleep until any file has something (kernel_await()),
 * serving events meanwhile. Exceptions are requests that the broker answers
 * alone.
 *
 * Files are watched edge-triggered: each thing that happens is reported once.
 * A file whose edge was seen is served at once as far as events go; messages
 * wait in the driver until they are asked for. As edges are seen in any call
 * that sleeps, what the application has to be told of is noted for it (notice.h),
 * as in the userspace transport.
 *
 *   kdevice.c  the device, and the table      kfiles.c    watching, sleeping
 *   kevent.c   what the driver tells          kname.c     requests, names
 *   kport.c    ports, and how they close      ksend.c  krecv.c  kbuffer.c
 *   kpool.c    own pools                      kforeign.c  pools of others
 *   sys.c      the system calls
 */
#ifndef XENMSG_KERNEL_H
#define XENMSG_KERNEL_H

#include <errno.h>
#include <string.h>

#include "common/list.h"
#include "common/macros.h"
#include "frontend/lib/notice.h"
#include "frontend/lib/room.h"
#include "frontend/lib/transport.h"
#include "frontend/map/foreign.h"
#include "sys.h"
#include "uapi/linux/xenmsg.h"

#define KERNEL_PAGE 4096u
/* Dead peers that are remembered, as every file tells of them. */
#define KERNEL_DEAD 64

struct kport;

/* An open file of the driver. */
struct kfile {
	int fd;
	struct kport *port; /* NULL: the device's */
	uint32_t watched;   /* EPOLL* */
};

/* Lazy messages that are to go together, and that the driver has not got yet; see kbatch.c. */
struct kbatch {
	struct list link; /* in kbatches.all, if there is one */
	uint32_t addr, number;
	uint32_t each;	    /* bytes of a message; 0: there is none */
	uint32_t len, most; /* bytes so far, and at most; most is 0 if there is none */
	char *data;
};

struct kbatches {
	struct list all; /* of ports */
	int timer_fd;
	bool ticking; /* the timer is set */
};

struct kernel {
	struct xenmsg base;
	struct kfile file; /* the device's */
	struct list ports; /* also those being closed */
	uint32_t addr;
	unsigned int area_pages; /* the driver's limits */
	uint64_t buffer_max;
	uint32_t max_message;
	struct kbatches batches;
	int failure;		 /* the first one since the last xenmsg_flush() */
	bool gone;		 /* the device is; it may come back */
	bool lazy;		 /* something lazy was sent since the last publishing */
	bool closing;		 /* some port or pool is */
	struct kport *receiving; /* whose messages are asked for right now */
	int epoll_fd;		 /* over all files */
	int app_fd;		 /* the application's: over epoll_fd and the notice's */
	struct notice notice;
	uint32_t dead[KERNEL_DEAD]; /* a ring */
	unsigned int nr_dead;
	struct xentoollog_logger quiet;
};

struct rx_buffer;
struct kmsg_block;

struct kmsg {
	struct xenmsg_msg base;
	struct kmsg *next;	  /* of the free ones, or of those to be handed out */
	struct rx_buffer *buffer; /* that it is in; NULL: mapped */
	uint32_t handle;	  /* mapped */
	uint32_t each; /* to be handed out in parts of so many bytes; UINT32_MAX: as it is */
};

/* Receiving, a part of a port; see krecv.c. */
struct krecv {
	struct kmsg *free;
	unsigned int nr_free;
	struct kmsg_block *blocks;
	struct kmsg *first, **last; /* received, to be handed out */
	struct rx_buffer *current;  /* that is being filled */
	struct rx_buffer *spare[2]; /* small ones, large ones */
	struct rx_buffer *all;
	size_t size[2];
	size_t budget; /* bytes that may be held */
	size_t held;
	bool readable; /* the driver has messages, for all we know, or an error */
	bool starved;  /* there was no room for a message */
};

struct kport {
	struct xenmsg_port base;
	struct list link;
	struct kfile file;
	bool closing;
	bool unbinding; /* that is under way */
	bool stuck;	/* a send got -EAGAIN: its end is watched for */
	bool draining;	/* the end of all its messages, or of the port, is watched for */
	bool sent;	/* something was, since all was answered */
	bool look;	/* something happened to it: ends that are under way may be reached */
	bool lost;	/* events, perhaps some that give rooms back */
	struct krecv rx;
	struct kbatch batch;
	unsigned int unfetched; /* messages sent since events were fetched, if there are rooms */
	struct rooms area;	/* no pages: there is none */
	bool no_area;		/* there never will be */
	struct list heap;	/* buffers that are not in the area */
	uint32_t heap_id;
	struct list pools;
	struct list foreign;
};

struct kpool {
	struct xenmsg_pool base;
	struct list link;
	struct rooms rooms; /* busy: sent and not answered */
	uint32_t id;
	uint32_t addr, number;
	unsigned int nr_sent;
	bool opening; /* the receiver has not answered */
	int status;   /* what it said */
	bool gone;    /* it let go of it */
	bool closing;
};

static inline struct kernel *kernel_of(const struct xenmsg *x)
{
	return CONTAINER_OF(x, struct kernel, base);
}

static inline struct kport *kport_of(const struct xenmsg_port *port)
{
	return CONTAINER_OF(port, struct kport, base);
}

static inline struct kernel *kport_kernel(const struct kport *port)
{
	return kernel_of(port->base.x);
}

static inline struct kpool *kpool_of(const struct xenmsg_pool *pool)
{
	return CONTAINER_OF(pool, struct kpool, base);
}

static inline struct kport *kpool_port(const struct kpool *pool)
{
	return kport_of(pool->base.port);
}

static inline struct kmsg *kmsg_of(const struct xenmsg_msg *msg)
{
	return CONTAINER_OF(msg, struct kmsg, base);
}

/* An address as the driver takes it. No function: for one, the compiler wants memory to be written. */
#define kernel_u64(p) ((uint64_t)(uintptr_t)(p))

/* ---------------------------------------------------------------- kfiles.c */

int kfiles_open(struct kernel *k);
void kfiles_close(struct kernel *k);
/* Open a file, and watch it. */
int kfile_open(struct kernel *k, struct kfile *file, struct kport *port);
void kfile_close(struct kernel *k, struct kfile *file);
/* Memory of a file: @nr_pages pages at @offset. A child that is forked does not have it. */
int kfile_mmap(const struct kfile *file, uint64_t offset, unsigned int nr_pages, void **out);
/* Watch for what the state of its port, or of the device, says. */
void kfile_watch(struct kernel *k, struct kfile *file);
/* The time in @ms from now; 0 and UINT64_MAX for a time of 0 and -1. */
uint64_t kernel_deadline(int ms);
/* ms until then, rounded up: at least 0; -1: for ever. */
int kernel_left(uint64_t deadline);
/*
 * Publish what is lazy, sleep until some file has something or @deadline, and
 * serve it. > 0: something came; -ETIMEDOUT; 0: a signal.
 */
int kernel_await(struct kernel *k, uint64_t deadline);
/* What is lazy goes now. True: there were events. */
bool kernel_publish(struct kernel *k);
/* Everything that is due, without sleeping. */
void kernel_serve(struct kernel *k);
/* Something came up that only xenmsg_dispatch() and xenmsg_wait() report. */
static inline void kernel_note(struct kernel *k)
{
	k->notice.unreported = true;
}
/* Before returning to the application: its descriptor has to wake it for what is left. */
static inline void kernel_leave(struct kernel *k)
{
	notice_leave(&k->notice);
}

/* ---------------------------------------------------------------- kevent.c */

/* What XENMSG_EV_SENT and _FAILED are about: bits of a message's cookie. */
#define COOKIE_CONFIRM	       1u /* the application asked for it */
#define COOKIE_AREA	       2u
#define COOKIE_POOL	       4u
#define COOKIE_BATCH	       8u /* of as many messages as the head says */
#define COOKIE_ROOM(head)      ((uint64_t)(head) << 16)
#define COOKIE_HEAD(cookie)    ((uint16_t)((cookie) >> 16))
#define COOKIE_OF_POOL(id)     ((uint64_t)(id) << 32)
#define COOKIE_POOL_ID(cookie) ((uint32_t)((cookie) >> 32))

/* A message that the driver did not take, when nobody waits for that any more. */
void kevent_failed(struct kport *port, const struct xenmsg_uapi_tx *tx, int status);
/* Fetch all events of a file. Whether there were any. */
bool kevent_fetch(struct kernel *k, struct kfile *file);

/* ----------------------------------------------------------------- kname.c */

/* A request whose *@timeout is to be @ms, repeated after signals. */
int kernel_ask(int fd, unsigned long request, void *arg, int32_t *timeout, int ms);
int kernel_resolve(struct xenmsg *x, const char *name, size_t len, uint32_t *addr, uint32_t *port,
		   int timeout);
int kernel_name(struct xenmsg *x, uint32_t addr, char *name, int timeout);
int kernel_subscribe(struct xenmsg *x, const char *name, size_t len, bool cancel);

/* ----------------------------------------------------------------- kport.c */

int kernel_port_open(struct xenmsg *x, uint32_t number, const struct xenmsg_bind *bind,
		     struct xenmsg_port **out);
void kernel_port_close(struct xenmsg_port *base);
/* Whether all that was sent is answered; if so, a failure of it is noted in the device. */
bool kport_answered(struct kport *port);
/*
 * Events were lost: once all is answered, rooms are free though it was not told.
 * True: they are now.
 */
bool kport_recover(struct kport *port);
/* Go on with closing ports and pools, of those that something happened to. */
void kernel_closing(struct kernel *k);
/* All of them, with their files; their numbers are free if the broker says so in time. */
void kports_free(struct kernel *k);

/* ---------------------------------------------------------------- kbatch.c */

int kbatches_open(struct kernel *k);
void kbatches_close(struct kernel *k);
/* The timer is over. */
void kbatches_timer(struct kernel *k);
/* The application polls from now on. As long as it does not, no timer is set. */
void kbatches_polled(struct kernel *k);
/* The batch is full: it goes, if the driver has room for it. */
void kbatch_full(struct kport *port);
/* Adds the message to the batch there is, as most are: true, and all is done. */
static inline bool kbatch_add(struct kport *port, uint32_t addr, uint32_t number, const void *data,
			      size_t len, unsigned int flags, const uint64_t *seq)
{
	struct kbatch *batch = &port->batch;
	uint32_t at = batch->len;

	if (batch->each != len || batch->addr != addr || batch->number != number || seq ||
	    (flags | XENMSG_NONBLOCK) != (XENMSG_LAZY | XENMSG_NONBLOCK) || at >= batch->most ||
	    kport_kernel(port)->gone)
		return false;
	batch->len = at + (uint32_t)len;
	memcpy(batch->data + at, data, len);
	if (UNLIKELY(batch->len == batch->most))
		kbatch_full(port);
	return true;
}
/*
 * Adds the message to a batch, or begins one. 1: it is there. 0: it has to go alone.
 * -EAGAIN: there is no room for the batch before it.
 */
int kbatch_send(struct kport *port, const struct given *given, const uint64_t *seq);
/* Hands the port's batch to the driver, if there is one. -EAGAIN: it has no room. */
int kbatch_end(struct kport *port);
/* Its messages fail. */
void kbatch_drop(struct kport *port, int status);
/* They are forgotten, and its memory is freed. */
void kbatch_free(struct kport *port);
/* All that the driver has room for. */
void kbatches_end(struct kernel *k);
/* Before another message to that port: as kbatch_end(). */
int kbatches_end_to(struct kernel *k, uint32_t addr, uint32_t number);

/* ----------------------------------------------------------------- ksend.c */

/* One try. */
int kport_post(struct kport *port, struct xenmsg_uapi_tx *tx);

/* Send @tx, waiting for room unless @flags (the API's) say no. */
int kport_send(struct kport *port, struct xenmsg_uapi_tx *tx, unsigned int flags, uint64_t *seq);
/* The pieces of a message, which are there until the call is over, for @tx. */
void ktx_pieces(struct xenmsg_uapi_tx *tx, const struct iovec *iov, int nr);
int kernel_send(struct xenmsg_port *base, uint32_t addr, uint32_t number, const void *data,
		size_t len, unsigned int flags, uint64_t *seq);
int kernel_sendv(struct xenmsg_port *base, const struct given *given, uint64_t *seq);

/* --------------------------------------------------------------- kbuffer.c */

int kernel_buffer_get(struct xenmsg_port *base, size_t len, struct xenmsg_buffer *buffer,
		      unsigned int flags);
int kernel_buffer_send(struct xenmsg_port *base, uint32_t addr, uint32_t number,
		       struct xenmsg_buffer *buffer, unsigned int flags, uint64_t *seq);
void kernel_buffer_put(struct xenmsg_port *base, struct xenmsg_buffer *buffer);
void kbuffers_free(struct kport *port);

/* ----------------------------------------------------------------- krecv.c */

/* @buffer: bytes for messages in the application's hands. */
void krecv_init(struct kport *port, size_t buffer);
void krecv_fini(struct kport *port);
int kernel_recv(struct xenmsg_port *base, struct xenmsg_msg **out, int timeout);
int kernel_msg_iov(const struct xenmsg_msg *msg, struct iovec *iov, int max);
size_t kernel_copy(const struct xenmsg_msg *msg, size_t offset, void *buffer, size_t len);
void kernel_release(struct xenmsg_msg *base);

/* ----------------------------------------------------------------- kpool.c */

/* NULL: there is none with this id. */
struct kpool *kpool_find(const struct kport *port, uint32_t id);
/* Go on with closing it; true: it is gone. */
bool kpool_close_step(struct kpool *pool);
/* Memory of it, without a word to the driver. */
void kpool_free(struct kpool *pool);
int kernel_pool_open(struct xenmsg_port *base, uint32_t addr, uint32_t number, size_t bytes,
		     struct xenmsg_pool **out, int timeout);
void kernel_pool_close(struct xenmsg_pool *base);
int kernel_pool_get(struct xenmsg_pool *base, size_t len, void **data, unsigned int flags);
void kernel_pool_put(struct xenmsg_pool *base, void *data);
int kernel_pool_send(struct xenmsg_pool *base, void *data, size_t len, unsigned int flags,
		     uint64_t *seq);

/* -------------------------------------------------------------- kforeign.c */

/* Events about pools of others. */
void kforeign_map(struct kport *port, const struct xenmsg_uapi_event *event);
void kforeign_unmap(struct kport *port, uint32_t slot, bool held);
void kforeign_free(struct kport *port, uint32_t slot);
/* Place of @len bytes in it, or NULL: there is no such place. */
const char *kforeign_at(const struct kport *port, uint32_t slot, uint64_t offset, uint32_t len);
/* All of them: the port is being closed. */
void kforeign_drop(struct kport *port);

#endif /* XENMSG_KERNEL_H */
