/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the small broker share: core-broker.c has its lives, its
 * answers and its turns, core-broker-requests.c does what requests ask for, and
 * core-broker-deliver.c hands over messages and events.
 */
#ifndef TESTS_UNIT_CORE_BROKER_STATE_H
#define TESTS_UNIT_CORE_BROKER_STATE_H

#include "tests/unit/core-broker.h"

struct broker_msg {
	struct broker_msg *next;
	unsigned int src;
	uint32_t src_addr;
	struct vmsgif_tx_request req;
	bool out;			    /* map mode: with the receiver */
	bool released[VMSGIF_RUN_MESSAGES]; /* the same: each of them, by its number */
};

static inline struct vmsgif_tx_sring *txr(const struct broker_dev *d)
{
	return d->tx_ring;
}

static inline struct vmsgif_rx_sring *rxr(const struct broker_dev *d)
{
	return d->rx_ring;
}

static inline struct broker_dev *dev_of(struct broker *b, uint32_t addr)
{
	for (unsigned int i = 0; i < BROKER_DEVS; i++)
		if (b->dev[i].addr == addr)
			return &b->dev[i];
	return NULL;
}

static inline struct broker_port *port_of(struct broker_dev *d, uint32_t number)
{
	for (unsigned int i = 0; i < BROKER_PORTS; i++)
		if (d->ports[i].number == number)
			return &d->ports[i];
	return NULL;
}

/* Forgets the message, without an answer. */
void broker_drop(struct broker *b, struct broker_msg **at);
/* Notes an answer that is published with others of its kind. */
void broker_answer(struct broker_answers *to, const struct vmsgif_tx_request *req, int status);
/* The message is done with: its sender, if it is still the one, gets @status. */
void broker_answer_send(struct broker *b, struct broker_msg **at, int status);
/* Notes an event that waits for a page. */
void broker_event(struct broker_dev *d, struct vmsgif_rx_response rsp);

/* Does at most @quota of the requests that the device has published. */
void broker_take(struct broker *b, unsigned int dev, unsigned int quota);
/* Answers UNBINDs whose messages are all released. */
void broker_end_unbinds(struct broker *b, struct broker_dev *d);

/* Takes in the pages that were posted. */
void broker_look_for_pages(struct broker *b, struct broker_dev *d);
void broker_deliver_events(struct broker_dev *d);
/* All messages that need not wait. */
void broker_deliver_all(struct broker *b);

#endif
