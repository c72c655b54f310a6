// SPDX-License-Identifier: GPL-2.0-or-later
/* See system-traffic.h. */
#include "tests/unit/system-traffic.h"

#include <string.h>

static uint64_t word(uint64_t key, uint64_t index)
{
	uint64_t x = (key + index) * UINT64_C(0x9e3779b97f4a7c15);

	return x ^ x >> 29;
}

void traffic_fill(void *data, size_t len, uint64_t key)
{
	char *to = data;
	uint64_t index = 0, w;

	for (; len >= sizeof(w); len -= sizeof(w), to += sizeof(w)) {
		w = word(key, index++);
		memcpy(to, &w, sizeof(w));
	}
	w = word(key, index);
	memcpy(to, &w, len);
}

bool traffic_is(const struct xenmsg_msg *msg, size_t len, uint64_t key)
{
	static char expected[XENMSG_MESSAGE_MAX];
	static struct iovec iov[XENMSG_SEGMENTS_MAX];
	size_t at = 0;
	int i, n;

	if (xenmsg_msg_len(msg) != len)
		return false;
	traffic_fill(expected, len, key);
	n = xenmsg_msg_iov(msg, iov, XENMSG_SEGMENTS_MAX);
	for (i = 0; i < n; i++) {
		if (iov[i].iov_len > len - at ||
		    memcmp(iov[i].iov_base, expected + at, iov[i].iov_len) != 0)
			return false;
		at += iov[i].iov_len;
	}
	return at == len;
}
