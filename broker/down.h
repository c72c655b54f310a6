/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end of a peer. */
#ifndef XENMSG_BROKER_DOWN_H
#define XENMSG_BROKER_DOWN_H

struct broker;
struct peer;

/*
 * Its address is dead for ever: whatever of it, for it and about it is under
 * way ends, and @peer with it. Between turns only.
 */
void peer_down(struct peer *peer);
/* @peer lived under an earlier broker: tell it of those who did so too, and died. */
void down_tell_survivor(struct peer *peer);
/* Free what is remembered of those. */
void down_forget(struct broker *broker);

#endif
