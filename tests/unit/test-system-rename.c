// SPDX-License-Identifier: GPL-2.0-or-later
/* `xl rename`: names, services and the policy follow at once; addresses and messages go on. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/system-traffic.h"
#include "tests/unit/system.h"

static const char config[] = "[devices]\n"
			     "domains = alice bob carol\n"
			     "[deny this-one]\n"
			     "from = alice\n"
			     "to = bob\n"
			     "ports = 9\n"
			     "[deny that-one]\n"
			     "from = alice\n"
			     "to = carol\n"
			     "ports = 8\n"
			     "[allow all]\n"
			     "from = *\n"
			     "to = *\n"
			     "modes = copy map\n"
			     "[limits of-carol]\n"
			     "domains = carol\n"
			     "messages-per-second = 1\n"
			     "messages-burst = 2\n";

static struct world w;
static struct vm *alice, *bob;
static uint32_t addr;

static void setup(void)
{
	world_init(&w, 1, config);
	alice = vm_new(&w, "alice", SIM_PV);
	bob = vm_new(&w, "bob", SIM_PVH);
	ck_assert_int_eq(world_broker_start(&w), 0);
	ck_assert_int_eq(vm_open(alice, NULL), 0);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
	addr = xenmsg_address(bob->x);
}

static void teardown(void)
{
	sim_enter(NULL);
	world_fini(&w);
}

static void rename_vm(const struct vm *vm, const char *name)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/local/domain/%u/name", vm->domid);
	sim_xs_put(path, name);
	world_run(&w, 10);
}

static int resolve(const char *name, uint32_t *got)
{
	vm_enter(alice);
	return xenmsg_resolve(alice->x, name, got, NULL, 1000);
}

/* What a message of alice to a port of bob's is answered with. */
static int asked(struct vm *from, struct xenmsg_port *out, uint32_t to, uint32_t number)
{
	ck_assert_int_eq(vm_send(from, out, to, number, 10, 1), 0);
	return vm_flush(from);
}

START_TEST(names_follow)
{
	struct xenmsg_event event;
	char name[XENMSG_NAME_MAX + 1];
	uint32_t got = 0;

	vm_enter(alice);
	ck_assert_int_eq(xenmsg_subscribe(alice->x, "carol"), 0);
	ck_assert_int_eq(xenmsg_subscribe(alice->x, "bob"), 0);
	(void)vm_bind(bob, 7, "log");
	event = vm_event(alice, XENMSG_PEER_UP);
	ck_assert_str_eq(event.name, "bob");
	ck_assert_int_eq(resolve("log@carol", &got), -EHOSTUNREACH);

	rename_vm(bob, "carol");
	event = vm_event(alice, XENMSG_PEER_UP);
	ck_assert_str_eq(event.name, "carol");
	ck_assert_uint_eq(event.addr, addr);
	ck_assert_int_eq(resolve("bob", &got), -EHOSTUNREACH);
	ck_assert_int_eq(resolve("log@bob", &got), -EHOSTUNREACH);
	ck_assert_int_eq(resolve("carol", &got), 0);
	ck_assert_uint_eq(got, addr);
	ck_assert_int_eq(resolve("log@carol", &got), 0);
	ck_assert_int_eq(xenmsg_name(alice->x, addr, name, 1000), 0);
	ck_assert_str_eq(name, "carol");
	ck_assert(world_logged(&w, "is called carol"));
	/* And back: whoever watches that name hears of it again. */
	rename_vm(bob, "bob");
	event = vm_event(alice, XENMSG_PEER_UP);
	ck_assert_str_eq(event.name, "bob");
}
END_TEST

START_TEST(the_policy_follows)
{
	struct xenmsg_port *out = vm_bind(alice, 5, NULL), *back = vm_bind(bob, 5, NULL);
	uint32_t own = xenmsg_address(alice->x);

	(void)vm_bind(bob, 8, NULL);
	(void)vm_bind(bob, 9, NULL);
	(void)vm_bind(alice, 8, NULL);
	ck_assert_int_eq(asked(alice, out, addr, 8), 0);
	ck_assert_int_eq(asked(alice, out, addr, 9), -EACCES);
	rename_vm(bob, "carol");
	ck_assert_int_eq(asked(alice, out, addr, 8), -EACCES);
	ck_assert_int_eq(asked(alice, out, addr, 9), 0);
	ck_assert_int_eq(asked(bob, back, own, 8), 0);
	ck_assert_int_eq(asked(bob, back, own, 8), 0);
	ck_assert_int_eq(asked(bob, back, own, 8), -EDQUOT);
	rename_vm(bob, "bob");
	ck_assert_int_eq(asked(bob, back, own, 8), 0);
	ck_assert_int_eq(asked(alice, out, addr, 8), 0);
}
END_TEST

/* Messages that wait there arrive under the new name, or fail as it has it. */
START_TEST(messages_go_on)
{
	struct xenmsg_port *out = vm_bind(alice, 5, NULL);
	/* The least there is: one of the messages fits. */
	struct xenmsg_bind small = { .size = sizeof(small), .buffer = 1 };
	const size_t len = 64000;
	struct xenmsg_port *in;
	uint32_t number = _i ? 8 : 7;

	vm_enter(bob);
	ck_assert_int_eq(xenmsg_port_open(bob->x, number, &small, &in), 0);
	for (unsigned int i = 0; i < 4; i++)
		ck_assert_int_eq(vm_send(alice, out, addr, number, len, i), 0);
	world_run(&w, 10);
	rename_vm(bob, "carol");
	for (unsigned int i = 0; i < (_i ? 1 : 4); i++)
		vm_expect(bob, in, len, i);
	ck_assert_int_eq(vm_flush(alice), _i ? -EACCES : 0);
}
END_TEST

/* A name under which it is to have no device, and one under which it has. */
START_TEST(unwanted)
{
	uint32_t got;

	rename_vm(bob, "dave");
	vm_enter(bob);
	ck_assert_int_eq(xenmsg_dispatch(bob->x), -EHOSTDOWN);
	ck_assert_int_eq(resolve("bob", &got), -EHOSTUNREACH);
	vm_close(bob);
	rename_vm(bob, "carol");
	ck_assert_int_eq(vm_open(bob, NULL), 0);
	ck_assert_uint_eq(vm_find(alice, "carol"), xenmsg_address(bob->x));
}
END_TEST

/* Two of one name: the other one is meant when the first is renamed. */
START_TEST(namesakes)
{
	struct vm *carol = vm_new(&w, "carol", SIM_PV);
	uint32_t other;

	ck_assert_int_eq(vm_open(carol, NULL), 0);
	other = xenmsg_address(carol->x);
	rename_vm(carol, "bob");
	ck_assert_int_ne(vm_find(alice, "bob"), 0);
	rename_vm(bob, "carol");
	ck_assert_uint_eq(vm_find(alice, "bob"), other);
	ck_assert_uint_eq(vm_find(alice, "carol"), addr);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("system-rename");
	TCase *t = tcase_create("rename");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, names_follow);
	tcase_add_test(t, the_policy_follows);
	tcase_add_loop_test(t, messages_go_on, 0, 2);
	tcase_add_test(t, unwanted);
	tcase_add_test(t, namesakes);
	suite_add_tcase(suite, t);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
