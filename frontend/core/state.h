/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * What the engine remembers. One header for all modules, since the lines that
 * the hot path touches are laid out here; each module's functions are declared
 * in its own header.
 *
 * Two budgets bound everything. Requests: a TX request lives in a shadow, and
 * there are as many shadows as ring slots, so whoever has a shadow has a slot.
 * Memory: a received message lives in the memory of its port, whose size is the
 * credit that the broker was given.
 */
#ifndef XENMSG_CORE_STATE_H
#define XENMSG_CORE_STATE_H

#include "frontend/core/core.h"
#include "frontend/core/hash.h"

#define vmsg_likely(x)	 __builtin_expect(!!(x), 1)
#define vmsg_unlikely(x) __builtin_expect(!!(x), 0)

#define VMSG_MAP_BITS 64u				      /* of a word of a map of free pages */
#define VMSG_RX_WORDS (VMSGIF_POOL_PAGES_MAX / VMSG_MAP_BITS) /* of the largest map */
#define VMSG_LINE     64 /* bytes: a cache line, a slot, a unit of a port's memory */
/* RX pages that are posted again may go unpublished up to this many. */
#define VMSG_RX_UNSAID 16u
/* Shadows and name cells that only BIND, CREDIT, POOL_ACK and READY may take. */
#define VMSG_KEEP 8u

/* ------------------------------------------------------------------- rings */

/* Private indexes of one ring; they are published, never read back. */
struct vmsg_ring {
	void __guest *shared;
	uint32_t prod;	 /* requests written */
	uint32_t pushed; /* requests published */
	uint32_t cons;	 /* responses taken */
	uint32_t seen;	 /* responses known to be published */
};

/* ------------------------------------------------------------- TX requests */

enum vmsg_shadow_state {
	VMSG_SHADOW_FREE,
	VMSG_SHADOW_TAKEN,  /* being filled */
	VMSG_SHADOW_QUEUED, /* waits to be posted */
	VMSG_SHADOW_POSTED, /* waits for its response */
};

/*
 * A window: the unanswered SENDs of one (destination, port). Entries with
 * count 0 stay in the table until another flow needs them.
 */
struct vmsg_window {
	struct vmsg_entry entry; /* key: vmsg_key(addr, port) */
	uint16_t count;		 /* SENDs unanswered */
	uint16_t queued;	 /* of these not posted yet */
};

/*
 * What there is to know of a request when it is answered, in one word: a SEND
 * that has nothing of it but quiet takes the short way.
 */
union vmsg_tag {
	struct {
		uint8_t op;
		uint8_t state;	  /* enum vmsg_shadow_state */
		bool quiet;	  /* SEND: nobody waits for the answer */
		bool again;	  /* was posted before a reset */
		uint16_t nr_segs; /* SEND: segments, or VMSG_SEGS_LISTED: see pages.h */
		uint8_t cell;	  /* of the name page, plus 1; 0: none */
		bool mapped;	  /* SEND: in an own pool */
	};
	uint64_t word;
};

/*
 * Shadow of a request; its id is its index. @req is the request as on the wire
 * with the TX pool in use, i.e. pages are named by index: it is turned into
 * grant references when it is posted to a broker that did not take the pool.
 */
struct vmsg_shadow {
	struct vmsgif_tx_request req;
	union vmsg_tag tag;
	uint64_t cookie;
	struct vmsg_port *port;
	struct vmsg_window *window;    /* SEND */
	struct vmsg_shadow *next_free; /* FREE */
	uint64_t order;		       /* RESOLVE: number of the SEND before */
	uint16_t list;		       /* SEND: page for a list, if it has one */
	uint16_t first;		       /* of the chain of pages, if it became one */
	uint16_t index;		       /* SUBSCRIBE: of the subscription; pools: id */
} __attribute__((aligned(VMSG_LINE)));

_Static_assert(sizeof(struct vmsg_shadow) == 2 * VMSG_LINE, "two lines, the request is one");

/*
 * Where a page is. TX: free, with the caller, or the next one of a message's chain. RX: in
 * a message's chain or the first one of its row; or not in a message, which is what the others
 * of a row say, too.
 */
#define VMSG_PAGE_MAX	 VMSGIF_POOL_PAGES_MAX
#define VMSG_PAGE_END	 0xffffu /* in use, last or only one */
#define VMSG_PAGE_FREE	 0xfffeu
#define VMSG_PAGE_CALLER 0xfffdu /* TX: handed out by vmsg_tx_pages_get() */
#define VMSG_PAGE_ROW	 0x8000u /* RX: first of a message's that are a row, plus how many */
#define VMSG_ROW_PAGES	 0x0fffu /* these */
#define VMSG_PAGE_KEPT	 0xfffau /* TX: as END, and then the caller's again */

/* ---------------------------------------------------------------- messages */

enum vmsg_msg_state {
	VMSG_MSG_QUEUED,     /* not received yet */
	VMSG_MSG_RECEIVED,   /* with the application */
	VMSG_MSG_TO_RELEASE, /* map mode: RELEASE is not posted yet */
	VMSG_MSG_DONE,	     /* its room is free as soon as that before it is */
};

enum vmsg_msg_form {
	VMSG_MSG_INLINE, /* in data */
	VMSG_MSG_COPIED, /* in the port's memory, behind the descriptor */
	VMSG_MSG_SPLIT,	 /* the same, around the end of the memory */
	VMSG_MSG_PAGES,	 /* in a chain of RX pages */
	VMSG_MSG_MAPPED, /* in a foreign pool */
};

/*
 * Descriptor at the begin of a message's room in its port's memory. What it has
 * in common with the response stands at the same place.
 */
struct vmsg_msg {
	uint8_t state; /* enum vmsg_msg_state */
	uint8_t form;  /* enum vmsg_msg_form */
	uint16_t ref;  /* PAGES: the first page; MAPPED: slot of the pool */
	uint32_t addr;
	uint32_t link; /* TO_RELEASE: offset of the next such message */
	uint32_t src_port;
	uint64_t seq;
	uint32_t len;
	union {
		uint32_t offset;       /* MAPPED: in the pool */
		struct {	       /* PAGES, COPIED */
			uint16_t used; /* as it came */
			uint16_t each;
		};
	};
	union {
		uint8_t data[VMSGIF_INLINE_MAX]; /* INLINE */
		uint64_t behind;		 /* MAPPED: messages of its run that follow */
	};
};

_Static_assert(sizeof(struct vmsg_msg) == VMSG_LINE, "VMSGIF_MSG_COST counts one line for it");

/* The last number of a flow that came in; entries that were not used lately give way. */
struct vmsg_flow {
	struct vmsg_entry entry; /* key: vmsg_key(source, own port) */
	bool used;
	uint64_t seq;
};

/* ------------------------------------------------------------------- ports */

enum vmsg_port_state {
	VMSG_PORT_UNBOUND,
	VMSG_PORT_BINDING,   /* the first BIND is not answered */
	VMSG_PORT_BOUND,     /* also while the broker is away */
	VMSG_PORT_LOST,	     /* a new broker refused to bind it again */
	VMSG_PORT_UNBINDING, /* vmsg_unbind() was called */
};

/* Work to do, and what was done with the present broker. */
#define VMSG_PORT_BIND	      0x01 /* to do: BIND */
#define VMSG_PORT_CREDIT      0x02 /* to do: CREDIT */
#define VMSG_PORT_UNBIND      0x04 /* to do: UNBIND, after the RELEASEs */
#define VMSG_PORT_LISTED      0x08 /* is on the list of ports with work */
#define VMSG_PORT_ASKED	      0x10 /* BIND is posted and not answered */
#define VMSG_PORT_LIVE	      0x20 /* BIND was answered with 0 */
#define VMSG_PORT_CREDIT_BUSY 0x40 /* CREDIT is posted and not answered */
#define VMSG_PORT_BEHIND      0x80 /* another CREDIT is due after that answer */

/* Why a caller was told -EAGAIN. */
#define VMSG_WAIT_SLOTS	 0x01
#define VMSG_WAIT_SHARE	 0x02
#define VMSG_WAIT_WINDOW 0x04 /* port->wait_window; any if NULL */
#define VMSG_WAIT_PAGES	 0x08 /* port->wait_pages */
#define VMSG_WAIT_DRAIN	 0x10 /* all SENDs answered */

/*
 * Of the memory of a port, some bytes are used by messages, the broker has
 * credit for some (left), and of the rest it does not know yet (unsaid).
 */
struct vmsg_port {
	/* receiving */
	uint8_t *memory;
	uint32_t size;	  /* used + left + unsaid */
	uint32_t number;  /* 0: unbound */
	uint32_t head;	  /* offset of the oldest message that is not done */
	uint32_t tail;	  /* offset at which the next message comes in */
	uint32_t next;	  /* offset of the first QUEUED message; none if waiting is 0 */
	uint32_t waiting; /* messages QUEUED */
	uint32_t used, left, unsaid;
	uint32_t max_len;	/* as said in BIND */
	uint32_t quarter;	/* bytes to be freed before CREDIT is said */
	uint32_t plenty;	/* credit with which the broker needs no more: half, a message */
	uint32_t slack;		/* bytes that may stay unsaid though all is free */
	uint64_t said;		/* credit as on the wire */
	struct vmsg_flow *flow; /* last used */
	uint16_t pool_slot;	/* last used foreign pool */
	uint8_t state;		/* enum vmsg_port_state */
	uint8_t flags;		/* VMSG_PORT_* */
	/* sending */
	struct vmsg_window *window; /* last used */
	uint32_t unanswered;
	uint16_t wait; /* VMSG_WAIT_* */
	uint16_t wait_pages;
	struct vmsg_window *wait_window;
	struct vmsg_port *wait_next, *wait_prev;
	/* control */
	struct vmsg *device;
	void *priv;
	struct vmsg_port *hash_next;
	struct vmsg_port *work_next;
	uint32_t release_first, release_last; /* offsets */
	uint32_t nr_release;		      /* messages TO_RELEASE */
	uint32_t name_len;
	uint64_t bind_cookie, unbind_cookie;
	uint8_t name[VMSGIF_NAME_MAX];
};

/* ------------------------------------------------------------------- pools */

enum vmsg_own_state {
	VMSG_OWN_FREE,
	VMSG_OWN_ADD,	    /* POOL_ADD to be answered */
	VMSG_OWN_ON,	    /* usable */
	VMSG_OWN_AGAIN,	    /* was usable; POOL_ADD to the new broker to be answered */
	VMSG_OWN_DEL,	    /* POOL_DEL to be answered */
	VMSG_OWN_DEL_AGAIN, /* the same, but the new broker needs to hear POOL_ADD first */
	VMSG_OWN_GONE,	    /* the receiver let go; SENDs that name it to be answered */
};

struct vmsg_own_pool {
	uint32_t addr, port, src_port;
	uint32_t ref;
	uint32_t nr_pages;
	uint32_t sends; /* unanswered SENDs that name it */
	struct vmsg_port *owner;
	uint64_t cookie;
	uint8_t state; /* enum vmsg_own_state */
};

enum vmsg_foreign_state {
	VMSG_FOREIGN_FREE,
	VMSG_FOREIGN_MAPPING, /* ops->pool_map() to be answered */
	VMSG_FOREIGN_DROPPED, /* the same, and to be unmapped then */
	VMSG_FOREIGN_MAPPED,
	VMSG_FOREIGN_DRAINING, /* to be unmapped when nothing is held */
	VMSG_FOREIGN_UNMAPPING,
	VMSG_FOREIGN_DETACHED, /* private copies, until nothing is held */
	VMSG_FOREIGN_ACKING,   /* not mapped; POOL_ACK to be posted */
};

struct vmsg_foreign_pool {
	uint32_t addr, port, ref, nr_pages;
	uint16_t id;
	uint8_t state;	/* enum vmsg_foreign_state */
	bool announced; /* by the present broker, which waits for POOL_ACKs */
	bool ack;	/* POOL_ACK with ack_status is to be posted */
	int32_t ack_status;
	uint32_t held; /* messages not released */
	const uint8_t *va;
};

/* A POOL_ADD or POOL_DEL that is refused; it keeps its RX page until that was said. */
struct vmsg_reject {
	uint32_t addr;
	uint16_t id;
	uint16_t page;
	int32_t status;
};

/* ------------------------------------------------------------ subscriptions */

enum vmsg_sub_state {
	VMSG_SUB_FREE,
	VMSG_SUB_ASK,	 /* SUBSCRIBE to be answered, cookie waits */
	VMSG_SUB_ON,	 /* answered, also while the broker is away */
	VMSG_SUB_CANCEL, /* the cancelling SUBSCRIBE to be answered */
};

struct vmsg_sub {
	uint8_t state; /* enum vmsg_sub_state */
	bool due;      /* SUBSCRIBE is to be posted */
	uint8_t len;
	uint64_t cookie;
	uint8_t name[VMSGIF_NAME_MAX];
};

/* ------------------------------------------------------------------ device */

/* What goes on after vmsg_connected(); see reset.c. */
enum vmsg_phase {
	VMSG_DOWN,     /* not connected */
	VMSG_POOLS,    /* the answers about the TX and the RX pool are awaited */
	VMSG_BINDS,    /* BINDs are being posted */
	VMSG_RELEASES, /* RELEASEs are being posted, READY comes next */
	VMSG_RUN,
};

#define VMSG_TODO_RX	   0x01 /* RX pages to be posted */
#define VMSG_TODO_PORTS	   0x02 /* ports with work */
#define VMSG_TODO_SUBS	   0x04
#define VMSG_TODO_OWN	   0x08 /* own pools */
#define VMSG_TODO_ACKS	   0x10 /* foreign pools */
#define VMSG_TODO_QUEUE	   0x20 /* queued requests */
#define VMSG_TODO_WAKE	   0x40 /* somebody who waits may go on */
#define VMSG_TODO_RELEASES 0x80 /* RELEASEs kept from before the reset */

/* What rsp_event of TX was set behind. */
enum vmsg_skipped {
	VMSG_SKIP_NONE,
	VMSG_SKIP_PROMPT, /* posted CREDIT, RELEASE, POOL_ACK */
	VMSG_SKIP_ALL,	  /* whatever there is */
};

/* The arrays behind struct vmsg; device.c lays them out. */
struct vmsg_tables {
	struct vmsg_shadow *shadows;	   /* [slots] */
	uint16_t *queue;		   /* [slots] QUEUED SENDs and RESOLVEs by rising order */
	uint64_t *tx_map;		   /* [nr_tx_pages bits] which pages are free */
	uint16_t *tx_mark;		   /* [nr_tx_pages] VMSG_PAGE_*, or next page */
	uint64_t *rx_map;		   /* [nr_rx_pages bits] which pages are free */
	uint16_t *rx_mark;		   /* [nr_rx_pages] VMSG_PAGE_*, or next page */
	uint16_t *rx_at;		   /* [slots] page posted with this id */
	struct vmsg_reject *rejects;	   /* [nr_rx_pages] a ring */
	struct vmsg_own_pool *own;	   /* [VMSGIF_MAP_POOLS_MAX] */
	struct vmsg_foreign_pool *foreign; /* [max_pools] */
	struct vmsg_sub *subs;		   /* [max_subscriptions] */
	struct vmsg_port **ports;	   /* [1 << port_bits] buckets */
	struct vmsg_hash windows;	   /* of struct vmsg_window */
	struct vmsg_hash flows;		   /* of struct vmsg_flow */
};

struct vmsg {
	/* hot */
	struct vmsg_ring tx, rx;
	uint32_t mask;	   /* slots - 1 */
	uint32_t todo;	   /* VMSG_TODO_* */
	uint32_t on_free;  /* VMSG_TODO_* to be set when a request is answered */
	uint16_t nr_wait;  /* shadows of requests that may wait */
	uint16_t nr_other; /* shadows of other requests */
	uint16_t max_wait; /* slots - VMSGIF_TX_RESERVE */
	uint16_t max_call; /* of these, what callers may have: one per own pool is kept; 0: down */
	uint16_t inline_max; /* min(VMSGIF_INLINE_MAX, max_message) */
	uint16_t quick_max;  /* min(VMSGIF_PAGE_SIZE, max_message); 0: no TX pool */
	uint16_t share;	     /* SENDs that one port may have unanswered */
	uint16_t window;     /* and one flow */
	uint16_t nr_queue;
	uint16_t nr_quiet;   /* posted SENDs whose answer nobody waits for */
	uint16_t nr_prompt;  /* posted CREDIT, RELEASE, POOL_ACK */
	uint16_t nr_control; /* these, and posted BIND, READY */
	uint16_t nr_tx_free;
	uint16_t tx_low; /* words of tx_map before this one are 0 */
	uint16_t nr_rx_free;
	uint16_t rx_next;	   /* the page behind the free ones that were posted last */
	uint16_t rx_whole;	   /* which words of rx_map may have a whole group of free ones */
	uint16_t nr_behind;	   /* ports with VMSG_PORT_BEHIND */
	uint8_t phase;		   /* enum vmsg_phase */
	uint8_t tx_pool;	   /* VMSGIF_TXF_POOL if the broker took the TX pool */
	uint8_t rx_pool;	   /* VMSGIF_RXF_POOL if the broker took the RX pool */
	bool down;		   /* broken or shut down: refuse */
	bool rx_on;		   /* post RX pages */
	bool send_now;		   /* phase is RUN and nothing is queued */
	bool urgent;		   /* something posted since the last publish is */
	bool due;		   /* the broker asked for an event that was not sent yet */
	bool put_off;		   /* and whoever calls us knows it: vmsg_put_off() */
	bool armed;		   /* both rsp_event are set, and nothing had come by then */
	uint8_t skipped;	   /* enum vmsg_skipped */
	uint32_t armed_at;	   /* vmsg_taken() at that time */
	uint64_t seq;		   /* of the last SEND */
	struct vmsg_port *rx_port; /* last used */
	struct vmsg_shadow *free;  /* list of free shadows */
	struct vmsg_shadow *open;  /* the last request that was posted: more may be joined to it */
	uint32_t open_prod;	   /* tx.prod behind it: nothing was posted since */
	struct vmsg_tables t;
	struct vmsg_stats stats;

	/* receiving */
	uint32_t rx_held;     /* pages with applications */
	uint32_t rx_hold_max; /* beyond it messages are copied out */
	uint32_t rx_most;     /* pages that are posted, or as many as there are */
	uint32_t rx_due;      /* when fewer are, it is time to post some */
	uint32_t rx_enough;   /* posted pages: the largest message can come in, and events */
	uint32_t max_len;     /* of a message that RX pages can take */

	/* ports */
	struct vmsg_port *wait_first, *wait_last; /* who was told -EAGAIN */
	struct vmsg_port *work_first, *work_last;
	uint32_t nr_work;
	uint32_t nr_bind;    /* ports with VMSG_PORT_BIND */
	uint32_t nr_release; /* messages TO_RELEASE */
	uint32_t nr_ports;
	unsigned int port_bits;
	bool control_waits; /* a request of the device was told -EAGAIN */

	/* connection */
	const char *broken;
	uint32_t addr;
	bool ready;
	bool was_connected;
	uint8_t pool_answers; /* still to come in VMSG_POOLS */
	/* What was posted when last nobody had to be woken for it: see vmsg_tx_many(). */
	uint32_t told;	  /* tx.prod, less RELEASEs since that have no slot */
	int told_pages;	  /* pages that were free, and that were freed since */
	uint64_t own_due; /* own pools for which something is to be posted */
	uint32_t cells;	  /* free cells of the name page, one bit each */
	uint32_t nr_cells;
	uint32_t nr_rejects, first_reject;
	struct vmsg_features features;
	struct vmsg_params params;
};

static inline unsigned int vmsg_slots(const struct vmsg *v)
{
	return v->mask + 1;
}

static inline unsigned int vmsg_nr_free(const struct vmsg *v)
{
	return vmsg_slots(v) - v->nr_wait - v->nr_other;
}

/* Breaks the device, for the first reason given. Always false, for "return vmsg_break()". */
static inline bool vmsg_break(struct vmsg *v, const char *reason)
{
	if (!v->broken)
		v->broken = reason;
	return false;
}

static inline uint64_t vmsg_key(uint32_t addr, uint32_t port)
{
	return (uint64_t)port << 32 | addr; /* as the two stand in memory, in all structures */
}

#endif /* XENMSG_CORE_STATE_H */
