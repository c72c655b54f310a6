// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Receiving: handles of messages, and their payload in place.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "front.h"

#define BLOCK 63

/* Handles are made in blocks, which live as long as their port. */
struct msg_block {
	struct msg_block *next;
	struct xenmsg_msg msgs[BLOCK];
};

static bool more_msgs(struct xenmsg_port *port)
{
	struct msg_block *block = malloc(sizeof(*block));
	unsigned int i;

	if (!block)
		return false;
	block->next = port->blocks;
	port->blocks = block;
	for (i = 0; i < BLOCK; i++) {
		block->msgs[i].port = port;
		block->msgs[i].next = port->free_msgs;
		port->free_msgs = &block->msgs[i];
	}
	return true;
}

void msgs_free(struct xenmsg_port *port)
{
	struct msg_block *next;

	while (port->blocks) {
		next = port->blocks->next;
		free(port->blocks);
		port->blocks = next;
	}
}

/* Without memory for a handle the message stays where it is. */
static int take(struct xenmsg_port *port, struct xenmsg_msg **out)
{
	struct xenmsg_msg *msg;

	if (!port->free_msgs && !more_msgs(port))
		return -ENOMEM;
	msg = port->free_msgs;
	msg->msg = vmsg_recv(port->x->v, port->engine, &msg->info);
	if (!msg->msg)
		return -EAGAIN;
	port->free_msgs = msg->next;
	*out = msg;
	return 0;
}

static int wait_for_msg(struct xenmsg_port *port, struct xenmsg_msg **out, int timeout)
{
	struct xenmsg *x = port->x;
	uint64_t deadline;
	int r;

	user_poll(x->user);
	r = take(port, out);
	if (r != -EAGAIN)
		return r;
	if (!timeout)
		return user_gone(x->user) ? -EHOSTDOWN : -EAGAIN;
	deadline = user_deadline(timeout);
	while (r == -EAGAIN) {
		r = lib_wait(x, deadline);
		if (!r)
			r = take(port, out);
	}
	return r;
}

int xenmsg_recv(struct xenmsg_port *port, struct xenmsg_msg **out, int timeout)
{
	struct xenmsg *x = port->x;
	int r;

	r = take(port, out);
	if (r != -EAGAIN)
		return r;
	x->receiving = port;
	r = wait_for_msg(port, out, timeout);
	x->receiving = NULL;
	/* There is nothing to do: a good time for what is lazy. */
	user_publish(x->user, r != 0);
	lib_leave(x);
	return r;
}

uint32_t xenmsg_msg_addr(const struct xenmsg_msg *msg)
{
	return msg->info.addr;
}

uint32_t xenmsg_msg_port(const struct xenmsg_msg *msg)
{
	return msg->info.src_port;
}

uint64_t xenmsg_msg_seq(const struct xenmsg_msg *msg)
{
	return msg->info.seq;
}

size_t xenmsg_msg_len(const struct xenmsg_msg *msg)
{
	return msg->info.len;
}

int xenmsg_msg_is_mapped(const struct xenmsg_msg *msg)
{
	return msg->info.mapped;
}

static bool piece(const struct xenmsg_msg *msg, uint32_t *cursor, const void **data, uint32_t *len)
{
	const struct xenmsg_port *port = msg->port;

	return vmsg_msg_piece(port->x->v, port->engine, msg->msg, cursor, data, len);
}

int xenmsg_msg_iov(const struct xenmsg_msg *msg, struct iovec *iov, int max)
{
	uint32_t cursor = 0, len;
	const void *data;
	int n;

	for (n = 0; piece(msg, &cursor, &data, &len); n++)
		if (n < max)
			iov[n] = (struct iovec){ (void *)(uintptr_t)data, len };
	return n;
}

size_t xenmsg_copy(const struct xenmsg_msg *msg, size_t offset, void *buffer, size_t len)
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

void xenmsg_release(struct xenmsg_msg *msg)
{
	struct xenmsg_port *port;

	if (!msg)
		return;
	port = msg->port;
	vmsg_release(port->x->v, port->engine, msg->msg);
	msg->next = port->free_msgs;
	port->free_msgs = msg;
	/* A sender may be waiting for the room. */
	user_publish(port->x->user, false);
	lib_leave(port->x);
}
