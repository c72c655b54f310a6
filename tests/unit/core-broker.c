/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small broker that trusts nobody's bookkeeping but its own; see core-broker.h. */
#include "tests/unit/core-broker.h"
#include "tests/unit/core-segments.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct broker_msg {
	struct broker_msg *next;
	unsigned int src;
	uint32_t src_addr;
	struct vmsgif_tx_request req;
	bool out;			    /* map mode: with the receiver */
	bool released[VMSGIF_RUN_MESSAGES]; /* the same: each of them, by its number */
};

#define GREF(dev, kind, i) (((dev) + 1) << 16 | (kind) << 12 | (i))
enum { KIND_TX = 1, KIND_RX, KIND_DIR };

static struct vmsgif_tx_sring *txr(const struct broker_dev *d)
{
	return d->tx_ring;
}

static struct vmsgif_rx_sring *rxr(const struct broker_dev *d)
{
	return d->rx_ring;
}

uint32_t broker_directory(unsigned int dev, unsigned int pool)
{
	return GREF(dev, KIND_DIR, pool);
}

void *broker_pool_memory(struct broker *b, uint32_t ref)
{
	return b->dev[(ref >> 16) - 1].pools[ref & 0xfff];
}

/* --------------------------------------------------------------------- life */

void broker_init(struct broker *b)
{
	memset(b, 0, sizeof(*b));
	b->last = &b->first;
	for (unsigned int i = 0; i < BROKER_DEVS; i++) {
		struct broker_dev *d = &b->dev[i];

		for (unsigned int k = 0; k < BROKER_PAGES; k++) {
			d->tx_pages[k] = aligned_alloc(4096, 4096);
			d->rx_pages[k] = aligned_alloc(4096, 4096);
			d->tx_grefs[k] = GREF(i, KIND_TX, k);
			d->rx_grefs[k] = GREF(i, KIND_RX, k);
		}
		for (unsigned int k = 0; k < BROKER_POOLS; k++)
			d->pools[k] = aligned_alloc(4096, 4096 * BROKER_POOL_PAGES);
		d->addr = VMSGIF_ADDR(10 + i, i + 1);
	}
}

static void drop_msg(struct broker *b, struct broker_msg **at)
{
	struct broker_msg *msg = *at;

	*at = msg->next;
	if (b->last == &msg->next)
		b->last = at;
	free(msg);
}

/* Forgets what the device said to this broker. */
static void forget(struct broker_dev *d)
{
	d->attached = d->ready = d->tx_pool = d->rx_pool = false;
	d->tx_cons = d->tx_prod = d->rx_prod = d->rx_taken = d->rx_seen = 0;
	memset(d->rx_open, 0, sizeof(d->rx_open));
	memset(d->open, 0, sizeof(d->open));
	d->nr_waiting = 0;
	d->last_seq = 0;
	memset(d->ports, 0, sizeof(d->ports));
	memset(d->map, 0, sizeof(d->map));
	d->nr_events = 0;
	d->fail.nr = d->done.nr = d->late.nr = 0;
}

void broker_restart(struct broker *b)
{
	while (b->first)
		drop_msg(b, &b->first);
	for (unsigned int i = 0; i < BROKER_DEVS; i++)
		forget(&b->dev[i]);
	b->restarts++;
}

void broker_deinit(struct broker *b)
{
	broker_restart(b);
	for (unsigned int i = 0; i < BROKER_DEVS; i++) {
		struct broker_dev *d = &b->dev[i];

		for (unsigned int k = 0; k < BROKER_PAGES; k++) {
			free(d->tx_pages[k]);
			free(d->rx_pages[k]);
		}
		for (unsigned int k = 0; k < BROKER_POOLS; k++)
			free(d->pools[k]);
	}
}

void broker_attach(struct broker *b, unsigned int dev)
{
	struct broker_dev *d = &b->dev[dev];

	forget(d);
	d->attached = d->known = true;
}

static struct broker_dev *dev_of(struct broker *b, uint32_t addr)
{
	for (unsigned int i = 0; i < BROKER_DEVS; i++)
		if (b->dev[i].addr == addr)
			return &b->dev[i];
	return NULL;
}

static struct broker_port *port_of(struct broker_dev *d, uint32_t number)
{
	for (unsigned int i = 0; i < BROKER_PORTS; i++)
		if (d->ports[i].number == number)
			return &d->ports[i];
	return NULL;
}

/* ------------------------------------------------------------------ answers */

static void answer(struct broker_answers *to, const struct vmsgif_tx_request *req, int status)
{
	ck_assert_uint_lt(to->nr, BROKER_SLOTS);
	to->rsp[to->nr++] = (struct vmsgif_tx_response){
		.op = req->op,
		.id = req->id,
		.status = status,
	};
}

static void answer_send(struct broker *b, struct broker_msg **at, int status)
{
	struct broker_dev *d = &b->dev[(*at)->src];

	if ((*at)->src_addr == d->addr && d->attached)
		answer(status ? &d->fail : &d->done, &(*at)->req, status);
	drop_msg(b, at);
}

static void publish_answers(struct broker_dev *d, struct broker_answers *from)
{
	for (unsigned int i = 0; i < from->nr; i++) {
		const struct vmsgif_tx_response *rsp = &from->rsp[i];

		ck_assert(d->open[rsp->id]);
		d->open[rsp->id] = false;
		if (rsp->op != VMSGIF_OP_RELEASE && rsp->op != VMSGIF_OP_BIND &&
		    rsp->op != VMSGIF_OP_CREDIT && rsp->op != VMSGIF_OP_POOL_ACK &&
		    rsp->op != VMSGIF_OP_READY)
			d->nr_waiting--;
		txr(d)->ring[d->tx_prod++ & (d->slots - 1)].rsp = *rsp;
	}
	from->nr = 0;
	txr(d)->rsp_prod = d->tx_prod;
}

static void event(struct broker_dev *d, struct vmsgif_rx_response rsp)
{
	ck_assert_uint_lt(d->nr_events, 1024);
	d->events[d->nr_events++] = rsp;
}

void broker_peer_down(struct broker *b, unsigned int dev)
{
	struct broker_dev *d = &b->dev[dev];
	struct broker_msg **at = &b->first;
	uint32_t addr = d->addr;

	d->addr = 0; /* nothing of it is answered from here on */
	while (*at) {
		if ((*at)->src_addr == addr)
			drop_msg(b, at);
		else if ((*at)->req.addr == addr)
			answer_send(b, at, VMSGIF_EHOSTDOWN);
		else
			at = &(*at)->next;
	}
	d->addr = addr + (BROKER_DEVS << 16);
	forget(d);
	d->known = false;
	for (unsigned int i = 0; i < BROKER_DEVS; i++) {
		struct broker_dev *other = &b->dev[i];

		if (i == dev || !other->attached)
			continue;
		event(other,
		      (struct vmsgif_rx_response){ .type = VMSGIF_RX_PEER_DOWN, .addr = addr });
		for (unsigned int k = 0; k < BROKER_POOLS; k++) {
			struct broker_pool *pool = &other->map[k];
			struct vmsgif_tx_request req = { .id = pool->id };

			if (!pool->there || pool->addr != addr)
				continue;
			req.op = pool->deleting ? VMSGIF_OP_POOL_DEL : VMSGIF_OP_POOL_ADD;
			if (pool->asked)
				answer(&other->late, &req, VMSGIF_EHOSTDOWN);
			memset(pool, 0, sizeof(*pool));
		}
	}
}

/* ----------------------------------------------------------------- requests */

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
		answer(&d->fail, req, VMSGIF_EHOSTUNREACH);
		return;
	}
	if (req->flags & VMSGIF_TXF_MAP) {
		const struct broker_pool *pool = &d->map[req->u.map.id];

		if (!pool->there || pool->addr != req->addr || pool->port != req->port) {
			answer(&d->fail, req, VMSGIF_EFAULT);
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
	answer(&d->done, req, 0);
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
		answer(&d->done, req, 0);
		return;
	}
	port->unbinding = true;
	port->unbind_id = req->id;
	while (*at) {
		if ((*at)->req.addr == d->addr && (*at)->req.port == req->port && !(*at)->out)
			answer_send(b, at, VMSGIF_ECONNREFUSED);
		else
			at = &(*at)->next;
	}
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

	answer(&d->late, req, 0);
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
			answer_send(b, at, 0);
	}
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
	event(to, rsp);
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
		answer(&d->done, req, b->no_pools ? VMSGIF_EDQUOT : 0);
		return;
	}
	ck_assert_uint_lt(p->id, BROKER_POOLS);
	if (req->op == VMSGIF_OP_POOL_ADD) {
		ck_assert(!pool->there);
		to = dev_of(b, req->addr);
		if (!to) {
			answer(&d->late, req, VMSGIF_EHOSTUNREACH);
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
		answer(&d->late, req, VMSGIF_EINVAL);
		return;
	}
	ck_assert(pool->acked && !pool->deleting);
	pool->deleting = pool->asked = true;
	pool->id = req->id;
	to = dev_of(b, pool->addr);
	pool_event(to, VMSGIF_RX_POOL_DEL, d, p->id);
}

static void serve_ack(struct broker *b, struct broker_dev *d, const struct vmsgif_tx_request *req)
{
	struct broker_dev *owner = dev_of(b, req->addr);
	struct vmsgif_tx_request asked = { .op = VMSGIF_OP_POOL_ADD };
	struct broker_pool *pool;
	struct broker_msg **at = &b->first;

	answer(&d->done, req, 0);
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
		answer(&owner->late, &asked, 0);
		return;
	}
	while (*at) {
		if ((*at)->src_addr == owner->addr && ((*at)->req.flags & VMSGIF_TXF_MAP) &&
		    (*at)->req.u.map.id == req->u.pool.id && !(*at)->out)
			answer_send(b, at, VMSGIF_EFAULT);
		else
			at = &(*at)->next;
	}
	if (pool->deleting) {
		asked.op = VMSGIF_OP_POOL_DEL;
		answer(&owner->late, &asked, 0);
	} else if (pool->asked) {
		answer(&owner->late, &asked, req->u.pool.status);
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
		answer(&d->done, req, 0);
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
		answer(&d->done, req, 0); /* RESOLVE, SUBSCRIBE */
}

/* ----------------------------------------------------------------- delivery */

/* Takes in the pages that were posted. */
static void look_for_pages(struct broker *b, struct broker_dev *d)
{
	while (d->rx_seen != rxr(d)->req_prod) {
		struct vmsgif_rx_request req = rxr(d)->ring[d->rx_seen & (d->slots - 1)].req;
		unsigned int nr = req.more + 1u;

		for (unsigned int i = 0; i < sizeof(req.reserved); i++)
			ck_assert_uint_eq(req.reserved[i], 0);
		ck_assert_uint_eq(req.flags, d->rx_pool ? VMSGIF_RXF_POOL : 0);
		ck_assert(nr == 1 || d->rx_pool);
		ck_assert_uint_le(nr, rxr(d)->req_prod - d->rx_seen);
		*(nr > 1 ? &b->runs : &b->singles) += 1;
		for (; nr > 0; nr--, req.id++, req.ref++) {
			ck_assert_uint_lt(req.id, d->slots);
			ck_assert(!d->rx_open[req.id]);
			d->rx_open[req.id] = true;
			d->posted[d->rx_seen++ & (d->slots - 1)] = req;
		}
	}
}

static unsigned int rx_left(const struct broker_dev *d)
{
	return d->rx_seen - d->rx_taken;
}

static void *rx_page(const struct broker_dev *d)
{
	const struct vmsgif_rx_request *req = &d->posted[d->rx_taken & (d->slots - 1)];

	ck_assert_uint_lt(d->rx_pool ? req->ref : req->ref & 0xfff, BROKER_PAGES);
	return d->rx_pages[d->rx_pool ? req->ref : req->ref & 0xfff];
}

static void rx_put(struct broker_dev *d, struct vmsgif_rx_response rsp)
{
	uint32_t at = d->rx_taken++ & (d->slots - 1);

	rsp.id = d->posted[at].id;
	d->rx_open[rsp.id] = false;
	rxr(d)->ring[at].rsp = rsp;
}

static const uint8_t *sender_page(void *arg, uint32_t ref)
{
	const struct broker_dev *d = arg;

	if (!d->tx_pool)
		ck_assert_uint_eq(ref >> 16, d->tx_grefs[0] >> 16);
	return d->tx_pages[ref & 0xfff];
}

/* The bytes of a message, from the pages that the sender still owes us. */
static void payload(struct broker *b, const struct broker_msg *msg, uint8_t *out)
{
	struct broker_dev *d = &b->dev[msg->src];
	const struct vmsgif_tx_request *req = &msg->req;
	const struct vmsgif_segment *segs = req->u.seg;

	if (req->nr_segs)
		ck_assert_uint_eq(!!(req->flags & VMSGIF_TXF_POOL), d->tx_pool);
	if (req->flags & VMSGIF_TXF_INDIRECT)
		segs = d->tx_pages[req->u.indirect.ref & 0xfff];
	ck_assert_uint_eq(segments_read(segs, req->nr_segs, d->tx_pool, sender_page, d, out),
			  req->len);
}

static uint64_t cost_of(const struct vmsgif_tx_request *req)
{
	if (req->flags & VMSGIF_TXF_MAP)
		return 64 * (req->u.map.more + 1u);
	return VMSGIF_MSG_COST(req->len);
}

/* Returns false if the message has to wait. */
static bool deliver(struct broker *b, struct broker_msg *msg, struct broker_dev *d,
		    struct broker_port *port)
{
	const struct vmsgif_tx_request *req = &msg->req;
	unsigned int nr =
		req->flags & (VMSGIF_TXF_INLINE | VMSGIF_TXF_MAP) ? 1 : (req->len + 4095) / 4096;
	struct vmsgif_rx_response rsp = {
		.type = VMSGIF_RX_MESSAGE,
		.addr = msg->src_addr,
		.port = req->port,
		.src_port = req->src_port,
		.seq = req->seq,
		.len = req->len,
		.each = req->each,
	};
	static uint8_t bytes[VMSGIF_MESSAGE_MAX];

	if (port->used + cost_of(req) > port->credit || rx_left(d) < nr + VMSGIF_RX_RESERVE)
		return false;
	if ((req->flags & VMSGIF_TXF_MAP) && !b->dev[msg->src].map[req->u.map.id].acked)
		return false;
	port->used += cost_of(req);
	b->delivered++;
	if (req->flags & VMSGIF_TXF_INLINE) {
		rsp.flags = VMSGIF_RXF_INLINE;
		memcpy(rsp.u.data, req->u.data, sizeof(rsp.u.data));
		rx_put(d, rsp);
	} else if (req->flags & VMSGIF_TXF_MAP) {
		rsp.flags = VMSGIF_RXF_MAP;
		rsp.u.map = req->u.map;
		rx_put(d, rsp);
	} else {
		payload(b, msg, bytes);
		rsp.used = (uint16_t)(req->len < 4096 ? req->len : 4096);
		for (unsigned int i = 0; i < nr; i++) {
			uint32_t left = req->len - i * 4096;

			memcpy(rx_page(d), bytes + i * 4096, left < 4096 ? left : 4096);
			rx_put(d, rsp);
			/* Only the first one is to be read. */
			memset(&rsp, 0x5a, sizeof(rsp));
		}
	}
	return true;
}

static bool flow_waits(struct broker *b, const struct broker_msg *until)
{
	for (struct broker_msg *msg = b->first; msg != until; msg = msg->next)
		if (!msg->out && msg->src == until->src && msg->req.addr == until->req.addr &&
		    msg->req.port == until->req.port)
			return true;
	return false;
}

static void deliver_all(struct broker *b)
{
	struct broker_msg **at = &b->first;

	while (*at) {
		struct broker_msg *msg = *at;
		struct broker_dev *d = dev_of(b, msg->req.addr);
		struct broker_port *port;

		if (!d) {
			answer_send(b, at, VMSGIF_EHOSTUNREACH);
			continue;
		}
		port = port_of(d, msg->req.port);
		if (msg->out || (d->known && !d->ready) || flow_waits(b, msg)) {
			at = &msg->next;
			continue;
		}
		if (!port || port->unbinding) {
			answer_send(b, at, VMSGIF_ECONNREFUSED);
			continue;
		}
		if (msg->req.len > port->max_len) {
			answer_send(b, at, VMSGIF_EMSGSIZE);
			continue;
		}
		if (!deliver(b, msg, d, port)) {
			at = &msg->next;
		} else if (msg->req.flags & VMSGIF_TXF_MAP) {
			msg->out = true;
			at = &msg->next;
		} else {
			answer_send(b, at, 0);
		}
	}
}

static void deliver_events(struct broker_dev *d)
{
	unsigned int i = 0;

	while (i < d->nr_events && rx_left(d))
		rx_put(d, d->events[i++]);
	memmove(d->events, d->events + i, (d->nr_events - i) * sizeof(d->events[0]));
	d->nr_events -= i;
}

/* UNBINDs whose messages are all released. */
static void end_unbinds(struct broker *b, struct broker_dev *d)
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
		answer(&d->late, &req, 0);
		memset(port, 0, sizeof(*port));
	}
}

static void take_requests(struct broker *b, unsigned int dev, unsigned int quota)
{
	struct broker_dev *d = &b->dev[dev];

	ck_assert_uint_le(txr(d)->req_prod - d->tx_prod, d->slots);
	ck_assert_uint_le(rxr(d)->req_prod - d->rx_prod, d->slots);
	look_for_pages(b, d);
	while (quota-- && d->tx_cons != txr(d)->req_prod) {
		struct vmsgif_tx_request req = txr(d)->ring[d->tx_cons++ & (d->slots - 1)].req;
		bool was_ready = d->ready;

		serve(b, dev, &req);
		/* cppcheck-suppress incorrectLogicOperator ; serve() changes it */
		if (d->ready && !was_ready)
			announce(b, d);
	}
}

static void publish(struct broker *b, unsigned int step)
{
	for (unsigned int i = 0; i < BROKER_DEVS; i++) {
		struct broker_dev *d = &b->dev[i];

		if (!d->attached)
			continue;
		switch (step) {
		case 2:
			publish_answers(d, &d->fail);
			break;
		case 3:
			d->rx_prod = d->rx_taken;
			rxr(d)->rsp_prod = d->rx_prod;
			break;
		case 4:
			publish_answers(d, &d->done);
			break;
		default:
			publish_answers(d, &d->late);
			break;
		}
	}
}

void broker_turn(struct broker *b, unsigned int quota, unsigned int die)
{
	for (unsigned int i = 0; i < BROKER_DEVS; i++)
		if (b->dev[i].attached)
			take_requests(b, i, quota);
	for (unsigned int i = 0; i < BROKER_DEVS; i++)
		if (b->dev[i].attached)
			deliver_events(&b->dev[i]);
	deliver_all(b);
	for (unsigned int i = 0; i < BROKER_DEVS; i++)
		if (b->dev[i].attached)
			end_unbinds(b, &b->dev[i]);
	for (unsigned int step = 1; step <= BROKER_STEPS; step++) {
		if (die == step) {
			broker_restart(b);
			return;
		}
		if (step > 1)
			publish(b, step);
	}
}

bool broker_idle(const struct broker *b)
{
	for (unsigned int i = 0; i < BROKER_DEVS; i++) {
		const struct broker_dev *d = &b->dev[i];

		if (!d->ready || d->nr_events || d->tx_cons != txr(d)->req_prod)
			return false;
	}
	return !b->first;
}
