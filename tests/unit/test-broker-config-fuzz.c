// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Configurations that nobody wrote: random bytes, good ones cut off or changed.
 *
 * Whatever comes, it is either refused with a line and a reason, or a whole
 * configuration that can be asked. The sanitizers see the rest.
 */
#include "broker/config.h"

#include "common/macros.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char good[] = "# all there is\n"
			   "[daemon]\n"
			   "max-ring-order = 2\n"
			   "pools = no\n"
			   "map = yes\n"
			   "[devices]\n"
			   "domains = alice, @web\n"
			   "  bob *-[0-9]\n"
			   "[label web]\n"
			   "domains = web-? front\n"
			   "[deny spool]\n"
			   "from = *\n"
			   "to = @web\n"
			   "ports = spool-* 100-200 7\n"
			   "[allow rest]\n"
			   "from = alice\n"
			   "to = *\n"
			   "modes = copy map\n"
			   "messages-per-second = 100\n"
			   "bytes-per-second = 5000000\n"
			   "bytes-burst = 1\n"
			   "[offer log]\n"
			   "domains = bob\n"
			   "services = log log-*\n"
			   "[limits all]\n"
			   "domains = *\n"
			   "weight = 3\n"
			   "queued-messages = 10\n"
			   "outstanding-maps = 5\n"
			   "pool-pages = 9\n"
			   "messages-per-second = 1000\n";

static uint64_t state;

static unsigned int pick(unsigned int n)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned int)(state >> 33) % n;
}

/* Ask about everything, so that whatever dangles is touched. */
static void use(const struct config *config)
{
	static const char *const names[] = { "alice", "bob", "web-1", "" };
	struct limits none;
	struct decision d;
	char text[200];

	limits_init(&none);
	for (unsigned int i = 0; i < ARRAY_LEN(names); i++) {
		const char *from = names[i], *to = names[(i + 1) % ARRAY_LEN(names)];

		policy_may_talk(&config->policy, from, to, &d);
		policy_may_name(&config->policy, from, to, "log", &d);
		policy_decide(&config->policy, from, to, 7, "spool-1", pick(2), &d);
		ck_assert(!d.rule || d.rule->deny == !d.rule->modes);
		policy_may_offer(&config->policy, from, "log", NULL);
		ck_assert_uint_ge(policy_limits(&config->policy, from, &none)->weight, 1);
		pattern_match(config->devices, from);
		if (d.rule)
			ports_text(d.rule->ports, text, 1 + pick(sizeof(text)));
	}
	pattern_text(config->devices, text, 1 + pick(sizeof(text)));
}

/* Returns whether it is a configuration. */
static bool try(const char *text, size_t len)
{
	FILE *stream = len ? fmemopen((void *)(uintptr_t)text, len, "r") : fopen("/dev/null", "r");
	struct config_error error;
	struct config *config = NULL;
	int r;

	ck_assert_ptr_nonnull(stream);
	r = config_read(&config, stream, "test.conf", &error);
	fclose(stream);
	if (r == 0) {
		use(config);
		config_free(config);
		return true;
	}
	ck_assert_int_eq(r, -EINVAL);
	ck_assert_uint_gt(error.line, 0);
	ck_assert_uint_gt(strlen(error.reason), 0);
	return false;
}

START_TEST(cut_off)
{
	unsigned int whole = 0;

	for (size_t len = 0; len < sizeof(good); len++)
		whole += try(good, len);
	/* In the middle of a word or number it may still be one, at most ends of sections it is. */
	ck_assert_uint_gt(whole, 50);
	ck_assert_uint_lt(whole, sizeof(good) - 50);
	ck_assert(try(good, sizeof(good) - 1));
}
END_TEST

START_TEST(random_bytes)
{
	char text[600];

	state = (uint64_t)_i + 1;
	for (unsigned int round = 0; round < 500; round++) {
		size_t len = pick(sizeof(text));

		for (size_t i = 0; i < len; i++)
			text[i] = (char)pick(256);
		try(text, len);
	}
}
END_TEST

/* Lines of good ones in any order: mostly well-formed and senseless. */
START_TEST(shuffled_lines)
{
	char text[4096];
	unsigned int whole = 0;

	state = (uint64_t)_i + 1;
	for (unsigned int round = 0; round < 500; round++) {
		size_t len = 0;

		for (unsigned int n = pick(30); n; n--) {
			const char *line = good + pick(sizeof(good) - 1);
			size_t size;

			while (line > good && line[-1] != '\n')
				line--;
			size = strcspn(line, "\n") + 1;
			memcpy(text + len, line, size);
			len += size;
		}
		whole += try(text, len);
	}
	ck_assert_uint_gt(whole, 0);
}
END_TEST

START_TEST(changed_bytes)
{
	static const char special[] = "[]=@*?-,; \t\n\r#\"\\0\177\377";
	char text[sizeof(good)];
	unsigned int whole = 0;

	state = (uint64_t)_i + 1;
	for (unsigned int round = 0; round < 1000; round++) {
		memcpy(text, good, sizeof(good));
		for (unsigned int n = 1 + pick(4); n; n--)
			text[pick(sizeof(good) - 1)] = pick(4) ? special[pick(sizeof(special))] :
								 (char)pick(256);
		whole += try(text, sizeof(good) - 1);
	}
	ck_assert_uint_gt(whole, 0);
	ck_assert_uint_lt(whole, 1000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("broker-config-fuzz");
	TCase *t = tcase_create("fuzz");
	SRunner *runner;
	int failed;

	tcase_add_test(t, cut_off);
	tcase_add_loop_test(t, random_bytes, 0, 10);
	tcase_add_loop_test(t, shuffled_lines, 0, 10);
	tcase_add_loop_test(t, changed_bytes, 0, 10);
	suite_add_tcase(s, t);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
