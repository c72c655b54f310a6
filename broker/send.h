/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SENDs: from a validated request to a message in a queue, or a refusal.
 */
#ifndef XENMSG_BROKER_SEND_H
#define XENMSG_BROKER_SEND_H

#include "broker/message.h"

struct decision;
struct excess;
struct flow;
struct peer;

void send_serve(struct peer *src, const struct request *req, const struct vmsgif_segment *segs);

/* Answer queued message @m with @status, which is not 0. */
void send_fail(struct message *m, int status);
/* @port of @dst was bound: its orphaned flows get their port, or their messages fail. */
void send_attach(struct port *port);
/* The policy has changed: @flow has messages, and those that it forbids now fail. */
void send_decide_anew(struct flow *flow);
/* @dst said READY: who is still an orphan waits for nothing. */
void send_drop_orphans(struct peer *dst);

/*
 * Nobody has the address: VMSGIF_EHOSTUNREACH, or VMSGIF_EACCES to who may not
 * talk to whoever had it, so that both look alike to him.
 */
int send_unknown(struct peer *src, uint32_t addr, uint32_t port, const char *mode);
/* Count, and log within limits, that the policy refused. */
void send_log_refused(struct peer *src, const struct peer *dst, uint32_t port, const char *mode,
		      const struct decision *decision);
/* Log within limits that a rate or quota is used up; @dst is NULL if it is nobody's. */
void send_log_excess(struct peer *src, const struct peer *dst, uint32_t port,
		     const struct excess *excess);

#endif
