// SPDX-License-Identifier: GPL-2.0-or-later
/* `xenmsg peers` */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "cli.h"

#define RESOLVE_MS 5000

static const char help[] =
	"usage: xenmsg peers [OPTION...] [NAME...]\n"
	"\n"
	"Show the address of this domain and of each domain or SERVICE@DOMAIN named,\n"
	"as far as the host's policy lets this one know.\n"
	"\n"
	"      --watch  go on, and say when they come and go\n"
	"      --json   one JSON object per line\n"
	"  -h, --help   this\n"
	"\n" STATUS_HELP;

enum { OPT_WATCH = 256, OPT_JSON };

struct peers {
	struct cli cli;
	char **names;
	int nr;
	bool watch, json, help;
	/* What is known of each, to name those that go. */
	uint32_t *addrs;
};

static int parse(int argc, char **argv, struct peers *p)
{
	static const struct option options[] = {
		{ "watch", no_argument, NULL, OPT_WATCH },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case OPT_WATCH:
			p->watch = true;
			break;
		case OPT_JSON:
			p->json = true;
			break;
		case 'h':
			p->help = true;
			break;
		default:
			return -EINVAL;
		}
	}
	p->names = argv + optind;
	p->nr = argc - optind;
	if (p->watch && !p->nr && !p->help) {
		cli_say("--watch whom? See --help");
		return -EINVAL;
	}
	return 0;
}

static void print(const struct peers *p, const char *name, const char *state, uint32_t addr,
		  uint32_t port)
{
	if (p->json) {
		fputs("{\"name\": ", stdout);
		json_text(stdout, name);
		printf(", \"state\": \"%s\"", state);
		if (addr)
			printf(", \"address\": \"0x%08x\", \"domid\": %u", addr, addr & 0xffff);
		if (port)
			printf(", \"port\": %u", port);
		puts("}");
		return;
	}
	printf("%-24s %-10s", name, state);
	if (addr)
		printf(" 0x%08x  domid %u", addr, addr & 0xffff);
	if (port)
		printf("  port %u", port);
	putchar('\n');
}

static void show_self(struct peers *p)
{
	uint32_t addr = xenmsg_address(p->cli.x);
	char name[XENMSG_NAME_MAX + 1] = "";

	if (xenmsg_name(p->cli.x, addr, name, RESOLVE_MS) || !name[0])
		strcpy(name, "(this domain)");
	print(p, name, "self", addr, 0);
}

static int show(struct peers *p, int i)
{
	uint32_t port = 0;
	int r;

	r = xenmsg_resolve(p->cli.x, p->names[i], &p->addrs[i], &port, RESOLVE_MS);
	if (!r)
		print(p, p->names[i], "up", p->addrs[i], port);
	else if (r == -EHOSTUNREACH)
		print(p, p->names[i], "unknown", 0, 0);
	else if (r == -EACCES)
		print(p, p->names[i], "refused", 0, 0);
	else
		return cli_fail(&p->cli, r, "%s", p->names[i]);
	return cli_status(r);
}

static void take_event(struct peers *p, const struct xenmsg_event *event)
{
	int i;

	for (i = 0; i < p->nr; i++) {
		if (event->type == XENMSG_PEER_UP && !strcmp(event->name, p->names[i])) {
			if (p->addrs[i] != event->addr)
				print(p, p->names[i], "up", event->addr, 0);
			p->addrs[i] = event->addr;
		} else if (event->type == XENMSG_PEER_DOWN && p->addrs[i] == event->addr) {
			print(p, p->names[i], "down", event->addr, 0);
			p->addrs[i] = 0;
		}
	}
}

static int watch(struct peers *p)
{
	struct xenmsg_event event;
	int i, r = 0;

	for (i = 0; i < p->nr; i++) {
		r = strchr(p->names[i], '@') ? -EINVAL : xenmsg_subscribe(p->cli.x, p->names[i]);
		if (r)
			return cli_fail(&p->cli, r, "watching %s", p->names[i]);
	}
	while (!r) {
		while (!xenmsg_event(p->cli.x, &event))
			take_event(p, &event);
		r = cli_wait(&p->cli, -1, -1);
	}
	return r == -EINTR ? STATUS_OK : cli_fail(&p->cli, r, "watching");
}

static int run(struct peers *p)
{
	int i, status = STATUS_OK;

	show_self(p);
	for (i = 0; i < p->nr; i++) {
		int r = show(p, i);

		status = status ? status : r;
	}
	return p->watch ? watch(p) : status;
}

int cmd_peers(int argc, char **argv)
{
	struct peers p = { 0 };
	uint32_t addrs[256] = { 0 };
	int status;

	if (parse(argc, argv, &p))
		return STATUS_USAGE;
	if (p.help) {
		fputs(help, stdout);
		return STATUS_OK;
	}
	if (p.nr > (int)(sizeof(addrs) / sizeof(addrs[0]))) {
		cli_say("too many names");
		return STATUS_USAGE;
	}
	p.addrs = addrs;
	status = cli_open(&p.cli);
	if (status)
		return status;
	status = run(&p);
	cli_close(&p.cli);
	return status;
}
