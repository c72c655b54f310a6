/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A backend of arrays, for tests of the broker alone.
 *
 * It defines the functions of backend/backend.h, so a test program that
 * includes this file (once) is linked without the real ones. What the broker
 * publishes is appended to one log, over all devices, in the order in which
 * guests could have seen it. See fake-guests.h for the other end.
 */
#ifndef FAKE_BACKEND_H
#define FAKE_BACKEND_H

#include "broker/broker.h"
#include "broker/down.h"
#include "broker/peer.h"
#include "broker/pools.h"
#include "broker/route.h"
#include "broker/turn.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FAKE_SLOTS   512u
#define FAKE_PAGES   600u
#define FAKE_DEVICES 64u
#define FAKE_LOG     65536u

/* One thing that a guest can see. */
struct fake_entry {
	enum { FAKE_TX, FAKE_RX, FAKE_EVENT } kind;
	struct device *dev;
	bool lazy; /* the publication's */
	struct vmsgif_tx_response tx;
	struct vmsgif_rx_response rx;
};

struct fake_request {
	struct request req;
	struct vmsgif_segment segs[VMSGIF_INDIRECT_MAX];
	char name[VMSGIF_NAME_MAX + 1];
	bool has_name;
};

struct device {
	uint16_t domid;
	uint32_t addr;
	char name[VMSGIF_NAME_MAX + 1];
	bool up;
	bool frozen;
	bool refuses; /* the next request is answered by the backend itself */
	char failure[256];
	void *priv;
	unsigned int slots;
	uint64_t seq;

	struct fake_request *in; /* FAKE_SLOTS */
	unsigned int in_first, in_end;
	bool busy[FAKE_SLOTS]; /* ids of unanswered requests */
	uint16_t next_id;

	struct vmsgif_tx_response out[2 * FAKE_SLOTS];
	unsigned int nr_out;
	struct vmsgif_rx_response rx[2 * FAKE_SLOTS];
	unsigned int nr_rx;

	struct rx_page posted[FAKE_SLOTS];
	unsigned int posted_first, posted_end, answered;
	uint16_t order[FAKE_SLOTS]; /* ids taken, which are to be answered in this order */
	bool pooled_rx;

	unsigned int pools[4]; /* pages, by type */
	bool tx_due, rx_due, lazy_due;
	unsigned int notified, armed, arm_again;
	uint8_t (*tx_page)[VMSGIF_PAGE_SIZE];
	uint8_t (*rx_page)[VMSGIF_PAGE_SIZE];
	bool bad_tx[FAKE_PAGES]; /* copies from there fail */
};

struct fake_copy {
	unsigned int tag;
	struct device *src;
	struct vmsgif_segment segs[VMSGIF_INDIRECT_MAX];
	unsigned int nr;
	struct device *dst;
	struct rx_page pages[VMSGIF_INDIRECT_MAX];
};

struct copy_batch {
	struct fake_copy adds[COPY_TAGS];
	unsigned int nr;
	int status[COPY_TAGS];
};

struct fake {
	sd_event *event;
	struct log log;
	struct broker *broker;
	struct device *devices[FAKE_DEVICES];
	unsigned int nr_devices;
	struct fake_entry *entries;
	unsigned int nr_entries;
	unsigned int batch_room; /* messages that a batch takes */
	bool bad_writes;	 /* device_write_page() fails */
	unsigned int runs;
	int pool_status;
	unsigned int pool_ops;
	uint16_t generation;
	char lines[65536];
	unsigned int rescans;
	enum domain_fate fate; /* of every domain */
	/* At rings, without an event. */
	unsigned int looks;
	void (*on_look)(struct device *dev);
	const struct device *asked_pages; /* the last one whose pages, too */
	struct backend_limits limits;
};
static struct fake fake;

/* ---------------------------------------------------------- backend/backend.h */

int backend_new(struct backend **out, sd_event *event, struct log *log,
		const struct backend_limits *limits, const struct backend_ops *ops, void *priv)
{
	*out = (struct backend *)&fake;
	fake.limits = *limits;
	return 0;
}

void backend_free(struct backend *b, bool remove)
{
}

void backend_take_events(struct backend *b)
{
	broker_ops.kicking(fake.broker);
	broker_ops.kicked(fake.broker);
}

int backend_loop(struct backend *b, int timeout)
{
	return sd_event_run(fake.event, timeout < 0 ? UINT64_MAX : (uint64_t)timeout * 1000);
}

void backend_reconsider(struct backend *b)
{
	fake.rescans++;
}

enum domain_fate backend_domain_fate(const struct backend *b, uint16_t domid)
{
	return fake.fate;
}

int backend_local_listen(struct backend *b, int fd)
{
	return 0;
}

void backend_stats_get(const struct backend *b, struct backend_stats *stats)
{
	*stats = (struct backend_stats){ .hypercalls = 7, .devices = fake.nr_devices };
}

uint16_t device_domid(const struct device *dev)
{
	return dev->domid;
}

uint32_t device_address(const struct device *dev)
{
	return dev->addr;
}

const char *device_name(const struct device *dev)
{
	return dev->name;
}

const char *device_subject(const struct device *dev)
{
	return device_name(dev);
}

const char *device_label(const struct device *dev)
{
	return dev->name;
}

bool device_is_up(const struct device *dev)
{
	return dev->up && !dev->frozen;
}

const char *device_state_name(const struct device *dev)
{
	return dev->up ? "connected" : "awaited";
}

unsigned int device_ring_slots(const struct device *dev)
{
	return dev->slots;
}

void device_set_priv(struct device *dev, void *priv)
{
	dev->priv = priv;
}

void *device_priv(const struct device *dev)
{
	return dev->priv;
}

void device_fail(struct device *dev, const char *fmt, ...)
{
	va_list args;

	if (dev->frozen)
		return;
	va_start(args, fmt);
	vsnprintf(dev->failure, sizeof(dev->failure), fmt, args);
	va_end(args);
	dev->frozen = true;
}

int device_next_request(struct device *dev, struct request *req, const struct vmsgif_segment **segs,
			const char **name)
{
	struct fake_request *in = &dev->in[dev->in_first % FAKE_SLOTS];

	if (!device_is_up(dev) || dev->in_first == dev->in_end)
		return 0;
	dev->in_first++;
	if (dev->refuses) {
		dev->refuses = false;
		device_complete(dev, in->req.id, in->req.op, VMSGIF_EINVAL, 0, 0);
		return device_next_request(dev, req, segs, name);
	}
	*req = in->req;
	*segs = in->segs;
	*name = in->has_name ? in->name : NULL;
	return 1;
}

bool device_waiting(struct device *dev, bool pages)
{
	fake.looks++;
	if (pages)
		fake.asked_pages = dev;
	if (fake.on_look)
		fake.on_look(dev);
	return dev->in_first != dev->in_end;
}

bool device_arm(struct device *dev)
{
	dev->armed++;
	if (dev->arm_again) {
		dev->arm_again--;
		return true;
	}
	return false;
}

void device_complete(struct device *dev, uint16_t id, uint8_t op, int status, uint32_t addr,
		     uint32_t port)
{
	if (!device_is_up(dev))
		return;
	ck_assert_uint_lt(dev->nr_out, 2 * FAKE_SLOTS);
	ck_assert_msg(dev->busy[id], "id %u is answered twice", id);
	dev->busy[id] = false;
	dev->out[dev->nr_out++] = (struct vmsgif_tx_response){
		.id = id, .op = op, .status = status, .addr = addr, .port = port
	};
}

unsigned int device_rx_posted(struct device *dev, unsigned int want)
{
	unsigned int n = dev->posted_end - dev->posted_first;

	if (!device_is_up(dev))
		return 0;
	return n < want ? n : want;
}

struct rx_page device_rx_take(struct device *dev)
{
	struct rx_page page;

	ck_assert_uint_ne(dev->posted_first, dev->posted_end);
	page = dev->posted[dev->posted_first % FAKE_SLOTS];
	dev->order[dev->posted_first % FAKE_SLOTS] = page.id;
	dev->posted_first++;
	return page;
}

void device_rx_take_run(struct device *dev, struct rx_page *pages, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		pages[i] = device_rx_take(dev);
}

/* How many pages a response answers. */
static unsigned int fake_rx_pages(const struct vmsgif_rx_response *rsp)
{
	if (rsp->type != VMSGIF_RX_MESSAGE || rsp->flags)
		return 1;
	return (rsp->len + VMSGIF_PAGE_SIZE - 1) / VMSGIF_PAGE_SIZE;
}

void device_rx_respond_run(struct device *dev, const struct vmsgif_rx_response *rsp,
			   const struct rx_page *pages, unsigned int nr)
{
	if (!device_is_up(dev))
		return;
	ck_assert_uint_eq(nr, fake_rx_pages(rsp));
	ck_assert_uint_eq(rsp->id, pages->id);
	for (unsigned int i = 0; i < nr; i++) {
		ck_assert_uint_ne(dev->answered, dev->posted_first);
		ck_assert_uint_eq(pages[i].id, dev->order[dev->answered % FAKE_SLOTS]);
		dev->answered++;
	}
	dev->rx[dev->nr_rx++] = *rsp;
}

void device_rx_respond(struct device *dev, const struct vmsgif_rx_response *rsp)
{
	const struct rx_page page = { .id = rsp->id };

	device_rx_respond_run(dev, rsp, &page, 1);
}

static inline struct fake_entry *fake_entry_new(struct device *dev, int kind, bool lazy)
{
	struct fake_entry *e = &fake.entries[fake.nr_entries++];

	ck_assert_uint_lt(fake.nr_entries, FAKE_LOG);
	*e = (struct fake_entry){ .kind = kind, .dev = dev, .lazy = lazy };
	return e;
}

void device_publish_tx(struct device *dev, bool lazy)
{
	for (unsigned int i = 0; i < dev->nr_out; i++)
		fake_entry_new(dev, FAKE_TX, lazy)->tx = dev->out[i];
	if (dev->nr_out)
		*(lazy ? &dev->lazy_due : &dev->tx_due) = true;
	dev->nr_out = 0;
}

void device_publish_rx(struct device *dev, bool lazy)
{
	for (unsigned int i = 0; i < dev->nr_rx; i++)
		fake_entry_new(dev, FAKE_RX, lazy)->rx = dev->rx[i];
	if (dev->nr_rx)
		*(lazy ? &dev->lazy_due : &dev->rx_due) = true;
	dev->nr_rx = 0;
}

bool device_notify(struct device *dev, bool force)
{
	if (dev->tx_due || dev->rx_due || (force && dev->lazy_due)) {
		fake_entry_new(dev, FAKE_EVENT, false);
		dev->notified++;
		dev->tx_due = dev->rx_due = dev->lazy_due = false;
	}
	return dev->lazy_due;
}

int device_pool_add(struct device *dev, const struct vmsgif_pool *pool)
{
	fake.pool_ops++;
	if (!fake.pool_status)
		dev->pools[pool->type] = pool->nr_pages;
	return fake.pool_status;
}

int device_pool_del(struct device *dev, uint16_t type)
{
	if (!dev->pools[type])
		return VMSGIF_EINVAL;
	dev->pools[type] = 0;
	return 0;
}

unsigned int device_pool_pages(const struct device *dev, uint16_t type)
{
	return dev->pools[type];
}

int device_write_page(struct device *dev, const struct rx_page *page, const void *from,
		      uint16_t len)
{
	if (fake.bad_writes)
		return VMSGIF_EFAULT;
	memcpy(dev->rx_page[page->ref], from, len);
	return 0;
}

int copy_batch_new(struct copy_batch **out, struct backend *b)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void copy_batch_free(struct copy_batch *batch)
{
	free(batch);
}

/* 0, or VMSGIF_EFAULT: some page is bad. */
static int fake_copy_do(const struct fake_copy *c)
{
	uint32_t to = 0;
	int status = 0;

	for (unsigned int s = 0; s < c->nr; s++) {
		for (uint32_t i = 0; i < c->segs[s].len; i++, to++) {
			uint32_t from = c->segs[s].offset + i;
			uint32_t page = c->segs[s].ref + from / 4096;

			if (c->src->bad_tx[page])
				status = VMSGIF_EFAULT;
			c->dst->rx_page[c->pages[to / 4096].ref][to % 4096] =
				c->src->tx_page[page][from % 4096];
		}
	}
	return status;
}

int copy_batch_add(struct copy_batch *batch, unsigned int tag, struct device *src,
		   const struct vmsgif_segment *segs, unsigned int nr, bool pooled,
		   struct device *dst, const struct rx_page *pages, unsigned int nr_pages)
{
	struct fake_copy *copy = &batch->adds[batch->nr];
	bool pools = pooled;

	ck_assert_uint_lt(tag, COPY_TAGS);
	for (unsigned int i = 0; i < nr; i++) {
		uint32_t last = (segs[i].offset + segs[i].len - 1u) / 4096;

		ck_assert(pooled || last == 0);
		if (pooled && segs[i].ref + last >= src->pools[VMSGIF_POOL_TX])
			return VMSGIF_EFAULT;
	}
	for (unsigned int i = 0; i < nr_pages; i++)
		pools &= pages[i].pooled;
	if (!pools && batch->nr == fake.batch_room)
		return -ENOSPC;
	copy->tag = tag;
	copy->src = src;
	copy->nr = nr;
	copy->dst = dst;
	memcpy(copy->segs, segs, nr * sizeof(*segs));
	memcpy(copy->pages, pages, nr_pages * sizeof(*pages));
	if (pools)
		return fake_copy_do(copy) ? VMSGIF_EFAULT : COPY_DONE;
	batch->nr++;
	return 0;
}

void copy_batch_run(struct copy_batch *batch)
{
	fake.runs++;
	for (unsigned int i = 0; i < batch->nr; i++) {
		struct fake_copy *c = &batch->adds[i];

		if (fake_copy_do(c))
			batch->status[c->tag] = VMSGIF_EFAULT;
	}
}

int copy_batch_status(const struct copy_batch *batch, unsigned int tag)
{
	return batch->status[tag];
}

void copy_batch_reset(struct copy_batch *batch)
{
	batch->nr = 0;
	memset(batch->status, 0, sizeof(batch->status));
}

#endif
