// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pools: MAP pools from owner to receiver and back, TX and RX pools within
 * their rate.
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

START_TEST(pool_add_and_del)
{
	uint16_t add = fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 3, bob, 7), del;
	const struct vmsgif_rx_response *rx;

	fake_turns();
	ck_assert_int_eq(fake_status(alice, add), FAKE_UNANSWERED);
	rx = fake_rx(bob, VMSGIF_RX_POOL_ADD, 0);
	ck_assert_uint_eq(rx->addr, alice->addr);
	ck_assert_uint_eq(rx->port, 7);
	ck_assert_uint_eq(rx->src_port, 9);
	ck_assert_uint_eq(rx->u.pool.ref, 77);
	ck_assert_uint_eq(rx->u.pool.id, 3);
	ck_assert_uint_eq(rx->u.pool.type, VMSGIF_POOL_MAP);
	ck_assert_uint_eq(rx->u.pool.nr_pages, 16);
	fake_ack(bob, alice->addr, 3, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, add), 0);

	del = fake_pool(alice, VMSGIF_OP_POOL_DEL, VMSGIF_POOL_MAP, 3, NULL, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, del), FAKE_UNANSWERED);
	rx = fake_rx(bob, VMSGIF_RX_POOL_DEL, 0);
	ck_assert_uint_eq(rx->addr, alice->addr);
	ck_assert_uint_eq(rx->u.pool.id, 3);
	fake_ack(bob, alice->addr, 3, VMSGIF_ECONNREFUSED);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, del), 0);
	ck_assert_ptr_null(fake_peer(alice)->pools[3]);
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_POOL_GONE), 0);
}
END_TEST

START_TEST(pool_refused_by_receiver)
{
	static const int told[] = { VMSGIF_ENOBUFS, VMSGIF_EFAULT, -4711, VMSGIF_EHOSTDOWN };
	static const int seen[] = { VMSGIF_ENOBUFS, VMSGIF_EFAULT, VMSGIF_EFAULT, VMSGIF_EFAULT };

	for (unsigned int i = 0; i < ARRAY_LEN(told); i++) {
		uint16_t add = fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 3, bob, 7);

		fake_turns();
		fake_ack(bob, alice->addr, 3, told[i]);
		fake_turns();
		ck_assert_int_eq(fake_status(alice, add), seen[i]);
		ck_assert_ptr_null(fake_peer(alice)->pools[3]);
	}
}
END_TEST

START_TEST(pool_mistakes)
{
	struct device nobody = { .addr = VMSGIF_ADDR(9, 9) };
	uint16_t id;

	id = fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 3, bob, 8);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), VMSGIF_ECONNREFUSED);
	id = fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 3, &nobody, 8);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), VMSGIF_EHOSTUNREACH);
	id = fake_pool(alice, VMSGIF_OP_POOL_DEL, VMSGIF_POOL_MAP, 3, NULL, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), VMSGIF_EINVAL);
	share(3);
	id = fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 3, bob, 7);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), VMSGIF_EADDRINUSE);
	/* Not before it is mapped, and not twice. */
	fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 4, bob, 7);
	id = fake_pool(alice, VMSGIF_OP_POOL_DEL, VMSGIF_POOL_MAP, 4, NULL, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), VMSGIF_EINVAL);
}
END_TEST

/* Answers about pools that are not, or not the receiver's, change nothing. */
START_TEST(stray_acks)
{
	struct device *carol = fake_guest(3, "carol", 32);
	uint16_t a, b, c;

	share(3);
	a = fake_ack(carol, alice->addr, 3, VMSGIF_EFAULT);
	b = fake_ack(bob, alice->addr, 5, 0);
	c = fake_ack(bob, 0x12345678, 3, 0);
	fake_ack(bob, alice->addr, 3, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(carol, a), 0);
	ck_assert_int_eq(fake_status(bob, b), 0);
	ck_assert_int_eq(fake_status(bob, c), 0);
	ck_assert_uint_eq(fake_peer(alice)->pools[3]->state, POOL_MAPPED);
	/* Before it was told of it, nobody can have mapped it. */
	bob->posted_first = bob->answered = bob->posted_end;
	a = fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 6, bob, 7);
	fake_ack(bob, alice->addr, 6, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, a), FAKE_UNANSWERED);
}
END_TEST

START_TEST(receiver_lets_go)
{
	uint16_t del;

	share(3);
	fake_ack(bob, alice->addr, 3, VMSGIF_ECONNREFUSED);
	fake_turns();
	ck_assert_uint_eq(fake_rx(alice, VMSGIF_RX_POOL_GONE, 0)->addr, bob->addr);
	ck_assert_uint_eq(fake_rx(alice, VMSGIF_RX_POOL_GONE, 0)->u.pool.id, 3);
	ck_assert_ptr_null(fake_peer(alice)->pools[3]);

	/* Before the owner hears of that, it deletes it. */
	share(3);
	alice->posted_first = alice->answered = alice->posted_end;
	fake_ack(bob, alice->addr, 3, VMSGIF_ECONNREFUSED);
	fake_turns();
	ck_assert_uint_eq(fake_peer(alice)->pools[3]->state, POOL_GONE);
	del = fake_pool(alice, VMSGIF_OP_POOL_DEL, VMSGIF_POOL_MAP, 3, NULL, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, del), 0);
	fake_post(alice, 4);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_POOL_GONE), 0);
}
END_TEST

START_TEST(unbind_dismisses_pools)
{
	uint16_t unbind, add, del;

	share(3);
	bob->posted_first = bob->answered = bob->posted_end;
	add = fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 4, bob, 7);
	fake_turns();
	/* One mapped, one not told of yet. */
	unbind = fake_port_op(bob, VMSGIF_OP_UNBIND, 7, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(bob, unbind), 0);
	ck_assert_int_eq(fake_status(alice, add), VMSGIF_ECONNREFUSED);
	fake_post(bob, 8);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_POOL_ADD), 0);
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_POOL_DEL), 1);
	/* The owner wants it too, meanwhile. */
	del = fake_pool(alice, VMSGIF_OP_POOL_DEL, VMSGIF_POOL_MAP, 3, NULL, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, del), FAKE_UNANSWERED);
	fake_ack(bob, alice->addr, 3, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, del), 0);
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_POOL_GONE), 0);
}
END_TEST

/* What a receiver maps while it unbinds is taken from it again. */
START_TEST(mapped_after_unbind)
{
	uint16_t add = fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 3, bob, 7);

	fake_turns();
	fake_port_op(bob, VMSGIF_OP_UNBIND, 7, 0);
	fake_ack(bob, alice->addr, 3, 0);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_POOL_DEL), 1);
	ck_assert_int_eq(fake_status(alice, add), FAKE_UNANSWERED);
	fake_ack(bob, alice->addr, 3, VMSGIF_ECONNREFUSED);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, add), VMSGIF_ECONNREFUSED);
	ck_assert_ptr_null(fake_peer(alice)->pools[3]);
}
END_TEST

/* For a receiver that has not said READY it waits, and is judged then. */
START_TEST(pool_for_awaited)
{
	struct device *carol = fake_device(3, "carol");
	uint16_t good, bad;

	fake_awaited(carol);
	good = fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 3, carol, 7);
	bad = fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 4, carol, 8);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, good), FAKE_UNANSWERED);
	fake_connect(carol);
	fake_bind(carol, 7, UINT64_MAX, NULL);
	fake_ready(carol);
	fake_post(carol, 8);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, bad), VMSGIF_ECONNREFUSED);
	ck_assert_uint_eq(fake_rx_count(carol, VMSGIF_RX_POOL_ADD), 1);
	fake_ack(carol, alice->addr, 3, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, good), 0);
}
END_TEST

START_TEST(pools_of_the_dying)
{
	uint16_t add, del;

	share(3);
	share(4);
	del = fake_pool(alice, VMSGIF_OP_POOL_DEL, VMSGIF_POOL_MAP, 4, NULL, 0);
	add = fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 5, bob, 7);
	fake_turns();
	fake_down(bob);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, del), 0);
	ck_assert_int_eq(fake_status(alice, add), VMSGIF_EHOSTDOWN);
	for (unsigned int i = 3; i < 6; i++)
		ck_assert_ptr_null(fake_peer(alice)->pools[i]);
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_DOWN), 1);
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_POOL_GONE), 0);
}
END_TEST

START_TEST(owner_dies)
{
	uint32_t addr = alice->addr;

	share(3);
	bob->posted_first = bob->answered = bob->posted_end;
	fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 5, bob, 7);
	fake_turns();
	fake_down(alice);
	fake_post(bob, 4);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_PEER_DOWN), 1);
	ck_assert_uint_eq(fake_rx(bob, VMSGIF_RX_PEER_DOWN, 0)->addr, addr);
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_POOL_ADD), 0);
	ck_assert(list_empty(&fake_peer(bob)->pools_in));
}
END_TEST

/* TX and RX pools: one a turn, the rest of that device waits behind. */
START_TEST(own_pools)
{
	uint16_t tx = fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_TX, 0, NULL, 0);
	uint16_t rx = fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_RX, 0, NULL, 0);
	uint16_t send = fake_send(alice, bob, 7, "x");

	ck_assert(turn_run(fake.broker));
	ck_assert_uint_eq(fake.pool_ops, 1);
	ck_assert_int_eq(fake_status(alice, tx), 0);
	ck_assert_int_eq(fake_status(alice, rx), FAKE_UNANSWERED);
	ck_assert_int_eq(fake_status(alice, send), FAKE_UNANSWERED);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, rx), 0);
	ck_assert_int_eq(fake_status(alice, send), 0);
	rx = fake_pool(alice, VMSGIF_OP_POOL_DEL, VMSGIF_POOL_RX, 0, NULL, 0);
	tx = fake_pool(alice, VMSGIF_OP_POOL_DEL, VMSGIF_POOL_RX, 0, NULL, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, rx), 0);
	ck_assert_int_eq(fake_status(alice, tx), VMSGIF_EINVAL);
}
END_TEST

/* A message that waits still needs the pool. */
START_TEST(tx_pool_in_use)
{
	struct device *carol = fake_guest(3, "carol", 0);
	uint16_t del;

	alice->pools[VMSGIF_POOL_TX] = 16;
	fake_send_pages(alice, carol, 7, 1, 100);
	alice->in[(alice->in_end - 1) % FAKE_SLOTS].req.pooled = true;
	fake_turns();
	del = fake_pool(alice, VMSGIF_OP_POOL_DEL, VMSGIF_POOL_TX, 0, NULL, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, del), VMSGIF_EINVAL);
	fake_down(carol);
	del = fake_pool(alice, VMSGIF_OP_POOL_DEL, VMSGIF_POOL_TX, 0, NULL, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, del), 0);
}
END_TEST

/* Who churns pools waits for tokens, with all its requests; others do not. */
START_TEST(pool_churn)
{
	uint16_t id = 0, other;

	for (unsigned int i = 0; i < POOL_BURST + 1; i++) {
		id = fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_TX, 0, NULL, 0);
		fake_turns();
	}
	ck_assert_int_eq(fake_status(alice, id), FAKE_UNANSWERED);
	ck_assert(!list_empty(&fake.broker->stalled));
	fake_post(alice, 1); /* a kick changes nothing */
	other = fake_send(bob, bob, 7, "x");
	fake_turns();
	ck_assert_int_eq(fake_status(bob, other), 0);
	ck_assert_int_eq(fake_status(alice, id), FAKE_UNANSWERED);
	while (fake_status(alice, id) == FAKE_UNANSWERED)
		ck_assert_int_ge(sd_event_run(fake.event, 1000000), 0);
}
END_TEST

/* Without map mode in the configuration nobody shares. */
START_TEST(map_switched_off)
{
	uint16_t add, send;

	fake_fini();
	fake_init("[daemon]\nmap = no\npools = no\n[devices]\ndomains = *\n"
		  "[allow any]\nfrom = *\nto = *\nmodes = copy map\n");
	alice = fake_guest(1, "alice", 32);
	bob = fake_guest(2, "bob", 32);
	add = fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 3, bob, 7);
	send = fake_send_map(alice, bob, 7, 3, 0, 10);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, add), VMSGIF_EACCES);
	ck_assert_int_eq(fake_status(alice, send), VMSGIF_EACCES);
	ck_assert_ptr_nonnull(strstr(fake.lines, "mode=map"));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("broker-pools");
	TCase *t = tcase_create("pools");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, pool_add_and_del);
	tcase_add_test(t, pool_refused_by_receiver);
	tcase_add_test(t, pool_mistakes);
	tcase_add_test(t, stray_acks);
	tcase_add_test(t, receiver_lets_go);
	tcase_add_test(t, unbind_dismisses_pools);
	tcase_add_test(t, mapped_after_unbind);
	tcase_add_test(t, pool_for_awaited);
	tcase_add_test(t, pools_of_the_dying);
	tcase_add_test(t, owner_dies);
	tcase_add_test(t, own_pools);
	tcase_add_test(t, tx_pool_in_use);
	tcase_add_test(t, pool_churn);
	tcase_add_test(t, map_switched_off);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return fake_run(suite());
}
