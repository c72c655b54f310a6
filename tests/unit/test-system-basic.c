// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The whole system: messages from guest to guest through a real broker, over
 * the simulated Xen.
 */
#include "tests/unit/system.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char config[] = "[devices]\n"
			     "domains = alice bob mallory\n"
			     "[allow a-b]\n"
			     "from = alice\n"
			     "to = bob\n"
			     "modes = copy map\n"
			     "[allow b-a]\n"
			     "from = bob\n"
			     "to = alice\n"
			     "modes = copy map\n";

static struct world w;
static struct vm *alice, *bob, *mallory;

static void setup(void)
{
	world_init(&w, 1, config);
	alice = vm_new(&w, "alice", SIM_PV);
	bob = vm_new(&w, "bob", SIM_PVH);
	mallory = vm_new(&w, "mallory", SIM_PV);
	ck_assert_int_eq(world_broker_start(&w), 0);
}

static void teardown(void)
{
	world_fini(&w);
}

START_TEST(opens_and_closes)
{
	ck_assert_int_eq(vm_open(alice, NULL), 0);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
	ck_assert_uint_ne(xenmsg_address(alice->x), 0);
	ck_assert_uint_ne(xenmsg_address(alice->x), xenmsg_address(bob->x));
	vm_close(alice);
}
END_TEST

START_TEST(sends_one)
{
	struct xenmsg_port *from, *to;
	struct xenmsg_msg *msg;
	uint32_t addr, port;
	char text[8] = "";

	ck_assert_int_eq(vm_open(alice, NULL), 0);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
	vm_enter(bob);
	ck_assert_int_eq(xenmsg_port_open(bob->x, 7, NULL, &to), 0);
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_port_open(alice->x, 0, NULL, &from), 0);
	ck_assert_int_eq(xenmsg_resolve(alice->x, "bob", &addr, &port, 1000), 0);
	ck_assert_uint_eq(addr, xenmsg_address(bob->x));
	ck_assert_int_eq(xenmsg_send(from, addr, 7, "hello", 5, 0, NULL), 0);
	vm_enter(bob);
	ck_assert_int_eq(xenmsg_recv(to, &msg, 1000), 0);
	ck_assert_uint_eq(xenmsg_msg_len(msg), 5);
	ck_assert_uint_eq(xenmsg_copy(msg, 0, text, sizeof(text)), 5);
	ck_assert_str_eq(text, "hello");
	xenmsg_release(msg);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("system-basic");
	TCase *tcase = tcase_create("messages");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, opens_and_closes);
	tcase_add_test(tcase, sends_one);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
