// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receiving, many messages in a call.
 *
 * With the lock, messages are taken from the engine; without it, they are
 * copied to the process, which may take as long as it likes; with the lock,
 * they are released. What was taken and did not fit waits, taken, for the next
 * call. A second mutex per endpoint keeps its messages from being dropped while
 * they are copied; nobody sleeps for a message with it.
 *
 * A message in map mode is not copied: the process is told where in the
 * sender's pool it is, and releases it by a handle.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "front.h"

#define BATCH	 XENMSG_UAPI_BATCH
#define HELD_MAX 4096 /* mapped messages in the hands of a process */

struct rx_item {
	struct vmsg_msg *msg;
	struct vmsg_info info;
};

struct rx_pending {
	struct rx_item items[BATCH];
};

void recv_free(struct endpoint *ep)
{
	kvfree(ep->pending);
	xa_destroy(&ep->held);
}

void recv_drop(struct endpoint *ep)
{
	ep->pending_nr = 0;
	xa_destroy(&ep->held);
	ep->nr_held = 0;
	ep->readable = false;
}

/* Takes messages up to @nr in all. */
static void take(struct endpoint *ep, unsigned int nr)
{
	struct vmsg_front *front = ep->front;
	struct rx_item *item;

	/* What is left of an earlier call comes first. */
	memmove(ep->pending->items, &ep->pending->items[ep->pending_first],
		ep->pending_nr * sizeof(*item));
	ep->pending_first = 0;
	while (ep->readable && ep->pending_nr < nr) {
		item = &ep->pending->items[ep->pending_nr];
		item->msg = vmsg_recv(front->v, ep->port, &item->info);
		if (!item->msg) {
			ep->readable = false;
			break;
		}
		event_peer(ep, item->info.addr);
		ep->pending_nr++;
	}
}

/* Those that are there; -EAGAIN: none. */
static int take_some(struct endpoint *ep, unsigned int nr)
{
	if (ep->state != EP_BOUND)
		return -EINVAL;
	take(ep, nr);
	if (!ep->pending_nr) {
		front_service(ep->front, false);
		take(ep, nr);
	}
	if (ep->pending_nr)
		return 0;
	return front_usable(ep->front) ?: -EAGAIN;
}

/* Until there may be one. Another thread may have unbound the port meanwhile. */
static int wait_for_message(struct endpoint *ep, long *left)
{
	int r = 0;

	front_lock(ep->front);
	if (ep->state == EP_BOUND && !ep->readable && !ep->pending_nr)
		r = front_usable(ep->front) ?: front_sleep(ep, left);
	front_unlock(ep->front);
	return r;
}

/* ------------------------------------------------------------ to the process */

/* A place in the process. */
struct out {
	struct xenmsg_uapi_rx __user *msgs;
	u8 __user *buffer;
	u64 len;
	u64 at;
};

/*
 * The pieces are in pages, or in the memory of the port, and the engine knows how long they are:
 * as in copy_payload() of send.c, nobody looks up what they are a part of.
 */
static int copy_pieces(struct endpoint *ep, const struct rx_item *item, u8 __user *to)
{
	u32 cursor = 0, len;
	const void *data;

	if (item->info.data)
		return _copy_to_user(to, item->info.data, item->info.len) ? -EFAULT : 0;
	while (vmsg_msg_piece(ep->front->v, ep->port, item->msg, &cursor, &data, &len)) {
		if (_copy_to_user(to, data, len))
			return -EFAULT;
		to += len;
	}
	return 0;
}

/* A mapped one: it stays with the process until it is released. */
static int describe_mapped(struct endpoint *ep, const struct rx_item *item,
			   struct xenmsg_uapi_rx *rx)
{
	u32 cursor = 0, len;
	const void *va;

	if (READ_ONCE(ep->nr_held) >= HELD_MAX)
		return -ENOBUFS;
	if (!vmsg_msg_piece(ep->front->v, ep->port, item->msg, &cursor, &va, &len))
		return -EIO;
	/*
	 * A handle that stands for nothing yet: another thread may guess it, and
	 * must not release what this one may fail to hand out.
	 */
	if (xa_alloc(&ep->held, &rx->handle, NULL, xa_limit_31b, GFP_KERNEL_ACCOUNT))
		return -ENOMEM;
	rx->flags = XENMSG_RX_MAPPED;
	rx->slot = FOREIGN_HANDLE(va);
	rx->data = FOREIGN_OFFSET(va);
	return 0;
}

/* From here on it is the process's. */
static void hand_out(struct endpoint *ep, const struct rx_item *item, u32 handle)
{
	front_lock(ep->front);
	/* In the place of the reserved one, so no memory is needed. */
	xa_store(&ep->held, handle, item->msg, GFP_KERNEL_ACCOUNT);
	WRITE_ONCE(ep->nr_held, ep->nr_held + 1);
	mutex_unlock(&ep->front->lock);
}

/* One message. -ENOSPC: there is no more room in the buffer. */
static int give(struct endpoint *ep, const struct rx_item *item, struct out *out)
{
	struct xenmsg_uapi_rx rx = {
		.seq = item->info.seq,
		.len = item->info.len,
		.addr = item->info.addr,
		.src_port = item->info.src_port,
		.each = item->info.each,
	};
	int r;

	if (item->info.mapped) {
		r = describe_mapped(ep, item, &rx);
	} else {
		rx.data = ALIGN(out->at, 8);
		if (rx.data > out->len || rx.len > out->len - rx.data)
			return -ENOSPC;
		r = copy_pieces(ep, item, out->buffer + rx.data);
		out->at = rx.data + rx.len;
	}
	if (!r && copy_to_user(out->msgs, &rx, sizeof(rx)))
		r = -EFAULT;
	out->msgs++;
	if (rx.flags && r)
		xa_erase(&ep->held, rx.handle);
	else if (rx.flags)
		hand_out(ep, item, rx.handle);
	return r;
}

/* The first one is longer than the whole buffer. */
static int too_long(const struct rx_item *item, struct xenmsg_uapi_rx __user *msgs)
{
	struct xenmsg_uapi_rx rx = { .seq = item->info.seq, .len = item->info.len };

	return copy_to_user(msgs, &rx, sizeof(rx)) ? -EFAULT : -EMSGSIZE;
}

/* Those that were copied are the engine's again. */
static void release_copied(struct endpoint *ep, unsigned int nr)
{
	unsigned int i;

	front_lock(ep->front);
	for (i = 0; i < nr; i++)
		if (!ep->pending->items[i].info.mapped)
			vmsg_release(ep->front->v, ep->port, ep->pending->items[i].msg);
	ep->pending_first = nr;
	ep->pending_nr -= nr;
	front_unlock(ep->front);
}

/* -EAGAIN: there is none. */
static long receive(struct endpoint *ep, const struct xenmsg_uapi_recv *arg)
{
	unsigned int i, nr = min_t(u32, arg->nr, BATCH);
	struct out out = {
		.msgs = u64_to_user_ptr(arg->msgs),
		.buffer = u64_to_user_ptr(arg->buffer),
		.len = arg->buffer_len,
	};
	int r;

	if (!ep->pending)
		ep->pending = kvzalloc(sizeof(*ep->pending), GFP_KERNEL_ACCOUNT);
	if (!ep->pending)
		return -ENOMEM;
	front_lock(ep->front);
	r = take_some(ep, nr);
	front_unlock(ep->front);
	if (r)
		return r;
	nr = min(nr, ep->pending_nr);
	for (i = 0; i < nr; i++) {
		r = give(ep, &ep->pending->items[i], &out);
		if (r)
			break;
	}
	if (!i)
		return r == -ENOSPC ? too_long(&ep->pending->items[0], out.msgs) : r;
	release_copied(ep, i);
	return i;
}

long recv_messages(struct endpoint *ep, struct xenmsg_uapi_recv __user *arg, bool nonblock)
{
	struct xenmsg_uapi_recv r;
	long n, left;
	int s;

	if (copy_from_user(&r, arg, sizeof(r)))
		return -EFAULT;
	if (!r.nr)
		return -EINVAL;
	if (nonblock)
		r.timeout = 0;
	left = front_jiffies(r.timeout);
	for (;;) {
		if (mutex_lock_interruptible(&ep->recv_lock))
			return front_interrupted(left);
		n = receive(ep, &r);
		mutex_unlock(&ep->recv_lock);
		if (n != -EAGAIN)
			return n;
		/* Also without time: who asks in vain publishes what is lazy. */
		s = wait_for_message(ep, &left);
		if (s)
			return s == -ETIMEDOUT && !r.timeout ? -EAGAIN : s;
	}
}

static int release(struct endpoint *ep, u32 handle)
{
	/* One that is reserved is no message, and stays so. */
	struct vmsg_msg *msg = xa_load(&ep->held, handle);

	if (!msg)
		return -EINVAL;
	xa_erase(&ep->held, handle);
	WRITE_ONCE(ep->nr_held, ep->nr_held - 1);
	vmsg_release(ep->front->v, ep->port, msg);
	return 0;
}

long recv_release(struct endpoint *ep, struct xenmsg_uapi_release __user *arg)
{
	struct xenmsg_uapi_release q;
	u32 handles[64], n, i;
	long r = 0;

	if (copy_from_user(&q, arg, sizeof(q)))
		return -EFAULT;
	if (!q.nr || q.nr > BATCH || q.reserved)
		return -EINVAL;
	for (; q.nr && !r; q.nr -= n, q.handles += n * sizeof(*handles)) {
		n = min_t(u32, q.nr, ARRAY_SIZE(handles));
		if (copy_from_user(handles, u64_to_user_ptr(q.handles), n * sizeof(*handles)))
			return -EFAULT;
		front_lock(ep->front);
		for (i = 0; i < n && !r; i++)
			r = release(ep, handles[i]);
		front_unlock(ep->front);
	}
	return r;
}
