/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Pools of map mode. Own ones (pool-own.c) are announced to each broker anew
 * for as long as they live, ahead of SENDs that name them. Foreign ones
 * (pool-foreign.c) stay mapped over a restart of the broker, and are not
 * mapped again when the same one is announced again.
 */
#ifndef XENMSG_CORE_POOL_H
#define XENMSG_CORE_POOL_H

#include "frontend/core/state.h"

/* The answers to POOL_ADD and POOL_DEL of own pool @id. */
void vmsg_own_added(struct vmsg *v, unsigned int id, int status);
void vmsg_own_deleted(struct vmsg *v, unsigned int id, int status);
/* Whether the message is in an own pool that @port may send it in, at the place it says. */
bool vmsg_own_has(const struct vmsg *v, const struct vmsg_port *port, const struct vmsg_send *send);
/* A SEND that names it was answered. */
void vmsg_own_put(struct vmsg *v, unsigned int id);
/* The receiver let go of the pool. */
void vmsg_own_gone(struct vmsg *v, uint32_t addr, unsigned int id);
void vmsg_own_peer_down(struct vmsg *v, uint32_t addr);
void vmsg_own_pump(struct vmsg *v);
void vmsg_own_reset_all(struct vmsg *v);
void vmsg_own_shutdown_all(struct vmsg *v, int status);
/* @port is no more: its pools take no SENDs. */
void vmsg_own_disown(struct vmsg *v, const struct vmsg_port *port);

/*
 * Whether @len bytes at @place - the word of a response that says where - are in
 * the pool that the port's last map-mode message was in.
 */
static inline bool vmsg_foreign_same(const struct vmsg *v, const struct vmsg_port *port,
				     uint32_t addr, uint64_t place, uint32_t len)
{
	const struct vmsg_foreign_pool *pool = &v->t.foreign[port->pool_slot];

	return port->pool_slot < v->params.max_pools && pool->state == VMSG_FOREIGN_MAPPED &&
	       pool->addr == addr && pool->id == (uint16_t)place && pool->port == port->number &&
	       (place >> 32) + len <= (uint64_t)pool->nr_pages * VMSGIF_PAGE_SIZE;
}
/* Slot of the pool that the message at @offset is in, one of the run @r; or -1. */
int vmsg_foreign_find(struct vmsg *v, struct vmsg_port *port, const struct vmsgif_rx_response *r,
		      uint32_t offset);
/* A message in pool @slot is not held any more. Returns whether it has to be RELEASEd. */
bool vmsg_foreign_put(struct vmsg *v, unsigned int slot);
/* Events POOL_ADD and POOL_DEL. Return whether @page was kept. */
bool vmsg_foreign_add(struct vmsg *v, const struct vmsgif_rx_response *r, unsigned int page);
bool vmsg_foreign_del(struct vmsg *v, const struct vmsgif_rx_response *r, unsigned int page);
/* The owner is dead, or to the owner we are; addr 0: for all owners. */
void vmsg_foreign_peer_down(struct vmsg *v, uint32_t addr);
/* The receiving port is unbound. */
void vmsg_foreign_unbound(struct vmsg *v, uint32_t port);
void vmsg_foreign_pump(struct vmsg *v);
void vmsg_foreign_reset_all(struct vmsg *v);

#endif /* XENMSG_CORE_POOL_H */
