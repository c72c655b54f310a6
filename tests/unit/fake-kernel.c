// SPDX-License-Identifier: GPL-2.0-or-later
/* See fake-kernel.h. */
#include "fake-kernel.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "frontend/lib/kernel/sys.h"

#define PAGE	 4096u
#define TX_WHERE (XENMSG_TX_IOV | XENMSG_TX_AREA | XENMSG_TX_POOL)
#define TX_FLAGS (TX_WHERE | XENMSG_TX_LAZY | XENMSG_TX_CONFIRM)

struct fake fake;

static void *pointer(uint64_t u64)
{
	return (void *)(uintptr_t)u64;
}

/* ------------------------------------------------------------------- files */

static uint32_t mask(const struct fake_file *file)
{
	uint32_t m = 0;

	if (file->nr_msgs)
		m |= EPOLLIN;
	if (file->nr_events || file->lost)
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

/* An edge, if anybody watches for what is there. */
static void wake(struct fake_file *file)
{
	uint64_t value = 1;

	if (file->fd >= 0 && reported(file))
		ck_assert_int_eq(write(file->fd, &value, sizeof(value)), sizeof(value));
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

static void memory_new(struct fake_memory *memory, unsigned int nr_pages)
{
	memory->memfd = memfd_create("pages", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(memory->memfd, nr_pages * PAGE), 0);
	memory->va =
		mmap(NULL, nr_pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory->memfd, 0);
	ck_assert_ptr_ne(memory->va, MAP_FAILED);
	memory->nr_pages = nr_pages;
}

static void memory_free(struct fake_memory *memory)
{
	if (!memory->nr_pages)
		return;
	munmap(memory->va, memory->nr_pages * PAGE);
	close(memory->memfd);
	memory->nr_pages = 0;
}

static void file_free(struct fake_file *file)
{
	unsigned int i;

	for (i = 0; i < FAKE_QUEUE; i++)
		free(file->queue[i].bytes);
	memory_free(&file->area);
	for (i = 0; i < FAKE_POOLS; i++)
		memory_free(&file->pools[i]);
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
	file_free(find(fd));
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
	wake(file);
	return epoll_ctl(epoll_fd, op, fd, &real) ? -errno : 0;
}

int sys_epoll_wait(int epoll_fd, struct epoll_event *events, int max, int timeout)
{
	int i, j, n, kept = 0;

	fake.waits++;
	n = epoll_wait(epoll_fd, events, max, timeout);
	for (i = 0; i < n; i++) {
		for (j = 0; j < FAKE_FILES; j++) {
			struct fake_file *file = &fake.files[j];

			if (file->fd < 0 || file->watcher != events[i].data.ptr)
				continue;
			drain(file);
			events[kept].data.ptr = file->watcher;
			events[kept].events = reported(file);
			kept += reported(file) != 0;
			break;
		}
	}
	return n < 0 ? -errno : kept;
}

int sys_mmap(int fd, uint64_t offset, size_t bytes, void **out)
{
	struct fake_file *file = find(fd);
	struct fake_memory *memory = &file->area;

	if (fake.mmap_error)
		return fake.mmap_error;
	if (offset != XENMSG_MMAP_AREA)
		memory = &file->pools[(offset >> 28) - 1];
	if (!memory->nr_pages || bytes != memory->nr_pages * PAGE)
		return -EINVAL;
	*out = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory->memfd, 0);
	return *out == MAP_FAILED ? -errno : 0;
}

/* ------------------------------------------------------------------ ioctls */

static int do_info(struct fake_file *file, struct xenmsg_uapi_info *arg)
{
	*arg = fake.info;
	return 0;
}

static int do_stats(struct fake_file *file, struct xenmsg_uapi_stats *arg)
{
	*arg = (struct xenmsg_uapi_stats){ .tx_messages = fake.nr_sent, .resets = 3 };
	return 0;
}

static int do_resolve(struct fake_file *file, struct xenmsg_uapi_resolve *arg)
{
	ck_assert_uint_gt(arg->name_len, 0);
	arg->addr = fake.resolve.addr;
	arg->port = fake.resolve.port;
	return 0;
}

static int do_name(struct fake_file *file, struct xenmsg_uapi_name *arg)
{
	arg->name_len = (uint32_t)strlen(fake.name);
	memcpy(arg->name, fake.name, arg->name_len);
	return 0;
}

static int do_bind(struct fake_file *file, const struct xenmsg_uapi_bind *arg)
{
	if (fake.gone)
		return -EHOSTDOWN;
	if (arg->buffer > fake.info.buffer_max)
		return -ENOBUFS;
	ck_assert_uint_eq(file->bind.port, 0);
	file->bind = *arg;
	return 0;
}

static int do_unbind(struct fake_file *file)
{
	file->bind.port = 0;
	file->nr_msgs = 0;
	return 0;
}

static int area_pages(struct fake_file *file, const struct xenmsg_uapi_tx *tx, bool take)
{
	uint64_t page;

	if (tx->data + tx->len > (uint64_t)file->area.nr_pages * PAGE)
		return -EINVAL;
	for (page = tx->data / PAGE; page <= (tx->data + tx->len - 1) / PAGE; page++) {
		if (take)
			file->area_busy[page] = true;
		else if (file->area_busy[page])
			return -EBUSY;
	}
	return 0;
}

static void gather(char *to, const struct xenmsg_uapi_tx *tx)
{
	const struct iovec *iov = pointer(tx->data);
	size_t done = 0;
	unsigned int i;

	ck_assert_uint_le(tx->nr, 1024);
	for (i = 0; i < tx->nr; i++) {
		ck_assert_uint_le(done + iov[i].iov_len, tx->len);
		if (iov[i].iov_len)
			memcpy(to + done, iov[i].iov_base, iov[i].iov_len);
		done += iov[i].iov_len;
	}
	ck_assert_uint_eq(done, tx->len);
}

static int send_one(struct fake_file *file, struct xenmsg_uapi_tx *tx)
{
	struct fake_sent *sent = &fake.sent[fake.nr_sent];
	int r = 0;

	ck_assert_uint_lt(fake.nr_sent, FAKE_SENT);
	ck_assert_uint_eq(tx->flags & ~TX_FLAGS, 0);
	if (fake.gone)
		return -EHOSTDOWN;
	if (!tx->addr || !tx->port)
		return -EINVAL;
	if (fake.no_room)
		return -EAGAIN;
	if (tx->flags & XENMSG_TX_AREA)
		r = area_pages(file, tx, false);
	if (r)
		return r;
	sent->bytes = calloc(1, tx->len + 1);
	if (tx->flags & XENMSG_TX_AREA)
		memcpy(sent->bytes, file->area.va + tx->data, tx->len);
	else if (tx->flags & XENMSG_TX_POOL)
		memcpy(sent->bytes, file->pools[tx->nr].va + tx->data, tx->len);
	else if (tx->flags & XENMSG_TX_IOV)
		gather(sent->bytes, tx);
	else if (tx->len)
		memcpy(sent->bytes, pointer(tx->data), tx->len);
	if (tx->flags & XENMSG_TX_AREA)
		area_pages(file, tx, true);
	tx->seq = ++fake.nr_sent;
	fake.published |= !(tx->flags & XENMSG_TX_LAZY);
	sent->file = file;
	sent->tx = *tx;
	file->unanswered++;
	return 0;
}

static int do_send(struct fake_file *file, const struct xenmsg_uapi_send *arg)
{
	struct xenmsg_uapi_tx *msgs = pointer(arg->msgs);
	unsigned int i;
	int r = 0;

	for (i = 0; i < arg->nr; i++) {
		r = send_one(file, &msgs[i]);
		if (r)
			break;
	}
	file->stuck = !i && r == -EAGAIN;
	/* Whoever may have to serve others while he waits does not wait here. */
	ck_assert_int_eq(arg->timeout, 0);
	return i ? (int)i : r;
}

static int do_flush(struct fake_file *file, struct xenmsg_uapi_flush *arg)
{
	ck_assert_int_eq(arg->timeout, 0);
	fake.published = true;
	if (file->unanswered)
		return -ETIMEDOUT;
	arg->status = file->failure;
	file->failure = 0;
	return 0;
}

static int do_area(struct fake_file *file, const struct xenmsg_uapi_area *arg)
{
	if (fake.gone)
		return -EHOSTDOWN;
	if (file->area.nr_pages || !arg->nr_pages)
		return -EINVAL;
	if (arg->nr_pages > fake.area_limit)
		return -ENOBUFS;
	memory_new(&file->area, arg->nr_pages);
	return 0;
}

/* One message to the process. False: it does not fit. */
static bool give(struct fake_file *file, struct fake_msg *m, const struct xenmsg_uapi_recv *arg,
		 struct xenmsg_uapi_rx *out, uint64_t *at)
{
	uint64_t data = (*at + 7) & ~UINT64_C(7);

	*out = m->rx;
	if (!m->bytes) {
		file->handles[file->nr_handles++] = m->rx.handle;
		return true;
	}
	if (data > arg->buffer_len || m->rx.len > arg->buffer_len - data)
		return false;
	memcpy((char *)pointer(arg->buffer) + data, m->bytes, m->rx.len);
	out->data = data;
	*at = data + m->rx.len;
	free(m->bytes);
	m->bytes = NULL;
	return true;
}

static int do_recv(struct fake_file *file, const struct xenmsg_uapi_recv *arg)
{
	struct xenmsg_uapi_rx *out = pointer(arg->msgs);
	uint64_t at = 0;
	unsigned int n;

	ck_assert_int_eq(arg->timeout, 0);
	ck_assert_uint_eq(arg->buffer % 8, 0);
	if (!file->bind.port)
		return -EINVAL;
	for (n = 0; n < arg->nr && file->nr_msgs; n++) {
		if (!give(file, &file->queue[file->first_msg % FAKE_QUEUE], arg, &out[n], &at))
			return n ? (int)n : -EMSGSIZE;
		file->first_msg++;
		file->nr_msgs--;
	}
	if (n)
		return (int)n;
	if (fake.gone)
		return -EHOSTDOWN;
	fake.published = true;
	return -EAGAIN;
}

static int do_release(struct fake_file *file, const struct xenmsg_uapi_release *arg)
{
	const uint32_t *handles = pointer(arg->handles);
	unsigned int i;

	ck_assert_uint_eq(arg->nr, 1);
	for (i = 0; i < file->nr_handles; i++) {
		if (file->handles[i] != handles[0])
			continue;
		file->handles[i] = file->handles[--file->nr_handles];
		return 0;
	}
	ck_abort_msg("handle %u is not out", handles[0]);
	return -EINVAL;
}

static int do_pool_add(struct fake_file *file, struct xenmsg_uapi_pool_add *arg)
{
	uint32_t id;

	ck_assert_uint_eq(arg->flags, XENMSG_POOL_NOWAIT);
	for (id = 0; id < FAKE_POOLS && file->pools[id].nr_pages; id++)
		;
	if (id == FAKE_POOLS)
		return -ENOBUFS;
	memory_new(&file->pools[id], arg->nr_pages);
	arg->id = id;
	arg->offset = XENMSG_MMAP_POOL(id);
	file->added[id] = *arg;
	return 0;
}

static int do_pool_del(struct fake_file *file, const struct xenmsg_uapi_pool_del *arg)
{
	unsigned int i;

	ck_assert_int_eq(arg->timeout, 0);
	if (arg->id >= FAKE_POOLS || !file->pools[arg->id].nr_pages)
		return -EINVAL;
	for (i = 0; i < fake.nr_sent; i++)
		if (fake.sent[i].file == file && !fake.sent[i].answered &&
		    (fake.sent[i].tx.flags & XENMSG_TX_POOL) && fake.sent[i].tx.nr == arg->id)
			return -EBUSY;
	memory_free(&file->pools[arg->id]);
	fake.nr_deleted++;
	return -ETIMEDOUT;
}

static int do_pool_mapped(const struct xenmsg_uapi_pool_mapped *arg)
{
	fake.mapped[fake.nr_mapped++ % FAKE_POOLS] = *arg;
	return 0;
}

static int do_events(struct fake_file *file, const struct xenmsg_uapi_events *arg)
{
	struct xenmsg_uapi_event *out = pointer(arg->events);
	unsigned int n;

	ck_assert_int_eq(arg->timeout, 0);
	for (n = 0; n < arg->nr && file->nr_events; n++) {
		out[n] = file->events[file->first_event++ % FAKE_EVENTS];
		file->nr_events--;
	}
	if (n < arg->nr && file->lost) {
		out[n] = (struct xenmsg_uapi_event){ .type = XENMSG_EV_LOST, .seq = file->lost };
		file->lost = 0;
		n++;
	}
	fake.published |= !n;
	return n ? (int)n : -EAGAIN;
}

static int dispatch(struct fake_file *file, unsigned long request, void *arg)
{
	switch (request) {
	case XENMSG_IOC_INFO:
		return do_info(file, arg);
	case XENMSG_IOC_STATS:
		return do_stats(file, arg);
	case XENMSG_IOC_RESOLVE:
		return do_resolve(file, arg);
	case XENMSG_IOC_NAME:
		return do_name(file, arg);
	case XENMSG_IOC_SUBSCRIBE:
		fake.subscribe = *(struct xenmsg_uapi_subscribe *)arg;
		return 0;
	case XENMSG_IOC_BIND:
		return do_bind(file, arg);
	case XENMSG_IOC_UNBIND:
		return do_unbind(file);
	case XENMSG_IOC_SEND:
		return do_send(file, arg);
	case XENMSG_IOC_FLUSH:
		return do_flush(file, arg);
	case XENMSG_IOC_AREA:
		return do_area(file, arg);
	case XENMSG_IOC_RECV:
		return do_recv(file, arg);
	case XENMSG_IOC_RELEASE:
		return do_release(file, arg);
	case XENMSG_IOC_POOL_ADD:
		return do_pool_add(file, arg);
	case XENMSG_IOC_POOL_DEL:
		return do_pool_del(file, arg);
	case XENMSG_IOC_POOL_MAPPED:
		return do_pool_mapped(arg);
	case XENMSG_IOC_EVENTS:
		return do_events(file, arg);
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
	return r ? r : dispatch(file, request, arg);
}

/* ---------------------------------------------------------- what tests say */

void fake_init(void)
{
	unsigned int i;

	memset(&fake, 0, sizeof(fake));
	for (i = 0; i < FAKE_FILES; i++)
		fake.files[i].fd = -1;
	fake.info = (struct xenmsg_uapi_info){
		.version = XENMSG_UAPI_VERSION,
		.flags = XENMSG_INFO_CONNECTED | XENMSG_INFO_MAP | XENMSG_INFO_DEVICE,
		.addr = 0x10005,
		.max_message = 1 << 20,
		.area_pages = 64,
		.buffer_max = 8 << 20,
	};
	fake.area_limit = 64;
}

void fake_fini(void)
{
	unsigned int i;

	for (i = 0; i < FAKE_FILES; i++)
		file_free(&fake.files[i]);
	for (i = 0; i < fake.nr_sent; i++)
		free(fake.sent[i].bytes);
}

struct fake_file *fake_port(uint32_t port)
{
	unsigned int i;

	for (i = 0; i < FAKE_FILES; i++)
		if (fake.files[i].fd >= 0 && fake.files[i].bind.port == port && (port || i > 0))
			return &fake.files[i];
	ck_abort_msg("no file is bound to %u", port);
	return NULL;
}

unsigned int fake_open_files(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < FAKE_FILES; i++)
		n += fake.files[i].fd >= 0;
	return n;
}

static struct fake_msg *new_msg(struct fake_file *file)
{
	struct fake_msg *m;

	ck_assert_uint_lt(file->nr_msgs, FAKE_QUEUE);
	m = &file->queue[(file->first_msg + file->nr_msgs++) % FAKE_QUEUE];
	m->rx.seq = file->first_msg + file->nr_msgs;
	m->rx.src_port = 5;
	return m;
}

void fake_deliver(struct fake_file *file, uint32_t addr, size_t len, char c)
{
	struct fake_msg *m = new_msg(file);

	m->rx = (struct xenmsg_uapi_rx){
		.seq = m->rx.seq,
		.src_port = m->rx.src_port,
		.addr = addr,
		.len = (uint32_t)len,
	};
	m->bytes = malloc(len + 1);
	memset(m->bytes, c, len);
	/* The driver says so when there were none. */
	if (file->nr_msgs == 1)
		wake(file);
}

void fake_deliver_mapped(struct fake_file *file, uint32_t slot, uint64_t offset, uint32_t len,
			 uint32_t handle)
{
	struct fake_msg *m = new_msg(file);

	m->rx = (struct xenmsg_uapi_rx){
		.seq = m->rx.seq,
		.src_port = m->rx.src_port,
		.addr = 0x10007,
		.flags = XENMSG_RX_MAPPED,
		.slot = (uint16_t)slot,
		.data = offset,
		.len = len,
		.handle = handle,
	};
	if (file->nr_msgs == 1)
		wake(file);
}

void fake_event(struct fake_file *file, const struct xenmsg_uapi_event *event)
{
	if (file->nr_events == FAKE_EVENTS)
		file->lost++;
	else
		file->events[(file->first_event + file->nr_events++) % FAKE_EVENTS] = *event;
	wake(file);
}

void fake_answer(unsigned int i, int status)
{
	struct fake_sent *sent = &fake.sent[i];
	struct fake_file *file = sent->file;
	const struct xenmsg_uapi_event event = {
		.type = sent->tx.flags & XENMSG_TX_CONFIRM ? XENMSG_EV_SENT : XENMSG_EV_FAILED,
		.status = status,
		.addr = sent->tx.addr,
		.port = sent->tx.port,
		.seq = sent->tx.seq,
		.cookie = sent->tx.cookie,
	};
	uint64_t page;

	ck_assert(!sent->answered);
	sent->answered = true;
	if (sent->tx.flags & XENMSG_TX_AREA)
		for (page = sent->tx.data / PAGE; page <= (sent->tx.data + sent->tx.len - 1) / PAGE;
		     page++)
			file->area_busy[page] = false;
	if (status && !file->failure)
		file->failure = status;
	if (!--file->unanswered)
		wake(file);
	if (status || (sent->tx.flags & XENMSG_TX_CONFIRM))
		fake_event(file, &event);
}

void fake_pool_answer(struct fake_file *file, uint32_t id, int status)
{
	const struct xenmsg_uapi_event event = {
		.type = XENMSG_EV_POOL_ADDED,
		.slot = id,
		.status = status,
	};

	if (status)
		memory_free(&file->pools[id]);
	fake_event(file, &event);
}

void fake_room(void)
{
	unsigned int i;

	fake.no_room = false;
	for (i = 0; i < FAKE_FILES; i++) {
		if (!fake.files[i].stuck)
			continue;
		fake.files[i].stuck = false;
		wake(&fake.files[i]);
	}
}

static void wake_all(void)
{
	unsigned int i;

	for (i = 0; i < FAKE_FILES; i++)
		wake(&fake.files[i]);
}

void fake_gone(void)
{
	unsigned int i;

	fake.gone = true;
	for (i = 0; i < fake.nr_sent; i++)
		if (!fake.sent[i].answered)
			fake_answer(i, -EHOSTDOWN);
	wake_all();
}

void fake_back(uint32_t addr)
{
	const struct xenmsg_uapi_event event = { .type = XENMSG_EV_ADDRESS, .addr = addr };
	unsigned int i;

	fake.gone = false;
	for (i = 0; i < FAKE_FILES && addr != fake.info.addr; i++)
		if (fake.files[i].fd >= 0)
			fake_event(&fake.files[i], &event);
	fake.info.addr = addr;
	wake_all();
}
