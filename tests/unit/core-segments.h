/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads what the segments of a request name, as a broker does, and checks what vmsgif.h says of them. */
#ifndef XENMSG_TESTS_CORE_SEGMENTS_H
#define XENMSG_TESTS_CORE_SEGMENTS_H

#include <check.h>
#include <string.h>

#include "frontend/core/core.h"

/* The page that @ref names. */
typedef const uint8_t *(*segments_page)(void *arg, uint32_t ref);

/* Copies the payload to @out. @pool: of the request's flags. Returns its length. */
static inline uint32_t segments_read(const struct vmsgif_segment *segs, unsigned int nr, bool pool,
				     segments_page page, void *arg, uint8_t *out)
{
	uint32_t at = 0;

	for (unsigned int i = 0; i < nr; i++) {
		uint32_t offset = segs[i].offset, left = segs[i].len, ref = segs[i].ref, n;

		ck_assert_uint_ge(left, 1);
		ck_assert_uint_lt(offset, VMSGIF_PAGE_SIZE);
		ck_assert_uint_le(pool ? left : offset + left,
				  pool ? VMSGIF_SEG_MAX : VMSGIF_PAGE_SIZE);
		for (; left; left -= n, at += n, offset = 0) {
			n = VMSGIF_PAGE_SIZE - offset;
			n = n < left ? n : left;
			memcpy(out + at, page(arg, ref++) + offset, n);
		}
	}
	return at;
}

#endif
