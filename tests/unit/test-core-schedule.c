/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random schedules against a model. Three devices with three ports each send to
 * one another in all forms, while the broker dies in mid-turn, devices come back
 * late or as new instances, ports are bound and unbound, pools come and go, and
 * applications are slow. Whatever happens: every message arrives at most once,
 * in order, with the right bytes; with status 0 exactly once; with a status that
 * says "not delivered", not at all. In the end nothing is left over.
 */
#include "frontend/core/state.h"
#include "tests/unit/core-broker.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEVS	  BROKER_DEVS
#define PORTS	  3u
#define PORT_BASE 100u
#define MESSAGES  20000u
#define HELD	  6u
#define PORT_SIZE 65536u
#define POOL_SIZE (BROKER_POOL_PAGES * 4096u)
#define FOREIGN	  6u

enum { NEVER = 1 }; /* no status */

struct sent {
	unsigned int dev, dst_dev, dst_port;
	uint64_t seq;
	uint32_t len;
	uint16_t each;	     /* a batch */
	struct sent *joined; /* the next one in the same SEND */
	int status;
	unsigned int received;
	int pool; /* -1: none */
	unsigned int page;
	unsigned int taint; /* of the destination port, when it was sent */
};

struct wport {
	struct vmsg_port *port;
	void *memory;
	enum { UNBOUND, BINDING, BOUND, UNBINDING } state;
	unsigned int taint; /* counts what may lose messages that were handed over */
	struct vmsg_msg *held[HELD];
	uint64_t last[DEVS]; /* last number received, by device */
};

struct wpool {
	enum { NONE, ADDING, ON, DELETING } state;
	int fd;
	unsigned int busy; /* pages that SENDs name */
	unsigned int port, dst_dev, dst_port;
	uint32_t addr;
	unsigned int page; /* of the last message, and its place */
	uint32_t offset, len;
};

struct wdev {
	struct vmsg *v;
	struct vmsg_params params;
	struct wport ports[PORTS];
	struct wpool pools[BROKER_POOLS];
	struct {
		void *va;
		bool mapped, detached;
	} foreign[FOREIGN];
	bool attach; /* wants to connect */
};

static struct world {
	struct broker b;
	struct wdev dev[DEVS];
	struct sent sent[MESSAGES];
	unsigned int nr_sent, answered, received, joined;
	uint64_t rng;
	unsigned int order;
} w;

static unsigned int rnd(unsigned int n)
{
	w.rng = w.rng * 6364136223846793005u + 1442695040888963407u;
	return (unsigned int)((w.rng >> 33) % n);
}

static void fill(uint8_t *to, uint32_t len, unsigned int msg)
{
	for (uint32_t i = 0; i < len; i++)
		to[i] = (uint8_t)((msg * 2654435761u + i * 40503u) >> 9);
}

/* ---------------------------------------------------------------- callbacks */

static void answered(struct sent *sent, int status)
{
	ck_assert_int_eq(sent->status, NEVER);
	sent->status = status;
	w.answered++;
	if (sent->pool >= 0)
		w.dev[sent->dev].pools[sent->pool].busy &= ~(1u << sent->page);
	if (status && status != -EHOSTDOWN && status != -ECONNREFUSED)
		ck_assert_uint_eq(sent->received, 0);
}

static void send_done(struct vmsg *v, struct vmsg_port *port, uint64_t cookie, int status)
{
	(void)v;
	(void)port;
	ck_assert_uint_lt(cookie - 1, w.nr_sent);
	for (struct sent *sent = &w.sent[cookie - 1]; sent; sent = sent->joined)
		answered(sent, status);
}

static void nothing(struct vmsg *v, struct vmsg_port *port)
{
	(void)v;
	(void)port;
}

enum { COOKIE_BIND = 1, COOKIE_UNBIND, COOKIE_ADD, COOKIE_DEL, COOKIE_OTHER };

static uint64_t cookie_of(unsigned int kind, unsigned int what)
{
	return (uint64_t)kind << 32 | what;
}

static void control_done(struct vmsg *v, uint64_t cookie, const struct vmsg_answer *answer)
{
	struct wdev *d = vmsg_priv(v);
	unsigned int what = (unsigned int)cookie;

	switch (cookie >> 32) {
	case COOKIE_BIND:
		ck_assert(d->ports[what].state == BINDING || answer->status == -ECANCELED);
		if (d->ports[what].state == BINDING)
			d->ports[what].state = answer->status ? UNBOUND : BOUND;
		break;
	case COOKIE_UNBIND:
		ck_assert_int_eq(d->ports[what].state, UNBINDING);
		ck_assert_int_eq(answer->status, 0);
		d->ports[what].state = UNBOUND;
		d->ports[what].taint++;
		break;
	case COOKIE_ADD:
		ck_assert_int_eq(d->pools[what].state, ADDING);
		d->pools[what].state = answer->status ? NONE : ON;
		break;
	case COOKIE_DEL:
		ck_assert_int_eq(d->pools[what].state, DELETING);
		d->pools[what].state = NONE;
		break;
	default:
		break;
	}
}

static void name(struct vmsg *v, uint32_t addr, const char *text, unsigned int len)
{
	(void)v;
	(void)addr;
	(void)text;
	(void)len;
}

static void peer_down(struct vmsg *v, uint32_t addr)
{
	(void)v;
	(void)addr;
}

static void pool_map(struct vmsg *v, struct vmsg_port *port, unsigned int slot, uint32_t addr,
		     uint32_t ref, uint32_t nr)
{
	struct wdev *d = vmsg_priv(v);
	const struct wpool *pool = &w.dev[(ref >> 16) - 1].pools[ref & 0xfff];

	(void)addr;
	ck_assert_uint_lt(slot, FOREIGN);
	ck_assert(!d->foreign[slot].mapped);
	ck_assert_uint_eq(nr, BROKER_POOL_PAGES);
	if (!rnd(10)) {
		vmsg_pool_mapped(v, slot, -ENOMEM, NULL);
		return;
	}
	d->foreign[slot].va = mmap(NULL, POOL_SIZE, PROT_READ, MAP_SHARED, pool->fd, 0);
	ck_assert_ptr_ne(d->foreign[slot].va, MAP_FAILED);
	d->foreign[slot].mapped = true;
	d->foreign[slot].detached = false;
	vmsg_pool_mapped(v, slot, 0, d->foreign[slot].va);
}

static void pool_free(struct vmsg *v, unsigned int slot)
{
	struct wdev *d = vmsg_priv(v);

	ck_assert(d->foreign[slot].mapped && d->foreign[slot].detached);
	munmap(d->foreign[slot].va, POOL_SIZE);
	d->foreign[slot].mapped = false;
}

static void pool_unmap(struct vmsg *v, unsigned int slot, bool detach)
{
	struct wdev *d = vmsg_priv(v);
	uint8_t copy[POOL_SIZE];
	void *va = d->foreign[slot].va;

	ck_assert(d->foreign[slot].mapped && !d->foreign[slot].detached);
	if (!detach) {
		munmap(va, POOL_SIZE);
		d->foreign[slot].mapped = false;
		return;
	}
	memcpy(copy, va, POOL_SIZE);
	ck_assert_ptr_eq(mmap(va, POOL_SIZE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 va);
	memcpy(va, copy, POOL_SIZE);
	d->foreign[slot].detached = true;
}

static void pool_gone(struct vmsg *v, unsigned int id)
{
	struct wdev *d = vmsg_priv(v);

	ck_assert(d->pools[id].state == ON);
	ck_assert_uint_eq(d->pools[id].busy, 0);
	d->pools[id].state = NONE;
}

static const struct vmsg_ops ops = {
	.send_done = send_done,
	.readable = nothing,
	.writable = nothing,
	.control_done = control_done,
	.peer_up = name,
	.resolved = name,
	.peer_down = peer_down,
	.pool_map = pool_map,
	.pool_unmap = pool_unmap,
	.pool_free = pool_free,
	.pool_gone = pool_gone,
};

/* -------------------------------------------------------------------- world */

/* Fresh memory for an own pool: what a dead receiver may still map is not used again. */
static void new_pool_memory(unsigned int dev, unsigned int id)
{
	struct wpool *pool = &w.dev[dev].pools[id];
	void **memory = &w.b.dev[dev].pools[id];

	if (pool->fd > 0) {
		munmap(*memory, POOL_SIZE);
		close(pool->fd);
	} else {
		free(*memory);
	}
	pool->fd = memfd_create("pool", 0);
	ck_assert_int_gt(pool->fd, 0);
	ck_assert_int_eq(ftruncate(pool->fd, POOL_SIZE), 0);
	*memory = mmap(NULL, POOL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, pool->fd, 0);
	ck_assert_ptr_ne(*memory, MAP_FAILED);
}

static void dev_init(unsigned int i)
{
	struct wdev *d = &w.dev[i];
	struct broker_dev *bd = &w.b.dev[i];
	size_t size;
	void *memory;

	d->params = (struct vmsg_params){
		.ops = &ops,
		.priv = d,
		.ring_order = w.order,
		.nr_tx_pages = BROKER_PAGES,
		.tx_pages = bd->tx_pages,
		.tx_grefs = bd->tx_grefs,
		.tx_directory = 1,
		.nr_rx_pages = BROKER_PAGES,
		.rx_pages = bd->rx_pages,
		.rx_grefs = bd->rx_grefs,
		.rx_directory = 2,
		.max_ports = PORTS,
		.max_flows = 64,
		.max_pools = FOREIGN,
		.max_subscriptions = 4,
		.copy_out = 256,
		.seq_start = 1,
	};
	size = vmsg_size(&d->params);
	memory = aligned_alloc(64, size);
	memset(memory, 0, size);
	d->v = vmsg_init(memory, &d->params);
	bd->v = d->v;
	bd->slots = VMSGIF_RING_SLOTS(w.order);
	bd->tx_ring = aligned_alloc(4096, VMSGIF_RING_BYTES(w.order));
	bd->rx_ring = aligned_alloc(4096, VMSGIF_RING_BYTES(w.order));
	for (unsigned int p = 0; p < PORTS; p++) {
		d->ports[p].memory = aligned_alloc(64, PORT_SIZE);
		d->ports[p].port = aligned_alloc(64, (vmsg_port_size() + 63) & ~(size_t)63);
		vmsg_port_init(d->v, d->ports[p].port, d->ports[p].memory, PORT_SIZE, NULL);
	}
	for (unsigned int p = 0; p < BROKER_POOLS; p++)
		new_pool_memory(i, p);
	d->attach = true;
}

static void dev_deinit(unsigned int i)
{
	struct wdev *d = &w.dev[i];

	for (unsigned int p = 0; p < PORTS; p++) {
		vmsg_port_fini(d->v, d->ports[p].port);
		free(d->ports[p].port);
		free(d->ports[p].memory);
	}
	for (unsigned int p = 0; p < BROKER_POOLS; p++) {
		munmap(w.b.dev[i].pools[p], POOL_SIZE);
		close(d->pools[p].fd);
		w.b.dev[i].pools[p] = NULL;
	}
	free(w.b.dev[i].tx_ring);
	free(w.b.dev[i].rx_ring);
	free(d->v);
}

static void publish(struct wdev *d)
{
	vmsg_publish(d->v, rnd(2));
	ck_assert_ptr_null(vmsg_broken(d->v));
}

static void poll_dev(struct wdev *d, unsigned int budget)
{
	vmsg_poll(d->v, budget);
	ck_assert_msg(!vmsg_broken(d->v), "%s", vmsg_broken(d->v));
}

static void attach(unsigned int i)
{
	struct wdev *d = &w.dev[i];
	struct vmsg_features features = w.b.features;

	if (vmsg_is_connected(d->v))
		vmsg_disconnected(d->v);
	ck_assert_msg(!vmsg_broken(d->v), "%s", vmsg_broken(d->v));
	vmsg_ring_init(d->v, w.b.dev[i].tx_ring, w.b.dev[i].rx_ring);
	broker_attach(&w.b, i);
	features.addr = w.b.dev[i].addr;
	vmsg_connected(d->v, &features);
	publish(d);
	d->attach = false;
}

static void broker_died(void)
{
	w.b.features.flow_window = 1 + rnd(12);
	w.b.no_pools = rnd(3) == 0;
	for (unsigned int i = 0; i < DEVS; i++)
		w.dev[i].attach = true;
}

static void turn(void)
{
	static const unsigned int quotas[] = { 0, 1, 3, 1000 };
	unsigned int die = rnd(60) ? 0 : 1 + rnd(BROKER_STEPS);

	broker_turn(&w.b, quotas[rnd(4)], die);
	if (die)
		broker_died();
}

/* --------------------------------------------------------------- operations */

static int post(unsigned int i, unsigned int p, struct sent *sent, struct vmsg_send *send)
{
	struct wdev *d = &w.dev[i];
	int error;

	send->cookie = w.nr_sent + 1;
	error = vmsg_send(d->v, d->ports[p].port, send, &sent->seq);
	if (error) {
		ck_assert(error == -EAGAIN || error == -EHOSTDOWN || error == -EINVAL ||
			  error == -EMSGSIZE);
		return error;
	}
	w.nr_sent++;
	return 0;
}

static void send_pages(unsigned int i, unsigned int p, struct sent *sent, struct vmsg_send *send)
{
	struct wdev *d = &w.dev[i];
	struct vmsgif_segment segs[64];
	uint16_t pages[65];
	static uint8_t data[65536];
	unsigned int nr = 1 + rnd(rnd(4) ? 3 : 12);
	uint32_t len = 0;

	if (vmsg_tx_pages_get(d->v, d->ports[p].port, nr + 1, pages))
		return;
	for (unsigned int k = 0; k < nr; k++) {
		segs[k].ref = pages[k];
		segs[k].offset = (uint16_t)rnd(100);
		segs[k].len = (uint16_t)(1 + rnd(rnd(2) ? 300 : 3900));
		len += segs[k].len;
	}
	fill(data, len, w.nr_sent);
	len = 0;
	for (unsigned int k = 0; k < nr; k++) {
		memcpy((uint8_t *)w.b.dev[i].tx_pages[pages[k]] + segs[k].offset, data + len,
		       segs[k].len);
		len += segs[k].len;
	}
	send->form = VMSG_PAGES;
	send->segs = segs;
	send->nr_segs = nr;
	send->list_page = pages[nr];
	send->len = sent->len = len;
	if (post(i, p, sent, send))
		vmsg_tx_pages_put(d->v, d->ports[p].port, nr + 1, pages);
	else if (nr <= VMSGIF_SEGS_MAX)
		vmsg_tx_pages_put(d->v, d->ports[p].port, 1, pages + nr);
}

/* Adds it to the SEND before it, if that is still open. */
static bool join(unsigned int i, unsigned int p, struct sent *sent, const struct vmsg_send *send)
{
	struct sent *last;
	uint64_t cookie;

	if (!vmsg_join(w.dev[i].v, w.dev[i].ports[p].port, send, &cookie, &sent->seq))
		return false;
	ck_assert_uint_le(cookie, w.nr_sent);
	for (last = &w.sent[cookie - 1]; last->joined; last = last->joined)
		;
	ck_assert_int_eq(last->status, NEVER);
	ck_assert_uint_eq(last->seq, sent->seq - VMSGIF_BATCH_COUNT(send->len, send->each));
	last->joined = sent;
	w.nr_sent++;
	w.joined++;
	return true;
}

static void send_batch(unsigned int i, unsigned int p, struct sent *sent, struct vmsg_send *send)
{
	struct vmsg_port *port = w.dev[i].ports[p].port;
	uint32_t room = rnd(4) ? 4096 : 8192, most, len;
	struct vmsgif_segment segs[2];
	static uint8_t data[8192];
	unsigned int nr;
	uint16_t pages[2];

	most = room / send->each < 256 ? room / send->each : 256;
	len = (2 + rnd(rnd(2) ? most - 1 : 4)) * send->each;
	len = len > room ? room - room % send->each : len;
	len -= rnd(8) ? 0 : rnd(send->each);
	nr = (len + 4095) / 4096;
	if (vmsg_tx_pages_get(w.dev[i].v, port, nr, pages))
		return;
	fill(data, len, w.nr_sent);
	for (unsigned int k = 0; k < nr; k++) {
		segs[k] = (struct vmsgif_segment){
			.ref = pages[k],
			.len = (uint16_t)(len - k * 4096 < 4096 ? len - k * 4096 : 4096),
		};
		memcpy(w.b.dev[i].tx_pages[pages[k]], data + k * 4096, segs[k].len);
	}
	send->form = VMSG_PAGES;
	send->segs = segs;
	send->nr_segs = nr;
	send->len = sent->len = len;
	sent->each = send->each;
	if (!join(i, p, sent, send) && post(i, p, sent, send))
		vmsg_tx_pages_put(w.dev[i].v, port, nr, pages);
}

static void send_mapped(unsigned int i, unsigned int id, struct sent *sent, struct vmsg_send *send)
{
	struct wpool *pool = &w.dev[i].pools[id];
	unsigned int page = rnd(BROKER_POOL_PAGES);
	uint32_t offset = rnd(100), len = 1 + rnd(3900);

	/* Where a run goes on. */
	if (pool->len && rnd(4)) {
		page = (pool->page + 1) % BROKER_POOL_PAGES;
		offset = pool->offset;
		len = pool->len;
	}
	if (pool->state != ON || (pool->busy & 1u << page))
		return;
	pool->page = page;
	pool->offset = offset;
	pool->len = len;
	send->addr = pool->addr;
	send->port = PORT_BASE + pool->dst_port;
	send->form = VMSG_MAP;
	send->map_id = id;
	send->map_offset = page * 4096 + offset;
	send->len = sent->len = len;
	sent->dst_dev = pool->dst_dev;
	sent->dst_port = pool->dst_port;
	sent->taint = w.dev[sent->dst_dev].ports[sent->dst_port].taint;
	sent->pool = (int)id;
	sent->page = page;
	fill((uint8_t *)w.b.dev[i].pools[id] + send->map_offset, send->len, w.nr_sent);
	if (join(i, pool->port, sent, send) || !post(i, pool->port, sent, send))
		pool->busy |= 1u << page;
}

static void send_one(unsigned int i, unsigned int p, unsigned int dst, unsigned int dst_port,
		     unsigned int form, uint16_t each)
{
	struct sent *sent = &w.sent[w.nr_sent];
	bool joins = form >= 2;
	uint8_t data[32];
	struct vmsg_send send = {
		.addr = w.b.dev[dst].addr,
		.port = PORT_BASE + dst_port,
		.data = data,
		.lazy = rnd(2) || (joins && rnd(4)),
		.quiet = rnd(2) || (joins && rnd(4)),
		.each = each,
		.open = joins && rnd(8),
	};

	if (w.nr_sent == MESSAGES)
		return;
	*sent = (struct sent){
		.dev = i,
		.dst_dev = dst,
		.dst_port = dst_port,
		.status = NEVER,
		.pool = -1,
		.taint = w.dev[dst].ports[dst_port].taint,
	};
	switch (form) {
	case 0:
		send.form = VMSG_INLINE;
		send.len = sent->len = rnd(33);
		fill(data, send.len, w.nr_sent);
		post(i, p, sent, &send);
		break;
	case 1:
		send_pages(i, p, sent, &send);
		break;
	case 2:
		send_batch(i, p, sent, &send);
		break;
	default:
		send_mapped(i, (dst + dst_port) % BROKER_POOLS, sent, &send);
		break;
	}
}

static void do_send(unsigned int i)
{
	unsigned int dst = rnd(DEVS), dst_port = rnd(PORTS), p = rnd(PORTS), form = rnd(4), n = 1;
	uint16_t each = 0;

	if (form >= 2)
		n += rnd(6);
	if (form == 2)
		each = (uint16_t)(8 * (1 + rnd(rnd(2) ? 8 : 64)));
	while (n--)
		send_one(i, p, dst, dst_port, form, each);
}

static uint32_t gather(struct wdev *d, struct vmsg_port *port, const struct vmsg_msg *msg,
		       uint8_t *to)
{
	uint32_t cursor = 0, at = 0, len;
	const void *data;

	while (vmsg_msg_piece(d->v, port, msg, &cursor, &data, &len)) {
		ck_assert_uint_le(at + len, VMSGIF_MESSAGE_MAX);
		memcpy(to + at, data, len);
		at += len;
	}
	return at;
}

static struct sent *sent_of(unsigned int dev, uint64_t seq)
{
	for (unsigned int i = w.nr_sent; i--;)
		if (w.sent[i].dev == dev && w.sent[i].seq == seq)
			return &w.sent[i];
	return NULL;
}

/* A whole message, or of a batch what was sent at a time, came from @src: @bytes of it. */
static void arrived(unsigned int i, unsigned int p, struct sent *sent, const uint8_t *bytes)
{
	static uint8_t expected[VMSGIF_MESSAGE_MAX];

	ck_assert_uint_eq(sent->dst_dev, i);
	ck_assert_uint_eq(sent->dst_port, p);
	ck_assert_uint_eq(sent->received++, 0);
	ck_assert(sent->status == NEVER || sent->status == 0 || sent->status == -EHOSTDOWN ||
		  sent->status == -ECONNREFUSED);
	w.received++;
	fill(expected, sent->len, (unsigned int)(sent - w.sent));
	ck_assert_mem_eq(bytes, expected, sent->len);
}

static bool do_recv(unsigned int i, unsigned int p, bool release)
{
	struct wport *port = &w.dev[i].ports[p];
	unsigned int slot = 0;
	static uint8_t bytes[VMSGIF_MESSAGE_MAX];
	struct vmsg_info info;
	struct vmsg_msg *msg;
	unsigned int src;
	uint32_t len;
	uint64_t seq;

	while (slot < HELD && port->held[slot])
		slot++;
	if (slot == HELD && !release)
		return false;
	msg = vmsg_recv(w.dev[i].v, port->port, &info);
	if (!msg)
		return false;
	src = VMSGIF_ADDR_DOMID(info.addr) - 1u;
	ck_assert_uint_gt(info.seq, port->last[src]);
	port->last[src] = info.seq;
	len = gather(&w.dev[i], port->port, msg, bytes);
	ck_assert_uint_eq(len, info.len);
	seq = info.seq;
	/* From behind: the number is that of the last one. */
	do {
		struct sent *sent = sent_of(src, seq);

		ck_assert_ptr_nonnull(sent);
		ck_assert_uint_eq(sent->each, info.each);
		ck_assert(info.mapped == (sent->pool >= 0));
		ck_assert_uint_le(sent->len, len);
		len -= sent->len;
		arrived(i, p, sent, bytes + len);
		seq -= VMSGIF_BATCH_COUNT(sent->len, sent->each);
	} while (len);
	if (release)
		vmsg_release(w.dev[i].v, port->port, msg);
	else
		port->held[slot] = msg;
	return true;
}

static void do_release(unsigned int i, unsigned int p)
{
	struct wport *port = &w.dev[i].ports[p];
	unsigned int slot = rnd(HELD);

	if (!port->held[slot])
		return;
	vmsg_release(w.dev[i].v, port->port, port->held[slot]);
	port->held[slot] = NULL;
}

static void do_unbind(unsigned int i, unsigned int p)
{
	struct wport *port = &w.dev[i].ports[p];

	if (port->state != BOUND && port->state != BINDING)
		return;
	memset(port->held, 0, sizeof(port->held));
	port->taint++;
	port->state = UNBINDING;
	ck_assert_int_eq(vmsg_unbind(w.dev[i].v, port->port, cookie_of(COOKIE_UNBIND, p)), 0);
}

static void do_bind(unsigned int i, unsigned int p)
{
	struct wport *port = &w.dev[i].ports[p];
	char service[60];

	if (port->state != UNBOUND)
		return;
	memset(service, 'x', sizeof(service));
	if (!vmsg_bind(w.dev[i].v, port->port, PORT_BASE + p, service, rnd(2) * rnd(60),
		       cookie_of(COOKIE_BIND, p)))
		port->state = BINDING;
}

static void do_pool(unsigned int i)
{
	unsigned int id = rnd(BROKER_POOLS), dst = rnd(DEVS), p = rnd(PORTS);
	struct wpool *pool = &w.dev[i].pools[id];

	if (pool->state == ON && !rnd(4)) {
		if (!vmsg_pool_del(w.dev[i].v, id, cookie_of(COOKIE_DEL, id)))
			pool->state = DELETING;
		return;
	}
	if (pool->state != NONE || dst == i)
		return;
	pool->port = p;
	pool->dst_dev = dst;
	pool->dst_port = rnd(PORTS);
	pool->addr = w.b.dev[dst].addr;
	if (!vmsg_pool_add(w.dev[i].v, w.dev[i].ports[p].port, id, pool->addr,
			   PORT_BASE + pool->dst_port, broker_directory(i, id), BROKER_POOL_PAGES,
			   cookie_of(COOKIE_ADD, id)))
		pool->state = ADDING;
}

static void do_new_instance(unsigned int i)
{
	struct wdev *d = &w.dev[i];

	vmsg_shutdown(d->v, -EHOSTDOWN);
	broker_peer_down(&w.b, i);
	for (unsigned int p = 0; p < PORTS; p++)
		d->ports[p].taint++; /* what was handed over completes with -EHOSTDOWN */
	for (unsigned int id = 0; id < BROKER_POOLS; id++)
		new_pool_memory(i, id);
	d->attach = true;
}

static void do_lookup(unsigned int i)
{
	char text[40];
	unsigned int len = 1 + rnd(40);

	memset(text, 'a' + (int)rnd(3), sizeof(text));
	if (rnd(2))
		vmsg_resolve_name(w.dev[i].v, text, len, cookie_of(COOKIE_OTHER, 0));
	else
		vmsg_subscribe(w.dev[i].v, text, len, rnd(2), cookie_of(COOKIE_OTHER, 0));
}

static void step(void)
{
	unsigned int i = rnd(DEVS), p = rnd(PORTS), op = rnd(1000);

	if (op < 250)
		do_send(i);
	else if (op < 400)
		turn();
	else if (op < 550)
		poll_dev(&w.dev[i], rnd(20));
	else if (op < 680)
		do_recv(i, p, rnd(3));
	else if (op < 760)
		do_release(i, p);
	else if (op < 880)
		publish(&w.dev[i]);
	else if (op < 910)
		do_bind(i, p);
	else if (op < 915)
		do_unbind(i, p);
	else if (op < 950)
		do_pool(i);
	else if (op < 960)
		do_lookup(i);
	else if (op < 970)
		(void)(vmsg_arm(w.dev[i].v) && (poll_dev(&w.dev[i], 100), true));
	else if (op < 971)
		do_new_instance(i);
	else if (w.dev[i].attach)
		attach(i);
}

/* ---------------------------------------------------------------- the end */

static bool quiet(void)
{
	for (unsigned int i = 0; i < DEVS; i++) {
		const struct vmsg *v = w.dev[i].v;

		if (vmsg_nr_free(v) != vmsg_slots(v) || v->todo & ~VMSG_TODO_WAKE)
			return false;
		for (unsigned int p = 0; p < PORTS; p++)
			if (w.dev[i].ports[p].state == BINDING ||
			    w.dev[i].ports[p].state == UNBINDING)
				return false;
	}
	return broker_idle(&w.b);
}

static void settle(void)
{
	for (unsigned int round = 0; round < 3000; round++) {
		for (unsigned int i = 0; i < DEVS; i++) {
			if (w.dev[i].attach)
				attach(i);
			poll_dev(&w.dev[i], 1000);
			for (unsigned int p = 0; p < PORTS; p++) {
				for (unsigned int k = 0; k < 4; k++)
					do_release(i, p);
				while (do_recv(i, p, true))
					;
			}
			publish(&w.dev[i]);
		}
		broker_turn(&w.b, 1000, 0);
		if (quiet())
			return;
	}
	for (unsigned int i = 0; i < w.nr_sent; i++)
		ck_assert_msg(w.sent[i].status != NEVER, "message %u stuck, %s", i,
			      w.sent[i].pool >= 0 ? "mapped" : "");
	ck_abort_msg("does not come to rest");
}

static void check_messages(void)
{
	for (unsigned int i = 0; i < w.nr_sent; i++) {
		const struct sent *sent = &w.sent[i];
		const struct wport *to = &w.dev[sent->dst_dev].ports[sent->dst_port];

		ck_assert_int_ne(sent->status, NEVER);
		if (sent->status == 0 && sent->taint == to->taint)
			ck_assert_msg(sent->received == 1, "message %u lost", i);
		if (sent->status && sent->status != -EHOSTDOWN && sent->status != -ECONNREFUSED)
			ck_assert_uint_eq(sent->received, 0);
	}
}

static void check_nothing_left(const struct vmsg *v)
{
	unsigned int free = 0;

	ck_assert_uint_eq(vmsg_nr_free(v), vmsg_slots(v));
	ck_assert_uint_eq(v->nr_wait, 0);
	ck_assert_uint_eq(v->nr_control, 0);
	ck_assert_uint_eq(v->nr_prompt, 0);
	ck_assert_uint_eq(v->nr_quiet, 0);
	ck_assert_uint_eq(v->nr_queue, 0);
	ck_assert_uint_eq(v->nr_bind, 0);
	ck_assert_uint_eq(v->nr_release, 0);
	ck_assert_uint_eq(v->nr_behind, 0);
	ck_assert_uint_eq(v->nr_work, 0);
	ck_assert_uint_eq(v->nr_ports, 0);
	ck_assert_uint_eq(v->nr_rejects, 0);
	ck_assert_uint_eq(v->rx_held, 0);
	ck_assert_uint_eq(v->nr_cells, 32);
	ck_assert_uint_eq(v->max_call, v->max_wait);
	ck_assert_uint_eq(v->nr_tx_free, BROKER_PAGES - 1);
	for (unsigned int i = 0; i < BROKER_PAGES; i++) {
		free += v->t.rx_map[i / VMSG_MAP_BITS] >> i % VMSG_MAP_BITS & 1;
		ck_assert_uint_eq(v->t.rx_mark[i], VMSG_PAGE_FREE);
	}
	ck_assert_uint_eq(free, v->nr_rx_free);
	ck_assert_uint_eq(v->rx.prod - v->rx.cons + free, BROKER_PAGES);
	for (unsigned int i = 0; i < v->t.windows.nr; i++) {
		const struct vmsg_window *window = (void *)vmsg_hash_at(&v->t.windows, i);

		ck_assert_uint_eq(window->count, 0);
		ck_assert_uint_eq(window->queued, 0);
	}
}

static void run(unsigned int seed, unsigned int steps)
{
	memset(&w, 0, sizeof(w));
	w.rng = seed * 7919u + 1;
	w.order = rnd(2);
	broker_init(&w.b);
	w.b.features = (struct vmsg_features){
		.flow_window = 8,
		.max_message = 65536,
		.max_pool_pages = BROKER_PAGES,
		.max_maps = 64,
		.map = true,
	};
	for (unsigned int i = 0; i < DEVS; i++)
		dev_init(i);
	for (unsigned int i = 0; i < steps; i++)
		step();
	settle();
	check_messages();
	for (unsigned int i = 0; i < DEVS; i++)
		for (unsigned int p = 0; p < PORTS; p++)
			do_unbind(i, p);
	settle();
	for (unsigned int i = 0; i < DEVS; i++)
		for (unsigned int id = 0; id < BROKER_POOLS; id++)
			if (w.dev[i].pools[id].state == ON)
				ck_assert_int_eq(vmsg_pool_del(w.dev[i].v, id,
							       cookie_of(COOKIE_DEL, id)),
						 0);
	for (unsigned int i = 0; i < DEVS; i++)
		for (unsigned int id = 0; id < BROKER_POOLS; id++)
			if (w.dev[i].pools[id].state == ON)
				w.dev[i].pools[id].state = DELETING;
	settle();
	for (unsigned int i = 0; i < DEVS; i++) {
		check_nothing_left(w.dev[i].v);
		for (unsigned int s = 0; s < FOREIGN; s++)
			ck_assert(!w.dev[i].foreign[s].mapped);
	}
	for (unsigned int i = 0; i < DEVS; i++)
		dev_deinit(i);
	broker_deinit(&w.b);
}

START_TEST(schedules)
{
	unsigned int runs = 0, singles = 0, joined = 0;

	if (getenv("SEED")) {
		run((unsigned int)atoi(getenv("SEED")), 4000);
		return;
	}
	for (unsigned int k = 0; k < 10; k++) {
		run((unsigned int)_i * 10 + k + 1, 4000);
		runs += w.b.runs;
		singles += w.b.singles;
		joined += w.joined;
	}
	/* RX pages were posted in both ways. */
	ck_assert_uint_gt(runs, 100);
	ck_assert_uint_gt(singles, 100);
	ck_assert_uint_gt(joined, 100);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-schedule");
	TCase *tc = tcase_create("schedule");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	/* SEED=n runs that one alone. */
	tcase_add_loop_test(tc, schedules, 0, getenv("SEED") ? 1 : 20);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
