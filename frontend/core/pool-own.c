/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Pools that this device shares with a port of another.
 *
 *   FREE -> ADD -> ON -> DEL -> FREE               by the owner
 *                  ON -> GONE -> FREE              the receiver let go, or died
 *                  ON -> AGAIN -> ON               restart of the broker
 *                         AGAIN -> GONE            which refused it then
 *   DEL -> DEL_AGAIN -> DEL                        restart while it was deleted
 *
 * After a restart the receiver still has the pool mapped and nobody but the
 * owner knows of it, so also a pool that is being deleted is announced once
 * more, for the receiver to be told to unmap it.
 *
 * Each pool keeps a place among the requests that may wait, for its POOL_ADD:
 * after a restart the SENDs that name it, which hold shadows, wait for that.
 */
#include "frontend/core/pool.h"

#include "frontend/core/complete.h"
#include "frontend/core/tx.h"

static void control_done(struct vmsg *v, uint64_t cookie, int status)
{
	struct vmsg_answer answer = { .status = status };

	v->params.ops->control_done(v, cookie, &answer);
}

static void set_due(struct vmsg *v, unsigned int id)
{
	v->own_due |= (uint64_t)1 << id;
	v->todo |= VMSG_TODO_OWN;
}

/* The id can be used again, and the pool's place in the ring by others. */
static void set_free(struct vmsg *v, unsigned int id)
{
	v->t.own[id].state = VMSG_OWN_FREE;
	v->max_call++;
}

/* No SEND names it any more: the grants can be ended. */
static void check_gone(struct vmsg *v, unsigned int id)
{
	struct vmsg_own_pool *pool = &v->t.own[id];

	if (pool->state != VMSG_OWN_GONE || pool->sends)
		return;
	set_free(v, id);
	v->params.ops->pool_gone(v, id);
}

/* The receiver has it no more. What was not posted to this broker will not be. */
static void gone(struct vmsg *v, unsigned int id)
{
	v->own_due &= ~((uint64_t)1 << id);
	v->t.own[id].state = VMSG_OWN_GONE;
	vmsg_send_fail_queued(v, id, VMSGIF_EHOSTDOWN);
	check_gone(v, id);
}

int vmsg_pool_add(struct vmsg *v, struct vmsg_port *port, unsigned int id, uint32_t addr,
		  uint32_t dst_port, uint32_t ref, uint32_t nr_pages, uint64_t cookie)
{
	struct vmsg_own_pool *pool;

	if (v->down)
		return -EHOSTDOWN;
	if (id >= VMSGIF_MAP_POOLS_MAX || !addr || !dst_port || !nr_pages ||
	    nr_pages > VMSGIF_POOL_PAGES_MAX || !port->number)
		return -EINVAL;
	pool = &v->t.own[id];
	if (pool->state != VMSG_OWN_FREE)
		return -EADDRINUSE;
	/* Half of the requests that may wait stay for others. */
	if (v->max_call <= v->share)
		return -ENOSPC;
	v->max_call--;
	memset(pool, 0, sizeof(*pool));
	pool->addr = addr;
	pool->port = dst_port;
	pool->src_port = port->number;
	pool->ref = ref;
	pool->nr_pages = nr_pages;
	pool->owner = port;
	pool->cookie = cookie;
	pool->state = VMSG_OWN_ADD;
	set_due(v, id);
	return 0;
}

int vmsg_pool_del(struct vmsg *v, unsigned int id, uint64_t cookie)
{
	struct vmsg_own_pool *pool;

	if (v->down)
		return -EHOSTDOWN;
	if (id >= VMSGIF_MAP_POOLS_MAX || v->t.own[id].state == VMSG_OWN_FREE)
		return -EINVAL;
	pool = &v->t.own[id];
	if (pool->sends || (pool->state != VMSG_OWN_ON && pool->state != VMSG_OWN_AGAIN))
		return -EBUSY;
	pool->cookie = cookie;
	if (pool->state == VMSG_OWN_ON) {
		pool->state = VMSG_OWN_DEL;
		set_due(v, id);
	} else {
		pool->state = VMSG_OWN_DEL_AGAIN; /* POOL_ADD is due or posted */
	}
	return 0;
}

bool vmsg_own_has(const struct vmsg *v, const struct vmsg_port *port, const struct vmsg_send *send)
{
	const struct vmsg_own_pool *pool;

	if (send->map_id >= VMSGIF_MAP_POOLS_MAX)
		return false;
	pool = &v->t.own[send->map_id];
	return (pool->state == VMSG_OWN_ON || pool->state == VMSG_OWN_AGAIN) &&
	       pool->owner == port && pool->src_port == port->number && pool->addr == send->addr &&
	       pool->port == send->port && send->len &&
	       (uint64_t)send->map_offset + send->len <=
		       (uint64_t)pool->nr_pages * VMSGIF_PAGE_SIZE;
}

/* ----------------------------------------------------------------- answers */

void vmsg_own_added(struct vmsg *v, unsigned int id, int status)
{
	struct vmsg_own_pool *pool = &v->t.own[id];

	switch (pool->state) {
	case VMSG_OWN_ADD:
		pool->state = VMSG_OWN_ON;
		if (status)
			set_free(v, id);
		control_done(v, pool->cookie, status);
		break;
	case VMSG_OWN_AGAIN:
		pool->state = VMSG_OWN_ON;
		if (status)
			gone(v, id);
		break;
	default: /* DEL_AGAIN */
		pool->state = VMSG_OWN_DEL;
		if (status)
			vmsg_own_deleted(v, id, 0);
		else
			set_due(v, id);
		break;
	}
}

void vmsg_own_deleted(struct vmsg *v, unsigned int id, int status)
{
	set_free(v, id);
	control_done(v, v->t.own[id].cookie, status);
}

void vmsg_own_put(struct vmsg *v, unsigned int id)
{
	v->t.own[id].sends--;
	check_gone(v, id);
}

void vmsg_own_gone(struct vmsg *v, uint32_t addr, unsigned int id)
{
	/* In all other states the answer to a request will say so. */
	if (v->t.own[id].state == VMSG_OWN_ON && v->t.own[id].addr == addr)
		gone(v, id);
}

void vmsg_own_peer_down(struct vmsg *v, uint32_t addr)
{
	unsigned int id;

	for (id = 0; id < VMSGIF_MAP_POOLS_MAX; id++)
		vmsg_own_gone(v, addr, id);
}

/* ----------------------------------------------------------------- posting */

static void post(struct vmsg *v, unsigned int id)
{
	const struct vmsg_own_pool *pool = &v->t.own[id];
	bool del = pool->state == VMSG_OWN_DEL;
	struct vmsg_shadow *s = vmsg_tx_get(v, del ? VMSGIF_OP_POOL_DEL : VMSGIF_OP_POOL_ADD);

	s->index = (uint16_t)id;
	s->req.u.pool.id = (uint16_t)id;
	s->req.u.pool.type = VMSGIF_POOL_MAP;
	if (!del) {
		s->req.addr = pool->addr;
		s->req.port = pool->port;
		s->req.src_port = pool->src_port;
		s->req.u.pool.ref = pool->ref;
		s->req.u.pool.nr_pages = pool->nr_pages;
	}
	vmsg_tx_post(v, s);
}

void vmsg_own_pump(struct vmsg *v)
{
	unsigned int id;

	for (id = 0; id < VMSGIF_MAP_POOLS_MAX; id++) {
		uint64_t bit = (uint64_t)1 << id;

		if (!(v->own_due & bit))
			continue;
		if (!vmsg_tx_room_wait(v))
			return;
		v->own_due &= ~bit;
		post(v, id);
		v->todo |= VMSG_TODO_QUEUE; /* SENDs may have waited for it */
	}
	v->todo &= ~VMSG_TODO_OWN;
}

/* ------------------------------------------------------------------- reset */

void vmsg_own_reset_all(struct vmsg *v)
{
	unsigned int id;

	for (id = 0; id < VMSGIF_MAP_POOLS_MAX; id++) {
		struct vmsg_own_pool *pool = &v->t.own[id];

		if (pool->state == VMSG_OWN_FREE || pool->state == VMSG_OWN_GONE)
			continue;
		if (pool->state == VMSG_OWN_ON)
			pool->state = VMSG_OWN_AGAIN;
		else if (pool->state == VMSG_OWN_DEL)
			pool->state = VMSG_OWN_DEL_AGAIN;
		set_due(v, id);
	}
}

void vmsg_own_shutdown_all(struct vmsg *v, int status)
{
	unsigned int id;

	v->own_due = 0;
	for (id = 0; id < VMSGIF_MAP_POOLS_MAX; id++) {
		struct vmsg_own_pool *pool = &v->t.own[id];
		unsigned int state = pool->state;

		if (state == VMSG_OWN_FREE)
			continue;
		set_free(v, id);
		if (state == VMSG_OWN_ADD)
			control_done(v, pool->cookie, status);
		else if (state == VMSG_OWN_DEL || state == VMSG_OWN_DEL_AGAIN)
			control_done(v, pool->cookie, 0);
		else
			v->params.ops->pool_gone(v, id);
	}
}

void vmsg_own_disown(struct vmsg *v, const struct vmsg_port *port)
{
	unsigned int id;

	for (id = 0; id < VMSGIF_MAP_POOLS_MAX; id++)
		if (v->t.own[id].owner == port)
			v->t.own[id].owner = NULL;
}
