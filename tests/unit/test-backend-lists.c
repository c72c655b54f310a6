// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What requests refer to, checked: lists of segments, names, directories of
 * pools; and posted pages.
 */
#include "backend/guest/request.h"

#include <check.h>
#include <stdlib.h>

#define SLOTS 64

static struct reject why;

START_TEST(lists)
{
	static struct vmsgif_segment segs[VMSGIF_INDIRECT_MAX];
	unsigned int nr = VMSGIF_INDIRECT_MAX;

	for (unsigned int i = 0; i < nr; i++)
		segs[i] = (struct vmsgif_segment){ i, 0, 4096 };
	segs[0] = (struct vmsgif_segment){ 0, 1, 4095 };
	segs[nr - 1].len = 1;
	ck_assert_int_eq(request_check_segments(segs, nr, VMSGIF_MESSAGE_MAX, true, &why),
			 VERDICT_OK);
	ck_assert_int_eq(request_check_segments(segs, nr + 1, VMSGIF_MESSAGE_MAX, true, &why),
			 VERDICT_REFUSE);
	ck_assert_int_eq(request_check_segments(segs, 0, 0, true, &why), VERDICT_REFUSE);
	segs[200].ref = VMSGIF_POOL_PAGES_MAX;
	ck_assert_int_eq(request_check_segments(segs, nr, VMSGIF_MESSAGE_MAX, false, &why),
			 VERDICT_OK);
	ck_assert_int_eq(request_check_segments(segs, nr, VMSGIF_MESSAGE_MAX, true, &why),
			 VERDICT_REFUSE);
	ck_assert_int_eq(why.status, VMSGIF_EFAULT);
	segs[nr - 1].len = 0;
	ck_assert_int_eq(request_check_segments(segs, nr, VMSGIF_MESSAGE_MAX, false, &why),
			 VERDICT_REFUSE);
}
END_TEST

/* Segments of the pool that go on into other pages, and the one in the middle of the list is wrong. */
START_TEST(lists_of_runs)
{
	static struct vmsgif_segment segs[VMSGIF_INDIRECT_MAX];
	static const struct {
		struct vmsgif_segment seg;
		int status;
	} some[] = {
		{ { 0, 0, VMSGIF_SEG_MAX }, 0 },
		{ { VMSGIF_POOL_PAGES_MAX - 8, 0, VMSGIF_SEG_MAX }, 0 },
		{ { VMSGIF_POOL_PAGES_MAX - 9, 4095, VMSGIF_SEG_MAX }, 0 },
		{ { 7, 4095, 2 }, 0 },
		{ { 7, 0, VMSGIF_SEG_MAX + 1 }, VMSGIF_EFAULT },
		{ { 7, 4096, 1 }, VMSGIF_EFAULT },
		{ { 7, 0, 0 }, VMSGIF_EINVAL },
		{ { VMSGIF_POOL_PAGES_MAX - 8, 1, VMSGIF_SEG_MAX }, VMSGIF_EFAULT },
		{ { VMSGIF_POOL_PAGES_MAX - 1, 4095, 2 }, VMSGIF_EFAULT },
		{ { UINT32_MAX, 4095, 2 }, VMSGIF_EFAULT },
		{ { UINT32_MAX - 6, 0, VMSGIF_SEG_MAX }, VMSGIF_EFAULT },
	};

	for (unsigned int i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		uint32_t len = 0;

		for (unsigned int k = 0; k < VMSGIF_INDIRECT_MAX; k++) {
			segs[k] = k == 100 ? some[i].seg : (struct vmsgif_segment){ k, 4000, 3000 };
			len += segs[k].len;
		}
		ck_assert_int_eq(request_check_segments(segs, VMSGIF_INDIRECT_MAX, len, true, &why),
				 some[i].status ? VERDICT_REFUSE : VERDICT_OK);
		if (some[i].status)
			ck_assert_int_eq(why.status, some[i].status);
		/* By reference all of the others leave their pages. */
		ck_assert_int_eq(request_check_segments(segs, VMSGIF_INDIRECT_MAX, len, false,
							&why),
				 VERDICT_REFUSE);
		ck_assert_int_eq(why.status, VMSGIF_EFAULT);
		ck_assert_int_eq(request_check_segments(segs, VMSGIF_INDIRECT_MAX, len + 1, true,
							&why),
				 VERDICT_REFUSE);
	}
}
END_TEST

static enum verdict name(const char *text, bool service)
{
	return request_check_name(text, (uint32_t)strlen(text), service, &why);
}

START_TEST(names)
{
	char text[VMSGIF_NAME_MAX + 2];

	ck_assert_int_eq(name("AZaz09._-", false), VERDICT_OK);
	ck_assert_int_eq(name("echo@bob", true), VERDICT_OK);
	ck_assert_int_eq(name("echo@bob", false), VERDICT_REFUSE);
	ck_assert_int_eq(name("bob", true), VERDICT_OK);
	ck_assert_int_eq(name("a@b@c", true), VERDICT_REFUSE);
	ck_assert_int_eq(name("@b", true), VERDICT_REFUSE);
	ck_assert_int_eq(name("a@", true), VERDICT_REFUSE);
	ck_assert_int_eq(name("@", true), VERDICT_REFUSE);
	ck_assert_int_eq(name("", true), VERDICT_REFUSE);
	for (int c = 0; c < 256; c++) {
		bool good_one = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				(c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';

		text[0] = (char)c;
		ck_assert_int_eq(request_check_name(text, 1, false, &why),
				 good_one ? VERDICT_OK : VERDICT_REFUSE);
	}
	memset(text, 'x', sizeof(text));
	ck_assert_int_eq(request_check_name(text, VMSGIF_NAME_MAX, false, &why), VERDICT_OK);
	ck_assert_int_eq(request_check_name(text, VMSGIF_NAME_MAX + 1, false, &why),
			 VERDICT_REFUSE);
	ck_assert_int_eq(why.status, VMSGIF_EINVAL);
}
END_TEST

static struct vmsgif_rx_request rx;
static struct rx_run run;

static void posts(uint32_t behind, unsigned int nr)
{
	ck_assert_int_eq(rx_request_parse(&rx, SLOTS, behind, &run, &why), VERDICT_OK);
	ck_assert_uint_eq(run.first.id, rx.id);
	ck_assert_uint_eq(run.first.ref, rx.ref);
	ck_assert_uint_eq(run.first.pooled, rx.flags == VMSGIF_RXF_POOL);
	ck_assert_uint_eq(run.nr, nr);
}

static void hostile(uint32_t behind, const char *reason)
{
	ck_assert_int_eq(rx_request_parse(&rx, SLOTS, behind, &run, &why), VERDICT_HOSTILE);
	ck_assert_str_eq(why.reason, reason);
}

START_TEST(posted_pages)
{
	rx = (struct vmsgif_rx_request){ .id = SLOTS - 1, .flags = VMSGIF_RXF_POOL, .ref = 77 };
	posts(0, 1);
	rx.flags = 0;
	posts(0, 1);
	rx.ref = UINT32_MAX;
	posts(0, 1);
	rx.id = SLOTS;
	hostile(0, "id of a posted page is not below the number of slots");
	rx.id = 0;
	rx.flags = VMSGIF_RXF_INLINE;
	hostile(0, "unknown flags of a posted page");
	rx.flags = 0;
	for (unsigned int i = 0; i < sizeof(rx.reserved); i++) {
		rx.reserved[i] = 0x80;
		hostile(0, "reserved field of a posted page is not 0");
		rx.reserved[i] = 0;
	}
}
END_TEST

START_TEST(runs_of_pages)
{
	rx = (struct vmsgif_rx_request){ .flags = VMSGIF_RXF_POOL, .more = 1, .ref = 77 };
	posts(1, 2);
	/* Up to the last id, and no further. */
	rx.id = 10;
	rx.more = SLOTS - 11;
	posts(SLOTS, SLOTS - 10);
	rx.id++;
	hostile(SLOTS, "id of a posted page is not below the number of slots");
	rx.more = UINT8_MAX;
	hostile(SLOTS, "id of a posted page is not below the number of slots");
	rx.id = UINT16_MAX; /* the sum has more than 16 bits */
	rx.more = 1;
	hostile(SLOTS, "id of a posted page is not below the number of slots");
	/* To the last one that is published, and no further. */
	rx.id = 0;
	rx.more = 5;
	posts(5, 6);
	hostile(4, "run of posted pages goes beyond what is published");
	hostile(0, "run of posted pages goes beyond what is published");
	/* References do not begin anew. */
	rx.ref = UINT32_MAX - 5;
	posts(5, 6);
	rx.ref++;
	hostile(5, "run of posted pages goes beyond the last index");
	rx.ref = UINT32_MAX;
	hostile(5, "run of posted pages goes beyond the last index");
	/* Only of the pool. */
	rx.ref = 77;
	rx.flags = 0;
	hostile(5, "run of posted pages that are not of the pool");
	rx.flags = VMSGIF_RXF_POOL | VMSGIF_RXF_MAP;
	hostile(5, "unknown flags of a posted page");
	rx.flags = VMSGIF_RXF_POOL;
	rx.reserved[55] = 1;
	hostile(5, "reserved field of a posted page is not 0");
}
END_TEST

static uint32_t refs[VMSGIF_POOL_PAGES_MAX], scratch[VMSGIF_POOL_PAGES_MAX];

static enum verdict directory(unsigned int nr)
{
	return directory_check(refs, nr, scratch, &why);
}

START_TEST(directories)
{
	unsigned int nr = (unsigned int)_i;

	memset(refs, 0, sizeof(refs));
	/* Neither ascending nor descending. */
	for (unsigned int i = 0; i < nr; i++)
		refs[i] = (i * 2654435761u) | 1;
	ck_assert_int_eq(directory(nr), VERDICT_OK);
	for (unsigned int i = 1; i < nr; i++)
		ck_assert_uint_lt(scratch[i - 1], scratch[i]);
	if (nr < VMSGIF_POOL_PAGES_MAX) {
		refs[nr] = 1;
		ck_assert_int_eq(directory(nr), VERDICT_REFUSE);
		refs[nr] = 0;
	}
	if (nr > 1) {
		refs[nr - 1] = refs[nr / 2 - 1];
		ck_assert_int_eq(directory(nr), VERDICT_REFUSE);
		ck_assert_int_eq(why.status, VMSGIF_EINVAL);
	}
}
END_TEST

START_TEST(directory_bounds)
{
	memset(refs, 0, sizeof(refs));
	ck_assert_int_eq(directory(0), VERDICT_REFUSE);
	ck_assert_int_eq(directory(VMSGIF_POOL_PAGES_MAX + 1), VERDICT_REFUSE);
	/* The last one of the page counts too. */
	refs[VMSGIF_POOL_PAGES_MAX - 1] = 1;
	ck_assert_int_eq(directory(1), VERDICT_REFUSE);
}
END_TEST

static Suite *lists_suite(void)
{
	Suite *s = suite_create("backend-lists");
	TCase *t = tcase_create("lists");

	tcase_add_test(t, lists);
	tcase_add_test(t, lists_of_runs);
	tcase_add_test(t, names);
	tcase_add_test(t, posted_pages);
	tcase_add_test(t, runs_of_pages);
	tcase_add_loop_test(t, directories, 1, 20);
	tcase_add_loop_test(t, directories, 1020, 1025);
	tcase_add_test(t, directory_bounds);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(lists_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
