/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One device.
 *
 * Phases, by what stands in xenstore (otherend.c):
 *
 *   WAITING     InitWait; nothing is mapped. With an address: an instance that
 *               was connected to an earlier broker is awaited
 *   CONNECTING  Connected, rings mapped; the frontend has not followed yet
 *   UP          both Connected: requests flow
 *   CLOSING     Closing; nothing is mapped
 *   CLOSED      Closed
 *
 * "Frozen" is a device that broke a rule in this turn: still mapped, because
 * somebody up the stack may be in the middle of something, but silent.
 */
#ifndef XENMSG_BACKEND_DEVICE_H
#define XENMSG_BACKEND_DEVICE_H

#include "backend/backend.h"
#include "backend/bus.h"
#include "backend/chan.h"
#include "backend/grants.h"
#include "backend/guest/nodes.h"
#include "backend/guest/ring.h"
#include "common/list.h"
#include "common/macros.h"
#include "common/token-bucket.h"

struct domain;

enum phase {
	PHASE_WAITING,
	PHASE_CONNECTING,
	PHASE_UP,
	PHASE_CLOSING,
	PHASE_CLOSED,
};

#define DEVICE_SLOTS_MAX VMSGIF_RING_SLOTS(VMSGIF_MAX_RING_ORDER)
#define DEVICE_PATH_MAX	 64
#define DEVICE_ERROR_MAX 256 /* of "error" in nodes.def */

/* Limits per device; see otherend.c. */
#define DEVICE_GENERATIONS_RATE	 1
#define DEVICE_GENERATIONS_BURST 16
#define DEVICE_LOOKS_RATE	 16
#define DEVICE_LOOKS_BURST	 128
#define DEVICE_WATCH_RATE	 256
#define DEVICE_WATCH_BURST	 1024

struct pool {
	void *addr; /* NULL: none */
	uint32_t *refs;
	unsigned int nr_pages;
};

static inline uint8_t *pool_page(const struct pool *pool, uint32_t i)
{
	return (uint8_t *)pool->addr + (size_t)i * VMSGIF_PAGE_SIZE;
}

/* Where @seg begins, in bytes from its pool's begin. */
static inline uint64_t pool_offset(const struct vmsgif_segment *seg)
{
	return (uint64_t)seg->ref * VMSGIF_PAGE_SIZE + seg->offset;
}

/* Whether it ends in the pool, too. */
static inline bool pool_holds(const struct pool *pool, const struct vmsgif_segment *seg)
{
	return pool_offset(seg) + seg->len <= (uint64_t)pool->nr_pages * VMSGIF_PAGE_SIZE;
}

/* What there is between mapping the rings and letting them go. */
struct connection {
	void *tx_map;
	void *rx_map;
	void *alive_map; /* NULL: the frontend has no such page */
	bool died;	 /* that page says so */
	unsigned int ring_pages;
	struct ring tx;
	struct ring rx;
	struct chan chan;
	struct pool pools[2];	       /* VMSGIF_POOL_TX - 1, VMSGIF_POOL_RX - 1 */
	bool tx_ids[DEVICE_SLOTS_MAX]; /* unanswered; bytes are cheaper than bits */
	bool rx_ids[DEVICE_SLOTS_MAX];
	uint32_t rx_taken; /* by the broker; rx.req_cons is parsed */
	struct rx_page rx_pages[DEVICE_SLOTS_MAX];
	bool notify_due;
	/* Where both rings stood when the channel was opened last. */
	uint32_t tx_at_arm;
	uint32_t rx_at_arm;
	uint32_t rx_told; /* the frontend's index when device_waiting() said that there are pages */
};

struct device {
	struct list link; /* of the backend's devices */
	struct list work;
	struct backend *b;
	const struct bus *bus;
	struct domain *dom; /* NULL: only nodes are left of it */
	uint16_t domid;
	char name[VMSGIF_NAME_MAX + 1];
	const char *subject; /* NULL: the name */
	const char *label;   /* NULL: the name */
	char backend_path[DEVICE_PATH_MAX];
	char frontend_path[DEVICE_PATH_MAX];
	char token[32];
	void *priv;

	enum phase phase;
	bool frozen;
	bool live;			    /* device_live(): UP, not frozen */
	char failure[DEVICE_ERROR_MAX + 1]; /* why it was closed; "": it was not for a violation */
	int otherstate;			    /* the frontend's, as last seen; 0: not yet */
	uint64_t epoch;
	uint32_t addr;
	uint64_t instance;
	bool announced; /* the broker knows of addr */
	bool known;	/* the broker knows of the device */

	bool look;	  /* at the frontend's state */
	bool unpublished; /* our nodes are behind */
	bool watching;
	struct token_bucket generations;
	struct token_bucket looks;
	struct token_bucket watch_events;
	uint64_t deaf_until; /* no watch before */
	uint64_t timer_at;   /* 0: not set */
	sd_event_source *timer;

	struct connection c;
	struct vmsgif_tx_request slot; /* copied out last */
	struct vmsgif_segment list[VMSGIF_INDIRECT_MAX];
	char text[VMSGIF_NAME_MAX + 1];
};

/* Connected and well-behaved: calls of the broker mean something. */
static inline bool device_live(const struct device *dev)
{
	return dev->live;
}

/* Nobody else changes dev->phase. */
static inline void device_enter(struct device *dev, enum phase phase)
{
	dev->phase = phase;
	dev->live = phase == PHASE_UP && !dev->frozen;
}

/* ---------------------------------------------------------------- backend */

/* Call bus->run() from the loop. */
void device_schedule(struct device *dev);

/* --------------------------------------------------------------- otherend */

/* A new device with nodes in xenstore. @addr, @instance: awaited; or 0. */
void otherend_begin(struct device *dev, uint32_t addr, uint64_t instance);
void otherend_run(struct device *dev);
/* The watch fired. */
void otherend_poke(struct device *dev);
/* Lets go of everything mapped, and tells the broker that the address is dead. */
void otherend_end(struct device *dev);
/* Run again in @ns at the latest. */
void otherend_later(struct device *dev, uint64_t ns);

/* ---------------------------------------------------------------- connect */

/*
 * Tries with what the frontend wrote: 1: mapped, address settled. 0: not now
 * (other epoch, rate limit). -EPROTO: the device has failed. -ENOENT: the
 * nodes are gone. Else xenstore's error.
 */
int connect_try(struct device *dev);
/* Unmaps and unbinds everything. */
void connect_undo(struct device *dev);
/* Fetches a node of the frontend; for guest/nodes.h. */
int connect_fetch(void *priv, const char *name, char text[NODE_VALUE_MAX]);

/* ----------------------------------------------------------------- device */

/* In zeroed memory; it is on no list yet. */
void device_init(struct device *dev, struct backend *b, const struct bus *bus, uint16_t domid);
/* Tells the broker that it is gone, if it ever heard of it, and lets go of everything. */
void device_deinit(struct device *dev);
/* Both sides are connected. */
void device_come_up(struct device *dev);
/* An event came. */
void device_event(struct device *dev);
/* The broker answers what it was given, each once: it does, or has a bug. */
void device_log_bug(const struct device *dev, const char *what, uint16_t id);

/* Marks @id, which is below the number of slots, as used; false if it was. */
static inline bool id_take(bool ids[DEVICE_SLOTS_MAX], uint16_t id)
{
	if (UNLIKELY(ids[id]))
		return false;
	ids[id] = true;
	return true;
}

static inline bool id_give(bool ids[DEVICE_SLOTS_MAX], uint16_t id)
{
	if (UNLIKELY(id >= DEVICE_SLOTS_MAX || !ids[id]))
		return false;
	ids[id] = false;
	return true;
}

/* ------------------------------------------------------------------ fetch */

/* What @req refers to: its list into dev->list, its name into dev->text. */
enum verdict fetch_segments(struct device *dev, const struct request *req,
			    const struct vmsgif_segment **segs, struct reject *why);
enum verdict fetch_name(struct device *dev, const struct request *req,
			const struct vmsgif_segment *segs, const char **name, struct reject *why);

/* ------------------------------------------------------------------ pools */

void pools_drop(struct device *dev);

/* ------------------------------------------------------------------ place */

/*
 * A page that a request names: by index in the pool of @type if it is @pooled,
 * else by reference. False: there is no such page.
 */
bool place_find(const struct device *dev, uint16_t type, bool pooled, uint32_t ref,
		struct place *place);
/*
 * The page in which @seg of a message of @dev begins. False: there is none, or @seg, where
 * it goes on, leaves what there is. Pages of a pool that have addresses are in a row.
 */
bool place_find_segment(const struct device *dev, bool pooled, const struct vmsgif_segment *seg,
			struct place *place);
/* Make it an end of @op, whose other end has no address. */
void place_copy_from(struct grant_copy_op *op, const struct device *dev, const struct place *place,
		     uint16_t offset);
void place_copy_to(struct grant_copy_op *op, const struct device *dev, const struct place *place,
		   uint16_t offset);
/* @len bytes, at most a page, from its begin. False: it cannot be read or written. */
bool place_read(struct device *dev, const struct place *place, void *buf, uint16_t len);
bool place_write(struct device *dev, const struct place *place, const void *buf, uint16_t len);

#endif
