// SPDX-License-Identifier: GPL-2.0-or-later
/* What Domains, Pools, Flows and Metrics say over the control socket. */
#include "tests/unit/control-bed.h"

#include "broker/reload.h"
#include "broker/snapshot.h"

/* The answer as text: values in a row, containers in brackets. */
static char text[1 << 20];
static size_t at;

static void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	at += (size_t)vsnprintf(text + at, sizeof(text) - at, fmt, args);
	va_end(args);
	ck_assert_uint_lt(at, sizeof(text));
}

static void read_all(sd_bus_message *m)
{
	const char *contents;
	char type;
	union {
		const char *s;
		uint64_t t;
		uint32_t u;
		uint16_t q;
		int b;
	} v;

	while (sd_bus_message_peek_type(m, &type, &contents) > 0) {
		if (contents) {
			sd_bus_message_enter_container(m, type, contents);
			say("(");
			read_all(m);
			say(")");
			sd_bus_message_exit_container(m);
			continue;
		}
		v.t = 0;
		ck_assert_int_gt(sd_bus_message_read_basic(m, type, &v), 0);
		if (type == 's')
			say("'%s' ", v.s);
		else
			say("%llu ", (unsigned long long)v.t);
	}
}

static void ask(sd_bus *bus, const char *method, const char *domain)
{
	sd_bus_message *reply = domain ? call_with(bus, method, "s", domain) : call(bus, method);

	ck_assert_ptr_null(sd_bus_message_get_error(reply));
	at = 0;
	read_all(reply);
	sd_bus_message_unref(reply);
}

static void has(const char *what)
{
	ck_assert_msg(strstr(text, what) != NULL, "%s\nnot in\n%s", what, text);
}

static sd_bus *begin(void)
{
	sd_bus *bus;

	control_serve(control, fake.broker);
	ck_assert_int_eq(broker_reconfigure(fake.broker,
					    fake_config("[devices]\ndomains = *\n"
							"[label pair]\ndomains = alice bob\n"
							"[label b]\ndomains = b*\n"
							"[allow any]\nfrom = @pair\nto = *\n"
							"modes = copy map\n")),
			 0);
	bus = open_bus();
	return bus;
}

START_TEST(before_the_start)
{
	sd_bus *bus = open_bus();
	sd_bus_message *reply;

	for (const char *const *m = (const char *[]){ "Domains", "Pools", "Metrics", NULL }; *m;
	     m++) {
		reply = call(bus, *m);
		ck_assert_ptr_nonnull(strstr(sd_bus_message_get_error(reply)->message, "starting"));
		sd_bus_message_unref(reply);
	}
	sd_bus_flush_close_unref(bus);
}
END_TEST

START_TEST(domains)
{
	sd_bus *bus = begin();

	fake_bind(bob, 9, 200, "log");
	fake_port_op(bob, VMSGIF_OP_UNBIND, 9, 0);
	fake_bind(bob, 10, 5000, "echo");
	fake_send(alice, bob, 10, "hello");
	fake_turns();
	ask(bus, "Domains", NULL);
	has("(1 ");
	has("'alice' 'ready' (('sent-inline-messages' 1 )");
	has(")('pair' )(");
	has(")('pair' 'b' )(");
	snprintf(text + sizeof(text) / 2, 100, "(10 'echo' %u %u 0 0 )", VMSGIF_MESSAGE_MAX,
		 (unsigned int)(5000 - VMSGIF_MSG_COST(5)));
	has(text + sizeof(text) / 2);
	sd_bus_flush_close_unref(bus);
}
END_TEST

START_TEST(flows)
{
	sd_bus *bus = begin();
	struct device *carol = fake_guest(3, "carol", 8);
	char line[200];

	fake_bind(bob, 9, 0, "log");
	fake_send(alice, bob, 7, "hello");
	fake_send(alice, bob, 7, "again");
	fake_send(alice, bob, 9, "waits");
	fake_send(bob, alice, 7, "x");
	fake_turns();
	ask(bus, "Flows", "");
	snprintf(line, sizeof(line), "(%u 'alice' %u 'bob' 7 '' 'any' 'copy map' 0 0 0 0 2 10 )",
		 alice->addr, bob->addr);
	has(line);
	has("'bob' 9 'log' 'any' 'copy map' 1 5 1 0 0 0 )");
	ask(bus, "Flows", "carol");
	ck_assert_str_eq(text, "()0 ");
	fake_send(alice, carol, 7, "x");
	fake_turns();
	/* By domid, and as a receiver. */
	ask(bus, "Flows", "3");
	has("'alice' ");
	has("'carol' 7 '' 'any' 'copy map' 0 0 0 0 1 1 )");
	ck_assert_ptr_null(strstr(text, "'bob'"));
	sd_bus_flush_close_unref(bus);
}
END_TEST

/* A domain can have FLOWS_MAX of them; more than the answer holds are left out, and said to be. */
START_TEST(flows_are_bounded)
{
	sd_bus *bus = begin();
	unsigned int rows = 0;

	fake.broker->config->max_ports = 2 * FLOWS_MAX;
	for (unsigned int i = 0; i < FLOWS_MAX; i++) {
		fake_bind(bob, 1000 + i, 1 << 20, NULL);
		if (i % 32 == 31)
			fake_turns();
	}
	for (unsigned int n = 0; n < 6; n++) {
		struct device *dev = fake_guest((uint16_t)(10 + n), "alice", 0);

		for (unsigned int i = 0; i < FLOWS_MAX; i++) {
			fake_send(dev, bob, 1000 + i, "x");
			if (i % 32 != 31)
				continue;
			fake_post(bob, 32);
			fake_turns();
		}
		fake_clear();
	}
	ask(bus, "Flows", "bob");
	for (const char *s = text; (s = strstr(s, " 'any' ")); s++)
		rows++;
	ck_assert_uint_eq(rows, SNAPSHOT_ROWS);
	ck_assert_str_eq(text + at - 2, "1 ");
	sd_bus_flush_close_unref(bus);
}
END_TEST

START_TEST(pools)
{
	sd_bus *bus = begin();
	char line[200];

	fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 2, bob, 7);
	fake_turns();
	ask(bus, "Pools", NULL);
	has("'bob' 7 'offered' 0 0 )");
	fake_ack(bob, alice->addr, 2, 0);
	fake_send_map(alice, bob, 7, 2, 0, 100);
	fake_turns();
	ask(bus, "Pools", NULL);
	snprintf(line, sizeof(line), "((%u 'alice' 2 16 %u 'bob' 7 'mapped' 1 0 ))0 ", alice->addr,
		 bob->addr);
	ck_assert_str_eq(text, line);
	fake.fate = DOMAIN_DYING;
	snprintf(line, sizeof(line), "((%u 'alice' 2 16 %u 'bob' 7 'dead' 0 ", alice->addr,
		 bob->addr);
	fake_down(alice);
	fake_turns();
	ask(bus, "Pools", NULL);
	has(line);
	fake.fate = DOMAIN_GONE;
	ask(bus, "Pools", NULL);
	ck_assert_str_eq(text, "()0 ");
	sd_bus_flush_close_unref(bus);
}
END_TEST

START_TEST(metrics)
{
	sd_bus *bus = begin();

	ask(bus, "Metrics", NULL);
	has("# TYPE xenmsg_up gauge\nxenmsg_up 1\n");
	sd_bus_flush_close_unref(bus);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("broker-lists");
	TCase *t = tcase_create("lists");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, before_the_start);
	tcase_add_test(t, domains);
	tcase_add_test(t, flows);
	tcase_add_test(t, flows_are_bounded);
	tcase_add_test(t, pools);
	tcase_add_test(t, metrics);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return fake_run(suite());
}
