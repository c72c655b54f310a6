// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Busy polling: what comes while the rings are looked at needs no event, and it
 * has its bounds.
 */
#include "tests/unit/fake-guests.h"

static struct device *alice, *bob;
/* Sends in on_look: in how many looks the next one, and how many in all. */
static unsigned int due, sends;
static uint16_t last;

static void setup(void)
{
	fake_init(FAKE_OPEN);
	alice = fake_guest(1, "alice", 64);
	bob = fake_guest(2, "bob", 192);
	fake_clear();
	fake.broker->config->busy_poll = 64;
	due = 0;
	sends = 0;
}

static void teardown(void)
{
	fake_fini();
}

static void send_now(void)
{
	last = fake_send(alice, bob, 7, "x");
}

/* A request that no event tells of. */
static void on_look(struct device *dev)
{
	if (dev != alice || !due || --due)
		return;
	due = --sends ? 2 : 0;
	send_now();
	list_del(&fake_peer(alice)->kicked);
}

static void look_on(unsigned int looks, unsigned int nr)
{
	due = looks;
	sends = nr;
	fake.on_look = on_look;
}

START_TEST(found_by_a_look)
{
	unsigned int armed = alice->armed;

	look_on(5, 1);
	send_now();
	broker_ops.kicked(fake.broker);
	ck_assert_uint_eq(sends, 0);
	ck_assert_int_eq(fake_status(alice, last), 0);
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_MESSAGE), 2);
	ck_assert_uint_eq(fake.broker->busy_poll.found, 1);
	/* Asked for an event at the end, and everybody is. */
	ck_assert_uint_eq(alice->armed, armed + 1);
	ck_assert_uint_eq(fake.broker->busy_poll.missed, 1);
	ck_assert(list_empty(&fake.broker->watched));
	ck_assert(!fake.broker->scheduled);
}
END_TEST

/* Each of the two rings counts. */
START_TEST(so_many_looks)
{
	send_now();
	broker_ops.kicked(fake.broker);
	ck_assert_uint_eq(fake.looks, 64);
	look_on(33, 1);
	send_now();
	broker_ops.kicked(fake.broker);
	ck_assert_uint_eq(sends, 1);
}
END_TEST

/* What came between the last look and the arming is not lost. */
START_TEST(armed_too_late)
{
	unsigned int armed = alice->armed;

	alice->arm_again = 1;
	send_now();
	broker_ops.kicked(fake.broker);
	ck_assert_uint_eq(alice->armed, armed + 2);
	ck_assert(!fake.broker->scheduled);
}
END_TEST

START_TEST(pages_for_the_starved)
{
	unsigned int nr = 0;

	while (device_rx_posted(bob, UINT32_MAX) > VMSGIF_RX_RESERVE) {
		send_now();
		broker_ops.kicked(fake.broker);
		ck_assert_uint_lt(nr++, 1000);
	}
	ck_assert_ptr_null(fake.asked_pages);
	fake.broker->busy_poll.vain = 0;
	send_now();
	broker_ops.kicked(fake.broker);
	ck_assert_int_eq(fake_status(alice, last), FAKE_UNANSWERED);
	ck_assert_ptr_eq(fake.asked_pages, bob);
}
END_TEST

/* The rest of the event loop gets its round, and then it goes on. */
START_TEST(so_many_turns)
{
	uint64_t turns = fake.broker->turns;

	look_on(2, 1000);
	send_now();
	broker_ops.kicked(fake.broker);
	ck_assert_uint_eq(fake.broker->turns, turns + BUSY_TURNS);
	ck_assert(fake.broker->scheduled);
	fake_post(bob, 192);
	sends = 3;
	while (fake.broker->scheduled)
		ck_assert_int_ge(sd_event_run(fake.event, 0), 0);
	ck_assert_uint_eq(sends, 0);
	ck_assert_int_eq(fake_status(alice, last), 0);
	ck_assert(list_empty(&fake.broker->watched));
}
END_TEST

static unsigned int looks_of_a_turn(void)
{
	unsigned int before = fake.looks;

	send_now();
	broker_ops.kicked(fake.broker);
	return fake.looks - before;
}

START_TEST(off_if_in_vain)
{
	unsigned int armed;

	for (unsigned int i = 0; i < BUSY_PATIENCE; i++)
		ck_assert_uint_eq(looks_of_a_turn(), 64);
	armed = alice->armed;
	for (unsigned int i = 1; i < BUSY_RETRY; i++)
		ck_assert_uint_eq(looks_of_a_turn(), 0);
	ck_assert_uint_eq(alice->armed, armed + BUSY_RETRY - 1);
	/* One try; if that finds something, it is on again. */
	look_on(3, 1);
	ck_assert_uint_ge(looks_of_a_turn(), 64);
	fake_post(bob, 64);
	ck_assert_uint_eq(looks_of_a_turn(), 64);
}
END_TEST

/* What a device that waits for tokens has in its ring is no reason to have turns. */
START_TEST(waits_for_tokens)
{
	uint64_t turns;

	list_move_tail(&fake.broker->stalled, &fake_peer(bob)->kicked);
	bob->in_end++;
	turns = fake.broker->turns;
	send_now();
	broker_ops.kicked(fake.broker);
	ck_assert_uint_le(fake.broker->turns, turns + 2);
	ck_assert(!fake.broker->scheduled);
	ck_assert(list_empty(&fake.broker->watched));
	list_del(&fake_peer(bob)->kicked);
	bob->in_end--;
}
END_TEST

START_TEST(not_wanted)
{
	fake.broker->config->busy_poll = 0;
	ck_assert_uint_eq(looks_of_a_turn(), 0);
	ck_assert(list_empty(&fake.broker->watched));
}
END_TEST

/* A device that goes is looked at no more. */
START_TEST(gone_meanwhile)
{
	look_on(2, 1000);
	send_now();
	broker_ops.kicked(fake.broker);
	ck_assert(!list_empty(&fake.broker->watched));
	broker_ops.down(fake.broker, alice, alice->addr);
	broker_ops.gone(fake.broker, alice);
	broker_ops.gone(fake.broker, bob);
	ck_assert(list_empty(&fake.broker->watched));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("broker-busy");
	TCase *t = tcase_create("busy");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, found_by_a_look);
	tcase_add_test(t, so_many_looks);
	tcase_add_test(t, armed_too_late);
	tcase_add_test(t, pages_for_the_starved);
	tcase_add_test(t, so_many_turns);
	tcase_add_test(t, off_if_in_vain);
	tcase_add_test(t, waits_for_tokens);
	tcase_add_test(t, not_wanted);
	tcase_add_test(t, gone_meanwhile);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return fake_run(suite());
}
