/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The device's nodes in xenstore, as its frontend sees them.
 *
 * A domU uses paths relative to its own directory: it need not know its domid.
 * Numbers are read strictly, against their line of xenstore-schema/nodes.def.
 *
 * Errors are negative errno numbers; -ENOENT: the node is not there, -EPROTO:
 * what is in it is not what nodes.def says.
 */
#ifndef XENMSG_USER_STORE_H
#define XENMSG_USER_STORE_H

#include <stdint.h>
#include <xen/io/xenbus.h>

/* Nodes are named after nodes.def: BACKEND_STATE, FRONTEND_EPOCH, ... */
enum store_node {
#define VMSG_NODE(side, symbol, ...) side##_##symbol,
#include "xenstore-schema/nodes.def"
	STORE_NODES,
};

struct store {
	struct xs_handle *xs; /* NULL: not open */
	char *backend;	      /* path of the backend's directory; NULL: not found yet */
	uint32_t backend_id;
};

int store_open(struct store *store);
void store_close(struct store *store);
/* Readable when a watch may have fired. */
int store_fd(const struct store *store);

/*
 * Look for the device, and watch for it as well as for its backend's state.
 * May be called until it succeeds. -ENOENT: there is none (yet).
 */
int store_find_device(struct store *store);
/* Take all watch events. Returns whether there were any, or an error: xenstore is lost. */
int store_take_events(struct store *store);

/* A number; the default of nodes.def if the node is not there and has one. */
int store_get(const struct store *store, enum store_node node, uint64_t *value);
/* Own state. */
int store_put_state(const struct store *store, enum xenbus_state state);
/* Why the backend closed the device, to be freed; NULL: it does not say. */
char *store_error(const struct store *store);

/* What a frontend tells when it connects. */
struct store_offer {
	uint64_t epoch;
	uint64_t instance;
	unsigned int ring_order;
	const uint32_t *tx_refs; /* 1 << ring_order of them */
	const uint32_t *rx_refs;
	uint32_t evtchn;
	uint32_t alive_ref;
};
/*
 * Write the offer and state Initialised in one transaction, if the backend is
 * in InitWait with that epoch. -EAGAIN: it is not any more.
 */
int store_put_offer(const struct store *store, const struct store_offer *offer);

#endif /* XENMSG_USER_STORE_H */
