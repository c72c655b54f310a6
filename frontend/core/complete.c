/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The end of TX requests. A response must carry the id of a posted request and
 * repeat its kind; what else it says is checked per kind.
 */
#include "frontend/core/complete.h"

#include "frontend/core/control.h"
#include "frontend/core/name.h"
#include "frontend/core/pages.h"
#include "frontend/core/pool.h"
#include "frontend/core/port.h"
#include "frontend/core/reset.h"
#include "frontend/core/tx.h"

static void failed(struct vmsg *v, const struct vmsg_shadow *s, struct vmsg_port *port, int status)
{
	const struct vmsg_failure failure = {
		.status = status,
		.addr = s->req.addr,
		.port = s->req.port,
		.seq = s->req.seq,
		.count = s->tag.mapped ? s->req.u.map.more + 1u :
					 VMSGIF_BATCH_COUNT(s->req.len, s->req.each),
	};

	if (v->params.ops->send_failed)
		v->params.ops->send_failed(v, port, &failure);
}

/* The part that all SENDs have. */
static void send_end(struct vmsg *v, struct vmsg_shadow *s, int status)
{
	struct vmsg_port *port = s->port;

	s->window->count--;
	s->tag.word = 0;
	s->next_free = v->free;
	v->free = s;
	v->nr_wait--;
	v->todo |= v->on_free;
	if (vmsg_unlikely(!port))
		return;
	port->unanswered--;
	if (s->cookie)
		v->params.ops->send_done(v, port, s->cookie, status);
	else if (status)
		failed(v, s, port, status);
}

void vmsg_send_end(struct vmsg *v, struct vmsg_shadow *s, int status)
{
	union vmsg_tag tag = s->tag;

	if (tag.nr_segs)
		vmsg_pages_put_message(v, s);
	if (status)
		v->stats.tx_failed++;
	send_end(v, s, status);
	/* Last, as it may say that the pool is not in use any more. */
	if (tag.mapped)
		vmsg_own_put(v, s->req.u.map.id);
}

/* Ends the queued SENDs that @mapped pool (or -1) names, or that were posted once. */
static void fail_queued(struct vmsg *v, int mapped, int status)
{
	unsigned int kept = 0;
	unsigned int i;

	for (i = 0; i < v->nr_queue; i++) {
		struct vmsg_shadow *s = &v->t.shadows[v->t.queue[i]];
		bool hit = mapped < 0 ? s->tag.again :
					s->tag.mapped && s->req.u.map.id == (unsigned int)mapped;

		if (!hit || s->tag.op != VMSGIF_OP_SEND) {
			v->t.queue[kept++] = v->t.queue[i];
			continue;
		}
		s->window->queued--;
		vmsg_send_end(v, s, status);
	}
	v->nr_queue = (uint16_t)kept;
}

void vmsg_send_fail_queued(struct vmsg *v, unsigned int id, int status)
{
	fail_queued(v, (int)id, status);
}

void vmsg_send_fail_again(struct vmsg *v)
{
	fail_queued(v, -1, VMSGIF_EHOSTDOWN);
}

void vmsg_tx_end_all(struct vmsg *v, int status)
{
	unsigned int i;

	vmsg_tx_requeue(v);
	for (i = 0; i < v->nr_queue; i++) {
		struct vmsg_shadow *s = &v->t.shadows[v->t.queue[i]];

		if (s->tag.op == VMSGIF_OP_SEND) {
			s->window->queued--;
			vmsg_send_end(v, s, status);
		} else {
			struct vmsg_answer answer = { .status = status };

			vmsg_resolve_end(v, s, &answer);
		}
	}
	v->nr_queue = 0;
	v->on_free &= ~VMSG_TODO_QUEUE;
	vmsg_tx_drop(v, true);
}

/* BIND, UNBIND or CREDIT. The port is still there: vmsg_port_fini() takes it from its shadows. */
static void port_answered(struct vmsg *v, struct vmsg_port *port, unsigned int op, int status)
{
	if (op == VMSGIF_OP_BIND)
		vmsg_port_bound(v, port, status);
	else if (op == VMSGIF_OP_UNBIND)
		vmsg_port_unbound(v, port);
	else
		vmsg_port_credited(v, port);
}

/* Answers to all requests but SEND and RESOLVE. The shadow is free when the owner hears of it. */
static void answered(struct vmsg *v, struct vmsg_shadow *s, int status)
{
	struct vmsg_port *port = s->port;
	unsigned int op = s->tag.op;
	unsigned int index = s->index;

	vmsg_name_put(v, s);
	vmsg_tx_put(v, s);
	if (port)
		port_answered(v, port, op, status);
	switch (op) {
	case VMSGIF_OP_SUBSCRIBE:
		vmsg_subscribed(v, index, status);
		break;
	case VMSGIF_OP_POOL_ADD:
		if (index == VMSG_PAGE_END)
			vmsg_device_pool_added(v, s->req.u.pool.type, status);
		else
			vmsg_own_added(v, index, status);
		break;
	case VMSGIF_OP_POOL_DEL:
		vmsg_own_deleted(v, index, status);
		break;
	case VMSGIF_OP_READY:
		v->ready = true;
		break;
	default: /* of ports; RELEASE, POOL_ACK */
		break;
	}
}

/*
 * "Not delivered" is what this broker knows. Of a SEND that another one had
 * before, it does not know everything.
 */
static int status_of(union vmsg_tag tag, int status)
{
	if (!status || !tag.again || status == VMSGIF_ECONNREFUSED)
		return status;
	return VMSGIF_EHOSTDOWN;
}

/* Any response, with all checks. */
static bool take_any(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_tx_words *words)
{
	struct vmsg_answer answer = {
		.status = (int32_t)(words->head >> 32),
		.addr = (uint32_t)words->place,
		.port = (uint32_t)(words->place >> 32),
	};
	union vmsg_tag tag = s->tag;

	if (tag.state != VMSG_SHADOW_POSTED)
		return vmsg_break(v, "TX response to no request");
	if (tag.op != (uint8_t)words->head)
		return vmsg_break(v, "TX response of another kind than the request");
	if (answer.status > 0 || (uint8_t)(words->head >> 8) || words->reserved)
		return vmsg_break(v, "bad TX response");
	if (words->place && tag.op != VMSGIF_OP_RESOLVE)
		return vmsg_break(v, "TX response with an address");
	vmsg_tx_answered(v, s);
	if (tag.op == VMSGIF_OP_SEND)
		vmsg_send_end(v, s, status_of(tag, answer.status));
	else if (tag.op == VMSGIF_OP_RESOLVE)
		vmsg_resolve_end(v, s, &answer);
	else
		answered(v, s, answer.status);
	return !v->broken;
}

static bool take_next(struct vmsg *v)
{
	struct vmsg_cursor c = vmsg_tx_open(v);
	const struct vmsg_tx_words words = vmsg_tx_peek(&c);
	uint32_t id = (uint16_t)(words.head >> 16);

	v->tx.cons++;
	if (id > c.mask)
		return vmsg_break(v, "TX response with an id that is none");
	return take_any(v, &v->t.shadows[id], &words);
}

unsigned int vmsg_tx_take(struct vmsg *v, unsigned int budget)
{
	while (v->tx.cons != v->tx.seen && budget) {
		unsigned int nr = vmsg_tx_run(v, budget);

		if (!nr) {
			if (!take_next(v))
				return 0;
			nr = 1;
		}
		budget -= nr;
	}
	return budget;
}
