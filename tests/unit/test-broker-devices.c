// SPDX-License-Identifier: GPL-2.0-or-later
/* A reload in a whole system: who has a device, and what the guests see of a new policy. */
#include "tests/unit/system.h"

#include "broker/reload.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#define OPEN	"[allow all]\nfrom = *\nto = *\nmodes = copy map\n"
#define TIMEOUT 1000

static struct world w;
static struct vm *alice, *bob, *carol;

static void begin(void)
{
	world_init(&w, 1, "[devices]\ndomains = alice bob\n" OPEN);
	alice = vm_new(&w, "alice", SIM_PV);
	bob = vm_new(&w, "bob", SIM_PVH);
	carol = vm_new(&w, "carol", SIM_PV);
	ck_assert_int_eq(world_broker_start(&w), 0);
	ck_assert_int_eq(vm_open(alice, NULL), 0);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
}

static void reload(const char *text)
{
	FILE *stream = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	struct sim_process *previous = sim_enter(w.process);
	struct config_error error;
	struct config *config;

	ck_assert_int_eq(config_read(&config, stream, "test", &error), 0);
	ck_assert_int_eq(broker_reconfigure(w.broker, config), 0);
	sim_enter(previous);
	fclose(stream);
	world_run(&w, 100);
}

static int resolve(struct vm *from, const char *name)
{
	uint32_t addr;

	vm_enter(from);
	return xenmsg_resolve(from->x, name, &addr, NULL, TIMEOUT);
}

START_TEST(devices_come)
{
	begin();
	ck_assert_int_lt(vm_open(carol, NULL), 0);
	reload("[devices]\ndomains = *\n" OPEN);
	ck_assert_int_eq(vm_open(carol, NULL), 0);
	ck_assert_int_eq(resolve(alice, "carol"), 0);
	ck_assert_int_eq(resolve(alice, "bob"), 0);
	world_fini(&w);
}
END_TEST

START_TEST(devices_go)
{
	begin();
	ck_assert_int_eq(resolve(alice, "bob"), 0);
	reload("[devices]\ndomains = alice\n" OPEN);
	ck_assert_int_eq(resolve(alice, "bob"), -EHOSTUNREACH);
	/* His process has heard of it, and the next one finds nothing. */
	ck_assert_int_eq(resolve(bob, "alice"), -EHOSTDOWN);
	vm_kill(bob);
	ck_assert_int_eq(vm_open(bob, NULL), -ENODEV);
	ck_assert_int_eq(resolve(alice, "bob"), -EHOSTUNREACH);
	/* Until he is to have one again. */
	reload("[devices]\ndomains = alice bob\n" OPEN);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
	ck_assert_int_eq(resolve(alice, "bob"), 0);
	world_fini(&w);
}
END_TEST

/*
 * Linux looks for devices in what its watch on "device" names, and only in paths of a
 * device, not of a kind of devices (drivers/xen/xenbus/xenbus_probe.c:xenbus_dev_changed()).
 */
START_TEST(guests_hear_that_devices_go)
{
	bool heard = false;
	struct xs_handle *xs;
	char **event;

	begin();
	vm_enter(bob);
	xs = xs_open(0);
	ck_assert(xs_watch(xs, "device", "here"));
	reload("[devices]\ndomains = alice\n" OPEN);
	vm_enter(bob);
	while ((event = xs_check_watch(xs))) {
		heard |= !strcmp(event[XS_WATCH_PATH], "device/vmsg/0");
		free(event);
	}
	ck_assert(heard);
	ck_assert_ptr_null(xs_directory(xs, XBT_NULL, "device/vmsg", &(unsigned int){ 0 }));
	xs_close(xs);
	world_fini(&w);
}
END_TEST

START_TEST(policy_changes)
{
	begin();
	ck_assert_int_eq(resolve(alice, "bob"), 0);
	reload("[devices]\ndomains = *\n[deny alice]\nfrom = alice\nto = *\n" OPEN);
	ck_assert_int_eq(resolve(alice, "bob"), -EACCES);
	ck_assert_int_eq(resolve(bob, "alice"), 0);
	ck_assert(world_logged(&w, "rule=\"alice\""));
	world_fini(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("broker-devices");
	TCase *t = tcase_create("reload");
	SRunner *runner;
	int failed;

	tcase_add_test(t, devices_come);
	tcase_add_test(t, devices_go);
	tcase_add_test(t, guests_hear_that_devices_go);
	tcase_add_test(t, policy_changes);
	suite_add_tcase(s, t);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
