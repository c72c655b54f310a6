// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who lived under an earlier broker, or has not said READY for another reason:
 * messages wait, and are judged when it is known what for.
 */
#include "tests/unit/fake-guests.h"

static struct device *alice;

static void begin(const char *config)
{
	fake_init(config);
	alice = fake_guest(1, "alice", 64);
	fake_guest(2, "bob", 64);
	fake_clear();
}

static void setup(void)
{
	begin(FAKE_OPEN);
}

static void teardown(void)
{
	fake_fini();
}

static struct device *carol;

static void await_carol(void)
{
	carol = fake_device(3, "carol");
	fake_awaited(carol);
}

static void carol_returns(void)
{
	uint32_t addr = carol->addr;

	fake_connect(carol);
	ck_assert_uint_eq(carol->addr, addr);
	fake_post(carol, 32);
}

START_TEST(messages_wait)
{
	uint16_t bound, unbound, late;

	await_carol();
	bound = fake_send(alice, carol, 7, "1");
	unbound = fake_send(alice, carol, 8, "2");
	fake_turns();
	carol_returns();
	late = fake_send(alice, carol, 7, "3");
	fake_bind(carol, 7, 1000, NULL);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, bound), FAKE_UNANSWERED);
	ck_assert_uint_eq(fake_rx_count(carol, VMSGIF_RX_MESSAGE), 0);
	fake_ready(carol);
	fake_ready(carol);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, bound), 0);
	ck_assert_int_eq(fake_status(alice, late), 0);
	ck_assert_int_eq(fake_status(alice, unbound), VMSGIF_ECONNREFUSED);
	ck_assert_uint_eq(fake_rx(carol, VMSGIF_RX_MESSAGE, 0)->seq, 1);
	ck_assert_uint_eq(fake_rx(carol, VMSGIF_RX_MESSAGE, 1)->seq, 3);
}
END_TEST

/* What a port takes, and whether by which service, is known with its BIND. */
START_TEST(judged_at_bind)
{
	uint16_t fits, longer, other, number, map;
	struct fake_request *in;

	fake_fini();
	begin("[devices]\ndomains = *\n"
	      "[allow service]\nfrom = alice\nto = carol\nports = log\nmodes = copy map\n"
	      "[allow number]\nfrom = alice\nto = carol\nports = 9\n");
	await_carol();
	fits = fake_send_pages(alice, carol, 7, 0, 100);
	longer = fake_send_pages(alice, carol, 7, 0, 200);
	other = fake_send(alice, carol, 8, "x");
	number = fake_send(alice, carol, 9, "x");
	map = fake_send_map(alice, carol, 9, 0, 0, 1);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, other), FAKE_UNANSWERED);
	ck_assert_int_eq(fake_status(alice, map), VMSGIF_EFAULT); /* no such pool */
	carol_returns();
	fake_bind(carol, 7, 100000, "log");
	in = &carol->in[(carol->in_end - 1) % FAKE_SLOTS];
	in->req.max_len = 100;
	fake_bind(carol, 8, 100000, "spool");
	fake_bind(carol, 9, 100000, NULL);
	fake_ready(carol);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, fits), 0);
	ck_assert_int_eq(fake_status(alice, longer), VMSGIF_EMSGSIZE);
	ck_assert_int_eq(fake_status(alice, other), VMSGIF_EACCES);
	ck_assert_int_eq(fake_status(alice, number), 0);
}
END_TEST

/* Nobody bound the service that alone would have been allowed. */
START_TEST(judged_at_ready)
{
	uint16_t id, map;

	fake_fini();
	begin("[devices]\ndomains = *\n"
	      "[allow service]\nfrom = alice\nto = carol\nports = log\nmodes = map\n");
	await_carol();
	fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 0, carol, 8);
	map = fake_send_map(alice, carol, 8, 0, 0, 1);
	id = fake_send(alice, carol, 8, "x");
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), VMSGIF_EACCES);
	ck_assert_int_eq(fake_status(alice, map), FAKE_UNANSWERED);
	carol_returns();
	fake_ready(carol);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, map), VMSGIF_EACCES);
}
END_TEST

START_TEST(awaited_in_vain)
{
	uint16_t id;

	await_carol();
	id = fake_send(alice, carol, 7, "1");
	fake_turns();
	fake_down(carol);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), VMSGIF_EHOSTDOWN);
	/* Nobody had heard of her. */
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_DOWN), 0);
}
END_TEST

START_TEST(waiting_sender_dies)
{
	await_carol();
	fake_send(alice, carol, 7, "1");
	fake_send(alice, carol, 8, "1");
	fake_turns();
	fake_down(alice);
	carol_returns();
	fake_bind(carol, 7, 1000, NULL);
	fake_ready(carol);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(carol, VMSGIF_RX_MESSAGE), 0);
	ck_assert_uint_eq(fake_peer(carol)->queue.messages, 0);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("broker-awaited");
	TCase *t = tcase_create("awaited");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, messages_wait);
	tcase_add_test(t, judged_at_bind);
	tcase_add_test(t, judged_at_ready);
	tcase_add_test(t, awaited_in_vain);
	tcase_add_test(t, waiting_sender_dies);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return fake_run(suite());
}
