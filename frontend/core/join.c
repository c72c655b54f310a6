/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * What goes with the request before it, as one: batches, messages in map mode, and RELEASEs.
 *
 * A request costs the same however many messages it is about: a slot, a place in the window, an
 * answer, the broker's checks. Whoever sends a page of messages in each call, or one in map
 * mode, pays it for each. But of a lazy one nobody expects to see it at once: the last one that
 * was posted stays open, which is to say unpublished, and what comes next in its flow is
 * added to it. Its slot, which the other end does not look at yet, is written anew, from the
 * shadow.
 *
 * Anything that publishes the slot or posts another one behind it closes it, and so does
 * whoever waits. So order is as if each had been a request of its own, and nobody waits for
 * what is held back longer than for anything lazy.
 */
#include "frontend/core/join.h"

#include "frontend/core/pages.h"
#include "frontend/core/pool.h"
#include "frontend/core/ring.h"

/* Whether there can be a message more. */
static bool has_room(const struct vmsg *v, const struct vmsg_shadow *s)
{
	uint32_t len = s->req.len + s->req.each;

	if (s->tag.mapped)
		return s->req.u.map.more + 1u < VMSGIF_RUN_MESSAGES;
	return s->req.len % s->req.each == 0 && vmsg_batch_valid(len, s->req.each) &&
	       len <= vmsg_batch_bytes(v) &&
	       vmsg_segs_pages(s->req.u.seg, s->req.nr_segs) < VMSGIF_SEGS_MAX;
}

/* What may be joined, and be joined to. */
static bool suits(const struct vmsg_send *send)
{
	return send->lazy && send->quiet &&
	       (send->form == VMSG_MAP || (send->form == VMSG_PAGES && send->each && !send->keep));
}

static void open(struct vmsg *v, struct vmsg_shadow *s)
{
	v->open = s;
	v->open_prod = v->tx.prod;
}

/* Whether nothing was posted behind the one that is open, if any. */
static bool is_last(const struct vmsg *v)
{
	return v->open && v->tx.prod == v->open_prod;
}

void vmsg_join_open(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_send *send)
{
	/* Without the TX pool, the slot does not say what the shadow does. */
	if (suits(send) && s->tag.nr_segs != VMSG_SEGS_LISTED && (v->tx_pool || s->tag.mapped) &&
	    has_room(v, s))
		open(v, s);
}

static bool goes_with(const struct vmsg_shadow *s, const struct vmsg_port *port,
		      const struct vmsg_send *send)
{
	const struct vmsgif_tx_request *req = &s->req;

	return s->tag.op == VMSGIF_OP_SEND && s->port == port && req->src_port == port->number &&
	       req->addr == send->addr && req->port == send->port &&
	       s->tag.mapped == (send->form == VMSG_MAP);
}

/* A message at the place where the run goes on. */
static bool take_mapped(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_port *port,
			const struct vmsg_send *send)
{
	struct vmsgif_map *map = &s->req.u.map;
	uint64_t next = map->offset + (map->more + 1u) * VMSGIF_RUN_STEP(send->len);

	if (map->id != send->map_id || s->req.len != send->len || send->map_offset != next ||
	    !vmsg_own_has(v, port, send))
		return false;
	map->more++;
	v->stats.tx_mapped++;
	return true;
}

/* More messages of a batch's length. */
static bool take_batch(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_send *send)
{
	if (s->req.each != send->each || !vmsg_batch_valid(send->len, send->each) ||
	    !vmsg_batch_valid(s->req.len + send->len, send->each) ||
	    s->req.len + send->len > vmsg_batch_bytes(v) || !vmsg_pages_take_more(v, s, send))
		return false;
	s->req.len += send->len;
	v->stats.tx_pooled += VMSGIF_BATCH_COUNT(send->len, send->each);
	return true;
}

bool vmsg_join(struct vmsg *v, struct vmsg_port *port, const struct vmsg_send *send,
	       uint64_t *cookie, uint64_t *seq)
{
	struct vmsg_shadow *s = v->open;

	/* What is queued has a number already. */
	if (!is_last(v) || !v->send_now || !suits(send) || !goes_with(s, port, send))
		return false;
	if (!(s->tag.mapped ? take_mapped(v, s, port, send) : take_batch(v, s, send)))
		return false;
	v->seq += VMSGIF_BATCH_COUNT(send->len, send->each);
	v->stats.tx_bytes += send->len;
	s->req.seq = v->seq;
	vmsg_ring_put_again(v, &s->req);
	if (!send->open || !has_room(v, s))
		v->open = NULL;
	*cookie = s->cookie;
	if (seq)
		*seq = v->seq;
	return true;
}

void vmsg_join_open_release(struct vmsg *v, struct vmsg_shadow *s)
{
	open(v, s);
}

bool vmsg_join_release(struct vmsg *v, uint32_t addr, uint32_t number, uint64_t seq)
{
	struct vmsg_shadow *s = v->open;

	if (!is_last(v) || s->tag.op != VMSGIF_OP_RELEASE || s->req.addr != addr ||
	    s->req.port != number || seq != s->req.seq + 1 || s->req.u.map.more == UINT16_MAX)
		return false;
	s->req.seq = seq;
	s->req.u.map.more++;
	vmsg_ring_put_again(v, &s->req);
	return true;
}
