// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Addresses, names, ports and flows; SENDs to somebody who is not there; ports
 * that come, wait and go.
 */
#include "tests/unit/fake-guests.h"

static struct device *alice, *bob;

static void begin(const char *config)
{
	fake_init(config);
	alice = fake_guest(1, "alice", 64);
	bob = fake_guest(2, "bob", 64);
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

/* --------------------------------------------------------- addresses, names */

START_TEST(addresses)
{
	struct route *route = &fake.broker->route;
	uint32_t old = bob->addr;

	ck_assert_ptr_eq(route_peer(route, bob->addr), fake_peer(bob));
	ck_assert_ptr_null(route_peer(route, VMSGIF_ADDR(1, 2)));
	ck_assert_ptr_null(route_peer(route, VMSGIF_ADDR(1, 3)));
	ck_assert_str_eq(route_old_name(route, VMSGIF_ADDR(1, 2)), "bob");
	ck_assert_str_eq(route_old_name(route, VMSGIF_ADDR(1, 3)), "");
	fake_down(bob);
	ck_assert_ptr_null(route_peer(route, old));
	ck_assert_str_eq(route_old_name(route, old), "bob");
	ck_assert_str_eq(route_old_name(route, VMSGIF_ADDR(1, 2)), "");
	fake_connect(bob);
	ck_assert_uint_ne(bob->addr, old);
	ck_assert_str_eq(route_old_name(route, old), "bob");
	ck_assert_uint_eq(route->nr_peers, 2);
	/* The counter of generations has come round. */
	fake_down(bob);
	fake.generation = (uint16_t)(VMSGIF_ADDR_GEN(old) - 1);
	fake_connect(bob);
	ck_assert_uint_eq(bob->addr, old);
	ck_assert_ptr_nonnull(route_peer(route, old));
}
END_TEST

/* Two domains of one name, as during a migration: the newer one is meant. */
START_TEST(names)
{
	struct route *route = &fake.broker->route;
	struct device *second = fake_guest(3, "bob", 8);

	ck_assert_ptr_eq(name_peer(name_find(route, "bob")), fake_peer(second));
	fake_down(second);
	ck_assert_ptr_eq(name_peer(name_find(route, "bob")), fake_peer(bob));
	fake_down(bob);
	ck_assert_ptr_null(name_find(route, "bob"));
	ck_assert_ptr_null(name_find(route, "carol"));
}
END_TEST

START_TEST(many_names)
{
	struct device *dev[50];
	char name[32];

	for (unsigned int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "domain-%u", i);
		dev[i] = fake_guest((uint16_t)(100 + i), name, 0);
	}
	for (unsigned int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "domain-%u", i);
		ck_assert_ptr_eq(name_peer(name_find(&fake.broker->route, name)),
				 fake_peer(dev[i]));
	}
}
END_TEST

START_TEST(nameless)
{
	struct device *dev = fake_guest(3, "", 8);
	uint16_t id = fake_send(alice, dev, 7, "x");

	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), 0);
	fake_down(dev);
}
END_TEST

/* -------------------------------------------------------------------- ports */

START_TEST(bind_mistakes)
{
	struct fake_request *in;
	uint16_t ids[6];

	fake.broker->config->max_ports = 3;
	fake_bind(bob, 10, 0, "log");
	ids[0] = fake_bind(bob, 7, 0, NULL);
	ids[1] = fake_bind(bob, 11, 0, "log");
	ids[2] = fake_bind(bob, 11, 0, "log@bob");
	in = fake_put(bob, VMSGIF_OP_BIND);
	in->req.port = 11;
	in->req.max_len = VMSGIF_MESSAGE_MAX + 1;
	ids[3] = in->req.id;
	fake_bind(bob, 12, 0, NULL);
	ids[4] = fake_bind(bob, 13, 0, NULL);
	fake_turns();
	ck_assert_int_eq(fake_status(bob, ids[0]), VMSGIF_EADDRINUSE);
	ck_assert_int_eq(fake_status(bob, ids[1]), VMSGIF_EADDRINUSE);
	ck_assert_int_eq(fake_status(bob, ids[2]), VMSGIF_EINVAL);
	ck_assert_int_eq(fake_status(bob, ids[3]), VMSGIF_EINVAL);
	ck_assert_int_eq(fake_status(bob, ids[4]), VMSGIF_ENOBUFS);
	ids[0] = fake_port_op(bob, VMSGIF_OP_CREDIT, 99, 1);
	ids[1] = fake_port_op(bob, VMSGIF_OP_UNBIND, 99, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(bob, ids[0]), VMSGIF_EINVAL);
	ck_assert_int_eq(fake_status(bob, ids[1]), VMSGIF_EINVAL);
}
END_TEST

/* The same name with another domain is another service. */
START_TEST(ports_are_of_a_domain)
{
	uint16_t a = fake_bind(alice, 10, 0, "log"), b = fake_bind(bob, 10, 0, "log");

	fake_turns();
	ck_assert_int_eq(fake_status(alice, a), 0);
	ck_assert_int_eq(fake_status(bob, b), 0);
	ck_assert_uint_eq(port_find_service(fake_peer(bob), "log")->number, 10);
	ck_assert_ptr_null(port_find_service(fake_peer(bob), "lo"));
}
END_TEST

START_TEST(bound_anew)
{
	uint16_t id;

	fake_send(alice, bob, 7, "1");
	fake_turns();
	fake_port_op(bob, VMSGIF_OP_UNBIND, 7, 0);
	fake_turns();
	id = fake_send(alice, bob, 7, "2");
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), VMSGIF_ECONNREFUSED);
	/* Credit counts from BIND. */
	fake_bind(bob, 7, VMSGIF_MSG_COST(1), NULL);
	id = fake_send(alice, bob, 7, "3");
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), 0);
	id = fake_send(alice, bob, 7, "4");
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), FAKE_UNANSWERED);
}
END_TEST

START_TEST(too_long_for_the_port)
{
	struct fake_request *in = fake_put(bob, VMSGIF_OP_BIND);
	uint16_t fits, exceeds;

	in->req.port = 8;
	in->req.max_len = 100;
	in->req.credit = 1000000;
	fake_turns();
	fits = fake_send_pages(alice, bob, 8, 0, 100);
	exceeds = fake_send_pages(alice, bob, 8, 0, 101);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, fits), 0);
	ck_assert_int_eq(fake_status(alice, exceeds), VMSGIF_EMSGSIZE);
}
END_TEST

/* ------------------------------------------------------------ who is not there */

START_TEST(not_there)
{
	struct device gone = { .addr = bob->addr }, never = { .addr = VMSGIF_ADDR(5, 77) };
	uint16_t ids[4];

	ids[0] = fake_send(alice, bob, 8, "x");
	ids[1] = fake_send(alice, &never, 7, "x");
	fake_turns();
	fake_down(bob);
	ids[2] = fake_send(alice, &gone, 7, "x");
	fake_turns();
	fake_connect(bob);
	ids[3] = fake_send(alice, &gone, 7, "x");
	fake_turns();
	ck_assert_int_eq(fake_status(alice, ids[0]), VMSGIF_ECONNREFUSED);
	ck_assert_ptr_nonnull(strstr(fake.lines, "domain=1 rule=\"port is not bound\" refused "
						 "from=alice(1)"));
	ck_assert_ptr_nonnull(strstr(fake.lines, "rule=\"address is gone\""));
	for (unsigned int i = 1; i < 4; i++)
		ck_assert_int_eq(fake_status(alice, ids[i]), VMSGIF_EHOSTUNREACH);
}
END_TEST

/* Who may not talk to somebody cannot tell whether he is there. */
START_TEST(denied_looks_like_not_there)
{
	struct device gone, never = { .addr = VMSGIF_ADDR(5, 77) }, *mallory;
	uint16_t ids[4];

	fake_fini();
	begin("[devices]\ndomains = *\n"
	      "[allow a-to-b]\nfrom = alice\nto = bob\n"
	      "[allow m-to-c]\nfrom = mallory\nto = carol\n");
	mallory = fake_guest(5, "mallory", 8);
	gone = *bob;
	ids[0] = fake_send(mallory, bob, 7, "x");
	ids[1] = fake_send(mallory, bob, 99, "x");
	ids[2] = fake_send(mallory, &never, 7, "x");
	fake_turns();
	fake_down(bob);
	ids[3] = fake_send(mallory, &gone, 7, "x");
	fake_turns();
	for (unsigned int i = 0; i < 4; i++)
		ck_assert_int_eq(fake_status(mallory, ids[i]), VMSGIF_EACCES);
	ck_assert_ptr_nonnull(strstr(fake.lines, "rule=\"default\" refused from=mallory(5) "
						 "to=bob(2) port=7 mode=copy"));
	ck_assert_uint_eq(fake.broker->config->policy.default_refused, 4);
	/* To who may, it is told. */
	ids[0] = fake_send(alice, &gone, 7, "x");
	fake_turns();
	ck_assert_int_eq(fake_status(alice, ids[0]), VMSGIF_EHOSTUNREACH);
}
END_TEST

START_TEST(mode_is_refused_by_its_rule)
{
	uint16_t copy, map;

	fake_fini();
	begin("[devices]\ndomains = *\n[allow a-to-b]\nfrom = alice\nto = bob\n");
	map = fake_send_map(alice, bob, 7, 0, 0, 1);
	copy = fake_send(alice, bob, 7, "x");
	fake_turns();
	ck_assert_int_eq(fake_status(alice, map), VMSGIF_EACCES);
	ck_assert_int_eq(fake_status(alice, copy), 0);
	/* Now that the flow is known. */
	map = fake_send_map(alice, bob, 7, 0, 0, 1);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, map), VMSGIF_EACCES);
	ck_assert_ptr_nonnull(strstr(fake.lines, "rule=\"a-to-b\" refused from=alice(1)"));
}
END_TEST

START_TEST(sequence_numbers_rise)
{
	uint16_t id = fake_send(alice, bob, 7, "x");

	alice->seq--;
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), 0);
	id = fake_send(alice, bob, 7, "x");
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), VMSGIF_EINVAL);
}
END_TEST

/* --------------------------------------------------------------------- flows */

/* The policy is asked once; the flow goes with its port. */
START_TEST(flow_is_remembered)
{
	struct flow *flow;

	fake_bind(bob, 8, 1000000, NULL);
	fake_send(alice, bob, 7, "x");
	fake_send(alice, bob, 8, "x");
	fake_send(alice, bob, 7, "x");
	fake_turns();
	flow = flow_find(fake_peer(alice), bob->addr, 7);
	ck_assert_ptr_nonnull(flow);
	ck_assert_ptr_eq(fake_peer(alice)->last_flow, flow);
	ck_assert_uint_eq(fake_peer(alice)->nr_flows, 2);
	fake_port_op(bob, VMSGIF_OP_UNBIND, 7, 0);
	fake_turns();
	ck_assert_ptr_null(flow_find(fake_peer(alice), bob->addr, 7));
	ck_assert_ptr_null(fake_peer(alice)->last_flow);
}
END_TEST

/* What was delivered is counted with the flow and with the rule that allowed it; failures are not. */
START_TEST(deliveries_are_counted)
{
	const struct rule *rule = policy_rule(&fake.broker->config->policy, "any");
	const struct flow *flow;

	alice->bad_tx[3] = true;
	fake_send(alice, bob, 7, "hello");
	fake_send_pages(alice, bob, 7, 0, 5000);
	fake_send_pages(alice, bob, 7, 3, 100);
	fake_send(bob, alice, 7, "x");
	fake_turns();
	flow = flow_find(fake_peer(alice), bob->addr, 7);
	ck_assert_uint_eq(flow->messages, 2);
	ck_assert_uint_eq(flow->bytes, 5005);
	ck_assert_uint_eq(rule->delivered.messages[WAY_INLINE], 2);
	ck_assert_uint_eq(rule->delivered.messages[WAY_COPY], 1);
	ck_assert_uint_eq(rule->delivered.bytes[WAY_COPY], 5000);
}
END_TEST

/* So many are remembered; those with messages are never forgotten. */
START_TEST(flows_are_bounded)
{
	uint16_t waiting, id;

	fake.broker->config->max_ports = 2 * FLOWS_MAX;
	fake_bind(bob, 10, 0, NULL);
	waiting = fake_send(alice, bob, 10, "x");
	for (unsigned int i = 0; i < FLOWS_MAX + 20; i++) {
		fake_bind(bob, 1000 + i, 1000, NULL);
		id = fake_send(alice, bob, 1000 + i, "x");
		fake_post(bob, 1);
		fake_turns();
		ck_assert_int_eq(fake_status(alice, id), 0);
	}
	ck_assert_uint_eq(fake_peer(alice)->nr_flows, FLOWS_MAX);
	ck_assert_ptr_nonnull(flow_find(fake_peer(alice), bob->addr, 10));
	ck_assert_ptr_null(flow_find(fake_peer(alice), bob->addr, 1000));
	fake_port_op(bob, VMSGIF_OP_CREDIT, 10, 1000);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, waiting), 0);
}
END_TEST

START_TEST(to_oneself)
{
	uint16_t id = fake_send(alice, alice, 7, "x");

	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), 0);
	fake_send(alice, alice, 7, "x");
	turn_run(fake.broker);
	fake_down(alice);
	ck_assert_uint_eq(fake.broker->route.nr_peers, 1);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("broker-route");
	TCase *t = tcase_create("names");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, addresses);
	tcase_add_test(t, names);
	tcase_add_test(t, many_names);
	tcase_add_test(t, nameless);
	suite_add_tcase(s, t);

	t = tcase_create("ports");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, bind_mistakes);
	tcase_add_test(t, ports_are_of_a_domain);
	tcase_add_test(t, bound_anew);
	tcase_add_test(t, too_long_for_the_port);
	suite_add_tcase(s, t);

	t = tcase_create("destinations");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, not_there);
	tcase_add_test(t, denied_looks_like_not_there);
	tcase_add_test(t, mode_is_refused_by_its_rule);
	tcase_add_test(t, sequence_numbers_rise);
	suite_add_tcase(s, t);

	t = tcase_create("flows");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, flow_is_remembered);
	tcase_add_test(t, deliveries_are_counted);
	tcase_add_test(t, flows_are_bounded);
	tcase_add_test(t, to_oneself);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return fake_run(suite());
}
