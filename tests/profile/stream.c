// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What `make profile` counts the instructions of: one guest streams messages to
 * another one, over the simulated Xen. See profile.py.
 *
 * Usage: stream MESSAGES LEN WINDOW FLOWS POOLS IDLE
 *
 * FLOWS ports of the receiver are sent to in turn, each with WINDOW messages
 * under way at most. POOLS is yes or no. IDLE more guests are connected and
 * do nothing.
 */
#include "tests/unit/backend-guest.h"
#include "tests/unit/system-load.h"
#include "tests/unit/system-traffic.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define IDLE_MAX  500u /* more have no address space under valgrind */
#define FLOWS_END 64u
#define FIRST	  7u /* port */

static struct {
	unsigned int messages, len, window, flows, idle;
	const char *pools;
} options;

static struct world w;
static struct guest idle[IDLE_MAX];
static struct vm *alice, *bob;
static struct xenmsg_port *from, *to[FLOWS_END];
static unsigned int sent, received;

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* Two for each domain, and what the simulation has of its own. */
static void allow_files(void)
{
	struct rlimit files;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max < 8 * IDLE_MAX ? files.rlim_max : 8 * IDLE_MAX;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
}

static void settle(void)
{
	(void)sim_run(NULL, NULL, 0, 0);
}

static void make_idle(void)
{
	for (unsigned int i = 0; i < options.idle; i++) {
		char name[24];

		(void)snprintf(name, sizeof(name), "idle%u", i);
		guest_init(&idle[i], NULL, name);
	}
}

static void connect_idle(void)
{
	settle();
	for (unsigned int i = 0; i < options.idle; i++) {
		guest_prepare(&idle[i], 0);
		guest_put_nodes(&idle[i]);
		guest_state(&idle[i], 3);
	}
	settle();
	for (unsigned int i = 0; i < options.idle; i++)
		guest_state(&idle[i], 4);
	settle();
}

static void begin(void)
{
	struct xenmsg_options open = XENMSG_OPTIONS_INIT;
	char config[256];

	(void)snprintf(config, sizeof(config),
		       "[daemon]\nflow-window = %u\n%s\n"
		       "[devices]\ndomains = *\n[allow all]\nfrom = *\nto = *\n",
		       options.window,
		       strcmp(options.pools, "no") != 0 ? "max-pool-pages = 1024" : "pools = no");
	allow_files();
	world_init(&w, 1, config);
	sim_config()->gntalloc_pages = 65536;
	sim_config()->xs_nodes = 0;
	make_idle();
	alice = vm_new(&w, "alice", SIM_PV);
	bob = vm_new(&w, "bob", SIM_PV);
	ck_assert_int_eq(world_broker_start(&w), 0);
	connect_idle();
	open.tx_pages = open.rx_pages = 1000;
	ck_assert_int_eq(vm_open(alice, &open), 0);
	ck_assert_int_eq(vm_open(bob, &open), 0);
	from = vm_bind(alice, FIRST, NULL);
	for (unsigned int i = 0; i < options.flows; i++)
		to[i] = vm_bind(bob, FIRST + i, NULL);
}

static void receive_all(void)
{
	struct iovec iov[XENMSG_SEGMENTS_MAX];
	struct xenmsg_msg *msg;

	vm_enter(bob);
	(void)xenmsg_dispatch(bob->x);
	for (unsigned int i = 0; i < options.flows; i++) {
		while (!xenmsg_recv(to[i], &msg, 0)) {
			(void)xenmsg_msg_iov(msg, iov, XENMSG_SEGMENTS_MAX);
			xenmsg_release(msg);
			received++;
		}
	}
}

static void send_all(uint32_t addr)
{
	static char data[XENMSG_MESSAGE_MAX];

	vm_enter(alice);
	(void)xenmsg_dispatch(alice->x);
	while (sent < options.messages && !xenmsg_send(from, addr, FIRST + sent % options.flows,
						       data, options.len, XENMSG_NONBLOCK, NULL))
		sent++;
}

START_TEST(stream)
{
	uint32_t addr;

	begin();
	addr = xenmsg_address(bob->x);
	while (received < options.messages) {
		(void)sim_step(w.actor);
		receive_all();
		send_all(addr);
	}
	world_drop(&w);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("stream");
	TCase *tcase = tcase_create("stream");
	SRunner *runner;
	int failed;

	if (argc != 7) {
		(void)fprintf(stderr, "usage: stream MESSAGES LEN WINDOW FLOWS POOLS IDLE\n");
		return EXIT_FAILURE;
	}
	options.messages = (unsigned int)strtoul(argv[1], NULL, 0);
	options.len = least((unsigned int)strtoul(argv[2], NULL, 0), XENMSG_MESSAGE_MAX);
	options.window = (unsigned int)strtoul(argv[3], NULL, 0);
	options.flows = least((unsigned int)strtoul(argv[4], NULL, 0), FLOWS_END);
	options.pools = argv[5];
	options.idle = least((unsigned int)strtoul(argv[6], NULL, 0), IDLE_MAX);
	tcase_set_timeout(tcase, 0);
	tcase_add_test(tcase, stream);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	/* The counts are those of this process. */
	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
