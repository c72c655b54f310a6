/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the strings that a frontend wrote into xenstore to numbers.
 *
 * Pure, but for the function that fetches a node's text: so the fuzzer and the
 * tests can play xenstore. Ranges come from xenstore-schema/nodes.def.
 */
#ifndef XENMSG_BACKEND_GUEST_NODES_H
#define XENMSG_BACKEND_GUEST_NODES_H

#include "backend/guest/request.h"

#include <xen/io/xenbus.h>

#define NODE_VALUE_MAX	32u
#define NODE_RING_PAGES (1u << VMSGIF_MAX_RING_ORDER)

/*
 * Puts the text of the frontend's node @name into @text, without terminator.
 * Returns its length, -ENOENT, -E2BIG (more than NODE_VALUE_MAX bytes), or
 * another negative errno, which ends the reading.
 */
typedef int (*node_fetch_fn)(void *priv, const char *name, char text[NODE_VALUE_MAX]);

/* What a frontend writes to be connected. */
struct frontend_nodes {
	uint64_t epoch;
	uint64_t instance;
	uint32_t ring_order;
	uint32_t tx_ring_ref[NODE_RING_PAGES];
	uint32_t rx_ring_ref[NODE_RING_PAGES];
	uint32_t evtchn;
	uint32_t alive_ref; /* 0: none */
};

struct node_reject {
	char node[24];	    /* which; "" if none */
	const char *reason; /* static text */
	bool absent;
};

/* The frontend's state: 1 to 6, -ENOENT, -EPROTO (garbage), or what the fetch said. */
int nodes_read_state(node_fetch_fn fetch, void *priv, struct node_reject *why);

/*
 * All the others. 1: *nodes is valid and of this epoch. 0: they are of another
 * epoch, and nothing else was looked at. -EPROTO: *why says which is absent or
 * garbage. Else what the fetch said.
 */
int nodes_read_connect(node_fetch_fn fetch, void *priv, uint64_t epoch, uint32_t max_ring_order,
		       struct frontend_nodes *nodes, struct node_reject *why);

#endif
