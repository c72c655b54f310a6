// SPDX-License-Identifier: GPL-2.0-or-later
/* Lists. See ctl-list.h, and control.h for the form of the answers. */
#include "broker/ctl-list.h"

#include "broker/ctl-bus.h"
#include "broker/ctl-out.h"

#include <xen/io/vmsgif.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Say so; returns @error. */
static int fail(const char *what, int error)
{
	fprintf(stderr, "xenmsgctl: %s: %s\n", what, strerror(-error));
	return error;
}

/* Between the elements of an array of which there is a line for each. */
static void json_next(bool *first)
{
	fputs(*first ? "\n    " : ",\n    ", stdout);
	*first = false;
}

static void json_text(const char *before, const char *text)
{
	fputs(before, stdout);
	ctl_json_string(text);
}

/* Who has no name is told by what an administrator can ask xl for. */
static const char *who(char buf[24], const char *name, uint32_t addr)
{
	if (*name)
		return name;
	snprintf(buf, 24, "domid %u", VMSGIF_ADDR_DOMID(addr));
	return buf;
}

/* ----------------------------------------------------------------------- pools */

struct pool {
	uint32_t addr; /* the owner's */
	const char *name;
	uint16_t id;
	uint32_t pages;
	uint32_t to;
	const char *to_name;
	uint32_t port;
	const char *state;
	uint32_t messages;
	uint64_t dead_us;
};

static bool is_dead(const struct pool *pool)
{
	return !strcmp(pool->state, "dead");
}

static void print_pool(const struct pool *pool)
{
	bool dead = is_dead(pool);
	char to[24];

	printf("domain %s (%u%s): %u pages of pool %u ", ctl_name(pool->name),
	       VMSGIF_ADDR_DOMID(pool->addr), dead ? ", dead" : "", pool->pages, pool->id);
	printf("%s %s port %u", dead ? "held by" : "for", who(to, pool->to_name, pool->to),
	       pool->port);
	if (dead)
		printf(" for %" PRIu64 " s\n", pool->dead_us / 1000000);
	else
		printf(", %s, %u messages\n", pool->state, pool->messages);
}

static void json_pool(const struct pool *pool)
{
	printf("{ \"owner-address\": %u, \"owner-domid\": %u", pool->addr,
	       VMSGIF_ADDR_DOMID(pool->addr));
	json_text(", \"owner\": ", pool->name);
	printf(", \"id\": %u, \"pages\": %u, \"receiver-address\": %u", pool->id, pool->pages,
	       pool->to);
	json_text(", \"receiver\": ", pool->to_name);
	printf(", \"port\": %u", pool->port);
	json_text(", \"state\": ", pool->state);
	printf(", \"messages\": %u", pool->messages);
	if (is_dead(pool))
		printf(", \"dead-microseconds\": %" PRIu64, pool->dead_us);
	fputs(" }", stdout);
}

/* What ends an answer with rows. */
static int read_more(sd_bus_message *m, int *more)
{
	int r = sd_bus_message_exit_container(m);

	return r < 0 ? r : sd_bus_message_read(m, "b", more);
}

/* *more: not all are there. */
static int print_pools(sd_bus_message *m, enum ctl_pools which, bool json, int *more)
{
	bool first = true;
	struct pool p;
	int r = sd_bus_message_enter_container(m, 'a', "(usquususut)");

	while (r >= 0) {
		r = sd_bus_message_read(m, "(usquususut)", &p.addr, &p.name, &p.id, &p.pages, &p.to,
					&p.to_name, &p.port, &p.state, &p.messages, &p.dead_us);
		if (r <= 0)
			break;
		if (which == CTL_POOLS_DEAD && !is_dead(&p))
			continue;
		if (json) {
			json_next(&first);
			json_pool(&p);
			continue;
		}
		if (first)
			putchar('\n');
		first = false;
		print_pool(&p);
	}
	return r < 0 ? r : read_more(m, more);
}

int ctl_pools(const char *control, enum ctl_pools which, bool json)
{
	sd_bus_message *reply;
	int more = 0, r = ctl_call(control, "pools", &reply, "Pools", "");

	if (r < 0)
		return r;
	if (json)
		fputs(",\n  \"pools\": [", stdout);
	r = print_pools(reply, which, json, &more);
	if (json)
		printf("\n  ],\n  \"more-pools\": %s", more ? "true" : "false");
	else if (more)
		puts("(there are more pools)");
	sd_bus_message_unref(reply);
	return r < 0 ? fail("pools", r) : 0;
}

/* --------------------------------------------------------------------- domains */

static void print_domain(const struct ctl_domain *d)
{
	const struct ctl_counters *c = &d->counters;

	printf("%-16s %5u %#10x %-9s", ctl_name(d->name), d->domid, d->addr, d->state);
	ctl_number(ctl_counter(c, "flows"), 6);
	ctl_number(ctl_counter(c, "unanswered"), 10);
	ctl_number(ctl_counter(c, "queued"), 7);
	ctl_number(ctl_counter(c, "queued-bytes"), 12);
	ctl_number(ctl_counter(c, "held"), 5);
	ctl_number(ctl_counter(c, "tx-pool-pages"), 8);
	ctl_number(ctl_counter(c, "rx-pool-pages"), 8);
	putchar('\n');
}

static void json_domain(const struct ctl_domain *d)
{
	printf("{ \"domid\": %u, \"address\": %u", d->domid, d->addr);
	json_text(", \"name\": ", d->name);
	json_text(", \"state\": ", d->state);
	fputs(",\n      \"counters\": ", stdout);
	ctl_json_counters(&d->counters, "      ");
}

static int print_labels(sd_bus_message *m, bool json)
{
	const char *label, *before = json ? ",\n      \"labels\": [ " : "    labels:";
	int r = sd_bus_message_enter_container(m, 'a', "s");
	bool any = false;

	while (r >= 0) {
		r = sd_bus_message_read(m, "s", &label);
		if (r <= 0)
			break;
		fputs(any ? json ? ", " : "" : before, stdout);
		if (json)
			ctl_json_string(label);
		else
			printf(" %s", label);
		any = true;
	}
	if (any)
		fputs(json ? " ]" : "\n", stdout);
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

struct port {
	uint32_t number;
	const char *service;
	uint32_t max_len;
	uint64_t credit;
	uint32_t held;
	int unbinding;
};

static void print_port(const struct port *port)
{
	printf("    port %u", port->number);
	if (*port->service)
		printf(" %s", port->service);
	printf(": credit %" PRIu64 ", longest %u", port->credit, port->max_len);
	if (port->held)
		printf(", %u held", port->held);
	puts(port->unbinding ? ", being unbound" : "");
}

static void json_port(const struct port *port, bool first)
{
	printf("%s\n        { \"port\": %u", first ? "" : ",", port->number);
	json_text(", \"service\": ", port->service);
	printf(", \"credit\": %" PRIu64 ", \"max-message\": %u, \"held\": %u, \"unbinding\": %s }",
	       port->credit, port->max_len, port->held, port->unbinding ? "true" : "false");
}

static int print_ports(sd_bus_message *m, bool json)
{
	int r = sd_bus_message_enter_container(m, 'a', "(usutub)");
	bool first = true;
	struct port p;

	if (json)
		fputs(",\n      \"ports\": [", stdout);
	while (r >= 0) {
		r = sd_bus_message_read(m, "(usutub)", &p.number, &p.service, &p.max_len, &p.credit,
					&p.held, &p.unbinding);
		if (r <= 0)
			break;
		if (json)
			json_port(&p, first);
		else
			print_port(&p);
		first = false;
	}
	if (json)
		fputs("\n      ] }", stdout);
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int print_one(sd_bus_message *m, bool json)
{
	struct ctl_domain d;
	int r = ctl_domain_read(&d, m);

	if (r >= 0 && json)
		json_domain(&d);
	else if (r >= 0)
		print_domain(&d);
	free(d.counters.list);
	if (r >= 0)
		r = print_labels(m, json);
	return r < 0 ? r : print_ports(m, json);
}

static int print_domains(sd_bus_message *m, bool json, int *more)
{
	int r = sd_bus_message_enter_container(m, 'a', "(qussa{st}asa(usutub))");
	bool first = true;

	while (r >= 0 && !sd_bus_message_at_end(m, 0)) {
		if (json)
			json_next(&first);
		first = false;
		r = sd_bus_message_enter_container(m, 'r', "qussa{st}asa(usutub)");
		if (r >= 0)
			r = print_one(m, json);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	if (first && !json)
		puts("(no domain is connected)");
	return r < 0 ? r : read_more(m, more);
}

int ctl_domains(const char *control, bool json)
{
	sd_bus_message *reply;
	int more = 0, r;

	if (ctl_call(control, "domains", &reply, "Domains", "") < 0)
		return EXIT_FAILURE;
	if (json)
		fputs("{\n  \"domains\": [", stdout);
	else
		printf("%-16s %5s %10s %-9s %6s %10s %7s %12s %5s %8s %8s\n", "DOMAIN", "DOMID",
		       "ADDRESS", "STATE", "FLOWS", "UNANSWERED", "QUEUED", "BYTES", "HELD",
		       "TX-PAGES", "RX-PAGES");
	r = print_domains(reply, json, &more);
	sd_bus_message_unref(reply);
	if (r < 0) {
		fail("domains", r);
		return EXIT_FAILURE;
	}
	if (json)
		printf("\n  ],\n  \"more-ports\": %s", more ? "true" : "false");
	else if (more)
		puts("(there are more ports)");
	r = ctl_pools(control, CTL_POOLS_ALL, json);
	if (json)
		fputs("\n}\n", stdout);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ----------------------------------------------------------------------- flows */

struct flow {
	uint32_t from, to;
	const char *from_name, *to_name;
	uint32_t port;
	const char *service;
	const char *rule;
	const char *modes;
	uint32_t queued;
	uint64_t queued_bytes;
	uint32_t unanswered;
	uint32_t held;
	uint64_t messages;
	uint64_t bytes;
};

static void print_flow(const struct flow *f)
{
	char from[24], to[24], port[160];

	snprintf(port, sizeof(port), "%u%s%s", f->port, *f->service ? " " : "", f->service);
	printf("%-16s %-16s %-16s %-16s %-8s", who(from, f->from_name, f->from),
	       who(to, f->to_name, f->to), port, f->rule, f->modes);
	ctl_number(f->queued, 6);
	ctl_number(f->queued_bytes, 11);
	ctl_number(f->unanswered, 10);
	ctl_number(f->held, 5);
	ctl_number(f->messages, 12);
	ctl_number(f->bytes, 16);
	putchar('\n');
}

static void json_flow(const struct flow *f)
{
	printf("{ \"from-address\": %u", f->from);
	json_text(", \"from\": ", f->from_name);
	printf(", \"to-address\": %u", f->to);
	json_text(", \"to\": ", f->to_name);
	printf(", \"port\": %u", f->port);
	json_text(", \"service\": ", f->service);
	json_text(", \"rule\": ", f->rule);
	json_text(", \"modes\": ", f->modes);
	printf(", \"queued\": %u, \"queued-bytes\": %" PRIu64 ", \"unanswered\": %u, \"held\": %u"
	       ", \"messages\": %" PRIu64 ", \"bytes\": %" PRIu64 " }",
	       f->queued, f->queued_bytes, f->unanswered, f->held, f->messages, f->bytes);
}

static int print_flows(sd_bus_message *m, bool json, int *more)
{
	int r = sd_bus_message_enter_container(m, 'a', "(usususssutuutt)");
	bool first = true;
	struct flow f;

	while (r >= 0) {
		r = sd_bus_message_read(m, "(usususssutuutt)", &f.from, &f.from_name, &f.to,
					&f.to_name, &f.port, &f.service, &f.rule, &f.modes,
					&f.queued, &f.queued_bytes, &f.unanswered, &f.held,
					&f.messages, &f.bytes);
		if (r <= 0)
			break;
		if (json) {
			json_next(&first);
			json_flow(&f);
		} else {
			print_flow(&f);
		}
	}
	return r < 0 ? r : read_more(m, more);
}

int ctl_flows(const char *control, const char *domain, bool json)
{
	sd_bus_message *reply;
	int more = 0, r;

	if (ctl_call(control, "flows", &reply, "Flows", "s", domain) < 0)
		return EXIT_FAILURE;
	if (json)
		fputs("{\n  \"flows\": [", stdout);
	else
		printf("%-16s %-16s %-16s %-16s %-8s %6s %11s %10s %5s %12s %16s\n", "FROM", "TO",
		       "PORT", "RULE", "MODES", "QUEUED", "BYTES", "UNANSWERED", "HELD", "MESSAGES",
		       "BYTES");
	r = print_flows(reply, json, &more);
	sd_bus_message_unref(reply);
	if (r < 0) {
		fail("flows", r);
		return EXIT_FAILURE;
	}
	if (json)
		printf("\n  ],\n  \"more\": %s\n}\n", more ? "true" : "false");
	else if (more)
		puts("(there are more: ask for those of one DOMAIN)");
	return EXIT_SUCCESS;
}
