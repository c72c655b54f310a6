// SPDX-License-Identifier: GPL-2.0-or-later
/* The configuration's sections of policy, policy.d, and each kind of mistake there. */
#include "broker/config.h"

#include "common/macros.h"
#include "common/token-bucket.h"

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct config *config;
static struct config_error error;
static struct limits none;

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

static void parse_good(const char *text)
{
	int r = parse(text);

	ck_assert_msg(r == 0, "%s:%u: %s", error.file, error.line, error.reason);
}

static void setup(void)
{
	limits_init(&none);
}

static void teardown(void)
{
	config_free(config);
	config = NULL;
}

static const char *rule_for(const char *from, const char *to, uint32_t port, const char *service)
{
	struct decision d;

	policy_decide(&config->policy, from, to, port, service, false, &d);
	return decision_rule(&d);
}

static const struct limits *limits_for(const char *domain)
{
	return policy_limits(&config->policy, domain, &none);
}

/* ------------------------------------------------------------------- sections */

START_TEST(labels)
{
	parse_good("[devices]\n"
		   "domains = @web @db mallory\n"
		   "[allow web-to-db]\n"
		   "from = @web, admin\n"
		   "to = @db\n"
		   "[label db]\n"
		   "domains = db-*\n"
		   "[label web]\n"
		   "domains = web1\n"
		   "  web2\n"
		   "domains = front-?\n");
	ck_assert(pattern_match(config->devices, "db-7"));
	ck_assert(pattern_match(config->devices, "front-x"));
	ck_assert(!pattern_match(config->devices, "@web"));
	ck_assert(!pattern_match(config->devices, "web3"));
	ck_assert_str_eq(rule_for("web2", "db-1", 1, NULL), "web-to-db");
	ck_assert_str_eq(rule_for("admin", "db-1", 1, NULL), "web-to-db");
	ck_assert_str_eq(rule_for("db-1", "web2", 1, NULL), "default");
}
END_TEST

START_TEST(rules)
{
	const struct rule *rule;

	parse_good("[deny spool]\n"
		   "from = *\n"
		   "to = bob\n"
		   "ports = spool-* 100-200\n"
		   "[allow all]\n"
		   "from = alice\n"
		   "to = bob\n"
		   "modes = copy map\n"
		   "messages-per-second = 100\n"
		   "bytes-per-second = 1000000000000\n"
		   "bytes-burst = 5\n");
	rule = policy_rule(&config->policy, "all");
	ck_assert_uint_eq(rule->rates.messages, 100);
	ck_assert_uint_eq(rule->rates.messages_burst, 100);
	ck_assert_uint_eq(rule->rates.bytes, UINT64_C(1000000000000));
	ck_assert_uint_eq(rule->rates.bytes_burst, 5);
	ck_assert_uint_eq(rule->place.line, 5);
	ck_assert_str_eq(rule->place.file, "test.conf");
	rule = policy_rule(&config->policy, "spool");
	ck_assert(rule->deny);
	ck_assert_uint_eq(rule->modes, 0);
	ck_assert(!rates_any(&rule->rates));
	ck_assert_str_eq(rule_for("alice", "bob", 5, NULL), "all");
	ck_assert_str_eq(rule_for("alice", "bob", 150, NULL), "spool");
	ck_assert_str_eq(rule_for("alice", "bob", 5, "spool-a"), "spool");
	ck_assert_str_eq(rule_for("alice", "bob", 5, "spoon"), "all");
	/* A burst larger than the bucket can hold is cut. */
	parse_good("[allow all]\nfrom = *\nto = *\nbytes-per-second = 1000000000000\n");
	ck_assert_uint_eq(policy_rule(&config->policy, "all")->rates.bytes_burst,
			  TOKEN_BUCKET_BURST_MAX);
}
END_TEST

START_TEST(offers)
{
	const struct offer *offer;

	parse_good("# none\n");
	ck_assert(policy_may_offer(&config->policy, "anybody", "anything", &offer));
	ck_assert_ptr_null(offer);
	parse_good("[offer logs]\n"
		   "domains = bob\n"
		   "services = log log-*\n"
		   "[offer db]\n"
		   "domains = @db\n"
		   "services = *\n"
		   "[label db]\n"
		   "domains = db-*\n");
	ck_assert(policy_may_offer(&config->policy, "bob", "log-7", &offer));
	ck_assert_str_eq(offer->name, "logs");
	ck_assert(!policy_may_offer(&config->policy, "bob", "spool", &offer));
	ck_assert_ptr_null(offer);
	ck_assert(!policy_may_offer(&config->policy, "mallory", "log", NULL));
	ck_assert(policy_may_offer(&config->policy, "db-1", "sql", NULL));
}
END_TEST

START_TEST(limits)
{
	const struct limits *l;

	parse_good("[limits free]\n"
		   "domains = admin\n"
		   "[limits web]\n"
		   "domains = web-* admin\n"
		   "weight = 4\n"
		   "queued-messages = 10\n"
		   "outstanding-maps = 0\n"
		   "pool-pages = 2048\n"
		   "messages-per-second = 7\n"
		   "messages-burst = 9\n");
	l = limits_for("web-1");
	ck_assert_str_eq(l->name, "web");
	ck_assert_uint_eq(l->weight, 4);
	ck_assert_uint_eq(l->max_queued, 10);
	ck_assert_uint_eq(l->max_maps, 0);
	ck_assert_uint_eq(l->pool_pages, 2048);
	ck_assert_uint_eq(l->rates.messages, 7);
	ck_assert_uint_eq(l->rates.messages_burst, 9);
	ck_assert_uint_eq(l->rates.bytes, 0);
	/* The first section that matches holds as a whole. */
	l = limits_for("admin");
	ck_assert_str_eq(l->name, "free");
	ck_assert_uint_eq(l->weight, 1);
	ck_assert_uint_eq(l->max_queued, UINT_MAX);
	ck_assert_ptr_eq(limits_for("bob"), &none);
	ck_assert_uint_eq(none.weight, 1);
}
END_TEST

/* ------------------------------------------------------------------- mistakes */

#define A "[allow x]\nfrom = a\nto = b\n"
#define L "[limits x]\ndomains = a\n"
static const struct {
	const char *text;
	unsigned int line;
	const char *reason;
} mistakes[] = {
	{ "[devices]\ndomains = a\n  @web\n", 3, "'@web': there is no [label web]" },
	{ "[allow x]\nfrom = @a\nto = b\n", 2, "'@a': there is no [label a]" },
	{ "[allow x]\nfrom = a\n\nto = b\n  @b c\n", 5, "'@b': there is no [label b]" },
	{ "[deny x]\nfrom = a\nto = @b\n", 3, "'@b': there is no [label b]" },
	{ "[offer x]\nservices = a\ndomains = @b\n", 3, "'@b': there is no [label b]" },
	{ "[limits x]\ndomains = @b\n", 2, "'@b': there is no [label b]" },
	{ "[devices]\ndomains = @\n", 2, "'@' is not a label" },
	{ "[devices]\ndomains = @a*\n", 2, "'@a*' is not a label" },
	{ "[devices]\ndomains = a@b\n", 2, "'a@b' is not a pattern" },
	{ "[label]\n", 1, "[label NAME] has a name of 1 to" },
	{ "[label a*]\n", 1, "A-Z a-z" },
	{ "[label a]\ndomains = @b\n", 2, "'@b' is a label, and only globs" },
	{ "[label a]\ndomain = b\n", 2, "[label a] has no key 'domain'" },
	{ "[label a]\n\n[devices]\n", 1, "[label a] does not say 'domains'" },
	{ "[label a]\ndomains = b\n[label a]\n", 3, "'a' is already there, in test.conf:1" },
	{ A "[deny x]\n", 4, "'x' is already there, in test.conf:1" },
	{ "[deny]\n", 1, "[deny NAME] has a name of 1 to" },
	{ "[deny offers]\n", 1, "'offers' is the name" },
	{ "[deny x]\nfrom = a\nto = b\nmodes = map\n", 4, "[deny x] has no key 'modes'" },
	{ "[deny x]\nfrom = a\nto = b\nbytes-burst = 1\n", 4, "[deny x] has no key" },
	{ "[deny x]\nfrom = a\n", 1, "[deny x] does not say 'to'" },
	{ A "modes = pools\n", 4, "'pool-pages' in [limits NAME]" },
	{ A "messages-per-second = 0\n", 4, "is 1 to 1000000000000, not '0'" },
	{ A "messages-per-second = 1k\n", 4, "not '1k'" },
	{ A "messages-per-second = 1\nmessages-per-second = 1\n", 5, "second time" },
	{ A "\nmessages-burst = 1\n", 1, "without 'messages-per-second'" },
	{ A "bytes-burst = 1\n", 1, "without 'bytes-per-second'" },
	{ A "bytes-burst = 18000000001\n", 4, "1 to 18000000000" },
	{ A "weight = 1\n", 4, "[allow x] has no key 'weight'" },
	{ "[offer]\n", 1, "[offer NAME] has a name of 1 to" },
	{ "[offer x]\ndomains = a\n", 1, "[offer x] does not say 'services'" },
	{ "\n[offer x]\nservices = a\n", 2, "[offer x] does not say 'domains'" },
	{ "[offer x]\nservices = a@b\n", 2, "'a@b' is not a pattern" },
	{ "[offer x]\nservices = @b\n", 2, "'@b' is a label, and only globs" },
	{ "[offer x]\nports = 1\n", 2, "[offer x] has no key 'ports'" },
	{ "[offer x]\ndomains = a\nservices = b\n[offer x]\n", 4, "already there" },
	{ "[limits]\n", 1, "[limits NAME] has a name of 1 to" },
	{ "[limits x]\nweight = 1\n", 1, "[limits x] does not say 'domains'" },
	{ L "weight = 0\n", 3, "'weight' is 1 to 64, not '0'" },
	{ L "weight = 65\n", 3, "'weight' is 1 to 64, not '65'" },
	{ L "weight = 1\nweight = 1\n", 4, "'weight' is set a second time" },
	{ L "queued-messages = 0\n", 3, "1 to 65536" },
	{ L "outstanding-maps = -1\n", 3, "0 to 65536" },
	{ L "pool-pages = 2049\n", 3, "0 to 2048" },
	{ L "pages = 1\n", 3, "[limits x] has no key 'pages'" },
	{ L "bytes-burst = 1\n", 1, "without 'bytes-per-second'" },
	{ L "[limits x]\n", 3, "already there" },
	{ "[devices x]\n", 1, "no such section" },
	{ "[permit x]\n", 1, "no such section" },
};

START_TEST(mistake)
{
	ck_assert_msg(parse(mistakes[_i].text) == -EINVAL, "%s", mistakes[_i].text);
	ck_assert_str_eq(error.file, "test.conf");
	ck_assert_msg(strstr(error.reason, mistakes[_i].reason) != NULL, "%s", error.reason);
	ck_assert_msg(error.line == mistakes[_i].line, "%u: %s", error.line, error.reason);
}
END_TEST

/* ---------------------------------------------------------------------- files */

static char folder[64];

static const char *path_of(const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void put_file(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static void folder_setup(void)
{
	setup();
	snprintf(folder, sizeof(folder), "/tmp/test-broker-config-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(mkdir(path_of("policy.d"), 0755), 0);
	put_file("xenmsgd.conf", "[devices]\ndomains = @all\n"
				 "[allow first]\nfrom = a\nto = b\nports = 1\n");
}

static void folder_teardown(void)
{
	char command[128];

	teardown();
	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0); // NOLINT(cert-env33-c): a path of our own
}

static int load(void)
{
	config_free(config);
	config = NULL;
	return config_load(&config, path_of("xenmsgd.conf"), &error);
}

static void check_error(const char *file, unsigned int line, const char *reason)
{
	char text[600];

	ck_assert_int_lt(load(), 0);
	ck_assert_str_eq(error.file, path_of(file));
	ck_assert_msg(error.line == line, "%u: %s", error.line, error.reason);
	ck_assert_msg(strstr(error.reason, reason) != NULL, "%s", error.reason);
	config_error_text(&error, text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, error.reason));
}

START_TEST(folder_order)
{
	put_file("policy.d/10-z.conf", "[label all]\ndomains = *\n");
	put_file("policy.d/9.conf", "[deny late]\nfrom = a\nto = b\n");
	put_file("policy.d/B.conf", "[allow last]\nfrom = a\nto = *\n");
	put_file("policy.d/10-y.conf", "[allow early]\nfrom = a\nto = b\nports = 2\n");
	put_file("policy.d/.hidden.conf", "nonsense\n");
	put_file("policy.d/readme.txt", "nonsense\n");
	put_file("policy.d/x.conf~", "nonsense\n");
	ck_assert_int_eq(load(), 0);
	ck_assert_str_eq(config->path, path_of("xenmsgd.conf"));
	ck_assert(pattern_match(config->devices, "x"));
	ck_assert_str_eq(rule_for("a", "b", 1, NULL), "first");
	ck_assert_str_eq(rule_for("a", "b", 2, NULL), "early");
	ck_assert_str_eq(rule_for("a", "b", 3, NULL), "late");
	ck_assert_str_eq(rule_for("a", "c", 3, NULL), "last");
	ck_assert_ptr_nonnull(
		strstr(policy_rule(&config->policy, "early")->place.file, "policy.d/10-y.conf"));
}
END_TEST

START_TEST(folder_mistakes)
{
	check_error("xenmsgd.conf", 2, "'@all': there is no [label all]");
	put_file("policy.d/a.conf", "[label all]\ndomains = *\n[daemon]\n");
	check_error("policy.d/a.conf", 3, "[daemon] is for the main file");
	put_file("policy.d/a.conf", "[label all]\ndomains = *\n[devices]\n");
	check_error("policy.d/a.conf", 3, "[devices] is for the main file");
	put_file("policy.d/a.conf", "[label all]\ndomains = *\n");
	put_file("policy.d/b.conf", "[allow y]\nfrom = a\n");
	check_error("policy.d/b.conf", 1, "[allow y] does not say 'to'");
	put_file("policy.d/b.conf", "[allow first]\nfrom = a\n");
	check_error("policy.d/b.conf", 1, "xenmsgd.conf:3");
	put_file("policy.d/b.conf", "\n\n[allow y]\nfrom = @all\nto = @some\n");
	check_error("policy.d/b.conf", 5, "'@some': there is no [label some]");
	/* A section does not go on in the next file. */
	put_file("policy.d/b.conf", "modes = map\n");
	check_error("policy.d/b.conf", 1, "'modes' is in no section");
	ck_assert_int_eq(unlink(path_of("policy.d/b.conf")), 0);
	ck_assert_int_eq(symlink("/nowhere", path_of("policy.d/b.conf")), 0);
	check_error("policy.d/b.conf", 0, "No such file");
	ck_assert_int_eq(unlink(path_of("policy.d/b.conf")), 0);
	ck_assert_int_eq(mkdir(path_of("policy.d/b.conf"), 0755), 0);
	check_error("policy.d/b.conf", 0, "cannot be read");
	ck_assert_int_eq(rmdir(path_of("policy.d/b.conf")), 0);
	ck_assert_int_eq(load(), 0);
}
END_TEST

START_TEST(folder_is_none)
{
	put_file("xenmsgd.conf", "[devices]\ndomains = *\n");
	ck_assert_int_eq(rmdir(path_of("policy.d")), 0);
	ck_assert_int_eq(load(), 0);
	put_file("policy.d", "");
	check_error("policy.d", 0, "Not a directory");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("broker-config-policy");
	TCase *t = tcase_create("sections");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, labels);
	tcase_add_test(t, rules);
	tcase_add_test(t, offers);
	tcase_add_test(t, limits);
	tcase_add_loop_test(t, mistake, 0, ARRAY_LEN(mistakes));
	suite_add_tcase(s, t);

	t = tcase_create("folder");
	tcase_add_checked_fixture(t, folder_setup, folder_teardown);
	tcase_add_test(t, folder_order);
	tcase_add_test(t, folder_mistakes);
	tcase_add_test(t, folder_is_none);
	suite_add_tcase(s, t);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
