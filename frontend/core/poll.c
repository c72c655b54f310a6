/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Consuming responses, publishing requests, and who is to be woken for what.
 *
 * An event costs more than fifty pages copied, so none is asked for or sent in
 * vain. Sending: lazy requests are published with the others, but the event
 * that the broker asked for is put off (v->due) until something urgent joins
 * it, the caller forces it, or the deadline comes. Receiving: nobody waits for
 * the answers to CREDIT, RELEASE and POOL_ACK, nor, unless a port does
 * (vmsg_wait), for those to quiet SENDs; rsp_event is set behind
 * them. If somebody comes to wait later, it is set anew.
 */
#include "frontend/core/poll.h"

#include "frontend/core/complete.h"
#include "frontend/core/reset.h"
#include "frontend/core/ring.h"
#include "frontend/core/rx.h"
#include "frontend/core/wait.h"

/* Consumes at most @budget responses, or one message more. Returns whether more may be there. */
static bool consume(struct vmsg *v, unsigned int budget)
{
	do {
		budget = vmsg_rx_take(v, budget);
		if (budget)
			budget = vmsg_tx_take(v, budget);
		if (!budget)
			return !v->broken;
	} while (vmsg_ring_look(v));
	return false;
}

static void after(struct vmsg *v)
{
	if (v->broken) {
		vmsg_shutdown(v, -EHOSTDOWN);
		return;
	}
	if (v->todo)
		vmsg_pump(v);
	if (v->todo & VMSG_TODO_WAKE)
		vmsg_wait_wake(v);
}

bool vmsg_poll(struct vmsg *v, unsigned int budget, uint64_t now)
{
	bool more;

	(void)now;
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

bool vmsg_arm(struct vmsg *v)
{
	uint32_t skip = v->nr_behind || v->todo ? 0 : v->nr_prompt;

	if (v->phase == VMSG_DOWN)
		return false;
	v->far = !awaited(v);
	if (v->far)
		skip += v->nr_quiet;
	return vmsg_ring_arm(v, skip);
}

bool vmsg_publish(struct vmsg *v, bool force, uint64_t now)
{
	bool tx, rx, send;

	if (v->phase == VMSG_DOWN)
		return false;
	if (v->todo)
		vmsg_pump(v);
	vmsg_ring_push(v, &tx, &rx);
	v->due |= tx | rx;
	/* Asking for an event for RX pages, the broker says that it is short of them. */
	send = v->due && (force || v->urgent || rx || now >= v->deadline);
	v->urgent = false;
	if (send) {
		v->due = false;
		v->deadline = UINT64_MAX;
		v->lazy_releases = 0;
		v->stats.events++;
	} else if (v->due && v->deadline == UINT64_MAX) {
		v->deadline = now + VMSGIF_LAZY_NS;
	}
	if (vmsg_unlikely(v->far && awaited(v)) && vmsg_arm(v))
		vmsg_poll(v, vmsg_slots(v), now);
	return send;
}

uint64_t vmsg_deadline(const struct vmsg *v)
{
	return v->deadline;
}
