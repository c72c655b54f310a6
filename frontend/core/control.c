/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* RESOLVE and SUBSCRIBE; see control.h. */
#include "frontend/core/control.h"

#include "frontend/core/name.h"
#include "frontend/core/tx.h"
#include "frontend/core/wait.h"

/* ----------------------------------------------------------------- resolve */

/* Whether there is room for a RESOLVE with @len bytes of name; notes who asked in vain. */
static int room(struct vmsg *v, unsigned int len)
{
	if (v->down)
		return -EHOSTDOWN;
	if (vmsg_tx_room_caller(v) && vmsg_name_room(v, len, VMSG_KEEP))
		return 0;
	return vmsg_wait_control(v);
}

static void submit(struct vmsg *v, struct vmsg_shadow *s, uint64_t cookie)
{
	s->cookie = cookie;
	s->order = v->seq;
	vmsg_tx_submit(v, s);
}

int vmsg_resolve_name(struct vmsg *v, const char *name, unsigned int len, uint64_t cookie)
{
	struct vmsg_shadow *s;
	int error;

	if (!vmsg_name_valid(name, len, true))
		return -EINVAL;
	error = room(v, len);
	if (error)
		return error;
	s = vmsg_tx_get(v, VMSGIF_OP_RESOLVE);
	vmsg_name_set(v, s, name, len);
	submit(v, s, cookie);
	return 0;
}

int vmsg_resolve_addr(struct vmsg *v, uint32_t addr, uint64_t cookie)
{
	struct vmsg_shadow *s;
	int error;

	if (!addr)
		return -EINVAL;
	error = room(v, 0);
	if (error)
		return error;
	s = vmsg_tx_get(v, VMSGIF_OP_RESOLVE);
	s->req.addr = addr;
	s->req.flags = VMSGIF_TXF_INLINE; /* payload of length 0 is inline */
	submit(v, s, cookie);
	return 0;
}

void vmsg_resolve_end(struct vmsg *v, struct vmsg_shadow *s, const struct vmsg_answer *answer)
{
	uint64_t cookie = s->cookie;

	vmsg_name_put(v, s);
	vmsg_tx_put(v, s);
	v->params.ops->control_done(v, cookie, answer);
}

/* --------------------------------------------------------------- subscribe */

static struct vmsg_sub *find(struct vmsg *v, const char *name, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < v->params.max_subscriptions; i++) {
		struct vmsg_sub *sub = &v->t.subs[i];

		if (sub->state != VMSG_SUB_FREE && sub->len == len && !memcmp(sub->name, name, len))
			return sub;
	}
	return NULL;
}

static struct vmsg_sub *find_free(struct vmsg *v)
{
	unsigned int i;

	for (i = 0; i < v->params.max_subscriptions; i++)
		if (v->t.subs[i].state == VMSG_SUB_FREE)
			return &v->t.subs[i];
	return NULL;
}

int vmsg_subscribe(struct vmsg *v, const char *name, unsigned int len, bool cancel, uint64_t cookie)
{
	struct vmsg_sub *sub;

	if (v->down)
		return -EHOSTDOWN;
	if (!vmsg_name_valid(name, len, false))
		return -EINVAL;
	sub = find(v, name, len);
	if (cancel && !sub)
		return -EINVAL;
	if (sub && sub->state != VMSG_SUB_ON)
		return vmsg_wait_control(v);
	if (!sub)
		sub = find_free(v);
	if (!sub)
		return -ENOSPC;
	sub->state = cancel ? VMSG_SUB_CANCEL : VMSG_SUB_ASK;
	sub->due = true;
	sub->cookie = cookie;
	sub->len = (uint8_t)len;
	memcpy(sub->name, name, len);
	v->todo |= VMSG_TODO_SUBS;
	return 0;
}

void vmsg_subscribed(struct vmsg *v, unsigned int index, int status)
{
	struct vmsg_sub *sub = &v->t.subs[index];
	struct vmsg_answer answer = { .status = status };
	unsigned int state = sub->state;

	sub->state = status || state == VMSG_SUB_CANCEL ? VMSG_SUB_FREE : VMSG_SUB_ON;
	if (state != VMSG_SUB_ON) /* of a former broker's time: nobody asks */
		v->params.ops->control_done(v, sub->cookie, &answer);
}

void vmsg_sub_pump(struct vmsg *v)
{
	unsigned int i;

	for (i = 0; i < v->params.max_subscriptions; i++) {
		struct vmsg_sub *sub = &v->t.subs[i];
		struct vmsg_shadow *s;

		if (!sub->due)
			continue;
		if (!vmsg_tx_room_wait(v) || !vmsg_name_room(v, sub->len, VMSG_KEEP))
			return;
		sub->due = false;
		s = vmsg_tx_get(v, VMSGIF_OP_SUBSCRIBE);
		s->index = (uint16_t)i;
		vmsg_name_set(v, s, sub->name, sub->len);
		if (sub->state == VMSG_SUB_CANCEL)
			s->req.flags |= VMSGIF_TXF_CANCEL;
		vmsg_tx_post(v, s);
	}
	v->todo &= ~VMSG_TODO_SUBS;
}

void vmsg_sub_reset_all(struct vmsg *v)
{
	unsigned int i;

	for (i = 0; i < v->params.max_subscriptions; i++) {
		struct vmsg_sub *sub = &v->t.subs[i];
		struct vmsg_answer done = { .status = 0 };

		sub->due = sub->state == VMSG_SUB_ASK || sub->state == VMSG_SUB_ON;
		if (sub->state != VMSG_SUB_CANCEL)
			continue;
		/* The next broker does not know of it. */
		sub->state = VMSG_SUB_FREE;
		v->params.ops->control_done(v, sub->cookie, &done);
	}
	v->todo |= VMSG_TODO_SUBS;
}

void vmsg_sub_shutdown_all(struct vmsg *v, int status)
{
	unsigned int i;

	vmsg_sub_reset_all(v);
	for (i = 0; i < v->params.max_subscriptions; i++) {
		struct vmsg_sub *sub = &v->t.subs[i];
		struct vmsg_answer answer = { .status = status };

		if (sub->state != VMSG_SUB_ASK)
			continue;
		sub->state = VMSG_SUB_FREE;
		sub->due = false;
		v->params.ops->control_done(v, sub->cookie, &answer);
	}
}
