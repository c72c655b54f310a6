/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes of this domain as endpoints: the listening socket, the clients, and
 * what is kept of them for the next broker. The protocol is in common/local.h.
 *
 *   local.c         connections up to their HELLO; users and limits
 *   local-client.c  one client from then on: its memory, its events, its end
 *   local-store.c   what must survive this broker
 *
 * Model. A connection is a struct greeter until it says HELLO; then it becomes,
 * or is given to, a struct local_client, which is a device on the bus "local".
 * A client without a connection is awaited: it lived under an earlier broker.
 *
 * Clients are as hostile as guests. They are told apart by user, as the kernel
 * says (SO_PEERCRED): connections, clients and pages are bounded for each user
 * and in all, connecting has a rate. Nothing that comes from a client is ever
 * waited for, and no descriptor of it is taken.
 */
#ifndef XENMSG_BACKEND_LOCAL_H
#define XENMSG_BACKEND_LOCAL_H

#include "backend/device.h"
#include "common/local.h"

#include <sys/socket.h>
#include <sys/types.h>

/* Clients: in all, of one user. */
#define LOCAL_CLIENTS	   1024u
#define LOCAL_USER_CLIENTS 64u
/* Connections that have not said HELLO. */
#define LOCAL_GREETERS	    256u
#define LOCAL_USER_GREETERS 64u
/* Pages of clients' memory. A usual client has 612. */
#define LOCAL_PAGES	 (128u * 1024)
#define LOCAL_USER_PAGES (48u * 1024)
/* Connects of one user: at once, and a second. */
#define LOCAL_CONNECT_BURST 256u
#define LOCAL_CONNECT_RATE  64u
/* Connections taken in a turn of the loop, and packets of one client. */
#define LOCAL_ACCEPTS 16
#define LOCAL_PACKETS 32
/* Users that are remembered for their limits. */
#define LOCAL_USERS 2048u

#define LOCAL_LABEL_MAX (VMSGIF_NAME_MAX + 40)

struct local;

struct local_user {
	struct list link;
	uid_t uid;
	unsigned int greeters;
	unsigned int clients;
	unsigned int pages;
	struct token_bucket connects;
};

struct local_client {
	struct device dev;
	struct local *local;
	struct local_user *user;
	unsigned int slot;
	pid_t pid;
	gid_t gid;
	char label[LOCAL_LABEL_MAX]; /* for logs */
	char subject[LOCAL_LABEL_MAX];
	/* The connection; -1 and NULL while it is awaited. */
	int fd;
	sd_event_source *source;
	bool masked; /* an event was taken in, and no more are wanted now */
	bool died;
	uint64_t deadline; /* for its return or its START; UINT64_MAX: none */
	struct spurious spurious;
	uint8_t *memory;
	unsigned int ring_order;
	unsigned int nr_pages;
};

struct local {
	struct backend *b;
	int fd; /* listens; -1: not yet */
	sd_event_source *source;
	sd_event_source *timer;
	uint64_t timer_at;   /* UINT64_MAX: not set */
	uint64_t deaf_until; /* accept() failed: no more before */
	bool taken_over;     /* what an earlier broker left is known */
	struct list users;
	unsigned int nr_users;
	struct list greeters;
	unsigned int nr_greeters;
	struct list clients; /* their dev.link, the last one connected last */
	unsigned int nr_clients;
	unsigned int nr_pages;
	unsigned int next_slot;
	struct local_client *by_slot[LOCAL_CLIENTS];
	uint64_t litter[LOCAL_CLIENTS / 64]; /* slots whose nodes could not be removed */
};

extern const struct bus local_bus;

int local_new(struct local **out, struct backend *b);
/* Without callbacks. @remove: clients are told that it is for good. */
void local_free(struct local *l, bool remove);
/* From a rescan: takes over what an earlier broker left, once; removes what is to go. */
int local_scan(struct backend *b);
/* Have local's timer fire at @when at the latest. */
void local_timer_at(struct local *l, uint64_t when);
/* NULL: no memory, or too many. */
struct local_user *local_user_get(struct local *l, uid_t uid);

/* Packets. Nothing waits; what cannot be sent is not. @fd: also its descriptor, or -1. */
bool local_send(int socket, const void *packet, size_t len, int fd);
/* REFUSED or CLOSED. */
void local_send_end(int socket, enum local_type type, int status, const char *reason);

/* A client with neither connection nor address in a free slot. NULL: no memory. */
struct local_client *local_client_new(struct local *l, unsigned int slot, struct local_user *user);
/* It lived under @addr with an earlier broker, which said so. */
void local_client_await(struct local_client *c, uint32_t addr, uint64_t instance);
/*
 * It said HELLO on @fd: make its memory, settle its address and answer. 0: @fd is
 * the client's; else a negative errno, *@why says what failed, and it is as before.
 */
int local_client_welcome(struct local_client *c, int fd, const struct local_hello *hello,
			 const struct ucred *cred, const char **why);
/* Its end: the address dies, the nodes and the client go. */
void local_client_end(struct local_client *c);
/* Nothing is done in xenstore, and only a client that is known is gone to the broker. */
void local_client_free(struct local_client *c);

/* What is in xenstore of a client. */
int local_store_put(struct local_client *c);
/* Tried again later if it fails. */
void local_store_remove(struct local *l, unsigned int slot);
int local_store_take_over(struct local *l);
int local_store_sweep(struct local *l);

#endif
