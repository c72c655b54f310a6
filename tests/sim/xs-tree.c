// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tree of xenstore: nodes, paths, permissions.  Nothing here asks who may.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xs.h"

struct xs_node *sim_xs_root;

static uint64_t generation;

uint64_t sim_xs_next_generation(void)
{
	return ++generation;
}

static void own_children(struct xs_node *node);

/* A node without permissions and value, added to its parent (NULL: a root). */
struct xs_node *sim_xs_node_new(struct xs_node *parent, const char *name, size_t len)
{
	struct xs_node *node = sim_alloc(1, sizeof(*node));

	node->name = sim_alloc(len + 1, 1);
	memcpy(node->name, name, len);
	node->value = sim_alloc(1, 1);
	node->parent = parent;
	list_init(&node->link);
	list_init(&node->children);
	node->with = node;
	if (!parent)
		return node;
	own_children(parent);
	list_add_tail(&parent->children, &node->link);
	return node;
}

/* Without the children, which they have in common until somebody looks for one. */
struct xs_node *sim_xs_node_copy(struct xs_node *node, struct xs_node *parent)
{
	struct xs_node *copy = sim_xs_node_new(parent, node->name, strlen(node->name));

	free(copy->value);
	copy->value = sim_alloc(node->len + 1, 1);
	memcpy(copy->value, node->value, node->len);
	copy->len = node->len;
	copy->perms = sim_xs_perms_copy(&node->perms);
	copy->generation = node->generation;
	copy->with = node->with;
	return copy;
}

static void own_children(struct xs_node *node)
{
	struct xs_node *with = node->with, *child;

	node->with = node;
	if (with == node)
		return;
	list_for_each(child, &with->children, link)
		sim_xs_node_copy(child, node);
}

/* Nothing at and below it has anything in common with another tree any more. */
void sim_xs_node_unshare(struct xs_node *node)
{
	struct xs_node *child;

	own_children(node);
	list_for_each(child, &node->children, link)
		sim_xs_node_unshare(child);
}

void sim_xs_node_free(struct xs_node *node)
{
	struct xs_node *child, *next;

	list_for_each_safe(child, next, &node->children, link)
		sim_xs_node_free(child);
	list_del(&node->link);
	sim_xs_perms_free(&node->perms);
	free(node->value);
	free(node->name);
	free(node);
}

static struct xs_node *find_child(struct xs_node *node, const char *name, size_t len)
{
	struct xs_node *child;

	own_children(node);
	list_for_each(child, &node->children, link)
		if (!strncmp(child->name, name, len) && !child->name[len])
			return child;
	return NULL;
}

/* The node of an absolute path, or NULL. */
struct xs_node *sim_xs_find(struct xs_node *root, const char *path)
{
	struct xs_node *node = root;
	size_t len;

	while (node && *path) {
		path++; /* the slash */
		len = strcspn(path, "/");
		if (len)
			node = find_child(node, path, len);
		path += len;
	}
	return node;
}

char *sim_xs_node_path(const struct xs_node *node)
{
	char *above, *path;

	if (!node->parent)
		return sim_strdup("/");
	if (!node->parent->parent)
		return sim_format("/%s", node->name);
	above = sim_xs_node_path(node->parent);
	path = sim_format("%s/%s", above, node->name);
	free(above);
	return path;
}

/* Turn a path into that of the node above; the root's is the root's. */
void sim_xs_parent_path(char *path)
{
	char *slash = strrchr(path, '/');

	slash[slash == path] = '\0';
}

/* Whether @path is @top or below it. */
bool sim_xs_is_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	if (!strcmp(top, "/"))
		return *path == '/';
	return !strncmp(path, top, len) && (!path[len] || path[len] == '/');
}

static bool valid_path(const char *path, bool special)
{
	static const char chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-/_@";
	size_t len = strlen(path);
	unsigned int domid;
	int home = 0;

	if (*path != '/' && !(special && *path == '@'))
		return false;
	if (len > 1 && path[len - 1] == '/')
		return false;
	/* What comes before the part of a domain does not count. */
	if (sscanf(path, "/local/domain/%5u/%n", &domid, &home) != 1)
		home = 0;
	if (len > (size_t)home + XENSTORE_REL_PATH_MAX)
		return false;
	return !strstr(path, "//") && strspn(path, chars) == len;
}

/*
 * The absolute form of what a connection of @domid wrote: a relative path
 * starts at its home (xenstored_core.c:canonicalize()).  @out has room for
 * XS_PATH_MAX + 1 bytes.  Returns 0 or -EINVAL.
 */
int sim_xs_absolute(domid_t domid, const char *path, bool special, char *out)
{
	int len;

	if (*path == '/' || *path == '@')
		len = snprintf(out, XS_PATH_MAX + 1, "%s", path);
	else
		len = snprintf(out, XS_PATH_MAX + 1, "/local/domain/%u/%s", domid, path);
	if (len > XS_PATH_MAX || !valid_path(out, special))
		return -EINVAL;
	return 0;
}

struct xs_perms sim_xs_perms_copy(const struct xs_perms *perms)
{
	struct xs_perms copy = { .n = perms->n };

	if (!perms->n)
		return copy;
	copy.p = sim_alloc(perms->n, sizeof(*copy.p));
	memcpy(copy.p, perms->p, perms->n * sizeof(*copy.p));
	return copy;
}

void sim_xs_perms_free(struct xs_perms *perms)
{
	free(perms->p);
	perms->p = NULL;
	perms->n = 0;
}

/* A permission for whoever has the domid now. */
struct xs_perm sim_xs_perm(domid_t id, unsigned int perms)
{
	struct domain *dom = sim_dom_find(id);

	return (struct xs_perm){ .id = id, .perms = perms, .instance = dom ? dom->instance : 0 };
}

static bool is_for(const struct xs_perm *perm, domid_t domid)
{
	struct domain *dom = sim_dom_find(domid);

	return perm->id == domid && dom && perm->instance == dom->instance;
}

/* What the domain may do with the node (xenstored_core.c:perm_for_conn()). */
unsigned int sim_xs_allowed(domid_t domid, const struct xs_perms *perms)
{
	unsigned int i;

	if (!domid || is_for(&perms->p[0], domid))
		return XS_PERM_READ | XS_PERM_WRITE | XS_PERM_OWNER;
	for (i = 1; i < perms->n; i++)
		if (is_for(&perms->p[i], domid))
			return perms->p[i].perms;
	return perms->p[0].perms;
}

/* How many nodes at and below this one the domain owns. */
unsigned int sim_xs_owned(const struct xs_node *node, domid_t domid)
{
	unsigned int count = node->perms.p[0].id == domid;
	const struct xs_node *child;

	list_for_each(child, &node->with->children, link)
		count += sim_xs_owned(child, domid);
	return count;
}
