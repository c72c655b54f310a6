// SPDX-License-Identifier: GPL-2.0-or-later
/* `xenmsg send` */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "transfer.h"

#define DEFAULT_CHUNK (64u << 10)
#define DEFAULT_MS    30000
#define FLUSH_MS      30000

static const char help[] =
	"usage: xenmsg send [OPTION...] DEST[:PORT] [FILE]\n"
	"       xenmsg send [OPTION...] DEST[:PORT] --message TEXT\n"
	"\n"
	"Send FILE, or what comes on standard input (-), to `xenmsg listen`, which\n"
	"verifies it; or one message. DEST is a domain's name, SERVICE@NAME, or an\n"
	"address (0x...). The default port is 9.\n"
	"\n"
	"  -m, --message TEXT  send TEXT as one message\n"
	"      --map           share memory with the receiver instead of copying\n"
	"      --lazy          do not wake the receiver for each message\n"
	"      --chunk SIZE    bytes per message, up to 1M (default 64K)\n"
	"      --progress      show progress, also if standard error is no terminal\n"
	"      --no-reply      do not wait for the receiver to verify it\n"
	"      --timeout SEC   give up after this long without progress (default 30)\n"
	"      --json          print the result as JSON\n"
	"  -h, --help          this\n"
	"\n" STATUS_HELP;

enum { OPT_MAP = 256, OPT_LAZY, OPT_CHUNK, OPT_PROGRESS, OPT_NO_REPLY, OPT_TIMEOUT, OPT_JSON };

struct send_args {
	struct outgoing_options out;
	const char *message;
	const char *path;
	struct dest to;
	bool json;
	bool help;
};

static int parse_option(struct send_args *args, int option)
{
	uint32_t seconds;

	switch (option) {
	case 'm':
		args->message = optarg;
		return 0;
	case OPT_MAP:
		args->out.map = true;
		return 0;
	case OPT_LAZY:
		args->out.flags |= XENMSG_LAZY;
		return 0;
	case OPT_CHUNK:
		if (cli_size(optarg, 1, XENMSG_MESSAGE_MAX, &args->out.chunk))
			return 0;
		cli_say("--chunk %s: a size from 1 to 1M is wanted", optarg);
		return -EINVAL;
	case OPT_PROGRESS:
		args->out.progress = true;
		return 0;
	case OPT_NO_REPLY:
		args->out.wait_result = false;
		return 0;
	case OPT_TIMEOUT:
		if (!cli_number(optarg, 1, 86400, &seconds)) {
			cli_say("--timeout %s: seconds from 1 to 86400 are wanted", optarg);
			return -EINVAL;
		}
		args->out.timeout = (int)seconds * 1000;
		return 0;
	case OPT_JSON:
		args->json = true;
		return 0;
	case 'h':
		args->help = true;
		return 0;
	default:
		return -EINVAL;
	}
}

static int parse(int argc, char **argv, struct send_args *args)
{
	static const struct option options[] = {
		{ "message", required_argument, NULL, 'm' },
		{ "map", no_argument, NULL, OPT_MAP },
		{ "lazy", no_argument, NULL, OPT_LAZY },
		{ "chunk", required_argument, NULL, OPT_CHUNK },
		{ "progress", no_argument, NULL, OPT_PROGRESS },
		{ "no-reply", no_argument, NULL, OPT_NO_REPLY },
		{ "timeout", required_argument, NULL, OPT_TIMEOUT },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "m:h", options, NULL)) != -1)
		if (parse_option(args, c))
			return -EINVAL;
	if (args->help)
		return 0;
	argc -= optind;
	argv += optind;
	if (argc < 1 || argc > 2 || (args->message && argc > 1)) {
		cli_say("wrong number of arguments; see --help");
		return -EINVAL;
	}
	if (!dest_parse(argv[0], TRANSFER_DEFAULT_PORT, &args->to)) {
		cli_say("%s: no destination; NAME[:PORT], SERVICE@NAME or 0xADDRESS[:PORT] is",
			argv[0]);
		return -EINVAL;
	}
	args->path = argc > 1 ? argv[1] : "-";
	return 0;
}

static void print_json(const struct send_args *args, const char *name,
		       const struct outgoing_result *result, int status)
{
	char sha[CLI_SHA256_TEXT];

	cli_sha256_text(result->sha256, sha);
	fputs("{\"to\": ", stdout);
	json_text(stdout, args->to.text);
	printf(", \"address\": \"0x%08x\", \"port\": %u, \"name\": ", args->to.addr, args->to.port);
	json_text(stdout, name);
	printf(", \"ok\": %s, \"mode\": \"%s\", \"bytes\": %" PRIu64 ", \"messages\": %" PRIu64
	       ", \"seconds\": %.6f",
	       status ? "false" : "true", args->out.map ? "map" : "copy", result->bytes,
	       result->messages, result->seconds);
	if (!status)
		printf(", \"sha256\": \"%s\"", sha);
	puts("}");
}

static int send_file(struct cli *cli, struct send_args *args)
{
	struct outgoing_result result = { 0 };
	const char *name = args->path;
	int fd = STDIN_FILENO;
	char sha[CLI_SHA256_TEXT];
	int status;

	if (strcmp(args->path, "-")) {
		fd = open(args->path, O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			cli_say("%s: %s", args->path, strerror(errno));
			return STATUS_FAILED;
		}
	} else {
		name = "standard input";
	}
	if (isatty(STDERR_FILENO))
		args->out.progress = true;
	status = outgoing_run(cli, &args->to, fd, name, &args->out, &result);
	if (fd != STDIN_FILENO)
		close(fd);
	if (args->json) {
		print_json(args, name, &result, status);
	} else if (!status) {
		cli_sha256_text(result.sha256, sha);
		printf("%s: %" PRIu64 " bytes in %" PRIu64 " messages by %s, %.3f s, sha256 %s\n",
		       args->to.text, result.bytes, result.messages, args->out.map ? "map" : "copy",
		       result.seconds, sha);
	}
	return status;
}

static int send_message(struct cli *cli, const struct send_args *args)
{
	struct xenmsg_port *port;
	int r;

	r = xenmsg_port_open(cli->x, 0, NULL, &port);
	if (r)
		return cli_fail(cli, r, "cannot open a port");
	r = xenmsg_send(port, args->to.addr, args->to.port, args->message, strlen(args->message),
			args->out.flags, NULL);
	if (!r)
		r = xenmsg_flush(cli->x, FLUSH_MS);
	xenmsg_port_close(port);
	if (r)
		return cli_fail(cli, r, "%s", args->to.text);
	if (args->json) {
		fputs("{\"to\": ", stdout);
		json_text(stdout, args->to.text);
		printf(", \"address\": \"0x%08x\", \"port\": %u, \"ok\": true, \"bytes\": %zu}\n",
		       args->to.addr, args->to.port, strlen(args->message));
	}
	return STATUS_OK;
}

int cmd_send(int argc, char **argv)
{
	struct send_args args = {
		.out = { .chunk = DEFAULT_CHUNK, .wait_result = true, .timeout = DEFAULT_MS },
	};
	struct cli cli;
	int status, r;

	if (parse(argc, argv, &args))
		return STATUS_USAGE;
	if (args.help) {
		fputs(help, stdout);
		return STATUS_OK;
	}
	status = cli_open(&cli);
	if (status)
		return status;
	r = dest_resolve(&cli, &args.to);
	if (r)
		status = cli_fail(&cli, r, "%s", args.to.text);
	else if (args.message)
		status = send_message(&cli, &args);
	else
		status = send_file(&cli, &args);
	cli_close(&cli);
	return status;
}
