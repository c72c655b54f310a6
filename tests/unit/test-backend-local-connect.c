// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How processes of the backend's own domain connect: the handshake, what they get
 * and what is not taken from them, packets out of place, silence and early ends.
 */
#include "tests/unit/local-bed.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE (6 * SIM_NSEC_PER_SEC)

START_TEST(comes_up)
{
	struct vmsgif_tx_request req = { .op = VMSGIF_OP_READY, .id = 3 };
	struct vmsgif_tx_response rsp;
	const struct vmsgif_segment *segs;
	struct request got;
	const char *name;

	up(&a);
	ck_assert_str_eq(bed_calls(&bed), "up:32768 ");
	ck_assert_uint_eq(VMSGIF_ADDR_DOMID(a.welcome.addr), LOCAL(0));
	ck_assert_uint_ne(VMSGIF_ADDR_GEN(a.welcome.addr), 0);
	ck_assert_uint_eq(a.welcome.flow_window, bed.limits.flow_window);
	ck_assert_uint_eq(a.welcome.max_message, bed.limits.max_message);
	ck_assert_uint_eq(a.welcome.max_pool_pages, bed.limits.max_pool_pages);
	ck_assert_uint_eq(device_address(dev_of(&a)), a.welcome.addr);
	ck_assert_str_eq(device_name(dev_of(&a)), "Domain-0");
	ck_assert_uint_eq(device_ring_slots(dev_of(&a)), 32);
	/* What survives a broker. */
	ck_assert_uint_eq(strtoull(sim_xs_get(SLOT_NODE("0", "address")), NULL, 10),
			  a.welcome.addr);
	ck_assert_uint_eq(strtoull(sim_xs_get(SLOT_NODE("0", "instance")), NULL, 10), a.instance);
	ck_assert_uint_eq(strtoull(sim_xs_get(SLOT_NODE("0", "uid")), NULL, 10), getuid());

	bed.kicks = 0;
	raw_tx(&a, &req);
	kick(&a);
	ck_assert_uint_eq(bed.kicks, 1);
	ck_assert_int_eq(device_next_request(dev_of(&a), &got, &segs, &name), 1);
	ck_assert_uint_eq(got.op, VMSGIF_OP_READY);
	device_complete(dev_of(&a), got.id, got.op, 0, 0, 0);
	a.tx->rsp_event = 1;
	device_publish_tx(dev_of(&a), false);
	(void)device_notify(dev_of(&a), false);
	ck_assert_uint_eq(raw_bells(&a), 1);
	ck_assert(raw_tx_rsp(&a, &rsp));
	ck_assert_uint_eq(rsp.id, 3);
	ck_assert_int_eq(rsp.status, 0);

	raw_close(&a);
	bed_run(&bed);
	ck_assert_str_eq(bed_calls(&bed), "down:32768 gone:32768 ");
	ck_assert(!sim_xs_exists(SLOT_NODE("0", "address")));
}
END_TEST

/* The size of the memory cannot be changed by whoever has it. */
START_TEST(memory_is_sealed)
{
	up(&a);
	ck_assert_int_eq(fcntl(a.memory, F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
			 F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	ck_assert_int_eq(ftruncate(a.memory, 0), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(ftruncate(a.memory, 1 << 30), -1);
	ck_assert_int_eq(fcntl(a.memory, F_ADD_SEALS, F_SEAL_WRITE), -1);
	/* A hole in it is no fault for the backend. */
	ck_assert_int_eq(fallocate(a.memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				   (off_t)a.l.nr_pages * VMSGIF_PAGE_SIZE),
			 0);
	kick(&a);
	ck_assert(device_is_up(dev_of(&a)));
}
END_TEST

START_TEST(rings_as_large_as_they_may_be)
{
	struct local_hello h;

	bed_stop(&bed, false);
	bed.limits.max_ring_order = 2;
	bed_start(&bed);
	listen_here();
	raw_connect(&a, path);
	h = raw_hello(&a);
	h.ring_order = 4;
	ck_assert(raw_send(&a, &h, sizeof(h), -1));
	bed_run(&bed);
	raw_welcome(&a);
	ck_assert_uint_eq(a.welcome.ring_order, 2);
	start(&a);
	ck_assert_uint_eq(device_ring_slots(dev_of(&a)), VMSGIF_RING_SLOTS(2));
}
END_TEST

static const struct {
	unsigned int offset, size;
	uint64_t value;
	const char *reason;
} bad_hellos[] = {
	{ offsetof(struct local_hello, type), 4, LOCAL_START, "no HELLO" },
	{ offsetof(struct local_hello, type), 4, 0, "no HELLO" },
	{ offsetof(struct local_hello, version), 4, 0, "version" },
	{ offsetof(struct local_hello, instance), 8, 0, "instance" },
	{ offsetof(struct local_hello, reserved), 4, 1, "reserved" },
	{ offsetof(struct local_hello, ring_order), 4, 6, "ring order" },
	{ offsetof(struct local_hello, ring_order), 4, UINT32_MAX, "ring order" },
	{ offsetof(struct local_hello, tx_pages), 4, 0, "pages" },
	{ offsetof(struct local_hello, tx_pages), 4, 1025, "pages" },
	{ offsetof(struct local_hello, rx_pages), 4, 0, "pages" },
	{ offsetof(struct local_hello, rx_pages), 4, UINT32_MAX, "pages" },
};

START_TEST(bad_hello)
{
	struct local_hello h;

	raw_connect(&a, path);
	h = raw_hello(&a);
	memcpy((char *)&h + bad_hellos[_i].offset, &bad_hellos[_i].value, bad_hellos[_i].size);
	ck_assert(raw_send(&a, &h, sizeof(h), -1));
	expect_end(&a, LOCAL_REFUSED, -EPROTO, bad_hellos[_i].reason);
	ck_assert_str_eq(bed_calls(&bed), "");
	/* Others do not notice. */
	up(&b);
	ck_assert_str_eq(bed_calls(&bed), "up:32768 ");
}
END_TEST

START_TEST(hello_of_another_length)
{
	char bytes[4096] = { LOCAL_HELLO };
	struct local_hello h;

	raw_connect(&a, path);
	h = raw_hello(&a);
	memcpy(bytes, &h, sizeof(h));
	ck_assert(raw_send(&a, bytes, _i ? sizeof(bytes) : sizeof(h) - 1, -1));
	expect_end(&a, LOCAL_REFUSED, -EPROTO, "no HELLO");
}
END_TEST

START_TEST(newer_client)
{
	struct local_hello h;

	raw_connect(&a, path);
	h = raw_hello(&a);
	h.version = 99;
	ck_assert(raw_send(&a, &h, sizeof(h), -1));
	bed_run(&bed);
	raw_welcome(&a);
	ck_assert_uint_eq(a.welcome.version, LOCAL_VERSION);
}
END_TEST

static unsigned int open_files(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Whatever descriptors a client sends, the backend takes none. */
START_TEST(descriptors_are_not_taken)
{
	struct local_hello h;
	unsigned int files;
	int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);

	raw_connect(&a, path);
	bed_run(&bed);
	h = raw_hello(&a);
	files = open_files();
	ck_assert(raw_send(&a, &h, sizeof(h), fd));
	bed_run(&bed);
	ck_assert_uint_eq(open_files(), files);
	raw_welcome(&a);
	ck_assert_uint_eq(open_files(), files + 1);
	start(&a);
	for (unsigned int i = 0; i < 5; i++) {
		const struct local_word bell = { LOCAL_BELL };

		ck_assert(raw_send(&a, &bell, sizeof(bell), fd));
		bed_run(&bed);
	}
	ck_assert_uint_eq(open_files(), files + 1);
	ck_assert(device_is_up(dev_of(&a)));
	(void)close(fd);
}
END_TEST

START_TEST(silence)
{
	raw_connect(&a, path);
	bed_run(&bed);
	raw_connect(&b, path);
	hello(&b);
	bed_wait(&bed, PATIENCE);
	expect_end(&a, LOCAL_REFUSED, -ETIMEDOUT, "HELLO did not come");
	raw_welcome(&b);
	expect_end(&b, LOCAL_CLOSED, -EPROTO, "START did not come");
	ck_assert_str_eq(bed_calls(&bed), "");
	ck_assert(!sim_xs_exists(SLOT_NODE("0", "address")));
}
END_TEST

START_TEST(ends_in_between)
{
	raw_connect(&a, path);
	raw_close(&a);
	bed_run(&bed);
	raw_connect(&a, path);
	bed_run(&bed);
	raw_close(&a);
	bed_run(&bed);
	raw_connect(&a, path);
	hello(&a);
	raw_close(&a);
	bed_run(&bed);
	ck_assert_str_eq(bed_calls(&bed), "");
	ck_assert(!sim_xs_exists(SLOT_NODE("0", "address")));
}
END_TEST

static const struct {
	bool early;
	unsigned int type, len;
} out_of_place[] = {
	{ true, LOCAL_BELL, 4 },   { true, LOCAL_HELLO, 4 },	 { false, LOCAL_START, 4 },
	{ false, LOCAL_HELLO, 4 }, { false, LOCAL_BELL, 3 },	 { false, LOCAL_BELL, 5 },
	{ false, 99, 4 },	   { false, LOCAL_WELCOME, 40 },
};

START_TEST(packets_out_of_place)
{
	char bytes[64] = { (char)out_of_place[_i].type };

	if (out_of_place[_i].early) {
		raw_connect(&a, path);
		hello(&a);
		raw_welcome(&a);
	} else {
		up(&a);
	}
	(void)bed_calls(&bed);
	ck_assert(raw_send(&a, bytes, out_of_place[_i].len, -1));
	expect_end(&a, LOCAL_CLOSED, -EPROTO, "out of place");
	ck_assert_str_eq(bed_calls(&bed), out_of_place[_i].early ? "" : "down:32768 gone:32768 ");
}
END_TEST

static Suite *connect_suite(void)
{
	Suite *s = suite_create("backend-local-connect");
	TCase *t = tcase_create("connect");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, comes_up);
	tcase_add_test(t, memory_is_sealed);
	tcase_add_test(t, rings_as_large_as_they_may_be);
	tcase_add_loop_test(t, bad_hello, 0, (int)(sizeof(bad_hellos) / sizeof(bad_hellos[0])));
	tcase_add_loop_test(t, hello_of_another_length, 0, 2);
	tcase_add_test(t, newer_client);
	tcase_add_test(t, descriptors_are_not_taken);
	tcase_add_test(t, silence);
	tcase_add_test(t, ends_in_between);
	tcase_add_loop_test(t, packets_out_of_place, 0,
			    (int)(sizeof(out_of_place) / sizeof(out_of_place[0])));
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(connect_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
