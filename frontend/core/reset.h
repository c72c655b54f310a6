/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Connections: what a new broker has to hear, in which order, and what remains
 * of an old one.
 */
#ifndef XENMSG_CORE_RESET_H
#define XENMSG_CORE_RESET_H

#include "frontend/core/state.h"

/* The answer about the TX or the RX pool. */
void vmsg_device_pool_added(struct vmsg *v, unsigned int type, int status);
/* Posts all that waits to be posted, as far as there are shadows. */
void vmsg_pump(struct vmsg *v);

#endif /* XENMSG_CORE_RESET_H */
