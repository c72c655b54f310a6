// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What one would write in dom0 to have two guests talk by libvchan: it passes each
 * message of one on to the other.
 *
 *	relay DOMID-A DOMID-B CHANNEL-A CHANNEL-B [LINKS]
 *
 * It creates LINKS channels of two 1 MiB rings with either guest, CHANNEL-A-0 and so
 * on in xenstore, says "ready", and ends when a guest closes one. Messages have
 * their length in four bytes before them. It reads what is there, finds the messages
 * in it and sends each with one libxenvchan_send(); one that does not fit into a
 * ring goes in pieces.
 *
 * It looks at all channels before it sleeps; asking in vain has made libvchan ask
 * the peers for events then.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <libxenvchan.h>

#include "bench.h"

#define RING  (1u << 20)
#define WHOLE (RING / 2)
#define TURN  64 /* messages of a lane before the next one's */

/* One direction of a link. */
struct lane {
	struct libxenvchan *from, *to;
	struct bench_stream in;
	const char *out; /* what of a message is to be sent yet */
	size_t left;
};

struct relay {
	struct libxenvchan *channels[2 * BENCH_LINKS_MAX];
	struct lane lanes[2 * BENCH_LINKS_MAX];
	unsigned int nr; /* of both */
};

static struct libxenvchan *serve(const char *domid, const char *prefix, unsigned int i)
{
	struct libxenvchan *c;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s-%u", prefix, i);
	c = libxenvchan_server_init(NULL, atoi(domid), path, RING, RING);
	if (!c)
		bench_die("no channel %s", path);
	c->blocking = 0;
	return c;
}

static void lane_init(struct lane *lane, struct libxenvchan *from, struct libxenvchan *to)
{
	*lane = (struct lane){ .from = from, .to = to };
	bench_stream_init(&lane->in);
}

/* Has something to send, if anything is there. */
static bool lane_fill(struct lane *lane)
{
	static struct bench_got got;

	while (!bench_stream_next(&lane->in, &got)) {
		int r;

		bench_stream_make_room(&lane->in);
		r = libxenvchan_read(lane->from, lane->in.buffer + lane->in.to,
				     BENCH_STREAM_BYTES - lane->in.to);
		if (r < 0)
			exit(0);
		if (!r)
			return false;
		lane->in.to += (size_t)r;
	}
	lane->out = (char *)got.iov[0].iov_base - BENCH_PREFIX;
	lane->left = got.iov[0].iov_len + BENCH_PREFIX;
	return true;
}

/* Whether there was something to do. */
static bool lane_turn(struct lane *lane)
{
	bool did = false;

	for (int n = 0; n < TURN && (lane->left || lane_fill(lane)); n++) {
		int r = lane->left <= WHOLE ? libxenvchan_send(lane->to, lane->out, lane->left) :
					      libxenvchan_write(lane->to, lane->out, lane->left);

		if (r < 0)
			exit(0);
		if (!r)
			break;
		lane->out += r;
		lane->left -= (size_t)r;
		did = true;
	}
	return did;
}

static void rest(const struct relay *relay)
{
	struct pollfd fds[2 * BENCH_LINKS_MAX];

	for (unsigned int i = 0; i < relay->nr; i++)
		fds[i] =
			(struct pollfd){ libxenvchan_fd_for_select(relay->channels[i]), POLLIN, 0 };
	if (poll(fds, relay->nr, -1) < 0)
		bench_die("poll");
	for (unsigned int i = 0; i < relay->nr; i++)
		if (fds[i].revents)
			libxenvchan_wait(relay->channels[i]);
}

int main(int argc, char **argv)
{
	unsigned int links = argc > 5 ? (unsigned int)atoi(argv[5]) : 1;
	static struct relay relay;

	if (argc < 5 || !links || links > BENCH_LINKS_MAX) {
		(void)fprintf(stderr, "usage: relay DOMID-A DOMID-B CHANNEL-A CHANNEL-B [LINKS]\n");
		return 2;
	}
	for (unsigned int i = 0; i < links; i++) {
		struct libxenvchan *a = serve(argv[1], argv[3], i), *b = serve(argv[2], argv[4], i);

		relay.channels[2 * i] = a;
		relay.channels[2 * i + 1] = b;
		lane_init(&relay.lanes[2 * i], a, b);
		lane_init(&relay.lanes[2 * i + 1], b, a);
	}
	relay.nr = 2 * links;
	printf("ready\n");
	(void)fflush(stdout);
	for (;;) {
		bool did = false;

		for (unsigned int i = 0; i < relay.nr; i++)
			did |= lane_turn(&relay.lanes[i]);
		if (!did)
			rest(&relay);
	}
}
