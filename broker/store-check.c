// SPDX-License-Identifier: GPL-2.0-or-later
/* Where nodes are, and which belong together. See store-check.h. */
#include "broker/store-check.h"

#include "broker/store-dir.h"
#include "common/num.h"

#include <xen/io/vmsgif.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Domids of guests end here (xen/include/public/xen.h:DOMID_FIRST_RESERVED). */
#define DOMID_LAST 32751
#define SLOT_LAST  1023

/* --------------------------------------------------------------------- devices */

/* Whatever is checked in one transaction: what is said of it must not be said twice. */
struct attempt {
	struct store_check *check;
	FILE *out;
	int problems;
	unsigned int id; /* domid or slot */
	int (*fn)(struct store_check *check, unsigned int id);
	char *text;
	size_t size;
};

static int try(void *priv)
{
	struct attempt *a = priv;
	int r;

	free(a->text);
	a->text = NULL;
	a->check->problems = a->problems;
	a->check->out = open_memstream(&a->text, &a->size);
	if (!a->check->out) {
		a->check->out = a->out;
		return -ENOMEM;
	}
	r = a->fn(a->check, a->id);
	if (fclose(a->check->out) != 0 && r >= 0)
		r = -ENOMEM;
	a->check->out = a->out;
	return r;
}

static int at_once(struct store_check *check, unsigned int id,
		   int (*fn)(struct store_check *check, unsigned int id))
{
	struct attempt a = {
		.check = check, .out = check->out, .problems = check->problems, .id = id, .fn = fn
	};
	int r = store_transaction(check->store, try, &a);

	if (r >= 0)
		(void)fwrite(a.text, 1, a.size, check->out);
	free(a.text);
	return r;
}

static int check_backend(struct store_check *check, unsigned int domid, const char *frontend)
{
	struct store_dir dir = { .check = check, .side = STORE_BACKEND };
	char perms[32], id[16];
	uint64_t addr;
	int r;

	(void)snprintf(dir.path, sizeof(dir.path), BACKEND_ROOT "/%u/0", domid);
	(void)snprintf(perms, sizeof(perms), "n0,r%u", domid);
	(void)snprintf(id, sizeof(id), "%u", domid);
	dir.perms = perms;
	r = store_dir_check(&dir);
	if (r < 0)
		return r;
	store_dir_expect(&dir, "frontend", frontend);
	store_dir_expect(&dir, "frontend-id", id);
	addr = store_dir_number(&dir, "address");
	if (addr && VMSGIF_ADDR_DOMID(addr) != domid && store_dir_may_say(&dir))
		store_problem(check, dir.path, "address", "is of domain %u",
			      (unsigned int)VMSGIF_ADDR_DOMID(addr));
	store_dir_end(&dir);
	return 0;
}

static int check_frontend(struct store_check *check, unsigned int domid, const char *path)
{
	struct store_dir dir = { .check = check, .side = STORE_FRONTEND };
	char perms[32], backend[64];
	int r;

	(void)snprintf(dir.path, sizeof(dir.path), "%s", path);
	(void)snprintf(perms, sizeof(perms), "n%u,r0", domid);
	(void)snprintf(backend, sizeof(backend), BACKEND_ROOT "/%u/0", domid);
	dir.perms = perms;
	r = store_dir_check(&dir);
	if (r < 0)
		return r;
	store_dir_expect(&dir, "backend", backend);
	store_dir_expect(&dir, "backend-id", "0");
	store_dir_end(&dir);
	return 0;
}

/* One that has a backend's half. */
static int check_device(struct store_check *check, unsigned int domid)
{
	char home[32], backend[64], frontend[64];
	int r;

	(void)snprintf(home, sizeof(home), "/local/domain/%u", domid);
	(void)snprintf(backend, sizeof(backend), BACKEND_ROOT "/%u", domid);
	(void)snprintf(frontend, sizeof(frontend), "%s/device/vmsg/0", home);
	r = store_exists(check->store, home);
	if (r < 0)
		return r;
	if (r == 0) {
		store_problem(check, backend, NULL, "is left over: there is no domain %u", domid);
		return 0;
	}
	r = check_backend(check, domid, frontend);
	if (r < 0)
		return r;
	r = store_exists(check->store, frontend);
	if (r < 0)
		return r;
	if (r == 0) {
		store_problem(check, frontend, NULL, "is missing, the backend's half is there");
		return 0;
	}
	return check_frontend(check, domid, frontend);
}

/* A domain has one device, number 0. */
static int only_zero(void *priv, const char *name)
{
	struct store_dir *parent = priv;

	if (strcmp(name, "0") != 0 && store_dir_may_say(parent))
		store_problem(parent->check, parent->path, name,
			      "is no device: there is number 0 alone");
	return 0;
}

/* A guest may have made as many as its quota allows, and gets as few lines as anywhere. */
static int check_parent(struct store_dir *parent)
{
	int r = store_list(parent->check->store, parent->path, only_zero, parent);

	store_dir_end(parent);
	return r;
}

static int on_backend(void *priv, const char *name)
{
	struct store_dir parent = { .check = priv };
	uint32_t domid;
	int r;

	if (num_parse_u32(name, strlen(name), 1, DOMID_LAST, &domid) < 0) {
		store_problem(priv, BACKEND_ROOT, name, "is no domid of a guest");
		return 0;
	}
	(void)snprintf(parent.path, sizeof(parent.path), BACKEND_ROOT "/%u", domid);
	r = check_parent(&parent);
	return r < 0 ? r : at_once(priv, domid, check_device);
}

/* Frontends whose backend is gone. */
static int on_domain(void *priv, const char *name)
{
	struct store_dir parent = { .check = priv };
	char backend[64];
	uint32_t domid;
	int r;

	if (num_parse_u32(name, strlen(name), 0, DOMID_LAST, &domid) < 0)
		return 0;
	(void)snprintf(parent.path, sizeof(parent.path), "/local/domain/%u/device/vmsg", domid);
	(void)snprintf(backend, sizeof(backend), BACKEND_ROOT "/%u/0", domid);
	r = store_exists(parent.check->store, parent.path);
	if (r <= 0)
		return r;
	r = store_exists(parent.check->store, backend);
	if (r < 0)
		return r;
	if (r == 0) {
		store_problem(priv, parent.path, NULL,
			      "is left over: the backend's half is not there");
		return 0;
	}
	return check_parent(&parent);
}

/* ------------------------------------------------------------------------ host */

static int check_local(struct store_check *check, unsigned int slot)
{
	struct store_dir dir = { .check = check, .side = STORE_LOCAL, .perms = "n0" };
	uint64_t addr;
	int r;

	(void)snprintf(dir.path, sizeof(dir.path), HOST_ROOT "/local/%u", slot);
	r = store_dir_check(&dir);
	if (r < 0)
		return r;
	addr = store_dir_number(&dir, "address");
	if (addr && VMSGIF_ADDR_DOMID(addr) != (VMSGIF_ADDR_LOCAL | slot) &&
	    store_dir_may_say(&dir))
		store_problem(check, dir.path, "address", "is not of this slot");
	store_dir_end(&dir);
	return 0;
}

static int on_slot(void *priv, const char *name)
{
	uint32_t slot;

	if (num_parse_u32(name, strlen(name), 0, SLOT_LAST, &slot) < 0) {
		store_problem(priv, HOST_ROOT "/local", name, "is no slot");
		return 0;
	}
	return at_once(priv, slot, check_local);
}

static int check_host(struct store_check *check, unsigned int id)
{
	struct store_dir dir = { .check = check, .side = STORE_HOST, .path = HOST_ROOT };
	int r = store_dir_check(&dir);

	store_dir_end(&dir);
	return r;
}

int store_check(struct store *store, FILE *out)
{
	struct store_check check = { .store = store, .out = out };
	int r = store_list(store, BACKEND_ROOT, on_backend, &check);

	if (r >= 0)
		r = store_list(store, "/local/domain", on_domain, &check);
	/* Where no broker ever ran there is none. */
	if (r >= 0)
		r = store_exists(store, HOST_ROOT);
	if (r > 0)
		r = at_once(&check, 0, check_host);
	if (r >= 0)
		r = store_list(store, HOST_ROOT "/local", on_slot, &check);
	return r < 0 ? r : check.problems;
}
