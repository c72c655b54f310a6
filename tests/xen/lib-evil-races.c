/* SPDX-License-Identifier: GPL-2.0-or-later */
/* evil-process: several threads and processes on one file, signals, and memory that faults. */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "tests/xen/evil-process.h"

#define PORT 2850

/* A call of another thread. */
struct sleeper {
	pthread_t thread;
	int fd;
	uint32_t addr, port;
	struct xenmsg_uapi_rx *rx;
	char *data;
	int result;
};

static char scratch[64 * EVIL_PAGE];

static void *do_recv(void *arg)
{
	struct sleeper *s = arg;
	static char buffer[EVIL_PAGE];

	s->result = evil_recv(s->fd, s->rx, buffer, sizeof(buffer), -1);
	return NULL;
}

static void *do_send(void *arg)
{
	struct sleeper *s = arg;

	s->result = evil_send(s->fd, s->addr, s->port, s->data, EVIL_PAGE, 0, -1);
	return NULL;
}

static void start(struct sleeper *s, void *(*what)(void *))
{
	pthread_create(&s->thread, NULL, what, s);
	usleep(100000);
}

static int quick(int r, int64_t since)
{
	return now_ms() - since > 500 ? ETIME : r;
}

/* -------------------------------------------------------------- two threads */

/* One sleeps in RECV: others need not wait for it, and can end it. */
static bool recv_and_unbind(const struct evil *e)
{
	struct xenmsg_uapi_rx rx, rx2;
	struct sleeper s = { .fd = evil_open(), .rx = &rx };
	bool good = EXPECT(evil_bind(s.fd, PORT, 1000), 0);
	int64_t then;

	start(&s, do_recv);
	then = now_ms();
	good &= EXPECT(quick(evil_recv(s.fd, &rx2, scratch, sizeof(scratch), 0), then), EAGAIN);
	then = now_ms();
	good &= EXPECT(quick(evil_bind(s.fd, PORT, 0), then), EINVAL);
	then = now_ms();
	good &= EXPECT(quick(evil_unbind(s.fd, 400), then), 0);
	pthread_join(s.thread, NULL);
	return good & EXPECT(s.result, EINVAL);
}

/* One sleeps in SEND, as the receiver takes nothing. */
static bool two_send(const struct evil *e)
{
	struct sleeper s = { .fd = evil_open(), .addr = e->peer, .data = scratch };
	int64_t then;
	bool good;
	int r;

	/* Some it takes, at first. Until as many are under way as may be, whatever their size. */
	s.port = EVIL_SINK;
	do
		r = evil_send(s.fd, s.addr, s.port, scratch, 10, 0, 300);
	while (!r);
	good = EXPECT(r, EAGAIN);
	start(&s, do_send);
	then = now_ms();
	good &= EXPECT(quick(evil_send(s.fd, s.addr, s.port, scratch, 10, 0, 0), then), EAGAIN);
	then = now_ms();
	/* Another one takes messages. */
	good &= EXPECT(quick(evil_send(s.fd, s.addr, EVIL_NONE, scratch, 10, 0, 0), then), 0);
	return good;
}

/* Closed while threads sleep in it, and passed on to a process that does, too. */
static bool close_under(const struct evil *e)
{
	struct xenmsg_uapi_rx rx;
	struct sleeper s = { .fd = evil_open(), .rx = &rx };
	int fd = dup(s.fd), status;
	bool good = EXPECT(evil_bind(fd, PORT, 1000), 0);
	pid_t child;

	start(&s, do_recv);
	child = fork();
	if (!child) {
		evil_recv(fd, &rx, scratch, sizeof(scratch), -1);
		_exit(0);
	}
	usleep(50000);
	close(s.fd);
	kill(child, SIGKILL);
	good &= waitpid(child, &status, 0) == child;
	good &= EXPECT(evil_send(fd, e->own, PORT, "x", 1, 0, 1000), 0);
	pthread_join(s.thread, NULL);
	return good & EXPECT(s.result, 0);
}

/* ----------------------------------------------------------- memory that faults */

/* Memory that stays away until drop() is called. */
static char *absent(const struct evil *e, size_t pages)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register r = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *va = mmap(NULL, pages * EVIL_PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ioctl(e->fault_fd, UFFDIO_API, &api);
	r.range.start = (uintptr_t)va;
	r.range.len = pages * EVIL_PAGE;
	if (!EXPECT(ioctl(e->fault_fd, UFFDIO_REGISTER, &r) ? errno : 0, 0))
		return NULL;
	return va;
}

static void drop(const struct evil *e, char *va, size_t pages)
{
	struct uffdio_range range = { (uintptr_t)va, pages * EVIL_PAGE };

	munmap(va, pages * EVIL_PAGE);
	ioctl(e->fault_fd, UFFDIO_WAKE, &range);
}

/* Payload that never comes stops its sender alone. */
static bool absent_payload(const struct evil *e)
{
	char *va = absent(e, 8);
	struct sleeper s = { .fd = evil_open(), .addr = e->own, .port = EVIL_NONE, .data = va };
	int other = evil_open();
	bool good = va != NULL;

	if (!good)
		return false;
	start(&s, do_send);
	good &= EXPECT(evil_send(other, e->own, EVIL_NONE, scratch, 20000, 0, 1000), 0);
	drop(e, va, 8);
	pthread_join(s.thread, NULL);
	return good & EXPECT(s.result, EFAULT);
}

/* A receiver whose memory never comes keeps nobody else from receiving. */
static bool absent_buffer(const struct evil *e)
{
	struct xenmsg_uapi_rx rx;
	char *va = absent(e, 1);
	struct sleeper s = { .fd = evil_open(), .rx = (void *)va };
	int other = evil_open();
	bool good = va && EXPECT(evil_bind(s.fd, PORT, 1000), 0);

	good &= EXPECT(evil_bind(other, PORT + 1, 1000), 0);
	good &= EXPECT(evil_send(s.fd, e->own, PORT, "a", 1, 0, 1000), 0);
	start(&s, do_recv);
	good &= EXPECT(evil_send(other, e->own, PORT + 1, "b", 1, 0, 1000), 0);
	good &= EXPECT(evil_recv(other, &rx, scratch, sizeof(scratch), 1000), 0);
	drop(e, va, 1);
	pthread_join(s.thread, NULL);
	good &= EXPECT(s.result, EFAULT);
	return good & EXPECT(evil_recv(s.fd, &rx, scratch, sizeof(scratch), 1000), 0);
}

static int release(int fd, uint32_t handle)
{
	struct xenmsg_uapi_release r = { .handles = (uintptr_t)&handle, .nr = 1 };

	return evil_call(fd, XENMSG_IOC_RELEASE, &r);
}

/* A pool from @fd to @other, which has not really mapped it. */
static bool share(const struct evil *e, int fd, int other)
{
	struct xenmsg_uapi_pool_mapped m = { .status = 0 };
	struct xenmsg_uapi_event event;
	uint32_t id;
	bool good = EXPECT(evil_bind(fd, PORT, 1000), 0) &
		    EXPECT(evil_bind(other, PORT + 1, 1000), 0);

	good &= EXPECT(evil_pool_add(fd, e->own, PORT + 1, 2, 0, &id), 0);
	good &= EXPECT(evil_event_of(other, XENMSG_EV_POOL_MAP, &event, 1000), 0);
	m.slot = event.slot;
	good &= EXPECT(evil_call(other, XENMSG_IOC_POOL_MAPPED, &m), 0);
	good &= EXPECT(evil_event_of(fd, XENMSG_EV_POOL_ADDED, &event, 1000), 0);
	return good & EXPECT((int)id, 0);
}

/* A mapped message is released by a guess, before the call that hands it out has done so. */
static bool guessed_handle(const struct evil *e)
{
	struct xenmsg_uapi_rx rx = { 0 };
	char *va = absent(e, 1);
	struct sleeper s = { .fd = evil_open(), .rx = (void *)va };
	int sender = evil_open();
	uint32_t handle;
	bool good = va && share(e, sender, s.fd);

	if (!good)
		return false;
	good &= EXPECT(evil_send(sender, e->own, PORT + 1, (void *)8, 50, XENMSG_TX_POOL, 0), 0);
	start(&s, do_recv);
	for (handle = 0; handle < 10; handle++)
		good &= EXPECT(release(s.fd, handle), EINVAL);
	drop(e, va, 1);
	pthread_join(s.thread, NULL);
	good &= EXPECT(s.result, EFAULT);
	good &= EXPECT(evil_recv(s.fd, &rx, scratch, sizeof(scratch), 1000), 0);
	good &= rx.flags == XENMSG_RX_MAPPED && rx.len == 50 && rx.data == 8;
	return good & EXPECT(release(s.fd, rx.handle), 0) &
	       EXPECT(release(s.fd, rx.handle), EINVAL);
}

/* ------------------------------------------------------------------ signals */

static void nothing(int signal)
{
}

/* Signals all the time, after which system calls go on: the time given ends all the same. */
static bool signals(const struct evil *e)
{
	struct sigaction action = { .sa_handler = nothing, .sa_flags = SA_RESTART };
	struct itimerval often = { { 0, 20000 }, { 0, 20000 } }, never = { 0 };
	struct xenmsg_uapi_event event;
	int fd = evil_open(), r;
	int64_t then = now_ms();

	while (!evil_event(fd, &event, 0))
		;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	r = quick(evil_event(fd, &event, 300), then);
	setitimer(ITIMER_REAL, &never, NULL);
	return r == ETIMEDOUT || EXPECT(r, EINTR);
}

/* Sleeps in a call of kind @what, again and again. */
static void sleep_in(const struct evil *e, int what)
{
	struct xenmsg_uapi_rx rx;
	struct xenmsg_uapi_event event;
	struct xenmsg_uapi_flush f = { .timeout = -1 };
	int fd = evil_open(), other = evil_open();
	uint32_t id;

	evil_bind(fd, PORT, 2000);
	evil_bind(other, PORT + 1, 2000);
	for (;;) {
		switch (what) {
		case 0:
			evil_recv(fd, &rx, scratch, sizeof(scratch), -1);
			break;
		case 1:
			evil_event(fd, &event, -1);
			break;
		case 2:
			evil_send(fd, e->peer, EVIL_SINK + 1, scratch, EVIL_PAGE, 0, -1);
			break;
		case 3:
			evil_send(fd, e->peer, EVIL_SINK + 1, scratch, EVIL_PAGE, 0, 0);
			evil_call(fd, XENMSG_IOC_FLUSH, &f);
			break;
		default:
			evil_pool_add(fd, e->own, PORT + 1, 4, -1, &id);
			break;
		}
	}
}

/* Each kind of sleep ends with its process. */
static bool killed(const struct evil *e)
{
	int64_t end;
	pid_t child;
	bool good = true;
	int what;

	for (what = 0; what < 5; what++) {
		fflush(stdout);
		child = fork();
		if (!child)
			sleep_in(e, what);
		usleep(300000);
		good &= EXPECT(waitpid(child, NULL, WNOHANG), 0);
		kill(child, SIGKILL);
		for (end = now_ms() + 1000; waitpid(child, NULL, WNOHANG) == 0; usleep(1000))
			if (now_ms() > end)
				return EXPECT(ETIME, 0);
		usleep(50000);
	}
	return good;
}

const struct evil_case evil_races[] = {
	{ "recv-and-unbind", recv_and_unbind },
	{ "two-send", two_send },
	{ "close-under", close_under },
	{ "absent-payload", absent_payload },
	{ "absent-buffer", absent_buffer },
	{ "guessed-handle", guessed_handle },
	{ "signals", signals },
	{ "killed", killed },
	{ NULL, NULL },
};
