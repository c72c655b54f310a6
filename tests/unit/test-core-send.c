/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmsg_send(): forms, limits, and what is refused. */
#include "tests/unit/core-send.h"

#include <string.h>

static uint8_t out[VMSGIF_MESSAGE_MAX];

START_TEST(inline_sizes)
{
	for (uint32_t len = 0; len <= VMSGIF_INLINE_MAX; len++) {
		struct vmsgif_tx_request req;

		ck_assert_int_eq(cbed_send(&bed, port, bytes, len, len + 1), 0);
		ck_assert_uint_eq(vmsg_unanswered(port), 1);
		cbed_publish(&bed);
		req = cbed_expect(&bed, VMSGIF_OP_SEND);
		ck_assert_uint_eq(req.addr, CBED_PEER);
		ck_assert_uint_eq(req.port, CBED_PORT);
		ck_assert_uint_eq(req.src_port, 0);
		ck_assert_uint_eq(req.seq, 1000 + len);
		ck_assert_uint_eq(req.len, len);
		ck_assert_uint_eq(req.flags, VMSGIF_TXF_INLINE);
		cbed_payload(&bed, &req, out);
		ck_assert_mem_eq(out, bytes, len);
		cbed_answered(&bed, &req, 0);
		ck_assert_uint_eq(cbed_expect_event(&bed, CBED_SEND_DONE).cookie, len + 1);
		ck_assert_uint_eq(vmsg_unanswered(port), 0);
	}
	ck_assert_uint_eq(cbed_stats(&bed).tx_inline, 33);
	ck_assert_uint_eq(cbed_stats(&bed).tx_messages, 33);
	ck_assert_uint_eq(cbed_stats(&bed).tx_bytes, 32 * 33 / 2);
}
END_TEST

START_TEST(page_sizes)
{
	static const uint32_t lens[] = { 1, 33, 4095, 4096, 4097, 8192, 16384, 16385, 40000, 65536 };
	struct vmsgif_tx_request req;

	for (unsigned int i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		ck_assert_int_eq(cbed_send_pages(&bed, port, bytes, lens[i], 7), 0);
		cbed_publish(&bed);
		req = cbed_expect(&bed, VMSGIF_OP_SEND);
		ck_assert(req.flags & VMSGIF_TXF_POOL);
		ck_assert_uint_eq(req.flags & VMSGIF_TXF_INDIRECT, 0);
		cbed_payload(&bed, &req, out);
		ck_assert_mem_eq(out, bytes, lens[i]);
		cbed_answered(&bed, &req, i & 1 ? VMSGIF_ENOBUFS : 0);
		ck_assert_int_eq(cbed_expect_event(&bed, CBED_SEND_DONE).status,
				 i & 1 ? VMSGIF_ENOBUFS : 0);
	}
	ck_assert_uint_eq(cbed_stats(&bed).tx_pooled, 10);
	ck_assert_uint_eq(cbed_stats(&bed).tx_failed, 5);
	/* All but the page for names are there again. */
	ck_assert_int_eq(vmsg_tx_pages_get(bed.v, port, 31, (uint16_t[31]){ 0 }), 0);
}
END_TEST

START_TEST(without_pool)
{
	struct vmsgif_tx_request req;

	cbed_down(&bed);
	bed.features.max_pool_pages = 0;
	cbed_up(&bed);
	ck_assert_int_eq(cbed_send_pages(&bed, port, bytes, 5000, 1), 0);
	ck_assert_int_eq(cbed_send_pages(&bed, port, bytes, 30000, 2), 0);
	cbed_publish(&bed);
	for (unsigned int i = 0; i < 2; i++) {
		req = cbed_expect(&bed, VMSGIF_OP_SEND);
		ck_assert(!(req.flags & VMSGIF_TXF_POOL));
		cbed_payload(&bed, &req, out);
		ck_assert_mem_eq(out, bytes, req.len);
		cbed_answered(&bed, &req, 0);
	}
	ck_assert_uint_eq(cbed_stats(&bed).tx_granted, 2);
	ck_assert_uint_eq(cbed_stats(&bed).tx_pooled, 0);
}
END_TEST

START_TEST(bound_sender)
{
	struct vmsg_port *bound = cbed_bound_port(&bed, 9, 4096);
	struct vmsg_send send = {
		.addr = CBED_PEER,
		.port = CBED_PORT,
		.len = 3,
		.data = "abc",
		.lazy = true,
	};
	struct vmsgif_tx_request req;
	uint64_t seq;

	ck_assert_int_eq(vmsg_send(bed.v, bound, &send, &seq), 0);
	cbed_publish(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_SEND);
	ck_assert_uint_eq(req.src_port, 9);
	ck_assert_uint_eq(req.seq, seq);
	ck_assert_uint_eq(req.flags, VMSGIF_TXF_INLINE | VMSGIF_TXF_LAZY);
	cbed_answered(&bed, &req, 0);
	cbed_no_event(&bed); /* no cookie */
	cbed_port_free(&bed, bound);
}
END_TEST

static int send_with(void (*change)(struct vmsg_send *send))
{
	struct vmsg_send send = {
		.addr = CBED_PEER,
		.port = CBED_PORT,
		.len = 3,
		.data = "abc",
	};

	change(&send);
	return vmsg_send(bed.v, port, &send, NULL);
}

static void no_addr(struct vmsg_send *send)
{
	send->addr = 0;
}

static void no_port(struct vmsg_send *send)
{
	send->port = 0;
}

static void long_inline(struct vmsg_send *send)
{
	send->len = VMSGIF_INLINE_MAX + 1;
}

static void too_long(struct vmsg_send *send)
{
	send->len = 65537;
}

static void no_segments(struct vmsg_send *send)
{
	send->form = VMSG_PAGES;
}

static void too_long_pages(struct vmsg_send *send)
{
	send->form = VMSG_PAGES;
	send->nr_segs = 1;
	send->len = 65537;
}

static void map_id(struct vmsg_send *send)
{
	send->form = VMSG_MAP;
	send->map_id = VMSGIF_MAP_POOLS_MAX;
}

static void map_no_pool(struct vmsg_send *send)
{
	send->form = VMSG_MAP;
}

START_TEST(refused)
{
	/* At first, and with the flow's window found. */
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_int_eq(send_with(no_addr), -EINVAL);
		ck_assert_int_eq(send_with(no_port), -EINVAL);
		ck_assert_int_eq(send_with(long_inline), -EINVAL);
		ck_assert_int_eq(send_with(too_long), -EMSGSIZE);
		ck_assert_int_eq(send_with(too_long_pages), -EMSGSIZE);
		ck_assert_int_eq(send_with(no_segments), -EINVAL);
		ck_assert_int_eq(send_with(map_id), -EINVAL);
		ck_assert_int_eq(send_with(map_no_pool), -EINVAL);
		ck_assert_uint_eq(vmsg_unanswered(port), i);
		ck_assert_int_eq(cbed_send(&bed, port, "x", 1, 0), 0);
	}
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	ck_assert_uint_eq(vmsg_unanswered(port), 0);
	ck_assert_uint_eq(cbed_stats(&bed).tx_messages, 2);
}
END_TEST

START_TEST(small_max_message)
{
	struct vmsgif_tx_request req;

	cbed_down(&bed);
	bed.features.max_message = 10;
	cbed_up(&bed);
	ck_assert_int_eq(cbed_send(&bed, port, bytes, 11, 0), -EMSGSIZE);
	ck_assert_int_eq(cbed_send(&bed, port, bytes, 10, 0), 0);
	cbed_publish(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_SEND);
	ck_assert_uint_eq(req.len, 10);
}
END_TEST

/* A message of @nr segments in the pages given, each of @len bytes at @offset. */
static int send_segs(unsigned int nr, const uint16_t *pages, unsigned int offset, unsigned int len,
		     uint32_t sum, uint16_t list)
{
	struct vmsgif_segment segs[VMSGIF_INDIRECT_MAX + 1];
	struct vmsg_send send = {
		.addr = CBED_PEER,
		.port = CBED_PORT,
		.len = sum,
		.form = VMSG_PAGES,
		.segs = segs,
		.nr_segs = nr,
		.list_page = list,
	};

	for (unsigned int i = 0; i < nr; i++)
		segs[i] = (struct vmsgif_segment){ pages[i], (uint16_t)offset, (uint16_t)len };
	return vmsg_send(bed.v, port, &send, NULL);
}

START_TEST(bad_segments)
{
	uint16_t pages[VMSGIF_INDIRECT_MAX + 1];
	uint16_t twice[6];
	uint16_t list;

	ck_assert_int_eq(vmsg_tx_pages_get(bed.v, port, 12, pages), 0);
	list = pages[11];
	/* The slow way, then, the flow being known, the fast one. */
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_int_eq(send_segs(1, pages, 0, 0, 0, 0), -EINVAL);
		ck_assert_int_eq(send_segs(1, &pages[11], 1, 4096, 4096, 0), -EINVAL);
		ck_assert_int_eq(send_segs(1, pages, 4096, 1, 1, 0), -EINVAL);
		ck_assert_int_eq(send_segs(2, pages, 0, 10, 21, 0), -EINVAL);
		ck_assert_int_eq(send_segs(6, pages, 0, 10, 61, list), -EINVAL);
		/* pages that are free, none, named twice, or the list */
		ck_assert_int_eq(send_segs(1, (uint16_t[]){ 31 }, 0, 10, 10, 0), -EINVAL);
		ck_assert_int_eq(send_segs(1, (uint16_t[]){ 32 }, 0, 10, 10, 0), -EINVAL);
		ck_assert_int_eq(send_segs(2, (uint16_t[]){ pages[0], 30 }, 0, 10, 20, 0), -EINVAL);
		memcpy(twice, pages, sizeof(twice));
		twice[3] = twice[1];
		ck_assert_int_eq(send_segs(4, twice, 0, 10, 40, 0), -EINVAL);
		ck_assert_int_eq(send_segs(6, twice, 0, 10, 60, list), -EINVAL);
		ck_assert_int_eq(send_segs(6, pages, 0, 10, 60, pages[2]), -EINVAL);
		ck_assert_int_eq(send_segs(6, pages, 0, 10, 60, 31), -EINVAL);
		ck_assert_int_eq(send_segs(258, pages, 0, 1, 258, list), -EINVAL);
		/* All of them are still the caller's. */
		ck_assert_int_eq(send_segs(4, pages, 0, 10, 40, 0), 0);
		cbed_publish(&bed);
		cbed_answer_all(&bed, 0);
		ck_assert_int_eq(send_segs(4, pages, 0, 10, 40, 0), -EINVAL);
		ck_assert_int_eq(vmsg_tx_pages_get(bed.v, port, 4, pages), 0);
	}
	ck_assert_int_eq(send_segs(6, pages, 0, 10, 60, list), 0);
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	/* Nonsense is not given back, nor is anything twice. */
	vmsg_tx_pages_put(bed.v, port, 12, pages);
	vmsg_tx_pages_put(bed.v, port, 12, pages);
	vmsg_tx_pages_put(bed.v, port, 1, (uint16_t[]){ 32 });
	ck_assert_int_eq(vmsg_tx_pages_get(bed.v, port, 32, pages), -EMSGSIZE);
	ck_assert_int_eq(vmsg_tx_pages_get(bed.v, port, 31, pages), 0);
	vmsg_tx_pages_put(bed.v, port, 31, pages);
}
END_TEST

START_TEST(most_segments)
{
	static uint16_t pages[VMSGIF_INDIRECT_MAX + 1];
	struct vmsgif_tx_request req;

	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
	cbed_defaults(&bed);
	bed.params.nr_tx_pages = 300;
	bed.features.max_message = VMSGIF_MESSAGE_MAX;
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_port(&bed, 0);
	ck_assert_int_eq(vmsg_tx_pages_get(bed.v, port, 258, pages), 0);
	ck_assert_int_eq(send_segs(257, pages, 7, 4080, 257 * 4080, pages[257]), 0);
	cbed_publish(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_SEND);
	ck_assert_uint_eq(req.nr_segs, 257);
	cbed_payload(&bed, &req, out);
	cbed_answered(&bed, &req, 0);
	ck_assert_int_eq(vmsg_tx_pages_get(bed.v, port, 299, (uint16_t[299]){ 0 }), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-send");
	TCase *tc = tcase_create("send");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, inline_sizes);
	tcase_add_test(tc, page_sizes);
	tcase_add_test(tc, without_pool);
	tcase_add_test(tc, bound_sender);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, small_max_message);
	tcase_add_test(tc, bad_segments);
	tcase_add_test(tc, most_segments);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
