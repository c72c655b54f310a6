// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * SENDs.
 *
 * What depends on source and destination alone is settled when a flow begins
 * and kept with it, above all the policy's decision; a SEND of a known flow is
 * a few comparisons. Refusals name what refused: a rule, a limit.
 */
#include "broker/send.h"

#include "broker/broker.h"
#include "broker/peer.h"
#include "broker/pools.h"

#include "common/clock.h"
#include "common/macros.h"

/* ---------------------------------------------------------------- refusals */

void send_log_refused(struct peer *src, const struct peer *dst, uint32_t port, const char *mode,
		      const struct decision *decision)
{
	struct broker *broker = src->broker;
	/* The rule would have it, but not the daemon. */
	bool no_map = decision->rule && (decision->rule->modes & MODE_MAP) &&
		      !broker->config->limits.feature_map && !strcmp(mode, "map");

	policy_refused(&broker->config->policy, decision);
	log_limited(broker->log, broker_now(broker), device_domid(src->dev),
		    no_map ? "map" : decision_rule(decision), LOG_NOTICE,
		    "refused from=%s to=%s port=%u mode=%s: %s", src->label, dst ? dst->label : "?",
		    port, mode,
		    no_map ? "[daemon] does not allow it" : "the policy does not allow it");
}

int send_unknown(struct peer *src, uint32_t addr, uint32_t port, const char *mode)
{
	struct broker *broker = src->broker;
	const char *name = route_old_name(&broker->route, addr);
	struct decision decision;

	policy_decide(&broker->config->policy, peer_subject(src), name, port, NULL, true,
		      &decision);
	if (decision.modes) {
		log_limited(broker->log, broker_now(broker), device_domid(src->dev),
			    "address is gone", LOG_NOTICE, "refused from=%s addr=%#x port=%u",
			    src->label, addr, port);
		return VMSGIF_EHOSTUNREACH;
	}
	send_log_refused(src, NULL, port, mode, &decision);
	return VMSGIF_EACCES;
}

void send_log_excess(struct peer *src, const struct peer *dst, uint32_t port,
		     const struct excess *excess)
{
	struct broker *broker = src->broker;
	char rule[SECTION_NAME_MAX + 16];

	snprintf(rule, sizeof(rule), "%s%s", excess->rule ? "" : "limits ",
		 excess->rule ? excess->rule->name : excess->limits->name);
	log_limited(broker->log, broker_now(broker), device_domid(src->dev), rule, LOG_NOTICE,
		    "refused from=%s to=%s port=%u: over '%s'", src->label, dst ? dst->label : "-",
		    port, excess->key);
}

/* Other reasons than the policy; @rule names it. Returns @status. */
static NOINLINE int refuse(struct peer *src, const struct request *req, const char *rule,
			   int status)
{
	struct broker *broker = src->broker;

	log_limited(broker->log, broker_now(broker), device_domid(src->dev), rule, LOG_NOTICE,
		    "refused from=%s addr=%#x port=%u len=%u: status %d", src->label, req->addr,
		    req->port, req->len, status);
	return status;
}

static const char *mode_name(const struct request *req)
{
	return req->form == REQUEST_MAP ? "map" : "copy";
}

static unsigned int mode_of(enum request_form form)
{
	return form == REQUEST_MAP ? MODE_MAP : MODE_COPY;
}

/* ------------------------------------------------------------------- flows */

static void decide(struct peer *src, struct peer *dst, struct port *port, uint32_t number,
		   struct decision *decision)
{
	struct config *config = src->broker->config;

	policy_decide(&config->policy, peer_subject(src), peer_name(dst), number,
		      port ? port_service(port) : NULL, !port && !dst->ready, decision);
	if (!config->limits.feature_map)
		decision->modes &= ~(unsigned int)MODE_MAP;
}

/* The first SEND of a flow, or the first one since it was forgotten. As flow_of(). */
static int flow_begin(struct peer *src, const struct request *req)
{
	struct peer *dst = route_peer(&src->broker->route, req->addr);
	struct decision decision;
	struct port *port;

	if (!dst)
		return send_unknown(src, req->addr, req->port, mode_name(req));
	port = port_find(dst, req->port);
	decide(src, dst, port, req->port, &decision);
	if (!(decision.modes & mode_of(req->form))) {
		send_log_refused(src, dst, req->port, mode_name(req), &decision);
		return VMSGIF_EACCES;
	}
	if (!port && dst->ready)
		return refuse(src, req, "port is not bound", VMSGIF_ECONNREFUSED);
	src->last_flow = flow_new(src, dst, port, req->port, &decision);
	return src->last_flow ? VMSGIF_OKAY : refuse(src, req, "memory", VMSGIF_ENOBUFS);
}

/* Not that of the SEND before. */
static NOINLINE int flow_other(struct peer *src, const struct request *req)
{
	struct flow *flow = flow_find(src, req->addr, req->port);

	if (!flow)
		return flow_begin(src, req);
	src->last_flow = flow;
	return VMSGIF_OKAY;
}

/* Makes the flow src->last_flow; or the status that the request is refused with. */
static inline int flow_of(struct peer *src, const struct request *req)
{
	struct flow *flow = src->last_flow;

	if (LIKELY(flow && flow->addr == req->addr && flow->number == req->port))
		return VMSGIF_OKAY;
	return flow_other(src, req);
}

static inline unsigned int pages_of(const struct request *req)
{
	if (UNLIKELY(req->form != REQUEST_SEGS && req->form != REQUEST_INDIRECT))
		return 1;
	return (req->len + VMSGIF_PAGE_SIZE - 1) / VMSGIF_PAGE_SIZE;
}

static inline unsigned int count_of(const struct request *req)
{
	return UNLIKELY(req->form == REQUEST_MAP) ? req->map_more + 1u :
						    VMSGIF_BATCH_COUNT(req->len, req->each);
}

static inline uint32_t bytes_of(const struct request *req)
{
	return UNLIKELY(req->form == REQUEST_MAP) ? req->len * (req->map_more + 1u) : req->len;
}

static NOINLINE int not_in_mode(struct peer *src, const struct request *req)
{
	const struct flow *flow = src->last_flow;

	send_log_refused(src, flow->pair->dst, req->port, mode_name(req), &flow->decision);
	return VMSGIF_EACCES;
}

/* May it be queued in src->last_flow? 0, or the status that it is refused with. */
static inline int check(struct peer *src, const struct request *req, unsigned int pages)
{
	const struct flow *flow = src->last_flow;
	const struct port *port = flow->port;
	const struct peer *dst = flow->pair->dst;

	if (UNLIKELY(!(flow->decision.modes & mode_of(req->form))))
		return not_in_mode(src, req);
	if (LIKELY(port)) {
		if (UNLIKELY(port->unbind))
			return refuse(src, req, "port is not bound", VMSGIF_ECONNREFUSED);
		if (UNLIKELY(req->len > port->max_len))
			return refuse(src, req, "longest message of the port", VMSGIF_EMSGSIZE);
	}
	if (UNLIKELY(pages > dst->nr_slots && dst->up))
		return refuse(src, req, "RX ring of the receiver", VMSGIF_EMSGSIZE);
	if (UNLIKELY(flow->open >= src->broker->config->limits.flow_window))
		return refuse(src, req, "flow-window", VMSGIF_ENOBUFS);
	return VMSGIF_OKAY;
}

/* The place in the sender's pool. */
static NOINLINE int check_map(struct peer *src, const struct request *req)
{
	struct map_pool *pool;
	int status = pool_check(src, req, &pool);

	return status == VMSGIF_EFAULT ? refuse(src, req, "place in a MAP pool", status) : status;
}

/* Rates and quotas. A message over them is not kept for later: that is what the sender's is for. */
static NOINLINE int admit(struct peer *src, const struct request *req)
{
	const struct flow *flow = src->last_flow;
	struct excess excess;

	/* A restart of the broker must not fail what was under way, however much that is. */
	if (src->admitted) {
		src->admitted--;
		return VMSGIF_OKAY;
	}
	if (account_admit(src->account, flow->charge, broker_now(src->broker), bytes_of(req),
			  count_of(req), req->form == REQUEST_MAP, &excess))
		return VMSGIF_OKAY;
	send_log_excess(src, flow->pair->dst, req->port, &excess);
	return VMSGIF_EDQUOT;
}

/* All that a SEND can be refused for: src->last_flow is its flow, if it is not. */
static inline int judge(struct peer *src, const struct request *req, unsigned int pages)
{
	int status;

	if (UNLIKELY(req->seq <= src->last_seq || req->seq - src->last_seq < count_of(req)))
		return refuse(src, req, "sequence numbers rise", VMSGIF_EINVAL);
	src->last_seq = req->seq;
	status = flow_of(src, req);
	if (LIKELY(status == VMSGIF_OKAY))
		status = check(src, req, pages);
	if (UNLIKELY(req->form == REQUEST_MAP && status == VMSGIF_OKAY))
		status = check_map(src, req);
	/* The last check: who is refused for anything else is not charged. */
	if (LIKELY(status == VMSGIF_OKAY) &&
	    UNLIKELY(src->account->limited || src->last_flow->charge))
		status = admit(src, req);
	return status;
}

/* ---------------------------------------------------------------- messages */

static NOINLINE int keep_list(struct message *m, const struct request *req,
			      const struct vmsgif_segment *segs)
{
	struct vmsgif_segment *list = broker_list_get(m->src->broker);

	if (!list) {
		m->nr_segs = 0;
		return VMSGIF_ENOBUFS;
	}
	memcpy(list, segs, req->nr_segs * sizeof(*segs));
	m->u.list = list;
	return VMSGIF_OKAY;
}

static NOINLINE int keep_map(struct message *m, const struct request *req)
{
	/* check_map() found it. */
	struct map_pool *pool = m->src->pools[req->map_id];

	m->u.map.pool = pool;
	m->u.map.id = req->map_id;
	m->u.map.more = req->map_more;
	m->u.map.offset = req->map_offset;
	pool->messages++;
	m->src->account->maps++;
	return VMSGIF_OKAY;
}

/* Keep where the payload is. 0, or the status that it is refused with. */
static inline int keep_payload(struct message *m, const struct request *req,
			       const struct vmsgif_segment *segs)
{
	if (LIKELY(req->form == REQUEST_SEGS)) {
		/* Those behind the last are there. */
		memcpy(m->u.segs, segs, sizeof(m->u.segs));
		return VMSGIF_OKAY;
	}
	if (req->form == REQUEST_INDIRECT)
		return keep_list(m, req, segs);
	if (req->form == REQUEST_MAP)
		return keep_map(m, req);
	/* Inline; or nothing at all, which the union then is. */
	memcpy(m->u.data, req->data, sizeof(m->u.data));
	m->form = REQUEST_INLINE;
	return VMSGIF_OKAY;
}

static NOINLINE void turn_down(struct peer *src, const struct request *req, int status)
{
	src->count.refused++;
	src->broker->refused++;
	peer_answer(src, req, status);
}

static NOINLINE void no_slot(struct peer *src, const struct request *req)
{
	refuse(src, req, "slots of the ring", VMSGIF_ENOBUFS);
	src->count.refused++;
	src->broker->refused++;
}

void send_serve(struct peer *src, const struct request *req, const struct vmsgif_segment *segs)
{
	unsigned int pages = pages_of(req);
	int status = judge(src, req, pages);
	struct message *m;

	if (UNLIKELY(status != VMSGIF_OKAY)) {
		turn_down(src, req, status);
		return;
	}
	m = slot_take(src, req);
	if (UNLIKELY(!m)) {
		no_slot(src, req);
		return;
	}
	m->src_port = req->src_port;
	m->seq = req->seq;
	m->len = req->len;
	m->nr_segs = req->nr_segs;
	m->each = req->each;
	/*
	 * The sender waits, flushes, or its time is over: an event of its says so. And who
	 * may not send more waits for the receiver, who should not be waited for as well.
	 */
	m->lazy = req->lazy && !src->pressed &&
		  src->last_flow->open + 1 < src->broker->config->limits.flow_window;
	m->pooled = req->pooled;
	m->flow = src->last_flow;
	m->last_page = (uint8_t)(pages - 1);
	m->since = src->broker->turn_us;
	src->pooled += m->pooled;
	status = keep_payload(m, req, segs);
	if (UNLIKELY(status != VMSGIF_OKAY)) {
		slot_answer(m, status);
		return;
	}
	m->flow->open++;
	queue_push(m);
}

void send_fail(struct message *m, int status)
{
	struct peer *src = m->src;

	queue_remove(m);
	m->flow->open--;
	src->count.failed++;
	src->broker->failed++;
	slot_answer(m, status);
}

/* ----------------------------------------------------------------- orphans */

/* What waits there and is not allowed. */
static void refuse_queued(struct flow *flow)
{
	struct message *m, *tmp;

	list_for_each_entry_safe(m, tmp, &flow->queued, link) {
		if (flow->decision.modes & mode_of(m->form))
			continue;
		send_log_refused(flow->pair->src, flow->pair->dst, flow->number,
				 message_is_map(m) ? "map" : "copy", &flow->decision);
		send_fail(m, VMSGIF_EACCES);
	}
}

static void decide_anew(struct flow *flow, struct port *port)
{
	struct peer *src = flow->pair->src;

	decide(src, flow->pair->dst, port, flow->number, &flow->decision);
	flow->charge = account_charge(src->account, flow->decision.rule);
}

void send_decide_anew(struct flow *flow)
{
	decide_anew(flow, flow->port);
	refuse_queued(flow);
}

/* Now that the port is known: which of the waiting messages may go there? */
static void settle_orphan(struct flow *flow, struct port *port)
{
	struct message *m, *tmp;

	decide_anew(flow, port);
	refuse_queued(flow);
	list_for_each_entry_safe(m, tmp, &flow->queued, link) {
		if (!port)
			send_fail(m, VMSGIF_ECONNREFUSED);
		else if (m->len > port->max_len || message_pages(m) > port->peer->nr_slots)
			send_fail(m, VMSGIF_EMSGSIZE);
	}
}

void send_attach(struct port *port)
{
	struct flow *flow, *tmp;

	list_for_each_entry_safe(flow, tmp, &port->peer->orphans, in_port) {
		if (flow->number != port->number)
			continue;
		flow_attach(flow, port);
		settle_orphan(flow, port);
		queue_wake_flow(flow);
	}
}

void send_drop_orphans(struct peer *dst)
{
	struct flow *flow, *tmp;

	list_for_each_entry_safe(flow, tmp, &dst->orphans, in_port) {
		settle_orphan(flow, NULL);
		flow_free(flow);
	}
}
