// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include <uapi/linux/xenmsg.h>
#include <xen/io/vmsgif.h>

#include "batch.h"
#include "bench.h"
#include "common/macros.h"

#define MESSAGES 32
#define BYTES	 4096u

struct batch {
	int fd;
	uint32_t addr, port;
	uint32_t len; /* of each message */
	unsigned int nr;
	char payloads[MESSAGES * BYTES]; /* one behind the other */
};

struct batch *bench_batch_new(uint32_t addr, uint32_t port)
{
	struct batch *b = bench_alloc(sizeof(*b));

	b->fd = open("/dev/xenmsg", O_RDWR | O_CLOEXEC);
	if (b->fd < 0)
		bench_die("/dev/xenmsg: %s", strerror(errno));
	b->addr = addr;
	b->port = port;
	return b;
}

/* How many messages of a length are a batch at most; 1: they are none. */
static unsigned int most(uint32_t len)
{
	if (!len || len % VMSGIF_BATCH_ALIGN)
		return 1;
	return MIN_OF(VMSGIF_BATCH_BYTES / len, VMSGIF_BATCH_MESSAGES);
}

/* As few for the driver as the messages fit into: how many. */
static unsigned int describe(const struct batch *b, struct xenmsg_uapi_tx *tx)
{
	unsigned int at, n, nr = 0;

	for (at = 0; at < b->nr; at += n) {
		n = MIN_OF(most(b->len), b->nr - at);
		tx[nr] = (struct xenmsg_uapi_tx){
			.data = (uint64_t)(uintptr_t)(b->payloads + (size_t)at * b->len),
			.len = n * b->len,
			.addr = b->addr,
			.port = b->port,
			.flags = XENMSG_TX_LAZY | (n > 1 ? XENMSG_TX_BATCH : 0),
			.nr = (uint16_t)(n > 1 ? b->len : 0),
		};
		nr++;
	}
	return nr;
}

void bench_batch_flush(struct batch *b)
{
	struct xenmsg_uapi_tx tx[MESSAGES];
	unsigned int at = 0, nr = describe(b, tx);

	while (at < nr) {
		struct xenmsg_uapi_send send = {
			.msgs = (uint64_t)(uintptr_t)&tx[at],
			.nr = nr - at,
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
	if (b->nr && len != b->len)
		bench_batch_flush(b);
	b->len = len;
	/* The application has its messages there already: only the number is new. */
	bench_mark(b->payloads + (size_t)b->nr++ * len, len, seq);
	if (b->nr == MESSAGES)
		bench_batch_flush(b);
}
