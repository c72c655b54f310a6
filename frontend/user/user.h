/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The userspace frontend: the device of this domain, driven by one process; or,
 * in the broker's own domain, a device of this process (see bus.h).
 *
 * Model. A struct user owns what the engine (frontend/core) leaves to its OS
 * layer: rings and shared pages, events, the state machine of the connection, the
 * clock, and the mappings of map mode. Who uses it
 * makes engine calls on user_vmsg() as it likes, and then user_publish().
 *
 *   user_open       waits for the broker; the rings are connected
 *   user_poll       take in what is there; no system call
 *   user_wait       sleep until something happens, and take it in
 *   user_dispatch   the same without sleeping, when user_fd() is readable
 *   user_close      says goodbye, gives everything back
 *
 * A restart of the broker happens inside of these calls. The device is gone
 * for good when the broker closes it, or breaks the protocol: user_gone().
 *
 * One thread, no signals, nothing static. In a guest a lock file makes sure that
 * one process at a time owns the device; what a dead owner left connected is
 * closed first.
 */
#ifndef XENMSG_USER_H
#define XENMSG_USER_H

#include "frontend/core/core.h"

struct user;
struct user_bus;
struct user_pool;

struct user_params {
	/*
	 * The engine's callbacks. pool_map, pool_unmap and pool_free are set by
	 * the driver; vmsg_priv() is a struct user, see user_of().
	 */
	struct vmsg_ops ops;
	/* The device has an address; called whenever it is another one. */
	void (*address)(void *priv, uint32_t addr);
	void *priv;
	const struct user_bus *bus; /* see bus.h; NULL: the xenbus */
	const char *lock;	    /* on the xenbus: path of the lock file; NULL: the usual one */
	const char *socket;	    /* on the local bus: of the broker; NULL: the usual one */
	unsigned int ring_order;
	unsigned int tx_pages, rx_pages;
};

/*
 * @timeout in ms, -1: no limit. -ENODEV: no device; -EBUSY: it has an owner;
 * -ETIMEDOUT: nobody connects it; -EPROTO: what the broker says makes no sense;
 * -ENOENT: there is no such bus here.
 * Callbacks may come from inside.
 */
int user_open(struct user **out, const struct user_params *params, int timeout);
/*
 * Say goodbye to the broker, waiting up to a second for it to let go, and
 * complete everything with -EHOSTDOWN. Afterwards the engine makes no callback
 * and needs no port's memory any more. user_close() does it, too.
 */
void user_disconnect(struct user *user);
void user_close(struct user *user);

struct vmsg *user_vmsg(const struct user *user);
/* user_params.priv of the device that an engine callback is about. */
void *user_priv(const struct vmsg *v);
/* 0, or -EHOSTDOWN: gone for good. */
int user_gone(const struct user *user);
/* Why it is gone, in words; NULL: it is not. */
const char *user_reason(const struct user *user);
/* Address of TX page @page. */
void *user_tx_page(const struct user *user, unsigned int page);
/* Events received. */
uint64_t user_events(const struct user *user);

/* ------------------------------------------------------------------ events */

/* For poll(): readable when user_dispatch() has something to do. */
int user_fd(const struct user *user);
/* Time in @ms from now for user_wait(). 0 (no wait) and -1 (no limit) read no clock. */
uint64_t user_deadline(int ms);
/* Whether that time has come, as of the last wait. */
bool user_expired(const struct user *user, uint64_t deadline);
/* Take in what was published, or 32 responses at most: then user_arm() will say that there are more. */
void user_poll(struct user *user);
/* See vmsg_arm(): true, there is more already. */
bool user_arm(struct user *user);
/* To be called after engine calls, before returning to the application. */
void user_publish(struct user *user, bool force);
/* Something is lazy: who polls sees user_fd() readable within VMSGIF_LAZY_NS for that. */
void user_lazy(struct user *user);
/* The application polls from now on. As long as it does not, no timer is set. */
void user_polled(struct user *user);
/*
 * Handle what user_fd() is readable for, and take in what was published.
 * Returns whether there was an event. Call user_arm() before the next sleep.
 */
bool user_dispatch(struct user *user);
/*
 * Sleep until there is something to do or @deadline (UINT64_MAX: none) passes,
 * and do it. Returns whether there was anything. To be called after
 * user_publish(force), unless that made callbacks: those may be what is waited for.
 */
bool user_wait(struct user *user, uint64_t deadline);

/* --------------------------------------------------------------- map pools */

/*
 * The domain that grants what @addr shares, and to which what is for @addr is to be
 * granted. -EACCES: both ends are in the broker's domain, which grants itself nothing.
 */
int user_domid_of(const struct user *user, uint32_t addr);
/*
 * Pages granted read-only to domain @domid, with their directory. They are new
 * from the kernel, thus zero. -ENOSPC: the guest's limit on granted pages;
 * -EACCES: this process may not grant any.
 */
int user_pool_new(struct user *user, uint32_t domid, unsigned int nr_pages, struct user_pool **out);
/* Ends the grants; pages that are still mapped are freed by the kernel later. */
void user_pool_free(struct user *user, struct user_pool *pool);
void *user_pool_memory(const struct user_pool *pool);
uint32_t user_pool_directory(const struct user_pool *pool);

#endif /* XENMSG_USER_H */
