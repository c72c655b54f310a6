// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libxenmsg over the kernel's driver: the device and its ports. Opening and
 * closing, names, a device that is lost and comes back.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/lib/transport.h"
#include "tests/unit/kernel-bed.h"

static int open_with(int timeout)
{
	struct xenmsg_options o = XENMSG_OPTIONS_INIT;

	o.timeout = timeout;
	return kernel_transport.open(&x, &o);
}

/* ------------------------------------------------------------------ device */

/* Not there: the next transport may be. There and not usable: that is final. */
START_TEST(absent_or_refused)
{
	static const int absent[] = { -ENOENT, -ENODEV, -ENXIO };
	static const int final[] = { -EACCES, -EPERM, -EMFILE, -EBUSY };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		fake.open_error = absent[i];
		ck_assert_int_eq(open_with(0), TRANSPORT_ABSENT);
	}
	for (i = 0; i < 4; i++) {
		fake.open_error = final[i];
		ck_assert_int_eq(open_with(0), final[i]);
		ck_assert_int_eq(xenmsg_open(&x, NULL), final[i]);
	}
}
END_TEST

START_TEST(not_connected)
{
	fake.info.flags = 0;
	ck_assert_int_eq(open_with(50), -ENODEV);
	fake.info.flags = XENMSG_INFO_DEVICE;
	ck_assert_int_eq(open_with(50), -ETIMEDOUT);
	fake.info.flags |= XENMSG_INFO_CONNECTED;
	fake.info.version = XENMSG_UAPI_VERSION + 1;
	ck_assert_int_eq(open_with(50), -EPROTONOSUPPORT);
	fake.info.version = XENMSG_UAPI_VERSION;
	fake.error[FAKE_CALL(XENMSG_IOC_INFO)] = -ENOTTY;
	ck_assert_int_eq(open_with(50), -EPROTONOSUPPORT);
	fake.interrupts = 3;
	ck_assert_int_eq(open_with(50), 0);
	ck_assert_uint_eq(xenmsg_address(x), 0x10005);
}
END_TEST

START_TEST(names)
{
	char name[XENMSG_NAME_MAX + 1];
	struct xenmsg_stats stats;
	uint32_t addr, number;

	fake.resolve.addr = PEER;
	fake.resolve.port = 9;
	ck_assert_int_eq(xenmsg_resolve(x, "clock@bob", &addr, &number, 10), 0);
	ck_assert_uint_eq(addr, PEER);
	ck_assert_uint_eq(number, 9);
	fake.error[FAKE_CALL(XENMSG_IOC_RESOLVE)] = -EHOSTUNREACH;
	ck_assert_int_eq(xenmsg_resolve(x, "eve", &addr, NULL, 10), -EHOSTUNREACH);
	ck_assert_int_eq(xenmsg_name(x, PEER, name, 10), 0);
	ck_assert_str_eq(name, "");
	memset(fake.name, 'b', 100);
	ck_assert_int_eq(xenmsg_name(x, PEER, name, 10), 0);
	ck_assert_uint_eq(strlen(name), 100);
	ck_assert_int_eq(xenmsg_subscribe(x, "bob"), 0);
	ck_assert_uint_eq(fake.subscribe.name_len, 3);
	ck_assert_mem_eq(fake.subscribe.name, "bob", 3);
	ck_assert_uint_eq(fake.subscribe.flags, 0);
	ck_assert_int_eq(xenmsg_unsubscribe(x, "bob"), 0);
	ck_assert_uint_eq(fake.subscribe.flags, XENMSG_SUB_CANCEL);
	xenmsg_stats(x, &stats, sizeof(stats));
	ck_assert_uint_eq(stats.resets, 3);
}
END_TEST

/* -------------------------------------------------------------------- ports */

START_TEST(ports)
{
	struct xenmsg_bind bind = {
		.size = sizeof(bind),
		.service = "clock",
		.buffer = 64 << 20,
	};
	struct xenmsg_port *other, *unbound;

	ck_assert_int_eq(xenmsg_port_open(x, 8, &bind, &other), 0);
	/* No more than the driver has. */
	ck_assert_uint_eq(fake_port(8)->bind.buffer, 8 << 20);
	ck_assert_mem_eq(fake_port(8)->bind.name, "clock", 5);
	ck_assert_uint_eq(fake_port(8)->bind.name_len, 5);
	ck_assert_uint_eq(fake_port(5)->bind.buffer, (2 << 20) + 128);
	fake.error[FAKE_CALL(XENMSG_IOC_BIND)] = -EADDRINUSE;
	ck_assert_int_eq(xenmsg_port_open(x, 9, NULL, &unbound), -EADDRINUSE);
	ck_assert_uint_eq(fake_open_files(), 3);
	ck_assert_int_eq(xenmsg_port_open(x, 0, NULL, &unbound), 0);
	ck_assert_uint_eq(calls(XENMSG_IOC_BIND), 3);
	ck_assert_int_eq(xenmsg_send(unbound, PEER, 7, "x", 1, 0, NULL), 0);
	fake_answer(0, 0);
	xenmsg_port_close(unbound);
	ck_assert_uint_eq(calls(XENMSG_IOC_UNBIND), 0);
	xenmsg_port_close(other);
	ck_assert_uint_eq(calls(XENMSG_IOC_UNBIND), 1);
	ck_assert_uint_eq(fake_open_files(), 2);
}
END_TEST

/* What was sent is waited for, and its failure is told, when its port is closed already. */
START_TEST(closed_port_goes_on)
{
	struct xenmsg_event e;

	ck_assert_int_eq(send_bytes("one", 0), 0);
	ck_assert_int_eq(send_bytes("two", 0), 0);
	fake_answer(0, 0);
	xenmsg_port_close(port);
	ck_assert_uint_eq(fake_open_files(), 2);
	ck_assert_int_eq(xenmsg_flush(x, 10), -ETIMEDOUT);
	/* Its number is free. */
	ck_assert_int_eq(xenmsg_port_open(x, 5, NULL, &port), 0);
	fake_answer(1, -ECONNREFUSED);
	ck_assert_int_eq(xenmsg_flush(x, 10), -ECONNREFUSED);
	ck_assert_uint_eq(fake_open_files(), 2);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_SEND_FAILED);
	ck_assert_ptr_null(e.port);
	ck_assert_int_eq(xenmsg_flush(x, 10), 0);
}
END_TEST

/* A failure that was not fetched when its port closed is told, too. */
START_TEST(closed_port_failed_before)
{
	struct xenmsg_event e;

	ck_assert_int_eq(send_bytes("one", 0), 0);
	fake_answer(0, -EACCES);
	xenmsg_port_close(port);
	ck_assert_uint_eq(fake_open_files(), 1);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_SEND_FAILED);
	ck_assert_int_eq(e.status, -EACCES);
	ck_assert_ptr_null(e.port);
	ck_assert_int_eq(xenmsg_flush(x, 10), -EACCES);
}
END_TEST

/* The descriptor wakes for the end of a closed port, and that frees its file. */
START_TEST(closed_port_ends)
{
	ck_assert_int_eq(send_bytes("one", 0), 0);
	xenmsg_port_close(port);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert(!readable());
	fake_answer(0, 0);
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_uint_eq(fake_open_files(), 1);
}
END_TEST

/* --------------------------------------------------------- loss and return */

START_TEST(gone_and_back)
{
	struct xenmsg_event e;
	struct xenmsg_msg *msg;
	struct xenmsg_port *other;

	ck_assert_ptr_null(xenmsg_reason(x));
	fake_deliver(file, PEER, 10, 'a');
	ck_assert_int_eq(send_bytes("x", 0), 0);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	fake_gone();
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), -EHOSTDOWN);
	ck_assert_int_eq(xenmsg_dispatch(x), -EHOSTDOWN);
	ck_assert_ptr_nonnull(xenmsg_reason(x));
	ck_assert_int_eq(xenmsg_may_return(x), 1);
	/* It says so once, and not all the time. */
	ck_assert(!readable());
	ck_assert_int_eq(send_bytes("x", 0), -EHOSTDOWN);
	ck_assert_int_eq(xenmsg_wait(x, 10), -EHOSTDOWN);
	ck_assert_int_eq(xenmsg_port_open(x, 9, NULL, &other), -EHOSTDOWN);
	ck_assert_int_eq(xenmsg_flush(x, 10), -EHOSTDOWN);
	/* What has come is there. */
	xenmsg_release(receive(10, 'a'));
	ck_assert_int_eq(xenmsg_recv(port, &msg, 10), -EHOSTDOWN);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_SEND_FAILED);
	ck_assert_int_eq(e.status, -EHOSTDOWN);
	ck_assert_int_eq(xenmsg_event(x, &e), -EAGAIN);
	ck_assert_int_eq(xenmsg_dispatch(x), -EHOSTDOWN);
	ck_assert(!readable());

	fake_back(0x20005);
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_ptr_null(xenmsg_reason(x));
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_ADDRESS);
	ck_assert_uint_eq(e.addr, 0x20005);
	ck_assert_int_eq(xenmsg_event(x, &e), -EAGAIN);
	ck_assert_uint_eq(xenmsg_address(x), 0x20005);
	ck_assert_int_eq(send_bytes("x", 0), 0);
	fake_deliver(file, PEER, 10, 'b');
	xenmsg_release(receive(10, 'b'));
}
END_TEST

/* The same address as before: only that it is there again tells. */
START_TEST(back_as_before)
{
	struct xenmsg_event e;

	fake_gone();
	ck_assert_int_eq(xenmsg_event(x, &e), -EAGAIN);
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_wait(x, -1), -EHOSTDOWN);
	ck_assert_int_eq(xenmsg_dispatch(x), -EHOSTDOWN);
	ck_assert(!readable());
	fake_back(0x10005);
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_wait(x, -1), 1);
	ck_assert_int_eq(xenmsg_event(x, &e), -EAGAIN);
	ck_assert(!readable());
}
END_TEST

static bool lose(void *arg)
{
	if (fake.gone)
		return false;
	fake_gone();
	return true;
}

START_TEST(gone_while_waiting)
{
	struct xenmsg_msg *msg;

	sim_actor_new(others, lose, NULL);
	ck_assert_int_eq(xenmsg_recv(port, &msg, -1), -EHOSTDOWN);
	fake_back(0x10005);
	fake.no_room = true;
	ck_assert_int_eq(send_bytes("x", 0), -EHOSTDOWN);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lib-kernel-device");
	TCase *device = tcase_create("device");
	TCase *one = tcase_create("port");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(device, setup, teardown);
	tcase_add_test(device, absent_or_refused);
	tcase_add_test(device, not_connected);
	suite_add_tcase(suite, device);
	tcase_add_checked_fixture(one, setup_port, teardown);
	tcase_add_test(one, names);
	tcase_add_test(one, ports);
	tcase_add_test(one, closed_port_goes_on);
	tcase_add_test(one, closed_port_failed_before);
	tcase_add_test(one, closed_port_ends);
	tcase_add_test(one, gone_and_back);
	tcase_add_test(one, back_as_before);
	tcase_add_test(one, gone_while_waiting);
	suite_add_tcase(suite, one);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
