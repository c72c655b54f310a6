/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Consuming responses, publishing requests, and who is to be woken for what.
 *
 * An event costs more than fifty pages copied, so none is asked for or sent in
 * vain. Sending: lazy requests are published with the others, but the event
 * that the broker asked for (v->due) is put off until something urgent joins it,
 * there are many of them (vmsg_tx_many()), or the caller forces it, which is to be
 * soon (vmsg_put_off()). So are they themselves as long as others may be joined to
 * them: the last one, if it is open. Receiving: nobody waits for
 * the answers to CREDIT, RELEASE and POOL_ACK, nor, unless a port does
 * (vmsg_wait), for those to quiet SENDs; rsp_event is set behind
 * them, and behind those that may follow. If somebody comes to wait later, it is
 * set anew.
 */
#include "frontend/core/poll.h"

#include "frontend/core/complete.h"
#include "frontend/core/reset.h"
#include "frontend/core/ring.h"
#include "frontend/core/rx.h"
#include "frontend/core/tx.h"
#include "frontend/core/wait.h"

/* Consumes at most @budget responses, or one message more. Returns whether more may be there. */
static bool consume(struct vmsg *v, unsigned int budget)
{
	int pages = v->nr_tx_free;

	while (budget && vmsg_ring_look(v)) {
		budget = vmsg_rx_take(v, budget);
		if (budget)
			budget = vmsg_tx_take(v, budget);
	}
	v->told_pages += v->nr_tx_free - pages;
	return !budget && !v->broken;
}

static void after(struct vmsg *v)
{
	if (v->broken) {
		vmsg_shutdown(v, -EHOSTDOWN);
		return;
	}
	if (vmsg_unlikely(vmsg_rx_short(v)))
		v->todo |= VMSG_TODO_RX;
	if (v->todo)
		vmsg_pump(v);
	if (v->todo & VMSG_TODO_WAKE)
		vmsg_wait_wake(v);
}

bool vmsg_poll(struct vmsg *v, unsigned int budget)
{
	bool more;

	if (v->phase == VMSG_DOWN)
		return false;
	more = consume(v, budget);
	after(v);
	return more;
}

void vmsg_poll_all(struct vmsg *v)
{
	consume(v, UINT32_MAX);
	if (v->broken)
		vmsg_shutdown(v, -EHOSTDOWN);
}

/* Whether somebody waits for an answer that is not of the prompt ones. */
static bool awaited(const struct vmsg *v)
{
	uint32_t waits = vmsg_ring_unanswered(&v->tx) - v->nr_prompt - v->nr_quiet;

	return waits || v->wait_first || v->control_waits || v->nr_behind || v->todo;
}

/* Whether an answer that rsp_event was set behind has to wake us by now. */
static bool too_far(const struct vmsg *v)
{
	return v->skipped == VMSG_SKIP_ALL ? awaited(v) : v->nr_behind || v->todo;
}

static bool arm(struct vmsg *v)
{
	uint32_t skip = 0;

	/* Also behind what may be posted later: if that is waited for, it is set anew. */
	v->skipped = VMSG_SKIP_NONE;
	if (!awaited(v)) {
		v->skipped = VMSG_SKIP_ALL;
		skip = vmsg_slots(v);
	} else if (v->nr_prompt && !v->nr_behind && !v->todo) {
		v->skipped = VMSG_SKIP_PROMPT;
		skip = v->nr_prompt;
	}
	v->armed = !vmsg_ring_arm(v, skip);
	v->armed_at = v->tx.cons + v->rx.cons;
	return !v->armed;
}

bool vmsg_arm(struct vmsg *v)
{
	return v->phase != VMSG_DOWN && arm(v);
}

bool vmsg_armed(const struct vmsg *v)
{
	return v->armed && v->armed_at == v->tx.cons + v->rx.cons;
}

/* Whether the event that is due, as the other end asked for it, is sent now or put off. */
static bool decide(struct vmsg *v, unsigned int asked, bool force)
{
	/* Asking for an event for RX pages, the broker says that it is short of them. */
	if (force || v->urgent || (asked & VMSG_ASKED_RX)) {
		v->due = false;
		v->put_off = false;
		v->stats.events++;
		return true;
	}
	v->due = true;
	v->put_off = true;
	return false;
}

/* Whether the open request stays so, and is not published. */
static bool holds_back(struct vmsg *v, bool force)
{
	if (force || v->urgent || v->tx.prod != v->open_prod)
		v->open = NULL;
	return v->open != NULL;
}

bool vmsg_publish(struct vmsg *v, bool force)
{
	unsigned int asked = 0;
	bool send = false;
	uint32_t tx;

	if (v->phase == VMSG_DOWN)
		return false;
	if (v->todo)
		vmsg_pump(v);
	if (!force && !v->urgent)
		v->urgent = vmsg_tx_many(v);
	tx = v->tx.prod;
	if (vmsg_unlikely(v->open != NULL) && holds_back(v, force))
		tx--;
	if (tx != v->tx.pushed || v->rx.prod != v->rx.pushed)
		asked = vmsg_ring_push(v, tx);
	if (asked || v->due)
		send = decide(v, asked, force);
	/* If none is due, the broker is awake. */
	if (send || v->urgent)
		vmsg_tx_told(v, tx);
	v->urgent = false;
	/* Who has taken in something since will arm again anyway, when done with that. */
	if (vmsg_unlikely(v->skipped && vmsg_armed(v) && too_far(v)) && arm(v))
		vmsg_poll(v, vmsg_slots(v));
	return send;
}

bool vmsg_put_off(const struct vmsg *v)
{
	return v->put_off || v->open;
}
