/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A local client by hand: packets, rings and slots as the test wants them,
 * hostile ones too.
 */
#ifndef LOCAL_RAW_H
#define LOCAL_RAW_H

#include "common/local.h"
#include "common/xen-compat.h"

#include <stdbool.h>
#include <sys/types.h>

#define RAW_PAGES 8

struct raw {
	int fd;
	uint64_t instance;
	struct local_welcome welcome;
	int memory; /* the descriptor that came; -1: none */
	uint8_t *va;
	struct local_layout l;
	struct vmsgif_tx_sring *tx;
	struct vmsgif_rx_sring *rx;
	uint32_t tx_prod, tx_cons, rx_prod, rx_cons;
};

/* A connection to @path; nothing is said. */
void raw_connect(struct raw *r, const char *path);
/* As raw_connect(), for those that may fail: 0 or a negative errno. */
int raw_try_connect(struct raw *r, const char *path);
void raw_close(struct raw *r);
/* What a client of RAW_PAGES pages for each direction and rings of one page says. */
struct local_hello raw_hello(const struct raw *r);
/* @fd: a descriptor that goes with it, or -1. False: the socket does not take it. */
bool raw_send(struct raw *r, const void *packet, size_t len, int fd);
bool raw_say(struct raw *r, enum local_type type);
/* The next packet: its length; 0: the end; -1: none. *@fd: what came with it. */
ssize_t raw_recv(struct raw *r, void *packet, size_t size, int *fd);
/* REFUSED or CLOSED is the next packet: its status, *@reason its text (static). */
int raw_end(struct raw *r, enum local_type type, const char **reason);
/* WELCOME is: takes it and maps the memory. Rings are made for it. */
void raw_welcome(struct raw *r);
/* False: it is not. */
bool raw_try_welcome(struct raw *r);

/* Page @ref of the memory. */
void *raw_page(struct raw *r, uint32_t ref);
/* Requests, visible at once; no bell. Responses: false: none. */
void raw_tx(struct raw *r, const struct vmsgif_tx_request *req);
void raw_rx(struct raw *r, uint16_t id, uint32_t ref, bool pooled);
bool raw_tx_rsp(struct raw *r, struct vmsgif_tx_response *rsp);
bool raw_rx_rsp(struct raw *r, struct vmsgif_rx_response *rsp);
/* Bells since the last call of this; anything else fails the test. */
unsigned int raw_bells(struct raw *r);

#endif
