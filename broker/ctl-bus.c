// SPDX-License-Identifier: GPL-2.0-or-later
/* Calls over the control socket. See ctl-bus.h. */
#include "broker/ctl-bus.h"

#include "broker/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define TIMEOUT_US (10 * UINT64_C(1000000))

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

int ctl_call(const char *path, const char *what, sd_bus_message **reply, const char *method,
	     const char *types, ...)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *call = NULL;
	sd_bus *bus;
	va_list args;
	int r = open_bus(&bus, path);

	if (r < 0) {
		fprintf(stderr, "xenmsgctl: %s: %s (does xenmsgd run?)\n", path, strerror(-r));
		return r;
	}
	r = sd_bus_message_new_method_call(bus, &call, NULL, CONTROL_OBJECT, CONTROL_INTERFACE,
					   method);
	va_start(args, types);
	if (r >= 0 && *types)
		r = sd_bus_message_appendv(call, types, args);
	va_end(args);
	if (r >= 0)
		r = sd_bus_call(bus, call, TIMEOUT_US, &error, reply);
	if (r < 0)
		fprintf(stderr, "xenmsgctl: %s: %s\n", what,
			error.message ? error.message : strerror(-r));
	sd_bus_message_unref(call);
	sd_bus_error_free(&error);
	sd_bus_flush_close_unref(bus);
	return r < 0 ? r : 0;
}
