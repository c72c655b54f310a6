// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Receiving: many messages per call, payload in place.
 *
 * A call copies messages one behind the other into a buffer of the port. They
 * are handed out there, and when all in a buffer are released it is filled
 * anew. The buffers are many and small, so that a message which the application
 * holds stops only one of them; a message that does not fit gets a large one.
 * Both are kept until the port is closed. Buffers with messages count as held;
 * when they come to more than the port's size, receiving waits for a release.
 *
 * Mapped messages are not copied. They stay in the pool of their sender, and
 * are given back to the driver one by one, as the sender waits for that.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

#define BATCH	  64 /* messages taken at a time */
#define BLOCK	  63
#define SMALL	  ((size_t)64 << 10)
#define LARGE	  ((size_t)XENMSG_MESSAGE_MAX)
#define ALIGNMENT 64

enum { SMALL_ONE, LARGE_ONE };

struct rx_buffer {
	struct rx_buffer *next;	    /* of the spare ones */
	struct rx_buffer *next_all; /* of all */
	int kind;
	size_t fill;
	unsigned int nr; /* messages in it that are not released */
	char *data;
};

/* Handles are made in blocks, which live as long as their port. */
struct kmsg_block {
	struct kmsg_block *next;
	struct kmsg msgs[BLOCK];
};

void krecv_init(struct kport *port, size_t buffer)
{
	struct krecv *rx = &port->rx;
	size_t size = (buffer + KERNEL_PAGE - 1) & ~(size_t)(KERNEL_PAGE - 1);

	rx->last = &rx->first;
	rx->budget = size;
	rx->size[SMALL_ONE] = size < SMALL ? size : SMALL;
	rx->size[LARGE_ONE] = size < LARGE ? size : LARGE;
}

void krecv_fini(struct kport *port)
{
	struct krecv *rx = &port->rx;

	while (rx->all) {
		struct rx_buffer *next = rx->all->next_all;

		free(rx->all->data);
		free(rx->all);
		rx->all = next;
	}
	while (rx->blocks) {
		struct kmsg_block *next = rx->blocks->next;

		free(rx->blocks);
		rx->blocks = next;
	}
	*rx = (struct krecv){ .last = &rx->first };
}

/* ----------------------------------------------------------------- handles */

static bool more_handles(struct kport *port)
{
	struct krecv *rx = &port->rx;
	struct kmsg_block *block = malloc(sizeof(*block));
	unsigned int i;

	if (!block)
		return false;
	block->next = rx->blocks;
	rx->blocks = block;
	for (i = 0; i < BLOCK; i++) {
		block->msgs[i].base.port = &port->base;
		block->msgs[i].base.each = 0;
		block->msgs[i].next = rx->free;
		rx->free = &block->msgs[i];
	}
	rx->nr_free += BLOCK;
	return true;
}

static void put_handle(struct krecv *rx, struct kmsg *msg)
{
	msg->next = rx->free;
	rx->free = msg;
	rx->nr_free++;
}

/* ----------------------------------------------------------------- buffers */

static size_t left_in(const struct krecv *rx, const struct rx_buffer *buffer)
{
	return rx->size[buffer->kind] - buffer->fill;
}

static void put_spare(struct krecv *rx, struct rx_buffer *buffer)
{
	buffer->next = rx->spare[buffer->kind];
	rx->spare[buffer->kind] = buffer;
}

static struct rx_buffer *new_buffer(struct krecv *rx, int kind)
{
	struct rx_buffer *buffer = calloc(1, sizeof(*buffer));

	if (!buffer)
		return NULL;
	buffer->kind = kind;
	buffer->data = aligned_alloc(ALIGNMENT, rx->size[kind]);
	if (!buffer->data) {
		free(buffer);
		return NULL;
	}
	buffer->next_all = rx->all;
	rx->all = buffer;
	return buffer;
}

/* An empty one in place of the current one. NULL: too much is held, or no memory. */
static struct rx_buffer *next_buffer(struct krecv *rx, size_t need)
{
	int kind = need > rx->size[SMALL_ONE] ? LARGE_ONE : SMALL_ONE;
	struct rx_buffer *buffer = rx->spare[kind];

	if (need > rx->size[kind] || (rx->held && rx->held + rx->size[kind] > rx->budget))
		return NULL;
	if (buffer)
		rx->spare[kind] = buffer->next;
	else
		buffer = new_buffer(rx, kind);
	if (!buffer)
		return NULL;
	if (rx->current && !rx->current->nr)
		put_spare(rx, rx->current);
	rx->current = buffer;
	return buffer;
}

/* One to fill with a message of @need bytes; 0: it is not known yet how many. */
static struct rx_buffer *some_buffer(struct krecv *rx, size_t need)
{
	struct rx_buffer *current = rx->current, *next;
	size_t left = current ? left_in(rx, current) : 0;

	/* In what little is left the next message would hardly fit. */
	if (current && left >= (need ? need : rx->size[current->kind] / 4))
		return current;
	next = next_buffer(rx, need);
	return next || need || !left ? next : current;
}

/* All messages in it are released. */
static void put_buffer(struct krecv *rx, struct rx_buffer *buffer)
{
	buffer->fill = 0;
	rx->held -= rx->size[buffer->kind];
	if (buffer != rx->current)
		put_spare(rx, buffer);
}

/* ----------------------------------------------------------------- receive */

static void give_back(const struct kport *port, uint32_t handle)
{
	struct xenmsg_uapi_release q = { .handles = kernel_u64(&handle), .nr = 1 };

	sys_ioctl(port->file.fd, XENMSG_IOC_RELEASE, &q);
}

static void take(struct kport *port, struct rx_buffer *buffer, const struct xenmsg_uapi_rx *m)
{
	bool mapped = m->flags & XENMSG_RX_MAPPED;
	struct krecv *rx = &port->rx;
	struct kmsg *msg = rx->free;
	const char *data;

	msg->buffer = mapped ? NULL : buffer;
	msg->handle = m->handle;
	if (mapped)
		data = kforeign_at(port, m->slot, m->data, m->len);
	else
		data = buffer->data + buffer->fill + m->data;
	if (!data) {
		give_back(port, m->handle);
		return;
	}
	if (!mapped && !buffer->nr++)
		rx->held += rx->size[buffer->kind];
	msg->base.addr = m->addr;
	msg->base.src_port = m->src_port;
	msg->base.seq = m->seq;
	msg->each = UINT32_MAX;
	if (port->base.batches) {
		msg->base.each = m->each;
	} else if (m->each && m->len) {
		msg->each = m->each;
		/* That is the last one's number, and here the next one's. */
		msg->base.seq -= (m->len - 1) / m->each;
	}
	msg->base.len = m->len;
	msg->base.mapped = mapped;
	msg->base.data = m->len ? data : NULL;
	rx->free = msg->next;
	rx->nr_free--;
	msg->next = NULL;
	*rx->last = msg;
	rx->last = &msg->next;
}

static void take_all(struct kport *port, struct rx_buffer *buffer, const struct xenmsg_uapi_rx *m,
		     int n)
{
	size_t end = 0;
	int i;

	if (n <= 0)
		return;
	for (i = 0; i < n; i++) {
		take(port, buffer, &m[i]);
		if (!(m[i].flags & XENMSG_RX_MAPPED))
			end = (size_t)m[i].data + m[i].len;
	}
	buffer->fill = MIN_OF((buffer->fill + end + 7) & ~(size_t)7, port->rx.size[buffer->kind]);
}

/* Takes what the driver has. 0: at least one message is there. */
static int fill(struct kport *port)
{
	struct krecv *rx = &port->rx;
	struct xenmsg_uapi_rx msgs[BATCH];
	struct xenmsg_uapi_recv arg = { .msgs = kernel_u64(msgs), .nr = BATCH };
	struct rx_buffer *buffer;
	size_t need = 0;
	int n;

	while (rx->nr_free < BATCH)
		if (!more_handles(port))
			return -ENOMEM;
	do {
		buffer = some_buffer(rx, need);
		rx->starved = !buffer;
		if (!buffer)
			return rx->held ? -EAGAIN : -ENOMEM;
		arg.buffer = kernel_u64(buffer->data + buffer->fill);
		arg.buffer_len = left_in(rx, buffer);
		n = sys_ioctl(port->file.fd, XENMSG_IOC_RECV, &arg);
		if (n == -EMSGSIZE) {
			need = msgs[0].len;
			if (need <= arg.buffer_len)
				return -EPROTO;
		}
		take_all(port, buffer, msgs, n);
		if (rx->first)
			return 0;
	} while (n > 0 || n == -EINTR || n == -EMSGSIZE);
	rx->readable = false;
	/* Too many mapped messages are held. */
	rx->starved = n == -ENOBUFS;
	return rx->starved || !n ? -EAGAIN : n;
}

/* What is left of a batch in the end is its last message. */
static inline bool in_parts(const struct kmsg *msg)
{
	return msg->base.len > msg->each;
}

/* The next message of the batch that is first in the list. False: there is none, or no handle. */
static inline bool take_part(struct krecv *rx, struct xenmsg_msg **out)
{
	struct kmsg *batch = rx->first, *part = rx->free;
	const char *data;
	uint32_t each;

	if (!batch || !part || !in_parts(batch))
		return false;
	data = batch->base.data;
	each = batch->each;
	rx->free = part->next;
	rx->nr_free--;
	part->buffer = batch->buffer;
	part->base.data = data;
	part->base.addr = batch->base.addr;
	part->base.src_port = batch->base.src_port;
	part->base.seq = batch->base.seq++;
	part->base.len = each;
	part->base.mapped = false;
	part->buffer->nr++;
	batch->base.data = data + each;
	batch->base.len -= each;
	*out = &part->base;
	return true;
}

/* The next message, without sleeping. */
static int next(struct kport *port, struct xenmsg_msg **out)
{
	struct krecv *rx = &port->rx;
	struct kmsg *msg;
	int r;

	if (!rx->first) {
		r = port->base.number ? fill(port) : -EAGAIN;
		if (r)
			return r;
	}
	msg = rx->first;
	if (in_parts(msg)) {
		if (!rx->free && !more_handles(port))
			return -ENOMEM;
		take_part(rx, out);
		return 0;
	}
	rx->first = msg->next;
	if (!rx->first)
		rx->last = &rx->first;
	*out = &msg->base;
	return 0;
}

static int wait_for_msg(struct kport *port, struct xenmsg_msg **out, int timeout)
{
	struct kernel *k = kport_kernel(port);
	uint64_t deadline = kernel_deadline(timeout);
	int r, s;

	do {
		/* Asking in vain has published what is lazy. */
		if (!port->rx.starved)
			k->lazy = false;
		s = kernel_await(k, deadline);
		r = port->rx.readable ? next(port, out) : -EAGAIN;
	} while (r == -EAGAIN && s >= 0 && timeout);
	return r == -EAGAIN && timeout ? s : r;
}

/* At a port that is not bound. */
static int wait_for_nothing(struct kernel *k, int timeout)
{
	uint64_t deadline = kernel_deadline(timeout);
	int r = 0;

	kernel_serve(k);
	while (!k->gone && r >= 0)
		r = kernel_await(k, deadline);
	if (k->gone)
		return -EHOSTDOWN;
	return timeout ? r : -EAGAIN;
}

/* What is not at hand: not in kernel_recv(), for most messages are. */
static __attribute__((__noinline__)) int receive(struct kport *port, struct xenmsg_msg **out,
						 int timeout)
{
	struct kernel *k = kport_kernel(port);
	int r;

	r = next(port, out);
	if (r != -EAGAIN)
		return r;
	k->receiving = port;
	r = port->base.number ? wait_for_msg(port, out, timeout) : wait_for_nothing(k, timeout);
	k->receiving = NULL;
	kernel_leave(k);
	return r;
}

int kernel_recv(struct xenmsg_port *base, struct xenmsg_msg **out, int timeout)
{
	struct kport *port = kport_of(base);

	return take_part(&port->rx, out) ? 0 : receive(port, out, timeout);
}

/* ------------------------------------------------------------ in the hands */

/* What has a byte is in one piece. */
int kernel_msg_iov(const struct xenmsg_msg *msg, struct iovec *iov, int max)
{
	return msg->len != 0;
}

size_t kernel_copy(const struct xenmsg_msg *msg, size_t offset, void *buffer, size_t len)
{
	return 0;
}

/* It was the last one of its buffer, or mapped. */
static __attribute__((__noinline__)) void release_rest(struct kport *port, const struct kmsg *msg)
{
	struct kernel *k = kport_kernel(port);

	if (msg->buffer)
		put_buffer(&port->rx, msg->buffer);
	else
		give_back(port, msg->handle);
	/* What waits in the driver is not announced again. */
	if (port->rx.starved) {
		port->rx.starved = false;
		kernel_note(k);
		kernel_leave(k);
	}
}

void kernel_release(struct xenmsg_msg *base)
{
	struct kport *port = kport_of(base->port);
	struct kmsg *msg = kmsg_of(base);

	put_handle(&port->rx, msg);
	if (!msg->buffer || !--msg->buffer->nr)
		release_rest(port, msg);
}
