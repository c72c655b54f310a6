// SPDX-License-Identifier: GPL-2.0-or-later
/* xenmsgctl status: tables for people, JSON for programs. See ctl-status.h. */
#include "broker/ctl-out.h"
#include "broker/ctl-status.h"

#include <inttypes.h>
#include <stdio.h>

/* ----------------------------------------------------------------------- tables */

static void way_row(const struct ctl_status *s, const char *title, const char *way)
{
	char name[64];

	printf("  %-28s", title);
	snprintf(name, sizeof(name), "delivered-%smessages", way);
	ctl_number(ctl_counter(&s->total, name), 15);
	snprintf(name, sizeof(name), "delivered-%sbytes", way);
	ctl_number(ctl_counter(&s->total, name), 21);
	putchar('\n');
}

static void total_row(const struct ctl_status *s, const char *title, const char *name)
{
	printf("  %-28s", title);
	ctl_number(ctl_counter(&s->total, name), 15);
	putchar('\n');
}

static void print_total(const struct ctl_status *s)
{
	printf("Delivered                              messages                 bytes\n");
	way_row(s, "inline, in the slot", "inline-");
	way_row(s, "copy, memcpy between pools", "pooled-");
	way_row(s, "copy, by the hypervisor", "grant-copy-");
	way_row(s, "map, not copied", "map-");
	way_row(s, "all", "");
	printf("\nCost                                      count\n");
	total_row(s, "hypercalls for grants", "hypercalls");
	total_row(s, "  grant copy operations", "grant-copy-operations");
	total_row(s, "  memcpys", "memcpys");
	total_row(s, "notifications sent", "notifications");
	total_row(s, "events received", "events");
	total_row(s, "turns", "turns");
	total_row(s, "pages mapped now", "mapped-pages");
}

static void print_domains(const struct ctl_status *s)
{
	printf("\n%-16s %5s %10s %-9s %5s %12s %16s %12s %16s %7s %7s %7s %7s\n", "DOMAIN", "DOMID",
	       "ADDRESS", "STATE", "PORTS", "SENT", "BYTES", "RECEIVED", "BYTES", "QUEUED", "HELD",
	       "REFUSED", "FAILED");
	for (size_t i = 0; i < s->nr_domains; i++) {
		const struct ctl_domain *d = &s->domains[i];
		const struct ctl_counters *c = &d->counters;

		printf("%-16s %5u %#10x %-9s", ctl_name(d->name), d->domid, d->addr, d->state);
		ctl_number(ctl_counter(c, "ports"), 5);
		ctl_number(ctl_counter(c, "sent-messages"), 12);
		ctl_number(ctl_counter(c, "sent-bytes"), 16);
		ctl_number(ctl_counter(c, "received-messages"), 12);
		ctl_number(ctl_counter(c, "received-bytes"), 16);
		ctl_number(ctl_counter(c, "queued"), 7);
		ctl_number(ctl_counter(c, "held"), 7);
		ctl_number(ctl_counter(c, "refused"), 7);
		ctl_number(ctl_counter(c, "failed"), 7);
		putchar('\n');
	}
	if (!s->nr_domains)
		puts("(no domain is connected)");
}

void ctl_status_print(const struct ctl_status *s)
{
	printf("xenmsgd %s: %" PRIu64 " devices, %" PRIu64 " with an address\n\n", s->version,
	       ctl_counter(&s->total, "devices"), ctl_counter(&s->total, "addresses"));
	print_total(s);
	print_domains(s);
	printf("\n%-48s %9s\n", "RULE", "REFUSED");
	for (size_t i = 0; i < s->refused.nr; i++)
		printf("%-48s %9" PRIu64 "\n", s->refused.list[i].name, s->refused.list[i].value);
}

/* ------------------------------------------------------------------------- JSON */

static void json_domain(const struct ctl_domain *d)
{
	printf("\n    {\n      \"domid\": %u,\n      \"address\": %u,\n      \"name\": ", d->domid,
	       d->addr);
	ctl_json_string(d->name);
	printf(",\n      \"state\": ");
	ctl_json_string(d->state);
	printf(",\n      \"counters\": ");
	ctl_json_counters(&d->counters, "      ");
	printf("\n    }");
}

void ctl_status_json(const struct ctl_status *s)
{
	printf("  \"version\": ");
	ctl_json_string(s->version);
	printf(",\n  \"counters\": ");
	ctl_json_counters(&s->total, "  ");
	printf(",\n  \"domains\": [");
	for (size_t i = 0; i < s->nr_domains; i++) {
		if (i)
			putchar(',');
		json_domain(&s->domains[i]);
	}
	printf("\n  ],\n  \"refused\": ");
	ctl_json_counters(&s->refused, "  ");
}
