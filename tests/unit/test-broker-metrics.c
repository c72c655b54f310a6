// SPDX-License-Identifier: GPL-2.0-or-later
/* Metrics: what they say, their form, and that guests cannot make more of them. */
#include "tests/unit/fake-guests.h"

#include "broker/metrics.h"
#include "broker/reload.h"

static char *text;

static void teardown(void)
{
	free(text);
	text = NULL;
	fake_fini();
}

static void write_all(void)
{
	size_t size;
	FILE *out;

	free(text);
	out = open_memstream(&text, &size);
	ck_assert_int_eq(metrics_write(out, fake.broker), 0);
	fclose(out);
}

static void has(const char *line)
{
	ck_assert_msg(strstr(text, line) != NULL, "%s\nnot in\n%s", line, text);
}

static unsigned int count(const char *what)
{
	unsigned int n = 0;

	for (const char *at = text; (at = strstr(at, what)); at++)
		n++;
	return n;
}

/* Every line is a comment of a metric that is new, or a sample of the last one. */
static void check_form(void)
{
	char metric[128] = "", seen[8192] = "", begin[160], all[160];

	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		const char *end = line + strcspn(line, "{ ");

		if (sscanf(line, "# HELP %127s ", metric) == 1) {
			snprintf(all, sizeof(all), " %s ", metric);
			ck_assert_ptr_null(strstr(seen, all));
			strcat(seen, all);
			continue;
		}
		snprintf(begin, sizeof(begin), "# TYPE %s %s\n", metric,
			 strstr(metric, "_total") ? "counter" : "gauge");
		if (!strncmp(line, begin, strlen(begin)))
			continue;
		ck_assert_msg(!strncmp(line, metric, (size_t)(end - line)) &&
				      strlen(metric) == (size_t)(end - line),
			      "%.60s", line);
	}
}

START_TEST(says_what_happened)
{
	struct device *alice, *bob;

	fake_init("[devices]\ndomains = *\n[deny low]\nfrom = *\nto = *\nports = 1-6\n"
		  "[allow any]\n"
		  "from = *\nto = *\nmessages-per-second = 3\n[limits bob]\ndomains = bob\n"
		  "queued-messages = 1\n");
	alice = fake_guest(1, "alice", 64);
	bob = fake_guest(2, "bob", 64);
	fake_send(alice, bob, 7, "hello");
	fake_send_pages(alice, bob, 7, 0, 5000);
	fake_send(alice, bob, 3, "refused");
	fake_send(alice, bob, 7, "x");
	fake_send(alice, bob, 7, "too many");
	fake_turns();
	write_all();
	check_form();
	has("xenmsg_up 1\n");
	has("xenmsg_delivered_bytes_total{way=\"grant-copy\"} 5000\n");
	has("xenmsg_hypercalls_total 7\n");
	has("xenmsg_domain_sent_messages_total{domain=\"alice\",domid=\"1\"} 3\n");
	has("xenmsg_domain_received_bytes_total{domain=\"bob\",domid=\"2\"} 5006\n");
	has("xenmsg_domain_refused_messages_total{domain=\"alice\",domid=\"1\"} 2\n");
	has("xenmsg_domain_ready{domain=\"bob\",domid=\"2\"} 1\n");
	has("xenmsg_policy_delivered_messages_total{section=\"allow any\",way=\"inline\"} 2\n");
	has("xenmsg_policy_refused_total{section=\"deny low\"} 1\n");
	has("xenmsg_policy_over_limit_total{section=\"allow any\"} 1\n");
	has("xenmsg_policy_over_limit_total{section=\"limits bob\"} 0\n");
	has("xenmsg_policy_refused_total{section=\"default\"} 0\n");
}
END_TEST

/* Processes of this domain come and go: what they did stays counted. */
START_TEST(local_processes)
{
	struct device *one, *two;

	fake_init(FAKE_OPEN);
	one = fake_guest(VMSGIF_ADDR_LOCAL | 1, "Domain-0", 64);
	two = fake_guest(VMSGIF_ADDR_LOCAL | 2, "Domain-0", 64);
	fake_send(one, two, 7, "12345");
	fake_send(two, one, 7, "123");
	fake_turns();
	write_all();
	has("xenmsg_domain_sent_bytes_total{domain=\"local\",domid=\"0\"} 8\n");
	has("xenmsg_domain_ready{domain=\"local\",domid=\"0\"} 2\n");
	fake_down(one);
	write_all();
	has("xenmsg_domain_sent_bytes_total{domain=\"local\",domid=\"0\"} 8\n");
	has("xenmsg_domain_ready{domain=\"local\",domid=\"0\"} 1\n");
	ck_assert_uint_eq(count("xenmsg_domain_ready{"), 1);
}
END_TEST

static char *many_rules(unsigned int nr)
{
	char *config;
	size_t size;
	FILE *f = open_memstream(&config, &size);

	fprintf(f, "[devices]\ndomains = *\n");
	for (unsigned int i = 0; i < nr; i++)
		fprintf(f,
			"[deny no%u]\nfrom = *\nto = *\nports = %u\n"
			"[limits l%u]\ndomains = d%u\n",
			i, 100 + i, i, i);
	fclose(f);
	return config;
}

START_TEST(sections_are_bounded)
{
	char *config = many_rules(METRICS_SECTIONS + 5);
	struct device *alice, *bob;

	fake_init(config);
	alice = fake_guest(1, "alice", 64);
	bob = fake_guest(2, "bob", 64);
	for (unsigned int i = 0; i < METRICS_SECTIONS + 5; i++)
		fake_send(alice, bob, 100 + i, "x");
	fake_turns();
	write_all();
	check_form();
	has("xenmsg_policy_refused_total{section=\"deny no63\"} 1\n");
	has("xenmsg_policy_refused_total{section=\"other rules\"} 5\n");
	has("xenmsg_policy_refused_total{section=\"limits l63\"} 0\n");
	has("xenmsg_policy_refused_total{section=\"other limits\"} 0\n");
	ck_assert_uint_eq(count("xenmsg_policy_refused_total{"), 2 * (METRICS_SECTIONS + 1) + 2);
	free(config);
}
END_TEST

/* More domains than the fake backend holds: only their addresses count here. */
START_TEST(domains_are_bounded)
{
	struct peer *peers[METRICS_DOMAINS + 3];
	struct device *dev;

	fake_init(FAKE_OPEN);
	dev = fake_device(1, "d");
	for (unsigned int i = 0; i < METRICS_DOMAINS + 3; i++) {
		peers[i] = peer_new(fake.broker, dev, VMSGIF_ADDR(1, 1000 - i));
		peers[i]->count.sent.messages[WAY_COPY] = i;
		route_add(&fake.broker->route, peers[i], "d");
	}
	write_all();
	check_form();
	/* The highest domids are those that were added first. */
	has("xenmsg_domain_sent_messages_total{domain=\"other\",domid=\"other\"} 3\n");
	has("xenmsg_domain_sent_messages_total{domain=\"d\",domid=\"997\"} 3\n");
	ck_assert_uint_eq(count("xenmsg_domain_sent_messages_total{"), METRICS_DOMAINS + 2);
	for (unsigned int i = 0; i < METRICS_DOMAINS + 3; i++) {
		route_remove(&fake.broker->route, peers[i]);
		peer_free(peers[i]);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("broker-metrics");
	TCase *t = tcase_create("metrics");

	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_add_test(t, says_what_happened);
	tcase_add_test(t, local_processes);
	tcase_add_test(t, sections_are_bounded);
	tcase_add_test(t, domains_are_bounded);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return fake_run(suite());
}
