// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is in xenstore of local clients: enough for the next broker to know whom
 * it has to wait for, and to recognise who comes back. Written before the client
 * hears of its address, removed when that is dead.
 *
 * Only this daemon writes there, and nobody but this domain's root reads it.
 */
#include "backend/internal.h"
#include "backend/local.h"
#include "common/num.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOCAL_ROOT HOST_ROOT "/local"
#define PATH_SIZE  sizeof(LOCAL_ROOT "/65535/instance")

/* Ranges are those of nodes.def. */
static const struct local_node {
	const char *name;
	uint64_t min, max;
} nodes[] = {
#define SIDE_BACKEND(...)
#define SIDE_FRONTEND(...)
#define SIDE_HOST(...)
#define SIDE_LOCAL(...) __VA_ARGS__
#define VMSG_NODE(side, symbol, name, type, min, max, def, writer, text) \
	SIDE_##side({ name, min, max }, )
#include "xenstore-schema/nodes.def"
};

enum local_symbol {
#define LOCAL_SYMBOL(symbol)	     LOCAL_NODE_##symbol,
#define VMSG_NODE(side, symbol, ...) SIDE_##side(LOCAL_SYMBOL(symbol))
#include "xenstore-schema/nodes.def"
	LOCAL_NODES
};

static void node_path(char path[PATH_SIZE], unsigned int slot, const char *name)
{
	(void)snprintf(path, PATH_SIZE, LOCAL_ROOT "/%u%s%s", slot, name ? "/" : "",
		       name ? name : "");
}

static int put(struct local_client *c, enum local_symbol node, uint64_t value)
{
	char path[PATH_SIZE];

	node_path(path, c->slot, nodes[node].name);
	return store_write_u64(c->dev.b->store, path, value);
}

static int put_all(void *priv)
{
	struct local_client *c = priv;
	char path[PATH_SIZE];
	int r;

	node_path(path, c->slot, NULL);
	r = store_mkdir(c->dev.b->store, path, OWN_DOMID, OWN_DOMID);
	if (r == 0)
		r = put(c, LOCAL_NODE_ADDRESS, c->dev.addr);
	if (r == 0)
		r = put(c, LOCAL_NODE_INSTANCE, c->dev.instance);
	if (r == 0)
		r = put(c, LOCAL_NODE_UID, c->user->uid);
	return r;
}

int local_store_put(struct local_client *c)
{
	c->local->litter[c->slot / 64] &= ~(UINT64_C(1) << (c->slot % 64));
	return store_transaction(c->dev.b->store, put_all, c);
}

void local_store_remove(struct local *l, unsigned int slot)
{
	char path[PATH_SIZE];
	int r;

	node_path(path, slot, NULL);
	r = store_remove(l->b->store, path);
	if (r == 0)
		return;
	log_limited(l->b->log, clock_now_ns(), OWN_DOMID, "xenstore", LOG_ERR,
		    "nodes of local client %u cannot be removed: %s, trying again", slot,
		    strerror(-r));
	l->litter[slot / 64] |= UINT64_C(1) << (slot % 64);
	backend_rescan_later(l->b);
}

int local_store_sweep(struct local *l)
{
	for (unsigned int slot = 0; slot < LOCAL_CLIENTS; slot++) {
		uint64_t bit = UINT64_C(1) << (slot % 64);

		if (!(l->litter[slot / 64] & bit))
			continue;
		l->litter[slot / 64] &= ~bit;
		local_store_remove(l, slot);
	}
	return 0;
}

/* --------------------------------------------------------------- taking over */

struct left {
	unsigned int slot;
	uint64_t value[LOCAL_NODES];
	uint16_t age; /* addresses given away since */
};

struct taking {
	struct local *local;
	struct left left[LOCAL_CLIENTS]; /* the oldest first */
	unsigned int nr;
	uint16_t generation;
};

static bool read_left(struct taking *t, struct left *left)
{
	char path[PATH_SIZE], text[24];
	int len;

	for (unsigned int i = 0; i < LOCAL_NODES; i++) {
		node_path(path, left->slot, nodes[i].name);
		len = store_read(t->local->b->store, path, text, sizeof(text));
		if (len < 0 || num_parse_u64(text, (size_t)len, nodes[i].min, nodes[i].max,
					     &left->value[i]) < 0)
			return false;
	}
	return VMSGIF_ADDR_DOMID(left->value[LOCAL_NODE_ADDRESS]) ==
	       (VMSGIF_ADDR_LOCAL | left->slot);
}

/* In the order of their addresses, so that the last one connected stays the last. */
static void insert(struct taking *t, const struct left *left)
{
	unsigned int at = t->nr++;

	for (; at > 0 && t->left[at - 1].age < left->age; at--)
		t->left[at] = t->left[at - 1];
	t->left[at] = *left;
}

static int take_one(void *priv, const char *name)
{
	struct taking *t = priv;
	struct left left = { 0 };
	uint16_t slot;

	if (num_parse_u16(name, strlen(name), 0, LOCAL_CLIENTS - 1, &slot) < 0 ||
	    t->nr == LOCAL_CLIENTS)
		return 0;
	left.slot = slot;
	if (!read_left(t, &left)) {
		local_store_remove(t->local, slot);
		return 0;
	}
	left.age = (uint16_t)(t->generation - VMSGIF_ADDR_GEN(left.value[LOCAL_NODE_ADDRESS]));
	insert(t, &left);
	return 0;
}

static int await_one(struct local *l, const struct left *left)
{
	struct local_user *user = local_user_get(l, (uid_t)left->value[LOCAL_NODE_UID]);
	struct local_client *c;

	/* Perhaps from a first attempt that failed half-way. */
	if (l->by_slot[left->slot])
		return 0;
	c = user ? local_client_new(l, left->slot, user) : NULL;
	if (!c)
		return -ENOMEM;
	local_client_await(c, (uint32_t)left->value[LOCAL_NODE_ADDRESS],
			   left->value[LOCAL_NODE_INSTANCE]);
	/* Who comes next gets the slot behind. */
	l->next_slot = (left->slot + 1) % LOCAL_CLIENTS;
	return 0;
}

int local_store_take_over(struct local *l)
{
	struct taking *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->local = l;
	r = address_last(l->b, &t->generation);
	if (r == 0)
		r = store_list(l->b->store, LOCAL_ROOT, take_one, t);
	for (unsigned int i = 0; i < t->nr && r == 0; i++)
		r = await_one(l, &t->left[i]);
	free(t);
	return r;
}
