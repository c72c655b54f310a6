/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The hot way in: a run of messages that came for one port from one source,
 * each inline, in pages, which are held, or are copied out if it is one, or in the
 * sender's pool that was the last one. One in pages may be a batch, one in a pool a run.
 * The first response about which anything is different ends the run, untouched:
 * rx.c has all the checks.
 */
#include "frontend/core/msg.h"
#include "frontend/core/pool.h"
#include "frontend/core/rx.h"

/* What a response starts with, apart from its id. */
#define HEAD_INLINE (VMSGIF_RX_MESSAGE | VMSGIF_RXF_INLINE << 8)
#define HEAD_PAGE   VMSGIF_RX_MESSAGE
#define HEAD_MAP    (VMSGIF_RX_MESSAGE | VMSGIF_RXF_MAP << 8)

/*
 * What is best kept in registers, of which there are few: the rest stays where it
 * is, in the port and the device.
 */
struct run {
	struct vmsg_cursor c;
	struct vmsg_port *port;
	uint8_t *to;   /* where the next message comes in */
	uint64_t addr; /* the source, in the upper half */
	uint64_t seq;  /* the last one of the flow */
	uint32_t nr;   /* messages */
};

/* The begin of a descriptor, apart from the source. */
static inline uint64_t descriptor(unsigned int form, unsigned int page)
{
	return VMSG_MSG_QUEUED | form << 8 | page << 16;
}

/* Whole lines: so many the message has room for, and never more than a page has. */
static inline void copy_lines(uint8_t *to, const uint8_t *from, uint32_t len)
{
	const uint8_t *end = from + len;

	do {
		__builtin_memcpy(to, from, VMSG_LINE);
		to += VMSG_LINE;
		from += VMSG_LINE;
	} while (from < end);
}

/* What is short is not worth a call. */
static inline void copy_out(const struct vmsg *v, uint8_t *to, unsigned int page, uint32_t len)
{
	if (len <= v->params.copy_out)
		copy_lines(to, v->params.rx_pages[page], len);
	else
		memcpy(to, v->params.rx_pages[page], len);
}

/* Whether the word with the length is that of a message in pages. */
static inline bool size_valid(uint64_t size, uint32_t len, uint32_t each)
{
	uint32_t used = len < VMSGIF_PAGE_SIZE ? len : VMSGIF_PAGE_SIZE;

	return len && size == (len | (uint64_t)used << 32 | (uint64_t)each << 48) &&
	       vmsg_batch_valid(len, each);
}

static inline void go_on(struct run *run, uint32_t bytes)
{
	struct vmsg_port *port = run->port;

	port->left -= bytes;
	port->used += bytes;
	run->to += bytes;
	if (run->to >= port->memory + port->size)
		run->to -= port->size;
}

/* Takes messages in map mode, which one response is about. */
static bool take_mapped(struct vmsg *v, struct run *run, const struct vmsg_rx_words *words)
{
	uint64_t place = vmsg_rx_place(&run->c);
	struct vmsg_port *port = run->port;
	unsigned int page = v->t.rx_at[run->c.cons & run->c.mask];
	uint32_t len = (uint32_t)words->size, behind = (uint16_t)(place >> 16);
	uint32_t step = (uint32_t)VMSGIF_RUN_STEP(len);

	/* The port's longest message is at most 1 MiB. */
	if (words->size != len || !len || behind >= VMSGIF_RUN_MESSAGES ||
	    words->seq - run->seq <= behind || VMSG_LINE * (behind + 1) > port->left ||
	    !vmsg_foreign_same(v, port, (uint32_t)(run->addr >> 32), place, behind * step + len))
		return false;
	run->c.cons++;
	vmsg_rx_post(v, &run->c, page);
	v->t.foreign[port->pool_slot].held += behind + 1;
	v->stats.rx_bytes += (uint64_t)len * (behind + 1);
	run->seq = words->seq;
	run->nr += behind + 1;
	place >>= 32;
	do {
		uint64_t *msg = (uint64_t *)(void *)run->to;

		msg[0] = run->addr | descriptor(VMSG_MSG_MAPPED, port->pool_slot);
		msg[1] = words->ports;
		msg[2] = words->seq - behind;
		msg[3] = len | place << 32;
		msg[4] = behind;
		place += step;
		go_on(run, VMSG_LINE);
	} while (behind--);
	return true;
}

/* Takes what the next response is about, from the flow's source. */
static inline bool take(struct vmsg *v, struct run *run)
{
	const struct vmsg_rx_words words = vmsg_rx_peek(&run->c);
	struct vmsg_port *port = run->port;
	uint32_t id = run->c.cons & run->c.mask;
	uint64_t head = words.head ^ (run->addr | id << 16);
	uint32_t len = (uint32_t)words.size;
	uint32_t cost = vmsg_msg_cost(len);
	unsigned int page = v->t.rx_at[id];
	uint64_t *msg = (uint64_t *)(void *)run->to;
	uint32_t each = (uint32_t)(words.size >> 48);

	if ((uint32_t)words.ports != port->number || words.seq <= run->seq || len > port->max_len)
		return false;
	if (vmsg_unlikely(head == HEAD_MAP))
		return take_mapped(v, run, &words);
	if (cost > port->left)
		return false;
	if (head == HEAD_PAGE && size_valid(words.size, len, each)) {
		uint32_t nr = vmsg_msg_pages(len);

		if (len > v->params.copy_out && v->rx_held + nr <= v->rx_hold_max) {
			if (nr > run->c.seen - run->c.cons)
				return false;
			msg[0] = run->addr | descriptor(VMSG_MSG_PAGES, page);
			vmsg_rx_chain(v, &run->c, nr);
		} else {
			/* Around the end of the memory it is two pieces. */
			if (nr > 1 || cost > (size_t)(port->memory + port->size - run->to))
				return false;
			msg[0] = run->addr | descriptor(VMSG_MSG_COPIED, 0);
			copy_out(v, run->to + VMSG_LINE, page, len);
			run->c.cons++;
			vmsg_rx_post(v, &run->c, page);
			v->stats.rx_copied_out++;
		}
		v->stats.rx_messages += VMSGIF_BATCH_COUNT(len, each) - 1;
	} else if (head == HEAD_INLINE && words.size <= VMSGIF_INLINE_MAX) {
		msg[0] = run->addr | descriptor(VMSG_MSG_INLINE, 0);
		vmsg_rx_data(&run->c, run->to + offsetof(struct vmsg_msg, data));
		vmsg_rx_post(v, &run->c, page);
	} else {
		return false;
	}
	msg[1] = words.ports;
	msg[2] = words.seq;
	msg[3] = words.size;
	run->seq = words.seq;
	run->nr++;
	v->stats.rx_bytes += len;
	go_on(run, cost);
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
	run.to = port->memory + port->tail;
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
	v->stats.rx_messages += run.nr;
	if (!port->waiting)
		port->next = port->tail;
	port->tail = (uint32_t)(run.to - port->memory);
	port->waiting += run.nr;
	vmsg_msg_check_credit(v, port);
	if (port->waiting == run.nr)
		v->params.ops->readable(v, port);
	return nr;
}
