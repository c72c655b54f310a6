// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hostile program of the real-Xen scenarios, tests/xen/hostile.c, against a
 * broker over the simulated Xen: each case has to end as the program says, and
 * others must not notice.
 */
#include <check.h>

#include "tests/unit/system.h"

int hostile_main(int argc, char **argv);
#define main hostile_main
#include "tests/xen/hostile.c" // NOLINT(bugprone-suspicious-include)
#undef main
#include "tests/xen/lib-hostile.c"	    // NOLINT(bugprone-suspicious-include)
#include "tests/xen/lib-hostile-requests.c" // NOLINT(bugprone-suspicious-include)
#include "tests/xen/lib-hostile-rings.c"    // NOLINT(bugprone-suspicious-include)

static const char config[] = "[devices]\n"
			     "domains = alice bob mallory\n"
			     "[allow all]\n"
			     "from = *\n"
			     "to = *\n"
			     "modes = copy map\n";

static struct world w;
static struct vm *alice, *bob, *mallory;
static struct xenmsg_port *from, *to;

static void setup(void)
{
	world_init(&w, 1, config);
	alice = vm_new(&w, "alice", SIM_PV);
	bob = vm_new(&w, "bob", SIM_PVH);
	mallory = vm_new(&w, "mallory", SIM_PV);
	ck_assert_int_eq(world_broker_start(&w), 0);
	ck_assert_int_eq(vm_open(alice, NULL), 0);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_port_open(alice->x, 5, NULL, &from), 0);
	vm_enter(bob);
	ck_assert_int_eq(xenmsg_port_open(bob->x, 7, NULL, &to), 0);
	sim_enter(NULL);
}

/* What mallory did is nothing to the others. */
static void teardown(void)
{
	struct xenmsg_msg *msg;

	vm_enter(alice);
	ck_assert_int_eq(xenmsg_send(from, xenmsg_address(bob->x), 7, "well", 4, 0, NULL), 0);
	vm_enter(bob);
	do
		ck_assert_int_eq(xenmsg_recv(to, &msg, 1000), 0);
	while (xenmsg_msg_addr(msg) != xenmsg_address(alice->x));
	sim_enter(NULL);
	world_fini(&w);
}

struct program {
	char *argv[5];
	int argc;
	struct sim_process *process;
	bool ended;
	int status;
};

static bool program_step(void *arg)
{
	struct program *p = arg;

	if (p->ended)
		return false;
	p->status = hostile_main(p->argc, p->argv);
	p->ended = true;
	return true;
}

static bool ended(void *arg)
{
	return ((struct program *)arg)->ended;
}

static char text[5][32];

static void start(struct program *p, const char *name, const char *a, const char *b)
{
	const char *args[] = { "hostile", name, a, b };
	size_t i;

	*p = (struct program){ .process = sim_process_new(mallory->domid, "hostile") };
	for (i = 0; i < 4 && args[i]; i++) {
		(void)snprintf(text[i], sizeof(text[i]), "%s", args[i]);
		p->argv[p->argc++] = text[i];
	}
	sim_actor_new(p->process, program_step, p);
}

static void finish(struct program *p)
{
	sim_run(ended, p, 0, 0);
	ck_assert(p->ended);
	sim_process_free(p->process);
}

START_TEST(requests)
{
	struct program p;

	if (!strcmp(case_at(_i)->name, "tx-gref-as-rx"))
		return;
	start(&p, case_at(_i)->name, "bob", "7");
	finish(&p);
	ck_assert_msg(p.status == 0, "%s", case_at(_i)->name);
}
END_TEST

START_TEST(pages_that_cannot_be_written)
{
	struct xenmsg_event e;
	struct program p;
	uint32_t addr;
	int r;

	start(&p, "tx-gref-as-rx", NULL, NULL);
	vm_enter(alice);
	while ((r = xenmsg_resolve(alice->x, "mallory", &addr, NULL, 1000)) == -EHOSTUNREACH)
		world_run(&w, 1);
	ck_assert_int_eq(r, 0);
	do {
		ck_assert_int_eq(xenmsg_send(from, addr, OWN_PORT, config, sizeof(config), 0, NULL),
				 0);
		r = xenmsg_flush(alice->x, 1000);
	} while (r == -ECONNREFUSED);
	ck_assert_int_eq(r, -EFAULT);
	while (!xenmsg_event(alice->x, &e))
		;
	sim_enter(NULL);
	finish(&p);
	ck_assert_int_eq(p.status, 0);
}
END_TEST

START_TEST(nodes)
{
	static const char *const names[] = { "version",	      "epoch",	       "instance",
					     "ring-order",    "tx-ring-ref-0", "rx-ring-ref-0",
					     "event-channel", "state" };
	struct program p;

	start(&p, "garbage-node", names[_i], NULL);
	finish(&p);
	ck_assert_msg(p.status == 0, "%s", names[_i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lib-hostile");
	TCase *tcase = tcase_create("hostile");
	SRunner *runner;
	int nr = 0, failed;

	while (case_at(nr))
		nr++;
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, requests, 0, nr);
	tcase_add_test(tcase, pages_that_cannot_be_written);
	tcase_add_loop_test(tcase, nodes, 0, 8);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
