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

/* Fails, and is false. */
static NOINLINE bool id_in_use(struct device *dev, unsigned int id)
{
	device_fail(dev, "RX request: id %u is in use", id);
	return false;
}

/* Lists the page of the slot at @at. False: it failed. */
static inline bool list_page(struct device *dev, uint32_t at, const struct rx_page *page)
{
	struct connection *c = &dev->c;

	if (UNLIKELY(!id_take(c->rx_ids, page->id)))
		return id_in_use(dev, page->id);
	c->rx_pages[at & (c->rx.slots - 1)] = *page;
	return true;
}

/* Writes @nr pages of a run, the first of which is *@page, which is then the one behind them. */
static inline void write_pages(struct rx_page *to, unsigned int nr, struct rx_page *page)
{
	static const struct rx_page one = { .id = 1, .ref = 1 };
	uint64_t word, step;

	_Static_assert(sizeof(word) == sizeof(*page), "both numbers go up at once");
	memcpy(&step, &one, sizeof(step));
	memcpy(&word, page, sizeof(word));
	for (struct rx_page *end = to + nr; to != end; to++, word += step)
		memcpy(to, &word, sizeof(word));
	memcpy(page, &word, sizeof(word));
}

/* The same for all pages of a run, the slot of whose first one is at @at. */
static NOINLINE bool list_run(struct device *dev, uint32_t at, const struct rx_run *run)
{
	struct connection *c = &dev->c;
	struct rx_page page = run->first;
	bool *ids = &c->rx_ids[page.id];
	const bool *used = memchr(ids, 1, run->nr); /* true is 1 */
	uint32_t n;

	if (UNLIKELY(used))
		return id_in_use(dev, (unsigned int)(used - c->rx_ids));
	memset(ids, 1, run->nr);
	at &= c->rx.slots - 1;
	n = MIN_OF(run->nr, c->rx.slots - at);
	write_pages(&c->rx_pages[at], n, &page);
	write_pages(c->rx_pages, run->nr - n, &page);
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
		if (UNLIKELY(run.nr == 1 ? !list_page(dev, at, &run.first) :
					   !list_run(dev, at, &run)))
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
	uint32_t at = c->rx_taken & (c->rx.slots - 1);
	unsigned int n = MIN_OF(nr, c->rx.slots - at);

	if (UNLIKELY(!device_live(dev) || posted(dev) < nr)) {
		memset(pages, 0, nr * sizeof(*pages));
		return;
	}
	memcpy(pages, &c->rx_pages[at], n * sizeof(*pages));
	if (UNLIKELY(n < nr))
		memcpy(pages + n, c->rx_pages, (nr - n) * sizeof(*pages));
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
	const struct rx_page *page = pages, *end = pages + nr;
	struct connection *c = &dev->c;

	if (UNLIKELY(!device_live(dev)))
		return;
	/* They are as they were taken. If not, this stays within the array at least. */
	for (; page != end && c->rx_ids[page->id % DEVICE_SLOTS_MAX]; page++)
		c->rx_ids[page->id % DEVICE_SLOTS_MAX] = false;
	if (UNLIKELY(page != end))
		device_log_bug(dev, "page", page->id);
	else if (UNLIKELY(!ring_respond(&c->rx, rsp, nr)))
		device_log_bug(dev, "page", rsp->id);
}
