/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The hot end of SENDs and RELEASEs: a run of responses that say no more than
 * that all is well. The first one about which anything is different ends the run, untouched:
 * complete.c has all the checks.
 */
#include "frontend/core/complete.h"
#include "frontend/core/pages.h"
#include "frontend/core/pool.h"
#include "frontend/core/ring.h"

/* A SEND that is posted, with pages or in a pool, quiet or not, and nothing else to it. */
static inline bool is_send(union vmsg_tag tag)
{
	static const union vmsg_tag plain = { .op = VMSGIF_OP_SEND, .state = VMSG_SHADOW_POSTED };
	static const union vmsg_tag more = { .quiet = true, .nr_segs = 7, .mapped = true };

	_Static_assert(VMSG_SEGS_LISTED < 8, "whatever pages it has");
	return (tag.word & ~more.word) == plain.word;
}

static inline bool is_release(union vmsg_tag tag)
{
	static const union vmsg_tag plain = { .op = VMSGIF_OP_RELEASE,
					      .state = VMSG_SHADOW_POSTED };

	return tag.word == plain.word;
}

static inline void put(struct vmsg *v, struct vmsg_shadow *s)
{
	s->tag.word = 0;
	s->next_free = v->free;
	v->free = s;
}

static inline void send_end(struct vmsg *v, struct vmsg_shadow *s, union vmsg_tag tag,
			    const struct vmsg_cursor *c)
{
	struct vmsg_port *port = s->port;
	const struct vmsgif_segment *seg = &s->req.u.seg[0];

	if (tag.nr_segs == 1 && (uint32_t)seg->offset + seg->len <= VMSGIF_PAGE_SIZE)
		vmsg_pages_put(v, seg->ref);
	else if (tag.nr_segs)
		vmsg_pages_put_message(v, s);
	v->nr_quiet -= tag.quiet;
	v->nr_wait--;
	s->window->count--;
	port->unanswered--;
	put(v, s);
	if (!s->cookie && !tag.mapped)
		return;
	/* What the engine says of itself is right when it calls back. */
	v->tx.cons = c->cons;
	if (s->cookie)
		v->params.ops->send_done(v, port, s->cookie, 0);
	/* Last, as it may say that the pool is not in use any more. */
	if (tag.mapped)
		vmsg_own_put(v, s->req.u.map.id);
}

static inline void release_end(struct vmsg *v, struct vmsg_shadow *s)
{
	v->nr_control--;
	v->nr_prompt--;
	v->nr_other--;
	put(v, s);
}

/* Takes one; false: it is another matter. */
static inline bool take(struct vmsg *v, struct vmsg_cursor *c)
{
	const struct vmsg_tx_words words = vmsg_tx_peek(c);
	uint64_t head = words.head & ~((uint64_t)0xffff << 16); /* without the id */
	uint32_t id = (uint16_t)(words.head >> 16);
	struct vmsg_shadow *s = &v->t.shadows[id];
	union vmsg_tag tag;

	if (id > c->mask || (words.place | words.reserved))
		return false;
	tag = s->tag;
	if (head == VMSGIF_OP_SEND && is_send(tag) && s->port) {
		c->cons++;
		send_end(v, s, tag, c);
		return true;
	}
	if (head == VMSGIF_OP_RELEASE && is_release(tag)) {
		c->cons++;
		release_end(v, s);
		return true;
	}
	return false;
}

unsigned int vmsg_tx_run(struct vmsg *v, unsigned int budget)
{
	struct vmsg_cursor c = vmsg_tx_open(v);
	uint32_t first = c.cons;

	if (c.seen - first > budget)
		c.seen = first + budget;
	while (c.cons != c.seen && take(v, &c))
		;
	if (c.cons == first)
		return 0;
	v->tx.cons = c.cons;
	v->todo |= v->on_free;
	return c.cons - first;
}
