// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The whole system over the simulated Xen: what does not arrive and why, ports that
 * are closed, and who gets no device.
 */
#include "tests/unit/system-basic.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

static void refused(struct vm *vm, struct xenmsg_port *port, uint32_t addr, uint32_t number,
		    size_t len, int status)
{
	struct xenmsg_event event;

	ck_assert_int_eq(vm_send(vm, port, addr, number, len, 1), 0);
	ck_assert_int_eq(vm_flush(vm), status);
	event = vm_event(vm, XENMSG_SEND_FAILED);
	ck_assert_int_eq(event.status, status);
	ck_assert_uint_eq(event.addr, addr);
	ck_assert_uint_eq(event.number, number);
	ck_assert_ptr_eq(event.port, port);
}

START_TEST(refusals_have_their_reasons)
{
	struct xenmsg_bind small = { .size = sizeof(small), .buffer = 4096 + 64 };
	struct xenmsg_port *out, *in, *bad;
	uint32_t addr;

	begin("max-message = 131072");
	ck_assert_int_eq(vm_open(mallory, NULL), 0);
	out = vm_bind(alice, 5, NULL);
	bad = vm_bind(mallory, 5, NULL);
	vm_enter(bob);
	ck_assert_int_eq(xenmsg_port_open(bob->x, 7, &small, &in), 0);
	addr = xenmsg_address(bob->x);

	refused(alice, out, addr, 8, 10, -ECONNREFUSED);
	refused(alice, out, addr, 8, 10000, -ECONNREFUSED);
	world_log_clear(&w);
	refused(alice, out, addr, 101, 10, -EACCES);
	ck_assert(world_logged(&w, "rule=\"default\""));
	ck_assert(world_logged(&w, "from=alice"));
	ck_assert(world_logged(&w, "to=bob"));
	ck_assert(world_logged(&w, "port=101"));
	refused(alice, out, addr, 7, 65537, -EMSGSIZE);
	ck_assert_int_eq(vm_send(alice, out, addr, 7, 131073, 1), -EMSGSIZE);
	ck_assert_int_eq(vm_send(alice, out, addr, 7, 4096, 1), 0);
	vm_expect(bob, in, 4096, 1);

	/* To who may not talk to them, all look alike. */
	world_log_clear(&w);
	refused(mallory, bad, addr, 7, 10, -EACCES);
	ck_assert(world_logged(&w, "from=mallory"));
	ck_assert(world_logged(&w, "port=7"));
	refused(mallory, bad, addr, 8, 10, -EACCES);
	refused(mallory, bad, 0x12340002, 7, 10, -EACCES);
	refused(mallory, bad, 0x12340bcd, 7, 10, -EACCES);
	/* Nor to itself, without a rule. */
	refused(mallory, bad, xenmsg_address(mallory->x), 5, 10, -EACCES);
	/* An address of nobody. */
	refused(alice, out, 0x12340bcd, 7, 10, -EACCES);
	ck_assert_int_eq(vm_send(alice, out, addr, 7, 100, 2), 0);
	vm_expect(bob, in, 100, 2);
	end();
}
END_TEST

START_TEST(only_wanted_domains_get_a_device)
{
	struct vm *eve;

	begin("");
	eve = vm_new(&w, "eve", SIM_PVH);
	options.timeout = 50;
	ck_assert_int_eq(vm_open(eve, &options), -ENODEV);
	/* A name may come later. */
	sim_xs_put("/local/domain/4/name", "mallory");
	ck_assert_int_eq(vm_open(eve, &options), 0);
	end();
}
END_TEST

START_TEST(ports_close_and_open_anew)
{
	struct xenmsg_port *out, *in;
	struct xenmsg_msg *msg;
	uint32_t addr;

	begin("");
	out = vm_bind(alice, 5, NULL);
	addr = xenmsg_address(bob->x);
	for (unsigned int i = 0; i < 10; i++) {
		in = vm_bind(bob, 7, NULL);
		ck_assert_int_eq(vm_send(alice, out, addr, 7, 5000, i), 0);
		ck_assert_int_eq(vm_send(alice, out, addr, 7, 6000, i), 0);
		if (i % 2)
			vm_expect(bob, in, 5000, i);
		msg = vm_receive(bob, in);
		ck_assert_uint_gt(xenmsg_msg_len(msg), 0);
		/* With messages held, and messages never asked for. */
		vm_enter(bob);
		xenmsg_port_close(in);
		ck_assert_int_eq(vm_flush(alice), 0);
	}
	refused(alice, out, addr, 7, 10, -ECONNREFUSED);
	end();
}
END_TEST

/* Two frontends of a guest: the second one is told. */
START_TEST(device_has_one_owner)
{
	struct vm second;
	struct xenmsg *x;

	begin("");
	second = *alice;
	options.lock = second.lock;
	second.process = sim_process_new(alice->domid, "second");
	vm_enter(&second);
	ck_assert_int_eq(xenmsg_open(&x, &options), -EBUSY);
	sim_process_free(second.process);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("system-basic-refusals");
	TCase *tcase = tcase_create("refusals");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, refusals_have_their_reasons);
	tcase_add_test(tcase, only_wanted_domains_get_a_device);
	tcase_add_test(tcase, ports_close_and_open_anew);
	tcase_add_test(tcase, device_has_one_owner);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
