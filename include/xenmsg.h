/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libxenmsg: messages between the domains of one Xen host.
 *
 *   struct xenmsg       the device of this domain, opened by this process
 *   struct xenmsg_port  an endpoint: sends, and receives once it is bound
 *   struct xenmsg_msg   a received message, readable in place until released
 *
 * All functions that can fail return 0 (or what they say) or a negative errno
 * number. Those of delivery mean the same everywhere:
 *
 *   -EACCES        the host's policy forbids it, or would if the peer existed
 *   -EHOSTUNREACH  no such peer: unknown name, or an address that is gone
 *   -EHOSTDOWN     the peer, or the way to it, died under way; perhaps delivered
 *   -ECONNREFUSED  nobody is bound to the port; perhaps delivered if someone was
 *   -ENOBUFS       a rule of the protocol was exceeded
 *   -EMSGSIZE      longer than the device or the port takes
 *   -EDQUOT        over a rate or quota of the host's policy
 *   -EAGAIN        not now; wait for xenmsg_fd() and try again
 *   -ETIMEDOUT     the time given has passed
 *
 * Timeouts are in milliseconds; 0 does not wait, -1 waits for ever.
 *
 * There are three ways to the device, and the same program does with any. If
 * the kernel drives it, /dev/xenmsg is there, every process that may open that
 * has the device, and a device that was lost may come back. In the broker's own
 * domain, dom0, every process that may connect to the broker's socket has a
 * device, and thus an address, of its own. Else the process drives the device
 * itself, and one process of a domain at a time can.
 *
 * Threads: calls on one struct xenmsg and what belongs to it must not overlap.
 * Fork: a child must not use what its parent opened. Pages that are shared with
 * the driver or with other domains are not there to be touched.
 */
#ifndef XENMSG_H
#define XENMSG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct xenmsg;
struct xenmsg_port;
struct xenmsg_msg;
struct xenmsg_pool;

#define XENMSG_INLINE_MAX   32	      /* bytes that need no page */
#define XENMSG_MESSAGE_MAX  (1 << 20) /* bytes of the longest message */
#define XENMSG_SEGMENTS_MAX 257	      /* pieces of a message at most */
#define XENMSG_NAME_MAX	    128	      /* bytes of a name, without the 0 behind it */

/* ----------------------------------------------------------------- device */

struct xenmsg_options {
	size_t size; /* sizeof(struct xenmsg_options), for growth */
	/* The next four mean nothing where the kernel drives the device. */
	const char *lock; /* lock file that says who owns the device; NULL: the usual one */
	/*
	 * Log2 of a ring's pages, 0 to 5; XENMSG_DEFAULT: 4, or 5 if there are more rx_pages
	 * than such a ring has slots, which is 512.
	 */
	unsigned ring_order;
	unsigned tx_pages; /* pages for sending, up to 1024; XENMSG_DEFAULT: 272 */
	unsigned rx_pages; /* pages for receiving, 24 to 1024; XENMSG_DEFAULT: 336 */
	/* To wait for the broker. */
	int timeout;
	/* Where the broker is in this domain: its socket; NULL: the usual one. */
	const char *socket;
};
#define XENMSG_DEFAULT (~0u)
#define XENMSG_OPTIONS_INIT                                                                       \
	{                                                                                         \
		sizeof(struct xenmsg_options), 0, XENMSG_DEFAULT, XENMSG_DEFAULT, XENMSG_DEFAULT, \
			10000, 0                                                                  \
	}

/*
 * Open the device of this domain. @options may be NULL. -ENODEV: this domain
 * has no device (the host's configuration gives it none, or no broker runs);
 * -EBUSY: another process drives it, whether the kernel has a driver or not; or
 * the kernel does, and /dev/xenmsg is not to be seen here. Nobody is driven out;
 * -ETIMEDOUT; -EPERM, -EACCES, -ENOENT: device nodes or the broker's socket are
 * not accessible; -EUSERS, -ENOSPC: too many processes of this user, or pages of
 * theirs, are connected to it; -EPROTONOSUPPORT: the kernel's driver is of
 * another version.
 */
int xenmsg_open(struct xenmsg **out, const struct xenmsg_options *options);
/*
 * Closes ports and pools too, whose numbers are free then: waits for that, up to
 * a second. What was sent may get lost: xenmsg_flush() first.
 */
void xenmsg_close(struct xenmsg *x);
/*
 * Becomes readable when there is something to do for xenmsg_dispatch(): to be
 * used with poll(), epoll or an event loop. It tells of what is new: after
 * xenmsg_dispatch(), receive from every port and fetch events until -EAGAIN,
 * and try again to send what got -EAGAIN.
 */
int xenmsg_fd(struct xenmsg *x);
/*
 * Do what is due, without waiting. -EHOSTDOWN: the device is gone. If this
 * process drives it, that is for good. If the kernel does, it may come back:
 * xenmsg_fd() tells, this returns 0 again, ports and subscriptions are as they
 * were, and pools are not. Until then nothing can be sent.
 */
int xenmsg_dispatch(struct xenmsg *x);
/*
 * Wait until something happened, and do it. 1: something did, as after
 * xenmsg_dispatch(); 0: time passed. -EHOSTDOWN as there; where the device may
 * come back, the next call waits for that.
 */
int xenmsg_wait(struct xenmsg *x, int timeout);
/* After -EHOSTDOWN for the device: why it is gone, in words. NULL: it is not. */
const char *xenmsg_reason(const struct xenmsg *x);
/* Can a device that is gone come back? 1: yes, as the kernel drives it; 0: open another. */
int xenmsg_may_return(const struct xenmsg *x);
/* Own address; a restart of the broker does not change it, else XENMSG_ADDRESS tells. */
uint32_t xenmsg_address(const struct xenmsg *x);
/*
 * Publish lazy messages too, and wait until all sent messages are answered: those
 * of map mode are so when their receivers have released them.
 */
int xenmsg_flush(struct xenmsg *x, int timeout);

/* ------------------------------------------------------------------ names */

/* "domain" or "service@domain". @port may be NULL; it is 0 for a domain. */
int xenmsg_resolve(struct xenmsg *x, const char *name, uint32_t *addr, uint32_t *port, int timeout);
/* Name of the domain at @addr, terminated; "" if it has none. */
int xenmsg_name(struct xenmsg *x, uint32_t addr, char name[XENMSG_NAME_MAX + 1], int timeout);
/* Events of XENMSG_PEER_UP for the domain @name from now on, or no more. */
int xenmsg_subscribe(struct xenmsg *x, const char *name);
int xenmsg_unsubscribe(struct xenmsg *x, const char *name);

/* ------------------------------------------------------------------ ports */

struct xenmsg_bind {
	size_t size;	     /* sizeof(struct xenmsg_bind) */
	const char *service; /* offer this name, without the domain; NULL: none */
	/*
	 * Bytes for received messages, up to 1 GiB; 0: 2 MiB + 128; less than
	 * 64 KiB + 64 is as much as that. More than the kernel's driver allows
	 * (8 MiB by default) is as much as that.
	 */
	size_t buffer;
	/*
	 * 1: lazy messages that came together (XENMSG_LAZY) are received together, as
	 * one message, see xenmsg_msg_each(); 0: each is a message, as it was sent.
	 */
	unsigned batches;
};
/*
 * Endpoint bound to @number; 0: to none (it only sends, and cannot be
 * answered). @bind may be NULL. -EADDRINUSE; -EACCES; -ETIMEDOUT, as the time of
 * the options is over. The end of an own port with that number is waited for.
 */
int xenmsg_port_open(struct xenmsg *x, uint32_t number, const struct xenmsg_bind *bind,
		     struct xenmsg_port **out);
/*
 * What was received and not released is dropped, messages held included. What
 * was sent goes on. Closes the port's pools, too.
 */
void xenmsg_port_close(struct xenmsg_port *port);
uint32_t xenmsg_port_number(const struct xenmsg_port *port);

/* ------------------------------------------------------------------- send */

/*
 * XENMSG_LAZY: do not wake the peer for this one. It is there when the peer is
 * awake anyway; else it goes with the next message that is not lazy, once half
 * of what can be under way was sent, with a wait, a receive that finds nothing,
 * xenmsg_flush(), or xenmsg_dispatch(), for which xenmsg_fd() becomes readable
 * within a millisecond.
 *
 * Lazy messages of one length, a multiple of 8 up to 4096, that a port sends to one
 * destination go together, up to 256 and 64 KiB of them, and cost little more than
 * their bytes: this is how to stream. So do those in buffers of the driver's pages, of
 * over 2 KiB up to 16 of them. Not so those whose number is asked for (@seq), or
 * XENMSG_CONFIRM. So do messages in map mode of any one length that are behind each other in
 * their pool, from page to page, up to 32; their room comes back together.
 */
#define XENMSG_LAZY	1u
#define XENMSG_NONBLOCK 2u /* -EAGAIN instead of waiting for room */
#define XENMSG_CONFIRM	4u /* an XENMSG_SENT event says when, and how, it is answered */

/*
 * Send @len bytes to @number at @addr. Returns 0 as soon as the data is the
 * driver's: the buffer can be used again. A failure that comes later is
 * reported by an event XENMSG_SEND_FAILED, and by xenmsg_flush().
 * @seq (may be NULL): the message's number, as in those events.
 */
int xenmsg_send(struct xenmsg_port *port, uint32_t addr, uint32_t number, const void *data,
		size_t len, unsigned flags, uint64_t *seq);
/* The same, gathered from @iov. */
int xenmsg_sendv(struct xenmsg_port *port, uint32_t addr, uint32_t number, const struct iovec *iov,
		 int nr, unsigned flags, uint64_t *seq);

/* Pages of the driver to write a message into, instead of having it copied. */
struct xenmsg_buffer {
	struct iovec iov[XENMSG_SEGMENTS_MAX];	  /* where to write; iov_len may be made shorter */
	int nr;					  /* of them; this as well */
	uint32_t opaque[XENMSG_SEGMENTS_MAX + 2]; /* the driver's */
};
/* Room for @len bytes, 1 to XENMSG_MESSAGE_MAX, in pieces of one or several whole pages. */
int xenmsg_buffer_get(struct xenmsg_port *port, size_t len, struct xenmsg_buffer *buffer,
		      unsigned flags);
/* Send it; the buffer is the driver's then. On failure it stays the caller's. */
int xenmsg_buffer_send(struct xenmsg_port *port, uint32_t addr, uint32_t number,
		       struct xenmsg_buffer *buffer, unsigned flags, uint64_t *seq);
/* Give it back unsent. */
void xenmsg_buffer_put(struct xenmsg_port *port, struct xenmsg_buffer *buffer);

/* ---------------------------------------------------------------- receive */

/* The next message of @port: 0, -EAGAIN, -ETIMEDOUT, -EHOSTDOWN (device gone). */
int xenmsg_recv(struct xenmsg_port *port, struct xenmsg_msg **out, int timeout);
uint32_t xenmsg_msg_addr(const struct xenmsg_msg *msg); /* source, vouched for by the broker */
uint32_t xenmsg_msg_port(const struct xenmsg_msg *msg); /* whom to answer there; 0: nobody */
uint64_t xenmsg_msg_seq(const struct xenmsg_msg *msg);	/* rises within the sender's life */
size_t xenmsg_msg_len(const struct xenmsg_msg *msg);	/* bytes */
int xenmsg_msg_is_mapped(const struct xenmsg_msg *msg); /* 1: in memory that the sender can change */
/*
 * Where a port receives batches whole: the length of the messages that follow each other
 * in this one's payload, of which the last may be shorter, and xenmsg_msg_seq() is its
 * number, the others having those before it. 0: it is one message, as always elsewhere.
 */
uint32_t xenmsg_msg_each(const struct xenmsg_msg *msg);
/*
 * The payload in place: fills at most @max pieces, returns how many there are.
 * The memory is read-only and valid until the message is released. One that is
 * mapped is the sender's: copy before you check what you rely on.
 */
int xenmsg_msg_iov(const struct xenmsg_msg *msg, struct iovec *iov, int max);
/* Gather: copy up to @len bytes from byte @offset on; returns how many. */
size_t xenmsg_copy(const struct xenmsg_msg *msg, size_t offset, void *buffer, size_t len);
/* Done with it. Messages may be released in any order. */
void xenmsg_release(struct xenmsg_msg *msg);

/* --------------------------------------------------------------- map mode */

/*
 * Share memory with port @number at @addr, for messages from @port, which is
 * bound, that are not copied at all. @bytes: rounded up to pages, at most 4 MiB.
 * -EACCES: the host's policy does not allow map mode for the pair, or whoever
 * receives there may not map pages of others (/dev/xen/gntdev). -ENOBUFS, -ENOSPC:
 * more pools than there can be, or than the receiver can map now. -ECONNREFUSED:
 * nobody is bound there. Whatever it says, copies may be sent all the same.
 */
int xenmsg_pool_open(struct xenmsg_port *port, uint32_t addr, uint32_t number, size_t bytes,
		     struct xenmsg_pool **out, int timeout);
/* Messages in it go on; the memory must not be touched any more. */
void xenmsg_pool_close(struct xenmsg_pool *pool);
/* Room for @len bytes in a row: 0, -EAGAIN, -EMSGSIZE, -EHOSTDOWN (receiver gone). */
int xenmsg_pool_get(struct xenmsg_pool *pool, size_t len, void **data, unsigned flags);
void xenmsg_pool_put(struct xenmsg_pool *pool, void *data);
/* Send @len bytes from @data on; the room comes back when the receiver released it. */
int xenmsg_pool_send(struct xenmsg_pool *pool, void *data, size_t len, unsigned flags,
		     uint64_t *seq);

/* ----------------------------------------------------------------- events */

enum xenmsg_event_type {
	XENMSG_PEER_UP = 1, /* addr, name: a subscribed domain is there */
	XENMSG_PEER_DOWN,   /* addr: dead, after its last message */
	XENMSG_SEND_FAILED, /* port, addr, number, seq, status */
	XENMSG_SENT,	    /* port, seq, status: asked for with XENMSG_CONFIRM */
	XENMSG_ADDRESS,	    /* addr: the own address has changed */
	XENMSG_PORT_LOST, /* port, status: a new broker refused to bind it; nothing comes any more */
	XENMSG_LOST,	  /* count events were dropped, as nobody fetched them */
};
struct xenmsg_event {
	enum xenmsg_event_type type;
	int status; /* negative errno, or 0 */
	uint32_t addr;
	uint32_t number; /* destination port */
	uint64_t seq;
	uint64_t count;
	struct xenmsg_port *port; /* NULL: closed since */
	char name[XENMSG_NAME_MAX + 1];
};
/* The next event: 0, or -EAGAIN. */
int xenmsg_event(struct xenmsg *x, struct xenmsg_event *event);

/* ------------------------------------------------------------- statistics */

/* Of the device: where the kernel drives it, of all who use it. */
struct xenmsg_stats {
	uint64_t tx_messages, tx_bytes, tx_failed, tx_resubmitted;
	uint64_t tx_inline, tx_pooled, tx_granted, tx_mapped;
	uint64_t rx_messages, rx_bytes, rx_repeated, rx_copied_out;
	uint64_t events_sent;	  /* to the broker */
	uint64_t events_received; /* from it */
	uint64_t resets;	  /* restarts of the broker lived through */
};
/* @size: sizeof(struct xenmsg_stats) of the caller. */
void xenmsg_stats(const struct xenmsg *x, struct xenmsg_stats *stats, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* XENMSG_H */
