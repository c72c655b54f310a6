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
 * the end of the memory, the descriptor never does. Only what is in map mode has
 * no more than the descriptor. A repeat takes its room as well, as the broker counted
 * it, and is done at once.
 */
#ifndef XENMSG_CORE_MSG_H
#define XENMSG_CORE_MSG_H

#include "frontend/core/rx.h"

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

/* Of a message that is there. */
static inline uint32_t vmsg_msg_room(const struct vmsg_msg *msg)
{
	return vmsg_unlikely(msg->form == VMSG_MSG_MAPPED) ? VMSG_LINE : vmsg_msg_cost(msg->len);
}

/* Pages of one that is in pages. */
static inline uint32_t vmsg_msg_pages(uint32_t len)
{
	return (len + VMSGIF_PAGE_SIZE - 1) / VMSGIF_PAGE_SIZE;
}

static inline uint32_t vmsg_msg_after(const struct vmsg_port *port, uint32_t offset, uint32_t bytes)
{
	offset += bytes;
	return offset >= port->size ? offset - port->size : offset;
}

/* Copies @len bytes of payload to the room of @msg, from byte @at of the payload on. */
void vmsg_msg_copy_in(struct vmsg_port *port, struct vmsg_msg *msg, uint32_t at, const void *from,
		      uint32_t len);
/* How a message of @len bytes lies that is copied to the room of @msg. */
static inline unsigned int vmsg_msg_form_copied(const struct vmsg_port *port,
						const struct vmsg_msg *msg, uint32_t len)
{
	return vmsg_msg_cost(len) <= port->size - vmsg_msg_offset(port, msg) ? VMSG_MSG_COPIED :
									       VMSG_MSG_SPLIT;
}

/* Frees the room of the oldest messages, as far as they are done, and says so if it is much. */
void vmsg_msg_settle(struct vmsg *v, struct vmsg_port *port);
/* The message at tail is in. */
static inline void vmsg_msg_enter(struct vmsg_port *port, uint32_t cost)
{
	port->tail = vmsg_msg_after(port, port->tail, cost);
	port->left -= cost;
	port->used += cost;
}

/*
 * Whether the broker is to be told of what is free: by the quarter, once it has not plenty
 * left; and when all is free but the largest message would not fit.
 */
static inline bool vmsg_msg_credit_due(const struct vmsg_port *port)
{
	return vmsg_unlikely(port->unsaid >= port->quarter && port->left < port->plenty) ||
	       vmsg_unlikely(!port->used && port->unsaid > port->slack);
}
/* Has CREDIT posted, which is due, as soon as that can be. */
void vmsg_msg_say_credit(struct vmsg *v, struct vmsg_port *port);
static inline void vmsg_msg_check_credit(struct vmsg *v, struct vmsg_port *port)
{
	if (vmsg_msg_credit_due(port))
		vmsg_msg_say_credit(v, port);
}
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

/* Frees the room of the oldest message, which is done, and of those behind it that are. */
static inline void vmsg_msg_free(struct vmsg *v, struct vmsg_port *port)
{
	const struct vmsg_msg *msg = vmsg_msg_at(port, port->head);

	do {
		uint32_t cost = vmsg_msg_room(msg);

		port->head = vmsg_msg_after(port, port->head, cost);
		port->unsaid += cost;
		port->used -= cost;
		msg = vmsg_msg_at(port, port->head);
	} while (port->used && msg->state == VMSG_MSG_DONE);
	/* All of it is free: the begin is in the cache, and has been touched before. */
	if (!port->used)
		port->head = port->tail = 0;
	vmsg_msg_check_credit(v, port);
}

/* ------------------------------------- what is on the way of every message */

/* Where the payload is, if it is in one piece. */
static inline const void *vmsg_msg_data(const struct vmsg *v, const struct vmsg_msg *msg)
{
	switch (msg->form) {
	case VMSG_MSG_COPIED:
		return msg + 1;
	case VMSG_MSG_PAGES:
		return msg->len <= VMSGIF_PAGE_SIZE ? v->params.rx_pages[msg->ref] : NULL;
	case VMSG_MSG_INLINE:
		return msg->len ? msg->data : NULL;
	case VMSG_MSG_MAPPED:
		return v->t.foreign[msg->ref].va + msg->offset;
	default: /* SPLIT */
		return NULL;
	}
}

/*
 * How many pages of a message follow each other from *@page on, which is the first of them
 * or the one behind the last row; that is *@page then, if there are more.
 */
static inline uint32_t vmsg_msg_row(const struct vmsg *v, uint32_t *page)
{
	const uint16_t *mark = v->t.rx_mark;
	uint32_t last = *page, nr = 1;

	if (vmsg_likely(vmsg_rx_is_row(mark[last])))
		return mark[last] & VMSG_ROW_PAGES;
	for (; mark[last] == last + 1; last++)
		nr++;
	*page = mark[last];
	return nr;
}

/* vmsg_recv(), to be inlined. */
static inline struct vmsg_msg *vmsg_msg_next(const struct vmsg *v, struct vmsg_port *port,
					     struct vmsg_info *info)
{
	struct vmsg_msg *msg = vmsg_msg_at(port, port->next);
	const struct vmsg_msg *next = msg;

	if (!port->waiting)
		return NULL;
	msg->state = VMSG_MSG_RECEIVED;
	info->addr = msg->addr;
	info->src_port = msg->src_port;
	info->seq = msg->seq;
	info->len = msg->len;
	info->mapped = msg->form == VMSG_MSG_MAPPED;
	info->each = info->mapped ? 0 : msg->each;
	info->data = vmsg_msg_data(v, msg);
	if (!--port->waiting)
		return msg;
	do { /* past repeats, too */
		port->next = vmsg_msg_after(port, port->next, vmsg_msg_room(next));
		next = vmsg_msg_at(port, port->next);
	} while (vmsg_unlikely(next->state != VMSG_MSG_QUEUED));
	return msg;
}

/* vmsg_release() of a message in map mode. */
bool vmsg_msg_release_mapped(struct vmsg *v, struct vmsg_port *port, struct vmsg_msg *msg);

/* vmsg_release(), to be inlined. */
static inline bool vmsg_msg_release(struct vmsg *v, struct vmsg_port *port, struct vmsg_msg *msg)
{
	bool paged = msg->form == VMSG_MSG_PAGES;
	uint32_t unsaid;

	if (vmsg_unlikely(msg->state != VMSG_MSG_RECEIVED))
		return false;
	if (msg->form == VMSG_MSG_MAPPED)
		return vmsg_msg_release_mapped(v, port, msg);
	if (paged)
		vmsg_rx_put_held(v, msg->ref);
	msg->state = VMSG_MSG_DONE;
	if (vmsg_likely(vmsg_msg_offset(port, msg) == port->head))
		vmsg_msg_free(v, port);
	if (!paged)
		return v->todo;
	/* To keep a page back is as if it was still held, if the largest message does without. */
	unsaid = v->rx.prod - v->rx.pushed;
	return v->todo || unsaid >= VMSG_RX_UNSAID ||
	       vmsg_ring_unanswered(&v->rx) - unsaid < v->rx_enough;
}

#endif /* XENMSG_CORE_MSG_H */
