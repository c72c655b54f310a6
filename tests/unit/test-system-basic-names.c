// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The whole system over the simulated Xen: names of services and domains, and who
 * is told of them.
 */
#include "tests/unit/system-basic.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

START_TEST(services_are_found)
{
	struct xenmsg_port *in, *out, *second;
	struct xenmsg_bind bind = { .size = sizeof(bind), .service = "echo" };
	uint32_t addr, number;

	begin("");
	out = vm_bind(alice, 0, NULL);
	in = vm_bind(bob, 4711, "echo");
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_resolve(alice->x, "echo@bob", &addr, &number, VM_TIMEOUT), 0);
	ck_assert_uint_eq(addr, xenmsg_address(bob->x));
	ck_assert_uint_eq(number, 4711);
	/* The rule allows the service, but not the port's number. */
	ck_assert_int_eq(vm_send(alice, out, addr, number, 99, 1), 0);
	vm_expect(bob, in, 99, 1);

	vm_enter(alice);
	ck_assert_int_eq(xenmsg_resolve(alice->x, "none@bob", &addr, &number, VM_TIMEOUT),
			 -EHOSTUNREACH);
	ck_assert_int_eq(xenmsg_resolve(alice->x, "other@bob", &addr, &number, VM_TIMEOUT),
			 -EACCES);
	vm_enter(bob);
	ck_assert_int_eq(xenmsg_port_open(bob->x, 12, &bind, &second), -EADDRINUSE);
	xenmsg_port_close(in);
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_resolve(alice->x, "echo@bob", &addr, &number, VM_TIMEOUT),
			 -EHOSTUNREACH);
	(void)vm_bind(bob, 12, "echo");
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_resolve(alice->x, "echo@bob", &addr, &number, VM_TIMEOUT), 0);
	ck_assert_uint_eq(number, 12);
	end();
}
END_TEST

START_TEST(names_are_told_to_who_may_know)
{
	char name[XENMSG_NAME_MAX + 1];
	uint32_t addr;

	begin("");
	ck_assert_int_eq(vm_open(mallory, NULL), 0);
	ck_assert_uint_eq(vm_find(alice, "bob"), xenmsg_address(bob->x));
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_name(alice->x, xenmsg_address(bob->x), name, VM_TIMEOUT), 0);
	ck_assert_str_eq(name, "bob");
	/* Who may send to it hears that it is not there; others hear the same in any case. */
	ck_assert_int_eq(xenmsg_resolve(alice->x, "carol", &addr, NULL, VM_TIMEOUT), -EHOSTUNREACH);
	ck_assert_int_eq(xenmsg_resolve(alice->x, "mallory", &addr, NULL, VM_TIMEOUT), -EACCES);
	ck_assert_int_eq(xenmsg_resolve(alice->x, "nobody", &addr, NULL, VM_TIMEOUT), -EACCES);
	world_log_clear(&w);
	vm_enter(mallory);
	ck_assert_int_eq(xenmsg_resolve(mallory->x, "bob", &addr, NULL, VM_TIMEOUT), -EACCES);
	ck_assert(world_logged(&w, "rule=\"default\""));
	ck_assert(world_logged(&w, "name=bob"));
	ck_assert_int_eq(xenmsg_resolve(mallory->x, "carol", &addr, NULL, VM_TIMEOUT), -EACCES);
	ck_assert_int_eq(xenmsg_name(mallory->x, xenmsg_address(bob->x), name, VM_TIMEOUT),
			 -EACCES);
	end();
}
END_TEST

START_TEST(peers_are_told_of)
{
	struct xenmsg_event event;
	uint32_t addr;

	begin("");
	vm_enter(alice);
	addr = xenmsg_address(bob->x);
	ck_assert_int_eq(xenmsg_subscribe(alice->x, "bob"), 0);
	event = vm_event(alice, XENMSG_PEER_UP);
	ck_assert_uint_eq(event.addr, addr);
	ck_assert_str_eq(event.name, "bob");
	ck_assert_int_eq(xenmsg_subscribe(alice->x, "mallory"), -EACCES);

	vm_close(bob);
	event = vm_event(alice, XENMSG_PEER_DOWN);
	ck_assert_uint_eq(event.addr, addr);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
	event = vm_event(alice, XENMSG_PEER_UP);
	ck_assert_uint_eq(event.addr, xenmsg_address(bob->x));
	ck_assert_uint_ne(event.addr, addr);

	ck_assert_int_eq(xenmsg_unsubscribe(alice->x, "bob"), 0);
	vm_close(bob);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
	vm_enter(alice);
	while (xenmsg_wait(alice->x, 100) > 0)
		;
	while (!xenmsg_event(alice->x, &event))
		ck_assert_int_ne(event.type, XENMSG_PEER_UP);
	end();
}
END_TEST

/* A domain's name may have 128 bytes; with pools, and without. */
START_TEST(long_names)
{
	char name[XENMSG_NAME_MAX + 1] = "";
	char other[XENMSG_NAME_MAX + 1] = "";
	struct xenmsg_event event;
	struct vm *vm;
	uint32_t addr;

	begin(_i ? "max-pool-pages = 0" : "");
	memset(name, 'n', XENMSG_NAME_MAX);
	memcpy(name, "long", 4);
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_subscribe(alice->x, name), 0);
	vm = vm_new(&w, name, SIM_PV);
	ck_assert_int_eq(vm_open(vm, &options), 0);
	event = vm_event(alice, XENMSG_PEER_UP);
	ck_assert_str_eq(event.name, name);
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_resolve(alice->x, name, &addr, NULL, VM_TIMEOUT), 0);
	ck_assert_uint_eq(addr, event.addr);
	ck_assert_int_eq(xenmsg_name(alice->x, addr, other, VM_TIMEOUT), 0);
	ck_assert_str_eq(other, name);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("system-basic-names");
	TCase *tcase = tcase_create("names");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, services_are_found);
	tcase_add_test(tcase, names_are_told_to_who_may_know);
	tcase_add_test(tcase, peers_are_told_of);
	tcase_add_loop_test(tcase, long_names, 0, 2);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
