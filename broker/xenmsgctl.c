// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xenmsgctl: asks a running xenmsgd, over its control socket, or looks at a
 * configuration without one.
 */
#include "broker/control.h"
#include "broker/ctl-bus.h"
#include "broker/ctl-policy.h"
#include "broker/ctl-status.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
	const char *control;
	bool json;
};

static int usage(FILE *out)
{
	fprintf(out,
		"usage: xenmsgctl [--control PATH] COMMAND\n"
		"\n"
		"  status [--json]      what was delivered, at which cost; each domain's part\n"
		"  reload               have the daemon read its configuration again\n"
		"  policy check PATH    is the configuration at PATH good? a file, with the policy.d\n"
		"                       beside it, or the folder of xenmsgd.conf; asks no daemon\n"
		"  policy explain FROM TO PORT|SERVICE [PATH]\n"
		"                       which rule decides about messages from one domain to\n"
		"                       another's port, by the running daemon or by PATH\n"
		"\n"
		"      --control PATH   the daemon's socket (default %s)\n"
		"      --version        print the version\n"
		"  -h, --help           print this\n",
		CONTROL_PATH);
	return out == stdout ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int status(const struct options *o)
{
	struct ctl_status s = { 0 };
	sd_bus_message *reply;
	int r = ctl_call(o->control, "status", &reply, "Status", "");

	if (r < 0)
		return EXIT_FAILURE;
	r = ctl_status_read(&s, reply);
	if (r < 0)
		fprintf(stderr, "xenmsgctl: status: %s\n", strerror(-r));
	else if (o->json)
		ctl_status_json(&s);
	else
		ctl_status_print(&s);
	ctl_status_free(&s);
	sd_bus_message_unref(reply);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* @argv: the command and what follows it, ended by NULL. */
static int command(const struct options *o, int argc, char **argv)
{
	if (argc == 1 && !strcmp(argv[0], "status"))
		return status(o);
	if (argc == 1 && !strcmp(argv[0], "reload"))
		return ctl_reload(o->control);
	if (argc < 2 || strcmp(argv[0], "policy") != 0)
		return usage(stderr);
	if (argc == 3 && !strcmp(argv[1], "check"))
		return ctl_policy_check(argv[2]);
	if ((argc == 5 || argc == 6) && !strcmp(argv[1], "explain"))
		return ctl_policy_explain(o->control, argv[2], argv[3], argv[4], argv[5]);
	return usage(stderr);
}

int main(int argc, char **argv)
{
	enum { CONTROL = 256, JSON, VERSION };
	static const struct option options[] = {
		{ "control", required_argument, NULL, CONTROL },
		{ "json", no_argument, NULL, JSON },
		{ "version", no_argument, NULL, VERSION },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct options o = { .control = CONTROL_PATH };
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case CONTROL:
			o.control = optarg;
			break;
		case JSON:
			o.json = true;
			break;
		case VERSION:
			puts("xenmsgctl " XENMSG_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			return usage(stdout);
		default:
			return usage(stderr);
		}
	}
	return argc > optind ? command(&o, argc - optind, argv + optind) : usage(stderr);
}
