/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pools of dead owners that a receiver may still have mapped, for people who
 * wonder why a domain does not go away.
 *
 * Model. A MAP pool goes with its owner. The receiver unmaps it when it takes in
 * PEER_DOWN, and need not say so; until then Xen keeps the pages, and the domain
 * that they are of. So what the receiver had been told to map is noted here when
 * the owner dies, and forgotten
 *
 *   - when the owner's domain is not in the hypervisor's list any more: it stays
 *     there, dying, for as long as anybody has a page of it
 *   - if only its frontend died, and the domain lives on: when PEER_DOWN is in the
 *     receiver's ring. What comes after that the two domains alone know
 *   - when the receiver dies
 *
 * At most ZOMBIES_MAX are known; the oldest make room. Nothing depends on them.
 */
#ifndef XENMSG_BROKER_ZOMBIES_H
#define XENMSG_BROKER_ZOMBIES_H

#include "common/list.h"

#include <xen/io/vmsgif.h>

#include <stdbool.h>
#include <stdint.h>

#define ZOMBIES_MAX 1024u

struct broker;
struct map_pool;
struct peer;

struct zombie {
	struct list link; /* of the broker's, the oldest first */
	struct peer *receiver;
	uint64_t since_ns; /* the owner's death */
	uint32_t addr;	   /* the owner's */
	uint32_t nr_pages;
	uint32_t port;			/* the receiver's */
	uint16_t id;			/* of the pool */
	bool told;			/* PEER_DOWN is in the receiver's ring */
	char name[VMSGIF_NAME_MAX + 1]; /* the owner's, perhaps "" */
};

/* The owner of @pool dies; the pool itself goes on to be freed. Without memory nothing is noted. */
void zombies_add(const struct map_pool *pool);
/* @receiver can read that @addr is dead. */
void zombies_told(struct peer *receiver, uint32_t addr);
/* @receiver dies. */
void zombies_drop(struct peer *receiver);
/* Forget those that are released, by what the hypervisor says now. */
void zombies_prune(struct broker *broker);
/* Forget all. */
void zombies_free(struct broker *broker);

#endif
