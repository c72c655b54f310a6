/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dom0 half of every vmsg device, as the broker sees it.
 *
 * Model. A backend holds one device per domain that the configuration wants to
 * have one. It provisions the xenstore nodes, runs the state machine with each
 * frontend, maps the rings, copies requests out and validates them, and
 * performs what the broker decides: copies, responses, notifications. It knows
 * nothing of policy, queues or ports.
 *
 * Everything runs in one thread, from one sd_event loop. All memory hangs from
 * struct backend. A device that broke a rule is frozen at once: requests stop
 * and all calls on it do nothing; the broker is told by ops->down() from the
 * event loop, never from inside a call it made itself.
 *
 * Life of a device, as the broker hears of it:
 *
 *   awaited   found at start with an address from an earlier broker: it lives,
 *             messages for it can be queued. Down at once if it died or closed
 *             while there was no broker, so that others can be told
 *   up        connected: requests flow. The same address as in awaited, or new
 *   kick      requests may be waiting
 *   kicking   some may be told of next, and then
 *   kicked    that were all that have come. Returns whether a timer was set, or
 *             a deferred source turned on, since kicking
 *   down      this address is dead for ever. The device may come up again
 *             later, with another address
 *   gone      struct device goes away after this (domain dead or unconfigured);
 *             always after down, if there was an address, and only for devices
 *             that were awaited or up
 *
 * Functions return 0 or a negative errno; errors of guests are not errors of
 * functions.
 */
#ifndef XENMSG_BACKEND_BACKEND_H
#define XENMSG_BACKEND_BACKEND_H

#include "backend/guest/request.h"

#include <sys/types.h>
#include <systemd/sd-event.h>

struct backend;
struct device;
struct log;

/* Announced to every frontend, and enforced; ranges as in xenstore-schema/nodes.def. */
struct backend_limits {
	unsigned int max_ring_order;
	unsigned int flow_window;
	unsigned int max_message;
	unsigned int max_pool_pages; /* 0: pools are refused */
	unsigned int max_maps;
	bool feature_map;
	/* Pages of guests mapped at a time in all, rings included; beyond: pools are refused. */
	unsigned int map_budget;
};

/*
 * Events come after everything else that is ready, as what xenstore has to say above all: so
 * nothing is handed any more to who is known to be dead. So must be what is deferred and serves
 * devices. It keeps the loop from waiting for events, and takes them in itself:
 * backend_take_events().
 */
#define BACKEND_EVENTS_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

struct backend_ops {
	/* Does the domain called @name get a device? @name is "" if it has none that complies. */
	bool (*wanted)(void *priv, uint16_t domid, const char *name);
	/* Its domain has another name, and is to have a device under that, too. */
	void (*renamed)(void *priv, struct device *dev);
	void (*awaited)(void *priv, struct device *dev);
	void (*up)(void *priv, struct device *dev);
	void (*kick)(void *priv, struct device *dev);
	void (*kicking)(void *priv);
	bool (*kicked)(void *priv);
	void (*down)(void *priv, struct device *dev, uint32_t addr);
	void (*gone)(void *priv, struct device *dev);
};

/*
 * Opens the Xen interfaces and takes over what an earlier broker left in
 * xenstore: sweeps nodes of dead domains, awaits those that were connected,
 * provisions new ones. Callbacks come only from the loop. The caller holds the
 * lock file. @log, @event and @ops outlive the backend.
 */
int backend_new(struct backend **out, sd_event *event, struct log *log,
		const struct backend_limits *limits, const struct backend_ops *ops, void *priv);
/*
 * As sd_event_run() of its event loop, for up to @timeout ms (-1: for ever); without this there
 * are no events. With -1, it does not come back for each event. Positive, 0 (there was nothing),
 * or a negative errno.
 */
int backend_loop(struct backend *b, int timeout);
/* From the loop: kicking, a kick for each that there is, and kicked. */
void backend_take_events(struct backend *b);
/*
 * Lets go of all devices, without callbacks. @remove: for good, with their
 * nodes; otherwise frontends keep their nodes and await the next broker.
 */
void backend_free(struct backend *b, bool remove);
/*
 * What ops->wanted() says has changed: devices of domains that are to have none
 * any more go, with their nodes, and others appear. From the loop, soon.
 */
void backend_reconsider(struct backend *b);

/*
 * Processes of this domain are endpoints too: they connect to @fd, a listening
 * SOCK_SEQPACKET socket, which is the backend's if this succeeds. Each is a device
 * of its own, with domid 0x8000 + slot and the name of this domain; it is up from
 * its connect to its end, and then gone. Once; 0 or a negative errno.
 */
int backend_local_listen(struct backend *b, int fd);

struct backend_stats {
	uint64_t hypercalls;	   /* grant copies, maps, unmaps: calls, not operations */
	uint64_t copy_ops;	   /* GNTTABOP_copy operations */
	uint64_t memcpys;	   /* pieces copied between mapped pages */
	uint64_t copied_bytes;	   /* by either way */
	uint64_t notifications;	   /* events sent */
	uint64_t events;	   /* events taken in */
	unsigned int mapped_pages; /* now */
	unsigned int devices;	   /* now */
};
void backend_stats_get(const struct backend *b, struct backend_stats *stats);

enum domain_fate {
	DOMAIN_GONE,
	DOMAIN_DYING, /* and there until nobody has a page of it mapped */
	DOMAIN_ALIVE,
};
/* What the hypervisor says of @domid now; DOMAIN_DYING if it does not answer. One hypercall. */
enum domain_fate backend_domain_fate(const struct backend *b, uint16_t domid);

/* ------------------------------------------------------------- one device */

uint16_t device_domid(const struct device *dev);
/* 0 while it has none. */
uint32_t device_address(const struct device *dev);
/* The domain's name if it complies with the protocol, else "". Valid as long as the device. */
const char *device_name(const struct device *dev);
/*
 * Who it is to a policy: the name, and for a client of this domain NAME:UID, with
 * that of its process when it connected.
 */
const char *device_subject(const struct device *dev);
/* For logs: the name, and for a client of this domain whose process it is. As long as the device. */
const char *device_label(const struct device *dev);
/* Connected, not frozen. */
bool device_is_up(const struct device *dev);
/* "connected", "awaited", ... for status output. */
const char *device_state_name(const struct device *dev);
unsigned int device_ring_slots(const struct device *dev);
/* The broker's own pointer, NULL at first. */
void device_set_priv(struct device *dev, void *priv);
void *device_priv(const struct device *dev);

/*
 * Close it for a violation: "error" node, log line, Closing. Once; later calls
 * do nothing.
 */
void device_fail(struct device *dev, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * The next request of the TX ring, copied out and validated. 1: *req is it;
 * 0: none. What has to be refused for its form is answered here already; no
 * more than a ring's worth in a turn, since the frontend cannot reuse a slot
 * before its answer is published. For
 * REQUEST_INDIRECT the list is fetched and checked: *segs points to nr_segs
 * segments (in REQUEST_SEGS too, and always to VMSGIF_SEGS_MAX), valid until the next call. Names (BIND,
 * RESOLVE, SUBSCRIBE) are fetched and checked: *name is terminated, or NULL.
 */
int device_next_request(struct device *dev, struct request *req, const struct vmsgif_segment **segs,
			const char **name);
/*
 * No more for now: ask the frontend for an event at its next request and unmask
 * the channel. True: there is one already, go on reading.
 */
bool device_arm(struct device *dev);
/* Whether requests have come that were not read yet; @pages: RX pages, too, said once. */
bool device_waiting(struct device *dev, bool pages);

/*
 * Answer request @id of kind @op. Seen by the frontend after
 * device_publish_tx(). @addr, @port: of RESOLVE, else 0.
 */
void device_complete(struct device *dev, uint16_t id, uint8_t op, int status, uint32_t addr,
		     uint32_t port);

/*
 * Posted RX pages not taken yet, up to @want (no need to know more). If there
 * are fewer, the frontend is asked for an event at its next one; so @want is
 * what is needed now, or each page that it posts costs an event.
 */
unsigned int device_rx_posted(struct device *dev, unsigned int want);
/* The next posted page; device_rx_posted() said that there is one. */
struct rx_page device_rx_take(struct device *dev);
/* The next @nr ones, likewise. */
void device_rx_take_run(struct device *dev, struct rx_page *pages, unsigned int nr);
/*
 * Write @rsp, with the id of a taken page, to the RX ring. Pages are answered
 * in the order in which they were taken. Seen after device_publish_rx().
 */
void device_rx_respond(struct device *dev, const struct vmsgif_rx_response *rsp);
/* The same for a message in @nr taken pages, all of which @rsp answers; its id is the first one's. */
void device_rx_respond_run(struct device *dev, const struct vmsgif_rx_response *rsp,
			   const struct rx_page *pages, unsigned int nr);

/*
 * Publish; whether an event is due is remembered. @lazy: what is published now
 * asks for none itself (but keeps one that was due).
 */
void device_publish_tx(struct device *dev, bool lazy);
void device_publish_rx(struct device *dev, bool lazy);
/*
 * Send the event if one is due: once per turn. @force: also one that only lazy
 * pushes made due. Returns true if a lazy one stays due.
 */
bool device_notify(struct device *dev, bool force);

/* ------------------------------------------------------------------ pools */

/*
 * Register the TX or RX pool of @dev: reads the directory, checks it, maps all
 * pages. Returns a status for the answer: 0, VMSGIF_EINVAL, VMSGIF_EFAULT,
 * VMSGIF_EADDRINUSE (there is one), VMSGIF_ENOBUFS (too large, no budget).
 */
int device_pool_add(struct device *dev, const struct vmsgif_pool *pool);
/* Unmap it. VMSGIF_EINVAL: there is none. */
int device_pool_del(struct device *dev, uint16_t type);
/* Pages of the pool of @type that are registered now; 0: none. */
unsigned int device_pool_pages(const struct device *dev, uint16_t type);

/* ------------------------------------------------------------------- copy */

/*
 * The transfer. What is between mapped pages is copied at once, the rest is
 * gathered and done by one call. A message is named by a tag that the caller
 * chooses, from 0 to COPY_TAGS - 1 in a batch.
 */
#define COPY_TAGS 256u
struct copy_batch;
int copy_batch_new(struct copy_batch **out, struct backend *b);
void copy_batch_free(struct copy_batch *batch);
/*
 * Copy the payload of (@segs, @nr, @pooled), checked segments of @src, into
 * @pages of @dst, from the begin of the first, full but the last. @len is the
 * sum of the segments and at most nr_pages * 4096. 0: a run says how it went.
 * COPY_DONE: all of it was between pools, is done and needs no run. VMSGIF_EFAULT:
 * an index is outside its pool, nothing was done. -ENOSPC: run the batch first.
 */
#define COPY_DONE 1
int copy_batch_add(struct copy_batch *batch, unsigned int tag, struct device *src,
		   const struct vmsgif_segment *segs, unsigned int nr, bool pooled,
		   struct device *dst, const struct rx_page *pages, unsigned int nr_pages);
/* Do what was gathered. Afterwards copy_batch_status() of each tag is final. */
void copy_batch_run(struct copy_batch *batch);
/* 0, or VMSGIF_EFAULT if any piece of the message failed. */
int copy_batch_status(const struct copy_batch *batch, unsigned int tag);
/* Forget all, for the next batch. */
void copy_batch_reset(struct copy_batch *batch);
/* The broker's own words: @len bytes, 1 to 4096, to the begin of a taken page. 0 or VMSGIF_EFAULT. */
int device_write_page(struct device *dev, const struct rx_page *page, const void *from,
		      uint16_t len);

#endif
