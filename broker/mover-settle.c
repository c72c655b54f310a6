// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What was gathered is copied, published and answered. See mover.h for the model.
 *
 * Each message is counted in many places: by its sender, its receiver, its rule
 * and in all. Those of a batch mostly follow each other alike, so they are summed
 * up first, as long as they do.
 */
#include "broker/mover.h"

#include "broker/broker.h"
#include "broker/peer.h"

#include "common/clock.h"
#include "common/macros.h"

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

static inline void complete(struct message *m, int status)
{
	struct peer *src = m->src;

	m->flow->open--;
	if (UNLIKELY(status != VMSGIF_OKAY)) {
		src->count.failed++;
		src->broker->failed++;
	}
	device_complete(src->dev, m->id, m->op, status, 0, 0);
	peer_dirty_tx(src);
	slot_free(m);
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

		if (item->gathered)
			item->status = copy_batch_status(mover->batch, i);
		if (LIKELY(item->status == VMSGIF_OKAY))
			continue;
		log_bad_copy(item);
		queue_refund(item->message);
		complete(item->message, item->status);
		item->message = NULL;
	}
}

static inline void respond_message(const struct mover *mover, const struct delivery *item)
{
	const struct message *m = item->message;
	const struct rx_page *pages = &mover->pages[item->first];
	struct vmsgif_rx_response rsp = {
		.type = VMSGIF_RX_MESSAGE,
		.id = pages->id,
		.addr = m->src->addr,
		.port = m->flow->number,
		.src_port = m->src_port,
		.seq = m->seq,
		.len = m->len,
		.each = m->each,
	};

	if (UNLIKELY(item->way == WAY_INLINE)) {
		rsp.flags = VMSGIF_RXF_INLINE;
		memcpy(rsp.u.data, m->u.data, sizeof(rsp.u.data));
	} else if (UNLIKELY(item->way == WAY_MAP)) {
		rsp.flags = VMSGIF_RXF_MAP;
		rsp.u.map.id = m->u.map.id;
		rsp.u.map.more = m->u.map.more;
		rsp.u.map.offset = m->u.map.offset;
	} else {
		rsp.used = (uint16_t)MIN_OF(m->len, VMSGIF_PAGE_SIZE);
	}
	if (LIKELY(item->nr_pages == 1))
		device_rx_respond(item->dst->dev, &rsp);
	else
		device_rx_respond_run(item->dst->dev, &rsp, pages, item->nr_pages);
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

/* ------------------------------------------------------------------ settling */

/* Deliveries in a row that are counted alike. */
struct run {
	struct peer *src; /* NULL: none yet */
	struct peer *dst;
	struct rule *rule;
	enum way way;
	uint32_t since; /* us */
	int status;	/* of copies */
	uint64_t messages;
	uint64_t bytes;
};

static void traffic_count(struct traffic *t, const struct run *run)
{
	t->messages[run->way] += run->messages;
	t->bytes[run->way] += run->bytes;
}

static NOINLINE void run_end(struct run *run, uint32_t now_us)
{
	if (!run->src)
		return;
	waits_count(&run->src->count.waits, now_us - run->since, run->messages);
	traffic_count(&run->src->count.sent, run);
	traffic_count(&run->dst->count.received, run);
	traffic_count(&run->src->broker->total, run);
	traffic_count(&run->rule->delivered, run);
}

static inline bool run_goes_on(const struct run *run, const struct delivery *item)
{
	const struct message *m = item->message;

	return run->src == m->src && run->dst == item->dst && run->since == m->since &&
	       run->way == item->way && run->rule == m->flow->decision.rule;
}

static NOINLINE void run_begin(struct run *run, const struct delivery *item)
{
	const struct message *m = item->message;

	*run = (struct run){
		.src = m->src,
		.dst = item->dst,
		/* Only a rule can have allowed it: the default is no. */
		.rule = m->flow->decision.rule,
		.way = item->way,
		.since = m->since,
		/* A device closed in the middle of this may or may not have seen it. */
		.status = LIKELY(device_is_up(item->dst->dev)) ? VMSGIF_OKAY : VMSGIF_EHOSTDOWN,
	};
	m->flow->pair->known = true;
}

/* They are in the receivers' rings, @now_us. */
static void settle_messages(struct mover *mover, uint32_t now_us)
{
	struct run run = { 0 };

	for (unsigned int i = 0; i < mover->nr_items; i++) {
		const struct delivery *item = &mover->items[i];
		struct message *m = item->message;
		unsigned int messages;

		if (UNLIKELY(!m)) {
			if (item->event)
				event_delivered(item->dst, item->event);
			continue;
		}
		if (UNLIKELY(!run_goes_on(&run, item))) {
			run_end(&run, now_us);
			run_begin(&run, item);
		}
		messages = message_count(m);
		run.messages += messages;
		run.bytes += message_bytes(m);
		m->flow->messages += messages;
		m->flow->bytes += message_bytes(m);
		if (UNLIKELY(item->way == WAY_MAP))
			held_add(m);
		else
			complete(m, run.status);
	}
	run_end(&run, now_us);
}

static void settle_all(struct broker *broker)
{
	struct mover *mover = &broker->mover;
	struct message *m;

	if (mover->nr_items)
		settle_messages(mover, (uint32_t)(clock_now_ns() / NS_PER_US));
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
	if (UNLIKELY(mover->copies || mover->bad))
		fail_bad_copies(mover);
	mover_publish_tx(broker);
	respond_all(mover);
	publish_rx(broker);
	settle_all(broker);
	mover_publish_tx(broker);
	if (mover->copies)
		copy_batch_reset(mover->batch);
	mover->copies = false;
	mover->bad = false;
	mover->nr_items = 0;
	mover->nr_pages = 0;
}
