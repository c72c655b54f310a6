/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* What vmsg_send() has to do with vmsg_join(). */
#ifndef XENMSG_CORE_JOIN_H
#define XENMSG_CORE_JOIN_H

#include "frontend/core/state.h"

/* Opens @s, if it can be. */
void vmsg_join_open(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_send *send);

/* @send was posted as @s. */
static inline void vmsg_join_begin(struct vmsg *v, struct vmsg_shadow *s,
				   const struct vmsg_send *send)
{
	if (vmsg_unlikely(send->open))
		vmsg_join_open(v, s, send);
}

#endif /* XENMSG_CORE_JOIN_H */
