/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Runs of 16-bit numbers, as marks of pages and what is in a ring: all of them the same, or
 * each one more than the last. Four are looked at and written at once.
 */
#ifndef XENMSG_CORE_MARKS_H
#define XENMSG_CORE_MARKS_H

#include "frontend/core/core.h"

#define VMSG_MARKS_AT_ONCE (sizeof(uint64_t) / sizeof(uint16_t))

/* @value, and those after it if @step is 1, as they stand in memory: little-endian. */
static inline uint64_t vmsg_marks_word(unsigned int value, unsigned int step)
{
	return (uint16_t)value * (uint64_t)0x0001000100010001 +
	       (step ? (uint64_t)0x0003000200010000 : 0);
}

/* Writes @nr numbers: @value, and then each @step more, 0 or 1. */
static inline void vmsg_marks_set(uint16_t *at, unsigned int nr, unsigned int value,
				  unsigned int step)
{
	uint64_t word = vmsg_marks_word(value, step);

	for (; nr >= VMSG_MARKS_AT_ONCE; nr -= VMSG_MARKS_AT_ONCE, at += VMSG_MARKS_AT_ONCE) {
		__builtin_memcpy(at, &word, sizeof(word));
		word += vmsg_marks_word(VMSG_MARKS_AT_ONCE * step, 0);
	}
	for (; nr--; word += step)
		*at++ = (uint16_t)word;
}

/* Whether they are those. */
static inline bool vmsg_marks_are(const uint16_t *at, unsigned int nr, unsigned int value,
				  unsigned int step)
{
	uint64_t want = vmsg_marks_word(value, step), word;

	for (; nr >= VMSG_MARKS_AT_ONCE; nr -= VMSG_MARKS_AT_ONCE, at += VMSG_MARKS_AT_ONCE) {
		__builtin_memcpy(&word, at, sizeof(word));
		if (word != want)
			return false;
		want += vmsg_marks_word(VMSG_MARKS_AT_ONCE * step, 0);
	}
	for (; nr--; want += step)
		if (*at++ != (uint16_t)want)
			return false;
	return true;
}

#endif /* XENMSG_CORE_MARKS_H */
