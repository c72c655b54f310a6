/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evil-process: random calls. Some threads share a few files, which they close
 * and open while others use them, and one page of arguments, which they change
 * while calls read it. What the calls return does not matter; that the kernel
 * stays whole does.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "tests/xen/evil-process.h"

#define FILES	12
#define THREADS 4
#define FIRST	100 /* descriptor */
#define MEMORY	(64 * EVIL_PAGE)
#define GUARD	(64u << 20)

struct fuzz {
	uint32_t peer, own;
	int64_t end;
	char *memory; /* shared by all; calls alone touch it, as it may not be there */
	struct iovec iov[4];
	atomic_ulong calls, good;
};

struct thread {
	pthread_t thread;
	struct fuzz *f;
	uint64_t state;
};

static uint32_t draw(struct thread *t)
{
	t->state = t->state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(t->state >> 33);
}

/* Mostly below @n, at times anything. */
static uint32_t about(struct thread *t, uint32_t n)
{
	static const uint32_t odd[] = { 0, 1, 255, 256, 4095, 4096, 65535, 1u << 20, 1u << 31, ~0u };

	return draw(t) % 16 ? draw(t) % n : odd[draw(t) % 10];
}

static uint64_t place(struct thread *t)
{
	static const uint64_t odd[] = { 0, 1, 1ull << 47, ~0ull, ~0xfffull };

	if (draw(t) % 16 == 0)
		return odd[draw(t) % 5];
	return (uintptr_t)t->f->memory + draw(t) % MEMORY;
}

static uint32_t address(struct thread *t)
{
	return draw(t) % 8 ? t->f->own : draw(t) % 2 ? t->f->peer : about(t, 1000);
}

/* Calls that could sleep for long do so rarely. */
static int32_t time_given(struct thread *t)
{
	return draw(t) % 32 ? 0 : (int32_t)(draw(t) % 30);
}

static int send_some(struct thread *t, int fd)
{
	struct xenmsg_uapi_tx tx[20];
	struct xenmsg_uapi_send s = { .nr = about(t, 20), .timeout = time_given(t) };
	struct iovec *iov = t->f->iov;
	unsigned int i;

	for (i = 0; i < 20; i++) {
		tx[i] = (struct xenmsg_uapi_tx){
			.data = place(t),
			.len = about(t, draw(t) % 4 ? 100 : 40000),
			.addr = address(t),
			.port = 1 + about(t, FILES),
			.flags = (uint16_t)(draw(t) % 4),
			.cookie = i,
		};
		switch (draw(t) % 8) {
		case 0:
			tx[i].flags |= XENMSG_TX_AREA;
			tx[i].data = about(t, 16 * EVIL_PAGE);
			break;
		case 1:
			tx[i].flags |= XENMSG_TX_POOL;
			tx[i].nr = (uint16_t)about(t, 8);
			tx[i].data = about(t, 8 * EVIL_PAGE);
			break;
		case 2:
			tx[i].flags |= XENMSG_TX_IOV;
			tx[i].nr = (uint16_t)about(t, 4);
			tx[i].data = (uintptr_t)iov;
			iov[draw(t) % 4] =
				(struct iovec){ (void *)(uintptr_t)place(t), about(t, 300) };
			break;
		default:
			break;
		}
	}
	s.msgs = draw(t) % 8 ? (uintptr_t)tx : place(t);
	return evil_call(fd, XENMSG_IOC_SEND, &s);
}

static int receive_some(struct thread *t, int fd)
{
	struct xenmsg_uapi_recv q = {
		.msgs = place(t),
		.buffer = place(t),
		.buffer_len = about(t, 50000),
		.nr = about(t, 40),
		.timeout = time_given(t),
	};
	struct xenmsg_uapi_release r = { .handles = place(t), .nr = about(t, 20) };
	struct xenmsg_uapi_events v = { .events = place(t), .nr = about(t, 40) };
	uint32_t handle = about(t, 20);

	switch (draw(t) % 4) {
	case 0:
		if (draw(t) % 2)
			r = (struct xenmsg_uapi_release){ .handles = (uintptr_t)&handle, .nr = 1 };
		return evil_call(fd, XENMSG_IOC_RELEASE, &r);
	case 1:
		v.timeout = time_given(t);
		return evil_call(fd, XENMSG_IOC_EVENTS, &v);
	default:
		return evil_call(fd, XENMSG_IOC_RECV, &q);
	}
}

static int pool_some(struct thread *t, int fd)
{
	struct xenmsg_uapi_pool_mapped m = {
		.slot = about(t, 20),
		.status = draw(t) % 2 ? 0 : -(int32_t)(draw(t) % 40),
	};
	struct xenmsg_uapi_pool_del d = { .id = about(t, 10), .timeout = time_given(t) };
	uint32_t id;

	switch (draw(t) % 4) {
	case 0:
		return evil_call(fd, XENMSG_IOC_POOL_DEL, &d);
	case 1:
		return evil_pool_add(fd, address(t), 1 + about(t, FILES), about(t, 8),
				     time_given(t), &id);
	default:
		return evil_call(fd, XENMSG_IOC_POOL_MAPPED, &m);
	}
}

static int name_some(struct thread *t, int fd)
{
	static const char *const names[] = { "bob", "alice", "nobody", "svc@bob", "@", "a b", "" };
	const char *name = names[draw(t) % 7];
	struct xenmsg_uapi_name q = { .addr = address(t), .timeout = time_given(t) };

	switch (draw(t) % 3) {
	case 0:
		return evil_resolve(fd, name, time_given(t));
	case 1:
		return evil_subscribe(fd, name, draw(t) % 3, time_given(t));
	default:
		return evil_call(fd, XENMSG_IOC_NAME, &q);
	}
}

static int memory_some(struct thread *t, int fd)
{
	uint64_t at = (uintptr_t)t->f->memory + (uint64_t)(draw(t) % 64) * EVIL_PAGE;
	uint64_t offset = draw(t) % 2 ? XENMSG_MMAP_AREA : XENMSG_MMAP_POOL(about(t, 8));
	size_t len = (size_t)(1 + draw(t) % 4) * EVIL_PAGE;
	void *va;

	switch (draw(t) % 4) {
	case 0: /* pages go away while calls use them, and come back as zeroes */
		return madvise((void *)(uintptr_t)at, EVIL_PAGE, MADV_DONTNEED) ? errno : 0;
	case 1:
		return mprotect((void *)(uintptr_t)at, EVIL_PAGE,
				draw(t) % 4 ? PROT_READ | PROT_WRITE : PROT_NONE) ?
			       errno :
			       0;
	default:
		va = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
		if (va == MAP_FAILED)
			return errno;
		*(volatile char *)va = 1;
		return munmap(va, draw(t) % 2 ? len : EVIL_PAGE) ? errno : 0;
	}
}

static int file_some(struct thread *t, int fd)
{
	struct xenmsg_uapi_flush f = { .timeout = time_given(t) };
	struct xenmsg_uapi_info info = { .timeout = time_given(t) };
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLPRI };
	int fresh;

	switch (draw(t) % 8) {
	case 0:
		fresh = evil_open();
		dup3(fresh, fd, O_CLOEXEC);
		close(fresh);
		return 0;
	case 1:
		return evil_unbind(fd, time_given(t));
	case 2:
		return evil_call(fd, XENMSG_IOC_FLUSH, &f);
	case 3:
		return evil_call(fd, XENMSG_IOC_INFO, &info);
	case 4:
		return evil_area(fd, about(t, 8));
	case 5:
		return poll(&p, 1, time_given(t)) < 0 ? errno : 0;
	default:
		return evil_bind(fd, 1 + about(t, FILES), draw(t) % 2 ? 0 : 20);
	}
}

static int any_request(struct thread *t, int fd)
{
	unsigned int nr = draw(t) % 8 ? 0xa0 + draw(t) % 16 : draw(t) % 256;

	return evil_call(fd, _IOC(draw(t) % 4, 'X', nr, draw(t) % 200),
			 (void *)(uintptr_t)place(t));
}

static void *work(void *arg)
{
	static int (*const what[])(struct thread *, int) = {
		send_some, send_some, receive_some, receive_some, pool_some,
		name_some, file_some, file_some,    memory_some,  any_request,
	};
	struct thread *t = arg;

	while (now_ms() < t->f->end) {
		int r = what[draw(t) % 10](t, FIRST + (int)(draw(t) % FILES));

		t->f->calls++;
		t->f->good += !r;
	}
	return NULL;
}

int evil_fuzz(uint32_t peer, uint32_t own, int ms)
{
	struct fuzz f = { .peer = peer, .own = own, .end = now_ms() + ms };
	struct thread threads[THREADS];
	int i, fd;

	/* Behind it is nothing, however much is received there. */
	f.memory = mmap(NULL, MEMORY + GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (f.memory == MAP_FAILED || mprotect(f.memory, MEMORY, PROT_READ | PROT_WRITE))
		return 1;
	for (i = 0; i < FILES; i++) {
		fd = evil_open();
		if (dup3(fd, FIRST + i, O_CLOEXEC) < 0)
			return 1;
		close(fd);
		evil_bind(FIRST + i, 1 + (uint32_t)i, 1000);
	}
	for (i = 0; i < THREADS; i++) {
		threads[i] = (struct thread){ .f = &f, .state = 1000 + (uint64_t)i };
		pthread_create(&threads[i].thread, NULL, work, &threads[i]);
	}
	/* Some may sleep for ever, as what they passed said so: they end with the process. */
	while (now_ms() < f.end) {
		usleep(200000);
		printf("%lu calls, %lu of them succeeded\n", f.calls, f.good);
	}
	fflush(stdout);
	_exit(f.calls < 1000 || f.good < 100);
}
