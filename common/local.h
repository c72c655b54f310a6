/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Between xenmsgd and a process of its own domain: a socket in place of
 * xenstore and event channels, shared memory in place of grants.
 *
 * Model. Rings, requests, pools and everything above are those of
 * <xen/io/vmsgif.h>. What differs is how the two come together: one
 * SOCK_SEQPACKET connection per client, on which packets of the types below go.
 *
 *	CLIENT                              BROKER
 *	HELLO       ------------------->
 *	            <-------------------    WELCOME, with the memory; or REFUSED
 *	maps the memory, makes the rings
 *	START       ------------------->    consumes the rings from now on
 *	BELL        <------------------>    BELL
 *	            <-------------------    CLOSED, for a violation or for good
 *
 * BELL is the event: whoever gets one looks at the rings. It is sent without
 * waiting; a socket that takes no more has unread ones in it.
 *
 * The end of the connection without CLOSED is a broker that died or restarts:
 * the client connects again with the same instance, and keeps its address if it
 * is the same user and does so within LOCAL_AWAIT_NS. The other way round, it is
 * the client's death.
 *
 * Memory. The broker makes a memfd for each connection, of a size that is sealed,
 * and passes it with WELCOME; it never takes a descriptor from a client, since
 * already closing one may block. A "grant reference" is the number of a page in
 * the memory, from 1. The layout is that of struct local_layout.
 *
 * All numbers are in the host's order: both ends run on one machine.
 */
#ifndef XENMSG_COMMON_LOCAL_H
#define XENMSG_COMMON_LOCAL_H

#include <stdint.h>
#include <xen/io/vmsgif.h>

#define LOCAL_SOCKET  "/run/xenmsg/local"
#define LOCAL_VERSION 1

/* How long a broker waits for a client of an earlier one, and for HELLO and START. */
#define LOCAL_AWAIT_NS	   UINT64_C(10000000000)
#define LOCAL_HANDSHAKE_NS UINT64_C(5000000000)

enum local_type {
	LOCAL_HELLO = 1,
	LOCAL_WELCOME,
	LOCAL_REFUSED,
	LOCAL_START,
	LOCAL_BELL,
	LOCAL_CLOSED,
};

/* HELLO. Reserved fields are 0. */
struct local_hello {
	uint32_t type;
	uint32_t version;    /* highest that the client speaks */
	uint64_t instance;   /* random, not 0; of one life of the client */
	uint32_t ring_order; /* wanted; it may get less */
	uint32_t tx_pages;   /* 1 to VMSGIF_POOL_PAGES_MAX */
	uint32_t rx_pages;
	uint32_t reserved;
};

/* WELCOME; the memory comes with it. */
struct local_welcome {
	uint32_t type;
	uint32_t version; /* spoken from now on */
	uint32_t addr;
	uint32_t ring_order;
	uint32_t flow_window;
	uint32_t max_message;
	uint32_t max_pool_pages;
	uint32_t max_maps;
	uint32_t feature_map;
	uint32_t reserved;
};

/* START, BELL. */
struct local_word {
	uint32_t type;
};

/* REFUSED, CLOSED. The packet may be shorter than this: the text ends with it. */
#define LOCAL_REASON_MAX 256
struct local_end {
	uint32_t type;
	int32_t status; /* negative errno; -EAGAIN: try again later */
	char reason[LOCAL_REASON_MAX];
};

/* Longest packet of all. */
#define LOCAL_PACKET_MAX sizeof(struct local_end)

/* Where in the memory what is: page numbers, from 1. */
struct local_layout {
	uint32_t ring_pages; /* of each ring */
	uint32_t tx_ring, rx_ring;
	uint32_t tx_pages, tx_directory;
	uint32_t rx_pages, rx_directory;
	uint32_t nr_pages; /* in all */
};

static inline struct local_layout local_layout(uint32_t ring_order, uint32_t nr_tx, uint32_t nr_rx)
{
	struct local_layout l = { .ring_pages = UINT32_C(1) << ring_order };

	l.tx_ring = 1;
	l.rx_ring = l.tx_ring + l.ring_pages;
	l.tx_pages = l.rx_ring + l.ring_pages;
	l.tx_directory = l.tx_pages + nr_tx;
	l.rx_pages = l.tx_directory + 1;
	l.rx_directory = l.rx_pages + nr_rx;
	l.nr_pages = l.rx_directory;
	return l;
}

#endif
