// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See fake-kernel.h. Files, their edges and their memory, and which ioctl is which.
 *
 * All of sys.h is here, beside the variable that no user of this driver can do
 * without: so a program has either these calls or those of the library.
 */
#include "fake-kernel-parts.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "frontend/lib/kernel/sys.h"

struct fake fake;

/* ------------------------------------------------------------------- files */

static uint32_t mask(const struct fake_file *file)
{
	uint32_t m = 0;

	if (file->nr_msgs)
		m |= EPOLLIN;
	if (file->nr_events || file->lost || file->nr_states)
		m |= EPOLLIN | EPOLLPRI;
	if (!file->stuck)
		m |= EPOLLOUT;
	if (fake.gone)
		m |= EPOLLERR | EPOLLHUP;
	return m;
}

static uint32_t reported(const struct fake_file *file)
{
	return mask(file) & (file->watched | EPOLLERR | EPOLLHUP);
}

static void drain(const struct fake_file *file)
{
	uint64_t value;

	(void)!read(file->fd, &value, sizeof(value));
}

/* epoll asks again, and does not report what is not the case any more. */
static void settle(const struct fake_file *file)
{
	if (file->fd >= 0 && !reported(file))
		drain(file);
}

void fake_wake(struct fake_file *file)
{
	uint64_t value = 1;

	if (file->fd >= 0 && reported(file))
		ck_assert_int_eq(write(file->fd, &value, sizeof(value)), sizeof(value));
	settle(file);
}

static struct fake_file *find(int fd)
{
	unsigned int i;

	for (i = 0; i < FAKE_FILES; i++)
		if (fake.files[i].fd == fd)
			return &fake.files[i];
	ck_abort_msg("file %d is not open", fd);
	return NULL;
}

void fake_memory_new(struct fake_memory *memory, unsigned int nr_pages)
{
	memory->memfd = memfd_create("pages", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(memory->memfd, nr_pages * PAGE), 0);
	memory->va =
		mmap(NULL, nr_pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory->memfd, 0);
	ck_assert_ptr_ne(memory->va, MAP_FAILED);
	memory->nr_pages = nr_pages;
}

void fake_memory_free(struct fake_memory *memory)
{
	if (!memory->nr_pages)
		return;
	munmap(memory->va, memory->nr_pages * PAGE);
	close(memory->memfd);
	memory->nr_pages = 0;
}

void fake_file_free(struct fake_file *file)
{
	unsigned int i;

	for (i = 0; i < FAKE_QUEUE; i++)
		free(file->queue[i].bytes);
	fake_memory_free(&file->area);
	for (i = 0; i < FAKE_POOLS; i++)
		fake_memory_free(&file->pools[i]);
	if (file->fd >= 0)
		close(file->fd);
	memset(file, 0, sizeof(*file));
	file->fd = -1;
}

int sys_open(void)
{
	unsigned int i;

	if (fake.open_error)
		return fake.open_error;
	for (i = 0; i < FAKE_FILES; i++) {
		if (fake.files[i].fd >= 0)
			continue;
		fake.files[i].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		return fake.files[i].fd;
	}
	return -EMFILE;
}

void sys_close(int fd)
{
	unsigned int i;

	/* As the driver: what was sent goes on, and nobody hears of it. */
	for (i = 0; i < fake.nr_sent; i++)
		if (fake.sent[i].file->fd == fd)
			fake.sent[i].answered = true;
	/* Nor does anybody wait for a port's end. */
	if (find(fd)->bind.port) {
		ck_assert_uint_lt(fake.nr_leaving, FAKE_FILES);
		fake.leaving[fake.nr_leaving++] = find(fd)->bind.port;
	}
	fake_file_free(find(fd));
}

int sys_epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
	struct epoll_event real = { .events = EPOLLIN | EPOLLET };
	struct fake_file *file = find(fd);

	if (op == EPOLL_CTL_DEL)
		return epoll_ctl(epoll_fd, op, fd, NULL) ? -errno : 0;
	ck_assert(event->events & EPOLLET);
	file->watched = event->events;
	file->watcher = real.data.ptr = event->data.ptr;
	/* Who begins to watch is told what there is. */
	drain(file);
	fake_wake(file);
	return epoll_ctl(epoll_fd, op, fd, &real) ? -errno : 0;
}

int sys_epoll_wait(int epoll_fd, struct epoll_event *events, int max, int timeout)
{
	int i, j, n, kept = 0;

	fake.waits++;
	n = epoll_wait(epoll_fd, events, max, timeout);
	for (i = 0; i < n; i++) {
		struct epoll_event event = events[i];

		for (j = 0; j < FAKE_FILES; j++) {
			struct fake_file *file = &fake.files[j];

			if (file->fd < 0 || file->watcher != event.data.ptr)
				continue;
			drain(file);
			event.events = reported(file);
			break;
		}
		/* What is none of the driver's files is as it is. */
		if (event.events)
			events[kept++] = event;
	}
	return n < 0 ? -errno : kept;
}

int sys_mmap(int fd, uint64_t offset, size_t bytes, void **out)
{
	struct fake_file *file = find(fd);
	struct fake_memory *memory = &file->area;

	if (fake.mmap_error)
		return fake.mmap_error;
	if (offset != XENMSG_MMAP_AREA) {
		ck_assert_uint_eq(offset % XENMSG_MMAP_POOL(0), 0);
		ck_assert_uint_le(offset, XENMSG_MMAP_POOL(FAKE_POOLS - 1));
		memory = &file->pools[(offset >> 28) - 1];
	}
	if (!memory->nr_pages || bytes != memory->nr_pages * PAGE)
		return -EINVAL;
	*out = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory->memfd, 0);
	return *out == MAP_FAILED ? -errno : 0;
}

/* ------------------------------------------------------------------ ioctls */

static int dispatch(struct fake_file *file, unsigned long request, void *arg)
{
	switch (request) {
	case XENMSG_IOC_INFO:
		return fake_do_info(file, arg);
	case XENMSG_IOC_STATS:
		return fake_do_stats(file, arg);
	case XENMSG_IOC_RESOLVE:
		return fake_do_resolve(file, arg);
	case XENMSG_IOC_NAME:
		return fake_do_name(file, arg);
	case XENMSG_IOC_SUBSCRIBE:
		return fake_do_subscribe(file, arg);
	case XENMSG_IOC_BIND:
		return fake_do_bind(file, arg);
	case XENMSG_IOC_UNBIND:
		return fake_do_unbind(file, arg);
	case XENMSG_IOC_SEND:
		return fake_do_send(file, arg);
	case XENMSG_IOC_FLUSH:
		return fake_do_flush(file, arg);
	case XENMSG_IOC_AREA:
		return fake_do_area(file, arg);
	case XENMSG_IOC_RECV:
		return fake_do_recv(file, arg);
	case XENMSG_IOC_RELEASE:
		return fake_do_release(file, arg);
	case XENMSG_IOC_POOL_ADD:
		return fake_do_pool_add(file, arg);
	case XENMSG_IOC_POOL_DEL:
		return fake_do_pool_del(file, arg);
	case XENMSG_IOC_POOL_MAPPED:
		return fake_do_pool_mapped(file, arg);
	case XENMSG_IOC_EVENTS:
		return fake_do_events(file, arg);
	default:
		ck_abort_msg("there is no ioctl %lx", request);
		return -ENOTTY;
	}
}

int sys_ioctl(int fd, unsigned long request, void *arg)
{
	struct fake_file *file = find(fd);
	unsigned int nr = FAKE_CALL(request);
	int r;

	ck_assert_uint_lt(nr, FAKE_CALLS);
	fake.calls[nr]++;
	if (fake.interrupts) {
		fake.interrupts--;
		return -EINTR;
	}
	r = fake.error[nr];
	fake.error[nr] = 0;
	if (!r)
		r = dispatch(file, request, arg);
	settle(file);
	return r;
}
