// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pages that a frontend posts for messages to it: read from the RX ring, listed,
 * taken by the broker in their order, and answered. See device.c for the rest.
 */
#include "backend/internal.h"

#include "common/macros.h"

static unsigned int posted(const struct device *dev)
{
	return dev->c.rx.req_cons - dev->c.rx_taken;
}

/* Pages parsed ahead: they are there anyway, and in a row are less work. */
#define PARSE_AHEAD 32u

/* Lists the pages of a run, the slot of whose first one is at @at. False: it failed. */
static inline bool list_run(struct device *dev, uint32_t at, const struct rx_run *run)
{
	struct connection *c = &dev->c;
	uint32_t mask = c->rx.slots - 1;
	struct rx_page page = run->first;

	for (uint32_t end = at + run->nr; at != end; at++, page.id++, page.ref++) {
		if (UNLIKELY(!id_take(c->rx_ids, page.id))) {
			device_fail(dev, "RX request: id %u is in use", page.id);
			return false;
		}
		c->rx_pages[at & mask] = page;
	}
	return true;
}

/*
 * There are fewer than @want: parses posted pages until there are as many and some more,
 * to the end of a run, or the ring is empty. False: it failed.
 */
static bool parse_posted(struct device *dev, unsigned int want)
{
	struct ring *rx = &dev->c.rx;
	unsigned int n = MIN_OF(ring_unconsumed(rx), want + PARSE_AHEAD - posted(dev));
	struct vmsgif_rx_request slot;
	struct rx_run run;
	struct reject why;

	for (; n > 0; n -= MIN_OF(n, run.nr)) {
		uint32_t at = rx->req_cons;

		ring_take(rx, &slot);
		if (UNLIKELY(rx_request_parse(&slot, rx->slots, ring_unconsumed(rx), &run, &why) !=
			     VERDICT_OK)) {
			device_fail(dev, "RX request: %s", why.reason);
			return false;
		}
		if (UNLIKELY(!list_run(dev, at, &run)))
			return false;
		ring_skip(rx, run.nr - 1);
	}
	return true;
}

/* There are fewer than @want, as far as known. */
static NOINLINE unsigned int look_for_posted(struct device *dev, unsigned int want)
{
	int r = 1;

	/* Short of pages, ask for an event; then look once more. */
	while (r > 0) {
		if (!parse_posted(dev, want))
			return 0;
		if (posted(dev) >= want)
			return want;
		r = ring_arm(&dev->c.rx);
	}
	if (r < 0) {
		device_fail(dev, "RX ring: request index out of range");
		return 0;
	}
	return posted(dev);
}

unsigned int device_rx_posted(struct device *dev, unsigned int want)
{
	if (UNLIKELY(!device_live(dev)))
		return 0;
	return LIKELY(posted(dev) >= want) ? want : look_for_posted(dev, want);
}

struct rx_page device_rx_take(struct device *dev)
{
	struct connection *c = &dev->c;

	if (UNLIKELY(!device_live(dev) || c->rx.req_cons == c->rx_taken))
		return (struct rx_page){ 0 };
	return c->rx_pages[c->rx_taken++ & (c->rx.slots - 1)];
}

void device_rx_take_run(struct device *dev, struct rx_page *pages, unsigned int nr)
{
	struct connection *c = &dev->c;
	uint32_t mask = c->rx.slots - 1;

	if (UNLIKELY(!device_live(dev) || posted(dev) < nr)) {
		memset(pages, 0, nr * sizeof(*pages));
		return;
	}
	for (unsigned int i = 0; i < nr; i++)
		pages[i] = c->rx_pages[(c->rx_taken + i) & mask];
	c->rx_taken += nr;
}

void device_rx_respond(struct device *dev, const struct vmsgif_rx_response *rsp)
{
	struct connection *c = &dev->c;

	if (UNLIKELY(!device_live(dev)))
		return;
	if (UNLIKELY(!id_give(c->rx_ids, rsp->id) || !ring_respond(&c->rx, rsp, 1)))
		device_log_bug(dev, "page", rsp->id);
}

void device_rx_respond_run(struct device *dev, const struct vmsgif_rx_response *rsp,
			   const struct rx_page *pages, unsigned int nr)
{
	struct connection *c = &dev->c;
	unsigned int given = 0;

	if (UNLIKELY(!device_live(dev)))
		return;
	while (given < nr && id_give(c->rx_ids, pages[given].id))
		given++;
	if (UNLIKELY(given < nr))
		device_log_bug(dev, "page", pages[given].id);
	else if (UNLIKELY(!ring_respond(&c->rx, rsp, nr)))
		device_log_bug(dev, "page", rsp->id);
}
