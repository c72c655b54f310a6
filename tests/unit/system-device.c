// SPDX-License-Identifier: GPL-2.0-or-later
/* See system-device.h. */
#include "tests/unit/system-device.h"

#include "backend/device.h"

uint64_t device_slots(const struct device *dev)
{
	const struct ring *tx = &dev->c.tx, *rx = &dev->c.rx;

	return (uint64_t)tx->req_cons + tx->rsp_prod + rx->req_cons + rx->rsp_prod;
}
