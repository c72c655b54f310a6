// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A name that several have, as the processes of the broker's domain do: whom it
 * means, whose service it is, and what subscribers are told.
 */
#include "tests/unit/fake-guests.h"

#define LOCAL(slot) (0x8000u + (slot))

static struct device *alice, *first, *second, *third;

static struct device *local(unsigned int slot)
{
	return fake_guest((uint16_t)LOCAL(slot), "Domain-0", 64);
}

static void setup(void)
{
	fake_init(FAKE_OPEN);
	alice = fake_guest(1, "alice", 64);
	first = local(0);
	second = local(1);
	fake_clear();
}

static void teardown(void)
{
	fake_fini();
}

/* What alice hears of @text now. */
static uint32_t found(const char *text, int status)
{
	uint16_t id = fake_name_op(alice, VMSGIF_OP_RESOLVE, text);

	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), status);
	return fake_answer(alice, id)->addr;
}

/* The last that is READY. */
START_TEST(means_the_last_one)
{
	ck_assert_uint_eq(found("Domain-0", 0), second->addr);
	third = fake_device(LOCAL(2), "Domain-0");
	fake_connect(third);
	fake_post(third, 64);
	fake_turns();
	ck_assert_uint_eq(found("Domain-0", 0), second->addr);
	fake_ready(third);
	fake_turns();
	ck_assert_uint_eq(found("Domain-0", 0), third->addr);
	fake_down(third);
	ck_assert_uint_eq(found("Domain-0", 0), second->addr);
	fake_down(second);
	ck_assert_uint_eq(found("Domain-0", 0), first->addr);
	fake_down(first);
	ck_assert_uint_eq(found("Domain-0", VMSGIF_EHOSTUNREACH), 0);
}
END_TEST

START_TEST(services_are_found_anywhere)
{
	uint16_t id;

	fake_bind(first, 17, 1000, "clock");
	fake_bind(second, 8, 1000, "log");
	fake_turns();
	ck_assert_uint_eq(found("clock@Domain-0", 0), first->addr);
	ck_assert_uint_eq(found("log@Domain-0", 0), second->addr);
	ck_assert_uint_eq(found("none@Domain-0", VMSGIF_EHOSTUNREACH), 0);
	ck_assert_uint_eq(found("clock@alice", VMSGIF_EHOSTUNREACH), 0);
	/* One has it, until it unbinds or dies. */
	id = fake_bind(second, 9, 1000, "clock");
	fake_turns();
	ck_assert_int_eq(fake_status(second, id), VMSGIF_EADDRINUSE);
	/* It is another one at another name; and numbers are each one's own. */
	id = fake_bind(alice, 9, 1000, "clock");
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), 0);
	id = fake_bind(second, 17, 1000, NULL);
	fake_turns();
	ck_assert_int_eq(fake_status(second, id), 0);
	fake_down(first);
	ck_assert_uint_eq(found("clock@Domain-0", VMSGIF_EHOSTUNREACH), 0);
	id = fake_bind(second, 9, 1000, "clock");
	fake_turns();
	ck_assert_int_eq(fake_status(second, id), 0);
	ck_assert_uint_eq(found("clock@Domain-0", 0), second->addr);
	fake_port_op(second, VMSGIF_OP_UNBIND, 9, 0);
	fake_turns();
	ck_assert_uint_eq(found("clock@Domain-0", VMSGIF_EHOSTUNREACH), 0);
}
END_TEST

/* Domains without a name do not share one. */
START_TEST(no_name_is_no_name)
{
	struct device *a = fake_guest(4, "", 64), *b = fake_guest(5, "", 64);
	uint16_t id;

	fake_bind(a, 17, 1000, "clock");
	id = fake_bind(b, 17, 1000, "clock");
	fake_turns();
	ck_assert_int_eq(fake_status(b, id), 0);
	id = fake_bind(b, 8, 1000, "clock");
	fake_turns();
	ck_assert_int_eq(fake_status(b, id), VMSGIF_EADDRINUSE);
}
END_TEST

static uint16_t ask(const char *text)
{
	uint16_t id = fake_name_op(alice, VMSGIF_OP_RESOLVE, text);

	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), FAKE_UNANSWERED);
	return id;
}

/* After a restart, who may have had the service is waited for, one after the other. */
START_TEST(services_come_back)
{
	struct device *a = fake_device(LOCAL(4), "Domain-0"),
		      *b = fake_device(LOCAL(5), "Domain-0");
	uint16_t id, in_vain;

	fake_awaited(a);
	fake_awaited(b);
	id = ask("clock@Domain-0");
	in_vain = ask("none@Domain-0");
	/* One that is READY is found at once. */
	ck_assert_uint_eq(found("Domain-0", 0), second->addr);
	fake_connect(a);
	fake_post(a, 64);
	fake_ready(a);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), FAKE_UNANSWERED);
	fake_connect(b);
	fake_post(b, 64);
	fake_bind(b, 7, 1000, "clock");
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), FAKE_UNANSWERED);
	fake_ready(b);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), 0);
	ck_assert_uint_eq(fake_answer(alice, id)->addr, b->addr);
	ck_assert_uint_eq(fake_answer(alice, id)->port, 7);
	ck_assert_int_eq(fake_status(alice, in_vain), VMSGIF_EHOSTUNREACH);
}
END_TEST

/* Or they die, and what waited for one goes on with the next. */
START_TEST(services_do_not_come_back)
{
	struct device *a = fake_device(LOCAL(4), "Domain-0"),
		      *b = fake_device(LOCAL(5), "Domain-0");
	uint16_t id;

	fake_awaited(a);
	fake_awaited(b);
	id = ask("clock@Domain-0");
	fake_down(a);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), FAKE_UNANSWERED);
	fake_down(b);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), VMSGIF_EHOSTUNREACH);
}
END_TEST

/* A newcomer that never says READY keeps nobody waiting. */
START_TEST(newcomers_are_not_waited_for)
{
	third = fake_device(LOCAL(2), "Domain-0");
	fake_connect(third);
	fake_turns();
	ck_assert_uint_eq(found("none@Domain-0", VMSGIF_EHOSTUNREACH), 0);
	ck_assert_uint_eq(found("Domain-0", 0), second->addr);
}
END_TEST

static void expect_up(unsigned int n, uint32_t addr)
{
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_UP), n);
	ck_assert_uint_eq(fake_rx(alice, VMSGIF_RX_PEER_UP, n - 1)->addr, addr);
}

START_TEST(subscribers_follow_the_meaning)
{
	uint32_t first_addr = first->addr, second_addr = second->addr;

	fake_name_op(alice, VMSGIF_OP_SUBSCRIBE, "Domain-0");
	fake_turns();
	expect_up(1, second_addr);
	third = local(2);
	fake_turns();
	expect_up(2, third->addr);
	/* It was not meant any more. */
	fake_down(second);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_DOWN), 0);
	fake_down(third);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_DOWN), 1);
	expect_up(3, first_addr);
	ck_assert_int_lt(fake_rx_at(alice, VMSGIF_RX_PEER_DOWN, 0),
			 fake_rx_at(alice, VMSGIF_RX_PEER_UP, 2));
	fake_down(first);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_DOWN), 2);
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_UP), 3);
}
END_TEST

/* All of it before alice takes anything: what is told last is what holds. */
START_TEST(subscribers_that_look_late)
{
	struct device *bob = fake_guest(2, "bob", 0);

	fake_name_op(bob, VMSGIF_OP_SUBSCRIBE, "Domain-0");
	fake_turns();
	third = local(2);
	fake_down(third);
	fake_turns();
	fake_post(bob, 8);
	fake_turns();
	ck_assert_uint_ge(fake_rx_count(bob, VMSGIF_RX_PEER_UP), 1);
	ck_assert_uint_eq(
		fake_rx(bob, VMSGIF_RX_PEER_UP, fake_rx_count(bob, VMSGIF_RX_PEER_UP) - 1)->addr,
		second->addr);
}
END_TEST

/* Many services in the same buckets. */
START_TEST(many_services)
{
	char name[32];

	for (uint32_t i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "service-%u", i);
		fake_bind(i % 2 ? first : second, 100 + i, 1000, name);
		fake_turns();
		fake_clear();
	}
	for (uint32_t i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "service-%u@Domain-0", i);
		ck_assert_uint_eq(found(name, 0), (i % 2 ? first : second)->addr);
		fake_clear();
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("broker-names");
	TCase *t = tcase_create("names");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, means_the_last_one);
	tcase_add_test(t, services_are_found_anywhere);
	tcase_add_test(t, no_name_is_no_name);
	tcase_add_test(t, services_come_back);
	tcase_add_test(t, services_do_not_come_back);
	tcase_add_test(t, newcomers_are_not_waited_for);
	tcase_add_test(t, subscribers_follow_the_meaning);
	tcase_add_test(t, subscribers_that_look_late);
	tcase_add_test(t, many_services);
	suite_add_tcase(suite, t);
	return fake_run(suite);
}
