/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names: RESOLVE, SUBSCRIBE, and who comes and goes.
 *
 * The policy is asked first: to who may not talk to a domain, it looks as if it
 * did not exist. Look-ups for a domain that has not said READY wait for it.
 *
 * The name of the broker's own domain is that of each process there that is a
 * peer. It means the last of them that connected and is READY; a subscriber is
 * told whenever that is another one. A service is that of whichever has bound it,
 * and only one can.
 */
#ifndef XENMSG_BROKER_LOOKUP_H
#define XENMSG_BROKER_LOOKUP_H

#include "broker/event.h"
#include "broker/message.h"

struct name;
struct peer;

/* A RESOLVE that waits: for its target, or for its event to be told. */
struct lookup {
	struct event event; /* of an address: brings the name */
	struct message *message;
	struct name *name; /* that the event brings, counted; or NULL */
	uint32_t addr;	   /* 0: by name */
	char text[];	   /* the name */
};

/* Who sends to whom, or receives from: either may know of the other. */
bool lookup_may_know(struct peer *peer, const char *name);
/* @name: NULL if it is by address. */
void lookup_resolve(struct peer *peer, const struct request *req, const char *name);
void lookup_subscribe(struct peer *peer, const struct request *req, const char *name);

/* @peer said READY: who waits for it, or subscribed to its name, is to know. */
void lookup_ready(struct peer *peer);
/*
 * @peer dies: answer who waits for it; tell its subscribers, but those whose
 * told_down says that they know; drop its own subscriptions.
 */
void lookup_down(struct peer *peer);
/*
 * @peer has the name that it has now instead of @old, which may be NULL and is not
 * counted for it any more. Those who know its address hear nothing: it lives.
 */
void lookup_renamed(struct peer *peer, struct name *old);
/* The policy has changed. */
void lookup_decide_anew(struct peer *peer);
/* The slot of a RESOLVE is freed. */
void lookup_free(struct peer *peer, struct lookup *lookup);

#endif
