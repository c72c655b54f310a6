// SPDX-License-Identifier: GPL-2.0-or-later
/* Rules and how they match. */
#include "broker/policy.h"

#include "common/macros.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct policy policy;

static void setup(void)
{
	policy_init(&policy);
}

static void teardown(void)
{
	policy_deinit(&policy);
}

/* @ports: words, separated by spaces. */
static void add(const char *name, const char *from, const char *to, const char *ports,
		unsigned int modes)
{
	struct rule *rule = policy_add_rule(&policy, name, NULL);
	char words[256], *save = NULL;
	const char *why;

	ck_assert_int_eq(pattern_add(&rule->from, from, NULL, &why), 0);
	ck_assert_int_eq(pattern_add(&rule->to, to, NULL, &why), 0);
	snprintf(words, sizeof(words), "%s", ports);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		ck_assert_int_eq(ports_add(&rule->ports, w, &why), 0);
	rule->modes = modes;
}

static struct decision decide(const char *from, const char *to, uint32_t port, const char *service)
{
	struct decision d;

	policy_decide(&policy, from, to, port, service, false, &d);
	return d;
}

START_TEST(default_is_no)
{
	struct decision d = decide("alice", "bob", 1, NULL);

	ck_assert_uint_eq(d.modes, 0);
	ck_assert_str_eq(decision_rule(&d), "default");
	policy_refused(&policy, &d);
	ck_assert_uint_eq(policy.default_refused, 1);
}
END_TEST

START_TEST(first_match_decides)
{
	struct decision d;

	add("narrow", "alice", "bob", "5-7", MODE_COPY);
	add("wide", "a*", "*", "*", MODE_COPY | MODE_MAP);
	d = decide("alice", "bob", 5, NULL);
	ck_assert_str_eq(decision_rule(&d), "narrow");
	ck_assert_uint_eq(d.modes, MODE_COPY);
	d = decide("alice", "bob", 8, NULL);
	ck_assert_str_eq(decision_rule(&d), "wide");
	ck_assert_uint_eq(d.modes, MODE_COPY | MODE_MAP);
	d = decide("carol", "bob", 5, NULL);
	ck_assert_uint_eq(d.modes, 0);
	d = decide("alice", "carol", 4000000000u, NULL);
	ck_assert_str_eq(decision_rule(&d), "wide");
	policy_refused(&policy, &d);
	ck_assert_uint_eq(d.rule->refused, 1);
}
END_TEST

START_TEST(pattern_matches)
{
	static const struct {
		const char *glob, *name;
		bool match;
	} cases[] = {
		{ "*", "", true },	    { "*", "web-1", true },
		{ "web-?", "web-1", true }, { "web-?", "web-10", false },
		{ "web-*", "web-", true },  { "web", "web-1", false },
		{ "[ab]ob", "bob", true },  { "[!b]ob", "bob", false },
		{ "Bob", "bob", false },    { "?*", "", false },
	};
	const char *why;

	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		struct pattern *list = NULL;

		ck_assert_int_eq(pattern_add(&list, cases[i].glob, NULL, &why), 0);
		ck_assert_msg(pattern_match(list, cases[i].name) == cases[i].match, "%s %s",
			      cases[i].glob, cases[i].name);
		pattern_free(list);
	}
}
END_TEST

/* Users of the own domain. */
START_TEST(subjects)
{
	static const struct {
		const char *word;
		const char *subject;
		bool match;
	} cases[] = {
		{ "Domain-0", "Domain-0:5", true },
		{ "*", "Domain-0:5", true },
		{ "*", ":5", true },
		{ "Domain-0:5", "Domain-0:5", true },
		{ "Domain-0:5", "Domain-0:50", false },
		{ "Domain-0:50", "Domain-0:5", false },
		{ "Domain-0:5", "Domain-0", false },
		{ "Dom*:5", "Domain-0:5", true },
		{ "a*:5", "Domain-0:5", false },
		{ "Domain-0:*", "Domain-0:5", true },
		{ "*:*", "alice", false },
		{ "*:0", ":0", true },
		{ "Domain-0:root", "Domain-0:0", true },
	};
	static const char *const bad[] = { "Domain-0:",
					   "Domain-0:no one",
					   "a:b:c",
					   "Domain-0:-1",
					   "Domain-0:4294967295",
					   "Domain-0:r*",
					   "Domain-0:no-such-user",
					   "a=b:0" };
	char subject[SUBJECT_MAX + 1];
	struct pattern *list = NULL;
	const char *why;

	for (unsigned int i = 0; i < ARRAY_LEN(cases); i++) {
		ck_assert_int_eq(pattern_add_subject(&list, cases[i].word, NULL, &why), 0);
		ck_assert_msg(pattern_match(list, cases[i].subject) == cases[i].match, "%s %s",
			      cases[i].word, cases[i].subject);
		pattern_free(list);
		list = NULL;
	}
	for (unsigned int i = 0; i < ARRAY_LEN(bad); i++) {
		why = NULL;
		ck_assert_msg(pattern_add_subject(&list, bad[i], NULL, &why) == -EINVAL, "%s",
			      bad[i]);
		ck_assert_ptr_nonnull(why);
		ck_assert_int_eq(subject_parse(bad[i], subject, &why), -EINVAL);
	}
	/* Only where it is said that they may be. */
	ck_assert_int_eq(pattern_add(&list, "Domain-0:0", NULL, &why), -EINVAL);
	ck_assert_ptr_null(list);
	ck_assert_int_eq(subject_parse("Domain-0:root", subject, &why), 0);
	ck_assert_str_eq(subject, "Domain-0:0");
	ck_assert_int_eq(subject_parse("alice", subject, &why), 0);
	ck_assert_str_eq(subject, "alice");
	ck_assert_int_eq(subject_parse("a*", subject, &why), -EINVAL);
}
END_TEST

START_TEST(words)
{
	static const char *const bad_ports[] = {
		"0", "01", "4294967296", "7-", "9-8", "0-1", "1-2-3", "a@b", "x y", "5-4294967296"
	};
	static const char *const good_ports[] = { "*",	 "1",	"4294967295", "1-4294967295", "7-7",
						  "log", "7up", "-log",	      "a-1" };
	struct port_range *ports = NULL;
	struct pattern *patterns = NULL;
	const char *why = NULL;
	unsigned int modes = 0;
	char long_name[200];

	for (unsigned int i = 0; i < ARRAY_LEN(bad_ports); i++) {
		why = NULL;
		ck_assert_msg(ports_add(&ports, bad_ports[i], &why) == -EINVAL, "%s", bad_ports[i]);
		ck_assert_ptr_nonnull(why);
	}
	for (unsigned int i = 0; i < ARRAY_LEN(good_ports); i++)
		ck_assert_msg(ports_add(&ports, good_ports[i], &why) == 0, "%s", good_ports[i]);
	memset(long_name, 'a', sizeof(long_name));
	long_name[129] = '\0';
	ck_assert_int_eq(ports_add(&ports, long_name, &why), -EINVAL);
	ck_assert_int_eq(pattern_add(&patterns, long_name, NULL, &why), -EINVAL);
	ck_assert_int_eq(pattern_add(&patterns, "a=b", NULL, &why), -EINVAL);
	ck_assert_int_eq(modes_add(&modes, "copy", &why), 0);
	ck_assert_int_eq(modes_add(&modes, "map", &why), 0);
	ck_assert_uint_eq(modes, MODE_COPY | MODE_MAP);
	ck_assert_int_eq(modes_add(&modes, "fly", &why), -EINVAL);
	ports_free(ports);
	pattern_free(patterns);
}
END_TEST

START_TEST(services)
{
	struct decision d;

	add("log", "*", "bob", "log 20-30", MODE_COPY);
	ck_assert_uint_eq(decide("a", "bob", 7, NULL).modes, 0);
	ck_assert_uint_eq(decide("a", "bob", 7, "spool").modes, 0);
	ck_assert_uint_eq(decide("a", "bob", 7, "log").modes, MODE_COPY);
	ck_assert_uint_eq(decide("a", "bob", 25, "spool").modes, MODE_COPY);
	/* Not bound yet: it may become the service. */
	policy_decide(&policy, "a", "bob", 7, NULL, true, &d);
	ck_assert(d.open);
	ck_assert_uint_eq(d.modes, MODE_COPY);
	policy_decide(&policy, "a", "bob", 25, NULL, true, &d);
	ck_assert(!d.open);
	policy_decide(&policy, "a", "carol", 7, NULL, true, &d);
	ck_assert_uint_eq(d.modes, 0);
}
END_TEST

/* All modes that may turn out to be allowed are, until it is known. */
START_TEST(open_decision_joins_modes)
{
	struct decision d;

	add("log", "*", "bob", "log", MODE_MAP);
	add("spool", "*", "bob", "spool", MODE_MAP);
	add("rest", "*", "bob", "*", MODE_COPY);
	policy_decide(&policy, "a", "bob", 7, NULL, true, &d);
	ck_assert(d.open);
	ck_assert_uint_eq(d.modes, MODE_COPY | MODE_MAP);
	ck_assert_str_eq(decision_rule(&d), "log");
}
END_TEST

START_TEST(names)
{
	struct decision why;

	add("log", "alice", "bob", "log", MODE_COPY);
	add("number", "alice", "carol", "7", MODE_COPY);
	add("all", "dave", "b*", "*", MODE_COPY);
	ck_assert(policy_may_talk(&policy, "alice", "bob", NULL));
	ck_assert(!policy_may_talk(&policy, "bob", "alice", NULL));
	ck_assert(policy_may_name(&policy, "alice", "bob", "log", &why));
	ck_assert(!policy_may_name(&policy, "alice", "bob", "spool", &why));
	ck_assert(!policy_may_name(&policy, "alice", "carol", "log", &why));
	ck_assert(policy_may_name(&policy, "dave", "bob", "log", &why));
	ck_assert(!policy_may_name(&policy, "dave", "alice", "log", &why));
}
END_TEST

/* What is denied first can take all that is allowed later. */
START_TEST(deny)
{
	struct rule *rule;
	struct decision d, why;

	add("low", "alice", "bob", "1-99", 0);
	add("high", "alice", "bob", "200-4294967295", 0);
	add("some", "alice", "bob", "50 300-400", MODE_COPY);
	list_for_each_entry(rule, &policy.rules, link)
		rule->deny = !rule->modes;
	d = decide("alice", "bob", 50, NULL);
	ck_assert_str_eq(decision_rule(&d), "low");
	ck_assert_uint_eq(d.modes, 0);
	ck_assert(!policy_may_talk(&policy, "alice", "bob", &why));
	ck_assert_str_eq(decision_rule(&why), "low");
	ck_assert(!policy_may_talk(&policy, "bob", "alice", &why));
	ck_assert_str_eq(decision_rule(&why), "default");
	add("gap", "alice", "bob", "90-200", MODE_COPY);
	ck_assert(policy_may_talk(&policy, "alice", "bob", NULL));
	ck_assert_uint_eq(decide("alice", "bob", 150, NULL).modes, MODE_COPY);
	policy_refused(&policy, &d);
	ck_assert_uint_eq(policy_rule(&policy, "low")->refused, 1);
	ck_assert_ptr_null(policy_rule(&policy, "none"));
}
END_TEST

START_TEST(deny_services)
{
	struct decision why;
	struct rule *rule;
	struct decision d;

	add("numbers", "a", "bob", "1-4294967295", 0);
	add("spool", "a", "bob", "spool", 0);
	add("any-log", "a", "carol", "log-*", 0);
	add("late-spool", "a", "bob", "spool", MODE_COPY);
	add("late-log", "a", "carol", "log-* log-1 7", MODE_MAP);
	list_for_each_entry(rule, &policy.rules, link)
		rule->deny = !rule->modes;
	ck_assert(!policy_may_talk(&policy, "a", "bob", NULL));
	ck_assert(policy_may_talk(&policy, "a", "carol", NULL));
	ck_assert(!policy_may_name(&policy, "a", "bob", "spool", &why));
	ck_assert_str_eq(decision_rule(&why), "spool");
	ck_assert(!policy_may_name(&policy, "a", "carol", "log-1", &why));
	/* Not bound yet: denied as a service, allowed by number. */
	policy_decide(&policy, "a", "carol", 7, NULL, true, &d);
	ck_assert(d.open);
	ck_assert_uint_eq(d.modes, MODE_MAP);
	ck_assert_str_eq(decision_rule(&d), "late-log");
	d = decide("a", "carol", 7, "log-2");
	ck_assert_uint_eq(d.modes, 0);
	ck_assert_str_eq(decision_rule(&d), "any-log");
}
END_TEST

START_TEST(ports_by_number)
{
	struct port_range *ports = NULL;
	const char *why;
	char text[64];

	ck_assert_int_eq(ports_add(&ports, "10-20", &why), 0);
	ck_assert_int_eq(ports_add(&ports, "log-*", &why), 0);
	ck_assert_int_eq(ports_add(&ports, "5", &why), 0);
	ck_assert_int_eq(ports_add(&ports, "21-4294967295", &why), 0);
	ck_assert_uint_eq(ports_after(ports, 5), 6);
	ck_assert_uint_eq(ports_after(ports, 10), UINT64_C(4294967296));
	ck_assert_uint_eq(ports_after(ports, 9), 9);
	ck_assert(ports_have_glob(ports, "log-*"));
	ck_assert(!ports_have_glob(ports, "log-1"));
	ck_assert(ports_match_service(ports, "log-1"));
	ck_assert(!ports_match_service(ports, "log"));
	ports_text(ports, text, sizeof(text));
	ck_assert_str_eq(text, "10-20 log-* 5 21-4294967295");
	ports_text(ports, text, 12);
	ck_assert_str_eq(text, "10-20 lo...");
	ports_text(ports, text, 3);
	ck_assert_uint_lt(strlen(text), 3);
	ports_free(ports);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("broker-policy");
	TCase *t = tcase_create("policy");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, default_is_no);
	tcase_add_test(t, first_match_decides);
	tcase_add_test(t, pattern_matches);
	tcase_add_test(t, subjects);
	tcase_add_test(t, words);
	tcase_add_test(t, services);
	tcase_add_test(t, open_decision_joins_modes);
	tcase_add_test(t, names);
	tcase_add_test(t, deny);
	tcase_add_test(t, deny_services);
	tcase_add_test(t, ports_by_number);
	suite_add_tcase(s, t);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
