/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Clean-up at the end of a scope, for userspace code.
 *
 *	DEFINE_CLEANUP(struct thing *, thing_free)
 *
 *	_cleanup_(thing_freep) struct thing *thing = NULL;
 *	...
 *	*out = steal_ptr(&thing);	(ownership goes on; nothing is freed here)
 *
 * A variable with a clean-up must be initialised where it is defined.
 */
#ifndef XENMSG_COMMON_CLEANUP_H
#define XENMSG_COMMON_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(function) __attribute__((__cleanup__(function)))

/* Defines <function>p(), for _cleanup_: calls the function unless the pointer is NULL. */
#define DEFINE_CLEANUP(type, function)           \
	static inline void function##p(type *at) \
	{                                        \
		if (*at)                         \
			function(*at);           \
	}                                        \
	struct cleanup_wants_a_semicolon_

/* The same for what is not a pointer: `unset` is the value that needs no clean-up. */
#define DEFINE_CLEANUP_VALUE(type, function, unset) \
	static inline void function##p(type *at)    \
	{                                           \
		if (*at != (unset))                 \
			function(*at);              \
	}                                           \
	struct cleanup_wants_a_semicolon_

/* The pointer's value, which is NULL from now on: whoever takes it owns it. */
#define steal_ptr(at)                                        \
	({                                                   \
		__typeof__(at) steal_at_ = (at);             \
		__typeof__(*(at)) steal_value_ = *steal_at_; \
		*steal_at_ = NULL;                           \
		steal_value_;                                \
	})

/* The file descriptor, which is -1 from now on. */
static inline int steal_fd(int *at)
{
	int fd = *at;

	*at = -1;
	return fd;
}

/* `_cleanup_(freep) char *text = NULL;`: free() for a pointer of any type. */
static inline void freep(void *at)
{
	free(*(void **)at);
}

/* `_cleanup_(closep) int fd = -1;` */
static inline void closep(const int *at)
{
	if (*at >= 0)
		close(*at);
}

DEFINE_CLEANUP(FILE *, fclose);

#endif
