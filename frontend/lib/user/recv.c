// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Receiving: handles of messages, and their payload in place.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "front.h"
#include "frontend/core/msg.h"

#define BLOCK 63

/* Handles are made in blocks, which live as long as their port. */
struct msg_block {
	struct msg_block *next;
	struct front_msg msgs[BLOCK];
};

static bool more_msgs(struct front_port *port)
{
	struct msg_block *block = malloc(sizeof(*block));
	unsigned int i;

	if (!block)
		return false;
	block->next = port->blocks;
	port->blocks = block;
	for (i = 0; i < BLOCK; i++) {
		block->msgs[i].base.port = &port->base;
		block->msgs[i].base.each = 0;
		block->msgs[i].next = port->free_msgs;
		port->free_msgs = &block->msgs[i];
	}
	return true;
}

void msgs_free(struct front_port *port)
{
	struct msg_block *next;

	while (port->blocks) {
		next = port->blocks->next;
		free(port->blocks);
		port->blocks = next;
	}
	splits_free(port);
}

/* Without memory for a handle the message stays where it is. */
static inline __attribute__((__always_inline__)) int take(struct front_port *port,
							  struct xenmsg_msg **out)
{
	struct front_msg *msg = port->free_msgs;
	struct vmsg_info info;

	if (UNLIKELY(!msg)) {
		if (!more_msgs(port))
			return -ENOMEM;
		msg = port->free_msgs;
	}
	if (UNLIKELY(port->split != NULL)) {
		split_next(port, msg);
		port->free_msgs = msg->next;
		*out = &msg->base;
		return 0;
	}
	if (UNLIKELY(!split_room(port)))
		return -ENOMEM;
	msg->msg = vmsg_msg_next(port_front(port)->v, port->engine, &info);
	if (!msg->msg)
		return -EAGAIN;
	port->free_msgs = msg->next;
	*out = &msg->base;
	if (info.each && !port->base.batches) {
		split_begin(port, msg->msg, &info);
		split_next(port, msg);
		return 0;
	}
	if (port->base.batches)
		msg->base.each = info.each;
	msg->split = NULL;
	msg->base.addr = info.addr;
	msg->base.src_port = info.src_port;
	msg->base.seq = info.seq;
	msg->base.len = info.len;
	msg->base.mapped = info.mapped;
	msg->base.data = info.data;
	return 0;
}

static int wait_for_msg(struct front_port *port, struct xenmsg_msg **out, int timeout)
{
	struct front *f = port_front(port);
	uint64_t deadline;
	int r;

	user_poll(f->user);
	r = take(port, out);
	if (r == -EAGAIN && !timeout && user_gone(f->user))
		r = -EHOSTDOWN;
	if (r == -EAGAIN && timeout) {
		deadline = user_deadline(timeout);
		do {
			r = front_await(f, deadline);
			if (!r)
				r = take(port, out);
		} while (r == -EAGAIN);
		/* It was published with what came in. */
		if (!r)
			return 0;
	}
	user_publish(f->user, r != 0);
	return r;
}

static __attribute__((__noinline__)) int found_none(struct front_port *port,
						    struct xenmsg_msg **out, int timeout)
{
	struct front *f = port_front(port);
	int r;

	/* There is nothing to do: a good time for what is lazy. */
	batches_end(f);
	f->receiving = port;
	r = wait_for_msg(port, out, timeout);
	f->receiving = NULL;
	front_leave(f);
	return r;
}

int front_recv(struct xenmsg_port *base, struct xenmsg_msg **out, int timeout)
{
	int r;

	if (split_take(port_of(base), out))
		return 0;
	r = take(port_of(base), out);
	return LIKELY(r != -EAGAIN) ? r : found_none(port_of(base), out, timeout);
}

static bool piece(const struct xenmsg_msg *msg, uint32_t *cursor, const void **data, uint32_t *len)
{
	const struct front_port *port = port_of(msg->port);

	if (msg_of(msg)->split)
		return split_piece(msg_of(msg), cursor, data, len);
	return vmsg_msg_piece(port_front(port)->v, port->engine, msg_of(msg)->msg, cursor, data,
			      len);
}

/* Of a message in pages: those that follow each other, as their memory does, are one piece. */
static int page_pieces(const struct vmsg *v, const struct vmsg_msg *msg, struct iovec *iov, int max)
{
	uint32_t page = msg->ref, left = msg->len, len;
	int n;

	for (n = 0; left; n++, left -= len) {
		void *begin = v->params.rx_pages[page];

		len = MIN_OF(left, vmsg_msg_row(v, &page) * VMSGIF_PAGE_SIZE);
		if (n < max)
			iov[n] = (struct iovec){ begin, len };
	}
	return n;
}

static __attribute__((__noinline__)) int
other_pieces(const struct front_port *port, const struct vmsg_msg *msg, struct iovec *iov, int max)
{
	struct vmsg *v = port_front(port)->v;
	uint32_t cursor = 0, len;
	const void *data;
	int n;

	for (n = 0; vmsg_msg_piece(v, port->engine, msg, &cursor, &data, &len); n++)
		if (n < max)
			iov[n] = (struct iovec){ (void *)(uintptr_t)data, len };
	return n;
}

int front_pieces(const struct front_port *port, const struct vmsg_msg *msg, struct iovec *iov,
		 int max)
{
	if (LIKELY(msg->form == VMSG_MSG_PAGES))
		return page_pieces(port_front(port)->v, msg, iov, max);
	return other_pieces(port, msg, iov, max);
}

static __attribute__((__noinline__)) int part_pieces(const struct front_msg *msg, struct iovec *iov,
						     int max)
{
	uint32_t cursor = 0, len;
	const void *data;
	int n;

	for (n = 0; split_piece(msg, &cursor, &data, &len); n++)
		if (n < max)
			iov[n] = (struct iovec){ (void *)(uintptr_t)data, len };
	return n;
}

int front_msg_iov(const struct xenmsg_msg *base, struct iovec *iov, int max)
{
	const struct front_msg *msg = msg_of(base);

	if (msg->split)
		return part_pieces(msg, iov, max);
	return front_pieces(port_of(base->port), msg->msg, iov, max);
}

size_t front_copy(const struct xenmsg_msg *msg, size_t offset, void *buffer, size_t len)
{
	uint32_t cursor = 0, there;
	size_t done = 0, n;
	const void *data;

	while (done < len && piece(msg, &cursor, &data, &there)) {
		if (offset >= there) {
			offset -= there;
			continue;
		}
		n = there - offset;
		n = n < len - done ? n : len - done;
		memcpy((char *)buffer + done, (const char *)data + offset, n);
		done += n;
		offset = 0;
	}
	return done;
}

void front_release(struct xenmsg_msg *base)
{
	struct front_port *port = port_of(base->port);
	struct front_msg *msg = msg_of(base);
	struct front *f = port_front(port);
	struct split *split = msg->split;
	struct vmsg_msg *whole = msg->msg;

	msg->next = port->free_msgs;
	port->free_msgs = msg;
	if (split) {
		if (--split->unreleased)
			return;
		whole = split->msg;
		split_put(port, split);
	}
	/* A sender may be waiting for the room. */
	if (UNLIKELY(vmsg_msg_release(f->v, port->engine, whole)))
		send_leave(f, false);
}
