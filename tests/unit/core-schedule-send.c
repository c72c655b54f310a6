/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the devices of random schedules send, in all forms; see core-schedule.h. */
#include "tests/unit/core-schedule.h"

#include <check.h>
#include <string.h>

static int post(unsigned int i, unsigned int p, struct sent *sent, struct vmsg_send *send)
{
	struct wdev *d = &schedule.dev[i];
	int error;

	send->cookie = schedule.nr_sent + 1;
	error = vmsg_send(d->v, d->ports[p].port, send, &sent->seq);
	if (error) {
		ck_assert(error == -EAGAIN || error == -EHOSTDOWN || error == -EINVAL ||
			  error == -EMSGSIZE);
		return error;
	}
	schedule.nr_sent++;
	return 0;
}

static void send_pages(unsigned int i, unsigned int p, struct sent *sent, struct vmsg_send send)
{
	struct wdev *d = &schedule.dev[i];
	struct vmsgif_segment segs[64];
	uint16_t pages[65];
	static uint8_t data[65536];
	unsigned int nr = 1 + rnd(rnd(4) ? 3 : 12);
	uint32_t len = 0;

	if (vmsg_tx_pages_get(d->v, d->ports[p].port, nr + 1, pages))
		return;
	for (unsigned int k = 0; k < nr; k++) {
		segs[k].ref = pages[k];
		segs[k].offset = (uint16_t)rnd(100);
		segs[k].len = (uint16_t)(1 + rnd(rnd(2) ? 300 : 3900));
		len += segs[k].len;
	}
	fill(data, len, schedule.nr_sent);
	len = 0;
	for (unsigned int k = 0; k < nr; k++) {
		memcpy((uint8_t *)schedule.b.dev[i].tx_pages[pages[k]] + segs[k].offset, data + len,
		       segs[k].len);
		len += segs[k].len;
	}
	send.form = VMSG_PAGES;
	send.segs = segs;
	send.nr_segs = nr;
	send.list_page = pages[nr];
	send.len = sent->len = len;
	if (post(i, p, sent, &send))
		vmsg_tx_pages_put(d->v, d->ports[p].port, nr + 1, pages);
	else if (nr <= VMSGIF_SEGS_MAX)
		vmsg_tx_pages_put(d->v, d->ports[p].port, 1, pages + nr);
}

/* Adds it to the SEND before it, if that is still open. */
static bool join(unsigned int i, unsigned int p, struct sent *sent, const struct vmsg_send *send)
{
	struct sent *last;
	uint64_t cookie;

	if (!vmsg_join(schedule.dev[i].v, schedule.dev[i].ports[p].port, send, &cookie, &sent->seq))
		return false;
	ck_assert_uint_le(cookie, schedule.nr_sent);
	for (last = &schedule.sent[cookie - 1]; last->joined; last = last->joined)
		;
	ck_assert_int_eq(last->status, NEVER);
	ck_assert_uint_eq(last->seq, sent->seq - VMSGIF_BATCH_COUNT(send->len, send->each));
	last->joined = sent;
	schedule.nr_sent++;
	schedule.joined++;
	return true;
}

static void send_batch(unsigned int i, unsigned int p, struct sent *sent, struct vmsg_send send)
{
	struct vmsg_port *port = schedule.dev[i].ports[p].port;
	uint32_t room = rnd(4) ? 4096 : 8192, most, len;
	struct vmsgif_segment segs[2];
	static uint8_t data[8192];
	unsigned int nr;
	uint16_t pages[2];

	most = room / send.each < 256 ? room / send.each : 256;
	len = (2 + rnd(rnd(2) ? most - 1 : 4)) * send.each;
	len = len > room ? room - room % send.each : len;
	len -= rnd(8) ? 0 : rnd(send.each);
	nr = (len + 4095) / 4096;
	if (vmsg_tx_pages_get(schedule.dev[i].v, port, nr, pages))
		return;
	fill(data, len, schedule.nr_sent);
	for (unsigned int k = 0; k < nr; k++) {
		segs[k] = (struct vmsgif_segment){
			.ref = pages[k],
			.len = (uint16_t)(len - k * 4096 < 4096 ? len - k * 4096 : 4096),
		};
		memcpy(schedule.b.dev[i].tx_pages[pages[k]], data + k * 4096, segs[k].len);
	}
	send.form = VMSG_PAGES;
	send.segs = segs;
	send.nr_segs = nr;
	send.len = sent->len = len;
	sent->each = send.each;
	if (!join(i, p, sent, &send) && post(i, p, sent, &send))
		vmsg_tx_pages_put(schedule.dev[i].v, port, nr, pages);
}

static void send_mapped(unsigned int i, unsigned int id, struct sent *sent, struct vmsg_send *send)
{
	struct wpool *pool = &schedule.dev[i].pools[id];
	unsigned int page = rnd(BROKER_POOL_PAGES);
	uint32_t offset = rnd(100), len = 1 + rnd(3900);

	/* Where a run goes on. */
	if (pool->len && rnd(4)) {
		page = (pool->page + 1) % BROKER_POOL_PAGES;
		offset = pool->offset;
		len = pool->len;
	}
	if (pool->state != ON || (pool->busy & 1u << page))
		return;
	pool->page = page;
	pool->offset = offset;
	pool->len = len;
	send->addr = pool->addr;
	send->port = PORT_BASE + pool->dst_port;
	send->form = VMSG_MAP;
	send->map_id = id;
	send->map_offset = page * 4096 + offset;
	send->len = sent->len = len;
	sent->dst_dev = pool->dst_dev;
	sent->dst_port = pool->dst_port;
	sent->taint = schedule.dev[sent->dst_dev].ports[sent->dst_port].taint;
	sent->pool = (int)id;
	sent->page = page;
	fill((uint8_t *)schedule.b.dev[i].pools[id] + send->map_offset, send->len,
	     schedule.nr_sent);
	if (join(i, pool->port, sent, send) || !post(i, pool->port, sent, send))
		pool->busy |= 1u << page;
}

static void send_one(unsigned int i, unsigned int p, unsigned int dst, unsigned int dst_port,
		     unsigned int form, uint16_t each)
{
	struct sent *sent = &schedule.sent[schedule.nr_sent];
	bool joins = form >= 2;
	uint8_t data[32];
	struct vmsg_send send = {
		.addr = schedule.b.dev[dst].addr,
		.port = PORT_BASE + dst_port,
		.data = data,
		.lazy = rnd(2) || (joins && rnd(4)),
		.quiet = rnd(2) || (joins && rnd(4)),
		.each = each,
		.open = joins && rnd(8),
	};

	if (schedule.nr_sent == MESSAGES)
		return;
	*sent = (struct sent){
		.dev = i,
		.dst_dev = dst,
		.dst_port = dst_port,
		.status = NEVER,
		.pool = -1,
		.taint = schedule.dev[dst].ports[dst_port].taint,
	};
	switch (form) {
	case 0:
		send.form = VMSG_INLINE;
		send.len = sent->len = rnd(33);
		fill(data, send.len, schedule.nr_sent);
		post(i, p, sent, &send);
		break;
	case 1:
		send_pages(i, p, sent, send);
		break;
	case 2:
		send_batch(i, p, sent, send);
		break;
	default:
		send_mapped(i, (dst + dst_port) % BROKER_POOLS, sent, &send);
		break;
	}
}

void schedule_send(unsigned int i)
{
	unsigned int dst = rnd(DEVS), dst_port = rnd(PORTS), p = rnd(PORTS), form = rnd(4), n = 1;
	uint16_t each = 0;

	if (form >= 2)
		n += rnd(6);
	if (form == 2)
		each = (uint16_t)(8 * (1 + rnd(rnd(2) ? 8 : 64)));
	while (n--)
		send_one(i, p, dst, dst_port, form, each);
}
