// SPDX-License-Identifier: LGPL-2.1-or-later
/* See iov.h. */
#include "iov.h"

#include <stdint.h>
#include <string.h>

#include "xenmsg.h"

size_t iov_total(const struct iovec *iov, int nr)
{
	size_t total = 0;
	int i;

	for (i = 0; i < nr; i++) {
		if (iov[i].iov_len > XENMSG_MESSAGE_MAX)
			return SIZE_MAX;
		total += iov[i].iov_len;
		if (total > XENMSG_MESSAGE_MAX)
			return SIZE_MAX;
	}
	return total;
}

void iov_gather(struct source *source, char *to, size_t len)
{
	size_t n;

	while (len && source->iov < source->end) {
		n = source->iov->iov_len - source->offset;
		n = n < len ? n : len;
		if (n) /* what is empty may be nowhere */
			memcpy(to, (const char *)source->iov->iov_base + source->offset, n);
		to += n;
		len -= n;
		source->offset += n;
		if (source->offset == source->iov->iov_len) {
			source->iov++;
			source->offset = 0;
		}
	}
}
