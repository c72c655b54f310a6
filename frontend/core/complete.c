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

void vmsg_send_end(struct vmsg *v, struct vmsg_shadow *s, int status)
{
	struct vmsg_port *port = s->port;
	uint64_t cookie = s->cookie;

	if (s->nr_segs)
		vmsg_pages_put_message(v, s);
	s->window->count--;
	if (vmsg_unlikely(status))
		v->stats.tx_failed++;
	v->nr_wait--;
	vmsg_tx_free(v, s);
	if (vmsg_likely(port)) {
		port->unanswered--;
		if (cookie)
			v->params.ops->send_done(v, port, cookie, status);
	}
	/* Last, as it may say that the pool is not in use any more. */
	if (vmsg_unlikely(s->req.flags & VMSGIF_TXF_MAP))
		vmsg_own_put(v, s->req.u.map.id);
}

/* Ends the queued SENDs that @mapped pool (or -1) names, or that were posted once. */
static void fail_queued(struct vmsg *v, int mapped, int status)
{
	unsigned int kept = 0;
	unsigned int i;

	for (i = 0; i < v->nr_queue; i++) {
		struct vmsg_shadow *s = &v->t.shadows[v->t.queue[i]];
		bool hit = mapped < 0 ? s->again :
					(s->req.flags & VMSGIF_TXF_MAP) &&
						s->req.u.map.id == (unsigned int)mapped;

		if (!hit || s->op != VMSGIF_OP_SEND) {
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

		if (s->op == VMSGIF_OP_SEND) {
			s->window->queued--;
			vmsg_send_end(v, s, status);
		} else {
			struct vmsg_answer answer = { .status = status };

			vmsg_resolve_end(v, s, &answer);
		}
	}
	v->nr_queue = 0;
	vmsg_tx_drop(v, true);
}

/* The port is still there: vmsg_port_fini() takes it from its shadows. */
static void port_answered(struct vmsg *v, struct vmsg_port *port, unsigned int op, int status)
{
	if (op == VMSGIF_OP_BIND)
		vmsg_port_bound(v, port, status);
	else if (op == VMSGIF_OP_UNBIND)
		vmsg_port_unbound(v, port);
	else if (op == VMSGIF_OP_CREDIT)
		vmsg_port_credited(v, port);
}

/* Answers to all requests but SEND. The shadow is free again when the owner hears of it. */
static bool answered(struct vmsg *v, struct vmsg_shadow *s, const struct vmsgif_tx_response *r)
{
	struct vmsg_answer answer = { .status = r->status, .addr = r->addr, .port = r->port };
	struct vmsg_port *port = s->port;
	unsigned int op = s->op;
	unsigned int index = s->index;

	vmsg_tx_answered(v, s);
	if (op == VMSGIF_OP_RESOLVE) {
		vmsg_resolve_end(v, s, &answer);
		return true;
	}
	if (r->addr || r->port)
		return vmsg_break(v, "TX response with an address");
	vmsg_name_put(v, s);
	vmsg_tx_put(v, s);
	if (port)
		port_answered(v, port, op, answer.status);
	switch (op) {
	case VMSGIF_OP_SUBSCRIBE:
		vmsg_subscribed(v, index, answer.status);
		break;
	case VMSGIF_OP_POOL_ADD:
		if (index == VMSG_PAGE_END)
			vmsg_device_pool_added(v, s->req.u.pool.type, answer.status);
		else
			vmsg_own_added(v, index, answer.status);
		break;
	case VMSGIF_OP_POOL_DEL:
		vmsg_own_deleted(v, index, answer.status);
		break;
	case VMSGIF_OP_READY:
		v->ready = true;
		break;
	default: /* of ports; RELEASE, POOL_ACK */
		break;
	}
	return !v->broken;
}

/*
 * "Not delivered" is what this broker knows. Of a SEND that another one had
 * before, it does not know everything.
 */
static inline int status_of(const struct vmsg_shadow *s, int status)
{
	if (vmsg_likely(!status || !s->again) || status == VMSGIF_ECONNREFUSED)
		return status;
	return VMSGIF_EHOSTDOWN;
}

static inline bool all_zero(const struct vmsgif_tx_response *r)
{
	const uint64_t *word = (const uint64_t *)(const void *)r->reserved;

	return !(word[0] | word[1] | word[2] | word[3] | word[4] | word[5]);
}

bool vmsg_tx_take(struct vmsg *v)
{
	struct vmsgif_tx_response r __attribute__((aligned(8)));
	struct vmsg_shadow *s;

	vmsg_ring_take_tx(v, &r);
	if (vmsg_unlikely(r.id > v->mask))
		return vmsg_break(v, "TX response with an id that is none");
	s = &v->t.shadows[r.id];
	if (vmsg_unlikely(s->state != VMSG_SHADOW_POSTED))
		return vmsg_break(v, "TX response to no request");
	if (vmsg_unlikely(s->op != r.op))
		return vmsg_break(v, "TX response of another kind than the request");
	if (vmsg_unlikely(r.status > 0 || r.reserved0 || !all_zero(&r)))
		return vmsg_break(v, "bad TX response");
	if (vmsg_unlikely(r.op != VMSGIF_OP_SEND))
		return answered(v, s, &r);
	if (vmsg_unlikely(r.addr | r.port))
		return vmsg_break(v, "TX response with an address");
	v->nr_quiet -= s->quiet;
	vmsg_send_end(v, s, status_of(s, r.status));
	return true;
}
