// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libxenmsg over the kernel's driver: lazy messages of one length are one call and
 * one message for the driver, and what comes as one is taken apart.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/sim.h"
#include "tests/unit/fake-kernel.h"
#include "xenmsg.h"

#define PEER 0x10007u

static struct xenmsg *x;
static struct xenmsg_port *port, *other;
static struct fake_file *file;

static void setup(void)
{
	sim_init(1);
	sim_enter(sim_process_new(sim_domain_new("guest", SIM_PVH), "app"));
	fake_init();
	ck_assert_int_eq(xenmsg_open(&x, NULL), 0);
	ck_assert_int_eq(xenmsg_port_open(x, 5, NULL, &port), 0);
	ck_assert_int_eq(xenmsg_port_open(x, 6, NULL, &other), 0);
	file = fake_port(5);
}

static void teardown(void)
{
	xenmsg_close(x);
	ck_assert_uint_eq(fake_open_files(), 0);
	fake_fini();
	sim_fini();
}

/* @len bytes of value @c. */
static int lazy(size_t len, int c)
{
	char data[8192];

	memset(data, c, len);
	return xenmsg_send(port, PEER, 7, data, len, XENMSG_LAZY | XENMSG_NONBLOCK, NULL);
}

/* Message @i for the driver is @n ones, the first one of value @c and the others above it. */
static void expect(unsigned int i, unsigned int n, size_t len, int c)
{
	const struct fake_sent *sent = &fake.sent[i];
	char data[4096];

	ck_assert_uint_gt(fake.nr_sent, i);
	ck_assert_uint_eq(sent->tx.len, n * len);
	ck_assert_uint_eq(sent->tx.addr, PEER);
	ck_assert_uint_eq(sent->tx.port, 7);
	ck_assert_uint_eq(sent->tx.flags, XENMSG_TX_LAZY | (n > 1 ? XENMSG_TX_BATCH : 0));
	ck_assert_uint_eq(sent->tx.nr, n > 1 ? len : 0);
	for (unsigned int j = 0; j < n; j++) {
		memset(data, c + (int)j, len);
		ck_assert_mem_eq(sent->bytes + j * len, data, len);
	}
}

static bool readable(int timeout)
{
	struct pollfd p = { .fd = xenmsg_fd(x), .events = POLLIN };

	return poll(&p, 1, timeout) == 1;
}

/* ----------------------------------------------------------------------- sending */

START_TEST(together)
{
	for (int c = 0; c < 10; c++)
		ck_assert_int_eq(lazy(64, c), 0);
	ck_assert_uint_eq(fake.nr_sent, 0);
	ck_assert_int_eq(xenmsg_flush(x, 0), -ETIMEDOUT);
	ck_assert_uint_eq(fake.nr_sent, 1);
	expect(0, 10, 64, 0);
	ck_assert(fake.published);
}
END_TEST

/* 64 KiB, or 256 messages, and no more. */
START_TEST(full)
{
	for (int c = 0; c < 17; c++)
		ck_assert_int_eq(lazy(4096, c), 0);
	ck_assert_uint_eq(fake.nr_sent, 1);
	expect(0, 16, 4096, 0);
	for (int c = 0; c < 257; c++)
		ck_assert_int_eq(lazy(8, c), 0);
	ck_assert_uint_eq(fake.nr_sent, 3);
	expect(1, 1, 4096, 16);
	ck_assert_uint_eq(fake.sent[2].tx.len, 256 * 8);
}
END_TEST

/* No more than the device takes. */
START_TEST(small_device)
{
	xenmsg_close(x);
	fake.info.max_message = 1000;
	ck_assert_int_eq(xenmsg_open(&x, NULL), 0);
	ck_assert_int_eq(xenmsg_port_open(x, 5, NULL, &port), 0);
	for (int c = 0; c < 9; c++)
		ck_assert_int_eq(lazy(120, c), 0);
	expect(0, 8, 120, 0);
	ck_assert_int_eq(lazy(1008, 0), -EMSGSIZE);
	expect(1, 1, 120, 8);
}
END_TEST

/* Whatever is different about a message ends the batch before it goes. */
START_TEST(not_together)
{
	uint64_t seq;

	ck_assert_int_eq(lazy(64, 1), 0);
	ck_assert_int_eq(lazy(64, 2), 0);
	ck_assert_int_eq(lazy(72, 3), 0);
	expect(0, 2, 64, 1);
	ck_assert_int_eq(lazy(60, 4), 0);
	expect(1, 1, 72, 3);
	ck_assert_uint_eq(fake.sent[2].tx.len, 60);
	ck_assert_int_eq(lazy(64, 5), 0);
	ck_assert_int_eq(xenmsg_send(port, PEER, 8, "12345678", 8, XENMSG_LAZY, NULL), 0);
	expect(3, 1, 64, 5);
	ck_assert_int_eq(xenmsg_send(port, PEER + 1, 8, "12345678", 8, XENMSG_LAZY, NULL), 0);
	ck_assert_uint_eq(fake.nr_sent, 5);
	/* Another port to the same one: neither is held back for the other. */
	ck_assert_int_eq(xenmsg_send(other, PEER + 1, 8, "12345678", 8, XENMSG_LAZY, NULL), 0);
	ck_assert_uint_eq(fake.nr_sent, 7);
	ck_assert_int_eq(lazy(64, 6), 0);
	ck_assert_int_eq(xenmsg_send(other, PEER, 9, "12345678", 8, XENMSG_LAZY, NULL), 0);
	ck_assert_uint_eq(fake.nr_sent, 7);
	/* Who asks for the number has it at once. */
	ck_assert_int_eq(xenmsg_send(port, PEER, 7, "12345678", 8, XENMSG_LAZY, &seq), 0);
	ck_assert_uint_eq(fake.nr_sent, 9);
	expect(7, 1, 64, 6);
	ck_assert_uint_eq(seq, fake.sent[8].tx.seq);
	ck_assert_int_eq(lazy(64, 7), 0);
	ck_assert_int_eq(xenmsg_send(port, PEER, 7, "x", 1, 0, NULL), 0);
	ck_assert_uint_eq(fake.nr_sent, 11);
	expect(9, 1, 64, 7);
	ck_assert(fake.published);
	ck_assert_int_eq(xenmsg_send(port, 0, 7, "12345678", 8, XENMSG_LAZY, NULL), -EINVAL);
	ck_assert_int_eq(xenmsg_send(port, PEER, 0, "12345678", 8, XENMSG_LAZY, NULL), -EINVAL);
}
END_TEST

/* The descriptor tells, after a millisecond. */
START_TEST(by_the_timer)
{
	ck_assert(!readable(0));
	ck_assert_int_eq(lazy(64, 1), 0);
	ck_assert_int_eq(lazy(64, 2), 0);
	ck_assert(!readable(0));
	ck_assert(readable(1000));
	ck_assert_uint_eq(fake.nr_sent, 0);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	expect(0, 2, 64, 1);
	ck_assert(!readable(20));
	ck_assert_int_eq(lazy(64, 3), 0);
	ck_assert(readable(1000));
}
END_TEST

/* Who polls only now has not missed anything. */
START_TEST(polled_late)
{
	ck_assert_int_eq(lazy(64, 1), 0);
	(void)usleep(5000);
	ck_assert(readable(1000));
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	expect(0, 1, 64, 1);
}
END_TEST

/* One without a byte has the length of a batch that there is not. */
START_TEST(empty)
{
	ck_assert_int_eq(lazy(0, 0), 0);
	ck_assert_uint_eq(fake.nr_sent, 1);
	ck_assert_int_eq(lazy(64, 1), 0);
	ck_assert_int_eq(lazy(0, 0), 0);
	expect(1, 1, 64, 1);
	ck_assert_int_eq(lazy(0, 0), 0);
	ck_assert_uint_eq(fake.nr_sent, 4);
	ck_assert_uint_eq(fake.sent[3].tx.len, 0);
	for (int c = 0; c < 256; c++)
		ck_assert_int_eq(lazy(64, c), 0);
	ck_assert_int_eq(lazy(0, 0), 0);
	ck_assert_uint_eq(fake.nr_sent, 6);
}
END_TEST

/* Once that is known, nothing goes to a batch any more. */
START_TEST(device_gone)
{
	struct xenmsg_event event;

	ck_assert_int_eq(lazy(64, 1), 0);
	fake_gone();
	ck_assert_int_eq(xenmsg_wait(x, 0), -EHOSTDOWN);
	ck_assert_int_eq(lazy(64, 2), -EHOSTDOWN);
	ck_assert_int_eq(xenmsg_event(x, &event), 0);
	ck_assert_int_eq(event.type, XENMSG_SEND_FAILED);
	ck_assert_int_eq(event.status, -EHOSTDOWN);
	ck_assert_int_eq(xenmsg_event(x, &event), -EAGAIN);
}
END_TEST

START_TEST(by_closing)
{
	ck_assert_int_eq(lazy(64, 1), 0);
	xenmsg_port_close(port);
	expect(0, 1, 64, 1);
}
END_TEST

START_TEST(by_receiving)
{
	struct xenmsg_msg *msg;

	ck_assert_int_eq(lazy(64, 1), 0);
	ck_assert_int_eq(xenmsg_recv(other, &msg, 0), -EAGAIN);
	expect(0, 1, 64, 1);
}
END_TEST

/* Without room in the driver a batch waits, and so does whoever has more. */
START_TEST(no_room)
{
	unsigned int tries;
	int c = 0;

	fake.no_room = true;
	while (c < 1000 && !lazy(64, c))
		c++;
	ck_assert_int_eq(c, 256);
	/* The driver is asked once for each try. */
	tries = fake.calls[FAKE_CALL(XENMSG_IOC_SEND)];
	ck_assert_int_eq(lazy(64, c), -EAGAIN);
	ck_assert_uint_eq(fake.calls[FAKE_CALL(XENMSG_IOC_SEND)], tries + 1);
	ck_assert_uint_eq(fake.nr_sent, 0);
	ck_assert_int_eq(xenmsg_send(port, PEER, 7, "x", 1, XENMSG_NONBLOCK, NULL), -EAGAIN);
	ck_assert_int_eq(xenmsg_send(other, PEER, 7, "x", 1, XENMSG_NONBLOCK, NULL), -EAGAIN);
	ck_assert_int_eq(xenmsg_flush(x, 0), -ETIMEDOUT);
	/* The timer, once. */
	(void)readable(5);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert(!readable(5));
	fake_room();
	ck_assert(readable(0));
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_uint_eq(fake.nr_sent, 1);
	ck_assert_uint_eq(fake.sent[0].tx.len, 256 * 64);
	ck_assert_int_eq(lazy(64, c), 0);
}
END_TEST

/* Each message's failure is told, with its number. */
START_TEST(failures)
{
	struct xenmsg_event event;

	ck_assert_int_eq(xenmsg_send(port, PEER, 7, "x", 1, 0, NULL), 0);
	for (int c = 0; c < 5; c++)
		ck_assert_int_eq(lazy(64, c), 0);
	ck_assert_int_eq(xenmsg_flush(x, 0), -ETIMEDOUT);
	fake_answer(1, -ECONNREFUSED);
	fake_answer(0, 0);
	ck_assert_int_eq(xenmsg_flush(x, 0), -ECONNREFUSED);
	for (uint64_t seq = 2; seq < 7; seq++) {
		ck_assert_int_eq(xenmsg_event(x, &event), 0);
		ck_assert_int_eq(event.type, XENMSG_SEND_FAILED);
		ck_assert_int_eq(event.status, -ECONNREFUSED);
		ck_assert_uint_eq(event.seq, seq);
		ck_assert_ptr_eq(event.port, port);
	}
	ck_assert_int_eq(xenmsg_event(x, &event), -EAGAIN);
}
END_TEST

/* What the driver refuses when nobody is asking any more. */
START_TEST(refused_late)
{
	struct xenmsg_event event;

	ck_assert_int_eq(lazy(64, 1), 0);
	ck_assert_int_eq(lazy(64, 2), 0);
	fake.error[FAKE_CALL(XENMSG_IOC_SEND)] = -ENOMEM;
	ck_assert_int_eq(xenmsg_flush(x, 0), -ENOMEM);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(xenmsg_event(x, &event), 0);
		ck_assert_int_eq(event.type, XENMSG_SEND_FAILED);
		ck_assert_int_eq(event.status, -ENOMEM);
	}
	ck_assert_int_eq(xenmsg_event(x, &event), -EAGAIN);
}
END_TEST

/* --------------------------------------------------------------------- receiving */

static void deliver(size_t len, uint16_t each, char c)
{
	struct fake_msg *m;

	fake_deliver(file, PEER, len, c);
	m = &file->queue[(file->first_msg + file->nr_msgs - 1) % FAKE_QUEUE];
	m->rx.each = each;
	m->rx.seq += 1000;
	for (size_t i = 0; i < len; i++)
		m->bytes[i] = (char)(c + (char)(i / each));
}

static struct xenmsg_msg *receive(size_t len, uint64_t seq, char c)
{
	struct xenmsg_msg *msg;
	struct iovec iov;

	ck_assert_int_eq(xenmsg_recv(port, &msg, 0), 0);
	ck_assert_uint_eq(xenmsg_msg_len(msg), len);
	ck_assert_uint_eq(xenmsg_msg_addr(msg), PEER);
	ck_assert_uint_eq(xenmsg_msg_port(msg), 5);
	ck_assert_uint_eq(xenmsg_msg_seq(msg), seq);
	ck_assert(!xenmsg_msg_is_mapped(msg));
	ck_assert_int_eq(xenmsg_msg_iov(msg, &iov, 1), 1);
	for (size_t i = 0; i < len; i++)
		ck_assert_int_eq(((char *)iov.iov_base)[i], c);
	return msg;
}

/* The last one may be shorter; they are held and released as any others. */
START_TEST(taken_apart)
{
	struct xenmsg_msg *msgs[6], *more;

	deliver(5 * 64 + 8, 64, 'a');
	fake_deliver(file, PEER, 10, 'z');
	for (unsigned int i = 0; i < 5; i++)
		msgs[i] = receive(64, 1001 - 5 + i, (char)('a' + i));
	msgs[5] = receive(8, 1001, 'f');
	more = receive(10, 2, 'z');
	ck_assert_int_eq(xenmsg_recv(port, &msgs[0], 0), -EAGAIN);
	for (unsigned int i = 1; i < 6; i++)
		xenmsg_release(msgs[i]);
	xenmsg_release(more);
	xenmsg_release(msgs[0]);
}
END_TEST

/* A port that receives batches whole: one message, beside others that are none. */
START_TEST(whole)
{
	const struct xenmsg_bind bind = { .size = sizeof(bind), .batches = 1 };
	struct xenmsg_port *to;
	struct xenmsg_msg *msg;
	char got[8];

	ck_assert_int_eq(xenmsg_port_open(x, 8, &bind, &to), 0);
	file = fake_port(8);
	for (unsigned int round = 0; round < 3; round++) {
		deliver(5 * 64 + 8, 64, 'a');
		fake_deliver(file, PEER, 10, 'z');
		ck_assert_int_eq(xenmsg_recv(to, &msg, 0), 0);
		ck_assert_uint_eq(xenmsg_msg_len(msg), 5 * 64 + 8);
		ck_assert_uint_eq(xenmsg_msg_each(msg), 64);
		ck_assert_uint_eq(xenmsg_msg_seq(msg), 1001 + 2 * round);
		for (unsigned int i = 0; i < 6; i++) {
			ck_assert_uint_eq(xenmsg_copy(msg, i * 64, got, 8), 8);
			ck_assert_int_eq(got[7], (char)('a' + i));
		}
		xenmsg_release(msg);
		ck_assert_int_eq(xenmsg_recv(to, &msg, 0), 0);
		ck_assert_uint_eq(xenmsg_msg_len(msg), 10);
		ck_assert_uint_eq(xenmsg_msg_each(msg), 0);
		xenmsg_release(msg);
		ck_assert_int_eq(xenmsg_recv(to, &msg, 0), -EAGAIN);
	}
	xenmsg_port_close(to);
}
END_TEST

/* More than there are handles, many times. */
START_TEST(many)
{
	for (unsigned int round = 0; round < 20; round++) {
		struct xenmsg_msg *msgs[256];

		deliver(256 * 64, 64, 0);
		for (unsigned int i = 0; i < 256; i++)
			msgs[i] = receive(64, round + 1001 - 255 + i, (char)i);
		for (unsigned int i = 256; i--;)
			xenmsg_release(msgs[i]);
	}
}
END_TEST

/* Some are not asked for before the port is closed. */
START_TEST(half_taken)
{
	deliver(256 * 64, 64, 0);
	(void)receive(64, 1001 - 255, 0);
	xenmsg_release(receive(64, 1001 - 254, 1));
	xenmsg_port_close(port);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lib-kernel-batch");
	TCase *tcase = tcase_create("batch");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, together);
	tcase_add_test(tcase, full);
	tcase_add_test(tcase, small_device);
	tcase_add_test(tcase, not_together);
	tcase_add_test(tcase, by_the_timer);
	tcase_add_test(tcase, polled_late);
	tcase_add_test(tcase, empty);
	tcase_add_test(tcase, device_gone);
	tcase_add_test(tcase, by_closing);
	tcase_add_test(tcase, by_receiving);
	tcase_add_test(tcase, no_room);
	tcase_add_test(tcase, failures);
	tcase_add_test(tcase, refused_late);
	tcase_add_test(tcase, taken_apart);
	tcase_add_test(tcase, whole);
	tcase_add_test(tcase, many);
	tcase_add_test(tcase, half_taken);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
