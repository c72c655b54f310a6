/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Batches: several messages in one SEND, and in one that comes in. */
#include "tests/unit/core-bed.h"

#include <stdlib.h>
#include <string.h>

static struct cbed bed;
static struct vmsg_port *port;
static uint8_t bytes[VMSGIF_BATCH_BYTES + 8];
static uint8_t out[VMSGIF_BATCH_BYTES + 8];

static void setup(void)
{
	cbed_defaults(&bed);
	/* What is refused is so as a batch. */
	bed.features.max_message = 2 * VMSGIF_BATCH_BYTES;
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_port(&bed, 0);
	cbed_fill(bytes, sizeof(bytes), 1);
}

static void teardown(void)
{
	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
}

/* ------------------------------------------------------------------------- send */

static int send_batch(uint32_t len, uint16_t each, uint64_t *seq)
{
	struct vmsgif_segment segs[VMSGIF_BATCH_BYTES / 4096 + 1];
	uint16_t pages[VMSGIF_BATCH_BYTES / 4096 + 2];
	unsigned int nr = (len + 4095) / 4096;
	struct vmsg_send send = {
		.addr = CBED_PEER,
		.port = CBED_PORT,
		.len = len,
		.each = each,
		.form = VMSG_PAGES,
		.segs = segs,
		.nr_segs = nr,
		.cookie = 1,
	};
	int r;

	ck_assert_int_eq(vmsg_tx_pages_get(bed.v, port, nr + (nr > 4), pages), 0);
	send.list_page = pages[nr];
	for (unsigned int i = 0; i < nr; i++) {
		segs[i] = (struct vmsgif_segment){
			.ref = pages[i],
			.len = (uint16_t)(len - i * 4096 < 4096 ? len - i * 4096 : 4096),
		};
		memcpy(bed.params.tx_pages[pages[i]], bytes + (size_t)i * 4096, segs[i].len);
	}
	r = vmsg_send(bed.v, port, &send, seq);
	if (r)
		vmsg_tx_pages_put(bed.v, port, nr + (nr > 4), pages);
	return r;
}

/* Numbers are counted by messages, and so is what is counted. By the short way as well. */
START_TEST(numbers)
{
	uint64_t seq;

	for (unsigned int i = 0; i < 3; i++) {
		struct vmsgif_tx_request req;

		ck_assert_int_eq(send_batch(6400, 64, &seq), 0);
		ck_assert_uint_eq(seq, 1000 + 101 * i + 99);
		ck_assert_int_eq(cbed_send(&bed, port, bytes, 5, 2), 0);
		cbed_publish(&bed);
		req = cbed_expect(&bed, VMSGIF_OP_SEND);
		ck_assert_uint_eq(req.each, 64);
		ck_assert_uint_eq(req.seq, seq);
		ck_assert_uint_eq(req.len, 6400);
		cbed_payload(&bed, &req, out);
		ck_assert_mem_eq(out, bytes, 6400);
		cbed_answered(&bed, &req, 0);
		(void)cbed_expect_event(&bed, CBED_SEND_DONE);
		req = cbed_expect(&bed, VMSGIF_OP_SEND);
		ck_assert_uint_eq(req.each, 0);
		ck_assert_uint_eq(req.seq, seq + 1);
		cbed_answered(&bed, &req, 0);
		(void)cbed_expect_event(&bed, CBED_SEND_DONE);
	}
	ck_assert_uint_eq(cbed_stats(&bed).tx_pooled, 300);
	ck_assert_uint_eq(cbed_stats(&bed).tx_messages, 303);
}
END_TEST

START_TEST(refused)
{
	static const struct {
		uint32_t len;
		uint16_t each;
	} bad[] = {
		{ 64, 64 },
		{ 64, 72 },
		{ 64, 12 },
		{ 257 * 8, 8 },
		{ 20480, 12 },
		{ 257 * 128, 128 },
		{ VMSGIF_BATCH_BYTES + 8, 4096 },
	};
	struct vmsg_send send = {
		.addr = CBED_PEER,
		.port = CBED_PORT,
		.len = 24,
		.each = 8,
		.data = bytes,
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(send_batch(bad[i].len, bad[i].each, NULL), -EINVAL);
	/* Inline there are none. */
	ck_assert_int_eq(vmsg_send(bed.v, port, &send, NULL), -EINVAL);
	/* The same, by the short way. */
	ck_assert_int_eq(cbed_send(&bed, port, bytes, 5, 2), 0);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(send_batch(bad[i].len, bad[i].each, NULL), -EINVAL);
	ck_assert_int_eq(vmsg_send(bed.v, port, &send, NULL), -EINVAL);
}
END_TEST

/* More pages than segments fit: the page for a list is the engine's as they are, and free again. */
START_TEST(many_pages)
{
	static const uint32_t lens[] = { 16384 + 8, 20480, VMSGIF_BATCH_BYTES - 8,
					 VMSGIF_BATCH_BYTES };
	unsigned int free = vmsg_tx_pages_free(bed.v);
	uint64_t seq, last = 999;

	for (unsigned int i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		unsigned int nr = (lens[i] + 4095) / 4096;
		struct vmsgif_tx_request req;

		ck_assert_int_eq(send_batch(lens[i], 256, &seq), 0);
		last += (lens[i] + 255) / 256;
		ck_assert_uint_eq(seq, last);
		ck_assert_uint_eq(vmsg_tx_pages_free(bed.v), free - nr - 1);
		cbed_publish(&bed);
		req = cbed_expect(&bed, VMSGIF_OP_SEND);
		ck_assert_uint_eq(req.flags, VMSGIF_TXF_POOL);
		ck_assert_uint_eq(req.nr_segs, (lens[i] + VMSGIF_SEG_MAX - 1) / VMSGIF_SEG_MAX);
		ck_assert_uint_eq(req.each, 256);
		ck_assert_uint_eq(req.seq, seq);
		cbed_payload(&bed, &req, out);
		ck_assert_mem_eq(out, bytes, lens[i]);
		cbed_answered(&bed, &req, 0);
		(void)cbed_expect_event(&bed, CBED_SEND_DONE);
		ck_assert_uint_eq(vmsg_tx_pages_free(bed.v), free);
	}
	ck_assert_uint_eq(cbed_stats(&bed).tx_pooled, last - 999);
}
END_TEST

START_TEST(small_device)
{
	cbed_down(&bed);
	bed.features.max_message = 1000;
	cbed_up(&bed);
	ck_assert_uint_eq(vmsg_batch_bytes(bed.v), 1000);
	cbed_down(&bed);
	bed.features.max_message = VMSGIF_BATCH_BYTES + 1;
	cbed_up(&bed);
	ck_assert_uint_eq(vmsg_batch_bytes(bed.v), VMSGIF_BATCH_BYTES);
}
END_TEST

/* ---------------------------------------------------------------------- receive */

/* A batch to port 9. */
static void deliver(uint64_t seq, uint32_t len, uint16_t each)
{
	struct vmsgif_rx_response rsp = cbed_msg(9, seq, bytes, 0);

	rsp.flags = 0;
	rsp.len = len;
	rsp.used = (uint16_t)(len < 4096 ? len : 4096);
	rsp.each = each;
	for (uint32_t at = 0; at < len; at += 4096) {
		memcpy(cbed_rx_page(&bed), bytes + at, len - at < 4096 ? len - at : 4096);
		if (at == 0)
			cbed_rx(&bed, rsp);
		else
			cbed_rx_rest(&bed);
	}
	cbed_rx_publish(&bed);
	cbed_poll(&bed);
}

/* Held in its pages, or copied out; what it is made of is told. */
START_TEST(received)
{
	static const uint32_t lens[] = { 512, 600, 4096, 5000, 16384, 20480, VMSGIF_BATCH_BYTES };
	struct vmsg_port *bound = cbed_bound_port(&bed, 9, 4 * VMSGIF_BATCH_BYTES);
	uint64_t messages = 0;

	for (unsigned int i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct vmsg_info info;
		struct vmsg_msg *msg;

		deliver(1000 * (i + 1), lens[i], 256);
		messages += (lens[i] + 255) / 256;
		ck_assert_uint_eq(cbed_stats(&bed).rx_messages, messages);
		msg = vmsg_recv(bed.v, bound, &info);
		ck_assert_ptr_nonnull(msg);
		ck_assert_uint_eq(info.each, 256);
		ck_assert_uint_eq(info.len, lens[i]);
		ck_assert_uint_eq(info.seq, 1000 * (i + 1));
		(void)cbed_gather(&bed, bound, msg, out);
		ck_assert_mem_eq(out, bytes, lens[i]);
		vmsg_release(bed.v, bound, msg);
		/* And what is none says so. */
		cbed_deliver(&bed, 9, 1000 * (i + 1) + 1, bytes, lens[i]);
		messages++;
		msg = vmsg_recv(bed.v, bound, &info);
		ck_assert_uint_eq(info.each, 0);
		vmsg_release(bed.v, bound, msg);
	}
	cbed_port_free(&bed, bound);
}
END_TEST

/* Beyond what may be held they are copied out. */
START_TEST(many_held)
{
	struct vmsg_port *bound = cbed_bound_port(&bed, 9, 4 * VMSGIF_BATCH_BYTES);
	struct vmsg_msg *msgs[50];
	uint64_t messages = 0;

	for (unsigned int i = 0; i < 50; i++) {
		struct vmsg_info info;

		deliver(100 * (i + 1), 2048 + 8 * i, 64);
		messages += 32 + (i + 7) / 8;
		msgs[i] = vmsg_recv(bed.v, bound, &info);
		ck_assert_ptr_nonnull(msgs[i]);
		ck_assert_uint_eq(info.each, 64);
		ck_assert_uint_eq(info.len, 2048 + 8 * i);
	}
	ck_assert_uint_eq(cbed_stats(&bed).rx_messages, messages);
	ck_assert_uint_gt(cbed_stats(&bed).rx_copied_out, 10);
	for (unsigned int i = 0; i < 50; i++) {
		(void)cbed_gather(&bed, bound, msgs[i], out);
		ck_assert_mem_eq(out, bytes, 2048 + 8 * i);
		vmsg_release(bed.v, bound, msgs[i]);
	}
	cbed_port_free(&bed, bound);
}
END_TEST

START_TEST(bad_ones)
{
	static const struct {
		uint32_t len;
		uint16_t each;
	} bad[] = {
		{ 64, 64 },
		{ 4096, 12 },
		{ 8192, 8 },
		{ 257 * 128, 128 },
		{ VMSGIF_BATCH_BYTES + 8, 4096 },
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vmsg_port *bound = cbed_bound_port(&bed, 9, 2 * VMSGIF_BATCH_BYTES);

		/* Behind another one, where it is less looked at. */
		deliver(1, 512, 256);
		deliver(2, bad[i].len, bad[i].each);
		ck_assert_ptr_nonnull(vmsg_broken(bed.v));
		ck_assert_str_eq(vmsg_broken(bed.v), "bad batch");
		cbed_port_free(&bed, bound);
		cbed_port_free(&bed, port);
		cbed_deinit(&bed);
		setup();
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-batch");
	TCase *tc = tcase_create("batch");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, numbers);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, many_pages);
	tcase_add_test(tc, small_device);
	tcase_add_test(tc, received);
	tcase_add_test(tc, many_held);
	tcase_add_test(tc, bad_ones);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
