// SPDX-License-Identifier: GPL-2.0-or-later
/* Out of service and back. See ctl-drain.h. */
#include "broker/ctl-drain.h"

#include "broker/ctl-bus.h"
#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Between two questions. */
#define PERIOD_NS (100 * NS_PER_MS)

/* *left: what Drain returns. */
static int ask(const char *control, const char *domain, int on, uint64_t *left)
{
	sd_bus_message *reply;
	int r = ctl_call(control, "drain", &reply, "Drain", "sb", domain, on);

	if (r < 0)
		return r;
	r = sd_bus_message_read(reply, "t", left);
	if (r < 0)
		fprintf(stderr, "xenmsgctl: drain: %s\n", strerror(-r));
	sd_bus_message_unref(reply);
	return r;
}

int ctl_drain(const char *control, const char *domain, unsigned int timeout)
{
	const struct timespec period = { .tv_nsec = PERIOD_NS };
	uint64_t end = clock_now_ns() + timeout * NS_PER_S, left = 0;

	for (;;) {
		if (ask(control, domain, 1, &left) < 0)
			return EXIT_FAILURE;
		if (!left)
			break;
		if (clock_now_ns() >= end) {
			fprintf(stderr,
				"xenmsgctl: drain: %s: %" PRIu64
				" messages are not answered after %u s; new ones go on waiting\n",
				domain, left, timeout);
			return EXIT_FAILURE;
		}
		nanosleep(&period, NULL);
	}
	printf("%s: drained; new messages wait until 'drain --undo'\n", domain);
	return EXIT_SUCCESS;
}

int ctl_undrain(const char *control, const char *domain)
{
	uint64_t left;

	return ask(control, domain, 0, &left) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
