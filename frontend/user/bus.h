/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What differs between the frontend of a guest and that of a process in the
 * broker's own domain: how it comes to the broker, by what pages are shared, and
 * by what events travel. Functions return 0 or a negative errno.
 *
 *   user_xen_bus     xenstore, grants, an event channel (xenbus.c, connect.c)
 *   user_local_bus   a socket and shared memory (local.c)
 */
#ifndef XENMSG_USER_BUS_H
#define XENMSG_USER_BUS_H

#include <stdbool.h>
#include <stdint.h>

struct shared;
struct user;

struct user_bus {
	/* Take the device: handles, locks, events_add(). -ENOENT: there is no such bus here. */
	int (*open)(struct user *user);
	/* After everything else, also if open() failed. */
	void (*close)(struct user *user);
	/* Wait until there is something to connect to. */
	int (*begin)(struct user *user, uint64_t deadline);
	/* See what the broker says, and do what follows. An error is for the one who opens. */
	int (*step)(struct user *user);
	/* Close the device towards the broker; waits a little for it to follow. */
	void (*end)(struct user *user);
	/* The broker broke the protocol: the device is gone, and it is to be told so. */
	void (*abandon)(struct user *user);

	/* Before pages are shared, when the size of the rings is settled. */
	int (*prepare)(struct user *user);
	void (*unprepare)(struct user *user);
	/* @nr new pages, zero, that the broker may read, or write if @writable. */
	int (*share)(struct user *user, unsigned int nr, bool writable, struct shared *out);
	void (*unshare)(struct user *user, struct shared *shared);

	/* Send an event. */
	void (*notify)(struct user *user);
	/* The descriptor added as @source is readable. */
	void (*take)(struct user *user, unsigned int source);
};

extern const struct user_bus user_xen_bus;
extern const struct user_bus user_local_bus;

#endif /* XENMSG_USER_BUS_H */
