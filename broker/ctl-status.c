// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reads the daemon's answer to Status. See ctl-status.h, and control.h for the
 * form of the answer.
 */
#include "broker/ctl-status.h"

#include "broker/ctl-bus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more in an array of @nr elements of @size bytes. */
static void *grow(void *list, size_t nr, size_t size)
{
	/* At powers of two. */
	return nr & (nr - 1) ? list : reallocarray(list, nr ? nr * 2 : 1, size);
}

/* The array of pairs that comes next, of type {st} or (st). */
static int read_counters(sd_bus_message *m, struct ctl_counters *out, const char *element)
{
	int r = sd_bus_message_enter_container(m, 'a', element);

	while (r >= 0) {
		struct ctl_counter c, *list;

		r = sd_bus_message_read(m, element, &c.name, &c.value);
		if (r <= 0)
			break;
		list = grow(out->list, out->nr, sizeof(*list));
		if (!list)
			return -ENOMEM;
		out->list = list;
		out->list[out->nr++] = c;
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

int ctl_domain_read(struct ctl_domain *domain, sd_bus_message *reply)
{
	int r;

	*domain = (struct ctl_domain){ 0 };
	r = sd_bus_message_read(reply, "quss", &domain->domid, &domain->addr, &domain->name,
				&domain->state);
	return r <= 0 ? r : read_counters(reply, &domain->counters, "{st}");
}

static int read_domains(sd_bus_message *m, struct ctl_status *status)
{
	int r = sd_bus_message_enter_container(m, 'a', "(qussa{st})");

	while (r >= 0 && !sd_bus_message_at_end(m, 0)) {
		struct ctl_domain *list = grow(status->domains, status->nr_domains, sizeof(*list));

		if (!list)
			return -ENOMEM;
		status->domains = list;
		list += status->nr_domains++;
		memset(list, 0, sizeof(*list));
		r = sd_bus_message_enter_container(m, 'r', "qussa{st}");
		if (r >= 0)
			r = ctl_domain_read(list, m);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

int ctl_status_read(struct ctl_status *status, sd_bus_message *reply)
{
	int r;

	memset(status, 0, sizeof(*status));
	r = sd_bus_message_read(reply, "s", &status->version);
	if (r >= 0)
		r = read_counters(reply, &status->total, "{st}");
	if (r >= 0)
		r = read_domains(reply, status);
	if (r >= 0)
		r = read_counters(reply, &status->refused, "(st)");
	return r < 0 ? r : 0;
}

int ctl_status_get(const char *control, struct ctl_status *status, sd_bus_message **reply)
{
	int r = ctl_call(control, "status", reply, "Status", "");

	if (r < 0)
		return r;
	r = ctl_status_read(status, *reply);
	if (r >= 0)
		return 0;
	fprintf(stderr, "xenmsgctl: status: %s\n", strerror(-r));
	ctl_status_free(status);
	sd_bus_message_unref(*reply);
	return r;
}

void ctl_status_free(struct ctl_status *status)
{
	for (size_t i = 0; i < status->nr_domains; i++)
		free(status->domains[i].counters.list);
	free(status->domains);
	free(status->total.list);
	free(status->refused.list);
}

uint64_t ctl_counter(const struct ctl_counters *counters, const char *name)
{
	for (size_t i = 0; i < counters->nr; i++)
		if (!strcmp(counters->list[i].name, name))
			return counters->list[i].value;
	return 0;
}
