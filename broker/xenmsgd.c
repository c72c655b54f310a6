// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xenmsgd: the broker daemon.
 *
 * Starts in an order in which a second daemon, a wrong configuration or a
 * missing interface is found before anything of a guest is touched: options,
 * configuration, lock, control socket, Xen. Stops without taking anything from
 * the guests: frontends keep their nodes and what is not answered, and go on
 * with the next daemon. SIGHUP has it read its configuration again.
 */
#include "broker/broker.h"
#include "broker/config.h"
#include "broker/control.h"
#include "broker/journal.h"
#include "broker/reload.h"

#include "common/clock.h"
#include "common/listen.h"
#include "common/local.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define LOCK_PATH    "/run/xenmsg/lock"
#define CONTROL_MODE 0600
#define LOCAL_MODE   0660

struct options {
	const char *config;
	const char *control;
	const char *lock;
	const char *local;
	int verbosity;
};

struct daemon {
	struct log log;
	sd_event *event;
	struct control *control;
	struct broker *broker;
	int lock;
};

static int usage(FILE *out)
{
	fprintf(out,
		"usage: xenmsgd [-c FILE] [--control PATH] [--local PATH] [--lock PATH] [-v]\n"
		"The broker of the vmsg device: carries messages between Xen guests.\n"
		"\n"
		"  -c, --config FILE   configuration (default %s)\n"
		"      --control PATH  socket for xenmsgctl (default %s)\n"
		"      --local PATH    socket for programs of this domain (default %s)\n"
		"      --lock PATH     held as long as the daemon runs (default %s)\n"
		"      --foreground    do not detach; it never does\n"
		"  -v, --verbose       log debugging too\n"
		"      --version       print the version\n"
		"  -h, --help          print this\n",
		CONFIG_PATH, CONTROL_PATH, LOCAL_SOCKET, LOCK_PATH);
	return out == stdout ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* -1: go on; otherwise an exit status. */
static int parse_options(struct options *o, int argc, char **argv)
{
	enum { CONTROL = 256, LOCAL, LOCK, FOREGROUND, VERSION };
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "control", required_argument, NULL, CONTROL },
		{ "local", required_argument, NULL, LOCAL },
		{ "lock", required_argument, NULL, LOCK },
		{ "foreground", no_argument, NULL, FOREGROUND },
		{ "verbose", no_argument, NULL, 'v' },
		{ "version", no_argument, NULL, VERSION },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:vh", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case CONTROL:
			o->control = optarg;
			break;
		case LOCAL:
			o->local = optarg;
			break;
		case LOCK:
			o->lock = optarg;
			break;
		case FOREGROUND:
			break;
		case 'v':
			o->verbosity = LOG_DEBUG;
			break;
		case VERSION:
			puts("xenmsgd " XENMSG_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			return usage(stdout);
		default:
			return usage(stderr);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "xenmsgd: what is '%s'?\n", argv[optind]);
		return usage(stderr);
	}
	return -1;
}

/* The folder that @path is in, if it is not there. */
static void make_folder(const char *path)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	mkdir(dirname(copy), 0755);
}

/*
 * Two brokers would map the same rings and answer the same requests. The lock is
 * the open file's, and so ends with the process, however it ends.
 */
static int take_lock(struct daemon *d, const char *path)
{
	char pid[32];
	ssize_t len;
	int fd;

	make_folder(path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0) {
		log_write(&d->log, LOG_ERR, "lock %s: %s", path, strerror(errno));
		return -errno;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		len = pread(fd, pid, sizeof(pid) - 1, 0);
		pid[len > 0 ? strcspn(pid, "\n") : 0] = '\0';
		log_write(&d->log, LOG_ERR, "lock %s: another xenmsgd has it, process %s", path,
			  len > 0 ? pid : "unknown");
		close(fd);
		return -EBUSY;
	}
	len = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	/* For people only: it does not matter if this cannot be written. */
	if (ftruncate(fd, 0) == 0 && pwrite(fd, pid, (size_t)len, 0) < 0)
		log_write(&d->log, LOG_WARNING, "lock %s: %s", path, strerror(errno));
	d->lock = fd;
	return 0;
}

static struct config *read_config(struct daemon *d, const char *path)
{
	struct config *config = NULL;
	struct config_error error;
	char text[600];

	if (config_load(&config, path, &error) == 0)
		return config;
	config_error_text(&error, text, sizeof(text));
	log_write(&d->log, LOG_ERR, "%s", text);
	return NULL;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *priv)
{
	struct daemon *d = priv;

	log_write(&d->log, LOG_INFO, "%s: stopping; guests keep their messages",
		  strsignal((int)info->ssi_signo));
	return sd_event_exit(d->event, 0);
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *priv)
{
	struct daemon *d = priv;
	char text[1024];

	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_now_ns() / NS_PER_US);
	/* The log says what came of it. */
	(void)broker_reload(d->broker, text, sizeof(text));
	sd_notify(0, "READY=1");
	return 0;
}

static int handle_signals(struct daemon *d)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	r = sd_event_add_signal(d->event, NULL, SIGTERM, on_signal, d);
	if (r >= 0)
		r = sd_event_add_signal(d->event, NULL, SIGINT, on_signal, d);
	if (r >= 0)
		r = sd_event_add_signal(d->event, NULL, SIGHUP, on_hangup, d);
	return r;
}

static int fail(struct daemon *d, const char *what, int error)
{
	log_write(&d->log, LOG_ERR, "%s: %s", what, strerror(-error));
	return error;
}

/* A client takes a descriptor, and there may be more of them than the usual limit. */
static void raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

/* The socket that systemd made for us by this name, and listens to; -1: it did not. */
static int passed_socket(const char *name)
{
	char **names = NULL;
	int fd = -1, nr = sd_listen_fds_with_names(0, &names);

	for (int i = 0; i < nr; i++) {
		if (!strcmp(names[i], name))
			fd = SD_LISTEN_FDS_START + i;
		free(names[i]);
	}
	free(names);
	/* Of those that it leaves waiting, accept() must not wait for one that went away. */
	if (fd >= 0 && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		return -1;
	return fd;
}

static int listen_to_control(struct daemon *d, const char *path)
{
	int passed = passed_socket("control"), fd = passed, r;

	if (fd < 0) {
		make_folder(path);
		fd = listen_at(path, SOCK_STREAM, CONTROL_MODE);
	}
	if (fd < 0)
		return fd;
	r = control_new(&d->control, d->event, &d->log, fd, passed < 0 ? path : NULL);
	if (r < 0)
		close(fd);
	return r;
}

/* Who may connect is for the socket's folder, group and mode to say. */
static int listen_locally(struct daemon *d, const char *path)
{
	int fd = passed_socket("local"), r;

	if (fd < 0) {
		make_folder(path);
		fd = listen_at(path, SOCK_SEQPACKET, LOCAL_MODE);
	}
	if (fd < 0)
		return fd;
	r = broker_listen(d->broker, fd);
	if (r < 0)
		close(fd);
	return r;
}

static int start(struct daemon *d, const struct options *o)
{
	struct config *config;
	int r;

	config = read_config(d, o->config);
	if (!config)
		return -EINVAL;
	r = take_lock(d, o->lock);
	if (r < 0) {
		config_free(config);
		return r;
	}
	/* Not the default one, which asks the kernel for the thread at each turn. */
	r = sd_event_new(&d->event);
	if (r >= 0)
		r = handle_signals(d);
	/* Where systemd wants signs of life, the loop gives them. */
	if (r >= 0)
		r = sd_event_set_watchdog(d->event, true);
	if (r >= 0)
		r = broker_new(&d->broker, d->event, &d->log, config);
	if (r < 0) {
		config_free(config);
		return fail(d, "event loop", r);
	}
	r = listen_to_control(d, o->control);
	if (r < 0)
		return fail(d, o->control, r);
	r = broker_start(d->broker);
	if (r < 0)
		return fail(d, "Xen's interfaces (gntdev, evtchn, xenstore, privcmd) of dom0", r);
	r = listen_locally(d, o->local);
	if (r < 0)
		return fail(d, o->local, r);
	control_serve(d->control, d->broker);
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = {
		.config = CONFIG_PATH,
		.control = CONTROL_PATH,
		.lock = LOCK_PATH,
		.local = LOCAL_SOCKET,
		.verbosity = LOG_INFO,
	};
	struct daemon d = { .lock = -1 };
	int r = parse_options(&o, argc, argv);

	if (r >= 0)
		return r;
	log_init(&d.log, log_stderr_is_journal() ? journal_sink : log_stderr, NULL, o.verbosity);
	raise_files();
	r = start(&d, &o);
	if (r >= 0) {
		log_write(&d.log, LOG_INFO, "xenmsgd %s is ready", XENMSG_VERSION);
		sd_notify(0, "READY=1");
		r = broker_run(d.broker);
		sd_notify(0, "STOPPING=1");
		if (r < 0)
			fail(&d, "event loop", r);
	}
	control_free(d.control);
	broker_free(d.broker, false);
	sd_event_unref(d.event);
	log_flush(&d.log);
	if (d.lock >= 0)
		close(d.lock);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
