/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* For a reset: consuming the last responses of a broker. */
#ifndef XENMSG_CORE_POLL_H
#define XENMSG_CORE_POLL_H

#include "frontend/core/state.h"

/* Consumes all that is published and posts nothing. */
void vmsg_poll_all(struct vmsg *v);

#endif /* XENMSG_CORE_POLL_H */
