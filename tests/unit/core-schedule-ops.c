/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the devices of random schedules call back, against the model; see core-schedule.h. */
#include "tests/unit/core-schedule.h"

#include <check.h>
#include <string.h>
#include <sys/mman.h>

static void answered(struct sent *sent, int status)
{
	ck_assert_int_eq(sent->status, NEVER);
	sent->status = status;
	schedule.answered++;
	if (sent->pool >= 0)
		schedule.dev[sent->dev].pools[sent->pool].busy &= ~(1u << sent->page);
	if (status && status != -EHOSTDOWN && status != -ECONNREFUSED)
		ck_assert_uint_eq(sent->received, 0);
}

static void send_done(struct vmsg *v, struct vmsg_port *port, uint64_t cookie, int status)
{
	(void)v;
	(void)port;
	ck_assert_uint_lt(cookie - 1, schedule.nr_sent);
	for (struct sent *sent = &schedule.sent[cookie - 1]; sent; sent = sent->joined)
		answered(sent, status);
}

static void nothing(struct vmsg *v, struct vmsg_port *port)
{
	(void)v;
	(void)port;
}

static void control_done(struct vmsg *v, uint64_t cookie, const struct vmsg_answer *answer)
{
	struct wdev *d = vmsg_priv(v);
	unsigned int what = (unsigned int)cookie;

	switch (cookie >> 32) {
	case COOKIE_BIND:
		ck_assert(d->ports[what].state == BINDING || answer->status == -ECANCELED);
		if (d->ports[what].state == BINDING)
			d->ports[what].state = answer->status ? UNBOUND : BOUND;
		break;
	case COOKIE_UNBIND:
		ck_assert_int_eq(d->ports[what].state, UNBINDING);
		ck_assert_int_eq(answer->status, 0);
		d->ports[what].state = UNBOUND;
		d->ports[what].taint++;
		break;
	case COOKIE_ADD:
		ck_assert_int_eq(d->pools[what].state, ADDING);
		d->pools[what].state = answer->status ? NONE : ON;
		break;
	case COOKIE_DEL:
		ck_assert_int_eq(d->pools[what].state, DELETING);
		d->pools[what].state = NONE;
		break;
	default:
		break;
	}
}

static void name(struct vmsg *v, uint32_t addr, const char *text, unsigned int len)
{
	(void)v;
	(void)addr;
	(void)text;
	(void)len;
}

static void peer_down(struct vmsg *v, uint32_t addr)
{
	(void)v;
	(void)addr;
}

static void pool_map(struct vmsg *v, struct vmsg_port *port, unsigned int slot, uint32_t addr,
		     uint32_t ref, uint32_t nr)
{
	struct wdev *d = vmsg_priv(v);
	const struct wpool *pool = &schedule.dev[(ref >> 16) - 1].pools[ref & 0xfff];

	(void)addr;
	ck_assert_uint_lt(slot, FOREIGN);
	ck_assert(!d->foreign[slot].mapped);
	ck_assert_uint_eq(nr, BROKER_POOL_PAGES);
	if (!rnd(10)) {
		vmsg_pool_mapped(v, slot, -ENOMEM, NULL);
		return;
	}
	d->foreign[slot].va = mmap(NULL, POOL_SIZE, PROT_READ, MAP_SHARED, pool->fd, 0);
	ck_assert_ptr_ne(d->foreign[slot].va, MAP_FAILED);
	d->foreign[slot].mapped = true;
	d->foreign[slot].detached = false;
	vmsg_pool_mapped(v, slot, 0, d->foreign[slot].va);
}

static void pool_free(struct vmsg *v, unsigned int slot)
{
	struct wdev *d = vmsg_priv(v);

	ck_assert(d->foreign[slot].mapped && d->foreign[slot].detached);
	munmap(d->foreign[slot].va, POOL_SIZE);
	d->foreign[slot].mapped = false;
}

/* Until then the owner does not know, and the slot is not used. */
void schedule_unmap(struct wdev *d)
{
	for (unsigned int slot = 0; slot < FOREIGN; slot++) {
		if (!d->foreign[slot].leaving || rnd(2))
			continue;
		munmap(d->foreign[slot].va, POOL_SIZE);
		d->foreign[slot].mapped = d->foreign[slot].leaving = false;
		vmsg_pool_unmapped(d->v, slot);
	}
}

static void pool_unmap(struct vmsg *v, unsigned int slot, bool detach)
{
	struct wdev *d = vmsg_priv(v);
	uint8_t copy[POOL_SIZE];
	void *va = d->foreign[slot].va;

	ck_assert(d->foreign[slot].mapped && !d->foreign[slot].detached &&
		  !d->foreign[slot].leaving);
	if (!detach) {
		d->foreign[slot].leaving = true;
		schedule_unmap(d);
		return;
	}
	memcpy(copy, va, POOL_SIZE);
	ck_assert_ptr_eq(mmap(va, POOL_SIZE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 va);
	memcpy(va, copy, POOL_SIZE);
	d->foreign[slot].detached = true;
}

static void pool_gone(struct vmsg *v, unsigned int id)
{
	struct wdev *d = vmsg_priv(v);

	ck_assert(d->pools[id].state == ON);
	ck_assert_uint_eq(d->pools[id].busy, 0);
	d->pools[id].state = NONE;
}

const struct vmsg_ops schedule_ops = {
	.send_done = send_done,
	.readable = nothing,
	.writable = nothing,
	.control_done = control_done,
	.peer_up = name,
	.resolved = name,
	.peer_down = peer_down,
	.pool_map = pool_map,
	.pool_unmap = pool_unmap,
	.pool_free = pool_free,
	.pool_gone = pool_gone,
};
