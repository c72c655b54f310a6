/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* RESOLVE and SUBSCRIBE. Subscriptions are told to each broker anew, RESOLVEs are repeated. */
#ifndef XENMSG_CORE_CONTROL_H
#define XENMSG_CORE_CONTROL_H

#include "frontend/core/state.h"

/* RESOLVE @s, which is not posted any more, is over. */
void vmsg_resolve_end(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_answer *answer);
/* The answer to SUBSCRIBE of subscription @index. */
void vmsg_subscribed(struct vmsg *v, unsigned int index, int status);
void vmsg_sub_pump(struct vmsg *v);
void vmsg_sub_reset_all(struct vmsg *v);
void vmsg_sub_shutdown_all(struct vmsg *v, int status);

#endif /* XENMSG_CORE_CONTROL_H */
