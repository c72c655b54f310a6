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

void vmsg_msg_say_credit(struct vmsg *v, struct vmsg_port *port)
{
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

void vmsg_msg_settle(struct vmsg *v, struct vmsg_port *port)
{
	if (port->used && vmsg_msg_at(port, port->head)->state == VMSG_MSG_DONE)
		vmsg_msg_free(v, port);
}

struct vmsg_msg *vmsg_recv(struct vmsg *v, struct vmsg_port *port, struct vmsg_info *info)
{
	return vmsg_msg_next(v, port, info);
}

/* Pages: the cursor is the page's number in the message plus 1, and the page. */
static bool page_piece(const struct vmsg *v, const struct vmsg_msg *msg, uint32_t *cursor,
		       const void **data, uint32_t *len)
{
	uint32_t i = *cursor >> 16;
	bool row = vmsg_rx_is_row(v->t.rx_mark[msg->ref]);
	uint32_t page = row ? msg->ref + i : i ? *cursor & 0xffffu : msg->ref;

	if (i == vmsg_msg_pages(msg->len))
		return false;
	*data = v->params.rx_pages[page];
	*len = msg->len - i * VMSGIF_PAGE_SIZE;
	if (*len > VMSGIF_PAGE_SIZE)
		*len = VMSGIF_PAGE_SIZE;
	*cursor = (i + 1) << 16 | (row ? 0 : v->t.rx_mark[page]);
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
	if (msg->form == VMSG_MSG_COPIED || msg->form == VMSG_MSG_SPLIT)
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

/* Posts it; returns whether that is to be published. */
static bool post_release(struct vmsg *v, const struct vmsg_port *port, const struct vmsg_msg *msg)
{
	bool posted = vmsg_tx_release(v, msg->addr, port->number, msg->seq);

	/* It gives a sender back a place in its window, of which a run has one. */
	if (!posted && !msg->behind)
		v->told--;
	return posted || vmsg_tx_many(v);
}

void vmsg_msg_post_release(struct vmsg *v, struct vmsg_port *port)
{
	struct vmsg_msg *msg = vmsg_msg_at(port, port->release_first);

	port->release_first = msg->link;
	port->nr_release--;
	v->nr_release--;
	post_release(v, port, msg);
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
		vmsg_rx_put_pages(v, msg->ref);
	msg->state = VMSG_MSG_DONE;
	if (vmsg_msg_offset(port, msg) == port->head)
		vmsg_msg_free(v, port);
}

/* Whether the RELEASE of a message can be posted at once, as nobody waits to post anything. */
static bool release_now(const struct vmsg *v)
{
	return v->phase == VMSG_RUN && v->rx_on && !v->nr_work && vmsg_tx_room_release(v);
}

bool vmsg_msg_release_mapped(struct vmsg *v, struct vmsg_port *port, struct vmsg_msg *msg)
{
	bool due = vmsg_foreign_put(v, msg->ref), posted = false;

	if (due && !release_now(v)) {
		vmsg_msg_to_release(v, port, msg);
		return true;
	}
	if (due)
		posted = post_release(v, port, msg);
	msg->state = VMSG_MSG_DONE;
	if (vmsg_likely(vmsg_msg_offset(port, msg) == port->head))
		vmsg_msg_free(v, port);
	return posted || v->todo;
}

bool vmsg_release(struct vmsg *v, struct vmsg_port *port, struct vmsg_msg *msg)
{
	return vmsg_msg_release(v, port, msg);
}

bool vmsg_msg_holds(const struct vmsg_port *port, uint32_t addr, uint64_t seq)
{
	uint32_t offset = port->head;
	uint32_t left = port->used;

	while (left) {
		const struct vmsg_msg *msg = vmsg_msg_at(port, offset);
		uint32_t cost = vmsg_msg_room(msg);

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
		uint32_t cost = vmsg_msg_room(msg);

		if (msg->state == VMSG_MSG_QUEUED || msg->state == VMSG_MSG_RECEIVED)
			vmsg_msg_done(v, port, msg);
		left -= cost;
		offset = vmsg_msg_after(port, offset, cost);
	}
}
