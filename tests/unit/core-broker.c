/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small broker that trusts nobody's bookkeeping but its own; see core-broker.h. */
#include "tests/unit/core-broker-state.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define GREF(dev, kind, i) (((dev) + 1) << 16 | (kind) << 12 | (i))
enum { KIND_TX = 1, KIND_RX, KIND_DIR };

uint32_t broker_directory(unsigned int dev, unsigned int pool)
{
	return GREF(dev, KIND_DIR, pool);
}

void *broker_pool_memory(struct broker *b, uint32_t ref)
{
	return b->dev[(ref >> 16) - 1].pools[ref & 0xfff];
}

/* --------------------------------------------------------------------- life */

void broker_init(struct broker *b)
{
	memset(b, 0, sizeof(*b));
	b->last = &b->first;
	for (unsigned int i = 0; i < BROKER_DEVS; i++) {
		struct broker_dev *d = &b->dev[i];

		for (unsigned int k = 0; k < BROKER_PAGES; k++) {
			d->tx_pages[k] = aligned_alloc(4096, 4096);
			d->rx_pages[k] = aligned_alloc(4096, 4096);
			d->tx_grefs[k] = GREF(i, KIND_TX, k);
			d->rx_grefs[k] = GREF(i, KIND_RX, k);
		}
		for (unsigned int k = 0; k < BROKER_POOLS; k++)
			d->pools[k] = aligned_alloc(4096, 4096 * BROKER_POOL_PAGES);
		d->addr = VMSGIF_ADDR(10 + i, i + 1);
	}
}

void broker_drop(struct broker *b, struct broker_msg **at)
{
	struct broker_msg *msg = *at;

	*at = msg->next;
	if (b->last == &msg->next)
		b->last = at;
	free(msg);
}

/* Forgets what the device said to this broker. */
static void forget(struct broker_dev *d)
{
	d->attached = d->ready = d->tx_pool = d->rx_pool = false;
	d->tx_cons = d->tx_prod = d->rx_prod = d->rx_taken = d->rx_seen = 0;
	memset(d->rx_open, 0, sizeof(d->rx_open));
	memset(d->open, 0, sizeof(d->open));
	d->nr_waiting = 0;
	d->last_seq = 0;
	memset(d->ports, 0, sizeof(d->ports));
	memset(d->map, 0, sizeof(d->map));
	d->nr_events = 0;
	d->fail.nr = d->done.nr = d->late.nr = 0;
}

void broker_restart(struct broker *b)
{
	while (b->first)
		broker_drop(b, &b->first);
	for (unsigned int i = 0; i < BROKER_DEVS; i++)
		forget(&b->dev[i]);
	b->restarts++;
}

void broker_deinit(struct broker *b)
{
	broker_restart(b);
	for (unsigned int i = 0; i < BROKER_DEVS; i++) {
		struct broker_dev *d = &b->dev[i];

		for (unsigned int k = 0; k < BROKER_PAGES; k++) {
			free(d->tx_pages[k]);
			free(d->rx_pages[k]);
		}
		for (unsigned int k = 0; k < BROKER_POOLS; k++)
			free(d->pools[k]);
	}
}

void broker_attach(struct broker *b, unsigned int dev)
{
	struct broker_dev *d = &b->dev[dev];

	forget(d);
	d->attached = d->known = true;
}

/* ------------------------------------------------------------------ answers */

void broker_answer(struct broker_answers *to, const struct vmsgif_tx_request *req, int status)
{
	ck_assert_uint_lt(to->nr, BROKER_SLOTS);
	to->rsp[to->nr++] = (struct vmsgif_tx_response){
		.op = req->op,
		.id = req->id,
		.status = status,
	};
}

void broker_answer_send(struct broker *b, struct broker_msg **at, int status)
{
	struct broker_dev *d = &b->dev[(*at)->src];

	if ((*at)->src_addr == d->addr && d->attached)
		broker_answer(status ? &d->fail : &d->done, &(*at)->req, status);
	broker_drop(b, at);
}

static void publish_answers(struct broker_dev *d, struct broker_answers *from)
{
	for (unsigned int i = 0; i < from->nr; i++) {
		const struct vmsgif_tx_response *rsp = &from->rsp[i];

		ck_assert(d->open[rsp->id]);
		d->open[rsp->id] = false;
		if (rsp->op != VMSGIF_OP_RELEASE && rsp->op != VMSGIF_OP_BIND &&
		    rsp->op != VMSGIF_OP_CREDIT && rsp->op != VMSGIF_OP_POOL_ACK &&
		    rsp->op != VMSGIF_OP_READY)
			d->nr_waiting--;
		txr(d)->ring[d->tx_prod++ & (d->slots - 1)].rsp = *rsp;
	}
	from->nr = 0;
	txr(d)->rsp_prod = d->tx_prod;
}

void broker_event(struct broker_dev *d, struct vmsgif_rx_response rsp)
{
	ck_assert_uint_lt(d->nr_events, 1024);
	d->events[d->nr_events++] = rsp;
}

void broker_peer_down(struct broker *b, unsigned int dev)
{
	struct broker_dev *d = &b->dev[dev];
	struct broker_msg **at = &b->first;
	uint32_t addr = d->addr;

	d->addr = 0; /* nothing of it is answered from here on */
	while (*at) {
		if ((*at)->src_addr == addr)
			broker_drop(b, at);
		else if ((*at)->req.addr == addr)
			broker_answer_send(b, at, VMSGIF_EHOSTDOWN);
		else
			at = &(*at)->next;
	}
	d->addr = addr + (BROKER_DEVS << 16);
	forget(d);
	d->known = false;
	for (unsigned int i = 0; i < BROKER_DEVS; i++) {
		struct broker_dev *other = &b->dev[i];

		if (i == dev || !other->attached)
			continue;
		broker_event(other, (struct vmsgif_rx_response){ .type = VMSGIF_RX_PEER_DOWN,
								 .addr = addr });
		for (unsigned int k = 0; k < BROKER_POOLS; k++) {
			struct broker_pool *pool = &other->map[k];
			struct vmsgif_tx_request req = { .id = pool->id };

			if (!pool->there || pool->addr != addr)
				continue;
			req.op = pool->deleting ? VMSGIF_OP_POOL_DEL : VMSGIF_OP_POOL_ADD;
			if (pool->asked)
				broker_answer(&other->late, &req, VMSGIF_EHOSTDOWN);
			memset(pool, 0, sizeof(*pool));
		}
	}
}

/* --------------------------------------------------------------------- turn */

static void publish(struct broker *b, unsigned int step)
{
	for (unsigned int i = 0; i < BROKER_DEVS; i++) {
		struct broker_dev *d = &b->dev[i];

		if (!d->attached)
			continue;
		switch (step) {
		case 2:
			publish_answers(d, &d->fail);
			break;
		case 3:
			d->rx_prod = d->rx_taken;
			rxr(d)->rsp_prod = d->rx_prod;
			break;
		case 4:
			publish_answers(d, &d->done);
			break;
		default:
			publish_answers(d, &d->late);
			break;
		}
	}
}

void broker_turn(struct broker *b, unsigned int quota, unsigned int die)
{
	for (unsigned int i = 0; i < BROKER_DEVS; i++)
		if (b->dev[i].attached)
			broker_take(b, i, quota);
	for (unsigned int i = 0; i < BROKER_DEVS; i++)
		if (b->dev[i].attached)
			broker_deliver_events(&b->dev[i]);
	broker_deliver_all(b);
	for (unsigned int i = 0; i < BROKER_DEVS; i++)
		if (b->dev[i].attached)
			broker_end_unbinds(b, &b->dev[i]);
	for (unsigned int step = 1; step <= BROKER_STEPS; step++) {
		if (die == step) {
			broker_restart(b);
			return;
		}
		if (step > 1)
			publish(b, step);
	}
}

bool broker_idle(const struct broker *b)
{
	for (unsigned int i = 0; i < BROKER_DEVS; i++) {
		const struct broker_dev *d = &b->dev[i];

		if (!d->ready || d->nr_events || d->tx_cons != txr(d)->req_prod)
			return false;
	}
	return !b->first;
}
