/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the small broker does with requests; see core-broker.h. */
#include "tests/unit/core-broker-state.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static void serve_send(struct broker *b, unsigned int dev, const struct vmsgif_tx_request *req)
{
	struct broker_dev *d = &b->dev[dev];
	unsigned int in_flow = 0;
	struct broker_msg *msg;

	ck_assert(d->ready);
	ck_assert_uint_ge(req->seq, d->last_seq + VMSGIF_BATCH_COUNT(req->len, req->each));
	d->last_seq = req->seq;
	for (msg = b->first; msg; msg = msg->next)
		in_flow += msg->src == dev && msg->req.addr == req->addr &&
			   msg->req.port == req->port;
	ck_assert_uint_lt(in_flow, b->features.flow_window);
	if (!dev_of(b, req->addr)) {
		broker_answer(&d->fail, req, VMSGIF_EHOSTUNREACH);
		return;
	}
	if (req->flags & VMSGIF_TXF_MAP) {
		const struct broker_pool *pool = &d->map[req->u.map.id];

		if (!pool->there || pool->leaving || pool->addr != req->addr ||
		    pool->port != req->port) {
			broker_answer(&d->fail, req, VMSGIF_EFAULT);
			return;
		}
		ck_assert_uint_lt(req->u.map.more, VMSGIF_RUN_MESSAGES);
		ck_assert_uint_le(req->u.map.offset + req->u.map.more * VMSGIF_RUN_STEP(req->len) +
					  req->len,
				  pool->nr_pages * 4096);
	}
	msg = calloc(1, sizeof(*msg));
	msg->src = dev;
	msg->src_addr = d->addr;
	msg->req = *req;
	*b->last = msg;
	b->last = &msg->next;
}

static void serve_bind(struct broker_dev *d, const struct vmsgif_tx_request *req)
{
	struct broker_port *port = port_of(d, req->port);

	ck_assert_ptr_null(port);
	ck_assert_uint_gt(req->port, 0);
	port = port_of(d, 0);
	ck_assert_ptr_nonnull(port);
	port->number = req->port;
	port->credit = req->credit;
	port->max_len = req->max_len;
	broker_answer(&d->done, req, 0);
}

static void pool_event(struct broker_dev *to, unsigned int type, const struct broker_dev *owner,
		       unsigned int id)
{
	struct vmsgif_rx_response rsp = { .type = (uint8_t)type, .addr = owner->addr };
	const struct broker_pool *pool = &owner->map[id];

	rsp.u.pool.id = (uint16_t)id;
	rsp.u.pool.type = VMSGIF_POOL_MAP;
	if (type == VMSGIF_RX_POOL_ADD) {
		rsp.port = pool->port;
		rsp.src_port = pool->src_port;
		rsp.u.pool.ref = pool->ref;
		rsp.u.pool.nr_pages = pool->nr_pages;
	}
	broker_event(to, rsp);
}

/* What is shared with the port is not used any more. */
static void unbind_pools(struct broker *b, struct broker_dev *d, uint32_t port)
{
	for (unsigned int i = 0; i < BROKER_DEVS; i++) {
		for (unsigned int id = 0; id < BROKER_POOLS; id++) {
			struct broker_pool *pool = &b->dev[i].map[id];

			if (!pool->there || !pool->acked || pool->deleting ||
			    pool->addr != d->addr || pool->port != port)
				continue;
			pool->leaving = true;
			pool_event(d, VMSGIF_RX_POOL_DEL, &b->dev[i], id);
		}
	}
}

static void serve_port(struct broker *b, struct broker_dev *d, const struct vmsgif_tx_request *req)
{
	struct broker_port *port = port_of(d, req->port);
	struct broker_msg **at = &b->first;

	ck_assert_ptr_nonnull(port);
	ck_assert(!port->unbinding || req->op != VMSGIF_OP_UNBIND);
	if (req->op == VMSGIF_OP_CREDIT) {
		ck_assert_uint_ge(req->credit, port->credit);
		port->credit = req->credit;
		broker_answer(&d->done, req, 0);
		return;
	}
	port->unbinding = true;
	port->unbind_id = req->id;
	while (*at) {
		if ((*at)->req.addr == d->addr && (*at)->req.port == req->port && !(*at)->out)
			broker_answer_send(b, at, VMSGIF_ECONNREFUSED);
		else
			at = &(*at)->next;
	}
	unbind_pools(b, d, req->port);
}

/* Notes that number @seq of a run is released. Returns whether all are. */
static bool release_one(struct broker_msg *msg, uint64_t seq)
{
	uint64_t first = msg->req.seq - msg->req.u.map.more;

	ck_assert(msg->req.flags & VMSGIF_TXF_MAP);
	msg->released[seq - first] = true;
	for (uint64_t i = first; i <= msg->req.seq; i++)
		if (!msg->released[i - first])
			return false;
	return true;
}

static void serve_release(struct broker *b, struct broker_dev *d,
			  const struct vmsgif_tx_request *req)
{
	struct broker_msg **at;

	broker_answer(&d->late, req, 0);
	ck_assert_uint_gt(req->seq, req->u.map.more);
	for (uint64_t seq = req->seq - req->u.map.more; seq <= req->seq; seq++) {
		for (at = &b->first; *at; at = &(*at)->next) {
			const struct broker_msg *msg = *at;

			if (msg->src_addr == req->addr && msg->req.addr == d->addr &&
			    msg->req.port == req->port && msg->out && seq <= msg->req.seq &&
			    seq >= msg->req.seq - msg->req.u.map.more)
				break;
		}
		if (*at && release_one(*at, seq))
			broker_answer_send(b, at, 0);
	}
}

static void serve_pool(struct broker *b, unsigned int dev, const struct vmsgif_tx_request *req)
{
	struct broker_dev *d = &b->dev[dev];
	const struct vmsgif_pool *p = &req->u.pool;
	struct broker_pool *pool = &d->map[p->id];
	struct broker_dev *to;

	if (p->type != VMSGIF_POOL_MAP) {
		ck_assert_uint_eq(p->nr_pages, BROKER_PAGES);
		*(p->type == VMSGIF_POOL_TX ? &d->tx_pool : &d->rx_pool) = !b->no_pools;
		broker_answer(&d->done, req, b->no_pools ? VMSGIF_EDQUOT : 0);
		return;
	}
	ck_assert_uint_lt(p->id, BROKER_POOLS);
	if (req->op == VMSGIF_OP_POOL_ADD) {
		ck_assert(!pool->there);
		to = dev_of(b, req->addr);
		if (!to) {
			broker_answer(&d->late, req, VMSGIF_EHOSTUNREACH);
			return;
		}
		*pool = (struct broker_pool){ .there = true,
					      .asked = true,
					      .addr = req->addr,
					      .port = req->port,
					      .src_port = req->src_port,
					      .ref = p->ref,
					      .nr_pages = p->nr_pages,
					      .id = req->id };
		if (to->ready)
			pool_event(to, VMSGIF_RX_POOL_ADD, d, p->id);
		return;
	}
	if (!pool->there) {
		broker_answer(&d->late, req, VMSGIF_EINVAL);
		return;
	}
	ck_assert(pool->acked && !pool->deleting);
	pool->deleting = pool->asked = true;
	pool->id = req->id;
	to = dev_of(b, pool->addr);
	if (!pool->leaving)
		pool_event(to, VMSGIF_RX_POOL_DEL, d, p->id);
}

static void serve_ack(struct broker *b, struct broker_dev *d, const struct vmsgif_tx_request *req)
{
	struct broker_dev *owner = dev_of(b, req->addr);
	struct vmsgif_tx_request asked = { .op = VMSGIF_OP_POOL_ADD };
	struct broker_pool *pool;
	struct broker_msg **at = &b->first;

	broker_answer(&d->done, req, 0);
	if (!owner || !owner->attached)
		return;
	pool = &owner->map[req->u.pool.id];
	if (!pool->there || pool->addr != d->addr)
		return;
	asked.id = pool->id;
	if (!req->u.pool.status) {
		ck_assert(pool->asked && !pool->acked);
		pool->acked = true;
		pool->asked = false;
		broker_answer(&owner->late, &asked, 0);
		return;
	}
	while (*at) {
		if ((*at)->src_addr == owner->addr && ((*at)->req.flags & VMSGIF_TXF_MAP) &&
		    (*at)->req.u.map.id == req->u.pool.id && !(*at)->out)
			broker_answer_send(b, at, VMSGIF_EFAULT);
		else
			at = &(*at)->next;
	}
	if (pool->deleting) {
		asked.op = VMSGIF_OP_POOL_DEL;
		broker_answer(&owner->late, &asked, 0);
	} else if (pool->asked) {
		broker_answer(&owner->late, &asked, req->u.pool.status);
	} else {
		pool_event(owner, VMSGIF_RX_POOL_GONE, d, 0);
		owner->events[owner->nr_events - 1].u.pool.id = req->u.pool.id;
	}
	memset(pool, 0, sizeof(*pool));
}

/* Pools for a device that was away when they were announced. */
static void announce(struct broker *b, struct broker_dev *d)
{
	for (unsigned int i = 0; i < BROKER_DEVS; i++)
		for (unsigned int k = 0; k < BROKER_POOLS; k++)
			if (b->dev[i].map[k].there && b->dev[i].map[k].addr == d->addr)
				pool_event(d, VMSGIF_RX_POOL_ADD, &b->dev[i], k);
}

static void serve(struct broker *b, unsigned int dev, const struct vmsgif_tx_request *req)
{
	struct broker_dev *d = &b->dev[dev];

	ck_assert_uint_lt(req->id, d->slots);
	ck_assert(!req->each ||
		  (req->op == VMSGIF_OP_SEND && vmsg_batch_valid(req->len, req->each)));
	ck_assert(!d->open[req->id]);
	d->open[req->id] = true;
	switch (req->op) {
	case VMSGIF_OP_RELEASE:
		serve_release(b, d, req);
		return;
	case VMSGIF_OP_BIND:
		serve_bind(d, req);
		return;
	case VMSGIF_OP_CREDIT:
		serve_port(b, d, req);
		return;
	case VMSGIF_OP_POOL_ACK:
		serve_ack(b, d, req);
		return;
	case VMSGIF_OP_READY:
		ck_assert(!d->ready);
		d->ready = true;
		broker_answer(&d->done, req, 0);
		return;
	default:
		break;
	}
	ck_assert_uint_lt(d->nr_waiting, d->slots - VMSGIF_TX_RESERVE);
	d->nr_waiting++;
	if (req->op == VMSGIF_OP_SEND)
		serve_send(b, dev, req);
	else if (req->op == VMSGIF_OP_UNBIND)
		serve_port(b, d, req);
	else if (req->op == VMSGIF_OP_POOL_ADD || req->op == VMSGIF_OP_POOL_DEL)
		serve_pool(b, dev, req);
	else
		broker_answer(&d->done, req, 0); /* RESOLVE, SUBSCRIBE */
}

void broker_take(struct broker *b, unsigned int dev, unsigned int quota)
{
	struct broker_dev *d = &b->dev[dev];

	ck_assert_uint_le(txr(d)->req_prod - d->tx_prod, d->slots);
	ck_assert_uint_le(rxr(d)->req_prod - d->rx_prod, d->slots);
	broker_look_for_pages(b, d);
	while (quota-- && d->tx_cons != txr(d)->req_prod) {
		struct vmsgif_tx_request req = txr(d)->ring[d->tx_cons++ & (d->slots - 1)].req;
		bool was_ready = d->ready;

		serve(b, dev, &req);
		/* cppcheck-suppress incorrectLogicOperator ; serve() changes it */
		if (d->ready && !was_ready)
			announce(b, d);
	}
}

void broker_end_unbinds(struct broker *b, struct broker_dev *d)
{
	for (unsigned int i = 0; i < BROKER_PORTS; i++) {
		struct broker_port *port = &d->ports[i];
		struct vmsgif_tx_request req = { .op = VMSGIF_OP_UNBIND, .id = port->unbind_id };
		struct broker_msg *msg = b->first;

		if (!port->unbinding)
			continue;
		while (msg && !(msg->req.addr == d->addr && msg->req.port == port->number))
			msg = msg->next;
		if (msg)
			continue;
		broker_answer(&d->late, &req, 0);
		memset(port, 0, sizeof(*port));
	}
}
