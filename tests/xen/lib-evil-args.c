/* SPDX-License-Identifier: GPL-2.0-or-later */
/* evil-process, one thread: values, memory and numbers that are not the caller's. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "tests/xen/evil-process.h"

#define NOWHERE ((void *)8)
#define PORT	2800

/* ------------------------------------------------------------------- values */

static bool requests(const struct evil *e)
{
	/* Sizes and numbers around those that there are. */
	static const unsigned long none[] = { 0,
					      ~0u,
					      _IOC(3, 'X', 0x9f, 8),
					      _IOC(3, 'X', 0xb0, 8),
					      XENMSG_IOC_SEND ^ (1 << 16),
					      XENMSG_IOC_BIND ^ 1 };
	static const unsigned long all[] = {
		XENMSG_IOC_INFO,	XENMSG_IOC_STATS,    XENMSG_IOC_RESOLVE,
		XENMSG_IOC_NAME,	XENMSG_IOC_BIND,     XENMSG_IOC_SUBSCRIBE,
		XENMSG_IOC_UNBIND,	XENMSG_IOC_SEND,     XENMSG_IOC_FLUSH,
		XENMSG_IOC_AREA,	XENMSG_IOC_RECV,     XENMSG_IOC_RELEASE,
		XENMSG_IOC_EVENTS,	XENMSG_IOC_POOL_ADD, XENMSG_IOC_POOL_DEL,
		XENMSG_IOC_POOL_MAPPED,
	};
	int fd = evil_open();
	bool good = fd >= 0;
	unsigned int i;

	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		good &= EXPECT(evil_call(fd, none[i], NOWHERE), ENOTTY);
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		good &= EXPECT(evil_call(fd, all[i], NOWHERE), EFAULT);
		good &= EXPECT(evil_call(fd, all[i], (void *)~0xfffULL), EFAULT);
	}
	return good;
}

static bool values(const struct evil *e)
{
	struct xenmsg_uapi_bind b = { .port = PORT, .reserved = 1 };
	struct xenmsg_uapi_bind huge = { .port = PORT, .buffer = UINT64_MAX };
	struct xenmsg_uapi_bind name = { .port = PORT, .name_len = XENMSG_UAPI_NAME_MAX + 1 };
	struct xenmsg_uapi_resolve q = { .name_len = UINT32_MAX };
	struct xenmsg_uapi_area a = { .nr_pages = 1, .reserved = 1 };
	struct xenmsg_uapi_release r = { .nr = UINT32_MAX };
	struct xenmsg_uapi_pool_mapped m = { .slot = 1, .status = 1 };
	struct xenmsg_uapi_pool_del d = { .id = UINT32_MAX };
	struct xenmsg_uapi_recv recv = { .nr = 0 };
	int fd = evil_open();
	bool good = fd >= 0;
	char byte = 1;
	uint32_t id;

	good &= EXPECT(evil_bind(fd, 0, 0), EINVAL);
	good &= EXPECT(evil_call(fd, XENMSG_IOC_BIND, &b), EINVAL);
	good &= EXPECT(evil_call(fd, XENMSG_IOC_BIND, &huge), ENOBUFS);
	good &= EXPECT(evil_call(fd, XENMSG_IOC_BIND, &name), EINVAL);
	good &= EXPECT(evil_unbind(fd, 0), EINVAL);
	good &= EXPECT(evil_call(fd, XENMSG_IOC_RESOLVE, &q), EINVAL);
	good &= EXPECT(evil_resolve(fd, "bob\n", 1000), EINVAL);
	good &= EXPECT(evil_subscribe(fd, "a/b", 0, 1000), EINVAL);
	good &= EXPECT(evil_subscribe(fd, "bob", 2, 1000), EINVAL);
	good &= EXPECT(evil_subscribe(fd, "bob", XENMSG_SUB_CANCEL, 0), EINVAL);
	good &= EXPECT(evil_call(fd, XENMSG_IOC_AREA, &a), EINVAL);
	good &= EXPECT(evil_area(fd, 0), EINVAL);
	good &= EXPECT(evil_area(fd, UINT32_MAX), ENOBUFS);
	good &= EXPECT(evil_call(fd, XENMSG_IOC_RELEASE, &r), EINVAL);
	good &= EXPECT(evil_call(fd, XENMSG_IOC_POOL_MAPPED, &m), EINVAL);
	good &= EXPECT(evil_call(fd, XENMSG_IOC_POOL_DEL, &d), EINVAL);
	good &= EXPECT(evil_call(fd, XENMSG_IOC_RECV, &recv), EINVAL);
	good &= EXPECT(evil_pool_add(fd, e->own, PORT, 1, 0, &id), EINVAL); /* not bound */
	good &= EXPECT(evil_pool_add(fd, e->own, PORT, 1025, 0, &id), EINVAL);
	good &= EXPECT(evil_pool_add(fd, 0x8001, PORT, 1, 0, &id), EINVAL);
	good &= EXPECT(evil_pool_add(fd, 0x17ff0, PORT, 1, 0, &id), EACCES); /* DOMID_SELF */
	good &= EXPECT(evil_send(fd, 0, 1, &byte, 1, 0, 0), EINVAL);
	good &= EXPECT(evil_send(fd, e->own, 0, &byte, 1, 0, 0), EINVAL);
	good &= EXPECT(evil_send(fd, e->own, 1, &byte, 1, 0x20, 0), EINVAL);
	good &= EXPECT(evil_send(fd, e->own, 1, &byte, UINT32_MAX, 0, 0), EMSGSIZE);
	good &= EXPECT(evil_send(fd, e->own, 1, &byte, 1, XENMSG_TX_AREA, 0), EINVAL);
	good &= EXPECT(evil_send(fd, e->own, 1, &byte, 1, XENMSG_TX_POOL, 0), EINVAL);
	good &= EXPECT(evil_send(fd, e->own, 1, &byte, 1, XENMSG_TX_POOL | XENMSG_TX_IOV, 0),
		       EINVAL);
	good &= EXPECT(evil_send(fd, e->own, 1, NOWHERE, 4097, 0, 0), EFAULT);
	good &= EXPECT(evil_send(fd, e->own, 1, NOWHERE, 0, XENMSG_TX_IOV, 0), 0);
	return good;
}

/* Pieces that overlap, are nowhere, too many, or too long in sum. */
static bool pieces(const struct evil *e)
{
	static char data[2 * EVIL_PAGE];
	struct iovec iov[3] = { { data, 5000 }, { data + 100, 5000 }, { data, 1 } };
	struct xenmsg_uapi_tx tx = {
		.data = (uintptr_t)iov,
		.len = 10001,
		.addr = e->own,
		.port = PORT,
		.flags = XENMSG_TX_IOV,
		.nr = 3,
	};
	struct xenmsg_uapi_send s = { .msgs = (uintptr_t)&tx, .nr = 1 };
	int fd = evil_open();
	bool good = EXPECT(evil_call(fd, XENMSG_IOC_SEND, &s), 0);

	tx.len--;
	good &= EXPECT(evil_call(fd, XENMSG_IOC_SEND, &s), EINVAL);
	iov[1] = (struct iovec){ NOWHERE, 4999 };
	good &= EXPECT(evil_call(fd, XENMSG_IOC_SEND, &s), EFAULT);
	iov[1] = (struct iovec){ data, SIZE_MAX };
	good &= EXPECT(evil_call(fd, XENMSG_IOC_SEND, &s), EINVAL);
	tx.nr = 1025;
	good &= EXPECT(evil_call(fd, XENMSG_IOC_SEND, &s), EINVAL);
	return good;
}

/* ------------------------------------------------------------------- memory */

/* Its number cannot be written where the message stands: it was sent all the same. */
static bool read_only(const struct evil *e)
{
	struct xenmsg_uapi_tx *tx =
		mmap(NULL, EVIL_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct xenmsg_uapi_send s = { .msgs = (uintptr_t)tx, .nr = 1 };
	struct xenmsg_uapi_event event;
	int fd = evil_open();
	bool good;

	*tx = (struct xenmsg_uapi_tx){
		.data = (uintptr_t)tx,
		.len = 10,
		.addr = e->own,
		.port = EVIL_NONE,
		.flags = XENMSG_TX_CONFIRM,
		.cookie = 7,
	};
	mprotect(tx, EVIL_PAGE, PROT_READ);
	good = EXPECT(evil_call(fd, XENMSG_IOC_SEND, &s), 0);
	good &= EXPECT(evil_event_of(fd, XENMSG_EV_SENT, &event, 1000), 0);
	return good && event.cookie == 7;
}

/* An event whose place is bad is there for the next call. */
static bool event_place(const struct evil *e)
{
	struct xenmsg_uapi_event event;
	struct pollfd p = { .events = POLLPRI };
	int fd = evil_open();
	bool good = EXPECT(evil_send(fd, e->own, EVIL_NONE, "x", 1, XENMSG_TX_CONFIRM, 0), 0);

	p.fd = fd;
	while (good && (poll(&p, 1, 1000) == 1 && evil_event(fd, NOWHERE, 0) == 0))
		;
	good &= EXPECT(evil_event(fd, NOWHERE, 0), EFAULT);
	good &= EXPECT(evil_event_of(fd, XENMSG_EV_SENT, &event, 1000), 0);
	return good;
}

/* A message whose place is bad, or too small, is there for the next call. */
static bool message_place(const struct evil *e)
{
	struct xenmsg_uapi_rx rx;
	char data[100], buffer[100];
	int fd = evil_open();
	bool good = EXPECT(evil_bind(fd, PORT, 1000), 0);

	memset(data, 0x5a, sizeof(data));
	good &= EXPECT(evil_send(fd, e->own, PORT, data, sizeof(data), 0, 0), 0);
	good &= EXPECT(evil_recv(fd, &rx, NOWHERE, sizeof(buffer), 1000), EFAULT);
	good &= EXPECT(evil_recv(fd, NOWHERE, buffer, sizeof(buffer), 1000), EFAULT);
	good &= EXPECT(evil_recv(fd, &rx, (void *)(UINT64_MAX - 50), UINT64_MAX, 1000), EFAULT);
	good &= EXPECT(evil_recv(fd, &rx, buffer, 99, 1000), EMSGSIZE);
	good &= EXPECT((int)rx.len, 100);
	good &= EXPECT(evil_recv(fd, &rx, buffer, 100, 1000), 0);
	good &= !memcmp(data, buffer, sizeof(data));
	good &= EXPECT(evil_recv(fd, &rx, buffer, 100, 0), EAGAIN);
	return good;
}

/* 256 events is all that a file keeps: none of those that were asked for is lost. */
static bool confirmed(const struct evil *e)
{
	struct xenmsg_uapi_event event = { 0 };
	int fd = evil_open(), r = 0;
	unsigned int sent = 0, seen = 0;
	struct xenmsg_uapi_flush f = { .timeout = 2000 };
	bool good = EXPECT(evil_bind(fd, PORT, 1000), 0);

	while (!r && sent < 1000) {
		r = evil_send(fd, e->own, EVIL_NONE, "x", 1, XENMSG_TX_CONFIRM, 300);
		sent += !r;
	}
	good &= EXPECT(r, EAGAIN);
	good &= EXPECT((int)sent, 256);
	/* Others' failures do not push them out. */
	good &= EXPECT(evil_send(fd, e->own, EVIL_NONE, "x", 1, 0, 300), 0);
	good &= EXPECT(evil_call(fd, XENMSG_IOC_FLUSH, &f), 0);
	while (evil_event(fd, &event, 0) == 0)
		seen += event.type == XENMSG_EV_SENT;
	good &= EXPECT((int)seen, (int)sent);
	return good & EXPECT(evil_send(fd, e->own, EVIL_NONE, "x", 1, XENMSG_TX_CONFIRM, 0), 0);
}

/* --------------------------------------------------------------------- mmap */

static int map(int fd, uint64_t offset, size_t pages, int flags, char **out)
{
	*out = mmap(NULL, pages * EVIL_PAGE, PROT_READ | PROT_WRITE, flags, fd, (off_t)offset);
	return *out == MAP_FAILED ? errno : 0;
}

static int grow(char *va)
{
	return mremap(va, 4 * EVIL_PAGE, 8 * EVIL_PAGE, MREMAP_MAYMOVE) == MAP_FAILED ? errno : 0;
}

static bool mappings(const struct evil *e)
{
	int fd = evil_open(), other = evil_open();
	char *va, *part;
	bool good = EXPECT(map(fd, XENMSG_MMAP_AREA, 1, MAP_SHARED, &va), EINVAL);

	good &= EXPECT(evil_area(fd, 4), 0);
	good &= EXPECT(evil_area(fd, 4), EINVAL); /* once */
	good &= EXPECT(map(fd, XENMSG_MMAP_AREA, 4, MAP_PRIVATE, &va), EINVAL);
	good &= EXPECT(map(fd, XENMSG_MMAP_AREA, 5, MAP_SHARED, &va), ENXIO);
	good &= EXPECT(map(fd, EVIL_PAGE, 1, MAP_SHARED, &va), EINVAL);
	good &= EXPECT(map(fd, XENMSG_MMAP_POOL(0), 1, MAP_SHARED, &va), EINVAL);
	good &= EXPECT(map(fd, XENMSG_MMAP_POOL(64), 1, MAP_SHARED, &va), EINVAL);
	good &= EXPECT(map(fd, XENMSG_MMAP_POOL(0) / 2, 1, MAP_SHARED, &va), EINVAL);
	good &= EXPECT(map(fd, 1ull << 62, 1, MAP_SHARED, &va), EINVAL);
	good &= EXPECT(map(other, XENMSG_MMAP_AREA, 1, MAP_SHARED, &va), EINVAL);
	good &= EXPECT(map(fd, XENMSG_MMAP_AREA, 4, MAP_SHARED, &va), 0);
	if (!good)
		return false;
	good &= EXPECT(grow(va), EFAULT);
	/* In pieces, moved, in another process, and when the file is closed. */
	part = mremap(va + 2 * EVIL_PAGE, EVIL_PAGE, EVIL_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		      va + 16 * EVIL_PAGE);
	good &= part != MAP_FAILED && munmap(va + EVIL_PAGE, EVIL_PAGE) == 0;
	if (fork() == 0) {
		memset(va, 1, EVIL_PAGE);
		memset(part, 1, EVIL_PAGE);
		_exit(0);
	}
	wait(NULL);
	close(fd);
	return good && va[5] == 1 && part[5] == 1;
}

/* Pages that others' messages come into later must not be kept in hand. */
static bool pinned(const struct evil *e)
{
	static char data[16 * EVIL_PAGE], seen[4 * EVIL_PAGE];
	int fd = evil_open(), other = evil_open(), pipes[2];
	struct iovec iov;
	unsigned int i;
	char *va;

	if (!EXPECT(evil_area(fd, 4), 0) ||
	    !EXPECT(map(fd, XENMSG_MMAP_AREA, 4, MAP_SHARED, &va), 0) || pipe(pipes))
		return false;
	iov = (struct iovec){ va, 4 * EVIL_PAGE };
	if (vmsplice(pipes[1], &iov, 1, SPLICE_F_NONBLOCK) < 0)
		return EXPECT(errno, EFAULT);
	printf("  the pages of an area can be pinned\n");
	munmap(va, 4 * EVIL_PAGE);
	close(fd);
	memset(data, 0x77, sizeof(data));
	for (i = 0; i < 100; i++)
		evil_send(other, e->own, EVIL_NONE, data, sizeof(data), 0, 1000);
	if (read(pipes[0], seen, sizeof(seen)) == sizeof(seen) && memchr(seen, 0x77, sizeof(seen)))
		printf("  and show what another file sends\n");
	return false;
}

/* ---------------------------------------------------------------- of others */

static bool of_others(const struct evil *e)
{
	int fd = evil_open(), other = evil_open();
	struct xenmsg_uapi_pool_mapped m = { .status = 0 };
	struct xenmsg_uapi_release r = { .nr = 1 };
	struct xenmsg_uapi_pool_del d = { .timeout = 1000 };
	struct xenmsg_uapi_rx rx;
	struct xenmsg_uapi_event event;
	char buffer[8], *va;
	bool good = EXPECT(evil_bind(fd, PORT, 1000), 0) &
		    EXPECT(evil_bind(other, PORT + 1, 1000), 0);

	good &= EXPECT(evil_pool_add(fd, e->own, PORT + 1, 2, 0, &d.id), 0);
	good &= EXPECT(evil_event_of(other, XENMSG_EV_POOL_MAP, &event, 1000), 0);
	m.slot = event.slot;
	good &= EXPECT(evil_call(fd, XENMSG_IOC_POOL_MAPPED, &m), EINVAL);
	good &= EXPECT(evil_call(other, XENMSG_IOC_POOL_MAPPED, &m), 0);
	good &= EXPECT(evil_call(other, XENMSG_IOC_POOL_MAPPED, &m), EINVAL);
	good &= EXPECT(evil_event_of(fd, XENMSG_EV_POOL_ADDED, &event, 1000), 0);
	good &= EXPECT(event.status, 0);
	good &= EXPECT(evil_call(other, XENMSG_IOC_POOL_DEL, &d), EINVAL);
	good &= EXPECT(map(other, XENMSG_MMAP_POOL(d.id), 1, MAP_SHARED, &va), EINVAL);
	/* Pool 0 is the first one: an offset beyond it, then a good message. */
	good &= EXPECT(evil_send(fd, e->own, PORT + 1, (void *)8191, 2, XENMSG_TX_POOL, 0), EINVAL);
	good &= EXPECT(evil_send(fd, e->own, PORT + 1, (void *)(1ull << 32), 2, XENMSG_TX_POOL, 0),
		       EINVAL);
	if (d.id)
		return good;
	good &= EXPECT(evil_send(fd, e->own, PORT + 1, (void *)8, 100, XENMSG_TX_POOL, 0), 0);
	good &= EXPECT(evil_recv(other, &rx, buffer, sizeof(buffer), 1000), 0);
	r.handles = (uintptr_t)&rx.handle;
	good &= EXPECT(evil_call(fd, XENMSG_IOC_RELEASE, &r), EINVAL);
	good &= EXPECT(evil_call(fd, XENMSG_IOC_POOL_DEL, &d), EBUSY);
	good &= EXPECT(evil_call(other, XENMSG_IOC_RELEASE, &r), 0);
	good &= EXPECT(evil_call(other, XENMSG_IOC_RELEASE, &r), EINVAL);
	usleep(100000);
	d.timeout = 0; /* the other one does not fetch its event */
	good &= EXPECT(evil_call(fd, XENMSG_IOC_POOL_DEL, &d), ETIMEDOUT);
	/* It is mapped until that end says that it is not. */
	good &= EXPECT(evil_event_of(other, XENMSG_EV_POOL_UNMAP, &event, 1000), 0);
	good &= EXPECT(event.slot, m.slot);
	good &= EXPECT(evil_call(other, XENMSG_IOC_POOL_MAPPED, &m), EINVAL);
	m.status = -ECONNREFUSED;
	good &= EXPECT(evil_call(fd, XENMSG_IOC_POOL_MAPPED, &m), EINVAL);
	good &= EXPECT(evil_call(other, XENMSG_IOC_POOL_MAPPED, &m), 0);
	good &= EXPECT(evil_call(other, XENMSG_IOC_POOL_MAPPED, &m), EINVAL);
	return good;
}

const struct evil_case evil_arguments[] = {
	{ "requests", requests },
	{ "values", values },
	{ "pieces", pieces },
	{ "read-only", read_only },
	{ "event-place", event_place },
	{ "message-place", message_place },
	{ "confirmed", confirmed },
	{ "mappings", mappings },
	{ "pinned", pinned },
	{ "of-others", of_others },
	{ NULL, NULL },
};
