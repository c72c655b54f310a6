/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sources of the `xenmsg` command, compiled into a test, as they are a
 * program and no library; libnettle's digest is replaced by a sum: what matters
 * is that both ends compare it. Tests include cli-bed.h, which runs the commands.
 */
#ifndef CLI_SOURCES_H
#define CLI_SOURCES_H

#include "tests/unit/system.h"

/* The broker has one of that name, too. */
#define peer_name cli_peer_name

/* In the place of xenmsg_open(); see cli-bed.h. */
int open_in_guest(struct xenmsg **out);
#define xenmsg_open(x, options) open_in_guest(x)
#include "frontend/cli/cli.c" // NOLINT(bugprone-suspicious-include)
#undef xenmsg_open
#include "frontend/cli/dest.c"	   // NOLINT(bugprone-suspicious-include)
#include "frontend/cli/incoming.c" // NOLINT(bugprone-suspicious-include)
#include "frontend/cli/progress.c" // NOLINT(bugprone-suspicious-include)
#include "frontend/cli/text.c"	   // NOLINT(bugprone-suspicious-include)

#define take_events out_take_events
#define account	    out_account
#define fill	    out_fill
#include "frontend/cli/outgoing.c" // NOLINT(bugprone-suspicious-include)
#undef take_events
#undef account
#undef fill

#define help	     listen_help
#define parse	     listen_parse
#define parse_option listen_parse_option
#define run	     listen_run
#define take_events  listen_take_events
#define OPT_JSON     OPT_LISTEN_JSON
#include "frontend/cli/listen.c" // NOLINT(bugprone-suspicious-include)
#undef help
#undef parse
#undef parse_option
#undef run
#undef take_events
#undef OPT_JSON

#define help	     send_help
#define parse	     send_parse
#define parse_option send_parse_option
#define OPT_JSON     OPT_SEND_JSON
#include "frontend/cli/send.c" // NOLINT(bugprone-suspicious-include)
#undef help
#undef parse
#undef parse_option
#undef OPT_JSON

#define help	     ping_help
#define parse	     ping_parse
#define parse_option ping_parse_option
#define run	     ping_run
#define OPT_JSON     OPT_PING_JSON
#include "frontend/cli/ping.c" // NOLINT(bugprone-suspicious-include)
#undef help
#undef parse
#undef parse_option
#undef run
#undef OPT_JSON

#define help	 peers_help
#define parse	 peers_parse
#define run	 peers_run
#define show	 peers_show
#define OPT_JSON OPT_PEERS_JSON
#include "frontend/cli/peers.c" // NOLINT(bugprone-suspicious-include)
#undef help
#undef parse
#undef run
#undef show
#undef OPT_JSON

void nettle_sha256_init(struct sha256_ctx *ctx)
{
	memset(ctx, 0, sizeof(*ctx));
	ctx->count = 1;
}

void nettle_sha256_update(struct sha256_ctx *ctx, size_t length, const uint8_t *data)
{
	for (size_t i = 0; i < length; i++)
		ctx->count = ctx->count * 31 + data[i];
}

void nettle_sha256_digest(struct sha256_ctx *ctx, size_t length, uint8_t *digest)
{
	memset(digest, 0, length);
	memcpy(digest, &ctx->count, sizeof(ctx->count));
}

#endif
