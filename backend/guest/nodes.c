// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The one file that interprets strings written by a frontend.
 *
 * Every node is parsed against its line of nodes.def, strictly: decimal digits
 * alone, in range. The epoch comes first and decides whether the others mean
 * anything: they may belong to a connection with an earlier broker.
 */
#include "backend/guest/nodes.h"

#include "common/macros.h"
#include "common/num.h"

#include <stdio.h>

/* Lines of nodes.def whose writer is the frontend, by side and symbol. */
#define WRITER_BROKER(...)
#define WRITER_TOOLSTACK(...)
#define WRITER_FRONTEND(...) __VA_ARGS__

enum node {
#define VMSG_NODE(side, symbol, name, type, min, max, def, writer, text) \
	WRITER_##writer(NODE_##side##_##symbol, )
#include "xenstore-schema/nodes.def"
	NODE_N
};

#define NONE UINT64_MAX

struct node_range {
	const char *name;
	uint64_t min;
	uint64_t max;
	uint64_t def; /* NONE: it has to be there */
};

static const struct node_range ranges[NODE_N] = {
#define VMSG_NODE(side, symbol, name, type, min, max, def, writer, text) \
	WRITER_##writer([NODE_##side##_##symbol] = { name, min, max, def }, )
#include "xenstore-schema/nodes.def"
};

static int reject(struct node_reject *why, const char *reason, bool absent)
{
	why->reason = reason;
	why->absent = absent;
	return -EPROTO;
}

/* @index: for a name that is a prefix, else negative. */
static int read_node(node_fetch_fn fetch, void *priv, enum node node, int index, uint64_t *value,
		     struct node_reject *why)
{
	const struct node_range *range = &ranges[node];
	char text[NODE_VALUE_MAX];
	int len, r;

	*why = (struct node_reject){ 0 };
	if (index < 0)
		(void)snprintf(why->node, sizeof(why->node), "%s", range->name);
	else
		(void)snprintf(why->node, sizeof(why->node), "%s%d", range->name, index);
	len = fetch(priv, why->node, text);
	if (len == -ENOENT && range->def != NONE) {
		*value = range->def;
		return 0;
	}
	if (len == -ENOENT)
		return reject(why, "is absent", true);
	if (len == -E2BIG)
		return reject(why, "is not a number", false);
	if (len < 0)
		return len;
	r = num_parse_u64(text, (size_t)len, range->min, range->max, value);
	if (r < 0)
		return reject(why, r == -ERANGE ? "is out of range" : "is not a number", false);
	return 0;
}

static int read_u32(node_fetch_fn fetch, void *priv, enum node node, int index, uint32_t *value,
		    struct node_reject *why)
{
	uint64_t wide = 0;
	int r = read_node(fetch, priv, node, index, &wide, why);

	*value = (uint32_t)wide; /* the range in nodes.def is of 32 bits */
	return r;
}

int nodes_read_state(node_fetch_fn fetch, void *priv, struct node_reject *why)
{
	uint32_t state;
	int r = read_u32(fetch, priv, NODE_FRONTEND_STATE, -1, &state, why);

	if (r == -EPROTO && why->absent)
		return -ENOENT;
	return r < 0 ? r : (int)state;
}

static int read_refs(node_fetch_fn fetch, void *priv, enum node node, unsigned int count,
		     uint32_t *refs, struct node_reject *why)
{
	int r = 0;

	for (unsigned int i = 0; i < count && r == 0; i++)
		r = read_u32(fetch, priv, node, (int)i, &refs[i], why);
	return r;
}

/* What is behind the epoch. */
static int read_rest(node_fetch_fn fetch, void *priv, uint32_t max_ring_order,
		     struct frontend_nodes *nodes, struct node_reject *why)
{
	uint32_t version;
	unsigned int pages;
	int r;

	r = read_u32(fetch, priv, NODE_FRONTEND_VERSION, -1, &version, why);
	if (r < 0)
		return r;
	r = read_node(fetch, priv, NODE_FRONTEND_INSTANCE, -1, &nodes->instance, why);
	if (r < 0)
		return r;
	r = read_u32(fetch, priv, NODE_FRONTEND_RING_ORDER, -1, &nodes->ring_order, why);
	if (r < 0)
		return r;
	if (nodes->ring_order > max_ring_order)
		return reject(why, "is above max-ring-order", false);
	pages = 1u << nodes->ring_order;
	r = read_refs(fetch, priv, NODE_FRONTEND_TX_RING_REF, pages, nodes->tx_ring_ref, why);
	if (r < 0)
		return r;
	r = read_refs(fetch, priv, NODE_FRONTEND_RX_RING_REF, pages, nodes->rx_ring_ref, why);
	if (r < 0)
		return r;
	r = read_u32(fetch, priv, NODE_FRONTEND_EVENT_CHANNEL, -1, &nodes->evtchn, why);
	if (r < 0)
		return r;
	return read_u32(fetch, priv, NODE_FRONTEND_ALIVE_REF, -1, &nodes->alive_ref, why);
}

int nodes_read_connect(node_fetch_fn fetch, void *priv, uint64_t epoch, uint32_t max_ring_order,
		       struct frontend_nodes *nodes, struct node_reject *why)
{
	int r;

	*nodes = (struct frontend_nodes){ 0 };
	r = read_node(fetch, priv, NODE_FRONTEND_EPOCH, -1, &nodes->epoch, why);
	if (r < 0)
		return r;
	if (nodes->epoch != epoch)
		return 0;
	r = read_rest(fetch, priv, max_ring_order, nodes, why);
	return r < 0 ? r : 1;
}
