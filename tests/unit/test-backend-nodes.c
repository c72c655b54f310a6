// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a frontend wrote into xenstore: each node good, absent, garbage and out
 * of range, over a table that plays xenstore.
 */
#include "backend/guest/nodes.h"

#include <check.h>
#include <stdlib.h>

#define EPOCH	     UINT64_C(18446744073709551615)
#define MAX_ORDER    2
#define NODES_MAX    16
#define ANY_ERROR    (-EACCES)
#define VALUE_LENGTH 64

struct entry {
	const char *name;
	char value[VALUE_LENGTH];
	size_t len;
};

static struct entry entries[NODES_MAX];
static unsigned int nr_entries;
static const char *broken; /* reading this node fails */
static struct frontend_nodes nodes;
static struct node_reject why;

static int fetch(void *priv, const char *name, char text[NODE_VALUE_MAX])
{
	if (broken && strcmp(name, broken) == 0)
		return ANY_ERROR;
	for (unsigned int i = 0; i < nr_entries; i++) {
		if (strcmp(entries[i].name, name) != 0)
			continue;
		if (entries[i].len > NODE_VALUE_MAX)
			return -E2BIG;
		memcpy(text, entries[i].value, entries[i].len);
		return (int)entries[i].len;
	}
	return -ENOENT;
}

static void put_bytes(const char *name, const char *value, size_t len)
{
	unsigned int i = 0;

	while (i < nr_entries && strcmp(entries[i].name, name) != 0)
		i++;
	if (i == nr_entries)
		nr_entries++;
	ck_assert_uint_le(nr_entries, NODES_MAX);
	entries[i].name = name;
	entries[i].len = len;
	memcpy(entries[i].value, value, len);
}

static void put(const char *name, const char *value)
{
	put_bytes(name, value, strlen(value));
}

static void drop(const char *name)
{
	unsigned int i = 0;

	while (strcmp(entries[i].name, name) != 0)
		ck_assert_uint_lt(++i, nr_entries);
	entries[i] = entries[--nr_entries];
}

static void setup(void)
{
	nr_entries = 0;
	broken = NULL;
	put("state", "3");
	put("version", "1");
	put("epoch", "18446744073709551615");
	put("instance", "77");
	put("ring-order", "1");
	put("tx-ring-ref-0", "8");
	put("tx-ring-ref-1", "4294967295");
	put("rx-ring-ref-0", "0");
	put("rx-ring-ref-1", "11");
	put("event-channel", "12");
}

static int read_all(void)
{
	return nodes_read_connect(fetch, NULL, EPOCH, MAX_ORDER, &nodes, &why);
}

static const char *const names[] = { "version",	      "epoch",	       "instance",
				     "ring-order",    "tx-ring-ref-0", "tx-ring-ref-1",
				     "rx-ring-ref-0", "rx-ring-ref-1", "event-channel" };
#define NR_NAMES (int)(sizeof(names) / sizeof(names[0]))

START_TEST(good_nodes)
{
	ck_assert_int_eq(read_all(), 1);
	ck_assert_uint_eq(nodes.epoch, EPOCH);
	ck_assert_uint_eq(nodes.instance, 77);
	ck_assert_uint_eq(nodes.ring_order, 1);
	ck_assert_uint_eq(nodes.tx_ring_ref[0], 8);
	ck_assert_uint_eq(nodes.tx_ring_ref[1], UINT32_MAX);
	ck_assert_uint_eq(nodes.rx_ring_ref[1], 11);
	ck_assert_uint_eq(nodes.evtchn, 12);
}
END_TEST

START_TEST(another_epoch)
{
	put("epoch", "5");
	drop("version");
	ck_assert_int_eq(read_all(), 0);
}
END_TEST

START_TEST(absent_nodes)
{
	drop(names[_i]);
	ck_assert_int_eq(read_all(), -EPROTO);
	ck_assert_str_eq(why.node, names[_i]);
	ck_assert(why.absent);
}
END_TEST

/* Only a frontend that is a process has it. */
START_TEST(alive_ref)
{
	ck_assert_int_eq(read_all(), 1);
	ck_assert_uint_eq(nodes.alive_ref, 0);
	put("alive-ref", "0");
	ck_assert_int_eq(read_all(), 1);
	ck_assert_uint_eq(nodes.alive_ref, 0);
	put("alive-ref", "4294967295");
	ck_assert_int_eq(read_all(), 1);
	ck_assert_uint_eq(nodes.alive_ref, UINT32_MAX);
	put("alive-ref", "4294967296");
	ck_assert_int_eq(read_all(), -EPROTO);
	put("alive-ref", "");
	ck_assert_int_eq(read_all(), -EPROTO);
	ck_assert_str_eq(why.node, "alive-ref");
	broken = "alive-ref";
	ck_assert_int_eq(read_all(), ANY_ERROR);
}
END_TEST

START_TEST(unreadable_nodes)
{
	broken = names[_i];
	ck_assert_int_eq(read_all(), ANY_ERROR);
}
END_TEST

START_TEST(garbage_nodes)
{
	static const char *const garbage[] = {
		"",
		"-1",
		"+1",
		" 1",
		"1 ",
		"01",
		"0x1",
		"1\n",
		"one",
		"1,2",
		"%s",
		"..",
		"1e1",
		"\xff",
		"999999999999999999999",
		"00000000000000000000000000000001",
		"000000000000000000000000000000001",
	};

	for (unsigned int i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		setup();
		put(names[_i], garbage[i]);
		ck_assert_int_eq(read_all(), -EPROTO);
		ck_assert_str_eq(why.node, names[_i]);
		ck_assert(!why.absent);
	}
	/* A NUL is no end. */
	put_bytes(names[_i], "1\0", 2);
	ck_assert_int_eq(read_all(), -EPROTO);
}
END_TEST

START_TEST(out_of_range)
{
	static const char *const bad[][2] = {
		{ "version", "0" },
		{ "version", "2" },
		{ "epoch", "0" },
		{ "instance", "0" },
		{ "ring-order", "6" },
		{ "ring-order", "3" },
		{ "event-channel", "0" },
		{ "event-channel", "4294967296" },
		{ "tx-ring-ref-0", "4294967296" },
		{ "rx-ring-ref-1", "4294967296" },
	};

	put(bad[_i][0], bad[_i][1]);
	ck_assert_int_eq(read_all(), -EPROTO);
	ck_assert_str_eq(why.node, bad[_i][0]);
	ck_assert_ptr_nonnull(strstr(why.reason, _i == 5 ? "max-ring-order" : "out of range"));
}
END_TEST

START_TEST(states)
{
	for (int state = 1; state <= 6; state++) {
		char text[2] = { (char)('0' + state), '\0' };

		put("state", text);
		ck_assert_int_eq(nodes_read_state(fetch, NULL, &why), state);
	}
	put("state", "7");
	ck_assert_int_eq(nodes_read_state(fetch, NULL, &why), -EPROTO);
	ck_assert_str_eq(why.node, "state");
	put("state", "0");
	ck_assert_int_eq(nodes_read_state(fetch, NULL, &why), -EPROTO);
	put("state", "four");
	ck_assert_int_eq(nodes_read_state(fetch, NULL, &why), -EPROTO);
	drop("state");
	ck_assert_int_eq(nodes_read_state(fetch, NULL, &why), -ENOENT);
	broken = "state";
	ck_assert_int_eq(nodes_read_state(fetch, NULL, &why), ANY_ERROR);
}
END_TEST

static Suite *nodes_suite(void)
{
	Suite *s = suite_create("backend-nodes");
	TCase *t = tcase_create("nodes");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, good_nodes);
	tcase_add_test(t, another_epoch);
	tcase_add_test(t, alive_ref);
	tcase_add_loop_test(t, absent_nodes, 0, NR_NAMES);
	tcase_add_loop_test(t, unreadable_nodes, 0, NR_NAMES);
	tcase_add_loop_test(t, garbage_nodes, 0, NR_NAMES);
	tcase_add_loop_test(t, out_of_range, 0, 10);
	tcase_add_test(t, states);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(nodes_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
