/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Strict decimal numbers, for text that somebody else wrote.
 *
 * One text for one number: digits alone, without sign, space, leading zero (but "0" itself) or
 * anything after them.  strtoul() and its kin accept all of these.
 */
#ifndef XENMSG_COMMON_NUM_H
#define XENMSG_COMMON_NUM_H

#include <stddef.h>
#include <stdint.h>

/*
 * Reads all `len` bytes at `s` (no terminator needed; a NUL among them is an error) as a number
 * between `min` and `max`, both included.
 *
 * Returns 0; -EINVAL if the text is not such a number; -ERANGE if it is one, but outside of the
 * range or of 64 bits.  `out` is written only on success.
 */
int num_parse_u64(const char *s, size_t len, uint64_t min, uint64_t max, uint64_t *out);

/* The same for narrower results. */
int num_parse_u32(const char *s, size_t len, uint32_t min, uint32_t max, uint32_t *out);
int num_parse_u16(const char *s, size_t len, uint16_t min, uint16_t max, uint16_t *out);

#endif
