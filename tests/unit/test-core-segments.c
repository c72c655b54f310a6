// SPDX-License-Identifier: GPL-2.0-or-later
/* Segments over several pages: which pages follow each other, and how brokers hear of them. */
#include "tests/unit/core-bed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGES	  600u
#define MESSAGES  12u
#define PAGES_MAX 40u

static struct cbed bed;
static struct vmsg_port *port;

static void setup(void)
{
	cbed_defaults(&bed);
	bed.params.ring_order = 2;
	bed.features.flow_window = MESSAGES;
	bed.params.nr_tx_pages = PAGES + 1;
	bed.features.max_message = VMSGIF_MESSAGE_MAX;
	cbed_init(&bed);
	port = cbed_port(&bed, 0);
}

static void teardown(void)
{
	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
}

static uint32_t rng;

static unsigned int below(unsigned int n)
{
	rng = rng * 1664525u + 1013904223u;
	return (rng >> 8) % n;
}

/* Runs are as long as there can be any, the lowest first, and are free again as they were. */
START_TEST(runs)
{
	uint16_t first[PAGES], odd[PAGES];
	unsigned int nr = 0;

	cbed_up(&bed);
	for (unsigned int i = 0; i < PAGES / VMSG_RUN_PAGES; i++) {
		ck_assert_uint_eq(vmsg_tx_run_get(bed.v, port, 100, &first[i]), VMSG_RUN_PAGES);
		ck_assert_uint_eq(first[i], i * VMSG_RUN_PAGES);
	}
	ck_assert_uint_eq(vmsg_tx_pages_free(bed.v), 0);
	ck_assert_uint_eq(vmsg_tx_run_get(bed.v, port, 1, &first[0]), 0);
	/* Holes of one page, and behind them one of three, of which two are wanted. */
	for (unsigned int i = 0; i < 100; i += 2)
		odd[nr++] = (uint16_t)i;
	vmsg_tx_pages_put(bed.v, port, nr, odd);
	vmsg_tx_run_put(bed.v, 150, 3);
	ck_assert_uint_eq(vmsg_tx_run_get(bed.v, port, 2, &first[0]), 2);
	ck_assert_uint_eq(first[0], 150);
	/* There is none of three, nor of two. */
	ck_assert_uint_eq(vmsg_tx_run_get(bed.v, port, 3, &first[0]), 1);
	ck_assert_uint_eq(first[0], 0);
	/* One alone is from behind. */
	ck_assert_uint_eq(vmsg_tx_run_get(bed.v, port, 1, &first[0]), 1);
	ck_assert_uint_eq(first[0], 152);
	/* Twice is once, and what is no page is none. */
	vmsg_tx_run_put(bed.v, 0, 8);
	vmsg_tx_run_put(bed.v, 0, 8);
	vmsg_tx_run_put(bed.v, PAGES, 5);
	vmsg_tx_run_put(bed.v, UINT16_MAX, 1);
	ck_assert_uint_eq(vmsg_tx_run_get(bed.v, port, 8, &first[0]), 8);
	ck_assert_uint_eq(first[0], 0);
	ck_assert_uint_eq(vmsg_tx_pages_free(bed.v), 50 - 4);
}
END_TEST

/* Whoever finds none is told when there is one. */
START_TEST(waits)
{
	uint16_t pages[PAGES], first;

	cbed_up(&bed);
	ck_assert_int_eq(vmsg_tx_pages_get(bed.v, port, PAGES, pages), 0);
	ck_assert_int_eq(vmsg_tx_pages_wait(bed.v, port, PAGES + 1), -EMSGSIZE);
	if (_i)
		ck_assert_uint_eq(vmsg_tx_run_get(bed.v, port, 3, &first), 0);
	else
		ck_assert_int_eq(vmsg_tx_pages_wait(bed.v, port, 2), -EAGAIN);
	vmsg_tx_run_put(bed.v, 7, 1);
	cbed_poll(&bed);
	if (!_i) {
		ck_assert_int_eq(cbed_event(&bed).kind, CBED_NONE);
		vmsg_tx_run_put(bed.v, 8, 1);
		cbed_poll(&bed);
	}
	ck_assert_int_eq(cbed_event(&bed).kind, CBED_WRITABLE);
}
END_TEST

/* ---------------------------------------------------------------------- messages */

static struct {
	struct vmsgif_segment segs[PAGES_MAX];
	unsigned int nr_segs;
	uint32_t len;
	uint16_t list;
	bool keep;
	uint8_t bytes[PAGES_MAX * VMSGIF_PAGE_SIZE];
} messages[MESSAGES];

/* A segment of pages in a row, if there are any, that starts and ends anywhere. */
static unsigned int make_segment(struct vmsgif_segment *seg, unsigned int max)
{
	bool one = below(3) == 0;
	uint16_t first;
	unsigned int nr = vmsg_tx_run_get(bed.v, port, one ? 1 : 1 + below(max), &first);
	uint32_t begin = below(2) ? 0 : below(4000), end = nr * VMSGIF_PAGE_SIZE;

	ck_assert_uint_ge(nr, 1);
	if (below(3) == 0)
		end -= below(90);
	*seg = (struct vmsgif_segment){ first, (uint16_t)begin, (uint16_t)(end - begin) };
	return nr;
}

static void fill(unsigned int m)
{
	uint8_t *to = messages[m].bytes;

	cbed_fill(to, messages[m].len, m + rng);
	for (unsigned int i = 0; i < messages[m].nr_segs; i++) {
		const struct vmsgif_segment *seg = &messages[m].segs[i];

		for (uint32_t at = 0; at < seg->len; at++) {
			uint32_t place = seg->offset + at;
			uint8_t *page = bed.tx_pages[seg->ref + place / VMSGIF_PAGE_SIZE];

			page[place % VMSGIF_PAGE_SIZE] = *to++;
		}
	}
}

static void make_message(unsigned int m)
{
	unsigned int want = 1 + below(PAGES_MAX), pages = 0;

	memset(&messages[m], 0, sizeof(messages[m]));
	ck_assert_int_eq(vmsg_tx_pages_get(bed.v, port, 1, &messages[m].list), 0);
	while (pages < want) {
		struct vmsgif_segment *seg = &messages[m].segs[messages[m].nr_segs];

		pages += make_segment(seg, want - pages);
		messages[m].nr_segs++;
		messages[m].len += seg->len;
	}
	if (pages <= VMSGIF_SEGS_MAX)
		vmsg_tx_run_put(bed.v, messages[m].list, 1);
	messages[m].keep = below(3) == 0;
	fill(m);
}

static void send_message(unsigned int m)
{
	struct vmsg_send send = {
		.addr = CBED_PEER,
		.port = CBED_PORT,
		.len = messages[m].len,
		.form = VMSG_PAGES,
		.segs = messages[m].segs,
		.nr_segs = messages[m].nr_segs,
		.list_page = messages[m].list,
		.keep = messages[m].keep,
		.cookie = m + 1,
	};

	ck_assert_int_eq(vmsg_send(bed.v, port, &send, NULL), 0);
}

/* One broker, with the TX pool or without it, that hears of all of them. */
static void hear(bool pool, struct vmsgif_tx_request *reqs)
{
	static uint8_t out[sizeof(messages[0].bytes)];

	for (unsigned int m = 0; m < MESSAGES; m++) {
		struct vmsgif_tx_request *req = &reqs[m];

		*req = cbed_expect(&bed, VMSGIF_OP_SEND);
		ck_assert_uint_eq(req->flags & VMSGIF_TXF_POOL, pool ? VMSGIF_TXF_POOL : 0);
		ck_assert_uint_eq(req->len, messages[m].len);
		if (req->flags & VMSGIF_TXF_INDIRECT)
			ck_assert_uint_gt(req->nr_segs, VMSGIF_SEGS_MAX);
		else
			ck_assert_uint_le(req->nr_segs, VMSGIF_SEGS_MAX);
		cbed_payload(&bed, req, out);
		ck_assert_mem_eq(out, messages[m].bytes, req->len);
	}
}

static void connect(bool pool)
{
	struct vmsgif_tx_request req;

	bed.features.max_pool_pages = pool ? 1024 : 0;
	cbed_connect(&bed);
	if (pool)
		cbed_answer_all(&bed, 0);
	req = cbed_expect(&bed, VMSGIF_OP_READY);
	cbed_answered(&bed, &req, 0);
}

static void put_kept(unsigned int m)
{
	for (unsigned int i = 0; i < messages[m].nr_segs; i++) {
		const struct vmsgif_segment *seg = &messages[m].segs[i];

		vmsg_tx_run_put(bed.v, seg->ref,
				(seg->offset + seg->len + VMSGIF_PAGE_SIZE - 1) / VMSGIF_PAGE_SIZE);
	}
}

/* Answers the messages in any order; every page is free then, but for those kept. */
static void answer(struct vmsgif_tx_request *reqs)
{
	bool done[MESSAGES] = { false };

	for (unsigned int i = 0; i < MESSAGES; i++) {
		unsigned int m = below(MESSAGES);

		while (done[m])
			m = (m + 1) % MESSAGES;
		done[m] = true;
		cbed_answered(&bed, &reqs[m], below(4) ? 0 : VMSGIF_ECONNREFUSED);
		(void)cbed_expect_event(&bed, CBED_SEND_DONE);
		if (messages[m].keep)
			put_kept(m);
	}
}

/* Pages of which others are in use here and there. */
static void scatter(uint16_t *held, unsigned int *nr)
{
	uint16_t all[PAGES];

	ck_assert_int_eq(vmsg_tx_pages_get(bed.v, port, PAGES, all), 0);
	*nr = 0;
	for (unsigned int i = 0; i < PAGES; i++) {
		if (*nr < PAGES / 8 && below(5) == 0)
			held[(*nr)++] = all[i];
		else
			vmsg_tx_run_put(bed.v, all[i], 1);
	}
}

/* Messages of any segments go to each broker as it knows pages, to the first one and to later ones. */
START_TEST(over_brokers)
{
	struct vmsgif_tx_request reqs[MESSAGES];
	uint16_t held[PAGES];
	unsigned int nr_held;
	bool pool;

	rng = (uint32_t)_i + 1;
	pool = below(2);
	connect(pool);
	scatter(held, &nr_held);
	for (unsigned int m = 0; m < MESSAGES; m++) {
		make_message(m);
		send_message(m);
	}
	cbed_publish(&bed);
	hear(pool, reqs);
	for (unsigned int i = below(4); i; i--) {
		cbed_down(&bed);
		pool = below(2);
		connect(pool);
		hear(pool, reqs);
	}
	answer(reqs);
	vmsg_tx_pages_put(bed.v, port, nr_held, held);
	ck_assert_uint_eq(vmsg_tx_pages_free(bed.v), PAGES);
}
END_TEST

/* A page each, that follow each other: one segment. */
START_TEST(put_together)
{
	struct vmsgif_segment segs[20];
	struct vmsg_send send = { .addr = CBED_PEER,
				  .port = CBED_PORT,
				  .form = VMSG_PAGES,
				  .segs = segs,
				  .nr_segs = 20,
				  .len = 20 * VMSGIF_PAGE_SIZE };
	struct vmsgif_tx_request req;
	uint16_t pages[21];

	cbed_up(&bed);
	ck_assert_int_eq(vmsg_tx_pages_get(bed.v, port, 21, pages), 0);
	for (unsigned int i = 0; i < 20; i++)
		segs[i] = (struct vmsgif_segment){ pages[i], 0, VMSGIF_PAGE_SIZE };
	send.list_page = pages[20];
	ck_assert_int_eq(vmsg_send(bed.v, port, &send, NULL), 0);
	cbed_publish(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_SEND);
	ck_assert_uint_eq(req.flags, VMSGIF_TXF_POOL);
	ck_assert_uint_eq(req.nr_segs, 3);
	ck_assert_uint_eq(req.u.seg[0].len, VMSGIF_SEG_MAX);
	ck_assert_uint_eq(req.u.seg[1].ref, pages[8]);
	ck_assert_uint_eq(req.u.seg[1].len, VMSGIF_SEG_MAX);
	ck_assert_uint_eq(req.u.seg[2].len, 4 * VMSGIF_PAGE_SIZE);
	cbed_answered(&bed, &req, 0);
	ck_assert_uint_eq(vmsg_tx_pages_free(bed.v), PAGES);
}
END_TEST

/* What a segment may not be, by the slow way and the fast one. */
START_TEST(refused)
{
	struct vmsgif_segment seg;
	struct vmsg_send send = {
		.addr = CBED_PEER, .port = CBED_PORT, .form = VMSG_PAGES, .segs = &seg, .nr_segs = 1
	};
	static const struct {
		uint32_t ref, offset, len;
	} bad[] = {
		{ 8, 0, VMSGIF_SEG_MAX + 1 },
		{ 8, 4096, 8192 },
		{ 8, 4095, 3 * 4096 + 2 },  /* its last page is not ours */
		{ 12, 0, 4097 },	    /* nor is this */
		{ PAGES - 1, 0, 4097 },	    /* into the page for names */
		{ PAGES, 0, 8192 },	    /* behind all */
		{ UINT32_MAX, 4095, 8192 }, /* around */
	};
	uint16_t first;

	cbed_up(&bed);
	ck_assert_uint_eq(vmsg_tx_run_get(bed.v, port, 8, &first), 8);
	ck_assert_uint_eq(vmsg_tx_run_get(bed.v, port, 4, &first), 4);
	ck_assert_uint_eq(first, 8);
	for (unsigned int pass = 0; pass < 2; pass++) {
		for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			seg = (struct vmsgif_segment){ bad[i].ref, (uint16_t)bad[i].offset,
						       (uint16_t)bad[i].len };
			send.len = bad[i].len;
			ck_assert_int_eq(vmsg_send(bed.v, port, &send, NULL), -EINVAL);
		}
		/* More than four pages without a page for a list; and with one that is its own. */
		seg = (struct vmsgif_segment){ 0, 0, 5 * 4096 };
		send.len = seg.len;
		send.list_page = UINT16_MAX;
		ck_assert_int_eq(vmsg_send(bed.v, port, &send, NULL), -EINVAL);
		send.list_page = 3;
		ck_assert_int_eq(vmsg_send(bed.v, port, &send, NULL), -EINVAL);
		ck_assert_int_eq(cbed_send(&bed, port, "", 0, 0), 0);
	}
	send.list_page = 9;
	ck_assert_int_eq(vmsg_send(bed.v, port, &send, NULL), 0);
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	ck_assert_uint_eq(vmsg_tx_pages_free(bed.v), PAGES - 12 + 6);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-segments");
	TCase *tcase = tcase_create("segments");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, runs);
	tcase_add_loop_test(tcase, waits, 0, 2);
	tcase_add_loop_test(tcase, over_brokers, 0, 300);
	tcase_add_test(tcase, put_together);
	tcase_add_test(tcase, refused);
	suite_add_tcase(suite, tcase);
	return cbed_run(suite);
}
