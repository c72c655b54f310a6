// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The whole system over the simulated Xen: nine honest senders keep a receiver
 * busy, and somebody disturbs them. What that costs, he pays himself: they get
 * their share of what the receiver takes, and their messages are not much longer
 * on their way than without him. Time is virtual, see system-load.h.
 */
#include "tests/unit/backend-guest.h"
#include "tests/unit/system-load.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define HONEST 9u
#define SPAN   20000u /* us that are measured */
#define LEN    1000u
#define BURSTS 200000u

/* Of its fair share; and of the latency without the disturbance. */
#define LEAST_SHARE 0.9
/* The same for a short while in which he may do more. */
#define LEAST_AT_FIRST 0.88
#define MOST_DELAY     1.5

#define RULES                \
	"[devices]\n"        \
	"domains = *\n"      \
	"[allow all]\n"      \
	"from = *\n"         \
	"to = *\n"           \
	"modes = copy map\n" \
	"[limits two]\n"     \
	"domains = two\n"    \
	"weight = 2\n"       \
	"[limits four]\n"    \
	"domains = four\n"   \
	"weight = 4\n"

static struct world w;
static struct load load;
static struct vm *bob;
/* A frontend by hand, that does what the library would not. */
static struct guest mallory;
static unsigned int rounds;

static void begin(bool pools)
{
	char config[1024];

	(void)snprintf(config, sizeof(config), "[daemon]\n%s\n%s",
		       pools ? "max-pool-pages = 1024" : "pools = no", RULES);
	world_init(&w, 1, config);
	sim_config()->gntalloc_pages = 65536;
	load_init(&load, &w);
	ck_assert_int_eq(world_broker_start(&w), 0);
	bob = load_receiver_new(&load, "bob");
	rounds = 0;
}

static void add_honest(unsigned int n, uint32_t len)
{
	for (unsigned int i = 0; i < n; i++) {
		struct load_sender *sender;
		char name[24];

		(void)snprintf(name, sizeof(name), "honest%u", i);
		sender = load_sender_new(&load, name, len);
		sender->measured = true;
		load_flow(sender, bob, 0);
	}
}

static void print(const char *what, struct load_result r)
{
	printf("figure: %-34s share %.3f, p50 %6.1f us, p99 %6.1f us, %6llu messages\n", what,
	       r.least, r.p50 / 1000, r.p99 / 1000, (unsigned long long)r.messages);
}

/* What a disturbance may cost the others. */
static void compare(const char *what, struct load_result quiet, struct load_result loud)
{
	char text[64];

	print(what, quiet);
	(void)snprintf(text, sizeof(text), "%s, disturbed", what);
	print(text, loud);
	ck_assert_msg(loud.least >= LEAST_SHARE, "a share is %.3f of the fair one", loud.least);
}

static void compare_delays(struct load_result quiet, struct load_result loud)
{
	ck_assert_msg(loud.p50 <= quiet.p50 * MOST_DELAY, "p50 is %.2f times as long",
		      loud.p50 / quiet.p50);
	ck_assert_msg(loud.p99 <= quiet.p99 * MOST_DELAY, "p99 is %.2f times as long",
		      loud.p99 / quiet.p99);
}

/* ---------------------------------------------------------- by the library's rules */

/* As many flows as a sender may have messages for; messages of any length. */
static void flood(const char *what, bool pools, uint32_t len)
{
	struct load_result quiet, loud;
	struct load_sender *sender;

	begin(pools);
	add_honest(HONEST, LEN);
	quiet = load_measure(&load, SPAN, HONEST);
	sender = load_sender_new(&load, "flood", len);
	for (unsigned int i = 0; i < LOAD_PORTS; i++)
		load_flow(sender, bob, i);
	loud = load_measure(&load, SPAN, HONEST + 1);
	compare(what, quiet, loud);
	compare_delays(quiet, loud);
	/* It was one, and got no more than the others. */
	ck_assert_uint_gt(sender->bytes, 0);
	ck_assert_uint_le(sender->bytes, loud.per_measured * VMSGIF_MSG_COST(LEN) * 12 / 10);
	world_fini(&w);
}

START_TEST(flood_of_messages)
{
	flood(_i ? "flood, grant copies" : "flood", _i == 0, LEN);
}
END_TEST

START_TEST(flood_of_tiny_messages)
{
	flood(_i ? "tiny, grant copies" : "tiny", _i == 0, 1);
}
END_TEST

START_TEST(huge_batch)
{
	flood(_i ? "1 MiB, grant copies" : "1 MiB", _i == 0, XENMSG_MESSAGE_MAX);
}
END_TEST

START_TEST(weights)
{
	static const char *const names[] = { "one", "two", "four" };
	struct load_sender *s[3];
	struct load_result r;

	begin(true);
	for (unsigned int i = 0; i < 3; i++) {
		s[i] = load_sender_new(&load, names[i], LEN);
		s[i]->measured = true;
		/* More than fits into a turn, whatever the weight. */
		for (unsigned int j = 0; j < 8; j++)
			load_flow(s[i], bob, j);
	}
	r = load_measure(&load, SPAN, 7);
	print("weights 1, 2, 4", r);
	for (unsigned int i = 0; i < 3; i++) {
		double share = (double)s[i]->messages / (double)r.messages;
		double fair = (double)(1u << i) / 7;

		printf("figure: weight %u got %.4f, fair is %.4f\n", 1u << i, share, fair);
		ck_assert_msg(share >= 0.95 * fair && share <= 1.05 * fair, "%u: %.4f", i, share);
	}
	world_fini(&w);
}
END_TEST

/* Flows of the same senders to another one that reads nothing. */
START_TEST(receiver_stops_reading)
{
	uint64_t before, with;
	struct vm *carol;

	begin(true);
	carol = load_receiver_new(&load, "carol");
	load.receivers[1].stopped = true;
	add_honest(HONEST, LEN);
	(void)load_measure(&load, SPAN, HONEST);
	before = load.receivers[0].messages;
	load_run(&load, SPAN);
	before = load.receivers[0].messages - before;
	for (unsigned int i = 0; i < HONEST; i++) {
		load.senders[i].measured = false;
		load_flow(&load.senders[i], carol, 0);
	}
	/* Their windows fill. */
	load_run(&load, SPAN);
	with = load.receivers[0].messages;
	load_run(&load, SPAN);
	with = load.receivers[0].messages - with;
	printf("figure: %llu messages received, and %llu while another receiver stands still\n",
	       (unsigned long long)before, (unsigned long long)with);
	ck_assert_uint_ge(with * 10, before * 9);
	for (unsigned int i = 0; i < HONEST; i++)
		ck_assert_uint_eq(load.senders[i].failed, 0);
	world_fini(&w);
}
END_TEST

/* --------------------------------------------------------------- against the rules */

static void mallory_connects(void)
{
	guest_init(&mallory, NULL, "mallory");
	world_run(&w, 5);
	guest_prepare(&mallory, 4);
	guest_put_nodes(&mallory);
	guest_state(&mallory, 3);
	world_run(&w, 5);
	ck_assert_int_eq(guest_backend_state(&mallory), 4);
	guest_state(&mallory, 4);
	world_run(&w, 5);
}

/* The ring is always full of messages, whatever the answers, and the event is sent. */
static void send_without_regard(void)
{
	struct vmsgif_tx_request req = {
		.op = VMSGIF_OP_SEND,
		.flags = VMSGIF_TXF_INLINE,
		.addr = xenmsg_address(bob->x),
		.port = LOAD_PORT,
		.src_port = 1,
		.len = 5,
		.u.data = "hello",
	};
	struct vmsgif_tx_response rsp;
	unsigned int slots = VMSGIF_RING_SLOTS(mallory.order);

	while (guest_tx_rsp(&mallory, &rsp))
		rounds++;
	while (mallory.tx_prod - mallory.tx_cons < slots) {
		req.id = (uint16_t)(mallory.tx_prod % slots);
		req.seq++;
		guest_tx(&mallory, &req);
	}
	guest_kick(&mallory);
}

static void send_events(void)
{
	guest_kick(&mallory);
	rounds++;
}

/* One step after the other. That the backend has done its part is seen by a watch. */
static void connect_and_close(void)
{
	static int seen;
	int state = guest_backend_state(&mallory);

	if (state != seen) {
		seen = state;
		return;
	}
	switch (state) {
	case 2: /* InitWait */
		guest_reset_rings(&mallory);
		guest_put_nodes(&mallory);
		guest_state(&mallory, 3);
		break;
	case 4: /* Connected */
		guest_state(&mallory, 6);
		rounds++;
		break;
	default:
		guest_state(&mallory, 1);
		break;
	}
}

static void fire_watches(void)
{
	guest_put(&mallory, "state", "4");
	rounds++;
}

/* @sharers: he is one of them if he sends. */
static void disturb(const char *what, void (*nuisance)(void), uint64_t gap, unsigned int sharers)
{
	struct load_result quiet, loud;
	uint64_t received;
	double share;

	begin(true);
	mallory_connects();
	add_honest(HONEST, LEN);
	quiet = load_measure(&load, SPAN, HONEST);
	load.nuisance = nuisance;
	load.nuisance_gap = gap;
	world_log_clear(&w);
	/* He may do more at first. */
	received = load.receivers[0].messages;
	load_run(&load, BURSTS);
	received = load.receivers[0].messages - received;
	share = (double)received / (double)quiet.messages * SPAN / BURSTS;
	printf("figure: %s: %u times in the first %u ms, others have %.3f of what they had\n", what,
	       rounds, BURSTS / 1000, share);
	loud = load_measure(&load, SPAN, HONEST);
	compare(what, quiet, loud);
	compare_delays(quiet, loud);
	ck_assert_msg(share * sharers >= LEAST_AT_FIRST * HONEST, "%.3f of what it was", share);
	ck_assert_msg((double)loud.messages * sharers >=
			      LEAST_SHARE * (double)quiet.messages * HONEST,
		      "%llu messages, %llu without him", (unsigned long long)loud.messages,
		      (unsigned long long)quiet.messages);
	load.nuisance = NULL;
	guest_fini(&mallory);
	world_fini(&w);
}

START_TEST(sends_without_regard)
{
	disturb("no regard to windows", send_without_regard, COST_CALL, HONEST + 1);
}
END_TEST

START_TEST(event_storm)
{
	disturb("event storm", send_events, COST_CALL, HONEST);
}
END_TEST

START_TEST(connect_loop)
{
	disturb("connect loop", connect_and_close, COST_STORE, HONEST);
}
END_TEST

START_TEST(watch_storm)
{
	disturb("watch storm", fire_watches, COST_STORE, HONEST);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("system-fair");
	TCase *tcase = tcase_create("fair");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 300);
	tcase_add_loop_test(tcase, flood_of_messages, 0, 2);
	tcase_add_loop_test(tcase, flood_of_tiny_messages, 0, 2);
	tcase_add_loop_test(tcase, huge_batch, 0, 2);
	tcase_add_test(tcase, weights);
	tcase_add_test(tcase, receiver_stops_reading);
	tcase_add_test(tcase, sends_without_regard);
	tcase_add_test(tcase, event_storm);
	tcase_add_test(tcase, connect_loop);
	tcase_add_test(tcase, watch_storm);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
