// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The transport in the broker's own domain: the userspace frontend again, over
 * the broker's socket. It is absent where no broker has one.
 */
#include <errno.h>

#include "front.h"
#include "frontend/user/bus.h"

static int local_open(struct xenmsg **out, const struct xenmsg_options *options)
{
	int r = front_open_on(&user_local_bus, out, options);

	return r == -ENOENT ? TRANSPORT_ABSENT : r;
}

/* All the rest is found by what front_open_on() makes. */
const struct transport_ops local_transport = {
	.open = local_open,
};
