/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenmsgctl status: the answer of the daemon, and two ways to show it. The
 * strings are those of the message, and live as long as it. Those who hold pages
 * of the dead are said below it, see ctl-list.h.
 */
#ifndef XENMSG_BROKER_CTL_STATUS_H
#define XENMSG_BROKER_CTL_STATUS_H

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

struct ctl_counter {
	const char *name;
	uint64_t value;
};

struct ctl_counters {
	struct ctl_counter *list;
	size_t nr;
};

struct ctl_domain {
	uint16_t domid;
	uint32_t addr;
	const char *name; /* "" if it has none */
	const char *state;
	struct ctl_counters counters;
};

struct ctl_status {
	const char *version;
	struct ctl_counters total;
	struct ctl_domain *domains;
	size_t nr_domains;
	struct ctl_counters refused; /* by rule */
};

/*
 * The fields of a domain, from within its struct in an answer. 1; 0: there is no
 * other domain. -errno. Its counters are the caller's, to be freed in any case.
 */
int ctl_domain_read(struct ctl_domain *domain, sd_bus_message *reply);
/* -errno; ctl_status_free() in either case. */
int ctl_status_read(struct ctl_status *status, sd_bus_message *reply);
/*
 * Ask the daemon at @control. @reply is the caller's, after @status is freed. -errno: it
 * has been said on standard error, and nothing is left.
 */
int ctl_status_get(const char *control, struct ctl_status *status, sd_bus_message **reply);
void ctl_status_free(struct ctl_status *status);
/* 0 if there is none of that name. */
uint64_t ctl_counter(const struct ctl_counters *counters, const char *name);

void ctl_status_print(const struct ctl_status *status);
/* The members of an object that is open; others may follow. */
void ctl_status_json(const struct ctl_status *status);

#endif
