/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Ports: the table of bound ones, the way from BIND to UNBIND, and the list of
 * ports with work for the TX ring (BIND, RELEASE, CREDIT, UNBIND), which is
 * served round robin, so that one port's releases do not hold up another's
 * credit.
 */
#ifndef XENMSG_CORE_PORT_H
#define XENMSG_CORE_PORT_H

#include "frontend/core/state.h"

struct vmsg_port *vmsg_port_find(const struct vmsg *v, uint32_t number);
/* Puts @port on the list of ports with work; @flags: what there is to do, if it has a flag. */
void vmsg_port_work(struct vmsg *v, struct vmsg_port *port, unsigned int flags);
/* Serves the list: BINDs alone, or all. */
void vmsg_port_pump(struct vmsg *v, bool binds_only);

/* The answers. */
void vmsg_port_bound(struct vmsg *v, struct vmsg_port *port, int status);
void vmsg_port_unbound(struct vmsg *v, struct vmsg_port *port);
void vmsg_port_credited(struct vmsg *v, struct vmsg_port *port);

/* The broker is away: what it knew is void. Ports that were being unbound are. */
void vmsg_port_reset_all(struct vmsg *v);
/* The device is shut down: ends also what was not bound yet, with @status. */
void vmsg_port_shutdown_all(struct vmsg *v, int status);

#endif /* XENMSG_CORE_PORT_H */
