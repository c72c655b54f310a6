// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Sending.
 *
 * Each message is a call of its own, so that its error is the caller's. What is
 * lazy goes to the driver at once, too: it has the timer for it, and a copy in
 * its pages is the copy that has to be made anyway.
 */
#include <stdlib.h>

#include "frontend/lib/iov.h"
#include "kernel.h"

/*
 * A program that only sends asks for no events. The driver keeps 256, and those
 * that it drops include such as give rooms back.
 */
#define FETCH_AFTER 128

#define PIECES_MAX 1024 /* the kernel takes no more: UIO_MAXIOV */

/* After -EAGAIN, for which a file is watched. 0: something has changed, try again. */
static int make_room(struct kernel *k, unsigned int flags)
{
	/* Who finds no room publishes. */
	k->lazy = false;
	return flags & XENMSG_NONBLOCK ? -EAGAIN : kernel_await(k, UINT64_MAX);
}

int kport_post(struct kport *port, struct xenmsg_uapi_tx *tx)
{
	struct xenmsg_uapi_send s = { .msgs = kernel_u64(tx), .nr = 1 };
	int r;

	/* Before, so that none of them is about this message. */
	if (port->unfetched >= FETCH_AFTER)
		kevent_fetch(kport_kernel(port), &port->file);
	do
		r = sys_ioctl(port->file.fd, XENMSG_IOC_SEND, &s);
	while (r == -EINTR);
	if (r == -EAGAIN) {
		port->stuck = true;
		kfile_watch(kport_kernel(port), &port->file);
	}
	if (r < 0)
		return r;
	port->sent = true;
	port->unfetched += port->area.nr_pages || !list_empty(&port->pools);
	return 0;
}

static int send_one(struct kport *port, struct xenmsg_uapi_tx *tx, unsigned int flags)
{
	int r;

	for (;;) {
		r = kbatches_end_to(kport_kernel(port), tx->addr, tx->port);
		if (!r)
			r = kport_post(port, tx);
		if (r != -EAGAIN)
			return r;
		r = make_room(kport_kernel(port), flags);
		if (r < 0 && r != -EINTR)
			return r;
	}
}

int kport_send(struct kport *port, struct xenmsg_uapi_tx *tx, unsigned int flags, uint64_t *seq)
{
	struct kernel *k = kport_kernel(port);
	int r;

	if (flags & XENMSG_CONFIRM) {
		tx->flags |= XENMSG_TX_CONFIRM;
		tx->cookie |= COOKIE_CONFIRM;
	}
	if (flags & XENMSG_LAZY)
		tx->flags |= XENMSG_TX_LAZY;
	r = send_one(port, tx, flags);
	if (!r) {
		/* One that is not lazy takes along those that are. */
		k->lazy = flags & XENMSG_LAZY;
		if (seq)
			*seq = tx->seq;
	}
	return r;
}

void ktx_pieces(struct xenmsg_uapi_tx *tx, const struct iovec *iov, int nr)
{
	if (nr == 1) {
		tx->data = kernel_u64(iov->iov_base);
	} else if (nr) {
		tx->data = kernel_u64(iov);
		tx->nr = (uint16_t)nr;
		tx->flags |= XENMSG_TX_IOV;
	}
}

/* More pieces than the kernel takes. */
static int send_joined(struct kport *port, struct xenmsg_uapi_tx *tx, const struct given *given,
		       uint64_t *seq)
{
	struct source source = { given->iov, given->iov + given->nr, 0 };
	char *all = malloc(given->len + 1);
	int r;

	if (!all)
		return -ENOMEM;
	iov_gather(&source, all, given->len);
	tx->data = kernel_u64(all);
	r = kport_send(port, tx, given->flags, seq);
	free(all);
	return r;
}

static int send_alone(struct kport *port, const struct given *given, uint64_t *seq)
{
	struct xenmsg_uapi_tx tx = {
		.len = (uint32_t)given->len,
		.addr = given->addr,
		.port = given->number,
	};

	if (given->nr > PIECES_MAX)
		return send_joined(port, &tx, given, seq);
	/* Pieces without a byte may be nowhere, and then need not be told. */
	if (given->len)
		ktx_pieces(&tx, given->iov, given->nr);
	return kport_send(port, &tx, given->flags, seq);
}

/* As kbatch_send(), but waits for room for the batch before, unless the flags say no. */
static int send_batched(struct kport *port, const struct given *given, const uint64_t *seq)
{
	int r;

	while ((r = kbatch_send(port, given, seq)) == -EAGAIN) {
		r = make_room(kport_kernel(port), given->flags);
		if (r < 0 && r != -EINTR)
			break;
	}
	return r;
}

int kernel_sendv(struct xenmsg_port *base, const struct given *given, uint64_t *seq)
{
	struct kport *port = kport_of(base);
	int r = send_batched(port, given, seq);

	if (r > 0)
		return 0;
	if (!r)
		r = send_alone(port, given, seq);
	kernel_leave(kport_kernel(port));
	return r;
}

/* Not in kernel_send(), which hardly ever needs its room on the stack. */
static __attribute__((__noinline__)) int send_any(struct xenmsg_port *base, uint32_t addr,
						  uint32_t number, const void *data, size_t len,
						  unsigned int flags, uint64_t *seq)
{
	struct iovec iov;
	const struct given given = given_one(&iov, addr, number, data, len, flags);

	return kernel_sendv(base, &given, seq);
}

int kernel_send(struct xenmsg_port *base, uint32_t addr, uint32_t number, const void *data,
		size_t len, unsigned int flags, uint64_t *seq)
{
	if (kbatch_add(kport_of(base), addr, number, data, len, flags, seq))
		return 0;
	return send_any(base, addr, number, data, len, flags, seq);
}
