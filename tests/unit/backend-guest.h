/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A frontend by hand, for tests of the backend: nodes, rings and slots as the
 * test wants them, hostile ones too.
 */
#ifndef BACKEND_GUEST_H
#define BACKEND_GUEST_H

#include "common/xen-compat.h"
#include "tests/sim/sim.h"
#include "tests/unit/backend-bed.h"

#include <xenevtchn.h>
#include <xen/io/vmsgif.h>

#define GUEST_ORDER	3
#define GUEST_RINGS_MAX (1u << VMSGIF_MAX_RING_ORDER)

struct guest {
	struct bed *bed;
	domid_t domid;
	struct sim_process *process;
	xenevtchn_handle *xce;
	evtchn_port_t port;
	uint64_t instance;
	unsigned int order;
	uint32_t tx_ref[GUEST_RINGS_MAX];
	uint32_t rx_ref[GUEST_RINGS_MAX];
	struct vmsgif_tx_sring *tx;
	struct vmsgif_rx_sring *rx;
	uint32_t tx_prod, tx_cons; /* requests posted, responses read */
	uint32_t rx_prod, rx_cons;
};

/*
 * A new domain; the backend is not told to run. @bed may be NULL, for a frontend
 * by hand among others of a whole system: then nothing here lets the backend
 * run, and guest_up(), guest_connect() and guest_dev() are not for it.
 */
void guest_init(struct guest *g, struct bed *bed, const char *name);
/* Rings of 2^order pages and an event channel. */
void guest_prepare(struct guest *g, unsigned int order);
/* Empties both rings. */
void guest_reset_rings(struct guest *g);
/* Destroys the domain, and lets the backend notice if there is one. */
void guest_fini(struct guest *g);

/* Nodes: the own one; the backend's, or NULL; the path of either. */
void guest_put(struct guest *g, const char *node, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void guest_rm(struct guest *g, const char *node);
const char *guest_backend(const struct guest *g, const char *node);
int guest_backend_state(const struct guest *g);
/* Writes the state, and lets the backend run. */
void guest_state(struct guest *g, int state);
/* Everything that is written before Initialised, with the backend's epoch. */
void guest_put_nodes(struct guest *g);
/* All of it, from whatever state: Initialised, then Connected. */
void guest_connect(struct guest *g);
/* guest_init() to guest_connect(), with the default order. */
void guest_up(struct guest *g, struct bed *bed, const char *name);
struct device *guest_dev(const struct guest *g);

/* A page granted to the backend. */
void *guest_page(struct guest *g, bool readonly, uint32_t *ref);
/* A directory of @nr granted pages, contiguous at *pages. Its reference. */
uint32_t guest_pool(struct guest *g, unsigned int nr, bool readonly, void **pages, uint32_t *refs);

/* Posts a request, visible at once; no event. */
void guest_tx(struct guest *g, const struct vmsgif_tx_request *req);
void guest_rx(struct guest *g, uint16_t id, uint32_t ref, bool pooled);
/* A run of pages of the pool; the slots behind the first one have rubbish. */
void guest_rx_run(struct guest *g, uint16_t id, uint32_t ref, uint8_t more);
/* The same for any request, without publishing it. */
void guest_rx_put(struct guest *g, const struct vmsgif_rx_request *req);
/* An event to the backend, which then runs. */
void guest_kick(struct guest *g);
/* The next response; false: none. */
bool guest_tx_rsp(struct guest *g, struct vmsgif_tx_response *rsp);
bool guest_rx_rsp(struct guest *g, struct vmsgif_rx_response *rsp);
/* Events that came since the last call of this; opens the port again. */
unsigned int guest_events(struct guest *g);

#endif
