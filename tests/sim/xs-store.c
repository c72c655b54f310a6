// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests to xenstored: who may do what, with which quotas and errors
 * (tools/xenstore/xenstored_core.c).
 */
#include <stdlib.h>
#include <string.h>

#include "xs.h"

/* What a node takes besides its data, permissions and names of children. */
#define NODE_HEADER 24u

static struct xs_node *tree(const struct xs_req *req)
{
	return req->txn ? req->txn->root : sim_xs_root;
}

static struct xs_node *look(struct xs_req *req, const char *path)
{
	struct xs_node *node = sim_xs_find(tree(req), path);

	if (req->txn)
		sim_xs_txn_see(req->txn, path, node);
	return node;
}

/*
 * Who may not do it with the node above either is not told whether there is a
 * node: EACCES (errno_from_parents()).
 */
static int hide(struct xs_req *req, const char *path, unsigned int perm, int err)
{
	char above[XS_PATH_MAX + 1];
	struct xs_node *node;

	strcpy(above, path);
	do {
		sim_xs_parent_path(above);
		node = look(req, above);
	} while (!node);
	return sim_xs_allowed(req->domid, &node->perms) & perm ? err : -EACCES;
}

/* The node of an absolute path that the requester may use so. */
int sim_xs_get_node(struct xs_req *req, const char *path, unsigned int perm, struct xs_node **out)
{
	struct xs_node *node = look(req, path);

	if (!node)
		return hide(req, path, perm, -ENOENT);
	if ((sim_xs_allowed(req->domid, &node->perms) & perm) != perm)
		return -EACCES;
	*out = node;
	return 0;
}

/* Carry out or note down. */
static void change(struct xs_req *req, enum xs_op_type type, const char *path, const void *value,
		   unsigned int len, const struct xs_perms *perms)
{
	struct xs_op *op = sim_alloc(1, sizeof(*op));
	struct list changes;

	op->type = type;
	op->path = sim_strdup(path);
	op->value = sim_alloc(len + 1, 1);
	if (len)
		memcpy(op->value, value, len);
	op->len = len;
	if (perms)
		op->perms = sim_xs_perms_copy(perms);
	op->domid = req->domid;
	list_init(&op->link);

	if (req->txn) {
		sim_xs_apply(req->txn->root, op, NULL);
		list_add_tail(&req->txn->ops, &op->link);
		return;
	}
	list_init(&changes);
	sim_xs_apply(sim_xs_root, op, &changes);
	sim_xs_op_free(op);
	sim_xs_fire(&changes);
}

static size_t children_size(const struct xs_node *node)
{
	const struct xs_node *child;
	size_t size = 0;

	list_for_each(child, &node->with->children, link)
		size += strlen(child->name) + 1;
	return size;
}

static bool too_big(const struct xs_req *req, size_t data, size_t children, unsigned int perms)
{
	return req->domid &&
	       NODE_HEADER + data + children + perms * sizeof(struct xs_permissions) >=
		       sim_world->config.xs_node_size;
}

/* May the requester create this node, and what is missing above it? */
static int may_create(struct xs_req *req, const char *path, unsigned int len)
{
	char above[XS_PATH_MAX + 1];
	unsigned int missing = 0;
	struct xs_node *node;
	const char *name;

	if (!req->domid)
		return 0;
	strcpy(above, path);
	do {
		sim_xs_parent_path(above);
		missing++;
		node = sim_xs_find(tree(req), above);
	} while (!node);
	if (sim_world->config.xs_nodes &&
	    sim_xs_owned(tree(req), req->domid) + missing > sim_world->config.xs_nodes)
		return -ENOSPC;
	if (too_big(req, len, 0, node->perms.n))
		return -ENOSPC;
	/* The name that the node above gets to its list of children. */
	name = path + strlen(above);
	name += *name == '/';
	if (too_big(req, node->len, children_size(node) + strcspn(name, "/") + 1, node->perms.n))
		return -ENOSPC;
	return 0;
}

int sim_xs_write(struct xs_req *req, const char *path, const void *value, unsigned int len)
{
	struct xs_node *node;
	int r = sim_xs_get_node(req, path, XS_PERM_WRITE, &node);

	if (r == -ENOENT)
		r = may_create(req, path, len);
	else if (!r && too_big(req, len, children_size(node), node->perms.n))
		r = -ENOSPC;
	if (!r)
		change(req, XS_OP_WRITE, path, value, len, NULL);
	return r;
}

/* An existing node is fine, and nothing happens. */
int sim_xs_mkdir(struct xs_req *req, const char *path)
{
	struct xs_node *node;
	int r = sim_xs_get_node(req, path, XS_PERM_WRITE, &node);

	if (r != -ENOENT)
		return r;
	r = may_create(req, path, 0);
	if (!r)
		change(req, XS_OP_MKDIR, path, NULL, 0, NULL);
	return r;
}

/* A missing node is fine if there is one above it. */
int sim_xs_remove(struct xs_req *req, const char *path)
{
	char above[XS_PATH_MAX + 1];
	struct xs_node *node;
	int r = sim_xs_get_node(req, path, XS_PERM_WRITE, &node);

	if (r == -ENOENT) {
		strcpy(above, path);
		sim_xs_parent_path(above);
		return look(req, above) ? 0 : -ENOENT;
	}
	if (r)
		return r;
	if (!node->parent)
		return -EINVAL;
	change(req, XS_OP_RM, path, NULL, 0, NULL);
	return 0;
}

/* A guest may set those of its own nodes, and not give them away. */
int sim_xs_set_perms(struct xs_req *req, const char *path, struct xs_perms *perms)
{
	struct xs_node *node;
	int r;

	if (req->domid && perms->n > sim_world->config.xs_perms)
		return -ENOSPC;
	/* Nobody can own a node who does not exist. */
	if (!perms->p[0].instance)
		return -ENOENT;
	r = sim_xs_get_node(req, path, XS_PERM_WRITE | XS_PERM_OWNER, &node);
	if (r)
		return r;
	if (req->domid && perms->p[0].id != node->perms.p[0].id)
		return -EPERM;
	if (too_big(req, node->len, children_size(node), perms->n))
		return -ENOSPC;
	change(req, XS_OP_PERMS, path, NULL, 0, perms);
	return 0;
}
