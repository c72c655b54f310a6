/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Shadows of TX requests; see tx.h. vmsg_send() has its own fast way to take
 * and post a shadow, in send.c, and is the same otherwise.
 */
#include "frontend/core/tx.h"

#include "frontend/core/join.h"
#include "frontend/core/name.h"
#include "frontend/core/pages.h"

enum {
	CLASS_WAIT,    /* may be unanswered for long */
	CLASS_CONTROL, /* answered in the turn that consumes it */
	CLASS_PROMPT,  /* the same, and nobody waits for that */
};

static const uint8_t op_class[VMSGIF_OP_MAX + 1] = {
	[VMSGIF_OP_RELEASE] = CLASS_PROMPT,  [VMSGIF_OP_CREDIT] = CLASS_PROMPT,
	[VMSGIF_OP_POOL_ACK] = CLASS_PROMPT, [VMSGIF_OP_BIND] = CLASS_CONTROL,
	[VMSGIF_OP_READY] = CLASS_CONTROL,
};

struct vmsg_shadow *vmsg_tx_get(struct vmsg *v, unsigned int op)
{
	struct vmsg_shadow *s = v->free;
	uint16_t id = s->req.id;

	v->free = s->next_free;
	memset(s, 0, sizeof(*s));
	s->req.op = (uint8_t)op;
	s->req.id = id;
	s->tag.op = (uint8_t)op;
	s->tag.state = VMSG_SHADOW_TAKEN;
	if (op_class[op] == CLASS_WAIT)
		v->nr_wait++;
	else
		v->nr_other++;
	return s;
}

bool vmsg_tx_release(struct vmsg *v, uint32_t addr, uint32_t number, uint64_t seq)
{
	const union vmsg_tag tag = { .op = VMSGIF_OP_RELEASE, .state = VMSG_SHADOW_POSTED };
	struct vmsg_shadow *s = v->free;
	uint64_t *words = (uint64_t *)(void *)&s->req;

	if (vmsg_join_release(v, addr, number, seq))
		return false;
	v->free = s->next_free;
	v->nr_other++;
	v->nr_control++;
	v->nr_prompt++;
	words[0] = VMSGIF_OP_RELEASE | (uint64_t)s->req.id << 16 | (uint64_t)addr << 32;
	words[1] = number;
	words[2] = seq;
	memset(words + 3, 0, 5 * sizeof(*words));
	s->tag = tag;
	s->cookie = 0;
	s->port = NULL;
	s->window = NULL;
	vmsg_ring_put_tx(v, &s->req);
	vmsg_join_open_release(v, s);
	return true;
}

void vmsg_tx_put(struct vmsg *v, struct vmsg_shadow *s)
{
	if (op_class[s->tag.op] == CLASS_WAIT)
		v->nr_wait--;
	else
		v->nr_other--;
	s->tag.word = 0;
	s->next_free = v->free;
	v->free = s;
	v->todo |= v->on_free;
}

/* What the header of the protocol bounds: unanswered requests that may wait. */
static bool wire_room(const struct vmsg *v)
{
	return vmsg_ring_unanswered(&v->tx) - v->nr_control < v->max_wait;
}

bool vmsg_tx_room_wait(const struct vmsg *v)
{
	return vmsg_nr_free(v) > VMSG_KEEP && wire_room(v);
}

/* The pages of @s are to be named as this broker knows them. */
static void post_pages(struct vmsg *v, struct vmsg_shadow *s)
{
	if (vmsg_unlikely(!v->tx_pool)) {
		vmsg_granted_post(v, s);
		return;
	}
	if ((s->req.flags & VMSGIF_TXF_INDIRECT) && !(s->req.flags & VMSGIF_TXF_POOL))
		vmsg_granted_undo(v, s);
	s->req.flags |= VMSGIF_TXF_POOL;
	vmsg_ring_put_tx(v, &s->req);
}

void vmsg_tx_post(struct vmsg *v, struct vmsg_shadow *s)
{
	unsigned int class = op_class[s->tag.op];

	if (s->req.nr_segs)
		post_pages(v, s);
	else
		vmsg_ring_put_tx(v, &s->req);
	s->tag.state = VMSG_SHADOW_POSTED;
	v->nr_control += class != CLASS_WAIT;
	v->nr_prompt += class == CLASS_PROMPT;
	v->nr_quiet += s->tag.quiet;
	v->urgent |= !(s->req.flags & VMSGIF_TXF_LAZY);
}

void vmsg_tx_answered(struct vmsg *v, struct vmsg_shadow *s)
{
	unsigned int class = op_class[s->tag.op];

	v->nr_control -= class != CLASS_WAIT;
	v->nr_prompt -= class == CLASS_PROMPT;
	v->nr_quiet -= s->tag.quiet;
	s->tag.state = VMSG_SHADOW_TAKEN;
}

void vmsg_tx_queue(struct vmsg *v, struct vmsg_shadow *s)
{
	s->tag.state = VMSG_SHADOW_QUEUED;
	if (s->window)
		s->window->queued++;
	v->t.queue[v->nr_queue++] = vmsg_tx_id(s);
	v->todo |= VMSG_TODO_QUEUE;
	v->on_free |= VMSG_TODO_QUEUE;
	v->send_now = false;
}

void vmsg_tx_submit(struct vmsg *v, struct vmsg_shadow *s)
{
	/* There is room on the wire: callers get a shadow only as long as there is (max_call). */
	if (v->phase == VMSG_RUN && !v->nr_queue)
		vmsg_tx_post(v, s);
	else
		vmsg_tx_queue(v, s);
}

/* Whether the first queued request has to wait. */
static bool blocked(const struct vmsg *v, const struct vmsg_shadow *s)
{
	if (!wire_room(v))
		return true;
	if (!s->window)
		return false;
	/* A new broker may have a smaller window. */
	if (s->window->count - s->window->queued >= v->window)
		return true;
	return !vmsg_own_announced(v, s);
}

void vmsg_tx_pump(struct vmsg *v)
{
	unsigned int i, kept;

	for (i = 0; i < v->nr_queue; i++) {
		struct vmsg_shadow *s = &v->t.shadows[v->t.queue[i]];

		if (blocked(v, s))
			break;
		if (s->window)
			s->window->queued--;
		if (s->tag.again && s->tag.op == VMSGIF_OP_SEND)
			v->stats.tx_resubmitted++;
		vmsg_tx_post(v, s);
	}
	for (kept = 0; i < v->nr_queue; i++)
		v->t.queue[kept++] = v->t.queue[i];
	v->nr_queue = (uint16_t)kept;
	/* What is left waits for an answer, which sets this again. */
	v->todo &= ~VMSG_TODO_QUEUE;
	v->send_now = !kept;
	if (!kept)
		v->on_free &= ~VMSG_TODO_QUEUE;
}

static uint64_t order_of(const struct vmsg *v, uint16_t id)
{
	const struct vmsg_shadow *s = &v->t.shadows[id];

	return s->tag.op == VMSGIF_OP_SEND ? s->req.seq : s->order;
}

/* Shell's sort: after a reset at most 1,024 ids, mostly not in order. */
static void sort_queue(struct vmsg *v)
{
	uint16_t *queue = v->t.queue;
	unsigned int gap, i, j;

	for (gap = v->nr_queue / 2; gap; gap /= 2) {
		for (i = gap; i < v->nr_queue; i++) {
			uint16_t id = queue[i];
			uint64_t order = order_of(v, id);

			for (j = i; j >= gap && order_of(v, queue[j - gap]) > order; j -= gap)
				queue[j] = queue[j - gap];
			queue[j] = id;
		}
	}
}

void vmsg_tx_requeue(struct vmsg *v)
{
	unsigned int i;

	for (i = 0; i < vmsg_slots(v); i++) {
		struct vmsg_shadow *s = &v->t.shadows[i];

		if (s->tag.state != VMSG_SHADOW_POSTED ||
		    (s->tag.op != VMSGIF_OP_SEND && s->tag.op != VMSGIF_OP_RESOLVE))
			continue;
		vmsg_tx_answered(v, s);
		s->tag.again = true;
		vmsg_tx_queue(v, s);
	}
	sort_queue(v);
}

void vmsg_tx_drop(struct vmsg *v, bool releases)
{
	unsigned int i;

	for (i = 0; i < vmsg_slots(v); i++) {
		struct vmsg_shadow *s = &v->t.shadows[i];

		if (s->tag.state == VMSG_SHADOW_FREE || s->tag.op == VMSGIF_OP_SEND ||
		    s->tag.op == VMSGIF_OP_RESOLVE)
			continue;
		if (s->tag.state == VMSG_SHADOW_POSTED)
			vmsg_tx_answered(v, s);
		if (s->tag.op == VMSGIF_OP_RELEASE && !releases) {
			s->tag.state = VMSG_SHADOW_QUEUED;
			v->todo |= VMSG_TODO_RELEASES;
			continue;
		}
		vmsg_name_put(v, s);
		vmsg_tx_put(v, s);
	}
}

void vmsg_tx_repost_releases(struct vmsg *v)
{
	unsigned int i;

	for (i = 0; i < vmsg_slots(v); i++) {
		struct vmsg_shadow *s = &v->t.shadows[i];

		if (s->tag.state == VMSG_SHADOW_QUEUED && s->tag.op == VMSGIF_OP_RELEASE)
			vmsg_tx_post(v, s);
	}
	v->todo &= ~VMSG_TODO_RELEASES;
}
