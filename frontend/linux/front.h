/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's frontend of the vmsg device: what its files share.
 *
 * Model. A domain has one vmsg device, so there is one struct vmsg_front, as
 * old as the module. It owns the engine (frontend/core) and everything that the
 * engine leaves to its OS layer; xenbus only attaches a device to it, and takes
 * it away again. So endpoints - the open files of /dev/xenmsg - outlive an
 * unplugged device, a saved and restored domain, and of course the broker.
 *
 *   main.c      the module                 bus.c       xenbus, the state machine
 *   channel.c   rings, event channel       grants.c    pages that others may see
 *   service.c   turning the engine's crank, and its callbacks
 *   chardev.c   open files: ioctl, poll    endpoint.c  ports, from open to closed
 *   send.c  area.c  recv.c  event.c  names.c  pool.c  foreign.c  what ioctls do
 *   sent.c      what is not answered
 *   share.c     how much a user may have    debugfs.c   how things stand
 *
 * One mutex, front->lock, protects it all, the engine included. Whatever can
 * wait for the memory of a process - copying to and from it - is done without
 * that lock, so no process can hold up another one. The engine's callbacks come
 * with the lock held; they note what happened in the endpoint, and wake it.
 *
 * The backend is not trusted with the kernel: the engine checks what it writes,
 * and breaks the device for good at the first contradiction (front_broken()).
 */
#ifndef VMSGFRONT_FRONT_H
#define VMSGFRONT_FRONT_H

#include <linux/hrtimer.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <xen/grant_table.h>
#include <xen/xenbus.h>

#include "frontend/core/core.h"
#include "uapi/linux/xenmsg.h"

#define FRONT_NAME "xen-vmsgfront"

/* ----------------------------------------------------------------- grants */

/* Pages granted to one domain. */
struct granted {
	unsigned int nr;
	bool readonly;
	domid_t domid;
	unsigned int nr_granted; /* the first ones are */
	struct page **pages;
	void **va;
	grant_ref_t *refs;
};

/* ----------------------------------------------------------------- device */

enum front_phase {
	FRONT_ABSENT,	 /* no device on the bus */
	FRONT_CLOSED,	 /* closed: by the broker, for a violation, or not opened yet */
	FRONT_START,	 /* Initialising; the broker is to say InitWait */
	FRONT_OFFERED,	 /* Initialised; the broker is to say Connected */
	FRONT_CONNECTED, /* Connected */
};

/* A message, or batch, that is not answered. */
struct sent {
	struct endpoint *ep; /* NULL: free */
	u64 cookie;
	u64 seq;
	u32 addr;
	u32 port;
	u16 pages;	/* of the TX pool, charged to the endpoint */
	u16 area_first; /* of the endpoint's area */
	u16 area_nr;	/* 0: none */
	u16 next;	/* of the free ones; of those that were joined to it */
	bool confirm;
	struct own_pool *pool; /* map mode */
};

#define FRONT_SENDS   VMSGIF_RING_SLOTS(VMSGIF_MAX_RING_ORDER)
#define FRONT_SENT    (2 * FRONT_SENDS)
#define SENT_NONE     U16_MAX
#define FRONT_FOREIGN 64 /* foreign pools mapped at a time */
#define FRONT_PORTS   1024
#define FRONT_FLOWS   8192
#define FRONT_SUBS    256

struct vmsg_front {
	struct mutex lock;
	enum front_phase phase;
	struct xenbus_device *dev;   /* NULL: FRONT_ABSENT */
	struct xenbus_device *taken; /* a process drives that one; NULL: none does */
	u64 epoch;		     /* echoed last */
	u64 instance;
	bool suspended;
	struct delayed_work revive; /* after a suspend that was called off */

	/* Made at the first InitWait, and kept. */
	struct vmsg *v;
	struct vmsg_features features;
	unsigned int ring_order;
	struct granted tx_ring, rx_ring, tx, rx, directories;
	void *tx_ring_va, *rx_ring_va;
	unsigned int area_pages; /* TX pages in the areas of files */

	/* The event channel; 0: none. */
	evtchn_port_t evtchn;
	int irq;
	u32 taken_in; /* vmsg_taken() at the last event */
	bool notify;  /* an event is to be sent, once the lock is free */
	struct hrtimer lazy;
	struct work_struct lazy_work;

	struct list_head endpoints;
	unsigned int nr_endpoints;
	unsigned int nr_closing;
	struct list_head calls;
	u64 cookie; /* of the last call */
	struct list_head subs;
	struct list_head users;
	struct sent sent[FRONT_SENT];
	u16 free_sent;
	unsigned int nr_sent;
	struct foreign *foreign[FRONT_FOREIGN]; /* by the engine's slot */
	struct xarray foreign_handles;
	struct own_pool *own[VMSGIF_MAP_POOLS_MAX];
	unsigned int pool_pages; /* in own pools */
	u64 events_received;
	atomic_long_t busy_grants; /* left to the kernel's list, as the other side held them */
};

/* --------------------------------------------------------------- endpoint */

/* A control request that is under way. */
struct call {
	struct list_head link; /* in front->calls */
	struct endpoint *ep;   /* woken by the answer; NULL: nobody waits any more */
	u64 cookie;	       /* 0: none is under way */
	bool done;
	struct vmsg_answer answer;
	u32 addr; /* for the name of an address, which comes on its own */
	u8 *name; /* NULL: not wanted */
	u32 name_len;
	bool named;
};

enum endpoint_state {
	EP_UNBOUND,
	EP_BINDING,
	EP_BOUND,
	EP_UNBINDING,
};

#define EP_EVENTS 256
#define EP_PEERS  32

struct ep_event {
	u32 type;
	s32 status;
	u32 addr;
	u32 port;
	u64 seq;
	u64 cookie;
};

struct endpoint {
	struct list_head link;
	struct vmsg_front *front;
	struct front_user *user;
	wait_queue_head_t wq;
	u32 progress;		/* counts what may let somebody who waits go on */
	struct vmsg_port *port; /* NULL: the engine is not there yet */
	void *memory;
	u32 memory_size;
	enum endpoint_state state;
	bool closed;		  /* the file is */
	struct call call;	  /* BIND or UNBIND */
	bool readable;		  /* messages may be waiting in the engine */
	bool stuck;		  /* wake who waits to send; no POLLOUT */
	unsigned int nr_waiting;  /* threads that sleep in SEND */
	struct list_head members; /* of subscriptions */

	/* sending */
	struct mutex send_lock; /* outside of front->lock */
	struct tx_scratch *scratch;
	unsigned int nr_sent;
	unsigned int tx_pages; /* in messages that are not answered */
	int failure;	       /* the first one since the last flush */
	u16 *area;	       /* engine's pages */
	unsigned long *area_busy;
	unsigned int area_pages;

	/* receiving */
	struct mutex recv_lock; /* outside of front->lock */
	struct rx_pending *pending;
	unsigned int pending_first, pending_nr;
	struct xarray held; /* mapped messages by handle */
	unsigned int nr_held;

	/* events */
	struct ep_event *events; /* EP_EVENTS of them, a ring */
	unsigned int event_head, nr_events;
	unsigned int nr_confirm; /* of the ring's places, kept for XENMSG_TX_CONFIRM */
	u64 events_lost;
	u32 new_addr;	       /* XENMSG_EV_ADDRESS to be fetched */
	int port_lost;	       /* XENMSG_EV_PORT_LOST */
	u32 peers[EP_PEERS];   /* that it dealt with */
	unsigned int nr_peers; /* above EP_PEERS: more than are kept */
	unsigned int nr_pools;
	struct list_head foreign; /* pools of others, mapped for this port */
	unsigned int nr_foreign;
};

/* main.c */
extern unsigned int front_tx_pages, front_rx_pages, front_buffer_max, front_area_max,
	front_pool_pages;

/* ----------------------------------------------------------------- share.c */

enum front_share {
	SHARE_FILES,
	SHARE_REQUESTS, /* that may wait for long: SENDs, look-ups */
	SHARE_TX_PAGES, /* in these */
	SHARE_AREA_PAGES,
	SHARE_PORTS,
	SHARE_MEMORY, /* pages, for ports' buffers and own pools */
	SHARE_POOLS,
	SHARE_POOL_PAGES,
	SHARE_NAMES,
	SHARE_FOREIGN,
	SHARES
};

/* All with the lock. That of the calling process; NULL: no memory. */
struct front_user *user_get(struct vmsg_front *front);
struct front_user *user_ref(struct front_user *user);
void user_put(struct front_user *user);
/* How many pages for sending all areas may have, and a user's messages. */
unsigned int share_of_pages(const struct vmsg_front *front);
/* Whether @user may have @n more. */
bool share_left(const struct vmsg_front *front, const struct front_user *user,
		enum front_share share, unsigned long n);
/* The same; then it has. */
bool share_take(const struct vmsg_front *front, struct front_user *user, enum front_share share,
		unsigned long n);
/* Wakes who waits for more: not to be called on the way to find that there is not enough. */
void share_put(struct vmsg_front *front, struct front_user *user, enum front_share share,
	       unsigned long n);
/* The three for a SEND, which is a request, and @pages for it. */
bool share_left_send(const struct vmsg_front *front, const struct front_user *user,
		     unsigned int pages);
void share_take_send(struct front_user *user, unsigned int pages);
void share_put_send(struct vmsg_front *front, struct front_user *user, unsigned int pages);
/* Of requests and their pages, @user may not have more: its files are woken when it may. */
void share_await(struct vmsg_front *front, struct front_user *user);

/* ---------------------------------------------------------------- grants.c */

int granted_alloc(struct granted *g, unsigned int nr, bool readonly, bool in_a_row);
int granted_grant(struct granted *g, domid_t domid);
/* The grant table is a new one (resume): the same references again. */
void granted_again(struct granted *g);
/* Ends the grants and frees the pages; those that are busy when the other side lets go. */
void granted_free(struct vmsg_front *front, struct granted *g);

/* --------------------------------------------------------------- channel.c */

/* Rings, pages and engine, once. */
int channel_make(struct vmsg_front *front, unsigned int max_order, unsigned int max_pool);
void channel_unmake(struct vmsg_front *front);
/* The grant table is a new one. */
void channel_grant_again(struct vmsg_front *front);
/* Grants and event channel for the device that is attached. */
int channel_open(struct vmsg_front *front);
/* No event comes any more; called without the lock. */
void channel_close(struct vmsg_front *front);
void channel_set_timer(struct vmsg_front *front);
void channel_init(struct vmsg_front *front);

/* ------------------------------------------------------------------- bus.c */

int front_bus_register(struct vmsg_front *front);
void front_bus_unregister(void);
/* If a process drove the device, and has ended, we take it; -EBUSY: it has not. */
int front_bus_claim(struct vmsg_front *front);
/* The engine found that the backend contradicts itself. */
void front_broken(struct vmsg_front *front);

/* --------------------------------------------------------------- service.c */

extern const struct vmsg_ops front_ops;

void front_lock(struct vmsg_front *front);
/* Publishes what was posted, arms the timer, and sends the event after unlocking. */
void front_unlock(struct vmsg_front *front);
/* Takes in what is there. @force: publishes what is lazy, too. */
void front_service(struct vmsg_front *front, bool force);
/*
 * Sleep until something concerns @ep, or *@jiffies_left have passed. With the
 * lock, which is released meanwhile. 0, -ETIMEDOUT, front_interrupted().
 */
int front_sleep(struct endpoint *ep, long *jiffies_left);
/* What a signal makes a call with this time left return: -ERESTARTSYS or -EINTR. */
int front_interrupted(long jiffies_left);
/* Jiffies of a timeout in ms. */
long front_jiffies(s32 timeout);
static inline void ep_wake(struct endpoint *ep)
{
	WRITE_ONCE(ep->progress, ep->progress + 1);
	wake_up_interruptible(&ep->wq);
}
void front_wake_all(struct vmsg_front *front);
/* 0, -ENODEV (never there), -EHOSTDOWN (gone), -EBUSY (a process drives it). */
int front_usable(const struct vmsg_front *front);

/* What a process may see of a status that the backend gave. */
int front_status(int status);

void call_begin(struct vmsg_front *front, struct call *call, struct endpoint *ep);
void call_end(struct call *call);
typedef int (*call_start_fn)(struct endpoint *ep, void *arg, u64 cookie);
/* Starts a request by @start, waiting for room for it alone. With the lock. */
int call_start(struct endpoint *ep, struct call *call, call_start_fn start, void *arg, long *left);
/*
 * Starts a request by @start, and waits for its answer: its status, or why
 * there is none. With the lock. @keep: after a wait in vain the call stays
 * under way, for the caller to look after.
 */
int call_run(struct endpoint *ep, struct call *call, call_start_fn start, void *arg, long *left,
	     bool keep);
/* Goes on waiting for one that was kept. */
int call_resume(struct endpoint *ep, struct call *call, long *left);

/* -------------------------------------------------------------- endpoint.c */

/* Or an error as a pointer. */
struct endpoint *endpoint_open(struct vmsg_front *front);
/* The file is closed; the endpoint goes when everything is over. */
void endpoint_close(struct endpoint *ep);
/* Makes the engine's part of it, if that is not there. With the lock. */
int endpoint_ready(struct endpoint *ep);
/* Those that close make their next step. With the lock. */
void endpoints_step(struct vmsg_front *front);
long endpoint_bind(struct endpoint *ep, struct xenmsg_uapi_bind __user *arg);
long endpoint_unbind(struct endpoint *ep, struct xenmsg_uapi_unbind __user *arg);

/* ------------------------------------------------------------- the ioctls */

long send_messages(struct endpoint *ep, struct xenmsg_uapi_send __user *arg, bool nonblock);
long send_flush(struct endpoint *ep, struct xenmsg_uapi_flush __user *arg);
void send_free(struct endpoint *ep);

void sent_init(struct vmsg_front *front);
/* For the next SEND; 0: there are too many. */
static inline u64 sent_cookie(const struct vmsg_front *front)
{
	return front->free_sent == SENT_NONE ? 0 : front->free_sent + 1;
}
/* The entry that this cookie names, to be filled in. */
static inline struct sent *sent_get(struct vmsg_front *front)
{
	struct sent *sent = &front->sent[front->free_sent];

	front->free_sent = sent->next;
	front->nr_sent++;
	return sent;
}
/* Whether there is one for a message that is joined to another. */
static inline bool sent_may_join(const struct vmsg_front *front)
{
	return front->nr_sent < FRONT_SENT - FRONT_SENDS;
}
/* @sent was joined to the SEND with @cookie. */
void sent_join(struct vmsg_front *front, u64 cookie, const struct sent *sent);
void sent_answered(struct vmsg_front *front, u64 cookie, int status);
/* What it waits for may be there. */
void send_try_again(struct endpoint *ep);

long area_make(struct endpoint *ep, struct xenmsg_uapi_area __user *arg);
int area_mmap(struct endpoint *ep, struct vm_area_struct *vma);
/* The segments of a message in it, and their last page's number in *@last. 0, -EINVAL, -EBUSY. */
int area_segments(struct endpoint *ep, u64 offset, u32 len, struct vmsgif_segment *segs,
		  unsigned int *nr);
void area_free(struct endpoint *ep);

long recv_messages(struct endpoint *ep, struct xenmsg_uapi_recv __user *arg, bool nonblock);
long recv_release(struct endpoint *ep, struct xenmsg_uapi_release __user *arg);
/* Everything received is forgotten; the engine releases it. */
void recv_drop(struct endpoint *ep);
void recv_free(struct endpoint *ep);

long event_fetch(struct endpoint *ep, struct xenmsg_uapi_events __user *arg, bool nonblock);
bool event_pending(struct endpoint *ep);
void event_post(struct endpoint *ep, const struct ep_event *event);
/* Keep a place, if there is one, for an event that must not be lost; event_confirm() posts it. */
bool event_room(const struct endpoint *ep);
void event_keep(struct endpoint *ep);
void event_give_up(struct endpoint *ep);
void event_confirm(struct endpoint *ep, const struct ep_event *event);
/* @ep has dealt with @addr. */
void event_peer(struct endpoint *ep, u32 addr);
/* Whether it has; then it has not any more. */
bool event_knows_peer(struct endpoint *ep, u32 addr);

long name_resolve(struct endpoint *ep, struct xenmsg_uapi_resolve __user *arg);
long name_of(struct endpoint *ep, struct xenmsg_uapi_name __user *arg);
long name_subscribe(struct endpoint *ep, struct xenmsg_uapi_subscribe __user *arg);
void names_peer_up(struct vmsg_front *front, u32 addr, const char *name, unsigned int len);
/* Whether @ep was told that @addr is up. */
bool names_peer_down(struct endpoint *ep, u32 addr);
void names_down(struct vmsg_front *front);
/* Takes one XENMSG_EV_PEER_UP that @ep has not fetched. */
bool names_take_event(struct endpoint *ep, struct xenmsg_uapi_event *event);
bool names_pending(const struct endpoint *ep);
void names_drop(struct endpoint *ep);
/* A look-up that nobody waits for any more is answered. */
void names_forgotten(struct vmsg_front *front, struct call *call);
/* Cancels what nobody subscribes to any more, and could not be cancelled at once. */
void names_step(struct vmsg_front *front);
/* At the end, when there are no endpoints. */
void names_free(struct vmsg_front *front);

long pool_add(struct endpoint *ep, struct xenmsg_uapi_pool_add __user *arg);
long pool_del(struct endpoint *ep, struct xenmsg_uapi_pool_del __user *arg);
int pool_mmap(struct endpoint *ep, unsigned int id, struct vm_area_struct *vma);
/* NULL: it has none with this number, or one that closes. */
struct own_pool *pool_of(const struct endpoint *ep, unsigned int id);
void pool_sent(struct own_pool *pool);
void pool_answered(struct own_pool *pool);
void pool_gone(struct vmsg_front *front, unsigned int id);
/* Deletes those of @ep that close, all if @ep does; true when there are none left. */
bool pools_close_step(struct endpoint *ep);
bool pools_take_event(struct endpoint *ep, struct xenmsg_uapi_event *event);
bool pools_pending(const struct endpoint *ep);

long pool_mapped(struct endpoint *ep, struct xenmsg_uapi_pool_mapped __user *arg);
bool foreign_take_event(struct endpoint *ep, struct xenmsg_uapi_event *event);
bool foreign_pending(const struct endpoint *ep);
/* A place in a foreign pool, as the pointer that the engine makes of it. */
#define FOREIGN_SHIFT	  28
#define FOREIGN_VA(h)	  ((const void *)((uintptr_t)(h) << FOREIGN_SHIFT))
#define FOREIGN_HANDLE(p) ((u16)((uintptr_t)(p) >> FOREIGN_SHIFT))
#define FOREIGN_OFFSET(p) ((uintptr_t)(p) & ((1ul << FOREIGN_SHIFT) - 1))
void foreign_map(struct vmsg *v, struct vmsg_port *port, unsigned int slot, u32 addr, u32 ref,
		 u32 nr_pages);
void foreign_unmap(struct vmsg *v, unsigned int slot, bool detach);
void foreign_free(struct vmsg *v, unsigned int slot);
/* @ep closes or unbinds: what is asked of it is answered. */
void foreign_drop(struct endpoint *ep);

/* --------------------------------------------------------------- chardev.c */

int chardev_register(struct vmsg_front *front);
void chardev_unregister(void);

/* --------------------------------------------------------------- debugfs.c */

void debugfs_register(struct vmsg_front *front);
void debugfs_unregister(void);

#endif /* VMSGFRONT_FRONT_H */
