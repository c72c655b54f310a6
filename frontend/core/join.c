/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * vmsg_join(): batches that go with the one before them, in its SEND.
 *
 * A SEND costs the same however many messages it has: a slot, a place in the window, an answer,
 * the broker's checks. Whoever sends a page of messages in each call pays it for each. But
 * of a lazy one nobody expects to see it at once: the last one that was posted stays open,
 * which is to say unpublished, and what comes next in its flow is added to it. Its
 * slot, which the other end does not look at yet, is written anew, from the shadow.
 *
 * Anything that publishes the slot or posts another one behind it closes it, and so does
 * whoever waits. So order is as if each had been a SEND of its own, and nobody waits for
 * what is held back longer than for any lazy message.
 */
#include "frontend/core/join.h"

#include "frontend/core/pages.h"
#include "frontend/core/ring.h"

/* Whether there can be a message more. */
static bool has_room(const struct vmsg *v, const struct vmsg_shadow *s)
{
	uint32_t len = s->req.len + s->req.each;

	return s->req.len % s->req.each == 0 && vmsg_batch_valid(len, s->req.each) &&
	       len <= vmsg_batch_bytes(v) &&
	       vmsg_segs_pages(s->req.u.seg, s->req.nr_segs) < VMSGIF_SEGS_MAX;
}

/* What may be joined, and be joined to. */
static bool suits(const struct vmsg_send *send)
{
	return send->form == VMSG_PAGES && send->each && send->lazy && send->quiet && !send->keep;
}

void vmsg_join_open(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_send *send)
{
	/* Without the TX pool, the slot does not say what the shadow does. */
	if (!suits(send) || !v->tx_pool || s->tag.nr_segs == VMSG_SEGS_LISTED || !has_room(v, s))
		return;
	v->open = s;
	v->open_prod = v->tx.prod;
}

static bool goes_with(const struct vmsg *v, const struct vmsg_shadow *s,
		      const struct vmsg_port *port, const struct vmsg_send *send)
{
	const struct vmsgif_tx_request *req = &s->req;

	return s->port == port && req->src_port == port->number && req->addr == send->addr &&
	       req->port == send->port && req->each == send->each &&
	       vmsg_batch_valid(send->len, send->each) &&
	       vmsg_batch_valid(req->len + send->len, send->each) &&
	       req->len + send->len <= vmsg_batch_bytes(v);
}

bool vmsg_join(struct vmsg *v, struct vmsg_port *port, const struct vmsg_send *send,
	       uint64_t *cookie, uint64_t *seq)
{
	struct vmsg_shadow *s = v->open;
	uint32_t count;

	/* What is queued has a number already. */
	if (!s || v->tx.prod != v->open_prod || !v->send_now || !suits(send) ||
	    !goes_with(v, s, port, send) || !vmsg_pages_take_more(v, s, send))
		return false;
	count = VMSGIF_BATCH_COUNT(send->len, send->each);
	v->seq += count;
	v->stats.tx_bytes += send->len;
	v->stats.tx_pooled += count;
	s->req.seq = v->seq;
	s->req.len += send->len;
	vmsg_ring_put_again(v, &s->req);
	if (!send->open || !has_room(v, s))
		v->open = NULL;
	*cookie = s->cookie;
	if (seq)
		*seq = v->seq;
	return true;
}
