/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a file or a pipe crosses, in messages of one flow, which keeps their
 * order and loses none:
 *
 *   sender -> receiver   struct transfer_begin, and the name behind it
 *   sender -> receiver   any number of messages of any length but 0: the bytes
 *   sender -> receiver   a message of length 0: that was all
 *   sender -> receiver   struct transfer_end
 *   receiver -> sender   struct transfer_result, to the port the file came from
 *
 * A message that does not start with the magic, when no transfer is under way
 * in its flow, is just a message. Integers are little-endian.
 */
#ifndef XENMSG_CLI_TRANSFER_H
#define XENMSG_CLI_TRANSFER_H

#include "cli.h"

#include <nettle/sha2.h>

#define TRANSFER_MAGIC	      "\x89xenmsg file 1\r\n"
#define TRANSFER_MAGIC_SIZE   16
#define TRANSFER_UNKNOWN      UINT64_MAX
#define TRANSFER_NAME_MAX     255
#define TRANSFER_DEFAULT_PORT 9

struct transfer_begin {
	char magic[TRANSFER_MAGIC_SIZE];
	uint64_t size; /* bytes, or TRANSFER_UNKNOWN */
	uint32_t name_len;
	uint32_t reserved;
};

struct transfer_end {
	char magic[TRANSFER_MAGIC_SIZE];
	uint64_t size;
	uint8_t sha256[SHA256_DIGEST_SIZE];
};

struct transfer_result {
	char magic[TRANSFER_MAGIC_SIZE];
	uint64_t size;
	uint8_t sha256[SHA256_DIGEST_SIZE];
	int32_t status; /* 0: as sent, and stored; or a negative Linux error number */
	uint32_t reserved;
};

_Static_assert(sizeof(TRANSFER_MAGIC) == TRANSFER_MAGIC_SIZE + 1, "16 bytes and the 0");
_Static_assert(sizeof(struct transfer_begin) == 32, "no holes");
_Static_assert(sizeof(struct transfer_end) == 56, "no holes");
_Static_assert(sizeof(struct transfer_result) == 64, "no holes");

/* ----------------------------------------------------------------- sending */

struct outgoing_options {
	size_t chunk;	  /* bytes of a message at most */
	bool map;	  /* in shared memory */
	unsigned flags;	  /* XENMSG_LAZY */
	bool progress;	  /* on stderr */
	bool wait_result; /* until the receiver has said what became of it */
	int timeout;	  /* ms without any progress */
};

struct outgoing_result {
	uint64_t bytes;
	uint64_t messages;
	double seconds;
	uint8_t sha256[SHA256_DIGEST_SIZE];
};

/*
 * Send all of @fd, named @name. Says what went wrong. Returns a STATUS.
 */
int outgoing_run(struct cli *cli, const struct dest *to, int fd, const char *name,
		 const struct outgoing_options *options, struct outgoing_result *result);

/* --------------------------------------------------------------- receiving */

struct incoming;

/* What became of a transfer, for whoever reports it. */
struct incoming_report {
	uint32_t addr;
	uint32_t port;
	char name[TRANSFER_NAME_MAX + 1]; /* as the sender says */
	uint64_t bytes;
	uint64_t messages;
	double seconds;
	uint8_t sha256[SHA256_DIGEST_SIZE];
	int status; /* 0, or why not */
};

/* @output: file to write to, "-": stdout, NULL: only count and verify. */
struct incoming *incoming_new(const char *output);
void incoming_free(struct incoming *in);
/*
 * Is @msg a part of a transfer? 0: no. 1: yes. 2: yes, and that was its end:
 * *@report says how it went; the answer is sent from @port.
 */
int incoming_message(struct incoming *in, struct xenmsg_port *port, const struct xenmsg_msg *msg,
		     struct incoming_report *report);
/* The peer is dead. As above: 2 for each transfer that died with it, then 0. */
int incoming_peer_down(struct incoming *in, uint32_t addr, struct incoming_report *report);

/* ---------------------------------------------------------------- progress */

struct progress {
	FILE *file; /* NULL: say nothing */
	uint64_t total;
	uint64_t begin, last; /* ns */
	bool shown;
};

/* @total: bytes or TRANSFER_UNKNOWN */
void progress_begin(struct progress *progress, bool on, uint64_t total);
/* Shows it if the last time is a while ago. */
void progress_update(struct progress *progress, uint64_t done);
/* Returns the seconds since the beginning. */
double progress_end(struct progress *progress, uint64_t done);

#endif
