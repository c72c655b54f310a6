/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plumbing of evil-backend: the device of one guest, by hand. No code of
 * the broker is in it, whose job it is to keep the rules.
 */
#ifndef XENMSG_TESTS_XEN_EVIL_H
#define XENMSG_TESTS_XEN_EVIL_H

#include <stdbool.h>
#include <stdint.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>
#include <xen/io/xenbus.h>

#include "common/xen-compat.h"

#include <xen/io/vmsgif.h>

#define EVIL_REFS_MAX  (1 << VMSGIF_MAX_RING_ORDER)
#define EVIL_SENDS_MAX 64
#define EVIL_PEER      VMSGIF_ADDR(7, 99) /* whom messages are said to be from */
#define EVIL_GONE      (-1)		  /* instead of a state */

struct evil {
	const char *name; /* of the case */
	unsigned int domid;
	struct xs_handle *xs;
	xengnttab_handle *gnttab;
	xenevtchn_handle *evtchn;
	int port; /* of the event channel; -1: none */
	char front[64], back[64];
	uint64_t epoch;
	/* A node that is written as said here, NULL: not at all. */
	const char *spoilt, *value;
	int begin; /* the state that both sides are found in */

	uint32_t ring_pages;
	vmsgif_tx_back_ring_t tx;
	vmsgif_rx_back_ring_t rx;

	/* What the guest has said. */
	uint32_t bound, max_len;
	uint64_t credit;
	uint32_t rx_directory, rx_nr_pages;
	uint16_t sends[EVIL_SENDS_MAX]; /* unanswered, by id */
	unsigned int nr_sends, all_sends;
	uint16_t resolve; /* the same */
	bool resolving;

	uint64_t seq;	   /* of messages to the guest */
	bool generous;	   /* SENDs and RESOLVEs are answered, too */
	bool mute;	   /* BIND is not */
	int32_t bind_with; /* the status it gets */
};

struct evil_case {
	const char *name;
	const char *outcome;	     /* see evil-backend.c */
	const char *reason;	     /* that the driver has to say; NULL: none */
	void (*run)(struct evil *e); /* NULL: the guest is not answered */
	const char *node, *value;    /* to be wrong from the begin; NULL: none */
};

extern const struct evil_case evil_ring_cases[];
extern const unsigned int evil_nr_ring_cases;

void __attribute__((noreturn, format(printf, 1, 2))) evil_cannot(const char *format, ...);

void evil_open(struct evil *e);
/* Lets go of the rings and the event channel. */
void evil_let_go(struct evil *e);
void evil_close(struct evil *e);

/* Both directories anew, as the broker makes them; evil_new_epoch() is the next step. */
void evil_provision(struct evil *e);
void evil_write(struct evil *e, const char *name, const char *text);
void evil_write_number(struct evil *e, const char *name, uint64_t value);
void evil_remove(struct evil *e, bool front);
/* The guest's state, or EVIL_GONE. */
int evil_front_state(struct evil *e);
/* Waits for something to happen; false: it did not. */
bool evil_wait(struct evil *e, int ms);
/* Waits until the guest is Initialised with the epoch as written; false: it is not, or closes. */
bool evil_offered(struct evil *e, int ms);
/* Maps the rings and binds the event channel, or begins them anew if that was done. */
void evil_attach(struct evil *e);
/* Connected; waits for the guest to follow. */
void evil_connected(struct evil *e);
/* A fresh epoch, and InitWait. */
void evil_new_epoch(struct evil *e);

/* Takes in what the guest asks; answers it, as far as it is to be answered. */
void evil_serve(struct evil *e);
/* Next slots, zeroed but for what is said here; published by evil_push(). */
struct vmsgif_tx_response *evil_answer(struct evil *e, uint8_t op, uint16_t id);
struct vmsgif_rx_response *evil_rx(struct evil *e, uint8_t type);
/* A message of @len bytes in the slot, about which nothing is wrong. */
struct vmsgif_rx_response *evil_message(struct evil *e, uint32_t len);
void evil_push(struct evil *e);
void evil_kick(struct evil *e);

#endif /* XENMSG_TESTS_XEN_EVIL_H */
