/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Flows, (address, port): the windows of the own SENDs, and the last number
 * received of each flow to an own port.
 *
 * A last number outlives the binding of its port. After a restart of the
 * broker a message can be submitted again that the port's former binding
 * received; if the port is bound anew by then, only the number tells. It is
 * forgotten with its source (PEER_DOWN), or when max_flows is too small.
 */
#ifndef XENMSG_CORE_FLOW_H
#define XENMSG_CORE_FLOW_H

#include "frontend/core/state.h"

/* The window of the flow; stays at its place as long as a SEND counts in it. */
struct vmsg_window *vmsg_window_get(struct vmsg *v, uint32_t addr, uint32_t port);

/* The flow's entry, made if there is none. */
struct vmsg_flow *vmsg_flow_get(struct vmsg *v, uint32_t addr, uint32_t port);
/* Forgets the flows from @addr. */
void vmsg_flow_forget(struct vmsg *v, uint32_t addr);

/* Whether number @seq of the flow came in before; if not, it has now. @port keeps the last flow. */
static inline bool vmsg_flow_seen(struct vmsg *v, struct vmsg_port *port, uint32_t addr,
				  uint64_t seq)
{
	struct vmsg_flow *flow = port->flow;

	if (vmsg_unlikely(!flow || flow->entry.key != vmsg_key(addr, port->number)))
		port->flow = flow = vmsg_flow_get(v, addr, port->number);
	flow->used = true;
	if (vmsg_unlikely(seq <= flow->seq))
		return true;
	flow->seq = seq;
	return false;
}

#endif /* XENMSG_CORE_FLOW_H */
