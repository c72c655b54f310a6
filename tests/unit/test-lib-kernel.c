// SPDX-License-Identifier: GPL-2.0-or-later
/* libxenmsg over the kernel's driver: the device, ports, sending, receiving, events. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/lib/transport.h"
#include "tests/sim/sim.h"
#include "tests/unit/fake-kernel.h"

#define PEER 0x10007u

static struct sim_process *process, *others;
static struct xenmsg *x;
static struct xenmsg_port *port;
static struct fake_file *file;

static void setup(void)
{
	domid_t guest;

	sim_init(1);
	guest = sim_domain_new("guest", SIM_PVH);
	process = sim_process_new(guest, "app");
	others = sim_process_new(guest, "others");
	sim_enter(process);
	fake_init();
}

static void teardown(void)
{
	xenmsg_close(x);
	x = NULL;
	ck_assert_uint_eq(fake_open_files(), 0);
	fake_fini();
	sim_fini();
}

static int open_with(int timeout)
{
	struct xenmsg_options o = XENMSG_OPTIONS_INIT;

	o.timeout = timeout;
	return kernel_transport.open(&x, &o);
}

/* Port 5, with its driver's side. */
static void setup_port(void)
{
	setup();
	ck_assert_int_eq(xenmsg_open(&x, NULL), 0);
	ck_assert_int_eq(xenmsg_port_open(x, 5, NULL, &port), 0);
	file = fake_port(5);
}

static unsigned int calls(unsigned long request)
{
	return fake.calls[FAKE_CALL(request)];
}

static bool readable(void)
{
	struct pollfd p = { .fd = xenmsg_fd(x), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static int send_bytes(const char *text, unsigned int flags)
{
	return xenmsg_send(port, PEER, 7, text, strlen(text), flags, NULL);
}

static struct xenmsg_msg *receive(size_t len, char c)
{
	struct xenmsg_msg *msg;
	struct iovec iov;

	ck_assert_int_eq(xenmsg_recv(port, &msg, 0), 0);
	ck_assert_uint_eq(xenmsg_msg_len(msg), len);
	ck_assert_int_eq(xenmsg_msg_iov(msg, &iov, 1), len ? 1 : 0);
	if (len) {
		ck_assert_uint_eq(iov.iov_len, len);
		ck_assert_int_eq(((char *)iov.iov_base)[0], c);
		ck_assert_int_eq(((char *)iov.iov_base)[len - 1], c);
	}
	return msg;
}

static int nothing(void)
{
	struct xenmsg_msg *msg;

	return xenmsg_recv(port, &msg, 0);
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

/* --------------------------------------------------------------------- send */

START_TEST(sends)
{
	char a[3] = "abc", many[2000];
	struct iovec iov[2000] = { { a, 1 }, { NULL, 0 }, { a + 1, 2 } };
	unsigned int i;
	uint64_t seq;

	ck_assert_int_eq(xenmsg_send(port, PEER, 7, "hello", 5, 0, &seq), 0);
	ck_assert_uint_eq(seq, 1);
	ck_assert_str_eq(fake.sent[0].bytes, "hello");
	ck_assert_uint_eq(fake.sent[0].tx.addr, PEER);
	ck_assert_uint_eq(fake.sent[0].tx.port, 7);
	ck_assert_uint_eq(fake.sent[0].tx.flags, 0);
	ck_assert_int_eq(xenmsg_sendv(port, PEER, 7, iov, 3, XENMSG_LAZY | XENMSG_CONFIRM, &seq),
			 0);
	ck_assert_str_eq(fake.sent[1].bytes, "abc");
	ck_assert_uint_eq(fake.sent[1].tx.flags,
			  XENMSG_TX_LAZY | XENMSG_TX_CONFIRM | XENMSG_TX_IOV);
	ck_assert_int_eq(xenmsg_sendv(port, PEER, 7, NULL, 0, 0, NULL), 0);
	ck_assert_uint_eq(fake.sent[2].tx.len, 0);
	/* More pieces than the kernel takes. */
	for (i = 0; i < 2000; i++) {
		many[i] = (char)i;
		iov[i] = (struct iovec){ &many[i], 1 };
	}
	ck_assert_int_eq(xenmsg_sendv(port, PEER, 7, iov, 2000, 0, NULL), 0);
	ck_assert_mem_eq(fake.sent[3].bytes, many, 2000);
	ck_assert_int_eq(xenmsg_send(port, 0, 7, "x", 1, 0, NULL), -EINVAL);
	fake.interrupts = 2;
	ck_assert_int_eq(send_bytes("again", 0), 0);
	ck_assert_str_eq(fake.sent[4].bytes, "again");
}
END_TEST

START_TEST(no_room)
{
	ck_assert(!readable());
	fake.no_room = true;
	ck_assert_int_eq(send_bytes("x", XENMSG_NONBLOCK), -EAGAIN);
	ck_assert(!readable());
	fake_room();
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_int_eq(send_bytes("x", XENMSG_NONBLOCK), 0);
	/* Seen by another call, it is told all the same. */
	fake.no_room = true;
	ck_assert_int_eq(send_bytes("x", XENMSG_NONBLOCK), -EAGAIN);
	fake_room();
	ck_assert_int_eq(nothing(), -EAGAIN);
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	/* That there is room wakes nobody who does not want it. */
	ck_assert(!readable());
	fake_answer(0, 0);
	ck_assert(!readable());
}
END_TEST

static bool make_room(void *arg)
{
	if (!fake.no_room)
		return false;
	/* A message for somebody else comes first. */
	if (!file->nr_msgs)
		fake_deliver(file, PEER, 1, 'm');
	else
		fake_room();
	return true;
}

START_TEST(waits_for_room)
{
	sim_actor_new(others, make_room, NULL);
	fake.no_room = true;
	ck_assert_int_eq(send_bytes("x", 0), 0);
	ck_assert_uint_eq(fake.nr_sent, 1);
	/* What came up meanwhile is not forgotten. */
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	xenmsg_release(receive(1, 'm'));
}
END_TEST

/* Lazy messages are published by what the header says. */
START_TEST(lazy)
{
	ck_assert_int_eq(send_bytes("x", XENMSG_LAZY), 0);
	ck_assert(!fake.published);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert(fake.published);
	fake.published = false;
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert(!fake.published); /* at no cost if there are none */
	ck_assert_int_eq(send_bytes("x", XENMSG_LAZY), 0);
	ck_assert_int_eq(xenmsg_wait(x, 1), 0);
	ck_assert(fake.published);
	fake.published = false;
	ck_assert_int_eq(send_bytes("x", XENMSG_LAZY), 0);
	ck_assert_int_eq(nothing(), -EAGAIN);
	ck_assert(fake.published);
}
END_TEST

/* ------------------------------------------------------------------ receive */

/* Many messages, one call. */
START_TEST(batches)
{
	struct xenmsg_msg *msgs[64];
	unsigned int i;

	for (i = 0; i < 64; i++)
		fake_deliver(file, PEER, 100 + i, (char)i);
	for (i = 0; i < 64; i++) {
		msgs[i] = receive(100 + i, (char)i);
		ck_assert_uint_eq(xenmsg_msg_seq(msgs[i]), i + 1);
		ck_assert_uint_eq(xenmsg_msg_addr(msgs[i]), PEER);
		ck_assert_uint_eq(xenmsg_msg_port(msgs[i]), 5);
		ck_assert_int_eq(xenmsg_msg_is_mapped(msgs[i]), 0);
	}
	ck_assert_uint_eq(calls(XENMSG_IOC_RECV), 1);
	for (i = 0; i < 64; i++) {
		char last;

		ck_assert_uint_eq(xenmsg_copy(msgs[i], 99 + i, &last, 5), 1);
		ck_assert_int_eq(last, (char)i);
		ck_assert_uint_eq(xenmsg_copy(msgs[i], 100 + i, &last, 5), 0);
		xenmsg_release(msgs[i]);
	}
	fake_deliver(file, PEER, 0, 0);
	xenmsg_release(receive(0, 0));
}
END_TEST

/* A buffer whose messages are all released is used again: the same memory. */
START_TEST(buffer_again)
{
	const void *first = NULL;
	struct xenmsg_msg *msg;
	struct iovec iov;
	unsigned int i;

	for (i = 0; i < 300; i++) {
		fake_deliver(file, PEER, 20000, 'a');
		msg = receive(20000, 'a');
		xenmsg_msg_iov(msg, &iov, 1);
		if (!first)
			first = iov.iov_base;
		ck_assert_ptr_eq(iov.iov_base, first);
		xenmsg_release(msg);
	}
}
END_TEST

/* A message that is held does not stop the others, nor is it touched. */
START_TEST(held_message)
{
	struct xenmsg_msg *held[3];
	unsigned int i, j;

	for (j = 0; j < 3; j++) {
		fake_deliver(file, PEER, 1000, (char)('A' + j));
		held[j] = receive(1000, (char)('A' + j));
		for (i = 0; i < 500; i++) {
			fake_deliver(file, PEER, 30000, 'x');
			xenmsg_release(receive(30000, 'x'));
		}
	}
	for (j = 0; j < 3; j++) {
		char c[1000];

		ck_assert_uint_eq(xenmsg_copy(held[j], 0, c, sizeof(c)), 1000);
		ck_assert_int_eq(c[0], (char)('A' + j));
		ck_assert_int_eq(c[999], (char)('A' + j));
		xenmsg_release(held[j]);
	}
}
END_TEST

/* Always the last few are held: buffers go round, they do not become more and more. */
START_TEST(buffers_go_round)
{
	const void *seen[12] = { NULL };
	struct xenmsg_msg *held[5] = { NULL };
	unsigned int i, j;
	struct iovec iov;

	for (i = 0; i < 500; i++) {
		xenmsg_release(held[i % 5]);
		fake_deliver(file, PEER, 30000, (char)i);
		held[i % 5] = receive(30000, (char)i);
		xenmsg_msg_iov(held[i % 5], &iov, 1);
		for (j = 0; j < 12 && seen[j] && seen[j] != iov.iov_base; j++)
			;
		ck_assert_uint_lt(j, 12);
		if (j < 12)
			seen[j] = iov.iov_base;
	}
}
END_TEST

START_TEST(long_messages)
{
	struct xenmsg_msg *small, *large;
	unsigned int i;

	for (i = 0; i < 10; i++) {
		fake_deliver(file, PEER, 100, 's');
		fake_deliver(file, PEER, XENMSG_MESSAGE_MAX, 'l');
		small = receive(100, 's');
		large = receive(XENMSG_MESSAGE_MAX, 'l');
		if (i % 2)
			xenmsg_release(small);
		xenmsg_release(large);
		if (i % 2 == 0)
			xenmsg_release(small);
	}
}
END_TEST

/* What is held is bounded; then a release goes on, and the descriptor says so. */
START_TEST(bounded)
{
	struct xenmsg_msg *held[64], *msg;
	unsigned int i, n = 0;

	for (i = 0; i < 64; i++)
		fake_deliver(file, PEER, 60000, (char)i);
	while (!xenmsg_recv(port, &msg, 0))
		held[n++] = msg;
	/* 2 MiB and a little. */
	ck_assert_uint_ge(n, 32);
	ck_assert_uint_le(n, 36);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert(!readable());
	ck_assert_int_eq(xenmsg_recv(port, &msg, 10), -ETIMEDOUT);
	xenmsg_release(held[3]);
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	xenmsg_release(receive(60000, (char)n));
	for (i = 0; i < n; i++) {
		char c;

		if (i == 3)
			continue;
		ck_assert_uint_eq(xenmsg_copy(held[i], 59999, &c, 1), 1);
		ck_assert_int_eq(c, (char)i);
		xenmsg_release(held[i]);
	}
	for (i = n + 1; i < 64; i++)
		xenmsg_release(receive(60000, (char)i));
	ck_assert_int_eq(nothing(), -EAGAIN);
}
END_TEST

/* Many small messages that are held fill buffers, instead of one each. */
START_TEST(small_ones_held)
{
	struct xenmsg_msg *held[800];
	unsigned int i;

	for (i = 0; i < 800; i++) {
		fake_deliver(file, PEER, 10, (char)i);
		held[i] = receive(10, (char)i);
	}
	for (i = 0; i < 800; i++) {
		char c;

		ck_assert_uint_eq(xenmsg_copy(held[i], 0, &c, 1), 1);
		ck_assert_int_eq(c, (char)i);
		xenmsg_release(held[i]);
	}
}
END_TEST

static bool deliver_later(void *arg)
{
	unsigned int *left = arg;

	if (!*left)
		return false;
	if (!--*left)
		fake_deliver(file, PEER, 3, 'd');
	return true;
}

START_TEST(waits)
{
	struct xenmsg_msg *msg;
	uint64_t begin = sim_now();
	unsigned int left = 3;

	ck_assert_int_eq(xenmsg_recv(port, &msg, 100), -ETIMEDOUT);
	ck_assert_uint_ge(sim_now() - begin, 100 * SIM_NSEC_PER_MSEC);
	ck_assert_int_eq(xenmsg_wait(x, 100), 0);
	sim_actor_new(others, deliver_later, &left);
	ck_assert_int_eq(xenmsg_recv(port, &msg, -1), 0);
	xenmsg_release(msg);
	/* Who waited has had it: nothing to be told. */
	ck_assert(!readable());
	left = 3;
	ck_assert_int_eq(xenmsg_wait(x, -1), 1);
	xenmsg_release(receive(3, 'd'));
	fake.error[FAKE_CALL(XENMSG_IOC_RECV)] = -EIO;
	ck_assert_int_eq(xenmsg_recv(port, &msg, 100), -EIO);
}
END_TEST

START_TEST(unbound_receives_nothing)
{
	struct xenmsg_port *unbound;
	struct xenmsg_msg *msg;

	ck_assert_int_eq(xenmsg_port_open(x, 0, NULL, &unbound), 0);
	ck_assert_int_eq(xenmsg_recv(unbound, &msg, 0), -EAGAIN);
	ck_assert_int_eq(xenmsg_recv(unbound, &msg, 10), -ETIMEDOUT);
}
END_TEST

/* ------------------------------------------------------------------- events */

START_TEST(descriptor)
{
	struct xenmsg_port *other;
	struct xenmsg_msg *msg;

	ck_assert_int_eq(xenmsg_port_open(x, 8, NULL, &other), 0);
	ck_assert(!readable());
	fake_deliver(file, PEER, 10, 'a');
	ck_assert(readable());
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	/* It tells of what is new. */
	ck_assert(!readable());
	xenmsg_release(receive(10, 'a'));
	ck_assert_int_eq(nothing(), -EAGAIN);
	/* What another call than dispatch saw is not forgotten. */
	fake_deliver(fake_port(8), PEER, 10, 'b');
	ck_assert_int_eq(nothing(), -EAGAIN);
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert(!readable());
	ck_assert_int_eq(xenmsg_recv(other, &msg, 0), 0);
	xenmsg_release(msg);
	fake_deliver(fake_port(8), PEER, 10, 'b');
	ck_assert_int_eq(nothing(), -EAGAIN);
	ck_assert_int_eq(xenmsg_wait(x, -1), 1);
	ck_assert(!readable());
}
END_TEST

/* Messages alone cost no call for events. */
START_TEST(no_vain_calls)
{
	unsigned int i;

	for (i = 0; i < 50; i++) {
		fake_deliver(file, PEER, 10, 'a');
		ck_assert_int_eq(xenmsg_dispatch(x), 0);
		xenmsg_release(receive(10, 'a'));
	}
	ck_assert_uint_eq(calls(XENMSG_IOC_EVENTS), 0);
	ck_assert_uint_eq(calls(XENMSG_IOC_RECV), 50);
	ck_assert_uint_eq(fake.waits, 50);
}
END_TEST

START_TEST(events_of_sends)
{
	struct xenmsg_event e;
	unsigned int flushes;
	uint64_t seq[3];

	ck_assert_int_eq(xenmsg_event(x, &e), -EAGAIN);
	ck_assert_int_eq(xenmsg_send(port, PEER, 8, "a", 1, 0, &seq[0]), 0);
	ck_assert_int_eq(xenmsg_send(port, PEER, 9, "b", 1, 0, &seq[1]), 0);
	ck_assert_int_eq(xenmsg_send(port, PEER, 7, "c", 1, XENMSG_CONFIRM, &seq[2]), 0);
	ck_assert_int_eq(xenmsg_flush(x, 10), -ETIMEDOUT);
	fake_answer(0, -ECONNREFUSED);
	fake_answer(1, 0);
	fake_answer(2, 0);
	ck_assert_int_eq(xenmsg_flush(x, 10), -ECONNREFUSED);
	flushes = calls(XENMSG_IOC_FLUSH);
	ck_assert_int_eq(xenmsg_flush(x, 10), 0);
	ck_assert_uint_eq(calls(XENMSG_IOC_FLUSH), flushes); /* nothing was sent */
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_SEND_FAILED);
	ck_assert_int_eq(e.status, -ECONNREFUSED);
	ck_assert_ptr_eq(e.port, port);
	ck_assert_uint_eq(e.addr, PEER);
	ck_assert_uint_eq(e.number, 8);
	ck_assert_uint_eq(e.seq, seq[0]);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_SENT);
	ck_assert_int_eq(e.status, 0);
	ck_assert_uint_eq(e.seq, seq[2]);
	ck_assert_int_eq(xenmsg_event(x, &e), -EAGAIN);
}
END_TEST

/* A flush of several ports: all are waited for, the first failure is told. */
START_TEST(flush_of_all)
{
	struct xenmsg_port *other;

	ck_assert_int_eq(xenmsg_port_open(x, 8, NULL, &other), 0);
	ck_assert_int_eq(send_bytes("a", 0), 0);
	ck_assert_int_eq(xenmsg_send(other, PEER, 7, "b", 1, 0, NULL), 0);
	fake_answer(1, -EACCES);
	ck_assert_int_eq(xenmsg_flush(x, 10), -ETIMEDOUT);
	fake_answer(0, -EDQUOT);
	ck_assert_int_eq(xenmsg_flush(x, 10), -EACCES);
	ck_assert_int_eq(xenmsg_flush(x, 10), 0);
}
END_TEST

static bool answer_later(void *arg)
{
	unsigned int *left = arg;

	if (!*left || --*left)
		return *left;
	fake_answer(0, 0);
	return true;
}

START_TEST(flush_waits)
{
	unsigned int left = 4;
	uint64_t begin = sim_now();

	ck_assert_int_eq(send_bytes("a", 0), 0);
	sim_actor_new(others, answer_later, &left);
	ck_assert_int_eq(xenmsg_flush(x, 10000), 0);
	ck_assert_uint_lt(sim_now() - begin, 100 * SIM_NSEC_PER_MSEC);
	/* Once it is over, an answer wakes nobody again. */
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_int_eq(send_bytes("a", 0), 0);
	fake_answer(1, 0);
	ck_assert(!readable());
}
END_TEST

START_TEST(events_of_peers)
{
	struct xenmsg_uapi_event up = {
		.type = XENMSG_EV_PEER_UP,
		.addr = PEER,
		.name_len = 3,
		.name = "bob",
	};
	struct xenmsg_uapi_event down = { .type = XENMSG_EV_PEER_DOWN, .addr = PEER };
	struct xenmsg_uapi_event some = { .type = XENMSG_EV_LOST };
	struct xenmsg_uapi_event lost = { .type = XENMSG_EV_PORT_LOST, .status = -EADDRINUSE };
	struct xenmsg_event e;

	fake_event(&fake.files[0], &up);
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_PEER_UP);
	ck_assert_uint_eq(e.addr, PEER);
	ck_assert_str_eq(e.name, "bob");
	/* Two files tell, the application hears of it once. */
	fake_event(&fake.files[0], &down);
	fake_event(file, &down);
	down.addr++;
	fake_event(file, &down);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_PEER_DOWN);
	ck_assert_uint_eq(e.addr, PEER);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_uint_eq(e.addr, PEER + 1);
	ck_assert_int_eq(xenmsg_event(x, &e), -EAGAIN);
	some.seq = 7;
	fake_event(file, &some);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_LOST);
	ck_assert_uint_eq(e.count, 7);
	fake_event(file, &lost);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_PORT_LOST);
	ck_assert_int_eq(e.status, -EADDRINUSE);
	ck_assert_ptr_eq(e.port, port);
}
END_TEST

START_TEST(events_are_lost)
{
	struct xenmsg_event e;
	unsigned int i;

	for (i = 0; i < 300; i++) {
		ck_assert_int_eq(send_bytes("x", 0), 0);
		fake_answer(i, -ECONNREFUSED);
	}
	ck_assert_int_eq(xenmsg_flush(x, 10), -ECONNREFUSED);
	for (i = 0; i < 256; i++) {
		ck_assert_int_eq(xenmsg_event(x, &e), 0);
		ck_assert_int_eq(e.type, XENMSG_SEND_FAILED);
	}
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_LOST);
	ck_assert_uint_eq(e.count, 44);
	ck_assert_int_eq(xenmsg_event(x, &e), -EAGAIN);
	/* Those that the application did not fetch count in the same way. */
	for (i = 300; i < 310; i++) {
		ck_assert_int_eq(send_bytes("x", 0), 0);
		fake_answer(i, -ECONNREFUSED);
	}
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_SEND_FAILED);
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
	Suite *suite = suite_create("lib-kernel");
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
	tcase_add_test(one, sends);
	tcase_add_test(one, no_room);
	tcase_add_test(one, waits_for_room);
	tcase_add_test(one, lazy);
	tcase_add_test(one, batches);
	tcase_add_test(one, buffer_again);
	tcase_add_test(one, held_message);
	tcase_add_test(one, buffers_go_round);
	tcase_add_test(one, long_messages);
	tcase_add_test(one, bounded);
	tcase_add_test(one, small_ones_held);
	tcase_add_test(one, waits);
	tcase_add_test(one, unbound_receives_nothing);
	tcase_add_test(one, descriptor);
	tcase_add_test(one, no_vain_calls);
	tcase_add_test(one, events_of_sends);
	tcase_add_test(one, flush_of_all);
	tcase_add_test(one, flush_waits);
	tcase_add_test(one, events_of_peers);
	tcase_add_test(one, events_are_lost);
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
