/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The context that everything of the backend hangs from, and what its parts
 * ask of each other.
 *
 *   domains   which domains there are           devices   their xenstore nodes
 *   otherend  the state machine of one device   connect   rings, channel, address
 *   device    requests and responses            posted    pages for messages
 *   fetch     what requests refer to            pools     a device's pools
 *   copy      payload
 *   bus       what a device is reached by: xenbus or local   place     its pages
 *   local     processes of this domain
 *   grants, chan, xs, timer                     the libraries
 *
 * Work is done from one deferred event source: whoever notices something, a
 * watch or a violation, only notes it and calls device_schedule() or
 * backend_rescan(). So nothing is torn down while somebody still uses it.
 */
#ifndef XENMSG_BACKEND_INTERNAL_H
#define XENMSG_BACKEND_INTERNAL_H

#include "backend/backend.h"
#include "backend/chan.h"
#include "backend/device.h"
#include "backend/grants.h"
#include "backend/timer.h"
#include "backend/xs.h"
#include "common/clock.h"
#include "common/list.h"
#include "common/log.h"

struct domains;
struct local;

/* The domain that the daemon runs in; its xenstore paths are absolute. */
#define OWN_DOMID 0u

struct backend {
	struct loop loop;
	struct log *log;
	struct backend_limits limits;
	const struct backend_ops *ops;
	void *priv;
	struct backend_stats stats;

	struct grants *grants;
	struct chans *chans;
	struct store *store;
	struct domains *domains;
	struct local *local;
	uint16_t generation; /* last one given away; 0: not read yet */

	struct list devices;
	struct list work; /* devices that have something to do */
	sd_event_source *work_source;
	sd_event_source *retry; /* a rescan that failed */
	bool rescan;
	bool reconsider; /* whether devices that are there are wanted still, in the next scan */
	bool swept;	 /* what an earlier broker left has been dealt with */
	bool litter;	 /* nodes that we could not remove are left */
};

/* Look at the list of domains again, from the loop: at once, or in a while. */
void backend_rescan(struct backend *b);
void backend_rescan_later(struct backend *b);

/* ---------------------------------------------------------------- domains */

struct domain {
	struct list link;
	uint16_t domid;
	uint8_t uuid[16];
	bool seen;    /* by the scan under way */
	bool watched; /* its name is */
	bool renamed; /* or so it seems: the next scan looks */
	bool lost;    /* had a device whose nodes somebody took away: no other one */
	struct device *dev;
	uint64_t rest_until; /* its frontend's state is not looked at before; see otherend.c */
};

int domains_new(struct domains **out);
void domains_free(struct domains *domains);
/* Compares with the hypervisor's list: devices_consider(), devices_forget(). */
int domains_scan(struct backend *b);
/* A domain that runs (or is paused, or shut down and not destroyed yet); or NULL. */
struct domain *domains_find(const struct domains *domains, uint16_t domid);

/* ---------------------------------------------------------------- devices */

/* The domain has no device: give it one if it is to have one. */
int devices_consider(struct backend *b, struct domain *dom);
/* It has one, and may have another name by now. */
void devices_rename(struct backend *b, struct domain *dom);
/* What the token of the watch on a name belongs to, or NULL. */
struct domain *devices_domain_by_token(struct backend *b, const char *token);
/* The domain is gone. */
void devices_forget(struct backend *b, struct domain *dom);
/*
 * After a scan: remove nodes whose domain is not there, or not to have them.
 * Until b->swept they are of an earlier broker, who may have left an address.
 */
int devices_sweep(struct backend *b);
/* Down, gone, freed. @dev->dom may have no other one if @lost. */
void devices_remove(struct device *dev, bool lost);
/* Its domain lives on, and is not to have one any more. */
void devices_withdraw(struct device *dev);
/* At the daemon's end. No callbacks. */
void devices_free(struct backend *b, bool remove_nodes);
/* The device that @token belongs to, or NULL. */
struct device *devices_by_token(struct backend *b, const char *token);

/*
 * The name of a domain, "" if it does not comply with the protocol. 0, -ENOENT
 * (none is written), or another negative errno.
 */
int devices_read_name(struct backend *b, uint16_t domid, char name[VMSGIF_NAME_MAX + 1]);

/* ---------------------------------------------------------------- address */

/* The generation last given away, by this broker or an earlier one. 0 or a negative errno. */
int address_last(struct backend *b, uint16_t *generation);

/* A new generation, already written. 0 or a negative errno. */
int address_next(struct backend *b, uint16_t *generation);

#endif
