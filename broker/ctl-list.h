/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenmsgctl domains and flows: answers of the daemon that are printed as they are read. */
#ifndef XENMSG_BROKER_CTL_LIST_H
#define XENMSG_BROKER_CTL_LIST_H

#include <stdbool.h>

/* Both return an exit status; what went wrong is on standard error. */
int ctl_domains(const char *control, bool json);
/* @domain: a name or a domid, or "" for all. */
int ctl_flows(const char *control, const char *domain, bool json);

/* Which MAP pools to say something of. */
enum ctl_pools {
	CTL_POOLS_ALL,
	CTL_POOLS_DEAD, /* those of dead owners, who are kept from going by them */
};

/* A line for each pool, or a member "pools" of the JSON object that is open. -errno: as above. */
int ctl_pools(const char *control, enum ctl_pools which, bool json);

#endif
