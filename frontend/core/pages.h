/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * TX pages. Each is free, with the caller, or in one message that is not
 * answered; the pages of a message with a list are chained through their
 * marks, in private memory, for the list itself is in sight of the broker.
 */
#ifndef XENMSG_CORE_PAGES_H
#define XENMSG_CORE_PAGES_H

#include "frontend/core/state.h"

/* Makes the pages of @send those of @s, whose request says so. 0 or -EINVAL: they stay the caller's. */
int vmsg_pages_take_message(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_send *send);
/* The pages of @s are free. */
void vmsg_pages_put_message(struct vmsg *v, struct vmsg_shadow *s);

#endif /* XENMSG_CORE_PAGES_H */
