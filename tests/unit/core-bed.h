/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device of frontend/core over plain memory, with the other end of its rings
 * in the hands of the test: requests are taken one by one, responses are
 * written one by one, right or wrong. What the engine calls back is kept as a
 * list of events in order. core-bed.c has the device and the shortcuts,
 * core-bed-rings.c the other end, core-bed-events.c the list.
 */
#ifndef TESTS_UNIT_CORE_BED_H
#define TESTS_UNIT_CORE_BED_H

#include <check.h>

#include "frontend/core/core.h"

#define CBED_ADDR  0x00070001u /* own address, unless the test says otherwise */
#define CBED_PEER  0x00080002u
#define CBED_PORT  77u
#define CBED_SLOTS VMSGIF_RING_SLOTS(VMSGIF_MAX_RING_ORDER) /* of the largest ring */

enum cbed_kind {
	CBED_NONE,
	CBED_SEND_DONE,
	CBED_SEND_FAILED, /* cookie: its number; len: of so many messages */
	CBED_READABLE,
	CBED_WRITABLE,
	CBED_CONTROL_DONE,
	CBED_PEER_UP,
	CBED_RESOLVED,
	CBED_PEER_DOWN,
	CBED_POOL_MAP,
	CBED_POOL_UNMAP,
	CBED_POOL_FREE,
	CBED_POOL_GONE,
	CBED_LOST,
};

struct cbed_event {
	enum cbed_kind kind;
	struct vmsg_port *port;
	uint64_t cookie;
	int status;
	uint32_t addr, dst_port; /* PEER_*, RESOLVED, POOL_MAP; the answer of a RESOLVE */
	unsigned int slot;	 /* POOL_*: slot or id */
	uint32_t ref, nr_pages;
	bool detach;
	unsigned int len;
	char name[VMSGIF_NAME_MAX + 1];
};

#define CBED_EVENTS 4096u

struct cbed {
	struct vmsg *v;
	struct vmsg_params params;
	struct vmsg_features features;
	size_t ring_bytes;
	void *tx_ring, *rx_ring;
	void *tx_pages[VMSGIF_POOL_PAGES_MAX], *rx_pages[VMSGIF_POOL_PAGES_MAX];
	uint32_t tx_grefs[VMSGIF_POOL_PAGES_MAX], rx_grefs[VMSGIF_POOL_PAGES_MAX];
	/* the other end's indexes; requests are taken from the published ones */
	uint32_t tx_cons, tx_prod, rx_cons, rx_prod;
	struct vmsgif_rx_request
		posted[CBED_SLOTS]; /* by slot: the pages of all requests up to rx_cons */
	unsigned int rx_requests;   /* written since the connection */
	struct cbed_event events[CBED_EVENTS];
	unsigned int first_event, nr_events;
	bool pool_map_at_once; /* answer pool_map() from within, with map_va */
	bool pool_unmap_later; /* do not answer pool_unmap() from within */
	const void *map_va;
	bool no_lost; /* do not give callbacks that may be NULL */
};

/* What the engine calls back: all of it becomes events. The second goes without what may be NULL. */
extern const struct vmsg_ops cbed_ops, cbed_ops_no_lost;

/* Defaults that a test may change before cbed_init(). */
void cbed_defaults(struct cbed *bed);
void cbed_init(struct cbed *bed);
void cbed_deinit(struct cbed *bed);
/* A port with @size bytes of memory, or none; freed with cbed_port_free(). */
struct vmsg_port *cbed_port(struct cbed *bed, size_t size);
void cbed_port_free(struct cbed *bed, struct vmsg_port *port);

/* ------------------------------------------------------------- connection */

/* Fresh rings and Connected; nothing is answered. */
void cbed_connect(struct cbed *bed);
/* The same, and answers until READY; then polls. */
void cbed_up(struct cbed *bed);
void cbed_down(struct cbed *bed);
bool cbed_publish(struct cbed *bed);
void cbed_poll(struct cbed *bed);

/* ------------------------------------------------------- the other end: TX */

/* The next published request, or false. Its form is checked against the protocol. */
bool cbed_next(struct cbed *bed, struct vmsgif_tx_request *req);
/* There is one and it is of kind @op. */
struct vmsgif_tx_request cbed_expect(struct cbed *bed, unsigned int op);
void cbed_expect_none(struct cbed *bed);
struct vmsgif_tx_response cbed_response(const struct vmsgif_tx_request *req, int status);
void cbed_answer_raw(struct cbed *bed, const struct vmsgif_tx_response *rsp);
void cbed_answer(struct cbed *bed, const struct vmsgif_tx_request *req, int status);
/* Publishes the index, and polls. */
void cbed_answered(struct cbed *bed, const struct vmsgif_tx_request *req, int status);
void cbed_tx_publish(struct cbed *bed);
/* Answers all that is published with 0, kinds of @keep (bits) excepted: they are left. */
void cbed_answer_all(struct cbed *bed, unsigned int keep);
/* The page or bytes that a request names. */
void *cbed_tx_page(struct cbed *bed, const struct vmsgif_tx_request *req, uint32_t ref);
void cbed_payload(struct cbed *bed, const struct vmsgif_tx_request *req, void *out);

/* ------------------------------------------------------- the other end: RX */

unsigned int cbed_rx_posted(const struct cbed *bed);
/* RX pages that are in no message: posted, or free. */
unsigned int cbed_rx_pages(const struct cbed *bed);
/* Takes in what is posted; checked against the protocol, too. */
void cbed_rx_look(struct cbed *bed);
/* The page that the next response will be about, and the response's begin. */
void *cbed_rx_page(struct cbed *bed);
/* Writes a response to the next RX request; the id is set. */
void cbed_rx(struct cbed *bed, struct vmsgif_rx_response rsp);
/* The page that is next has more of the message; its slot is not written, but has rubbish. */
void cbed_rx_rest(struct cbed *bed);
/* Writes a response with the id that it has. */
void cbed_rx_raw(struct cbed *bed, const struct vmsgif_rx_response *rsp);
void cbed_rx_publish(struct cbed *bed);
/* An event without a name; and one that is published at once. */
struct vmsgif_rx_response cbed_rx_event(unsigned int type, uint32_t addr);
void cbed_tell(struct cbed *bed, struct vmsgif_rx_response rsp);
struct vmsgif_rx_response cbed_msg(uint32_t port, uint64_t seq, const void *data, uint32_t len);
/* A whole message from CBED_PEER, inline or in pages, published. */
void cbed_deliver(struct cbed *bed, uint32_t port, uint64_t seq, const void *data, uint32_t len);

/* ---------------------------------------------------------------- shortcuts */

struct vmsg_port *cbed_bound_port(struct cbed *bed, uint32_t number, size_t size);
int cbed_send(struct cbed *bed, struct vmsg_port *port, const void *data, uint32_t len,
	      uint64_t cookie);
/* With TX pages, one segment each. */
int cbed_send_pages(struct cbed *bed, struct vmsg_port *port, const void *data, uint32_t len,
		    uint64_t cookie);
/* Receives a message, checks its bytes. NULL if there is none. */
struct vmsg_msg *cbed_recv(struct cbed *bed, struct vmsg_port *port, struct vmsg_info *info);
void cbed_expect_msg(struct cbed *bed, struct vmsg_port *port, uint64_t seq, const void *data,
		     uint32_t len);
unsigned int cbed_gather(struct cbed *bed, struct vmsg_port *port, const struct vmsg_msg *msg,
			 void *out);
void cbed_fill(void *data, size_t len, unsigned int seed);

/* The next event; kind CBED_NONE if there is none. */
struct cbed_event cbed_event(struct cbed *bed);
struct cbed_event cbed_expect_event(struct cbed *bed, enum cbed_kind kind);
void cbed_no_event(struct cbed *bed);
void cbed_forget_events(struct cbed *bed);
struct vmsg_stats cbed_stats(struct cbed *bed);

/* The device is broken and says @reason. */
void cbed_expect_broken(struct cbed *bed, const char *reason);
/*
 * The same, and it stays so until a new instance connects, which is done here:
 * that has all pages again, but @held of the RX ones. Events are forgotten.
 */
void cbed_expect_broken_once(struct cbed *bed, const char *reason, unsigned int held);
/* The engine has all TX pages, and all RX pages but @held are posted. */
void cbed_expect_pages(struct cbed *bed, unsigned int held);

int cbed_run(Suite *suite);

#endif
