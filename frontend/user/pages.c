// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Pages that other domains may see, from gntalloc.
 *
 * Each page names one domain for its life, and is new and zeroed by the kernel
 * (drivers/xen/gntalloc.c:add_grefs()), so nothing of an owner before can be
 * in it. Giving pages back is an munmap(); the kernel keeps those that the
 * other domain still maps until it lets go. All of the guest's processes
 * together have 1024 of them unless the module is told otherwise.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"

int shared_new(struct user *user, uint32_t domid, unsigned int nr, bool writable,
	       struct shared *out)
{
	struct shared shared = { .nr = nr, .refs = calloc(nr, sizeof(*shared.refs)) };

	if (!shared.refs)
		return -ENOMEM;
	shared.va = xengntshr_share_pages(user->gntshr, domid, (int)nr, shared.refs, writable);
	if (!shared.va) {
		free(shared.refs);
		return errno == ENOSPC ? -ENOSPC : -ENOMEM;
	}
	*out = shared;
	return 0;
}

/* However we end: the kernel does it when the mapping goes (drivers/xen/gntalloc.c:__del_gref()). */
int shared_alive(struct user *user, uint32_t domid, evtchn_port_t port, struct shared *out)
{
	struct shared shared = { .nr = 1, .refs = calloc(1, sizeof(*shared.refs)) };

	if (!shared.refs)
		return -ENOMEM;
	shared.va = xengntshr_share_page_notify(user->gntshr, domid, shared.refs, false, 0, port);
	if (!shared.va) {
		free(shared.refs);
		return errno == ENOSPC ? -ENOSPC : -ENOMEM;
	}
	*(uint8_t *)shared.va = 1;
	*out = shared;
	return 0;
}

void shared_free(struct user *user, struct shared *shared)
{
	if (shared->va)
		xengntshr_unshare(user->gntshr, shared->va, shared->nr);
	free(shared->refs);
	*shared = (struct shared){ 0 };
}

static void fill_directory(struct user_pool *pool)
{
	memcpy(pool->directory.va, pool->pages.refs, pool->pages.nr * sizeof(*pool->pages.refs));
}

int pool_new(struct user *user, unsigned int nr, bool writable, struct user_pool *pool)
{
	int r;

	r = user->bus->share(user, nr, writable, &pool->pages);
	if (r)
		return r;
	r = user->bus->share(user, 1, false, &pool->directory);
	if (r) {
		user->bus->unshare(user, &pool->pages);
		return r;
	}
	fill_directory(pool);
	return 0;
}

void pool_free(struct user *user, struct user_pool *pool)
{
	user->bus->unshare(user, &pool->directory);
	user->bus->unshare(user, &pool->pages);
}

/* ------------------------------------------------------------ for map mode */

int user_pool_new(struct user *user, uint32_t domid, unsigned int nr_pages, struct user_pool **out)
{
	struct user_pool *pool;
	int r;

	if (!nr_pages || nr_pages > VMSGIF_POOL_PAGES_MAX)
		return -EINVAL;
	/* On the local bus it is not needed before. */
	if (!user->gntshr)
		user->gntshr = xengntshr_open(&user->quiet, 0);
	if (!user->gntshr)
		return -EACCES;
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return -ENOMEM;
	r = shared_new(user, domid, nr_pages, false, &pool->pages);
	if (!r)
		r = shared_new(user, domid, 1, false, &pool->directory);
	if (r) {
		user_pool_free(user, pool);
		return r;
	}
	fill_directory(pool);
	*out = pool;
	return 0;
}

void user_pool_free(struct user *user, struct user_pool *pool)
{
	if (!pool)
		return;
	shared_free(user, &pool->directory);
	shared_free(user, &pool->pages);
	free(pool);
}

void *user_pool_memory(const struct user_pool *pool)
{
	return pool->pages.va;
}

uint32_t user_pool_directory(const struct user_pool *pool)
{
	return pool->directory.refs[0];
}
