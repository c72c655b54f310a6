/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmsg_send(): forms, limits, completions. */
#include "tests/unit/core-bed.h"

#include <stdlib.h>
#include <string.h>

static struct cbed bed;
static uint8_t bytes[VMSGIF_MESSAGE_MAX];

static void setup(void)
{
	cbed_defaults(&bed);
	cbed_init(&bed);
	cbed_fill(bytes, sizeof(bytes), 1);
}

static void teardown(void)
{
	cbed_deinit(&bed);
}

START_TEST(inline_sizes)
{
	struct vmsg_port *port;

	cbed_up(&bed);
	port = cbed_port(&bed, 0);
	for (uint32_t len = 0; len <= VMSGIF_INLINE_MAX; len++) {
		struct vmsgif_tx_request req;
		uint8_t out[VMSGIF_INLINE_MAX];

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
	cbed_port_free(&bed, port);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-send");
	TCase *tc = tcase_create("send");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, inline_sizes);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
