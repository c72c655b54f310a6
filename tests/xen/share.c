// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who gets how much of a receiver.
 *
 *	share receive [OPTION...]	in one guest
 *	share send [OPTION...] PEER	in others: as much as it takes, or at a rate
 *
 *	--port P	first port (500)
 *	--ports N	ports, from P on; a sender sends to all in turn (1)
 *	--size B	of a message (1000)
 *	--rate N	a second at most; receive: bytes, send: messages (0: no limit)
 *	--seconds N	how long (5)
 *	--sources N	receive: begin when that many have been heard of (1)
 *	--buffer B	receive: of each port (0: the library's default)
 *	--deaf		receive: nothing is received once all have been heard of
 *	--map		send: in map mode
 *
 * A receiver says for each source
 *
 *	share: from NAME: N messages, N bytes
 *
 * and a sender at its end, with what its messages were answered with, 0 or a
 * name of errno,
 *
 *	share: N sent in N ms: STATUS N, STATUS N
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "xenmsg.h"

#define PORTS_MAX   64
#define SOURCES_MAX 32
#define STATUS_MAX  140

struct options {
	unsigned int port, ports, seconds, sources;
	uint64_t size, rate, buffer;
	bool deaf, map;
	const char *peer;
};

struct source {
	uint32_t addr;
	uint64_t messages, bytes;
};

struct share {
	struct options o;
	struct xenmsg *x;
	struct xenmsg_port *ports[PORTS_MAX];
	struct xenmsg_pool *pools[PORTS_MAX]; /* map mode */
	struct source sources[SOURCES_MAX];
	unsigned int nr_sources;
	uint64_t statuses[STATUS_MAX];
};

static void __attribute__((noreturn)) give_up(const char *what, int r)
{
	printf("share: FAILED: %s: %s\n", what, strerror(-r));
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Whether one more of @n may be taken, that many having been since @begun. */
static bool within_rate(const struct options *o, uint64_t done, uint64_t begun)
{
	return !o->rate || done * 1000000 <= (now_us() - begun) * o->rate;
}

/* ------------------------------------------------------------------ receive */

static struct source *source_of(struct share *s, uint32_t addr)
{
	for (unsigned int i = 0; i < s->nr_sources; i++)
		if (s->sources[i].addr == addr)
			return &s->sources[i];
	if (s->nr_sources == SOURCES_MAX)
		give_up("more sources than there can be", -ENOSPC);
	s->sources[s->nr_sources].addr = addr;
	return &s->sources[s->nr_sources++];
}

/* Up to one message of each port; the bytes they had, or 0. */
static uint64_t receive_round(struct share *s)
{
	struct xenmsg_msg *msg;
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < s->o.ports; i++) {
		struct source *source;

		if (xenmsg_recv(s->ports[i], &msg, 0))
			continue;
		source = source_of(s, xenmsg_msg_addr(msg));
		source->messages++;
		source->bytes += xenmsg_msg_len(msg);
		bytes += xenmsg_msg_len(msg) + 1;
		xenmsg_release(msg);
	}
	return bytes;
}

/* For something to happen, or for the rate. */
static void rest(struct share *s, int ms)
{
	if (xenmsg_wait(s->x, ms) < 0)
		give_up("the device", -EHOSTDOWN);
}

static void meet(struct share *s)
{
	uint64_t until = now_us() + 120000000;

	while (s->nr_sources < s->o.sources) {
		if (now_us() > until)
			give_up("waiting for all to be heard of", -ETIMEDOUT);
		if (!receive_round(s))
			rest(s, 100);
	}
	for (unsigned int i = 0; i < s->nr_sources; i++)
		s->sources[i].messages = s->sources[i].bytes = 0;
	printf("share: all are there\n");
}

static int receive(struct share *s)
{
	struct xenmsg_bind bind = { .size = sizeof(bind), .buffer = s->o.buffer };
	uint64_t begun, until, bytes = 0;

	for (unsigned int i = 0; i < s->o.ports; i++) {
		int r = xenmsg_port_open(s->x, s->o.port + i, &bind, &s->ports[i]);

		if (r)
			give_up("opening a port", r);
	}
	meet(s);
	begun = now_us();
	until = begun + s->o.seconds * 1000000ull;
	while (now_us() < until) {
		uint64_t got = 0;

		if (!s->o.deaf && within_rate(&s->o, bytes, begun))
			got = receive_round(s);
		bytes += got;
		if (!got)
			rest(s, s->o.rate ? 1 : 100);
	}
	for (unsigned int i = 0; i < s->nr_sources; i++) {
		char name[XENMSG_NAME_MAX + 1];

		if (xenmsg_name(s->x, s->sources[i].addr, name, 5000))
			(void)snprintf(name, sizeof(name), "0x%08x", s->sources[i].addr);
		printf("share: from %s: %" PRIu64 " messages, %" PRIu64 " bytes\n", name,
		       s->sources[i].messages, s->sources[i].bytes);
	}
	return 0;
}

/* --------------------------------------------------------------------- send */

static uint64_t take_answers(struct share *s)
{
	struct xenmsg_event event;
	uint64_t n = 0;

	while (!xenmsg_event(s->x, &event)) {
		if (event.type != XENMSG_SENT && event.type != XENMSG_SEND_FAILED)
			continue;
		s->statuses[-event.status < STATUS_MAX ? -event.status : STATUS_MAX - 1]++;
		n++;
	}
	return n;
}

static int send_mapped(struct share *s, struct xenmsg_pool *pool)
{
	void *room;
	int r = xenmsg_pool_get(pool, s->o.size, &room, XENMSG_NONBLOCK);

	if (r)
		return r;
	r = xenmsg_pool_send(pool, room, s->o.size, XENMSG_NONBLOCK | XENMSG_CONFIRM, NULL);
	if (r)
		xenmsg_pool_put(pool, room);
	return r;
}

/* One to each port; how many there was room for. */
static uint64_t send_round(struct share *s, struct xenmsg_port *from, uint32_t peer,
			   const char *data)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < s->o.ports; i++) {
		int r = s->o.map ? send_mapped(s, s->pools[i]) :
				   xenmsg_send(from, peer, s->o.port + i, data, s->o.size,
					       XENMSG_NONBLOCK | XENMSG_CONFIRM, NULL);

		if (r && r != -EAGAIN)
			give_up("sending", r);
		n += !r;
	}
	return n;
}

static void print_statuses(const struct share *s)
{
	const char *separator = ":";

	for (int i = 0; i < STATUS_MAX; i++) {
		const char *name = i ? strerrorname_np(i) : "0";

		if (!s->statuses[i])
			continue;
		printf("%s %s %" PRIu64, separator, name ? name : "?", s->statuses[i]);
		separator = ",";
	}
	printf("\n");
}

static uint32_t find_peer(struct share *s)
{
	uint32_t peer;
	int r;

	while ((r = xenmsg_resolve(s->x, s->o.peer, &peer, NULL, 5000)) == -EHOSTUNREACH)
		usleep(50000);
	if (r)
		give_up(s->o.peer, r);
	return peer;
}

static struct xenmsg_port *open_port(struct share *s, uint32_t peer)
{
	struct xenmsg_port *from;
	/* Nobody answers, and there may be more of us. */
	int r = xenmsg_port_open(s->x, s->o.map ? s->o.port : 0, NULL, &from);

	for (unsigned int i = 0; !r && s->o.map && i < s->o.ports; i++) {
		/* The receiver may not be there yet. */
		while ((r = xenmsg_pool_open(from, peer, s->o.port + i, 128 * s->o.size,
					     &s->pools[i], 5000)) == -ECONNREFUSED)
			usleep(50000);
	}
	if (r)
		give_up("opening a port", r);
	return from;
}

static int send_all(struct share *s)
{
	uint64_t begun, until, ended, sent = 0, answered = 0;
	char *data = calloc(1, s->o.size + 1);
	uint32_t peer = find_peer(s);
	struct xenmsg_port *from = open_port(s, peer);

	if (!data)
		give_up("memory", -ENOMEM);
	begun = now_us();
	until = begun + s->o.seconds * 1000000ull;
	while (now_us() < until) {
		uint64_t n = within_rate(&s->o, sent, begun) ? send_round(s, from, peer, data) : 0;

		sent += n;
		answered += take_answers(s);
		if (!n)
			rest(s, s->o.rate ? 1 : 100);
	}
	ended = now_us();
	/* What is under way to who takes nothing stays so. */
	for (until = now_us() + 2000000; answered < sent && now_us() < until;) {
		rest(s, 100);
		answered += take_answers(s);
	}
	s->statuses[EINPROGRESS] = sent - answered;
	printf("share: %" PRIu64 " sent in %" PRIu64 " ms", sent, (ended - begun) / 1000);
	print_statuses(s);
	free(data);
	return 0;
}

/* ------------------------------------------------------------------ options */

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option known[] = {
		{ "port", 1, NULL, 'p' },    { "ports", 1, NULL, 'n' },
		{ "size", 1, NULL, 's' },    { "rate", 1, NULL, 'r' },
		{ "seconds", 1, NULL, 't' }, { "sources", 1, NULL, 'S' },
		{ "buffer", 1, NULL, 'b' },  { "deaf", 0, NULL, 'd' },
		{ "map", 0, NULL, 'm' },     { 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		uint64_t n = optarg ? strtoull(optarg, NULL, 10) : 0;

		switch (c) {
		case 'p':
			o->port = (unsigned int)n;
			break;
		case 'n':
			o->ports = n < PORTS_MAX ? (unsigned int)n : PORTS_MAX;
			break;
		case 's':
			o->size = n;
			break;
		case 'r':
			o->rate = n;
			break;
		case 't':
			o->seconds = (unsigned int)n;
			break;
		case 'S':
			o->sources = (unsigned int)n;
			break;
		case 'b':
			o->buffer = n;
			break;
		case 'd':
			o->deaf = true;
			break;
		case 'm':
			o->map = true;
			break;
		default:
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	static struct share s = {
		.o = { .port = 500, .ports = 1, .size = 1000, .seconds = 5, .sources = 1 },
	};
	bool sends = argc > 1 && !strcmp(argv[1], "send");
	int r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1)
		parse(argc - 1, argv + 1, &s.o);
	if (argc < 2 || (!sends && strcmp(argv[1], "receive") != 0) ||
	    argc - 1 - optind != (sends ? 1 : 0)) {
		fprintf(stderr, "usage: share receive|send [OPTION...] [PEER]\n");
		return 2;
	}
	s.o.peer = argv[argc - 1];
	r = xenmsg_open(&s.x, NULL);
	if (r)
		give_up("opening the device", r);
	r = sends ? send_all(&s) : receive(&s);
	xenmsg_close(s.x);
	return r;
}
