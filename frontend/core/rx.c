/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Messages on their way in; see rx.h.
 *
 * Whatever contradicts the protocol breaks the device, as it can only come from
 * a faulty broker: a message beyond the port's credit or length, to a port that
 * was not bound, a cut chain. Nothing that another guest can do leads there.
 */
#include "frontend/core/rx.h"

#include "frontend/core/event.h"
#include "frontend/core/flow.h"
#include "frontend/core/msg.h"
#include "frontend/core/pool.h"
#include "frontend/core/port.h"

/* A message on its way in. */
struct arrival {
	struct vmsg_port *port;
	struct vmsg_msg *msg; /* in the port's memory behind tail, not counted yet */
	const struct vmsgif_rx_response *r;
	unsigned int page;
	bool repeat; /* seen before */
	bool drop;   /* that, or the port is being unbound */
};

/* Takes the next response, of which there is one, and the page that it answers. */
static bool take_next(struct vmsg *v, struct vmsgif_rx_response *r, unsigned int *page)
{
	struct vmsg_cursor c = vmsg_rx_open(v);
	struct vmsg_rx_words words = vmsg_rx_peek(&c);
	uint32_t id = c.cons & c.mask;

	__builtin_memcpy(r, &words, sizeof(words));
	vmsg_rx_data(&c, r->u.data);
	vmsg_cursor_close(&v->rx, &c);
	if (r->id != id)
		return vmsg_break(v, "RX response out of order");
	*page = v->t.rx_at[id];
	return true;
}

/* Takes @nr pages, of which the response of the first one is taken already. */
static void take_chain(struct vmsg *v, uint32_t nr)
{
	struct vmsg_cursor c = vmsg_rx_open(v);

	c.cons--;
	vmsg_rx_chain(v, &c, nr);
	vmsg_cursor_close(&v->rx, &c);
}

/* Copies a chain of pages to the port's memory. */
static void copy_out(struct vmsg *v, const struct arrival *a)
{
	uint32_t len = a->r->len, at = 0, used;
	uint32_t page = a->page, first, nr;

	while (at < len) {
		first = page;
		for (nr = vmsg_msg_row(v, &page); nr--; at += used) {
			used = len - at < VMSGIF_PAGE_SIZE ? len - at : VMSGIF_PAGE_SIZE;
			vmsg_msg_copy_in(a->port, a->msg, at, v->params.rx_pages[first++], used);
		}
	}
}

/* Returns how many responses the message has; 0: it broke the device. */
static unsigned int take_paged(struct vmsg *v, struct arrival *a)
{
	const struct vmsgif_rx_response *r = a->r;
	/* The port's longest message is at most 1 MiB. */
	uint32_t nr = vmsg_msg_pages(r->len);
	uint32_t used = r->len < VMSGIF_PAGE_SIZE ? r->len : VMSGIF_PAGE_SIZE;
	bool hold;

	if (!nr || nr - 1 > v->rx.seen - v->rx.cons)
		return vmsg_break(v, "message cut");
	if (!vmsg_batch_valid(r->len, r->each))
		return vmsg_break(v, "bad batch");
	if (r->flags || r->used != used)
		return vmsg_break(v, "bad page of a message");
	hold = !a->drop && r->len > v->params.copy_out && v->rx_held + nr <= v->rx_hold_max;
	take_chain(v, nr);
	a->msg->ref = (uint16_t)a->page;
	if (vmsg_likely(hold)) {
		a->msg->form = VMSG_MSG_PAGES;
		return nr;
	}
	a->msg->form = vmsg_msg_form_copied(a->port, a->msg, r->len);
	if (!a->drop) {
		copy_out(v, a);
		v->stats.rx_copied_out++;
	}
	vmsg_rx_put_held(v, a->page);
	return nr;
}

/* Puts the payload where it stays. Returns as take_paged(). */
static unsigned int take_payload(struct vmsg *v, struct arrival *a)
{
	const struct vmsgif_rx_response *r = a->r;

	if (r->flags != VMSGIF_RXF_INLINE)
		return take_paged(v, a);
	if (r->len > VMSGIF_INLINE_MAX || r->used || r->each)
		return vmsg_break(v, "bad inline message");
	a->msg->form = VMSG_MSG_INLINE;
	memcpy(a->msg->data, r->u.data, sizeof(a->msg->data));
	vmsg_rx_post_again(v, a->page);
	return 1;
}

/* The message is in; what was dropped only takes its room. */
static void arrived(struct vmsg *v, const struct arrival *a)
{
	struct vmsg_port *port = a->port;

	if (!a->drop && !port->waiting++)
		port->next = port->tail;
	vmsg_msg_enter(port, vmsg_msg_room(a->msg));
	vmsg_msg_check_credit(v, port);
	if (a->drop) {
		v->stats.rx_repeated += a->repeat;
		vmsg_msg_settle(v, port);
		return;
	}
	v->stats.rx_messages += VMSGIF_BATCH_COUNT(a->r->len, a->r->each);
	v->stats.rx_bytes += a->r->len;
	if (port->waiting == 1)
		v->params.ops->readable(v, port);
}

/* The descriptor of message @seq of the response. */
static void arrive(struct vmsg *v, struct arrival *a, uint64_t seq)
{
	const struct vmsgif_rx_response *r = a->r;
	struct vmsg_port *port = a->port;

	a->msg = vmsg_msg_at(port, port->tail);
	a->repeat = vmsg_flow_seen(v, port, r->addr, seq);
	a->drop = a->repeat || port->state == VMSG_PORT_UNBINDING;
	a->msg->addr = r->addr;
	a->msg->src_port = r->src_port;
	a->msg->seq = seq;
	a->msg->len = r->len;
	a->msg->each = r->each;
	a->msg->state = a->drop ? VMSG_MSG_DONE : VMSG_MSG_QUEUED;
}

/* One message of a run in map mode: sets its place, or has it released at once. */
static bool take_mapped(struct vmsg *v, struct arrival *a, uint32_t behind)
{
	const struct vmsgif_rx_response *r = a->r;
	uint64_t seq = r->seq - behind;
	uint32_t offset =
		r->u.map.offset + (r->u.map.more - behind) * (uint32_t)VMSGIF_RUN_STEP(r->len);
	int slot;

	arrive(v, a, seq);
	a->msg->form = VMSG_MSG_MAPPED;
	a->msg->behind = behind;
	a->msg->offset = offset;
	if (a->drop) {
		if (!a->repeat || !vmsg_msg_holds(a->port, r->addr, seq))
			vmsg_msg_to_release(v, a->port, a->msg);
		return true;
	}
	slot = vmsg_foreign_find(v, a->port, r, offset);
	if (slot < 0)
		return vmsg_break(v, "map-mode message outside of a mapped pool");
	v->t.foreign[slot].held++;
	a->msg->ref = (uint16_t)slot;
	return true;
}

/* All of it, which is in one response. */
static unsigned int take_run(struct vmsg *v, struct arrival *a)
{
	const struct vmsgif_rx_response *r = a->r;
	const struct vmsgif_map *map = &r->u.map;
	uint32_t behind = map->more;

	if (!r->len || r->used || r->each || map->more >= VMSGIF_RUN_MESSAGES ||
	    r->seq <= map->more || map->offset + map->more * VMSGIF_RUN_STEP(r->len) > UINT32_MAX)
		return vmsg_break(v, "bad map-mode message");
	if (VMSG_LINE * (behind + 1) > a->port->left)
		return vmsg_break(v, "message over the credit of its port");
	vmsg_rx_post_again(v, a->page);
	do {
		if (!take_mapped(v, a, behind))
			return 0;
		arrived(v, a);
	} while (behind--);
	return 1;
}

static unsigned int take_message(struct vmsg *v, const struct vmsgif_rx_response *r,
				 unsigned int page)
{
	struct vmsg_port *port = vmsg_port_find(v, r->port);
	struct arrival a = { .port = port, .r = r, .page = page };
	unsigned int nr;

	if (!r->addr || !r->seq)
		return vmsg_break(v, "message without an address or a number");
	if (!port)
		return vmsg_break(v, "message to a port that is not bound");
	if (r->len > port->max_len)
		return vmsg_break(v, "message longer than its port takes");
	v->rx_port = port;
	if (r->flags == VMSGIF_RXF_MAP)
		return take_run(v, &a);
	if (vmsg_msg_cost(r->len) > port->left)
		return vmsg_break(v, "message over the credit of its port");
	arrive(v, &a, r->seq);
	nr = take_payload(v, &a);
	if (nr)
		arrived(v, &a);
	return nr;
}

static unsigned int take_any(struct vmsg *v)
{
	struct vmsgif_rx_response r;
	unsigned int page;

	if (!take_next(v, &r, &page))
		return 0;
	return r.type == VMSGIF_RX_MESSAGE ? take_message(v, &r, page) : vmsg_event(v, &r, page);
}

unsigned int vmsg_rx_take(struct vmsg *v, unsigned int budget)
{
	while (v->rx.cons != v->rx.seen && budget) {
		unsigned int nr = vmsg_rx_run(v, budget);

		if (!nr)
			nr = take_any(v);
		if (!nr)
			return 0;
		budget -= nr < budget ? nr : budget;
	}
	return budget;
}
