/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * RX pages and messages; see rx.h.
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

/* What is of one page in the words of a message's response. */
#define HEAD_FLAGS ((uint64_t)0xff << 8)
#define HEAD_MORE  ((uint64_t)VMSGIF_RXF_MORE << 8)
#define HEAD_ID	   ((uint64_t)0xffff << 16)
#define SIZE_USED  ((uint64_t)0xffff << 32)
#define SIZE_PAGE  ((uint64_t)VMSGIF_PAGE_SIZE << 32)

/* ------------------------------------------------------------------- pages */

/* A page whose response was just taken: there is room for it. */
static void post_at(struct vmsg *v, struct vmsg_cursor *c, unsigned int page)
{
	if (vmsg_likely(v->rx_on))
		vmsg_rx_post(v, c, page);
	else
		vmsg_rx_give(v, page);
}

static void post_again(struct vmsg *v, unsigned int page)
{
	struct vmsg_cursor c = vmsg_rx_open(v);

	post_at(v, &c, page);
	vmsg_cursor_close(&v->rx, &c);
}

void vmsg_rx_give(struct vmsg *v, unsigned int page)
{
	v->t.rx_mark[page] = VMSG_PAGE_FREE;
	v->t.rx_free[v->nr_rx_free++] = (uint16_t)page;
	v->todo |= VMSG_TODO_RX;
}

void vmsg_rx_put_chain(struct vmsg *v, unsigned int page)
{
	/* Posted here at once, as far as there is room, which there mostly is. */
	if (vmsg_likely(v->rx_on)) {
		struct vmsg_cursor c = vmsg_rx_open(v);

		while (page != VMSG_PAGE_END && c.prod - c.cons <= c.mask) {
			unsigned int next = v->t.rx_mark[page];

			v->t.rx_mark[page] = VMSG_PAGE_POSTED;
			vmsg_rx_post(v, &c, page);
			v->rx_held--;
			page = next;
		}
		vmsg_cursor_close(&v->rx, &c);
	}
	while (page != VMSG_PAGE_END) {
		unsigned int next = v->t.rx_mark[page];

		vmsg_rx_give(v, page);
		v->rx_held--;
		page = next;
	}
}

void vmsg_rx_pump(struct vmsg *v)
{
	struct vmsg_cursor c = vmsg_rx_open(v);

	v->todo &= ~VMSG_TODO_RX;
	while (v->nr_rx_free && c.prod - c.cons < vmsg_slots(v)) {
		unsigned int page = v->t.rx_free[--v->nr_rx_free];

		v->t.rx_mark[page] = VMSG_PAGE_POSTED;
		vmsg_rx_post(v, &c, page);
	}
	vmsg_cursor_close(&v->rx, &c);
}

void vmsg_rx_reclaim(struct vmsg *v)
{
	unsigned int i;

	v->rx_on = false;
	v->nr_rejects = 0;
	for (i = 0; i < v->params.nr_rx_pages; i++) {
		unsigned int mark = v->t.rx_mark[i];

		if (mark == VMSG_PAGE_POSTED || mark == VMSG_PAGE_OWED)
			vmsg_rx_give(v, i);
	}
}

/* ---------------------------------------------------------------- messages */

/* A message on its way in. */
struct arrival {
	struct vmsg_port *port;
	struct vmsg_msg *msg; /* in the port's memory behind tail, not counted yet */
	const struct vmsgif_rx_response *r;
	unsigned int page;
	bool repeat; /* seen before */
	bool drop;   /* that, or the port is being unbound */
};

/* Map mode: sets the message's place, or has it released at once. */
static bool take_mapped(struct vmsg *v, struct arrival *a)
{
	const struct vmsgif_rx_response *r = a->r;
	int slot;

	if (!r->len || r->used || r->each || r->u.map.reserved)
		return vmsg_break(v, "bad map-mode message");
	post_again(v, a->page);
	if (a->repeat && vmsg_msg_holds(a->port, r->addr, r->seq)) {
		a->msg->state = VMSG_MSG_DONE;
		return true;
	}
	if (a->drop) {
		vmsg_msg_to_release(v, a->port, a->msg);
		return true;
	}
	slot = vmsg_foreign_find(v, a->port, r);
	if (slot < 0)
		return vmsg_break(v, "map-mode message outside of a mapped pool");
	v->t.foreign[slot].held++;
	a->msg->form = VMSG_MSG_MAPPED;
	a->msg->ref = (uint16_t)slot;
	a->msg->offset = r->u.map.offset;
	return true;
}

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

/* Copies the page that begins @left bytes before the message's end. */
static void copy_out(struct vmsg *v, const struct arrival *a, uint64_t left, unsigned int page)
{
	uint32_t used = left < VMSGIF_PAGE_SIZE ? (uint32_t)left : VMSGIF_PAGE_SIZE;

	if (!a->drop)
		vmsg_msg_copy_in(a->port, a->msg, a->r->len - (uint32_t)left,
				 v->params.rx_pages[page], used);
}

/* @wrong are the bits of a page's response that are not as they have to be. Always false. */
static bool wrong_page(struct vmsg *v, const struct vmsg_rx_words *wrong)
{
	if (wrong->head & HEAD_ID)
		return vmsg_break(v, "RX response out of order");
	if ((wrong->head & ~HEAD_FLAGS) | wrong->ports | wrong->seq | (wrong->size & ~SIZE_USED))
		return vmsg_break(v, "message cut");
	return vmsg_break(v, "bad page of a message");
}

/*
 * The payload is in posted pages, whose responses are all there. With @hold they are
 * chained from @link on, else copied to the port's memory and posted again. But for
 * what is of each page, all responses have the words of the first one.
 */
static __attribute__((__noinline__)) bool take_pages(struct vmsg *v, const struct arrival *a,
						     bool hold, uint16_t *link)
{
	struct vmsg_cursor c = vmsg_rx_open(v);
	struct vmsg_rx_words words, want, wrong;
	unsigned int page = a->page;
	uint64_t left = a->r->len;
	uint64_t id = a->r->id;
	bool good;

	__builtin_memcpy(&want, a->r, sizeof(want));
	words = want;
	want.head = (words.head & ~(HEAD_ID | HEAD_FLAGS)) | HEAD_MORE;
	want.size = (words.size & ~SIZE_USED) | SIZE_PAGE;
	for (;;) {
		if (left <= VMSGIF_PAGE_SIZE) {
			want.head ^= HEAD_MORE;
			want.size ^= SIZE_PAGE ^ left << 32;
		}
		wrong.head = words.head ^ (want.head | id << 16);
		wrong.ports = words.ports ^ want.ports;
		wrong.seq = words.seq ^ want.seq;
		wrong.size = words.size ^ want.size;
		good = !(wrong.head | wrong.ports | wrong.seq | wrong.size);
		if (vmsg_unlikely(!good))
			break;
		if (vmsg_likely(hold)) {
			*link = (uint16_t)page;
			link = &v->t.rx_mark[page];
			v->rx_held++;
		} else {
			copy_out(v, a, left, page);
			post_at(v, &c, page);
		}
		if (left <= VMSGIF_PAGE_SIZE)
			break;
		left -= VMSGIF_PAGE_SIZE;
		words = vmsg_rx_peek(&c);
		id = c.cons++ & c.mask;
		page = v->t.rx_at[id];
	}
	*link = VMSG_PAGE_END;
	vmsg_cursor_close(&v->rx, &c);
	return vmsg_likely(good) || wrong_page(v, &wrong);
}

/* Returns how many responses the message has; 0: it broke the device. */
static unsigned int take_paged(struct vmsg *v, struct arrival *a)
{
	/* The port's longest message is at most 1 MiB. */
	uint32_t nr = (a->r->len + VMSGIF_PAGE_SIZE - 1) / VMSGIF_PAGE_SIZE;
	bool hold = !a->drop && a->r->len > v->params.copy_out && v->rx_held + nr <= v->rx_hold_max;
	uint16_t first;

	if (!nr || nr - 1 > v->rx.seen - v->rx.cons)
		return vmsg_break(v, "message cut");
	if (!vmsg_batch_valid(a->r->len, a->r->each))
		return vmsg_break(v, "bad batch");
	if (!take_pages(v, a, hold, &first)) {
		vmsg_rx_put_chain(v, first);
		return 0;
	}
	a->msg->form = hold ? VMSG_MSG_PAGES : vmsg_msg_form_copied(a->port, a->msg, a->r->len);
	a->msg->ref = first;
	if (!hold && !a->drop)
		v->stats.rx_copied_out++;
	return nr;
}

/* Puts the payload where it stays. Returns as take_paged(). */
static unsigned int take_payload(struct vmsg *v, struct arrival *a)
{
	const struct vmsgif_rx_response *r = a->r;

	if (r->flags == VMSGIF_RXF_MAP)
		return take_mapped(v, a);
	if (r->flags != VMSGIF_RXF_INLINE)
		return take_paged(v, a);
	if (r->len > VMSGIF_INLINE_MAX || r->used || r->each)
		return vmsg_break(v, "bad inline message");
	a->msg->form = VMSG_MSG_INLINE;
	memcpy(a->msg->data, r->u.data, sizeof(a->msg->data));
	post_again(v, a->page);
	return 1;
}

/* The message is in; what was dropped only takes its room. */
static void arrived(struct vmsg *v, const struct arrival *a)
{
	struct vmsg_port *port = a->port;

	if (!a->drop && !port->waiting++)
		port->next = port->tail;
	vmsg_msg_enter(port, vmsg_msg_cost(a->r->len));
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
	if (vmsg_msg_cost(r->len) > port->left)
		return vmsg_break(v, "message over the credit of its port");
	v->rx_port = port;
	a.msg = vmsg_msg_at(port, port->tail);
	a.repeat = vmsg_flow_seen(v, port, r->addr, r->seq);
	a.drop = a.repeat || port->state == VMSG_PORT_UNBINDING;
	a.msg->addr = r->addr;
	a.msg->src_port = r->src_port;
	a.msg->seq = r->seq;
	a.msg->len = r->len;
	a.msg->each = r->each;
	a.msg->state = a.drop ? VMSG_MSG_DONE : VMSG_MSG_QUEUED;
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
