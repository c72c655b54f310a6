/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process that uses /dev/xenmsg while its broker misbehaves, by ioctls alone.
 *
 *	raw-endpoint plain | kill | count | keep CASE...
 *
 * It loads the driver, binds a port, has a look-up, some messages and a wait
 * for messages under way, and says what became of each; then how the driver
 * stands, what the kernel said of it, and that it could be unloaded. No call
 * waits for ever: what would hang shows up as ETIMEDOUT.
 *
 *	kill	instead of all that: is killed while it waits for its BIND
 *	keep	does not unload the driver, but takes the device from it
 *	count	how far a loop counts in a fixed time, before and during
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xenstore.h>

#include "include/uapi/linux/xenmsg.h"

#define DRIVER	  "xen-vmsgfront"
#define STATE	  "/sys/kernel/debug/" DRIVER "/state"
#define PORT	  13
#define BUFFER	  65536
#define PEER	  0x00050005
#define SENDS	  4
#define WAIT_MS	  3000
#define ANSWER_MS 4000
#define CASE_MS	  5000
/* Several of the 30 ms that Xen's scheduler gives a domain, and within a storm. */
#define COUNT_MS 150

struct endpoint {
	int fd, other; /* two files */
	int kmsg;
	pthread_t receiver, resolver;
	unsigned int received;
	int recv_error, resolve_error; /* errno, 0: none */
	bool bye;
};

static const char *error_name(int error)
{
	return error ? strerrorname_np(error) ?: "UNKNOWN" : "0";
}

/* 0 or errno; a driver that returns what is neither is caught here. */
static int call(int fd, unsigned long request, void *arg)
{
	int r = ioctl(fd, request, arg);

	if (r < -1)
		printf("ioctl %#lx returned %d\n", request, r);
	return r < 0 ? errno : 0;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ------------------------------------------------------------------- driver */

static int load(void)
{
	struct utsname name;
	char path[512];
	int fd, r;

	uname(&name);
	snprintf(path, sizeof(path), "/p/modules/%s/" DRIVER ".ko", name.release);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* Few pages, that are granted sooner. */
	r = fd < 0							? errno :
	    syscall(SYS_finit_module, fd, "tx_pages=64 rx_pages=64", 0) ? errno :
									  0;
	if (fd >= 0)
		close(fd);
	return r;
}

static int delete_driver(void)
{
	return syscall(SYS_delete_module, "xen_vmsgfront", O_NONBLOCK) ? errno : 0;
}

/* Has the bus do that with the device. There may be none. */
static void tell_bus(const char *what)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/xen/drivers/" DRIVER "/%s", what);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "vmsg-0", 6) != 6 && errno != ENODEV)
		printf("%s %s\n", what, error_name(errno));
	close(fd);
}

static int unload(bool keep)
{
	int64_t end = now_ms() + WAIT_MS;
	int r = 0;

	tell_bus("unbind");
	/* A device whose nodes are gone may be on its way out. */
	while (!keep && (r = delete_driver()) == EAGAIN && now_ms() < end)
		usleep(1000);
	return r;
}

/* The lines that are about the driver, each from where the kernel's own prefix ends. */
static void show_kernel_words(int kmsg)
{
	char line[1024], *text;
	ssize_t n;

	while ((n = read(kmsg, line, sizeof(line) - 1)) > 0) {
		line[n] = 0;
		line[strcspn(line, "\n")] = 0;
		text = strchr(line, ';');
		if (!text || !(strstr(text, "vmsg-0: ") || strstr(text, DRIVER ": ")))
			continue;
		printf("said %s\n", strstr(text, ": ") + 2);
	}
}

static void show_state(void)
{
	static const char *const wanted[] = { "phase: ",      "endpoints: ",   "closing: ",
					      "unanswered: ", "busy-grants: ", "events-received: " };
	char line[256];
	unsigned int i;
	FILE *f = fopen(STATE, "re");

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
			if (!strncmp(line, wanted[i], strlen(wanted[i])))
				printf("%s ", line);
	}
	printf("\n");
	if (f)
		fclose(f);
}

/* --------------------------------------------------------------------- work */

static void *resolve(void *arg)
{
	struct endpoint *ep = arg;
	struct xenmsg_uapi_resolve q = { .name = "bob", .name_len = 3, .timeout = ANSWER_MS };

	ep->resolve_error = call(ep->other, XENMSG_IOC_RESOLVE, &q);
	return NULL;
}

/* Until the last message has come, or none can come any more. */
static void *receive(void *arg)
{
	struct endpoint *ep = arg;
	struct xenmsg_uapi_rx rx;
	static char buffer[BUFFER];
	struct xenmsg_uapi_recv q = {
		.msgs = (uintptr_t)&rx,
		.buffer = (uintptr_t)buffer,
		.buffer_len = sizeof(buffer),
		.nr = 1,
		.timeout = ANSWER_MS,
	};

	while (!ep->bye) {
		ep->recv_error = call(ep->fd, XENMSG_IOC_RECV, &q);
		if (ep->recv_error)
			break;
		ep->received++;
		ep->bye = rx.len == 3 && !memcmp(buffer + rx.data, "bye", 3);
	}
	return NULL;
}

static int send_one(struct endpoint *ep, uint32_t len)
{
	static char data[5 * 4096];
	struct xenmsg_uapi_tx tx = {
		.data = (uintptr_t)data,
		.len = len,
		.addr = PEER,
		.port = 7,
		.flags = XENMSG_TX_CONFIRM,
	};
	struct xenmsg_uapi_send q = { .msgs = (uintptr_t)&tx, .nr = 1, .timeout = WAIT_MS };

	return call(ep->fd, XENMSG_IOC_SEND, &q);
}

/* How many messages could be sent: inline, in one page, in many. */
static unsigned int send_all(struct endpoint *ep)
{
	static const uint32_t lens[SENDS] = { 10, 32, 100, 5 * 4096 };
	unsigned int i;
	int r = 0;

	for (i = 0; i < SENDS && !r; i++)
		r = send_one(ep, lens[i]);
	if (r)
		printf("(%s) ", error_name(r));
	return r ? i - 1 : i;
}

static void show_answers(struct endpoint *ep, unsigned int nr)
{
	struct xenmsg_uapi_event event;
	struct xenmsg_uapi_events q = { .events = (uintptr_t)&event, .nr = 1 };
	unsigned int ok = 0, down = 0, other = 0;
	int64_t left, end = now_ms() + ANSWER_MS;

	while (ok + down + other < nr && (left = end - now_ms()) > 0) {
		q.timeout = (int32_t)left;
		if (call(ep->fd, XENMSG_IOC_EVENTS, &q))
			break;
		if (event.type != XENMSG_EV_SENT)
			continue;
		ok += event.status == 0;
		down += event.status == -EHOSTDOWN;
		other += event.status != 0 && event.status != -EHOSTDOWN;
		if (event.status < -511)
			printf("(status %d) ", event.status);
	}
	printf("ok %u down %u other %u ", ok, down, other);
}

/* ------------------------------------------------------------------ the run */

static bool get_connected(struct endpoint *ep)
{
	struct xenmsg_uapi_info info = { .timeout = WAIT_MS };
	int r = call(ep->fd, XENMSG_IOC_INFO, &info);

	printf("info %s ", r ? error_name(r) : info.addr ? "connected" : "none");
	if (info.max_message > 1u << 20)
		printf("max_message %u ", info.max_message);
	return !r && info.addr;
}

static void bind_port(struct endpoint *ep, int timeout)
{
	struct xenmsg_uapi_bind q = { .port = PORT, .buffer = BUFFER, .timeout = timeout };

	printf("bind %s ", error_name(call(ep->fd, XENMSG_IOC_BIND, &q)));
}

static unsigned long count_for(int ms)
{
	int64_t end = now_ms() + ms;
	unsigned long n = 0;

	while (now_ms() < end)
		n++;
	return n;
}

static void work(struct endpoint *ep, bool count)
{
	struct xenmsg_uapi_flush flush = { .timeout = WAIT_MS };
	struct xenmsg_uapi_unbind unbind = { .timeout = WAIT_MS };
	unsigned long before = 0, during = 0;
	unsigned int sent;

	if (count)
		before = count_for(COUNT_MS);
	if (!get_connected(ep)) {
		bind_port(ep, 0);
		printf("send %s\n", error_name(send_one(ep, 10)));
		return;
	}
	bind_port(ep, WAIT_MS);
	pthread_create(&ep->receiver, NULL, receive, ep);
	pthread_create(&ep->resolver, NULL, resolve, ep);
	sent = send_all(ep);
	printf("send %u ", sent);
	if (count)
		during = count_for(COUNT_MS);
	show_answers(ep, sent);
	pthread_join(ep->receiver, NULL);
	pthread_join(ep->resolver, NULL);
	printf("recv %u %s resolve %s ", ep->received, ep->bye ? "bye" : error_name(ep->recv_error),
	       error_name(ep->resolve_error));
	printf("again %s ", error_name(send_one(ep, 10)));
	printf("flush %s ", error_name(call(ep->fd, XENMSG_IOC_FLUSH, &flush)));
	printf("unbind %s\n", error_name(call(ep->fd, XENMSG_IOC_UNBIND, &unbind)));
	if (count)
		printf("loops %lu %lu\n", before, during);
}

/* The child that waits for its BIND takes notice of a signal. */
static void kill_in_bind(struct endpoint *ep)
{
	bool connected = get_connected(ep);
	int64_t end = now_ms() + WAIT_MS;
	pid_t child, ended = 0;
	int status = 0;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		bind_port(ep, -1);
		_exit(0);
	}
	usleep(300000);
	if (waitpid(child, &status, WNOHANG) || !connected)
		printf("(BIND does not wait) ");
	kill(child, SIGKILL);
	while (!ended && now_ms() < end) {
		ended = waitpid(child, &status, WNOHANG);
		usleep(1000);
	}
	printf("killed %d\n", ended == child && WIFSIGNALED(status));
}

/* Waits until evil-backend has come to this case. */
static bool case_is_there(struct xs_handle *xs, const char *name)
{
	int64_t end = now_ms() + CASE_MS;
	bool there = false;
	unsigned int len;
	char *text;

	while (!there && now_ms() < end) {
		text = xs_read(xs, XBT_NULL, "device/vmsg/0/case", &len);
		there = text && !strcmp(text, name);
		free(text);
		if (!there)
			usleep(5000);
	}
	return there;
}

static int run(const char *how)
{
	struct endpoint ep = { .kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC) };
	int r;

	lseek(ep.kmsg, 0, SEEK_END);
	r = load();
	if (r == EEXIST) {
		r = 0;
		tell_bus("bind");
	}
	ep.fd = open("/dev/xenmsg", O_RDWR | O_CLOEXEC);
	ep.other = open("/dev/xenmsg", O_RDWR | O_CLOEXEC);
	if (r || ep.fd < 0 || ep.other < 0) {
		printf("load %s open %s\n", error_name(r), error_name(errno));
		(void)unload(false);
		return 1;
	}
	if (!strcmp(how, "kill"))
		kill_in_bind(&ep);
	else
		work(&ep, !strcmp(how, "count"));
	close(ep.fd);
	close(ep.other);
	show_state();
	r = unload(!strcmp(how, "keep"));
	show_kernel_words(ep.kmsg);
	close(ep.kmsg);
	printf("unload %s\n", error_name(r));
	return r != 0;
}

int main(int argc, char **argv)
{
	struct xs_handle *xs = xs_open(0);
	int i, r = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	if (argc < 3 || !xs)
		return 2;
	for (i = 2; i < argc; i++) {
		printf("case %s\n", argv[i]);
		if (case_is_there(xs, argv[i]))
			r |= run(argv[1]);
		else
			printf("evil-backend does not come to it\n");
	}
	xs_close(xs);
	return r;
}
