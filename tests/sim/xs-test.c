// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Xenstore seen by the test, and by the toolstack that makes and removes
 * domains (libxl_create.c:libxl__domain_make()).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xs.h"

/* Paths below which everything may stay. */
struct base_path {
	struct list link;
	char *path;
};

static struct list base_paths = { &base_paths, &base_paths };

/* In a path of the test's own a mistake is fatal. */
static const char *checked(const char *path)
{
	char absolute[XS_PATH_MAX + 1];

	if (*path != '/' || sim_xs_absolute(0, path, false, absolute))
		sim_die("\"%s\" is no xenstore path", path);
	return path;
}

static struct xs_perms parse_perms(const char *text)
{
	struct xs_perms perms = { 0 };
	unsigned int domid, bits;
	char kind, end;
	int n;

	do {
		if (sscanf(text, "%c%u%n", &kind, &domid, &n) != 2)
			sim_die("bad permission \"%s\"", text);
		bits = kind == 'b' ? XS_PERM_READ | XS_PERM_WRITE :
		       kind == 'r' ? XS_PERM_READ :
		       kind == 'w' ? XS_PERM_WRITE :
				     XS_PERM_NONE;
		end = text[n];
		if (!strchr("nrwb", kind) || (end && end != ','))
			sim_die("bad permission \"%s\"", text);
		perms.p = sim_realloc(perms.p, perms.n + 1, sizeof(*perms.p));
		perms.p[perms.n++] = sim_xs_perm((domid_t)domid, bits);
		text += n + 1;
	} while (end);
	return perms;
}

const char *sim_xs_get(const char *path)
{
	struct xs_node *node = sim_xs_find(sim_xs_root, checked(path));

	return node ? node->value : NULL;
}

unsigned int sim_xs_owned_nodes(domid_t domid)
{
	return sim_xs_owned(sim_xs_root, domid);
}

bool sim_xs_exists(const char *path)
{
	return sim_xs_find(sim_xs_root, checked(path));
}

int sim_xs_put_as(domid_t domid, const char *path, const char *value)
{
	struct xs_req req = { .domid = domid };

	return sim_xs_write(&req, checked(path), value, (unsigned int)strlen(value));
}

void sim_xs_put(const char *path, const char *value)
{
	sim_xs_put_as(0, path, value);
}

void sim_xs_rm(const char *path)
{
	struct xs_req req = { 0 };

	sim_xs_remove(&req, checked(path));
}

void sim_xs_chmod(const char *path, const char *text)
{
	struct xs_perms perms = parse_perms(text);
	struct xs_req req = { 0 };

	if (sim_xs_set_perms(&req, checked(path), &perms))
		sim_die("cannot set the permissions of \"%s\"", path);
	sim_xs_perms_free(&perms);
}

static void mark_base(struct xs_node *node)
{
	struct xs_node *child;

	node->base = true;
	list_for_each(child, &node->children, link)
		mark_base(child);
}

void sim_base(void)
{
	mark_base(sim_xs_root);
}

void sim_base_path(const char *path)
{
	struct base_path *base = sim_alloc(1, sizeof(*base));

	base->path = sim_strdup(checked(path));
	list_add_tail(&base_paths, &base->link);
}

bool sim_xs_is_base(const struct xs_node *node)
{
	struct base_path *base;
	char *path;
	bool found = node->base;

	if (found)
		return true;
	path = sim_xs_node_path(node);
	list_for_each(base, &base_paths, link)
		found = found || sim_xs_is_below(path, base->path) ||
			sim_xs_is_below(base->path, path);
	free(path);
	return found;
}

void sim_xs_init(void)
{
	sim_xs_root = sim_xs_node_new(NULL, "", 0);
	sim_xs_root->perms.p = sim_alloc(1, sizeof(struct xs_perm));
	sim_xs_root->perms.n = 1;
	sim_xs_root->generation = sim_xs_next_generation();
	sim_xs_put("/local/domain", "");
	sim_xs_put("/vm", "");
	sim_base();
}

void sim_xs_fini(void)
{
	struct base_path *base, *next;

	list_for_each_safe(base, next, &base_paths, link) {
		list_del(&base->link);
		free(base->path);
		free(base);
	}
	sim_xs_node_free(sim_xs_root);
	sim_xs_root = NULL;
}

static void uuid_string(const struct domain *dom, char *out)
{
	const uint8_t *u = dom->uuid;

	sprintf(out, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
		u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
		u[14], u[15]);
}

/* A node of a domain; @perms NULL: as the node above it. */
static void put(const char *top, const char *name, const char *value, const char *perms)
{
	char *path = *name ? sim_format("%s/%s", top, name) : sim_strdup(top);

	sim_xs_put(path, value);
	if (perms)
		sim_xs_chmod(path, perms);
	free(path);
}

void sim_xs_domain_add(struct domain *dom)
{
	static const char *const writable[] = { "control/shutdown", "data", "drivers",
						"feature",	    "attr", "error" };
	char home[64], vm[64], id[8], uuid[40], readonly[24], own[16];
	unsigned int i;

	uuid_string(dom, uuid);
	snprintf(home, sizeof(home), "/local/domain/%u", dom->id);
	snprintf(vm, sizeof(vm), "/vm/%s", uuid);
	snprintf(id, sizeof(id), "%u", dom->id);
	snprintf(readonly, sizeof(readonly), dom->id ? "n0,r%u" : "n%u", dom->id);
	snprintf(own, sizeof(own), "n%u", dom->id);

	put(home, "", "", readonly);
	put(home, "name", dom->name, NULL);
	put(home, "domid", id, NULL);
	if (dom->id) {
		put(vm, "", "", readonly);
		put(vm, "uuid", uuid, NULL);
		put(vm, "name", dom->name, NULL);
		put(home, "vm", vm, NULL);
		put(home, "device", "", NULL);
		put(home, "control", "", NULL);
		for (i = 0; i < sizeof(writable) / sizeof(writable[0]); i++)
			put(home, writable[i], "", own);
		mark_base(sim_xs_find(sim_xs_root, vm));
	}
	mark_base(sim_xs_find(sim_xs_root, home));
	sim_xs_event("@introduceDomain");
}

void sim_xs_domain_rm(struct domain *dom)
{
	char path[64] = "/vm/";

	uuid_string(dom, path + strlen(path));
	sim_xs_rm(path);
	snprintf(path, sizeof(path), "/local/domain/%u", dom->id);
	sim_xs_rm(path);
}

static bool rm_owned(struct xs_node *node, const struct domain *dom)
{
	struct xs_node *child;
	char *path;

	if (node->perms.p[0].id == dom->id && node->perms.p[0].instance == dom->instance) {
		path = sim_xs_node_path(node);
		sim_xs_rm(path);
		free(path);
		return true;
	}
	list_for_each(child, &node->children, link)
		if (rm_owned(child, dom))
			return true;
	return false;
}

/* xenstored forgets a dead domain: its connection, and the nodes it owned. */
void sim_xs_domain_gone(struct domain *dom)
{
	struct xs_handle *xs, *next;

	list_for_each_safe(xs, next, &sim_xs_conns, conn)
		if (xs->h.process->dom == dom)
			sim_xs_handle_kill(xs);
	while (rm_owned(sim_xs_root, dom))
		;
}
