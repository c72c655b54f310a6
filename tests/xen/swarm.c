// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Many processes of one guest, each with a port of its own, talking to as many
 * of another one; every byte verified.
 *
 *	swarm [OPTION...] PEER	in one guest
 *	swarm [OPTION...] PEER	in the other one, with the same --procs and --base
 *
 *	--procs N	processes (32)
 *	--base N	first port (1000); each process has the one of its number
 *	--seconds N	how long to count, once all have met (5)
 *	--stop I	process I is stopped (SIGSTOP) for all that time
 *	--kill		processes are killed at random all that time, and come back
 *	--pause N	ms between two kills (150)
 *	--rate N	messages per process and second at most (0: no limit)
 *	--linger N	seconds to go on receiving afterwards, for the other side (3)
 *	--timeout N	seconds to wait for all to meet (60)
 *	--ledger PATH	the device may go and come back: process I writes to PATH.I.sent
 *			"NUMBER STATUS" of each message that was answered, and to
 *			PATH.I.received "LIFE NUMBER" of each that came
 *
 * Process i of one guest sends to process i of the other: numbered messages of
 * a few bytes up to some pages, whose contents follow from sender and number.
 * What comes must be right and in order; and without gaps, unless processes are
 * killed or devices go. The last lines are
 *
 *	swarm: process I: N received
 *	swarm: N received, N sent, N failed, N lives, passed
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "xenmsg.h"

#define PROCS_MAX 64
#define MAGIC	  0x6d726177u

struct options {
	const char *peer;
	unsigned int procs, base, seconds, pause, rate, linger, timeout;
	int stop; /* -1: none */
	bool kill;
	const char *ledger;
};

/* Numbers of messages that are not answered, by what the library calls them. */
#define UNANSWERED 1024

/* What a process tells its parent, who can see it at any time. */
struct seat {
	volatile uint64_t received, sent, failed, lives;
	volatile bool met;   /* it has heard of its peer */
	volatile bool heard; /* its peer has heard of it; told with a ledger only */
	volatile bool wrong;
	volatile pid_t pid;
};

/* Shared with all processes. */
struct board {
	volatile bool quiet; /* send no more */
	volatile bool over;
	struct seat seats[PROCS_MAX];
};

struct header {
	uint32_t magic;
	uint32_t process;
	uint64_t life; /* of the sender; not 0 */
	uint64_t number;
	uint32_t len;
	uint32_t reserved;
};

struct process {
	const struct options *o;
	struct board *board;
	struct seat *seat;
	unsigned int i;
	struct xenmsg *x;
	struct xenmsg_port *port;
	uint32_t peer;
	uint64_t life, next;
	uint64_t peer_life, peer_next;
	FILE *sent_log, *received_log;
	uint64_t numbers[UNANSWERED];
	char buffer[16384];
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Sizes and contents follow from process and number, so that both ends know them. */
static uint32_t mixed(uint64_t a, uint64_t b)
{
	uint64_t h = (a + 1) * 0x9e3779b97f4a7c15ull ^ (b + 1) * 0xc2b2ae3d27d4eb4full;

	return (uint32_t)(h ^ h >> 29);
}

static uint32_t size_of(unsigned int process, uint64_t number)
{
	uint32_t h = mixed(process, number);

	if (h % 10 == 0)
		return (uint32_t)sizeof(struct header) + h / 16 % 12000;
	return (uint32_t)sizeof(struct header) + h / 16 % 600;
}

static void fill(char *bytes, uint32_t len, uint32_t seed)
{
	for (uint32_t i = 0; i < len; i++)
		bytes[i] = (char)(seed + i * 13);
}

/* ---------------------------------------------------------------- a process */

static void wrong(struct process *p, const char *what, const struct header *h)
{
	printf("swarm: process %u: WRONG: %s (life %" PRIx64 " number %" PRIu64
	       ", expected %" PRIx64 " %" PRIu64 ")\n",
	       p->i, what, h->life, h->number, p->peer_life, p->peer_next);
	p->seat->wrong = true;
}

static void take(struct process *p, struct xenmsg_msg *msg)
{
	char expected[sizeof(p->buffer)];
	struct header h;
	size_t len = xenmsg_msg_len(msg);

	if (len > sizeof(p->buffer) || xenmsg_copy(msg, 0, p->buffer, len) != len ||
	    len < sizeof(h)) {
		p->seat->wrong = true;
		return;
	}
	memcpy(&h, p->buffer, sizeof(h));
	if (h.magic != MAGIC || h.process != p->i || h.len != len ||
	    len != size_of(p->i, h.number)) {
		wrong(p, "header", &h);
		return;
	}
	fill(expected, (uint32_t)(len - sizeof(h)), mixed(h.life, h.number));
	if (memcmp(expected, p->buffer + sizeof(h), len - sizeof(h)))
		wrong(p, "contents", &h);
	if (h.life != p->peer_life) {
		/* A new one; whoever comes back to an old one has missed some of it. */
		if (!p->o->kill && p->peer_life)
			wrong(p, "another life", &h);
		p->peer_next = h.number;
	} else if (h.number < p->peer_next ||
		   (h.number > p->peer_next && !p->o->kill && !p->o->ledger)) {
		wrong(p, "order", &h);
	}
	if (p->received_log)
		fprintf(p->received_log, "%" PRIx64 " %" PRIu64 "\n", h.life, h.number);
	p->peer_life = h.life;
	p->peer_next = h.number + 1;
	p->seat->received++;
	p->seat->met = true;
}

static bool send_one(struct process *p)
{
	struct header h = {
		.magic = MAGIC,
		.process = p->i,
		.life = p->life,
		.number = p->next,
		.len = size_of(p->i, p->next),
	};
	unsigned int flags = XENMSG_NONBLOCK | (p->o->ledger ? XENMSG_CONFIRM : 0);
	uint64_t seq;
	int r;

	memcpy(p->buffer, &h, sizeof(h));
	fill(p->buffer + sizeof(h), h.len - (uint32_t)sizeof(h), mixed(h.life, h.number));
	r = xenmsg_send(p->port, p->peer, p->o->base + p->i, p->buffer, h.len, flags, &seq);
	if (r)
		return false;
	p->numbers[seq % UNANSWERED] = p->next;
	p->next++;
	p->seat->sent++;
	return true;
}

static void find_peer(struct process *p)
{
	while (xenmsg_resolve(p->x, p->o->peer, &p->peer, NULL, 2000))
		usleep(20000);
}

/* Returns whether the peer's port was there for all that was answered. */
static bool take_events(struct process *p)
{
	struct xenmsg_event event;
	bool there = true;

	while (!xenmsg_event(p->x, &event)) {
		if (event.type == XENMSG_SENT || event.type == XENMSG_SEND_FAILED) {
			if (p->sent_log)
				fprintf(p->sent_log, "%" PRIu64 " %d\n",
					p->numbers[event.seq % UNANSWERED], event.status);
			/* Before it was heard of, the peer's port may not be there yet. */
			p->seat->failed += event.status != 0 && p->seat->met;
			p->seat->heard |= event.status == 0;
			there &= event.status == 0;
		} else if (event.type == XENMSG_LOST) {
			printf("swarm: process %u: WRONG: events were lost\n", p->i);
			p->seat->wrong = true;
		} else if (event.type == XENMSG_PEER_DOWN && event.addr == p->peer) {
			find_peer(p);
		}
	}
	return there;
}

/* At most so many a second, on average since the begin. */
static bool may_send(const struct process *p, uint64_t ms)
{
	return !p->o->rate || p->next * 1000 <= ms * p->o->rate;
}

/* A peer that is not there (yet, or for a while) is asked again now and then. */
static void talk(struct process *p)
{
	struct xenmsg_msg *msg;
	unsigned int at_once = p->o->kill || p->o->ledger ? 2 : 8;
	int pause = p->o->rate ? 1000 / (int)p->o->rate + 1 : 20;
	uint64_t silent_until = 0, begun = now_ms();

	while (!p->board->over) {
		uint64_t now = now_ms();
		bool sends = !p->board->quiet && now >= silent_until;
		unsigned int n;

		for (n = 0; sends && n < at_once && may_send(p, now - begun) && send_one(p); n++)
			;
		for (n = 0; n < 64 && !xenmsg_recv(p->port, &msg, 0); n++) {
			take(p, msg);
			xenmsg_release(msg);
		}
		if (!take_events(p))
			silent_until = now_ms() + 50;
		/* Without the device there is nothing to wait for; it may come back. */
		if ((!n || at_once == 2) && xenmsg_wait(p->x, pause) < 0)
			usleep(20000);
		if (getppid() == 1)
			return;
	}
}

static FILE *open_log(const struct process *p, const char *what)
{
	char path[256];

	if (!p->o->ledger)
		return NULL;
	(void)snprintf(path, sizeof(path), "%s.%u.%s", p->o->ledger, p->i, what);
	return fopen(path, "w");
}

static int live(const struct options *o, struct board *board, unsigned int i)
{
	static struct process p;
	struct xenmsg_bind bind = { .size = sizeof(bind), .buffer = 256 * 1024 };
	int r;

	p = (struct process){ .o = o, .board = board, .seat = &board->seats[i], .i = i };
	p.life = (uint64_t)getpid() << 20 | p.seat->lives++;
	r = xenmsg_open(&p.x, NULL);
	/* The one before may not be gone altogether. */
	for (int tries = 0; !r && tries < 100; tries++) {
		r = xenmsg_port_open(p.x, o->base + i, &bind, &p.port);
		if (r != -EADDRINUSE)
			break;
		usleep(20000);
		r = 0;
	}
	if (r || !p.port) {
		printf("swarm: process %u: cannot bind: %s\n", i, strerror(-r));
		p.seat->wrong = true;
		return 1;
	}
	p.sent_log = open_log(&p, "sent");
	p.received_log = open_log(&p, "received");
	find_peer(&p);
	talk(&p);
	if (p.o->ledger &&
	    (!p.sent_log || !p.received_log || fclose(p.sent_log) || fclose(p.received_log)))
		p.seat->wrong = true;
	xenmsg_close(p.x);
	return 0;
}

/* --------------------------------------------------------------- the parent */

static void start(const struct options *o, struct board *board, unsigned int i)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(live(o, board, i));
	board->seats[i].pid = pid;
}

static bool all_met(const struct options *o, const struct board *board)
{
	for (unsigned int i = 0; i < o->procs; i++)
		if (!board->seats[i].met || (o->ledger && !board->seats[i].heard))
			return false;
	return true;
}

/* Kills one at random, and starts it again. */
static void kill_one(const struct options *o, struct board *board)
{
	unsigned int i = (unsigned int)rand() % o->procs;

	kill(board->seats[i].pid, SIGKILL);
	waitpid(board->seats[i].pid, NULL, 0);
	start(o, board, i);
}

static void count(const struct options *o, struct board *board)
{
	uint64_t before[PROCS_MAX], until = now_ms() + o->seconds * 1000ull;

	if (o->stop >= 0)
		kill(board->seats[o->stop].pid, SIGSTOP);
	for (unsigned int i = 0; i < o->procs; i++)
		before[i] = board->seats[i].received;
	while (now_ms() < until) {
		usleep((o->kill ? o->pause : 50) * 1000);
		if (o->kill)
			kill_one(o, board);
	}
	for (unsigned int i = 0; i < o->procs; i++)
		printf("swarm: process %u: %" PRIu64 " received\n", i,
		       board->seats[i].received - before[i]);
	if (o->stop >= 0)
		kill(board->seats[o->stop].pid, SIGCONT);
}

static int finish(const struct options *o, struct board *board)
{
	uint64_t received = 0, sent = 0, failed = 0, lives = 0;
	bool bad = false;
	int status;

	board->quiet = true;
	sleep(o->linger);
	board->over = true;
	for (unsigned int i = 0; i < o->procs; i++) {
		struct seat *seat = &board->seats[i];

		waitpid(seat->pid, &status, 0);
		/* Those that were under way when they met may have failed before. */
		bad |= seat->wrong || status ||
		       (!o->kill && !o->ledger && seat->failed > seat->lives * 64);
		received += seat->received;
		sent += seat->sent;
		failed += seat->failed;
		lives += seat->lives;
	}
	printf("swarm: %" PRIu64 " received, %" PRIu64 " sent, %" PRIu64 " failed, %" PRIu64
	       " lives, %s\n",
	       received, sent, failed, lives, bad ? "FAILED" : "passed");
	return bad;
}

static unsigned int number(const char *text)
{
	return (unsigned int)strtoul(text, NULL, 10);
}

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option known[] = {
		{ "procs", 1, NULL, 'p' },
		{ "base", 1, NULL, 'b' },
		{ "seconds", 1, NULL, 's' },
		{ "stop", 1, NULL, 'S' },
		{ "kill", 0, NULL, 'k' },
		{ "pause", 1, NULL, 'P' },
		{ "rate", 1, NULL, 'r' },
		{ "linger", 1, NULL, 'l' },
		{ "timeout", 1, NULL, 't' },
		{ "ledger", 1, NULL, 'L' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'p':
			o->procs = number(optarg);
			break;
		case 'b':
			o->base = number(optarg);
			break;
		case 's':
			o->seconds = number(optarg);
			break;
		case 'S':
			o->stop = (int)number(optarg);
			break;
		case 'k':
			o->kill = true;
			break;
		case 'P':
			o->pause = number(optarg);
			break;
		case 'r':
			o->rate = number(optarg);
			break;
		case 'l':
			o->linger = number(optarg);
			break;
		case 't':
			o->timeout = number(optarg);
			break;
		case 'L':
			o->ledger = optarg;
			break;
		default:
			exit(2);
		}
	}
	if (optind != argc - 1 || !o->procs || o->procs > PROCS_MAX) {
		fprintf(stderr, "usage: swarm [OPTION...] PEER\n");
		exit(2);
	}
	o->peer = argv[optind];
}

int main(int argc, char **argv)
{
	struct options o = {
		.procs = 32,
		.base = 1000,
		.seconds = 5,
		.pause = 150,
		.linger = 3,
		.timeout = 60,
		.stop = -1,
	};
	struct board *board;
	uint64_t until;

	setvbuf(stdout, NULL, _IOLBF, 0);
	parse(argc, argv, &o);
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (board == MAP_FAILED)
		return 1;
	for (unsigned int i = 0; i < o.procs; i++)
		start(&o, board, i);
	until = now_ms() + o.timeout * 1000ull;
	while (!all_met(&o, board)) {
		if (now_ms() > until) {
			printf("swarm: FAILED: not all have met\n");
			board->over = true;
			break;
		}
		usleep(50000);
	}
	if (!board->over)
		count(&o, board);
	return finish(&o, board) || !all_met(&o, board);
}
