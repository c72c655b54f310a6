// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
#include "common/num.h"

#include <errno.h>
#include <stdbool.h>

int num_parse_u64(const char *s, size_t len, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;
	bool overflow = false;

	if (len == 0 || (len > 1 && s[0] == '0'))
		return -EINVAL;
	/* Walk to the end even after an overflow: bad text is -EINVAL however long it is. */
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
		    __builtin_add_overflow(value, (uint64_t)(s[i] - '0'), &value))
			overflow = true;
	}
	if (overflow || value < min || value > max)
		return -ERANGE;
	*out = value;
	return 0;
}

int num_parse_u32(const char *s, size_t len, uint32_t min, uint32_t max, uint32_t *out)
{
	uint64_t value;
	int ret;

	ret = num_parse_u64(s, len, min, max, &value);
	if (ret == 0)
		*out = (uint32_t)value;
	return ret;
}

int num_parse_u16(const char *s, size_t len, uint16_t min, uint16_t max, uint16_t *out)
{
	uint64_t value;
	int ret;

	ret = num_parse_u64(s, len, min, max, &value);
	if (ret == 0)
		*out = (uint16_t)value;
	return ret;
}
