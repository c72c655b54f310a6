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

#include "tests/unit/system-device.h"
#include "tests/unit/system-traffic.h"
#include "tests/unit/system.h"

#define RULES           \
	"[devices]\n"   \
	"domains = *\n" \
	"[allow all]\n" \
	"from = *\n"    \
	"to = *\n"      \
	"modes = copy map\n"

#define NR(array) (sizeof(array) / sizeof((array)[0]))

static const char *const configs[] = { RULES, "[daemon]\npools = no\n" RULES };

static struct world w;
static struct vm *alice, *bob;
static struct xenmsg_port *from, *to;
static uint32_t addr;

static uint64_t seed;

/* The applications' event loops are the tests': the vms' actors do not dispatch. */
static void begin(const char *config)
{
	world_init(&w, 1 + seed, config);
	alice = vm_new(&w, "alice", SIM_PV);
	bob = vm_new(&w, "bob", SIM_PVH);
	ck_assert_int_eq(world_broker_start(&w), 0);
	ck_assert_int_eq(vm_open(alice, NULL), 0);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
	from = vm_bind(alice, 5, NULL);
	to = vm_bind(bob, 7, NULL);
	addr = vm_find(alice, "bob");
	sim_actor_stall(alice->actor, true);
	sim_actor_stall(bob->actor, true);
	world_run(&w, 10);
}

static void end(void)
{
	sim_enter(NULL);
	world_fini(&w);
}

static int send_to(uint32_t number, size_t len, uint64_t key, unsigned int flags, uint64_t *seq)
{
	static char data[8192];

	vm_enter(alice);
	traffic_fill(data, len, key);
	return xenmsg_send(from, addr, number, data, len, flags, seq);
}

static int lazy(size_t len, uint64_t key)
{
	return send_to(7, len, key, XENMSG_LAZY | XENMSG_NONBLOCK, NULL);
}

/* Fills it; @len may be less than what the buffer was asked for. */
static int send_buffer(struct xenmsg_buffer *buffer, uint32_t number, size_t len, uint64_t key,
		       unsigned int flags, uint64_t *seq)
{
	ck_assert_int_eq(buffer->nr, 1);
	traffic_fill(buffer->iov[0].iov_base, len, key);
	buffer->iov[0].iov_len = len;
	return xenmsg_buffer_send(from, addr, number, buffer, flags, seq);
}

static int in_place_to(uint32_t number, size_t len, uint64_t key, unsigned int flags, uint64_t *seq)
{
	struct xenmsg_buffer buffer;
	int r;

	vm_enter(alice);
	r = xenmsg_buffer_get(from, len, &buffer, flags);
	if (r)
		return r;
	r = send_buffer(&buffer, number, len, key, flags, seq);
	if (r)
		xenmsg_buffer_put(from, &buffer);
	return r;
}

static int lazy_in_place(size_t len, uint64_t key)
{
	return in_place_to(7, len, key, XENMSG_LAZY | XENMSG_NONBLOCK, NULL);
}

static struct xenmsg_msg *receive(void)
{
	struct xenmsg_msg *msg;

	vm_enter(bob);
	ck_assert_int_eq(xenmsg_recv(to, &msg, 100), 0);
	ck_assert_uint_eq(xenmsg_msg_addr(msg), xenmsg_address(alice->x));
	ck_assert_uint_eq(xenmsg_msg_port(msg), 5);
	ck_assert(!xenmsg_msg_is_mapped(msg));
	return msg;
}

static void expect(size_t len, uint64_t key)
{
	struct xenmsg_msg *msg = receive();

	ck_assert_uint_eq(xenmsg_msg_len(msg), len);
	ck_assert(traffic_is(msg, len, key));
	xenmsg_release(msg);
}

/* How many slots of the ring were used. */
static uint64_t slots(void)
{
	struct peer *peer = route_peer(&w.broker->route, xenmsg_address(alice->x));

	return device_slots(peer->dev);
}

/* ------------------------------------------------------------------ contents */

static const size_t lens[] = { 8, 16, 64, 104, 1000, 1024, 2048, 3000, 4096 };

/* Every length, with pools and without; what it says of itself is as if it were alone. */
static void contents(size_t len, const char *config, int (*send)(size_t len, uint64_t key),
		     unsigned int most)
{
	uint64_t seq = 0, before, used;
	struct xenmsg_msg *msg;
	unsigned int i, n = 0;

	begin(config);
	before = slots();
	while (n < 200) {
		for (i = n; i < 200; i++)
			if (send(len, i))
				break;
		ck_assert_int_eq(xenmsg_flush(alice->x, 1000), 0);
		for (; n < i; n++) {
			msg = receive();
			ck_assert_uint_eq(xenmsg_msg_len(msg), len);
			ck_assert(!n || xenmsg_msg_seq(msg) == seq + 1);
			seq = xenmsg_msg_seq(msg);
			ck_assert(traffic_is(msg, len, n));
			xenmsg_release(msg);
		}
	}
	used = slots() - before;
	printf("figure: %zu bytes: 200 messages took %llu slots\n", len, (unsigned long long)used);
	ck_assert_uint_lt(used, most);
	end();
}

/* Each of them is one of a TX ring, and of an RX ring one for every page, twice. */
START_TEST(copied)
{
	contents(lens[(size_t)_i % NR(lens)], configs[(size_t)_i / NR(lens)], lazy, 200 * 2);
}
END_TEST

/* Four together at least. */
START_TEST(in_place)
{
	contents(lens[(size_t)_i % NR(lens)], configs[(size_t)_i / NR(lens)], lazy_in_place, 150);
}
END_TEST

/* At every place of a page, in pieces, by copies of any part. */
START_TEST(parts)
{
	struct iovec iov[4];
	char data[104], part[104];
	struct xenmsg_msg *msg;
	unsigned int split = 0;

	begin(configs[0]);
	for (unsigned int i = 0; i < 150; i++)
		ck_assert_int_eq(lazy(sizeof(data), i), 0);
	ck_assert_int_eq(xenmsg_flush(alice->x, 1000), 0);
	for (unsigned int i = 0; i < 150; i++) {
		size_t sum = 0;
		int n;

		msg = receive();
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
	end();
}
END_TEST

/* In any order; what is held stays as it is while more comes. */
START_TEST(held)
{
	struct xenmsg_msg *msgs[64];
	unsigned int next = 0, n = 0;

	begin(configs[_i]);
	for (unsigned int round = 0; round < 40; round++) {
		for (unsigned int i = 0; i < 32; i++)
			ck_assert_int_eq(lazy(128, next++), 0);
		ck_assert_int_eq(xenmsg_flush(alice->x, 1000), 0);
		for (unsigned int i = 0; i < 32; i++)
			msgs[i] = receive();
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
	end();
}
END_TEST

/* ------------------------------------------------------------- among others */

/* Whatever comes later, on any way, comes later. */
START_TEST(order)
{
	struct xenmsg_buffer buffer;
	uint64_t seq;

	begin(configs[0]);
	ck_assert_int_eq(lazy(64, 1), 0);
	ck_assert_int_eq(lazy(64, 2), 0);
	ck_assert_int_eq(lazy(72, 3), 0); /* another length */
	ck_assert_int_eq(lazy(72, 4), 0);
	ck_assert_int_eq(lazy(63, 5), 0); /* not a multiple of 8 */
	ck_assert_int_eq(lazy(64, 6), 0);
	ck_assert_int_eq(send_to(7, 64, 7, 0, NULL), 0); /* not lazy */
	ck_assert_int_eq(lazy(64, 8), 0);
	ck_assert_int_eq(send_to(7, 64, 9, XENMSG_LAZY, &seq), 0); /* has its number at once */
	ck_assert_int_eq(lazy(64, 10), 0);
	ck_assert_int_eq(send_to(7, 4104, 11, XENMSG_LAZY | XENMSG_CONFIRM, NULL), 0);
	ck_assert_int_eq(lazy(8, 12), 0);
	ck_assert_int_eq(xenmsg_buffer_get(from, 16, &buffer, 0), 0);
	traffic_fill(buffer.iov[0].iov_base, 16, 13);
	ck_assert_int_eq(xenmsg_buffer_send(from, addr, 7, &buffer, XENMSG_LAZY, NULL), 0);
	ck_assert_int_eq(lazy(8, 14), 0);
	ck_assert_int_eq(xenmsg_flush(alice->x, 1000), 0);
	expect(64, 1);
	expect(64, 2);
	expect(72, 3);
	expect(72, 4);
	expect(63, 5);
	expect(64, 6);
	expect(64, 7);
	expect(64, 8);
	expect(64, 9);
	expect(64, 10);
	expect(4104, 11);
	expect(8, 12);
	expect(16, 13);
	expect(8, 14);
	end();
}
END_TEST

/* The same of messages in place, short ones and those that bring their pages along. */
START_TEST(order_in_place)
{
	static const size_t all[] = { 64, 64, 64, 64, 64, 64, 72, 63,	64,   64,  64,
				      64, 64, 8,  8,  8,  8,  8,  4096, 4096, 4096 };
	size_t more = _i / 2 ? 3000 : 0;
	unsigned int n = 0;
	uint64_t seq;

	begin(configs[_i % 2]);
	ck_assert_int_eq(lazy_in_place(more + 64, n++), 0);
	ck_assert_int_eq(lazy_in_place(more + 64, n++), 0);
	ck_assert_int_eq(lazy(more + 64, n++), 0); /* copied */
	ck_assert_int_eq(lazy(more + 64, n++), 0);
	ck_assert_int_eq(lazy_in_place(more + 64, n++), 0);
	ck_assert_int_eq(lazy_in_place(more + 64, n++), 0);
	ck_assert_int_eq(lazy_in_place(more + 72, n++), 0);
	ck_assert_int_eq(lazy_in_place(more + 63, n++), 0);
	ck_assert_int_eq(in_place_to(7, more + 64, n++, 0, NULL), 0); /* not lazy */
	ck_assert_int_eq(lazy_in_place(more + 64, n++), 0);
	ck_assert_int_eq(in_place_to(7, more + 64, n++, XENMSG_LAZY, &seq), 0);
	ck_assert_int_eq(lazy_in_place(more + 64, n++), 0);
	ck_assert_int_eq(in_place_to(7, more + 64, n++, XENMSG_LAZY | XENMSG_CONFIRM, NULL), 0);
	/* More than a SEND's. */
	for (unsigned int i = 0; i < 5; i++)
		ck_assert_int_eq(lazy_in_place(more + 8, n++), 0);
	/* Those that fill their pages. */
	ck_assert_int_eq(lazy(4096, n++), 0);
	ck_assert_int_eq(lazy_in_place(4096, n++), 0);
	ck_assert_int_eq(lazy(4096, n++), 0);
	ck_assert_uint_eq(n, NR(all));
	ck_assert_int_eq(xenmsg_flush(alice->x, 1000), 0);
	for (unsigned int i = 0; i < n; i++)
		expect(all[i] == 4096 ? 4096 : more + all[i], i);
	end();
}
END_TEST

/* It is in no batch, least of all in one that has gone. */
START_TEST(empty)
{
	begin(configs[0]);
	ck_assert_int_eq(lazy(0, 0), 0);
	ck_assert_int_eq(lazy(64, 1), 0);
	ck_assert_int_eq(lazy(64, 2), 0);
	ck_assert_int_eq(lazy(0, 3), 0);
	ck_assert_int_eq(lazy(64, 4), 0);
	ck_assert_int_eq(xenmsg_flush(alice->x, 1000), 0);
	ck_assert_int_eq(lazy(0, 5), 0);
	ck_assert_int_eq(xenmsg_flush(alice->x, 1000), 0);
	expect(0, 0);
	expect(64, 1);
	expect(64, 2);
	expect(0, 3);
	expect(64, 4);
	expect(0, 5);
	end();
}
END_TEST

/* Each failure is told, with the number that the message had; and by the flush. */
START_TEST(failures)
{
	struct xenmsg_event event;
	uint64_t seq;

	begin(configs[0]);
	ck_assert_int_eq(send_to(7, 64, 0, 0, &seq), 0);
	for (unsigned int i = 0; i < 10; i++)
		ck_assert_int_eq(
			(_i ? in_place_to : send_to)(99, _i ? 3000 : 64, i, XENMSG_LAZY, NULL), 0);
	ck_assert_int_eq(xenmsg_flush(alice->x, 1000), -ECONNREFUSED);
	for (unsigned int i = 0; i < 10; i++) {
		ck_assert_int_eq(xenmsg_event(alice->x, &event), 0);
		ck_assert_int_eq(event.type, XENMSG_SEND_FAILED);
		ck_assert_int_eq(event.status, -ECONNREFUSED);
		ck_assert_uint_eq(event.seq, ++seq);
		ck_assert_uint_eq(event.number, 99);
		ck_assert_uint_eq(event.addr, addr);
		ck_assert_ptr_eq(event.port, from);
	}
	ck_assert_int_eq(xenmsg_event(alice->x, &event), -EAGAIN);
	end();
}
END_TEST

/* The errors of a send are those of the first message; of a device that is gone, events. */
START_TEST(errors)
{
	struct xenmsg_event event;
	unsigned int lost = 0;

	begin(configs[0]);
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_send(from, 0, 7, "12345678", 8, XENMSG_LAZY, NULL), -EINVAL);
	ck_assert_int_eq(xenmsg_send(from, addr, 0, "12345678", 8, XENMSG_LAZY, NULL), -EINVAL);
	ck_assert_int_eq(lazy(8, 1), 0);
	ck_assert_int_eq(lazy(8, 2), 0);
	sim_xs_put("/local/domain/0/backend/vmsg/1/0/state", "5");
	for (int i = 0; i < 20 && xenmsg_wait(alice->x, 10) >= 0; i++)
		;
	ck_assert_int_eq(xenmsg_flush(alice->x, 0), -EHOSTDOWN);
	ck_assert_int_eq(lazy(8, 3), -EHOSTDOWN);
	while (!xenmsg_event(alice->x, &event))
		lost += event.type == XENMSG_SEND_FAILED && event.status == -EHOSTDOWN;
	ck_assert_uint_le(lost, 2);
	end();
}
END_TEST

/* A buffer is its application's until it is sent: once, and as it was handed out. */
START_TEST(given_away)
{
	struct xenmsg_buffer buffer, copy;
	struct xenmsg_event event;

	begin(configs[0]);
	vm_enter(alice);
	for (unsigned int i = 0; i < 6; i++) {
		ck_assert_int_eq(xenmsg_buffer_get(from, 4096, &buffer, 0), 0);
		copy = buffer;
		copy.iov[0].iov_base = (char *)copy.iov[0].iov_base + 8;
		ck_assert_int_eq(xenmsg_buffer_send(from, addr, 7, &copy, XENMSG_LAZY, NULL),
				 -EINVAL);
		copy = buffer;
		copy.iov[0].iov_len = 4104;
		ck_assert_int_eq(xenmsg_buffer_send(from, addr, 7, &copy, XENMSG_LAZY, NULL),
				 -EINVAL);
		copy = buffer;
		copy.opaque[1] = 100000;
		ck_assert_int_eq(xenmsg_buffer_send(from, addr, 7, &copy, XENMSG_LAZY, NULL),
				 -EINVAL);
		ck_assert_int_eq(xenmsg_buffer_send(from, 0, 7, &buffer, XENMSG_LAZY, NULL),
				 -EINVAL);
		copy = buffer;
		ck_assert_int_eq(send_buffer(&buffer, 7, 4096 - 8 * (i / 3), i, XENMSG_LAZY, NULL),
				 0);
		xenmsg_buffer_put(from, &buffer); /* harmless */
		ck_assert_int_eq(xenmsg_buffer_send(from, addr, 7, &buffer, XENMSG_LAZY, NULL),
				 -EINVAL);
		copy.iov[0].iov_len = 4096 - 8 * (i / 3);
		ck_assert_int_eq(xenmsg_buffer_send(from, addr, 7, &copy, XENMSG_LAZY, NULL),
				 -EINVAL);
	}
	ck_assert_int_eq(xenmsg_flush(alice->x, 1000), 0);
	ck_assert_int_eq(xenmsg_event(alice->x, &event), -EAGAIN);
	for (unsigned int i = 0; i < 6; i++)
		expect(4096 - 8 * (i / 3), i);
	end();
}
END_TEST

/* ------------------------------------------------------------------ when it goes */

START_TEST(after_a_millisecond)
{
	struct pollfd p;
	uint64_t start;

	begin(configs[0]);
	vm_enter(alice);
	p = (struct pollfd){ .fd = xenmsg_fd(alice->x), .events = POLLIN };
	(void)xenmsg_dispatch(alice->x);
	ck_assert_int_eq(poll(&p, 1, 100), 0);
	start = sim_now();
	ck_assert_int_eq(lazy(64, 1), 0);
	ck_assert_int_eq(lazy(64, 2), 0);
	ck_assert_int_eq(poll(&p, 1, 100), 1);
	ck_assert_uint_ge(sim_now() - start, SIM_NSEC_PER_MSEC);
	ck_assert_uint_le(sim_now() - start, 2 * SIM_NSEC_PER_MSEC);
	ck_assert_int_eq(xenmsg_dispatch(alice->x), 0);
	expect(64, 1);
	expect(64, 2);
	end();
}
END_TEST

static void by_wait(void)
{
	(void)xenmsg_wait(alice->x, 0);
}

static void by_recv(void)
{
	struct xenmsg_msg *msg;

	ck_assert_int_eq(xenmsg_recv(from, &msg, 0), -EAGAIN);
}

static void by_resolve(void)
{
	uint32_t found;

	ck_assert_int_eq(xenmsg_resolve(alice->x, "bob", &found, NULL, 1000), 0);
}

static void by_close(void)
{
	xenmsg_port_close(from);
}

static void by_flush(void)
{
	ck_assert_int_eq(xenmsg_flush(alice->x, 1000), 0);
}

static void by_other_port(void)
{
	struct xenmsg_port *other = vm_bind(alice, 6, NULL);

	ck_assert_int_eq(xenmsg_send(other, addr, 8, "x", 1, 0, NULL), 0);
}

static void (*const ways[])(void) = { by_wait,	by_recv,  by_resolve,
				      by_close, by_flush, by_other_port };

START_TEST(goes_with_any_call)
{
	int (*send)(size_t len, uint64_t key) = (size_t)_i < NR(ways) ? lazy : lazy_in_place;
	size_t len = (size_t)_i < NR(ways) ? 64 : 3000;

	begin(configs[0]);
	ck_assert_int_eq(send(len, 1), 0);
	ck_assert_int_eq(send(len, 2), 0);
	vm_enter(alice);
	ways[(size_t)_i % NR(ways)]();
	expect(len, 1);
	expect(len, 2);
	end();
}
END_TEST

/* ----------------------------------------------------------------------- limits */

static unsigned int send_all(unsigned int next)
{
	while (lazy(1024, next) == 0)
		next++;
	return next;
}

/* A new broker with a smaller window: a batch that was begun waits, nothing is lost. */
START_TEST(smaller_window)
{
	unsigned int sent, got = 0;

	begin("[daemon]\nflow-window = 8\n" RULES);
	sent = send_all(0);
	ck_assert_int_eq(lazy(1024, sent), -EAGAIN);
	/* There is room again, and a message in a batch that has not gone. */
	world_run(&w, 5);
	vm_enter(alice);
	(void)xenmsg_dispatch(alice->x);
	ck_assert_int_eq(lazy(1024, sent++), 0);
	world_broker_kill(&w);
	free(w.config);
	w.config = strdup("[daemon]\nflow-window = 1\n" RULES);
	ck_assert_int_eq(world_broker_start(&w), 0);
	for (unsigned int i = 0; i < 500; i++) {
		struct xenmsg_msg *msg;

		world_run(&w, 1);
		vm_enter(alice);
		ck_assert_int_eq(xenmsg_dispatch(alice->x), 0);
		if (sent < 300 && lazy(1024, sent) == 0)
			sent++;
		vm_enter(bob);
		ck_assert_int_eq(xenmsg_dispatch(bob->x), 0);
		while (!xenmsg_recv(to, &msg, 0)) {
			ck_assert(traffic_is(msg, 1024, got++));
			xenmsg_release(msg);
		}
	}
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_flush(alice->x, 1000), 0);
	while (got < sent)
		expect(1024, got++);
	end();
}
END_TEST

/*
 * Who waits for room has it for a batch, not for a message alone; and what goes elsewhere
 * does not wait.
 */
START_TEST(no_room)
{
	int (*send)(uint32_t number, size_t len, uint64_t key, unsigned int flags, uint64_t *seq) =
		_i ? in_place_to : send_to;
	unsigned int n = 0;
	uint64_t before;

	begin("[daemon]\nflow-window = 1\n" RULES);
	before = slots();
	while (send(7, 4096, n, XENMSG_LAZY | XENMSG_NONBLOCK, NULL) == 0)
		ck_assert_uint_lt(++n, 100);
	ck_assert_uint_eq(n, 8);
	ck_assert_int_eq(send(99, 4096, 0, XENMSG_LAZY | XENMSG_NONBLOCK, NULL), 0);
	for (; n < 32; n++) {
		ck_assert_int_eq(send(7, 4096, n, XENMSG_LAZY, NULL), 0);
		expect(4096, n - 8);
	}
	ck_assert_int_eq(xenmsg_flush(alice->x, 1000), -ECONNREFUSED);
	for (n = 24; n < 32; n++)
		expect(4096, n);
	ck_assert_uint_le(slots() - before, 9 + 9);
	end();
}
END_TEST

/* Who finds no page sends off those that are in batches, or there never would be any. */
START_TEST(no_pages)
{
	struct xenmsg_buffer *buffers = calloc(1024, sizeof(*buffers));
	unsigned int nr = 0;

	begin(configs[0]);
	ck_assert_ptr_nonnull(buffers);
	vm_enter(alice);
	while (!xenmsg_buffer_get(from, 4096, &buffers[nr], XENMSG_NONBLOCK))
		ck_assert_uint_lt(++nr, 1024);
	for (unsigned int i = 0; i < 2; i++)
		ck_assert_int_eq(send_buffer(&buffers[i], 7, 4096, i, XENMSG_LAZY, NULL), 0);
	ck_assert_int_eq(lazy_in_place(8, 0), -EAGAIN);
	expect(4096, 0);
	expect(4096, 1);
	vm_enter(alice);
	ck_assert_int_eq(send_buffer(&buffers[2], 7, 4096, 2, XENMSG_LAZY, NULL), 0);
	for (unsigned int i = 3; i < 8; i++)
		ck_assert_int_eq(in_place_to(7, 4096, i, XENMSG_LAZY, NULL), 0);
	ck_assert_int_eq(xenmsg_flush(alice->x, 1000), 0);
	for (unsigned int i = 2; i < 8; i++)
		expect(4096, i);
	free(buffers);
	end();
}
END_TEST

/* Of any kind to two ports, copied and in place, and nobody waits. */
START_TEST(mixed)
{
	static const unsigned int kinds[] = { XENMSG_LAZY, XENMSG_LAZY,
					      XENMSG_LAZY, XENMSG_LAZY,
					      XENMSG_LAZY, XENMSG_LAZY,
					      0,	   XENMSG_LAZY | XENMSG_CONFIRM };
	static size_t sizes[2][4000];
	struct xenmsg_port *ports[2];
	unsigned int sent[2] = { 0 }, got[2] = { 0 }, refused = 0;
	size_t len = 64;
	bool copy = false;

	seed = (uint64_t)_i;
	begin(configs[_i % 2]);
	ports[0] = to;
	ports[1] = vm_bind(bob, 8, NULL);
	while (got[0] + got[1] < 4000) {
		unsigned int k = (unsigned int)sim_random_below(2);
		uint64_t seq;
		struct xenmsg_msg *msg;

		if (sim_random_below(4) == 0)
			len = sim_random_below(2) ? lens[sim_random_below(NR(lens))] :
						    1 + sim_random_below(4096);
		if (sim_random_below(4) == 0)
			copy = sim_random_below(2);
		if (sent[0] + sent[1] < 4000) {
			unsigned int flags = kinds[sim_random_below(NR(kinds))] | XENMSG_NONBLOCK;
			int r = (copy ? send_to : in_place_to)(7 + k, len, sent[k], flags,
							       sim_random_below(20) ? NULL : &seq);

			ck_assert(r == 0 || r == -EAGAIN);
			if (r == 0)
				sizes[k][sent[k]++] = len;
			else
				refused++;
		} else {
			vm_enter(alice);
			ck_assert_int_eq(xenmsg_dispatch(alice->x), 0);
		}
		if (sim_random_below(50))
			continue;
		world_run(&w, 1);
		vm_enter(alice);
		ck_assert_int_eq(xenmsg_dispatch(alice->x), 0);
		vm_enter(bob);
		for (k = 0; k < 2; k++) {
			while (!xenmsg_recv(ports[k], &msg, 0)) {
				ck_assert_uint_lt(got[k], sent[k]);
				ck_assert(traffic_is(msg, sizes[k][got[k]], got[k]));
				got[k]++;
				xenmsg_release(msg);
			}
		}
	}
	ck_assert_uint_gt(refused, 0);
	end();
}
END_TEST

/* A rate is about messages, not about what they travel in. */
START_TEST(rates)
{
	begin("[limits slow]\ndomains = alice\nmessages-per-second = 100\n" RULES);
	for (unsigned int i = 0; i < 200; i++)
		ck_assert_int_eq(lazy(64, i), 0);
	/* More than the burst: as one it goes while all tokens are there, and is owed. */
	ck_assert_int_eq(xenmsg_flush(alice->x, 1000), 0);
	ck_assert_int_eq(lazy(64, 200), 0);
	ck_assert_int_eq(xenmsg_flush(alice->x, 1000), -EDQUOT);
	for (unsigned int i = 0; i < 200; i++)
		expect(64, i);
	sim_advance(990 * SIM_NSEC_PER_MSEC);
	ck_assert_int_eq(lazy(64, 201), 0);
	ck_assert_int_eq(xenmsg_flush(alice->x, 1000), -EDQUOT);
	sim_advance(100 * SIM_NSEC_PER_MSEC);
	ck_assert_int_eq(lazy(64, 202), 0);
	ck_assert_int_eq(xenmsg_flush(alice->x, 1000), 0);
	expect(64, 202);
	end();
}
END_TEST

/* What is counted are messages. */
START_TEST(counters)
{
	struct xenmsg_stats a, b;
	struct peer *peer;

	begin(configs[0]);
	for (unsigned int i = 0; i < 100; i++)
		ck_assert_int_eq(lazy(64, i), 0);
	ck_assert_int_eq(xenmsg_flush(alice->x, 1000), 0);
	for (unsigned int i = 0; i < 100; i++)
		expect(64, i);
	xenmsg_stats(alice->x, &a, sizeof(a));
	xenmsg_stats(bob->x, &b, sizeof(b));
	ck_assert_uint_eq(a.tx_messages, 100);
	ck_assert_uint_eq(a.tx_bytes, 6400);
	ck_assert_uint_eq(b.rx_messages, 100);
	ck_assert_uint_eq(b.rx_bytes, 6400);
	peer = route_peer(&w.broker->route, xenmsg_address(alice->x));
	ck_assert_uint_eq(peer->count.sent.messages[WAY_POOLED], 100);
	ck_assert_uint_eq(peer->count.sent.bytes[WAY_POOLED], 6400);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lib-batch");
	TCase *tcase = tcase_create("batch");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, copied, 0, 2 * NR(lens));
	tcase_add_loop_test(tcase, in_place, 0, 2 * NR(lens));
	tcase_add_test(tcase, parts);
	tcase_add_loop_test(tcase, held, 0, 2);
	tcase_add_test(tcase, order);
	tcase_add_loop_test(tcase, order_in_place, 0, 4);
	tcase_add_test(tcase, empty);
	tcase_add_loop_test(tcase, failures, 0, 2);
	tcase_add_test(tcase, errors);
	tcase_add_test(tcase, given_away);
	tcase_add_test(tcase, after_a_millisecond);
	tcase_add_loop_test(tcase, goes_with_any_call, 0, 2 * NR(ways));
	tcase_add_test(tcase, smaller_window);
	tcase_add_loop_test(tcase, no_room, 0, 2);
	tcase_add_test(tcase, no_pages);
	tcase_add_loop_test(tcase, mixed, 0, 6);
	tcase_add_test(tcase, rates);
	tcase_add_test(tcase, counters);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
