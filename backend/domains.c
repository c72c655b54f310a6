// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libxenctrl: which domains there are.
 *
 * Xenstore says that something changed (@introduceDomain, @releaseDomain), and
 * before Xen 4.22 not what; the hypervisor's list says what is. A domid may be
 * taken by another domain between two scans: a domain is (domid, UUID). One
 * that is dying is gone for us, so that no mapping of ours keeps it from going.
 */
#include "backend/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>

#define DOMAINS_PER_CALL 64u

struct domains {
	xc_interface *handle;
	struct list list;
	struct domain *by_domid[DOMID_FIRST_RESERVED];
};

int domains_new(struct domains **out)
{
	struct domains *domains = calloc(1, sizeof(*domains));

	if (!domains)
		return -ENOMEM;
	list_init(&domains->list);
	domains->handle = xc_interface_open(NULL, NULL, 0);
	if (!domains->handle) {
		int r = errno ? -errno : -ENODEV;

		free(domains);
		return r;
	}
	*out = domains;
	return 0;
}

static void domain_free(struct domains *domains, struct domain *dom)
{
	domains->by_domid[dom->domid] = NULL;
	list_del(&dom->link);
	free(dom);
}

void domains_free(struct domains *domains)
{
	struct domain *dom, *next;

	if (!domains)
		return;
	list_for_each_entry_safe(dom, next, &domains->list, link)
		domain_free(domains, dom);
	(void)xc_interface_close(domains->handle);
	free(domains);
}

struct domain *domains_find(const struct domains *domains, uint16_t domid)
{
	return domid < DOMID_FIRST_RESERVED ? domains->by_domid[domid] : NULL;
}

enum domain_fate backend_domain_fate(const struct backend *b, uint16_t domid)
{
	xc_domaininfo_t info;
	int nr = xc_domain_getinfolist(b->domains->handle, domid, 1, &info);

	if (nr < 0)
		return DOMAIN_DYING;
	if (nr == 0 || info.domain != domid)
		return DOMAIN_GONE;
	return info.flags & XEN_DOMINF_dying ? DOMAIN_DYING : DOMAIN_ALIVE;
}

static void forget(struct backend *b, struct domain *dom)
{
	devices_forget(b, dom);
	domain_free(b->domains, dom);
}

/* One entry of the hypervisor's list. */
static int note(struct backend *b, const xc_domaininfo_t *info)
{
	struct domains *domains = b->domains;
	uint16_t domid = info->domain;
	struct domain *dom = domains_find(domains, domid);

	if (domid == OWN_DOMID || domid >= DOMID_FIRST_RESERVED || (info->flags & XEN_DOMINF_dying))
		return 0;
	if (dom && memcmp(dom->uuid, info->handle, sizeof(dom->uuid)) != 0) {
		forget(b, dom);
		dom = NULL;
	}
	if (!dom) {
		dom = calloc(1, sizeof(*dom));
		if (!dom)
			return -ENOMEM;
		dom->domid = domid;
		memcpy(dom->uuid, info->handle, sizeof(dom->uuid));
		domains->by_domid[domid] = dom;
		list_add_tail(&domains->list, &dom->link);
	}
	dom->seen = true;
	return 0;
}

static int list_all(struct backend *b)
{
	xc_domaininfo_t infos[DOMAINS_PER_CALL];
	uint32_t first = 0;
	int nr, r = 0;

	do {
		nr = xc_domain_getinfolist(b->domains->handle, first, DOMAINS_PER_CALL, infos);
		if (nr < 0)
			return errno ? -errno : -EIO;
		for (int i = 0; i < nr && r == 0; i++) {
			r = note(b, &infos[i]);
			first = infos[i].domain + 1u;
		}
	} while (r == 0 && nr == (int)DOMAINS_PER_CALL);
	return r;
}

int domains_scan(struct backend *b)
{
	struct domain *dom, *next;
	int r;

	list_for_each_entry(dom, &b->domains->list, link)
		dom->seen = false;
	r = list_all(b);
	if (r < 0)
		return r;
	/* The dead first: what they held may be what the others need. */
	list_for_each_entry_safe(dom, next, &b->domains->list, link) {
		if (!dom->seen)
			forget(b, dom);
	}
	list_for_each_entry_safe(dom, next, &b->domains->list, link) {
		int error;

		if (b->reconsider && dom->dev &&
		    !b->ops->wanted(b->priv, dom->domid, dom->dev->name))
			devices_withdraw(dom->dev);
		if (dom->renamed && dom->dev)
			devices_rename(b, dom);
		error = dom->dev ? 0 : devices_consider(b, dom);
		r = r < 0 ? r : error;
	}
	b->reconsider = false;
	return r;
}
