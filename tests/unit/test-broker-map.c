// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Map-mode messages: held until they are released, and what becomes of them
 * when somebody lets go of a pool, unbinds or dies.
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

/* Pool @id of alice for port 7 of bob, mapped. */
static void share(uint16_t id)
{
	uint16_t add = fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, id, bob, 7);

	fake_turns();
	fake_ack(bob, alice->addr, id, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, add), 0);
	fake_clear();
}

static uint64_t held(void)
{
	return pair_find(fake_peer(alice), fake_peer(bob))->held;
}

START_TEST(released_message)
{
	uint16_t send, release;
	const struct vmsgif_rx_response *rx;

	share(3);
	send = fake_send_map(alice, bob, 7, 3, 4096, 5000);
	fake_turns();
	rx = fake_rx(bob, VMSGIF_RX_MESSAGE, 0);
	ck_assert_uint_eq(rx->flags, VMSGIF_RXF_MAP);
	ck_assert_uint_eq(rx->used, 0);
	ck_assert_uint_eq(rx->len, 5000);
	ck_assert_uint_eq(rx->u.map.id, 3);
	ck_assert_uint_eq(rx->u.map.offset, 4096);
	ck_assert_int_eq(fake_status(alice, send), FAKE_UNANSWERED);
	ck_assert_uint_eq(held(), 1);
	release = fake_release(bob, alice->addr, 7, 1);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, send), 0);
	ck_assert_int_eq(fake_status(bob, release), 0);
	/* The sender's completion first. */
	ck_assert_int_lt(fake_tx_at(alice, send, 0), fake_tx_at(bob, release, 0));
	ck_assert_uint_eq(held(), 0);
	/* Once more does no harm. */
	release = fake_release(bob, alice->addr, 7, 1);
	fake_turns();
	ck_assert_int_eq(fake_status(bob, release), 0);
	ck_assert_uint_eq(fake_peer(alice)->count.sent.messages[WAY_MAP], 1);
}
END_TEST

/* One SEND, one response, and as many numbers, bytes and descriptors' credit as messages. */
START_TEST(run_of_messages)
{
	const struct vmsgif_rx_response *rx;
	uint64_t used;
	uint16_t send;

	share(3);
	used = port_find(fake_peer(bob), 7)->used;
	send = fake_send_run(alice, bob, 7, 3, 4096, 5000, 7);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_MESSAGE), 1);
	rx = fake_rx(bob, VMSGIF_RX_MESSAGE, 0);
	ck_assert_uint_eq(rx->seq, 7);
	ck_assert_uint_eq(rx->len, 5000);
	ck_assert_uint_eq(rx->each, 0);
	ck_assert_uint_eq(rx->u.map.more, 6);
	ck_assert_uint_eq(rx->u.map.offset, 4096);
	ck_assert_uint_eq(held(), 1);
	ck_assert_uint_eq(port_find(fake_peer(bob), 7)->used - used, 7 * VMSGIF_MSG_COST(0));
	ck_assert_uint_eq(fake_peer(alice)->count.sent.messages[WAY_MAP], 7);
	ck_assert_uint_eq(fake_peer(alice)->count.sent.bytes[WAY_MAP], 7 * 5000);
	fake_release_all(bob, alice->addr, 7, 1, 7);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, send), 0);
}
END_TEST

/* It is answered when the last number of it is, in whatever order and however often they come. */
START_TEST(run_released_in_parts)
{
	uint16_t runs[2];

	share(3);
	runs[0] = fake_send_run(alice, bob, 7, 3, 0, 100, 8);
	runs[1] = fake_send_run(alice, bob, 7, 3, 8 * 4096, 100, 8);
	fake_turns();
	ck_assert_uint_eq(held(), 2);
	for (unsigned int i = 0; i < 3; i++)
		fake_release_all(bob, alice->addr, 7, 2, 7);
	fake_release(bob, alice->addr, 7, 1);
	/* The end of one and the begin of the other, but for one. */
	fake_release_all(bob, alice->addr, 7, 10, 15);
	fake_turns();
	ck_assert_uint_eq(held(), 2);
	fake_release_all(bob, alice->addr, 7, 8, 9);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, runs[0]), 0);
	ck_assert_int_eq(fake_status(alice, runs[1]), FAKE_UNANSWERED);
	/* Beyond what there is, too. */
	fake_release_all(bob, alice->addr, 7, 1, 1000);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, runs[1]), 0);
	ck_assert_uint_eq(held(), 0);
}
END_TEST

/* One that all bits are needed for, and several at once. */
START_TEST(longest_runs)
{
	uint16_t runs[2];

	share(3);
	/* The second one's messages are in the first one's pages: that is the sender's. */
	runs[0] = fake_send_run(alice, bob, 7, 3, 0, 1, 16);
	runs[1] = fake_send_run(alice, bob, 7, 3, 0, 1, 16);
	fake_turns();
	fake_release_all(bob, alice->addr, 7, 1, 32);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, runs[0]), 0);
	ck_assert_int_eq(fake_status(alice, runs[1]), 0);
	/* 17 pages. */
	runs[0] = fake_send_run(alice, bob, 7, 3, 0, 1, 17);
	/* The last byte is that of the pool, and one more. */
	runs[1] = fake_send_run(alice, bob, 7, 3, 4096, 4097, 8);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, runs[0]), VMSGIF_EFAULT);
	ck_assert_int_eq(fake_status(alice, runs[1]), VMSGIF_EFAULT);
}
END_TEST

/* A number that a run would take from an earlier message. */
START_TEST(numbers_of_runs_rise)
{
	uint16_t first, again;

	share(3);
	first = fake_send_run(alice, bob, 7, 3, 0, 1, 4);
	alice->seq -= 1;
	again = fake_send_run(alice, bob, 7, 3, 0, 1, 4);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, first), FAKE_UNANSWERED);
	ck_assert_int_eq(fake_status(alice, again), VMSGIF_EINVAL);
}
END_TEST

START_TEST(stray_releases)
{
	uint16_t send, ids[4];

	share(3);
	send = fake_send_map(alice, bob, 7, 3, 0, 1);
	fake_turns();
	ids[0] = fake_release(bob, 0x98765432, 7, 1);
	ids[1] = fake_release(bob, alice->addr, 8, 1);
	ids[2] = fake_release(bob, alice->addr, 7, 2);
	ids[3] = fake_release(alice, alice->addr, 7, 1);
	fake_turns();
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_int_eq(fake_status(bob, ids[i]), 0);
	ck_assert_int_eq(fake_status(alice, ids[3]), 0);
	ck_assert_int_eq(fake_status(alice, send), FAKE_UNANSWERED);
}
END_TEST

START_TEST(outside_of_the_pool)
{
	struct device *carol = fake_guest(3, "carol", 32);
	uint16_t ids[6];

	share(3);
	fake_bind(bob, 8, UINT64_MAX, NULL);
	fake_turns();
	ids[0] = fake_send_map(alice, bob, 7, 4, 0, 1);
	ids[1] = fake_send_map(alice, bob, 7, 64, 0, 1);
	ids[2] = fake_send_map(alice, bob, 7, 3, 16 * 4096 - 1, 2);
	ids[3] = fake_send_map(alice, bob, 7, 3, UINT32_MAX, 2);
	ids[4] = fake_send_map(alice, bob, 8, 3, 0, 1);
	ids[5] = fake_send_map(alice, carol, 7, 3, 0, 1);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, ids[1]), VMSGIF_EINVAL);
	ids[1] = ids[0];
	for (unsigned int i = 0; i < 6; i++)
		ck_assert_int_eq(fake_status(alice, ids[i]), VMSGIF_EFAULT);
}
END_TEST

/* Beyond max-maps they wait, and so does what is behind them in the flow. */
START_TEST(cap)
{
	uint16_t ids[66], copy;

	fake.broker->config->limits.max_maps = 2;
	share(3);
	for (unsigned int i = 0; i < 4; i++)
		ids[i] = fake_send_map(alice, bob, 7, 3, 0, 1);
	copy = fake_send(alice, bob, 7, "x");
	fake_turns();
	ck_assert_uint_eq(held(), 2);
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_MESSAGE), 2);
	fake_release(bob, alice->addr, 7, 2);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, ids[1]), 0);
	ck_assert_uint_eq(held(), 2);
	fake_release(bob, alice->addr, 7, 1);
	fake_release(bob, alice->addr, 7, 3);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, copy), 0);
	ck_assert_uint_eq(held(), 1);
}
END_TEST

/* Sent before the receiver has mapped the pool, as after a broker's restart. */
START_TEST(message_waits_for_pool)
{
	uint16_t add = fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 3, bob, 7);
	uint16_t send = fake_send_map(alice, bob, 7, 3, 0, 1);
	uint16_t other = fake_send_map(alice, bob, 7, 3, 0, 1), del;

	fake_turns();
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_MESSAGE), 0);
	fake_ack(bob, alice->addr, 3, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, add), 0);
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_MESSAGE), 2);
	/* In use. */
	del = fake_pool(alice, VMSGIF_OP_POOL_DEL, VMSGIF_POOL_MAP, 3, NULL, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, del), VMSGIF_EINVAL);
	/* The receiver lets go of the pool without releasing what was in it. */
	fake_ack(bob, alice->addr, 3, VMSGIF_EFAULT);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_POOL_GONE), 1);
	fake_release(bob, alice->addr, 7, 1);
	fake_release(bob, alice->addr, 7, 2);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, send), 0);
	ck_assert_int_eq(fake_status(alice, other), 0);
}
END_TEST

START_TEST(message_without_its_pool)
{
	uint16_t add = fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 3, bob, 7);
	uint16_t send = fake_send_map(alice, bob, 7, 3, 0, 1), copy = fake_send(alice, bob, 7, "x");

	fake_turns();
	fake_ack(bob, alice->addr, 3, VMSGIF_ENOBUFS);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, add), VMSGIF_ENOBUFS);
	ck_assert_int_eq(fake_status(alice, send), VMSGIF_EFAULT);
	ck_assert_int_lt(fake_tx_at(alice, send, 0), fake_rx_at(bob, VMSGIF_RX_MESSAGE, 0));
	ck_assert_int_eq(fake_status(alice, copy), 0);
}
END_TEST

/* UNBIND is answered after the last release, and after that is completed. */
START_TEST(unbind_waits_for_releases)
{
	uint16_t one, two, unbind, again, late;

	share(3);
	one = fake_send_map(alice, bob, 7, 3, 0, 1);
	two = fake_send_map(alice, bob, 7, 3, 0, 1);
	fake_turns();
	unbind = fake_port_op(bob, VMSGIF_OP_UNBIND, 7, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(bob, unbind), FAKE_UNANSWERED);
	again = fake_bind(bob, 7, 1000, NULL);
	late = fake_send(alice, bob, 7, "x");
	fake_release(bob, alice->addr, 7, 1);
	fake_turns();
	ck_assert_int_eq(fake_status(bob, again), VMSGIF_EADDRINUSE);
	ck_assert_int_eq(fake_status(alice, late), VMSGIF_ECONNREFUSED);
	ck_assert_int_eq(fake_status(alice, one), 0);
	ck_assert_int_eq(fake_status(bob, unbind), FAKE_UNANSWERED);
	fake_clear();
	fake_release(bob, alice->addr, 7, 2);
	fake_turns();
	ck_assert_int_eq(fake_status(bob, unbind), 0);
	ck_assert_int_lt(fake_tx_at(alice, two, 0), fake_tx_at(bob, unbind, 0));
	again = fake_bind(bob, 7, 1000, NULL);
	fake_turns();
	ck_assert_int_eq(fake_status(bob, again), 0);
}
END_TEST

START_TEST(receiver_dies_holding)
{
	uint16_t one, two;

	fake.broker->config->limits.max_maps = 1;
	share(3);
	one = fake_send_map(alice, bob, 7, 3, 0, 1);
	two = fake_send_map(alice, bob, 7, 3, 0, 1);
	fake_turns();
	fake_port_op(bob, VMSGIF_OP_UNBIND, 8, 0);
	fake_down(bob);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, one), VMSGIF_EHOSTDOWN);
	ck_assert_int_eq(fake_status(alice, two), VMSGIF_EHOSTDOWN);
	ck_assert_uint_eq(fake_peer(alice)->waiting, 0);
}
END_TEST

/* An UNBIND waits for nobody who is dead; with the receiver it dies too. */
START_TEST(sender_dies_while_held)
{
	uint16_t unbind;

	share(3);
	fake_send_map(alice, bob, 7, 3, 0, 1);
	fake_turns();
	unbind = fake_port_op(bob, VMSGIF_OP_UNBIND, 7, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(bob, unbind), FAKE_UNANSWERED);
	fake_down(alice);
	fake_turns();
	ck_assert_int_eq(fake_status(bob, unbind), 0);
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_PEER_DOWN), 1);
}
END_TEST

START_TEST(both_die_while_held)
{
	share(3);
	fake_send_map(alice, bob, 7, 3, 0, 1);
	fake_turns();
	fake_port_op(bob, VMSGIF_OP_UNBIND, 7, 0);
	fake_turns();
	fake_down(alice);
	fake_down(bob);
	fake_turns();
	ck_assert_uint_eq(fake.broker->route.nr_peers, 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("broker-map");
	TCase *t = tcase_create("map");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, released_message);
	tcase_add_test(t, run_of_messages);
	tcase_add_test(t, run_released_in_parts);
	tcase_add_test(t, longest_runs);
	tcase_add_test(t, numbers_of_runs_rise);
	tcase_add_test(t, stray_releases);
	tcase_add_test(t, outside_of_the_pool);
	tcase_add_test(t, cap);
	tcase_add_test(t, message_waits_for_pool);
	tcase_add_test(t, message_without_its_pool);
	tcase_add_test(t, unbind_waits_for_releases);
	tcase_add_test(t, receiver_dies_holding);
	tcase_add_test(t, sender_dies_while_held);
	tcase_add_test(t, both_die_while_held);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return fake_run(suite());
}
