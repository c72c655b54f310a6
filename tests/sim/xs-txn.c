// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Transactions: a copy of the tree, made bit by bit as they look at it, or as a
 * whole when somebody else changes it; a list of changes, and of every path that
 * was looked at.  It commits if none of those paths has changed outside since
 * the start; creating or removing a node changes its parent too
 * (tools/xenstore/xenstored_transaction.c).
 */
#include <stdlib.h>
#include <string.h>

#include "xs.h"

static xs_transaction_t last_id;

struct xs_txn *sim_xs_txn_find(struct xs_handle *xs, xs_transaction_t id)
{
	struct xs_txn *txn;

	list_for_each(txn, &xs->txns, link)
		if (txn->id == id)
			return txn;
	return NULL;
}

static unsigned int count_txns(domid_t domid)
{
	struct xs_handle *xs;
	struct xs_txn *txn;
	unsigned int count = 0;

	list_for_each(xs, &sim_xs_conns, conn)
		if (xs->domid == domid)
			list_for_each(txn, &xs->txns, link)
				count++;
	return count;
}

int sim_xs_txn_start(struct xs_handle *xs, xs_transaction_t *id)
{
	struct xs_txn *txn;

	if (xs->domid && count_txns(xs->domid) >= sim_world->config.xs_transactions)
		return -ENOSPC;
	txn = sim_alloc(1, sizeof(*txn));
	txn->root = sim_xs_node_copy(sim_xs_root, NULL);
	list_init(&txn->seen);
	list_init(&txn->ops);
	txn->id = ++last_id;
	if (!txn->id)
		txn->id = ++last_id;
	list_add_tail(&xs->txns, &txn->link);
	*id = txn->id;
	return 0;
}

/* The store is about to change: no transaction is to see that. */
void sim_xs_txns_unshare(void)
{
	struct xs_handle *xs;
	struct xs_txn *txn;

	list_for_each(xs, &sim_xs_conns, conn)
		list_for_each(txn, &xs->txns, link)
			if (txn->root)
				sim_xs_node_unshare(txn->root);
}

/* Remember what the transaction found, but not its own changes. */
void sim_xs_txn_see(struct xs_txn *txn, const char *path, const struct xs_node *node)
{
	struct xs_seen *seen;

	if (node && node->own)
		return;
	list_for_each(seen, &txn->seen, link)
		if (!strcmp(seen->path, path))
			return;
	seen = sim_alloc(1, sizeof(*seen));
	seen->path = sim_strdup(path);
	seen->generation = node ? node->generation : 0;
	list_add_tail(&txn->seen, &seen->link);
}

static bool conflicts(const struct xs_txn *txn)
{
	const struct xs_seen *seen;
	const struct xs_node *node;

	list_for_each(seen, &txn->seen, link) {
		node = sim_xs_find(sim_xs_root, seen->path);
		if (seen->generation != (node ? node->generation : 0))
			return true;
	}
	return false;
}

void sim_xs_txn_free(struct xs_txn *txn)
{
	struct xs_seen *seen, *next_seen;
	struct xs_op *op, *next_op;

	list_for_each_safe(seen, next_seen, &txn->seen, link) {
		list_del(&seen->link);
		free(seen->path);
		free(seen);
	}
	list_for_each_safe(op, next_op, &txn->ops, link)
		sim_xs_op_free(op);
	list_del(&txn->link);
	if (txn->root)
		sim_xs_node_free(txn->root);
	free(txn);
}

static void commit(struct xs_txn *txn)
{
	struct list changes;
	struct xs_op *op;

	/* It sees nothing any more. */
	sim_xs_node_free(txn->root);
	txn->root = NULL;
	list_init(&changes);
	list_for_each(op, &txn->ops, link)
		sim_xs_apply(sim_xs_root, op, &changes);
	sim_xs_fire(&changes);
}

/* However it ends, the transaction is over. */
int sim_xs_txn_end(struct xs_handle *xs, xs_transaction_t id, bool abandon)
{
	struct xs_txn *txn = sim_xs_txn_find(xs, id);
	int r = 0;

	if (!txn)
		return -ENOENT;
	if (!abandon) {
		if (sim_fault_xs_conflict() || conflicts(txn))
			r = -EAGAIN;
		else
			commit(txn);
	}
	sim_xs_txn_free(txn);
	return r;
}
