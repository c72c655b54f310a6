// SPDX-License-Identifier: GPL-2.0-or-later
/* `xenmsg listen` */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "transfer.h"

/* Bytes of a message that are shown to a person. */
#define SHOWN 72

static const char help[] =
	"usage: xenmsg listen [OPTION...] PORT\n"
	"\n"
	"Receive messages and files at PORT, and say what came from whom.\n"
	"\n"
	"  -o, --output FILE   write the bytes of a file that comes to FILE (- is\n"
	"                      standard output); implies --count 1 unless given\n"
	"      --service NAME  offer the service NAME, so that peers need no number\n"
	"  -c, --count N       stop after N messages; a file counts as one\n"
	"      --echo          send every message back to where it came from\n"
	"      --json          one JSON object per line\n"
	"  -q, --quiet         do not report messages\n"
	"  -h, --help          this\n"
	"\n" STATUS_HELP;

enum { OPT_SERVICE = 256, OPT_ECHO, OPT_JSON };

struct listen {
	struct cli cli;
	struct xenmsg_port *port;
	struct incoming *in;
	struct peer_names *names;
	FILE *report; /* stdout, or stderr if that is for data */

	uint32_t number;
	const char *service;
	const char *output;
	uint32_t count; /* 0: no end */
	bool echo, json, quiet, help;

	uint64_t seen;
	uint64_t failed;
	uint64_t not_echoed;
};

static int parse_option(struct listen *l, int option)
{
	switch (option) {
	case 'o':
		l->output = optarg;
		return 0;
	case OPT_SERVICE:
		l->service = optarg;
		return 0;
	case 'c':
		if (cli_number(optarg, 1, UINT32_MAX, &l->count))
			return 0;
		cli_say("--count %s: a number from 1 on is wanted", optarg);
		return -EINVAL;
	case OPT_ECHO:
		l->echo = true;
		return 0;
	case OPT_JSON:
		l->json = true;
		return 0;
	case 'q':
		l->quiet = true;
		return 0;
	case 'h':
		l->help = true;
		return 0;
	default:
		return -EINVAL;
	}
}

static int parse(int argc, char **argv, struct listen *l)
{
	static const struct option options[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "service", required_argument, NULL, OPT_SERVICE },
		{ "count", required_argument, NULL, 'c' },
		{ "echo", no_argument, NULL, OPT_ECHO },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "o:c:qh", options, NULL)) != -1)
		if (parse_option(l, c))
			return -EINVAL;
	if (l->help)
		return 0;
	if (argc - optind != 1 || !cli_number(argv[optind], 1, UINT32_MAX, &l->number)) {
		cli_say("one port from 1 to 4294967295 is wanted; see --help");
		return -EINVAL;
	}
	if (l->output && !l->count)
		l->count = 1;
	l->report = l->output && !strcmp(l->output, "-") ? stderr : stdout;
	return 0;
}

/* ---------------------------------------------------------------- reporting */

static void json_from(struct listen *l, uint32_t addr, uint32_t port)
{
	fputs("{\"from\": ", l->report);
	json_text(l->report, peer_name(&l->cli, l->names, addr));
	fprintf(l->report, ", \"address\": \"0x%08x\", \"port\": %u", addr, port);
}

static void report_message_json(struct listen *l, const struct xenmsg_msg *msg)
{
	size_t len = xenmsg_msg_len(msg);
	void *bytes = malloc(len + 1);

	json_from(l, xenmsg_msg_addr(msg), xenmsg_msg_port(msg));
	fprintf(l->report, ", \"seq\": %" PRIu64 ", \"bytes\": %zu, \"mode\": \"%s\"",
		xenmsg_msg_seq(msg), len, xenmsg_msg_is_mapped(msg) ? "map" : "copy");
	if (bytes) {
		fputs(", \"data\": ", l->report);
		json_bytes(l->report, bytes, xenmsg_copy(msg, 0, bytes, len));
	}
	fputs("}\n", l->report);
	free(bytes);
}

static void report_message(struct listen *l, const struct xenmsg_msg *msg)
{
	uint32_t addr = xenmsg_msg_addr(msg);
	char bytes[SHOWN], text[4 * SHOWN + 1];
	size_t n;

	if (l->quiet)
		return;
	if (l->json) {
		report_message_json(l, msg);
		return;
	}
	n = xenmsg_copy(msg, 0, bytes, sizeof(bytes));
	log_escape(text, sizeof(text), bytes, n);
	fprintf(l->report, "%s:%u: %zu bytes%s \"%s%s\"\n", peer_name(&l->cli, l->names, addr),
		xenmsg_msg_port(msg), xenmsg_msg_len(msg),
		xenmsg_msg_is_mapped(msg) ? " mapped" : "", text,
		n < xenmsg_msg_len(msg) ? "..." : "");
}

static void report_file(struct listen *l, const struct incoming_report *r)
{
	const char *from = peer_name(&l->cli, l->names, r->addr);
	char name[4 * TRANSFER_NAME_MAX + 1], sha[CLI_SHA256_TEXT];

	cli_sha256_text(r->sha256, sha);
	if (l->json) {
		json_from(l, r->addr, r->port);
		fputs(", \"file\": ", l->report);
		json_text(l->report, r->name);
		fprintf(l->report,
			", \"ok\": %s, \"bytes\": %" PRIu64 ", \"messages\": %" PRIu64
			", \"seconds\": %.6f, \"sha256\": \"%s\"}\n",
			r->status ? "false" : "true", r->bytes, r->messages, r->seconds, sha);
		return;
	}
	log_escape(name, sizeof(name), r->name, strlen(r->name));
	if (r->status)
		cli_say("%s:%u: file \"%s\": %s after %" PRIu64 " bytes", from, r->port, name,
			r->status == -EBADMSG ? "it is not what was sent" : cli_why(r->status),
			r->bytes);
	else if (!l->quiet)
		fprintf(l->report,
			"%s:%u: file \"%s\", %" PRIu64 " bytes in %" PRIu64
			" messages, %.3f s, sha256 %s\n",
			from, r->port, name, r->bytes, r->messages, r->seconds, sha);
}

/* ---------------------------------------------------------------- receiving */

/* A peer that does not take its echo loses it, and keeps nobody else waiting. */
static void echo(struct listen *l, const struct xenmsg_msg *msg)
{
	struct iovec iov[XENMSG_SEGMENTS_MAX];
	int nr = xenmsg_msg_iov(msg, iov, XENMSG_SEGMENTS_MAX);

	if (xenmsg_msg_port(msg) &&
	    xenmsg_sendv(l->port, xenmsg_msg_addr(msg), xenmsg_msg_port(msg), iov, nr,
			 XENMSG_NONBLOCK, NULL))
		l->not_echoed++;
}

static void file_done(struct listen *l, const struct incoming_report *report)
{
	report_file(l, report);
	l->seen++;
	l->failed += !!report->status;
}

static void take(struct listen *l, const struct xenmsg_msg *msg)
{
	struct incoming_report report;

	if (l->echo) {
		echo(l, msg);
	} else {
		switch (incoming_message(l->in, l->port, msg, &report)) {
		case 1:
			return;
		case 2:
			file_done(l, &report);
			return;
		default:
			break;
		}
	}
	report_message(l, msg);
	l->seen++;
}

static void take_events(struct listen *l)
{
	struct incoming_report report;
	struct xenmsg_event event;

	while (!xenmsg_event(l->cli.x, &event)) {
		if (event.type == XENMSG_PEER_DOWN)
			while (incoming_peer_down(l->in, event.addr, &report) == 2)
				file_done(l, &report);
		else if (event.type == XENMSG_SEND_FAILED && !l->quiet)
			cli_say("%s:%u: answer not delivered: %s",
				peer_name(&l->cli, l->names, event.addr), event.number,
				cli_why(event.status));
	}
}

static bool enough(const struct listen *l)
{
	return l->count && l->seen >= l->count;
}

/* A server stays where its guest is moved to, or what drives its device comes back. */
static int await_device(struct listen *l)
{
	int r;

	cli_say("%s; waiting for it", xenmsg_reason(l->cli.x));
	do {
		r = cli_wait(&l->cli, -1, -1);
	} while (r == -EHOSTDOWN);
	if (!r)
		cli_say("it is back: address 0x%08x", xenmsg_address(l->cli.x));
	return r;
}

static int serve(struct listen *l)
{
	struct xenmsg_msg *msg;
	int r = 0;

	while (!r && !enough(l)) {
		while (!enough(l) && !(r = xenmsg_recv(l->port, &msg, 0))) {
			take(l, msg);
			xenmsg_release(msg);
		}
		if (r == -EAGAIN)
			r = 0;
		take_events(l);
		if (!r && !enough(l))
			r = cli_wait(&l->cli, -1, -1);
		if (r == -EHOSTDOWN && xenmsg_may_return(l->cli.x))
			r = await_device(l);
	}
	/* Answers are on their way: let them arrive. */
	xenmsg_flush(l->cli.x, 1000);
	return r == -EINTR ? 0 : r;
}

static int run(struct listen *l)
{
	struct xenmsg_bind bind = { .size = sizeof(bind), .service = l->service };
	int r;

	r = xenmsg_port_open(l->cli.x, l->number, &bind, &l->port);
	if (r)
		return cli_fail(&l->cli, r, "cannot listen on port %u", l->number);
	fprintf(stderr, "listening on port %u, address 0x%08x\n", l->number,
		xenmsg_address(l->cli.x));
	r = serve(l);
	xenmsg_port_close(l->port);
	if (l->not_echoed)
		cli_say("%" PRIu64 " messages not echoed, as their senders took no more",
			l->not_echoed);
	if (r)
		return cli_fail(&l->cli, r, "port %u", l->number);
	return l->failed ? STATUS_FAILED : STATUS_OK;
}

int cmd_listen(int argc, char **argv)
{
	struct listen l = { 0 };
	int status;

	if (parse(argc, argv, &l))
		return STATUS_USAGE;
	if (l.help) {
		fputs(help, stdout);
		return STATUS_OK;
	}
	status = cli_open(&l.cli);
	if (status)
		return status;
	l.in = incoming_new(l.output);
	l.names = peer_names_new();
	if (l.in && l.names) {
		status = run(&l);
	} else {
		cli_say("no memory");
		status = STATUS_FAILED;
	}
	incoming_free(l.in);
	peer_names_free(l.names);
	cli_close(&l.cli);
	return status;
}
