// SPDX-License-Identifier: GPL-2.0-or-later
/* vmsg_send.keep: pages that stay their sender's. */
#include "tests/unit/core-bed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SEGS 6

static struct cbed bed;
static struct vmsg_port *port;
static uint16_t pages[SEGS];

static void setup(void)
{
	cbed_defaults(&bed);
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_port(&bed, 0);
	ck_assert_int_eq(vmsg_tx_pages_get(bed.v, port, SEGS, pages), 0);
}

static void teardown(void)
{
	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
}

/* The first @nr pages, 10 bytes of each; with a list page of its own if there has to be one. */
static int send_kept(unsigned int nr)
{
	struct vmsgif_segment segs[SEGS];
	struct vmsg_send send = {
		.addr = CBED_PEER,
		.port = CBED_PORT,
		.len = nr * 10,
		.form = VMSG_PAGES,
		.keep = true,
		.cookie = 9,
		.segs = segs,
		.nr_segs = nr,
	};
	int r;

	for (unsigned int i = 0; i < nr; i++)
		segs[i] = (struct vmsgif_segment){ pages[i], 0, 10 };
	if (nr > VMSGIF_SEGS_MAX)
		ck_assert_int_eq(vmsg_tx_pages_get(bed.v, port, 1, &send.list_page), 0);
	r = vmsg_send(bed.v, port, &send, NULL);
	if (r && nr > VMSGIF_SEGS_MAX)
		vmsg_tx_pages_put(bed.v, port, 1, &send.list_page);
	return r;
}

/* With and without a list, the first message of a flow and a later one, done and failed. */
START_TEST(come_back)
{
	unsigned int nr = _i & 1 ? SEGS : 2, free = vmsg_tx_pages_free(bed.v);

	for (unsigned int round = 0; round < 3; round++) {
		ck_assert_int_eq(send_kept(nr), 0);
		ck_assert_uint_eq(vmsg_tx_pages_free(bed.v), free - (nr > VMSGIF_SEGS_MAX));
		/* Not twice at a time, whether published or not. */
		ck_assert_int_eq(send_kept(nr), -EINVAL);
		cbed_publish(&bed);
		ck_assert_int_eq(send_kept(1), -EINVAL);
		cbed_answer_all(&bed, 0);
		ck_assert_int_eq(cbed_expect_event(&bed, CBED_SEND_DONE).status, 0);
		/* The list is not kept. */
		ck_assert_uint_eq(vmsg_tx_pages_free(bed.v), free);
	}
	ck_assert_int_eq(send_kept(nr), 0);
	vmsg_shutdown(bed.v, -EHOSTDOWN);
	ck_assert_int_eq(cbed_expect_event(&bed, CBED_SEND_DONE).status, -EHOSTDOWN);
	ck_assert_uint_eq(vmsg_tx_pages_free(bed.v), free);
	/* They are the caller's to give back, once. */
	vmsg_tx_pages_put(bed.v, port, SEGS, pages);
	vmsg_tx_pages_put(bed.v, port, SEGS, pages);
	ck_assert_uint_eq(vmsg_tx_pages_free(bed.v), free + SEGS);
}
END_TEST

/* Under way while the broker restarts, who takes pools or does not. */
START_TEST(live_through_a_restart)
{
	unsigned int free = vmsg_tx_pages_free(bed.v);
	struct vmsgif_tx_request req;
	uint8_t out[SEGS * 10];

	for (unsigned int i = 0; i < SEGS; i++)
		memset(bed.tx_pages[pages[i]], 'a' + (int)i, 10);
	ck_assert_int_eq(send_kept(SEGS), 0);
	cbed_publish(&bed);
	cbed_down(&bed);
	bed.features.max_pool_pages = _i ? 0 : bed.features.max_pool_pages;
	cbed_connect(&bed);
	/* Whatever comes before it. */
	for (;;) {
		if (!cbed_next(&bed, &req)) {
			cbed_tx_publish(&bed);
			cbed_poll(&bed);
			continue;
		}
		if (req.op == VMSGIF_OP_SEND)
			break;
		cbed_answer(&bed, &req, 0);
	}
	cbed_payload(&bed, &req, out);
	for (unsigned int i = 0; i < sizeof(out); i++)
		ck_assert_uint_eq(out[i], 'a' + i / 10);
	cbed_answered(&bed, &req, 0);
	ck_assert_uint_eq(vmsg_tx_pages_free(bed.v), free);
	ck_assert_int_eq(send_kept(SEGS), 0);
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
}
END_TEST

/* Responses of both rings count. */
START_TEST(what_was_taken)
{
	struct vmsg_port *bound = cbed_bound_port(&bed, 9, 4096);
	uint32_t taken = vmsg_taken(bed.v);

	cbed_poll(&bed);
	ck_assert_uint_eq(vmsg_taken(bed.v), taken);
	ck_assert_int_eq(send_kept(1), 0);
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	ck_assert_uint_eq(vmsg_taken(bed.v), taken + 1);
	cbed_deliver(&bed, 9, 1, "abc", 3);
	cbed_poll(&bed);
	ck_assert_uint_eq(vmsg_taken(bed.v), taken + 2);
	ck_assert_uint_eq(vmsg_rx_pages_held(bed.v), 0);
	cbed_port_free(&bed, bound);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-keep");
	TCase *tcase = tcase_create("keep");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, come_back, 0, 2);
	tcase_add_loop_test(tcase, live_through_a_restart, 0, 2);
	tcase_add_test(tcase, what_was_taken);
	suite_add_tcase(suite, tcase);
	return cbed_run(suite);
}
