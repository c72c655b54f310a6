// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One end of a measurement between two guests; bench.h says what it is.
 *
 *	bench source|sink --path ours|vchan|tcp --plan FILE [OPTION...]
 *
 *	--links N	pairs at once (1)
 *	--repeat-ms N	how long each repeat is to take at least (20)
 *	--peer X	ours: the other domain's name; tcp: its address
 *	--domid N	vchan: the other end's domain
 *	--channel P	vchan: where in xenstore, without "-N" for the Nth link
 *	--server	vchan: create the channels
 *
 * Both ends have the same plan: a line for each work,
 *
 *	ID oneway|echo copy|map buffer|inplace|batch BYTES WINDOW COUNT
 *
 * COUNT being that of the messages to try first; with one more word, "exact", it is
 * how many there are.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static void parse_work(const char *line, struct bench_work *w)
{
	char kind[8], mode[8], style[8], exact[8];
	int n = sscanf(line, "%" SCNu32 " %7s %7s %7s %" SCNu32 " %" SCNu32 " %" SCNu64 " %7s",
		       &w->id, kind, mode, style, &w->bytes, &w->window, &w->count, exact);

	if (n < 7)
		bench_die("this is no work: %s", line);
	w->kind = strcmp(kind, "echo") == 0 ? BENCH_ECHO : BENCH_ONEWAY;
	w->map = strcmp(mode, "map") == 0;
	w->in_place = strcmp(style, "inplace") == 0;
	w->batch = strcmp(style, "batch") == 0;
	w->exact = n == 8;
	if (w->bytes < 8 || w->bytes > BENCH_BYTES_MAX)
		bench_die("work %u: %u bytes", w->id, w->bytes);
}

static unsigned int read_plan(const char *file, struct bench_work *works)
{
	FILE *f = fopen(file, "r");
	unsigned int nr = 0;
	char line[128];

	if (!f)
		bench_die("%s: %s", file, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (nr == BENCH_WORKS_MAX)
			bench_die("%s: more than %u works", file, nr);
		parse_work(line, &works[nr++]);
	}
	(void)fclose(f);
	return nr;
}

static const struct bench_path *find_path(const char *name)
{
	if (!strcmp(name, "ours"))
		return &bench_ours;
	if (!strcmp(name, "vchan"))
		return &bench_vchan;
	if (!strcmp(name, "tcp"))
		return &bench_tcp;
	bench_die("there is no path %s", name);
}

static const char *parse(int argc, char **argv, struct bench *b)
{
	static const struct option known[] = {
		{ "path", 1, NULL, 'p' },
		{ "plan", 1, NULL, 'f' },
		{ "links", 1, NULL, 'n' },
		{ "peer", 1, NULL, 'a' },
		{ "domid", 1, NULL, 'd' },
		{ "channel", 1, NULL, 'c' },
		{ "server", 0, NULL, 's' },
		{ "repeat-ms", 1, NULL, 'r' },
		{ 0 },
	};
	const char *plan = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'p':
			b->path = find_path(optarg);
			break;
		case 'f':
			plan = optarg;
			break;
		case 'n':
			b->links = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'a':
			b->peer = optarg;
			break;
		case 'd':
			b->domid = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'c':
			b->channel = optarg;
			break;
		case 'r':
			b->repeat_ms = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 's':
			b->server = true;
			break;
		default:
			exit(2);
		}
	}
	return plan;
}

int main(int argc, char **argv)
{
	static struct bench_work works[BENCH_WORKS_MAX];
	struct bench b = { .links = 1, .repeat_ms = 20 };
	const char *plan;
	unsigned int nr;

	setvbuf(stdout, NULL, _IOLBF, 0);
	plan = argc > 2 ? parse(argc - 1, argv + 1, &b) : NULL;
	if (!plan || !b.path || !b.links || b.links > BENCH_LINKS_MAX || !b.repeat_ms) {
		(void)fprintf(stderr,
			      "usage: bench source|sink --path P --plan FILE [OPTION...]\n");
		return 2;
	}
	b.source = !strcmp(argv[1], "source");
	b.payload = (char *)bench_alloc(BENCH_BYTES_MAX + 64) + 64;
	nr = read_plan(plan, works);
	b.path->open(&b);
	bench_run(&b, works, nr);
	b.path->close(&b);
	return 0;
}
