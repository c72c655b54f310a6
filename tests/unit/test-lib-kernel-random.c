// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libxenmsg over the kernel's driver, at random: a program that looks only when
 * its descriptor says so misses nothing, and is not woken for nothing without
 * end; messages come once and in order; what was sent comes back.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"
#include "tests/unit/fake-kernel.h"
#include "xenmsg.h"

#define PEER  0x10007u
#define PORTS 3
#define HELD  64
#define STEPS 1000
#define SEEDS 20
/* Rounds of an application's loop that may go by without anything new. */
#define ROUNDS_MAX 40

struct endpoint {
	struct xenmsg_port *port;
	struct fake_file *file;
	struct xenmsg_msg *held[HELD];
	unsigned int nr_held;
	uint64_t delivered, seen; /* numbers of messages */
	bool blocked;		  /* a send got -EAGAIN */
	struct xenmsg_pool *pool; /* NULL: it could not be opened */
	bool crowded;		  /* there was no room in it */
};

static struct xenmsg *x;
static struct endpoint ends[PORTS];
static unsigned int confirmed, told, answered;
static bool answers_lost, ending;
static unsigned int seed;

static unsigned int below(unsigned int n)
{
	return (unsigned int)rand_r(&seed) % n;
}

/* Receivers map what they are asked to. */
static bool answer_adds(void *arg)
{
	bool any = false;
	unsigned int i;
	uint32_t id;

	for (i = 0; i < FAKE_FILES; i++) {
		for (id = 0; id < FAKE_POOLS; id++) {
			struct fake_pool_state *state = &fake.files[i].pool_state[id];

			if (!fake.files[i].pools[id].nr_pages || !state->await || state->told)
				continue;
			fake_pool_answer(&fake.files[i], id, 0);
			any = true;
		}
	}
	return any;
}

static void setup(void)
{
	domid_t guest;

	sim_init(1);
	guest = sim_domain_new("guest", SIM_PVH);
	sim_actor_new(sim_process_new(guest, "others"), answer_adds, NULL);
	sim_enter(sim_process_new(guest, "app"));
	fake_init();
	memset(ends, 0, sizeof(ends));
	confirmed = told = answered = 0;
	answers_lost = ending = false;
	ck_assert_int_eq(xenmsg_open(&x, NULL), 0);
}

static void teardown(void)
{
	xenmsg_close(x);
	ck_assert_uint_eq(fake_open_files(), 0);
	fake_fini();
	sim_fini();
}

static bool readable(void)
{
	struct pollfd p = { .fd = xenmsg_fd(x), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* -------------------------------------------------------------- application */

static void take(struct endpoint *end, struct xenmsg_msg *msg)
{
	uint64_t number;

	ck_assert_uint_ge(xenmsg_msg_len(msg), sizeof(number));
	ck_assert_uint_eq(xenmsg_copy(msg, 0, &number, sizeof(number)), sizeof(number));
	ck_assert_uint_eq(number, ++end->seen);
	if (!ending && end->nr_held < HELD && below(4) == 0)
		end->held[end->nr_held++] = msg;
	else
		xenmsg_release(msg);
}

/* One try. */
static bool receive(struct endpoint *end)
{
	struct xenmsg_msg *msg;
	int r = xenmsg_recv(end->port, &msg, 0);

	if (!r)
		take(end, msg);
	else if (r != -EHOSTDOWN)
		ck_assert_int_eq(r, -EAGAIN);
	return !r;
}

static void release(struct endpoint *end)
{
	unsigned int i;

	if (!end->nr_held)
		return;
	i = below(end->nr_held);
	xenmsg_release(end->held[i]);
	end->held[i] = end->held[--end->nr_held];
}

static bool fetch_event(void)
{
	struct xenmsg_event e;
	int r = xenmsg_event(x, &e);

	if (r) {
		ck_assert_int_eq(r, -EAGAIN);
		return false;
	}
	if (e.type == XENMSG_SENT)
		told++;
	answers_lost |= e.type == XENMSG_LOST;
	return true;
}

static int send_buffer(struct endpoint *end, unsigned int flags)
{
	struct xenmsg_buffer b;
	int r;

	ck_assert_int_eq(xenmsg_buffer_get(end->port, 1 + below(60000), &b, 0), 0);
	memset(b.iov[0].iov_base, 'b', b.iov[0].iov_len);
	r = xenmsg_buffer_send(end->port, PEER, 7, &b, flags, NULL);
	if (r)
		xenmsg_buffer_put(end->port, &b);
	return r;
}

static void send_something(struct endpoint *end)
{
	unsigned int flags = XENMSG_NONBLOCK | (below(2) ? XENMSG_LAZY : 0) |
			     (below(2) ? XENMSG_CONFIRM : 0);
	int r;

	if (fake.nr_sent + 1 >= FAKE_SENT)
		return;
	if (below(2))
		r = send_buffer(end, flags);
	else
		r = xenmsg_send(end->port, PEER, 7, "s", 1, flags, NULL);
	if (!r)
		confirmed += !!(flags & XENMSG_CONFIRM);
	else if (r != -EHOSTDOWN)
		ck_assert_int_eq(r, -EAGAIN);
	end->blocked = r == -EAGAIN;
}

static void open_pool(struct endpoint *end)
{
	int r = xenmsg_pool_open(end->port, PEER, 7, 16 * 4096, &end->pool, 100);

	end->crowded = false;
	if (!r)
		return;
	ck_assert_int_eq(r, -EHOSTDOWN);
	end->pool = NULL;
}

static int try_pool(struct endpoint *end, unsigned int flags)
{
	void *data;
	int r = xenmsg_pool_get(end->pool, 1 + below(20000), &data, XENMSG_NONBLOCK);

	end->crowded = r == -EAGAIN;
	if (r)
		return r;
	memset(data, 'p', 1);
	r = xenmsg_pool_send(end->pool, data, 1, flags, NULL);
	if (r)
		xenmsg_pool_put(end->pool, data);
	return r;
}

static void use_pool(struct endpoint *end)
{
	unsigned int flags = XENMSG_NONBLOCK | (below(2) ? XENMSG_CONFIRM : 0);
	int r;

	if (fake.nr_sent + 1 >= FAKE_SENT)
		return;
	if (!end->pool)
		open_pool(end);
	if (!end->pool)
		return;
	r = try_pool(end, flags);
	if (!r)
		confirmed += !!(flags & XENMSG_CONFIRM);
	end->blocked = r == -EAGAIN && !end->crowded;
	if (r == -EHOSTDOWN || below(50) == 0) {
		xenmsg_pool_close(end->pool);
		end->pool = NULL;
		end->crowded = false;
	}
}

/* Closes it, and opens it anew. */
static void change_port(struct endpoint *end)
{
	struct xenmsg_bind bind = { .size = sizeof(bind), .buffer = 256 << 10 };
	uint32_t number = xenmsg_port_number(end->port);

	if (fake.gone)
		return;
	fake.slow_unbinds = below(3);
	xenmsg_port_close(end->port);
	memset(end, 0, sizeof(*end));
	ck_assert_int_eq(xenmsg_port_open(x, number, &bind, &end->port), 0);
	fake.slow_unbinds = 0;
	end->file = fake_port(number);
}

/* What xenmsg.h says to do after xenmsg_dispatch(). */
static void look_everywhere(void)
{
	unsigned int i;

	for (i = 0; i < PORTS; i++)
		while (receive(&ends[i]))
			;
	while (fetch_event())
		;
	for (i = 0; i < PORTS; i++) {
		if (ends[i].blocked)
			send_something(&ends[i]);
		if (ends[i].crowded)
			use_pool(&ends[i]);
	}
}

static void app_loop(void)
{
	unsigned int rounds = 0;

	while (readable()) {
		ck_assert_uint_lt(rounds++, ROUNDS_MAX);
		if (below(2))
			ck_assert_int_eq(xenmsg_dispatch(x), fake.gone ? -EHOSTDOWN : 0);
		else
			ck_assert_int_eq(xenmsg_wait(x, 0), fake.gone ? -EHOSTDOWN : 1);
		look_everywhere();
	}
}

/* Something else that an application may do at any time. */
static void app_step(void)
{
	struct endpoint *end = &ends[below(PORTS)];

	switch (below(10)) {
	case 7:
		if (below(20) == 0)
			change_port(end);
		break;
	case 8:
	case 9:
		use_pool(end);
		break;
	case 0:
		receive(end);
		break;
	case 1:
		fetch_event();
		break;
	case 2:
		xenmsg_flush(x, 0);
		break;
	case 3:
		release(end);
		break;
	default:
		send_something(end);
		break;
	}
}

/* -------------------------------------------------------------------- driver */

static void deliver(struct endpoint *end)
{
	size_t len = below(8) ? 8 + below(3000) : 8 + below(200000);
	struct fake_msg *m;

	if (fake.gone || end->file->nr_msgs == FAKE_QUEUE)
		return;
	end->delivered++;
	fake_deliver(end->file, PEER, len, 'd');
	m = &end->file->queue[(end->file->first_msg + end->file->nr_msgs - 1) % FAKE_QUEUE];
	memcpy(m->bytes, &end->delivered, sizeof(end->delivered));
}

static void answer(void)
{
	unsigned int i;

	for (i = answered; i < fake.nr_sent; i++)
		if (!fake.sent[i].answered && below(3) == 0)
			fake_answer(i, below(5) ? 0 : -ECONNREFUSED);
	while (answered < fake.nr_sent && fake.sent[answered].answered)
		answered++;
}

static void peer_up(void)
{
	const struct xenmsg_uapi_event up = {
		.type = XENMSG_EV_PEER_UP,
		.addr = PEER,
		.name_len = 3,
		.name = "bob",
	};

	fake_event(&fake.files[0], &up);
}

static void driver_step(void)
{
	switch (below(12)) {
	case 0:
		fake.no_room = true;
		break;
	case 1:
		fake_room();
		break;
	case 2:
		peer_up();
		break;
	case 3:
		if (fake.gone)
			fake_back(below(2) ? 0x10005 : 0x20005);
		else if (below(8) == 0)
			fake_gone();
		break;
	case 4:
	case 5:
	case 6:
		answer();
		break;
	default:
		deliver(&ends[below(PORTS)]);
		break;
	}
}

/* --------------------------------------------------------------------- check */

/* Unanswered messages in pools of it. */
static unsigned int in_pools(const struct endpoint *end)
{
	unsigned int i, n = 0;

	for (i = answered; i < fake.nr_sent; i++)
		n += fake.sent[i].file == end->file && !fake.sent[i].answered &&
		     (fake.sent[i].tx.flags & XENMSG_TX_POOL);
	return n;
}

/* The descriptor is quiet: there is nothing that it should tell of. */
static void check_quiet(void)
{
	struct xenmsg_event e;
	unsigned int i;

	ck_assert(!xenmsg_reason(x) == !fake.gone);
	for (i = 0; i < PORTS; i++) {
		struct endpoint *end = &ends[i];

		/* Only those that there is no room for. */
		ck_assert(!end->file->nr_msgs || end->nr_held);
		ck_assert_uint_eq(end->file->nr_events, 0);
		ck_assert_uint_eq(end->file->nr_states, 0);
		ck_assert(!end->file->lost);
		ck_assert(!end->blocked || fake.no_room);
		ck_assert(!end->crowded || in_pools(end) > 0);
	}
	ck_assert_uint_eq(fake.files[0].nr_states, 0);
	ck_assert_int_eq(xenmsg_event(x, &e), -EAGAIN);
}

static void open_ports(void)
{
	struct xenmsg_bind bind = { .size = sizeof(bind), .buffer = 256 << 10 };
	uint32_t i;

	for (i = 0; i < PORTS; i++) {
		ck_assert_int_eq(xenmsg_port_open(x, 5 + i, &bind, &ends[i].port), 0);
		ends[i].file = fake_port(5 + i);
	}
	(void)readable(); /* from now on the application has the descriptor */
}

/* Everything is answered, released and fetched. */
static void wind_up(void)
{
	unsigned int i;

	ending = true;
	if (fake.gone)
		fake_back(0x10005);
	fake_room();
	for (i = 0; i < PORTS; i++)
		ends[i].blocked = ends[i].crowded = false;
	while (answered < fake.nr_sent)
		answer();
	for (i = 0; i < PORTS; i++)
		while (ends[i].nr_held)
			release(&ends[i]);
	xenmsg_flush(x, 1000);
	app_loop();
	check_quiet();
	for (i = 0; i < PORTS; i++) {
		ck_assert_uint_eq(ends[i].seen, ends[i].delivered);
	}
	if (!answers_lost)
		ck_assert_uint_eq(told, confirmed);
	ck_assert_int_eq(xenmsg_flush(x, 0), 0);
}

START_TEST(at_random)
{
	unsigned int i, n;

	seed = (unsigned int)_i + 1;
	open_ports();
	for (i = 0; i < STEPS; i++) {
		for (n = below(4); n; n--)
			driver_step();
		for (n = below(4); n; n--)
			app_step();
		if (below(3) == 0) {
			app_loop();
			check_quiet();
		}
	}
	wind_up();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lib-kernel-random");
	TCase *tcase = tcase_create("random");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, at_random, 0, SEEDS);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
