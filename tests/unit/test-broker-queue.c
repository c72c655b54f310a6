// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The queue of a domain: fair shares of senders and flows, bounds, credit.
 */
#include "tests/unit/fake-guests.h"

static struct device *bob;

static void setup(void)
{
	fake_init(FAKE_OPEN);
	bob = fake_guest(2, "bob", 0);
	fake_clear();
}

static void teardown(void)
{
	fake_fini();
}

static struct device *sender(uint16_t domid)
{
	char name[16];

	snprintf(name, sizeof(name), "s%u", domid);
	return fake_guest(domid, name, 0);
}

static unsigned int received_from(const struct device *src)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < fake.nr_entries; i++)
		n += fake.entries[i].kind == FAKE_RX && fake.entries[i].dev == bob &&
		     fake.entries[i].rx.type == VMSGIF_RX_MESSAGE &&
		     fake.entries[i].rx.addr == src->addr;
	return n;
}

static uint64_t bytes_from(const struct device *src)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < fake.nr_entries; i++)
		if (fake.entries[i].kind == FAKE_RX && fake.entries[i].dev == bob &&
		    fake.entries[i].rx.addr == src->addr)
			n += 64 + fake.entries[i].rx.len;
	return n;
}

static void credit(struct device *dev, uint32_t port, uint64_t value)
{
	fake_port_op(dev, VMSGIF_OP_CREDIT, port, value);
	fake_turns();
}

/* Ports 7 and 8 of bob begin anew with this credit. */
static void rebind(uint64_t value)
{
	fake_down(bob);
	fake_connect(bob);
	fake_bind(bob, 7, value, NULL);
	fake_bind(bob, 8, value, NULL);
	fake_ready(bob);
	fake_turns();
	fake_clear();
}

/* ---------------------------------------------------------------- fairness */

START_TEST(senders_take_turns)
{
	struct device *a = sender(10), *b = sender(11), *c = sender(12);

	for (unsigned int i = 0; i < 30; i++) {
		fake_send_pages(a, bob, 7, i, 4096);
		if (i < 10)
			fake_send_pages(b, bob, 7, i, 4096);
		if (i < 20)
			fake_send_pages(c, bob, 7, i, 4096);
	}
	fake_turns();
	for (unsigned int round = 1; round <= 9; round++) {
		fake_post(bob, round == 1 ? 3 + VMSGIF_RX_RESERVE : 3);
		fake_turns();
		ck_assert_uint_eq(received_from(a) + received_from(b) + received_from(c),
				  3 * round);
		ck_assert_uint_le(received_from(a), round + 1);
		ck_assert_uint_ge(received_from(a), round - 1);
		ck_assert_uint_ge(received_from(b), round - 1);
		ck_assert_uint_ge(received_from(c), round - 1);
	}
}
END_TEST

/* By bytes: one sends small messages, the other one large ones. */
START_TEST(shares_are_of_bytes)
{
	struct device *small = sender(10), *large = sender(11);

	fake_bind(bob, 8, UINT64_C(1) << 40, NULL);
	fake_turns();
	for (unsigned int i = 0; i < 16; i++) {
		fake_send_pages(large, bob, 7, 0, 16384);
		fake_send_pages(large, bob, 8, 0, 16384);
	}
	fake_turns();
	fake_post(bob, 4);
	for (unsigned int i = 0; i < 40; i++) {
		for (unsigned int j = 0; j < 8; j++)
			fake_send_pages(small, bob, 7 + j % 2, 1, 1000);
		fake_post(bob, 8);
		fake_turns();
	}
	ck_assert_uint_gt(received_from(small), 100);
	ck_assert_uint_gt(bytes_from(large), bytes_from(small) * 8 / 10);
	ck_assert_uint_lt(bytes_from(large), bytes_from(small) * 12 / 10 + 2 * 16384);
}
END_TEST

/* A flood of one sender does not delay another one's single message. */
START_TEST(flood_delays_nobody)
{
	struct device *flood = sender(10), *honest = sender(11);
	uint16_t id;

	fake_bind(bob, 8, UINT64_C(1) << 40, NULL);
	for (unsigned int i = 0; i < 32; i++) {
		fake_send_pages(flood, bob, 7, 0, 4096);
		fake_send_pages(flood, bob, 8, 0, 4096);
	}
	fake_turns();
	id = fake_send(honest, bob, 7, "x");
	fake_turns();
	fake_post(bob, 3 + VMSGIF_RX_RESERVE);
	fake_turns();
	ck_assert_int_eq(fake_status(honest, id), 0);
}
END_TEST

START_TEST(flows_take_turns)
{
	struct device *a = sender(10);
	unsigned int n[2] = { 0 };

	fake_bind(bob, 8, UINT64_C(1) << 40, NULL);
	fake_turns();
	for (unsigned int i = 0; i < 20; i++)
		fake_send(a, bob, 7, "x");
	for (unsigned int i = 0; i < 5; i++)
		fake_send(a, bob, 8, "x");
	fake_turns();
	fake_post(bob, 10 + VMSGIF_RX_RESERVE);
	fake_turns();
	for (unsigned int i = 0; i < 10; i++)
		n[fake_rx(bob, VMSGIF_RX_MESSAGE, i)->port - 7]++;
	ck_assert_uint_eq(n[0], 5);
	ck_assert_uint_eq(n[1], 5);
}
END_TEST

START_TEST(order_within_a_flow)
{
	struct device *a = sender(10), *b = sender(11);
	uint64_t seq[2] = { 0 };

	for (unsigned int i = 0; i < 30; i++) {
		fake_send_pages(a, bob, 7, i, 1 + i * 997 % 9000);
		fake_send_pages(b, bob, 7, i, 1 + i * 1999 % 9000);
	}
	fake_post(bob, 200);
	fake_turns();
	for (unsigned int i = 0; fake_rx(bob, VMSGIF_RX_MESSAGE, i); i++) {
		const struct vmsgif_rx_response *rx = fake_rx(bob, VMSGIF_RX_MESSAGE, i);
		uint64_t *last = &seq[rx->addr == b->addr];

		ck_assert(rx->seq == *last || rx->seq == *last + 1);
		*last = rx->seq;
	}
	ck_assert_uint_eq(seq[0], 30);
	ck_assert_uint_eq(seq[1], 30);
}
END_TEST

/* Nothing is saved up by who has nothing to send. */
START_TEST(no_savings)
{
	struct device *a = sender(10), *b = sender(11);

	fake_post(bob, 100);
	for (unsigned int i = 0; i < 20; i++) {
		fake_send(a, bob, 7, "x");
		fake_turns();
	}
	ck_assert_uint_eq(pair_find(fake_peer(a), fake_peer(bob))->deficit, 0);
	fake_send(b, bob, 7, "x");
	fake_turns();
	ck_assert_uint_eq(received_from(b), 1);
}
END_TEST

/* ------------------------------------------------------------------ bounds */

START_TEST(window)
{
	struct device *a = sender(10);
	enum { WINDOW = VMSGIF_FLOW_WINDOW };
	uint16_t ids[WINDOW + 1];

	for (unsigned int i = 0; i <= WINDOW; i++)
		ids[i] = fake_send(a, bob, 7, "x");
	fake_turns();
	ck_assert_int_eq(fake_status(a, ids[WINDOW - 1]), FAKE_UNANSWERED);
	ck_assert_int_eq(fake_status(a, ids[WINDOW]), VMSGIF_ENOBUFS);
	ck_assert_uint_eq(fake_peer(bob)->queue.messages, WINDOW);
	ck_assert_uint_eq(fake_peer(bob)->queue.bytes, WINDOW);
	ck_assert_uint_eq(fake_peer(a)->count.refused, 1);
	ck_assert_ptr_nonnull(strstr(fake.lines, "flow-window"));
	/* It opens with what completes. */
	fake_post(bob, 1 + VMSGIF_RX_RESERVE);
	fake_turns();
	ids[0] = fake_send(a, bob, 7, "x");
	fake_turns();
	ck_assert_int_eq(fake_status(a, ids[0]), FAKE_UNANSWERED);
}
END_TEST

/* All flows together: the slots that are not reserved. */
START_TEST(slots)
{
	struct device *a = sender(10);
	uint16_t id = 0;

	fake.broker->config->limits.flow_window = 256;
	for (unsigned int i = 0; i < 256 - VMSGIF_TX_RESERVE; i++)
		id = fake_send(a, bob, 7, "x");
	fake_turns();
	ck_assert_int_eq(fake_status(a, id), FAKE_UNANSWERED);
	id = fake_send(a, bob, 7, "x");
	fake_turns();
	ck_assert_int_eq(fake_status(a, id), VMSGIF_ENOBUFS);
	/* Control requests that do not wait go on. */
	id = fake_bind(a, 99, 1, NULL);
	fake_turns();
	ck_assert_int_eq(fake_status(a, id), 0);
	id = fake_name_op(a, VMSGIF_OP_RESOLVE, "bob");
	fake_turns();
	ck_assert_int_eq(fake_status(a, id), VMSGIF_ENOBUFS);
	id = fake_pool(a, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 0, bob, 7);
	fake_turns();
	ck_assert_int_eq(fake_status(a, id), VMSGIF_ENOBUFS);
	id = fake_port_op(a, VMSGIF_OP_UNBIND, 99, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(a, id), VMSGIF_ENOBUFS);
}
END_TEST

/* ------------------------------------------------------------------ credit */

START_TEST(credit_is_spent)
{
	struct device *a = sender(10);

	rebind(2 * VMSGIF_MSG_COST(100));
	fake_post(bob, 64);
	for (unsigned int i = 0; i < 4; i++)
		fake_send_pages(a, bob, 7, i, 100);
	fake_turns();
	ck_assert_uint_eq(received_from(a), 2);
	/* The same number again means nothing; a smaller one neither. */
	credit(bob, 7, 2 * VMSGIF_MSG_COST(100));
	credit(bob, 7, 1);
	ck_assert_uint_eq(received_from(a), 2);
	credit(bob, 7, 3 * VMSGIF_MSG_COST(100));
	ck_assert_uint_eq(received_from(a), 3);
	credit(bob, 7, 100 * VMSGIF_MSG_COST(100));
	ck_assert_uint_eq(received_from(a), 4);
	ck_assert_uint_eq(port_find(fake_peer(bob), 7)->used, 4 * VMSGIF_MSG_COST(100));
}
END_TEST

/* A port without credit stalls itself alone. */
START_TEST(other_ports_go_on)
{
	struct device *a = sender(10);

	rebind(VMSGIF_MSG_COST(1));
	fake_post(bob, 64);
	for (unsigned int i = 0; i < 5; i++)
		fake_send(a, bob, 7, "x");
	fake_turns();
	credit(bob, 8, 100000);
	for (unsigned int i = 0; i < 5; i++)
		fake_send(a, bob, 8, "x");
	fake_turns();
	ck_assert_uint_eq(received_from(a), 6);
}
END_TEST

/* Small messages of others do not keep a large one from its credit for ever. */
START_TEST(large_message_gets_its_credit)
{
	struct device *large = sender(10), *small = sender(11);
	uint64_t given = VMSGIF_MSG_COST(1);
	uint16_t id;

	rebind(given);
	fake_post(bob, 250);
	fake_send(small, bob, 7, "x");
	fake_turns();
	id = fake_send_pages(large, bob, 7, 0, 4096);
	fake_turns();
	for (unsigned int i = 0; i < 40 && fake_status(large, id) == FAKE_UNANSWERED; i++) {
		if (i < 20)
			fake_send(small, bob, 7, "x");
		credit(bob, 7, given += 128);
	}
	ck_assert_int_eq(fake_status(large, id), 0);
	ck_assert_uint_le(given, 40 * 128);
	credit(bob, 7, UINT64_C(1) << 30);
	ck_assert_uint_eq(received_from(small), 21);
}
END_TEST

/* Who waited in several flows of several senders all go on. */
START_TEST(all_wake)
{
	struct device *dev[4];

	rebind(0);
	fake_post(bob, 100);
	for (unsigned int i = 0; i < 4; i++) {
		dev[i] = sender((uint16_t)(10 + i));
		fake_send(dev[i], bob, 7, "x");
		fake_send(dev[i], bob, 8, "x");
	}
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_MESSAGE), 0);
	credit(bob, 7, 10000);
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_MESSAGE), 4);
	credit(bob, 8, 10000);
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_MESSAGE), 8);
}
END_TEST

/* The sender whose message a port waits for dies: the others go on. */
START_TEST(starving_sender_dies)
{
	struct device *large = sender(10), *small = sender(11);

	rebind(VMSGIF_MSG_COST(100));
	fake_post(bob, 100);
	fake_send_pages(large, bob, 7, 0, 4096);
	fake_turns();
	fake_send(small, bob, 7, "x");
	fake_turns();
	ck_assert_uint_eq(received_from(small), 0);
	fake_down(large);
	fake_turns();
	ck_assert_uint_eq(received_from(small), 1);
	ck_assert_uint_eq(fake_peer(bob)->queue.messages, 0);
	ck_assert_uint_eq(fake_peer(bob)->queue.bytes, 0);
}
END_TEST

/* A failed copy gives credit back to who waits for it. */
START_TEST(refund_wakes)
{
	struct device *a = sender(10);

	rebind(VMSGIF_MSG_COST(100));
	fake_post(bob, 100);
	a->bad_tx[0] = true;
	fake_send_pages(a, bob, 7, 0, 100);
	fake_send_pages(a, bob, 7, 1, 100);
	fake_turns();
	ck_assert_uint_eq(received_from(a), 1);
	ck_assert_uint_eq(fake_rx(bob, VMSGIF_RX_MESSAGE, 0)->seq, 2);
}
END_TEST

START_TEST(unbind_fails_what_waits)
{
	struct device *a = sender(10);
	uint16_t ids[3], unbind;

	rebind(0);
	fake_post(bob, 100);
	for (unsigned int i = 0; i < 3; i++)
		ids[i] = fake_send(a, bob, 7, "x");
	fake_turns();
	unbind = fake_port_op(bob, VMSGIF_OP_UNBIND, 7, 0);
	fake_turns();
	for (unsigned int i = 0; i < 3; i++) {
		ck_assert_int_eq(fake_status(a, ids[i]), VMSGIF_ECONNREFUSED);
		ck_assert_int_lt(fake_tx_at(a, ids[i], 0), fake_tx_at(bob, unbind, 0));
	}
	ck_assert_int_eq(fake_status(bob, unbind), 0);
	ck_assert_uint_eq(fake_peer(a)->nr_flows, 0);
	ck_assert_uint_eq(fake_peer(a)->count.failed, 3);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("broker-queue");
	TCase *t = tcase_create("fairness");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, senders_take_turns);
	tcase_add_test(t, shares_are_of_bytes);
	tcase_add_test(t, flood_delays_nobody);
	tcase_add_test(t, flows_take_turns);
	tcase_add_test(t, order_within_a_flow);
	tcase_add_test(t, no_savings);
	suite_add_tcase(s, t);

	t = tcase_create("bounds");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, window);
	tcase_add_test(t, slots);
	suite_add_tcase(s, t);

	t = tcase_create("credit");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, credit_is_spent);
	tcase_add_test(t, other_ports_go_on);
	tcase_add_test(t, large_message_gets_its_credit);
	tcase_add_test(t, all_wake);
	tcase_add_test(t, starving_sender_dies);
	tcase_add_test(t, refund_wakes);
	tcase_add_test(t, unbind_fails_what_waits);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return fake_run(suite());
}
