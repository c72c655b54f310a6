// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shares: how much one user may have of what there is for all.
 *
 * What one file may have is bounded where it is given, but a process can open
 * many files. So all files of a user count together, and have at most half: who
 * fills everything with messages to a receiver that does not read, or forgets
 * to close its files, leaves the other half to others. Users who may exceed
 * resource limits (CAP_SYS_RESOURCE) are counted, and not bounded.
 *
 * Whoever opened a file is charged for it, wherever its descriptor goes, until
 * the endpoint is gone.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "front.h"

#define FILES_PER_USER 1024

struct front_user {
	struct list_head link; /* front->users */
	kuid_t uid;
	bool bounded;
	bool waits;	   /* a file of it was told -EAGAIN for want of a share */
	unsigned int refs; /* endpoints, and what outlives them */
	unsigned long used[SHARES];
};

/* Beside areas and one user's messages there is room for the longest message. */
unsigned int share_of_pages(const struct vmsg_front *front)
{
	unsigned int nr = front->tx.nr, need = DIV_ROUND_UP(front->features.max_message, PAGE_SIZE);

	need += 2; /* the list of its pages, and the page that is the engine's */
	return (need < nr ? min(nr / 2, nr - need) : nr / 2) / 2;
}

static unsigned long limit_of(const struct vmsg_front *front, enum front_share share)
{
	switch (share) {
	case SHARE_FILES:
		return FILES_PER_USER;
	case SHARE_REQUESTS:
		return (VMSGIF_RING_SLOTS(front->ring_order) - VMSGIF_TX_RESERVE) / 2;
	case SHARE_TX_PAGES:
		return share_of_pages(front);
	case SHARE_AREA_PAGES: /* all areas may have as much as a user's messages */
		return share_of_pages(front) / 2;
	case SHARE_PORTS:
		return FRONT_PORTS / 2;
	case SHARE_MEMORY:
		return totalram_pages() / 8;
	case SHARE_POOLS:
		return VMSGIF_MAP_POOLS_MAX / 2;
	case SHARE_POOL_PAGES:
		return front_pool_pages / 2;
	case SHARE_NAMES:
		return FRONT_SUBS / 2;
	case SHARE_FOREIGN:
		return FRONT_FOREIGN / 2;
	case SHARES:
		break;
	}
	return 0;
}

struct front_user *user_get(struct vmsg_front *front)
{
	bool bounded = !ns_capable_noaudit(&init_user_ns, CAP_SYS_RESOURCE);
	kuid_t uid = current_euid();
	struct front_user *user;

	list_for_each_entry(user, &front->users, link)
		if (uid_eq(user->uid, uid) && user->bounded == bounded)
			goto found;
	user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);
	if (!user)
		return NULL;
	user->uid = uid;
	user->bounded = bounded;
	list_add_tail(&user->link, &front->users);
found:
	user->refs++;
	return user;
}

struct front_user *user_ref(struct front_user *user)
{
	user->refs++;
	return user;
}

void user_put(struct front_user *user)
{
	if (--user->refs)
		return;
	list_del(&user->link);
	kfree(user);
}

bool share_left(const struct vmsg_front *front, const struct front_user *user,
		enum front_share share, unsigned long n)
{
	unsigned long used = user->used[share];

	/* One message may have more pages than the share is, if it is the only one. */
	return !user->bounded || used + n <= limit_of(front, share) ||
	       (!used && share == SHARE_TX_PAGES);
}

bool share_take(const struct vmsg_front *front, struct front_user *user, enum front_share share,
		unsigned long n)
{
	if (!share_left(front, user, share, n))
		return false;
	user->used[share] += n;
	return true;
}

bool share_left_send(const struct vmsg_front *front, const struct front_user *user,
		     unsigned int pages)
{
	return share_left(front, user, SHARE_REQUESTS, 1) &&
	       share_left(front, user, SHARE_TX_PAGES, pages);
}

void share_take_send(struct front_user *user, unsigned int pages)
{
	user->used[SHARE_REQUESTS]++;
	user->used[SHARE_TX_PAGES] += pages;
}

/* Those of @user that wait may try again. */
static void wake(struct vmsg_front *front, struct front_user *user)
{
	struct endpoint *ep;

	user->waits = false;
	list_for_each_entry(ep, &front->endpoints, link)
		if (ep->user == user)
			send_try_again(ep);
}

void share_put(struct vmsg_front *front, struct front_user *user, enum front_share share,
	       unsigned long n)
{
	user->used[share] -= n;
	if (user->waits && (share == SHARE_REQUESTS || share == SHARE_TX_PAGES))
		wake(front, user);
}

void share_put_send(struct vmsg_front *front, struct front_user *user, unsigned int pages)
{
	user->used[SHARE_REQUESTS]--;
	user->used[SHARE_TX_PAGES] -= pages;
	if (user->waits)
		wake(front, user);
}

void share_await(struct vmsg_front *front, struct front_user *user)
{
	struct endpoint *ep;

	user->waits = true;
	/* The engine asks for events about answers only if somebody waits for them. */
	list_for_each_entry(ep, &front->endpoints, link)
		if (ep->user == user && ep->nr_sent && !vmsg_drained(front->v, ep->port))
			return;
}
