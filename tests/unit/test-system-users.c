// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Programs of domain 0 and the policy: rules, offers and limits that name the
 * user whose program it is.
 */
#include <check.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/system-traffic.h"
#include "tests/unit/system.h"

static struct world w;
static struct vm *alice, *agent, *other;

/* @rules: with a %s where "Domain-0:USER" of this process is to be, and @who there. */
static void begin(const char *rules, const char *who)
{
	char text[600], config[800];

	(void)snprintf(text, sizeof(text), "[devices]\ndomains = alice\n%s", rules);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(config, sizeof(config), text, who, who, who);
#pragma GCC diagnostic pop
	world_init(&w, 1, config);
	alice = vm_new(&w, "alice", SIM_PV);
	agent = vm_new_local(&w, "agent");
	other = vm_new_local(&w, "other");
	ck_assert_int_eq(world_broker_start(&w), 0);
	ck_assert_int_eq(vm_open(alice, NULL), 0);
	ck_assert_int_eq(vm_open(agent, NULL), 0);
	ck_assert_int_eq(vm_open(other, NULL), 0);
}

static void teardown(void)
{
	sim_enter(NULL);
	world_fini(&w);
}

static const char *own_number(int add)
{
	static char who[40];

	(void)snprintf(who, sizeof(who), "Domain-0:%u", (unsigned int)getuid() + (unsigned int)add);
	return who;
}

static const char *own_name(void)
{
	static char who[80];
	const struct passwd *entry = getpwuid(getuid());

	ck_assert_ptr_nonnull(entry);
	(void)snprintf(who, sizeof(who), "Domain-0:%s", entry->pw_name);
	return who;
}

/* What a message of @from to port 7 of alice is answered with. */
static int asked(struct vm *from, struct xenmsg_port *out)
{
	ck_assert_int_eq(vm_send(from, out, xenmsg_address(alice->x), 7, 10, 1), 0);
	return vm_flush(from);
}

#define RULES "[allow it]\nfrom = %s\nto = alice\n"

START_TEST(rules)
{
	static const struct {
		int add; /* to the own number; < 0: the name */
		int status;
	} cases[] = { { 0, 0 }, { 1, -EACCES }, { -1, 0 } };

	begin(RULES, cases[_i].add < 0 ? own_name() : own_number(cases[_i].add));
	(void)vm_bind(alice, 7, NULL);
	ck_assert_int_eq(asked(agent, vm_bind(agent, 5, NULL)), cases[_i].status);
}
END_TEST

/* Whoever it is, and no guest. */
START_TEST(any_user)
{
	uint32_t addr;

	begin("[deny not-them]\nfrom = %s\nto = alice\n[allow guests]\nfrom = *\nto = *\n", "*:*");
	(void)vm_bind(alice, 7, NULL);
	(void)vm_bind(agent, 8, NULL);
	ck_assert_int_eq(asked(agent, vm_bind(agent, 5, NULL)), -EACCES);
	ck_assert(world_logged(&w, "rule=\"not-them\""));
	vm_enter(alice);
	addr = xenmsg_address(agent->x);
	ck_assert_int_eq(vm_send(alice, vm_bind(alice, 5, NULL), addr, 8, 10, 1), 0);
	ck_assert_int_eq(vm_flush(alice), 0);
}
END_TEST

START_TEST(offers)
{
	struct xenmsg_bind bind = { .size = sizeof(bind), .service = "log" };
	struct xenmsg_port *port;

	begin(RULES "[offer logs]\ndomains = %s\nservices = log\n", own_number(_i));
	vm_enter(agent);
	ck_assert_int_eq(xenmsg_port_open(agent->x, 7, &bind, &port), _i ? -EACCES : 0);
}
END_TEST

/* A user has one account, whatever program uses it. */
START_TEST(limits)
{
	struct xenmsg_port *first, *second;

	begin(RULES "[limits theirs]\ndomains = %s\nmessages-per-second = 1\nmessages-burst = 3\n",
	      own_number(0));
	(void)vm_bind(alice, 7, NULL);
	first = vm_bind(agent, 5, NULL);
	second = vm_bind(other, 6, NULL);
	ck_assert_int_eq(asked(agent, first), 0);
	ck_assert_int_eq(asked(other, second), 0);
	ck_assert_int_eq(asked(agent, first), 0);
	ck_assert_int_eq(asked(other, second), -EDQUOT);
	/* To come again is no better. */
	vm_close(other);
	ck_assert_int_eq(vm_open(other, NULL), 0);
	ck_assert_int_eq(asked(other, vm_bind(other, 6, NULL)), -EDQUOT);
	ck_assert(world_logged(&w, "over 'messages-per-second'"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("system-users");
	TCase *t = tcase_create("users");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_add_loop_test(t, rules, 0, 3);
	tcase_add_test(t, any_user);
	tcase_add_loop_test(t, offers, 0, 2);
	tcase_add_test(t, limits);
	suite_add_tcase(suite, t);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
