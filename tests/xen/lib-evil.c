/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The broker's part of the device, driven by hand; see evil.h. */
#include "tests/xen/evil.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#define CONNECT_MS 3000

void evil_cannot(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("evil-backend: cannot ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	exit(2);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void evil_open(struct evil *e)
{
	e->xs = xs_open(0);
	e->gnttab = xengnttab_open(NULL, 0);
	e->evtchn = xenevtchn_open(NULL, 0);
	if (!e->xs || !e->gnttab || !e->evtchn)
		evil_cannot("open Xen's devices: %s", strerror(errno));
	e->port = -1;
	snprintf(e->front, sizeof(e->front), "/local/domain/%u/device/vmsg/0", e->domid);
	snprintf(e->back, sizeof(e->back), "/local/domain/0/backend/vmsg/%u/0", e->domid);
}

void evil_let_go(struct evil *e)
{
	if (e->port >= 0)
		xenevtchn_unbind(e->evtchn, (evtchn_port_t)e->port);
	e->port = -1;
	if (e->tx.sring)
		xengnttab_unmap(e->gnttab, e->tx.sring, e->ring_pages);
	if (e->rx.sring)
		xengnttab_unmap(e->gnttab, e->rx.sring, e->ring_pages);
	e->tx.sring = NULL;
	e->rx.sring = NULL;
}

void evil_close(struct evil *e)
{
	evil_let_go(e);
	xenevtchn_close(e->evtchn);
	xengnttab_close(e->gnttab);
	xs_close(e->xs);
}

/* ----------------------------------------------------------------- xenstore */

static void write_in(struct evil *e, xs_transaction_t t, const char *dir, const char *name,
		     const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (!xs_write(e->xs, t, path, text, (unsigned int)strlen(text)))
		evil_cannot("write %s: %s", path, strerror(errno));
}

static uint64_t read_number(struct evil *e, const char *name)
{
	unsigned int len;
	char path[128];
	uint64_t value;
	char *text;

	snprintf(path, sizeof(path), "%s/%s", e->front, name);
	text = xs_read(e->xs, XBT_NULL, path, &len);
	value = text ? strtoull(text, NULL, 10) : UINT64_MAX;
	free(text);
	return value;
}

/* One of the broker's nodes, in the way that the case wants it. */
static void write_node(struct evil *e, xs_transaction_t t, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	if (!e->spoilt || strcmp(e->spoilt, name) != 0)
		write_in(e, t, e->back, name, text);
	else if (e->value)
		write_in(e, t, e->back, name, e->value);
}

void evil_write(struct evil *e, const char *name, const char *text)
{
	write_in(e, XBT_NULL, e->back, name, text);
}

void evil_write_number(struct evil *e, const char *name, uint64_t value)
{
	write_node(e, XBT_NULL, name, value);
}

static void make_dir(struct evil *e, xs_transaction_t t, const char *dir, unsigned int owner,
		     unsigned int reader)
{
	struct xs_permissions perms[2] = {
		{ .id = owner, .perms = XS_PERM_NONE },
		{ .id = reader, .perms = XS_PERM_READ },
	};

	xs_rm(e->xs, t, dir);
	if (!xs_mkdir(e->xs, t, dir) || !xs_set_permissions(e->xs, t, dir, perms, 2))
		evil_cannot("make %s: %s", dir, strerror(errno));
}

void evil_new_epoch(struct evil *e)
{
	if (getrandom(&e->epoch, sizeof(e->epoch), 0) != sizeof(e->epoch))
		evil_cannot("get a random number");
	e->epoch |= 1;
	evil_write_number(e, "epoch", e->epoch);
	evil_write_number(e, "state", XenbusStateInitWait);
}

static void provision(struct evil *e, xs_transaction_t t)
{
	char number[16], state[16];

	snprintf(state, sizeof(state), "%d", e->begin);
	make_dir(e, t, e->back, 0, e->domid);
	make_dir(e, t, e->front, e->domid, 0);
	snprintf(number, sizeof(number), "%u", e->domid);
	write_in(e, t, e->back, "frontend", e->front);
	write_in(e, t, e->back, "frontend-id", number);
	write_in(e, t, e->back, "online", "1");
	write_in(e, t, e->back, "state", state);
	/* For raw-endpoint, which has to know where we are. */
	write_in(e, t, e->front, "case", e->name);
	write_in(e, t, e->front, "backend", e->back);
	write_in(e, t, e->front, "backend-id", "0");
	write_in(e, t, e->front, "state", state);
	write_node(e, t, "version", VMSGIF_VERSION);
	/* One page: fewer references have to go through xenstore. */
	write_node(e, t, "max-ring-order", 0);
	write_node(e, t, "flow-window", VMSGIF_FLOW_WINDOW);
	write_node(e, t, "max-message", VMSGIF_MESSAGE_MAX);
	write_node(e, t, "max-pool-pages", 384);
	write_node(e, t, "max-maps", 64);
	write_node(e, t, "feature-map", 1);
}

void evil_provision(struct evil *e)
{
	xs_transaction_t t;
	char path[128];

	do {
		t = xs_transaction_start(e->xs);
		if (!t)
			evil_cannot("start a transaction: %s", strerror(errno));
		provision(e, t);
	} while (!xs_transaction_end(e->xs, t, false) && errno == EAGAIN);
	snprintf(path, sizeof(path), "%s/state", e->front);
	if (!xs_watch(e->xs, path, "state"))
		evil_cannot("watch %s: %s", path, strerror(errno));
}

void evil_remove(struct evil *e, bool front)
{
	xs_transaction_t t;

	do {
		t = xs_transaction_start(e->xs);
		xs_rm(e->xs, t, e->back);
		if (front)
			xs_rm(e->xs, t, e->front);
	} while (!xs_transaction_end(e->xs, t, false) && errno == EAGAIN);
}

int evil_front_state(struct evil *e)
{
	uint64_t state = read_number(e, "state");

	return state > XenbusStateReconfigured ? EVIL_GONE : (int)state;
}

/* ------------------------------------------------------------------ waiting */

bool evil_wait(struct evil *e, int ms)
{
	struct pollfd fds[] = {
		{ .fd = xenevtchn_fd(e->evtchn), .events = POLLIN },
		{ .fd = xs_fileno(e->xs), .events = POLLIN },
	};
	xenevtchn_port_or_error_t port;
	char **event;

	if (poll(fds, 2, ms) <= 0)
		return false;
	if (fds[0].revents) {
		port = xenevtchn_pending(e->evtchn);
		if (port >= 0)
			xenevtchn_unmask(e->evtchn, (evtchn_port_t)port);
	}
	while (fds[1].revents && (event = xs_check_watch(e->xs)))
		free(event);
	return true;
}

bool evil_offered(struct evil *e, int ms)
{
	int64_t end = now_ms() + ms;
	int state = evil_front_state(e);

	while (state != XenbusStateInitialised || read_number(e, "epoch") != e->epoch) {
		if (state == XenbusStateClosing || state == XenbusStateClosed || now_ms() >= end)
			return false;
		evil_wait(e, (int)(end - now_ms()));
		state = evil_front_state(e);
	}
	return true;
}

static void *map_ring(struct evil *e, const char *prefix)
{
	uint32_t refs[EVIL_REFS_MAX], i;
	char name[24];
	void *ring;

	for (i = 0; i < e->ring_pages; i++) {
		snprintf(name, sizeof(name), "%s%u", prefix, i);
		refs[i] = (uint32_t)read_number(e, name);
	}
	ring = xengnttab_map_domain_grant_refs(e->gnttab, e->ring_pages, e->domid, refs,
					       PROT_READ | PROT_WRITE);
	if (!ring)
		evil_cannot("map %s: %s", prefix, strerror(errno));
	return ring;
}

void evil_attach(struct evil *e)
{
	if (e->port < 0) {
		uint64_t order = read_number(e, "ring-order");

		if (order > VMSGIF_MAX_RING_ORDER)
			evil_cannot("use a ring of order %" PRIu64, order);
		e->ring_pages = 1u << order;
		e->tx.sring = map_ring(e, "tx-ring-ref-");
		e->rx.sring = map_ring(e, "rx-ring-ref-");
		e->port = xenevtchn_bind_interdomain(
			e->evtchn, e->domid, (evtchn_port_t)read_number(e, "event-channel"));
		if (e->port < 0)
			evil_cannot("bind the event channel: %s", strerror(errno));
	}
	BACK_RING_INIT(&e->tx, e->tx.sring, e->ring_pages * VMSGIF_PAGE_SIZE);
	BACK_RING_INIT(&e->rx, e->rx.sring, e->ring_pages * VMSGIF_PAGE_SIZE);
	e->nr_sends = e->all_sends = 0;
	e->resolving = false;
}

void evil_connected(struct evil *e)
{
	int64_t end = now_ms() + CONNECT_MS;

	evil_write_number(e, "address", VMSGIF_ADDR(5, e->domid));
	evil_write_number(e, "state", XenbusStateConnected);
	while (evil_front_state(e) == XenbusStateInitialised && now_ms() < end)
		evil_wait(e, (int)(end - now_ms()));
}

/* -------------------------------------------------------------------- rings */

struct vmsgif_tx_response *evil_answer(struct evil *e, uint8_t op, uint16_t id)
{
	struct vmsgif_tx_response *rsp = RING_GET_RESPONSE(&e->tx, e->tx.rsp_prod_pvt++);

	memset(rsp, 0, sizeof(*rsp));
	rsp->op = op;
	rsp->id = id;
	return rsp;
}

struct vmsgif_rx_response *evil_rx(struct evil *e, uint8_t type)
{
	struct vmsgif_rx_response *rsp = RING_GET_RESPONSE(&e->rx, e->rx.rsp_prod_pvt);
	/* As our engine numbers them: not every slot of a run of pages was written. */
	uint16_t id = (uint16_t)(e->rx.rsp_prod_pvt & (RING_SIZE(&e->rx) - 1));

	if (e->rx.rsp_prod_pvt++ == e->rx.sring->req_prod)
		evil_cannot("find a page");
	memset(rsp, 0, sizeof(*rsp));
	rsp->type = type;
	rsp->id = id;
	rsp->addr = EVIL_PEER;
	return rsp;
}

struct vmsgif_rx_response *evil_message(struct evil *e, uint32_t len)
{
	struct vmsgif_rx_response *rsp = evil_rx(e, VMSGIF_RX_MESSAGE);

	rsp->flags = VMSGIF_RXF_INLINE;
	rsp->port = e->bound;
	rsp->src_port = 7;
	rsp->seq = ++e->seq;
	rsp->len = len;
	return rsp;
}

void evil_kick(struct evil *e)
{
	xenevtchn_notify(e->evtchn, (evtchn_port_t)e->port);
}

void evil_push(struct evil *e)
{
	xen_wmb();
	/* Effects before answers. */
	WRITE_ONCE(e->rx.sring->rsp_prod, e->rx.rsp_prod_pvt);
	xen_wmb();
	WRITE_ONCE(e->tx.sring->rsp_prod, e->tx.rsp_prod_pvt);
	evil_kick(e);
}

static void take(struct evil *e, const struct vmsgif_tx_request *req)
{
	struct vmsgif_tx_response *rsp;

	e->all_sends += req->op == VMSGIF_OP_SEND;
	if (req->op == VMSGIF_OP_SEND && !e->generous) {
		if (e->nr_sends < EVIL_SENDS_MAX)
			e->sends[e->nr_sends++] = req->id;
		return;
	}
	if (req->op == VMSGIF_OP_RESOLVE && !e->generous) {
		e->resolve = req->id;
		e->resolving = true;
		return;
	}
	e->resolving |= req->op == VMSGIF_OP_RESOLVE;
	if (req->op == VMSGIF_OP_BIND && e->mute)
		return;
	rsp = evil_answer(e, req->op, req->id);
	if (req->op == VMSGIF_OP_RESOLVE)
		rsp->addr = EVIL_PEER;
	if (req->op == VMSGIF_OP_POOL_ADD && req->u.pool.type == VMSGIF_POOL_RX) {
		e->rx_directory = req->u.pool.ref;
		e->rx_nr_pages = req->u.pool.nr_pages;
	}
	if (req->op == VMSGIF_OP_BIND) {
		rsp->status = e->bind_with;
		e->bound = req->port;
		e->max_len = req->max_len;
		e->credit = req->credit;
	}
}

void evil_serve(struct evil *e)
{
	struct vmsgif_tx_request req;
	uint32_t before = e->tx.rsp_prod_pvt;
	int more;

	do {
		while (e->tx.req_cons != READ_ONCE(e->tx.sring->req_prod)) {
			xen_rmb();
			memcpy(&req, RING_GET_REQUEST(&e->tx, e->tx.req_cons++), sizeof(req));
			take(e, &req);
		}
		RING_FINAL_CHECK_FOR_REQUESTS(&e->tx, more);
	} while (more);
	if (e->tx.rsp_prod_pvt != before)
		evil_push(e);
}
