/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is where: peers by address and by name, ports and services of a peer, and
 * what is remembered of traffic between them.
 *
 *   name   a domain's name, kept while a peer has it or somebody subscribed.
 *          Several peers can have one: the processes of the broker's domain
 *   port   an endpoint that a domain has bound
 *   pair   one domain sends to another: its share of the receiver's queue
 *   flow   (source address, destination port): order, window, and the policy's
 *          decision, so that the policy is asked once per flow
 *
 * A flow whose port is bound hangs from the port. While the receiver has not
 * said READY, flows to ports not bound yet wait as its orphans. Flows without
 * messages are kept for their decision, at most FLOWS_MAX per sender.
 */
#ifndef XENMSG_BROKER_ROUTE_H
#define XENMSG_BROKER_ROUTE_H

#include "broker/event.h"
#include "broker/policy.h"
#include "common/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct charge;
struct peer;
struct message;

/* More than the most messages that a domain can have under way (1,024 slots). */
#define FLOWS_MAX     1536u
#define ROUTE_BUCKETS 64u /* of the tables of one peer */
#define ROUTE_NAMES   1024u
#define ROUTE_DEAD    1024u

struct name {
	struct list hash;
	struct list peers; /* that have it, in the order in which they connected */
	struct list subs;  /* struct subscription */
	unsigned int refs;
	char text[];
};

struct port {
	struct list hash;	/* peer->ports */
	struct list in_service; /* route->services, with a service */
	struct list flows;
	/* Flows whose next message exceeds the credit; need: that of the first of them. */
	struct list starved;
	uint64_t need; /* 0: nothing is starved */
	uint64_t credit;
	uint64_t used;
	struct peer *peer;
	struct message *unbind; /* unanswered; NULL: bound */
	uint32_t number;
	uint32_t max_len;
	unsigned int held; /* map-mode messages not released */
	char *service;	   /* or NULL */
	bool revoked;	   /* its domain may not offer that service any more */
};

struct pair {
	struct list hash;     /* src->pairs */
	struct list in_dst;   /* dst->senders */
	struct list active;   /* dst->queue.active, while runnable is not empty */
	struct list runnable; /* flows with something to deliver, the next in turn first */
	struct list waiting;  /* flows that wait for a release, a pool or the end of draining */
	struct peer *src;
	struct peer *dst;
	uint64_t deficit;
	uint64_t quantum;
	unsigned int queued; /* messages */
	unsigned int held;   /* map-mode messages taken from the queue and not released */
	bool known;	     /* the receiver has seen something of the sender */
	bool draining;	     /* what comes now is not delivered; see drain.h */
	struct event down;
};

struct flow {
	struct list hash;    /* src->flows */
	struct list in_src;  /* src->all_flows */
	struct list in_port; /* port->flows or dst->orphans */
	struct list run;     /* pair->runnable, pair->waiting, port->starved; or alone */
	struct list queued;  /* messages */
	struct list held;    /* messages */
	struct pair *pair;
	struct port *port; /* NULL: an orphan */
	uint32_t addr;	   /* of the destination */
	uint32_t number;   /* of its port */
	unsigned int open; /* messages not answered */
	uint64_t messages; /* delivered since it began */
	uint64_t bytes;	   /* their payload */
	struct decision decision;
	struct charge *charge; /* of the decision's rule, or NULL */
};

/* Of an address that is gone, to tell its former partners so. */
struct dead {
	uint32_t addr;
	char name[VMSGIF_NAME_MAX + 1];
};

struct route {
	struct peer **by_domid; /* 65536: a domain has one address at a time */
	struct list peers;	/* all */
	unsigned int nr_peers;
	struct list names[ROUTE_NAMES];
	struct list services[ROUTE_NAMES]; /* ports, by a hash of the service */
	struct dead *dead; /* ROUTE_DEAD, by a hash of the address: a new one takes the place */
	uint64_t seed;	   /* odd; guests choose what is hashed */
};

int route_init(struct route *route);
void route_deinit(struct route *route);

/* Under its address; and under @name unless that is "". -ENOMEM. */
int route_add(struct route *route, struct peer *peer, const char *name);
/*
 * Under @text instead, "": under none. -ENOMEM, and it is as before. Its former name
 * stays counted, for the caller to put.
 */
int route_rename(struct route *route, struct peer *peer, const char *text);
void route_remove(struct route *route, struct peer *peer);
/* The living peer with exactly this address, or NULL. */
struct peer *route_peer(const struct route *route, uint32_t addr);
/* The name, as far as known, of whom @addr belonged to; "" if it is not. */
const char *route_old_name(const struct route *route, uint32_t addr);

/* Counted. NULL: no memory. */
struct name *name_get(struct route *route, const char *text);
void name_put(struct name *name);
/* Without counting; NULL: nobody has it or asked for it. */
struct name *name_find(const struct route *route, const char *text);
/* Whom it means: of those who have it the last one that said READY, else the last one; or NULL. */
struct peer *name_peer(const struct name *name);
/* The bucket of route->services that @service belongs to. */
struct list *route_services(struct route *route, const char *service);

/* The name that it can be reached by, or NULL. */
static inline const char *port_service(const struct port *port)
{
	return port->revoked ? NULL : port->service;
}

struct port *port_find(const struct peer *peer, uint32_t number);
/* The port with that service, at @peer or at another one of the same name. */
struct port *port_find_service(const struct peer *peer, const char *service);
/* NULL: no memory. @service is copied. */
struct port *port_new(struct peer *peer, uint32_t number, const char *service);
/* Its flows have neither queued nor held messages; they go with it. */
void port_destroy(struct port *port);

struct pair *pair_find(const struct peer *src, const struct peer *dst);

struct flow *flow_find(const struct peer *src, uint32_t addr, uint32_t number);
/* A new flow at @port, or an orphan if that is NULL. NULL: no memory. */
struct flow *flow_new(struct peer *src, struct peer *dst, struct port *port, uint32_t number,
		      const struct decision *decision);
/* An orphan's port was bound. */
void flow_attach(struct flow *flow, struct port *port);
/* It has neither queued nor held messages. */
void flow_free(struct flow *flow);
/* As the sender of all: no messages any more. Pairs stay. */
void flows_free(struct peer *src);

/* Where the pair of a new flow is made or found. NULL: no memory. */
struct pair *pair_get(struct peer *src, struct peer *dst);
/* Off all lists, and freed. It has no flows. */
void pair_free(struct pair *pair);
/* Off the tables, but not freed: what remains is pair->down. */
void pair_detach(struct pair *pair);

#endif
