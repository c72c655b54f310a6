// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is noted down of messages that are not answered.
 *
 * The engine names them by a cookie, which is a place in a table. Batches that it joined,
 * and answers as one, are chained behind the first of them: each was sent by a call of its
 * own, is charged, and has its events. The table has places for as many as
 * there can be SENDs, and as many for what is joined to them.
 */
#include "front.h"

void sent_init(struct vmsg_front *front)
{
	unsigned int i;

	for (i = 0; i < FRONT_SENT; i++)
		front->sent[i].next = i + 1;
	front->sent[FRONT_SENT - 1].next = SENT_NONE;
}

void sent_join(struct vmsg_front *front, u64 cookie, const struct sent *sent)
{
	struct sent *last = &front->sent[cookie - 1];

	while (last->next != SENT_NONE)
		last = &front->sent[last->next];
	last->next = sent - front->sent;
}

/* ---------------------------------------------------------------- answers */

void send_try_again(struct endpoint *ep)
{
	ep->stuck = false;
	ep_wake(ep);
}

/* Of one that failed, or that is to be confirmed. */
static void tell(struct endpoint *ep, const struct sent *sent, int status)
{
	const struct ep_event event = {
		.type = sent->confirm ? XENMSG_EV_SENT : XENMSG_EV_FAILED,
		.status = status,
		.addr = sent->addr,
		.port = sent->port,
		.seq = sent->seq,
		.cookie = sent->cookie,
	};

	if (status && !ep->failure)
		ep->failure = status;
	if (sent->confirm)
		event_confirm(ep, &event);
	else
		event_post(ep, &event);
}

static void answered(struct vmsg_front *front, struct sent *sent, int status)
{
	struct endpoint *ep = sent->ep;

	if (status || sent->confirm)
		tell(ep, sent, status);
	ep->tx_pages -= sent->pages;
	if (sent->area_nr)
		bitmap_clear(ep->area_busy, sent->area_first, sent->area_nr);
	if (sent->pool)
		pool_answered(sent->pool);
	sent->ep = NULL;
	sent->next = front->free_sent;
	front->free_sent = sent - front->sent;
	front->nr_sent--;
	share_put_send(front, ep->user, sent->pages);
	/* Whoever flushes or waits for its share looks at these; who sleeps in SEND is stuck. */
	if (!--ep->nr_sent || ep->stuck)
		send_try_again(ep);
}

void sent_answered(struct vmsg_front *front, u64 cookie, int status)
{
	u16 at, next;

	for (at = cookie - 1; at != SENT_NONE; at = next) {
		next = front->sent[at].next;
		answered(front, &front->sent[at], status);
	}
}
