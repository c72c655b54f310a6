// SPDX-License-Identifier: GPL-2.0-or-later
/* Rates, quotas and weights: that they hold, in virtual time, and what is said of them. */
#include "tests/unit/fake-guests.h"

#include "broker/reload.h"
#include "common/clock.h"
#include "tests/sim/sim.h"

#define DEVICES		   "[devices]\ndomains = *\n"
#define ALLOW		   "[allow any]\nfrom = *\nto = *\nmodes = copy map\n"
#define PER_CENT(value, n) ((double)(value) * (n) / 100)

static struct device *alice, *bob, *carol;

static void setup(void)
{
	sim_init(1);
	fake_init(DEVICES ALLOW);
	alice = fake_guest(1, "alice", 0);
	bob = fake_guest(2, "bob", 0);
	carol = fake_guest(3, "carol", 0);
	fake_bind(bob, 8, UINT64_C(1) << 40, NULL);
	fake_turns();
	fake_clear();
}

static void teardown(void)
{
	fake_fini();
	sim_fini();
}

static void reconfigure(const char *text)
{
	ck_assert_int_eq(broker_reconfigure(fake.broker, fake_config(text)), 0);
	fake_turns();
}

static void post(struct device *dev, unsigned int n)
{
	unsigned int posted = dev->posted_end - dev->posted_first;

	if (posted < n)
		fake_post(dev, n - posted);
}

/* One message of @len bytes; its status. */
static int send_len(struct device *from, struct device *to, uint32_t port, uint32_t len)
{
	uint16_t id;
	int status;

	post(to, 80);
	id = fake_send_pages(from, to, port, 0, len);
	fake_turns();
	status = fake_status(from, id);
	fake.nr_entries = 0;
	return status;
}

struct flood {
	uint64_t messages;
	uint64_t bytes;
};

/*
 * Sizes from @min to @max, one message each @gap ns, for @seconds, to ports in
 * turn; what got through. Whatever did not was over a rate.
 */
static struct flood flood(struct device *from, struct device *to, uint32_t min, uint32_t max,
			  uint64_t gap, unsigned int seconds)
{
	struct flood through = { 0 };
	uint64_t end = sim_now() + seconds * SIM_NSEC_PER_SEC;

	for (uint32_t i = 0; sim_now() < end; i++) {
		uint32_t len = min + i * 2654435761u % (max - min + 1);
		int status = send_len(from, to, to == bob ? 7 + i % 2 : 7, len);

		ck_assert_msg(status == 0 || status == VMSGIF_EDQUOT, "%d", status);
		if (status == 0) {
			through.messages++;
			through.bytes += len;
		}
		sim_advance(gap);
	}
	return through;
}

static void check_near(uint64_t value, double expected)
{
	ck_assert_msg((double)value >= PER_CENT(expected, 98) &&
			      (double)value <= PER_CENT(expected, 102),
		      "%llu, not %.0f", (unsigned long long)value, expected);
}

/* ----------------------------------------------------------------------- rates */

#define RATED "[allow rated]\nfrom = alice carol\nto = *\n"

START_TEST(messages_of_a_rule)
{
	struct flood f;

	reconfigure(DEVICES RATED "messages-per-second = 500\n" ALLOW);
	/* First what may come at once, then what flows in meanwhile. */
	f = flood(alice, bob, 100, 100, NS_PER_MS, 1);
	check_near(f.messages, 1000);
	f = flood(alice, bob, 100, 100, NS_PER_MS, 10);
	check_near(f.messages, 5000);
	ck_assert_ptr_nonnull(strstr(fake.lines, "rule=\"rated\" refused from=alice(1) to=bob(2) "
						 "port=8: over 'messages-per-second'"));
	ck_assert_uint_gt(policy_rule(&fake.broker->config->policy, "rated")->over_rate, 1000);
	/* Below the rate nothing is refused. */
	sim_advance(SIM_NSEC_PER_SEC);
	f = flood(alice, bob, 100, 100, 2100 * NS_PER_US, 5);
	ck_assert_uint_eq(f.messages, 5 * SIM_NSEC_PER_SEC / (2100 * NS_PER_US) + 1);
}
END_TEST

START_TEST(bytes_of_a_rule)
{
	struct flood f;

	reconfigure(DEVICES RATED "bytes-per-second = 3000000\nbytes-burst = 100000\n" ALLOW);
	f = flood(alice, bob, 1, 65536, 2 * NS_PER_MS, 10);
	check_near(f.bytes, 30000000);
	/* Not more with a burst smaller than the messages, and not much less. */
	reconfigure(DEVICES RATED "bytes-per-second = 3000000\nbytes-burst = 5000\n" ALLOW);
	f = flood(alice, bob, 1, 65536, NS_PER_MS, 10);
	ck_assert_uint_gt(f.bytes, 27000000);
	ck_assert_uint_lt(f.bytes, 30100000);
	ck_assert_ptr_nonnull(strstr(fake.lines, "over 'bytes-per-second'"));
}
END_TEST

/* For each sender by itself, whatever its flows. */
START_TEST(senders_have_buckets_of_their_own)
{
	reconfigure(DEVICES RATED "messages-per-second = 1\nmessages-burst = 2\n" ALLOW);
	ck_assert_int_eq(send_len(alice, bob, 7, 1), 0);
	ck_assert_int_eq(send_len(alice, carol, 7, 1), 0);
	ck_assert_int_eq(send_len(alice, bob, 8, 1), VMSGIF_EDQUOT);
	ck_assert_int_eq(send_len(carol, bob, 7, 1), 0);
	ck_assert_int_eq(send_len(carol, bob, 7, 1), 0);
	ck_assert_int_eq(send_len(carol, alice, 7, 1), VMSGIF_EDQUOT);
	for (unsigned int i = 0; i < 10; i++)
		ck_assert_int_eq(send_len(bob, alice, 7, 1), 0);
	sim_advance(SIM_NSEC_PER_SEC);
	ck_assert_int_eq(send_len(alice, bob, 8, 1), 0);
	ck_assert_int_eq(send_len(alice, bob, 8, 1), VMSGIF_EDQUOT);
}
END_TEST

/* All of a domain, under whichever rules; what a rule refuses does not count. */
START_TEST(limits_and_rules)
{
	struct flood f;

	reconfigure(DEVICES "[allow bob]\nfrom = *\nto = bob\nmessages-per-second = 100\n"
			    "messages-burst = 1\n" ALLOW
			    "[limits alice]\ndomains = alice\nmessages-per-second = 300\n"
			    "messages-burst = 5\n");
	f = flood(alice, bob, 1, 1, 500 * NS_PER_US, 5);
	check_near(f.messages, 500);
	f = flood(alice, carol, 1, 1, 500 * NS_PER_US, 5);
	check_near(f.messages, 1500);
	ck_assert_ptr_nonnull(strstr(fake.lines, "rule=\"bob\""));
	ck_assert_ptr_nonnull(strstr(fake.lines, "rule=\"limits alice\" refused from=alice(1) "
						 "to=carol(3) port=7: over 'messages-per-second'"));
	f = flood(bob, carol, 1, 1, NS_PER_MS, 1);
	ck_assert_uint_eq(f.messages, 1000);
	/* A message refused by the rule is not charged to the limits, and the other way round. */
	reconfigure(DEVICES "[allow bob]\nfrom = *\nto = bob\nmessages-per-second = 1\n" ALLOW
			    "[limits alice]\ndomains = alice\nmessages-per-second = 2\n");
	ck_assert_int_eq(send_len(alice, bob, 7, 1), 0);
	ck_assert_int_eq(send_len(alice, bob, 7, 1), VMSGIF_EDQUOT);
	ck_assert_int_eq(send_len(alice, bob, 7, 1), VMSGIF_EDQUOT);
	ck_assert_int_eq(send_len(alice, carol, 7, 1), 0);
	ck_assert_int_eq(send_len(alice, carol, 7, 1), VMSGIF_EDQUOT);
}
END_TEST

/* A new connection is no new domain. */
START_TEST(reconnecting_fills_no_bucket)
{
	reconfigure(DEVICES RATED "messages-per-second = 1\n" ALLOW
				  "[limits alice]\ndomains = alice\nbytes-per-second = 10\n");
	ck_assert_int_eq(send_len(alice, bob, 7, 10), 0);
	fake_down(alice);
	fake_connect(alice);
	fake_ready(alice);
	fake_turns();
	ck_assert_int_eq(send_len(alice, bob, 7, 1), VMSGIF_EDQUOT);
	/* Another domain is one. */
	fake_down(alice);
	broker_ops.gone(fake.broker, alice);
	fake_connect(alice);
	ck_assert_int_eq(send_len(alice, bob, 7, 10), 0);
}
END_TEST

/* Those that it had under way are no fault of it. */
START_TEST(restart_fails_nothing)
{
	struct device *dave = fake_device(4, "dave");
	unsigned int through = 0;

	reconfigure(DEVICES "[allow slow]\nfrom = *\nto = *\nmessages-per-second = 1\n");
	fake_awaited(dave);
	fake_connect(dave);
	fake_ready(dave);
	for (unsigned int i = 0; i < dave->slots; i++)
		ck_assert_int_eq(send_len(dave, bob, 7, 1), 0);
	while (send_len(dave, bob, 7, 1) == 0)
		through++;
	ck_assert_uint_eq(through, 1);
}
END_TEST

START_TEST(reload_keeps_buckets)
{
	reconfigure(DEVICES RATED "messages-per-second = 2\n" ALLOW);
	ck_assert_int_eq(send_len(alice, bob, 7, 1), 0);
	ck_assert_int_eq(send_len(alice, bob, 7, 1), 0);
	ck_assert_int_eq(send_len(alice, bob, 7, 1), VMSGIF_EDQUOT);
	reconfigure(DEVICES "[allow new]\nfrom = carol\nto = *\n" RATED
			    "messages-per-second = 2\n" ALLOW);
	ck_assert_int_eq(send_len(alice, bob, 7, 1), VMSGIF_EDQUOT);
	/* A new rate begins anew, and takes a flow with messages along. */
	fake_port_op(bob, VMSGIF_OP_UNBIND, 8, 0);
	fake_turns();
	fake_bind(bob, 8, 0, NULL);
	sim_advance(SIM_NSEC_PER_SEC);
	ck_assert_int_eq(send_len(alice, bob, 8, 1), FAKE_UNANSWERED);
	reconfigure(DEVICES RATED "messages-per-second = 3\n" ALLOW);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_int_eq(send_len(alice, bob, 8, 1), FAKE_UNANSWERED);
	ck_assert_int_eq(send_len(alice, bob, 8, 1), VMSGIF_EDQUOT);
	reconfigure(DEVICES ALLOW);
	for (unsigned int i = 0; i < 10; i++)
		ck_assert_int_eq(send_len(alice, bob, 7, 1), 0);
}
END_TEST

/* ---------------------------------------------------------------------- quotas */

#define QUOTA DEVICES ALLOW "[limits alice]\ndomains = alice\n"

/* Over all flows, and open again with what leaves. */
START_TEST(queued_messages)
{
	uint16_t ids[12];

	reconfigure(QUOTA "queued-messages = 10\n");
	for (unsigned int i = 0; i < 10; i++)
		ids[i] = fake_send(alice, i % 2 ? bob : carol, 7, "x");
	ids[10] = fake_send(alice, bob, 8, "x");
	fake_turns();
	ck_assert_uint_eq(fake_peer(alice)->account->queued, 10);
	ck_assert_int_eq(fake_status(alice, ids[9]), FAKE_UNANSWERED);
	ck_assert_int_eq(fake_status(alice, ids[10]), VMSGIF_EDQUOT);
	ck_assert_ptr_nonnull(strstr(fake.lines, "rule=\"limits alice\" refused from=alice(1) "
						 "to=bob(2) port=8: over 'queued-messages'"));
	fake_post(carol, 2 + VMSGIF_RX_RESERVE);
	fake_turns();
	ck_assert_uint_eq(fake_peer(alice)->account->queued, 8);
	for (unsigned int i = 0; i < 3; i++)
		ids[i] = fake_send(alice, bob, 8, "x");
	fake_turns();
	ck_assert_int_eq(fake_status(alice, ids[1]), FAKE_UNANSWERED);
	ck_assert_int_eq(fake_status(alice, ids[2]), VMSGIF_EDQUOT);
	/* A receiver's death, and the sender's own, give all back. */
	fake_down(bob);
	fake_turns();
	ck_assert_uint_eq(fake_peer(alice)->account->queued, 3);
	fake_down(alice);
	fake_connect(alice);
	ck_assert_uint_eq(fake_peer(alice)->account->queued, 0);
}
END_TEST

static void share(struct device *with, uint16_t id)
{
	fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, id, with, 7);
	post(with, 20);
	fake_turns();
	fake_ack(with, alice->addr, id, 0);
	fake_turns();
}

START_TEST(outstanding_maps)
{
	uint16_t ids[4];

	reconfigure(QUOTA "outstanding-maps = 3\n");
	share(bob, 0);
	share(carol, 1);
	post(bob, 20);
	for (unsigned int i = 0; i < 2; i++)
		ids[i] = fake_send_map(alice, bob, 7, 0, 0, 10);
	ids[2] = fake_send_map(alice, carol, 7, 1, 0, 10);
	ids[3] = fake_send_map(alice, carol, 7, 1, 0, 10);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, ids[2]), FAKE_UNANSWERED);
	ck_assert_int_eq(fake_status(alice, ids[3]), VMSGIF_EDQUOT);
	ck_assert_ptr_nonnull(strstr(fake.lines, "to=carol(3) port=7: over 'outstanding-maps'"));
	ck_assert_uint_eq(fake_peer(alice)->account->maps, 3);
	/* Copies are no maps. */
	ck_assert_int_eq(send_len(alice, bob, 7, 10), 0);
	fake_release(bob, alice->addr, 7, 1);
	fake_turns();
	ck_assert_uint_eq(fake_peer(alice)->account->maps, 2);
	ids[3] = fake_send_map(alice, bob, 7, 0, 0, 10);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, ids[3]), FAKE_UNANSWERED);
	fake_down(bob);
	fake_turns();
	ck_assert_uint_eq(fake_peer(alice)->account->maps, 1);
	fake_down(alice);
	fake_connect(alice);
	ck_assert_uint_eq(fake_peer(alice)->account->maps, 0);
}
END_TEST

static int add_pool(struct device *dev, uint16_t type, uint32_t nr_pages)
{
	uint16_t id = fake_pool(dev, VMSGIF_OP_POOL_ADD, type, 0, NULL, 0);

	dev->in[(dev->in_end - 1) % FAKE_SLOTS].req.pool.nr_pages = nr_pages;
	fake_turns();
	return fake_status(dev, id);
}

START_TEST(pool_pages)
{
	reconfigure(QUOTA "pool-pages = 100\n");
	ck_assert_int_eq(add_pool(alice, VMSGIF_POOL_TX, 101), VMSGIF_EDQUOT);
	ck_assert_ptr_nonnull(strstr(fake.lines, "rule=\"limits alice\""));
	ck_assert_ptr_nonnull(strstr(fake.lines, "over 'pool-pages'"));
	ck_assert_int_eq(add_pool(alice, VMSGIF_POOL_TX, 60), 0);
	ck_assert_int_eq(add_pool(alice, VMSGIF_POOL_RX, 41), VMSGIF_EDQUOT);
	ck_assert_int_eq(add_pool(alice, VMSGIF_POOL_RX, 40), 0);
	ck_assert_int_eq(add_pool(bob, VMSGIF_POOL_TX, 200), 0);
	/* What there is stays, even if it is too much now. */
	reconfigure(QUOTA "pool-pages = 50\n");
	fake_pool(alice, VMSGIF_OP_POOL_DEL, VMSGIF_POOL_RX, 0, NULL, 0);
	fake_turns();
	ck_assert_int_eq(add_pool(alice, VMSGIF_POOL_RX, 1), VMSGIF_EDQUOT);
}
END_TEST

/* -------------------------------------------------------------------- fairness */

/* What it got through costs, when all its messages have @len bytes. */
static uint64_t cost_of(const struct device *src, uint32_t len)
{
	return ((struct peer *)src->priv)->count.sent.messages[WAY_COPY] * queue_cost(len);
}

/* Keeps so many messages of @dev to @port of @to under way. */
#define UNDER_WAY 32

static void fill(struct device *dev, struct device *to, uint32_t port, uint32_t len)
{
	struct flow *flow = flow_find(fake_peer(dev), to->addr, port);

	for (unsigned int n = flow ? flow->open : 0; n < UNDER_WAY; n++)
		fake_send_pages(dev, to, port, 0, len);
}

/* All three keep both ports full; bob takes in what he has pages for. */
static void contend(const uint32_t lens[3], unsigned int pages)
{
	struct device *const senders[] = { alice, carol, fake.devices[3] };

	for (; pages; pages -= 8) {
		for (unsigned int i = 0; i < 3; i++) {
			fill(senders[i], bob, 7, lens[i]);
			fill(senders[i], bob, 8, lens[i]);
		}
		fake_turns();
		fake_post(bob, 8);
		fake_turns();
		fake.nr_entries = 0;
	}
}

static void check_shares(uint64_t a, uint64_t b, double ratio)
{
	double seen = (double)b / (double)a;

	ck_assert_msg(seen > ratio * 0.95 && seen < ratio * 1.05, "%f, not %f", seen, ratio);
}

START_TEST(weights)
{
	static const uint32_t lens[][3] = {
		{ 4096, 4096, 4096 },
		{ 100, 4096, 30000 },
		{ 30000, 4096, 100 },
		{ 1000, 200, 65536 },
	};
	struct device *dave = fake_guest(4, "dave", 0);

	reconfigure(DEVICES ALLOW "[limits b]\ndomains = carol\nweight = 2\n"
				  "[limits c]\ndomains = dave\nweight = 4\n");
	fake_post(bob, 16);
	contend(lens[_i], _i == 2 ? 40000 : 16000);
	check_shares(cost_of(alice, lens[_i][0]), cost_of(carol, lens[_i][1]), 2);
	check_shares(cost_of(alice, lens[_i][0]), cost_of(dave, lens[_i][2]), 4);
}
END_TEST

/* From the next turn on. */
START_TEST(weights_change)
{
	static const uint32_t lens[] = { 4096, 4096, 4096 };
	struct device *dave = fake_guest(4, "dave", 0);
	uint64_t before[2];

	fake_post(bob, 16);
	contend(lens, 4000);
	before[0] = cost_of(alice, 4096);
	before[1] = cost_of(dave, 4096);
	check_shares(before[0], before[1], 1);
	reconfigure(DEVICES ALLOW "[limits d]\ndomains = dave\nweight = 10\n");
	contend(lens, 8000);
	check_shares(cost_of(alice, 4096) - before[0], cost_of(dave, 4096) - before[1], 10);
}
END_TEST

/*
 * Each to a receiver of its own, and more to do than a turn can hold. Senders
 * of one receiver count together.
 */
START_TEST(weights_over_receivers)
{
	struct device *dave = fake_guest(4, "dave", 0), *to[3];
	struct device *const senders[] = { alice, carol, dave };
	const uint32_t len = _i ? 16384 : 12000;

	reconfigure(DEVICES ALLOW "[limits b]\ndomains = carol\nweight = 2\n"
				  "[limits c]\ndomains = dave\nweight = 4\n");
	to[0] = bob;
	to[1] = _i == 2 ? bob : fake_guest(5, "erin", 0);
	to[2] = fake_guest(6, "frank", 0);
	fake_bind(to[1], 8, UINT64_C(1) << 40, NULL);
	fake_bind(to[2], 8, UINT64_C(1) << 40, NULL);
	fake_turns();
	for (unsigned int turn = 0; turn < 300; turn++) {
		for (unsigned int i = 0; i < 3; i++) {
			fill(senders[i], to[i], 7, len);
			fill(senders[i], to[i], 8, len);
			post(to[i], 250);
		}
		(void)turn_run(fake.broker);
		fake.nr_entries = 0;
	}
	check_shares(cost_of(alice, len), cost_of(carol, len), 2);
	check_shares(cost_of(alice, len), cost_of(dave, len), 4);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("broker-limits");
	TCase *t = tcase_create("rates");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, messages_of_a_rule);
	tcase_add_test(t, bytes_of_a_rule);
	tcase_add_test(t, senders_have_buckets_of_their_own);
	tcase_add_test(t, limits_and_rules);
	tcase_add_test(t, reconnecting_fills_no_bucket);
	tcase_add_test(t, restart_fails_nothing);
	tcase_add_test(t, reload_keeps_buckets);
	suite_add_tcase(s, t);

	t = tcase_create("quotas");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, queued_messages);
	tcase_add_test(t, outstanding_maps);
	tcase_add_test(t, pool_pages);
	suite_add_tcase(s, t);

	t = tcase_create("fairness");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, weights, 0, 4);
	tcase_add_test(t, weights_change);
	tcase_add_loop_test(t, weights_over_receivers, 0, 3);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return fake_run(suite());
}
