// SPDX-License-Identifier: GPL-2.0-or-later
/* The driver of fake-kernel.h: the process' pools, and its answers to those of others. */
#include "fake-kernel-parts.h"

#include <check.h>
#include <errno.h>

int fake_do_pool_add(struct fake_file *file, struct xenmsg_uapi_pool_add *arg)
{
	uint32_t id;

	ck_assert_uint_eq(arg->flags, XENMSG_POOL_NOWAIT);
	if (!arg->nr_pages || arg->nr_pages > 1024 || !arg->addr || !arg->port)
		return -EINVAL;
	/* A client in the broker's domain. */
	if (arg->addr & 0x8000)
		return -EACCES;
	if (fake.gone)
		return -EHOSTDOWN;
	if (!file->bind.port || file->unbinding)
		return -EINVAL;
	for (id = 0; id < FAKE_POOLS && file->pools[id].nr_pages; id++)
		;
	if (id == FAKE_POOLS)
		return -ENOBUFS;
	fake_memory_new(&file->pools[id], arg->nr_pages);
	arg->id = id;
	arg->offset = XENMSG_MMAP_POOL(id);
	file->added[id] = *arg;
	file->pool_state[id] = (struct fake_pool_state){ .await = true };
	return 0;
}

static bool is_of_pool(const struct xenmsg_uapi_event *event, uint32_t id)
{
	return event->slot == id &&
	       (event->type == XENMSG_EV_POOL_GONE || event->type == XENMSG_EV_POOL_ADDED);
}

/* With what would have been told of it. */
static void pool_free(struct fake_file *file, uint32_t id)
{
	unsigned int i, left = 0;

	fake_memory_free(&file->pools[id]);
	for (i = 0; i < file->nr_states; i++)
		if (!is_of_pool(&file->states[i], id))
			file->states[left++] = file->states[i];
	file->nr_states = left;
}

int fake_do_pool_del(struct fake_file *file, const struct xenmsg_uapi_pool_del *arg)
{
	unsigned int i;
	bool unknown;

	ck_assert_int_eq(arg->timeout, 0);
	if (arg->id >= FAKE_POOLS || !file->pools[arg->id].nr_pages)
		return -EINVAL;
	for (i = 0; i < fake.nr_sent; i++)
		if (fake.sent[i].file == file && !fake.sent[i].answered &&
		    (fake.sent[i].tx.flags & XENMSG_TX_POOL) && fake.sent[i].tx.nr == arg->id)
			return -EBUSY;
	/* Of one that the receiver let go of, the engine knows nothing. */
	unknown = file->pool_state[arg->id].gone;
	pool_free(file, arg->id);
	fake.nr_deleted++;
	return unknown ? fake.gone ? -EHOSTDOWN : -EINVAL : -ETIMEDOUT;
}

int fake_do_pool_mapped(struct fake_file *file, const struct xenmsg_uapi_pool_mapped *arg)
{
	enum fake_foreign *state;

	if (arg->status > 0 || arg->slot >= FAKE_FOREIGN)
		return -EINVAL;
	state = &file->foreign[arg->slot];
	if (*state != FAKE_FOREIGN_ASKED && (*state != FAKE_FOREIGN_LEAVING || !arg->status))
		return -EINVAL;
	*state = arg->status ? FAKE_FOREIGN_NONE : FAKE_FOREIGN_MAPPED;
	fake.mapped[fake.nr_mapped++ % FAKE_POOLS] = *arg;
	return 0;
}
