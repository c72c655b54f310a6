/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages and events on the RX ring that only a faulty broker writes. Each
 * breaks the device, for its own reason and before anybody sees a part of it,
 * and no page is lost.
 */
#include "tests/unit/core-bed.h"

#include <ctype.h>
#include <string.h>

#define SIZE 16384u
#define LONG 8000u /* bytes of a message in two pages */

static struct cbed bed;
static struct vmsg_port *port;
static uint8_t bytes[SIZE];

/*
 * Each test runs four times: with few RX pages nothing is held, so all is
 * copied; and with a message before, the port's last flow is known, for which
 * the engine has a shorter way.
 */
enum { FEW_PAGES = 1, KNOWN_FLOW = 2, VARIANTS = 4 };

static uint64_t seq;

static void setup(void)
{
	cbed_fill(bytes, sizeof(bytes), 1);
	seq = 0;
}

static void start(int variant)
{
	cbed_defaults(&bed);
	if (variant & FEW_PAGES)
		bed.params.nr_rx_pages = 8;
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_bound_port(&bed, 9, SIZE);
}

static void teardown(void)
{
	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
}

/* The flow's next message, well-formed. */
static struct vmsgif_rx_response next(uint32_t len)
{
	return cbed_msg(9, ++seq, bytes, len);
}

/* The same, in two pages. */
static struct vmsgif_rx_response next_long(void)
{
	struct vmsgif_rx_response rsp = next(LONG);

	rsp.flags = 0;
	rsp.used = 4096;
	return rsp;
}

/* Forgets what happened, and, if that is wanted, has a message come in and go. */
static void prepare(int variant)
{
	if (variant & KNOWN_FLOW) {
		++seq;
		cbed_deliver(&bed, 9, seq, bytes, 10);
		cbed_expect_msg(&bed, port, seq, bytes, 10);
	}
	cbed_forget_events(&bed);
}

/* Nobody heard of what was published last, and it broke the device. */
static void expect_broken(const char *reason)
{
	uint64_t messages = cbed_stats(&bed).rx_messages;

	cbed_rx_publish(&bed);
	cbed_poll(&bed);
	cbed_no_event(&bed);
	ck_assert_uint_eq(cbed_stats(&bed).rx_messages, messages);
	ck_assert_ptr_null(cbed_recv(&bed, port, &(struct vmsg_info){ 0 }));
	cbed_expect_broken_once(&bed, reason, 0);
}

/* ------------------------------------------------------------------ inline */

static void whole_breaks(int variant, struct vmsgif_rx_response rsp, const char *reason)
{
	cbed_rx(&bed, rsp);
	expect_broken(reason);
	prepare(variant);
}

START_TEST(bad_inline)
{
	struct vmsgif_rx_response rsp;

	start(_i);
	prepare(_i);
	rsp = next(32);
	rsp.len = 33;
	whole_breaks(_i, rsp, "bad inline message");
	rsp = next(10);
	rsp.used = 1;
	whole_breaks(_i, rsp, "bad inline message");
	rsp = next(10);
	rsp.each = 1;
	whole_breaks(_i, rsp, "bad inline message");
}
END_TEST

START_TEST(bad_target)
{
	struct vmsgif_rx_response rsp;

	start(_i);
	prepare(_i);
	rsp = next(10);
	rsp.addr = 0;
	whole_breaks(_i, rsp, "message without an address or a number");
	rsp = next(10);
	rsp.seq = 0;
	whole_breaks(_i, rsp, "message without an address or a number");
	rsp = next(10);
	rsp.port = 10;
	whole_breaks(_i, rsp, "message to a port that is not bound");
	rsp = next(10);
	rsp.port = 0;
	whole_breaks(_i, rsp, "message to a port that is not bound");
	rsp = next(10);
	rsp.len = SIZE - 64 + 1;
	whole_breaks(_i, rsp, "message longer than its port takes");
	rsp = next(10);
	rsp.len = UINT32_MAX;
	whole_breaks(_i, rsp, "message longer than its port takes");
}
END_TEST

START_TEST(bad_flags)
{
	start(_i);
	prepare(_i);
	for (unsigned int flags = 1; flags < 256; flags++) {
		struct vmsgif_rx_response rsp = next(10);

		if (flags == VMSGIF_RXF_INLINE || flags == VMSGIF_RXF_MAP)
			continue;
		rsp.flags = (uint8_t)flags;
		rsp.used = 10;
		whole_breaks(_i, rsp, "bad page of a message");
	}
}
END_TEST

/* Messages that are neither received nor released: credit is used up to the byte. */
START_TEST(over_the_credit)
{
	struct vmsgif_rx_response rsp;

	start(_i);
	for (unsigned int i = 0; i < SIZE / 128 - 1; i++) {
		++seq;
		cbed_deliver(&bed, 9, seq, bytes, 1);
	}
	cbed_deliver(&bed, 9, ++seq, bytes, 0);
	ck_assert_ptr_null(vmsg_broken(bed.v));
	cbed_forget_events(&bed);
	rsp = next(1); /* needs 128 bytes, 64 are left */
	cbed_rx(&bed, rsp);
	cbed_rx_publish(&bed);
	cbed_poll(&bed);
	cbed_no_event(&bed);
	cbed_expect_broken_once(&bed, "message over the credit of its port", 0);
	/* What came before is there, and the next broker is told how much room there is. */
	for (uint64_t i = 1; i < SIZE / 128; i++)
		cbed_expect_msg(&bed, port, i, bytes, 1);
	cbed_expect_msg(&bed, port, SIZE / 128, bytes, 0);
	ck_assert_ptr_null(cbed_recv(&bed, port, &(struct vmsg_info){ 0 }));
}
END_TEST

START_TEST(exactly_the_credit)
{
	start(_i);
	for (unsigned int i = 0; i < SIZE / 64; i++) {
		++seq;
		cbed_deliver(&bed, 9, seq, bytes, 0);
	}
	ck_assert_ptr_null(vmsg_broken(bed.v));
	ck_assert_uint_eq(cbed_stats(&bed).rx_messages, SIZE / 64);
	for (uint64_t i = 1; i <= SIZE / 64; i++)
		cbed_expect_msg(&bed, port, i, bytes, 0);
	/* All of it is said to be free again. */
	cbed_publish(&bed);
	ck_assert_uint_gt(cbed_expect(&bed, VMSGIF_OP_CREDIT).credit, SIZE);
}
END_TEST

START_TEST(out_of_order)
{
	start(_i);
	prepare(_i);
	for (unsigned int i = 1; i < 4; i++) {
		struct vmsgif_rx_response rsp = next(10);

		rsp.id = (uint16_t)((bed.rx_prod & 63) ^ (i == 1 ? 1u : i << 6));
		cbed_rx_raw(&bed, &rsp);
		expect_broken("RX response out of order");
		prepare(_i);
	}
}
END_TEST

/* ------------------------------------------------------------------- pages */

START_TEST(bad_single_page)
{
	struct vmsgif_rx_response rsp;

	start(_i);
	prepare(_i);
	for (unsigned int i = 0; i < 5; i++) {
		rsp = next(1000);
		rsp.flags = i == 0;
		rsp.used = i == 1 ? 999 : i == 2 ? 1001 : i == 3 ? 0 : 1000;
		rsp.each = i == 4;
		whole_breaks(_i, rsp, i == 4 ? "bad batch" : "bad page of a message");
	}
	/* More than a page in one page, and said to be whole. */
	rsp = next(5000);
	rsp.flags = 0;
	rsp.used = 5000;
	cbed_rx(&bed, cbed_rx_event(VMSGIF_RX_BAD_PAGE, 0));
	cbed_rx(&bed, rsp);
	cbed_rx(&bed, cbed_rx_event(VMSGIF_RX_BAD_PAGE, 0));
	expect_broken("bad page of a message");
	prepare(_i);
	/* Nothing is inline, or else nothing. */
	rsp = next(0);
	rsp.flags = 0;
	whole_breaks(_i, rsp, "message cut");
	rsp.flags = 1;
	whole_breaks(_i, rsp, "message cut");
}
END_TEST

START_TEST(bad_long_one)
{
	start(_i);
	prepare(_i);
	for (unsigned int i = 0; i < 5; i++) {
		struct vmsgif_rx_response rsp = next_long();

		if (i == 0)
			rsp.flags = 1;
		else if (i == 1)
			rsp.used = 4095;
		else if (i == 2)
			rsp.used = 4097; /* more than a page has */
		else if (i == 3)
			rsp.used = LONG - 4096; /* what is in the last one */
		else
			rsp.each = 1;
		cbed_rx(&bed, rsp);
		cbed_rx_rest(&bed);
		expect_broken(rsp.each ? "bad batch" : "bad page of a message");
		prepare(_i);
	}
}
END_TEST

/* What is not published together with the first page does not belong to it. */
START_TEST(second_page_missing)
{
	start(_i);
	prepare(_i);
	cbed_rx(&bed, next_long());
	expect_broken("message cut");
}
END_TEST

/* Whatever the slot of the second page has, nobody looks at it. */
START_TEST(second_page_any_byte)
{
	start(_i);
	for (unsigned int i = 0; i < 256; i++) {
		struct vmsgif_rx_response rsp;

		memcpy(cbed_rx_page(&bed), bytes, 4096);
		cbed_rx(&bed, next_long());
		memcpy(cbed_rx_page(&bed), bytes + 4096, LONG - 4096);
		memset(&rsp, (int)i, sizeof(rsp));
		cbed_rx_raw(&bed, &rsp);
		cbed_rx(&bed, next(10));
		cbed_rx_publish(&bed);
		cbed_poll(&bed);
		ck_assert_ptr_null(vmsg_broken(bed.v));
		cbed_expect_msg(&bed, port, seq - 1, bytes, LONG);
		cbed_expect_msg(&bed, port, seq, bytes, 10);
		cbed_publish(&bed);
		cbed_answer_all(&bed, 0);
		cbed_expect_pages(&bed, 0);
		cbed_forget_events(&bed);
	}
}
END_TEST

/* ------------------------------------------------------------------ events */

static void event_breaks(struct vmsgif_rx_response rsp, const char *reason)
{
	cbed_rx(&bed, rsp);
	expect_broken(reason);
}

START_TEST(unknown_events)
{
	start(0);
	for (unsigned int type = 0; type < 256; type++)
		if (!type || type > VMSGIF_RX_BAD_PAGE)
			event_breaks(cbed_rx_event(type, CBED_PEER),
				     "RX response of an unknown kind");
}
END_TEST

START_TEST(bad_events)
{
	start(0);
	for (unsigned int type = VMSGIF_RX_PEER_UP; type <= VMSGIF_RX_BAD_PAGE; type++) {
		struct vmsgif_rx_response good = cbed_rx_event(type, CBED_PEER);
		struct vmsgif_rx_response rsp = good;
		bool named = type == VMSGIF_RX_PEER_UP || type == VMSGIF_RX_RESOLVED;

		rsp.each = 1;
		event_breaks(rsp, "bad RX response");
		if (type != VMSGIF_RX_BAD_PAGE)
			event_breaks(cbed_rx_event(type, 0), "bad RX response");
		if (named)
			continue;
		rsp = good;
		rsp.flags = VMSGIF_RXF_INLINE;
		event_breaks(rsp, "bad RX response");
		rsp = good;
		rsp.len = 1;
		event_breaks(rsp, "bad RX response");
		rsp = good;
		rsp.used = 1;
		event_breaks(rsp, "bad RX response");
	}
}
END_TEST

static const uint8_t named_types[] = { VMSGIF_RX_PEER_UP, VMSGIF_RX_RESOLVED };

START_TEST(bad_named_events)
{
	start(0);
	for (unsigned int i = 0; i < 2; i++) {
		struct vmsgif_rx_response good = cbed_rx_event(named_types[i], CBED_PEER);
		struct vmsgif_rx_response rsp;

		memset(good.u.data, 'a', VMSGIF_INLINE_MAX);
		rsp = good;
		rsp.flags = VMSGIF_RXF_INLINE;
		rsp.len = 33;
		event_breaks(rsp, "bad event with a name");
		rsp.len = 5;
		rsp.used = 5;
		event_breaks(rsp, "bad event with a name");
		rsp.used = 0;
		rsp.flags |= 1;
		event_breaks(rsp, "bad event with a name");
		rsp = good;
		rsp.flags = 1;
		event_breaks(rsp, "bad event with a name");
		/* In a page. */
		memset(cbed_rx_page(&bed), 'a', 4096);
		rsp.flags = 0;
		rsp.len = rsp.used = VMSGIF_NAME_MAX + 1;
		event_breaks(rsp, "bad event with a name");
		memset(cbed_rx_page(&bed), 'a', 4096);
		rsp.len = 5;
		rsp.used = 4;
		event_breaks(rsp, "bad event with a name");
		memset(cbed_rx_page(&bed), 'a', 4096);
		rsp.len = 5;
		rsp.used = 0;
		event_breaks(rsp, "bad event with a name");
	}
}
END_TEST

/* Every byte as a name of one byte, in the slot and in a page. */
START_TEST(bytes_of_names)
{
	start(0);
	for (int c = 0; c < 256; c++) {
		bool good = c < 128 && (isalnum(c) || c == '.' || c == '_' || c == '-');
		struct vmsgif_rx_response rsp = cbed_rx_event(named_types[c & 1], CBED_PEER);

		rsp.len = 1;
		if (c & 2) {
			rsp.flags = VMSGIF_RXF_INLINE;
			rsp.u.data[0] = (uint8_t)c;
		} else {
			rsp.used = 1;
			*(uint8_t *)cbed_rx_page(&bed) = (uint8_t)c;
		}
		cbed_rx(&bed, rsp);
		if (good) {
			struct cbed_event event;

			cbed_rx_publish(&bed);
			cbed_poll(&bed);
			event = cbed_expect_event(&bed, c & 1 ? CBED_RESOLVED : CBED_PEER_UP);
			ck_assert_uint_eq(event.addr, CBED_PEER);
			ck_assert_uint_eq(event.len, 1);
			ck_assert_int_eq(event.name[0], c);
			cbed_expect_pages(&bed, 0);
		} else {
			expect_broken("event with a name that is none");
		}
	}
}
END_TEST

START_TEST(lengths_of_names)
{
	start(0);
	for (unsigned int len = 0; len <= VMSGIF_NAME_MAX; len++) {
		struct vmsgif_rx_response rsp = cbed_rx_event(VMSGIF_RX_RESOLVED, CBED_PEER);
		struct cbed_event event;

		rsp.len = len;
		rsp.used = (uint16_t)len;
		memset(cbed_rx_page(&bed), 'a', len);
		cbed_tell(&bed, rsp);
		event = cbed_expect_event(&bed, CBED_RESOLVED);
		ck_assert_uint_eq(event.len, len);
		ck_assert_uint_eq(strspn(event.name, "a"), len);
		cbed_no_event(&bed);
	}
	cbed_expect_pages(&bed, 0);
}
END_TEST

/* A page that comes back empty is posted again, whoever was to blame. */
START_TEST(bad_pages)
{
	start(0);
	for (uint32_t addr = 0; addr < 2; addr++)
		for (unsigned int i = 0; i < 100; i++)
			cbed_tell(&bed, cbed_rx_event(VMSGIF_RX_BAD_PAGE, addr));
	cbed_no_event(&bed);
	ck_assert_ptr_null(vmsg_broken(bed.v));
	ck_assert_uint_eq(cbed_stats(&bed).rx_bad_pages, 200);
	cbed_expect_pages(&bed, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-messages");
	TCase *tc = tcase_create("messages");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, bad_inline, 0, VARIANTS);
	tcase_add_loop_test(tc, bad_target, 0, VARIANTS);
	tcase_add_loop_test(tc, bad_flags, 0, VARIANTS);
	tcase_add_loop_test(tc, over_the_credit, 0, FEW_PAGES + 1);
	tcase_add_loop_test(tc, exactly_the_credit, 0, FEW_PAGES + 1);
	tcase_add_loop_test(tc, out_of_order, 0, VARIANTS);
	tcase_add_loop_test(tc, bad_single_page, 0, VARIANTS);
	tcase_add_loop_test(tc, bad_long_one, 0, VARIANTS);
	tcase_add_loop_test(tc, second_page_missing, 0, VARIANTS);
	tcase_add_loop_test(tc, second_page_any_byte, 0, FEW_PAGES + 1);
	tcase_add_test(tc, unknown_events);
	tcase_add_test(tc, bad_events);
	tcase_add_test(tc, bad_named_events);
	tcase_add_test(tc, bytes_of_names);
	tcase_add_test(tc, lengths_of_names);
	tcase_add_test(tc, bad_pages);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
