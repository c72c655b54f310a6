// SPDX-License-Identifier: GPL-2.0-or-later
/* See system-model.h. */
#include "tests/unit/system-model.h"

#include "tests/unit/system-traffic.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void model_fail(const char *what, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (getenv("XENMSG_STOP"))
		(void)raise(SIGSTOP);
	ck_abort_msg("XENMSG_SEED=%llu: not %s: %s", (unsigned long long)sim_seed(), what, text);
}

struct life *model_life(struct model *model, struct vm *vm, uint32_t addr)
{
	struct life *life = &model->lives[model->nr_lives++];

	require(model->nr_lives <= MODEL_LIVES, "too many lives");
	for (struct life *old = model->lives; old < life; old++)
		require(old->addr != addr, "%s has the address %#x of an earlier life", vm->name,
			addr);
	*life = (struct life){ .vm = vm, .addr = addr };
	return life;
}

static const struct life *life_of(const struct model *model, uint32_t addr)
{
	for (unsigned int i = 0; i < model->nr_lives; i++)
		if (model->lives[i].addr == addr)
			return &model->lives[i];
	return NULL;
}

static struct message_test *find(struct model *model, const struct life *src, uint64_t seq)
{
	for (unsigned int i = 0; i < model->nr_messages; i++) {
		struct message_test *m = &model->messages[i];

		if (m->sent && m->src == src && m->seq == seq)
			return m;
	}
	return NULL;
}

/* Whether @m, of which no number is known, can be one of @src's for @number of @dst. */
static bool may_be(const struct message_test *m, const struct life *src, uint32_t dst,
		   uint32_t number)
{
	return m->sent && m->unnumbered && !m->seq && m->src == src && m->dst->addr == dst &&
	       m->number == number;
}

static struct message_test *find_by_bytes(struct model *model, const struct life *src,
					  const struct life *dst, uint32_t number,
					  const struct xenmsg_msg *msg)
{
	for (unsigned int i = 0; i < model->nr_messages; i++) {
		struct message_test *m = &model->messages[i];

		if (may_be(m, src, dst->addr, number) && traffic_is(msg, m->len, m->key))
			return m;
	}
	return NULL;
}

/* None of its flow that was sent later has been received. */
static void check_order(const struct model *model, const struct message_test *m)
{
	for (unsigned int i = 0; i < model->nr_messages; i++) {
		const struct message_test *other = &model->messages[i];

		require(!other->delivered || other->src != m->src || other->dst != m->dst ||
				other->number != m->number ||
				(other->seq < m->seq && other->order < m->order),
			"message %#x/%llu came after %llu", m->src->addr,
			(unsigned long long)m->seq, (unsigned long long)other->seq);
	}
}

void model_port_closed(struct life *life, uint32_t number)
{
	life->closed[number - MODEL_PORT(0)]++;
}

static unsigned int closed_of(const struct message_test *m)
{
	return m->dst->closed[m->number - MODEL_PORT(0)];
}

void model_sent(struct model *model, struct message_test *m)
{
	m->sent = true;
	m->order = ++model->sent;
	m->closed = closed_of(m);
}

bool model_steady(const struct message_test *m)
{
	return !m->dst->ended && m->closed % 2 == 0 && m->closed == closed_of(m);
}

static bool leaves_it_open(int status)
{
	return status == -EHOSTDOWN || status == -ECONNREFUSED;
}

/*
 * Whether @m can have failed with @status. Pages of a dead frontend are gone, whether
 * the broker knows of its death or not. What fails after a restart of the broker may
 * have arrived before.
 */
static bool is_plausible(const struct model *model, const struct message_test *m, int status)
{
	if (m->dst->ended)
		return leaves_it_open(status) || status == -EHOSTUNREACH || status == -EFAULT;
	if (!model_steady(m) && leaves_it_open(status))
		return true;
	/* The port is bound anew, but the pool was for the old one. */
	if (!model_steady(m) && m->map && status == -EFAULT)
		return true;
	return model->copies_fail && (status == -EFAULT || status == -EHOSTDOWN);
}

/*
 * What was refused of a flow has been taken for @m, which was received: it was
 * another one, which was not.
 */
static void move_failure(struct model *model, struct message_test *m)
{
	for (unsigned int i = 0; i < model->nr_messages; i++) {
		struct message_test *other = &model->messages[i];

		if (other == m || !may_be(other, m->src, m->dst->addr, m->number) ||
		    other->status || !is_plausible(model, other, m->status))
			continue;
		other->answered = true;
		other->status = m->status;
		m->status = 0;
		return;
	}
}

void model_received(struct model *model, const struct life *life, uint32_t number,
		    const struct xenmsg_msg *msg)
{
	uint32_t addr = xenmsg_msg_addr(msg);
	uint64_t seq = xenmsg_msg_seq(msg);
	const struct life *src = life_of(model, addr);
	struct message_test *m;

	require(src, "%s got a message from %#x, which nobody is", life->vm->name, addr);
	m = find(model, src, seq);
	if (!m) {
		m = find_by_bytes(model, src, life, number, msg);
		if (m && m->status)
			move_failure(model, m);
		if (m)
			m->seq = seq;
	}
	require(m, "%s got message %#x/%llu, which nobody sent", life->vm->name, addr,
		(unsigned long long)seq);
	require(m->dst == life, "message %#x/%llu for %#x came to %#x", addr,
		(unsigned long long)seq, m->dst->addr, life->addr);
	require(m->number == number, "message %#x/%llu for port %u came to port %u", addr,
		(unsigned long long)seq, m->number, number);
	require(xenmsg_msg_port(msg) == m->src_port, "message %#x/%llu from port %u", addr,
		(unsigned long long)seq, xenmsg_msg_port(msg));
	require(!m->delivered, "message %#x/%llu came twice", addr, (unsigned long long)seq);
	require(!m->answered || !m->status || leaves_it_open(m->status),
		"message %#x/%llu came, and failed with %d", addr, (unsigned long long)seq,
		m->status);
	require(traffic_is(msg, m->len, m->key), "message %#x/%llu (%u bytes, %s) is not as sent",
		addr, (unsigned long long)seq, m->len, m->map ? "map" : "copy");
	require(xenmsg_msg_is_mapped(msg) == m->map, "message %#x/%llu by the wrong mode", addr,
		(unsigned long long)seq);
	check_order(model, m);
	m->delivered = true;
	model->delivered++;
}

/* One of an unnumbered flow that can have failed. */
static struct message_test *find_failed(struct model *model, const struct life *life,
					const struct xenmsg_event *event)
{
	for (unsigned int i = 0; i < model->nr_messages; i++) {
		struct message_test *m = &model->messages[i];

		if (may_be(m, life, event->addr, event->number) && !m->answered &&
		    is_plausible(model, m, event->status))
			return m;
	}
	return NULL;
}

static void answered(struct model *model, const struct life *life, const struct xenmsg_event *event)
{
	/* Of a batch that never left its port nobody knows the numbers. */
	struct message_test *m = event->seq ? find(model, life, event->seq) : NULL;
	unsigned long long seq = event->seq;
	int status = event->status;

	if (!m && status)
		m = find_failed(model, life, event);
	require(m, "%s got an answer to %llu, which it did not send", life->vm->name, seq);
	require(!m->answered, "message %#x/%llu was answered twice", life->addr, seq);
	require(event->addr == m->dst->addr && event->number == m->number,
		"the answer to %#x/%llu names another destination", life->addr, seq);
	m->answered = true;
	m->status = status;
	if (!status)
		return;
	model->refused++;
	require(leaves_it_open(status) || !m->delivered, "message %#x/%llu came, and fails with %d",
		life->addr, seq, status);
	require(is_plausible(model, m, status),
		"message %#x/%llu (%u bytes, %s) to %#x port %u fails with %d", life->addr, seq,
		m->len, m->map ? "map" : "copy", m->dst->addr, m->number, status);
}

void model_event(struct model *model, const struct life *life, const struct xenmsg_event *event)
{
	const struct life *peer;

	switch (event->type) {
	case XENMSG_SENT:
	case XENMSG_SEND_FAILED:
		answered(model, life, event);
		break;
	case XENMSG_PEER_DOWN:
		peer = life_of(model, event->addr);
		require(!peer || peer->ended, "%s was told that %#x is down", life->vm->name,
			event->addr);
		break;
	case XENMSG_PEER_UP:
		peer = life_of(model, event->addr);
		require(!peer || !strcmp(peer->vm->name, event->name), "%#x is not %s", event->addr,
			event->name);
		break;
	default:
		require(false, "%s got event %d", life->vm->name, event->type);
	}
}

void model_flushed(struct model *model, const struct life *life)
{
	for (unsigned int i = 0; i < model->nr_messages; i++) {
		struct message_test *m = &model->messages[i];

		if (!m->sent || m->src != life || m->answered)
			continue;
		require(!m->confirm, "message %#x/%llu was not answered by the flush", life->addr,
			(unsigned long long)m->seq);
		m->answered = true;
	}
}

unsigned int model_unsent(const struct model *model, const struct vm *vm)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < model->nr_messages; i++) {
		const struct message_test *m = &model->messages[i];

		n += !m->sent && (!vm || m->from == vm);
	}
	return n;
}

unsigned int model_unanswered(const struct model *model)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < model->nr_messages; i++) {
		const struct message_test *m = &model->messages[i];

		n += m->sent && m->confirm && !m->answered && !m->src->ended;
	}
	return n;
}

unsigned int model_missing(const struct model *model)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < model->nr_messages; i++) {
		const struct message_test *m = &model->messages[i];

		n += m->answered && !m->status && !m->delivered && model_steady(m);
	}
	return n;
}
