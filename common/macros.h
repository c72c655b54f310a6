/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* Small macros.  Their names differ from the kernel's, so that both can be in sight. */
#ifndef XENMSG_COMMON_MACROS_H
#define XENMSG_COMMON_MACROS_H

#include <stddef.h>
#include <stdint.h>

/*
 * The structure of type `type` whose member `member` is at `ptr`.  A pointer to anything else
 * than such a member draws a warning; a pointer to const gives one that is not.
 */
// clang-format off
#define CONTAINER_OF(ptr, type, member)                                    \
	((type *)((uintptr_t)(ptr) - offsetof(type, member) +              \
		  0 * sizeof((ptr) == &((type *)NULL)->member)))
// clang-format on

/* Number of elements of an array.  A pointer does not compile. */
#define ARRAY_LEN(a)                  \
	(sizeof(a) / sizeof((a)[0]) + \
	 0 * sizeof(char[1 -          \
			 2 * __builtin_types_compatible_p(__typeof__(a), __typeof__(&(a)[0]))]))

/* Each argument is evaluated once; both must be of the same type. */
#define MIN_OF(a, b)                               \
	({                                         \
		__typeof__(a) min_a_ = (a);        \
		__typeof__(b) min_b_ = (b);        \
		(void)(&min_a_ == &min_b_);        \
		min_a_ < min_b_ ? min_a_ : min_b_; \
	})
#define MAX_OF(a, b)                               \
	({                                         \
		__typeof__(a) max_a_ = (a);        \
		__typeof__(b) max_b_ = (b);        \
		(void)(&max_a_ == &max_b_);        \
		max_a_ > max_b_ ? max_a_ : max_b_; \
	})

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
/* For the rare case of a function that is called often: what it needs, the function then does not. */
#define NOINLINE __attribute__((noinline))

#endif
