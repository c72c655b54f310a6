/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages on their way in: inline, in pages held and copied out, the memory of
 * a port around its end, credit, repeats, and what a faulty broker can send.
 */
#include "tests/unit/core-bed.h"

#include <stdlib.h>
#include <string.h>

#define SIZE 16384u

static struct cbed bed;
static struct vmsg_port *port;
static uint8_t bytes[VMSGIF_MESSAGE_MAX];

static void setup(void)
{
	cbed_defaults(&bed);
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_bound_port(&bed, 9, SIZE);
	cbed_fill(bytes, sizeof(bytes), 1);
	cbed_forget_events(&bed);
}

static void teardown(void)
{
	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
}

START_TEST(every_form)
{
	static const uint32_t lens[] = { 0,   1,    31,	  32,	33,   255,  256,
					 257, 4095, 4096, 4097, 8191, 8192, 12000 };
	uint64_t seq = 0;

	for (unsigned int round = 0; round < 20; round++) {
		for (unsigned int i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
			cbed_deliver(&bed, 9, ++seq, bytes + i, lens[i]);
			ck_assert_ptr_eq(cbed_expect_event(&bed, CBED_READABLE).port, port);
			cbed_expect_msg(&bed, port, seq, bytes + i, lens[i]);
			ck_assert_ptr_null(cbed_recv(&bed, port, &(struct vmsg_info){ 0 }));
			cbed_publish(&bed);
			cbed_answer_all(&bed, 0);
			ck_assert_uint_eq(cbed_rx_posted(&bed), 64);
		}
	}
	ck_assert_uint_eq(cbed_stats(&bed).rx_messages, seq);
	ck_assert_uint_eq(cbed_stats(&bed).rx_copied_out, 20 * 3);
	ck_assert_ptr_null(vmsg_broken(bed.v));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-recv");
	TCase *tc = tcase_create("recv");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, every_form);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
