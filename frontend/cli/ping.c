// SPDX-License-Identifier: GPL-2.0-or-later
/* `xenmsg ping` */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "common/clock.h"
#include "common/num.h"

#define DEFAULT_PORT 7
#define DEFAULT_SIZE 56

static const char help[] =
	"usage: xenmsg ping [OPTION...] DEST[:PORT]\n"
	"\n"
	"Send messages to `xenmsg listen --echo` and time their return. DEST is a\n"
	"domain's name, SERVICE@NAME, or an address (0x...). The default port is 7.\n"
	"\n"
	"  -c, --count N        stop after N messages (default: when interrupted)\n"
	"  -s, --size BYTES     of a message, up to 1M (default 56)\n"
	"  -i, --interval SEC   between messages, such as 0.2 (default 1); 0: at once\n"
	"  -W, --timeout SEC    to wait for an answer (default 2)\n"
	"      --json           print the summary as JSON, and nothing else\n"
	"  -q, --quiet          print the summary alone\n"
	"  -h, --help           this\n"
	"\n" STATUS_HELP;

enum { OPT_JSON = 256 };

struct ping {
	struct cli cli;
	struct xenmsg_port *port;
	struct dest to;
	uint32_t count;
	size_t size;
	int interval, timeout; /* ms */
	bool json, quiet, help;

	uint8_t *bytes, *answer;
	uint64_t sent, received;
	double min, max, sum; /* us */
	int failure;
};

/* Seconds with up to three decimals, as milliseconds. */
static bool parse_seconds(const char *text, int *ms)
{
	const char *dot = strchr(text, '.');
	size_t len = dot ? (size_t)(dot - text) : strlen(text);
	char digits[4] = "000";
	uint64_t whole;
	size_t n;

	if (num_parse_u64(text, len, 0, 86400, &whole))
		return false;
	if (dot) {
		n = strlen(dot + 1);
		if (!n || n > 3 || strspn(dot + 1, "0123456789") != n)
			return false;
		memcpy(digits, dot + 1, n);
	}
	*ms = (int)whole * 1000 + (digits[0] - '0') * 100 + (digits[1] - '0') * 10 +
	      (digits[2] - '0');
	return true;
}

static int parse_option(struct ping *p, int option)
{
	bool good = true;

	switch (option) {
	case 'c':
		good = cli_number(optarg, 1, UINT32_MAX, &p->count);
		break;
	case 's':
		good = cli_size(optarg, 0, XENMSG_MESSAGE_MAX, &p->size);
		break;
	case 'i':
		good = parse_seconds(optarg, &p->interval);
		break;
	case 'W':
		good = parse_seconds(optarg, &p->timeout) && p->timeout;
		break;
	case OPT_JSON:
		p->json = true;
		break;
	case 'q':
		p->quiet = true;
		break;
	case 'h':
		p->help = true;
		break;
	default:
		return -EINVAL;
	}
	if (!good)
		cli_say("%s: not a value for -%c; see --help", optarg, option);
	return good ? 0 : -EINVAL;
}

static int parse(int argc, char **argv, struct ping *p)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'c' },
		{ "size", required_argument, NULL, 's' },
		{ "interval", required_argument, NULL, 'i' },
		{ "timeout", required_argument, NULL, 'W' },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:s:i:W:qh", options, NULL)) != -1)
		if (parse_option(p, c))
			return -EINVAL;
	if (p->help)
		return 0;
	if (argc - optind != 1 || !dest_parse(argv[optind], DEFAULT_PORT, &p->to)) {
		cli_say("one destination, NAME[:PORT], is wanted; see --help");
		return -EINVAL;
	}
	return 0;
}

/* Different in each message, so that an old answer is not taken for a new one. */
static void fill(struct ping *p)
{
	uint64_t number = p->sent + 1;
	size_t i;

	for (i = 0; i < p->size; i++)
		p->bytes[i] = (uint8_t)((number >> (8 * (i % 8))) + i / 8);
}

static bool is_answer(struct ping *p, const struct xenmsg_msg *msg)
{
	return xenmsg_msg_addr(msg) == p->to.addr && xenmsg_msg_len(msg) == p->size &&
	       xenmsg_copy(msg, 0, p->answer, p->size) == p->size &&
	       !memcmp(p->answer, p->bytes, p->size);
}

/* A failure of the message that is under way, or of the peer. */
static int take_events(struct ping *p)
{
	struct xenmsg_event event;
	int r = 0;

	while (!xenmsg_event(p->cli.x, &event)) {
		if (event.type == XENMSG_SEND_FAILED)
			r = event.status;
		else if (event.type == XENMSG_PEER_DOWN && event.addr == p->to.addr)
			r = -EHOSTDOWN;
	}
	return r;
}

/* Sleep for what is left until @deadline, or until something is there. */
static int wait_until(struct ping *p, uint64_t deadline)
{
	uint64_t now = clock_now_ns();

	if (now >= deadline)
		return -ETIMEDOUT;
	return cli_wait(&p->cli, -1, (int)((deadline - now + NS_PER_MS - 1) / NS_PER_MS));
}

static int receive(struct ping *p, uint64_t deadline)
{
	struct xenmsg_msg *msg;
	bool found = false;
	int r = 0;

	for (;;) {
		while (!found && !(r = xenmsg_recv(p->port, &msg, 0))) {
			found = is_answer(p, msg);
			xenmsg_release(msg);
		}
		if (found)
			return 0;
		if (r == -EAGAIN)
			r = take_events(p);
		if (!r)
			r = wait_until(p, deadline);
		if (r == -ETIMEDOUT) {
			/* What failed need not have woken us. */
			r = xenmsg_dispatch(p->cli.x);
			if (!r)
				r = take_events(p);
			return r ? r : -ETIMEDOUT;
		}
		if (r)
			return r;
	}
}

static void account(struct ping *p, double us)
{
	p->received++;
	p->sum += us;
	if (p->received == 1 || us < p->min)
		p->min = us;
	if (us > p->max)
		p->max = us;
	if (!p->json && !p->quiet)
		printf("%zu bytes from %s (0x%08x): seq=%" PRIu64 " time=%.1f us\n", p->size,
		       p->to.text, p->to.addr, p->sent, us);
}

/* Others may have all room; to wait for some is part of the round trip. */
static int send_by(struct ping *p, uint64_t deadline)
{
	int r;

	while ((r = xenmsg_send(p->port, p->to.addr, p->to.port, p->bytes, p->size, XENMSG_NONBLOCK,
				NULL)) == -EAGAIN) {
		r = take_events(p);
		if (!r)
			r = wait_until(p, deadline);
		if (r)
			break;
	}
	return r;
}

/* One message there and back. Errors that end it all. */
static int once(struct ping *p)
{
	uint64_t begin = clock_now_ns(), deadline = begin + (uint64_t)p->timeout * NS_PER_MS;
	int r;

	fill(p);
	r = send_by(p, deadline);
	if (r && r != -ETIMEDOUT)
		return r;
	p->sent++;
	if (!r)
		r = receive(p, deadline);
	if (!r)
		account(p, (double)(clock_now_ns() - begin) / NS_PER_US);
	else if (r == -ETIMEDOUT && !p->json && !p->quiet)
		printf("no answer: seq=%" PRIu64 "\n", p->sent);
	return r == -ETIMEDOUT ? 0 : r;
}

static int pause_until(struct ping *p, uint64_t deadline)
{
	int r;

	while (!(r = wait_until(p, deadline))) {
		r = take_events(p);
		if (r)
			return r;
	}
	return r == -ETIMEDOUT ? 0 : r;
}

static int loop(struct ping *p)
{
	uint64_t next;
	int r;

	for (;;) {
		next = clock_now_ns() + (uint64_t)p->interval * NS_PER_MS;
		r = once(p);
		if (r || (p->count && p->sent >= p->count))
			return r;
		r = p->interval ? pause_until(p, next) : cli_wait(&p->cli, -1, 0);
		if (r && r != -ETIMEDOUT)
			return r;
	}
}

static void print_summary(const struct ping *p)
{
	double avg = p->received ? p->sum / (double)p->received : 0;
	uint64_t lost = p->sent - p->received;

	if (p->json) {
		fputs("{\"to\": ", stdout);
		json_text(stdout, p->to.text);
		printf(", \"address\": \"0x%08x\", \"port\": %u, \"size\": %zu, \"sent\": %" PRIu64
		       ", \"received\": %" PRIu64,
		       p->to.addr, p->to.port, p->size, p->sent, p->received);
		if (p->received)
			printf(", \"min_us\": %.3f, \"avg_us\": %.3f, \"max_us\": %.3f", p->min,
			       avg, p->max);
		puts("}");
		return;
	}
	printf("%" PRIu64 " sent, %" PRIu64 " received, %" PRIu64 " lost\n", p->sent, p->received,
	       lost);
	if (p->received)
		printf("round trip min/avg/max %.1f/%.1f/%.1f us\n", p->min, avg, p->max);
}

static int run(struct ping *p)
{
	int r;

	r = dest_resolve(&p->cli, &p->to);
	if (!r)
		r = cli_port_open(&p->cli, &p->port);
	if (r)
		return cli_fail(&p->cli, r, "%s", p->to.text);
	r = loop(p);
	print_summary(p);
	xenmsg_port_close(p->port);
	if (r && r != -EINTR)
		return cli_fail(&p->cli, r, "%s", p->to.text);
	return p->received && p->received == p->sent ? STATUS_OK : STATUS_FAILED;
}

int cmd_ping(int argc, char **argv)
{
	struct ping p = { .size = DEFAULT_SIZE, .interval = 1000, .timeout = 2000 };
	int status;

	if (parse(argc, argv, &p))
		return STATUS_USAGE;
	if (p.help) {
		fputs(help, stdout);
		return STATUS_OK;
	}
	status = cli_open(&p.cli);
	if (status)
		return status;
	p.bytes = malloc(p.size + 1);
	p.answer = malloc(p.size + 1);
	if (p.bytes && p.answer) {
		status = run(&p);
	} else {
		cli_say("no memory");
		status = STATUS_FAILED;
	}
	free(p.bytes);
	free(p.answer);
	cli_close(&p.cli);
	return status;
}
