// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Batches: lazy messages of one length that travel together are, for the
 * applications at both ends, what they would be alone.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/system-pair.h"

#define NR(array) (sizeof(array) / sizeof((array)[0]))

/* ------------------------------------------------------------------ contents */

/* Each of them is one of a TX ring, and of an RX ring one for every page, twice. */
START_TEST(copied)
{
	pair_contents(pair_lens[(size_t)_i % PAIR_LENS], pair_configs[(size_t)_i / PAIR_LENS],
		      pair_lazy, 200 * 2);
}
END_TEST

/* From now on pages that are posted one behind the other are not neighbours. */
static void scatter_pages(void)
{
	struct xenmsg_msg *msgs[40];

	for (unsigned int round = 0; round < 10; round++) {
		for (unsigned int i = 0; i < NR(msgs); i++)
			ck_assert_int_eq(pair_send(7, 4096, i, 0, NULL), 0);
		for (unsigned int i = 0; i < NR(msgs); i++)
			msgs[i] = pair_receive();
		for (unsigned int i = 0; i < NR(msgs); i++)
			xenmsg_release(msgs[i * 2 % NR(msgs) + i * 2 / NR(msgs)]);
	}
}

/* At every place of a page, in pieces, by copies of any part. */
START_TEST(parts)
{
	struct iovec iov[4];
	char data[104], part[104];
	struct xenmsg_msg *msg;
	unsigned int split = 0;

	pair_begin(pair_configs[0], 1);
	scatter_pages();
	for (unsigned int i = 0; i < 150; i++)
		ck_assert_int_eq(pair_lazy(sizeof(data), i), 0);
	ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), 0);
	for (unsigned int i = 0; i < 150; i++) {
		size_t sum = 0;
		int n;

		msg = pair_receive();
		traffic_fill(data, sizeof(data), i);
		n = xenmsg_msg_iov(msg, iov, 4);
		ck_assert_int_le(n, 2);
		split += n == 2;
		for (int j = 0; j < n; j++) {
			ck_assert_mem_eq(iov[j].iov_base, data + sum, iov[j].iov_len);
			sum += iov[j].iov_len;
		}
		ck_assert_uint_eq(sum, sizeof(data));
		ck_assert_int_eq(xenmsg_msg_iov(msg, iov, 0), n);
		for (size_t at = 0; at < sizeof(data); at += 13) {
			ck_assert_uint_eq(xenmsg_copy(msg, at, part, 50),
					  sizeof(data) - at < 50 ? sizeof(data) - at : 50);
			ck_assert_mem_eq(part, data + at,
					 sizeof(data) - at < 50 ? sizeof(data) - at : 50);
		}
		xenmsg_release(msg);
	}
	ck_assert_uint_gt(split, 0);
	pair_end();
}
END_TEST

/* In any order; what is held stays as it is while more comes. */
START_TEST(held)
{
	struct xenmsg_msg *msgs[64];
	unsigned int next = 0, n = 0;

	pair_begin(pair_configs[_i], 1);
	for (unsigned int round = 0; round < 40; round++) {
		for (unsigned int i = 0; i < 32; i++)
			ck_assert_int_eq(pair_lazy(128, next++), 0);
		ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), 0);
		for (unsigned int i = 0; i < 32; i++)
			msgs[i] = pair_receive();
		for (unsigned int i = 32; i-- > 1;)
			xenmsg_release(msgs[i]);
		msgs[n < 40 ? 63 - n % 20 : 63] = msgs[0];
		n++;
		if (n % 20)
			continue;
		for (unsigned int i = 0; i < 20; i++) {
			ck_assert(traffic_is(msgs[63 - i], 128, (n - 20 + i) * 32));
			xenmsg_release(msgs[63 - i]);
		}
	}
	pair_end();
}
END_TEST

/* ------------------------------------------------------------- among others */

/* Whatever comes later, on any way, comes later. */
START_TEST(order)
{
	struct xenmsg_buffer buffer;
	uint64_t seq;

	pair_begin(pair_configs[0], 1);
	ck_assert_int_eq(pair_lazy(64, 1), 0);
	ck_assert_int_eq(pair_lazy(64, 2), 0);
	ck_assert_int_eq(pair_lazy(72, 3), 0); /* another length */
	ck_assert_int_eq(pair_lazy(72, 4), 0);
	ck_assert_int_eq(pair_lazy(63, 5), 0); /* not a multiple of 8 */
	ck_assert_int_eq(pair_lazy(64, 6), 0);
	ck_assert_int_eq(pair_send(7, 64, 7, 0, NULL), 0); /* not lazy */
	ck_assert_int_eq(pair_lazy(64, 8), 0);
	ck_assert_int_eq(pair_send(7, 64, 9, XENMSG_LAZY, &seq), 0); /* has its number at once */
	ck_assert_int_eq(pair_lazy(64, 10), 0);
	ck_assert_int_eq(pair_send(7, 4104, 11, XENMSG_LAZY | XENMSG_CONFIRM, NULL), 0);
	ck_assert_int_eq(pair_lazy(8, 12), 0);
	ck_assert_int_eq(xenmsg_buffer_get(pair.from, 16, &buffer, 0), 0);
	traffic_fill(buffer.iov[0].iov_base, 16, 13);
	ck_assert_int_eq(xenmsg_buffer_send(pair.from, pair.addr, 7, &buffer, XENMSG_LAZY, NULL),
			 0);
	ck_assert_int_eq(pair_lazy(8, 14), 0);
	ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), 0);
	pair_expect(64, 1);
	pair_expect(64, 2);
	pair_expect(72, 3);
	pair_expect(72, 4);
	pair_expect(63, 5);
	pair_expect(64, 6);
	pair_expect(64, 7);
	pair_expect(64, 8);
	pair_expect(64, 9);
	pair_expect(64, 10);
	pair_expect(4104, 11);
	pair_expect(8, 12);
	pair_expect(16, 13);
	pair_expect(8, 14);
	pair_end();
}
END_TEST

/* It is in no batch, least of all in one that has gone. */
START_TEST(empty)
{
	pair_begin(pair_configs[0], 1);
	ck_assert_int_eq(pair_lazy(0, 0), 0);
	ck_assert_int_eq(pair_lazy(64, 1), 0);
	ck_assert_int_eq(pair_lazy(64, 2), 0);
	ck_assert_int_eq(pair_lazy(0, 3), 0);
	ck_assert_int_eq(pair_lazy(64, 4), 0);
	ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), 0);
	ck_assert_int_eq(pair_lazy(0, 5), 0);
	ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), 0);
	pair_expect(0, 0);
	pair_expect(64, 1);
	pair_expect(64, 2);
	pair_expect(0, 3);
	pair_expect(64, 4);
	pair_expect(0, 5);
	pair_end();
}
END_TEST

/* Each failure is told, with the number that the message had; and by the flush. */
START_TEST(failures)
{
	struct xenmsg_event event;
	uint64_t seq;

	pair_begin(pair_configs[0], 1);
	ck_assert_int_eq(pair_send(7, 64, 0, 0, &seq), 0);
	for (unsigned int i = 0; i < 10; i++)
		ck_assert_int_eq((_i ? pair_send_in_place : pair_send)(99, _i ? 3000 : 64, i,
								       XENMSG_LAZY, NULL),
				 0);
	ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), -ECONNREFUSED);
	for (unsigned int i = 0; i < 10; i++) {
		ck_assert_int_eq(xenmsg_event(pair.alice->x, &event), 0);
		ck_assert_int_eq(event.type, XENMSG_SEND_FAILED);
		ck_assert_int_eq(event.status, -ECONNREFUSED);
		ck_assert_uint_eq(event.seq, ++seq);
		ck_assert_uint_eq(event.number, 99);
		ck_assert_uint_eq(event.addr, pair.addr);
		ck_assert_ptr_eq(event.port, pair.from);
	}
	ck_assert_int_eq(xenmsg_event(pair.alice->x, &event), -EAGAIN);
	pair_end();
}
END_TEST

/* The errors of a send are those of the first message; of a device that is gone, events. */
START_TEST(errors)
{
	struct xenmsg_event event;
	unsigned int lost = 0;

	pair_begin(pair_configs[0], 1);
	vm_enter(pair.alice);
	ck_assert_int_eq(xenmsg_send(pair.from, 0, 7, "12345678", 8, XENMSG_LAZY, NULL), -EINVAL);
	ck_assert_int_eq(xenmsg_send(pair.from, pair.addr, 0, "12345678", 8, XENMSG_LAZY, NULL),
			 -EINVAL);
	ck_assert_int_eq(pair_lazy(8, 1), 0);
	ck_assert_int_eq(pair_lazy(8, 2), 0);
	sim_xs_put("/local/domain/0/backend/vmsg/1/0/state", "5");
	for (int i = 0; i < 20 && xenmsg_wait(pair.alice->x, 10) >= 0; i++)
		;
	ck_assert_int_eq(xenmsg_flush(pair.alice->x, 0), -EHOSTDOWN);
	ck_assert_int_eq(pair_lazy(8, 3), -EHOSTDOWN);
	while (!xenmsg_event(pair.alice->x, &event))
		lost += event.type == XENMSG_SEND_FAILED && event.status == -EHOSTDOWN;
	ck_assert_uint_le(lost, 2);
	pair_end();
}
END_TEST

/* ------------------------------------------------------------------ when it goes */

START_TEST(after_a_millisecond)
{
	struct pollfd p;
	uint64_t start;

	pair_begin(pair_configs[0], 1);
	vm_enter(pair.alice);
	p = (struct pollfd){ .fd = xenmsg_fd(pair.alice->x), .events = POLLIN };
	(void)xenmsg_dispatch(pair.alice->x);
	ck_assert_int_eq(poll(&p, 1, 100), 0);
	start = sim_now();
	ck_assert_int_eq(pair_lazy(64, 1), 0);
	ck_assert_int_eq(pair_lazy(64, 2), 0);
	ck_assert_int_eq(poll(&p, 1, 100), 1);
	ck_assert_uint_ge(sim_now() - start, SIM_NSEC_PER_MSEC);
	ck_assert_uint_le(sim_now() - start, 2 * SIM_NSEC_PER_MSEC);
	ck_assert_int_eq(xenmsg_dispatch(pair.alice->x), 0);
	pair_expect(64, 1);
	pair_expect(64, 2);
	pair_end();
}
END_TEST

/* Who polls only now has not missed anything. */
START_TEST(polled_late)
{
	struct pollfd p = { .events = POLLIN };

	pair_begin(pair_configs[0], 1);
	vm_enter(pair.alice);
	ck_assert_int_eq(pair_lazy(64, 1), 0);
	(void)usleep(20000);
	p.fd = xenmsg_fd(pair.alice->x);
	for (int i = 0; i < 3 && poll(&p, 1, 2) == 1; i++)
		(void)xenmsg_dispatch(pair.alice->x);
	pair_expect(64, 1);
	pair_end();
}
END_TEST

static void by_wait(void)
{
	(void)xenmsg_wait(pair.alice->x, 0);
}

static void by_recv(void)
{
	struct xenmsg_msg *msg;

	ck_assert_int_eq(xenmsg_recv(pair.from, &msg, 0), -EAGAIN);
}

static void by_resolve(void)
{
	uint32_t found;

	ck_assert_int_eq(xenmsg_resolve(pair.alice->x, "bob", &found, NULL, 1000), 0);
}

static void by_close(void)
{
	xenmsg_port_close(pair.from);
}

static void by_flush(void)
{
	ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), 0);
}

static void by_other_port(void)
{
	struct xenmsg_port *other = vm_bind(pair.alice, 6, NULL);

	ck_assert_int_eq(xenmsg_send(other, pair.addr, 8, "x", 1, 0, NULL), 0);
}

static void (*const ways[])(void) = { by_wait,	by_recv,  by_resolve,
				      by_close, by_flush, by_other_port };

START_TEST(goes_with_any_call)
{
	int (*send)(size_t len, uint64_t key) = (size_t)_i < NR(ways) ? pair_lazy :
									pair_lazy_in_place;
	size_t len = (size_t)_i < NR(ways) ? 64 : 3000;

	pair_begin(pair_configs[0], 1);
	ck_assert_int_eq(send(len, 1), 0);
	ck_assert_int_eq(send(len, 2), 0);
	vm_enter(pair.alice);
	ways[(size_t)_i % NR(ways)]();
	pair_expect(len, 1);
	pair_expect(len, 2);
	pair_end();
}
END_TEST

/* ----------------------------------------------------------------------- limits */

static unsigned int send_all(unsigned int next)
{
	while (pair_lazy(1024, next) == 0)
		next++;
	return next;
}

/* A new broker with a smaller window: a batch that was begun waits, nothing is lost. */
START_TEST(smaller_window)
{
	unsigned int sent, got = 0;

	pair_begin("[daemon]\nflow-window = 8\n" PAIR_RULES, 1);
	sent = send_all(0);
	ck_assert_int_eq(pair_lazy(1024, sent), -EAGAIN);
	/* There is room again, and a message in a batch that has not gone. */
	world_run(&pair.w, 5);
	vm_enter(pair.alice);
	(void)xenmsg_dispatch(pair.alice->x);
	ck_assert_int_eq(pair_lazy(1024, sent++), 0);
	world_broker_kill(&pair.w);
	free(pair.w.config);
	pair.w.config = strdup("[daemon]\nflow-window = 1\n" PAIR_RULES);
	ck_assert_int_eq(world_broker_start(&pair.w), 0);
	for (unsigned int i = 0; i < 500; i++) {
		struct xenmsg_msg *msg;

		world_run(&pair.w, 1);
		vm_enter(pair.alice);
		ck_assert_int_eq(xenmsg_dispatch(pair.alice->x), 0);
		if (sent < 300 && pair_lazy(1024, sent) == 0)
			sent++;
		vm_enter(pair.bob);
		ck_assert_int_eq(xenmsg_dispatch(pair.bob->x), 0);
		while (!xenmsg_recv(pair.to, &msg, 0)) {
			ck_assert(traffic_is(msg, 1024, got++));
			xenmsg_release(msg);
		}
	}
	vm_enter(pair.alice);
	ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), 0);
	while (got < sent)
		pair_expect(1024, got++);
	pair_end();
}
END_TEST

/*
 * Who waits for room has it for a batch, not for a message alone; and what goes elsewhere
 * does not wait.
 */
START_TEST(no_room)
{
	int (*send)(uint32_t number, size_t len, uint64_t key, unsigned int flags, uint64_t *seq) =
		_i ? pair_send_in_place : pair_send;
	unsigned int n = 0;
	uint64_t before;

	pair_begin("[daemon]\nflow-window = 1\n" PAIR_RULES, 1);
	before = pair_slots();
	while (send(7, 4096, n, XENMSG_LAZY | XENMSG_NONBLOCK, NULL) == 0)
		ck_assert_uint_lt(++n, 100);
	ck_assert_uint_eq(n, 32);
	ck_assert_int_eq(send(99, 4096, 0, XENMSG_LAZY | XENMSG_NONBLOCK, NULL), 0);
	for (; n < 128; n++) {
		ck_assert_int_eq(send(7, 4096, n, XENMSG_LAZY, NULL), 0);
		pair_expect(4096, n - 32);
	}
	ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), -ECONNREFUSED);
	for (n = 96; n < 128; n++)
		pair_expect(4096, n);
	ck_assert_uint_le(pair_slots() - before, 9 + 9);
	pair_end();
}
END_TEST

/* A rate is about messages, not about what they travel in. */
START_TEST(rates)
{
	pair_begin("[limits slow]\ndomains = alice\nmessages-per-second = 100\n" PAIR_RULES, 1);
	for (unsigned int i = 0; i < 200; i++)
		ck_assert_int_eq(pair_lazy(64, i), 0);
	/* More than the burst: as one it goes while all tokens are there, and is owed. */
	ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), 0);
	ck_assert_int_eq(pair_lazy(64, 200), 0);
	ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), -EDQUOT);
	for (unsigned int i = 0; i < 200; i++)
		pair_expect(64, i);
	sim_advance(990 * SIM_NSEC_PER_MSEC);
	ck_assert_int_eq(pair_lazy(64, 201), 0);
	ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), -EDQUOT);
	sim_advance(100 * SIM_NSEC_PER_MSEC);
	ck_assert_int_eq(pair_lazy(64, 202), 0);
	ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), 0);
	pair_expect(64, 202);
	pair_end();
}
END_TEST

/* What is counted are messages. */
START_TEST(counters)
{
	struct xenmsg_stats a, b;
	struct peer *peer;

	pair_begin(pair_configs[0], 1);
	for (unsigned int i = 0; i < 100; i++)
		ck_assert_int_eq(pair_lazy(64, i), 0);
	ck_assert_int_eq(xenmsg_flush(pair.alice->x, 1000), 0);
	for (unsigned int i = 0; i < 100; i++)
		pair_expect(64, i);
	xenmsg_stats(pair.alice->x, &a, sizeof(a));
	xenmsg_stats(pair.bob->x, &b, sizeof(b));
	ck_assert_uint_eq(a.tx_messages, 100);
	ck_assert_uint_eq(a.tx_bytes, 6400);
	ck_assert_uint_eq(b.rx_messages, 100);
	ck_assert_uint_eq(b.rx_bytes, 6400);
	peer = route_peer(&pair.w.broker->route, xenmsg_address(pair.alice->x));
	ck_assert_uint_eq(peer->count.sent.messages[WAY_POOLED], 100);
	ck_assert_uint_eq(peer->count.sent.bytes[WAY_POOLED], 6400);
	pair_end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lib-batch");
	TCase *tcase = tcase_create("batch");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, copied, 0, 2 * PAIR_LENS);
	tcase_add_test(tcase, parts);
	tcase_add_loop_test(tcase, held, 0, 2);
	tcase_add_test(tcase, order);
	tcase_add_test(tcase, empty);
	tcase_add_loop_test(tcase, failures, 0, 2);
	tcase_add_test(tcase, errors);
	tcase_add_test(tcase, after_a_millisecond);
	tcase_add_test(tcase, polled_late);
	tcase_add_loop_test(tcase, goes_with_any_call, 0, 2 * NR(ways));
	tcase_add_test(tcase, smaller_window);
	tcase_add_loop_test(tcase, no_room, 0, 2);
	tcase_add_test(tcase, rates);
	tcase_add_test(tcase, counters);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
