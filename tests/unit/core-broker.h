/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small broker over plain memory, for several devices of frontend/core, which
 * checks that they keep to the protocol. It does everything of vmsgif.h but
 * policy and names, in turns, and can be killed between any two of the steps in
 * which a turn is published. It keeps what a real one finds in xenstore: which
 * addresses live.
 */
#ifndef TESTS_UNIT_CORE_BROKER_H
#define TESTS_UNIT_CORE_BROKER_H

#include "frontend/core/core.h"

#define BROKER_DEVS	  3u
#define BROKER_PORTS	  8u
#define BROKER_PAGES	  64u /* of each kind and device */
#define BROKER_POOLS	  4u  /* own MAP pools per device */
#define BROKER_POOL_PAGES 4u
#define BROKER_SLOTS	  VMSGIF_RING_SLOTS(VMSGIF_MAX_RING_ORDER) /* of the largest ring */

struct broker_msg;

struct broker_port {
	uint32_t number; /* 0: free */
	uint64_t credit, used;
	uint32_t max_len;
	bool unbinding;
	uint16_t unbind_id;
};

struct broker_pool {
	bool there, acked, deleting;
	bool leaving; /* its port is unbound: the receiver was told to unmap it */
	uint32_t addr, port, src_port, ref;
	uint32_t nr_pages;
	uint16_t id; /* of the POOL_ADD or POOL_DEL to be answered */
	bool asked;
};

/* Responses of one kind, to be published together. */
struct broker_answers {
	struct vmsgif_tx_response rsp[BROKER_SLOTS];
	unsigned int nr;
};

struct broker_dev {
	struct vmsg *v;
	unsigned int slots;
	void *tx_ring, *rx_ring;
	void *tx_pages[BROKER_PAGES], *rx_pages[BROKER_PAGES];
	uint32_t tx_grefs[BROKER_PAGES], rx_grefs[BROKER_PAGES];
	void *pools[BROKER_POOLS]; /* memory of own MAP pools */
	uint32_t addr;
	bool known;    /* was connected once: messages wait for it */
	bool attached; /* with the present broker */
	bool ready, tx_pool, rx_pool;
	uint32_t tx_cons, tx_prod, rx_prod, rx_taken, rx_seen;
	struct vmsgif_rx_request
		posted[BROKER_SLOTS]; /* by slot: the pages of all requests up to rx_seen */
	bool rx_open[BROKER_SLOTS];   /* id of a page is in use */
	bool open[BROKER_SLOTS];      /* id is in use */
	uint8_t op[BROKER_SLOTS];
	unsigned int nr_waiting;
	uint64_t last_seq;
	struct broker_port ports[BROKER_PORTS];
	struct broker_pool map[BROKER_POOLS];
	struct vmsgif_rx_response events[1024];
	unsigned int nr_events;
	struct broker_answers fail, done, late;
};

struct broker {
	struct broker_dev dev[BROKER_DEVS];
	struct vmsg_features features;
	struct broker_msg *first, **last;
	unsigned int restarts, delivered, resubmitted;
	unsigned int runs, singles; /* RX requests, by how many pages they post */
	bool no_pools;
};

void broker_init(struct broker *b);
void broker_deinit(struct broker *b);
/* The device connects: rings are fresh. */
void broker_attach(struct broker *b, unsigned int dev);
/* Its address is dead; a next life gets another one. */
void broker_peer_down(struct broker *b, unsigned int dev);
/* Takes at most @quota requests of each device and delivers. Dies before step @die (0: never). */
void broker_turn(struct broker *b, unsigned int quota, unsigned int die);
#define BROKER_STEPS 5u
void broker_restart(struct broker *b);
/* Whether nothing is under way. */
bool broker_idle(const struct broker *b);
/* The memory that a directory stands for; its reference is broker_directory(). */
void *broker_pool_memory(struct broker *b, uint32_t ref);
uint32_t broker_directory(unsigned int dev, unsigned int pool);

#endif
