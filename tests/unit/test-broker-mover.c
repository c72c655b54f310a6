// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From queue to ring: what is published when, in which order over all domains,
 * and what becomes of messages that cannot go.
 */
#include "tests/unit/fake-guests.h"

static struct device *alice, *bob;

static void setup(void)
{
	fake_init(FAKE_OPEN);
	alice = fake_guest(1, "alice", 32);
	bob = fake_guest(2, "bob", 32);
	fake_clear();
}

static void teardown(void)
{
	fake_fini();
}

START_TEST(inline_message_arrives)
{
	uint16_t id = fake_send(alice, bob, 7, "hello");
	const struct vmsgif_rx_response *rx;

	fake_turns();
	rx = fake_rx(bob, VMSGIF_RX_MESSAGE, 0);
	ck_assert_ptr_nonnull(rx);
	ck_assert_uint_eq(rx->addr, alice->addr);
	ck_assert_uint_eq(rx->src_port, 9);
	ck_assert_uint_eq(rx->port, 7);
	ck_assert_uint_eq(rx->seq, 1);
	ck_assert_uint_eq(rx->len, 5);
	ck_assert_uint_eq(rx->used, 0);
	ck_assert_uint_eq(rx->flags, VMSGIF_RXF_INLINE);
	ck_assert_mem_eq(rx->u.data, "hello", 6);
	ck_assert_int_eq(fake_status(alice, id), 0);
	/* Seen by the receiver before the sender hears of it. */
	ck_assert_int_lt(fake_rx_at(bob, VMSGIF_RX_MESSAGE, 0), fake_tx_at(alice, id, 0));
	ck_assert_uint_eq(fake_peer(alice)->count.sent.messages[WAY_INLINE], 1);
	ck_assert_uint_eq(fake_peer(bob)->count.received.bytes[WAY_INLINE], 5);
	ck_assert_uint_eq(fake_peer(alice)->waiting, 0);
}
END_TEST

START_TEST(empty_message_arrives)
{
	struct request *req = fake_send_req(alice, bob, 7);
	uint16_t id = req->id;

	req->form = REQUEST_NONE;
	fake_turns();
	ck_assert_uint_eq(fake_rx(bob, VMSGIF_RX_MESSAGE, 0)->flags, VMSGIF_RXF_INLINE);
	ck_assert_uint_eq(fake_rx(bob, VMSGIF_RX_MESSAGE, 0)->len, 0);
	ck_assert_int_eq(fake_status(alice, id), 0);
}
END_TEST

START_TEST(pages_arrive_in_a_row)
{
	uint16_t id = fake_send_pages(alice, bob, 7, 3, 2 * 4096 + 100);
	const struct vmsgif_rx_response *rx;

	fake_turns();
	/* One response for all of them. */
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_MESSAGE), 1);
	rx = fake_rx(bob, VMSGIF_RX_MESSAGE, 0);
	ck_assert_uint_eq(rx->flags, 0);
	ck_assert_uint_eq(rx->used, 4096);
	ck_assert_uint_eq(rx->len, 2 * 4096 + 100);
	ck_assert_uint_eq(rx->seq, 1);
	ck_assert_uint_eq(rx->id, 0);
	ck_assert_uint_eq(bob->answered, 3);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_uint_eq(bob->rx_page[i][99], 3 + i + 1);
	ck_assert_int_eq(fake_status(alice, id), 0);
	ck_assert_uint_eq(fake_peer(alice)->count.sent.bytes[WAY_COPY], 2 * 4096 + 100);
	ck_assert_uint_eq(fake.broker->total.messages[WAY_COPY], 1);
}
END_TEST

START_TEST(full_pages_fill_the_last)
{
	fake_send_pages(alice, bob, 7, 0, 2 * 4096);
	fake_send_pages(alice, bob, 7, 2, 4096);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_MESSAGE), 2);
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_uint_eq(fake_rx(bob, VMSGIF_RX_MESSAGE, i)->used, 4096);
		ck_assert_uint_eq(fake_rx(bob, VMSGIF_RX_MESSAGE, i)->flags, 0);
		ck_assert_uint_eq(fake_rx(bob, VMSGIF_RX_MESSAGE, i)->id, 2 * i);
	}
}
END_TEST

/* The list of an indirect message is kept by the broker, and given back. */
START_TEST(indirect_message)
{
	uint16_t id;

	for (unsigned int i = 0; i < 3; i++) {
		id = fake_send_pages(alice, bob, 7, 10, 9 * 4096);
		fake_turns();
		ck_assert_int_eq(fake_status(alice, id), 0);
		ck_assert_uint_eq(fake.broker->nr_spare_lists, 1);
		fake_post(bob, 9);
	}
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_MESSAGE), 3);
	ck_assert_uint_eq(bob->answered, 27);
}
END_TEST

/* Whether a copy is a memcpy is known by both ends being in pools. */
START_TEST(pooled_is_counted)
{
	struct request *req;

	alice->pools[VMSGIF_POOL_TX] = 16;
	bob->posted_first = bob->answered = bob->posted_end;
	bob->pooled_rx = true;
	fake_post(bob, 8);
	fake_send_pages(alice, bob, 7, 0, 100);
	req = &alice->in[(alice->in_end - 1) % FAKE_SLOTS].req;
	req->pooled = true;
	fake_turns();
	ck_assert_uint_eq(fake_peer(alice)->count.sent.messages[WAY_POOLED], 1);
	ck_assert_uint_eq(fake_peer(alice)->pooled, 0);
}
END_TEST

/* A failure is seen before anything later of the flow, and the pages come back. */
START_TEST(bad_copy_fails_first)
{
	uint16_t first, bad, last;

	alice->bad_tx[50] = true;
	first = fake_send_pages(alice, bob, 7, 1, 100);
	bad = fake_send_pages(alice, bob, 7, 49, 2 * 4096);
	last = fake_send_pages(alice, bob, 7, 2, 100);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, first), 0);
	ck_assert_int_eq(fake_status(alice, bad), VMSGIF_EFAULT);
	ck_assert_int_eq(fake_status(alice, last), 0);
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_BAD_PAGE), 2);
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_MESSAGE), 2);
	ck_assert_int_lt(fake_tx_at(alice, bad, 0), fake_rx_at(bob, VMSGIF_RX_MESSAGE, 0));
	ck_assert_int_lt(fake_rx_at(bob, VMSGIF_RX_MESSAGE, 1), fake_tx_at(alice, first, 0));
	ck_assert_uint_eq(fake_peer(alice)->count.failed, 1);
	/* It did not use up credit. */
	ck_assert_uint_eq(port_find(fake_peer(bob), 7)->used, 2 * VMSGIF_MSG_COST(100));
	ck_assert_uint_eq(fake_rx(bob, VMSGIF_RX_MESSAGE, 1)->seq, 3);
}
END_TEST

START_TEST(bad_pool_index_fails)
{
	uint16_t id = fake_send_pages(alice, bob, 7, 5, 100);

	alice->in[(alice->in_end - 1) % FAKE_SLOTS].req.pooled = true;
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), VMSGIF_EFAULT);
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_BAD_PAGE), 1);
	ck_assert_uint_eq(fake.runs, 0);
}
END_TEST

/* A batch that is full in the middle of a message is done, and the message is in the next. */
START_TEST(batch_without_room)
{
	uint16_t ids[10];

	fake.batch_room = 3;
	for (unsigned int i = 0; i < 10; i++)
		ids[i] = fake_send_pages(alice, bob, 7, 2 * i, 4096 + 1);
	fake_turns();
	for (unsigned int i = 0; i < 10; i++) {
		ck_assert_int_eq(fake_status(alice, ids[i]), 0);
		ck_assert_uint_eq(fake_rx(bob, VMSGIF_RX_MESSAGE, i)->seq, i + 1);
		ck_assert_uint_eq(bob->rx_page[2 * i + 1][0], 2 * i + 1 + 1);
	}
	ck_assert_uint_eq(fake.runs, 4);
}
END_TEST

START_TEST(message_too_large_for_any_batch)
{
	uint16_t id;

	fake.batch_room = 0;
	id = fake_send_pages(alice, bob, 7, 0, 100);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), VMSGIF_EFAULT);
}
END_TEST

/* Four pages stay for events. */
START_TEST(reserve_of_rx_pages)
{
	struct device *carol = fake_guest(3, "carol", 5);
	uint16_t one = fake_send(alice, carol, 7, "1"), two = fake_send(alice, carol, 7, "2");

	fake_turns();
	ck_assert_int_eq(fake_status(alice, one), 0);
	ck_assert_int_eq(fake_status(alice, two), FAKE_UNANSWERED);
	ck_assert_uint_eq(fake_peer(carol)->queue.messages, 1);
	/* Events may have them. */
	fake_name_op(carol, VMSGIF_OP_SUBSCRIBE, "bob");
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(carol, VMSGIF_RX_PEER_UP), 1);
	fake_post(carol, 1);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, two), FAKE_UNANSWERED);
	fake_post(carol, 1);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, two), 0);
}
END_TEST

START_TEST(no_pages_for_an_event)
{
	struct device *carol = fake_guest(3, "carol", 0);

	fake_name_op(carol, VMSGIF_OP_SUBSCRIBE, "bob");
	fake_turns();
	ck_assert_uint_eq(fake_peer(carol)->nr_events, 1);
	fake_post(carol, 1);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(carol, VMSGIF_RX_PEER_UP), 1);
	ck_assert_uint_eq(fake_peer(carol)->nr_events, 0);
}
END_TEST

/* One that needs every page of the ring may have the reserve. */
START_TEST(message_as_large_as_the_ring)
{
	uint16_t id;

	fake_post(bob, 256 - 32 - 1);
	id = fake_send_pages(alice, bob, 7, 0, 1u << 20);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), FAKE_UNANSWERED);
	fake_post(bob, 1);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), 0);
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_MESSAGE), 1);
	ck_assert_uint_eq(bob->answered, 256);
}
END_TEST

START_TEST(message_larger_than_the_ring)
{
	struct device *small = fake_device(3, "small");
	uint16_t id;

	small->slots = 64;
	fake_connect(small);
	fake_bind(small, 7, UINT64_MAX, NULL);
	fake_ready(small);
	fake_turns();
	id = fake_send_pages(alice, small, 7, 0, 65 * 4096);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), VMSGIF_EMSGSIZE);
}
END_TEST

/* Pages of many messages fill the batch before its items do. */
START_TEST(many_pages)
{
	uint16_t ids[8];

	bob->slots = 512;
	fake_down(bob);
	fake_connect(bob);
	fake_bind(bob, 7, UINT64_C(1) << 40, NULL);
	fake_ready(bob);
	fake_post(bob, 512);
	fake_turns();
	for (unsigned int i = 0; i < 8; i++)
		ids[i] = fake_send_pages(alice, bob, 7, 0, 1u << 20);
	for (unsigned int i = 0; i < 8; i++) {
		fake_turns();
		fake_post(bob, 256);
	}
	fake_turns();
	for (unsigned int i = 0; i < 8; i++)
		ck_assert_int_eq(fake_status(alice, ids[i]), 0);
}
END_TEST

/* Items of many receivers fill the batch, and it is flushed in between. */
START_TEST(many_receivers)
{
	struct device *dev[10];
	uint16_t ids[10][30];

	for (unsigned int d = 0; d < 10; d++)
		dev[d] = fake_guest((uint16_t)(10 + d), "some", 40);
	for (unsigned int d = 0; d < 10; d++)
		for (unsigned int i = 0; i < 30; i++)
			ids[d][i] = fake_send(d % 2 ? alice : bob, dev[d], 7, "x");
	fake_turns();
	for (unsigned int d = 0; d < 10; d++)
		for (unsigned int i = 0; i < 30; i++)
			ck_assert_int_eq(fake_status(d % 2 ? alice : bob, ids[d][i]), 0);
}
END_TEST

/* Events fill it too. */
START_TEST(many_events)
{
	struct device *dev[40];

	fake_post(bob, 256 - 32);
	for (unsigned int d = 0; d < 40; d++) {
		char name[8];

		snprintf(name, sizeof(name), "d%u", d);
		dev[d] = fake_guest((uint16_t)(10 + d), name, 260);
		for (unsigned int i = 0; i < 40; i++) {
			snprintf(name, sizeof(name), "d%u", i);
			fake_name_op(dev[d], VMSGIF_OP_SUBSCRIBE, name);
		}
	}
	fake_turns();
	for (unsigned int d = 0; d < 40; d++)
		ck_assert_uint_eq(fake_rx_count(dev[d], VMSGIF_RX_PEER_UP), 40);
}
END_TEST

/* A receiver that is closed in the middle: perhaps delivered. */
START_TEST(receiver_frozen)
{
	uint16_t id = fake_send(alice, bob, 7, "x");
	bool more = true;

	bob->frozen = true;
	while (more)
		more = turn_run(fake.broker);
	ck_assert_int_eq(fake_status(alice, id), FAKE_UNANSWERED);
	fake_down(bob);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), VMSGIF_EHOSTDOWN);
}
END_TEST

/* It is found in the ring, and no event has told of it. */
static void send_lazily(void)
{
	fake_send_req(alice, bob, 7)->lazy = true;
	fake_peer(alice)->pressed = false;
}

/* One event per domain and turn; lazy ones wait for their timer. */
START_TEST(notifications)
{
	unsigned int before;

	before = bob->notified;
	for (unsigned int i = 0; i < 10; i++)
		fake_send(alice, bob, 7, "x");
	fake_turns();
	ck_assert_uint_eq(bob->notified, before + 1);

	send_lazily();
	fake_turns();
	ck_assert_uint_eq(bob->notified, before + 1);
	ck_assert(fake.entries[fake_rx_at(bob, VMSGIF_RX_MESSAGE, 10)].lazy);
	while (bob->notified == before + 1)
		ck_assert_int_ge(sd_event_run(fake.event, 1000000), 0);
	ck_assert_uint_eq(bob->notified, before + 2);

	/* An urgent one takes the lazy one along. */
	send_lazily();
	fake_turns();
	fake_send(alice, bob, 7, "x");
	fake_turns();
	ck_assert_uint_eq(bob->notified, before + 3);
	ck_assert(list_empty(&fake.broker->lazy));
}
END_TEST

START_TEST(mixed_turn_is_urgent)
{
	send_lazily();
	fake_send(alice, bob, 7, "x");
	send_lazily();
	fake_turns();
	ck_assert(!fake.entries[fake_rx_at(bob, VMSGIF_RX_MESSAGE, 0)].lazy);
	ck_assert(list_empty(&fake.broker->lazy));
}
END_TEST

/* An event of the sender's says that its time is over, or that it waits. */
START_TEST(lazy_until_an_event)
{
	unsigned int before = bob->notified;

	fake_send_req(alice, bob, 7)->lazy = true;
	fake_turns();
	ck_assert(!fake.entries[fake_rx_at(bob, VMSGIF_RX_MESSAGE, 0)].lazy);
	ck_assert_uint_eq(bob->notified, before + 1);
	ck_assert(!fake_peer(alice)->pressed);
}
END_TEST

/* Who has messages that it was not told of, and no room for the next one, is told. */
START_TEST(starved_is_told)
{
	unsigned int before;

	while (device_rx_posted(bob, UINT32_MAX) > 1 + VMSGIF_RX_RESERVE) {
		fake_send(alice, bob, 7, "x");
		fake_turns();
	}
	before = bob->notified;
	send_lazily();
	fake_turns();
	ck_assert_uint_eq(bob->notified, before);
	ck_assert(!list_empty(&fake.broker->lazy));
	send_lazily();
	fake_turns();
	ck_assert_uint_eq(bob->notified, before + 1);
	ck_assert(list_empty(&fake.broker->lazy));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("broker-mover");
	TCase *t = tcase_create("mover");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, inline_message_arrives);
	tcase_add_test(t, empty_message_arrives);
	tcase_add_test(t, pages_arrive_in_a_row);
	tcase_add_test(t, full_pages_fill_the_last);
	tcase_add_test(t, indirect_message);
	tcase_add_test(t, pooled_is_counted);
	tcase_add_test(t, bad_copy_fails_first);
	tcase_add_test(t, bad_pool_index_fails);
	tcase_add_test(t, batch_without_room);
	tcase_add_test(t, message_too_large_for_any_batch);
	tcase_add_test(t, reserve_of_rx_pages);
	tcase_add_test(t, no_pages_for_an_event);
	tcase_add_test(t, message_as_large_as_the_ring);
	tcase_add_test(t, message_larger_than_the_ring);
	tcase_add_test(t, many_pages);
	tcase_add_test(t, many_receivers);
	tcase_add_test(t, many_events);
	tcase_add_test(t, receiver_frozen);
	tcase_add_test(t, notifications);
	tcase_add_test(t, mixed_turn_is_urgent);
	tcase_add_test(t, lazy_until_an_event);
	tcase_add_test(t, starved_is_told);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return fake_run(suite());
}
