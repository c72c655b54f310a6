/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * A broker that did not take the TX pool knows pages by their grant references, one
 * segment each. Shadows name them as if it had, in runs; what does not fit the slot one by
 * one goes to the page for a list, which was taken for that.
 */
#include "frontend/core/pages.h"
#include "frontend/core/ring.h"

/* Cuts @nr segments into one for each page, in place: there is room. How many they are then. */
static unsigned int cut(struct vmsgif_segment *segs, unsigned int nr)
{
	unsigned int total = 0, i, to;

	for (i = 0; i < nr; i++)
		total += vmsg_seg_pages(&segs[i]);
	/* From behind, as what was not read yet is never behind what is written. */
	to = total;
	for (i = nr; i--;) {
		const struct vmsgif_segment seg = segs[i];
		uint32_t page = vmsg_seg_pages(&seg), end = (uint32_t)seg.offset + seg.len;

		while (page--) {
			uint32_t offset = page ? 0 : seg.offset;

			to--;
			segs[to].ref = seg.ref + page;
			segs[to].offset = (uint16_t)offset;
			segs[to].len = (uint16_t)(end - page * VMSGIF_PAGE_SIZE - offset);
			end = page * VMSGIF_PAGE_SIZE;
		}
	}
	return total;
}

static void name_by_grant(const struct vmsg *v, struct vmsgif_segment *segs, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		segs[i].ref = v->params.tx_grefs[segs[i].ref];
}

/* The list of @s, in the form for a broker with the pool, is to be one for this broker. */
static void rewrite_list(struct vmsg *v, struct vmsg_shadow *s)
{
	struct vmsgif_segment *list = v->params.tx_pages[s->list];
	uint16_t page = s->first;
	unsigned int i;

	s->req.nr_segs = (uint16_t)cut(list, s->req.nr_segs);
	for (i = 0; i < s->req.nr_segs; i++) {
		list[i].ref = v->params.tx_grefs[page];
		page = v->t.tx_mark[page];
	}
	s->req.flags &= (uint8_t)~VMSGIF_TXF_POOL;
}

void vmsg_granted_post(struct vmsg *v, struct vmsg_shadow *s)
{
	struct vmsgif_tx_request wire;
	struct vmsgif_segment *list;

	if ((s->req.flags & (VMSGIF_TXF_INDIRECT | VMSGIF_TXF_POOL)) ==
	    (VMSGIF_TXF_INDIRECT | VMSGIF_TXF_POOL))
		rewrite_list(v, s);
	wire = s->req;
	wire.flags &= (uint8_t)~VMSGIF_TXF_POOL;
	if (wire.flags & VMSGIF_TXF_INDIRECT) {
		wire.u.indirect.ref = v->params.tx_grefs[s->list];
	} else if (s->tag.nr_segs == VMSG_SEGS_LISTED) {
		list = v->params.tx_pages[s->list];
		memcpy(list, wire.u.seg, wire.nr_segs * sizeof(*list));
		wire.nr_segs = (uint16_t)cut(list, wire.nr_segs);
		name_by_grant(v, list, wire.nr_segs);
		wire.flags |= VMSGIF_TXF_INDIRECT;
		memset(&wire.u, 0, sizeof(wire.u));
		wire.u.indirect.ref = v->params.tx_grefs[s->list];
	} else {
		wire.nr_segs = (uint16_t)cut(wire.u.seg, wire.nr_segs);
		name_by_grant(v, wire.u.seg, wire.nr_segs);
	}
	vmsg_ring_put_tx(v, &wire);
}

void vmsg_granted_undo(struct vmsg *v, struct vmsg_shadow *s)
{
	struct vmsgif_segment *list = v->params.tx_pages[s->list];
	uint16_t page = s->first;
	unsigned int i;

	for (i = 0; i < s->req.nr_segs; i++) {
		list[i].ref = page;
		page = v->t.tx_mark[page];
	}
	s->req.flags |= VMSGIF_TXF_POOL;
}
