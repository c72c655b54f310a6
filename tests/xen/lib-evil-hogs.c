/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evil-process: takes of everything as much as it gets, from many files. Then a
 * victim, another user's process, finds enough of it.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "tests/xen/evil-process.h"

#define FILES 1100
#define PORT  10000

static char data[64 * EVIL_PAGE];

static int victim(const struct evil *e, unsigned int what)
{
	int r;

	if (write(e->ask[1], &what, sizeof(what)) != sizeof(what) ||
	    read(e->answer[0], &r, sizeof(r)) != sizeof(r))
		return EIO;
	return r;
}

static void many_files(void)
{
	const struct rlimit all = { 4096, 4096 };

	setrlimit(RLIMIT_NOFILE, &all);
}

/* Until SEND is refused everywhere, also after a while: how many were taken. */
static unsigned int flood(const struct evil *e, uint32_t first, uint32_t len)
{
	unsigned int i, more = 1, taken = 0;
	int fds[EVIL_SINKS];

	for (i = 0; i < EVIL_SINKS; i++)
		fds[i] = evil_open();
	while (more) {
		for (i = 0, more = 0; i < EVIL_SINKS; i++)
			while (!evil_send(fds[i], e->peer, first + i, data, len, 0, 0))
				more++;
		taken += more;
		/* The receiver has room for some, at first. */
		usleep(100000);
	}
	return taken;
}

static bool hog_slots(const struct evil *e)
{
	int fd = evil_open();
	bool good;

	printf("  took %u messages\n", flood(e, EVIL_TINY, 20));
	good = EXPECT(evil_send(fd, e->peer, EVIL_NONE, data, 10, 0, 0), EAGAIN);
	good &= EXPECT(evil_send(fd, e->peer, EVIL_NONE, data, 10, 0, 200), EAGAIN);
	good &= EXPECT(victim(e, VICTIM_SEND), 0);
	return good & EXPECT(victim(e, VICTIM_NAME), 0);
}

static bool hog_pages(const struct evil *e)
{
	bool good;

	printf("  took %u messages", flood(e, EVIL_SINK, 12 * EVIL_PAGE));
	printf(" and %u\n", flood(e, EVIL_SINK, EVIL_PAGE));
	good = EXPECT(victim(e, VICTIM_SEND), 0);
	return good & EXPECT(victim(e, VICTIM_LARGE), 0);
}

/* Look-ups that nobody waits for any more, and subscriptions from many files. */
static bool hog_names(const struct evil *e)
{
	unsigned int i;
	int fd = -1;
	bool good = true;

	for (i = 0; i < 1000; i++) {
		if (i % 50 == 0)
			fd = evil_open();
		evil_resolve(fd, "nobody-of-this-name", 0);
		evil_subscribe(fd, i % 2 ? "bob" : "nobody-of-this-name-which-is-long", 0, 0);
	}
	good &= EXPECT(victim(e, VICTIM_SEND), 0);
	good &= EXPECT(victim(e, VICTIM_NAME), 0);
	return good & EXPECT(evil_subscribe(fd, "bob", 0, 1000), 0);
}

static bool hog_areas(const struct evil *e)
{
	unsigned int i;
	int r = 0;
	bool good;

	for (i = 0; i < 300 && r != ENOBUFS; i++)
		r = evil_area(evil_open(), 4);
	printf("  took %u pages\n", 4 * i - 4);
	good = EXPECT(r, ENOBUFS);
	return good & EXPECT(victim(e, VICTIM_AREA), 0);
}

static bool hog_ports(const struct evil *e)
{
	struct xenmsg_uapi_bind b = { .timeout = 2000, .buffer = EVIL_PAGE };
	unsigned int i;
	int r = 0;
	bool good;

	many_files();
	for (i = 0; i < FILES && !r; i++) {
		b.port = PORT + i;
		r = evil_call(evil_open(), XENMSG_IOC_BIND, &b);
	}
	printf("  took %u ports\n", i - 1);
	good = EXPECT(r, ENOSPC);
	return good & EXPECT(victim(e, VICTIM_BIND), 0);
}

static bool hog_files(const struct evil *e)
{
	unsigned int i;
	int r = 0;
	bool good;

	many_files();
	for (i = 0; i < 4000 && !r; i++)
		r = evil_open() < 0 ? errno : 0;
	printf("  took %u files\n", i - 1);
	good = EXPECT(r, EUSERS);
	return good & EXPECT(victim(e, VICTIM_BIND), 0);
}

/* Buffers of ports: 8 MiB each, in a guest that has 192. */
static bool hog_memory(const struct evil *e)
{
	struct xenmsg_uapi_bind b = { .timeout = 2000, .buffer = 8 << 20 };
	unsigned int i;
	int r = 0;
	bool good;

	for (i = 0; i < 30 && !r; i++) {
		b.port = PORT + i;
		r = evil_call(evil_open(), XENMSG_IOC_BIND, &b);
	}
	printf("  took %u MiB\n", 8 * i - 8);
	good = EXPECT(r, ENOBUFS);
	return good & EXPECT(victim(e, VICTIM_BIND), 0);
}

/* Own pools, and with them the slots for pools of others: both ends are ours, and neither answers. */
static bool hog_pools(const struct evil *e)
{
	unsigned int i, n, taken = 0, pages;
	int r = 0, fd, other;
	uint32_t id;
	bool good = true;

	for (i = 0; i < 20; i++) {
		fd = evil_open();
		other = evil_open();
		good &= EXPECT(evil_bind(fd, PORT + 2 * i, 1000), 0);
		good &= EXPECT(evil_bind(other, PORT + 2 * i + 1, 1000), 0);
		for (n = 0, r = 0; n < 20 && !r; n++) {
			pages = i ? 1 : 64;
			r = evil_pool_add(fd, e->own, PORT + 2 * i + 1, pages, 0, &id);
			taken += !r;
		}
		good &= EXPECT(r, ENOBUFS);
	}
	printf("  took %u pools\n", taken);
	return good & EXPECT(victim(e, VICTIM_POOL), 0);
}

/* Pages in pools are granted, and the grant table is everybody's. */
static bool hog_grants(const struct evil *e)
{
	unsigned int i, n, taken = 0;
	int r = 0, fd;
	uint32_t id;
	bool good = true;

	for (i = 0; i < 4; i++) {
		fd = evil_open();
		good &= EXPECT(evil_bind(fd, PORT + i, 1000), 0);
		for (n = 0, r = 0; n < 8 && !r; n++) {
			r = evil_pool_add(fd, e->own, EVIL_NONE, 1024, 0, &id);
			taken += !r;
		}
	}
	printf("  took %u pools of 1024 pages\n", taken);
	good &= EXPECT(r, ENOBUFS);
	return good & EXPECT(victim(e, VICTIM_POOL), 0);
}

const struct evil_case evil_hogs[] = {
	{ "hog-slots", hog_slots },   { "hog-pages", hog_pages },
	{ "hog-names", hog_names },   { "hog-areas", hog_areas },
	{ "hog-ports", hog_ports },   { "hog-files", hog_files },
	{ "hog-memory", hog_memory }, { "hog-pools", hog_pools },
	{ "hog-grants", hog_grants }, { NULL, NULL },
};
