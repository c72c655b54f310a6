// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Control requests: ask, wait for the answer. Names and subscriptions.
 *
 * The engine identifies an answer by a cookie; calls have numbers that are
 * never used twice, so the answer to a call that was given up finds nobody.
 */
#include <errno.h>
#include <string.h>

#include "front.h"

void call_begin(struct xenmsg *x, struct call *call)
{
	call->cookie = ++x->cookie;
	call->done = false;
	list_init(&call->link);
	list_add_tail(&x->calls, &call->link);
}

void call_end(struct call *call)
{
	if (call->cookie)
		list_del(&call->link);
	call->cookie = 0;
}

static int finish(struct xenmsg *x, struct call *call, uint64_t deadline)
{
	int r = 0;

	user_publish(x->user, true);
	while (!r && !call->done)
		r = lib_wait(x, deadline);
	if (call->done)
		r = call->answer.status;
	while (!r && call->name && !call->named)
		r = lib_wait(x, deadline);
	return r;
}

int call_run(struct xenmsg *x, struct call *call,
	     int (*start)(struct xenmsg *x, void *arg, uint64_t cookie), void *arg,
	     uint64_t deadline, bool keep)
{
	int r;

	call_begin(x, call);
	while ((r = start(x, arg, call->cookie)) == -EAGAIN) {
		r = lib_wait(x, deadline);
		if (r) {
			keep = false;
			break;
		}
	}
	if (!r)
		r = finish(x, call, deadline);
	else
		keep = false;
	if (!keep || call->done)
		call_end(call);
	lib_leave(x);
	return r;
}

struct name_arg {
	const char *name;
	unsigned int len;
	uint32_t addr;
	bool cancel;
};

static int start_resolve(struct xenmsg *x, void *arg, uint64_t cookie)
{
	const struct name_arg *a = arg;

	return vmsg_resolve_name(x->v, a->name, a->len, cookie);
}

static int start_name(struct xenmsg *x, void *arg, uint64_t cookie)
{
	const struct name_arg *a = arg;

	return vmsg_resolve_addr(x->v, a->addr, cookie);
}

static int start_subscribe(struct xenmsg *x, void *arg, uint64_t cookie)
{
	const struct name_arg *a = arg;

	return vmsg_subscribe(x->v, a->name, a->len, a->cancel, cookie);
}

static int name_init(struct name_arg *arg, const char *name)
{
	size_t len = strnlen(name, XENMSG_NAME_MAX + 1);

	if (!len || len > XENMSG_NAME_MAX)
		return -EINVAL;
	*arg = (struct name_arg){ .name = name, .len = (unsigned int)len };
	return 0;
}

int xenmsg_resolve(struct xenmsg *x, const char *name, uint32_t *addr, uint32_t *port, int timeout)
{
	struct call call = { 0 };
	struct name_arg arg;
	int r;

	r = name_init(&arg, name);
	if (!r)
		r = call_run(x, &call, start_resolve, &arg, user_deadline(timeout), false);
	if (r)
		return r;
	*addr = call.answer.addr;
	if (port)
		*port = call.answer.port;
	return 0;
}

int xenmsg_name(struct xenmsg *x, uint32_t addr, char name[XENMSG_NAME_MAX + 1], int timeout)
{
	struct call call = { .addr = addr, .name = name };
	struct name_arg arg = { .addr = addr };

	name[0] = '\0';
	return call_run(x, &call, start_name, &arg, user_deadline(timeout), false);
}

static int subscribe(struct xenmsg *x, const char *name, bool cancel)
{
	struct call call = { 0 };
	struct name_arg arg;
	int r;

	r = name_init(&arg, name);
	if (r)
		return r;
	arg.cancel = cancel;
	return call_run(x, &call, start_subscribe, &arg, user_deadline(x->timeout), false);
}

int xenmsg_subscribe(struct xenmsg *x, const char *name)
{
	return subscribe(x, name, false);
}

int xenmsg_unsubscribe(struct xenmsg *x, const char *name)
{
	return subscribe(x, name, true);
}
