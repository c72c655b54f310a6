// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The simulated Xen: xenstore's nodes, permissions, quotas and watches.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "tests/sim/sim.h"

static domid_t guest, other;
static struct xs_handle *tool, *dom, *peer;

static void setup(void)
{
	sim_init(4);
	guest = sim_domain_new("guest", SIM_PVH);
	other = sim_domain_new("other", SIM_PV);
	sim_enter(sim_process_new(0, "tool"));
	tool = xs_open(0);
	sim_enter(sim_process_new(guest, "front"));
	dom = xs_open(XS_UNWATCH_FILTER);
	sim_enter(sim_process_new(other, "peer"));
	peer = xs_open(0);
	sim_enter(NULL);
}

static void teardown(void)
{
	xs_close(tool);
	xs_close(dom);
	xs_close(peer);
	sim_xs_rm("/t");
	sim_assert_clean();
	sim_fini();
}

static bool put(struct xs_handle *xs, const char *path, const char *value)
{
	return xs_write(xs, XBT_NULL, path, value, (unsigned int)strlen(value));
}

/* The call must fail so. */
#define fails(call, err)                      \
	do {                                  \
		errno = 0;                    \
		ck_assert(!(call));           \
		ck_assert_int_eq(errno, err); \
	} while (0)

static void expect_event(struct xs_handle *xs, const char *path, const char *token)
{
	char **event = xs_check_watch(xs);

	ck_assert_msg(event, "no event, instead of %s", path);
	ck_assert_str_eq(event[XS_WATCH_PATH], path);
	ck_assert_str_eq(event[XS_WATCH_TOKEN], token);
	free(event);
}

static void expect_none(struct xs_handle *xs)
{
	struct pollfd p = { .fd = xs_fileno(xs), .events = POLLIN };
	char **event = xs_check_watch(xs);

	ck_assert_msg(!event, "an event for %s", event ? event[0] : "");
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(poll(&p, 1, 0), 0);
}

START_TEST(read_write_directory)
{
	unsigned int len = 99, num;
	char *value, **names;

	ck_assert(put(tool, "/t/a/b", "one"));
	value = xs_read(tool, XBT_NULL, "/t/a/b", &len);
	ck_assert_str_eq(value, "one");
	ck_assert_uint_eq(len, 3);
	free(value);
	value = xs_read(tool, XBT_NULL, "/t/a", NULL);
	ck_assert_str_eq(value, "");
	free(value);

	ck_assert(xs_mkdir(tool, XBT_NULL, "/t/a/c"));
	ck_assert(xs_mkdir(tool, XBT_NULL, "/t/a/c"));
	names = xs_directory(tool, XBT_NULL, "/t/a", &num);
	ck_assert_uint_eq(num, 2);
	ck_assert_str_eq(names[0], "b");
	ck_assert_str_eq(names[1], "c");
	free(names);
	names = xs_directory(tool, XBT_NULL, "/t/a/c", &num);
	ck_assert_ptr_nonnull(names);
	ck_assert_uint_eq(num, 0);
	free(names);

	/* Bytes are bytes. */
	ck_assert(xs_write(tool, XBT_NULL, "/t/a/b", "x\0y", 3));
	value = xs_read(tool, XBT_NULL, "/t/a/b", &len);
	ck_assert_uint_eq(len, 3);
	ck_assert_mem_eq(value, "x\0y", 4);
	free(value);

	fails(xs_read(tool, XBT_NULL, "/t/none", &len), ENOENT);
	fails(xs_directory(tool, XBT_NULL, "/t/none", &num), ENOENT);
	ck_assert(xs_rm(tool, XBT_NULL, "/t/a"));
	ck_assert(!sim_xs_exists("/t/a/b"));
	/* Nothing there, but something above it. */
	ck_assert(xs_rm(tool, XBT_NULL, "/t/a"));
	fails(xs_rm(tool, XBT_NULL, "/t/a/b/c"), ENOENT);
	fails(xs_rm(tool, XBT_NULL, "/"), EINVAL);
}
END_TEST

START_TEST(bad_paths)
{
	char longest[3100];

	fails(put(tool, "/t//a", "x"), EINVAL);
	fails(put(tool, "/t/", "x"), EINVAL);
	fails(put(tool, "/t/a.b", "x"), EINVAL);
	fails(put(tool, "/t/a b", "x"), EINVAL);
	fails(put(tool, "@releaseDomain", "x"), EINVAL);
	fails(put(tool, "", "x"), EINVAL);
	ck_assert(xs_path_is_subpath("/a", "/a/b"));
	ck_assert(xs_path_is_subpath("/a", "/a"));
	ck_assert(!xs_path_is_subpath("/a", "/ab"));
	ck_assert(!xs_path_is_subpath("/", "/ab"));
	memset(longest, 'a', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	fails(put(tool, longest, "x"), EINVAL);
	fails(xs_write(tool, XBT_NULL, "/t/a", longest, 4096), E2BIG);
}
END_TEST

START_TEST(relative_paths)
{
	char path[64], *value;

	ck_assert(put(dom, "data/x", "1"));
	snprintf(path, sizeof(path), "/local/domain/%u/data/x", guest);
	ck_assert_str_eq(sim_xs_get(path), "1");
	value = xs_read(dom, XBT_NULL, "name", NULL);
	ck_assert_str_eq(value, "guest");
	free(value);
	value = xs_get_domain_path(dom, guest);
	path[strlen(path) - strlen("/data/x")] = '\0';
	ck_assert_str_eq(value, path);
	free(value);
	sim_xs_rm(strcat(path, "/data/x"));
}
END_TEST

START_TEST(permissions)
{
	char perms[32];

	ck_assert(put(tool, "/t/dev", ""));
	snprintf(perms, sizeof(perms), "n0,r%u", guest);
	sim_xs_chmod("/t/dev", perms);
	/* Children inherit. */
	ck_assert(put(tool, "/t/dev/state", "1"));
	free(xs_read(dom, XBT_NULL, "/t/dev/state", NULL));
	fails(put(dom, "/t/dev/state", "2"), EACCES);
	fails(put(dom, "/t/dev/new", "2"), EACCES);
	fails(xs_rm(dom, XBT_NULL, "/t/dev/state"), EACCES);
	/* Who may look above is told that there is nothing. */
	fails(xs_read(dom, XBT_NULL, "/t/dev/none", NULL), ENOENT);
	fails(xs_read(peer, XBT_NULL, "/t/dev/none", NULL), EACCES);
	fails(xs_read(peer, XBT_NULL, "/t/dev/state", NULL), EACCES);
	fails(xs_read(dom, XBT_NULL, "/t", NULL), EACCES);

	snprintf(perms, sizeof(perms), "n%u,r0", guest);
	sim_xs_chmod("/t/dev", perms);
	ck_assert(put(dom, "/t/dev/deep/er", "mine"));
	fails(put(dom, "/t/dev/state", "2"), EACCES);
	fails(put(peer, "/t/dev/deep/er", "2"), EACCES);
	/* The owner may let others in, but not give the node away. */
	struct xs_permissions p[2] = { { .id = guest, .perms = XS_PERM_NONE },
				       { .id = other, .perms = XS_PERM_READ | XS_PERM_WRITE } };

	ck_assert(xs_set_permissions(dom, XBT_NULL, "/t/dev/deep/er", p, 2));
	ck_assert(put(peer, "/t/dev/deep/er", "2"));
	fails(xs_set_permissions(peer, XBT_NULL, "/t/dev/deep/er", p, 2), EACCES);
	p[0].id = other;
	fails(xs_set_permissions(dom, XBT_NULL, "/t/dev/deep/er", p, 2), EPERM);
}
END_TEST

START_TEST(get_permissions)
{
	struct xs_permissions *p;
	unsigned int num;

	sim_xs_put("/t/x", "");
	sim_xs_chmod("/t/x", "b2,r1,w2,n5");
	p = xs_get_permissions(tool, XBT_NULL, "/t/x", &num);
	ck_assert_uint_eq(num, 4);
	ck_assert_uint_eq(p[0].id, 2);
	ck_assert_uint_eq(p[0].perms, XS_PERM_READ | XS_PERM_WRITE);
	ck_assert_uint_eq(p[1].perms, XS_PERM_READ);
	ck_assert_uint_eq(p[2].perms, XS_PERM_WRITE);
	ck_assert_uint_eq(p[3].perms, XS_PERM_NONE);
	/* Somebody must own it. */
	p[0].id = 77;
	fails(xs_set_permissions(tool, XBT_NULL, "/t/x", p, 2), ENOENT);
	free(p);
}
END_TEST

/* A new domain with an old domid gets nothing of its predecessor's rights. */
START_TEST(permissions_do_not_pass_on)
{
	char perms[32];

	sim_xs_put("/t/back", "secret");
	snprintf(perms, sizeof(perms), "n0,r%u", other);
	sim_xs_chmod("/t/back", perms);
	free(xs_read(peer, XBT_NULL, "/t/back", NULL));
	sim_domain_destroy(other);
	ck_assert(sim_xs_exists("/t/back"));
	xs_close(peer);
	sim_domain_new_at(other, "reborn", SIM_PV);
	sim_enter(sim_process_new(other, "peer again"));
	peer = xs_open(0);
	fails(xs_read(peer, XBT_NULL, "/t/back", NULL), EACCES);
	sim_xs_chmod("/t/back", perms);
	free(xs_read(peer, XBT_NULL, "/t/back", NULL));
}
END_TEST

START_TEST(dead_domain_loses_its_nodes)
{
	char perms[32], home[64];

	snprintf(home, sizeof(home), "/local/domain/%u", guest);
	sim_xs_put("/t/front", "");
	snprintf(perms, sizeof(perms), "n%u,r0", guest);
	sim_xs_chmod("/t/front", perms);
	ck_assert(put(dom, "/t/front/x", "1"));
	sim_xs_put("/t/back", "");
	ck_assert(sim_xs_exists(home));
	sim_domain_destroy(guest);
	ck_assert(!sim_xs_exists(home));
	ck_assert(!sim_xs_exists("/t/front"));
	ck_assert(sim_xs_exists("/t/back"));
}
END_TEST

START_TEST(quotas)
{
	char path[64], big[2100];
	unsigned int i, n = 0;

	memset(big, 'x', sizeof(big));
	fails(xs_write(dom, XBT_NULL, "data/x", big, 2040), ENOSPC);
	ck_assert(xs_write(dom, XBT_NULL, "data/x", big, 2000));
	ck_assert(xs_write(tool, XBT_NULL, "/t/x", big, 2100));

	sim_config()->xs_nodes = 50;
	for (i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "data/%u", i);
		if (!put(dom, path, ""))
			break;
		n++;
	}
	ck_assert_int_eq(errno, ENOSPC);
	ck_assert_uint_gt(n, 30);
	ck_assert_uint_lt(n, 50);
	ck_assert(put(tool, "/t/y", ""));

	for (i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), "%u", i);
		if (!xs_watch(dom, "data", path))
			break;
	}
	ck_assert_int_eq(errno, E2BIG);
	ck_assert_uint_eq(i, 128);
	ck_assert(xs_watch(peer, "data", "t"));
	snprintf(path, sizeof(path), "/local/domain/%u/data", guest);
	sim_xs_rm(path);
}
END_TEST

START_TEST(watches_fire)
{
	ck_assert(xs_watch(tool, "/t/a", "A"));
	expect_event(tool, "/t/a", "A");
	expect_none(tool);
	ck_assert(put(tool, "/t/a/b/c", "x"));
	expect_event(tool, "/t/a/b/c", "A");
	expect_none(tool);
	ck_assert(put(tool, "/t/ab", "x"));
	expect_none(tool);
	ck_assert(xs_mkdir(tool, XBT_NULL, "/t/a/b"));
	expect_none(tool);
	sim_xs_chmod("/t/a", "n0");
	expect_event(tool, "/t/a", "A");

	/* Below a removed node only exact watches hear of it. */
	ck_assert(xs_watch(tool, "/t/a/b/c", "C"));
	ck_assert(xs_watch(tool, "/t/a/none", "N"));
	expect_event(tool, "/t/a/b/c", "C");
	expect_event(tool, "/t/a/none", "N");
	ck_assert(xs_rm(tool, XBT_NULL, "/t/a"));
	expect_event(tool, "/t/a/b/c", "C");
	expect_event(tool, "/t/a", "A");
	expect_none(tool);

	fails(xs_watch(tool, "/t/a", "A"), EEXIST);
	ck_assert(xs_watch(tool, "/t/a", "A2"));
	fails(xs_unwatch(tool, "/t/a", "none"), ENOENT);
	ck_assert(xs_unwatch(tool, "/t/a", "A"));
	/* The event of A2 is still queued. */
	expect_event(tool, "/t/a", "A2");
	ck_assert(put(tool, "/t/a", ""));
	expect_event(tool, "/t/a", "A2");
	expect_none(tool);
}
END_TEST

START_TEST(fd_is_readable_while_events_wait)
{
	struct pollfd p = { .events = POLLIN };

	ck_assert(xs_watch(tool, "/t/a", "A"));
	p.fd = xs_fileno(tool);
	ck_assert_int_eq(poll(&p, 1, 0), 1);
	ck_assert(put(tool, "/t/a", "x"));
	expect_event(tool, "/t/a", "A");
	ck_assert_int_eq(poll(&p, 1, 0), 1);
	expect_event(tool, "/t/a", "A");
	ck_assert_int_eq(poll(&p, 1, 0), 0);
}
END_TEST

/* Without the filter, an event may come for a watch that is gone. */
START_TEST(stale_events)
{
	ck_assert(xs_watch(tool, "/t/a", "A"));
	ck_assert(xs_unwatch(tool, "/t/a", "A"));
	expect_event(tool, "/t/a", "A");
	ck_assert(xs_watch(dom, "data", "D"));
	ck_assert(xs_unwatch(dom, "data", "D"));
	expect_none(dom);
}
END_TEST

START_TEST(watches_of_guests)
{
	char path[64], perms[32];

	ck_assert(xs_watch(dom, "data", "D"));
	expect_event(dom, "data", "D");
	ck_assert(put(dom, "data/x", "1"));
	expect_event(dom, "data/x", "D");
	snprintf(path, sizeof(path), "/local/domain/%u/data/y", guest);
	ck_assert(put(tool, path, "1"));
	expect_event(dom, "data/y", "D");

	/* No news of what one may not see. */
	ck_assert(xs_watch(dom, "/t/secret", "S"));
	expect_event(dom, "/t/secret", "S");
	sim_xs_put("/t/secret", "1");
	expect_none(dom);
	snprintf(perms, sizeof(perms), "n0,r%u", guest);
	sim_xs_chmod("/t/secret", perms);
	expect_event(dom, "/t/secret", "S");
	sim_xs_put("/t/secret", "2");
	expect_event(dom, "/t/secret", "S");
	sim_xs_rm("/t/secret");
	expect_event(dom, "/t/secret", "S");
	expect_none(dom);
	path[strlen(path) - 2] = '\0';
	sim_xs_rm(path);
}
END_TEST

START_TEST(special_watches)
{
	domid_t fresh;

	ck_assert(xs_watch(tool, "@introduceDomain", "I"));
	ck_assert(xs_watch(tool, "@releaseDomain", "R"));
	expect_event(tool, "@introduceDomain", "I");
	expect_event(tool, "@releaseDomain", "R");
	fresh = sim_domain_new("fresh", SIM_PV);
	expect_event(tool, "@introduceDomain", "I");
	ck_assert(xs_is_domain_introduced(tool, fresh));
	sim_domain_shutdown(fresh, 0);
	expect_event(tool, "@releaseDomain", "R");
	sim_domain_destroy(fresh);
	expect_event(tool, "@releaseDomain", "R");
	expect_none(tool);
	ck_assert(!xs_is_domain_introduced(tool, fresh));
}
END_TEST

START_TEST(spurious_events)
{
	ck_assert(xs_watch(tool, "/t/none", "N"));
	expect_event(tool, "/t/none", "N");
	sim_xs_spurious();
	expect_event(tool, "/t/none", "N");
	expect_none(tool);
}
END_TEST

START_TEST(base_and_leaks)
{
	char *leaks;

	sim_xs_put("/conf/x", "1");
	leaks = sim_leaks();
	ck_assert_ptr_nonnull(strstr(leaks, "process front (d1): xs handle open\n"));
	ck_assert_ptr_nonnull(strstr(leaks, "xenstore: /conf = \"\"\n"));
	free(leaks);
	sim_base();
	sim_xs_put("/conf/y", "2");
	leaks = sim_leaks();
	ck_assert_ptr_nonnull(strstr(leaks, "xenstore: /conf/y = \"2\"\n"));
	free(leaks);
	sim_base_path("/conf/y");
	leaks = sim_leaks();
	ck_assert_ptr_null(strstr(leaks, "xenstore"));
	free(leaks);
}
END_TEST

static Suite *xenstore_suite(void)
{
	Suite *s = suite_create("sim-xenstore");
	TCase *t = tcase_create("xenstore");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, read_write_directory);
	tcase_add_test(t, bad_paths);
	tcase_add_test(t, relative_paths);
	tcase_add_test(t, permissions);
	tcase_add_test(t, get_permissions);
	tcase_add_test(t, permissions_do_not_pass_on);
	tcase_add_test(t, dead_domain_loses_its_nodes);
	tcase_add_test(t, quotas);
	tcase_add_test(t, watches_fire);
	tcase_add_test(t, fd_is_readable_while_events_wait);
	tcase_add_test(t, stale_events);
	tcase_add_test(t, watches_of_guests);
	tcase_add_test(t, special_watches);
	tcase_add_test(t, spurious_events);
	tcase_add_test(t, base_and_leaks);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(xenstore_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
