// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The context: opens the interfaces, and does from the event loop what others
 * noted down to be done.
 */
#include "backend/internal.h"

#include "backend/local.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_NS NS_PER_S

static void wake(struct backend *b)
{
	b->loop.due = true;
	(void)sd_event_source_set_enabled(b->work_source, SD_EVENT_ONESHOT);
}

void backend_rescan(struct backend *b)
{
	b->rescan = true;
	wake(b);
}

void backend_reconsider(struct backend *b)
{
	b->reconsider = true;
	backend_rescan(b);
}

void device_schedule(struct device *dev)
{
	if (list_empty(&dev->work))
		list_add_tail(&dev->b->work, &dev->work);
	wake(dev->b);
}

static void on_chan(void *priv, struct chan *chan)
{
	device_event(chan->priv);
}

static void on_events(void *priv)
{
	backend_take_events(priv);
}

void backend_take_events(struct backend *b)
{
	b->ops->kicking(b->priv);
	chans_take(b->chans);
	if (b->ops->kicked(b->priv))
		b->loop.due = true;
}

int backend_loop(struct backend *b, int timeout)
{
	return loop_run(&b->loop, timeout);
}

/* Only notes what is to be done: the queue of events is emptied first (xs.c). */
static void on_watch(void *priv, const char *token)
{
	struct backend *b = priv;
	struct domain *dom;
	struct device *dev;

	dom = devices_domain_by_token(b, token);
	if (dom)
		dom->renamed = true;
	if (dom || strcmp(token, "domains") == 0) {
		backend_rescan(b);
		return;
	}
	dev = devices_by_token(b, token);
	if (dev)
		otherend_poke(dev);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
	backend_rescan(userdata);
	return 0;
}

void backend_rescan_later(struct backend *b)
{
	(void)timer_set(&b->loop, &b->retry, clock_now_ns() + RETRY_NS, on_retry, b);
}

static void rescan(struct backend *b)
{
	int r;

	b->rescan = false;
	r = domains_scan(b);
	if (r == 0 && (!b->swept || b->litter)) {
		b->litter = false;
		r = devices_sweep(b);
		b->swept = b->swept || r == 0;
	}
	if (r == 0)
		r = local_scan(b);
	if (r == 0)
		return;
	log_limited(b->log, clock_now_ns(), OWN_DOMID, "domains", LOG_ERR,
		    "domains or their devices cannot be listed: %s, trying again", strerror(-r));
	backend_rescan_later(b);
}

static int on_work(sd_event_source *source, void *userdata)
{
	struct backend *b = userdata;
	struct list now = LIST_INIT(now);

	if (b->rescan)
		rescan(b);
	/* What comes up meanwhile is for the next turn. */
	list_splice_tail(&now, &b->work);
	while (!list_empty(&now)) {
		struct device *dev = list_first_entry(&now, struct device, work);

		list_del(&dev->work);
		dev->bus->run(dev);
	}
	return 0;
}

static int open_all(struct backend *b, sd_event *event)
{
	int r = sd_event_add_defer(event, &b->work_source, on_work, b);

	if (r < 0)
		return r;
	r = sd_event_source_set_enabled(b->work_source, SD_EVENT_OFF);
	if (r < 0)
		return r;
	(void)sd_event_source_set_description(b->work_source, "backend");
	r = grants_new(&b->grants, b->limits.map_budget, &b->stats);
	if (r < 0)
		return r;
	r = chans_new(&b->chans, &b->loop, on_chan, b, &b->stats);
	if (r < 0)
		return r;
	r = loop_open(&b->loop, event, chans_fd(b->chans), on_events, b);
	if (r < 0)
		return r;
	r = domains_new(&b->domains);
	if (r < 0)
		return r;
	r = local_new(&b->local, b);
	if (r < 0)
		return r;
	r = store_new(&b->store, event, on_watch, b);
	if (r < 0)
		return r;
	/* Both fire at once: that is the first scan. */
	r = store_watch(b->store, "@introduceDomain", "domains");
	return r < 0 ? r : store_watch(b->store, "@releaseDomain", "domains");
}

int backend_new(struct backend **out, sd_event *event, struct log *log,
		const struct backend_limits *limits, const struct backend_ops *ops, void *priv)
{
	struct backend *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	b->log = log;
	b->limits = *limits;
	b->ops = ops;
	b->priv = priv;
	list_init(&b->devices);
	list_init(&b->work);
	r = open_all(b, event);
	if (r < 0) {
		backend_free(b, false);
		return r;
	}
	*out = b;
	return 0;
}

void backend_free(struct backend *b, bool remove)
{
	if (!b)
		return;
	devices_free(b, remove);
	local_free(b->local, remove);
	store_free(b->store);
	domains_free(b->domains);
	loop_close(&b->loop);
	chans_free(b->chans);
	grants_free(b->grants);
	sd_event_source_disable_unref(b->retry);
	sd_event_source_disable_unref(b->work_source);
	free(b);
}

void backend_stats_get(const struct backend *b, struct backend_stats *stats)
{
	*stats = b->stats;
}
