/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plumbing of hostile: the device of this guest, by hand. No library of the
 * project is in it, whose job it is to keep the rules. What cannot be done ends
 * the program.
 */
#ifndef XENMSG_TESTS_XEN_HOSTILE_H
#define XENMSG_TESTS_XEN_HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>
#include <xen/io/xenbus.h>

#include "common/xen-compat.h"

#include <xen/io/vmsgif.h>

#define WAIT_MS	 5000
#define STEP_MS	 10
#define CLOSED	 1  /* instead of a status */
#define OWN_PORT 13 /* where tx-gref-as-rx listens */

struct raw {
	const char *name; /* of the case */
	struct xs_handle *xs;
	xengntshr_handle *shr;
	xenevtchn_handle *evtchn;
	char *backend;
	uint32_t backend_id;
	int port;
	vmsgif_tx_front_ring_t tx;
	vmsgif_rx_front_ring_t rx;
	uint32_t tx_ref, rx_ref;
	uint16_t next_id, next_rx_id;
	/* Destination of SENDs. */
	const char *to_name;
	uint32_t to_addr, to_port;
};

struct hostile_case {
	const char *name; /* NULL: the end */
	int (*run)(struct raw *raw);
	int expected; /* status, or CLOSED */
};

extern const struct hostile_case hostile_rings[], hostile_requests[];

/* Says so and exits with 2. */
void __attribute__((noreturn, format(printf, 1, 2))) raw_cannot(const char *format, ...);

/* Text to free; NULL: there is none. */
char *raw_read_node(struct raw *raw, const char *dir, const char *name);
uint64_t raw_read_number(struct raw *raw, const char *dir, const char *name);
/* Wait until the backend is in @a or @b; returns which, or -1. */
int raw_wait_state(struct raw *raw, int a, int b);

/* Grants the backend @nr fresh pages, which stay until the end. */
void *raw_share(struct raw *raw, unsigned int nr, uint32_t *refs, bool writable);
void raw_open_all(struct raw *raw);
void raw_close_all(struct raw *raw);
/* Whatever was there before: closed, and then begun anew. */
void raw_reset(struct raw *raw);
/* Everything for a connection, except that @spoilt (may be NULL) gets @value. */
void raw_offer(struct raw *raw, const char *spoilt, const char *value, size_t len);
void raw_connect_device(struct raw *raw);

/* The next slot, zeroed but for the id; published by raw_last_answer(). */
struct vmsgif_tx_request *raw_request(struct raw *raw, uint8_t op);
/* The same: pages for messages to this guest. */
void raw_post_page(struct raw *raw, uint32_t ref);
void raw_post_good_pages(struct raw *raw, unsigned int nr);
/* The answer to the last request, after those to others: its status, or CLOSED. */
int raw_last_answer(struct raw *raw);
/* READY, and the address of the destination. */
void raw_get_ready(struct raw *raw);
/* A SEND of one segment, so far without fault. */
struct vmsgif_tx_request *raw_send_request(struct raw *raw, uint32_t len);

#endif
