// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Changes of the tree that have been found allowed: carried out at once, or
 * in a transaction's copy first and in the tree when it commits.
 */
#include <stdlib.h>
#include <string.h>

#include "xs.h"

void sim_xs_op_free(struct xs_op *op)
{
	list_del(&op->link);
	sim_xs_perms_free(&op->perms);
	free(op->path);
	free(op->value);
	free(op);
}

/* @changes may be NULL: nobody watches a transaction's copy. */
static void changed(struct list *changes, char *path, bool exact, const struct xs_perms *perms)
{
	struct xs_change *change;

	if (!changes) {
		free(path);
		return;
	}
	/* Within one transaction each path is told once; not exact is more. */
	list_for_each(change, changes, link)
		if (!strcmp(change->path, path)) {
			change->exact = change->exact && exact;
			free(path);
			return;
		}
	change = sim_alloc(1, sizeof(*change));
	change->path = path;
	change->exact = exact;
	if (perms)
		change->perms = sim_xs_perms_copy(perms);
	list_add_tail(changes, &change->link);
}

static void touch(struct xs_node *node)
{
	node->generation = sim_xs_next_generation();
	node->own = true;
}

/*
 * The node of the path, made together with what is missing above it.  New
 * nodes have their parent's permissions, but a guest owns what it creates.
 */
static struct xs_node *make_node(struct xs_node *root, const char *path, domid_t domid)
{
	struct xs_node *node = sim_xs_find(root, path), *parent;
	const char *name = strrchr(path, '/') + 1;
	char above[XS_PATH_MAX + 1];

	if (node)
		return node;
	strcpy(above, path);
	sim_xs_parent_path(above);
	parent = make_node(root, above, domid);
	node = sim_xs_node_new(parent, name, strlen(name));
	node->perms = sim_xs_perms_copy(&parent->perms);
	if (domid)
		node->perms.p[0] = sim_xs_perm(domid, parent->perms.p[0].perms);
	touch(node);
	touch(parent);
	return node;
}

static void apply_write(struct xs_node *root, const struct xs_op *op)
{
	struct xs_node *node = make_node(root, op->path, op->domid);

	free(node->value);
	node->value = sim_alloc(op->len + 1, 1);
	memcpy(node->value, op->value, op->len);
	node->len = op->len;
	touch(node);
}

/* Watches below the removed node learn of their own node only. */
static void tell_removed(const struct xs_node *node, bool top, struct list *changes)
{
	const struct xs_node *child;

	list_for_each(child, &node->with->children, link)
		tell_removed(child, false, changes);
	changed(changes, sim_xs_node_path(node), !top, &node->perms);
}

static void apply_rm(struct xs_node *root, const struct xs_op *op, struct list *changes)
{
	struct xs_node *node = sim_xs_find(root, op->path);

	if (!node)
		return;
	tell_removed(node, true, changes);
	touch(node->parent);
	sim_xs_node_free(node);
}

static void apply_perms(struct xs_node *root, const struct xs_op *op, struct list *changes)
{
	struct xs_node *node = sim_xs_find(root, op->path);

	if (!node)
		return;
	changed(changes, sim_strdup(op->path), false, &node->perms);
	sim_xs_perms_free(&node->perms);
	node->perms = sim_xs_perms_copy(&op->perms);
	touch(node);
}

void sim_xs_apply(struct xs_node *root, const struct xs_op *op, struct list *changes)
{
	if (root == sim_xs_root)
		sim_xs_txns_unshare();
	switch (op->type) {
	case XS_OP_WRITE:
		apply_write(root, op);
		changed(changes, sim_strdup(op->path), false, NULL);
		break;
	case XS_OP_MKDIR:
		make_node(root, op->path, op->domid);
		changed(changes, sim_strdup(op->path), false, NULL);
		break;
	case XS_OP_RM:
		apply_rm(root, op, changes);
		break;
	case XS_OP_PERMS:
		apply_perms(root, op, changes);
		break;
	}
}
