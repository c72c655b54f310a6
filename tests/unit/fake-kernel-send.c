// SPDX-License-Identifier: GPL-2.0-or-later
/* The driver of fake-kernel.h: what is sent, and the TX area that it may be sent from. */
#include "fake-kernel-parts.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "frontend/core/core.h"

#define TX_WHERE (XENMSG_TX_IOV | XENMSG_TX_AREA | XENMSG_TX_POOL | XENMSG_TX_BATCH)
#define TX_FLAGS (TX_WHERE | XENMSG_TX_LAZY | XENMSG_TX_CONFIRM)

static bool lies_in(const struct xenmsg_uapi_tx *tx, const struct fake_memory *memory)
{
	uint64_t bytes = (uint64_t)memory->nr_pages * PAGE;

	return tx->len && tx->data < bytes && tx->len <= bytes - tx->data;
}

static int area_pages(struct fake_file *file, const struct xenmsg_uapi_tx *tx, bool take)
{
	uint64_t page;

	if (!lies_in(tx, &file->area))
		return -EINVAL;
	for (page = tx->data / PAGE; page <= (tx->data + tx->len - 1) / PAGE; page++) {
		if (take)
			file->area_busy[page] = true;
		else if (file->area_busy[page])
			return -EBUSY;
	}
	return 0;
}

static void gather(char *to, const struct xenmsg_uapi_tx *tx)
{
	const struct iovec *iov = fake_pointer(tx->data);
	size_t done = 0;
	unsigned int i;

	ck_assert_uint_le(tx->nr, 1024);
	for (i = 0; i < tx->nr; i++) {
		ck_assert_uint_le(done + iov[i].iov_len, tx->len);
		if (iov[i].iov_len)
			memcpy(to + done, iov[i].iov_base, iov[i].iov_len);
		done += iov[i].iov_len;
	}
	ck_assert_uint_eq(done, tx->len);
}

static bool is_pool(const struct fake_file *file, uint32_t id)
{
	return id < FAKE_POOLS && file->pools[id].nr_pages && !file->pool_state[id].gone;
}

static int check_tx(struct fake_file *file, const struct xenmsg_uapi_tx *tx)
{
	unsigned int where = tx->flags & TX_WHERE;

	if (fake.gone)
		return -EHOSTDOWN;
	if ((where & (where - 1)) || !tx->addr || !tx->port)
		return -EINVAL;
	if (!(where & (XENMSG_TX_IOV | XENMSG_TX_POOL | XENMSG_TX_BATCH)) && tx->nr)
		return -EINVAL;
	if (where & XENMSG_TX_BATCH && (!tx->nr || !vmsg_batch_valid(tx->len, tx->nr)))
		return -EINVAL;
	if (tx->len > fake.info.max_message)
		return -EMSGSIZE;
	if (fake.no_room)
		return -EAGAIN;
	if (where == XENMSG_TX_POOL)
		return is_pool(file, tx->nr) && !file->pool_state[tx->nr].await &&
				       lies_in(tx, &file->pools[tx->nr]) ?
			       0 :
			       -EINVAL;
	return where == XENMSG_TX_AREA ? area_pages(file, tx, false) : 0;
}

static int send_one(struct fake_file *file, struct xenmsg_uapi_tx *tx)
{
	struct fake_sent *sent = &fake.sent[fake.nr_sent];
	int r;

	ck_assert_uint_lt(fake.nr_sent, FAKE_SENT);
	ck_assert_uint_eq(tx->flags & ~TX_FLAGS, 0);
	r = check_tx(file, tx);
	if (r)
		return r;
	sent->bytes = calloc(1, tx->len + 1);
	if (tx->flags & XENMSG_TX_AREA)
		memcpy(sent->bytes, file->area.va + tx->data, tx->len);
	else if (tx->flags & XENMSG_TX_POOL)
		memcpy(sent->bytes, file->pools[tx->nr].va + tx->data, tx->len);
	else if (tx->flags & XENMSG_TX_IOV)
		gather(sent->bytes, tx);
	else if (tx->len) /* a batch, too */
		memcpy(sent->bytes, fake_pointer(tx->data), tx->len);
	if (tx->flags & XENMSG_TX_AREA)
		area_pages(file, tx, true);
	fake.nr_sent++;
	fake.seq += VMSGIF_BATCH_COUNT(tx->len, tx->flags & XENMSG_TX_BATCH ? tx->nr : 0);
	tx->seq = fake.seq;
	fake.published |= !(tx->flags & XENMSG_TX_LAZY);
	sent->file = file;
	sent->tx = *tx;
	file->unanswered++;
	return 0;
}

int fake_do_send(struct fake_file *file, const struct xenmsg_uapi_send *arg)
{
	struct xenmsg_uapi_tx *msgs = fake_pointer(arg->msgs);
	unsigned int i;
	int r = 0;

	for (i = 0; i < arg->nr; i++) {
		r = send_one(file, &msgs[i]);
		if (r)
			break;
	}
	file->stuck = !i && r == -EAGAIN;
	/* Who finds no room is about to sleep. */
	fake.published |= file->stuck;
	/* Whoever may have to serve others while he waits does not wait here. */
	ck_assert_int_eq(arg->timeout, 0);
	return i ? (int)i : r;
}

int fake_do_flush(struct fake_file *file, struct xenmsg_uapi_flush *arg)
{
	ck_assert_int_eq(arg->timeout, 0);
	/* To look does not publish; to wait, however short, does. */
	fake.published |= file->unanswered != 0;
	if (file->unanswered)
		return -ETIMEDOUT;
	arg->status = file->failure;
	file->failure = 0;
	return 0;
}

int fake_do_area(struct fake_file *file, const struct xenmsg_uapi_area *arg)
{
	if (fake.gone)
		return -EHOSTDOWN;
	if (file->area.nr_pages || !arg->nr_pages || arg->reserved)
		return -EINVAL;
	if (arg->nr_pages > fake.area_limit)
		return -ENOBUFS;
	fake_memory_new(&file->area, arg->nr_pages);
	return 0;
}
