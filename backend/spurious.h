/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A budget for events without work behind them. Who sends more of them than
 * this is listened to again only after a while; nobody else waits for it.
 */
#ifndef XENMSG_BACKEND_SPURIOUS_H
#define XENMSG_BACKEND_SPURIOUS_H

#include "backend/loop.h"
#include "common/token-bucket.h"

#include <stdbool.h>

/* Events without work: so many at once, and so many a second. */
#define CHAN_SPURIOUS_BURST 256
#define CHAN_SPURIOUS_RATE  1000

/* Of one device. Embedded; zeroed needs no deinit. */
struct spurious {
	struct token_bucket tokens;
	sd_event_source *late; /* made when first needed */
};

void spurious_init(struct spurious *s);
void spurious_deinit(struct spurious *s);
/*
 * One more. True: the budget is used up, and @fn will be called when it is not
 * any more. False: go on at once.
 */
bool spurious_delay(struct spurious *s, struct loop *loop, sd_event_time_handler_t fn, void *priv);

#endif
