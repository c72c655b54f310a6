/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sending through the kernel's driver without libxenmsg, many messages in a call
 * (include/uapi/linux/xenmsg.h), as an application can that has many.
 */
#ifndef XENMSG_BENCH_BATCH_H
#define XENMSG_BENCH_BATCH_H

#include <stdint.h>

struct batch;

/* Messages to @port at @addr. */
struct batch *bench_batch_new(uint32_t addr, uint32_t port);
/* One more message of the application's, @len bytes; with every 32nd they all leave, in as few batches as can be. */
void bench_batch_send(struct batch *b, uint32_t len, uint64_t seq);
void bench_batch_flush(struct batch *b);

#endif
