/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The hot way in: a run of messages that came for one port from one source,
 * each inline or in one page that may be held. The first response about which
 * anything is different ends the run, untouched: rx.c has all the checks.
 */
#include "frontend/core/msg.h"
#include "frontend/core/rx.h"

/* What an inline response starts with, apart from its id; and one in a page. */
#define HEAD_INLINE (VMSGIF_RX_MESSAGE | VMSGIF_RXF_INLINE << 8)
#define HEAD_PAGE   VMSGIF_RX_MESSAGE

/* The begin of a descriptor, apart from the source. */
static inline uint64_t descriptor(unsigned int form, unsigned int page)
{
	return VMSG_MSG_QUEUED | form << 8 | page << 16;
}

/* Takes one message from the flow's source; @addr: that, in the upper half. */
static inline bool take(struct vmsg *v, struct vmsg_port *port, struct vmsg_flow *flow,
			struct vmsg_cursor *c, uint64_t addr)
{
	const struct vmsg_rx_words words = vmsg_rx_peek(c);
	uint32_t id = c->cons & c->mask;
	uint64_t head = (words.head ^ addr) - (id << 16);
	uint32_t len = (uint32_t)words.size;
	uint64_t *msg = (uint64_t *)(void *)(port->memory + port->tail);
	uint32_t cost = vmsg_msg_cost(len);

	if ((uint32_t)words.ports != port->number || words.seq <= flow->seq ||
	    len > port->max_len || cost > port->left)
		return false;
	if (vmsg_likely(head == HEAD_INLINE && words.size <= VMSGIF_INLINE_MAX)) {
		unsigned int page = v->t.rx_at[id];

		msg[0] = addr | descriptor(VMSG_MSG_INLINE, 0);
		vmsg_rx_data(c, (uint8_t *)(msg + 4));
		vmsg_rx_post(v, c, page);
	} else if (head == HEAD_PAGE && words.size == (len | (uint64_t)len << 32) &&
		   len > v->params.copy_out && len <= VMSGIF_PAGE_SIZE &&
		   v->rx_held < v->rx_hold_max) {
		unsigned int page = v->t.rx_at[id];

		msg[0] = addr | descriptor(VMSG_MSG_PAGES, page);
		v->t.rx_mark[page] = VMSG_PAGE_END;
		v->rx_held++;
		c->cons++;
	} else {
		return false;
	}
	msg[1] = words.ports;
	msg[2] = words.seq;
	msg[3] = words.size;
	flow->seq = words.seq;
	vmsg_msg_enter(port, cost);
	v->stats.rx_bytes += len;
	return true;
}

unsigned int vmsg_rx_run(struct vmsg *v, unsigned int budget)
{
	struct vmsg_port *port = v->rx_port;
	struct vmsg_flow *flow = port ? port->flow : NULL;
	struct vmsg_cursor c = vmsg_rx_open(v);
	uint32_t tail, nr;
	uint64_t addr;

	if (!flow || (uint32_t)(flow->entry.key >> 32) != port->number || !v->rx_on ||
	    port->state == VMSG_PORT_UNBINDING)
		return 0;
	addr = flow->entry.key << 32;
	tail = port->tail;
	if (c.seen - c.cons > budget)
		c.seen = c.cons + budget;
	while (c.cons != c.seen && take(v, port, flow, &c, addr))
		;
	nr = c.cons - v->rx.cons;
	if (!nr)
		return 0;
	flow->used = true;
	vmsg_cursor_close(&v->rx, &c);
	v->stats.rx_messages += nr;
	if (!port->waiting)
		port->next = tail;
	port->waiting += nr;
	if (port->waiting == nr)
		v->params.ops->readable(v, port);
	return nr;
}
