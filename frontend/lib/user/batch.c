// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Batches: lazy messages of one length from one port to another travel together.
 *
 * A port has one batch that is being filled, and nobody but us knows of it. It is
 * posted when it is full, when its port sends elsewhere, before any other message
 * to the same destination, and wherever lazy messages are published. If there is no
 * room for it then, it is kept and tried again; whoever has more to send waits for
 * room as ever, and begins the next one. Its messages get their numbers when it is
 * posted: who asks for the number of a message sends it alone.
 *
 * Messages are copied into pages of the batch, one behind the other. One that is in
 * a page already, as it is sent in place, brings that along, unless it is short: a
 * batch is of such messages alone, each at the begin of its page, or of copied ones
 * alone. Where a message fills its page, there is no difference.
 *
 * Pages to be copied into are taken as many in a row as the batch can still fill; what it
 * did not is given back when it ends.
 *
 * A batch of more pages than a slot has room for needs another for a list of them. It gets
 * that before the first of them, and if there is none, it ends with what it has: one that
 * waited for a page when it is posted might wait for ever, as all may be in batches.
 */
#include <errno.h>
#include <string.h>

#include "front.h"
#include "frontend/lib/iov.h"

#define PAGE VMSGIF_PAGE_SIZE

/* Bytes of its messages. */
static uint32_t len_of(const struct batch *batch)
{
	return batch->before + (uint32_t)(batch->next - batch->begin);
}

/* How many more it takes without a look at it; whoever changes anything else counts anew. */
static void count_fit(struct batch *batch)
{
	uint32_t len = len_of(batch), more = (batch->most - len) / batch->each;

	batch->fit = 0;
	batch->pages_fit = 0;
	if (!more--)
		return;
	if (batch->next != batch->end)
		batch->fit = MIN_OF(more, (uint32_t)(batch->end - batch->next) / batch->each);
	else if (batch->step != batch->each || len != batch->nr_pages * batch->step)
		return;
	else if (batch->list_page != NO_PAGE)
		batch->pages_fit = more;
	else if (batch->nr_pages < VMSGIF_SEGS_MAX)
		batch->pages_fit = MIN_OF(more, VMSGIF_SEGS_MAX - batch->nr_pages);
}

static bool goes_with(const struct batch *batch, const struct given *given, uint32_t step)
{
	return batch->each == given->len && batch->addr == given->addr &&
	       batch->number == given->number && batch->step == step && len_of(batch) < batch->most;
}

/*
 * The list's page, if it has none, unless fewer than @more are left then: who took the last
 * one for a list and gave it back, as nothing is to be listed, would wake himself by it
 * again and again. 0 or -EAGAIN.
 */
static int make_list_and(struct front_port *port, unsigned int more)
{
	struct batch *batch = &port->batch;
	struct front *f = port_front(port);

	if (batch->list_page != NO_PAGE)
		return 0;
	if (vmsg_tx_pages_wait(f->v, port->engine, 1 + more))
		return -EAGAIN;
	(void)vmsg_tx_run_get(f->v, port->engine, 1, &batch->list_page);
	f->batched[batch->list_page] = true;
	return 0;
}

static void put_list(struct front_port *port)
{
	struct front *f = port_front(port);
	struct batch *batch = &port->batch;

	if (batch->list_page == NO_PAGE)
		return;
	f->batched[batch->list_page] = false;
	vmsg_tx_run_put(f->v, batch->list_page, 1);
	batch->list_page = NO_PAGE;
}

/* Pages for one more message to be copied, and for those after it. 0 or -EAGAIN. */
static int make_pages(struct front_port *port)
{
	struct batch *batch = &port->batch;
	struct front *f = port_front(port);

	while ((uint32_t)batch->nr_pages * PAGE < len_of(batch) + batch->each) {
		struct page_run *run = &batch->runs[batch->nr_runs];
		unsigned int want = (batch->most + PAGE - 1) / PAGE - batch->nr_pages;
		bool few = batch->nr_pages < VMSGIF_SEGS_MAX;

		if (batch->nr_pages + want > VMSGIF_SEGS_MAX && make_list_and(port, 1))
			want = few ? VMSGIF_SEGS_MAX - batch->nr_pages : 0;
		run->nr = want ? (uint16_t)vmsg_tx_run_get(f->v, port->engine, want, &run->first) :
				 0;
		/* The last one of all is not for a list, as long as there is nothing to list. */
		if (!run->nr && few && batch->list_page != NO_PAGE) {
			put_list(port);
			run->nr = (uint16_t)vmsg_tx_run_get(f->v, port->engine, 1, &run->first);
		}
		if (!run->nr)
			return -EAGAIN;
		memset(&f->batched[run->first], 1, run->nr);
		batch->nr_pages = (uint16_t)(batch->nr_pages + run->nr);
		batch->nr_runs++;
	}
	return 0;
}

/* All but the first @keep pages. */
static void put_rest(struct front_port *port, unsigned int keep)
{
	struct front *f = port_front(port);
	struct batch *batch = &port->batch;

	while (batch->nr_pages > keep) {
		struct page_run *run = &batch->runs[batch->nr_runs - 1];
		uint16_t nr = (uint16_t)MIN_OF(run->nr + 0u, batch->nr_pages - keep);

		run->nr = (uint16_t)(run->nr - nr);
		batch->nr_pages = (uint16_t)(batch->nr_pages - nr);
		batch->nr_runs -= !run->nr;
		memset(&f->batched[run->first + run->nr], 0, nr);
		vmsg_tx_run_put(f->v, run->first + run->nr, nr);
	}
	if (keep <= VMSGIF_SEGS_MAX)
		put_list(port);
}

/* What was not filled. */
static void trim(struct front_port *port)
{
	struct batch *batch = &port->batch;
	uint32_t len = len_of(batch), used = (len + batch->step - 1) / batch->step;
	bool more = batch->nr_pages > used;

	put_rest(port, used);
	if (more)
		batch->end = batch->next + (used * PAGE - len);
}

/* What one more message needs. 0 or -EAGAIN. */
static int make_place(struct front_port *port, bool copy)
{
	if (copy)
		return make_pages(port);
	trim(port);
	return port->batch.nr_pages < VMSGIF_SEGS_MAX ? 0 : make_list_and(port, 0);
}

/* They are not the batch's any more. */
static void forget_pages(struct front_port *port)
{
	struct front *f = port_front(port);
	struct batch *batch = &port->batch;
	unsigned int i;

	if (batch->list_page != NO_PAGE)
		f->batched[batch->list_page] = false;
	for (i = 0; i < batch->nr_runs; i++)
		memset(&f->batched[batch->runs[i].first], 0, batch->runs[i].nr);
	batch->nr_pages = 0;
	batch->nr_runs = 0;
}

/* Where the next @n of @left bytes go, the pages being there. */
static void *room(struct front_port *port, uint32_t left, uint32_t *n)
{
	struct batch *batch = &port->batch;
	void *to;

	if (batch->next == batch->end) {
		const struct page_run *run = &batch->runs[batch->begun++];

		batch->before = len_of(batch);
		batch->begin = user_tx_page(port_front(port)->user, run->first);
		batch->next = batch->begin;
		batch->end = batch->begin + (size_t)run->nr * PAGE;
	}
	*n = MIN_OF((uint32_t)(batch->end - batch->next), left);
	to = batch->next;
	batch->next += *n;
	return to;
}

/* There are pages and room for it. */
static void append_copy(struct front_port *port, const struct given *given)
{
	struct source source = { given->iov, given->iov + given->nr, 0 };
	uint32_t left, n;

	for (left = port->batch.each; left; left -= n) {
		void *to = room(port, left, &n);

		iov_gather(&source, to, n);
	}
}

/* False: there cannot be one, for now. */
static bool begin(struct front_port *port, const struct given *given, uint32_t step, bool copy)
{
	struct front *f = port_front(port);
	struct batch *batch = &port->batch;
	uint32_t each = (uint32_t)given->len, most = vmsg_batch_bytes(f->v);

	most = MIN_OF(most, VMSGIF_BATCH_MESSAGES * each);
	most = MIN_OF(most, BATCH_PAGES * step);
	if (most < each || user_gone(f->user))
		return false;
	batch->addr = given->addr;
	batch->number = given->number;
	batch->each = each;
	batch->most = most - most % each;
	batch->step = step;
	batch->before = 0;
	batch->begin = batch->next = batch->end = NULL;
	batch->begun = 0;
	batch->list_page = NO_PAGE;
	if (copy && make_pages(port)) {
		put_rest(port, 0);
		batch->each = 0;
		return false;
	}
	/* Where there are many, pages come without a look at each whether it needs the list. */
	if (!copy && most > VMSGIF_SEGS_MAX * step && vmsg_tx_pages_free(f->v) > BATCH_PAGES)
		(void)make_list_and(port, BATCH_PAGES);
	list_add_tail(&f->batches, &batch->link);
	user_lazy(f->user);
	return true;
}

static void over(struct front_port *port)
{
	struct batch *batch = &port->batch;

	forget_pages(port);
	list_del(&batch->link);
	/* No message goes with this one, not even an empty one: it is full. */
	batch->each = 0;
	batch->fit = 0;
	batch->pages_fit = 0;
	batch->most = len_of(batch);
}

static void fail(struct front_port *port, int status)
{
	struct batch *batch = &port->batch;
	/* They have no numbers. */
	const struct vmsg_failure failure = {
		.status = status,
		.addr = batch->addr,
		.port = batch->number,
		.count = len_of(batch) / batch->each,
	};

	put_rest(port, 0);
	over(port);
	front_failed(port, &failure);
}

static struct vmsg_send whole(const struct front_port *port, struct vmsgif_segment *segs)
{
	const struct batch *batch = &port->batch;
	struct vmsg_send send = {
		.addr = batch->addr,
		.port = batch->number,
		.len = len_of(batch),
		.form = VMSG_PAGES,
		.lazy = true,
		.quiet = true,
		.segs = segs,
		.list_page = batch->list_page,
	};
	uint32_t at, n;

	if (send.len > batch->each) {
		send.each = (uint16_t)batch->each;
	} else if (send.len <= XENMSG_INLINE_MAX) {
		send.form = VMSG_INLINE;
		send.data = user_tx_page(port_front(port)->user, batch->runs[0].first);
	}
	for (at = 0; at < send.len; at += n) {
		const struct page_run *run = &batch->runs[send.nr_segs];

		n = MIN_OF(send.len - at, run->nr * batch->step);
		segs[send.nr_segs++] = (struct vmsgif_segment){
			.ref = run->first,
			.len = (uint16_t)n,
		};
	}
	return send;
}

int batch_end(struct front_port *port)
{
	struct vmsgif_segment segs[BATCH_PAGES];
	struct vmsg_send send;
	int r;

	if (!port->batch.each)
		return 0;
	trim(port);
	send = whole(port, segs);
	r = vmsg_send(port_front(port)->v, port->engine, &send, NULL);
	if (r == -EAGAIN) {
		count_fit(&port->batch);
		return r;
	}
	if (r) {
		fail(port, r);
		return 0;
	}
	if (send.form == VMSG_INLINE)
		put_rest(port, 0);
	over(port);
	return 0;
}

void batch_drop(struct front_port *port, int status)
{
	if (port->batch.each)
		fail(port, status);
}

void batches_end(struct front *f)
{
	struct batch *batch, *next;

	list_for_each_entry_safe(batch, next, &f->batches, link)
		(void)batch_end(CONTAINER_OF(batch, struct front_port, batch));
}

int batches_end_to(struct front *f, uint32_t addr, uint32_t number)
{
	struct batch *batch, *next;
	int r = 0;

	list_for_each_entry_safe(batch, next, &f->batches, link)
		if (batch->addr == addr && batch->number == number &&
		    batch_end(CONTAINER_OF(batch, struct front_port, batch)))
			r = -EAGAIN;
	return r;
}

/* Whether another port has a batch for the same destination. */
static bool other_batch(struct front_port *port, const struct given *given)
{
	const struct batch *batch;

	list_for_each_entry(batch, &port_front(port)->batches, link)
		if (batch != &port->batch && batch->addr == given->addr &&
		    batch->number == given->number)
			return true;
	return false;
}

bool batch_go_on(struct front_port *port, const void *data)
{
	struct batch *batch = &port->batch;
	uint32_t left = batch->each, n;

	/* There is none, there was no room for it, or its messages are in pages of their own. */
	if (len_of(batch) == batch->most || batch->step != PAGE)
		return false;
	if (make_pages(port)) {
		count_fit(batch);
		return false;
	}
	for (; left; left -= n, data = (const char *)data + n) {
		void *to = room(port, left, &n);

		memcpy(to, data, n);
	}
	count_fit(batch);
	if (len_of(batch) == batch->most) {
		(void)batch_end(port);
		send_leave(port_front(port), false);
	}
	return true;
}

int batch_send(struct front_port *port, const struct given *given, uint16_t page,
	       const uint64_t *seq)
{
	struct batch *batch = &port->batch;
	bool candidate = given_may_batch(given, seq), copy = page == NO_PAGE;
	uint32_t step = copy ? PAGE : (uint32_t)given->len;
	int r;

	while (batch->each &&
	       (!candidate || !goes_with(batch, given, step) || make_place(port, copy)) &&
	       batch_end(port)) {
		/* Others are not to wait for a destination that is slow. */
		if (!candidate || batch->addr != given->addr || batch->number != given->number)
			return 0;
		/* Not alone behind it: what there is too little room for are SENDs. */
		r = make_room(port_front(port), given->flags);
		if (r)
			return r;
	}
	if (!candidate ||
	    (!batch->each && (other_batch(port, given) || !begin(port, given, step, copy))))
		return 0;
	if (copy)
		append_copy(port, given);
	else
		batch_take_page(port, page);
	count_fit(batch);
	if (len_of(batch) == batch->most)
		(void)batch_end(port);
	return 1;
}
