// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The simulated Xen: xenstore transactions.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "tests/sim/sim.h"

static struct xs_handle *tool, *dom;
static domid_t guest;

static void setup(void)
{
	sim_init(5);
	guest = sim_domain_new("guest", SIM_PVH);
	sim_enter(sim_process_new(0, "tool"));
	tool = xs_open(0);
	sim_enter(sim_process_new(guest, "front"));
	dom = xs_open(0);
	sim_enter(NULL);
	sim_xs_put("/t/a", "1");
	sim_xs_put("/t/b", "1");
}

static void teardown(void)
{
	xs_close(tool);
	xs_close(dom);
	sim_xs_rm("/t");
	sim_assert_clean();
	sim_fini();
}

static bool put(xs_transaction_t t, const char *path, const char *value)
{
	return xs_write(tool, t, path, value, (unsigned int)strlen(value));
}

static void expect(xs_transaction_t t, const char *path, const char *value)
{
	char *found = xs_read(tool, t, path, NULL);

	ck_assert_ptr_nonnull(found);
	ck_assert_str_eq(found, value);
	free(found);
}

START_TEST(changes_show_at_the_end)
{
	xs_transaction_t t = xs_transaction_start(tool);

	ck_assert_uint_ne(t, XBT_NULL);
	ck_assert(put(t, "/t/a", "2"));
	ck_assert(put(t, "/t/new/node", "x"));
	ck_assert(xs_rm(tool, t, "/t/b"));
	expect(t, "/t/a", "2");
	expect(XBT_NULL, "/t/a", "1");
	ck_assert(!sim_xs_exists("/t/new"));
	ck_assert_ptr_null(xs_read(tool, t, "/t/b", NULL));
	ck_assert(xs_transaction_end(tool, t, false));
	ck_assert_str_eq(sim_xs_get("/t/a"), "2");
	ck_assert_str_eq(sim_xs_get("/t/new/node"), "x");
	ck_assert(!sim_xs_exists("/t/b"));
	ck_assert(!xs_transaction_end(tool, t, false));
	ck_assert_int_eq(errno, ENOENT);
	ck_assert(!put(t, "/t/a", "3"));
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(abandoned)
{
	xs_transaction_t t = xs_transaction_start(tool);

	ck_assert(put(t, "/t/a", "2"));
	ck_assert(xs_transaction_end(tool, t, true));
	ck_assert_str_eq(sim_xs_get("/t/a"), "1");
}
END_TEST

/* What was read, written, listed or found missing must not have changed. */
START_TEST(conflicts)
{
	static const char *const touch[] = { "read", "write", "list", "miss" };
	xs_transaction_t t;
	unsigned int i, num;

	for (i = 0; i < 4; i++) {
		t = xs_transaction_start(tool);
		switch (touch[i][0]) {
		case 'r':
			expect(t, "/t/a", "1");
			break;
		case 'w':
			ck_assert(put(t, "/t/a", "mine"));
			break;
		case 'l':
			free(xs_directory(tool, t, "/t", &num));
			break;
		case 'm':
			ck_assert_ptr_null(xs_read(tool, t, "/t/c", NULL));
			break;
		}
		ck_assert(put(t, "/t/result", touch[i]));
		sim_xs_put("/t/a", "1");
		sim_xs_put("/t/c", "1");
		ck_assert(!xs_transaction_end(tool, t, false));
		ck_assert_int_eq(errno, EAGAIN);
		ck_assert(!sim_xs_exists("/t/result"));
		sim_xs_rm("/t/c");
	}
}
END_TEST

START_TEST(no_conflict)
{
	xs_transaction_t t = xs_transaction_start(tool);

	expect(t, "/t/a", "1");
	ck_assert(put(t, "/t/new/er", "2"));
	expect(t, "/t/new", "");
	expect(t, "/t/new/er", "2");
	/* Another value elsewhere is nobody's business. */
	sim_xs_put("/t/b", "2");
	ck_assert(xs_transaction_end(tool, t, false));
	ck_assert_str_eq(sim_xs_get("/t/new/er"), "2");
}
END_TEST

START_TEST(injected_conflict)
{
	xs_transaction_t t = xs_transaction_start(tool);

	sim_xs_conflict(1);
	ck_assert(put(t, "/t/a", "2"));
	ck_assert(!xs_transaction_end(tool, t, false));
	ck_assert_int_eq(errno, EAGAIN);
	t = xs_transaction_start(tool);
	ck_assert(put(t, "/t/a", "2"));
	ck_assert(xs_transaction_end(tool, t, false));
	t = xs_transaction_start(tool);
	sim_fail_nth(NULL, SIM_CALL_XS_END, 1, EIO);
	ck_assert(!xs_transaction_end(tool, t, false));
	ck_assert_int_eq(errno, EIO);
	ck_assert(!xs_transaction_end(tool, t, false));
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

static unsigned int drain(struct xs_handle *xs, const char *path)
{
	unsigned int count = 0;
	char **event;

	while ((event = xs_check_watch(xs))) {
		if (path)
			ck_assert_str_eq(event[XS_WATCH_PATH], path);
		count++;
		free(event);
	}
	return count;
}

START_TEST(one_event_a_node)
{
	xs_transaction_t t;

	ck_assert(xs_watch(tool, "/t", "T"));
	ck_assert_uint_eq(drain(tool, "/t"), 1);
	t = xs_transaction_start(tool);
	ck_assert(put(t, "/t/a", "2"));
	ck_assert(put(t, "/t/a", "3"));
	ck_assert_uint_eq(drain(tool, NULL), 0);
	ck_assert(xs_transaction_end(tool, t, false));
	ck_assert_uint_eq(drain(tool, "/t/a"), 1);
	t = xs_transaction_start(tool);
	ck_assert(put(t, "/t/a", "2"));
	ck_assert(xs_transaction_end(tool, t, true));
	ck_assert_uint_eq(drain(tool, NULL), 0);
}
END_TEST

START_TEST(guest_quota_and_rights)
{
	struct xs_permissions p = { .id = guest, .perms = XS_PERM_NONE };
	xs_transaction_t t[12];
	char path[64];
	unsigned int n;

	for (n = 0; n < 12; n++) {
		t[n] = xs_transaction_start(dom);
		if (!t[n])
			break;
	}
	ck_assert_uint_eq(n, 10);
	ck_assert_int_eq(errno, ENOSPC);
	ck_assert(!xs_write(dom, t[0], "/t/a", "x", 1));
	ck_assert_int_eq(errno, EACCES);
	ck_assert(xs_write(dom, t[0], "data/x", "x", 1));
	ck_assert(xs_set_permissions(dom, t[0], "data/x", &p, 1));
	ck_assert(xs_transaction_end(dom, t[0], false));
	snprintf(path, sizeof(path), "/local/domain/%u/data", guest);
	sim_xs_rm(path);
	/* The others end with the connection. */
}
END_TEST

START_TEST(death_ends_it)
{
	struct sim_process *process = sim_process_new(0, "victim");
	struct xs_handle *xs;
	xs_transaction_t t;

	sim_enter(process);
	xs = xs_open(0);
	t = xs_transaction_start(xs);
	ck_assert(xs_watch(xs, "/t", "T"));
	ck_assert(xs_write(xs, t, "/t/a", "5", 1));
	sim_process_kill(process);
	ck_assert(!xs_transaction_end(xs, t, false));
	ck_assert_int_eq(errno, SIM_DEAD_ERRNO);
	ck_assert(!xs_write(xs, XBT_NULL, "/t/a", "5", 1));
	ck_assert_str_eq(sim_xs_get("/t/a"), "1");
	ck_assert_ptr_null(xs_check_watch(xs));
	xs_close(xs);
	sim_process_free(process);
}
END_TEST

static Suite *txn_suite(void)
{
	Suite *s = suite_create("sim-txn");
	TCase *t = tcase_create("txn");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, changes_show_at_the_end);
	tcase_add_test(t, abandoned);
	tcase_add_test(t, conflicts);
	tcase_add_test(t, no_conflict);
	tcase_add_test(t, injected_conflict);
	tcase_add_test(t, one_event_a_node);
	tcase_add_test(t, guest_quota_and_rights);
	tcase_add_test(t, death_ends_it);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(txn_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
