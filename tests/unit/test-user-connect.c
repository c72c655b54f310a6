// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Opening and closing the device: who may have it, what a dead owner left, what
 * a broker may be doing meanwhile, and that nothing is left when a call fails
 * or the process dies at any of them.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xen/io/xenbus.h>

#include "frontend/user/device.h"
#include "tests/unit/system-traffic.h"
#include "tests/unit/system.h"

static const char config[] = "[devices]\n"
			     "domains = alice bob\n"
			     "[allow all]\n"
			     "from = *\n"
			     "to = *\n"
			     "modes = copy map\n";

static struct world w;
static struct vm *alice, *bob;

static void setup(void)
{
	world_init(&w, 1, config);
	alice = vm_new(&w, "alice", SIM_PV);
	bob = vm_new(&w, "bob", SIM_PVH);
}

static void setup_with_broker(void)
{
	setup();
	ck_assert_int_eq(world_broker_start(&w), 0);
	world_run(&w, 1);
}

static void teardown(void)
{
	world_fini(&w);
}

static const char *node(const struct vm *vm, bool backend, const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path),
		       backend ? "/local/domain/0/backend/vmsg/%u/0/%s" :
				 "/local/domain/%u/device/vmsg/0/%s",
		       vm->domid, name);
	return sim_xs_get(path);
}

static int state(const struct vm *vm, bool backend)
{
	const char *text = node(vm, backend, "state");

	return text ? (int)strtol(text, NULL, 10) : -1;
}

/* ------------------------------------------------------------- who and when */

START_TEST(no_device)
{
	struct xenmsg_options o = XENMSG_OPTIONS_INIT;
	uint64_t begin = sim_now();

	o.timeout = 500;
	ck_assert_int_eq(vm_open(alice, &o), -ENODEV);
	ck_assert_uint_ge(sim_now() - begin, 500 * SIM_NSEC_PER_MSEC);
	ck_assert_uint_lt(sim_now() - begin, 600 * SIM_NSEC_PER_MSEC);
	ck_assert_int_eq(world_broker_start(&w), 0);
	ck_assert_int_eq(vm_open(alice, &o), 0);
}
END_TEST

static bool broker_late(void *arg)
{
	if (w.process)
		return false;
	ck_assert_int_eq(world_broker_start(arg), 0);
	return true;
}

/* The broker comes while the frontend waits for the device. */
START_TEST(device_comes_late)
{
	sim_actor_new(NULL, broker_late, &w);
	ck_assert_int_eq(vm_open(alice, NULL), 0);
	ck_assert_int_eq(state(alice, true), XenbusStateConnected);
	ck_assert_int_eq(state(alice, false), XenbusStateConnected);
}
END_TEST

START_TEST(broker_away)
{
	struct xenmsg_options o = XENMSG_OPTIONS_INIT;

	world_broker_kill(&w);
	o.timeout = 500;
	ck_assert_int_eq(vm_open(alice, &o), -ETIMEDOUT);
	ck_assert_int_eq(world_broker_start(&w), 0);
	ck_assert_int_eq(vm_open(alice, &o), 0);
}
END_TEST

START_TEST(one_owner)
{
	struct xenmsg_options o = XENMSG_OPTIONS_INIT;
	struct sim_process *second;
	struct xenmsg *x;

	ck_assert_int_eq(vm_open(alice, NULL), 0);
	second = sim_process_new(alice->domid, "second");
	sim_enter(second);
	o.lock = alice->lock;
	ck_assert_int_eq(xenmsg_open(&x, &o), -EBUSY);
	sim_enter(NULL);
	sim_process_free(second);
	ck_assert_int_eq(state(alice, true), XenbusStateConnected);
	vm_close(alice);
	ck_assert_int_eq(vm_open(alice, NULL), 0);
}
END_TEST

START_TEST(bad_options)
{
	struct xenmsg_options o = XENMSG_OPTIONS_INIT;

	o.ring_order = 6;
	ck_assert_int_eq(vm_open(alice, &o), -EINVAL);
	o.ring_order = 0;
	o.tx_pages = 0;
	ck_assert_int_eq(vm_open(alice, &o), -EINVAL);
	o.tx_pages = 2;
	o.rx_pages = 1025;
	ck_assert_int_eq(vm_open(alice, &o), -EINVAL);
	o.rx_pages = 1024;
	ck_assert_int_eq(vm_open(alice, &o), -ENOSPC);
	o.rx_pages = 8;
	ck_assert_int_eq(vm_open(alice, &o), 0);
	/* A caller of an earlier version knows fewer options. */
	o.size = offsetof(struct xenmsg_options, ring_order);
	o.ring_order = 77;
	ck_assert_int_eq(vm_open(bob, &o), 0);
}
END_TEST

/* --------------------------------------------------------- a dead predecessor */

START_TEST(after_a_dead_owner)
{
	struct xenmsg_port *port;
	uint32_t before, addr;
	struct xenmsg_event e;

	ck_assert_int_eq(vm_open(alice, NULL), 0);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
	vm_bind(alice, 5, NULL);
	port = vm_bind(bob, 6, NULL);
	before = xenmsg_address(alice->x);
	addr = vm_find(bob, "alice");
	ck_assert_uint_eq(addr, before);
	ck_assert_int_eq(vm_send(bob, port, addr, 5, 100, 1), 0);
	ck_assert_int_eq(vm_flush(bob), 0);
	vm_kill(alice);
	ck_assert_int_eq(state(alice, false), XenbusStateConnected);

	ck_assert_int_eq(vm_open(alice, NULL), 0);
	ck_assert_uint_ne(xenmsg_address(alice->x), before);
	ck_assert_int_eq(state(alice, true), XenbusStateConnected);
	e = vm_event(bob, XENMSG_PEER_DOWN);
	ck_assert_uint_eq(e.addr, before);
	ck_assert_int_eq(vm_send(bob, port, before, 5, 100, 2), 0);
	ck_assert_int_eq(vm_flush(bob), -EHOSTUNREACH);
}
END_TEST

/* What the nodes say need not be what anybody left there. */
START_TEST(garbage_states)
{
	static const char *const states[] = { "0", "7", "", "x", "2", "5", "6", "3", "4" };
	char path[128];
	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		(void)snprintf(path, sizeof(path), "/local/domain/%u/device/vmsg/0/state",
			       alice->domid);
		ck_assert_int_eq(sim_xs_put_as(alice->domid, path, states[i]), 0);
		ck_assert_int_eq(vm_open(alice, NULL), 0);
		vm_close(alice);
		ck_assert_int_eq(state(alice, false), XenbusStateClosed);
	}
}
END_TEST

/* ----------------------------------------------------------- broker restarts */

START_TEST(same_address_after_a_restart)
{
	struct xenmsg_port *port;
	struct xenmsg_stats s;
	uint32_t addr;

	ck_assert_int_eq(vm_open(alice, NULL), 0);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
	addr = xenmsg_address(alice->x);
	port = vm_bind(alice, 5, NULL);
	world_broker_kill(&w);
	ck_assert_int_eq(world_broker_start(&w), 0);
	world_run(&w, 10);
	ck_assert_uint_eq(xenmsg_address(alice->x), addr);
	ck_assert_int_eq(state(alice, true), XenbusStateConnected);
	xenmsg_stats(alice->x, &s, sizeof(s));
	ck_assert_uint_eq(s.resets, 1);
	ck_assert_int_eq(vm_send(bob, vm_bind(bob, 6, NULL), addr, 5, 33, 4), 0);
	vm_expect(alice, port, 33, 4);
}
END_TEST

START_TEST(smaller_rings_after_a_restart)
{
	ck_assert_int_eq(vm_open(alice, NULL), 0);
	world_broker_kill(&w);
	free(w.config);
	w.config = strdup("[daemon]\nmax-ring-order = 1\n[devices]\ndomains = alice bob\n");
	ck_assert_int_eq(world_broker_start(&w), 0);
	world_run(&w, 10);
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_dispatch(alice->x), -EHOSTDOWN);
	ck_assert_ptr_nonnull(strstr(xenmsg_reason(alice->x), "smaller rings"));
	vm_close(alice);
	ck_assert_int_eq(vm_open(alice, NULL), 0);
}
END_TEST

START_TEST(removed_by_the_broker)
{
	struct xenmsg_port *port;
	struct xenmsg_msg *msg;

	ck_assert_int_eq(vm_open(alice, NULL), 0);
	ck_assert_ptr_null(xenmsg_reason(alice->x));
	port = vm_bind(alice, 5, NULL);
	broker_free(w.broker, true);
	w.broker = NULL;
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_recv(port, &msg, 1000), -EHOSTDOWN);
	ck_assert_ptr_nonnull(xenmsg_reason(alice->x));
	ck_assert_int_eq(xenmsg_send(port, 0x10001, 1, "x", 1, 0, NULL), -EHOSTDOWN);
	ck_assert_int_eq(xenmsg_resolve(alice->x, "bob", &(uint32_t){ 0 }, NULL, 1000), -EHOSTDOWN);
	ck_assert_int_eq(xenmsg_wait(alice->x, 1000), -EHOSTDOWN);
	ck_assert_int_eq(xenmsg_port_open(alice->x, 6, NULL, &port), -EHOSTDOWN);
	sim_enter(NULL);
	vm_close(alice);
	world_broker_kill(&w);
}
END_TEST

/* A broker that cannot map the rings closes the device: the one who opens hears it at once. */
START_TEST(closed_while_it_opens)
{
	struct xenmsg_options o = XENMSG_OPTIONS_INIT;
	uint64_t before = sim_now();

	o.timeout = 5000;
	sim_fail_nth(w.process, SIM_CALL_MAP, (unsigned int)_i, EINVAL);
	ck_assert_int_eq(vm_open(alice, &o), -EHOSTDOWN);
	ck_assert_uint_lt(sim_now() - before, SIM_NSEC_PER_SEC);
	ck_assert(world_logged(&w, "ring cannot be mapped"));
	sim_fail_reset();
	ck_assert_int_eq(vm_open(alice, &o), 0);
}
END_TEST

/* ------------------------------------------------------------------- failures */

static bool succeeded_at(unsigned int n, int error)
{
	struct xenmsg_options o = XENMSG_OPTIONS_INIT;
	int r;

	o.timeout = 2000;
	o.tx_pages = 16;
	o.rx_pages = 16;
	sim_fail_reset();
	/* Only the frontend has calls to fail: the broker is a process of its own. */
	alice->process = NULL;
	sim_fail_nth(NULL, SIM_CALL_ANY, n, error);
	r = vm_open(alice, &o);
	sim_fail_reset();
	if (r == 0) {
		vm_close(alice);
		return true;
	}
	return false;
}

/* Whichever call fails, opening succeeds or leaves nothing: world_fini() looks. */
START_TEST(every_call_fails_once)
{
	struct xenmsg_options o = XENMSG_OPTIONS_INIT;
	unsigned int n, good = 0;

	for (n = 1; good < 20 && n < 400; n++) {
		if (world_broker_ended(&w))
			world_broker_reap(&w);
		if (!w.process)
			ck_assert_int_eq(world_broker_start(&w), 0);
		good += succeeded_at(n, EIO);
	}
	if (world_broker_ended(&w))
		world_broker_reap(&w);
	if (!w.process)
		ck_assert_int_eq(world_broker_start(&w), 0);
	o.timeout = 2000;
	ck_assert_int_eq(vm_open(alice, &o), 0);
}
END_TEST

START_TEST(conflicts)
{
	sim_xs_conflict(20);
	ck_assert_int_eq(vm_open(alice, NULL), 0);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
}
END_TEST

/* A process that dies at any call of open, work and close leaves a device that opens again. */
START_TEST(dies_at_every_call)
{
	struct xenmsg_options o = XENMSG_OPTIONS_INIT;
	struct sim_process *process;
	struct xenmsg *x;
	unsigned int n;
	bool died = true;

	o.lock = alice->lock;
	for (n = 1; died; n++) {
		process = sim_process_new(alice->domid, "mortal");
		sim_enter(process);
		sim_kill_at(process, n, n % 2 ? SIM_BEFORE : SIM_AFTER);
		if (!xenmsg_open(&x, &o)) {
			struct xenmsg_port *port;

			if (!xenmsg_port_open(x, 5, NULL, &port))
				xenmsg_port_close(port);
			xenmsg_close(x);
		}
		died = sim_process_dead(process);
		sim_enter(NULL);
		sim_process_free(process);
		sim_fail_reset();
		ck_assert_int_eq(vm_open(alice, NULL), 0);
		vm_close(alice);
	}
	ck_assert_uint_gt(n, 40);
}
END_TEST

/* Where the kernel's driver has the device, a process keeps its hands off. */
START_TEST(kernel_driver_has_it)
{
	char dir[] = "/tmp/xenmsg-sysfs-XXXXXX", path[64], longer[200];

	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/driver", dir);
	ck_assert_int_eq(lock_driver(dir), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(lock_driver(dir), -EBUSY);
	rmdir(path);
	ck_assert_int_eq(lock_driver(dir), 0);
	rmdir(dir);
	ck_assert_int_eq(lock_driver(dir), 0);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	ck_assert_int_eq(lock_driver(longer), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("user-connect");
	TCase *alone = tcase_create("no broker at first");
	TCase *with = tcase_create("broker");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(alone, setup, teardown);
	tcase_add_test(alone, no_device);
	tcase_add_test(alone, device_comes_late);
	suite_add_tcase(suite, alone);
	tcase_add_checked_fixture(with, setup_with_broker, teardown);
	tcase_set_timeout(with, 60);
	tcase_add_test(with, broker_away);
	tcase_add_test(with, one_owner);
	tcase_add_test(with, kernel_driver_has_it);
	tcase_add_test(with, bad_options);
	tcase_add_test(with, after_a_dead_owner);
	tcase_add_test(with, garbage_states);
	tcase_add_test(with, same_address_after_a_restart);
	tcase_add_test(with, smaller_rings_after_a_restart);
	tcase_add_test(with, removed_by_the_broker);
	tcase_add_loop_test(with, closed_while_it_opens, 1, 3);
	tcase_add_test(with, every_call_fails_once);
	tcase_add_test(with, conflicts);
	tcase_add_test(with, dies_at_every_call);
	suite_add_tcase(suite, with);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
