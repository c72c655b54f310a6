/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* What the ways to send have in common. */
#ifndef XENMSG_CORE_SEND_H
#define XENMSG_CORE_SEND_H

#include "frontend/core/state.h"

/* @len bytes, at most 32; the rest of the 32 becomes 0. */
static inline void vmsg_copy_inline(uint8_t *to, const void *from, uint32_t len)
{
	const uint8_t *bytes = from;

	__builtin_memset(to, 0, VMSGIF_INLINE_MAX);
	if (len >= 16) {
		__builtin_memcpy(to, bytes, 16);
		__builtin_memcpy(to + len - 16, bytes + len - 16, 16);
	} else if (len >= 8) {
		__builtin_memcpy(to, bytes, 8);
		__builtin_memcpy(to + len - 8, bytes + len - 8, 8);
	} else if (len >= 4) {
		__builtin_memcpy(to, bytes, 4);
		__builtin_memcpy(to + len - 4, bytes + len - 4, 4);
	} else {
		while (len--)
			to[len] = bytes[len];
	}
}

/* Counts the SEND @s in, which is of the next number. */
static inline void vmsg_send_count(struct vmsg *v, struct vmsg_shadow *s, struct vmsg_port *port,
				   struct vmsg_window *window, uint64_t cookie, union vmsg_tag tag)
{
	v->free = s->next_free;
	v->nr_wait++;
	v->seq++;
	window->count++;
	port->unanswered++;
	s->port = port;
	s->window = window;
	s->cookie = cookie;
	s->tag = tag;
}

#endif /* XENMSG_CORE_SEND_H */
