// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Control requests: ask, wait for the answer. Names and subscriptions.
 *
 * The engine identifies an answer by a cookie; calls have numbers that are
 * never used twice, so the answer to a call that was given up finds nobody.
 */
#include <errno.h>

#include "front.h"

void call_begin(struct front *f, struct call *call)
{
	call->cookie = ++f->cookie;
	call->done = false;
	list_init(&call->link);
	list_add_tail(&f->calls, &call->link);
}

void call_end(struct call *call)
{
	if (call->cookie)
		list_del(&call->link);
	call->cookie = 0;
}

static int finish(struct front *f, struct call *call, uint64_t deadline)
{
	int r = 0;

	user_publish(f->user, true);
	while (!r && !call->done)
		r = front_await(f, deadline);
	if (call->done)
		r = call->answer.status;
	while (!r && call->name && !call->named)
		r = front_await(f, deadline);
	return r;
}

int call_run(struct front *f, struct call *call,
	     int (*start)(struct front *f, void *arg, uint64_t cookie), void *arg,
	     uint64_t deadline, bool keep)
{
	int r;

	batches_end(f);
	call_begin(f, call);
	while ((r = start(f, arg, call->cookie)) == -EAGAIN) {
		r = front_await(f, deadline);
		if (r) {
			keep = false;
			break;
		}
	}
	if (!r)
		r = finish(f, call, deadline);
	else
		keep = false;
	if (!keep || call->done)
		call_end(call);
	front_leave(f);
	return r;
}

struct name_arg {
	const char *name;
	unsigned int len;
	uint32_t addr;
	bool cancel;
};

static int start_resolve(struct front *f, void *arg, uint64_t cookie)
{
	const struct name_arg *a = arg;

	return vmsg_resolve_name(f->v, a->name, a->len, cookie);
}

static int start_name(struct front *f, void *arg, uint64_t cookie)
{
	const struct name_arg *a = arg;

	return vmsg_resolve_addr(f->v, a->addr, cookie);
}

static int start_subscribe(struct front *f, void *arg, uint64_t cookie)
{
	const struct name_arg *a = arg;

	return vmsg_subscribe(f->v, a->name, a->len, a->cancel, cookie);
}

int front_resolve(struct xenmsg *x, const char *name, size_t len, uint32_t *addr, uint32_t *port,
		  int timeout)
{
	struct name_arg arg = { .name = name, .len = (unsigned int)len };
	struct call call = { 0 };
	int r;

	r = call_run(front_of(x), &call, start_resolve, &arg, user_deadline(timeout), false);
	if (r)
		return r;
	*addr = call.answer.addr;
	*port = call.answer.port;
	return 0;
}

int front_name(struct xenmsg *x, uint32_t addr, char *name, int timeout)
{
	struct call call = { .addr = addr, .name = name };
	struct name_arg arg = { .addr = addr };

	return call_run(front_of(x), &call, start_name, &arg, user_deadline(timeout), false);
}

int front_subscribe(struct xenmsg *x, const char *name, size_t len, bool cancel)
{
	struct name_arg arg = { .name = name, .len = (unsigned int)len, .cancel = cancel };
	struct call call = { 0 };

	return call_run(front_of(x), &call, start_subscribe, &arg, user_deadline(x->timeout),
			false);
}
