/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports of a domain: BIND, UNBIND, CREDIT, RELEASE, READY.
 */
#ifndef XENMSG_BROKER_BIND_H
#define XENMSG_BROKER_BIND_H

#include "backend/backend.h"

struct peer;
struct port;

void bind_serve(struct peer *peer, const struct request *req, const char *service);
void unbind_serve(struct peer *peer, const struct request *req);
void credit_serve(struct peer *peer, const struct request *req);
void release_serve(struct peer *peer, const struct request *req);
void ready_serve(struct peer *peer, const struct request *req);

/* A map-mode message handed to @port is released or gone: perhaps it was the last. */
void unbind_check(struct port *port);

#endif
