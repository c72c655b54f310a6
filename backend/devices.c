// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The xenstore nodes of devices: made for domains that are to have one, taken
 * over from an earlier broker, removed.
 *
 * Nobody else makes or removes them: libxl does not know this kind of device.
 * When it destroys a domain it removes /local/domain/<domid> with the frontend's
 * half first, and leaves the backend's half to us.
 */
#include "backend/internal.h"

#include "common/cleanup.h"
#include "common/num.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/io/xenbus.h>

/* Of watches; a domain's number follows. */
#define STATE_TOKEN "state:"
#define NAME_TOKEN  "name:"

#define BELOW_MAX (DEVICE_PATH_MAX + 32)
/* Domids of guests end below this (xen/include/public/xen.h:DOMID_FIRST_RESERVED). */
#define DOMID_LAST 32751

static void below(char path[BELOW_MAX], const char *dir, const char *name)
{
	(void)snprintf(path, BELOW_MAX, "%s/%s", dir, name);
}

static struct device *device_new(struct backend *b, struct domain *dom, uint16_t domid)
{
	struct device *dev = calloc(1, sizeof(*dev));

	if (!dev)
		return NULL;
	device_init(dev, b, &xenbus, domid);
	dev->dom = dom;
	(void)snprintf(dev->backend_path, sizeof(dev->backend_path), BACKEND_ROOT "/%u/0", domid);
	(void)snprintf(dev->frontend_path, sizeof(dev->frontend_path),
		       "/local/domain/%u/device/vmsg/0", domid);
	(void)snprintf(dev->token, sizeof(dev->token), STATE_TOKEN "%u", domid);
	list_add_tail(&b->devices, &dev->link);
	return dev;
}

static void device_free(struct device *dev)
{
	if (dev->dom)
		dev->dom->dev = NULL;
	device_deinit(dev);
	free(dev);
}

/* ---------------------------------------------------------- making nodes */

static int write_backend_half(struct device *dev)
{
	struct store *s = dev->b->store;
	char path[BELOW_MAX];
	int r = store_mkdir(s, dev->backend_path, OWN_DOMID, dev->domid);

	below(path, dev->backend_path, "frontend");
	r = r < 0 ? r : store_write(s, path, dev->frontend_path);
	below(path, dev->backend_path, "frontend-id");
	r = r < 0 ? r : store_write_u64(s, path, dev->domid);
	below(path, dev->backend_path, "online");
	r = r < 0 ? r : store_write_u64(s, path, 1);
	below(path, dev->backend_path, "state");
	return r < 0 ? r : store_write_u64(s, path, XenbusStateInitialising);
}

static int write_frontend_half(struct device *dev)
{
	struct store *s = dev->b->store;
	char path[BELOW_MAX];
	int r = store_mkdir(s, dev->frontend_path, dev->domid, OWN_DOMID);

	below(path, dev->frontend_path, "backend");
	r = r < 0 ? r : store_write(s, path, dev->backend_path);
	below(path, dev->frontend_path, "backend-id");
	r = r < 0 ? r : store_write_u64(s, path, OWN_DOMID);
	below(path, dev->frontend_path, "state");
	return r < 0 ? r : store_write_u64(s, path, XenbusStateInitialising);
}

/*
 * Both halves at once, or the guest could see one without the other. The
 * domain's own directory must be there, or we would make it again after libxl
 * removed it, and nobody would remove it then.
 */
static int provision(void *priv)
{
	struct device *dev = priv;
	struct store *s = dev->b->store;
	char home[32];
	int r;

	(void)snprintf(home, sizeof(home), "/local/domain/%u", dev->domid);
	r = store_exists(s, home);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	r = write_backend_half(dev);
	return r < 0 ? r : write_frontend_half(dev);
}

/* -------------------------------------------------------- removing nodes */

struct removal {
	struct backend *b;
	uint16_t domid;
	bool frontend;
};

static int remove_halves(void *priv)
{
	struct removal *removal = priv;
	struct store *s = removal->b->store;
	char path[BELOW_MAX];
	int r;

	(void)snprintf(path, sizeof(path), BACKEND_ROOT "/%u", removal->domid);
	r = store_remove(s, path);
	if (r < 0 || !removal->frontend)
		return r;
	/* First the device, by whose name alone the guest's kernel hears of it. */
	(void)snprintf(path, sizeof(path), "/local/domain/%u/device/vmsg/0", removal->domid);
	r = store_remove(s, path);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "/local/domain/%u/device/vmsg", removal->domid);
	return store_remove(s, path);
}

/* @frontend: the domain lives on, and its half goes as well. */
static void remove_nodes(struct backend *b, uint16_t domid, bool frontend)
{
	struct removal removal = { .b = b, .domid = domid, .frontend = frontend };
	int r = store_transaction(b->store, remove_halves, &removal);

	if (r == 0)
		return;
	log_limited(b->log, clock_now_ns(), domid, "xenstore", LOG_ERR,
		    "nodes of the device cannot be removed: %s, trying again", strerror(-r));
	b->litter = true;
	backend_rescan_later(b);
}

static void unwatch_state(struct device *dev)
{
	char path[BELOW_MAX];

	if (!dev->watching)
		return;
	below(path, dev->frontend_path, "state");
	store_unwatch(dev->b->store, path, dev->token);
	dev->watching = false;
}

void devices_remove(struct device *dev, bool lost)
{
	struct backend *b = dev->b;

	if (dev->dom)
		dev->dom->lost = lost;
	otherend_end(dev);
	unwatch_state(dev);
	remove_nodes(b, dev->domid, false);
	device_free(dev);
}

void devices_withdraw(struct device *dev)
{
	otherend_end(dev);
	unwatch_state(dev);
	remove_nodes(dev->b, dev->domid, true);
	device_free(dev);
}

/* For as long as there is the domain: `xl rename` can come at any time. */
static void watch_name(struct backend *b, struct domain *dom, bool on)
{
	char path[48], token[24];

	if (dom->watched == on)
		return;
	(void)snprintf(path, sizeof(path), "/local/domain/%u/name", dom->domid);
	(void)snprintf(token, sizeof(token), NAME_TOKEN "%u", dom->domid);
	if (on)
		dom->watched = store_watch(b->store, path, token) == 0;
	else
		store_unwatch(b->store, path, token);
	dom->watched = dom->watched && on;
}

void devices_forget(struct backend *b, struct domain *dom)
{
	watch_name(b, dom, false);
	if (dom->dev)
		devices_remove(dom->dev, false);
}

void devices_free(struct backend *b, bool remove)
{
	struct device *dev, *next;

	list_for_each_entry_safe(dev, next, &b->devices, link) {
		connect_undo(dev);
		unwatch_state(dev);
		if (remove)
			remove_nodes(b, dev->domid, true);
		dev->known = false;
		device_free(dev);
	}
}

/* ------------------------------------------- what an earlier broker left */

/*
 * A number that a broker wrote; 0 if there is none. What cannot be read now may be there: it
 * is an error, or a guest would lose its address for it.
 */
static int own_number(struct device *dev, const char *name, uint64_t max, uint64_t *value)
{
	char path[BELOW_MAX], text[24];
	int len;

	*value = 0;
	below(path, dev->backend_path, name);
	len = store_read(dev->b->store, path, text, sizeof(text));
	if (len < 0)
		return len == -ENOENT || len == -E2BIG ? 0 : len;
	if (num_parse_u64(text, (size_t)len, 1, max, value) < 0)
		*value = 0;
	return 0;
}

/* The address in the nodes, if it can be one of this domain; else 0. */
static int left_address(struct device *dev, uint32_t *addr, uint64_t *instance)
{
	uint64_t number;
	int r = own_number(dev, "address", UINT32_MAX, &number);

	if (r == 0)
		r = own_number(dev, "instance", UINT64_MAX, instance);
	*addr = (uint32_t)number;
	if (r < 0 || *instance == 0 || VMSGIF_ADDR_GEN(*addr) == 0 ||
	    VMSGIF_ADDR_DOMID(*addr) != dev->domid)
		*addr = 0;
	return r;
}

/* Nobody comes back under this address: tell the broker, who may know somebody to tell. */
static void announce_dead(struct device *dev, uint32_t addr)
{
	struct backend *b = dev->b;

	if (addr == 0)
		return;
	dev->addr = addr;
	dev->known = true;
	b->ops->awaited(b->priv, dev);
	dev->addr = 0;
	b->ops->down(b->priv, dev, addr);
}

/*
 * Nodes of a domain that is to have a device. 1: it goes on with them. 0: they are of
 * an earlier domain of this domid, which is dead, or none.
 */
static int take_over(struct device *dev)
{
	struct node_reject why;
	uint64_t instance = 0, own_state;
	uint32_t addr;
	int state = nodes_read_state(connect_fetch, dev, &why);
	int r = own_number(dev, "state", XenbusStateClosed, &own_state);

	if (r == 0)
		r = left_address(dev, &addr, &instance);
	/* What the guest itself wrote wrongly is for later. */
	if (r == 0 && state < 0 && state != -ENOENT && state != -EPROTO)
		r = state;
	if (r < 0)
		return r;
	if (state == -ENOENT || own_state == 0) {
		announce_dead(dev, addr);
		return 0;
	}
	/* Only an instance that was connected, and did not close since, comes back. */
	if (state != XenbusStateInitialised && state != XenbusStateConnected) {
		announce_dead(dev, addr);
		addr = 0;
	}
	dev->otherstate = state == XenbusStateClosed ? state : 0;
	otherend_begin(dev, addr, addr != 0 ? instance : 0);
	return 1;
}

/* Backend nodes without a domain that is to have them. */
static int sweep_one(void *priv, const char *name)
{
	struct backend *b = priv;
	struct domain *dom;
	struct device *dev;
	uint64_t instance;
	uint16_t domid;
	uint32_t addr;
	int r;

	if (num_parse_u16(name, strlen(name), 0, DOMID_LAST, &domid) < 0)
		return 0;
	dom = domains_find(b->domains, domid);
	if (dom && dom->dev)
		return 0;
	if (!b->swept) {
		dev = device_new(b, NULL, domid);
		if (!dev)
			return -ENOMEM;
		r = left_address(dev, &addr, &instance);
		if (r == 0)
			announce_dead(dev, addr);
		device_free(dev);
		if (r < 0)
			return r;
	}
	remove_nodes(b, domid, dom != NULL);
	return 0;
}

int devices_sweep(struct backend *b)
{
	return store_list(b->store, BACKEND_ROOT, sweep_one, b);
}

/* -------------------------------------------------------- who is to have one */

int devices_read_name(struct backend *b, uint16_t domid, char name[VMSGIF_NAME_MAX + 1])
{
	struct reject why;
	char path[48];
	int len;

	(void)snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
	len = store_read(b->store, path, name, VMSGIF_NAME_MAX);
	if (len == -E2BIG)
		len = 0;
	if (len < 0)
		return len;
	if (request_check_name(name, (uint32_t)len, false, &why) != VERDICT_OK)
		len = 0;
	name[len] = '\0';
	return 0;
}

void devices_rename(struct backend *b, struct domain *dom)
{
	char name[VMSGIF_NAME_MAX + 1];

	dom->renamed = false;
	/* Without a node the domain is about to go. */
	if (devices_read_name(b, dom->domid, name) < 0 || !strcmp(name, dom->dev->name))
		return;
	if (!b->ops->wanted(b->priv, dom->domid, name)) {
		devices_withdraw(dom->dev);
		return;
	}
	(void)snprintf(dom->dev->name, sizeof(dom->dev->name), "%s", name);
	b->ops->renamed(b->priv, dom->dev);
}

/* 0: it has one. -ENOENT: the toolstack takes the domain away, or is not there yet. */
static int add(struct backend *b, struct domain *dom, const char *name)
{
	struct device *dev = device_new(b, dom, dom->domid);
	int r;

	if (!dev)
		return -ENOMEM;
	(void)snprintf(dev->name, sizeof(dev->name), "%s", name);
	dom->dev = dev;
	r = b->swept ? 0 : take_over(dev);
	if (r > 0)
		return 0;
	/* Half of a device, or one of an earlier domain, is none. */
	if (r == 0) {
		remove_nodes(b, dom->domid, true);
		r = store_transaction(b->store, provision, dev);
	}
	if (r == 0)
		otherend_begin(dev, 0, 0);
	else
		device_free(dev);
	return r;
}

int devices_consider(struct backend *b, struct domain *dom)
{
	char name[VMSGIF_NAME_MAX + 1];
	int r;

	if (dom->lost)
		return 0;
	/*
	 * A name may come or change: xl gives an incoming domain its final one
	 * only when its migration is complete (tools/xl/xl_migrate.c).
	 */
	watch_name(b, dom, true);
	r = devices_read_name(b, dom->domid, name);
	if (r == 0 && b->ops->wanted(b->priv, dom->domid, name))
		r = add(b, dom, name);
	return r == -ENOENT ? 0 : r;
}

static struct domain *domain_of(struct backend *b, const char *token, const char *prefix)
{
	size_t len = strlen(prefix);
	uint16_t domid;

	if (strncmp(token, prefix, len) != 0)
		return NULL;
	token += len;
	if (num_parse_u16(token, strlen(token), 0, DOMID_LAST, &domid) < 0)
		return NULL;
	return domains_find(b->domains, domid);
}

struct device *devices_by_token(struct backend *b, const char *token)
{
	struct domain *dom = domain_of(b, token, STATE_TOKEN);

	return dom ? dom->dev : NULL;
}

struct domain *devices_domain_by_token(struct backend *b, const char *token)
{
	return domain_of(b, token, NAME_TOKEN);
}
