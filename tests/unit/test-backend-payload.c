// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Validation of the payload's description in a slot, in all its forms.
 */
#include "tests/unit/backend-slots.h"

#include <stdlib.h>

START_TEST(flags_that_contradict)
{
	static const uint8_t bad[] = {
		VMSGIF_TXF_INLINE | VMSGIF_TXF_INDIRECT,
		VMSGIF_TXF_INLINE | VMSGIF_TXF_MAP,
		VMSGIF_TXF_INDIRECT | VMSGIF_TXF_MAP,
		VMSGIF_TXF_INLINE | VMSGIF_TXF_INDIRECT | VMSGIF_TXF_MAP,
		VMSGIF_TXF_INLINE | VMSGIF_TXF_POOL,
		VMSGIF_TXF_MAP | VMSGIF_TXF_POOL,
		VMSGIF_TXF_CANCEL,
	};

	for (unsigned int i = 0; i < sizeof(bad); i++) {
		slot = send_inline;
		slot.flags = bad[i];
		hostile();
	}
	/* Those of SEND alone. */
	slot = bind_service;
	slot.flags |= VMSGIF_TXF_LAZY;
	hostile();
	slot = bind_service;
	slot.flags = VMSGIF_TXF_MAP;
	hostile();
	slot = resolve_name;
	slot.flags |= VMSGIF_TXF_CANCEL;
	hostile();
}
END_TEST

START_TEST(inline_payload)
{
	slot = send_inline;
	slot.len = 0;
	memset(slot.u.data, 0, sizeof(slot.u.data));
	ok();
	ck_assert_int_eq(req.form, REQUEST_INLINE);
	slot.len = VMSGIF_INLINE_MAX;
	memset(slot.u.data, 0xff, sizeof(slot.u.data));
	ok();
	slot.len = VMSGIF_INLINE_MAX - 1;
	hostile();
	slot.len = VMSGIF_INLINE_MAX + 1;
	refused(VMSGIF_EINVAL);
	slot.nr_segs = 1;
	hostile();
}
END_TEST

START_TEST(segments)
{
	slot = send_segs;
	slot.nr_segs = 1;
	hostile(); /* the second is reserved then */
	slot = send_segs;
	slot.len--;
	refused(VMSGIF_EINVAL);
	slot = send_segs;
	slot.u.seg[1].len = 0;
	refused(VMSGIF_EINVAL);
	slot = send_segs;
	slot.u.seg[1].offset++;
	refused(VMSGIF_EFAULT);
	slot = send_segs;
	slot.u.seg[0].offset = UINT16_MAX;
	slot.u.seg[0].len = UINT16_MAX;
	refused(VMSGIF_EFAULT);
	slot = send_segs;
	slot.nr_segs = 5;
	refused(VMSGIF_EINVAL);
	slot.nr_segs = UINT16_MAX;
	refused(VMSGIF_EINVAL);
	slot = send_segs;
	slot.nr_segs = 0;
	hostile();
	memset(&slot.u, 0, sizeof(slot.u));
	refused(VMSGIF_EINVAL);
	slot.len = 0;
	refused(VMSGIF_EINVAL);
	slot = send_segs;
	slot.flags = VMSGIF_TXF_POOL;
	slot.u.seg[1].ref = VMSGIF_POOL_PAGES_MAX - 1;
	ok();
	slot.u.seg[1].ref = VMSGIF_POOL_PAGES_MAX;
	refused(VMSGIF_EFAULT);
	slot.flags = 0;
	ok();
}
END_TEST

/* One segment of the pool. */
static void one_run(uint32_t ref, uint16_t offset, uint16_t len)
{
	slot = send_segs;
	slot.flags = VMSGIF_TXF_POOL;
	slot.nr_segs = 1;
	slot.len = len;
	slot.u.seg[0] = (struct vmsgif_segment){ ref, offset, len };
	memset(&slot.u.seg[1], 0, sizeof(slot.u.seg[1]));
}

/* In the pool a segment goes on into the pages that follow, as far as there can be any. */
START_TEST(runs)
{
	const uint32_t pages = VMSGIF_POOL_PAGES_MAX;

	one_run(0, 0, VMSGIF_SEG_MAX);
	ok();
	one_run(0, 0, VMSGIF_SEG_MAX + 1);
	refused(VMSGIF_EFAULT);
	one_run(0, 0, UINT16_MAX);
	refused(VMSGIF_EFAULT);
	one_run(9, 4095, 2);
	ok();
	ck_assert_uint_eq(req.segs[0].offset, 4095);
	one_run(9, 4095, VMSGIF_SEG_MAX);
	ok();
	one_run(9, 4096, 1);
	refused(VMSGIF_EFAULT);
	one_run(9, UINT16_MAX, 1);
	refused(VMSGIF_EFAULT);
	one_run(9, UINT16_MAX, UINT16_MAX);
	refused(VMSGIF_EFAULT);
	one_run(9, 0, 0);
	refused(VMSGIF_EINVAL);
	/* The last page of the largest pool. */
	one_run(pages - 8, 0, VMSGIF_SEG_MAX);
	ok();
	one_run(pages - 8, 1, VMSGIF_SEG_MAX);
	refused(VMSGIF_EFAULT);
	one_run(pages - 7, 0, VMSGIF_SEG_MAX);
	refused(VMSGIF_EFAULT);
	one_run(pages - 1, 4095, 1);
	ok();
	one_run(pages - 1, 4095, 2);
	refused(VMSGIF_EFAULT);
	one_run(pages, 0, 1);
	refused(VMSGIF_EFAULT);
	/* Sums that would be small again. */
	one_run(UINT32_MAX, 4095, 2);
	refused(VMSGIF_EFAULT);
	one_run(UINT32_MAX, 0, VMSGIF_SEG_MAX);
	refused(VMSGIF_EFAULT);
	one_run(UINT32_MAX / 4096 + 1, 0, 1);
	refused(VMSGIF_EFAULT);
	one_run(1u << 20, 0, 4096);
	refused(VMSGIF_EFAULT);
	/* What is no index is in one page. */
	one_run(9, 4095, 2);
	slot.flags = 0;
	refused(VMSGIF_EFAULT);
	one_run(9, 0, 4097);
	slot.flags = 0;
	refused(VMSGIF_EFAULT);
	one_run(UINT32_MAX, 4095, 1);
	slot.flags = 0;
	ok();
}
END_TEST

/* As many as a slot has room for; the last one alone is wrong. */
START_TEST(runs_in_a_row)
{
	one_run(0, 0, VMSGIF_SEG_MAX);
	slot.nr_segs = VMSGIF_SEGS_MAX;
	for (uint32_t i = 0; i < VMSGIF_SEGS_MAX; i++)
		slot.u.seg[i] = (struct vmsgif_segment){ 100 * i, 4095, VMSGIF_SEG_MAX };
	slot.len = VMSGIF_SEGS_MAX * VMSGIF_SEG_MAX;
	ok();
	slot.len--;
	refused(VMSGIF_EINVAL);
	slot.len++;
	slot.u.seg[3].ref = VMSGIF_POOL_PAGES_MAX - 8;
	refused(VMSGIF_EFAULT);
	slot.u.seg[3].ref = 0;
	slot.u.seg[3].len++;
	slot.u.seg[2].len--;
	refused(VMSGIF_EFAULT);
	slot.u.seg[3].len--;
	slot.u.seg[3].offset = 4096;
	slot.u.seg[2].len++;
	refused(VMSGIF_EFAULT);
}
END_TEST

START_TEST(indirect_payload)
{
	slot = send_indirect;
	slot.nr_segs = 4;
	refused(VMSGIF_EINVAL);
	slot.nr_segs = 257;
	ok();
	slot.nr_segs = 258;
	refused(VMSGIF_EINVAL);
	slot = send_indirect;
	slot.u.seg[0].offset = 1;
	hostile();
	slot = send_indirect;
	slot.flags |= VMSGIF_TXF_POOL;
	slot.u.indirect.ref = VMSGIF_POOL_PAGES_MAX - 1;
	ok();
	ck_assert(req.pooled);
	slot.u.indirect.ref = VMSGIF_POOL_PAGES_MAX;
	refused(VMSGIF_EFAULT);
}
END_TEST

START_TEST(map_payload)
{
	slot = send_map;
	slot.len = 0;
	refused(VMSGIF_EINVAL);
	slot = send_map;
	slot.u.map.id = VMSGIF_MAP_POOLS_MAX;
	refused(VMSGIF_EINVAL);
	slot = send_map;
	slot.u.map.offset = VMSGIF_POOL_PAGES_MAX * VMSGIF_PAGE_SIZE - slot.len;
	ok();
	slot.u.map.offset++;
	refused(VMSGIF_EFAULT);
	slot.u.map.offset = UINT32_MAX;
	refused(VMSGIF_EFAULT);
	slot.u.map.more = VMSGIF_RUN_MESSAGES - 1;
	refused(VMSGIF_EFAULT);
	slot = send_map;
	slot.u.map.more = VMSGIF_RUN_MESSAGES - 1;
	ok();
	slot.u.map.more++;
	refused(VMSGIF_EINVAL);
	/* Each message begins at a page of its own. */
	slot = send_map;
	slot.len = 4097;
	slot.u.map.more = 9;
	slot.u.map.offset = VMSGIF_POOL_PAGES_MAX * VMSGIF_PAGE_SIZE - 9 * 8192 - 4097;
	ok();
	slot.u.map.offset++;
	refused(VMSGIF_EFAULT);
	slot = send_map;
	slot.each = 8;
	refused(VMSGIF_EINVAL);
	slot = send_map;
	slot.nr_segs = 1;
	hostile();
}
END_TEST

START_TEST(payload_names)
{
	slot = send_indirect;
	slot.op = VMSGIF_OP_SUBSCRIBE;
	slot.flags = VMSGIF_TXF_INDIRECT;
	slot.addr = slot.port = 0;
	slot.seq = 0;
	slot.len = VMSGIF_NAME_MAX;
	ok();
	slot.len++;
	refused(VMSGIF_EINVAL);
	slot = subscribe;
	slot.len = 0;
	memset(&slot.u, 0, sizeof(slot.u));
	refused(VMSGIF_EINVAL);
	slot = resolve_name;
	slot.addr = 1;
	refused(VMSGIF_EINVAL);
	slot = resolve_addr;
	slot.addr = 0;
	refused(VMSGIF_EINVAL);
	slot = resolve_addr;
	slot.flags = VMSGIF_TXF_INLINE;
	ok();
	ck_assert_int_eq(req.form, REQUEST_NONE);
	slot.flags = VMSGIF_TXF_POOL;
	refused(VMSGIF_EINVAL);
	slot = resolve_addr;
	slot.nr_segs = 1;
	refused(VMSGIF_EINVAL);
	/* A name without a payload's description. */
	slot = (struct vmsgif_tx_request){ .op = VMSGIF_OP_RESOLVE, .len = 3 };
	refused(VMSGIF_EINVAL);
}
END_TEST

static Suite *payload_suite(void)
{
	Suite *s = suite_create("backend-payload");
	TCase *t = tcase_create("payload");

	tcase_add_test(t, flags_that_contradict);
	tcase_add_test(t, inline_payload);
	tcase_add_test(t, segments);
	tcase_add_test(t, runs);
	tcase_add_test(t, runs_in_a_row);
	tcase_add_test(t, indirect_payload);
	tcase_add_test(t, map_payload);
	tcase_add_test(t, payload_names);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(payload_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
