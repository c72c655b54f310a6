/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A new configuration for a running broker.
 *
 * It is read aside, and takes the place of the old one as a whole, between two
 * turns; or it is refused, and nothing has changed. Then all decisions that were
 * kept are taken anew:
 *
 *   flows           without messages they are forgotten: the next SEND asks.
 *                   Queued messages that are forbidden now fail with
 *                   VMSGIF_EACCES
 *   MAP pools       that are forbidden now are unmapped, which messages under
 *                   way in them may have to wait for
 *   services        whose domain may not offer them any more are nobody's
 *   subscriptions   see lookup_decide_anew()
 *   devices         of domains that are to have none any more are closed, and
 *                   those of others appear
 *   limits          hold from now on; what is beyond a quota already may stay
 *   [daemon]        what guests were told when they connected stays as it is
 *                   until the daemon starts again, except max-ports and
 *                   max-subscriptions
 *
 * Counters by rule begin anew.
 */
#ifndef XENMSG_BROKER_RELOAD_H
#define XENMSG_BROKER_RELOAD_H

#include <stddef.h>

struct broker;
struct config;
struct peer;

/*
 * Read the files again that the configuration came from. 0, or an error and
 * nothing has changed; @text says what came of it, as a line, and so does the log.
 */
int broker_reload(struct broker *broker, char *text, size_t size);
/*
 * The domain of @peer has another name. It keeps its address, ports and flows, as
 * far as the policy has it so under the new name: all is decided anew. -ENOMEM.
 */
int broker_rename(struct broker *broker, struct peer *peer);
/* @config takes over, and is the broker's now. -ENOMEM: nothing has changed, nor has @config. */
int broker_reconfigure(struct broker *broker, struct config *config);

#endif
