// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Map mode, the sender's side: pages of the driver, shared with one port of one
 * receiver, and mapped here. See room.h for how room in them is found.
 *
 * A pool being closed is unmapped at once, and deleted when its messages are
 * answered; the driver does not let us wait for that, nor need we.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "kernel.h"

#define PAGE KERNEL_PAGE

static size_t pool_bytes(const struct kpool *pool)
{
	return (size_t)pool->rooms.nr_pages * PAGE;
}

static void unmap(struct kpool *pool)
{
	if (pool->rooms.va)
		munmap(pool->rooms.va, pool_bytes(pool));
	pool->rooms.va = NULL;
}

void kpool_free(struct kpool *pool)
{
	unmap(pool);
	list_del(&pool->link);
	rooms_fini(&pool->rooms);
	free(pool);
}

struct kpool *kpool_find(const struct kport *port, uint32_t id)
{
	struct kpool *pool;

	list_for_each_entry(pool, &port->pools, link)
		if (pool->id == id)
			return pool;
	return NULL;
}

static struct kpool *new_pool(struct kport *port, unsigned int nr_pages)
{
	struct kpool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	if (rooms_init(&pool->rooms, nr_pages)) {
		free(pool);
		return NULL;
	}
	pool->base.x = port->base.x;
	pool->base.port = &port->base;
	list_init(&pool->link);
	return pool;
}

static int delete (const struct kpool *pool)
{
	struct xenmsg_uapi_pool_del d = { .id = pool->id };

	return sys_ioctl(kpool_port(pool)->file.fd, XENMSG_IOC_POOL_DEL, &d);
}

bool kpool_close_step(struct kpool *pool)
{
	/* Whatever else it says: under way, or gone. */
	if (pool->nr_sent || delete (pool) == -EBUSY)
		return false;
	kpool_free(pool);
	return true;
}

/* Ask for it, and wait for the receiver to have mapped it. */
static int share(struct kpool *pool, int timeout)
{
	struct kport *port = kpool_port(pool);
	uint64_t deadline = kernel_deadline(timeout);
	struct xenmsg_uapi_pool_add a = {
		.addr = pool->addr,
		.port = pool->number,
		.nr_pages = pool->rooms.nr_pages,
		.flags = XENMSG_POOL_NOWAIT,
	};
	int r;

	r = kernel_ask(port->file.fd, XENMSG_IOC_POOL_ADD, &a, &a.timeout, timeout);
	if (r)
		return r;
	pool->id = a.id;
	pool->opening = true;
	list_add_tail(&port->pools, &pool->link);
	while (r >= 0 && pool->opening)
		r = kernel_await(kport_kernel(port), deadline);
	if (pool->opening)
		delete (pool);
	return pool->opening ? r : pool->status;
}

static int map(struct kpool *pool)
{
	void *va;
	int r;

	r = kfile_mmap(&kpool_port(pool)->file, XENMSG_MMAP_POOL(pool->id), pool->rooms.nr_pages,
		       &va);
	if (r)
		delete (pool);
	else
		pool->rooms.va = va;
	return r;
}

int kernel_pool_open(struct xenmsg_port *base, uint32_t addr, uint32_t number, size_t bytes,
		     struct xenmsg_pool **out, int timeout)
{
	struct kport *port = kport_of(base);
	struct kpool *pool = new_pool(port, (unsigned int)((bytes + PAGE - 1) / PAGE));
	int r;

	if (!pool)
		return -ENOMEM;
	pool->addr = addr;
	pool->number = number;
	r = share(pool, timeout);
	if (!r)
		r = map(pool);
	if (r)
		kpool_free(pool);
	else
		*out = &pool->base;
	kernel_leave(kport_kernel(port));
	return r;
}

void kernel_pool_close(struct xenmsg_pool *base)
{
	struct kpool *pool = kpool_of(base);
	struct kernel *k = kernel_of(base->x);

	if (pool->closing)
		return;
	unmap(pool);
	pool->closing = true;
	kpool_port(pool)->look = true;
	k->closing = true;
	kernel_closing(k);
	kernel_leave(k);
}

/* No room. 0: something has changed, try again. */
static int make_room(struct kpool *pool, unsigned int flags)
{
	struct kport *port = kpool_port(pool);
	struct kernel *k = kport_kernel(port);
	int r;

	if (kport_recover(port))
		return 0;
	if (port->lost) {
		port->draining = true;
		kfile_watch(k, &port->file);
	}
	r = kernel_await(k, flags & XENMSG_NONBLOCK ? 0 : UINT64_MAX);
	return r == -ETIMEDOUT ? -EAGAIN : r < 0 ? r : 0;
}

int kernel_pool_get(struct xenmsg_pool *base, size_t len, void **data, unsigned int flags)
{
	struct kpool *pool = kpool_of(base);
	struct kport *port = kpool_port(pool);
	int r, s;

	do {
		r = pool->gone ? -EHOSTDOWN : room_get(&pool->rooms, len);
		s = r == -EAGAIN ? make_room(pool, flags) : 0;
	} while (r == -EAGAIN && !s);
	if (!port->lost && port->draining) {
		port->draining = false;
		kfile_watch(kport_kernel(port), &port->file);
	}
	kernel_leave(kport_kernel(port));
	if (r < 0)
		return s ? s : r;
	*data = pool->rooms.va + (size_t)r * PAGE;
	return 0;
}

void kernel_pool_put(struct xenmsg_pool *base, void *data)
{
	struct rooms *rooms = &kpool_of(base)->rooms;
	int head = room_of(rooms, data, 0);

	if (head >= 0)
		room_put(rooms, (unsigned int)head);
}

int kernel_pool_send(struct xenmsg_pool *base, void *data, size_t len, unsigned int flags,
		     uint64_t *seq)
{
	struct kpool *pool = kpool_of(base);
	struct xenmsg_uapi_tx tx = {
		.len = (uint32_t)len,
		.addr = pool->addr,
		.port = pool->number,
		.flags = XENMSG_TX_POOL | XENMSG_TX_CONFIRM,
		.nr = (uint16_t)pool->id,
	};
	int head = room_of(&pool->rooms, data, len);
	int r;

	if (head < 0)
		return head;
	if (pool->gone)
		return -EHOSTDOWN;
	tx.data = (uint64_t)((char *)data - pool->rooms.va);
	tx.cookie = COOKIE_POOL | COOKIE_ROOM(head) | COOKIE_OF_POOL(pool->id);
	r = kport_send(kpool_port(pool), &tx, flags, seq);
	if (!r) {
		room_set_busy(&pool->rooms, (unsigned int)head);
		pool->nr_sent++;
	} else if (r == -EINVAL) {
		/* The receiver let go of it, and the messages in it are not answered yet. */
		r = -EHOSTDOWN;
	}
	kernel_leave(kernel_of(base->x));
	return r;
}
