// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Turns: who is served when, how much at a time, and devices that come, go and
 * break rules in between.
 */
#include "common/clock.h"
#include "tests/unit/fake-guests.h"

static struct device *alice, *bob;

static void setup(void)
{
	fake_init(FAKE_OPEN);
	alice = fake_guest(1, "alice", 64);
	bob = fake_guest(2, "bob", 64);
	fake_clear();
}

static void teardown(void)
{
	fake_fini();
}

START_TEST(wanted)
{
	ck_assert(broker_ops.wanted(fake.broker, 5, "x"));
	ck_assert(broker_ops.wanted(fake.broker, 5, ""));
	ck_assert(!broker_ops.wanted(fake.broker, 0, "Domain-0"));
}
END_TEST

/* A device has so many requests consumed in a turn, and the others have theirs. */
START_TEST(requests_of_a_turn)
{
	uint16_t last = 0, other;

	for (unsigned int i = 0; i < 200; i++)
		last = fake_release(alice, bob->addr, 7, i);
	other = fake_release(bob, alice->addr, 7, 1);
	ck_assert(turn_run(fake.broker));
	ck_assert_uint_eq(alice->in_end - alice->in_first, 200 - TURN_REQUESTS);
	ck_assert_int_eq(fake_status(bob, other), 0);
	ck_assert(turn_run(fake.broker));
	ck_assert(turn_run(fake.broker));
	ck_assert(!turn_run(fake.broker));
	ck_assert_int_eq(fake_status(alice, last), 0);
	ck_assert(!turn_run(fake.broker));
}
END_TEST

START_TEST(all_requests_of_a_turn)
{
	struct device *dev[40];
	unsigned int left = 0;

	for (unsigned int d = 0; d < 40; d++)
		dev[d] = fake_guest((uint16_t)(10 + d), "x", 0);
	for (unsigned int d = 0; d < 40; d++)
		for (unsigned int i = 0; i < 40; i++)
			fake_release(dev[d], bob->addr, 7, i);
	ck_assert(turn_run(fake.broker));
	for (unsigned int d = 0; d < 40; d++)
		left += dev[d]->in_end - dev[d]->in_first;
	ck_assert_uint_eq(left, 40 * 40 - TURN_REQUESTS_ALL);
	/* Who did not get a turn is next. */
	fake_turns();
	for (unsigned int d = 0; d < 40; d++)
		ck_assert_uint_eq(dev[d]->in_end, dev[d]->in_first);
}
END_TEST

/* A request that came between the last look and asking for an event. */
START_TEST(armed_too_late)
{
	unsigned int before = alice->armed;

	alice->arm_again = 3;
	fake_release(alice, bob->addr, 7, 1);
	fake_turns();
	ck_assert_uint_eq(alice->armed, before + 4);
}
END_TEST

START_TEST(deliveries_of_a_turn)
{
	uint16_t id = 0;

	fake_post(bob, 192);
	fake_bind(bob, 8, UINT64_C(1) << 40, NULL);
	fake_bind(bob, 9, UINT64_C(1) << 40, NULL);
	fake_turns();
	for (unsigned int i = 0; i < 32; i++) {
		fake_send(alice, bob, 7, "x");
		fake_send(alice, bob, 8, "x");
		id = fake_send(alice, bob, 9, "x");
	}
	turn_run(fake.broker);
	turn_run(fake.broker);
	turn_run(fake.broker);
	ck_assert_int_eq(fake_status(alice, id), 0);
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_MESSAGE), 96);
}
END_TEST

/* So much is copied in a turn; what is left keeps the turns going. */
START_TEST(bytes_of_a_turn)
{
	struct device *dev[8];
	unsigned int done = 0;

	for (unsigned int d = 0; d < 8; d++)
		dev[d] = fake_guest((uint16_t)(10 + d), "x", 256);
	for (unsigned int d = 0; d < 8; d++)
		fake_send_pages(alice, dev[d], 7, 0, 1u << 20);
	ck_assert(turn_run(fake.broker));
	for (unsigned int d = 0; d < 8; d++)
		done += fake_rx_count(dev[d], VMSGIF_RX_MESSAGE) != 0;
	ck_assert_uint_eq(done, TURN_BYTES >> 20);
	fake_turns();
	for (unsigned int d = 0; d < 8; d++)
		ck_assert_uint_eq(fake_rx_count(dev[d], VMSGIF_RX_MESSAGE), 1);
}
END_TEST

/* What the backend refuses by itself is published all the same. */
START_TEST(backend_refuses)
{
	uint16_t id;

	alice->refuses = true;
	id = fake_release(alice, bob->addr, 7, 1);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), VMSGIF_EINVAL);
}
END_TEST

START_TEST(id_in_use)
{
	uint16_t id;

	fake_bind(bob, 8, 0, NULL);
	id = fake_send(alice, bob, 8, "x");
	fake_turns();
	fake_send(alice, bob, 8, "x");
	alice->in[(alice->in_end - 1) % FAKE_SLOTS].req.id = id;
	turn_run(fake.broker);
	ck_assert(alice->frozen);
	ck_assert_ptr_nonnull(strstr(alice->failure, "in use"));
	fake_down(alice);
	fake_turns();
	ck_assert_uint_eq(fake_peer(bob)->queue.messages, 0);
}
END_TEST

START_TEST(unknown_kind)
{
	uint16_t id = fake_put(alice, 200)->req.id;

	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), VMSGIF_EINVAL);
}
END_TEST

/* From the event loop: a kick is enough. */
START_TEST(runs_by_itself)
{
	uint16_t id = fake_send(alice, bob, 7, "x");

	while (fake_status(alice, id) == FAKE_UNANSWERED)
		ck_assert_int_ge(sd_event_run(fake.event, 1000000), 0);
	/* And rests then. */
	ck_assert_int_eq(sd_event_run(fake.event, 0), 0);
	ck_assert_uint_eq(alice->notified, bob->notified);
}
END_TEST

static int source(void)
{
	int enabled = -1;

	ck_assert_int_ge(sd_event_source_get_enabled(fake.broker->turn, &enabled), 0);
	ck_assert_int_eq(fake.broker->scheduled, enabled != SD_EVENT_OFF);
	return enabled;
}

/* With all events taken in a turn comes at once, and needs its source only for what is left. */
START_TEST(at_once)
{
	uint64_t turns;
	uint16_t id = 0;

	fake_post(bob, 2 * TURN_REQUESTS);
	fake_turns();
	while (sd_event_run(fake.event, 0) > 0)
		;
	turns = fake.broker->turns;
	broker_ops.kicking(fake.broker);
	ck_assert(!broker_ops.kicked(fake.broker));
	ck_assert_uint_eq(fake.broker->turns, turns);
	ck_assert_int_eq(source(), SD_EVENT_OFF);
	for (unsigned int round = 0; round < 2; round++) {
		broker_ops.kicking(fake.broker);
		for (unsigned int i = 0; i < (round ? TURN_REQUESTS + 1 : 1); i++)
			id = fake_send(alice, bob, 7, "x");
		ck_assert_int_eq(broker_ops.kicked(fake.broker), round);
		ck_assert_uint_eq(fake.broker->turns, ++turns);
		ck_assert_int_eq(fake_status(alice, id), round ? FAKE_UNANSWERED : 0);
		ck_assert_int_eq(source(), round ? SD_EVENT_ON : SD_EVENT_OFF);
	}
	/* The source is on: an event makes the turn come earlier, and then turns it off. */
	broker_ops.kicking(fake.broker);
	ck_assert(broker_ops.kicked(fake.broker));
	ck_assert_int_eq(fake_status(alice, id), 0);
	ck_assert_int_eq(source(), SD_EVENT_OFF);
}
END_TEST

/* The event loop hears of a timer that was set, and only then. */
START_TEST(timer_is_set)
{
	while (sd_event_run(fake.event, 0) > 0)
		;
	for (unsigned int i = 0; i < 2; i++) {
		broker_ops.kicking(fake.broker);
		fake_send_req(alice, bob, 7)->lazy = true;
		broker_ops.kick(fake.broker, alice);
		fake_peer(alice)->pressed = false;
		/* The second time it is armed already. */
		ck_assert_int_eq(broker_ops.kicked(fake.broker), !i);
		ck_assert(!list_empty(&fake.broker->lazy));
	}
}
END_TEST

/* A turn has one time, which does not outlast it. */
START_TEST(time_of_a_turn)
{
	uint64_t before = clock_now_ns();

	ck_assert_uint_ge(broker_now(fake.broker), before);
	fake_send(alice, bob, 7, "x");
	fake_turns();
	ck_assert_uint_eq(fake.broker->now, 0);
	ck_assert_uint_ge(broker_now(fake.broker), before);
}
END_TEST

START_TEST(comes_and_goes)
{
	struct device *dev = fake_device(9, "x");

	broker_ops.kick(fake.broker, dev);
	broker_ops.gone(fake.broker, dev);
	fake_awaited(dev);
	broker_ops.kick(fake.broker, dev);
	ck_assert_ptr_null(strstr(fake.lines, "is connected"));
	broker_ops.down(fake.broker, dev, dev->addr + 1);
	ck_assert_ptr_nonnull(fake_peer(dev));
	fake_connect(dev);
	broker_ops.gone(fake.broker, dev);
	ck_assert_ptr_null(fake_peer(dev));
	broker_ops.down(fake.broker, dev, dev->addr);
	fake_turns();
}
END_TEST

/* The daemon stops: nothing is answered, frontends keep it for the next one. */
START_TEST(stop)
{
	struct device *carol = fake_device(3, "carol");
	uint16_t ids[4];

	fake_awaited(carol);
	ids[0] = fake_send(alice, carol, 7, "x");
	ids[1] = fake_name_op(alice, VMSGIF_OP_RESOLVE, "carol");
	ids[2] = fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 0, bob, 7);
	fake_turns();
	ids[3] = fake_send(alice, bob, 7, "x");
	broker_free(fake.broker, false);
	fake.broker = NULL;
	for (unsigned int i = 0; i < 4; i++)
		ck_assert_int_eq(fake_status(alice, ids[i]), FAKE_UNANSWERED);
	ck_assert_uint_eq(alice->nr_out, 0);
}
END_TEST

/* With every kind of thing under way, everybody dies in whichever order. */
START_TEST(all_die)
{
	struct device *dev[4];

	for (unsigned int d = 0; d < 4; d++) {
		char name[8];

		snprintf(name, sizeof(name), "d%u", d);
		dev[d] = fake_guest((uint16_t)(10 + d), name, 24);
		fake_bind(dev[d], 8, 0, "svc");
	}
	for (unsigned int d = 0; d < 4; d++) {
		struct device *to = dev[(d + 1) % 4], *from = dev[d];

		fake_name_op(from, VMSGIF_OP_SUBSCRIBE, to->name);
		fake_pool(from, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 1, to, 7);
		fake_turns();
		fake_ack(to, from->addr, 1, 0);
		fake_turns();
		fake_send_map(from, to, 7, 1, 0, 1);
		fake_send(from, to, 8, "x");
		fake_send_pages(from, to, 7, 0, 30000);
		fake_turns();
		fake_port_op(to, VMSGIF_OP_UNBIND, 7, 0);
		fake_turns();
	}
	for (unsigned int i = 0; i < 4; i++) {
		fake_down(dev[(i * 3 + (unsigned int)_i) % 4]);
		if (_i % 2)
			fake_turns();
	}
	fake_turns();
	ck_assert_uint_eq(fake.broker->route.nr_peers, 2);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("broker-turn");
	TCase *t = tcase_create("turn");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, wanted);
	tcase_add_test(t, requests_of_a_turn);
	tcase_add_test(t, all_requests_of_a_turn);
	tcase_add_test(t, armed_too_late);
	tcase_add_test(t, deliveries_of_a_turn);
	tcase_add_test(t, bytes_of_a_turn);
	tcase_add_test(t, backend_refuses);
	tcase_add_test(t, id_in_use);
	tcase_add_test(t, unknown_kind);
	tcase_add_test(t, runs_by_itself);
	tcase_add_test(t, at_once);
	tcase_add_test(t, timer_is_set);
	tcase_add_test(t, time_of_a_turn);
	tcase_add_test(t, comes_and_goes);
	tcase_add_test(t, stop);
	tcase_add_loop_test(t, all_die, 0, 8);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return fake_run(suite());
}
