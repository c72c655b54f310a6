// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include <uapi/linux/xenmsg.h>

#include "batch.h"
#include "bench.h"

#define MESSAGES 32
#define BYTES	 4096u

struct batch {
	int fd;
	unsigned int nr;
	struct xenmsg_uapi_tx tx[MESSAGES];
	char payloads[MESSAGES][BYTES];
};

struct batch *bench_batch_new(uint32_t addr, uint32_t port)
{
	struct batch *b = bench_alloc(sizeof(*b));

	b->fd = open("/dev/xenmsg", O_RDWR | O_CLOEXEC);
	if (b->fd < 0)
		bench_die("/dev/xenmsg: %s", strerror(errno));
	for (unsigned int i = 0; i < MESSAGES; i++)
		b->tx[i] = (struct xenmsg_uapi_tx){
			.data = (uint64_t)(uintptr_t)b->payloads[i],
			.addr = addr,
			.port = port,
		};
	return b;
}

void bench_batch_flush(struct batch *b)
{
	unsigned int at = 0;

	while (at < b->nr) {
		struct xenmsg_uapi_send send = {
			.msgs = (uint64_t)(uintptr_t)&b->tx[at],
			.nr = b->nr - at,
			.timeout = -1,
		};
		int r = ioctl(b->fd, XENMSG_IOC_SEND, &send);

		if (r <= 0)
			bench_die("sending a batch: %s", strerror(errno));
		at += (unsigned int)r;
	}
	b->nr = 0;
}

void bench_batch_send(struct batch *b, uint32_t len, uint64_t seq)
{
	if (len > BYTES)
		bench_die("no batches of %u bytes", len);
	/* The application has its messages there already: only the number is new. */
	bench_mark(b->payloads[b->nr], len, seq);
	b->tx[b->nr++].len = len;
	if (b->nr == MESSAGES)
		bench_batch_flush(b);
}
