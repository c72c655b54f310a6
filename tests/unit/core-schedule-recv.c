/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the devices of random schedules receive is what was sent; see core-schedule.h. */
#include "tests/unit/core-schedule.h"

#include <check.h>
#include <string.h>

static uint32_t gather(struct wdev *d, struct vmsg_port *port, const struct vmsg_msg *msg,
		       uint8_t *to)
{
	uint32_t cursor = 0, at = 0, len;
	const void *data;

	while (vmsg_msg_piece(d->v, port, msg, &cursor, &data, &len)) {
		ck_assert_uint_le(at + len, VMSGIF_MESSAGE_MAX);
		memcpy(to + at, data, len);
		at += len;
	}
	return at;
}

static struct sent *sent_of(unsigned int dev, uint64_t seq)
{
	for (unsigned int i = schedule.nr_sent; i--;)
		if (schedule.sent[i].dev == dev && schedule.sent[i].seq == seq)
			return &schedule.sent[i];
	return NULL;
}

/* A whole message, or of a batch what was sent at a time, came from @src: @bytes of it. */
static void arrived(unsigned int i, unsigned int p, struct sent *sent, const uint8_t *bytes)
{
	static uint8_t expected[VMSGIF_MESSAGE_MAX];

	ck_assert_uint_eq(sent->dst_dev, i);
	ck_assert_uint_eq(sent->dst_port, p);
	ck_assert_uint_eq(sent->received++, 0);
	ck_assert(sent->status == NEVER || sent->status == 0 || sent->status == -EHOSTDOWN ||
		  sent->status == -ECONNREFUSED);
	schedule.received++;
	fill(expected, sent->len, (unsigned int)(sent - schedule.sent));
	ck_assert_mem_eq(bytes, expected, sent->len);
}

bool schedule_recv(unsigned int i, unsigned int p, bool release)
{
	struct wport *port = &schedule.dev[i].ports[p];
	unsigned int slot = 0;
	static uint8_t bytes[VMSGIF_MESSAGE_MAX];
	struct vmsg_info info;
	struct vmsg_msg *msg;
	unsigned int src;
	uint32_t len;
	uint64_t seq;

	while (slot < HELD && port->held[slot])
		slot++;
	if (slot == HELD && !release)
		return false;
	msg = vmsg_recv(schedule.dev[i].v, port->port, &info);
	if (!msg)
		return false;
	src = VMSGIF_ADDR_DOMID(info.addr) - 1u;
	ck_assert_uint_gt(info.seq, port->last[src]);
	port->last[src] = info.seq;
	len = gather(&schedule.dev[i], port->port, msg, bytes);
	ck_assert_uint_eq(len, info.len);
	seq = info.seq;
	/* From behind: the number is that of the last one. */
	do {
		struct sent *sent = sent_of(src, seq);

		ck_assert_ptr_nonnull(sent);
		ck_assert_uint_eq(sent->each, info.each);
		ck_assert(info.mapped == (sent->pool >= 0));
		ck_assert_uint_le(sent->len, len);
		len -= sent->len;
		arrived(i, p, sent, bytes + len);
		seq -= VMSGIF_BATCH_COUNT(sent->len, sent->each);
	} while (len);
	if (release)
		vmsg_release(schedule.dev[i].v, port->port, msg);
	else
		port->held[slot] = msg;
	return true;
}

void schedule_release(unsigned int i, unsigned int p)
{
	struct wport *port = &schedule.dev[i].ports[p];
	unsigned int slot = rnd(HELD);

	if (!port->held[slot])
		return;
	vmsg_release(schedule.dev[i].v, port->port, port->held[slot]);
	port->held[slot] = NULL;
}
