// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libxenmsg over the kernel's driver: memory that is shared. Buffers in the TX
 * area, own pools and the room in them, pools of others.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/sim.h"
#include "tests/unit/fake-kernel.h"
#include "xenmsg.h"

#define PAGE 4096u
#define PEER 0x10007u

static domid_t guest, owner;
static struct sim_process *process, *others;
static struct xenmsg *x;
static struct xenmsg_port *port;
static struct fake_file *file;

static void setup(void)
{
	sim_init(1);
	guest = sim_domain_new("guest", SIM_PVH);
	owner = sim_domain_new("owner", SIM_PV);
	process = sim_process_new(guest, "app");
	others = sim_process_new(guest, "others");
	sim_enter(process);
	fake_init();
	ck_assert_int_eq(xenmsg_open(&x, NULL), 0);
	ck_assert_int_eq(xenmsg_port_open(x, 5, NULL, &port), 0);
	file = fake_port(5);
}

static void teardown(void)
{
	xenmsg_close(x);
	ck_assert_uint_eq(fake_open_files(), 0);
	ck_assert_uint_eq(sim_mapped_pages(owner), 0);
	fake_fini();
	sim_fini();
}

static bool readable(void)
{
	struct pollfd p = { .fd = xenmsg_fd(x), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* Whether a forked child has the memory at @va, too. */
static bool in_child(const void *va)
{
	int fds[2], status;
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid)
		_exit(write(fds[1], va, 1) == 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	close(fds[0]);
	close(fds[1]);
	return WEXITSTATUS(status);
}

static const struct fake_sent *last_sent(void)
{
	ck_assert_uint_gt(fake.nr_sent, 0);
	return &fake.sent[fake.nr_sent - 1];
}

/* ------------------------------------------------------------------ buffers */

static void fill(const struct xenmsg_buffer *b, char c)
{
	int i;

	for (i = 0; i < b->nr; i++)
		memset(b->iov[i].iov_base, c, b->iov[i].iov_len);
}

static void get_buffer(size_t len, struct xenmsg_buffer *b, char c)
{
	ck_assert_int_eq(xenmsg_buffer_get(port, len, b, 0), 0);
	ck_assert_int_eq(b->nr, (int)((len + PAGE - 1) / PAGE));
	fill(b, c);
}

static int send_buffer(struct xenmsg_buffer *b)
{
	return xenmsg_buffer_send(port, PEER, 7, b, 0, NULL);
}

/* What was sent last: @len bytes, all of them @c, in this way. */
static void check_last(size_t len, char c, unsigned int where)
{
	const struct fake_sent *sent = last_sent();

	ck_assert_uint_eq(sent->tx.len, len);
	ck_assert_int_eq(sent->bytes[0], c);
	ck_assert_int_eq(sent->bytes[len - 1], c);
	ck_assert_uint_eq(sent->tx.flags & (XENMSG_TX_AREA | XENMSG_TX_IOV), where);
}

START_TEST(area)
{
	struct xenmsg_buffer b[4], copy;
	struct xenmsg_event e;
	unsigned int i;

	for (i = 0; i < 3; i++)
		get_buffer(80000, &b[i], (char)('a' + i));
	copy = b[0];
	/* 60 of 64 pages: the next one is memory of ours, and copied. */
	get_buffer(80000, &b[3], 'd');
	for (i = 0; i < 4; i++) {
		ck_assert_int_eq(send_buffer(&b[i]), 0);
		check_last(80000, (char)('a' + i), i < 3 ? XENMSG_TX_AREA : 0);
		ck_assert_int_eq(send_buffer(&b[i]), -EINVAL);
	}
	/* Pages come back when the driver says so, and not before. */
	ck_assert_int_eq(send_buffer(&copy), -EINVAL);
	xenmsg_buffer_put(port, &copy);
	get_buffer(80000, &b[0], 'e');
	ck_assert_int_eq(send_buffer(&b[0]), 0);
	check_last(80000, 'e', 0);
	fake_answer(1, 0);
	get_buffer(80000, &b[0], 'f');
	ck_assert_int_eq(send_buffer(&b[0]), 0);
	check_last(80000, 'f', XENMSG_TX_AREA);
	/* Nobody asked to be told. */
	ck_assert_int_eq(xenmsg_event(x, &e), -EAGAIN);
	fake_answer(0, -EHOSTUNREACH);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_SEND_FAILED);
	ck_assert_int_eq(e.status, -EHOSTUNREACH);
	ck_assert_uint_eq(e.seq, 1);
	ck_assert_uint_eq(fake.calls[FAKE_CALL(XENMSG_IOC_AREA)], 1);
}
END_TEST

START_TEST(confirmed_from_area)
{
	struct xenmsg_buffer b;
	struct xenmsg_event e;
	uint64_t seq;

	get_buffer(10000, &b, 'a');
	ck_assert_int_eq(xenmsg_buffer_send(port, PEER, 7, &b, XENMSG_CONFIRM, &seq), 0);
	fake_answer(0, 0);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_SENT);
	ck_assert_uint_eq(e.seq, seq);
}
END_TEST

/* The many times the area's pages: all come back, sent, copied or put. */
START_TEST(area_goes_round)
{
	struct xenmsg_buffer b;
	unsigned int i;

	for (i = 0; i < 200; i++) {
		get_buffer(100000, &b, (char)i);
		if (i % 4 == 1) {
			xenmsg_buffer_put(port, &b);
			xenmsg_buffer_put(port, &b); /* harmless */
			continue;
		}
		if (i % 4 == 2)
			b.nr = 3;
		if (i % 4 == 3)
			b.iov[2].iov_len = 1; /* not in a row any more */
		ck_assert_int_eq(send_buffer(&b), 0);
		check_last(i % 4 == 2 ? 3 * PAGE :
			   i % 4 == 3 ? 100000 - 4095 :
					100000,
			   (char)i, i % 4 == 3 ? XENMSG_TX_IOV : XENMSG_TX_AREA);
		fake_answer(fake.nr_sent - 1, 0);
	}
}
END_TEST

START_TEST(less_area)
{
	struct xenmsg_buffer b;

	fake.area_limit = 20;
	get_buffer(16 * PAGE, &b, 'a'); /* 64, 32, 16 */
	ck_assert_uint_eq(file->area.nr_pages, 16);
	ck_assert_int_eq(send_buffer(&b), 0);
	check_last(16 * PAGE, 'a', XENMSG_TX_AREA);
	get_buffer(17 * PAGE, &b, 'b');
	ck_assert_int_eq(send_buffer(&b), 0);
	check_last(17 * PAGE, 'b', 0);
}
END_TEST

START_TEST(no_area)
{
	struct xenmsg_buffer b, large;
	unsigned int calls;

	fake.area_limit = 0;
	get_buffer(5000, &b, 'a');
	calls = fake.calls[FAKE_CALL(XENMSG_IOC_AREA)];
	ck_assert_int_eq(send_buffer(&b), 0);
	check_last(5000, 'a', 0);
	get_buffer(XENMSG_MESSAGE_MAX, &large, 'l');
	ck_assert_int_eq(send_buffer(&large), 0);
	check_last(XENMSG_MESSAGE_MAX, 'l', 0);
	get_buffer(40, &b, 's');
	ck_assert_int_eq(send_buffer(&b), 0);
	check_last(40, 's', 0);
	ck_assert_uint_eq(fake.calls[FAKE_CALL(XENMSG_IOC_AREA)], calls); /* not again */
	/* One that nobody sends goes with its port. */
	get_buffer(5000, &b, 'b');
}
END_TEST

START_TEST(area_cannot_be_mapped)
{
	struct xenmsg_buffer b;

	fake.mmap_error = -ENOMEM;
	get_buffer(5000, &b, 'a');
	ck_assert_int_eq(send_buffer(&b), 0);
	check_last(5000, 'a', 0);
}
END_TEST

START_TEST(spoilt_buffers)
{
	struct xenmsg_buffer b, bad;
	unsigned int kind;

	for (kind = 0; kind < 2; kind++) {
		get_buffer(kind ? 300000 : 10000, &b, 'a');
		bad = b;
		bad.nr = 0;
		ck_assert_int_eq(send_buffer(&bad), -EINVAL);
		bad.nr = b.nr + 1;
		ck_assert_int_eq(send_buffer(&bad), -EINVAL);
		bad = b;
		bad.iov[1].iov_len = 4097;
		ck_assert_int_eq(send_buffer(&bad), -EINVAL);
		bad.iov[1].iov_len = 0;
		ck_assert_int_eq(send_buffer(&bad), -EINVAL);
		bad = b;
		bad.iov[0].iov_base = &bad;
		ck_assert_int_eq(send_buffer(&bad), -EINVAL);
		bad = b;
		bad.opaque[0] = 100000;
		ck_assert_int_eq(send_buffer(&bad), -EINVAL);
		xenmsg_buffer_put(port, &bad);
		bad = b;
		bad.opaque[2] += 1;
		ck_assert_int_eq(send_buffer(&bad), -EINVAL);
		bad.opaque[2] = 100000;
		ck_assert_int_eq(send_buffer(&bad), -EINVAL);
		ck_assert_int_eq(send_buffer(&b), 0);
	}
}
END_TEST

/* Without room a buffer stays the caller's. */
START_TEST(buffer_without_room)
{
	struct xenmsg_buffer b;

	get_buffer(10000, &b, 'a');
	fake.no_room = true;
	ck_assert_int_eq(xenmsg_buffer_send(port, PEER, 7, &b, XENMSG_NONBLOCK, NULL), -EAGAIN);
	fake_room();
	ck_assert_int_eq(send_buffer(&b), 0);
	check_last(10000, 'a', XENMSG_TX_AREA);
}
END_TEST

/* -------------------------------------------------------------------- pools */

static int pool_status;

/* The receiver answers what is asked for. */
static bool answer_adds(void *arg)
{
	unsigned int *answered = arg;

	if (*answered == fake.calls[FAKE_CALL(XENMSG_IOC_POOL_ADD)])
		return false;
	++*answered;
	fake_pool_answer(file, 0, pool_status);
	return true;
}

static struct xenmsg_pool *open_pool(unsigned int pages)
{
	static unsigned int answered;
	static struct sim_actor *actor;
	struct xenmsg_pool *pool = NULL;

	if (!actor)
		actor = sim_actor_new(others, answer_adds, &answered);
	ck_assert_int_eq(xenmsg_pool_open(port, PEER, 7, pages * PAGE - 5, &pool, 1000), 0);
	ck_assert_uint_eq(file->pools[0].nr_pages, pages);
	ck_assert_uint_eq(file->added[0].addr, PEER);
	ck_assert_uint_eq(file->added[0].port, 7);
	return pool;
}

static char *get(struct xenmsg_pool *pool, size_t len, char c)
{
	void *data;

	ck_assert_int_eq(xenmsg_pool_get(pool, len, &data, XENMSG_NONBLOCK), 0);
	memset(data, c, len);
	return data;
}

START_TEST(rooms)
{
	struct xenmsg_pool *pool = open_pool(4);
	struct xenmsg_event e;
	uint64_t seq;
	void *data;
	char *a, *b;

	ck_assert_int_eq(xenmsg_pool_get(pool, 4 * PAGE + 1, &data, 0), -EMSGSIZE);
	a = get(pool, 5000, 'a');
	b = get(pool, 8000, 'b');
	ck_assert_int_eq(b - a, 2 * PAGE);
	ck_assert_int_eq(xenmsg_pool_get(pool, 1, &data, XENMSG_NONBLOCK), -EAGAIN);
	ck_assert_int_eq(xenmsg_pool_send(pool, a + 100, 9000, 0, NULL), -EINVAL);
	ck_assert_int_eq(xenmsg_pool_send(pool, a + 100, 4000, 0, &seq), 0);
	ck_assert_uint_eq(last_sent()->tx.data, 100);
	ck_assert_uint_eq(last_sent()->tx.nr, 0);
	ck_assert_uint_eq(last_sent()->tx.addr, PEER);
	ck_assert_uint_eq(last_sent()->tx.port, 7);
	ck_assert_uint_eq(last_sent()->tx.flags, XENMSG_TX_POOL | XENMSG_TX_CONFIRM);
	ck_assert_int_eq(last_sent()->bytes[3999], 'a');
	/* Sent: neither again, nor back. */
	ck_assert_int_eq(xenmsg_pool_send(pool, a, 5000, 0, NULL), -EINVAL);
	xenmsg_pool_put(pool, a);
	ck_assert_int_eq(xenmsg_pool_get(pool, 1, &data, XENMSG_NONBLOCK), -EAGAIN);
	/* What was not sent can be given back. */
	xenmsg_pool_put(pool, b + 4096);
	ck_assert_ptr_eq(get(pool, 8000, 'b'), b);
	/* The answer wakes who waits for room, and is nobody's event. */
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert(!readable());
	fake_answer(0, 0);
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_ptr_eq(get(pool, 8192, 'c'), a);
	ck_assert_int_eq(xenmsg_event(x, &e), -EAGAIN);
	/* Unless it was asked for, or is a failure. */
	ck_assert_int_eq(xenmsg_pool_send(pool, a, 10, XENMSG_CONFIRM, &seq), 0);
	ck_assert_int_eq(xenmsg_pool_send(pool, b, 10, 0, NULL), 0);
	fake_answer(1, 0);
	fake_answer(2, -ECONNREFUSED);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_SENT);
	ck_assert_uint_eq(e.seq, seq);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_SEND_FAILED);
	ck_assert_int_eq(e.status, -ECONNREFUSED);
	ck_assert_ptr_eq(get(pool, 4 * PAGE, 'd'), a);
}
END_TEST

static bool answer_first(void *arg)
{
	if (!fake.nr_sent || fake.sent[0].answered)
		return false;
	fake_answer(0, 0);
	return true;
}

START_TEST(get_waits)
{
	struct xenmsg_pool *pool = open_pool(1);
	char *a = get(pool, PAGE, 'a');
	void *data;

	ck_assert_int_eq(xenmsg_pool_send(pool, a, PAGE, 0, NULL), 0);
	sim_actor_new(others, answer_first, NULL);
	ck_assert_int_eq(xenmsg_pool_get(pool, PAGE, &data, 0), 0);
	ck_assert_ptr_eq(data, a);
}
END_TEST

/* The driver keeps 256 events. What got lost with them does not keep its room for ever. */
START_TEST(answers_are_lost)
{
	struct xenmsg_pool *pool = open_pool(300);
	struct xenmsg_event e;
	unsigned int i;
	void *data;

	for (i = 0; i < 300; i++)
		ck_assert_int_eq(xenmsg_pool_send(pool, get(pool, 10, 'a'), 10, 0, NULL), 0);
	for (i = 0; i < 299; i++)
		fake_answer(i, 0);
	ck_assert_int_eq(xenmsg_event(x, &e), 0);
	ck_assert_int_eq(e.type, XENMSG_LOST);
	/* 256 are back for sure; of the others it is not known which are. */
	ck_assert_int_eq(xenmsg_pool_get(pool, 257 * PAGE, &data, XENMSG_NONBLOCK), -EAGAIN);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	fake_answer(299, 0);
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_int_eq(xenmsg_pool_get(pool, 300 * PAGE, &data, XENMSG_NONBLOCK), 0);
}
END_TEST

START_TEST(refused_pool)
{
	struct xenmsg_pool *pool;
	unsigned int answered = 0;

	/* Nobody answers: it is given up, and the driver may delete it. */
	ck_assert_int_eq(xenmsg_pool_open(port, PEER, 7, PAGE, &pool, 10), -ETIMEDOUT);
	ck_assert_uint_eq(fake.nr_deleted, 1);
	answered = 1;
	sim_actor_new(others, answer_adds, &answered);
	pool_status = -EACCES;
	ck_assert_int_eq(xenmsg_pool_open(port, PEER, 7, PAGE, &pool, 10), -EACCES);
	pool_status = 0;
	fake.mmap_error = -ENOMEM;
	ck_assert_int_eq(xenmsg_pool_open(port, PEER, 7, PAGE, &pool, 10), -ENOMEM);
	ck_assert_uint_eq(fake.nr_deleted, 2);
	fake.error[FAKE_CALL(XENMSG_IOC_POOL_ADD)] = -EACCES;
	ck_assert_int_eq(xenmsg_pool_open(port, PEER, 7, PAGE, &pool, 10), -EACCES);
}
END_TEST

/* A pool that is closed goes when its messages are answered. */
START_TEST(pool_closes)
{
	struct xenmsg_pool *pool = open_pool(4), *other;

	ck_assert_int_eq(xenmsg_pool_send(pool, get(pool, 10, 'a'), 10, 0, NULL), 0);
	ck_assert_int_eq(xenmsg_pool_send(pool, get(pool, 10, 'b'), 10, 0, NULL), 0);
	xenmsg_pool_close(pool);
	ck_assert_uint_eq(fake.nr_deleted, 0);
	fake_answer(1, 0);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_uint_eq(fake.nr_deleted, 0);
	fake_answer(0, 0);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_uint_eq(fake.nr_deleted, 1);
	other = open_pool(2);
	xenmsg_pool_close(other);
	ck_assert_uint_eq(fake.nr_deleted, 2);
}
END_TEST

START_TEST(receiver_lets_go)
{
	struct xenmsg_uapi_event gone = { .type = XENMSG_EV_POOL_GONE, .slot = 1 };
	struct xenmsg_pool *pool = open_pool(4);
	char *a = get(pool, 10, 'a');
	void *data;

	/* Not ours. */
	fake_event(file, &gone);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	get(pool, 10, 'b');
	fake_pool_gone(file, 0);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_int_eq(xenmsg_pool_send(pool, a, 10, 0, NULL), -EHOSTDOWN);
	ck_assert_int_eq(xenmsg_pool_get(pool, 10, &data, 0), -EHOSTDOWN);
	memset(a, 'y', 10); /* still there */
	xenmsg_pool_close(pool);
}
END_TEST

/* A child that lives on must not keep the driver's file, nor its pages. */
START_TEST(not_for_children)
{
	struct xenmsg_pool *pool = open_pool(1);
	struct xenmsg_buffer b;
	char here = 'h';

	ck_assert(in_child(&here));
	ck_assert(!in_child(get(pool, 1, 'p')));
	get_buffer(10000, &b, 'a');
	ck_assert(!in_child(b.iov[2].iov_base));
	xenmsg_buffer_put(port, &b);
}
END_TEST

/* ---------------------------------------------------------- pools of others */

static uint32_t refs[4], directory, pages, directory_page;

/* The owner's pool of 4 pages, page i full of 'a' + i. */
static void grant_pool(void)
{
	unsigned int i;

	pages = sim_page_alloc(owner, 4);
	directory_page = sim_page_alloc(owner, 1);
	for (i = 0; i < 4; i++) {
		memset(sim_page(owner, pages + i), 'a' + (int)i, PAGE);
		refs[i] = sim_grant(owner, pages + i, guest, true);
		memcpy((char *)sim_page(owner, directory_page) + i * sizeof(refs[i]), &refs[i],
		       sizeof(refs[i]));
	}
	directory = sim_grant(owner, directory_page, guest, true);
}

static void announce(struct fake_file *at, uint32_t slot, uint32_t ref)
{
	const struct xenmsg_uapi_event map = {
		.type = XENMSG_EV_POOL_MAP,
		.slot = slot,
		.addr = 0x10000u | owner,
		.ref = ref,
		.nr_pages = 4,
	};

	fake_event(at, &map);
}

static void tell(uint32_t type, uint32_t slot, int status)
{
	const struct xenmsg_uapi_event event = { .type = type, .slot = slot, .status = status };

	fake_event(file, &event);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
}

static struct xenmsg_msg *receive(size_t len, char first, char last)
{
	struct xenmsg_msg *msg;
	struct iovec iov;

	ck_assert_int_eq(xenmsg_recv(port, &msg, 0), 0);
	ck_assert_int_eq(xenmsg_msg_is_mapped(msg), 1);
	ck_assert_int_eq(xenmsg_msg_iov(msg, &iov, 1), 1);
	ck_assert_uint_eq(iov.iov_len, len);
	ck_assert_int_eq(((char *)iov.iov_base)[0], first);
	ck_assert_int_eq(((char *)iov.iov_base)[len - 1], last);
	return msg;
}

START_TEST(maps_pools)
{
	struct xenmsg_msg *msgs[2];
	struct iovec iov;

	grant_pool();
	announce(file, 3, directory);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_uint_eq(fake.nr_mapped, 1);
	ck_assert_uint_eq(fake.mapped[0].slot, 3);
	ck_assert_int_eq(fake.mapped[0].status, 0);
	/* What the directory says now means nothing. */
	memset(sim_page(owner, directory_page), 0xff, PAGE);
	fake_deliver_mapped(file, 3, 4000, 2 * PAGE, 11);
	fake_deliver_mapped(file, 3, 3 * PAGE, PAGE, 12);
	fake_deliver(file, PEER, 10, 'x');
	msgs[0] = receive(2 * PAGE, 'a', 'c');
	ck_assert_int_eq(xenmsg_msg_iov(msgs[0], &iov, 1), 1);
	ck_assert(!in_child(iov.iov_base));
	msgs[1] = receive(PAGE, 'd', 'd');
	xenmsg_release(msgs[1]);
	ck_assert_uint_eq(file->nr_handles, 1);
	ck_assert_uint_eq(file->handles[0], 11);
	xenmsg_release(msgs[0]);
	ck_assert_uint_eq(file->nr_handles, 0);
	ck_assert_int_eq(xenmsg_recv(port, &msgs[0], 0), 0);
	ck_assert_int_eq(xenmsg_msg_is_mapped(msgs[0]), 0);
	ck_assert_uint_eq(sim_mapped_pages(owner), 4);
	tell(XENMSG_EV_POOL_UNMAP, 3, 0);
	ck_assert_uint_eq(sim_mapped_pages(owner), 0);
}
END_TEST

/* Its owner is dead: what is held stays readable, nothing of the owner's is mapped. */
START_TEST(detaches_pools)
{
	struct xenmsg_msg *msg;

	grant_pool();
	announce(file, 3, directory);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	fake_deliver_mapped(file, 3, 0, 2 * PAGE, 11);
	msg = receive(2 * PAGE, 'a', 'b');
	tell(XENMSG_EV_POOL_UNMAP, 3, -EBUSY);
	ck_assert_uint_eq(sim_mapped_pages(owner), 0);
	memset(sim_page(owner, pages), 'z', PAGE);
	{
		char c;

		ck_assert_uint_eq(xenmsg_copy(msg, 0, &c, 1), 1);
		ck_assert_int_eq(c, 'a');
	}
	xenmsg_release(msg);
	tell(XENMSG_EV_POOL_FREE, 3, 0);
	/* Its number may be another one's. */
	announce(file, 3, directory);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_int_eq(fake.mapped[1].status, 0);
}
END_TEST

START_TEST(refuses_pools)
{
	grant_pool();
	announce(file, 3, 99999);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_int_eq(fake.mapped[0].status, -EFAULT);
	/* No gntdev, no map mode. */
	sim_fail_nth(process, SIM_CALL_GNTTAB_OPEN, 1, EACCES);
	announce(file, 4, directory);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_uint_eq(fake.mapped[1].slot, 4);
	ck_assert_int_eq(fake.mapped[1].status, -EACCES);
	/* The driver does not want it any more. */
	fake.error[FAKE_CALL(XENMSG_IOC_POOL_MAPPED)] = -EINVAL;
	announce(file, 5, directory);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_uint_eq(sim_mapped_pages(owner), 0);
	/* Messages of a pool that is not mapped here go back. */
	fake_deliver_mapped(file, 5, 0, PAGE, 12);
	{
		struct xenmsg_msg *msg;

		ck_assert_int_eq(xenmsg_recv(port, &msg, 0), -EAGAIN);
	}
	ck_assert_uint_eq(file->nr_handles, 0);
}
END_TEST

/* The driver bounds what is held; then a release goes on, and the descriptor says so. */
START_TEST(too_many_held)
{
	struct xenmsg_msg *msgs[3], *msg;
	unsigned int i;

	fake.held_max = 2;
	grant_pool();
	announce(file, 3, directory);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	for (i = 0; i < 3; i++)
		fake_deliver_mapped(file, 3, i * PAGE, PAGE, 10 + i);
	fake_deliver(file, PEER, 10, 'x');
	for (i = 0; i < 2; i++)
		msgs[i] = receive(PAGE, (char)('a' + i), (char)('a' + i));
	ck_assert_int_eq(xenmsg_recv(port, &msg, 0), -EAGAIN);
	ck_assert_int_eq(xenmsg_recv(port, &msg, 10), -ETIMEDOUT);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert(!readable());
	xenmsg_release(msgs[0]);
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	msgs[2] = receive(PAGE, 'c', 'c');
	ck_assert_int_eq(xenmsg_recv(port, &msg, 0), 0);
	ck_assert_int_eq(xenmsg_msg_is_mapped(msg), 0);
	xenmsg_release(msg);
	ck_assert_int_eq(xenmsg_recv(port, &msg, 0), -EAGAIN);
	xenmsg_release(msgs[1]);
	xenmsg_release(msgs[2]);
	ck_assert_uint_eq(file->nr_handles, 0);
}
END_TEST

/* A port that closes lets go of them first. */
START_TEST(port_closes_with_pools)
{
	struct xenmsg_pool *pool = open_pool(4);

	grant_pool();
	announce(file, 3, directory);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	fake_deliver_mapped(file, 3, 0, PAGE, 11);
	receive(PAGE, 'a', 'a');
	ck_assert_int_eq(xenmsg_pool_send(pool, get(pool, 10, 'a'), 10, 0, NULL), 0);
	xenmsg_port_close(port);
	ck_assert_uint_eq(sim_mapped_pages(owner), 0);
	/* One that is announced only now is refused. */
	announce(file, 4, directory);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert_uint_eq(fake.mapped[1].slot, 4);
	ck_assert_int_eq(fake.mapped[1].status, -ECONNREFUSED);
	ck_assert_uint_eq(fake_open_files(), 2);
	fake_answer(0, 0);
	ck_assert_int_eq(xenmsg_flush(x, 10), 0);
	ck_assert_uint_eq(fake_open_files(), 1);
}
END_TEST

static bool announce_once(void *arg)
{
	bool *done = arg;

	if (*done)
		return false;
	*done = true;
	announce(file, 3, directory);
	return true;
}

/* Whatever the application waits for, pools are mapped meanwhile. */
START_TEST(maps_while_it_waits)
{
	struct xenmsg_pool *pool;
	struct xenmsg_msg *msg;
	bool done = false;
	unsigned int way;

	grant_pool();
	sim_actor_new(others, announce_once, &done);
	for (way = 0; way < 4; way++) {
		done = false;
		if (way == 0)
			ck_assert_int_eq(xenmsg_recv(port, &msg, 10), -ETIMEDOUT);
		else if (way == 1)
			ck_assert_int_eq(xenmsg_pool_open(port, PEER, 7, PAGE, &pool, 10),
					 -ETIMEDOUT);
		else if (way == 2)
			ck_assert_int_eq(xenmsg_send(port, PEER, 7, "x", 1, 0, NULL), 0);
		if (way == 2)
			ck_assert_int_eq(xenmsg_flush(x, 10), -ETIMEDOUT);
		if (way == 3)
			ck_assert_int_eq(xenmsg_wait(x, 10), 1);
		ck_assert_uint_eq(fake.nr_mapped, way + 1);
		tell(XENMSG_EV_POOL_UNMAP, 3, 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lib-kernel-pages");
	TCase *tcase = tcase_create("pages");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, area);
	tcase_add_test(tcase, confirmed_from_area);
	tcase_add_test(tcase, area_goes_round);
	tcase_add_test(tcase, less_area);
	tcase_add_test(tcase, no_area);
	tcase_add_test(tcase, area_cannot_be_mapped);
	tcase_add_test(tcase, spoilt_buffers);
	tcase_add_test(tcase, buffer_without_room);
	tcase_add_test(tcase, rooms);
	tcase_add_test(tcase, get_waits);
	tcase_add_test(tcase, answers_are_lost);
	tcase_add_test(tcase, refused_pool);
	tcase_add_test(tcase, pool_closes);
	tcase_add_test(tcase, receiver_lets_go);
	tcase_add_test(tcase, not_for_children);
	tcase_add_test(tcase, maps_pools);
	tcase_add_test(tcase, detaches_pools);
	tcase_add_test(tcase, refuses_pools);
	tcase_add_test(tcase, too_many_held);
	tcase_add_test(tcase, port_closes_with_pools);
	tcase_add_test(tcase, maps_while_it_waits);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
