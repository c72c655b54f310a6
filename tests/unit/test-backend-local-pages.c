// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The memory of local clients: copies between it and guests, references to pages
 * that are none, what requests refer to, and a ring that is broken.
 */
#include "tests/unit/backend-guest.h"
#include "tests/unit/local-bed.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct copy_batch *batch;

static void fill(uint8_t *to, unsigned int len, unsigned int key)
{
	for (unsigned int i = 0; i < len; i++)
		to[i] = (uint8_t)(i * 7 + key);
}

static void expect_filled(const uint8_t *from, unsigned int len, unsigned int key)
{
	for (unsigned int i = 0; i < len; i++)
		ck_assert_uint_eq(from[i], (uint8_t)(i * 7 + key));
}

static void add_pool(struct raw *r, uint16_t type)
{
	uint32_t directory = type == VMSGIF_POOL_TX ? r->l.tx_directory : r->l.rx_directory;
	uint32_t first = type == VMSGIF_POOL_TX ? r->l.tx_pages : r->l.rx_pages;
	struct vmsgif_pool pool = { .ref = directory, .nr_pages = RAW_PAGES, .type = type };
	uint32_t *refs = raw_page(r, directory);

	for (uint32_t i = 0; i < RAW_PAGES; i++)
		refs[i] = first + i;
	ck_assert_int_eq(device_pool_add(dev_of(r), &pool), 0);
}

/* 6000 bytes in three segments from @src's TX pages to @dst's RX pages. */
static int transfer(struct device *src, const uint32_t refs[3], bool pooled, struct device *dst,
		    const struct rx_page pages[2])
{
	const struct vmsgif_segment segs[] = { { refs[0], 96, 1000 },
					       { refs[1], 0, 4000 },
					       { refs[2], 3096, 1000 } };
	int r;

	copy_batch_reset(batch);
	r = copy_batch_add(batch, 0, src, segs, 3, pooled, dst, pages, 2);
	if (r == COPY_DONE)
		return 0;
	if (r == 0) {
		copy_batch_run(batch);
		r = copy_batch_status(batch, 0);
	}
	return r;
}

static void fill_source(uint8_t *pages[3])
{
	uint8_t all[6000];

	fill(all, sizeof(all), 5);
	memcpy(pages[0] + 96, all, 1000);
	memcpy(pages[1], all + 1000, 4000);
	memcpy(pages[2] + 3096, all + 5000, 1000);
}

static void expect_arrived(uint8_t *pages[2])
{
	uint8_t all[6000];

	memcpy(all, pages[0], 4096);
	memcpy(all + 4096, pages[1], 6000 - 4096);
	expect_filled(all, sizeof(all), 5);
}

struct side {
	struct raw *local; /* or */
	struct guest *guest;
	struct device *dev;
	bool pooled;
	uint32_t refs[3];
	uint8_t *pages[3];
};

/* Three pages of it, as TX or RX pages. */
static void take_side(struct side *s, bool rx)
{
	uint16_t type = rx ? VMSGIF_POOL_RX : VMSGIF_POOL_TX;
	struct vmsgif_pool pool = { .type = type, .nr_pages = 3 };
	void *pages;

	if (s->local) {
		uint32_t first = rx ? s->local->l.rx_pages : s->local->l.tx_pages;

		s->dev = dev_of(s->local);
		if (s->pooled)
			add_pool(s->local, type);
		for (uint32_t i = 0; i < 3; i++) {
			s->refs[i] = s->pooled ? i : first + i;
			s->pages[i] = raw_page(s->local, first + i);
		}
		return;
	}
	s->dev = guest_dev(s->guest);
	if (s->pooled) {
		pool.ref = guest_pool(s->guest, 3, !rx, &pages, NULL);
		ck_assert_int_eq(device_pool_add(s->dev, &pool), 0);
	}
	for (uint32_t i = 0; i < 3; i++) {
		s->refs[i] = i;
		if (s->pooled)
			s->pages[i] = (uint8_t *)pages + i * 4096;
		else
			s->pages[i] = guest_page(s->guest, !rx, &s->refs[i]);
	}
}

/* From a local client to a guest, back, and to another one; pooled or not on each side. */
START_TEST(copies)
{
	struct backend_stats before, after;
	struct rx_page pages[2];
	struct guest g;
	struct side from = { .pooled = _i & 1 }, to = { .pooled = _i & 2 };
	bool by_grant;

	guest_up(&g, &bed, "guest");
	up(&a);
	up(&b);
	ck_assert_int_eq(copy_batch_new(&batch, bed.b), 0);
	if (_i / 4 == 0) {
		from.local = &a;
		to.local = &b;
	} else if (_i / 4 == 1) {
		from.local = &a;
		to.guest = &g;
	} else {
		from.guest = &g;
		to.local = &a;
	}
	take_side(&from, false);
	take_side(&to, true);
	fill_source(from.pages);
	for (unsigned int i = 0; i < 2; i++)
		pages[i] = (struct rx_page){ (uint16_t)i, to.pooled, to.refs[i] };
	backend_stats_get(bed.b, &before);
	ck_assert_int_eq(transfer(from.dev, from.refs, from.pooled, to.dev, pages), 0);
	backend_stats_get(bed.b, &after);
	expect_arrived(to.pages);
	by_grant = (from.guest && !from.pooled) || (to.guest && !to.pooled);
	ck_assert_int_eq(after.copy_ops > before.copy_ops, by_grant);
	ck_assert_int_eq(after.memcpys > before.memcpys, !by_grant);
	copy_batch_free(batch);
	guest_fini(&g);
}
END_TEST

/* References of a client mean its own memory and nothing else. */
START_TEST(pages_that_are_none)
{
	static const uint32_t bad_refs[] = { 0, 1000000, UINT32_MAX };
	struct vmsgif_pool pool = { .type = VMSGIF_POOL_TX, .nr_pages = 2 };
	struct rx_page pages[2];
	uint32_t refs[3], *directory;

	up(&a);
	up(&b);
	ck_assert_int_eq(copy_batch_new(&batch, bed.b), 0);
	for (unsigned int i = 0; i < 4; i++) {
		uint32_t bad = i < 3 ? bad_refs[i] : a.l.nr_pages + 1;

		refs[0] = refs[1] = a.l.tx_pages;
		refs[2] = bad;
		pages[0] = pages[1] = (struct rx_page){ 0, false, b.l.rx_pages };
		ck_assert_int_eq(transfer(dev_of(&a), refs, false, dev_of(&b), pages),
				 VMSGIF_EFAULT);
		refs[2] = a.l.tx_pages;
		pages[1].ref = bad;
		ck_assert_int_eq(transfer(dev_of(&a), refs, false, dev_of(&b), pages),
				 VMSGIF_EFAULT);
		ck_assert_int_eq(device_write_page(dev_of(&b), &pages[1], "x", 1), VMSGIF_EFAULT);
		pool.ref = bad;
		ck_assert_int_eq(device_pool_add(dev_of(&a), &pool), VMSGIF_EFAULT);
	}
	/* The last page is one. */
	refs[2] = a.l.nr_pages;
	pages[1].ref = b.l.nr_pages;
	ck_assert_int_eq(transfer(dev_of(&a), refs, false, dev_of(&b), pages), 0);
	/* Pools are pages in a row. */
	directory = raw_page(&a, a.l.tx_directory);
	pool.ref = a.l.tx_directory;
	directory[0] = a.l.tx_pages;
	directory[1] = a.l.tx_pages + 2;
	ck_assert_int_eq(device_pool_add(dev_of(&a), &pool), VMSGIF_EFAULT);
	directory[0] = a.l.nr_pages;
	directory[1] = a.l.nr_pages + 1;
	ck_assert_int_eq(device_pool_add(dev_of(&a), &pool), VMSGIF_EFAULT);
	directory[0] = UINT32_MAX;
	directory[1] = 0;
	ck_assert_int_eq(device_pool_add(dev_of(&a), &pool), VMSGIF_EFAULT);
	directory[0] = a.l.nr_pages - 1;
	directory[1] = a.l.nr_pages;
	ck_assert_int_eq(device_pool_add(dev_of(&a), &pool), 0);
	ck_assert_int_eq(device_pool_del(dev_of(&a), VMSGIF_POOL_TX), 0);
	copy_batch_free(batch);
}
END_TEST

/* Lists and names in pages that are in no pool. */
START_TEST(reads_what_requests_refer_to)
{
	struct vmsgif_tx_request req = { .op = VMSGIF_OP_RESOLVE, .id = 1, .len = 9, .nr_segs = 2 };
	const struct vmsgif_segment *segs;
	struct vmsgif_segment *list;
	struct request got;
	const char *name;

	up(&a);
	memcpy(raw_page(&a, a.l.tx_pages), "ser", 3);
	memcpy((char *)raw_page(&a, a.l.tx_pages + 1) + 100, "vice@x", 6);
	req.u.seg[0] = (struct vmsgif_segment){ a.l.tx_pages, 0, 3 };
	req.u.seg[1] = (struct vmsgif_segment){ a.l.tx_pages + 1, 100, 6 };
	raw_tx(&a, &req);
	ck_assert_int_eq(device_next_request(dev_of(&a), &got, &segs, &name), 1);
	ck_assert_str_eq(name, "service@x");

	list = raw_page(&a, a.l.tx_pages + 2);
	for (unsigned int i = 0; i < 6; i++)
		list[i] = (struct vmsgif_segment){ a.l.tx_pages, 0, 10 };
	req = (struct vmsgif_tx_request){
		.op = VMSGIF_OP_SEND,
		.flags = VMSGIF_TXF_INDIRECT,
		.id = 2,
		.addr = 1,
		.port = 1,
		.seq = 1,
		.len = 60,
		.nr_segs = 6,
		.u.indirect.ref = a.l.tx_pages + 2,
	};
	raw_tx(&a, &req);
	ck_assert_int_eq(device_next_request(dev_of(&a), &got, &segs, &name), 1);
	/* It was copied once. */
	memset(list, 0xff, 6 * sizeof(*list));
	ck_assert_uint_eq(segs[5].len, 10);
	req.id = 3;
	req.u.indirect.ref = a.l.nr_pages + 1;
	raw_tx(&a, &req);
	ck_assert_int_eq(device_next_request(dev_of(&a), &got, &segs, &name), 0);
	ck_assert(device_is_up(dev_of(&a)));
}
END_TEST

START_TEST(breaks_the_ring)
{
	up(&a);
	(void)bed_calls(&bed);
	a.tx->req_prod = 5000;
	kick(&a);
	(void)device_arm(dev_of(&a));
	expect_end(&a, LOCAL_CLOSED, -EPROTO, "TX ring");
	ck_assert_str_eq(bed_calls(&bed), "down:32768 gone:32768 ");
	ck_assert(bed_logged(&bed, "Domain-0[pid"));
}
END_TEST

static Suite *pages_suite(void)
{
	Suite *s = suite_create("backend-local-pages");
	TCase *t = tcase_create("pages");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, copies, 0, 12);
	tcase_add_test(t, pages_that_are_none);
	tcase_add_test(t, reads_what_requests_refer_to);
	tcase_add_test(t, breaks_the_ring);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(pages_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
