// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Batches: lazy messages of one length from one port to another go to the driver
 * in one call, as one message.
 *
 * A port has one that is being filled, here. It goes when it is full, when its port
 * sends elsewhere, before any other message to the same destination, wherever lazy
 * messages are published, and after VMSGIF_LAZY_NS: a timer makes the application's
 * descriptor readable, if it polls that. If the driver has no room for it, it is kept,
 * and whoever has more to send waits for room as ever.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "frontend/lib/iov.h"
#include "kernel.h"

int kbatches_open(struct kernel *k)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.ptr = &k->batches };

	k->batches.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (k->batches.timer_fd < 0)
		return -errno;
	return epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, k->batches.timer_fd, &event) ? -errno : 0;
}

void kbatches_close(struct kernel *k)
{
	if (k->batches.timer_fd >= 0)
		close(k->batches.timer_fd);
	k->batches.timer_fd = -1;
}

/* Only who polls sees it: every wait of ours is behind a kernel_publish(). */
static void set_timer(struct kernel *k)
{
	static const struct itimerspec its = { .it_value.tv_nsec = VMSGIF_LAZY_NS };
	struct kbatches *batches = &k->batches;

	/* One that is set fires early enough. */
	if (k->notice.polled && !batches->ticking &&
	    !timerfd_settime(batches->timer_fd, 0, &its, NULL))
		batches->ticking = true;
}

void kbatches_polled(struct kernel *k)
{
	if (!list_empty(&k->batches.all))
		set_timer(k);
}

void kbatches_timer(struct kernel *k)
{
	uint64_t count;

	k->batches.ticking = false;
	if (read(k->batches.timer_fd, &count, sizeof(count)) == sizeof(count) &&
	    !list_empty(&k->batches.all))
		kernel_publish(k);
}

static bool goes_with(const struct kbatch *batch, const struct given *given)
{
	return batch->each == given->len && batch->addr == given->addr &&
	       batch->number == given->number && batch->len < batch->most;
}

static uint32_t most_bytes(const struct kernel *k, uint32_t each)
{
	uint32_t most = MIN_OF(VMSGIF_BATCH_BYTES, k->max_message);

	most = MIN_OF(most, VMSGIF_BATCH_MESSAGES * each);
	return most - most % each;
}

/* False: there cannot be one. */
static bool begin(struct kport *port, const struct given *given)
{
	struct kernel *k = kport_kernel(port);
	struct kbatch *batch = &port->batch;
	uint32_t each = (uint32_t)given->len, most = most_bytes(k, each);

	if (!batch->data)
		batch->data = malloc(VMSGIF_BATCH_BYTES);
	if (!batch->data || !most)
		return false;
	batch->most = most;
	batch->addr = given->addr;
	batch->number = given->number;
	batch->each = each;
	batch->len = 0;
	list_add_tail(&k->batches.all, &batch->link);
	set_timer(k);
	return true;
}

static struct xenmsg_uapi_tx whole(const struct kbatch *batch)
{
	struct xenmsg_uapi_tx tx = {
		.data = kernel_u64(batch->data),
		.len = batch->len,
		.addr = batch->addr,
		.port = batch->number,
		.flags = XENMSG_TX_LAZY,
	};
	uint32_t count = batch->len / batch->each;

	if (count > 1) {
		tx.flags |= XENMSG_TX_BATCH;
		tx.nr = (uint16_t)batch->each;
		tx.cookie = COOKIE_BATCH | COOKIE_ROOM(count);
	}
	return tx;
}

static void over(struct kbatch *batch)
{
	list_del(&batch->link);
	batch->each = 0;
	batch->most = 0;
}

int kbatch_end(struct kport *port)
{
	struct kbatch *batch = &port->batch;
	struct xenmsg_uapi_tx tx;
	int r;

	if (!batch->each)
		return 0;
	tx = whole(batch);
	r = kport_post(port, &tx);
	if (r == -EAGAIN)
		return r;
	if (r)
		kevent_failed(port, &tx, r);
	kport_kernel(port)->lazy = true;
	over(batch);
	return 0;
}

void kbatch_full(struct kport *port)
{
	(void)kbatch_end(port);
	kernel_leave(kport_kernel(port));
}

void kbatch_drop(struct kport *port, int status)
{
	struct kbatch *batch = &port->batch;
	struct xenmsg_uapi_tx tx;

	if (!batch->each)
		return;
	tx = whole(batch);
	kevent_failed(port, &tx, status);
	over(batch);
}

void kbatch_free(struct kport *port)
{
	over(&port->batch);
	free(port->batch.data);
	port->batch.data = NULL;
}

void kbatches_end(struct kernel *k)
{
	struct kbatch *batch, *next;

	list_for_each_entry_safe(batch, next, &k->batches.all, link)
		(void)kbatch_end(CONTAINER_OF(batch, struct kport, batch));
}

int kbatches_end_to(struct kernel *k, uint32_t addr, uint32_t number)
{
	struct kbatch *batch, *next;
	int r = 0;

	list_for_each_entry_safe(batch, next, &k->batches.all, link)
		if (batch->addr == addr && batch->number == number &&
		    kbatch_end(CONTAINER_OF(batch, struct kport, batch)))
			r = -EAGAIN;
	return r;
}

/* Whether another port has a batch for the same destination. */
static bool other_batch(struct kport *port, const struct given *given)
{
	const struct kbatch *batch;

	list_for_each_entry(batch, &kport_kernel(port)->batches.all, link)
		if (batch != &port->batch && batch->addr == given->addr &&
		    batch->number == given->number)
			return true;
	return false;
}

int kbatch_send(struct kport *port, const struct given *given, const uint64_t *seq)
{
	struct source source = { given->iov, given->iov + given->nr, 0 };
	struct kbatch *batch = &port->batch;
	bool candidate = !kport_kernel(port)->gone && given_may_batch(given, seq);

	/* There is no room: others are not to wait for a destination that is slow. */
	if (batch->each && (!candidate || !goes_with(batch, given)) && kbatch_end(port))
		return batch->addr == given->addr && batch->number == given->number ? -EAGAIN : 0;
	if (!candidate)
		return 0;
	if (!batch->each && (other_batch(port, given) || !begin(port, given)))
		return 0;
	iov_gather(&source, batch->data + batch->len, given->len);
	batch->len += batch->each;
	if (batch->len == batch->most)
		kbatch_full(port);
	return 1;
}
