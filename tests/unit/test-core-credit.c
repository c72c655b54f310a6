/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Credit for a port: when it is said, and how much. */
#include "tests/unit/core-bed.h"

#define SIZE 4096u

static struct cbed bed;

static void teardown(void)
{
	cbed_deinit(&bed);
}

/* As the memory becomes free it is said, by the quarter, and one CREDIT at a time. */
START_TEST(credit)
{
	static uint8_t bytes[SIZE];
	struct vmsgif_tx_request req;
	struct vmsg_port *port;

	cbed_defaults(&bed);
	bed.features.max_message = 64; /* so there is slack */
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_bound_port(&bed, 9, SIZE);
	for (uint64_t seq = 1; seq <= 32; seq++)
		cbed_deliver(&bed, 9, seq, bytes, 64);
	cbed_expect_event(&bed, CBED_READABLE);
	for (uint64_t seq = 1; seq <= 7; seq++)
		cbed_expect_msg(&bed, port, seq, bytes, 64);
	cbed_publish(&bed);
	cbed_expect_none(&bed);
	cbed_expect_msg(&bed, port, 8, bytes, 64);
	cbed_publish(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_CREDIT);
	ck_assert_uint_eq(req.port, 9);
	ck_assert_uint_eq(req.credit, SIZE + 1024);
	/* While that is not answered the next one waits, and then says all. */
	for (uint64_t seq = 9; seq <= 30; seq++)
		cbed_expect_msg(&bed, port, seq, bytes, 64);
	cbed_publish(&bed);
	cbed_expect_none(&bed);
	cbed_answered(&bed, &req, 0);
	req = cbed_expect(&bed, VMSGIF_OP_CREDIT);
	ck_assert_uint_eq(req.credit, SIZE + 30 * 128);
	cbed_answered(&bed, &req, 0);
	cbed_expect_none(&bed);
	cbed_port_free(&bed, port);
}
END_TEST

/* With half of it left, and room for the largest message, the broker needs no word. */
START_TEST(plenty_of_credit)
{
	static uint8_t bytes[SIZE];
	const uint32_t max_len = _i ? 2500 : 64;
	const uint32_t plenty = _i ? VMSGIF_MSG_COST(2500) : SIZE / 2;
	struct vmsg_port *port;
	uint32_t came = 128, freed = 0;
	uint64_t seq = 0;

	cbed_defaults(&bed);
	bed.features.max_message = max_len;
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_bound_port(&bed, 9, SIZE);
	/* Each is released when the next one is there, so that not all is ever free. */
	cbed_deliver(&bed, 9, ++seq, bytes, 64);
	for (; SIZE - came - 128 >= plenty; came += 128) {
		cbed_deliver(&bed, 9, ++seq, bytes, 64);
		cbed_expect_msg(&bed, port, seq - 1, bytes, 64);
		freed += 128;
		cbed_publish(&bed);
		cbed_expect_none(&bed);
	}
	ck_assert_uint_ge(freed, SIZE / 4);
	/* What comes in now leaves it less, without anything being freed. */
	cbed_deliver(&bed, 9, ++seq, bytes, 64);
	cbed_publish(&bed);
	ck_assert_uint_eq(cbed_expect(&bed, VMSGIF_OP_CREDIT).credit, SIZE + freed);
	cbed_port_free(&bed, port);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-credit");
	TCase *tc = tcase_create("credit");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, credit);
	tcase_add_loop_test(tc, plenty_of_credit, 0, 2);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
