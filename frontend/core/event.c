/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * RX responses that are no messages: what happens to peers and pools. A name
 * is copied before it is checked, since the page it may come in stays writable
 * for the broker.
 */
#include "frontend/core/event.h"

#include "frontend/core/flow.h"
#include "frontend/core/name.h"
#include "frontend/core/pool.h"
#include "frontend/core/rx.h"

/* Events without a name have no payload. */
static bool bare(const struct vmsgif_rx_response *r)
{
	return !r->flags && !r->len && !r->used;
}

static bool take_name(struct vmsg *v, const struct vmsgif_rx_response *r, unsigned int page)
{
	char name[VMSGIF_NAME_MAX];
	bool in_slot = r->flags == VMSGIF_RXF_INLINE;

	if ((r->flags && !in_slot) || r->len > (in_slot ? VMSGIF_INLINE_MAX : VMSGIF_NAME_MAX) ||
	    r->used != (in_slot ? 0 : r->len))
		return vmsg_break(v, "bad event with a name");
	memcpy(name, in_slot ? (const void *)r->u.data : v->params.rx_pages[page], r->len);
	if (r->len && !vmsg_name_valid(name, r->len, false))
		return vmsg_break(v, "event with a name that is none");
	if (r->type == VMSGIF_RX_PEER_UP)
		v->params.ops->peer_up(v, r->addr, name, r->len);
	else
		v->params.ops->resolved(v, r->addr, name, r->len);
	return true;
}

static void peer_down(struct vmsg *v, uint32_t addr)
{
	vmsg_flow_forget(v, addr);
	vmsg_foreign_peer_down(v, addr);
	v->params.ops->peer_down(v, addr);
	vmsg_own_peer_down(v, addr);
}

bool vmsg_event(struct vmsg *v, const struct vmsgif_rx_response *r, unsigned int page)
{
	bool keep = false;

	if (r->each || (!r->addr && r->type != VMSGIF_RX_BAD_PAGE))
		return vmsg_break(v, "bad RX response");
	if (r->type == VMSGIF_RX_PEER_UP || r->type == VMSGIF_RX_RESOLVED) {
		if (!take_name(v, r, page))
			return false;
		vmsg_rx_post_again(v, page);
		return true;
	}
	if (!bare(r))
		return vmsg_break(v, "bad RX response");
	switch (r->type) {
	case VMSGIF_RX_PEER_DOWN:
		peer_down(v, r->addr);
		break;
	case VMSGIF_RX_POOL_ADD:
		keep = vmsg_foreign_add(v, r, page);
		break;
	case VMSGIF_RX_POOL_DEL:
		keep = vmsg_foreign_del(v, r, page);
		break;
	case VMSGIF_RX_POOL_GONE:
		if (r->u.pool.id < VMSGIF_MAP_POOLS_MAX)
			vmsg_own_gone(v, r->addr, r->u.pool.id);
		break;
	case VMSGIF_RX_BAD_PAGE:
		/*
		 * Mostly the sender's page was the bad one: to keep ours back
		 * would let any sender take them all from us.
		 */
		v->stats.rx_bad_pages++;
		break;
	default:
		return vmsg_break(v, "RX response of an unknown kind");
	}
	if (!keep)
		vmsg_rx_post_again(v, page);
	return true;
}
