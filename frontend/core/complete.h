/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* Responses to TX requests, and the end of SENDs that get none. */
#ifndef XENMSG_CORE_COMPLETE_H
#define XENMSG_CORE_COMPLETE_H

#include "frontend/core/state.h"

/*
 * The hot part of vmsg_tx_take(): SENDs without a list of pages, and RELEASEs,
 * with status 0, as long as there are no others. Returns how many, at most @budget.
 */
unsigned int vmsg_tx_run(struct vmsg *v, unsigned int budget);
/* Takes the responses that were seen, as vmsg_rx_take(). */
unsigned int vmsg_tx_take(struct vmsg *v, unsigned int budget);
/* SEND @s, which is not posted any more, is over: gives back what it holds, and tells. */
void vmsg_send_end(struct vmsg *v, struct vmsg_shadow *s, int status);
/* The same for all queued SENDs that name own pool @id. */
void vmsg_send_fail_queued(struct vmsg *v, unsigned int id, int status);
/* The same for those that a former broker had: their fate is unknown. */
void vmsg_send_fail_again(struct vmsg *v);
/* Everything that has a shadow is over. Nothing is posted. */
void vmsg_tx_end_all(struct vmsg *v, int status);

#endif /* XENMSG_CORE_COMPLETE_H */
