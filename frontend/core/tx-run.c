/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The hot end of SENDs: a run of responses that say no more than that all is
 * well. The first one about which anything is different ends the run, untouched:
 * complete.c has all the checks.
 */
#include "frontend/core/complete.h"
#include "frontend/core/pages.h"
#include "frontend/core/ring.h"

/* A SEND that is posted, with a few pages, quiet or not, and nothing else to it. */
static inline bool is_plain(union vmsg_tag tag)
{
	static const union vmsg_tag plain = { .op = VMSGIF_OP_SEND, .state = VMSG_SHADOW_POSTED };
	static const union vmsg_tag more = { .quiet = true, .nr_segs = 7 };

	_Static_assert(VMSGIF_SEGS_MAX < 7, "what has a list is not plain");
	return (tag.word & ~more.word) == plain.word && tag.nr_segs <= VMSGIF_SEGS_MAX;
}

/* Takes one; false: it is another matter. */
static inline bool take(struct vmsg *v, struct vmsg_cursor *c)
{
	const struct vmsg_tx_words words = vmsg_tx_peek(c);
	uint32_t id = (uint16_t)(words.head >> 16);
	struct vmsg_shadow *s = &v->t.shadows[id];
	struct vmsg_port *port;
	union vmsg_tag tag;
	unsigned int i;

	if (id > c->mask || (words.head & ~((uint64_t)0xffff << 16)) != VMSGIF_OP_SEND ||
	    (words.place | words.reserved))
		return false;
	tag = s->tag;
	port = s->port;
	if (!is_plain(tag) || !port)
		return false;
	c->cons++;
	for (i = 0; i < tag.nr_segs; i++)
		vmsg_pages_put(v, s->req.u.seg[i].ref);
	v->nr_quiet -= tag.quiet;
	v->nr_wait--;
	s->window->count--;
	port->unanswered--;
	s->tag.word = 0;
	s->next_free = v->free;
	v->free = s;
	if (s->cookie) {
		v->tx.cons = c->cons;
		v->params.ops->send_done(v, port, s->cookie, 0);
	}
	return true;
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
