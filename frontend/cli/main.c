// SPDX-License-Identifier: GPL-2.0-or-later
/* `xenmsg`: messages between Xen guests from the command line. */
#include <string.h>

#include "cli.h"
#include "common/macros.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *text;
} commands[] = {
	{ "listen", cmd_listen, "receive messages and files, or echo them" },
	{ "send", cmd_send, "send a file, a pipe or a text" },
	{ "ping", cmd_ping, "measure round trips to an echoing port" },
	{ "peers", cmd_peers, "show who is there" },
};

static void usage(FILE *to)
{
	unsigned int i;

	fputs("usage: xenmsg COMMAND [OPTION...] [ARGUMENT...]\n\n"
	      "Messages between the domains of a Xen host. Commands:\n",
	      to);
	for (i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].text);
	fputs("`xenmsg COMMAND --help` explains one. `xenmsg --version` says which this is.\n", to);
}

int main(int argc, char **argv)
{
	unsigned int i;

	/* What is printed is to be seen when it happens, also through a pipe. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2) {
		usage(stderr);
		return STATUS_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return STATUS_OK;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("xenmsg " XENMSG_VERSION);
		return STATUS_OK;
	}
	for (i = 0; i < ARRAY_LEN(commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	cli_say("no command '%s'", argv[1]);
	usage(stderr);
	return STATUS_USAGE;
}
