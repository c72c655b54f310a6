// SPDX-License-Identifier: GPL-2.0-or-later
/* The configuration: what it says, and each kind of mistake with its line. */
#include "broker/config.h"

#include "common/macros.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct config *config;
static struct config_error error;

static int parse(const char *text)
{
	FILE *stream = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	int r;

	config_free(config);
	config = NULL;
	r = config_read(&config, stream, "test.conf", &error);
	fclose(stream);
	ck_assert_int_eq(r == 0, config != NULL);
	return r;
}

static void teardown(void)
{
	config_free(config);
	config = NULL;
}

static unsigned int modes(const char *from, const char *to, uint32_t port)
{
	struct decision d;

	policy_decide(&config->policy, from, to, port, NULL, false, &d);
	return d.modes;
}

/* What is announced to frontends has the default of the schema. */
static uint64_t schema_default(const char *name)
{
#define NONE								 0
#define VMSG_NODE(side, symbol, node, type, min, max, def, writer, text) { node, def },
	static const struct {
		const char *name;
		uint64_t value;
	} nodes[] = {
#include "xenstore-schema/nodes.def"
	};
#undef NONE

	for (unsigned int i = 0; i < ARRAY_LEN(nodes); i++)
		if (!strcmp(nodes[i].name, name))
			return nodes[i].value;
	ck_abort_msg("no node %s", name);
	return 0;
}

START_TEST(defaults)
{
	ck_assert_int_eq(parse("# nothing\n"), 0);
	ck_assert_uint_eq(config->limits.max_ring_order, VMSGIF_MAX_RING_ORDER);
	ck_assert_uint_eq(config->limits.flow_window, schema_default("flow-window"));
	ck_assert_uint_eq(config->limits.max_message, schema_default("max-message"));
	ck_assert_uint_eq(config->limits.max_pool_pages, schema_default("max-pool-pages"));
	ck_assert_uint_eq(config->limits.max_maps, schema_default("max-maps"));
	ck_assert(config->limits.feature_map);
	ck_assert_uint_gt(config->limits.map_budget, 0);
	ck_assert_uint_eq(config->busy_poll, 0);
	ck_assert(!pattern_match(config->devices, "alice"));
	ck_assert(list_empty(&config->policy.rules));
}
END_TEST

START_TEST(everything)
{
	ck_assert_int_eq(parse("[daemon]\n"
			       "max-ring-order = 2\n"
			       "flow-window=7\n"
			       "max-message = 65536\n"
			       "max-pool-pages = 0\n"
			       "max-maps = 3\n"
			       "map = no\n"
			       "map-budget = 1000 ; pages\n"
			       "max-ports = 5\n"
			       "max-subscriptions = 6\n"
			       "busy-poll = 9\n"
			       "\n"
			       "[devices]\n"
			       "domains = alice, bob\n"
			       "  web-* [x-z]1\n"
			       "domains = carol\n"
			       "[allow one]\n"
			       "from = alice bob\n"
			       "to = web-*\n"
			       "ports = 1-5 log\n"
			       "  a@c\n"),
			 -EINVAL);
	ck_assert_uint_eq(error.line, 21);
	ck_assert_int_eq(parse("[daemon]\n"
			       "max-ring-order = 2\n"
			       "flow-window=7\n"
			       "max-message = 65536\n"
			       "max-pool-pages = 0\n"
			       "max-maps = 3\n"
			       "map = no\n"
			       "map-budget = 1000 ; pages\n"
			       "max-ports = 5\n"
			       "max-subscriptions = 6\n"
			       "busy-poll = 9\n"
			       "\n"
			       "[devices]\n"
			       "domains = alice, bob\n"
			       "  web-* [x-z]1\n"
			       "domains = carol\n"
			       "[allow one]\n"
			       "from = alice bob\n"
			       "to = web-*\n"
			       "ports = 1-5 log\n"
			       "modes = map\n"
			       "[allow two]\n"
			       "from = *\n"
			       "to = carol"),
			 0);
	ck_assert_uint_eq(config->limits.max_ring_order, 2);
	ck_assert_uint_eq(config->limits.flow_window, 7);
	ck_assert_uint_eq(config->limits.max_message, 65536);
	ck_assert_uint_eq(config->limits.max_pool_pages, 0);
	ck_assert_uint_eq(config->limits.max_maps, 3);
	ck_assert(!config->limits.feature_map);
	ck_assert_uint_eq(config->limits.map_budget, 1000);
	ck_assert_uint_eq(config->max_ports, 5);
	ck_assert_uint_eq(config->max_subscriptions, 6);
	ck_assert_uint_eq(config->busy_poll, 9);
	ck_assert(pattern_match(config->devices, "alice"));
	ck_assert(pattern_match(config->devices, "bob"));
	ck_assert(pattern_match(config->devices, "web-17"));
	ck_assert(pattern_match(config->devices, "y1"));
	ck_assert(pattern_match(config->devices, "carol"));
	ck_assert(!pattern_match(config->devices, "mallory"));
	ck_assert_uint_eq(modes("bob", "web-1", 5), MODE_MAP);
	ck_assert_uint_eq(modes("bob", "web-1", 6), 0);
	ck_assert_uint_eq(modes("x", "carol", 6), MODE_COPY);
}
END_TEST

START_TEST(pools_by_word)
{
	ck_assert_int_eq(parse("[daemon]\npools = no\n"), 0);
	ck_assert_uint_eq(config->limits.max_pool_pages, 0);
	ck_assert_int_eq(parse("[daemon]\npools = yes\n"), 0);
	ck_assert_uint_eq(config->limits.max_pool_pages, schema_default("max-pool-pages"));
}
END_TEST

#define LONG10 "aaaaaaaaaaaaaaaaaaaa aaaaaaaaaaaaaaaaaaaa aaaaaaaaaaaaaaaaaaaa "
static const struct {
	const char *text;
	unsigned int line;
	const char *reason;
} mistakes[] = {
	{ "[daemons]\n", 1, "no such section" },
	{ "\n\n[daemon\nmap = yes\n", 3, "']'" },
	{ "[daemon]\n\ncolour = red\n", 3, "no key 'colour'" },
	{ "[daemon]\nmap = maybe\n", 2, "yes or no" },
	{ "[daemon]\nmap =\n", 2, "no value" },
	{ "[daemon]\nmap = yes\nmap = yes\n", 3, "second time" },
	{ "[daemon]\nmap = yes\n[daemon]\nmap = no\n", 4, "second time" },
	{ "[daemon]\nflow-window = 0\n", 2, "1 to 256" },
	{ "[daemon]\nflow-window = 257\n", 2, "1 to 256" },
	{ "[daemon]\nflow-window = 032\n", 2, "not '032'" },
	{ "[daemon]\nflow-window = -1\n", 2, "not '-1'" },
	{ "[daemon]\nmax-ring-order = 6\n", 2, "0 to 5" },
	{ "[daemon]\npools = no\nmax-pool-pages = 5\n\n[devices]\n", 5, "same thing" },
	{ "[daemon]\nmax-pool-pages = 5\npools = no\n", 3, "same thing" },
	{ "map = yes\n", 1, "in no section" },
	{ "[daemon]\nthis is nothing\n", 2, "neither" },
	{ "[daemon]\nthis is nothing\n\n[nonsense]\n", 2, "neither" },
	{ "[devices]\ndomain = x\n", 2, "no key 'domain'" },
	{ "[devices]\ndomains = a/b\n", 2, "'a/b' is not a pattern" },
	{ "[devices]\ndomains = a\n  b = c\n", 3, "'=' is not a pattern" },
	{ "[allow]\nfrom = a\n", 1, "name of 1 to" },
	{ "[allow a b]\nfrom = a\n", 1, "one word" },
	{ "[allow \"a\"]\nfrom = a\n", 1, "one word" },
	{ "[allow aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\n", 1, "name of 1 to" },
	{ "[allow default]\n", 1, "'default'" },
	{ "[allow x]\nfrom = a\nto = b\n\n[allow x]\n", 5, "already there, in test.conf:1" },
	{ "[allow x]\nfrom = a\n[devices]\n", 1, "does not say 'to'" },
	{ "\n[allow x]\nto = a\n", 2, "does not say 'from'" },
	{ "[allow x]\n", 1, "does not say 'from'" },
	{ "[allow x]\nfrom = a\nto = b\nvia = c\n", 4, "[allow x] has no key 'via'" },
	{ "[allow x]\nfrom = a\nto = b\nports = 5-4\n", 4, "'5-4' is not a range" },
	{ "[allow x]\nfrom = a\nto = b\nports = 0\n", 4, "'0' is not a port" },
	{ "[allow x]\nfrom = a\nto = b\nports = 1, a@b\n", 4, "'a@b' is neither" },
	{ "[allow x]\nfrom = a\nto = b\nmodes = copy,move\n", 4, "'move' is not a mode" },
	{ "[devices] x = y\ndomains = a\nfoo = b\n", 3, "no key 'foo'" },
	{ "[daemon of mine]\nmap = yes\n", 1, "no such section" },
	{ "\n  [nonsense]\n", 2, "no such section" },
	{ "[devices]\ndomains = " LONG10 LONG10 LONG10 LONG10 "\n", 2, "longer than" },
};

START_TEST(mistake)
{
	ck_assert_msg(parse(mistakes[_i].text) == -EINVAL, "%s", mistakes[_i].text);
	ck_assert_str_eq(error.file, "test.conf");
	ck_assert_msg(strstr(error.reason, mistakes[_i].reason) != NULL, "%s", error.reason);
	ck_assert_msg(error.line == mistakes[_i].line, "%u: %s", error.line, error.reason);
}
END_TEST

START_TEST(files)
{
	char path[] = "/tmp/test-broker-config-XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "[devices]\ndomains=*\n", 20), 20);
	close(fd);
	ck_assert_int_eq(config_load(&config, path, &error), 0);
	ck_assert(pattern_match(config->devices, "x"));
	unlink(path);
	teardown();
	ck_assert_int_eq(config_load(&config, path, &error), -ENOENT);
	ck_assert_str_eq(error.file, path);
	ck_assert_uint_eq(error.line, 0);
	ck_assert_ptr_nonnull(strstr(error.reason, "No such file"));
	ck_assert_int_eq(config_load(&config, "/", &error), -EIO);
	ck_assert_ptr_nonnull(strstr(error.reason, "cannot be read"));
}
END_TEST

/* What is given as an example is one. */
START_TEST(example)
{
	if (access("packaging/xenmsgd.conf", R_OK) < 0)
		return;
	ck_assert_msg(config_load(&config, "packaging/xenmsgd.conf", &error) == 0, "%u: %s",
		      error.line, error.reason);
	ck_assert_uint_eq(modes("alice", "bob", 5), MODE_COPY | MODE_MAP);
	ck_assert_uint_eq(modes("bob", "alice", 5), MODE_COPY);
	ck_assert_uint_eq(modes("mallory", "alice", 5), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("broker-config");
	TCase *t = tcase_create("config");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_add_test(t, defaults);
	tcase_add_test(t, everything);
	tcase_add_test(t, pools_by_word);
	tcase_add_loop_test(t, mistake, 0, ARRAY_LEN(mistakes));
	tcase_add_test(t, files);
	tcase_add_test(t, example);
	suite_add_tcase(s, t);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
