/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Pools of other domains, which the OS layer maps for the engine.
 *
 *   FREE -> MAPPING -> MAPPED -> DRAINING -> UNMAPPING -> ACKING -> FREE
 *                         \----> DETACHED -> FREE                owner died
 *
 * A pool is unmapped when nothing in it is held; if its owner dies before, its
 * pages are replaced by private copies, so that the owner's domain can go.
 * POOL_ACKs are owed to the broker that announced the pool and to no other.
 *
 * What is refused has no slot here. It keeps the RX page of its event until the
 * POOL_ACK is posted: so there are never more of these than RX pages.
 */
#include "frontend/core/pool.h"

#include "frontend/core/port.h"
#include "frontend/core/rx.h"
#include "frontend/core/tx.h"

/* The one that the broker means by that. */
static struct vmsg_foreign_pool *find(struct vmsg *v, uint32_t addr, unsigned int id)
{
	unsigned int i;

	for (i = 0; i < v->params.max_pools; i++) {
		struct vmsg_foreign_pool *pool = &v->t.foreign[i];

		if (pool->addr == addr && pool->id == id &&
		    (pool->state == VMSG_FOREIGN_MAPPING || pool->state == VMSG_FOREIGN_MAPPED ||
		     pool->state == VMSG_FOREIGN_DRAINING))
			return pool;
	}
	return NULL;
}

/* Whether the broker will be told that it is not mapped any more, as soon as that is so. */
static bool unmapping(const struct vmsg *v, uint32_t addr, unsigned int id)
{
	unsigned int i;

	for (i = 0; i < v->params.max_pools; i++) {
		const struct vmsg_foreign_pool *pool = &v->t.foreign[i];

		if (pool->state == VMSG_FOREIGN_UNMAPPING && pool->announced &&
		    pool->addr == addr && pool->id == id)
			return true;
	}
	return false;
}

static unsigned int slot_of(const struct vmsg *v, const struct vmsg_foreign_pool *pool)
{
	return (unsigned int)(pool - v->t.foreign);
}

static bool matches(const struct vmsg_foreign_pool *pool, const struct vmsgif_rx_response *r)
{
	return pool->addr == r->addr && pool->id == r->u.map.id &&
	       pool->state == VMSG_FOREIGN_MAPPED;
}

int vmsg_foreign_find(struct vmsg *v, struct vmsg_port *port, const struct vmsgif_rx_response *r,
		      uint32_t offset)
{
	struct vmsg_foreign_pool *pool = NULL;

	if (port->pool_slot < v->params.max_pools)
		pool = &v->t.foreign[port->pool_slot];
	if (!pool || !matches(pool, r)) {
		pool = find(v, r->addr, r->u.map.id);
		if (!pool)
			return -1;
		port->pool_slot = (uint16_t)slot_of(v, pool);
	}
	if (pool->state != VMSG_FOREIGN_MAPPED || pool->port != r->port ||
	    (uint64_t)offset + r->len > (uint64_t)pool->nr_pages * VMSGIF_PAGE_SIZE)
		return -1;
	return port->pool_slot;
}

/* -------------------------------------------------------------- POOL_ACKs */

static void ack(struct vmsg *v, struct vmsg_foreign_pool *pool, int status)
{
	pool->ack = true;
	pool->ack_status = status;
	v->todo |= VMSG_TODO_ACKS;
}

/* Nothing is mapped any more, and whoever has to know is told. */
static void unmapped(struct vmsg *v, struct vmsg_foreign_pool *pool, int status)
{
	pool->state = pool->announced ? VMSG_FOREIGN_ACKING : VMSG_FOREIGN_FREE;
	if (pool->announced)
		ack(v, pool, status);
}

static void post_ack(struct vmsg *v, uint32_t addr, unsigned int id, int status)
{
	struct vmsg_shadow *s = vmsg_tx_get(v, VMSGIF_OP_POOL_ACK);

	s->req.addr = addr;
	s->req.u.pool.id = (uint16_t)id;
	s->req.u.pool.type = VMSGIF_POOL_MAP;
	s->req.u.pool.status = status;
	vmsg_tx_post(v, s);
}

static bool reject(struct vmsg *v, const struct vmsgif_rx_response *r, unsigned int page,
		   int status)
{
	struct vmsg_reject *reject;
	unsigned int at = v->first_reject + v->nr_rejects++;

	if (at >= v->params.nr_rx_pages)
		at -= v->params.nr_rx_pages;
	reject = &v->t.rejects[at];
	reject->addr = r->addr;
	reject->id = r->u.pool.id;
	reject->page = (uint16_t)page;
	reject->status = status;
	v->todo |= VMSG_TODO_ACKS;
	return true;
}

void vmsg_foreign_pump(struct vmsg *v)
{
	unsigned int i;

	for (i = 0; i < v->params.max_pools; i++) {
		struct vmsg_foreign_pool *pool = &v->t.foreign[i];

		if (!pool->ack)
			continue;
		if (!vmsg_tx_room_control(v))
			return;
		post_ack(v, pool->addr, pool->id, pool->ack_status);
		pool->ack = false;
		if (pool->state == VMSG_FOREIGN_ACKING)
			pool->state = VMSG_FOREIGN_FREE;
	}
	while (v->nr_rejects) {
		const struct vmsg_reject *reject = &v->t.rejects[v->first_reject];

		if (!vmsg_tx_room_control(v))
			return;
		post_ack(v, reject->addr, reject->id, reject->status);
		vmsg_rx_give(v, reject->page);
		v->nr_rejects--;
		if (++v->first_reject == v->params.nr_rx_pages)
			v->first_reject = 0;
	}
	v->todo &= ~VMSG_TODO_ACKS;
}

/* ------------------------------------------------------------------ events */

/* The same pool again, after a restart of the broker. */
static bool add_again(struct vmsg *v, struct vmsg_foreign_pool *pool,
		      const struct vmsgif_rx_response *r, unsigned int page)
{
	if (pool->ref != r->u.pool.ref || pool->nr_pages != r->u.pool.nr_pages ||
	    pool->port != r->port)
		return reject(v, r, page, VMSGIF_EADDRINUSE);
	pool->announced = true;
	if (pool->state == VMSG_FOREIGN_MAPPING)
		return false;
	pool->state = VMSG_FOREIGN_MAPPED;
	ack(v, pool, 0);
	return false;
}

bool vmsg_foreign_add(struct vmsg *v, const struct vmsgif_rx_response *r, unsigned int page)
{
	const struct vmsgif_pool *p = &r->u.pool;
	struct vmsg_foreign_pool *pool = find(v, r->addr, p->id);
	struct vmsg_port *port;
	unsigned int i;

	if (p->type != VMSGIF_POOL_MAP || p->id >= VMSGIF_MAP_POOLS_MAX || !p->nr_pages ||
	    p->nr_pages > VMSGIF_POOL_PAGES_MAX || p->status)
		return reject(v, r, page, VMSGIF_EINVAL);
	if (pool)
		return add_again(v, pool, r, page);
	port = vmsg_port_find(v, r->port);
	if (!port)
		return reject(v, r, page, VMSGIF_ECONNREFUSED);
	for (i = 0; i < v->params.max_pools; i++) {
		pool = &v->t.foreign[i];
		if (pool->state == VMSG_FOREIGN_FREE)
			break;
	}
	if (i == v->params.max_pools)
		return reject(v, r, page, VMSGIF_ENOBUFS);
	memset(pool, 0, sizeof(*pool));
	pool->addr = r->addr;
	pool->port = r->port;
	pool->ref = p->ref;
	pool->nr_pages = p->nr_pages;
	pool->id = p->id;
	pool->state = VMSG_FOREIGN_MAPPING;
	pool->announced = true;
	v->params.ops->pool_map(v, port, i, pool->addr, pool->ref, pool->nr_pages);
	return false;
}

static void unmap(struct vmsg *v, struct vmsg_foreign_pool *pool)
{
	pool->state = VMSG_FOREIGN_UNMAPPING;
	pool->ack = false;
	v->params.ops->pool_unmap(v, slot_of(v, pool), false);
}

/* To be unmapped as soon as nothing is held. */
static void let_go(struct vmsg *v, struct vmsg_foreign_pool *pool)
{
	if (pool->state == VMSG_FOREIGN_MAPPING) {
		pool->state = VMSG_FOREIGN_DROPPED;
	} else if (pool->held) {
		pool->state = VMSG_FOREIGN_DRAINING;
		pool->ack = false;
	} else {
		unmap(v, pool);
	}
}

bool vmsg_foreign_del(struct vmsg *v, const struct vmsgif_rx_response *r, unsigned int page)
{
	struct vmsg_foreign_pool *pool = find(v, r->addr, r->u.pool.id);

	if (pool) {
		pool->announced = true;
		let_go(v, pool);
	} else if (!unmapping(v, r->addr, r->u.pool.id)) {
		return reject(v, r, page, VMSGIF_ECONNREFUSED);
	}
	return false;
}

void vmsg_foreign_peer_down(struct vmsg *v, uint32_t addr)
{
	unsigned int i;

	for (i = 0; i < v->params.max_pools; i++) {
		struct vmsg_foreign_pool *pool = &v->t.foreign[i];
		unsigned int state = pool->state;

		if (state == VMSG_FOREIGN_FREE || state == VMSG_FOREIGN_DETACHED ||
		    (addr && pool->addr != addr))
			continue;
		pool->announced = false; /* nobody is left to whom an ACK would say anything */
		pool->ack = false;
		if (state == VMSG_FOREIGN_ACKING) {
			pool->state = VMSG_FOREIGN_FREE;
		} else if (state == VMSG_FOREIGN_MAPPING || state == VMSG_FOREIGN_DROPPED) {
			pool->state = VMSG_FOREIGN_DROPPED;
		} else if (pool->held) {
			pool->state = VMSG_FOREIGN_DETACHED;
			v->params.ops->pool_unmap(v, i, true);
		} else if (state != VMSG_FOREIGN_UNMAPPING) {
			unmap(v, pool);
		}
	}
}

void vmsg_foreign_unbound(struct vmsg *v, uint32_t port)
{
	unsigned int i;

	for (i = 0; i < v->params.max_pools; i++) {
		struct vmsg_foreign_pool *pool = &v->t.foreign[i];

		if (pool->port == port &&
		    (pool->state == VMSG_FOREIGN_MAPPING || pool->state == VMSG_FOREIGN_MAPPED))
			let_go(v, pool);
	}
}

/* -------------------------------------------------------------- OS layer */

/*
 * The owner learns whether another pool would do (EFAULT: this one is bad), or
 * another time (ENOBUFS), or none at all (EACCES): then it goes on with copies.
 */
static int ack_status(int status)
{
	switch (status) {
	case -EACCES:
	case -EPERM:
		return VMSGIF_EACCES;
	case -ENOMEM:
	case -ENOBUFS:
		return VMSGIF_ENOBUFS;
	case -ECONNREFUSED:
		return VMSGIF_ECONNREFUSED;
	default:
		return VMSGIF_EFAULT;
	}
}

void vmsg_pool_mapped(struct vmsg *v, unsigned int slot, int status, const void *va)
{
	struct vmsg_foreign_pool *pool = &v->t.foreign[slot];

	if (pool->state == VMSG_FOREIGN_DROPPED && !status) {
		unmap(v, pool);
	} else if (pool->state == VMSG_FOREIGN_DROPPED) {
		unmapped(v, pool, VMSGIF_ECONNREFUSED);
	} else if (pool->state == VMSG_FOREIGN_MAPPING && status) {
		unmapped(v, pool, ack_status(status));
	} else if (pool->state == VMSG_FOREIGN_MAPPING) {
		pool->va = va;
		pool->state = VMSG_FOREIGN_MAPPED;
		if (pool->announced)
			ack(v, pool, 0);
	}
}

void vmsg_pool_unmapped(struct vmsg *v, unsigned int slot)
{
	struct vmsg_foreign_pool *pool = &v->t.foreign[slot];

	if (pool->state == VMSG_FOREIGN_UNMAPPING)
		unmapped(v, pool, VMSGIF_ECONNREFUSED);
}

bool vmsg_foreign_put(struct vmsg *v, unsigned int slot)
{
	struct vmsg_foreign_pool *pool = &v->t.foreign[slot];
	bool detached = pool->state == VMSG_FOREIGN_DETACHED;

	if (--pool->held)
		return !detached;
	if (detached) {
		v->params.ops->pool_free(v, slot);
		pool->state = VMSG_FOREIGN_FREE;
	} else if (pool->state == VMSG_FOREIGN_DRAINING) {
		let_go(v, pool);
	}
	return !detached;
}

void vmsg_foreign_reset_all(struct vmsg *v)
{
	unsigned int i;

	for (i = 0; i < v->params.max_pools; i++) {
		struct vmsg_foreign_pool *pool = &v->t.foreign[i];

		pool->announced = false;
		pool->ack = false;
		if (pool->state == VMSG_FOREIGN_ACKING)
			pool->state = VMSG_FOREIGN_FREE;
	}
}
