// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xenmsgctl: asks a running xenmsgd, over its control socket.
 */
#include "broker/control.h"
#include "broker/ctl-status.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_US (10 * UINT64_C(1000000))

struct options {
	const char *control;
	bool json;
};

static int usage(FILE *out)
{
	fprintf(out,
		"usage: xenmsgctl [--control PATH] COMMAND\n"
		"\n"
		"  status [--json]     what was delivered, at which cost; each domain's part\n"
		"\n"
		"      --control PATH  the daemon's socket (default %s)\n"
		"      --version       print the version\n"
		"  -h, --help          print this\n",
		CONTROL_PATH);
	return out == stdout ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ':', ';', ',' and the like mean something in a D-Bus address. */
static void escape_path(char *out, size_t size, const char *path)
{
	size_t at = 0;

	for (; *path && at + 4 < size; path++) {
		unsigned char c = (unsigned char)*path;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    strchr("-_/.", c))
			out[at++] = (char)c;
		else
			at += (size_t)snprintf(out + at, size - at, "%%%02x", c);
	}
	out[at] = '\0';
}

/* Without a bus daemon: no Hello, no names. */
static int open_bus(sd_bus **out, const char *path)
{
	char address[1024] = "unix:path=";
	size_t len = strlen(address);
	sd_bus *bus = NULL;
	int r;

	escape_path(address + len, sizeof(address) - len, path);
	r = sd_bus_new(&bus);
	if (r >= 0)
		r = sd_bus_set_address(bus, address);
	if (r >= 0)
		r = sd_bus_set_anonymous(bus, 1);
	if (r >= 0)
		r = sd_bus_set_trusted(bus, 1);
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r < 0) {
		sd_bus_unref(bus);
		return r;
	}
	*out = bus;
	return 0;
}

static int status(sd_bus *bus, const struct options *o)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *call = NULL, *reply = NULL;
	struct ctl_status s = { 0 };
	int r;

	r = sd_bus_message_new_method_call(bus, &call, NULL, CONTROL_OBJECT, CONTROL_INTERFACE,
					   "Status");
	if (r >= 0)
		r = sd_bus_call(bus, call, TIMEOUT_US, &error, &reply);
	if (r >= 0)
		r = ctl_status_read(&s, reply);
	if (r < 0)
		fprintf(stderr, "xenmsgctl: status: %s\n",
			error.message ? error.message : strerror(-r));
	else if (o->json)
		ctl_status_json(&s);
	else
		ctl_status_print(&s);
	ctl_status_free(&s);
	sd_bus_message_unref(reply);
	sd_bus_message_unref(call);
	sd_bus_error_free(&error);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
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
	sd_bus *bus;
	int c, r;

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
	if (argc - optind != 1 || strcmp(argv[optind], "status") != 0)
		return usage(stderr);
	r = open_bus(&bus, o.control);
	if (r < 0) {
		fprintf(stderr, "xenmsgctl: %s: %s (does xenmsgd run?)\n", o.control, strerror(-r));
		return EXIT_FAILURE;
	}
	r = status(bus, &o);
	sd_bus_flush_close_unref(bus);
	return r;
}
