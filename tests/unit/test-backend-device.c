// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests, responses and events of a connected device, well-behaved and not.
 */
#include "tests/unit/backend-guest.h"

#include <check.h>
#include <stdlib.h>

static struct bed bed;
static struct guest alice, bob;
static struct device *dev;

static struct request req;
static const struct vmsgif_segment *segs;
static const char *name;

static void setup(void)
{
	bed_init(&bed);
	bed_start(&bed);
	guest_up(&alice, &bed, "alice");
	guest_up(&bob, &bed, "bob");
	dev = guest_dev(&alice);
	(void)guest_events(&alice);
}

/* The other one never notices anything. */
static void teardown(void)
{
	ck_assert(device_is_up(guest_dev(&bob)));
	guest_fini(&alice);
	guest_fini(&bob);
	bed_fini(&bed);
}

static int next(void)
{
	return device_next_request(dev, &req, &segs, &name);
}

static const struct vmsgif_tx_request ready = { .op = VMSGIF_OP_READY };

static struct vmsgif_tx_request send_to(uint16_t id)
{
	return (struct vmsgif_tx_request){
		.op = VMSGIF_OP_SEND,
		.flags = VMSGIF_TXF_INLINE,
		.id = id,
		.addr = 0x10002,
		.port = 7,
		.seq = 1,
		.len = 2,
		.u.data = "hi",
	};
}

/* It is closed, for that reason, and only once. */
static void expect_closed(const char *reason)
{
	const char *error;

	ck_assert_int_eq(next(), 0);
	ck_assert(!device_is_up(dev));
	ck_assert_str_eq(device_state_name(dev), "failed");
	ck_assert_str_eq(bed_calls(&bed), "");
	bed_run(&bed);
	ck_assert_str_eq(bed_calls(&bed), "down:1 ");
	ck_assert_str_eq(device_state_name(dev), "closing");
	ck_assert_int_eq(guest_backend_state(&alice), 5);
	error = guest_backend(&alice, "error");
	ck_assert_ptr_nonnull(error);
	ck_assert_msg(strstr(error, reason) != NULL, "%s, not %s", error, reason);
	ck_assert(bed_logged(&bed, " alice: device closed"));
	ck_assert(bed_logged(&bed, reason));
	ck_assert_ptr_null(guest_backend(&alice, "address"));
	ck_assert_uint_eq(sim_mapped_pages(alice.domid), 0);
}

static void expect_refused(uint16_t id, int status)
{
	struct vmsgif_tx_response rsp = { 0 };

	ck_assert_int_eq(next(), 0);
	ck_assert(device_is_up(dev));
	device_publish_tx(dev, false);
	ck_assert(guest_tx_rsp(&alice, &rsp));
	ck_assert_uint_eq(rsp.id, id);
	ck_assert_int_eq(rsp.status, status);
	ck_assert(!guest_tx_rsp(&alice, &rsp));
}

START_TEST(request_and_answer)
{
	struct vmsgif_tx_request slot = send_to(5);
	struct vmsgif_tx_response rsp = { 0 }, expected = {
		.op = VMSGIF_OP_SEND, .id = 5, .status = VMSGIF_EACCES, .addr = 1, .port = 2
	};

	ck_assert_int_eq(next(), 0);
	guest_tx(&alice, &slot);
	ck_assert_int_eq(next(), 1);
	ck_assert_int_eq(req.form, REQUEST_INLINE);
	ck_assert_uint_eq(req.id, 5);
	ck_assert_ptr_null(segs);
	ck_assert_ptr_null(name);
	ck_assert_int_eq(next(), 0);
	device_complete(dev, 5, req.op, VMSGIF_EACCES, 1, 2);
	ck_assert(!guest_tx_rsp(&alice, &rsp));
	device_publish_tx(dev, false);
	ck_assert(guest_tx_rsp(&alice, &rsp));
	ck_assert_mem_eq(&rsp, &expected, sizeof(rsp));
	/* The id is free again. */
	guest_tx(&alice, &slot);
	ck_assert_int_eq(next(), 1);
}
END_TEST

START_TEST(segments_in_the_slot_and_in_a_list)
{
	struct vmsgif_tx_request slot = send_to(0);
	struct vmsgif_segment *list;
	uint32_t ref;

	slot.flags = 0;
	slot.u.seg[0] = (struct vmsgif_segment){ 9, 1, 2 };
	slot.nr_segs = 1;
	guest_tx(&alice, &slot);
	ck_assert_int_eq(next(), 1);
	ck_assert_uint_eq(segs[0].ref, 9);

	list = guest_page(&alice, true, &ref);
	slot = send_to(1);
	slot.flags = VMSGIF_TXF_INDIRECT;
	slot.nr_segs = 257;
	slot.len = 0;
	for (uint16_t i = 0; i < 257; i++) {
		list[i] = (struct vmsgif_segment){ i, i, (uint16_t)(i + 1) };
		slot.len += i + 1u;
	}
	memset(&slot.u, 0, sizeof(slot.u));
	slot.u.indirect.ref = ref;
	guest_tx(&alice, &slot);
	ck_assert_int_eq(next(), 1);
	ck_assert_uint_eq(req.nr_segs, 257);
	/* It is a copy: the frontend cannot change it any more. */
	memset(list, 0xff, 4096);
	ck_assert_uint_eq(segs[256].ref, 256);
	ck_assert_uint_eq(segs[256].len, 257);
}
END_TEST

START_TEST(lists_from_the_pool)
{
	struct vmsgif_tx_request slot = send_to(0);
	struct vmsgif_pool pool = { .type = VMSGIF_POOL_TX, .nr_pages = 2 };
	struct vmsgif_segment *list;
	void *pages;

	pool.ref = guest_pool(&alice, 2, true, &pages, NULL);
	ck_assert_int_eq(device_pool_add(dev, &pool), 0);
	list = (struct vmsgif_segment *)((char *)pages + 4096);
	slot.flags = VMSGIF_TXF_INDIRECT | VMSGIF_TXF_POOL;
	slot.nr_segs = 5;
	slot.len = 5;
	memset(&slot.u, 0, sizeof(slot.u));
	slot.u.indirect.ref = 1;
	for (uint32_t i = 0; i < 5; i++)
		list[i] = (struct vmsgif_segment){ i, 0, 1 };
	guest_tx(&alice, &slot);
	ck_assert_int_eq(next(), 1);
	ck_assert(req.pooled);
	ck_assert_uint_eq(segs[4].ref, 4);
	slot.id = 1;
	slot.u.indirect.ref = 2;
	guest_tx(&alice, &slot);
	expect_refused(1, VMSGIF_EFAULT);
	ck_assert(bed_logged(&bed, "list of segments is beyond the pool"));
}
END_TEST

START_TEST(names_in_every_form)
{
	static const char text[] = "echo@bob.example";
	const uint16_t len = sizeof(text) - 1;
	struct vmsgif_tx_request slot = { .op = VMSGIF_OP_RESOLVE, .len = len };
	struct vmsgif_segment *list;
	uint32_t ref, list_ref;
	uint8_t *page = guest_page(&alice, true, &ref);

	slot.flags = VMSGIF_TXF_INLINE;
	memcpy(slot.u.data, text, len);
	guest_tx(&alice, &slot);
	ck_assert_int_eq(next(), 1);
	ck_assert_str_eq(name, text);

	slot.id = 1;
	slot.flags = 0;
	slot.nr_segs = 2;
	memset(&slot.u, 0, sizeof(slot.u));
	slot.u.seg[0] = (struct vmsgif_segment){ ref, 4092, 4 };
	slot.u.seg[1] = (struct vmsgif_segment){ ref, 3, (uint16_t)(len - 4) };
	memcpy(page + 4092, text, 4);
	memcpy(page + 3, text + 4, len - 4u);
	guest_tx(&alice, &slot);
	ck_assert_int_eq(next(), 1);
	ck_assert_str_eq(name, text);

	list = guest_page(&alice, true, &list_ref);
	slot.id = 2;
	slot.flags = VMSGIF_TXF_INDIRECT;
	slot.nr_segs = len;
	memset(&slot.u, 0, sizeof(slot.u));
	slot.u.indirect.ref = list_ref;
	memcpy(page, text, len);
	for (uint16_t i = 0; i < len; i++)
		list[i] = (struct vmsgif_segment){ ref, i, 1 };
	guest_tx(&alice, &slot);
	ck_assert_int_eq(next(), 1);
	ck_assert_str_eq(name, text);

	slot = (struct vmsgif_tx_request){ .op = VMSGIF_OP_RESOLVE, .id = 3, .addr = 9 };
	guest_tx(&alice, &slot);
	ck_assert_int_eq(next(), 1);
	ck_assert_ptr_null(name);
}
END_TEST

START_TEST(names_from_the_pool)
{
	struct vmsgif_pool pool = { .type = VMSGIF_POOL_TX, .nr_pages = 1 };
	struct vmsgif_tx_request slot = {
		.op = VMSGIF_OP_SUBSCRIBE,
		.flags = VMSGIF_TXF_POOL,
		.len = 3,
		.nr_segs = 1,
		.u.seg[0] = { 0, 100, 3 },
	};
	void *pages;

	pool.ref = guest_pool(&alice, 1, true, &pages, NULL);
	ck_assert_int_eq(device_pool_add(dev, &pool), 0);
	memcpy((char *)pages + 100, "bob", 3);
	guest_tx(&alice, &slot);
	ck_assert_int_eq(next(), 1);
	ck_assert_str_eq(name, "bob");
	slot.id = 1;
	slot.u.seg[0].ref = 1;
	guest_tx(&alice, &slot);
	expect_refused(1, VMSGIF_EFAULT);
}
END_TEST

static struct vmsgif_tx_request named(uint8_t op, const char *text)
{
	struct vmsgif_tx_request slot = {
		.op = op,
		.flags = VMSGIF_TXF_INLINE,
		.len = (uint32_t)strlen(text),
		.port = op == VMSGIF_OP_BIND ? 1 : 0,
	};

	memcpy(slot.u.data, text, slot.len);
	return slot;
}

START_TEST(names_that_are_none)
{
	struct vmsgif_tx_request slot = named(VMSGIF_OP_BIND, "echo@bob");

	guest_tx(&alice, &slot);
	expect_refused(0, VMSGIF_EINVAL);
	slot = named(VMSGIF_OP_SUBSCRIBE, "echo@bob");
	guest_tx(&alice, &slot);
	expect_refused(0, VMSGIF_EINVAL);
	slot = named(VMSGIF_OP_RESOLVE, "bo b");
	guest_tx(&alice, &slot);
	expect_refused(0, VMSGIF_EINVAL);
	slot = named(VMSGIF_OP_BIND, "echo");
	guest_tx(&alice, &slot);
	ck_assert_int_eq(next(), 1);
	ck_assert_str_eq(name, "echo");
}
END_TEST

START_TEST(references_that_are_none)
{
	struct vmsgif_tx_request slot = send_to(0);
	struct vmsgif_segment *list;
	uint32_t ref;

	slot.flags = VMSGIF_TXF_INDIRECT;
	slot.nr_segs = 5;
	slot.len = 5;
	memset(&slot.u, 0, sizeof(slot.u));
	slot.u.indirect.ref = 30000;
	guest_tx(&alice, &slot);
	expect_refused(0, VMSGIF_EFAULT);
	ck_assert(bed_logged(&bed, "domain=1 rule=\"list of segments cannot be read\""));

	slot = (struct vmsgif_tx_request){
		.op = VMSGIF_OP_RESOLVE, .len = 3, .nr_segs = 1, .u.seg[0] = { 30000, 0, 3 }
	};
	guest_tx(&alice, &slot);
	expect_refused(0, VMSGIF_EFAULT);
	/* The call for a name may fail, too. */
	(void)guest_page(&alice, true, &ref);
	slot.u.seg[0].ref = ref;
	sim_fail_nth(bed.process, SIM_CALL_COPY, 1, ENOMEM);
	guest_tx(&alice, &slot);
	expect_refused(0, VMSGIF_EFAULT);

	/* A list that does not keep the rules. */
	slot = send_to(0);
	list = guest_page(&alice, true, &ref);
	for (uint32_t i = 0; i < 5; i++)
		list[i] = (struct vmsgif_segment){ 1, 4096, 1 };
	slot.flags = VMSGIF_TXF_INDIRECT;
	slot.nr_segs = 5;
	slot.len = 5;
	memset(&slot.u, 0, sizeof(slot.u));
	slot.u.indirect.ref = ref;
	guest_tx(&alice, &slot);
	expect_refused(0, VMSGIF_EFAULT);
}
END_TEST

START_TEST(refused_ones_are_skipped)
{
	struct vmsgif_tx_request slot = send_to(0);

	slot.port = 0;
	for (uint16_t i = 0; i < 10; i++) {
		slot.id = i;
		guest_tx(&alice, &slot);
	}
	slot = send_to(10);
	slot.flags = 0;
	slot.len = VMSGIF_MESSAGE_MAX + 1;
	slot.nr_segs = 1;
	memset(&slot.u, 0, sizeof(slot.u));
	guest_tx(&alice, &slot);
	slot = send_to(11);
	guest_tx(&alice, &slot);
	ck_assert_int_eq(next(), 1);
	ck_assert_uint_eq(req.id, 11);
	device_publish_tx(dev, false);
	for (uint16_t i = 0; i <= 10; i++) {
		struct vmsgif_tx_response rsp = { 0 };

		ck_assert(guest_tx_rsp(&alice, &rsp));
		ck_assert_uint_eq(rsp.id, i);
		ck_assert_int_eq(rsp.status, i < 10 ? VMSGIF_EINVAL : VMSGIF_EMSGSIZE);
	}
}
END_TEST

START_TEST(unknown_kind)
{
	struct vmsgif_tx_request slot = { .op = VMSGIF_OP_MAX + 1 };

	guest_tx(&alice, &slot);
	expect_closed("unknown kind of request");
}
END_TEST

START_TEST(reserved_bits)
{
	struct vmsgif_tx_request slot = send_to(0);

	slot.flags = 0x80;
	guest_tx(&alice, &slot);
	expect_closed("unknown flags");
}
END_TEST

START_TEST(id_in_use)
{
	struct vmsgif_tx_request slot = send_to(200);

	guest_tx(&alice, &slot);
	guest_tx(&alice, &slot);
	ck_assert_int_eq(next(), 1);
	expect_closed("id 200 is in use");
}
END_TEST

START_TEST(tx_overrun)
{
	alice.tx->req_prod = 257;
	expect_closed("TX ring: request index out of range");
}
END_TEST

START_TEST(tx_overrun_when_arming)
{
	alice.tx->req_prod = UINT32_MAX;
	ck_assert(!device_arm(dev));
	expect_closed("TX ring: request index out of range");
}
END_TEST

START_TEST(rx_overrun)
{
	alice.rx->req_prod = 300;
	ck_assert_uint_eq(device_rx_posted(dev, 1), 0);
	expect_closed("RX ring: request index out of range");
}
END_TEST

START_TEST(rx_bad_slot)
{
	alice.rx->ring[0].req = (struct vmsgif_rx_request){ .id = 0, .flags = 1 };
	alice.rx->req_prod = 1;
	ck_assert_uint_eq(device_rx_posted(dev, 1), 0);
	expect_closed("unknown flags of a posted page");
}
END_TEST

START_TEST(rx_id_in_use)
{
	guest_rx(&alice, 3, 9, false);
	ck_assert_uint_eq(device_rx_posted(dev, 1), 1);
	guest_rx(&alice, 3, 9, false);
	ck_assert_uint_eq(device_rx_posted(dev, 2), 0);
	expect_closed("RX request: id 3 is in use");
	/* A frozen device gives nothing. */
	ck_assert_uint_eq(device_rx_take(dev).ref, 0);
}
END_TEST

/* The broker closes it for a rule of its own; and all calls do nothing from then on. */
START_TEST(broker_fails_it)
{
	struct vmsgif_tx_request slot = send_to(0);
	struct vmsgif_rx_response rsp = { .type = VMSGIF_RX_BAD_PAGE };

	guest_tx(&alice, &slot);
	guest_tx(&alice, &ready);
	guest_rx(&alice, 0, 9, false);
	ck_assert_int_eq(next(), 1);
	ck_assert_uint_eq(device_rx_posted(dev, 1), 1);
	device_fail(dev, "sequence %d", 4);
	device_fail(dev, "another reason");
	ck_assert_int_eq(next(), 0);
	ck_assert(!device_arm(dev));
	device_complete(dev, 0, VMSGIF_OP_SEND, 0, 0, 0);
	device_rx_respond(dev, &rsp);
	device_publish_tx(dev, false);
	device_publish_rx(dev, false);
	ck_assert(!device_notify(dev, true));
	ck_assert_uint_eq(device_rx_posted(dev, 1), 0);
	ck_assert_int_eq(device_pool_del(dev, VMSGIF_POOL_TX), VMSGIF_EINVAL);
	ck_assert_uint_eq(alice.tx->rsp_prod, 0);
	expect_closed("sequence 4");
	ck_assert(!bed_logged(&bed, "another reason"));
	ck_assert_uint_eq(guest_events(&alice), 0);
}
END_TEST

static Suite *device_suite(void)
{
	Suite *s = suite_create("backend-device");
	TCase *t = tcase_create("device");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, request_and_answer);
	tcase_add_test(t, segments_in_the_slot_and_in_a_list);
	tcase_add_test(t, lists_from_the_pool);
	tcase_add_test(t, names_in_every_form);
	tcase_add_test(t, names_from_the_pool);
	tcase_add_test(t, names_that_are_none);
	tcase_add_test(t, references_that_are_none);
	tcase_add_test(t, refused_ones_are_skipped);
	tcase_add_test(t, unknown_kind);
	tcase_add_test(t, reserved_bits);
	tcase_add_test(t, id_in_use);
	tcase_add_test(t, tx_overrun);
	tcase_add_test(t, tx_overrun_when_arming);
	tcase_add_test(t, rx_overrun);
	tcase_add_test(t, rx_bad_slot);
	tcase_add_test(t, rx_id_in_use);
	tcase_add_test(t, broker_fails_it);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(device_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
