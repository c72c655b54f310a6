// SPDX-License-Identifier: GPL-2.0-or-later
/* See backend-guest.h. */
#include "tests/unit/backend-guest.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void guest_init(struct guest *g, struct bed *bed, const char *name)
{
	struct sim_process *previous;

	memset(g, 0, sizeof(*g));
	g->bed = bed;
	g->domid = sim_domain_new(name, SIM_PVH);
	g->process = sim_process_new(g->domid, name);
	g->instance = sim_random() | 1;
	previous = sim_enter(g->process);
	g->xce = xenevtchn_open(NULL, 0);
	sim_enter(previous);
	ck_assert_ptr_nonnull(g->xce);
}

static void *ring_pages(struct guest *g, uint32_t *refs)
{
	unsigned int nr = 1u << g->order;
	uint32_t pfn = sim_page_alloc(g->domid, nr);

	for (unsigned int i = 0; i < nr; i++)
		refs[i] = sim_grant(g->domid, pfn + i, 0, false);
	return sim_page(g->domid, pfn);
}

void guest_reset_rings(struct guest *g)
{
	SHARED_RING_INIT(g->tx);
	SHARED_RING_INIT(g->rx);
	g->tx_prod = g->tx_cons = g->rx_prod = g->rx_cons = 0;
}

void guest_prepare(struct guest *g, unsigned int order)
{
	g->order = order;
	g->tx = ring_pages(g, g->tx_ref);
	g->rx = ring_pages(g, g->rx_ref);
	guest_reset_rings(g);
	g->port = (evtchn_port_t)xenevtchn_bind_unbound_port(g->xce, 0);
}

void guest_fini(struct guest *g)
{
	xenevtchn_close(g->xce);
	sim_process_free(g->process);
	if (sim_domain_state(g->domid) != SIM_DOMAIN_GONE &&
	    sim_domain_state(g->domid) != SIM_DOMAIN_DYING)
		sim_domain_destroy(g->domid);
	if (!g->bed)
		return;
	if (g->bed->b)
		bed_run(g->bed);
	ck_assert_int_eq(sim_domain_state(g->domid), SIM_DOMAIN_GONE);
}

/* Without a bed it is the test that lets the backend run. */
static void backend_run(struct guest *g)
{
	if (g->bed)
		bed_run(g->bed);
}

static void own_path(const struct guest *g, const char *node, char path[128])
{
	(void)snprintf(path, 128, "/local/domain/%u/device/vmsg/0/%s", g->domid, node);
}

void guest_put(struct guest *g, const char *node, const char *fmt, ...)
{
	char path[128], value[2048];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(value, sizeof(value), fmt, args);
	va_end(args);
	own_path(g, node, path);
	ck_assert_int_eq(sim_xs_put_as(g->domid, path, value), 0);
}

void guest_rm(struct guest *g, const char *node)
{
	char path[128];

	own_path(g, node, path);
	sim_xs_rm(path);
}

const char *guest_backend(const struct guest *g, const char *node)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/local/domain/0/backend/vmsg/%u/0/%s", g->domid, node);
	return sim_xs_get(path);
}

int guest_backend_state(const struct guest *g)
{
	const char *state = guest_backend(g, "state");

	return state ? atoi(state) : 0;
}

void guest_state(struct guest *g, int state)
{
	guest_put(g, "state", "%d", state);
	backend_run(g);
}

void guest_put_nodes(struct guest *g)
{
	char name[32];

	guest_put(g, "version", "1");
	guest_put(g, "epoch", "%s", guest_backend(g, "epoch"));
	guest_put(g, "instance", "%ju", (uintmax_t)g->instance);
	guest_put(g, "ring-order", "%u", g->order);
	for (unsigned int i = 0; i < 1u << g->order; i++) {
		(void)snprintf(name, sizeof(name), "tx-ring-ref-%u", i);
		guest_put(g, name, "%u", g->tx_ref[i]);
		(void)snprintf(name, sizeof(name), "rx-ring-ref-%u", i);
		guest_put(g, name, "%u", g->rx_ref[i]);
	}
	guest_put(g, "event-channel", "%u", g->port);
	guest_put(g, "alive-ref", "0");
}

void guest_connect(struct guest *g)
{
	guest_put_nodes(g);
	guest_state(g, 3);
	ck_assert_int_eq(guest_backend_state(g), 4);
	guest_state(g, 4);
	ck_assert_ptr_nonnull(guest_dev(g));
	ck_assert(device_is_up(guest_dev(g)));
}

void guest_up(struct guest *g, struct bed *bed, const char *name)
{
	guest_init(g, bed, name);
	bed_run(bed);
	guest_prepare(g, GUEST_ORDER);
	guest_connect(g);
	(void)bed_calls(bed);
}

struct device *guest_dev(const struct guest *g)
{
	return g->bed->dev[g->domid];
}

void *guest_page(struct guest *g, bool readonly, uint32_t *ref)
{
	uint32_t pfn = sim_page_alloc(g->domid, 1);

	*ref = sim_grant(g->domid, pfn, 0, readonly);
	return sim_page(g->domid, pfn);
}

uint32_t guest_pool(struct guest *g, unsigned int nr, bool readonly, void **pages, uint32_t *refs)
{
	uint32_t pfn = sim_page_alloc(g->domid, nr);
	uint32_t ref;
	uint32_t *directory = guest_page(g, true, &ref);

	for (unsigned int i = 0; i < nr; i++) {
		directory[i] = sim_grant(g->domid, pfn + i, 0, readonly);
		if (refs)
			refs[i] = directory[i];
	}
	*pages = sim_page(g->domid, pfn);
	return ref;
}

void guest_tx(struct guest *g, const struct vmsgif_tx_request *req)
{
	unsigned int mask = VMSGIF_RING_SLOTS(g->order) - 1;

	g->tx->ring[g->tx_prod++ & mask].req = *req;
	xen_wmb();
	g->tx->req_prod = g->tx_prod;
}

void guest_rx_put(struct guest *g, const struct vmsgif_rx_request *req)
{
	unsigned int mask = VMSGIF_RING_SLOTS(g->order) - 1;

	g->rx->ring[g->rx_prod++ & mask].req = *req;
	for (unsigned int i = 0; i < req->more; i++)
		memset(&g->rx->ring[g->rx_prod++ & mask], 0xc3, sizeof(*req));
}

static void rx_publish(struct guest *g)
{
	xen_wmb();
	g->rx->req_prod = g->rx_prod;
}

void guest_rx(struct guest *g, uint16_t id, uint32_t ref, bool pooled)
{
	const struct vmsgif_rx_request req = {
		.id = id,
		.flags = pooled ? VMSGIF_RXF_POOL : 0,
		.ref = ref,
	};

	guest_rx_put(g, &req);
	rx_publish(g);
}

void guest_rx_run(struct guest *g, uint16_t id, uint32_t ref, uint8_t more)
{
	const struct vmsgif_rx_request req = {
		.id = id,
		.flags = VMSGIF_RXF_POOL,
		.more = more,
		.ref = ref,
	};

	guest_rx_put(g, &req);
	rx_publish(g);
}

void guest_kick(struct guest *g)
{
	xenevtchn_notify(g->xce, g->port);
	backend_run(g);
}

bool guest_tx_rsp(struct guest *g, struct vmsgif_tx_response *rsp)
{
	unsigned int mask = VMSGIF_RING_SLOTS(g->order) - 1;

	if (g->tx_cons == g->tx->rsp_prod)
		return false;
	*rsp = g->tx->ring[g->tx_cons++ & mask].rsp;
	g->tx->rsp_event = g->tx_cons + 1;
	return true;
}

bool guest_rx_rsp(struct guest *g, struct vmsgif_rx_response *rsp)
{
	unsigned int mask = VMSGIF_RING_SLOTS(g->order) - 1;

	if (g->rx_cons == g->rx->rsp_prod)
		return false;
	*rsp = g->rx->ring[g->rx_cons++ & mask].rsp;
	g->rx->rsp_event = g->rx_cons + 1;
	return true;
}

unsigned int guest_events(struct guest *g)
{
	unsigned int events = 0;
	int port;

	while ((port = xenevtchn_pending(g->xce)) >= 0) {
		xenevtchn_unmask(g->xce, (evtchn_port_t)port);
		events++;
	}
	return events;
}
