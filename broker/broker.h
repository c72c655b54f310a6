/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The broker: everything hangs from here.
 *
 * Model. The backend tells of devices and of requests; nothing is done then but
 * to note which device it was. The work is done in turns, from the event loop:
 *
 *   1. consume   every kicked device's requests, a bounded number. Each is
 *                answered, queued, or noted as waiting for another domain
 *   2. deliver   for each receiver with something to take and pages for it:
 *                copies are gathered and done together, and published in the
 *                order that <xen/io/vmsgif.h> demands
 *   3. answer    RELEASEs and UNBINDs
 *   4. notify    every touched device, once
 *
 * What is left over keeps the next turn scheduled. Between turns no message is
 * half-way: only there do devices come and go.
 */
#ifndef XENMSG_BROKER_BROKER_H
#define XENMSG_BROKER_BROKER_H

#include "broker/account.h"
#include "broker/busy.h"
#include "broker/config.h"
#include "broker/mover.h"
#include "broker/peer.h"
#include "common/log.h"

#include <systemd/sd-event.h>

/* Requests consumed in a turn: of one device for each unit of its weight, and in all. */
#define TURN_REQUESTS	  64u
#define TURN_REQUESTS_ALL 1024u
/*
 * Deliveries in a turn: messages to a receiver that is alone; otherwise bytes to
 * one, for each unit of weight of the senders that wait there. Bytes in all
 * (approximately).
 */
#define TURN_MESSAGES 64u
#define TURN_SHARE    ((int64_t)32 * QUEUE_QUANTUM)
#define TURN_BYTES    (4u << 20)
/* Registrations of pools: at once, and a second, per domain. */
#define POOL_BURST 128u
#define POOL_RATE  16u
/* Buffers for segment lists that are kept when free. */
#define SPARE_LISTS 64u

/* Why a device is closed whose domain is to have none. */
#define BROKER_NO_DEVICE "the configuration gives this domain no device"

struct broker {
	struct config *config;
	struct log *log;
	sd_event *event;
	struct backend *backend;
	struct route route;
	struct mover mover;

	struct list kicked;
	struct list busy;
	struct list tx_dirty;
	struct list rx_dirty;
	struct list touched;
	struct list lazy;
	struct list watched;	/* see busy.h */
	struct list late;	/* slots whose answers end the turn */
	struct list stalled;	/* peers, by kicked: wait for tokens */
	struct list obituaries; /* see down.c */
	struct list zombies;	/* pools of the dead; see zombies.h */
	unsigned int nr_zombies;
	struct list accounts;	 /* of domains */
	struct limits no_limits; /* of those that no section names */
	unsigned int pool_ops;	 /* in this turn */
	struct busy busy_poll;
	bool scheduled; /* the turn's source is on, or */
	bool at_once;	/* it comes without that, when all events are taken in */
	bool due;	/* one of the sources below was turned on, see backend.h */
	bool closing;	/* nothing is answered any more: the next broker will */
	bool draining;	/* all domains; see drain.h */
	sd_event_source *turn;
	sd_event_source *lazy_timer;
	sd_event_source *stall_timer;

	struct vmsgif_segment *spare_lists[SPARE_LISTS];
	unsigned int nr_spare_lists;

	struct traffic total;
	struct counters local_gone; /* of clients in this domain that are gone */
	uint64_t refused;
	uint64_t failed;
	uint64_t turns;
	uint64_t now;	  /* when this turn began; 0: there is none */
	uint32_t turn_us; /* the same in us */
	uint64_t rounds;  /* of delivering: one in a turn, or more */
};

/*
 * Make a broker over an event loop; @config goes over to it if this succeeds.
 * The devices come with broker_start().
 */
int broker_new(struct broker **out, sd_event *event, struct log *log, struct config *config);
/* Does the domain called @name get a device? */
bool broker_wants(const struct broker *broker, uint16_t domid, const char *name);
/* Open Xen and take over what is there. The lock file is held. */
int broker_start(struct broker *broker);
/* Serve until the event loop is told to end; returns what it was told, or a negative errno. */
int broker_run(struct broker *broker);
/* Serve processes of this domain, too: see backend_local_listen(). */
int broker_listen(struct broker *broker, int fd);
/* @remove: as for backend_free(). */
void broker_free(struct broker *broker, bool remove);

/* Buffers of VMSGIF_INDIRECT_MAX segments. NULL: no memory. */
struct vmsgif_segment *broker_list_get(struct broker *broker);
void broker_list_put(struct broker *broker, struct vmsgif_segment *list);

/* Have a turn soon. */
void broker_schedule(struct broker *broker);
/* Have a turn's device_notify(force), or the stalled devices tried again, in @ns at the latest. */
void broker_flush_lazy_in(struct broker *broker, uint64_t ns);
void broker_wake_stalled_in(struct broker *broker, uint64_t ns);
/* ns; within a turn, those of its begin. */
uint64_t broker_now(const struct broker *broker);

/* The callbacks for the backend, with the broker as priv. */
extern const struct backend_ops broker_ops;

#endif
