// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The context, the event loop's sources, and devices that come and go. See
 * broker.h for the model.
 */
#include "broker/broker.h"

#include "broker/down.h"
#include "broker/peer.h"
#include "broker/reload.h"
#include "broker/turn.h"
#include "broker/zombies.h"

#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>

uint64_t broker_now(const struct broker *broker)
{
	return broker->now ? broker->now : clock_now_ns();
}

/* ----------------------------------------------------------------- the loop */

void broker_schedule(struct broker *broker)
{
	if (broker->scheduled)
		return;
	broker->scheduled = true;
	broker->due = true;
	sd_event_source_set_enabled(broker->turn, SD_EVENT_ON);
}

/* Returns whether there is more to do, and the rest of the loop comes first. */
static bool turns_run(struct broker *broker)
{
	for (unsigned int i = 0; i < BUSY_TURNS; i++) {
		if (turn_run(broker))
			return true;
		if (!busy_look(broker))
			return false;
	}
	return true;
}

/* Its source is on if @on. */
static void turn_now(struct broker *broker, bool on)
{
	broker->scheduled = true;
	broker->scheduled = turns_run(broker);
	if (broker->scheduled == on)
		return;
	broker->due = true;
	sd_event_source_set_enabled(broker->turn, on ? SD_EVENT_OFF : SD_EVENT_ON);
}

/* Runs it: see on_kicked(). */
static int on_turn(sd_event_source *source, void *priv)
{
	struct broker *broker = priv;

	backend_take_events(broker->backend);
	return 0;
}

/* Arms @timer for @ns from now, unless it is armed for something earlier. */
static void timer_in(struct broker *broker, sd_event_source *timer, uint64_t ns)
{
	uint64_t due = (broker_now(broker) + ns + NS_PER_US - 1) / NS_PER_US, armed = 0;
	int enabled = SD_EVENT_OFF;

	sd_event_source_get_enabled(timer, &enabled);
	sd_event_source_get_time(timer, &armed);
	if (enabled != SD_EVENT_OFF && armed <= due)
		return;
	broker->due = true;
	sd_event_source_set_time(timer, due);
	sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

void broker_flush_lazy_in(struct broker *broker, uint64_t ns)
{
	timer_in(broker, broker->lazy_timer, ns);
}

void broker_wake_stalled_in(struct broker *broker, uint64_t ns)
{
	timer_in(broker, broker->stall_timer, ns);
}

static int on_lazy(sd_event_source *source, uint64_t usec, void *priv)
{
	struct broker *broker = priv;

	while (!list_empty(&broker->lazy)) {
		struct peer *peer = list_first_entry(&broker->lazy, struct peer, lazy);

		list_del(&peer->lazy);
		device_notify(peer->dev, true);
	}
	return 0;
}

/* All may try again; who still has no token goes back, and arms the timer. */
static int on_stalled(sd_event_source *source, uint64_t usec, void *priv)
{
	struct broker *broker = priv;

	list_splice_tail(&broker->kicked, &broker->stalled);
	broker_schedule(broker);
	return 0;
}

static int make_sources(struct broker *broker)
{
	int r;

	r = sd_event_add_defer(broker->event, &broker->turn, on_turn, broker);
	if (r < 0)
		return r;
	sd_event_source_set_enabled(broker->turn, SD_EVENT_OFF);
	sd_event_source_set_priority(broker->turn, BACKEND_EVENTS_PRIORITY);
	/* 1 us is the accuracy: the default lets timers of a whole system fire together. */
	r = sd_event_add_time(broker->event, &broker->lazy_timer, CLOCK_MONOTONIC, 0, 1, on_lazy,
			      broker);
	if (r < 0)
		return r;
	sd_event_source_set_enabled(broker->lazy_timer, SD_EVENT_OFF);
	r = sd_event_add_time(broker->event, &broker->stall_timer, CLOCK_MONOTONIC, 0, 1,
			      on_stalled, broker);
	if (r < 0)
		return r;
	sd_event_source_set_enabled(broker->stall_timer, SD_EVENT_OFF);
	return 0;
}

/* ------------------------------------------------------------- segment lists */

struct vmsgif_segment *broker_list_get(struct broker *broker)
{
	if (broker->nr_spare_lists)
		return broker->spare_lists[--broker->nr_spare_lists];
	return malloc(VMSGIF_INDIRECT_MAX * sizeof(struct vmsgif_segment));
}

void broker_list_put(struct broker *broker, struct vmsgif_segment *list)
{
	if (broker->nr_spare_lists < SPARE_LISTS)
		broker->spare_lists[broker->nr_spare_lists++] = list;
	else
		free(list);
}

/* ------------------------------------------------------------------- devices */

bool broker_wants(const struct broker *broker, uint16_t domid, const char *name)
{
	/* Processes of the own domain: whoever may open their socket. */
	if (domid & VMSGIF_ADDR_LOCAL)
		return true;
	return domid != 0 && pattern_match(broker->config->devices, name);
}

static bool on_wanted(void *priv, uint16_t domid, const char *name)
{
	return broker_wants(priv, domid, name);
}

static struct peer *peer_add(struct broker *broker, struct device *dev)
{
	struct peer *peer = peer_new(broker, dev, device_address(dev));

	if (peer && route_add(&broker->route, peer, device_name(dev)) < 0) {
		peer_free(peer);
		peer = NULL;
	}
	if (!peer) {
		log_write(broker->log, LOG_ERR, "domain=%u: no memory for its device",
			  device_domid(dev));
		device_fail(dev, "the broker has no memory for it");
		return NULL;
	}
	device_set_priv(dev, peer);
	return peer;
}

static void on_awaited(void *priv, struct device *dev)
{
	struct broker *broker = priv;
	struct peer *peer = peer_add(broker, dev);

	if (!peer)
		return;
	log_write(broker->log, LOG_INFO, "domain=%u addr=%#x: %s is awaited", device_domid(dev),
		  peer->addr, peer->label);
	peer->survivor = true;
	down_tell_survivor(peer);
}

static void on_kick(void *priv, struct device *dev)
{
	struct broker *broker = priv;
	struct peer *peer = device_priv(dev);

	if (!peer || !peer->up)
		return;
	peer->pressed = true;
	if (!list_empty(&peer->kicked))
		return;
	list_add_tail(&broker->kicked, &peer->kicked);
	broker_schedule(broker);
}

/*
 * The turn at once, without its source: to come around to it once more costs as much as ten
 * messages.
 */
static void on_kicking(void *priv)
{
	struct broker *broker = priv;

	broker->due = false;
	broker->at_once = !broker->scheduled;
	broker->scheduled = true;
}

static bool on_kicked(void *priv)
{
	struct broker *broker = priv;
	bool on = broker->scheduled && !broker->at_once;

	broker->at_once = false;
	if (on || !list_empty(&broker->kicked))
		turn_now(broker, on);
	else
		broker->scheduled = false;
	return broker->due;
}

static void on_up(void *priv, struct device *dev)
{
	struct broker *broker = priv;
	struct peer *peer = device_priv(dev);

	if (!peer)
		peer = peer_add(broker, dev);
	if (!peer)
		return;
	/* A reload may have changed that since it was offered a connection. */
	if (!broker_wants(broker, device_domid(dev), device_name(dev))) {
		device_fail(dev, BROKER_NO_DEVICE);
		return;
	}
	if (peer_up(peer) < 0) {
		device_fail(dev, "the broker has no memory for it");
		return;
	}
	/* Of one that was awaited the process was not known. */
	peer_set_label(peer);
	log_write(broker->log, LOG_INFO, "domain=%u addr=%#x: %s is connected, %u slots",
		  device_domid(dev), peer->addr, peer->label, peer->nr_slots);
	/* Requests may have been there before anybody looked. */
	on_kick(broker, dev);
}

static void on_down(void *priv, struct device *dev, uint32_t addr)
{
	struct peer *peer = device_priv(dev);

	if (peer && peer->addr == addr)
		peer_down(peer);
}

static void on_gone(void *priv, struct device *dev)
{
	struct peer *peer = device_priv(dev);

	if (peer)
		peer_down(peer);
	account_drop(priv, device_domid(dev));
}

static void on_renamed(void *priv, struct device *dev)
{
	struct broker *broker = priv;
	struct peer *peer = device_priv(dev);

	if (peer && broker_rename(broker, peer) < 0)
		device_fail(dev, "the broker has no memory for its new name");
}

const struct backend_ops broker_ops = {
	.wanted = on_wanted,
	.renamed = on_renamed,
	.awaited = on_awaited,
	.up = on_up,
	.kick = on_kick,
	.kicking = on_kicking,
	.kicked = on_kicked,
	.down = on_down,
	.gone = on_gone,
};

/* ----------------------------------------------------------------- the broker */

static void init_lists(struct broker *broker)
{
	list_init(&broker->kicked);
	list_init(&broker->busy);
	list_init(&broker->tx_dirty);
	list_init(&broker->rx_dirty);
	list_init(&broker->touched);
	list_init(&broker->lazy);
	list_init(&broker->watched);
	list_init(&broker->late);
	list_init(&broker->stalled);
	list_init(&broker->obituaries);
	list_init(&broker->zombies);
	list_init(&broker->accounts);
}

int broker_new(struct broker **out, sd_event *event, struct log *log, struct config *config)
{
	struct broker *broker = calloc(1, sizeof(*broker));
	int r;

	if (!broker)
		return -ENOMEM;
	init_lists(broker);
	mover_init(&broker->mover);
	limits_init(&broker->no_limits);
	broker->log = log;
	broker->event = sd_event_ref(event);
	r = route_init(&broker->route);
	if (r == 0)
		r = make_sources(broker);
	if (r < 0) {
		broker_free(broker, false);
		return r;
	}
	broker->config = config;
	*out = broker;
	return 0;
}

int broker_start(struct broker *broker)
{
	int r;

	r = backend_new(&broker->backend, broker->event, broker->log, &broker->config->limits,
			&broker_ops, broker);
	if (r < 0)
		return r;
	return copy_batch_new(&broker->mover.batch, broker->backend);
}

int broker_run(struct broker *broker)
{
	int code, r = 0;

	while (r >= 0 && sd_event_get_state(broker->event) != SD_EVENT_FINISHED)
		r = backend_loop(broker->backend, -1);
	return r < 0 || sd_event_get_exit_code(broker->event, &code) < 0 ? r : code;
}

int broker_listen(struct broker *broker, int fd)
{
	return backend_local_listen(broker->backend, fd);
}

void broker_free(struct broker *broker, bool remove)
{
	if (!broker)
		return;
	/* Frontends keep what is not answered, and bring it to the next broker. */
	broker->closing = true;
	while (!list_empty(&broker->route.peers))
		peer_down(list_first_entry(&broker->route.peers, struct peer, in_route));
	down_forget(broker);
	zombies_free(broker);
	if (broker->mover.batch)
		copy_batch_free(broker->mover.batch);
	if (broker->backend)
		backend_free(broker->backend, remove);
	while (broker->nr_spare_lists)
		free(broker->spare_lists[--broker->nr_spare_lists]);
	sd_event_source_disable_unref(broker->turn);
	sd_event_source_disable_unref(broker->lazy_timer);
	sd_event_source_disable_unref(broker->stall_timer);
	sd_event_unref(broker->event);
	route_deinit(&broker->route);
	accounts_free(broker);
	config_free(broker->config);
	free(broker);
}
