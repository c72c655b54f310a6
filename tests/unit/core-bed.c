/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device of frontend/core whose broker is the test; see core-bed.h. */
#include "tests/unit/core-bed.h"

#include "frontend/core/state.h"
#include "tests/unit/core-segments.h"

#include <stdlib.h>
#include <string.h>

/* --------------------------------------------------------------- callbacks */

static struct cbed_event *event_new(struct vmsg *v, enum cbed_kind kind, struct vmsg_port *port)
{
	struct cbed *bed = vmsg_priv(v);
	struct cbed_event *event;

	ck_assert_uint_lt(bed->nr_events, CBED_EVENTS);
	event = &bed->events[(bed->first_event + bed->nr_events++) % CBED_EVENTS];
	memset(event, 0, sizeof(*event));
	event->kind = kind;
	event->port = port;
	return event;
}

static void send_done(struct vmsg *v, struct vmsg_port *port, uint64_t cookie, int status)
{
	struct cbed_event *event = event_new(v, CBED_SEND_DONE, port);

	event->cookie = cookie;
	event->status = status;
}

static void send_failed(struct vmsg *v, struct vmsg_port *port, const struct vmsg_failure *failure)
{
	struct cbed_event *event = event_new(v, CBED_SEND_FAILED, port);

	event->cookie = failure->seq;
	event->status = failure->status;
	event->addr = failure->addr;
	event->dst_port = failure->port;
	event->len = failure->count;
}

static void readable(struct vmsg *v, struct vmsg_port *port)
{
	event_new(v, CBED_READABLE, port);
}

static void writable(struct vmsg *v, struct vmsg_port *port)
{
	event_new(v, CBED_WRITABLE, port);
}

static void control_done(struct vmsg *v, uint64_t cookie, const struct vmsg_answer *answer)
{
	struct cbed_event *event = event_new(v, CBED_CONTROL_DONE, NULL);

	event->cookie = cookie;
	event->status = answer->status;
	event->addr = answer->addr;
	event->dst_port = answer->port;
}

static void named(struct vmsg *v, enum cbed_kind kind, uint32_t addr, const char *name,
		  unsigned int len)
{
	struct cbed_event *event = event_new(v, kind, NULL);

	ck_assert_uint_le(len, VMSGIF_NAME_MAX);
	event->addr = addr;
	event->len = len;
	memcpy(event->name, name, len);
}

static void peer_up(struct vmsg *v, uint32_t addr, const char *name, unsigned int len)
{
	named(v, CBED_PEER_UP, addr, name, len);
}

static void resolved(struct vmsg *v, uint32_t addr, const char *name, unsigned int len)
{
	named(v, CBED_RESOLVED, addr, name, len);
}

static void peer_down(struct vmsg *v, uint32_t addr)
{
	event_new(v, CBED_PEER_DOWN, NULL)->addr = addr;
}

static void pool_map(struct vmsg *v, struct vmsg_port *port, unsigned int slot, uint32_t addr,
		     uint32_t ref, uint32_t nr_pages)
{
	struct cbed *bed = vmsg_priv(v);
	struct cbed_event *event = event_new(v, CBED_POOL_MAP, NULL);

	event->slot = slot;
	event->addr = addr;
	event->ref = ref;
	event->nr_pages = nr_pages;
	if (bed->pool_map_at_once)
		vmsg_pool_mapped(v, slot, 0, bed->map_va);
}

static void pool_unmap(struct vmsg *v, unsigned int slot, bool detach)
{
	struct cbed_event *event = event_new(v, CBED_POOL_UNMAP, NULL);

	event->slot = slot;
	event->detach = detach;
}

static void pool_free(struct vmsg *v, unsigned int slot)
{
	event_new(v, CBED_POOL_FREE, NULL)->slot = slot;
}

static void pool_gone(struct vmsg *v, unsigned int id)
{
	event_new(v, CBED_POOL_GONE, NULL)->slot = id;
}

static void lost(struct vmsg *v, struct vmsg_port *port, int status)
{
	event_new(v, CBED_LOST, port)->status = status;
}

static const struct vmsg_ops ops = {
	.send_done = send_done,
	.send_failed = send_failed,
	.readable = readable,
	.writable = writable,
	.control_done = control_done,
	.peer_up = peer_up,
	.resolved = resolved,
	.peer_down = peer_down,
	.pool_map = pool_map,
	.pool_unmap = pool_unmap,
	.pool_free = pool_free,
	.pool_gone = pool_gone,
	.lost = lost,
};

static const struct vmsg_ops ops_no_lost = {
	.send_done = send_done,
	.readable = readable,
	.writable = writable,
	.control_done = control_done,
	.peer_up = peer_up,
	.resolved = resolved,
	.peer_down = peer_down,
	.pool_map = pool_map,
	.pool_unmap = pool_unmap,
	.pool_free = pool_free,
	.pool_gone = pool_gone,
};

struct cbed_event cbed_event(struct cbed *bed)
{
	struct cbed_event event = { .kind = CBED_NONE };

	if (!bed->nr_events)
		return event;
	event = bed->events[bed->first_event];
	bed->first_event = (bed->first_event + 1) % CBED_EVENTS;
	bed->nr_events--;
	return event;
}

struct cbed_event cbed_expect_event(struct cbed *bed, enum cbed_kind kind)
{
	struct cbed_event event = cbed_event(bed);

	ck_assert_int_eq(event.kind, kind);
	return event;
}

void cbed_no_event(struct cbed *bed)
{
	ck_assert_int_eq(cbed_event(bed).kind, CBED_NONE);
}

void cbed_forget_events(struct cbed *bed)
{
	bed->nr_events = 0;
}

/* ------------------------------------------------------------------- device */

static void *page_new(size_t bytes)
{
	void *page = aligned_alloc(VMSGIF_PAGE_SIZE, bytes);

	ck_assert_ptr_nonnull(page);
	memset(page, 0xa5, bytes);
	return page;
}

void cbed_defaults(struct cbed *bed)
{
	memset(bed, 0, sizeof(*bed));
	bed->params = (struct vmsg_params){
		.ops = &ops,
		.priv = bed,
		.ring_order = 1,
		.nr_tx_pages = 32,
		.tx_directory = 5,
		.nr_rx_pages = 64,
		.rx_directory = 6,
		.max_ports = 4,
		.max_flows = 16,
		.max_pools = 3,
		.max_subscriptions = 3,
		.copy_out = 256,
		.seq_start = 1000,
	};
	bed->features = (struct vmsg_features){
		.addr = CBED_ADDR,
		.flow_window = 8,
		.max_message = 65536,
		.max_pool_pages = 1024,
		.max_maps = 64,
		.map = true,
	};
}

void cbed_init(struct cbed *bed)
{
	struct vmsg_params *p = &bed->params;
	size_t size;
	void *memory;

	if (bed->no_lost)
		p->ops = &ops_no_lost;
	for (unsigned int i = 0; i < p->nr_tx_pages; i++) {
		bed->tx_pages[i] = page_new(VMSGIF_PAGE_SIZE);
		bed->tx_grefs[i] = 10000 + i;
	}
	for (unsigned int i = 0; i < p->nr_rx_pages; i++) {
		bed->rx_pages[i] = page_new(VMSGIF_PAGE_SIZE);
		bed->rx_grefs[i] = 20000 + i;
	}
	p->tx_pages = bed->tx_pages;
	p->tx_grefs = bed->tx_grefs;
	p->rx_pages = bed->rx_pages;
	p->rx_grefs = bed->rx_grefs;
	bed->ring_bytes = VMSGIF_RING_BYTES(p->ring_order);
	bed->tx_ring = page_new(bed->ring_bytes);
	bed->rx_ring = page_new(bed->ring_bytes);
	size = vmsg_size(p);
	ck_assert_uint_gt(size, 0);
	memory = aligned_alloc(64, size);
	ck_assert_ptr_nonnull(memory);
	memset(memory, 0, size);
	bed->v = vmsg_init(memory, p);
	ck_assert_ptr_eq(bed->v, memory);
}

void cbed_deinit(struct cbed *bed)
{
	for (unsigned int i = 0; i < bed->params.nr_tx_pages; i++)
		free(bed->tx_pages[i]);
	for (unsigned int i = 0; i < bed->params.nr_rx_pages; i++)
		free(bed->rx_pages[i]);
	free(bed->tx_ring);
	free(bed->rx_ring);
	free(bed->v);
}

struct vmsg_port *cbed_port(struct cbed *bed, size_t size)
{
	struct vmsg_port *port = aligned_alloc(64, (vmsg_port_size() + 63) & ~(size_t)63);
	void *memory = size ? aligned_alloc(64, size) : NULL;

	ck_assert_ptr_nonnull(port);
	vmsg_port_init(bed->v, port, memory, size, memory);
	return port;
}

void cbed_port_free(struct cbed *bed, struct vmsg_port *port)
{
	vmsg_port_fini(bed->v, port);
	free(vmsg_port_priv(port));
	free(port);
}

/* --------------------------------------------------------------- connection */

void cbed_connect(struct cbed *bed)
{
	vmsg_ring_init(bed->v, bed->tx_ring, bed->rx_ring);
	bed->tx_cons = bed->tx_prod = bed->rx_cons = bed->rx_prod = 0;
	bed->rx_requests = 0;
	vmsg_connected(bed->v, &bed->features);
	cbed_publish(bed);
}

void cbed_up(struct cbed *bed)
{
	cbed_connect(bed);
	for (unsigned int i = 0; i < 1000 && !vmsg_is_ready(bed->v); i++)
		cbed_answer_all(bed, 0);
	ck_assert(vmsg_is_ready(bed->v));
}

void cbed_down(struct cbed *bed)
{
	vmsg_disconnected(bed->v);
}

bool cbed_publish(struct cbed *bed)
{
	return vmsg_publish(bed->v, false);
}

void cbed_poll(struct cbed *bed)
{
	while (vmsg_poll(bed->v, 1000))
		;
	cbed_publish(bed);
}

/* ----------------------------------------------------------------------- TX */

static struct vmsgif_tx_sring *tx_ring(const struct cbed *bed)
{
	return bed->tx_ring;
}

static struct vmsgif_rx_sring *rx_ring(const struct cbed *bed)
{
	return bed->rx_ring;
}

static unsigned int slots(const struct cbed *bed)
{
	return VMSGIF_RING_SLOTS(bed->params.ring_order);
}

static bool is_zero(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	while (len--)
		if (*p++)
			return false;
	return true;
}

/* What vmsgif.h demands of the parts that a request does not use. */
static void check_request(const struct cbed *bed, const struct vmsgif_tx_request *req)
{
	const uint8_t *u = (const uint8_t *)&req->u;
	size_t used = 0;

	ck_assert_uint_ge(req->op, 1);
	ck_assert_uint_le(req->op, VMSGIF_OP_MAX);
	ck_assert_uint_lt(req->id, slots(bed));
	ck_assert(req->op == VMSGIF_OP_SEND || !req->each);
	ck_assert(vmsg_batch_valid(req->len, req->each));
	ck_assert_uint_eq(req->flags & ~VMSGIF_TXF_ALL, 0);
	if (req->flags & VMSGIF_TXF_INLINE)
		used = req->len;
	else if (req->flags & VMSGIF_TXF_INDIRECT)
		used = sizeof(req->u.indirect);
	else if ((req->flags & VMSGIF_TXF_MAP) || req->op == VMSGIF_OP_RELEASE)
		used = sizeof(req->u.map);
	else if (req->op >= VMSGIF_OP_POOL_ADD && req->op <= VMSGIF_OP_POOL_ACK)
		used = sizeof(req->u.pool);
	else
		used = req->nr_segs * sizeof(req->u.seg[0]);
	ck_assert_uint_le(used, sizeof(req->u));
	ck_assert(is_zero(u + used, sizeof(req->u) - used));
	if (req->flags & (VMSGIF_TXF_INLINE | VMSGIF_TXF_MAP))
		ck_assert_uint_eq(req->nr_segs, 0);
	if (!req->nr_segs)
		ck_assert_uint_eq(req->flags & VMSGIF_TXF_POOL, 0);
}

bool cbed_next(struct cbed *bed, struct vmsgif_tx_request *req)
{
	if (bed->tx_cons == tx_ring(bed)->req_prod)
		return false;
	*req = tx_ring(bed)->ring[bed->tx_cons++ & (slots(bed) - 1)].req;
	ck_assert_uint_le(tx_ring(bed)->req_prod - bed->tx_prod, slots(bed));
	check_request(bed, req);
	return true;
}

struct vmsgif_tx_request cbed_expect(struct cbed *bed, unsigned int op)
{
	struct vmsgif_tx_request req = { .op = 0 };

	ck_assert_msg(cbed_next(bed, &req), "no request, op %u expected", op);
	ck_assert_uint_eq(req.op, op);
	return req;
}

void cbed_expect_none(struct cbed *bed)
{
	struct vmsgif_tx_request req = { .op = 0 };

	ck_assert_msg(!cbed_next(bed, &req), "request of op %u", req.op);
}

struct vmsgif_tx_response cbed_response(const struct vmsgif_tx_request *req, int status)
{
	return (struct vmsgif_tx_response){ .op = req->op, .id = req->id, .status = status };
}

void cbed_answer_raw(struct cbed *bed, const struct vmsgif_tx_response *rsp)
{
	tx_ring(bed)->ring[bed->tx_prod++ & (slots(bed) - 1)].rsp = *rsp;
}

void cbed_tx_publish(struct cbed *bed)
{
	tx_ring(bed)->rsp_prod = bed->tx_prod;
}

void cbed_answer(struct cbed *bed, const struct vmsgif_tx_request *req, int status)
{
	struct vmsgif_tx_response rsp = cbed_response(req, status);

	cbed_answer_raw(bed, &rsp);
}

void cbed_answered(struct cbed *bed, const struct vmsgif_tx_request *req, int status)
{
	cbed_answer(bed, req, status);
	cbed_tx_publish(bed);
	cbed_poll(bed);
}

void cbed_answer_all(struct cbed *bed, unsigned int keep)
{
	struct vmsgif_tx_request req;

	while (cbed_next(bed, &req))
		if (!(keep & 1u << req.op))
			cbed_answer(bed, &req, 0);
	cbed_tx_publish(bed);
	cbed_poll(bed);
}

void *cbed_tx_page(struct cbed *bed, const struct vmsgif_tx_request *req, uint32_t ref)
{
	if (!(req->flags & VMSGIF_TXF_POOL)) {
		ck_assert_uint_ge(ref, 10000);
		ref -= 10000;
	}
	ck_assert_uint_lt(ref, bed->params.nr_tx_pages);
	return bed->tx_pages[ref];
}

struct request_pages {
	struct cbed *bed;
	const struct vmsgif_tx_request *req;
};

static const uint8_t *request_page(void *arg, uint32_t ref)
{
	const struct request_pages *pages = arg;

	return cbed_tx_page(pages->bed, pages->req, ref);
}

void cbed_payload(struct cbed *bed, const struct vmsgif_tx_request *req, void *out)
{
	struct request_pages pages = { bed, req };
	const struct vmsgif_segment *segs = req->u.seg;

	if (req->flags & VMSGIF_TXF_INLINE) {
		memcpy(out, req->u.data, req->len);
		return;
	}
	if (req->flags & VMSGIF_TXF_INDIRECT)
		segs = cbed_tx_page(bed, req, req->u.indirect.ref);
	ck_assert_uint_eq(segments_read(segs, req->nr_segs, req->flags & VMSGIF_TXF_POOL,
					request_page, &pages, out),
			  req->len);
}

/* ----------------------------------------------------------------------- RX */

unsigned int cbed_rx_posted(const struct cbed *bed)
{
	return rx_ring(bed)->req_prod - bed->rx_prod;
}

unsigned int cbed_rx_pages(const struct cbed *bed)
{
	return cbed_rx_posted(bed) + bed->v->nr_rx_free;
}

void cbed_rx_look(struct cbed *bed)
{
	uint32_t mask = slots(bed) - 1;

	while (bed->rx_cons != rx_ring(bed)->req_prod) {
		struct vmsgif_rx_request req = rx_ring(bed)->ring[bed->rx_cons & mask].req;
		unsigned int nr = req.more + 1u;

		ck_assert_uint_eq(req.flags & ~VMSGIF_RXF_POOL, 0);
		ck_assert(is_zero(req.reserved, sizeof(req.reserved)));
		ck_assert(req.more == 0 || req.flags == VMSGIF_RXF_POOL);
		ck_assert_uint_le(nr, rx_ring(bed)->req_prod - bed->rx_cons);
		/* Slots are answered in order, so the index is an id that is not in use. */
		ck_assert_uint_eq(req.id, bed->rx_cons & mask);
		ck_assert_uint_le(req.id + nr, slots(bed));
		req.more = 0;
		for (; nr > 0; nr--, req.id++, req.ref++)
			bed->posted[bed->rx_cons++ & mask] = req;
		bed->rx_requests++;
	}
}

static const struct vmsgif_rx_request *rx_next(struct cbed *bed)
{
	cbed_rx_look(bed);
	ck_assert_uint_gt(cbed_rx_posted(bed), 0);
	return &bed->posted[bed->rx_prod & (slots(bed) - 1)];
}

void *cbed_rx_page(struct cbed *bed)
{
	const struct vmsgif_rx_request *req = rx_next(bed);
	uint32_t page = req->ref;

	if (!(req->flags & VMSGIF_RXF_POOL)) {
		ck_assert_uint_ge(page, 20000);
		page -= 20000;
	}
	ck_assert_uint_lt(page, bed->params.nr_rx_pages);
	return bed->rx_pages[page];
}

void cbed_rx_raw(struct cbed *bed, const struct vmsgif_rx_response *rsp)
{
	cbed_rx_look(bed);
	rx_ring(bed)->ring[bed->rx_prod++ & (slots(bed) - 1)].rsp = *rsp;
}

void cbed_rx(struct cbed *bed, struct vmsgif_rx_response rsp)
{
	rsp.id = rx_next(bed)->id;
	cbed_rx_raw(bed, &rsp);
}

void cbed_rx_rest(struct cbed *bed)
{
	struct vmsgif_rx_response rubbish;

	(void)rx_next(bed);
	memset(&rubbish, 0xa5, sizeof(rubbish));
	cbed_rx_raw(bed, &rubbish);
}

struct vmsgif_rx_response cbed_rx_event(unsigned int type, uint32_t addr)
{
	return (struct vmsgif_rx_response){ .type = (uint8_t)type, .addr = addr };
}

void cbed_tell(struct cbed *bed, struct vmsgif_rx_response rsp)
{
	cbed_rx(bed, rsp);
	cbed_rx_publish(bed);
	cbed_poll(bed);
}

void cbed_rx_publish(struct cbed *bed)
{
	rx_ring(bed)->rsp_prod = bed->rx_prod;
}

struct vmsgif_rx_response cbed_msg(uint32_t port, uint64_t seq, const void *data, uint32_t len)
{
	struct vmsgif_rx_response rsp = {
		.type = VMSGIF_RX_MESSAGE,
		.flags = VMSGIF_RXF_INLINE,
		.addr = CBED_PEER,
		.port = port,
		.src_port = 5,
		.seq = seq,
		.len = len,
	};

	if (len <= VMSGIF_INLINE_MAX)
		memcpy(rsp.u.data, data, len);
	return rsp;
}

void cbed_deliver(struct cbed *bed, uint32_t port, uint64_t seq, const void *data, uint32_t len)
{
	struct vmsgif_rx_response rsp = cbed_msg(port, seq, data, len);
	uint32_t at = 0;

	if (len <= VMSGIF_INLINE_MAX) {
		cbed_rx(bed, rsp);
	} else {
		rsp.flags = 0;
		rsp.used = (uint16_t)(len < VMSGIF_PAGE_SIZE ? len : VMSGIF_PAGE_SIZE);
		for (; at < len; at += VMSGIF_PAGE_SIZE) {
			uint32_t used = len - at < VMSGIF_PAGE_SIZE ? len - at : VMSGIF_PAGE_SIZE;

			memcpy(cbed_rx_page(bed), (const uint8_t *)data + at, used);
			if (at == 0)
				cbed_rx(bed, rsp);
			else
				cbed_rx_rest(bed);
		}
	}
	cbed_rx_publish(bed);
	cbed_poll(bed);
}

/* ---------------------------------------------------------------- shortcuts */

struct vmsg_port *cbed_bound_port(struct cbed *bed, uint32_t number, size_t size)
{
	struct vmsg_port *port = cbed_port(bed, size);
	struct vmsgif_tx_request req;

	ck_assert_int_eq(vmsg_bind(bed->v, port, number, NULL, 0, 1), 0);
	cbed_publish(bed);
	req = cbed_expect(bed, VMSGIF_OP_BIND);
	cbed_answered(bed, &req, 0);
	ck_assert_int_eq(cbed_expect_event(bed, CBED_CONTROL_DONE).status, 0);
	return port;
}

int cbed_send(struct cbed *bed, struct vmsg_port *port, const void *data, uint32_t len,
	      uint64_t cookie)
{
	struct vmsg_send send = {
		.addr = CBED_PEER,
		.port = CBED_PORT,
		.len = len,
		.form = VMSG_INLINE,
		.cookie = cookie,
		.data = data,
	};

	return vmsg_send(bed->v, port, &send, NULL);
}

int cbed_send_pages(struct cbed *bed, struct vmsg_port *port, const void *data, uint32_t len,
		    uint64_t cookie)
{
	unsigned int nr = (len + VMSGIF_PAGE_SIZE - 1) / VMSGIF_PAGE_SIZE;
	unsigned int list = nr > VMSGIF_SEGS_MAX;
	struct vmsgif_segment segs[VMSGIF_INDIRECT_MAX];
	uint16_t pages[VMSGIF_INDIRECT_MAX + 1];
	struct vmsg_send send = {
		.addr = CBED_PEER,
		.port = CBED_PORT,
		.len = len,
		.form = VMSG_PAGES,
		.cookie = cookie,
		.segs = segs,
		.nr_segs = nr,
	};
	int error = vmsg_tx_pages_get(bed->v, port, nr + list, pages);

	if (error)
		return error;
	for (unsigned int i = 0; i < nr; i++) {
		uint32_t left = len - i * VMSGIF_PAGE_SIZE;

		segs[i].ref = pages[i];
		segs[i].offset = 0;
		segs[i].len = (uint16_t)(left < VMSGIF_PAGE_SIZE ? left : VMSGIF_PAGE_SIZE);
		memcpy(bed->tx_pages[pages[i]], (const uint8_t *)data + i * VMSGIF_PAGE_SIZE,
		       segs[i].len);
	}
	send.list_page = pages[nr * list];
	error = vmsg_send(bed->v, port, &send, NULL);
	if (error)
		vmsg_tx_pages_put(bed->v, port, nr + list, pages);
	return error;
}

unsigned int cbed_gather(struct cbed *bed, struct vmsg_port *port, const struct vmsg_msg *msg,
			 void *out)
{
	uint32_t cursor = 0;
	unsigned int pieces = 0;
	const void *data;
	uint32_t len;
	uint8_t *to = out;

	while (vmsg_msg_piece(bed->v, port, msg, &cursor, &data, &len)) {
		memcpy(to, data, len);
		to += len;
		pieces++;
	}
	return pieces;
}

struct vmsg_msg *cbed_recv(struct cbed *bed, struct vmsg_port *port, struct vmsg_info *info)
{
	return vmsg_recv(bed->v, port, info);
}

void cbed_expect_msg(struct cbed *bed, struct vmsg_port *port, uint64_t seq, const void *data,
		     uint32_t len)
{
	struct vmsg_info info;
	struct vmsg_msg *msg = vmsg_recv(bed->v, port, &info);
	uint8_t *copy = malloc(len + 1);

	ck_assert_ptr_nonnull(msg);
	ck_assert_uint_eq(info.addr, CBED_PEER);
	ck_assert_uint_eq(info.src_port, 5);
	ck_assert_uint_eq(info.seq, seq);
	ck_assert_uint_eq(info.len, len);
	ck_assert(!info.mapped);
	cbed_gather(bed, port, msg, copy);
	ck_assert_mem_eq(copy, data, len);
	free(copy);
	vmsg_release(bed->v, port, msg);
}

void cbed_fill(void *data, size_t len, unsigned int seed)
{
	uint8_t *to = data;

	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)((seed * 2654435761u + (unsigned int)i * 40503u) >> 8);
}

struct vmsg_stats cbed_stats(struct cbed *bed)
{
	struct vmsg_stats stats;

	vmsg_stats_get(bed->v, &stats);
	return stats;
}

void cbed_expect_broken(struct cbed *bed, const char *reason)
{
	ck_assert_ptr_nonnull(vmsg_broken(bed->v));
	ck_assert_str_eq(vmsg_broken(bed->v), reason);
	ck_assert(!vmsg_is_connected(bed->v));
}

void cbed_expect_pages(struct cbed *bed, unsigned int held)
{
	unsigned int nr_tx = bed->params.nr_tx_pages - 1; /* the last one is for names */
	unsigned int nr_rx = bed->params.nr_rx_pages - held;
	struct vmsg_port *port = cbed_port(bed, 0);
	uint16_t pages[VMSGIF_POOL_PAGES_MAX];

	ck_assert_int_eq(vmsg_tx_pages_get(bed->v, port, nr_tx, pages), 0);
	vmsg_tx_pages_put(bed->v, port, nr_tx, pages);
	ck_assert_uint_eq(cbed_rx_pages(bed), nr_rx);
	ck_assert_uint_ge(cbed_rx_posted(bed),
			  bed->v->rx_enough < nr_rx ? bed->v->rx_enough : nr_rx);
	cbed_port_free(bed, port);
}

void cbed_expect_broken_once(struct cbed *bed, const char *reason, unsigned int held)
{
	struct vmsg_port *port = cbed_port(bed, 0);

	cbed_expect_broken(bed, reason);
	ck_assert(!vmsg_poll(bed->v, 1000));
	ck_assert(!vmsg_publish(bed->v, true));
	ck_assert(!vmsg_arm(bed->v));
	ck_assert_int_eq(cbed_send(bed, port, "x", 1, 1), -EHOSTDOWN);
	ck_assert_int_eq(vmsg_resolve_addr(bed->v, 1, 1), -EHOSTDOWN);
	cbed_expect_broken(bed, reason);
	cbed_port_free(bed, port);
	cbed_forget_events(bed);
	cbed_up(bed);
	ck_assert_ptr_null(vmsg_broken(bed->v));
	cbed_expect_pages(bed, held);
	cbed_forget_events(bed);
}

int cbed_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
