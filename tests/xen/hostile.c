/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that breaks the rules of <xen/io/vmsgif.h>, one at a time.
 *
 *	hostile CASE [NAME PORT]	NAME PORT: whom SENDs go to
 *	hostile garbage-node NODE	tries wrong values in one of its nodes
 *	hostile list			names the cases
 *
 * It drives the device by hand: no library of the project, whose job it is to
 * keep the rules. lib-hostile-rings.c has the cases that close the device,
 * lib-hostile-requests.c those that get a status. What happened is printed:
 * "hostile: CASE: status -14", or "hostile: CASE: closed: ..." with the broker's
 * words. Exit status: 0 that is what has to happen, 1 it is not, 2 the case
 * could not be tried.
 */
#include "tests/xen/hostile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void report(struct raw *raw, int outcome)
{
	char *text = NULL;

	if (outcome == CLOSED) {
		raw_wait_state(raw, XenbusStateClosing, XenbusStateClosed);
		text = raw_read_node(raw, raw->backend, "error");
		printf("hostile: %s: closed: %s\n", raw->name,
		       text ? text : "(it does not say why)");
	} else {
		printf("hostile: %s: status %d\n", raw->name, outcome);
	}
	fflush(stdout);
	free(text);
}

/* Connecting with a node like that has to end in a closed device, and not in one that works. */
static int garbage_node(struct raw *raw, const char *node)
{
	static const char zeros[64];
	static const struct {
		const char *text;
		size_t len;
	} values[] = {
		{ "", 0 },
		{ "-1", 2 },
		{ "+1", 2 },
		{ " 1", 2 },
		{ "1 ", 2 },
		{ "01", 2 },
		{ "0x1", 3 },
		{ "1x", 2 },
		{ "99999999999999999999999", 23 },
		{ "18446744073709551616", 20 },
		{ "%s%n", 4 },
		{ "../../..", 8 },
		{ zeros, sizeof(zeros) },
	};
	int wrong = 0, state;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		raw_reset(raw);
		raw_offer(raw, node, values[i].text, values[i].len);
		state = raw_wait_state(raw, XenbusStateClosing, XenbusStateClosed);
		printf("hostile: %s=\"%.*s\": %s\n", node, (int)values[i].len, values[i].text,
		       state < 0 ? "not closed" : "closed");
		wrong += state < 0;
	}
	raw_reset(raw);
	return wrong != 0;
}

static int run_case(struct raw *raw, const struct hostile_case *c)
{
	int outcome;

	raw_connect_device(raw);
	outcome = c->run(raw);
	report(raw, outcome);
	/* The way is open for whoever comes next. */
	raw_reset(raw);
	return outcome != c->expected;
}

/* In the order of the list; NULL: there are no more. */
static const struct hostile_case *case_at(int i)
{
	static const struct hostile_case *const tables[] = { hostile_rings, hostile_requests };

	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct hostile_case *c = tables[t]; c->name; c++)
			if (!i--)
				return c;
	return NULL;
}

int main(int argc, char **argv)
{
	struct raw raw = { 0 };
	int r;

	if (argc == 2 && !strcmp(argv[1], "list")) {
		for (int i = 0; case_at(i); i++)
			puts(case_at(i)->name);
		return 0;
	}
	if (argc < 2 || argc == 3 + (strcmp(argv[1], "garbage-node") == 0)) {
		fprintf(stderr, "usage: hostile CASE [NAME PORT] | garbage-node NODE | list\n");
		return 2;
	}
	raw.name = argv[1];
	raw_open_all(&raw);
	if (!strcmp(argv[1], "garbage-node")) {
		r = garbage_node(&raw, argv[2]);
		raw_close_all(&raw);
		return r;
	}
	if (argc == 4) {
		raw.to_name = argv[2];
		raw.to_port = (uint32_t)strtoul(argv[3], NULL, 10);
	}
	for (int i = 0; case_at(i); i++) {
		if (strcmp(argv[1], case_at(i)->name) != 0)
			continue;
		r = run_case(&raw, case_at(i));
		raw_close_all(&raw);
		return r;
	}
	raw_cannot("find a case of that name");
}
