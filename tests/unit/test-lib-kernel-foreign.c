// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libxenmsg over the kernel's driver: pools of others. Mapping them whenever the
 * driver asks for it, messages in them, and letting go of them.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/kernel-pages.h"

static domid_t guest, owner;

static void setup_owner(void)
{
	setup_port();
	guest = sim_process_domid(process);
	owner = sim_domain_new("owner", SIM_PV);
}

static void teardown_owner(void)
{
	xenmsg_close(x);
	x = NULL;
	ck_assert_uint_eq(sim_mapped_pages(owner), 0);
	teardown();
}

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

static struct xenmsg_msg *receive_mapped(size_t len, char first, char last)
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
	msgs[0] = receive_mapped(2 * PAGE, 'a', 'c');
	ck_assert_int_eq(xenmsg_msg_iov(msgs[0], &iov, 1), 1);
	ck_assert(!in_child(iov.iov_base));
	msgs[1] = receive_mapped(PAGE, 'd', 'd');
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
	/* Its owner waits for that. */
	ck_assert_uint_eq(fake.nr_mapped, 2);
	ck_assert_uint_eq(fake.mapped[1].slot, 3);
	ck_assert_int_eq(fake.mapped[1].status, -ECONNREFUSED);
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
	msg = receive_mapped(2 * PAGE, 'a', 'b');
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
		msgs[i] = receive_mapped(PAGE, (char)('a' + i), (char)('a' + i));
	ck_assert_int_eq(xenmsg_recv(port, &msg, 0), -EAGAIN);
	ck_assert_int_eq(xenmsg_recv(port, &msg, 10), -ETIMEDOUT);
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	ck_assert(!readable());
	xenmsg_release(msgs[0]);
	ck_assert(readable());
	ck_assert_int_eq(xenmsg_dispatch(x), 0);
	msgs[2] = receive_mapped(PAGE, 'c', 'c');
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
	receive_mapped(PAGE, 'a', 'a');
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
		ck_assert_uint_eq(fake.nr_mapped, 2 * way + 1);
		tell(XENMSG_EV_POOL_UNMAP, 3, 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lib-kernel-foreign");
	TCase *tcase = tcase_create("foreign");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup_owner, teardown_owner);
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
