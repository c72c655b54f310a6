/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the commands of `xenmsg` share: the device, waiting, errors, output.
 *
 * Every command is one event loop over the device, SIGINT and SIGTERM (as a
 * file descriptor, so that a blocked read is no obstacle), and sometimes a
 * file. What is data goes to stdout, what is said to a person to stderr.
 */
#ifndef XENMSG_CLI_H
#define XENMSG_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "xenmsg.h"

enum {
	STATUS_OK = 0,
	STATUS_FAILED = 1,  /* not, or not all, delivered */
	STATUS_USAGE = 2,   /* the command line makes no sense */
	STATUS_DEVICE = 3,  /* there is no device, or no broker */
	STATUS_REFUSED = 4, /* the host's policy or a quota refused it */
};

#define STATUS_HELP                                                                 \
	"Exit status: 0 done, 1 failed, 2 wrong usage, 3 no device or no broker,\n" \
	"4 refused by the host's policy.\n"

struct cli {
	struct xenmsg *x;
	int signals; /* file descriptor: SIGINT, SIGTERM */
};

/* Opens the device; says why not. Returns a STATUS. */
int cli_open(struct cli *cli);
void cli_close(struct cli *cli);
/*
 * Wait for the device, a signal, or @fd (-1: none) to become readable. 0: look
 * at the device; 1: there, and @fd is readable; -ETIMEDOUT after @timeout ms
 * (-1: never); -EINTR: a signal asks to stop; -EHOSTDOWN: the device is gone.
 */
int cli_wait(struct cli *cli, int fd, int timeout);
/* A port with a number that nobody knows, to be answered at. */
int cli_port_open(struct cli *cli, struct xenmsg_port **port);

/* "xenmsg: TEXT" on stderr. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same with what @error (negative) means behind it; returns the STATUS for it. */
int cli_fail(struct cli *cli, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int cli_status(int error);
/* What an error means, in words. */
const char *cli_why(int error);

/* "10", "64K", "1M": bytes between @min and @max. */
bool cli_size(const char *text, size_t min, size_t max, size_t *out);
bool cli_number(const char *text, uint32_t min, uint32_t max, uint32_t *out);

/* Where to: "name", "name:port", "service@name", "0xaddress:port". */
struct dest {
	char text[XENMSG_NAME_MAX + 32]; /* as given */
	char name[XENMSG_NAME_MAX + 1];	 /* "": by address */
	uint32_t addr;
	uint32_t port;
};
/* @port: if the text has none; 0: it must (a service brings its own). */
bool dest_parse(const char *text, uint32_t port, struct dest *dest);
int dest_resolve(struct cli *cli, struct dest *dest);

/* Name of the domain at @addr for people: "alice", or its address. */
struct peer_names;
struct peer_names *peer_names_new(void);
void peer_names_free(struct peer_names *names);
const char *peer_name(struct cli *cli, struct peer_names *names, uint32_t addr);

/* @bytes as a JSON string with its quotes; as {"base64": "..."} if it is no UTF-8. */
void json_bytes(FILE *file, const void *bytes, size_t len);
void json_text(FILE *file, const char *text);

/* A SHA-256 in hexadecimal, terminated. */
#define CLI_SHA256_TEXT 65
void cli_sha256_text(const uint8_t digest[32], char text[CLI_SHA256_TEXT]);

/* "12.3 MiB" */
void human_bytes(uint64_t bytes, char text[16]);

int cmd_listen(int argc, char **argv);
int cmd_send(int argc, char **argv);
int cmd_ping(int argc, char **argv);
int cmd_peers(int argc, char **argv);

#endif
