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

#include "frontend/core/core.h"
#include "frontend/lib/kernel/sys.h"

#define PAGE	 4096u
#define TX_WHERE (XENMSG_TX_IOV | XENMSG_TX_AREA | XENMSG_TX_POOL | XENMSG_TX_BATCH)
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

void fake_file_free(struct fake_file *file)
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

static bool is_name(uint32_t len)
{
	return len && len <= XENMSG_UAPI_NAME_MAX;
}

static int do_resolve(struct fake_file *file, struct xenmsg_uapi_resolve *arg)
{
	if (!is_name(arg->name_len))
		return -EINVAL;
	if (fake.gone)
		return -EHOSTDOWN;
	arg->addr = fake.resolve.addr;
	arg->port = fake.resolve.port;
	return 0;
}

static int do_name(struct fake_file *file, struct xenmsg_uapi_name *arg)
{
	if (arg->reserved)
		return -EINVAL;
	if (fake.gone)
		return -EHOSTDOWN;
	arg->name_len = (uint32_t)strlen(fake.name);
	memcpy(arg->name, fake.name, arg->name_len);
	return 0;
}

static int do_subscribe(struct fake_file *file, const struct xenmsg_uapi_subscribe *arg)
{
	if (!is_name(arg->name_len) || arg->flags & ~(uint32_t)XENMSG_SUB_CANCEL || arg->reserved)
		return -EINVAL;
	/* While the device is gone the driver cancels all the same. */
	if (fake.gone && !arg->flags)
		return -EHOSTDOWN;
	fake.subscribe = *arg;
	return 0;
}

/* Whether some file has the number, or had it and that is not over. */
static bool port_taken(uint32_t port)
{
	unsigned int i;

	for (i = 0; i < FAKE_FILES; i++)
		if (fake.files[i].fd >= 0 && fake.files[i].bind.port == port)
			return true;
	for (i = 0; i < fake.nr_leaving; i++)
		if (fake.leaving[i] == port)
			return true;
	return false;
}

static int do_bind(struct fake_file *file, const struct xenmsg_uapi_bind *arg)
{
	if (arg->reserved || !arg->port || arg->name_len > XENMSG_UAPI_NAME_MAX)
		return -EINVAL;
	if (arg->buffer > fake.info.buffer_max)
		return -ENOBUFS;
	if (file->bind.port)
		return -EINVAL;
	if (fake.gone)
		return -EHOSTDOWN;
	if (port_taken(arg->port))
		return -EADDRINUSE;
	file->bind = *arg;
	return 0;
}

static bool is_foreign_event(uint32_t type)
{
	return type == XENMSG_EV_POOL_MAP || type == XENMSG_EV_POOL_UNMAP ||
	       type == XENMSG_EV_POOL_FREE;
}

/* What was received, and what pools of others ask for, is forgotten. */
static void forget_received(struct fake_file *file)
{
	unsigned int i, left = 0;

	while (file->nr_msgs) {
		free(file->queue[file->first_msg % FAKE_QUEUE].bytes);
		file->queue[file->first_msg++ % FAKE_QUEUE].bytes = NULL;
		file->nr_msgs--;
	}
	file->nr_handles = 0;
	for (i = 0; i < file->nr_states; i++)
		if (!is_foreign_event(file->states[i].type))
			file->states[left++] = file->states[i];
	file->nr_states = left;
	memset(file->foreign, 0, sizeof(file->foreign));
}

static int do_unbind(struct fake_file *file, const struct xenmsg_uapi_unbind *arg)
{
	if (!file->bind.port || arg->reserved)
		return -EINVAL;
	forget_received(file);
	file->unbinding = true;
	if (fake.slow_unbinds && (!arg->timeout || --fake.slow_unbinds))
		return -ETIMEDOUT;
	file->bind.port = 0;
	file->unbinding = false;
	return 0;
}

static bool lies_in(const struct xenmsg_uapi_tx *tx, const struct fake_memory *memory)
{
	uint64_t bytes = (uint64_t)memory->nr_pages * PAGE;

	return tx->len && tx->data < bytes && tx->len <= bytes - tx->data;
}

static int area_pages(struct fake_file *file, const struct xenmsg_uapi_tx *tx, bool take)
{
	uint64_t page;

	if (!lies_in(tx, &file->area))
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

static bool is_pool(const struct fake_file *file, uint32_t id)
{
	return id < FAKE_POOLS && file->pools[id].nr_pages && !file->pool_state[id].gone;
}

static int check_tx(struct fake_file *file, const struct xenmsg_uapi_tx *tx)
{
	unsigned int where = tx->flags & TX_WHERE;

	if (fake.gone)
		return -EHOSTDOWN;
	if ((where & (where - 1)) || !tx->addr || !tx->port)
		return -EINVAL;
	if (!(where & (XENMSG_TX_IOV | XENMSG_TX_POOL | XENMSG_TX_BATCH)) && tx->nr)
		return -EINVAL;
	if (where & XENMSG_TX_BATCH && (!tx->nr || !vmsg_batch_valid(tx->len, tx->nr)))
		return -EINVAL;
	if (tx->len > fake.info.max_message)
		return -EMSGSIZE;
	if (fake.no_room)
		return -EAGAIN;
	if (where == XENMSG_TX_POOL)
		return is_pool(file, tx->nr) && !file->pool_state[tx->nr].await &&
				       lies_in(tx, &file->pools[tx->nr]) ?
			       0 :
			       -EINVAL;
	return where == XENMSG_TX_AREA ? area_pages(file, tx, false) : 0;
}

static int send_one(struct fake_file *file, struct xenmsg_uapi_tx *tx)
{
	struct fake_sent *sent = &fake.sent[fake.nr_sent];
	int r;

	ck_assert_uint_lt(fake.nr_sent, FAKE_SENT);
	ck_assert_uint_eq(tx->flags & ~TX_FLAGS, 0);
	r = check_tx(file, tx);
	if (r)
		return r;
	sent->bytes = calloc(1, tx->len + 1);
	if (tx->flags & XENMSG_TX_AREA)
		memcpy(sent->bytes, file->area.va + tx->data, tx->len);
	else if (tx->flags & XENMSG_TX_POOL)
		memcpy(sent->bytes, file->pools[tx->nr].va + tx->data, tx->len);
	else if (tx->flags & XENMSG_TX_IOV)
		gather(sent->bytes, tx);
	else if (tx->len) /* a batch, too */
		memcpy(sent->bytes, pointer(tx->data), tx->len);
	if (tx->flags & XENMSG_TX_AREA)
		area_pages(file, tx, true);
	fake.nr_sent++;
	fake.seq += VMSGIF_BATCH_COUNT(tx->len, tx->flags & XENMSG_TX_BATCH ? tx->nr : 0);
	tx->seq = fake.seq;
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
	/* Who finds no room is about to sleep. */
	fake.published |= file->stuck;
	/* Whoever may have to serve others while he waits does not wait here. */
	ck_assert_int_eq(arg->timeout, 0);
	return i ? (int)i : r;
}

static int do_flush(struct fake_file *file, struct xenmsg_uapi_flush *arg)
{
	ck_assert_int_eq(arg->timeout, 0);
	/* To look does not publish; to wait, however short, does. */
	fake.published |= file->unanswered != 0;
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
	if (file->area.nr_pages || !arg->nr_pages || arg->reserved)
		return -EINVAL;
	if (arg->nr_pages > fake.area_limit)
		return -ENOBUFS;
	memory_new(&file->area, arg->nr_pages);
	return 0;
}

/* One message to the process. 0; -EMSGSIZE: it does not fit; -ENOBUFS: too many are held. */
static int give(struct fake_file *file, struct fake_msg *m, const struct xenmsg_uapi_recv *arg,
		struct xenmsg_uapi_rx *out, uint64_t *at)
{
	uint64_t data = (*at + 7) & ~UINT64_C(7);

	if (!m->bytes) {
		if (file->nr_handles == fake.held_max)
			return -ENOBUFS;
		*out = m->rx;
		file->handles[file->nr_handles++] = m->rx.handle;
		return 0;
	}
	*out = (struct xenmsg_uapi_rx){ .seq = m->rx.seq, .len = m->rx.len };
	if (data > arg->buffer_len || m->rx.len > arg->buffer_len - data)
		return -EMSGSIZE;
	*out = m->rx;
	memcpy((char *)pointer(arg->buffer) + data, m->bytes, m->rx.len);
	out->data = data;
	*at = data + m->rx.len;
	free(m->bytes);
	m->bytes = NULL;
	return 0;
}

static int do_recv(struct fake_file *file, const struct xenmsg_uapi_recv *arg)
{
	struct xenmsg_uapi_rx *out = pointer(arg->msgs);
	uint64_t at = 0;
	unsigned int n;
	int r;

	ck_assert_int_eq(arg->timeout, 0);
	ck_assert_uint_eq(arg->buffer % 8, 0);
	if (!file->bind.port || file->unbinding || !arg->nr)
		return -EINVAL;
	for (n = 0; n < arg->nr && n < XENMSG_UAPI_BATCH && file->nr_msgs; n++) {
		r = give(file, &file->queue[file->first_msg % FAKE_QUEUE], arg, &out[n], &at);
		if (r)
			return n ? (int)n : r;
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
	if (!arg->nr_pages || arg->nr_pages > 1024 || !arg->addr || !arg->port)
		return -EINVAL;
	/* A client in the broker's domain. */
	if (arg->addr & 0x8000)
		return -EACCES;
	if (fake.gone)
		return -EHOSTDOWN;
	if (!file->bind.port || file->unbinding)
		return -EINVAL;
	for (id = 0; id < FAKE_POOLS && file->pools[id].nr_pages; id++)
		;
	if (id == FAKE_POOLS)
		return -ENOBUFS;
	memory_new(&file->pools[id], arg->nr_pages);
	arg->id = id;
	arg->offset = XENMSG_MMAP_POOL(id);
	file->added[id] = *arg;
	file->pool_state[id] = (struct fake_pool_state){ .await = true };
	return 0;
}

static bool is_of_pool(const struct xenmsg_uapi_event *event, uint32_t id)
{
	return event->slot == id &&
	       (event->type == XENMSG_EV_POOL_GONE || event->type == XENMSG_EV_POOL_ADDED);
}

/* With what would have been told of it. */
static void pool_free(struct fake_file *file, uint32_t id)
{
	unsigned int i, left = 0;

	memory_free(&file->pools[id]);
	for (i = 0; i < file->nr_states; i++)
		if (!is_of_pool(&file->states[i], id))
			file->states[left++] = file->states[i];
	file->nr_states = left;
}

static int do_pool_del(struct fake_file *file, const struct xenmsg_uapi_pool_del *arg)
{
	unsigned int i;
	bool unknown;

	ck_assert_int_eq(arg->timeout, 0);
	if (arg->id >= FAKE_POOLS || !file->pools[arg->id].nr_pages)
		return -EINVAL;
	for (i = 0; i < fake.nr_sent; i++)
		if (fake.sent[i].file == file && !fake.sent[i].answered &&
		    (fake.sent[i].tx.flags & XENMSG_TX_POOL) && fake.sent[i].tx.nr == arg->id)
			return -EBUSY;
	/* Of one that the receiver let go of, the engine knows nothing. */
	unknown = file->pool_state[arg->id].gone;
	pool_free(file, arg->id);
	fake.nr_deleted++;
	return unknown ? fake.gone ? -EHOSTDOWN : -EINVAL : -ETIMEDOUT;
}

static int do_pool_mapped(struct fake_file *file, const struct xenmsg_uapi_pool_mapped *arg)
{
	enum fake_foreign *state;

	if (arg->status > 0 || arg->slot >= FAKE_FOREIGN)
		return -EINVAL;
	state = &file->foreign[arg->slot];
	if (*state != FAKE_FOREIGN_ASKED)
		return -EINVAL;
	*state = arg->status ? FAKE_FOREIGN_NONE : FAKE_FOREIGN_MAPPED;
	fake.mapped[fake.nr_mapped++ % FAKE_POOLS] = *arg;
	return 0;
}

/* What changes as the process learns of it. */
static void fetched(struct fake_file *file, const struct xenmsg_uapi_event *event)
{
	switch (event->type) {
	case XENMSG_EV_POOL_MAP:
		file->foreign[event->slot] = FAKE_FOREIGN_ASKED;
		break;
	case XENMSG_EV_POOL_FREE:
		file->foreign[event->slot] = FAKE_FOREIGN_NONE;
		break;
	case XENMSG_EV_POOL_UNMAP:
		if (!event->status)
			file->foreign[event->slot] = FAKE_FOREIGN_NONE;
		break;
	case XENMSG_EV_POOL_ADDED:
		file->pool_state[event->slot].await = false;
		if (event->status)
			memory_free(&file->pools[event->slot]);
		break;
	default:
		break;
	}
}

static int do_events(struct fake_file *file, const struct xenmsg_uapi_events *arg)
{
	struct xenmsg_uapi_event *out = pointer(arg->events);
	unsigned int n;

	ck_assert_int_eq(arg->timeout, 0);
	if (!arg->nr)
		return -EINVAL;
	for (n = 0; n < arg->nr && file->nr_events; n++) {
		out[n] = file->events[file->first_event++ % FAKE_EVENTS];
		file->nr_events--;
	}
	if (n < arg->nr && file->lost) {
		out[n] = (struct xenmsg_uapi_event){ .type = XENMSG_EV_LOST, .seq = file->lost };
		file->lost = 0;
		n++;
	}
	for (; n < arg->nr && file->nr_states; n++) {
		out[n] = file->states[0];
		memmove(&file->states[0], &file->states[1],
			--file->nr_states * sizeof(file->states[0]));
		fetched(file, &out[n]);
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
		return do_subscribe(file, arg);
	case XENMSG_IOC_BIND:
		return do_bind(file, arg);
	case XENMSG_IOC_UNBIND:
		return do_unbind(file, arg);
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
		return do_pool_mapped(file, arg);
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
	if (!r)
		r = dispatch(file, request, arg);
	settle(file);
	return r;
}
