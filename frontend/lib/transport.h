/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is between the functions of libxenmsg and a way to reach the device.
 *
 * Model. There can be several ways to the same device, transports: a process
 * drives it itself, or somebody else does whom it talks to. Each is a struct
 * transport_ops. xenmsg_open() takes the first that is there, and from then on
 * a function of the API checks its arguments and calls that transport's.
 *
 * The structures below are the part of what applications hold that is the same
 * everywhere. A transport has them as first members of its own, which it
 * allocates, fills in completely before it hands them out, and frees; it gets
 * from the one to the other by CONTAINER_OF().
 *
 * Where nothing else is said, a function of the table means what that of the
 * API with the same name does, and is the one that keeps what xenmsg.h promises:
 * about waiting, about descriptors, about what closes with what.
 */
#ifndef XENMSG_TRANSPORT_H
#define XENMSG_TRANSPORT_H

#include <stdbool.h>
#include <string.h>

#include <xen/io/vmsgif.h>

#include "frontend/lib/event.h"
#include "xenmsg.h"

/* What struct transport_ops.open returns if this transport is not there. */
#define TRANSPORT_ABSENT 1

struct xenmsg {
	const struct transport_ops *ops;
	int timeout; /* of the options, for calls that have none of their own */
	struct event_ring events;
};

struct xenmsg_port {
	struct xenmsg *x;
	uint32_t number;
	bool batches; /* are received whole */
};

struct xenmsg_pool {
	struct xenmsg *x;
	struct xenmsg_port *port;
};

struct xenmsg_msg {
	struct xenmsg_port *port;
	uint32_t addr; /* source */
	uint32_t src_port;
	uint64_t seq;
	uint32_t len;
	uint32_t each; /* of a batch that is received whole; else 0 */
	bool mapped;
	const void *data; /* the payload; NULL: it is in pieces, or there is none */
};

/* A message as the application gave it. */
struct given {
	uint32_t addr; /* destination */
	uint32_t number;
	const struct iovec *iov;
	int nr;
	unsigned int flags;
	size_t len; /* in all, at most XENMSG_MESSAGE_MAX */
};

/* A message in one piece, which @iov becomes. */
static inline struct given given_one(struct iovec *iov, uint32_t addr, uint32_t number,
				     const void *data, size_t len, unsigned int flags)
{
	/* The data is only read; struct iovec cannot say so. */
	*iov = (struct iovec){ .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	return (struct given){
		.addr = addr,
		.number = number,
		.iov = iov,
		.nr = 1,
		.flags = flags,
		.len = len,
	};
}

/* Longer messages have a place of their own in the ring, and lose little by it. */
#define GIVEN_BATCH_MAX 4096u

/*
 * May it go together with others like it? Those of a batch get their numbers when
 * it is sent, so who asks for one (@seq) sends alone.
 */
static inline bool given_may_batch(const struct given *given, const uint64_t *seq)
{
	return (given->flags | XENMSG_NONBLOCK) == (XENMSG_LAZY | XENMSG_NONBLOCK) && !seq &&
	       given->len && given->len <= GIVEN_BATCH_MAX &&
	       given->len % VMSGIF_BATCH_ALIGN == 0 && given->addr && given->number;
}

/*
 * Pointers are not NULL unless it is said. Names are terminated, not empty, and
 * not longer than XENMSG_NAME_MAX; @len is a name's length. Options and binds
 * have all fields, with the defaults filled in; a transport ignores those that
 * mean nothing to it.
 */
struct transport_ops {
	bool returns; /* a device that is gone may come back */
	/*
	 * 0; TRANSPORT_ABSENT: there is nothing on this machine that this
	 * transport could talk to, and xenmsg_open() tries the next one; or a
	 * negative errno: it is there and does not work, which is final. So a
	 * device that may not be used or is busy is never reached by another way
	 * behind its owner's back.
	 */
	int (*open)(struct xenmsg **out, const struct xenmsg_options *options);
	void (*close)(struct xenmsg *x);
	int (*fd)(struct xenmsg *x);
	int (*dispatch)(struct xenmsg *x);
	int (*wait)(struct xenmsg *x, int timeout);
	const char *(*reason)(const struct xenmsg *x);
	uint32_t (*address)(const struct xenmsg *x);
	int (*flush)(struct xenmsg *x, int timeout);

	int (*resolve)(struct xenmsg *x, const char *name, size_t len, uint32_t *addr,
		       uint32_t *port, int timeout);
	/* @name is "" before the call. */
	int (*name)(struct xenmsg *x, uint32_t addr, char *name, int timeout);
	/* @cancel: unsubscribe. */
	int (*subscribe)(struct xenmsg *x, const char *name, size_t len, bool cancel);

	/* @bind: the service is a name or, always for @number 0, NULL. */
	int (*port_open)(struct xenmsg *x, uint32_t number, const struct xenmsg_bind *bind,
			 struct xenmsg_port **out);
	void (*port_close)(struct xenmsg_port *port);

	/* @len: at most XENMSG_MESSAGE_MAX. @seq may be NULL, as in the next ones. */
	int (*send)(struct xenmsg_port *port, uint32_t addr, uint32_t number, const void *data,
		    size_t len, unsigned int flags, uint64_t *seq);
	int (*sendv)(struct xenmsg_port *port, const struct given *given, uint64_t *seq);
	/* @len: 1 to XENMSG_MESSAGE_MAX. */
	int (*buffer_get)(struct xenmsg_port *port, size_t len, struct xenmsg_buffer *buffer,
			  unsigned int flags);
	/* Of the buffer nothing is checked. */
	int (*buffer_send)(struct xenmsg_port *port, uint32_t addr, uint32_t number,
			   struct xenmsg_buffer *buffer, unsigned int flags, uint64_t *seq);
	void (*buffer_put)(struct xenmsg_port *port, struct xenmsg_buffer *buffer);

	int (*recv)(struct xenmsg_port *port, struct xenmsg_msg **out, int timeout);
	/* Of a message that is not in one piece, or if @max is not above 0. */
	int (*msg_iov)(const struct xenmsg_msg *msg, struct iovec *iov, int max);
	size_t (*copy)(const struct xenmsg_msg *msg, size_t offset, void *buffer, size_t len);
	void (*release)(struct xenmsg_msg *msg);

	/* @port is bound; @bytes: 1 to 4 MiB. */
	int (*pool_open)(struct xenmsg_port *port, uint32_t addr, uint32_t number, size_t bytes,
			 struct xenmsg_pool **out, int timeout);
	void (*pool_close)(struct xenmsg_pool *pool);
	/* @len: not 0. */
	int (*pool_get)(struct xenmsg_pool *pool, size_t len, void **data, unsigned int flags);
	void (*pool_put)(struct xenmsg_pool *pool, void *data);
	/* @len: 1 to XENMSG_MESSAGE_MAX; the rest is not checked. */
	int (*pool_send)(struct xenmsg_pool *pool, void *data, size_t len, unsigned int flags,
			 uint64_t *seq);

	int (*event)(struct xenmsg *x, struct xenmsg_event *event);
	/* @stats is all zeros before the call. */
	void (*stats)(const struct xenmsg *x, struct xenmsg_stats *stats);
};

/* Bytes of a name; 0: it is empty or too long. */
static inline size_t name_length(const char *name)
{
	size_t len = strnlen(name, XENMSG_NAME_MAX + 1);

	return len <= XENMSG_NAME_MAX ? len : 0;
}

/* The kernel's driver, /dev/xenmsg (kernel/). */
extern const struct transport_ops kernel_transport;
/* The broker itself, where it is in this domain: dom0 (user/local.c). */
extern const struct transport_ops local_transport;
/* The userspace frontend (user/). It is never absent: its errors say what is missing. */
extern const struct transport_ops front_transport;

#endif /* XENMSG_TRANSPORT_H */
