/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Who was told -EAGAIN, and why. Each port is on one list in the order in
 * which they asked; ops->writable() is called once its reason is over, which
 * is looked at once per batch, not per answer.
 */
#ifndef XENMSG_CORE_WAIT_H
#define XENMSG_CORE_WAIT_H

#include "frontend/core/state.h"

/* @why: VMSG_WAIT_*; always -EAGAIN. */
int vmsg_wait(struct vmsg *v, struct vmsg_port *port, unsigned int why);
int vmsg_wait_window(struct vmsg *v, struct vmsg_port *port, struct vmsg_window *window);
int vmsg_wait_pages(struct vmsg *v, struct vmsg_port *port, unsigned int nr);
/* A request that belongs to no port. */
int vmsg_wait_control(struct vmsg *v);
void vmsg_wait_cancel(struct vmsg *v, struct vmsg_port *port);
/* Calls ops->writable() for whom that is due. */
void vmsg_wait_wake(struct vmsg *v);

#endif /* XENMSG_CORE_WAIT_H */
