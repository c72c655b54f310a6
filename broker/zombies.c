// SPDX-License-Identifier: GPL-2.0-or-later
/* Pages of the dead. See zombies.h for the model. */
#include "broker/zombies.h"

#include "broker/broker.h"
#include "broker/peer.h"
#include "broker/pools.h"

#include <stdlib.h>

static void forget(struct broker *broker, struct zombie *zombie)
{
	list_del(&zombie->link);
	broker->nr_zombies--;
	free(zombie);
}

/* Has the receiver been asked to map it, and not said yet that it is unmapped? */
static bool may_be_mapped(const struct map_pool *pool)
{
	switch (pool->state) {
	case POOL_OFFERED:
		return pool->told;
	case POOL_MAPPED:
	case POOL_LEAVING:
		return true;
	default:
		return false;
	}
}

void zombies_add(const struct map_pool *pool)
{
	struct broker *broker = pool->owner->broker;
	struct zombie *zombie;

	if (broker->closing || !may_be_mapped(pool))
		return;
	zombie = calloc(1, sizeof(*zombie));
	if (!zombie)
		return;
	if (broker->nr_zombies >= ZOMBIES_MAX)
		forget(broker, list_first_entry(&broker->zombies, struct zombie, link));
	list_init(&zombie->link);
	zombie->receiver = pool->receiver;
	zombie->since_ns = broker_now(broker);
	zombie->addr = pool->owner->addr;
	zombie->nr_pages = pool->nr_pages;
	zombie->port = pool->port;
	zombie->id = pool->id;
	snprintf(zombie->name, sizeof(zombie->name), "%s", peer_name(pool->owner));
	list_add_tail(&broker->zombies, &zombie->link);
	broker->nr_zombies++;
}

void zombies_told(struct peer *receiver, uint32_t addr)
{
	struct zombie *zombie;

	list_for_each_entry(zombie, &receiver->broker->zombies, link)
		if (zombie->receiver == receiver && zombie->addr == addr)
			zombie->told = true;
}

void zombies_drop(struct peer *receiver)
{
	struct broker *broker = receiver->broker;
	struct zombie *zombie, *tmp;

	list_for_each_entry_safe(zombie, tmp, &broker->zombies, link)
		if (zombie->receiver == receiver)
			forget(broker, zombie);
}

/* Processes of this domain have pages of this domain, which is not going to die. */
static enum domain_fate fate_of(struct broker *broker, uint16_t domid)
{
	return domid & VMSGIF_ADDR_LOCAL ? DOMAIN_ALIVE :
					   backend_domain_fate(broker->backend, domid);
}

void zombies_prune(struct broker *broker)
{
	enum domain_fate fate = DOMAIN_ALIVE;
	struct zombie *zombie, *tmp;
	uint32_t asked = 0;

	list_for_each_entry_safe(zombie, tmp, &broker->zombies, link) {
		/* Those of one owner are in a row. */
		if (zombie->addr != asked)
			fate = fate_of(broker, VMSGIF_ADDR_DOMID(zombie->addr));
		asked = zombie->addr;
		if (fate == DOMAIN_GONE || (fate == DOMAIN_ALIVE && zombie->told))
			forget(broker, zombie);
	}
}

void zombies_free(struct broker *broker)
{
	struct zombie *zombie, *tmp;

	list_for_each_entry_safe(zombie, tmp, &broker->zombies, link)
		forget(broker, zombie);
}
