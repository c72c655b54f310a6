// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The functions for ports: opening, sending, receiving; see transport.h for the
 * model.
 */
#include <errno.h>
#include <string.h>

#include <xen/io/vmsgif.h>

#include "iov.h"
#include "transport.h"

#define BUFFER_DEFAULT ((2u << 20) + 128)
#define BUFFER_MAX     ((size_t)1 << 30)
/* Nobody asks a receiver before messages are sent as a batch. */
#define BUFFER_MIN VMSGIF_MSG_COST(VMSGIF_BATCH_BYTES)

int xenmsg_port_open(struct xenmsg *x, uint32_t number, const struct xenmsg_bind *bind,
		     struct xenmsg_port **out)
{
	struct xenmsg_bind b = { 0 };
	int r;

	if (bind)
		memcpy(&b, bind, bind->size < sizeof(b) ? bind->size : sizeof(b));
	if ((b.service && (!number || !name_length(b.service))) || b.buffer > BUFFER_MAX ||
	    b.batches > 1)
		return -EINVAL;
	if (!b.buffer)
		b.buffer = BUFFER_DEFAULT;
	if (b.buffer < BUFFER_MIN)
		b.buffer = BUFFER_MIN;
	r = x->ops->port_open(x, number, &b, out);
	if (!r)
		(*out)->batches = b.batches;
	return r;
}

void xenmsg_port_close(struct xenmsg_port *port)
{
	if (!port)
		return;
	event_forget(&port->x->events, port);
	port->x->ops->port_close(port);
}

uint32_t xenmsg_port_number(const struct xenmsg_port *port)
{
	return port->number;
}

/* ------------------------------------------------------------------- send */

int xenmsg_send(struct xenmsg_port *port, uint32_t addr, uint32_t number, const void *data,
		size_t len, unsigned flags, uint64_t *seq)
{
	if (len > XENMSG_MESSAGE_MAX)
		return -EMSGSIZE;
	return port->x->ops->send(port, addr, number, data, len, flags, seq);
}

int xenmsg_sendv(struct xenmsg_port *port, uint32_t addr, uint32_t number, const struct iovec *iov,
		 int nr, unsigned flags, uint64_t *seq)
{
	const struct given given = {
		.addr = addr,
		.number = number,
		.iov = iov,
		.nr = nr,
		.flags = flags,
		.len = iov_total(iov, nr),
	};

	if (nr < 0)
		return -EINVAL;
	if (given.len == SIZE_MAX)
		return -EMSGSIZE;
	return port->x->ops->sendv(port, &given, seq);
}

int xenmsg_buffer_get(struct xenmsg_port *port, size_t len, struct xenmsg_buffer *buffer,
		      unsigned flags)
{
	if (!len || len > XENMSG_MESSAGE_MAX)
		return len ? -EMSGSIZE : -EINVAL;
	return port->x->ops->buffer_get(port, len, buffer, flags);
}

int xenmsg_buffer_send(struct xenmsg_port *port, uint32_t addr, uint32_t number,
		       struct xenmsg_buffer *buffer, unsigned flags, uint64_t *seq)
{
	return port->x->ops->buffer_send(port, addr, number, buffer, flags, seq);
}

void xenmsg_buffer_put(struct xenmsg_port *port, struct xenmsg_buffer *buffer)
{
	port->x->ops->buffer_put(port, buffer);
}

/* ---------------------------------------------------------------- receive */

int xenmsg_recv(struct xenmsg_port *port, struct xenmsg_msg **out, int timeout)
{
	return port->x->ops->recv(port, out, timeout);
}

uint32_t xenmsg_msg_addr(const struct xenmsg_msg *msg)
{
	return msg->addr;
}

uint32_t xenmsg_msg_port(const struct xenmsg_msg *msg)
{
	return msg->src_port;
}

uint64_t xenmsg_msg_seq(const struct xenmsg_msg *msg)
{
	return msg->seq;
}

size_t xenmsg_msg_len(const struct xenmsg_msg *msg)
{
	return msg->len;
}

int xenmsg_msg_is_mapped(const struct xenmsg_msg *msg)
{
	return msg->mapped;
}

uint32_t xenmsg_msg_each(const struct xenmsg_msg *msg)
{
	return msg->each;
}

int xenmsg_msg_iov(const struct xenmsg_msg *msg, struct iovec *iov, int max)
{
	if (!msg->data || max <= 0)
		return msg->port->x->ops->msg_iov(msg, iov, max);
	iov[0] = (struct iovec){ (void *)(uintptr_t)msg->data, msg->len };
	return 1;
}

size_t xenmsg_copy(const struct xenmsg_msg *msg, size_t offset, void *buffer, size_t len)
{
	if (!msg->data)
		return msg->port->x->ops->copy(msg, offset, buffer, len);
	if (offset >= msg->len)
		return 0;
	if (len > msg->len - offset)
		len = msg->len - offset;
	memcpy(buffer, (const char *)msg->data + offset, len);
	return len;
}

void xenmsg_release(struct xenmsg_msg *msg)
{
	if (msg)
		msg->port->x->ops->release(msg);
}
