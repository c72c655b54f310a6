/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages and events on their way into pages of the receiver; see core-broker.h. */
#include "tests/unit/core-broker-state.h"
#include "tests/unit/core-segments.h"

#include <check.h>
#include <string.h>

void broker_look_for_pages(struct broker *b, struct broker_dev *d)
{
	while (d->rx_seen != rxr(d)->req_prod) {
		struct vmsgif_rx_request req = rxr(d)->ring[d->rx_seen & (d->slots - 1)].req;
		unsigned int nr = req.more + 1u;

		for (unsigned int i = 0; i < sizeof(req.reserved); i++)
			ck_assert_uint_eq(req.reserved[i], 0);
		ck_assert_uint_eq(req.flags, d->rx_pool ? VMSGIF_RXF_POOL : 0);
		ck_assert(nr == 1 || d->rx_pool);
		ck_assert_uint_le(nr, rxr(d)->req_prod - d->rx_seen);
		*(nr > 1 ? &b->runs : &b->singles) += 1;
		for (; nr > 0; nr--, req.id++, req.ref++) {
			ck_assert_uint_lt(req.id, d->slots);
			ck_assert(!d->rx_open[req.id]);
			d->rx_open[req.id] = true;
			d->posted[d->rx_seen++ & (d->slots - 1)] = req;
		}
	}
}

static unsigned int rx_left(const struct broker_dev *d)
{
	return d->rx_seen - d->rx_taken;
}

static void *rx_page(const struct broker_dev *d)
{
	const struct vmsgif_rx_request *req = &d->posted[d->rx_taken & (d->slots - 1)];

	ck_assert_uint_lt(d->rx_pool ? req->ref : req->ref & 0xfff, BROKER_PAGES);
	return d->rx_pages[d->rx_pool ? req->ref : req->ref & 0xfff];
}

static void rx_put(struct broker_dev *d, struct vmsgif_rx_response rsp)
{
	uint32_t at = d->rx_taken++ & (d->slots - 1);

	rsp.id = d->posted[at].id;
	d->rx_open[rsp.id] = false;
	rxr(d)->ring[at].rsp = rsp;
}

static const uint8_t *sender_page(void *arg, uint32_t ref)
{
	const struct broker_dev *d = arg;

	if (!d->tx_pool)
		ck_assert_uint_eq(ref >> 16, d->tx_grefs[0] >> 16);
	return d->tx_pages[ref & 0xfff];
}

/* The bytes of a message, from the pages that the sender still owes us. */
static void payload(struct broker *b, const struct broker_msg *msg, uint8_t *out)
{
	struct broker_dev *d = &b->dev[msg->src];
	const struct vmsgif_tx_request *req = &msg->req;
	const struct vmsgif_segment *segs = req->u.seg;

	if (req->nr_segs)
		ck_assert_uint_eq(!!(req->flags & VMSGIF_TXF_POOL), d->tx_pool);
	if (req->flags & VMSGIF_TXF_INDIRECT)
		segs = d->tx_pages[req->u.indirect.ref & 0xfff];
	ck_assert_uint_eq(segments_read(segs, req->nr_segs, d->tx_pool, sender_page, d, out),
			  req->len);
}

static uint64_t cost_of(const struct vmsgif_tx_request *req)
{
	if (req->flags & VMSGIF_TXF_MAP)
		return 64 * (req->u.map.more + 1u);
	return VMSGIF_MSG_COST(req->len);
}

/* Returns false if the message has to wait. */
static bool deliver(struct broker *b, struct broker_msg *msg, struct broker_dev *d,
		    struct broker_port *port)
{
	const struct vmsgif_tx_request *req = &msg->req;
	unsigned int nr =
		req->flags & (VMSGIF_TXF_INLINE | VMSGIF_TXF_MAP) ? 1 : (req->len + 4095) / 4096;
	struct vmsgif_rx_response rsp = {
		.type = VMSGIF_RX_MESSAGE,
		.addr = msg->src_addr,
		.port = req->port,
		.src_port = req->src_port,
		.seq = req->seq,
		.len = req->len,
		.each = req->each,
	};
	static uint8_t bytes[VMSGIF_MESSAGE_MAX];

	if (port->used + cost_of(req) > port->credit || rx_left(d) < nr + VMSGIF_RX_RESERVE)
		return false;
	if ((req->flags & VMSGIF_TXF_MAP) && !b->dev[msg->src].map[req->u.map.id].acked)
		return false;
	port->used += cost_of(req);
	b->delivered++;
	if (req->flags & VMSGIF_TXF_INLINE) {
		rsp.flags = VMSGIF_RXF_INLINE;
		memcpy(rsp.u.data, req->u.data, sizeof(rsp.u.data));
		rx_put(d, rsp);
	} else if (req->flags & VMSGIF_TXF_MAP) {
		rsp.flags = VMSGIF_RXF_MAP;
		rsp.u.map = req->u.map;
		rx_put(d, rsp);
	} else {
		payload(b, msg, bytes);
		rsp.used = (uint16_t)(req->len < 4096 ? req->len : 4096);
		for (unsigned int i = 0; i < nr; i++) {
			uint32_t left = req->len - i * 4096;

			memcpy(rx_page(d), bytes + i * 4096, left < 4096 ? left : 4096);
			rx_put(d, rsp);
			/* Only the first one is to be read. */
			memset(&rsp, 0x5a, sizeof(rsp));
		}
	}
	return true;
}

static bool flow_waits(struct broker *b, const struct broker_msg *until)
{
	for (struct broker_msg *msg = b->first; msg != until; msg = msg->next)
		if (!msg->out && msg->src == until->src && msg->req.addr == until->req.addr &&
		    msg->req.port == until->req.port)
			return true;
	return false;
}

void broker_deliver_all(struct broker *b)
{
	struct broker_msg **at = &b->first;

	while (*at) {
		struct broker_msg *msg = *at;
		struct broker_dev *d = dev_of(b, msg->req.addr);
		struct broker_port *port;

		if (!d) {
			broker_answer_send(b, at, VMSGIF_EHOSTUNREACH);
			continue;
		}
		port = port_of(d, msg->req.port);
		if (msg->out || (d->known && !d->ready) || flow_waits(b, msg)) {
			at = &msg->next;
			continue;
		}
		if (!port || port->unbinding) {
			broker_answer_send(b, at, VMSGIF_ECONNREFUSED);
			continue;
		}
		if (msg->req.len > port->max_len) {
			broker_answer_send(b, at, VMSGIF_EMSGSIZE);
			continue;
		}
		if (!deliver(b, msg, d, port)) {
			at = &msg->next;
		} else if (msg->req.flags & VMSGIF_TXF_MAP) {
			msg->out = true;
			at = &msg->next;
		} else {
			broker_answer_send(b, at, 0);
		}
	}
}

void broker_deliver_events(struct broker_dev *d)
{
	unsigned int i = 0;

	while (i < d->nr_events && rx_left(d))
		rx_put(d, d->events[i++]);
	memmove(d->events, d->events + i, (d->nr_events - i) * sizeof(d->events[0]));
	d->nr_events -= i;
}
