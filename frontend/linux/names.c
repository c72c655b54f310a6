// SPDX-License-Identifier: GPL-2.0-only
/*
 * Look-ups and subscriptions.
 *
 * The engine has one subscription per name, whoever asked for it; here each has
 * its members, the endpoints. Who comes later is told what the others were told
 * already: that the domain is up, and where.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "front.h"

#define NAMES_PER_FILE 64

struct sub {
	struct list_head link; /* front->subs */
	struct list_head members;
	struct front_user *user; /* who asked first: it is charged */
	u32 addr;		 /* where the domain is up; 0: it is not */
	bool cancel; /* without members; the engine could not take the cancellation yet */
	u8 len;
	u8 name[VMSGIF_NAME_MAX];
};

struct sub_member {
	struct list_head in_sub;
	struct list_head in_ep;
	struct sub *sub;
	struct endpoint *ep;
	u32 told;     /* address that it was, or is to be, told to be up */
	bool pending; /* it is to be */
};

/* ---------------------------------------------------------------- look-ups */

struct name_arg {
	const u8 *name;
	u32 len;
	u32 addr;
	bool cancel;
};

static int start_resolve(struct endpoint *ep, void *arg, u64 cookie)
{
	const struct name_arg *a = arg;

	return vmsg_resolve_name(ep->front->v, (const char *)a->name, a->len, cookie);
}

static int start_name(struct endpoint *ep, void *arg, u64 cookie)
{
	const struct name_arg *a = arg;

	return vmsg_resolve_addr(ep->front->v, a->addr, cookie);
}

static int start_subscribe(struct endpoint *ep, void *arg, u64 cookie)
{
	const struct name_arg *a = arg;

	return vmsg_subscribe(ep->front->v, (const char *)a->name, a->len, a->cancel, cookie);
}

/*
 * A look-up stays with the engine until it is answered, whether anybody waits
 * for that or not, and so does what it is charged for.
 */
struct lookup {
	struct call call;
	struct front_user *user;
};

static void lookup_free(struct vmsg_front *front, struct lookup *l)
{
	share_put(front, l->user, SHARE_REQUESTS, 1);
	user_put(l->user);
	kfree(l);
}

void names_forgotten(struct vmsg_front *front, struct call *call)
{
	call_end(call);
	lookup_free(front, container_of(call, struct lookup, call));
}

static int lookup_charge(struct endpoint *ep, struct lookup *l, long *left)
{
	struct vmsg_front *front = ep->front;
	int r = front_usable(front);

	while (!r && !share_left(front, ep->user, SHARE_REQUESTS, 1)) {
		share_await(front, ep->user);
		r = front_sleep(ep, left) ?: front_usable(front);
	}
	if (r)
		return r;
	share_take(front, ep->user, SHARE_REQUESTS, 1);
	l->user = user_ref(ep->user);
	return 0;
}

/* With the lock; @name (may be NULL) is where the name of an address goes. */
static int lookup_run(struct endpoint *ep, struct lookup *l, call_start_fn start,
		      struct name_arg *a, u8 *name, s32 timeout)
{
	long left = front_jiffies(timeout);
	int r = lookup_charge(ep, l, &left);

	if (r)
		return r;
	l->call.addr = a->addr;
	l->call.name = name;
	return call_run(ep, &l->call, start, a, &left, true);
}

/* The answer, and the length of the name, are in *@out. */
static int look_up(struct endpoint *ep, call_start_fn start, struct name_arg *a, u8 *name,
		   s32 timeout, struct call *out)
{
	struct vmsg_front *front = ep->front;
	struct lookup *l = kzalloc(sizeof(*l), GFP_KERNEL_ACCOUNT);
	int r;

	if (!l)
		return -ENOMEM;
	front_lock(front);
	r = lookup_run(ep, l, start, a, name, timeout);
	*out = l->call;
	if (l->call.cookie) {
		l->call.ep = NULL;
		l->call.name = NULL;
	} else if (l->user) {
		lookup_free(front, l);
	} else {
		kfree(l);
	}
	front_unlock(front);
	return r;
}

long name_resolve(struct endpoint *ep, struct xenmsg_uapi_resolve __user *arg)
{
	struct xenmsg_uapi_resolve q;
	struct name_arg a;
	struct call call;
	int r;

	if (copy_from_user(&q, arg, sizeof(q)))
		return -EFAULT;
	if (!q.name_len || q.name_len > VMSGIF_NAME_MAX)
		return -EINVAL;
	a = (struct name_arg){ .name = q.name, .len = q.name_len };
	r = look_up(ep, start_resolve, &a, NULL, q.timeout, &call);
	if (r)
		return r;
	q.addr = call.answer.addr;
	q.port = call.answer.port;
	return copy_to_user(arg, &q, sizeof(q)) ? -EFAULT : 0;
}

long name_of(struct endpoint *ep, struct xenmsg_uapi_name __user *arg)
{
	struct xenmsg_uapi_name q;
	struct name_arg a;
	struct call call;
	int r;

	if (copy_from_user(&q, arg, sizeof(q)))
		return -EFAULT;
	if (q.reserved)
		return -EINVAL;
	memset(q.name, 0, sizeof(q.name));
	a = (struct name_arg){ .addr = q.addr };
	r = look_up(ep, start_name, &a, q.name, q.timeout, &call);
	if (r)
		return r;
	q.name_len = call.name_len;
	return copy_to_user(arg, &q, sizeof(q)) ? -EFAULT : 0;
}

/* ----------------------------------------------------------- subscriptions */

static struct sub *sub_find(struct vmsg_front *front, const u8 *name, u32 len)
{
	struct sub *sub;

	list_for_each_entry(sub, &front->subs, link)
		if (sub->len == len && !memcmp(sub->name, name, len))
			return sub;
	return NULL;
}

static struct sub_member *member_find(struct endpoint *ep, const struct sub *sub)
{
	struct sub_member *member;

	list_for_each_entry(member, &ep->members, in_ep)
		if (member->sub == sub)
			return member;
	return NULL;
}

static void member_tell(struct sub_member *member, u32 addr)
{
	member->told = addr;
	member->pending = true;
	ep_wake(member->ep);
}

static int member_new(struct endpoint *ep, struct sub *sub)
{
	struct sub_member *member = kzalloc(sizeof(*member), GFP_KERNEL_ACCOUNT);

	if (!member)
		return -ENOMEM;
	member->sub = sub;
	member->ep = ep;
	list_add_tail(&member->in_sub, &sub->members);
	list_add_tail(&member->in_ep, &ep->members);
	if (sub->cancel)
		ep->front->nr_closing--;
	sub->cancel = false;
	if (sub->addr)
		member_tell(member, sub->addr);
	return 0;
}

/* Nobody waits for that, and the answer finds nobody. False: not now. */
static bool sub_cancel(struct vmsg_front *front, struct sub *sub)
{
	int r = vmsg_subscribe(front->v, (const char *)sub->name, sub->len, true, ++front->cookie);

	/* While the device is gone the engine keeps subscriptions, too. */
	if (r == -EAGAIN || r == -EHOSTDOWN)
		return false;
	list_del(&sub->link);
	share_put(front, sub->user, SHARE_NAMES, 1);
	user_put(sub->user);
	kfree(sub);
	return true;
}

/* The last one cancels. */
static void member_free(struct sub_member *member)
{
	struct vmsg_front *front = member->ep->front;
	struct sub *sub = member->sub;

	list_del(&member->in_sub);
	list_del(&member->in_ep);
	kfree(member);
	if (!list_empty(&sub->members) || sub_cancel(front, sub))
		return;
	sub->addr = 0; /* nobody is told when it goes */
	sub->cancel = true;
	front->nr_closing++;
}

void names_step(struct vmsg_front *front)
{
	struct sub *sub, *next;

	list_for_each_entry_safe(sub, next, &front->subs, link)
		if (sub->cancel && sub_cancel(front, sub))
			front->nr_closing--;
}

void names_free(struct vmsg_front *front)
{
	struct sub *sub, *next;

	list_for_each_entry_safe(sub, next, &front->subs, link) {
		user_put(sub->user);
		kfree(sub);
	}
}

static int sub_new(struct endpoint *ep, const u8 *name, u32 len)
{
	struct vmsg_front *front = ep->front;
	struct sub *sub = kzalloc(sizeof(*sub), GFP_KERNEL_ACCOUNT);

	if (!sub)
		return -ENOMEM;
	if (!share_take(front, ep->user, SHARE_NAMES, 1)) {
		kfree(sub);
		return -ENOSPC;
	}
	sub->user = user_ref(ep->user);
	INIT_LIST_HEAD(&sub->members);
	memcpy(sub->name, name, len);
	sub->len = len;
	list_add_tail(&sub->link, &front->subs);
	return 0;
}

static unsigned int nr_members(const struct endpoint *ep)
{
	struct sub_member *member;
	unsigned int n = 0;

	list_for_each_entry(member, &ep->members, in_ep)
		n++;
	return n;
}

/*
 * The entry is made before the answer, as the domain may be up at once. Who
 * asks for the same meanwhile is a member of what may fail: the first one's
 * failure is then told to nobody but him, so each asks for himself.
 */
static int subscribe(struct endpoint *ep, struct name_arg *a, s32 timeout)
{
	struct vmsg_front *front = ep->front;
	struct sub *sub = sub_find(front, a->name, a->len);
	long left = front_jiffies(timeout);
	struct call call = {};
	int r = 0;

	if (sub && member_find(ep, sub))
		return 0;
	if (nr_members(ep) >= NAMES_PER_FILE)
		return -ENOSPC;
	if (!sub)
		r = sub_new(ep, a->name, a->len);
	sub = sub_find(front, a->name, a->len);
	if (!r)
		r = member_new(ep, sub);
	if (r) {
		if (sub && list_empty(&sub->members) && !sub->cancel)
			sub_cancel(front, sub);
		return r;
	}
	r = call_run(ep, &call, start_subscribe, a, &left, false);
	sub = sub_find(front, a->name, a->len);
	if (r && sub && member_find(ep, sub))
		member_free(member_find(ep, sub));
	return r;
}

long name_subscribe(struct endpoint *ep, struct xenmsg_uapi_subscribe __user *arg)
{
	struct xenmsg_uapi_subscribe q;
	struct sub *sub;
	struct name_arg a;
	int r = 0;

	if (copy_from_user(&q, arg, sizeof(q)))
		return -EFAULT;
	if (!q.name_len || q.name_len > VMSGIF_NAME_MAX || q.flags & ~XENMSG_SUB_CANCEL ||
	    q.reserved)
		return -EINVAL;
	a = (struct name_arg){ .name = q.name, .len = q.name_len };
	front_lock(ep->front);
	if (!(q.flags & XENMSG_SUB_CANCEL)) {
		r = front_usable(ep->front);
		if (!r)
			r = subscribe(ep, &a, q.timeout);
	} else {
		sub = sub_find(ep->front, q.name, q.name_len);
		if (sub && member_find(ep, sub))
			member_free(member_find(ep, sub));
		else
			r = -EINVAL;
	}
	front_unlock(ep->front);
	return r;
}

void names_drop(struct endpoint *ep)
{
	struct sub_member *member, *next;

	list_for_each_entry_safe(member, next, &ep->members, in_ep)
		member_free(member);
}

/* ------------------------------------------------------------------- events */

void names_peer_up(struct vmsg_front *front, u32 addr, const char *name, unsigned int len)
{
	struct sub *sub = sub_find(front, (const u8 *)name, len);
	struct sub_member *member;

	if (!sub)
		return;
	sub->addr = addr;
	/* It also comes for who subscribes later than others; these know it. */
	list_for_each_entry(member, &sub->members, in_sub)
		if (member->told != addr)
			member_tell(member, addr);
}

bool names_peer_down(struct endpoint *ep, u32 addr)
{
	struct sub_member *member;
	bool tell = false;

	list_for_each_entry(member, &ep->members, in_ep) {
		if (member->sub->addr == addr)
			member->sub->addr = 0;
		if (member->told != addr)
			continue;
		/* What was not told to be up need not be told to be down. */
		tell |= !member->pending;
		member->told = 0;
		member->pending = false;
	}
	return tell;
}

/* The device goes: what was told means nothing any more. */
void names_down(struct vmsg_front *front)
{
	struct sub_member *member;
	struct sub *sub;

	list_for_each_entry(sub, &front->subs, link) {
		sub->addr = 0;
		list_for_each_entry(member, &sub->members, in_sub) {
			member->told = 0;
			member->pending = false;
		}
	}
}

bool names_pending(const struct endpoint *ep)
{
	struct sub_member *member;

	list_for_each_entry(member, &ep->members, in_ep)
		if (member->pending)
			return true;
	return false;
}

bool names_take_event(struct endpoint *ep, struct xenmsg_uapi_event *event)
{
	struct sub_member *member;

	list_for_each_entry(member, &ep->members, in_ep) {
		if (!member->pending)
			continue;
		member->pending = false;
		event->type = XENMSG_EV_PEER_UP;
		event->addr = member->told;
		event->name_len = member->sub->len;
		memcpy(event->name, member->sub->name, member->sub->len);
		return true;
	}
	return false;
}
