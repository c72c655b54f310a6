// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From queues to rings. See mover.h for the model.
 */
#include "broker/mover.h"

#include "broker/broker.h"
#include "broker/peer.h"

#include "common/clock.h"
#include "common/macros.h"

void mover_init(struct mover *mover)
{
	mover->batch = NULL;
	mover->nr_items = 0;
	mover->nr_pages = 0;
	mover->taken = 0;
	mover->bytes = 0;
	mover->copies = false;
	list_init(&mover->done);
	list_init(&mover->told);
}

/* ------------------------------------------------------------------ gathering */

/* The next @n posted pages of @dst, whose number is known to suffice. */
static struct delivery *item_new(struct mover *mover, struct peer *dst, unsigned int n)
{
	struct delivery *item = &mover->items[mover->nr_items++];

	item->dst = dst;
	item->message = NULL;
	item->event = NULL;
	item->first = (uint16_t)mover->nr_pages;
	item->nr_pages = (uint16_t)n;
	item->copied = false;
	item->status = VMSGIF_OKAY;
	for (unsigned int i = 0; i < n; i++)
		mover->pages[mover->nr_pages++] = device_rx_take(dst->dev);
	return item;
}

/* Returns false if the batch has no room for @n pages more. */
static bool has_room(const struct mover *mover, unsigned int n)
{
	return mover->nr_items < MOVER_ITEMS && mover->nr_pages + n <= MOVER_PAGES;
}

static enum way way_of(const struct message *m, const struct rx_page *pages, unsigned int n)
{
	if (message_is_map(m))
		return WAY_MAP;
	if (m->form == REQUEST_INLINE)
		return WAY_INLINE;
	for (unsigned int i = 0; i < n; i++)
		if (!pages[i].pooled)
			return WAY_COPY;
	return m->pooled ? WAY_POOLED : WAY_COPY;
}

/* Add the copies of @item to the batch; -ENOSPC if it has to be run before. */
static int add_copies(struct mover *mover, struct delivery *item)
{
	struct message *m = item->message;
	int r;

	r = copy_batch_add(mover->batch, (unsigned int)(item - mover->items), m->src->dev,
			   message_segs(m), m->nr_segs, m->pooled, item->dst->dev,
			   &mover->pages[item->first], item->nr_pages);
	if (r == -ENOSPC)
		return r;
	item->copied = r == 0;
	item->status = r;
	mover->copies |= item->copied;
	return 0;
}

/* The batch is full in the middle of an item: settle the others, and begin anew with it. */
static void begin_anew(struct broker *broker, struct delivery *item)
{
	struct mover *mover = &broker->mover;
	struct delivery keep = *item;

	mover->nr_items--;
	mover->nr_pages -= item->nr_pages;
	mover_flush(broker);
	memmove(mover->pages, &mover->pages[keep.first], keep.nr_pages * sizeof(mover->pages[0]));
	keep.first = 0;
	mover->items[0] = keep;
	mover->nr_items = 1;
	mover->nr_pages = keep.nr_pages;
	/* An empty batch has room for any one message. */
	if (add_copies(mover, &mover->items[0]) < 0)
		mover->items[0].status = VMSGIF_EFAULT;
}

static void gather_message(struct broker *broker, struct message *m, unsigned int n)
{
	struct mover *mover = &broker->mover;
	struct delivery *item = item_new(mover, m->flow->pair->dst, n);

	queue_take(m);
	mover->taken++;
	item->message = m;
	item->way = way_of(m, &mover->pages[item->first], n);
	mover->bytes += m->len;
	if (item->way != WAY_INLINE && item->way != WAY_MAP && add_copies(mover, item) < 0)
		begin_anew(broker, item);
}

static enum gathered gather_events(struct broker *broker, struct peer *dst)
{
	struct mover *mover = &broker->mover;
	struct delivery *item;

	while (!list_empty(&dst->events)) {
		if (!device_rx_posted(dst->dev, 1))
			return GATHER_ALL;
		if (!has_room(mover, 1))
			return GATHER_FULL;
		item = item_new(mover, dst, 1);
		item->event = event_take(dst);
	}
	return GATHER_MORE;
}

enum gathered mover_gather(struct broker *broker, struct peer *dst, unsigned int max)
{
	unsigned int max_maps = broker->config->limits.max_maps;
	struct mover *mover = &broker->mover;
	enum gathered r = gather_events(broker, dst);
	struct message *m;

	if (r != GATHER_MORE)
		return r;
	while ((m = queue_next(dst, max_maps))) {
		unsigned int n = message_pages(m);
		/* A message that needs all of the ring's pages may have the reserve. */
		unsigned int need = MIN_OF(n + VMSGIF_RX_RESERVE, dst->nr_slots);

		if (max ? mover->taken >= max : dst->queue.share <= 0)
			return GATHER_MORE;
		if (device_rx_posted(dst->dev, need) < need)
			return GATHER_ALL;
		if (!has_room(mover, n))
			return GATHER_FULL;
		gather_message(broker, m, n);
	}
	return GATHER_ALL;
}

/* ------------------------------------------------------------------ settling */

void mover_publish_tx(struct broker *broker)
{
	while (!list_empty(&broker->tx_dirty)) {
		struct peer *peer = list_first_entry(&broker->tx_dirty, struct peer, tx_dirty);

		list_del(&peer->tx_dirty);
		device_publish_tx(peer->dev, false);
		list_move_tail(&broker->touched, &peer->touched);
	}
}

static void publish_rx(struct broker *broker)
{
	while (!list_empty(&broker->rx_dirty)) {
		struct peer *peer = list_first_entry(&broker->rx_dirty, struct peer, rx_dirty);

		list_del(&peer->rx_dirty);
		device_publish_rx(peer->dev, !peer->rx_urgent);
		list_move_tail(&broker->touched, &peer->touched);
	}
}

static void complete(struct message *m, int status)
{
	m->flow->open--;
	if (status != VMSGIF_OKAY) {
		m->src->count.failed++;
		m->src->broker->failed++;
	}
	slot_answer(m, status);
}

static void log_bad_copy(const struct delivery *item)
{
	const struct message *m = item->message;
	struct peer *src = m->src;

	log_limited(
		src->broker->log, broker_now(src->broker), device_domid(src->dev), "copy",
		LOG_NOTICE,
		"failed from=%s to=%s port=%u len=%u: status %d, a page of either cannot be used",
		src->label, item->dst->label, m->flow->number, m->len, item->status);
}

/* Copies that failed: their senders hear of it before anything later is seen. */
static void fail_bad_copies(struct mover *mover)
{
	for (unsigned int i = 0; i < mover->nr_items; i++) {
		struct delivery *item = &mover->items[i];

		if (item->copied)
			item->status = copy_batch_status(mover->batch, i);
		if (LIKELY(item->status == VMSGIF_OKAY))
			continue;
		log_bad_copy(item);
		queue_refund(item->message);
		complete(item->message, item->status);
		item->message = NULL;
	}
}

static void respond_message(const struct mover *mover, const struct delivery *item)
{
	const struct message *m = item->message;
	struct vmsgif_rx_response rsp = {
		.type = VMSGIF_RX_MESSAGE,
		.addr = m->src->addr,
		.port = m->flow->number,
		.src_port = m->src_port,
		.seq = m->seq,
		.len = m->len,
	};
	unsigned int last = item->nr_pages - 1u;

	if (item->way == WAY_INLINE) {
		rsp.flags = VMSGIF_RXF_INLINE;
		memcpy(rsp.u.data, m->u.data, sizeof(rsp.u.data));
	} else if (item->way == WAY_MAP) {
		rsp.flags = VMSGIF_RXF_MAP;
		rsp.u.map.id = m->u.map.id;
		rsp.u.map.offset = m->u.map.offset;
	} else {
		rsp.flags = VMSGIF_RXF_MORE;
		rsp.used = VMSGIF_PAGE_SIZE;
		for (unsigned int i = 0; i < last; i++) {
			rsp.id = mover->pages[item->first + i].id;
			device_rx_respond(item->dst->dev, &rsp);
		}
		rsp.flags = 0;
		rsp.used = (uint16_t)(m->len - last * VMSGIF_PAGE_SIZE);
	}
	rsp.id = mover->pages[item->first + last].id;
	device_rx_respond(item->dst->dev, &rsp);
	peer_dirty_rx(item->dst, m->lazy);
}

/* In the slot or in the page. Who posted one that cannot be written has no name. */
static void put_name(struct device *dev, const struct rx_page *page, const char *name,
		     struct vmsgif_rx_response *rsp)
{
	uint16_t len = (uint16_t)strlen(name);

	if (len <= VMSGIF_INLINE_MAX) {
		rsp->flags = VMSGIF_RXF_INLINE;
		rsp->len = len;
		memcpy(rsp->u.data, name, len);
	} else if (device_write_page(dev, page, name, len) == VMSGIF_OKAY) {
		rsp->len = len;
		rsp->used = len;
	}
}

static void respond_event(const struct mover *mover, const struct delivery *item)
{
	const struct rx_page *page = &mover->pages[item->first];
	struct vmsgif_rx_response rsp = { .id = page->id };
	const char *name;

	event_fill(item->event, &rsp, &name);
	if (name)
		put_name(item->dst->dev, page, name, &rsp);
	device_rx_respond(item->dst->dev, &rsp);
	peer_dirty_rx(item->dst, false);
	item->dst->count.events++;
}

/* Its pages go back unused. */
static void respond_bad(const struct mover *mover, const struct delivery *item)
{
	struct vmsgif_rx_response rsp = { .type = VMSGIF_RX_BAD_PAGE };

	for (unsigned int i = 0; i < item->nr_pages; i++) {
		rsp.id = mover->pages[item->first + i].id;
		device_rx_respond(item->dst->dev, &rsp);
	}
	peer_dirty_rx(item->dst, false);
}

static void respond_all(const struct mover *mover)
{
	for (unsigned int i = 0; i < mover->nr_items; i++) {
		const struct delivery *item = &mover->items[i];

		if (LIKELY(item->message))
			respond_message(mover, item);
		else if (item->event)
			respond_event(mover, item);
		else
			respond_bad(mover, item);
	}
}

static void count_delivery(struct broker *broker, const struct delivery *item, uint32_t now_us)
{
	const struct message *m = item->message;
	struct flow *flow = m->flow;

	wait_count(&m->src->count.waits, now_us - m->since);
	traffic_count(&m->src->count.sent, item->way, m->len);
	traffic_count(&item->dst->count.received, item->way, m->len);
	traffic_count(&broker->total, item->way, m->len);
	flow->messages++;
	flow->bytes += m->len;
	/* Only a rule can have allowed it: the default is no. */
	traffic_count(&flow->decision.rule->delivered, item->way, m->len);
}

/* It is in the receiver's ring, @now_us. */
static void settle_message(struct broker *broker, const struct delivery *item, uint32_t now_us)
{
	struct message *m = item->message;

	count_delivery(broker, item, now_us);
	m->flow->pair->known = true;
	if (item->way == WAY_MAP)
		held_add(m);
	else
		/* A device closed in the middle of this may or may not have seen it. */
		complete(m, LIKELY(device_is_up(item->dst->dev)) ? VMSGIF_OKAY : VMSGIF_EHOSTDOWN);
}

static void settle_all(struct broker *broker)
{
	struct mover *mover = &broker->mover;
	uint32_t now_us = mover->nr_items ? (uint32_t)(clock_now_ns() / NS_PER_US) : 0;
	struct message *m;

	for (unsigned int i = 0; i < mover->nr_items; i++) {
		const struct delivery *item = &mover->items[i];

		if (LIKELY(item->message))
			settle_message(broker, item, now_us);
		else if (item->event)
			event_delivered(item->dst, item->event);
	}
	while (!list_empty(&mover->done)) {
		m = list_first_entry(&mover->done, struct message, link);
		list_del(&m->link);
		complete(m, VMSGIF_OKAY);
	}
	while (!list_empty(&mover->told)) {
		m = list_first_entry(&mover->told, struct message, link);
		list_del(&m->link);
		slot_answer(m, VMSGIF_OKAY);
	}
}

void mover_flush(struct broker *broker)
{
	struct mover *mover = &broker->mover;

	if (mover->copies)
		copy_batch_run(mover->batch);
	fail_bad_copies(mover);
	mover_publish_tx(broker);
	respond_all(mover);
	publish_rx(broker);
	settle_all(broker);
	mover_publish_tx(broker);
	if (mover->copies)
		copy_batch_reset(mover->batch);
	mover->copies = false;
	mover->nr_items = 0;
	mover->nr_pages = 0;
}
