/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking a domain, or all of them, out of service without losing a message.
 *
 * Model. While a domain is drained, SENDs of it and to it are taken in as always
 * and wait in their flows' queues, behind those that came before: those go on to
 * be delivered, released and answered, and when the last one is, the domain is
 * drained. A SEND that waits is not answered, so its frontend keeps it, and the
 * sender sees no more than a receiver who is slow: a pause, when its window is
 * full. Undone, the queues go on in their order. If a receiver goes away instead
 * the answer is the usual one, VMSGIF_EHOSTDOWN, and what waited was not delivered;
 * if the broker does, frontends bring it to the next one, which drains nobody.
 *
 * Why not leave SENDs in the TX ring: RELEASEs and CREDITs are behind them there, by
 * which the others end. Why not refuse them: no status says "later", and a flow must
 * not be reordered. What a [limits] section says of queued messages holds for those
 * that wait, too: beyond it senders get VMSGIF_EDQUOT, as from any slow receiver.
 *
 * To stop the broker nothing has to be drained: what is not answered is with its
 * sender, always. Control requests, look-ups and pools go on.
 *
 * A domain is drained for as long as it has a device, whatever its frontend does.
 */
#ifndef XENMSG_BROKER_DRAIN_H
#define XENMSG_BROKER_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

/* Instead of a domain. */
#define DRAIN_ALL "all"

struct broker;
struct peer;

/*
 * Begin, or undo with @on false, for @who: a domid, a name, or all. -ENOENT: nobody
 * with an address is meant. Repeating it changes nothing; undone for all, it is so
 * for each.
 */
int drain_set(struct broker *broker, const char *who, bool on);
/* Messages of @who and to @who that came before and are not answered yet. */
uint64_t drain_left(const struct broker *broker, const char *who);
/* Is it under way for this domain? */
bool drain_holds(const struct peer *peer);

#endif
