// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libxenmsg's calls one by one: ports, sending, receiving, buffers, names, events.
 * All of it between two guests, and between a guest and a program of domain 0,
 * either way: the same calls do the same.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/system-traffic.h"
#include "tests/unit/system.h"

static const char config[] = "[devices]\n"
			     "domains = alice bob mallory\n"
			     "[allow all]\n"
			     "from = alice bob\n"
			     "to = alice bob\n"
			     "modes = copy map\n";

static struct world w;
static struct vm *alice, *bob, *mallory;

enum who { GUESTS, ALICE_IS_LOCAL, BOB_IS_LOCAL };

static struct vm *new_vm(const char *name, enum sim_domain_type type, bool local)
{
	if (!local)
		return vm_new(&w, name, type);
	/* Programs of domain 0 go by its name. */
	sim_xs_put("/local/domain/0/name", name);
	return vm_new_local(&w, name);
}

static void setup_with(enum who who)
{
	world_init(&w, 1, config);
	alice = new_vm("alice", SIM_PV, who == ALICE_IS_LOCAL);
	bob = new_vm("bob", SIM_PVH, who == BOB_IS_LOCAL);
	mallory = vm_new(&w, "mallory", SIM_PV);
	ck_assert_int_eq(world_broker_start(&w), 0);
	ck_assert_int_eq(vm_open(alice, NULL), 0);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
}

static void setup(void)
{
	setup_with(GUESTS);
}

static void setup_alice_local(void)
{
	setup_with(ALICE_IS_LOCAL);
}

static void setup_bob_local(void)
{
	setup_with(BOB_IS_LOCAL);
}

static void teardown(void)
{
	sim_enter(NULL);
	world_fini(&w);
}

/* A port of alice's, and one of bob's, number 7. */
static struct xenmsg_port *from, *to;
static uint32_t addr;

static void bind_ports(void)
{
	from = vm_bind(alice, 5, NULL);
	to = vm_bind(bob, 7, NULL);
	addr = vm_find(alice, "bob");
	vm_enter(alice);
}

/* -------------------------------------------------------------------- ports */

START_TEST(port_numbers)
{
	struct xenmsg_port *a, *b, *c;

	vm_enter(alice);
	ck_assert_int_eq(xenmsg_port_open(alice->x, 5, NULL, &a), 0);
	ck_assert_uint_eq(xenmsg_port_number(a), 5);
	ck_assert_int_eq(xenmsg_port_open(alice->x, 5, NULL, &b), -EADDRINUSE);
	ck_assert_int_eq(xenmsg_port_open(alice->x, 0, NULL, &b), 0);
	ck_assert_int_eq(xenmsg_port_open(alice->x, 0, NULL, &c), 0);
	ck_assert_uint_eq(xenmsg_port_number(b), 0);
	xenmsg_port_close(b);
	xenmsg_port_close(a);
	xenmsg_port_close(NULL);
	/* The number is free at once. */
	ck_assert_int_eq(xenmsg_port_open(alice->x, 5, NULL, &a), 0);
}
END_TEST

START_TEST(port_options)
{
	struct xenmsg_bind bind = { .size = sizeof(bind) };
	char name[XENMSG_NAME_MAX + 2];
	struct xenmsg_port *port;
	uint32_t found, number;

	vm_enter(bob);
	bind.service = "";
	ck_assert_int_eq(xenmsg_port_open(bob->x, 9, &bind, &port), -EINVAL);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	bind.service = name;
	ck_assert_int_eq(xenmsg_port_open(bob->x, 9, &bind, &port), -EINVAL);
	bind.service = "clock";
	ck_assert_int_eq(xenmsg_port_open(bob->x, 0, &bind, &port), -EINVAL);
	/* It gets what a batch takes. */
	bind.buffer = 1;
	ck_assert_int_eq(xenmsg_port_open(bob->x, 9, &bind, &port), 0);
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_resolve(alice->x, "clock@bob", &found, &number, 1000), 0);
	ck_assert_uint_eq(found, xenmsg_address(bob->x));
	ck_assert_uint_eq(number, 9);
}
END_TEST

START_TEST(closing_drops_what_came)
{
	struct xenmsg_msg *held;

	ck_assert_int_eq(vm_send(alice, from, addr, 7, 5000, 1), 0);
	ck_assert_int_eq(vm_send(alice, from, addr, 7, 10, 2), 0);
	held = vm_receive(bob, to);
	ck_assert_uint_eq(xenmsg_msg_len(held), 5000);
	vm_enter(bob);
	xenmsg_port_close(to);
	ck_assert_int_eq(xenmsg_port_open(bob->x, 7, NULL, &to), 0);
	ck_assert_int_eq(vm_send(alice, from, addr, 7, 77, 3), 0);
	vm_expect(bob, to, 77, 3);
}
END_TEST

/* What was sent goes on when the port it came from is closed. */
START_TEST(closing_keeps_what_was_sent)
{
	int i;

	for (i = 0; i < 20; i++)
		ck_assert_int_eq(vm_send(alice, from, addr, 7, 9000, (uint64_t)i), 0);
	vm_enter(alice);
	xenmsg_port_close(from);
	for (i = 0; i < 20; i++)
		vm_expect(bob, to, 9000, (uint64_t)i);
	ck_assert_int_eq(vm_flush(alice), 0);
	world_run(&w, 10);
}
END_TEST

/* --------------------------------------------------------------------- send */

START_TEST(gathers)
{
	char a[3] = "abc", b[40];
	struct iovec iov[] = { { a, 1 }, { a, 0 }, { b, 40 }, { NULL, 0 }, { a + 1, 2 } };
	struct xenmsg_msg *msg;
	char text[64] = "";

	memset(b, 'x', sizeof(b));
	ck_assert_int_eq(xenmsg_sendv(from, addr, 7, iov, 5, 0, NULL), 0);
	iov[2].iov_len = 2;
	ck_assert_int_eq(xenmsg_sendv(from, addr, 7, iov, 5, 0, NULL), 0);
	ck_assert_int_eq(xenmsg_sendv(from, addr, 7, NULL, 0, 0, NULL), 0);
	msg = vm_receive(bob, to);
	ck_assert_uint_eq(xenmsg_msg_len(msg), 43);
	ck_assert_uint_eq(xenmsg_copy(msg, 0, text, 64), 43);
	ck_assert_str_eq(text, "axxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxbc");
	ck_assert_uint_eq(xenmsg_copy(msg, 41, text, 64), 2);
	ck_assert_uint_eq(xenmsg_copy(msg, 43, text, 64), 0);
	ck_assert_uint_eq(xenmsg_msg_addr(msg), xenmsg_address(alice->x));
	ck_assert_uint_eq(xenmsg_msg_port(msg), 5);
	ck_assert_int_eq(xenmsg_msg_is_mapped(msg), 0);
	xenmsg_release(msg);
	msg = vm_receive(bob, to);
	ck_assert_uint_eq(xenmsg_msg_len(msg), 5);
	xenmsg_release(msg);
	msg = vm_receive(bob, to);
	ck_assert_uint_eq(xenmsg_msg_len(msg), 0);
	ck_assert_int_eq(xenmsg_msg_iov(msg, NULL, 0), 0);
	xenmsg_release(msg);
	xenmsg_release(NULL);
}
END_TEST

START_TEST(refuses_nonsense)
{
	const size_t over = XENMSG_MESSAGE_MAX + 1;
	struct iovec iov[] = { { NULL, SIZE_MAX }, { NULL, 2 } };
	char *big = calloc(1, over);

	ck_assert_int_eq(xenmsg_send(from, addr, 7, big, over, 0, NULL), -EMSGSIZE);
	ck_assert_int_eq(xenmsg_sendv(from, addr, 7, iov, 2, 0, NULL), -EMSGSIZE);
	ck_assert_int_eq(xenmsg_sendv(from, addr, 7, iov, -1, 0, NULL), -EINVAL);
	ck_assert_int_eq(xenmsg_send(from, 0, 7, big, 1, 0, NULL), -EINVAL);
	ck_assert_int_eq(xenmsg_send(from, addr, 0, big, 100, 0, NULL), -EINVAL);
	free(big);
}
END_TEST

/* Nobody receives: the window fills, a sender that may not wait is told so, and told when. */
START_TEST(full_window)
{
	uint64_t seq = 0, last = 0;
	struct pollfd p;
	int n = 0, r;

	vm_enter(bob);
	xenmsg_port_close(to);
	ck_assert_int_eq(xenmsg_port_open(bob->x, 7,
					  &(struct xenmsg_bind){ .size = sizeof(struct xenmsg_bind),
								 .buffer = 65536 + 64 },
					  &to),
			 0);
	vm_enter(alice);
	while (!(r = xenmsg_send(from, addr, 7, "0123456789012345678901234567890123456789", 40,
				 XENMSG_NONBLOCK, &seq))) {
		ck_assert_uint_gt(seq, last);
		last = seq;
		n++;
		world_run(&w, 1);
	}
	ck_assert_int_eq(r, -EAGAIN);
	ck_assert_int_ge(n, 32);
	/* The application has the descriptor itself, and dispatches itself. */
	sim_actor_stall(alice->actor, true);
	p = (struct pollfd){ .fd = xenmsg_fd(alice->x), .events = POLLIN };
	xenmsg_dispatch(alice->x);
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	while (n--) {
		xenmsg_release(vm_receive(bob, to));
		vm_enter(bob);
	}
	vm_enter(alice);
	ck_assert_int_eq(poll(&p, 1, 1000), 1);
	ck_assert_int_eq(xenmsg_dispatch(alice->x), 0);
	ck_assert_int_eq(xenmsg_send(from, addr, 7, "x", 1, XENMSG_NONBLOCK, NULL), 0);
	sim_actor_stall(alice->actor, false);
}
END_TEST

/* ------------------------------------------------------------------ buffers */

static void fill_buffer(struct xenmsg_buffer *b, char c)
{
	int i;

	for (i = 0; i < b->nr; i++)
		memset(b->iov[i].iov_base, c, b->iov[i].iov_len);
}

START_TEST(buffers)
{
	struct xenmsg_buffer b;
	struct xenmsg_msg *msg;
	char last;
	int i;

	ck_assert_int_eq(xenmsg_buffer_get(from, 0, &b, 0), -EINVAL);
	ck_assert_int_eq(xenmsg_buffer_get(from, XENMSG_MESSAGE_MAX + 1, &b, 0), -EMSGSIZE);
	/* Many times the pages there are: all come back. */
	for (i = 0; i < 40; i++) {
		size_t len = 0;

		ck_assert_int_eq(xenmsg_buffer_get(from, 100000, &b, 0), 0);
		ck_assert_int_ge(b.nr, 4);
		ck_assert_int_le(b.nr, 25);
		fill_buffer(&b, (char)i);
		if (i % 4 == 1) {
			xenmsg_buffer_put(from, &b);
			xenmsg_buffer_put(from, &b); /* harmless */
			continue;
		}
		if (i % 4 == 2)
			b.nr = 3; /* without the last piece */
		if (i % 4 == 3)
			b.iov[2].iov_len = 1; /* and most pages of this one */
		for (int j = 0; j < b.nr; j++)
			len += b.iov[j].iov_len;
		ck_assert_int_eq(xenmsg_buffer_send(from, addr, 7, &b, 0, NULL), 0);
		ck_assert_int_eq(xenmsg_buffer_send(from, addr, 7, &b, 0, NULL), -EINVAL);
		msg = vm_receive(bob, to);
		ck_assert_uint_eq(xenmsg_msg_len(msg), len);
		ck_assert_uint_eq(xenmsg_copy(msg, xenmsg_msg_len(msg) - 1, &last, 1), 1);
		ck_assert_int_eq(last, (char)i);
		vm_enter(bob);
		xenmsg_release(msg);
		vm_enter(alice);
	}
}
END_TEST

START_TEST(buffers_that_were_spoilt)
{
	struct xenmsg_buffer b, bad;

	ck_assert_int_eq(xenmsg_buffer_get(from, 40000, &b, 0), 0);
	ck_assert_int_eq(b.nr, 2);
	bad = b;
	bad.nr = 0;
	ck_assert_int_eq(xenmsg_buffer_send(from, addr, 7, &bad, 0, NULL), -EINVAL);
	bad.nr = 4;
	ck_assert_int_eq(xenmsg_buffer_send(from, addr, 7, &bad, 0, NULL), -EINVAL);
	bad = b;
	bad.iov[1].iov_len = 2 * 4096 + 1;
	ck_assert_int_eq(xenmsg_buffer_send(from, addr, 7, &bad, 0, NULL), -EINVAL);
	bad.iov[1].iov_len = 0;
	ck_assert_int_eq(xenmsg_buffer_send(from, addr, 7, &bad, 0, NULL), -EINVAL);
	bad = b;
	bad.iov[0].iov_base = &bad;
	ck_assert_int_eq(xenmsg_buffer_send(from, addr, 7, &bad, 0, NULL), -EINVAL);
	/* The numbers of the first piece's pages: more of them, beyond all, none. */
	bad = b;
	bad.opaque[1] += 1u << 16;
	ck_assert_int_eq(xenmsg_buffer_send(from, addr, 7, &bad, 0, NULL), -EINVAL);
	bad.opaque[1] = 1023 | 8u << 16;
	ck_assert_int_eq(xenmsg_buffer_send(from, addr, 7, &bad, 0, NULL), -EINVAL);
	bad.opaque[1] = b.opaque[1] & 0xffff;
	ck_assert_int_eq(xenmsg_buffer_send(from, addr, 7, &bad, 0, NULL), -EINVAL);
	bad = b;
	bad.opaque[0] = 100000;
	ck_assert_int_eq(xenmsg_buffer_send(from, addr, 7, &bad, 0, NULL), -EINVAL);
	xenmsg_buffer_put(from, &bad);
	fill_buffer(&b, 'b');
	ck_assert_int_eq(xenmsg_buffer_send(from, addr, 7, &b, 0, NULL), 0);
	ck_assert_int_eq(vm_flush(alice), 0);
}
END_TEST

/* ------------------------------------------------------------------- events */

START_TEST(events_of_sends)
{
	struct xenmsg_event e;
	uint64_t seq, confirmed;

	ck_assert_int_eq(xenmsg_event(alice->x, &e), -EAGAIN);
	ck_assert_int_eq(xenmsg_send(from, addr, 8, "nobody", 6, 0, &seq), 0);
	ck_assert_int_eq(xenmsg_send(from, addr, 7, "bob", 3, 0, NULL), 0);
	ck_assert_int_eq(xenmsg_send(from, addr, 7, "bob", 3, XENMSG_CONFIRM, &confirmed), 0);
	ck_assert_int_eq(xenmsg_flush(alice->x, 1000), -ECONNREFUSED);
	ck_assert_int_eq(xenmsg_flush(alice->x, 1000), 0);
	ck_assert_int_eq(xenmsg_event(alice->x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_SEND_FAILED);
	ck_assert_int_eq(e.status, -ECONNREFUSED);
	ck_assert_ptr_eq(e.port, from);
	ck_assert_uint_eq(e.addr, addr);
	ck_assert_uint_eq(e.number, 8);
	ck_assert_uint_eq(e.seq, seq);
	ck_assert_int_eq(xenmsg_event(alice->x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_SENT);
	ck_assert_int_eq(e.status, 0);
	ck_assert_uint_eq(e.seq, confirmed);
	ck_assert_int_eq(xenmsg_event(alice->x, &e), -EAGAIN);
}
END_TEST

/* An event that is fetched after its port was closed does not name it. */
START_TEST(events_outlive_their_port)
{
	struct xenmsg_event event;

	ck_assert_int_eq(xenmsg_send(from, addr, 8, "nobody", 6, 0, NULL), 0);
	ck_assert_int_eq(xenmsg_flush(alice->x, VM_TIMEOUT), -ECONNREFUSED);
	xenmsg_port_close(from);
	ck_assert_int_eq(xenmsg_event(alice->x, &event), 0);
	ck_assert_int_eq(event.type, XENMSG_SEND_FAILED);
	ck_assert_int_eq(event.status, -ECONNREFUSED);
	ck_assert_ptr_null(event.port);
}
END_TEST

START_TEST(events_are_bounded)
{
	struct xenmsg_event e;
	unsigned int i;

	for (i = 0; i < 300; i++)
		ck_assert_int_eq(xenmsg_send(from, addr, 8, "nobody", 6, 0, NULL), 0);
	ck_assert_int_eq(xenmsg_flush(alice->x, 1000), -ECONNREFUSED);
	for (i = 0; i < 256; i++) {
		ck_assert_int_eq(xenmsg_event(alice->x, &e), 0);
		ck_assert_int_eq(e.type, XENMSG_SEND_FAILED);
	}
	ck_assert_int_eq(xenmsg_event(alice->x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_LOST);
	ck_assert_uint_eq(e.count, 44);
	ck_assert_int_eq(xenmsg_event(alice->x, &e), -EAGAIN);
}
END_TEST

START_TEST(names_and_peers)
{
	char name[XENMSG_NAME_MAX + 1], bad[XENMSG_NAME_MAX + 2] = "";
	struct xenmsg_event e;
	uint32_t found;

	vm_enter(alice);
	ck_assert_int_eq(xenmsg_resolve(alice->x, "", &found, NULL, 1000), -EINVAL);
	memset(bad, 'b', sizeof(bad) - 1);
	ck_assert_int_eq(xenmsg_resolve(alice->x, bad, &found, NULL, 1000), -EINVAL);
	ck_assert_int_eq(xenmsg_resolve(alice->x, "a b", &found, NULL, 1000), -EINVAL);
	ck_assert_int_eq(xenmsg_subscribe(alice->x, ""), -EINVAL);
	ck_assert_int_eq(xenmsg_resolve(alice->x, "bob", &found, NULL, 1000), 0);
	ck_assert_int_eq(xenmsg_name(alice->x, found, name, 1000), 0);
	ck_assert_str_eq(name, "bob");
	ck_assert_int_ne(xenmsg_name(alice->x, 0x12345678, name, 1000), 0);
	ck_assert_str_eq(name, "");

	ck_assert_int_eq(xenmsg_subscribe(alice->x, "bob"), 0);
	e = vm_event(alice, XENMSG_PEER_UP);
	ck_assert_uint_eq(e.addr, found);
	ck_assert_str_eq(e.name, "bob");
	vm_close(bob);
	e = vm_event(alice, XENMSG_PEER_DOWN);
	ck_assert_uint_eq(e.addr, found);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
	e = vm_event(alice, XENMSG_PEER_UP);
	ck_assert_uint_ne(e.addr, found);
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_unsubscribe(alice->x, "bob"), 0);
	ck_assert_int_eq(xenmsg_unsubscribe(alice->x, "bob"), -EINVAL);
	vm_close(bob);
	ck_assert_int_eq(vm_open(bob, NULL), 0);
	world_run(&w, 10);
	while (!xenmsg_event(alice->x, &e))
		ck_assert_int_ne(e.type, XENMSG_PEER_UP);
}
END_TEST

START_TEST(timeouts)
{
	struct xenmsg_msg *msg;
	uint64_t begin = sim_now();
	uint32_t found;

	vm_enter(alice);
	ck_assert_int_eq(xenmsg_recv(from, &msg, 0), -EAGAIN);
	ck_assert_uint_lt(sim_now() - begin, SIM_NSEC_PER_MSEC);
	ck_assert_int_eq(xenmsg_recv(from, &msg, 100), -ETIMEDOUT);
	ck_assert_uint_ge(sim_now() - begin, 100 * SIM_NSEC_PER_MSEC);
	ck_assert_int_eq(xenmsg_wait(alice->x, 0), 0);
	ck_assert_int_eq(xenmsg_wait(alice->x, 100), 0);
	world_broker_kill(&w);
	ck_assert_int_eq(xenmsg_resolve(alice->x, "bob", &found, NULL, 100), -ETIMEDOUT);
	ck_assert_int_eq(xenmsg_send(from, addr, 7, "late", 4, 0, NULL), 0);
	ck_assert_int_eq(xenmsg_flush(alice->x, 100), -ETIMEDOUT);
	ck_assert_int_eq(world_broker_start(&w), 0);
	vm_enter(alice);
	ck_assert_int_eq(xenmsg_flush(alice->x, 1000), 0);
	ck_assert_uint_eq(xenmsg_msg_len(vm_receive(bob, to)), 4);
}
END_TEST

START_TEST(statistics)
{
	struct xenmsg_stats s;
	uint64_t first[2];

	ck_assert_int_eq(vm_send(alice, from, addr, 7, 10, 1), 0);
	ck_assert_int_eq(vm_send(alice, from, addr, 7, 1000, 2), 0);
	ck_assert_int_eq(vm_flush(alice), 0);
	xenmsg_stats(alice->x, &s, sizeof(s));
	ck_assert_uint_eq(s.tx_messages, 2);
	ck_assert_uint_eq(s.tx_bytes, 1010);
	ck_assert_uint_eq(s.tx_inline, 1);
	ck_assert_uint_eq(s.tx_pooled, 1);
	/* A caller that knows less of it. */
	xenmsg_stats(alice->x, (struct xenmsg_stats *)(void *)first, sizeof(first));
	ck_assert_uint_eq(first[0], 2);
	ck_assert_uint_eq(first[1], 1010);
}
END_TEST

static void add_case(Suite *suite, const char *name, void (*with)(void))
{
	TCase *device = tcase_create(name), *ports = tcase_create(name);

	tcase_add_checked_fixture(device, with, teardown);
	tcase_add_test(device, port_numbers);
	tcase_add_test(device, port_options);
	tcase_add_test(device, names_and_peers);
	suite_add_tcase(suite, device);
	tcase_add_checked_fixture(ports, with, teardown);
	tcase_add_checked_fixture(ports, bind_ports, NULL);
	tcase_add_test(ports, closing_drops_what_came);
	tcase_add_test(ports, closing_keeps_what_was_sent);
	tcase_add_test(ports, gathers);
	tcase_add_test(ports, refuses_nonsense);
	tcase_add_test(ports, full_window);
	tcase_add_test(ports, buffers);
	tcase_add_test(ports, buffers_that_were_spoilt);
	tcase_add_test(ports, events_of_sends);
	tcase_add_test(ports, events_outlive_their_port);
	tcase_add_test(ports, events_are_bounded);
	tcase_add_test(ports, timeouts);
	tcase_add_test(ports, statistics);
	suite_add_tcase(suite, ports);
}

int main(void)
{
	Suite *suite = suite_create("lib-api");
	SRunner *runner;
	int failed;

	add_case(suite, "guests", setup);
	add_case(suite, "alice in domain 0", setup_alice_local);
	add_case(suite, "bob in domain 0", setup_bob_local);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
