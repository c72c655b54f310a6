// SPDX-License-Identifier: GPL-2.0-or-later
/* Taking a domain out of service: what was there goes on, what comes waits, nothing is lost. */
#include "tests/unit/control-bed.h"

#include "broker/drain.h"

#include <errno.h>

static uint64_t left(const char *who)
{
	return drain_left(fake.broker, who);
}

static void drain(const char *who)
{
	ck_assert_int_eq(drain_set(fake.broker, who, true), 0);
}

static void undo(const char *who)
{
	ck_assert_int_eq(drain_set(fake.broker, who, false), 0);
	fake_turns();
}

static uint64_t last_seq(const struct device *dev)
{
	return fake_rx(dev, VMSGIF_RX_MESSAGE, fake_rx_count(dev, VMSGIF_RX_MESSAGE) - 1)->seq;
}

START_TEST(receiver)
{
	struct device *slow = fake_guest(3, "slow", 4);
	uint16_t ids[6];

	for (unsigned int i = 0; i < 3; i++)
		ids[i] = fake_send(alice, slow, 7, "before");
	fake_turns();
	drain("slow");
	for (unsigned int i = 3; i < 6; i++)
		ids[i] = fake_send(alice, slow, 7, "after");
	fake_turns();
	ck_assert_uint_eq(left("slow"), 3);
	fake_post(slow, 20);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(slow, VMSGIF_RX_MESSAGE), 3);
	ck_assert_int_eq(fake_status(alice, ids[2]), 0);
	ck_assert_int_eq(fake_status(alice, ids[3]), FAKE_UNANSWERED);
	ck_assert_uint_eq(left("slow"), 0);
	/* Once more is no new begin. */
	drain("slow");
	fake_turns();
	ck_assert_uint_eq(left("slow"), 0);
	undo("slow");
	for (unsigned int i = 3; i < 6; i++)
		ck_assert_int_eq(fake_status(alice, ids[i]), 0);
	ck_assert_uint_eq(fake_rx_count(slow, VMSGIF_RX_MESSAGE), 6);
	ck_assert_uint_eq(last_seq(slow), 6);
	ck_assert_int_eq(fake_status(alice, fake_send(alice, slow, 7, "x")), FAKE_UNANSWERED);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(slow, VMSGIF_RX_MESSAGE), 7);
}
END_TEST

/* What it sends waits too; others go on among themselves. By domid, and with new flows. */
START_TEST(sender)
{
	struct device *carol = fake_guest(3, "carol", 20);
	uint16_t from, to, others;

	drain("1");
	from = fake_send(alice, bob, 7, "x");
	to = fake_send(carol, alice, 7, "x");
	others = fake_send(carol, bob, 7, "x");
	fake_turns();
	ck_assert_int_eq(fake_status(alice, from), FAKE_UNANSWERED);
	ck_assert_int_eq(fake_status(carol, to), FAKE_UNANSWERED);
	ck_assert_int_eq(fake_status(carol, others), 0);
	ck_assert_uint_eq(left("alice"), 0);
	undo("alice");
	ck_assert_int_eq(fake_status(alice, from), 0);
	ck_assert_int_eq(fake_status(carol, to), 0);
}
END_TEST

/* What is held is not answered yet. */
START_TEST(held)
{
	uint16_t send, next;

	fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 1, bob, 7);
	fake_turns();
	fake_ack(bob, alice->addr, 1, 0);
	send = fake_send_map(alice, bob, 7, 1, 0, 10);
	fake_turns();
	drain("bob");
	next = fake_send_map(alice, bob, 7, 1, 0, 10);
	fake_turns();
	ck_assert_uint_eq(left("bob"), 1);
	fake_release(bob, alice->addr, 7, 1);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, send), 0);
	ck_assert_int_eq(fake_status(alice, next), FAKE_UNANSWERED);
	ck_assert_uint_eq(left("bob"), 0);
	undo("bob");
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_MESSAGE), 2);
}
END_TEST

/* A port whose credit is used up goes on when it has some, with what came before alone. */
START_TEST(starved)
{
	uint64_t cost = VMSGIF_MSG_COST(6);
	uint16_t before, after;

	fake_bind(bob, 8, 0, NULL);
	before = fake_send(alice, bob, 8, "before");
	fake_turns();
	drain("bob");
	after = fake_send(alice, bob, 8, "after!");
	fake_port_op(bob, VMSGIF_OP_CREDIT, 8, 5 * cost);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, before), 0);
	ck_assert_int_eq(fake_status(alice, after), FAKE_UNANSWERED);
	undo("bob");
	ck_assert_int_eq(fake_status(alice, after), 0);
}
END_TEST

START_TEST(all)
{
	uint16_t id, later;
	struct device *carol;

	drain("alice");
	drain(DRAIN_ALL);
	carol = fake_guest(3, "carol", 20);
	id = fake_send(carol, bob, 7, "x");
	fake_turns();
	ck_assert_int_eq(fake_status(carol, id), FAKE_UNANSWERED);
	ck_assert_uint_eq(left(DRAIN_ALL), 0);
	/* All are still drained. */
	undo("carol");
	ck_assert_int_eq(fake_status(carol, id), FAKE_UNANSWERED);
	undo(DRAIN_ALL);
	ck_assert_int_eq(fake_status(carol, id), 0);
	later = fake_send(alice, bob, 7, "x");
	fake_turns();
	ck_assert_int_eq(fake_status(alice, later), 0);
	ck_assert_int_eq(drain_set(fake.broker, "nobody", true), -ENOENT);
	ck_assert_int_eq(drain_set(fake.broker, "9", true), -ENOENT);
	ck_assert_int_eq(drain_set(fake.broker, "", true), -ENOENT);
}
END_TEST

/* It goes away: who waits hears the usual thing. It comes back: it is still drained. */
START_TEST(domain_goes)
{
	uint16_t id;

	drain("bob");
	id = fake_send(alice, bob, 7, "x");
	fake_turns();
	fake_down(bob);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), VMSGIF_EHOSTDOWN);
	fake_connect(bob);
	fake_bind(bob, 7, 100000, NULL);
	fake_ready(bob);
	fake_post(bob, 10);
	id = fake_send(alice, bob, 7, "x");
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), FAKE_UNANSWERED);
	/* The sender goes. */
	fake_down(alice);
	fake_turns();
	ck_assert_uint_eq(fake_peer(bob)->queue.messages, 0);
	undo("bob");
}
END_TEST

START_TEST(by_the_control_socket)
{
	sd_bus *bus = open_bus();
	const char *name, *state;
	sd_bus_message *reply;
	uint64_t n = 9;
	uint16_t domid;
	uint32_t addr;

	reply = call_with(bus, "Drain", "sb", "alice", 1);
	ck_assert_ptr_nonnull(strstr(sd_bus_message_get_error(reply)->message, "starting"));
	sd_bus_message_unref(reply);
	control_serve(control, fake.broker);
	fake_bind(bob, 8, 0, NULL);
	fake_send(alice, bob, 8, "x");
	fake_turns();
	reply = call_with(bus, "Drain", "sb", "alice", 1);
	ck_assert_int_gt(sd_bus_message_read(reply, "t", &n), 0);
	ck_assert_uint_eq(n, 1);
	sd_bus_message_unref(reply);
	reply = call(bus, "Domains");
	sd_bus_message_enter_container(reply, 'a', "(qussa{st}asa(usutub))");
	sd_bus_message_enter_container(reply, 'r', "qussa{st}asa(usutub)");
	ck_assert_int_gt(sd_bus_message_read(reply, "quss", &domid, &addr, &name, &state), 0);
	ck_assert_str_eq(state, "draining");
	sd_bus_message_unref(reply);
	reply = call_with(bus, "Drain", "sb", "alice", 0);
	ck_assert_int_gt(sd_bus_message_read(reply, "t", &n), 0);
	ck_assert_uint_eq(n, 0);
	sd_bus_message_unref(reply);
	reply = call_with(bus, "Drain", "sb", "x\ny", 1);
	ck_assert_ptr_nonnull(strstr(sd_bus_message_get_error(reply)->message, "no domain"));
	sd_bus_message_unref(reply);
	sd_bus_flush_close_unref(bus);
	ck_assert_ptr_nonnull(strstr(fake.lines, "drain domain=alice: new messages wait"));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("broker-drain");
	TCase *t = tcase_create("drain");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, receiver);
	tcase_add_test(t, sender);
	tcase_add_test(t, held);
	tcase_add_test(t, starved);
	tcase_add_test(t, all);
	tcase_add_test(t, domain_goes);
	tcase_add_test(t, by_the_control_socket);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return fake_run(suite());
}
