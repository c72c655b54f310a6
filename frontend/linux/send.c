// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sending, many messages in a call.
 *
 * A call works through its messages in small groups, each in three steps: with
 * the lock, pages are taken; without it, payload is copied from the process,
 * which may take as long as it likes; with the lock, all are posted, and at the
 * end published at once. Only a lazy batch at the very end stays open: what the next
 * call brings is joined to it (vmsg_join()), until it is full, somebody waits, or
 * VMSGIF_LAZY_NS are over.
 *
 * A message is charged to its endpoint until it is answered: while an endpoint has
 * pages in flight it may have as many as are left (half of them alone, a third beside
 * another), and all of a user have their share, so that nobody who writes to a receiver
 * that does not read keeps others from sending. Nobody sleeps with the lock of the endpoint.
 */
#include <linux/fs.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "front.h"

#define GROUP 16

/* A message of the group under way. */
struct tx_item {
	struct xenmsg_uapi_tx tx;
	u8 data[VMSGIF_INLINE_MAX];
	unsigned int nr_pages; /* taken, without the list's; they are charged */
	u16 pages[VMSGIF_INDIRECT_MAX + 1];
};

struct tx_scratch {
	struct tx_item items[GROUP];
	struct vmsgif_segment segs[VMSGIF_INDIRECT_MAX];
};

void send_free(struct endpoint *ep)
{
	kvfree(ep->scratch);
}

/* ------------------------------------------------------- pages and payload */

static bool is_inline(const struct xenmsg_uapi_tx *tx)
{
	return tx->len <= VMSGIF_INLINE_MAX &&
	       !(tx->flags & (XENMSG_TX_AREA | XENMSG_TX_POOL | XENMSG_TX_BATCH));
}

static int check(const struct endpoint *ep, const struct xenmsg_uapi_tx *tx)
{
	unsigned int where = tx->flags &
			     (XENMSG_TX_IOV | XENMSG_TX_AREA | XENMSG_TX_POOL | XENMSG_TX_BATCH);

	if (tx->flags & ~(XENMSG_TX_LAZY | XENMSG_TX_CONFIRM | XENMSG_TX_IOV | XENMSG_TX_AREA |
			  XENMSG_TX_POOL | XENMSG_TX_BATCH) ||
	    hweight32(where) > 1 || !tx->addr || !tx->port)
		return -EINVAL;
	if (!(where & (XENMSG_TX_IOV | XENMSG_TX_POOL | XENMSG_TX_BATCH)) && tx->nr)
		return -EINVAL;
	if ((where & XENMSG_TX_BATCH) && (!tx->nr || !vmsg_batch_valid(tx->len, tx->nr)))
		return -EINVAL;
	if ((where & (XENMSG_TX_AREA | XENMSG_TX_POOL)) && !tx->len)
		return -EINVAL;
	return tx->len > ep->front->features.max_message ? -EMSGSIZE : 0;
}

static unsigned int nr_all(const struct tx_item *item)
{
	return item->nr_pages + (item->nr_pages > VMSGIF_SEGS_MAX);
}

/* The pages that payload is to be copied into, and that of a list: how many. */
static unsigned int pages_for(const struct xenmsg_uapi_tx *tx)
{
	unsigned int nr = DIV_ROUND_UP(tx->len, PAGE_SIZE);

	return is_inline(tx) || (tx->flags & (XENMSG_TX_AREA | XENMSG_TX_POOL)) ? 0 : nr;
}

/*
 * With the lock. All that a message needs but what the engine gives when it is
 * posted. Nothing is taken before all is there: to give it back would wake others
 * who wait, who would do the same.
 */
static int take_item(struct endpoint *ep, struct tx_item *item)
{
	bool confirm = item->tx.flags & XENMSG_TX_CONFIRM;
	struct vmsg_front *front = ep->front;
	unsigned int all;
	int r;

	item->nr_pages = pages_for(&item->tx);
	all = nr_all(item);
	if (confirm && !event_room(ep))
		return -EAGAIN;
	if (all && ep->tx_pages && ep->tx_pages + all > vmsg_tx_pages_free(front->v)) {
		vmsg_drained(front->v, ep->port); /* have answers wake us */
		return -EAGAIN;
	}
	if (!share_left_send(front, ep->user, all)) {
		share_await(front, ep->user);
		return -EAGAIN;
	}
	r = vmsg_tx_pages_get(front->v, ep->port, all, item->pages);
	if (r)
		return r;
	share_take_send(ep->user, all);
	ep->tx_pages += all;
	if (confirm)
		event_keep(ep);
	return 0;
}

/* It was not sent. */
static void put_item(struct endpoint *ep, struct tx_item *item)
{
	struct vmsg_front *front = ep->front;
	unsigned int all = nr_all(item);

	ep->tx_pages -= all;
	if (all)
		vmsg_tx_pages_put(front->v, ep->port, all, item->pages);
	if (item->tx.flags & XENMSG_TX_CONFIRM)
		event_give_up(ep);
	share_put_send(front, ep->user, all);
}

static int copy_iov(struct endpoint *ep, struct tx_item *item)
{
	struct iovec fast[UIO_FASTIOV], *iov = fast;
	struct vmsg_front *front = ep->front;
	u32 left = item->tx.len, n;
	struct iov_iter iter;
	unsigned int i;
	ssize_t len;
	int r = 0;

	len = import_iovec(WRITE, u64_to_user_ptr(item->tx.data), item->tx.nr, ARRAY_SIZE(fast),
			   &iov, &iter);
	if (len < 0)
		return len;
	if (len != item->tx.len)
		r = -EINVAL;
	else if (is_inline(&item->tx))
		r = copy_from_iter_full(item->data, left, &iter) ? 0 : -EFAULT;
	for (i = 0; i < item->nr_pages && !r; i++, left -= n) {
		n = min_t(u32, left, PAGE_SIZE);
		if (!copy_from_iter_full(front->tx.va[item->pages[i]], n, &iter))
			r = -EFAULT;
	}
	kfree(iov);
	return r;
}

/* Without the lock. */
static int copy_payload(struct endpoint *ep, struct tx_item *item)
{
	const u8 __user *from = u64_to_user_ptr(item->tx.data);
	struct vmsg_front *front = ep->front;
	u32 left = item->tx.len, n;
	unsigned int i;

	if (item->tx.flags & XENMSG_TX_IOV)
		return copy_iov(ep, item);
	if (is_inline(&item->tx))
		return copy_from_user(item->data, from, left) ? -EFAULT : 0;
	for (i = 0; i < item->nr_pages; i++, from += n, left -= n) {
		n = min_t(u32, left, PAGE_SIZE);
		/* It is a page: without looking up what the place is a part of. */
		if (_copy_from_user(front->tx.va[item->pages[i]], from, n))
			return -EFAULT;
	}
	return 0;
}

/* --------------------------------------------------------------------- post */

/* The form and place of the payload. */
static int fill(struct endpoint *ep, struct tx_item *item, struct vmsg_send *send)
{
	const struct xenmsg_uapi_tx *tx = &item->tx;
	struct vmsgif_segment *segs = ep->scratch->segs;
	unsigned int i, nr = item->nr_pages;
	int r;

	send->segs = segs;
	if (tx->flags & XENMSG_TX_POOL) {
		send->form = VMSG_MAP;
		send->map_id = tx->nr;
		send->map_offset = (u32)tx->data;
		return tx->data > U32_MAX || !pool_of(ep, tx->nr) ? -EINVAL : 0;
	}
	if (tx->flags & XENMSG_TX_AREA) {
		r = area_segments(ep, tx->data, tx->len, segs, &nr);
		if (!r && nr > VMSGIF_SEGS_MAX)
			r = vmsg_tx_pages_get(ep->front->v, ep->port, 1, &send->list_page);
		send->form = VMSG_PAGES;
		send->nr_segs = nr;
		send->keep = true;
		return r;
	}
	if (is_inline(tx)) {
		send->form = VMSG_INLINE;
		send->data = item->data;
		return 0;
	}
	for (i = 0; i < nr; i++)
		segs[i] = (struct vmsgif_segment){
			.ref = item->pages[i],
			.len = min_t(u32, tx->len - i * PAGE_SIZE, PAGE_SIZE),
		};
	send->form = VMSG_PAGES;
	send->nr_segs = nr;
	send->list_page = item->pages[nr];
	return 0;
}

/* Notes it down; the engine has taken it. */
static const struct sent *remember(struct endpoint *ep, const struct tx_item *item,
				   const struct vmsg_send *send)
{
	struct sent *sent = sent_get(ep->front);
	const struct xenmsg_uapi_tx *tx = &item->tx;

	ep->nr_sent++;
	*sent = (struct sent){
		.ep = ep,
		.cookie = tx->cookie,
		.seq = tx->seq,
		.addr = tx->addr,
		.port = tx->port,
		.pages = nr_all(item),
		.next = SENT_NONE,
		.confirm = tx->flags & XENMSG_TX_CONFIRM,
	};
	if (tx->flags & XENMSG_TX_AREA) {
		sent->area_first = tx->data / PAGE_SIZE;
		sent->area_nr = send->nr_segs;
		bitmap_set(ep->area_busy, sent->area_first, sent->area_nr);
	} else if (tx->flags & XENMSG_TX_POOL) {
		sent->pool = pool_of(ep, tx->nr);
		pool_sent(sent->pool);
	}
	event_peer(ep, tx->addr);
	return sent;
}

/* As a SEND of its own. */
static int post_alone(struct endpoint *ep, struct tx_item *item, const struct vmsg_send *send)
{
	struct vmsg *v = ep->front->v;
	int r = send->cookie ? vmsg_send(v, ep->port, send, &item->tx.seq) : -EAGAIN;

	if (!r)
		remember(ep, item, send);
	else if (send->keep && send->nr_segs > VMSGIF_SEGS_MAX)
		vmsg_tx_pages_put(v, ep->port, 1, &send->list_page);
	return r;
}

/* As a part of the SEND before it, if that is possible. */
static bool join(struct endpoint *ep, struct tx_item *item, const struct vmsg_send *send)
{
	struct vmsg_front *front = ep->front;
	u64 cookie;

	if (!send->open || !sent_may_join(front) ||
	    !vmsg_join(front->v, ep->port, send, &cookie, &item->tx.seq))
		return false;
	sent_join(front, cookie, remember(ep, item, send));
	return true;
}

/* With the lock. */
static int post(struct endpoint *ep, struct tx_item *item)
{
	const struct xenmsg_uapi_tx *tx = &item->tx;
	struct vmsg_send send = {
		.addr = tx->addr,
		.port = tx->port,
		.len = tx->len,
		.each = tx->flags & XENMSG_TX_BATCH ? tx->nr : 0,
		.lazy = tx->flags & XENMSG_TX_LAZY,
		.quiet = !(tx->flags & XENMSG_TX_CONFIRM),
		.cookie = sent_cookie(ep->front),
	};
	int r;

	send.open = (send.each || (tx->flags & XENMSG_TX_POOL)) && send.lazy && send.quiet;
	r = fill(ep, item, &send);
	if (r || join(ep, item, &send))
		return r;
	return post_alone(ep, item, &send);
}

/* Takes what the first messages of the group need: how many messages, or why not one. */
static int prepare(struct endpoint *ep, struct tx_item *items, unsigned int nr)
{
	unsigned int i;
	int r = front_usable(ep->front);

	if (!r)
		r = endpoint_ready(ep);
	for (i = 0; i < nr && !r; i++) {
		r = check(ep, &items[i].tx);
		if (!r)
			r = take_item(ep, &items[i]);
		if (r)
			break;
	}
	return i ? i : r;
}

/*
 * Sends as many of the group as go now: how many, or why not one. With -EAGAIN
 * the endpoint is marked, and *@seen set, before the lock is free: what comes
 * after that and could let it go on is not missed.
 */
static int send_group(struct endpoint *ep, struct tx_item *items, unsigned int nr, u32 *seen)
{
	struct vmsg_front *front = ep->front;
	int ready, copied, done, r = 0;

	front_lock(front);
	*seen = ep->progress;
	ready = prepare(ep, items, nr);
	if (ready == -EAGAIN)
		ep->stuck = true;
	mutex_unlock(&front->lock);
	if (ready <= 0)
		return ready;
	for (copied = 0; copied < ready; copied++) {
		r = copy_payload(ep, &items[copied]);
		if (r)
			break;
	}
	front_lock(front);
	for (done = 0; done < copied; done++) {
		int s = post(ep, &items[done]);

		if (s) {
			r = s;
			break;
		}
	}
	for (nr = done; nr < ready; nr++)
		put_item(ep, &items[nr]);
	*seen = ep->progress; /* what was given back helps others, not us */
	/* A thread that sleeps is to be woken by what takes the mark away. */
	ep->stuck = (!done && r == -EAGAIN) || ep->nr_waiting;
	front_unlock(front);
	return done ? done : r;
}

/* After -EAGAIN for the first message. */
static int wait_for_room(struct endpoint *ep, u32 seen, long *left)
{
	int r = 0;

	front_lock(ep->front);
	ep->nr_waiting++;
	if (ep->progress == seen)
		r = front_sleep(ep, left);
	else if (signal_pending(current))
		r = front_interrupted(*left);
	ep->nr_waiting--;
	front_unlock(ep->front);
	return r;
}

/* Sends the next group of @msgs: as send_group(). */
static int send_next(struct endpoint *ep, struct xenmsg_uapi_tx __user *msgs, unsigned int nr,
		     u32 *seen)
{
	struct tx_item *items;
	unsigned int i;
	int r;

	if (!ep->scratch)
		ep->scratch = kvzalloc(sizeof(*ep->scratch), GFP_KERNEL_ACCOUNT);
	if (!ep->scratch)
		return -ENOMEM;
	items = ep->scratch->items;
	nr = min_t(unsigned int, nr, GROUP);
	for (i = 0; i < nr; i++)
		if (copy_from_user(&items[i].tx, &msgs[i], sizeof(items[i].tx)))
			return -EFAULT;
	r = send_group(ep, items, nr, seen);
	/* They are sent, whether their numbers can be told or not. */
	for (i = 0; r > 0 && i < r; i++)
		if (put_user(items[i].tx.seq, &msgs[i].seq))
			break;
	return r;
}

static long send_all(struct endpoint *ep, struct xenmsg_uapi_tx __user *msgs, u32 nr, s32 timeout)
{
	long left = front_jiffies(timeout), done = 0;
	u32 seen;
	int r;

	while (done < nr) {
		if (mutex_lock_interruptible(&ep->send_lock))
			return done ? done : front_interrupted(left);
		r = send_next(ep, msgs + done, nr - done, &seen);
		mutex_unlock(&ep->send_lock);
		cond_resched();
		if (r == -EAGAIN && !done)
			r = wait_for_room(ep, seen, &left);
		else if (r > 0)
			done += r;
		else
			break;
		if (r < 0)
			return r == -ETIMEDOUT ? -EAGAIN : r;
	}
	return done ? done : r;
}

long send_messages(struct endpoint *ep, struct xenmsg_uapi_send __user *arg, bool nonblock)
{
	struct xenmsg_uapi_send s;

	if (copy_from_user(&s, arg, sizeof(s)))
		return -EFAULT;
	if (!s.nr)
		return -EINVAL;
	return send_all(ep, u64_to_user_ptr(s.msgs), min_t(u32, s.nr, XENMSG_UAPI_BATCH),
			nonblock ? 0 : s.timeout);
}

long send_flush(struct endpoint *ep, struct xenmsg_uapi_flush __user *arg)
{
	struct xenmsg_uapi_flush f;
	long left;
	int r = 0;

	if (copy_from_user(&f, arg, sizeof(f)))
		return -EFAULT;
	left = front_jiffies(f.timeout);
	front_lock(ep->front);
	while (!r && ep->nr_sent) {
		vmsg_drained(ep->front->v, ep->port); /* have their answers wake us */
		r = front_sleep(ep, &left);
	}
	f.status = ep->failure;
	if (!r)
		ep->failure = 0;
	front_unlock(ep->front);
	if (r)
		return r;
	return copy_to_user(arg, &f, sizeof(f)) ? -EFAULT : 0;
}
