/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engine calls back becomes a list of events; see core-bed.h. */
#include "tests/unit/core-bed.h"

#include <string.h>

static struct cbed_event *event_new(struct vmsg *v, enum cbed_kind kind, struct vmsg_port *port)
{
	struct cbed *bed = vmsg_priv(v);
	struct cbed_event *event;

	ck_assert_uint_lt(bed->nr_events, CBED_EVENTS);
	event = &bed->events[(bed->first_event + bed->nr_events++) % CBED_EVENTS];
	memset(event, 0, sizeof(*event));
	event->kind = kind;
	event->port = port;
	return event;
}

static void send_done(struct vmsg *v, struct vmsg_port *port, uint64_t cookie, int status)
{
	struct cbed_event *event = event_new(v, CBED_SEND_DONE, port);

	event->cookie = cookie;
	event->status = status;
}

static void send_failed(struct vmsg *v, struct vmsg_port *port, const struct vmsg_failure *failure)
{
	struct cbed_event *event = event_new(v, CBED_SEND_FAILED, port);

	event->cookie = failure->seq;
	event->status = failure->status;
	event->addr = failure->addr;
	event->dst_port = failure->port;
	event->len = failure->count;
}

static void readable(struct vmsg *v, struct vmsg_port *port)
{
	event_new(v, CBED_READABLE, port);
}

static void writable(struct vmsg *v, struct vmsg_port *port)
{
	event_new(v, CBED_WRITABLE, port);
}

static void control_done(struct vmsg *v, uint64_t cookie, const struct vmsg_answer *answer)
{
	struct cbed_event *event = event_new(v, CBED_CONTROL_DONE, NULL);

	event->cookie = cookie;
	event->status = answer->status;
	event->addr = answer->addr;
	event->dst_port = answer->port;
}

static void named(struct vmsg *v, enum cbed_kind kind, uint32_t addr, const char *name,
		  unsigned int len)
{
	struct cbed_event *event = event_new(v, kind, NULL);

	ck_assert_uint_le(len, VMSGIF_NAME_MAX);
	event->addr = addr;
	event->len = len;
	memcpy(event->name, name, len);
}

static void peer_up(struct vmsg *v, uint32_t addr, const char *name, unsigned int len)
{
	named(v, CBED_PEER_UP, addr, name, len);
}

static void resolved(struct vmsg *v, uint32_t addr, const char *name, unsigned int len)
{
	named(v, CBED_RESOLVED, addr, name, len);
}

static void peer_down(struct vmsg *v, uint32_t addr)
{
	event_new(v, CBED_PEER_DOWN, NULL)->addr = addr;
}

static void pool_map(struct vmsg *v, struct vmsg_port *port, unsigned int slot, uint32_t addr,
		     uint32_t ref, uint32_t nr_pages)
{
	struct cbed *bed = vmsg_priv(v);
	struct cbed_event *event = event_new(v, CBED_POOL_MAP, NULL);

	event->slot = slot;
	event->addr = addr;
	event->ref = ref;
	event->nr_pages = nr_pages;
	if (bed->pool_map_at_once)
		vmsg_pool_mapped(v, slot, 0, bed->map_va);
}

static void pool_unmap(struct vmsg *v, unsigned int slot, bool detach)
{
	const struct cbed *bed = vmsg_priv(v);
	struct cbed_event *event = event_new(v, CBED_POOL_UNMAP, NULL);

	event->slot = slot;
	event->detach = detach;
	if (!detach && !bed->pool_unmap_later)
		vmsg_pool_unmapped(v, slot);
}

static void pool_free(struct vmsg *v, unsigned int slot)
{
	event_new(v, CBED_POOL_FREE, NULL)->slot = slot;
}

static void pool_gone(struct vmsg *v, unsigned int id)
{
	event_new(v, CBED_POOL_GONE, NULL)->slot = id;
}

static void lost(struct vmsg *v, struct vmsg_port *port, int status)
{
	event_new(v, CBED_LOST, port)->status = status;
}

const struct vmsg_ops cbed_ops = {
	.send_done = send_done,
	.send_failed = send_failed,
	.readable = readable,
	.writable = writable,
	.control_done = control_done,
	.peer_up = peer_up,
	.resolved = resolved,
	.peer_down = peer_down,
	.pool_map = pool_map,
	.pool_unmap = pool_unmap,
	.pool_free = pool_free,
	.pool_gone = pool_gone,
	.lost = lost,
};

const struct vmsg_ops cbed_ops_no_lost = {
	.send_done = send_done,
	.readable = readable,
	.writable = writable,
	.control_done = control_done,
	.peer_up = peer_up,
	.resolved = resolved,
	.peer_down = peer_down,
	.pool_map = pool_map,
	.pool_unmap = pool_unmap,
	.pool_free = pool_free,
	.pool_gone = pool_gone,
};

struct cbed_event cbed_event(struct cbed *bed)
{
	struct cbed_event event = { .kind = CBED_NONE };

	if (!bed->nr_events)
		return event;
	event = bed->events[bed->first_event];
	bed->first_event = (bed->first_event + 1) % CBED_EVENTS;
	bed->nr_events--;
	return event;
}

struct cbed_event cbed_expect_event(struct cbed *bed, enum cbed_kind kind)
{
	struct cbed_event event = cbed_event(bed);

	ck_assert_int_eq(event.kind, kind);
	return event;
}

void cbed_no_event(struct cbed *bed)
{
	ck_assert_int_eq(cbed_event(bed).kind, CBED_NONE);
}

void cbed_forget_events(struct cbed *bed)
{
	bed->nr_events = 0;
}
