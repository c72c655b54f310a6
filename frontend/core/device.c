/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * A device and its ports: the layout of the one block of memory that the caller
 * gives, and what needs no more than a look at the state.
 */
#include "frontend/core/name.h"
#include "frontend/core/pages.h"
#include "frontend/core/pool.h"
#include "frontend/core/rx.h"
#include "frontend/core/wait.h"

/* ------------------------------------------------------------------ layout */

/* Hands out the block piece by piece, in whole lines; without a block it only counts. */
struct carver {
	uint8_t *base;
	size_t used;
};

static void *carve(struct carver *c, size_t nr, size_t size)
{
	size_t at = c->used;

	c->used += (nr * size + VMSG_LINE - 1) & ~(size_t)(VMSG_LINE - 1);
	return c->base ? c->base + at : NULL;
}

/* Smallest number of bits, at least 1, with 1 << bits >= n. */
static unsigned int bits_for(unsigned int n)
{
	unsigned int bits = 1;

	while (1u << bits < n)
		bits++;
	return bits;
}

static void carve_hash(struct carver *c, struct vmsg_hash *hash, unsigned int nr, unsigned int size)
{
	hash->nr = nr;
	hash->stride = size;
	hash->bits = bits_for(nr);
	hash->buckets = carve(c, (size_t)1 << hash->bits, sizeof(*hash->buckets));
	hash->entries = carve(c, nr, size);
}

static void lay_out(struct carver *c, const struct vmsg_params *p, struct vmsg_tables *t)
{
	unsigned int slots = VMSGIF_RING_SLOTS(p->ring_order);

	carve(c, 1, sizeof(struct vmsg));
	t->shadows = carve(c, slots, sizeof(*t->shadows));
	t->queue = carve(c, slots, sizeof(*t->queue));
	t->rx_at = carve(c, slots, sizeof(*t->rx_at));
	t->tx_map =
		carve(c, (p->nr_tx_pages + VMSG_MAP_BITS - 1) / VMSG_MAP_BITS, sizeof(*t->tx_map));
	t->tx_mark = carve(c, p->nr_tx_pages, sizeof(*t->tx_mark));
	t->rx_map =
		carve(c, (p->nr_rx_pages + VMSG_MAP_BITS - 1) / VMSG_MAP_BITS, sizeof(*t->rx_map));
	t->rx_mark = carve(c, p->nr_rx_pages, sizeof(*t->rx_mark));
	t->rejects = carve(c, p->nr_rx_pages, sizeof(*t->rejects));
	t->own = carve(c, VMSGIF_MAP_POOLS_MAX, sizeof(*t->own));
	t->foreign = carve(c, p->max_pools, sizeof(*t->foreign));
	t->subs = carve(c, p->max_subscriptions, sizeof(*t->subs));
	t->ports = carve(c, (size_t)1 << bits_for(p->max_ports), sizeof(void *));
	/* Twice as many as shadows, so that an unused one is found at once. */
	carve_hash(c, &t->windows, 2 * slots, sizeof(struct vmsg_window));
	carve_hash(c, &t->flows, p->max_flows, sizeof(struct vmsg_flow));
}

static bool params_valid(const struct vmsg_params *p)
{
	return p->ops && p->ring_order <= VMSGIF_MAX_RING_ORDER && p->nr_tx_pages >= 2 &&
	       p->nr_tx_pages <= VMSGIF_POOL_PAGES_MAX && p->tx_pages && p->tx_grefs &&
	       p->nr_rx_pages >= 2 * VMSGIF_RX_RESERVE && p->nr_rx_pages <= VMSGIF_POOL_PAGES_MAX &&
	       p->rx_pages && p->rx_grefs && p->max_ports >= 1 && p->max_ports <= 1u << 16 &&
	       p->max_flows >= 1 && p->max_flows <= 1u << 20 && p->max_pools <= 1u << 12 &&
	       p->max_subscriptions <= 1u << 12 && p->copy_out <= VMSGIF_PAGE_SIZE && p->seq_start;
}

size_t vmsg_size(const struct vmsg_params *params)
{
	struct carver c = { .base = NULL };
	struct vmsg_tables tables;

	if (!params_valid(params))
		return 0;
	lay_out(&c, params, &tables);
	return c.used;
}

/* -------------------------------------------------------------------- init */

static void init_tables(struct vmsg *v)
{
	unsigned int i;

	/* Low ids are taken first, and stay in the cache when few are in use. */
	for (i = vmsg_slots(v); i--;) {
		v->t.shadows[i].req.id = (uint16_t)i;
		v->t.shadows[i].next_free = v->free;
		v->free = &v->t.shadows[i];
	}
	/* The last TX page is for names. */
	for (i = 0; i < v->params.nr_tx_pages - 1; i++)
		vmsg_pages_free(v, i);
	v->t.tx_mark[i] = VMSG_PAGE_END;
	for (i = 0; i < v->params.nr_rx_pages; i++)
		vmsg_rx_give(v, i);
	vmsg_hash_clear(&v->t.windows);
	vmsg_hash_clear(&v->t.flows);
}

struct vmsg *vmsg_init(void *memory, const struct vmsg_params *params)
{
	struct carver c = { .base = memory };
	struct vmsg *v = memory;

	if (!params_valid(params))
		return NULL;
	lay_out(&c, params, &v->t);
	v->params = *params;
	v->mask = VMSGIF_RING_SLOTS(params->ring_order) - 1;
	v->max_wait = (uint16_t)(vmsg_slots(v) - VMSGIF_TX_RESERVE);
	v->max_call = v->max_wait;
	v->share = v->max_wait / 2;
	v->window = VMSGIF_FLOW_WINDOW < v->share ? VMSGIF_FLOW_WINDOW : v->share;
	v->features.max_message = VMSGIF_MESSAGE_MAX;
	v->inline_max = VMSGIF_INLINE_MAX;
	v->port_bits = bits_for(params->max_ports);
	v->cells = UINT32_MAX;
	v->nr_cells = VMSG_CELLS;
	v->seq = params->seq_start - 1;
	init_tables(v);
	return v;
}

void *vmsg_priv(const struct vmsg *v)
{
	return v->params.priv;
}

bool vmsg_is_connected(const struct vmsg *v)
{
	return v->phase != VMSG_DOWN;
}

bool vmsg_is_ready(const struct vmsg *v)
{
	return v->ready;
}

const char *vmsg_broken(const struct vmsg *v)
{
	return v->broken;
}

uint32_t vmsg_address(const struct vmsg *v)
{
	return v->addr;
}

uint32_t vmsg_taken(const struct vmsg *v)
{
	return v->tx.cons + v->rx.cons;
}

unsigned int vmsg_tx_pages_free(const struct vmsg *v)
{
	return v->nr_tx_free;
}

unsigned int vmsg_rx_pages_held(const struct vmsg *v)
{
	return v->rx_held;
}

void vmsg_stats_get(const struct vmsg *v, struct vmsg_stats *stats)
{
	*stats = v->stats;
	stats->tx_messages =
		stats->tx_inline + stats->tx_pooled + stats->tx_granted + stats->tx_mapped;
}

/* ------------------------------------------------------------------- ports */

size_t vmsg_port_size(void)
{
	return sizeof(struct vmsg_port);
}

void vmsg_port_init(struct vmsg *v, struct vmsg_port *port, void *memory, size_t size, void *priv)
{
	memset(port, 0, sizeof(*port));
	port->device = v;
	port->priv = priv;
	port->memory = memory;
	/* Positions in the memory have 32 bits, and twice the size must not overflow. */
	port->size = size > 1u << 30 ? 1u << 30 : (uint32_t)size & ~(uint32_t)(VMSG_LINE - 1);
	port->unsaid = port->size;
	port->quarter = port->size / 4;
	port->pool_slot = VMSG_PAGE_END;
}

void vmsg_port_fini(struct vmsg *v, struct vmsg_port *port)
{
	unsigned int i;

	vmsg_wait_cancel(v, port);
	vmsg_own_disown(v, port);
	for (i = 0; i < vmsg_slots(v); i++)
		if (v->t.shadows[i].port == port)
			v->t.shadows[i].port = NULL;
}

void *vmsg_port_priv(const struct vmsg_port *port)
{
	return port->priv;
}

uint32_t vmsg_port_number(const struct vmsg_port *port)
{
	return port->number;
}
