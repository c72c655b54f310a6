/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The ring of messages in the memory of a port.
 *
 *      head           next            tail
 *       |   received   |  to receive   |  credit of the broker, and unsaid  |
 *       |            used              |               left and unsaid      |
 *
 * Each message has VMSGIF_MSG_COST(len) bytes there, wherever its payload is,
 * so that it can be copied in at any time; the payload's room may wrap around
 * the end of the memory, the descriptor never does. A repeat takes its room as
 * well, as the broker counted it, and is done at once.
 */
#ifndef XENMSG_CORE_MSG_H
#define XENMSG_CORE_MSG_H

#include "frontend/core/state.h"

static inline struct vmsg_msg *vmsg_msg_at(const struct vmsg_port *port, uint32_t offset)
{
	return (struct vmsg_msg *)(void *)(port->memory + offset);
}

static inline uint32_t vmsg_msg_offset(const struct vmsg_port *port, const struct vmsg_msg *msg)
{
	return (uint32_t)((const uint8_t *)msg - port->memory);
}

static inline uint32_t vmsg_msg_cost(uint32_t len)
{
	return (len + 127) & ~(uint32_t)63; /* VMSGIF_MSG_COST() of what fits in 32 bits */
}

static inline uint32_t vmsg_msg_after(const struct vmsg_port *port, uint32_t offset, uint32_t bytes)
{
	offset += bytes;
	return offset >= port->size ? offset - port->size : offset;
}

/* Copies @len bytes of payload to the room of @msg, from byte @at of the payload on. */
void vmsg_msg_copy_in(struct vmsg_port *port, struct vmsg_msg *msg, uint32_t at, const void *from,
		      uint32_t len);
/* Frees the room of the oldest messages, as far as they are done, and says so if it is much. */
void vmsg_msg_settle(struct vmsg *v, struct vmsg_port *port);
/* The message at tail is in. */
static inline void vmsg_msg_enter(struct vmsg_port *port, uint32_t cost)
{
	port->tail = vmsg_msg_after(port, port->tail, cost);
	port->left -= cost;
	port->used += cost;
}

/* Has CREDIT posted if enough is free that the broker does not know of. */
void vmsg_msg_check_credit(struct vmsg *v, struct vmsg_port *port);
/* Lets go of a message that came in: its pages, its hold of a pool, its room. */
void vmsg_msg_done(struct vmsg *v, struct vmsg_port *port, struct vmsg_msg *msg);
/* Map mode: RELEASE is to be posted for @msg. */
void vmsg_msg_to_release(struct vmsg *v, struct vmsg_port *port, struct vmsg_msg *msg);
/* Posts the RELEASE that is due first at @port. */
void vmsg_msg_post_release(struct vmsg *v, struct vmsg_port *port);
/* Whether map-mode message @seq of @addr is at @port, and not released. */
bool vmsg_msg_holds(const struct vmsg_port *port, uint32_t addr, uint64_t seq);
/* Everything at @port is let go of, RELEASEs become due. */
void vmsg_msg_drop_all(struct vmsg *v, struct vmsg_port *port);
/* Forgets the RELEASEs that are due. */
void vmsg_msg_forget_releases(struct vmsg *v, struct vmsg_port *port);

#endif /* XENMSG_CORE_MSG_H */
