/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The frontend's engine: everything of <xen/io/vmsgif.h> that needs no
 * operating system. The kernel driver, the userspace driver and the tests
 * compile the same files.
 *
 * Model. The OS layer owns the pages, their grants, the event channel, xenstore
 * and one lock; it calls the engine with the lock held, and gets calls back
 * through struct vmsg_ops under the same lock. The engine never allocates, locks,
 * sleeps, or asks what time it is. It knows pages by index: TX pages 0..nr_tx_pages-1 and RX pages
 * 0..nr_rx_pages-1, granted to the broker's domain before the first connect.
 *
 *   struct vmsg       one device
 *   struct vmsg_port  one endpoint: a sender, and if bound a receiver
 *   struct vmsg_msg   one received message, in the memory of its port
 *
 * Life of a connection, driven by the OS layer:
 *
 *   vmsg_init                                      once
 *   vmsg_ring_init     the rings are fresh memory (first connect and resets)
 *   vmsg_connected     the broker said Connected: the engine goes through
 *                      POOL_ADD, BIND, SUBSCRIBE, RELEASE, READY, SENDs
 *   vmsg_poll          whenever the event channel fires
 *   vmsg_disconnected  the broker went away: takes in all that is published,
 *                      keeps what is unanswered for the next vmsg_connected
 *   vmsg_shutdown      the device is gone for good: completes everything
 *
 * Requests made while disconnected wait for the connection.
 *
 * The other end is not trusted: responses are copied once and matched with the
 * shadow of the request (id in use, operation equal, lengths possible). One
 * that does not match breaks the device: vmsg_broken() says why, nothing
 * more is consumed or sent, everything is completed with -EHOSTDOWN.
 *
 * Errors are 0 or negative Linux error numbers, which the wire uses too.
 */
#ifndef XENMSG_FRONTEND_CORE_H
#define XENMSG_FRONTEND_CORE_H

#include "common/xen-compat.h"

#include <xen/io/vmsgif.h>

struct vmsg;
struct vmsg_port;
struct vmsg_msg;

/* What a completed control request says; see vmsg_ops.control_done. */
struct vmsg_answer {
	int status;
	uint32_t addr; /* RESOLVE of a name */
	uint32_t port; /* RESOLVE of a service */
};

/* A SEND that failed. */
struct vmsg_failure {
	int status;
	uint32_t addr; /* destination */
	uint32_t port;
	uint64_t seq;	    /* of the last message, */
	unsigned int count; /* if it was a batch of so many; else 1 */
};

/*
 * Calls from the engine, under the lock, from any vmsg_*() call that takes the
 * device. They must not call the engine back except where it is said.
 */
struct vmsg_ops {
	/*
	 * A SEND with a cookie other than 0 was answered. @status as on the
	 * wire, except that a SEND that was under way when the broker restarted
	 * and then failed says -EHOSTDOWN: perhaps delivered. Its TX pages are
	 * free again. Comes in the order of the answers: failures overtake.
	 */
	void (*send_done)(struct vmsg *v, struct vmsg_port *port, uint64_t cookie, int status);
	/* The same for one without a cookie, if @failure->status is not 0. May be NULL. */
	void (*send_failed)(struct vmsg *v, struct vmsg_port *port,
			    const struct vmsg_failure *failure);
	/* Messages are waiting at @port, which had none waiting before. */
	void (*readable)(struct vmsg *v, struct vmsg_port *port);
	/*
	 * A send of @port that got -EAGAIN may do better now, or all its SENDs
	 * are answered (vmsg_drained); NULL: a request of the device may.
	 */
	void (*writable)(struct vmsg *v, struct vmsg_port *port);
	/* BIND, UNBIND, RESOLVE, SUBSCRIBE, POOL_ADD, POOL_DEL of MAP pools. */
	void (*control_done)(struct vmsg *v, uint64_t cookie, const struct vmsg_answer *answer);
	/* PEER_UP and RESOLVED bring a name, not terminated; it may be empty. */
	void (*peer_up)(struct vmsg *v, uint32_t addr, const char *name, unsigned int len);
	void (*resolved)(struct vmsg *v, uint32_t addr, const char *name, unsigned int len);
	/* After the last message of @addr. Called for every peer that died. */
	void (*peer_down)(struct vmsg *v, uint32_t addr);
	/*
	 * For messages to @port, map @nr_pages in a row, read-only, granted by domain
	 * VMSGIF_ADDR_DOMID(addr), listed in the directory @ref that the same
	 * domain grants. Answer, from here or later, by vmsg_pool_mapped().
	 */
	void (*pool_map)(struct vmsg *v, struct vmsg_port *port, unsigned int slot, uint32_t addr,
			 uint32_t ref, uint32_t nr_pages);
	/*
	 * Unmap pool @slot, and when that is done say vmsg_pool_unmapped(), from
	 * here or later: until then the slot is not used for another one, and the
	 * owner not told. @detach: messages in it are still held; put private
	 * copies of the pages at the same addresses, which stay readable until
	 * pool_free. The owner is dead, nobody waits for that.
	 */
	void (*pool_unmap)(struct vmsg *v, unsigned int slot, bool detach);
	/* The last held message of a detached pool @slot was released. */
	void (*pool_free)(struct vmsg *v, unsigned int slot);
	/* The receiver of own MAP pool @id let go of it, or died: its grants can be ended. */
	void (*pool_gone)(struct vmsg *v, unsigned int id);
	/*
	 * A new broker refused to bind @port again (@status). Nothing arrives
	 * there any more; what has arrived stays. To be followed by
	 * vmsg_unbind(), which is done at once. May be NULL.
	 */
	void (*lost)(struct vmsg *v, struct vmsg_port *port, int status);
};

/* Limits and memory of a device; the engine keeps the pointers. */
struct vmsg_params {
	const struct vmsg_ops *ops;
	void *priv;		 /* for the OS layer: vmsg_priv() */
	unsigned int ring_order; /* 0..VMSGIF_MAX_RING_ORDER */
	/*
	 * Pages granted to the broker. TX: 2..VMSGIF_POOL_PAGES_MAX, of which
	 * the last is the engine's, for names; 1 MiB takes up to 258 more. RX:
	 * 8..VMSGIF_POOL_PAGES_MAX. What the largest message and
	 * VMSGIF_RX_RESERVE leave of them, at least 1/16 and at most half, can
	 * be held by applications; beyond that messages are copied. Ports take
	 * less than max_message if that, or the ring, is too small for it: 1 MiB
	 * needs order 4, and 278 pages; with 520, half can be held.
	 */
	unsigned int nr_tx_pages;
	void *const *tx_pages;
	const uint32_t *tx_grefs; /* read-only grants are enough */
	uint32_t tx_directory;	  /* its gref; VMSG_NO_GREF: no TX pool */
	unsigned int nr_rx_pages;
	void *const *rx_pages;
	const uint32_t *rx_grefs; /* writable grants */
	uint32_t rx_directory;
	unsigned int max_ports; /* bound at a time */
	unsigned int max_flows; /* remembered (source, port); the oldest gives way */
	unsigned int max_pools; /* MAP pools of other domains mapped at a time */
	unsigned int max_subscriptions;
	/* Messages up to this many bytes are copied out of RX pages at once. */
	unsigned int copy_out; /* 0..4096; 256 is good */
	uint64_t seq_start;    /* first sequence number of the instance, not 0 */
};
#define VMSG_NO_GREF UINT32_MAX

/* Bytes of memory that vmsg_init() needs for @params; 64-byte aligned. */
size_t vmsg_size(const struct vmsg_params *params);
/* Returns the device at the start of @memory (zeroed, vmsg_size() bytes), or NULL: bad params. */
struct vmsg *vmsg_init(void *memory, const struct vmsg_params *params);
void *vmsg_priv(const struct vmsg *v);

/* ------------------------------------------------------------ connection */

/* What the broker offers; from its xenstore nodes. */
struct vmsg_features {
	uint32_t addr; /* own address */
	unsigned int flow_window;
	unsigned int max_message;
	unsigned int max_pool_pages;
	unsigned int max_maps;
	bool map;
};

/* Rings are VMSGIF_RING_BYTES(ring_order) of fresh shared memory each. */
void vmsg_ring_init(struct vmsg *v, void *tx_ring, void *rx_ring);
/*
 * If features->addr is not the address before, SENDs that were under way
 * complete with -EHOSTDOWN; those never posted go out from the new address.
 */
void vmsg_connected(struct vmsg *v, const struct vmsg_features *features);
void vmsg_disconnected(struct vmsg *v);
/*
 * Complete everything with @status, forget pools and peers. Ports stay usable,
 * and bound ones and subscriptions stay. From then on requests get -EHOSTDOWN,
 * until vmsg_ring_init() and vmsg_connected() begin a new instance.
 */
void vmsg_shutdown(struct vmsg *v, int status);
bool vmsg_is_connected(const struct vmsg *v);
/* READY was answered. */
bool vmsg_is_ready(const struct vmsg *v);
/* NULL, or what the other end did wrong. */
const char *vmsg_broken(const struct vmsg *v);
uint32_t vmsg_address(const struct vmsg *v);

/*
 * Take in what the broker published, go on with what waits, publish requests.
 * At most @budget responses are consumed; returns whether more are there.
 */
bool vmsg_poll(struct vmsg *v, unsigned int budget);
/*
 * Ask for an event when something comes that somebody waits for; true: there is
 * something already, poll again. For the answers to quiet SENDs that is so only
 * while a port waits (-EAGAIN, vmsg_drained).
 */
bool vmsg_arm(struct vmsg *v);
/* After vmsg_publish(): whether nothing was taken in since vmsg_arm() said no. */
bool vmsg_armed(const struct vmsg *v);
/*
 * Publish what was posted since. Returns whether to send an event now. Call it
 * once after any batch of calls (also of one that said -EAGAIN), under the
 * lock; send the event outside. Calls back as vmsg_poll() does.
 * @force: also for what is lazy (a wait, a flush, a timer).
 */
bool vmsg_publish(struct vmsg *v, bool force);
/* Responses taken in so far, modulo 2^32: to tell whether an event was about any. */
uint32_t vmsg_taken(const struct vmsg *v);
/*
 * Whether an event for lazy requests is put off, or the last of them held back: then vmsg_publish(force)
 * is to be called within VMSGIF_LAZY_NS.
 */
bool vmsg_put_off(const struct vmsg *v);

/* ------------------------------------------------------------------ ports */

/*
 * An endpoint. @memory (64-byte aligned, @size a multiple of 64) takes received
 * messages; it is the credit that the port gives. NULL and 0 for a mere sender.
 * The largest message taken is @size - 64; with a third more than that takes,
 * credit flows more smoothly. @port stays valid until vmsg_port_fini(), and is
 * the caller's memory.
 */
size_t vmsg_port_size(void);
void vmsg_port_init(struct vmsg *v, struct vmsg_port *port, void *memory, size_t size, void *priv);
/*
 * Precondition: unbound (vmsg_unbind answered). Received messages are dropped.
 * SENDs of it go on; their send_done is not called any more.
 */
void vmsg_port_fini(struct vmsg *v, struct vmsg_port *port);
void *vmsg_port_priv(const struct vmsg_port *port);
uint32_t vmsg_port_number(const struct vmsg_port *port);
/*
 * @name may be NULL (@name_len 0). Returns 0: control_done(@cookie) follows;
 * -EADDRINUSE, -EINVAL, -ENOSPC (max_ports, no memory), -EHOSTDOWN.
 */
int vmsg_bind(struct vmsg *v, struct vmsg_port *port, uint32_t number, const char *name,
	      unsigned int name_len, uint64_t cookie);
/*
 * Everything received and not released is released first. 0, or -EINVAL: not
 * bound. control_done(@cookie), always with 0, comes from within if no broker
 * knows of the port; so does that of a vmsg_bind() under way, with -ECANCELED.
 */
int vmsg_unbind(struct vmsg *v, struct vmsg_port *port, uint64_t cookie);

/* ------------------------------------------------------------------- send */

/* Pages that one segment names at most. */
#define VMSG_RUN_PAGES (VMSGIF_SEG_MAX / VMSGIF_PAGE_SIZE)

/*
 * Take @nr TX pages, all or none: 0, -EAGAIN, or -EMSGSIZE if there never are
 * as many. They are the caller's until given to vmsg_send() (also if that fails:
 * then still the caller's) or back.
 */
int vmsg_tx_pages_get(struct vmsg *v, struct vmsg_port *port, unsigned int nr, uint16_t *pages);
/*
 * Take pages that follow each other: up to @max, and VMSG_RUN_PAGES, from *@first on, as
 * the caller's likewise. Returns how many there were in a row; 0: none is free, as -EAGAIN.
 */
unsigned int vmsg_tx_run_get(struct vmsg *v, struct vmsg_port *port, unsigned int max,
			     uint16_t *first);
void vmsg_tx_run_put(struct vmsg *v, unsigned int first, unsigned int nr);
/* As vmsg_tx_pages_get(), but takes none: vmsg_tx_run_get() has @nr pages then. */
int vmsg_tx_pages_wait(struct vmsg *v, struct vmsg_port *port, unsigned int nr);
void vmsg_tx_pages_put(struct vmsg *v, struct vmsg_port *port, unsigned int nr,
		       const uint16_t *pages);

enum vmsg_form {
	VMSG_INLINE, /* up to VMSGIF_INLINE_MAX bytes at @data */
	VMSG_PAGES,  /* nr_segs segments in TX pages, of which each page is named once */
	VMSG_MAP,    /* len bytes at map_offset of own pool map_id */
};

struct vmsg_send {
	uint32_t addr;
	uint32_t port;
	uint32_t len;
	/* VMSG_PAGES only: it is a batch of messages of so many bytes; 0: it is not. */
	uint16_t each;
	enum vmsg_form form;
	bool lazy;
	bool quiet;	 /* nobody waits for the answer: vmsg_arm() asks for no event for it */
	bool keep;	 /* once answered, the pages of the segments are the caller's again */
	bool open;	 /* lazy, quiet: others may be joined to it, see vmsg_join() */
	uint64_t cookie; /* for send_done; 0: not wanted */
	const void *data;
	/*
	 * ref is the page's index; with or without a TX pool, a segment may go on into the
	 * pages that follow: up to VMSGIF_SEG_MAX bytes. Not changed, not kept.
	 */
	const struct vmsgif_segment *segs;
	unsigned int nr_segs; /* 1..VMSGIF_INDIRECT_MAX */
	/* With more than VMSGIF_SEGS_MAX pages: a TX page more, for a list of them. */
	uint16_t list_page;
	unsigned int map_id;
	uint32_t map_offset;
};
/*
 * 0: posted (or waiting for the connection), pages now the engine's;
 * -EAGAIN: window, share of the ring or slots are full, writable() will tell;
 * -EMSGSIZE, -EINVAL; -EHOSTDOWN: broken or shut down. @seq (may be NULL): its number,
 * that of a batch's last message.
 */
int vmsg_send(struct vmsg *v, struct vmsg_port *port, const struct vmsg_send *send, uint64_t *seq);
/*
 * Makes the batch, or message in map mode, @send a part of the SEND that was posted last, if
 * that is open: not published, nothing posted behind it, of the same flow and length of
 * messages, lazy, quiet, with room for it; and in map mode @send begins where its pages end.
 * False: it is not, and nothing happened; pages stay the caller's, and vmsg_send() is to be
 * asked. True: pages are the engine's, *@seq is as from vmsg_send(), and *@cookie that SEND's,
 * whose answer is the answer for both: @send->cookie means nothing.
 * So that it can happen, vmsg_publish() holds back an open SEND that has room, unless forced
 * to or something urgent is published with it: to be forced as for what it puts off. Whoever
 * is told -EAGAIN closes it, or vmsg_drained() false.
 */
bool vmsg_join(struct vmsg *v, struct vmsg_port *port, const struct vmsg_send *send,
	       uint64_t *cookie, uint64_t *seq);
/* Whether a message of @len bytes may be a batch of messages of @each bytes; 0: it is none. */
static inline bool vmsg_batch_valid(uint32_t len, uint32_t each)
{
	return !each ||
	       (each % VMSGIF_BATCH_ALIGN == 0 && each < len && len <= VMSGIF_BATCH_BYTES &&
		VMSGIF_BATCH_COUNT(len, each) <= VMSGIF_BATCH_MESSAGES);
}
/* Bytes of the longest batch that can be sent, which the broker's max-message bounds as well. */
uint32_t vmsg_batch_bytes(const struct vmsg *v);
/* SENDs of @port that are not answered yet. */
unsigned int vmsg_unanswered(const struct vmsg_port *port);
/* Whether there are none; if there are, writable() will tell when not any more. */
bool vmsg_drained(struct vmsg *v, struct vmsg_port *port);

/* ---------------------------------------------------------------- receive */

struct vmsg_info {
	uint32_t addr; /* source, stamped by the broker */
	uint32_t src_port;
	uint64_t seq; /* of a batch, the last message's */
	uint32_t len;
	uint16_t each;	  /* a batch: bytes of each message but the last; 0: it is none */
	bool mapped;	  /* map mode: the memory is the sender's, read-only */
	const void *data; /* if it is in one piece; else, or without any, NULL */
};
/* The next message that was not received yet, or NULL. It stays valid until released. */
struct vmsg_msg *vmsg_recv(struct vmsg *v, struct vmsg_port *port, struct vmsg_info *info);
/*
 * Walk its pieces: start with *cursor = 0; returns false after the last.
 * Pieces are in RX pages, in the port's memory (at most two), or in the mapped pool.
 */
bool vmsg_msg_piece(struct vmsg *v, struct vmsg_port *port, const struct vmsg_msg *msg,
		    uint32_t *cursor, const void **data, uint32_t *len);
/*
 * Any order; memory and credit come back in the order of arrival. Returns
 * whether to call vmsg_publish(); if not, that can wait for the next reason to: a
 * few pages are then as if they were still held.
 */
bool vmsg_release(struct vmsg *v, struct vmsg_port *port, struct vmsg_msg *msg);

/* ---------------------------------------------------------------- control */

/*
 * All: 0 (control_done(@cookie) follows), -EINVAL, -EHOSTDOWN, -EAGAIN (no slot,
 * or the same name is asked about: writable(NULL) will tell).
 */
int vmsg_resolve_name(struct vmsg *v, const char *name, unsigned int len, uint64_t cookie);
/* The name itself comes by ops->resolved(), before or after control_done with status 0. */
int vmsg_resolve_addr(struct vmsg *v, uint32_t addr, uint64_t cookie);
/*
 * Subscriptions are not counted: one per name, which one cancellation ends.
 * -ENOSPC: max_subscriptions.
 */
int vmsg_subscribe(struct vmsg *v, const char *name, unsigned int len, bool cancel,
		   uint64_t cookie);
/*
 * Share own pool @id (below VMSGIF_MAP_POOLS_MAX, chosen by the caller) of
 * @nr_pages granted read-only to the domain of @addr, with directory @ref, for
 * messages from @port, which is bound, to @addr/@dst_port. Usable once
 * control_done said 0. -EADDRINUSE: the id is; -ENOSPC: too many for the ring.
 */
int vmsg_pool_add(struct vmsg *v, struct vmsg_port *port, unsigned int id, uint32_t addr,
		  uint32_t dst_port, uint32_t ref, uint32_t nr_pages, uint64_t cookie);
/*
 * -EBUSY: SENDs name it, or it is being added or deleted. After control_done,
 * whatever its status, the grants can be ended.
 */
int vmsg_pool_del(struct vmsg *v, unsigned int id, uint64_t cookie);
/*
 * Answer to ops->pool_map: @va of the first page, or @status not 0. The owner is
 * told -EACCES or -EPERM (who is to map it may not), -ENOMEM or -ENOBUFS (too
 * much for now), -ECONNREFUSED (the port closes); all else as -EFAULT: the pool is bad.
 */
void vmsg_pool_mapped(struct vmsg *v, unsigned int slot, int status, const void *va);
/* Answer to ops->pool_unmap without @detach: nothing of the foreign pages is mapped any more. */
void vmsg_pool_unmapped(struct vmsg *v, unsigned int slot);

/* ------------------------------------------------------------- statistics */

struct vmsg_stats {
	uint64_t tx_messages, tx_bytes; /* posted, each once */
	uint64_t tx_failed;		/* answered with a status */
	uint64_t tx_resubmitted;
	uint64_t tx_inline, tx_pooled, tx_granted, tx_mapped; /* by form */
	uint64_t rx_messages, rx_bytes;
	uint64_t rx_repeated; /* dropped: seen before a restart of the broker */
	uint64_t rx_copied_out;
	uint64_t rx_bad_pages;
	uint64_t flows_forgotten; /* max_flows was too small */
	uint64_t events;	  /* times vmsg_publish said to send one */
	uint64_t resets;
};
void vmsg_stats_get(const struct vmsg *v, struct vmsg_stats *stats);
/* TX pages that vmsg_tx_pages_get() can give; RX pages with messages that were not released. */
unsigned int vmsg_tx_pages_free(const struct vmsg *v);
unsigned int vmsg_rx_pages_held(const struct vmsg *v);

#endif /* XENMSG_FRONTEND_CORE_H */
