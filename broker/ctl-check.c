// SPDX-License-Identifier: GPL-2.0-or-later
/* xenstore without a daemon. See ctl-check.h. */
#include "broker/ctl-check.h"

#include "backend/xs.h"
#include "broker/store-check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No watches are set. */
static void on_watch(void *priv, const char *token)
{
}

static int check(sd_event *event)
{
	struct store *store;
	int r = store_new(&store, event, on_watch, NULL);

	if (r < 0)
		return r;
	r = store_check(store, stdout);
	store_free(store);
	return r;
}

int ctl_check_store(void)
{
	sd_event *event;
	int r = sd_event_new(&event);

	if (r >= 0) {
		r = check(event);
		sd_event_unref(event);
	}
	if (r < 0)
		fprintf(stderr, "xenmsgctl: xenstore: %s\n", strerror(-r));
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
