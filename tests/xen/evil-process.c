/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process without privileges that does to /dev/xenmsg whatever it can.
 *
 *	evil-process sink		in another guest: ports that take no message
 *	evil-process list		the names of the cases
 *	evil-process run CASE...	each as a process of its own, of user 1000
 *	evil-process fuzz MS		random calls of several threads, always the same
 *
 * A case that hogs something has a victim, a process of user 1001, try whether
 * there is enough left for it. A case that does not end is killed, and has
 * failed; it says so if it cannot be killed either.
 */
#include <fcntl.h>
#include <grp.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "tests/xen/evil-process.h"

#define CASE_MS 20000
#define KILL_MS 3000

static const struct evil_case *const tables[] = { evil_arguments, evil_races, evil_hogs };

int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *error_name(int error)
{
	return error ? strerrorname_np(error) ?: "UNKNOWN" : "0";
}

bool expect_at(const char *what, int got, int expected, int line)
{
	if (got == expected)
		return true;
	printf("  line %d: %s: %s, not %s\n", line, what, error_name(got), error_name(expected));
	return false;
}

int evil_call(int fd, unsigned long request, void *arg)
{
	int r = ioctl(fd, request, arg);

	if (r < -1)
		printf("  ioctl %#lx returned %d\n", request, r);
	return r < 0 ? errno : 0;
}

int evil_open(void)
{
	return open("/dev/xenmsg", O_RDWR | O_CLOEXEC);
}

/* ------------------------------------------------------------------ victims */

static void become(unsigned int id)
{
	if (setgroups(0, NULL) || setgid(EVIL_USER) || setresuid(id, id, id)) {
		perror("evil-process");
		_exit(1);
	}
}

/* Runs @what as another user: 0 or its errno, ETIME if it does not end. */
static int run_victim(unsigned int what)
{
	int64_t end = now_ms() + KILL_MS;
	int status = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		become(EVIL_USER + 1);
		_exit(evil_victim(what));
	}
	while (waitpid(child, &status, WNOHANG) == 0) {
		if (now_ms() > end) {
			kill(child, SIGKILL);
			waitpid(child, &status, 0);
			return ETIME;
		}
		usleep(1000);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

/* -------------------------------------------------------------------- cases */

static const struct evil_case *find(const char *name)
{
	const struct evil_case *c;
	unsigned int i;

	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (c = tables[i]; c->name; c++)
			if (!strcmp(c->name, name))
				return c;
	return NULL;
}

static void list(void)
{
	const struct evil_case *c;
	unsigned int i;

	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (c = tables[i]; c->name; c++)
			printf("%s\n", c->name);
}

static void child(const struct evil_case *c, const struct evil *e)
{
	bool good;

	become(EVIL_USER);
	good = c->run(e);
	fflush(stdout);
	_exit(!good);
}

/* Its wishes for victims are met until it ends. */
static bool attend(const char *name, pid_t pid, const struct evil *e)
{
	int64_t end = now_ms() + CASE_MS;
	struct pollfd p = { .fd = e->ask[0], .events = POLLIN };
	unsigned int what;
	int status = 0, r;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (poll(&p, 1, 5) == 1 && read(e->ask[0], &what, sizeof(what)) == sizeof(what)) {
			r = run_victim(what);
			if (write(e->answer[1], &r, sizeof(r)) != sizeof(r))
				return false;
		}
		if (now_ms() < end)
			continue;
		printf("  %s does not end\n", name);
		kill(pid, SIGKILL);
		end = now_ms() + KILL_MS;
		while (waitpid(pid, &status, WNOHANG) == 0 && now_ms() < end)
			usleep(1000);
		if (now_ms() >= end)
			printf("  and cannot be killed\n");
		return false;
	}
	if (!WIFEXITED(status))
		printf("  %s ended with status %#x\n", name, status);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static bool run(const char *name, uint32_t peer, uint32_t own)
{
	struct evil e = { .peer = peer, .own = own };
	const struct evil_case *c = find(name);
	pid_t pid;
	bool good;

	if (!c || pipe2(e.ask, O_CLOEXEC) || pipe2(e.answer, O_CLOEXEC))
		return false;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		/* Only who is privileged gets one that stops the kernel, too. */
		e.fault_fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
		child(c, &e);
	}
	good = attend(name, pid, &e);
	printf("%s %s\n", good ? "ok" : "FAILED", name);
	close(e.ask[0]);
	close(e.ask[1]);
	close(e.answer[0]);
	close(e.answer[1]);
	return good;
}

/* -------------------------------------------------------------------- start */

/* The group may use the device; there is no udev here. */
static int open_to_group(void)
{
	return chown("/dev/xenmsg", 0, EVIL_USER) || chmod("/dev/xenmsg", 0660) ? errno : 0;
}

static int find_peer(uint32_t *peer, uint32_t *own)
{
	struct xenmsg_uapi_resolve q = { .name = "bob", .name_len = 3, .timeout = 5000 };
	struct xenmsg_uapi_info info = { .timeout = 5000 };
	int fd = evil_open();
	int r = fd < 0 ? errno : evil_call(fd, XENMSG_IOC_INFO, &info);

	if (!r)
		r = evil_call(fd, XENMSG_IOC_RESOLVE, &q);
	close(fd);
	*peer = q.addr;
	*own = info.addr;
	return r;
}

/* Who sends there waits for an answer for ever, after the first few. */
static int sink(void)
{
	int r = 0;
	unsigned int i;

	for (i = 0; i < EVIL_SINKS && !r; i++) {
		struct xenmsg_uapi_bind b = {
			.port = EVIL_TINY + i,
			.timeout = 5000,
			.buffer = EVIL_PAGE,
		};

		r = evil_call(evil_open(), XENMSG_IOC_BIND, &b);
		if (!r)
			r = evil_bind(evil_open(), EVIL_SINK + i, 5000);
	}
	printf("sink %s\n", error_name(r));
	fflush(stdout);
	if (!r)
		pause();
	return r != 0;
}

int main(int argc, char **argv)
{
	uint32_t peer = 0, own = 0;
	int i, r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && !strcmp(argv[1], "sink"))
		return sink();
	if (argc == 2 && !strcmp(argv[1], "list")) {
		list();
		return 0;
	}
	if (argc < 3)
		return 2;
	r = open_to_group();
	if (!r)
		r = find_peer(&peer, &own);
	if (r) {
		printf("FAILED to begin: %s\n", error_name(r));
		return 1;
	}
	if (!strcmp(argv[1], "fuzz")) {
		become(EVIL_USER);
		return evil_fuzz(peer, own, atoi(argv[2]));
	}
	for (i = 2; i < argc; i++)
		r |= !run(argv[i], peer, own);
	return r;
}
