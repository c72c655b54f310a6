// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Map mode, the sender's side: a pool shared with one port of one receiver.
 *
 * Room in it is as room.h says; one that is sent is busy until the receiver has
 * released the message.
 *
 * A pool being closed waits for its messages, then for the answer to POOL_DEL
 * (the receiver has unmapped it), and then ends the grants.
 */
#include <errno.h>
#include <stdlib.h>

#include "front.h"

#define PAGE VMSGIF_PAGE_SIZE

static int start_add(struct front *f, void *arg, uint64_t cookie)
{
	const struct front_pool *pool = arg;

	return vmsg_pool_add(f->v, pool_port(pool)->engine, pool->id, pool->addr, pool->number,
			     user_pool_directory(pool->memory), pool->rooms.nr_pages, cookie);
}

/* The lowest id that no pool has, -1 if all are taken. */
static int free_id(const struct front *f)
{
	const struct front_pool *pool;
	uint64_t used = 0;

	_Static_assert(VMSGIF_MAP_POOLS_MAX == 64, "a bit for each id");
	list_for_each_entry(pool, &f->pools, link)
		used |= UINT64_C(1) << pool->id;
	return ~used ? __builtin_ctzll(~used) : -1;
}

static struct front_pool *new_pool(struct front_port *port, unsigned int nr_pages)
{
	struct front_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->base.x = port->base.x;
	pool->base.port = &port->base;
	list_init(&pool->link);
	if (rooms_init(&pool->rooms, nr_pages)) {
		pool_destroy(pool);
		return NULL;
	}
	return pool;
}

void pool_destroy(struct front_pool *pool)
{
	call_end(&pool->call);
	list_del(&pool->link);
	user_pool_free(pool_front(pool)->user, pool->memory);
	rooms_fini(&pool->rooms);
	free(pool);
}

static int share(struct front_pool *pool, uint32_t addr, uint32_t number)
{
	struct front *f = pool_front(pool);
	int domid = user_domid_of(f->user, addr);
	int id = free_id(f);
	int r;

	if (domid < 0)
		return domid;
	if (id < 0)
		return -ENOBUFS;
	r = user_pool_new(f->user, (uint32_t)domid, pool->rooms.nr_pages, &pool->memory);
	if (r)
		return r;
	pool->rooms.va = user_pool_memory(pool->memory);
	pool->id = (unsigned int)id;
	pool->addr = addr;
	pool->number = number;
	list_add_tail(&f->pools, &pool->link);
	return 0;
}

int front_pool_open(struct xenmsg_port *port, uint32_t addr, uint32_t number, size_t bytes,
		    struct xenmsg_pool **out, int timeout)
{
	struct front_pool *pool;
	int r;

	pool = new_pool(port_of(port), (unsigned int)((bytes + PAGE - 1) / PAGE));
	if (!pool)
		return -ENOMEM;
	r = share(pool, addr, number);
	if (r) {
		pool_destroy(pool);
		return r;
	}
	r = call_run(pool_front(pool), &pool->call, start_add, pool, user_deadline(timeout), true);
	if (r) {
		/* If the answer may still come, closing goes on from there. */
		pool->added = pool->call.cookie;
		front_pool_close(&pool->base);
		return r;
	}
	pool->added = true;
	*out = &pool->base;
	return 0;
}

static void ask_to_delete(struct front_pool *pool)
{
	struct call *call = &pool->call;
	int r;

	if (call->cookie) {
		if (!call->done)
			return; /* POOL_ADD is under way */
		call_end(call);
		if (call->answer.status) {
			pool->added = false;
			return;
		}
	}
	call_begin(pool_front(pool), call);
	r = vmsg_pool_del(pool_front(pool)->v, pool->id, call->cookie);
	if (!r) {
		pool->asked = true;
		return;
	}
	call_end(call);
	/* No room for the request, or not free of messages: later. Else it does not exist. */
	if (r != -EAGAIN && r != -EBUSY)
		pool->added = false;
}

void pool_close_step(struct front_pool *pool)
{
	struct front *f = pool_front(pool);

	if (!pool->closing)
		return;
	if (pool->nr_sent) {
		vmsg_drained(f->v, pool_port(pool)->engine);
		return;
	}
	if (pool->added && !pool->asked)
		ask_to_delete(pool);
	if (pool->asked && pool->call.done)
		pool->added = false;
	if (!pool->added) {
		f->nr_closing--;
		pool_destroy(pool);
	}
}

void front_pool_close(struct xenmsg_pool *base)
{
	struct front_pool *pool = pool_of(base);
	struct front *f = pool_front(pool);

	if (pool->closing)
		return;
	batches_end(f);
	pool->closing = true;
	f->nr_closing++;
	pool_close_step(pool);
	user_publish(f->user, true);
	front_leave(f);
}

/* There was none. */
static __attribute__((__noinline__)) int wait_for_room(struct front_pool *pool, size_t len,
						       unsigned int flags)
{
	struct front *f = pool_front(pool);
	int r;

	do {
		/* Room comes with answers: these are to wake us. */
		vmsg_drained(f->v, pool_port(pool)->engine);
		r = make_room(f, flags);
		if (r)
			break;
		r = pool->gone ? -EHOSTDOWN : room_get(&pool->rooms, len);
	} while (r == -EAGAIN);
	send_leave(f, r < 0);
	return r;
}

int front_pool_get(struct xenmsg_pool *base, size_t len, void **data, unsigned int flags)
{
	struct front_pool *pool = pool_of(base);
	int r = pool->gone ? -EHOSTDOWN : room_get(&pool->rooms, len);

	if (UNLIKELY(r == -EAGAIN))
		r = wait_for_room(pool, len, flags);
	if (r < 0)
		return r;
	*data = pool->rooms.va + (size_t)r * PAGE;
	return 0;
}

void front_pool_put(struct xenmsg_pool *base, void *data)
{
	struct front_pool *pool = pool_of(base);
	int head = room_of(&pool->rooms, data, 0);

	if (head >= 0)
		room_put(&pool->rooms, (unsigned int)head);
}

int front_pool_send(struct xenmsg_pool *base, void *data, size_t len, unsigned int flags,
		    uint64_t *seq)
{
	struct front_pool *pool = pool_of(base);
	struct vmsg_send send = {
		.addr = pool->addr,
		.port = pool->number,
		.len = (uint32_t)len,
		.form = VMSG_MAP,
		.map_id = pool->id,
		.open = true,
	};
	int head, r;

	head = room_of(&pool->rooms, data, len);
	if (head < 0)
		return head;
	if (pool->gone)
		return -EHOSTDOWN;
	send.map_offset = (uint32_t)((char *)data - pool->rooms.va);
	if ((flags | XENMSG_NONBLOCK) == (XENMSG_LAZY | XENMSG_NONBLOCK) &&
	    send_join(pool_port(pool), &send, seq)) {
		room_set_busy(&pool->rooms, (unsigned int)head);
		return 0;
	}
	r = send_post(pool_port(pool), &send, flags, pool, (uint16_t)head, seq);
	if (!r) {
		room_set_busy(&pool->rooms, (unsigned int)head);
		pool->nr_sent++;
	} else if (r == -EINVAL) {
		/* The receiver let go of it, and the messages in it are not answered yet. */
		r = -EHOSTDOWN;
	}
	send_leave(pool_front(pool), r != 0);
	return r;
}
