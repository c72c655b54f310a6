/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of libxenmsg over the kernel's driver that are about memory which is
 * shared: what was sent from it, who else has it, and a pool whose receiver
 * answers, with room in it.
 */
#ifndef KERNEL_PAGES_H
#define KERNEL_PAGES_H

#include <check.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/kernel-bed.h"

#define PAGE 4096u

/* Whether a forked child has the memory at @va, too. */
static inline bool in_child(const void *va)
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

/* The message that was sent last. */
static inline const struct fake_sent *last_sent(void)
{
	ck_assert_uint_gt(fake.nr_sent, 0);
	return &fake.sent[fake.nr_sent - 1];
}

/* The receiver's answer to the pools that are asked for. */
static int pool_status;

/* The receiver answers what is asked for. */
static inline bool answer_adds(void *arg)
{
	unsigned int *answered = arg;

	if (*answered == fake.calls[FAKE_CALL(XENMSG_IOC_POOL_ADD)])
		return false;
	++*answered;
	fake_pool_answer(file, 0, pool_status);
	return true;
}

/* A pool of the port's for port 7 of the peer. */
static inline struct xenmsg_pool *open_pool(unsigned int pages)
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

/* Room of @len bytes, all of them @c; there must be some. */
static inline char *get(struct xenmsg_pool *pool, size_t len, char c)
{
	void *data;

	ck_assert_int_eq(xenmsg_pool_get(pool, len, &data, XENMSG_NONBLOCK), 0);
	memset(data, c, len);
	return data;
}

#endif
