/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xenstore: bounded reads, formatted writes, transactions, watches.
 *
 * Functions return 0 (or what they say) or a negative errno. When the
 * connection is lost the loop is told to exit, because xenstored's restart
 * loses everybody's watches: systemd starts the daemon anew then. What fails
 * meanwhile says -ENOTCONN, or whatever came first.
 */
#ifndef XENMSG_BACKEND_XS_H
#define XENMSG_BACKEND_XS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct store;

/* Where nodes of the schema are: see xenstore-schema/README.md. */
#define BACKEND_ROOT "/local/domain/0/backend/vmsg"
#define HOST_ROOT    "/local/domain/0/xenmsg"

/* Longest path and value that this daemon writes or reads. */
#define STORE_PATH_MAX	256
#define STORE_VALUE_MAX 512

/* The watch registered with @token fired; @priv of store_new(). */
typedef void (*store_watch_fn)(void *priv, const char *token);

int store_new(struct store **out, sd_event *event, store_watch_fn fn, void *priv);
void store_free(struct store *s);

/*
 * Puts the value of @path into @text of @size bytes, without terminator. Its
 * length, -ENOENT, -E2BIG if it does not fit, or another negative errno.
 */
int store_read(struct store *s, const char *path, char *text, size_t size);
int store_exists(struct store *s, const char *path); /* 1 or 0 */
int store_write(struct store *s, const char *path, const char *value);
int store_write_u64(struct store *s, const char *path, uint64_t value);
/* Makes the node, empty, owned by @owner and readable by @reader and nobody else. */
int store_mkdir(struct store *s, const char *path, uint16_t owner, uint16_t reader);
/*
 * Puts who may do what with @path into @text, as xenstore-ls does: the owner with
 * what everybody may, then others: "n0,r3". Letters: n nothing, r read, w write, b
 * both. What does not fit is cut. 0 or a negative errno.
 */
int store_permissions(struct store *s, const char *path, char *text, size_t size);
/* With all below; 0 also if there is none. */
int store_remove(struct store *s, const char *path);

/*
 * Calls @fn with the name of each child of @path. 0 also if there is no such
 * node. A negative result of @fn ends the walk.
 */
int store_list(struct store *s, const char *path, int (*fn)(void *priv, const char *name),
	       void *priv);

/*
 * Runs @fn in a transaction, again when others interfered; all calls above join
 * it. A negative result of @fn abandons it. -EAGAIN: too many attempts.
 */
int store_transaction(struct store *s, int (*fn)(void *priv), void *priv);

int store_watch(struct store *s, const char *path, const char *token);
/* Events that are under way may still come. */
void store_unwatch(struct store *s, const char *path, const char *token);

#endif
