/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The ring of messages in the memory of a port; see msg.h. */
#include "frontend/core/msg.h"

#include "frontend/core/pool.h"
#include "frontend/core/port.h"
#include "frontend/core/rx.h"
#include "frontend/core/tx.h"

void vmsg_msg_copy_in(struct vmsg_port *port, struct vmsg_msg *msg, uint32_t at, const void *from,
		      uint32_t len)
{
	uint32_t offset = vmsg_msg_after(port, vmsg_msg_offset(port, msg), VMSG_LINE + at);
	uint32_t first = port->size - offset;

	if (first > len)
		first = len;
	memcpy(port->memory + offset, from, first);
	memcpy(port->memory, (const uint8_t *)from + first, len - first);
}

void vmsg_msg_check_credit(struct vmsg *v, struct vmsg_port *port)
{
	/* By the quarter; and when all is free but the largest message would not fit. */
	if (port->unsaid < port->quarter && (port->used || port->unsaid <= port->slack))
		return;
	if (!(port->flags & VMSG_PORT_LIVE) || (port->flags & VMSG_PORT_BEHIND) ||
	    port->state != VMSG_PORT_BOUND)
		return;
	if (!(port->flags & VMSG_PORT_CREDIT_BUSY)) {
		vmsg_port_work(v, port, VMSG_PORT_CREDIT);
		return;
	}
	port->flags |= VMSG_PORT_BEHIND;
	v->nr_behind++;
}

/* Frees the room of the oldest message, which is done, and of those behind it that are. */
static inline void settle(struct vmsg *v, struct vmsg_port *port)
{
	const struct vmsg_msg *msg = vmsg_msg_at(port, port->head);

	do {
		uint32_t cost = vmsg_msg_cost(msg->len);

		port->head = vmsg_msg_after(port, port->head, cost);
		port->unsaid += cost;
		port->used -= cost;
		msg = vmsg_msg_at(port, port->head);
	} while (port->used && msg->state == VMSG_MSG_DONE);
	if (vmsg_unlikely(port->unsaid >= port->quarter) ||
	    (!port->used && port->unsaid > port->slack))
		vmsg_msg_check_credit(v, port);
}

void vmsg_msg_settle(struct vmsg *v, struct vmsg_port *port)
{
	if (port->used && vmsg_msg_at(port, port->head)->state == VMSG_MSG_DONE)
		settle(v, port);
}

/* Where the payload is, if it is in one piece. */
static inline const void *in_one_piece(const struct vmsg *v, const struct vmsg_port *port,
				       const struct vmsg_msg *msg)
{
	switch (msg->form) {
	case VMSG_MSG_INLINE:
		return msg->len ? msg->data : NULL;
	case VMSG_MSG_COPIED:
		return vmsg_msg_cost(msg->len) <= port->size - vmsg_msg_offset(port, msg) ?
			       msg + 1 :
			       NULL;
	case VMSG_MSG_PAGES:
		return msg->len <= VMSGIF_PAGE_SIZE ? v->params.rx_pages[msg->ref] : NULL;
	default: /* MAPPED */
		return v->t.foreign[msg->ref].va + msg->offset;
	}
}

struct vmsg_msg *vmsg_recv(struct vmsg *v, struct vmsg_port *port, struct vmsg_info *info)
{
	struct vmsg_msg *msg = vmsg_msg_at(port, port->next);
	const struct vmsg_msg *next = msg;

	if (!port->waiting)
		return NULL;
	msg->state = VMSG_MSG_RECEIVED;
	info->data = in_one_piece(v, port, msg);
	info->addr = msg->addr;
	info->src_port = msg->src_port;
	info->seq = msg->seq;
	info->len = msg->len;
	info->mapped = msg->form == VMSG_MSG_MAPPED;
	if (!--port->waiting)
		return msg;
	do { /* past repeats, too */
		port->next = vmsg_msg_after(port, port->next, vmsg_msg_cost(next->len));
		next = vmsg_msg_at(port, port->next);
	} while (vmsg_unlikely(next->state != VMSG_MSG_QUEUED));
	return msg;
}

/* Pages: the cursor is the page's number in the message plus 1, and the page. */
static bool page_piece(const struct vmsg *v, const struct vmsg_msg *msg, uint32_t *cursor,
		       const void **data, uint32_t *len)
{
	uint32_t i = *cursor >> 16;
	uint32_t page = *cursor ? *cursor & 0xffffu : msg->ref;

	if (page == VMSG_PAGE_END)
		return false;
	*data = v->params.rx_pages[page];
	*len = msg->len - i * VMSGIF_PAGE_SIZE;
	if (*len > VMSGIF_PAGE_SIZE)
		*len = VMSGIF_PAGE_SIZE;
	*cursor = (i + 1) << 16 | v->t.rx_mark[page];
	return true;
}

/* Copied: one piece, or two around the end of the memory; the cursor is the next byte. */
static bool copied_piece(const struct vmsg_port *port, const struct vmsg_msg *msg, uint32_t *cursor,
			 const void **data, uint32_t *len)
{
	uint32_t offset = vmsg_msg_after(port, vmsg_msg_offset(port, msg), VMSG_LINE + *cursor);

	*data = port->memory + offset;
	*len = msg->len - *cursor;
	if (*len > port->size - offset)
		*len = port->size - offset;
	*cursor += *len;
	return *len != 0;
}

bool vmsg_msg_piece(struct vmsg *v, struct vmsg_port *port, const struct vmsg_msg *msg,
		    uint32_t *cursor, const void **data, uint32_t *len)
{
	if (msg->form == VMSG_MSG_PAGES)
		return page_piece(v, msg, cursor, data, len);
	if (msg->form == VMSG_MSG_COPIED)
		return copied_piece(port, msg, cursor, data, len);
	if (*cursor || !msg->len)
		return false;
	*data = msg->form == VMSG_MSG_INLINE ? msg->data : v->t.foreign[msg->ref].va + msg->offset;
	*len = *cursor = msg->len;
	return true;
}

void vmsg_msg_to_release(struct vmsg *v, struct vmsg_port *port, struct vmsg_msg *msg)
{
	uint32_t offset = vmsg_msg_offset(port, msg);

	msg->state = VMSG_MSG_TO_RELEASE;
	if (port->nr_release++)
		vmsg_msg_at(port, port->release_last)->link = offset;
	else
		port->release_first = offset;
	port->release_last = offset;
	v->nr_release++;
	vmsg_port_work(v, port, 0);
}

void vmsg_msg_post_release(struct vmsg *v, struct vmsg_port *port)
{
	struct vmsg_msg *msg = vmsg_msg_at(port, port->release_first);
	struct vmsg_shadow *s = vmsg_tx_get(v, VMSGIF_OP_RELEASE);
	bool urgent = v->urgent;

	port->release_first = msg->link;
	port->nr_release--;
	v->nr_release--;
	s->req.addr = msg->addr;
	s->req.port = port->number;
	s->req.seq = msg->seq;
	vmsg_tx_post(v, s);
	/* It gives a sender back a place in its window: lazy, but not until that is used up. */
	v->urgent = urgent || ++v->lazy_releases >= v->window / 4u;
	msg->state = VMSG_MSG_DONE;
	vmsg_msg_settle(v, port);
}

void vmsg_msg_forget_releases(struct vmsg *v, struct vmsg_port *port)
{
	while (port->nr_release) {
		struct vmsg_msg *msg = vmsg_msg_at(port, port->release_first);

		port->release_first = msg->link;
		port->nr_release--;
		v->nr_release--;
		msg->state = VMSG_MSG_DONE;
	}
	vmsg_msg_settle(v, port);
}

void vmsg_msg_done(struct vmsg *v, struct vmsg_port *port, struct vmsg_msg *msg)
{
	if (msg->form == VMSG_MSG_MAPPED && vmsg_foreign_put(v, msg->ref)) {
		vmsg_msg_to_release(v, port, msg);
		return;
	}
	if (msg->form == VMSG_MSG_PAGES)
		vmsg_rx_put_chain(v, msg->ref);
	msg->state = VMSG_MSG_DONE;
	if (vmsg_msg_offset(port, msg) == port->head)
		settle(v, port);
}

bool vmsg_release(struct vmsg *v, struct vmsg_port *port, struct vmsg_msg *msg)
{
	uint32_t unsaid;

	if (vmsg_unlikely(msg->state != VMSG_MSG_RECEIVED))
		return false;
	if (msg->form > VMSG_MSG_COPIED) {
		vmsg_msg_done(v, port, msg);
		/* To keep a page back is as if it was still held, as long as that many may be. */
		unsaid = v->rx.prod - v->rx.pushed;
		return v->todo || unsaid >= VMSG_RX_UNSAID || v->rx_held + unsaid > v->rx_hold_max;
	}
	msg->state = VMSG_MSG_DONE;
	if (vmsg_likely(vmsg_msg_offset(port, msg) == port->head))
		settle(v, port);
	return v->todo;
}

bool vmsg_msg_holds(const struct vmsg_port *port, uint32_t addr, uint64_t seq)
{
	uint32_t offset = port->head;
	uint32_t left = port->used;

	while (left) {
		const struct vmsg_msg *msg = vmsg_msg_at(port, offset);
		uint32_t cost = vmsg_msg_cost(msg->len);

		if (msg->seq == seq && msg->addr == addr && msg->form == VMSG_MSG_MAPPED &&
		    msg->state != VMSG_MSG_DONE)
			return true;
		left -= cost;
		offset = vmsg_msg_after(port, offset, cost);
	}
	return false;
}

void vmsg_msg_drop_all(struct vmsg *v, struct vmsg_port *port)
{
	uint32_t offset = port->head;
	uint32_t left = port->used;

	port->waiting = 0;
	while (left) {
		struct vmsg_msg *msg = vmsg_msg_at(port, offset);
		uint32_t cost = vmsg_msg_cost(msg->len);

		if (msg->state == VMSG_MSG_QUEUED || msg->state == VMSG_MSG_RECEIVED)
			vmsg_msg_done(v, port, msg);
		left -= cost;
		offset = vmsg_msg_after(port, offset, cost);
	}
}
