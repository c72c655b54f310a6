// SPDX-License-Identifier: GPL-2.0-or-later
/* Rates. See ctl-top.h. */
#include "broker/ctl-top.h"

#include "broker/ctl-out.h"
#include "broker/ctl-status.h"
#include "common/clock.h"
#include "common/macros.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Cursor to the begin, and nothing behind it. */
#define REDRAW "\033[H\033[2J"

static const char *const rated[] = {
	"sent-messages",
	"sent-bytes",
	"received-messages",
	"received-bytes",
};
#define RATES ARRAY_LEN(rated)

struct row {
	const struct ctl_domain *domain;
	uint64_t rates[RATES]; /* a second */
};

/* One look. */
struct look {
	struct ctl_status status;
	sd_bus_message *reply;
	uint64_t ns;
};

static int look(const char *control, struct look *out)
{
	*out = (struct look){ 0 };
	out->ns = clock_now_ns();
	return ctl_status_get(control, &out->status, &out->reply);
}

static void look_away(struct look *l)
{
	ctl_status_free(&l->status);
	sd_bus_message_unref(l->reply);
}

/* What a counter of the address was before; 0 if it was not there, and all of it is new. */
static uint64_t before(const struct look *old, uint32_t addr, const char *name)
{
	for (size_t i = 0; i < old->status.nr_domains; i++)
		if (old->status.domains[i].addr == addr)
			return ctl_counter(&old->status.domains[i].counters, name);
	return 0;
}

static void rate(struct row *row, const struct look *old, double seconds)
{
	const struct ctl_domain *d = row->domain;

	for (size_t i = 0; i < RATES; i++) {
		uint64_t now = ctl_counter(&d->counters, rated[i]);
		uint64_t then = before(old, d->addr, rated[i]);

		row->rates[i] = now > then ? (uint64_t)((double)(now - then) / seconds + 0.5) : 0;
	}
}

static int busier(const void *a, const void *b)
{
	uint64_t bytes[2] = { 0 }, messages[2] = { 0 };
	const struct row *rows[2] = { a, b };

	for (unsigned int i = 0; i < 2; i++) {
		messages[i] = rows[i]->rates[0] + rows[i]->rates[2];
		bytes[i] = rows[i]->rates[1] + rows[i]->rates[3];
	}
	if (bytes[0] != bytes[1])
		return bytes[0] < bytes[1] ? 1 : -1;
	if (messages[0] != messages[1])
		return messages[0] < messages[1] ? 1 : -1;
	return rows[0]->domain->domid < rows[1]->domain->domid ? -1 : 1;
}

static void print_rows(const struct row *rows, size_t nr)
{
	if (isatty(STDOUT_FILENO))
		fputs(REDRAW, stdout);
	printf("%-16s %5s %10s %14s %10s %14s %7s %5s\n", "DOMAIN", "DOMID", "SENT/s", "BYTES/s",
	       "RECEIVED/s", "BYTES/s", "QUEUED", "HELD");
	for (size_t i = 0; i < nr; i++) {
		const struct ctl_domain *d = rows[i].domain;

		printf("%-16s %5u", ctl_name(d->name), d->domid);
		ctl_number(rows[i].rates[0], 10);
		ctl_number(rows[i].rates[1], 14);
		ctl_number(rows[i].rates[2], 10);
		ctl_number(rows[i].rates[3], 14);
		ctl_number(ctl_counter(&d->counters, "queued"), 7);
		ctl_number(ctl_counter(&d->counters, "held"), 5);
		putchar('\n');
	}
}

static void json_rows(const struct row *rows, size_t nr)
{
	fputs("{ \"domains\": [", stdout);
	for (size_t i = 0; i < nr; i++) {
		printf("%s{ \"domid\": %u, \"address\": %u, \"name\": ", i ? ", " : " ",
		       rows[i].domain->domid, rows[i].domain->addr);
		ctl_json_string(rows[i].domain->name);
		for (size_t r = 0; r < RATES; r++)
			printf(", \"%s-per-second\": %" PRIu64, rated[r], rows[i].rates[r]);
		fputs(" }", stdout);
	}
	puts(" ] }");
}

static int show(const struct look *old, const struct look *now, bool json)
{
	double seconds = (double)MAX_OF(now->ns - old->ns, (uint64_t)1) / NS_PER_S;
	size_t nr = now->status.nr_domains;
	struct row *rows = calloc(nr ? nr : 1, sizeof(*rows));

	if (!rows) {
		fprintf(stderr, "xenmsgctl: top: %s\n", strerror(ENOMEM));
		return -ENOMEM;
	}
	for (size_t i = 0; i < nr; i++) {
		rows[i].domain = &now->status.domains[i];
		rate(&rows[i], old, seconds);
	}
	qsort(rows, nr, sizeof(*rows), busier);
	(json ? json_rows : print_rows)(rows, nr);
	free(rows);
	/* Who reads it may have gone. */
	return fflush(stdout) == 0 ? 0 : -errno;
}

int ctl_top(const char *control, unsigned int interval, unsigned int count, bool json)
{
	struct look old, now;
	int r = look(control, &old);

	if (r < 0)
		return EXIT_FAILURE;
	for (unsigned int i = 0; r >= 0 && (i < count || count == UINT_MAX); i++) {
		sleep(interval);
		r = look(control, &now);
		if (r < 0)
			break;
		r = show(&old, &now, json);
		look_away(&old);
		old = now;
	}
	look_away(&old);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
