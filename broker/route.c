// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Peers by address and by name. See route.h for the model.
 *
 * An address is found through its domid part, since a domain has one address at
 * a time: one load and one comparison, whatever the number of domains.
 */
#include "broker/route.h"

#include "broker/peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define DOMIDS 65536u

int route_init(struct route *route)
{
	*route = (struct route){ 0 };
	list_init(&route->peers);
	for (unsigned int i = 0; i < ROUTE_NAMES; i++) {
		list_init(&route->names[i]);
		list_init(&route->services[i]);
	}
	route->by_domid = calloc(DOMIDS, sizeof(struct peer *));
	route->dead = calloc(ROUTE_DEAD, sizeof(*route->dead));
	if (!route->by_domid || !route->dead) {
		route_deinit(route);
		return -ENOMEM;
	}
	if (getrandom(&route->seed, sizeof(route->seed), GRND_NONBLOCK) < 0)
		route->seed = (uintptr_t)route->by_domid;
	route->seed |= 1;
	return 0;
}

void route_deinit(struct route *route)
{
	free(route->by_domid);
	free(route->dead);
	route->by_domid = NULL;
	route->dead = NULL;
}

/* ------------------------------------------------------------- addresses */

static struct dead *dead_slot(const struct route *route, uint32_t addr)
{
	return &route->dead[(addr * route->seed) >> 32 & (ROUTE_DEAD - 1)];
}

int route_add(struct route *route, struct peer *peer, const char *name)
{
	struct dead *dead = dead_slot(route, peer->addr);

	if (*name) {
		peer->name = name_get(route, name);
		if (!peer->name)
			return -ENOMEM;
		list_add_tail(&peer->name->peers, &peer->in_name);
	}
	/* Generations come round again. */
	if (dead->addr == peer->addr)
		dead->addr = 0;
	route->by_domid[VMSGIF_ADDR_DOMID(peer->addr)] = peer;
	list_add_tail(&route->peers, &peer->in_route);
	route->nr_peers++;
	return 0;
}

int route_rename(struct route *route, struct peer *peer, const char *text)
{
	struct name *name = NULL;

	if (*text) {
		name = name_get(route, text);
		if (!name)
			return -ENOMEM;
	}
	list_del(&peer->in_name);
	peer->name = name;
	if (name)
		list_add_tail(&name->peers, &peer->in_name);
	return 0;
}

void route_remove(struct route *route, struct peer *peer)
{
	struct peer **entry = &route->by_domid[VMSGIF_ADDR_DOMID(peer->addr)];
	struct dead *dead = dead_slot(route, peer->addr);

	if (*entry == peer)
		*entry = NULL;
	list_del(&peer->in_route);
	route->nr_peers--;
	dead->addr = peer->addr;
	snprintf(dead->name, sizeof(dead->name), "%s", peer_name(peer));
	if (peer->name) {
		list_del(&peer->in_name);
		name_put(peer->name);
		peer->name = NULL;
	}
}

struct peer *route_peer(const struct route *route, uint32_t addr)
{
	struct peer *peer = route->by_domid[VMSGIF_ADDR_DOMID(addr)];

	return peer && peer->addr == addr ? peer : NULL;
}

const char *route_old_name(const struct route *route, uint32_t addr)
{
	struct peer *peer = route->by_domid[VMSGIF_ADDR_DOMID(addr)];
	const struct dead *dead = dead_slot(route, addr);

	if (dead->addr == addr)
		return dead->name;
	return peer ? peer_name(peer) : "";
}

/* ----------------------------------------------------------------- names */

static unsigned int text_bucket(const struct route *route, const char *text)
{
	uint64_t hash = route->seed;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return (hash >> 32) & (ROUTE_NAMES - 1);
}

struct name *name_find(const struct route *route, const char *text)
{
	struct name *name;

	list_for_each_entry(name, &route->names[text_bucket(route, text)], hash)
		if (!strcmp(name->text, text))
			return name;
	return NULL;
}

struct name *name_get(struct route *route, const char *text)
{
	struct name *name = name_find(route, text);
	size_t size = strlen(text) + 1;

	if (!name) {
		name = malloc(sizeof(*name) + size);
		if (!name)
			return NULL;
		name->refs = 0;
		list_init(&name->hash);
		list_init(&name->peers);
		list_init(&name->subs);
		memcpy(name->text, text, size);
		list_add_tail(&route->names[text_bucket(route, text)], &name->hash);
	}
	name->refs++;
	return name;
}

void name_put(struct name *name)
{
	if (--name->refs)
		return;
	list_del(&name->hash);
	free(name);
}

struct peer *name_peer(const struct name *name)
{
	struct peer *peer, *meant = NULL;

	list_for_each_entry(peer, &name->peers, in_name)
		if (!meant || peer->ready || !meant->ready)
			meant = peer;
	return meant;
}

struct list *route_services(struct route *route, const char *service)
{
	return &route->services[text_bucket(route, service)];
}
