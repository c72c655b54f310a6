// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Names. See lookup.h.
 */
#include "broker/lookup.h"

#include "broker/broker.h"
#include "broker/peer.h"

#include "common/macros.h"

#include <stdlib.h>

static bool may_know(struct peer *peer, const char *name, struct decision *why)
{
	const struct policy *policy = &peer->broker->config->policy;

	/* The refusal is that of sending there. */
	return policy_may_talk(policy, peer_subject(peer), name, why) ||
	       policy_may_talk(policy, name, peer_name(peer), NULL);
}

bool lookup_may_know(struct peer *peer, const char *name)
{
	return may_know(peer, name, NULL);
}

static int denied(struct peer *peer, const char *name, const struct decision *why)
{
	struct broker *broker = peer->broker;

	policy_refused(&broker->config->policy, why);
	log_limited(broker->log, broker_now(broker), device_domid(peer->dev), decision_rule(why),
		    LOG_NOTICE, "refused from=%s name=%s: the policy does not allow to know it",
		    peer->label, *name ? name : "?");
	return VMSGIF_EACCES;
}

static int unknown(struct peer *peer, const char *name)
{
	struct broker *broker = peer->broker;

	log_limited(broker->log, broker_now(broker), device_domid(peer->dev), "name is unknown",
		    LOG_NOTICE, "refused from=%s name=%s", peer->label, name);
	return VMSGIF_EHOSTUNREACH;
}

/* ---------------------------------------------------------------- resolving */

/* A RESOLVE is done: @addr and @port go with status 0. */
static void answer(struct message *m, int status, uint32_t addr, uint32_t port)
{
	struct peer *peer = m->src;

	if (status != VMSGIF_OKAY) {
		peer->count.refused++;
		peer->broker->refused++;
	}
	peer_complete(peer, m->id, m->op, status, addr, port);
	slot_free(m);
}

/* Its state while it waits. NULL: no memory, answered. */
static struct lookup *lookup_of(struct message *m, const char *text, uint32_t addr)
{
	struct lookup *lookup = m->u.lookup;
	size_t size = strlen(text) + 1;

	if (lookup)
		return lookup;
	lookup = calloc(1, sizeof(*lookup) + size);
	if (!lookup) {
		answer(m, VMSGIF_ENOBUFS, 0, 0);
		return NULL;
	}
	event_init(&lookup->event);
	lookup->message = m;
	lookup->addr = addr;
	memcpy(lookup->text, text, size);
	m->u.lookup = lookup;
	return lookup;
}

static void wait_for(struct peer *target, struct message *m, const char *text, uint32_t addr)
{
	if (lookup_of(m, text, addr))
		list_add_tail(&target->resolvers, &m->link);
}

void lookup_free(struct peer *peer, struct lookup *lookup)
{
	if (!lookup)
		return;
	event_cancel(peer, &lookup->event);
	if (lookup->name)
		name_put(lookup->name);
	free(lookup);
}

/*
 * Who may not send to a service gets the same answer as if there was none. A
 * status; with 0, *addr and *number are those of @port, which may be NULL.
 */
static int check_service(struct peer *peer, const char *domain, const char *service,
			 const struct port *port, uint32_t *addr, uint32_t *number)
{
	struct policy *policy = &peer->broker->config->policy;
	struct decision decision;

	if (!port || port->unbind) {
		if (!policy_may_name(policy, peer_subject(peer), domain, service, &decision))
			return denied(peer, service, &decision);
		return unknown(peer, service);
	}
	policy_decide(policy, peer_subject(peer), domain, port->number, service, false, &decision);
	if (!decision.modes)
		return denied(peer, service, &decision);
	*addr = port->peer->addr;
	*number = port->number;
	return VMSGIF_OKAY;
}

/*
 * Whom a look-up for a service at @name has to wait for; NULL: nobody. @port: who
 * has bound it, or NULL: then it may be one that lived under an earlier broker and
 * is about to bind it again. A newcomer among several is not waited for, since it
 * might never say READY.
 */
static struct peer *not_ready(const struct name *name, const struct port *port)
{
	struct peer *peer;

	if (port)
		return port->peer->ready ? NULL : port->peer;
	peer = name_peer(name);
	if (!peer || !peer->ready)
		return peer;
	list_for_each_entry(peer, &name->peers, in_name)
		if (peer->survivor && !peer->ready)
			return peer;
	return NULL;
}

static void resolve_service(struct message *m, struct name *name, const char *text)
{
	struct peer *peer = m->src, *any = name ? name_peer(name) : NULL, *target = NULL;
	const char *at = strrchr(text, '@');
	char service[VMSGIF_NAME_MAX + 1];
	uint32_t addr = 0, number = 0;
	struct port *port = NULL;
	int status;

	snprintf(service, sizeof(service), "%.*s", (int)(at - text), text);
	if (any) {
		port = port_find_service(any, service);
		target = not_ready(name, port);
	}
	if (target) {
		wait_for(target, m, text, 0);
		return;
	}
	status = check_service(peer, at + 1, service, port, &addr, &number);
	answer(m, status, addr, number);
}

static void resolve_name(struct message *m, const char *text)
{
	struct peer *peer = m->src, *target;
	const char *at = strrchr(text, '@');
	const char *domain = at ? at + 1 : text;
	struct name *name = name_find(&peer->broker->route, domain);
	struct decision why = { 0 };

	if (!policy_may_talk(&peer->broker->config->policy, peer_subject(peer), domain, &why)) {
		answer(m, denied(peer, domain, &why), 0, 0);
		return;
	}
	if (at) {
		resolve_service(m, name, text);
		return;
	}
	target = name ? name_peer(name) : NULL;
	if (!target)
		answer(m, unknown(peer, domain), 0, 0);
	else if (!target->ready)
		wait_for(target, m, text, 0);
	else
		answer(m, VMSGIF_OKAY, target->addr, 0);
}

static void resolve_addr(struct message *m, uint32_t addr)
{
	struct peer *peer = m->src;
	struct route *route = &peer->broker->route;
	struct peer *target = route_peer(route, addr);
	struct lookup *lookup;
	struct decision why = { 0 };

	if (!may_know(peer, target ? peer_subject(target) : route_old_name(route, addr), &why)) {
		answer(m, denied(peer, target ? peer_name(target) : "", &why), 0, 0);
	} else if (!target || (target->ready && !target->name)) {
		answer(m, VMSGIF_EHOSTUNREACH, 0, 0);
	} else if (!target->ready) {
		wait_for(target, m, "", addr);
	} else {
		lookup = lookup_of(m, "", addr);
		if (!lookup)
			return;
		lookup->name = target->name;
		lookup->name->refs++;
		event_post(peer, &lookup->event, EVENT_RESOLVED, addr);
	}
}

void lookup_resolve(struct peer *peer, const struct request *req, const char *name)
{
	struct message *m = slot_take(peer, req);

	if (!m)
		return;
	m->state = MESSAGE_WAITING;
	m->u.lookup = NULL;
	if (name)
		resolve_name(m, name);
	else
		resolve_addr(m, req->addr);
}

/* -------------------------------------------------------------- subscribing */

static struct subscription *sub_find(struct peer *peer, const char *text)
{
	struct name *name = name_find(&peer->broker->route, text);
	struct subscription *sub;

	if (name)
		list_for_each_entry(sub, &name->subs, in_name)
			if (sub->peer == peer)
				return sub;
	return NULL;
}

static void sub_free(struct subscription *sub)
{
	event_cancel(sub->peer, &sub->up);
	event_cancel(sub->peer, &sub->down);
	list_del(&sub->in_peer);
	list_del(&sub->in_name);
	sub->peer->nr_subs--;
	name_put(sub->name);
	free(sub);
}

static void sub_up(struct subscription *sub, uint32_t addr)
{
	event_cancel(sub->peer, &sub->up);
	event_post(sub->peer, &sub->up, EVENT_PEER_UP, addr);
}

/* What was not told to be up need not be told to be down. */
static void sub_down(struct subscription *sub, uint32_t addr)
{
	if (event_pending(&sub->up) && sub->up.addr == addr) {
		event_cancel(sub->peer, &sub->up);
		return;
	}
	if (sub->up.addr != addr || sub->peer->told_down == addr)
		return;
	sub->peer->told_down = addr;
	event_post(sub->peer, &sub->down, EVENT_PEER_DOWN, addr);
}

static int subscribe(struct peer *peer, const char *text)
{
	struct subscription *sub;
	struct peer *target;

	if (peer->nr_subs >= peer->broker->config->max_subscriptions) {
		log_limited(peer->broker->log, broker_now(peer->broker), device_domid(peer->dev),
			    "max-subscriptions", LOG_NOTICE, "refused from=%s name=%s", peer->label,
			    text);
		return VMSGIF_ENOBUFS;
	}
	sub = calloc(1, sizeof(*sub));
	if (!sub)
		return VMSGIF_ENOBUFS;
	sub->name = name_get(&peer->broker->route, text);
	if (!sub->name) {
		free(sub);
		return VMSGIF_ENOBUFS;
	}
	sub->peer = peer;
	list_init(&sub->in_peer);
	list_init(&sub->in_name);
	event_init(&sub->up);
	event_init(&sub->down);
	list_add_tail(&peer->subs, &sub->in_peer);
	list_add_tail(&sub->name->subs, &sub->in_name);
	peer->nr_subs++;
	target = name_peer(sub->name);
	if (target && target->ready)
		sub_up(sub, target->addr);
	return VMSGIF_OKAY;
}

void lookup_subscribe(struct peer *peer, const struct request *req, const char *name)
{
	struct subscription *sub = sub_find(peer, name);
	int status = VMSGIF_OKAY;
	struct decision why = { 0 };

	if (req->cancel) {
		if (sub)
			sub_free(sub);
	} else if (!may_know(peer, name, &why)) {
		status = denied(peer, name, &why);
	} else if (!sub) {
		status = subscribe(peer, name);
	}
	peer_answer(peer, req, status);
}

/* ------------------------------------------------------------ coming, going */

/* Who waits for it finds what there is. */
static void resolve_again(struct peer *peer)
{
	struct list waiters;

	list_init(&waiters);
	list_splice_tail(&waiters, &peer->resolvers);
	while (!list_empty(&waiters)) {
		struct message *m = list_first_entry(&waiters, struct message, link);

		list_del(&m->link);
		if (m->u.lookup->addr)
			resolve_addr(m, m->u.lookup->addr);
		else
			resolve_name(m, m->u.lookup->text);
	}
}

void lookup_ready(struct peer *peer)
{
	struct subscription *sub;

	resolve_again(peer);
	if (peer->name && name_peer(peer->name) == peer)
		list_for_each_entry(sub, &peer->name->subs, in_name)
			if (lookup_may_know(sub->peer, peer->name->text))
				sub_up(sub, peer->addr);
}

/*
 * Who may not know any more of somebody is not told of new addresses. Of one
 * that it knows it still hears that it died: PEER_DOWN says nothing else.
 */
void lookup_decide_anew(struct peer *peer)
{
	struct subscription *sub;

	list_for_each_entry(sub, &peer->subs, in_peer) {
		struct peer *target = name_peer(sub->name);

		if (!lookup_may_know(peer, sub->name->text)) {
			if (event_pending(&sub->up))
				sub->up.addr = 0;
			event_cancel(peer, &sub->up);
		} else if (target && target->ready && sub->up.addr != target->addr) {
			sub_up(sub, target->addr);
		}
	}
}

/* The name means another one now, or nobody. */
static void tell_next(const struct name *name)
{
	struct peer *next = name_peer(name);
	struct subscription *sub;

	if (!next || !next->ready)
		return;
	list_for_each_entry(sub, &name->subs, in_name)
		if (sub->up.addr != next->addr)
			sub_up(sub, next->addr);
}

/* Who waits for @peer by its name may find another one. */
static void end_waiting(struct peer *peer)
{
	while (!list_empty(&peer->resolvers)) {
		struct message *m = list_first_entry(&peer->resolvers, struct message, link);

		list_del(&m->link);
		if (m->u.lookup->addr || list_empty(&peer->name->peers))
			answer(m, VMSGIF_EHOSTUNREACH, 0, 0);
		else
			resolve_name(m, m->u.lookup->text);
	}
}

void lookup_down(struct peer *peer)
{
	struct subscription *sub, *tmp;

	list_for_each_entry_safe(sub, tmp, &peer->subs, in_peer)
		sub_free(sub);
	/* From here on the name does not mean it. */
	list_del(&peer->in_name);
	end_waiting(peer);
	if (!peer->name)
		return;
	list_for_each_entry(sub, &peer->name->subs, in_name)
		sub_down(sub, peer->addr);
	tell_next(peer->name);
}

void lookup_renamed(struct peer *peer, struct name *old)
{
	if (peer->ready)
		lookup_ready(peer);
	else
		resolve_again(peer);
	if (!old)
		return;
	tell_next(old);
	name_put(old);
}
