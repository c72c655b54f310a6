/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* What those who post requests have to do with vmsg_join(); see join.c. */
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

/* The RELEASE @s was posted: it is open. */
void vmsg_join_open_release(struct vmsg *v, struct vmsg_shadow *s);
/* Makes the message one that the RELEASE posted last, if that is open, is about. False: it is not. */
bool vmsg_join_release(struct vmsg *v, uint32_t addr, uint32_t number, uint64_t seq);

#endif /* XENMSG_CORE_JOIN_H */
