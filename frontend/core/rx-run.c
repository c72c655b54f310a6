/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The hot way in: a run of messages that came for one port from one source,
 * each inline or in one page, which is held or, for a short message, copied out.
 * The first response about which anything is different ends the run, untouched:
 * rx.c has all the checks.
 */
#include "frontend/core/msg.h"
#include "frontend/core/rx.h"

/* What an inline response starts with, apart from its id; and one in a page. */
#define HEAD_INLINE (VMSGIF_RX_MESSAGE | VMSGIF_RXF_INLINE << 8)
#define HEAD_PAGE   VMSGIF_RX_MESSAGE

/* What changes from message to message, in registers as far as there are any. */
struct run {
	struct vmsg_cursor c;
	struct vmsg_port *port;
	uint64_t addr; /* the source, in the upper half */
	uint64_t seq;  /* the last one of the flow */
	uint64_t bytes;
	uint32_t tail;
	uint32_t left;
};

/* The begin of a descriptor, apart from the source. */
static inline uint64_t descriptor(unsigned int form, unsigned int page)
{
	return VMSG_MSG_QUEUED | form << 8 | page << 16;
}

/* Whole lines: so many the message has room for, and never more than a page has. */
static inline void copy_lines(uint8_t *to, const uint8_t *from, uint32_t len)
{
	uint32_t at = 0;

	do {
		__builtin_memcpy(to + at, from + at, VMSG_LINE);
		at += VMSG_LINE;
	} while (at < len);
}

/* The payload of the next response stays where it comes to; false: it is unusual. */
static inline bool take_payload(struct vmsg *v, struct run *run, uint64_t head, uint64_t size,
				uint32_t cost)
{
	uint8_t *msg = run->port->memory + run->tail;
	uint32_t id = run->c.cons & run->c.mask;
	unsigned int page = v->t.rx_at[id];
	uint64_t *words = (uint64_t *)(void *)msg;
	uint32_t len = (uint32_t)size;

	if (head == HEAD_INLINE && size <= VMSGIF_INLINE_MAX) {
		words[0] = run->addr | descriptor(VMSG_MSG_INLINE, 0);
		vmsg_rx_data(&run->c, msg + offsetof(struct vmsg_msg, data));
		vmsg_rx_post(v, &run->c, page);
		return true;
	}
	if (head != HEAD_PAGE || size != (len | (uint64_t)len << 32))
		return false;
	if (len - 1 < v->params.copy_out) {
		/* Around the end of the memory it is two pieces. */
		if (cost > run->port->size - run->tail)
			return false;
		words[0] = run->addr | descriptor(VMSG_MSG_COPIED, 0);
		copy_lines(msg + VMSG_LINE, v->params.rx_pages[page], len);
		run->c.cons++;
		vmsg_rx_post(v, &run->c, page);
		v->stats.rx_copied_out++;
		return true;
	}
	if (len - 1 >= VMSGIF_PAGE_SIZE || v->rx_held >= v->rx_hold_max)
		return false;
	words[0] = run->addr | descriptor(VMSG_MSG_PAGES, page);
	v->t.rx_mark[page] = VMSG_PAGE_END;
	v->rx_held++;
	run->c.cons++;
	return true;
}

/* Takes one message from the flow's source. */
static inline bool take(struct vmsg *v, struct run *run)
{
	const struct vmsg_rx_words words = vmsg_rx_peek(&run->c);
	const struct vmsg_port *port = run->port;
	uint64_t *msg = (uint64_t *)(void *)(port->memory + run->tail);
	uint64_t head = (words.head ^ run->addr) - ((run->c.cons & run->c.mask) << 16);
	uint32_t len = (uint32_t)words.size;
	uint32_t cost = vmsg_msg_cost(len);

	if ((uint32_t)words.ports != port->number || words.seq <= run->seq || len > port->max_len ||
	    cost > run->left || !take_payload(v, run, head, words.size, cost))
		return false;
	msg[1] = words.ports;
	msg[2] = words.seq;
	msg[3] = words.size;
	run->seq = words.seq;
	run->bytes += len;
	run->left -= cost;
	run->tail = vmsg_msg_after(port, run->tail, cost);
	return true;
}

unsigned int vmsg_rx_run(struct vmsg *v, unsigned int budget)
{
	struct vmsg_port *port = v->rx_port;
	struct vmsg_flow *flow = port ? port->flow : NULL;
	struct run run = { .c = vmsg_rx_open(v), .port = port };
	uint32_t nr;

	if (!flow || (uint32_t)(flow->entry.key >> 32) != port->number || !v->rx_on ||
	    port->state == VMSG_PORT_UNBINDING)
		return 0;
	run.addr = flow->entry.key << 32;
	run.seq = flow->seq;
	run.tail = port->tail;
	run.left = port->left;
	if (run.c.seen - run.c.cons > budget)
		run.c.seen = run.c.cons + budget;
	while (run.c.cons != run.c.seen && take(v, &run))
		;
	nr = run.c.cons - v->rx.cons;
	if (!nr)
		return 0;
	vmsg_cursor_close(&v->rx, &run.c);
	flow->used = true;
	flow->seq = run.seq;
	v->stats.rx_messages += nr;
	v->stats.rx_bytes += run.bytes;
	if (!port->waiting)
		port->next = port->tail;
	port->used += port->left - run.left;
	port->left = run.left;
	port->tail = run.tail;
	port->waiting += nr;
	if (port->waiting == nr)
		v->params.ops->readable(v, port);
	return nr;
}
