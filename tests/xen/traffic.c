/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traffic between two guests in both directions at once, every byte verified.
 *
 *	traffic [OPTION...] PEER	in one guest
 *	traffic [OPTION...] PEER	in the other one, with the same options
 *
 *	--mode copy|map	how (copy)
 *	--count N	messages per port and direction (5000)
 *	--ports N	ports, from --base on (2)
 *	--base N	first port (100); base - 1 is for the two to meet
 *	--seed N	of the mix (1), see tests/mix.h
 *	--max BYTES	the longest message (1048576)
 *	--hold N	messages that the receiver keeps for a while (16)
 *	--timeout SEC	without any progress (60)
 *
 * A flow goes from a port of one guest to the port of the same number of the
 * other; what it carries follows from (seed, sender's domid, port, index). Each
 * flow must bring every message once and in order. The last line says
 * "traffic: N messages, B bytes, passed", or what differed.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/mix.h"
#include "xenmsg.h"

#define PORTS_MAX 64
#define HOLD_MAX  64
#define PAGE	  4096u

/* Both directions of one port. */
struct line {
	struct xenmsg_port *port;
	struct xenmsg_pool *pool; /* map mode */
	uint64_t out_flow, in_flow;
	uint32_t sent, received;
	/* A message that is prepared and did not fit yet. */
	bool pending;
	struct xenmsg_buffer buffer;
	char *room;
	struct mix_message next;
	/* Messages kept for a while. */
	struct xenmsg_msg *held[HOLD_MAX];
	unsigned int nr_held;
};

struct options {
	const char *peer;
	struct mix mix;
	uint32_t ports, base, hold, timeout;
	bool map;
};

struct both {
	struct options o;
	struct xenmsg *x;
	struct xenmsg_port *control;
	uint32_t peer;
	struct line lines[PORTS_MAX];
	char *scratch; /* MIX_MAX + PAGE bytes */
	uint64_t messages, bytes;
	bool met, peer_done;
	bool moved; /* since the clock was asked, which is a system call in PV guests */
	time_t progress;
};

static void __attribute__((noreturn, format(printf, 1, 2))) give_up(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("traffic: FAILED: ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	exit(1);
}

static void check(int r, const char *what)
{
	if (r)
		give_up("%s: %s", what, strerror(-r));
}

static time_t seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* ------------------------------------------------------------------ receive */

/* The message that came instead, if it is one of this flow. */
static void explain(const struct both *t, const struct line *line, const void *data, size_t len)
{
	uint32_t bad, i;

	for (i = 0; len >= 8 && i < t->o.mix.count; i++)
		if (mix_check(mix_message(&t->o.mix, line->in_flow, i).key, 0, data, 8, &bad))
			give_up("port %u: message %u came instead of message %u",
				xenmsg_port_number(line->port), i, line->received);
}

static void verify(const struct both *t, const struct line *line, const struct xenmsg_msg *msg)
{
	struct mix_message m = mix_message(&t->o.mix, line->in_flow, line->received);
	uint32_t port = xenmsg_port_number(line->port);
	struct iovec iov[XENMSG_SEGMENTS_MAX];
	uint32_t at = 0, bad;
	int i, nr;

	if (line->received >= t->o.mix.count)
		give_up("port %u: more messages than were sent", port);
	nr = xenmsg_msg_iov(msg, iov, XENMSG_SEGMENTS_MAX);
	if (xenmsg_msg_len(msg) != m.len) {
		explain(t, line, nr ? iov[0].iov_base : NULL, nr ? iov[0].iov_len : 0);
		give_up("port %u: message %u has %zu bytes instead of %u", port, line->received,
			xenmsg_msg_len(msg), m.len);
	}
	for (i = 0; i < nr; i++) {
		if (!mix_check(m.key, at, iov[i].iov_base, iov[i].iov_len, &bad)) {
			explain(t, line, iov[0].iov_base, iov[0].iov_len);
			give_up("port %u: message %u of %u bytes differs at byte %u", port,
				line->received, m.len, bad);
		}
		at += (uint32_t)iov[i].iov_len;
	}
	if (at != m.len)
		give_up("port %u: message %u has pieces of %u bytes instead of %u", port,
			line->received, at, m.len);
	if (xenmsg_msg_is_mapped(msg) != (t->o.map && m.len))
		give_up("port %u: message %u came in the wrong mode", port, line->received);
}

/* Keeps up to --hold messages, and releases an arbitrary one then. */
static void hold(const struct both *t, struct line *line, struct xenmsg_msg *msg)
{
	unsigned int i;

	line->held[line->nr_held++] = msg;
	if (line->nr_held <= t->o.hold)
		return;
	i = (unsigned int)(mix_hash(line->received) % line->nr_held);
	xenmsg_release(line->held[i]);
	line->held[i] = line->held[--line->nr_held];
}

static void release_all(struct line *line)
{
	while (line->nr_held)
		xenmsg_release(line->held[--line->nr_held]);
}

static void receive(struct both *t, struct line *line)
{
	struct xenmsg_msg *msg;
	int r;

	while (!(r = xenmsg_recv(line->port, &msg, 0))) {
		if (xenmsg_msg_addr(msg) != t->peer)
			give_up("a message from 0x%08x, which is not the peer",
				xenmsg_msg_addr(msg));
		verify(t, line, msg);
		line->received++;
		t->messages++;
		t->bytes += xenmsg_msg_len(msg);
		t->moved = true;
		hold(t, line, msg);
	}
	if (r != -EAGAIN)
		check(r, "receiving");
	/* Nothing more for now: the sender may need what we hold. */
	release_all(line);
}

/* --------------------------------------------------------------------- send */

static int send_map(struct both *t, struct line *line)
{
	const struct mix_message *m = &line->next;
	uint32_t number = xenmsg_port_number(line->port);
	void *room;
	int r;

	if (!m->len)
		return xenmsg_send(line->port, t->peer, number, NULL, 0, XENMSG_NONBLOCK, NULL);
	if (!line->pending) {
		r = xenmsg_pool_get(line->pool, m->len + m->offset, &room, XENMSG_NONBLOCK);
		if (r)
			return r;
		line->room = (char *)room + m->offset;
		mix_fill(m->key, 0, line->room, m->len);
		line->pending = true;
	}
	return xenmsg_pool_send(line->pool, line->room, m->len, XENMSG_NONBLOCK, NULL);
}

/* In the driver's pages. */
static int send_buffer(struct both *t, struct line *line)
{
	const struct mix_message *m = &line->next;
	uint32_t at = 0;
	int i, r;

	if (!line->pending) {
		r = xenmsg_buffer_get(line->port, m->len, &line->buffer, XENMSG_NONBLOCK);
		if (r)
			return r;
		for (i = 0; i < line->buffer.nr; i++) {
			mix_fill(m->key, at, line->buffer.iov[i].iov_base,
				 line->buffer.iov[i].iov_len);
			at += (uint32_t)line->buffer.iov[i].iov_len;
		}
		line->pending = true;
	}
	return xenmsg_buffer_send(line->port, t->peer, xenmsg_port_number(line->port),
				  &line->buffer, XENMSG_NONBLOCK, NULL);
}

/* From memory of our own, in up to three parts. */
static int send_copy(struct both *t, const struct line *line)
{
	const struct mix_message *m = &line->next;
	char *data = t->scratch + m->offset;
	size_t a = m->len / 3, b = m->len / 2 - a;
	struct iovec iov[] = { { data, a }, { data + a, b }, { data + a + b, m->len - a - b } };

	mix_fill(m->key, 0, data, m->len);
	return xenmsg_sendv(line->port, t->peer, xenmsg_port_number(line->port), iov, 3,
			    XENMSG_NONBLOCK | (line->sent % 4 == 1 ? XENMSG_LAZY : 0), NULL);
}

/* As many as there is room for. */
static void send_some(struct both *t, struct line *line)
{
	int r = 0;

	while (!r && line->sent < t->o.mix.count) {
		line->next = mix_message(&t->o.mix, line->out_flow, line->sent);
		if (t->o.map)
			r = send_map(t, line);
		else if (line->next.len > XENMSG_INLINE_MAX && line->sent % 2)
			r = send_buffer(t, line);
		else
			r = send_copy(t, line);
		if (r == -EAGAIN)
			return;
		check(r, "sending");
		line->pending = false;
		line->sent++;
		t->moved = true;
	}
}

/* ------------------------------------------------------------------ meeting */

static void take_events(struct both *t)
{
	struct xenmsg_event e;

	while (!xenmsg_event(t->x, &e)) {
		if (e.type == XENMSG_PEER_DOWN && e.addr == t->peer && !t->peer_done)
			give_up("the peer went down");
		if (e.type == XENMSG_SEND_FAILED)
			give_up("message %" PRIu64 " to port %u: %s", e.seq, e.number,
				strerror(-e.status));
	}
}

static void find_peer(struct both *t)
{
	uint32_t i;
	int r;

	while ((r = xenmsg_resolve(t->x, t->o.peer, &t->peer, NULL, 5000)) == -EHOSTUNREACH &&
	       seconds() - t->progress <= t->o.timeout)
		usleep(50000);
	check(r, t->o.peer);
	for (i = 0; i < t->o.ports; i++)
		t->lines[i].in_flow = (uint64_t)(t->peer & 0xffff) << 32 | (t->o.base + i);
}

/* Say @text to the peer's control port; @retry while nobody listens there. */
static void tell(struct both *t, char text, bool retry)
{
	int r;

	for (;;) {
		r = xenmsg_send(t->control, t->peer, t->o.base - 1, &text, 1, 0, NULL);
		check(r, "sending a word");
		r = xenmsg_flush(t->x, (int)t->o.timeout * 1000);
		if (!r)
			return;
		if (!retry || seconds() - t->progress > t->o.timeout ||
		    (r != -ECONNREFUSED && r != -EHOSTUNREACH))
			give_up("meeting the peer: %s", strerror(-r));
		/* Of several programs with that name it may have been one that is gone by now. */
		if (r == -EHOSTUNREACH)
			find_peer(t);
		while (!xenmsg_event(t->x, &(struct xenmsg_event){ 0 }))
			;
		usleep(50000);
	}
}

static void listen_control(struct both *t)
{
	struct xenmsg_msg *msg;
	char text;

	while (!xenmsg_recv(t->control, &msg, 0)) {
		if (xenmsg_msg_addr(msg) == t->peer && xenmsg_copy(msg, 0, &text, 1) == 1) {
			t->met = t->met || text == 'h';
			t->peer_done = t->peer_done || text == 'd';
		}
		xenmsg_release(msg);
	}
}

static void wait_or_fail(struct both *t, const char *what)
{
	time_t now;
	unsigned int i;

	check(xenmsg_wait(t->x, 1000) < 0 ? -EHOSTDOWN : 0, what);
	now = seconds();
	if (t->moved)
		t->progress = now;
	t->moved = false;
	if (now - t->progress <= t->o.timeout)
		return;
	for (i = 0; i < t->o.ports; i++)
		printf("traffic: port %u: sent %u, received %u of %u\n",
		       xenmsg_port_number(t->lines[i].port), t->lines[i].sent, t->lines[i].received,
		       t->o.mix.count);
	give_up("%s: nothing happened for %u s", what, t->o.timeout);
}

static void set_up(struct both *t)
{
	struct xenmsg_options options = XENMSG_OPTIONS_INIT;
	size_t pool = t->o.mix.max + PAGE;
	uint32_t i;
	int r;

	/* gntalloc's pages are few: in map mode the pools need them. */
	if (t->o.map)
		options.tx_pages = 64;
	check(xenmsg_open(&t->x, &options), "opening the device");
	find_peer(t);
	for (i = 0; i < t->o.ports; i++) {
		struct line *line = &t->lines[i];

		check(xenmsg_port_open(t->x, t->o.base + i, NULL, &line->port), "opening a port");
		line->out_flow = (uint64_t)(xenmsg_address(t->x) & 0xffff) << 32 | (t->o.base + i);
	}
	check(xenmsg_port_open(t->x, t->o.base - 1, NULL, &t->control), "opening a port");
	tell(t, 'h', true);
	while (!t->met) {
		listen_control(t);
		if (!t->met)
			wait_or_fail(t, "meeting the peer");
	}
	for (i = 0; t->o.map && i < t->o.ports; i++) {
		r = xenmsg_pool_open(t->lines[i].port, t->peer, t->o.base + i, pool,
				     &t->lines[i].pool, (int)t->o.timeout * 1000);
		check(r, "sharing memory");
	}
}

/* ----------------------------------------------------------------- the work */

/* Whether all was sent and received; says how far it is each tenth. */
static bool look(const struct both *t, unsigned int *tenth)
{
	uint64_t done = 0, all = 2 * (uint64_t)t->o.mix.count * t->o.ports;
	uint32_t i;

	for (i = 0; i < t->o.ports; i++)
		done += t->lines[i].sent + t->lines[i].received;
	while (*tenth < 10 && done * 10 >= all * (*tenth + 1)) {
		(*tenth)++;
		printf("traffic: %u %%\n", *tenth * 10);
		fflush(stdout);
	}
	return done == all;
}

static void run(struct both *t)
{
	unsigned int tenth = 0;
	uint32_t i;

	for (;;) {
		for (i = 0; i < t->o.ports; i++) {
			receive(t, &t->lines[i]);
			send_some(t, &t->lines[i]);
		}
		take_events(t);
		listen_control(t);
		if (look(t, &tenth))
			return;
		wait_or_fail(t, "traffic");
	}
}

static void finish(struct both *t)
{
	uint32_t i;

	check(xenmsg_flush(t->x, (int)t->o.timeout * 1000), "completing messages");
	tell(t, 'd', false);
	while (!t->peer_done) {
		for (i = 0; i < t->o.ports; i++)
			receive(t, &t->lines[i]); /* there must be none */
		listen_control(t);
		take_events(t);
		if (!t->peer_done)
			wait_or_fail(t, "waiting for the peer to finish");
	}
	xenmsg_close(t->x);
	free(t->scratch);
	printf("traffic: %" PRIu64 " messages, %" PRIu64 " bytes, passed\n", t->messages, t->bytes);
}

/* ------------------------------------------------------------------ options */

static uint32_t number(const char *text, uint32_t min, uint32_t max)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || end == text || value < min || value > max) {
		fprintf(stderr, "traffic: %s: a number from %u to %u is wanted\n", text, min, max);
		exit(2);
	}
	return (uint32_t)value;
}

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
		{ "mode", required_argument, NULL, 'm' },
		{ "count", required_argument, NULL, 'c' },
		{ "ports", required_argument, NULL, 'p' },
		{ "base", required_argument, NULL, 'b' },
		{ "seed", required_argument, NULL, 's' },
		{ "max", required_argument, NULL, 'x' },
		{ "hold", required_argument, NULL, 'h' },
		{ "timeout", required_argument, NULL, 't' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'm':
			o->map = !strcmp(optarg, "map");
			break;
		case 'c':
			o->mix.count = number(optarg, 0, UINT32_MAX);
			break;
		case 'p':
			o->ports = number(optarg, 1, PORTS_MAX);
			break;
		case 'b':
			o->base = number(optarg, 2, UINT32_MAX - PORTS_MAX);
			break;
		case 's':
			o->mix.seed = number(optarg, 0, UINT32_MAX);
			break;
		case 'x':
			o->mix.max = number(optarg, 1, MIX_MAX);
			break;
		case 'h':
			o->hold = number(optarg, 0, HOLD_MAX - 1);
			break;
		case 't':
			o->timeout = number(optarg, 1, 86400);
			break;
		default:
			exit(2);
		}
	}
	if (argc - optind != 1) {
		fprintf(stderr, "usage: traffic [OPTION...] PEER\n");
		exit(2);
	}
	o->peer = argv[optind];
}

int main(int argc, char **argv)
{
	struct both *t = calloc(1, sizeof(*t));

	if (!t || !(t->scratch = malloc(MIX_MAX + PAGE)))
		give_up("no memory");
	t->o = (struct options){
		.mix = { .seed = 1, .count = 5000, .max = MIX_MAX },
		.ports = 2,
		.base = 100,
		.hold = 16,
		.timeout = 60,
	};
	setvbuf(stdout, NULL, _IOLBF, 0);
	parse(argc, argv, &t->o);
	t->progress = seconds();
	set_up(t);
	run(t);
	finish(t);
	free(t);
	return 0;
}
