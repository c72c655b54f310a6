// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xenstore-schema: its README says what nodes.def says, and the backend writes
 * and reads what both say.
 */
#include "tests/unit/backend-guest.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define README "xenstore-schema/README.md"

struct node {
	const char *side;
	const char *name;
	const char *type;
	uint64_t min;
	uint64_t max;
	const char *def; /* as written in nodes.def */
	const char *writer;
	const char *text;
};

static const struct node nodes[] = {
#define VMSG_NODE(side, symbol, name, type, min, max, def, writer, text) \
	{ #side, name, #type, min, max, #def, #writer, text },
#include "xenstore-schema/nodes.def"
};
#define NR_NODES (sizeof(nodes) / sizeof(nodes[0]))

static void row_of(const struct node *node, char row[512])
{
	const char *def = strcmp(node->def, "NONE") == 0 ? "-" : node->def;

	(void)snprintf(row, 512, "| %s | `%s` | %s | %ju | %ju | %s | %s | %s |\n", node->side,
		       node->name, node->type, (uintmax_t)node->min, (uintmax_t)node->max, def,
		       node->writer, node->text);
}

START_TEST(readme_lists_every_node)
{
	FILE *readme = fopen(README, "r");
	char line[1024], row[512];
	unsigned int at = 0;

	ck_assert_ptr_nonnull(readme);
	while (fgets(line, sizeof(line), readme)) {
		if (strncmp(line, "| BACKEND | `", 13) != 0 &&
		    strncmp(line, "| FRONTEND | `", 14) != 0 &&
		    strncmp(line, "| HOST | `", 10) != 0 && strncmp(line, "| LOCAL | `", 11) != 0)
			continue;
		/* The other table with these words names paths. */
		if (strchr(line, '/') == strchr(line, '`') + 1)
			continue;
		ck_assert_uint_lt(at, NR_NODES);
		row_of(&nodes[at], row);
		ck_assert_str_eq(line, row);
		at++;
	}
	fclose(readme);
	ck_assert_uint_eq(at, NR_NODES);
}
END_TEST

START_TEST(nodes_make_sense)
{
	for (unsigned int i = 0; i < NR_NODES; i++) {
		const struct node *node = &nodes[i];

		ck_assert_uint_le(node->min, node->max);
		for (unsigned int j = 0; j < i; j++)
			ck_assert(strcmp(nodes[j].side, node->side) != 0 ||
				  strcmp(nodes[j].name, node->name) != 0);
		if (strcmp(node->def, "NONE") != 0)
			ck_assert_uint_le(strtoull(node->def, NULL, 10), node->max);
	}
}
END_TEST

/* The value is what its line allows. */
static void check_value(const struct node *node, const char *value)
{
	unsigned long long number;
	char text[32];

	if (strcmp(node->type, "PATH") == 0 || strcmp(node->type, "TEXT") == 0) {
		ck_assert_uint_le(strlen(value), node->max);
		return;
	}
	number = strtoull(value, NULL, 10);
	(void)snprintf(text, sizeof(text), "%llu", number);
	ck_assert_str_eq(text, value);
	ck_assert(number >= node->min && number <= node->max);
}

/* In a connection, each node is there as listed; and of the broker's no other one. */
START_TEST(a_connection_has_these_nodes)
{
	struct guest guest;
	struct bed bed;

	bed_init(&bed);
	bed_start(&bed);
	guest_up(&guest, &bed, "guest");
	for (unsigned int i = 0; i < NR_NODES; i++) {
		const struct node *node = &nodes[i];
		const char *value, *dir;
		char path[128];

		/* These are of clients in the backend's domain: test-backend-local-connect.c. */
		if (strcmp(node->side, "LOCAL") == 0)
			continue;
		dir = strcmp(node->side, "BACKEND") == 0  ? "/local/domain/0/backend/vmsg/1/0" :
		      strcmp(node->side, "FRONTEND") == 0 ? "/local/domain/1/device/vmsg/0" :
							    "/local/domain/0/xenmsg";
		(void)snprintf(path, sizeof(path), "%s/%s%s", dir, node->name,
			       node->name[strlen(node->name) - 1] == '-' ? "7" : "");
		value = sim_xs_get(path);
		if (strcmp(node->name, "error") == 0) {
			ck_assert_ptr_null(value);
			continue;
		}
		ck_assert_msg(value != NULL, "%s is absent", path);
		check_value(node, value);
	}
	guest_fini(&guest);
	bed_fini(&bed);
}
END_TEST

/* However long the reason is. */
START_TEST(error_is_bounded)
{
	struct guest guest;
	struct bed bed;

	bed_init(&bed);
	bed_start(&bed);
	guest_up(&guest, &bed, "guest");
	device_fail(guest_dev(&guest), "%0999d", 1);
	bed_run(&bed);
	ck_assert_uint_eq(strlen(guest_backend(&guest, "error")), 256);
	guest_fini(&guest);
	bed_fini(&bed);
}
END_TEST

static Suite *schema_suite(void)
{
	Suite *s = suite_create("backend-schema");
	TCase *t = tcase_create("schema");

	tcase_add_test(t, readme_lists_every_node);
	tcase_add_test(t, nodes_make_sense);
	tcase_add_test(t, a_connection_has_these_nodes);
	tcase_add_test(t, error_is_bounded);
	suite_add_tcase(s, t);
	return s;
}

/* With an argument: the rows of the README's table. */
int main(int argc, char **argv)
{
	SRunner *runner;
	char row[512];
	int failed;

	if (argc > 1) {
		for (unsigned int i = 0; i < NR_NODES; i++) {
			row_of(&nodes[i], row);
			(void)fputs(row, stdout);
		}
		return EXIT_SUCCESS;
	}
	runner = srunner_create(schema_suite());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
