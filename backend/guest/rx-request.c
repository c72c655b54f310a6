// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is wrong with a request that posts pages: rx_request_parse() saw that something is.
 */
#include "backend/guest/request.h"

void rx_request_explain(const struct vmsgif_rx_request *slot, unsigned int slots, uint32_t behind,
			struct reject *why)
{
	why->status = VMSGIF_EINVAL;
	if ((uint32_t)slot->id + slot->more >= slots)
		why->reason = "id of a posted page is not below the number of slots";
	else if (slot->flags & ~VMSGIF_RXF_POOL)
		why->reason = "unknown flags of a posted page";
	else if (slot->more && !slot->flags)
		why->reason = "run of posted pages that are not of the pool";
	else if (slot->more > behind)
		why->reason = "run of posted pages goes beyond what is published";
	else if (slot->ref > UINT32_MAX - slot->more)
		why->reason = "run of posted pages goes beyond the last index";
	else
		why->reason = "reserved field of a posted page is not 0";
}
