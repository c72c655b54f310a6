// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xenmsgctl: asks a running xenmsgd, over its control socket, or looks at a
 * configuration without one.
 */
#include "broker/control.h"
#include "broker/ctl-check.h"
#include "broker/ctl-drain.h"
#include "broker/ctl-list.h"
#include "broker/ctl-metrics.h"
#include "broker/ctl-policy.h"
#include "broker/ctl-status.h"
#include "broker/ctl-top.h"
#include "common/num.h"

#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECONDS_MAX 86400u

struct options {
	const char *control;
	const char *output;
	uint32_t interval; /* s */
	uint32_t count;	   /* 0: not said */
	uint32_t timeout;  /* s */
	bool json;
	bool undo;
};

static int usage(FILE *out)
{
	fprintf(out,
		"usage: xenmsgctl [--control PATH] COMMAND\n"
		"\n"
		"  status [--json]      what was delivered, at which cost; each domain's part; and\n"
		"                       who has pages of dead domains\n"
		"  domains [--json]     each domain's state, queue, labels, ports and pools\n"
		"  flows [DOMAIN] [--json]\n"
		"                       who sends to which port of whom, by which rule, and what\n"
		"                       waits there; all, or those of a domain by name or domid\n"
		"  top [--interval S] [--count N] [--json]\n"
		"                       rates of each domain, the busiest first; every S seconds\n"
		"                       (default 2), N times: else until it is interrupted if this\n"
		"                       is a terminal, or once\n"
		"  metrics [--output FILE]\n"
		"                       all counters for Prometheus; FILE is replaced as a whole\n"
		"  drain DOMAIN|all [--timeout S]\n"
		"                       new messages of and to a domain wait with their senders;\n"
		"                       returns when all others are answered (default: in 60 s)\n"
		"  drain --undo DOMAIN|all\n"
		"                       they go on\n"
		"  check-store          are the nodes of all devices in xenstore as they should be?\n"
		"                       a line for each problem; asks no daemon\n"
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

/* The value of option @name; or false, and it has been said why. */
static bool number(const char *name, uint32_t min, uint32_t max, uint32_t *out)
{
	if (num_parse_u32(optarg, strlen(optarg), min, max, out) == 0)
		return true;
	fprintf(stderr, "xenmsgctl: %s '%s': not a number from %u to %u\n", name, optarg, min, max);
	return false;
}

static int status(const struct options *o)
{
	struct ctl_status s = { 0 };
	sd_bus_message *reply;
	int r;

	if (ctl_status_get(o->control, &s, &reply) < 0)
		return EXIT_FAILURE;
	if (o->json) {
		puts("{");
		ctl_status_json(&s);
	} else {
		ctl_status_print(&s);
	}
	r = ctl_pools(o->control, CTL_POOLS_DEAD, o->json);
	if (o->json)
		puts("\n}");
	ctl_status_free(&s);
	sd_bus_message_unref(reply);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int top(const struct options *o)
{
	unsigned int once = isatty(STDOUT_FILENO) ? UINT_MAX : 1;

	return ctl_top(o->control, o->interval, o->count ? o->count : once, o->json);
}

/* @argv: the command and what follows it, ended by NULL. */
static int command(const struct options *o, int argc, char **argv)
{
	if (argc == 1 && !strcmp(argv[0], "status"))
		return status(o);
	if (argc == 1 && !strcmp(argv[0], "domains"))
		return ctl_domains(o->control, o->json);
	if (argc <= 2 && !strcmp(argv[0], "flows"))
		return ctl_flows(o->control, argc == 2 ? argv[1] : "", o->json);
	if (argc == 1 && !strcmp(argv[0], "top"))
		return top(o);
	if (argc == 1 && !strcmp(argv[0], "metrics"))
		return ctl_metrics(o->control, o->output);
	if (argc == 2 && !strcmp(argv[0], "drain"))
		return o->undo ? ctl_undrain(o->control, argv[1]) :
				 ctl_drain(o->control, argv[1], o->timeout);
	if (argc == 1 && !strcmp(argv[0], "check-store"))
		return ctl_check_store();
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

/* A table that did not get out, to a full disk, is no success. */
static int flushed(int status)
{
	if (fflush(stdout) == 0)
		return status;
	perror("xenmsgctl: standard output");
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	enum { CONTROL = 256, JSON, OUTPUT, INTERVAL, COUNT, TIMEOUT, UNDO, VERSION };
	static const struct option options[] = {
		{ "control", required_argument, NULL, CONTROL },
		{ "json", no_argument, NULL, JSON },
		{ "output", required_argument, NULL, OUTPUT },
		{ "interval", required_argument, NULL, INTERVAL },
		{ "count", required_argument, NULL, COUNT },
		{ "timeout", required_argument, NULL, TIMEOUT },
		{ "undo", no_argument, NULL, UNDO },
		{ "version", no_argument, NULL, VERSION },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct options o = { .control = CONTROL_PATH, .interval = 2, .timeout = 60 };
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case CONTROL:
			o.control = optarg;
			break;
		case JSON:
			o.json = true;
			break;
		case OUTPUT:
			o.output = optarg;
			break;
		case INTERVAL:
			if (!number("--interval", 1, SECONDS_MAX, &o.interval))
				return EXIT_FAILURE;
			break;
		case COUNT:
			if (!number("--count", 1, UINT32_MAX, &o.count))
				return EXIT_FAILURE;
			break;
		case TIMEOUT:
			if (!number("--timeout", 0, SECONDS_MAX, &o.timeout))
				return EXIT_FAILURE;
			break;
		case UNDO:
			o.undo = true;
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
	if (argc == optind)
		return usage(stderr);
	return flushed(command(&o, argc - optind, argv + optind));
}
