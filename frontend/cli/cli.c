// SPDX-License-Identifier: GPL-2.0-or-later
/* The device, waiting and errors; see cli.h. */
#include "cli.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

void cli_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("xenmsg: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

const char *cli_why(int error)
{
	switch (-error) {
	case EACCES:
		return "refused by the host's policy";
	case EHOSTUNREACH:
		return "no such peer";
	case EHOSTDOWN:
		return "the peer went down, or the way to it";
	case ECONNREFUSED:
		return "nobody listens on that port";
	case EMSGSIZE:
		return "longer than the receiver takes";
	case ENOBUFS:
		return "over a limit of the device";
	case EDQUOT:
		return "over a rate or quota of the host's policy";
	case EADDRINUSE:
		return "the port or service is taken";
	case ETIMEDOUT:
		return "no answer in time";
	case EFAULT:
		return "memory could not be shared";
	case EINTR:
		return "interrupted";
	default:
		return strerror(-error);
	}
}

int cli_status(int error)
{
	if (!error)
		return STATUS_OK;
	return error == -EACCES || error == -EDQUOT ? STATUS_REFUSED : STATUS_FAILED;
}

int cli_fail(struct cli *cli, int error, const char *format, ...)
{
	const char *name = strerrorname_np(-error);
	const char *reason = cli->x ? xenmsg_reason(cli->x) : NULL;
	va_list args;

	va_start(args, format);
	fputs("xenmsg: ", stderr);
	vfprintf(stderr, format, args);
	va_end(args);
	if (reason)
		fprintf(stderr, ": the device is gone: %s\n", reason);
	else
		fprintf(stderr, ": %s (%s)\n", cli_why(error), name ? name : "?");
	return reason ? STATUS_DEVICE : cli_status(error);
}

static void say_open_failed(int error)
{
	switch (-error) {
	case ENODEV:
		cli_say("this domain has no vmsg device: the host gives it none, or no broker "
			"runs there");
		break;
	case EBUSY:
		cli_say("another process of this domain uses the device");
		break;
	case ETIMEDOUT:
		cli_say("the broker does not answer");
		break;
	case ENOENT:
		cli_say("no Xen device nodes: load xen-evtchn, xen-gntdev and xen-gntalloc");
		break;
	case EPERM:
	case EACCES:
		cli_say("no access to Xen's device nodes: to be run as root");
		break;
	case ENOSPC:
		cli_say("too many pages of this domain are granted (gntalloc's limit)");
		break;
	default:
		cli_say("cannot open the device: %s", strerror(-error));
		break;
	}
}

int cli_open(struct cli *cli)
{
	sigset_t set;
	int r;

	/* Before the device, as libxenstore's thread inherits the mask. */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	cli->x = NULL;
	cli->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	r = cli->signals < 0 ? -errno : xenmsg_open(&cli->x, NULL);
	if (!r)
		return STATUS_OK;
	cli->x = NULL;
	say_open_failed(r);
	cli_close(cli);
	return STATUS_DEVICE;
}

void cli_close(struct cli *cli)
{
	xenmsg_close(cli->x);
	if (cli->signals >= 0)
		close(cli->signals);
	cli->x = NULL;
	cli->signals = -1;
}

int cli_wait(struct cli *cli, int fd, int timeout)
{
	struct pollfd fds[] = {
		{ .fd = xenmsg_fd(cli->x), .events = POLLIN },
		{ .fd = cli->signals, .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
	};
	int n, r = 0;

	n = poll(fds, 3, timeout);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (!n)
		return -ETIMEDOUT;
	if (fds[1].revents)
		return -EINTR;
	if (fds[0].revents)
		r = xenmsg_dispatch(cli->x);
	return r ? r : fds[2].revents != 0;
}

int cli_port_open(struct cli *cli, struct xenmsg_port **port)
{
	uint32_t number;
	int i, r = -EADDRINUSE;

	for (i = 0; r == -EADDRINUSE && i < 16; i++) {
		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			return -EIO;
		r = xenmsg_port_open(cli->x, number | 0x80000000, NULL, port);
	}
	return r;
}
