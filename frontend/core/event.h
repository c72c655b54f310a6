/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* RX responses that are no messages. */
#ifndef XENMSG_CORE_EVENT_H
#define XENMSG_CORE_EVENT_H

#include "frontend/core/state.h"

/* Handles event @r in page @page, which goes back to the broker. Returns false if it broke the device. */
bool vmsg_event(struct vmsg *v, const struct vmsgif_rx_response *r, unsigned int page);

#endif /* XENMSG_CORE_EVENT_H */
