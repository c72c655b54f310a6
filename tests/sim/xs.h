/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulated xenstored (the behaviour is that of 4.17's C xenstored):
 *
 *   xs-tree.c   nodes, paths and permissions: data structure only
 *   xs-store.c  what a request may do and does: permissions, quotas
 *   xs-txn.c    transactions
 *   xs-watch.c  watches and their events
 *   xs-lib.c    the symbols of libxenstore
 *   xs-test.c   the test's and the toolstack's own access
 */
#ifndef SIM_XS_H
#define SIM_XS_H

#include <xenstore.h>

#include "internal.h"

#define XS_PATH_MAX XENSTORE_ABS_PATH_MAX

/*
 * A permission is for the domain that had the domid when it was given: a later
 * domain of the same domid does not inherit it (XSA-322).
 */
struct xs_perm {
	domid_t id;
	unsigned int perms;
	uint64_t instance; /* 0: there was no such domain */
};

struct xs_perms {
	unsigned int n;
	struct xs_perm *p; /* the first is the owner, and everybody else's */
};

struct xs_node {
	struct xs_node *parent;
	struct list link;
	struct list children;
	/*
	 * Whose children it has: its own; or, in a transaction's tree, still
	 * those of the node that it is a copy of. To be read, not to be changed.
	 */
	struct xs_node *with;
	char *name;
	char *value; /* with a NUL beyond its end */
	unsigned int len;
	struct xs_perms perms;
	uint64_t generation; /* of the last change, its list of children included */
	bool own;	     /* in a transaction's tree: changed by itself */
	bool base;	     /* may be there at the end */
};

enum xs_op_type {
	XS_OP_WRITE,
	XS_OP_MKDIR,
	XS_OP_RM,
	XS_OP_PERMS,
};

/* A change that has been found allowed. */
struct xs_op {
	struct list link;
	enum xs_op_type type;
	char *path;
	char *value;
	unsigned int len;
	struct xs_perms perms;
	domid_t domid; /* whose it is: owner of the nodes it creates */
};

/* A path that was touched by a transaction, and what it found. */
struct xs_seen {
	struct list link;
	char *path;
	uint64_t generation; /* 0: there was no node */
};

struct xs_txn {
	struct list link;
	xs_transaction_t id;
	struct xs_node *root; /* a copy of the tree as it was at the start */
	struct list seen;
	struct list ops;
};

/* Something happened to a node; watchers may have to know. */
struct xs_change {
	struct list link;
	char *path;
	bool exact;	       /* not for watches above it */
	struct xs_perms perms; /* as they were before */
};

struct xs_watch {
	struct list link;
	char *path; /* absolute, or a special name */
	char *token;
	size_t relative; /* how much of a path to cut off for this watcher */
};

struct xs_event {
	struct list link;
	char *path;
	char *token;
};

struct xs_handle {
	struct handle h;
	struct list conn; /* of all connections */
	domid_t domid;
	int fd; /* readable while there are events; -1: not asked for yet */
	bool unwatch_filter;
	struct list watches;
	struct list events;
	struct list txns;
};

/* Who asks, and where: in the tree, or in a transaction's copy. */
struct xs_req {
	domid_t domid;
	struct xs_txn *txn;
};

extern struct xs_node *sim_xs_root;
extern struct list sim_xs_conns;

/* xs-tree.c */
uint64_t sim_xs_next_generation(void);
struct xs_node *sim_xs_node_new(struct xs_node *parent, const char *name, size_t len);
struct xs_node *sim_xs_node_copy(struct xs_node *node, struct xs_node *parent);
void sim_xs_node_unshare(struct xs_node *node);
void sim_xs_node_free(struct xs_node *node);
struct xs_node *sim_xs_find(struct xs_node *root, const char *path);
char *sim_xs_node_path(const struct xs_node *node);
void sim_xs_parent_path(char *path);
bool sim_xs_is_below(const char *path, const char *top);
int sim_xs_absolute(domid_t domid, const char *path, bool special, char *out);
struct xs_perms sim_xs_perms_copy(const struct xs_perms *perms);
void sim_xs_perms_free(struct xs_perms *perms);
struct xs_perm sim_xs_perm(domid_t id, unsigned int perms);
unsigned int sim_xs_allowed(domid_t domid, const struct xs_perms *perms);
unsigned int sim_xs_owned(const struct xs_node *node, domid_t domid);

/* xs-store.c: 0 or -errno */
int sim_xs_get_node(struct xs_req *req, const char *path, unsigned int perm, struct xs_node **out);
int sim_xs_write(struct xs_req *req, const char *path, const void *value, unsigned int len);
int sim_xs_mkdir(struct xs_req *req, const char *path);
int sim_xs_remove(struct xs_req *req, const char *path);
int sim_xs_set_perms(struct xs_req *req, const char *path, struct xs_perms *perms);

/* xs-txn.c */
int sim_xs_txn_start(struct xs_handle *xs, xs_transaction_t *id);
int sim_xs_txn_end(struct xs_handle *xs, xs_transaction_t id, bool abandon);
struct xs_txn *sim_xs_txn_find(struct xs_handle *xs, xs_transaction_t id);
void sim_xs_txns_unshare(void);
void sim_xs_txn_free(struct xs_txn *txn);
void sim_xs_txn_see(struct xs_txn *txn, const char *path, const struct xs_node *node);

/* xs-apply.c: carry out a change, in the tree or in a copy */
void sim_xs_apply(struct xs_node *root, const struct xs_op *op, struct list *changes);
void sim_xs_op_free(struct xs_op *op);

/* xs-watch.c */
void sim_xs_fire(struct list *changes);
int sim_xs_watch_add(struct xs_handle *xs, const char *path, const char *token);
int sim_xs_watch_rm(struct xs_handle *xs, const char *path, const char *token);
struct xs_event *sim_xs_event_take(struct xs_handle *xs);
void sim_xs_event_free(struct xs_event *event);
void sim_xs_drop_watches(struct xs_handle *xs);
unsigned int sim_xs_watches(domid_t domid);

/* xs-test.c */
bool sim_xs_is_base(const struct xs_node *node);

#endif /* SIM_XS_H */
