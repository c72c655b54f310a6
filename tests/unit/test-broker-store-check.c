// SPDX-License-Identifier: GPL-2.0-or-later
/* What check-store finds in a xenstore that a broker and guests have written. */
#include "tests/unit/backend-guest.h"

#include "backend/xs.h"
#include "broker/store-check.h"
#include "broker/store-dir.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct bed bed;
static struct guest alice;
static char *text;

static void setup(void)
{
	bed_init(&bed);
	bed_start(&bed);
}

static void teardown(void)
{
	free(text);
	text = NULL;
	bed_fini(&bed);
}

static void on_watch(void *priv, const char *token)
{
}

/* Problems; what was said is in text. */
static int run(void)
{
	struct store *store;
	size_t size;
	FILE *out;
	int r;

	free(text);
	out = open_memstream(&text, &size);
	ck_assert_int_eq(store_new(&store, bed.event, on_watch, NULL), 0);
	r = store_check(store, out);
	store_free(store);
	fclose(out);
	return r;
}

static void expect(int problems, const char *what)
{
	int r = run();

	ck_assert_msg(r == problems && (!what || strstr(text, what)), "%d: %s", r, text);
}

#define B "/local/domain/0/backend/vmsg/1/0"
#define F "/local/domain/1/device/vmsg/0"

START_TEST(clean_in_every_state)
{
	expect(0, NULL);
	guest_init(&alice, &bed, "alice");
	expect(0, NULL);
	bed_run(&bed);
	expect(0, NULL);
	guest_prepare(&alice, GUEST_ORDER);
	guest_put_nodes(&alice);
	expect(0, NULL);
	guest_connect(&alice);
	expect(0, NULL);
	guest_state(&alice, 5);
	expect(0, NULL);
	guest_state(&alice, 6);
	expect(0, NULL);
	ck_assert_str_eq(text, "");
	guest_fini(&alice);
	expect(0, NULL);
}
END_TEST

START_TEST(values)
{
	guest_up(&alice, &bed, "alice");
	sim_xs_put(B "/online", "2");
	expect(1, B "/online: \"2\" is neither 0 nor 1\n");
	sim_xs_put(B "/online", "1");
	guest_put(&alice, "ring-order", "6");
	expect(1, NULL);
	guest_put(&alice, "ring-order", "3");
	guest_put(&alice, "event-channel", "+7");
	expect(1, F "/event-channel: \"+7\" is not a number: 1 to 4294967295\n");
	guest_put(&alice, "event-channel", "7\n\x1b[2J\"");
	expect(1, F "/event-channel: \"7\\x0a\\x1b[2J\\x22\" is not a number");
	guest_put(&alice, "event-channel", "7");
	guest_put(&alice, "backend", "/local/domain/0/backend/vmsg/2/0");
	expect(1, F "/backend: \"/local/domain/0/backend/vmsg/2/0\" should be \"" B "\"\n");
	guest_put(&alice, "backend", B);
	sim_xs_put(B "/address", "6553602");
	expect(1, B "/address: is of domain 2\n");
	guest_fini(&alice);
}
END_TEST

START_TEST(missing_and_unknown)
{
	guest_up(&alice, &bed, "alice");
	guest_rm(&alice, "tx-ring-ref-5");
	expect(1, F "/tx-ring-ref-5: is missing\n");
	guest_rm(&alice, "version");
	expect(2, F "/version: is missing\n");
	sim_xs_rm(B "/epoch");
	expect(3, B "/epoch: is missing\n");
	guest_put(&alice, "tx-ring-ref-32", "1");
	expect(4, F "/tx-ring-ref-32: is no node of the schema\n");
	guest_put(&alice, "state/more", "1");
	expect(5, F "/state/more: is no node of the schema\n");
	sim_xs_put("/local/domain/0/backend/vmsg/1/1", "");
	expect(6, "/local/domain/0/backend/vmsg/1/1: is no device");
	sim_xs_put("/local/domain/0/xenmsg/generations", "1");
	expect(7, "/local/domain/0/xenmsg/generations: is no node");
	sim_xs_rm("/local/domain/0/xenmsg/generations");
	guest_fini(&alice);
}
END_TEST

START_TEST(permissions)
{
	guest_up(&alice, &bed, "alice");
	sim_xs_chmod(B "/state", "b0");
	expect(1, B "/state: permissions are b0, should be n0,r1\n");
	sim_xs_chmod(B "/state", "n0,r1");
	sim_xs_chmod(F, "n1,b2");
	expect(1, F ": permissions are n1,b2, should be n1,r0\n");
	sim_xs_chmod(F, "n1,r0");
	sim_xs_chmod("/local/domain/0/xenmsg/generation", "n0,w7");
	expect(1, "/local/domain/0/xenmsg/generation: permissions are n0,w7: others may write\n");
	sim_xs_chmod("/local/domain/0/xenmsg/generation", "n0,r7");
	expect(0, NULL);
	guest_fini(&alice);
}
END_TEST

START_TEST(left_over)
{
	sim_xs_put("/local/domain/0/backend/vmsg/9/0/state", "1");
	expect(1, "/local/domain/0/backend/vmsg/9: is left over: there is no domain 9\n");
	sim_xs_rm("/local/domain/0/backend/vmsg/9");
	sim_xs_put("/local/domain/0/backend/vmsg/x", "1");
	expect(1, "/local/domain/0/backend/vmsg/x: is no domid of a guest\n");
	sim_xs_rm("/local/domain/0/backend/vmsg/x");
	guest_up(&alice, &bed, "alice");
	bed_stop(&bed, false);
	sim_xs_rm("/local/domain/0/backend/vmsg/1");
	expect(1, "/local/domain/1/device/vmsg: is left over: the backend's half is not there\n");
	guest_fini(&alice);
}
END_TEST

START_TEST(processes_of_this_domain)
{
	sim_xs_put("/local/domain/0/xenmsg/generation", "0");
	sim_xs_put("/local/domain/0/xenmsg/local/3/address", "2147418112");
	sim_xs_put("/local/domain/0/xenmsg/local/3/uid", "root");
	sim_xs_put("/local/domain/0/xenmsg/local/1024", "");
	run();
	for (const char *const *line =
		     (const char *[]){ "/generation: \"0\" is out of range: 1 to 65535\n",
				       "/local/3/uid: \"root\" is not a number",
				       "/local/3/instance: is missing\n",
				       "/local/3/address: is not of this slot\n",
				       "/local/1024: is no slot\n", NULL };
	     *line; line++)
		ck_assert_msg(strstr(text, *line) != NULL, "%s\nnot in\n%s", *line, text);
	sim_xs_rm("/local/domain/0/xenmsg/local");
}
END_TEST

/* A guest that fills its directory fills no terminal. */
START_TEST(bounded)
{
	unsigned int lines = 0;
	char name[300];

	guest_up(&alice, &bed, "alice");
	(void)snprintf(name, sizeof(name), F "/%0180u", 0u);
	ck_assert_int_eq(sim_xs_put_as(1, name, "x"), 0);
	for (unsigned int i = 0; i < 40; i++) {
		(void)snprintf(name, sizeof(name), F "/x%u", i);
		ck_assert_int_eq(sim_xs_put_as(1, name, "x"), 0);
	}
	expect(41, F ": 9 more\n");
	for (const char *s = text; (s = strchr(s, '\n')); s++)
		lines++;
	ck_assert_uint_eq(lines, STORE_DIR_LINES + 1);
	ck_assert_ptr_nonnull(strstr(text, "...: is no node"));
	guest_fini(&alice);
}
END_TEST

/* Others write meanwhile: what is said is of one moment, and said once. */
START_TEST(conflicts)
{
	guest_up(&alice, &bed, "alice");
	guest_put(&alice, "version", "x");
	sim_xs_conflict(3);
	expect(1, F "/version: \"x\"");
	sim_xs_conflict(1000);
	ck_assert_int_eq(run(), -EAGAIN);
	sim_xs_conflict(0);
	guest_fini(&alice);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("broker-store-check");
	TCase *t = tcase_create("store-check");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, clean_in_every_state);
	tcase_add_test(t, values);
	tcase_add_test(t, missing_and_unknown);
	tcase_add_test(t, permissions);
	tcase_add_test(t, left_over);
	tcase_add_test(t, processes_of_this_domain);
	tcase_add_test(t, bounded);
	tcase_add_test(t, conflicts);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
