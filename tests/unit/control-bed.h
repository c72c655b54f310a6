/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A broker with two guests, its control socket, and calls over it. */
#ifndef CONTROL_BED_H
#define CONTROL_BED_H

#include "tests/unit/fake-guests.h"

#include "broker/control.h"
#include "common/listen.h"

#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

static char folder[64], path[96];
static struct control *control;
static struct device *alice, *bob;

static inline void setup(void)
{
	int fd;

	fake_init(FAKE_OPEN);
	alice = fake_guest(1, "alice", 64);
	bob = fake_guest(2, "bob", 64);
	snprintf(folder, sizeof(folder), "/tmp/test-broker-control-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/control", folder);
	fd = listen_at(path, SOCK_STREAM, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(control_new(&control, fake.event, &fake.log, fd, path), 0);
}

static inline void teardown(void)
{
	control_free(control);
	ck_assert_int_eq(access(path, F_OK), -1);
	rmdir(folder);
	fake_fini();
}

static inline sd_bus *open_bus(void)
{
	char address[256];
	sd_bus *bus;

	snprintf(address, sizeof(address), "unix:path=%s", path);
	ck_assert_int_ge(sd_bus_new(&bus), 0);
	ck_assert_int_ge(sd_bus_set_address(bus, address), 0);
	ck_assert_int_ge(sd_bus_set_anonymous(bus, 1), 0);
	ck_assert_int_ge(sd_bus_set_trusted(bus, 1), 0);
	ck_assert_int_ge(sd_bus_start(bus), 0);
	ck_assert_int_ge(sd_bus_attach_event(bus, fake.event, 0), 0);
	return bus;
}

static inline int on_reply(sd_bus_message *m, void *priv, sd_bus_error *error)
{
	*(sd_bus_message **)priv = sd_bus_message_ref(m);
	return 0;
}

/* Both ends are in one loop. @types and what they name are as for sd_bus_message_append(). */
static inline sd_bus_message *call_with(sd_bus *bus, const char *method, const char *types, ...)
{
	sd_bus_message *reply = NULL, *m = NULL;
	va_list args;

	ck_assert_int_ge(sd_bus_message_new_method_call(bus, &m, NULL, CONTROL_OBJECT,
							CONTROL_INTERFACE, method),
			 0);
	va_start(args, types);
	if (*types)
		ck_assert_int_ge(sd_bus_message_appendv(m, types, args), 0);
	va_end(args);
	ck_assert_int_ge(sd_bus_call_async(bus, NULL, m, on_reply, &reply, 0), 0);
	sd_bus_message_unref(m);
	while (!reply)
		ck_assert_int_ge(sd_event_run(fake.event, 10000000), 0);
	return reply;
}

static inline sd_bus_message *call(sd_bus *bus, const char *method)
{
	return call_with(bus, method, "");
}

#endif
